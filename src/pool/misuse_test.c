/* SPDX-License-Identifier: MIT */
/*
 * Goal: what breaks the rules of fork and join stops the program with a sentence;
 * and a job that is run elsewhere is governed by the same token as here.
 * Method: each mistake in a child process. The list has no mark of its end, so a
 * mistake shows at the next slow step: there is a worker that always asks.
 */
#include "check.h"

#include "pool/pool.h"
#include "weft/cancel.h"
#include "weft/event.h"
#include "weft/pool.h"

static weft_pool *pool_of(int workers)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
	return pool;
}

static weft_event begun;

static void begin_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	weft_event_set(&begun);
}

static weft_job heap_jobs[2];

static void fork_only(weft_par par, void *arg)
{
	(void)arg;
	weft_fork(par, &heap_jobs[0], begin_job);
	/* Until it was handed out, nobody can tell. */
	CHECK_EQ(weft_event_wait(&begun), 0);
}

static void leave_without_join(void *arg)
{
	(void)arg;
	weft__pool_run_eager(pool_of(2), fork_only, NULL);
}

TEST(run_that_is_left_without_a_join_dies)
{
	CHECK_DIES(leave_without_join, NULL, "a fork that was not joined");
}

static void job_forks_only(weft_par par, weft_job *job)
{
	(void)job;
	/* As if somebody asked: the only other worker waits for us. */
	weft_store_relaxed(&par.worker->want, 1);
	fork_only(par, NULL);
}

static void join_job_that_forks_only(weft_par par, void *arg)
{
	(void)arg;
	weft_fork(par, &heap_jobs[1], job_forks_only);
	CHECK_EQ(weft_event_wait(&begun), 0);
	weft_join(par, &heap_jobs[1], job_forks_only);
}

static void return_without_join(void *arg)
{
	(void)arg;
	weft__pool_run_eager(pool_of(3), join_job_that_forks_only, NULL);
}

TEST(job_that_returns_without_a_join_dies)
{
	CHECK_DIES(return_without_join, NULL, "a job returned with a fork that it did not join");
}

static void join_oldest_first(weft_par par, void *arg)
{
	weft_par inner = weft_fork(par, &heap_jobs[0], begin_job);

	(void)arg;
	weft_fork(inner, &heap_jobs[1], begin_job);
	while (heap_jobs[1].run)
		weft_pool_promote((weft_par){ par.worker, &heap_jobs[1] });
	weft_join(par, &heap_jobs[0], begin_job);
}

static void join_in_wrong_order(void *arg)
{
	(void)arg;
	weft__pool_run_eager(pool_of(2), join_oldest_first, NULL);
}

TEST(join_in_the_wrong_order_dies)
{
	CHECK_DIES(join_in_wrong_order, NULL, "joined in another order");
}

static void free_inside_run(weft_par par, void *arg)
{
	(void)par;
	weft_pool_free(arg);
}

static void free_inside(void *arg)
{
	weft_pool *pool = pool_of(2);

	(void)arg;
	weft_pool_run(pool, free_inside_run, pool);
}

static void free_global(void *arg)
{
	(void)arg;
	weft_pool_free(weft_pool_global());
}

TEST(pool_freed_by_mistake_dies)
{
	CHECK_DIES(free_inside, NULL, "freed while somebody was inside");
	CHECK_DIES(free_global, NULL, "the global pool lives as long as the process");
}

/* ---- the ambient token --------------------------------------------------------------- */

static weft_token token;
static weft_token *seen;
static int runner;

static void token_job(weft_par par, weft_job *job)
{
	(void)job;
	seen = weft_ambient();
	runner = weft_par_worker(par);
	weft_event_set(&begun);
}

static void token_root(weft_par par, void *arg)
{
	weft_job job;

	(void)arg;
	weft_event_reset(&begun);
	weft_fork(par, &job, token_job);
	CHECK_EQ(weft_event_wait(&begun), 0);
	weft_join(par, &job, token_job);
}

TEST(stolen_job_runs_under_the_token_of_the_caller)
{
	weft_pool *pool = pool_of(2);

	weft_token_init(&token, NULL);
	for (int round = 0; round < 10; round++) {
		weft_token *mine = round % 2 ? &token : NULL;
		weft_token *outer = weft_ambient_set(mine);

		weft__pool_run_eager(pool, token_root, NULL);
		weft_ambient_set(outer);
		CHECK_PTR_EQ(seen, mine);
		CHECK_EQ(runner, 0); /* the pool's thread, not the caller */
	}
	weft_pool_free(pool);
}
