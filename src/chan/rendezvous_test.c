/* SPDX-License-Identifier: MIT */
/*
 * Goal: a value passes from one party to exactly one other, whatever the two are,
 * and at no time do two parties wait that could serve each other.
 * Method: the source itself, so that its two lists can be looked at; puppets in
 * both roles and of both kinds, in every order.
 */
#include "poll_waiter_test.h"
#include "team_test.h"

#include "hooks_test.h"

#include "chan/chan.c"
#include "chan/rendezvous.c"

static weft_chan *chan;
static struct puppet puppets[4];
static weft_case cases[4][2];
static int values[4];

static struct rendezvous *rendezvous(void)
{
	return (struct rendezvous *)chan;
}

static void open_rendezvous(void)
{
	CHECK_EQ(weft_chan_new(&chan, sizeof(int), 0, NULL), 0);
}

static int list_length(const weft_case *head)
{
	const weft_case *c = head;
	int count = 0;

	while (c) {
		count++;
		c = c->next == head ? NULL : c->next;
	}
	return count;
}

/* How many wait to send and to receive. */
static void expect_waiting(int senders, int receivers)
{
	uintptr_t word = weft_load_relaxed(&rendezvous()->receivers.word);

	CHECK_EQ(list_length(senders_of(rendezvous())), senders);
	CHECK_EQ(list_length(weft__waitq_head(word)), receivers);
}

/* Ends the channel; nobody may be left in it. */
static void close_rendezvous(void)
{
	expect_waiting(0, 0);
	weft_chan_release(chan);
	memory_is_back();
}

static int give(int value)
{
	return weft_chan_try_send(chan, &value);
}

static int take(void)
{
	int value = -1;
	int err = weft_chan_try_recv(chan, &value);

	if (err)
		CHECK_EQ(value, -1);
	return err ? err : value;
}

static int party_recv(int i, bool certain)
{
	puppet_init(&puppets[i], certain);
	values[i] = -1;
	return puppet_wait(&puppets[i], weft_case_recv(chan, &values[i]));
}

static int party_send(int i, bool certain, int value)
{
	puppet_init(&puppets[i], certain);
	values[i] = value;
	return puppet_wait(&puppets[i], weft_case_send(chan, &values[i]));
}

/* Party i is done, with this result, and holds this value. */
static void expect_done(int i, int result, int value)
{
	CHECK_EQ(puppet_next(&puppets[i]), 0);
	CHECK_EQ(puppets[i].one.result, result);
	CHECK_EQ(values[i], value);
}

/* ---- threads ------------------------------------------------------------------------ */

TEST(rendezvous_with_nobody_is_not_now)
{
	open_rendezvous();
	CHECK_EQ(give(1), -EAGAIN);
	CHECK_EQ(take(), -EAGAIN);
	close_rendezvous();
}

TEST(rendezvous_serves_receivers_in_order)
{
	open_rendezvous();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(party_recv(i, true), -EAGAIN);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(give(10 + i), 0);
		CHECK_EQ(puppets[i].wakes, 1);
		CHECK_EQ(values[i], 10 + i); /* it was handed over, not announced */
		expect_waiting(0, 2 - i);
	}
	CHECK_EQ(give(9), -EAGAIN);
	for (int i = 0; i < 3; i++)
		expect_done(i, 0, 10 + i);
	close_rendezvous();
}

TEST(rendezvous_serves_senders_in_order)
{
	open_rendezvous();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(party_send(i, true, 20 + i), -EAGAIN);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(take(), 20 + i);
		CHECK_EQ(puppets[i].wakes, 1);
		expect_waiting(2 - i, 0);
	}
	CHECK_EQ(take(), -EAGAIN);
	for (int i = 0; i < 3; i++)
		expect_done(i, 0, 20 + i);
	close_rendezvous();
}

/* A sender that comes to wait looks under the lock, and so does a receiver. */
TEST(rendezvous_party_that_would_wait_finds_the_other)
{
	for (int certain = 0; certain < 4; certain++) {
		open_rendezvous();
		CHECK_EQ(party_send(0, certain & 1, 5), -EAGAIN);
		CHECK_EQ(party_recv(1, certain & 2), 0);
		CHECK_EQ(values[1], 5);
		expect_done(0, 0, 5);
		close_rendezvous();
	}
	open_rendezvous();
	CHECK_EQ(party_recv(0, true), -EAGAIN);
	CHECK_EQ(party_send(1, false, 6), 0);
	expect_done(0, 0, 6);
	close_rendezvous();
}

