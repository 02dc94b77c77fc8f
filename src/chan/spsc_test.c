/* SPDX-License-Identifier: MIT */
/*
 * Goal: a channel of one sender and one receiver hands each value over once, whole and in
 * order, refuses what it cannot do, and ends at one place for both, whoever closes it.
 * Method: alone, position by position; with a thread on the other side; with polled waits;
 * closed by a third thread in the midst of a stream, where what was sent must be what was
 * received or dropped.
 */
#include "flavours_test.h"

#include "chan/chan.h"

#include <errno.h>
#include <stdlib.h>

static weft_atomic_u32 drops;

static void count_drop(void *element, void *context)
{
	(void)element;
	(void)context;
	weft_add_relaxed(&drops, 1);
}

static weft_chan *open_spsc(size_t element_size, size_t capacity)
{
	static const weft_chan_opts opts = { .spsc = true, .drop = count_drop };
	weft_chan *chan;

	weft_store_relaxed(&drops, 0);
	CHECK_EQ(weft_chan_new(&chan, element_size, capacity, &opts), 0);
	return chan;
}

TEST(spsc_is_bounded)
{
	static const weft_chan_opts opts = { .spsc = true };
	weft_chan *chan;

	CHECK_EQ(weft_chan_new(&chan, 4, 0, &opts), -EINVAL);
	CHECK_NULL(chan);
	CHECK_EQ(weft_chan_new(&chan, 4, WEFT_UNBOUNDED, &opts), -EINVAL);
	CHECK_NULL(chan);
}

TEST(spsc_fills_and_empties_from_each_position)
{
	for (size_t capacity = 1; capacity <= 9; capacity += capacity < 3 ? 1 : 3) {
		for (int s = 0; s < ELEMENT_SIZES; s++) {
			static unsigned char in[ELEMENT_MOST + 2 * ELEMENT_GUARD];
			static unsigned char out[ELEMENT_MOST + 2 * ELEMENT_GUARD];
			size_t size = element_sizes[s];
			weft_chan *chan = open_spsc(size, capacity);
			uint32_t sent = 0, got = 0;

			for (size_t round = 0; round < capacity + 2; round++) {
				size_t n = 1 + round % capacity;

				while (weft_chan_len(chan) < n)
					CHECK_EQ(weft_chan_send(chan,
								element_make(in, size, sent++)),
						 0);
				CHECK_EQ(weft_chan_is_full(chan), n == capacity);
				if (n == capacity)
					CHECK_EQ(weft_chan_try_send(chan, in), -EAGAIN);
				while (!weft_chan_is_empty(chan)) {
					CHECK_EQ(weft_chan_recv(chan, element_make(out, size, 0)),
						 0);
					element_check(out, size, got++);
				}
				CHECK_EQ(weft_chan_try_recv(chan, out), -EAGAIN);
			}
			CHECK_EQ(sent, got);
			weft_chan_release(chan);
		}
	}
}

TEST(spsc_takes_batches_around_the_end)
{
	weft_chan *chan = open_spsc(sizeof(int), 5);
	int in[8], out[8], next = 0, expect = 0;
	size_t sent;

	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 8; i++)
			in[i] = next + i;
		CHECK_EQ(weft_chan_try_send_many(chan, in, 8, &sent), -EAGAIN);
		next += (int)sent;
		CHECK_EQ(weft_chan_len(chan), 5);
		CHECK_EQ(weft_chan_try_recv_many(chan, out, (size_t)(1 + round % 5)),
			 1 + round % 5);
		for (int i = 0; i <= round % 5; i++)
			CHECK_EQ(out[i], expect++);
	}
	CHECK_EQ(weft_chan_drain(chan), next - expect);
	weft_chan_release(chan);
	CHECK_EQ(weft_load_relaxed(&drops), next - expect);
}

