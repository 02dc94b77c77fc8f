/* SPDX-License-Identifier: MIT */
/*
 * How a fiber becomes runnable: it is offered, or woken by its own worker, by another
 * thread through the home's inbox, or by a cancellation. worker.c says what the states
 * of its parker's token mean, and what runs next.
 */
#include "rt/ready.h"

#include "rt/poller.h"

static void announce(struct weft__rt_worker *w)
{
	if (w->shared)
		weft__idle_announce(&w->runtime->idle);
}

void weft__ready_ring(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	if (!weft__deals_push(&w->ring, &fiber->node, w->shared)) {
		struct weft__fifo chain = { 0 };
		unsigned count = weft__deals_take(&w->ring, &chain);

		weft__fifo_push(&chain, &fiber->node);
		weft__injector_push(&w->runtime->injector, w->index, &chain, count + 1);
	}
	announce(w);
}

/* A fiber of this home has been woken: by the fiber that runs, or by others. */
static void woken(struct weft__rt_worker *w, struct weft_fiber *fiber, bool by_current)
{
	uint32_t before = weft_load_relaxed(&fiber->parker.token);

	weft_store_relaxed(&fiber->parker.token, WEFT__WOKEN);
	if (before != WEFT__PARKED)
		return;
	if (weft__timer_armed(&fiber->timer))
		weft__wheel_remove(&w->wheel, &fiber->timer);
	/* One that has not left its stack yet cannot migrate. */
	if (WEFT_UNLIKELY(fiber->migrate) && fiber != w->current) {
		weft__list_remove(&fiber->among);
		weft__ready_ring(w, fiber);
	} else if (by_current && !w->next) {
		w->next = fiber;
	} else {
		weft__ready_push(w, fiber);
	}
}

void weft__ready_sort(struct weft__rt_worker *w, struct weft__fifo_node *node)
{
	struct weft__fifo_node *oldest = NULL;

	while (node) {
		struct weft__fifo_node *older = node->next;

		node->next = oldest;
		oldest = node;
		node = older;
	}
	while (oldest) {
		struct weft__fifo_node *younger = oldest->next;

		woken(w, weft_container_of(oldest, struct weft_fiber, wake), false);
		oldest = younger;
	}
}

void weft__ready_wake(struct weft__parker *parker)
{
	struct weft_fiber *fiber = weft_container_of(parker, struct weft_fiber, parker);
	struct weft__rt_worker *home = weft__fiber_home(fiber), *w = weft__rt_worker_self();

	if (w == home) {
		woken(w, fiber, w->current != NULL);
		return;
	}
	if (w)
		weft__rt_count(&w->counters.wakes);
	/* Neither the fiber nor, unless it is to be roused, its home is touched again. */
	if (weft__inbox_push(&home->inbox, &fiber->wake)) {
		weft__poller_wake(home->poller);
		weft__leave(&home->roused);
	}
}

void weft__rt_worker_cancel(struct weft__rt_worker *w)
{
	struct weft__list_node *node = weft__list_first(&w->fibers), *after;

	for (; node; node = after) {
		struct weft_fiber *fiber = weft_container_of(node, struct weft_fiber, among);

		after = weft__list_next(&w->fibers, node);
		if (weft_load_relaxed(&fiber->parker.token) == WEFT__PARKED &&
		    weft__wait_cancel(fiber->parker.wait))
			woken(w, fiber, false);
	}
}

void weft__rt_worker_rouse(struct weft__rt_worker *w)
{
	if (weft__inbox_rouse(&w->inbox)) {
		weft__poller_wake(w->poller);
		weft__leave(&w->roused);
	}
}

void weft__fiber_offer(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	/* Rather than let the ring run over, its fibers go first: what they use is then
	 * used again by the next ones. */
	if (w->current && weft__deals_count(&w->ring) >= WEFT__DEALS) {
		struct weft_fiber *current = w->current;

		weft__fiber_yield(current);
		w = weft__fiber_home(current);
	}
	weft__ready_ring(w, fiber);
}

void weft__fiber_inject(weft_runtime *runtime, struct weft_fiber *fiber)
{
	struct weft__fifo chain = { 0 };

	weft__fifo_push(&chain, &fiber->node);
	weft__injector_push(&runtime->injector, weft_add_relaxed(&runtime->turn, 1), &chain, 1);
	weft__idle_announce(&runtime->idle);
}
