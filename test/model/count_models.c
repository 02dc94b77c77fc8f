/* SPDX-License-Identifier: MIT */
/*
 * Semaphores, wait groups, tokens, select, and threads in scopes.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

#define SYNC "include/weft src/sync src/wait"

static const int64_t SOON = 5 * WEFT_SECOND;

/* ---- semaphore --------------------------------------------------------------- */

struct counted {
	weft_semaphore semaphore;
	weft_token token;
	int inside, got, gave;
};

/* With one permit it is a lock: `inside` is plain. */
static void pass_gate(void *arg)
{
	struct counted *c = arg;

	WEFT_CHECK(weft_semaphore_acquire(&c->semaphore, 1) == 0);
	c->inside++;
	weft_semaphore_release(&c->semaphore, 1);
}

static void gate_program(void *arg)
{
	struct counted *c = weft_check_alloc(sizeof(*c));
	const int threads = (int)(intptr_t)arg;

	weft_semaphore_init(&c->semaphore, 1);
	for (int i = 1; i < threads; i++)
		SPAWN(pass_gate, c);
	pass_gate(c);
	for (int i = 1; i < threads; i++)
		weft_check_join(i);
	WEFT_CHECK(c->inside == threads);
	WEFT_CHECK(weft_semaphore_permits(&c->semaphore) == 1);
	weft_check_free(c);
}

MODEL_OF(semaphore_as_lock, gate_program, .arg = (void *)2, .covers = SYNC, .spurious = 1);
MODEL_OF(semaphore_as_lock_of_three, gate_program, .arg = (void *)3, .covers = SYNC,
	 .preemptions = 2);

static void acquire_until(void *arg)
{
	struct counted *c = arg;
	int err = weft_semaphore_acquire_until(&c->semaphore, 1, SOON);

	WEFT_CHECK(err == 0 || err == -ETIMEDOUT || err == -ECANCELED);
	if (err == 0)
		weft_semaphore_release(&c->semaphore, 1);
}

static void acquire_one(void *arg)
{
	struct counted *c = arg;

	WEFT_CHECK(weft_semaphore_acquire(&c->semaphore, 1) == 0);
	WEFT_CHECK(c->gave == 1); /* what came before the release is visible */
	c->got++;
	weft_semaphore_release(&c->semaphore, 1);
}

static void give_one(struct counted *c)
{
	c->gave = 1;
	weft_semaphore_release(&c->semaphore, 1);
}

/* A waiter whose time passes as it is handed the permit gives it on. */
MODEL(semaphore_permit_is_not_swallowed, .covers = SYNC, .preemptions = 2)
{
	struct counted *c = weft_check_alloc(sizeof(*c));

	SPAWN(acquire_until, c);
	SPAWN(acquire_one, c);
	give_one(c);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(c->got == 1);
	WEFT_CHECK(weft_semaphore_permits(&c->semaphore) == 1);
	weft_check_free(c);
}

MODEL(semaphore_timed, .covers = SYNC, .preemptions = 3)
{
	struct counted *c = weft_check_alloc(sizeof(*c));

	SPAWN(acquire_until, c);
	weft_semaphore_release(&c->semaphore, 1);
	weft_check_join(1);
	WEFT_CHECK(weft_semaphore_permits(&c->semaphore) == 1);
	weft_check_free(c);
}

static void acquire_two(void *arg)
{
	struct counted *c = arg;
	int err = weft_semaphore_acquire_until(&c->semaphore, 2, SOON);

	if (err == 0)
		weft_semaphore_release(&c->semaphore, 2);
}

/* The first waiter wants more than there is and leaves: the second's turn. */
MODEL(semaphore_first_wants_more, .covers = SYNC, .preemptions = 2)
{
	struct counted *c = weft_check_alloc(sizeof(*c));

	SPAWN(acquire_two, c);
	SPAWN(acquire_one, c);
	give_one(c);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(weft_semaphore_permits(&c->semaphore) == 1);
	weft_check_free(c);
}

static void acquirer_with_token(void *arg)
{
	struct counted *c = arg;

	weft_ambient_set(&c->token);
	acquire_until(c);
}

MODEL(semaphore_cancelled, .covers = SYNC, .preemptions = 2)
{
	struct counted *c = weft_check_alloc(sizeof(*c));

	SPAWN(acquirer_with_token, c);
	SPAWN(acquire_one, c);
	weft_token_cancel(&c->token);
	give_one(c);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(weft_semaphore_permits(&c->semaphore) == 1);
	weft_check_free(c);
}

/* The first waiter is passed over and counts as starved, while another takes what
 * there is without waiting. */
static void take_if_there(void *arg)
{
	struct counted *c = arg;

	if (weft_semaphore_try_acquire(&c->semaphore, 1))
		weft_semaphore_release(&c->semaphore, 1);
}

MODEL(semaphore_starved, .covers = SYNC, .preemptions = 2, .preemptions_long = 3)
{
	struct counted *c = weft_check_alloc(sizeof(*c));

	SPAWN(acquire_two, c);
	SPAWN(take_if_there, c);
	weft_semaphore_release(&c->semaphore, 1);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(weft_semaphore_permits(&c->semaphore) == 1);
	weft_check_free(c);
}

