/* SPDX-License-Identifier: MIT */
/*
 * Counting by stripes: histogram, grouping, and the least k.
 *
 * The range is cut into as many stripes as there are workers; each has what it counts in
 * an array of its own. So the results do not depend on the number of workers.
 */
#include "par/sort.h"

#include <errno.h>
#include <string.h>

#include "pool/pool.h"

/* Stripes of at least 4,096 indices. */
static size_t stripes_for(size_t n, const weft_par_opts *opts)
{
	size_t workers = (size_t)weft_pool_workers(opts->pool), most = n / 4096 + 1;

	return workers < most ? workers : most;
}

static weft_par_opts opts_make(const weft_par_opts *opts)
{
	return (weft_par_opts){ .pool = opts && opts->pool ? opts->pool : weft__pool_here(),
				.grain = 1 };
}

/* Where stripe i of so many begins. */
static size_t stripe_at(size_t n, size_t stripes, size_t i)
{
	return n / stripes * i + (i < n % stripes ? i : n % stripes);
}

/* ---- histogram ------------------------------------------------------------------------- */

struct histogram {
	size_t n, bins, stripes;
	weft_count_fn count;
	void *context;
	uint64_t *counts; /* of each stripe */
};

static void histogram_stripes(void *context, size_t lo, size_t hi)
{
	struct histogram *h = context;

	for (size_t i = lo; i < hi; i++) {
		size_t begin = stripe_at(h->n, h->stripes, i);
		size_t end = stripe_at(h->n, h->stripes, i + 1);

		if (begin < end)
			h->count(h->context, begin, end, h->counts + i * h->bins);
	}
}

int weft_histogram(size_t n, size_t bins, weft_count_fn count, void *context, uint64_t *counts,
		   const weft_par_opts *opts)
{
	weft_par_opts inner = opts_make(opts);
	struct histogram h = { n, bins, stripes_for(n, &inner), count, context, NULL };

	h.counts = weft__alloc_zero(h.stripes * bins + 1, sizeof(*h.counts));
	if (!h.counts)
		return -ENOMEM;
	weft_par_for(0, h.stripes, histogram_stripes, &h, &inner);
	for (size_t b = 0; b < bins; b++) {
		counts[b] = 0;
		for (size_t i = 0; i < h.stripes; i++)
			counts[b] += h.counts[i * bins + b];
	}
	weft__release(h.counts);
	return 0;
}

/* ---- groups ---------------------------------------------------------------------------- */

struct grouping {
	size_t n, groups, stripes;
	weft_group_fn group;
	void *context;
	size_t *counts, *members; /* counts of each stripe; then where each writes next */
	weft_atomic_u32 outside;
};

static void group_count(void *context, size_t lo, size_t hi)
{
	struct grouping *g = context;

	for (size_t s = lo; s < hi; s++) {
		size_t *counts = g->counts + s * g->groups;
		size_t end = stripe_at(g->n, g->stripes, s + 1);

		for (size_t i = stripe_at(g->n, g->stripes, s); i < end; i++) {
			size_t group = g->group(g->context, i);

			if (group < g->groups)
				counts[group]++;
			else
				weft_store_relaxed(&g->outside, 1);
		}
	}
}

/* An answer that differs from the first one still writes within `members`. */
static void group_fill(void *context, size_t lo, size_t hi)
{
	struct grouping *g = context;

	for (size_t s = lo; s < hi; s++) {
		size_t *next = g->counts + s * g->groups;
		size_t end = stripe_at(g->n, g->stripes, s + 1);

		for (size_t i = stripe_at(g->n, g->stripes, s); i < end; i++) {
			size_t group = g->group(g->context, i);

			if (group < g->groups && next[group] < g->n)
				g->members[next[group]++] = i;
			else
				weft_store_relaxed(&g->outside, 1);
		}
	}
}

