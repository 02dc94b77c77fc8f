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
#include "sync/sync.h"

/* Its core is built at first use. */
static weft_pool global = { .name = "weft-pool" };

/* ---- life ---------------------------------------------------------------------------- */

static bool options_make_sense(const weft_pool_opts *opts)
{
	if (opts->workers < 0 || opts->workers > WEFT__POOL_WORKERS_MOST ||
	    opts->workers_most < 0 || opts->workers_most > WEFT__POOL_WORKERS_MOST ||
	    opts->spares > WEFT__POOL_WORKERS_MOST || opts->cpu_count < 0)
		return false;
	for (int i = 0; i < opts->cpu_count; i++)
		if (!weft__cpu_is_allowed(opts->cpus[i]))
			return false;
	return true;
}

static void pool_release(weft_pool *pool)
{
	weft__release(pool->cpus);
	weft__release(pool);
}

static weft_pool *pool_alloc(const weft_pool_opts *opts)
{
	const char *name = opts->name ? opts->name : global.name;
	size_t cpus = (size_t)opts->cpu_count;
	weft_pool *pool = weft__alloc_zero(1, sizeof(*pool));

	if (!pool)
		return NULL;
	weft_atomic_init(&pool->workers, (uint32_t)opts->workers);
	pool->opts = *opts;
	pool->opts.name = NULL;
	memcpy(pool->name, name, strnlen(name, sizeof(pool->name) - 1));
	if (cpus > 0) {
		pool->cpus = weft__alloc(cpus * sizeof(*pool->cpus));
		if (!pool->cpus) {
			pool_release(pool);
			return NULL;
		}
		memcpy(pool->cpus, opts->cpus, cpus * sizeof(*pool->cpus));
		pool->opts.cpus = pool->cpus;
	}
	return pool;
}

