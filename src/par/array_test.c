/* SPDX-License-Identifier: MIT */
/*
 * Goal: the verbs over arrays, in their void * forms, give what serial loops give.
 */
#include "weft/par_array.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "par/rig_test.h"

/* An item of an odd size. */
struct item {
	unsigned char bytes[3];
};

static uint32_t x[RIG_MOST], y[RIG_MOST];
static struct item items[RIG_MOST];

static uint32_t number(size_t i)
{
	return (uint32_t)(i * 2654435761u);
}

static void fill(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		x[i] = number(i);
		y[i] = 0;
	}
}

static void add_one(void *context, void *item)
{
	uint32_t *v = item;

	rig_dawdle((size_t)(v - x));
	*v += *(uint32_t *)context;
}

static void double_it(void *context, const void *in, void *out)
{
	uint32_t twice = *(const uint32_t *)in * 2;
	struct item *o = out;

	(void)context;
	for (int k = 0; k < 3; k++)
		o->bytes[k] = (unsigned char)(twice >> 8 * k);
}

static void zip_three(void *context, size_t index, void *const *at)
{
	CHECK_PTR_EQ(context, x);
	rig_dawdle(index);
	*(uint32_t *)at[1] = *(uint32_t *)at[0] + (uint32_t)index;
	((struct item *)at[2])->bytes[0] = (unsigned char)index;
}

static void maps_check(size_t n, const weft_par_opts *opts)
{
	const weft_array arrays[] = { { x, sizeof(*x) },
				      { y, sizeof(*y) },
				      { items, sizeof(*items) } };
	uint32_t one = 1;

	fill(n);
	weft_par_update(x, n, sizeof(*x), add_one, &one, opts);
	weft_par_map(items, sizeof(*items), x, sizeof(*x), n, double_it, NULL, opts);
	for (size_t i = 0; i < n; i++) {
		uint32_t twice = (number(i) + 1) * 2;

		CHECK_EQ(x[i], number(i) + 1);
		CHECK_EQ(items[i].bytes[0] + 256 * items[i].bytes[1] + 65536 * items[i].bytes[2],
			 twice & 0xffffff);
	}
	weft_par_zip(arrays, 3, n, zip_three, x, opts);
	for (size_t i = 0; i < n; i++) {
		CHECK_EQ(y[i], x[i] + (uint32_t)i);
		CHECK_EQ(items[i].bytes[0], i % 256);
	}
}

TEST(par_update_map_and_zip_go_over_each_item_once)
{
	rig_run(maps_check);
}

static void no_arrays(void *arg)
{
	(void)arg;
	weft_par_zip(NULL, 0, 10, zip_three, NULL, NULL);
}

TEST(par_zip_of_no_arrays_stops_the_program)
{
	CHECK_DIES(no_arrays, NULL, "a parallel loop is over no arrays");
}

/* ---- filter ------------------------------------------------------------------------------ */

static bool below(void *context, const void *item)
{
	const uint32_t *v = item;

	rig_dawdle((size_t)(v - x));
	return *v % 1000 < *(unsigned *)context;
}

static void filter_check(size_t n, const weft_par_opts *opts)
{
	static uint32_t others[RIG_MOST];

	fill(n);
	for (unsigned limit = 0; limit <= 1000; limit += 250) {
		size_t kept, k = 0, o = 0;

		memset(y, 0xff, sizeof(y));
		kept = limit % 500
			       ? weft_par_filter(y, x, n, 4, below, &limit, opts)
			       : weft_par_partition_copy(y, others, x, n, 4, below, &limit, opts);
		for (size_t i = 0; i < n; i++)
			if (x[i] % 1000 < limit)
				CHECK_EQ(y[k++], x[i]);
			else if (limit % 500 == 0)
				CHECK_EQ(others[o++], x[i]);
		CHECK_EQ(kept, k);
		for (; k < RIG_MOST; k++)
			CHECK_EQ(y[k], UINT32_MAX);
	}
}

TEST(par_filter_keeps_the_order)
{
	rig_run(filter_check);
}

/* ---- comparing --------------------------------------------------------------------------- */

static int compare_numbers(void *context, const void *a, const void *b)
{
	uint32_t l = *(const uint32_t *)a, r = *(const uint32_t *)b;

	(void)context;
	return l < r ? -5 : l > r ? 7 : 0;
}

