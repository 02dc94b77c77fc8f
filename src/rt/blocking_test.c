/* SPDX-License-Identifier: MIT */
/*
 * The lanes of the blocking pool, called from plain threads: who comes for a job,
 * how many, when they leave, what is refused. What fibers add is tested where
 * there are fibers.
 */
#include "rt/blocking.h"

#include <errno.h>
#include <sys/syscall.h>

#include "base/rng.h"
#include "sys/linux/sandbox_test.h"
#include "team_test.h"
#include "weft/cancel.h"
#include "weft/event.h"
#include "weft/scope.h"

static struct weft__lane lane;
static weft_event gate, inside;
static weft_atomic_u32 ran;

static void lane_begin(uint32_t threads_most)
{
	weft__lane_init(&lane, threads_most, "lane");
	weft_event_reset(&gate);
	weft_event_reset(&inside);
	weft_store_relaxed(&ran, 0);
}

/* A number of the lane, read under its lock. */
static uint32_t look(const uint32_t *number)
{
	uint32_t value;

	weft_mutex_lock(&lane.mutex);
	value = *number;
	weft_mutex_unlock(&lane.mutex);
	return value;
}

static void await(const uint32_t *number, uint32_t value)
{
	while (look(number) != value)
		weft__thread_yield();
}

/* Until nobody is busy or on the way. */
static void await_rest(void)
{
	for (bool resting = false; !resting; weft__thread_yield()) {
		uint32_t count = 0;

		weft_mutex_lock(&lane.mutex);
		for (struct weft__list_node *node = weft__list_first(&lane.idle); node;
		     node = weft__list_next(&lane.idle, node))
			count++;
		resting = count == lane.threads;
		weft_mutex_unlock(&lane.mutex);
	}
}

static int answer(void *arg)
{
	weft_add_relaxed(&ran, 1);
	return *(int *)arg;
}

static int wait_for_gate(void *arg)
{
	(void)arg;
	weft_event_set(&inside);
	weft_add_relaxed(&ran, 1);
	return weft_event_wait(&gate);
}

/* The job of team members: each blocks one thread of the lane until the gate opens. */
static void occupy(void *arg, int index)
{
	(void)arg;
	(void)index;
	CHECK_EQ(weft__lane_run(&lane, wait_for_gate, NULL), 0);
}

static int other_thread(void *arg)
{
	return *(weft_thread **)arg != weft_thread_current();
}

TEST(lane_runs_elsewhere_and_returns_the_result)
{
	weft_thread *self = weft_thread_current();
	int result = -EXDEV;

	lane_begin(0);
	CHECK_EQ(weft__lane_run(&lane, other_thread, &self), 1);
	CHECK_EQ(weft__lane_run(&lane, answer, &result), -EXDEV);
	weft__lane_close(&lane);
	CHECK_EQ(weft__lane_run(&lane, answer, &result), -EPIPE);
}

TEST(lane_needs_one_thread_for_one_job_at_a_time)
{
	int zero = 0;

	lane_begin(0);
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(weft__lane_run(&lane, answer, &zero), 0);
		await_rest();
	}
	CHECK_EQ(lane.started, 1);
	CHECK_EQ(lane.served, 1000);
	weft__lane_close(&lane);
}

TEST(lane_has_a_thread_for_each_job_up_to_its_bound)
{
	struct team team = { .count = 0 };

	lane_begin(3);
	team_add(&team, 3, occupy, NULL);
	await_u32(&ran, 3);
	team_add(&team, 2, occupy, NULL);
	await(&lane.queued, 2);
	CHECK_EQ(look(&lane.threads), 3);
	weft_event_set(&gate);
	team_join(&team);
	CHECK_EQ(weft_load_relaxed(&ran), 5);
	CHECK_EQ(lane.started, 3);
	weft__lane_close(&lane);
}

TEST(lane_refuses_when_too_many_wait)
{
	struct team team = { .count = 0 };
	int zero = 0;

	lane_begin(1);
	lane.queue_most = 2;
	team_add(&team, 1, occupy, NULL);
	await_u32(&ran, 1);
	team_add(&team, 2, occupy, NULL);
	await(&lane.queued, 2);
	CHECK_EQ(weft__lane_run(&lane, answer, &zero), -EAGAIN);
	CHECK_EQ(lane.refused, 1);
	weft_event_set(&gate);
	team_join(&team);
	CHECK_EQ(weft__lane_run(&lane, answer, &zero), 0);
	CHECK_EQ(weft_load_relaxed(&ran), 4);
	weft__lane_close(&lane);
}

