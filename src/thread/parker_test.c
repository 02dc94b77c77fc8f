/* SPDX-License-Identifier: MIT */
/*
 * Goal: a parker's permit is neither lost nor doubled, on threads and on others' behalf.
 * (That of threads is one, and src/thread/park_test.c has the rest.)
 */
#include "weft/parker.h"

#include "check.h"
#include "team_test.h"
#include "weft/select.h"

#include <errno.h>

TEST(parker_takes_one_permit_of_many)
{
	weft_parker parker = WEFT_PARKER_INIT;

	CHECK_EQ(weft_parker_park_until(&parker, 0), -ETIMEDOUT);
	weft_parker_unpark(&parker);
	weft_parker_unpark(&parker);
	CHECK_EQ(weft_parker_park(&parker), 0);
	CHECK_EQ(weft_parker_park_until(&parker, weft_after_ms(1)), -ETIMEDOUT);
}

static weft_parker ping, pong;
static int ball;

static void plays(void *arg, int index)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(weft_parker_park(index ? &pong : &ping), 0);
		CHECK_EQ(ball++ % 2, index);
		weft_parker_unpark(index ? &ping : &pong);
	}
}

TEST(parker_ping_pong_loses_nothing_and_orders_memory)
{
	weft_parker_unpark(&ping);
	team_run(2, plays, NULL);
	CHECK_EQ(ball, 2000);
}

TEST(parker_is_a_case_of_a_select)
{
	weft_case cases[2];

	weft_parker_unpark(&pong);
	cases[0] = weft_case_parker(&ping);
	cases[1] = weft_case_parker(&pong);
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 1);
	cases[0] = weft_case_parker(&ping);
	cases[1] = weft_case_parker(&pong);
	CHECK_EQ(weft_select(cases, 2, 0), -ETIMEDOUT);
}
