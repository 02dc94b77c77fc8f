/* SPDX-License-Identifier: MIT */
/*
 * The bounded channel: a ring of cells, each with a stamp that says whose turn it
 * is (after Dmitry Vyukov's bounded MPMC queue, in the form with laps, which
 * allows any capacity).
 *
 * A position is an index into the ring plus a multiple of `lap` (a power of two
 * beyond twice the capacity); the bit between the two is CLOSED, in `tail` only. In the
 * top bits of `tail`, above all positions, is the number of reserved places, below.
 * For the position p of a cell:
 *
 *   stamp == p        empty, for the sender that claims p     -> p + 1
 *   stamp == p + 1    full, for the receiver that claims p    -> p + lap
 *
 * A sender claims p by moving `tail` from p to its successor, copies the value in,
 * and publishes it by the stamp; a receiver does the same with `head`. Between
 * claim and publication the cell is *pending*; a party that finds it so never
 * waits for it in a try, it reports "not now". That holds for its own kind too: a
 * sender may find the cell pending by the sender of the lap before (the ring is
 * full), a receiver by the receiver of the lap before (it is empty).
 *
 * Reservations. A place is reserved by counting it in `tail`, and not by a claim, which
 * would hold up whoever sends after it. Always as many cells from `tail` on are empty as
 * are reserved: whoever moves `tail`, or adds to the count, makes sure that the cell behind
 * those is empty, too, which stays true as only a claim could change it. So a commit moves
 * `tail` and takes one off the count without a look at any cell, and never waits.
 *
 * Waking. A sender, having published, looks for waiting receivers; a receiver that
 * is about to sleep announces itself, then looks for values:
 *
 *   chan.1  the stamp is stored with release and loaded with acquire: the value.
 *   chan.2  sender: claim (seq_cst), then look at the receivers' queue (seq_cst);
 *           receiver: link itself into that queue (seq_cst), then load `tail`
 *           (seq_cst). In the one order of these, either the sender sees the
 *           receiver, or the receiver sees the claim. The same with `head` for
 *           senders that wait.
 *   chan.3  The receiver may see the claim and not the publication, while the
 *           sender has looked already: the store of the stamp and the look at the
 *           queue are not ordered, since that would cost each message a locked
 *           instruction. In this rare case the receiver makes all threads pass a
 *           barrier. Publications from before it are visible after it, and those
 *           from after it are followed by a look that sees the receiver.
 *   chan.4  A wake is dear, so who publishes wakes nobody while a party that was
 *           notified, and is certain to run, is on its way: it is designated, by a
 *           bit of the queue's word. It clears the bit (seq_cst), then tries, and then
 *           looks (seq_cst): if there is more, the next waiter is notified. So every
 *           claim whose look saw the bit is seen by that last look, or by that of
 *           its enqueue when the try was in vain; and what is seen as pending may
 *           have been published with a look that saw the bit, so here, too, the
 *           barrier must tell. A party that gives up does the same without the try,
 *           and so does one that finds the channel closed, where one last value
 *           may end the wait of many. If it finds something only when it has queued
 *           up again, it remains the one who was notified.
 *   chan.6  to close releases, to find the channel closed acquires: what was done
 *           before the close is visible. (chan.5 is in segments.c.)
 *   chan.7  A value passes by the ring, from hand to hand, if a fiber is the first who
 *           waits and the ring is empty: `head` and then `tail` are found to be the
 *           same, under the lock of the queue. What was sent before, by the sender
 *           itself or so that it or the fiber could know, is seen there; the rest is
 *           sent at the same time, and may as well come after it. Nothing is claimed
 *           and nothing published, so nobody else's look has to see it.
 *
 * To threads and futures values are not handed: they are notified and take what is
 * there. A thread would have to be woken for each value (see chan.4), and a future may
 * never be polled (invariant B).
 */
#include "chan/ring.h"

/* Whether the stamp at position p says that a sender cannot have it yet: the value
 * of the lap before is there, or still on its way in. */
static bool is_taken(const struct ring *r, size_t stamp, size_t p)
{
	size_t next = (stamp + r->lap) & POSITION;

	return next == p + 1 || next == p;
}

