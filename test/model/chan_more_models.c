/* SPDX-License-Identifier: MIT */
/*
 * Channels: batches, the close as a thing to wait for, and weak ends. Elements are blocks
 * that the sender has filled and the receiver frees, as in chan_models.c: what is lost is a
 * leak, what is doubled is freed twice, what came without its release is a data race.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

#define CHAN "src/chan src/wait include/weft"

struct world {
	weft_chan *chan;
	int sum;
};

static void drop_block(void *element, void *context)
{
	(void)context;
	weft_check_free(*(int **)element);
}

static struct world *world_new(void *arg)
{
	static const weft_chan_opts opts = { .drop = drop_block };
	struct world *w = weft_check_alloc(sizeof(*w));
	size_t n = (size_t)arg;

	w->sum = 0;
	WEFT_CHECK(weft_chan_new(&w->chan, sizeof(int *), n == 99 ? WEFT_UNBOUNDED : n, &opts) ==
		   0);
	return w;
}

static void world_free(struct world *w)
{
	weft_chan_release(w->chan);
	weft_check_free(w);
}

/* ---- batches ----------------------------------------------------------------------------- */

static void send_three(void *arg)
{
	struct world *w = arg;
	int *blocks[3];
	size_t sent;

	for (int i = 0; i < 3; i++) {
		blocks[i] = weft_check_alloc(sizeof(int));
		*blocks[i] = 1 << i;
	}
	WEFT_CHECK(weft_chan_send_many(w->chan, blocks, 3, &sent) == 0 && sent == 3);
}

static int take_up_to(struct world *w, size_t most)
{
	int *blocks[3], got = weft_chan_recv_many(w->chan, blocks, most);

	WEFT_CHECK(got > 0);
	for (int i = 0; i < got; i++) {
		w->sum = w->sum * 10 + *blocks[i];
		weft_check_free(blocks[i]);
	}
	return got;
}

/* More than fits: each side waits for the other in the midst of a batch. */
static void many(void *arg)
{
	struct world *w = world_new(arg);

	SPAWN(send_three, w);
	for (int got = 0; got < 3;)
		got += take_up_to(w, 3);
	weft_check_join(1);
	WEFT_CHECK(w->sum == 124);
	world_free(w);
}

MODEL_OF(rendezvous_many, many, .arg = (void *)0, .covers = CHAN, .preemptions = 2);
MODEL_OF(ring_many, many, .arg = (void *)2, .covers = CHAN, .preemptions = 2,
	 .preemptions_long = 3);
MODEL_OF(unbounded_many, many, .arg = (void *)99, .covers = CHAN, .preemptions = 2,
	 .preemptions_long = 3);

static void take_one(void *arg)
{
	struct world *w = arg;
	int *block;

	WEFT_CHECK(weft_chan_recv(w->chan, &block) == 0);
	weft_check_free(block);
}

/* A batch wakes one receiver, which sees to the other. */
static void many_to_two(void *arg)
{
	struct world *w = world_new(arg);
	int *blocks[2];
	size_t sent;

	SPAWN(take_one, w);
	SPAWN(take_one, w);
	for (int i = 0; i < 2; i++)
		blocks[i] = weft_check_alloc(sizeof(int));
	WEFT_CHECK(weft_chan_send_many(w->chan, blocks, 2, &sent) == 0 && sent == 2);
	weft_check_join(1);
	weft_check_join(2);
	world_free(w);
}

MODEL_OF(ring_many_to_two, many_to_two, .arg = (void *)2, .covers = CHAN, .preemptions = 1,
	 .preemptions_long = 2);
MODEL_OF(unbounded_many_to_two, many_to_two, .arg = (void *)99, .covers = CHAN, .preemptions = 1,
	 .preemptions_long = 2);

/* ---- reservations ------------------------------------------------------------------------ */

static int *block_of(int value)
{
	int *block = weft_check_alloc(sizeof(*block));

	*block = value;
	return block;
}

/* Holds a place while others send; commits it, or gives it back. */
static void reserve_and_commit(void *arg)
{
	struct world *w = arg;
	int *block;

	if (weft_chan_try_reserve(w->chan) != 0)
		return;
	block = block_of(1);
	WEFT_CHECK(weft_chan_commit(w->chan, &block) == 0);
}

