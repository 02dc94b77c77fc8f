/* SPDX-License-Identifier: MIT */
/*
 * The mutex.
 *
 * Two bits of the queue's word are its state, so that the fast paths are one
 * atomic step each, and "who unlocks" and "who queues up" are ordered by the
 * one word:
 *
 *   LOCKED (A)      somebody holds it
 *   DESIGNATED (B)  a thread that waited was woken and is on its way; until it has the
 *                   lock, or is queued again, unlocking need wake nobody
 *
 * Unlocking frees the mutex and wakes the first waiter, which must compete with
 * newcomers: a lock that is handed over instead stands idle for the whole time
 * that its next holder needs to wake up. The designated waiter is nsync's idea;
 * it saves the system call of all unlocks that happen meanwhile. A waiter that
 * has lost LOSSES_MOST times, or waited for LONG_WAIT_US, is handed the lock.
 *
 * A waiter is linked only by a compare-and-swap that sees LOCKED set, and LOCKED
 * is cleared without a wake only by one that sees no waiter, or a designated one.
 * So there is no moment at which the mutex is free, somebody is queued, and
 * nobody is awake to notice.
 *
 * mutex.1  what clears LOCKED releases, what sets it acquires: the guarded data.
 *          A hand-over passes through the sel and the parker (win.1, token.1).
 */
#include "weft/mutex.h"

#include <errno.h>

#include "base/assert.h"
#include "wait/wait.h"

#define LOCKED ((uintptr_t)WEFT__A)
#define DESIGNATED ((uintptr_t)WEFT__B)

enum {
	LOSSES_MOST = WEFT__BOUND(30, 1),
	LONG_WAIT_US = 500,
	FIRST_GAP = 32, /* pauses: some 0.9 us, or a few dozen short sections */
};

static bool take(weft_mutex *m, uintptr_t settle)
{
	uintptr_t word = weft_load_relaxed(&m->queue.word);

	while (!(word & LOCKED)) {
		uintptr_t after = (word | LOCKED) & ~settle;

		if (weft_cas_weak_acquire(&m->queue.word, &word, after)) /* mutex.1 */
			return true;
	}
	return false;
}

/* What is settled when a woken waiter takes the mutex or queues up again. */
static uintptr_t designation(const weft_case *c)
{
	return c->notified && c->sel->prompt ? DESIGNATED : 0;
}

static bool mutex_attempt(weft_case *c)
{
	c->result = 0;
	return take(c->object, designation(c));
}

/* Microseconds since some moment, modulo 2^32; only differences count. */
static uint32_t clock_us(void)
{
	return (uint32_t)(weft_now() / WEFT_US);
}

static void count_loss(weft_case *c, bool was_woken)
{
	if (!was_woken)
		c->need = clock_us();
	else if (c->passes < LOSSES_MOST &&
		 (++c->passes == LOSSES_MOST || clock_us() - c->need >= LONG_WAIT_US))
		c->passes = LOSSES_MOST;
}

static bool mutex_enqueue(weft_case *c)
{
	weft_mutex *m = c->object;
	const uintptr_t settle = designation(c);
	const uint8_t notified = c->notified;
	weft_case *before = weft__waitq_lock(&m->queue);
	weft_case *head = notified ? weft__cases_push_front(before, c)
				   : weft__cases_push(before, c);
	uintptr_t word = weft_load_relaxed(&m->queue.word);

	count_loss(c, notified);
	while (word & LOCKED) {
		uintptr_t after = LOCKED | (word & DESIGNATED & ~settle) | (uintptr_t)head;

		if (weft_cas_acq_rel(&m->queue.word, &word, after)) { /* queue.1 */
			weft__waitq_unlocked(&m->queue, word);
			return true;
		}
	}
	weft__cases_remove(head, c);
	c->notified = notified;
	weft__waitq_unlock(&m->queue, before, 0, 0);
	return false;
}

static void mutex_dequeue(weft_case *c)
{
	weft_mutex *m = c->object;

	weft__waitq_cancel(&m->queue, c);
}

/* A woken waiter gives up. Whether the mutex is free just now does not matter:
 * the next waiter becomes the designated one, and looks. */
static void mutex_pass_on(weft_case *c)
{
	weft_mutex *m = c->object;
	struct weft__wakes wakes;
	weft_case *head;
	bool woken;

	if (!weft__case_certain(c))
		return; /* it never was the only one: see weft__notify_one() */
	weft__wakes_init(&wakes);
	head = weft__waitq_lock(&m->queue);
	head = weft__notify_one(head, &wakes, &woken);
	woken = woken && weft__wakes_prompt(&wakes);
	weft__waitq_unlock(&m->queue, head, woken ? DESIGNATED : 0, woken ? 0 : DESIGNATED);
	weft__wakes_fire(&wakes);
}

