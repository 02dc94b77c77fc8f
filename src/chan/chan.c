/* SPDX-License-Identifier: MIT */
/*
 * Channels: what is common to all flavours. Making and freeing, counting the
 * ends, and blocking: each call tries once and then waits in the wait core with
 * a case of one.
 *
 * References. The object has one count of references, and a count of each kind of
 * end; each counted end holds a reference. The last end of a kind closes the
 * channel first and gives its reference back then, so that the one who frees it
 * is always the last to touch it.
 *
 * ends.1  giving back a reference is acq_rel: the one who frees the channel sees
 *         everything that the others did with it.
 * ends.2  relaxed: who makes an end of a weak one has a reference, and so the channel;
 *         the count alone decides.
 */
#include "chan/chan.h"

#include "base/assert.h"

/* Of the looks at a pending cell: 127 pauses in all, some 3 us. */
enum { LONGEST_GAP = WEFT__BOUND(64, 0) };

/* Whether no size computed from these overflows; sixteen bytes are for the stamp
 * and for what it takes to round up. */
static bool sizes_can_be(size_t element_size, size_t capacity)
{
	const size_t most = PTRDIFF_MAX / 4;
	size_t at_once = capacity == WEFT_UNBOUNDED ? CHAN_SEGMENT_LEAST : capacity;

	/* A ring has so many positions, with two laps and a bit for each cell at least. */
	if (at_once >= (size_t)1 << (6 * sizeof(size_t) - 4))
		return false;
	return element_size <= most && at_once <= most / (element_size + 16);
}

int weft_chan_new(weft_chan **out, size_t element_size, size_t capacity,
		  const weft_chan_opts *opts)
{
	weft_chan *chan;
	bool spsc = opts && opts->spsc;

	*out = NULL;
	if (!sizes_can_be(element_size, capacity))
		return -EINVAL;
	if (spsc && (capacity == 0 || capacity == WEFT_UNBOUNDED))
		return -EINVAL;
	if (spsc)
		chan = weft__spsc_new(element_size, capacity);
	else if (capacity == 0)
		chan = weft__rendezvous_new();
	else if (capacity == WEFT_UNBOUNDED)
		chan = weft__segments_new(element_size);
	else
		chan = weft__ring_new(element_size, capacity);
	if (!chan)
		return -ENOMEM;
	chan->element_size = element_size;
	chan->capacity = capacity;
	if (opts) {
		chan->drop = opts->drop;
		chan->context = opts->context;
	}
	weft_store_relaxed(&chan->references, 1);
	*out = chan;
	return 0;
}

weft_chan *weft_chan_retain(weft_chan *chan)
{
	uint32_t before = weft_add_relaxed(&chan->references, 1);

	/* Far below the wrap, for the sake of those who pass it at the same time. */
	WEFT__ASSERT(before < INT32_MAX, "a channel has too many references");
	return chan;
}

void weft_chan_release(weft_chan *chan)
{
	uint32_t before;

	if (!chan)
		return;
	before = weft_sub_acq_rel(&chan->references, 1); /* ends.1 */
	WEFT__ASSERT(before != 0, "a channel was released more often than retained");
	if (before == 1) {
		weft__chan_expect_idle(weft__waitq_head(weft_load_relaxed(&chan->closers.word)));
		chan->flavour->destroy(chan);
	}
}

static weft_chan *add_end(weft_chan *chan, weft_atomic_u32 *ends)
{
	uint32_t before = weft_add_relaxed(ends, 1);

	WEFT__ASSERT(before == 0 || !chan->flavour->one_to_one,
		     "a channel of one sender and one receiver was given a second one");
	return weft_chan_retain(chan);
}

weft_chan *weft_chan_add_sender(weft_chan *chan)
{
	return add_end(chan, &chan->senders);
}

weft_chan *weft_chan_add_receiver(weft_chan *chan)
{
	return add_end(chan, &chan->receivers);
}

/* From none there is no way back: the channel is closed. */
static bool upgrade(weft_chan *chan, weft_atomic_u32 *ends)
{
	uint32_t count = weft_load_relaxed(ends);

	do {
		if (count == 0 || chan->flavour->one_to_one)
			return false;
	} while (!weft_cas_weak_relaxed(ends, &count, count + 1)); /* ends.2 */
	weft_chan_retain(chan);
	return true;
}

bool weft_chan_upgrade_sender(weft_chan *chan)
{
	return upgrade(chan, &chan->senders);
}

bool weft_chan_upgrade_receiver(weft_chan *chan)
{
	return upgrade(chan, &chan->receivers);
}

