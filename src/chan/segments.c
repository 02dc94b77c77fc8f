/* SPDX-License-Identifier: MIT */
/*
 * The unbounded channel: a list of segments, each an array of cells.
 *
 * Senders claim a position by moving `tail`, copy the value into the cell and
 * publish it by the cell's stamp, position + 1. Positions are never used twice,
 * so the cells of a recycled segment need no cleaning.
 *
 * The last cell of a segment is claimed only under the lock `grow`, by a sender
 * that has linked the next segment before. So a sender that has claimed a position
 * without the lock knows its segment: `tail_segment` changes only while `tail` is
 * at a last cell, and tail has not moved between the load of the segment and the
 * claim. And nobody ever spins for somebody else's segment: contenders for the
 * last cell sleep on the lock, and a failed allocation fails one send.
 *
 * Receivers take turns under the lock `take`, which makes everything of theirs
 * plain. The one that takes a segment's last value frees the segment: the store of
 * a stamp was each sender's last touch. One segment is kept for reuse.
 *
 *   chan.1 to chan.4, chan.6  as in ring.c
 *   chan.5  a new segment is stored to `tail_segment` before `tail` moves to it
 *           (release), and a sender loads `tail` before `tail_segment` (acquire):
 *           it sees the segment that belongs to the position, or a newer one, in
 *           which case its claim fails.
 */
#include "chan/chan.h"

/* The bit of `tail` that says closed; positions are shifted by one. */
enum { CLOSED = 1, ONE = 2 };

struct cell {
	weft_atomic_size stamp;
	unsigned char element[];
};

struct segment {
	weft_atomic_ptr next;
	size_t unused; /* keeps the cells on lines of their own pairs */
	unsigned char cells[];
};

struct segments {
	struct weft_chan chan;
	size_t stride;
	size_t mask; /* cells of a segment, less one */
	weft_waitq receivers;
	weft_atomic_ptr first;   /* where receivers begin */
	weft_atomic_u32 closing; /* set before CLOSED: see segments_try_recv() */
	weft_atomic_ptr spare;
	WEFT_ALIGNED(CHAN_LINE) weft_atomic_size tail;
	weft_atomic_ptr tail_segment;
	weft_waitq grow;
	WEFT_ALIGNED(CHAN_LINE) weft_waitq take;
	weft_atomic_size head; /* a position; written under take */
	struct segment *head_segment;
};

static struct cell *cell_at(const struct segments *s, struct segment *segment, size_t position)
{
	return (struct cell *)(void *)(segment->cells + (position & s->mask) * s->stride);
}

/* A segment of which no cell's stamp can be mistaken for one of a position to
 * come: positions start at 1 here, stamps at 0. */
static struct segment *segment_new(struct segments *s)
{
	struct segment *segment = weft_swap_acq_rel(&s->spare, NULL);

	if (!segment) {
		size_t size = sizeof(*segment) + (s->mask + 1) * s->stride;

		segment = weft__alloc_aligned(CHAN_LINE, size);
		if (!segment)
			return NULL;
		for (size_t i = 0; i <= s->mask; i++)
			weft_store_relaxed(&cell_at(s, segment, i)->stamp, 0);
	}
	weft_store_relaxed(&segment->next, NULL);
	return segment;
}

static void segment_retire(struct segments *s, struct segment *segment)
{
	weft__release(weft_swap_acq_rel(&s->spare, segment));
}

static void put(struct segments *s, struct segment *segment, size_t position, const void *element)
{
	struct cell *cell = cell_at(s, segment, position);

	weft__element_copy(cell->element, element, s->chan.element_size);
	weft_store_release(&cell->stamp, position + 1); /* chan.1 */
	weft__chan_notify(&s->receivers);
}

/* Whether the position can be claimed without the lock. */
static bool is_plain(const struct segments *s, const struct segment *segment, size_t position)
{
	return segment && (position & s->mask) != s->mask;
}

/* With `grow` locked: sees to it that tail_segment is there and, if the position
 * is a last cell, that the next segment is. Returns the position's segment. */
static struct segment *prepare(struct segments *s, size_t position, struct segment **next)
{
	struct segment *segment = weft_load_relaxed(&s->tail_segment);

	*next = NULL;
	if (!segment) {
		segment = segment_new(s);
		if (!segment)
			return NULL;
		weft_store_release(&s->first, segment);
		weft_store_release(&s->tail_segment, segment); /* chan.5 */
	}
	if ((position & s->mask) == s->mask) {
		*next = segment_new(s);
		if (!*next)
			return NULL;
	}
	return segment;
}

