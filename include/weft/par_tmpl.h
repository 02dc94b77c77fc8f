/* SPDX-License-Identifier: MIT */
/*
 * Parallel verbs over expressions: defines a function whose loop the compiler sees whole,
 * and can vectorise. Each inclusion defines one verb; all names but the library's are
 * yours, and are undefined again in the end.
 *
 *     struct vectors { const double *x, *y; };
 *
 *     #define WEFT_REDUCE dot
 *     #define WEFT_CONTEXT const struct vectors
 *     #define WEFT_T double
 *     #define WEFT_IDENTITY 0
 *     #define WEFT_ITEM(v, i) ((v)->x[i] * (v)->y[i])
 *     #define WEFT_COMBINE(a, b) ((a) + (b))
 *     #define WEFT_COMMUTES
 *     #include <weft/par_tmpl.h>
 *     ...
 *     double product = dot(0, n, &vectors, NULL);
 *
 * Expressions get `c`, the WEFT_CONTEXT * that the call was given (void * if that is not
 * defined), and an index `i`, by whatever names; they may name anything else that is in
 * scope at the inclusion, as all names in here begin with weft__. To zip and to enumerate
 * is to use several arrays, and the index, in one expression.
 * The functions are static inline, and take (lo, hi, c, opts) as those of <weft/par.h>
 * do. Define one of these, and what belongs to it:
 *
 *   WEFT_FOR     void f(...)     WEFT_EACH(c, i): a statement for each index
 *   WEFT_REDUCE  WEFT_T f(...)   WEFT_ITEM(c, i) of type WEFT_T, WEFT_COMBINE(a, b), which
 *                is associative, WEFT_IDENTITY. If WEFT_COMMUTES is defined, items are
 *                combined in eight lanes, in another order than theirs.
 *   WEFT_SCAN    WEFT_T f(...)   the same; WEFT_STORE(c, i, value): a statement. The
 *                value is the fold up to and with item i, or, if WEFT_EXCLUSIVE is defined,
 *                up to it. Returns the fold of all. Items are read once or twice, and
 *                never after they were stored: so a scan may be in place.
 *   WEFT_FILTER  size_t f(...)   WEFT_TEST(c, i): which indices; WEFT_KEEP(c, k, i): a
 *                statement that makes the k-th output of index i. Returns their number.
 *                Both are cheap and may be repeated: the test is made once or twice,
 *                and WEFT_KEEP also for indices that fail it, at a place k that is then
 *                made again, or is the first one behind the last; so there is room for
 *                as many as there are indices.
 *   WEFT_FIND    size_t f_any(...), f_first, f_last, f_count
 *                WEFT_TEST(c, i). An index, or hi if there is none; f_count: how many.
 *   WEFT_BEST    size_t f(...)   WEFT_KEY(c, i) of type WEFT_T: the index of the first of
 *                the least keys; hi if there is none. WEFT_BETTER(a, b): whether key a is
 *                preferred to b, if that is not a < b. WEFT_USABLE(k): false for keys that
 *                are to be passed over, such as NaN.
 *
 * WEFT_T is a type of at most WEFT_REDUCE_MAX bytes, for WEFT_BEST a number.
 */
#include <weft/par.h>

/* clang-format off */
#ifndef WEFT_CONTEXT
#define WEFT_CONTEXT void
#endif

#define WEFT__PASTE2(a, b) a##b
#define WEFT__PASTE(a, b) WEFT__PASTE2(a, b)
#define WEFT__FITS(name, type) \
	typedef char WEFT__PASTE(name, _type_is_too_large) \
		[sizeof(type) <= WEFT_REDUCE_MAX ? 1 : -1] __attribute__((unused))
/* clang-format on */

/* ---- for ---------------------------------------------------------------------------- */

#ifdef WEFT_FOR
static inline void WEFT__PASTE(WEFT_FOR, _range)(void *weft__context, size_t weft__lo,
						 size_t weft__hi)
{
	WEFT_CONTEXT *weft__c = (WEFT_CONTEXT *)weft__context;

	(void)weft__c;
	for (size_t weft__i = weft__lo; weft__i < weft__hi; weft__i++) {
		WEFT_EACH(weft__c, weft__i);
	}
}

