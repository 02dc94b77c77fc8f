/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic on deadlines and spans that cannot overflow.
 *
 * A deadline is a point on the monotonic clock, 0 .. WEFT_NEVER, in nanoseconds;
 * a span is a signed number of nanoseconds. Everything saturates: what lies
 * before the clock's start becomes 0 ("do not wait"), what lies past its end
 * becomes WEFT_NEVER, and WEFT_NEVER is never moved by an addition.
 */
#ifndef WEFT_BASE_TIME_H
#define WEFT_BASE_TIME_H

#include "weft/base.h"

/* The point `span` after (or, when negative, before) `point`. */
static inline int64_t weft__time_add(int64_t point, int64_t span)
{
	int64_t sum;

	if (point == WEFT_NEVER)
		return WEFT_NEVER;
	if (__builtin_add_overflow(point, span, &sum))
		return span > 0 ? WEFT_NEVER : 0;
	return sum > 0 ? sum : 0;
}

/* The span from `now` to `deadline`: 0 when it has passed, WEFT_NEVER for never. */
static inline int64_t weft__time_left(int64_t deadline, int64_t now)
{
	int64_t left;

	if (deadline == WEFT_NEVER)
		return WEFT_NEVER;
	if (__builtin_sub_overflow(deadline, now, &left))
		return deadline > now ? WEFT_NEVER : 0;
	return left > 0 ? left : 0;
}

/* `count` units of `unit` nanoseconds as a span; `unit` is positive. A product
 * that does not fit becomes INT64_MAX or INT64_MIN. */
static inline int64_t weft__time_scale(int64_t count, int64_t unit)
{
	int64_t ns;

	if (__builtin_mul_overflow(count, unit, &ns))
		return count > 0 ? INT64_MAX : INT64_MIN;
	return ns;
}

/* A span in whole units, rounded up, so that whoever sleeps for the result does
 * not wake before the deadline. Negative spans give 0. */
static inline int64_t weft__time_units(int64_t ns, int64_t unit)
{
	if (ns <= 0)
		return 0;
	return ns / unit + (ns % unit != 0);
}

/* The earlier of two deadlines. */
static inline int64_t weft__time_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

#endif
