/* SPDX-License-Identifier: MIT */
/*
 * The pool: fork, hand out, steal, join, sleep, and the end. Two workers, that is
 * one thread beside the caller, or three; each job counts its runs in a plain
 * variable, so that one that is run twice, or that is not joined, shows.
 */
#include "rig.h"

#include <weft.h>

#include "pool/pool.h"

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

/* ---- no offer stays while somebody sleeps --------------------------------------------- */

/* A job that waits until others have come to theirs: it ends only if they are run
 * meanwhile, and for that somebody has to be awake. */
struct meeting {
	weft_atomic_u32 come;
	uint32_t expected;
};

struct guest {
	weft_job job;
	struct meeting *meeting;
};

static void meet(struct meeting *m)
{
	weft_add_relaxed(&m->come, 1);
	while (weft_load_relaxed(&m->come) < m->expected)
		weft_pause();
}

static void guest_run(weft_par par, weft_job *job)
{
	(void)par;
	meet(weft_container_of(job, struct guest, job)->meeting);
}

static void meet_one(weft_par par, void *arg)
{
	struct meeting m = { .expected = 2 };
	struct guest a = { .meeting = &m };

	weft_fork(par, &a.job, guest_run);
	meet(&m);
	weft_join(par, &a.job, guest_run);
	*(int *)arg += 2;
}

static void meet_two(weft_par par, void *arg)
{
	struct meeting m = { .expected = 3 };
	struct guest a = { .meeting = &m }, b = { .meeting = &m };
	weft_par one = weft_fork(par, &a.job, guest_run);

	weft_fork(one, &b.job, guest_run);
	meet(&m);
	weft_join(one, &b.job, guest_run);
	weft_join(par, &a.job, guest_run);
	*(int *)arg += 2;
}

/* The job that was forked forks in its turn, and meets that one: the joiner of the
 * first has to come for the second. */
static void host_run(weft_par par, weft_job *job)
{
	struct meeting m = { .expected = 2 };
	struct guest b = { .meeting = &m };

	(void)job;
	weft_fork(par, &b.job, guest_run);
	meet(&m);
	weft_join(par, &b.job, guest_run);
}

static void meet_below(weft_par par, void *arg)
{
	weft_job job;

	weft_fork(par, &job, host_run);
	weft_join(par, &job, host_run);
	*(int *)arg += 2;
}

static void pool_meets_one(void *arg)
{
	pool_program(meet_one, (int)(intptr_t)arg);
}

static void pool_meets_two(void *arg)
{
	pool_program(meet_two, (int)(intptr_t)arg);
}

static void pool_meets_below(void *arg)
{
	pool_program(meet_below, (int)(intptr_t)arg);
}

/* As meet_two(), but the second is forked by the first: an offer of a thread. */
struct host {
	weft_job job;
	struct meeting *meeting;
};

static void forker_run(weft_par par, weft_job *job)
{
	struct meeting *m = weft_container_of(job, struct host, job)->meeting;
	struct guest b = { .meeting = m };

	weft_fork(par, &b.job, guest_run);
	meet(m);
	weft_join(par, &b.job, guest_run);
}

static void meet_beside(weft_par par, void *arg)
{
	struct meeting m = { .expected = 3 };
	struct host a = { .meeting = &m };

	weft_fork(par, &a.job, forker_run);
	meet(&m);
	weft_join(par, &a.job, forker_run);
	*(int *)arg += 2;
}

/* Twice, with time to fall asleep between: the census is right after the first. */
static void meet_twice(weft_par par, void *arg)
{
	int total = 0;

	meet_one(par, &total);
	meet_one(par, arg);
}

static void meet_two_twice(weft_par par, void *arg)
{
	int total = 0;

	meet_two(par, &total);
	meet_two(par, arg);
}

/* The first offers are taken back before anybody comes: who was hungry then has to
 * be served by later forks. */
