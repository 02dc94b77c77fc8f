/* SPDX-License-Identifier: MIT */
/*
 * Goal: a thread gets what it was spawned with, its end reaches whoever joins,
 * selects or asks, in each order of end, join and detach, and nothing is left
 * behind (LeakSanitizer looks). Method: events as gates, so that each order is
 * forced and nothing is awaited by time.
 */
#include "weft/thread.h"

#include "blocked_test.h"
#include "check.h"
#include "weft/cancel.h"
#include "weft/event.h"
#include "weft/select.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static int echo(void *arg)
{
	return *(int *)arg;
}

static int wait_for(void *gate)
{
	return weft_event_wait(gate);
}

static weft_thread *spawn(weft_thread_fn fn, void *arg)
{
	weft_thread *t;

	CHECK_EQ(weft_thread_spawn(&t, fn, arg, NULL), 0);
	CHECK_NOT_NULL(t);
	return t;
}

/* Returns when the function of the thread has returned. */
static void await_end(weft_thread *t)
{
	weft_case c = weft_case_thread(t);

	CHECK_EQ(weft_select(&c, 1, WEFT_NEVER), 0);
	CHECK_EQ(c.result, 0);
	CHECK(weft_thread_is_finished(t));
}

TEST(thread_join_gives_the_result)
{
	int values[] = { 0, 42, -EIO };
	int result;

	for (int i = 0; i < 3; i++) {
		result = 77;
		CHECK_EQ(weft_thread_join(spawn(echo, &values[i]), &result), 0);
		CHECK_EQ(result, values[i]);
	}
	CHECK_EQ(weft_thread_join(spawn(echo, &values[1]), NULL), 0);
}

static int increment(void *arg)
{
	++*(int *)arg;
	return 0;
}

/* Plain memory: ThreadSanitizer sees whether spawn and join order it. */
TEST(thread_spawn_and_join_make_writes_visible)
{
	weft_thread *t;
	int plain = 0;

	for (int i = 0; i < 100; i++) {
		plain++;
		t = spawn(increment, &plain);
		if (i % 2)
			await_end(t);
		CHECK_EQ(weft_thread_join(t, NULL), 0);
		CHECK_EQ(plain, 2 * i + 2);
	}
	t = spawn(increment, &plain);
	while (!weft_thread_is_finished(t))
		weft_thread_yield();
	CHECK_EQ(plain, 201);
	CHECK_EQ(weft_thread_join_until(t, NULL, 0), 0);
}

TEST(thread_is_finished_only_after_its_end)
{
	weft_event gate = WEFT_EVENT_INIT;
	weft_thread *t = spawn(wait_for, &gate);

	CHECK(!weft_thread_is_finished(t));
	weft_event_set(&gate);
	await_end(t);
	CHECK_EQ(weft_thread_join(t, NULL), 0);
}

TEST(thread_join_until_leaves_the_handle_when_it_times_out)
{
	weft_event gate = WEFT_EVENT_INIT;
	weft_thread *t = spawn(wait_for, &gate);
	int64_t deadline = weft_after_ms(2);
	int result = 77;

	CHECK_EQ(weft_thread_join_until(t, &result, 0), -ETIMEDOUT);
	CHECK_EQ(weft_thread_join_until(t, &result, deadline), -ETIMEDOUT);
	CHECK_GE(weft_now(), deadline);
	CHECK_EQ(result, 77);
	weft_event_set(&gate);
	CHECK_EQ(weft_thread_join_until(t, &result, WEFT_NEVER), 0);
	CHECK_EQ(result, 0);
}

TEST(thread_join_until_is_cancelled_but_not_after_the_end)
{
	weft_event gate = WEFT_EVENT_INIT;
	weft_thread *t = spawn(wait_for, &gate);
	weft_token token;
	int result = 77;

	weft_token_init(&token, NULL);
	weft_token_cancel(&token);
	CHECK_NULL(weft_ambient_set(&token));
	CHECK_EQ(weft_thread_join_until(t, &result, WEFT_NEVER), -ECANCELED);
	CHECK_EQ(result, 77);
	weft_event_set(&gate);
	while (!weft_thread_is_finished(t))
		weft_thread_yield();
	CHECK_EQ(weft_thread_join_until(t, &result, 0), 0);
	CHECK_EQ(result, 0);
	CHECK_PTR_EQ(weft_ambient_set(NULL), &token);
}

static int open_late(void *gate)
{
	for (int i = 0; i < 1000; i++)
		weft_thread_yield();
	weft_event_set(gate);
	return 0;
}

static int wait_and_return_42(void *gate)
{
	return weft_event_wait(gate) == 0 ? 42 : 0;
}

TEST(thread_join_ignores_cancellation)
{
	for (int i = 0; i < 10; i++) {
		weft_event gate = WEFT_EVENT_INIT;
		weft_thread *t = spawn(wait_and_return_42, &gate);
		weft_thread *opener = spawn(open_late, &gate);
		weft_token token;
		int result = 77;

		weft_token_init(&token, NULL);
		weft_token_cancel(&token);
		weft_ambient_set(&token);
		CHECK_EQ(weft_thread_join(t, &result), 0);
		CHECK_EQ(result, 42);
		CHECK_EQ(weft_thread_join(opener, NULL), 0);
		weft_ambient_set(NULL);
	}
}

