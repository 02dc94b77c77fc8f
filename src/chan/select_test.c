/* SPDX-License-Identifier: MIT */
/*
 * Goal: of the cases of a select exactly one takes effect, in channels of every
 * flavour and in both directions, and what the others were offered goes to
 * somebody else.
 * Method: values in some channels and not in others, looked at after the select;
 * puppets for those who compete; threads that select against each other.
 */
#include "flavours_test.h"

#include "weft/select.h"

#include <errno.h>

enum { CHANNELS = 3 };

static weft_chan *chans[CHANNELS];
static int received[CHANNELS];
static weft_case cases[CHANNELS];

static void open_all(size_t capacity)
{
	for (int i = 0; i < CHANNELS; i++) {
		chans[i] = open_chan(sizeof(int), capacity);
		received[i] = -1;
		cases[i] = weft_case_recv(chans[i], &received[i]);
	}
}

static void release_all(void)
{
	for (int i = 0; i < CHANNELS; i++)
		weft_chan_release(chans[i]);
}

/* ---- which case, and only that ---------------------------------------------------- */

TEST(select_receives_from_the_one_that_has)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		open_all(capacity);
		for (int has = 0; has < CHANNELS; has++) {
			struct puppet sender;
			int value = 50 + has;

			puppet_init(&sender, false);
			CHECK_EQ(puppet_wait(&sender, weft_case_send(chans[has], &value)),
				 capacity ? 0 : -EAGAIN);
			CHECK_EQ(weft_select(cases, CHANNELS, WEFT_NEVER), has);
			CHECK_EQ(cases[has].result, 0);
			for (int i = 0; i < CHANNELS; i++) {
				CHECK_EQ(received[i], i == has ? value : -1);
				CHECK_EQ(weft_chan_len(chans[i]), 0);
			}
			if (capacity == 0)
				CHECK_EQ(puppet_next(&sender), 0);
			received[has] = -1;
		}
		release_all();
	}
}

TEST(select_sends_to_the_one_that_takes)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		static const int value = 6;
		struct puppet receiver;

		if (capacity == WEFT_UNBOUNDED)
			continue;
		open_all(capacity);
		for (int i = 0; i < CHANNELS; i++) {
			cases[i] = weft_case_send(chans[i], &value);
			for (size_t k = 0; k < capacity; k++)
				CHECK_EQ(weft_chan_send(chans[i], &received[i]), 0);
		}
		CHECK_EQ(weft_select_try(cases, CHANNELS), -EAGAIN);
		for (int takes = 0; takes < CHANNELS; takes++) {
			puppet_init(&receiver, true);
			CHECK_EQ(puppet_wait(&receiver,
					     weft_case_recv(chans[takes], &received[takes])),
				 capacity ? 0 : -EAGAIN);
			CHECK_EQ(weft_select(cases, CHANNELS, WEFT_NEVER), takes);
			CHECK_EQ(cases[takes].result, 0);
			CHECK_EQ(weft_select_try(cases, CHANNELS), -EAGAIN);
			if (capacity == 0)
				CHECK_EQ(puppet_next(&receiver), 0);
		}
		release_all();
	}
}

/* Two values in each channel, or as many as go in. */
static void refill(size_t capacity)
{
	int value = 1;

	for (int i = 0; i < CHANNELS; i++)
		while (weft_chan_len(chans[i]) < (capacity < 2 ? capacity : 2))
			CHECK_EQ(weft_chan_try_send(chans[i], &value), 0);
}

TEST(select_chooses_at_random_and_biased_the_first)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		int chosen[CHANNELS] = { 0 };

		if (capacity == 0)
			continue;
		open_all(capacity);
		for (int i = 0; i < 600; i++) {
			refill(capacity);
			chosen[weft_select(cases, CHANNELS, WEFT_NEVER)]++;
			refill(capacity);
			CHECK_EQ(weft_select_biased(cases, CHANNELS, WEFT_NEVER), 0);
		}
		for (int i = 0; i < CHANNELS; i++)
			CHECK_GT(chosen[i], 120);
		release_all();
	}
}