static inline void WEFT_FOR(size_t weft__lo, size_t weft__hi, WEFT_CONTEXT *weft__c,
			    const weft_par_opts *weft__opts)
{
	weft_par_for(weft__lo, weft__hi, WEFT__PASTE(WEFT_FOR, _range), (void *)(uintptr_t)weft__c,
		     weft__opts);
}
#endif

/* ---- reduce, and what a scan has of it ------------------------------------------------ */

#ifdef WEFT_REDUCE
#define WEFT__FOLD WEFT_REDUCE
#elif defined(WEFT_SCAN)
#define WEFT__FOLD WEFT_SCAN
#endif

#ifdef WEFT__FOLD
WEFT__FITS(WEFT__FOLD, WEFT_T);

static inline void WEFT__PASTE(WEFT__FOLD, _range)(void *weft__context, size_t weft__lo,
						   size_t weft__hi, void *weft__accumulator)
{
	WEFT_CONTEXT *weft__c = (WEFT_CONTEXT *)weft__context;
	WEFT_T weft__all = *(WEFT_T *)weft__accumulator;
	size_t weft__i = weft__lo;

	(void)weft__c;
#ifdef WEFT_COMMUTES
	if (weft__hi - weft__lo >= 32) {
		WEFT_T weft__lane[8];

		for (size_t weft__k = 0; weft__k < 8; weft__k++)
			weft__lane[weft__k] = WEFT_ITEM(weft__c, weft__i + weft__k);
		for (weft__i += 8; weft__hi - weft__i >= 8; weft__i += 8)
			for (size_t weft__k = 0; weft__k < 8; weft__k++)
				weft__lane[weft__k] = WEFT_COMBINE(
					weft__lane[weft__k],
					WEFT_ITEM(weft__c, weft__i + weft__k));
		for (size_t weft__k = 0; weft__k < 8; weft__k++)
			weft__all = WEFT_COMBINE(weft__all, weft__lane[weft__k]);
	}
#endif
	for (; weft__i < weft__hi; weft__i++)
		weft__all = WEFT_COMBINE(weft__all, WEFT_ITEM(weft__c, weft__i));
	*(WEFT_T *)weft__accumulator = weft__all;
}

static inline void WEFT__PASTE(WEFT__FOLD, _combine)(void *weft__context, void *weft__left,
						     const void *weft__right)
{
	(void)weft__context;
	*(WEFT_T *)weft__left = WEFT_COMBINE(*(WEFT_T *)weft__left, *(const WEFT_T *)weft__right);
}
#endif

#ifdef WEFT_REDUCE
static inline WEFT_T WEFT_REDUCE(size_t weft__lo, size_t weft__hi, WEFT_CONTEXT *weft__c,
				 const weft_par_opts *weft__opts)
{
	WEFT_T weft__identity = WEFT_IDENTITY, weft__result = WEFT_IDENTITY;
	weft_reduce weft__reduce = { sizeof(WEFT_T), &weft__identity,
				     WEFT__PASTE(WEFT_REDUCE, _range),
				     WEFT__PASTE(WEFT_REDUCE, _combine),
				     (void *)(uintptr_t)weft__c };
	int weft__err = weft_par_reduce(weft__lo, weft__hi, &weft__reduce, &weft__result,
					weft__opts);

	(void)weft__err; /* the size is in bounds */
	return weft__result;
}
#endif

/* ---- scan ------------------------------------------------------------------------------ */

#ifdef WEFT_SCAN
static inline void WEFT__PASTE(WEFT_SCAN, _write)(void *weft__context, size_t weft__lo,
						  size_t weft__hi, void *weft__accumulator,
						  const void *weft__after)
{
	WEFT_CONTEXT *weft__c = (WEFT_CONTEXT *)weft__context;
	WEFT_T weft__all = *(WEFT_T *)weft__accumulator;

	(void)weft__c;
	(void)weft__after;
	for (size_t weft__i = weft__lo; weft__i < weft__hi; weft__i++) {
		WEFT_T weft__with = WEFT_COMBINE(weft__all, WEFT_ITEM(weft__c, weft__i));

#ifdef WEFT_EXCLUSIVE
		WEFT_STORE(weft__c, weft__i, weft__all);
#else
		WEFT_STORE(weft__c, weft__i, weft__with);
#endif
		weft__all = weft__with;
	}
	*(WEFT_T *)weft__accumulator = weft__all;
}

