/* SPDX-License-Identifier: MIT */
/*
 * A mutex of eight bytes; all-zero is unlocked; nothing to destroy.
 *
 * Newcomers may overtake ("barging"), which keeps a busy lock fast; a waiter
 * that was overtaken for half a millisecond is handed the lock directly, so that
 * nobody waits for ever. It is not recursive. It may be unlocked by another
 * thread than the one that locked it.
 */
#ifndef WEFT_MUTEX_H
#define WEFT_MUTEX_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_mutex {
	weft_waitq queue;
} weft_mutex;

/* clang-format off */
#define WEFT_MUTEX_INIT { { { 0 } } }
/* clang-format on */

/* Waits until the mutex is the caller's. Ignores cancellation: what comes after
 * may rely on holding it. Any thread; blocks. */
WEFT_API void weft_mutex_lock(weft_mutex *mutex);

/* Takes it if it is free. Never blocks. */
WEFT_API WEFT_NODISCARD bool weft_mutex_try_lock(weft_mutex *mutex);

/* Waits at most until the deadline: 0, -ETIMEDOUT, -ECANCELED. */
WEFT_API WEFT_NODISCARD int weft_mutex_lock_until(weft_mutex *mutex, int64_t deadline);

/* Gives it up. The mutex may be freed by the next holder as soon as that one
 * has it: unlock touches it for the last time when it lets it go. Stops the
 * program when the mutex is not locked. */
WEFT_API void weft_mutex_unlock(weft_mutex *mutex);

/* Whether somebody holds it just now: for assertions. */
WEFT_API bool weft_mutex_is_locked(const weft_mutex *mutex);

/* A select case that takes effect by locking the mutex. */
WEFT_API weft_case weft_case_lock(weft_mutex *mutex);

WEFT_END_DECLS

#endif
