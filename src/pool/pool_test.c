/* SPDX-License-Identifier: MIT */
/*
 * Goal: pools begin, end and are entered in every way that programs will try, and
 * at rest cost nothing.
 * Method: many callers at once, pools within pools, pools made and freed while
 * others are busy, threads refused by the system, and the process's own CPU time.
 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/pool.h"
#include "sys/sys.h"
#include "weft/event.h"
#include "weft/thread.h"

static weft_pool *pool_of(int workers)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
	return pool;
}

struct count {
	weft_job job;
	weft_pool *other; /* to be entered at the leaves, or NULL */
	int depth;
	uint64_t leaves;
};

static uint64_t count(weft_par par, const struct count *c);

static void count_job(weft_par par, weft_job *job)
{
	struct count *c = weft_container_of(job, struct count, job);

	c->leaves = count(par, c);
}

static void count_root(weft_par par, void *arg)
{
	struct count *c = arg;

	c->leaves = count(par, c);
}

static uint64_t count(weft_par par, const struct count *c)
{
	struct count left = { .other = c->other, .depth = c->depth - 1 }, right = left;
	weft_par inner;

	if (c->depth == 0) {
		struct count below = { .depth = 4 };

		if (c->other)
			weft_pool_run(c->other, count_root, &below);
		return c->other ? below.leaves : 1;
	}
	inner = weft_fork(par, &right.job, count_job);
	left.leaves = count(inner, &left);
	weft_join(par, &right.job, count_job);
	return left.leaves + right.leaves;
}

static uint64_t count_in(weft_pool *pool, weft_pool *other, int depth)
{
	struct count c = { .other = other, .depth = depth };

	weft_pool_run(pool, count_root, &c);
	return c.leaves;
}

/* ---- life ---------------------------------------------------------------------------- */

TEST(pool_new_refuses_what_makes_no_sense)
{
	weft_pool *pool = (weft_pool *)(uintptr_t)1;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = -1 }), -EINVAL);
	CHECK_NULL(pool);
	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 5000 }), -EINVAL);
	CHECK_EQ(weft_pool_new(&pool,
			       &(weft_pool_opts){ .workers = 2, .stack_size = SIZE_MAX - 5 }),
		 -EINVAL);
	CHECK_NULL(pool);
	weft_pool_free(NULL);
}

TEST(pool_of_defaults_has_a_worker_per_cpu)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, NULL), 0);
	CHECK_EQ(weft_pool_workers(pool), weft_cpus());
	CHECK_EQ(count_in(pool, NULL, 10), 1024);
	weft_pool_free(pool);
}

static weft_event named;
static char name[16];

static void name_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	weft__thread_get_name(name, sizeof(name));
	weft_event_set(&named);
}

static void name_root(weft_par par, void *arg)
{
	weft_job job;

	(void)arg;
	weft_fork(par, &job, name_job);
	CHECK_EQ(weft_event_wait(&named), 0);
	weft_join(par, &job, name_job);
}

TEST(pool_threads_have_the_name_that_was_asked_for)
{
	weft_pool_opts opts = { .workers = 2, .name = "loom-of-seventeen", .stack_size = 300000 };
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &opts), 0);
	weft__pool_run_eager(pool, name_root, NULL);
	CHECK_STR_EQ(name, "loom-of-sevente");
	weft_pool_free(pool);
}

static weft_pool *busy_pool;
static weft_atomic_u32 stop_busy;

static int busy(void *arg)
{
	(void)arg;
	while (!weft_load_relaxed(&stop_busy))
		CHECK_EQ(count_in(busy_pool, NULL, 8), 256);
	return 0;
}

TEST(pools_come_and_go_while_another_is_busy)
{
	weft_thread *thread;

	busy_pool = pool_of(2);
	CHECK_EQ(weft_thread_spawn(&thread, busy, NULL, NULL), 0);
	for (int i = 0; i < 200; i++) {
		weft_pool *pool = pool_of(1 + i % 4);

		/* Now and then freed before the threads have had time to start. */
		if (i % 3)
			CHECK_EQ(count_in(pool, NULL, 6), 64);
		weft_pool_free(pool);
	}
	weft_store_relaxed(&stop_busy, 1);
	weft_thread_join(thread, NULL);
	weft_pool_free(busy_pool);
}

/* ---- the way in ---------------------------------------------------------------------- */

