/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors that are somebody else's.
 *
 * Nobody tells us when such a descriptor is read, so every wait asks the system what
 * it is ready for, after it has taken the edge. A duplicate of the descriptor is what
 * is registered: its owner may close the original too early, and then waits for
 * nothing, but never sees the events of a stranger that got the number.
 */
#include <errno.h>

#include "rt/poller.h"
#include "weft/io.h"

struct weft_watch {
	struct weft__pollee *pollee;
};

int weft_watch_open(weft_watch **out, int fd)
{
	struct weft_watch *watch;
	int copy;

	*out = NULL;
	copy = weft__fd_duplicate(fd);
	if (copy < 0)
		return copy;
	watch = weft__alloc_zero(1, sizeof(*watch));
	if (watch)
		watch->pollee = weft__pollee_new(copy);
	if (!watch || !watch->pollee) {
		(void)weft__fd_close(copy);
		weft__release(watch);
		return -ENOMEM;
	}
	*out = watch;
	return 0;
}

void weft_watch_close(weft_watch *watch)
{
	if (!watch)
		return;
	weft__pollee_close(watch->pollee, true);
	weft__release(watch);
}

int weft_watch_wait_until(weft_watch *watch, enum weft_side side, int64_t deadline)
{
	weft_case c = weft_case_watch(watch, side);

	return weft__block_one(&c, deadline, 0);
}

weft_case weft_case_watch(weft_watch *watch, enum weft_side side)
{
	return weft__pollee_case(watch->pollee,
				 side == WEFT_READABLE ? WEFT__TO_READ : WEFT__TO_WRITE);
}

const char *weft_uring_refusal(void)
{
	return weft__uring_refusal();
}
