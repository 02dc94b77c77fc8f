/* SPDX-License-Identifier: MIT */
/*
 * The blocking pool: lanes of threads that come and go with the work.
 *
 * A job lies in its caller's frame and in the lane's queue until a thread takes
 * it. Who queues a job makes sure that somebody comes for it: as long as fewer
 * threads are coming than jobs are queued, one more is called or, if none rests and
 * the bound allows it, started. A thread that was busy may be faster than the one
 * that comes; that one then finds nothing and rests.
 *
 * Threads rest on a stack: the one that came last is called first, so that those
 * which are not needed rest long enough to leave. A resting thread has a record in
 * its own frame with an event. Who takes the record off the stack sets the event,
 * outside of the lock; a thread whose rest ends by the clock, but whose record is
 * gone from the stack, therefore waits for its call before its frame goes.
 *
 * When no thread can be started, the jobs that wait are served by the threads there
 * are; if there are none, nobody will ever come, and all that wait are refused.
 *
 * A thread leaves by putting itself into `last` and joining whom it found there,
 * so that closing joins all of them by joining one.
 *
 * Everything is guarded by one mutex, which is held for a few instructions.
 */
#include "rt/blocking.h"

#include <errno.h>

#include "base/assert.h"
#include "rt/rt.h"
#include "sync/sync.h"
#include "sys/sys.h"
#include "thread/thread.h"
#include "wait/wait.h"
#include "weft/blocking.h"
#include "weft/event.h"

struct job {
	struct weft__list_node node;
	weft_thread_fn fn;
	void *arg;
	weft_token *ambient;
	int result;
	weft_event done;
};

struct rest {
	struct weft__list_node node;
	weft_event called;
};

void weft__lane_init(struct weft__lane *lane, uint32_t threads_most, const char *name)
{
	*lane = (struct weft__lane){
		.threads_most = threads_most ? threads_most : WEFT__LANE_THREADS,
		.queue_most = WEFT__LANE_QUEUE,
		.rest_ns = 5 * WEFT_SECOND,
		.name = name,
	};
}

/* ---- the threads ---------------------------------------------------------------- */

static struct job *job_take(struct weft__lane *lane)
{
	struct weft__list_node *node = weft__list_pop_front(&lane->queue);

	if (!node)
		return NULL;
	lane->queued--;
	lane->served++;
	return weft_container_of(node, struct job, node);
}

/* Setting the event is the last touch of the job. */
static void job_run(struct job *job)
{
	weft_ambient_set(job->ambient);
	job->result = job->fn(job->arg);
	weft_ambient_set(NULL);
	weft_event_set(&job->done);
}

/* Rests until called, true, or until it has rested long enough. The lock is held
 * before and after. */
static bool rest(struct weft__lane *lane)
{
	struct rest r = { .node = { NULL, NULL } };
	bool called;

	weft__list_push_front(&lane->idle, &r.node);
	weft_mutex_unlock(&lane->mutex);
	called = weft_event_wait_until(&r.called, weft_after(lane->rest_ns)) == 0;
	weft_mutex_lock(&lane->mutex);
	if (called)
		return true;
	if (weft__list_linked(&r.node)) {
		weft__list_remove(&r.node);
		return false;
	}
	weft_mutex_unlock(&lane->mutex);
	weft__event_await(&r.called);
	weft_mutex_lock(&lane->mutex);
	return true;
}

/* The lock is held, and given back. The lane is not touched after. */
static void leave(struct weft__lane *lane)
{
	uintptr_t before = lane->last;
	weft_event *gone = NULL;

	lane->last = weft__thread_self().handle;
	if (--lane->threads == 0)
		gone = lane->gone;
	weft_mutex_unlock(&lane->mutex);
	if (before)
		weft__thread_join((struct weft__thread){ before });
	if (gone)
		weft_event_set(gone);
}

static int serve(void *arg)
{
	struct weft__lane *lane = arg;
	struct job *job;

	weft_mutex_lock(&lane->mutex);
	do {
		lane->coming--;
		while ((job = job_take(lane))) {
			weft_mutex_unlock(&lane->mutex);
			job_run(job);
			weft_mutex_lock(&lane->mutex);
		}
	} while (!lane->closing && rest(lane));
	leave(lane);
	return 0;
}

/* ---- calling them ------------------------------------------------------------------ */

/* Nobody will come: refuse what waits. The lock is held, so that who gives up meanwhile
 * finds its job in the queue or done. */
static void refuse_all(struct weft__lane *lane)
{
	struct weft__list_node *node;

	lane->refused += lane->queued;
	lane->queued = 0;
	while ((node = weft__list_pop_front(&lane->queue))) {
		struct job *job = weft_container_of(node, struct job, node);

		job->result = -EAGAIN;
		weft_event_set(&job->done);
	}
}