enum { CALLERS = 16, CALLERS_MANY = 100 };

static weft_pool *shared;

static int call_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 40; i++)
		CHECK_EQ(count_in(shared, NULL, i % 11), (uint64_t)1 << (i % 11));
	return 0;
}

static void callers_check(weft_thread_fn fn, int callers)
{
	weft_thread *threads[CALLERS_MANY];

	shared = pool_of(3);
	for (int i = 0; i < callers; i++)
		CHECK_EQ(weft_thread_spawn(&threads[i], fn, NULL, NULL), 0);
	for (int i = 0; i < callers; i++)
		weft_thread_join(threads[i], NULL);
	weft_pool_free(shared);
}

TEST(many_threads_call_at_once)
{
	callers_check(call_often, CALLERS);
}

/* More callers inside than there are records: the rest runs alone. All must be
 * inside before the first one leaves. */
static weft_atomic_u32 inside, alone;
static weft_event all_inside;
static weft_atomic_u32 index_taken[600];

static void inside_root(weft_par par, void *arg)
{
	struct count c = { .depth = 8 };
	int index = weft_par_worker(par);

	(void)arg;
	CHECK_LT(weft_pool_places(shared), 600);
	CHECK_GE(index, weft_pool_places(shared) - 1 - WEFT__POOL_GUESTS);
	CHECK_LT(index, weft_pool_places(shared));
	if (weft_add_relaxed(&index_taken[index], 1) > 0)
		CHECK_EQ(index, weft_pool_places(shared) - 1);
	if (index == weft_pool_places(shared) - 1)
		weft_add_relaxed(&alone, 1);
	if (weft_add_relaxed(&inside, 1) + 1 == CALLERS_MANY)
		weft_event_set(&all_inside);
	CHECK_EQ(weft_event_wait(&all_inside), 0);
	count_root(par, &c);
	CHECK_EQ(c.leaves, 256);
	/* And once more in the same pool, from there. */
	CHECK_EQ(count_in(shared, NULL, 5), 32);
}

static int call_inside(void *arg)
{
	(void)arg;
	weft_pool_run(shared, inside_root, NULL);
	return 0;
}

TEST(callers_beyond_64_run_alone)
{
	callers_check(call_inside, CALLERS_MANY);
	CHECK_EQ(weft_load_relaxed(&alone), CALLERS_MANY - WEFT__POOL_GUESTS);
}

TEST(job_enters_its_own_pool_again)
{
	weft_pool *pool = pool_of(3);

	for (int i = 0; i < 50; i++)
		CHECK_EQ(count_in(pool, pool, 7), 128 * 16);
	weft_pool_free(pool);
}

TEST(jobs_of_two_pools_enter_each_other)
{
	weft_pool *a = pool_of(2), *b = pool_of(3);

	for (int i = 0; i < 50; i++) {
		CHECK_EQ(count_in(a, b, 6), 64 * 16);
		CHECK_EQ(count_in(b, a, 6), 64 * 16);
	}
	weft_pool_free(a);
	weft_pool_free(b);
}

static void here_root(weft_par par, void *arg)
{
	(void)par;
	CHECK_PTR_EQ(weft__pool_here(), arg);
}

TEST(pool_here_is_the_one_around_the_caller)
{
	weft_pool *pool = pool_of(2), *serial = pool_of(1);

	CHECK_PTR_EQ(weft__pool_here(), weft_pool_global());
	weft_pool_run(pool, here_root, pool);
	weft_pool_run(serial, here_root, serial);
	weft_pool_run(NULL, here_root, weft_pool_global());
	CHECK_PTR_EQ(weft__pool_here(), weft_pool_global());
	weft_pool_free(pool);
	weft_pool_free(serial);
}

/* Two callers are enough for two workers, so the pool's thread sleeps. One leaves,
 * and the thread must come: the one that stays waits for it. */
static weft_event both_inside, offered, helper_came;

static void inside_until_offered(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	weft_event_set(&both_inside);
	CHECK_EQ(weft_event_wait(&offered), 0);
}

/* Without sleeping, which would have a spare thread work meanwhile. */
static void stay_busy_until(weft_event *event)
{
	while (!weft_event_is_set(event))
		weft__thread_yield();
}

static void busy_until_offered(weft_par par, void *arg)
{
	weft_event_set(&both_inside);
	stay_busy_until(&offered);
	(void)par, (void)arg;
}

