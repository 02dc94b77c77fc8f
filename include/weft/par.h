/* SPDX-License-Identifier: MIT */
/*
 * Parallel loops over ranges of indices.
 *
 * The body gets a range [lo, hi), not one index, so that the indirect call is
 * paid once per block and the compiler can vectorise the inner loop. Splitting
 * is lazy: a loop runs serially until another worker is idle, then gives away
 * half of what is left; a loop too small to be worth it never enters the pool.
 *
 * Without a grain the first indices are run by the caller alone, to learn how long
 * they take. So for a handful of indices that take milliseconds each, say
 * `.grain = 1`: then the loop is shared from the start.
 *
 *     static void scale(void *context, size_t lo, size_t hi)
 *     {
 *         double *x = context;
 *         for (size_t i = lo; i < hi; i++)
 *             x[i] *= 2;
 *     }
 *     ...
 *     weft_par_for(0, n, scale, x, NULL);
 *
 * There are no adaptors to chain: what would be zip, enumerate, map and sum elsewhere
 * is one body here, that reads several arrays at the same index. <weft/par_tmpl.h>
 * writes such bodies from expressions. Verbs over arrays of items of any size are in
 * <weft/par_array.h>; over trees, text and serial producers in <weft/par_walk.h>.
 *
 * What all verbs have in common:
 *
 *  - Any thread may call them, and jobs. They return when all is done. Bodies run at
 *    the same time on several threads, under the caller's ambient token; `context` is
 *    passed on as it is. `opts` may be NULL. A range [lo, hi) with lo >= hi is empty.
 *  - What returns void cannot fail, and runs to its end. What returns int is over early
 *    when a body returns other than 0, which is then the result, the first in time if
 *    there are several; or when the caller's scope is cancelled: -ECANCELED. Ranges
 *    that are not yet begun are then left out, and those under way are waited for.
 *  - Bodies may call verbs, and may block, but not wait for other ranges of their loop.
 */
#ifndef WEFT_PAR_H
#define WEFT_PAR_H

#include <weft/pool.h>

WEFT_BEGIN_DECLS

/* Zero means default. */
typedef struct weft_par_opts {
	weft_pool *pool;    /* NULL: the one that the caller is a job of, or else the
			     * global pool */
	size_t grain;       /* least indices worth a call of the body; 0: found by timing */
	const weft_par *in; /* of a job: its place. The pool is not entered anew then, and
			     * what the job has forked before stays within reach of others */
} weft_par_opts;

/* Less than, equal to or greater than 0, as a is to go before b, or it does not matter,
 * or behind it. */
typedef int (*weft_compare_fn)(void *context, const void *a, const void *b);

/* ---- loops ------------------------------------------------------------------------- */

typedef void (*weft_range_fn)(void *context, size_t lo, size_t hi);
typedef void (*weft_index_fn)(void *context, size_t index);
typedef int (*weft_try_range_fn)(void *context, size_t lo, size_t hi);

/* Calls body(context, lo, hi) for disjoint ranges that together cover
 * [lo, hi), possibly at the same time; returns when all are done. Cannot fail. */
WEFT_API void weft_par_for(size_t lo, size_t hi, weft_range_fn body, void *context,
			   const weft_par_opts *opts);

/* The same with a body that can fail, and that stops early: 0, the first failure in time,
 * or -ECANCELED. */
WEFT_API WEFT_NODISCARD int weft_par_try_for(size_t lo, size_t hi, weft_try_range_fn body,
					     void *context, const weft_par_opts *opts);

/* Calls body(context, i) for each index, for bodies that dwarf a call. With a step, for
 * lo, lo + step, ... below hi; a step of 0 stops the program with a sentence. The grain
 * counts calls. */
WEFT_API void weft_par_each(size_t lo, size_t hi, weft_index_fn body, void *context,
			    const weft_par_opts *opts);
WEFT_API void weft_par_each_step(size_t lo, size_t hi, size_t step, weft_index_fn body,
				 void *context, const weft_par_opts *opts);

/* Calls the body once for each of the chunks of `size` indices into which [lo, hi) falls,
 * counted from lo: the last one may be shorter. `_exact` leaves that one out and returns
 * where it begins, hi if there is none; `_back` counts from hi, so that the lowest one
 * may be shorter. The grain counts chunks. A size of 0 stops the program with a
 * sentence. */
WEFT_API void weft_par_chunks(size_t lo, size_t hi, size_t size, weft_range_fn body, void *context,
			      const weft_par_opts *opts);
WEFT_API size_t weft_par_chunks_exact(size_t lo, size_t hi, size_t size, weft_range_fn body,
				      void *context, const weft_par_opts *opts);
WEFT_API void weft_par_chunks_back(size_t lo, size_t hi, size_t size, weft_range_fn body,
				   void *context, const weft_par_opts *opts);

/* Calls body(context, i, i + size) for each window of `size` neighbours within [lo, hi);
 * windows overlap, so they are there to be read. None if the range is shorter than that.
 * The grain counts windows. A size of 0 stops the program with a sentence. */
WEFT_API void weft_par_windows(size_t lo, size_t hi, size_t size, weft_range_fn body,
			       void *context, const weft_par_opts *opts);

/* ---- reductions ---------------------------------------------------------------------- */

/* A reduction: body folds a range into *accumulator, combine folds *right into
 * *left. */
typedef struct weft_reduce {
	size_t size;          /* of an accumulator, bytes; 1 .. WEFT_REDUCE_MAX */
	const void *identity; /* copied as bytes, to begin each accumulator */
	void (*body)(void *context, size_t lo, size_t hi, void *accumulator);
	void (*combine)(void *context, void *left, const void *right);
	void *context;
} weft_reduce;

#define WEFT_REDUCE_MAX 256

