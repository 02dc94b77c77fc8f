/* SPDX-License-Identifier: MIT */
/*
 * Goal: no permit is lost or doubled, deadlines and cancellation as promised, and a
 * semaphore may be freed by who got the last permit that was to come.
 * Method: threads that acquire in all ways and count what they hold; the queue's
 * lock held by the test to stop a release at the moment that matters.
 * semaphore_wake_test.c looks at who is served.
 */
#include "weft/semaphore.h"

#include "weft/cancel.h"
#include "weft/select.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include "base/rng.h"

#include <errno.h>
#include <stdlib.h>

/* Nobody waits, and `permits` are there. */
static void check_at_rest(const weft_semaphore *s, uint32_t permits)
{
	CHECK_EQ(weft_semaphore_permits(s), permits);
	CHECK_EQ(weft_load_relaxed(&s->state), (uint64_t)permits << 2);
	CHECK_EQ(weft_load_relaxed(&s->queue.word), 0);
}

TEST(semaphore_of_zeros_has_no_permits)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;

	CHECK_EQ(weft_semaphore_permits(&s), 0);
	CHECK(!weft_semaphore_try_acquire(&s, 1));
	CHECK(weft_semaphore_try_acquire(&s, 0));
	CHECK_EQ(weft_semaphore_acquire(&s, 0), 0);
	check_at_rest(&s, 0);
}

TEST(semaphore_takes_all_or_nothing)
{
	weft_semaphore s;

	weft_semaphore_init(&s, 5);
	CHECK(!weft_semaphore_try_acquire(&s, 6));
	CHECK_EQ(weft_semaphore_acquire_until(&s, 6, 1), -ETIMEDOUT);
	check_at_rest(&s, 5);
	CHECK(weft_semaphore_try_acquire(&s, 2));
	CHECK_EQ(weft_semaphore_acquire(&s, 3), 0);
	check_at_rest(&s, 0);
	weft_semaphore_release(&s, 4);
	weft_semaphore_release(&s, 0);
	check_at_rest(&s, 4);
}

static void release_one(void *s)
{
	weft_semaphore_release(s, 1);
}

static void release_to_waiter(void *s)
{
	struct puppet p;

	puppet_init(&p, true);
	CHECK(weft_semaphore_try_acquire(s, WEFT_SEMAPHORE_MAX));
	CHECK_EQ(puppet_wait(&p, weft_case_acquire(s, 5)), -EAGAIN);
	weft_semaphore_release(s, 3);
	weft_semaphore_release(s, WEFT_SEMAPHORE_MAX);
}

TEST(semaphore_with_too_many_permits_dies)
{
	weft_semaphore s;

	weft_semaphore_init(&s, WEFT_SEMAPHORE_MAX);
	check_at_rest(&s, UINT32_MAX);
	weft_semaphore_release(&s, 0);
	CHECK_DIES(release_one, &s, "a semaphore got more permits than WEFT_SEMAPHORE_MAX");
	CHECK_DIES(release_to_waiter, &s, "a semaphore got more permits than WEFT_SEMAPHORE_MAX");
	CHECK_EQ(weft_semaphore_acquire(&s, WEFT_SEMAPHORE_MAX), 0);
	check_at_rest(&s, 0);
}

