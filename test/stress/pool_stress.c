/* SPDX-License-Identifier: MIT */
/*
 * Goal: no job and no task is ever lost, run twice or left waiting, whatever callers do:
 * fork, wait in jobs, cancel, fail, yield, broadcast, resize, enter from fibers, and make
 * and free pools.
 * Method: callers of every kind, on threads and fibers, that do a random one of these in
 * pools which they share, and count what they have asked for; at the end the counts must
 * be equal. Each caller does one for 10,000 of WEFT_STRESS_OPS (default 3,000,000), or goes
 * on for WEFT_STRESS_MS milliseconds; the seed is printed, and taken from WEFT_STRESS_SEED.
 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "pool/pool.h"
#include "sys/sys.h"
#include "weft/channel.h"
#include "weft/fiber.h"
#include "weft/runtime.h"
#include "weft/scope.h"
#include "weft/task.h"
#include "weft/thread.h"

enum { STEPS = 10000 }; /* a call is a program of its own, and counts as so many */
enum { CALLERS = 6, POOLS = 2, WORKERS_MOST = 5 };

static weft_pool *pools[POOLS];
static weft_mutex shared_lock;
static weft_atomic_u64 asked, ran;
static int64_t until = WEFT_NEVER;
static long operations = 300;

struct caller {
	struct weft__rng rng;
	int index;
};

static weft_pool *any_pool(struct caller *c)
{
	return pools[weft__rng_below(&c->rng, POOLS)];
}

/* ---- trees whose nodes wait, lock and yield ------------------------------------------ */

struct tree {
	weft_job job;
	uint64_t seed;
	int depth;
	uint64_t nodes;
};

static uint64_t tree_grow(weft_par par, uint64_t seed, int depth);

static void tree_run(weft_par par, weft_job *job)
{
	struct tree *t = weft_container_of(job, struct tree, job);

	t->nodes = tree_grow(par, t->seed, t->depth);
}

static void tree_root(weft_par par, void *arg)
{
	struct tree *t = arg;

	tree_run(par, &t->job);
}

static void node_disturb(weft_par par, struct weft__rng *rng)
{
	switch (weft__rng_below(rng, 24)) {
	case 0:
		weft_mutex_lock(&shared_lock);
		for (int i = 0; i < 200; i++)
			weft__cpu_pause();
		weft_mutex_unlock(&shared_lock);
		break;
	case 1: (void)weft_sleep_until(weft_after_us(150)); break;
	case 2: (void)weft_pool_yield(par); break;
	case 3: weft_par_poll(par); break;
	default: break;
	}
}

static uint64_t tree_grow(weft_par par, uint64_t seed, int depth)
{
	struct tree children[3];
	weft_par pars[4] = { par };
	struct weft__rng rng;
	uint64_t nodes = 1;
	int count;

	weft__rng_seed(&rng, seed);
	count = depth > 0 ? (int)weft__rng_below(&rng, 4) : 0;
	for (int i = 0; i < count; i++) {
		children[i] = (struct tree){ .seed = weft__rng_next(&rng), .depth = depth - 1 };
		pars[i + 1] = weft_fork(pars[i], &children[i].job, tree_run);
	}
	node_disturb(pars[count], &rng);
	for (int i = count; i-- > 0;) {
		weft_join(pars[i], &children[i].job, tree_run);
		nodes += children[i].nodes;
	}
	return nodes;
}

/* How many there are, without a pool and without disturbance. */
static uint64_t tree_count(uint64_t seed, int depth)
{
	struct weft__rng rng;
	uint64_t nodes = 1;
	int count;

	weft__rng_seed(&rng, seed);
	count = depth > 0 ? (int)weft__rng_below(&rng, 4) : 0;
	for (int i = 0; i < count; i++)
		nodes += tree_count(weft__rng_next(&rng), depth - 1);
	return nodes;
}

static void op_tree(struct caller *c)
{
	struct tree t = { .seed = weft__rng_next(&c->rng) };
	weft_pool *pool = any_pool(c);

	t.depth = 1 + (int)weft__rng_below(&c->rng, 7);
	if (weft__rng_below(&c->rng, 2))
		weft_pool_run(pool, tree_root, &t);
	else
		weft__pool_run_eager(pool, tree_root, &t);
	CHECK_EQ(t.nodes, tree_count(t.seed, t.depth));
}

/* ---- tasks --------------------------------------------------------------------------- */

static int task_ticks(weft_par par, void *arg)
{
	struct tree t = { .seed = (uintptr_t)arg, .depth = 3 };

	tree_root(par, &t);
	CHECK_EQ(t.nodes, tree_count(t.seed, 3));
	weft_add_relaxed(&ran, 1);
	return 0;
}

static void op_detached(struct caller *c)
{
	weft_add_relaxed(&asked, 1);
	CHECK_EQ(weft_pool_spawn(any_pool(c), task_ticks,
				 (void *)(uintptr_t)weft__rng_below(&c->rng, 1000)),
		 0);
}

/* Tasks that meet: each waits until all are there. */
struct party {
	weft_atomic_u32 come;
	uint32_t expected;
	weft_event here;
};

static int task_meets(weft_par par, void *arg)
{
	struct party *p = arg;

	(void)par;
	weft_add_relaxed(&ran, 1);
	if (weft_add_relaxed(&p->come, 1) + 1 == p->expected)
		weft_event_set(&p->here);
	return weft_event_wait(&p->here);
}

static void op_party(struct caller *c)
{
	struct party p = { .expected = 1 + weft__rng_below(&c->rng, 8) };
	weft_pool *pool = any_pool(c);
	weft_scope scope;

	weft_add_relaxed(&asked, p.expected);
	weft_scope_open(&scope);
	for (uint32_t i = 0; i < p.expected; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, pool, task_meets, &p), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(weft_load_relaxed(&p.come), p.expected);
}

