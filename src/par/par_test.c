/* SPDX-License-Identifier: MIT */
/*
 * Goal: a loop covers each index exactly once, and a reduction gives what a serial
 * fold gives, also where the order matters; whatever the size, the grain and the
 * number of workers.
 * Method: indices that tick themselves off; affine maps and texts, whose composition
 * does not commute; ranges at the end of what a size_t holds, by bodies that only
 * add up lengths; and idle workers that are sure to ask.
 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "sys/sys.h"
#include "weft/event.h"
#include "weft/par.h"

static weft_pool *pool_of(int workers)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
	return pool;
}

/* ---- for --------------------------------------------------------------------------- */

enum { MOST = 300000 };

static weft_atomic_u8 ticks[MOST];
static weft_atomic_u32 calls;
static size_t least;

static void tick(void *context, size_t lo, size_t hi)
{
	uint64_t slow = context ? 200 : 0;

	CHECK_LT(lo, hi);
	weft_add_relaxed(&calls, 1);
	for (size_t i = lo; i < hi; i++) {
		weft_add_relaxed(&ticks[i], 1);
		for (uint64_t k = 0; k < slow && i % 64 == 0; k++)
			weft__cpu_pause();
	}
}

static void ticks_check(size_t lo, size_t hi, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CHECK_EQ(weft_load_relaxed(&ticks[i]), i >= lo && i < hi);
		weft_store_relaxed(&ticks[i], 0);
	}
}

static void for_check(int workers)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 7, 63, 64, 65, 66, 1000, 65536, MOST - 10 };
	static const size_t grains[] = { 0, 1, 5, 1000, SIZE_MAX };
	static char slow;
	weft_pool *pool = pool_of(workers);
	weft_pool_stats stats;

	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
		for (size_t g = 0; g < sizeof(grains) / sizeof(*grains); g++)
			for (int round = 0; round < 4; round++) {
				weft_par_opts opts = { .pool = pool, .grain = grains[g] };
				size_t lo = (size_t)round * 3, hi = lo + sizes[s];

				weft_par_for(lo, hi, tick, round % 2 ? &slow : NULL, &opts);
				ticks_check(lo, hi, hi + 1 < MOST ? hi + 1 : MOST);
			}
	weft_pool_stats_read(pool, &stats);
	CHECK_EQ(stats.stolen > 0, workers > 1);
	weft_pool_free(pool);
}

TEST(par_for_covers_each_index_once_with_1_worker)
{
	for_check(1);
}

TEST(par_for_covers_each_index_once_with_2_workers)
{
	for_check(2);
}

TEST(par_for_covers_each_index_once_with_8_workers)
{
	for_check(8);
}

TEST(par_for_of_nothing_calls_nothing)
{
	weft_store_relaxed(&calls, 0);
	weft_par_for(5, 5, tick, NULL, NULL);
	weft_par_for(6, 5, tick, NULL, NULL);
	weft_par_for(SIZE_MAX, 0, tick, NULL, NULL);
	CHECK_EQ(weft_load_relaxed(&calls), 0);
}

static void at_least(void *context, size_t lo, size_t hi)
{
	tick(context, lo, hi);
	CHECK_GE(hi - lo, least);
}

TEST(par_for_never_calls_for_less_than_the_grain)
{
	weft_pool *pool = pool_of(3);
	weft_pool_stats stats;

	for (size_t round = 0; round < 100; round++) {
		weft_par_opts opts = { .pool = pool, .grain = 600 + round };
		size_t hi = opts.grain + round * 37;

		least = opts.grain;
		weft_par_for(0, hi, at_least, pool, &opts);
		ticks_check(0, hi, hi);
	}
	weft_pool_stats_read(pool, &stats);
	CHECK_GT(stats.stolen, 0);
	weft_pool_free(pool);
}

/* ---- from job to job ------------------------------------------------------------------- */

static void inner_for(void *context, size_t lo, size_t hi)
{
	(void)context;
	for (size_t i = lo; i < hi; i++)
		weft_par_for(i * 1000, (i + 1) * 1000, tick, NULL, NULL);
}

TEST(par_for_within_par_for_covers_each_index_once)
{
	weft_pool *pool = pool_of(3);
	weft_par_opts opts = { .pool = pool, .grain = 1 };

	for (int round = 0; round < 10; round++) {
		weft_par_for(0, 100, inner_for, NULL, &opts);
		ticks_check(0, 100000, 100000);
	}
	weft_pool_free(pool);
}

static void for_in_root(weft_par par, void *arg)
{
	weft_par_for_in(par, 10, 200000, tick, arg, 0);
	weft_par_for_in(par, 200000, 200000, tick, NULL, 0);
	weft_par_for_in(par, 0, 10, tick, NULL, 100);
}

TEST(par_for_in_a_job_covers_each_index_once)
{
	weft_pool *pool = pool_of(3);

	for (int round = 0; round < 10; round++) {
		weft_pool_run(pool, for_in_root, round % 2 ? pool : NULL);
		ticks_check(0, 200000, 200000);
	}
	weft_pool_free(pool);
}

