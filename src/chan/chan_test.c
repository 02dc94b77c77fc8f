/* SPDX-License-Identifier: MIT */
/*
 * Goal: what <weft/channel.h> says, sentence by sentence, for every flavour.
 * Method: one thread where that is enough, puppets for the other end of a
 * rendezvous, and threads that are known to sleep where waking is the point.
 */
#include "flavours_test.h"

#include <errno.h>

static unsigned char out[ELEMENT_MOST + 2 * ELEMENT_GUARD];
static unsigned char in[ELEMENT_MOST + 2 * ELEMENT_GUARD];

/* ---- sizes ------------------------------------------------------------------------ */

TEST(chan_sizes_that_cannot_be_are_einval)
{
	static const size_t bad[][2] = {
		{ SIZE_MAX, 1 },
		{ SIZE_MAX, 0 },
		{ SIZE_MAX - 15, 1 },
		{ PTRDIFF_MAX, 0 },
		{ PTRDIFF_MAX, 1 },
		{ PTRDIFF_MAX / 4, 1 },
		{ PTRDIFF_MAX / 4, WEFT_UNBOUNDED },
		{ PTRDIFF_MAX, WEFT_UNBOUNDED },
		{ SIZE_MAX, WEFT_UNBOUNDED },
		{ 0, SIZE_MAX - 1 },
		{ 1, SIZE_MAX - 1 },
		{ 1, PTRDIFF_MAX },
		{ 8, SIZE_MAX / 8 },
		{ (size_t)1 << 32, (size_t)1 << 32 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		weft_chan *chan = (weft_chan *)&out;

		CHECK_EQ(weft_chan_new(&chan, bad[i][0], bad[i][1], NULL), -EINVAL);
		CHECK_NULL(chan);
	}
}

TEST(chan_tells_its_sizes)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		for (int k = 0; k < ELEMENT_SIZES; k++) {
			weft_chan *chan = open_chan(element_sizes[k], capacity);

			CHECK_EQ(weft_chan_capacity(chan), capacity);
			CHECK_EQ(weft_chan_element_size(chan), element_sizes[k]);
			CHECK_EQ(weft_chan_len(chan), 0);
			CHECK(!weft_chan_is_closed(chan));
			weft_chan_release(chan);
		}
	}
}

/* ---- values ----------------------------------------------------------------------- */

static int try_recv(weft_chan *chan, size_t size, uint32_t seed)
{
	int err;

	element_make(in, size, ~seed);
	err = weft_chan_try_recv(chan, in + ELEMENT_GUARD);
	element_check(in, size, err ? ~seed : seed);
	return err;
}

/* Full, drained, and again at another offset. */
static void pass_through_buffer(weft_chan *chan, size_t size)
{
	int room = room_of(chan);

	if (size > 1000 && room > 20)
		room = 20;
	for (uint32_t lap = 0; lap < 3; lap++) {
		uint32_t first = lap * 1000;

		for (int i = 0; i < room; i++) {
			unsigned char *e = element_make(out, size, first + (uint32_t)i);

			CHECK_EQ(weft_chan_len(chan), i);
			CHECK_EQ(weft_chan_try_send(chan, e), 0);
			element_check(out, size, first + (uint32_t)i);
			memset(out, 0, sizeof(out)); /* it was copied */
		}
		for (int i = 0; i < room; i++)
			CHECK_EQ(try_recv(chan, size, first + (uint32_t)i), 0);
		CHECK_EQ(try_recv(chan, size, 0), -EAGAIN);
		CHECK_EQ(weft_chan_len(chan), 0);
	}
}

static void pass_hand_to_hand(weft_chan *chan, size_t size)
{
	struct puppet p;

	puppet_init(&p, true);
	for (uint32_t i = 0; i < 3; i++) {
		unsigned char *e = element_make(out, size, i);

		CHECK_EQ(weft_chan_try_send(chan, e), -EAGAIN);
		CHECK_EQ(puppet_wait(&p, weft_case_send(chan, e)), -EAGAIN);
		CHECK_EQ(weft_chan_len(chan), 0);
		CHECK_EQ(try_recv(chan, size, i), 0);
		element_check(out, size, i);
		CHECK_EQ(puppet_next(&p), 0);
		CHECK_EQ(p.one.result, 0);
		CHECK_EQ(try_recv(chan, size, i), -EAGAIN);

		element_make(in, size, 99);
		CHECK_EQ(puppet_wait(&p, weft_case_recv(chan, in + ELEMENT_GUARD)), -EAGAIN);
		CHECK_EQ(weft_chan_try_send(chan, e), 0);
		CHECK_EQ(puppet_next(&p), 0);
		CHECK_EQ(p.one.result, 0);
		element_check(in, size, i);
	}
}

