/* SPDX-License-Identifier: MIT */
/*
 * Intervals and deadlines as cases, on plain threads and polled. The policies are
 * tried with first moments that lie in the past, so that nothing has to be waited
 * for; the end of the file waits a few milliseconds, for not being early.
 */
#include "weft/timer.h"

#include <errno.h>

#include "base/time.h"
#include "poll_waiter_test.h"
#include "team_test.h"
#include "weft/cancel.h"
#include "weft/event.h"
#include "weft/select.h"
#include "weft/thread.h"

/* Three and a half periods late: four moments have come. */
static weft_interval late(enum weft_missed missed, int64_t *first)
{
	weft_interval interval;

	*first = weft_now() - 3500 * WEFT_SECOND;
	CHECK_EQ(weft_interval_init(&interval, *first, 1000 * WEFT_SECOND, missed), 0);
	return interval;
}

TEST(interval_bursts)
{
	int64_t first;
	weft_interval interval = late(WEFT_MISSED_BURST, &first);

	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_interval_wait(&interval), 1);
	CHECK_EQ(weft_interval_wait_until(&interval, 0), -ETIMEDOUT);
	CHECK_EQ(interval.next, first + 4000 * WEFT_SECOND);
}

TEST(interval_delays)
{
	int64_t first, before = weft_now();
	weft_interval interval = late(WEFT_MISSED_DELAY, &first);

	CHECK_EQ(weft_interval_wait(&interval), 4);
	CHECK_GE(interval.next, before + 1000 * WEFT_SECOND);
	CHECK_LE(interval.next, weft_now() + 1000 * WEFT_SECOND);
	CHECK_EQ(weft_interval_wait_until(&interval, weft_after_us(1)), -ETIMEDOUT);
}

TEST(interval_skips)
{
	int64_t first;
	weft_interval interval = late(WEFT_MISSED_SKIP, &first);

	CHECK_EQ(weft_interval_wait(&interval), 4);
	CHECK_EQ(weft_interval_wait_until(&interval, 0), -ETIMEDOUT);
	CHECK_EQ(interval.next, first + 4000 * WEFT_SECOND);
}

TEST(interval_counts_no_further_than_int)
{
	weft_interval interval;

	CHECK_EQ(weft_interval_init(&interval, INT64_MIN, 1, WEFT_MISSED_SKIP), 0);
	CHECK_EQ(weft_interval_wait(&interval), INT32_MAX);
	CHECK_LE(interval.next, weft_now() + 1);
}

TEST(interval_ends_with_the_clock)
{
	weft_interval interval;

	CHECK_EQ(weft_interval_init(&interval, 5, WEFT_NEVER - 1, WEFT_MISSED_BURST), 0);
	CHECK_EQ(weft_interval_wait(&interval), 1);
	CHECK_EQ(interval.next, WEFT_NEVER);
	CHECK_EQ(weft_interval_wait_until(&interval, weft_after_us(1)), -ETIMEDOUT);
}

TEST(interval_refuses_what_cannot_be)
{
	weft_interval interval;

	CHECK_EQ(weft_interval_init(&interval, 0, 0, WEFT_MISSED_BURST), -EINVAL);
	CHECK_EQ(weft_interval_init(&interval, 0, -1, WEFT_MISSED_BURST), -EINVAL);
	CHECK_EQ(weft_interval_init(&interval, 0, 1, (enum weft_missed)3), -EINVAL);
	CHECK_EQ(weft_interval_wait_until(&interval, 0), -ETIMEDOUT);
}

TEST(interval_is_cancelled_and_keeps_the_moment)
{
	int64_t first;
	weft_interval interval = late(WEFT_MISSED_BURST, &first);
	weft_interval never;
	weft_token token;

	CHECK_EQ(weft_interval_init(&never, WEFT_NEVER, 1, WEFT_MISSED_BURST), 0);
	weft_token_init(&token, NULL);
	weft_token_cancel(&token);
	weft_ambient_set(&token);
	CHECK_EQ(weft_interval_wait(&never), -ECANCELED);
	/* What need not wait succeeds. */
	CHECK_EQ(weft_interval_wait(&interval), 1);
	weft_ambient_set(NULL);
}

