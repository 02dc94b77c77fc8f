/* SPDX-License-Identifier: MIT */
/*
 * Channels: each program is run with a rendezvous, with a ring of one and of two
 * cells, and with an unbounded channel; those of one sender and one receiver also with a
 * channel that was declared to be such. What comes to an end is in chan_end_models.c.
 */
#include "chan_rig.h"

/* ---- passing ------------------------------------------------------------------ */

static void one_message(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *s = party_new(chan, 1, 1), *r = party_new(chan, 0, 1);

	SPAWN(sender, s);
	receiver(r);
	weft_check_join(1);
	WEFT_CHECK(r->received == 1 && r->sum == 1);
	weft_chan_release(chan);
	weft_check_free(s);
	weft_check_free(r);
}

FLAVOURS(one_message, .spurious = 1);
ONE_TO_ONE(one_message, .spurious = 1);

static void in_order(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *s = party_new(chan, 1, 3);

	SPAWN(sender, s);
	for (int i = 1; i <= 3; i++) {
		struct block *b;

		WEFT_CHECK(weft_chan_recv(chan, &b) == 0);
		WEFT_CHECK(b->value == i);
		weft_check_free(b);
	}
	weft_check_join(1);
	weft_chan_release(chan);
	weft_check_free(s);
}

FLAVOURS(in_order, .preemptions = 2, .preemptions_long = 3);
ONE_TO_ONE(in_order, .preemptions = 2, .preemptions_long = 3);
MODEL_OF(ring_of_two_in_order, in_order, .arg = (void *)2, .covers = CHAN, .preemptions = 2,
	 .preemptions_long = 3);

/* Full, and a sender comes as room is made. */
static void room_is_made(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *s = party_new(chan, 2, 1), *r = party_new(chan, 0, 1);
	struct block *b = block_new(1);

	WEFT_CHECK(weft_chan_try_send(chan, &b) == 0);
	SPAWN(sender, s);
	receiver(r);
	weft_check_join(1);
	receiver(r);
	WEFT_CHECK(r->sum == 3);
	weft_chan_release(chan);
	weft_check_free(s);
	weft_check_free(r);
}

MODEL_OF(ring_room_is_made, room_is_made, .arg = (void *)1, .covers = CHAN);

static void two_senders(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 1, 1), *b = party_new(chan, 10, 1);
	struct party *r = party_new(chan, 0, 2);

	SPAWN(sender, a);
	SPAWN(sender, b);
	receiver(r);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(r->sum == 11);
	weft_chan_release(chan);
	weft_check_free(a);
	weft_check_free(b);
	weft_check_free(r);
}

FLAVOURS(two_senders, .preemptions = 1, .preemptions_long = 2);

static void two_receivers(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 0, 1), *b = party_new(chan, 0, 1);
	struct party *s = party_new(chan, 1, 2);

	SPAWN(receiver, a);
	SPAWN(receiver, b);
	sender(s);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(a->sum + b->sum == 3 && a->received == 1 && b->received == 1);
	weft_chan_release(chan);
	weft_check_free(a);
	weft_check_free(b);
	weft_check_free(s);
}

FLAVOURS(two_receivers, .preemptions = 1, .preemptions_long = 2);

static void receiver_at_once(void *arg)
{
	struct party *p = arg;
	struct block *b = NULL;

	int err = weft_chan_try_recv(p->chan, &b);

	WEFT_CHECK(take_block(p, err, b));
}

/* There is a value for each of three receivers, so none of them leaves without one, and
 * those who sleep for their turn get it. */
static void turns(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *s = party_new(chan, 1, 3), *r[3];

	sender(s);
	for (int i = 0; i < 3; i++)
		r[i] = party_new(chan, 0, 1);
	SPAWN(receiver_at_once, r[1]);
	SPAWN(receiver_at_once, r[2]);
	receiver_at_once(r[0]);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(r[0]->sum + r[1]->sum + r[2]->sum == 6);
	weft_chan_release(chan);
	for (int i = 0; i < 3; i++)
		weft_check_free(r[i]);
	weft_check_free(s);
}

MODEL_OF(unbounded_turns, turns, .arg = (void *)99, .covers = CHAN, .preemptions = 2,
	 .preemptions_long = 3);

/* ---- closing -------------------------------------------------------------------- */

static void closer(void *arg)
{
	weft_chan_close(arg);
}

static void close_wakes_receiver(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *r = party_new(chan, 0, 1);

	SPAWN(closer, chan);
	receiver_to_the_end(r);
	WEFT_CHECK(r->received == 0);
	weft_check_join(1);
	weft_chan_release(chan);
	weft_check_free(r);
}

FLAVOURS(close_wakes_receiver, .spurious = 1);
ONE_TO_ONE(close_wakes_receiver, .spurious = 1);

/* Who learns of the close sees what came before it. */
static void closer_after_data(void *arg)
{
	struct party *p = arg;

	p->sum = 8;
	weft_chan_close(p->chan);
}

static void close_publishes(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *c = party_new(chan, 0, 0);
	struct block *b = block_new(1), *got;

	SPAWN(closer_after_data, c);
	if (weft_chan_try_send(chan, &b) == -EPIPE) {
		WEFT_CHECK(c->sum == 8);
		weft_check_free(b);
	} else if (weft_chan_try_recv(chan, &got) == 0) {
		weft_check_free(got);
	} else {
		weft_check_free(b);
	}
	if (weft_chan_try_recv(chan, &got) == -EPIPE)
		WEFT_CHECK(c->sum == 8);
	if (weft_chan_is_closed(chan))
		WEFT_CHECK(c->sum == 8);
	weft_check_join(1);
	weft_chan_release(chan);
	weft_check_free(c);
}

FLAVOURS(close_publishes, .spurious = 1);
ONE_TO_ONE(close_publishes, .spurious = 1);

static void close_wakes_sender(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *s = party_new(chan, 1, 2);

	SPAWN(closer, chan);
	if (weft_chan_capacity(chan) != WEFT_UNBOUNDED)
		sender(s);
	weft_check_join(1);
	weft_chan_release(chan); /* drops what is left */
	weft_check_free(s);
}

FLAVOURS(close_wakes_sender, .preemptions = 3);
ONE_TO_ONE(close_wakes_sender, .preemptions = 3);

/* What was sent before the close is received, what was refused is the sender's. */
static void close_while_sending(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *s = party_new(chan, 1, 1), *r = party_new(chan, 0, 0);

	SPAWN(sender, s);
	SPAWN(closer, chan);
	receiver_to_the_end(r);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(r->received == s->sent);
	weft_chan_release(chan);
	weft_check_free(s);
	weft_check_free(r);
}

FLAVOURS(close_while_sending, .preemptions = 2);
ONE_TO_ONE(close_while_sending, .preemptions = 2);