/* Whether the stamp at position p says that a receiver cannot have it yet: empty,
 * or the value of the lap before still on its way out. */
static bool is_vacant(const struct ring *r, size_t stamp, size_t p)
{
	return stamp == p || ((stamp + r->lap) & POSITION) == p + 1;
}

/* What may happen to `tail`. */
enum step { SEND, RESERVE, COMMIT, ABANDON };

static size_t stepped(const struct ring *r, size_t tail, enum step step)
{
	size_t count = tail & ~POSITION, closed = tail & closed_bit(r);
	size_t p = position_in(r, tail);

	if (step == SEND || step == COMMIT)
		p = successor(r, p);
	if (step == RESERVE)
		count += RESERVED_ONE;
	if (step == COMMIT || step == ABANDON)
		count -= RESERVED_ONE;
	return count | closed | p;
}

/* Takes the step if it can be taken now: 0, and *p is the position that `tail` was at. */
static int move_tail(struct ring *r, enum step step, size_t *p)
{
	size_t tail = weft_load_acquire(&r->tail); /* chan.6 */

	for (;;) {
		size_t at = free_in(r, tail), stamp;

		if ((tail & closed_bit(r)) && step != ABANDON)
			return -EPIPE;
		if (step == SEND || step == RESERVE) {
			stamp = weft_load_acquire(&cell_at(r, at)->stamp); /* chan.1 */
			if (is_taken(r, stamp, at) ||
			    (step == RESERVE && tail >> POSITION_BITS == RESERVED_MOST))
				return -EAGAIN;
			if (stamp != at) {
				tail = weft_load_acquire(&r->tail); /* chan.6 */
				continue;
			}
		}
		if (weft_cas_weak_seq_cst(&r->tail, &tail, stepped(r, tail, step))) { /* chan.2 */
			*p = position_in(r, tail);
			return 0;
		}
	}
}

static void publish(struct ring *r, size_t p, const void *element)
{
	struct cell *cell = cell_at(r, p);

	weft__element_copy(cell->element, element, r->chan.element_size);
	weft_store_release(&cell->stamp, p + 1); /* chan.1 */
	weft__chan_notify(&r->receivers);
}

/* While places are reserved. */
static __attribute__((noinline)) int send_beside(struct ring *r, const void *element)
{
	size_t p;
	int err = move_tail(r, SEND, &p);

	if (!err)
		publish(r, p, element);
	return err;
}

static int ring_try_reserve(weft_chan *chan)
{
	size_t p;

	return move_tail((struct ring *)chan, RESERVE, &p);
}

static int ring_commit(weft_chan *chan, const void *element)
{
	struct ring *r = (struct ring *)chan;
	size_t p;
	int err = move_tail(r, COMMIT, &p);

	if (err)
		move_tail(r, ABANDON, &p);
	else
		publish(r, p, element);
	return err;
}

static void ring_abandon(weft_chan *chan)
{
	struct ring *r = (struct ring *)chan;
	size_t p;

	(void)move_tail(r, ABANDON, &p);
	weft__chan_notify(&r->senders); /* chan.2 */
}

static bool is_empty(const weft_chan *chan)
{
	const struct ring *r = (const struct ring *)chan;
	size_t head = weft_load_relaxed(&r->head); /* chan.7 */

	return weft_load_relaxed(&r->tail) == head; /* chan.7 */
}

static int ring_try_send(weft_chan *chan, const void *element)
{
	struct ring *r = (struct ring *)chan;
	size_t tail;

	if (weft__chan_hand(chan, &r->receivers, element, is_empty))
		return 0;
	tail = weft_load_acquire(&r->tail); /* chan.6 */
	for (;;) {
		struct cell *cell;
		size_t stamp;

		if (WEFT_UNLIKELY(tail & closed_bit(r)))
			return -EPIPE;
		if (WEFT_UNLIKELY(tail & ~POSITION))
			return send_beside(r, element);
		cell = cell_at(r, tail);
		stamp = weft_load_acquire(&cell->stamp); /* chan.1 */
		if (stamp == tail) {
			if (!weft_cas_weak_seq_cst(&r->tail, &tail,
						   successor(r, tail))) /* chan.2 */
				continue;
			weft__element_copy(cell->element, element, chan->element_size);
			weft_store_release(&cell->stamp, tail + 1); /* chan.1 */
			weft__chan_notify(&r->receivers);
			return 0;
		}
		if (is_taken(r, stamp, tail))
			return -EAGAIN;
		tail = weft_load_acquire(&r->tail); /* chan.6 */
	}
}

