/* SPDX-License-Identifier: MIT */
/*
 * Scopes: the parent of spawned work. Closing a scope waits for all that was
 * spawned into it, so that the work may use the caller's locals. The first error
 * cancels the rest and is what close returns.
 *
 *     weft_scope scope;
 *     weft_scope_open(&scope);
 *     err = weft_scope_spawn_thread(&scope, fetch, &a, NULL);
 *     if (err == 0)
 *         err = weft_scope_spawn_thread(&scope, fetch, &b, NULL);
 *     if (err)
 *         weft_scope_cancel(&scope);
 *     err = weft_scope_close(&scope);
 *
 * Between open and close the opener is in the scope too: its blocking calls
 * return -ECANCELED once the scope is cancelled. Every open needs its close, on
 * each path out of the function, before the frame goes.
 */
#ifndef WEFT_SCOPE_H
#define WEFT_SCOPE_H

#include <weft/cancel.h>
#include <weft/thread.h>
#include <weft/waitgroup.h>

WEFT_BEGIN_DECLS

/* `token` is for use with <weft/cancel.h>; the rest belongs to the library. */
typedef struct weft_scope {
	weft_token token;
	weft_waitgroup running;
	weft_atomic_i32 error;
	weft_atomic_uptr last;
	weft_token *outer;
	void *opener;
} weft_scope;

/* Zero means default. */
typedef struct weft_scope_opts {
	int64_t deadline; /* in ns, as weft_now() counts: when it is reached, the scope is
			   * cancelled; 0 and WEFT_NEVER: none; below 0: it has passed */
	bool shield;      /* for cleaning up: no cancellation or deadline of an outer scope
			   * reaches into it */
} weft_scope_opts;

/* Opens the scope in the caller's frame, as a child of the caller's ambient
 * token, and makes its token ambient for the caller. Cannot fail. */
WEFT_API void weft_scope_open(weft_scope *scope);

/* The same with options, NULL for none. The deadline is noticed by blocking calls and
 * weft_cancelled() in the scope: see weft_token_init_until(). A scope that it has
 * cancelled closes with -ETIMEDOUT instead of -ECANCELED or 0. */
WEFT_API void weft_scope_open_with(weft_scope *scope, const weft_scope_opts *opts);

/* Runs fn(arg) on a new thread of the scope, whose ambient token is the scope's.
 * A non-zero return is an error of the scope: the first one is kept and cancels
 * the scope. Errors as weft_thread_spawn(), and -EINVAL for `outlives_scope`; a
 * failed spawn is reported here only, and cancels nothing. A cancelled scope still
 * runs what is spawned into it: the work finds out at its first blocking call.
 * From the opener or from threads of the scope, before close returns. */
WEFT_API WEFT_NODISCARD int weft_scope_spawn_thread(weft_scope *scope, weft_thread_fn fn,
						    void *arg, const weft_thread_opts *opts);

/* Cancels what runs in the scope; close then returns -ECANCELED unless there was
 * an error before. Any thread; does not wait for the work to end. */
WEFT_API void weft_scope_cancel(weft_scope *scope);

/* Waits for all of it (cancelled or not), makes the outer token ambient again,
 * and returns the first error or 0: also 0 when an outer scope was cancelled and
 * all work succeeded nevertheless. What the work did is visible then, and its
 * threads have left the system. On the thread that opened it; scopes nest, and
 * closing the outer one first stops the program with a sentence. */
WEFT_API int weft_scope_close(weft_scope *scope);

WEFT_END_DECLS

#endif
