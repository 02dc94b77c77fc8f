/* SPDX-License-Identifier: MIT */
/*
 * Loops and reductions that stop at the first failure.
 *
 * They are the other ones with bodies that do nothing any more once there is an error.
 * What is left of the loop is then over in a few calls, each for 64 times as many
 * indices as the one before, so nothing else needs to know of it.
 */
#include <errno.h>
#include <string.h>

#include "par/par.h"
#include "weft/cancel.h"

bool weft__error_seen(weft_atomic_i32 *error)
{
	if (WEFT_UNLIKELY(weft_cancelled()))
		weft__error_note(error, -ECANCELED);
	return weft_load_relaxed(error) != 0;
}

/* ---- for ------------------------------------------------------------------------------ */

struct try_for {
	weft_try_range_fn body;
	void *context;
	weft_atomic_i32 error;
};

static void try_for_block(void *context, size_t lo, size_t hi)
{
	struct try_for *t = context;

	if (!weft__error_seen(&t->error))
		weft__error_note(&t->error, t->body(t->context, lo, hi));
}

int weft__try_for(size_t lo, size_t hi, weft_try_range_fn body, void *context, uintptr_t key,
		  const weft_par_opts *opts)
{
	struct try_for t = { .body = body, .context = context };
	struct weft__loop loop = {
		.body = try_for_block, .context = &t, .key = key, .over = &t.error
	};

	weft__loop_start(&loop, lo, hi, NULL, opts);
	return weft_load_relaxed(&t.error);
}

int weft_par_try_for(size_t lo, size_t hi, weft_try_range_fn body, void *context,
		     const weft_par_opts *opts)
{
	return weft__try_for(lo, hi, body, context, weft__loop_key((uintptr_t)body, context),
			     opts);
}

/* ---- reduce ----------------------------------------------------------------------------- */

static void gather_block(void *context, size_t lo, size_t hi, void *accumulator)
{
	struct weft__gather *g = context;

	if (!weft__error_seen(&g->error))
		weft__error_note(&g->error, g->body(g->context, lo, hi, accumulator));
}

static void gather_combine(void *context, void *left, const void *right)
{
	struct weft__gather *g = context;

	g->combine(g->context, left, right);
}

int weft__par_gather(size_t lo, size_t hi, struct weft__gather *gather, void *result,
		     uintptr_t key, const weft_par_opts *opts)
{
	weft_reduce reduce = { .size = gather->size,
			       .identity = gather->identity,
			       .body = gather_block,
			       .combine = gather_combine,
			       .context = gather };
	struct weft__loop loop = {
		.reduce = &reduce, .context = gather, .key = key, .over = &gather->error
	};

	memcpy(result, reduce.identity, reduce.size);
	weft__loop_start(&loop, lo, hi, result, opts);
	return weft_load_relaxed(&gather->error);
}

/* What was not folded to its end is not combined. */
struct try_reduce {
	const weft_try_reduce *reduce;
	struct weft__gather gather;
};

static int try_reduce_body(void *context, size_t lo, size_t hi, void *accumulator)
{
	struct try_reduce *t = context;

	return t->reduce->body(t->reduce->context, lo, hi, accumulator);
}

static void try_reduce_combine(void *context, void *left, const void *right)
{
	struct try_reduce *t = context;

	if (weft_load_relaxed(&t->gather.error) == 0)
		weft__error_note(&t->gather.error,
				 t->reduce->combine(t->reduce->context, left, right));
}

int weft_par_try_reduce(size_t lo, size_t hi, const weft_try_reduce *reduce, void *result,
			const weft_par_opts *opts)
{
	WEFT_ALIGNED(64) unsigned char whole[WEFT_REDUCE_MAX];
	struct try_reduce t = { .reduce = reduce,
				.gather = { .size = reduce->size,
					    .identity = reduce->identity,
					    .body = try_reduce_body,
					    .combine = try_reduce_combine,
					    .context = &t } };
	int err;

	if (!weft__reduce_size_ok(reduce->size))
		return -EINVAL;
	err = weft__par_gather(lo, hi, &t.gather, whole,
			       weft__loop_key((uintptr_t)reduce->body, reduce->context), opts);
	if (!err)
		memcpy(result, whole, reduce->size);
	return err;
}
