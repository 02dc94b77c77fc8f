/* SPDX-License-Identifier: MIT */
/*
 * Goal: as the last references and the last counted ends go, in any order and
 * from any thread, the channel closes once, is freed once, and drops each value
 * that nobody took once.
 * Method: a drop function that counts; values on the heap, so that a sanitizer
 * sees each that is lost or freed twice; misuse in a child process.
 */
#include "flavours_test.h"

#include "chan/chan.h"

#include <errno.h>
#include <stdlib.h>

static weft_atomic_u32 drops;
static uint32_t dropped[512];

static void note_drop(void *element, void *context)
{
	CHECK_PTR_EQ(context, dropped);
	memcpy(&dropped[weft_add_relaxed(&drops, 1)], element, sizeof(uint32_t));
}

static const weft_chan_opts noting = { .drop = note_drop, .context = dropped };

static weft_chan *open_noting(size_t capacity)
{
	weft_chan *chan;

	weft_store_relaxed(&drops, 0);
	CHECK_EQ(weft_chan_new(&chan, sizeof(uint32_t), capacity, &noting), 0);
	return chan;
}

/* ---- values that nobody took ------------------------------------------------------ */

TEST(ends_drop_what_is_left_in_order)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		for (uint32_t offset = 0; offset < 70; offset += 23) {
			weft_chan *chan = open_noting(capacity);
			uint32_t room = (uint32_t)room_of(chan), value;

			for (uint32_t i = 0; room > 0 && i < offset; i++) {
				CHECK_EQ(weft_chan_send(chan, &i), 0);
				CHECK_EQ(weft_chan_recv(chan, &value), 0);
			}
			for (uint32_t i = 0; i < room; i++)
				CHECK_EQ(weft_chan_send(chan, &i), 0);
			if (offset & 1)
				weft_chan_close(chan);
			CHECK_EQ(weft_load_relaxed(&drops), 0);
			weft_chan_release(chan);
			CHECK_EQ(weft_load_relaxed(&drops), room);
			for (uint32_t i = 0; i < room; i++)
				CHECK_EQ(dropped[i], i);
		}
	}
}

/* Of all sizes, with a value of the strictest alignment at its front. */
struct strict {
	max_align_t first;
	char rest[48];
};

static int strict_count;

static void read_strict(void *element, void *context)
{
	struct strict *s = element;

	(void)context;
	CHECK_EQ((uintptr_t)element % _Alignof(struct strict), 0);
	CHECK_MEM_EQ(s->rest, "the rest of it", 15);
	strict_count++;
}

TEST(ends_drop_gets_an_aligned_element)
{
	weft_chan_opts opts = { .drop = read_strict };
	struct strict s = { .rest = "the rest of it" };

	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan;
		int room;

		CHECK_EQ(weft_chan_new(&chan, sizeof(s), capacity, &opts), 0);
		room = room_of(chan);
		for (int i = 0; i < room; i++)
			CHECK_EQ(weft_chan_send(chan, &s), 0);
		strict_count = 0;
		weft_chan_release(chan);
		CHECK_EQ(strict_count, room);
	}
}

static void count_drop(void *element, void *context)
{
	(void)element;
	weft_add_relaxed((weft_atomic_u32 *)context, 1);
}

TEST(ends_drop_elements_of_no_bytes_too)
{
	weft_chan_opts opts = { .drop = count_drop, .context = &drops };

	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan;
		int room;

		weft_store_relaxed(&drops, 0);
		CHECK_EQ(weft_chan_new(&chan, 0, capacity, &opts), 0);
		room = room_of(chan);
		for (int i = 0; i < room; i++)
			CHECK_EQ(weft_chan_send(chan, NULL), 0);
		weft_chan_release(chan);
		CHECK_EQ(weft_load_relaxed(&drops), room);
	}
}

/* ---- references and ends ---------------------------------------------------------- */

static uint32_t leave_one_value(weft_chan *chan)
{
	uint32_t value = 1;

	return weft_chan_try_send(chan, &value) == 0;
}

