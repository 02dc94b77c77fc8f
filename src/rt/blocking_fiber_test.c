/* SPDX-License-Identifier: MIT */
/*
 * weft_blocking() from fibers: only the calling fiber waits, whatever else runs on its
 * worker; the scope ends it while it is queued; and a runtime leaves no thread behind.
 */
#include "weft/blocking.h"

#include <errno.h>

#include "check.h"
#include "weft/atomic.h"
#include "weft/event.h"
#include "weft/runtime.h"
#include "weft/scope.h"

static weft_event gate, inside;
static weft_thread *thread_of_fiber;
static weft_atomic_u32 ran;

static void on_fiber(const weft_runtime_opts *opts, weft_fiber_fn fn)
{
	weft_runtime *runtime;
	int result;

	weft_store_relaxed(&ran, 0);
	weft_event_reset(&gate);
	weft_event_reset(&inside);
	CHECK_EQ(weft_runtime_start(&runtime, opts), 0);
	CHECK_EQ(weft_block_on(runtime, fn, NULL, &result), 0);
	CHECK_EQ(result, 0);
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
}

static int block_on_gate(void *arg)
{
	(void)arg;
	CHECK_NULL(weft_fiber_current());
	CHECK_PTR_NE(weft_thread_current(), thread_of_fiber);
	weft_event_set(&inside);
	return weft_event_wait(&gate) ? 1 : 42;
}

static int open_gate(void *arg)
{
	(void)arg;
	CHECK_EQ(weft_event_wait(&inside), 0);
	CHECK_PTR_EQ(weft_thread_current(), thread_of_fiber);
	weft_event_set(&gate);
	return 0;
}

static int wait_beside(void *arg)
{
	weft_scope scope;

	thread_of_fiber = weft_thread_current();
	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn(&scope, open_gate, NULL, NULL), 0);
	CHECK_EQ(weft_blocking(block_on_gate, arg), 42);
	CHECK_PTR_EQ(weft_thread_current(), thread_of_fiber);
	return weft_scope_close(&scope);
}

TEST(blocking_lets_other_fibers_of_the_worker_run)
{
	on_fiber(&(weft_runtime_opts){ .workers = 1 }, wait_beside);
}

static int see_thread(void *arg)
{
	return weft_thread_current() == arg;
}

TEST(blocking_is_a_plain_call_on_a_thread)
{
	CHECK_EQ(weft_blocking(see_thread, weft_thread_current()), 1);
}

static int count(void *arg)
{
	(void)arg;
	weft_add_relaxed(&ran, 1);
	return 0;
}

static int cancelled_call(void *arg)
{
	(void)arg;
	weft_event_set(&inside);
	CHECK_EQ(weft_blocking(count, NULL), -ECANCELED);
	return -ECANCELED;
}

static int occupy(void *arg)
{
	return weft_blocking(block_on_gate, arg) == 42 ? 0 : 1;
}

static int cancel_in_queue(void *arg)
{
	weft_scope outer, inner;

	(void)arg;
	weft_scope_open(&outer);
	CHECK_EQ(weft_scope_spawn(&outer, occupy, NULL, NULL), 0);
	CHECK_EQ(weft_event_wait(&inside), 0);
	weft_event_reset(&inside);
	weft_scope_open(&inner);
	CHECK_EQ(weft_scope_spawn(&inner, cancelled_call, NULL, NULL), 0);
	CHECK_EQ(weft_event_wait(&inside), 0);
	weft_scope_cancel(&inner);
	CHECK_EQ(weft_scope_close(&inner), -ECANCELED);
	weft_event_set(&gate);
	CHECK_EQ(weft_scope_close(&outer), 0);
	CHECK_EQ(weft_load_relaxed(&ran), 0);
	CHECK_EQ(weft_blocking(count, NULL), 0);
	CHECK_EQ(weft_load_relaxed(&ran), 1);
	return 0;
}

TEST(blocking_ends_in_the_queue_with_its_scope)
{
	on_fiber(&(weft_runtime_opts){ .workers = 1, .blocking_threads = 1 }, cancel_in_queue);
}

enum { FIBERS = 100, CALLS = 30 };

static int call_often(void *arg)
{
	for (int i = 0; i < CALLS; i++)
		CHECK_EQ(weft_blocking(count, arg), 0);
	return 0;
}

static int many(void *arg)
{
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < FIBERS; i++)
		CHECK_EQ(weft_scope_spawn(&scope, call_often, arg, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(weft_load_relaxed(&ran), FIBERS * CALLS);
	return 0;
}

TEST(blocking_serves_many_fibers_with_few_threads)
{
	on_fiber(&(weft_runtime_opts){ .workers = 2, .blocking_threads = 3 }, many);
}

TEST(blocking_stops_the_world_of_a_deterministic_runtime_only)
{
	on_fiber(&(weft_runtime_opts){ .deterministic = true }, many);
}
