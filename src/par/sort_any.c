/* SPDX-License-Identifier: MIT */
/*
 * Sorts by a function that compares, for elements of any size.
 *
 * The template of <weft/sort_tmpl.h> is compiled for the usual sizes. Elements of another
 * size are represented by pointers to them; what that does to the pointers is then done
 * to the elements, by way of a copy.
 */
#include "par/sort.h"

#include <errno.h>
#include <string.h>

#include "pool/pool.h"
#include "weft/cancel.h"

enum what { ANY_SORT, ANY_SORT_STABLE, ANY_NTH, ANY_PARTIAL, ANY_MERGE, ANY_PARTITION };

/* One call. */
struct any {
	enum what what;
	weft_compare_fn compare;
	weft_element_test_fn test;
	void *context;
	bool indirect; /* the elements are pointers to them */
	size_t k;
	const void *a, *b;
	size_t a_n, b_n;
};

static inline bool any_less(const struct any *any, const void *a, const void *b, size_t size)
{
	if (size == sizeof(a) && WEFT_UNLIKELY(any->indirect)) {
		memcpy(&a, a, sizeof(a));
		memcpy(&b, b, sizeof(b));
	}
	if (WEFT_UNLIKELY(any->test != NULL))
		return any->test(any->context, a);
	return any->compare(any->context, a, b) < 0;
}

#define ELEMENT 4
#include "par/sort_any_tmpl.h"
#define ELEMENT 8
#include "par/sort_any_tmpl.h"
#define ELEMENT 12
#include "par/sort_any_tmpl.h"
#define ELEMENT 16
#include "par/sort_any_tmpl.h"
#define ELEMENT 24
#include "par/sort_any_tmpl.h"
#define ELEMENT 32
#include "par/sort_any_tmpl.h"

static int any_direct(struct any *any, void *base, size_t n, size_t size,
		      const weft_par_opts *opts)
{
	switch (size) {
	case 4: return size4_do(any, base, n, opts);
	case 8: return size8_do(any, base, n, opts);
	case 12: return size12_do(any, base, n, opts);
	case 16: return size16_do(any, base, n, opts);
	case 24: return size24_do(any, base, n, opts);
	default: return size32_do(any, base, n, opts);
	}
}

/* ---- by pointers ----------------------------------------------------------------------- */

struct pointers {
	const char **at;
	char *copy, *base;
	size_t size;
};

static void pointers_gather(void *context, size_t lo, size_t hi)
{
	struct pointers *p = context;

	for (size_t i = lo; i < hi; i++)
		memcpy(p->copy + i * p->size, p->at[i], p->size);
}

static void pointers_return(void *context, size_t lo, size_t hi)
{
	struct pointers *p = context;

	memcpy(p->base + lo * p->size, p->copy + lo * p->size, (hi - lo) * p->size);
}

static const char **pointers_to(const void *base, size_t n, size_t size)
{
	const char **at = n < SIZE_MAX / sizeof(*at) ? weft__alloc((n + !n) * sizeof(*at)) : NULL;

	for (size_t i = 0; at && i < n; i++)
		at[i] = (const char *)base + i * size;
	return at;
}

static int any_indirect(struct any *any, void *base, size_t n, size_t size,
			const weft_par_opts *opts)
{
	struct pointers p = { .base = base, .size = size };
	int err = -ENOMEM;

	p.at = pointers_to(base, n, size);
	p.copy = weft__alloc(n * size + !n);
	any->indirect = true;
	if (p.at && p.copy) {
		err = size8_do(any, p.at, n, opts);
		if (err == 0) {
			weft_par_for(0, n, pointers_gather, &p, opts);
			weft_par_for(0, n, pointers_return, &p, opts);
		}
	}
	weft__release(p.at);
	weft__release(p.copy);
	return err;
}

/* `out` is not among the sources, so no copy is needed. */
static int merge_indirect(struct any *any, void *out, size_t size, const weft_par_opts *opts)
{
	struct pointers p = { .copy = out, .size = size };
	size_t n = any->a_n + any->b_n;
	const char **a = pointers_to(any->a, any->a_n, size);
	const char **b = pointers_to(any->b, any->b_n, size);

	p.at = pointers_to(out, n, size);
	if (a && b && p.at) {
		any->a = a;
		any->b = b;
		any->indirect = true;
		size8_merge((element8 *)p.at, (const element8 *)a, any->a_n, (const element8 *)b,
			    any->b_n, any, opts);
		weft_par_for(0, n, pointers_gather, &p, opts);
	}
	bool done = a && b && p.at;

	weft__release(a);
	weft__release(b);
	weft__release(p.at);
	return done ? 0 : -ENOMEM;
}

static int any_run(struct any *any, void *base, size_t n, size_t size, const weft_par_opts *opts)
{
	weft_par_opts inner = { .pool = opts && opts->pool ? opts->pool : weft__pool_here() };

	if (size == 0)
		return -EINVAL;
	if (size == 4 || size == 8 || size == 12 || size == 16 || size == 24 || size == 32)
		return any_direct(any, base, n, size, &inner);
	return any->what == ANY_MERGE ? merge_indirect(any, base, size, &inner)
				      : any_indirect(any, base, n, size, &inner);
}

/* ---- calls ----------------------------------------------------------------------------- */

int weft_sort(void *base, size_t n, size_t size, weft_compare_fn compare, void *context,
	      const weft_par_opts *opts)
{
	struct any any = { .what = ANY_SORT, .compare = compare, .context = context };

	return any_run(&any, base, n, size, opts);
}

int weft_sort_stable(void *base, size_t n, size_t size, weft_compare_fn compare, void *context,
		     const weft_par_opts *opts)
{
	struct any any = { .what = ANY_SORT_STABLE, .compare = compare, .context = context };

	return any_run(&any, base, n, size, opts);
}

int weft_merge(void *out, const void *a, size_t a_n, const void *b, size_t b_n, size_t size,
	       weft_compare_fn compare, void *context, const weft_par_opts *opts)
{
	struct any any = { .what = ANY_MERGE,
			   .compare = compare,
			   .context = context,
			   .a = a,
			   .a_n = a_n,
			   .b = b,
			   .b_n = b_n };

	return any_run(&any, out, a_n + b_n, size, opts);
}

int weft_nth(void *base, size_t n, size_t size, size_t k, weft_compare_fn compare, void *context,
	     const weft_par_opts *opts)
{
	struct any any = { .what = ANY_NTH, .compare = compare, .context = context, .k = k };

	return k < n ? any_run(&any, base, n, size, opts) : -EINVAL;
}

int weft_partial_sort(void *base, size_t n, size_t size, size_t k, weft_compare_fn compare,
		      void *context, const weft_par_opts *opts)
{
	struct any any = { .what = ANY_PARTIAL, .compare = compare, .context = context, .k = k };

	return any_run(&any, base, n, size, opts);
}

int weft_partition(void *base, size_t n, size_t size, weft_element_test_fn test, void *context,
		   size_t *count, const weft_par_opts *opts)
{
	struct any any = { .what = ANY_PARTITION, .test = test, .context = context };
	int err = any_run(&any, base, n, size, opts);

	*count = err ? 0 : any.k;
	return err;
}
