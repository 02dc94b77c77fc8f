/* SPDX-License-Identifier: MIT */
/*
 * Scopes: the parent of spawned work. Closing a scope waits for all that was
 * spawned into it, so that the work may use the caller's locals. The first error
 * cancels the rest and is what close returns.
 *
 *     weft_scope scope;
 *     weft_scope_open(&scope);
 *     err = weft_scope_spawn_thread(&scope, fetch, &a, NULL);
 *     err = weft_scope_spawn_thread(&scope, fetch, &b, NULL);
 *     err = weft_scope_close(&scope);
 */
#ifndef WEFT_SCOPE_H
#define WEFT_SCOPE_H

#include <weft/cancel.h>
#include <weft/thread.h>
#include <weft/waitgroup.h>

WEFT_BEGIN_DECLS

typedef struct weft_scope {
	weft_token token;
	weft_waitgroup running;
	weft_atomic_i32 error;
	weft_token *outer;
} weft_scope;

/* Opens the scope in the caller's frame, as a child of the caller's ambient
 * token, and makes its token ambient for the caller. Cannot fail. */
WEFT_API void weft_scope_open(weft_scope *scope);

/* Runs fn(arg) on a new thread of the scope, whose ambient token is the scope's.
 * A non-zero return is an error of the scope: the first one is kept and cancels
 * the scope. Errors as weft_thread_spawn(); a failed spawn is reported here
 * only. From the opener or from threads of the scope, before close returns. */
WEFT_API WEFT_NODISCARD int weft_scope_spawn_thread(weft_scope *scope, weft_thread_fn fn,
						    void *arg, const weft_thread_opts *opts);

/* Cancels what runs in the scope; close then returns -ECANCELED unless there was
 * an error before. Any thread. */
WEFT_API void weft_scope_cancel(weft_scope *scope);

/* Waits for all of it (cancelled or not), makes the outer token ambient again,
 * and returns the first error or 0. On the thread that opened it; scopes nest. */
WEFT_API int weft_scope_close(weft_scope *scope);

WEFT_END_DECLS

#endif
