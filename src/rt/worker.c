/* SPDX-License-Identifier: MIT */
/*
 * A worker's life: which fiber runs next, the switch to it, how a fiber parks and is
 * woken, and how the worker sleeps.
 *
 * Choosing. First `next`, the fiber that the last one has woken, unless that has been
 * so many times running. Then ready fibers and the ring of those that have not begun,
 * by turns: a turn is as many as there were when it began, so neither side waits for
 * longer than what was before it. Whoever leaves the processor chooses, and switches
 * straight to the one chosen; only when there is none, or when it is time to look
 * around, the root runs.
 *
 * Looking around: timers, the injector, and the poller. It is done about every LOOK_NS,
 * whatever the fibers are like: the number of turns from look to look adapts. The poller
 * costs a system call. It is asked when nothing is left to run - so under load it is once
 * for all that became ready meanwhile - and else every POLL_NS.
 *
 * Parking. The token of a fiber's parker is the home worker's alone:
 *
 *   EMPTY    it runs, or is runnable because its deadline came
 *   PARKED   it waits
 *   WOKEN    its waker's wake has reached the home
 *
 * Who has won a wait wakes exactly once (invariant C of the wait core) and does so
 * whether the fiber is parked or not; so nobody needs to find out what the other side
 * does at the same time. A wake that comes after the deadline finds EMPTY and leaves
 * WOKEN for the fiber, which in that case parks again to await it. There is no step
 * "after the switch": the home alone acts on what is in its inbox, and it can do so
 * only when it has left the fiber.
 *
 * A fiber that may migrate is put into the ring by its waker; but never while it still
 * stands on its stack, nor when its deadline came (a late wake may be under way to its
 * home).
 *
 * The end. A fiber that has ended goes on, without its record, as the code that looks
 * for the next one. If that has not begun, it begins on the same stack. Otherwise the
 * stack is given back by who runs next.
 */
#include <errno.h>

#include "base/assert.h"
#include "rt/overflow.h"
#include "rt/poller.h"
#include "rt/ready.h"
#include "rt/rt.h"
#include "thread/thread.h"

enum {
	NEXT_STREAK = 16,  /* times that `next` goes before all others */
	TURNS_MOST = 1024, /* from look to look */
	TAKE_MOST = WEFT__DEALS / 2,
	BUDGET = 128,
	BUDGET_LOOK = 16, /* of these, between looks at the clock */
	SEEKS_PER_POLL = 16,
};

#define LOOK_NS (20 * WEFT_US)
#define POLL_NS (100 * WEFT_US)
#define SLICE_NS (10 * WEFT_MS)

/* Initial-exec: one instruction to reach, and no allocation at first use. */
#define LOCAL static __thread __attribute__((tls_model("initial-exec")))
LOCAL struct weft__rt_worker *self;

/* Not inlined, so that no caller keeps the address of a thread-local while it moves to
 * another thread. */
__attribute__((noinline)) struct weft__rt_worker *weft__rt_worker_self(void)
{
	return self;
}

void weft__rt_worker_forget(void)
{
	self = NULL;
	weft__parker_install(NULL);
}

struct weft__poller *weft__rt_worker_poller(struct weft__rt_worker *worker)
{
	return worker->poller;
}

/* ---- choosing ---------------------------------------------------------------------- */

static struct weft_fiber *pick_ready(struct weft__rt_worker *w)
{
	struct weft__fifo_node *node = weft__fifo_pop(&w->ready);

	if (!node)
		return NULL;
	w->ready_count--;
	if (node->next)
		weft__strand_prefetch(&weft__fiber_of_node(node->next)->strand);
	return weft__fiber_of_node(node);
}

static struct weft_fiber *pick_by_turns(struct weft__rt_worker *w)
{
	for (int side = 0; side < 3; side++) {
		struct weft_fiber *fiber = NULL;

		if (w->quota > 0 && w->ring_turn)
			fiber = weft__fiber_of_node(weft__deals_pop(&w->ring, w->shared));
		else if (w->quota > 0)
			fiber = pick_ready(w);
		if (fiber) {
			w->quota--;
			return fiber;
		}
		w->ring_turn = !w->ring_turn;
		w->quota = w->ring_turn ? weft__deals_count(&w->ring) : w->ready_count;
	}
	return NULL;
}

/* The fiber that is to run, or NULL: the root is. */
static struct weft_fiber *pick(struct weft__rt_worker *w)
{
	struct weft_fiber *next = w->next;

	if (--w->turns < 0)
		return NULL;
	weft__ready_look(w);
	if (WEFT_UNLIKELY(w->deterministic))
		return weft__virtual_pick(w);
	if (next) {
		w->next = NULL;
		if (++w->next_streak < NEXT_STREAK)
			return next;
		weft__ready_push(w, next);
	}
	w->next_streak = 0;
	return pick_by_turns(w);
}

