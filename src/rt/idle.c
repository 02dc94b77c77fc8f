/* SPDX-License-Identifier: MIT */
/*
 * The census of idle workers; idle.h says how it works and why no wake is lost.
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

	return weft_and_seq_cst(&idle->asleep[index / 64], ~bit) & bit; /* idle.1 */
}

bool weft__idle_wake(struct weft__idle *idle)
{
	for (unsigned i = 0; i < idle->words; i++) {
		uint64_t set = weft_load_seq_cst(&idle->asleep[i]); /* idle.1 */

		for (; set; set &= set - 1) {
			unsigned index = i * 64 + (unsigned)__builtin_ctzll(set);

			if (asleep_clear(idle, index)) {
				weft_add_seq_cst(&idle->searching, 1); /* idle.1 */
				idle->rouse(idle, index);
				return true;
			}
		}
	}
	return false;
}

void weft__idle_search(struct weft__idle *idle)
{
	weft_add_seq_cst(&idle->searching, 1); /* idle.1 */
}

bool weft__idle_found(struct weft__idle *idle)
{
	return weft_sub_seq_cst(&idle->searching, 1) == 1; /* idle.1 */
}

void weft__idle_lie_down(struct weft__idle *idle, unsigned index)
{
	weft_or_seq_cst(&idle->asleep[index / 64], UINT64_C(1) << (index % 64)); /* idle.1 */
	weft_sub_seq_cst(&idle->searching, 1);                                   /* idle.1 */
}

bool weft__idle_get_up(struct weft__idle *idle, unsigned index)
{
	return !asleep_clear(idle, index);
}

unsigned weft__idle_asleep(const struct weft__idle *idle)
{
	unsigned count = 0;

	for (unsigned i = 0; i < idle->words; i++)
		count += (unsigned)__builtin_popcountll(weft_load_relaxed(&idle->asleep[i]));
	return count;
}