TEST(lane_lets_threads_leave_that_have_rested)
{
	int zero = 0;

	lane_begin(0);
	lane.rest_ns = WEFT_US;
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(weft__lane_run(&lane, answer, &zero), 0);
		await(&lane.threads, 0);
	}
	CHECK_EQ(lane.started, 100);
	weft__lane_close(&lane);
}

/* Of many threads that a burst needed, a trickle of jobs keeps one: were they
 * called in turn, none would ever rest for long. */
TEST(lane_keeps_only_what_a_trickle_needs)
{
	struct team team = { .count = 0 };
	int zero = 0;

	lane_begin(0);
	lane.rest_ns = 200 * WEFT_MS;
	team_add(&team, 8, occupy, NULL);
	await_u32(&ran, 8);
	weft_event_set(&gate);
	team_join(&team);
	while (look(&lane.threads) > 1) {
		await_rest();
		CHECK_EQ(weft__lane_run(&lane, answer, &zero), 0);
	}
	CHECK_EQ(lane.started, 8);
	weft__lane_close(&lane);
}

static int see_ambient(void *arg)
{
	return weft_ambient() == arg;
}

TEST(lane_closes_while_threads_leave)
{
	int zero = 0;

	for (int i = 0; i < 300; i++) {
		lane_begin(0);
		lane.rest_ns = WEFT_US * (i % 30);
		CHECK_EQ(weft__lane_run(&lane, answer, &zero), 0);
		weft__lane_close(&lane);
		CHECK_EQ(lane.threads, 0);
	}
}

TEST(lane_runs_under_the_callers_token)
{
	weft_scope scope;

	lane_begin(0);
	weft_scope_open(&scope);
	CHECK_EQ(weft__lane_run(&lane, see_ambient, &scope.token), 1);
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(weft__lane_run(&lane, see_ambient, NULL), 1);
	weft__lane_close(&lane);
}

/* ---- cancellation ------------------------------------------------------------------ */

static weft_token token;
static weft_event under_way;

static void cancelled_in_the_queue(void *arg, int index)
{
	int zero = 0;

	(void)arg;
	(void)index;
	weft_ambient_set(&token);
	CHECK_EQ(weft__lane_run(&lane, answer, &zero), -ECANCELED);
	/* Now that it is cancelled, it is not even tried. */
	CHECK_EQ(weft__lane_run(&lane, answer, &zero), -ECANCELED);
	weft_ambient_set(NULL);
}

TEST(lane_forgets_a_cancelled_job_that_has_not_begun)
{
	struct team team = { .count = 0 };

	weft_token_init(&token, NULL);
	lane_begin(1);
	team_add(&team, 1, occupy, NULL);
	await_u32(&ran, 1);
	team_add(&team, 1, cancelled_in_the_queue, NULL);
	await(&lane.queued, 1);
	weft_token_cancel(&token);
	weft__thread_join(team.member[1].thread);
	CHECK_EQ(look(&lane.queued), 0);
	weft_event_set(&gate);
	team.count = 1;
	team_join(&team);
	CHECK_EQ(weft_load_relaxed(&ran), 1);
	weft__lane_close(&lane);
}

/* Uses the caller's frame after it has been cancelled. */
static int deaf(void *arg)
{
	weft_event_set(&under_way);
	while (!weft_event_is_set(&gate))
		weft__thread_yield();
	return ++*(int *)arg;
}

static void cancelled_under_way(void *arg, int index)
{
	int local = 41;

	(void)arg;
	(void)index;
	weft_ambient_set(&token);
	CHECK_EQ(weft__lane_run(&lane, deaf, &local), 42);
	CHECK_EQ(local, 42);
	weft_ambient_set(NULL);
}

TEST(lane_waits_for_a_cancelled_job_that_has_begun)
{
	struct team team = { .count = 0 };

	weft_token_init(&token, NULL);
	lane_begin(0);
	team_add(&team, 1, cancelled_under_way, NULL);
	CHECK_EQ(weft_event_wait(&under_way), 0);
	weft_token_cancel(&token);
	weft_event_set(&gate);
	team_join(&team);
	weft__lane_close(&lane);
}

/* ---- when no thread can be had ------------------------------------------------------- */

/* The flags with which threads are made: a leak checker has tasks of its own. */
enum { THREAD_FLAGS = 0x3d0f00 };