/* ---- in select ------------------------------------------------------------------------- */

TEST(deadlines_in_a_select_come_in_their_order)
{
	int64_t start = weft_now();
	int64_t at[] = { start + 1000 * WEFT_SECOND, start + WEFT_MS, WEFT_NEVER };
	weft_event never = WEFT_EVENT_INIT;
	weft_case cases[] = {
		weft_case_event(&never),
		weft_case_deadline(&at[0]),
		weft_case_deadline(&at[1]),
		weft_case_deadline(&at[2]),
	};

	CHECK_EQ(weft_select(cases, 4, WEFT_NEVER), 2);
	CHECK_EQ(cases[2].result, 0);
	CHECK_GE(weft_now(), at[1]);
	cases[2] = weft_case_deadline(&at[2]);
	at[0] = weft_after_ms(2);
	CHECK_EQ(weft_select(cases, 4, WEFT_NEVER), 1);
	CHECK_GE(weft_now(), at[0]);
	CHECK_EQ(weft_select(&cases[2], 2, weft_after_us(100)), -ETIMEDOUT);
}

/* The select's own deadline comes first, or together with the case's: then it is
 * for the case, which is looked at once more. */
TEST(deadline_of_the_select_is_kept)
{
	int64_t at = weft_after_s(1000), start = weft_now();
	weft_case c = weft_case_deadline(&at);

	CHECK_EQ(weft_select(&c, 1, start + WEFT_MS), -ETIMEDOUT);
	CHECK_GE(weft_now(), start + WEFT_MS);
	CHECK_EQ(weft_select_try(&c, 1), -EAGAIN);
	at = 1;
	CHECK_EQ(weft_select_try(&c, 1), 0);
}

static weft_event event;
static weft_atomic_u32 beats;

static void listen(void *arg, int index)
{
	weft_interval tick;
	weft_case cases[2];

	(void)arg;
	(void)index;
	CHECK_EQ(weft_interval_init(&tick, weft_now(), 100 * WEFT_US, WEFT_MISSED_BURST), 0);
	cases[0] = weft_case_interval(&tick);
	cases[1] = weft_case_event(&event);
	for (;;) {
		int chosen = weft_select_biased(cases, 2, WEFT_NEVER);

		if (chosen == 1)
			return;
		CHECK_EQ(chosen, 0);
		CHECK_EQ(cases[0].result, 1);
		weft_add_release(&beats, 1);
	}
}

TEST(interval_beats_until_the_event_comes)
{
	struct team team = { .count = 0 };

	team_add(&team, 1, listen, NULL);
	while (weft_load_acquire(&beats) < 10)
		weft__thread_yield();
	weft_event_set(&event);
	team_join(&team);
}

TEST(deadline_tells_a_future_when_to_poll)
{
	int64_t at = weft_after_ms(1);
	struct puppet puppet;

	puppet_init(&puppet, false);
	CHECK_EQ(weft__poll_due(&puppet.poll), WEFT_NEVER);
	CHECK_EQ(puppet_wait(&puppet, weft_case_deadline(&at)), -EAGAIN);
	CHECK_EQ(weft__poll_due(&puppet.poll), at);
	while (weft_now() < at)
		CHECK_EQ(weft_sleep_until(at), 0);
	at = 1;
	CHECK_EQ(puppet.wakes, 0);
	CHECK_EQ(puppet_drop(&puppet), -EAGAIN);
	CHECK_EQ(puppet_wait(&puppet, weft_case_deadline(&at)), 0);
}

TEST(interval_is_never_early)
{
	int64_t start = weft_now();
	weft_interval tick;

	CHECK_EQ(weft_interval_init(&tick, start, 300 * WEFT_US, WEFT_MISSED_BURST), 0);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(weft_interval_wait(&tick), 1);
		CHECK_GE(weft_now(), start + i * 300 * WEFT_US);
	}
}
