/* SPDX-License-Identifier: MIT */
/*
 * Goal: a scope's deadline ends what waits in it and nothing else, and a shield keeps
 * everything out. Method: deadlines that come after milliseconds under waits that
 * would last for an hour; no upper bounds on time are checked.
 */
#include "weft/scope.h"

#include "blocked_test.h"
#include "check.h"
#include "weft/cond.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/select.h"

#include <errno.h>

#define HOUR weft_after_s(3600)

static void open_until(weft_scope *scope, int64_t deadline)
{
	weft_scope_open_with(scope, &(weft_scope_opts){ .deadline = deadline });
}

static int sleep_an_hour(void *arg)
{
	(void)arg;
	return weft_sleep_until(HOUR);
}

TEST(deadline_ends_a_wait_of_the_opener)
{
	int64_t deadline = weft_after_ms(3);
	weft_event event = WEFT_EVENT_INIT;
	weft_scope scope;

	open_until(&scope, deadline);
	CHECK_EQ(weft_event_wait(&event), -ECANCELED);
	CHECK(weft_now() >= deadline);
	CHECK(weft_cancelled());
	CHECK_EQ(weft_event_wait_until(&event, HOUR), -ECANCELED);
	CHECK_EQ(weft_scope_close(&scope), -ETIMEDOUT);
	CHECK(!weft_cancelled());
}

TEST(deadline_ends_waits_of_its_threads)
{
	weft_scope scope;

	open_until(&scope, weft_after_ms(3));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_scope_spawn_thread(&scope, sleep_an_hour, NULL, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), -ETIMEDOUT);
}

TEST(deadline_that_does_not_come_is_not_noticed)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_scope scope;

	open_until(&scope, HOUR);
	CHECK_EQ(weft_event_wait_until(&event, weft_after_ms(1)), -ETIMEDOUT);
	CHECK(!weft_cancelled());
	CHECK_EQ(weft_scope_close(&scope), 0);
}

TEST(deadline_of_the_call_comes_first)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_scope scope;

	open_until(&scope, HOUR);
	CHECK_EQ(weft_sleep_until(weft_after_ms(1)), 0);
	CHECK_EQ(weft_event_wait_until(&event, 0), -ETIMEDOUT);
	CHECK_EQ(weft_scope_close(&scope), 0);
}

TEST(deadline_is_seen_by_who_computes)
{
	weft_scope scope;

	open_until(&scope, weft_after_ms(2));
	while (!weft_cancelled())
		continue;
	CHECK_EQ(weft_scope_close(&scope), -ETIMEDOUT);
}

TEST(deadline_of_the_outer_scope_reaches_the_inner_and_is_the_outers)
{
	weft_scope outer, inner;

	open_until(&outer, weft_after_ms(3));
	open_until(&inner, HOUR);
	CHECK_EQ(weft_sleep_until(HOUR), -ECANCELED);
	CHECK_EQ(weft_scope_close(&inner), 0);
	CHECK_EQ(weft_sleep_until(HOUR), -ECANCELED);
	CHECK_EQ(weft_scope_close(&outer), -ETIMEDOUT);
}

TEST(deadline_of_the_inner_scope_leaves_the_outer_alone)
{
	weft_scope outer, inner;

	open_until(&outer, HOUR);
	open_until(&inner, weft_after_ms(1));
	CHECK_EQ(weft_sleep_until(HOUR), -ECANCELED);
	CHECK_EQ(weft_scope_close(&inner), -ETIMEDOUT);
	CHECK_EQ(weft_sleep_until(weft_after_ms(1)), 0);
	CHECK_EQ(weft_scope_close(&outer), 0);
}

TEST(deadline_does_not_hide_an_error)
{
	weft_scope scope;

	open_until(&scope, HOUR);
	weft_scope_cancel(&scope);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
}

TEST(deadline_ends_a_wait_for_a_condition)
{
	weft_mutex mutex = WEFT_MUTEX_INIT;
	weft_cond cond = WEFT_COND_INIT;
	weft_scope scope;

	open_until(&scope, weft_after_ms(2));
	weft_mutex_lock(&mutex);
	CHECK_EQ(weft_cond_wait(&cond, &mutex), -ECANCELED);
	weft_mutex_unlock(&mutex);
	CHECK_EQ(weft_scope_close(&scope), -ETIMEDOUT);
}

TEST(deadline_leaves_nobody_in_a_queue)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_scope scope;

	for (int i = 0; i < 50; i++) {
		open_until(&scope, weft_after_us(50));
		for (int k = 0; k < 2; k++)
			CHECK_EQ(weft_scope_spawn_thread(&scope, sleep_an_hour, NULL, NULL), 0);
		CHECK_EQ(weft_event_wait(&event), -ECANCELED);
		CHECK_EQ(weft_scope_close(&scope), -ETIMEDOUT);
		CHECK_EQ(blocked_count(&event.queue), 0);
	}
}

TEST(shield_keeps_cancellation_and_deadline_out)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_scope outer, inner;

	open_until(&outer, weft_after_ms(1));
	CHECK_EQ(weft_event_wait(&event), -ECANCELED);
	weft_scope_open_with(&inner, &(weft_scope_opts){ .shield = true });
	CHECK_EQ(weft_event_wait_until(&event, weft_after_ms(2)), -ETIMEDOUT);
	CHECK(!weft_cancelled());
	CHECK_EQ(weft_scope_close(&inner), 0);
	CHECK_EQ(weft_event_wait(&event), -ECANCELED);
	CHECK_EQ(weft_scope_close(&outer), -ETIMEDOUT);
}

TEST(shield_can_be_cancelled_itself)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_scope scope;

	weft_scope_open_with(&scope,
			     &(weft_scope_opts){ .shield = true, .deadline = weft_after_ms(1) });
	CHECK_EQ(weft_event_wait(&event), -ECANCELED);
	CHECK_EQ(weft_scope_close(&scope), -ETIMEDOUT);
}
