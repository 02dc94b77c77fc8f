/* SPDX-License-Identifier: MIT */
/*
 * Backoff for loops that retry a compare-and-swap or await another thread's next
 * few instructions. Where the wait may be long, wait on an object instead.
 */
#ifndef WEFT_BACKOFF_H
#define WEFT_BACKOFF_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

typedef struct weft_backoff {
	uint32_t step; /* 0 to begin anew */
} weft_backoff;

/* After a lost compare-and-swap: 1, 2, 4, ... up to 64 pauses. */
WEFT_API void weft_backoff_spin(weft_backoff *backoff);

/* While awaiting progress of another thread: pauses at first, then yields the
 * CPU to the system. */
WEFT_API void weft_backoff_snooze(weft_backoff *backoff);

/* Whether it is time to stop and block. */
WEFT_API bool weft_backoff_is_completed(const weft_backoff *backoff);

/* One pause instruction: a few dozen cycles. */
WEFT_API void weft_pause(void);

WEFT_END_DECLS

#endif
