/* SPDX-License-Identifier: MIT */
/*
 * Goal: waits end when the count comes to zero and not before, see the work that
 * was done, and may free the group or use it again.
 * Method: workers and waiters at once, with data that each worker writes; heap
 * objects that the waiter frees; the queue's lock held by the test.
 */
#include "weft/waitgroup.h"

#include "weft/cancel.h"

#include "sync/sync.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include <errno.h>
#include <stdlib.h>

static void check_at_rest(const weft_waitgroup *g)
{
	CHECK_EQ(weft_load_relaxed(&g->state), 0);
	CHECK_EQ(weft_load_relaxed(&g->queue.word), 0);
}

TEST(waitgroup_of_zeros_is_empty)
{
	weft_waitgroup g = WEFT_WAITGROUP_INIT;

	CHECK_EQ(weft_waitgroup_count(&g), 0);
	CHECK_EQ(weft_waitgroup_wait(&g), 0);
	weft_waitgroup_add(&g, 2);
	weft_waitgroup_add(&g, 0);
	CHECK_EQ(weft_waitgroup_count(&g), 2);
	CHECK_EQ(weft_waitgroup_wait_until(&g, 0), -ETIMEDOUT);
	weft_waitgroup_done(&g);
	CHECK_EQ(weft_waitgroup_wait_until(&g, 0), -ETIMEDOUT);
	weft_waitgroup_done(&g);
	CHECK_EQ(weft_waitgroup_wait(&g), 0);
	weft_waitgroup_add(&g, UINT32_MAX);
	CHECK_EQ(weft_waitgroup_count(&g), UINT32_MAX);
}

static void done_once(void *g)
{
	weft_waitgroup_done(g);
}

TEST(waitgroup_done_too_often_dies)
{
	weft_waitgroup g = WEFT_WAITGROUP_INIT;

	CHECK_DIES(done_once, &g, "a wait group was done more often than added to");
	weft_waitgroup_add(&g, 1);
	weft_waitgroup_done(&g);
	CHECK_DIES(done_once, &g, "a wait group was done more often than added to");
}

