/* SPDX-License-Identifier: MIT */
/*
 * Runtimes: how they start and end, the default one, and what fork() does to them.
 *
 * The end. A runtime is over when as many fibers have died as were born. Nobody counts
 * them in one place; each worker counts its own, and plain threads together. A worker
 * that has lain down while the runtime ends adds up first the dead, then the born. All
 * counts only grow (but for over.1), so if the sums are equal nobody was alive at the
 * moment between the two; and nobody can be born any more but by a fiber.
 *
 *   over.1  a plain thread counts a birth, then looks at the phase; who ends the
 *           runtime sets the phase, then the births are added up. All seq_cst: the
 *           thread is refused, or its fiber is waited for. A refused thread takes its
 *           birth back, and has a worker look again.
 *   over.2  a death is counted with release after all births that it could know of,
 *           and read with acquire.
 *
 * Plain threads that spawn, and wakers of fibers of other runtimes, touch the runtime
 * after they have let go of the fiber, which may be the last one. They are counted, and
 * the memory goes when they are through.
 *
 * fork() leaves the workers behind in the parent. In the child nothing of the runtime
 * can be used any more; a count of forks tells. A fiber that forks goes on in the child
 * as a plain thread, on the stack that it has, and may not return.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "rt/poller.h"
#include "rt/rt.h"
#include "rt/sanitize.h"
#include "sync/sync.h"

/* A worker without work looks around for this long: half of what sleeping and being
 * woken costs on a virtual machine. */
#define SPIN_NS (20 * WEFT_US)

static weft_atomic_u32 forks;
static weft_atomic_bool forks_counted;

static void after_fork(void)
{
	weft_add_relaxed(&forks, 1);
	weft__rt_worker_forget();
	weft__records_forget();
}

/* Two threads that come at once register it twice: a count is just as good by two. */
static int count_forks(void)
{
	int err;

	if (weft_load_relaxed(&forks_counted))
		return 0;
	err = weft__atfork_child(after_fork);
	if (!err)
		weft_store_relaxed(&forks_counted, true);
	return err;
}

bool weft__forked_since(uint32_t count)
{
	return count != weft_load_relaxed(&forks);
}

bool weft__runtime_stale(const weft_runtime *runtime)
{
	return weft__forked_since(runtime->forks);
}

__attribute__((noinline)) int weft__errno_get(void)
{
	return errno;
}

__attribute__((noinline)) void weft__errno_set(int value)
{
	errno = value;
}

/* ---- starting -------------------------------------------------------------------------- */

/* The number in WEFT_RT_WORKERS; 0 if there is none, or none that makes sense. */
static int workers_from_environment(void)
{
	const char *text = getenv("WEFT_RT_WORKERS");
	char *end;
	long n;

	if (!text || *text < '0' || *text > '9')
		return 0;
	n = strtol(text, &end, 10);
	return *end == 0 && n <= WEFT__RT_WORKERS_MOST ? (int)n : 0;
}

static unsigned workers_wanted(const weft_runtime_opts *opts)
{
	int n = opts->deterministic ? 1 : opts->workers;

	if (n == 0)
		n = workers_from_environment();
	if (n == 0)
		n = weft_cpus();
	return n < WEFT__RT_WORKERS_MOST ? (unsigned)n : WEFT__RT_WORKERS_MOST;
}

static bool opts_can_be(const weft_runtime_opts *opts)
{
	return opts->workers >= 0 && opts->workers <= WEFT__RT_WORKERS_MOST &&
	       opts->reactor >= WEFT_REACTOR_AUTO && opts->reactor <= WEFT_REACTOR_URING &&
	       opts->stack_size <= WEFT__FIBER_STACK_MOST && opts->blocking_threads >= 0 &&
	       !(opts->deterministic && opts->workers > 1);
}

static void rouse(struct weft__idle *idle, unsigned index)
{
	weft_runtime *runtime = weft_container_of(idle, weft_runtime, idle);

	weft__rt_worker_rouse(&runtime->worker[index]);
}

static void rouse_all(weft_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->workers; i++)
		weft__rt_worker_rouse(&runtime->worker[i]);
}

