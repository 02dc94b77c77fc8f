/* SPDX-License-Identifier: MIT */
/*
 * Signals as events.
 *
 * A handler may do next to nothing: ours counts the signal and rings a bell, a futex.
 * One thread, which exists as long as there is a listener, sleeps on the bell and
 * brings what was counted to the listeners, by the wait core.
 *
 * A listener counts what it has not given yet. Bit A of its queue's word says that
 * there is something; counts and bit change under the queue's lock. Each signal that
 * is delivered notifies one party, which takes one; who leaves without passes the
 * chance on.
 *
 * fork() takes the thread away. In the child the handlers are undone at once, and the
 * listeners are dead.
 *
 * bell.1  ringing releases, the thread's look acquires: it sees what was counted.
 */
#include "weft/signal.h"

#include <errno.h>

#include "base/assert.h"
#include "base/list.h"
#include "sys/sys.h"
#include "wait/wait.h"
#include "weft/mutex.h"

#define SOME ((uintptr_t)WEFT__A)

struct weft_signals {
	weft_waitq queue;
	struct weft__list_node among; /* all listeners */
	uint64_t wanted;              /* bit n - 1: signal n */
	uint32_t forks;
	uint32_t pending[WEFT__SIGNALS];
};

static weft_atomic_u32 bell, counted[WEFT__SIGNALS];
static weft_atomic_u32 forks;

/* `gate` is held while listeners come and go, and by nobody else; `mutex` guards the
 * list, which the thread walks. */
static weft_mutex gate, mutex;
static struct weft__list listeners;
static uint32_t wanted_by[WEFT__SIGNALS]; /* how many listeners */
static uint32_t delivered[WEFT__SIGNALS]; /* the thread's */
static weft_atomic_bool leaving;
static struct weft__thread thread;
static bool fork_seen;

static uint64_t bit_of(int number)
{
	return UINT64_C(1) << (number - 1);
}

/* ---- from the handler to the thread ------------------------------------------------- */

static void ring(void)
{
	weft_add_release(&bell, 1); /* bell.1 */
	weft__futex_wake(&bell, 1);
}

static void caught(int number)
{
	weft_add_relaxed(&counted[number], 1);
	ring();
}

static void post(weft_signals *s, int number, uint32_t count)
{
	struct weft__wakes wakes;
	weft_case *head;

	weft__wakes_init(&wakes);
	head = weft__waitq_lock(&s->queue);
	s->pending[number] += count;
	while (count-- > 0 && head) {
		bool woken;

		head = weft__notify_one(head, &wakes, &woken);
	}
	weft__waitq_unlock(&s->queue, head, SOME, 0);
	weft__wakes_fire(&wakes);
}

static void deliver(int number)
{
	uint32_t count = weft_load_relaxed(&counted[number]) - delivered[number];
	struct weft__list_node *node;

	if (count == 0)
		return;
	delivered[number] += count;
	weft_mutex_lock(&mutex);
	for (node = weft__list_first(&listeners); node; node = weft__list_next(&listeners, node)) {
		weft_signals *s = weft_container_of(node, weft_signals, among);

		if (s->wanted & bit_of(number))
			post(s, number, count);
	}
	weft_mutex_unlock(&mutex);
}

static void listen(void *arg)
{
	(void)arg;
	while (!weft_load_relaxed(&leaving)) {
		uint32_t seen = weft_load_acquire(&bell); /* bell.1 */

		for (int number = 1; number < WEFT__SIGNALS; number++)
			deliver(number);
		if (!weft_load_relaxed(&leaving))
			(void)weft__futex_wait(&bell, seen, WEFT_NEVER);
	}
}

/* ---- the listeners -------------------------------------------------------------------- */

static void after_fork(void)
{
	for (int number = 1; number < WEFT__SIGNALS; number++)
		if (wanted_by[number] > 0) {
			weft__signal_restore(number);
			wanted_by[number] = 0;
		}
	gate = (weft_mutex)WEFT_MUTEX_INIT;
	mutex = (weft_mutex)WEFT_MUTEX_INIT;
	listeners = (struct weft__list){ { NULL, NULL } };
	weft_add_relaxed(&forks, 1);
}

static bool stale(const weft_signals *s)
{
	return s->forks != weft_load_relaxed(&forks);
}

static int thread_start(void)
{
	int err = fork_seen ? 0 : weft__atfork_child(after_fork);

	if (err)
		return err;
	fork_seen = true;
	weft_store_relaxed(&leaving, false);
	/* What was counted before there was a listener is nobody's. */
	for (int number = 1; number < WEFT__SIGNALS; number++)
		delivered[number] = weft_load_relaxed(&counted[number]);
	return weft__thread_start(&thread, listen, NULL, 0, "weft-signal");
}

static void thread_stop(void)
{
	weft_store_relaxed(&leaving, true);
	ring();
	weft__thread_join(thread);
}

