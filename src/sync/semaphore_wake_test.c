/* SPDX-License-Identifier: MIT */
/*
 * Goal: permits go to who waits in the order of arrival; large requests do not
 * starve; who leaves is in nobody's way and takes nothing along; a future is told
 * and never given.
 * Method: puppets, for each order of release, arrival and leaving.
 */
#include "weft/semaphore.h"

#include "weft/event.h"
#include "weft/mutex.h"

#include "check.h"
#include "poll_waiter_test.h"

#include <errno.h>

/* Nobody waits, and `permits` are there. */
static void check_at_rest(const weft_semaphore *s, uint32_t permits)
{
	CHECK_EQ(weft_semaphore_permits(s), permits);
	CHECK_EQ(weft_load_relaxed(&s->state), (uint64_t)permits << 2);
	CHECK_EQ(weft_load_relaxed(&s->queue.word), 0);
}

/* ---- the order --------------------------------------------------------------------------- */

static void waiter_init(weft_semaphore *s, struct puppet *p, bool certain, uint32_t need)
{
	puppet_init(p, certain);
	CHECK_EQ(puppet_wait(p, weft_case_acquire(s, need)), -EAGAIN);
}

TEST(semaphore_serves_in_order_of_arrival)
{
	static const uint32_t need[] = { 2, 1, 3, 1 };
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet p[4];

	for (int i = 0; i < 4; i++)
		waiter_init(&s, &p[i], true, need[i]);
	for (int i = 0; i < 4; i++) {
		weft_semaphore_release(&s, need[i] - 1);
		CHECK_EQ(p[i].wakes, 0); /* nobody behind it gets what it waits for */
		weft_semaphore_release(&s, 1);
		CHECK_EQ(p[i].wakes, 1);
		CHECK_EQ(weft_semaphore_permits(&s), 0); /* handed over, not offered */
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(puppet_next(&p[i]), 0);
	check_at_rest(&s, 0);
}

TEST(semaphore_one_release_serves_many)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet p[5];

	for (int i = 0; i < 5; i++)
		waiter_init(&s, &p[i], true, 2);
	weft_semaphore_release(&s, 7);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(puppet_next(&p[i]), i < 3 ? 0 : -EAGAIN);
	CHECK_EQ(weft_semaphore_permits(&s), 1);
	CHECK_EQ(puppet_drop(&p[3]), -EAGAIN);
	CHECK_EQ(puppet_drop(&p[4]), -EAGAIN);
	check_at_rest(&s, 1);
}

TEST(semaphore_waiter_that_leaves_makes_room)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet big, small[2];

	weft_semaphore_release(&s, 2);
	waiter_init(&s, &big, true, 5);
	for (int i = 0; i < 2; i++) {
		puppet_init(&small[i], true);
		/* A newcomer may overtake while permits are there. */
		CHECK_EQ(puppet_wait(&small[i], weft_case_acquire(&s, 1)), 0);
	}
	for (int i = 0; i < 2; i++)
		waiter_init(&s, &small[i], true, 1);
	weft_semaphore_release(&s, 2);
	CHECK_EQ(small[0].wakes + small[1].wakes, 0);
	CHECK_EQ(puppet_drop(&big), -EAGAIN);
	CHECK_EQ(puppet_next(&small[0]), 0);
	CHECK_EQ(puppet_next(&small[1]), 0);
	check_at_rest(&s, 0);
}

/* The permits of a party that was served while it was about to leave are its own. */
TEST(semaphore_served_while_leaving_is_served)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet p[2];

	waiter_init(&s, &p[0], true, 1);
	waiter_init(&s, &p[1], true, 1);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(puppet_drop(&p[0]), 0);
	CHECK_EQ(puppet_drop(&p[1]), -EAGAIN);
	check_at_rest(&s, 0);
}