/* One of the tasks fails, and the others would wait for ever. */
static int task_waits(weft_par par, void *arg)
{
	(void)par;
	return weft_event_wait(arg);
}

static int task_fails(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	return -EIO;
}

static void op_failure(struct caller *c)
{
	weft_event never = WEFT_EVENT_INIT;
	uint32_t count = 1 + weft__rng_below(&c->rng, 5), bad = weft__rng_below(&c->rng, count);
	weft_pool *pool = any_pool(c);
	weft_scope scope;

	weft_scope_open(&scope);
	for (uint32_t i = 0; i < count; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, pool, i == bad ? task_fails : task_waits,
					       &never),
			 0);
	CHECK_EQ(weft_scope_close(&scope), -EIO);
}

static void op_invoke(struct caller *c)
{
	weft_call calls[8];
	int count = (int)weft__rng_below(&c->rng, 9), bad = (int)weft__rng_below(&c->rng, 16);

	for (int i = 0; i < count; i++)
		calls[i] = (weft_call){ .fn = i == bad ? task_fails : task_ticks };
	if (bad >= count) {
		weft_add_relaxed(&asked, (uint64_t)count);
		CHECK_EQ(weft_invoke(any_pool(c), calls, count), 0);
		return;
	}
	CHECK_EQ(weft_invoke(any_pool(c), calls, count), -EIO);
	for (int i = 0; i < count; i++)
		if (calls[i].result == 0)
			weft_add_relaxed(&asked, 1);
}

/* ---- the pools themselves ------------------------------------------------------------ */

static void broadcast_ticks(void *arg, int index)
{
	(void)index;
	weft_add_relaxed((weft_atomic_u32 *)arg, 1);
}

static void op_manage(struct caller *c)
{
	weft_atomic_u32 told = { 0 };
	weft_pool *pool;
	int count;

	switch (weft__rng_below(&c->rng, 3)) {
	case 0:
		CHECK_EQ(weft_pool_resize(any_pool(c),
					  1 + (int)weft__rng_below(&c->rng, WORKERS_MOST)),
			 0);
		break;
	case 1:
		count = weft_pool_broadcast(any_pool(c), broadcast_ticks, &told);
		CHECK_EQ(weft_load_relaxed(&told), (uint32_t)count);
		break;
	default:
		CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 2 }), 0);
		weft_add_relaxed(&asked, 1);
		CHECK_EQ(weft_pool_spawn(pool, task_ticks, NULL), 0);
		weft_pool_free(pool);
		break;
	}
}

/* ---- callers ------------------------------------------------------------------------- */

static int call(void *arg)
{
	struct caller *c = arg;

	for (long i = 0; until == WEFT_NEVER ? i < operations : weft_now() < until; i++)
		switch (weft__rng_below(&c->rng, 8)) {
		case 0: op_detached(c); break;
		case 1: op_party(c); break;
		case 2: op_failure(c); break;
		case 3: op_invoke(c); break;
		case 4: op_manage(c); break;
		default: op_tree(c); break;
		}
	return 0;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void callers_run(uint64_t seed)
{
	struct caller callers[CALLERS];
	weft_runtime *runtime;
	weft_fiber *fibers[CALLERS];
	weft_thread *threads[CALLERS];
	int result;

	CHECK_EQ(weft_runtime_start(&runtime, &(weft_runtime_opts){ .workers = 2, .hog_ns = -1 }),
		 0);
	for (int i = 0; i < CALLERS; i++) {
		weft_fiber_opts opts = { .runtime = runtime, .stack_size = 256 << 10 };

		callers[i].index = i;
		weft__rng_seed(&callers[i].rng, seed + (uint64_t)i);
		if (i % 2)
			CHECK_EQ(weft_fiber_spawn(&fibers[i], call, &callers[i], &opts), 0);
		else
			CHECK_EQ(weft_thread_spawn(&threads[i], call, &callers[i], NULL), 0);
	}
	for (int i = 0; i < CALLERS; i++) {
		if (i % 2)
			CHECK_EQ(weft_fiber_join(fibers[i], &result), 0);
		else
			CHECK_EQ(weft_thread_join(threads[i], &result), 0);
		CHECK_EQ(result, 0);
	}
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
}

int main(void)
{
	uint64_t seed = number_of("WEFT_STRESS_SEED", weft__entropy());
	uint64_t ms = number_of("WEFT_STRESS_MS", 0);
	weft_pool_stats stats;

	operations = (long)(number_of("WEFT_STRESS_OPS", (uint64_t)operations * STEPS) / STEPS);
	operations = operations > 0 ? operations : 1;
	if (ms)
		until = weft_after_ms((int64_t)ms);
	printf("WEFT_STRESS_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	for (int i = 0; i < POOLS; i++) {
		weft_pool_opts opts = { .workers = 2 + i, .workers_most = WORKERS_MOST };

		CHECK_EQ(weft_pool_new(&pools[i], &opts), 0);
		weft__core_get(pools[i])->rest_ns = 100 * WEFT_US;
	}
	callers_run(seed);
	for (int i = 0; i < POOLS; i++) {
		CHECK_EQ(weft_pool_wait_idle(pools[i], WEFT_NEVER), 0);
		weft_pool_stats_read(pools[i], &stats);
		CHECK_EQ(stats.queued + (uint64_t)stats.blocked, 0);
		weft_pool_free(pools[i]);
	}
	CHECK_EQ(weft_load_relaxed(&ran), weft_load_relaxed(&asked));
	printf("%llu tasks\n", (unsigned long long)weft_load_relaxed(&ran));
	return 0;
}