size_t weft_chan_senders(const weft_chan *chan)
{
	return weft_load_relaxed(&chan->senders);
}

size_t weft_chan_receivers(const weft_chan *chan)
{
	return weft_load_relaxed(&chan->receivers);
}

static void drop_end(weft_chan *chan, weft_atomic_u32 *ends)
{
	uint32_t before = weft_sub_acq_rel(ends, 1); /* ends.1 */

	WEFT__ASSERT(before != 0, "an end of a channel was dropped that was not added");
	if (before == 1)
		weft_chan_close(chan);
	weft_chan_release(chan);
}

void weft_chan_drop_sender(weft_chan *chan)
{
	drop_end(chan, &chan->senders);
}

void weft_chan_drop_receiver(weft_chan *chan)
{
	drop_end(chan, &chan->receivers);
}

/* ---- sending and receiving ----------------------------------------------------- */

weft_case weft_case_send(weft_chan *chan, const void *element)
{
	return weft__case_make(chan->flavour->send_source, chan, element);
}

weft_case weft_case_recv(weft_chan *chan, void *element)
{
	return weft__case_make(chan->flavour->recv_source, chan, element);
}

static __attribute__((noinline)) int send_wait(weft_chan *chan, const void *element,
					       int64_t deadline)
{
	weft_case c = weft_case_send(chan, element);

	return weft__block_one(&c, deadline, WEFT__TRIED);
}

static __attribute__((noinline)) int recv_wait(weft_chan *chan, void *element, int64_t deadline)
{
	weft_case c = weft_case_recv(chan, element);

	return weft__block_one(&c, deadline, WEFT__TRIED);
}

int weft_chan_try_send(weft_chan *chan, const void *element)
{
	return chan->flavour->try_send(chan, element);
}

int weft_chan_send(weft_chan *chan, const void *element)
{
	int err;

	weft__slice_pay();
	err = chan->flavour->try_send(chan, element);
	return WEFT_LIKELY(err != -EAGAIN) ? err : send_wait(chan, element, WEFT_NEVER);
}

int weft_chan_send_until(weft_chan *chan, const void *element, int64_t deadline)
{
	int err;

	weft__slice_pay();
	err = chan->flavour->try_send(chan, element);
	return WEFT_LIKELY(err != -EAGAIN) ? err : send_wait(chan, element, deadline);
}

int weft_chan_try_recv(weft_chan *chan, void *element)
{
	return chan->flavour->try_recv(chan, element);
}

int weft_chan_recv(weft_chan *chan, void *element)
{
	int err;

	weft__slice_pay();
	err = chan->flavour->try_recv(chan, element);
	return WEFT_LIKELY(err != -EAGAIN) ? err : recv_wait(chan, element, WEFT_NEVER);
}

int weft_chan_recv_until(weft_chan *chan, void *element, int64_t deadline)
{
	int err;

	weft__slice_pay();
	err = chan->flavour->try_recv(chan, element);
	return WEFT_LIKELY(err != -EAGAIN) ? err : recv_wait(chan, element, deadline);
}

weft_case weft_case_reserve(weft_chan *chan)
{
	return weft__case_make(chan->flavour->reserve_source, chan, NULL);
}

int weft_chan_try_reserve(weft_chan *chan)
{
	return chan->flavour->try_reserve(chan);
}

int weft_chan_reserve_until(weft_chan *chan, int64_t deadline)
{
	weft_case c = weft_case_reserve(chan);

	return weft__block_one(&c, deadline, 0);
}

int weft_chan_reserve(weft_chan *chan)
{
	return weft_chan_reserve_until(chan, WEFT_NEVER);
}

int weft_chan_commit(weft_chan *chan, const void *element)
{
	return chan->flavour->commit(chan, element);
}

void weft_chan_abandon(weft_chan *chan)
{
	chan->flavour->abandon(chan);
}

/* ---- the rest ------------------------------------------------------------------ */

bool weft_chan_is_closed(const weft_chan *chan)
{
	return chan->flavour->is_closed(chan);
}

size_t weft_chan_len(const weft_chan *chan)
{
	return chan->flavour->len(chan);
}

bool weft_chan_is_full(const weft_chan *chan)
{
	return weft_chan_len(chan) >= chan->capacity;
}

bool weft_chan_is_empty(const weft_chan *chan)
{
	return weft_chan_len(chan) == 0;
}

size_t weft_chan_capacity(const weft_chan *chan)
{
	return chan->capacity;
}

