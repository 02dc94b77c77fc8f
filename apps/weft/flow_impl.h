/* SPDX-License-Identifier: MIT */
/*
 * What flow.c (producer's and consumer's side) and flow_work.c (the workers)
 * share.
 */
#ifndef WEFT_APP_FLOW_IMPL_H
#define WEFT_APP_FLOW_IMPL_H

#include "flow.h"
#include "window.h"

#include <weft/channel.h>
#include <weft/pool.h>
#include <weft/scope.h>
#include <weft/semaphore.h>

/* Memory of what is under way, and how much of it changes hands at a time: the
 * semaphore is touched once for some hundred files. */
#define FLOW_BUDGET ((uint32_t)24 << 20)
#define FLOW_STEP ((uint32_t)64 << 10)
#define FLOW_COST_MIN ((uint32_t)128)
/* One path can be long; it must not want more permits than there are. */
#define FLOW_COST_MAX (FLOW_BUDGET / 4)

/* How many items may wait in the work channel, and for how many places of it the
 * producer waits at a time: were it woken for each, waking it would cost more than
 * hashing a small file. */
#define FLOW_AHEAD ((uint32_t)1024)
#define FLOW_AHEAD_STEP ((uint32_t)128)

/* A hashing worker: its hasher, what it has finished and not handed over, and
 * its share of the tally, which only it writes. */
struct WEFT_ALIGNED(WEFT_CACHE_LINE) flow_worker {
	weft_job job;
	struct flow *flow;
	struct hasher hasher;
	weft_par par;
	struct flow_item *done, **done_end;
	size_t done_count;
	int64_t done_since;
	weft_atomic_u64 files, bytes, bytes_known;
};

struct flow {
	const struct flow_opts *opts;
	weft_scope scope;
	weft_pool *pool;
	weft_chan *work;       /* struct flow_item *, one each */
	weft_chan *results;    /* struct flow_item *, lists of them */
	weft_semaphore room;   /* bytes that may yet be under way */
	weft_semaphore ahead;  /* places in the work channel */
	weft_atomic_u64 taken; /* items that workers have received */
	struct flow_worker *workers;
	weft_par *forks;

	/* The producer's. */
	uint64_t numbered, to_hash;
	uint32_t credit;       /* permits of `room` that it has and did not use */
	uint32_t places;       /* the same of `ahead` */
	weft_atomic_u64 total; /* plus one; 0 while unknown */

	/* The consumer's. */
	struct window window;
	uint32_t returned;
};

void flow_item_free(struct flow_item *item);

/* Runs all workers, until the work channel is closed and empty or the flow's
 * scope is cancelled. */
void flow_work(struct flow *f);

#endif
