/* SPDX-License-Identifier: MIT */
/*
 * Loops whose bodies get something else than any range: single indices, chunks of a
 * fixed size, windows. Each is a loop over the count of its calls.
 */
#include "base/assert.h"
#include "par/par.h"

/* What a call is made for, from the number of the call. */
struct calls {
	size_t lo, hi; /* of the user's range */
	size_t size;   /* of a step, chunk or window */
	weft_range_fn range;
	weft_index_fn index;
	void *context;
};

/* How many pieces of `size` there are in `length`, the last one shorter or not. */
static size_t pieces(size_t length, size_t size)
{
	return length / size + (length % size != 0);
}

static size_t range_length(size_t lo, size_t hi)
{
	return lo < hi ? hi - lo : 0;
}

static void range_calls(const struct calls *calls, size_t count, weft_range_fn body,
			const weft_par_opts *opts)
{
	uintptr_t fn = calls->range ? (uintptr_t)calls->range : (uintptr_t)calls->index;

	weft__par_for(0, count, body, (void *)(uintptr_t)calls, weft__loop_key(fn, calls->context),
		      opts);
}

/* ---- indices ------------------------------------------------------------------------- */

static void each_block(void *context, size_t lo, size_t hi)
{
	const struct calls *c = context;

	for (size_t k = lo; k < hi; k++)
		c->index(c->context, c->lo + k * c->size);
}

void weft_par_each_step(size_t lo, size_t hi, size_t step, weft_index_fn body, void *context,
			const weft_par_opts *opts)
{
	struct calls c = { .lo = lo, .size = step, .index = body, .context = context };

	WEFT__ASSERT(step > 0, "a parallel loop has a step of 0");
	range_calls(&c, pieces(range_length(lo, hi), step), each_block, opts);
}

void weft_par_each(size_t lo, size_t hi, weft_index_fn body, void *context,
		   const weft_par_opts *opts)
{
	weft_par_each_step(lo, hi, 1, body, context, opts);
}

/* ---- chunks -------------------------------------------------------------------------- */

static void chunk_block(void *context, size_t lo, size_t hi)
{
	const struct calls *c = context;

	for (size_t k = lo; k < hi; k++) {
		size_t begin = c->lo + k * c->size, left = c->hi - begin;

		c->range(c->context, begin, begin + (left < c->size ? left : c->size));
	}
}

/* Call k is for the k-th chunk from the end. */
static void chunk_back_block(void *context, size_t lo, size_t hi)
{
	const struct calls *c = context;

	for (size_t k = lo; k < hi; k++) {
		size_t end = c->hi - k * c->size, left = end - c->lo;

		c->range(c->context, end - (left < c->size ? left : c->size), end);
	}
}

static struct calls chunk_calls(size_t lo, size_t hi, size_t size, weft_range_fn body,
				void *context)
{
	WEFT__ASSERT(size > 0, "a parallel loop has chunks or windows of size 0");
	return (struct calls){
		.lo = lo, .hi = hi, .size = size, .range = body, .context = context
	};
}

void weft_par_chunks(size_t lo, size_t hi, size_t size, weft_range_fn body, void *context,
		     const weft_par_opts *opts)
{
	struct calls c = chunk_calls(lo, hi, size, body, context);

	range_calls(&c, pieces(range_length(lo, hi), size), chunk_block, opts);
}

size_t weft_par_chunks_exact(size_t lo, size_t hi, size_t size, weft_range_fn body, void *context,
			     const weft_par_opts *opts)
{
	struct calls c = chunk_calls(lo, hi, size, body, context);
	size_t length = range_length(lo, hi);

	range_calls(&c, length / size, chunk_block, opts);
	return hi - length % size;
}

void weft_par_chunks_back(size_t lo, size_t hi, size_t size, weft_range_fn body, void *context,
			  const weft_par_opts *opts)
{
	struct calls c = chunk_calls(lo, hi, size, body, context);

	range_calls(&c, pieces(range_length(lo, hi), size), chunk_back_block, opts);
}

static void window_block(void *context, size_t lo, size_t hi)
{
	const struct calls *c = context;

	for (size_t k = lo; k < hi; k++)
		c->range(c->context, c->lo + k, c->lo + k + c->size);
}

void weft_par_windows(size_t lo, size_t hi, size_t size, weft_range_fn body, void *context,
		      const weft_par_opts *opts)
{
	struct calls c = chunk_calls(lo, hi, size, body, context);
	size_t length = range_length(lo, hi);

	range_calls(&c, length < size ? 0 : length - size + 1, window_block, opts);
}
