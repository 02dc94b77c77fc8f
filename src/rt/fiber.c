/* SPDX-License-Identifier: MIT */
/*
 * Fibers as their users see them: spawning, joining, ending.
 *
 * A record has one owner at a time. While the fiber lives it is the fiber's; the step
 * that sets `finished` passes it on to who has the handle. Bit A of the event's word is
 * that the fiber has ended, bit B that nobody has the handle any more; who sets the
 * second of the two frees the record. A fiber of a scope has no handle.
 *
 * fiber.1  setting either bit releases, and who finds the other set acquires.
 */
#include <errno.h>

#include "base/assert.h"
#include "rt/rt.h"
#include "sync/sync.h"
#include "thread/thread.h"

#define FINISHED ((uintptr_t)WEFT__A)
#define ABANDONED ((uintptr_t)WEFT__B)

enum { IDS = 1024 };

/* A token of the fiber's own, which others may cancel as it ends. */
struct weft__fiber_token {
	weft_waitq gate; /* guards `ended` */
	bool ended;
	weft_token token;
};

/* ---- records ------------------------------------------------------------------------ */

static struct weft__records *records_of(struct weft__rt_worker *w)
{
	return w ? &w->records : NULL;
}

static void record_give(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	if (fiber->own)
		weft__release(fiber->own);
	weft__record_give(records_of(w), fiber);
}

static uint64_t id_next(struct weft__rt_worker *w)
{
	static weft_atomic_u64 last;

	if (!w)
		return weft_add_relaxed(&last, 1) + 1;
	if (w->id_next == w->id_end) {
		w->id_next = weft_add_relaxed(&last, IDS) + 1;
		w->id_end = w->id_next + IDS;
	}
	return w->id_next++;
}

/* ---- spawning ----------------------------------------------------------------------- */

static int token_make(struct weft_fiber *fiber)
{
	fiber->own = weft__alloc_zero(1, sizeof(*fiber->own));
	if (!fiber->own)
		return -ENOMEM;
	weft_token_init(&fiber->own->token, fiber->parker.ambient);
	fiber->parker.ambient = &fiber->own->token;
	return 0;
}

static void token_end(struct weft__fiber_token *own)
{
	weft__gate_enter(&own->gate);
	own->ended = true;
	weft_token_fini(&own->token);
	weft__gate_leave(&own->gate);
}

static int fiber_make(struct weft_fiber **out, weft_runtime *runtime, struct weft__rt_worker *w,
		      const weft_fiber_opts *opts, weft_token *ambient)
{
	struct weft_fiber *fiber = weft__record_take(records_of(w));
	int err = 0;

	if (!fiber)
		return -ENOMEM;
	*fiber = (struct weft_fiber){
		.runtime = runtime,
		.forks = runtime->forks,
		.name = opts->name,
		.migrate = opts->migrate,
		.stack_class = runtime->stack_class,
		.id = id_next(w),
	};
	if (opts->stack_size > 0)
		fiber->stack_class = (uint8_t)weft__stack_class_of(opts->stack_size);
	fiber->parker.kind = &weft__fiber_kind;
	fiber->parker.ambient = ambient ? ambient : &runtime->root;
	/* Never spins: there are others to run. */
	fiber->parker.cpus = 1;
	fiber->parker.cpu_check = UINT32_MAX;
	if (opts->cancellable)
		err = token_make(fiber);
	if (err == 0)
		*out = fiber;
	else
		record_give(w, fiber);
	return err;
}

static void fiber_unmake(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	if (fiber->own)
		token_end(fiber->own);
	record_give(w, fiber);
}

/* Whether the runtime takes one more fiber: 0, -ECANCELED, -ECHILD. It counts as born
 * then; and who is not one of its workers counts as inside until leaving. */
static int admit(weft_runtime *runtime, struct weft__rt_worker *w)
{
	if (WEFT_UNLIKELY(weft__runtime_stale(runtime)))
		return -ECHILD;
	if (w) {
		if (weft_load_relaxed(&runtime->phase) >= WEFT__CANCELLED)
			return -ECANCELED;
		weft__rt_count(&w->counters.born);
		return 0;
	}
	weft_add_relaxed(&runtime->entered, 1);
	weft_add_seq_cst(&runtime->born, 1);                     /* over.1 */
	if (weft_load_seq_cst(&runtime->phase) == WEFT__RUNNING) /* over.1 */
		return 0;
	weft_sub_seq_cst(&runtime->born, 1); /* over.1 */
	/* Who has seen the count meanwhile has to look again. */
	weft__rt_worker_rouse(&runtime->worker[0]);
	weft__leave(&runtime->left);
	return -ECANCELED;
}

static int spawn(weft_fiber **out, weft_fiber_fn fn, void *arg, const weft_fiber_opts *opts,
		 weft_token *ambient, struct weft_scope *scope)
{
	struct weft__rt_worker *w = weft__rt_worker_self();
	weft_runtime *runtime = opts->runtime;
	struct weft_fiber *fiber;
	int err;

	if (!runtime)
		runtime = w ? w->runtime : weft_runtime_default();
	if (!runtime)
		return -EAGAIN;
	if (w && w->runtime != runtime)
		w = NULL;
	err = fiber_make(&fiber, runtime, w, opts, ambient);
	if (err)
		return err;
	err = admit(runtime, w);
	if (err) {
		fiber_unmake(w, fiber);
		return err;
	}
	fiber->fn = fn;
	fiber->arg = arg;
	fiber->scope = scope;
	if (out)
		*out = fiber;
	if (w) {
		weft__fiber_offer(w, fiber);
	} else {
		weft__fiber_inject(runtime, fiber);
		weft__leave(&runtime->left);
	}
	return 0;
}

static const weft_fiber_opts defaults;