static void start(struct weft__lane *lane)
{
	const struct weft__work work = { .fn = serve, .arg = lane };
	const weft_thread_opts opts = { .name = lane->name };

	if (weft__thread_spawn(NULL, &work, &opts) == 0)
		return;
	weft_mutex_lock(&lane->mutex);
	lane->started--;
	lane->coming--;
	if (--lane->threads == 0)
		refuse_all(lane);
	weft_mutex_unlock(&lane->mutex);
}

/* Queues the job and sees to it that somebody comes. */
static int submit(struct weft__lane *lane, struct job *job)
{
	struct weft__list_node *resting = NULL;
	bool more = false;

	weft_mutex_lock(&lane->mutex);
	if (lane->closing || lane->queued == lane->queue_most) {
		int err = lane->closing ? -EPIPE : -EAGAIN;

		lane->refused++;
		weft_mutex_unlock(&lane->mutex);
		return err;
	}
	weft__list_push_back(&lane->queue, &job->node);
	if (lane->coming < ++lane->queued) {
		resting = weft__list_pop_front(&lane->idle);
		more = !resting && lane->threads < lane->threads_most;
		lane->coming += resting || more;
		lane->threads += more;
		lane->started += more;
	}
	weft_mutex_unlock(&lane->mutex);
	if (resting)
		weft_event_set(&weft_container_of(resting, struct rest, node)->called);
	if (more)
		start(lane);
	return 0;
}

static int run(struct weft__lane *lane, struct job *job)
{
	bool queued;
	int err = submit(lane, job);

	if (err)
		return err;
	err = weft_event_wait(&job->done);
	if (err == 0)
		return job->result;
	weft_mutex_lock(&lane->mutex);
	queued = weft__list_linked(&job->node);
	if (queued) {
		weft__list_remove(&job->node);
		lane->queued--;
	}
	weft_mutex_unlock(&lane->mutex);
	if (queued)
		return err;
	weft__event_await(&job->done);
	return job->result;
}

int weft__lane_run(struct weft__lane *lane, weft_thread_fn fn, void *arg)
{
	struct job job = { .fn = fn, .arg = arg, .ambient = weft_ambient() };

	return weft_cancelled() ? -ECANCELED : run(lane, &job);
}

int weft__lane_run_alone(struct weft__lane *lane, weft_thread_fn fn, void *arg)
{
	struct job job = { .fn = fn, .arg = arg, .ambient = weft_ambient() };
	struct weft__parker *fiber;
	int result;

	if (weft_cancelled())
		return -ECANCELED;
	fiber = weft__parker_install(NULL);
	result = run(lane, &job);
	weft__parker_install(fiber);
	return result;
}

void weft__lane_close(struct weft__lane *lane)
{
	struct weft__list_node *resting;
	weft_event gone = WEFT_EVENT_INIT;
	bool wait;

	weft_mutex_lock(&lane->mutex);
	WEFT__ASSERT(!lane->closing, "a blocking pool was closed twice");
	lane->closing = true;
	lane->gone = &gone;
	wait = lane->threads > 0;
	while ((resting = weft__list_pop_front(&lane->idle))) {
		lane->coming++;
		weft_event_set(&weft_container_of(resting, struct rest, node)->called);
	}
	weft_mutex_unlock(&lane->mutex);
	if (wait)
		weft__event_await(&gone);
	if (lane->last)
		weft__thread_join((struct weft__thread){ lane->last });
}

/* ---- the lanes of a runtime --------------------------------------------------------- */

void weft__lanes_init(struct weft__lane lanes[WEFT__LANES], int threads_most)
{
	weft__lane_init(&lanes[WEFT__LANE_GENERAL], (uint32_t)threads_most, "weft-blocking");
	weft__lane_init(&lanes[WEFT__LANE_RESOLVE], WEFT__LANE_RESOLVERS, "weft-resolve");
}

void weft__lanes_close(struct weft__lane lanes[WEFT__LANES])
{
	for (int i = 0; i < WEFT__LANES; i++)
		weft__lane_close(&lanes[i]);
}

int weft__blocking_run(enum weft__lane_kind kind, weft_thread_fn fn, void *arg)
{
	struct weft__rt_worker *w = weft__rt_worker_self();

	if (!w || !w->current) {
		struct weft__onlooker *onlooker = weft__onlooker_begin();
		int result = fn(arg);

		weft__onlooker_end(onlooker);
		return result;
	}
	if (w->runtime->opts.deterministic)
		return weft__lane_run_alone(&w->runtime->lanes[kind], fn, arg);
	return weft__lane_run(&w->runtime->lanes[kind], fn, arg);
}

int weft_blocking(weft_thread_fn fn, void *arg)
{
	return weft__blocking_run(WEFT__LANE_GENERAL, fn, arg);
}
