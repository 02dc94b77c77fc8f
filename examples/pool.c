/* SPDX-License-Identifier: MIT */
/* A pool of one's own: tasks that wait for each other, calls of which one fails, a word to
 * every thread, a change of size, and the end. */
#include <weft.h>

#include <errno.h>
#include <stdio.h>

static weft_atomic_u32 failures, threads;
static weft_event tasted;

static void on_start(void *context, int index)
{
	(void)context;
	(void)index;
	weft_add_relaxed(&threads, 1);
}

static void on_failure(void *context, void *arg, int error)
{
	(void)context;
	(void)arg;
	if (error == -EIO)
		weft_add_relaxed(&failures, 1);
}

/* Waits for a task behind it in the queue: while it does, another thread works. */
static int eat(weft_par par, void *arg)
{
	int err = weft_event_wait(&tasted);

	(void)par;
	weft_add_relaxed((weft_atomic_u32 *)arg, 1);
	return err;
}

static int taste(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	weft_event_set(&tasted);
	return 0;
}

static int spill(weft_par par, void *arg)
{
	(void)par;
	(void)arg;
	return -EIO;
}

static void greet(void *arg, int index)
{
	(void)index;
	weft_add_relaxed((weft_atomic_u32 *)arg, 1);
}

/* Eight guests and one who tastes, in a pool of two. */
static int dinner(weft_pool *pool, weft_atomic_u32 *eaten)
{
	weft_scope scope;
	int err = 0;

	weft_scope_open(&scope);
	for (int i = 0; i < 8 && err == 0; i++)
		err = weft_scope_spawn_task(&scope, pool, eat, eaten);
	if (err == 0)
		err = weft_scope_spawn_task(&scope, pool, taste, NULL);
	if (err)
		weft_scope_cancel(&scope);
	return weft_scope_close(&scope);
}

static int run(weft_pool *pool)
{
	weft_call calls[] = { { .fn = taste }, { .fn = spill }, { .fn = taste } };
	weft_atomic_u32 eaten = { 0 }, greeted = { 0 };
	weft_pool_stats stats;
	int told, err = dinner(pool, &eaten);

	if (err)
		return err;
	told = weft_pool_broadcast(pool, greet, &greeted);
	if (weft_load_relaxed(&eaten) != 8 || told != (int)weft_load_relaxed(&greeted) ||
	    weft_invoke(pool, calls, 3) != -EIO)
		return -EINVAL;
	err = weft_pool_resize(pool, 3);
	if (err == 0)
		err = weft_pool_spawn(pool, spill, NULL);
	if (err == 0)
		err = weft_pool_wait_idle(pool, weft_after_s(20));
	if (err)
		return err;
	weft_pool_stats_read(pool, &stats);
	printf("%d workers, %u threads begun, %d greeted; %llu tasks, %llu failed\n",
	       stats.workers, weft_load_relaxed(&threads), told,
	       (unsigned long long)stats.finished, (unsigned long long)stats.failed);
	return stats.finished == 10 && stats.failed == 1 ? 0 : -EINVAL;
}

int main(void)
{
	weft_pool_opts opts = { .workers = 2,
				.workers_most = 4,
				.name = "dinner",
				.on_start = on_start,
				.on_failure = on_failure };
	weft_pool *pool;
	int err = weft_pool_new(&pool, &opts);

	if (err)
		return 1;
	err = run(pool);
	if (weft_pool_shutdown(pool, weft_after_s(5)) != 0)
		err = -ETIMEDOUT;
	weft_pool_free(pool);
	return err || weft_load_relaxed(&failures) != 1;
}
