/* SPDX-License-Identifier: MIT */
/*
 * Goal: each wake ends exactly one park, whichever comes first, and a park whose
 * deadline passes leaves the parker as it found it.
 * Method: the order of wake and park is fixed by looking at the token; for the
 * race of a wake with the deadline, many short deadlines, each decided by the
 * parker's answer, and a wake that must not be left over.
 */
#include "wait/wait.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include <stdio.h>

struct sleeper {
	struct weft__parker *parker;
	weft_atomic_u32 stage; /* 1: its parker is known; 2: it has been woken */
	int64_t deadline;
	int64_t ended;
	int result;
};

static void begin_wait(struct weft__parker *parker)
{
	weft_store_relaxed(&parker->token, WEFT__EMPTY);
}

static void sleep_once(void *arg, int index)
{
	struct sleeper *s = arg;

	(void)index;
	s->parker = weft__parker_self();
	begin_wait(s->parker);
	weft_store_release(&s->stage, 1);
	s->result = weft__parker_park(s->parker, s->deadline);
	s->ended = weft_now();
	weft_store_release(&s->stage, 2);
}

TEST(parker_is_each_threads_own)
{
	static struct sleeper s = { .deadline = 0 };
	struct weft__parker *mine = weft__parker_self();

	CHECK_NOT_NULL(mine);
	CHECK(mine->kind->certain);
	team_run(1, sleep_once, &s);
	CHECK_PTR_NE(s.parker, mine);
	CHECK_PTR_EQ(weft__parker_self(), mine);
}

TEST(parker_can_be_replaced_and_put_back)
{
	struct weft__parker *mine = weft__parker_self();
	struct puppet a, b;

	puppet_init(&a, true);
	puppet_init(&b, true);
	CHECK_NULL(weft__parker_install(&a.parker));
	CHECK_PTR_EQ(weft__parker_self(), &a.parker);
	CHECK_PTR_EQ(weft__parker_install(&b.parker), &a.parker);
	CHECK_PTR_EQ(weft__parker_self(), &b.parker);
	CHECK_PTR_EQ(weft__parker_install(NULL), &b.parker);
	CHECK_PTR_EQ(weft__parker_self(), mine);
}

TEST(parker_wake_before_the_park_is_kept)
{
	static const int64_t deadlines[] = { 0, 1, WEFT_NEVER };
	struct weft__parker *mine = weft__parker_self();

	for (int i = 0; i < 3; i++) {
		begin_wait(mine);
		weft__parker_wake(mine);
		CHECK_EQ(weft__parker_park(mine, deadlines[i]), 0);
		CHECK_EQ(weft_load_relaxed(&mine->token), WEFT__WOKEN);
	}
}

