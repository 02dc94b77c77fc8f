/* SPDX-License-Identifier: MIT */
/*
 * Goal: a value goes straight to a fiber that waits, but never past one that is first,
 * nor past a value that was sent before. Method: puppets that stand for fibers, and a look
 * at the ring's own state.
 */
#include "poll_waiter_test.h"

#include "chan/chan.c"
#include "chan/ring.c"

static weft_chan *chan;
static struct puppet puppets[3];
static int values[3];

static weft_waitq *receivers(void)
{
	return &((struct ring *)chan)->receivers;
}

static int put(int value)
{
	return weft_chan_try_send(chan, &value);
}

static int take(void)
{
	int value = -1;
	int err = weft_chan_try_recv(chan, &value);

	return err ? err : value;
}

static int begin(int who)
{
	values[who] = -1;
	return puppet_wait(&puppets[who], weft_case_recv(chan, &values[who]));
}

static int fiber_recv(int who)
{
	puppet_init_fiber(&puppets[who]);
	return begin(who);
}

static int thread_recv(int who)
{
	puppet_init(&puppets[who], true);
	return begin(who);
}

TEST(hand_gives_the_value_to_a_fiber_that_waits)
{
	CHECK_EQ(weft_chan_new(&chan, sizeof(int), 1, NULL), 0);
	CHECK_EQ(fiber_recv(0), -EAGAIN);
	CHECK_EQ(fiber_recv(1), -EAGAIN);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(values[0], 1);
	CHECK_EQ(puppets[0].wakes, 1);
	CHECK_EQ(weft_chan_len(chan), 0);
	CHECK_EQ(put(2), 0);
	CHECK_EQ(values[1], 2);
	CHECK_EQ(weft_load_relaxed(&receivers()->word), 0);
	/* The cell is still there for one more. */
	CHECK_EQ(put(3), 0);
	CHECK_EQ(put(4), -EAGAIN);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(puppet_next(&puppets[i]), 0);
		CHECK_EQ(puppets[i].one.result, 0);
	}
	CHECK_EQ(take(), 3);
	weft_chan_release(chan);
}

TEST(hand_passes_no_thread_that_was_first)
{
	CHECK_EQ(weft_chan_new(&chan, sizeof(int), 2, NULL), 0);
	CHECK_EQ(thread_recv(0), -EAGAIN);
	CHECK_EQ(fiber_recv(1), -EAGAIN);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(weft_chan_len(chan), 1);
	CHECK_EQ(values[1], -1);
	CHECK_EQ(puppets[0].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[0]), 0);
	CHECK_EQ(values[0], 1);
	CHECK_EQ(put(2), 0);
	CHECK_EQ(puppet_next(&puppets[1]), 0);
	CHECK_EQ(values[1], 2);
	weft_chan_release(chan);
}

/* The hint is taken away, so that a value is put into the ring though fibers wait. */
TEST(hand_passes_no_value_that_was_sent_before)
{
	CHECK_EQ(weft_chan_new(&chan, sizeof(int), 2, NULL), 0);
	CHECK_EQ(fiber_recv(0), -EAGAIN);
	CHECK_EQ(fiber_recv(1), -EAGAIN);
	weft_and_relaxed(&receivers()->word, ~CHAN_FIBER);
	CHECK_EQ(put(1), 0);
	weft_or_relaxed(&receivers()->word, CHAN_FIBER);
	CHECK_EQ(put(2), 0);
	CHECK_EQ(weft_chan_len(chan), 2);
	CHECK_EQ(values[1], -1);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(puppets[i].wakes, 1);
		CHECK_EQ(puppet_next(&puppets[i]), 0);
		CHECK_EQ(values[i], i + 1);
	}
	weft_chan_release(chan);
}

TEST(hand_gives_nothing_to_a_fiber_that_left)
{
	CHECK_EQ(weft_chan_new(&chan, sizeof(int), 1, NULL), 0);
	CHECK_EQ(fiber_recv(0), -EAGAIN);
	CHECK_EQ(puppet_drop(&puppets[0]), -EAGAIN);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(values[0], -1);
	CHECK_EQ(take(), 1);
	CHECK(weft_chan_close(chan));
	CHECK_EQ(put(2), -EPIPE);
	weft_chan_release(chan);
}
