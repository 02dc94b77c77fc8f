/* SPDX-License-Identifier: MIT */
/*
 * Goal: what has been reported of other pools does not happen here. Each test is named for
 * the trouble; docs/parallelism.md says where it was reported.
 * Method: the programs of those reports, cut down to what matters.
 */
#include "check.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/pool.h"
#include "sys/sys.h"
#include "weft/blocking.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/par.h"
#include "weft/scope.h"
#include "weft/task.h"

static weft_pool *pool_of(int workers)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
	return pool;
}

/* ---- a lock held while unrelated work is stolen -------------------------------------- */

/* Each node takes the one lock, forks and joins below it, and gives it back. A joiner that
 * ran whatever there is would meet another node, and wait for the lock that it holds. */
static weft_mutex lock;
static uint64_t locked_sum;

struct node {
	weft_job job;
	int depth;
};

static void leaf_run(weft_par par, weft_job *job)
{
	struct node *n = weft_container_of(job, struct node, job);

	(void)par;
	for (int i = 0; i < 100 * n->depth; i++)
		weft__cpu_pause();
}

static void locks_and_joins(weft_par par)
{
	struct node leaves[3] = { { .depth = 1 }, { .depth = 2 }, { .depth = 3 } };
	weft_par pars[4] = { par };

	weft_mutex_lock(&lock);
	for (int i = 0; i < 3; i++)
		pars[i + 1] = weft_fork(pars[i], &leaves[i].job, leaf_run);
	for (int i = 3; i-- > 0;)
		weft_join(pars[i], &leaves[i].job, leaf_run);
	locked_sum++;
	weft_mutex_unlock(&lock);
}

static void node_run(weft_par par, weft_job *job)
{
	struct node *n = weft_container_of(job, struct node, job);
	struct node left = { .depth = n->depth - 1 }, right = left;
	weft_par inner;

	if (n->depth > 0) {
		inner = weft_fork(par, &right.job, node_run);
		node_run(inner, &left.job);
		weft_join(par, &right.job, node_run);
	}
	locks_and_joins(par);
}

static void tree_root(weft_par par, void *arg)
{
	struct node n = { .depth = *(int *)arg };

	node_run(par, &n.job);
}

TEST(lock_held_across_a_join_does_not_deadlock)
{
	int depth = 8;

	for (int workers = 1; workers <= 4; workers++) {
		weft_pool *pool = pool_of(workers);

		locked_sum = 0;
		for (int i = 0; i < 5; i++)
			weft__pool_run_eager(pool, tree_root, &depth);
		CHECK_EQ(locked_sum, 5 * 511);
		weft_pool_free(pool);
	}
}

/* ---- stacks -------------------------------------------------------------------------- */

/* How many jobs are on top of each other on this thread, and the most that ever were. */
static __thread int on_stack;
static weft_atomic_u32 most_on_stack;

static void deep_run(weft_par par, weft_job *job)
{
	struct node *n = weft_container_of(job, struct node, job);
	struct node left = { .depth = n->depth - 1 }, right = left;
	uint32_t most = weft_load_relaxed(&most_on_stack);
	weft_par inner;

	on_stack++;
	while (most < (uint32_t)on_stack &&
	       !weft_cas_weak_relaxed(&most_on_stack, &most, (uint32_t)on_stack))
		continue;
	if (n->depth > 0) {
		inner = weft_fork(par, &right.job, deep_run);
		deep_run(inner, &left.job);
		weft_join(par, &right.job, deep_run);
	}
	on_stack--;
}

static void deep_root(weft_par par, void *arg)
{
	struct node n = { .depth = *(int *)arg };

	deep_run(par, &n.job);
}

TEST(stealing_makes_no_stack_deeper_than_the_tree)
{
	weft_pool *pool = pool_of(4);
	int depth = 14;

	for (int i = 0; i < 20; i++)
		weft__pool_run_eager(pool, deep_root, &depth);
	CHECK_LE(weft_load_relaxed(&most_on_stack), 15);
	weft_pool_free(pool);
}

/* ---- CPU of those who have nothing to do --------------------------------------------- */

static int64_t cpu_time_us(void)
{
	struct rusage usage;

	CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
	       usage.ru_stime.tv_usec;
}

/* One caller is busy without forking, the seven others find nothing. */
static void sleeps_root(weft_par par, void *arg)
{
	static weft_event never;
	struct node leaf = { .depth = 1 };

	(void)arg;
	weft_fork(par, &leaf.job, leaf_run);
	weft_join(par, &leaf.job, leaf_run);
	CHECK_NE(weft_event_wait_until(&never, weft_after_ms(200)), 0);
}

TEST(idle_workers_burn_no_cpu_beside_a_long_job)
{
	weft_pool *pool = pool_of(8);
	int64_t before;

	weft__pool_run_eager(pool, sleeps_root, NULL);
	before = cpu_time_us();
	weft__pool_run_eager(pool, sleeps_root, NULL);
	CHECK_LT(cpu_time_us() - before, 20000);
	weft_pool_free(pool);
}

