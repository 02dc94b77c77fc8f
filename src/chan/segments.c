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
 * Receivers take turns, which makes everything of theirs plain. The one that takes a
 * segment's last value frees the segment: the store of a stamp was each sender's last
 * touch. One segment is kept for reuse.
 *
 * A turn ends by a plain store, so that a message costs each side one locked
 * instruction. Whoever would sleep until it ends pays for that:
 *
 *   turn.1  the end of a turn releases, the beginning of the next one acquires.
 *   turn.2  who ends a turn then looks whether somebody sleeps, and nothing orders the
 *           two. So a sleeper says that it will, passes a barrier in all threads, and
 *           looks at the turn once more: either the turn's end is visible to it, or it
 *           is visible to the look after that end. The futex word is the flag, which
 *           who wakes sets back before: nobody sleeps on an old one.
 *
 *   chan.1 to chan.4, chan.6, chan.7  as in ring.c
 *   chan.5  a new segment is stored to `tail_segment` before `tail` moves to it
 *           (release), and a sender loads `tail` before `tail_segment` (acquire):
 *           it sees the segment that belongs to the position, or a newer one, in
 *           which case its claim fails.
 */
#include "chan/chan.h"

/* The bit of `tail` that says closed; positions are shifted by one. */
enum { CLOSED = 1, ONE = 2 };

/* Of the gaps that double: 127 pauses in all, some 3 us. */
enum { BACK_OFFS = WEFT__BOUND(7, 1) };

/* The flags, a byte a cell, are followed by the cells, from the next line on. So many
 * values share a line, and a value costs a byte beyond its own. */
struct segment {
	weft_atomic_ptr next;
	size_t unused;
	weft_atomic_u8 full[];
};

/* TAKEN while a receiver has it; and whether somebody sleeps until it ends. */
struct turn {
	weft_atomic_u32 taken;
	weft_atomic_u32 asleep;
};

struct segments {
	struct weft_chan chan;
	size_t cells; /* where they begin in a segment */
	size_t mask;  /* cells of a segment, less one */
	weft_waitq receivers;
	weft_atomic_ptr first;   /* where receivers begin */
	weft_atomic_u32 closing; /* set before CLOSED: see segments_try_recv() */
	weft_atomic_ptr spare;
	WEFT_ALIGNED(CHAN_LINE) weft_atomic_size tail;
	weft_atomic_ptr tail_segment;
	weft_waitq grow;
	WEFT_ALIGNED(CHAN_LINE) struct turn turn;
	weft_atomic_size head; /* a position; written in a turn */
	struct segment *head_segment;
};

static inline void *element_at(const struct segments *s, struct segment *segment, size_t position)
{
	unsigned char *cells = (unsigned char *)segment + s->cells;

	return cells + (position & s->mask) * s->chan.element_size;
}

/* ---- turns ------------------------------------------------------------------------- */

/* After a step that another party was quicker with: it goes on for a while undisturbed,
 * so that the line they fight for need not come and go for each message. False when the
 * gaps have become so long that it probably does not run. */
static bool back_off(int *failures)
{
	if (*failures >= BACK_OFFS)
		return false;
	for (int i = 0; i < 1 << *failures; i++)
		weft__cpu_pause();
	++*failures;
	return true;
}

static __attribute__((noinline)) void turn_wait(struct turn *turn)
{
	int failures = 0;

	for (;;) {
		uint32_t taken = weft_load_relaxed(&turn->taken);

		if (!taken && weft_cas_weak_acquire(&turn->taken, &taken, 1)) /* turn.1 */
			return;
		if (back_off(&failures))
			continue;
		weft_store_relaxed(&turn->asleep, 1);
		weft__barrier_all(); /* turn.2 */
		if (weft_load_relaxed(&turn->taken))
			weft__futex_wait(&turn->asleep, 1, WEFT_NEVER);
	}
}

static inline void turn_begin(struct turn *turn)
{
	uint32_t taken = 0;

	if (WEFT_UNLIKELY(!weft_cas_acquire(&turn->taken, &taken, 1))) /* turn.1 */
		turn_wait(turn);
}

static __attribute__((noinline)) void turn_wake(struct turn *turn)
{
	weft_store_relaxed(&turn->asleep, 0);
	weft__futex_wake(&turn->asleep, INT32_MAX);
}