static int leaves_early(void *busy)
{
	weft_pool_run(shared, busy ? busy_until_offered : inside_until_offered, NULL);
	return 0;
}

static void came_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	weft_event_set(&helper_came);
}

static void stays_root(weft_par par, void *arg)
{
	weft_job job;

	(void)arg;
	CHECK_EQ(weft_event_wait(&both_inside), 0);
	weft_fork(par, &job, came_job);
	weft_event_set(&offered);
	CHECK_EQ(weft_event_wait(&helper_came), 0);
	weft_join(par, &job, came_job);
}

TEST(caller_that_leaves_others_behind_sends_a_thread)
{
	for (int round = 0; round < 50; round++) {
		weft_thread *thread;

		shared = pool_of(2);
		CHECK_EQ(weft_thread_spawn(&thread, leaves_early, NULL, NULL), 0);
		weft__pool_run_eager(shared, stays_root, NULL);
		weft_thread_join(thread, NULL);
		weft_pool_free(shared);
		weft_event_reset(&both_inside);
		weft_event_reset(&offered);
		weft_event_reset(&helper_came);
	}
}

/* The thread has no part in what both fork. It may have looked around before the second
 * one came, and then it takes one job. */
static void fork_often_root(weft_par par, void *arg)
{
	(void)arg;
	stay_busy_until(&both_inside);
	for (int i = 0; i < 10000; i++) {
		struct count c = { .depth = 3 };

		count_root(par, &c);
		CHECK_EQ(c.leaves, 8);
	}
	weft_event_set(&offered);
}

TEST(callers_that_are_enough_leave_threads_asleep)
{
	weft_pool_stats stats;
	weft_thread *thread;

	shared = pool_of(2);
	CHECK_EQ(weft_thread_spawn(&thread, leaves_early, &offered, NULL), 0);
	weft_pool_run(shared, fork_often_root, NULL);
	weft_thread_join(thread, NULL);
	weft_pool_stats_read(shared, &stats);
	CHECK_LE(stats.stolen, 1);
	CHECK_LE(stats.wakes, 1);
	CHECK_GT(stats.promoted, 0);
	weft_pool_free(shared);
}

/* ---- the system says no -------------------------------------------------------------- */

static long address_space_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	CHECK_NOT_NULL(f);
	CHECK_EQ(fscanf(f, "%ld", &pages), 1);
	fclose(f);
	return pages;
}

/* The limit is on a user's threads, and does not bind root. */
static void forbid_threads(void)
{
	struct rlimit none = { 1, 1 };

	if (geteuid() == 0)
		CHECK_EQ(setuid(65534), 0);
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
}

static void without_threads(void)
{
	long before;

	forbid_threads();
	before = address_space_pages();
	for (int i = 0; i < 200; i++) {
		weft_pool *pool = (weft_pool *)(uintptr_t)1;

		CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 4 }), -EAGAIN);
		CHECK_NULL(pool);
	}
	/* A core has more than 100 pages; glibc keeps some stacks. */
	CHECK_LT(address_space_pages(), before + 200 * 100 / 2);
	CHECK_EQ(weft_pool_workers(NULL), 1);
	CHECK_EQ(count_in(NULL, NULL, 10), 1024);
}

