/* SPDX-License-Identifier: MIT */
/*
 * Deterministic mode: the same seed, the same run.
 *
 * One worker, whose generator decides everything that is left to chance: which of the
 * fibers that could run does, where the ring's and the injector's fibers come in, how
 * a select shuffles its cases, and when a fiber that need not wait lets others run
 * nevertheless. Different seeds are different schedules, so a scenario that is run
 * with ten thousand of them has been seen in many of its ways to go, and one that
 * fails can be run again.
 *
 * Time is a number of the worker's. While anything can run it stands still; when
 * nothing can, it jumps to the next timer. So time-outs of hours are tested at once,
 * and whether a deadline comes before or after something else depends on the seed and
 * not on how busy the machine is. Timers have a wheel with ticks of 1 ns, and fire in
 * the order of their deadlines.
 *
 * What comes from outside is outside of this: other threads that wake fibers, and
 * descriptors of the system. The system is asked once before each jump.
 */
#include "rt/poller.h"
#include "rt/rt.h"

/* Not 0, which means "do not wait", and round, so that it can be read in a log. */
#define DAWN (1000 * WEFT_SECOND)

/* Of more fibers than this that could run, the seed chooses among the first. */
enum { CHOICES_MOST = 64 };

void weft__virtual_begin(struct weft__rt_worker *w)
{
	w->now = DAWN;
	weft__wheel_init_exact(&w->wheel, w->now);
	weft__clock_install(&w->now);
}

void weft__virtual_end(void)
{
	weft__clock_install(NULL);
}

static void gather(struct weft__rt_worker *w)
{
	struct weft__fifo_node *node;

	if (w->next) {
		weft__fifo_push(&w->ready, &w->next->node);
		w->ready_count++;
		w->next = NULL;
	}
	while ((node = weft__deals_pop(&w->ring, w->shared))) {
		weft__fifo_push(&w->ready, node);
		w->ready_count++;
	}
}

struct weft_fiber *weft__virtual_pick(struct weft__rt_worker *w)
{
	uint32_t choices, skip;

	gather(w);
	if (w->ready_count == 0)
		return NULL;
	choices = w->ready_count < CHOICES_MOST ? w->ready_count : CHOICES_MOST;
	for (skip = weft__rng_below(&w->rng, choices); skip > 0; skip--)
		weft__fifo_push(&w->ready, weft__fifo_pop(&w->ready));
	w->ready_count--;
	return weft__fiber_of_node(weft__fifo_pop(&w->ready));
}

bool weft__virtual_jump(struct weft__rt_worker *w)
{
	int64_t next = weft__wheel_next(&w->wheel);

	if (next == WEFT_NEVER)
		return false;
	if (weft__poller_wait(w->poller, 0) == 0 && next > w->now)
		w->now = next;
	return true;
}
