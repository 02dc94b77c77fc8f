/* SPDX-License-Identifier: MIT */
/*
 * The census of idle workers: who wakes whom when there is work that any worker may
 * do. (What only one may do comes by its inbox or its poller, which rouse it.)
 *
 * A worker without work is *searching*: it looks at all rings and at the injector,
 * for a while. Then it lies down: sets its bit in `asleep`, is not searching any more,
 * looks at everything once more, and sleeps. Who has made work wakes one sleeper if
 * nobody is searching. Clearing the bit is the right to wake, and whoever clears it
 * counts the sleeper as searching on its behalf, so that ten pieces of work in a row
 * do not wake ten workers for the first. In return, the last searcher who finds
 * something looks whether there is more, and wakes the next.
 *
 * idle.1  work is made by a read-modify-write (or a flag is raised by one), then the
 *         census is read; a worker lies down by read-modify-writes, then reads rings,
 *         injector and flags. All are seq_cst: one of the two sees the other.
 */
#ifndef WEFT_RT_IDLE_H
#define WEFT_RT_IDLE_H

#include "sys/sys.h"

enum { WEFT__RT_WORKERS_MOST = 256, WEFT__IDLE_WORDS = WEFT__RT_WORKERS_MOST / 64 };

struct weft__idle {
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u32 searching;
	weft_atomic_u64 asleep[WEFT__IDLE_WORDS];
	unsigned words;
	/* Has the worker with that index return from its sleep. */
	void (*rouse)(struct weft__idle *idle, unsigned index);
};

void weft__idle_init(struct weft__idle *idle, unsigned workers,
		     void (*rouse)(struct weft__idle *idle, unsigned index));

/* Wakes one sleeper, whoever is searching. True if there was one. */
bool weft__idle_wake(struct weft__idle *idle);

/* After work was made by a seq_cst read-modify-write. */
static inline void weft__idle_announce(struct weft__idle *idle)
{
	if (weft_load_seq_cst(&idle->searching) == 0) /* idle.1 */
		(void)weft__idle_wake(idle);
}

void weft__idle_search(struct weft__idle *idle);

/* The searcher has found something. True: it was the last one, and must wake another
 * if there is more. */
bool weft__idle_found(struct weft__idle *idle);

/* From searching to asleep; then the worker looks once more at everything. */
void weft__idle_lie_down(struct weft__idle *idle, unsigned index);

/* The worker is awake. True if somebody has woken it by the census: it is searching.
 * False: it is neither. */
bool weft__idle_get_up(struct weft__idle *idle, unsigned index);

/* How many are asleep: about. */
unsigned weft__idle_asleep(const struct weft__idle *idle);

#endif