TEST(spsc_closed_gives_what_is_left)
{
	for (int left = 0; left <= 3; left++) {
		weft_chan *chan = open_spsc(sizeof(int), 3);
		int value;

		for (int i = 0; i < left; i++)
			CHECK_EQ(weft_chan_send(chan, &i), 0);
		CHECK(weft_chan_close(chan));
		CHECK(!weft_chan_close(chan));
		CHECK(weft_chan_is_closed(chan));
		CHECK_EQ(weft_chan_send(chan, &left), -EPIPE);
		for (int i = 0; i < left - 1; i++) {
			CHECK_EQ(weft_chan_recv(chan, &value), 0);
			CHECK_EQ(value, i);
		}
		CHECK_EQ(weft_chan_try_recv(chan, &value), left ? 0 : -EPIPE);
		CHECK_EQ(weft_chan_recv(chan, &value), -EPIPE);
		CHECK_EQ(weft_chan_len(chan), 0);
		weft_chan_release(chan);
	}
}

TEST(spsc_drops_what_nobody_took)
{
	weft_chan *chan = open_spsc(sizeof(int), 3);
	int value = 1;

	CHECK_EQ(weft_chan_send(chan, &value), 0);
	CHECK_EQ(weft_chan_recv(chan, &value), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_chan_send(chan, &value), 0);
	weft_chan_release(chan);
	CHECK_EQ(weft_load_relaxed(&drops), 3);
}

static void add_sender(void *chan)
{
	weft_chan_add_sender(chan);
}

TEST(spsc_refuses_what_only_others_can)
{
	weft_chan *chan = open_spsc(sizeof(int), 1);
	int value = 1;

	CHECK_EQ(weft_chan_force_send(chan, &value, &value), -EINVAL);
	weft_chan_add_sender(chan);
	CHECK(!weft_chan_upgrade_sender(chan));
	CHECK_DIES(add_sender, chan, "second one");
	weft_chan_drop_sender(chan);
	CHECK(weft_chan_is_closed(chan));
	weft_chan_release(chan);
}

/* ---- both sides ------------------------------------------------------------------------- */

struct side {
	weft_chan *chan;
	struct weft__thread thread;
	uint64_t count, done, sum;
	int err;
};

static void send_all(void *arg)
{
	struct side *s = arg;

	for (uint64_t v = 1; v <= s->count && !s->err; v++) {
		s->err = weft_chan_send(s->chan, &v);
		if (!s->err) {
			s->done++;
			s->sum += v;
		}
	}
}

static void send_to_the_end(void *arg)
{
	send_all(arg);
	weft_chan_close(((struct side *)arg)->chan);
}

TEST(spsc_stream_arrives_in_order)
{
	for (size_t capacity = 1; capacity <= 128; capacity += 127) {
		struct side s = { .chan = open_spsc(8, capacity),
				  .count = capacity == 1 ? 2000 : 100000 };
		uint64_t value, expect = 1;

		CHECK_EQ(weft__thread_start(&s.thread, send_to_the_end, &s, 0, "sender"), 0);
		while (weft_chan_recv(s.chan, &value) == 0)
			CHECK_EQ(value, expect++);
		weft__thread_join(s.thread);
		CHECK_EQ(expect, s.count + 1);
		weft_chan_release(s.chan);
	}
}

static void recv_all(void *arg)
{
	struct side *s = arg;
	uint64_t value;

	while ((s->err = weft_chan_recv(s->chan, &value)) == 0) {
		s->done++;
		s->sum += value;
	}
}

/* Closed by a third at any moment: both sides agree where the values end. */
TEST(spsc_ends_at_one_place_whoever_closes)
{
	for (int i = 0; i < 300; i++) {
		struct side in = { .chan = open_spsc(8, 1 + (size_t)i % 4),
				   .count = UINT64_MAX - 1 };
		struct side out = { .chan = in.chan };

		CHECK_EQ(weft__thread_start(&in.thread, send_all, &in, 0, "in"), 0);
		CHECK_EQ(weft__thread_start(&out.thread, recv_all, &out, 0, "out"), 0);
		for (int k = 0; k < i * 7; k++)
			weft__cpu_pause();
		weft_chan_close(in.chan);
		weft__thread_join(in.thread);
		weft__thread_join(out.thread);
		CHECK_EQ(in.err, -EPIPE);
		CHECK_EQ(out.err, -EPIPE);
		CHECK_EQ(in.done, out.done);
		CHECK_EQ(in.sum, out.sum);
		weft_chan_release(in.chan);
		CHECK_EQ(weft_load_relaxed(&drops), 0);
	}
}

