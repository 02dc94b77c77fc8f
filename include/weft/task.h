/* SPDX-License-Identifier: MIT */
/*
 * Tasks: work for a pool that nobody joins where it was forked. They are begun in the
 * order in which they come, each on a thread of the pool; inside, a task forks and joins
 * as any job does (<weft/pool.h>).
 *
 *     weft_scope_open(&scope);
 *     for (size_t i = 0; i < count && err == 0; i++)
 *         err = weft_scope_spawn_task(&scope, pool, compress, &files[i]);
 *     if (err)
 *         weft_scope_cancel(&scope);
 *     err = weft_scope_close(&scope);
 *
 * Tasks may wait for each other, and for anything else: for each that waits another
 * thread works, up to the pool's `spares`.
 */
#ifndef WEFT_TASK_H
#define WEFT_TASK_H

#include <weft/pool.h>
#include <weft/scope.h>

WEFT_BEGIN_DECLS

/* 0 for success, else -errno (or a number of your own). */
typedef int (*weft_task_fn)(weft_par par, void *arg);

/* Has fn(par, arg) run in the pool, as work of the scope and under its token. An error
 * that it returns is the scope's, as one of a thread of the scope. If the scope is
 * cancelled before the task has begun, it is not run, which counts as -ECANCELED: what
 * `arg` owns is for the opener to give back. NULL is the global pool.
 *
 * 0; -ENOMEM; -EINVAL without fn; -EPIPE when the pool is being shut down. On failure
 * nothing was spawned. If the pool has no thread and the system gives none, the task is
 * not run and -EAGAIN is the scope's error. Never blocks. From the opener or from work
 * of the scope, before close returns; close then blocks the opener until the tasks have
 * ended: it does not run them itself. */
WEFT_API WEFT_NODISCARD int weft_scope_spawn_task(weft_scope *scope, weft_pool *pool,
						  weft_task_fn fn, void *arg);

/* The same without anybody who waits: the task goes on by itself, under a token that is
 * cancelled when the pool is shut down. An error is told to the pool's `on_failure`, and
 * counted. Any thread or fiber. */
WEFT_API WEFT_NODISCARD int weft_pool_spawn(weft_pool *pool, weft_task_fn fn, void *arg);

/* Waits until all tasks of the pool have ended, with those that come meanwhile: 0,
 * -ETIMEDOUT, -ECANCELED; -EDEADLK for a job or task of the pool itself. */
WEFT_API WEFT_NODISCARD int weft_pool_wait_idle(weft_pool *pool, int64_t deadline);

/* Ends the pool's tasks, in two phases: from now on only its own jobs may spawn, and what
 * there is may come to its end until the deadline; then tasks that have not begun are
 * dropped, with -ECANCELED, the token of the others is cancelled, they are waited for,
 * and nobody may spawn. 0 if all was over by the deadline, else -ETIMEDOUT. -EDEADLK for a
 * job or task of the pool itself, -ECHILD in the child of a fork() that has not used the
 * pool. Tasks of a scope are cancelled by that alone. weft_pool_run() goes on to work.
 * Again is harmless. Any thread or fiber. */
WEFT_API int weft_pool_shutdown(weft_pool *pool, int64_t deadline);

/* One of several calls. `result` is set: what fn returned, or -ECANCELED when it was not
 * called. */
typedef struct weft_call {
	weft_task_fn fn;
	void *arg;
	int result;
} weft_call;

/* Makes all the calls, possibly at the same time, and returns when they have ended: 0, or
 * the first error that one returned. That cancels the token which is ambient for the
 * others: those that have not begun are not called. So are all if the caller's scope is
 * cancelled: -ECANCELED. -EINVAL for less than 0 calls. None of them may wait for another to
 * begin: they are jobs, and tasks are for that. Any thread, fiber or job; NULL is the global
 * pool. */
WEFT_API WEFT_NODISCARD int weft_invoke(weft_pool *pool, weft_call *calls, int count);

/* The same from inside a job. */
WEFT_API WEFT_NODISCARD int weft_invoke_in(weft_par par, weft_call *calls, int count);

/* For a job that waits for something in a loop of its own, or computes for very long: runs
 * one thing that waits for a worker, if there is any, and returns whether there was. First
 * what the job itself has forked; else a task, or another's job, which may be of any kind:
 * do not hold a lock that it might want. What a job runs for others in this way forks for
 * itself alone and does not yield in turn, so the stack stays bounded. Where nobody is to
 * be helped (a caller that runs alone), false. */
WEFT_API bool weft_pool_yield(weft_par par);

/* Calls fn(arg, index) once on each thread that the pool has just now, with a number of
 * its own for each, from 0 on; returns how many it were, when all have. A thread comes to
 * it when it has ended what it does, so this waits for the longest job. The caller takes
 * no part. -EINVAL without fn, -ENOMEM; -EDEADLK for a job or task of the pool itself. It
 * has the caller's ambient token and ignores its cancellation. Any other thread or fiber;
 * several broadcasts come one after the other. NULL is the global pool. */
typedef void (*weft_broadcast_fn)(void *arg, int index);
WEFT_API int weft_pool_broadcast(weft_pool *pool, weft_broadcast_fn fn, void *arg);

WEFT_END_DECLS

#endif