TEST(chan_copies_elements_of_any_size)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		for (int k = 0; k < ELEMENT_SIZES; k++) {
			weft_chan *chan = open_chan(element_sizes[k], capacity);

			if (capacity == 0)
				pass_hand_to_hand(chan, element_sizes[k]);
			else
				pass_through_buffer(chan, element_sizes[k]);
			weft_chan_release(chan);
		}
	}
}

TEST(chan_element_of_no_bytes_may_be_null)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(0, capacity);
		struct puppet p;

		puppet_init(&p, true);
		CHECK_EQ(puppet_wait(&p, weft_case_recv(chan, NULL)), -EAGAIN);
		CHECK_EQ(weft_chan_try_send(chan, NULL), 0);
		CHECK_EQ(puppet_next(&p), 0);
		CHECK_EQ(weft_chan_try_recv(chan, NULL), -EAGAIN);
		weft_chan_release(chan);
	}
}

/* ---- trying, and waiting until a deadline ----------------------------------------- */

/* Fills it up; the unbounded is left alone. */
static bool fill(weft_chan *chan)
{
	int value = 1;

	if (weft_chan_capacity(chan) == WEFT_UNBOUNDED)
		return false;
	for (int i = 0; i < room_of(chan); i++)
		CHECK_EQ(weft_chan_try_send(chan, &value), 0);
	return true;
}

TEST(chan_full_refuses_and_the_sender_keeps_its_value)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		int value = 2;

		if (fill(chan)) {
			int64_t deadline = weft_after_ms(2);

			CHECK_EQ(weft_chan_try_send(chan, &value), -EAGAIN);
			CHECK_EQ(weft_chan_send_until(chan, &value, 0), -ETIMEDOUT);
			CHECK_EQ(weft_chan_send_until(chan, &value, -5), -ETIMEDOUT);
			CHECK_EQ(weft_chan_send_until(chan, &value, 1), -ETIMEDOUT);
			CHECK_EQ(weft_chan_send_until(chan, &value, deadline), -ETIMEDOUT);
			CHECK_GE(weft_now(), deadline);
			CHECK_EQ(value, 2);
			CHECK_EQ(weft_chan_len(chan), capacity);
		}
		while (weft_chan_try_recv(chan, &value) == 0)
			CHECK_EQ(value, 1);
		weft_chan_release(chan);
	}
}

TEST(chan_empty_refuses_and_leaves_the_buffer_alone)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		int64_t deadline = weft_after_ms(2);
		int value = 2;

		CHECK_EQ(weft_chan_try_recv(chan, &value), -EAGAIN);
		CHECK_EQ(weft_chan_recv_until(chan, &value, 0), -ETIMEDOUT);
		CHECK_EQ(weft_chan_recv_until(chan, &value, -5), -ETIMEDOUT);
		CHECK_EQ(weft_chan_recv_until(chan, &value, 1), -ETIMEDOUT);
		CHECK_EQ(weft_chan_recv_until(chan, &value, deadline), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
		CHECK_EQ(value, 2);
		weft_chan_release(chan);
	}
}

/* What need not wait succeeds, whatever the deadline. */
TEST(chan_past_deadline_does_not_hinder_what_need_not_wait)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		struct puppet p;
		int sent = 3, received = 0;

		puppet_init(&p, true);
		if (capacity == 0)
			CHECK_EQ(puppet_wait(&p, weft_case_send(chan, &sent)), -EAGAIN);
		else
			CHECK_EQ(weft_chan_send_until(chan, &sent, 0), 0);
		CHECK_EQ(weft_chan_recv_until(chan, &received, 0), 0);
		CHECK_EQ(received, 3);
		weft_chan_release(chan);
	}
}

/* ---- waiting ---------------------------------------------------------------------- */

TEST(chan_sleeping_receiver_gets_the_value)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		struct blocked b;
		int value = 4;

		blocked_recv(&b, chan, NULL);
		CHECK_EQ(weft_chan_try_send(chan, &value), 0);
		CHECK_EQ(blocked_join(&b), 0);
		CHECK_EQ(b.value, 4);
		weft_chan_release(chan);
	}
}

TEST(chan_sleeping_sender_gets_rid_of_the_value)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		struct blocked b;
		int value = 0;

		if (fill(chan)) {
			blocked_send(&b, chan, 5, NULL);
			CHECK_EQ(weft_chan_try_recv(chan, &value), 0);
			CHECK_EQ(value, capacity ? 1 : 5);
			CHECK_EQ(blocked_join(&b), 0);
			for (size_t i = 0; i < capacity; i++)
				CHECK_EQ(weft_chan_recv(chan, &value), 0);
			CHECK_EQ(value, 5);
		}
		weft_chan_release(chan);
	}
}

