/* SPDX-License-Identifier: MIT */
/*
 * Goal: a free mutex with waiters has somebody on the way, however those who were
 * woken leave or are overtaken; a future is told and never given; who is overtaken
 * often gets the mutex.
 * Method: puppets, which stand still between being woken and looking, where threads
 * do so once in a million times; then threads and tasks together.
 */
#include "weft/mutex.h"

#include "weft/event.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include <errno.h>

/* ---- who is woken, and what becomes of the wake ------------------------------------------ */

static void waiters_init(weft_mutex *m, struct puppet *p, int count, bool certain)
{
	for (int i = 0; i < count; i++) {
		puppet_init(&p[i], certain);
		CHECK_EQ(puppet_wait(&p[i], weft_case_lock(m)), -EAGAIN);
	}
}

/* The mutex is free and nobody is left in it. */
static void check_at_rest(weft_mutex *m)
{
	CHECK_EQ(weft_load_relaxed(&m->queue.word), 0);
}

TEST(mutex_unlock_wakes_the_first_and_frees)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet p[3];

	weft_mutex_lock(&m);
	waiters_init(&m, p, 3, true);
	for (int i = 0; i < 3; i++) {
		weft_mutex_unlock(&m);
		CHECK(!weft_mutex_is_locked(&m));
		CHECK_EQ(p[i].wakes, 1);
		CHECK(i == 2 || p[i + 1].wakes == 0);
		CHECK_EQ(puppet_next(&p[i]), 0);
	}
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

/* One waiter on its way is enough: unlocking meanwhile wakes no further one. */
TEST(mutex_unlock_wakes_nobody_while_one_is_on_its_way)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet p[2];

	weft_mutex_lock(&m);
	waiters_init(&m, p, 2, true);
	weft_mutex_unlock(&m);
	for (int i = 0; i < 5; i++) {
		CHECK(weft_mutex_try_lock(&m)); /* barging */
		weft_mutex_unlock(&m);
	}
	CHECK_EQ(p[0].wakes, 1);
	CHECK_EQ(p[1].wakes, 0);
	CHECK_EQ(puppet_next(&p[0]), 0);
	weft_mutex_unlock(&m);
	CHECK_EQ(p[1].wakes, 1);
	CHECK_EQ(puppet_next(&p[1]), 0);
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

TEST(mutex_overtaken_waiter_keeps_its_place)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet p[2];

	for (int certain = 0; certain < 2; certain++) {
		weft_mutex_lock(&m);
		waiters_init(&m, p, 2, certain);
		weft_mutex_unlock(&m);
		CHECK(weft_mutex_try_lock(&m));
		CHECK_EQ(puppet_next(&p[0]), -EAGAIN);
		weft_mutex_unlock(&m);
		CHECK_EQ(p[0].wakes, 2);
		CHECK_EQ(puppet_next(&p[0]), 0);
		CHECK_EQ(puppet_next(&p[1]), -EAGAIN);
		weft_mutex_unlock(&m);
		CHECK_EQ(puppet_next(&p[1]), 0);
		weft_mutex_unlock(&m);
		check_at_rest(&m);
	}
}

TEST(mutex_waiter_that_leaves_passes_its_wake_on)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet p[3];

	weft_mutex_lock(&m);
	waiters_init(&m, p, 3, true);
	weft_mutex_unlock(&m);
	CHECK_EQ(p[0].wakes, 1);
	CHECK_EQ(puppet_drop(&p[0]), -EAGAIN);
	CHECK_EQ(p[1].wakes, 1);
	CHECK(weft_mutex_try_lock(&m)); /* while it is locked just as well */
	CHECK_EQ(puppet_drop(&p[1]), -EAGAIN);
	CHECK_EQ(p[2].wakes, 1);
	CHECK_EQ(puppet_next(&p[2]), -EAGAIN);
	weft_mutex_unlock(&m);
	CHECK_EQ(puppet_next(&p[2]), 0);
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

TEST(mutex_last_waiter_that_leaves_takes_its_mark_along)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet p[2];

	weft_mutex_lock(&m);
	waiters_init(&m, &p[0], 1, true);
	weft_mutex_unlock(&m);
	CHECK_EQ(puppet_drop(&p[0]), -EAGAIN);
	check_at_rest(&m);
	/* Were it still marked, the next one would not be woken. */
	weft_mutex_lock(&m);
	waiters_init(&m, &p[1], 1, true);
	weft_mutex_unlock(&m);
	CHECK_EQ(p[1].wakes, 1);
	CHECK_EQ(puppet_next(&p[1]), 0);
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

