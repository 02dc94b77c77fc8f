/* SPDX-License-Identifier: MIT */
/*
 * What the files of par share: the loop that splits on demand, the estimate that
 * keeps small loops out of the pool, and the ways into it.
 *
 * Most verbs come down to one of three ways to go over a range:
 *
 *   loop   for and reduce: ranges in any order, split when somebody asks
 *   scan   ranges in order, each of which waits for what the ones before it sum up to
 *   crew   as many jobs as there are workers, that fetch their work by themselves
 *
 * The rest forks along a tree.
 */
#ifndef WEFT_PAR_PAR_H
#define WEFT_PAR_PAR_H

#include "weft/par.h"

/* A loop, for or reduce; lives as long as the call. */
struct weft__loop {
	weft_range_fn body;        /* of a for loop, or */
	const weft_reduce *reduce; /* of a reduction */
	void *context;
	uintptr_t key; /* what it is known by: weft__loop_key() */
	/* Not 0: the bodies skip what is left, so that times tell nothing. May be NULL. */
	const weft_atomic_i32 *over;
	size_t grain;
	uint64_t ticks_per_block;
};

/* What is left of a loop. */
struct weft__rest {
	const struct weft__loop *loop;
	size_t lo, hi, block;
	void *accumulator;
};

/* The key of a loop by the user's function and context: which may not be those that
 * the loop calls. */
static inline uintptr_t weft__loop_key(uintptr_t fn, const void *context)
{
	/* Functions are apart by some 16 bytes, contexts by some 8. */
	return (fn >> 4) * UINT64_C(0x9e3779b97f4a7c15) ^ ((uintptr_t)context >> 3);
}

/* ---- loop.c ------------------------------------------------------------------------ */

/* Runs [lo, hi), one call. `accumulator` is NULL in a for loop. */
void weft__loop_call(const struct weft__loop *loop, size_t lo, size_t hi, void *accumulator);

/* Runs [lo, hi) in blocks, beginning with `block` indices, and shares it with
 * whoever asks. */
void weft__loop_run(weft_par par, const struct weft__loop *loop, size_t lo, size_t hi,
		    size_t block, void *accumulator);

/* The size of the next block, if one of `done` indices took `ticks`, so that it
 * takes about `target` ticks: at most 64 times larger, at least 1. */
size_t weft__block_next(size_t done, uint64_t ticks, uint64_t target);

/* ---- start.c: the ways in ------------------------------------------------------------ */

/* Runs the whole loop. */
void weft__loop_start(struct weft__loop *loop, size_t lo, size_t hi, void *accumulator,
		      const weft_par_opts *opts);

/* The first half of that: runs it if it is small, or else its beginning. True if there
 * is something left, which is worth being shared. */
bool weft__loop_begin(struct weft__loop *loop, struct weft__rest *rest, const weft_par_opts *opts);

/* Runs fn(par, arg) inside of the pool that the options name. */
void weft__par_enter(const weft_par_opts *opts, weft_pool_fn fn, void *arg);

/* Runs fn(par, arg) `count` times, at once if there are workers who have nothing else to
 * do. fn polls, and finds nothing to do if it comes late. */
void weft__crew_run(weft_par par, int count, weft_pool_fn fn, void *arg);

/* How many that should be: the pool's workers, but not more than `most`. */
int weft__crew_size(int most);

/* Runs fn(par, arg), which forks with the two functions below, in the pool; without forks,
 * on the caller, if what is known by the key says that `count` is small. `over` as in
 * struct weft__loop. */
void weft__forks_start(uintptr_t key, size_t count, const weft_atomic_i32 *over, weft_pool_fn fn,
		       void *arg, const weft_par_opts *opts);

static inline weft_par weft__fork(weft_par par, weft_job *job, weft_job_fn run)
{
	return par.worker ? weft_fork(par, job, run) : par;
}

static inline void weft__join(weft_par par, weft_job *job, weft_job_fn run)
{
	if (par.worker)
		weft_join(par, job, run);
	else
		run(par, job);
}

/* Whether an accumulator can have that size. */
static inline bool weft__reduce_size_ok(size_t size)
{
	return size > 0 && size <= WEFT_REDUCE_MAX;
}

/* ---- guess.c: which loops are small ------------------------------------------------ */

/* Whether `count` indices of this loop have lately been done so fast that it makes
 * no sense to share them, nor, if it is WEFT__SMALL_FOR_SURE, to look at a clock. */
enum weft__guess { WEFT__UNKNOWN, WEFT__SMALL, WEFT__SMALL_FOR_SURE };
enum weft__guess weft__guess_size(uintptr_t key, size_t count);

/* What a run of `count` indices on the calling thread alone has shown: it took so long, and
 * is small if that is less than the budget. */
void weft__guess_learn(uintptr_t key, size_t count, uint64_t ticks, uint64_t budget);

/* ---- try.c: the first failure ---------------------------------------------------------- */

/* Keeps the first error in time; 0 is none. */
static inline void weft__error_note(weft_atomic_i32 *error, int err)
{
	int32_t none = 0;

	if (err)
		(void)weft_cas_relaxed(error, &none, err);
}

/* Whether there was an error, or the caller's scope is cancelled, which is one. */
bool weft__error_seen(weft_atomic_i32 *error);

int weft__try_for(size_t lo, size_t hi, weft_try_range_fn body, void *context, uintptr_t key,
		  const weft_par_opts *opts);

/* A reduction whose bodies can fail, and whose accumulators own something: they are
 * combined whatever happens, and the result is there also after a failure. */
struct weft__gather {
	size_t size;
	const void *identity;
	int (*body)(void *context, size_t lo, size_t hi, void *accumulator);
	void (*combine)(void *context, void *left, const void *right);
	void *context;
	weft_atomic_i32 error;
};

int weft__par_gather(size_t lo, size_t hi, struct weft__gather *gather, void *result,
		     uintptr_t key, const weft_par_opts *opts);

/* ---- par.c, find.c, scan.c: verbs by the key of another function ---------------------- */

void weft__par_for(size_t lo, size_t hi, weft_range_fn body, void *context, uintptr_t key,
		   const weft_par_opts *opts);
void weft__par_reduce(size_t lo, size_t hi, const weft_reduce *reduce, void *result, uintptr_t key,
		      const weft_par_opts *opts);
size_t weft__par_find_first(size_t lo, size_t hi, weft_find_fn find, void *context, uintptr_t key,
			    const weft_par_opts *opts);
void weft__par_scan(size_t lo, size_t hi, const weft_scan *scan, void *total, uintptr_t key,
		    const weft_par_opts *opts);

#endif
