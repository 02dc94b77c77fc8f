/* SPDX-License-Identifier: MIT */
/*
 * Goal: a fiber whose calls all succeed at once does not keep the others of its worker
 * from running. Method: one worker; a fiber that goes on with such calls until another
 * one, which can only run when the first lets it, has said that it may end.
 */
#include "rt_test.h"
#include "weft/atomic.h"
#include "weft/channel.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/scope.h"
#include "weft/select.h"
#include "weft/semaphore.h"

struct greedy {
	weft_chan *chan;
	weft_mutex mutex;
	weft_semaphore semaphore;
	weft_event event; /* is set */
	weft_atomic_bool enough;
};

static void by_channel(struct greedy *g)
{
	int value = 1;

	CHECK_EQ(weft_chan_send(g->chan, &value), 0);
	CHECK_EQ(weft_chan_recv(g->chan, &value), 0);
}

static void by_many(struct greedy *g)
{
	int values[4] = { 0 };
	size_t sent;

	CHECK_EQ(weft_chan_send_many(g->chan, values, 4, &sent), 0);
	CHECK_EQ(weft_chan_recv_many(g->chan, values, 4), 4);
}

static void by_mutex(struct greedy *g)
{
	weft_mutex_lock(&g->mutex);
	weft_mutex_unlock(&g->mutex);
}

static void by_semaphore(struct greedy *g)
{
	CHECK_EQ(weft_semaphore_acquire(&g->semaphore, 1), 0);
	weft_semaphore_release(&g->semaphore, 1);
}

static void by_event(struct greedy *g)
{
	CHECK_EQ(weft_event_wait(&g->event), 0);
}

static void by_select(struct greedy *g)
{
	weft_case cases[] = { weft_case_event(&g->event), weft_case_acquire(&g->semaphore, 2) };

	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 0);
}

static struct greedy shared;
static void (*way)(struct greedy *g);

static int go_on(void *arg)
{
	(void)arg;
	while (!weft_load_relaxed(&shared.enough))
		way(&shared);
	return 0;
}

static int end_it(void *arg)
{
	(void)arg;
	weft_store_relaxed(&shared.enough, true);
	return 0;
}

static int both(void *arg)
{
	const weft_fiber_opts opts = { .migrate = *(bool *)arg };
	weft_scope scope;

	weft_store_relaxed(&shared.enough, false);
	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn(&scope, go_on, NULL, &opts), 0);
	CHECK_EQ(weft_scope_spawn(&scope, end_it, NULL, NULL), 0);
	return weft_scope_close(&scope);
}

static void greedy(void (*with)(struct greedy *g))
{
	way = with;
	CHECK_EQ(weft_chan_new(&shared.chan, sizeof(int), 4, NULL), 0);
	weft_semaphore_init(&shared.semaphore, 1);
	weft_event_set(&shared.event);
	for (int migrates = 0; migrates < 2; migrates++) {
		weft_runtime *runtime = rt_start(1);
		bool migrate = migrates;
		int result = 1;

		CHECK_EQ(weft_block_on(runtime, both, &migrate, &result), 0);
		CHECK_EQ(result, 0);
		rt_stop(runtime);
	}
	weft_chan_release(shared.chan);
}

TEST(slice_ends_for_who_sends_and_receives)
{
	greedy(by_channel);
}

TEST(slice_ends_for_who_sends_and_receives_many)
{
	greedy(by_many);
}

TEST(slice_ends_for_who_locks)
{
	greedy(by_mutex);
}

TEST(slice_ends_for_who_acquires)
{
	greedy(by_semaphore);
}

TEST(slice_ends_for_who_waits_for_what_has_been)
{
	greedy(by_event);
}

TEST(slice_ends_for_who_selects)
{
	greedy(by_select);
}
