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
 * A job may block, on anything in Weft: another thread then works in its place, so
 * that the pool keeps its width. (A call that blocks otherwise is to be made by
 * weft_blocking(), <weft/blocking.h>.) A job may wait neither for a sibling that might
 * not have begun, nor for its own joiner; tasks, <weft/task.h>, may wait for each other.
 * A lock may be held across fork and join, since a joiner runs nothing but jobs that
 * were forked below what it waits for.
 *
 * A fiber that calls does not take part: it parks, and a thread of the pool runs its
 * function meanwhile. So other fibers of its worker go on. In a deterministic runtime
 * the fiber runs the function by itself, alone.
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

/* Zero means default. Functions are called with `context`; see the fields. */
typedef struct weft_pool_opts {
	int workers;       /* how many are to work at once, the caller of
			    * weft_pool_run() among them; 0: weft_cpus() */
	size_t stack_size; /* of its threads, bytes */
	const char *name;  /* of its threads, cut to 15 bytes; copied; "weft-pool" */
	int workers_most;  /* for weft_pool_resize(); 0: `workers` or weft_cpus(), the larger */
	int spares;        /* most threads beyond `workers`, in place of those whose jobs
			    * block; 0: 256, < 0: none */
	const int *cpus;   /* thread i runs on CPU cpus[i % cpu_count] alone; copied */
	int cpu_count;     /* 0: where the system likes */
	void *context;

	/* Called on each thread of the pool, with its index, as it begins and before it
	 * leaves. They may block, but not enter the pool. */
	void (*on_start)(void *context, int index);
	void (*on_exit)(void *context, int index);

	/* A task of weft_pool_spawn() has returned an error, or will not be run: -ECANCELED
	 * as the pool is shut down, -EAGAIN as there is no thread. With the task's
	 * argument; on any thread. */
	void (*on_failure)(void *context, void *arg, int error);

	/* Starts a thread that calls body(arg) and then ends, with name, stack and CPU as
	 * it likes. Called wherever a thread turns out to be wanted, also in the midst of
	 * a fork or a wait, so it may wait for nothing of Weft and not enter the pool. 0, or
	 * -errno and then body is not called. The pool's end waits until body has returned,
	 * not for the thread. NULL: as any thread of Weft. */
	int (*spawn)(void *context, void (*body)(void *arg), void *arg);
} weft_pool_opts;

/* Makes a pool; `workers` - 1 threads start at once and sleep, others when they are
 * needed. 0, -ENOMEM, -EAGAIN (the system has no more threads) or what `spawn` returned,
 * -EINVAL (less than 0 workers, more than 4096, a stack too large to name, a CPU that
 * the process may not use); *out is NULL on failure. `opts` may be NULL. */
WEFT_API WEFT_NODISCARD int weft_pool_new(weft_pool **out, const weft_pool_opts *opts);

/* Waits for its tasks (weft_pool_shutdown() first sets them a limit), ends its threads,
 * waits for their end, and frees it. Nobody may be inside it, and it is not the global
 * pool, which lives as long as the process: else the program stops with a sentence.
 * NULL is ignored. */
WEFT_API void weft_pool_free(weft_pool *pool);

/* The process's pool, made at first use with default options (WEFT_WORKERS in
 * the environment, 1 .. 4096, overrides their number). If its threads cannot be
 * started it has fewer, in the worst case none: work then runs on its caller.
 * Never NULL. */
WEFT_API weft_pool *weft_pool_global(void);

/* How many threads work at once when there is enough to do; NULL is the global
 * pool. */
WEFT_API int weft_pool_workers(const weft_pool *pool);

/* Changes how many work at once, also while the pool is in use: 0; -EINVAL for less
 * than 0, or more than the options' `workers_most`; -EAGAIN or -ENOMEM when there are no
 * threads to be had, and then it is as before. 0 is weft_cpus(). New threads start at
 * once; those that are too many end what they do, and leave after a second without
 * work. NULL is the global pool. Any thread. */
WEFT_API WEFT_NODISCARD int weft_pool_resize(weft_pool *pool, int workers);

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

/* Which of the pool's workers runs this code, for arrays with a place for each: less
 * than weft_pool_places(), which stays the same as long as the pool lives. Threads have
 * the lowest numbers, and among them the lowest is given out first; a number is one
 * thread's until that leaves. The last 65 are for callers of weft_pool_run(): of 64 the
 * lowest that is free, which nobody else has until the call returns; and the last one
 * for all who run alone. */
WEFT_API int weft_par_worker(weft_par par);
WEFT_API int weft_pool_places(const weft_pool *pool);

/* Of now, and then counters since the pool was made, over all workers; they may lag. */
typedef struct weft_pool_stats {
	int workers;       /* how many are to work at once */
	int threads;       /* that the pool has */
	int blocked;       /* who is in a job that waits, and is made up for */
	uint64_t queued;   /* tasks that have not begun, and calls of fibers */
	uint64_t active;   /* of these, being run */
	uint64_t finished; /* tasks that have ended */
	uint64_t failed;   /* of these, with an error */
	uint64_t spares;   /* times that a thread was started beyond `workers` */
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

/* In a job's function: whether it runs on another worker than the one that forked it. */
static inline bool weft_job_was_stolen(const weft_job *job)
{
	return job->run == NULL && weft_load_relaxed(&job->state) != 0;
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