/* ---- waits that are polled, time out, or are cancelled ----------------------------------- */

TEST(spsc_polled_receiver_is_told)
{
	weft_chan *chan = open_spsc(sizeof(int), 1);
	struct puppet p;
	int got = -1, value = 4;

	for (int certain = 0; certain <= 1; certain++) {
		puppet_init(&p, certain);
		CHECK_EQ(puppet_wait(&p, weft_case_recv(chan, &got)), -EAGAIN);
		CHECK_EQ(weft_chan_send(chan, &value), 0);
		CHECK_EQ(p.wakes, 1);
		CHECK_EQ(puppet_next(&p), 0);
		CHECK_EQ(got, value++);
	}
	/* One that leaves with the news takes nothing along. */
	puppet_init(&p, true);
	CHECK_EQ(puppet_wait(&p, weft_case_recv(chan, &got)), -EAGAIN);
	CHECK_EQ(weft_chan_send(chan, &value), 0);
	CHECK_EQ(puppet_drop(&p), -EAGAIN);
	CHECK_EQ(weft_chan_recv(chan, &got), 0);
	CHECK_EQ(got, value);
	/* And is awaited no more. */
	puppet_init(&p, true);
	CHECK_EQ(puppet_wait(&p, weft_case_recv(chan, &got)), -EAGAIN);
	CHECK_EQ(weft_chan_send(chan, &value), 0);
	CHECK_EQ(p.wakes, 1);
	CHECK_EQ(puppet_next(&p), 0);
	weft_chan_release(chan);
}

TEST(spsc_polled_sender_is_told)
{
	weft_chan *chan = open_spsc(sizeof(int), 1);
	struct puppet p;
	int got, value = 1;

	CHECK_EQ(weft_chan_send(chan, &value), 0);
	puppet_init(&p, false);
	value = 2;
	CHECK_EQ(puppet_wait(&p, weft_case_send(chan, &value)), -EAGAIN);
	CHECK_EQ(weft_chan_recv(chan, &got), 0);
	CHECK_EQ(p.wakes, 1);
	CHECK_EQ(puppet_next(&p), 0);
	CHECK_EQ(weft_chan_recv(chan, &got), 0);
	CHECK_EQ(got, 2);
	weft_chan_release(chan);
}

TEST(spsc_waits_end_in_time_by_cancel_and_by_close)
{
	weft_chan *chan = open_spsc(sizeof(int), 1);
	struct blocked b;
	weft_token token = { 0 };
	int value = 1;

	CHECK_EQ(weft_chan_recv_until(chan, &value, weft_after_ms(1)), -ETIMEDOUT);
	blocked_recv(&b, chan, &token);
	weft_token_cancel(&token);
	CHECK_EQ(blocked_join(&b), -ECANCELED);
	CHECK_EQ(weft_chan_send(chan, &value), 0);
	CHECK_EQ(weft_chan_send_until(chan, &value, weft_after_ms(1)), -ETIMEDOUT);
	blocked_send(&b, chan, 2, NULL);
	weft_chan_close(chan);
	CHECK_EQ(blocked_join(&b), -EPIPE);
	CHECK_EQ(weft_chan_drain(chan), 1);
	weft_chan_release(chan);

	chan = open_spsc(sizeof(int), 1);
	blocked_recv(&b, chan, NULL);
	weft_chan_close(chan);
	CHECK_EQ(blocked_join(&b), -EPIPE);
	weft_chan_release(chan);
}
