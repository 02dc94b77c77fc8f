/* SPDX-License-Identifier: MIT */
/*
 * Verbs over arrays: ranges of indices, whose bodies know where the items are.
 */
#include "weft/par_array.h"

#include <string.h>

#include "base/assert.h"
#include "par/par.h"

/* ---- update, map, zip ---------------------------------------------------------------- */

struct update {
	char *items;
	size_t size;
	weft_item_fn body;
	void *context;
};

static void update_block(void *context, size_t lo, size_t hi)
{
	const struct update *u = context;
	char *end = u->items + hi * u->size;

	for (char *item = u->items + lo * u->size; item != end; item += u->size)
		u->body(u->context, item);
}

void weft_par_update(void *items, size_t count, size_t size, weft_item_fn body, void *context,
		     const weft_par_opts *opts)
{
	struct update u = { items, size, body, context };

	WEFT__ASSERT(size > 0, "a parallel loop is over items of size 0");
	weft__par_for(0, count, update_block, &u, weft__loop_key((uintptr_t)body, context), opts);
}

struct map {
	char *out;
	const char *in;
	size_t out_size, in_size;
	weft_map_fn body;
	void *context;
};

static void map_block(void *context, size_t lo, size_t hi)
{
	const struct map *m = context;

	for (size_t i = lo; i < hi; i++)
		m->body(m->context, m->in + i * m->in_size, m->out + i * m->out_size);
}

void weft_par_map(void *out, size_t out_size, const void *in, size_t in_size, size_t count,
		  weft_map_fn body, void *context, const weft_par_opts *opts)
{
	struct map m = { out, in, out_size, in_size, body, context };

	weft__par_for(0, count, map_block, &m, weft__loop_key((uintptr_t)body, context), opts);
}

struct zip {
	const weft_array *arrays;
	size_t count;
	weft_zip_fn body;
	void *context;
};

static void zip_block(void *context, size_t lo, size_t hi)
{
	const struct zip *z = context;
	void *items[WEFT_ZIP_MAX];

	for (size_t k = 0; k < z->count; k++)
		items[k] = (char *)z->arrays[k].items + lo * z->arrays[k].size;
	for (size_t i = lo; i < hi; i++) {
		z->body(z->context, i, items);
		for (size_t k = 0; k < z->count; k++)
			items[k] = (char *)items[k] + z->arrays[k].size;
	}
}

void weft_par_zip(const weft_array *arrays, size_t array_count, size_t length, weft_zip_fn body,
		  void *context, const weft_par_opts *opts)
{
	struct zip z = { arrays, array_count, body, context };

	WEFT__ASSERT(array_count >= 1 && array_count <= WEFT_ZIP_MAX,
		     "a parallel loop is over no arrays, or more than WEFT_ZIP_MAX");
	weft__par_for(0, length, zip_block, &z, weft__loop_key((uintptr_t)body, context), opts);
}

/* ---- filter ----------------------------------------------------------------------------- */

struct filter {
	char *kept, *others; /* `others` may be NULL */
	const char *in;
	size_t size;
	weft_keep_fn keep;
	void *context;
};

/* The accumulator counts what is kept. */
static void filter_measure(void *context, size_t lo, size_t hi, void *accumulator)
{
	const struct filter *f = context;
	size_t kept = 0;

	for (size_t i = lo; i < hi; i++)
		kept += f->keep(f->context, f->in + i * f->size);
	*(size_t *)accumulator += kept;
}

static void filter_write(void *context, size_t lo, size_t hi, void *accumulator, const void *after)
{
	const struct filter *f = context;
	size_t kept = *(size_t *)accumulator;

	(void)after;
	for (size_t i = lo; i < hi; i++) {
		const char *item = f->in + i * f->size;

		if (f->keep(f->context, item))
			memcpy(f->kept + kept++ * f->size, item, f->size);
		else if (f->others)
			memcpy(f->others + (i - kept) * f->size, item, f->size);
	}
	*(size_t *)accumulator = kept;
}

static void filter_add(void *context, void *left, const void *right)
{
	(void)context;
	*(size_t *)left += *(const size_t *)right;
}

static size_t filter(struct filter *f, size_t count, const weft_par_opts *opts)
{
	static const size_t zero;
	weft_scan scan = { .size = sizeof(zero),
			   .identity = &zero,
			   .measure = filter_measure,
			   .write = filter_write,
			   .combine = filter_add,
			   .context = f };
	size_t kept;

	weft__par_scan(0, count, &scan, &kept, weft__loop_key((uintptr_t)f->keep, f->context),
		       opts);
	return kept;
}

size_t weft_par_filter(void *out, const void *in, size_t count, size_t size, weft_keep_fn keep,
		       void *context, const weft_par_opts *opts)
{
	struct filter f = {
		.kept = out, .in = in, .size = size, .keep = keep, .context = context
	};

	return filter(&f, count, opts);
}

size_t weft_par_partition_copy(void *kept, void *others, const void *in, size_t count, size_t size,
			       weft_keep_fn keep, void *context, const weft_par_opts *opts)
{
	struct filter f = { .kept = kept,
			    .others = others,
			    .in = in,
			    .size = size,
			    .keep = keep,
			    .context = context };

	return filter(&f, count, opts);
}

