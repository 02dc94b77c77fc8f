/* SPDX-License-Identifier: MIT */
/*
 * Goal: every task that was taken on runs once, or is said not to; tasks and jobs may wait
 * for anything, and for each other; fibers that enter a pool hold up nobody.
 * Method: tasks that meet, of which there are more than the pool has workers, so that they
 * end only if others work in their place; scopes that fail; pools that end meanwhile.
 */
#include "check.h"

#include <errno.h>

#include "pool/pool.h"
#include "sys/sys.h"
#include "weft/channel.h"
#include "weft/fiber.h"
#include "weft/mutex.h"
#include "weft/par.h"
#include "weft/runtime.h"
#include "weft/scope.h"
#include "weft/task.h"

static weft_pool *pool_of(int workers)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
	return pool;
}

static weft_atomic_u32 ran;

static int tick(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	weft_add_relaxed(&ran, 1);
	return 0;
}

/* ---- spawn --------------------------------------------------------------------------- */

static void all_run(int workers)
{
	weft_pool *pool = pool_of(workers);
	weft_pool_stats stats;

	for (int i = 0; i < 1000; i++)
		CHECK_EQ(weft_pool_spawn(pool, tick, NULL), 0);
	CHECK_EQ(weft_pool_wait_idle(pool, WEFT_NEVER), 0);
	CHECK_EQ(weft_load_relaxed(&ran), 1000);
	weft_pool_stats_read(pool, &stats);
	CHECK_EQ(stats.finished, 1000);
	CHECK_EQ(stats.failed + stats.queued, 0);
	weft_pool_free(pool);
}

TEST(spawned_tasks_all_run_with_1_worker)
{
	all_run(1);
}

TEST(spawned_tasks_all_run_with_3_workers)
{
	all_run(3);
}

static int order[100], order_count;

static int note(weft_par par, void *arg)
{
	(void)par;
	order[order_count++] = (int)(intptr_t)arg;
	return 0;
}

TEST(tasks_begin_in_the_order_in_which_they_came)
{
	weft_pool *pool = pool_of(1);

	for (int i = 0; i < 100; i++)
		CHECK_EQ(weft_pool_spawn(pool, note, (void *)(intptr_t)i), 0);
	CHECK_EQ(weft_pool_wait_idle(pool, WEFT_NEVER), 0);
	CHECK_EQ(order_count, 100);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(order[i], i);
	weft_pool_free(pool);
}

static int spawn_again(weft_par par, void *arg)
{
	tick(par, NULL);
	if (weft_load_relaxed(&ran) < 50)
		CHECK_EQ(weft_pool_spawn(arg, spawn_again, arg), 0);
	return 0;
}

TEST(free_waits_for_tasks_and_for_those_that_they_spawn)
{
	weft_pool *pool = pool_of(2);

	CHECK_EQ(weft_pool_spawn(pool, spawn_again, pool), 0);
	weft_pool_free(pool);
	CHECK_EQ(weft_load_relaxed(&ran), 50);
}

static int fails(weft_par par, void *arg)
{
	(void)par;
	return arg ? -EIO : 0;
}

static weft_atomic_u32 failures;

static void count_failure(void *context, void *arg, int error)
{
	CHECK_EQ(*(int *)context, 7);
	CHECK_NOT_NULL(arg);
	CHECK_EQ(error, -EIO);
	weft_add_relaxed(&failures, 1);
}

TEST(error_of_a_task_is_told_to_the_handler)
{
	weft_pool_stats stats;
	weft_pool *pool;
	int seven = 7;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 2,
							 .context = &seven,
							 .on_failure = count_failure }),
		 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(weft_pool_spawn(pool, fails, i % 2 ? pool : NULL), 0);
	CHECK_EQ(weft_pool_wait_idle(pool, WEFT_NEVER), 0);
	weft_pool_stats_read(pool, &stats);
	CHECK_EQ(stats.finished, 10);
	CHECK_EQ(stats.failed, 5);
	weft_pool_free(pool);
	CHECK_EQ(weft_load_relaxed(&failures), 5);
}

TEST(spawn_refuses_what_makes_no_sense)
{
	CHECK_EQ(weft_pool_spawn(NULL, NULL, NULL), -EINVAL);
}

/* ---- scopes -------------------------------------------------------------------------- */