/* Both directions of one channel: whichever is possible, both in turn. */
TEST(select_sends_and_receives_on_one_channel)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		int sent = 1, got = 0, balance = 0;
		weft_case both[] = { weft_case_send(chan, &sent), weft_case_recv(chan, &got) };

		for (int i = 0; capacity > 0 && i < 1000; i++) {
			int chosen = weft_select(both, 2, WEFT_NEVER);

			CHECK_EQ(both[chosen].result, 0);
			balance += chosen == 0 ? 1 : -1;
			CHECK_GE(balance, 0);
			CHECK_LE((size_t)balance, capacity);
			CHECK_EQ(weft_chan_len(chan), balance);
		}
		if (capacity == 0)
			CHECK_EQ(weft_select(both, 2, weft_after_ms(1)), -ETIMEDOUT);
		CHECK_EQ(got, capacity ? 1 : 0);
		weft_chan_release(chan);
	}
}

/* One channel in two cases: one of them takes the only value. */
TEST(select_with_a_channel_twice_takes_one_value)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		int got[2] = { -1, -1 }, value = 4, chosen;
		weft_case twice[] = { weft_case_recv(chan, &got[0]),
				      weft_case_recv(chan, &got[1]) };
		struct puppet p;

		puppet_init(&p, true);
		CHECK_EQ(puppet_begin(&p, twice, 2, 0), -EAGAIN);
		CHECK_EQ(weft_chan_try_send(chan, &value), 0);
		chosen = puppet_next(&p);
		CHECK_GE(chosen, 0);
		CHECK_EQ(got[chosen], 4);
		CHECK_EQ(got[1 - chosen], -1);
		CHECK_EQ(weft_chan_try_recv(chan, &value), -EAGAIN);
		weft_chan_release(chan);
	}
}

/* ---- which none ------------------------------------------------------------------- */

TEST(select_that_times_out_changes_nothing)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		int64_t deadline = weft_after_ms(2);

		open_all(capacity);
		for (int turn = 0; turn < 2; turn++) {
			CHECK_EQ(weft_select(cases, CHANNELS, deadline), -ETIMEDOUT);
			CHECK_GE(weft_now(), deadline);
			CHECK_EQ(weft_select(cases, CHANNELS, 0), -ETIMEDOUT);
			CHECK_EQ(weft_select_try(cases, CHANNELS), -EAGAIN);
		}
		for (int i = 0; i < CHANNELS; i++)
			CHECK_EQ(received[i], -1);
		/* Nobody is left in a queue, or this would stop the program. */
		release_all();
	}
}

TEST(select_in_a_cancelled_scope_does_what_need_not_wait)
{
	weft_token token, *outer;

	weft_token_init(&token, NULL);
	outer = weft_ambient_set(&token);
	weft_token_cancel(&token);
	FOR_EACH_FLAVOUR(capacity)
	{
		open_all(capacity);
		CHECK_EQ(weft_select(cases, CHANNELS, WEFT_NEVER), -ECANCELED);
		CHECK_EQ(weft_select_try(cases, CHANNELS), -EAGAIN);
		weft_chan_close(chans[1]);
		CHECK_EQ(weft_select(cases, CHANNELS, WEFT_NEVER), 1);
		CHECK_EQ(cases[1].result, -EPIPE);
		release_all();
	}
	weft_ambient_set(outer);
}

TEST(select_on_a_closed_channel_is_epipe)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		int value = 1;
		weft_case send;

		open_all(capacity);
		send = weft_case_send(chans[2], &value);
		weft_chan_close(chans[2]);
		for (int turn = 0; turn < 2; turn++) {
			CHECK_EQ(weft_select(cases, CHANNELS, WEFT_NEVER), 2);
			CHECK_EQ(cases[2].result, -EPIPE);
			CHECK_EQ(received[2], -1);
			CHECK_EQ(weft_select(&send, 1, WEFT_NEVER), 0);
			CHECK_EQ(send.result, -EPIPE);
		}
		release_all();
	}
}

