/* SPDX-License-Identifier: MIT */
/*
 * Locks and what one waits for, in small programs of two or three threads. What
 * they guard is plain memory, so that an order that is too weak is a data race;
 * and it is freed by whoever comes last, so that a late touch is found.
 */
#include "rig.h"

#include <errno.h>

#include <weft.h>

#define SYNC "include/weft src/sync src/wait"

static const int64_t SOON = 5 * WEFT_SECOND; /* the model's clock begins at 1 s */

/* ---- mutex ------------------------------------------------------------------ */

struct guarded {
	weft_mutex mutex;
	weft_cond cond;
	int count, rounds, others;
	bool flag;
	weft_token token;
};

static void add_locked(void *arg)
{
	struct guarded *g = arg;

	for (int i = 0; i < g->rounds; i++) {
		weft_mutex_lock(&g->mutex);
		g->count++;
		weft_mutex_unlock(&g->mutex);
	}
}

static void mutex_program(void *arg)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));
	const int threads = (int)(intptr_t)arg % 10, rounds = (int)(intptr_t)arg / 10;

	g->rounds = rounds;
	for (int i = 1; i < threads; i++)
		SPAWN(add_locked, g);
	add_locked(g);
	for (int i = 1; i < threads; i++)
		weft_check_join(i);
	WEFT_CHECK(g->count == threads * rounds);
	WEFT_CHECK(!weft_mutex_is_locked(&g->mutex));
	weft_check_free(g);
}

MODEL_OF(mutex_excludes_two, mutex_program, .arg = (void *)12, .covers = SYNC, .spurious = 1);
MODEL_OF(mutex_excludes_two_twice, mutex_program, .arg = (void *)22, .covers = SYNC,
	 .preemptions = 3);
MODEL_OF(mutex_excludes_three, mutex_program, .arg = (void *)13, .covers = SYNC, .preemptions = 2);

/* The last one out frees it: an unlock must not touch it after letting go. */
static void drop_locked(void *arg)
{
	struct guarded *g = arg;
	bool last;

	weft_mutex_lock(&g->mutex);
	last = --g->count == 0;
	weft_mutex_unlock(&g->mutex);
	if (last)
		weft_check_free(g);
}

static void mutex_last_program(void *arg)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));
	const int threads = (int)(intptr_t)arg;

	g->count = threads;
	for (int i = 1; i < threads; i++)
		SPAWN(drop_locked, g);
	drop_locked(g);
}

MODEL_OF(mutex_is_freed_by_the_last, mutex_last_program, .arg = (void *)2, .covers = SYNC);
MODEL_OF(mutex_is_freed_by_the_last_of_three, mutex_last_program, .arg = (void *)3, .covers = SYNC,
	 .preemptions = 2);

static void add_locked_until(void *arg)
{
	struct guarded *g = arg;
	int err = weft_mutex_lock_until(&g->mutex, SOON);

	WEFT_CHECK(err == 0 || err == -ETIMEDOUT || err == -ECANCELED);
	if (err)
		return;
	g->count++;
	weft_mutex_unlock(&g->mutex);
}

MODEL(mutex_timed_lock, .covers = SYNC, .preemptions = 3)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	g->rounds = 1;
	SPAWN(add_locked_until, g);
	add_locked(g);
	weft_check_join(1);
	WEFT_CHECK(g->count >= 1 && g->count <= 2);
	WEFT_CHECK(g->mutex.queue.word.v == 0);
	weft_check_free(g);
}

/* One waiter may give up just as it is woken: the other must get its chance. */
MODEL(mutex_waiter_that_gives_up_passes_on, .covers = SYNC, .preemptions = 2)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	g->rounds = 1;
	weft_mutex_lock(&g->mutex);
	SPAWN(add_locked_until, g);
	SPAWN(add_locked, g);
	weft_mutex_unlock(&g->mutex);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(g->count >= 1 && g->count <= 2);
	WEFT_CHECK(!weft_mutex_is_locked(&g->mutex));
	weft_check_free(g);
}

static void locker_with_token(void *arg)
{
	struct guarded *g = arg;

	weft_ambient_set(&g->token);
	add_locked_until(g);
}

MODEL(mutex_cancelled_lock, .covers = SYNC, .preemptions = 2)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	weft_mutex_lock(&g->mutex);
	SPAWN(locker_with_token, g);
	weft_token_cancel(&g->token);
	weft_mutex_unlock(&g->mutex);
	weft_check_join(1);
	weft_mutex_lock(&g->mutex);
	weft_check_free(g);
}

static void patient_with_token(void *arg)
{
	struct guarded *g = arg;

	weft_ambient_set(&g->token);
	if (weft_mutex_lock_until(&g->mutex, WEFT_NEVER) == 0)
		weft_mutex_unlock(&g->mutex);
}

/* The waiter that was woken finds the mutex taken again, and itself cancelled: it must
 * tell the one behind it, since the next unlock leaves that to it. */
