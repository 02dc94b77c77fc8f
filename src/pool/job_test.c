/* SPDX-License-Identifier: MIT */
/*
 * Goal: whatever the shape of the tree and the number of workers, every job runs
 * once, before its join returns, and the result is the serial one.
 * Method: trees with known counts; trees grown from a random seed whose leaves tick
 * themselves off; and the moments that matter, brought about one by one. A caller
 * that waits for what it has forked, against the rules, must not be taken for small:
 * such calls are eager.
 */
#include "check.h"

#include "base/rng.h"
#include "pool/pool.h"
#include "sys/sys.h"
#include "weft/cancel.h"
#include "weft/event.h"
#include "weft/pool.h"

static weft_pool *pool_of(int workers)
{
	weft_pool *pool;

	CHECK_EQ(weft_pool_new(&pool, &(weft_pool_opts){ .workers = workers }), 0);
	return pool;
}

/* ---- fib ---------------------------------------------------------------------------- */

struct fib {
	weft_job job;
	int n;
	uint64_t result;
};

static uint64_t fib(weft_par par, int n);

static void fib_job(weft_par par, weft_job *job)
{
	struct fib *f = weft_container_of(job, struct fib, job);

	f->result = fib(par, f->n);
}

static uint64_t fib(weft_par par, int n)
{
	struct fib other;
	weft_par inner;
	uint64_t mine;

	if (n < 2)
		return (uint64_t)n;
	other.n = n - 2;
	inner = weft_fork(par, &other.job, fib_job);
	mine = fib(inner, n - 1);
	weft_join(par, &other.job, fib_job);
	return mine + other.result;
}

static void fib_root(weft_par par, void *arg)
{
	struct fib *f = arg;

	f->result = fib(par, f->n);
}

static uint64_t fib_serial(int n)
{
	return n < 2 ? (uint64_t)n : fib_serial(n - 1) + fib_serial(n - 2);
}

static void fib_check(int workers)
{
	weft_pool *pool = pool_of(workers);

	CHECK_EQ(weft_pool_workers(pool), workers);
	for (int n = 0; n <= 24; n++) {
		struct fib f = { .n = n };

		weft_pool_run(pool, fib_root, &f);
		CHECK_EQ(f.result, fib_serial(n));
	}
	weft_pool_free(pool);
}

TEST(fib_is_serial_with_1_worker)
{
	fib_check(1);
}

TEST(fib_is_serial_with_2_workers)
{
	fib_check(2);
}

TEST(fib_is_serial_with_3_workers)
{
	fib_check(3);
}

TEST(fib_is_serial_with_8_workers)
{
	fib_check(8);
}

/* The exported forms do the same. */
static void functions_root(weft_par par, void *arg)
{
	struct fib a = { .n = 12 }, b = { .n = 13 };
	weft_par inner = weft_pool_fork(par, &a.job, fib_job);

	weft_pool_fork(inner, &b.job, fib_job);
	weft_pool_join(inner, &b.job, fib_job);
	weft_pool_join(par, &a.job, fib_job);
	*(uint64_t *)arg = a.result + b.result;
}

TEST(fork_and_join_exist_as_functions)
{
	weft_pool *pool = pool_of(2);
	uint64_t sum = 0;

	weft_pool_run(pool, functions_root, &sum);
	CHECK_EQ(sum, 144 + 233);
	weft_pool_free(pool);
}

/* ---- random trees: nothing lost, nothing twice --------------------------------------- */

enum { LEAVES_MOST = 1 << 16 };

static weft_atomic_u32 leaf_runs[LEAVES_MOST];
static weft_atomic_u32 leaves;

struct node {
	weft_job job;
	const struct node *parent;
	uint64_t seed;
	int depth;
	uint32_t done;
};

/* What the thread waits for, innermost. A thread that has no job waits for nothing. */
static __thread const struct node *joining;

static void node_join(weft_par par, struct node *n);

static void node_run(weft_par par, weft_job *job);

static void spin(uint64_t pauses)
{
	while (pauses--)
		weft__cpu_pause();
}

static void leaf(uint64_t seed)
{
	uint32_t mine = weft_add_relaxed(&leaves, 1);

	CHECK_LT(mine, LEAVES_MOST);
	weft_add_relaxed(&leaf_runs[mine], 1);
	if (seed % 16 == 0)
		spin(seed / 16 % 512);
	if (seed % 1024 == 5)
		weft__thread_yield();
}

/* Forks 0 to 7 children, does something itself, joins: a node by its seed. Returns
 * the count of leaves below. */