TEST(par_for_without_options_uses_the_global_pool)
{
	weft_par_for(0, MOST, tick, NULL, NULL);
	ticks_check(0, MOST, MOST);
}

/* Each index waits for the others: only if all workers share the loop it ends. */
enum { PARTY = 4 };

static weft_atomic_u32 arrived;
static weft_event all_here;

static void arrive(void *context, size_t lo, size_t hi)
{
	(void)context;
	CHECK_EQ(hi - lo, 1);
	if (weft_add_relaxed(&arrived, 1) + 1 == PARTY)
		weft_event_set(&all_here);
	CHECK_EQ(weft_event_wait(&all_here), 0);
}

TEST(par_for_with_grain_1_is_shared_by_all_workers_at_once)
{
	weft_pool *pool = pool_of(PARTY);
	weft_par_opts opts = { .pool = pool, .grain = 1 };

	for (int round = 0; round < 200; round++) {
		weft_store_relaxed(&arrived, 0);
		weft_event_reset(&all_here);
		weft_par_for(0, PARTY, arrive, NULL, &opts);
		CHECK_EQ(weft_load_relaxed(&arrived), PARTY);
	}
	weft_pool_free(pool);
}

/* ---- small loops ------------------------------------------------------------------------ */

TEST(par_for_that_is_small_never_enters_the_pool)
{
	weft_pool *pool = pool_of(2);
	weft_par_opts opts = { .pool = pool };
	weft_pool_stats before, after;

	/* One at a time, so that a slice lost to another process is one round lost. */
	weft_par_for(0, 100, tick, NULL, &opts);
	for (int round = 0; round < 1000; round++) {
		weft_pool_stats_read(pool, &before);
		weft_par_for(0, 100, tick, NULL, &opts);
		weft_pool_stats_read(pool, &after);
		if (after.promoted == before.promoted)
			break;
	}
	CHECK_EQ(after.promoted, before.promoted);
	weft_pool_free(pool);
}

static void pause_1us(void *context, size_t lo, size_t hi)
{
	int64_t until = weft_now() + (int64_t)(hi - lo) * *(int *)context;

	while (weft_now() < until)
		weft__cpu_pause();
}

/* Small for long, and then not: the estimate must not hold the loop back for ever. */
TEST(par_for_that_was_small_is_shared_once_it_is_not)
{
	weft_pool *pool = pool_of(2);
	weft_par_opts opts = { .pool = pool };
	weft_pool_stats stats;
	int ns = 0, rounds = 0;

	for (int i = 0; i < 100; i++)
		weft_par_for(0, 50, pause_1us, &ns, &opts);
	ns = 20000;
	do {
		CHECK_LT(rounds++, 100);
		weft_par_for(0, 50, pause_1us, &ns, &opts);
		weft_pool_stats_read(pool, &stats);
	} while (stats.stolen == 0);
	weft_pool_free(pool);
}

/* ---- reduce ------------------------------------------------------------------------------ */

/* x -> a x + b modulo 2^64; index i is the map (2 i + 1, i). */
struct affine {
	uint64_t a, b;
};

static const struct affine affine_identity = { 1, 0 };

static void affine_then(void *context, void *left, const void *right)
{
	struct affine *l = left;
	const struct affine *r = right;

	(void)context;
	CHECK_EQ((uintptr_t)right % 64, 0);
	*l = (struct affine){ l->a * r->a, l->b * r->a + r->b };
}

static void affine_body(void *context, size_t lo, size_t hi, void *accumulator)
{
	struct affine f = *(struct affine *)accumulator;

	for (size_t i = lo; i < hi; i++) {
		f.b = f.b * (2 * i + 1) + i;
		f.a *= 2 * i + 1;
		for (int k = 0; context && i % 256 == 0 && k < 100; k++)
			weft__cpu_pause();
	}
	*(struct affine *)accumulator = f;
}

static weft_reduce affine_reduce(void *context)
{
	return (weft_reduce){ .size = sizeof(struct affine),
			      .identity = &affine_identity,
			      .body = affine_body,
			      .combine = affine_then,
			      .context = context };
}

static void reduce_check(int workers)
{
	static const size_t sizes[] = { 0, 1, 2, 65, 1000, 100000 };
	weft_pool *pool = pool_of(workers);
	weft_pool_stats stats;

	for (int round = 0; round < 120; round++) {
		weft_par_opts opts = { .pool = pool, .grain = round % 3 == 2 };
		weft_reduce reduce = affine_reduce(round % 2 ? pool : NULL);
		size_t lo = (size_t)round, hi = lo + sizes[round % 6];
		struct affine want = affine_identity, got = { 7, 7 };

		affine_body(NULL, lo, hi, &want);
		CHECK_EQ(weft_par_reduce(lo, hi, &reduce, &got, &opts), 0);
		CHECK_EQ(got.a, want.a);
		CHECK_EQ(got.b, want.b);
	}
	weft_pool_stats_read(pool, &stats);
	CHECK_EQ(stats.stolen > 0, workers > 1);
	weft_pool_free(pool);
}

