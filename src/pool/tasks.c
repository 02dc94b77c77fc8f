/* SPDX-License-Identifier: MIT */
/*
 * Tasks: work that comes into a pool by its queue, and not by a caller who takes part.
 *
 * There is one queue, first in, first out. A thread that has nothing to do looks at it
 * and at the others' offers, by turns first, so that neither starves: what has been
 * begun, and what waits to begin. Nobody else takes from it: not a joiner, which runs
 * only what was forked below its job.
 *
 * A task is wherever it is until its function is called with a worker, or with an error
 * when nobody will run it; what becomes of it then is the function's business: a task of
 * a scope ends in the scope, one of a fiber wakes the fiber, one that belongs to nobody
 * is given back, and an error of it is told to the pool's handler.
 *
 * task.1  the count is raised by a seq_cst step, with the gate held, then the census is
 *         read; a thread that goes to sleep reads the count last: idle.1.
 * The rest is guarded by the gate. `idle` is set and reset under it, so that it always
 * tells whether there is something outstanding.
 */
#include "pool/pool.h"

#include <errno.h>

#include "base/assert.h"
#include "sync/sync.h"
#include "thread/thread.h"
#include "weft/task.h"

void weft__tasks_init(struct weft__core *core)
{
	weft_event_set(&core->idle);
	weft_token_init(&core->token, NULL);
}

/* ---- the queue ----------------------------------------------------------------------- */

/* With the gate held. */
static bool takes(const struct weft__core *core, const struct weft__task *task)
{
	struct weft__worker *self = weft__worker_self();

	if (core->phase == WEFT__POOL_OPEN || !task->counted)
		return true;
	/* While it drains, what there is may need more. */
	return core->phase == WEFT__POOL_DRAINING && self && self->core == core;
}

int weft__tasks_push(struct weft__core *core, struct weft__task *task)
{
	int err = 0;

	weft__gate_enter(&core->gate);
	if (!takes(core, task)) {
		err = -EPIPE;
	} else {
		weft__fifo_push(&core->tasks, &task->node);
		if (task->counted && core->outstanding++ == 0)
			weft_event_reset(&core->idle);
		weft_add_seq_cst(&core->queued, 1); /* task.1 */
	}
	weft__gate_leave(&core->gate);
	/* The task may have run by now. */
	if (!err && weft__census_searching(weft_load_seq_cst(&core->census)) <= 0) /* task.1 */
		weft__core_wake_for_task(core);
	return err;
}

struct weft__task *weft__tasks_take(struct weft__core *core)
{
	struct weft__fifo_node *node;

	if (weft_load_seq_cst(&core->queued) == 0) /* task.1 */
		return NULL;
	weft__gate_enter(&core->gate);
	node = weft__fifo_pop(&core->tasks);
	if (node)
		weft_sub_relaxed(&core->queued, 1);
	weft__gate_leave(&core->gate);
	return node ? weft_container_of(node, struct weft__task, node) : NULL;
}

static void end(struct weft__core *core)
{
	weft__gate_enter(&core->gate);
	if (--core->outstanding == 0)
		weft_event_set(&core->idle);
	weft__gate_leave(&core->gate);
}

void weft__tasks_run(struct weft__worker *w, struct weft__task *task)
{
	struct weft__core *core = w->core;
	const bool counted = task->counted;

	weft_add_relaxed(&core->active, 1);
	task->run(task, w, 0);
	if (weft__core_stale(core))
		weft__die("a task returned to its pool in the child of a fork() inside of it");
	WEFT__ASSERT(w->base == &w->root, "a task returned with a fork that it did not join");
	weft_sub_relaxed(&core->active, 1);
	if (counted)
		end(core);
}

void weft__tasks_refuse(struct weft__core *core, int error)
{
	struct weft__task *task;

	while ((task = weft__tasks_take(core))) {
		const bool counted = task->counted;

		task->run(task, NULL, error);
		if (counted)
			end(core);
	}
}

