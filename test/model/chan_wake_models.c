/* SPDX-License-Identifier: MIT */
/*
 * Channels whose waiters rely on one that is on its way (src/chan/ring.c, chan.4):
 * several at each end, none of whom a close would save. Who is left asleep beside a
 * message, or beside room, is found as a deadlock.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

#include "wait/wait.h"

#define CHAN "src/chan src/wait include/weft"

struct party {
	weft_chan *chan;
	int value, count;
	int received, sum;
};

static weft_chan *chan_of(void *capacity)
{
	size_t n = (size_t)capacity;
	weft_chan *chan;

	WEFT_CHECK(weft_chan_new(&chan, sizeof(int), n == 99 ? WEFT_UNBOUNDED : n, NULL) == 0);
	return chan;
}

static struct party *party_new(weft_chan *chan, int value, int count)
{
	struct party *p = weft_check_alloc(sizeof(*p));

	p->chan = chan;
	p->value = value;
	p->count = count;
	return p;
}

static void sender(void *arg)
{
	struct party *p = arg;

	for (int i = 0; i < p->count; i++) {
		int value = p->value + i;

		WEFT_CHECK(weft_chan_send(p->chan, &value) == 0);
	}
}

static void receiver(void *arg)
{
	struct party *p = arg;

	for (int i = 0; i < p->count; i++) {
		int value = 0;

		WEFT_CHECK(weft_chan_recv(p->chan, &value) == 0);
		p->received++;
		p->sum += value;
	}
}

static void parties_free(struct party *a, struct party *b, struct party *c, struct party *d)
{
	struct party *all[] = { a, b, c, d };

	for (int i = 0; i < 4; i++)
		if (all[i])
			weft_check_free(all[i]);
}

/* Each program with a ring of one and of two cells, and unbounded. */
#define ALL(ident, ...)                                                                \
	MODEL_OF(ring_##ident, ident, .arg = (void *)1, .covers = CHAN, __VA_ARGS__);  \
	MODEL_OF(ring2_##ident, ident, .arg = (void *)2, .covers = CHAN, __VA_ARGS__); \
	MODEL_OF(unbounded_##ident, ident, .arg = (void *)99, .covers = CHAN, __VA_ARGS__)

/* The looks for two messages may meet one party on its way: it must see to both. */
static void two_and_two(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 0, 1), *b = party_new(chan, 0, 1);
	struct party *s = party_new(chan, 1, 1), *t = party_new(chan, 10, 1);

	SPAWN(receiver, a);
	SPAWN(receiver, b);
	SPAWN(sender, s);
	sender(t);
	for (int i = 1; i <= 3; i++)
		weft_check_join(i);
	WEFT_CHECK(a->sum + b->sum == 11);
	weft_chan_release(chan);
	parties_free(a, b, s, t);
}

ALL(two_and_two, .preemptions = 1, .preemptions_long = 2, .random = 20000);

/* The same at the other end: two senders wait, and room is made twice. */
static void room_for_two(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *r = party_new(chan, 0, 2);
	struct party *s = party_new(chan, 2, 1), *t = party_new(chan, 3, 1);
	int one = 1;

	while (weft_chan_try_send(chan, &one) == 0)
		continue;
	SPAWN(sender, s);
	SPAWN(sender, t);
	receiver(r);
	weft_check_join(1);
	r->count = 1;
	receiver(r);
	weft_check_join(2);
	weft_chan_release(chan);
	parties_free(r, s, t, NULL);
}

MODEL_OF(ring2_room_for_two, room_for_two, .arg = (void *)2, .covers = CHAN, .preemptions = 1,
	 .preemptions_long = 2);

/* ---- giving up ---------------------------------------------------------------- */

struct chooser {
	weft_chan *first, *second;
	int took;
};

/* Takes from the first if it can, though it was notified for the second. */
static void choose(void *arg)
{
	struct chooser *me = arg;
	int a = 0, b = 0;
	weft_case cases[2] = { weft_case_recv(me->first, &a), weft_case_recv(me->second, &b) };

	me->took = weft_select_biased(cases, 2, WEFT_NEVER);
	WEFT_CHECK(me->took == 0 || me->took == 1);
	WEFT_CHECK(me->took == 0 ? a == 7 : b > 0);
}

/* Whoever is notified of the one message and then chooses another must not leave the
 * thread asleep that waits for that message only. */
static void chooser_passes_on(void *arg)
{
	weft_chan *chan = chan_of(arg), *other = chan_of((void *)1);
	struct party *b = party_new(chan, 0, 1), *s = party_new(chan, 1, 1);
	struct chooser *c = weft_check_alloc(sizeof(*c));
	int seven = 7, one = 1;

	c->first = other;
	c->second = chan;
	SPAWN(choose, c);
	SPAWN(receiver, b);
	sender(s);
	WEFT_CHECK(weft_chan_send(other, &seven) == 0);
	weft_check_join(1);
	if (c->took == 1) /* then there is none for the other */
		WEFT_CHECK(weft_chan_send(chan, &one) == 0);
	weft_check_join(2);
	WEFT_CHECK(b->received == 1);
	weft_chan_release(chan);
	weft_chan_release(other);
	weft_check_free(c);
	parties_free(b, s, NULL, NULL);
}

ALL(chooser_passes_on, .preemptions = 2, .preemptions_long = 3, .random = 5000);

struct cancelled {
	struct party *party;
	weft_token token;
};

static void cancelled_receiver(void *arg)
{
	struct cancelled *me = arg;
	int value, err;

	weft_ambient_set(&me->token);
	err = weft_chan_recv(me->party->chan, &value);
	WEFT_CHECK(err == 0 || err == -ECANCELED);
	me->party->received += err == 0;
}

/* One of two receivers is cancelled, perhaps when it has been notified; two messages. */
static void cancelled_passes_on(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 0, 1), *b = party_new(chan, 0, 1);
	struct party *s = party_new(chan, 1, 2);
	struct cancelled *c = weft_check_alloc(sizeof(*c));

	c->party = a;
	SPAWN(cancelled_receiver, c);
	SPAWN(receiver, b);
	SPAWN(sender, s);
	weft_token_cancel(&c->token);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_join(3);
	WEFT_CHECK(b->received == 1);
	weft_chan_release(chan);
	weft_check_free(c);
	parties_free(a, b, s, NULL);
}

MODEL_OF(ring2_cancelled_passes_on, cancelled_passes_on, .arg = (void *)2, .covers = CHAN,
	 .preemptions = 1, .preemptions_long = 2);
MODEL_OF(unbounded_cancelled_passes_on, cancelled_passes_on, .arg = (void *)99, .covers = CHAN,
	 .preemptions = 1, .preemptions_long = 2);

/* ---- fibers ---------------------------------------------------------------------- */

/* A thread that a channel takes for a fiber: a value can be handed to it. */
static const struct weft__parker_kind fiber_kind = {
	.name = "fiber",
	.certain = true,
	.tracked = true,
	.park = weft__thread_park_token,
	.wake = weft__thread_wake_token,
};

static void as_fiber(void (*fn)(void *arg), void *arg)
{
	struct weft__parker parker;

	weft__parker_init(&parker, &fiber_kind);
	weft__parker_install(&parker);
	fn(arg);
	weft__parker_install(NULL);
}

static void fiber_receiver(void *arg)
{
	as_fiber(receiver, arg);
}

static void receive_in_order(void *arg)
{
	struct party *p = arg;

	for (int i = 0; i < p->count; i++) {
		int value = 0;

		WEFT_CHECK(weft_chan_recv(p->chan, &value) == 0);
		WEFT_CHECK(value == p->value + i);
	}
}

static void fiber_in_order(void *arg)
{
	as_fiber(receive_in_order, arg);
}

/* What is handed over must not come before what is in the channel. */
static void handed_in_order(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 1, 3), *s = party_new(chan, 1, 3);

	SPAWN(fiber_in_order, a);
	sender(s);
	weft_check_join(1);
	weft_chan_release(chan);
	parties_free(a, s, NULL, NULL);
}

