/* SPDX-License-Identifier: MIT */
/*
 * With two CPUs the library looks for a while before it sleeps. A look may succeed, be
 * in vain, or be overtaken: here the small programs of the other files spin. Under the
 * checker a look is one or two pauses long.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

static const int64_t SOON = 5 * WEFT_SECOND;

/* ---- mutex ------------------------------------------------------------------------ */

struct guarded {
	weft_mutex mutex;
	int count, left;
};

static void add_locked(void *arg)
{
	struct guarded *g = arg;

	weft_mutex_lock(&g->mutex);
	g->count++;
	weft_mutex_unlock(&g->mutex);
}

static void spinning_mutex(void *arg)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));
	const int threads = (int)(intptr_t)arg;

	for (int i = 1; i < threads; i++)
		SPAWN(add_locked, g);
	add_locked(g);
	for (int i = 1; i < threads; i++)
		weft_check_join(i);
	WEFT_CHECK(g->count == threads && !weft_mutex_is_locked(&g->mutex));
	weft_check_free(g);
}

MODEL_OF(spinning_mutex_of_two, spinning_mutex, .arg = (void *)2, .cpus = 2,
	 .covers = "src/sync src/wait");
MODEL_OF(spinning_mutex_of_three, spinning_mutex, .arg = (void *)3, .cpus = 2, .preemptions = 1,
	 .preemptions_long = 2, .covers = "src/sync src/wait");

/* A look that is cut short by the deadline, and an owner that lets go just then. */
static void add_locked_until(void *arg)
{
	struct guarded *g = arg;
	int err = weft_mutex_lock_until(&g->mutex, SOON);

	WEFT_CHECK(err == 0 || err == -ETIMEDOUT);
	if (err)
		return;
	g->count++;
	weft_mutex_unlock(&g->mutex);
}

MODEL(spinning_mutex_timed, .cpus = 2, .preemptions = 2, .covers = "src/sync src/wait")
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	SPAWN(add_locked_until, g);
	add_locked(g);
	weft_check_join(1);
	WEFT_CHECK(g->count >= 1 && g->mutex.queue.word.v == 0);
	weft_check_free(g);
}

/* ---- an event, which the waiter frees ---------------------------------------------- */

struct posted {
	weft_event event;
	int data;
};

static void post(void *arg)
{
	struct posted *p = arg;

	p->data = 7;
	weft_event_set(&p->event);
}

MODEL(spinning_event_is_freed_by_its_waiter, .cpus = 2, .covers = "src/sync src/wait")
{
	struct posted *p = weft_check_alloc(sizeof(*p));

	SPAWN(post, p);
	WEFT_CHECK(weft_event_wait(&p->event) == 0 && p->data == 7);
	weft_check_free(p);
}

/* ---- channels ---------------------------------------------------------------------- */

static void send_one(void *arg)
{
	int *value = weft_check_alloc(sizeof(*value));

	*value = 5;
	WEFT_CHECK(weft_chan_send(arg, &value) == 0);
}

static void spinning_channel(void *arg)
{
	const size_t capacity = (size_t)arg;
	weft_chan *chan;
	int *got;

	WEFT_CHECK(weft_chan_new(&chan, sizeof(got), capacity == 99 ? WEFT_UNBOUNDED : capacity,
				 NULL) == 0);
	SPAWN(send_one, chan);
	WEFT_CHECK(weft_chan_recv(chan, &got) == 0 && *got == 5);
	weft_check_free(got);
	weft_check_join(1);
	weft_chan_release(chan);
}

MODEL_OF(spinning_rendezvous, spinning_channel, .arg = (void *)0, .cpus = 2,
	 .covers = "src/chan src/wait");
MODEL_OF(spinning_ring, spinning_channel, .arg = (void *)1, .cpus = 2,
	 .covers = "src/chan src/wait");
MODEL_OF(spinning_unbounded, spinning_channel, .arg = (void *)99, .cpus = 2,
	 .covers = "src/chan src/wait");

/* ---- the pool ---------------------------------------------------------------------- */

struct leaf {
	weft_job job;
	int runs;
};

static void leaf_run(weft_par par, weft_job *job)
{
	(void)par;
	weft_container_of(job, struct leaf, job)->runs++;
}

static void fork_one(weft_par par, void *arg)
{
	struct leaf leaf = { .runs = 0 };

	weft_fork(par, &leaf.job, leaf_run);
	weft_join(par, &leaf.job, leaf_run);
	*(int *)arg += leaf.runs;
}

/* Its thread looks around for work before it sleeps, and a joiner for its thief's end. */
MODEL(spinning_pool_of_two, .cpus = 2, .preemptions = 2, .preemptions_long = 3,
      .covers = "src/pool")
{
	int *total = weft_check_alloc(sizeof(*total));
	weft_pool *pool;

	WEFT_CHECK(weft_pool_new(&pool, &(weft_pool_opts){ .workers = 2 }) == 0);
	weft_pool_run(pool, fork_one, total);
	WEFT_CHECK(*total == 1);
	weft_pool_free(pool);
	weft_check_free(total);
}
