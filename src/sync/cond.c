/* SPDX-License-Identifier: MIT */
/*
 * The condition variable: a queue and nothing else.
 *
 * A waiter links its case while it holds the mutex, then unlocks, then sleeps:
 * a notifier that has changed the condition under the mutex finds it. The sel
 * decides between a notification and a time-out, so that a notification is never
 * spent on a waiter that has already left.
 *
 * (POSIX's condition variable is not used anywhere in Weft: glibc before 2.41
 * could lose a wake-up, bug 25847.)
 */
#include "weft/cond.h"

#include <errno.h>

#include "wait/wait.h"

static bool cond_attempt(weft_case *c)
{
	(void)c;
	return false; /* a notification is not kept: one waits for the next */
}

static bool cond_enqueue(weft_case *c)
{
	weft_cond *cond = c->object;
	weft_case *head = weft__waitq_lock(&cond->queue);

	weft__waitq_unlock(&cond->queue, weft__cases_push(head, c), 0, 0);
	return true;
}

static void cond_dequeue(weft_case *c)
{
	weft_cond *cond = c->object;

	weft__waitq_cancel(&cond->queue, c);
}

static const struct weft_source cond_source = {
	.name = "condition variable",
	.attempt = cond_attempt,
	.enqueue = cond_enqueue,
	.dequeue = cond_dequeue,
};

int weft_cond_wait(weft_cond *cond, weft_mutex *mutex)
{
	return weft_cond_wait_until(cond, mutex, WEFT_NEVER);
}

int weft_cond_wait_until(weft_cond *cond, weft_mutex *mutex, int64_t deadline)
{
	weft_case c = weft__case_make(&cond_source, cond, NULL);
	struct weft__wait w;
	uint32_t won;

	weft__wait_init(&w, weft__parker_self(), &c, 1, 0);
	weft__wait_arm(&w);
	weft_mutex_unlock(mutex);
	won = weft__wait_sleep(&w, deadline);
	weft__wait_disarm(&w, won);
	weft_mutex_lock(mutex);
	if (won == WEFT__TIMED_OUT)
		return -ETIMEDOUT;
	return (won & ~WEFT__NOTIFIED) == 1 ? 0 : -ECANCELED;
}

int weft_cond_notify_one(weft_cond *cond)
{
	struct weft__wakes wakes;
	weft_case *head;
	bool woken;

	if (!weft__waitq_head(weft_load_seq_cst(&cond->queue.word))) /* queue.2 */
		return 0;
	weft__wakes_init(&wakes);
	head = weft__waitq_lock(&cond->queue);
	head = weft__notify_one(head, &wakes, &woken);
	weft__waitq_unlock(&cond->queue, head, 0, 0);
	weft__wakes_fire(&wakes);
	return woken;
}

int weft_cond_notify_all(weft_cond *cond)
{
	struct weft__wakes wakes;
	weft_case *head;
	int count;

	if (!weft__waitq_head(weft_load_seq_cst(&cond->queue.word))) /* queue.2 */
		return 0;
	weft__wakes_init(&wakes);
	head = weft__waitq_lock(&cond->queue);
	count = weft__win_all(head, &wakes, 0, 0);
	weft__waitq_unlock(&cond->queue, NULL, 0, 0);
	weft__wakes_fire(&wakes);
	return count;
}
