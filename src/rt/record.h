/* SPDX-License-Identifier: MIT */
/*
 * Where the records of fibers come from: a worker's own list of free ones, and a store
 * of the process behind it, which deals in batches. Its memory comes from the system in
 * chunks and is never given back: a record is used again, or waits to be.
 */
#ifndef WEFT_RT_RECORD_H
#define WEFT_RT_RECORD_H

#include "base/fifo.h"

struct weft_fiber;

/* A worker's, which alone uses it. All zeros is an empty one. */
struct weft__records {
	struct weft__fifo free;
	unsigned count;
};

enum { WEFT__RECORDS_BATCH = 64 };

/* A record whose contents are anything; NULL without memory. `records` is NULL for plain
 * threads. */
struct weft_fiber *weft__record_take(struct weft__records *records);
void weft__record_give(struct weft__records *records, struct weft_fiber *fiber);

/* Gives all of them to the store: before the worker ends. */
void weft__records_empty(struct weft__records *records);

/* In the child of a fork(): the store may have been in use, and begins anew. */
void weft__records_forget(void);

#endif
