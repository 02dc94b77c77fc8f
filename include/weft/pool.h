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
 * A fork costs a few plain stores: it appends the job, which lives in the
 * caller's frame, to a list that only the caller's worker sees. When another
 * worker is idle it says so, and the owner hands out its oldest job, which is its
 * largest. Joining a job that nobody asked for is a direct call. The scheme is
 * that of "heartbeat" and lazy task creation (Mohr et al. 1990; Acar et al.
 * 2018), driven by demand instead of a timer.
 *
 * Rules: joins in the reverse order of the forks, in the same function that
 * forked, with the `par` that was passed to fork; every fork is joined; between
 * fork and join calls get the inner par. A weft_par is valid only on the thread
 * and in the call that received it.
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
	weft_job_fn run; /* NULL once it was handed out */
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

/* Makes a pool; its threads start at once and sleep. 0, -ENOMEM, -EAGAIN (no
 * threads), -EINVAL; *out is NULL on failure. */
WEFT_API WEFT_NODISCARD int weft_pool_new(weft_pool **out, const weft_pool_opts *opts);

/* Ends its threads and frees it. Nobody may be inside it. NULL is ignored. */
WEFT_API void weft_pool_free(weft_pool *pool);

/* The process's pool, made at first use with default options (WEFT_WORKERS in
 * the environment overrides their number). If its threads cannot be started it
 * has fewer, in the worst case none: work then runs on its caller. */
WEFT_API weft_pool *weft_pool_global(void);

/* How many threads work at once when there is enough to do. */
WEFT_API int weft_pool_workers(const weft_pool *pool);

/* Runs fn(par, arg) in the pool and returns when it has returned; the calling
 * thread takes part and runs fn itself. NULL is the global pool. From a job of
 * the same pool it is a plain call; from another pool's it works as from any
 * thread. Any thread. */
typedef void (*weft_pool_fn)(weft_par par, void *arg);
WEFT_API void weft_pool_run(weft_pool *pool, weft_pool_fn fn, void *arg);

/* Which of the pool's workers runs this code: 0 <= index < weft_pool_workers()
 * for threads of the pool; callers of weft_pool_run() have larger ones. */
WEFT_API int weft_par_worker(weft_par par);

/* Counters since the pool was made, over all workers; they may lag. */
typedef struct weft_pool_stats {
	uint64_t promoted; /* jobs handed out */
	uint64_t stolen;   /* of these, run by another worker */
	uint64_t parks;    /* times that a worker went to sleep */
	uint64_t wakes;    /* times that one was woken */
} weft_pool_stats;
WEFT_API void weft_pool_stats_read(const weft_pool *pool, weft_pool_stats *out);

/* Slow halves of fork and join; call weft_fork() and weft_join(). */
WEFT_API void weft_pool_promote(weft_worker *worker);
WEFT_API bool weft_pool_await(weft_par par, weft_job *job);

/* Forks: `job` may run elsewhere, at the latest it runs in weft_join(). Returns
 * what calls made until then must be passed. Never blocks, cannot fail. */
static inline weft_par weft_fork(weft_par par, weft_job *job, weft_job_fn run)
{
	job->run = run;
	job->next = NULL;
	par.tail->next = job;
	par.tail = job;
	if (WEFT_UNLIKELY(weft_load_relaxed(&par.worker->want) != 0))
		weft_pool_promote(par.worker);
	return par;
}

/* Joins: when it returns, run(job) has been run, here or elsewhere. `run` is the
 * function that was forked, named again so that the compiler can inline it. May
 * block; meanwhile it runs only jobs that were forked below this one. */
static inline void weft_join(weft_par par, weft_job *job, weft_job_fn run)
{
	if (WEFT_LIKELY(job->run != NULL))
		par.tail->next = NULL;
	else if (weft_pool_await(par, job))
		return;
	run(par, job);
}

WEFT_END_DECLS

#endif