/* ---- comparing --------------------------------------------------------------------------- */

struct pair {
	const char *a, *b;
	size_t size;
	weft_compare_fn compare;
	void *context;
};

/* memcmp() is much faster than a loop that looks for the place, which is looked for only
 * where there is one. */
static size_t bytes_differ(const struct pair *p, size_t lo, size_t hi)
{
	enum { STRIDE = 4096 };
	size_t step = p->size < STRIDE ? STRIDE / p->size : 1, n;

	for (; lo < hi; lo += n) {
		n = step < hi - lo ? step : hi - lo;
		if (memcmp(p->a + lo * p->size, p->b + lo * p->size, n * p->size) != 0)
			break;
	}
	while (lo < hi && memcmp(p->a + lo * p->size, p->b + lo * p->size, p->size) == 0)
		lo++;
	return lo;
}

static size_t pair_differ(void *context, size_t lo, size_t hi)
{
	const struct pair *p = context;

	if (!p->compare)
		return bytes_differ(p, lo, hi);
	while (lo < hi && p->compare(p->context, p->a + lo * p->size, p->b + lo * p->size) == 0)
		lo++;
	return lo;
}

/* Of different arrays of one type the same is known, and of the same arrays all. */
static uintptr_t pair_key(const struct pair *p)
{
	return weft__loop_key((uintptr_t)p->compare ^ (uintptr_t)pair_differ, p->a);
}

size_t weft_par_mismatch(const void *a, size_t a_count, const void *b, size_t b_count, size_t size,
			 weft_compare_fn compare, void *context, const weft_par_opts *opts)
{
	struct pair p = { a, b, size, compare, context };

	WEFT__ASSERT(size > 0, "a parallel loop is over items of size 0");
	return weft__par_find_first(0, a_count < b_count ? a_count : b_count, pair_differ, &p,
				    pair_key(&p), opts);
}

bool weft_par_equal(const void *a, size_t a_count, const void *b, size_t b_count, size_t size,
		    weft_compare_fn compare, void *context, const weft_par_opts *opts)
{
	return a_count == b_count &&
	       weft_par_mismatch(a, a_count, b, b_count, size, compare, context, opts) == a_count;
}

static int bytes_compare(void *context, const void *a, const void *b)
{
	return memcmp(a, b, *(size_t *)context);
}

int weft_par_compare(const void *a, size_t a_count, const void *b, size_t b_count, size_t size,
		     weft_compare_fn compare, void *context, const weft_par_opts *opts)
{
	size_t at = weft_par_mismatch(a, a_count, b, b_count, size, compare, context, opts);
	int order;

	if (at == a_count || at == b_count)
		return (a_count > b_count) - (a_count < b_count);
	if (!compare) {
		compare = bytes_compare;
		context = &size;
	}
	order = compare(context, (const char *)a + at * size, (const char *)b + at * size);
	return (order > 0) - (order < 0);
}

struct extreme {
	const char *items;
	size_t size, count;
	weft_compare_fn compare;
	void *context;
	bool greatest;
};

/* Whether item i is to be preferred to item j, which comes first. */
static bool better(const struct extreme *e, size_t i, size_t j)
{
	int order = e->compare(e->context, e->items + i * e->size, e->items + j * e->size);

	return e->greatest ? order > 0 : order < 0;
}

/* The accumulator is the index of the best, SIZE_MAX if there is none. */
static void extreme_block(void *context, size_t lo, size_t hi, void *accumulator)
{
	size_t best = *(size_t *)accumulator;

	if (best == SIZE_MAX)
		best = lo++;
	for (; lo < hi; lo++)
		if (better(context, lo, best))
			best = lo;
	*(size_t *)accumulator = best;
}

static void extreme_combine(void *context, void *left, const void *right)
{
	size_t *l = left, r = *(const size_t *)right;

	if (r != SIZE_MAX && (*l == SIZE_MAX || better(context, r, *l)))
		*l = r;
}

static size_t extreme(struct extreme *e, const weft_par_opts *opts)
{
	static const size_t none = SIZE_MAX;
	weft_reduce reduce = { .size = sizeof(none),
			       .identity = &none,
			       .body = extreme_block,
			       .combine = extreme_combine,
			       .context = e };
	size_t best;

	weft__par_reduce(0, e->count, &reduce, &best,
			 weft__loop_key((uintptr_t)e->compare, e->items), opts);
	return best < e->count ? best : e->count;
}

size_t weft_par_min(const void *items, size_t count, size_t size, weft_compare_fn compare,
		    void *context, const weft_par_opts *opts)
{
	struct extreme e = { items, size, count, compare, context, false };

	return extreme(&e, opts);
}

size_t weft_par_max(const void *items, size_t count, size_t size, weft_compare_fn compare,
		    void *context, const weft_par_opts *opts)
{
	struct extreme e = { items, size, count, compare, context, true };

	return extreme(&e, opts);
}