int weft_group(size_t n, size_t groups, weft_group_fn group, void *context, size_t *starts,
	       size_t *members, const weft_par_opts *opts)
{
	weft_par_opts inner = opts_make(opts);
	struct grouping g = { n,       groups, stripes_for(n, &inner), group, context, NULL,
			      members, { 0 } };
	size_t begin = 0;

	g.counts = weft__alloc_zero(g.stripes * groups + 1, sizeof(*g.counts));
	if (!g.counts)
		return -ENOMEM;
	weft_par_for(0, g.stripes, group_count, &g, &inner);
	for (size_t b = 0; b < groups; b++) {
		starts[b] = begin;
		for (size_t s = 0; s < g.stripes; s++) {
			size_t count = g.counts[s * groups + b];

			g.counts[s * groups + b] = begin;
			begin += count;
		}
	}
	starts[groups] = begin;
	if (!weft_load_relaxed(&g.outside))
		weft_par_for(0, g.stripes, group_fill, &g, &inner);
	weft__release(g.counts);
	return weft_load_relaxed(&g.outside) ? -EINVAL : 0;
}

/* ---- the least k ----------------------------------------------------------------------- */

struct top {
	const char *base;
	size_t n, size, k, room, stripes;
	weft_compare_fn compare;
	void *context;
	char *kept;     /* room for so many, for each stripe */
	size_t *kept_n; /* at most k of them, once the stripe is through */
	const weft_par_opts *opts;
	weft_atomic_u32 err; /* negated */
};

/* Throws out all but the k least; the k-th is the last of them. */
static void top_prune(struct top *t, char *kept, size_t *n)
{
	int err = 0;

	if (*n > t->k)
		err = weft_nth(kept, *n, t->size, t->k - 1, t->compare, t->context, t->opts);
	if (err)
		weft_store_relaxed(&t->err, (uint32_t)-err);
	*n = *n < t->k ? *n : t->k;
}

static void top_stripes(void *context, size_t lo, size_t hi)
{
	struct top *t = context;

	for (size_t s = lo; s < hi; s++) {
		char *kept = t->kept + s * t->room * t->size;
		const char *last = kept + (t->k - 1) * t->size;
		size_t n = 0, end = stripe_at(t->n, t->stripes, s + 1);
		bool pruned = false;

		for (size_t i = stripe_at(t->n, t->stripes, s); i < end; i++) {
			const char *element = t->base + i * t->size;

			if (pruned && t->compare(t->context, element, last) >= 0)
				continue;
			memcpy(kept + n++ * t->size, element, t->size);
			if (n == t->room) {
				top_prune(t, kept, &n);
				pruned = true;
			}
		}
		top_prune(t, kept, &n);
		t->kept_n[s] = n;
	}
}

static int top_finish(struct top *t, void *out)
{
	size_t n = 0;
	int err = -(int)weft_load_relaxed(&t->err);

	for (size_t s = 0; s < t->stripes; s++) {
		memmove(t->kept + n * t->size, t->kept + s * t->room * t->size,
			t->kept_n[s] * t->size);
		n += t->kept_n[s];
	}
	if (err == 0)
		err = weft_partial_sort(t->kept, n, t->size, t->k, t->compare, t->context,
					t->opts);
	if (err == 0)
		memcpy(out, t->kept, (n < t->k ? n : t->k) * t->size);
	return err;
}

int weft_top_k(const void *base, size_t n, size_t size, size_t k, void *out,
	       weft_compare_fn compare, void *context, const weft_par_opts *opts)
{
	weft_par_opts inner = opts_make(opts);
	struct top t = { .base = base, .n = n, .size = size, .k = k < n ? k : n, .opts = &inner };
	int err = -ENOMEM;

	if (size == 0)
		return -EINVAL;
	if (t.k == 0)
		return 0;
	t.compare = compare;
	t.context = context;
	t.stripes = stripes_for(n, &inner);
	t.room = 2 * t.k < 1024 ? 1024 : 2 * t.k;
	t.room = t.room < n ? t.room : n;
	t.kept = t.stripes <= SIZE_MAX / size / t.room ? weft__alloc(t.stripes * t.room * size)
						       : NULL;
	t.kept_n = weft__alloc_zero(t.stripes, sizeof(*t.kept_n));
	if (t.kept && t.kept_n) {
		weft_par_for(0, t.stripes, top_stripes, &t, &inner);
		err = top_finish(&t, out);
	}
	weft__release(t.kept);
	weft__release(t.kept_n);
	return err;
}
