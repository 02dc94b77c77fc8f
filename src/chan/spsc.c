/* SPDX-License-Identifier: MIT */
/*
 * The bounded channel that was declared to have one sender and one receiver at a time: a
 * ring with a counter for either side, and no locked instruction in a message.
 *
 * Each side writes its own counter, and remembers what it last read of the other's, so
 * that it looks at the other's line only when the ring seems full, or empty (the cached
 * indices of Lee, Bu and Chandranmenon's MCRingBuffer and of FastForward's successors).
 *
 *   spsc.1  the sender stores `tail` with release, and the receiver loads it with acquire:
 *           the values. The same with `head`: the cells are free.
 *   spsc.2  a side that has published looks for the other in its queue, and nothing orders
 *           the two. The one that is about to sleep is in the queue first, passes a barrier
 *           in all threads, and looks at the counter once more: the publication is visible
 *           to it, or it is visible to the look that follows the publication. The bit of
 *           chan.4 needs no more: who clears it and finds nothing queues up again.
 *   chan.6  as in ring.c.
 *
 * Closing. A send that has seen the channel open may publish at any time after; nobody
 * must be told before that there is nothing to come. So the close comes in two steps,
 *
 *   CLOSING  senders are refused; who is in the middle of a send looks again after it
 *   CLOSED   after a barrier in all threads: a send that did not see CLOSING in that look
 *            has published before, and what it published is visible
 *
 * and one send at most is left that may have published and has seen CLOSING. It and the
 * receiver who finds the ring empty decide by one compare-and-swap of `end` (spsc.3) where
 * the values end; a sender that comes too late takes its value back, which the receiver
 * has no eyes for. Whoever meets CLOSING takes the second step itself, so that nobody
 * can tell the two apart.
 */
#include "chan/chan.h"

#include "base/assert.h"

enum { OPEN, CLOSING, CLOSED };

/* `end` holds the position of the end plus one, or this. */
enum { UNDECIDED = 0 };

struct spsc {
	struct weft_chan chan;
	weft_waitq senders;
	weft_waitq receivers;
	unsigned char *cells;
	weft_atomic_u32 phase;
	weft_atomic_size end;
	WEFT_ALIGNED(CHAN_LINE) weft_atomic_size tail;
	size_t head_seen;
	size_t reserved;
	unsigned char *put_at;
	WEFT_ALIGNED(CHAN_LINE) weft_atomic_size head;
	size_t tail_seen;
	unsigned char *take_at;
};

static unsigned char *cells_end(const struct spsc *s)
{
	return s->cells + s->chan.capacity * s->chan.element_size;
}

/* `at` and `n` cells on, around the ring. */
static inline unsigned char *after(const struct spsc *s, unsigned char *at, size_t n)
{
	size_t left = (size_t)(cells_end(s) - at), step = n * s->chan.element_size;

	return step < left ? at + step : at + step - s->chan.capacity * s->chan.element_size;
}

/* ---- closing ------------------------------------------------------------------------ */

static void finish_closing(struct spsc *s)
{
	if (weft_load_acquire(&s->phase) != CLOSED) { /* chan.6 */
		weft__barrier_all();
		weft_store_release(&s->phase, CLOSED); /* chan.6, spsc.3 */
	}
}

/* Where the values end, if that is decided or can be: at `position`, unless it was decided
 * otherwise. */
static size_t settle(struct spsc *s, size_t position)
{
	size_t end = UNDECIDED;

	if (weft_cas_acq_rel(&s->end, &end, position + 1)) /* spsc.3 */
		return position;
	return end - 1;
}

/* After a publication that may have come too late. */
static __attribute__((noinline)) int settle_send(struct spsc *s, size_t tail)
{
	size_t end;

	finish_closing(s);
	end = settle(s, tail);
	if ((ptrdiff_t)(end - tail) < 0) {
		weft_store_relaxed(&s->tail, end);
		return -EPIPE;
	}
	return 0;
}

static bool spsc_close(weft_chan *chan)
{
	struct spsc *s = (struct spsc *)chan;
	uint32_t open = OPEN;
	bool closed = weft_cas_acq_rel(&s->phase, &open, CLOSING); /* chan.6 */

	finish_closing(s);
	if (!closed)
		return false;
	weft__chan_notify_all(&s->senders);
	weft__chan_notify_all(&s->receivers);
	return true;
}

static bool spsc_is_closed(const weft_chan *chan)
{
	struct spsc *s = (struct spsc *)(uintptr_t)chan;

	if (weft_load_acquire(&s->phase) == OPEN) /* chan.6 */
		return false;
	finish_closing(s);
	return true;
}

/* ---- sending and receiving ---------------------------------------------------------- */

static __attribute__((noinline)) int refuse_send(struct spsc *s)
{
	finish_closing(s);
	return -EPIPE;
}