static void errand_all(weft_runtime *runtime, uint32_t errand)
{
	for (unsigned i = 0; i < runtime->workers; i++)
		weft_or_seq_cst(&runtime->worker[i].errands, errand); /* idle.1 */
	rouse_all(runtime);
}

static size_t workers_bytes(unsigned workers)
{
	return workers * (sizeof(struct weft__rt_worker) + sizeof(struct weft__shard));
}

static weft_runtime *runtime_map(const weft_runtime_opts *opts)
{
	unsigned workers = workers_wanted(opts);
	weft_runtime *runtime = weft__pages_map(sizeof(*runtime));

	if (!runtime)
		return NULL;
	runtime->worker = weft__pages_map(workers_bytes(workers));
	if (!runtime->worker) {
		weft__pages_unmap(runtime, sizeof(*runtime));
		return NULL;
	}
	weft__sanitize_pages_mapped(runtime, sizeof(*runtime));
	weft__sanitize_pages_mapped(runtime->worker, workers_bytes(workers));
	runtime->workers = workers;
	runtime->injector.shards = (struct weft__shard *)(runtime->worker + workers);
	runtime->injector.count = workers;
	runtime->opts = *opts;
	runtime->opts.name = NULL;
	strncat(runtime->name, opts->name ? opts->name : "weft-rt", sizeof(runtime->name) - 1);
	runtime->forks = weft_load_relaxed(&forks);
	runtime->stack_class = (uint8_t)weft__stack_class_of(opts->stack_size);
	runtime->spin_ns = weft_cpus() > 1 && !opts->deterministic ? SPIN_NS : 0;
	runtime->root.unlinked = true;
	weft__idle_init(&runtime->idle, workers, rouse);
	weft__lanes_init(runtime->lanes, opts->blocking_threads);
	return runtime;
}

static void runtime_unmap(weft_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->workers; i++)
		if (runtime->worker[i].poller)
			weft__poller_close(runtime->worker[i].poller);
	weft__sanitize_pages_going(runtime->worker, workers_bytes(runtime->workers));
	weft__sanitize_pages_going(runtime, sizeof(*runtime));
	weft__pages_unmap(runtime->worker, workers_bytes(runtime->workers));
	weft__pages_unmap(runtime, sizeof(*runtime));
}

static int worker_make(weft_runtime *runtime, unsigned index)
{
	struct weft__rt_worker *w = &runtime->worker[index];

	w->runtime = runtime;
	w->index = index;
	w->shared = runtime->workers > 1;
	w->deterministic = runtime->opts.deterministic;
	w->turns_each = 1;
	weft__rng_seed(&w->rng,
		       runtime->opts.deterministic ? runtime->opts.seed : weft__entropy());
	return weft__poller_open(&w->poller, runtime->opts.reactor);
}

static int worker_start(struct weft__rt_worker *w)
{
	char name[16];

	snprintf(name, sizeof(name), "%s-%u", w->runtime->name, w->index % 1000);
	return weft__thread_start(&w->thread, weft__rt_worker_main, w, 0, name);
}

/* ---- ending -------------------------------------------------------------------------- */

static uint64_t died(const weft_runtime *runtime)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < runtime->workers; i++)
		sum += weft_load_acquire(&runtime->worker[i].counters.died); /* over.2 */
	return sum;
}

static uint64_t born(const weft_runtime *runtime)
{
	uint64_t sum = weft_load_seq_cst(&runtime->born); /* over.1 */

	for (unsigned i = 0; i < runtime->workers; i++)
		sum += weft_load_relaxed(&runtime->worker[i].counters.born);
	return sum;
}

void weft__runtime_check_over(weft_runtime *runtime)
{
	uint64_t dead = died(runtime);

	if (dead != born(runtime))
		return;
	weft_swap_seq_cst(&runtime->phase, WEFT__OVER); /* idle.1 */
	rouse_all(runtime);
	weft_event_set(&runtime->over);
}

static void phase_set(weft_runtime *runtime, uint32_t from, uint32_t to)
{
	if (weft_cas_seq_cst(&runtime->phase, &from, to)) /* over.1, idle.1 */
		rouse_all(runtime);
}

