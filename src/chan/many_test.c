/* SPDX-License-Identifier: MIT */
/*
 * Goal: many values in one call arrive whole, in order and once; what a call could not do
 * it says, and the rest stays where it was. The same for what displaces, drains, and tells
 * of the close, and for weak ends.
 * Method: each flavour, alone and with a thread on the other side; elements that tell
 * whether they are whole; a drop function that counts.
 */
#include "flavours_test.h"

#include "chan/chan.h"
#include "weft/select.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t next_value(uint32_t *values, int n, uint32_t first)
{
	for (int i = 0; i < n; i++)
		values[i] = first + (uint32_t)i;
	return first + (uint32_t)n;
}

/* ---- many at once ----------------------------------------------------------------------- */

TEST(many_fill_and_empty_from_each_position)
{
	static uint32_t in[700], out[700];

	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(uint32_t), capacity);
		size_t room = capacity == WEFT_UNBOUNDED ? 600 : capacity, sent;
		uint32_t next = 0;

		for (int round = 0; round < 9; round++) {
			uint32_t first = next;

			next_value(in, 700, next);
			CHECK_EQ(weft_chan_try_send_many(
					 chan, in, capacity == WEFT_UNBOUNDED ? 600 : 700, &sent),
				 capacity == WEFT_UNBOUNDED ? 0 : -EAGAIN);
			CHECK_EQ(sent, room);
			CHECK_EQ(weft_chan_len(chan), room);
			CHECK_EQ(weft_chan_is_full(chan), capacity != WEFT_UNBOUNDED);
			next += (uint32_t)room;
			/* In parts of another length, so that the next round begins elsewhere. */
			for (uint32_t at = 0; at < room;) {
				size_t most = at ? 700 : (room + 1) / 2;
				int got = weft_chan_try_recv_many(chan, out, most);

				CHECK(got > 0 && (size_t)got <= most);
				for (int i = 0; i < got; i++)
					CHECK_EQ(out[i], first + at + (uint32_t)i);
				at += (uint32_t)got;
			}
			CHECK_EQ(weft_chan_try_recv_many(chan, out, 700), -EAGAIN);
			CHECK(weft_chan_is_empty(chan));
			if (room > 0) {
				CHECK_EQ(weft_chan_send(chan, &next), 0);
				CHECK_EQ(weft_chan_recv(chan, &out[0]), 0);
				CHECK_EQ(out[0], next++);
			}
		}
		weft_chan_release(chan);
	}
}

TEST(many_of_none_is_nothing)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(4, capacity);
		size_t sent = 7;

		CHECK_EQ(weft_chan_send_many(chan, NULL, 0, &sent), 0);
		CHECK_EQ(sent, 0);
		CHECK_EQ(weft_chan_try_recv_many(chan, NULL, 0), 0);
		weft_chan_release(chan);
	}
}

TEST(many_of_every_size_are_whole)
{
	static unsigned char in[4 * ELEMENT_MOST], out[4 * ELEMENT_MOST + 1];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = element_byte(5, i);
	FOR_EACH_FLAVOUR(capacity)
	{
		for (int s = 0; capacity > 0 && s < ELEMENT_SIZES; s++) {
			size_t size = element_sizes[s], n = capacity < 4 ? capacity : 4, sent;
			weft_chan *chan = open_chan(size, capacity);
			int got = 0;

			CHECK_EQ(weft_chan_send_many(chan, in, n, &sent), 0);
			memset(out, 0xa5, sizeof(out));
			while ((size_t)got < n) {
				int more = weft_chan_recv_many(chan, out + (size_t)got * size, 4);

				CHECK(more > 0);
				got += more;
			}
			CHECK_EQ(got, n);
			CHECK(memcmp(in, out, n * size) == 0);
			CHECK_EQ(out[n * size], 0xa5);
			weft_chan_release(chan);
		}
	}
}

enum { STREAM = 1000 };

struct stream {
	weft_chan *chan;
	struct weft__thread thread;
	size_t sent;
	int err;
};

static void send_stream(void *arg)
{
	static uint32_t values[STREAM];
	struct stream *s = arg;

	next_value(values, STREAM, 0);
	s->err = weft_chan_send_many(s->chan, values, STREAM, &s->sent);
	weft_chan_drop_sender(s->chan);
}

