/* SPDX-License-Identifier: MIT */
/*
 * Sorted sets against an array that is kept sorted: order, ranks both ways, first of a
 * range, links backwards.
 */
#include "zset.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS = 300 };

struct item {
	double score;
	char name[16];
};

struct world {
	struct kv_heap heap;
	struct kv_zset *z;
	struct item items[MEMBERS]; /* in their order */
	size_t count;
};

static uint64_t state = 88172645463325252u;

static uint32_t dice(uint32_t sides)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % sides;
}

static struct kv_bytes bytes_of(const char *text)
{
	return (struct kv_bytes){ text, strlen(text) };
}

/* Few different scores, so that members decide often. */
static double any_score(void)
{
	static const double odd[] = { INFINITY, -INFINITY, 0.0, -0.0, 1e300, -1e-300 };

	return dice(4) ? (double)dice(20) - 10 : odd[dice(6)];
}

static int by_order(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return strcmp(x->name, y->name);
}

static size_t index_of(const struct world *w, const char *name)
{
	size_t i = 0;

	while (i < w->count && strcmp(w->items[i].name, name) != 0)
		i++;
	return i;
}

static void put(struct world *w, const char *name, double score)
{
	size_t i = index_of(w, name);

	kv_zset_put(w->z, bytes_of(name), score);
	w->items[i].score = score;
	snprintf(w->items[i].name, sizeof(w->items[i].name), "%s", name);
	w->count += i == w->count;
	qsort(w->items, w->count, sizeof(w->items[0]), by_order);
}

static void take(struct world *w, const char *name)
{
	struct kv_node *node = kv_zset_find(w->z, bytes_of(name));
	size_t i = index_of(w, name);

	CHECK_EQ(node != NULL, i < w->count);
	if (!node)
		return;
	kv_zset_remove(w->z, node);
	w->items[i] = w->items[--w->count];
	qsort(w->items, w->count, sizeof(w->items[0]), by_order);
}

static bool at_least(const struct kv_node *node, const void *arg)
{
	return node->score >= *(const double *)arg;
}

static void check_first(const struct world *w, double score)
{
	const struct kv_node *node = kv_zset_first(w->z, at_least, &score);
	size_t i = 0;

	while (i < w->count && w->items[i].score < score)
		i++;
	CHECK_EQ(node == NULL, i == w->count);
	if (node)
		CHECK_EQ(kv_zset_rank(w->z, node), i);
}

static void check_all(const struct world *w)
{
	const struct kv_node *node = w->z->head->link[0].next, *before = NULL;

	CHECK_EQ(w->z->members.count, w->count);
	for (size_t i = 0; i < w->count; i++) {
		const struct item *is = &w->items[i];

		CHECK_NOT_NULL(node);
		CHECK_EQ(node->entry->len, strlen(is->name));
		CHECK_MEM_EQ(node->entry->key, is->name, strlen(is->name));
		CHECK(node->score == is->score);
		CHECK_PTR_EQ(node->before, before);
		CHECK_EQ(kv_zset_rank(w->z, node), i);
		CHECK_PTR_EQ(kv_zset_at(w->z, i), node);
		CHECK_PTR_EQ(kv_zset_find(w->z, bytes_of(is->name)), node);
		before = node;
		node = kv_node_next(node);
	}
	CHECK_NULL(node);
	CHECK_PTR_EQ(w->z->last, before);
	CHECK_NULL(kv_zset_at(w->z, w->count));
	CHECK_NULL(kv_zset_at(w->z, w->count + 100));
	check_first(w, -INFINITY);
	check_first(w, INFINITY);
	for (int score = -11; score < 12; score++)
		check_first(w, score);
}

TEST(zset_agrees_with_a_sorted_array)
{
	struct world *w = calloc(1, sizeof(*w));
	bool grow = true;
	char name[16];

	CHECK_NOT_NULL(w);
	w->z = kv_zset_new(&w->heap);
	check_all(w);
	for (int i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), "m%u", dice(MEMBERS));
		if (dice(10) < (grow ? 8u : 3u))
			put(w, name, any_score());
		else
			take(w, name);
		if (w->count > MEMBERS * 3 / 4 || w->count < 3)
			grow = w->count < 3;
		if (i % 100 == 0)
			check_all(w);
	}
	while (w->count > 0)
		take(w, strdupa(w->items[dice((uint32_t)w->count)].name));
	check_all(w);
	kv_zset_free(&w->heap, w->z);
	CHECK_EQ(weft_load_relaxed(&w->heap.used), 0);
	free(w);
}

/* Ranks take a logarithm of steps: a hundred thousand of them are quick, which they would
 * not be by counting (10^10 steps). */
TEST(zset_ranks_of_many_members)
{
	struct kv_heap heap = { 0 };
	struct kv_zset *z = kv_zset_new(&heap);
	char name[16];

	for (uint32_t i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "%u", i);
		kv_zset_put(z, bytes_of(name), (double)(i * 7919u % 100003u));
	}
	for (size_t i = 0; i < 100000; i++) {
		struct kv_node *node = kv_zset_at(z, i);

		CHECK_EQ(kv_zset_rank(z, node), i);
	}
	kv_zset_free(&heap, z);
	CHECK_EQ(weft_load_relaxed(&heap.used), 0);
}