static int in_a_child(void (*fn)(void))
{
	pid_t child = check_fork();
	int status;

	if (child == 0) {
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

TEST(threads_refused_is_an_error_or_a_smaller_global_pool)
{
	CHECK_EQ(in_a_child(without_threads), 0);
}

static void workers_env_3(void)
{
	CHECK_EQ(setenv("WEFT_WORKERS", "3", 1), 0);
	CHECK_EQ(weft_pool_workers(weft_pool_global()), 3);
	CHECK_EQ(count_in(NULL, NULL, 12), 4096);
}

static void workers_env_nonsense(void)
{
	CHECK_EQ(setenv("WEFT_WORKERS", "many", 1), 0);
	CHECK_EQ(weft_pool_workers(NULL), weft_cpus());
}

TEST(environment_sets_the_size_of_the_global_pool)
{
	CHECK_EQ(in_a_child(workers_env_3), 0);
	CHECK_EQ(in_a_child(workers_env_nonsense), 0);
}

/* ---- small calls --------------------------------------------------------------------- */

static void small_or_not_root(weft_par par, void *arg)
{
	struct count c = { .depth = *(int *)arg };

	count_root(par, &c);
	CHECK_EQ(c.leaves, (uint64_t)1 << c.depth);
}

/* Other processes take the CPU now and then, and then a call is not small; hence the
 * half. */
TEST(calls_that_are_small_hand_nothing_out)
{
	weft_pool *pool = pool_of(2);
	weft_pool_stats stats;
	int depth = 2;

	for (int i = 0; i < 2000; i++)
		weft_pool_run(pool, small_or_not_root, &depth);
	weft_pool_stats_read(pool, &stats);
	CHECK_LT(stats.promoted, 1000);
	weft_pool_free(pool);
}

static void slow_job(weft_par par, weft_job *job)
{
	int64_t until = weft_after_ms(1);

	(void)par;
	(void)job;
	while (weft_now() < until)
		weft__cpu_pause();
}

/* The same function: a small tree, or eight jobs of a millisecond. */
static void small_or_slow_root(weft_par par, void *arg)
{
	weft_par before[8];
	weft_job jobs[8];
	int depth = *(int *)arg;

	if (depth >= 0) {
		small_or_not_root(par, &depth);
		return;
	}
	for (int i = 0; i < 8; i++) {
		before[i] = par;
		par = weft_fork(par, &jobs[i], slow_job);
	}
	for (int i = 7; i >= 0; i--)
		weft_join(before[i], &jobs[i], slow_job);
}

TEST(call_that_was_small_is_shared_once_it_is_not)
{
	weft_pool *pool = pool_of(2);
	weft_pool_stats before, after;
	int depth = 2, slow = -1;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 10; i++)
			weft_pool_run(pool, small_or_slow_root, &depth);
		weft_pool_stats_read(pool, &before);
		weft_pool_run(pool, small_or_slow_root, &slow);
		weft_pool_stats_read(pool, &after);
		CHECK_GT(after.promoted, before.promoted);
		/* And now it is not small any more. */
		weft_pool_run(pool, small_or_slow_root, &depth);
		weft_pool_stats_read(pool, &before);
		CHECK_GT(before.promoted, after.promoted);
	}
	weft_pool_free(pool);
}

/* ---- at rest ------------------------------------------------------------------------- */

static int64_t cpu_time_us(void)
{
	struct rusage usage;

	CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
	       usage.ru_stime.tv_usec;
}

TEST(idle_pool_uses_no_cpu)
{
	static weft_event never;
	weft_pool *pool = pool_of(8);
	int64_t before;

	CHECK_EQ(count_in(pool, NULL, 12), 4096);
	before = cpu_time_us();
	CHECK_EQ(weft_event_wait_until(&never, weft_after_ms(500)), -ETIMEDOUT);
	/* Seven threads that looked around would take a second. */
	CHECK_LT(cpu_time_us() - before, 20000);
	weft_pool_free(pool);
}

/* The one that stays has an offer out, which the thread is not needed for. */
static void offer_and_wait_root(weft_par par, void *arg)
{
	static weft_event never;
	int64_t before;
	weft_job job;

	CHECK_EQ(weft_event_wait(&both_inside), 0);
	weft_fork(par, &job, came_job);
	before = cpu_time_us();
	CHECK_EQ(weft_event_wait_until(&never, weft_after_ms(300)), -ETIMEDOUT);
	*(int64_t *)arg = cpu_time_us() - before;
	weft_join(par, &job, came_job);
	weft_event_set(&offered);
}

TEST(thread_that_is_not_needed_uses_no_cpu_though_there_are_offers)
{
	weft_thread *thread;
	int64_t used_us;

	shared = pool_of(2);
	CHECK_EQ(weft_thread_spawn(&thread, leaves_early, NULL, NULL), 0);
	weft__pool_run_eager(shared, offer_and_wait_root, &used_us);
	CHECK_LT(used_us, 20000);
	weft_thread_join(thread, NULL);
	weft_pool_free(shared);
}

TEST(counters_tell_what_happened)
{
	weft_pool *pool = pool_of(2);
	weft_pool_stats stats;

	weft_pool_stats_read(pool, &stats);
	CHECK_EQ(stats.stolen, 0);
	weft__pool_run_eager(pool, name_root, NULL);
	weft_pool_stats_read(pool, &stats);
	CHECK_GE(stats.promoted, 1);
	CHECK_EQ(stats.stolen, 1);
	weft_pool_free(pool);
}
