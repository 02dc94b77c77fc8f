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
 * idle.1  work is made by a read-modify-write, then the number of searchers is read; a
 *         worker stops searching by a read-modify-write, then reads rings and injector.
 *         All are seq_cst: one of the two sees the other. The same with flags that are
 *         raised before a worker is roused, by the word of its inbox (inbox.2).
 */
#ifndef WEFT_RT_IDLE_H
#define WEFT_RT_IDLE_H

#include "rt/inbox.h"
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

/* What a worker does about its sleep. */
struct weft__bed {
	/* The last look at all that does not come by the inbox; true: it must not sleep. */
	bool (*wanted)(void *context);
	/* Sleeps until it is roused; may return early. */
	void (*sleep)(void *context);
	void *context;
};

/* A searcher with nothing in its inbox sleeps until there may be something to do, and
 * searches again; *chain is what has come into its inbox. True if somebody has taken
 * the duty to rouse it, who then is through with weft__leave(). */
bool weft__idle_sleep(struct weft__idle *idle, unsigned index, struct weft__inbox *inbox,
		      const struct weft__bed *bed, struct weft__fifo_node **chain);

/* How many are asleep: about. */
unsigned weft__idle_asleep(const struct weft__idle *idle);

/* Counts of those who are through: leaving is their last touch; the one who waits for
 * them sets LEAVING and waits until `due` have left. */
enum { WEFT__LEAVING = 1 };
void weft__leave(weft_atomic_u32 *count);
void weft__await_left(weft_atomic_u32 *count, uint32_t due);

#endif