/* ---- switching ---------------------------------------------------------------------- */

/* The first thing that whoever runs now does. */
static void settle(struct weft__rt_worker *w)
{
	if (WEFT_UNLIKELY(w->grave != NULL)) {
		weft__strand_free(&w->left);
		weft__stack_give(&w->stacks, w->grave);
		w->grave = NULL;
	}
}

static void body(void *fiber);

/* The fiber is this worker's from now on. */
static void adopt(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	weft_store_relaxed(&fiber->home, w);
	weft__list_push_back(&w->fibers, &fiber->among);
}

static void begin(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	adopt(w, fiber);
	weft__rt_count(&w->counters.started);
	if (WEFT_UNLIKELY(w->deterministic))
		fiber->parker.random = (uint32_t)weft__rng_next(&w->rng) | 1;
}

/* Whether the fiber can be switched to; false: it could not begin and has ended. */
static bool prepare(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	if (WEFT_LIKELY(weft__list_linked(&fiber->among)))
		return true;
	if (weft__fiber_home(fiber)) { /* it migrates */
		adopt(w, fiber);
		return true;
	}
	fiber->stack = weft__stack_take(&w->stacks, (enum weft__stack_class)fiber->stack_class);
	begin(w, fiber);
	if (!fiber->stack) {
		weft__fiber_end(w, fiber, -ENOMEM);
		return false;
	}
	weft__strand_make(&fiber->strand, fiber->stack->low, fiber->stack->size, body, fiber);
	return true;
}

static void enter(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	w->current = fiber;
	w->budget = BUDGET;
	weft__parker_install(&fiber->parker);
	weft__rt_count(&w->counters.switches);
}

static void enter_root(struct weft__rt_worker *w)
{
	w->current = NULL;
	weft__parker_install(NULL);
}

/* Leaves a fiber that goes on later, for the one that is to run next. */
static void switch_from(struct weft__rt_worker *w, struct weft_fiber *fiber)
{
	struct weft_fiber *next;
	int err;

	do
		next = pick(w);
	while (next && !prepare(w, next));
	if (next == fiber)
		return;
	err = weft__errno_get();
	if (next) {
		enter(w, next);
		weft__strand_switch(&fiber->strand, &next->strand);
	} else {
		enter_root(w);
		weft__strand_switch(&fiber->strand, &w->root);
	}
	settle(weft__fiber_home(fiber));
	weft__errno_set(err);
}

void weft__fiber_yield(struct weft_fiber *fiber)
{
	struct weft__rt_worker *w = weft__fiber_home(fiber);

	/* Not into the ring: one that migrates has not left its stack yet. */
	weft__ready_push(w, fiber);
	switch_from(w, fiber);
}

/* On the stack of a fiber that has ended: the next one that begins on it, or NULL, and
 * then *out is what to switch to. */
static struct weft_fiber *succeed(struct weft__rt_worker *w, struct weft__stack *stack,
				  struct weft_fiber **out)
{
	struct weft_fiber *next;

	for (;;) {
		next = pick(w);
		*out = next;
		if (!next)
			return NULL;
		if (!WEFT__STACK_SANITIZED && !weft__fiber_home(next) &&
		    next->stack_class == stack->class) {
			next->stack = stack;
			begin(w, next);
			return next;
		}
		if (prepare(w, next))
			return NULL;
	}
}

/* What a stack runs: one fiber after the other. */
static void body(void *arg)
{
	struct weft_fiber *fiber = arg, *next;
	struct weft__rt_worker *w = weft__fiber_home(fiber);
	struct weft__stack *stack = fiber->stack;

	weft__strand_begin(&fiber->strand);
	settle(w);
	do {
		int result = fiber->fn(fiber->arg);

		WEFT__ASSERT(weft__rt_worker_self(),
			     "a fiber's function returned in the child of a fork()");
		if (WEFT_UNLIKELY(fiber->parker.locals != NULL))
			weft__locals_end(&fiber->parker);
		w = weft__fiber_home(fiber);
		w->left = fiber->strand;
		w->current = NULL; /* whom it wakes has no need to hurry */
		weft__fiber_end(w, fiber, result);
		fiber = succeed(w, stack, &next);
		if (fiber)
			enter(w, fiber);
	} while (fiber);
	w->grave = stack;
	if (next)
		enter(w, next);
	else
		enter_root(w);
	weft__strand_leave(&w->left, next ? &next->strand : &w->root);
}

/* ---- parking ------------------------------------------------------------------------ */

static void alarm_fire(struct weft__timer *timer)
{
	struct weft_fiber *fiber = weft_container_of(timer, struct weft_fiber, timer);
	struct weft__rt_worker *w = weft__fiber_home(fiber);

	weft_store_relaxed(&fiber->parker.token, WEFT__EMPTY);
	weft__rt_count(&w->counters.timers);
	weft__ready_push(w, fiber);
}