static void threads_end(weft_runtime *runtime)
{
	weft__dumper_stop(runtime);
	weft__monitor_stop(runtime);
	for (unsigned i = 0; i < runtime->started; i++)
		weft__thread_join(runtime->worker[i].thread);
	weft__await_left(&runtime->left, weft_load_relaxed(&runtime->entered));
	weft__lanes_close(runtime->lanes);
	runtime_unmap(runtime);
}

static int await_over(weft_runtime *runtime, int64_t deadline)
{
	weft_token *ambient = weft_ambient_set(NULL);
	int err = weft_event_wait_until(&runtime->over, deadline);

	weft_ambient_set(ambient);
	return err;
}

int weft_runtime_stop(weft_runtime *runtime, int64_t deadline)
{
	struct weft__rt_worker *w = weft__rt_worker_self();
	int err;

	if (weft__runtime_stale(runtime))
		return -ECHILD;
	if (w && w->runtime == runtime)
		return -EDEADLK;
	phase_set(runtime, WEFT__RUNNING, WEFT__DRAINING);
	err = await_over(runtime, deadline);
	if (err) {
		phase_set(runtime, WEFT__DRAINING, WEFT__CANCELLED);
		weft_token_cancel(&runtime->root);
		errand_all(runtime, WEFT__ERRAND_CANCEL);
		(void)await_over(runtime, WEFT_NEVER);
	}
	threads_end(runtime);
	return err;
}

int weft_runtime_start(weft_runtime **out, const weft_runtime_opts *opts)
{
	static const weft_runtime_opts defaults;
	weft_runtime *runtime;
	int err = count_forks();

	*out = NULL;
	if (!opts)
		opts = &defaults;
	if (err)
		return err;
	if (!opts_can_be(opts))
		return -EINVAL;
	runtime = runtime_map(opts);
	if (!runtime)
		return -ENOMEM;
	for (unsigned i = 0; i < runtime->workers && !err; i++)
		err = worker_make(runtime, i);
	while (runtime->started < runtime->workers && !err) {
		err = worker_start(&runtime->worker[runtime->started]);
		runtime->started += !err;
	}
	if (!err)
		err = weft__monitor_start(runtime);
	if (!err)
		err = weft__dumper_start(runtime);
	if (!err) {
		*out = runtime;
		return 0;
	}
	if (runtime->started > 0)
		(void)weft_runtime_stop(runtime, WEFT_NEVER);
	else
		runtime_unmap(runtime);
	return err == -ENOMEM || err == -EINVAL ? err : -EAGAIN;
}

/* ---- the default one -------------------------------------------------------------------- */

static weft_atomic_ptr the_default;

/* default.1  the runtime is published by a compare-and-swap that releases, and read
 *            with acquire. Two who come at once both start one; the loser stops his. */
weft_runtime *weft_runtime_default(void)
{
	void *known = weft_load_acquire(&the_default); /* default.1 */
	weft_runtime *fresh;

	if (WEFT_LIKELY(known && !weft__runtime_stale(known)))
		return known;
	if (weft_runtime_start(&fresh, NULL) != 0)
		return NULL;
	if (weft_cas_acq_rel(&the_default, &known, fresh)) /* default.1 */
		return fresh;
	(void)weft_runtime_stop(fresh, WEFT_NEVER);
	return known;
}

weft_runtime *weft_runtime_current(void)
{
	struct weft__rt_worker *w = weft__rt_worker_self();

	return w ? w->runtime : NULL;
}

struct weft__rt_worker *weft__rt_worker_any(void)
{
	struct weft__rt_worker *w = weft__rt_worker_self();
	weft_runtime *runtime;

	if (w)
		return w;
	runtime = weft_runtime_default();
	if (!runtime)
		return NULL;
	return &runtime->worker[weft_add_relaxed(&runtime->turn, 1) % runtime->workers];
}

int weft_block_on(weft_runtime *runtime, weft_fiber_fn fn, void *arg, int *result)
{
	const weft_fiber_opts opts = { .name = "block_on", .runtime = runtime };
	weft_fiber *fiber;
	int err = weft_fiber_spawn(&fiber, fn, arg, &opts);

	return err ? err : weft_fiber_join(fiber, result);
}
