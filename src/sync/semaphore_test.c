/* SPDX-License-Identifier: MIT */
/*
 * Goal: no permit is lost or doubled, they go to who waits in the order of arrival,
 * large requests do not starve, and a semaphore may be freed by who got the last
 * permit that was to come.
 * Method: puppets for each order of release, arrival and leaving; threads that
 * acquire in all ways and count what they hold; the queue's lock held by the test
 * to stop a release at the moment that matters.
 */
#include "weft/semaphore.h"

#include "weft/cancel.h"
#include "weft/mutex.h"
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

/* ---- the order --------------------------------------------------------------------------- */

static void waiter_init(weft_semaphore *s, struct puppet *p, bool certain, uint32_t need)
{
	puppet_init(p, certain);
	CHECK_EQ(puppet_wait(p, weft_case_acquire(s, need)), -EAGAIN);
}

TEST(semaphore_serves_in_order_of_arrival)
{
	static const uint32_t need[] = { 2, 1, 3, 1 };
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet p[4];

	for (int i = 0; i < 4; i++)
		waiter_init(&s, &p[i], true, need[i]);
	for (int i = 0; i < 4; i++) {
		weft_semaphore_release(&s, need[i] - 1);
		CHECK_EQ(p[i].wakes, 0); /* nobody behind it gets what it waits for */
		weft_semaphore_release(&s, 1);
		CHECK_EQ(p[i].wakes, 1);
		CHECK_EQ(weft_semaphore_permits(&s), 0); /* handed over, not offered */
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(puppet_next(&p[i]), 0);
	check_at_rest(&s, 0);
}

TEST(semaphore_one_release_serves_many)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet p[5];

	for (int i = 0; i < 5; i++)
		waiter_init(&s, &p[i], true, 2);
	weft_semaphore_release(&s, 7);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(puppet_next(&p[i]), i < 3 ? 0 : -EAGAIN);
	CHECK_EQ(weft_semaphore_permits(&s), 1);
	CHECK_EQ(puppet_drop(&p[3]), -EAGAIN);
	CHECK_EQ(puppet_drop(&p[4]), -EAGAIN);
	check_at_rest(&s, 1);
}

TEST(semaphore_waiter_that_leaves_makes_room)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet big, small[2];

	weft_semaphore_release(&s, 2);
	waiter_init(&s, &big, true, 5);
	for (int i = 0; i < 2; i++) {
		puppet_init(&small[i], true);
		/* A newcomer may overtake while permits are there. */
		CHECK_EQ(puppet_wait(&small[i], weft_case_acquire(&s, 1)), 0);
	}
	for (int i = 0; i < 2; i++)
		waiter_init(&s, &small[i], true, 1);
	weft_semaphore_release(&s, 2);
	CHECK_EQ(small[0].wakes + small[1].wakes, 0);
	CHECK_EQ(puppet_drop(&big), -EAGAIN);
	CHECK_EQ(puppet_next(&small[0]), 0);
	CHECK_EQ(puppet_next(&small[1]), 0);
	check_at_rest(&s, 0);
}

/* The permits of a party that was served while it was about to leave are its own. */
TEST(semaphore_served_while_leaving_is_served)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet p[2];

	waiter_init(&s, &p[0], true, 1);
	waiter_init(&s, &p[1], true, 1);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(puppet_drop(&p[0]), 0);
	CHECK_EQ(puppet_drop(&p[1]), -EAGAIN);
	check_at_rest(&s, 0);
}

/* ---- passed over ------------------------------------------------------------------------- */

/* Releases to a big waiter, taken away again by a newcomer, until newcomers are
 * held off. */
static int passes_until_starved(weft_semaphore *s)
{
	for (int passes = 0; passes < 100; passes++) {
		weft_semaphore_release(s, 1);
		if (!weft_semaphore_try_acquire(s, 1))
			return passes;
	}
	FAIL("newcomers overtook a waiter 100 times");
}

TEST(semaphore_starved_waiter_holds_newcomers_off)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet big, late;

	waiter_init(&s, &big, true, 3);
	CHECK_LE(passes_until_starved(&s), 31);
	CHECK_EQ(weft_semaphore_acquire_until(&s, 1, 0), -ETIMEDOUT);
	waiter_init(&s, &late, true, 1); /* queues up, although a permit is there */
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&big), 0);
	CHECK_EQ(puppet_next(&late), -EAGAIN);
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&late), 0);
	check_at_rest(&s, 1);
	CHECK(weft_semaphore_try_acquire(&s, 1));
}

TEST(semaphore_starved_waiter_that_leaves_lets_newcomers_in)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet big, late;

	for (int behind = 0; behind < 2; behind++) {
		waiter_init(&s, &big, true, 3);
		CHECK_LE(passes_until_starved(&s), 31);
		if (behind)
			waiter_init(&s, &late, true, 1);
		CHECK_EQ(puppet_drop(&big), -EAGAIN);
		if (behind)
			CHECK_EQ(puppet_next(&late), 0);
		else
			CHECK(weft_semaphore_try_acquire(&s, 1));
		check_at_rest(&s, 0);
	}
}

/* A starved party is linked anew, at the end of the queue, when its select was
 * woken for another case; it must neither open the door for newcomers while the
 * next one is starved, nor forget that it was starved itself. */
