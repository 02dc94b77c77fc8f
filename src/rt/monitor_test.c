/* SPDX-License-Identifier: MIT */
/*
 * The monitor tells of a fiber that computes and of one that blocks its thread, by
 * name and by where it is, once; not of fibers that yield; and it rests when all
 * workers do. Each hog goes on until it has been reported, so nothing is guessed.
 */
#include "rt/monitor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "rt/rt.h"
#include "rt/sanitize.h"
#include "sys/io.h"
#include "sys/linux/sandbox_test.h"
#include "weft/event.h"

static weft_atomic_u32 reports;
static weft_hog last;
static char last_name[WEFT__HOG_NAME];
static bool saw_function;
static int ends[2]; /* of a pipe */

__attribute__((noinline)) static int compute(void *arg)
{
	(void)arg;
	while (weft_load_acquire(&reports) == 0)
		weft__cpu_pause();
	return 0;
}

static void note(const weft_hog *hog, void *arg)
{
	CHECK_PTR_EQ(arg, &reports);
	last = *hog;
	last_name[0] = 0;
	strncat(last_name, hog->fiber, sizeof(last_name) - 1);
	saw_function = false;
	for (int i = 0; i < hog->frame_count; i++)
		saw_function |= (uintptr_t)hog->frames[i] - (uintptr_t)compute < 1024;
	weft_add_release(&reports, 1);
	if (ends[1])
		CHECK_EQ(write(ends[1], "x", 1), 1);
}

static weft_runtime *start(int64_t hog_ns)
{
	const weft_runtime_opts opts = {
		.workers = 1,
		.hog_ns = hog_ns,
		.on_hog = note,
		.on_hog_arg = &reports,
	};
	weft_runtime *runtime;

	weft_store_relaxed(&reports, 0);
	CHECK_EQ(weft_runtime_start(&runtime, &opts), 0);
	return runtime;
}

static void run(weft_runtime *runtime, const char *name, weft_fiber_fn fn)
{
	const weft_fiber_opts opts = { .name = name, .runtime = runtime };
	weft_fiber *fiber;
	int result;

	CHECK_EQ(weft_fiber_spawn(&fiber, fn, NULL, &opts), 0);
	CHECK_EQ(weft_fiber_join(fiber, &result), 0);
	CHECK_EQ(result, 0);
}

static void stop(weft_runtime *runtime)
{
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
}

TEST(monitor_tells_of_a_fiber_that_computes)
{
	weft_runtime *runtime = start(2 * WEFT_MS);

	run(runtime, "cruncher", compute);
	stop(runtime);
	CHECK_EQ(weft_load_relaxed(&reports), 1);
	CHECK(!last.blocked);
	CHECK_EQ(last.worker, 0);
	CHECK_GE(last.ns, 2 * WEFT_MS);
	if (WEFT__TSAN)
		SKIP("ThreadSanitizer holds signals back");
	CHECK_STR_EQ(last_name, "cruncher");
	CHECK_NE(last.id, 0);
	CHECK(saw_function);
}

static int block(void *arg)
{
	char byte;

	(void)arg;
	while (read(ends[0], &byte, 1) < 0)
		CHECK_EQ(errno, EINTR);
	return 0;
}

TEST(monitor_tells_of_a_fiber_that_blocks_its_thread)
{
	weft_runtime *runtime;

	CHECK_EQ(pipe(ends), 0);
	runtime = start(2 * WEFT_MS);
	run(runtime, "reader", block);
	stop(runtime);
	CHECK_EQ(weft_load_relaxed(&reports), 1);
	CHECK(last.blocked);
	if (WEFT__TSAN)
		SKIP("ThreadSanitizer holds signals back");
	CHECK_STR_EQ(last_name, "reader");
	CHECK_GT(last.frame_count, 0);
}

/* A hundred times longer than what is too long, but with switches. */
static int yield_often(void *arg)
{
	int64_t until = weft_after_ms(50);

	(void)arg;
	while (weft_now() < until)
		weft_yield();
	return 0;
}

TEST(monitor_is_silent_about_fibers_that_yield)
{
	/* On a busy machine the thread may be kept from the CPU, with none of it used. */
	weft_runtime *runtime = start(10 * WEFT_MS);

	run(runtime, "polite", yield_often);
	stop(runtime);
	CHECK_EQ(weft_load_relaxed(&reports), 0);
}

static void await_rest(weft_runtime *runtime)
{
	while (weft_load_acquire(&runtime->monitor.state) != WEFT__MONITOR_RESTING)
		weft__thread_yield();
}

TEST(monitor_rests_with_the_workers_and_wakes_with_them)
{
	weft_runtime *runtime = start(WEFT_MS);

	for (int i = 0; i < 5; i++) {
		await_rest(runtime);
		weft_store_relaxed(&reports, 0);
		run(runtime, "late", compute);
		CHECK_EQ(weft_load_relaxed(&reports), 1);
	}
	stop(runtime);
}

TEST(monitor_is_not_there_if_nobody_wants_it)
{
	weft_runtime *runtime = start(-1);

	CHECK_NULL(runtime->monitor.samples);
	run(runtime, "polite", yield_often);
	stop(runtime);
	CHECK_EQ(weft_load_relaxed(&reports), 0);
}

/* ---- what it says by default --------------------------------------------------------- */

static int compute_until_said(void *arg)
{
	char text[4096];
	ssize_t size = 0;

	(void)arg;
	/* Computes all the time; the pipe's end does not block. */
	while (size <= 0 || !memchr(text, '\n', (size_t)size))
		size = read(ends[0], text, sizeof(text));
	text[size < (ssize_t)sizeof(text) ? size : (ssize_t)sizeof(text) - 1] = 0;
	CHECK_NOT_NULL(strstr(text, "weft: fiber "));
	CHECK_NOT_NULL(strstr(text, "holds up worker 0; weft_blocking() is for that"));
	if (!WEFT__TSAN)
		CHECK_NOT_NULL(strstr(text, "\"hog\" has "));
	return 0;
}

static void say_to_a_pipe(void)
{
	const weft_runtime_opts opts = { .workers = 1, .hog_ns = 2 * WEFT_MS };
	weft_runtime *runtime;
	int old = dup(2);

	CHECK_EQ(weft__fd_pipe(ends), 0);
	CHECK_EQ(dup2(ends[1], 2), 2);
	CHECK_EQ(weft_runtime_start(&runtime, &opts), 0);
	run(runtime, "hog", compute_until_said);
	stop(runtime);
	CHECK_EQ(dup2(old, 2), 2);
}

TEST(monitor_says_it_on_standard_error)
{
	sandbox_run(say_to_a_pipe);
}