TEST(semaphore_acquire_ends_at_its_deadline)
{
	static const int64_t past[] = { 0, -1, INT64_MIN, 1 };
	weft_semaphore s = WEFT_SEMAPHORE_INIT;

	for (int i = 0; i < 4; i++) {
		CHECK_EQ(weft_semaphore_acquire_until(&s, 1, past[i]), -ETIMEDOUT);
		weft_semaphore_release(&s, 1);
		CHECK_EQ(weft_semaphore_acquire_until(&s, 1, past[i]), 0);
	}
	for (int i = 0; i < 20; i++) {
		int64_t deadline = weft_after_us(i * 100);

		CHECK_EQ(weft_semaphore_acquire_until(&s, 1, deadline), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
	}
	check_at_rest(&s, 0);
}

TEST(semaphore_acquire_is_cancelled_only_if_it_must_wait)
{
	weft_token token = { .parent = NULL };
	weft_token *outer = weft_ambient_set(&token);
	weft_semaphore s;

	weft_semaphore_init(&s, 1);
	weft_token_cancel(&token);
	CHECK_EQ(weft_semaphore_acquire(&s, 1), 0);
	CHECK_EQ(weft_semaphore_acquire(&s, 1), -ECANCELED);
	CHECK_EQ(weft_semaphore_acquire_until(&s, 1, 0), -ECANCELED);
	CHECK_EQ(weft_semaphore_acquire(&s, 0), 0);
	weft_ambient_set(outer);
	check_at_rest(&s, 0);
}

struct waiting {
	weft_semaphore s;
	weft_token token;
	int result;
};

static void acquire_two(void *arg, int index)
{
	struct waiting *w = arg;

	(void)index;
	weft_ambient_set(&w->token);
	w->result = weft_semaphore_acquire(&w->s, 2);
	weft_ambient_set(NULL);
}

TEST(semaphore_wait_is_ended_by_release_or_cancellation)
{
	static struct waiting w;
	struct team team = { .count = 0 };

	for (int i = 0; i < 40; i++) {
		w = (struct waiting){ .result = 1 };
		team_add(&team, 1, acquire_two, &w);
		await_asleep(&w.s.queue, 1);
		weft_semaphore_release(&w.s, 1);
		if (i & 1)
			weft_token_cancel(&w.token);
		else
			weft_semaphore_release(&w.s, 1);
		team_join(&team);
		CHECK_EQ(w.result, i & 1 ? -ECANCELED : 0);
		check_at_rest(&w.s, i & 1);
	}
}

/* ---- the last touch ---------------------------------------------------------------------- */

static void release_thread(void *arg, int index)
{
	(void)index;
	weft_semaphore_release(arg, 1);
}

static void waiter_init(weft_semaphore *s, struct puppet *p, bool certain, uint32_t need)
{
	puppet_init(p, certain);
	CHECK_EQ(puppet_wait(p, weft_case_acquire(s, need)), -EAGAIN);
}

/* A release that still has something to do with the queue has not given yet: who
 * took the permit might free the semaphore. */
TEST(semaphore_release_gives_in_its_last_step)
{
	static weft_semaphore s;
	struct team team = { .count = 0 };
	struct puppet p;
	weft_case *head;

	waiter_init(&s, &p, true, 1);
	head = weft__waitq_lock(&s.queue);
	team_add(&team, 1, release_thread, &s);
	while (!(weft_load_relaxed(&s.queue.word) & WEFT__SLEEP))
		weft__thread_yield();
	CHECK(!weft_semaphore_try_acquire(&s, 1));
	CHECK_EQ(weft_semaphore_permits(&s), 0);
	weft__waitq_unlock(&s.queue, head, 0, 0);
	team_join(&team);
	CHECK_EQ(puppet_next(&p), 0);
	check_at_rest(&s, 0);
}

TEST(semaphore_is_not_touched_after_the_wake)
{
	weft_semaphore *s = heir_object();
	struct heir heir;

	heir_wait(&heir, s, weft_case_acquire(s, 2));
	weft_semaphore_release(s, 1);
	CHECK_EQ(heir.wakes, 0);
	weft_semaphore_release(s, 1);
	CHECK_EQ(heir.wakes, 1);
}

enum { BOXES = 20000, RELEASERS = 2 };

static weft_semaphore *boxes[BOXES];

/* The first awaits one permit of each of the others, then frees the semaphore. */
static void release_or_free(void *arg, int index)
{
	team_meet(arg, 1 + RELEASERS);
	for (int i = 0; i < BOXES; i++) {
		if (index > 0) {
			weft_semaphore_release(boxes[i], 1);
			continue;
		}
		for (int k = 0; k < RELEASERS; k++)
			while (weft_semaphore_acquire_until(boxes[i], 1, weft_after_us(i % 20)))
				continue;
		free(boxes[i]);
	}
}

TEST(semaphore_may_be_freed_by_who_got_all_permits)
{
	static weft_atomic_u32 meeting;

	for (int i = 0; i < BOXES; i++) {
		boxes[i] = calloc(1, sizeof(*boxes[i]));
		CHECK_NOT_NULL(boxes[i]);
	}
	team_run(1 + RELEASERS, release_or_free, &meeting);
}

/* ---- threads and tasks ------------------------------------------------------------------- */

enum { PERMITS = 5, ROUNDS = 5000, THREADS = 6, TASKS = 3 };

struct shared {
	weft_semaphore s;
	weft_atomic_u32 meeting;
	weft_atomic_u32 held;
	struct poll_executor executor;
	struct poll_task tasks[TASKS];
	weft_case cases[TASKS];
	int left[TASKS];
};

static void hold(struct shared *sh, uint32_t count)
{
	uint32_t before = weft_add_relaxed(&sh->held, count);

	CHECK_LE(before + count, PERMITS);
	weft_sub_relaxed(&sh->held, count);
	weft_semaphore_release(&sh->s, count);
}

static bool task_step(struct poll_task *task)
{
	struct shared *sh = task->arg;
	int me = (int)(task - sh->tasks);

	while (weft__poll_next(&task->poll) == 0) {
		hold(sh, sh->cases[me].need);
		if (--sh->left[me] == 0)
			return true;
		sh->cases[me] = weft_case_acquire(&sh->s, 1 + (uint32_t)sh->left[me] % PERMITS);
		poll_task_begin(task, &sh->cases[me], 1);
		if (sh->left[me] % 7 != 0)
			continue;
		/* Gives up; what it got all the same goes back. */
		if (weft__poll_next(&task->poll) == 0 || weft__poll_drop(&task->poll) == 0)
			hold(sh, sh->cases[me].need);
		poll_task_begin(task, &sh->cases[me], 1);
	}
	return false;
}

static void run_tasks(struct shared *sh)
{
	for (int i = 0; i < TASKS; i++) {
		sh->left[i] = ROUNDS;
		sh->cases[i] = weft_case_acquire(&sh->s, 1);
		poll_task_init(&sh->tasks[i], &sh->executor, task_step, sh);
		poll_task_begin(&sh->tasks[i], &sh->cases[i], 1);
	}
	poll_executor_run(&sh->executor, sh->tasks, TASKS);
}

static void acquire_and_hold(void *arg, int index)
{
	struct shared *sh = arg;
	struct weft__rng rng = { (uint64_t)index };

	team_meet(&sh->meeting, THREADS);
	if (index == 0) {
		run_tasks(sh);
		return;
	}
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t count = weft__rng_below(&rng, PERMITS + 1);
		int64_t deadline = index & 1 ? WEFT_NEVER : weft_after_us(i % 64);

		if (index == 2 ? weft_semaphore_try_acquire(&sh->s, count)
			       : weft_semaphore_acquire_until(&sh->s, count, deadline) == 0)
			hold(sh, count);
	}
}

TEST(semaphore_keeps_count_of_its_permits)
{
	static struct shared sh;

	weft_semaphore_init(&sh.s, PERMITS);
	team_run(THREADS, acquire_and_hold, &sh);
	check_at_rest(&sh.s, PERMITS);
}

TEST(semaphore_keeps_count_of_its_permits_on_one_cpu)
{
	static struct shared sh;
	cpu_set_t mask = pin_to_one_cpu();

	weft_semaphore_init(&sh.s, PERMITS);
	team_run(THREADS, acquire_and_hold, &sh);
	unpin(mask);
	check_at_rest(&sh.s, PERMITS);
}
