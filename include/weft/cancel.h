/* SPDX-License-Identifier: MIT */
/*
 * Cancellation tokens.
 *
 * A token is a flag that can be waited for and that is never lowered again.
 * Tokens form trees: cancelling one cancels all below it. A token becomes
 * ambient for the threads of a scope; from then on each blocking call there,
 * except weft_mutex_lock(), returns -ECANCELED instead of waiting.
 *
 * Cancellation is sticky and loses nothing: an operation that had taken effect
 * when the cancellation came reports its success, and the next call that would
 * have to wait reports the cancellation. A call that need not wait succeeds; but of
 * many calls for I/O running, one now and then looks, so that a busy peer cannot keep
 * up a scope that has ended.
 */
#ifndef WEFT_CANCEL_H
#define WEFT_CANCEL_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_token {
	weft_waitq queue;
	struct weft_token *root; /* whose `tree` lock guards the links below */
	struct weft_token *parent;
	struct weft_token *first_child;
	struct weft_token *next_sibling;
	struct weft_token *prev_sibling;
	weft_waitq tree;
	int64_t deadline; /* of it and of those above; 0: none */
	bool expired;     /* cancelled by its deadline; guarded by `tree` */
	bool unlinked;    /* a runtime's: it finds its fibers that wait, without a list */
} weft_token;

/* Makes *token a token, below `parent` unless that is NULL. A child of a
 * cancelled parent starts cancelled. The parent must outlive it. Cannot fail. */
WEFT_API void weft_token_init(weft_token *token, weft_token *parent);

/* The same with a deadline: a token whose deadline passes counts as cancelled, from the
 * moment on at which somebody governed by it waits or asks. So it needs no timer: each
 * blocking call that observes cancellation waits until the token's deadline at the
 * latest, then cancels the token and returns -ECANCELED, also if its own deadline is the
 * same; who waits for the token itself finds it cancelled then. A child has its parent's
 * deadline if that comes first. In ns, as weft_now() counts; 0 and WEFT_NEVER are no
 * deadline, below 0 it has passed. Any thread; takes a short lock of the token's tree. */
WEFT_API void weft_token_init_until(weft_token *token, weft_token *parent, int64_t deadline);

/* The deadline that governs it, in ns, WEFT_NEVER if none; and whether it was cancelled
 * by its own deadline, which of several tokens with the same one is the outermost's. Any
 * thread; the second takes a short lock of the token's tree. */
WEFT_API int64_t weft_token_deadline(const weft_token *token);
WEFT_API bool weft_token_expired(weft_token *token);

/* Ends the token's life; it must have no children and nobody may wait for it,
 * else the program stops with a sentence. Waits for a weft_token_cancel() that is
 * under way; not needed for a token without parent when there can be none. Who
 * returns from weft_token_wait_until() with 0 may free the token at once. */
WEFT_API void weft_token_fini(weft_token *token);

/* Cancels the token and all below it; again is harmless. Any thread. Blocks
 * only for short internal locks. */
WEFT_API void weft_token_cancel(weft_token *token);

/* Whether it is cancelled; what happened before the cancel is visible then. One load: it
 * does not look at the clock, as weft_cancelled() does. */
WEFT_API bool weft_token_cancelled(const weft_token *token);

/* Waits for the cancellation: 0, or -ETIMEDOUT, or -ECANCELED when the caller's
 * own scope is cancelled first. */
WEFT_API WEFT_NODISCARD int weft_token_wait_until(weft_token *token, int64_t deadline);

/* A select case that takes effect once the token is cancelled. */
WEFT_API weft_case weft_case_token(weft_token *token);

/* The token that governs the caller's blocking calls, or NULL; set through
 * weft_scope_open() or by hand. Setting returns the previous one, which the
 * caller restores: bracket-wise, on the same thread. */
WEFT_API weft_token *weft_ambient(void);
WEFT_API weft_token *weft_ambient_set(weft_token *token);

/* Whether the ambient token is cancelled or its deadline has passed: for loops that
 * compute. */
WEFT_API bool weft_cancelled(void);

WEFT_END_DECLS

#endif