TEST(par_reduce_that_does_not_commute_is_serial_with_1_worker)
{
	reduce_check(1);
}

TEST(par_reduce_that_does_not_commute_is_serial_with_2_workers)
{
	reduce_check(2);
}

TEST(par_reduce_that_does_not_commute_is_serial_with_8_workers)
{
	reduce_check(8);
}

static void reduce_in_root(weft_par par, void *arg)
{
	weft_reduce reduce = affine_reduce(NULL);

	CHECK_EQ(weft_par_reduce_in(par, 3, 100000, &reduce, arg, 0), 0);
	reduce.size = 0;
	CHECK_EQ(weft_par_reduce_in(par, 3, 100000, &reduce, arg, 0), -EINVAL);
}

TEST(par_reduce_in_a_job_is_serial)
{
	weft_pool *pool = pool_of(3);
	struct affine want = affine_identity, got;

	affine_body(NULL, 3, 100000, &want);
	for (int round = 0; round < 20; round++) {
		weft_pool_run(pool, reduce_in_root, &got);
		CHECK_EQ(got.a, want.a);
		CHECK_EQ(got.b, want.b);
	}
	weft_pool_free(pool);
}

/* The largest accumulator: the digits of the indices, as a text that is cut off. */
struct text {
	size_t length;
	char chars[WEFT_REDUCE_MAX - sizeof(size_t)];
};

static void text_add(struct text *t, const char *chars, size_t n)
{
	for (size_t i = 0; i < n && t->length < sizeof(t->chars); i++)
		t->chars[t->length++] = chars[i];
}

static void text_body(void *context, size_t lo, size_t hi, void *accumulator)
{
	(void)context;
	for (size_t i = lo; i < hi; i++) {
		char digits[24];

		text_add(accumulator, digits, (size_t)snprintf(digits, sizeof(digits), "%zu,", i));
	}
}

static void text_join(void *context, void *left, const void *right)
{
	const struct text *r = right;

	(void)context;
	text_add(left, r->chars, r->length);
}

TEST(par_reduce_of_texts_keeps_their_order)
{
	static const struct text empty;
	weft_pool *pool = pool_of(4);
	weft_par_opts opts = { .pool = pool, .grain = 1 };
	weft_reduce reduce = {
		.size = sizeof(empty), .identity = &empty, .body = text_body, .combine = text_join
	};
	struct text want = empty, got;

	text_body(NULL, 0, 60, &want);
	for (int round = 0; round < 500; round++) {
		CHECK_EQ(weft_par_reduce(0, 60, &reduce, &got, &opts), 0);
		CHECK_EQ(got.length, want.length);
		CHECK_MEM_EQ(got.chars, want.chars, want.length);
	}
	weft_pool_free(pool);
}

TEST(par_reduce_refuses_sizes_out_of_bounds)
{
	weft_reduce reduce = affine_reduce(NULL);
	struct affine got = { 7, 7 };

	reduce.size = 0;
	CHECK_EQ(weft_par_reduce(0, 10, &reduce, &got, NULL), -EINVAL);
	reduce.size = WEFT_REDUCE_MAX + 1;
	CHECK_EQ(weft_par_reduce(0, 10, &reduce, &got, NULL), -EINVAL);
	CHECK_EQ(got.a, 7);
}

/* ---- the ends of a size_t ------------------------------------------------------------------ */

static void length_body(void *context, size_t lo, size_t hi, void *accumulator)
{
	(void)context;
	CHECK_LT(lo, hi);
	*(uint64_t *)accumulator += hi - lo;
}

static void length_add(void *context, void *left, const void *right)
{
	(void)context;
	*(uint64_t *)left += *(const uint64_t *)right;
}

TEST(par_reduce_counts_to_the_largest_size)
{
	static const uint64_t zero;
	weft_reduce reduce = {
		.size = 8, .identity = &zero, .body = length_body, .combine = length_add
	};
	weft_pool *pool = pool_of(3);
	uint64_t length;

	for (size_t grain = 0; grain < 3; grain++) {
		weft_par_opts opts = { .pool = pool, .grain = grain ? SIZE_MAX / 2 + grain : 0 };

		CHECK_EQ(weft_par_reduce(0, SIZE_MAX, &reduce, &length, &opts), 0);
		CHECK_EQ(length, SIZE_MAX);
		CHECK_EQ(weft_par_reduce(SIZE_MAX - 5, SIZE_MAX, &reduce, &length, &opts), 0);
		CHECK_EQ(length, 5);
		CHECK_EQ(weft_par_reduce(SIZE_MAX, SIZE_MAX, &reduce, &length, &opts), 0);
		CHECK_EQ(length, 0);
	}
	weft_pool_free(pool);
}