static int ring_try_recv(weft_chan *chan, void *element)
{
	struct ring *r = (struct ring *)chan;
	size_t head = weft_load_relaxed(&r->head);

	for (;;) {
		struct cell *cell = cell_at(r, head);
		size_t stamp = weft_load_acquire(&cell->stamp); /* chan.1 */

		if (stamp == head + 1) {
			if (!weft_cas_weak_seq_cst(&r->head, &head,
						   successor(r, head))) /* chan.2 */
				continue;
			weft__element_copy(element, cell->element, chan->element_size);
			weft_store_release(&cell->stamp, (head + r->lap) & POSITION); /* chan.1 */
			weft__chan_notify(&r->senders);
			return 0;
		}
		if (is_vacant(r, stamp, head)) {
			size_t tail;

			/* A look at `tail` takes its line away from the senders. */
			if (WEFT_LIKELY(!weft_load_relaxed(&r->closing)))
				return -EAGAIN;
			tail = weft_load_acquire(&r->tail); /* chan.6 */
			/* Closed and past the last value; else empty, or pending. */
			return (tail & POSITION) == (head | closed_bit(r)) ? -EPIPE : -EAGAIN;
		}
		head = weft_load_relaxed(&r->head);
	}
}

/* ---- many at once ------------------------------------------------------------------ */

/* How many cells from p on can be claimed together, up to `most`; *end is the position
 * behind them. What a stamp says stays true as long as nobody has claimed the cell. */
static size_t run_from(const struct ring *r, size_t p, size_t full, size_t most, size_t *end)
{
	size_t n = 0;

	while (n < most && weft_load_acquire(&cell_at(r, p)->stamp) == p + full) { /* chan.1 */
		p = successor(r, p);
		n++;
	}
	*end = p;
	return n;
}

static void put_all(struct ring *r, size_t p, const unsigned char *elements, size_t n)
{
	for (; n > 0; n--, p = successor(r, p)) {
		struct cell *cell = cell_at(r, p);

		weft__element_copy(cell->element, elements, r->chan.element_size);
		elements += r->chan.element_size;
		weft_store_release(&cell->stamp, p + 1); /* chan.1 */
	}
}

static void take_all(struct ring *r, size_t p, unsigned char *elements, size_t n)
{
	for (; n > 0; n--, p = successor(r, p)) {
		struct cell *cell = cell_at(r, p);

		weft__element_copy(elements, cell->element, r->chan.element_size);
		elements += r->chan.element_size;
		weft_store_release(&cell->stamp, (p + r->lap) & POSITION); /* chan.1 */
	}
}

static int ring_send_some(weft_chan *chan, const void *elements, size_t count, size_t *n)
{
	struct ring *r = (struct ring *)chan;
	size_t tail = weft_load_acquire(&r->tail), end; /* chan.6 */
	bool plain = !(tail & (closed_bit(r) | ~POSITION));
	size_t run = plain ? run_from(r, tail, 0, count, &end) : 0;

	if (run > 1 && weft_cas_seq_cst(&r->tail, &tail, end)) { /* chan.2 */
		put_all(r, tail, elements, run);
		weft__chan_notify(&r->receivers);
		*n = run;
		return 0;
	}
	*n = 1;
	return ring_try_send(chan, elements);
}

static int ring_recv_some(weft_chan *chan, void *elements, size_t count, size_t *n)
{
	struct ring *r = (struct ring *)chan;
	size_t head = weft_load_relaxed(&r->head), end;
	size_t run = run_from(r, head, 1, count, &end);

	if (run > 1 && weft_cas_seq_cst(&r->head, &head, end)) { /* chan.2 */
		take_all(r, head, elements, run);
		weft__chan_notify(&r->senders);
		*n = run;
		return 0;
	}
	*n = 1;
	return ring_try_recv(chan, elements);
}

