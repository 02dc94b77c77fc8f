/* SPDX-License-Identifier: MIT */
/*
 * Goal: the clock never runs backwards, and a deadline lies where its span says,
 * for each unit and at the extremes.
 */
#include "sys/sys.h"

#include "check.h"

TEST(clock_does_not_run_backwards)
{
	int64_t last = weft_now();

	CHECK_GT(last, 0);
	for (int i = 0; i < 100000; i++) {
		int64_t now = weft_now();

		CHECK_GE(now, last);
		last = now;
	}
}

/* `deadline` was made `span` after some point in before .. now. */
static void check_between(int64_t before, int64_t deadline, int64_t span)
{
	CHECK_GE(deadline, before + span);
	CHECK_LE(deadline, weft_now() + span);
}

TEST(clock_after_counts_its_unit)
{
	int64_t before = weft_now();

	check_between(before, weft_after(0), 0);
	check_between(before, weft_after(5), 5);
	check_between(before, weft_after(-5), -5);
	check_between(before, weft_after_us(5), 5 * WEFT_US);
	check_between(before, weft_after_ms(5), 5 * WEFT_MS);
	check_between(before, weft_after_s(5), 5 * WEFT_SECOND);
}

TEST(clock_after_saturates)
{
	CHECK_EQ(weft_after(WEFT_NEVER), WEFT_NEVER);
	CHECK_EQ(weft_after(WEFT_NEVER - 1), WEFT_NEVER);
	CHECK_EQ(weft_after_us(INT64_MAX), WEFT_NEVER);
	CHECK_EQ(weft_after_ms(INT64_MAX / 1000), WEFT_NEVER);
	CHECK_EQ(weft_after_s(INT64_MAX), WEFT_NEVER);
	CHECK_EQ(weft_after(INT64_MIN), 0);
	CHECK_EQ(weft_after_us(INT64_MIN), 0);
	CHECK_EQ(weft_after_ms(INT64_MIN), 0);
	CHECK_EQ(weft_after_s(INT64_MIN), 0);
}

static int64_t own;

static void see_the_systems(void *arg)
{
	*(int64_t *)arg = weft_now();
}

TEST(clock_of_a_thread_is_replaced)
{
	int64_t before = weft_now(), elsewhere = 0;
	struct weft__thread thread;

	own = 7;
	weft__clock_install(&own);
	CHECK_EQ(weft_now(), 7);
	own = 9;
	CHECK_EQ(weft_after(1), 10);
	CHECK_EQ(weft__thread_start(&thread, see_the_systems, &elsewhere, 0, NULL), 0);
	weft__thread_join(thread);
	CHECK_GE(elsewhere, before);
	weft__clock_install(NULL);
	CHECK_GE(weft_now(), before);
}