TEST(mutex_waiter_that_leaves_unwoken_is_gone)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet p[3];

	for (int certain = 0; certain < 2; certain++) {
		weft_mutex_lock(&m);
		waiters_init(&m, p, 3, certain);
		CHECK_EQ(puppet_drop(&p[1]), -EAGAIN);
		CHECK_EQ(puppet_drop(&p[0]), -EAGAIN);
		weft_mutex_unlock(&m);
		CHECK_EQ(p[0].wakes + p[1].wakes, 0);
		CHECK_EQ(p[2].wakes, 1);
		CHECK_EQ(puppet_drop(&p[2]), -EAGAIN);
		check_at_rest(&m);
	}
}

/* ---- futures ----------------------------------------------------------------------------- */

TEST(mutex_is_never_handed_to_a_future)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet p;

	weft_mutex_lock(&m);
	waiters_init(&m, &p, 1, false);
	for (int i = 1; i < 200; i++) {
		weft_mutex_unlock(&m);
		CHECK_EQ(p.wakes, i);
		CHECK(weft_mutex_try_lock(&m)); /* it is free, whatever was overtaken */
		CHECK_EQ(puppet_next(&p), -EAGAIN);
	}
	weft_mutex_unlock(&m);
	CHECK_EQ(puppet_next(&p), 0);
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

/* The futures in front are never polled again: the thread runs all the same. */
TEST(mutex_thread_behind_futures_is_woken_too)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet future[3], thread;

	weft_mutex_lock(&m);
	waiters_init(&m, future, 3, false);
	waiters_init(&m, &thread, 1, true);
	weft_mutex_unlock(&m);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(future[i].wakes, 1);
	CHECK_EQ(thread.wakes, 1);
	CHECK_EQ(puppet_next(&thread), 0);
	weft_mutex_unlock(&m);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(puppet_drop(&future[i]), -EAGAIN);
	check_at_rest(&m);
}

TEST(mutex_future_that_leaves_harms_nobody)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet future, thread, late;

	weft_mutex_lock(&m);
	waiters_init(&m, &future, 1, false);
	waiters_init(&m, &thread, 1, true);
	weft_mutex_unlock(&m);
	CHECK_EQ(puppet_drop(&future), -EAGAIN);
	CHECK(weft_mutex_try_lock(&m));
	waiters_init(&m, &late, 1, true);
	weft_mutex_unlock(&m); /* `thread` is on its way still */
	CHECK_EQ(late.wakes, 0);
	CHECK_EQ(puppet_drop(&thread), -EAGAIN);
	CHECK_EQ(late.wakes, 1);
	CHECK_EQ(puppet_next(&late), 0);
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

/* ---- fairness ---------------------------------------------------------------------------- */

/* The hog takes the mutex back before the waiter looks, each time. */
static int losses_until_handed_over(weft_mutex *m, struct puppet *waiter, struct puppet *future)
{
	for (int losses = 0; losses < 100; losses++) {
		int result;

		weft_mutex_unlock(m);
		if (weft_mutex_is_locked(m)) {
			CHECK_EQ(puppet_next(waiter), 0);
			return losses;
		}
		CHECK(weft_mutex_try_lock(m));
		result = puppet_next(waiter);
		CHECK_EQ(result, -EAGAIN);
		if (future)
			CHECK_EQ(puppet_next(future), -EAGAIN);
	}
	FAIL("a waiter was overtaken 100 times");
}

TEST(mutex_is_handed_to_a_waiter_that_lost_often)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet p;

	weft_mutex_lock(&m);
	waiters_init(&m, &p, 1, true);
	CHECK_LE(losses_until_handed_over(&m, &p, NULL), 30);
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

TEST(mutex_is_handed_to_a_waiter_that_waited_long)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	int64_t later;
	struct puppet p;

	weft_mutex_lock(&m);
	waiters_init(&m, &p, 1, true);
	later = weft_after_us(600);
	while (weft_now() < later)
		weft__cpu_pause();
	CHECK_EQ(losses_until_handed_over(&m, &p, NULL), 1);
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

/* A future that is overtaken as often, and comes back to the front after the
 * thread each time, does not stand in its way. */
TEST(mutex_is_handed_to_a_thread_behind_a_future)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet thread, future;

	weft_mutex_lock(&m);
	waiters_init(&m, &future, 1, false);
	waiters_init(&m, &thread, 1, true);
	CHECK_LE(losses_until_handed_over(&m, &thread, &future), 31);
	CHECK_EQ(puppet_next(&future), -EAGAIN);
	weft_mutex_unlock(&m);
	CHECK_EQ(puppet_next(&future), 0);
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

