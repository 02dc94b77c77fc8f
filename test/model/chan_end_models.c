/* SPDX-License-Identifier: MIT */
/*
 * Channels whose parties give up, go, or choose another: time-outs, cancellation, the
 * last end and the last reference, no memory, select. Each program with each flavour.
 */
#include "chan_rig.h"

/* ---- giving up --------------------------------------------------------------------- */

static void timed_receiver(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *r = party_new(chan, 0, 1), *s = party_new(chan, 1, 1);

	SPAWN(receiver_until, r);
	sender_until(s);
	weft_check_join(1);
	WEFT_CHECK(r->received <= s->sent);
	if (weft_chan_capacity(chan) == 0)
		WEFT_CHECK(r->received == s->sent);
	weft_chan_release(chan);
	weft_check_free(s);
	weft_check_free(r);
}

FLAVOURS(timed_receiver, .preemptions = 2, .preemptions_long = 3);
ONE_TO_ONE(timed_receiver, .preemptions = 2, .preemptions_long = 3);

/* Of two receivers one may give up just as it is told: the other must hear. */
static void message_is_not_swallowed(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 0, 1), *b = party_new(chan, 0, 1);
	struct party *s = party_new(chan, 1, 1);

	SPAWN(receiver_until, a);
	SPAWN(receiver, b);
	sender(s);
	weft_chan_close(chan);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(s->sent == 1 && a->received + b->received == 1);
	weft_chan_release(chan);
	weft_check_free(a);
	weft_check_free(b);
	weft_check_free(s);
}

MODEL_OF(rendezvous_message_is_not_swallowed, message_is_not_swallowed, .arg = (void *)0,
	 .covers = CHAN, .preemptions = 1, .preemptions_long = 2);

/* The sender waits for no answer and closes nothing: the receiver that stays must
 * get one of the two messages. */
static void stays_and_gets(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 0, 1), *b = party_new(chan, 0, 1);
	struct party *s = party_new(chan, 1, 2);

	SPAWN(receiver_until, a);
	SPAWN(receiver, b);
	sender(s);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(b->received == 1);
	weft_chan_release(chan);
	weft_check_free(a);
	weft_check_free(b);
	weft_check_free(s);
}

MODEL_OF(ring_message_is_not_swallowed, stays_and_gets, .arg = (void *)2, .covers = CHAN,
	 .preemptions = 1, .preemptions_long = 2);
MODEL_OF(unbounded_message_is_not_swallowed, stays_and_gets, .arg = (void *)99, .covers = CHAN,
	 .preemptions = 1, .preemptions_long = 2);

static void receiver_with_token(void *arg)
{
	struct party *p = arg;

	weft_ambient_set(&p->token);
	receiver(p);
}

static void cancelled_receiver(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *r = party_new(chan, 0, 1), *s = party_new(chan, 1, 1);

	SPAWN(receiver_with_token, r);
	weft_token_cancel(&r->token);
	sender_until(s);
	weft_check_join(1);
	WEFT_CHECK(r->received <= s->sent);
	weft_chan_release(chan);
	weft_check_free(s);
	weft_check_free(r);
}

FLAVOURS(cancelled_receiver, .preemptions = 2);
ONE_TO_ONE(cancelled_receiver, .preemptions = 2);

static void sender_with_token(void *arg)
{
	struct party *p = arg;

	weft_ambient_set(&p->token);
	sender(p);
}

/* The ring is full; the sender that waits is cancelled as room is made. */
static void cancelled_sender(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *s = party_new(chan, 1, 2), *r = party_new(chan, 0, 1);

	SPAWN(sender_with_token, s);
	SPAWN(receiver_until, r);
	weft_token_cancel(&s->token);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(r->received <= s->sent);
	weft_chan_release(chan);
	weft_check_free(s);
	weft_check_free(r);
}

FLAVOURS(cancelled_sender, .preemptions = 1, .preemptions_long = 2);
ONE_TO_ONE(cancelled_sender, .preemptions = 1, .preemptions_long = 2);

/* ---- ends and references -------------------------------------------------------------- */

