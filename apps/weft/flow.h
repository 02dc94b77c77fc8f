/* SPDX-License-Identifier: MIT */
/*
 * The pipeline that hashes files: a producer names them, workers read and hash
 * them at the same time, a consumer gets the results in the order of naming.
 *
 *     producer thread --work channel--> workers of a pool --results channel--> caller
 *
 * What is under way (named, and not consumed yet) is bounded by bytes of memory:
 * the producer takes permits from a semaphore for each item, and the consumer's
 * side gives them back. A large file therefore holds up nothing until the results
 * that wait behind it fill some megabytes, then the producer pauses. There is no
 * deadlock in that: the item whose turn it is was numbered before all that wait,
 * so it is in the work channel or in a worker's hands, and needs no permit more.
 */
#ifndef WEFT_APP_FLOW_H
#define WEFT_APP_FLOW_H

#include "hash.h"

#include <weft/atomic.h>
#include <weft/base.h>

enum flow_kind {
	FLOW_FILE,  /* a regular file; not if it has become a link */
	FLOW_NAMED, /* the same, through links */
	FLOW_STDIN, /* standard input */
	FLOW_EMPTY, /* no bytes: standard input, named again */
	FLOW_NOTE,  /* nothing to hash: the producer's word to the consumer */
};

struct flow_item {
	struct flow_item *next;
	uint64_t number;
	uint64_t bytes;
	int trouble; /* why there is no digest (errno, or see path.h); 0: there is */
	uint32_t cost;
	uint32_t extra_len;
	uint8_t kind;
	uint8_t digest[HASH_SIZE];
	const char *path;
	max_align_t extra[]; /* the producer's bytes, then the path */
};

struct flow;

struct flow_opts {
	int jobs; /* at least 1 */

	/* Runs on a thread of its own and calls flow_emit(). 0, or -errno, which
	 * ends the flow. */
	int (*produce)(struct flow *flow, void *context);

	/* Gets each item, in order, on the caller's thread. 0, or -errno, which ends
	 * the flow. The item is freed afterwards. */
	int (*consume)(const struct flow_item *item, void *context);

	/* Called on the caller's thread now and then, and before it waits; returns
	 * when to call it again, WEFT_NEVER if only something new matters. */
	int64_t (*pace)(struct flow *flow, void *context);

	/* After a cancellation: called when workers do not come back in time, because
	 * the system holds them in a read; must not return. */
	void (*give_up)(void *context);
	void *context;
};

/* Runs it. 0 when everything was produced and consumed; what produce or consume
 * failed with; -ECANCELED when the caller's ambient token was cancelled: then
 * everything that was finished has been consumed all the same, in order; -ENOMEM,
 * -EAGAIN (no threads). */
int flow_run(const struct flow_opts *opts);

/* The producer's side: names the next item, with `extra_len` bytes for the
 * consumer. 0, -ECANCELED, -ENOMEM. Waits when too much is under way. */
int flow_emit(struct flow *flow, enum flow_kind kind, int trouble, const char *path,
	      const void *extra, size_t extra_len);

/* What the workers have done so far; they may be ahead by now. */
struct flow_tally {
	uint64_t files;       /* begun */
	uint64_t bytes;       /* hashed */
	uint64_t bytes_known; /* sizes of the files begun */
	uint64_t total;       /* files in all, if `total_known` */
	bool total_known;
};
void flow_tally_read(struct flow *flow, struct flow_tally *tally);

#endif
