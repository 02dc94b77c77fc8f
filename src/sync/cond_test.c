/* SPDX-License-Identifier: MIT */
/*
 * Goal: to unlock and to wait are one step, a notification reaches somebody who
 * still waits, and the mutex is held on every return.
 * Method: each return looks at the mutex; notifications that report whom they woke
 * are counted against waits that report that they were; deadlines and
 * cancellations come in between.
 */
#include "weft/cond.h"

#include "weft/cancel.h"

#include "check.h"
#include "team_test.h"

#include <errno.h>
#include <stdio.h>

TEST(cond_notify_without_waiters_wakes_nobody)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	weft_cond c = WEFT_COND_INIT;

	CHECK_EQ(sizeof(c), 8);
	CHECK_EQ(weft_cond_notify_one(&c), 0);
	CHECK_EQ(weft_cond_notify_all(&c), 0);
	/* And it is not kept for later. */
	weft_mutex_lock(&m);
	CHECK_EQ(weft_cond_wait_until(&c, &m, 1), -ETIMEDOUT);
	weft_mutex_unlock(&m);
	CHECK_EQ(weft_load_relaxed(&c.queue.word), 0);
}

TEST(cond_wait_ends_at_its_deadline_with_the_mutex)
{
	static const int64_t past[] = { 0, -1, INT64_MIN, 1 };
	weft_mutex m = WEFT_MUTEX_INIT;
	weft_cond c = WEFT_COND_INIT;

	weft_mutex_lock(&m);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(weft_cond_wait_until(&c, &m, past[i]), -ETIMEDOUT);
		CHECK(weft_mutex_is_locked(&m));
	}
	for (int i = 0; i < 20; i++) {
		int64_t deadline = weft_after_us(i * 100);

		CHECK_EQ(weft_cond_wait_until(&c, &m, deadline), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
		CHECK(weft_mutex_is_locked(&m));
	}
	CHECK_EQ(weft_load_relaxed(&c.queue.word), 0);
}

static void wait_unlocked(void *arg)
{
	weft_mutex m = WEFT_MUTEX_INIT;

	CHECK_EQ(weft_cond_wait_until(arg, &m, 1), -ETIMEDOUT);
}

TEST(cond_wait_without_the_mutex_dies)
{
	weft_cond c = WEFT_COND_INIT;

	CHECK_DIES(wait_unlocked, &c, "a mutex was unlocked that is not locked");
}

/* ---- notifying --------------------------------------------------------------------------- */

struct room {
	weft_mutex m;
	weft_cond c;
	weft_token token;
	int inside; /* guarded by m, like the rest */
	int tickets;
	int left;
	int result;
};

static void wait_for_ticket(void *arg, int index)
{
	struct room *r = arg;

	(void)index;
	weft_mutex_lock(&r->m);
	r->inside++;
	while (r->tickets == 0)
		CHECK_EQ(weft_cond_wait(&r->c, &r->m), 0);
	CHECK(weft_mutex_is_locked(&r->m));
	r->tickets--;
	r->left++;
	weft_mutex_unlock(&r->m);
}

/* All who are inside have let the mutex go, hence wait. */
static void await_inside(struct room *r, int count)
{
	for (;;) {
		bool all;

		weft_mutex_lock(&r->m);
		all = r->inside == count;
		weft_mutex_unlock(&r->m);
		if (all)
			return;
		weft__thread_yield();
	}
}

TEST(cond_notify_one_wakes_one)
{
	static struct room r;
	struct team team = { .count = 0 };

	for (int with_mutex = 0; with_mutex < 2; with_mutex++) {
		r = (struct room){ .left = 0 };
		team_add(&team, 4, wait_for_ticket, &r);
		await_inside(&r, 4);
		for (int i = 1; i <= 4; i++) {
			weft_mutex_lock(&r.m);
			r.tickets++;
			if (with_mutex)
				CHECK_EQ(weft_cond_notify_one(&r.c), 1);
			weft_mutex_unlock(&r.m);
			if (!with_mutex)
				CHECK_EQ(weft_cond_notify_one(&r.c), 1);
			await_asleep(&r.c.queue, 4 - i);
		}
		team_join(&team);
		CHECK_EQ(r.left, 4);
		CHECK_EQ(weft_cond_notify_one(&r.c), 0);
	}
}

TEST(cond_notify_all_wakes_all_who_wait_now)
{
	static struct room r;
	struct team team = { .count = 0 };

	for (int i = 0; i < 20; i++) {
		r = (struct room){ .left = 0 };
		team_add(&team, 6, wait_for_ticket, &r);
		await_inside(&r, 6);
		weft_mutex_lock(&r.m);
		r.tickets = 6;
		CHECK_EQ(weft_cond_notify_all(&r.c), 6);
		CHECK_EQ(weft_cond_notify_all(&r.c), 0);
		weft_mutex_unlock(&r.m);
		team_join(&team);
		CHECK_EQ(r.left, 6);
	}
}

/* ---- cancellation ------------------------------------------------------------------------ */

static void wait_in_scope(void *arg, int index)
{
	struct room *r = arg;

	(void)index;
	weft_ambient_set(&r->token);
	weft_mutex_lock(&r->m);
	r->inside++;
	r->result = weft_cond_wait(&r->c, &r->m);
	CHECK(weft_mutex_is_locked(&r->m));
	weft_mutex_unlock(&r->m);
	weft_ambient_set(NULL);
}