static inline void turn_end(struct turn *turn)
{
	weft_store_release(&turn->taken, 0); /* turn.1 */
	if (WEFT_UNLIKELY(weft_load_relaxed(&turn->asleep)))
		turn_wake(turn); /* turn.2 */
}

/* ---- segments ------------------------------------------------------------------------ */

static struct segment *segment_new(struct segments *s)
{
	struct segment *segment = weft_swap_acq_rel(&s->spare, NULL);

	if (!segment)
		segment = weft__alloc_aligned(CHAN_LINE,
					      s->cells + (s->mask + 1) * s->chan.element_size);
	if (!segment)
		return NULL;
	memset(segment->full, 0, s->mask + 1); /* nobody else knows it yet */
	weft_store_relaxed(&segment->next, NULL);
	return segment;
}

static void segment_retire(struct segments *s, struct segment *segment)
{
	weft__release(weft_swap_acq_rel(&s->spare, segment));
}

static inline void put(struct segments *s, struct segment *segment, size_t position,
		       const void *element)
{
	weft__element_copy(element_at(s, segment, position), element, s->chan.element_size);
	weft_store_release(&segment->full[position & s->mask], 1); /* chan.1 */
	weft__chan_notify(&s->receivers);
}

/* Whether the position can be claimed without the lock. */
static inline bool is_plain(const struct segments *s, const struct segment *segment,
			    size_t position)
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

static bool is_empty(const weft_chan *chan)
{
	const struct segments *s = (const struct segments *)chan;
	size_t head = weft_load_relaxed(&s->head); /* chan.7 */

	return weft_load_relaxed(&s->tail) == head * ONE; /* chan.7 */
}

/* What the first look could not do. */
static __attribute__((noinline)) int send_slowly(struct segments *s, const void *element)
{
	int failures = 0;

	for (;;) {
		size_t tail = weft_load_acquire(&s->tail);                     /* chan.5 */
		struct segment *segment = weft_load_acquire(&s->tail_segment); /* chan.5 */

		if (tail & CLOSED)
			return -EPIPE;
		if (!is_plain(s, segment, tail / ONE)) {
			int err = send_and_grow(s, element);

			if (err <= 0)
				return err;
		} else if (weft_cas_seq_cst(&s->tail, &tail, tail + ONE)) { /* chan.2, chan.5 */
			put(s, segment, tail / ONE, element);
			return 0;
		} else if (!back_off(&failures)) {
			failures = 0;
		}
	}
}

static int segments_try_send(weft_chan *chan, const void *element)
{
	struct segments *s = (struct segments *)chan;
	struct segment *segment;
	size_t tail;

	if (weft__chan_hand(chan, &s->receivers, element, is_empty))
		return 0;
	tail = weft_load_acquire(&s->tail);            /* chan.5 */
	segment = weft_load_acquire(&s->tail_segment); /* chan.5 */
	if (WEFT_UNLIKELY((tail & CLOSED) || !is_plain(s, segment, tail / ONE) ||
			  !weft_cas_seq_cst(&s->tail, &tail, tail + ONE))) /* chan.2, chan.5 */
		return send_slowly(s, element);
	put(s, segment, tail / ONE, element);
	return 0;
}

/* In a turn: whether the value at the head is published. */
static inline bool is_full(struct segments *s, size_t head)
{
	if (WEFT_UNLIKELY(!s->head_segment)) {
		s->head_segment = weft_load_acquire(&s->first);
		if (!s->head_segment)
			return false;
	}
	return weft_load_acquire(&s->head_segment->full[head & s->mask]); /* chan.1 */
}

/* In a turn: goes on to the next cell; returns a segment to retire. */
static inline struct segment *advance(struct segments *s, size_t head)
{
	struct segment *done = NULL;

	if (WEFT_UNLIKELY((head & s->mask) == s->mask)) {
		done = s->head_segment;
		s->head_segment = weft_load_acquire(&done->next);
	}
	weft_store_release(&s->head, head + 1);
	return done;
}

/* Empty, or pending. A look at `tail` takes its line away from the senders; so only
 * if needed. */
static int nothing_at(const struct segments *s, size_t head)
{
	if (WEFT_LIKELY(!weft_load_acquire(&s->closing)))
		return -EAGAIN;
	return weft_load_acquire(&s->tail) == (head * ONE | CLOSED) ? -EPIPE : -EAGAIN;
}

