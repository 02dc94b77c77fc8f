/* SPDX-License-Identifier: MIT */
/*
 * Goal: a sleep lasts until its deadline and no shorter, and cancellation ends it.
 */
#include "blocked_test.h"
#include "check.h"
#include "weft/cancel.h"
#include "weft/thread.h"

#include <errno.h>

TEST(sleep_lasts_until_the_deadline)
{
	for (int64_t us = 1; us < 10000; us *= 3) {
		int64_t deadline = weft_after_us(us);

		CHECK_EQ(weft_sleep_until(deadline), 0);
		CHECK_GE(weft_now(), deadline);
	}
}

TEST(sleep_until_the_past_returns_at_once)
{
	CHECK_EQ(weft_sleep_until(0), 0);
	CHECK_EQ(weft_sleep_until(1), 0);
	CHECK_EQ(weft_sleep_until(INT64_MIN), 0);
	weft_thread_yield();
}

TEST(sleep_is_cancelled_even_when_late)
{
	weft_token token;

	weft_token_init(&token, NULL);
	weft_ambient_set(&token);
	CHECK_EQ(weft_sleep_until(1), 0);
	weft_token_cancel(&token);
	CHECK_EQ(weft_sleep_until(WEFT_NEVER), -ECANCELED);
	CHECK_EQ(weft_sleep_until(1), -ECANCELED);
	CHECK_EQ(weft_sleep_until(0), -ECANCELED);
	weft_ambient_set(NULL);
}

static int sleep_for_ever(void *arg)
{
	(void)arg;
	return weft_sleep_until(WEFT_NEVER);
}

TEST(sleep_is_cancelled_while_asleep)
{
	weft_thread *threads[4];
	weft_token token;
	int result;

	weft_token_init(&token, NULL);
	weft_ambient_set(&token);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_thread_spawn(&threads[i], sleep_for_ever, NULL, NULL), 0);
	weft_ambient_set(NULL);
	blocked_await(&token.queue, 4);
	weft_token_cancel(&token);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(weft_thread_join(threads[i], &result), 0);
		CHECK_EQ(result, -ECANCELED);
	}
}
