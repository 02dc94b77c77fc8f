/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the sorts share: inputs between guards, and the comparison with
 * qsort().
 */
#ifndef WEFT_PAR_SORT_RIG_TEST_H
#define WEFT_PAR_SORT_RIG_TEST_H

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "par/sort.h"
#include "weft/cancel.h"
#include "weft/event.h"

static inline weft_pool *pool_of(int workers)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
	return pool;
}

/* ---- inputs ---------------------------------------------------------------------------- */

enum shape {
	RANDOM,
	SORTED,
	REVERSED,
	EQUAL,
	FEW,
	ZEROS_AND_MORE,
	ORGAN_PIPE,
	ZIPF,
	NARROW,
	MAGNITUDES,
	NEARLY,
	SAWTOOTH,
	KILLER,
	SHAPES
};

/* Makes the median of three of many quicksorts the second least (Musser 1997). */
static uint64_t killer(size_t i, size_t n)
{
	size_t half = n / 2;

	if (i < half)
		return i % 2 ? half + i + !(half % 2) : i + 1;
	return (i - half + 1) * 2;
}

static uint64_t value(enum shape shape, size_t i, size_t n, struct weft__rng *rng)
{
	uint64_t x = weft__rng_next(rng);

	switch (shape) {
	case SORTED: return i * 3;
	case REVERSED: return (n - i) * UINT64_C(0x100000001);
	case EQUAL: return 42;
	case FEW: return weft__rng_mix(x % 7);
	case ZEROS_AND_MORE: return x % 50 ? 0 : x;
	case ORGAN_PIPE: return i < n / 2 ? i : n - i;
	case ZIPF: return n / (x % n + 1);
	case NARROW: return UINT64_C(0x7fffffffffff0000) + x % 1000;
	case MAGNITUDES: return x >> x % 64;
	case NEARLY: return x % 100 ? i : x % n;
	case SAWTOOTH: return i % 97;
	case KILLER: return killer(i, n);
	default: return x;
	}
}

/* An array between two guards. */
struct array {
	uint64_t *all, *at;
	size_t n;
};

enum { GUARDS = 4 };
#define GUARD UINT64_C(0xdeadbeefcafef00d)

static inline struct array array_new(enum shape shape, size_t n, uint64_t seed)
{
	struct array a = { .n = n };
	struct weft__rng rng = { seed };

	a.all = malloc((n + 2 * GUARDS) * sizeof(*a.all));
	CHECK(a.all != NULL);
	a.at = a.all + GUARDS;
	for (size_t i = 0; i < n; i++)
		a.at[i] = value(shape, i, n, &rng);
	for (size_t i = 0; i < GUARDS; i++)
		a.all[i] = a.at[n + i] = GUARD;
	return a;
}

static inline void array_free(struct array *a)
{
	for (size_t i = 0; i < GUARDS; i++) {
		CHECK_EQ(a->all[i], GUARD);
		CHECK_EQ(a->at[a->n + i], GUARD);
	}
	free(a->all);
}

static inline uint64_t hash_all(const uint64_t *at, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += weft__rng_mix(at[i]);
	return sum;
}

static inline int compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return x < y ? -1 : x > y;
}

static inline int compare(void *context, const void *a, const void *b)
{
	(void)context;
	return compare_u64(a, b);
}

/* ---- checks ---------------------------------------------------------------------------- */

typedef int (*sort_fn)(uint64_t *at, size_t n, const weft_par_opts *opts);

static inline int by_compare(uint64_t *at, size_t n, const weft_par_opts *opts)
{
	return weft_sort(at, n, 8, compare, NULL, opts);
}

static inline int by_compare_stable(uint64_t *at, size_t n, const weft_par_opts *opts)
{
	return weft_sort_stable(at, n, 8, compare, NULL, opts);
}

static inline uint64_t itself(void *context, const void *element)
{
	uint64_t x;

	(void)context;
	memcpy(&x, element, 8);
	return x;
}

static inline int by_cached_key(uint64_t *at, size_t n, const weft_par_opts *opts)
{
	return weft_sort_by_cached_key(at, n, 8, itself, NULL, opts);
}

static inline void sort_check(sort_fn sort, const weft_par_opts *opts, enum shape shape, size_t n)
{
	struct array a = array_new(shape, n, n), want = array_new(shape, n, n);

	qsort(want.at, n, 8, compare_u64);
	CHECK_EQ(sort(a.at, n, opts), 0);
	if (memcmp(a.at, want.at, n * 8) != 0)
		FAIL("wrong order, input shape %d of %zu", (int)shape, n);
	array_free(&a);
	array_free(&want);
}

static inline void fill_bytes(void *at, size_t bytes, uint64_t seed)
{
	struct weft__rng rng = { seed };

	for (size_t i = 0; i < bytes; i++)
		((unsigned char *)at)[i] = (unsigned char)weft__rng_next(&rng);
}

#endif
