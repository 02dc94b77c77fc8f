/* SPDX-License-Identifier: MIT */
/*
 * The loop that is serial until somebody asks.
 *
 * It runs in blocks of some 20 us: short enough that whoever asks gets an answer,
 * long enough that the two looks at the clock, which set the size of the next
 * block, are lost in it. Between blocks it looks at its worker's `want`, like a
 * fork does. If somebody asks, it forks the upper half of what is left, and goes
 * on with the lower half the same way. So it splits as often as there is demand,
 * and log2 times deep at the most (lazy binary splitting: Tzannes, Caragea, Barua,
 * Vishkin, PPoPP 2010, with the demand read from a flag instead of a queue).
 *
 * A reduction gives the upper half an accumulator of its own, next to the job in
 * the frame that forks, and combines it after the join: lower with upper, in the
 * order of the indices.
 */
#include "par/par.h"

#include <string.h>

#include "sys/sys.h"

enum {
	GROWTH_MOST = 64, /* of a block, from what is known of the one before */
	PIECES_LEAST = 8, /* a block is worth this many pieces that are worth a fork */
};

struct half {
	weft_job job;
	const struct weft__loop *loop;
	size_t lo, hi, block;
	void *accumulator;
};

void weft__loop_call(const struct weft__loop *loop, size_t lo, size_t hi, void *accumulator)
{
	if (loop->reduce)
		loop->reduce->body(loop->context, lo, hi, accumulator);
	else
		loop->body(loop->context, lo, hi);
}

size_t weft__block_next(size_t done, uint64_t ticks, uint64_t target)
{
	uint64_t most = done > SIZE_MAX / GROWTH_MOST ? SIZE_MAX : (uint64_t)done * GROWTH_MOST;
	double next = (double)done * (double)target / (double)(ticks ? ticks : 1);

	if (next >= (double)most)
		return (size_t)most;
	return next > 1.0 ? (size_t)next : 1;
}

static void half_run(weft_par par, weft_job *job)
{
	struct half *h = weft_container_of(job, struct half, job);

	weft__loop_run(par, h->loop, h->lo, h->hi, h->block, h->accumulator);
}

static void split_for(weft_par par, const struct weft__loop *loop, size_t lo, size_t hi,
		      size_t block)
{
	size_t middle = lo + (hi - lo) / 2;
	struct half upper = { .loop = loop, .lo = middle, .hi = hi, .block = block };
	weft_par inner = weft_fork(par, &upper.job, half_run);

	weft__loop_run(inner, loop, lo, middle, block, NULL);
	weft_join(par, &upper.job, half_run);
}

static void split_reduce(weft_par par, const struct weft__loop *loop, size_t lo, size_t hi,
			 size_t block, void *accumulator)
{
	WEFT_ALIGNED(64) unsigned char right[WEFT_REDUCE_MAX];
	size_t middle = lo + (hi - lo) / 2;
	struct half upper = {
		.loop = loop, .lo = middle, .hi = hi, .block = block, .accumulator = right
	};
	weft_par inner;

	memcpy(right, loop->reduce->identity, loop->reduce->size);
	inner = weft_fork(par, &upper.job, half_run);
	weft__loop_run(inner, loop, lo, middle, block, accumulator);
	weft_join(par, &upper.job, half_run);
	loop->reduce->combine(loop->context, accumulator, right);
}

static bool asked(weft_par par)
{
	return weft_load_relaxed(&par.worker->want) != 0;
}

/* Whether `left` indices are worth being shared: two pieces, each of the user's
 * grain or, if that is for us to find, of an eighth of a block. */
static bool worth_a_split(const struct weft__loop *loop, size_t left, size_t block)
{
	size_t piece = loop->grain ? loop->grain : block / PIECES_LEAST;

	return left >= 2 && left / 2 >= piece;
}

void weft__loop_run(weft_par par, const struct weft__loop *loop, size_t lo, size_t hi,
		    size_t block, void *accumulator)
{
	while (lo < hi) {
		size_t left = hi - lo, n = block < left ? block : left;
		uint64_t ticks;

		/* No call gets less than the grain. */
		if (left - n < loop->grain)
			n = left;
		if (WEFT_UNLIKELY(asked(par)) && worth_a_split(loop, left, block)) {
			if (loop->reduce)
				split_reduce(par, loop, lo, hi, block, accumulator);
			else
				split_for(par, loop, lo, hi, block);
			return;
		}
		ticks = weft__cpu_ticks();
		weft__loop_call(loop, lo, lo + n, accumulator);
		ticks = weft__cpu_ticks() - ticks;
		lo += n;
		block = weft__block_next(n, ticks, loop->ticks_per_block);
		if (block < loop->grain)
			block = loop->grain;
	}
}
