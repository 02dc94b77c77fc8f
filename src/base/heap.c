/* SPDX-License-Identifier: MIT */
/*
 * The pairing heap. A tree of any shape in which no child is less than its
 * parent; the children of a node form a list. Two trees are linked by making the
 * greater root the first child of the other. Removing a root leaves a list of
 * trees, linked in pairs from front to back and then, from back to front, into
 * one: the two passes are what makes the amortised bound hold.
 */
#include "base/heap.h"

/* Links two roots (either may be NULL) and returns the lesser; its prev and next
 * are the caller's to set. */
static struct weft__heap_node *link_roots(struct weft__heap_node *a, struct weft__heap_node *b)
{
	struct weft__heap_node *parent = a;
	struct weft__heap_node *child = b;

	if (!a)
		return b;
	if (!b)
		return a;
	if (b->key < a->key) {
		parent = b;
		child = a;
	}
	child->next = parent->child;
	if (child->next)
		child->next->prev = child;
	child->prev = parent;
	parent->child = child;
	return parent;
}

static void set_root(struct weft__heap *heap, struct weft__heap_node *root)
{
	heap->root = root;
	if (root) {
		root->prev = root;
		root->next = NULL;
	}
}

/* Merges a list of siblings, whose parent is gone, into one tree. */
static struct weft__heap_node *merge_pairs(struct weft__heap_node *first)
{
	struct weft__heap_node *pairs = NULL;
	struct weft__heap_node *root = NULL;

	/* Front to back; the linked pairs pile up on a stack threaded by `next`. */
	while (first) {
		struct weft__heap_node *a = first;
		struct weft__heap_node *b = a->next;
		struct weft__heap_node *pair;

		first = b ? b->next : NULL;
		pair = link_roots(a, b);
		pair->next = pairs;
		pairs = pair;
	}
	/* Back to front. */
	while (pairs) {
		struct weft__heap_node *pair = pairs;

		pairs = pair->next;
		root = link_roots(root, pair);
	}
	return root;
}

/* Cuts a node that is not the root, with its subtree, out of its siblings. */
static void cut(struct weft__heap_node *node)
{
	if (node->prev->child == node)
		node->prev->child = node->next;
	else
		node->prev->next = node->next;
	if (node->next)
		node->next->prev = node->prev;
	node->next = NULL;
}

void weft__heap_insert(struct weft__heap *heap, struct weft__heap_node *node, int64_t key)
{
	WEFT__ASSERT(!node->prev, "a heap node was inserted twice");
	node->key = key;
	node->child = NULL;
	node->next = NULL;
	set_root(heap, link_roots(heap->root, node));
}

void weft__heap_remove(struct weft__heap *heap, struct weft__heap_node *node)
{
	struct weft__heap_node *subtree;

	WEFT__ASSERT(node->prev, "a heap node was removed that is in no heap");
	if (node == heap->root) {
		set_root(heap, merge_pairs(node->child));
	} else {
		cut(node);
		subtree = merge_pairs(node->child);
		set_root(heap, link_roots(heap->root, subtree));
	}
	node->child = NULL;
	node->next = NULL;
	node->prev = NULL;
}

struct weft__heap_node *weft__heap_pop(struct weft__heap *heap)
{
	struct weft__heap_node *node = heap->root;

	if (node)
		weft__heap_remove(heap, node);
	return node;
}

void weft__heap_update(struct weft__heap *heap, struct weft__heap_node *node, int64_t key)
{
	WEFT__ASSERT(node->prev, "a heap node was given a key that is in no heap");
	if (key > node->key) {
		weft__heap_remove(heap, node);
		weft__heap_insert(heap, node, key);
		return;
	}
	node->key = key;
	if (node != heap->root) {
		cut(node);
		set_root(heap, link_roots(heap->root, node));
	}
}
