/* SPDX-License-Identifier: MIT */
/*
 * Goal: setting an event wakes all who wait, shows them what came before, and is
 * the last touch: a waiter may free the event.
 * Method: threads that wait, set and reset at once; heap objects that whoever
 * returns frees; the queue's lock held by the test.
 */
#include "weft/event.h"

#include "weft/cancel.h"

#include "sync/sync.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include <errno.h>
#include <stdlib.h>

TEST(event_of_zeros_is_not_set)
{
	weft_event e = WEFT_EVENT_INIT;

	CHECK_EQ(sizeof(e), 8);
	CHECK(!weft_event_is_set(&e));
	CHECK_EQ(weft_event_wait_until(&e, 0), -ETIMEDOUT);
	weft_event_set(&e);
	CHECK(weft_event_is_set(&e));
	CHECK_EQ(weft_event_wait(&e), 0);
	CHECK_EQ(weft_event_wait(&e), 0); /* it stays set */
	weft_event_set(&e);
	CHECK(weft_event_is_set(&e));
	weft_event_reset(&e);
	CHECK(!weft_event_is_set(&e));
	weft_event_reset(&e);
	CHECK_EQ(weft_load_relaxed(&e.queue.word), 0);
}

TEST(event_wait_ends_at_its_deadline)
{
	static const int64_t past[] = { 0, -1, INT64_MIN, 1 };
	weft_event e = WEFT_EVENT_INIT;

	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_event_wait_until(&e, past[i]), -ETIMEDOUT);
	for (int i = 0; i < 20; i++) {
		int64_t deadline = weft_after_us(i * 100);

		CHECK_EQ(weft_event_wait_until(&e, deadline), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
	}
	CHECK_EQ(weft_load_relaxed(&e.queue.word), 0);
	weft_event_set(&e);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_event_wait_until(&e, past[i]), 0);
}

struct waiting {
	weft_event e;
	weft_token token;
	int data; /* written before the event is set */
	weft_atomic_u32 ended;
	int result;
};

static void wait_for_event(void *arg, int index)
{
	struct waiting *w = arg;

	if (index % 3 == 0)
		CHECK_EQ(weft_event_wait(&w->e), 0);
	else if (index % 3 == 1)
		CHECK_EQ(weft_event_wait_until(&w->e, weft_after_s(1000)), 0);
	else
		while (!weft_event_is_set(&w->e))
			weft__thread_yield();
	CHECK_EQ(w->data, 17);
	weft_add_release(&w->ended, 1);
}

TEST(event_set_wakes_all_and_shows_what_came_before)
{
	static struct waiting w;
	struct team team = { .count = 0 };

	for (int i = 0; i < 100; i++) {
		w = (struct waiting){ .data = 0 };
		team_add(&team, 6, wait_for_event, &w);
		if (i & 1)
			await_asleep(&w.e.queue, 4);
		w.data = 17;
		weft_event_set(&w.e);
		team_join(&team);
		CHECK_EQ(weft_load_relaxed(&w.ended), 6);
		CHECK_EQ(weft_load_relaxed(&w.e.queue.word), WEFT__A);
	}
}

static void wait_in_scope(void *arg, int index)
{
	struct waiting *w = arg;

	weft_ambient_set(&w->token);
	if (index == 0)
		w->result = weft_event_wait(&w->e);
	else
		weft__event_await(&w->e);
	weft_add_release(&w->ended, 1);
	weft_ambient_set(NULL);
}

TEST(event_wait_is_cancelled_and_await_is_not)
{
	static struct waiting w;
	struct team team = { .count = 0 };

	w = (struct waiting){ .result = 1 };
	team_add(&team, 2, wait_in_scope, &w);
	await_asleep(&w.e.queue, 2);
	weft_token_cancel(&w.token);
	await_u32(&w.ended, 1);
	CHECK_EQ(w.result, -ECANCELED);
	await_asleep(&w.e.queue, 1);
	weft_event_set(&w.e);
	team_join(&team);
	team_run(1, wait_in_scope, &w); /* cancelled, but it need not wait */
	CHECK_EQ(w.result, 0);
}

/* Who was woken stays woken, though the event is not set any more when it looks. */
TEST(event_reset_leaves_the_woken_woken)
{
	weft_event e = WEFT_EVENT_INIT;
	struct puppet p[2];

	for (int i = 0; i < 2; i++) {
		puppet_init(&p[i], i);
		CHECK_EQ(puppet_wait(&p[i], weft_case_event(&e)), -EAGAIN);
	}
	weft_event_set(&e);
	weft_event_reset(&e);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(p[i].wakes, 1);
		CHECK_EQ(puppet_next(&p[i]), 0);
		CHECK_EQ(puppet_wait(&p[i], weft_case_event(&e)), -EAGAIN);
		CHECK_EQ(puppet_drop(&p[i]), -EAGAIN);
	}
	CHECK_EQ(weft_load_relaxed(&e.queue.word), 0);
}

TEST(event_reported_to_a_future_that_leaves)
{
	weft_event e = WEFT_EVENT_INIT;
	struct puppet p;

	puppet_init(&p, false);
	CHECK_EQ(puppet_wait(&p, weft_case_event(&e)), -EAGAIN);
	weft_event_set(&e);
	CHECK_EQ(puppet_drop(&p), 0);
}

/* ---- set against reset and waits --------------------------------------------------------- */