static uint32_t node(weft_par par, const struct node *self, uint64_t seed, int depth)
{
	unsigned children = (unsigned)(weft__rng_mix(seed) % (depth > 6 ? 8 : 4));
	weft_par before[8];
	struct node kids[8];
	uint32_t sum = 0;

	if (depth == 0 || (depth < 7 && children == 0)) {
		leaf(seed);
		return 1;
	}
	for (unsigned i = 0; i < children; i++) {
		kids[i].parent = self;
		kids[i].seed = weft__rng_mix(seed + i + 1);
		kids[i].depth = depth - 1;
		kids[i].done = 0;
		before[i] = par;
		par = weft_fork(par, &kids[i].job, node_run);
	}
	if (children == 0 || seed % 3)
		sum = node(par, self, weft__rng_mix(seed ^ 99), depth - 1);
	while (children-- > 0) {
		node_join(before[children], &kids[children]);
		CHECK_GT(kids[children].done, 0);
		sum += kids[children].done;
	}
	return sum;
}

static bool is_below(const struct node *n, const struct node *above)
{
	while (n && n != above)
		n = n->parent;
	return n != NULL;
}

static void node_run(weft_par par, weft_job *job)
{
	struct node *n = weft_container_of(job, struct node, job);

	CHECK_EQ(n->done, 0);
	CHECK(!joining || is_below(n, joining));
	n->done = node(par, n, n->seed, n->depth);
}

static void node_join(weft_par par, struct node *n)
{
	const struct node *outer = joining;

	joining = n;
	weft_join(par, &n->job, node_run);
	joining = outer;
}

static void node_root(weft_par par, void *arg)
{
	struct node *n = arg;

	n->done = node(par, n, n->seed, n->depth);
}

static uint32_t tree_leaves(weft_pool *pool, uint64_t seed, int depth)
{
	struct node root = { .seed = seed, .depth = depth };

	for (uint32_t i = 0, n = weft_load_relaxed(&leaves); i < n; i++)
		weft_store_relaxed(&leaf_runs[i], 0);
	weft_store_relaxed(&leaves, 0);
	weft_pool_run(pool, node_root, &root);
	CHECK_EQ(weft_load_relaxed(&leaves), root.done);
	for (uint32_t i = 0; i < root.done; i++)
		CHECK_EQ(weft_load_relaxed(&leaf_runs[i]), 1);
	return root.done;
}

static void trees_check(int workers)
{
	weft_pool *serial = pool_of(1), *pool = pool_of(workers);
	weft_pool_stats stats;
	uint64_t total = 0;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		uint32_t count = tree_leaves(serial, seed, 9);

		CHECK_EQ(tree_leaves(pool, seed, 9), count);
		total += count;
	}
	CHECK_GT(total, 10000);
	weft_pool_stats_read(pool, &stats);
	CHECK_GT(stats.stolen, 100);
	weft_pool_free(pool);
	weft_pool_free(serial);
}

TEST(random_trees_lose_and_double_nothing_with_2_workers)
{
	trees_check(2);
}

TEST(random_trees_lose_and_double_nothing_with_8_workers)
{
	trees_check(8);
}

/* A tree that is one long path with small branches: the worst for who divides by
 * halves, and as deep as the stack carries. */
static uint32_t path(weft_par par, uint64_t seed, int depth)
{
	struct node branch = { .parent = NULL, .seed = weft__rng_mix(seed), .depth = 2 };
	weft_par inner;
	uint32_t below;

	if (depth == 0)
		return 0;
	inner = weft_fork(par, &branch.job, node_run);
	below = path(inner, seed + 1, depth - 1);
	node_join(par, &branch);
	return below + branch.done;
}

static void path_root(weft_par par, void *arg)
{
	struct node *n = arg;

	n->done = path(par, n->seed, n->depth);
}

TEST(deep_path_with_branches_loses_nothing)
{
	weft_pool *pool = pool_of(3);
	struct node n = { .seed = 7, .depth = 10000 };

	weft_pool_run(pool, path_root, &n);
	CHECK_GE(n.done, 10000);
	CHECK_EQ(weft_load_relaxed(&leaves), n.done);
	weft_pool_free(pool);
}

/* ---- many jobs from one frame -------------------------------------------------------- */

enum { WIDE = 2000 };

struct wide {
	weft_job job;
	weft_par before;
	int runs;
};

static struct wide wide[WIDE];

static void wide_job(weft_par par, weft_job *job)
{
	(void)par;
	spin(20);
	weft_container_of(job, struct wide, job)->runs++;
}

static void wide_root(weft_par par, void *arg)
{
	int count = *(int *)arg;

	for (int i = 0; i < count; i++) {
		wide[i].before = par;
		par = weft_fork(par, &wide[i].job, wide_job);
	}
	for (int i = count - 1; i >= 0; i--)
		weft_join(wide[i].before, &wide[i].job, wide_job);
}