TEST(scope_waits_for_its_tasks)
{
	weft_pool *pool = pool_of(2);

	for (uint32_t round = 1; round <= 50; round++) {
		weft_scope scope;

		weft_scope_open(&scope);
		for (int i = 0; i < 20; i++)
			CHECK_EQ(weft_scope_spawn_task(&scope, pool, tick, NULL), 0);
		CHECK_EQ(weft_scope_close(&scope), 0);
		CHECK_EQ(weft_load_relaxed(&ran), 20 * round);
	}
	weft_pool_free(pool);
}

static weft_event never;

static int waits_for_ever(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	return weft_event_wait(&never);
}

TEST(first_error_of_a_task_cancels_the_rest)
{
	weft_pool *pool = pool_of(2);
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, pool, waits_for_ever, NULL), 0);
	CHECK_EQ(weft_scope_spawn_task(&scope, pool, fails, pool), 0);
	CHECK_EQ(weft_scope_close(&scope), -EIO);
	weft_pool_free(pool);
}

TEST(task_of_a_cancelled_scope_does_not_begin)
{
	weft_pool *pool = pool_of(2);
	weft_scope scope;

	weft_scope_open(&scope);
	weft_scope_cancel(&scope);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, pool, tick, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	CHECK_EQ(weft_load_relaxed(&ran), 0);
	weft_pool_free(pool);
}

/* ---- waiting inside of tasks and jobs ------------------------------------------------ */

enum { PARTY = 40 };

static weft_atomic_u32 here;
static weft_event all_here;

static int meet(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	if (weft_add_relaxed(&here, 1) + 1 == PARTY)
		weft_event_set(&all_here);
	return weft_event_wait(&all_here);
}

TEST(tasks_that_wait_for_each_other_all_get_a_thread)
{
	weft_pool *pool = pool_of(2);
	weft_pool_stats stats;
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < PARTY; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, pool, meet, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	weft_pool_stats_read(pool, &stats);
	CHECK_GT(stats.spares, 0);
	CHECK_EQ(stats.blocked, 0);
	weft_pool_free(pool);
}

/* In a job, one job below it waits for the other: the pool of two has both sleep, and a
 * task that a spare runs lets them go on. */
static weft_event go;

static int let_go(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	weft_event_set(&go);
	return 0;
}

static void wait_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	CHECK_EQ(weft_event_wait(&go), 0);
}

static void block_all_root(weft_par par, void *arg)
{
	weft_job job;

	weft_fork(par, &job, wait_job);
	CHECK_EQ(weft_pool_spawn(arg, let_go, NULL), 0);
	CHECK_EQ(weft_event_wait(&go), 0);
	weft_join(par, &job, wait_job);
}

TEST(task_runs_though_all_workers_wait_in_jobs)
{
	weft_pool *pool = pool_of(2);

	for (int i = 0; i < 20; i++) {
		weft_event_reset(&go);
		weft__pool_run_eager(pool, block_all_root, pool);
	}
	weft_pool_free(pool);
}

/* A task joins a job, whose thief waits for another task, in a pool that is one of one by
 * then: neither of the two threads is at work. */
static weft_event claimed, small_now;

static void thief_waits_job(weft_par par, weft_job *job)
{
	weft_pool *pool = *(weft_pool **)(job + 1);

	(void)par;
	weft_event_set(&claimed);
	CHECK_EQ(weft_event_wait(&small_now), 0);
	CHECK_EQ(weft_pool_spawn(pool, let_go, NULL), 0);
	CHECK_EQ(weft_event_wait(&go), 0);
}

static int joins_who_waits(weft_par par, void *arg)
{
	struct {
		weft_job job;
		weft_pool *pool;
	} other = { .pool = arg };
	weft_par inner = weft_fork(par, &other.job, thief_waits_job);

	while (!weft_event_is_set(&claimed)) {
		weft_par_poll(inner);
		weft_thread_yield();
	}
	CHECK_EQ(weft_pool_resize(arg, 1), 0);
	weft_event_set(&small_now);
	weft_join(par, &other.job, thief_waits_job);
	return 0;
}

TEST(task_runs_though_all_threads_wait_for_jobs_of_each_other)
{
	weft_pool *pool = pool_of(2);

	CHECK_EQ(weft_pool_spawn(pool, joins_who_waits, pool), 0);
	CHECK_EQ(weft_pool_wait_idle(pool, WEFT_NEVER), 0);
	weft_pool_free(pool);
}

