/* SPDX-License-Identifier: MIT */
/*
 * Time-outs around calls: whose deadline it was, what nests in what, and that what
 * need not wait succeeds. In virtual time, so that each moment is exact; once on a
 * plain thread.
 */
#include <errno.h>

#include "check.h"
#include "weft/channel.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/runtime.h"
#include "weft/scope.h"
#include "weft/timer.h"

static weft_event never, set;

static int in_virtual_time(weft_fiber_fn fn)
{
	const weft_runtime_opts opts = { .deterministic = true };
	weft_runtime *runtime;
	int result;

	weft_event_set(&set);
	CHECK_EQ(weft_runtime_start(&runtime, &opts), 0);
	CHECK_EQ(weft_block_on(runtime, fn, NULL, &result), 0);
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
	return result;
}

static int passes(void *arg)
{
	int64_t start = weft_now();
	weft_timeout timeout;
	int err;

	(void)arg;
	weft_timeout_begin(&timeout, start + 50 * WEFT_MS);
	CHECK_EQ(weft_event_wait(&set), 0);
	CHECK_EQ(weft_sleep_until(start + 20 * WEFT_MS), 0);
	err = weft_event_wait(&never);
	CHECK_EQ(weft_now(), start + 50 * WEFT_MS);
	CHECK_EQ(err, -ECANCELED);
	/* From then on nothing waits, and what need not wait succeeds. */
	CHECK_EQ(weft_event_wait(&never), -ECANCELED);
	CHECK_EQ(weft_sleep_until(weft_after_s(1)), -ECANCELED);
	CHECK_EQ(weft_event_wait(&set), 0);
	CHECK(weft_cancelled());
	CHECK_EQ(weft_timeout_end(&timeout, err), -ETIMEDOUT);
	CHECK(!weft_cancelled());
	CHECK_EQ(weft_sleep_until(weft_after_s(1)), 0);
	return 0;
}

TEST(timeout_ends_what_waits)
{
	CHECK_EQ(in_virtual_time(passes), 0);
}

static int keeps_results(void *arg)
{
	const int results[] = { 0, 7, -EPIPE, -ECANCELED };
	weft_timeout timeout;

	(void)arg;
	for (int i = 0; i < 4; i++) {
		weft_timeout_begin(&timeout, weft_after_s(3600));
		/* An -ECANCELED that somebody made up is none of ours. */
		CHECK_EQ(weft_timeout_end(&timeout, results[i]), results[i]);
	}
	weft_timeout_begin(&timeout, WEFT_NEVER);
	CHECK_EQ(weft_sleep_until(weft_after_s(3600)), 0);
	CHECK_EQ(weft_timeout_end(&timeout, 0), 0);
	return 0;
}

TEST(timeout_that_does_not_pass_changes_nothing)
{
	CHECK_EQ(in_virtual_time(keeps_results), 0);
}

static int nests(void *arg)
{
	int64_t start = weft_now();
	weft_timeout outer, inner;
	int err;

	(void)arg;
	/* The inner one is shorter: the outer goes on. */
	weft_timeout_begin(&outer, start + 30);
	weft_timeout_begin(&inner, start + 10);
	err = weft_event_wait(&never);
	CHECK_EQ(weft_now(), start + 10);
	CHECK_EQ(weft_timeout_end(&inner, err), -ETIMEDOUT);
	CHECK_EQ(weft_sleep_until(start + 20), 0);
	/* The inner one is longer: it is the outer one that passes. */
	weft_timeout_begin(&inner, start + 40);
	err = weft_event_wait(&never);
	CHECK_EQ(weft_now(), start + 30);
	CHECK_EQ(weft_timeout_end(&inner, err), -ECANCELED);
	CHECK_EQ(weft_timeout_end(&outer, err), -ETIMEDOUT);
	return 0;
}

TEST(timeout_nests)
{
	CHECK_EQ(in_virtual_time(nests), 0);
}

static int cancels(void *arg)
{
	return weft_sleep_until(weft_after(5)) ? 1 : *(int *)arg;
}

static int cancelled_first(void *arg)
{
	weft_timeout timeout;
	weft_scope scope;
	int error = -EXDEV, err;

	(void)arg;
	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn(&scope, cancels, &error, NULL), 0);
	weft_timeout_begin(&timeout, weft_after(10));
	err = weft_event_wait(&never);
	CHECK_EQ(weft_timeout_end(&timeout, err), -ECANCELED);
	CHECK_EQ(weft_scope_close(&scope), -EXDEV);
	return 0;
}

TEST(timeout_is_not_blamed_for_a_cancellation)
{
	CHECK_EQ(in_virtual_time(cancelled_first), 0);
}

static int child(void *arg)
{
	(void)arg;
	return weft_event_wait(&never);
}

/* What is spawned inside has the same time. */
static int inherited(void *arg)
{
	int64_t start = weft_now();
	weft_timeout timeout;
	weft_fiber *fiber;
	int result;

	(void)arg;
	weft_timeout_begin(&timeout, start + 10);
	CHECK_EQ(weft_fiber_spawn(&fiber, child, NULL, NULL), 0);
	CHECK_EQ(weft_fiber_join(fiber, &result), 0);
	CHECK_EQ(weft_now(), start + 10);
	CHECK_EQ(result, -ECANCELED);
	CHECK_EQ(weft_timeout_end(&timeout, result), -ETIMEDOUT);
	return 0;
}

TEST(timeout_is_inherited)
{
	CHECK_EQ(in_virtual_time(inherited), 0);
}

TEST(timeout_works_on_a_thread)
{
	int64_t deadline = weft_after_ms(2);
	weft_timeout timeout;
	int err;

	weft_timeout_begin(&timeout, deadline);
	err = weft_event_wait(&never);
	CHECK_EQ(weft_timeout_end(&timeout, err), -ETIMEDOUT);
	CHECK_GE(weft_now(), deadline);
	weft_timeout_begin(&timeout, 0);
	err = weft_event_wait(&never);
	CHECK_EQ(weft_timeout_end(&timeout, err), -ETIMEDOUT);
}

static void end_twice(void *arg)
{
	weft_timeout_begin(arg, WEFT_NEVER);
	(void)weft_timeout_end(arg, 0);
	(void)weft_timeout_end(arg, 0);
}

TEST(timeout_that_is_ended_twice_stops_the_program)
{
	weft_timeout timeout;

	CHECK_DIES(end_twice, &timeout, "a time-out was ended");
}