/* ---- offers that are not taken ---------------------------------------------------- */

/* A party that waits for channels 0 and 1, is woken for 1, and takes from 0. */
TEST(select_that_takes_another_case_passes_its_chance_on)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		struct puppet both, other;
		int value = 8, got = -1;

		if (capacity == 0)
			continue; /* there a value is handed over, not offered */
		open_all(capacity);
		puppet_init(&both, true);
		puppet_init(&other, true);
		CHECK_EQ(puppet_begin(&both, cases, 2, WEFT__BIASED), -EAGAIN);
		CHECK_EQ(puppet_wait(&other, weft_case_recv(chans[1], &got)), -EAGAIN);
		CHECK_EQ(weft_chan_try_send(chans[1], &value), 0);
		CHECK_EQ(weft_chan_try_send(chans[0], &value), 0);
		CHECK_EQ(both.wakes, 1);
		CHECK_EQ(other.wakes, 0);
		CHECK_EQ(puppet_next(&both), 0);
		CHECK_EQ(received[1], -1);
		CHECK_EQ(other.wakes, 1);
		CHECK_EQ(puppet_next(&other), 0);
		CHECK_EQ(got, 8);
		release_all();
	}
}

/* A party that was won by one channel is passed over in the other. */
TEST(select_that_is_won_leaves_other_offers_to_others)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		struct puppet both, other;
		int value = 8, got = -1;

		open_all(capacity);
		puppet_init(&both, true);
		puppet_init(&other, true);
		CHECK_EQ(puppet_begin(&both, cases, 2, 0), -EAGAIN);
		CHECK_EQ(puppet_wait(&other, weft_case_recv(chans[1], &got)), -EAGAIN);
		CHECK_EQ(weft_chan_try_send(chans[0], &value), 0);
		CHECK_EQ(weft_chan_try_send(chans[1], &value), 0);
		CHECK_EQ(other.wakes, 1);
		CHECK_EQ(puppet_next(&other), 0);
		CHECK_EQ(got, 8);
		CHECK_EQ(puppet_next(&both), 0);
		CHECK_EQ(received[1], -1);
		release_all();
	}
}

/* ---- threads that select against each other --------------------------------------- */

enum { EACH = 3000, PLAYERS = 4 };

struct exchange {
	weft_atomic_u32 sent, taken;
};

/* Each sends to any channel and receives from any, in one select. */
static void exchange_run(void *arg, int index)
{
	struct exchange *x = arg;

	for (int i = 0; i < EACH; i++) {
		uint32_t value = (uint32_t)(index * EACH + i), got = 0;
		weft_case six[2 * CHANNELS];
		int chosen;

		for (int k = 0; k < CHANNELS; k++) {
			six[k] = weft_case_send(chans[k], &value);
			six[CHANNELS + k] = weft_case_recv(chans[k], &got);
		}
		chosen = weft_select(six, 2 * CHANNELS, weft_after_us(200));
		if (chosen >= CHANNELS)
			weft_add_relaxed(&x->taken, got);
		else if (chosen >= 0)
			weft_add_relaxed(&x->sent, value);
		else
			CHECK_EQ(chosen, -ETIMEDOUT);
	}
}

TEST(select_against_select_loses_nothing)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		struct exchange x = { { 0 }, { 0 } };
		uint32_t value;

		open_all(capacity);
		team_run(PLAYERS, exchange_run, &x);
		for (int i = 0; i < CHANNELS; i++)
			while (weft_chan_try_recv(chans[i], &value) == 0)
				weft_add_relaxed(&x.taken, value);
		CHECK_EQ(weft_load_relaxed(&x.taken), weft_load_relaxed(&x.sent));
		CHECK_GT(weft_load_relaxed(&x.sent), 0);
		release_all();
	}
}
