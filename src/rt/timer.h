/* SPDX-License-Identifier: MIT */
/*
 * The timer wheel: very many deadlines of one owner.
 *
 * A plain data structure. Each worker has one, and only the worker's thread
 * touches it, so arming and disarming a timer take no lock and no atomic
 * operation; both are O(1) and neither allocates, as the node is the caller's.
 *
 * Time is counted in ticks of 2^shift nanoseconds. A deadline is rounded up to a
 * tick, so that no timer fires early, and fires when the clock has reached that
 * tick: late by less than a tick and by what the caller takes to look. Ticks are
 * 65.5 us in a wheel for the real clock, which lets the wakes of a moment come
 * together, and 1 ns in an exact one, for virtual time. Timers of one tick fire in
 * the order in which they were added; an earlier tick always fires first.
 */
#ifndef WEFT_RT_TIMER_H
#define WEFT_RT_TIMER_H

#include "base/list.h"
#include "weft/base.h"

/* All zeros is a timer that is not armed. While it is armed it stays where it is,
 * and `deadline` and `fire` do not change. */
struct weft__timer {
	struct weft__list_node node;
	int64_t deadline;
	/* Called by weft__wheel_advance() once the timer is out of the wheel. It may
	 * free the timer, and add and remove this and other timers. */
	void (*fire)(struct weft__timer *timer);
};

enum {
	WEFT__WHEEL_TICK_SHIFT = 16,
	WEFT__WHEEL_DIGIT = 8, /* bits of a tick's number that a level looks at */
	WEFT__WHEEL_SLOTS = 1 << WEFT__WHEEL_DIGIT,
	WEFT__WHEEL_WORDS = WEFT__WHEEL_SLOTS / 64,
	WEFT__WHEEL_LEVELS = 8, /* 63 bits, for ticks of 1 ns */
};

struct weft__wheel {
	int64_t soonest; /* before this moment there is nothing to do */
	uint64_t tick;   /* the last one that was dealt with */
	unsigned shift;
	uint32_t levels;                   /* bit L: level L has an occupied slot, */
	uint8_t words[WEFT__WHEEL_LEVELS]; /* bit W: in word W of these */
	uint64_t occupied[WEFT__WHEEL_LEVELS][WEFT__WHEEL_WORDS];
	struct weft__list due;    /* for the next advance */
	struct weft__list firing; /* of the advance under way */
	struct weft__list slots[WEFT__WHEEL_LEVELS][WEFT__WHEEL_SLOTS];
};

void weft__wheel_init(struct weft__wheel *wheel, int64_t now);
void weft__wheel_init_exact(struct weft__wheel *wheel, int64_t now);

/* Arms a timer that is not armed; its deadline is not WEFT_NEVER. One that has
 * passed is due at the next advance. */
void weft__wheel_add(struct weft__wheel *wheel, struct weft__timer *timer);

/* Disarms a timer that is armed in this wheel: it will not fire. */
void weft__wheel_remove(struct weft__wheel *wheel, struct weft__timer *timer);

static inline bool weft__timer_armed(const struct weft__timer *timer)
{
	return weft__list_linked(&timer->node);
}

/* Whether an advance could do anything by now: one comparison, for loops that look
 * often. May be true in vain. */
static inline bool weft__wheel_due(const struct weft__wheel *wheel, int64_t now)
{
	return WEFT_UNLIKELY(now >= wheel->soonest);
}

/* How long the owner may sleep: no timer fires before this moment, and an advance
 * at it fires one or brings the answer nearer to the first. WEFT_NEVER when no
 * timer is armed. */
int64_t weft__wheel_next(const struct weft__wheel *wheel);

/* Fires what is due at `now`, and returns how many. What is added meanwhile waits
 * for the next call even if it is due, so that a timer that arms itself again in
 * the past cannot keep its owner here. A `now` before that of an earlier call
 * counts as that one's. */
int weft__wheel_advance(struct weft__wheel *wheel, int64_t now);

#endif
