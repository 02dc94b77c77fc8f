/* SPDX-License-Identifier: MIT */
/*
 * Goal: a pool has the threads that its options and its size ask for, at every moment.
 * Method: handlers that count, threads made by the test, CPUs that are asked for, and sizes
 * that change while the pool is at work.
 */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "pool/pool.h"
#include "sys/sys.h"
#include "weft/event.h"
#include "weft/task.h"
#include "weft/thread.h"

enum { PARTY = 4 };

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

static void party(weft_pool *pool)
{
	weft_store_relaxed(&here, 0);
	weft_event_reset(&all_here);
	for (int i = 0; i < PARTY; i++)
		CHECK_EQ(weft_pool_spawn(pool, meet, NULL), 0);
	CHECK_EQ(weft_pool_wait_idle(pool, WEFT_NEVER), 0);
}

/* ---- handlers ------------------------------------------------------------------------ */

struct seen {
	weft_atomic_u32 started, left, places;
};

static void on_start(void *context, int index)
{
	struct seen *seen = context;

	CHECK_LT(index, 32);
	CHECK_EQ(weft_or_relaxed(&seen->places, 1u << index) >> index & 1, 0);
	weft_add_relaxed(&seen->started, 1);
}

static void on_exit_of(void *context, int index)
{
	struct seen *seen = context;

	CHECK_EQ(weft_and_relaxed(&seen->places, ~(1u << index)) >> index & 1, 1);
	weft_add_relaxed(&seen->left, 1);
}

TEST(handlers_are_called_as_threads_begin_and_leave)
{
	static struct seen seen;
	weft_pool_opts opts = {
		.workers = 3, .context = &seen, .on_start = on_start, .on_exit = on_exit_of
	};
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &opts), 0);
	party(pool);
	weft_pool_free(pool);
	CHECK_GE(weft_load_relaxed(&seen.started), 2);
	CHECK_EQ(weft_load_relaxed(&seen.started), weft_load_relaxed(&seen.left));
}

/* ---- own threads --------------------------------------------------------------------- */

struct made {
	void (*body)(void *);
	void *arg;
};

static weft_atomic_u32 made_count;
static pthread_t made_threads[PARTY + 4];
static struct made made[PARTY + 4];

static void *made_run(void *arg)
{
	struct made *m = arg;

	m->body(m->arg);
	return NULL;
}

static int make_thread(void *context, void (*body)(void *arg), void *arg)
{
	uint32_t i = weft_add_relaxed(&made_count, 1);

	CHECK_PTR_EQ(context, &made_count);
	CHECK_LT(i, PARTY + 4);
	made[i] = (struct made){ body, arg };
	return -pthread_create(&made_threads[i], NULL, made_run, &made[i]);
}

TEST(threads_are_made_by_the_spawner_of_the_options)
{
	weft_pool_opts opts = { .workers = 3, .context = &made_count, .spawn = make_thread };
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &opts), 0);
	CHECK_EQ(weft_load_relaxed(&made_count), 2);
	party(pool);
	weft_pool_free(pool);
	for (uint32_t i = 0; i < weft_load_relaxed(&made_count); i++)
		CHECK_EQ(pthread_join(made_threads[i], NULL), 0);
}

static int refuse_thread(void *context, void (*body)(void *arg), void *arg)
{
	(void)context;
	(void)body;
	(void)arg;
	return -EPERM;
}

static weft_atomic_u32 refused;

static void count_refused(void *context, void *arg, int error)
{
	(void)context;
	(void)arg;
	CHECK_EQ(error, -EAGAIN);
	weft_add_relaxed(&refused, 1);
}

TEST(task_without_any_thread_is_said_not_to_run)
{
	weft_pool_opts opts = { .workers = 2, .spawn = refuse_thread };
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &opts), -EPERM);
	CHECK_NULL(pool);
	opts.workers = 1;
	opts.on_failure = count_refused;
	CHECK_EQ(weft_pool_new(&pool, &opts), 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(weft_pool_spawn(pool, meet, NULL), 0);
	CHECK_EQ(weft_pool_wait_idle(pool, WEFT_NEVER), 0);
	CHECK_EQ(weft_load_relaxed(&refused), 5);
	CHECK_EQ(weft_pool_resize(pool, 0), weft_cpus() > 1 ? -EPERM : 0);
	weft_pool_free(pool);
}

