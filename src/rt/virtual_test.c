/* SPDX-License-Identifier: MIT */
/*
 * Deterministic mode: time that jumps, a schedule that follows from the seed, and
 * ten thousand schedules of a scenario in which channels, time-outs and cancellations
 * meet, with every message counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "check.h"
#include "rt/sanitize.h"
#include "weft/blocking.h"
#include "weft/channel.h"
#include "weft/event.h"
#include "weft/runtime.h"
#include "weft/scope.h"
#include "weft/select.h"
#include "weft/timer.h"

/* Runs fn(arg) in a deterministic runtime; what it returned. */
static int run(uint64_t seed, weft_fiber_fn fn, void *arg)
{
	const weft_runtime_opts opts = {
		.deterministic = true,
		.seed = seed,
		.reactor = WEFT_REACTOR_EPOLL,
	};
	weft_runtime *runtime;
	int result;

	CHECK_EQ(weft_runtime_start(&runtime, &opts), 0);
	CHECK_EQ(weft_block_on(runtime, fn, arg, &result), 0);
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
	return result;
}

/* ---- time ------------------------------------------------------------------------ */

static int sleep_for_years(void *arg)
{
	int64_t start = weft_now();

	for (int i = 0; i < 100; i++) {
		int64_t until = weft_after_s(86400 * 365);

		CHECK_EQ(weft_sleep_until(until), 0);
		CHECK_EQ(weft_now(), until);
	}
	CHECK_EQ(weft_now(), start + WEFT_SECOND * 86400 * 365 * 100);
	return *(int *)arg;
}

TEST(virtual_time_jumps)
{
	int64_t before = weft_now();
	int result = 5;

	CHECK_EQ(run(1, sleep_for_years, &result), 5);
	/* The caller has lived in its own time. */
	CHECK_GE(weft_now(), before);
	CHECK_LT(weft_now(), before + 3600 * WEFT_SECOND);
}

enum { SLEEPERS = 200 };

static struct {
	int64_t last;
	unsigned count;
} awake;

static int sleeper(void *arg)
{
	int64_t start = weft_now(), span = *(int64_t *)arg;

	CHECK_EQ(weft_sleep_until(start + span), 0);
	CHECK_EQ(weft_now(), start + span);
	CHECK_GE(weft_now(), awake.last);
	awake.last = weft_now();
	awake.count++;
	return 0;
}

static int many_sleepers(void *arg)
{
	static int64_t span[SLEEPERS];
	struct weft__rng rng = { *(uint64_t *)arg };
	weft_scope scope;

	memset(&awake, 0, sizeof(awake));
	weft_scope_open(&scope);
	for (int i = 0; i < SLEEPERS; i++) {
		span[i] = 1 + (int64_t)(weft__rng_next(&rng) >> (2 + weft__rng_below(&rng, 60)));
		CHECK_EQ(weft_scope_spawn(&scope, sleeper, &span[i], NULL), 0);
	}
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(awake.count, SLEEPERS);
	return 0;
}

TEST(virtual_deadlines_come_exactly_and_in_order)
{
	for (uint64_t seed = 0; seed < 50; seed++)
		CHECK_EQ(run(seed, many_sleepers, &seed), 0);
}

static int interval_life(void *arg)
{
	const int expected[] = { 1, 1, 3, 1 }; /* it is late for the third */
	int64_t start = weft_now();
	weft_interval tick;

	(void)arg;
	CHECK_EQ(weft_interval_init(&tick, start + 10, 10, WEFT_MISSED_SKIP), 0);
	for (int i = 0; i < 4; i++) {
		if (i == 2)
			CHECK_EQ(weft_sleep_until(start + 55), 0);
		CHECK_EQ(weft_interval_wait(&tick), expected[i]);
	}
	CHECK_EQ(weft_now(), start + 60);
	return 0;
}

TEST(virtual_interval_keeps_its_beat)
{
	CHECK_EQ(run(3, interval_life, NULL), 0);
}

static int real_time(void *arg)
{
	*(int64_t *)arg = weft_now();
	return 0;
}

static int time_stands_still(void *arg)
{
	int64_t before = weft_now(), elsewhere = 0;

	(void)arg;
	CHECK_EQ(weft_blocking(real_time, &elsewhere), 0);
	CHECK_NE(elsewhere, 0);
	CHECK_EQ(weft_now(), before);
	return 0;
}

TEST(virtual_time_stands_while_a_thread_works)
{
	CHECK_EQ(run(3, time_stands_still, NULL), 0);
}

