/* SPDX-License-Identifier: MIT */
/*
 * Goal: the ring keeps its promises however its parties are interrupted: nobody
 * waits in a try, nobody sleeps beside a value or a free cell, and positions,
 * laps and the closed bit never mix.
 * Method: the source itself with hooks at its turning points (hooks_test.h), so
 * that one thread can stop a sender half way and play all others; puppets for
 * those who wait; threads where sleeping is the point.
 */
#include "poll_waiter_test.h"
#include "team_test.h"

#include "hooks_test.h"

#include "chan/chan.c"
#include "chan/ring.c"

static const size_t capacities[] = { 1, 2, 3, 4, 5, 7, 8, 128 };
enum { CAPACITIES = sizeof(capacities) / sizeof(capacities[0]) };

static weft_chan *chan;

static struct ring *ring(void)
{
	return (struct ring *)chan;
}

static void open_ring(size_t capacity)
{
	CHECK_EQ(weft_chan_new(&chan, sizeof(int), capacity, NULL), 0);
}

static int put(int value)
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

/* ---- positions -------------------------------------------------------------------- */

/* As if the ring had been in use for a long time. */
static void set_positions(size_t lap)
{
	size_t start = lap * ring()->lap;

	weft_store_relaxed(&ring()->tail, start);
	weft_store_relaxed(&ring()->head, start);
	for (size_t i = 0; i < chan->capacity; i++)
		weft_store_relaxed(&cell_at(ring(), i)->stamp, start + i);
}

static void cycle(size_t capacity, size_t fill)
{
	for (size_t i = 0; i < fill; i++) {
		CHECK_EQ(weft_chan_len(chan), i);
		CHECK_EQ(put((int)i), 0);
	}
	CHECK_EQ(weft_chan_len(chan), fill);
	if (fill == capacity)
		CHECK_EQ(put(9), -EAGAIN);
	for (size_t i = 0; i < fill; i++) {
		CHECK_EQ(take(), i);
		CHECK_EQ(weft_chan_len(chan), fill - i - 1);
	}
	CHECK_EQ(take(), -EAGAIN);
}

TEST(ring_counts_right_at_every_offset)
{
	for (int k = 0; k < CAPACITIES; k++) {
		size_t capacity = capacities[k];

		open_ring(capacity);
		for (size_t fill = 1; fill <= capacity; fill++)
			for (int laps = 0; laps < 3; laps++)
				cycle(capacity, fill);
		weft_chan_release(chan);
	}
	CHECK_EQ(weft_load_relaxed(&live_blocks), 0);
}

TEST(ring_positions_may_wrap)
{
	for (int k = 0; k < CAPACITIES; k++) {
		open_ring(capacities[k]);
		set_positions(POSITION / ring()->lap - 1);
		for (int laps = 0; laps < 4; laps++)
			cycle(capacities[k], capacities[k]);
		CHECK_LT(weft_load_relaxed(&ring()->tail), 8 * ring()->lap);
		weft_chan_release(chan);
	}
}

/* Closed at every fill and every offset: the bit disturbs neither the count nor
 * what is left. */
TEST(ring_closes_at_every_offset)
{
	for (int k = 0; k < CAPACITIES; k++) {
		size_t capacity = capacities[k];

		for (size_t offset = 0; offset < 2 * capacity; offset++) {
			size_t fill = offset * 7 % (capacity + 1);

			open_ring(capacity);
			for (size_t i = 0; i < offset; i++)
				cycle(capacity, 1);
			for (size_t i = 0; i < fill; i++)
				CHECK_EQ(put((int)i), 0);
			CHECK(!weft_chan_is_closed(chan));
			CHECK(weft_chan_close(chan));
			CHECK(!weft_chan_close(chan));
			CHECK(weft_chan_is_closed(chan));
			CHECK_EQ(weft_chan_len(chan), fill);
			CHECK_EQ(put(9), -EPIPE);
			for (size_t i = 0; i < fill; i++)
				CHECK_EQ(take(), i);
			CHECK_EQ(take(), -EPIPE);
			CHECK_EQ(weft_chan_len(chan), 0);
			weft_chan_release(chan);
		}
	}
}

/* ---- parties that are interrupted half way ---------------------------------------- */

static void fill_up_and_fail(void *arg)
{
	size_t *others = arg;

	for (size_t i = 0; i < *others; i++)
		CHECK_EQ(put(2), 0);
	CHECK_EQ(put(3), -EAGAIN);
	CHECK_EQ(take(), -EAGAIN);
	CHECK_EQ(weft_chan_len(chan), *others + 1);
}

/* The other senders go once round the ring and come to the cell of the one that
 * was preempted. */