/* ---- waiting --------------------------------------------------------------------- */

static enum weft__outlook send_outlook(const weft_chan *chan)
{
	const struct ring *r = (const struct ring *)chan;
	size_t tail = weft_load_seq_cst(&r->tail), at = free_in(r, tail), head;

	if (tail & closed_bit(r))
		return WEFT__GO;
	if (!is_taken(r, weft_load_acquire(&cell_at(r, at)->stamp), at)) /* chan.1 */
		return WEFT__GO;
	head = weft_load_seq_cst(&r->head); /* chan.2 */
	return ((head + r->lap) & POSITION) == at ? WEFT__WAIT : WEFT__PENDING;
}

static enum weft__outlook recv_outlook(const weft_chan *chan)
{
	const struct ring *r = (const struct ring *)chan;
	size_t head = weft_load_seq_cst(&r->head), tail;

	if (!is_vacant(r, weft_load_acquire(&cell_at(r, head)->stamp), head)) /* chan.1 */
		return WEFT__GO;
	tail = weft_load_seq_cst(&r->tail) & POSITION; /* chan.2 */
	if (tail == head)
		return WEFT__WAIT;
	return tail == (head | closed_bit(r)) ? WEFT__GO : WEFT__PENDING;
}

/* A look at the stamp alone: it lies in a line that the other side writes once a
 * message, while its `tail` or `head` would be fought over. */
static bool send_ready(const weft_case *c)
{
	const struct ring *r = c->object;
	size_t tail = weft_load_relaxed(&r->tail), at = free_in(r, tail);

	return !is_taken(r, weft_load_relaxed(&cell_at(r, at)->stamp), at);
}

static bool recv_ready(const weft_case *c)
{
	const struct ring *r = c->object;
	size_t head = weft_load_relaxed(&r->head);

	return !is_vacant(r, weft_load_relaxed(&cell_at(r, head)->stamp), head);
}

static bool send_enqueue(weft_case *c)
{
	struct ring *r = c->object;

	return weft__chan_enqueue(&r->senders, c, send_outlook);
}

static bool recv_enqueue(weft_case *c)
{
	struct ring *r = c->object;

	return weft__chan_enqueue(&r->receivers, c, recv_outlook);
}

static void send_dequeue(weft_case *c)
{
	struct ring *r = c->object;

	weft__waitq_cancel(&r->senders, c);
}

static void recv_dequeue(weft_case *c)
{
	struct ring *r = c->object;

	weft__waitq_cancel(&r->receivers, c);
}

static void send_pass_on(weft_case *c)
{
	struct ring *r = c->object;

	weft__chan_arrive(&r->senders, c); /* chan.4 */
	weft__chan_hand_on(&r->senders, c, send_outlook);
}

static void recv_pass_on(weft_case *c)
{
	struct ring *r = c->object;

	weft__chan_arrive(&r->receivers, c); /* chan.4 */
	weft__chan_hand_on(&r->receivers, c, recv_outlook);
}

static bool send_attempt(weft_case *c)
{
	struct ring *r = c->object;

	if (c->notified)
		weft__chan_arrive(&r->senders, c); /* chan.4 */
	c->result = ring_try_send(c->object, c->slot);
	if (c->result == -EAGAIN)
		return false;
	if (c->notified)
		weft__chan_hand_on(&r->senders, c, send_outlook); /* chan.4 */
	return true;
}

static bool recv_attempt(weft_case *c)
{
	struct ring *r = c->object;

	if (c->notified)
		weft__chan_arrive(&r->receivers, c); /* chan.4 */
	c->result = ring_try_recv(c->object, c->slot);
	if (c->result == -EAGAIN)
		return false;
	if (c->notified)
		weft__chan_hand_on(&r->receivers, c, recv_outlook); /* chan.4 */
	return true;
}

static bool reserve_attempt(weft_case *c)
{
	struct ring *r = c->object;

	if (c->notified)
		weft__chan_arrive(&r->senders, c); /* chan.4 */
	c->result = ring_try_reserve(c->object);
	if (c->result == -EAGAIN)
		return false;
	if (c->notified)
		weft__chan_hand_on(&r->senders, c, send_outlook); /* chan.4 */
	return true;
}