/* A waiter to whom the mutex was handed holds it, even if it came to leave. */
TEST(mutex_handed_over_while_leaving_is_held)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	struct puppet p[2];

	weft_mutex_lock(&m);
	waiters_init(&m, p, 2, true);
	for (int i = 0; i < 100; i++) {
		weft_mutex_unlock(&m);
		if (weft_mutex_is_locked(&m))
			break;
		CHECK(weft_mutex_try_lock(&m));
		CHECK_EQ(puppet_next(&p[0]), -EAGAIN);
	}
	CHECK_EQ(puppet_drop(&p[0]), 0);
	CHECK_EQ(p[1].wakes, 0);
	weft_mutex_unlock(&m);
	CHECK_EQ(puppet_next(&p[1]), 0);
	weft_mutex_unlock(&m);
	check_at_rest(&m);
}

/* Its party was completed by the event and has not run yet: it wants no lock. */
TEST(mutex_is_not_handed_to_who_has_left)
{
	weft_mutex m = WEFT_MUTEX_INIT;
	weft_event e = WEFT_EVENT_INIT;
	weft_case cases[] = { weft_case_lock(&m), weft_case_event(&e) };
	struct puppet p, next;

	for (int behind = 0; behind < 2; behind++) {
		weft_mutex_lock(&m);
		puppet_init(&p, true);
		CHECK_EQ(puppet_begin(&p, cases, 2, 0), -EAGAIN);
		for (int i = 0; i < 40 && cases[0].passes < 30; i++) {
			weft_mutex_unlock(&m);
			CHECK(weft_mutex_try_lock(&m));
			CHECK_EQ(puppet_next(&p), -EAGAIN);
		}
		CHECK_GE(cases[0].passes, 30); /* it is the next to be handed the lock */
		if (behind)
			waiters_init(&m, &next, 1, true);
		weft_event_set(&e);
		weft_mutex_unlock(&m);
		CHECK(!weft_mutex_is_locked(&m));
		CHECK_EQ(puppet_next(&p), 1);
		if (behind) {
			CHECK_EQ(next.wakes, 1);
			CHECK_EQ(puppet_next(&next), 0);
			weft_mutex_unlock(&m);
		}
		weft_event_reset(&e);
		check_at_rest(&m);
	}
}

TEST(mutex_is_not_touched_after_the_wake)
{
	for (int handed = 0; handed < 2; handed++) {
		weft_mutex *m = heir_object();
		struct heir heir;

		weft_mutex_lock(m);
		heir_wait(&heir, m, weft_case_lock(m));
		heir.puppet.one.passes = handed ? 30 : 0;
		weft_mutex_unlock(m);
		CHECK_EQ(heir.wakes, 1);
	}
}

/* ---- threads and tasks on the same mutex ------------------------------------------------- */

enum { ROUNDS = 5000 };

struct mixed {
	weft_mutex mutex;
	uint64_t counter; /* guarded by mutex */
	struct poll_executor executor;
	struct poll_task tasks[4];
	weft_case cases[4];
	int left[4];
};

/* Begins to wait, and gives up again: whatever comes of it is undone. */
static void task_try_and_leave(struct poll_task *task, struct mixed *m, weft_case *c)
{
	poll_task_begin(task, c, 1);
	if (weft__poll_next(&task->poll) == 0 || weft__poll_drop(&task->poll) == 0)
		weft_mutex_unlock(&m->mutex);
}

static bool task_step(struct poll_task *task)
{
	struct mixed *m = task->arg;
	int me = (int)(task - m->tasks);
	int result;

	while ((result = weft__poll_next(&task->poll)) == 0) {
		m->counter++;
		weft_mutex_unlock(&m->mutex);
		if (--m->left[me] == 0)
			return true;
		if (m->left[me] % 7 == 0)
			task_try_and_leave(task, m, &m->cases[me]);
		poll_task_begin(task, &m->cases[me], 1);
	}
	CHECK_EQ(result, -EAGAIN);
	return false;
}

static void run_mixed(void *arg, int index)
{
	struct mixed *m = arg;

	for (int i = 0; index > 0 && i < ROUNDS; i++) {
		weft_mutex_lock(&m->mutex);
		m->counter++;
		weft_mutex_unlock(&m->mutex);
	}
	if (index > 0)
		return;
	for (int i = 0; i < 4; i++) {
		m->left[i] = ROUNDS;
		m->cases[i] = weft_case_lock(&m->mutex);
		poll_task_init(&m->tasks[i], &m->executor, task_step, m);
		poll_task_begin(&m->tasks[i], &m->cases[i], 1);
	}
	poll_executor_run(&m->executor, m->tasks, 4);
}

TEST(mutex_serves_threads_and_tasks)
{
	static struct mixed m;

	team_run(5, run_mixed, &m);
	CHECK_EQ(m.counter, (4 + 4) * ROUNDS);
	CHECK_EQ(weft_load_relaxed(&m.mutex.queue.word), 0);
}