/* Reduces [lo, hi) into *result, which is set, not added to; an empty range gives
 * the identity. Accumulators other than *result are aligned to 64 bytes. combine
 * must be associative; it need not be commutative, since ranges are combined in
 * order. How the range is cut varies from run to run, and with it the rounding of
 * floating-point sums. 0, or -EINVAL when `size` is out of bounds. */
WEFT_API WEFT_NODISCARD int weft_par_reduce(size_t lo, size_t hi, const weft_reduce *reduce,
					    void *result, const weft_par_opts *opts);

/* The same by a tree that depends on hi - lo and `leaf` alone: so the result is the same
 * bit by bit, whatever the number of workers and whoever did what. Each leaf is one call
 * of the body for `leaf` indices (0: 4,096; the last one may be shorter), which begins
 * with the identity; a tree of n leaves is one of the largest power of two below n,
 * combined with one of the rest. The grain of the options has no meaning here. */
WEFT_API WEFT_NODISCARD int weft_par_reduce_fixed(size_t lo, size_t hi, size_t leaf,
						  const weft_reduce *reduce, void *result,
						  const weft_par_opts *opts);

/* A reduction that can fail: 0, or the first failure in time of a body or a combine. */
typedef struct weft_try_reduce {
	size_t size; /* as in weft_reduce */
	const void *identity;
	int (*body)(void *context, size_t lo, size_t hi, void *accumulator);
	int (*combine)(void *context, void *left, const void *right);
	void *context;
} weft_try_reduce;

/* As weft_par_reduce(), but stops at the first failure, which it returns; also
 * -ECANCELED. *result is left alone then. */
WEFT_API WEFT_NODISCARD int weft_par_try_reduce(size_t lo, size_t hi,
						const weft_try_reduce *reduce, void *result,
						const weft_par_opts *opts);

/* ---- search -------------------------------------------------------------------------- */

/* Looks through [lo, hi): an index in it that is sought, or hi if there is none. If it is
 * the first or the last one that is wanted, it has to be the first or last of the range. */
typedef size_t (*weft_find_fn)(void *context, size_t lo, size_t hi);
typedef bool (*weft_test_fn)(void *context, size_t index);

/* An index that is sought: whichever is found first, or the lowest, or the highest; hi if
 * there is none. The search is over soon after the answer is known: what is under way
 * then is waited for, which is some 20 us of calls, or a grain. */
WEFT_API size_t weft_par_find_any(size_t lo, size_t hi, weft_find_fn find, void *context,
				  const weft_par_opts *opts);
WEFT_API size_t weft_par_find_first(size_t lo, size_t hi, weft_find_fn find, void *context,
				    const weft_par_opts *opts);
WEFT_API size_t weft_par_find_last(size_t lo, size_t hi, weft_find_fn find, void *context,
				   const weft_par_opts *opts);

/* Whether the test is true for an index (over as soon as one is found), or for all of them
 * (over as soon as one fails); how many it is true for; the lowest, or hi if there is
 * none. Over nothing: false, true, 0, hi. */
WEFT_API bool weft_par_any(size_t lo, size_t hi, weft_test_fn test, void *context,
			   const weft_par_opts *opts);
WEFT_API bool weft_par_all(size_t lo, size_t hi, weft_test_fn test, void *context,
			   const weft_par_opts *opts);
WEFT_API size_t weft_par_count(size_t lo, size_t hi, weft_test_fn test, void *context,
			       const weft_par_opts *opts);
WEFT_API size_t weft_par_position(size_t lo, size_t hi, weft_test_fn test, void *context,
				  const weft_par_opts *opts);

/* ---- scans --------------------------------------------------------------------------- */

/* A pass in which each range needs to know what came before it: running sums, or the place
 * at which a filter is to write.
 *
 * `write` gets the fold of all that comes before lo, does its range with that knowledge,
 * and leaves the fold of all before hi. `measure` folds a range into an accumulator like
 * the body of a reduction, and writes nothing; it is called for a range whose forerunners
 * are not done, shortly before its `write` and on the same thread, and left out where one
 * worker does all. Both must come to the same. Inclusive or exclusive: `write` decides.
 *
 * *after is what `write` will come to, if the range was measured: then later ranges may be
 * written at the same time. If it was not, `after` is NULL, and they are not. */
typedef struct weft_scan {
	size_t size; /* as in weft_reduce */
	const void *identity;
	void (*measure)(void *context, size_t lo, size_t hi, void *accumulator);
	void (*write)(void *context, size_t lo, size_t hi, void *accumulator, const void *after);
	void (*combine)(void *context, void *left, const void *right);
	void *context;
} weft_scan;

/* Calls scan->write for disjoint ranges that together cover [lo, hi), possibly at the same
 * time. *total is the fold of all; NULL: nobody asks for it. combine must be associative.
 * Ranges are taken in order, and the second reading of one comes while it is in the cache;
 * at most 32 workers take part. 0, or -EINVAL when `size` is out of bounds. Bodies must
 * not wait for the caller's other work. After the chained scan of Merrill and Garland,
 * "Single-pass parallel prefix scan with decoupled look-back" (2016), without the
 * look-back. */
WEFT_API WEFT_NODISCARD int weft_par_scan(size_t lo, size_t hi, const weft_scan *scan, void *total,
					  const weft_par_opts *opts);

/* ---- from inside a job --------------------------------------------------------------- */

/* The same as with weft_par_opts.in. */
WEFT_API void weft_par_for_in(weft_par par, size_t lo, size_t hi, weft_range_fn body,
			      void *context, size_t grain);
WEFT_API WEFT_NODISCARD int weft_par_reduce_in(weft_par par, size_t lo, size_t hi,
					       const weft_reduce *reduce, void *result,
					       size_t grain);

WEFT_END_DECLS

#endif
