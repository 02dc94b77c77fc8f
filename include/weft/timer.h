/* SPDX-License-Identifier: MIT */
/*
 * Time: time-outs around any calls, intervals, and moments as cases of a select.
 *
 *     weft_interval tick;
 *     int err = weft_interval_init(&tick, weft_now(), WEFT_SECOND, WEFT_MISSED_SKIP);
 *     while ((err = weft_interval_wait(&tick)) > 0)
 *         report();
 *
 * To sleep is weft_sleep_until() (<weft/thread.h>). A scope with a deadline, for work
 * that is spawned, is weft_scope_open_with() (<weft/scope.h>).
 *
 * Nothing here comes early. On a fiber it may come up to 66 us late, on a thread by
 * what the system takes, and then by what it takes until there is a CPU.
 */
#ifndef WEFT_TIMER_H
#define WEFT_TIMER_H

#include <weft/cancel.h>
#include <weft/wait.h>

WEFT_BEGIN_DECLS

/* A time-out around whatever stands between begin and end, however deep:
 *
 *     weft_timeout timeout;
 *     weft_timeout_begin(&timeout, weft_after_ms(50));
 *     err = ask(&client, &answer);
 *     err = weft_timeout_end(&timeout, err);
 *
 * In the owner's frame; the fields are the library's. Time-outs and scopes nest. */
typedef struct weft_timeout {
	weft_token token;
	weft_token *outer;
} weft_timeout;

/* From now on the caller's blocking calls, and those of what it spawns, end with
 * -ECANCELED at the deadline. WEFT_NEVER: only as they did before. Cannot fail. */
WEFT_API void weft_timeout_begin(weft_timeout *timeout, int64_t deadline);

/* The end of it, on the same thread or fiber: what was spawned in between under its
 * token must be over. Returns `result`, or -ETIMEDOUT instead of -ECANCELED if it was
 * this deadline that passed and not the caller's scope that was cancelled. */
WEFT_API int weft_timeout_end(weft_timeout *timeout, int result);

/* What becomes of the moments of an interval that its owner was too late for. */
enum weft_missed {
	WEFT_MISSED_BURST, /* each is made up for at once: the number of ticks is right */
	WEFT_MISSED_DELAY, /* dropped; the next comes a period from now: gaps are right */
	WEFT_MISSED_SKIP,  /* dropped; the next comes when it would have: the beat is right */
};

/* In the owner's memory, used by one party at a time; the fields are the library's. */
typedef struct weft_interval {
	int64_t next;
	int64_t period;
	int missed;
} weft_interval;

/* Moments at `first` and at each `period` ns after it. 0, or -EINVAL for a period
 * below 1 and an unknown policy. Nothing to give back. */
WEFT_API WEFT_NODISCARD int weft_interval_init(weft_interval *interval, int64_t first,
					       int64_t period, enum weft_missed missed);

/* Waits for the next moment; the number of moments that this stands for, which is 1
 * unless some were dropped before; -ECANCELED, and with a deadline -ETIMEDOUT, which
 * leave the moment to the next call. Any thread or fiber; blocks. */
WEFT_API int weft_interval_wait(weft_interval *interval);
WEFT_API WEFT_NODISCARD int weft_interval_wait_until(weft_interval *interval, int64_t deadline);

/* A select case that takes effect at the next moment, with the same number as result.
 * Not twice in one select. */
WEFT_API weft_case weft_case_interval(weft_interval *interval);

/* A select case that takes effect when *deadline has come, and is left alone until
 * the select is over. Unlike the deadline of the select itself, there can be
 * several. */
WEFT_API weft_case weft_case_deadline(const int64_t *deadline);

WEFT_END_DECLS

#endif
