/* SPDX-License-Identifier: MIT */
/*
 * Goal: the unbounded channel keeps its promises however its parties are
 * interrupted, gives memory back, and survives the lack of it.
 * Method: as in ring_test.c; allocations are counted, made to fail at every
 * possible place, and used as one more place to be interrupted at.
 */
#include "poll_waiter_test.h"
#include "team_test.h"

#include "base/rng.h"

#include "hooks_test.h"

#include "chan/chan.c"
#include "chan/segments.c"

static weft_chan *chan;

static struct segments *segments(void)
{
	return (struct segments *)chan;
}

/* Cells of a segment. */
static int cells;

static void open_segments(void)
{
	CHECK_EQ(weft_chan_new(&chan, sizeof(int), WEFT_UNBOUNDED, NULL), 0);
	cells = (int)segments()->mask + 1;
}

static void close_segments(void)
{
	weft_chan_release(chan);
	memory_is_back();
}

static int give(int value)
{
	return weft_chan_try_send(chan, &value);
}

/* What is received, or the error. */
static int take(void)
{
	int value = -1;
	int err = weft_chan_try_recv(chan, &value);

	if (err)
		CHECK_EQ(value, -1);
	return err ? err : value;
}

/* ---- order and memory ------------------------------------------------------------- */

/* Bursts of every length up to three segments, each drained. */
TEST(segments_keep_order_across_segments)
{
	int next = 0;

	open_segments();
	for (int burst = 1; burst <= 3 * cells; burst++) {
		for (int i = 0; i < burst; i++) {
			CHECK_EQ(weft_chan_len(chan), i);
			CHECK_EQ(give(next + i), 0);
		}
		for (int i = 0; i < burst; i++) {
			CHECK_EQ(weft_chan_len(chan), burst - i);
			CHECK_EQ(take(), next + i);
		}
		CHECK_EQ(take(), -EAGAIN);
		next += burst;
	}
	close_segments();
}

TEST(segments_close_at_every_offset)
{
	open_segments();
	close_segments();
	for (int offset = 0; offset <= 2 * cells; offset++) {
		int fill = offset * 5 % (cells + 3);

		open_segments();
		for (int i = 0; i < offset; i++) {
			CHECK_EQ(give(i), 0);
			CHECK_EQ(take(), i);
		}
		for (int i = 0; i < fill; i++)
			CHECK_EQ(give(i), 0);
		CHECK(!weft_chan_is_closed(chan));
		CHECK(weft_chan_close(chan));
		CHECK(!weft_chan_close(chan));
		CHECK(weft_chan_is_closed(chan));
		CHECK_EQ(weft_chan_len(chan), fill);
		CHECK_EQ(give(9), -EPIPE);
		for (int i = 0; i < fill; i++)
			CHECK_EQ(take(), i);
		CHECK_EQ(take(), -EPIPE);
		CHECK_EQ(give(9), -EPIPE);
		close_segments();
	}
}

TEST(segments_fresh_channel_is_small)
{
	open_segments();
	CHECK_EQ(weft_load_relaxed(&live_blocks), 1);
	CHECK_LE(weft_load_relaxed(&live_bytes), 512);
	CHECK_EQ(take(), -EAGAIN);
	CHECK_EQ(weft_load_relaxed(&live_blocks), 1);
	close_segments();
}

/* After a burst: itself, one segment in use, one kept. */
TEST(segments_give_memory_back_after_a_burst)
{
	size_t fresh, burst;

	open_segments();
	fresh = weft_load_relaxed(&live_bytes);
	for (int i = 0; i < 100000; i++)
		CHECK_EQ(give(i), 0);
	burst = weft_load_relaxed(&live_bytes);
	CHECK_GT(burst, 100000 * sizeof(int));
	for (int i = 0; i < 100000; i++)
		CHECK_EQ(take(), i);
	CHECK_LE(weft_load_relaxed(&live_blocks), 3);
	CHECK_LE(weft_load_relaxed(&live_bytes), fresh + 2 * (4096 + 256));
	close_segments();
}

