/* SPDX-License-Identifier: MIT */
/*
 * A core: the records of all workers of a pool, those that have a thread and those that
 * may get one, in one piece of memory, and its end.
 *
 * fork() leaves the threads behind in the parent; what they held in the core's
 * words stays as it was. Nothing can be repaired there, since the forking thread
 * may stand inside the pool with jobs that others had taken. So a child builds a
 * new core when it next enters the pool, and keeps the old one, untouched, until
 * the pool is freed. A count of forks tells the two apart: one load per entry.
 * Nothing here takes a lock that a thread of the parent could have held.
 *
 * core.1  the core is published by a compare-and-swap that releases, and read with
 *         acquire. Two who build at once both start threads, and the loser ends
 *         his again: rare, short, and nobody waits for anybody.
 */
#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "sync/sync.h"

/* An idle thread looks around for this long, and a joiner whose job is not through:
 * half of what sleeping and being woken costs on a virtual machine. */
#define SPIN_NS (20 * WEFT_US)

/* Waking somebody to help costs that much, and so does being helped with crumbs. */
#define SMALL_US 10

/* A thread more than the width stays for so long without work. */
#define REST_NS WEFT_SECOND

static weft_atomic_u32 forks;
static weft_atomic_u32 forks_counted;

static void count_fork(void)
{
	weft_add_relaxed(&forks, 1);
}

/* Two threads that come at once register it twice: a count is just as good by two. */
static int count_forks(void)
{
	int err;

	if (weft_load_relaxed(&forks_counted))
		return 0;
	err = weft__atfork_child(count_fork);
	if (!err)
		weft_store_relaxed(&forks_counted, 1);
	return err;
}

bool weft__core_stale(const struct weft__core *core)
{
	return core->forks != weft_load_relaxed(&forks);
}

/* ---- building ---------------------------------------------------------------------- */

uint64_t weft__ticks_per_us(void)
{
	static weft_atomic_u64 known;
	uint64_t rate = weft_load_relaxed(&known);

	if (WEFT_UNLIKELY(rate == 0)) {
		int64_t begin = weft_now(), end;
		uint64_t ticks = weft__cpu_ticks();

		do
			end = weft_now();
		while (end - begin < 20 * WEFT_US);
		ticks = weft__cpu_ticks() - ticks;
		rate = ticks * 1000 / (uint64_t)(end - begin);
		rate = rate ? rate : 1;
		weft_store_relaxed(&known, rate);
	}
	return rate;
}

/* The number in WEFT_WORKERS; 0 if there is none, or none that makes sense. */
static int workers_from_environment(void)
{
	const char *text = getenv("WEFT_WORKERS");
	char *end;
	long n;

	if (!text || *text < '0' || *text > '9')
		return 0;
	n = strtol(text, &end, 10);
	return *end == 0 && n <= WEFT__POOL_WORKERS_MOST ? (int)n : 0;
}

static int workers_wanted(const weft_pool *pool, bool exact)
{
	int n = (int)weft_load_relaxed(&pool->workers);

	if (n == 0 && !exact)
		n = workers_from_environment();
	if (n == 0)
		n = weft_cpus();
	return n < WEFT__POOL_WORKERS_MOST ? n : WEFT__POOL_WORKERS_MOST;
}

static struct weft__core *core_map(weft_pool *pool, int threads)
{
	size_t records = (size_t)threads + WEFT__POOL_GUESTS;
	size_t masks = ((size_t)threads + 63) / 64 * sizeof(uint64_t);
	size_t bytes = sizeof(struct weft__core) + records * sizeof(struct weft__worker);
	struct weft__core *core = weft__pages_map(bytes + 2 * masks);

	if (!core)
		return NULL;
	core->pool = pool;
	core->bytes = bytes + 2 * masks;
	core->forks = weft_load_relaxed(&forks);
	core->threads = threads;
	core->workers = (struct weft__worker *)(core + 1);
	core->asleep = (weft_atomic_u64 *)(core->workers + records);
	core->hired = (uint64_t *)(core->asleep + masks / sizeof(uint64_t));
	return core;
}

/* Records cost address space until they are used. */
static int spares_wanted(const weft_pool *pool)
{
	int spares = pool->opts.spares ? pool->opts.spares : WEFT__POOL_SPARES;

	return spares > 0 ? spares : 0;
}

static int workers_most(const weft_pool *pool, int width)
{
	int most = pool->opts.workers_most;

	if (most == 0)
		most = WEFT__BOUND(weft_cpus(), 1);
	return most > width ? most : width;
}

int weft__core_make(struct weft__core **out, weft_pool *pool, bool exact)
{
	int width = workers_wanted(pool, exact), spares = spares_wanted(pool);
	int err = count_forks();
	struct weft__core *core;

	*out = NULL;
	if (err)
		return err;
	core = core_map(pool, workers_most(pool, width) + spares);
	if (!core)
		return -ENOMEM;
	core->spares = spares;
	core->rest_ns = REST_NS;
	weft_atomic_init(&core->width, (uint32_t)width);
	core->small_ticks = SMALL_US * weft__ticks_per_us();
	core->spin_ns = weft_cpus() > 1 ? SPIN_NS : 0;
	weft__tasks_init(core);
	err = weft__staff_hire(core, width - 1);
	if (err && exact) {
		weft__core_free(core);
		return err;
	}
	*out = core;
	return 0;
}

struct weft__core *weft__core_get(weft_pool *pool)
{
	struct weft__core *core = weft_load_acquire(&pool->core), *fresh; /* core.1 */
	void *expected = core;

	if (WEFT_LIKELY(core && !weft__core_stale(core)))
		return core;
	if (weft__core_make(&fresh, pool, false) != 0)
		return NULL;
	fresh->older = core;
	if (weft_cas_acq_rel(&pool->core, &expected, fresh)) /* core.1 */
		return fresh;
	weft__core_free(fresh);
	return expected;
}

void weft__core_free(struct weft__core *core)
{
	if (!weft__core_stale(core))
		weft__staff_end(core);
	weft__pages_unmap(core, core->bytes);
}
