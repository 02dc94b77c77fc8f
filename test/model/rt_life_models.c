/* SPDX-License-Identifier: MIT */
/*
 * What comes to the runtime from outside, and how things end: pollers with a kernel of
 * the checker's (sys/model/io.c), signals, and fibers that end while their handle is
 * joined, given up, or used to cancel them. No fiber runs: a model's thread stands for
 * the worker.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

#include "rt/poller.h"
#include "rt/rt.h"
#include "sync/sync.h"
#include "sys/model/io.h"

/* ---- pollers -------------------------------------------------------------------------- */

#define POLLER "src/rt/poller src/rt/epoll.c"

struct poll_world {
	struct weft__poller *poller, *other;
	weft_event registered;
	weft_atomic_u32 came[2], over;
	int fd;
};

static struct poll_world *poll_begin(void)
{
	struct poll_world *w = weft_check_alloc(sizeof(*w));

	WEFT_CHECK(weft__poller_open(&w->poller, WEFT__REACTOR_EPOLL) == 0);
	weft__poller_set_fallback(w->poller);
	return w;
}

static void poll_end(struct poll_world *w)
{
	weft__poller_set_fallback(NULL);
	weft__poller_close(w->poller);
	weft_check_free(w);
}

static void poll_waker(struct poll_world *w, int index)
{
	weft_store_relaxed(&w->came[index], 1);
	weft__poller_wake(w->poller);
}

static void waker_one(void *arg)
{
	poll_waker(arg, 0);
}

static void waker_two(void *arg)
{
	poll_waker(arg, 1);
}

/* The owner looks only after waits: it is wakes that show it what came before them. */
static void wakes_program(int wakers)
{
	struct poll_world *w = poll_begin();
	int one = SPAWN(waker_one, w), two = wakers > 1 ? SPAWN(waker_two, w) : 0;

	do
		WEFT_CHECK(weft__poller_wait(w->poller, WEFT_NEVER) == 0);
	while (!weft_load_relaxed(&w->came[0]) || (wakers > 1 && !weft_load_relaxed(&w->came[1])));
	weft_check_join(one);
	if (two)
		weft_check_join(two);
	poll_end(w);
}

MODEL(rt_poller_is_woken, .covers = POLLER)
{
	wakes_program(1);
}

MODEL(rt_poller_is_woken_by_two, .covers = POLLER, .preemptions = 3, .preemptions_long = 4)
{
	wakes_program(2);
}

/* Tries until the descriptor is ready, and waits in between, as a call does. */
static void poll_reader(void *arg)
{
	struct poll_world *w = arg;
	struct weft__pollee *pollee = weft__pollee_new(w->fd);

	WEFT_CHECK(pollee != NULL);
	for (;;) {
		(void)weft__pollee_take(pollee, WEFT__TO_READ);
		if (weft__fd_ready(w->fd, WEFT__READABLE))
			break;
		WEFT_CHECK(weft__pollee_wait(pollee, WEFT__TO_READ, WEFT_NEVER, 0) == 0);
	}
	weft__pollee_close(pollee, true);
	weft_store_relaxed(&w->over, 1);
	weft__poller_wake(w->poller);
}

static void poll_writer(void *arg)
{
	struct poll_world *w = arg;

	weft__model_fd_raise(w->fd, WEFT__READABLE);
}

MODEL(rt_pollee_is_ready_once, .covers = POLLER, .preemptions = 2, .preemptions_long = 3,
      .leaks_allowed = true)
{
	struct poll_world *w = poll_begin();
	int reader, writer;

	w->fd = weft__model_fd();
	reader = SPAWN(poll_reader, w);
	writer = weft_check_spawn_anytime(poll_writer, w, "poll_writer");
	while (!weft_load_relaxed(&w->over))
		(void)weft__poller_wait(w->poller, WEFT_NEVER);
	weft_check_join(reader);
	weft_check_join(writer);
	poll_end(w);
}

/* One edge for two who wait: who takes it and leaves something passes it on. */
static void poll_taker(void *arg)
{
	struct weft__pollee *pollee = arg;

	for (;;) {
		bool edge = weft__pollee_take(pollee, WEFT__TO_READ);

		if (weft__fd_ready(pollee->fd, WEFT__READABLE)) {
			if (edge)
				weft__pollee_give(pollee, WEFT__TO_READ);
			return;
		}
		WEFT_CHECK(weft__pollee_wait(pollee, WEFT__TO_READ, WEFT_NEVER, 0) == 0);
	}
}

