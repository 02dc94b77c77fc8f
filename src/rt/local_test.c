/* SPDX-License-Identifier: MIT */
/*
 * Goal: a local belongs to one fiber or thread, survives its switches, and is destroyed
 * by its owner, once.
 */
#include "weft/local.h"

#include "rt_test.h"
#include "weft/thread.h"

#include <errno.h>

static weft_local_key key, other;
static weft_atomic_u32 destroyed;

static void count_destroyed(void *value)
{
	weft_add_relaxed(&destroyed, *(uint32_t *)value);
}

static void keys_make(void)
{
	if (key.id)
		return;
	CHECK_EQ(weft_local_key_init(&key, count_destroyed), 0);
	CHECK_EQ(weft_local_key_init(&other, NULL), 0);
}

static int own_value(void *arg)
{
	CHECK_NULL(weft_local_get(&key));
	CHECK_EQ(weft_local_set(&key, arg), 0);
	CHECK_EQ(weft_local_set(&other, &key), 0);
	for (int i = 0; i < 20; i++) {
		if (i % 3)
			weft_yield();
		else
			CHECK_EQ(weft_sleep_until(weft_after_us(20)), 0);
		CHECK_PTR_EQ(weft_local_get(&key), arg);
	}
	return 0;
}

static int many_values(void *arg)
{
	uint32_t ones[16];
	weft_scope scope;

	(void)arg;
	weft_store_relaxed(&destroyed, 0);
	weft_scope_open(&scope);
	for (int i = 0; i < 16; i++) {
		ones[i] = 1;
		if (i % 4 == 3)
			CHECK_EQ(weft_scope_spawn_thread(&scope, own_value, &ones[i], NULL), 0);
		else
			CHECK_EQ(weft_scope_spawn(&scope, own_value, &ones[i],
						  &(weft_fiber_opts){ .migrate = i % 4 == 2 }),
				 0);
	}
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(weft_load_relaxed(&destroyed), 16);
	CHECK_NULL(weft_local_get(&key));
	return 0;
}

TEST(local_is_the_fibers_or_the_threads_own)
{
	keys_make();
	rt_run(many_values, NULL);
}

/* A destructor that sets values again, and blocks. */
static weft_local_key stubborn;
static weft_atomic_u32 calls;

static void set_again(void *value)
{
	weft_add_relaxed(&calls, 1);
	weft_yield();
	CHECK(weft_fiber_current() != NULL);
	CHECK_EQ(weft_local_set(&stubborn, value), 0);
}

static int set_stubborn(void *arg)
{
	return weft_local_set(&stubborn, arg);
}

TEST(local_destructors_are_called_in_turn_but_not_for_ever)
{
	int value = 0;

	if (!stubborn.id)
		CHECK_EQ(weft_local_key_init(&stubborn, set_again), 0);
	weft_store_relaxed(&calls, 0);
	CHECK_EQ(rt_join(rt_spawn(set_stubborn, &value)), 0);
	CHECK_EQ(weft_load_relaxed(&calls), 4);
}

TEST(local_keys_come_to_an_end)
{
	weft_local_key last = { 0 };
	int err = 0;

	for (int i = 0; i <= WEFT_LOCAL_KEYS_MOST && !err; i++) {
		err = weft_local_key_init(&last, NULL);
		if (!err) {
			CHECK_NULL(weft_local_get(&last));
			CHECK_EQ(weft_local_set(&last, &last), 0);
			CHECK_PTR_EQ(weft_local_get(&last), &last);
		}
	}
	CHECK_EQ(err, -EAGAIN);
}

static void set_without_key(void *arg)
{
	const weft_local_key none = { 0 };

	(void)weft_local_get(&none);
	if (weft_local_set(&none, arg) != 0)
		return;
}

TEST(local_without_a_key_stops_the_program)
{
	CHECK_DIES(set_without_key, &key, "not initialised");
}

static weft_local_key first, second, far[20];
static weft_atomic_u32 seconds, runs;

static void set_far(void *value)
{
	CHECK_EQ(weft_local_set(&far[19], value), 0);
}

static void count_second(void *value)
{
	(void)value;
	weft_add_relaxed(&seconds, 1);
}

static int set_both(void *arg)
{
	CHECK_EQ(weft_local_set(&first, arg), 0);
	CHECK_EQ(weft_local_set(&second, arg), 0);
	weft_add_relaxed(&runs, 1);
	return 0;
}

/* The table moves while it is gone through. */
TEST(local_destructor_may_set_one_far_away)
{
	weft_thread *thread;

	CHECK_EQ(weft_local_key_init(&first, set_far), 0);
	CHECK_EQ(weft_local_key_init(&second, count_second), 0);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(weft_local_key_init(&far[i], NULL), 0);
	rt_run(set_both, &first);
	CHECK_EQ(weft_load_relaxed(&seconds), weft_load_relaxed(&runs));
	CHECK_EQ(weft_thread_spawn(&thread, set_both, &first, NULL), 0);
	CHECK_EQ(weft_thread_join(thread, NULL), 0);
	CHECK_EQ(weft_load_relaxed(&seconds), weft_load_relaxed(&runs));
}
