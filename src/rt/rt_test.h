/* SPDX-License-Identifier: MIT */
/*
 * For tests of the runtime: one that is started and stopped around a function, with
 * 1, 2 and 4 workers; and short ways to spawn.
 */
#ifndef WEFT_RT_RT_TEST_H
#define WEFT_RT_RT_TEST_H

#include "check.h"
#include "weft/runtime.h"

static inline weft_runtime *rt_start(int workers)
{
	weft_runtime *runtime;

	CHECK_EQ(weft_runtime_start(&runtime, &(weft_runtime_opts){ .workers = workers }), 0);
	return runtime;
}

static inline void rt_stop(weft_runtime *runtime)
{
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
}

/* Runs fn(arg) as a fiber of runtimes of several sizes; it must return 0. */
static inline void rt_run(weft_fiber_fn fn, void *arg)
{
	for (int workers = 1; workers <= 4; workers *= 2) {
		weft_runtime *runtime = rt_start(workers);
		int result = -1;

		CHECK_EQ(weft_block_on(runtime, fn, arg, &result), 0);
		CHECK_EQ(result, 0);
		rt_stop(runtime);
	}
}

static inline weft_fiber *rt_spawn(weft_fiber_fn fn, void *arg)
{
	weft_fiber *fiber;

	CHECK_EQ(weft_fiber_spawn(&fiber, fn, arg, NULL), 0);
	return fiber;
}

static inline weft_fiber *rt_spawn_on(weft_runtime *runtime, weft_fiber_fn fn, void *arg)
{
	weft_fiber *fiber;

	CHECK_EQ(weft_fiber_spawn(&fiber, fn, arg, &(weft_fiber_opts){ .runtime = runtime }), 0);
	return fiber;
}

static inline int rt_join(weft_fiber *fiber)
{
	int result = -1;

	CHECK_EQ(weft_fiber_join(fiber, &result), 0);
	return result;
}

#endif
