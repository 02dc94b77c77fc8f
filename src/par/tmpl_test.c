/* SPDX-License-Identifier: MIT */
/*
 * Goal: each verb of the template gives what a serial loop gives; expressions see the
 * context and the index, and are evaluated where the header says.
 */
#include <string.h>

#include "par/rig_test.h"

struct arrays {
	uint64_t x[RIG_MOST], y[RIG_MOST];
};

static struct arrays arrays;

static void fill(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		arrays.x[i] = i * UINT64_C(0x9e3779b97f4a7c15) >> 20;
		arrays.y[i] = UINT64_MAX;
	}
}

/* Dawdles, and is what it is given. */
static inline uint64_t slow(size_t i, uint64_t value)
{
	rig_dawdle(i);
	return value;
}

#define WEFT_FOR add_index
#define WEFT_CONTEXT struct arrays
#define WEFT_EACH(a, i) (a)->y[i] = slow(i, (a)->x[i] + i)
#include "weft/par_tmpl.h"

static void for_check(size_t n, const weft_par_opts *opts)
{
	fill(n);
	add_index(0, n, &arrays, opts);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(arrays.y[i], arrays.x[i] + i);
}

TEST(par_tmpl_for_is_a_loop)
{
	rig_run(for_check);
}

/* Without context. */
static weft_atomic_u32 count_of_calls;

#define WEFT_FOR count_calls
#define WEFT_EACH(c, i) weft_add_relaxed(&count_of_calls, 1)
#include "weft/par_tmpl.h"

#define WEFT_REDUCE dot
#define WEFT_CONTEXT const struct arrays
#define WEFT_T uint64_t
#define WEFT_IDENTITY 0
#define WEFT_ITEM(a, i) (slow(i, (a)->x[i]) * (i))
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_COMMUTES
#include "weft/par_tmpl.h"

/* A polynomial in 3, from the left: does not commute. */
struct power {
	uint64_t value, factor;
};

static inline struct power then(struct power l, struct power r)
{
	return (struct power){ l.value * r.factor + r.value, l.factor * r.factor };
}

#define ITEM_POWER(a, i) ((struct power){ slow(i, (a)->x[i]), 3 })

#define WEFT_REDUCE polynomial
#define WEFT_CONTEXT const struct arrays
#define WEFT_T struct power
/* clang-format off */
#define WEFT_IDENTITY { 0, 1 }
/* clang-format on */
#define WEFT_ITEM(a, i) ITEM_POWER(a, i)
#define WEFT_COMBINE(a, b) then(a, b)
#include "weft/par_tmpl.h"

static void reduce_check(size_t n, const weft_par_opts *opts)
{
	uint64_t sum = 0, value = 0;

	fill(n);
	for (size_t i = 0; i < n; i++) {
		sum += arrays.x[i] * i;
		value = value * 3 + arrays.x[i];
	}
	CHECK_EQ(dot(0, n, &arrays, opts), sum);
	CHECK_EQ(polynomial(0, n, &arrays, opts).value, value);
	weft_store_relaxed(&count_of_calls, 0);
	count_calls(0, n, NULL, opts);
	CHECK_EQ(weft_load_relaxed(&count_of_calls), n);
}

TEST(par_tmpl_reduce_is_a_fold)
{
	rig_run(reduce_check);
}

#define WEFT_SCAN running
#define WEFT_CONTEXT struct arrays
#define WEFT_T uint64_t
#define WEFT_IDENTITY 0
#define WEFT_ITEM(a, i) slow(i, (a)->x[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_STORE(a, i, value) (a)->y[i] = (value)
#include "weft/par_tmpl.h"

/* In place. */
#define WEFT_SCAN offsets
#define WEFT_CONTEXT struct arrays
#define WEFT_T uint64_t
#define WEFT_IDENTITY 0
#define WEFT_ITEM(a, i) slow(i, (a)->x[i])
#define WEFT_COMBINE(a, b) ((a) + (b))
#define WEFT_STORE(a, i, value) (a)->x[i] = (value)
#define WEFT_EXCLUSIVE
#include "weft/par_tmpl.h"

static void scan_check(size_t n, const weft_par_opts *opts)
{
	uint64_t sum = 0;

	fill(n);
	running(0, n, &arrays, opts);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(arrays.y[i], sum += arrays.x[i]);
	CHECK_EQ(offsets(0, n, &arrays, opts), sum);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(arrays.x[i], i ? arrays.y[i - 1] : 0);
}

TEST(par_tmpl_scan_is_inclusive_or_exclusive)
{
	rig_run(scan_check);
}

static uint64_t modulus;

#define WEFT_FILTER multiples
#define WEFT_CONTEXT struct arrays
#define WEFT_TEST(a, i) (slow(i, (a)->x[i]) % modulus == 0)
#define WEFT_KEEP(a, k, i) (a)->y[k] = (a)->x[i]
#include "weft/par_tmpl.h"

#define WEFT_FIND multiple
#define WEFT_CONTEXT const struct arrays
#define WEFT_TEST(a, i) (slow(i, (a)->x[i]) % modulus == 0)
#include "weft/par_tmpl.h"

static void filter_check(size_t n, const weft_par_opts *opts)
{
	for (modulus = 1; modulus < 1000; modulus = modulus * 7 + 2) {
		size_t k = 0, first = n, last = n, any;

		fill(n);
		any = multiple_any(0, n, &arrays, opts);
		CHECK(any == n || arrays.x[any] % modulus == 0);
		CHECK_EQ(multiple_count(0, n, &arrays, opts), multiples(0, n, &arrays, opts));
		for (size_t i = 0; i < n; i++)
			if (arrays.x[i] % modulus == 0) {
				CHECK_EQ(arrays.y[k++], arrays.x[i]);
				first = first == n ? i : first;
				last = i;
			}
		CHECK_EQ(multiple_first(0, n, &arrays, opts), first);
		CHECK_EQ(multiple_last(0, n, &arrays, opts), last);
		CHECK_EQ(multiple_count(0, n, &arrays, opts), k);
		for (k++; k < n; k++)
			CHECK_EQ(arrays.y[k], UINT64_MAX);
	}
}

TEST(par_tmpl_filter_keeps_what_find_finds)
{
	rig_run(filter_check);
}

#define WEFT_BEST farthest
#define WEFT_CONTEXT const struct arrays
#define WEFT_T uint64_t
#define WEFT_KEY(a, i) (slow(i, (a)->x[i]) % 1009)
#define WEFT_BETTER(a, b) ((a) > (b))
#define WEFT_USABLE(k) ((k) % 2 == 0)
#include "weft/par_tmpl.h"

static void best_check(size_t n, const weft_par_opts *opts)
{
	size_t best = n;

	fill(n);
	for (size_t i = 0; i < n; i++) {
		uint64_t key = arrays.x[i] % 1009;

		if (key % 2 == 0 && (best == n || key > arrays.x[best] % 1009))
			best = i;
	}
	CHECK_EQ(farthest(0, n, &arrays, opts), best);
}

TEST(par_tmpl_best_is_the_first_of_equals)
{
	rig_run(best_check);
}