static void last_sender(void *arg)
{
	struct party *p = arg;

	sender(p);
	weft_chan_drop_sender(p->chan);
}

/* The channel closes with its last sender, and the last reference frees it. */
static void ends_are_counted(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *s = party_new(chan, 1, 1), *r = party_new(chan, 0, 0);

	weft_chan_add_sender(chan);
	SPAWN(last_sender, s);
	receiver_to_the_end(r);
	weft_chan_release(chan);
	weft_check_join(1);
	WEFT_CHECK(r->received == 1);
	weft_check_free(s);
	weft_check_free(r);
}

FLAVOURS(ends_are_counted, .preemptions = 3);
ONE_TO_ONE(ends_are_counted, .preemptions = 3);

static void last_receiver(void *arg)
{
	weft_chan_drop_receiver(arg);
}

/* A sender that finds the last receiver gone, and messages that nobody takes. */
static void receiver_goes(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *s = party_new(chan, 1, 2);

	weft_chan_add_receiver(chan);
	SPAWN(last_receiver, chan);
	sender(s);
	weft_chan_release(chan);
	weft_check_join(1);
	weft_check_free(s);
}

FLAVOURS(receiver_goes, .preemptions = 3);
ONE_TO_ONE(receiver_goes, .preemptions = 3);

static void releaser(void *arg)
{
	struct party *p = arg;
	struct block *b = NULL;

	if (weft_chan_try_recv(p->chan, &b) == 0)
		weft_check_free(b);
	weft_chan_release(p->chan);
}

static void last_reference_frees(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *p = party_new(weft_chan_retain(chan), 0, 0);
	struct block *b = block_new(1);

	SPAWN(releaser, p);
	if (weft_chan_try_send(chan, &b) != 0)
		weft_check_free(b);
	weft_chan_release(chan);
	weft_check_join(1);
	weft_check_free(p);
}

FLAVOURS(last_reference_frees, .spurious = 1, .preemptions = 3);
ONE_TO_ONE(last_reference_frees, .spurious = 1, .preemptions = 3);

static void no_memory(void *arg)
{
	weft_chan *chan;
	size_t n = (size_t)arg;
	weft_chan_opts opts = { .spsc = n > SPSC };
	int value = 3;

	n = n > SPSC ? n - SPSC : n;
	if (weft_chan_new(&chan, sizeof(value), n == 99 ? WEFT_UNBOUNDED : n, &opts) != 0) {
		WEFT_CHECK(chan == NULL);
		return;
	}
	for (int i = 0; i < 3; i++) {
		int err = weft_chan_try_send(chan, &value);

		WEFT_CHECK(err == 0 || err == -EAGAIN || err == -ENOMEM);
	}
	weft_chan_release(chan);
}

FLAVOURS(no_memory, .failures = 1);
ONE_TO_ONE(no_memory, .failures = 1);

/* ---- select ------------------------------------------------------------------------------ */

/* Sends on one or receives from the other, one of the two. */
static void select_either(void *arg)
{
	weft_chan *in = chan_of(arg), *out = chan_of((void *)0);
	struct party *s = party_new(in, 1, 1), *r = party_new(out, 0, 1);
	struct block *mine = block_new(5), *got = NULL;
	weft_case cases[2];
	int chosen;

	SPAWN(sender_until, s);
	SPAWN(receiver_until, r);
	cases[0] = weft_case_recv(in, &got);
	cases[1] = weft_case_send(out, &mine);
	chosen = weft_select(cases, 2, SOON);
	WEFT_CHECK(chosen == 0 || chosen == 1 || chosen == -ETIMEDOUT);
	weft_check_join(1);
	weft_check_join(2);
	if (chosen == 0)
		weft_check_free(got);
	if (chosen != 1)
		weft_check_free(mine);
	WEFT_CHECK(r->received == (chosen == 1));
	weft_chan_release(in);
	weft_chan_release(out);
	weft_check_free(s);
	weft_check_free(r);
}

FLAVOURS(select_either, .preemptions = 1, .preemptions_long = 2);
