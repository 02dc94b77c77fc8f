/* SPDX-License-Identifier: MIT */
/*
 * Goal: of many callers one runs the function, the others return when it is done
 * and see what it did; a failure lets the next one try, whoever leaves meanwhile.
 * Method: a function that stops in the middle until the test has seen the others
 * queue up; failures in a given order; callers that are cancelled.
 */
#include "weft/once.h"

#include "weft/cancel.h"

#include "check.h"
#include "team_test.h"

#include <errno.h>

struct job {
	weft_once once;
	weft_token token;
	weft_atomic_u32 started; /* runs of the function so far */
	weft_atomic_u32 gate;    /* the run number that may end */
	uint32_t failures;       /* so many runs fail */
	int data;                /* written by the run that succeeds */
	weft_atomic_u32 done, failed, cancelled;
};

static int run_job(void *arg)
{
	struct job *j = arg;
	uint32_t run = weft_add_acq_rel(&j->started, 1) + 1;

	while (weft_load_acquire(&j->gate) < run)
		weft__thread_yield();
	if (run <= j->failures)
		return -EIO;
	j->data = 17;
	return 0;
}

static void call(void *arg, int index)
{
	struct job *j = arg;
	int result;

	(void)index;
	result = weft_once_call(&j->once, run_job, j);
	if (result == 0) {
		CHECK_EQ(j->data, 17);
		CHECK(weft_once_done(&j->once));
		weft_add_relaxed(&j->done, 1);
	} else {
		CHECK_EQ(result, -EIO);
		weft_add_relaxed(&j->failed, 1);
	}
}

TEST(once_of_zeros_is_not_done)
{
	struct job j = { .gate = { 9 } };

	CHECK_EQ(sizeof(j.once), 8);
	CHECK(!weft_once_done(&j.once));
	CHECK_EQ(weft_once_call(&j.once, run_job, &j), 0);
	CHECK(weft_once_done(&j.once));
	CHECK_EQ(weft_once_call(&j.once, run_job, &j), 0);
	CHECK_EQ(weft_load_relaxed(&j.started), 1);
}

TEST(once_failure_goes_to_who_ran_it)
{
	struct job j = { .gate = { 9 }, .failures = 2 };

	CHECK_EQ(weft_once_call(&j.once, run_job, &j), -EIO);
	CHECK(!weft_once_done(&j.once));
	CHECK_EQ(weft_once_call(&j.once, run_job, &j), -EIO);
	CHECK_EQ(weft_once_call(&j.once, run_job, &j), 0);
	CHECK_EQ(weft_once_call(&j.once, run_job, &j), 0);
	CHECK_EQ(weft_load_relaxed(&j.started), 3);
}

TEST(once_callers_wait_for_the_one_that_runs)
{
	static struct job j;
	struct team team = { .count = 0 };

	for (int i = 0; i < 50; i++) {
		j = (struct job){ .gate = { i & 1 } };
		team_add(&team, 6, call, &j);
		if (!(i & 1)) {
			await_asleep(&j.once.queue, 5);
			CHECK_EQ(weft_load_relaxed(&j.started), 1);
			weft_store_release(&j.gate, 1);
		}
		team_join(&team);
		CHECK_EQ(weft_load_relaxed(&j.started), 1);
		CHECK_EQ(weft_load_relaxed(&j.done), 6);
		CHECK_EQ(weft_load_relaxed(&j.once.queue.word), WEFT__B);
	}
}

/* Each failure hands the turn to one of those who wait. */
TEST(once_failure_lets_one_of_the_waiting_try)
{
	static struct job j;
	struct team team = { .count = 0 };

	for (int i = 0; i < 20; i++) {
		j = (struct job){ .failures = 3 };
		team_add(&team, 6, call, &j);
		for (uint32_t run = 1; run <= 4; run++) {
			await_u32(&j.started, run);
			/* Those who have not run wait, the next to run included. */
			await_asleep(&j.once.queue, (int)(6 - run));
			await_u32(&j.failed, run - 1);
			weft_store_release(&j.gate, run);
		}
		team_join(&team);
		CHECK_EQ(weft_load_relaxed(&j.failed), 3);
		CHECK_EQ(weft_load_relaxed(&j.done), 3);
		CHECK_EQ(weft_load_relaxed(&j.started), 4);
	}
}

/* The test plays a run that ends, either way, after a caller has found it under way
 * and before that caller is in the queue. */
