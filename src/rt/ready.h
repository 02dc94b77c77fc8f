/* SPDX-License-Identifier: MIT */
/*
 * What worker.c needs of ready.c: making fibers runnable, on their worker's thread.
 */
#ifndef WEFT_RT_READY_H
#define WEFT_RT_READY_H

#include "rt/rt.h"

static inline struct weft__rt_worker *weft__fiber_home(struct weft_fiber *fiber)
{
	return weft_load_relaxed(&fiber->home);
}

/* To the end of what has begun and can go on. */
static inline void weft__ready_push(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	weft__fifo_push(&w->ready, &fiber->node);
	w->ready_count++;
}

/* Into the ring, or with half of the ring into the injector. */
void weft__ready_ring(struct weft__rt_worker *w, struct weft_fiber *fiber);

/* Makes runnable who was woken by others: what was taken out of the inbox, or what is in
 * it now. */
void weft__ready_sort(struct weft__rt_worker *w, struct weft__fifo_node *node);
static inline void weft__ready_look(struct weft__rt_worker *w)
{
	if (weft__inbox_filled(&w->inbox))
		weft__ready_sort(w, weft__inbox_empty(&w->inbox));
}

/* The wake of a fiber's parker; any thread. */
void weft__ready_wake(struct weft__parker *parker);

#endif
