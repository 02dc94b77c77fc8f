/* SPDX-License-Identifier: MIT */
/*
 * Sorts by a comparison that the compiler can inline: a template. Before it is included
 *
 *     #define WEFT_SORT_NAME by_price
 *     #define WEFT_SORT_TYPE struct item
 *     #define WEFT_SORT_LESS(a, b) ((a)->price < (b)->price)
 *     #include <weft/sort_tmpl.h>
 *
 * where a and b are pointers to const items, and `context`, a void pointer, is what the
 * caller passed. It may be included many times; it undefines the three names. That gives
 * these static functions:
 *
 *   int by_price_sort(item *items, size_t n, void *context, const weft_par_opts *opts)
 *   int by_price_sort_stable(the same)
 *   int by_price_nth(item *items, size_t n, size_t k, void *context, opts)
 *   void by_price_merge(item *out, const item *a, size_t a_n, const item *b, size_t b_n,
 *                       void *context, opts)
 *
 * with the contracts of weft_sort(), weft_sort_stable(), weft_nth() and weft_merge() in
 * <weft/sort.h>, which are made from this template too.
 *
 * The unstable sort is a quicksort whose partition has no branch that depends on a
 * comparison (Edelkamp, Weiß: "BlockQuicksort", 2016, has the idea; the loop is
 * Lomuto's), which takes out what equals a pivot that it has met before, as Orson Peters'
 * pdqsort does, and which falls back to heapsort when pivots are bad for long. Large
 * arrays are partitioned by all workers: each its stripe, then what lies on the wrong
 * side of the boundary is exchanged. The stable sort merges from both ends at once, two
 * independent chains of comparisons (van den Hoven's quadsort calls it a parity merge);
 * large merges are cut in halves by binary search.
 *
 * All loops stay within the array whatever LESS answers, and elements are only ever
 * exchanged, or copied out of a source that is kept until the copy is known to be
 * complete: so an inconsistent comparison gives a wrong order and nothing worse.
 */
#include <weft/cancel.h>
#include <weft/par.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef WEFT_SORT_TYPE

#define WEFT__S3(a, b) a##_##b
#define WEFT__S2(a, b) WEFT__S3(a, b)
#define WEFT__S(name) WEFT__S2(WEFT_SORT_NAME, name)
#define WEFT__T WEFT_SORT_TYPE
#define WEFT__F __attribute__((unused)) static

#ifndef WEFT__SORT_SIZES
#define WEFT__SORT_SIZES
enum {
	WEFT__SORT_LEAF = 20,            /* elements that are sorted by insertion */
	WEFT__SORT_ALONE = 8192,         /* not worth a fork */
	WEFT__SORT_TOGETHER = 128 << 10, /* worth all workers for one partition */
	WEFT__SORT_STRIPES = 64
};
#endif

/* One call. */
struct WEFT__S(state) {
	void *context;
	size_t workers;
	bool stopped; /* in this worker's part of the tree */
};

WEFT__F inline bool WEFT__S(less)(void *context, const WEFT__T *a, const WEFT__T *b)
{
	(void)context;
	return WEFT_SORT_LESS(a, b);
}

WEFT__F inline void WEFT__S(swap)(WEFT__T *a, WEFT__T *b)
{
	WEFT__T held = *a;

	*a = *b;
	*b = held;
}

WEFT__F void WEFT__S(insertion)(WEFT__T *a, size_t n, void *context)
{
	for (size_t i = 1; i < n; i++) {
		WEFT__T held;
		size_t j = i;

		if (!WEFT__S(less)(context, &a[i], &a[i - 1]))
			continue;
		held = a[i];
		do {
			a[j] = a[j - 1];
			j--;
		} while (j > 0 && WEFT__S(less)(context, &held, &a[j - 1]));
		a[j] = held;
	}
}

WEFT__F void WEFT__S(sift)(WEFT__T *a, size_t i, size_t n, void *context)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && WEFT__S(less)(context, &a[child], &a[child + 1]))
			child++;
		if (!WEFT__S(less)(context, &a[i], &a[child]))
			return;
		WEFT__S(swap)(&a[i], &a[child]);
	}
}

