/* SPDX-License-Identifier: MIT */
/*
 * The counting semaphore.
 *
 * `state` holds the permits and two bits, so that adding permits and learning
 * whether somebody waits is one step, and so is finding too few permits and
 * announcing that one waits:
 *
 *   WAITERS  the queue may not be empty; set and cleared under its lock
 *   STARVED  the first waiter was passed over PASSES_MOST times: nobody takes
 *            permits from state but those who hand them to the queue
 *
 * Permits go from state straight to the waiters in their order (`distribute`),
 * under the lock. It is called by whoever could have made the first waiter
 * satisfiable: a release, and a waiter that leaves, since the one behind it may
 * want fewer. Futures are notified and take for themselves (invariant B).
 *
 * semaphore.1  adding permits releases, taking them acquires.
 */
#include "weft/semaphore.h"

#include <errno.h>

#include "base/assert.h"
#include "wait/wait.h"

enum {
	WAITERS = 1,
	STARVED = 2,
	SHIFT = 2,
	PASSES_MOST = 30,
};

static uint64_t permits_in(uint64_t state)
{
	return state >> SHIFT;
}

void weft_semaphore_init(weft_semaphore *semaphore, uint32_t permits)
{
	*semaphore = (weft_semaphore){ { (uint64_t)permits << SHIFT }, { { 0 } } };
}

/* Takes permits unless one of the bits in `closed` is set. */
static bool take(weft_semaphore *s, uint32_t count, uint64_t closed)
{
	uint64_t state = weft_load_relaxed(&s->state);

	while (!(state & closed) && permits_in(state) >= count) {
		uint64_t after = state - ((uint64_t)count << SHIFT);

		if (weft_cas_weak_acquire(&s->state, &state, after)) /* semaphore.1 */
			return true;
	}
	return count == 0;
}

static uint64_t give(weft_semaphore *s, uint32_t count)
{
	uint64_t before = weft_add_release(&s->state, (uint64_t)count << SHIFT); /* semaphore.1 */

	WEFT__ASSERT(permits_in(before) + count <= WEFT_SEMAPHORE_MAX,
		     "a semaphore got more permits than WEFT_SEMAPHORE_MAX");
	return before;
}

/* Serves the queue as far as the permits go, and brings the bits up to date.
 * With the queue locked. */
static weft_case *distribute(weft_semaphore *s, weft_case *head, struct weft__wakes *wakes)
{
	while (head) {
		weft_case *c = head;

		if (!weft__case_certain(c)) {
			if (permits_in(weft_load_relaxed(&s->state)) < c->need)
				break;
			head = weft__cases_remove(head, c);
			if (weft__case_win(c, WEFT__NOTIFIED)) {
				c->notified = 1;
				weft__wakes_add(wakes, c);
			}
			continue;
		}
		if (!take(s, c->need, 0)) {
			if (c->passes < PASSES_MOST && ++c->passes == PASSES_MOST)
				weft_or_relaxed(&s->state, STARVED);
			return head;
		}
		head = weft__cases_remove(head, c);
		if (weft__case_win(c, 0)) {
			c->result = 0;
			weft__wakes_add(wakes, c);
		} else {
			give(s, c->need);
		}
		if (c->passes >= PASSES_MOST)
			weft_and_relaxed(&s->state, ~(uint64_t)STARVED);
	}
	if (!head)
		weft_and_relaxed(&s->state, ~(uint64_t)(WAITERS | STARVED));
	return head;
}

static void serve(weft_semaphore *s, weft_case *leaving)
{
	weft_case *head = weft__waitq_lock(&s->queue);
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	if (leaving && leaving->linked) {
		head = weft__cases_remove(head, leaving);
		if (leaving->passes >= PASSES_MOST)
			weft_and_relaxed(&s->state, ~(uint64_t)STARVED);
	}
	head = distribute(s, head, &wakes);
	weft__waitq_unlock(&s->queue, head, 0, 0);
	weft__wakes_fire(&wakes);
}

static bool semaphore_attempt(weft_case *c)
{
	c->result = 0;
	return take(c->object, c->need, STARVED);
}

static bool semaphore_enqueue(weft_case *c)
{
	weft_semaphore *s = c->object;
	weft_case *head = weft__waitq_lock(&s->queue);
	/* From here on a release comes to the queue, where it waits for the lock. */
	uint64_t state = weft_or_relaxed(&s->state, WAITERS);
	bool wait = (state & STARVED) || permits_in(state) < c->need;

	if (wait)
		head = weft__cases_push(head, c);
	else if (!head)
		weft_and_relaxed(&s->state, ~(uint64_t)WAITERS);
	weft__waitq_unlock(&s->queue, head, 0, 0);
	return wait;
}

static void semaphore_dequeue(weft_case *c)
{
	serve(c->object, c);
}

static const struct weft_source semaphore_source = {
	.name = "semaphore",
	.attempt = semaphore_attempt,
	.enqueue = semaphore_enqueue,
	.dequeue = semaphore_dequeue,
};

weft_case weft_case_acquire(weft_semaphore *semaphore, uint32_t count)
{
	weft_case c = weft__case_make(&semaphore_source, semaphore, NULL);

	c.need = count;
	return c;
}

int weft_semaphore_acquire(weft_semaphore *semaphore, uint32_t count)
{
	return weft_semaphore_acquire_until(semaphore, count, WEFT_NEVER);
}

int weft_semaphore_acquire_until(weft_semaphore *semaphore, uint32_t count, int64_t deadline)
{
	weft_case c;

	if (take(semaphore, count, STARVED))
		return 0;
	c = weft_case_acquire(semaphore, count);
	return weft__block_one(&c, deadline, 0);
}

bool weft_semaphore_try_acquire(weft_semaphore *semaphore, uint32_t count)
{
	return take(semaphore, count, STARVED);
}

void weft_semaphore_release(weft_semaphore *semaphore, uint32_t count)
{
	if (give(semaphore, count) & WAITERS)
		serve(semaphore, NULL);
}

uint32_t weft_semaphore_permits(const weft_semaphore *semaphore)
{
	return (uint32_t)permits_in(weft_load_relaxed(&semaphore->state));
}
