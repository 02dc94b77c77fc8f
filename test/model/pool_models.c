/* SPDX-License-Identifier: MIT */
/*
 * The pool: fork, hand out, steal, join, sleep, and the end. Two workers, that is
 * one thread beside the caller, or three; each job counts its runs in a plain
 * variable, so that one that is run twice, or that is not joined, shows.
 */
#include "rig.h"

#include <weft.h>

#define POOL "src/pool include/weft"

struct leaf {
	weft_job job;
	int runs;
};

static void leaf_run(weft_par par, weft_job *job)
{
	(void)par;
	weft_container_of(job, struct leaf, job)->runs++;
}

/* Two jobs, forked and joined in order. */
static void fork_two(weft_par par, void *arg)
{
	struct leaf a = { .runs = 0 }, b = { .runs = 0 };
	weft_par one = weft_fork(par, &a.job, leaf_run);
	weft_par two = weft_fork(one, &b.job, leaf_run);
	int *total = arg;

	(void)two;
	weft_join(one, &b.job, leaf_run);
	WEFT_CHECK(b.runs == 1);
	weft_join(par, &a.job, leaf_run);
	WEFT_CHECK(a.runs == 1);
	*total += 2;
}

/* A job that forks a job: a joiner may help its thief. */
struct branch {
	weft_job job;
	int runs, below;
};

static void branch_run(weft_par par, weft_job *job)
{
	struct branch *b = weft_container_of(job, struct branch, job);
	struct leaf leaf = { .runs = 0 };

	weft_fork(par, &leaf.job, leaf_run);
	b->runs++;
	weft_join(par, &leaf.job, leaf_run);
	b->below = leaf.runs;
}

static void fork_branch(weft_par par, void *arg)
{
	struct branch b = { .runs = 0 };
	int *total = arg;

	weft_fork(par, &b.job, branch_run);
	weft_join(par, &b.job, branch_run);
	WEFT_CHECK(b.runs == 1 && b.below == 1);
	*total += 2;
}

static void pool_program(weft_pool_fn fn, int workers)
{
	int *total = weft_check_alloc(sizeof(*total));
	weft_pool *pool;

	WEFT_CHECK(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }) == 0);
	weft_pool_run(pool, fn, total);
	WEFT_CHECK(*total == 2);
	weft_pool_free(pool);
	weft_check_free(total);
}

static void pool_two_jobs(void *arg)
{
	pool_program(fork_two, (int)(intptr_t)arg);
}

static void pool_nested_jobs(void *arg)
{
	pool_program(fork_branch, (int)(intptr_t)arg);
}

MODEL_OF(pool_of_one, pool_two_jobs, .arg = (void *)1, .covers = POOL);
MODEL_OF(pool_of_two_two_jobs, pool_two_jobs, .arg = (void *)2, .covers = POOL, .preemptions = 2,
	 .preemptions_long = 3);
MODEL_OF(pool_of_three_two_jobs, pool_two_jobs, .arg = (void *)3, .covers = POOL, .preemptions = 1,
	 .preemptions_long = 2);
MODEL_OF(pool_of_two_nested_jobs, pool_nested_jobs, .arg = (void *)2, .covers = POOL,
	 .preemptions = 2, .preemptions_long = 3);
MODEL_OF(pool_of_three_nested_jobs, pool_nested_jobs, .arg = (void *)3, .covers = POOL,
	 .preemptions = 1, .preemptions_long = 2);

/* Nothing to do: threads that go to sleep, and the end that must reach them. */
MODEL(pool_ends_while_threads_fall_asleep, .covers = POOL, .preemptions = 2, .preemptions_long = 3)
{
	weft_pool *pool;

	WEFT_CHECK(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 2 }) == 0);
	weft_pool_free(pool);
}

/* Two callers beside one thread. */
struct caller {
	weft_pool *pool;
	int total;
};

static void second_caller(void *arg)
{
	struct caller *c = arg;

	weft_pool_run(c->pool, fork_two, &c->total);
}

MODEL(pool_of_two_with_two_callers, .covers = POOL, .preemptions = 1, .preemptions_long = 2)
{
	struct caller *c = weft_check_alloc(sizeof(*c));
	int total = 0, other;

	WEFT_CHECK(weft_pool_new(&c->pool, &(weft_pool_opts){ .workers = 2 }) == 0);
	other = SPAWN(second_caller, c);
	weft_pool_run(c->pool, fork_two, &total);
	weft_check_join(other);
	WEFT_CHECK(total == 2 && c->total == 2);
	weft_pool_free(c->pool);
	weft_check_free(c);
}

MODEL(pool_without_memory, .covers = POOL, .failures = 1)
{
	weft_pool *pool;

	if (weft_pool_new(&pool, &(weft_pool_opts){ .workers = 1 }) != 0)
		WEFT_CHECK(pool == NULL);
	else
		weft_pool_free(pool);
}
