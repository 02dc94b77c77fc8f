/* SPDX-License-Identifier: MIT */
/*
 * Goal: a runtime starts, works at any size, costs nothing at rest, ends in two phases
 * whatever its fibers are doing, and says so after a fork().
 */
#include "weft/mutex.h"
#include "weft/cond.h"
#include "weft/runtime.h"

#include "rt_test.h"
#include "weft/channel.h"
#include "weft/event.h"
#include "weft/semaphore.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOUR weft_after_s(3600)

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int echo(void *arg)
{
	return *(int *)arg;
}

static int wait_event(void *arg)
{
	return weft_event_wait(arg);
}

/* ---- starting ---------------------------------------------------------------------- */

TEST(runtime_starts_and_stops)
{
	for (int i = 0; i < 50; i++)
		rt_stop(rt_start(1 + i % 8));
}

TEST(runtime_with_wrong_options_is_refused)
{
	weft_runtime *runtime;

	CHECK_EQ(weft_runtime_start(&runtime, &(weft_runtime_opts){ .workers = -1 }), -EINVAL);
	CHECK_NULL(runtime);
	CHECK_EQ(weft_runtime_start(&runtime, &(weft_runtime_opts){ .workers = 257 }), -EINVAL);
	CHECK_EQ(weft_runtime_start(&runtime, &(weft_runtime_opts){ .reactor = 7 }), -EINVAL);
	CHECK_EQ(weft_runtime_start(&runtime, &(weft_runtime_opts){ .stack_size = 1 << 20 }),
		 -EINVAL);
	CHECK_EQ(weft_runtime_start(&runtime,
				    &(weft_runtime_opts){ .workers = 2, .deterministic = true }),
		 -EINVAL);
}

TEST(runtimes_with_many_workers_share_the_work)
{
	weft_runtime *runtime = rt_start(70);
	weft_fiber *fibers[300];

	for (int i = 0; i < 300; i++)
		fibers[i] = rt_spawn_on(runtime, nothing, NULL);
	for (int i = 0; i < 300; i++)
		CHECK_EQ(rt_join(fibers[i]), 0);
	rt_stop(runtime);
}

TEST(block_on_from_a_thread_and_from_a_fiber)
{
	int number = 9, result = 0;

	CHECK_EQ(weft_block_on(NULL, echo, &number, &result), 0);
	CHECK_EQ(result, 9);
	CHECK_EQ(weft_block_on(NULL, NULL, NULL, NULL), -EINVAL);
}

/* Two runtimes play ping-pong over channels. */
struct table {
	weft_chan *to, *back;
};

static int serve(void *arg)
{
	struct table *t = arg;
	int ball;

	while (weft_chan_recv(t->to, &ball) == 0) {
		ball++;
		CHECK_EQ(weft_chan_send(t->back, &ball), 0);
	}
	return 0;
}

TEST(runtimes_coexist)
{
	weft_runtime *a = rt_start(1), *b = rt_start(2);
	weft_fiber *server;
	struct table t;
	int ball = 0;

	CHECK_EQ(weft_chan_new(&t.to, sizeof(int), 0, NULL), 0);
	CHECK_EQ(weft_chan_new(&t.back, sizeof(int), 1, NULL), 0);
	server = rt_spawn_on(a, serve, &t);
	weft_fiber_detach(rt_spawn_on(b, serve, &t));
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(weft_chan_send(t.to, &ball), 0);
		CHECK_EQ(weft_chan_recv(t.back, &ball), 0);
	}
	CHECK_EQ(ball, 1000);
	weft_chan_close(t.to);
	CHECK_EQ(rt_join(server), 0);
	rt_stop(a);
	rt_stop(b);
	weft_chan_release(t.to);
	weft_chan_release(t.back);
}

static int spawn_elsewhere(void *arg)
{
	weft_runtime *other = arg;
	int number = 4, result = 0;

	CHECK(weft_runtime_current() != other);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(weft_block_on(other, echo, &number, &result), 0);
		CHECK_EQ(result, 4);
	}
	return 0;
}

TEST(fiber_spawns_into_another_runtime)
{
	weft_runtime *a = rt_start(1), *b = rt_start(1);
	int result;

	CHECK_EQ(weft_block_on(a, spawn_elsewhere, b, &result), 0);
	CHECK_EQ(result, 0);
	rt_stop(b);
	rt_stop(a);
}

/* ---- many -------------------------------------------------------------------------- */

#if defined(__SANITIZE_THREAD__)
enum { MILLION = 20000 }; /* it takes its time to make a context */
#else
enum { MILLION = 1000000 };
#endif

