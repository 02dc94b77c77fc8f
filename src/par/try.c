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

struct try_reduce {
	const weft_try_reduce *reduce;
	weft_atomic_i32 error;
};

static void try_reduce_block(void *context, size_t lo, size_t hi, void *accumulator)
{
	struct try_reduce *t = context;

	if (!weft__error_seen(&t->error))
		weft__error_note(&t->error,
				 t->reduce->body(t->reduce->context, lo, hi, accumulator));
}

static void try_combine(void *context, void *left, const void *right)
{
	struct try_reduce *t = context;

	if (weft_load_relaxed(&t->error) == 0)
		weft__error_note(&t->error, t->reduce->combine(t->reduce->context, left, right));
}

int weft__try_reduce(size_t lo, size_t hi, const weft_try_reduce *reduce, void *result,
		     uintptr_t key, const weft_par_opts *opts)
{
	WEFT_ALIGNED(64) unsigned char whole[WEFT_REDUCE_MAX];
	struct try_reduce t = { .reduce = reduce };
	weft_reduce plain = { .body = try_reduce_block, .combine = try_combine, .context = &t };
	struct weft__loop loop = { .reduce = &plain, .context = &t, .key = key, .over = &t.error };
	int err;

	if (!weft__reduce_size_ok(reduce->size))
		return -EINVAL;
	plain.size = reduce->size;
	plain.identity = reduce->identity;
	memcpy(whole, reduce->identity, reduce->size);
	weft__loop_start(&loop, lo, hi, whole, opts);
	err = weft_load_relaxed(&t.error);
	if (!err)
		memcpy(result, whole, reduce->size);
	return err;
}

int weft_par_try_reduce(size_t lo, size_t hi, const weft_try_reduce *reduce, void *result,
			const weft_par_opts *opts)
{
	return weft__try_reduce(lo, hi, reduce, result,
				weft__loop_key((uintptr_t)reduce->body, reduce->context), opts);
}
