/* SPDX-License-Identifier: MIT */
/*
 * The part of <weft/sort_tmpl.h> that merges; included by it.
 */
#include <weft/par.h>

#ifdef WEFT__S

/* ---- merge ----------------------------------------------------------------------------- */

/* `a` if so, else `b`, in a way that no compiler makes a branch of. */
WEFT__F inline const WEFT__T *WEFT__S(pick)(bool so, const WEFT__T *a, const WEFT__T *b)
{
	uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;

	return (const WEFT__T *)(y ^ ((x ^ y) & (uintptr_t) - (intptr_t)so));
}

WEFT__F void WEFT__S(merge_plain)(WEFT__T *out, const WEFT__T *a, size_t a_n, const WEFT__T *b,
				  size_t b_n, void *context)
{
	const WEFT__T *a_end = a + a_n, *b_end = b + b_n;

	while (a < a_end && b < b_end) {
		bool right = WEFT__S(less)(context, b, a);

		*out++ = *WEFT__S(pick)(right, b, a);
		a += !right;
		b += right;
	}
	memcpy((void *)out, (const void *)a, (size_t)(a_end - a) * sizeof(*a));
	memcpy((void *)(out + (a_end - a)), (const void *)b, (size_t)(b_end - b) * sizeof(*b));
}

/* Merges two runs whose lengths differ by at most one, the right one being the longer,
 * from both ends at once. Neither chain can leave the runs; but if the comparison is
 * inconsistent they do not meet, and the work is done again in the plain way. */
WEFT__F void WEFT__S(merge_even)(WEFT__T *out, const WEFT__T *a, size_t a_n, const WEFT__T *b,
				 size_t b_n, void *context)
{
	const WEFT__T *left = a, *right = b, *left_last = a + a_n - 1, *right_last = b + b_n - 1;
	WEFT__T *low = out, *high = out + a_n + b_n - 1;

	for (size_t i = 0; i < a_n; i++) {
		bool from_right = WEFT__S(less)(context, right, left);
		bool from_left = WEFT__S(less)(context, right_last, left_last);

		*low++ = *WEFT__S(pick)(from_right, right, left);
		right += from_right;
		left += !from_right;
		*high-- = *WEFT__S(pick)(from_left, left_last, right_last);
		left_last -= from_left;
		right_last -= !from_left;
	}
	if (a_n != b_n) {
		*low = *(left <= left_last ? left : right);
		right += left > left_last;
		left += left <= left_last;
	}
	if (left != left_last + 1 || right != right_last + 1)
		WEFT__S(merge_plain)(out, a, a_n, b, b_n, context);
}

/* How many of the n elements go before x: those that are less, or with `equal` those
 * that are not greater. */
WEFT__F size_t WEFT__S(bound)(const WEFT__T *a, size_t n, const WEFT__T *x, bool equal,
			      void *context)
{
	size_t lo = 0;

	while (n > 0) {
		size_t half = n / 2;
		bool before = equal ? !WEFT__S(less)(context, x, &a[lo + half])
				    : WEFT__S(less)(context, &a[lo + half], x);

		lo = before ? lo + half + 1 : lo;
		n = before ? n - half - 1 : half;
	}
	return lo;
}

struct WEFT__S(merging) {
	weft_job job;
	WEFT__T *out;
	const WEFT__T *a, *b;
	size_t a_n, b_n;
	void *context;
};

WEFT__F void WEFT__S(merge_shared)(weft_par par, WEFT__T *out, const WEFT__T *a, size_t a_n,
				   const WEFT__T *b, size_t b_n, void *context);

WEFT__F void WEFT__S(merge_job)(weft_par par, weft_job *job)
{
	struct WEFT__S(merging) *m = weft_container_of(job, struct WEFT__S(merging), job);

	WEFT__S(merge_shared)(par, m->out, m->a, m->a_n, m->b, m->b_n, m->context);
}