static int spawn_storm(void *arg)
{
	const int count = *(int *)arg;
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < count; i++)
		CHECK_EQ(weft_scope_spawn(&scope, nothing, NULL, NULL), 0);
	return weft_scope_close(&scope);
}

TEST(million_fibers_are_spawned_by_a_fiber)
{
	int count = MILLION;
	weft_runtime *runtime = rt_start(2);
	weft_runtime_stats stats;
	int result;

	CHECK_EQ(weft_block_on(runtime, spawn_storm, &count, &result), 0);
	CHECK_EQ(result, 0);
	weft_runtime_stats_read(runtime, &stats);
	CHECK_EQ(stats.spawned, MILLION + 1);
	CHECK_EQ(stats.started, MILLION + 1);
	rt_stop(runtime);
}

TEST(hundred_thousand_fibers_are_spawned_by_each_of_two_threads)
{
	weft_thread *threads[2];
	int count = MILLION / 10, result;

	for (int i = 0; i < 2; i++)
		CHECK_EQ(weft_thread_spawn(&threads[i], spawn_storm, &count, NULL), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(weft_thread_join(threads[i], &result), 0);
		CHECK_EQ(result, 0);
	}
}

#if defined(__SANITIZE_THREAD__)
enum { PARKED = 2000 }; /* ThreadSanitizer has room for some 8,000 contexts */
#elif defined(__SANITIZE_ADDRESS__)
enum { PARKED = 10000 };
#else
enum { PARKED = 100000 };
#endif

TEST(hundred_thousand_fibers_are_parked)
{
	const weft_fiber_opts opts = { .stack_size = 16 * 1024 };
	weft_runtime *runtime = rt_start(2);
	weft_event event = WEFT_EVENT_INIT;
	weft_runtime_stats stats;
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < PARKED; i++) {
		weft_fiber_opts mine = opts;

		mine.runtime = runtime;
		CHECK_EQ(weft_scope_spawn(&scope, wait_event, &event, &mine), 0);
	}
	do {
		weft_yield();
		weft_runtime_stats_read(runtime, &stats);
	} while (stats.parks < PARKED);
	CHECK_EQ(stats.stacks, PARKED);
	weft_event_set(&event);
	CHECK_EQ(weft_scope_close(&scope), 0);
	rt_stop(runtime);
}

/* ---- at rest ----------------------------------------------------------------------- */

static int64_t cpu_time(void)
{
	struct rusage usage;

	CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * WEFT_SECOND +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * WEFT_US;
}

TEST(runtime_at_rest_uses_no_processor)
{
	weft_runtime *runtime = rt_start(4);
	weft_event event = WEFT_EVENT_INIT;
	weft_runtime_stats stats;
	weft_scope scope;
	int64_t least = WEFT_SECOND;

	weft_scope_open(&scope);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(weft_scope_spawn(&scope, wait_event, &event,
					  &(weft_fiber_opts){ .runtime = runtime }),
			 0);
	do {
		weft_yield();
		weft_runtime_stats_read(runtime, &stats);
	} while (stats.parks < 1000 || stats.workers_asleep < 4);
	/* A sanitizer's own thread wakes now and then: the best of several windows. */
	for (int i = 0; i < 10 && least > 0; i++) {
		int64_t before = cpu_time();

		CHECK_EQ(weft_sleep_until(weft_after_ms(30)), 0);
		if (cpu_time() - before < least)
			least = cpu_time() - before;
	}
	CHECK_LT(least, WEFT_MS);
	weft_event_set(&event);
	CHECK_EQ(weft_scope_close(&scope), 0);
	rt_stop(runtime);
}

/* ---- stopping ---------------------------------------------------------------------- */

static int sleep_an_hour(void *arg)
{
	(void)arg;
	return weft_sleep_until(HOUR);
}

static int sleep_in_a_scope(void *arg)
{
	weft_scope scope;

	int err;

	(void)arg;
	weft_scope_open(&scope);
	/* Refused if it gets to run only when the runtime was cancelled. */
	err = weft_scope_spawn(&scope, sleep_an_hour, NULL, NULL);
	CHECK(err == 0 || err == -ECANCELED);
	return weft_scope_close(&scope) ? -ECANCELED : err;
}

