/* SPDX-License-Identifier: MIT */
/*
 * Counters. Each worker writes its own with plain stores; whoever wants to know adds
 * them up while they move on.
 */
#include <errno.h>
#include <string.h>

#include "rt/rt.h"

static void add_worker(weft_runtime_stats *out, const struct weft__rt_worker *w)
{
	const struct weft__rt_counters *c = &w->counters;
	uint64_t dead = weft_load_acquire(&c->died); /* over.2 */

	out->spawned += weft_load_relaxed(&c->born);
	out->fibers += weft_load_relaxed(&c->born) - dead;
	out->started += weft_load_relaxed(&c->started);
	out->switches += weft_load_relaxed(&c->switches);
	out->steals += weft_load_relaxed(&c->steals);
	out->parks += weft_load_relaxed(&c->parks);
	out->wakes += weft_load_relaxed(&c->wakes);
	out->sleeps += weft_load_relaxed(&c->sleeps);
	out->timers += weft_load_relaxed(&c->timers);
	out->polls += weft_load_relaxed(&c->polls);
	out->stacks += weft_load_relaxed(&c->started) - dead;
}

/* A difference of counts that were read one after the other. */
static uint64_t clamped(uint64_t difference)
{
	return (int64_t)difference < 0 ? 0 : difference;
}

void weft_runtime_stats_read(weft_runtime *runtime, weft_runtime_stats *out)
{
	uint64_t outside;

	memset(out, 0, sizeof(*out));
	out->workers = (int)runtime->workers;
	out->workers_asleep = (int)weft__idle_asleep(&runtime->idle);
	for (unsigned i = 0; i < runtime->workers; i++)
		add_worker(out, &runtime->worker[i]);
	outside = weft_load_relaxed(&runtime->born);
	out->spawned += outside;
	out->fibers = clamped(out->fibers + outside);
	out->stacks = clamped(out->stacks);
}

int weft_runtime_stats_worker(weft_runtime *runtime, int worker, weft_runtime_stats *out)
{
	memset(out, 0, sizeof(*out));
	if (worker < 0 || (unsigned)worker >= runtime->workers)
		return -EINVAL;
	out->workers = 1;
	add_worker(out, &runtime->worker[worker]);
	/* Who is born on one worker may die on another, so it is those that began here; and
	 * one that migrates may even have begun elsewhere. */
	out->stacks = clamped(out->stacks);
	out->fibers = out->stacks;
	return 0;
}
