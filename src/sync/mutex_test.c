/* SPDX-License-Identifier: MIT */
/*
 * Goal: one holder at a time, deadlines and cancellation as promised, nobody waits
 * for ever, and the mutex is not touched once it has been let go.
 * Method: a plain counter under the mutex, with all ways to lock it at once; hogs;
 * objects that the last holder frees. mutex_wake_test.c looks at who is woken.
 */
#include "weft/mutex.h"

#include "weft/cancel.h"
#include "weft/select.h"

#include "check.h"
#include "team_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

TEST(mutex_of_zeros_is_unlocked)
{
	weft_mutex m = WEFT_MUTEX_INIT;

	CHECK_EQ(sizeof(m), 8);
	CHECK(!weft_mutex_is_locked(&m));
	weft_mutex_lock(&m);
	CHECK(weft_mutex_is_locked(&m));
	CHECK(!weft_mutex_try_lock(&m));
	weft_mutex_unlock(&m);
	CHECK(!weft_mutex_is_locked(&m));
	CHECK(weft_mutex_try_lock(&m));
	CHECK(weft_mutex_is_locked(&m));
	weft_mutex_unlock(&m);
	CHECK_EQ(weft_load_relaxed(&m.queue.word), 0);
}

static void unlock_it(void *m)
{
	weft_mutex_unlock(m);
}

static void unlock_thread(void *m, int index)
{
	(void)index;
	weft_mutex_unlock(m);
}

TEST(mutex_unlocked_without_lock_dies)
{
	weft_mutex m = WEFT_MUTEX_INIT;

	CHECK_DIES(unlock_it, &m, "a mutex was unlocked that is not locked");
	weft_mutex_lock(&m);
	weft_mutex_unlock(&m);
	CHECK_DIES(unlock_it, &m, "a mutex was unlocked that is not locked");
}

TEST(mutex_may_be_unlocked_by_another_thread)
{
	static weft_mutex m;

	weft_mutex_lock(&m);
	team_run(1, unlock_thread, &m);
	CHECK(weft_mutex_try_lock(&m));
}