WEFT__F void WEFT__S(heap)(WEFT__T *a, size_t n, void *context)
{
	for (size_t i = n / 2; i-- > 0;)
		WEFT__S(sift)(a, i, n, context);
	for (size_t i = n; i-- > 1;) {
		WEFT__S(swap)(&a[0], &a[i]);
		WEFT__S(sift)(a, 0, i, context);
	}
}

/* The length of the beginning that does not descend; or that strictly descends. */
WEFT__F size_t WEFT__S(ascent)(const WEFT__T *a, size_t n, bool down, void *context)
{
	size_t i = 1;

	while (i < n && WEFT__S(less)(context, &a[i], &a[i - 1]) == down)
		i++;
	return i;
}

WEFT__F void WEFT__S(reverse)(WEFT__T *a, size_t n)
{
	for (size_t i = 0; i < n / 2; i++)
		WEFT__S(swap)(&a[i], &a[n - 1 - i]);
}

/* ---- partition ------------------------------------------------------------------------- */

WEFT__F inline size_t WEFT__S(middle)(const WEFT__T *a, size_t i, size_t j, size_t k,
				      void *context)
{
	if (WEFT__S(less)(context, &a[j], &a[i])) {
		size_t held = i;

		i = j;
		j = held;
	}
	if (!WEFT__S(less)(context, &a[k], &a[j]))
		return j;
	return WEFT__S(less)(context, &a[k], &a[i]) ? i : k;
}

/* Brings a pivot to a[0]: the median of three, of nine, or of twenty-seven. */
WEFT__F void WEFT__S(pivot)(WEFT__T *a, size_t n, void *context)
{
	size_t step = n / 28, at[9];
	unsigned count = n > 4096 ? 9 : n > 128 ? 3 : 1;

	if (count < 9)
		step = n / (count * 3 + 1);
	for (unsigned i = 0; i < count; i++)
		at[i] = WEFT__S(middle)(a, (3 * i + 1) * step, (3 * i + 2) * step,
					(3 * i + 3) * step, context);
	for (; count > 1; count /= 3)
		for (unsigned i = 0; i < count / 3; i++)
			at[i] = WEFT__S(middle)(a, at[3 * i], at[3 * i + 1], at[3 * i + 2],
						context);
	WEFT__S(swap)(&a[0], &a[at[0]]);
}

/* Brings what is less than the pivot to the front, or with `equal` what is not greater;
 * returns how many that are. */
WEFT__F size_t WEFT__S(split)(WEFT__T *a, size_t n, const WEFT__T *pivot, bool equal,
			      void *context)
{
	const WEFT__T p = *pivot;
	size_t front = 0;

	if (equal) {
		for (size_t i = 0; i < n; i++) {
			WEFT__T x = a[i];

			a[i] = a[front];
			a[front] = x;
			front += !WEFT__S(less)(context, &p, &x);
		}
		return front;
	}
	for (size_t i = 0; i < n; i++) {
		WEFT__T x = a[i];

		a[i] = a[front];
		a[front] = x;
		front += WEFT__S(less)(context, &x, &p);
	}
	return front;
}

struct WEFT__S(stripes) {
	struct WEFT__S(state) * state;
	WEFT__T *a;
	size_t n, each;
	const WEFT__T *pivot;
	bool equal;
	size_t front[WEFT__SORT_STRIPES]; /* of a stripe: how many belong to the front */
	/* Of the exchange: places behind in front of the boundary, and vice versa. */
	size_t high[WEFT__SORT_STRIPES], low[WEFT__SORT_STRIPES];
	size_t high_n[WEFT__SORT_STRIPES], low_n[WEFT__SORT_STRIPES];
	unsigned highs, lows;
};

WEFT__F void WEFT__S(split_stripes)(void *context, size_t lo, size_t hi)
{
	struct WEFT__S(stripes) *s = (struct WEFT__S(stripes) *)context;

	for (size_t i = lo; i < hi; i++) {
		size_t begin = i * s->each, end = begin + s->each;

		end = end < s->n ? end : s->n;
		s->front[i] = WEFT__S(split)(s->a + begin, end - begin, s->pivot, s->equal,
					     s->state->context);
	}
}

/* The k-th place of a list of ranges. */
WEFT__F size_t WEFT__S(place)(const size_t *at, const size_t *n, size_t k, size_t *left)
{
	while (k >= *n)
		k -= *n++, at++;
	*left = *n - k;
	return *at + k;
}