TEST(stop_cancels_what_is_parked)
{
	for (int workers = 1; workers <= 4; workers++) {
		weft_runtime *runtime = rt_start(workers);
		weft_fiber *fibers[90];

		for (int i = 0; i < 90; i++) {
			const weft_fiber_opts opts = { .runtime = runtime, .migrate = i % 2 };
			weft_fiber_fn fn = i % 3 ? sleep_an_hour : sleep_in_a_scope;

			CHECK_EQ(weft_fiber_spawn(&fibers[i], fn, NULL, &opts), 0);
		}
		if (workers % 2)
			CHECK_EQ(weft_sleep_until(weft_after_ms(1)), 0);
		CHECK_EQ(weft_runtime_stop(runtime, weft_after_ms(1)), -ETIMEDOUT);
		for (int i = 0; i < 90; i++)
			CHECK_EQ(rt_join(fibers[i]), -ECANCELED);
	}
}

static int sleep_and_spawn(void *arg)
{
	int *count = arg;

	CHECK_EQ(weft_sleep_until(weft_after_us(200)), 0);
	if (++*count < 10)
		weft_fiber_detach(rt_spawn(sleep_and_spawn, count));
	return 0;
}

TEST(stop_lets_fibers_come_to_their_end)
{
	weft_runtime *runtime = rt_start(2);
	int count = 0;

	weft_fiber_detach(rt_spawn_on(runtime, sleep_and_spawn, &count));
	CHECK_EQ(weft_runtime_stop(runtime, HOUR), 0);
	CHECK_EQ(count, 10);
}

/* Has its worker see to the cancellation before it waits for the first time. */
static int wait_for_a_condition_late(void *arg)
{
	weft_mutex mutex = WEFT_MUTEX_INIT;
	weft_cond cond = WEFT_COND_INIT;
	int err;

	weft_event_set(arg);
	while (!weft_cancelled())
		continue;
	for (int i = 0; i < 10000; i++)
		weft_yield();
	weft_mutex_lock(&mutex);
	err = weft_cond_wait(&cond, &mutex);
	weft_mutex_unlock(&mutex);
	return err;
}

TEST(stop_cancels_waits_that_begin_after_it)
{
	weft_runtime *runtime = rt_start(2);
	weft_event began = WEFT_EVENT_INIT;
	weft_fiber *fiber = rt_spawn_on(runtime, wait_for_a_condition_late, &began);

	CHECK_EQ(weft_event_wait(&began), 0);
	CHECK_EQ(weft_runtime_stop(runtime, 0), -ETIMEDOUT);
	CHECK_EQ(rt_join(fiber), -ECANCELED);
}

static int spawn_after_cancel(void *arg)
{
	weft_fiber *fiber;

	(void)arg;
	CHECK_EQ(weft_sleep_until(HOUR), -ECANCELED);
	return weft_fiber_spawn(&fiber, nothing, NULL, NULL);
}

TEST(stop_refuses_new_fibers_once_it_has_cancelled)
{
	weft_runtime *runtime = rt_start(2);
	weft_fiber *fiber = rt_spawn_on(runtime, spawn_after_cancel, NULL);

	CHECK_EQ(weft_runtime_stop(runtime, 0), -ETIMEDOUT);
	CHECK_EQ(rt_join(fiber), -ECANCELED);
}

static int stop_own(void *arg)
{
	CHECK_EQ(weft_runtime_stop(arg, WEFT_NEVER), -EDEADLK);
	return 0;
}

TEST(stop_from_inside_is_refused)
{
	weft_runtime *runtime = rt_start(1);
	int result;

	CHECK_EQ(weft_block_on(runtime, stop_own, runtime, &result), 0);
	rt_stop(runtime);
}

/* A thread spawns while another stops: each spawn works or is refused, and what worked
 * has run. */
struct race {
	weft_runtime *runtime;
	weft_atomic_u32 ran;
	uint32_t spawned;
	weft_atomic_bool begun;
};

static int mark(void *arg)
{
	struct race *r = arg;

	weft_add_relaxed(&r->ran, 1);
	return 0;
}

static int spawn_until_refused(void *arg)
{
	struct race *r = arg;
	const weft_fiber_opts opts = { .runtime = r->runtime };
	weft_fiber *fiber;

	while (weft_fiber_spawn(&fiber, mark, r, &opts) == 0) {
		weft_fiber_detach(fiber);
		r->spawned++;
		weft_store_release(&r->begun, true);
		while (r->spawned - weft_load_relaxed(&r->ran) > 20)
			weft_thread_yield();
	}
	return 0;
}

static int stop_it(void *runtime)
{
	return weft_runtime_stop(runtime, WEFT_NEVER);
}

