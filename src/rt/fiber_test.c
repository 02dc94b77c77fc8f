/* SPDX-License-Identifier: MIT */
/*
 * Goal: a fiber does what its contract says: it runs once, its result arrives, its
 * handle lives as long as promised, errno and name are its own. Each on 1, 2 and 4
 * workers where that can make a difference.
 */
#include "weft/fiber.h"

#include "rt_test.h"
#include "weft/event.h"
#include "weft/select.h"
#include "weft/semaphore.h"
#include "weft/waitgroup.h"

#include <errno.h>
#include <string.h>

static int echo(void *arg)
{
	return *(int *)arg;
}

static int wait_event(void *arg)
{
	return weft_event_wait(arg);
}

/* ---- spawn and join ---------------------------------------------------------------- */

static int join_many(void *arg)
{
	enum { COUNT = 1000 };
	weft_fiber *fibers[COUNT];
	int numbers[COUNT];

	(void)arg;
	for (int i = 0; i < COUNT; i++) {
		numbers[i] = i;
		fibers[i] = rt_spawn(echo, &numbers[i]);
	}
	for (int i = 0; i < COUNT; i++)
		CHECK_EQ(rt_join(fibers[i]), i);
	return 0;
}

TEST(fiber_returns_its_result)
{
	rt_run(join_many, NULL);
}

TEST(fiber_is_spawned_and_joined_by_a_plain_thread)
{
	weft_runtime *runtime = rt_start(2);
	weft_fiber *fibers[100];
	int numbers[100];

	for (int i = 0; i < 100; i++) {
		numbers[i] = i;
		fibers[i] = rt_spawn_on(runtime, echo, &numbers[i]);
	}
	for (int i = 0; i < 100; i++)
		CHECK_EQ(rt_join(fibers[i]), i);
	rt_stop(runtime);
}

TEST(fiber_of_the_default_runtime)
{
	int number = 42;

	CHECK_EQ(rt_join(rt_spawn(echo, &number)), 42);
	CHECK(weft_runtime_default() != NULL);
	CHECK_PTR_EQ(weft_fiber_current(), NULL);
	CHECK_PTR_EQ(weft_runtime_current(), NULL);
}

TEST(fiber_spawned_wrongly_is_refused)
{
	weft_fiber *fiber = (weft_fiber *)1;
	int number = 0;

	CHECK_EQ(weft_fiber_spawn(NULL, echo, &number, NULL), -EINVAL);
	CHECK_EQ(weft_fiber_spawn(&fiber, NULL, NULL, NULL), -EINVAL);
	CHECK_PTR_EQ(fiber, NULL);
	CHECK_EQ(weft_fiber_spawn(&fiber, echo, &number,
				  &(weft_fiber_opts){ .stack_size = 256 * 1024 + 1 }),
		 -EINVAL);
	CHECK_EQ(weft_fiber_spawn(&fiber, echo, &number,
				  &(weft_fiber_opts){ .stack_size = 256 * 1024 }),
		 0);
	CHECK_EQ(rt_join(fiber), 0);
}

static int join_self(void *arg)
{
	weft_fiber *self = weft_fiber_current();

	(void)arg;
	CHECK_EQ(weft_fiber_join(self, NULL), -EDEADLK);
	CHECK_EQ(weft_fiber_join_until(self, NULL, 0), -EDEADLK);
	return 0;
}

TEST(fiber_cannot_join_itself)
{
	rt_run(join_self, NULL);
}

static int join_until(void *arg)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_fiber *fiber = rt_spawn(wait_event, &event);
	int64_t deadline = weft_after_ms(2);
	int result = 77;

	(void)arg;
	CHECK(!weft_fiber_is_finished(fiber));
	CHECK_EQ(weft_fiber_join_until(fiber, &result, 0), -ETIMEDOUT);
	CHECK_EQ(weft_fiber_join_until(fiber, &result, deadline), -ETIMEDOUT);
	CHECK(weft_now() >= deadline);
	CHECK_EQ(result, 77);
	weft_event_set(&event);
	CHECK_EQ(weft_fiber_join_until(fiber, &result, WEFT_NEVER), 0);
	CHECK_EQ(result, 0);
	return 0;
}

