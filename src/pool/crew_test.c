/* SPDX-License-Identifier: MIT */
/*
 * Goal: of several calls each is made once, or not at all after an error; a broadcast comes
 * to each thread once; whoever yields runs what waits, and nothing that it must not.
 * Method: calls that fail at chosen places, that wait for each other and to be cancelled;
 * threads that know themselves; pools whose only other worker is held up.
 */
#include "check.h"

#include <errno.h>

#include "pool/pool.h"
#include "sys/sys.h"
#include "weft/event.h"
#include "weft/fiber.h"
#include "weft/runtime.h"
#include "weft/scope.h"
#include "weft/task.h"
#include "weft/thread.h"

static weft_pool *pool_of(int workers)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
	return pool;
}

/* ---- several calls ------------------------------------------------------------------- */

enum { CALLS = 100 };

static weft_atomic_u32 ran;

static int returns(weft_par par, void *arg)
{
	(void)par;
	weft_add_relaxed(&ran, 1);
	return *(int *)arg;
}

static void calls_fill(weft_call *calls, int *results, int count)
{
	for (int i = 0; i < count; i++)
		calls[i] = (weft_call){ .fn = returns, .arg = &results[i], .result = 77 };
}

TEST(invoke_makes_each_call_once)
{
	for (int workers = 1; workers <= 3; workers++) {
		weft_pool *pool = pool_of(workers);
		int results[CALLS] = { 0 };
		weft_call calls[CALLS];

		for (int count = 0; count <= CALLS; count++) {
			weft_store_relaxed(&ran, 0);
			calls_fill(calls, results, count);
			CHECK_EQ(weft_invoke(pool, calls, count), 0);
			CHECK_EQ(weft_load_relaxed(&ran), (unsigned)count);
			for (int i = 0; i < count; i++)
				CHECK_EQ(calls[i].result, 0);
		}
		weft_pool_free(pool);
	}
}

TEST(invoke_returns_the_first_error_and_calls_no_more)
{
	weft_pool *pool = pool_of(1);
	int results[CALLS] = { 0 };
	weft_call calls[CALLS];

	results[30] = -EIO;
	results[60] = -ENOENT;
	calls_fill(calls, results, CALLS);
	CHECK_EQ(weft_invoke(pool, calls, CALLS), -EIO);
	CHECK_EQ(weft_load_relaxed(&ran), 31);
	CHECK_EQ(calls[29].result, 0);
	CHECK_EQ(calls[30].result, -EIO);
	CHECK_EQ(calls[60].result, -ECANCELED);
	CHECK_NULL(weft_ambient());
	CHECK_EQ(weft_invoke(pool, calls, -1), -EINVAL);
	weft_pool_free(pool);
}

static weft_event begun, never;

static int waits(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	weft_event_set(&begun);
	return weft_event_wait(&never);
}

static int fails_then(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	CHECK_EQ(weft_event_wait(&begun), 0);
	return -EIO;
}

/* The one that waits has begun on the other worker: what an eager caller forks first is
 * handed out at once. */
static void error_ends_wait_root(weft_par par, void *arg)
{
	weft_call calls[] = { { .fn = fails_then }, { .fn = waits } };

	(void)arg;
	CHECK_EQ(weft_invoke_in(par, calls, 2), -EIO);
	CHECK_EQ(calls[1].result, -ECANCELED);
}

TEST(error_of_one_call_ends_the_wait_of_another)
{
	weft_pool *pool = pool_of(2);

	for (int i = 0; i < 50; i++) {
		weft_event_reset(&begun);
		weft__pool_run_eager(pool, error_ends_wait_root, NULL);
	}
	weft_pool_free(pool);
}

static int invokes_inside(weft_par par, void *arg)
{
	int results[3] = { 0, *(int *)arg, 0 };
	weft_call calls[3];

	calls_fill(calls, results, 3);
	return weft_invoke_in(par, calls, 3);
}

TEST(invoke_in_a_call_has_an_error_of_its_own)
{
	weft_pool *pool = pool_of(2);
	int error = -EIO, none = 0;
	weft_call calls[] = { { invokes_inside, &none, 0 }, { invokes_inside, &error, 0 } };

	CHECK_EQ(weft_invoke(pool, calls, 1), 0);
	CHECK_EQ(weft_invoke(pool, calls, 2), -EIO);
	weft_pool_free(pool);
}

