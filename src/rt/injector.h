/* SPDX-License-Identifier: MIT */
/*
 * The injector: fibers that have not begun and that no worker's ring holds, because a
 * plain thread spawned them or because the ring was full. A list with a lock for each
 * worker, so that many threads that spawn do not all meet at one.
 */
#ifndef WEFT_RT_INJECTOR_H
#define WEFT_RT_INJECTOR_H

#include "base/fifo.h"
#include "wait/wait.h"

struct weft__shard {
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_waitq gate;
	struct weft__fifo fifo;
	weft_atomic_u32 count; /* changed with the gate closed; others look */
};

struct weft__injector {
	struct weft__shard *shards;
	unsigned count;
};

/* Appends the nodes of `chain`, which are `count`, to the shard with that number,
 * modulo their count. Any thread. */
void weft__injector_push(struct weft__injector *injector, unsigned shard, struct weft__fifo *chain,
			 unsigned count);

/* Takes up to `most` nodes from the first shard that has any, beginning with `first`:
 * how many were appended to `out`. Any thread. */
unsigned weft__injector_take(struct weft__injector *injector, unsigned first, unsigned most,
			     struct weft__fifo *out);

/* Whether there is one; seq_cst: the second half of idle.1. */
bool weft__injector_filled(struct weft__injector *injector);

#endif