/* Longer than any room: both sides wait for each other, again and again. */
TEST(many_wait_for_room_and_for_values)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		struct stream s = { .chan = open_chan(4, capacity) };
		uint32_t out[64], next = 0;
		int got;

		weft_chan_add_sender(s.chan);
		CHECK_EQ(weft__thread_start(&s.thread, send_stream, &s, 0, "stream"), 0);
		while ((got = weft_chan_recv_many(s.chan, out, 64)) > 0)
			for (int i = 0; i < got; i++)
				CHECK_EQ(out[i], next++);
		CHECK_EQ(got, -EPIPE);
		weft__thread_join(s.thread);
		CHECK_EQ(s.err, 0);
		CHECK_EQ(s.sent, STREAM);
		CHECK_EQ(next, STREAM);
		weft_chan_release(s.chan);
	}
}

TEST(many_say_how_many_when_the_time_is_over)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		uint32_t in[200], out[200];
		size_t sent = 9, room = capacity == WEFT_UNBOUNDED ? 200 : capacity;
		weft_chan *chan = open_chan(4, capacity);

		CHECK_EQ(weft_chan_recv_many_until(chan, out, 5, weft_after_ms(1)), -ETIMEDOUT);
		next_value(in, 200, 0);
		CHECK_EQ(weft_chan_send_many_until(chan, in, 200, &sent, weft_after_ms(1)),
			 capacity == WEFT_UNBOUNDED ? 0 : -ETIMEDOUT);
		CHECK_EQ(sent, room);
		weft_chan_close(chan);
		CHECK_EQ(weft_chan_send_many(chan, in, 2, &sent), -EPIPE);
		CHECK_EQ(sent, 0);
		for (size_t at = 0; at < room;) {
			int got = weft_chan_recv_many(chan, out, 200);

			CHECK(got > 0);
			CHECK_EQ(out[0], at);
			at += (size_t)got;
		}
		CHECK_EQ(weft_chan_recv_many(chan, out, 200), -EPIPE);
		weft_chan_release(chan);
	}
}

/* A batch wakes one; those who are left are told by those who go. */
TEST(many_values_reach_all_who_wait)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		struct blocked b[3];
		int values[3] = { 1, 2, 4 }, sum = 0;
		weft_chan *chan = open_chan(sizeof(int), capacity);
		size_t sent;

		for (int i = 0; i < 3; i++)
			blocked_recv(&b[i], chan, NULL);
		CHECK_EQ(weft_chan_send_many(chan, values, 3, &sent), 0);
		for (int i = 0; i < 3; i++) {
			CHECK_EQ(blocked_join(&b[i]), 0);
			sum += b[i].value;
		}
		CHECK_EQ(sum, 7);
		weft_chan_release(chan);
	}
}

/* And room that is made at once, all who wait for room. */
TEST(many_taken_let_all_senders_in)
{
	struct blocked b[3];
	int values[3] = { 0, 0, 0 }, got[6];
	weft_chan *chan = open_chan(sizeof(int), 3);
	size_t sent;

	CHECK_EQ(weft_chan_send_many(chan, values, 3, &sent), 0);
	for (int i = 0; i < 3; i++)
		blocked_send(&b[i], chan, 1 << i, NULL);
	CHECK_EQ(weft_chan_recv_many(chan, got, 3), 3);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(blocked_join(&b[i]), 0);
	CHECK_EQ(weft_chan_recv_many(chan, got, 6), 3);
	CHECK_EQ(got[0] + got[1] + got[2], 7);
	weft_chan_release(chan);
}

/* ---- displacing and draining ------------------------------------------------------------ */

static int dropped, dropped_sum;

static void count_drop(void *element, void *context)
{
	int value;

	(void)context;
	memcpy(&value, element, sizeof(value));
	dropped++;
	dropped_sum += value;
}

static weft_chan *open_counting(size_t capacity, size_t element_size)
{
	static const weft_chan_opts opts = { .drop = count_drop };
	weft_chan *chan;

	dropped = dropped_sum = 0;
	CHECK_EQ(weft_chan_new(&chan, element_size, capacity, &opts), 0);
	return chan;
}

