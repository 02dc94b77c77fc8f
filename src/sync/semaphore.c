/* SPDX-License-Identifier: MIT */
/*
 * The counting semaphore.
 *
 * `state` holds the permits and two bits, so that adding permits and learning
 * whether somebody waits is one step, and so is finding too few permits and
 * announcing that one waits:
 *
 *   WAITERS  the queue is not empty; set and cleared under its lock
 *   STARVED  the first thread was passed over PASSES_MOST times: nobody takes
 *            permits from state but those who hand them to the queue.
 *            Written under the lock
 *
 * Permits go from state straight to the waiters in their order (`distribute`),
 * under the lock. It is called by whoever could have made the first waiter
 * satisfiable: a release, and a waiter that leaves, since the one behind it may
 * want fewer. Futures are notified and take for themselves (invariant B); they get
 * no protection from being overtaken, since they might never come for it.
 *
 * Who got the last permit that was to come may free the semaphore. Therefore a
 * release that sees no waiters gives in its last step; and one that does gives
 * with the queue locked and not empty: the one in the queue does not leave before
 * it has had the lock, or been woken after it.
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
	PASSES_MOST = WEFT__BOUND(30, 1),
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

static void check_total(uint64_t state, uint32_t count)
{
	WEFT__ASSERT(permits_in(state) + count <= WEFT_SEMAPHORE_MAX,
		     "a semaphore got more permits than WEFT_SEMAPHORE_MAX");
}

static void give(weft_semaphore *s, uint32_t count)
{
	check_total(weft_add_release(&s->state, (uint64_t)count << SHIFT),
		    count); /* semaphore.1 */
}

/* The first case that can be served now, or NULL; if it is a thread's, its permits
 * have been taken then. A thread that cannot be served yet holds back who comes
 * after it, but not its own other cases: it may wait for one number of permits or
 * another. A parked future holds back nobody. */
static weft_case *find_served(weft_semaphore *s, weft_case *head)
{
	const weft_sel *waits = NULL;
	weft_case *c = head;

	do {
		bool certain = weft__case_certain(c);

		if (waits && waits != c->sel)
			return NULL;
		if (certain ? take(s, c->need, 0)
			    : permits_in(weft_load_relaxed(&s->state)) >= c->need)
			return c;
		if (certain)
			waits = c->sel;
		c = c->next;
	} while (c != head);
	return NULL;
}

/* Sets STARVED or clears it, as befits the first thread that waits. */
static void update_starved(weft_semaphore *s, weft_case *head)
{
	const weft_case *first = weft__cases_first_certain(head);
	bool starved = first && first->passes >= PASSES_MOST;
	bool was = weft_load_relaxed(&s->state) & STARVED;

	if (starved && !was)
		weft_or_relaxed(&s->state, STARVED);
	else if (was && !starved)
		weft_and_relaxed(&s->state, ~(uint64_t)STARVED);
}

/* Serves the queue as far as the permits go, and brings the bits up to date.
 * With the queue locked. */
static weft_case *distribute(weft_semaphore *s, weft_case *head, struct weft__wakes *wakes)
{
	weft_case *c;

	while (head && (c = find_served(s, head)) != NULL) {
		const bool certain = weft__case_certain(c);

		head = weft__cases_remove(head, c);
		if (weft__case_win(c, certain ? 0 : WEFT__NOTIFIED)) {
			c->result = 0;
			c->notified = !certain;
			weft__wakes_add(wakes, c);
		} else if (certain) {
			give(s, c->need);
		}
	}
	update_starved(s, head);
	if (!head)
		weft_and_relaxed(&s->state, ~(uint64_t)WAITERS);
	return head;
}

/* Gives to a queue that is not empty; false: it is. */
static bool give_to_queue(weft_semaphore *s, uint32_t count)
{
	weft_case *head = weft__waitq_lock(&s->queue);
	const bool waited = head != NULL;
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	if (waited) {
		weft_case *first = weft__cases_first_certain(head);

		give(s, count);
		head = distribute(s, head, &wakes);
		if (first && first == weft__cases_first_certain(head) &&
		    first->passes < PASSES_MOST) {
			first->passes++;
			update_starved(s, head);
		}
	}
	weft__waitq_unlock(&s->queue, head, 0, 0);
	weft__wakes_fire(&wakes);
	return waited;
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
	weft_semaphore *s = c->object;
	weft_case *head = weft__waitq_lock(&s->queue);
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	if (c->linked)
		head = distribute(s, weft__cases_remove(head, c), &wakes);
	weft__waitq_unlock(&s->queue, head, 0, 0);
	weft__wakes_fire(&wakes);
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

	weft__slice_pay();
	if (take(semaphore, count, STARVED))
		return 0;
	c = weft_case_acquire(semaphore, count);
	return weft__block_one(&c, deadline, WEFT__TRIED);
}

bool weft_semaphore_try_acquire(weft_semaphore *semaphore, uint32_t count)
{
	return take(semaphore, count, STARVED);
}

void weft_semaphore_release(weft_semaphore *semaphore, uint32_t count)
{
	uint64_t state = weft_load_relaxed(&semaphore->state);

	for (;;) {
		if (state & WAITERS) {
			if (give_to_queue(semaphore, count))
				return;
			state = weft_load_relaxed(&semaphore->state);
			continue;
		}
		check_total(state, count);
		if (weft_cas_weak_release(&semaphore->state, &state,
					  state + ((uint64_t)count << SHIFT))) /* semaphore.1 */
			return;
	}
}

uint32_t weft_semaphore_permits(const weft_semaphore *semaphore)
{
	return (uint32_t)permits_in(weft_load_relaxed(&semaphore->state));
}
