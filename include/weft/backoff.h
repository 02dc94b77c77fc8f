/* SPDX-License-Identifier: MIT */
/*
 * Backoff for loops that retry a compare-and-swap or await another thread's next
 * few instructions. Where the wait may be long, wait on an object instead.
 *
 *     weft_backoff backoff = WEFT_BACKOFF_INIT;
 *     while (!weft_load_acquire(&ready)) {
 *         if (weft_backoff_is_completed(&backoff))
 *             return weft_event_wait(&event);
 *         weft_backoff_snooze(&backoff);
 *     }
 *
 * A backoff is a local of one thread; all-zero begins anew.
 */
#ifndef WEFT_BACKOFF_H
#define WEFT_BACKOFF_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

typedef struct weft_backoff {
	uint32_t step; /* 0 to begin anew */
} weft_backoff;

/* clang-format off */
#define WEFT_BACKOFF_INIT { 0 }
/* clang-format on */

/* After a lost compare-and-swap: 1, 2, 4, ... up to 64 pauses. Never enters the
 * system, and is never completed by this alone. */
WEFT_API void weft_backoff_spin(weft_backoff *backoff);

/* While awaiting progress of another thread: 1, 2, 4, ... 64 pauses at first, then
 * yields the CPU to the system. */
WEFT_API void weft_backoff_snooze(weft_backoff *backoff);

/* Whether it is time to stop and block: after a few yields. */
WEFT_API bool weft_backoff_is_completed(const weft_backoff *backoff);

/* One pause instruction: a few dozen cycles. */
WEFT_API void weft_pause(void);

WEFT_END_DECLS

#endif
