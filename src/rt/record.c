/* SPDX-License-Identifier: MIT */
/*
 * The store of records: batches of free ones, each a list with its count at most
 * WEFT__RECORDS_BATCH; single ones from plain threads; and what is left of the chunk that
 * came from the system last. A gate guards all of it, entered once a batch by workers.
 *
 * Of a batch, the first record's `node` leads to the others and its `wake` to the next
 * batch.
 */
#include "rt/record.h"

#include "rt/rt.h"

enum { CHUNK_LEAST = 64 * 1024, CHUNK_MOST = 2 * 1024 * 1024 };

/* Whole cache lines, so that no two fibers share one. */
#define RECORD ((sizeof(struct weft_fiber) + 63) / 64 * 64)

static struct {
	weft_waitq gate;
	struct weft__fifo batches; /* linked by `wake` */
	struct weft__fifo loose;
	unsigned loose_count;
	char *chunk; /* what is left of it */
	size_t left, size;
} store;

static bool chunk_map(void)
{
	size_t size = store.size ? store.size * 2 : CHUNK_LEAST;

	size = size < CHUNK_MOST ? size : CHUNK_MOST;
	store.chunk = weft__pages_map(size);
	if (!store.chunk) {
		store.left = 0;
		return false;
	}
	store.size = size;
	store.left = size;
	return true;
}

/* Up to a batch of records that were never used. */
static unsigned carve(struct weft__fifo *out, unsigned most)
{
	unsigned count = 0;

	if (store.left < RECORD && !chunk_map())
		return 0;
	for (; count < most && store.left >= RECORD; count++) {
		weft__fifo_push(out, &((struct weft_fiber *)(void *)store.chunk)->node);
		store.chunk += RECORD;
		store.left -= RECORD;
	}
	return count;
}

static unsigned batch_take(struct weft__fifo *out)
{
	struct weft__fifo_node *first = weft__fifo_pop(&store.batches);
	struct weft__fifo_node *node;
	unsigned count = 0;

	if (!first)
		return carve(out, WEFT__RECORDS_BATCH);
	node = &weft_container_of(first, struct weft_fiber, wake)->node;
	while (node) {
		struct weft__fifo_node *next = node->next;

		weft__fifo_push(out, node);
		node = next;
		count++;
	}
	return count;
}

/* The list, which is not empty, becomes a batch. */
static void batch_give(struct weft__fifo *list)
{
	weft__fifo_push(&store.batches, &weft__fiber_of_node(list->head)->wake);
	list->head = NULL;
}

static void loose_give(struct weft_fiber *fiber)
{
	weft__fifo_push(&store.loose, &fiber->node);
	if (++store.loose_count == WEFT__RECORDS_BATCH) {
		batch_give(&store.loose);
		store.loose_count = 0;
	}
}

static struct weft_fiber *loose_take(void)
{
	if (weft__fifo_empty(&store.loose))
		store.loose_count = batch_take(&store.loose);
	if (store.loose_count > 0)
		store.loose_count--;
	return weft__fiber_of_node(weft__fifo_pop(&store.loose));
}

struct weft_fiber *weft__record_take(struct weft__records *records)
{
	struct weft_fiber *fiber;

	if (WEFT_LIKELY(records && records->count > 0)) {
		records->count--;
		return weft__fiber_of_node(weft__fifo_pop(&records->free));
	}
	weft__gate_enter(&store.gate);
	if (records) {
		records->count = batch_take(&records->free);
		fiber = weft__fiber_of_node(weft__fifo_pop(&records->free));
		records->count -= fiber != NULL;
	} else {
		fiber = loose_take();
	}
	weft__gate_leave(&store.gate);
	return fiber;
}

/* The latest that were used stay: they are at the front. */
static void spill(struct weft__records *records)
{
	struct weft__fifo_node *last = records->free.head;
	struct weft__fifo rest;

	for (int i = 1; i < WEFT__RECORDS_BATCH; i++)
		last = last->next;
	rest = (struct weft__fifo){ last->next, records->free.tail };
	records->free.tail = last;
	last->next = NULL;
	records->count -= WEFT__RECORDS_BATCH;
	weft__gate_enter(&store.gate);
	batch_give(&rest);
	weft__gate_leave(&store.gate);
}

void weft__record_give(struct weft__records *records, struct weft_fiber *fiber)
{
	if (WEFT_UNLIKELY(!records)) {
		weft__gate_enter(&store.gate);
		loose_give(fiber);
		weft__gate_leave(&store.gate);
		return;
	}
	weft__fifo_push_front(&records->free, &fiber->node);
	if (WEFT_UNLIKELY(++records->count == 2 * WEFT__RECORDS_BATCH))
		spill(records);
}

void weft__records_empty(struct weft__records *records)
{
	if (records->count == 0)
		return;
	weft__gate_enter(&store.gate);
	batch_give(&records->free);
	weft__gate_leave(&store.gate);
	records->count = 0;
}

void weft__records_forget(void)
{
	store.gate = (weft_waitq){ { 0 } };
	store.batches.head = NULL;
	store.loose.head = NULL;
	store.loose_count = 0;
	store.left = 0;
}
