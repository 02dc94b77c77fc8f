/* SPDX-License-Identifier: MIT */
/*
 * Views: joined when one thread hears of another, copied when it leaves word.
 */
#include "model/model.h"

#include <string.h>

/* For the copies of one run, which do not change. */
static unsigned char *pool;
static size_t pool_used;

enum { POOL_SIZE = 256 << 20 };

void weft__views_begin(void)
{
	if (!pool)
		pool = weft__model_map(POOL_SIZE);
	pool_used = 0;
}

void weft__views_snapshot(struct snapshot_bytes *b)
{
	weft__snapshot_piece(b, &pool_used, sizeof(pool_used));
}

static void *pool_take(size_t size)
{
	void *p = pool + pool_used;

	pool_used += (size + 15) & ~(size_t)15;
	if (pool_used > POOL_SIZE)
		weft__model_stop(WEFT_CHECK_UNSUITED, "a run that stores too much");
	return p;
}

void weft__view_extend(struct full_view *v, uint32_t count)
{
	if (v->count < count) {
		memset(v->at + v->count, 0, (count - v->count) * sizeof(v->at[0]));
		v->count = count;
	}
}

static void join(struct full_view *to, const uint32_t *clock, const uint32_t *at, uint32_t count)
{
	weft__view_extend(to, count);
	for (int i = 0; i < THREADS; i++)
		to->clock[i] = to->clock[i] > clock[i] ? to->clock[i] : clock[i];
	for (uint32_t i = 0; i < count; i++)
		to->at[i] = to->at[i] > at[i] ? to->at[i] : at[i];
}

void weft__view_join(struct full_view *to, const struct view *from)
{
	join(to, from->clock, from->at, from->count);
}

void weft__view_joined(struct full_view *to, const struct full_view *from)
{
	join(to, from->clock, from->at, from->count);
}

const struct view *weft__view_copy(const struct full_view *from)
{
	size_t at = from->count * sizeof(from->at[0]);
	struct view *v = pool_take(sizeof(*v) + at);

	v->count = from->count;
	memcpy(v->clock, from->clock, sizeof(v->clock));
	memcpy(v->at, from->at, at);
	return v;
}

const struct view *weft__views_union(const struct view *a, const struct view *b)
{
	static struct full_view both;

	if (!a || !b)
		return a ? a : b;
	both.count = 0;
	memset(both.clock, 0, sizeof(both.clock));
	weft__view_join(&both, a);
	weft__view_join(&both, b);
	return weft__view_copy(&both);
}