static inline WEFT_T WEFT_SCAN(size_t weft__lo, size_t weft__hi, WEFT_CONTEXT *weft__c,
			       const weft_par_opts *weft__opts)
{
	WEFT_T weft__identity = WEFT_IDENTITY, weft__total = WEFT_IDENTITY;
	weft_scan weft__scan = { sizeof(WEFT_T),
				 &weft__identity,
				 WEFT__PASTE(WEFT_SCAN, _range),
				 WEFT__PASTE(WEFT_SCAN, _write),
				 WEFT__PASTE(WEFT_SCAN, _combine),
				 (void *)(uintptr_t)weft__c };
	int weft__err = weft_par_scan(weft__lo, weft__hi, &weft__scan, &weft__total, weft__opts);

	(void)weft__err; /* the size is in bounds */
	return weft__total;
}
#endif

/* ---- filter ------------------------------------------------------------------------------ */

#ifdef WEFT_FILTER
static inline size_t WEFT__PASTE(WEFT_FILTER, _some)(WEFT_CONTEXT *weft__c, size_t weft__lo,
						     size_t weft__hi)
{
	size_t weft__count = 0;

	(void)weft__c;
	for (size_t weft__i = weft__lo; weft__i < weft__hi; weft__i++)
		weft__count += (WEFT_TEST(weft__c, weft__i)) ? 1 : 0;
	return weft__count;
}

static inline void WEFT__PASTE(WEFT_FILTER, _measure)(void *weft__context, size_t weft__lo,
						      size_t weft__hi, void *weft__accumulator)
{
	*(size_t *)weft__accumulator += WEFT__PASTE(WEFT_FILTER, _some)(
		(WEFT_CONTEXT *)weft__context, weft__lo, weft__hi);
}

/* No branch that nobody can predict: what is not kept is overwritten by the next one. If
 * others write at the same time, the last one kept ends it, so as to stay within the
 * places that are its own. */
static inline void WEFT__PASTE(WEFT_FILTER, _write)(void *weft__context, size_t weft__lo,
						    size_t weft__hi, void *weft__accumulator,
						    const void *weft__after)
{
	WEFT_CONTEXT *weft__c = (WEFT_CONTEXT *)weft__context;
	size_t weft__k = *(size_t *)weft__accumulator, weft__i = weft__lo;

	(void)weft__c;
	if (weft__after) {
		size_t weft__end = *(const size_t *)weft__after;

		for (; weft__k < weft__end; weft__i++) {
			WEFT_KEEP(weft__c, weft__k, weft__i);
			weft__k += (WEFT_TEST(weft__c, weft__i)) ? 1 : 0;
		}
	} else {
		for (; weft__i < weft__hi; weft__i++) {
			WEFT_KEEP(weft__c, weft__k, weft__i);
			weft__k += (WEFT_TEST(weft__c, weft__i)) ? 1 : 0;
		}
	}
	*(size_t *)weft__accumulator = weft__k;
}

static inline void WEFT__PASTE(WEFT_FILTER, _combine)(void *weft__context, void *weft__left,
						      const void *weft__right)
{
	(void)weft__context;
	*(size_t *)weft__left += *(const size_t *)weft__right;
}

static inline size_t WEFT_FILTER(size_t weft__lo, size_t weft__hi, WEFT_CONTEXT *weft__c,
				 const weft_par_opts *weft__opts)
{
	size_t weft__zero = 0, weft__total = 0;
	weft_scan weft__scan = { sizeof(size_t),
				 &weft__zero,
				 WEFT__PASTE(WEFT_FILTER, _measure),
				 WEFT__PASTE(WEFT_FILTER, _write),
				 WEFT__PASTE(WEFT_FILTER, _combine),
				 (void *)(uintptr_t)weft__c };
	int weft__err = weft_par_scan(weft__lo, weft__hi, &weft__scan, &weft__total, weft__opts);

	(void)weft__err; /* the size is in bounds */
	return weft__total;
}
#endif

