/* SPDX-License-Identifier: MIT */
/*
 * OS threads: spawn, join with result, names, stack sizes, park and unpark.
 *
 *     weft_thread *thread;
 *     int result, err = weft_thread_spawn(&thread, work, &input, NULL);
 *     ...
 *     err = weft_thread_join(thread, &result);
 *
 * A handle belongs to whoever spawned the thread, and may be passed on; its owner
 * joins or detaches it, once. Until then any thread may ask, select on or unpark
 * it, also when the thread itself has ended. Work that must be over before the
 * caller goes on belongs into a scope (<weft/scope.h>), which needs no handles.
 */
#ifndef WEFT_THREAD_H
#define WEFT_THREAD_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_thread weft_thread;

/* What a thread runs. 0 for success, else -errno (or a number of your own);
 * larger results go into what `arg` points at. */
typedef int (*weft_thread_fn)(void *arg);

/* Zero means default. */
typedef struct weft_thread_opts {
	const char *name;    /* shown by ps and debuggers, cut to 15 bytes; copied */
	size_t stack_size;   /* bytes, rounded up; 0: what the system gives */
	bool outlives_scope; /* do not inherit the ambient token: see spawn */
} weft_thread_opts;

/* Starts fn(arg) on a new thread; `opts` may be NULL. 0, -EAGAIN when the system
 * allows no more threads or has no room for the stack, -ENOMEM, -EINVAL (no `out`,
 * no `fn`, a stack size that cannot be); on failure *out is NULL, nothing ran and
 * nothing leaks. The handle must be joined or detached, once. What the caller did
 * before is visible to the new thread. Any thread; does not wait for the new one.
 *
 * The new thread inherits the caller's ambient token, so it must end before the
 * scope of that token is closed: join it there. One that may live longer, such as
 * a detached one, is spawned with `outlives_scope` and has no ambient token. */
WEFT_API WEFT_NODISCARD int weft_thread_spawn(weft_thread **out, weft_thread_fn fn, void *arg,
					      const weft_thread_opts *opts);

/* Waits for the thread's end, stores what its function returned in *result
 * (unless NULL), and frees the handle: 0. -EDEADLK when a thread joins itself, and
 * then the handle stays. Ignores cancellation. What the thread did is visible
 * then, its stack is given back, and the destructors of its thread-locals have
 * run. A function left by pthread_exit() counts as having returned -ECANCELED. */
WEFT_API int weft_thread_join(weft_thread *thread, int *result);

/* The same until the deadline, and observing cancellation: -ETIMEDOUT and
 * -ECANCELED leave the handle valid and *result untouched. Once the function has
 * returned, the call succeeds, whatever the deadline; it still waits for the
 * destructors. */
WEFT_API WEFT_NODISCARD int weft_thread_join_until(weft_thread *thread, int *result,
						   int64_t deadline);

/* Gives up the handle; the thread goes on and frees itself at its end. */
WEFT_API void weft_thread_detach(weft_thread *thread);

/* Whether its function has returned; never blocks. What it did is visible then. */
WEFT_API bool weft_thread_is_finished(const weft_thread *thread);

/* A select case that takes effect when the thread's function has returned; join
 * then waits for no more than the destructors of its thread-locals. */
WEFT_API weft_case weft_case_thread(weft_thread *thread);

/* The calling thread's own handle, valid until the thread ends (threads not made
 * by Weft have one too); not to be joined or detached by way of this. NULL when
 * there is no memory for it, which no thread made by Weft can see. */
WEFT_API weft_thread *weft_thread_current(void);

/* A number that no other thread of the process has, or had before. */
WEFT_API uint64_t weft_thread_id(const weft_thread *thread);

/* The name that it was spawned with, "" if none; of a thread not made by Weft, the
 * system's name for it. Lives as long as the handle. */
WEFT_API const char *weft_thread_name(const weft_thread *thread);

/* Park waits until the calling thread's permit is there and takes it; unpark
 * leaves one permit, at most one, for the thread. 0, -ECANCELED, and with a
 * deadline -ETIMEDOUT; a permit that is there is taken even so. -ENOMEM where
 * weft_thread_current() is NULL. Never returns 0 without a permit. What was done
 * before any unpark until then is visible after park. A permit left for a thread
 * that has ended is nobody's. Unpark never blocks, and any thread may call it. */
WEFT_API WEFT_NODISCARD int weft_thread_park(void);
WEFT_API WEFT_NODISCARD int weft_thread_park_until(int64_t deadline);
WEFT_API void weft_thread_unpark(weft_thread *thread);

/* Lets others run. */
WEFT_API void weft_thread_yield(void);

/* Sleeps until the deadline: 0; or -ECANCELED, also when the deadline has passed
 * already, so that a loop that runs late still ends. */
WEFT_API int weft_sleep_until(int64_t deadline);

WEFT_END_DECLS

#endif