TEST(force_send_displaces_the_oldest)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_counting(capacity, sizeof(int));
		int n = capacity == WEFT_UNBOUNDED ? 10 : (int)capacity, out = -1;

		for (int i = 0; i < 3 * n; i++) {
			bool full = weft_chan_is_full(chan);

			CHECK_EQ(weft_chan_force_send(chan, &i, &out), full);
			CHECK_EQ(out, full ? i - n : -1);
		}
		CHECK_EQ(dropped, 0);
		if (capacity == 0)
			CHECK_EQ(weft_chan_force_send(chan, &n, &out), -EAGAIN);
		weft_chan_close(chan);
		CHECK_EQ(weft_chan_force_send(chan, &n, &out), -EPIPE);
		while (weft_chan_recv(chan, &out) == 0)
			n--;
		CHECK_EQ(n, capacity == WEFT_UNBOUNDED ? -20 : 0);
		weft_chan_release(chan);
	}
}

TEST(force_send_meets_a_receiver)
{
	struct blocked b;
	int value = 5, out = -1;
	weft_chan *chan = open_chan(sizeof(int), 0);

	blocked_recv(&b, chan, NULL);
	CHECK_EQ(weft_chan_force_send(chan, &value, &out), 0);
	CHECK_EQ(blocked_join(&b), 0);
	CHECK_EQ(b.value, 5);
	CHECK_EQ(out, -1);
	weft_chan_release(chan);
}

TEST(drain_drops_what_is_inside)
{
	static unsigned char large[1000];

	FOR_EACH_FLAVOUR(capacity)
	{
		for (size_t size = 4; size <= 1000; size += 996) {
			weft_chan *chan = open_counting(capacity, size);
			int room = room_of(chan), one = 1;

			CHECK_EQ(weft_chan_drain(chan), 0);
			memcpy(large, &one, sizeof(one));
			for (int i = 0; i < room; i++)
				CHECK_EQ(weft_chan_send(chan, large), 0);
			CHECK_EQ(weft_chan_drain(chan), room);
			CHECK_EQ(dropped_sum, room);
			CHECK(weft_chan_is_empty(chan));
			if (room > 0)
				CHECK_EQ(weft_chan_send(chan, large), 0);
			weft_chan_close(chan);
			CHECK_EQ(weft_chan_drain(chan), room > 0);
			CHECK_EQ(weft_chan_try_recv(chan, large), -EPIPE);
			weft_chan_release(chan);
		}
	}
}

/* ---- reservations ----------------------------------------------------------------------- */

static weft_chan *open_reserving(size_t capacity, bool spsc)
{
	weft_chan_opts opts = { .spsc = spsc };
	weft_chan *chan;

	CHECK_EQ(weft_chan_new(&chan, sizeof(int), capacity, &opts), 0);
	return chan;
}

/* With so many values inside and so many places reserved, at each position, there is room
 * for what is left, and for no more; what is committed comes after what was sent before. */
TEST(reserved_places_are_nobody_elses)
{
	for (int spsc = 0; spsc <= 1; spsc++) {
		for (size_t capacity = 1; capacity <= 5; capacity++) {
			weft_chan *chan = open_reserving(capacity, spsc);
			int next = 0, expect = 0, value;

			for (size_t round = 0; round < 60; round++) {
				size_t reserved = round % (capacity + 1),
				       room = capacity - reserved;

				for (size_t i = 0; i < reserved; i++)
					CHECK_EQ(weft_chan_try_reserve(chan), 0);
				for (size_t i = 0; i < room; i++, next++)
					CHECK_EQ(weft_chan_try_send(chan, &next), 0);
				CHECK_EQ(weft_chan_try_send(chan, &next), -EAGAIN);
				CHECK_EQ(weft_chan_try_reserve(chan), -EAGAIN);
				CHECK_EQ(weft_chan_len(chan), room);
				if (round % 3 == 0 && room > 0) {
					CHECK_EQ(weft_chan_recv(chan, &value), 0);
					CHECK_EQ(value, expect++);
					CHECK_EQ(weft_chan_try_send(chan, &next), 0);
					next++;
				}
				for (size_t i = 0; i < reserved; i++) {
					if (i % 2 == round % 2) {
						weft_chan_abandon(chan);
					} else {
						CHECK_EQ(weft_chan_commit(chan, &next), 0);
						next++;
					}
				}
				while (weft_chan_try_recv(chan, &value) == 0)
					CHECK_EQ(value, expect++);
				CHECK_EQ(expect, next);
			}
			weft_chan_release(chan);
		}
	}
}

