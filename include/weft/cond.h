/* SPDX-License-Identifier: MIT */
/*
 * Condition variable, to be used with weft_mutex; eight bytes, all-zero is
 * ready for use, nothing to destroy.
 *
 *     weft_mutex_lock(&m);
 *     while (!ready)
 *         weft_cond_wait(&c, &m);
 *     weft_mutex_unlock(&m);
 *
 * Wakes may be spurious: test the condition in a loop. A notification reaches a
 * waiter that began to wait before it, and is not lost to one that times out.
 */
#ifndef WEFT_COND_H
#define WEFT_COND_H

#include <weft/mutex.h>

WEFT_BEGIN_DECLS

typedef struct weft_cond {
	weft_waitq queue;
} weft_cond;

/* clang-format off */
#define WEFT_COND_INIT { { { 0 } } }
/* clang-format on */

/* Unlocks the mutex, waits for a notification, locks it again: the first two are
 * one step. 0, or -ECANCELED when the scope was cancelled; the mutex is held on
 * return in every case. */
WEFT_API int weft_cond_wait(weft_cond *cond, weft_mutex *mutex);

/* The same with a deadline: also -ETIMEDOUT. */
WEFT_API WEFT_NODISCARD int weft_cond_wait_until(weft_cond *cond, weft_mutex *mutex,
						 int64_t deadline);

/* Wakes one waiter, or all that wait now; returns how many were woken. The
 * mutex need not be held. Any thread; never blocks for long. */
WEFT_API int weft_cond_notify_one(weft_cond *cond);
WEFT_API int weft_cond_notify_all(weft_cond *cond);

WEFT_END_DECLS

#endif
