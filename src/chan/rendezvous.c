/* SPDX-License-Identifier: MIT */
/*
 * The rendezvous channel: a value passes straight from a sender's slot to a
 * receiver's, while one of them waits and the other runs.
 *
 * One lock, the receivers' queue's, guards two lists; bit A of its word is CLOSED.
 * A running party looks for a waiting one of the other kind, wins it, copies, and
 * wakes it after the unlock. A party that queues up looks first, under the same
 * lock, so that at no time a thread of each kind waits.
 *
 * Futures. A value is not put into the frame of a parked future (invariant B): a
 * sender notifies the futures that wait to receive, and queues up itself; the
 * first that is polled takes the value. A value may be *taken* from a parked
 * future: the receiver is the one who runs, and the future finds its send done.
 */
#include "chan/chan.h"

#define CLOSED ((uintptr_t)WEFT__A)

struct rendezvous {
	struct weft_chan chan;
	weft_waitq receivers;
	weft_atomic_ptr senders; /* list head; written under the lock of receivers */
};

static weft_case *senders_of(const struct rendezvous *r)
{
	return weft_load_relaxed(&r->senders);
}

static bool is_closed(const struct rendezvous *r)
{
	return weft_load_acquire(&r->receivers.word) & CLOSED;
}

static int rendezvous_try_send(weft_chan *chan, const void *element)
{
	struct rendezvous *r = (struct rendezvous *)chan;
	uintptr_t word = weft_load_acquire(&r->receivers.word);
	weft_case *head, *c, *next, *last;
	struct weft__wakes wakes;
	int err = -EAGAIN;

	if (!weft__waitq_head(word))
		return word & CLOSED ? -EPIPE : -EAGAIN;
	weft__wakes_init(&wakes);
	head = weft__waitq_lock(&r->receivers);
	if (is_closed(r)) {
		weft__waitq_unlock(&r->receivers, head, 0, 0);
		return -EPIPE;
	}
	last = head ? head->prev : NULL;
	for (c = head; c && err; c = c == last ? NULL : next) {
		next = c->next;
		if (!weft__case_certain(c))
			continue;
		head = weft__cases_remove(head, c);
		if (weft__case_win(c, 0)) {
			weft__element_copy(c->slot, element, chan->element_size);
			c->result = 0;
			weft__wakes_add(&wakes, c);
			err = 0;
		}
	}
	weft__waitq_unlock(&r->receivers, head, 0, 0);
	weft__wakes_fire(&wakes);
	return err;
}

static int rendezvous_try_recv(weft_chan *chan, void *element)
{
	struct rendezvous *r = (struct rendezvous *)chan;
	struct weft__wakes wakes;
	weft_case *head, *list;
	int err = -EAGAIN;

	if (!senders_of(r))
		return is_closed(r) ? -EPIPE : -EAGAIN;
	weft__wakes_init(&wakes);
	head = weft__waitq_lock(&r->receivers);
	list = senders_of(r);
	while (list && err) {
		weft_case *c = list;

		list = weft__cases_remove(list, c);
		if (weft__case_win(c, 0)) {
			weft__element_copy(element, c->slot, chan->element_size);
			c->result = 0;
			weft__wakes_add(&wakes, c);
			err = 0;
		}
	}
	weft_store_relaxed(&r->senders, list);
	if (err && is_closed(r))
		err = -EPIPE;
	weft__waitq_unlock(&r->receivers, head, 0, 0);
	weft__wakes_fire(&wakes);
	return err;
}

static int rendezvous_send_some(weft_chan *chan, const void *elements, size_t count, size_t *n)
{
	(void)count;
	*n = 1;
	return rendezvous_try_send(chan, elements);
}

static int rendezvous_recv_some(weft_chan *chan, void *elements, size_t count, size_t *n)
{
	(void)count;
	*n = 1;
	return rendezvous_try_recv(chan, elements);
}

/* ---- waiting ---------------------------------------------------------------------- */

/* Whether somebody other than the case's own party is in the list. */
static bool other_waits(const weft_case *head, const weft_case *c, bool certain_only)
{
	const weft_case *at = head;

	if (!head)
		return false;
	do {
		if (at->sel != c->sel && (!certain_only || weft__case_certain(at)))
			return true;
		at = at->next;
	} while (at != head);
	return false;
}

/* Notifies all futures in the list, except the case's own party. */
static weft_case *notify_futures(weft_case *head, const weft_case *own, struct weft__wakes *wakes)
{
	weft_case *last = head ? head->prev : NULL;
	weft_case *next;

	for (weft_case *c = head; c; c = c == last ? NULL : next) {
		next = c->next;
		if (c->sel == own->sel || weft__case_certain(c))
			continue;
		head = weft__cases_remove(head, c);
		if (weft__case_win(c, WEFT__NOTIFIED)) {
			c->notified = 1;
			weft__wakes_add(wakes, c);
		}
	}
	return head;
}

