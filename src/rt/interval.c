/* SPDX-License-Identifier: MIT */
/*
 * Intervals and deadlines as sources of the wait core. Nobody is to be woken and
 * nothing is linked anywhere: such a case is true by the clock alone, and the party
 * that waits for it sleeps no longer than until then. So they need no timer of their
 * own, and work alike for threads, fibers and virtual time.
 */
#include "weft/timer.h"

#include <errno.h>

#include "base/time.h"
#include "wait/wait.h"

int weft_interval_init(weft_interval *interval, int64_t first, int64_t period,
		       enum weft_missed missed)
{
	*interval = (weft_interval){ .next = WEFT_NEVER };
	if (period < 1 || (int)missed < WEFT_MISSED_BURST || missed > WEFT_MISSED_SKIP)
		return -EINVAL;
	if (first < 0)
		first = 0;
	*interval = (weft_interval){ .next = first, .period = period, .missed = missed };
	return 0;
}

/* Takes the moment that has come: how many it stands for. */
static int take(weft_interval *interval, int64_t now)
{
	int64_t more = 0;

	if (interval->missed != WEFT_MISSED_BURST)
		more = (now - interval->next) / interval->period;
	if (interval->missed == WEFT_MISSED_DELAY)
		interval->next = weft__time_add(now, interval->period);
	else
		interval->next = weft__time_add(interval->next + more * interval->period,
						interval->period);
	return more < INT32_MAX ? (int)more + 1 : INT32_MAX;
}

static bool interval_attempt(weft_case *c)
{
	weft_interval *interval = c->object;
	int64_t now;

	if (interval->next == WEFT_NEVER)
		return false;
	now = weft_now();
	if (now < interval->next)
		return false;
	c->result = take(interval, now);
	return true;
}

static int64_t interval_due(const weft_case *c)
{
	const weft_interval *interval = c->object;

	return interval->next;
}

static bool deadline_attempt(weft_case *c)
{
	const int64_t *deadline = c->object;

	c->result = 0;
	return *deadline != WEFT_NEVER && weft_now() >= *deadline;
}

static int64_t deadline_due(const weft_case *c)
{
	const int64_t *deadline = c->object;

	return *deadline;
}

static bool enqueue_nowhere(weft_case *c)
{
	(void)c;
	return true;
}

static void dequeue_nowhere(weft_case *c)
{
	(void)c;
}

static const struct weft_source interval_source = {
	.name = "interval",
	.attempt = interval_attempt,
	.enqueue = enqueue_nowhere,
	.dequeue = dequeue_nowhere,
	.due = interval_due,
};

static const struct weft_source deadline_source = {
	.name = "deadline",
	.attempt = deadline_attempt,
	.enqueue = enqueue_nowhere,
	.dequeue = dequeue_nowhere,
	.due = deadline_due,
};

weft_case weft_case_interval(weft_interval *interval)
{
	return weft__case_make(&interval_source, interval, NULL);
}

weft_case weft_case_deadline(const int64_t *deadline)
{
	return weft__case_make(&deadline_source, deadline, NULL);
}

int weft_interval_wait(weft_interval *interval)
{
	return weft_interval_wait_until(interval, WEFT_NEVER);
}

int weft_interval_wait_until(weft_interval *interval, int64_t deadline)
{
	weft_case c = weft_case_interval(interval);

	return weft__block_one(&c, deadline, 0);
}