TEST(semaphore_starved_select_stays_starved)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	weft_mutex m = WEFT_MUTEX_INIT;
	weft_case cases[2];
	struct puppet p, other;

	weft_mutex_lock(&m);
	cases[0] = weft_case_acquire(&s, 3);
	cases[1] = weft_case_lock(&m);
	puppet_init(&p, true);
	CHECK_EQ(puppet_begin(&p, cases, 2, 0), -EAGAIN);
	CHECK_LE(passes_until_starved(&s), 31);
	waiter_init(&s, &other, true, 3);
	CHECK_EQ(weft_semaphore_permits(&s), 1);
	weft_mutex_unlock(&m); /* wakes it for nothing: */
	CHECK(weft_mutex_try_lock(&m));
	CHECK_EQ(puppet_next(&p), -EAGAIN); /* now it is behind `other` */
	CHECK(weft_semaphore_try_acquire(&s, 1));
	CHECK_LE(passes_until_starved(&s), 31);
	/* The first one leaves for good: `other` goes on holding newcomers off. */
	CHECK_EQ(puppet_drop(&p), -EAGAIN);
	CHECK(!weft_semaphore_try_acquire(&s, 1));
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&other), 0);
	check_at_rest(&s, 0);

	/* Alone in the queue, relinked, it holds them off again. */
	CHECK_EQ(puppet_begin(&p, cases, 2, 0), -EAGAIN);
	CHECK_LE(passes_until_starved(&s), 31);
	weft_mutex_unlock(&m);
	CHECK(weft_mutex_try_lock(&m));
	CHECK_EQ(puppet_next(&p), -EAGAIN);
	weft_semaphore_release(&s, 0);
	CHECK(!weft_semaphore_try_acquire(&s, 1));
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&p), 0);
	check_at_rest(&s, 0);
}

/* A large request of a select does not stand in the way of its own smaller one. */
TEST(semaphore_select_may_take_less_if_more_is_not_there)
{
	for (int order = 0; order < 2; order++) {
		weft_semaphore s = WEFT_SEMAPHORE_INIT;
		weft_case cases[] = { weft_case_acquire(&s, order ? 9 : 2),
				      weft_case_acquire(&s, order ? 2 : 9) };
		struct puppet p, next;

		puppet_init(&p, true);
		CHECK_EQ(puppet_begin(&p, cases, 2, WEFT__BIASED), -EAGAIN);
		waiter_init(&s, &next, true, 1);
		weft_semaphore_release(&s, 3);
		CHECK_EQ(puppet_next(&p), order);
		CHECK_EQ(puppet_next(&next), 0); /* by then it was first */
		check_at_rest(&s, 0);
	}
}

/* ---- futures ----------------------------------------------------------------------------- */

TEST(semaphore_permits_are_never_handed_to_a_future)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet p;

	waiter_init(&s, &p, false, 2);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(p.wakes, 0);
	for (int i = 1; i < 100; i++) {
		weft_semaphore_release(&s, 1);
		CHECK_EQ(p.wakes, i);
		CHECK(weft_semaphore_try_acquire(&s, 1)); /* overtaken */
		CHECK_EQ(puppet_next(&p), -EAGAIN);
	}
	weft_semaphore_release(&s, 1);
	CHECK_EQ(weft_semaphore_permits(&s), 2);
	CHECK_EQ(puppet_next(&p), 0);
	check_at_rest(&s, 0);
}

TEST(semaphore_thread_behind_futures_is_served)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet future[2], thread;

	waiter_init(&s, &future[0], false, 1);
	waiter_init(&s, &future[1], false, 1);
	waiter_init(&s, &thread, true, 1);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(future[0].wakes + future[1].wakes, 2);
	CHECK_EQ(puppet_next(&thread), 0);
	CHECK_EQ(puppet_next(&future[0]), -EAGAIN);
	CHECK_EQ(puppet_drop(&future[1]), -EAGAIN);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(puppet_next(&future[0]), 0);
	check_at_rest(&s, 0);
}

/* A future in front that wants more than there is, and one that was told and does
 * not come, are not in the way; nor is a thread behind them overtaken for ever. */
TEST(semaphore_parked_future_holds_back_nobody)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet told, big, thread[2];

	waiter_init(&s, &told, false, 1);
	waiter_init(&s, &big, false, 9);
	waiter_init(&s, &thread[0], true, 1);
	waiter_init(&s, &thread[1], true, 3);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(told.wakes, 1);
	CHECK_EQ(puppet_next(&thread[0]), 0);
	CHECK_LE(passes_until_starved(&s), 31);
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&thread[1]), 0);
	CHECK_EQ(puppet_drop(&told), -EAGAIN);
	CHECK_EQ(puppet_drop(&big), -EAGAIN);
	check_at_rest(&s, 0);
}

/* Futures behind a thread that waits are not told of permits that are its. */
TEST(semaphore_future_behind_a_thread_waits)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet thread, future;

	waiter_init(&s, &thread, true, 2);
	waiter_init(&s, &future, false, 1);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(future.wakes, 0);
	CHECK_EQ(puppet_drop(&thread), -EAGAIN);
	CHECK_EQ(future.wakes, 1);
	CHECK_EQ(puppet_next(&future), 0);
	check_at_rest(&s, 0);
}

/* ---- the last touch ---------------------------------------------------------------------- */

static void release_thread(void *arg, int index)
{
	(void)index;
	weft_semaphore_release(arg, 1);
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