/* Its party was completed by the event and has not run yet: the permits stay. */
TEST(semaphore_permits_are_not_given_to_who_has_left)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	weft_event e = WEFT_EVENT_INIT;
	weft_case cases[] = { weft_case_acquire(&s, 2), weft_case_event(&e) };
	struct puppet p, next;

	for (int behind = 0; behind < 2; behind++) {
		puppet_init(&p, true);
		CHECK_EQ(puppet_begin(&p, cases, 2, 0), -EAGAIN);
		if (behind)
			waiter_init(&s, &next, true, 2);
		weft_event_set(&e);
		weft_semaphore_release(&s, 2);
		CHECK_EQ(weft_semaphore_permits(&s), behind ? 0 : 2);
		CHECK_EQ(puppet_next(&p), 1);
		if (behind)
			CHECK_EQ(puppet_next(&next), 0);
		else
			CHECK(weft_semaphore_try_acquire(&s, 2));
		weft_event_reset(&e);
		check_at_rest(&s, 0);
	}
}

/* ---- passed over ------------------------------------------------------------------------- */

/* Releases to a big waiter, taken away again by a newcomer, until newcomers are
 * held off. */
static int passes_until_starved(weft_semaphore *s)
{
	for (int passes = 0; passes < 100; passes++) {
		weft_semaphore_release(s, 1);
		if (!weft_semaphore_try_acquire(s, 1))
			return passes;
	}
	FAIL("newcomers overtook a waiter 100 times");
}

TEST(semaphore_starved_waiter_holds_newcomers_off)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet big, late;

	waiter_init(&s, &big, true, 3);
	CHECK_LE(passes_until_starved(&s), 31);
	CHECK_EQ(weft_semaphore_acquire_until(&s, 1, 0), -ETIMEDOUT);
	waiter_init(&s, &late, true, 1); /* queues up, although a permit is there */
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&big), 0);
	CHECK_EQ(puppet_next(&late), -EAGAIN);
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&late), 0);
	check_at_rest(&s, 1);
	CHECK(weft_semaphore_try_acquire(&s, 1));
}

TEST(semaphore_starved_waiter_that_leaves_lets_newcomers_in)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet big, late;

	for (int behind = 0; behind < 2; behind++) {
		waiter_init(&s, &big, true, 3);
		CHECK_LE(passes_until_starved(&s), 31);
		if (behind)
			waiter_init(&s, &late, true, 1);
		CHECK_EQ(puppet_drop(&big), -EAGAIN);
		if (behind)
			CHECK_EQ(puppet_next(&late), 0);
		else
			CHECK(weft_semaphore_try_acquire(&s, 1));
		check_at_rest(&s, 0);
	}
}

/* A starved party is linked anew, at the end of the queue, when its select was
 * woken for another case; it must neither open the door for newcomers while the
 * next one is starved, nor forget that it was starved itself. */
TEST(semaphore_starved_select_stays_starved)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	weft_mutex m = WEFT_MUTEX_INIT;
	weft_case cases[2];
	struct puppet p, other;

	weft_mutex_lock(&m);
	cases[0] = weft_case_acquire(&s, 3);
	cases[1] = weft_case_lock(&m);
	puppet_init(&p, true);
	CHECK_EQ(puppet_begin(&p, cases, 2, 0), -EAGAIN);
	CHECK_LE(passes_until_starved(&s), 31);
	waiter_init(&s, &other, true, 3);
	CHECK_EQ(weft_semaphore_permits(&s), 1);
	weft_mutex_unlock(&m); /* wakes it for nothing: */
	CHECK(weft_mutex_try_lock(&m));
	CHECK_EQ(puppet_next(&p), -EAGAIN); /* now it is behind `other` */
	CHECK(weft_semaphore_try_acquire(&s, 1));
	CHECK_LE(passes_until_starved(&s), 31);
	/* The first one leaves for good: `other` goes on holding newcomers off. */
	CHECK_EQ(puppet_drop(&p), -EAGAIN);
	CHECK(!weft_semaphore_try_acquire(&s, 1));
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&other), 0);
	check_at_rest(&s, 0);

	/* Alone in the queue, relinked, it holds them off again. */
	CHECK_EQ(puppet_begin(&p, cases, 2, 0), -EAGAIN);
	CHECK_LE(passes_until_starved(&s), 31);
	weft_mutex_unlock(&m);
	CHECK(weft_mutex_try_lock(&m));
	CHECK_EQ(puppet_next(&p), -EAGAIN);
	weft_semaphore_release(&s, 0);
	CHECK(!weft_semaphore_try_acquire(&s, 1));
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&p), 0);
	check_at_rest(&s, 0);
}

