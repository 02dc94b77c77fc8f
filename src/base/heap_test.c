/* SPDX-License-Identifier: MIT */
/*
 * Goal: the heap yields the least key after any history of operations, and its
 * links stay whole.
 * Method: random histories beside an array that is searched from end to end, with
 * keys from a small range (many are equal) and from the whole; a walk over all
 * links every so often; sorted and reversed input.
 */
#include "base/heap.h"
#include "base/rng.h"

#include "check.h"

#include <stdlib.h>

enum { NODES = 300 };

static struct weft__heap_node node[NODES];

/* Counts the nodes of a subtree and checks each link and the order of keys. */
static int check_tree(const struct weft__heap_node *parent)
{
	const struct weft__heap_node *before = parent;
	int count = 1;

	for (const struct weft__heap_node *n = parent->child; n; n = n->next) {
		CHECK_PTR_EQ(n->prev, before);
		CHECK_GE(n->key, parent->key);
		count += check_tree(n);
		before = n;
	}
	return count;
}

static int check_heap(const struct weft__heap *heap)
{
	if (!heap->root)
		return 0;
	CHECK_PTR_EQ(heap->root->prev, heap->root);
	CHECK_NULL(heap->root->next);
	return check_tree(heap->root);
}

/* The least key of those queued, found the plain way; false when there is none. */
static bool least_key(int64_t *least)
{
	bool any = false;

	for (int i = 0; i < NODES; i++) {
		if (!weft__heap_queued(&node[i]) || (any && node[i].key >= *least))
			continue;
		*least = node[i].key;
		any = true;
	}
	return any;
}

static void check_min(const struct weft__heap *heap)
{
	int64_t least = 0;

	if (least_key(&least))
		CHECK_EQ(weft__heap_min(heap)->key, least);
	else
		CHECK(weft__heap_empty(heap));
}

static int64_t random_key(struct weft__rng *rng, int64_t range)
{
	uint64_t bits = weft__rng_next(rng);

	return range ? (int64_t)(bits % (uint64_t)range) : (int64_t)bits;
}

/* One random operation; returns by how much the number of nodes changed. */
static int operate(struct weft__rng *rng, struct weft__heap *heap, int64_t range)
{
	struct weft__heap_node *n = &node[weft__rng_below(rng, NODES)];
	int64_t key = random_key(rng, range);

	if (weft__rng_below(rng, 5) == 0) {
		n = weft__heap_pop(heap);
		if (!n)
			return 0;
	} else if (!weft__heap_queued(n)) {
		weft__heap_insert(heap, n, key);
		CHECK_EQ(n->key, key);
		return 1;
	} else if (weft__rng_below(rng, 3)) {
		weft__heap_update(heap, n, key);
		CHECK_EQ(n->key, key);
		return 0;
	} else {
		weft__heap_remove(heap, n);
	}
	CHECK(!weft__heap_queued(n));
	CHECK_NULL(n->child);
	CHECK_NULL(n->next);
	return -1;
}

static void random_history(uint64_t seed, int64_t range)
{
	struct weft__rng rng = { seed };
	struct weft__heap heap = { 0 };
	int count = 0;

	for (int step = 0; step < 60000; step++) {
		count += operate(&rng, &heap, range);
		check_min(&heap);
		if (step % 97 == 0)
			CHECK_EQ(check_heap(&heap), count);
	}
	while (weft__heap_pop(&heap))
		check_min(&heap);
}

TEST(heap_agrees_with_a_search_small_keys)
{
	random_history(1, 10);
}

TEST(heap_agrees_with_a_search_all_keys)
{
	random_history(2, 0);
}

/* Inserts keys by `step` around the circle of NODES and pops them in order. */
static void sort_by_heap(int step)
{
	struct weft__heap heap = { 0 };

	for (int i = 0; i < NODES; i++)
		weft__heap_insert(&heap, &node[i], (int64_t)i * step % NODES);
	for (int i = 0; i < NODES; i++) {
		CHECK_EQ(check_heap(&heap), NODES - i);
		CHECK_EQ(weft__heap_pop(&heap)->key, i);
	}
	CHECK_NULL(weft__heap_pop(&heap));
}

TEST(heap_sorts_any_input)
{
	sort_by_heap(1);
	sort_by_heap(NODES - 1);
	sort_by_heap(7);
}

TEST(heap_pop_of_many_does_not_recurse)
{
	enum { MANY = 1000000 };
	struct weft__heap heap = { 0 };
	struct weft__heap_node *many = calloc(MANY, sizeof(*many));

	CHECK_NOT_NULL(many);
	for (int i = 0; i < MANY; i++)
		weft__heap_insert(&heap, &many[i], MANY - i); /* one long chain */
	for (int i = 1; i <= MANY; i++)
		CHECK_EQ(weft__heap_pop(&heap)->key, i);
	for (int i = 0; i < MANY; i++)
		weft__heap_insert(&heap, &many[i], i); /* one node with all the others */
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(weft__heap_pop(&heap)->key, i);
	free(many);
}

static void insert_twice(void *unused)
{
	struct weft__heap heap = { 0 };

	(void)unused;
	weft__heap_insert(&heap, &node[0], 1);
	weft__heap_insert(&heap, &node[0], 2);
}

static void remove_unqueued(void *unused)
{
	struct weft__heap heap = { 0 };

	(void)unused;
	weft__heap_remove(&heap, &node[0]);
}

TEST(heap_misuse_dies)
{
	CHECK_DIES(insert_twice, NULL, "a heap node was inserted twice");
	CHECK_DIES(remove_unqueued, NULL, "a heap node was removed that is in no heap");
}