static const struct weft_source mutex_source = {
	.name = "mutex",
	.attempt = mutex_attempt,
	.enqueue = mutex_enqueue,
	.dequeue = mutex_dequeue,
	.pass_on = mutex_pass_on,
};

weft_case weft_case_lock(weft_mutex *mutex)
{
	return weft__case_make(&mutex_source, mutex, NULL);
}

/* Spins while the mutex is held and nobody is queued. The gaps are long and double
 * without end: a look takes the line away from the holder, and two threads that snatch
 * the mutex from each other get less done than one that has it for a while. */
static bool spin(weft_mutex *m)
{
	struct weft__spin spin;
	bool locked = false;

	weft__spin_begin(&spin, weft__parker_self(), FIRST_GAP, UINT32_MAX);
	do {
		uintptr_t word = weft_load_relaxed(&m->queue.word);

		if (!(word & LOCKED))
			locked = weft_cas_weak_acquire(&m->queue.word, &word,
						       word | LOCKED); /* mutex.1 */
		else if (weft__waitq_head(word))
			break;
	} while (!locked && weft__spin_once(&spin));
	weft__spin_end(&spin, locked);
	return locked;
}

static __attribute__((noinline)) int lock_slow(weft_mutex *m, int64_t deadline, unsigned flags)
{
	weft_case c;

	if (deadline > 0 && spin(m))
		return 0;
	c = weft_case_lock(m);
	return weft__block_one(&c, deadline, flags);
}

/* An `or`, as a compare-and-swap would have to know who is queued: with a waiter asleep,
 * or on its way to a CPU, each lock would need a second look. x86 tests and sets in one. */
void weft_mutex_lock(weft_mutex *mutex)
{
	uintptr_t before;

	weft__slice_pay();
	before = weft_or_acquire(&mutex->queue.word, LOCKED); /* mutex.1 */
	if (WEFT_UNLIKELY(before & LOCKED))
		(void)lock_slow(mutex, WEFT_NEVER, WEFT__UNCANCELLABLE);
}

bool weft_mutex_try_lock(weft_mutex *mutex)
{
	return take(mutex, 0);
}

int weft_mutex_lock_until(weft_mutex *mutex, int64_t deadline)
{
	weft__slice_pay();
	return take(mutex, 0) ? 0 : lock_slow(mutex, deadline, 0);
}

/* The case that is due to be handed the lock, or NULL. Futures in front of it,
 * which never are, do not stand in its way. */
static weft_case *find_heir(weft_case *head)
{
	weft_case *first = weft__cases_first_certain(head);

	return first && first->passes >= LOSSES_MOST ? first : NULL;
}

/* With waiters and nobody designated: hands the lock over to one that has waited
 * long, or frees it and wakes the first. */
static void unlock_and_wake(weft_mutex *m)
{
	weft_case *head = weft__waitq_lock(&m->queue);
	unsigned set = 0, clear = LOCKED;
	struct weft__wakes wakes;
	weft_case *c;

	weft__wakes_init(&wakes);
	while (clear && (c = find_heir(head)) != NULL) {
		head = weft__cases_remove(head, c);
		if (weft__case_win(c, 0)) {
			c->result = 0;
			weft__wakes_add(&wakes, c);
			clear = 0;
		}
	}
	if (clear) {
		bool woken;

		head = weft__notify_one(head, &wakes, &woken);
		set = woken && weft__wakes_prompt(&wakes) ? DESIGNATED : 0;
	}
	weft__waitq_unlock(&m->queue, head, set, clear); /* mutex.1 */
	weft__wakes_fire(&wakes);
}

static __attribute__((noinline)) void unlock_slow(weft_mutex *m, uintptr_t word)
{
	do {
		WEFT__ASSERT(word & LOCKED, "a mutex was unlocked that is not locked");
		if (weft__waitq_head(word) && !(word & DESIGNATED)) {
			unlock_and_wake(m);
			return;
		}
	} while (!weft_cas_weak_release(&m->queue.word, &word, word & ~LOCKED)); /* mutex.1 */
}

void weft_mutex_unlock(weft_mutex *mutex)
{
	uintptr_t word = LOCKED;

	if (WEFT_UNLIKELY(!weft_cas_release(&mutex->queue.word, &word, 0))) /* mutex.1 */
		unlock_slow(mutex, word);
}

bool weft_mutex_is_locked(const weft_mutex *mutex)
{
	return weft_load_relaxed(&mutex->queue.word) & LOCKED;
}
