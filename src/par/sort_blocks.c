/* SPDX-License-Identifier: MIT */
/*
 * Partitioning a large array in place, by blocks.
 *
 * 1. Classify. Each stripe of the array is read by one worker, which collects the
 *    elements of each bucket in a buffer of one block. A full buffer is written over
 *    what the stripe has already read. (The loop is in sort_radix_tmpl.h.)
 * 2. Plan. Now each stripe begins with whole blocks of known buckets, and the sizes of
 *    all buckets are known. A bucket's blocks go to the slots that begin within it, so
 *    each block has its slot, and `source` says for each slot which block belongs there.
 *    That is a set of paths, which end in slots that are free, and of cycles. There is
 *    a block for each 128 numbers of 8 bytes, so to follow them takes little time.
 * 3. Move. Paths and long cycles are cut into pieces of about equal length. Where a
 *    piece ends, the block that it would read last is saved beforehand, since the next
 *    piece overwrites it. Then the pieces are independent, and each block is copied once.
 * 4. Finish. What is left in the buffers fills up the ends of each bucket, as does the
 *    part of its last block that reaches into the next bucket. Bucket after bucket: who
 *    reaches into the next one has been taken out before that is filled.
 *
 * Nothing is shared but by fork and join: there is no atomic operation here.
 */
#include "par/sort_radix.h"

#include <string.h>

#include "sys/sys.h"

#define NONE UINT32_MAX
#define SAVED (UINT32_C(1) << 31) /* and the number of a saved block: not a slot */
#define HELD (UINT32_MAX - 1)     /* the block that a piece keeps for a cycle */

/* ---- memory ---------------------------------------------------------------------------- */

/* Hands out parts of one allocation; with NULL it only adds up. */
struct layout {
	char *memory;
	size_t used;
};

static void *layout_take(struct layout *l, size_t bytes)
{
	void *at = l->memory ? l->memory + l->used : NULL;

	l->used += (bytes + 63) & ~(size_t)63;
	return at;
}

static void partition_lay(struct partition *p, struct layout *l)
{
	size_t bytes = p->block * p->radix->size;

	p->fill = layout_take(l, p->stripes * p->buckets * sizeof(*p->fill));
	p->stripe_full = layout_take(l, p->stripes * sizeof(*p->stripe_full));
	p->start = layout_take(l, (p->buckets + 1) * sizeof(*p->start));
	p->first = layout_take(l, p->buckets * sizeof(*p->first));
	p->blocks = layout_take(l, p->buckets * sizeof(*p->blocks));
	p->source = layout_take(l, p->slots * sizeof(*p->source));
	p->owner = layout_take(l, p->slots);
	p->overflow = layout_take(l, bytes);
	p->buffers = layout_take(l, p->stripes * p->buckets * bytes);
}

static bool partition_init(struct partition *p)
{
	struct layout l = { NULL, 0 };
	size_t most;

	p->slots = (p->n + p->block - 1) / p->block;
	if (p->slots >= SAVED)
		return false;
	most = p->slots / (2 * p->buckets) + 1;
	p->stripes = p->radix->workers < most ? p->radix->workers : most;
	p->stripe_slots = (p->slots + p->stripes - 1) / p->stripes;
	partition_lay(p, &l);
	l.memory = weft__alloc_aligned(64, l.used);
	if (!l.memory)
		return false;
	p->memory = l.memory;
	l.used = 0;
	partition_lay(p, &l);
	memset(p->fill, 0, p->stripes * p->buckets * sizeof(*p->fill));
	memset(p->blocks, 0, p->buckets * sizeof(*p->blocks));
	return true;
}

void weft__partition_release(struct partition *p)
{
	weft__release(p->memory);
}

/* ---- 1 and 2 --------------------------------------------------------------------------- */

static void classify(void *context, size_t lo, size_t hi)
{
	struct partition *p = context;

	for (size_t stripe = lo; stripe < hi; stripe++)
		p->radix->kind->classify(p, stripe);
}