/* Claims a last cell, or the first of all, under the lock. 1: look again. */
static __attribute__((noinline)) int send_and_grow(struct segments *s, const void *element)
{
	struct segment *segment, *next;
	int err = 1;
	size_t tail;

	weft__gate_enter(&s->grow);
	tail = weft_load_acquire(&s->tail);
	segment = weft_load_relaxed(&s->tail_segment);
	if (!(tail & CLOSED) && !is_plain(s, segment, tail / ONE)) {
		segment = prepare(s, tail / ONE, &next);
		if (!segment) {
			err = -ENOMEM;
		} else if (next) {
			weft_store_release(&segment->next, next);
			weft_store_release(&s->tail_segment, next); /* chan.5 */
			/* Only a close can come between. */
			if (weft_cas_seq_cst(&s->tail, &tail, tail + ONE)) /* chan.2, chan.5 */
				err = 0;
		}
	}
	weft__gate_leave(&s->grow);
	if (err == 0)
		put(s, segment, tail / ONE, element);
	return err;
}

static int segments_try_send(weft_chan *chan, const void *element)
{
	struct segments *s = (struct segments *)chan;
	size_t tail = weft_load_acquire(&s->tail); /* chan.5 */

	for (;;) {
		struct segment *segment = weft_load_acquire(&s->tail_segment); /* chan.5 */

		if (WEFT_UNLIKELY(tail & CLOSED))
			return -EPIPE;
		if (WEFT_UNLIKELY(!is_plain(s, segment, tail / ONE))) {
			int err = send_and_grow(s, element);

			if (err <= 0)
				return err;
			tail = weft_load_acquire(&s->tail); /* chan.5 */
		} else if (weft_cas_weak_seq_cst(&s->tail, &tail,
						 tail + ONE)) { /* chan.2, chan.5 */
			put(s, segment, tail / ONE, element);
			return 0;
		}
	}
}

/* With `take` locked: the cell at the head if its value is published. */
static struct cell *full_cell(struct segments *s, size_t head)
{
	struct cell *cell;

	if (!s->head_segment)
		s->head_segment = weft_load_acquire(&s->first);
	if (!s->head_segment)
		return NULL;
	cell = cell_at(s, s->head_segment, head);
	return weft_load_acquire(&cell->stamp) == head + 1 ? cell : NULL; /* chan.1 */
}

/* With `take` locked: goes on to the next cell; returns a segment to retire. */
static struct segment *advance(struct segments *s, size_t head)
{
	struct segment *done = NULL;

	if ((head & s->mask) == s->mask) {
		done = s->head_segment;
		s->head_segment = weft_load_acquire(&done->next);
	}
	weft_store_release(&s->head, head + 1);
	return done;
}

static int segments_try_recv(weft_chan *chan, void *element)
{
	struct segments *s = (struct segments *)chan;
	struct segment *done = NULL;
	struct cell *cell;
	size_t head, tail;

	weft__gate_enter(&s->take);
	head = weft_load_relaxed(&s->head);
	cell = full_cell(s, head);
	if (cell) {
		weft__element_copy(element, cell->element, chan->element_size);
		done = advance(s, head);
	}
	weft__gate_leave(&s->take);
	if (done)
		segment_retire(s, done);
	if (cell)
		return 0;
	/* A look at `tail` takes its line away from the senders; so only if needed. */
	if (WEFT_LIKELY(!weft_load_acquire(&s->closing)))
		return -EAGAIN;
	tail = weft_load_acquire(&s->tail);
	return tail == (head * ONE | CLOSED) ? -EPIPE : -EAGAIN;
}

/* ---- waiting ----------------------------------------------------------------------- */

static enum weft__outlook recv_outlook(const weft_chan *chan)
{
	struct segments *s = (struct segments *)(uintptr_t)chan;
	bool full;
	size_t head, tail;

	weft__gate_enter(&s->take);
	head = weft_load_relaxed(&s->head);
	full = full_cell(s, head) != NULL;
	weft__gate_leave(&s->take);
	if (full)
		return WEFT__GO;
	tail = weft_load_seq_cst(&s->tail); /* chan.2 */
	if (tail == head * ONE)
		return WEFT__WAIT;
	return tail == (head * ONE | CLOSED) ? WEFT__GO : WEFT__PENDING;
}

/* Under the lock, for the sake of the segment; but it leaves `tail` alone. */
static bool recv_ready(const weft_case *c)
{
	struct segments *s = c->object;
	bool full;

	weft__gate_enter(&s->take);
	full = full_cell(s, weft_load_relaxed(&s->head)) != NULL;
	weft__gate_leave(&s->take);
	return full || weft_load_relaxed(&s->closing);
}

