/* SPDX-License-Identifier: MIT */
/*
 * Goal: the first error and a cancellation reach everything below, whatever it is
 * blocked in, and nothing above. Method: who is to be found blocked is looked for
 * in the queue of its token first.
 */
#include "weft/scope.h"

#include "blocked_test.h"
#include "check.h"
#include "weft/cond.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/select.h"
#include "weft/semaphore.h"

#include <errno.h>

static void spawn(weft_scope *scope, weft_thread_fn fn, void *arg)
{
	CHECK_EQ(weft_scope_spawn_thread(scope, fn, arg, NULL), 0);
}

static int echo(void *arg)
{
	return *(int *)arg;
}

/* ---- cancellation reaches every kind of wait ---------------------------------------------- */

struct objects {
	weft_event event;
	weft_semaphore semaphore;
	weft_mutex locked;
	weft_mutex mutex;
	weft_cond cond;
	weft_waitgroup group;
	weft_token token;
	weft_thread *thread;
};

static int in_event(void *arg)
{
	struct objects *o = arg;

	return weft_event_wait(&o->event);
}

static int in_event_until(void *arg)
{
	struct objects *o = arg;

	return weft_event_wait_until(&o->event, weft_after_s(3600));
}

static int in_semaphore(void *arg)
{
	struct objects *o = arg;

	return weft_semaphore_acquire(&o->semaphore, 1);
}

static int in_mutex_until(void *arg)
{
	struct objects *o = arg;

	return weft_mutex_lock_until(&o->locked, WEFT_NEVER);
}

static int in_cond(void *arg)
{
	struct objects *o = arg;
	int err;

	weft_mutex_lock(&o->mutex);
	err = weft_cond_wait(&o->cond, &o->mutex);
	weft_mutex_unlock(&o->mutex);
	return err;
}

static int in_waitgroup(void *arg)
{
	struct objects *o = arg;

	return weft_waitgroup_wait(&o->group);
}

static int in_token(void *arg)
{
	struct objects *o = arg;

	return weft_token_wait_until(&o->token, WEFT_NEVER);
}

static int in_select(void *arg)
{
	struct objects *o = arg;
	weft_case cases[] = {
		weft_case_event(&o->event),
		weft_case_acquire(&o->semaphore, 2),
		weft_case_lock(&o->locked),
	};

	return weft_select(cases, 3, WEFT_NEVER);
}

static int in_join(void *arg)
{
	struct objects *o = arg;

	return weft_thread_join_until(o->thread, NULL, WEFT_NEVER);
}

static int in_sleep(void *arg)
{
	(void)arg;
	return weft_sleep_until(weft_after_s(3600));
}

static int in_park(void *arg)
{
	(void)arg;
	return weft_thread_park();
}

static const weft_thread_fn waits[] = {
	in_event, in_event_until, in_semaphore, in_mutex_until, in_cond, in_waitgroup,
	in_token, in_select,      in_join,      in_sleep,       in_park,
};
enum { WAITS = sizeof(waits) / sizeof(waits[0]) };

static int wait_for(void *event)
{
	return weft_event_wait(event);
}

static void objects_open(struct objects *o, weft_event *gate)
{
	*o = (struct objects){ .event = WEFT_EVENT_INIT };
	weft_mutex_lock(&o->locked);
	weft_waitgroup_add(&o->group, 1);
	weft_token_init(&o->token, NULL);
	CHECK_EQ(weft_thread_spawn(&o->thread, wait_for, gate,
				   &(weft_thread_opts){ .outlives_scope = true }),
		 0);
}

struct waiting {
	struct objects *objects;
	weft_thread_fn wait;
};

/* Sticky: each wait reports it, again and again, blocked or not. */
static int wait_again_and_again(void *arg)
{
	struct waiting *w = arg;

	for (int i = 0; i < 3; i++)
		CHECK_EQ(w->wait(w->objects), -ECANCELED);
	return 0;
}

struct failing {
	weft_scope *scope;
	int blocked;
};

static int fail_when_all_are_blocked(void *arg)
{
	struct failing *f = arg;

	blocked_await(&f->scope->token.queue, f->blocked);
	return -EIO;
}

TEST(scope_first_error_ends_every_wait)
{
	struct waiting waiting[WAITS];
	weft_event gate = WEFT_EVENT_INIT;
	struct objects o;
	weft_scope scope;
	struct failing failing = { &scope, WAITS };

	objects_open(&o, &gate);
	weft_scope_open(&scope);
	for (int i = 0; i < WAITS; i++) {
		waiting[i] = (struct waiting){ &o, waits[i] };
		spawn(&scope, wait_again_and_again, &waiting[i]);
	}
	spawn(&scope, fail_when_all_are_blocked, &failing);
	CHECK_EQ(weft_scope_close(&scope), -EIO);
	CHECK(!weft_mutex_is_locked(&o.mutex));
	weft_event_set(&gate);
	CHECK_EQ(weft_thread_join(o.thread, NULL), 0);
}

