/* SPDX-License-Identifier: MIT */
/*
 * Signals as events: each listener gets each signal once, parties share a listener
 * fairly, and everything is as before when the last one is closed, or in the child of
 * a fork(). raise() returns after the handler, so what was raised has been counted.
 */
#include "weft/signal.h"

#include <errno.h>
#include <signal.h>

#include "rt/sanitize.h"
#include "sys/linux/sandbox_test.h"
#include "team_test.h"
#include "weft/cancel.h"
#include "weft/event.h"
#include "weft/runtime.h"
#include "weft/scope.h"
#include "weft/select.h"

static weft_signals *listener(int a, int b)
{
	const int numbers[] = { a, b };
	weft_signals *signals;

	CHECK_EQ(weft_signals_open(&signals, numbers, 2), 0);
	return signals;
}

TEST(signals_come_to_who_waits)
{
	weft_signals *s = listener(SIGUSR1, SIGUSR2);

	CHECK_EQ(weft_signals_next_until(s, 0), -ETIMEDOUT);
	CHECK_EQ(raise(SIGUSR2), 0);
	CHECK_EQ(weft_signals_next(s), SIGUSR2);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(weft_signals_next(s), SIGUSR1);
	CHECK_EQ(weft_signals_next_until(s, weft_after_us(1)), -ETIMEDOUT);
	weft_signals_close(s);
}

TEST(signals_are_counted)
{
	weft_signals *s = listener(SIGUSR1, SIGINT);

	for (int i = 0; i < 5; i++)
		CHECK_EQ(raise(SIGUSR1), 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(weft_signals_next(s), SIGUSR1);
	CHECK_EQ(weft_signals_next_until(s, weft_after_us(1)), -ETIMEDOUT);
	weft_signals_close(s);
}

TEST(signals_come_to_every_listener)
{
	weft_signals *a = listener(SIGUSR1, SIGUSR2), *b = listener(SIGUSR1, SIGTERM);

	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(weft_signals_next(a), SIGUSR1);
	CHECK_EQ(weft_signals_next(b), SIGUSR1);
	CHECK_EQ(raise(SIGTERM), 0);
	CHECK_EQ(weft_signals_next(b), SIGTERM);
	CHECK_EQ(weft_signals_next_until(a, weft_after_us(1)), -ETIMEDOUT);
	weft_signals_close(a);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(weft_signals_next(b), SIGUSR1);
	weft_signals_close(b);
}

static void listen_and_join_select(void *arg, int index)
{
	weft_event never = WEFT_EVENT_INIT;
	weft_case cases[] = { weft_case_event(&never), weft_case_signals(arg) };

	(void)index;
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 1);
	CHECK_EQ(cases[1].result, SIGINT);
}

TEST(signals_stand_in_a_select)
{
	weft_signals *s = listener(SIGINT, SIGTERM);
	struct team team = { .count = 0 };

	team_add(&team, 2, listen_and_join_select, s);
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_EQ(raise(SIGINT), 0);
	team_join(&team);
	weft_signals_close(s);
}

TEST(signals_are_cancelled)
{
	weft_signals *s = listener(SIGINT, SIGTERM);
	weft_token token;

	weft_token_init(&token, NULL);
	weft_token_cancel(&token);
	weft_ambient_set(&token);
	CHECK_EQ(weft_signals_next(s), -ECANCELED);
	weft_ambient_set(NULL);
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_EQ(weft_signals_next(s), SIGINT);
	weft_signals_close(s);
}

/* ---- before and after --------------------------------------------------------------- */

static volatile sig_atomic_t handled;

static void own_handler(int number)
{
	(void)number;
	handled++;
}

TEST(signals_give_the_programs_handler_back)
{
	weft_signals *a, *b;

	CHECK(signal(SIGUSR1, own_handler) != SIG_ERR);
	a = listener(SIGUSR1, SIGUSR1);
	b = listener(SIGUSR1, SIGUSR2);
	CHECK_EQ(raise(SIGUSR1), 0);
	weft_signals_close(a);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(handled, 0);
	weft_signals_close(b);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(handled, 1);
}

