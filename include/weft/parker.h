/* SPDX-License-Identifier: MIT */
/*
 * A parker: a permit that one party waits for and others leave. What weft_thread_park()
 * is to a thread, as an object of its own: for a fiber, for one of several things that a
 * thread waits for, or where handles of threads are not at hand. All-zero has no permit;
 * nothing to destroy.
 */
#ifndef WEFT_PARKER_H
#define WEFT_PARKER_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_parker {
	weft_waitq queue;
} weft_parker;

/* clang-format off */
#define WEFT_PARKER_INIT { { { 0 } } }
/* clang-format on */

/* Waits for the permit and takes it: 0, -ECANCELED; with a deadline also -ETIMEDOUT. A
 * permit that is there is taken even so. Never returns 0 without a permit. What was done
 * before any unpark until then is visible. One party at a time. */
WEFT_API WEFT_NODISCARD int weft_parker_park(weft_parker *parker);
WEFT_API WEFT_NODISCARD int weft_parker_park_until(weft_parker *parker, int64_t deadline);

/* Leaves one permit, at most one, and wakes the party that waits for it. Any thread;
 * never blocks. The parker must live until it returns. */
WEFT_API void weft_parker_unpark(weft_parker *parker);

/* A select case that takes effect by taking the permit. */
WEFT_API weft_case weft_case_parker(weft_parker *parker);

WEFT_END_DECLS

#endif
