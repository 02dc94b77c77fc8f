/* SPDX-License-Identifier: MIT */
/*
 * Searches: a loop whose body looks only at what could still be the answer.
 *
 * `best` is the answer as far as it is known; it only ever gets better. A block beyond
 * it is left out at once, so that the rest of the loop is over in a few calls. For the
 * last index the loop runs over the range mirrored, so that it, too, begins where the
 * answer is best.
 */
#include "par/par.h"

struct search {
	weft_find_fn find;
	void *context;
	size_t lo, hi;
	weft_atomic_size best; /* `hi` when there is none; if mirrored, how far from there */
	weft_atomic_i32 hit;
};

static void note_first(struct search *s, size_t at)
{
	size_t best = weft_load_relaxed(&s->best);

	while (at < best && !weft_cas_weak_relaxed(&s->best, &best, at))
		;
	weft_store_relaxed(&s->hit, 1);
}

static void any_block(void *context, size_t lo, size_t hi)
{
	struct search *s = context;
	size_t at;

	if (weft_load_relaxed(&s->hit))
		return;
	at = s->find(s->context, lo, hi);
	if (at < hi)
		note_first(s, at);
}

static void first_block(void *context, size_t lo, size_t hi)
{
	struct search *s = context;
	size_t best = weft_load_relaxed(&s->best), at;

	if (lo >= best)
		return;
	hi = hi < best ? hi : best;
	at = s->find(s->context, lo, hi);
	if (at < hi)
		note_first(s, at);
}

/* The mirror: distance d stands for the index hi - 1 - d. */
static void last_block(void *context, size_t lo, size_t hi)
{
	struct search *s = context;
	size_t best = weft_load_relaxed(&s->best), begin, end, at;

	if (lo >= best)
		return;
	hi = hi < best ? hi : best;
	begin = s->hi - hi;
	end = s->hi - lo;
	at = s->find(s->context, begin, end);
	if (at < end)
		note_first(s, s->hi - 1 - at);
}

static void search_run(struct search *s, size_t lo, size_t hi, weft_range_fn body, uintptr_t key,
		       const weft_par_opts *opts)
{
	struct weft__loop loop = { .body = body, .context = s, .key = key, .over = &s->hit };

	weft_atomic_init(&s->best, hi);
	weft_atomic_init(&s->hit, 0);
	weft__loop_start(&loop, lo, hi, NULL, opts);
}

static uintptr_t find_key(weft_find_fn find, const void *context)
{
	return weft__loop_key((uintptr_t)find, context);
}

static size_t find_any(size_t lo, size_t hi, weft_find_fn find, void *context, uintptr_t key,
		       const weft_par_opts *opts)
{
	struct search s = { .find = find, .context = context };

	search_run(&s, lo, hi, any_block, key, opts);
	return weft_load_relaxed(&s.best);
}

size_t weft__par_find_first(size_t lo, size_t hi, weft_find_fn find, void *context, uintptr_t key,
			    const weft_par_opts *opts)
{
	struct search s = { .find = find, .context = context };

	search_run(&s, lo, hi, first_block, key, opts);
	return weft_load_relaxed(&s.best);
}

size_t weft_par_find_any(size_t lo, size_t hi, weft_find_fn find, void *context,
			 const weft_par_opts *opts)
{
	return find_any(lo, hi, find, context, find_key(find, context), opts);
}

size_t weft_par_find_first(size_t lo, size_t hi, weft_find_fn find, void *context,
			   const weft_par_opts *opts)
{
	return weft__par_find_first(lo, hi, find, context, find_key(find, context), opts);
}

size_t weft_par_find_last(size_t lo, size_t hi, weft_find_fn find, void *context,
			  const weft_par_opts *opts)
{
	struct search s = { .find = find, .context = context, .lo = lo, .hi = hi };
	size_t length = lo < hi ? hi - lo : 0, best;

	search_run(&s, 0, length, last_block, find_key(find, context), opts);
	best = weft_load_relaxed(&s.best);
	return best < length ? hi - 1 - best : hi;
}

/* ---- tests ------------------------------------------------------------------------------ */

struct test {
	weft_test_fn test;
	void *context;
	bool sought; /* the answer that ends a search */
};

static size_t test_find(void *context, size_t lo, size_t hi)
{
	const struct test *t = context;

	for (; lo < hi; lo++)
		if (t->test(t->context, lo) == t->sought)
			return lo;
	return hi;
}

static uintptr_t test_key(const struct test *t)
{
	return weft__loop_key((uintptr_t)t->test, t->context);
}

bool weft_par_any(size_t lo, size_t hi, weft_test_fn test, void *context,
		  const weft_par_opts *opts)
{
	struct test t = { test, context, true };

	return find_any(lo, hi, test_find, &t, test_key(&t), opts) != hi;
}

bool weft_par_all(size_t lo, size_t hi, weft_test_fn test, void *context,
		  const weft_par_opts *opts)
{
	struct test t = { test, context, false };

	return find_any(lo, hi, test_find, &t, test_key(&t), opts) == hi;
}

size_t weft_par_position(size_t lo, size_t hi, weft_test_fn test, void *context,
			 const weft_par_opts *opts)
{
	struct test t = { test, context, true };

	return weft__par_find_first(lo, hi, test_find, &t, test_key(&t), opts);
}

/* ---- count ------------------------------------------------------------------------------ */

static void count_block(void *context, size_t lo, size_t hi, void *accumulator)
{
	const struct test *t = context;
	size_t count = 0;

	for (size_t i = lo; i < hi; i++)
		count += t->test(t->context, i);
	*(size_t *)accumulator += count;
}

static void count_add(void *context, void *left, const void *right)
{
	(void)context;
	*(size_t *)left += *(const size_t *)right;
}

size_t weft_par_count(size_t lo, size_t hi, weft_test_fn test, void *context,
		      const weft_par_opts *opts)
{
	static const size_t zero;
	struct test t = { test, context, true };
	weft_reduce reduce = {
		.size = sizeof(zero),
		.identity = &zero,
		.body = count_block,
		.combine = count_add,
		.context = &t,
	};
	size_t count;

	weft__par_reduce(lo, hi, &reduce, &count, test_key(&t), opts);
	return count;
}
