/* SPDX-License-Identifier: MIT */
/*
 * Fibers: tasks of the runtime that are written like threads and cost like
 * callbacks. A fiber is ordinary C that may block; while it waits, the worker it
 * runs on runs others. Everything in Weft that blocks works from a fiber as it does
 * from a thread, on the same objects and at the same time.
 *
 *     weft_fiber *fiber;
 *     int result, err = weft_fiber_spawn(&fiber, serve, &client, NULL);
 *     ...
 *     err = weft_fiber_join(fiber, &result);
 *
 * Or, with nothing to keep and nothing to forget, into a scope:
 *
 *     weft_scope_open(&scope);
 *     err = weft_scope_spawn(&scope, serve, &client, NULL);
 *     ...
 *     err = weft_scope_close(&scope);
 *
 * A fiber begins on any worker and then stays on the thread of that one, so that
 * thread-locals, errno and what compilers make of them stay right. It is switched
 * only where it waits, yields or spawns; one that computes for long should call
 * weft_yield() now and then. What blocks the thread itself belongs into
 * weft_blocking() (<weft/blocking.h>).
 */
#ifndef WEFT_FIBER_H
#define WEFT_FIBER_H

#include <weft/scope.h>
#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_fiber weft_fiber;
typedef struct weft_runtime weft_runtime;

/* What a fiber runs. 0 for success, else -errno (or a number of your own); larger
 * results go into what `arg` points at. */
typedef int (*weft_fiber_fn)(void *arg);

/* Zero means default. */
typedef struct weft_fiber_opts {
	const char *name;      /* for dumps and reports; not copied: it must outlive the fiber */
	size_t stack_size;     /* bytes, rounded up to a class: 16, 64 (default), 256 KiB */
	bool migrate;          /* may go on on another thread after each wait; then no
				* address of a thread-local may be kept across a wait */
	bool cancellable;      /* has a token of its own: see weft_fiber_cancel() */
	bool outlives_scope;   /* do not inherit the ambient token: see spawn */
	weft_runtime *runtime; /* NULL: the caller's, or the default one */
} weft_fiber_opts;

/* Starts fn(arg) on a fiber; `opts` may be NULL. 0; -ENOMEM; -EAGAIN when the default
 * runtime cannot start its threads; -ECANCELED when the runtime is being stopped;
 * -ECHILD when it was left behind by a fork(); -EINVAL (no `out`, no `fn`, a stack
 * larger than 256 KiB). On failure *out is NULL and nothing ran. The handle must be
 * joined or detached, once. What the caller did before is visible to the fiber. Any
 * thread or fiber; a fiber may let others run in it, as in weft_yield().
 *
 * The new fiber inherits the caller's ambient token, so it must end before the
 * scope of that token is closed: join it there. One that may live longer, such as
 * a detached one, is spawned with `outlives_scope`; then, or where the caller has no
 * ambient token, the runtime's is its own, which is cancelled as the runtime ends.
 *
 * A stack is taken when the fiber first runs. If there is no memory for it, the
 * function never runs and the fiber ends with -ENOMEM. */
WEFT_API WEFT_NODISCARD int weft_fiber_spawn(weft_fiber **out, weft_fiber_fn fn, void *arg,
					     const weft_fiber_opts *opts);

/* Runs fn(arg) on a new fiber of the scope, whose ambient token is the scope's; as
 * weft_scope_spawn_thread(), with the errors of weft_fiber_spawn(), and -EINVAL for
 * `outlives_scope` and for `cancellable`. */
WEFT_API WEFT_NODISCARD int weft_scope_spawn(weft_scope *scope, weft_fiber_fn fn, void *arg,
					     const weft_fiber_opts *opts);

/* Waits for the fiber's end, stores what its function returned in *result (unless
 * NULL), and frees the handle: 0. -EDEADLK when a fiber joins itself, and then the
 * handle stays; -ECHILD, likewise, in the child of a fork() that left the fiber behind
 * before its end. Ignores cancellation. What the fiber did is visible then. */
WEFT_API int weft_fiber_join(weft_fiber *fiber, int *result);

/* The same until the deadline, and observing cancellation: -ETIMEDOUT and
 * -ECANCELED leave the handle valid and *result untouched. */
WEFT_API WEFT_NODISCARD int weft_fiber_join_until(weft_fiber *fiber, int *result,
						  int64_t deadline);

/* Gives up the handle; the fiber goes on and frees itself at its end. */
WEFT_API void weft_fiber_detach(weft_fiber *fiber);

/* Cancels the token of a fiber that was spawned with `cancellable`: its blocking
 * calls return -ECANCELED from then on. Harmless when it has ended. Any thread,
 * before the handle is given up. Without `cancellable` the program stops with a
 * sentence. */
WEFT_API void weft_fiber_cancel(weft_fiber *fiber);

/* Whether its function has returned; never blocks. What it did is visible then. */
WEFT_API bool weft_fiber_is_finished(const weft_fiber *fiber);

/* A select case that takes effect when the fiber's function has returned; join then
 * does not wait. */
WEFT_API weft_case weft_case_fiber(weft_fiber *fiber);

/* The fiber that calls, not to be joined or detached by way of this; NULL on a
 * thread that runs none. */
WEFT_API weft_fiber *weft_fiber_current(void);

/* The name that it was spawned with, "" if none, and a number that no other fiber
 * of the process has, or had before; while the handle is valid, or by the fiber
 * itself. */
WEFT_API const char *weft_fiber_name(const weft_fiber *fiber);
WEFT_API uint64_t weft_fiber_id(const weft_fiber *fiber);

/* Lets others run: the worker's other fibers when a fiber calls, else as
 * weft_thread_yield(). */
WEFT_API void weft_yield(void);

WEFT_END_DECLS

#endif
