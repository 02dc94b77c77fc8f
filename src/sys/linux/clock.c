/* SPDX-License-Identifier: MIT */
/*
 * The monotonic clock.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <time.h>

int64_t weft_now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		weft__die("this system has no monotonic clock");
	return (int64_t)now.tv_sec * WEFT_SECOND + now.tv_nsec;
}
