/* SPDX-License-Identifier: MIT */
/*
 * Something that is done once, by whoever comes first, while the others wait.
 * Eight bytes, all-zero is "not done", nothing to destroy.
 */
#ifndef WEFT_ONCE_H
#define WEFT_ONCE_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_once {
	weft_waitq queue;
} weft_once;

/* clang-format off */
#define WEFT_ONCE_INIT { { { 0 } } }
/* clang-format on */

/* 0 for success, else -errno. */
typedef int (*weft_once_fn)(void *arg);

/* Runs fn(arg) unless a run has succeeded before; if another thread is at it,
 * waits for the outcome. Returns 0 once it is done, with everything that fn did
 * visible. If fn fails, its error goes to the caller that ran it, and the next
 * caller (or one of those who wait) tries anew. -ECANCELED when the scope is
 * cancelled while waiting. Calling it from inside fn deadlocks: do not. */
WEFT_API WEFT_NODISCARD int weft_once_call(weft_once *once, weft_once_fn fn, void *arg);

/* Whether it is done; one load. */
WEFT_API bool weft_once_done(const weft_once *once);

WEFT_END_DECLS

#endif