/* ---- wait group ----------------------------------------------------------------- */

struct work {
	weft_waitgroup group;
	int done[3];
};

static void work_first(void *arg)
{
	struct work *w = arg;

	w->done[0] = 1;
	weft_waitgroup_done(&w->group);
}

static void work_second(void *arg)
{
	struct work *w = arg;

	w->done[1] = 1;
	weft_waitgroup_done(&w->group);
}

MODEL(waitgroup_is_freed_by_its_waiter, .covers = SYNC, .spurious = 1)
{
	struct work *w = weft_check_alloc(sizeof(*w));

	weft_waitgroup_add(&w->group, 1);
	SPAWN(work_first, w);
	WEFT_CHECK(weft_waitgroup_wait(&w->group) == 0);
	WEFT_CHECK(w->done[0] == 1);
	weft_check_free(w);
}

MODEL(waitgroup_waits_for_two, .covers = SYNC, .preemptions = 3)
{
	struct work *w = weft_check_alloc(sizeof(*w));

	weft_waitgroup_add(&w->group, 2);
	SPAWN(work_first, w);
	SPAWN(work_second, w);
	WEFT_CHECK(weft_waitgroup_wait(&w->group) == 0);
	WEFT_CHECK(w->done[0] == 1 && w->done[1] == 1);
	weft_check_free(w);
}

static void wait_for_group(void *arg)
{
	struct work *w = arg;

	WEFT_CHECK(weft_waitgroup_wait(&w->group) == 0);
	WEFT_CHECK(w->done[0] == 1);
}

MODEL(waitgroup_two_waiters, .covers = SYNC, .preemptions = 2)
{
	struct work *w = weft_check_alloc(sizeof(*w));

	weft_waitgroup_add(&w->group, 1);
	SPAWN(wait_for_group, w);
	SPAWN(wait_for_group, w);
	work_first(w);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_free(w);
}

MODEL(waitgroup_timed, .covers = SYNC, .preemptions = 3)
{
	struct work *w = weft_check_alloc(sizeof(*w));
	int err;

	weft_waitgroup_add(&w->group, 1);
	SPAWN(work_first, w);
	err = weft_waitgroup_wait_until(&w->group, SOON);
	WEFT_CHECK(err == 0 || err == -ETIMEDOUT);
	if (err == 0)
		WEFT_CHECK(w->done[0] == 1);
	weft_check_join(1);
	weft_check_free(w);
}

/* A waiter that gave up, and comes again: then it finds the count 0, and the last
 * done perhaps still inside. */
MODEL(waitgroup_waits_again_and_frees, .covers = SYNC, .preemptions = 3)
{
	struct work *w = weft_check_alloc(sizeof(*w));

	weft_waitgroup_add(&w->group, 1);
	SPAWN(work_first, w);
	if (weft_waitgroup_wait_until(&w->group, SOON) != 0)
		WEFT_CHECK(weft_waitgroup_wait(&w->group) == 0);
	WEFT_CHECK(w->done[0] == 1);
	weft_check_free(w);
}

static void work_and_add(void *arg)
{
	struct work *w = arg;

	weft_waitgroup_add(&w->group, 1);
	weft_waitgroup_done(&w->group);
	work_second(w);
}

MODEL(waitgroup_adds_meanwhile, .covers = SYNC, .preemptions = 2)
{
	struct work *w = weft_check_alloc(sizeof(*w));

	weft_waitgroup_add(&w->group, 2);
	SPAWN(work_and_add, w);
	SPAWN(work_first, w);
	WEFT_CHECK(weft_waitgroup_wait(&w->group) == 0);
	WEFT_CHECK(w->done[0] == 1 && w->done[1] == 1);
	weft_check_free(w);
}

/* ---- tokens ---------------------------------------------------------------------------- */

struct tree {
	weft_token root, child;
	int why, saw;
};

static void cancel_root(void *arg)
{
	struct tree *t = arg;

	t->why = 4;
	weft_token_cancel(&t->root);
}

MODEL(token_wakes_its_waiter, .covers = SYNC, .spurious = 1)
{
	struct tree *t = weft_check_alloc(sizeof(*t));

	SPAWN(cancel_root, t);
	WEFT_CHECK(weft_token_wait_until(&t->root, WEFT_NEVER) == 0);
	WEFT_CHECK(t->why == 4);
	weft_check_join(1);
	weft_check_free(t);
}

/* Who finds it cancelled may give it back, though the canceller has just been there. */
MODEL(token_is_freed_by_its_waiter, .covers = SYNC, .spurious = 1)
{
	struct tree *t = weft_check_alloc(sizeof(*t));

	SPAWN(cancel_root, t);
	WEFT_CHECK(weft_token_wait_until(&t->root, WEFT_NEVER) == 0);
	WEFT_CHECK(t->why == 4);
	weft_check_free(t);
}

