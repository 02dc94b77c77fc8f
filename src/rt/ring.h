/* SPDX-License-Identifier: MIT */
/*
 * The stealable ring: what a worker has to do that any worker may do, fibers that
 * have not begun. First in, first out. The owner puts in at `tail`; the owner takes
 * one and thieves take half, at `head`, by compare-and-swap. (The plan of Go's run
 * queues.)
 *
 * A thief reads the slots before its compare-and-swap and believes them after it: the
 * owner writes a slot again only when `head` has passed it, and then the swap fails.
 * The counters have 64 bits and never come round.
 *
 * ring.1  the owner publishes by storing `tail` with release, thieves load it with
 *         acquire: the slot, and what it points at. The store is a swap, seq_cst, as
 *         it is the first half of idle.1 (see idle.h).
 * ring.2  a thief moves `head` with release, the owner loads it with acquire before it
 *         writes a slot again: the thief has read it.
 */
#ifndef WEFT_RT_RING_H
#define WEFT_RT_RING_H

#include "base/fifo.h"
#include "sys/sys.h"

enum { WEFT__DEALS = WEFT__BOUND(256, 4) };

struct weft__deals {
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u64 head;
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u64 tail;
	weft_atomic_ptr slots[WEFT__DEALS];
};

static inline weft_atomic_ptr *weft__deals_slot(struct weft__deals *ring, uint64_t position)
{
	return &ring->slots[position % WEFT__DEALS];
}

/* How many are in it; of another's ring, about. */
static inline unsigned weft__deals_count(struct weft__deals *ring)
{
	/* An old head is smaller: a sleeper looks once too often. */
	uint64_t head = weft_load_relaxed(&ring->head);
	uint64_t tail = weft_load_seq_cst(&ring->tail); /* idle.1 */

	return tail > head ? (unsigned)(tail - head) : 0;
}

/* The owner: false when it is full. `shared` is false if no other worker exists. */
static inline bool weft__deals_push(struct weft__deals *ring, struct weft__fifo_node *node,
				    bool shared)
{
	uint64_t tail = weft_load_relaxed(&ring->tail);

	if (tail - weft_load_acquire(&ring->head) >= WEFT__DEALS) /* ring.2 */
		return false;
	weft_store_relaxed(weft__deals_slot(ring, tail), node);
	if (shared)
		weft_swap_seq_cst(&ring->tail, tail + 1); /* ring.1, idle.1 */
	else
		weft_store_release(&ring->tail, tail + 1); /* ring.1 */
	return true;
}

/* The owner: the oldest, or NULL. */
static inline struct weft__fifo_node *weft__deals_pop(struct weft__deals *ring, bool shared)
{
	uint64_t tail = weft_load_relaxed(&ring->tail);
	uint64_t head = weft_load_relaxed(&ring->head);

	while (head != tail) {
		struct weft__fifo_node *node = weft_load_relaxed(weft__deals_slot(ring, head));

		if (!shared) {
			weft_store_relaxed(&ring->head, head + 1);
			return node;
		}
		if (weft_cas_weak_relaxed(&ring->head, &head, head + 1))
			return node;
	}
	return NULL;
}

/* Takes the older half, at least one if there is one: appends it to `out` and returns
 * the number. Thieves, and the owner when it is full. */
static inline unsigned weft__deals_take(struct weft__deals *ring, struct weft__fifo *out)
{
	struct weft__fifo_node *taken[WEFT__DEALS];
	uint64_t head = weft_load_relaxed(&ring->head);

	for (;;) {
		uint64_t tail = weft_load_acquire(&ring->tail); /* ring.1 */
		uint64_t count = tail - head;

		/* The head may be of before the tail by any number of rounds. */
		if (tail <= head)
			return 0;
		if (count > WEFT__DEALS) {
			head = weft_load_relaxed(&ring->head);
			continue;
		}
		count -= count / 2;
		for (uint64_t i = 0; i < count; i++)
			taken[i] = weft_load_relaxed(weft__deals_slot(ring, head + i));
		if (weft_cas_release(&ring->head, &head, head + count)) { /* ring.2 */
			for (uint64_t i = 0; i < count; i++)
				weft__fifo_push(out, taken[i]);
			return (unsigned)count;
		}
	}
}

#endif