static bool opts_can_be(const weft_fiber_opts *opts)
{
	return opts->stack_size <= WEFT__FIBER_STACK_MOST;
}

int weft_fiber_spawn(weft_fiber **out, weft_fiber_fn fn, void *arg, const weft_fiber_opts *opts)
{
	if (!out)
		return -EINVAL;
	*out = NULL;
	if (!opts)
		opts = &defaults;
	if (!fn || !opts_can_be(opts))
		return -EINVAL;
	return spawn(out, fn, arg, opts, opts->outlives_scope ? NULL : weft_ambient(), NULL);
}

int weft_scope_spawn(weft_scope *scope, weft_fiber_fn fn, void *arg, const weft_fiber_opts *opts)
{
	int err;

	if (!opts)
		opts = &defaults;
	if (!fn || !opts_can_be(opts) || opts->outlives_scope || opts->cancellable)
		return -EINVAL;
	weft__scope_begin(scope);
	err = spawn(NULL, fn, arg, opts, &scope->token, scope);
	if (err)
		weft__scope_end(scope, 0);
	return err;
}

/* ---- the end ------------------------------------------------------------------------- */

/* Publishes the end. The record may be gone from then on. */
static void finish(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	weft_waitq *queue = &fiber->finished.queue;
	uintptr_t word = weft_load_relaxed(&queue->word);
	struct weft__wakes wakes;
	bool done = false;

	weft__wakes_init(&wakes);
	while (!done && !(word & ~ABANDONED))
		done = weft_cas_weak_acq_rel(&queue->word, &word, word | FINISHED); /* fiber.1 */
	if (!done) {
		/* Somebody waits, or has just given up to wait - and then perhaps the handle,
		 * up to the last moment. */
		weft__win_all(weft__waitq_lock(queue), &wakes, 0, 0);
		word = weft_load_relaxed(&queue->word);
		while (!weft_cas_weak_acq_rel(&queue->word, &word, /* fiber.1 */
					      (word & ABANDONED) | FINISHED))
			continue;
		weft__waitq_unlocked(queue, word);
	}
	weft__wakes_fire(&wakes);
	if (word & ABANDONED)
		record_give(w, fiber);
}

void weft__fiber_end(struct weft__rt_worker *w, struct weft_fiber *fiber, int result)
{
	struct weft_scope *scope = fiber->scope;

	weft__list_remove(&fiber->among);
	if (fiber->own)
		token_end(fiber->own);
	if (scope) {
		record_give(w, fiber);
		weft__scope_end(scope, result);
	} else {
		fiber->result = result;
		finish(w, fiber);
	}
	/* After all that a birth could follow from. */
	weft_store_release(&w->counters.died, /* over.2 */
			   weft_load_relaxed(&w->counters.died) + 1);
}

/* ---- joining ------------------------------------------------------------------------- */

static void check_owned(const weft_fiber *fiber)
{
	WEFT__ASSERT(!(weft_load_relaxed(&fiber->finished.queue.word) & ABANDONED),
		     "a fiber was joined or detached that nobody owns any more");
}

static int reap(weft_fiber *fiber, int *result)
{
	if (result)
		*result = fiber->result;
	record_give(weft__rt_worker_self(), fiber);
	return 0;
}

/* Whether it can end at all: -ECHILD in the child of a fork() that left it behind. */
static int joinable(const weft_fiber *fiber)
{
	if (weft_event_is_set(&fiber->finished))
		return 0;
	if (fiber == weft_fiber_current())
		return -EDEADLK;
	return weft__forked_since(fiber->forks) ? -ECHILD : 0;
}

int weft_fiber_join(weft_fiber *fiber, int *result)
{
	int err;

	check_owned(fiber);
	err = joinable(fiber);
	if (err)
		return err;
	if (!weft_event_is_set(&fiber->finished))
		weft__event_await(&fiber->finished);
	return reap(fiber, result);
}

int weft_fiber_join_until(weft_fiber *fiber, int *result, int64_t deadline)
{
	int err;

	check_owned(fiber);
	err = joinable(fiber);
	if (err == 0 && !weft_event_is_set(&fiber->finished))
		err = weft_event_wait_until(&fiber->finished, deadline);
	return err ? err : reap(fiber, result);
}

void weft_fiber_detach(weft_fiber *fiber)
{
	check_owned(fiber);
	if (weft_or_acq_rel(&fiber->finished.queue.word, ABANDONED) & FINISHED) /* fiber.1 */
		record_give(weft__rt_worker_self(), fiber);
}

void weft_fiber_cancel(weft_fiber *fiber)
{
	struct weft__fiber_token *own = fiber->own;

	WEFT__ASSERT(own, "a fiber was cancelled that was not spawned with .cancellable");
	weft__gate_enter(&own->gate);
	if (!own->ended)
		weft_token_cancel(&own->token);
	weft__gate_leave(&own->gate);
}

bool weft_fiber_is_finished(const weft_fiber *fiber)
{
	return weft_event_is_set(&fiber->finished);
}

weft_case weft_case_fiber(weft_fiber *fiber)
{
	return weft_case_event(&fiber->finished);
}

/* ---- who am I ------------------------------------------------------------------------- */

weft_fiber *weft_fiber_current(void)
{
	struct weft__rt_worker *w = weft__rt_worker_self();

	return w ? w->current : NULL;
}

const char *weft_fiber_name(const weft_fiber *fiber)
{
	return fiber->name ? fiber->name : "";
}

uint64_t weft_fiber_id(const weft_fiber *fiber)
{
	return fiber->id;
}

void weft_yield(void)
{
	weft_fiber *fiber = weft_fiber_current();

	if (fiber)
		weft__fiber_yield(fiber);
	else
		weft__thread_yield();
}