static bool send_enqueue(weft_case *c)
{
	struct rendezvous *r = c->object;
	weft_case *head = weft__waitq_lock(&r->receivers);
	bool wait = !is_closed(r) && !other_waits(head, c, true);
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	if (wait) {
		weft_store_relaxed(&r->senders, weft__cases_push(senders_of(r), c));
		head = notify_futures(head, c, &wakes);
	}
	weft__waitq_unlock(&r->receivers, head, 0, 0);
	return wait;
}

static bool recv_enqueue(weft_case *c)
{
	struct rendezvous *r = c->object;
	weft_case *head = weft__waitq_lock(&r->receivers);
	bool wait = !is_closed(r) && !other_waits(senders_of(r), c, false);

	if (wait)
		head = weft__cases_push(head, c);
	weft__waitq_unlock(&r->receivers, head, 0, 0);
	return wait;
}

static void send_dequeue(weft_case *c)
{
	struct rendezvous *r = c->object;
	weft_case *head = weft__waitq_lock(&r->receivers);

	if (c->linked)
		weft_store_relaxed(&r->senders, weft__cases_remove(senders_of(r), c));
	weft__waitq_unlock(&r->receivers, head, 0, 0);
}

static void recv_dequeue(weft_case *c)
{
	struct rendezvous *r = c->object;

	weft__waitq_cancel(&r->receivers, c);
}

static bool send_attempt(weft_case *c)
{
	c->result = rendezvous_try_send(c->object, c->slot);
	return c->result != -EAGAIN;
}

static bool recv_attempt(weft_case *c)
{
	c->result = rendezvous_try_recv(c->object, c->slot);
	return c->result != -EAGAIN;
}

/* A value that is not there yet can be reserved no place. */
static int rendezvous_try_reserve(weft_chan *chan)
{
	(void)chan;
	return -EINVAL;
}

static int rendezvous_commit(weft_chan *chan, const void *element)
{
	(void)element;
	return rendezvous_try_reserve(chan);
}

static void rendezvous_abandon(weft_chan *chan)
{
	(void)chan;
}

static bool reserve_attempt(weft_case *c)
{
	c->result = rendezvous_try_reserve(c->object);
	return true;
}

static const struct weft_source reserve_source = {
	.name = "reserve",
	.attempt = reserve_attempt,
	.enqueue = send_enqueue,
	.dequeue = send_dequeue,
};

/* No `ready`: two parties that both only look never meet. And no `pass_on`: all
 * futures are notified at once, and a sender stays queued until it is taken. */
static const struct weft_source send_source = {
	.name = "send",
	.attempt = send_attempt,
	.enqueue = send_enqueue,
	.dequeue = send_dequeue,
};

static const struct weft_source recv_source = {
	.name = "receive",
	.attempt = recv_attempt,
	.enqueue = recv_enqueue,
	.dequeue = recv_dequeue,
};

/* ---- closing, and the rest ---------------------------------------------------------- */

static bool rendezvous_close(weft_chan *chan)
{
	struct rendezvous *r = (struct rendezvous *)chan;
	weft_case *head = weft__waitq_lock(&r->receivers);
	bool was_open = !is_closed(r);
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	weft__win_all(head, &wakes, WEFT__NOTIFIED, 0);
	weft__win_all(senders_of(r), &wakes, WEFT__NOTIFIED, 0);
	weft_store_relaxed(&r->senders, NULL);
	weft__waitq_unlock(&r->receivers, NULL, CLOSED, 0);
	weft__wakes_fire(&wakes);
	return was_open;
}

static bool rendezvous_is_closed(const weft_chan *chan)
{
	return is_closed((const struct rendezvous *)chan);
}

static size_t rendezvous_len(const weft_chan *chan)
{
	(void)chan;
	return 0;
}

static void rendezvous_destroy(weft_chan *chan)
{
	struct rendezvous *r = (struct rendezvous *)chan;

	weft__chan_expect_idle(weft__waitq_head(weft_load_relaxed(&r->receivers.word)));
	weft__chan_expect_idle(senders_of(r));
	weft__release(chan);
}

static const struct weft__flavour rendezvous_flavour = {
	.name = "rendezvous",
	.try_send = rendezvous_try_send,
	.try_recv = rendezvous_try_recv,
	.send_some = rendezvous_send_some,
	.recv_some = rendezvous_recv_some,
	.try_reserve = rendezvous_try_reserve,
	.commit = rendezvous_commit,
	.abandon = rendezvous_abandon,
	.reserve_source = &reserve_source,
	.send_source = &send_source,
	.recv_source = &recv_source,
	.close = rendezvous_close,
	.is_closed = rendezvous_is_closed,
	.len = rendezvous_len,
	.destroy = rendezvous_destroy,
};

weft_chan *weft__rendezvous_new(void)
{
	struct rendezvous *r = weft__alloc_aligned(CHAN_LINE, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct rendezvous){ .chan = { .flavour = &rendezvous_flavour } };
	return &r->chan;
}
