/* SPDX-License-Identifier: MIT */
/*
 * Goal: the parallel verbs work from fibers as from threads, many at once, and are over
 * when their scope is cancelled.
 * Method: each fiber goes through several verbs and checks them against sums that are
 * known; a thread cancels.
 */
#include <weft.h>

#include <errno.h>
#include <stdlib.h>

#include "check.h"

enum { FIBERS = 12, COUNT = 30000 };

static uint64_t x[COUNT];

struct output {
	uint64_t *y;
};

#define WEFT_REDUCE total
#define WEFT_T uint64_t
#define WEFT_IDENTITY 0
#define WEFT_ITEM(none, i) (x[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#include <weft/par_tmpl.h>

#define WEFT_SCAN running
#define WEFT_CONTEXT struct output
#define WEFT_T uint64_t
#define WEFT_IDENTITY 0
#define WEFT_ITEM(o, i) (x[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_STORE(o, i, value) (o)->y[i] = (value)
#include <weft/par_tmpl.h>

#define WEFT_FIND place
#define WEFT_CONTEXT const uint64_t
#define WEFT_TEST(sought, i) (x[i] == *(sought))
#include <weft/par_tmpl.h>

static int odd_ones(void *context, size_t lo, size_t hi, weft_items *items)
{
	(void)context;
	for (; lo < hi; lo++)
		if (x[lo] % 2)
			weft_items_push(items, &x[lo]);
	return 0;
}

static int go_through(void *arg)
{
	const uint64_t sum = (uint64_t)COUNT * (COUNT + 1) / 2, sought = 12345;
	uint64_t *y = calloc(COUNT, sizeof(*y));
	struct output o = { y };
	void *items;
	size_t count;

	(void)arg;
	CHECK_NOT_NULL(y);
	for (int round = 0; round < 3; round++) {
		weft_par_opts opts = { .grain = round % 2 ? 100 : 0 };

		CHECK_EQ(total(0, COUNT, NULL, &opts), sum);
		CHECK_EQ(running(0, COUNT, &o, &opts), sum);
		CHECK_EQ(y[COUNT - 1], sum);
		CHECK_EQ(y[99], 5050);
		CHECK_EQ(place_first(0, COUNT, &sought, &opts), sought - 1);
		CHECK_EQ(weft_par_collect(0, COUNT, 8, odd_ones, NULL, &items, &count, &opts), 0);
		CHECK_EQ(count, COUNT / 2);
		CHECK_EQ(((uint64_t *)items)[count - 1], COUNT - 1);
		free(items);
		weft_yield();
	}
	free(y);
	return 0;
}

TEST(par_verbs_work_from_many_fibers)
{
	weft_scope scope;

	for (size_t i = 0; i < COUNT; i++)
		x[i] = i + 1;
	weft_scope_open(&scope);
	for (int i = 0; i < FIBERS; i++)
		CHECK_EQ(weft_scope_spawn(&scope, go_through, NULL, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
}

static weft_event begun;

static int endless(void *context, size_t lo, size_t hi)
{
	static weft_atomic_u32 work;

	(void)context;
	weft_event_set(&begun);
	for (; lo < hi; lo++)
		weft_add_relaxed(&work, 1);
	return 0;
}

static int run_endless(void *arg)
{
	(void)arg;
	return weft_par_try_for(0, SIZE_MAX, endless, NULL, NULL);
}

TEST(par_try_for_of_a_fiber_is_over_when_its_scope_is_cancelled)
{
	weft_scope scope;

	weft_event_reset(&begun);
	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn(&scope, run_endless, NULL, NULL), 0);
	CHECK_EQ(weft_event_wait(&begun), 0);
	weft_scope_cancel(&scope);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
}