WEFT__F void WEFT__S(exchange)(void *context, size_t lo, size_t hi)
{
	struct WEFT__S(stripes) *s = (struct WEFT__S(stripes) *)context;

	while (lo < hi) {
		size_t a_left, b_left, count = hi - lo;
		WEFT__T *a = s->a + WEFT__S(place)(s->high, s->high_n, lo, &a_left);
		WEFT__T *b = s->a + WEFT__S(place)(s->low, s->low_n, lo, &b_left);

		count = count < a_left ? count : a_left;
		count = count < b_left ? count : b_left;
		for (size_t i = 0; i < count; i++)
			WEFT__S(swap)(&a[i], &b[i]);
		lo += count;
	}
}

/* split(), by all workers. */
WEFT__F size_t WEFT__S(split_together)(weft_par par, WEFT__T *a, size_t n, const WEFT__T *pivot,
				       bool equal, struct WEFT__S(state) * state)
{
	struct WEFT__S(stripes) s;
	size_t count = state->workers, front = 0, moves = 0;

	count = count < WEFT__SORT_STRIPES ? count : WEFT__SORT_STRIPES;
	if (count < 2 || n < WEFT__SORT_TOGETHER)
		return WEFT__S(split)(a, n, pivot, equal, state->context);
	s.state = state;
	s.a = a;
	s.n = n;
	s.each = n / count + 1;
	s.pivot = pivot;
	s.equal = equal;
	s.highs = s.lows = 0;
	count = (n + s.each - 1) / s.each;
	weft_par_for_in(par, 0, count, WEFT__S(split_stripes), &s, 1);
	for (size_t i = 0; i < count; i++)
		front += s.front[i];
	for (size_t i = 0; i < count; i++) {
		size_t begin = i * s.each, end = begin + s.each, mid = begin + s.front[i];

		end = end < n ? end : n;
		if (mid < front) {
			end = end < front ? end : front;
			s.high[s.highs] = mid;
			s.high_n[s.highs++] = end - mid;
			moves += end - mid;
		} else if (mid > front) {
			begin = begin > front ? begin : front;
			s.low[s.lows] = begin;
			s.low_n[s.lows++] = mid - begin;
		}
	}
	weft_par_for_in(par, 0, moves, WEFT__S(exchange), &s, 4096);
	return front;
}

/* ---- quicksort ------------------------------------------------------------------------- */

/* After a bad split: breaks up what made it bad. */
WEFT__F void WEFT__S(stir)(WEFT__T *a, size_t n)
{
	uint64_t x = n;

	for (size_t i = 0; n >= 16 && i < 3; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		WEFT__S(swap)(&a[n / 4 * (i + 1) - 1], &a[(x >> 33) % n]);
	}
}

/* One step: partitions around a pivot, which ends at *at. False if all that is left to do
 * is behind it, since what is in front equals it. `before` is an element that none is
 * less than, or NULL. */
WEFT__F bool WEFT__S(step)(weft_par par, WEFT__T *a, size_t n, const WEFT__T *before, size_t *at,
			   unsigned *patience, struct WEFT__S(state) * state)
{
	bool equal;
	size_t front;

	WEFT__S(pivot)(a, n, state->context);
	equal = before && !WEFT__S(less)(state->context, before, &a[0]);
	front = WEFT__S(split_together)(par, a + 1, n - 1, &a[0], equal, state);
	WEFT__S(swap)(&a[0], &a[front]);
	*at = front;
	if (!equal && (front < n / 8 || n - front < n / 8)) {
		--*patience;
		WEFT__S(stir)(a, front);
		WEFT__S(stir)(a + front + 1, n - front - 1);
	}
	return !equal;
}

WEFT__F unsigned WEFT__S(patience)(size_t n)
{
	unsigned log = 0;

	while (n >>= 1)
		log++;
	return log + 1;
}

WEFT__F void WEFT__S(quick)(WEFT__T *a, size_t n, const WEFT__T *before, unsigned patience,
			    struct WEFT__S(state) * state)
{
	weft_par none = { NULL, NULL };
	struct WEFT__S(state) alone = *state;