TEST(reserved_place_holds_no_value_up)
{
	weft_chan *chan = open_reserving(3, false);
	int value = 1, got = 0;

	CHECK_EQ(weft_chan_reserve(chan), 0);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(weft_chan_send(chan, &value), 0);
		CHECK_EQ(weft_chan_try_recv(chan, &got), 0);
		CHECK_EQ(got, value++);
	}
	CHECK_EQ(weft_chan_commit(chan, &value), 0);
	CHECK_EQ(weft_chan_recv(chan, &got), 0);
	CHECK_EQ(got, value);
	weft_chan_release(chan);
}

TEST(reserve_waits_and_ends_like_a_send)
{
	for (int spsc = 0; spsc <= 1; spsc++) {
		weft_chan *chan = open_reserving(1, spsc);
		struct puppet p;
		int value = 7;

		CHECK_EQ(weft_chan_send(chan, &value), 0);
		CHECK_EQ(weft_chan_reserve_until(chan, weft_after_ms(1)), -ETIMEDOUT);
		puppet_init(&p, false);
		CHECK_EQ(puppet_wait(&p, weft_case_reserve(chan)), -EAGAIN);
		CHECK_EQ(weft_chan_recv(chan, &value), 0);
		CHECK_EQ(p.wakes, 1);
		CHECK_EQ(puppet_next(&p), 0);
		CHECK_EQ(weft_chan_try_send(chan, &value), -EAGAIN);
		weft_chan_close(chan);
		CHECK_EQ(weft_chan_try_reserve(chan), -EPIPE);
		CHECK_EQ(weft_chan_commit(chan, &value), -EPIPE);
		CHECK_EQ(weft_chan_try_recv(chan, &value), -EPIPE);
		weft_chan_release(chan);
	}
}

TEST(reserved_place_given_back_wakes_a_sender)
{
	struct blocked b;
	weft_chan *chan = open_reserving(1, false);
	int value;

	CHECK_EQ(weft_chan_reserve(chan), 0);
	blocked_send(&b, chan, 5, NULL);
	weft_chan_abandon(chan);
	CHECK_EQ(blocked_join(&b), 0);
	CHECK_EQ(weft_chan_recv(chan, &value), 0);
	CHECK_EQ(value, 5);
	weft_chan_release(chan);
}

TEST(reserve_where_there_are_no_places_or_any_number)
{
	weft_chan *chan = open_reserving(0, false);
	int value = 1;

	CHECK_EQ(weft_chan_reserve(chan), -EINVAL);
	weft_chan_release(chan);
	chan = open_reserving(WEFT_UNBOUNDED, false);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_chan_reserve(chan), 0);
	CHECK_EQ(weft_chan_commit(chan, &value), 0);
	weft_chan_abandon(chan);
	weft_chan_close(chan);
	CHECK_EQ(weft_chan_commit(chan, &value), -EPIPE);
	CHECK_EQ(weft_chan_reserve(chan), -EPIPE);
	weft_chan_release(chan);
}

/* ---- the close as a thing to wait for ---------------------------------------------------- */

TEST(closed_is_waited_for_with_values_inside)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(4, capacity);
		struct puppet future, gone;
		uint32_t value = 3;

		if (capacity > 0)
			CHECK_EQ(weft_chan_send(chan, &value), 0);
		CHECK_EQ(weft_chan_wait_closed(chan, 0), -ETIMEDOUT);
		CHECK_EQ(weft_chan_wait_closed(chan, weft_after_ms(1)), -ETIMEDOUT);
		puppet_init(&future, false);
		puppet_init(&gone, false);
		CHECK_EQ(puppet_wait(&future, weft_case_closed(chan)), -EAGAIN);
		CHECK_EQ(puppet_wait(&gone, weft_case_closed(chan)), -EAGAIN);
		CHECK_EQ(puppet_drop(&gone), -EAGAIN);
		CHECK(weft_chan_close(chan));
		CHECK_EQ(future.wakes, 1);
		CHECK_EQ(gone.wakes, 0);
		CHECK_EQ(puppet_next(&future), 0);
		CHECK_EQ(weft_chan_wait_closed(chan, WEFT_NEVER), 0);
		weft_chan_release(chan);
	}
}

