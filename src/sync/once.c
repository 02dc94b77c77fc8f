/* SPDX-License-Identifier: MIT */
/*
 * Once: bits A and B of the queue's word.
 *
 *   0        nobody is at it             -> RUNNING
 *   RUNNING  somebody runs the function  -> 0 (it failed), DONE
 *   DONE     final
 *
 * RUNNING is set by compare-and-swap and cleared under the lock, in one step
 * with the waking: of all waiters when it is done, of one when it failed.
 *
 * once.1  the unlock that sets DONE or clears RUNNING releases; seeing DONE, or
 *         setting RUNNING, acquires: what the function did is visible.
 */
#include "weft/once.h"

#include <errno.h>

#include "wait/wait.h"

#define RUNNING ((uintptr_t)WEFT__A)
#define DONE ((uintptr_t)WEFT__B)

/* The result of a case whose party is to run the function. */
enum { IS_MINE = 1 };

bool weft_once_done(const weft_once *once)
{
	return weft_load_acquire(&once->queue.word) & DONE; /* once.1 */
}

static bool once_attempt(weft_case *c)
{
	weft_once *once = c->object;
	uintptr_t word = weft_load_acquire(&once->queue.word); /* once.1 */

	while (!(word & (RUNNING | DONE))) {
		c->result = IS_MINE;
		if (weft_cas_weak_acquire(&once->queue.word, &word, word | RUNNING)) /* once.1 */
			return true;
	}
	c->result = 0;
	return word & DONE;
}

static bool once_enqueue(weft_case *c)
{
	weft_once *once = c->object;
	weft_case *head = weft__waitq_lock(&once->queue);
	bool busy = weft_load_relaxed(&once->queue.word) & RUNNING;

	if (busy)
		head = weft__cases_push(head, c);
	weft__waitq_unlock(&once->queue, head, 0, 0);
	return busy;
}

static void once_dequeue(weft_case *c)
{
	weft_once *once = c->object;

	weft__waitq_cancel(&once->queue, c);
}

/* The run failed: wakes one waiter, which looks for itself. */
static void give_up(weft_once *once)
{
	struct weft__wakes wakes;
	weft_case *head;
	bool woken;

	weft__wakes_init(&wakes);
	head = weft__waitq_lock(&once->queue);
	head = weft__notify_one(head, &wakes, &woken);
	weft__waitq_unlock(&once->queue, head, 0, RUNNING); /* once.1 */
	weft__wakes_fire(&wakes);
}

/* No `pass_on`: a waiter that was woken and leaves has found the function running
 * again, and the end of that run wakes the next. */
static const struct weft_source once_source = {
	.name = "once",
	.attempt = once_attempt,
	.enqueue = once_enqueue,
	.dequeue = once_dequeue,
};

static void finish(weft_once *once)
{
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	weft__win_all(weft__waitq_lock(&once->queue), &wakes, 0, 0);
	weft__waitq_unlock(&once->queue, NULL, DONE, RUNNING); /* once.1 */
	weft__wakes_fire(&wakes);
}

int weft_once_call(weft_once *once, weft_once_fn fn, void *arg)
{
	weft_case c;
	int err;

	if (WEFT_LIKELY(weft_once_done(once)))
		return 0;
	c = weft__case_make(&once_source, once, NULL);
	err = weft__block_one(&c, WEFT_NEVER, 0);
	if (err != IS_MINE)
		return err;
	err = fn(arg);
	if (err == 0)
		finish(once);
	else
		give_up(once);
	return err;
}
