/* SPDX-License-Identifier: MIT */
/*
 * Goal: loops that can fail do all if nothing fails, return a failure if something does,
 * and stop; also when they are cancelled from outside.
 * Method: as many failures as wanted at known places; an event for who cancels.
 */
#include <errno.h>

#include "par/rig_test.h"
#include "weft/cancel.h"
#include "weft/event.h"
#include "weft/thread.h"

static weft_atomic_u32 seen[RIG_MOST];
static weft_atomic_size begun;
static size_t fail_at; /* SIZE_MAX: nowhere */

static int visit(void *context, size_t lo, size_t hi)
{
	(void)context;
	weft_add_relaxed(&begun, hi - lo);
	for (size_t i = lo; i < hi; i++) {
		rig_dawdle(i);
		weft_add_relaxed(&seen[i], 1);
		if (i == fail_at)
			return -EBADF;
	}
	return 0;
}

static void for_check(size_t n, const weft_par_opts *opts)
{
	const size_t places[] = { SIZE_MAX, 0, n / 2, n - 1 };

	for (size_t p = 0; p < 4; p++) {
		bool fails = (fail_at = places[p]) < n;

		for (size_t i = 0; i < n; i++)
			weft_store_relaxed(&seen[i], 0);
		CHECK_EQ(weft_par_try_for(0, n, visit, NULL, opts), fails ? -EBADF : 0);
		for (size_t i = 0; i < n; i++)
			CHECK_LE(weft_load_relaxed(&seen[i]), 1);
		for (size_t i = 0; !fails && i < n; i++)
			CHECK_EQ(weft_load_relaxed(&seen[i]), 1);
	}
}

TEST(par_try_for_returns_the_failure_or_does_all)
{
	rig_run(for_check);
}

static int fail_at_once(void *context, size_t lo, size_t hi)
{
	(void)context;
	weft_add_relaxed(&begun, hi - lo);
	return 7;
}

TEST(par_try_for_stops_at_a_failure)
{
	weft_par_opts opts = { .grain = 1 };

	weft_store_relaxed(&begun, 0);
	CHECK_EQ(weft_par_try_for(0, SIZE_MAX, fail_at_once, NULL, NULL), 7);
	CHECK_EQ(weft_load_relaxed(&begun), 1);
	CHECK_EQ(weft_par_try_for(0, SIZE_MAX, fail_at_once, NULL, &opts), 7);
	CHECK_LE(weft_load_relaxed(&begun), 1000);
}

/* One that failed at once has not been small: the next is shared as ever. */
static int fail_or_count(void *context, size_t lo, size_t hi)
{
	int *fails = context;

	weft_add_relaxed(&begun, 1);
	return *fails && lo < hi ? -EIO : 0;
}

TEST(par_try_for_learns_nothing_from_a_failure)
{
	int fails = 1;

	for (int i = 0; i < 20; i++)
		CHECK_EQ(weft_par_try_for(0, (size_t)1 << 40, fail_or_count, &fails, NULL), -EIO);
	fails = 0;
	weft_store_relaxed(&begun, 0);
	CHECK_EQ(weft_par_try_for(0, (size_t)1 << 40, fail_or_count, &fails, NULL), 0);
	CHECK_GT(weft_load_relaxed(&begun), 1);
}

/* ---- cancellation ------------------------------------------------------------------------ */

static weft_event running;
static weft_token token;

static int cancel_it(void *arg)
{
	(void)arg;
	CHECK_EQ(weft_event_wait(&running), 0);
	weft_token_cancel(&token);
	return 0;
}

/* Over only when it is cancelled: each index takes a microsecond or so. */
static int endless(void *context, size_t lo, size_t hi)
{
	(void)context;
	weft_event_set(&running);
	for (size_t i = lo; i < hi; i++)
		for (int k = 0; k < 20; k++)
			weft__cpu_pause();
	return 0;
}

static int endless_fold(void *context, size_t lo, size_t hi, void *accumulator)
{
	*(int *)accumulator += 1;
	return endless(context, lo, hi);
}

static int no_combine(void *context, void *left, const void *right)
{
	(void)context;
	*(int *)left += *(const int *)right;
	return 0;
}

