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
 * Expressions see `c`, the WEFT_CONTEXT * that the call was given (void * if that is not
 * defined), and an index `i`; they may name anything else that is in scope at the
 * inclusion. Zip and enumerate are to use several arrays, and i, in one expression.
 * The functions are static inline, and take (lo, hi, c, opts) as those of <weft/par.h>
 * do. Define one of these, and what belongs to it:
 *
 *   WEFT_FOR     void f(...)     WEFT_EACH(c, i): a statement for each index
 *   WEFT_REDUCE  WEFT_T f(...)   WEFT_ITEM(c, i) of type WEFT_T, WEFT_COMBINE(a, b), which
 *                is associative, WEFT_IDENTITY. If WEFT_COMMUTES is defined, items are
 *                combined in eight lanes, in another order than theirs.
 *   WEFT_SCAN    WEFT_T f(...)   the same three; WEFT_STORE(c, i, value): a statement. The
 *                value is the fold up to and with item i, or, if WEFT_EXCLUSIVE is defined,
 *                up to it. Returns the fold of all. Items are read once or twice, and
 *                never after they were stored: so a scan may be in place.
 *   WEFT_FILTER  size_t f(...)   WEFT_TEST(c, i): which indices; WEFT_KEEP(c, k, i): a
 *                statement that makes the k-th output of index i. Returns their number.
 *                The test is cheap and has no side effects: it is made up to three
 *                times. WEFT_KEEP may also be made for an index that fails the test, at
 *                a place k that is then made again: so it has no side effects either.
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
	typedef char WEFT__PASTE(name, _type_is_too_large)[sizeof(type) <= WEFT_REDUCE_MAX ? 1 : -1] \
		__attribute__((unused))
/* clang-format on */

/* ---- for ---------------------------------------------------------------------------- */

#ifdef WEFT_FOR
static inline void WEFT__PASTE(WEFT_FOR, _range)(void *context, size_t lo, size_t hi)
{
	WEFT_CONTEXT *c = (WEFT_CONTEXT *)context;

	(void)c;
	for (size_t i = lo; i < hi; i++) {
		WEFT_EACH(c, i);
	}
}

static inline void WEFT_FOR(size_t lo, size_t hi, WEFT_CONTEXT *c, const weft_par_opts *opts)
{
	weft_par_for(lo, hi, WEFT__PASTE(WEFT_FOR, _range), (void *)(uintptr_t)c, opts);
}
#endif

/* ---- reduce --------------------------------------------------------------------------- */

#ifdef WEFT_REDUCE
WEFT__FITS(WEFT_REDUCE, WEFT_T);

static inline void WEFT__PASTE(WEFT_REDUCE, _range)(void *context, size_t lo, size_t hi,
						    void *accumulator)
{
	WEFT_CONTEXT *c = (WEFT_CONTEXT *)context;
	WEFT_T all = *(WEFT_T *)accumulator;
	size_t i = lo;

	(void)c;
#ifdef WEFT_COMMUTES
	if (hi - lo >= 32) {
		WEFT_T lane[8];

		for (size_t k = 0; k < 8; k++)
			lane[k] = WEFT_ITEM(c, i + k);
		for (i += 8; hi - i >= 8; i += 8)
			for (size_t k = 0; k < 8; k++)
				lane[k] = WEFT_COMBINE(lane[k], WEFT_ITEM(c, i + k));
		for (size_t k = 0; k < 8; k++)
			all = WEFT_COMBINE(all, lane[k]);
	}
#endif
	for (; i < hi; i++)
		all = WEFT_COMBINE(all, WEFT_ITEM(c, i));
	*(WEFT_T *)accumulator = all;
}

static inline void WEFT__PASTE(WEFT_REDUCE, _combine)(void *context, void *left, const void *right)
{
	(void)context;
	*(WEFT_T *)left = WEFT_COMBINE(*(WEFT_T *)left, *(const WEFT_T *)right);
}

static inline WEFT_T WEFT_REDUCE(size_t lo, size_t hi, WEFT_CONTEXT *c, const weft_par_opts *opts)
{
	WEFT_T identity = WEFT_IDENTITY, result = WEFT_IDENTITY;
	weft_reduce reduce = { sizeof(WEFT_T), &identity, WEFT__PASTE(WEFT_REDUCE, _range),
			       WEFT__PASTE(WEFT_REDUCE, _combine), (void *)(uintptr_t)c };
	int err = weft_par_reduce(lo, hi, &reduce, &result, opts);

	(void)err; /* the size is in bounds */
	return result;
}
#endif

/* ---- scan ------------------------------------------------------------------------------ */

#ifdef WEFT_SCAN
WEFT__FITS(WEFT_SCAN, WEFT_T);

