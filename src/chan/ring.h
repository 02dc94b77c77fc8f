/* SPDX-License-Identifier: MIT */
/*
 * The bounded channel's object, and the arithmetic of its positions; ring.c says what they
 * mean. For ring.c alone.
 */
#ifndef WEFT_CHAN_RING_H
#define WEFT_CHAN_RING_H

#include "chan/chan.h"

struct cell {
	weft_atomic_size stamp;
	unsigned char element[];
};

/* Positions have this many bits; above is the count of reserved places. */
enum { POSITION_BITS = 6 * sizeof(size_t) };

static const size_t POSITION = ((size_t)1 << POSITION_BITS) - 1;
static const size_t RESERVED_ONE = (size_t)1 << POSITION_BITS;
static const size_t RESERVED_MOST = SIZE_MAX >> POSITION_BITS;

struct ring {
	struct weft_chan chan;
	size_t lap;
	size_t stride; /* bytes from cell to cell */
	weft_waitq senders;
	weft_waitq receivers;
	unsigned char *cells;
	weft_atomic_u32 closing; /* set before CLOSED: see ring_try_recv() */
	WEFT_ALIGNED(CHAN_LINE) weft_atomic_size tail;
	WEFT_ALIGNED(CHAN_LINE) weft_atomic_size head;
};

static inline size_t closed_bit(const struct ring *r)
{
	return r->lap / 2;
}

static inline struct cell *cell_at(const struct ring *r, size_t position)
{
	size_t index = position & (closed_bit(r) - 1);

	return (struct cell *)(void *)(r->cells + index * r->stride);
}

static inline size_t successor(const struct ring *r, size_t position)
{
	size_t index = position & (closed_bit(r) - 1);

	return index + 1 < r->chan.capacity ? position + 1
					    : (position - index + r->lap) & POSITION;
}

/* The position that is n on, at most one lap. */
static inline size_t further(const struct ring *r, size_t position, size_t n)
{
	size_t index = position & (closed_bit(r) - 1);

	if (n < r->chan.capacity - index)
		return position + n;
	return (position - index + r->lap + (n - (r->chan.capacity - index))) & POSITION;
}

/* What `tail` says without CLOSED and the count. */
static inline size_t position_in(const struct ring *r, size_t tail)
{
	return tail & POSITION & ~closed_bit(r);
}

/* The next cell that is not reserved; if all are, one of the next lap, which is taken. */
static inline size_t free_in(const struct ring *r, size_t tail)
{
	return further(r, position_in(r, tail), tail >> POSITION_BITS);
}

#endif