size_t weft_chan_element_size(const weft_chan *chan)
{
	return chan->element_size;
}

void weft__chan_expect_idle(const weft_case *waiter)
{
	WEFT__ASSERT(!waiter, "a channel was freed while somebody waits for it");
}

/* A cell is aligned for its stamp, the value in it perhaps not for its own type.
 * One of the two places is, since no type wants more than two stamps' worth; and
 * the stamp has had its day. */
void weft__cell_drop(const weft_chan *chan, void *cell, unsigned char *element)
{
	_Static_assert(_Alignof(max_align_t) <= 2 * sizeof(weft_atomic_size), "see above");

	if (!chan->drop)
		return;
	if ((uintptr_t)element % _Alignof(max_align_t) != 0) {
		memmove(cell, element, chan->element_size);
		element = cell;
	}
	chan->drop(element, chan->context);
}

/* Whether it is a fiber's; a thread is rather left asleep while another is on its way. */
static bool is_fibers(const weft_case *c)
{
	return c->sel->certain && !c->sel->prompt;
}

bool weft__chan_hand_slow(weft_chan *chan, weft_waitq *receivers, const void *element,
			  weft__is_empty_fn *is_empty)
{
	weft_case *head = weft__waitq_lock(receivers), *c;
	struct weft__wakes wakes;
	bool handed = false;

	weft__wakes_init(&wakes);
	while (!handed && (c = weft__cases_first_certain(head)) && is_fibers(c) &&
	       is_empty(chan)) {
		head = weft__cases_remove(head, c);
		if (!weft__case_win(c, 0))
			continue;
		weft__element_copy(c->slot, element, chan->element_size);
		c->result = 0;
		weft__wakes_add(&wakes, c);
		handed = true;
	}
	/* The next to be queued sets the bit again. */
	weft__waitq_unlock(receivers, head, 0, handed && head ? 0 : CHAN_FIBER);
	weft__wakes_fire(&wakes);
	return handed;
}

void weft__chan_notify_slow(weft_waitq *q)
{
	struct weft__wakes wakes;
	weft_case *head;
	bool woken = false;

	weft__wakes_init(&wakes);
	head = weft__waitq_lock(q);
	if (!(weft_load_relaxed(&q->word) & CHAN_DESIGNATED))
		head = weft__notify_one(head, &wakes, &woken);
	if (woken)
		woken = weft__wakes_prompt(&wakes);
	weft__waitq_unlock(q, head, woken ? CHAN_DESIGNATED : 0, 0); /* chan.4 */
	weft__wakes_fire(&wakes);
}

void weft__chan_notify_all(weft_waitq *q)
{
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	weft__win_all(weft__waitq_lock(q), &wakes, WEFT__NOTIFIED, 0);
	weft__waitq_unlock(q, NULL, 0, 0);
	weft__wakes_fire(&wakes);
}

/* Looks, and a little longer at what is pending: most often its sender is about to
 * publish it, and a barrier interrupts all threads. */
static enum weft__outlook look(const weft_chan *chan, weft__outlook_fn *outlook)
{
	enum weft__outlook now = outlook(chan);

	for (int gap = 1; now == WEFT__PENDING && gap <= LONGEST_GAP; gap *= 2) {
		for (int i = 0; i < gap; i++)
			weft__cpu_pause();
		now = outlook(chan);
	}
	if (WEFT_UNLIKELY(now == WEFT__PENDING || now == WEFT__UNSEEN)) {
		weft__barrier_all(); /* chan.3, spsc.2 */
		now = outlook(chan);
	}
	return now;
}

bool weft__chan_enqueue(weft_waitq *q, weft_case *c, weft__outlook_fn *outlook)
{
	const uint8_t notified = c->notified;

	weft__waitq_push(q, c, is_fibers(c) ? CHAN_FIBER : 0); /* chan.2 */
	if (look(c->object, outlook) != WEFT__GO)
		return true;
	weft__waitq_cancel(q, c);
	c->notified |= notified; /* chan.4: it still is to see to the rest */
	return false;
}

void weft__chan_arrive(weft_waitq *q, const weft_case *c)
{
	if (c->sel->prompt)
		weft_and_seq_cst(&q->word, ~CHAN_DESIGNATED); /* chan.4 */
}

void weft__chan_hand_on(weft_waitq *q, const weft_case *c, weft__outlook_fn *outlook)
{
	if (weft__chan_wants_wake(q) && look(c->object, outlook) == WEFT__GO)
		weft__chan_notify_slow(q);
}