static inline void WEFT__PASTE(WEFT_SCAN, _measure)(void *context, size_t lo, size_t hi,
						    void *accumulator)
{
	WEFT_CONTEXT *c = (WEFT_CONTEXT *)context;
	WEFT_T all = *(WEFT_T *)accumulator;

	(void)c;
	for (size_t i = lo; i < hi; i++)
		all = WEFT_COMBINE(all, WEFT_ITEM(c, i));
	*(WEFT_T *)accumulator = all;
}

static inline void WEFT__PASTE(WEFT_SCAN, _write)(void *context, size_t lo, size_t hi,
						  void *accumulator)
{
	WEFT_CONTEXT *c = (WEFT_CONTEXT *)context;
	WEFT_T all = *(WEFT_T *)accumulator;

	(void)c;
	for (size_t i = lo; i < hi; i++) {
		WEFT_T with = WEFT_COMBINE(all, WEFT_ITEM(c, i));

#ifdef WEFT_EXCLUSIVE
		WEFT_STORE(c, i, all);
#else
		WEFT_STORE(c, i, with);
#endif
		all = with;
	}
	*(WEFT_T *)accumulator = all;
}

static inline void WEFT__PASTE(WEFT_SCAN, _combine)(void *context, void *left, const void *right)
{
	(void)context;
	*(WEFT_T *)left = WEFT_COMBINE(*(WEFT_T *)left, *(const WEFT_T *)right);
}

static inline WEFT_T WEFT_SCAN(size_t lo, size_t hi, WEFT_CONTEXT *c, const weft_par_opts *opts)
{
	WEFT_T identity = WEFT_IDENTITY, total = WEFT_IDENTITY;
	weft_scan scan = { sizeof(WEFT_T),
			   &identity,
			   WEFT__PASTE(WEFT_SCAN, _measure),
			   WEFT__PASTE(WEFT_SCAN, _write),
			   WEFT__PASTE(WEFT_SCAN, _combine),
			   (void *)(uintptr_t)c };
	int err = weft_par_scan(lo, hi, &scan, &total, opts);

	(void)err; /* the size is in bounds */
	return total;
}
#endif

/* ---- filter ------------------------------------------------------------------------------ */

#ifdef WEFT_FILTER
static inline size_t WEFT__PASTE(WEFT_FILTER, _some)(WEFT_CONTEXT *c, size_t lo, size_t hi)
{
	size_t count = 0;

	(void)c;
	for (size_t i = lo; i < hi; i++)
		count += (WEFT_TEST(c, i)) ? 1 : 0;
	return count;
}

static inline void WEFT__PASTE(WEFT_FILTER, _measure)(void *context, size_t lo, size_t hi,
						      void *accumulator)
{
	*(size_t *)accumulator += WEFT__PASTE(WEFT_FILTER, _some)((WEFT_CONTEXT *)context, lo, hi);
}

/* By some at a time, which are first counted: so the loop knows where to end, needs no
 * branch that nobody can predict, and stays within the places that are its own. */
static inline void WEFT__PASTE(WEFT_FILTER, _write)(void *context, size_t lo, size_t hi,
						    void *accumulator)
{
	WEFT_CONTEXT *c = (WEFT_CONTEXT *)context;
	size_t k = *(size_t *)accumulator;

	(void)c;
	while (lo < hi) {
		size_t to = hi - lo < 1024 ? hi : lo + 1024;
		size_t end = k + WEFT__PASTE(WEFT_FILTER, _some)(c, lo, to);

		for (size_t i = lo; k < end; i++) {
			WEFT_KEEP(c, k, i);
			k += (WEFT_TEST(c, i)) ? 1 : 0;
		}
		lo = to;
	}
	*(size_t *)accumulator = k;
}

static inline void WEFT__PASTE(WEFT_FILTER, _combine)(void *context, void *left, const void *right)
{
	(void)context;
	*(size_t *)left += *(const size_t *)right;
}

static inline size_t WEFT_FILTER(size_t lo, size_t hi, WEFT_CONTEXT *c, const weft_par_opts *opts)
{
	size_t zero = 0, total = 0;
	weft_scan scan = { sizeof(size_t),
			   &zero,
			   WEFT__PASTE(WEFT_FILTER, _measure),
			   WEFT__PASTE(WEFT_FILTER, _write),
			   WEFT__PASTE(WEFT_FILTER, _combine),
			   (void *)(uintptr_t)c };
	int err = weft_par_scan(lo, hi, &scan, &total, opts);

	(void)err; /* the size is in bounds */
	return total;
}
#endif

/* ---- find --------------------------------------------------------------------------------- */

#ifdef WEFT_FIND
static inline size_t WEFT__PASTE(WEFT_FIND, _up)(void *context, size_t lo, size_t hi)
{
	WEFT_CONTEXT *c = (WEFT_CONTEXT *)context;

	(void)c;
	for (size_t i = lo; i < hi; i++)
		if (WEFT_TEST(c, i))
			return i;
	return hi;
}