TEST(signals_that_are_ignored_stay_so)
{
	weft_signals *s;

	CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
	s = listener(SIGHUP, SIGUSR1);
	CHECK_EQ(raise(SIGHUP), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(weft_signals_next(s), SIGUSR1);
	CHECK_EQ(weft_signals_next_until(s, weft_after_us(1)), -ETIMEDOUT);
	weft_signals_close(s);
	CHECK_EQ(raise(SIGHUP), 0);
}

TEST(signals_refuse_what_cannot_be)
{
	const int bad[] = { 0, -1, 65, 1 << 20, SIGKILL, SIGSTOP, SIGSEGV, SIGFPE, 32, 33 };
	weft_signals *s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const int numbers[] = { SIGUSR1, bad[i] };

		CHECK_EQ(weft_signals_open(&s, numbers, 2), -EINVAL);
		CHECK_NULL(s);
	}
	CHECK_EQ(weft_signals_open(&s, NULL, 0), -EINVAL);
	CHECK_EQ(weft_signals_open(&s, bad, 0), -EINVAL);
	s = listener(SIGRTMIN, SIGRTMAX);
	CHECK_EQ(raise(SIGRTMAX), 0);
	CHECK_EQ(weft_signals_next(s), SIGRTMAX);
	weft_signals_close(s);
}

static weft_signals *of_the_parent;

static void in_the_child(void)
{
	weft_signals *own;

	CHECK_EQ(weft_signals_next(of_the_parent), -ECHILD);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(handled, 1);
	weft_signals_close(of_the_parent);
	own = listener(SIGUSR1, SIGUSR2);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(weft_signals_next(own), SIGUSR1);
	CHECK_EQ(handled, 1);
	weft_signals_close(own);
}

TEST(signals_do_what_they_did_in_a_child)
{
	if (WEFT__TSAN)
		SKIP("ThreadSanitizer allows no thread in the child of a process with several");
	CHECK(signal(SIGUSR1, own_handler) != SIG_ERR);
	handled = 0;
	of_the_parent = listener(SIGUSR1, SIGUSR2);
	sandbox_run(in_the_child);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(weft_signals_next(of_the_parent), SIGUSR1);
	weft_signals_close(of_the_parent);
}

static void close_under_a_waiter(void *arg)
{
	weft_signals *s = listener(SIGINT, SIGTERM);
	struct team team = { .count = 0 };

	team_add(&team, 1, listen_and_join_select, s);
	for (;;) {
		weft_waitq *queue = (weft_waitq *)s;

		if (queue_count(queue, false) > 0)
			weft_signals_close(s);
		weft__thread_yield();
	}
	(void)arg;
}

TEST(signals_closed_under_a_waiter_stop_the_program)
{
	CHECK_DIES(close_under_a_waiter, NULL, "was closed while somebody waited in it");
}

/* ---- many ------------------------------------------------------------------------------ */

enum { ROUNDS = 3000, PARTIES = 4 };

static weft_atomic_u32 got;
static weft_signals *shared;

/* With time-outs of all lengths, so that notified parties leave. */
static void take_some(void *arg, int index)
{
	int err;

	(void)arg;
	for (int i = 0; weft_load_acquire(&got) < ROUNDS; i++) {
		err = weft_signals_next_until(shared, weft_after_us((i * 7 + index) % 50));
		CHECK(err == SIGUSR1 || err == -ETIMEDOUT);
		if (err == SIGUSR1)
			weft_add_release(&got, 1);
	}
}

TEST(signals_are_neither_lost_nor_doubled)
{
	struct team team = { .count = 0 };

	shared = listener(SIGUSR1, SIGUSR2);
	team_add(&team, PARTIES, take_some, NULL);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(raise(SIGUSR1), 0);
	team_join(&team);
	CHECK_EQ(weft_load_relaxed(&got), ROUNDS);
	CHECK_EQ(weft_signals_next_until(shared, 0), -ETIMEDOUT);
	weft_signals_close(shared);
}

/* ---- in fibers --------------------------------------------------------------------------- */

static int raise_two(void *arg)
{
	(void)arg;
	weft_yield();
	CHECK_EQ(raise(SIGINT), 0);
	CHECK_EQ(raise(SIGTERM), 0);
	return 0;
}

static int wait_in_fiber(void *arg)
{
	weft_signals *s = listener(SIGINT, SIGTERM);
	weft_scope scope;
	int first;

	(void)arg;
	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn(&scope, raise_two, NULL, NULL), 0);
	first = weft_signals_next(s);
	CHECK(first == SIGINT || first == SIGTERM);
	CHECK_EQ(weft_signals_next(s), SIGINT + SIGTERM - first);
	weft_signals_close(s);
	return weft_scope_close(&scope);
}

TEST(signals_come_to_fibers)
{
	weft_runtime *runtime;
	int result;

	CHECK_EQ(weft_runtime_start(&runtime, NULL), 0);
	CHECK_EQ(weft_block_on(runtime, wait_in_fiber, NULL, &result), 0);
	CHECK_EQ(result, 0);
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
}
