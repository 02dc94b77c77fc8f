/* SPDX-License-Identifier: MIT */
/*
 * The ways into the pool.
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
#include "par/par.h"
#include "pool/pool.h"
#include "sys/sys.h"

enum {
	ALONE_US = 10, /* what is over by then is not worth sharing */
	BLOCK_US = 20,
};

static uint64_t alone_ticks(void)
{
	return ALONE_US * weft__ticks_per_us();
}

/* A loop whose bodies skip the rest is over in no time, which tells nothing. */
static void learn(const struct weft__loop *loop, size_t count, uint64_t ticks)
{
	if (!loop->over || weft_load_relaxed(loop->over) == 0)
		weft__guess_learn(loop->key, count, ticks, alone_ticks());
}

/* Runs the loop's beginning; what is left is in `e`, with a good block size. */
static void run_alone(struct weft__rest *e)
{
	const struct weft__loop *loop = e->loop;
	uint64_t budget = alone_ticks(), begin = weft__cpu_ticks(), last = begin, now = begin;
	size_t first = e->lo, sample = (e->hi - first) / 16 + 1, n = 1;

	while (e->lo < e->hi) {
		n = n < e->hi - e->lo ? n : e->hi - e->lo;
		weft__loop_call(loop, e->lo, e->lo + n, e->accumulator);
		e->lo += n;
		now = weft__cpu_ticks();
		e->block = weft__block_next(n, now - last, loop->ticks_per_block);
		if (now - begin >= budget)
			break;
		n = weft__block_next(n, now - last, budget);
		if (n > sample && e->lo - first < sample)
			n = sample;
		last = now;
	}
	learn(loop, e->lo - first, now - begin);
}

/* Small loops, by what is known of them: true if that was all. */
static bool run_small(const struct weft__loop *loop, size_t lo, size_t hi, void *accumulator)
{
	enum weft__guess guess = weft__guess_size(loop->key, hi - lo);
	uint64_t ticks;

	if (guess == WEFT__UNKNOWN)
		return false;
	if (guess == WEFT__SMALL_FOR_SURE) {
		weft__loop_call(loop, lo, hi, accumulator);
		return true;
	}
	ticks = weft__cpu_ticks();
	weft__loop_call(loop, lo, hi, accumulator);
	learn(loop, hi - lo, weft__cpu_ticks() - ticks);
	return true;
}

/* Not inlined, so that small loops do not pay for its registers. */
static __attribute__((noinline)) bool begin_unknown(struct weft__loop *loop,
						    struct weft__rest *rest)
{
	loop->ticks_per_block = BLOCK_US * weft__ticks_per_us();
	rest->block = loop->grain;
	if (!loop->grain)
		run_alone(rest);
	return rest->lo < rest->hi;
}

bool weft__loop_begin(struct weft__loop *loop, struct weft__rest *rest, const weft_par_opts *opts)
{
	loop->grain = opts ? opts->grain : 0;
	if (rest->hi - rest->lo <= loop->grain) {
		weft__loop_call(loop, rest->lo, rest->hi, rest->accumulator);
		return false;
	}
	if (!loop->grain && run_small(loop, rest->lo, rest->hi, rest->accumulator))
		return false;
	return begin_unknown(loop, rest);
}

void weft__par_enter(const weft_par_opts *opts, weft_pool_fn fn, void *arg)
{
	if (opts && opts->in)
		fn(*opts->in, arg);
	else
		weft__pool_run_eager(opts && opts->pool ? opts->pool : weft__pool_here(), fn, arg);
}

static void enter(weft_par par, void *arg)
{
	struct weft__rest *e = arg;

	weft__loop_run(par, e->loop, e->lo, e->hi, e->block, e->accumulator);
}

void weft__loop_start(struct weft__loop *loop, size_t lo, size_t hi, void *accumulator,
		      const weft_par_opts *opts)
{
	struct weft__rest rest = { .loop = loop, .lo = lo, .hi = hi, .accumulator = accumulator };

	if (lo < hi && weft__loop_begin(loop, &rest, opts))
		weft__par_enter(opts, enter, &rest);
}

/* ---- crews --------------------------------------------------------------------------- */

struct half_crew {
	weft_job job;
	int count;
	weft_pool_fn fn;
	void *arg;
};

static void half_crew_run(weft_par par, weft_job *job)
{
	struct half_crew *h = weft_container_of(job, struct half_crew, job);

	weft__crew_run(par, h->count, h->fn, h->arg);
}

void weft__crew_run(weft_par par, int count, weft_pool_fn fn, void *arg)
{
	struct half_crew upper = { .count = count / 2, .fn = fn, .arg = arg };
	weft_par inner;

	if (count <= 1) {
		fn(par, arg);
		return;
	}
	inner = weft_fork(par, &upper.job, half_crew_run);
	weft__crew_run(inner, count - upper.count, fn, arg);
	weft_join(par, &upper.job, half_crew_run);
}

int weft__crew_size(int most)
{
	int workers = weft_pool_workers(weft__pool_here());

	return workers < most ? workers : most;
}

/* ---- forks ------------------------------------------------------------------------------ */

void weft__forks_start(uintptr_t key, size_t count, const weft_atomic_i32 *over, weft_pool_fn fn,
		       void *arg, const weft_par_opts *opts)
{
	enum weft__guess guess = weft__guess_size(key, count);
	uint64_t ticks;

	if (guess == WEFT__SMALL_FOR_SURE) {
		fn((weft_par){ 0 }, arg);
		return;
	}
	ticks = weft__cpu_ticks();
	if (guess == WEFT__SMALL)
		fn((weft_par){ 0 }, arg);
	else
		weft__par_enter(opts, fn, arg);
	ticks = weft__cpu_ticks() - ticks;
	/* Never believed for long: what is below a key may grow, and no count would tell. */
	if (ticks < alone_ticks() / 8)
		ticks = alone_ticks() / 8;
	if (!over || weft_load_relaxed(over) == 0)
		weft__guess_learn(key, count, ticks, alone_ticks());
}
