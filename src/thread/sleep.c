/* SPDX-License-Identifier: MIT */
/*
 * Giving up the CPU: for a moment, or until a point in time. Sleeping is a wait
 * for nothing at all, so that it ends at the deadline or by cancellation.
 */
#include <errno.h>

#include "sys/sys.h"
#include "wait/wait.h"
#include "weft/thread.h"

void weft_thread_yield(void)
{
	weft__thread_yield();
}

int weft_sleep_until(int64_t deadline)
{
	int err = weft__block(NULL, 0, deadline, 0);

	return err == -ETIMEDOUT ? 0 : err;
}