TEST(ring_try_does_not_wait_for_a_preempted_sender)
{
	for (int k = 0; k < CAPACITIES; k++) {
		size_t others = capacities[k] - 1;

		open_ring(capacities[k]);
		hook_set(&on_copy, fill_up_and_fail, &others);
		CHECK_EQ(put(1), 0);
		CHECK_EQ(take(), 1);
		weft_chan_release(chan);
	}
}

static void drain_and_fail(void *arg)
{
	size_t *others = arg;

	for (size_t i = 0; i < *others; i++)
		CHECK_EQ(take(), 2);
	CHECK_EQ(take(), -EAGAIN);
	CHECK_EQ(put(3), -EAGAIN);
	CHECK_EQ(weft_chan_len(chan), 0);
	CHECK(weft_chan_close(chan));
	CHECK_EQ(take(), -EPIPE);
	CHECK_EQ(put(3), -EPIPE);
}

TEST(ring_try_does_not_wait_for_a_preempted_receiver)
{
	for (int k = 0; k < CAPACITIES; k++) {
		size_t others = capacities[k] - 1;

		open_ring(capacities[k]);
		CHECK_EQ(put(1), 0);
		for (size_t i = 0; i < others; i++)
			CHECK_EQ(put(2), 0);
		hook_set(&on_copy, drain_and_fail, &others);
		CHECK_EQ(take(), 1);
		weft_chan_release(chan);
	}
}

static weft_atomic_u32 results[8];

static void recv_thread(void *arg, int index)
{
	int value = 0;
	int err = weft_chan_recv(chan, &value);

	(void)arg;
	weft_store_release(&results[index], (uint32_t)(err ? err : value));
}

static void send_thread(void *arg, int index)
{
	int value = *(int *)arg;

	weft_store_release(&results[index], (uint32_t)weft_chan_send(chan, &value));
}

static void start_receivers(void *arg)
{
	team_add(arg, 2, recv_thread, NULL);
	await_asleep(&ring()->receivers, 2);
}

/* Not closed by a second look: the two find the claim, not the value. */
TEST(ring_wakes_who_slept_behind_a_preempted_sender)
{
	struct team team = { .count = 0 };

	open_ring(3);
	hook_set(&on_copy, start_receivers, &team);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(put(2), 0);
	team_join(&team);
	CHECK_EQ(weft_load_acquire(&results[0]) + weft_load_acquire(&results[1]), 3);
	weft_chan_release(chan);
}

static int three = 3;

static void start_parties(void *arg)
{
	team_add(arg, 1, recv_thread, NULL);
	team_add(arg, 1, send_thread, &three);
	await_asleep(&ring()->receivers, 1);
	await_asleep(&ring()->senders, 1);
}

/* The sender of the lap before holds the only cell: who blocks must sleep, not
 * burn the time that the other one needs. */
TEST(ring_parties_sleep_behind_a_preempted_sender)
{
	struct team team = { .count = 0 };

	open_ring(1);
	hook_set(&on_copy, start_parties, &team);
	CHECK_EQ(put(1), 0);
	team_join(&team);
	CHECK_EQ(weft_load_acquire(&results[0]), 1);
	CHECK_EQ(weft_load_acquire(&results[1]), 0);
	CHECK_EQ(take(), 3);
	weft_chan_release(chan);
}

TEST(ring_parties_sleep_behind_a_preempted_receiver)
{
	struct team team = { .count = 0 };

	open_ring(1);
	CHECK_EQ(put(1), 0);
	hook_set(&on_copy, start_parties, &team);
	CHECK_EQ(take(), 1);
	team_join(&team);
	CHECK_EQ(weft_load_acquire(&results[0]), 3);
	CHECK_EQ(weft_load_acquire(&results[1]), 0);
	weft_chan_release(chan);
}

/* ---- nobody sleeps beside a value ------------------------------------------------- */

/* Four parties that wait, and what they receive or send. */
static struct puppet puppets[4];
static int values[4];

static int party_recv(int i)
{
	puppet_init(&puppets[i], true);
	values[i] = -1;
	return puppet_wait(&puppets[i], weft_case_recv(chan, &values[i]));
}

static int party_send(int i, int value)
{
	puppet_init(&puppets[i], true);
	values[i] = value;
	return puppet_wait(&puppets[i], weft_case_send(chan, &values[i]));
}

static void send_behind_a_pending_one(void *arg)
{
	(void)arg;
	CHECK_EQ(put(2), 0);
	CHECK_EQ(puppets[0].wakes, 1);
	/* It was woken for 2, but 1 is not there yet. */
	CHECK_EQ(puppet_next(&puppets[0]), -EAGAIN);
}

/* Values are published out of order, so that the wake of the second is spent on a
 * party that cannot have it: whoever takes the first must see to the second. */