TEST(join_until_leaves_the_handle_valid)
{
	rt_run(join_until, NULL);
}

/* A fiber that ends just as its joiner is cancelled by a deadline: the handle is valid
 * or used up, and never both. */
static int sleep_for(void *arg)
{
	return weft_sleep_until(weft_after_us(*(int *)arg));
}

static int end_meets_cancel(void *arg)
{
	int ended = 0, canceled = 0;

	(void)arg;
	for (int i = 0; i < 300; i++) {
		int us = 60 + i % 100;
		weft_fiber *fiber = rt_spawn(sleep_for, &us);
		weft_scope scope;
		int err;

		weft_scope_open_with(&scope, &(weft_scope_opts){ .deadline = weft_after_us(us) });
		err = weft_fiber_join_until(fiber, NULL, WEFT_NEVER);
		(void)weft_scope_close(&scope);
		if (err) {
			CHECK_EQ(err, -ECANCELED);
			CHECK_EQ(rt_join(fiber), 0);
			canceled++;
		} else {
			ended++;
		}
	}
	CHECK_EQ(ended + canceled, 300);
	return 0;
}

TEST(fiber_ends_while_its_joiner_is_cancelled)
{
	rt_run(end_meets_cancel, NULL);
}

/* ---- detach, select ---------------------------------------------------------------- */

struct detached {
	weft_waitgroup group;
	weft_event go;
};

static int done(void *arg)
{
	struct detached *d = arg;

	weft_waitgroup_done(&d->group);
	return 0;
}

static int done_late(void *arg)
{
	struct detached *d = arg;

	CHECK_EQ(weft_event_wait(&d->go), 0);
	weft_waitgroup_done(&d->group);
	return 0;
}

static int detach_many(void *arg)
{
	struct detached d = { .go = WEFT_EVENT_INIT };

	(void)arg;
	weft_waitgroup_add(&d.group, 2000);
	for (int i = 0; i < 1000; i++) {
		weft_fiber_detach(rt_spawn(done, &d));
		weft_fiber_detach(rt_spawn(done_late, &d));
		if (i % 7 == 0)
			weft_yield();
	}
	weft_event_set(&d.go);
	return weft_waitgroup_wait(&d.group);
}

TEST(fiber_detached_frees_itself)
{
	rt_run(detach_many, NULL);
}

TEST(fiber_detached_when_it_has_ended_is_freed)
{
	weft_runtime *runtime = rt_start(1);
	int number = 3;
	weft_fiber *fiber = rt_spawn_on(runtime, echo, &number);
	weft_case c = weft_case_fiber(fiber);

	CHECK_EQ(weft_select(&c, 1, WEFT_NEVER), 0);
	CHECK(weft_fiber_is_finished(fiber));
	weft_fiber_detach(fiber);
	rt_stop(runtime);
}

static int select_fibers(void *arg)
{
	weft_event events[2] = { WEFT_EVENT_INIT, WEFT_EVENT_INIT };
	weft_fiber *fibers[2] = { rt_spawn(wait_event, &events[0]),
				  rt_spawn(wait_event, &events[1]) };
	weft_case cases[2] = { weft_case_fiber(fibers[0]), weft_case_fiber(fibers[1]) };

	(void)arg;
	CHECK_EQ(weft_select(cases, 2, weft_after_ms(1)), -ETIMEDOUT);
	weft_event_set(&events[1]);
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 1);
	weft_event_set(&events[0]);
	CHECK_EQ(rt_join(fibers[0]), 0);
	CHECK_EQ(rt_join(fibers[1]), 0);
	return 0;
}

TEST(fiber_stands_in_a_select)
{
	rt_run(select_fibers, NULL);
}

