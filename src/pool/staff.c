/* SPDX-License-Identifier: MIT */
/*
 * The threads of a pool: who is hired, who leaves, and who works in place of those whose
 * jobs sleep.
 *
 * A pool is to have `width` at work: guests, that is callers, and threads. It begins
 * with width - 1 threads, for one caller. When there is something to do, too few are at
 * work and no thread sleeps who could be woken, another is hired. This happens when tasks
 * come without a caller who takes part; and when jobs sleep. A thread that waits inside
 * of a job, for a channel, a lock, the end of a job that another runs, is told of by the
 * wait core once it has slept for some time (onlooker), and counts as `blocked`, until it
 * is back; then there is one too many at work, and the next who has nothing to do goes to
 * sleep. So the pool keeps its width as long as jobs sleep, and every job that others wait
 * for gets a thread, up to `spares` threads beyond the width.
 *
 * What a spare thread does, it does at the root of its own stack: nobody's locks are
 * below it. That is why one is hired instead of the sleeper itself running other work.
 *
 * Who rests for REST_NS while there are more threads than the width leaves. The record
 * is free for another from then on, and late touches of it (a wake, a question) are harmless.
 * Threads are not kept in a list: who leaves joins the one who left before, and the end
 * joins the last. The global pool has no end, so its threads are nobody's to join. Nor is
 * a thread that the user's spawner made: the end waits until it is out of the pool.
 *
 * staff.1  `blocked` is added to, or `width` is changed, by a seq_cst step, then offers and
 *          tasks are looked at; who sleeps, or ends its search, has left the census, then
 *          reads both: as idle.1.
 * What else is written here is guarded by the gate `staff`, held for a few instructions
 * and never while a thread is made.
 */
#include "pool/pool.h"

#include <errno.h>

#include "base/assert.h"
#include "sync/sync.h"

/* After the system had no thread to give, others may have ended by then. */
#define HIRE_AGAIN_NS (10 * WEFT_MS)

/* ---- hiring -------------------------------------------------------------------------- */

static void begin(struct weft__worker *w, struct weft__core *core, int index)
{
	w->core = core;
	w->index = index;
	w->base = &w->root;
	w->stock = WEFT__POOL_STOCK;
	w->leaving = false;
	if (weft_load_relaxed(&core->high) <= (uint32_t)index)
		weft_store_release(&core->high, (uint32_t)index + 1); /* high.1 */
}

/* A free record, with the gate held; -1. */
static int record_take(struct weft__core *core)
{
	for (int i = 0; i < core->threads; i += 64) {
		uint64_t free = ~core->hired[i / 64];
		int index = i + (free ? __builtin_ctzll(free) : 64);

		if (!free || index >= core->threads)
			continue;
		core->hired[i / 64] |= UINT64_C(1) << (index % 64);
		return index;
	}
	return -1;
}

/* A new thread is counted before it exists, as idle and searching: who forks before it
 * gets going makes it an offer. NULL when there are `most`. */
static struct weft__worker *hire_begin(struct weft__core *core, uint32_t most)
{
	struct weft__worker *w = NULL;
	int index = -1;

	weft__gate_enter(&core->staff);
	if (!core->closing && weft_load_relaxed(&core->live) < most)
		index = record_take(core);
	if (index >= 0) {
		w = &core->workers[index];
		begin(w, core, index);
		core->present++;
		weft__count(&core->hires);
		weft_add_seq_cst(&core->live, 1);
		weft_add_seq_cst(&core->census, WEFT__CENSUS_IDLE + WEFT__CENSUS_SEARCHING);
	}
	weft__gate_leave(&core->staff);
	return w;
}

/* The thread is counted no more. Whoever relied on it meanwhile has woken nobody. */
static void uncount(struct weft__core *core)
{
	weft_sub_seq_cst(&core->census, /* idle.1 */
			 WEFT__CENSUS_IDLE + WEFT__CENSUS_SEARCHING);
	weft_sub_seq_cst(&core->live, 1);
}

