/* SPDX-License-Identifier: MIT */
/*
 * The census of idle workers; idle.h says how it works and why no wake is lost.
 *
 * left.1  leaving releases, seeing that all have left acquires.
 */
#include "rt/idle.h"

void weft__idle_init(struct weft__idle *idle, unsigned workers,
		     void (*rouse)(struct weft__idle *idle, unsigned index))
{
	*idle = (struct weft__idle){ .words = (workers + 63) / 64, .rouse = rouse };
}

/* True if the caller is the one who cleared the bit. */
static bool asleep_clear(struct weft__idle *idle, unsigned index)
{
	uint64_t bit = UINT64_C(1) << (index % 64);

	return weft_and_relaxed(&idle->asleep[index / 64], ~bit) & bit;
}

bool weft__idle_wake(struct weft__idle *idle)
{
	for (unsigned i = 0; i < idle->words; i++) {
		uint64_t set = weft_load_relaxed(&idle->asleep[i]);

		for (; set; set &= set - 1) {
			unsigned index = i * 64 + (unsigned)__builtin_ctzll(set);

			if (asleep_clear(idle, index)) {
				weft_add_relaxed(&idle->searching, 1);
				idle->rouse(idle, index);
				return true;
			}
		}
	}
	return false;
}

void weft__idle_search(struct weft__idle *idle)
{
	weft_add_relaxed(&idle->searching, 1);
}

bool weft__idle_found(struct weft__idle *idle)
{
	return weft_sub_seq_cst(&idle->searching, 1) == 1; /* idle.1 */
}

/* From searching to asleep. */
static void lie_down(struct weft__idle *idle, unsigned index)
{
	/* Who sees that it does not search any more sees that it sleeps. */
	weft_or_relaxed(&idle->asleep[index / 64], UINT64_C(1) << (index % 64));
	weft_sub_seq_cst(&idle->searching, 1); /* idle.1 */
}

bool weft__idle_sleep(struct weft__idle *idle, unsigned index, struct weft__inbox *inbox,
		      const struct weft__bed *bed, struct weft__fifo_node **chain)
{
	*chain = NULL;
	if (!weft__inbox_sleep(inbox))
		return false;
	lie_down(idle, index);
	if (!bed->wanted(bed->context))
		bed->sleep(bed->context);
	/* If its bit is gone, who has cleared it has counted it. */
	if (asleep_clear(idle, index))
		weft__idle_search(idle);
	return weft__inbox_get_up(inbox, chain);
}

unsigned weft__idle_asleep(const struct weft__idle *idle)
{
	unsigned count = 0;

	for (unsigned i = 0; i < idle->words; i++)
		count += (unsigned)__builtin_popcountll(weft_load_relaxed(&idle->asleep[i]));
	return count;
}

void weft__leave(weft_atomic_u32 *count)
{
	if (weft_add_release(count, 2) & WEFT__LEAVING) /* left.1 */
		weft__futex_wake(count, 1);
}

void weft__await_left(weft_atomic_u32 *count, uint32_t due)
{
	uint32_t now = weft_or_acquire(count, WEFT__LEAVING) | WEFT__LEAVING; /* left.1 */

	while (now != (due << 1 | WEFT__LEAVING)) {
		weft__futex_wait(count, now, WEFT_NEVER);
		now = weft_load_acquire(count); /* left.1 */
	}
}