static void send_one(void *arg)
{
	struct world *w = arg;
	int *block = block_of(2);

	WEFT_CHECK(weft_chan_send(w->chan, &block) == 0);
}

/* A place that is held and used, or given back, while another sends and one receives. */
static void reserved_and_sent(void *arg)
{
	struct world *w = world_new(arg);

	SPAWN(reserve_and_commit, w);
	SPAWN(send_one, w);
	take_one(w);
	weft_check_join(1);
	weft_check_join(2);
	world_free(w);
}

MODEL_OF(ring_reserved_and_sent, reserved_and_sent, .arg = (void *)1, .covers = CHAN,
	 .preemptions = 1, .preemptions_long = 2);
MODEL_OF(ring_of_two_reserved_and_sent, reserved_and_sent, .arg = (void *)2, .covers = CHAN,
	 .preemptions = 2, .preemptions_long = 3);

/* The only place is reserved: a sender sleeps until it is given back. */
static void reserved_and_abandoned(void *arg)
{
	struct world *w = world_new(arg);

	WEFT_CHECK(weft_chan_try_reserve(w->chan) == 0);
	SPAWN(send_one, w);
	weft_chan_abandon(w->chan);
	weft_check_join(1);
	take_one(w);
	world_free(w);
}

MODEL_OF(ring_reserved_and_abandoned, reserved_and_abandoned, .arg = (void *)1, .covers = CHAN);

/* Who waits to reserve is woken by who takes a value. */
static void reserve_waiting(void *arg)
{
	struct world *w = arg;
	int *block = block_of(3);

	WEFT_CHECK(weft_chan_reserve(w->chan) == 0);
	WEFT_CHECK(weft_chan_commit(w->chan, &block) == 0);
}

static void reserved_when_taken(void *arg)
{
	struct world *w = world_new(arg);

	send_one(w);
	SPAWN(reserve_waiting, w);
	take_one(w);
	take_one(w);
	weft_check_join(1);
	world_free(w);
}

MODEL_OF(ring_reserved_when_taken, reserved_when_taken, .arg = (void *)1, .covers = CHAN,
	 .preemptions = 3);

/* ---- the close --------------------------------------------------------------------------- */

static void close_after_all(void *arg)
{
	struct world *w = arg;

	w->sum = 5;
	WEFT_CHECK(weft_chan_close(w->chan));
}

static void closed_is_told(void *arg)
{
	struct world *w = world_new(arg);

	SPAWN(close_after_all, w);
	WEFT_CHECK(weft_chan_wait_closed(w->chan, WEFT_NEVER) == 0);
	WEFT_CHECK(w->sum == 5 && weft_chan_is_closed(w->chan));
	weft_check_join(1);
	world_free(w);
}

MODEL_OF(chan_closed_is_told, closed_is_told, .arg = (void *)1, .covers = CHAN, .spurious = 1);
MODEL_OF(chan_closed_is_told_unbounded, closed_is_told, .arg = (void *)99, .covers = CHAN);
MODEL_OF(chan_closed_is_told_rendezvous, closed_is_told, .arg = (void *)0, .covers = CHAN);

/* ---- weak ends --------------------------------------------------------------------------- */

static void upgrade(void *arg)
{
	struct world *w = arg;

	if (weft_chan_upgrade_sender(w->chan)) {
		WEFT_CHECK(!weft_chan_is_closed(w->chan));
		weft_chan_drop_sender(w->chan);
	}
	weft_chan_release(w->chan);
}

static void weak_end(void *arg)
{
	struct world *w = world_new(arg);

	weft_chan_add_sender(w->chan);
	weft_chan_retain(w->chan);
	SPAWN(upgrade, w);
	weft_chan_drop_sender(w->chan);
	weft_check_join(1);
	WEFT_CHECK(weft_chan_is_closed(w->chan) && weft_chan_senders(w->chan) == 0);
	world_free(w);
}

MODEL_OF(chan_weak_end, weak_end, .arg = (void *)1, .covers = CHAN);
