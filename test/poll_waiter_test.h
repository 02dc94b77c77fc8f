/* SPDX-License-Identifier: MIT */
/*
 * The second and third kind of parker, for tests: parties that wait for the same
 * objects as threads do, by the interface that futures will use.
 *
 * A puppet is polled by the test itself, step by step, so that a test with one
 * thread can bring about any order of events: a party that was notified and has
 * not run yet, one that leaves, one that comes back. A puppet is a future (its
 * wake promises nothing) or, made with `certain`, stands for a thread; or for a fiber.
 *
 * A task is a future with an executor: a loop on a thread that polls whoever was
 * woken, and sleeps when there is nobody.
 */
#ifndef WEFT_TEST_POLL_WAITER_TEST_H
#define WEFT_TEST_POLL_WAITER_TEST_H

#include "sys/sys.h"
#include "wait/wait.h"

#include "check.h"

#include <errno.h>

/* ---- puppets ----------------------------------------------------------------------------- */

struct puppet {
	struct weft__parker parker;
	struct weft__poll poll;
	weft_case one;
	int wakes;
};

static inline void puppet__wake(struct weft__parker *parker)
{
	weft_container_of(parker, struct puppet, parker)->wakes++;
}

static const struct weft__parker_kind puppet__future = {
	.name = "puppet future",
	.certain = false,
	.wake = puppet__wake,
};

static const struct weft__parker_kind puppet__thread = {
	.name = "puppet thread",
	.certain = true,
	.wake = puppet__wake,
};

static const struct weft__parker_kind puppet__fiber = {
	.name = "puppet fiber",
	.certain = true,
	.tracked = true,
	.wake = puppet__wake,
};

static inline void puppet_init(struct puppet *p, bool certain)
{
	*p = (struct puppet){ .wakes = 0 };
	weft__parker_init(&p->parker, certain ? &puppet__thread : &puppet__future);
}

static inline void puppet_init_fiber(struct puppet *p)
{
	*p = (struct puppet){ .wakes = 0 };
	weft__parker_init(&p->parker, &puppet__fiber);
}

/* Begins to wait for the cases, which the caller keeps. */
static inline int puppet_begin(struct puppet *p, weft_case *cases, int count, unsigned flags)
{
	weft__poll_init(&p->poll, &p->parker, cases, count, flags);
	return weft__poll_next(&p->poll);
}

/* Begins to wait for a single case. */
static inline int puppet_wait(struct puppet *p, weft_case c)
{
	p->one = c;
	return puppet_begin(p, &p->one, 1, 0);
}

static inline int puppet_next(struct puppet *p)
{
	return weft__poll_next(&p->poll);
}

static inline int puppet_drop(struct puppet *p)
{
	return weft__poll_drop(&p->poll);
}

/* ---- heirs -------------------------------------------------------------------------- */

/* A thread that ends the object it waits for as soon as it is woken: the object has
 * pages of its own, and the wake takes them away. Whoever touches the object after
 * the wake crashes, in every build. */
struct heir {
	struct puppet puppet;
	void *object;
	int wakes;
};

static inline void heir__wake(struct weft__parker *parker)
{
	struct heir *heir = weft_container_of(parker, struct heir, puppet.parker);

	heir->wakes++;
	weft__pages_unmap(heir->object, weft__page_size());
}

static const struct weft__parker_kind heir__kind = {
	.name = "heir",
	.certain = true,
	.wake = heir__wake,
};

/* A zeroed object with pages of its own, for an heir. */
static inline void *heir_object(void)
{
	void *object = weft__pages_map(weft__page_size());

	CHECK_NOT_NULL(object);
	return object;
}

/* Begins to wait for the case, of `object`. */
static inline void heir_wait(struct heir *heir, void *object, weft_case c)
{
	*heir = (struct heir){ .object = object };
	weft__parker_init(&heir->puppet.parker, &heir__kind);
	CHECK_EQ(puppet_wait(&heir->puppet, c), -EAGAIN);
}

/* ---- tasks and their executor ------------------------------------------------------------ */

struct poll_task;

struct poll_executor {
	weft_atomic_u32 signals; /* counts wakes; the executor sleeps on it */
};

/* One turn of a task; true when it has ended. */
typedef bool (*poll_step_fn)(struct poll_task *task);

struct poll_task {
	struct weft__parker parker;
	struct weft__poll poll;
	struct poll_executor *executor;
	poll_step_fn step;
	void *arg;
	weft_atomic_u32 ready;
	bool ended;
};

/* Runs under the lock of the object: marks the task and counts, no more. The
 * task's frame stays until that lock is given back. */
static inline void poll_task__wake(struct weft__parker *parker)
{
	struct poll_task *task = weft_container_of(parker, struct poll_task, parker);

	weft_store_release(&task->ready, 1);
	weft_add_release(&task->executor->signals, 1);
	weft__futex_wake(&task->executor->signals, 1);
}

static const struct weft__parker_kind poll_task__kind = {
	.name = "task",
	.certain = false,
	.wake = poll_task__wake,
};

static inline void poll_task_init(struct poll_task *task, struct poll_executor *executor,
				  poll_step_fn step, void *arg)
{
	*task = (struct poll_task){ .executor = executor, .step = step, .arg = arg };
	weft__parker_init(&task->parker, &poll_task__kind);
	weft_store_relaxed(&task->ready, 1);
}

static inline void poll_task_begin(struct poll_task *task, weft_case *cases, int count)
{
	weft__poll_init(&task->poll, &task->parker, cases, count, 0);
}

/* Polls the tasks that were woken until all have ended. */
static inline void poll_executor_run(struct poll_executor *executor, struct poll_task *tasks,
				     int count)
{
	int live = count;

	while (live > 0) {
		uint32_t signals = weft_load_acquire(&executor->signals);
		bool idle = true;

		for (int i = 0; i < count; i++) {
			struct poll_task *task = &tasks[i];

			if (task->ended || weft_swap_acquire(&task->ready, 0) == 0)
				continue;
			idle = false;
			task->ended = task->step(task);
			live -= task->ended;
		}
		if (idle)
			(void)weft__futex_wait(&executor->signals, signals, WEFT_NEVER);
	}
}

#endif
