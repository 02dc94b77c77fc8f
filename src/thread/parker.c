/* SPDX-License-Identifier: MIT */
/*
 * Parkers of the user's: a permit, for one party that parks.
 *
 * The permit is bit A of a queue's word. Unpark sets it and notifies, park takes it: it
 * never travels with the wake, so a park that times out has neither lost nor doubled it.
 *
 * permit.1  setting the permit releases, taking it acquires. Setting is a
 *           read-modify-write even if the permit is there already: the taker sees
 *           what came before each unpark.
 */
#include "weft/parker.h"

#include "wait/wait.h"

#define PERMIT ((uintptr_t)WEFT__A)

static bool permit_ready(const weft_case *c)
{
	const weft_parker *p = c->object;

	return weft_load_relaxed(&p->queue.word) & PERMIT;
}

static bool permit_attempt(weft_case *c)
{
	weft_parker *p = c->object;

	c->result = 0;
	/* Only the owner takes it: what it sees stays. */
	if (!permit_ready(c))
		return false;
	weft_and_acquire(&p->queue.word, ~PERMIT); /* permit.1 */
	return true;
}

static bool permit_enqueue(weft_case *c)
{
	weft_parker *p = c->object;
	weft_case *head = weft__waitq_lock(&p->queue);
	bool none = !permit_ready(c);

	if (none)
		head = weft__cases_push(head, c);
	weft__waitq_unlock(&p->queue, head, 0, 0);
	return none;
}

static void permit_dequeue(weft_case *c)
{
	weft_parker *p = c->object;

	weft__waitq_cancel(&p->queue, c);
}

static const struct weft_source permit_source = {
	.name = "permit",
	.attempt = permit_attempt,
	.ready = permit_ready,
	.enqueue = permit_enqueue,
	.dequeue = permit_dequeue,
};

weft_case weft_case_parker(weft_parker *parker)
{
	return weft__case_make(&permit_source, parker, NULL);
}

int weft_parker_park(weft_parker *parker)
{
	return weft_parker_park_until(parker, WEFT_NEVER);
}

int weft_parker_park_until(weft_parker *parker, int64_t deadline)
{
	weft_case c = weft_case_parker(parker);

	return weft__block_one(&c, deadline, 0);
}

void weft_parker_unpark(weft_parker *parker)
{
	uintptr_t word = weft_load_relaxed(&parker->queue.word);
	struct weft__wakes wakes;
	weft_case *head;
	bool woken;

	while (!(word & ~PERMIT))
		if (weft_cas_weak_release(&parker->queue.word, &word, PERMIT)) /* permit.1 */
			return;
	weft__wakes_init(&wakes);
	head = weft__waitq_lock(&parker->queue);
	head = weft__notify_one(head, &wakes, &woken);
	weft__waitq_unlock(&parker->queue, head, PERMIT, 0); /* permit.1 */
	weft__wakes_fire(&wakes);
}