static int fiber_park(struct weft__parker *parker, int64_t deadline)
{
	struct weft_fiber *fiber = weft_container_of(parker, struct weft_fiber, parker);
	struct weft__rt_worker *w = weft__fiber_home(fiber);

	/* What is in the inbox could be for this fiber; it is seen after the switch. */
	if (weft_load_relaxed(&parker->token) == WEFT__WOKEN)
		return 0;
	weft_store_relaxed(&parker->token, WEFT__PARKED);
	if (deadline != WEFT_NEVER) {
		fiber->timer.deadline = deadline;
		fiber->timer.fire = alarm_fire;
		weft__wheel_add(&w->wheel, &fiber->timer);
	}
	weft__rt_count(&w->counters.parks);
	switch_from(w, fiber);
	return weft_load_relaxed(&parker->token) == WEFT__WOKEN ? 0 : -ETIMEDOUT;
}

const struct weft__parker_kind weft__fiber_kind = {
	.name = "fiber",
	.certain = true,
	.tracked = true,
	.park = fiber_park,
	.wake = weft__ready_wake,
};

/* ---- the budget ---------------------------------------------------------------------- */

bool weft__budget_spend(void)
{
	static __thread __attribute__((tls_model("initial-exec"))) unsigned calls;
	struct weft__rt_worker *w = weft__rt_worker_self();
	bool spent;

	if (!w || !w->current)
		return ++calls % BUDGET == 0;
	spent = --w->budget <= 0;
	if (w->budget % BUDGET_LOOK == BUDGET_LOOK - 1) {
		int64_t now = weft_now();

		if (w->budget == BUDGET - 1)
			w->slice_began = now;
		spent |= now - w->slice_began > SLICE_NS;
	}
	if (WEFT_UNLIKELY(w->deterministic))
		spent |= weft__rng_below(&w->rng, 8) == 0;
	if (spent)
		weft__fiber_yield(w->current);
	if (spent)
		w->budget = BUDGET;
	return spent;
}

/* The slice of what is paid for in the wait core (see there) is spent. Not by who has
 * another parker for the moment, or is on its way out. */
static void slice_spent(void)
{
	struct weft__rt_worker *w = weft__rt_worker_self();

	if (w && w->current && weft__parker_self() == &w->current->parker)
		weft__fiber_yield(w->current);
}

/* ---- the root: looking around, searching, sleeping ------------------------------------ */

static void turns_adapt(struct weft__rt_worker *w, int64_t now)
{
	if (w->turns < 0) {
		int64_t took = now - w->looked;

		if (took > 2 * LOOK_NS)
			w->turns_each = w->turns_each > 1 ? w->turns_each / 2 : 1;
		else if (took < LOOK_NS / 2 && w->turns_each < TURNS_MOST)
			w->turns_each *= 2;
	}
	w->turns = w->turns_each;
	w->looked = now;
}

static void take_injected(struct weft__rt_worker *w)
{
	struct weft__injector *injector = &w->runtime->injector;
	struct weft__fifo chain = { 0 };
	struct weft_fiber *fiber;

	if (!weft__injector_filled(injector) || weft__deals_count(&w->ring) > TAKE_MOST)
		return;
	weft__injector_take(injector, weft__rng_below(&w->rng, injector->count), TAKE_MOST,
			    &chain);
	while ((fiber = weft__fiber_of_node(weft__fifo_pop(&chain))))
		weft__ready_ring(w, fiber);
}

static void poll(struct weft__rt_worker *w, int64_t deadline)
{
	weft__rt_count(&w->counters.polls);
	(void)weft__poller_wait(w->poller, deadline);
	w->polled = weft_now();
}

static void look(struct weft__rt_worker *w)
{
	int64_t now = weft_now();

	turns_adapt(w, now);
	if (weft_load_relaxed(&w->errands))
		weft__rt_worker_errands(w);
	if (weft__wheel_due(&w->wheel, now))
		weft__wheel_advance(&w->wheel, now);
	take_injected(w);
	weft__ready_look(w);
}

static bool has_work(struct weft__rt_worker *w)
{
	return w->next || w->ready_count > 0 || weft__deals_count(&w->ring) > 0;
}

/* Takes half of somebody's ring. */
static bool steal(struct weft__rt_worker *w)
{
	unsigned count = w->runtime->workers, first = weft__rng_below(&w->rng, count);

	for (unsigned i = 0; i < count; i++) {
		struct weft__rt_worker *victim = &w->runtime->worker[(first + i) % count];
		struct weft__fifo chain = { 0 };
		struct weft_fiber *fiber;

		if (victim == w || weft__deals_take(&victim->ring, &chain) == 0)
			continue;
		while ((fiber = weft__fiber_of_node(weft__fifo_pop(&chain)))) {
			weft__rt_count(&w->counters.steals);
			weft__ready_ring(w, fiber);
		}
		return true;
	}
	return false;
}

