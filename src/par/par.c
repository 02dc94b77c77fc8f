/* SPDX-License-Identifier: MIT */
/*
 * Parallel loops: the way in.
 *
 * To enter a pool costs little, but to be helped there costs microseconds: a thread
 * has to be woken, and takes work and cache lines away. So a loop first runs on
 * its caller alone, in blocks of 1, 64, ... indices, and enters the pool only if it
 * is not over within ALONE_US. A block is misjudged where the first indices cost less
 * than the others; so it is at most 64 times larger than the one before, and until
 * a sixteenth of the loop is known, no larger than a sixteenth.
 *
 * Who gives a grain knows what an index costs, and gets the pool at once.
 */
#include "weft/par.h"

#include <errno.h>
#include <string.h>

#include "par/par.h"
#include "pool/pool.h"
#include "sys/sys.h"

enum {
	ALONE_US = 10, /* what is over by then is not worth sharing */
	BLOCK_US = 20,
};

struct entry {
	const struct weft__loop *loop;
	size_t lo, hi, block;
	void *accumulator;
};

static void enter(weft_par par, void *arg)
{
	struct entry *e = arg;

	weft__loop_run(par, e->loop, e->lo, e->hi, e->block, e->accumulator);
}

/* Runs the loop's beginning; what is left is in `e`, with a good block size. */
static void run_alone(struct entry *e)
{
	const struct weft__loop *loop = e->loop;
	uint64_t per_us = weft__ticks_per_us(), budget = ALONE_US * per_us;
	uint64_t begin = weft__cpu_ticks(), last = begin, now;
	size_t first = e->lo, sample = (e->hi - first) / 16 + 1, n = 1;

	while (e->lo < e->hi) {
		n = n < e->hi - e->lo ? n : e->hi - e->lo;
		weft__loop_call(loop, e->lo, e->lo + n, e->accumulator);
		e->lo += n;
		now = weft__cpu_ticks();
		e->block = weft__block_next(n, now - last, loop->ticks_per_block);
		if (now - begin >= budget) {
			weft__guess_learn(loop, e->lo - first, false);
			return;
		}
		n = weft__block_next(n, now - last, budget);
		if (n > sample && e->lo - first < sample)
			n = sample;
		last = now;
	}
	weft__guess_learn(loop, e->hi - first, true);
}

/* Small loops, by what is known of them: true if that was all. */
static bool run_small(const struct weft__loop *loop, size_t lo, size_t hi, void *accumulator)
{
	enum weft__guess guess = weft__guess_size(loop, hi - lo);
	uint64_t ticks;

	if (guess == WEFT__UNKNOWN)
		return false;
	if (guess == WEFT__SMALL_FOR_SURE) {
		weft__loop_call(loop, lo, hi, accumulator);
		return true;
	}
	ticks = weft__cpu_ticks();
	weft__loop_call(loop, lo, hi, accumulator);
	ticks = weft__cpu_ticks() - ticks;
	weft__guess_learn(loop, hi - lo, ticks < ALONE_US * weft__ticks_per_us());
	return true;
}

static void run_shared(struct weft__loop *loop, size_t lo, size_t hi, void *accumulator,
		       weft_pool *pool)
{
	struct entry e = { .loop = loop, .lo = lo, .hi = hi, .accumulator = accumulator };

	loop->ticks_per_block = BLOCK_US * weft__ticks_per_us();
	e.block = loop->grain;
	if (!loop->grain)
		run_alone(&e);
	if (e.lo < e.hi)
		weft__pool_run_eager(pool ? pool : weft__pool_here(), enter, &e);
}

static void loop_start(struct weft__loop *loop, size_t lo, size_t hi, void *accumulator,
		       const weft_par_opts *opts)
{
	loop->grain = opts ? opts->grain : 0;
	if (hi - lo <= loop->grain)
		weft__loop_call(loop, lo, hi, accumulator);
	else if (loop->grain || !run_small(loop, lo, hi, accumulator))
		run_shared(loop, lo, hi, accumulator, opts ? opts->pool : NULL);
}

void weft_par_for(size_t lo, size_t hi, weft_range_fn body, void *context,
		  const weft_par_opts *opts)
{
	struct weft__loop loop = { .body = body, .context = context };

	if (lo < hi)
		loop_start(&loop, lo, hi, NULL, opts);
}

static bool reduce_start(const weft_reduce *reduce, void *result)
{
	if (reduce->size == 0 || reduce->size > WEFT_REDUCE_MAX)
		return false;
	memcpy(result, reduce->identity, reduce->size);
	return true;
}

int weft_par_reduce(size_t lo, size_t hi, const weft_reduce *reduce, void *result,
		    const weft_par_opts *opts)
{
	struct weft__loop loop = { .reduce = reduce, .context = reduce->context };

	if (!reduce_start(reduce, result))
		return -EINVAL;
	if (lo < hi)
		loop_start(&loop, lo, hi, result, opts);
	return 0;
}

/* ---- from inside a job ------------------------------------------------------------- */

static void loop_in(weft_par par, struct weft__loop *loop, size_t lo, size_t hi, void *accumulator)
{
	if (hi - lo <= loop->grain) {
		weft__loop_call(loop, lo, hi, accumulator);
		return;
	}
	loop->ticks_per_block = BLOCK_US * weft__ticks_per_us();
	weft__loop_run(par, loop, lo, hi, loop->grain ? loop->grain : 1, accumulator);
}

void weft_par_for_in(weft_par par, size_t lo, size_t hi, weft_range_fn body, void *context,
		     size_t grain)
{
	struct weft__loop loop = { .body = body, .context = context, .grain = grain };

	if (lo < hi)
		loop_in(par, &loop, lo, hi, NULL);
}

int weft_par_reduce_in(weft_par par, size_t lo, size_t hi, const weft_reduce *reduce, void *result,
		       size_t grain)
{
	struct weft__loop loop = { .reduce = reduce, .context = reduce->context, .grain = grain };

	if (!reduce_start(reduce, result))
		return -EINVAL;
	if (lo < hi)
		loop_in(par, &loop, lo, hi, result);
	return 0;
}