TEST(ring_value_behind_a_pending_one_finds_its_receiver)
{
	open_ring(4);
	CHECK_EQ(party_recv(0), -EAGAIN);
	CHECK_EQ(party_recv(1), -EAGAIN);
	hook_set(&on_copy, send_behind_a_pending_one, NULL);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(puppets[1].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[1]), 0);
	CHECK_EQ(values[1], 1);
	CHECK_EQ(puppets[0].wakes, 2);
	CHECK_EQ(puppet_next(&puppets[0]), 0);
	CHECK_EQ(values[0], 2);
	weft_chan_release(chan);
}

static void recv_behind_a_pending_one(void *arg)
{
	(void)arg;
	CHECK_EQ(take(), 2);
	CHECK_EQ(puppets[0].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[0]), -EAGAIN);
}

TEST(ring_cell_behind_a_pending_one_finds_its_sender)
{
	open_ring(2);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(put(2), 0);
	CHECK_EQ(party_send(0, 3), -EAGAIN);
	CHECK_EQ(party_send(1, 4), -EAGAIN);
	hook_set(&on_copy, recv_behind_a_pending_one, NULL);
	CHECK_EQ(take(), 1);
	CHECK_EQ(puppets[1].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[1]), 0);
	CHECK_EQ(puppets[0].wakes, 2);
	CHECK_EQ(puppet_next(&puppets[0]), 0);
	CHECK_EQ(take(), 4);
	CHECK_EQ(take(), 3);
	weft_chan_release(chan);
}

static void close_and_wait(void *arg)
{
	(void)arg;
	CHECK(weft_chan_close(chan));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(party_recv(i), -EAGAIN);
}

/* Three wait for the last value of a channel that has been closed. */
TEST(ring_last_pending_value_ends_all_who_wait)
{
	open_ring(2);
	hook_set(&on_copy, close_and_wait, NULL);
	CHECK_EQ(put(1), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(puppets[i].wakes, 1);
		CHECK_EQ(puppet_next(&puppets[i]), 0);
		CHECK_EQ(puppets[i].one.result, i ? -EPIPE : 0);
		CHECK_EQ(values[i], i ? -1 : 1);
	}
	weft_chan_release(chan);
}

static void recv_one(void *arg)
{
	(void)arg;
	CHECK_EQ(take(), 1);
}

/* The value is gone by the time that its sender looks for who waits. */
TEST(ring_overtaken_value_of_a_closed_ring_ends_all_who_wait)
{
	open_ring(2);
	hook_set(&on_copy, close_and_wait, NULL);
	hook_set(&on_look, recv_one, NULL);
	CHECK_EQ(put(1), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(puppets[i].wakes, 1);
		CHECK_EQ(puppet_next(&puppets[i]), 0);
		CHECK_EQ(puppets[i].one.result, -EPIPE);
	}
	weft_chan_release(chan);
}

/* A sender that has looked already, and whose stamp comes into sight only by the
 * barrier (chan.3): as the processor may reorder the two. */
static void stamp_comes_into_sight(void *arg)
{
	size_t position = *(size_t *)arg;
	struct cell *cell = cell_at(ring(), position);

	memcpy(cell->element, &three, sizeof(three));
	weft_store_release(&cell->stamp, position + 1);
}

TEST(ring_receiver_looks_again_after_the_barrier)
{
	size_t position;

	open_ring(2);
	position = weft_load_relaxed(&ring()->tail);
	weft_store_relaxed(&ring()->tail, successor(ring(), position));
	hook_set(&on_barrier, stamp_comes_into_sight, &position);
	CHECK_EQ(party_recv(0), 0);
	CHECK_EQ(values[0], 3);
	CHECK(!on_barrier.fn);
	weft_chan_release(chan);
}

static void cell_comes_free(void *arg)
{
	size_t position = *(size_t *)arg;

	weft_store_release(&cell_at(ring(), position)->stamp, position + ring()->lap);
}

TEST(ring_sender_looks_again_after_the_barrier)
{
	size_t position;

	open_ring(2);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(put(2), 0);
	position = weft_load_relaxed(&ring()->head);
	weft_store_relaxed(&ring()->head, successor(ring(), position));
	hook_set(&on_barrier, cell_comes_free, &position);
	CHECK_EQ(party_send(0, 3), 0);
	CHECK(!on_barrier.fn);
	CHECK_EQ(take(), 2);
	CHECK_EQ(take(), 3);
	weft_chan_release(chan);
}

/* Nothing pending: no barrier, since it interrupts the whole process. */
static void no_barrier(void *arg)
{
	(void)arg;
	FAIL("a barrier where nothing is pending");
}

TEST(ring_waits_without_a_barrier)
{
	open_ring(1);
	hook_set(&on_barrier, no_barrier, NULL);
	CHECK_EQ(party_recv(0), -EAGAIN);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(puppet_next(&puppets[0]), 0);
	CHECK_EQ(put(2), 0);
	CHECK_EQ(party_send(1, 3), -EAGAIN);
	CHECK_EQ(take(), 2);
	CHECK_EQ(puppet_next(&puppets[1]), 0);
	on_barrier.fn = NULL;
	weft_chan_release(chan);
}