/* A large request of a select does not stand in the way of its own smaller one. */
TEST(semaphore_select_may_take_less_if_more_is_not_there)
{
	for (int order = 0; order < 2; order++) {
		weft_semaphore s = WEFT_SEMAPHORE_INIT;
		weft_case cases[] = { weft_case_acquire(&s, order ? 9 : 2),
				      weft_case_acquire(&s, order ? 2 : 9) };
		struct puppet p, next;

		puppet_init(&p, true);
		CHECK_EQ(puppet_begin(&p, cases, 2, WEFT__BIASED), -EAGAIN);
		waiter_init(&s, &next, true, 1);
		weft_semaphore_release(&s, 3);
		CHECK_EQ(puppet_next(&p), order);
		CHECK_EQ(puppet_next(&next), 0); /* by then it was first */
		check_at_rest(&s, 0);
	}
}

/* ---- futures ----------------------------------------------------------------------------- */

TEST(semaphore_permits_are_never_handed_to_a_future)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet p;

	waiter_init(&s, &p, false, 2);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(p.wakes, 0);
	for (int i = 1; i < 100; i++) {
		weft_semaphore_release(&s, 1);
		CHECK_EQ(p.wakes, i);
		CHECK(weft_semaphore_try_acquire(&s, 1)); /* overtaken */
		CHECK_EQ(puppet_next(&p), -EAGAIN);
	}
	weft_semaphore_release(&s, 1);
	CHECK_EQ(weft_semaphore_permits(&s), 2);
	CHECK_EQ(puppet_next(&p), 0);
	check_at_rest(&s, 0);
}

TEST(semaphore_thread_behind_futures_is_served)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet future[2], thread;

	waiter_init(&s, &future[0], false, 1);
	waiter_init(&s, &future[1], false, 1);
	waiter_init(&s, &thread, true, 1);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(future[0].wakes + future[1].wakes, 2);
	CHECK_EQ(puppet_next(&thread), 0);
	CHECK_EQ(puppet_next(&future[0]), -EAGAIN);
	CHECK_EQ(puppet_drop(&future[1]), -EAGAIN);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(puppet_next(&future[0]), 0);
	check_at_rest(&s, 0);
}

/* A future in front that wants more than there is, and one that was told and does
 * not come, are not in the way; nor is a thread behind them overtaken for ever. */
TEST(semaphore_parked_future_holds_back_nobody)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet told, big, thread[2];

	waiter_init(&s, &told, false, 1);
	waiter_init(&s, &big, false, 9);
	waiter_init(&s, &thread[0], true, 1);
	waiter_init(&s, &thread[1], true, 3);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(told.wakes, 1);
	CHECK_EQ(puppet_next(&thread[0]), 0);
	CHECK_LE(passes_until_starved(&s), 31);
	weft_semaphore_release(&s, 2);
	CHECK_EQ(puppet_next(&thread[1]), 0);
	CHECK_EQ(puppet_drop(&told), -EAGAIN);
	CHECK_EQ(puppet_drop(&big), -EAGAIN);
	check_at_rest(&s, 0);
}

/* Futures behind a thread that waits are not told of permits that are its. */
TEST(semaphore_future_behind_a_thread_waits)
{
	weft_semaphore s = WEFT_SEMAPHORE_INIT;
	struct puppet thread, future;

	waiter_init(&s, &thread, true, 2);
	waiter_init(&s, &future, false, 1);
	weft_semaphore_release(&s, 1);
	CHECK_EQ(future.wakes, 0);
	CHECK_EQ(puppet_drop(&thread), -EAGAIN);
	CHECK_EQ(future.wakes, 1);
	CHECK_EQ(puppet_next(&future), 0);
	check_at_rest(&s, 0);
}