TEST(mutex_lock_until_ends_at_its_deadline)
{
	static const int64_t past[] = { 0, -1, INT64_MIN, 1 };
	weft_mutex m = WEFT_MUTEX_INIT;

	for (int i = 0; i < 4; i++) {
		CHECK_EQ(weft_mutex_lock_until(&m, past[i]), 0); /* it need not wait */
		CHECK_EQ(weft_mutex_lock_until(&m, past[i]), -ETIMEDOUT);
		weft_mutex_unlock(&m);
	}
	CHECK_EQ(weft_mutex_lock_until(&m, WEFT_NEVER), 0);
	for (int i = 0; i < 20; i++) {
		int64_t deadline = weft_after_us(i * 100);

		CHECK_EQ(weft_mutex_lock_until(&m, deadline), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
	}
	weft_mutex_unlock(&m);
	CHECK_EQ(weft_load_relaxed(&m.queue.word), 0);
}

TEST(mutex_lock_until_is_cancelled_only_if_it_must_wait)
{
	weft_token token = { .parent = NULL };
	weft_token *outer = weft_ambient_set(&token);
	weft_mutex m = WEFT_MUTEX_INIT;

	weft_token_cancel(&token);
	CHECK_EQ(weft_mutex_lock_until(&m, WEFT_NEVER), 0);
	CHECK_EQ(weft_mutex_lock_until(&m, WEFT_NEVER), -ECANCELED);
	CHECK_EQ(weft_mutex_lock_until(&m, weft_after_s(1)), -ECANCELED);
	CHECK_EQ(weft_mutex_lock_until(&m, 0), -ECANCELED); /* like every other call */
	CHECK(!weft_mutex_try_lock(&m));
	weft_mutex_unlock(&m);
	CHECK_EQ(weft_mutex_lock_until(&m, 0), 0);
	weft_ambient_set(outer);
}

struct cancelled {
	weft_mutex m;
	weft_token token;
	int result;
};

static void lock_cancelled(void *arg, int index)
{
	struct cancelled *c = arg;

	(void)index;
	weft_ambient_set(&c->token);
	if (index == 0) {
		c->result = weft_mutex_lock_until(&c->m, WEFT_NEVER);
	} else {
		weft_mutex_lock(&c->m);
		weft_mutex_unlock(&c->m);
	}
	weft_ambient_set(NULL);
}

TEST(mutex_lock_ignores_cancellation)
{
	static struct cancelled c;
	struct team team = { .count = 0 };

	weft_mutex_lock(&c.m);
	team_add(&team, 2, lock_cancelled, &c);
	await_asleep(&c.m.queue, 2);
	weft_token_cancel(&c.token);
	await_asleep(&c.m.queue, 1); /* only who asked for a deadline has left */
	CHECK_EQ(c.token.queue.word.v, WEFT__A);
	weft_mutex_unlock(&c.m);
	team_join(&team);
	CHECK_EQ(c.result, -ECANCELED);
	CHECK_EQ(weft_load_relaxed(&c.m.queue.word), 0);
}

/* ---- exclusion --------------------------------------------------------------------------- */

enum { ROUNDS = 20000 };

struct guarded {
	weft_mutex m;
	uint64_t counter; /* guarded by m */
	weft_atomic_u64 done;
	int rounds;
};

/* The index says how; each way is taken by somebody. */
static bool lock_somehow(weft_mutex *m, int how, int round)
{
	weft_case c = weft_case_lock(m);

	switch (how % 4) {
	case 0: weft_mutex_lock(m); return true;
	case 1: return weft_mutex_try_lock(m);
	case 2: return weft_mutex_lock_until(m, weft_after_us(round % 50)) == 0;
	default: return weft_select(&c, 1, round & 1 ? WEFT_NEVER : 0) == 0;
	}
}

static void count_under_lock(void *arg, int index)
{
	struct guarded *g = arg;

	for (int i = 0; i < g->rounds; i++) {
		if (!lock_somehow(&g->m, index, i))
			continue;
		g->counter++;
		weft_mutex_unlock(&g->m);
		weft_add_relaxed(&g->done, 1);
	}
}

TEST(mutex_excludes)
{
	static struct guarded g = { .rounds = ROUNDS };

	team_run(8, count_under_lock, &g);
	CHECK_EQ(g.counter, weft_load_relaxed(&g.done));
	CHECK_GE(g.counter, 2 * ROUNDS);
	CHECK_EQ(weft_load_relaxed(&g.m.queue.word), 0);
}

TEST(mutex_excludes_on_one_cpu)
{
	static struct guarded g = { .rounds = ROUNDS };
	cpu_set_t mask = pin_to_one_cpu();

	team_run(8, count_under_lock, &g);
	unpin(mask);
	CHECK_EQ(g.counter, weft_load_relaxed(&g.done));
	CHECK_EQ(weft_load_relaxed(&g.m.queue.word), 0);
}

/* ---- fairness ---------------------------------------------------------------------------- */

struct hogged {
	weft_mutex m;
	weft_atomic_u32 stop;
	weft_atomic_u64 hogged;
	uint64_t worst; /* rounds of the hogs during one wait */
};

static void hog_or_wait(void *arg, int index)
{
	struct hogged *h = arg;

	if (index > 0) {
		while (!weft_load_relaxed(&h->stop)) {
			weft_mutex_lock(&h->m);
			weft_add_relaxed(&h->hogged, 1);
			for (int i = 0; i < 50; i++)
				weft__cpu_pause();
			weft_mutex_unlock(&h->m);
		}
		return;
	}
	while (weft_load_relaxed(&h->hogged) == 0)
		weft__thread_yield();
	for (int i = 0; i < 200; i++) {
		uint64_t before = weft_load_relaxed(&h->hogged), rounds;

		weft_mutex_lock(&h->m);
		rounds = weft_load_relaxed(&h->hogged) - before;
		weft_mutex_unlock(&h->m);
		h->worst = rounds > h->worst ? rounds : h->worst;
	}
	weft_store_relaxed(&h->stop, 1);
}

TEST(mutex_waiter_gets_it_from_hogs)
{
	static struct hogged h;

	for (int hogs = 1; hogs <= 3; hogs++) {
		h = (struct hogged){ .worst = 0 };
		team_run(1 + hogs, hog_or_wait, &h);
		printf("%d hogs: at worst they got it %llu times in a wait\n", hogs,
		       (unsigned long long)h.worst);
	}
}

TEST(mutex_waiter_gets_it_from_hogs_on_one_cpu)
{
	static struct hogged h;
	cpu_set_t mask = pin_to_one_cpu();

	team_run(3, hog_or_wait, &h);
	unpin(mask);
}

/* ---- the last touch ---------------------------------------------------------------------- */

enum { BOXES = 20000, OWNERS = 3 };

struct box {
	weft_mutex m;
	int owners; /* guarded by m */
};

static struct box *boxes[BOXES];

static void leave_boxes(void *arg, int index)
{
	(void)index;
	team_meet(arg, OWNERS);
	for (int i = 0; i < BOXES; i++) {
		struct box *box = boxes[i];
		int left;

		weft_mutex_lock(&box->m);
		left = --box->owners;
		weft_mutex_unlock(&box->m);
		if (left == 0)
			free(box);
	}
}

/* The reference count is guarded by the mutex inside the object: whoever leaves
 * last frees it while the one before may still be returning from unlock. */
TEST(mutex_may_be_freed_by_its_last_holder)
{
	static weft_atomic_u32 meeting;

	for (int i = 0; i < BOXES; i++) {
		boxes[i] = calloc(1, sizeof(*boxes[i]));
		CHECK_NOT_NULL(boxes[i]);
		boxes[i]->owners = OWNERS;
	}
	team_run(OWNERS, leave_boxes, &meeting);
}