TEST(invoke_in_a_cancelled_scope_calls_nothing)
{
	weft_pool *pool = pool_of(2);
	int results[CALLS] = { 0 };
	weft_call calls[CALLS];
	weft_scope scope;

	calls_fill(calls, results, CALLS);
	weft_scope_open(&scope);
	weft_scope_cancel(&scope);
	CHECK_EQ(weft_invoke(pool, calls, CALLS), -ECANCELED);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	CHECK_EQ(weft_load_relaxed(&ran), 0);
	weft_pool_free(pool);
}

static int invokes_on_a_fiber(void *arg)
{
	int results[CALLS] = { [50] = -EIO };
	weft_call calls[CALLS];

	calls_fill(calls, results, CALLS);
	CHECK_EQ(weft_invoke(arg, calls, CALLS), -EIO);
	CHECK_NULL(weft__worker_self());
	return 0;
}

TEST(invoke_from_a_fiber)
{
	weft_pool *pool = pool_of(2);
	int result;

	for (int i = 0; i < 20; i++) {
		CHECK_EQ(weft_block_on(NULL, invokes_on_a_fiber, pool, &result), 0);
		CHECK_EQ(result, 0);
	}
	weft_pool_free(pool);
}

/* ---- stolen -------------------------------------------------------------------------- */

struct told {
	weft_job job;
	weft_event over;
	int64_t thread;
	bool stolen;
};

static void told_run(weft_par par, weft_job *job)
{
	struct told *t = weft_container_of(job, struct told, job);

	t->thread = weft_par_worker(par);
	t->stolen = weft_job_was_stolen(job);
	weft_event_set(&t->over);
}

static void told_root(weft_par par, void *arg)
{
	struct told t = { .stolen = *(bool *)arg };

	weft_fork(par, &t.job, told_run);
	if (*(bool *)arg)
		CHECK_EQ(weft_event_wait(&t.over), 0);
	weft_join(par, &t.job, told_run);
	CHECK_EQ(t.stolen, t.thread != weft_par_worker(par));
	if (*(bool *)arg)
		CHECK(t.stolen);
}

TEST(job_knows_whether_it_was_stolen)
{
	weft_pool *pool = pool_of(2), *serial = pool_of(1);
	bool wait = true;

	for (int i = 0; i < 500; i++, wait = !wait)
		weft__pool_run_eager(pool, told_root, &wait);
	wait = false;
	weft_pool_run(serial, told_root, &wait);
	weft_pool_free(pool);
	weft_pool_free(serial);
}

/* ---- yield --------------------------------------------------------------------------- */

static int sets(weft_par par, void *arg)
{
	(void)par;
	weft_event_set(arg);
	return 0;
}

static weft_atomic_u32 held;
static weft_event let_go;

/* Holds up a thread, without a word to the pool. */
static int holds_up(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	weft_add_relaxed(&held, 1);
	while (!weft_event_is_set(&let_go))
		weft_thread_yield();
	return 0;
}

static void yields_for_task(weft_par par, void *arg)
{
	weft_event over = WEFT_EVENT_INIT;
	weft_pool *pool = arg;

	/* One thread is held up, and the one that is hired for the second task. */
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_EQ(weft_pool_spawn(pool, holds_up, NULL), 0);
		while (weft_load_relaxed(&held) == i)
			weft_thread_yield();
	}
	CHECK(!weft_pool_yield(par));
	CHECK_EQ(weft_pool_spawn(pool, sets, &over), 0);
	while (!weft_event_is_set(&over))
		(void)weft_pool_yield(par);
	weft_event_set(&let_go);
}

static void yields_for_own(weft_par par, void *arg)
{
	struct told jobs[20] = { { .stolen = true } };
	weft_par pars[21] = { par };

	(void)arg;
	for (int i = 0; i < 20; i++)
		pars[i + 1] = weft_fork(pars[i], &jobs[i].job, told_run);
	for (int i = 0; i < 20; i++)
		while (!weft_event_is_set(&jobs[i].over))
			(void)weft_pool_yield(pars[20]);
	for (int i = 20; i-- > 0;)
		weft_join(pars[i], &jobs[i].job, told_run);
}

TEST(yield_runs_what_the_job_has_forked)
{
	for (int workers = 2; workers <= 3; workers++) {
		weft_pool *pool = pool_of(workers);

		for (int i = 0; i < 100; i++)
			weft__pool_run_eager(pool, yields_for_own, NULL);
		weft_pool_free(pool);
	}
}

