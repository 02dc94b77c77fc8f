/* SPDX-License-Identifier: MIT */
/*
 * The pool's threads that come and go, and the tasks that they come for: hired when there
 * is something to do and nobody to do it, in place of those whose jobs sleep, and gone
 * when they have rested. Whatever the order, no task stays while nobody comes for it, and
 * the end waits for all.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

#include "pool/pool.h"
#include "sync/sync.h"

#define POOL "src/pool include/weft"

struct world {
	weft_pool *pool;
	weft_atomic_u32 come, refused;
	uint32_t expected;
	weft_event event;
	int runs[3]; /* plain: what comes after must be ordered */
};

static struct world *world_new(weft_pool_opts opts)
{
	struct world *w = weft_check_alloc(sizeof(*w));

	opts.context = w;
	WEFT_CHECK(weft_pool_new(&w->pool, &opts) == 0);
	return w;
}

static void world_free(struct world *w)
{
	weft_pool_free(w->pool);
	weft_check_free(w);
}

static int first(weft_par par, void *arg)
{
	struct world *w = arg;

	(void)par;
	w->runs[0]++;
	return 0;
}

static int second(weft_par par, void *arg)
{
	struct world *w = arg;

	(void)par;
	w->runs[1]++;
	return 0;
}

/* ---- tasks --------------------------------------------------------------------------- */

MODEL(pool_task_of_one, .covers = POOL, .preemptions = 2, .preemptions_long = 3)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 1, .spares = -1 });

	WEFT_CHECK(weft_pool_spawn(w->pool, first, w) == 0);
	WEFT_CHECK(weft_pool_wait_idle(w->pool, WEFT_NEVER) == 0);
	WEFT_CHECK(w->runs[0] == 1);
	world_free(w);
}

static void spawner(void *arg)
{
	struct world *w = arg;

	WEFT_CHECK(weft_pool_spawn(w->pool, second, w) == 0);
}

/* Both may want to hire, and only one thread may be. */
MODEL(pool_task_of_two_spawners, .covers = POOL, .preemptions = 1, .preemptions_long = 2)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 1, .spares = -1 });
	int other = SPAWN(spawner, w);

	WEFT_CHECK(weft_pool_spawn(w->pool, first, w) == 0);
	weft_check_join(other);
	WEFT_CHECK(weft_pool_wait_idle(w->pool, WEFT_NEVER) == 0);
	WEFT_CHECK(w->runs[0] == 1 && w->runs[1] == 1);
	world_free(w);
}

/* Each must have a thread of its own: the pool of two begins with one. */
static int meets(weft_par par, void *arg)
{
	struct world *w = arg;

	(void)par;
	weft_add_relaxed(&w->come, 1);
	while (weft_load_relaxed(&w->come) < w->expected)
		weft_pause();
	return 0;
}

MODEL(pool_tasks_meet, .covers = POOL, .preemptions = 1, .preemptions_long = 2, .rereads = 6)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 2, .spares = -1 });

	w->expected = 2;
	for (int i = 0; i < 2; i++)
		WEFT_CHECK(weft_pool_spawn(w->pool, meets, w) == 0);
	world_free(w);
}

/* Of a call that waits for its end: the frame goes as soon as that is told. */
struct call {
	struct weft__task task;
	struct world *world;
	weft_event over;
};

static void call_run(struct weft__task *task, struct weft__worker *worker, int error)
{
	struct call *c = weft_container_of(task, struct call, task);

	WEFT_CHECK(worker && error == 0);
	c->world->runs[0]++;
	weft_event_set(&c->over);
}

MODEL(pool_task_lives_in_its_callers_frame, .covers = POOL, .preemptions = 2,
      .preemptions_long = 3)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 1, .spares = -1 });

	for (int i = 0; i < 2; i++) {
		struct call *c = weft_check_alloc(sizeof(*c));

		c->task.run = call_run;
		c->world = w;
		WEFT_CHECK(weft__tasks_push(weft_load_relaxed(&w->pool->core), &c->task) == 0);
		weft__event_await(&c->over);
		weft_check_free(c);
	}
	WEFT_CHECK(w->runs[0] == 2);
	world_free(w);
}

/* The end of all tasks is told to who waits for it once, twice, and cancelled. */
static int waits(weft_par par, void *arg)
{
	struct world *w = arg;

	(void)par;
	return weft_event_wait(&w->event);
}

MODEL(pool_tasks_are_shut_down, .covers = POOL, .preemptions = 1, .preemptions_long = 2)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 1, .spares = -1 });

	WEFT_CHECK(weft_pool_spawn(w->pool, waits, w) == 0);
	WEFT_CHECK(weft_pool_spawn(w->pool, first, w) == 0);
	WEFT_CHECK(weft_pool_shutdown(w->pool, 0) == -ETIMEDOUT);
	WEFT_CHECK(w->runs[0] == 0);
	WEFT_CHECK(weft_pool_spawn(w->pool, first, w) == -EPIPE);
	world_free(w);
}

/* ---- jobs that sleep ----------------------------------------------------------------- */

static int sets(weft_par par, void *arg)
{
	struct world *w = arg;

	(void)par;
	w->runs[2]++;
	weft_event_set(&w->event);
	return 0;
}

/* The pool of one has its only thread sleep in the first task, and the second wakes it:
 * a spare one has to come for that. */
