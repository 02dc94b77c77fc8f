/* SPDX-License-Identifier: MIT */
/*
 * The two verbs that others are made of: for, and reduce.
 */
#include "weft/par.h"

#include <errno.h>
#include <string.h>

#include "par/par.h"

void weft__par_for(size_t lo, size_t hi, weft_range_fn body, void *context, uintptr_t key,
		   const weft_par_opts *opts)
{
	struct weft__loop loop = { .body = body, .context = context, .key = key };

	weft__loop_start(&loop, lo, hi, NULL, opts);
}

void weft_par_for(size_t lo, size_t hi, weft_range_fn body, void *context,
		  const weft_par_opts *opts)
{
	weft__par_for(lo, hi, body, context, weft__loop_key((uintptr_t)body, context), opts);
}

void weft__par_reduce(size_t lo, size_t hi, const weft_reduce *reduce, void *result, uintptr_t key,
		      const weft_par_opts *opts)
{
	struct weft__loop loop = { .reduce = reduce, .context = reduce->context, .key = key };

	memcpy(result, reduce->identity, reduce->size);
	weft__loop_start(&loop, lo, hi, result, opts);
}

int weft_par_reduce(size_t lo, size_t hi, const weft_reduce *reduce, void *result,
		    const weft_par_opts *opts)
{
	if (!weft__reduce_size_ok(reduce->size))
		return -EINVAL;
	weft__par_reduce(lo, hi, reduce, result,
			 weft__loop_key((uintptr_t)reduce->body, reduce->context), opts);
	return 0;
}

/* ---- from inside a job ------------------------------------------------------------- */

void weft_par_for_in(weft_par par, size_t lo, size_t hi, weft_range_fn body, void *context,
		     size_t grain)
{
	weft_par_opts opts = { .in = &par, .grain = grain };

	weft_par_for(lo, hi, body, context, &opts);
}

int weft_par_reduce_in(weft_par par, size_t lo, size_t hi, const weft_reduce *reduce, void *result,
		       size_t grain)
{
	weft_par_opts opts = { .in = &par, .grain = grain };

	return weft_par_reduce(lo, hi, reduce, result, &opts);
}