static void record_give_back(struct weft__core *core, int index)
{
	core->hired[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

static void hire_failed(struct weft__core *core, struct weft__worker *w)
{
	struct weft__errand *errand;
	weft_event *gone = NULL;

	weft__gate_enter(&core->staff);
	w->leaving = true;
	errand = weft_swap_relaxed(&w->errand, NULL);
	uncount(core);
	weft__gate_leave(&core->staff);
	if (errand)
		errand->run(errand, NULL);
	if (weft_load_seq_cst(&core->live) == 0)
		weft__tasks_refuse(core, -EAGAIN);
	else
		(void)weft__core_wake_sleeper(core);
	weft__gate_enter(&core->staff);
	record_give_back(core, w->index);
	weft_store_relaxed(&core->hire_after, (uint64_t)(weft_now() + HIRE_AGAIN_NS));
	if (--core->present == 0)
		gone = core->gone;
	weft__gate_leave(&core->staff);
	if (gone)
		weft_event_set(gone);
}

static int hire(struct weft__core *core, struct weft__worker *w)
{
	const weft_pool_opts *opts = &core->pool->opts;
	struct weft__thread thread;
	int err;

	if (opts->spawn)
		err = opts->spawn(opts->context, weft__worker_main, w);
	else
		err = weft__thread_start(&thread, weft__worker_main, w, opts->stack_size,
					 core->pool->name);
	if (err)
		hire_failed(core, w);
	return err;
}

int weft__staff_hire(struct weft__core *core, int count)
{
	struct weft__worker *w;
	int err = 0;

	while (!err && (w = hire_begin(core, (uint32_t)count)))
		err = hire(core, w);
	return err;
}

void weft__staff_hire_one(struct weft__core *core)
{
	uint32_t most = weft_load_relaxed(&core->width) + (uint32_t)core->spares;
	struct weft__worker *w;
	uint64_t after;

	/* Read outside of the gate: that may cost an attempt too many, or too few. */
	if (weft_load_relaxed(&core->live) >= most)
		return;
	after = weft_load_relaxed(&core->hire_after);
	if (after != 0 && weft_now() < (int64_t)after) {
		if (weft_load_seq_cst(&core->live) == 0)
			weft__tasks_refuse(core, -EAGAIN);
		return;
	}
	w = hire_begin(core, most);
	if (w && hire(core, w) == 0 &&
	    weft_load_relaxed(&core->live) > weft_load_relaxed(&core->width))
		weft_add_relaxed(&core->spares_used, 1);
}

/* ---- leaving ------------------------------------------------------------------------- */

bool weft__staff_leave(struct weft__worker *w, bool stop)
{
	struct weft__core *core = w->core;
	const bool own = core->pool->opts.spawn != NULL;
	weft_event *gone = NULL;
	uintptr_t before = 0;

	weft__gate_enter(&core->staff);
	if (!stop && (weft_load_relaxed(&core->live) <= weft_load_relaxed(&core->width) ||
		      weft_load_relaxed(&w->errand))) {
		weft__gate_leave(&core->staff);
		return false;
	}
	w->leaving = true;
	uncount(core);
	weft__gate_leave(&core->staff);
	/* It was counted as one who searches, until now. */
	if (!stop)
		weft__core_reconsider(core);
	if (core->pool->opts.on_exit)
		core->pool->opts.on_exit(core->pool->opts.context, w->index);

	weft__gate_enter(&core->staff);
	record_give_back(core, w->index);
	if (!own && weft__pool_is_global(core->pool)) {
		weft__thread_detach(weft__thread_self());
	} else if (!own) {
		before = core->last;
		core->last = weft__thread_self().handle;
	}
	if (--core->present == 0)
		gone = core->gone;
	weft__gate_leave(&core->staff);
	if (before)
		weft__thread_join((struct weft__thread){ before });
	if (gone)
		weft_event_set(gone);
	return true;
}

void weft__staff_end(struct weft__core *core)
{
	weft_event gone = WEFT_EVENT_INIT;
	bool wait;

	weft__gate_enter(&core->staff);
	core->closing = true;
	core->gone = &gone;
	wait = core->present > 0;
	weft__gate_leave(&core->staff);
	weft_swap_seq_cst(&core->stop, 1); /* idle.1 */
	for (int i = 0; i < core->threads; i += 64)
		weft_swap_seq_cst(&core->asleep[i / 64], 0); /* idle.1, event */
	/* Also those that are awake: theirs is reset before they look at `stop`. */
	for (uint32_t i = 0; i < weft_load_acquire(&core->high); i++) /* high.1 */
		weft_event_set(&core->workers[i].event);
	if (wait)
		weft__event_await(&gone);
	if (core->last)
		weft__thread_join((struct weft__thread){ core->last });
}

/* ---- telling all --------------------------------------------------------------------- */

/* errand.1  the errand is set by a seq_cst step, then the thread's bit is cleared; the
 *           thread sets its bit, then looks at its errand: one of the two sees the other.
 * Who leaves says so under the gate. */
int weft__staff_tell(struct weft__core *core, struct weft__errand *errand)
{
	int told = 0;

	weft__gate_enter(&core->staff);
	for (uint32_t i = 0; i < weft_load_relaxed(&core->high); i++) {
		struct weft__worker *w = &core->workers[i];

		if (!(core->hired[i / 64] >> (i % 64) & 1) || w->leaving)
			continue;
		(void)weft_swap_seq_cst(&w->errand, (void *)errand); /* errand.1 */
		weft__core_rouse(core, (int)i);
		told++;
	}
	weft__gate_leave(&core->staff);
	return told;
}

/* ---- jobs that sleep ----------------------------------------------------------------- */

static bool counts(const struct weft__worker *w)
{
	return !w->alone && !weft__core_stale(w->core);
}

static void job_sleeps(struct weft__onlooker *onlooker)
{
	struct weft__worker *w = weft_container_of(onlooker, struct weft__worker, onlooker);

	for (; w; w = w->outer)
		if (counts(w)) {
			weft_add_seq_cst(&w->core->blocked, 1); /* staff.1 */
			weft__core_reconsider(w->core);
		}
}

/* In the child of a fork() the counts are of a core that is left alone. */
static void job_wakes(struct weft__onlooker *onlooker)
{
	struct weft__worker *w = weft_container_of(onlooker, struct weft__worker, onlooker);

	for (; w; w = w->outer)
		if (counts(w))
			weft_sub_seq_cst(&w->core->blocked, 1);
}

/* ---- who am I ------------------------------------------------------------------------ */

static __thread __attribute__((tls_model("initial-exec"))) struct weft__worker *current;

struct weft__worker *weft__worker_self(void)
{
	return current;
}

struct weft__worker *weft__worker_become(struct weft__worker *worker)
{
	struct weft__worker *old = current;

	current = worker;
	if (worker)
		worker->onlooker = (struct weft__onlooker){ job_sleeps, job_wakes };
	weft__onlooker_install(worker ? &worker->onlooker : NULL);
	return old;
}
