/* SPDX-License-Identifier: MIT */
/*
 * Channels: each program is run with a rendezvous, with a ring of one and of two
 * cells, and with an unbounded channel; those of one sender and one receiver also with a
 * channel that was declared to be such. Elements are blocks that the sender has
 * filled and the receiver frees: a message that is lost is a leak, one that is
 * doubled is freed twice, one that came without its release is a data race.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

#define CHAN "src/chan src/wait include/weft"

static const int64_t SOON = 5 * WEFT_SECOND;

struct block {
	int value;
};

struct party {
	weft_chan *chan, *other;
	weft_token token;
	int sent, received, sum;
	int first, count;
	struct block *slot;
};

static void drop_block(void *element, void *context)
{
	(void)context;
	weft_check_free(*(struct block **)element);
}

/* Added to the capacity: of one sender and one receiver. */
enum { SPSC = 1000 };

static weft_chan *chan_of(void *capacity)
{
	size_t n = (size_t)capacity;
	weft_chan_opts opts = { .drop = drop_block, .spsc = n > SPSC };
	weft_chan *chan;

	n = n > SPSC ? n - SPSC : n;
	WEFT_CHECK(weft_chan_new(&chan, sizeof(struct block *), n == 99 ? WEFT_UNBOUNDED : n,
				 &opts) == 0);
	return chan;
}

static struct party *party_new(weft_chan *chan, int first, int count)
{
	struct party *p = weft_check_alloc(sizeof(*p));

	p->chan = chan;
	p->first = first;
	p->count = count;
	return p;
}

static struct block *block_new(int value)
{
	struct block *b = weft_check_alloc(sizeof(*b));

	b->value = value;
	return b;
}

/* Sends `count` blocks; those that are refused it frees itself. */
static void send_blocks(struct party *p, int64_t deadline)
{
	for (int i = 0; i < p->count; i++) {
		struct block *b = p->slot = block_new(p->first + i);
		int err = weft_chan_send_until(p->chan, &p->slot, deadline);

		p->slot = NULL; /* it is the sender's again */
		WEFT_CHECK(err == 0 || err == -EPIPE || err == -ECANCELED ||
			   (err == -ETIMEDOUT && deadline != WEFT_NEVER));
		if (err == 0)
			p->sent++;
		else
			weft_check_free(b);
	}
}

static bool take_block(struct party *p, int err, struct block *b)
{
	if (err)
		return false;
	p->received++;
	p->sum += b->value;
	weft_check_free(b);
	return true;
}

static bool recv_block(struct party *p, int64_t deadline)
{
	struct block *b = NULL;
	int err = weft_chan_recv_until(p->chan, &b, deadline);

	WEFT_CHECK(err == 0 || err == -EPIPE || err == -ECANCELED ||
		   (err == -ETIMEDOUT && deadline != WEFT_NEVER));
	return take_block(p, err, b);
}

static void sender(void *arg)
{
	send_blocks(arg, WEFT_NEVER);
}

static void sender_until(void *arg)
{
	send_blocks(arg, SOON);
}

static void receiver(void *arg)
{
	struct party *p = arg;

	for (int i = 0; i < p->count; i++)
		recv_block(p, WEFT_NEVER);
}

static void receiver_until(void *arg)
{
	struct party *p = arg;

	for (int i = 0; i < p->count; i++)
		recv_block(p, SOON);
}

static void receiver_to_the_end(void *arg)
{
	struct party *p = arg;

	while (recv_block(p, WEFT_NEVER))
		continue;
}

/* Each program with each flavour. */
#define FLAVOURS(ident, ...)                                                                \
	MODEL_OF(rendezvous_##ident, ident, .arg = (void *)0, .covers = CHAN, __VA_ARGS__); \
	MODEL_OF(ring_##ident, ident, .arg = (void *)1, .covers = CHAN, __VA_ARGS__);       \
	MODEL_OF(unbounded_##ident, ident, .arg = (void *)99, .covers = CHAN, __VA_ARGS__)

#define ONE_TO_ONE(ident, ...) \
	MODEL_OF(spsc_##ident, ident, .arg = (void *)(SPSC + 1), .covers = CHAN, __VA_ARGS__)

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