/* Each tries, then queues up; the other one, or a close, comes in between. */
static void receiver_comes(void *arg)
{
	CHECK_EQ(party_recv(1, *(bool *)arg), -EAGAIN);
}

static void sender_comes(void *arg)
{
	CHECK_EQ(party_send(1, *(bool *)arg, 6), -EAGAIN);
}

static void close_comes(void *arg)
{
	(void)arg;
	CHECK(weft_chan_close(chan));
}

TEST(rendezvous_party_that_queues_up_looks_once_more)
{
	for (int kinds = 0; kinds < 4; kinds++) {
		bool first = kinds & 1, second = kinds & 2;

		open_rendezvous();
		hook_set(&on_lock, receiver_comes, &second);
		if (second) {
			CHECK_EQ(party_send(0, first, 5), 0);
			expect_done(1, 0, 5);
		} else {
			CHECK_EQ(party_send(0, first, 5), -EAGAIN);
			CHECK_EQ(puppets[1].wakes, 1);
			expect_done(1, 0, 5);
			expect_done(0, 0, 5);
		}
		hook_set(&on_lock, sender_comes, &second);
		CHECK_EQ(party_recv(0, first), 0);
		CHECK_EQ(values[0], 6);
		expect_done(1, 0, 6);
		close_rendezvous();
	}
}

TEST(rendezvous_party_that_queues_up_sees_the_close)
{
	for (int sends = 0; sends < 2; sends++) {
		open_rendezvous();
		hook_set(&on_lock, close_comes, NULL);
		CHECK_EQ(sends ? party_send(0, true, 5) : party_recv(0, true), 0);
		CHECK_EQ(puppets[0].one.result, -EPIPE);
		CHECK_EQ(values[0], sends ? 5 : -1);
		close_rendezvous();
	}
}

/* ---- futures --------------------------------------------------------------------------- */

/* Invariant B: nothing is put into the frame of a party that may never run. */
TEST(rendezvous_future_that_receives_is_notified_only)
{
	open_rendezvous();
	CHECK_EQ(party_recv(0, false), -EAGAIN);
	CHECK_EQ(give(1), -EAGAIN);
	CHECK_EQ(puppets[0].wakes, 0);
	CHECK_EQ(party_send(1, true, 7), -EAGAIN);
	CHECK_EQ(puppets[0].wakes, 1);
	CHECK_EQ(values[0], -1);
	expect_waiting(1, 0);
	expect_done(0, 0, 7);
	expect_done(1, 0, 7);
	close_rendezvous();
}

TEST(rendezvous_future_that_leaves_takes_nothing_along)
{
	open_rendezvous();
	CHECK_EQ(party_recv(0, false), -EAGAIN);
	CHECK_EQ(party_recv(1, false), -EAGAIN);
	CHECK_EQ(party_send(2, true, 7), -EAGAIN);
	CHECK_EQ(puppets[0].wakes, 1);
	CHECK_EQ(puppets[1].wakes, 1);
	CHECK_EQ(puppet_drop(&puppets[0]), -EAGAIN);
	CHECK_EQ(values[0], -1);
	expect_done(1, 0, 7);
	expect_done(2, 0, 7);
	close_rendezvous();
}

TEST(rendezvous_future_that_was_overtaken_waits_on)
{
	open_rendezvous();
	CHECK_EQ(party_recv(0, false), -EAGAIN);
	CHECK_EQ(party_send(1, true, 7), -EAGAIN);
	CHECK_EQ(take(), 7);
	CHECK_EQ(puppet_next(&puppets[0]), -EAGAIN);
	expect_waiting(0, 1);
	CHECK_EQ(party_send(2, true, 8), -EAGAIN);
	CHECK_EQ(puppets[0].wakes, 2);
	expect_done(0, 0, 8);
	expect_done(1, 0, 7);
	expect_done(2, 0, 8);
	close_rendezvous();
}

