/* SPDX-License-Identifier: MIT */
/*
 * The injector. The counts grow by read-modify-writes, seq_cst, so that these are the
 * first half of idle.1 (see idle.h); they can be looked at without the lock.
 */
#include "rt/injector.h"

void weft__injector_push(struct weft__injector *injector, unsigned shard, struct weft__fifo *chain,
			 unsigned count)
{
	struct weft__shard *s = &injector->shards[shard % injector->count];

	weft__gate_enter(&s->gate);
	weft__fifo_append(&s->fifo, chain);
	weft_add_seq_cst(&s->count, count); /* idle.1 */
	weft__gate_leave(&s->gate);
}

static unsigned shard_take(struct weft__shard *s, unsigned most, struct weft__fifo *out)
{
	unsigned taken = 0;

	weft__gate_enter(&s->gate);
	while (taken < most && !weft__fifo_empty(&s->fifo)) {
		weft__fifo_push(out, weft__fifo_pop(&s->fifo));
		taken++;
	}
	weft_sub_relaxed(&s->count, taken);
	weft__gate_leave(&s->gate);
	return taken;
}

unsigned weft__injector_take(struct weft__injector *injector, unsigned first, unsigned most,
			     struct weft__fifo *out)
{
	for (unsigned i = 0; i < injector->count; i++) {
		struct weft__shard *s = &injector->shards[(first + i) % injector->count];
		unsigned taken = 0;

		if (weft_load_relaxed(&s->count) > 0)
			taken = shard_take(s, most, out);
		if (taken > 0)
			return taken;
	}
	return 0;
}

bool weft__injector_filled(struct weft__injector *injector)
{
	for (unsigned i = 0; i < injector->count; i++)
		if (weft_load_seq_cst(&injector->shards[i].count) > 0) /* idle.1 */
			return true;
	return false;
}
