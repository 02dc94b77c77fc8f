/* SPDX-License-Identifier: MIT */
/*
 * Counting semaphore; all-zero has no permits; nothing to destroy.
 *
 * Permits go to waiters in the order of arrival. A newcomer may overtake while
 * permits are there; once a waiter was passed over about thirty times, nobody
 * overtakes it any more, so that large requests do not starve.
 */
#ifndef WEFT_SEMAPHORE_H
#define WEFT_SEMAPHORE_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_semaphore {
	weft_atomic_u64 state;
	weft_waitq queue;
} weft_semaphore;

/* Most permits that a semaphore can hold. */
#define WEFT_SEMAPHORE_MAX UINT32_MAX

/* clang-format off */
#define WEFT_SEMAPHORE_INIT { { 0 }, { { 0 } } }
/* clang-format on */

/* A semaphore with `permits` permits. */
WEFT_API void weft_semaphore_init(weft_semaphore *semaphore, uint32_t permits);

/* Takes `count` permits, all at once: 0, -ECANCELED; with a deadline also
 * -ETIMEDOUT; try: whether it got them, which may fail while permits are on their
 * way to a waiter that has just given up. Zero permits are always there. */
WEFT_API WEFT_NODISCARD int weft_semaphore_acquire(weft_semaphore *semaphore, uint32_t count);
WEFT_API WEFT_NODISCARD int weft_semaphore_acquire_until(weft_semaphore *semaphore, uint32_t count,
							 int64_t deadline);
WEFT_API WEFT_NODISCARD bool weft_semaphore_try_acquire(weft_semaphore *semaphore, uint32_t count);

/* Adds `count` permits and wakes those whom they satisfy. Any thread. Who acquires
 * the last permit that was to come may free the semaphore at once. Stops the
 * program when the total would pass WEFT_SEMAPHORE_MAX. */
WEFT_API void weft_semaphore_release(weft_semaphore *semaphore, uint32_t count);

/* Permits there just now: a hint. */
WEFT_API uint32_t weft_semaphore_permits(const weft_semaphore *semaphore);

/* A select case that takes effect by taking `count` permits. */
WEFT_API weft_case weft_case_acquire(weft_semaphore *semaphore, uint32_t count);

WEFT_END_DECLS

#endif