TEST(segments_reuse_memory_in_steady_use)
{
	open_segments();
	weft_store_relaxed(&allocations, 0);
	for (int i = 0; i < 100 * cells; i++) {
		CHECK_EQ(give(i), 0);
		CHECK_EQ(take(), i);
	}
	CHECK_LE(weft_load_relaxed(&allocations), 3);
	close_segments();
}

TEST(segments_hold_large_elements)
{
	static unsigned char element[100000];

	CHECK_EQ(weft_chan_new(&chan, sizeof(element), WEFT_UNBOUNDED, NULL), 0);
	for (int lap = 0; lap < 3; lap++) {
		for (int i = 0; i < 50; i++) {
			memset(element, lap * 50 + i, sizeof(element));
			CHECK_EQ(weft_chan_send(chan, element), 0);
		}
		for (int i = 0; i < 50; i++) {
			CHECK_EQ(weft_chan_recv(chan, element), 0);
			CHECK_EQ(element[0], lap * 50 + i);
			CHECK_MEM_EQ(element, element + 1, sizeof(element) - 1);
		}
		CHECK_LE(weft_load_relaxed(&live_bytes), 2 * 9 * sizeof(element));
	}
	close_segments();
}

/* ---- no memory -------------------------------------------------------------------- */

TEST(segments_without_memory_for_the_channel_is_enomem)
{
	chan = (weft_chan *)&on_copy;
	memory_lasts_for(0);
	CHECK_EQ(weft_chan_new(&chan, sizeof(int), WEFT_UNBOUNDED, NULL), -ENOMEM);
	CHECK_NULL(chan);
	memory_lasts_for(INT32_MAX);
	memory_is_back();
}

/* Memory runs out at random; what was refused was not sent, the rest arrives. */
TEST(segments_without_memory_for_a_value_is_enomem)
{
	struct weft__rng rng = { 7 };
	int sent = 0, received = 0, refused = 0;

	open_segments();
	for (int i = 0; i < 100000; i++) {
		size_t before = weft_chan_len(chan);
		int err = 0;

		memory_lasts_for(weft__rng_below(&rng, 4) == 0);
		if ((int)weft__rng_below(&rng, 16) < 8 + (i >> 10) % 3) {
			err = give(sent);
			sent += err == 0;
			refused += err == -ENOMEM;
		} else if (before > 0) {
			CHECK_EQ(take(), received++);
		}
		CHECK(err == 0 || err == -ENOMEM);
		CHECK_EQ(weft_chan_len(chan), sent - received);
	}
	CHECK_GT(refused, 100);
	CHECK_GT(sent, 10000);
	while (received < sent)
		CHECK_EQ(take(), received++);
	CHECK_EQ(take(), -EAGAIN);
	memory_lasts_for(INT32_MAX);
	close_segments();
}

TEST(segments_blocking_send_and_select_report_enomem)
{
	int value = 5;

	open_segments();
	memory_lasts_for(0);
	CHECK_EQ(weft_chan_send(chan, &value), -ENOMEM);
	CHECK_EQ(weft_chan_send_until(chan, &value, WEFT_NEVER), -ENOMEM);
	{
		struct puppet p;

		puppet_init(&p, true);
		CHECK_EQ(puppet_wait(&p, weft_case_send(chan, &value)), 0);
		CHECK_EQ(p.one.result, -ENOMEM);
	}
	CHECK_EQ(weft_chan_len(chan), 0);
	memory_lasts_for(INT32_MAX);
	CHECK_EQ(weft_chan_send(chan, &value), 0);
	CHECK_EQ(take(), 5);
	close_segments();
}

/* The largest size that is allowed, and that no machine has. */
TEST(segments_of_impossible_elements_refuse_at_the_send)
{
	size_t size = PTRDIFF_MAX / 4 / CHAN_SEGMENT_LEAST - 16;
	char element = 0;

	CHECK_EQ(weft_chan_new(&chan, size + 1, WEFT_UNBOUNDED, NULL), -EINVAL);
	CHECK_EQ(weft_chan_new(&chan, size, WEFT_UNBOUNDED, NULL), 0);
	CHECK_EQ(weft_chan_try_send(chan, &element), -ENOMEM);
	CHECK_EQ(weft_chan_try_recv(chan, &element), -EAGAIN);
	close_segments();
}

