/* SPDX-License-Identifier: MIT */
/*
 * Goal: spinning never completes, snoozing does after a known number of steps, and
 * no value of `step` makes a call long.
 */
#include "weft/backoff.h"

#include "check.h"
#include "weft/atomic.h"
#include "weft/thread.h"

enum { SNOOZES_UNTIL_COMPLETED = 11 };

TEST(backoff_spin_alone_is_never_completed)
{
	weft_backoff backoff = WEFT_BACKOFF_INIT;

	for (int i = 0; i < 1000; i++) {
		weft_backoff_spin(&backoff);
		CHECK(!weft_backoff_is_completed(&backoff));
	}
}

TEST(backoff_snooze_completes_and_begins_anew)
{
	weft_backoff backoff = WEFT_BACKOFF_INIT;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < SNOOZES_UNTIL_COMPLETED; i++) {
			CHECK(!weft_backoff_is_completed(&backoff));
			weft_backoff_snooze(&backoff);
		}
		CHECK(weft_backoff_is_completed(&backoff));
		weft_backoff_snooze(&backoff);
		CHECK(weft_backoff_is_completed(&backoff));
		backoff.step = 0;
	}
}

/* The fastest of many tries, for the machine is shared. */
static int64_t spin_ns(uint32_t step)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < 200; i++) {
		weft_backoff backoff = { step };
		int64_t start = weft_now();

		weft_backoff_spin(&backoff);
		start = weft_now() - start;
		least = start < least ? start : least;
	}
	return least;
}

TEST(backoff_spins_grow_to_64_pauses)
{
	int64_t one = spin_ns(0), most = spin_ns(6);

	CHECK_GT(spin_ns(4), one);
	CHECK_GT(most, spin_ns(4));
	CHECK_LT(spin_ns(7), 3 * most);
	CHECK_LT(spin_ns(UINT32_MAX), 3 * most);
}

static int raise_flag(void *flag)
{
	weft_pause();
	weft_store_release((weft_atomic_u32 *)flag, 1);
	return 0;
}

TEST(backoff_snooze_lets_the_other_progress)
{
	for (int i = 0; i < 100; i++) {
		weft_backoff backoff = WEFT_BACKOFF_INIT;
		weft_atomic_u32 flag = { 0 };
		weft_thread *t;

		CHECK_EQ(weft_thread_spawn(&t, raise_flag, &flag, NULL), 0);
		while (!weft_load_acquire(&flag))
			weft_backoff_snooze(&backoff);
		CHECK_EQ(weft_thread_join(t, NULL), 0);
	}
}