/* A party that is not a plain thread: its parker is of another kind, and to join it
 * must go through that. */
static weft_atomic_u32 parked;

static int park_and_count(struct weft__parker *parker, int64_t deadline)
{
	weft_add_relaxed(&parked, 1);
	return weft__thread_park_token(parker, deadline);
}

struct late_gate {
	weft_event *gate;
	weft_waitq *joiners;
};

static int open_for_a_joiner(void *arg)
{
	struct late_gate *late = arg;

	blocked_await(late->joiners, 1);
	weft_event_set(late->gate);
	return 0;
}

TEST(thread_join_of_another_kind_of_party_goes_through_its_parker)
{
	static const struct weft__parker_kind kind = {
		.name = "counting",
		.certain = true,
		.park = park_and_count,
		.wake = weft__thread_wake_token,
	};
	weft_event gate = WEFT_EVENT_INIT;
	weft_thread *t = spawn(wait_and_return_42, &gate);
	weft_event *finished = weft_case_thread(t).object;
	struct late_gate late = { &gate, &finished->queue };
	weft_thread *opener = spawn(open_for_a_joiner, &late);
	struct weft__parker parker, *before;
	int result;

	weft__parker_init(&parker, &kind);
	before = weft__parker_install(&parker);
	CHECK_EQ(weft_thread_join(t, &result), 0);
	weft__parker_install(before);
	CHECK_EQ(result, 42);
	CHECK_EQ(weft_load_relaxed(&parked), 1);
	CHECK_EQ(weft_thread_join(opener, NULL), 0);
}

struct self_join {
	weft_event ready;
	weft_thread *thread;
};

static int join_self(void *arg)
{
	struct self_join *s = arg;
	int result = 77;

	CHECK_EQ(weft_event_wait(&s->ready), 0);
	CHECK_PTR_EQ(s->thread, weft_thread_current());
	CHECK_EQ(weft_thread_join(s->thread, &result), -EDEADLK);
	CHECK_EQ(weft_thread_join_until(s->thread, &result, WEFT_NEVER), -EDEADLK);
	CHECK_EQ(result, 77);
	return 5;
}

TEST(thread_that_joins_itself_gets_an_error)
{
	struct self_join s = { WEFT_EVENT_INIT, NULL };
	int result;

	s.thread = spawn(join_self, &s);
	weft_event_set(&s.ready);
	CHECK_EQ(weft_thread_join(s.thread, &result), 0);
	CHECK_EQ(result, 5);
}

struct detached {
	weft_event go, gone;
};

static int run_detached(void *arg)
{
	struct detached *d = arg;

	CHECK_EQ(weft_event_wait(&d->go), 0);
	weft_event_set(&d->gone);
	return 0;
}

TEST(thread_detached_before_its_end_runs_on)
{
	struct detached d = { WEFT_EVENT_INIT, WEFT_EVENT_INIT };

	weft_thread_detach(spawn(run_detached, &d));
	weft_event_set(&d.go);
	CHECK_EQ(weft_event_wait(&d.gone), 0);
}

TEST(thread_detached_after_its_end_is_freed)
{
	for (int i = 0; i < 50; i++) {
		struct detached d = { WEFT_EVENT_INIT, WEFT_EVENT_INIT };
		weft_thread *t = spawn(run_detached, &d);

		weft_event_set(&d.go);
		await_end(t);
		weft_thread_detach(t);
	}
}

/* Neither order is forced: the two race. */
TEST(thread_detach_races_with_its_end)
{
	static int value;

	for (int i = 0; i < 500; i++)
		weft_thread_detach(spawn(echo, &value));
}

TEST(thread_thousand_are_alive_and_joined)
{
	enum { THREADS = 1000 };
	static weft_thread *threads[THREADS];
	weft_event gate = WEFT_EVENT_INIT;
	int result;

	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(weft_thread_spawn(&threads[i], wait_for, &gate,
					   &(weft_thread_opts){ .stack_size = 65536 }),
			 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(!weft_thread_is_finished(threads[i]));
	weft_event_set(&gate);
	for (int i = 0; i < THREADS; i++) {
		CHECK_EQ(weft_thread_join(threads[i], &result), 0);
		CHECK_EQ(result, 0);
	}
}

TEST(thread_select_waits_for_join_or_event)
{
	weft_event gate = WEFT_EVENT_INIT, event = WEFT_EVENT_INIT;
	weft_thread *t = spawn(wait_for, &gate);
	weft_case cases[] = { weft_case_thread(t), weft_case_event(&event) };

	CHECK_EQ(weft_select_try(cases, 2), -EAGAIN);
	CHECK_EQ(weft_select(cases, 2, weft_after_ms(1)), -ETIMEDOUT);
	weft_event_set(&event);
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 1);
	weft_event_reset(&event);
	weft_event_set(&gate);
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 0);
	CHECK_EQ(cases[0].result, 0);
	CHECK_EQ(weft_thread_join(t, NULL), 0);
}