TEST(stop_races_with_spawning)
{
	for (int i = 0; i < 200; i++) {
		struct race r = { .runtime = rt_start(1 + i % 3) };
		weft_event refused = WEFT_EVENT_INIT;
		weft_thread *thread, *stopper;

		/* The runtime must not go while the thread may still ask it: so the end is
		 * delayed by a fiber that waits until it has been refused. */
		weft_fiber_detach(rt_spawn_on(r.runtime, wait_event, &refused));
		CHECK_EQ(weft_thread_spawn(&thread, spawn_until_refused, &r, NULL), 0);
		while (!weft_load_acquire(&r.begun))
			weft_thread_yield();
		CHECK_EQ(weft_thread_spawn(&stopper, stop_it, r.runtime, NULL), 0);
		CHECK_EQ(weft_thread_join(thread, NULL), 0);
		weft_event_set(&refused);
		CHECK_EQ(weft_thread_join(stopper, NULL), 0);
		CHECK_EQ(weft_load_relaxed(&r.ran), r.spawned);
	}
}

/* ---- fork() ------------------------------------------------------------------------ */

static void expect_child(int (*fn)(void *), void *arg)
{
	int status;
	pid_t child = check_fork();

	if (child == 0) {
		alarm(20);
		_exit(fn(arg) == 0 ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

struct left_behind {
	weft_runtime *runtime;
	weft_fiber *fiber, *ended;
};

static int in_the_child(void *arg)
{
	struct left_behind *l = arg;
	const weft_fiber_opts opts = { .runtime = l->runtime };
	int number = 6, result = 0;
	weft_fiber *fiber;

	CHECK_EQ(weft_fiber_spawn(&fiber, echo, &number, &opts), -ECHILD);
	CHECK_EQ(weft_block_on(l->runtime, echo, &number, &result), -ECHILD);
	CHECK_EQ(weft_fiber_join(l->fiber, NULL), -ECHILD);
	CHECK_EQ(weft_fiber_join_until(l->fiber, NULL, WEFT_NEVER), -ECHILD);
	CHECK_EQ(weft_fiber_join(l->ended, &result), 0);
	CHECK_EQ(weft_runtime_dump(l->runtime, 2), -ECHILD);
	CHECK_EQ(weft_runtime_stop(l->runtime, WEFT_NEVER), -ECHILD);
#if !defined(__SANITIZE_THREAD__) /* it does not allow threads there */
	CHECK_EQ(weft_block_on(NULL, echo, &number, &result), 0);
	CHECK_EQ(result, 6);
#endif
	return 0;
}

TEST(fork_leaves_the_runtime_behind)
{
	weft_event event = WEFT_EVENT_INIT;
	struct left_behind l = { .runtime = rt_start(2) };
	int number = 1;

	CHECK_EQ(rt_join(rt_spawn(echo, &number)), 1); /* the default runtime is there */
	l.fiber = rt_spawn_on(l.runtime, wait_event, &event);
	l.ended = rt_spawn_on(l.runtime, nothing, NULL);
	while (!weft_fiber_is_finished(l.ended))
		weft_thread_yield();
	expect_child(in_the_child, &l);
	weft_event_set(&event);
	CHECK_EQ(rt_join(l.fiber), 0);
	CHECK_EQ(rt_join(l.ended), 0);
	rt_stop(l.runtime);
}

static int child_of_a_fiber(void *arg)
{
	weft_event event = WEFT_EVENT_INIT;

	(void)arg;
	CHECK_NULL(weft_fiber_current());
	CHECK_EQ(weft_event_wait_until(&event, weft_after_ms(1)), -ETIMEDOUT);
	weft_yield();
	return 0;
}

static int fork_in_a_fiber(void *arg)
{
	expect_child(child_of_a_fiber, arg);
	weft_yield();
	CHECK(weft_fiber_current() != NULL);
	return 0;
}

TEST(fork_in_a_fiber_makes_a_plain_thread_of_it)
{
	rt_run(fork_in_a_fiber, NULL);
}

/* ---- counters ---------------------------------------------------------------------- */

TEST(stats_count)
{
	weft_runtime *runtime = rt_start(2);
	weft_runtime_stats stats, one;
	int number = 0;

	for (int i = 0; i < 10; i++)
		CHECK_EQ(rt_join(rt_spawn_on(runtime, echo, &number)), 0);
	weft_runtime_stats_read(runtime, &stats);
	CHECK_EQ(stats.workers, 2);
	CHECK_EQ(stats.spawned, 10);
	CHECK_EQ(stats.started, 10);
	CHECK_EQ(weft_runtime_stats_worker(runtime, 1, &one), 0);
	CHECK_EQ(one.workers, 1);
	CHECK(one.started <= 10);
	CHECK_EQ(weft_runtime_stats_worker(runtime, 2, &one), -EINVAL);
	CHECK_EQ(weft_runtime_stats_worker(runtime, -1, &one), -EINVAL);
	rt_stop(runtime);
}