/* A guest waits: what it forked before runs on two threads, although the pool of two has
 * only one beside the guest. */
static weft_atomic_u32 paired;
static weft_event pair;

static void pair_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	if (weft_add_relaxed(&paired, 1) == 1)
		weft_event_set(&pair);
	CHECK_EQ(weft_event_wait(&pair), 0);
}

static void pair_root(weft_par par, void *arg)
{
	weft_job a, b;
	weft_par one = weft_fork(par, &a, pair_job);

	(void)arg;
	weft_fork(one, &b, pair_job);
	CHECK_EQ(weft_event_wait(&pair), 0);
	weft_join(one, &b, pair_job);
	weft_join(par, &a, pair_job);
}

TEST(pool_keeps_its_width_while_a_caller_waits)
{
	weft_pool *pool = pool_of(2);

	for (int i = 0; i < 20; i++) {
		weft_store_relaxed(&paired, 0);
		weft_event_reset(&pair);
		weft__pool_run_eager(pool, pair_root, NULL);
	}
	weft_pool_free(pool);
}

TEST(spare_threads_leave_when_they_are_not_needed)
{
	weft_pool *pool = pool_of(2);
	struct weft__core *core = weft__core_get(pool);
	weft_pool_stats stats;
	weft_scope scope;

	core->rest_ns = 2 * WEFT_MS;
	weft_scope_open(&scope);
	for (int i = 0; i < PARTY; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, pool, meet, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	do {
		weft_thread_yield();
		weft_pool_stats_read(pool, &stats);
	} while (stats.threads > 2);
	CHECK_EQ(stats.threads, 2);
	/* And others come when they are. */
	weft_store_relaxed(&here, 0);
	weft_event_reset(&all_here);
	weft_scope_open(&scope);
	for (int i = 0; i < PARTY; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, pool, meet, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	weft_pool_free(pool);
}

TEST(pool_without_spares_starts_none)
{
	weft_pool_stats stats;
	weft_pool *pool;
	weft_scope scope;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 2, .spares = -1 }), 0);
	weft_scope_open(&scope);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, pool, waits_for_ever, NULL), 0);
	do {
		weft_thread_yield();
		weft_pool_stats_read(pool, &stats);
	} while (stats.blocked < 2);
	CHECK_EQ(stats.threads, 2);
	CHECK_EQ(stats.queued, 2);
	weft_scope_cancel(&scope);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	weft_pool_free(pool);
}

/* ---- from fibers --------------------------------------------------------------------- */

/* The loop's body waits for a fiber of the same worker, which runs only if the fiber that
 * entered the pool has left its worker to others. */
static weft_event from_fiber, to_fiber;

static void ask_fiber(void *context, size_t lo, size_t hi)
{
	(void)context;
	CHECK_NULL(weft_fiber_current());
	for (size_t i = lo; i < hi; i++) {
		weft_event_set(&to_fiber);
		CHECK_EQ(weft_event_wait(&from_fiber), 0);
		tick((weft_par){ NULL, NULL }, NULL);
	}
}

static int answer(void *arg)
{
	(void)arg;
	CHECK_EQ(weft_event_wait(&to_fiber), 0);
	CHECK_NULL(weft__worker_self());
	weft_event_set(&from_fiber);
	return 0;
}

static int enter_by_loop(void *arg)
{
	weft_par_opts opts = { .pool = arg, .grain = 1 };
	weft_fiber *other;

	CHECK_EQ(weft_fiber_spawn(&other, answer, NULL, NULL), 0);
	weft_par_for(0, 8, ask_fiber, NULL, &opts);
	CHECK_NULL(weft__worker_self());
	CHECK_NOT_NULL(weft_fiber_current());
	return weft_fiber_join(other, NULL);
}

static void on_runtime(weft_fiber_fn fn, void *arg, bool deterministic)
{
	weft_runtime *runtime;
	int result;

	CHECK_EQ(weft_runtime_start(
			 &runtime,
			 &(weft_runtime_opts){ .workers = 1, .deterministic = deterministic }),
		 0);
	CHECK_EQ(weft_block_on(runtime, fn, arg, &result), 0);
	CHECK_EQ(result, 0);
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
}