TEST(thread_select_finds_the_first_to_end)
{
	weft_event gates[3] = { WEFT_EVENT_INIT, WEFT_EVENT_INIT, WEFT_EVENT_INIT };
	weft_thread *threads[3];
	weft_case cases[3];

	for (int i = 0; i < 3; i++) {
		threads[i] = spawn(wait_for, &gates[i]);
		cases[i] = weft_case_thread(threads[i]);
	}
	weft_event_set(&gates[1]);
	CHECK_EQ(weft_select(cases, 3, WEFT_NEVER), 1);
	for (int i = 0; i < 3; i++) {
		weft_event_set(&gates[i]);
		CHECK_EQ(weft_thread_join(threads[i], NULL), 0);
	}
}

/* ---- what a thread is given ----------------------------------------------------- */

struct seen {
	char kernel_name[32];
	char name[32];
	size_t stack_size;
	weft_thread *self;
	weft_token *ambient;
	uint64_t id;
};

static int look(void *arg)
{
	struct seen *seen = arg;
	pthread_attr_t attributes;
	void *stack;

	CHECK_EQ(pthread_getname_np(pthread_self(), seen->kernel_name, 32), 0);
	CHECK_EQ(pthread_getattr_np(pthread_self(), &attributes), 0);
	CHECK_EQ(pthread_attr_getstack(&attributes, &stack, &seen->stack_size), 0);
	pthread_attr_destroy(&attributes);
	seen->self = weft_thread_current();
	seen->ambient = weft_ambient();
	seen->id = weft_thread_id(seen->self);
	strcpy(seen->name, weft_thread_name(seen->self));
	return 0;
}

static struct seen look_in(const weft_thread_opts *opts)
{
	struct seen seen = { .stack_size = 0 };
	weft_thread *t;

	CHECK_EQ(weft_thread_spawn(&t, look, &seen, opts), 0);
	await_end(t);
	CHECK_PTR_EQ(seen.self, t);
	CHECK_EQ(seen.id, weft_thread_id(t));
	CHECK_STR_EQ(seen.name, weft_thread_name(t));
	CHECK_EQ(weft_thread_join(t, NULL), 0);
	return seen;
}

TEST(thread_name_is_shown_cut_and_copied)
{
	char name[] = "fifteen bytes..and more";
	weft_event gate = WEFT_EVENT_INIT;
	struct seen seen = look_in(&(weft_thread_opts){ .name = "walker" });
	weft_thread *t;

	CHECK_STR_EQ(seen.kernel_name, "walker");
	CHECK_STR_EQ(seen.name, "walker");
	seen = look_in(&(weft_thread_opts){ .name = name });
	CHECK_STR_EQ(seen.kernel_name, "fifteen bytes..");
	CHECK_STR_EQ(seen.name, "fifteen bytes..");
	CHECK_STR_EQ(look_in(NULL).name, "");
	CHECK_EQ(weft_thread_spawn(&t, wait_for, &gate, &(weft_thread_opts){ .name = name }), 0);
	memset(name, 'x', sizeof(name));
	CHECK_STR_EQ(weft_thread_name(t), "fifteen bytes..");
	weft_event_set(&gate);
	CHECK_EQ(weft_thread_join(t, NULL), 0);
}

TEST(thread_stack_is_as_large_as_asked)
{
	static const size_t sizes[] = { 1, 65536, 100001, 1 << 20, 32 << 20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct seen seen = look_in(&(weft_thread_opts){ .stack_size = sizes[i] });

		CHECK_GE(seen.stack_size, sizes[i]);
		CHECK_LT(seen.stack_size, sizes[i] + (4 << 20));
	}
}

TEST(thread_ids_are_not_used_twice)
{
	enum { THREADS = 30 };
	uint64_t ids[THREADS + 1] = { weft_thread_id(weft_thread_current()) };

	for (int i = 1; i <= THREADS; i++) {
		ids[i] = look_in(NULL).id;
		for (int k = 0; k < i; k++)
			CHECK_NE(ids[i], ids[k]);
	}
}

TEST(thread_inherits_the_ambient_token_unless_it_outlives_the_scope)
{
	weft_token token;

	CHECK_NULL(look_in(NULL).ambient);
	weft_token_init(&token, NULL);
	weft_ambient_set(&token);
	CHECK_PTR_EQ(look_in(NULL).ambient, &token);
	CHECK_NULL(look_in(&(weft_thread_opts){ .outlives_scope = true }).ambient);
	weft_ambient_set(NULL);
}

TEST(thread_that_cannot_be_is_an_error)
{
	weft_thread *const before = (weft_thread *)&(int){ 0 };
	weft_thread *t = before;
	int value = 0;

	CHECK_EQ(weft_thread_spawn(&t, NULL, NULL, NULL), -EINVAL);
	CHECK_NULL(t);
	CHECK_EQ(weft_thread_spawn(NULL, echo, &value, NULL), -EINVAL);
	t = before;
	CHECK_EQ(
		weft_thread_spawn(&t, echo, &value, &(weft_thread_opts){ .stack_size = SIZE_MAX }),
		-EINVAL);
	CHECK_NULL(t);
}
