/* SPDX-License-Identifier: MIT */
/*
 * An intrusive priority queue: the node with the least key comes first.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap", 1986):
 * insert, meld and decrease take constant time, taking a node out takes
 * logarithmic time amortised, nothing allocates and nothing recurses. Made for
 * timers: most are removed again before they come first, and a key is a deadline.
 * Equal keys come in any order, the same one for the same history.
 *
 * An all-zero heap is empty. A node must be all zeros before its first use and
 * is so again (its key excepted) once it has left the heap. No operation
 * synchronises.
 */
#ifndef WEFT_BASE_HEAP_H
#define WEFT_BASE_HEAP_H

#include "base/assert.h"

/* The private links: `child` is the first child, `next` the next sibling, `prev`
 * the sibling before or, for a first child, the parent. The root's `prev` is the
 * root itself, so that `prev` is NULL exactly outside of a heap. */
struct weft__heap_node {
	struct weft__heap_node *child;
	struct weft__heap_node *next;
	struct weft__heap_node *prev;
	int64_t key;
};

struct weft__heap {
	struct weft__heap_node *root;
};

static inline bool weft__heap_empty(const struct weft__heap *heap)
{
	return !heap->root;
}

static inline bool weft__heap_queued(const struct weft__heap_node *node)
{
	return node->prev != NULL;
}

/* A node with the least key, which stays in the heap; NULL when it is empty. */
static inline struct weft__heap_node *weft__heap_min(const struct weft__heap *heap)
{
	return heap->root;
}

/* Inserts a node that is in no heap. */
void weft__heap_insert(struct weft__heap *heap, struct weft__heap_node *node, int64_t key);

/* Removes a node that is in this heap. */
void weft__heap_remove(struct weft__heap *heap, struct weft__heap_node *node);

/* Removes and returns a node with the least key; NULL when the heap is empty. */
struct weft__heap_node *weft__heap_pop(struct weft__heap *heap);

/* Gives a node that is in this heap another key, lower or higher. */
void weft__heap_update(struct weft__heap *heap, struct weft__heap_node *node, int64_t key);

#endif