TEST(parker_park_ends_at_its_deadline)
{
	struct weft__parker *mine = weft__parker_self();
	static const int64_t past[] = { 0, 1, -1, INT64_MIN };

	for (int i = 0; i < 4; i++) {
		begin_wait(mine);
		CHECK_EQ(weft__parker_park(mine, past[i]), -ETIMEDOUT);
		CHECK_EQ(weft_load_relaxed(&mine->token), WEFT__EMPTY);
	}
	for (int i = 0; i < 20; i++) {
		int64_t deadline = weft_after_us(i * 50);

		begin_wait(mine);
		CHECK_EQ(weft__parker_park(mine, deadline), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
		CHECK_EQ(weft_load_relaxed(&mine->token), WEFT__EMPTY);
	}
}

static void await_parked(struct sleeper *s)
{
	await_u32(&s->stage, 1);
	while (weft_load_relaxed(&s->parker->token) != WEFT__PARKED)
		weft__thread_yield();
}

TEST(parker_wake_ends_the_sleep)
{
	static struct sleeper s;
	struct team team = { .count = 0 };
	static const int64_t far[] = { WEFT_NEVER, WEFT_NEVER - 1 };

	for (int i = 0; i < 2; i++) {
		s = (struct sleeper){ .deadline = far[i] };
		team_add(&team, 1, sleep_once, &s);
		await_parked(&s);
		weft__parker_wake(s.parker);
		team_join(&team);
		CHECK_EQ(s.result, 0);
	}
}

/* A late wake by somebody whose object was at this address hits the futex only. */
TEST(parker_sleeps_on_after_a_stray_futex_wake)
{
	static struct sleeper s;
	struct team team = { .count = 0 };

	s = (struct sleeper){ .deadline = weft_after_ms(30) };
	team_add(&team, 1, sleep_once, &s);
	/* On a busy machine its sleep may be over before we look. */
	while (weft_load_acquire(&s.stage) == 0)
		weft__thread_yield();
	while (weft_load_acquire(&s.stage) == 1) {
		weft__futex_wake(&s.parker->token, 1);
		weft__thread_yield();
	}
	team_join(&team);
	CHECK_EQ(s.result, -ETIMEDOUT);
	CHECK_GE(s.ended, s.deadline);
}

enum { RACES = 3000 };

struct duel {
	struct weft__parker *parker;
	weft_atomic_u32 round; /* the sleeper is in this round, and may be woken */
	uint32_t timeouts, wakes;
};

static void duel_sleep(struct duel *d)
{
	d->parker = weft__parker_self();
	for (uint32_t round = 1; round <= RACES; round++) {
		begin_wait(d->parker);
		weft_store_release(&d->round, round);
		if (weft__parker_park(d->parker, weft_after_us(round % 64)) == 0) {
			d->wakes++;
			continue;
		}
		/* One wake a round comes for sure, and is not lost by the time-out. */
		d->timeouts++;
		CHECK_EQ(weft__parker_park(d->parker, WEFT_NEVER), 0);
	}
}

static void duel_wake(struct duel *d)
{
	for (uint32_t round = 1; round <= RACES; round++) {
		await_u32(&d->round, round);
		for (uint32_t i = 0; i < round * 37 % 4000; i++)
			weft__cpu_pause();
		weft__parker_wake(d->parker);
	}
}

static void duel_run(void *arg, int index)
{
	if (index == 0)
		duel_sleep(arg);
	else
		duel_wake(arg);
}

TEST(parker_wake_races_the_deadline)
{
	static struct duel d;

	team_run(2, duel_run, &d);
	CHECK_EQ(d.wakes + d.timeouts, RACES);
	printf("%u wakes came first, %u deadlines\n", d.wakes, d.timeouts);
}

/* ---- spinning ---------------------------------------------------------------------------- */

static void check_training(void *arg, int index)
{
	struct weft__parker *mine = weft__parker_self();
	uint32_t first = weft__spin_budget(mine), high;

	(void)arg;
	(void)index;
	CHECK_GT(first, 0);
	weft__spin_report(mine, false);
	CHECK_LT(weft__spin_budget(mine), first);
	for (int i = 0; i < 100; i++)
		weft__spin_report(mine, false);
	CHECK_GT(weft__spin_budget(mine), 0); /* so that it can learn again */
	for (int i = 0; i < 1000; i++)
		weft__spin_report(mine, true);
	high = weft__spin_budget(mine);
	CHECK_GE(high, first);
	weft__spin_report(mine, true);
	CHECK_EQ(weft__spin_budget(mine), high); /* bounded */
}

TEST(parker_spins_as_far_as_it_pays)
{
	if (weft__thread_cpus() == 1)
		SKIP("there is one CPU only, so nobody spins");
	team_run(1, check_training, NULL);
}

static void check_no_spin(void *arg, int index)
{
	struct weft__parker *mine = weft__parker_self();

	(void)arg;
	(void)index;
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(weft__spin_budget(mine), 0);
		weft__spin_report(mine, true);
	}
}

TEST(parker_never_spins_on_one_cpu)
{
	cpu_set_t mask = pin_to_one_cpu();

	team_run(1, check_no_spin, NULL);
	unpin(mask);
}

/* How many looks there are in one spin. */
static int looks(struct weft__parker *parker)
{
	struct weft__spin spin;
	int count = 1;

	weft__spin_begin(&spin, parker, 1, 1);
	while (weft__spin_once(&spin))
		count++;
	weft__spin_end(&spin, false);
	return count;
}

static void check_yield(void *arg, int index)
{
	static const struct weft__parker_kind other = { .name = "other" };
	struct weft__parker *mine = weft__parker_self(), fiber;

	(void)arg;
	(void)index;
	mine->debt = 3; /* as after a yield that lasted */
	for (int i = 0; i < 3; i++)
		CHECK_EQ(looks(mine), 1);
	CHECK_EQ(looks(mine), 2);
	weft__parker_init(&fiber, &other);
	CHECK_EQ(looks(&fiber), 1);
}

TEST(parker_yields_once_on_one_cpu)
{
	cpu_set_t mask = pin_to_one_cpu();

	team_run(1, check_yield, NULL);
	unpin(mask);
}

TEST(parker_random_is_spread)
{
	enum { DRAWS = 30000, SIDES = 6 };
	struct weft__parker *mine = weft__parker_self();
	int seen[SIDES] = { 0 };

	for (int i = 0; i < DRAWS; i++) {
		uint32_t x = weft__parker_random(mine);

		CHECK_NE(x, 0); /* from which it would never come away */
		seen[x % SIDES]++;
	}
	for (int i = 0; i < SIDES; i++)
		CHECK_NEAR(seen[i], (double)DRAWS / SIDES, 400); /* 6 sigma */
}