static void wide_check(int workers)
{
	weft_pool *pool = pool_of(workers);

	for (int round = 1; round <= 20; round++) {
		int count = round % 2 ? WIDE : round;

		for (int i = 0; i < WIDE; i++)
			wide[i].runs = 0;
		weft_pool_run(pool, wide_root, &count);
		for (int i = 0; i < WIDE; i++)
			CHECK_EQ(wide[i].runs, i < count);
	}
	weft_pool_free(pool);
}

TEST(wide_fork_runs_each_job_once)
{
	wide_check(2);
}

/* So many workers that what they want is more than there is room for offers. */
TEST(wide_fork_with_40_workers_fills_the_offers)
{
	wide_check(40);
}

/* ---- all who are idle get work ------------------------------------------------------- */

enum { PARTY = 6 };

static weft_atomic_u32 arrived;
static weft_event all_here;

static void arrive(void)
{
	if (weft_add_relaxed(&arrived, 1) + 1 == PARTY)
		weft_event_set(&all_here);
}

static void arrive_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	arrive();
	CHECK_EQ(weft_event_wait(&all_here), 0);
}

/* The caller forks, and then is busy until all have come. It polls meanwhile, since
 * who has just ended a job of the round before may not have been known as idle while
 * it forked: the last jobs are handed out when that one asks for them. */
static void party_root(weft_par par, void *arg)
{
	weft_job jobs[PARTY - 1];
	weft_par before[PARTY - 1];

	(void)arg;
	for (int i = 0; i < PARTY - 1; i++) {
		before[i] = par;
		par = weft_fork(par, &jobs[i], arrive_job);
	}
	arrive();
	while (!weft_event_is_set(&all_here))
		weft_par_poll(par);
	for (int i = PARTY - 2; i >= 0; i--)
		weft_join(before[i], &jobs[i], arrive_job);
}

TEST(sleeping_workers_all_come_when_there_are_jobs)
{
	weft_pool *pool = pool_of(PARTY);

	for (int round = 0; round < 300; round++) {
		weft_store_relaxed(&arrived, 0);
		weft_event_reset(&all_here);
		weft__pool_run_eager(pool, party_root, NULL);
		CHECK_EQ(weft_load_relaxed(&arrived), PARTY);
	}
	weft_pool_free(pool);
}

/* ---- joining what was stolen --------------------------------------------------------- */

static weft_event begun, may_end;
static weft_atomic_u32 helped;
static int thief_index;

static void small_job(weft_par par, weft_job *job)
{
	(void)job;
	if (weft_par_worker(par) != thief_index)
		weft_store_relaxed(&helped, 1);
}

/* Forks until the joiner, the only other worker there is, has taken one. */
static void needs_help_job(weft_par par, weft_job *job)
{
	(void)job;
	thief_index = weft_par_worker(par);
	weft_event_set(&begun);
	while (!weft_load_relaxed(&helped)) {
		weft_job small;

		weft_fork(par, &small, small_job);
		weft__thread_yield();
		weft_join(par, &small, small_job);
	}
}

static void helper_root(weft_par par, void *arg)
{
	weft_job job;

	(void)arg;
	weft_fork(par, &job, needs_help_job);
	CHECK_EQ(weft_event_wait(&begun), 0);
	weft_join(par, &job, needs_help_job);
}

TEST(joiner_helps_its_thief_also_out_of_its_sleep)
{
	weft_pool *pool = pool_of(2);

	for (int round = 0; round < 100; round++) {
		weft_event_reset(&begun);
		weft_store_relaxed(&helped, 0);
		weft__pool_run_eager(pool, helper_root, NULL);
		CHECK_EQ(weft_load_relaxed(&helped), 1);
	}
	weft_pool_free(pool);
}

/* A job that waits for what its sibling, which runs in any case, will do. */
static void blocking_job(weft_par par, weft_job *job)
{
	(void)par;
	(void)job;
	weft_event_set(&begun);
	CHECK_EQ(weft_event_wait(&may_end), 0);
}

static void blocking_root(weft_par par, void *arg)
{
	weft_job job;
	struct fib f = { .n = 15 };

	weft_fork(par, &job, blocking_job);
	if (*(int *)arg % 2)
		CHECK_EQ(weft_event_wait(&begun), 0);
	fib_root((weft_par){ par.worker, &job }, &f);
	CHECK_EQ(f.result, 610);
	weft_event_set(&may_end);
	weft_join(par, &job, blocking_job);
}

TEST(job_may_block_for_what_is_certain_to_come)
{
	weft_pool *pool = pool_of(2);

	for (int round = 0; round < 100; round++) {
		weft_event_reset(&begun);
		weft_event_reset(&may_end);
		weft__pool_run_eager(pool, blocking_root, &round);
	}
	weft_pool_free(pool);
}
