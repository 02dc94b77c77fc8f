/* SPDX-License-Identifier: MIT */
/*
 * Backoff: pauses that double, then yields, then the advice to block. The steps
 * are those of crossbeam's Backoff, which many a loop has been tuned to: 127
 * pauses in all, some microseconds, before the first system call.
 */
#include "weft/backoff.h"

#include "sys/sys.h"

enum {
	SPIN_STEPS = 6,   /* the last step of pauses: 2^6 of them */
	YIELD_STEPS = 10, /* the last step that is spent on yielding */
};

void weft_pause(void)
{
	weft__cpu_pause();
}

/* A user may have written any number into `step`. */
static void pauses(uint32_t step)
{
	uint32_t count = UINT32_C(1) << (step < SPIN_STEPS ? step : SPIN_STEPS);

	while (count-- > 0)
		weft__cpu_pause();
}

void weft_backoff_spin(weft_backoff *backoff)
{
	pauses(backoff->step);
	if (backoff->step < SPIN_STEPS)
		backoff->step++;
}

void weft_backoff_snooze(weft_backoff *backoff)
{
	if (backoff->step <= SPIN_STEPS)
		pauses(backoff->step);
	else
		weft__thread_yield();
	if (backoff->step <= YIELD_STEPS)
		backoff->step++;
}

bool weft_backoff_is_completed(const weft_backoff *backoff)
{
	return backoff->step > YIELD_STEPS;
}