TEST(once_caller_sees_a_run_that_just_ended)
{
	static struct job j;
	struct team team = { .count = 0 };

	for (int success = 0; success < 2; success++) {
		j = (struct job){ .gate = { 9 }, .data = success ? 17 : 0 };
		weft_store_relaxed(&j.once.queue.word, (uintptr_t)WEFT__A);
		weft__waitq_lock(&j.once.queue);
		team_add(&team, 1, call, &j);
		while (!(weft_load_relaxed(&j.once.queue.word) & WEFT__SLEEP))
			weft__thread_yield();
		weft__waitq_unlock(&j.once.queue, NULL, success ? WEFT__B : 0, WEFT__A);
		team_join(&team);
		CHECK_EQ(weft_load_relaxed(&j.done), 1);
		CHECK_EQ(weft_load_relaxed(&j.started), !success);
	}
}

/* ---- cancellation ------------------------------------------------------------------------ */

static void call_in_scope(void *arg, int index)
{
	struct job *j = arg;

	(void)index;
	weft_ambient_set(&j->token);
	CHECK_EQ(weft_once_call(&j->once, run_job, j), -ECANCELED);
	weft_ambient_set(NULL);
	weft_add_relaxed(&j->cancelled, 1);
}

TEST(once_wait_is_cancelled_and_the_run_goes_on)
{
	static struct job j;
	struct team team = { .count = 0 };

	for (int i = 0; i < 20; i++) {
		j = (struct job){ .data = 0 };
		team_add(&team, 1, call, &j);
		await_u32(&j.started, 1);
		team_add(&team, 2, call_in_scope, &j);
		team_add(&team, 1, call, &j);
		await_asleep(&j.once.queue, 3);
		weft_token_cancel(&j.token);
		team_add(&team, 1, call_in_scope, &j); /* sticky */
		await_u32(&j.cancelled, 3);
		await_asleep(&j.once.queue, 1);
		weft_store_release(&j.gate, 1);
		team_join(&team);
		CHECK_EQ(weft_load_relaxed(&j.done), 2);
	}
}

static void call_cancelled(void *arg, int index)
{
	struct job *j = arg;

	(void)index;
	weft_ambient_set(&j->token);
	CHECK_EQ(weft_once_call(&j->once, run_job, j), 0);
	weft_ambient_set(NULL);
}

/* A caller that need not wait runs the function, cancelled or not. */
TEST(once_call_without_wait_ignores_cancellation)
{
	static struct job j = { .gate = { 9 } };

	weft_token_cancel(&j.token);
	team_run(1, call_cancelled, &j);
	team_run(1, call_cancelled, &j);
	CHECK_EQ(weft_load_relaxed(&j.started), 1);
}

/* ---- all at once ------------------------------------------------------------------------- */

enum { ONCES = 3000, CALLERS = 5 };

struct series {
	weft_once once[ONCES];
	weft_token token[ONCES];
	weft_atomic_u32 runs[ONCES];
	uint32_t data[ONCES];
	weft_atomic_u32 meeting;
};

struct series_arg {
	struct series *s;
	int at;
};

/* The first two runs of each fail; the third is the one. */
static int series_run(void *arg)
{
	struct series_arg *a = arg;
	uint32_t run = weft_add_relaxed(&a->s->runs[a->at], 1) + 1;

	if (run <= 2)
		return -EIO;
	a->s->data[a->at]++;
	return 0;
}

static void series_call(void *arg, int index)
{
	struct series *s = arg;

	team_meet(&s->meeting, CALLERS);
	for (int i = 0; i < ONCES; i++) {
		struct series_arg a = { s, i };
		int result;

		/* Two callers are cancelled, by one of themselves, and come again
		 * without: their turn must not be lost when they leave with it. */
		if (index == 1)
			weft_token_cancel(&s->token[i]);
		weft_ambient_set(index < 2 ? &s->token[i] : NULL);
		result = weft_once_call(&s->once[i], series_run, &a);
		weft_ambient_set(NULL);
		while (result != 0) {
			CHECK(result == -EIO || (index < 2 && result == -ECANCELED));
			result = weft_once_call(&s->once[i], series_run, &a);
		}
		CHECK_EQ(s->data[i], 1);
	}
}

TEST(once_succeeds_once_for_all_callers)
{
	static struct series s;

	team_run(CALLERS, series_call, &s);
	for (int i = 0; i < ONCES; i++) {
		CHECK_EQ(weft_load_relaxed(&s.runs[i]), 3);
		CHECK_EQ(weft_load_relaxed(&s.once[i].queue.word), WEFT__B);
	}
}