static void cancel_check(bool reduce)
{
	static const int zero;
	weft_try_reduce r = {
		.size = sizeof(int), .identity = &zero, .body = endless_fold, .combine = no_combine
	};
	weft_token *outer;
	weft_thread *thread;
	int result = 5;

	weft_event_reset(&running);
	weft_token_init(&token, NULL);
	CHECK_EQ(weft_thread_spawn(&thread, cancel_it, NULL, NULL), 0);
	outer = weft_ambient_set(&token);
	if (reduce)
		CHECK_EQ(weft_par_try_reduce(0, SIZE_MAX, &r, &result, NULL), -ECANCELED);
	else
		CHECK_EQ(weft_par_try_for(0, SIZE_MAX, endless, NULL, NULL), -ECANCELED);
	CHECK_EQ(result, 5);
	weft_ambient_set(outer);
	CHECK_EQ(weft_thread_join(thread, NULL), 0);
	weft_token_fini(&token);
}

TEST(par_try_for_is_over_when_it_is_cancelled)
{
	cancel_check(false);
}

TEST(par_try_reduce_is_over_when_it_is_cancelled)
{
	cancel_check(true);
}

/* ---- reduce -------------------------------------------------------------------------------- */

/* Concatenation of ranges, which fails where they do not meet. */
struct span {
	size_t lo, hi;
};

static const struct span no_span = { SIZE_MAX, SIZE_MAX };

static int span_join(void *context, void *left, const void *right)
{
	struct span *l = left;
	const struct span *r = right;

	(void)context;
	if (l->lo == SIZE_MAX)
		*l = *r;
	else if (r->lo == l->hi)
		l->hi = r->hi;
	else if (r->lo != SIZE_MAX)
		return -ERANGE;
	return 0;
}

static int span_body(void *context, size_t lo, size_t hi, void *accumulator)
{
	struct span s = { lo, hi };
	int err = visit(context, lo, hi);

	return err ? err : span_join(context, accumulator, &s);
}

static void reduce_check(size_t n, const weft_par_opts *opts)
{
	weft_try_reduce r = { .size = sizeof(struct span),
			      .identity = &no_span,
			      .body = span_body,
			      .combine = span_join };
	struct span got = { 1, 2 };

	fail_at = SIZE_MAX;
	CHECK_EQ(weft_par_try_reduce(0, n, &r, &got, opts), 0);
	CHECK_EQ(got.lo, n ? 0 : SIZE_MAX);
	CHECK_EQ(got.hi, n ? n : SIZE_MAX);
	if (n == 0)
		return;
	fail_at = n / 2;
	got = (struct span){ 1, 2 };
	CHECK_EQ(weft_par_try_reduce(0, n, &r, &got, opts), -EBADF);
	CHECK_EQ(got.lo, 1);
}

TEST(par_try_reduce_keeps_the_order_and_stops_at_a_failure)
{
	rig_run(reduce_check);
}

static int failing_combine(void *context, void *left, const void *right)
{
	(void)context, (void)left, (void)right;
	return -EDOM;
}

static weft_event two_here;
static weft_atomic_u32 here;

static int meet(void *context, size_t lo, size_t hi, void *accumulator)
{
	(void)context, (void)lo, (void)hi, (void)accumulator;
	if (weft_add_relaxed(&here, 1) == 1)
		weft_event_set(&two_here);
	return weft_event_wait(&two_here);
}

TEST(par_try_reduce_returns_what_a_combine_failed_with)
{
	static const int zero;
	weft_try_reduce r = {
		.size = sizeof(int), .identity = &zero, .body = meet, .combine = failing_combine
	};
	weft_par_opts opts = { .grain = 1 };
	int got = 3;

	CHECK_EQ(weft_pool_new(&opts.pool, &(weft_pool_opts){ .workers = 2 }), 0);
	CHECK_EQ(weft_par_try_reduce(0, 2, &r, &got, &opts), -EDOM);
	CHECK_EQ(got, 3);
	r.size = WEFT_REDUCE_MAX + 1;
	CHECK_EQ(weft_par_try_reduce(0, 2, &r, &got, &opts), -EINVAL);
	weft_pool_free(opts.pool);
}
