/* SPDX-License-Identifier: MIT */
/*
 * The timer wheel, hierarchical as in Varghese and Lauck, "Hashed and hierarchical
 * timing wheels" (SOSP 1987).
 *
 * Written in base 256, the tick of a timer and the wheel's own tick agree in their
 * leading digits. The first digit in which they differ, counted from the right,
 * is the timer's level, and the tick's digit there its slot. So
 *
 *   - all occupied slots of a level lie after the wheel's own digit there: nothing
 *     ever wraps round, and the first set bit of a level is its earliest slot;
 *   - all of a level is earlier than all of the levels above it: the first set
 *     bit of the lowest level in use is the earliest slot of the wheel.
 *
 * Advancing takes the earliest slot while its start has been reached: a slot of
 * level 0 is one tick, and due; the timers of a higher slot are distributed over
 * the levels below, now that the wheel's tick agrees with theirs in one digit
 * more. However long the owner slept, slots are taken in the order of time and
 * empty stretches cost nothing. Each list is first in first out, and a slot is
 * distributed before anything can be added below it, hence the order of adding
 * within a tick survives. Levels are wide because each move of a timer from one to
 * the next touches memory that nobody has touched for long: with ticks of 65.5 us, a
 * sleep of up to 4 s is moved once.
 *
 * Lists hang on roots in the wheel, and a list's last node finds its root as both
 * its neighbours: removing needs to know nothing but the node.
 */
#include "rt/timer.h"

#include <string.h>

#include "base/assert.h"

/* ---- ticks and moments ---------------------------------------------------------- */

/* The first tick that does not begin before the moment. */
static uint64_t tick_after(const struct weft__wheel *wheel, int64_t moment)
{
	if (moment <= 0)
		return 0;
	return ((uint64_t)moment + ((UINT64_C(1) << wheel->shift) - 1)) >> wheel->shift;
}

/* The last tick that has begun by the moment. At the clock's end that is the one
 * that would begin just after it, as what is rounded up to it must fire, too. */
static uint64_t tick_before(const struct weft__wheel *wheel, int64_t moment)
{
	if (moment >= WEFT_NEVER - 1)
		return tick_after(wheel, WEFT_NEVER - 1);
	return moment > 0 ? (uint64_t)moment >> wheel->shift : 0;
}

static int64_t moment_of(const struct weft__wheel *wheel, uint64_t tick)
{
	if (tick > (uint64_t)(WEFT_NEVER - 1) >> wheel->shift)
		return WEFT_NEVER - 1;
	return (int64_t)(tick << wheel->shift);
}

static void init(struct weft__wheel *wheel, int64_t now, unsigned shift)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->soonest = WEFT_NEVER;
	wheel->shift = shift;
	wheel->tick = tick_before(wheel, now);
}

void weft__wheel_init(struct weft__wheel *wheel, int64_t now)
{
	init(wheel, now, WEFT__WHEEL_TICK_SHIFT);
}

void weft__wheel_init_exact(struct weft__wheel *wheel, int64_t now)
{
	init(wheel, now, 0);
}

/* ---- slots ------------------------------------------------------------------------ */

/* The earliest occupied slot and the tick at which it begins; false when none is. */
static bool earliest(const struct weft__wheel *wheel, int *level, int *slot, uint64_t *start)
{
	unsigned low;
	int word;

	if (wheel->levels == 0)
		return false;
	*level = __builtin_ctz(wheel->levels);
	word = __builtin_ctz(wheel->words[*level]);
	*slot = word * 64 + __builtin_ctzll(wheel->occupied[*level][word]);
	low = (unsigned)*level * WEFT__WHEEL_DIGIT;
	/* Two shifts: on the highest level all bits go. */
	*start = (wheel->tick >> low >> WEFT__WHEEL_DIGIT << WEFT__WHEEL_DIGIT | (uint64_t)*slot)
		 << low;
	return true;
}

static void vacate(struct weft__wheel *wheel, int level, int slot)
{
	uint64_t *word = &wheel->occupied[level][slot / 64];

	*word &= ~(UINT64_C(1) << slot % 64);
	if (*word == 0)
		wheel->words[level] &= (uint8_t) ~(1u << slot / 64);
	if (wheel->words[level] == 0)
		wheel->levels &= ~(1u << level);
}

