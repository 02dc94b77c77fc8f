/* SPDX-License-Identifier: MIT */
/*
 * Goal: the list keeps order, ends and membership through every operation.
 * Method: each operation by itself, then a long random history beside an array
 * that does the same the plain way.
 */
#include "base/list.h"
#include "base/rng.h"

#include "check.h"

#include <string.h>

enum { ITEMS = 24, LISTS = 2 };

struct item {
	int name;
	struct weft__list_node node;
};

static struct item *item_of(struct weft__list_node *node)
{
	return node ? weft_container_of(node, struct item, node) : NULL;
}

/* The list holds exactly `names`, whichever way it is walked. */
static void check_names(struct weft__list *list, const int *names, int count)
{
	struct weft__list_node *n;
	int i = 0;

	for (n = weft__list_first(list); n; n = weft__list_next(list, n)) {
		CHECK_LT(i, count);
		CHECK_EQ(item_of(n)->name, names[i++]);
		CHECK(weft__list_linked(n));
	}
	CHECK_EQ(i, count);
	for (n = weft__list_last(list); n; n = weft__list_prev(list, n))
		CHECK_EQ(item_of(n)->name, names[--i]);
	CHECK_EQ(i, 0);
	CHECK_EQ(weft__list_empty(list), count == 0);
}

TEST(list_of_zeros_is_empty)
{
	struct weft__list zero = { 0 };
	struct weft__list made;

	weft__list_init(&made);
	check_names(&zero, NULL, 0);
	check_names(&made, NULL, 0);
	CHECK_NULL(weft__list_pop_front(&zero));
	CHECK_NULL(weft__list_pop_back(&made));
}

TEST(list_keeps_order)
{
	struct weft__list list = { 0 };
	struct item item[5] = {
		{ .name = 0 }, { .name = 1 }, { .name = 2 }, { .name = 3 }, { .name = 4 }
	};

	weft__list_push_back(&list, &item[1].node);
	weft__list_push_back(&list, &item[3].node);
	weft__list_push_front(&list, &item[0].node);
	weft__list_insert_before(&item[3].node, &item[2].node);
	weft__list_insert_after(&item[3].node, &item[4].node);
	check_names(&list, (int[]){ 0, 1, 2, 3, 4 }, 5);

	weft__list_remove(&item[2].node);
	CHECK(!weft__list_linked(&item[2].node));
	check_names(&list, (int[]){ 0, 1, 3, 4 }, 4);
	CHECK_PTR_EQ(item_of(weft__list_pop_front(&list)), &item[0]);
	CHECK_PTR_EQ(item_of(weft__list_pop_back(&list)), &item[4]);
	check_names(&list, (int[]){ 1, 3 }, 2);
}

TEST(list_splices_in_order)
{
	struct weft__list a = { 0 };
	struct weft__list b = { 0 };
	struct item item[4] = { { .name = 0 }, { .name = 1 }, { .name = 2 }, { .name = 3 } };

	weft__list_splice_back(&a, &b); /* nothing to nothing */
	check_names(&a, NULL, 0);
	weft__list_push_back(&b, &item[0].node);
	weft__list_push_back(&b, &item[1].node);
	weft__list_splice_back(&a, &b); /* something to nothing */
	check_names(&a, (int[]){ 0, 1 }, 2);
	check_names(&b, NULL, 0);
	weft__list_push_back(&b, &item[2].node);
	weft__list_push_back(&b, &item[3].node);
	weft__list_splice_back(&a, &b);
	check_names(&a, (int[]){ 0, 1, 2, 3 }, 4);
	weft__list_splice_back(&a, &b); /* nothing to something */
	check_names(&a, (int[]){ 0, 1, 2, 3 }, 4);
	check_names(&b, NULL, 0);
}

struct model {
	int names[LISTS][ITEMS];
	int count[LISTS];
};

static void model_insert(struct model *m, int list, int at, int name)
{
	memmove(&m->names[list][at + 1], &m->names[list][at],
		sizeof(int) * (size_t)(m->count[list] - at));
	m->names[list][at] = name;
	m->count[list]++;
}

static bool model_remove(struct model *m, int name)
{
	for (int l = 0; l < LISTS; l++) {
		for (int i = 0; i < m->count[l]; i++) {
			if (m->names[l][i] != name)
				continue;
			memmove(&m->names[l][i], &m->names[l][i + 1],
				sizeof(int) * (size_t)(m->count[l] - i - 1));
			m->count[l]--;
			return true;
		}
	}
	return false;
}

/* Puts item `i`, which is in no list, somewhere into list `l`. */
static void insert_somewhere(struct weft__rng *rng, struct weft__list *list, struct model *m,
			     int l, struct item *item, int i)
{
	int count = m->count[l];
	int at = (int)weft__rng_below(rng, (uint32_t)count + 1);

	if (at == count)
		weft__list_push_back(&list[l], &item[i].node);
	else if (at == 0)
		weft__list_push_front(&list[l], &item[i].node);
	else if (weft__rng_below(rng, 2))
		weft__list_insert_before(&item[m->names[l][at]].node, &item[i].node);
	else
		weft__list_insert_after(&item[m->names[l][at - 1]].node, &item[i].node);
	model_insert(m, l, at, i);
}

TEST(list_agrees_with_an_array)
{
	struct weft__rng rng = { 1 };
	struct weft__list list[LISTS] = { 0 };
	struct item item[ITEMS] = { 0 };
	struct model model = { 0 };

	for (int i = 0; i < ITEMS; i++)
		item[i].name = i;
	for (int step = 0; step < 20000; step++) {
		int i = (int)weft__rng_below(&rng, ITEMS);
		int l = (int)weft__rng_below(&rng, LISTS);

		if (weft__rng_below(&rng, 64) == 0) {
			memcpy(&model.names[l][model.count[l]], model.names[1 - l],
			       sizeof(int) * (size_t)model.count[1 - l]);
			model.count[l] += model.count[1 - l];
			model.count[1 - l] = 0;
			weft__list_splice_back(&list[l], &list[1 - l]);
		} else if (weft__list_linked(&item[i].node)) {
			CHECK(model_remove(&model, i));
			weft__list_remove(&item[i].node);
		} else {
			insert_somewhere(&rng, list, &model, l, item, i);
		}
		for (int k = 0; k < LISTS; k++)
			check_names(&list[k], model.names[k], model.count[k]);
	}
}