static void join_detached(void *arg)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_fiber *fiber = rt_spawn(wait_event, &event);

	(void)arg;
	weft_fiber_detach(fiber);
	(void)weft_fiber_join(fiber, NULL);
}

TEST(fiber_joined_after_it_was_detached_stops_the_program)
{
	CHECK_DIES(join_detached, NULL, "nobody owns any more");
}

/* ---- cancelling one ---------------------------------------------------------------- */

static int cancel_one(void *arg)
{
	const weft_fiber_opts opts = { .cancellable = true };
	weft_event event = WEFT_EVENT_INIT;
	weft_fiber *a, *b;

	(void)arg;
	CHECK_EQ(weft_fiber_spawn(&a, wait_event, &event, &opts), 0);
	CHECK_EQ(weft_fiber_spawn(&b, wait_event, &event, &opts), 0);
	weft_yield();
	weft_fiber_cancel(a);
	CHECK_EQ(rt_join(a), -ECANCELED);
	CHECK(!weft_fiber_is_finished(b));
	weft_event_set(&event);
	CHECK_EQ(rt_join(b), 0);
	return 0;
}

TEST(fiber_can_be_cancelled_alone)
{
	rt_run(cancel_one, NULL);
}

/* The cancel comes as the fiber ends, or after. */
static int cancel_late(void *arg)
{
	const weft_fiber_opts opts = { .cancellable = true };

	(void)arg;
	for (int i = 0; i < 1000; i++) {
		weft_event event = WEFT_EVENT_INIT;
		weft_fiber *fiber;

		CHECK_EQ(weft_fiber_spawn(&fiber, wait_event, &event, &opts), 0);
		weft_event_set(&event);
		if (i % 2)
			weft_yield();
		weft_fiber_cancel(fiber);
		(void)rt_join(fiber);
	}
	return 0;
}

TEST(fiber_can_be_cancelled_as_it_ends)
{
	rt_run(cancel_late, NULL);
}

/* ---- what is its own --------------------------------------------------------------- */

static int keep_errno(void *arg)
{
	int mine = *(int *)arg;

	for (int i = 0; i < 100; i++) {
		errno = mine;
		if (i % 3)
			weft_yield();
		else
			CHECK_EQ(weft_sleep_until(weft_now() + 1000), 0);
		CHECK_EQ(errno, mine);
	}
	return 0;
}

static int errnos(void *arg)
{
	weft_fiber *fibers[8];
	int numbers[8];

	(void)arg;
	for (int i = 0; i < 8; i++) {
		numbers[i] = i + 1;
		CHECK_EQ(weft_fiber_spawn(&fibers[i], keep_errno, &numbers[i],
					  &(weft_fiber_opts){ .migrate = i % 2 }),
			 0);
	}
	for (int i = 0; i < 8; i++)
		CHECK_EQ(rt_join(fibers[i]), 0);
	return 0;
}

TEST(fiber_keeps_its_errno)
{
	rt_run(errnos, NULL);
}

static int about_me(void *arg)
{
	weft_fiber *self = weft_fiber_current();

	(void)arg;
	CHECK(self != NULL);
	CHECK_STR_EQ(weft_fiber_name(self), "named");
	return (int)weft_fiber_id(self);
}

static int names(void *arg)
{
	weft_fiber *a, *b;
	uint64_t ids[2];

	(void)arg;
	CHECK_EQ(weft_fiber_spawn(&a, about_me, NULL, &(weft_fiber_opts){ .name = "named" }), 0);
	CHECK_EQ(weft_fiber_spawn(&b, about_me, NULL, &(weft_fiber_opts){ .name = "named" }), 0);
	CHECK_STR_EQ(weft_fiber_name(a), "named");
	CHECK_STR_EQ(weft_fiber_name(weft_fiber_current()), "block_on");
	ids[0] = weft_fiber_id(a);
	ids[1] = weft_fiber_id(b);
	CHECK(ids[0] != ids[1]);
	CHECK_EQ(rt_join(a), (int)ids[0]);
	CHECK_EQ(rt_join(b), (int)ids[1]);
	return 0;
}

