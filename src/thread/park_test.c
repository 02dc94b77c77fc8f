/* SPDX-License-Identifier: MIT */
/*
 * Goal: a permit is one permit. It is not lost, not doubled, not made up, whether
 * it comes before, during or after the park, and whatever else ends the park.
 * Method: forced orders, then races in which each permit is acknowledged.
 */
#include "weft/thread.h"

#include "blocked_test.h"
#include "check.h"
#include "weft/atomic.h"
#include "weft/backoff.h"
#include "weft/cancel.h"
#include "weft/event.h"

#include <errno.h>

static weft_thread *spawn(weft_thread_fn fn, void *arg)
{
	weft_thread *t;

	CHECK_EQ(weft_thread_spawn(&t, fn, arg, NULL), 0);
	return t;
}

TEST(park_takes_an_earlier_permit)
{
	weft_thread_unpark(weft_thread_current());
	CHECK_EQ(weft_thread_park(), 0);
	CHECK_EQ(weft_thread_park_until(0), -ETIMEDOUT);
}

TEST(park_many_unparks_are_one_permit)
{
	for (int i = 0; i < 10; i++)
		weft_thread_unpark(weft_thread_current());
	CHECK_EQ(weft_thread_park_until(0), 0);
	CHECK_EQ(weft_thread_park_until(0), -ETIMEDOUT);
	CHECK_EQ(weft_thread_park_until(weft_after_us(200)), -ETIMEDOUT);
}

TEST(park_until_ends_at_its_deadline)
{
	int64_t deadline = weft_after_ms(5);

	CHECK_EQ(weft_thread_park_until(deadline), -ETIMEDOUT);
	CHECK_GE(weft_now(), deadline);
	weft_thread_unpark(weft_thread_current());
	CHECK_EQ(weft_thread_park_until(deadline), 0);
}

TEST(park_cancelled_still_takes_a_permit_that_is_there)
{
	weft_token token;

	weft_token_init(&token, NULL);
	weft_token_cancel(&token);
	weft_ambient_set(&token);
	CHECK_EQ(weft_thread_park(), -ECANCELED);
	CHECK_EQ(weft_thread_park(), -ECANCELED);
	weft_thread_unpark(weft_thread_current());
	CHECK_EQ(weft_thread_park(), 0);
	CHECK_EQ(weft_thread_park(), -ECANCELED);
	weft_ambient_set(NULL);
}

static int park_once(void *arg)
{
	(void)arg;
	return weft_thread_park();
}

/* The token is there to see the parked thread by. */
static int park_and_end(weft_token *token, void (*wake)(weft_token *token, weft_thread *thread))
{
	weft_thread *t;
	int result;

	weft_token_init(token, NULL);
	weft_ambient_set(token);
	t = spawn(park_once, NULL);
	weft_ambient_set(NULL);
	blocked_await(&token->queue, 1);
	CHECK(!weft_thread_is_finished(t));
	wake(token, t);
	CHECK_EQ(weft_thread_join(t, &result), 0);
	return result;
}

static void wake_by_unpark(weft_token *token, weft_thread *thread)
{
	(void)token;
	weft_thread_unpark(thread);
}

static void wake_by_cancel(weft_token *token, weft_thread *thread)
{
	(void)thread;
	weft_token_cancel(token);
}

TEST(park_blocked_is_unparked)
{
	weft_token token;

	for (int i = 0; i < 100; i++)
		CHECK_EQ(park_and_end(&token, wake_by_unpark), 0);
}

TEST(park_blocked_is_cancelled)
{
	weft_token token;

	CHECK_EQ(park_and_end(&token, wake_by_cancel), -ECANCELED);
}

TEST(park_permit_may_come_after_the_end)
{
	for (int i = 0; i < 200; i++) {
		weft_thread *t;

		weft_thread_unpark(weft_thread_current());
		t = spawn(park_once, NULL);
		weft_thread_unpark(t);
		/* Anywhere between the thread's park and its end, or later. */
		weft_thread_unpark(t);
		weft_thread_unpark(t);
		while (i % 2 && !weft_thread_is_finished(t))
			weft_thread_yield();
		weft_thread_unpark(t);
		CHECK_EQ(weft_thread_join(t, NULL), 0);
		CHECK_EQ(weft_thread_park_until(0), 0); /* the creator's is its own */
	}
}

