/* SPDX-License-Identifier: MIT */
/*
 * Sleeping on a word.
 *
 * FUTEX_WAIT_BITSET takes an absolute time, on CLOCK_MONOTONIC unless told
 * otherwise, where FUTEX_WAIT takes a span. With a point in time there is nothing
 * to compute anew when a signal interrupts the sleep, so no time is lost or
 * gained however often that happens. The kernel keeps times in the same 63 bits
 * of nanoseconds as a deadline does: every deadline can be expressed.
 *
 * errno is left alone, so that an unlock in a signal handler or between a failed
 * call and its report does no harm.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(time_t) == 8, "a deadline must fit into a struct timespec");

static int futex(weft_atomic_u32 *word, int operation, uint32_t value,
		 const struct timespec *deadline, uint32_t bitset)
{
	int saved = errno;
	int result = (int)syscall(SYS_futex, &word->v, operation, value, deadline, NULL, bitset);

	if (result < 0) {
		result = -errno;
		errno = saved;
	}
	return result;
}

int weft__futex_wait(weft_atomic_u32 *word, uint32_t expected, int64_t deadline)
{
	struct timespec until;
	int result;

	if (deadline <= 0)
		return -ETIMEDOUT;
	until.tv_sec = deadline / WEFT_SECOND;
	until.tv_nsec = deadline % WEFT_SECOND;
	do {
		result = futex(word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
			       deadline == WEFT_NEVER ? NULL : &until, FUTEX_BITSET_MATCH_ANY);
	} while (result == -EINTR);
	if (result != 0 && result != -EAGAIN && result != -ETIMEDOUT)
		weft__die("futex: cannot sleep on the word at %p: %s", (void *)word,
			  strerror(-result));
	return result;
}

void weft__futex_wake(weft_atomic_u32 *word, int count)
{
	if (count <= 0) /* the kernel would take it for one */
		return;
	(void)futex(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, (uint32_t)count, NULL, 0);
}