static int segments_try_recv(weft_chan *chan, void *element)
{
	struct segments *s = (struct segments *)chan;
	struct segment *done;
	size_t head;

	turn_begin(&s->turn);
	head = weft_load_relaxed(&s->head);
	if (!is_full(s, head)) {
		turn_end(&s->turn);
		return nothing_at(s, head);
	}
	weft__element_copy(element, element_at(s, s->head_segment, head), chan->element_size);
	done = advance(s, head);
	turn_end(&s->turn);
	if (WEFT_UNLIKELY(done))
		segment_retire(s, done);
	return 0;
}

/* All that the segment has room for before its last cell, by one claim. */
static int segments_send_some(weft_chan *chan, const void *elements, size_t count, size_t *n)
{
	struct segments *s = (struct segments *)chan;
	size_t tail = weft_load_acquire(&s->tail);                     /* chan.5 */
	struct segment *segment = weft_load_acquire(&s->tail_segment); /* chan.5 */
	size_t at = tail / ONE, room = s->mask - (at & s->mask);
	size_t run = count < room ? count : room;

	if ((tail & CLOSED) || !is_plain(s, segment, at) ||
	    !weft_cas_seq_cst(&s->tail, &tail, tail + run * ONE)) { /* chan.2, chan.5 */
		*n = 1;
		return send_slowly(s, elements);
	}
	if (chan->element_size > 0)
		memcpy(element_at(s, segment, at), elements, run * chan->element_size);
	for (size_t i = at; i < at + run; i++)
		weft_store_release(&segment->full[i & s->mask], 1); /* chan.1 */
	weft__chan_notify(&s->receivers);
	*n = run;
	return 0;
}

/* In one turn what there is, up to the end of the segment. */
static int segments_recv_some(weft_chan *chan, void *elements, size_t count, size_t *n)
{
	struct segments *s = (struct segments *)chan;
	unsigned char *to = elements;
	struct segment *done = NULL;
	size_t head;

	turn_begin(&s->turn);
	head = weft_load_relaxed(&s->head);
	for (*n = 0; *n < count && !done && is_full(s, head); ++*n) {
		weft__element_copy(to, element_at(s, s->head_segment, head), chan->element_size);
		to += chan->element_size;
		done = advance(s, head++);
	}
	turn_end(&s->turn);
	if (done)
		segment_retire(s, done);
	return *n ? 0 : nothing_at(s, head);
}

/* ---- waiting ----------------------------------------------------------------------- */

static enum weft__outlook recv_outlook(const weft_chan *chan)
{
	struct segments *s = (struct segments *)(uintptr_t)chan;
	bool full;
	size_t head, tail;

	turn_begin(&s->turn);
	head = weft_load_relaxed(&s->head);
	full = is_full(s, head);
	turn_end(&s->turn);
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

	turn_begin(&s->turn);
	full = is_full(s, weft_load_relaxed(&s->head));
	turn_end(&s->turn);
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

/* There is room for any number, and who holds a place holds nothing. */
static int segments_try_reserve(weft_chan *chan)
{
	const struct segments *s = (const struct segments *)chan;

	return weft_load_acquire(&s->tail) & CLOSED ? -EPIPE : 0;
}

static void segments_abandon(weft_chan *chan)
{
	(void)chan;
}

static bool reserve_attempt(weft_case *c)
{
	c->result = segments_try_reserve(c->object);
	return true;
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

static const struct weft_source reserve_source = {
	.name = "reserve",
	.attempt = reserve_attempt,
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
		struct segment *done;

		is_full(s, head);
		if (chan->drop)
			chan->drop(element_at(s, s->head_segment, head), chan->context);
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
	.send_some = segments_send_some,
	.recv_some = segments_recv_some,
	.try_reserve = segments_try_reserve,
	.commit = segments_try_send,
	.abandon = segments_abandon,
	.reserve_source = &reserve_source,
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
	size_t count = WEFT__BOUND(128, 2);

	if (!s)
		return NULL;
	*s = (struct segments){ .chan = { .flavour = &segments_flavour } };
	/* About a page of cells, if that is more than a few. */
	while (count > CHAN_SEGMENT_LEAST && count > 4096 / (element_size + 1))
		count /= 2;
	s->mask = count - 1;
	s->cells = (sizeof(struct segment) + count + CHAN_LINE - 1) & ~(size_t)(CHAN_LINE - 1);
	s->chan.element_size = element_size;
	return &s->chan;
}