/* A thread is certain to run, so it goes before futures that came earlier. */
TEST(rendezvous_value_goes_past_futures_to_a_thread)
{
	open_rendezvous();
	CHECK_EQ(party_recv(0, false), -EAGAIN);
	CHECK_EQ(party_recv(1, true), -EAGAIN);
	CHECK_EQ(party_recv(2, false), -EAGAIN);
	CHECK_EQ(give(3), 0);
	expect_done(1, 0, 3);
	expect_waiting(0, 2);
	CHECK_EQ(puppet_drop(&puppets[0]), -EAGAIN);
	CHECK_EQ(puppet_drop(&puppets[2]), -EAGAIN);
	close_rendezvous();
}

/* Its value may be taken while it is parked; it learns that, polled or dropped. */
TEST(rendezvous_future_that_sends_finds_it_done)
{
	open_rendezvous();
	CHECK_EQ(party_send(0, false, 1), -EAGAIN);
	CHECK_EQ(party_send(1, false, 2), -EAGAIN);
	CHECK_EQ(party_send(2, false, 3), -EAGAIN);
	CHECK_EQ(take(), 1);
	CHECK_EQ(take(), 2);
	expect_done(0, 0, 1);
	CHECK_EQ(puppet_drop(&puppets[1]), 0);
	CHECK_EQ(puppet_drop(&puppets[2]), -EAGAIN);
	CHECK_EQ(take(), -EAGAIN);
	close_rendezvous();
}

TEST(rendezvous_futures_on_both_sides_meet)
{
	open_rendezvous();
	CHECK_EQ(party_recv(0, false), -EAGAIN);
	CHECK_EQ(party_send(1, false, 4), -EAGAIN);
	CHECK_EQ(puppets[0].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[1]), -EAGAIN);
	expect_done(0, 0, 4);
	expect_done(1, 0, 4);
	close_rendezvous();
}

/* ---- parties that wait in both lists ------------------------------------------------------- */

static int party_both(int i, bool certain, int value)
{
	static int sent[4];

	puppet_init(&puppets[i], certain);
	sent[i] = value;
	values[i] = -1;
	cases[i][0] = weft_case_send(chan, &sent[i]);
	cases[i][1] = weft_case_recv(chan, &values[i]);
	return puppet_begin(&puppets[i], cases[i], 2, 0);
}

/* A party does not serve itself; another one finds it in either list. */
TEST(rendezvous_party_that_sends_and_receives_needs_another)
{
	for (int certain = 0; certain < 2; certain++) {
		open_rendezvous();
		CHECK_EQ(party_both(0, certain, 1), -EAGAIN);
		expect_waiting(1, 1);
		CHECK_EQ(puppet_next(&puppets[0]), -EAGAIN);
		CHECK_EQ(take(), 1);
		CHECK_EQ(puppet_next(&puppets[0]), 0);
		CHECK_EQ(values[0], -1);
		close_rendezvous();
	}
	open_rendezvous();
	CHECK_EQ(party_both(0, true, 1), -EAGAIN);
	CHECK_EQ(give(2), 0);
	/* Its send is still linked, but it has been won: nobody gets that value. */
	expect_waiting(1, 0);
	CHECK_EQ(take(), -EAGAIN);
	CHECK_EQ(puppet_next(&puppets[0]), 1);
	CHECK_EQ(values[0], 2);
	close_rendezvous();
}

TEST(rendezvous_two_parties_that_send_and_receive_serve_each_other)
{
	for (int certain = 0; certain < 4; certain++) {
		int first, second;

		open_rendezvous();
		CHECK_EQ(party_both(0, certain & 1, 1), -EAGAIN);
		second = party_both(1, certain & 2, 2);
		first = puppet_next(&puppets[0]);
		CHECK_GE(second, 0);
		CHECK_EQ(first, 1 - second);
		CHECK_EQ(values[0], first == 1 ? 2 : -1);
		CHECK_EQ(values[1], second == 1 ? 1 : -1);
		close_rendezvous();
	}
}

/* A case that was won otherwise stays in its list until its party is back; those
 * who come by pass over it. */