/* Equal elements of a go before those of b. */
WEFT__F void WEFT__S(merge_shared)(weft_par par, WEFT__T *out, const WEFT__T *a, size_t a_n,
				   const WEFT__T *b, size_t b_n, void *context)
{
	struct WEFT__S(merging) upper;
	size_t i, j;
	weft_par inner;

	if (a_n + b_n <= WEFT__SORT_ALONE) {
		WEFT__S(merge_plain)(out, a, a_n, b, b_n, context);
		return;
	}
	if (a_n >= b_n) {
		i = a_n / 2;
		j = WEFT__S(bound)(b, b_n, &a[i], false, context);
	} else {
		j = b_n / 2;
		i = WEFT__S(bound)(a, a_n, &b[j], true, context);
	}
	upper.out = out + i + j;
	upper.a = a + i;
	upper.a_n = a_n - i;
	upper.b = b + j;
	upper.b_n = b_n - j;
	upper.context = context;
	inner = weft_fork(par, &upper.job, WEFT__S(merge_job));
	WEFT__S(merge_shared)(inner, out, a, i, b, j, context);
	weft_join(par, &upper.job, WEFT__S(merge_job));
}

/* Merges two neighbouring sorted halves; a sequence that is in order is only copied. */
WEFT__F void WEFT__S(merge_halves)(weft_par par, WEFT__T *out, const WEFT__T *a, size_t half,
				   size_t n, bool shared, void *context)
{
	if (!WEFT__S(less)(context, &a[half], &a[half - 1]))
		memcpy((void *)out, (const void *)a, n * sizeof(*a));
	else if (shared)
		WEFT__S(merge_shared)(par, out, a, half, a + half, n - half, context);
	else
		WEFT__S(merge_even)(out, a, half, a + half, n - half, context);
}

/* Sorts n elements of a, with b as the scratch, or with `to_b` so that they end in b. */
WEFT__F void WEFT__S(mergesort)(WEFT__T *a, WEFT__T *b, size_t n, bool to_b, void *context)
{
	weft_par none = { NULL, NULL };
	size_t half = n / 2;

	if (n <= WEFT__SORT_LEAF) {
		WEFT__S(insertion)(a, n, context);
		if (to_b)
			memcpy((void *)b, (const void *)a, n * sizeof(*a));
		return;
	}
	WEFT__S(mergesort)(a, b, half, !to_b, context);
	WEFT__S(mergesort)(a + half, b + half, n - half, !to_b, context);
	WEFT__S(merge_halves)(none, to_b ? b : a, to_b ? a : b, half, n, false, context);
}

struct WEFT__S(runs) {
	weft_job job;
	WEFT__T *a, *b;
	size_t n;
	bool to_b;
	struct WEFT__S(state) state;
};

WEFT__F void WEFT__S(mergesort_shared)(weft_par par, WEFT__T *a, WEFT__T *b, size_t n, bool to_b,
				       struct WEFT__S(state) * state);

WEFT__F void WEFT__S(mergesort_job)(weft_par par, weft_job *job)
{
	struct WEFT__S(runs) *r = weft_container_of(job, struct WEFT__S(runs), job);

	WEFT__S(mergesort_shared)(par, r->a, r->b, r->n, r->to_b, &r->state);
}

/* A piece is merged by all workers if there are fewer pieces like it than workers. */
WEFT__F void WEFT__S(mergesort_shared)(weft_par par, WEFT__T *a, WEFT__T *b, size_t n, bool to_b,
				       struct WEFT__S(state) * state)
{
	struct WEFT__S(runs) upper;
	struct WEFT__S(state) lower = *state;
	size_t half = n / 2;
	weft_par inner;

	if (n <= WEFT__SORT_ALONE) {
		weft_par_poll(par);
		WEFT__S(mergesort)(a, b, n, to_b, state->context);
		return;
	}
	upper.a = a + half;
	upper.b = b + half;
	upper.n = n - half;
	upper.to_b = !to_b;
	lower.workers = state->workers / 2;
	upper.state = lower;
	inner = weft_fork(par, &upper.job, WEFT__S(mergesort_job));
	WEFT__S(mergesort_shared)(inner, a, b, half, !to_b, &lower);
	weft_join(par, &upper.job, WEFT__S(mergesort_job));
	state->stopped = lower.stopped || upper.state.stopped || weft_cancelled();
	if (state->stopped)
		memcpy((void *)(to_b ? b : a), (const void *)(to_b ? a : b), n * sizeof(*a));
	else
		WEFT__S(merge_halves)
	(par, to_b ? b : a, to_b ? a : b, half, n, state->workers > 1, state->context);
}

#endif