static void yields_once(weft_par par, void *arg)
{
	CHECK(!weft_pool_yield(par));
	*(bool *)arg = true;
}

TEST(yield_with_nothing_to_do_is_false)
{
	weft_pool *pool = pool_of(2), *serial = pool_of(1);
	bool done = false;

	weft_pool_run(pool, yields_once, &done);
	CHECK(done);
	weft_pool_run(serial, yields_once, &done);
	weft_pool_free(pool);
	weft_pool_free(serial);
}

/* The task that is run in the yield forks, and nobody gets that: the joiner above might
 * hold a lock that it wants. */
static void yields_in_job(weft_par par, weft_job *job)
{
	weft_event *over = *(weft_event **)(job + 1);

	while (!weft_event_is_set(over))
		(void)weft_pool_yield(par);
}

static int forks_alone(weft_par par, void *arg)
{
	struct told t = { .stolen = true };

	weft_fork(par, &t.job, told_run);
	weft_join(par, &t.job, told_run);
	CHECK_EQ(t.stolen, t.thread != weft_par_worker(par));
	weft_event_set(arg);
	return 0;
}

static void joins_who_yields(weft_par par, void *arg)
{
	weft_event over = WEFT_EVENT_INIT;
	struct {
		weft_job job;
		weft_event *over;
	} other = { .over = &over };

	weft_fork(par, &other.job, yields_in_job);
	CHECK_EQ(weft_pool_spawn(arg, forks_alone, &over), 0);
	weft_join(par, &other.job, yields_in_job);
}

TEST(yield_runs_what_waits_for_a_thread)
{
	weft_pool *pool = pool_of(2);

	weft__pool_run_eager(pool, yields_for_task, pool);
	for (int i = 0; i < 200; i++)
		weft__pool_run_eager(pool, joins_who_yields, pool);
	weft_pool_free(pool);
}

/* ---- broadcast ----------------------------------------------------------------------- */

static weft_atomic_u32 seen;
static __thread int times;

static void note(void *arg, int index)
{
	CHECK_EQ(weft_or_relaxed(&seen, 1u << index) >> index & 1, 0);
	CHECK_EQ(times++, *(int *)arg);
}

TEST(broadcast_comes_to_each_thread_once)
{
	weft_pool *pool = pool_of(5);

	for (int round = 0; round < 100; round++) {
		weft_store_relaxed(&seen, 0);
		CHECK_EQ(weft_pool_broadcast(pool, note, &round), 4);
		CHECK_EQ(weft_load_relaxed(&seen), 0xf);
	}
	CHECK_EQ(weft_pool_broadcast(pool, NULL, NULL), -EINVAL);
	weft_pool_free(pool);
}

static void counts(void *arg, int index)
{
	(void)index;
	weft_add_relaxed((weft_atomic_u32 *)arg, 1);
}

static void resizes(void *arg, int index)
{
	CHECK_EQ(weft_pool_resize(arg, 2 + index % 2), 0);
}

TEST(broadcast_may_resize_the_pool)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 3, .workers_most = 3 }), 0);
	CHECK_GE(weft_pool_broadcast(pool, resizes, pool), 2);
	weft_pool_free(pool);
}

static int broadcasts_itself(weft_par par, void *arg)
{
	(void)par;
	CHECK_EQ(weft_pool_broadcast(arg, counts, &ran), -EDEADLK);
	return 0;
}

static int broadcasts(void *arg)
{
	weft_atomic_u32 mine = { 0 };

	for (int i = 0; i < 100; i++)
		CHECK_EQ(weft_pool_broadcast(arg, counts, &mine), 2);
	CHECK_EQ(weft_load_relaxed(&mine), 200);
	return 0;
}

TEST(broadcasts_at_once_come_one_after_the_other)
{
	weft_pool *pool = pool_of(3);
	weft_scope scope;
	int result;

	weft_scope_open(&scope);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_scope_spawn_thread(&scope, broadcasts, pool, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(weft_block_on(NULL, broadcasts, pool, &result), 0);
	CHECK_EQ(result, 0);
	CHECK_EQ(weft_pool_spawn(pool, broadcasts_itself, pool), 0);
	weft_pool_free(pool);
}