TEST(fiber_knows_its_name_and_number)
{
	rt_run(names, NULL);
}

/* ---- order and turns --------------------------------------------------------------- */

struct turns {
	int order[6];
	int count;
};

static int take_turns(void *arg)
{
	struct turns *t = arg;
	int mine = t->count;

	for (int i = 0; i < 3; i++) {
		t->order[t->count++] = mine;
		weft_yield();
	}
	return 0;
}

static int yield_alternates(void *arg)
{
	struct turns t = { .count = 0 };
	weft_fiber *a = rt_spawn(take_turns, &t), *b = rt_spawn(take_turns, &t);

	(void)arg;
	CHECK_EQ(rt_join(a), 0);
	CHECK_EQ(rt_join(b), 0);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(t.order[i], i % 2);
	return 0;
}

TEST(yield_lets_the_others_have_a_turn)
{
	weft_runtime *runtime = rt_start(1);
	int result;

	CHECK_EQ(weft_block_on(runtime, yield_alternates, NULL, &result), 0);
	rt_stop(runtime);
	weft_yield();
}

/* Two that answer each other must not keep a third from running. */
struct game {
	weft_semaphore a, b;
	bool over;
};

static int ping(void *arg)
{
	struct game *g = arg;

	while (!g->over) {
		weft_semaphore_release(&g->a, 1);
		CHECK_EQ(weft_semaphore_acquire(&g->b, 1), 0);
	}
	weft_semaphore_release(&g->a, 1);
	return 0;
}

static int pong(void *arg)
{
	struct game *g = arg;

	while (!g->over) {
		CHECK_EQ(weft_semaphore_acquire(&g->a, 1), 0);
		weft_semaphore_release(&g->b, 1);
	}
	return 0;
}

static int umpire(void *arg)
{
	struct game *g = arg;

	for (int i = 0; i < 10; i++)
		weft_yield();
	CHECK_EQ(weft_sleep_until(weft_after_ms(1)), 0);
	g->over = true;
	return 0;
}

static int play(void *arg)
{
	struct game g = { .over = false };
	weft_fiber *fibers[3] = { rt_spawn(ping, &g), rt_spawn(pong, &g), rt_spawn(umpire, &g) };

	(void)arg;
	for (int i = 2; i >= 0; i--)
		CHECK_EQ(rt_join(fibers[i]), 0);
	return 0;
}

TEST(ping_pong_starves_nobody)
{
	weft_runtime *runtime = rt_start(1);
	int result;

	CHECK_EQ(weft_block_on(runtime, play, NULL, &result), 0);
	CHECK_EQ(result, 0);
	rt_stop(runtime);
}

/* Fibers that have begun and never stop must not keep new ones from beginning. */
static int spin_until(void *arg)
{
	while (!*(volatile bool *)arg)
		weft_yield();
	return 0;
}

static int set_flag(void *arg)
{
	*(volatile bool *)arg = true;
	return 0;
}

static int begin_beside_yielders(void *arg)
{
	bool flag = false;
	weft_fiber *a = rt_spawn(spin_until, &flag), *b = rt_spawn(spin_until, &flag), *c;

	(void)arg;
	for (int i = 0; i < 5; i++)
		weft_yield();
	c = rt_spawn(set_flag, &flag);
	CHECK_EQ(rt_join(a), 0);
	CHECK_EQ(rt_join(b), 0);
	CHECK_EQ(rt_join(c), 0);
	return 0;
}

TEST(new_fibers_begin_beside_busy_ones)
{
	weft_runtime *runtime = rt_start(1);
	int result;

	CHECK_EQ(weft_block_on(runtime, begin_beside_yielders, NULL, &result), 0);
	rt_stop(runtime);
}