/* Looks at what any worker may do. */
static bool shared_work(struct weft__rt_worker *w)
{
	if (weft__injector_filled(&w->runtime->injector))
		return true;
	for (unsigned i = 0; i < w->runtime->workers; i++) {
		struct weft__rt_worker *other = &w->runtime->worker[i];

		/* The next of its own is for itself. */
		if (weft__deals_count(&other->ring) > (other == w))
			return true;
	}
	return false;
}

/* Searches for a while: whether there is something to run. */
static bool search(struct weft__rt_worker *w)
{
	int64_t until = 0;
	unsigned seeks = 0;

	for (;;) {
		int64_t now;

		look(w);
		if (has_work(w) || (w->shared && steal(w)))
			return true;
		now = weft_now();
		if (until == 0)
			until = now + w->runtime->spin_ns;
		if (now >= until || weft_load_relaxed(&w->runtime->phase) != WEFT__RUNNING)
			return false;
		if (seeks++ % SEEKS_PER_POLL == 0)
			poll(w, 0);
		weft__cpu_pause();
	}
}

/* The worker has work and searches no more. */
static void found(struct weft__rt_worker *w)
{
	struct weft__idle *idle = &w->runtime->idle;

	if (weft__idle_found(idle) && shared_work(w))
		(void)weft__idle_wake(idle);
}

static bool wanted(void *worker)
{
	struct weft__rt_worker *w = worker;
	weft_runtime *runtime = w->runtime;

	if (weft_load_seq_cst(&runtime->phase) != WEFT__RUNNING) /* idle.1 */
		weft__runtime_check_over(runtime);
	return shared_work(w) || weft_load_seq_cst(&w->errands) || /* idle.1 */
	       weft_load_seq_cst(&runtime->phase) == WEFT__OVER;
}

static void sleep_in_poller(void *worker)
{
	struct weft__rt_worker *w = worker;
	int64_t trim = w->deterministic ? WEFT_NEVER : weft__stack_trim(weft_now());
	int64_t timer = weft__wheel_next(&w->wheel);

	weft__rt_count(&w->counters.sleeps);
	poll(w, trim < timer ? trim : timer);
}

/* Sleeps until there may be something to do. */
static void sleep_until_roused(struct weft__rt_worker *w)
{
	const struct weft__bed bed = { wanted, sleep_in_poller, w };
	struct weft__fifo_node *chain;

	if (weft__idle_sleep(&w->runtime->idle, w->index, &w->inbox, &bed, &chain))
		w->rouses_due++;
	weft__ready_sort(w, chain);
}

/* The worker has nothing to run. False when the runtime is over. */
static bool rest(struct weft__rt_worker *w)
{
	weft_runtime *runtime = w->runtime;

	weft__idle_search(&runtime->idle);
	while (!search(w)) {
		if (weft_load_relaxed(&runtime->phase) == WEFT__OVER) {
			(void)weft__idle_found(&runtime->idle);
			return false;
		}
		if (w->deterministic && weft__virtual_jump(w))
			continue;
		sleep_until_roused(w);
		weft__monitor_notice(&runtime->monitor);
	}
	found(w);
	return true;
}

static void work(struct weft__rt_worker *w)
{
	do {
		struct weft_fiber *fiber;

		look(w);
		if (has_work(w) && (w->looked - w->polled >= POLL_NS || w->deterministic))
			poll(w, 0);
		while ((fiber = pick(w))) {
			if (!prepare(w, fiber))
				continue;
			enter(w, fiber);
			weft__strand_switch(&w->root, &fiber->strand);
			settle(w);
		}
	} while (has_work(w) || rest(w));
}

void weft__rt_worker_main(void *worker)
{
	struct weft__rt_worker *w = worker;

	self = w;
	weft__slice_install(slice_spent);
	weft__overflow_thread_begin();
	weft__strand_adopt(&w->root);
	weft__poller_own(w->poller);
	if (w->deterministic)
		weft__virtual_begin(w);
	else
		weft__wheel_init(&w->wheel, weft_now());
	weft__watch_begin(&w->watch);
	weft_store_release(&w->watched, true); /* watched.1 */
	work(w);
	weft_store_relaxed(&w->watched, false);
	if (w->deterministic)
		weft__virtual_end();
	weft__await_left(&w->roused, w->rouses_due);
	weft__stack_cache_empty(&w->stacks);
	weft__records_empty(&w->records);
	weft__poller_own(NULL);
	weft__overflow_thread_end();
	self = NULL;
}