static inline size_t WEFT__PASTE(WEFT_FIND, _down)(void *context, size_t lo, size_t hi)
{
	WEFT_CONTEXT *c = (WEFT_CONTEXT *)context;

	(void)c;
	for (size_t i = hi; i-- > lo;)
		if (WEFT_TEST(c, i))
			return i;
	return hi;
}

static inline void WEFT__PASTE(WEFT_FIND, _some)(void *context, size_t lo, size_t hi,
						 void *accumulator)
{
	WEFT_CONTEXT *c = (WEFT_CONTEXT *)context;
	size_t count = 0;

	(void)c;
	for (size_t i = lo; i < hi; i++)
		count += (WEFT_TEST(c, i)) ? 1 : 0;
	*(size_t *)accumulator += count;
}

static inline void WEFT__PASTE(WEFT_FIND, _add)(void *context, void *left, const void *right)
{
	(void)context;
	*(size_t *)left += *(const size_t *)right;
}

static inline size_t WEFT__PASTE(WEFT_FIND, _any)(size_t lo, size_t hi, WEFT_CONTEXT *c,
						  const weft_par_opts *opts)
{
	return weft_par_find_any(lo, hi, WEFT__PASTE(WEFT_FIND, _up), (void *)(uintptr_t)c, opts);
}

static inline size_t WEFT__PASTE(WEFT_FIND, _first)(size_t lo, size_t hi, WEFT_CONTEXT *c,
						    const weft_par_opts *opts)
{
	return weft_par_find_first(lo, hi, WEFT__PASTE(WEFT_FIND, _up), (void *)(uintptr_t)c,
				   opts);
}

static inline size_t WEFT__PASTE(WEFT_FIND, _last)(size_t lo, size_t hi, WEFT_CONTEXT *c,
						   const weft_par_opts *opts)
{
	return weft_par_find_last(lo, hi, WEFT__PASTE(WEFT_FIND, _down), (void *)(uintptr_t)c,
				  opts);
}

static inline size_t WEFT__PASTE(WEFT_FIND, _count)(size_t lo, size_t hi, WEFT_CONTEXT *c,
						    const weft_par_opts *opts)
{
	size_t zero = 0, total = 0;
	weft_reduce reduce = { sizeof(size_t), &zero, WEFT__PASTE(WEFT_FIND, _some),
			       WEFT__PASTE(WEFT_FIND, _add), (void *)(uintptr_t)c };
	int err = weft_par_reduce(lo, hi, &reduce, &total, opts);

	(void)err; /* the size is in bounds */
	return total;
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

static inline void WEFT__PASTE(WEFT_BEST, _range)(void *context, size_t lo, size_t hi,
						  void *accumulator)
{
	WEFT_CONTEXT *c = (WEFT_CONTEXT *)context;
	struct WEFT__PASTE(WEFT_BEST,
			   _state) *best = (struct WEFT__PASTE(WEFT_BEST, _state) *)accumulator;
	size_t i = lo, at = best->index;
	WEFT_T least;

	(void)c;
	for (; !best->any && i < hi; i++) {
		WEFT_T key = WEFT_KEY(c, i);

		if (WEFT_USABLE(key)) {
			best->key = key;
			best->any = true;
			at = i;
		}
	}
	least = best->key;
	for (; i < hi; i++) {
		WEFT_T key = WEFT_KEY(c, i);

		if (WEFT_USABLE(key) && WEFT_BETTER(key, least)) {
			least = key;
			at = i;
		}
	}
	best->key = least;
	best->index = at;
}

static inline void WEFT__PASTE(WEFT_BEST, _combine)(void *context, void *left, const void *right)
{
	struct WEFT__PASTE(WEFT_BEST, _state) *l = (struct WEFT__PASTE(WEFT_BEST, _state) *)left;
	const struct WEFT__PASTE(WEFT_BEST,
				 _state) *r = (const struct WEFT__PASTE(WEFT_BEST, _state) *)right;

	(void)context;
	if (r->any && (!l->any || WEFT_BETTER(r->key, l->key)))
		*l = *r;
}

static inline size_t WEFT_BEST(size_t lo, size_t hi, WEFT_CONTEXT *c, const weft_par_opts *opts)
{
	static const struct WEFT__PASTE(WEFT_BEST, _state) none = { (WEFT_T)0, 0, false };
	struct WEFT__PASTE(WEFT_BEST, _state) best = none;
	weft_reduce reduce = { sizeof(none), &none, WEFT__PASTE(WEFT_BEST, _range),
			       WEFT__PASTE(WEFT_BEST, _combine), (void *)(uintptr_t)c };
	int err = weft_par_reduce(lo, hi, &reduce, &best, opts);

	(void)err; /* the size is in bounds */
	return best.any ? best.index : hi;
}
#endif

#undef WEFT__FITS
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