/* Where the buckets begin, and which blocks belong where. */
static void plan(struct partition *p)
{
	size_t begin = 0;

	for (size_t s = 0; s < p->stripes; s++)
		for (size_t i = 0; i < p->stripe_full[s]; i++)
			p->blocks[p->owner[s * p->stripe_slots + i]]++;
	for (size_t b = 0; b < p->buckets; b++) {
		p->start[b] = begin;
		p->first[b] = (begin + p->block - 1) / p->block;
		begin += p->blocks[b] * p->block;
		for (size_t s = 0; s < p->stripes; s++)
			begin += p->fill[s * p->buckets + b];
		p->blocks[b] = 0;
	}
	p->start[p->buckets] = begin;
	for (size_t i = 0; i < p->slots; i++)
		p->source[i] = NONE;
	for (size_t s = 0; s < p->stripes; s++)
		for (size_t i = 0; i < p->stripe_full[s]; i++) {
			size_t slot = s * p->stripe_slots + i, b = p->owner[slot];

			p->source[p->first[b] + p->blocks[b]++] = (uint32_t)slot;
		}
}

/* ---- 3 --------------------------------------------------------------------------------- */

struct move {
	uint32_t to, from;
};

struct moves {
	struct partition *p;
	struct move *all;
	size_t count, length; /* a piece has about so many */
	size_t *pieces, pieces_count;
	uint32_t *saves, saves_count; /* the slots that are saved */
	char *saved;
};

static char *slot_at(const struct partition *p, uint32_t slot)
{
	size_t bytes = p->block * p->radix->size;

	return (slot + (size_t)1) * p->block > p->n ? p->overflow : p->base + slot * bytes;
}

static uint32_t save(struct moves *m, uint32_t slot)
{
	m->saves[m->saves_count] = slot;
	return SAVED + m->saves_count++;
}

static void piece_end(struct moves *m, size_t at)
{
	if (at > m->pieces[m->pieces_count])
		m->pieces[++m->pieces_count] = at;
}

/* Cuts what was added since `first`: a path, or a cycle if it begins with a hold. */
static void cut(struct moves *m, size_t first)
{
	size_t n = m->count - first;

	if (n > m->length) {
		piece_end(m, first);
		if (m->all[first].to == HELD) {
			m->all[m->count - 1].from = save(m, m->all[first].from);
			memmove(&m->all[first], &m->all[first + 1], (n - 1) * sizeof(*m->all));
			m->count--;
		}
		for (size_t at = first + m->length; at < m->count; at += m->length) {
			m->all[at - 1].from = save(m, m->all[at - 1].from);
			piece_end(m, at);
		}
	}
	if (m->count - m->pieces[m->pieces_count] >= m->length)
		piece_end(m, m->count);
}

/* Follows the sources from `slot` on until there is none, or the path is back. */
static void trace(struct moves *m, uint32_t slot, bool cycle)
{
	uint32_t *source = m->p->source, at = slot;
	size_t first = m->count;

	if (cycle)
		m->all[m->count++] = (struct move){ HELD, slot };
	while (source[at] != NONE) {
		uint32_t from = source[at];
		bool back = cycle && from == slot;

		source[at] = NONE;
		m->all[m->count++] = (struct move){ at, back ? HELD : from };
		if (back)
			break;
		at = from;
	}
	cut(m, first);
}

static void trace_all(struct moves *m)
{
	struct partition *p = m->p;
	uint32_t *source = p->source;

	/* Paths end in slots without a block: behind those that a stripe wrote. */
	for (size_t s = 0; s < p->stripes; s++) {
		size_t end = (s + 1) * p->stripe_slots;

		for (size_t i = s * p->stripe_slots + p->stripe_full[s]; i < end && i < p->slots;
		     i++)
			if (source[i] != NONE)
				trace(m, (uint32_t)i, false);
	}
	for (size_t i = 0; i < p->slots; i++)
		if (source[i] == i)
			source[i] = NONE;
		else if (source[i] != NONE)
			trace(m, (uint32_t)i, true);
	piece_end(m, m->count);
}

static void save_blocks(void *context, size_t lo, size_t hi)
{
	struct moves *m = context;
	size_t bytes = m->p->block * m->p->radix->size;

	for (size_t i = lo; i < hi; i++)
		memcpy(m->saved + i * bytes, slot_at(m->p, m->saves[i]), bytes);
}