/* Beside the owner, who looks once it is known that all are registered. */
MODEL(rt_pollee_gives_its_edge_on, .covers = POLLER, .preemptions = 2, .leaks_allowed = true)
{
	struct poll_world *w = poll_begin();
	struct weft__pollee *pollee;
	int one, two;

	w->fd = weft__model_fd();
	pollee = weft__pollee_new(w->fd);
	WEFT_CHECK(pollee && weft__pollee_register(pollee) == 0);
	one = SPAWN(poll_taker, pollee);
	two = SPAWN(poll_taker, pollee);
	weft__model_fd_raise(w->fd, WEFT__READABLE);
	WEFT_CHECK(weft__poller_wait(w->poller, WEFT_NEVER) == 1);
	weft_check_join(one);
	weft_check_join(two);
	weft__pollee_close(pollee, false);
	poll_end(w);
}

/* A poller goes while somebody waits for what is registered there: that one registers
 * anew, with the other. */
static void poll_stranded(void *arg)
{
	struct poll_world *w = arg;
	struct weft__pollee *pollee = weft__pollee_new(w->fd);

	WEFT_CHECK(pollee && weft__pollee_register(pollee) == 0);
	weft_event_set(&w->registered);
	WEFT_CHECK(weft__pollee_wait(pollee, WEFT__TO_READ, WEFT_NEVER, 0) == 0);
	WEFT_CHECK(weft__pollee_register(pollee) == 0);
	weft__pollee_close(pollee, true);
}

MODEL(rt_poller_goes_under_a_waiter, .covers = POLLER, .preemptions = 3, .preemptions_long = 4,
      .leaks_allowed = true)
{
	struct poll_world *w = poll_begin();
	int thread;

	w->fd = weft__model_fd();
	WEFT_CHECK(weft__poller_open(&w->other, WEFT__REACTOR_EPOLL) == 0);
	thread = SPAWN(poll_stranded, w);
	weft__event_await(&w->registered);
	weft__poller_set_fallback(w->other);
	weft__poller_close(w->poller);
	weft_check_join(thread);
	w->poller = w->other;
	poll_end(w);
}

/* The pollee ends as its poller does: one of the two finishes it. */
static void poll_closer(void *arg)
{
	struct poll_world *w = arg;
	struct weft__pollee *pollee = weft__pollee_new(w->fd);

	WEFT_CHECK(pollee && weft__pollee_register(pollee) == 0);
	weft_event_set(&w->registered);
	weft__pollee_close(pollee, true);
}

/* The poller itself is there until the end, as `disarm` may be on its way to it. */
MODEL(rt_poller_goes_after_a_pollee, .covers = POLLER, .preemptions = 3, .leaks_allowed = true)
{
	struct poll_world *w = poll_begin();
	struct weft__pollee *again;
	int thread;

	w->fd = weft__model_fd();
	thread = SPAWN(poll_closer, w);
	weft__event_await(&w->registered);
	again = weft__pollee_new(w->fd);
	WEFT_CHECK(again && !weft_load_relaxed(&again->registered) && !again->poller);
	weft__pollee_free(again);
	weft_check_join(thread);
	poll_end(w);
}

/* ---- signals --------------------------------------------------------------------------- */

#define SIGNALS "src/rt/signal.c"

static void sender(void *arg)
{
	(void)arg;
	weft__model_signal(2);
}

static weft_signals *listener(void)
{
	static const int number = 2;
	weft_signals *signals;

	WEFT_CHECK(weft_signals_open(&signals, &number, 1) == 0);
	return signals;
}

MODEL(rt_signal_reaches_its_listener, .covers = SIGNALS, .preemptions = 1, .preemptions_long = 2)
{
	weft_signals *signals = listener();
	int thread = SPAWN(sender, NULL);

	WEFT_CHECK(weft_signals_next(signals) == 2);
	weft_signals_close(signals);
	weft_check_join(thread);
}

/* Both are counted, and each is given once. */
MODEL(rt_signal_comes_twice, .covers = SIGNALS, .preemptions = 1, .preemptions_long = 2)
{
	weft_signals *signals = listener();
	int one = SPAWN(sender, NULL), two = SPAWN(sender, NULL);

	WEFT_CHECK(weft_signals_next(signals) == 2);
	WEFT_CHECK(weft_signals_next(signals) == 2);
	weft_signals_close(signals);
	weft_check_join(one);
	weft_check_join(two);
}