MODEL(mutex_designated_waiter_is_cancelled, .covers = SYNC, .preemptions = 2, .seconds = 6,
      .random = 4000)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	g->rounds = 1;
	weft_mutex_lock(&g->mutex);
	SPAWN(patient_with_token, g);
	while (weft_load_relaxed(&g->mutex.queue.word) < 16) /* until it is queued */
		weft_pause();
	SPAWN(add_locked, g);
	weft_mutex_unlock(&g->mutex);
	weft_mutex_lock(&g->mutex);
	weft_token_cancel(&g->token);
	weft_mutex_unlock(&g->mutex);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(!weft_mutex_is_locked(&g->mutex));
	weft_check_free(g);
}

static void try_locker(void *arg)
{
	struct guarded *g = arg;

	if (weft_mutex_try_lock(&g->mutex)) {
		g->count++;
		weft_mutex_unlock(&g->mutex);
	}
}

MODEL(mutex_try_lock, .covers = SYNC)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	g->rounds = 1;
	SPAWN(try_locker, g);
	add_locked(g);
	weft_check_join(1);
	WEFT_CHECK(g->count >= 1);
	weft_check_free(g);
}

/* ---- condition variable ------------------------------------------------------ */

static void wait_for_flag(void *arg)
{
	struct guarded *g = arg;

	weft_mutex_lock(&g->mutex);
	while (!g->flag)
		WEFT_CHECK(weft_cond_wait(&g->cond, &g->mutex) == 0);
	g->count++;
	weft_mutex_unlock(&g->mutex);
}

static void wait_for_flag_until(void *arg)
{
	struct guarded *g = arg;
	int err = 0;

	weft_mutex_lock(&g->mutex);
	while (!g->flag && err == 0)
		err = weft_cond_wait_until(&g->cond, &g->mutex, SOON);
	WEFT_CHECK(err == 0 || err == -ETIMEDOUT || err == -ECANCELED);
	g->count++;
	weft_mutex_unlock(&g->mutex);
}

static void raise_flag(struct guarded *g, bool all)
{
	weft_mutex_lock(&g->mutex);
	g->flag = true;
	if (all)
		weft_cond_notify_all(&g->cond);
	else
		weft_cond_notify_one(&g->cond);
	weft_mutex_unlock(&g->mutex);
}

MODEL(cond_notifies, .covers = SYNC, .preemptions = 3)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	SPAWN(wait_for_flag, g);
	raise_flag(g, false);
	weft_check_join(1);
	WEFT_CHECK(g->count == 1);
	weft_check_free(g);
}

/* Notified after the mutex was given back: the notifier's look at the queue. */
MODEL(cond_notifies_without_the_mutex, .covers = SYNC, .preemptions = 3)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	SPAWN(wait_for_flag, g);
	weft_mutex_lock(&g->mutex);
	g->flag = true;
	weft_mutex_unlock(&g->mutex);
	weft_cond_notify_one(&g->cond);
	weft_check_join(1);
	weft_check_free(g);
}

MODEL(cond_notifies_all, .covers = SYNC, .preemptions = 1, .preemptions_long = 2)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	SPAWN(wait_for_flag, g);
	SPAWN(wait_for_flag, g);
	raise_flag(g, true);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(g->count == 2);
	weft_check_free(g);
}

/* A notification is not spent on a waiter whose time has passed: each notification
 * that is counted as given ends a wait without a time-out. */
static void wait_once_until(void *arg)
{
	struct guarded *g = arg;

	weft_mutex_lock(&g->mutex);
	if (weft_cond_wait_until(&g->cond, &g->mutex, SOON) == 0)
		g->count++;
	weft_mutex_unlock(&g->mutex);
}

MODEL(cond_notification_is_not_swallowed, .covers = SYNC, .preemptions = 2)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));
	int given;

	SPAWN(wait_once_until, g);
	SPAWN(wait_once_until, g);
	weft_mutex_lock(&g->mutex);
	given = weft_cond_notify_one(&g->cond);
	weft_mutex_unlock(&g->mutex);
	weft_check_join(1);
	weft_check_join(2);
	WEFT_CHECK(g->count == given);
	weft_check_free(g);
}

static void cond_waiter_with_token(void *arg)
{
	struct guarded *g = arg;

	weft_ambient_set(&g->token);
	wait_for_flag_until(g);
}

MODEL(cond_cancelled, .covers = SYNC, .preemptions = 2)
{
	struct guarded *g = weft_check_alloc(sizeof(*g));

	SPAWN(cond_waiter_with_token, g);
	weft_token_cancel(&g->token);
	weft_check_join(1);
	WEFT_CHECK(g->count == 1);
	weft_check_free(g);
}

/* ---- event ---------------------------------------------------------------------- */

struct posted {
	weft_event event, other;
	weft_token token;
	int data, more, seen;
};

