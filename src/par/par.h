/* SPDX-License-Identifier: MIT */
/*
 * What the files of par share: the loop that splits on demand, and the estimate
 * that keeps small loops out of the pool.
 */
#ifndef WEFT_PAR_PAR_H
#define WEFT_PAR_PAR_H

#include "weft/par.h"

/* A loop, for or reduce; lives as long as the call. */
struct weft__loop {
	weft_range_fn body;        /* of par_for, or */
	const weft_reduce *reduce; /* of par_reduce */
	void *context;
	size_t grain;
	uint64_t ticks_per_block;
};

/* Runs [lo, hi), one call. `accumulator` is NULL in a for loop. */
void weft__loop_call(const struct weft__loop *loop, size_t lo, size_t hi, void *accumulator);

/* Runs [lo, hi) in blocks, beginning with `block` indices, and shares it with
 * whoever asks. */
void weft__loop_run(weft_par par, const struct weft__loop *loop, size_t lo, size_t hi,
		    size_t block, void *accumulator);

/* The size of the next block, if one of `done` indices took `ticks`, so that it
 * takes about `target` ticks: at most 64 times larger, at least 1. */
size_t weft__block_next(size_t done, uint64_t ticks, uint64_t target);

/* ---- guess.c: which loops are small ------------------------------------------------ */

/* Whether `count` indices of this loop have lately been done so fast that it makes
 * no sense to share them, nor, if it is WEFT__SMALL_FOR_SURE, to look at a clock. */
enum weft__guess { WEFT__UNKNOWN, WEFT__SMALL, WEFT__SMALL_FOR_SURE };
enum weft__guess weft__guess_size(const struct weft__loop *loop, size_t count);

/* What a run of `count` indices on the calling thread alone has shown. */
void weft__guess_learn(const struct weft__loop *loop, size_t count, bool small);

#endif