static const struct weft_source reserve_source = {
	.name = "reserve",
	.attempt = reserve_attempt,
	.ready = send_ready,
	.enqueue = send_enqueue,
	.dequeue = send_dequeue,
	.pass_on = send_pass_on,
};

static const struct weft_source send_source = {
	.name = "send",
	.attempt = send_attempt,
	.ready = send_ready,
	.enqueue = send_enqueue,
	.dequeue = send_dequeue,
	.pass_on = send_pass_on,
};

static const struct weft_source recv_source = {
	.name = "receive",
	.attempt = recv_attempt,
	.ready = recv_ready,
	.enqueue = recv_enqueue,
	.dequeue = recv_dequeue,
	.pass_on = recv_pass_on,
};

/* ---- closing, and the rest --------------------------------------------------------- */

static bool ring_close(weft_chan *chan)
{
	struct ring *r = (struct ring *)chan;

	weft_store_relaxed(&r->closing, 1); /* published by the next step */
	if (weft_or_seq_cst(&r->tail, closed_bit(r)) & closed_bit(r)) /* chan.2, chan.6 */
		return false;
	weft__chan_notify_all(&r->senders);
	weft__chan_notify_all(&r->receivers);
	return true;
}

static bool ring_is_closed(const weft_chan *chan)
{
	const struct ring *r = (const struct ring *)chan;

	return weft_load_acquire(&r->tail) & closed_bit(r); /* chan.6 */
}

static size_t ring_len(const weft_chan *chan)
{
	const struct ring *r = (const struct ring *)chan;

	for (;;) {
		size_t tail = position_in(r, weft_load_acquire(&r->tail));
		size_t head = weft_load_acquire(&r->head);
		size_t mask = closed_bit(r) - 1;

		if (position_in(r, weft_load_relaxed(&r->tail)) != tail)
			continue;
		if (tail == head)
			return 0;
		if ((head & mask) < (tail & mask))
			return (tail & mask) - (head & mask);
		return chan->capacity - (head & mask) + (tail & mask);
	}
}

static void ring_destroy(weft_chan *chan)
{
	struct ring *r = (struct ring *)chan;
	size_t tail = position_in(r, weft_load_acquire(&r->tail));

	weft__chan_expect_idle(weft__waitq_head(weft_load_relaxed(&r->senders.word)));
	weft__chan_expect_idle(weft__waitq_head(weft_load_relaxed(&r->receivers.word)));
	for (size_t p = weft_load_acquire(&r->head); p != tail; p = successor(r, p)) {
		struct cell *cell = cell_at(r, p);

		weft__cell_drop(chan, cell, cell->element);
	}
	weft__release(r->cells);
	weft__release(r);
}

static const struct weft__flavour ring_flavour = {
	.name = "bounded",
	.try_send = ring_try_send,
	.try_recv = ring_try_recv,
	.send_some = ring_send_some,
	.recv_some = ring_recv_some,
	.try_reserve = ring_try_reserve,
	.commit = ring_commit,
	.abandon = ring_abandon,
	.reserve_source = &reserve_source,
	.send_source = &send_source,
	.recv_source = &recv_source,
	.close = ring_close,
	.is_closed = ring_is_closed,
	.len = ring_len,
	.destroy = ring_destroy,
};

weft_chan *weft__ring_new(size_t element_size, size_t capacity)
{
	struct ring *r = weft__alloc_aligned(CHAN_LINE, sizeof(*r));
	size_t lap = 2;

	if (!r)
		return NULL;
	while (lap < capacity + 1)
		lap *= 2;
	*r = (struct ring){ .chan = { .flavour = &ring_flavour, .capacity = capacity } };
	r->lap = lap * 2;
	r->stride = (sizeof(struct cell) + element_size + 7) & ~(size_t)7;
	r->cells = weft__alloc_aligned(CHAN_LINE, capacity * r->stride);
	if (!r->cells) {
		weft__release(r);
		return NULL;
	}
	for (size_t i = 0; i < capacity; i++)
		weft_store_relaxed(&cell_at(r, i)->stamp, i);
	return &r->chan;
}