static bool recv_enqueue(weft_case *c)
{
	struct segments *s = c->object;

	return weft__chan_enqueue(&s->receivers, c, recv_outlook);
}

static void recv_dequeue(weft_case *c)
{
	struct segments *s = c->object;

	weft__waitq_cancel(&s->receivers, c);
}

static void recv_pass_on(weft_case *c)
{
	struct segments *s = c->object;

	weft__chan_arrive(&s->receivers, c); /* chan.4 */
	weft__chan_hand_on(&s->receivers, c, recv_outlook);
}

static bool recv_attempt(weft_case *c)
{
	struct segments *s = c->object;

	if (c->notified)
		weft__chan_arrive(&s->receivers, c); /* chan.4 */
	c->result = segments_try_recv(c->object, c->slot);
	if (c->result == -EAGAIN)
		return false;
	if (c->notified)
		weft__chan_hand_on(&s->receivers, c, recv_outlook); /* chan.4 */
	return true;
}

static bool send_attempt(weft_case *c)
{
	c->result = segments_try_send(c->object, c->slot);
	return true; /* there is always room, or an error */
}

static bool send_enqueue(weft_case *c)
{
	(void)c;
	return false;
}

static void send_dequeue(weft_case *c)
{
	(void)c;
}

static const struct weft_source send_source = {
	.name = "send",
	.attempt = send_attempt,
	.enqueue = send_enqueue,
	.dequeue = send_dequeue,
};

static const struct weft_source recv_source = {
	.name = "receive",
	.attempt = recv_attempt,
	.ready = recv_ready,
	.enqueue = recv_enqueue,
	.dequeue = recv_dequeue,
	.pass_on = recv_pass_on,
};

/* ---- closing, and the rest ------------------------------------------------------------ */

static bool segments_close(weft_chan *chan)
{
	struct segments *s = (struct segments *)chan;

	weft_store_relaxed(&s->closing, 1);             /* published by the next step */
	if (weft_or_seq_cst(&s->tail, CLOSED) & CLOSED) /* chan.2, chan.6 */
		return false;
	weft__chan_notify_all(&s->receivers);
	return true;
}

static bool segments_is_closed(const weft_chan *chan)
{
	const struct segments *s = (const struct segments *)chan;

	return weft_load_acquire(&s->tail) & CLOSED;
}

static size_t segments_len(const weft_chan *chan)
{
	const struct segments *s = (const struct segments *)chan;
	size_t head = weft_load_acquire(&s->head);

	/* Loaded in this order, the difference is never negative. */
	return weft_load_acquire(&s->tail) / ONE - head;
}

static void segments_destroy(weft_chan *chan)
{
	struct segments *s = (struct segments *)chan;
	size_t tail = weft_load_acquire(&s->tail) / ONE;
	struct segment *segment;

	weft__chan_expect_idle(weft__waitq_head(weft_load_relaxed(&s->receivers.word)));
	for (size_t head = weft_load_acquire(&s->head); head != tail; head++) {
		struct cell *cell = full_cell(s, head);
		struct segment *done;

		weft__cell_drop(chan, cell, cell->element);
		done = advance(s, head);
		if (done)
			segment_retire(s, done);
	}
	segment = s->head_segment ? s->head_segment : weft_load_acquire(&s->first);
	while (segment) {
		struct segment *next = weft_load_acquire(&segment->next);

		weft__release(segment);
		segment = next;
	}
	weft__release(weft_load_acquire(&s->spare));
	weft__release(s);
}

static const struct weft__flavour segments_flavour = {
	.name = "unbounded",
	.try_send = segments_try_send,
	.try_recv = segments_try_recv,
	.send_source = &send_source,
	.recv_source = &recv_source,
	.close = segments_close,
	.is_closed = segments_is_closed,
	.len = segments_len,
	.destroy = segments_destroy,
};

weft_chan *weft__segments_new(size_t element_size)
{
	struct segments *s = weft__alloc_aligned(CHAN_LINE, sizeof(*s));
	size_t count = WEFT__BOUND(64, 2);

	if (!s)
		return NULL;
	*s = (struct segments){ .chan = { .flavour = &segments_flavour } };
	s->stride = (sizeof(struct cell) + element_size + 7) & ~(size_t)7;
	/* About a page of cells, if that is more than a few. */
	while (count > CHAN_SEGMENT_LEAST && count > 4096 / s->stride)
		count /= 2;
	s->mask = count - 1;
	return &s->chan;
}