static void wait_closed(void *arg)
{
	struct stream *s = arg;

	s->err = weft_chan_wait_closed(s->chan, WEFT_NEVER);
}

TEST(closed_wakes_threads_when_the_last_end_goes)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		struct stream s = { .chan = open_chan(4, capacity), .err = 77 };

		weft_chan_add_receiver(s.chan);
		CHECK_EQ(weft__thread_start(&s.thread, wait_closed, &s, 0, "closed"), 0);
		while (!weft__waitq_head(weft_load_acquire(&s.chan->closers.word)))
			weft__thread_yield();
		weft_chan_drop_receiver(s.chan);
		weft__thread_join(s.thread);
		CHECK_EQ(s.err, 0);
		weft_chan_release(s.chan);
	}
}

TEST(closed_stands_in_a_select)
{
	weft_chan *chan = open_chan(4, 2), *other = open_chan(4, 2);
	uint32_t value;
	weft_case cases[2] = { weft_case_recv(other, &value), weft_case_closed(chan) };

	CHECK_EQ(weft_select(cases, 2, weft_after_ms(1)), -ETIMEDOUT);
	weft_chan_close(chan);
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 1);
	CHECK_EQ(cases[1].result, 0);
	weft_chan_release(chan);
	weft_chan_release(other);
}

/* ---- weak ends --------------------------------------------------------------------------- */

TEST(weak_end_becomes_one_while_there_is_another)
{
	weft_chan *chan = open_chan(4, 1);

	CHECK(!weft_chan_upgrade_sender(chan));
	CHECK(!weft_chan_upgrade_receiver(chan));
	weft_chan_add_sender(chan);
	weft_chan_add_receiver(chan);
	CHECK(weft_chan_upgrade_sender(chan));
	CHECK(weft_chan_upgrade_receiver(chan));
	CHECK_EQ(weft_chan_senders(chan), 2);
	CHECK_EQ(weft_chan_receivers(chan), 2);
	weft_chan_drop_sender(chan);
	CHECK(!weft_chan_is_closed(chan));
	weft_chan_drop_sender(chan);
	CHECK(weft_chan_is_closed(chan));
	CHECK(!weft_chan_upgrade_sender(chan));
	CHECK(weft_chan_upgrade_receiver(chan));
	for (int i = 0; i < 3; i++)
		weft_chan_drop_receiver(chan);
	CHECK(!weft_chan_upgrade_receiver(chan));
	CHECK_EQ(weft_chan_senders(chan) + weft_chan_receivers(chan), 0);
	weft_chan_release(chan);
}

/* As the last strong end goes, an upgrade fails, or there is an end that keeps the channel
 * open; whichever, the channel is closed once, by the last. */
static void upgrade_and_drop(void *arg)
{
	struct stream *s = arg;

	s->err = weft_chan_upgrade_sender(s->chan);
	if (s->err) {
		CHECK(!weft_chan_is_closed(s->chan));
		weft_chan_drop_sender(s->chan);
	}
}

TEST(weak_end_races_with_the_last_strong_one)
{
	for (int i = 0; i < 50; i++) {
		struct stream s = { .chan = open_chan(4, 1) };

		weft_chan_add_sender(s.chan);
		CHECK_EQ(weft__thread_start(&s.thread, upgrade_and_drop, &s, 0, "weak"), 0);
		weft_chan_drop_sender(s.chan);
		weft__thread_join(s.thread);
		CHECK(weft_chan_is_closed(s.chan));
		CHECK_EQ(weft_chan_senders(s.chan), 0);
		weft_chan_release(s.chan);
	}
}