/* ---- the schedule ------------------------------------------------------------------ */

enum { WALKERS = 6, STEPS = 4 };

static struct {
	uint64_t hash;
	int moment;
} trace;

static void note(int who)
{
	trace.hash = weft__rng_mix(trace.hash ^ (uint64_t)who ^ (uint64_t)weft_now() << 8);
}

static int walker(void *arg)
{
	int who = (int)(intptr_t)arg;

	for (int i = 0; i < STEPS; i++) {
		note(who);
		if (i == 1)
			CHECK_EQ(weft_sleep_until(weft_after(who % 3)), 0);
		else
			weft_yield();
	}
	return 0;
}

static int walk(void *arg)
{
	weft_event set = WEFT_EVENT_INIT, also = WEFT_EVENT_INIT;
	weft_case cases[2] = { weft_case_event(&set), weft_case_event(&also) };
	weft_scope scope;

	(void)arg;
	weft_scope_open(&scope);
	for (intptr_t i = 0; i < WALKERS; i++)
		CHECK_EQ(weft_scope_spawn(&scope, walker, (void *)i, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	weft_event_set(&set);
	weft_event_set(&also);
	for (int i = 0; i < 8; i++)
		note(weft_select(cases, 2, WEFT_NEVER));
	return 0;
}

static uint64_t walk_trace(uint64_t seed)
{
	trace.hash = 0;
	CHECK_EQ(run(seed, walk, NULL), 0);
	return trace.hash;
}

TEST(virtual_schedule_follows_from_the_seed)
{
	enum { SEEDS = 100 };
	uint64_t seen[SEEDS];
	int distinct = 0;

	for (int i = 0; i < SEEDS; i++) {
		int same = 0;

		seen[i] = walk_trace((uint64_t)i);
		CHECK_EQ(walk_trace((uint64_t)i), seen[i]);
		for (int j = 0; j < i; j++)
			same += seen[j] == seen[i];
		distinct += same == 0;
	}
	/* There are far more ways to go than seeds. */
	CHECK_GE(distinct, SEEDS - 2);
}

/* ---- ten thousand schedules --------------------------------------------------------- */

/* Producers send numbered messages, each within a time-out; consumers receive within
 * one, or by select beside a clock; a canceller ends the scope of half of them at some
 * moment; the end closes the channel and drains it. Whatever happens when: what was
 * acknowledged to a sender is received exactly once, in the order of its sender; what
 * was not is never seen; nobody waits beyond its deadline. */

enum { PRODUCERS = 3, CONSUMERS = 3, MESSAGES = 6 };

/* How many seeds: WEFT_SEEDS (see ./dev seeds), and enough of them to have met all. One
 * thread runs it all: ThreadSanitizer has nothing to find here, and is slow. */
static uint64_t seeds_wanted(void)
{
	const uint64_t least = WEFT__TSAN ? 500 : 10000;
	const char *wish = getenv("WEFT_SEEDS");
	const uint64_t wanted = wish ? strtoull(wish, NULL, 10) : 0;

	return wanted > least ? wanted : least;
}

struct scenario {
	weft_chan *chan;
	struct weft__rng rng;
	uint8_t sent[PRODUCERS][MESSAGES];
	uint8_t received[PRODUCERS][MESSAGES];
	/* How often each end of a wait was met, over all seeds. */
	unsigned timeouts, cancels, closed, delivered;
};

static struct scenario s;

struct message {
	uint8_t producer, number;
};

static int64_t some_span(void)
{
	return weft__rng_below(&s.rng, 6);
}

static void tally(int err, int64_t deadline)
{
	CHECK(err == 0 || err == -ETIMEDOUT || err == -ECANCELED || err == -EPIPE);
	s.timeouts += err == -ETIMEDOUT;
	s.cancels += err == -ECANCELED;
	s.closed += err == -EPIPE;
	if (err == -ETIMEDOUT)
		CHECK_EQ(weft_now(), deadline);
	CHECK_LE(weft_now(), deadline);
}

static int produce(void *arg)
{
	int who = (int)(intptr_t)arg;

	for (int i = 0; i < MESSAGES; i++) {
		struct message m = { (uint8_t)who, (uint8_t)i };
		int64_t deadline = weft_after(1 + some_span());
		int err = weft_chan_send_until(s.chan, &m, deadline);

		tally(err, deadline);
		if (err == 0)
			s.sent[who][i] = 1;
		if (err == -ECANCELED || err == -EPIPE)
			return 0;
		if (weft_sleep_until(weft_after(some_span())))
			return 0;
	}
	return 0;
}

static void accept(const struct message *m, int last[PRODUCERS])
{
	CHECK_LT(m->producer, PRODUCERS);
	CHECK_LT(m->number, MESSAGES);
	CHECK_EQ(s.received[m->producer][m->number], 0);
	s.received[m->producer][m->number] = 1;
	/* One receiver sees the messages of one sender in their order. */
	CHECK_GT((int)m->number, last[m->producer]);
	last[m->producer] = m->number;
	s.delivered++;
}

/* Receives by call or by select: as weft_chan_recv_until(). */
static int receive(struct message *m, int64_t deadline)
{
	weft_case cases[2];
	int chosen;

	if (weft__rng_below(&s.rng, 2))
		return weft_chan_recv_until(s.chan, m, deadline);
	cases[0] = weft_case_recv(s.chan, m);
	cases[1] = weft_case_deadline(&deadline);
	chosen = weft_select(cases, 2, WEFT_NEVER);
	if (chosen == 1)
		return -ETIMEDOUT;
	return chosen == 0 ? cases[0].result : chosen;
}

static int consume(void *arg)
{
	int last[PRODUCERS] = { -1, -1, -1 };

	(void)arg;
	for (;;) {
		struct message m = { 255, 255 };
		int64_t deadline = weft_after(1 + some_span());
		int err = receive(&m, deadline);

		tally(err, deadline);
		if (err == 0)
			accept(&m, last);
		else
			CHECK_EQ(m.producer, 255);
		if (err == -EPIPE || err == -ECANCELED)
			return 0;
	}
}

static int cancel_later(void *arg)
{
	CHECK_EQ(weft_sleep_until(weft_after(2 * some_span())), 0);
	weft_scope_cancel(arg);
	return 0;
}

static void drain(void)
{
	int last[PRODUCERS] = { -1, -1, -1 };
	struct message m;

	while (weft_chan_recv(s.chan, &m) == 0)
		accept(&m, last);
	for (int p = 0; p < PRODUCERS; p++)
		CHECK_MEM_EQ(s.sent[p], s.received[p], MESSAGES);
}

static int scenario(void *arg)
{
	weft_scope all, doomed;

	(void)arg;
	weft_scope_open(&all);
	weft_scope_open(&doomed);
	for (intptr_t i = 0; i < PRODUCERS; i++)
		CHECK_EQ(weft_scope_spawn(i & 1 ? &all : &doomed, produce, (void *)i, NULL), 0);
	for (intptr_t i = 0; i < CONSUMERS; i++)
		CHECK_EQ(weft_scope_spawn(i & 1 ? &all : &doomed, consume, NULL, NULL), 0);
	CHECK_EQ(weft_scope_spawn(&all, cancel_later, &doomed, NULL), 0);
	CHECK_EQ(weft_scope_close(&doomed), -ECANCELED);
	(void)weft_sleep_until(weft_after(some_span()));
	weft_chan_close(s.chan);
	CHECK_EQ(weft_scope_close(&all), 0);
	drain();
	return 0;
}

/* A quarter of the schedules: those with this capacity. */
static void many_schedules(uint64_t first, size_t capacity)
{
	const uint64_t all = seeds_wanted(), seeds = all / 4;

	for (uint64_t seed = first; seed < all; seed += 4) {
		weft__rng_seed(&s.rng, ~seed);
		memset(s.sent, 0, sizeof(s.sent));
		memset(s.received, 0, sizeof(s.received));
		CHECK_EQ(weft_chan_new(&s.chan, sizeof(struct message), capacity, NULL), 0);
		CHECK_EQ(run(seed, scenario, NULL), 0);
		weft_chan_release(s.chan);
	}
	/* Every way to end was met often, or the scenario shows nothing. */
	CHECK_GT(s.timeouts, seeds / 4);
	CHECK_GT(s.cancels, seeds / 2);
	CHECK_GT(s.closed, seeds / 4);
	CHECK_GT(s.delivered, seeds);
}

/* All of them together. */
TEST(virtual_schedules_rendezvous)
{
	many_schedules(0, 0);
}

TEST(virtual_schedules_of_one)
{
	many_schedules(1, 1);
}

TEST(virtual_schedules_of_three)
{
	many_schedules(2, 3);
}

TEST(virtual_schedules_unbounded)
{
	many_schedules(3, WEFT_UNBOUNDED);
}