TEST(waitgroup_wait_ends_at_its_deadline)
{
	static const int64_t past[] = { 0, -1, INT64_MIN, 1 };
	weft_waitgroup g = WEFT_WAITGROUP_INIT;

	weft_waitgroup_add(&g, 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_waitgroup_wait_until(&g, past[i]), -ETIMEDOUT);
	for (int i = 0; i < 20; i++) {
		int64_t deadline = weft_after_us(i * 100);

		CHECK_EQ(weft_waitgroup_wait_until(&g, deadline), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
	}
	/* Those who gave up have left a mark; the last one done clears it. */
	weft_waitgroup_done(&g);
	CHECK_EQ(weft_waitgroup_wait_until(&g, 0), 0);
	check_at_rest(&g);
}

struct waiting {
	weft_waitgroup g;
	weft_token token;
	weft_atomic_u32 ended;
	int result;
};

static void wait_in_scope(void *arg, int index)
{
	struct waiting *w = arg;

	weft_ambient_set(&w->token);
	if (index == 0)
		w->result = weft_waitgroup_wait(&w->g);
	else
		weft__waitgroup_await(&w->g);
	weft_ambient_set(NULL);
	weft_add_release(&w->ended, 1);
}

TEST(waitgroup_wait_is_cancelled_and_await_is_not)
{
	static struct waiting w;
	struct team team = { .count = 0 };

	weft_waitgroup_add(&w.g, 1);
	team_add(&team, 2, wait_in_scope, &w);
	await_asleep(&w.g.queue, 2);
	weft_token_cancel(&w.token);
	await_u32(&w.ended, 1);
	CHECK_EQ(w.result, -ECANCELED);
	weft_waitgroup_done(&w.g);
	team_join(&team);
	check_at_rest(&w.g);
	team_run(1, wait_in_scope, &w); /* cancelled, but it need not wait */
	CHECK_EQ(w.result, 0);
}

TEST(waitgroup_wakes_futures_too)
{
	weft_waitgroup g = WEFT_WAITGROUP_INIT;
	struct puppet p[3];

	weft_waitgroup_add(&g, 2);
	for (int i = 0; i < 3; i++) {
		puppet_init(&p[i], i == 1);
		CHECK_EQ(puppet_wait(&p[i], weft_case_waitgroup(&g)), -EAGAIN);
	}
	weft_waitgroup_done(&g);
	CHECK_EQ(p[0].wakes + p[1].wakes + p[2].wakes, 0);
	CHECK_EQ(puppet_next(&p[0]), -EAGAIN);
	weft_waitgroup_done(&g);
	CHECK_EQ(puppet_next(&p[0]), 0);
	CHECK_EQ(puppet_next(&p[1]), 0);
	CHECK_EQ(puppet_drop(&p[2]), 0);
	check_at_rest(&g);
}

/* ---- work and waits ---------------------------------------------------------------------- */

enum { WORKERS = 4, ROUNDS = 3000 };

struct work {
	weft_waitgroup g;
	weft_atomic_u32 round; /* the workers may do this one */
	int data[WORKERS];     /* of each, the round that it has done */
};

static void work_or_wait(void *arg, int index)
{
	struct work *w = arg;

	for (int round = 1; round <= ROUNDS; round++) {
		if (index > 0) {
			await_u32(&w->round, (uint32_t)round);
			w->data[index - 1] = round;
			weft_waitgroup_done(&w->g);
			continue;
		}
		weft_waitgroup_add(&w->g, WORKERS);
		weft_store_release(&w->round, (uint32_t)round);
		while (weft_waitgroup_wait_until(&w->g, weft_after_us(round % 40)) != 0)
			continue;
		for (int i = 0; i < WORKERS; i++)
			CHECK_EQ(w->data[i], round);
	}
}

/* The same group, again and again, with waits that give up in between. */
TEST(waitgroup_is_used_again)
{
	static struct work w;

	team_run(1 + WORKERS, work_or_wait, &w);
	check_at_rest(&w.g);
}

struct crowd {
	weft_waitgroup g;
	int data;
	weft_atomic_u32 ended;
};

static void wait_in_crowd(void *arg, int index)
{
	struct crowd *c = arg;

	(void)index;
	CHECK_EQ(weft_waitgroup_wait(&c->g), 0);
	CHECK_EQ(c->data, 17);
	weft_add_relaxed(&c->ended, 1);
}

TEST(waitgroup_last_done_wakes_all)
{
	static struct crowd c;
	struct team team = { .count = 0 };

	for (int i = 0; i < 100; i++) {
		c = (struct crowd){ .data = 0 };
		weft_waitgroup_add(&c.g, 1);
		team_add(&team, 5, wait_in_crowd, &c);
		if (i & 1)
			await_asleep(&c.g.queue, 5);
		c.data = 17;
		weft_waitgroup_done(&c.g);
		team_join(&team);
		CHECK_EQ(weft_load_relaxed(&c.ended), 5);
		check_at_rest(&c.g);
	}
}

/* ---- the last touch ---------------------------------------------------------------------- */

TEST(waitgroup_is_not_touched_after_the_wake)
{
	weft_waitgroup *g = heir_object();
	struct heir heir;

	weft_waitgroup_add(g, 1);
	heir_wait(&heir, g, weft_case_waitgroup(g));
	weft_waitgroup_done(g);
	CHECK_EQ(heir.wakes, 1);
}

enum { BOXES = 20000 };

static weft_waitgroup *boxes[BOXES];

static void done_or_free(void *arg, int index)
{
	team_meet(arg, 3);
	for (int i = 0; i < BOXES; i++) {
		if (index > 0) {
			weft_waitgroup_done(boxes[i]);
			continue;
		}
		while (weft_waitgroup_wait_until(boxes[i],
						 i & 1 ? WEFT_NEVER : weft_after_us(i % 9)))
			continue;
		free(boxes[i]);
	}
}

TEST(waitgroup_may_be_freed_by_who_waited)
{
	static weft_atomic_u32 meeting;

	for (int i = 0; i < BOXES; i++) {
		boxes[i] = calloc(1, sizeof(*boxes[i]));
		CHECK_NOT_NULL(boxes[i]);
		weft_waitgroup_add(boxes[i], 2);
	}
	team_run(3, done_or_free, &meeting);
}

static void wait_and_mark(void *arg, int index)
{
	struct waiting *w = arg;

	(void)index;
	w->result = weft_waitgroup_wait(&w->g);
	weft_store_release(&w->ended, 1);
}

/* The test plays the last done, which has cleared the state and still has the
 * lock: a wait that finds zero must not return before. */
TEST(waitgroup_wait_outlasts_the_last_done)
{
	static struct waiting w = { .result = 1 };
	struct team team = { .count = 0 };

	weft__waitq_lock(&w.g.queue);
	team_add(&team, 1, wait_and_mark, &w);
	while (!(weft_load_relaxed(&w.g.queue.word) & WEFT__SLEEP))
		weft__thread_yield();
	CHECK_EQ(weft_load_acquire(&w.ended), 0);
	weft__waitq_unlock(&w.g.queue, NULL, 0, 0);
	team_join(&team);
	CHECK_EQ(w.result, 0);
	check_at_rest(&w.g);
}
