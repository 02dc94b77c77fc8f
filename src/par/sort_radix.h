/* SPDX-License-Identifier: MIT */
/*
 * The two halves of the radix sort: sort_radix.c leads and has the loops over elements,
 * sort_blocks.c moves blocks.
 */
#ifndef WEFT_PAR_SORT_RADIX_H
#define WEFT_PAR_SORT_RADIX_H

#include "par/sort.h"

/* Keys from lo on, below lo + 2^bits; of 0 bits: all equal. */
struct span {
	uint64_t lo;
	unsigned bits;
};

/* Room for the counters of the digits that are being sorted by, one below the other. */
struct counters {
	uint32_t *at;
	size_t left;
};

/* A partition of a large array into buckets by one digit: clamped, so that the first
 * bucket has all that is below `lo` too, and the last all that is above. */
struct partition {
	struct weft__radix *radix;
	char *base;
	size_t n;
	uint64_t lo;
	unsigned shift;
	size_t buckets;
	size_t block; /* elements in a block */
	size_t slots; /* places for a block in the array, the last of them in part */
	size_t stripes, stripe_slots;
	char *buffers;         /* a block for each stripe and bucket, */
	uint32_t *fill;        /* and how many elements it holds */
	uint32_t *stripe_full; /* blocks that a stripe wrote */
	uint8_t *owner;        /* of the block in a slot: its bucket */
	uint32_t *source;      /* of a slot: the slot whose block belongs there */
	size_t *start;         /* of a bucket, in elements; one more at the end */
	size_t *first;         /* its first slot, */
	size_t *blocks;        /* and how many blocks it has */
	char *overflow;        /* the last slot, if only a part of it is in the array */
	void *memory;          /* all of the above */
};

enum { BLOCK_BYTES = 1024, BUCKETS_MOST = 256 };

/* Partitions; false without memory, and then nothing has changed. `start` is valid until
 * the partition is released. */
bool weft__partition_run(weft_par par, struct partition *p);
void weft__partition_release(struct partition *p);

struct weft__radix_kind {
	uint64_t (*key)(const struct weft__radix *radix, const char *at);
	void (*classify)(struct partition *p, size_t stripe);
	void (*range)(const struct weft__radix *radix, const char *base, size_t n,
		      struct span *span);
	bool (*ordered)(const struct weft__radix *radix, const char *base, size_t lo, size_t hi,
			bool down);
	void (*reverse)(const struct weft__radix *radix, char *base, size_t n, size_t lo,
			size_t hi);
	void (*cached)(const struct weft__radix *radix, char *base, char *other, size_t n,
		       struct span span, struct counters counters);
};

#endif