static void compare_check(size_t n, const weft_par_opts *opts)
{
	const size_t places[] = { 0, n / 2, n - 1 };

	fill(n);
	memcpy(y, x, n * sizeof(*x));
	CHECK(weft_par_equal(x, n, y, n, 4, NULL, NULL, opts));
	CHECK_EQ(weft_par_compare(x, n, y, n, 4, compare_numbers, NULL, opts), 0);
	CHECK_EQ(weft_par_compare(x, n, y, n + 1, 4, NULL, NULL, opts), -1);
	CHECK_EQ(weft_par_compare(x, n + 1, y, n, 4, NULL, NULL, opts), 1);
	CHECK(!weft_par_equal(x, n, y, n + 1, 4, NULL, NULL, opts));
	for (size_t p = 0; n && p < 3; p++) {
		size_t at = places[p];

		y[at] ^= 0x80000000;
		CHECK_EQ(weft_par_mismatch(x, n, y, n, 4, NULL, NULL, opts), at);
		CHECK_EQ(weft_par_mismatch(x, n, y, n, 4, compare_numbers, NULL, opts), at);
		CHECK(!weft_par_equal(x, n, y, n, 4, compare_numbers, NULL, opts));
		CHECK_EQ(weft_par_compare(x, n, y, n, 4, compare_numbers, NULL, opts),
			 x[at] < y[at] ? -1 : 1);
		CHECK_EQ(weft_par_compare(x, n, y, n, 4, NULL, NULL, opts),
			 memcmp(&x[at], &y[at], 4) < 0 ? -1 : 1);
		y[at] = x[at];
	}
}

TEST(par_compare_is_by_the_first_that_differs)
{
	rig_run(compare_check);
}

static void extremes_check(size_t n, const weft_par_opts *opts)
{
	size_t least = 0, most = 0;

	for (size_t i = 0; i < n; i++) {
		x[i] = number(i) % 1009;
		least = x[i] < x[least] ? i : least;
		most = x[i] > x[most] ? i : most;
	}
	CHECK_EQ(weft_par_min(x, n, 4, compare_numbers, NULL, opts), n ? least : 0);
	CHECK_EQ(weft_par_max(x, n, 4, compare_numbers, NULL, opts), n ? most : 0);
}

TEST(par_min_and_max_are_the_first_of_equals)
{
	rig_run(extremes_check);
}

/* ---- numbers ----------------------------------------------------------------------------- */

static int64_t s64[RIG_MOST];
static double f64[RIG_MOST];

static void numbers_check(size_t n, const weft_par_opts *opts)
{
	uint64_t sum = 0, product = 1;
	double whole = 0;
	size_t least = 0, most = 0;

	fill(n);
	for (size_t i = 0; i < n; i++) {
		s64[i] = (int64_t)(number(i) * UINT64_C(0x9e3779b97f4a7c15));
		f64[i] = (double)(number(i) % 4096);
		sum += (uint64_t)s64[i];
		product *= (uint64_t)s64[i] | 1;
		whole += f64[i];
		least = s64[i] < s64[least] ? i : least;
		most = s64[i] > s64[most] ? i : most;
	}
	CHECK_EQ(weft_par_sum_i64(s64, n, opts), (int64_t)sum);
	CHECK(weft_par_sum_f64(f64, n, opts) == whole); /* exact in any order */
	CHECK_EQ(weft_par_min_i64(s64, n, opts), n ? least : 0);
	CHECK_EQ(weft_par_max_i64(s64, n, opts), n ? most : 0);
	for (size_t i = 0; i < n; i++)
		s64[i] |= 1;
	CHECK_EQ(weft_par_product_i64(s64, n, opts), (int64_t)product);
	CHECK_EQ(weft_par_product_u64((uint64_t *)s64, n, opts), product);
}

TEST(par_sums_products_and_extremes_are_serial_ones)
{
	rig_run(numbers_check);
}

TEST(par_sums_of_narrow_numbers_do_not_wrap)
{
	static int32_t small[1000];
	static uint32_t large[1000];
	static float floats[1000];

	for (size_t i = 0; i < 1000; i++) {
		small[i] = INT32_MIN;
		large[i] = UINT32_MAX;
		floats[i] = 16777216.0f + 2.0f * (float)(i % 2);
	}
	CHECK_EQ(weft_par_sum_i32(small, 1000, NULL), 1000 * (int64_t)INT32_MIN);
	CHECK_EQ(weft_par_sum_u32(large, 1000, NULL), UINT64_C(1000) * UINT32_MAX);
	CHECK(weft_par_sum_f32(floats, 1000, NULL) == 1000 * 16777216.0 + 1000);
}

TEST(par_extremes_pass_over_nan)
{
	static const double mixed[] = { NAN, 3, NAN, -2, 5, -2, 5, NAN };
	static const double nothing[] = { NAN, NAN };

	CHECK_EQ(weft_par_min_f64(mixed, 8, NULL), 3);
	CHECK_EQ(weft_par_max_f64(mixed, 8, NULL), 4);
	CHECK_EQ(weft_par_min_f64(nothing, 2, NULL), 2);
	CHECK_EQ(weft_par_max_f64(nothing, 0, NULL), 0);
	CHECK_EQ(weft_par_min_u64((const uint64_t[]){ 5, 4 }, 2, NULL), 1);
	CHECK_EQ(weft_par_max_u64((const uint64_t[]){ 5, 4 }, 2, NULL), 0);
	CHECK(weft_par_product_f64((const double[]){ 0.5, 3, 4 }, 3, NULL) == 6);
}