static void refuse_threads(void)
{
	CHECK(sandbox_refuse(SYS_clone, 0, THREAD_FLAGS, THREAD_FLAGS, EAGAIN));
#ifdef SYS_clone3
	CHECK(sandbox_refuse(SYS_clone3, 1, 0, UINT32_MAX, EAGAIN));
#endif
}

static void without_any_thread(void)
{
	int zero = 0;

	lane_begin(0);
	refuse_threads();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft__lane_run(&lane, answer, &zero), -EAGAIN);
	CHECK_EQ(weft_load_relaxed(&ran), 0);
	CHECK_EQ(lane.threads, 0);
	CHECK_EQ(lane.coming, 0);
	CHECK_EQ(lane.queued, 0);
	weft__lane_close(&lane);
}

TEST(lane_refuses_when_there_is_no_thread)
{
	if (!sandbox_works())
		SKIP("no seccomp filter can be set here");
	sandbox_run(without_any_thread);
}

/* The one thread there is serves all. */
static void with_a_busy_thread(void)
{
	struct team team = { .count = 0 };

	lane_begin(0);
	team_add(&team, 1, occupy, NULL);
	await_u32(&ran, 1);
	refuse_threads();
	weft_event_set(&gate);
	for (int i = 0; i < 100; i++) {
		int zero = 0;

		CHECK_EQ(weft__lane_run(&lane, answer, &zero), 0);
	}
	team_join(&team);
	CHECK_EQ(lane.threads, 1);
	weft__lane_close(&lane);
}

TEST(lane_is_served_by_the_threads_there_are)
{
	if (!sandbox_works())
		SKIP("no seccomp filter can be set here");
	sandbox_run(with_a_busy_thread);
}

/* ---- all at once --------------------------------------------------------------------- */

enum { CALLERS = 6, CALLS = 1500 };

static weft_atomic_u32 begun, served, refused, cancelled, callers;
static weft_mutex tokens_mutex;
static weft_token *tokens[CALLERS];

static int count(void *arg)
{
	weft_add_relaxed(&begun, 1);
	++*(int *)arg;
	return 0;
}

static void set_token(int index, weft_token *own)
{
	weft_mutex_lock(&tokens_mutex);
	tokens[index] = own;
	weft_mutex_unlock(&tokens_mutex);
}

static void call_often(int index)
{
	for (int i = 0; i < CALLS; i++) {
		int local = 0, err;
		weft_token own;

		weft_token_init(&own, NULL);
		set_token(index, &own);
		weft_ambient_set(&own);
		err = weft__lane_run(&lane, count, &local);
		weft_ambient_set(NULL);
		set_token(index, NULL);
		CHECK_EQ(local, err == 0);
		CHECK(err == 0 || err == -EAGAIN || err == -ECANCELED);
		weft_add_relaxed(err == 0 ? &served : err == -EAGAIN ? &refused : &cancelled, 1);
	}
	weft_sub_release(&callers, 1);
}

static void cancel_often(void)
{
	while (weft_load_acquire(&callers) > 0)
		for (int i = 0; i < CALLERS; i++) {
			weft_mutex_lock(&tokens_mutex);
			if (tokens[i])
				weft_token_cancel(tokens[i]);
			weft_mutex_unlock(&tokens_mutex);
			weft__thread_yield();
		}
}

static void call_or_cancel(void *arg, int index)
{
	(void)arg;
	if (index < CALLERS)
		call_often(index);
	else
		cancel_often();
}

/* A short rest, a short queue, few threads and a canceller: every path is taken. */
TEST(lane_loses_no_job_and_runs_none_twice)
{
	lane_begin(3);
	lane.rest_ns = 20 * WEFT_US;
	lane.queue_most = 2;
	weft_store_relaxed(&callers, CALLERS);
	team_run(CALLERS + 1, call_or_cancel, NULL);
	CHECK_EQ(weft_load_relaxed(&begun), weft_load_relaxed(&served));
	CHECK_EQ(lane.served, weft_load_relaxed(&served));
	CHECK_EQ(lane.refused, weft_load_relaxed(&refused));
	CHECK_EQ(weft_load_relaxed(&served) + weft_load_relaxed(&refused) +
			 weft_load_relaxed(&cancelled),
		 CALLERS * CALLS);
	weft__lane_close(&lane);
	CHECK_EQ(lane.threads, 0);
}