TEST(rendezvous_passes_over_parties_that_were_won_elsewhere)
{
	weft_chan *other;
	int value = 9;

	open_rendezvous();
	CHECK_EQ(weft_chan_new(&other, sizeof(int), 0, NULL), 0);
	for (int i = 0; i < 2; i++) {
		puppet_init(&puppets[i], true);
		cases[i][0] = i ? weft_case_send(chan, &value) : weft_case_recv(chan, &values[i]);
		cases[i][1] = weft_case_recv(other, &values[i]);
	}
	CHECK_EQ(puppet_begin(&puppets[0], cases[0], 2, 0), -EAGAIN);
	CHECK_EQ(weft_chan_try_send(other, &value), 0);
	expect_waiting(0, 1);
	CHECK_EQ(give(1), -EAGAIN);
	expect_waiting(0, 0);
	CHECK_EQ(puppet_next(&puppets[0]), 1);

	CHECK_EQ(puppet_begin(&puppets[1], cases[1], 2, 0), -EAGAIN);
	CHECK_EQ(weft_chan_try_send(other, &value), 0);
	expect_waiting(1, 0);
	CHECK_EQ(party_recv(2, true), -EAGAIN);
	expect_waiting(0, 1);
	CHECK_EQ(puppet_next(&puppets[1]), 1);
	CHECK_EQ(puppet_drop(&puppets[2]), -EAGAIN);
	weft_chan_release(other);
	close_rendezvous();
}

/* ---- closing and leaving --------------------------------------------------------- */

TEST(rendezvous_close_ends_all_of_both_kinds)
{
	for (int sends = 0; sends < 2; sends++) {
		open_rendezvous();
		for (int i = 0; i < 4; i++)
			CHECK_EQ(sends ? party_send(i, i & 1, i) : party_recv(i, i & 1), -EAGAIN);
		CHECK(!weft_chan_is_closed(chan));
		CHECK(weft_chan_close(chan));
		CHECK(!weft_chan_close(chan));
		CHECK(weft_chan_is_closed(chan));
		expect_waiting(0, 0);
		for (int i = 0; i < 4; i++) {
			CHECK_EQ(puppets[i].wakes, 1);
			expect_done(i, -EPIPE, sends ? i : -1);
		}
		CHECK_EQ(give(1), -EPIPE);
		CHECK_EQ(take(), -EPIPE);
		CHECK_EQ(party_recv(0, true), 0);
		CHECK_EQ(puppets[0].one.result, -EPIPE);
		CHECK_EQ(party_send(0, false, 1), 0);
		CHECK_EQ(puppets[0].one.result, -EPIPE);
		close_rendezvous();
	}
}

TEST(rendezvous_party_that_leaves_is_gone)
{
	open_rendezvous();
	for (int i = 0; i < 4; i++)
		CHECK_EQ(party_send(i, i & 1, i), -EAGAIN);
	CHECK_EQ(puppet_drop(&puppets[1]), -EAGAIN);
	CHECK_EQ(puppet_drop(&puppets[0]), -EAGAIN);
	CHECK_EQ(puppet_drop(&puppets[3]), -EAGAIN);
	expect_waiting(1, 0);
	CHECK_EQ(take(), 2);
	expect_done(2, 0, 2);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(party_recv(i, i & 1), -EAGAIN);
	CHECK_EQ(puppet_drop(&puppets[0]), -EAGAIN);
	CHECK_EQ(puppet_drop(&puppets[1]), -EAGAIN);
	CHECK_EQ(puppet_drop(&puppets[2]), -EAGAIN);
	CHECK_EQ(give(5), 0);
	expect_done(3, 0, 5);
	close_rendezvous();
}

TEST(rendezvous_without_memory_is_enomem)
{
	chan = (weft_chan *)&on_copy;
	memory_lasts_for(0);
	CHECK_EQ(weft_chan_new(&chan, sizeof(int), 0, NULL), -ENOMEM);
	CHECK_NULL(chan);
	memory_lasts_for(INT32_MAX);
	open_rendezvous();
	CHECK_EQ(weft_load_relaxed(&live_blocks), 1);
	CHECK_LE(weft_load_relaxed(&live_bytes), 256);
	close_rendezvous();
}