/* Room for how many; looks at the receiver's line if there seems to be none. */
static inline size_t room(struct spsc *s, size_t tail)
{
	size_t taken = tail + s->reserved;

	if (WEFT_UNLIKELY(taken - s->head_seen == s->chan.capacity))
		s->head_seen = weft_load_acquire(&s->head); /* spsc.1 */
	return s->chan.capacity - (taken - s->head_seen);
}

static inline int publish(struct spsc *s, size_t tail, size_t n)
{
	unsigned char *next = after(s, s->put_at, n);

	weft_store_release(&s->tail, tail + n); /* spsc.1 */
	if (WEFT_UNLIKELY(weft_load_relaxed(&s->phase) != OPEN)) {
		int err = settle_send(s, tail + n);

		if (err)
			return err;
	}
	s->put_at = next;
	weft__chan_notify(&s->receivers); /* spsc.2 */
	return 0;
}

static int spsc_try_send(weft_chan *chan, const void *element)
{
	struct spsc *s = (struct spsc *)chan;
	size_t tail = weft_load_relaxed(&s->tail);

	if (WEFT_UNLIKELY(weft_load_acquire(&s->phase) != OPEN)) /* chan.6 */
		return refuse_send(s);
	if (room(s, tail) == 0)
		return -EAGAIN;
	weft__element_copy(s->put_at, element, chan->element_size);
	return publish(s, tail, 1);
}

static int spsc_try_reserve(weft_chan *chan)
{
	struct spsc *s = (struct spsc *)chan;

	if (WEFT_UNLIKELY(weft_load_acquire(&s->phase) != OPEN)) /* chan.6 */
		return refuse_send(s);
	if (room(s, weft_load_relaxed(&s->tail)) == 0)
		return -EAGAIN;
	s->reserved++;
	return 0;
}

static void spsc_abandon(weft_chan *chan)
{
	((struct spsc *)chan)->reserved--; /* nobody else could have it */
}

/* There is room for it, so it is a send that does not find the channel full. */
static int spsc_commit(weft_chan *chan, const void *element)
{
	spsc_abandon(chan);
	return spsc_try_send(chan, element);
}

/* With nothing left of what was seen: looks again. 0, -EAGAIN, -EPIPE. */
static __attribute__((noinline)) int look_for_more(struct spsc *s, size_t head)
{
	bool closed = weft_load_acquire(&s->phase) == CLOSED; /* chan.6, spsc.3 */
	size_t tail = weft_load_acquire(&s->tail);            /* spsc.1 */

	if (closed) {
		size_t end = weft_load_acquire(&s->end); /* spsc.3 */

		if (end != UNDECIDED)
			tail = end - 1;
		else if (tail == head)
			tail = settle(s, head);
		if (tail == head)
			return -EPIPE;
	}
	s->tail_seen = tail;
	return tail == head ? -EAGAIN : 0;
}

static inline void give_back(struct spsc *s, size_t head, size_t n)
{
	s->take_at = after(s, s->take_at, n);
	weft_store_release(&s->head, head + n); /* spsc.1 */
	weft__chan_notify(&s->senders);         /* spsc.2 */
}

static int spsc_try_recv(weft_chan *chan, void *element)
{
	struct spsc *s = (struct spsc *)chan;
	size_t head = weft_load_relaxed(&s->head);

	if (s->tail_seen == head) {
		int err = look_for_more(s, head);

		if (err)
			return err;
	}
	weft__element_copy(element, s->take_at, chan->element_size);
	give_back(s, head, 1);
	return 0;
}

/* Cells that lie in a row from `at` on, at most n. */
static size_t in_a_row(const struct spsc *s, const unsigned char *at, size_t n)
{
	size_t size = s->chan.element_size;
	size_t row = size ? (size_t)(cells_end(s) - at) / size : n;

	return row < n ? row : n;
}

static int spsc_send_some(weft_chan *chan, const void *elements, size_t count, size_t *n)
{
	struct spsc *s = (struct spsc *)chan;
	size_t tail = weft_load_relaxed(&s->tail), most;

	if (WEFT_UNLIKELY(weft_load_acquire(&s->phase) != OPEN)) /* chan.6 */
		return refuse_send(s);
	most = room(s, tail);
	if (most == 0)
		return -EAGAIN;
	/* Published in one, so that the values end before all of them or after. */
	*n = in_a_row(s, s->put_at, count < most ? count : most);
	if (chan->element_size > 0)
		memcpy(s->put_at, elements, *n * chan->element_size);
	return publish(s, tail, *n);
}

static int spsc_recv_some(weft_chan *chan, void *elements, size_t count, size_t *n)
{
	struct spsc *s = (struct spsc *)chan;
	size_t head = weft_load_relaxed(&s->head), most;

	if (s->tail_seen == head) {
		int err = look_for_more(s, head);

		if (err)
			return err;
	}
	most = s->tail_seen - head;
	*n = in_a_row(s, s->take_at, count < most ? count : most);
	if (chan->element_size > 0)
		memcpy(elements, s->take_at, *n * chan->element_size);
	give_back(s, head, *n);
	return 0;
}

