/* SPDX-License-Identifier: MIT */
/*
 * OS threads: spawn, join with result, names, stack sizes, park and unpark.
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
	const char *name;  /* shown by ps and debuggers, cut to 15 bytes; copied */
	size_t stack_size; /* bytes; 0: what the system gives */
} weft_thread_opts;

/* Starts fn(arg) on a new thread; `opts` may be NULL. The new thread inherits the
 * caller's ambient token. 0, -EAGAIN when the system allows no more threads,
 * -ENOMEM, -EINVAL (stack size); on failure *out is NULL, nothing ran and nothing
 * leaks. The handle must be joined or detached, once. */
WEFT_API WEFT_NODISCARD int weft_thread_spawn(weft_thread **out, weft_thread_fn fn, void *arg,
					      const weft_thread_opts *opts);

/* Waits for the thread's end, stores what its function returned in *result
 * (unless NULL), and frees the handle: 0. -EDEADLK when a thread joins itself.
 * Ignores cancellation. */
WEFT_API int weft_thread_join(weft_thread *thread, int *result);

/* The same until the deadline, and observing cancellation: -ETIMEDOUT and
 * -ECANCELED leave the handle valid. */
WEFT_API WEFT_NODISCARD int weft_thread_join_until(weft_thread *thread, int *result,
						   int64_t deadline);

/* Gives up the handle; the thread goes on and frees itself at its end. */
WEFT_API void weft_thread_detach(weft_thread *thread);

/* Whether its function has returned; never blocks. */
WEFT_API bool weft_thread_is_finished(const weft_thread *thread);

/* A select case that takes effect when the thread's function has returned; join
 * then does not wait. */
WEFT_API weft_case weft_case_thread(weft_thread *thread);

/* The calling thread's own handle, valid until the thread ends (threads not made
 * by Weft have one too); not to be joined or detached by way of this. NULL when
 * there is no memory for it. */
WEFT_API weft_thread *weft_thread_current(void);

/* A number that no other live thread of the process has; its name ("" if none). */
WEFT_API uint64_t weft_thread_id(const weft_thread *thread);
WEFT_API const char *weft_thread_name(const weft_thread *thread);

/* Park waits until the calling thread's permit is there and takes it; unpark
 * leaves one permit, at most one, for the thread. 0, -ECANCELED, -ETIMEDOUT.
 * Never wakes spuriously. */
WEFT_API WEFT_NODISCARD int weft_thread_park(void);
WEFT_API WEFT_NODISCARD int weft_thread_park_until(int64_t deadline);
WEFT_API void weft_thread_unpark(weft_thread *thread);

/* Lets others run. */
WEFT_API void weft_thread_yield(void);

/* Sleeps until the deadline: 0, or -ECANCELED. */
WEFT_API int weft_sleep_until(int64_t deadline);

WEFT_END_DECLS

#endif