/* ---- find --------------------------------------------------------------------------------- */

#ifdef WEFT_FIND
static inline size_t WEFT__PASTE(WEFT_FIND, _up)(void *weft__context, size_t weft__lo,
						 size_t weft__hi)
{
	WEFT_CONTEXT *weft__c = (WEFT_CONTEXT *)weft__context;

	(void)weft__c;
	for (size_t weft__i = weft__lo; weft__i < weft__hi; weft__i++)
		if (WEFT_TEST(weft__c, weft__i))
			return weft__i;
	return weft__hi;
}

static inline size_t WEFT__PASTE(WEFT_FIND, _down)(void *weft__context, size_t weft__lo,
						   size_t weft__hi)
{
	WEFT_CONTEXT *weft__c = (WEFT_CONTEXT *)weft__context;

	(void)weft__c;
	for (size_t weft__i = weft__hi; weft__i-- > weft__lo;)
		if (WEFT_TEST(weft__c, weft__i))
			return weft__i;
	return weft__hi;
}

static inline void WEFT__PASTE(WEFT_FIND, _some)(void *weft__context, size_t weft__lo,
						 size_t weft__hi, void *weft__accumulator)
{
	WEFT_CONTEXT *weft__c = (WEFT_CONTEXT *)weft__context;
	size_t weft__count = 0;

	(void)weft__c;
	for (size_t weft__i = weft__lo; weft__i < weft__hi; weft__i++)
		weft__count += (WEFT_TEST(weft__c, weft__i)) ? 1 : 0;
	*(size_t *)weft__accumulator += weft__count;
}

static inline void WEFT__PASTE(WEFT_FIND, _add)(void *weft__context, void *weft__left,
						const void *weft__right)
{
	(void)weft__context;
	*(size_t *)weft__left += *(const size_t *)weft__right;
}

static inline size_t WEFT__PASTE(WEFT_FIND, _any)(size_t weft__lo, size_t weft__hi,
						  WEFT_CONTEXT *weft__c,
						  const weft_par_opts *weft__opts)
{
	return weft_par_find_any(weft__lo, weft__hi, WEFT__PASTE(WEFT_FIND, _up),
				 (void *)(uintptr_t)weft__c, weft__opts);
}

static inline size_t WEFT__PASTE(WEFT_FIND, _first)(size_t weft__lo, size_t weft__hi,
						    WEFT_CONTEXT *weft__c,
						    const weft_par_opts *weft__opts)
{
	return weft_par_find_first(weft__lo, weft__hi, WEFT__PASTE(WEFT_FIND, _up),
				   (void *)(uintptr_t)weft__c, weft__opts);
}

static inline size_t WEFT__PASTE(WEFT_FIND, _last)(size_t weft__lo, size_t weft__hi,
						   WEFT_CONTEXT *weft__c,
						   const weft_par_opts *weft__opts)
{
	return weft_par_find_last(weft__lo, weft__hi, WEFT__PASTE(WEFT_FIND, _down),
				  (void *)(uintptr_t)weft__c, weft__opts);
}

static inline size_t WEFT__PASTE(WEFT_FIND, _count)(size_t weft__lo, size_t weft__hi,
						    WEFT_CONTEXT *weft__c,
						    const weft_par_opts *weft__opts)
{
	size_t weft__zero = 0, weft__total = 0;
	weft_reduce weft__reduce = { sizeof(size_t), &weft__zero, WEFT__PASTE(WEFT_FIND, _some),
				     WEFT__PASTE(WEFT_FIND, _add), (void *)(uintptr_t)weft__c };
	int weft__err = weft_par_reduce(weft__lo, weft__hi, &weft__reduce, &weft__total,
					weft__opts);

	(void)weft__err; /* the size is in bounds */
	return weft__total;
}
#endif

/* ---- best ---------------------------------------------------------------------------------- */