/* ---- waiting ------------------------------------------------------------------------ */

static bool has_room(const struct spsc *s)
{
	return weft_load_relaxed(&s->tail) + s->reserved - weft_load_acquire(&s->head) <
	       s->chan.capacity;
}

static bool has_value(const struct spsc *s)
{
	return weft_load_acquire(&s->tail) != weft_load_relaxed(&s->head);
}

static enum weft__outlook send_outlook(const weft_chan *chan)
{
	return has_room((const struct spsc *)chan) || spsc_is_closed(chan) ? WEFT__GO
									   : WEFT__UNSEEN;
}

static enum weft__outlook recv_outlook(const weft_chan *chan)
{
	return has_value((const struct spsc *)chan) || spsc_is_closed(chan) ? WEFT__GO
									    : WEFT__UNSEEN;
}

static bool send_ready(const weft_case *c)
{
	return has_room(c->object);
}

static bool recv_ready(const weft_case *c)
{
	return has_value(c->object);
}

static bool send_enqueue(weft_case *c)
{
	struct spsc *s = c->object;

	return weft__chan_enqueue(&s->senders, c, send_outlook);
}

static bool recv_enqueue(weft_case *c)
{
	struct spsc *s = c->object;

	return weft__chan_enqueue(&s->receivers, c, recv_outlook);
}

static void send_dequeue(weft_case *c)
{
	struct spsc *s = c->object;

	weft__waitq_cancel(&s->senders, c);
}

static void recv_dequeue(weft_case *c)
{
	struct spsc *s = c->object;

	weft__waitq_cancel(&s->receivers, c);
}

/* There is nobody to pass a chance on to; but the next wait must be seen again. */
static void send_pass_on(weft_case *c)
{
	struct spsc *s = c->object;

	weft__chan_arrive(&s->senders, c); /* chan.4 */
}

static void recv_pass_on(weft_case *c)
{
	struct spsc *s = c->object;

	weft__chan_arrive(&s->receivers, c); /* chan.4 */
}

static bool send_attempt(weft_case *c)
{
	if (c->notified)
		send_pass_on(c);
	c->result = spsc_try_send(c->object, c->slot);
	return c->result != -EAGAIN;
}

static bool recv_attempt(weft_case *c)
{
	if (c->notified)
		recv_pass_on(c);
	c->result = spsc_try_recv(c->object, c->slot);
	return c->result != -EAGAIN;
}

static bool reserve_attempt(weft_case *c)
{
	if (c->notified)
		send_pass_on(c);
	c->result = spsc_try_reserve(c->object);
	return c->result != -EAGAIN;
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

/* ---- the rest ------------------------------------------------------------------------ */

static size_t spsc_len(const weft_chan *chan)
{
	const struct spsc *s = (const struct spsc *)chan;
	size_t head = weft_load_acquire(&s->head);
	size_t len = weft_load_acquire(&s->tail) - head; /* spsc.1: not before its values */

	/* More than fits went through between the two looks; or a send was too late. */
	if ((ptrdiff_t)len < 0)
		return 0;
	return len < chan->capacity ? len : chan->capacity;
}

static void spsc_destroy(weft_chan *chan)
{
	struct spsc *s = (struct spsc *)chan;
	size_t left = weft_load_acquire(&s->tail) - weft_load_acquire(&s->head);

	weft__chan_expect_idle(weft__waitq_head(weft_load_relaxed(&s->senders.word)));
	weft__chan_expect_idle(weft__waitq_head(weft_load_relaxed(&s->receivers.word)));
	for (; chan->drop && left > 0; left--) {
		chan->drop(s->take_at, chan->context);
		s->take_at = after(s, s->take_at, 1);
	}
	weft__release(s->cells);
	weft__release(s);
}

static const struct weft__flavour spsc_flavour = {
	.name = "one to one",
	.one_to_one = true,
	.try_send = spsc_try_send,
	.try_recv = spsc_try_recv,
	.send_some = spsc_send_some,
	.recv_some = spsc_recv_some,
	.try_reserve = spsc_try_reserve,
	.commit = spsc_commit,
	.abandon = spsc_abandon,
	.reserve_source = &reserve_source,
	.send_source = &send_source,
	.recv_source = &recv_source,
	.close = spsc_close,
	.is_closed = spsc_is_closed,
	.len = spsc_len,
	.destroy = spsc_destroy,
};

weft_chan *weft__spsc_new(size_t element_size, size_t capacity)
{
	struct spsc *s = weft__alloc_aligned(CHAN_LINE, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct spsc){ .chan = { .flavour = &spsc_flavour } };
	s->cells = weft__alloc_aligned(CHAN_LINE, capacity * element_size);
	if (!s->cells) {
		weft__release(s);
		return NULL;
	}
	s->put_at = s->take_at = s->cells;
	s->chan.element_size = element_size;
	s->chan.capacity = capacity;
	return &s->chan;
}