/* Links the timer into the list that its tick belongs to now. */
static void place(struct weft__wheel *wheel, struct weft__timer *timer, uint64_t tick)
{
	int level, slot;

	if (tick <= wheel->tick) {
		weft__list_push_back(&wheel->due, &timer->node);
		return;
	}
	level = (63 - __builtin_clzll(tick ^ wheel->tick)) / WEFT__WHEEL_DIGIT;
	slot = tick >> (level * WEFT__WHEEL_DIGIT) & (WEFT__WHEEL_SLOTS - 1);
	weft__list_push_back(&wheel->slots[level][slot], &timer->node);
	wheel->occupied[level][slot / 64] |= UINT64_C(1) << slot % 64;
	wheel->words[level] |= (uint8_t)(1u << slot / 64);
	wheel->levels |= 1u << level;
}

void weft__wheel_add(struct weft__wheel *wheel, struct weft__timer *timer)
{
	uint64_t tick = tick_after(wheel, timer->deadline);
	int64_t moment = moment_of(wheel, tick);

	WEFT__DEBUG_ASSERT(timer->deadline < WEFT_NEVER, "a timer was armed for never");
	WEFT__DEBUG_ASSERT(!weft__timer_armed(timer), "a timer was armed twice");
	place(wheel, timer, tick);
	if (moment < wheel->soonest)
		wheel->soonest = moment;
}

void weft__wheel_remove(struct weft__wheel *wheel, struct weft__timer *timer)
{
	struct weft__list_node *neighbour = timer->node.next;
	const struct weft__list *first = &wheel->slots[0][0];
	const struct weft__list *list = weft_container_of(neighbour, struct weft__list, root);
	uintptr_t offset = (uintptr_t)list - (uintptr_t)first;
	bool alone = neighbour == timer->node.prev;

	WEFT__DEBUG_ASSERT(weft__timer_armed(timer), "a timer was disarmed that is not armed");
	weft__list_remove(&timer->node);
	if (alone && offset < sizeof(wheel->slots)) {
		int place_of = (int)(offset / sizeof(*first));

		vacate(wheel, place_of / WEFT__WHEEL_SLOTS, place_of % WEFT__WHEEL_SLOTS);
	}
}

/* ---- time goes on -------------------------------------------------------------- */

enum { LOOK_MOST = 16 };

/* The first tick of a slot above level 0: exact if the list is short, else that
 * at which the slot begins. A lone timer an hour away thus costs one wake. */
static uint64_t first_tick(const struct weft__wheel *wheel, const struct weft__list *list,
			   uint64_t start)
{
	const struct weft__list_node *node = weft__list_first(list);
	uint64_t first = UINT64_MAX;

	for (int i = 0; node; node = weft__list_next(list, node)) {
		uint64_t tick;

		if (i++ == LOOK_MOST)
			return start;
		tick = tick_after(
			wheel, weft_container_of(node, const struct weft__timer, node)->deadline);
		if (tick < first)
			first = tick;
	}
	return first;
}

int64_t weft__wheel_next(const struct weft__wheel *wheel)
{
	int level, slot;
	uint64_t start;

	if (!weft__list_empty(&wheel->due))
		return moment_of(wheel, wheel->tick);
	if (!earliest(wheel, &level, &slot, &start))
		return WEFT_NEVER;
	if (level > 0)
		start = first_tick(wheel, &wheel->slots[level][slot], start);
	return moment_of(wheel, start);
}

/* Takes the slots that begin by `target`: what is due goes to the end of `due`. */
static void collect(struct weft__wheel *wheel, uint64_t target)
{
	int level, slot;
	uint64_t start;

	while (earliest(wheel, &level, &slot, &start) && start <= target) {
		struct weft__list *list = &wheel->slots[level][slot];
		struct weft__list_node *node;

		vacate(wheel, level, slot);
		wheel->tick = start;
		if (level == 0) {
			weft__list_splice_back(&wheel->due, list);
			continue;
		}
		while ((node = weft__list_pop_front(list))) {
			struct weft__timer *timer = weft_container_of(node, struct weft__timer,
								      node);

			place(wheel, timer, tick_after(wheel, timer->deadline));
		}
	}
	wheel->tick = target;
}

int weft__wheel_advance(struct weft__wheel *wheel, int64_t now)
{
	uint64_t target = tick_before(wheel, now);
	struct weft__list_node *node;
	int fired = 0;

	if (target > wheel->tick)
		collect(wheel, target);
	weft__list_splice_back(&wheel->firing, &wheel->due);
	wheel->soonest = weft__wheel_next(wheel);
	while ((node = weft__list_pop_front(&wheel->firing))) {
		struct weft__timer *timer = weft_container_of(node, struct weft__timer, node);

		fired++;
		timer->fire(timer);
	}
	return fired;
}
