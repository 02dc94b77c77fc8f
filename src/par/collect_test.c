/* SPDX-License-Identifier: MIT */
/*
 * Goal: what ranges make is collected in their order, whatever they make, and given back
 * to the system after a failure. Method: index i makes i % 3 items, by each of the ways to
 * append; leaks are for the sanitizers to find.
 */
#include <errno.h>
#include <stdlib.h>

#include "par/rig_test.h"
#include "weft/cancel.h"
#include "weft/par_array.h"

static size_t fail_at;

static int repeat(void *context, size_t lo, size_t hi, weft_items *items)
{
	(void)context;
	for (uint32_t i = (uint32_t)lo; i < hi; i++) {
		uint32_t *room;

		rig_dawdle(i);
		if (i == fail_at)
			return -EBADF;
		if (i % 2) {
			for (uint32_t k = 0; k < i % 3; k++)
				weft_items_push(items, &i);
			continue;
		}
		room = weft_items_add(items, 3);
		CHECK_NOT_NULL(room);
		room[0] = room[1] = i;
		weft_items_drop(items, 3 - i % 3);
	}
	return 0;
}

static void collect_check(size_t n, const weft_par_opts *opts)
{
	uint32_t *got;
	void *items = &got;
	size_t count = 5, k = 0;

	fail_at = SIZE_MAX;
	CHECK_EQ(weft_par_collect(0, n, sizeof(*got), repeat, NULL, &items, &count, opts), 0);
	got = items;
	for (size_t i = 0; i < n; i++)
		for (size_t r = 0; r < i % 3; r++)
			CHECK_EQ(got[k++], i);
	CHECK_EQ(count, k);
	CHECK(count || !items);
	free(items);

	fail_at = n / 2;
	if (n == 0)
		return;
	items = &got;
	CHECK_EQ(weft_par_collect(0, n, sizeof(*got), repeat, NULL, &items, &count, opts), -EBADF);
	CHECK_NULL(items);
	CHECK_EQ(count, 0);
}

TEST(par_collect_keeps_the_order_and_frees_all_after_a_failure)
{
	rig_run(collect_check);
}

/* More than any chunk holds at first, and one item that is larger than a chunk. */
static int make_large(void *context, size_t lo, size_t hi, weft_items *items)
{
	(void)context;
	for (; lo < hi; lo++) {
		uint64_t *room = weft_items_add(items, lo == 7 ? 300000 : 1000);

		CHECK_NOT_NULL(room);
		for (size_t i = 0; i < (lo == 7 ? 300000 : 1000); i++)
			room[i] = lo;
	}
	return 0;
}

TEST(par_collect_takes_items_by_the_thousand)
{
	uint64_t *got;
	void *items;
	size_t count, k = 0;

	CHECK_EQ(weft_par_collect(0, 500, 8, make_large, NULL, &items, &count, NULL), 0);
	CHECK_EQ(count, 499 * 1000 + 300000);
	got = items;
	for (size_t i = 0; i < 500; i++)
		for (size_t r = 0; r < (i == 7 ? 300000 : 1000); r++)
			CHECK_EQ(got[k++], i);
	free(items);
}

/* Far more than there is. */
static int make_too_many(void *context, size_t lo, size_t hi, weft_items *items)
{
	(void)context, (void)lo, (void)hi;
	CHECK_NULL(weft_items_add(items, SIZE_MAX / 4));
	weft_items_push(items, "12345678");
	return 0;
}

TEST(par_collect_without_memory_is_an_error)
{
	void *items = &items;
	size_t count;

	CHECK_EQ(weft_par_collect(0, 3, 8, make_too_many, NULL, &items, &count, NULL), -ENOMEM);
	CHECK_NULL(items);
	CHECK_EQ(weft_par_collect(0, 3, 0, make_too_many, NULL, &items, &count, NULL), -EINVAL);
}

TEST(par_collect_does_not_begin_in_a_cancelled_scope)
{
	weft_token token, *outer;
	void *items;
	size_t count;

	weft_token_init(&token, NULL);
	weft_token_cancel(&token);
	outer = weft_ambient_set(&token);
	CHECK_EQ(weft_par_collect(0, 3, 4, repeat, NULL, &items, &count, NULL), -ECANCELED);
	weft_ambient_set(outer);
	weft_token_fini(&token);
}
