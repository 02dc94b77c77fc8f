/* SPDX-License-Identifier: MIT */
/*
 * Waiting until a channel is closed, without taking anything from it.
 *
 * Those who wait are in a queue of the channel's head. Closing comes first and goes
 * through the queue then, and who queues up looks under the lock:
 *
 *   closed.1  whoever has the lock after the closer sees the channel closed, since the
 *             lock's acquire follows the closer's release; who had it before is in
 *             the list.
 *
 * A channel stays closed, so the wait is over for good when it is won: futures, too, are
 * given the result and not merely notified.
 */
#include "chan/chan.h"

static bool closed_ready(const weft_case *c)
{
	const weft_chan *chan = c->object;

	return chan->flavour->is_closed(chan);
}

static bool closed_attempt(weft_case *c)
{
	c->result = 0;
	return closed_ready(c);
}

static bool closed_enqueue(weft_case *c)
{
	weft_chan *chan = c->object;
	weft_case *head = weft__waitq_lock(&chan->closers); /* closed.1 */
	bool wait = !closed_ready(c);

	if (wait)
		head = weft__cases_push(head, c);
	weft__waitq_unlock(&chan->closers, head, 0, 0);
	return wait;
}

static void closed_dequeue(weft_case *c)
{
	weft_chan *chan = c->object;

	weft__waitq_cancel(&chan->closers, c);
}

static const struct weft_source closed_source = {
	.name = "closed",
	.attempt = closed_attempt,
	.ready = closed_ready,
	.enqueue = closed_enqueue,
	.dequeue = closed_dequeue,
};

weft_case weft_case_closed(weft_chan *chan)
{
	return weft__case_make(&closed_source, chan, NULL);
}

int weft_chan_wait_closed(weft_chan *chan, int64_t deadline)
{
	weft_case c = weft_case_closed(chan);

	return weft__block_one(&c, deadline, 0);
}

bool weft_chan_close(weft_chan *chan)
{
	struct weft__wakes wakes;

	if (!chan->flavour->close(chan))
		return false;
	weft__wakes_init(&wakes);
	weft__win_all(weft__waitq_lock(&chan->closers), &wakes, 0, 0); /* closed.1 */
	weft__waitq_unlock(&chan->closers, NULL, 0, 0);
	weft__wakes_fire(&wakes);
	return true;
}