static void want(const weft_signals *s)
{
	for (int number = 1; number < WEFT__SIGNALS; number++)
		if (s->wanted & bit_of(number) && wanted_by[number]++ == 0)
			weft__signal_catch(number, caught);
}

static void want_no_more(const weft_signals *s)
{
	for (int number = 1; number < WEFT__SIGNALS; number++)
		if (s->wanted & bit_of(number) && --wanted_by[number] == 0)
			weft__signal_restore(number);
}

static bool numbers_can_be(const int *numbers, int count)
{
	for (int i = 0; i < count; i++)
		if (!weft__signal_can_be_caught(numbers[i]))
			return false;
	return numbers && count > 0;
}

static void link_in(weft_signals *s)
{
	weft_mutex_lock(&mutex);
	weft__list_push_back(&listeners, &s->among);
	weft_mutex_unlock(&mutex);
}

static bool link_out(weft_signals *s)
{
	bool last;

	weft_mutex_lock(&mutex);
	weft__list_remove(&s->among);
	last = weft__list_empty(&listeners);
	weft_mutex_unlock(&mutex);
	return last;
}

int weft_signals_open(weft_signals **out, const int *numbers, int count)
{
	weft_signals *s;
	int err = 0;

	*out = NULL;
	if (!numbers_can_be(numbers, count))
		return -EINVAL;
	s = weft__alloc_zero(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->forks = weft_load_relaxed(&forks);
	for (int i = 0; i < count; i++)
		s->wanted |= bit_of(numbers[i]);
	weft_mutex_lock(&gate);
	if (weft__list_empty(&listeners))
		err = thread_start();
	if (err == 0) {
		link_in(s);
		want(s);
	}
	weft_mutex_unlock(&gate);
	if (err)
		weft__release(s);
	else
		*out = s;
	return err;
}

void weft_signals_close(weft_signals *signals)
{
	WEFT__ASSERT(stale(signals) || !weft__waitq_head(weft_load_relaxed(&signals->queue.word)),
		     "a listener for signals was closed while somebody waited in it");
	if (!stale(signals)) {
		weft_mutex_lock(&gate);
		want_no_more(signals);
		if (link_out(signals))
			thread_stop();
		weft_mutex_unlock(&gate);
	}
	weft__release(signals);
}

/* ---- waiting ---------------------------------------------------------------------------- */

static bool signals_ready(const weft_case *c)
{
	const weft_signals *s = c->object;

	return weft_load_relaxed(&s->queue.word) & SOME || stale(s);
}

static int take(weft_signals *s, bool *more)
{
	int taken = 0;

	*more = false;
	for (int number = 1; number < WEFT__SIGNALS; number++) {
		if (s->pending[number] == 0)
			continue;
		if (taken == 0) {
			taken = number;
			s->pending[number]--;
		}
		*more |= s->pending[number] > 0;
	}
	return taken;
}

static bool signals_attempt(weft_case *c)
{
	weft_signals *s = c->object;
	weft_case *head;
	bool more;

	if (!signals_ready(c))
		return false;
	if (stale(s)) {
		c->result = -ECHILD;
		return true;
	}
	head = weft__waitq_lock(&s->queue);
	c->result = take(s, &more);
	weft__waitq_unlock(&s->queue, head, 0, more ? 0 : SOME);
	return c->result > 0;
}

static bool signals_enqueue(weft_case *c)
{
	weft_signals *s = c->object;
	weft_case *head = weft__waitq_lock(&s->queue);
	bool none = !signals_ready(c);

	if (none)
		head = weft__cases_push(head, c);
	weft__waitq_unlock(&s->queue, head, 0, 0);
	return none;
}

static void signals_dequeue(weft_case *c)
{
	weft_signals *s = c->object;

	weft__waitq_cancel(&s->queue, c);
}

/* Somebody else may have the chance, if it is still there. */
static void signals_pass_on(weft_case *c)
{
	weft_signals *s = c->object;
	weft_case *head = weft__waitq_lock(&s->queue);
	struct weft__wakes wakes;
	bool woken;

	weft__wakes_init(&wakes);
	if (head && signals_ready(c))
		head = weft__notify_one(head, &wakes, &woken);
	weft__waitq_unlock(&s->queue, head, 0, 0);
	weft__wakes_fire(&wakes);
}

static const struct weft_source signals_source = {
	.name = "signals",
	.attempt = signals_attempt,
	.enqueue = signals_enqueue,
	.dequeue = signals_dequeue,
	.pass_on = signals_pass_on,
};

weft_case weft_case_signals(weft_signals *signals)
{
	return weft__case_make(&signals_source, signals, NULL);
}

int weft_signals_next(weft_signals *signals)
{
	return weft_signals_next_until(signals, WEFT_NEVER);
}

int weft_signals_next_until(weft_signals *signals, int64_t deadline)
{
	weft_case c = weft_case_signals(signals);

	return weft__block_one(&c, deadline, 0);
}
