/* SPDX-License-Identifier: MIT */
/*
 * Many values in one call, and what is made of sending and receiving together.
 *
 * A flavour moves a run of values by one claim, as many as it can at once. The calls
 * here repeat that until they have moved what was asked for or would have to wait; and
 * where they may wait, they wait for one value as any other party does, and then go on.
 * So a batch needs no protocol of its own: who sends many wakes one receiver, and a
 * receiver that was woken hands on what it leaves (ring.c, chan.4).
 */
#include "chan/chan.h"

#include <limits.h>

/* Elements up to this size need no memory to be drained. */
enum { ON_STACK = 256 };

static const void *sent_from(const weft_chan *chan, const void *elements, size_t n)
{
	return (const unsigned char *)elements + n * chan->element_size;
}

static void *received_to(const weft_chan *chan, void *elements, size_t n)
{
	return (unsigned char *)elements + n * chan->element_size;
}

/* As many as go at once; `*sent` counts on. 0 when all are sent, or why not. */
static int send_at_once(weft_chan *chan, const void *elements, size_t count, size_t *sent)
{
	while (*sent < count) {
		size_t n = 0;
		int err = chan->flavour->send_some(chan, sent_from(chan, elements, *sent),
						   count - *sent, &n);

		if (err)
			return err;
		*sent += n;
	}
	return 0;
}

int weft_chan_try_send_many(weft_chan *chan, const void *elements, size_t count, size_t *sent)
{
	*sent = 0;
	return send_at_once(chan, elements, count, sent);
}

int weft_chan_send_many_until(weft_chan *chan, const void *elements, size_t count, size_t *sent,
			      int64_t deadline)
{
	int err;

	weft__slice_pay();
	err = weft_chan_try_send_many(chan, elements, count, sent);
	while (err == -EAGAIN) {
		err = weft_chan_send_until(chan, sent_from(chan, elements, *sent), deadline);
		if (err)
			return err;
		++*sent;
		err = send_at_once(chan, elements, count, sent);
	}
	return err;
}

int weft_chan_send_many(weft_chan *chan, const void *elements, size_t count, size_t *sent)
{
	return weft_chan_send_many_until(chan, elements, count, sent, WEFT_NEVER);
}

/* Receives after `got` others; the number of all, or what stands in the way of the first. */
static int recv_at_once(weft_chan *chan, void *elements, size_t most, size_t got)
{
	int err = 0;

	while (got < most && !err) {
		size_t n = 0;

		err = chan->flavour->recv_some(chan, received_to(chan, elements, got), most - got,
					       &n);
		got += err ? 0 : n;
	}
	return got > 0 ? (int)got : err;
}

static size_t countable(size_t most)
{
	return most < INT_MAX ? most : INT_MAX;
}

int weft_chan_try_recv_many(weft_chan *chan, void *elements, size_t most)
{
	return recv_at_once(chan, elements, countable(most), 0);
}

int weft_chan_recv_many_until(weft_chan *chan, void *elements, size_t most, int64_t deadline)
{
	int got;

	weft__slice_pay();
	got = weft_chan_try_recv_many(chan, elements, most);
	if (got != -EAGAIN)
		return got;
	got = weft_chan_recv_until(chan, elements, deadline);
	return got ? got : recv_at_once(chan, elements, countable(most), 1);
}

int weft_chan_recv_many(weft_chan *chan, void *elements, size_t most)
{
	return weft_chan_recv_many_until(chan, elements, most, WEFT_NEVER);
}

int weft_chan_drain(weft_chan *chan)
{
	WEFT_ALIGNED(WEFT_CACHE_LINE) unsigned char on_stack[ON_STACK];
	size_t most = countable(weft_chan_len(chan));
	void *element = on_stack;
	int drained = 0;

	if (chan->element_size > sizeof(on_stack)) {
		element = weft__alloc_aligned(_Alignof(max_align_t), chan->element_size);
		if (!element)
			return -ENOMEM;
	}
	while ((size_t)drained < most && weft_chan_try_recv(chan, element) == 0) {
		if (chan->drop)
			chan->drop(element, chan->context);
		drained++;
	}
	if (element != on_stack)
		weft__release(element);
	return drained;
}

int weft_chan_force_send(weft_chan *chan, const void *element, void *displaced)
{
	int took = 0, vain = 0;

	if (chan->flavour->one_to_one)
		return -EINVAL;
	for (;;) {
		int err = weft_chan_try_send(chan, element);

		if (!err)
			return took;
		/* What was taken has no other owner than this call. */
		if (took && chan->drop)
			chan->drop(displaced, chan->context);
		if (err != -EAGAIN || chan->capacity == 0)
			return err;
		err = weft_chan_try_recv(chan, displaced);
		if (err == -EPIPE)
			return err;
		/* Nothing goes in, nothing comes out: a party is half way, which may have
		 * been preempted. Once more, since it may have been another one. */
		took = err == 0;
		if (!took && ++vain > 1)
			return -EAGAIN;
	}
}