/* A party comes between the sender's publication and its look. */
static void arrive(void *arg)
{
	CHECK_EQ(party_recv(*(int *)arg), 0);
}

TEST(ring_receiver_between_publication_and_look_takes_the_value)
{
	int who = 0;

	open_ring(2);
	hook_set(&on_look, arrive, &who);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(values[0], 1);
	CHECK_EQ(weft_load_relaxed(&ring()->receivers.word), 0);
	weft_chan_release(chan);
}

/* Who waits tries first, then queues up; what it waits for comes in between. */
static void value_comes(void *arg)
{
	CHECK_EQ(put(*(int *)arg), 0);
}

static void room_comes(void *arg)
{
	CHECK_EQ(take(), *(int *)arg);
}

static void close_comes(void *arg)
{
	(void)arg;
	CHECK(weft_chan_close(chan));
}

TEST(ring_party_that_queues_up_looks_once_more)
{
	open_ring(1);
	hook_set(&on_lock, value_comes, &three);
	CHECK_EQ(party_recv(0), 0);
	CHECK_EQ(values[0], 3);
	CHECK_EQ(put(3), 0);
	hook_set(&on_lock, room_comes, &three);
	CHECK_EQ(party_send(0, 4), 0);
	CHECK_EQ(take(), 4);
	weft_chan_release(chan);
	for (int sends = 0; sends < 2; sends++) {
		open_ring(1);
		if (sends)
			CHECK_EQ(put(1), 0);
		hook_set(&on_lock, close_comes, NULL);
		CHECK_EQ(sends ? party_send(0, 5) : party_recv(0), 0);
		CHECK_EQ(puppets[0].one.result, -EPIPE);
		weft_chan_release(chan);
	}
}

/* ---- chances that are passed on --------------------------------------------------- */

TEST(ring_notified_receiver_that_leaves_passes_the_value_on)
{
	open_ring(2);
	CHECK_EQ(party_recv(0), -EAGAIN);
	CHECK_EQ(party_recv(1), -EAGAIN);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(puppets[0].wakes, 1);
	CHECK_EQ(puppets[1].wakes, 0);
	CHECK_EQ(puppet_drop(&puppets[0]), -EAGAIN);
	CHECK_EQ(values[0], -1);
	CHECK_EQ(puppets[1].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[1]), 0);
	CHECK_EQ(values[1], 1);
	weft_chan_release(chan);
}

TEST(ring_notified_sender_that_leaves_passes_the_cell_on)
{
	open_ring(1);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(party_send(0, 2), -EAGAIN);
	CHECK_EQ(party_send(1, 3), -EAGAIN);
	CHECK_EQ(take(), 1);
	CHECK_EQ(puppets[1].wakes, 0);
	CHECK_EQ(puppet_drop(&puppets[0]), -EAGAIN);
	CHECK_EQ(puppets[1].wakes, 1);
	CHECK_EQ(puppet_next(&puppets[1]), 0);
	CHECK_EQ(take(), 3);
	CHECK_EQ(take(), -EAGAIN);
	weft_chan_release(chan);
}

/* Somebody else was faster: there is nothing to pass on, and nobody is woken. */
TEST(ring_notified_party_that_was_overtaken_passes_nothing_on)
{
	open_ring(1);
	CHECK_EQ(party_recv(0), -EAGAIN);
	CHECK_EQ(party_recv(1), -EAGAIN);
	CHECK_EQ(put(1), 0);
	CHECK_EQ(take(), 1);
	CHECK_EQ(puppet_drop(&puppets[0]), -EAGAIN);
	CHECK_EQ(puppets[1].wakes, 0);
	CHECK_EQ(puppet_drop(&puppets[1]), -EAGAIN);
	weft_chan_release(chan);
}

/* ---- memory ----------------------------------------------------------------------- */

TEST(ring_without_memory_is_enomem)
{
	for (int count = 0; count < 2; count++) {
		weft_chan *none = (weft_chan *)&three;

		memory_lasts_for(count);
		CHECK_EQ(weft_chan_new(&none, sizeof(int), 4, NULL), -ENOMEM);
		CHECK_NULL(none);
		CHECK_EQ(weft_load_relaxed(&live_blocks), 0);
	}
	memory_lasts_for(INT32_MAX);
}

TEST(ring_costs_its_cells_and_little_more)
{
	CHECK_EQ(weft_chan_new(&chan, 8, 128, NULL), 0);
	CHECK_LE(weft_load_relaxed(&live_bytes), 128 * 16 + 512);
	weft_chan_release(chan);
	CHECK_EQ(weft_load_relaxed(&live_bytes), 0);
}