/* ---- CPUs ---------------------------------------------------------------------------- */

static int first_cpu(void)
{
	cpu_set_t mask;
	int cpu = 0;

	CHECK_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
	while (!CPU_ISSET(cpu, &mask))
		cpu++;
	return cpu;
}

static int pinned(weft_par par, void *arg)
{
	cpu_set_t mask;

	CHECK_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
	CHECK_EQ(CPU_COUNT(&mask), 1);
	CHECK(CPU_ISSET(*(int *)arg, &mask));
	return meet(par, NULL);
}

TEST(threads_are_on_the_cpus_that_were_asked_for)
{
	int cpu = first_cpu(), none = 1 << 20;
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .cpus = &none, .cpu_count = 1 }),
		 -EINVAL);
	none = -1;
	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .cpus = &none, .cpu_count = 1 }),
		 -EINVAL);
	CHECK_EQ(weft_pool_new(&pool,
			       &(weft_pool_opts){ .workers = 2, .cpus = &cpu, .cpu_count = 1 }),
		 0);
	for (int i = 0; i < PARTY; i++)
		CHECK_EQ(weft_pool_spawn(pool, pinned, &cpu), 0);
	CHECK_EQ(weft_pool_wait_idle(pool, WEFT_NEVER), 0);
	weft_pool_free(pool);
}

/* ---- sizes --------------------------------------------------------------------------- */

struct count {
	weft_job job;
	int depth;
	uint64_t leaves;
};

static void count_job(weft_par par, weft_job *job)
{
	struct count *c = weft_container_of(job, struct count, job);
	struct count left = { .depth = c->depth - 1 }, right = left;
	weft_par inner;

	c->leaves = 1;
	if (c->depth == 0)
		return;
	inner = weft_fork(par, &right.job, count_job);
	count_job(inner, &left.job);
	weft_join(par, &right.job, count_job);
	c->leaves = left.leaves + right.leaves;
}

static void count_root(weft_par par, void *arg)
{
	struct count *c = arg;

	count_job(par, &c->job);
}

static weft_pool *busy_pool;
static weft_atomic_u32 stop_busy;

static int busy(void *arg)
{
	(void)arg;
	while (!weft_load_relaxed(&stop_busy)) {
		struct count c = { .depth = 10 };

		weft__pool_run_eager(busy_pool, count_root, &c);
		CHECK_EQ(c.leaves, 1024);
	}
	return 0;
}

TEST(resize_while_the_pool_is_at_work)
{
	weft_pool_opts opts = { .workers = 2, .workers_most = 8 };
	weft_pool_stats stats;
	weft_thread *thread;

	CHECK_EQ(weft_pool_new(&busy_pool, &opts), 0);
	weft__core_get(busy_pool)->rest_ns = WEFT_US;
	CHECK_EQ(weft_thread_spawn(&thread, busy, NULL, NULL), 0);
	for (int i = 0; i < 200; i++) {
		int workers = 1 + i % 8;

		CHECK_EQ(weft_pool_resize(busy_pool, workers), 0);
		weft_pool_stats_read(busy_pool, &stats);
		CHECK_EQ(stats.workers, workers);
		CHECK_EQ(weft_pool_workers(busy_pool), workers);
	}
	CHECK_EQ(weft_pool_resize(busy_pool, 9), -EINVAL);
	CHECK_EQ(weft_pool_resize(busy_pool, -1), -EINVAL);
	weft_store_relaxed(&stop_busy, 1);
	weft_thread_join(thread, NULL);
	weft_pool_free(busy_pool);
}

TEST(threads_leave_when_the_pool_is_made_smaller)
{
	weft_pool_opts opts = { .workers = 8 };
	weft_pool_stats stats;
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &opts), 0);
	weft__core_get(pool)->rest_ns = WEFT_MS;
	CHECK_EQ(weft_pool_resize(pool, 2), 0);
	do {
		weft_thread_yield();
		weft_pool_stats_read(pool, &stats);
	} while (stats.threads > 2);
	CHECK_EQ(weft_pool_workers(pool), 2);
	CHECK_EQ(weft_pool_resize(pool, 8), 0);
	weft_pool_stats_read(pool, &stats);
	CHECK_GE(stats.threads, 7);
	weft_pool_free(pool);
}