MODEL(pool_spare_comes_for_a_task, .covers = POOL, .preemptions = 1, .preemptions_long = 2)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 1 });

	WEFT_CHECK(weft_pool_spawn(w->pool, waits, w) == 0);
	WEFT_CHECK(weft_pool_spawn(w->pool, sets, w) == 0);
	world_free(w);
}

/* The task is there before anybody sleeps in a job, or comes after. */
static void waits_in_job(weft_par par, weft_job *job)
{
	struct world *w = *(struct world **)(job + 1);

	(void)par;
	weft__event_await(&w->event);
}

static void waits_in_both(weft_par par, void *arg)
{
	struct {
		weft_job job;
		struct world *world;
	} other = { .world = arg };
	struct world *w = arg;

	weft_fork(par, &other.job, waits_in_job);
	WEFT_CHECK(weft_pool_spawn(w->pool, sets, w) == 0);
	weft__event_await(&w->event);
	weft_join(par, &other.job, waits_in_job);
}

MODEL(pool_spare_comes_while_a_caller_sleeps, .covers = POOL, .preemptions = 1,
      .preemptions_long = 2)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 2 });

	weft_pool_run(w->pool, waits_in_both, w);
	WEFT_CHECK(w->runs[2] == 1);
	world_free(w);
}

/* A caller sleeps, so that a pool of two has room for both: one job meets the other. */
struct pair_job {
	weft_job job;
	struct world *world;
};

static void pair_run(weft_par par, weft_job *job)
{
	struct world *w = weft_container_of(job, struct pair_job, job)->world;

	meets(par, w);
	weft_event_set(&w->event);
}

static void sleeps_beside_two(weft_par par, void *arg)
{
	struct pair_job a = { .world = arg }, b = { .world = arg };
	struct world *w = arg;
	weft_par one = weft_fork(par, &a.job, pair_run);

	weft_fork(one, &b.job, pair_run);
	weft__event_await(&w->event);
	weft_join(one, &b.job, pair_run);
	weft_join(par, &a.job, pair_run);
}

MODEL(pool_spare_comes_for_a_job, .covers = POOL, .preemptions = 1, .preemptions_long = 2,
      .rereads = 6)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 2 });

	w->expected = 2;
	weft_pool_run(w->pool, sleeps_beside_two, w);
	world_free(w);
}

/* ---- leaving, and sizes -------------------------------------------------------------- */

/* Two threads, of which one is too many once the first task is over: it rests, and leaves
 * as the next task comes, or before, or after. */
MODEL(pool_thread_leaves_as_a_task_comes, .covers = POOL, .preemptions = 1, .preemptions_long = 2)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 1 });

	WEFT_CHECK(weft_pool_spawn(w->pool, waits, w) == 0);
	WEFT_CHECK(weft_pool_spawn(w->pool, sets, w) == 0);
	WEFT_CHECK(weft_pool_wait_idle(w->pool, WEFT_NEVER) == 0);
	WEFT_CHECK(weft_pool_spawn(w->pool, first, w) == 0);
	WEFT_CHECK(weft_pool_wait_idle(w->pool, WEFT_NEVER) == 0);
	WEFT_CHECK(w->runs[0] == 1 && w->runs[2] == 1);
	world_free(w);
}

/* Two tasks that meet, in a pool of one: they do so once it is one of two. */
MODEL(pool_is_made_larger, .covers = POOL, .preemptions = 1, .preemptions_long = 2, .rereads = 6)
{
	struct world *w = world_new(
		(weft_pool_opts){ .workers = 1, .workers_most = 2, .spares = -1 });

	w->expected = 2;
	for (int i = 0; i < 2; i++)
		WEFT_CHECK(weft_pool_spawn(w->pool, meets, w) == 0);
	WEFT_CHECK(weft_pool_resize(w->pool, 2) == 0);
	world_free(w);
}

MODEL(pool_is_made_smaller, .covers = POOL, .preemptions = 1, .preemptions_long = 2)
{
	struct world *w = world_new((weft_pool_opts){ .workers = 3, .spares = -1 });

	WEFT_CHECK(weft_pool_resize(w->pool, 1) == 0);
	WEFT_CHECK(weft_pool_spawn(w->pool, first, w) == 0);
	WEFT_CHECK(weft_pool_wait_idle(w->pool, WEFT_NEVER) == 0);
	WEFT_CHECK(w->runs[0] == 1);
	world_free(w);
}

/* ---- no thread to be had ------------------------------------------------------------- */

static int no_thread(void *context, void (*body)(void *arg), void *arg)
{
	(void)context;
	(void)body;
	(void)arg;
	return -EAGAIN;
}

static void is_refused(void *context, void *arg, int error)
{
	struct world *w = context;

	WEFT_CHECK(arg == w && error == -EAGAIN);
	weft_add_relaxed(&w->refused, 1);
}

MODEL(pool_task_is_refused_without_a_thread, .covers = POOL, .preemptions = 2,
      .preemptions_long = 3)
{
	struct world *w = world_new(
		(weft_pool_opts){ .workers = 1, .spawn = no_thread, .on_failure = is_refused });
	int other = SPAWN(spawner, w);

	WEFT_CHECK(weft_pool_spawn(w->pool, first, w) == 0);
	weft_check_join(other);
	WEFT_CHECK(weft_pool_wait_idle(w->pool, WEFT_NEVER) == 0);
	WEFT_CHECK(weft_load_relaxed(&w->refused) == 2);
	WEFT_CHECK(w->runs[0] == 0 && w->runs[1] == 0);
	world_free(w);
}