enum { ROUNDS = 5000 };

struct ping_pong {
	weft_event e[2];
	int turn; /* whose: written by the one, read by the other */
};

static void play(void *arg, int index)
{
	struct ping_pong *p = arg;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(weft_event_wait(&p->e[index]), 0);
		CHECK_EQ(p->turn, index);
		weft_event_reset(&p->e[index]);
		p->turn = !index;
		weft_event_set(&p->e[!index]);
	}
}

TEST(event_ping_pong_comes_to_its_end)
{
	static struct ping_pong p;

	weft_event_set(&p.e[0]);
	team_run(2, play, &p);
	CHECK_EQ(p.turn, 0);
}

struct churn {
	weft_event e;
	weft_atomic_u32 meeting, waiters_done;
};

/* Waits that end by deadlines, sets and resets, all at once: nothing is left. */
static void churn_run(void *arg, int index)
{
	struct churn *c = arg;

	team_meet(&c->meeting, 5);
	for (int i = 0; index < 3 && i < 3000; i++) {
		int result = weft_event_wait_until(&c->e, weft_after_us(i % 50));

		CHECK(result == 0 || result == -ETIMEDOUT);
	}
	if (index < 3)
		weft_add_relaxed(&c->waiters_done, 1);
	while (index >= 3 && weft_load_relaxed(&c->waiters_done) < 3) {
		weft_event_set(&c->e);
		weft_event_reset(&c->e);
		weft__thread_yield();
	}
}

TEST(event_survives_sets_resets_and_deadlines)
{
	static struct churn c;

	team_run(5, churn_run, &c);
	weft_event_reset(&c.e);
	CHECK_EQ(weft_load_relaxed(&c.e.queue.word), 0);
}

/* ---- the last touch ---------------------------------------------------------------------- */

TEST(event_is_not_touched_after_the_wake)
{
	weft_event *e = heir_object();
	struct heir heir;

	heir_wait(&heir, e, weft_case_event(e));
	weft_event_set(e);
	CHECK_EQ(heir.wakes, 1);
}

enum { BOXES = 20000 };

static weft_event *boxes[BOXES];

static void set_or_free(void *arg, int index)
{
	team_meet(arg, 2);
	for (int i = 0; i < BOXES; i++) {
		if (index == 0) {
			weft_event_set(boxes[i]);
			continue;
		}
		while (weft_event_wait_until(boxes[i], i & 1 ? WEFT_NEVER : weft_after_us(i % 9)))
			continue;
		free(boxes[i]);
	}
}

TEST(event_may_be_freed_by_who_waited)
{
	static weft_atomic_u32 meeting;

	for (int i = 0; i < BOXES; i++) {
		boxes[i] = calloc(1, sizeof(*boxes[i]));
		CHECK_NOT_NULL(boxes[i]);
	}
	team_run(2, set_or_free, &meeting);
}

static void set_event(void *arg, int index)
{
	(void)index;
	weft_event_set(arg);
}

/* A set that still needs the queue's lock has not set yet. */
TEST(event_is_set_in_the_last_step)
{
	static weft_event e;
	struct team team = { .count = 0 };
	weft_case *head;
	struct puppet p;

	puppet_init(&p, true);
	CHECK_EQ(puppet_wait(&p, weft_case_event(&e)), -EAGAIN);
	head = weft__waitq_lock(&e.queue);
	team_add(&team, 1, set_event, &e);
	while (!(weft_load_relaxed(&e.queue.word) & WEFT__SLEEP))
		weft__thread_yield();
	CHECK(!weft_event_is_set(&e));
	weft__waitq_unlock(&e.queue, head, 0, 0);
	team_join(&team);
	CHECK_EQ(puppet_next(&p), 0);
}

/* ---- threads and tasks ------------------------------------------------------------------- */

enum { TASKS = 3 };

struct mixed {
	weft_event e;
	int data;
	struct poll_executor executor;
	struct poll_task tasks[TASKS];
	weft_case cases[TASKS];
};

static bool task_step(struct poll_task *task)
{
	struct mixed *m = task->arg;
	int result = weft__poll_next(&task->poll);

	if (result == -EAGAIN)
		return false;
	CHECK_EQ(result, 0);
	CHECK_EQ(m->data, 17);
	return true;
}

static void run_mixed(void *arg, int index)
{
	struct mixed *m = arg;

	if (index > 0) {
		CHECK_EQ(weft_event_wait(&m->e), 0);
		CHECK_EQ(m->data, 17);
		return;
	}
	for (int i = 0; i < TASKS; i++) {
		m->cases[i] = weft_case_event(&m->e);
		poll_task_init(&m->tasks[i], &m->executor, task_step, m);
		poll_task_begin(&m->tasks[i], &m->cases[i], 1);
	}
	poll_executor_run(&m->executor, m->tasks, TASKS);
}

TEST(event_wakes_threads_and_tasks)
{
	static struct mixed m;
	struct team team = { .count = 0 };

	for (int i = 0; i < 100; i++) {
		m = (struct mixed){ .data = 0 };
		team_add(&team, 3, run_mixed, &m);
		while (i % 3 != 0 && queue_count(&m.e.queue, false) < TASKS + 2)
			weft__thread_yield();
		m.data = 17;
		weft_event_set(&m.e);
		team_join(&team);
		CHECK_EQ(weft_load_relaxed(&m.e.queue.word), WEFT__A);
	}
}
