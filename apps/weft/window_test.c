/* SPDX-License-Identifier: MIT */
/*
 * Goal: whatever the order of arrival, items leave in the order of their numbers.
 * Method: random arrivals from a bounded set of numbers under way, as the
 * pipeline makes them.
 */
#include "window.h"
#include "check.h"

#include <stdlib.h>

#define UNDER_WAY 61

TEST(window_restores_the_order)
{
	static uint64_t number[100000];
	uint64_t pool[UNDER_WAY], handed = 0, taken = 0;
	size_t waiting = 0;
	unsigned seed = 1;
	struct window w;

	CHECK_EQ(window_init(&w, UNDER_WAY), 0);
	while (taken < 100000) {
		while (handed < 100000 && handed - taken < UNDER_WAY) {
			number[handed] = handed;
			pool[waiting++] = handed++;
		}
		size_t pick = (size_t)rand_r(&seed) % waiting;
		uint64_t n = pool[pick];
		pool[pick] = pool[--waiting];
		window_put(&w, n, &number[n]);
		for (uint64_t *item; (item = window_take(&w)) != NULL; taken++)
			CHECK_EQ(*item, taken);
	}
	CHECK_NULL(window_skip(&w));
	window_fini(&w);
}

TEST(window_skips_gaps_in_order)
{
	int a, b, c;
	struct window w;

	CHECK_EQ(window_init(&w, 16), 0);
	window_put(&w, 9, &c);
	window_put(&w, 2, &a);
	window_put(&w, 3, &b);
	CHECK_NULL(window_take(&w));
	CHECK_PTR_EQ(window_skip(&w), &a);
	CHECK_PTR_EQ(window_skip(&w), &b);
	CHECK_PTR_EQ(window_skip(&w), &c);
	CHECK_NULL(window_skip(&w));
	window_fini(&w);
}

static void put_outside(void *w)
{
	window_put(w, 16, w);
}

static void put_twice(void *w)
{
	window_put(w, 3, w);
	window_put(w, 3, w);
}

TEST(window_refuses_a_number_outside)
{
	struct window w;

	CHECK_EQ(window_init(&w, 16), 0);
	CHECK_DIES(put_outside, &w, "has no slot");
	CHECK_DIES(put_twice, &w, "has no slot");
	window_fini(&w);
}