MODEL(rt_signal_comes_as_its_listener_goes, .covers = SIGNALS, .preemptions = 1,
      .preemptions_long = 2)
{
	weft_signals *signals = listener();
	int thread = weft_check_spawn_anytime(sender, NULL, "sender"), got;

	got = weft_signals_next_until(signals, 0);
	WEFT_CHECK(got == 2 || got == -ETIMEDOUT);
	weft_signals_close(signals);
	weft_check_join(thread);
}

/* ---- the end of a fiber ---------------------------------------------------------------- */

#define FIBER "src/rt/fiber.c src/rt/record.c"

struct fiber_world {
	struct weft__rt_worker *worker;
	weft_fiber *fiber;
	int said; /* by the fiber, before it ends */
};

static struct fiber_world *fiber_begin(void)
{
	struct fiber_world *w = weft_check_alloc(sizeof(*w));

	w->worker = weft__pages_map(sizeof(*w->worker));
	w->fiber = weft__record_take(NULL);
	*w->fiber = (weft_fiber){ 0 };
	weft__list_push_back(&w->worker->fibers, &w->fiber->among);
	return w;
}

/* A record that is free is written by whoever takes it next. */
static void record_use(struct weft__records *records)
{
	weft_fiber *fiber = weft__record_take(records);

	*fiber = (weft_fiber){ 0 };
	weft__record_give(records, fiber);
}

static void fiber_worker(void *arg)
{
	struct fiber_world *w = arg;

	w->said = 7;
	weft__fiber_end(w->worker, w->fiber, 3);
	record_use(&w->worker->records);
}

static void fiber_end(struct fiber_world *w, int thread)
{
	record_use(NULL);
	weft_check_join(thread);
	weft__pages_unmap(w->worker, sizeof(*w->worker));
	weft_check_free(w);
}

MODEL(rt_fiber_is_joined_as_it_ends, .covers = FIBER, .leaks_allowed = true)
{
	struct fiber_world *w = fiber_begin();
	int thread = SPAWN(fiber_worker, w), result = 0;

	WEFT_CHECK(weft_fiber_join(w->fiber, &result) == 0);
	WEFT_CHECK(result == 3 && w->said == 7);
	fiber_end(w, thread);
}

MODEL(rt_fiber_is_detached_as_it_ends, .covers = FIBER, .leaks_allowed = true)
{
	struct fiber_world *w = fiber_begin();
	int thread = SPAWN(fiber_worker, w);

	weft_fiber_detach(w->fiber);
	fiber_end(w, thread);
}

MODEL(rt_fiber_is_given_up_as_it_ends, .covers = FIBER, .leaks_allowed = true)
{
	struct fiber_world *w = fiber_begin();
	int thread = SPAWN(fiber_worker, w), result = 0;
	int err = weft_fiber_join_until(w->fiber, &result, weft_after_ms(1));

	if (err == -ETIMEDOUT)
		weft_fiber_detach(w->fiber);
	else
		WEFT_CHECK(err == 0 && result == 3 && w->said == 7);
	fiber_end(w, thread);
}

/* ---- the end of a runtime ---------------------------------------------------------------- */

#define RUNTIME "src/rt/runtime.c src/rt/worker.c src/rt/fiber.c src/rt/monitor.c"

static weft_runtime *runtime_begin(int workers)
{
	const weft_runtime_opts opts = { .workers = workers, .hog_ns = -1 };
	weft_runtime *runtime;

	WEFT_CHECK(weft_runtime_start(&runtime, &opts) == 0);
	return runtime;
}

MODEL(rt_runtime_ends, .covers = RUNTIME, .preemptions = 1, .preemptions_long = 2,
      .leaks_allowed = true)
{
	WEFT_CHECK(weft_runtime_stop(runtime_begin(1), WEFT_NEVER) == 0);
}

MODEL(rt_runtime_of_two_ends, .covers = RUNTIME, .preemptions = 1, .leaks_allowed = true)
{
	WEFT_CHECK(weft_runtime_stop(runtime_begin(2), WEFT_NEVER) == 0);
}

/* There is no time: it is cancelled, unless it is over just then. */
MODEL(rt_runtime_is_cancelled, .covers = RUNTIME, .preemptions = 1, .preemptions_long = 2,
      .leaks_allowed = true)
{
	int err = weft_runtime_stop(runtime_begin(1), weft_now());

	WEFT_CHECK(err == 0 || err == -ETIMEDOUT);
}