TEST(cond_wait_is_cancelled_with_the_mutex)
{
	static struct room r;
	struct team team = { .count = 0 };

	for (int i = 0; i < 20; i++) {
		r = (struct room){ .result = 1 };
		team_add(&team, 1, wait_in_scope, &r);
		await_inside(&r, 1);
		weft_mutex_lock(&r.m); /* it cannot return before it gets this back */
		weft_token_cancel(&r.token);
		weft_mutex_unlock(&r.m);
		team_join(&team);
		CHECK_EQ(r.result, -ECANCELED);
		/* Sticky: the next wait does not even begin. */
		team_run(1, wait_in_scope, &r);
		CHECK_EQ(r.result, -ECANCELED);
		CHECK_EQ(weft_load_relaxed(&r.c.queue.word), 0);
	}
}

TEST(cond_notified_before_cancelled_is_notified)
{
	static struct room r;
	struct team team = { .count = 0 };

	for (int i = 0; i < 20; i++) {
		r = (struct room){ .result = 1 };
		team_add(&team, 1, wait_in_scope, &r);
		await_inside(&r, 1);
		weft_mutex_lock(&r.m);
		CHECK_EQ(weft_cond_notify_one(&r.c), 1);
		weft_token_cancel(&r.token);
		weft_mutex_unlock(&r.m);
		team_join(&team);
		CHECK_EQ(r.result, 0);
	}
}

/* ---- nothing is lost --------------------------------------------------------------------- */

enum { WAITERS = 4, ROUNDS = 3000 };

struct crowd {
	weft_mutex m;
	weft_cond c;
	weft_atomic_u32 meeting;
	weft_token token[WAITERS];
	weft_atomic_u32 waits;    /* that have ended, in any way */
	weft_atomic_u32 notified; /* waits that were */
	weft_atomic_u32 woken;    /* as the notifiers were told */
	weft_atomic_u32 timed_out, cancelled;
};

/* The wait of one round; in some rounds it is cancelled. */
static int crowd_wait(struct crowd *crowd, int index, int round)
{
	int64_t deadline = weft_after_us(round * 7 % 100);
	weft_token *token = &crowd->token[index % WAITERS], child;
	int result;

	weft_token_init(&child, token);
	weft_ambient_set(&child);
	if (round % 5 == 0)
		weft_token_cancel(&child);
	weft_mutex_lock(&crowd->m);
	result = weft_cond_wait_until(&crowd->c, &crowd->m, deadline);
	CHECK(weft_mutex_is_locked(&crowd->m));
	weft_mutex_unlock(&crowd->m);
	weft_ambient_set(NULL);
	weft_token_fini(&child);
	return result;
}

static void crowd_run(void *arg, int index)
{
	struct crowd *crowd = arg;

	team_meet(&crowd->meeting, WAITERS + 2);
	for (int i = 0; index < WAITERS && i < ROUNDS; i++) {
		int result = crowd_wait(crowd, index, i);

		if (result == 0)
			weft_add_relaxed(&crowd->notified, 1);
		else if (result == -ETIMEDOUT)
			weft_add_relaxed(&crowd->timed_out, 1);
		else
			weft_add_relaxed(&crowd->cancelled, 1);
		weft_add_release(&crowd->waits, 1);
	}
	for (int i = 0; index >= WAITERS; i++) {
		int woken = i % 16 ? weft_cond_notify_one(&crowd->c)
				   : weft_cond_notify_all(&crowd->c);

		weft_add_relaxed(&crowd->woken, (uint32_t)woken);
		if (weft_load_acquire(&crowd->waits) == WAITERS * ROUNDS)
			return;
		weft__thread_yield();
	}
}

/* Each notification that says it woke somebody did, though the waits end by their
 * deadlines and by cancellation all the time. */
TEST(cond_notification_is_not_spent_on_who_leaves)
{
	static struct crowd crowd;

	team_run(WAITERS + 2, crowd_run, &crowd);
	CHECK_EQ(weft_load_relaxed(&crowd.woken), weft_load_relaxed(&crowd.notified));
	CHECK_EQ(weft_load_relaxed(&crowd.c.queue.word), 0);
	CHECK_EQ(weft_load_relaxed(&crowd.m.queue.word), 0);
	CHECK_GT(weft_load_relaxed(&crowd.cancelled), 0);
	printf("%u notified, %u timed out, %u cancelled\n", weft_load_relaxed(&crowd.notified),
	       weft_load_relaxed(&crowd.timed_out), weft_load_relaxed(&crowd.cancelled));
}

/* ---- a bounded buffer, the plain use ----------------------------------------------------- */

enum { SIDES = 3, ITEMS = 5000, SPACE = 2 };

struct buffer {
	weft_mutex m;
	weft_cond not_empty, not_full;
	int count;
	uint64_t sum_in, sum_out;
};

static void produce_or_consume(void *arg, int index)
{
	struct buffer *b = arg;
	bool produce = index < SIDES;

	for (int i = 0; i < ITEMS; i++) {
		weft_mutex_lock(&b->m);
		while (b->count == (produce ? SPACE : 0))
			(void)weft_cond_wait(produce ? &b->not_full : &b->not_empty, &b->m);
		b->count += produce ? 1 : -1;
		*(produce ? &b->sum_in : &b->sum_out) += 1;
		weft_mutex_unlock(&b->m);
		weft_cond_notify_one(produce ? &b->not_empty : &b->not_full);
	}
}

TEST(cond_bounded_buffer_comes_to_its_end)
{
	static struct buffer b;

	team_run(2 * SIDES, produce_or_consume, &b);
	CHECK_EQ(b.count, 0);
	CHECK_EQ(b.sum_in, SIDES * ITEMS);
	CHECK_EQ(b.sum_out, SIDES * ITEMS);
}

TEST(cond_bounded_buffer_comes_to_its_end_on_one_cpu)
{
	static struct buffer b;
	cpu_set_t mask = pin_to_one_cpu();

	team_run(2 * SIDES, produce_or_consume, &b);
	unpin(mask);
	CHECK_EQ(b.sum_out, SIDES * ITEMS);
}