TEST(fiber_that_enters_a_pool_leaves_its_worker_to_others)
{
	for (int workers = 1; workers <= 3; workers++) {
		weft_pool *pool = pool_of(workers);

		weft_event_reset(&from_fiber);
		weft_event_reset(&to_fiber);
		on_runtime(enter_by_loop, pool, false);
		CHECK_EQ(weft_load_relaxed(&ran), 8 * (unsigned)workers);
		weft_pool_free(pool);
	}
}

static void count_root(weft_par par, void *arg)
{
	uint32_t *deep = arg;
	weft_job job;

	if ((*deep)-- == 0)
		return;
	count_root(weft_fork(par, &job, wait_job), arg);
	weft_join(par, &job, wait_job);
	tick(par, NULL);
}

static int enter_small(void *arg)
{
	for (int i = 0; i < 200; i++) {
		uint32_t deep = 3;

		weft_pool_run(arg, count_root, &deep);
	}
	return 0;
}

TEST(fiber_runs_small_calls_by_itself)
{
	weft_pool *pool = pool_of(2);

	weft_event_set(&go);
	on_runtime(enter_small, pool, false);
	CHECK_EQ(weft_load_relaxed(&ran), 600);
	weft_pool_free(pool);
}

static int enter_in_virtual_time(void *arg)
{
	weft_pool_stats stats;

	enter_small(arg);
	weft_pool_stats_read(arg, &stats);
	CHECK_EQ(stats.active + stats.stolen + stats.promoted, 0);
	return 0;
}

TEST(fiber_in_virtual_time_enters_alone)
{
	weft_pool *pool = pool_of(2);

	weft_event_set(&go);
	on_runtime(enter_in_virtual_time, pool, true);
	CHECK_EQ(weft_load_relaxed(&ran), 600);
	weft_pool_free(pool);
}

static int scope_of_tasks(void *arg)
{
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, arg, tick, NULL), 0);
	return weft_scope_close(&scope);
}

TEST(fiber_opens_a_scope_of_tasks)
{
	weft_pool *pool = pool_of(2);

	on_runtime(scope_of_tasks, pool, false);
	CHECK_EQ(weft_load_relaxed(&ran), 20);
	weft_pool_free(pool);
}

/* ---- the end of tasks ---------------------------------------------------------------- */

TEST(wait_idle_observes_its_deadline_and_who_calls)
{
	weft_pool *pool = pool_of(2);

	CHECK_EQ(weft_pool_wait_idle(pool, 0), 0);
	CHECK_EQ(weft_pool_spawn(pool, waits_for_ever, NULL), 0);
	CHECK_EQ(weft_pool_wait_idle(pool, weft_after_ms(5)), -ETIMEDOUT);
	CHECK_EQ(weft_pool_shutdown(pool, 0), -ETIMEDOUT);
	CHECK_EQ(weft_pool_wait_idle(pool, 0), 0);
	CHECK_EQ(weft_pool_shutdown(pool, WEFT_NEVER), 0);
	weft_pool_free(pool);
}

static int waits_for_idle(weft_par par, void *arg)
{
	(void)par;
	CHECK_EQ(weft_pool_wait_idle(arg, WEFT_NEVER), -EDEADLK);
	CHECK_EQ(weft_pool_shutdown(arg, WEFT_NEVER), -EDEADLK);
	return 0;
}

TEST(task_does_not_wait_for_itself)
{
	weft_pool *pool = pool_of(2);

	CHECK_EQ(weft_pool_spawn(pool, waits_for_idle, pool), 0);
	weft_pool_free(pool);
}

TEST(shutdown_drops_what_has_not_begun_and_cancels_the_rest)
{
	weft_pool_stats stats;
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 1, .spares = -1 }), 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(weft_pool_spawn(pool, i ? tick : waits_for_ever, NULL), 0);
	CHECK_EQ(weft_pool_shutdown(pool, weft_after_ms(2)), -ETIMEDOUT);
	CHECK_EQ(weft_pool_spawn(pool, tick, NULL), -EPIPE);
	weft_pool_stats_read(pool, &stats);
	CHECK_EQ(stats.finished, 10);
	CHECK_EQ(stats.failed, 10);
	CHECK_EQ(weft_load_relaxed(&ran), 0);
	weft_pool_free(pool);
}