/* ---- ping and pong --------------------------------------------------------------- */

enum { ROUNDS = 20000 };

struct pong {
	weft_thread *peer;
	int plain; /* ordered by park and unpark alone */
};

static int pong(void *arg)
{
	struct pong *p = arg;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(weft_thread_park(), 0);
		CHECK_EQ(p->plain, 2 * i + 1);
		p->plain++;
		weft_thread_unpark(p->peer);
	}
	return 0;
}

TEST(park_ping_pong_loses_nothing_and_orders_memory)
{
	struct pong p = { weft_thread_current(), 0 };
	weft_thread *t = spawn(pong, &p);

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(p.plain, 2 * i);
		p.plain++;
		weft_thread_unpark(t);
		CHECK_EQ(weft_thread_park(), 0);
	}
	CHECK_EQ(weft_thread_join(t, NULL), 0);
	CHECK_EQ(weft_thread_park_until(0), -ETIMEDOUT);
}

/* ---- permits against deadlines ------------------------------------------------------ */

enum { PERMITS = 3000 };

struct race {
	weft_atomic_u32 taken;
};

static int park_with_short_deadlines(void *arg)
{
	struct race *race = arg;
	uint32_t timeouts = 0;

	for (uint32_t n = 0; n < PERMITS;) {
		int err = weft_thread_park_until(weft_after_us(timeouts % 80));

		if (err == 0)
			weft_store_release(&race->taken, ++n);
		else if (err == -ETIMEDOUT)
			timeouts++;
		else
			FAIL("park_until: %d", err);
	}
	CHECK_EQ(weft_thread_park_until(0), -ETIMEDOUT);
	return 0;
}

/* A lost permit would leave both waiting for ever; one too many would be there at
 * the end, or come early. */
TEST(park_deadlines_neither_lose_nor_double_a_permit)
{
	struct race race = { { 0 } };
	weft_thread *t = spawn(park_with_short_deadlines, &race);

	for (uint32_t n = 0; n < PERMITS; n++) {
		weft_backoff backoff = WEFT_BACKOFF_INIT;

		CHECK_EQ(weft_load_acquire(&race.taken), n);
		/* So that the permit comes now before and now after a deadline. */
		for (uint32_t i = 0; i < n % 512; i++)
			weft_pause();
		weft_thread_unpark(t);
		while (weft_load_acquire(&race.taken) == n)
			weft_backoff_snooze(&backoff);
	}
	CHECK_EQ(weft_thread_join(t, NULL), 0);
}

/* Several unpark at once; between two parks of the target there may be any number
 * of unparks, but after the last of them one permit is left or was taken. */
struct crowd {
	weft_thread *target;
	weft_atomic_u32 flags[4];
};

struct member {
	struct crowd *crowd;
	int index;
};

static int raise_flags(void *arg)
{
	struct member *m = arg;

	for (uint32_t i = 1; i <= 2000; i++) {
		weft_store_relaxed(&m->crowd->flags[m->index], i);
		weft_thread_unpark(m->crowd->target);
	}
	return 0;
}

/* The orders of unpark make the relaxed flags visible: with the last permit, the
 * last flags of all. */
TEST(park_sees_what_came_before_each_unpark)
{
	struct crowd crowd = { .target = weft_thread_current() };
	struct member members[4];
	weft_thread *threads[4];

	for (int i = 0; i < 4; i++) {
		members[i] = (struct member){ &crowd, i };
		threads[i] = spawn(raise_flags, &members[i]);
	}
	for (;;) {
		uint32_t sum = 0;

		CHECK_EQ(weft_thread_park(), 0);
		for (int i = 0; i < 4; i++)
			sum += weft_load_relaxed(&crowd.flags[i]);
		if (sum == 4 * 2000)
			break;
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(weft_thread_join(threads[i], NULL), 0);
	if (weft_thread_park_until(0) == 0) /* one may be left */
		CHECK_EQ(weft_thread_park_until(0), -ETIMEDOUT);
}
