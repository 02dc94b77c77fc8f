/* SPDX-License-Identifier: MIT */
/*
 * Fork-join: divide work, let idle CPUs take a part, join.
 *
 *     struct fib { weft_job job; int n; long result; };
 *
 *     static long fib(weft_par par, int n);
 *
 *     static void fib_job(weft_par par, weft_job *job)
 *     {
 *         struct fib *f = weft_container_of(job, struct fib, job);
 *         f->result = fib(par, f->n);
 *     }
 *
 *     static long fib(weft_par par, int n)
 *     {
 *         if (n < 2)
 *             return n;
 *         struct fib other = { .n = n - 2 };
 *         weft_par inner = weft_fork(par, &other.job, fib_job);
 *         long mine = fib(inner, n - 1);
 *         weft_join(par, &other.job, fib_job);
 *         return mine + other.result;
 *     }
 *
 * A fork costs two plain stores: it appends the job, which lives in the caller's
 * frame, to a list that only the caller's worker sees. When another worker is
 * idle it says so, and the owner hands out its oldest job, which is its largest,
 * at its next fork or join. Joining a job that nobody asked for is a direct call.
 * The scheme descends from lazy task creation (Mohr, Kranz, Halstead 1990) and
 * heartbeat scheduling (Acar et al. 2018), driven by demand instead of a timer;
 * waiting for a stolen job helps its thief (Wagner, Calder: "Leapfrogging", 1993).
 *
 * Rules: joins in the reverse order of the forks, in the same function that
 * forked, with the `par` that was passed to fork; every fork is joined; between
 * fork and join calls get the inner par. To fork several jobs, fork each with the
 * par that the fork before it returned. A weft_par is valid only on the thread
 * and in the call that received it.
 *
 * A job may block, and keeps its worker from other work meanwhile. What it waits
 * for must come to pass even if no other job of the pool runs: a job may wait
 * neither for a sibling that might not have begun, nor for its own joiner. A lock
 * may be held across fork and join, since a joiner runs nothing but jobs that
 * were forked below what it waits for.
 *
 * A child of fork() has none of the threads. There a pool starts new ones when it
 * is next entered. A job that was being run when its process forked must not
 * return to the pool in the child, nor join what another worker had taken: the
 * child then stops with a sentence. To exec or _exit from there is fine.
 */
#ifndef WEFT_POOL_H
#define WEFT_POOL_H

#include <weft/atomic.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

typedef struct weft_pool weft_pool;
typedef struct weft_worker weft_worker;
typedef struct weft_job weft_job;

/* Where the caller stands: its worker and the newest job of its list. Two words,
 * passed by value. */
typedef struct weft_par {
	weft_worker *worker;
	weft_job *tail;
} weft_par;

typedef void (*weft_job_fn)(weft_par par, weft_job *job);

/* The head of a job; the caller's arguments and results follow it. */
struct weft_job {
	weft_job *next;
	weft_job_fn run;        /* NULL once it was handed out */
	weft_atomic_uptr state; /* of meaning from then on */
};

/* The part of a worker that the inline functions see. */
struct weft_worker {
	weft_atomic_u32 want; /* somebody idle asks for a job */
};

/* Zero means default. */
typedef struct weft_pool_opts {
	int workers;       /* how many threads may work at once, the caller of
			    * weft_pool_run() among them; 0: weft_cpus() */
	size_t stack_size; /* of its threads, bytes */
	const char *name;  /* of its threads; "weft-pool" */
} weft_pool_opts;

/* Makes a pool; its threads start at once and sleep. 0, -ENOMEM, -EAGAIN (the
 * system has no more threads), -EINVAL (less than 0 workers, more than 4096, or a
 * stack too large to name); *out is NULL on failure. `opts` may be NULL. */
WEFT_API WEFT_NODISCARD int weft_pool_new(weft_pool **out, const weft_pool_opts *opts);

/* Ends its threads, waits for their end, and frees it. Nobody may be inside it,
 * and it is not the global pool, which lives as long as the process: else the
 * program stops with a sentence. NULL is ignored. */
WEFT_API void weft_pool_free(weft_pool *pool);

