/* SPDX-License-Identifier: MIT */
/*
 * Goal: close waits for all, gives the first error, and leaves nothing behind.
 * Method: work that goes on only when close is seen to wait, and plain memory that
 * nothing but close orders. How cancellation spreads is in scope_cancel_test.c.
 */
#include "weft/scope.h"

#include "blocked_test.h"
#include "check.h"
#include "weft/event.h"
#include "weft/mutex.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static void spawn(weft_scope *scope, weft_thread_fn fn, void *arg)
{
	CHECK_EQ(weft_scope_spawn_thread(scope, fn, arg, NULL), 0);
}

static int count_up(void *arg)
{
	weft_add_relaxed((weft_atomic_u32 *)arg, 1);
	return 0;
}

static int echo(void *arg)
{
	return *(int *)arg;
}

TEST(scope_of_nothing_closes)
{
	weft_scope scope;

	weft_scope_open(&scope);
	CHECK_PTR_EQ(weft_ambient(), &scope.token);
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_NULL(weft_ambient());
}

/* ---- close waits for all ------------------------------------------------------------- */

enum { THREADS = 20 };

struct gated {
	weft_event gate;
	weft_mutex mutex;
	weft_scope scope;
	weft_atomic_u32 count;
};

static int count_after_gate(void *arg)
{
	struct gated *g = arg;

	CHECK_EQ(weft_event_wait(&g->gate), 0);
	return count_up(&g->count);
}

static int count_under_mutex(void *arg)
{
	struct gated *g = arg;

	weft_mutex_lock(&g->mutex);
	count_up(&g->count);
	weft_mutex_unlock(&g->mutex);
	return 0;
}

/* Runs outside of the scope; lets the work go on when close is seen to wait. */
static int release_when_closing(void *arg)
{
	struct gated *g = arg;

	blocked_await(&g->scope.running.queue, 1);
	CHECK_EQ(weft_load_relaxed(&g->count), 0);
	weft_event_set(&g->gate);
	weft_mutex_unlock(&g->mutex);
	return 0;
}

static int close_gated(weft_thread_fn work, bool cancelled)
{
	struct gated g = { .gate = WEFT_EVENT_INIT };
	weft_thread *other;
	int err;

	weft_mutex_lock(&g.mutex);
	weft_scope_open(&g.scope);
	for (int i = 0; i < THREADS; i++)
		spawn(&g.scope, work, &g);
	CHECK_EQ(weft_thread_spawn(&other, release_when_closing, &g,
				   &(weft_thread_opts){ .outlives_scope = true }),
		 0);
	if (cancelled)
		weft_scope_cancel(&g.scope);
	err = weft_scope_close(&g.scope);
	CHECK_EQ(weft_load_relaxed(&g.count), THREADS);
	CHECK_EQ(weft_thread_join(other, NULL), 0);
	return err;
}

TEST(scope_close_waits_for_all)
{
	CHECK_EQ(close_gated(count_after_gate, false), 0);
}

/* And locking a mutex ignores the cancellation. */
TEST(scope_close_waits_for_all_even_when_cancelled)
{
	CHECK_EQ(close_gated(count_under_mutex, true), -ECANCELED);
}

static weft_atomic_u32 tree_count;

struct branch {
	weft_scope *scope;
	int depth;
};

static struct branch *branch_new(weft_scope *scope, int depth)
{
	struct branch *b = calloc(1, sizeof(*b));

	CHECK_NOT_NULL(b);
	b->scope = scope;
	b->depth = depth;
	return b;
}

static int grow(void *arg)
{
	struct branch *b = arg;

	count_up(&tree_count);
	for (int i = 0; i < 2 && b->depth > 0; i++)
		spawn(b->scope, grow, branch_new(b->scope, b->depth - 1));
	free(b);
	return 0;
}

TEST(scope_threads_spawn_into_their_scope)
{
	weft_scope scope;

	weft_store_relaxed(&tree_count, 0);
	weft_scope_open(&scope);
	spawn(&scope, grow, branch_new(&scope, 6));
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(weft_load_relaxed(&tree_count), 127);
}

/* The frame of the scope goes at once: AddressSanitizer sees a late touch. */
TEST(scope_is_not_touched_after_close)
{
	weft_atomic_u32 count = { 0 };

	for (int i = 0; i < 300; i++) {
		weft_scope *scope = calloc(1, sizeof(*scope));

		CHECK_NOT_NULL(scope);
		weft_scope_open(scope);
		for (int k = 0; k < 4; k++)
			spawn(scope, count_up, &count);
		CHECK_EQ(weft_scope_close(scope), 0);
		free(scope);
	}
	CHECK_EQ(weft_load_relaxed(&count), 1200);
}

/* ---- the threads have left ------------------------------------------------------------ */

static pthread_key_t key;

static void destroy(void *value)
{
	for (int i = 0; i < 100; i++)
		weft_thread_yield();
	++*(int *)value; /* plain: ordered by close alone */
}

static int set_key(void *value)
{
	return -pthread_setspecific(key, value);
}

static int set_key_and_exit(void *value)
{
	CHECK_EQ(pthread_setspecific(key, value), 0);
	pthread_exit(NULL);
}