int weft_pool_new(weft_pool **out, const weft_pool_opts *opts)
{
	const weft_pool_opts none = { 0 };
	struct weft__core *core;
	weft_pool *pool;
	int err;

	*out = NULL;
	if (!opts)
		opts = &none;
	if (!options_make_sense(opts))
		return -EINVAL;
	pool = pool_alloc(opts);
	if (!pool)
		return -ENOMEM;
	err = weft__core_make(&core, pool, true);
	if (err) {
		pool_release(pool);
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
	if (!weft__core_stale(core))
		(void)weft__tasks_end(core, WEFT_NEVER);
	for (; core; core = older) {
		older = core->older;
		weft__core_free(core);
	}
	pool_release(pool);
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

bool weft__pool_is_global(const weft_pool *pool)
{
	return pool == &global;
}

weft_pool *weft__pool_or_global(const weft_pool *pool)
{
	return pool ? (weft_pool *)(uintptr_t)pool : &global;
}

int weft_pool_workers(const weft_pool *pool)
{
	struct weft__core *core = weft__core_get(weft__pool_or_global(pool));
	int width, live;

	if (!core)
		return 1;
	width = (int)weft_load_relaxed(&core->width);
	live = (int)weft_load_relaxed(&core->live);
	return live + 1 < width ? live + 1 : width;
}

int weft_pool_places(const weft_pool *pool)
{
	struct weft__core *core = weft__core_get(weft__pool_or_global(pool));

	return (core ? core->threads : 0) + WEFT__POOL_GUESTS + 1;
}

/* Fewer threads than the width: those that are there are enough to be asked. */
static void width_set(struct weft__core *core, int width)
{
	weft_swap_seq_cst(&core->width, (uint32_t)width); /* staff.1 */
	weft__core_reconsider(core);
	/* Who sleeps may have become one too many, and looks at that as it lies down. */
	for (uint32_t i = 0; i < weft_load_acquire(&core->high); i++) /* high.1 */
		weft_event_set(&core->workers[i].event);
}

int weft_pool_resize(weft_pool *pool, int workers)
{
	struct weft__core *core = weft__core_get(weft__pool_or_global(pool));
	int before, err = 0;

	pool = weft__pool_or_global(pool);
	if (workers == 0)
		workers = weft_cpus();
	if (workers < 0 || (core && workers > core->threads - core->spares))
		return -EINVAL;
	if (!core)
		return -ENOMEM;
	weft_mutex_lock(&pool->manager);
	before = (int)weft_load_relaxed(&core->width);
	if (workers > before)
		err = weft__staff_hire(core, workers - 1);
	if (!err) {
		weft_store_relaxed(&pool->workers, (uint32_t)workers);
		width_set(core, workers);
	}
	weft_mutex_unlock(&pool->manager);
	return err;
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
	w->index = core->threads + __builtin_ctzll(bit);
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
		weft__core_reconsider(core);
}

static bool on_a_fiber(void)
{
	return weft__parker_self()->kind->park != weft__thread_park_token;
}

/* Runs fn with `w` as its worker, on a list of its own. If `w` is in the midst of a
 * job, what that has forked is out of reach for the time: the list's end is known
 * only to the frames that call us. */
void weft__worker_enter(struct weft__worker *w, weft_pool_fn fn, void *arg)
{
	/* A fiber is never made a worker: while it waits, others use its thread. */
	const bool known = !on_a_fiber();
	struct weft__worker *before = known ? weft__worker_become(w) : NULL;
	weft_token *ambient = w->ambient;
	weft_job *base = w->base;
	weft_job root;

	if (known && before != w)
		w->outer = before;
	w->ambient = weft_ambient();
	w->base = &root;
	fn((weft_par){ &w->face, &root }, arg);
	WEFT__ASSERT(w->base == &root, "weft_pool_run() is left with a fork that was not joined");
	w->base = base;
	w->ambient = ambient;
	if (known)
		weft__worker_become(before);
}

void weft__worker_alone(struct weft__worker *alone, struct weft__core *core)
{
	weft_atomic_init(&alone->face.want, 0);
	alone->core = core;
	alone->index = (core ? core->threads : 0) + WEFT__POOL_GUESTS;
	alone->alone = true;
	alone->base = &alone->root;
	alone->ambient = NULL;
	alone->outer = NULL;
}

__attribute__((noinline)) void weft__pool_run_alone(struct weft__core *core, weft_pool_fn fn,
						    void *arg)
{
	struct weft__worker alone;

	weft__worker_alone(&alone, core);
	weft__worker_enter(&alone, fn, arg);
}

/* Functions that were small when this thread called them last. Not inlined, as a fiber
 * may be on another thread after it has run one. */
static __thread __attribute__((tls_model("initial-exec"))) weft_pool_fn small_fns[8];

static weft_pool_fn *small_slot(weft_pool_fn fn)
{
	return &small_fns[((uintptr_t)fn >> 4) % 8];
}

static __attribute__((noinline)) bool small_is(weft_pool_fn fn)
{
	return *small_slot(fn) == fn;
}

static __attribute__((noinline)) void small_learn(weft_pool_fn fn, bool small)
{
	weft_pool_fn *slot = small_slot(fn);

	if (small)
		*slot = fn;
	else if (*slot == fn)
		*slot = NULL;
}

/* ---- for fibers ---------------------------------------------------------------------- */

/* What a fiber wants run: by a thread of the pool, while the fiber is parked. */
struct errand_of_fiber {
	struct weft__task task;
	weft_pool_fn fn;
	void *arg;
	weft_token *ambient;
	bool small, refused;
	weft_event over;
};

static void fiber_task_run(struct weft__task *task, struct weft__worker *w, int error)
{
	struct errand_of_fiber *e = weft_container_of(task, struct errand_of_fiber, task);
	weft_token *outer;
	uint64_t ticks;

	e->refused = error != 0;
	if (w) {
		outer = weft_ambient_set(e->ambient);
		w->ambient = e->ambient;
		ticks = weft__cpu_ticks();
		e->fn((weft_par){ &w->face, &w->root }, e->arg);
		e->small = weft__cpu_ticks() - ticks < w->core->small_ticks;
		w->ambient = NULL;
		weft_ambient_set(outer);
	}
	weft_event_set(&e->over); /* the fiber goes on, and its frame goes */
}

static void run_small_on_fiber(struct weft__core *core, weft_pool_fn fn, void *arg)
{
	uint64_t ticks = weft__cpu_ticks();

	weft__pool_run_alone(core, fn, arg);
	small_learn(fn, weft__cpu_ticks() - ticks < core->small_ticks);
}

/* In virtual time nothing may depend on other threads, so there the fiber does it. */
static void run_for_fiber(weft_pool *pool, weft_pool_fn fn, void *arg, bool eager)
{
	struct weft__core *core = weft__core_get(weft__pool_or_global(pool));
	struct errand_of_fiber e = { .task = { .run = fiber_task_run }, .fn = fn, .arg = arg };

	if (!core || weft__clock_is_installed()) {
		weft__pool_run_alone(core, fn, arg);
		return;
	}
	if (!eager && small_is(fn)) {
		run_small_on_fiber(core, fn, arg);
		return;
	}
	e.ambient = weft_ambient();
	(void)weft__tasks_push(core, &e.task);
	weft__event_await(&e.over);
	if (e.refused)
		weft__pool_run_alone(core, fn, arg);
	else if (!eager)
		small_learn(fn, e.small);
}

/* ---- for threads --------------------------------------------------------------------- */

/* The guest for a call from outside; NULL if it was dealt with otherwise. */
static struct weft__worker *guest_for(weft_pool *pool, weft_pool_fn fn, void *arg)
{
	struct weft__core *core = weft__core_get(pool ? pool : &global);
	struct weft__worker *w = weft__worker_self();

	if (w && w->core == core) {
		weft__worker_enter(w, fn, arg);
		return NULL;
	}
	w = core && weft_load_relaxed(&core->live) > 0 && weft_load_relaxed(&core->width) > 1
		    ? guest_enter(core)
		    : NULL;
	if (!w)
		weft__pool_run_alone(core, fn, arg);
	return w;
}

void weft__pool_run_eager(weft_pool *pool, weft_pool_fn fn, void *arg)
{
	struct weft__worker *w;

	if (WEFT_UNLIKELY(on_a_fiber())) {
		run_for_fiber(pool, fn, arg, true);
		return;
	}
	w = guest_for(pool, fn, arg);
	if (!w)
		return;
	w->patience = 0;
	weft__worker_enter(w, fn, arg);
	guest_leave(w);
}

void weft_pool_run(weft_pool *pool, weft_pool_fn fn, void *arg)
{
	struct weft__worker *w;

	if (WEFT_UNLIKELY(on_a_fiber())) {
		run_for_fiber(pool, fn, arg, false);
		return;
	}
	w = guest_for(pool, fn, arg);
	if (!w)
		return;
	w->patience = small_is(fn) ? WEFT__POOL_PATIENCE : 0;
	w->begun = weft__cpu_ticks();
	weft__worker_enter(w, fn, arg);
	small_learn(fn, w->patience > 0 || weft__cpu_ticks() - w->begun < w->core->small_ticks);
	guest_leave(w);
}

int weft_par_worker(weft_par par)
{
	return weft__worker_of(par.worker)->index;
}

/* ---- counters ------------------------------------------------------------------------ */

/* Those of one core: of several, only the newest has tasks and threads. */
static void stats_now(const struct weft__core *core, weft_pool_stats *out)
{
	uint64_t live = weft_load_relaxed(&core->live);

	out->workers = (int)weft_load_relaxed(&core->width);
	out->threads = (int)live;
	out->blocked = (int)weft_load_relaxed(&core->blocked);
	out->queued = weft_load_relaxed(&core->queued);
	out->active = weft_load_relaxed(&core->active);
	out->finished = weft_load_relaxed(&core->finished);
	out->failed = weft_load_relaxed(&core->failed);
}

void weft_pool_stats_read(const weft_pool *pool, weft_pool_stats *out)
{
	const struct weft__core *core = weft_load_acquire(
		&(pool ? pool : &global)->core); /* core.1 */

	*out = (weft_pool_stats){ 0 };
	if (core && !weft__core_stale(core))
		stats_now(core, out);
	for (; core; core = core->older) {
		out->spares += weft_load_relaxed(&core->spares_used);
		for (int i = 0; i < core->threads + WEFT__POOL_GUESTS; i++) {
			const struct weft__worker *w = &core->workers[i];

			if (i == (int)weft_load_acquire(&core->high)) /* high.1 */
				i = core->threads;
			w = &core->workers[i];
			out->promoted += weft_load_relaxed(&w->promoted);
			out->stolen += weft_load_relaxed(&w->stolen);
			out->parks += weft_load_relaxed(&w->parks);
			out->wakes += weft_load_relaxed(&w->wakes);
		}
	}
}
