/* SPDX-License-Identifier: MIT */
/*
 * Sorting strings by digits of 8 characters.
 *
 * The next 8 characters of each string, as a number whose order is theirs, stand beside
 * the pointer, so that most comparisons touch no string at all. Those pairs are sorted by
 * the number; a run of equal ones is sorted by the 8 characters behind, unless the string
 * ended among them. (Caching the prefix is an old idea of string radix sorts: Ng and
 * Kakehi, "Cache efficient radix sort for string sorting", 2007.)
 *
 * Of the runs that one run falls into, the one that is larger than half of it is left
 * for a loop; the others are sorted by recursion, which is log2 n deep at the most,
 * however long the strings are.
 */
#include "par/sort.h"

#include <errno.h>
#include <string.h>

#include "pool/pool.h"

enum { CHARS = 8, FEW = 16 };

/* The key is the prefix, the value the string's address. */
static const char *string_of(const struct weft__pair *pair)
{
	return (const char *)(uintptr_t)pair->value;
}

struct strings {
	struct weft__pair *at;
	size_t n, depth;
	const char **plain;
	const weft_par_opts *opts;
	const size_t *bounds;
	weft_atomic_u32 cancelled;
};

static uint64_t prefix_of(const char *string, size_t depth)
{
	uint64_t prefix = 0;
	int i = 0;

	for (const char *c = string + depth; i < CHARS && *c; c++, i++)
		prefix = prefix << 8 | (unsigned char)*c;
	return i ? prefix << 8 * (CHARS - i) : 0;
}

static void prefixes_fill(void *context, size_t lo, size_t hi)
{
	struct strings *s = context;

	for (size_t i = lo; i < hi; i++)
		s->at[i].key = prefix_of(string_of(&s->at[i]), s->depth);
}

static bool goes_before(const struct weft__pair *a, const struct weft__pair *b, size_t depth)
{
	int order = strcmp(string_of(a) + depth, string_of(b) + depth);

	return order ? order < 0 : a->value < b->value;
}

static void sort_few(struct weft__pair *at, size_t n, size_t depth)
{
	for (size_t i = 1; i < n; i++) {
		struct weft__pair held = at[i];
		size_t j = i;

		for (; j > 0 && goes_before(&held, &at[j - 1], depth); j--)
			at[j] = at[j - 1];
		at[j] = held;
	}
}

static void radix(struct strings *s, size_t offset)
{
	struct weft__order order = { .offset = offset, .width = 8 };

	if (weft__radix_sort(s->opts, s->at, s->n, sizeof(*s->at), &order) != 0)
		weft_store_relaxed(&s->cancelled, 1);
}

static void sort_run(struct strings *s);

/* In [lo, hi), which ends where a run does: what is behind may be in other hands. */
static size_t run_end(const struct strings *s, size_t lo, size_t hi)
{
	size_t end = lo + 1;

	while (end < hi && s->at[end].key == s->at[lo].key)
		end++;
	return end;
}

/* Whether the strings of a run with this prefix have ended. */
static bool ended(uint64_t prefix)
{
	return (prefix & 0xff) == 0;
}

/* Sorts the runs in [lo, hi), but one of more than `most` strings, which is
 * returned. */
static struct strings sort_runs(struct strings *s, size_t lo, size_t hi, size_t most)
{
	struct strings large = { .n = 0 };

	for (size_t end; lo < hi && !weft_load_relaxed(&s->cancelled); lo = end) {
		struct strings run = { .at = s->at + lo, .depth = s->depth, .opts = s->opts };

		end = run_end(s, lo, hi);
		run.n = end - lo;
		if (run.n == 1)
			continue;
		if (ended(s->at[lo].key)) {
			radix(&run, offsetof(struct weft__pair, value));
		} else if (run.n > most) {
			large = run;
			large.depth += CHARS;
		} else {
			run.depth += CHARS;
			sort_run(&run);
		}
		if (weft_load_relaxed(&run.cancelled))
			weft_store_relaxed(&s->cancelled, 1);
	}
	return large;
}

/* Sorts strings that are equal up to their depth. */
static void sort_run(struct strings *s)
{
	struct strings run = *s;

	while (run.n > FEW) {
		struct strings next;

		prefixes_fill(&run, 0, run.n);
		radix(&run, offsetof(struct weft__pair, key));
		next = sort_runs(&run, 0, run.n, run.n / 2);
		if (weft_load_relaxed(&run.cancelled)) {
			weft_store_relaxed(&s->cancelled, 1);
			return;
		}
		run = next;
	}
	if (run.n > 1)
		sort_few(run.at, run.n, run.depth);
}

static void runs_range(void *context, size_t lo, size_t hi)
{
	struct strings *s = context;

	sort_runs(s, s->bounds[lo], s->bounds[hi], SIZE_MAX);
}

static void strings_take(void *context, size_t lo, size_t hi)
{
	struct strings *s = context;

	for (size_t i = lo; i < hi; i++)
		s->at[i].value = (uintptr_t)s->plain[i];
}

static void strings_give(void *context, size_t lo, size_t hi)
{
	struct strings *s = context;

	for (size_t i = lo; i < hi; i++)
		s->plain[i] = string_of(&s->at[i]);
}

int weft_sort_strings(const char **strings, size_t n, const weft_par_opts *opts)
{
	weft_par_opts inner = { .pool = opts && opts->pool ? opts->pool : weft__pool_here() };
	weft_par_opts pieces = { .pool = inner.pool, .grain = 1 };
	size_t bounds[WEFT__PIECES + 1];
	struct strings s = { .plain = strings, .n = n, .opts = &inner, .bounds = bounds };

	if (n < 2)
		return 0;
	if (n > SIZE_MAX / sizeof(*s.at))
		return -ENOMEM;
	s.at = weft__alloc(n * sizeof(*s.at));
	if (!s.at)
		return -ENOMEM;
	weft_par_for(0, n, strings_take, &s, &inner);
	weft_par_for(0, n, prefixes_fill, &s, &inner);
	radix(&s, offsetof(struct weft__pair, key));
	weft__pairs_cut(s.at, n, bounds);
	if (!weft_load_relaxed(&s.cancelled))
		weft_par_for(0, WEFT__PIECES, runs_range, &s, &pieces);
	weft_par_for(0, n, strings_give, &s, &inner);
	weft__release(s.at);
	return weft_load_relaxed(&s.cancelled) ? -ECANCELED : 0;
}
