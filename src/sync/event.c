/* SPDX-License-Identifier: MIT */
/*
 * The event: bit A of the queue's word is SET.
 *
 * Whoever queues up looks at SET under the lock; whoever sets it does so in the
 * step that unlocks the queue, or in one step that saw neither lock nor waiters.
 * That step is its last touch: a waiter may free the event at once.
 *
 * event.1  set releases, a wait that sees SET acquires. Setting is a
 *          read-modify-write even if SET is there already: a second set must
 *          extend the release sequence of the first.
 */
#include "weft/event.h"

#include <errno.h>

#include "sync/sync.h"
#include "wait/wait.h"

#define SET ((uintptr_t)WEFT__A)

void weft_event_set(weft_event *event)
{
	uintptr_t word = weft_load_relaxed(&event->queue.word);
	struct weft__wakes wakes;

	while (!(word & ~SET))
		if (weft_cas_weak_release(&event->queue.word, &word, SET)) /* event.1 */
			return;
	weft__wakes_init(&wakes);
	weft__win_all(weft__waitq_lock(&event->queue), &wakes, 0, 0);
	weft__waitq_unlock(&event->queue, NULL, SET, 0); /* event.1 */
	weft__wakes_fire(&wakes);
}

void weft_event_reset(weft_event *event)
{
	weft_and_relaxed(&event->queue.word, ~SET);
}

bool weft_event_is_set(const weft_event *event)
{
	return weft_load_acquire(&event->queue.word) & SET; /* event.1 */
}

static bool event_ready(const weft_case *c)
{
	return weft_event_is_set(c->object);
}

static bool event_attempt(weft_case *c)
{
	c->result = 0;
	return weft_event_is_set(c->object);
}

static bool event_enqueue(weft_case *c)
{
	weft_event *event = c->object;
	weft_case *head = weft__waitq_lock(&event->queue);
	bool open = !weft_event_is_set(event);

	if (open)
		head = weft__cases_push(head, c);
	weft__waitq_unlock(&event->queue, head, 0, 0);
	return open;
}

static void event_dequeue(weft_case *c)
{
	weft_event *event = c->object;

	weft__waitq_cancel(&event->queue, c);
}

static const struct weft_source event_source = {
	.name = "event",
	.attempt = event_attempt,
	.ready = event_ready,
	.enqueue = event_enqueue,
	.dequeue = event_dequeue,
};

weft_case weft_case_event(weft_event *event)
{
	return weft__case_make(&event_source, event, NULL);
}

int weft_event_wait(weft_event *event)
{
	return weft_event_wait_until(event, WEFT_NEVER);
}

int weft_event_wait_until(weft_event *event, int64_t deadline)
{
	weft_case c = weft_case_event(event);

	return weft__block_one(&c, deadline, 0);
}

void weft__event_await(weft_event *event)
{
	weft_case c = weft_case_event(event);

	(void)weft__block_one(&c, WEFT_NEVER, WEFT__UNCANCELLABLE);
}