TEST(chan_rendezvous_send_ends_when_the_value_is_taken)
{
	weft_chan *chan = open_chan(sizeof(int), 0);
	struct blocked b;
	int value = 0;

	blocked_send(&b, chan, 6, NULL);
	CHECK_EQ(weft_load_relaxed(&((struct weft__parker *)b.parker.v)->token), WEFT__PARKED);
	CHECK_EQ(weft_chan_len(chan), 0);
	CHECK_EQ(weft_chan_recv(chan, &value), 0);
	CHECK_EQ(value, 6);
	CHECK_EQ(blocked_join(&b), 0);
	weft_chan_release(chan);
}

/* ---- closing ---------------------------------------------------------------------- */

TEST(chan_closed_gives_what_is_left_then_epipe)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		int room = room_of(chan), value;

		for (int i = 0; i < room; i++)
			CHECK_EQ(weft_chan_send(chan, &i), 0);
		CHECK(weft_chan_close(chan));
		CHECK(!weft_chan_close(chan));
		CHECK(weft_chan_is_closed(chan));
		value = 9;
		CHECK_EQ(weft_chan_send(chan, &value), -EPIPE);
		CHECK_EQ(weft_chan_try_send(chan, &value), -EPIPE);
		CHECK_EQ(weft_chan_send_until(chan, &value, 0), -EPIPE);
		for (int i = 0; i < room; i++) {
			CHECK_EQ(i & 1 ? weft_chan_recv(chan, &value)
				       : weft_chan_try_recv(chan, &value),
				 0);
			CHECK_EQ(value, i);
		}
		value = 9;
		CHECK_EQ(weft_chan_recv(chan, &value), -EPIPE);
		CHECK_EQ(weft_chan_try_recv(chan, &value), -EPIPE);
		CHECK_EQ(weft_chan_recv_until(chan, &value, 0), -EPIPE);
		CHECK_EQ(value, 9);
		weft_chan_release(chan);
	}
}

TEST(chan_close_wakes_all_receivers)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		struct blocked b[3];

		for (int i = 0; i < 3; i++)
			blocked_recv(&b[i], chan, NULL);
		CHECK(weft_chan_close(chan));
		for (int i = 0; i < 3; i++) {
			CHECK_EQ(blocked_join(&b[i]), -EPIPE);
			CHECK_EQ(b[i].value, -1);
		}
		weft_chan_release(chan);
	}
}

TEST(chan_close_wakes_all_senders_and_sends_nothing)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		struct blocked b[3];
		int value;

		if (fill(chan)) {
			for (int i = 0; i < 3; i++)
				blocked_send(&b[i], chan, 7, NULL);
			CHECK(weft_chan_close(chan));
			for (int i = 0; i < 3; i++)
				CHECK_EQ(blocked_join(&b[i]), -EPIPE);
			for (size_t i = 0; i < capacity; i++) {
				CHECK_EQ(weft_chan_recv(chan, &value), 0);
				CHECK_EQ(value, 1);
			}
			CHECK_EQ(weft_chan_recv(chan, &value), -EPIPE);
		}
		weft_chan_release(chan);
	}
}

static weft_atomic_u32 closers;

static void close_once(void *chan, int index)
{
	(void)index;
	if (weft_chan_close(chan))
		weft_add_relaxed(&closers, 1);
}

TEST(chan_close_is_true_for_one_call)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		for (int round = 0; round < 50; round++) {
			weft_chan *chan = open_chan(sizeof(int), capacity);

			weft_store_relaxed(&closers, 0);
			team_run(4, close_once, chan);
			CHECK_EQ(weft_load_relaxed(&closers), 1);
			weft_chan_release(chan);
		}
	}
}

/* What the closer did before is visible to whoever finds it closed, and however:
 * ThreadSanitizer looks at the plain variable. */
static int plain;

static void find_closed(void *arg, int index)
{
	weft_chan *chan = arg;
	int value = 1, err = 0;

	switch (index) {
	case 0:
		while (!weft_chan_is_closed(chan))
			weft__thread_yield();
		break;
	case 1:
		while ((err = weft_chan_try_send(chan, &value)) != -EPIPE)
			weft__thread_yield();
		break;
	case 2:
		while ((err = weft_chan_try_recv(chan, &value)) != -EPIPE)
			weft__thread_yield();
		break;
	default:
		while (weft_chan_recv(chan, &value) != -EPIPE)
			;
	}
	CHECK_EQ(plain, 8);
}

TEST(chan_close_publishes_what_was_done_before)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		for (int round = 0; round < 30; round++) {
			weft_chan *chan = open_chan(sizeof(int), capacity);
			struct team team = { .count = 0 };

			plain = 0;
			team_add(&team, 4, find_closed, chan);
			plain = 8;
			weft_chan_close(chan);
			team_join(&team);
			weft_chan_release(chan);
		}
	}
}

