/* SPDX-License-Identifier: MIT */
/*
 * Goal: scopes work on fibers as on threads: close waits for all, the first error
 * cancels the rest, deadlines and shields hold, and scopes nest across threads and
 * fibers in either order.
 */
#include "weft/scope.h"

#include "rt_test.h"
#include "weft/channel.h"
#include "weft/event.h"
#include "weft/semaphore.h"

#include <errno.h>

#define HOUR weft_after_s(3600)

static int count_up(void *arg)
{
	weft_add_relaxed((weft_atomic_u32 *)arg, 1);
	return 0;
}

static int sleep_an_hour(void *arg)
{
	(void)arg;
	return weft_sleep_until(HOUR);
}

static int echo(void *arg)
{
	return *(int *)arg;
}

/* ---- closing ----------------------------------------------------------------------- */

static int close_waits(void *arg)
{
	weft_atomic_u32 count = { 0 };
	weft_scope scope;

	(void)arg;
	weft_scope_open(&scope);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(weft_scope_spawn(&scope, count_up, &count, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(weft_load_relaxed(&count), 1000);
	return 0;
}

TEST(scope_on_a_fiber_waits_for_all)
{
	rt_run(close_waits, NULL);
}

TEST(scope_on_a_thread_waits_for_its_fibers)
{
	for (int i = 0; i < 5; i++)
		CHECK_EQ(close_waits(NULL), 0);
}

static int spawn_wrongly(void *arg)
{
	weft_scope scope;

	(void)arg;
	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn(&scope, NULL, NULL, NULL), -EINVAL);
	CHECK_EQ(weft_scope_spawn(&scope, echo, NULL, &(weft_fiber_opts){ .cancellable = true }),
		 -EINVAL);
	CHECK_EQ(
		weft_scope_spawn(&scope, echo, NULL, &(weft_fiber_opts){ .outlives_scope = true }),
		-EINVAL);
	CHECK_EQ(weft_scope_close(&scope), 0);
	return 0;
}

TEST(scope_refuses_what_cannot_be_in_it)
{
	rt_run(spawn_wrongly, NULL);
}

/* ---- errors ------------------------------------------------------------------------ */

static int first_error(void *arg)
{
	int errors[3] = { 0, -7, 0 };
	weft_scope scope;

	(void)arg;
	weft_scope_open(&scope);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(weft_scope_spawn(&scope, sleep_an_hour, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_scope_spawn(&scope, echo, &errors[i], NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), -7);
	CHECK(!weft_cancelled());
	return 0;
}

TEST(scope_is_cancelled_by_the_first_error)
{
	rt_run(first_error, NULL);
}

static int cancel_scope(void *arg)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_scope scope;

	(void)arg;
	weft_scope_open(&scope);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(weft_scope_spawn(&scope, sleep_an_hour, NULL, NULL), 0);
	weft_yield();
	weft_scope_cancel(&scope);
	CHECK_EQ(weft_event_wait(&event), -ECANCELED);
	CHECK_EQ(weft_scope_spawn(&scope, sleep_an_hour, NULL, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	return 0;
}

TEST(scope_cancelled_by_its_opener)
{
	rt_run(cancel_scope, NULL);
}

/* ---- deadline and shield ----------------------------------------------------------- */

static int deadline_passes(void *arg)
{
	int64_t deadline = weft_after_ms(3);
	weft_scope scope;

	(void)arg;
	weft_scope_open_with(&scope, &(weft_scope_opts){ .deadline = deadline });
	for (int i = 0; i < 20; i++)
		CHECK_EQ(weft_scope_spawn(&scope, sleep_an_hour, NULL, NULL), 0);
	CHECK_EQ(weft_sleep_until(HOUR), -ECANCELED);
	CHECK(weft_now() >= deadline);
	CHECK_EQ(weft_scope_close(&scope), -ETIMEDOUT);
	CHECK_EQ(weft_sleep_until(weft_after_us(100)), 0);
	return 0;
}

/* Passed down, the scope's deadline still is the scope's. */
static int deadline_passed_down(void *arg)
{
	int64_t deadline = weft_after_ms(2);
	weft_event never = WEFT_EVENT_INIT;
	weft_scope scope;

	(void)arg;
	weft_scope_open_with(&scope, &(weft_scope_opts){ .deadline = deadline });
	CHECK_EQ(weft_event_wait_until(&never, deadline), -ECANCELED);
	CHECK_EQ(weft_scope_close(&scope), -ETIMEDOUT);
	weft_scope_open_with(&scope, &(weft_scope_opts){ .deadline = -1 });
	CHECK_EQ(weft_event_wait(&never), -ECANCELED);
	CHECK_EQ(weft_scope_close(&scope), -ETIMEDOUT);
	weft_scope_open_with(&scope, NULL);
	CHECK_EQ(weft_event_wait_until(&never, weft_after_us(10)), -ETIMEDOUT);
	CHECK_EQ(weft_scope_close(&scope), 0);
	return 0;
}

TEST(scope_deadline_goes_before_the_same_one_of_a_call)
{
	rt_run(deadline_passed_down, NULL);
	CHECK_EQ(deadline_passed_down(NULL), 0);
}

TEST(scope_on_a_fiber_keeps_its_deadline)
{
	rt_run(deadline_passes, NULL);
}

static int clean_up(void *arg)
{
	weft_scope shield;

	CHECK_EQ(weft_sleep_until(HOUR), -ECANCELED);
	weft_scope_open_with(&shield, &(weft_scope_opts){ .shield = true });
	CHECK_EQ(weft_sleep_until(weft_after_us(200)), 0);
	CHECK_EQ(weft_scope_spawn(&shield, count_up, arg, NULL), 0);
	CHECK_EQ(weft_scope_close(&shield), 0);
	CHECK_EQ(weft_sleep_until(HOUR), -ECANCELED);
	return 0;
}

static int shielded(void *arg)
{
	weft_atomic_u32 count = { 0 };
	weft_scope scope;

	(void)arg;
	weft_scope_open(&scope);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(weft_scope_spawn(&scope, clean_up, &count, NULL), 0);
	weft_scope_cancel(&scope);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	CHECK_EQ(weft_load_relaxed(&count), 10);
	return 0;
}

TEST(scope_with_a_shield_lets_fibers_clean_up)
{
	rt_run(shielded, NULL);
}

/* ---- nesting ----------------------------------------------------------------------- */

/* A fiber opens a scope with threads, which open scopes with fibers. */
static int inner_fibers(void *arg)
{
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(weft_scope_spawn(&scope, i == 9 ? sleep_an_hour : count_up, arg, NULL),
			 0);
	return weft_scope_close(&scope);
}

static int outer_threads(void *arg)
{
	weft_atomic_u32 count = { 0 };
	weft_scope scope;

	(void)arg;
	weft_scope_open(&scope);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_scope_spawn_thread(&scope, inner_fibers, &count, NULL), 0);
	while (weft_load_relaxed(&count) < 27)
		weft_yield();
	weft_scope_cancel(&scope);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	CHECK_EQ(weft_load_relaxed(&count), 27);
	return 0;
}

TEST(scopes_nest_across_threads_and_fibers)
{
	rt_run(outer_threads, NULL);
}

static int tree(void *arg)
{
	int depth = *(int *)arg, below = depth - 1;
	weft_scope scope;

	if (depth == 0)
		return 0;
	weft_scope_open(&scope);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_scope_spawn(&scope, tree, &below, NULL), 0);
	return weft_scope_close(&scope);
}

TEST(scopes_nest_in_a_tree_of_fibers)
{
	int depth = 7;

	rt_run(tree, &depth);
}

/* Cancelling from a thread while fibers come and go. */
static int churn(void *arg)
{
	weft_scope *scope = arg;
	int err;

	for (;;) {
		if (weft_scope_spawn(scope, sleep_an_hour, NULL, NULL) != 0)
			break;
		err = weft_sleep_until(weft_after_us(20));
		if (err)
			return err;
	}
	return 0;
}

TEST(scope_cancelled_while_fibers_are_spawned_into_it)
{
	for (int i = 0; i < 100; i++) {
		weft_scope scope;

		weft_scope_open(&scope);
		for (int k = 0; k < 4; k++)
			CHECK_EQ(weft_scope_spawn(&scope, churn, &scope, NULL), 0);
		if (i % 2)
			CHECK_EQ(weft_sleep_until(weft_after_us(100)), 0);
		weft_scope_cancel(&scope);
		CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	}
}