/* ---- numbers of workers -------------------------------------------------------------- */

struct all_at_once {
	weft_atomic_u32 come;
	uint32_t expected;
	weft_event here;
};

static void come(void *context, size_t lo, size_t hi)
{
	struct all_at_once *a = context;

	CHECK_EQ(hi - lo, 1);
	if (weft_add_relaxed(&a->come, 1) + 1 == a->expected)
		weft_event_set(&a->here);
	while (!weft_event_is_set(&a->here))
		weft__thread_yield();
}

/* As many indices as workers, each of which must have one at the same time. */
TEST(workers_that_are_no_power_of_two_all_get_a_share)
{
	for (int workers = 2; workers <= 7; workers++) {
		weft_pool *pool = pool_of(workers);
		weft_par_opts opts = { .pool = pool, .grain = 1 };

		for (int round = 0; round < 20; round++) {
			struct all_at_once a = { .expected = (uint32_t)workers };

			weft_par_for(0, (size_t)workers, come, &a, &opts);
		}
		weft_pool_free(pool);
	}
}

/* ---- blocking calls ------------------------------------------------------------------ */

static int pipes[2];

static int reads(void *arg)
{
	char c;

	(void)arg;
	return read(pipes[0], &c, 1) == 1 ? 0 : -1;
}

static int reads_in_task(weft_par par, void *arg)
{
	(void)par;
	return weft_blocking(reads, arg);
}

static int writes_in_task(weft_par par, void *arg)
{
	const char *bytes = arg;

	(void)par;
	return write(pipes[1], bytes, 8) == 8 ? 0 : -1;
}

/* More readers than workers, and the writer behind them in the queue. */
TEST(blocking_calls_in_the_pool_do_not_stop_it)
{
	static char bytes[] = "12345678";
	weft_pool *pool = pool_of(2);
	weft_scope scope;

	CHECK_EQ(pipe(pipes), 0);
	weft_scope_open(&scope);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(weft_scope_spawn_task(&scope, pool, reads_in_task, NULL), 0);
	CHECK_EQ(weft_scope_spawn_task(&scope, pool, writes_in_task, bytes), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	close(pipes[0]);
	close(pipes[1]);
	weft_pool_free(pool);
}

/* ---- cancellation -------------------------------------------------------------------- */

static weft_atomic_u32 begun;

static int fails_first(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	weft_add_relaxed(&begun, 1);
	return -1;
}

TEST(work_can_be_cancelled)
{
	enum { MANY = 10000 };
	static weft_call calls[MANY];
	weft_pool *pool = pool_of(2);

	for (int i = 0; i < MANY; i++)
		calls[i] = (weft_call){ .fn = fails_first };
	CHECK_EQ(weft_invoke(pool, calls, MANY), -1);
	CHECK_LT(weft_load_relaxed(&begun), MANY / 2);
	weft_pool_free(pool);
}

/* ---- the end ------------------------------------------------------------------------- */

static int spawns_more(weft_par par, void *arg)
{
	weft_pool *pool = arg;

	(void)par;
	for (int i = 0; i < 3 && weft_load_relaxed(&begun) < 200; i++)
		CHECK_EQ(weft_pool_spawn(pool, i ? spawns_more : fails_first, pool), 0);
	return 0;
}

TEST(pool_is_freed_while_its_threads_come_and_go)
{
	for (int i = 0; i < 100; i++) {
		weft_pool *pool = pool_of(1 + i % 3);

		weft__core_get(pool)->rest_ns = i % 2 ? 0 : WEFT_US;
		weft_store_relaxed(&begun, 0);
		if (i % 5)
			CHECK_EQ(weft_pool_spawn(pool, spawns_more, pool), 0);
		weft_pool_free(pool);
	}
}

#if defined(__SANITIZE_THREAD__)
#define WITH_THREADS_AFTER_FORK 0
#else
#define WITH_THREADS_AFTER_FORK 1
#endif

static int returns_0(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	return 0;
}

/* The parent's queue is the parent's; the child's tasks run on its own threads. */
TEST(child_of_a_fork_does_not_hang)
{
	weft_pool *pool;
	int status;
	pid_t child;

	if (!WITH_THREADS_AFTER_FORK)
		SKIP("ThreadSanitizer starts no threads in the child of a process with threads");
	pool = pool_of(2);
	CHECK_EQ(weft_pool_spawn(pool, returns_0, NULL), 0);
	CHECK_EQ(weft_pool_wait_idle(pool, WEFT_NEVER), 0);
	child = fork();
	CHECK_GE(child, 0);
	if (child == 0) {
		int depth = 5;

		CHECK_EQ(weft_pool_spawn(pool, returns_0, NULL), 0);
		weft__pool_run_eager(pool, tree_root, &depth);
		CHECK_EQ(weft_pool_wait_idle(pool, WEFT_NEVER), 0);
		weft_pool_free(pool);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	weft_pool_free(pool);
}