static void set_event(void *arg)
{
	struct posted *p = arg;

	p->data = 7;
	weft_event_set(&p->event);
}

/* The waiter frees the event as soon as it returns. */
MODEL(event_is_freed_by_its_waiter, .covers = SYNC, .spurious = 1)
{
	struct posted *p = weft_check_alloc(sizeof(*p));

	SPAWN(set_event, p);
	WEFT_CHECK(weft_event_wait(&p->event) == 0);
	WEFT_CHECK(p->data == 7);
	weft_check_free(p);
}

static void event_reader(void *arg)
{
	struct posted *p = arg;

	WEFT_CHECK(weft_event_wait(&p->event) == 0);
	WEFT_CHECK(p->data == 7);
}

MODEL(event_wakes_all, .covers = SYNC, .preemptions = 2)
{
	struct posted *p = weft_check_alloc(sizeof(*p));

	SPAWN(event_reader, p);
	SPAWN(event_reader, p);
	set_event(p);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_free(p);
}

static void event_reader_until(void *arg)
{
	struct posted *p = arg;
	int err = weft_event_wait_until(&p->event, SOON);

	WEFT_CHECK(err == 0 || err == -ETIMEDOUT);
	if (err == 0)
		WEFT_CHECK(p->data == 7);
}

MODEL(event_wait_until, .covers = SYNC, .spurious = 1)
{
	struct posted *p = weft_check_alloc(sizeof(*p));

	SPAWN(event_reader_until, p);
	set_event(p);
	weft_check_join(1);
	WEFT_CHECK(weft_event_is_set(&p->event));
	weft_check_free(p);
}

/* A second set extends the first one's release sequence: it is made only by who has
 * seen the first one, so whoever sees SET sees what was written before the first. */
static void set_if_set(void *arg)
{
	struct posted *p = arg;

	if (weft_load_relaxed(&p->event.queue.word))
		weft_event_set(&p->event);
}

MODEL(event_set_twice, .covers = SYNC, .preemptions = 2)
{
	struct posted *p = weft_check_alloc(sizeof(*p));

	SPAWN(set_event, p);
	SPAWN(set_if_set, p);
	if (weft_event_is_set(&p->event))
		WEFT_CHECK(p->data == 7);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_free(p);
}

static void event_waiter_with_token(void *arg)
{
	struct posted *p = arg;
	int err;

	weft_ambient_set(&p->token);
	err = weft_event_wait(&p->event);
	WEFT_CHECK(err == 0 || err == -ECANCELED);
	if (err == 0)
		WEFT_CHECK(p->data == 7);
	else
		WEFT_CHECK(p->more == 3);
}

MODEL(event_cancelled, .covers = SYNC, .preemptions = 3)
{
	struct posted *p = weft_check_alloc(sizeof(*p));

	SPAWN(event_waiter_with_token, p);
	p->more = 3;
	weft_token_cancel(&p->token);
	weft_check_join(1);
	weft_check_free(p);
}

MODEL(event_set_and_cancelled, .covers = SYNC, .preemptions = 2)
{
	struct posted *p = weft_check_alloc(sizeof(*p));

	SPAWN(event_waiter_with_token, p);
	SPAWN(set_event, p);
	p->more = 3;
	weft_token_cancel(&p->token);
	weft_check_join(1);
	weft_check_join(2);
	weft_check_free(p);
}

/* ---- once ------------------------------------------------------------------------- */

struct made {
	weft_once once;
	int value, calls, fails;
};

static int make(void *arg)
{
	struct made *m = arg;

	m->calls++;
	if (m->calls <= m->fails)
		return -EIO;
	m->value = 5;
	return 0;
}

static void call_once(void *arg)
{
	struct made *m = arg;

	if (weft_once_call(&m->once, make, m) == 0)
		WEFT_CHECK(m->value == 5);
}

static void once_program(void *arg)
{
	struct made *m = weft_check_alloc(sizeof(*m));
	const int threads = (int)(intptr_t)arg % 10;

	m->fails = (int)(intptr_t)arg / 10;
	for (int i = 1; i < threads; i++)
		SPAWN(call_once, m);
	call_once(m);
	for (int i = 1; i < threads; i++)
		weft_check_join(i);
	WEFT_CHECK(m->calls == m->fails + 1 || (m->calls == threads && m->fails >= threads) ||
		   m->calls <= m->fails + 1);
	WEFT_CHECK(weft_once_done(&m->once) == (m->value == 5));
	weft_check_free(m);
}

MODEL_OF(once_runs_once, once_program, .arg = (void *)2, .covers = SYNC, .spurious = 1);
MODEL_OF(once_runs_once_for_three, once_program, .arg = (void *)3, .covers = SYNC,
	 .preemptions = 2);
MODEL_OF(once_fails_first, once_program, .arg = (void *)12, .covers = SYNC);
MODEL_OF(once_fails_first_for_three, once_program, .arg = (void *)13, .covers = SYNC,
	 .preemptions = 2);
