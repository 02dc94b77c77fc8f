/* SPDX-License-Identifier: MIT */
/*
 * The monotonic clock, and the one that a thread may have put in its place.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <time.h>

/* Initial-exec: one instruction to reach, and no allocation at first use. */
#define LOCAL static __thread __attribute__((tls_model("initial-exec")))
LOCAL const int64_t *installed;

void weft__clock_install(const int64_t *now)
{
	installed = now;
}

bool weft__clock_is_installed(void)
{
	return installed != NULL;
}

int64_t weft_now(void)
{
	struct timespec now;

	if (WEFT_UNLIKELY(installed != NULL))
		return *installed;
	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		weft__die("this system has no monotonic clock");
	return (int64_t)now.tv_sec * WEFT_SECOND + now.tv_nsec;
}
