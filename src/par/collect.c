/* SPDX-License-Identifier: MIT */
/*
 * Collecting what is not known to be how much: a reduction whose accumulator is a list
 * of chunks of items. A range appends to the last chunk of its accumulator; to combine
 * means to hang one list behind the other. In the end the chunks are copied into one
 * array; if there is but one, it is the array.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "par/par.h"
#include "weft/par_array.h"

enum {
	CHUNK_LEAST = 4096,              /* bytes */
	CHUNK_MOST = 1 << 20,            /* unless more is asked for at once */
	COPY_ALONE = 1 << 18,            /* bytes that are not worth sharing */
	SIZE_MOST = WEFT_REDUCE_MAX / 4, /* of an accumulator: a check */
};

/* The items come from malloc(), so that they can be given away. */
struct chunk {
	struct chunk *next;
	char *items;
	size_t count, room;
	size_t before; /* items in the chunks before it: known in the end */
};

struct weft_items {
	struct chunk *first, *last;
	size_t size;
	bool failed;
};

_Static_assert(sizeof(struct weft_items) <= SIZE_MOST, "an accumulator is small");

static struct chunk *chunk_new(const weft_items *items, size_t count)
{
	size_t least = CHUNK_LEAST / items->size + 1;
	size_t most = CHUNK_MOST / items->size + 1;
	size_t room = items->last ? items->last->room * 2 : least;
	struct chunk *c = malloc(sizeof(*c));

	room = room < most ? room : most;
	room = room > count ? room : count;
	if (!c || room > SIZE_MAX / items->size)
		goto failed;
	*c = (struct chunk){ .items = malloc(room * items->size), .room = room };
	if (c->items)
		return c;
failed:
	free(c);
	return NULL;
}

void *weft_items_add(weft_items *items, size_t count)
{
	struct chunk *c = items->last;

	if (!c || c->room - c->count < count) {
		c = items->failed ? NULL : chunk_new(items, count);
		if (!c) {
			items->failed = true;
			return NULL;
		}
		*(items->last ? &items->last->next : &items->first) = c;
		items->last = c;
	}
	c->count += count;
	return c->items + (c->count - count) * items->size;
}

void weft_items_drop(weft_items *items, size_t count)
{
	WEFT__ASSERT(count == 0 || (items->last && items->last->count >= count),
		     "more items were dropped than were added last");
	if (items->last)
		items->last->count -= count;
}

void weft_items_push(weft_items *items, const void *item)
{
	void *at = weft_items_add(items, 1);

	if (at)
		memcpy(at, item, items->size);
}

/* ---- the reduction ------------------------------------------------------------------------ */

struct collect {
	weft_collect_fn body;
	void *context;
};

static int collect_block(void *context, size_t lo, size_t hi, void *accumulator)
{
	const struct collect *c = context;
	weft_items *items = accumulator;
	int err = c->body(c->context, lo, hi, items);

	return items->failed ? -ENOMEM : err;
}

static void chunks_free(struct chunk *c)
{
	struct chunk *next;

	for (; c; c = next) {
		next = c->next;
		free(c->items);
		free(c);
	}
}

/* Also after a failure, so that there is one list to free. */
static void hang_behind(void *context, void *left, const void *right)
{
	weft_items *l = left;
	const weft_items *r = right;

	(void)context;
	if (!r->first)
		return;
	*(l->last ? &l->last->next : &l->first) = r->first;
	l->last = r->last;
}

/* ---- one array ----------------------------------------------------------------------------- */

struct copy {
	char *to;
	size_t size;
	struct chunk **chunks;
};

static void copy_chunk(const struct copy *copy, const struct chunk *c)
{
	if (c->count)
		memcpy(copy->to + c->before * copy->size, c->items, c->count * copy->size);
}

static void copy_block(void *context, size_t lo, size_t hi)
{
	const struct copy *copy = context;

	for (size_t i = lo; i < hi; i++)
		copy_chunk(copy, copy->chunks[i]);
}

static void copy_shared(struct copy *copy, struct chunk *first, size_t count,
			const weft_par_opts *opts)
{
	weft_par_opts each = { .grain = 1 };
	size_t n = 0;

	if (opts) {
		each.pool = opts->pool;
		each.in = opts->in;
	}
	copy->chunks = malloc(count * sizeof(struct chunk *));
	for (struct chunk *c = first; c; c = c->next)
		if (copy->chunks)
			copy->chunks[n++] = c;
		else
			copy_chunk(copy, c);
	weft_par_for(0, n, copy_block, copy, &each);
	free(copy->chunks);
}

static int join_chunks(const weft_items *items, void **out, size_t *count,
		       const weft_par_opts *opts)
{
	struct copy copy = { .size = items->size };
	size_t total = 0, chunks = 0;

	for (struct chunk *c = items->first; c; c = c->next, chunks++) {
		c->before = total;
		total += c->count;
	}
	if (total == 0)
		return 0;
	if (chunks == 1) {
		copy.to = realloc(items->first->items, total * items->size);
		copy.to = copy.to ? copy.to : items->first->items;
		items->first->items = NULL;
	} else {
		copy.to = malloc(total * items->size);
		if (!copy.to)
			return -ENOMEM;
		if (total * items->size > COPY_ALONE)
			copy_shared(&copy, items->first, chunks, opts);
		else
			for (struct chunk *c = items->first; c; c = c->next)
				copy_chunk(&copy, c);
	}
	*out = copy.to;
	*count = total;
	return 0;
}

int weft_par_collect(size_t lo, size_t hi, size_t size, weft_collect_fn body, void *context,
		     void **items, size_t *count, const weft_par_opts *opts)
{
	struct collect c = { body, context };
	weft_items none = { .size = size }, all = none;
	struct weft__gather gather = { .size = sizeof(none),
				       .identity = &none,
				       .body = collect_block,
				       .combine = hang_behind,
				       .context = &c };
	int err;

	*items = NULL;
	*count = 0;
	if (size == 0)
		return -EINVAL;
	err = weft__par_gather(lo, hi, &gather, &all, weft__loop_key((uintptr_t)body, context),
			       opts);
	if (!err)
		err = join_chunks(&all, items, count, opts);
	chunks_free(all.first);
	return err;
}