int weft__tasks_end(struct weft__core *core, int64_t deadline)
{
	weft_token *ambient = weft_ambient_set(NULL);
	int err;

	weft__gate_enter(&core->gate);
	if (core->phase == WEFT__POOL_OPEN)
		core->phase = WEFT__POOL_DRAINING;
	weft__gate_leave(&core->gate);
	err = weft_event_wait_until(&core->idle, deadline);
	if (err) {
		weft__gate_enter(&core->gate);
		core->phase = WEFT__POOL_CANCELLED;
		weft__gate_leave(&core->gate);
		weft_token_cancel(&core->token);
		weft__tasks_refuse(core, -ECANCELED);
		weft__event_await(&core->idle);
	}
	weft_ambient_set(ambient);
	return err;
}

/* ---- spawned: into a scope, or on their own ------------------------------------------ */

struct spawned {
	struct weft__task task;
	weft_task_fn fn;
	void *arg;
	struct weft__core *core;
	weft_scope *scope; /* NULL: nobody's */
};

static int call(struct weft__worker *w, const struct spawned *s, weft_token *token)
{
	weft_token *outer = weft_ambient_set(token);
	int result = -ECANCELED;

	w->ambient = token;
	/* What has not begun need not. */
	if (!weft_cancelled())
		result = s->fn((weft_par){ &w->face, &w->root }, s->arg);
	w->ambient = NULL;
	weft_ambient_set(outer);
	return result;
}

static void spawned_run(struct weft__task *task, struct weft__worker *w, int error)
{
	struct spawned s = *weft_container_of(task, struct spawned, task);
	const weft_pool_opts *opts = &s.core->pool->opts;

	weft__release(weft_container_of(task, struct spawned, task));
	if (w)
		error = call(w, &s, s.scope ? &s.scope->token : &s.core->token);
	weft_add_relaxed(&s.core->finished, 1);
	if (error)
		weft_add_relaxed(&s.core->failed, 1);
	if (s.scope)
		weft__scope_end(s.scope, error);
	else if (error && opts->on_failure)
		opts->on_failure(opts->context, s.arg, error);
}

static int spawn(weft_pool *pool, weft_scope *scope, weft_task_fn fn, void *arg)
{
	struct weft__core *core;
	struct spawned *s;
	int err;

	if (!fn)
		return -EINVAL;
	core = weft__core_get(weft__pool_or_global(pool));
	s = core ? weft__alloc(sizeof(*s)) : NULL;
	if (!s)
		return -ENOMEM;
	*s = (struct spawned){ .task = { .run = spawned_run, .counted = true },
			       .fn = fn,
			       .arg = arg,
			       .core = core,
			       .scope = scope };
	if (scope)
		weft__scope_begin(scope);
	err = weft__tasks_push(core, &s->task);
	if (!err)
		return 0;
	if (scope)
		weft__scope_end(scope, 0);
	weft__release(s);
	return err;
}

int weft_pool_spawn(weft_pool *pool, weft_task_fn fn, void *arg)
{
	return spawn(pool, NULL, fn, arg);
}

int weft_scope_spawn_task(weft_scope *scope, weft_pool *pool, weft_task_fn fn, void *arg)
{
	return spawn(pool, scope, fn, arg);
}

/* ---- waiting for them ---------------------------------------------------------------- */

int weft_pool_wait_idle(weft_pool *pool, int64_t deadline)
{
	struct weft__core *core = weft__core_get(weft__pool_or_global(pool));
	struct weft__worker *self = weft__worker_self();

	if (!core)
		return 0;
	if (self && self->core == core)
		return -EDEADLK;
	return weft_event_wait_until(&core->idle, deadline);
}

int weft_pool_shutdown(weft_pool *pool, int64_t deadline)
{
	struct weft__core *core = weft_load_acquire(
		&weft__pool_or_global(pool)->core); /* core.1 */
	struct weft__worker *self = weft__worker_self();

	if (!core)
		return 0;
	if (weft__core_stale(core))
		return -ECHILD;
	if (self && self->core == core)
		return -EDEADLK;
	return weft__tasks_end(core, deadline);
}