/* What need not wait succeeds although cancelled. */
TEST(scope_cancelled_still_lets_happen_what_need_not_wait)
{
	struct objects o = { .event = WEFT_EVENT_INIT };
	weft_case cases[2];
	weft_scope scope;

	weft_scope_open(&scope);
	weft_scope_cancel(&scope);
	weft_event_set(&o.event);
	weft_semaphore_release(&o.semaphore, 3);
	CHECK_EQ(in_event(&o), 0);
	CHECK_EQ(in_semaphore(&o), 0);
	CHECK_EQ(in_waitgroup(&o), 0);
	CHECK_EQ(in_mutex_until(&o), 0);
	CHECK_EQ(in_mutex_until(&o), -ECANCELED);
	CHECK_EQ(in_cond(&o), -ECANCELED); /* a condition always waits */
	cases[0] = weft_case_acquire(&o.semaphore, 2);
	cases[1] = weft_case_lock(&o.locked);
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), 0);
	CHECK_EQ(weft_select(cases, 2, WEFT_NEVER), -ECANCELED);
	weft_mutex_lock(&o.mutex);
	weft_mutex_unlock(&o.mutex);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
}

/* ---- nesting -------------------------------------------------------------------------------- */

struct family {
	weft_event never;
	weft_atomic_u32 cancelled;
	int fail_at; /* the depth whose opener fails; -1 none */
};

struct child {
	struct family *family;
	int depth;
};

/* Each level is a scope of two threads, and both the opener and they block. */
static int blocked_family(void *arg)
{
	struct child *c = arg;
	struct child below = { c->family, c->depth - 1 };
	weft_scope scope;
	int err;

	if (c->depth == 0) {
		err = weft_event_wait(&c->family->never);
		CHECK_EQ(err, -ECANCELED);
		weft_add_relaxed(&c->family->cancelled, 1);
		return err;
	}
	weft_scope_open(&scope);
	for (int i = 0; i < 2; i++)
		spawn(&scope, blocked_family, &below);
	if (c->depth == c->family->fail_at)
		weft_scope_cancel(&scope);
	return weft_scope_close(&scope);
}

TEST(scope_cancel_reaches_grandchildren)
{
	struct family family = { .fail_at = -1 };
	struct child child = { &family, 4 };
	weft_scope scope;

	weft_scope_open(&scope);
	spawn(&scope, blocked_family, &child);
	weft_scope_cancel(&scope);
	CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	CHECK_EQ(weft_load_relaxed(&family.cancelled), 16);
}

/* A scope's cancellation is not the outer one's, unless it is returned as an
 * error. */
TEST(scope_cancel_does_not_reach_up)
{
	struct family family = { .fail_at = 3 };
	struct child child = { &family, 3 };
	weft_event event = WEFT_EVENT_INIT;
	weft_scope outer, inner;

	weft_scope_open(&outer);
	weft_scope_open(&inner);
	CHECK_PTR_EQ(weft_ambient(), &inner.token);
	CHECK_EQ(blocked_family(&child), -ECANCELED);
	CHECK_EQ(weft_load_relaxed(&family.cancelled), 8);
	CHECK(!weft_cancelled());
	CHECK_EQ(weft_event_wait_until(&event, weft_after_us(100)), -ETIMEDOUT);
	CHECK_EQ(weft_scope_close(&inner), 0);
	CHECK_PTR_EQ(weft_ambient(), &outer.token);
	spawn(&outer, blocked_family, &child);
	CHECK_EQ(weft_event_wait(&event), -ECANCELED);
	CHECK_EQ(weft_scope_close(&outer), -ECANCELED);
	CHECK_NULL(weft_ambient());
}

TEST(scope_below_a_cancelled_one_begins_cancelled)
{
	weft_event never = WEFT_EVENT_INIT;
	weft_scope outer, inner;
	int zero = 0;

	weft_scope_open(&outer);
	weft_scope_cancel(&outer);
	weft_scope_open(&inner);
	CHECK(weft_token_cancelled(&inner.token));
	CHECK_EQ(weft_event_wait(&never), -ECANCELED);
	spawn(&inner, echo, &zero);
	/* No error of its own: all its work succeeded. */
	CHECK_EQ(weft_scope_close(&inner), 0);
	CHECK_EQ(weft_scope_close(&outer), -ECANCELED);
}

static int give_ambient(void *out)
{
	*(weft_token **)out = weft_ambient();
	return 0;
}

/* Not the token of whoever spawns, who may be in a scope further in. */
TEST(scope_threads_are_under_the_token_of_their_scope)
{
	weft_token *in_outer = NULL, *in_inner = NULL;
	weft_scope outer, inner;

	weft_scope_open(&outer);
	weft_scope_open(&inner);
	spawn(&outer, give_ambient, &in_outer);
	spawn(&inner, give_ambient, &in_inner);
	CHECK_EQ(weft_scope_close(&inner), 0);
	CHECK_EQ(weft_scope_close(&outer), 0);
	CHECK_PTR_EQ(in_outer, &outer.token);
	CHECK_PTR_EQ(in_inner, &inner.token);
}

/* Cancelling from above races with opening, spawning and closing below. */
static int churn(void *arg)
{
	int *value = arg;

	while (!weft_cancelled()) {
		weft_scope scope;

		weft_scope_open(&scope);
		spawn(&scope, echo, value);
		(void)weft_scope_close(&scope);
	}
	return 0;
}

TEST(scope_cancel_races_with_scopes_that_come_and_go)
{
	int zero = 0;

	for (int i = 0; i < 50; i++) {
		weft_scope scope;

		weft_scope_open(&scope);
		for (int k = 0; k < 3; k++)
			spawn(&scope, churn, &zero);
		for (int k = 0; k < i; k++)
			weft_thread_yield();
		weft_scope_cancel(&scope);
		CHECK_EQ(weft_scope_close(&scope), -ECANCELED);
	}
}