ALL(handed_in_order, .preemptions = 2, .preemptions_long = 3);

/* Two of them, and two who send: one may get its value by hand, one by the cells. */
static void handed_to_two(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 0, 1), *b = party_new(chan, 0, 1);
	struct party *s = party_new(chan, 1, 1), *t = party_new(chan, 10, 1);

	SPAWN(fiber_receiver, a);
	SPAWN(fiber_receiver, b);
	SPAWN(sender, s);
	sender(t);
	for (int i = 1; i <= 3; i++)
		weft_check_join(i);
	WEFT_CHECK(a->sum + b->sum == 11);
	weft_chan_release(chan);
	parties_free(a, b, s, t);
}

ALL(handed_to_two, .preemptions = 1, .preemptions_long = 2, .random = 5000);

/* A fiber and a thread, in either order in the queue. */
static void handed_beside_a_thread(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 0, 1), *b = party_new(chan, 0, 1);
	struct party *s = party_new(chan, 1, 2);

	SPAWN(fiber_receiver, a);
	SPAWN(receiver, b);
	sender(s);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(a->sum + b->sum == 3);
	weft_chan_release(chan);
	parties_free(a, b, s, NULL);
}

ALL(handed_beside_a_thread, .preemptions = 1, .preemptions_long = 2, .random = 5000);