	alone.workers = 1;
	while (n > WEFT__SORT_LEAF) {
		size_t at;

		if (patience == 0) {
			WEFT__S(heap)(a, n, state->context);
			return;
		}
		if (WEFT__S(step)(none, a, n, before, &at, &patience, &alone)) {
			if (at < n - at) {
				WEFT__S(quick)(a, at, before, patience, state);
			} else {
				WEFT__S(quick)(a + at + 1, n - at - 1, &a[at], patience, state);
				n = at;
				continue;
			}
		}
		before = &a[at];
		a += at + 1;
		n -= at + 1;
	}
	WEFT__S(insertion)(a, n, state->context);
}

struct WEFT__S(part) {
	weft_job job;
	WEFT__T *a;
	size_t n;
	const WEFT__T *before;
	unsigned patience;
	struct WEFT__S(state) state;
};

WEFT__F void WEFT__S(quick_shared)(weft_par par, WEFT__T *a, size_t n, const WEFT__T *before,
				   unsigned patience, struct WEFT__S(state) * state);

WEFT__F void WEFT__S(quick_job)(weft_par par, weft_job *job)
{
	struct WEFT__S(part) *p = weft_container_of(job, struct WEFT__S(part), job);

	WEFT__S(quick_shared)(par, p->a, p->n, p->before, p->patience, &p->state);
}

WEFT__F void WEFT__S(quick_shared)(weft_par par, WEFT__T *a, size_t n, const WEFT__T *before,
				   unsigned patience, struct WEFT__S(state) * state)
{
	while (n > WEFT__SORT_ALONE && patience) {
		size_t at;

		if (state->stopped || weft_cancelled()) {
			state->stopped = true;
			return;
		}
		if (WEFT__S(step)(par, a, n, before, &at, &patience, state)) {
			struct WEFT__S(part) upper;
			weft_par inner;

			upper.a = a + at + 1;
			upper.n = n - at - 1;
			upper.before = &a[at];
			upper.patience = patience;
			upper.state = *state;
			inner = weft_fork(par, &upper.job, WEFT__S(quick_job));
			WEFT__S(quick_shared)(inner, a, at, before, patience, state);
			weft_join(par, &upper.job, WEFT__S(quick_job));
			state->stopped |= upper.state.stopped;
			return;
		}
		before = &a[at];
		a += at + 1;
		n -= at + 1;
	}
	WEFT__S(quick)(a, n, before, patience, state);
}

#include <weft/sort_merge_tmpl.h>

/* ---- calls ----------------------------------------------------------------------------- */

struct WEFT__S(call) {
	WEFT__T *a, *b;
	size_t n;
	struct WEFT__S(state) state;
};

WEFT__F void WEFT__S(quick_root)(weft_par par, void *arg)
{
	struct WEFT__S(call) *c = (struct WEFT__S(call) *)arg;

	WEFT__S(quick_shared)(par, c->a, c->n, NULL, WEFT__S(patience)(c->n), &c->state);
}

WEFT__F void WEFT__S(mergesort_root)(weft_par par, void *arg)
{
	struct WEFT__S(call) *c = (struct WEFT__S(call) *)arg;

	c->state.workers *= 4;
	WEFT__S(mergesort_shared)(par, c->a, c->b, c->n, false, &c->state);
}

/* True if there is nothing left to do. */
WEFT__F bool WEFT__S(sorted_already)(WEFT__T *a, size_t n, void *context)
{
	size_t run;

	if (n < 2)
		return true;
	run = WEFT__S(ascent)(a, n, false, context);
	if (run == 1 && WEFT__S(ascent)(a, n, true, context) == n) {
		WEFT__S(reverse)(a, n);
		return true;
	}
	return run == n;
}

WEFT__F struct WEFT__S(call)
	WEFT__S(call_make)(WEFT__T *a, size_t n, void *context, const weft_par_opts *opts)
{
	struct WEFT__S(call) c;

	c.a = a;
	c.b = NULL;
	c.n = n;
	c.state.context = context;
	c.state.stopped = false;
	c.state.workers = (size_t)weft_pool_workers(opts ? opts->pool : NULL);
	return c;
}