/* ---- growth ----------------------------------------------------------------------- */

static void close_now(void *arg)
{
	(void)arg;
	CHECK(weft_chan_close(chan));
}

/* The close comes while a sender holds the lock and allocates. */
TEST(segments_closed_during_growth_refuse_the_value)
{
	open_segments();
	hook_set(&on_alloc, close_now, NULL);
	CHECK_EQ(give(1), -EPIPE);
	CHECK_EQ(take(), -EPIPE);
	close_segments();

	open_segments();
	for (int i = 0; i < cells - 1; i++)
		CHECK_EQ(give(i), 0);
	hook_set(&on_alloc, close_now, NULL);
	CHECK_EQ(give(9), -EPIPE);
	for (int i = 0; i < cells - 1; i++)
		CHECK_EQ(take(), i);
	CHECK_EQ(take(), -EPIPE);
	close_segments();
}

static void take_all(void *arg)
{
	int *next = arg;

	while (*next < cells - 1)
		CHECK_EQ(take(), (*next)++);
	CHECK_EQ(take(), -EAGAIN);
}

/* A receiver does not wait for a sender that grows. */
TEST(segments_can_be_drained_during_growth)
{
	int next = 0;

	open_segments();
	for (int i = 0; i < cells - 1; i++)
		CHECK_EQ(give(i), 0);
	hook_set(&on_alloc, take_all, &next);
	CHECK_EQ(give(next = 0), 0);
	CHECK_EQ(next, cells - 1);
	CHECK_EQ(take(), 0);
	close_segments();
}

/* ---- parties that are interrupted half way ---------------------------------------- */

static void go_on_without(void *arg)
{
	for (int i = 0; i < 3 * cells; i++)
		CHECK_EQ(give(i), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(take(), -EAGAIN);
	CHECK_EQ(weft_chan_len(chan), 3 * cells + 1);
	if (arg)
		close_now(NULL);
	CHECK_EQ(take(), -EAGAIN);
}

/* At every place of a segment, the last one included. */
TEST(segments_try_does_not_wait_for_a_preempted_sender)
{
	static char closed;

	open_segments();
	close_segments();
	for (int offset = 0; offset < 2 * cells; offset++) {
		bool closes = offset & 1;

		open_segments();
		for (int i = 0; i < offset; i++) {
			CHECK_EQ(give(i), 0);
			CHECK_EQ(take(), i);
		}
		hook_set(&on_copy, go_on_without, closes ? &closed : NULL);
		CHECK_EQ(give(77), 0);
		CHECK_EQ(take(), 77);
		for (int i = 0; i < 3 * cells; i++)
			CHECK_EQ(take(), i);
		CHECK_EQ(take(), closes ? -EPIPE : -EAGAIN);
		close_segments();
	}
}

static weft_atomic_u32 results[2];

static void recv_thread(void *arg, int index)
{
	int value = 0;
	int err = weft_chan_recv(chan, &value);

	(void)arg;
	weft_store_release(&results[index], (uint32_t)(err ? err : value));
}

static void start_receivers(void *arg)
{
	team_add(arg, 2, recv_thread, NULL);
	await_asleep(&segments()->receivers, 2);
}

TEST(segments_wake_who_slept_behind_a_preempted_sender)
{
	struct team team = { .count = 0 };

	open_segments();
	hook_set(&on_copy, start_receivers, &team);
	CHECK_EQ(give(1), 0);
	CHECK_EQ(give(2), 0);
	team_join(&team);
	CHECK_EQ(weft_load_acquire(&results[0]) + weft_load_acquire(&results[1]), 3);
	close_segments();
}

/* ---- nobody sleeps beside a value ------------------------------------------------- */

static struct puppet puppets[3];
static int values[3];

static int party_recv(int i)
{
	puppet_init(&puppets[i], true);
	values[i] = -1;
	return puppet_wait(&puppets[i], weft_case_recv(chan, &values[i]));
}

/* A receiver tries first, then queues up; what it waits for comes in between. */
static void value_comes(void *arg)
{
	CHECK_EQ(give(*(int *)arg), 0);
}

TEST(segments_receiver_that_queues_up_looks_once_more)
{
	int value = 6;

	open_segments();
	hook_set(&on_lock, value_comes, &value);
	CHECK_EQ(party_recv(0), 0);
	CHECK_EQ(values[0], 6);
	hook_set(&on_lock, close_now, NULL);
	CHECK_EQ(party_recv(0), 0);
	CHECK_EQ(puppets[0].one.result, -EPIPE);
	close_segments();
}

static void send_behind_a_pending_one(void *arg)
{
	(void)arg;
	CHECK_EQ(give(2), 0);
	CHECK_EQ(puppets[0].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[0]), -EAGAIN);
}

