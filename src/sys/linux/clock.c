/* SPDX-License-Identifier: MIT */
/*
 * The monotonic clock, and deadlines counted from now.
 */
#define _GNU_SOURCE

#include "base/time.h"
#include "sys/sys.h"

#include <time.h>

int64_t weft_now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		weft__die("this system has no monotonic clock");
	return (int64_t)now.tv_sec * WEFT_SECOND + now.tv_nsec;
}

int64_t weft_after(int64_t ns)
{
	return weft__time_add(weft_now(), ns);
}

int64_t weft_after_us(int64_t us)
{
	return weft_after(weft__time_scale(us, WEFT_US));
}

int64_t weft_after_ms(int64_t ms)
{
	return weft_after(weft__time_scale(ms, WEFT_MS));
}

int64_t weft_after_s(int64_t s)
{
	return weft_after(weft__time_scale(s, WEFT_SECOND));
}
