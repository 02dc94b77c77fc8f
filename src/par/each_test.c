/* SPDX-License-Identifier: MIT */
/*
 * Goal: the loops that call for indices, chunks and windows make exactly the calls that
 * a serial loop makes. Method: each call is counted at its first index, with the length
 * that it had.
 */
#include "par/rig_test.h"

enum { OFF = 5 }; /* ranges begin here */

static weft_atomic_u32 called[OFF + RIG_MOST + 1];
static weft_atomic_size length_at[OFF + RIG_MOST + 1];

static void note(void *context, size_t lo, size_t hi)
{
	(void)context;
	CHECK_LT(lo, hi);
	weft_add_relaxed(&called[lo], 1);
	weft_store_relaxed(&length_at[lo], hi - lo);
	rig_dawdle(lo);
}

static void note_index(void *context, size_t index)
{
	note(context, index, index + 1);
}

/* The call that a serial loop makes next. */
static void expect(size_t lo, size_t hi)
{
	CHECK_EQ(weft_load_relaxed(&called[lo]), 1);
	CHECK_EQ(weft_load_relaxed(&length_at[lo]), hi - lo);
	weft_store_relaxed(&called[lo], 0);
}

static void expect_no_more(void)
{
	for (size_t i = 0; i < OFF + RIG_MOST + 1; i++)
		CHECK_EQ(weft_load_relaxed(&called[i]), 0);
}

static void each_check(size_t n, const weft_par_opts *opts)
{
	weft_par_each(OFF, OFF + n, note_index, NULL, opts);
	for (size_t i = OFF; i < OFF + n; i++)
		expect(i, i + 1);
	expect_no_more();
}

TEST(par_each_calls_once_for_each_index)
{
	rig_run(each_check);
	weft_par_each(9, 8, note_index, NULL, NULL);
	expect_no_more();
}

static void step_check(size_t n, const weft_par_opts *opts)
{
	for (size_t step = 1; step < 30; step += 6) {
		weft_par_each_step(OFF, OFF + n, step, note_index, NULL, opts);
		for (size_t i = OFF; i < OFF + n; i += step)
			expect(i, i + 1);
		expect_no_more();
	}
}

TEST(par_each_step_calls_for_each_step)
{
	rig_run(step_check);
}

/* The last index, and no wrap past the end of what a size_t holds. */
static void at_the_end(void *context, size_t index)
{
	CHECK_GE(index, SIZE_MAX - 10);
	*(size_t *)context += SIZE_MAX - index;
}

TEST(par_each_step_ends_at_the_largest_size)
{
	weft_par_opts opts = { .grain = 100 };
	size_t sum = 0;

	weft_par_each_step(SIZE_MAX - 10, SIZE_MAX, 4, at_the_end, &sum, &opts);
	CHECK_EQ(sum, 10 + 6 + 2);
}

static void chunks_check(size_t n, const weft_par_opts *opts)
{
	for (size_t size = 1; size < 100; size = size * 3 + 1) {
		size_t i, rest;

		weft_par_chunks(OFF, OFF + n, size, note, NULL, opts);
		for (i = 0; i < n; i += size)
			expect(OFF + i, OFF + (i + size < n ? i + size : n));
		expect_no_more();

		rest = weft_par_chunks_exact(OFF, OFF + n, size, note, NULL, opts);
		for (i = 0; i + size <= n; i += size)
			expect(OFF + i, OFF + i + size);
		CHECK_EQ(rest, OFF + i);
		expect_no_more();

		weft_par_chunks_back(OFF, OFF + n, size, note, NULL, opts);
		for (i = n; i > 0; i -= i < size ? i : size)
			expect(OFF + (i < size ? 0 : i - size), OFF + i);
		expect_no_more();
	}
}

TEST(par_chunks_cut_as_a_serial_loop_does)
{
	rig_run(chunks_check);
}

static void windows_check(size_t n, const weft_par_opts *opts)
{
	for (size_t size = 1; size < 100; size = size * 3 + 1) {
		weft_par_windows(OFF, OFF + n, size, note, NULL, opts);
		for (size_t i = 0; i + size <= n; i++)
			expect(OFF + i, OFF + i + size);
		expect_no_more();
	}
}

TEST(par_windows_are_all_there)
{
	rig_run(windows_check);
}

static void zero_step(void *arg)
{
	(void)arg;
	weft_par_each_step(0, 10, 0, note_index, NULL, NULL);
}

static void zero_chunk(void *arg)
{
	(void)arg;
	weft_par_chunks(0, 10, 0, note, NULL, NULL);
}

TEST(par_chunks_and_steps_of_0_stop_the_program)
{
	CHECK_DIES(zero_step, NULL, "a parallel loop has a step of 0");
	CHECK_DIES(zero_chunk, NULL, "chunks or windows of size 0");
}