TEST(scope_close_waits_for_destructors)
{
	int values[THREADS] = { 0 };
	weft_scope scope;

	CHECK_EQ(pthread_key_create(&key, destroy), 0);
	weft_scope_open(&scope);
	for (int i = 0; i < THREADS; i++)
		spawn(&scope, set_key, &values[i]);
	CHECK_EQ(weft_scope_close(&scope), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(values[i], 1);
	CHECK_EQ(pthread_key_delete(key), 0);
}

static weft_event slow_gate;

static void destroy_slowly(void *value)
{
	CHECK_EQ(weft_event_wait(&slow_gate), 0);
	for (int i = 0; i < 1000; i++)
		weft_thread_yield();
	++*(int *)value;
}

static int open_slow_gate(void *arg)
{
	(void)arg;
	weft_event_set(&slow_gate);
	return 0;
}

/* The first thread to end is still there when the last one is gone. */
TEST(scope_close_waits_for_destructors_of_all)
{
	weft_scope scope;
	int value = 0;

	CHECK_EQ(pthread_key_create(&key, destroy_slowly), 0);
	weft_scope_open(&scope);
	spawn(&scope, set_key, &value);
	while (weft_waitgroup_count(&scope.running) > 0)
		weft_thread_yield();
	spawn(&scope, open_slow_gate, NULL);
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(value, 1);
	CHECK_EQ(pthread_key_delete(key), 0);
}

TEST(scope_thread_that_exits_counts_as_cancelled)
{
	int value = 0;
	weft_scope scope;

	CHECK_EQ(pthread_key_create(&key, destroy), 0);
	weft_scope_open(&scope);
	spawn(&scope, set_key_and_exit, &value);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	CHECK_EQ(value, 1);
	CHECK_EQ(pthread_key_delete(key), 0);
}

/* ---- the first error ------------------------------------------------------------------- */

TEST(scope_close_gives_the_error)
{
	int errors[] = { 0, -EIO, 0, 7 };
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < 3; i++)
		spawn(&scope, echo, &errors[i]);
	CHECK_EQ(weft_scope_close(&scope), -EIO);
	weft_scope_open(&scope);
	spawn(&scope, echo, &errors[3]);
	CHECK_EQ(weft_scope_close(&scope), 7);
}

static int fail_after_cancellation(void *arg)
{
	CHECK_EQ(weft_event_wait(arg), -ECANCELED);
	CHECK(weft_cancelled());
	return -EBADF;
}

TEST(scope_keeps_the_first_error_only)
{
	weft_event never = WEFT_EVENT_INIT;
	int first = -EIO;

	for (int i = 0; i < 50; i++) {
		weft_scope scope;

		weft_scope_open(&scope);
		for (int k = 0; k < 4; k++)
			spawn(&scope, fail_after_cancellation, &never);
		spawn(&scope, echo, &first);
		CHECK_EQ(weft_event_wait(&never), -ECANCELED); /* the opener too */
		weft_scope_cancel(&scope);
		CHECK_EQ(weft_scope_close(&scope), -EIO);
	}
}

TEST(scope_cancel_is_an_error_unless_there_is_one)
{
	weft_event never = WEFT_EVENT_INIT;
	weft_scope scope;
	int zero = 0;

	weft_scope_open(&scope);
	weft_scope_cancel(&scope);
	weft_scope_cancel(&scope);
	CHECK(weft_cancelled());
	/* Its work runs nevertheless, and finds out. */
	spawn(&scope, fail_after_cancellation, &never);
	spawn(&scope, echo, &zero);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	CHECK(!weft_cancelled());
}

/* ---- failure and misuse ----------------------------------------------------------- */

TEST(scope_failed_spawn_is_undone)
{
	weft_scope scope;
	int zero = 0;

	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn_thread(&scope, echo, &zero,
					 &(weft_thread_opts){ .stack_size = SIZE_MAX }),
		 -EINVAL);
	CHECK_EQ(weft_scope_spawn_thread(&scope, NULL, &zero, NULL), -EINVAL);
	CHECK_EQ(weft_scope_spawn_thread(&scope, echo, &zero,
					 &(weft_thread_opts){ .outlives_scope = true }),
		 -EINVAL);
	CHECK_EQ(weft_waitgroup_count(&scope.running), 0);
	CHECK(!weft_cancelled());
	CHECK_EQ(weft_scope_close(&scope), 0);
}

static void close_outer_first(void *arg)
{
	weft_scope outer, inner;

	(void)arg;
	weft_scope_open(&outer);
	weft_scope_open(&inner);
	(void)weft_scope_close(&outer);
}

static int close_inside(void *scope)
{
	return weft_scope_close(scope);
}

static void close_from_a_thread_of_it(void *arg)
{
	weft_scope scope;

	(void)arg;
	weft_scope_open(&scope);
	spawn(&scope, close_inside, &scope);
	(void)weft_scope_close(&scope);
}

static void close_twice(void *arg)
{
	weft_scope scope;

	(void)arg;
	weft_scope_open(&scope);
	(void)weft_scope_close(&scope);
	(void)weft_scope_close(&scope);
}

TEST(scope_closed_wrongly_stops_the_program)
{
	CHECK_DIES(close_outer_first, NULL, "weft: a scope was closed before the scopes inside");
	CHECK_DIES(close_from_a_thread_of_it, NULL, "weft: a scope was closed twice, or by");
	CHECK_DIES(close_twice, NULL, "weft: a scope was closed twice, or by");
}