/* The process's pool, made at first use with default options (WEFT_WORKERS in
 * the environment, 1 .. 4096, overrides their number). If its threads cannot be
 * started it has fewer, in the worst case none: work then runs on its caller.
 * Never NULL. */
WEFT_API weft_pool *weft_pool_global(void);

/* How many threads work at once when there is enough to do; NULL is the global
 * pool. */
WEFT_API int weft_pool_workers(const weft_pool *pool);

/* Runs fn(par, arg) in the pool and returns when it has returned; the calling
 * thread takes part and runs fn itself. NULL is the global pool. Any thread. From
 * a job of the same pool it is little more than a call; what that job had forked
 * and not yet handed out stays with its worker meanwhile. From another pool's job
 * it works as from any thread. Of more than 64 callers at once in one pool, the
 * later ones run their jobs alone. Jobs run under the caller's ambient token,
 * wherever they run.
 *
 * If fn was over within 10 us when this thread called it last, it is taken to be
 * that small again: its forks are not handed out before it has run for that long. */
typedef void (*weft_pool_fn)(weft_par par, void *arg);
WEFT_API void weft_pool_run(weft_pool *pool, weft_pool_fn fn, void *arg);

/* Which of the pool's workers runs this code, for arrays with a place for each.
 * Threads of the pool have the numbers below weft_pool_workers() - 1. The next 64
 * are for callers of weft_pool_run(), the lowest that is free; nobody else has it
 * until the call returns. Callers that run alone all have the number after these:
 * weft_pool_workers() + 63. */
WEFT_API int weft_par_worker(weft_par par);

/* Counters since the pool was made, over all workers; they may lag. */
typedef struct weft_pool_stats {
	uint64_t promoted; /* jobs handed out */
	uint64_t stolen;   /* of these, run by another worker */
	uint64_t parks;    /* times that a worker went to sleep */
	uint64_t wakes;    /* times that one was woken */
} weft_pool_stats;
/* NULL is the global pool. Any thread. */
WEFT_API void weft_pool_stats_read(const weft_pool *pool, weft_pool_stats *out);

/* Slow halves of fork and join; call weft_fork() and weft_join(). */
WEFT_API void weft_pool_promote(weft_par par);
WEFT_API bool weft_pool_await(weft_par par, weft_job *job);

/* weft_fork(), weft_join() and weft_par_poll() as functions, for languages that cannot
 * inline C. */
WEFT_API weft_par weft_pool_fork(weft_par par, weft_job *job, weft_job_fn run);
WEFT_API void weft_pool_join(weft_par par, weft_job *job, weft_job_fn run);
WEFT_API void weft_pool_poll(weft_par par);

/* Forks: `job` may run elsewhere, at the latest it runs in weft_join(). Returns
 * what calls made until then must be passed. Never blocks, cannot fail. `job` must
 * stay where it is until it is joined; it needs no initialisation. */
static inline weft_par weft_fork(weft_par par, weft_job *job, weft_job_fn run)
{
	job->run = run;
	par.tail->next = job;
	par.tail = job;
	if (WEFT_UNLIKELY(weft_load_relaxed(&par.worker->want) != 0))
		weft_pool_promote(par);
	return par;
}

/* Joins: when it returns, run(job) has been run, here or elsewhere, and what it
 * did is visible. `run` is the function that was forked, named again so that the
 * compiler can inline it. May block; meanwhile it runs only jobs that were forked
 * below this one. */
static inline void weft_join(weft_par par, weft_job *job, weft_job_fn run)
{
	if (WEFT_UNLIKELY(job->run == NULL)) {
		if (weft_pool_await(par, job))
			return;
	} else if (WEFT_UNLIKELY(weft_load_relaxed(&par.worker->want) != 0)) {
		weft_pool_promote(par);
	}
	run(par, job);
}

/* For a job that computes for long without forking: hands out what was forked
 * before, if somebody idle asks. One load when nobody does; never blocks. */
static inline void weft_par_poll(weft_par par)
{
	if (WEFT_UNLIKELY(weft_load_relaxed(&par.worker->want) != 0))
		weft_pool_promote(par);
}

WEFT_END_DECLS

#endif
