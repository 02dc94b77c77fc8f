/* SPDX-License-Identifier: MIT */
/*
 * Pools as programs see them: their life, the way in, and the counters.
 *
 * The way in is meant to cost a few atomic operations and nothing else, since a
 * program may enter a pool for every small loop. The caller takes the lowest free
 * record of a guest, by one compare-and-swap, and with it becomes a worker like
 * any other: it can be stolen from at once, and it helps while it waits. Where no
 * record is free, or there is no thread to share with, it gets a record in its own
 * frame that nobody knows of: nobody asks it, so its forks are never handed out.
 *
 * A call that is over within microseconds is not worth being helped with, and even
 * less worth waking somebody: but at the first fork nobody knows. So each thread
 * remembers of the functions that it ran last whether they were that small. If so,
 * the next call of the same is shy: it makes no offer before it has run for as long
 * as it takes to be worth it. If it is larger this time, that is all that is lost.
 *
 * guest.1 is explained in idle.c.
 * guest.2  leaving releases the record, taking it acquires.
 */
#include "pool/pool.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

/* Its core is built at first use. */
static weft_pool global = { .name = "weft-pool" };

/* ---- life ---------------------------------------------------------------------------- */

int weft_pool_new(weft_pool **out, const weft_pool_opts *opts)
{
	const weft_pool_opts none = { 0 };
	struct weft__core *core;
	const char *name;
	weft_pool *pool;
	int err;

	*out = NULL;
	if (!opts)
		opts = &none;
	if (opts->workers < 0 || opts->workers > WEFT__POOL_WORKERS_MOST)
		return -EINVAL;
	pool = weft__alloc_zero(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->workers = opts->workers;
	pool->stack_size = opts->stack_size;
	name = opts->name ? opts->name : global.name;
	memcpy(pool->name, name, strnlen(name, sizeof(pool->name) - 1));
	err = weft__core_make(&core, pool, true);
	if (err) {
		weft__release(pool);
		return err;
	}
	weft_store_release(&pool->core, core); /* core.1 */
	*out = pool;
	return 0;
}

void weft_pool_free(weft_pool *pool)
{
	struct weft__core *core, *older;

	if (!pool)
		return;
	WEFT__ASSERT(pool != &global, "the global pool lives as long as the process");
	core = weft_load_acquire(&pool->core); /* core.1 */
	WEFT__ASSERT(weft__core_stale(core) || weft_load_relaxed(&core->guests) == 0,
		     "a pool was freed while somebody was inside");
	for (; core; core = older) {
		older = core->older;
		weft__core_free(core);
	}
	weft__release(pool);
}

weft_pool *weft_pool_global(void)
{
	(void)weft__core_get(&global);
	return &global;
}

weft_pool *weft__pool_here(void)
{
	struct weft__worker *self = weft__worker_self();

	return self && self->core ? self->core->pool : &global;
}

int weft_pool_workers(const weft_pool *pool)
{
	struct weft__core *core = weft__core_get(pool ? (weft_pool *)(uintptr_t)pool : &global);

	return core ? core->started + 1 : 1;
}

/* ---- the way in ---------------------------------------------------------------------- */

/* The lowest free record, so that a lone caller has the same warm one each time. */
static struct weft__worker *guest_enter(struct weft__core *core)
{
	uint64_t inside = weft_load_relaxed(&core->guests), bit;
	struct weft__worker *w;

	do {
		if (inside == UINT64_MAX)
			return NULL;
		bit = ~inside & (inside + 1);
	} while (!weft_cas_weak_seq_cst(&core->guests, &inside, inside | bit)); /* guest.1, .2 */

	w = &core->workers[core->threads + __builtin_ctzll(bit)];
	w->core = core;
	w->index = core->started + __builtin_ctzll(bit);
	w->base = &w->root;
	w->stock = WEFT__POOL_STOCK;
	weft_store_relaxed(&w->face.want, 1);
	return w;
}

/* A thread slept because there were enough guests; now there may be work for it. */
static void guest_leave(struct weft__worker *w)
{
	struct weft__core *core = w->core;
	uint64_t bit = UINT64_C(1) << (w - &core->workers[core->threads]);
	uint64_t inside = weft_and_seq_cst(&core->guests, ~bit); /* guest.2, idle.1 */

	if (WEFT_UNLIKELY(inside != bit) && !weft__core_stale(core))
		weft__core_wake(core);
}

/* Runs fn with `w` as its worker, on a list of its own. If `w` is in the midst of a
 * job, what that has forked is out of reach for the time: the list's end is known
 * only to the frames that call us. */
static void run_as(struct weft__worker *w, weft_pool_fn fn, void *arg)
{
	struct weft__worker *outer = weft__worker_become(w);
	weft_token *ambient = w->ambient;
	weft_job *base = w->base;
	weft_job root;

	w->ambient = weft_ambient();
	w->base = &root;
	fn((weft_par){ &w->face, &root }, arg);
	WEFT__ASSERT(w->base == &root, "weft_pool_run() is left with a fork that was not joined");
	w->base = base;
	w->ambient = ambient;
	weft__worker_become(outer);
}

static __attribute__((noinline)) void run_alone(struct weft__core *core, weft_pool_fn fn,
						void *arg)
{
	struct weft__worker alone;

	weft_atomic_init(&alone.face.want, 0);
	alone.core = core;
	alone.index = (core ? core->started : 0) + WEFT__POOL_GUESTS;
	alone.base = NULL;
	alone.ambient = NULL;
	run_as(&alone, fn, arg);
}

/* The guest for a call from outside; NULL if it was dealt with otherwise. */
static struct weft__worker *guest_for(weft_pool *pool, weft_pool_fn fn, void *arg)
{
	struct weft__core *core = weft__core_get(pool ? pool : &global);
	struct weft__worker *w = weft__worker_self();

	if (w && w->core == core) {
		run_as(w, fn, arg);
		return NULL;
	}
	w = core && core->started > 0 ? guest_enter(core) : NULL;
	if (!w)
		run_alone(core, fn, arg);
	return w;
}

void weft__pool_run_eager(weft_pool *pool, weft_pool_fn fn, void *arg)
{
	struct weft__worker *w = guest_for(pool, fn, arg);

	if (!w)
		return;
	w->patience = 0;
	run_as(w, fn, arg);
	guest_leave(w);
}

/* Functions that were small when this thread called them last. */
static __thread __attribute__((tls_model("initial-exec"))) weft_pool_fn small_fns[8];

void weft_pool_run(weft_pool *pool, weft_pool_fn fn, void *arg)
{
	struct weft__worker *w = guest_for(pool, fn, arg);
	weft_pool_fn *known = &small_fns[((uintptr_t)fn >> 4) % 8];
	bool was_small;

	if (!w)
		return;
	w->patience = *known == fn ? WEFT__POOL_PATIENCE : 0;
	w->begun = weft__cpu_ticks();
	run_as(w, fn, arg);
	was_small = w->patience > 0 || weft__cpu_ticks() - w->begun < w->core->small_ticks;
	if (was_small)
		*known = fn;
	else if (*known == fn)
		*known = NULL;
	guest_leave(w);
}

int weft_par_worker(weft_par par)
{
	return weft__worker_of(par.worker)->index;
}

/* ---- counters ------------------------------------------------------------------------ */

void weft_pool_stats_read(const weft_pool *pool, weft_pool_stats *out)
{
	const struct weft__core *core = weft_load_acquire(
		&(pool ? pool : &global)->core); /* core.1 */

	*out = (weft_pool_stats){ 0 };
	for (; core; core = core->older)
		for (int i = 0; i < core->threads + WEFT__POOL_GUESTS; i++) {
			const struct weft__worker *w = &core->workers[i];

			out->promoted += weft_load_relaxed(&w->promoted);
			out->stolen += weft_load_relaxed(&w->stolen);
			out->parks += weft_load_relaxed(&w->parks);
			out->wakes += weft_load_relaxed(&w->wakes);
		}
}