static void meet_late(weft_par par, void *arg)
{
	struct leaf leaves[WEFT__OFFERS_MOST] = { { .runs = 0 } };
	weft_par pars[WEFT__OFFERS_MOST + 1] = { par };
	struct meeting m = { .expected = 2 };
	struct guest a = { .meeting = &m };

	for (int i = 0; i < WEFT__OFFERS_MOST; i++)
		pars[i + 1] = weft_fork(pars[i], &leaves[i].job, leaf_run);
	for (int i = WEFT__OFFERS_MOST; i-- > 0;)
		weft_join(pars[i], &leaves[i].job, leaf_run);
	pars[1] = weft_fork(par, &a.job, guest_run);
	weft_add_relaxed(&m.come, 1);
	while (weft_load_relaxed(&m.come) < m.expected) {
		weft_par_poll(pars[1]); /* asked perhaps after the fork */
		weft_pause();
	}
	weft_join(par, &a.job, guest_run);
	*(int *)arg += 2;
}

static void pool_meets_twice(void *arg)
{
	pool_program(meet_twice, (int)(intptr_t)arg);
}

static void pool_meets_two_twice(void *arg)
{
	pool_program(meet_two_twice, (int)(intptr_t)arg);
}

static void pool_meets_late(void *arg)
{
	pool_program(meet_late, (int)(intptr_t)arg);
}

static void pool_meets_beside(void *arg)
{
	pool_program(meet_beside, (int)(intptr_t)arg);
}

#define MEETS(ident, function, n, bound)                                                  \
	MODEL_OF(ident, function, .arg = (void *)n, .covers = POOL, .preemptions = bound, \
		 .preemptions_long = bound + 1, .rereads = 6)

MEETS(pool_of_two_meets_one, pool_meets_one, 2, 2);
MEETS(pool_of_two_meets_twice, pool_meets_twice, 2, 2);
MEETS(pool_of_two_meets_late, pool_meets_late, 2, 2);
MEETS(pool_of_two_meets_below, pool_meets_below, 2, 2);
MEETS(pool_of_three_meets_two, pool_meets_two, 3, 1);
MEETS(pool_of_three_meets_two_twice, pool_meets_two_twice, 3, 1);
MEETS(pool_of_three_meets_beside, pool_meets_beside, 3, 1);

/* While there are two callers, one thread is one too many and sleeps; the one that
 * leaves has to wake it for the other. */
static void look_in(weft_par par, void *arg)
{
	(void)par;
	*(int *)arg += 2;
}

static void short_caller(void *arg)
{
	struct caller *c = arg;

	weft_pool_run(c->pool, look_in, &c->total);
}

MODEL(pool_of_two_meets_when_a_caller_leaves, .covers = POOL, .preemptions = 2, .rereads = 6)
{
	struct caller *c = weft_check_alloc(sizeof(*c));
	int total = 0, other;

	WEFT_CHECK(weft_pool_new(&c->pool, &(weft_pool_opts){ .workers = 2 }) == 0);
	other = SPAWN(short_caller, c);
	weft_pool_run(c->pool, meet_one, &total);
	weft_check_join(other);
	WEFT_CHECK(total == 2 && c->total == 2);
	weft_pool_free(c->pool);
	weft_check_free(c);
}

/* ---- the global pool --------------------------------------------------------------------- */

static void call_global(void *arg)
{
	weft_pool_run(NULL, fork_two, arg);
}

MODEL(pool_global_is_built_by_two, .covers = POOL, .leaks_allowed = true)
{
	int *totals = weft_check_alloc(2 * sizeof(*totals));

	SPAWN(call_global, &totals[1]);
	call_global(&totals[0]);
	weft_check_join(1);
	WEFT_CHECK(totals[0] == 2 && totals[1] == 2);
	weft_check_free(totals);
}

/* Of two that build it at once both end up with the same. */
static void get_core(void *arg)
{
	struct weft__core **core = arg;

	*core = weft__core_get(weft__pool_here());
	WEFT_CHECK(*core && weft_load_relaxed(&(*core)->live) == 0);
}

MODEL(pool_global_is_one, .covers = POOL, .leaks_allowed = true)
{
	struct weft__core **cores = weft_check_alloc(2 * sizeof(*cores));

	SPAWN(get_core, &cores[1]);
	get_core(&cores[0]);
	weft_check_join(1);
	WEFT_CHECK(cores[0] == cores[1]);
	weft_check_free(cores);
}
