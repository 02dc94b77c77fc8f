/* SPDX-License-Identifier: MIT */
/*
 * Wait group: counts work that is under way; waiters wait for zero. All-zero is
 * an empty group; nothing to destroy.
 */
#ifndef WEFT_WAITGROUP_H
#define WEFT_WAITGROUP_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

typedef struct weft_waitgroup {
	weft_atomic_u64 state;
	weft_waitq queue;
} weft_waitgroup;

/* clang-format off */
#define WEFT_WAITGROUP_INIT { { 0 }, { { 0 } } }
/* clang-format on */

/* Adds `count` to what is under way. Before the work is started, and while the
 * group is empty only if no wait is under way. */
WEFT_API void weft_waitgroup_add(weft_waitgroup *group, uint32_t count);

/* One is done; wakes the waiters when it was the last, who may then free the
 * group. Stops the program when none is under way. */
WEFT_API void weft_waitgroup_done(weft_waitgroup *group);

WEFT_API uint32_t weft_waitgroup_count(const weft_waitgroup *group);

/* Waits for zero: 0, -ECANCELED; with a deadline also -ETIMEDOUT. */
WEFT_API WEFT_NODISCARD int weft_waitgroup_wait(weft_waitgroup *group);
WEFT_API WEFT_NODISCARD int weft_waitgroup_wait_until(weft_waitgroup *group, int64_t deadline);

/* A select case that takes effect when the group is empty. */
WEFT_API weft_case weft_case_waitgroup(weft_waitgroup *group);

WEFT_END_DECLS

#endif