TEST(segments_value_behind_a_pending_one_finds_its_receiver)
{
	open_segments();
	CHECK_EQ(party_recv(0), -EAGAIN);
	CHECK_EQ(party_recv(1), -EAGAIN);
	hook_set(&on_copy, send_behind_a_pending_one, NULL);
	CHECK_EQ(give(1), 0);
	CHECK_EQ(puppet_next(&puppets[1]), 0);
	CHECK_EQ(values[1], 1);
	CHECK_EQ(puppets[0].wakes, 2);
	CHECK_EQ(puppet_next(&puppets[0]), 0);
	CHECK_EQ(values[0], 2);
	close_segments();
}

static void close_and_wait(void *arg)
{
	close_now(arg);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(party_recv(i), -EAGAIN);
}

TEST(segments_last_pending_value_ends_all_who_wait)
{
	open_segments();
	hook_set(&on_copy, close_and_wait, NULL);
	CHECK_EQ(give(1), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(puppets[i].wakes, 1);
		CHECK_EQ(puppet_next(&puppets[i]), 0);
		CHECK_EQ(puppets[i].one.result, i ? -EPIPE : 0);
		CHECK_EQ(values[i], i ? -1 : 1);
	}
	close_segments();
}

static size_t pending;

static void value_comes_into_sight(void *arg)
{
	struct segment *segment = weft_load_relaxed(&segments()->first);

	memcpy(element_at(segments(), segment, pending), arg, sizeof(int));
	weft_store_release(&segment->full[pending & segments()->mask], 1);
}

/* As in ring_test.c: the value comes into sight only by the barrier. */
TEST(segments_receiver_looks_again_after_the_barrier)
{
	int value = 3;

	open_segments();
	CHECK_EQ(give(1), 0);
	CHECK_EQ(take(), 1);
	pending = weft_add_relaxed(&segments()->tail, ONE) / ONE;
	hook_set(&on_barrier, value_comes_into_sight, &value);
	CHECK_EQ(party_recv(0), 0);
	CHECK_EQ(values[0], 3);
	close_segments();
}

static void no_barrier(void *arg)
{
	(void)arg;
	FAIL("a barrier where nothing is pending");
}

TEST(segments_wait_without_a_barrier)
{
	open_segments();
	hook_set(&on_barrier, no_barrier, NULL);
	CHECK_EQ(party_recv(0), -EAGAIN);
	CHECK_EQ(give(1), 0);
	CHECK_EQ(puppets[0].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[0]), 0);
	CHECK_EQ(values[0], 1);
	on_barrier.fn = NULL;
	close_segments();
}

TEST(segments_notified_receiver_that_leaves_passes_the_value_on)
{
	open_segments();
	CHECK_EQ(party_recv(0), -EAGAIN);
	CHECK_EQ(party_recv(1), -EAGAIN);
	CHECK_EQ(give(1), 0);
	CHECK_EQ(puppets[1].wakes, 0);
	CHECK_EQ(puppet_drop(&puppets[0]), -EAGAIN);
	CHECK_EQ(puppets[1].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[1]), 0);
	CHECK_EQ(values[0], -1);
	CHECK_EQ(values[1], 1);
	close_segments();
}