/* ---- cancellation ----------------------------------------------------------------- */

TEST(chan_cancelled_receiver_leaves_and_loses_nothing)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		weft_token token;
		struct blocked b[2];
		int value = 9;

		weft_token_init(&token, NULL);
		blocked_recv(&b[0], chan, &token);
		blocked_recv(&b[1], chan, NULL);
		weft_token_cancel(&token);
		CHECK_EQ(blocked_join(&b[0]), -ECANCELED);
		CHECK_EQ(b[0].value, -1);
		CHECK_EQ(weft_chan_try_send(chan, &value), 0);
		CHECK_EQ(blocked_join(&b[1]), 0);
		CHECK_EQ(b[1].value, 9);
		weft_chan_release(chan);
	}
}

TEST(chan_cancelled_sender_leaves_with_its_value)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		weft_token token;
		struct blocked b[2];
		int value;

		weft_token_init(&token, NULL);
		if (fill(chan)) {
			blocked_send(&b[0], chan, 10, &token);
			blocked_send(&b[1], chan, 11, NULL);
			weft_token_cancel(&token);
			CHECK_EQ(blocked_join(&b[0]), -ECANCELED);
			for (size_t i = 0; i < capacity; i++)
				CHECK_EQ(weft_chan_recv(chan, &value), 0);
			CHECK_EQ(weft_chan_recv(chan, &value), 0);
			CHECK_EQ(value, 11);
			CHECK_EQ(weft_chan_try_recv(chan, &value), -EAGAIN);
			CHECK_EQ(blocked_join(&b[1]), 0);
		}
		weft_chan_release(chan);
	}
}

/* Sticky, but only for what would have to wait. */
TEST(chan_in_a_cancelled_scope_does_what_need_not_wait)
{
	weft_token token, *outer;

	weft_token_init(&token, NULL);
	weft_token_cancel(&token);
	outer = weft_ambient_set(&token);
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		int value = 12;

		for (int i = 0; i < 2; i++) {
			CHECK_EQ(weft_chan_recv(chan, &value), -ECANCELED);
			CHECK_EQ(weft_chan_recv_until(chan, &value, 0), -ECANCELED);
			CHECK_EQ(weft_chan_try_recv(chan, &value), -EAGAIN);
			CHECK_EQ(value, 12);
		}
		if (capacity == 0) {
			CHECK_EQ(weft_chan_send(chan, &value), -ECANCELED);
		} else {
			CHECK_EQ(weft_chan_send(chan, &value), 0);
			value = 0;
			CHECK_EQ(weft_chan_recv(chan, &value), 0);
			CHECK_EQ(value, 12);
		}
		CHECK(weft_chan_close(chan));
		CHECK_EQ(weft_chan_send(chan, &value), -EPIPE);
		CHECK_EQ(weft_chan_recv(chan, &value), -EPIPE);
		weft_chan_release(chan);
	}
	weft_ambient_set(outer);
}

/* ---- order ------------------------------------------------------------------------ */

enum { SENDERS = 3, RECEIVERS = 2, EACH = 4000 };

struct traffic {
	weft_chan *chan;
	weft_atomic_u32 sending;
	weft_atomic_u32 seen[SENDERS][EACH];
};

struct message {
	uint32_t sender, number;
};

static void traffic_run(void *arg, int index)
{
	struct traffic *t = arg;
	struct message m = { .sender = (uint32_t)index };
	uint32_t last[SENDERS] = { 0 };

	if (index < SENDERS) {
		for (m.number = 1; m.number <= EACH; m.number++)
			CHECK_EQ(weft_chan_send(t->chan, &m), 0);
		if (weft_sub_acq_rel(&t->sending, 1) == 1)
			weft_chan_close(t->chan);
		return;
	}
	while (weft_chan_recv(t->chan, &m) == 0) {
		CHECK_LT(m.sender, SENDERS);
		CHECK_GT(m.number, last[m.sender]);
		last[m.sender] = m.number;
		CHECK_EQ(weft_add_relaxed(&t->seen[m.sender][m.number - 1], 1), 0);
	}
}

TEST(chan_keeps_the_order_of_each_sender)
{
	static struct traffic t;

	FOR_EACH_FLAVOUR(capacity)
	{
		memset(&t, 0, sizeof(t));
		t.chan = open_chan(sizeof(struct message), capacity);
		weft_store_relaxed(&t.sending, SENDERS);
		team_run(SENDERS + RECEIVERS, traffic_run, &t);
		for (int i = 0; i < SENDERS; i++)
			for (int k = 0; k < EACH; k++)
				CHECK_EQ(weft_load_relaxed(&t.seen[i][k]), 1);
		weft_chan_release(t.chan);
	}
}
