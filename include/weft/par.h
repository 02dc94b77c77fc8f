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
 */
#ifndef WEFT_PAR_H
#define WEFT_PAR_H

#include <weft/pool.h>

WEFT_BEGIN_DECLS

/* Zero means default. */
typedef struct weft_par_opts {
	weft_pool *pool; /* NULL: the one that the caller is a job of, or else the
			  * global pool */
	size_t grain;    /* least indices worth a call of the body; 0: found by timing */
} weft_par_opts;

typedef void (*weft_range_fn)(void *context, size_t lo, size_t hi);

/* Calls body(context, lo, hi) for disjoint ranges that together cover
 * [lo, hi), possibly at the same time; returns when all are done. `opts` may be
 * NULL. Any thread, and jobs. Cannot fail. */
WEFT_API void weft_par_for(size_t lo, size_t hi, weft_range_fn body, void *context,
			   const weft_par_opts *opts);

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

/* The same from inside a job, without entering the pool anew: what the job has
 * forked before stays within reach of others. */
WEFT_API void weft_par_for_in(weft_par par, size_t lo, size_t hi, weft_range_fn body,
			      void *context, size_t grain);
WEFT_API WEFT_NODISCARD int weft_par_reduce_in(weft_par par, size_t lo, size_t hi,
					       const weft_reduce *reduce, void *result,
					       size_t grain);

WEFT_END_DECLS

#endif