/* A child that is attached while its parent is cancelled is cancelled, or comes
 * in time for it. */
MODEL(token_child_of_a_cancelled_parent, .covers = SYNC)
{
	struct tree *t = weft_check_alloc(sizeof(*t));

	SPAWN(cancel_root, t);
	weft_token_init(&t->child, &t->root);
	WEFT_CHECK(weft_token_wait_until(&t->child, WEFT_NEVER) == 0);
	WEFT_CHECK(t->why == 4);
	weft_token_fini(&t->child);
	weft_check_join(1);
	weft_check_free(t);
}

MODEL(token_child_ends_meanwhile, .covers = SYNC)
{
	struct tree *t = weft_check_alloc(sizeof(*t));
	weft_token *child = weft_check_alloc(sizeof(*child));

	SPAWN(cancel_root, t);
	weft_token_init(child, &t->root);
	weft_token_fini(child);
	weft_check_free(child);
	weft_check_join(1);
	weft_check_free(t);
}

/* ---- select ------------------------------------------------------------------------------ */

struct two {
	weft_event a, b;
	weft_semaphore permits;
	int data_a, data_b;
};

static void set_a(void *arg)
{
	struct two *t = arg;

	t->data_a = 1;
	weft_event_set(&t->a);
}

static void set_b(void *arg)
{
	struct two *t = arg;

	t->data_b = 1;
	weft_event_set(&t->b);
}

static int select_two(struct two *t, int64_t deadline)
{
	weft_case cases[] = { weft_case_event(&t->a), weft_case_event(&t->b) };
	int chosen = weft_select(cases, 2, deadline);

	if (chosen == 0)
		WEFT_CHECK(t->data_a == 1);
	else if (chosen == 1)
		WEFT_CHECK(t->data_b == 1);
	else
		WEFT_CHECK(chosen == -ETIMEDOUT && deadline != WEFT_NEVER);
	return chosen;
}

MODEL(select_first_of_two_events, .covers = SYNC, .preemptions = 2)
{
	struct two *t = weft_check_alloc(sizeof(*t));

	SPAWN(set_a, t);
	SPAWN(set_b, t);
	select_two(t, WEFT_NEVER);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_free(t);
}

MODEL(select_timed, .covers = SYNC, .preemptions = 3)
{
	struct two *t = weft_check_alloc(sizeof(*t));

	SPAWN(set_b, t);
	select_two(t, SOON);
	weft_check_join(1);
	weft_check_free(t);
}

/* Exactly one case takes effect: the permit is taken or still there. */
static void give_permit(void *arg)
{
	struct two *t = arg;

	weft_semaphore_release(&t->permits, 1);
}

MODEL(select_takes_one_or_none, .covers = SYNC, .preemptions = 2)
{
	struct two *t = weft_check_alloc(sizeof(*t));
	weft_case cases[2];
	int chosen;

	SPAWN(give_permit, t);
	SPAWN(set_a, t);
	cases[0] = weft_case_acquire(&t->permits, 1);
	cases[1] = weft_case_event(&t->a);
	chosen = weft_select(cases, 2, SOON);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(weft_semaphore_permits(&t->permits) == (chosen == 0 ? 0u : 1u));
	weft_check_free(t);
}

/* ---- threads and scopes -------------------------------------------------------------------- */

struct shared {
	int value;
	weft_thread *parked;
};

static int scope_thread(void *arg)
{
	struct shared *s = arg;

	s->value = 3;
	return 0;
}

MODEL(scope_close_waits, .covers = "src/thread", .preemptions = 2, .failures = 1)
{
	struct shared *s = weft_check_alloc(sizeof(*s));
	weft_scope scope;
	int err;

	if (!s)
		return;
	weft_scope_open(&scope);
	err = weft_scope_spawn_thread(&scope, scope_thread, s, NULL);
	WEFT_CHECK(weft_scope_close(&scope) == 0);
	WEFT_CHECK(s->value == (err ? 0 : 3));
	weft_check_free(s);
}

static int scope_sleeper(void *arg)
{
	(void)arg;
	return weft_sleep_until(WEFT_NEVER);
}

MODEL(scope_cancel_wakes, .covers = "src/thread", .preemptions = 2)
{
	weft_scope scope;

	weft_scope_open(&scope);
	WEFT_CHECK(weft_scope_spawn_thread(&scope, scope_sleeper, NULL, NULL) == 0);
	weft_scope_cancel(&scope);
	WEFT_CHECK(weft_scope_close(&scope) == -ECANCELED);
}

static int park_thread(void *arg)
{
	(void)arg;
	return weft_thread_park();
}

MODEL(park_is_unparked, .covers = "src/thread", .preemptions = 2)
{
	weft_thread *t;
	int result;

	WEFT_CHECK(weft_thread_spawn(&t, park_thread, NULL, NULL) == 0);
	weft_thread_unpark(t);
	WEFT_CHECK(weft_thread_join(t, &result) == 0);
	WEFT_CHECK(result == 0);
}
