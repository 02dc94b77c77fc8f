/* SPDX-License-Identifier: MIT */
/*
 * The wait group.
 *
 * `state` is the count and a bit, WAITERS, set under the queue's lock by who
 * queues up. The last `done` with WAITERS set takes the lock, wakes everybody and
 * clears the bit; without it, its subtraction was its last touch.
 *
 * A waiter may free the group, so it must not leave while that last `done` still
 * is inside. `done` clears WAITERS while it has the lock, so who sees state 0 sees
 * the lock taken too, or given back: it waits for the lock before it leaves.
 *
 * waitgroup.1  done releases (and extends the release sequence of the earlier
 *              ones); seeing 0 acquires.
 * waitgroup.2  the unlock of the last done releases, the look at the queue's
 *              word acquires.
 */
#include "weft/waitgroup.h"

#include <errno.h>

#include "base/assert.h"
#include "sync/sync.h"
#include "wait/wait.h"

enum { WAITERS = 1, ONE = 2 };

void weft_waitgroup_add(weft_waitgroup *group, uint32_t count)
{
	weft_add_relaxed(&group->state, (uint64_t)count * ONE);
}

static void wake_all(weft_waitgroup *group)
{
	weft_case *head = weft__waitq_lock(&group->queue);
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	weft__win_all(head, &wakes, 0, 0);
	weft_and_release(&group->state, ~(uint64_t)WAITERS); /* waitgroup.1 */
	weft__waitq_unlock(&group->queue, NULL, 0, 0);       /* waitgroup.2 */
	weft__wakes_fire(&wakes);
}

void weft_waitgroup_done(weft_waitgroup *group)
{
	uint64_t before = weft_sub_acq_rel(&group->state, ONE); /* waitgroup.1 */

	WEFT__ASSERT(before >= ONE, "a wait group was done more often than added to");
	if (before == (ONE | WAITERS))
		wake_all(group);
}

uint32_t weft_waitgroup_count(const weft_waitgroup *group)
{
	return (uint32_t)(weft_load_relaxed(&group->state) / ONE);
}

static bool waitgroup_ready(const weft_case *c)
{
	const weft_waitgroup *group = c->object;

	return weft_load_acquire(&group->state) == 0; /* waitgroup.1 */
}

static bool waitgroup_attempt(weft_case *c)
{
	weft_waitgroup *group = c->object;

	c->result = 0;
	if (weft_load_acquire(&group->state) != 0) /* waitgroup.1 */
		return false;
	if (weft_load_acquire(&group->queue.word) != 0) { /* waitgroup.2 */
		weft_case *head = weft__waitq_lock(&group->queue);

		weft__waitq_unlock(&group->queue, head, 0, 0);
	}
	return true;
}

static bool waitgroup_enqueue(weft_case *c)
{
	weft_waitgroup *group = c->object;
	weft_case *head = weft__waitq_lock(&group->queue);
	uint64_t state = weft_load_relaxed(&group->state);

	/* 0 with WAITERS: the last done is about to take the lock, and finds us. */
	while (state != 0 && !weft_cas_weak_relaxed(&group->state, &state, state | WAITERS))
		continue;
	if (state != 0)
		head = weft__cases_push(head, c);
	weft__waitq_unlock(&group->queue, head, 0, 0);
	return state != 0;
}

static void waitgroup_dequeue(weft_case *c)
{
	weft_waitgroup *group = c->object;

	weft__waitq_cancel(&group->queue, c);
}

static const struct weft_source waitgroup_source = {
	.name = "wait group",
	.attempt = waitgroup_attempt,
	.ready = waitgroup_ready,
	.enqueue = waitgroup_enqueue,
	.dequeue = waitgroup_dequeue,
};

weft_case weft_case_waitgroup(weft_waitgroup *group)
{
	return weft__case_make(&waitgroup_source, group, NULL);
}

int weft_waitgroup_wait(weft_waitgroup *group)
{
	return weft_waitgroup_wait_until(group, WEFT_NEVER);
}

int weft_waitgroup_wait_until(weft_waitgroup *group, int64_t deadline)
{
	weft_case c = weft_case_waitgroup(group);

	return weft__block_one(&c, deadline, 0);
}

void weft__waitgroup_await(weft_waitgroup *group)
{
	weft_case c = weft_case_waitgroup(group);

	(void)weft__block_one(&c, WEFT_NEVER, WEFT__UNCANCELLABLE);
}
