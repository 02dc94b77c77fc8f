/* SPDX-License-Identifier: MIT */
/*
 * The queue of cases in one word, and how parties are picked from it.
 *
 * A word of eight bytes holds the list, its lock and two bits for the object, so
 * that "is it free?" and "does somebody wait?" have one modification order: no
 * object needs a fence between the two questions. (The idea of a lock whose
 * queue hangs off its own word is from WebKit's WordLock.)
 *
 * queue.1  unlock's cas releases, lock's cas acquires: the list.
 * queue.2  unlock's cas is seq_cst, for objects that publish "somebody waits"
 *          with it and then look at a second word: see chan/ring.c, chan.2.
 * queue.3  to link the first case is seq_cst: as queue.1's release and as queue.2.
 */
#include "wait/wait.h"

enum { LOCK_SPINS = WEFT__BOUND(64, 1) };

weft_case *weft__waitq_lock(weft_waitq *q)
{
	uintptr_t word = weft_load_relaxed(&q->word);
	int spins = 0;

	for (;;) {
		if (!(word & WEFT__LOCK)) {
			if (weft_cas_weak_acquire(&q->word, &word,
						  word | WEFT__LOCK)) /* queue.1 */
				return weft__waitq_head(word);
		} else if (spins++ < LOCK_SPINS) {
			weft__cpu_pause();
			word = weft_load_relaxed(&q->word);
		} else if ((word & WEFT__SLEEP) ||
			   weft_cas_weak_relaxed(&q->word, &word, word | WEFT__SLEEP)) {
			/* The unlock clears SLEEP and wakes all sleepers, so that none of
			 * them has to know whether others are left. */
			weft__futex_wait_word(&q->word, word | WEFT__SLEEP, WEFT_NEVER);
			word = weft_load_relaxed(&q->word);
		}
	}
}

void weft__waitq_unlock(weft_waitq *q, weft_case *head, unsigned set, unsigned clear)
{
	const uintptr_t state = WEFT__A | WEFT__B;
	uintptr_t before = weft_load_relaxed(&q->word);
	uintptr_t after;

	do {
		after = (before & state & ~(uintptr_t)clear) | set | (uintptr_t)head;
	} while (!weft_cas_weak_seq_cst(&q->word, &before, after)); /* queue.1, queue.2 */
	weft__waitq_unlocked(q, before);
}

void weft__waitq_push(weft_waitq *q, weft_case *c, unsigned set)
{
	uintptr_t empty = 0;
	weft_case *head = weft__cases_push(NULL, c);

	/* Most often it is the only one, and one step links it. */
	if (WEFT_LIKELY(weft_cas_seq_cst(&q->word, &empty, (uintptr_t)head | set))) /* queue.3 */
		return;
	head = weft__waitq_lock(q);
	weft__waitq_unlock(q, weft__cases_push(head, c), set, 0);
}

weft_case *weft__cases_push(weft_case *head, weft_case *c)
{
	c->linked = 1;
	c->notified = 0;
	if (!head) {
		c->next = c->prev = c;
		return c;
	}
	c->next = head;
	c->prev = head->prev;
	head->prev->next = c;
	head->prev = c;
	return head;
}

weft_case *weft__cases_push_front(weft_case *head, weft_case *c)
{
	weft__cases_push(head, c);
	return c;
}

weft_case *weft__cases_remove(weft_case *head, weft_case *c)
{
	c->linked = 0;
	if (c->next == c)
		return NULL;
	c->next->prev = c->prev;
	c->prev->next = c->next;
	return head == c ? c->next : head;
}

weft_case *weft__cases_first_certain(weft_case *head)
{
	weft_case *c = head;

	while (c && !weft__case_certain(c))
		c = c->next == head ? NULL : c->next;
	return c;
}

void weft__waitq_cancel(weft_waitq *q, weft_case *c)
{
	weft_case *head = weft__waitq_lock(q);

	if (c->linked)
		head = weft__cases_remove(head, c);
	weft__waitq_unlock(q, head, 0, 0);
}

/* win.1  acq_rel: the winner sees the party's frame as it was when the case was
 *        linked (also given by the lock), and the party, when its own cas fails,
 *        sees who won. The winner's writes to the frame reach it with token.1. */
bool weft__case_win(weft_case *c, uint32_t how)
{
	uint32_t open = 0;

	return weft_cas_acq_rel(&c->sel->won, &open, (c->index + 1u) | how); /* win.1 */
}

void weft__wakes_add(struct weft__wakes *wakes, weft_case *c)
{
	if (!weft__case_certain(c)) {
		/* A future does not stay for its wake (invariant C does not cover
		 * it); but to leave it takes the lock that the caller holds. */
		weft__sel_wake(c->sel);
		return;
	}
	c->next = NULL;
	*wakes->last = c;
	wakes->last = &c->next;
}

void weft__wakes_fire(struct weft__wakes *wakes)
{
	weft_case *c = wakes->first;

	while (c) {
		weft_case *next = c->next;

		weft__sel_wake(c->sel);
		c = next;
	}
}

weft_case *weft__notify_one(weft_case *head, struct weft__wakes *wakes, bool *woken)
{
	*woken = false;
	while (head && !*woken) {
		weft_case *c = head;

		head = weft__cases_remove(head, c);
		if (!weft__case_win(c, WEFT__NOTIFIED))
			continue;
		c->notified = 1;
		*woken = weft__case_certain(c);
		weft__wakes_add(wakes, c);
	}
	return head;
}

int weft__win_all(weft_case *head, struct weft__wakes *wakes, uint32_t how, int result)
{
	int count = 0;

	while (head) {
		weft_case *c = head;

		head = weft__cases_remove(head, c);
		if (!weft__case_win(c, how))
			continue;
		c->result = result;
		c->notified = how == WEFT__NOTIFIED;
		weft__wakes_add(wakes, c);
		count++;
	}
	return count;
}
