/* SPDX-License-Identifier: MIT */
/*
 * Goal: each thread has a handle of its own for as long as it runs, destructors
 * included; however a thread ends, its joiner learns of it; and misuse of handles
 * stops the program. Method: pthread's own threads, keys and exits beside Weft's.
 */
#include "weft/thread.h"

#include "check.h"
#include "weft/cancel.h"
#include "weft/event.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static weft_thread *spawn(weft_thread_fn fn, void *arg)
{
	weft_thread *t;

	CHECK_EQ(weft_thread_spawn(&t, fn, arg, NULL), 0);
	return t;
}

/* ---- misuse: each in a child; before other tests, which may leave threads --------- */

static weft_event never;

static int wait_for_ever(void *arg)
{
	(void)arg;
	return weft_event_wait(&never);
}

static void detach_twice(void *arg)
{
	weft_thread *t = spawn(wait_for_ever, arg);

	weft_thread_detach(t);
	weft_thread_detach(t);
}

static void join_after_detach(void *arg)
{
	weft_thread *t = spawn(wait_for_ever, arg);

	weft_thread_detach(t);
	(void)weft_thread_join(t, NULL);
}

static void detach_foreign(void *arg)
{
	(void)arg;
	weft_thread_detach(weft_thread_current());
}

TEST(current_misuse_of_handles_stops_the_program)
{
	const char *sentence = "weft: a thread was joined or detached that nobody owns";

	CHECK_DIES(detach_twice, NULL, sentence);
	CHECK_DIES(join_after_detach, NULL, sentence);
	CHECK_DIES(detach_foreign, NULL, sentence);
}

/* ---- the thread's own handle -------------------------------------------------- */

static void run_foreign(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static int give_current(void *out)
{
	*(weft_thread **)out = weft_thread_current();
	return 0;
}

TEST(current_of_a_spawned_thread_is_its_handle)
{
	weft_thread *inside = NULL;
	weft_thread *t = spawn(give_current, &inside);
	weft_case c = weft_case_thread(t);

	CHECK_EQ(weft_event_wait(c.object), 0);
	CHECK_PTR_EQ(inside, t);
	CHECK_EQ(weft_thread_join(t, NULL), 0);
}

static void *look_at_self(void *arg)
{
	weft_thread *self;

	pthread_setname_np(pthread_self(), "foreigner");
	self = weft_thread_current();
	CHECK_NOT_NULL(self);
	CHECK_PTR_EQ(self, weft_thread_current());
	CHECK_PTR_NE(self, arg);
	CHECK_STR_EQ(weft_thread_name(self), "foreigner");
	CHECK_NE(weft_thread_id(self), weft_thread_id(arg));
	CHECK(!weft_thread_is_finished(self));
	CHECK_EQ(weft_thread_join(self, NULL), -EDEADLK);
	weft_thread_unpark(self);
	CHECK_EQ(weft_thread_park(), 0);
	return NULL;
}

/* LeakSanitizer sees whether the handles go with their threads. */
TEST(current_of_a_foreign_thread_is_made_and_freed)
{
	weft_thread *self = weft_thread_current();

	CHECK_NOT_NULL(self);
	for (int i = 0; i < 100; i++)
		run_foreign(look_at_self, self);
	CHECK_PTR_EQ(self, weft_thread_current());
}

/* ---- destructors -------------------------------------------------------------------- */

/* One key is made before Weft's own, one after: the system may call their
 * destructors in either order. */
static pthread_key_t early, late;

static void look_while_ending(void *value)
{
	weft_thread *self = weft_thread_current();

	CHECK_NOT_NULL(self);
	CHECK_PTR_EQ(self, weft_thread_current());
	CHECK(weft_thread_id(self) != 0);
	CHECK_NULL(weft_ambient());
	CHECK_EQ(weft_thread_park_until(0), -ETIMEDOUT);
	for (int i = 0; i < 50; i++)
		weft_thread_yield();
	++*(int *)value; /* plain: ordered by nothing but the join */
}

static int set_keys(void *value)
{
	CHECK_EQ(pthread_setspecific(early, value), 0);
	CHECK_EQ(pthread_setspecific(late, value), 0);
	return 0;
}

static void *set_keys_foreign(void *value)
{
	CHECK_NOT_NULL(weft_thread_current());
	set_keys(value);
	return NULL;
}

static void *set_keys_only(void *value)
{
	set_keys(value);
	return NULL;
}

TEST(current_holds_in_destructors_and_join_waits_for_them)
{
	int value = 0;
	weft_token token;

	CHECK_EQ(pthread_key_create(&early, look_while_ending), 0);
	CHECK_NOT_NULL(weft_thread_current());
	CHECK_EQ(pthread_key_create(&late, look_while_ending), 0);
	weft_token_init(&token, NULL);
	weft_ambient_set(&token);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(weft_thread_join(spawn(set_keys, &value), NULL), 0);
		CHECK_EQ(value, 8 * i + 2);
		CHECK_EQ(weft_thread_join_until(spawn(set_keys, &value), NULL, WEFT_NEVER), 0);
		CHECK_EQ(value, 8 * i + 4);
		run_foreign(set_keys_foreign, &value);
		run_foreign(set_keys_only, &value);
		CHECK_EQ(value, 8 * i + 8);
	}
	weft_ambient_set(NULL);
	CHECK_EQ(pthread_key_delete(early), 0);
	CHECK_EQ(pthread_key_delete(late), 0);
}

static int exit_inside(void *arg)
{
	++*(int *)arg;
	pthread_exit(NULL);
}

TEST(current_thread_that_exits_counts_as_cancelled)
{
	static int forgotten;
	int value = 0, result = 0;

	CHECK_EQ(weft_thread_join(spawn(exit_inside, &value), &result), 0);
	CHECK_EQ(result, -ECANCELED);
	CHECK_EQ(value, 1);
	weft_thread_detach(spawn(exit_inside, &forgotten));
}
