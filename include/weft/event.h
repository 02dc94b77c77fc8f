/* SPDX-License-Identifier: MIT */
/*
 * An event with manual reset: set or not set, and those who wait until it is.
 * Eight bytes, all-zero is not set, nothing to destroy.
 */
#ifndef WEFT_EVENT_H
#define WEFT_EVENT_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_event {
	weft_waitq queue;
} weft_event;

/* clang-format off */
#define WEFT_EVENT_INIT { { { 0 } } }
/* clang-format on */

/* Sets it and wakes all who wait; what the caller did before is visible to them.
 * Whoever returns from a wait may free the event at once. Any thread. */
WEFT_API void weft_event_set(weft_event *event);

/* Back to not set; who has been woken stays woken. */
WEFT_API void weft_event_reset(weft_event *event);

WEFT_API bool weft_event_is_set(const weft_event *event);

/* Waits until it is set: 0, -ECANCELED; with a deadline also -ETIMEDOUT. */
WEFT_API WEFT_NODISCARD int weft_event_wait(weft_event *event);
WEFT_API WEFT_NODISCARD int weft_event_wait_until(weft_event *event, int64_t deadline);

/* A select case that takes effect while the event is set. */
WEFT_API weft_case weft_case_event(weft_event *event);

WEFT_END_DECLS

#endif
