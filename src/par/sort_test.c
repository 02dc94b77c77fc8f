/* SPDX-License-Identifier: MIT */
/*
 * Goal: each sort gives what qsort() gives, for every size about its thresholds, on inputs
 * that are hard for one algorithm or another, with 1, 2 and 8 workers; and nothing is lost
 * or touched outside of the array, whatever a comparison answers.
 * Method: arrays with a guard on either side, compared with qsort(), element by element
 * where the order is total, and otherwise by the sum of a hash of each element.
 */
#include "par/sort_rig_test.h"

#define WEFT_SORT_NAME up
#define WEFT_SORT_TYPE uint64_t
#define WEFT_SORT_LESS(a, b) (*(a) < *(b))
#include "weft/sort_tmpl.h"

/* ---- each sort of 64-bit numbers ------------------------------------------------------- */

static int by_template(uint64_t *at, size_t n, const weft_par_opts *opts)
{
	return up_sort(at, n, NULL, opts);
}

static int by_template_stable(uint64_t *at, size_t n, const weft_par_opts *opts)
{
	return up_sort_stable(at, n, NULL, opts);
}

/* What is done when there is no memory. */
static int by_heap(uint64_t *at, size_t n, const weft_par_opts *opts)
{
	(void)opts;
	weft__radix_heap_u64(at, n);
	return 0;
}

static int by_partial_sort(uint64_t *at, size_t n, const weft_par_opts *opts)
{
	int err = weft_partial_sort(at, n, 8, n / 2, compare, NULL, opts);

	/* The rest is whatever it is, but not less. */
	return err ? err : weft_sort(at + n / 2, n - n / 2, 8, compare, NULL, opts);
}

static int by_nth(uint64_t *at, size_t n, const weft_par_opts *opts)
{
	int err = 0;

	for (size_t k = n / 3; err == 0 && n > 0; k = n) {
		if (k == n)
			return weft_sort_u64(at + n / 3, n - n / 3, opts);
		err = weft_nth(at, n, 8, k, compare, NULL, opts);
		if (err == 0)
			err = weft_sort_u64(at, k, opts);
	}
	return err;
}

static int by_merge(uint64_t *at, size_t n, const weft_par_opts *opts)
{
	size_t part = n / 3;
	uint64_t *out = malloc(n * 8 + 1);
	int err = weft_sort_u64(at, part, opts);

	if (err == 0)
		err = weft_sort_u64(at + part, n - part, opts);
	if (err == 0)
		err = weft_merge(out, at, part, at + part, n - part, 8, compare, NULL, opts);
	memcpy(at, out, n * 8);
	free(out);
	return err;
}

static void sorts_check(sort_fn sort, size_t most)
{
	static const size_t sizes[] = { 127,   128,   129,   255,    256,   257,
					1000,  4095,  8191,  8192,   8193,  16385,
					49151, 49153, 98304, 100003, 140001 };
	static const int workers[] = { 1, 2, 8 };

	for (int w = 0; w < 3; w++) {
		weft_par_opts opts = { .pool = pool_of(workers[w]) };

		for (size_t n = 0; n <= 100; n += w ? 33 : 1)
			for (enum shape s = 0; s < SHAPES; s++)
				sort_check(sort, &opts, s, n);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes) && sizes[i] <= most; i++)
			for (enum shape s = 0; s < SHAPES; s++)
				if (sizes[i] < 2000 || (s + i + (size_t)w) % 7 == 0)
					sort_check(sort, &opts, s, sizes[i]);
		weft_pool_free(opts.pool);
	}
}

TEST(sort_u64_agrees_with_qsort)
{
	sorts_check(weft_sort_u64, SIZE_MAX);
}

TEST(sort_by_comparison_agrees_with_qsort)
{
	sorts_check(by_compare, SIZE_MAX);
}

TEST(sort_by_comparison_stable_agrees_with_qsort)
{
	sorts_check(by_compare_stable, SIZE_MAX);
}

TEST(sort_by_template_agrees_with_qsort)
{
	sorts_check(by_template, SIZE_MAX);
}

TEST(sort_by_template_stable_agrees_with_qsort)
{
	sorts_check(by_template_stable, SIZE_MAX);
}

TEST(sort_by_cached_key_agrees_with_qsort)
{
	sorts_check(by_cached_key, SIZE_MAX);
}

TEST(sort_without_memory_agrees_with_qsort)
{
	sorts_check(by_heap, 5000);
}

TEST(nth_divides_the_array)
{
	sorts_check(by_nth, SIZE_MAX);
}

TEST(partial_sort_sorts_the_least)
{
	sorts_check(by_partial_sort, SIZE_MAX);
}

TEST(merge_of_two_parts_agrees_with_qsort)
{
	sorts_check(by_merge, SIZE_MAX);
}

/* Larger than the caches of the partition in blocks, where stripes and cycles are many. */
TEST(sort_u64_of_a_million_agrees_with_qsort)
{
	for (int workers = 1; workers <= 8; workers += 7) {
		weft_par_opts opts = { .pool = pool_of(workers) };

		for (enum shape s = 0; s < SHAPES; s++)
			sort_check(weft_sort_u64, &opts, s, 1000003 / (s ? 8 : 1));
		weft_pool_free(opts.pool);
	}
}