TEST(ends_last_reference_frees)
{
	weft_chan_release(NULL);
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_noting(capacity);
		uint32_t left = leave_one_value(chan);

		CHECK_PTR_EQ(weft_chan_retain(chan), chan);
		weft_chan_retain(chan);
		weft_chan_release(chan);
		weft_chan_release(chan);
		CHECK_EQ(weft_load_relaxed(&drops), 0);
		CHECK(!weft_chan_is_closed(chan));
		weft_chan_release(chan);
		CHECK_EQ(weft_load_relaxed(&drops), left);
	}
}

TEST(ends_last_sender_closes)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_noting(capacity);
		uint32_t left, value = 0;

		CHECK_PTR_EQ(weft_chan_add_sender(chan), chan);
		weft_chan_add_sender(chan);
		weft_chan_add_receiver(chan);
		left = leave_one_value(chan);
		weft_chan_drop_sender(chan);
		CHECK(!weft_chan_is_closed(chan));
		weft_chan_drop_sender(chan);
		CHECK(weft_chan_is_closed(chan));
		CHECK_EQ(weft_chan_recv(chan, &value), left ? 0 : -EPIPE);
		CHECK_EQ(value, left);
		CHECK_EQ(weft_chan_recv(chan, &value), -EPIPE);
		weft_chan_drop_receiver(chan);
		weft_chan_release(chan);
		CHECK_EQ(weft_load_relaxed(&drops), 0);
	}
}

TEST(ends_last_receiver_closes)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_noting(capacity);
		uint32_t left, value = 0;

		CHECK_PTR_EQ(weft_chan_add_receiver(chan), chan);
		weft_chan_add_receiver(chan);
		weft_chan_add_sender(chan);
		left = leave_one_value(chan);
		weft_chan_drop_receiver(chan);
		CHECK(!weft_chan_is_closed(chan));
		weft_chan_drop_receiver(chan);
		CHECK(weft_chan_is_closed(chan));
		CHECK_EQ(weft_chan_send(chan, &value), -EPIPE);
		weft_chan_drop_sender(chan);
		CHECK_EQ(weft_load_relaxed(&drops), 0);
		weft_chan_release(chan);
		CHECK_EQ(weft_load_relaxed(&drops), left);
	}
}

TEST(ends_keep_the_channel_without_its_maker)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_noting(capacity);
		uint32_t left = leave_one_value(chan);

		weft_chan_add_sender(chan);
		weft_chan_add_receiver(chan);
		weft_chan_release(chan);
		CHECK(!weft_chan_is_closed(chan));
		weft_chan_drop_receiver(chan);
		CHECK_EQ(weft_load_relaxed(&drops), 0);
		CHECK(weft_chan_is_closed(chan));
		weft_chan_drop_sender(chan);
		CHECK_EQ(weft_load_relaxed(&drops), left);
	}
}

TEST(ends_last_one_wakes_who_sleeps)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);
		struct blocked b;

		weft_chan_add_sender(chan);
		blocked_recv(&b, chan, NULL);
		weft_chan_drop_sender(chan);
		CHECK_EQ(blocked_join(&b), -EPIPE);
		weft_chan_release(chan);

		if (capacity != WEFT_UNBOUNDED) {
			int value = 0;

			chan = open_chan(sizeof(int), capacity);
			for (size_t i = 0; i < capacity; i++)
				CHECK_EQ(weft_chan_send(chan, &value), 0);
			weft_chan_add_receiver(chan);
			blocked_send(&b, chan, 1, NULL);
			weft_chan_drop_receiver(chan);
			CHECK_EQ(blocked_join(&b), -EPIPE);
			weft_chan_release(chan);
		}
	}
}

/* ---- misuse ----------------------------------------------------------------------- */

static void drop_no_sender(void *chan)
{
	weft_chan_drop_sender(chan);
}

static void drop_no_receiver(void *chan)
{
	weft_chan_add_sender(chan);
	weft_chan_drop_receiver(chan);
}

/* A reference too few, looked at before the memory is gone. */
static void release_twice(void *arg)
{
	weft_chan *chan = arg;

	weft_store_relaxed(&chan->references, 0);
	weft_chan_release(chan);
}