static void move_pieces(void *context, size_t lo, size_t hi)
{
	struct moves *m = context;
	size_t bytes = m->p->block * m->p->radix->size;
	char held[BLOCK_BYTES];

	for (size_t i = m->pieces[lo]; i < m->pieces[hi]; i++) {
		struct move v = m->all[i];
		const char *from = v.from == HELD   ? held
				   : v.from & SAVED ? m->saved + (v.from - SAVED) * bytes
						    : slot_at(m->p, v.from);

		memcpy(v.to == HELD ? held : slot_at(m->p, v.to), from, bytes);
	}
}

/* A cycle of two makes three moves. A piece ends behind m->length moves, or before
 * a path or cycle that is longer; so there are at most twice as many, and as many saves. */
static bool moves_init(struct moves *m)
{
	struct partition *p = m->p;
	size_t most = p->slots + p->slots / 2 + 1, ends;
	struct layout l = { NULL, 0 };

	m->length = p->slots / (8 * p->stripes) + 64;
	ends = 2 * (most / m->length) + 4;
	for (;;) {
		m->all = layout_take(&l, most * sizeof(*m->all));
		m->pieces = layout_take(&l, ends * sizeof(*m->pieces));
		m->saves = layout_take(&l, ends * sizeof(*m->saves));
		m->saved = layout_take(&l, ends * p->block * p->radix->size);
		if (l.memory)
			break;
		l.memory = weft__alloc_aligned(64, l.used);
		if (!l.memory)
			return false;
		l.used = 0;
	}
	m->pieces[0] = 0;
	return true;
}

static void move(weft_par par, struct moves *m)
{
	trace_all(m);
	weft_par_for_in(par, 0, m->saves_count, save_blocks, m, 1);
	weft_par_for_in(par, 0, m->pieces_count, move_pieces, m, 1);
	weft__release(m->all);
}

/* ---- 4 --------------------------------------------------------------------------------- */

/* The places of a bucket that no block fills: before its first and behind its last. */
struct gaps {
	char *at[2];
	size_t bytes[2];
	int i;
};

static void gaps_fill(struct gaps *g, const char *from, size_t bytes)
{
	while (bytes) {
		size_t n;

		if (g->bytes[g->i] == 0)
			g->i++;
		n = bytes < g->bytes[g->i] ? bytes : g->bytes[g->i];
		memcpy(g->at[g->i], from, n);
		g->at[g->i] += n;
		g->bytes[g->i] -= n;
		from += n;
		bytes -= n;
	}
}

static void finish(struct partition *p)
{
	const size_t size = p->radix->size, whole = p->n / p->block * p->block;

	for (size_t b = 0; b < p->buckets; b++) {
		size_t begin = p->start[b], end = p->start[b + 1];
		size_t first = p->first[b] * p->block, last = first + p->blocks[b] * p->block;
		struct gaps g = { .at = { p->base + begin * size, p->base + last * size } };

		if (p->blocks[b] == 0) {
			g.bytes[0] = (end - begin) * size;
		} else {
			g.bytes[0] = (first - begin) * size;
			g.bytes[1] = last < end ? (end - last) * size : 0;
		}
		if (p->blocks[b] && last > end) {
			const char *over = p->base + end * size;

			if (last > p->n) {
				over = p->overflow + (end - whole) * size;
				memcpy(p->base + whole * size, p->overflow, (end - whole) * size);
			}
			gaps_fill(&g, over, (last - end) * size);
		}
		for (size_t s = 0; s < p->stripes; s++)
			gaps_fill(&g, p->buffers + (s * p->buckets + b) * p->block * size,
				  p->fill[s * p->buckets + b] * size);
	}
}

bool weft__partition_run(weft_par par, struct partition *p)
{
	struct moves m = { .p = p };

	if (!partition_init(p))
		return false;
	if (!moves_init(&m)) {
		weft__partition_release(p);
		return false;
	}
	weft_par_for_in(par, 0, p->stripes, classify, p, 1);
	plan(p);
	move(par, &m);
	finish(p);
	return true;
}