WEFT__F WEFT_NODISCARD int WEFT__S(sort)(WEFT__T *items, size_t n, void *context,
					 const weft_par_opts *opts)
{
	struct WEFT__S(call) c = WEFT__S(call_make)(items, n, context, opts);

	if (n <= WEFT__SORT_ALONE) {
		if (!WEFT__S(sorted_already)(items, n, context))
			WEFT__S(quick)(items, n, NULL, WEFT__S(patience)(n), &c.state);
		return 0;
	}
	if (!WEFT__S(sorted_already)(items, n, context))
		weft_pool_run(opts ? opts->pool : NULL, WEFT__S(quick_root), &c);
	return c.state.stopped ? -ECANCELED : 0;
}

WEFT__F WEFT_NODISCARD int WEFT__S(sort_stable)(WEFT__T *items, size_t n, void *context,
						const weft_par_opts *opts)
{
	struct WEFT__S(call) c = WEFT__S(call_make)(items, n, context, opts);

	if (WEFT__S(sorted_already)(items, n, context))
		return 0;
	if (n <= WEFT__SORT_LEAF) {
		WEFT__S(insertion)(items, n, context);
		return 0;
	}
	c.b = (WEFT__T *)malloc(n * sizeof(*items));
	if (!c.b)
		return -ENOMEM;
	if (n <= WEFT__SORT_ALONE)
		WEFT__S(mergesort)(items, c.b, n, false, context);
	else
		weft_pool_run(opts ? opts->pool : NULL, WEFT__S(mergesort_root), &c);
	free(c.b);
	return c.state.stopped ? -ECANCELED : 0;
}

struct WEFT__S(nth_call) {
	struct WEFT__S(call) call;
	size_t k;
};

/* Quickselect: the steps of the quicksort, on one side only. */
WEFT__F void WEFT__S(nth_root)(weft_par par, void *arg)
{
	struct WEFT__S(nth_call) *c = (struct WEFT__S(nth_call) *)arg;
	WEFT__T *a = c->call.a;
	const WEFT__T *before = NULL;
	size_t n = c->call.n, k = c->k, at;
	unsigned patience = WEFT__S(patience)(n);

	while (n > WEFT__SORT_LEAF) {
		if (n > WEFT__SORT_ALONE && weft_cancelled()) {
			c->call.state.stopped = true;
			return;
		}
		if (patience == 0) {
			WEFT__S(heap)(a, n, c->call.state.context);
			return;
		}
		bool both = WEFT__S(step)(par, a, n, before, &at, &patience, &c->call.state);

		if (k == at || (!both && k < at))
			return;
		if (k < at) {
			n = at;
		} else {
			before = &a[at];
			a += at + 1;
			n -= at + 1;
			k -= at + 1;
		}
	}
	WEFT__S(insertion)(a, n, c->call.state.context);
}

WEFT__F WEFT_NODISCARD int WEFT__S(nth)(WEFT__T *items, size_t n, size_t k, void *context,
					const weft_par_opts *opts)
{
	struct WEFT__S(nth_call) c;

	if (k >= n)
		return -EINVAL;
	c.call = WEFT__S(call_make)(items, n, context, opts);
	c.k = k;
	if (n <= WEFT__SORT_ALONE)
		WEFT__S(nth_root)((weft_par){ NULL, NULL }, &c);
	else
		weft_pool_run(opts ? opts->pool : NULL, WEFT__S(nth_root), &c);
	return c.call.state.stopped ? -ECANCELED : 0;
}

WEFT__F void WEFT__S(merge_root)(weft_par par, void *arg)
{
	WEFT__S(merge_job)(par, (weft_job *)arg);
}

WEFT__F void WEFT__S(merge)(WEFT__T *out, const WEFT__T *a, size_t a_n, const WEFT__T *b,
			    size_t b_n, void *context, const weft_par_opts *opts)
{
	struct WEFT__S(merging) m;

	m.out = out;
	m.a = a;
	m.a_n = a_n;
	m.b = b;
	m.b_n = b_n;
	m.context = context;
	if (a_n + b_n <= WEFT__SORT_ALONE)
		WEFT__S(merge_plain)(out, a, a_n, b, b_n, context);
	else
		weft_pool_run(opts ? opts->pool : NULL, WEFT__S(merge_root), &m.job);
}

#undef WEFT__S
#undef WEFT__S2
#undef WEFT__S3
#undef WEFT__T
#undef WEFT__F
#undef WEFT_SORT_NAME
#undef WEFT_SORT_TYPE
#undef WEFT_SORT_LESS

#endif