#ifdef WEFT_BEST
#ifndef WEFT_BETTER
#define WEFT_BETTER(a, b) ((a) < (b))
#endif
#ifndef WEFT_USABLE
#define WEFT_USABLE(k) true
#endif

struct WEFT__PASTE(WEFT_BEST, _state) {
	WEFT_T key;
	size_t index;
	bool any;
};

WEFT__FITS(WEFT_BEST, struct WEFT__PASTE(WEFT_BEST, _state));

static inline void WEFT__PASTE(WEFT_BEST, _range)(void *weft__context, size_t weft__lo,
						  size_t weft__hi, void *weft__accumulator)
{
	WEFT_CONTEXT *weft__c = (WEFT_CONTEXT *)weft__context;
	struct WEFT__PASTE(WEFT_BEST, _state) *weft__best = (struct WEFT__PASTE(
		WEFT_BEST, _state) *)weft__accumulator;
	size_t weft__i = weft__lo, weft__at = weft__best->index;
	WEFT_T weft__least;

	(void)weft__c;
	for (; !weft__best->any && weft__i < weft__hi; weft__i++) {
		WEFT_T weft__key = WEFT_KEY(weft__c, weft__i);

		if (WEFT_USABLE(weft__key)) {
			weft__best->key = weft__key;
			weft__best->any = true;
			weft__at = weft__i;
		}
	}
	weft__least = weft__best->key;
	for (; weft__i < weft__hi; weft__i++) {
		WEFT_T weft__key = WEFT_KEY(weft__c, weft__i);

		if (WEFT_USABLE(weft__key) && WEFT_BETTER(weft__key, weft__least)) {
			weft__least = weft__key;
			weft__at = weft__i;
		}
	}
	weft__best->key = weft__least;
	weft__best->index = weft__at;
}

static inline void WEFT__PASTE(WEFT_BEST, _combine)(void *weft__context, void *weft__left,
						    const void *weft__right)
{
	struct WEFT__PASTE(WEFT_BEST,
			   _state) *weft__l = (struct WEFT__PASTE(WEFT_BEST, _state) *)weft__left;
	const struct WEFT__PASTE(WEFT_BEST, _state) *weft__r = (const struct WEFT__PASTE(
		WEFT_BEST, _state) *)weft__right;

	(void)weft__context;
	if (weft__r->any && (!weft__l->any || WEFT_BETTER(weft__r->key, weft__l->key)))
		*weft__l = *weft__r;
}

static inline size_t WEFT_BEST(size_t weft__lo, size_t weft__hi, WEFT_CONTEXT *weft__c,
			       const weft_par_opts *weft__opts)
{
	static const struct WEFT__PASTE(WEFT_BEST, _state) weft__none = { (WEFT_T)0, 0, false };
	struct WEFT__PASTE(WEFT_BEST, _state) weft__best = weft__none;
	weft_reduce weft__reduce = { sizeof(weft__none), &weft__none,
				     WEFT__PASTE(WEFT_BEST, _range),
				     WEFT__PASTE(WEFT_BEST, _combine),
				     (void *)(uintptr_t)weft__c };
	int weft__err = weft_par_reduce(weft__lo, weft__hi, &weft__reduce, &weft__best,
					weft__opts);

	(void)weft__err; /* the size is in bounds */
	return weft__best.any ? weft__best.index : weft__hi;
}
#endif

#undef WEFT__FITS
#undef WEFT__FOLD
#undef WEFT__PASTE
#undef WEFT__PASTE2
#undef WEFT_BEST
#undef WEFT_BETTER
#undef WEFT_COMBINE
#undef WEFT_COMMUTES
#undef WEFT_CONTEXT
#undef WEFT_EACH
#undef WEFT_EXCLUSIVE
#undef WEFT_FILTER
#undef WEFT_FIND
#undef WEFT_FOR
#undef WEFT_IDENTITY
#undef WEFT_ITEM
#undef WEFT_KEEP
#undef WEFT_KEY
#undef WEFT_REDUCE
#undef WEFT_SCAN
#undef WEFT_STORE
#undef WEFT_T
#undef WEFT_TEST
#undef WEFT_USABLE
