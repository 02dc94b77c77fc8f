/* SPDX-License-Identifier: MIT */
/*
 * Goal: what others' channels were in trouble with, by name, stays absent here. What needs
 * hooks inside of a flavour is tested beside it; docs/messages.md has the list.
 * Method: each trouble in its smallest form, for each flavour and for one to one.
 */
#include "flavours_test.h"

#include "chan/chan.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define OWN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define OWN_MALLOC 1
#endif
#endif

static weft_atomic_u32 drops;

static void free_value(void *element, void *context)
{
	(void)context;
	free(*(void **)element);
	weft_add_relaxed(&drops, 1);
}

/* One more than there are flavours: the last is of one sender and one receiver. */
static weft_chan *open_kind(int kind)
{
	weft_chan_opts opts = { .drop = free_value, .spsc = kind == FLAVOURS };
	weft_chan *chan;

	CHECK_EQ(
		weft_chan_new(&chan, sizeof(void *), kind == FLAVOURS ? 2 : flavours[kind], &opts),
		0);
	return chan;
}

struct end {
	weft_chan *chan;
	struct weft__thread thread;
	bool sends;
};

static void come_and_go(void *arg)
{
	struct end *end = arg;
	void *value = end->sends ? malloc(8) : NULL;

	if (end->sends) {
		if (weft_chan_try_send(end->chan, &value) != 0)
			free(value);
		weft_chan_drop_sender(end->chan);
	} else {
		if (weft_chan_try_recv(end->chan, &value) == 0)
			free(value);
		weft_chan_drop_receiver(end->chan);
	}
}

/* Use after free and double free when the last ends go: crossbeam #971, #1084, #1187. The
 * values are blocks of memory, so that a sanitizer sees each of both. */
TEST(trouble_the_last_ends_go_at_once)
{
	for (int i = 0; i < 40; i++) {
		for (int kind = 0; kind <= FLAVOURS; kind++) {
			weft_chan *chan = open_kind(kind);
			struct end s = { .chan = weft_chan_add_sender(chan), .sends = true };
			struct end r = { .chan = weft_chan_add_receiver(chan) };

			weft_chan_release(chan);
			CHECK_EQ(weft__thread_start(&s.thread, come_and_go, &s, 0, "s"), 0);
			CHECK_EQ(weft__thread_start(&r.thread, come_and_go, &r, 0, "r"), 0);
			weft__thread_join(s.thread);
			weft__thread_join(r.thread);
		}
	}
}

/* A message is lost when a receive is dropped that was told of it, or a send that was told
 * of room: kanal #50, async-channel #87, tokio PR 5947. */
TEST(trouble_a_dropped_receive_loses_no_message)
{
	for (int kind = 0; kind <= FLAVOURS; kind++) {
		weft_chan *chan = open_kind(kind);
		struct puppet gone, sender;
		void *value = malloc(8), *got = NULL, *sent = value;
		bool meets = weft_chan_capacity(chan) == 0;

		puppet_init(&gone, false);
		puppet_init(&sender, true);
		CHECK_EQ(puppet_wait(&gone, weft_case_recv(chan, &got)), -EAGAIN);
		CHECK_EQ(puppet_wait(&sender, weft_case_send(chan, &sent)), meets ? -EAGAIN : 0);
		CHECK_EQ(puppet_drop(&gone), -EAGAIN);
		CHECK_NULL(got);
		CHECK_EQ(weft_chan_recv(chan, &got), 0);
		CHECK_PTR_EQ(got, value);
		if (meets)
			CHECK_EQ(puppet_next(&sender), 0);
		free(value);
		weft_chan_release(chan);
	}
}

TEST(trouble_a_dropped_send_loses_no_message_and_no_room)
{
	for (int kind = 0; kind <= FLAVOURS; kind++) {
		weft_chan *chan = open_kind(kind);
		size_t capacity = weft_chan_capacity(chan);
		struct puppet gone;
		void *value, *got;
		size_t n = 0;

		if (capacity != WEFT_UNBOUNDED) {
			for (; n < capacity; n++) {
				value = malloc(8);
				CHECK_EQ(weft_chan_send(chan, &value), 0);
			}
			value = malloc(8);
			puppet_init(&gone, false);
			CHECK_EQ(puppet_wait(&gone, weft_case_send(chan, &value)), -EAGAIN);
			if (n > 0) {
				CHECK_EQ(weft_chan_recv(chan, &got), 0);
				free(got);
			}
			CHECK_EQ(puppet_drop(&gone), -EAGAIN); /* the value is still its own */
			if (n > 0)
				CHECK_EQ(weft_chan_try_send(chan, &value), 0);
			else
				free(value);
			CHECK_EQ(weft_chan_len(chan), n);
		}
		weft_chan_release(chan);
	}
}

/* Memory that never shrinks, and idle channels that are large: tokio #4321, #7355. A fresh
 * channel takes 256 bytes beside its cells, and what an unbounded one took for a burst it
 * gives back. */
TEST(trouble_idle_channels_are_small_and_bursts_shrink)
{
#ifdef OWN_MALLOC
	SKIP("the sanitizer's allocator counts otherwise");
#else
	enum { CHANNELS = 1000, VALUES = 20000, MALLOC = 96 };
	static weft_chan *chans[CHANNELS];

	for (int kind = 0; kind <= FLAVOURS; kind++) {
		size_t before = mallinfo2().uordblks, cells;

		for (int i = 0; i < CHANNELS; i++)
			chans[i] = open_kind(kind);
		cells = weft_chan_capacity(chans[0]);
		cells = cells == WEFT_UNBOUNDED ? 0 : cells * 16;
		CHECK_LE(mallinfo2().uordblks - before,
			 CHANNELS * (256 + MALLOC + cells + 2 * 64));
		for (int i = 0; i < CHANNELS; i++)
			weft_chan_release(chans[i]);
	}
	for (int kind = 0; kind < FLAVOURS; kind++) {
		weft_chan *chan = open_kind(kind);
		size_t before = mallinfo2().uordblks;
		void *value = NULL;

		if (weft_chan_capacity(chan) == WEFT_UNBOUNDED) {
			for (int i = 0; i < VALUES; i++)
				CHECK_EQ(weft_chan_send(chan, &value), 0);
			CHECK_GT(mallinfo2().uordblks, before + VALUES * sizeof(value));
			while (weft_chan_try_recv(chan, &value) == 0)
				continue;
			CHECK_LE(mallinfo2().uordblks, before + 8192);
		}
		weft_chan_release(chan);
	}
#endif
}

/* A try that waits for a party which was preempted half way (rust #112723) is a matter of
 * hooks; this is its sibling: of a full and of an empty channel, too, a try says so. */
TEST(trouble_tries_do_not_wait)
{
	for (int kind = 0; kind <= FLAVOURS; kind++) {
		weft_chan *chan = open_kind(kind);
		void *value = NULL;
		size_t n = 0;

		CHECK_EQ(weft_chan_try_recv(chan, &value), -EAGAIN);
		while (n < 200 && weft_chan_try_send(chan, &value) == 0)
			n++;
		CHECK_EQ(n, weft_chan_capacity(chan) < 200 ? weft_chan_capacity(chan) : 200);
		weft_chan_release(chan);
	}
}