static void fiber_chooser(void *arg)
{
	as_fiber(choose, arg);
}

/* What a fiber does not take because it took something else is not lost. */
static void handed_to_a_chooser(void *arg)
{
	weft_chan *chan = chan_of(arg), *other = chan_of((void *)1);
	struct chooser *c = weft_check_alloc(sizeof(*c));
	struct party *s = party_new(chan, 1, 1);
	int seven = 7, left = 0;

	c->first = other;
	c->second = chan;
	SPAWN(fiber_chooser, c);
	SPAWN(sender, s);
	WEFT_CHECK(weft_chan_send(other, &seven) == 0);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(weft_chan_try_recv(c->took == 0 ? chan : other, &left) == 0);
	WEFT_CHECK(left == (c->took == 0 ? 1 : 7));
	weft_chan_release(chan);
	weft_chan_release(other);
	weft_check_free(c);
	parties_free(s, NULL, NULL, NULL);
}

ALL(handed_to_a_chooser, .preemptions = 2, .preemptions_long = 3);

/* ---- futures --------------------------------------------------------------------- */

static void future_wake(struct weft__parker *parker)
{
	(void)parker; /* nobody polls it */
}

static const struct weft__parker_kind future_kind = { .name = "future", .wake = future_wake };

/* A future that was notified is not on its way: it may never be polled again, and all
 * messages must reach the thread. */
static void future_is_not_relied_on(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 0, 2), *s = party_new(chan, 1, 2);
	struct weft__parker parker;
	struct weft__poll poll;
	int value = 0;
	weft_case c = weft_case_recv(chan, &value);

	weft__parker_init(&parker, &future_kind);
	weft__poll_init(&poll, &parker, &c, 1, WEFT__UNCANCELLABLE);
	WEFT_CHECK(weft__poll_next(&poll) == -EAGAIN);
	SPAWN(receiver, a);
	sender(s);
	weft_check_join(1);
	WEFT_CHECK(a->received == 2);
	WEFT_CHECK(weft__poll_drop(&poll) == -EAGAIN);
	weft_chan_release(chan);
	parties_free(a, s, NULL, NULL);
}

ALL(future_is_not_relied_on, .preemptions = 2, .preemptions_long = 3);

static void drop(void *arg)
{
	WEFT_CHECK(weft__poll_drop(arg) == -EAGAIN);
}

/* It leaves while the message comes that it is notified of. */
static void future_leaves(void *arg)
{
	weft_chan *chan = chan_of(arg);
	struct party *a = party_new(chan, 0, 1), *s = party_new(chan, 1, 1);
	struct weft__parker *parker = weft_check_alloc(sizeof(*parker));
	struct weft__poll *poll = weft_check_alloc(sizeof(*poll));
	int value = 0;
	weft_case c = weft_case_recv(chan, &value);

	weft__parker_init(parker, &future_kind);
	weft__poll_init(poll, parker, &c, 1, WEFT__UNCANCELLABLE);
	WEFT_CHECK(weft__poll_next(poll) == -EAGAIN);
	SPAWN(receiver, a);
	SPAWN(drop, poll);
	sender(s);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(a->received == 1);
	weft_chan_release(chan);
	weft_check_free(poll);
	weft_check_free(parker);
	parties_free(a, s, NULL, NULL);
}

ALL(future_leaves, .preemptions = 1, .preemptions_long = 2);