static void retain_for_ever(void *arg)
{
	weft_chan *chan = arg;

	weft_store_relaxed(&chan->references, INT32_MAX - 1);
	weft_chan_retain(chan);
	weft_chan_retain(chan);
}

static struct puppet waiting;
static int slot;

static void free_under_a_receiver(void *chan)
{
	puppet_init(&waiting, true);
	if (puppet_wait(&waiting, weft_case_recv(chan, &slot)) == -EAGAIN)
		weft_chan_release(chan);
}

static void free_under_a_sender(void *chan)
{
	puppet_init(&waiting, true);
	for (size_t i = 0; i < weft_chan_capacity(chan); i++)
		if (weft_chan_try_send(chan, &slot) != 0)
			return;
	if (puppet_wait(&waiting, weft_case_send(chan, &slot)) == -EAGAIN)
		weft_chan_release(chan);
}

TEST(ends_misuse_stops_with_a_sentence)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		weft_chan *chan = open_chan(sizeof(int), capacity);

		CHECK_DIES(drop_no_sender, chan, "an end of a channel was dropped");
		CHECK_DIES(drop_no_receiver, chan, "an end of a channel was dropped");
		CHECK_DIES(release_twice, chan, "released more often than retained");
		CHECK_DIES(retain_for_ever, chan, "too many references");
		CHECK_DIES(free_under_a_receiver, chan, "freed while somebody waits");
		if (capacity != WEFT_UNBOUNDED)
			CHECK_DIES(free_under_a_sender, chan, "freed while somebody waits");
		weft_chan_release(chan);
	}
}

/* ---- many threads ----------------------------------------------------------------- */

enum { PAIRS = 2, EACH = 20, ROUNDS = 60 };

struct crowd {
	weft_chan *chan;
	int patience; /* values after which a receiver leaves */
	weft_atomic_u32 freed;
};

static void free_value(void *element, void *context)
{
	uint32_t *value;

	memcpy(&value, element, sizeof(value));
	CHECK_EQ(*value, 0xfeed);
	*value = 0;
	free(value);
	weft_add_relaxed((weft_atomic_u32 *)context, 1);
}

static void crowd_send(struct crowd *crowd)
{
	for (int i = 0; i < EACH; i++) {
		uint32_t *value = malloc(sizeof(*value));

		CHECK_NOT_NULL(value);
		*value = 0xfeed;
		if (weft_chan_send(crowd->chan, &value) != 0)
			free_value(&value, &crowd->freed);
	}
	weft_chan_drop_sender(crowd->chan);
}

static void crowd_recv(struct crowd *crowd)
{
	uint32_t *value;

	for (int i = 0; i < crowd->patience; i++) {
		if (weft_chan_recv(crowd->chan, &value) != 0)
			break;
		free_value(&value, &crowd->freed);
	}
	weft_chan_drop_receiver(crowd->chan);
}

static void crowd_run(void *arg, int index)
{
	if (index < PAIRS)
		crowd_send(arg);
	else
		crowd_recv(arg);
}

static void crowd_round(size_t capacity, int patience)
{
	struct crowd crowd = { .patience = patience };
	weft_chan_opts opts = { .drop = free_value, .context = &crowd.freed };
	struct team team = { .count = 0 };

	CHECK_EQ(weft_chan_new(&crowd.chan, sizeof(uint32_t *), capacity, &opts), 0);
	for (int i = 0; i < PAIRS; i++) {
		weft_chan_add_sender(crowd.chan);
		weft_chan_add_receiver(crowd.chan);
	}
	team_add(&team, 2 * PAIRS, crowd_run, &crowd);
	weft_chan_release(crowd.chan);
	team_join(&team);
	CHECK_EQ(weft_load_relaxed(&crowd.freed), PAIRS * EACH);
}

TEST(ends_go_one_by_one_and_the_last_one_frees)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		for (int round = 0; round < ROUNDS; round++)
			crowd_round(capacity, INT32_MAX);
	}
}

TEST(ends_that_receive_may_leave_early)
{
	FOR_EACH_FLAVOUR(capacity)
	{
		for (int round = 0; round < ROUNDS; round++)
			crowd_round(capacity, round % EACH);
	}
}
