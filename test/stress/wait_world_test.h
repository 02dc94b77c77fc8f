/* SPDX-License-Identifier: MIT */
/*
 * The world of wait_stress.c: the objects over which its parties collide, what is
 * counted about them, and the requests that responders answer.
 *
 * A holder of a mutex or of permits waits for nothing but a mutex, and a mutex is
 * held for a few instructions, so all of these come free some day: a wait for
 * them may be without deadline. Events and conditions need not come.
 */
#ifndef WEFT_TEST_STRESS_WAIT_WORLD_TEST_H
#define WEFT_TEST_STRESS_WAIT_WORLD_TEST_H

#include "weft/cancel.h"
#include "weft/cond.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/once.h"
#include "weft/select.h"
#include "weft/semaphore.h"
#include "weft/waitgroup.h"

#include "base/rng.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_OPS = 600000,
	WORKERS = 8,
	RESPONDERS = 2,
	TASKS = 6,
	SLOTS = WORKERS + TASKS,
	PARTIES = SLOTS + RESPONDERS,
	MUTEXES = 3,
	SEMAPHORES = 3,
	EVENTS = 3,
	ONCES = 8192,
	ONCE_CALLERS = 6,
	ONCE_FAILURES = 2,
	MOST_CASES = 6,
	MAILBOX = 16,
};

struct stats {
	uint64_t ops, succeeded, timed_out, cancelled, dropped;
	uint64_t sections[MUTEXES];
	uint64_t woken, notified;
	uint64_t asked, answered;
};

/* A token that others cancel, and its owner renews: hence the guard. What is below
 * the token comes and goes without it. */
struct slot {
	weft_mutex guard;
	weft_token token;
};

struct party {
	struct weft__rng rng;
	struct slot *slot;
	uint64_t budget;
	struct stats stats;
};

struct lock {
	weft_mutex mutex;
	weft_cond cond;
	uint64_t sections; /* guarded by mutex */
};

struct pool {
	weft_semaphore semaphore;
	weft_atomic_u32 held;
};

struct once {
	weft_once once;
	uint32_t runs, data; /* written by the run under way */
};

enum { SET, DONE, RELEASE };

/* What a responder is to do, once, to an object that may be gone right after. */
struct job {
	int what;
	void *object;
};

struct mailbox {
	weft_semaphore jobs, space;
	weft_mutex mutex;
	struct job ring[MAILBOX]; /* guarded by mutex */
	uint32_t first, count;
	weft_event stop;
};

struct world {
	weft_token root;
	struct slot slot[SLOTS];
	struct lock lock[MUTEXES];
	struct pool pool[SEMAPHORES];
	weft_event event[EVENTS];
	struct once once[ONCES];
	weft_atomic_u32 once_at;
	struct mailbox mailbox;
	struct poll_executor executor;
	struct party party[PARTIES];
	struct stats total;
};

/* ---- drawing ----------------------------------------------------------------------------- */

static inline uint32_t draw(struct party *p, uint32_t below)
{
	return weft__rng_below(&p->rng, below);
}

/* Some in the past, most about as long as a wait takes, some never. */
static inline int64_t deadline(struct party *p)
{
	uint32_t kind = draw(p, 16);

	if (kind < 2)
		return kind;
	if (kind < 8)
		return weft_after_us(draw(p, 60));
	return kind == 8 ? weft_after_us(draw(p, 1000)) : WEFT_NEVER;
}

static inline int64_t bounded(struct party *p)
{
	int64_t until = deadline(p);

	return until == WEFT_NEVER ? weft_after_us(200) : until;
}

static inline uint32_t permits_of(int semaphore)
{
	static const uint32_t permits[SEMAPHORES] = { 1, 3, 7 };

	return permits[semaphore];
}

/* ---- outcomes ---------------------------------------------------------------------------- */

static inline bool succeeded(struct party *p, int result)
{
	switch (result) {
	case 0: p->stats.succeeded++; return true;
	case -EAGAIN:
	case -ETIMEDOUT: p->stats.timed_out++; return false;
	case -ECANCELED: p->stats.cancelled++; return false;
	default: FAIL("a wait ended with %d", result);
	}
}

/* After a cancellation the party starts afresh. */
static inline void renew(struct world *w, struct party *p)
{
	if (!weft_token_cancelled(&p->slot->token))
		return;
	weft_mutex_lock(&p->slot->guard);
	weft_token_fini(&p->slot->token);
	weft_token_init(&p->slot->token, &w->root);
	weft_mutex_unlock(&p->slot->guard);
}

/* Stays for a while: mostly not at all, at times until others have run, so that
 * they pile up. */
static inline void linger(struct party *p)
{
	uint32_t how = draw(p, 128);

	if (how == 0)
		weft__thread_yield();
	for (uint32_t i = how < 12 ? draw(p, 300) : 0; i > 0; i--)
		weft__cpu_pause();
}

/* The critical section, at the end of which the mutex is given up. */
static inline void leave_lock(struct world *w, struct party *p, int m)
{
	uint64_t before = w->lock[m].sections;

	linger(p);
	w->lock[m].sections = before + 1;
	p->stats.sections[m]++;
	weft_mutex_unlock(&w->lock[m].mutex);
}

static inline void leave_pool(struct world *w, struct party *p, int s, uint32_t count)
{
	uint32_t before = weft_add_relaxed(&w->pool[s].held, count);

	CHECK_LE(before + count, permits_of(s));
	linger(p);
	if (draw(p, 8) == 0) {
		weft_mutex_lock(&w->lock[0].mutex);
		leave_lock(w, p, 0);
	}
	weft_sub_relaxed(&w->pool[s].held, count);
	weft_semaphore_release(&w->pool[s].semaphore, count);
}

/* ---- selects ----------------------------------------------------------------------------- */

enum { CASE_LOCK, CASE_POOL, CASE_EVENT, CASE_TOKEN, CASES };

/* which = kind * 16 + object. The first case comes for sure some day. */
static inline int draw_cases(struct world *w, struct party *p, weft_case *cases, int *which)
{
	int count = 1 + (int)draw(p, MOST_CASES);

	for (int i = 0; i < count; i++) {
		int kind = (int)draw(p, i == 0 ? CASE_EVENT : CASES);
		int at = (int)draw(p, MUTEXES);

		which[i] = kind * 16 + at;
		switch (kind) {
		case CASE_LOCK: cases[i] = weft_case_lock(&w->lock[at].mutex); break;
		case CASE_POOL:
			cases[i] = weft_case_acquire(&w->pool[at].semaphore,
						     draw(p, permits_of(at) + 1));
			break;
		case CASE_EVENT: cases[i] = weft_case_event(&w->event[at]); break;
		default: cases[i] = weft_case_token(&p->slot->token); break;
		}
	}
	return count;
}

static inline void leave_case(struct world *w, struct party *p, const weft_case *c, int which)
{
	switch (which / 16) {
	case CASE_LOCK: leave_lock(w, p, which % 16); break;
	case CASE_POOL: leave_pool(w, p, which % 16, c->need); break;
	default: break;
	}
}

/* ---- requests and responders ------------------------------------------------------------- */

static inline void serve(struct job job)
{
	switch (job.what) {
	case SET: weft_event_set(job.object); break;
	case DONE: weft_waitgroup_done(job.object); break;
	default: weft_semaphore_release(job.object, 1); break;
	}
}

static inline void post(struct world *w, struct party *p, int what, void *object)
{
	struct mailbox *box = &w->mailbox;
	struct job job = { what, object };

	p->stats.asked++;
	if (weft_semaphore_acquire_until(&box->space, 1, deadline(p)) != 0) {
		p->stats.answered++;
		serve(job); /* no room, or cancelled: by itself, then */
		return;
	}
	weft_mutex_lock(&box->mutex);
	CHECK_LT(box->count, MAILBOX);
	box->ring[(box->first + box->count++) % MAILBOX] = job;
	weft_mutex_unlock(&box->mutex);
	weft_semaphore_release(&box->jobs, 1);
}

static inline void respond(struct world *w, struct party *p)
{
	struct mailbox *box = &w->mailbox;
	weft_case cases[] = { weft_case_acquire(&box->jobs, 1), weft_case_event(&box->stop) };

	while (weft_select_biased(cases, 2, WEFT_NEVER) == 0) {
		struct job job;

		weft_mutex_lock(&box->mutex);
		CHECK_GT(box->count, 0);
		job = box->ring[box->first++ % MAILBOX];
		box->count--;
		weft_mutex_unlock(&box->mutex);
		weft_semaphore_release(&box->space, 1);
		p->stats.answered++;
		serve(job);
	}
}

struct reply {
	weft_event event;
	weft_waitgroup group;
	weft_semaphore semaphore;
};

static inline int await_reply(struct reply *r, struct party *p, int what)
{
	weft_case c;

	switch (what) {
	case SET: return weft_event_wait_until(&r->event, deadline(p));
	case RELEASE: return weft_semaphore_acquire_until(&r->semaphore, 1, deadline(p));
	default: break;
	}
	if (draw(p, 2))
		return weft_waitgroup_wait_until(&r->group, deadline(p));
	c = weft_case_waitgroup(&r->group);
	return weft_select(&c, 1, deadline(p));
}

/* Has others answer one to three times, and frees the object with the last answer. */
static inline void request(struct world *w, struct party *p)
{
	struct reply *r = calloc(1, sizeof(*r));
	int what = (int)draw(p, 3);
	uint32_t answers = what == SET ? 1 : 1 + draw(p, 3);
	uint32_t waits = what == RELEASE ? answers : 1;
	void *object;

	CHECK_NOT_NULL(r);
	object = what == SET    ? (void *)&r->event
		 : what == DONE ? (void *)&r->group
				: (void *)&r->semaphore;
	weft_waitgroup_add(&r->group, what == DONE ? answers : 0);
	for (uint32_t i = 0; i < answers; i++)
		post(w, p, what, object);
	while (waits > 0) {
		waits -= succeeded(p, await_reply(r, p, what));
		renew(w, p);
	}
	memset(r, 0xa5, sizeof(*r));
	free(r);
}

/* ---- beginning and end ------------------------------------------------------------------- */

static inline void world_init(struct world *w, uint64_t ops)
{
	memset(w, 0, sizeof(*w));
	for (int i = 0; i < SEMAPHORES; i++)
		weft_semaphore_init(&w->pool[i].semaphore, permits_of(i));
	weft_semaphore_init(&w->mailbox.space, MAILBOX);
	for (int i = 0; i < PARTIES; i++) {
		struct party *p = &w->party[i];

		weft__rng_seed(&p->rng, weft__entropy());
		if (i >= SLOTS)
			continue;
		p->slot = &w->slot[i];
		weft_token_init(&p->slot->token, &w->root);
		p->budget = ops / SLOTS + ((uint64_t)i < ops % SLOTS);
	}
}

static inline void world_stop_responders(struct world *w)
{
	weft_event_set(&w->mailbox.stop);
}

static inline void stats_add(struct stats *to, const struct stats *from)
{
	to->succeeded += from->succeeded;
	to->timed_out += from->timed_out;
	to->cancelled += from->cancelled;
	to->dropped += from->dropped;
	to->woken += from->woken;
	to->notified += from->notified;
	to->asked += from->asked;
	to->answered += from->answered;
	for (int i = 0; i < MUTEXES; i++)
		to->sections[i] += from->sections[i];
}

static inline void check_semaphore(const weft_semaphore *s, uint32_t permits)
{
	CHECK_EQ(weft_load_relaxed(&s->state), (uint64_t)permits << 2);
	CHECK_EQ(weft_load_relaxed(&s->queue.word), 0);
}

static inline void check_onces(struct world *w)
{
	uint32_t calls = weft_load_relaxed(&w->once_at);

	for (uint32_t i = 0; i < ONCES; i++) {
		struct once *once = &w->once[i];
		bool called = i < (calls + ONCE_CALLERS - 1) / ONCE_CALLERS;

		CHECK_EQ(once->runs, called ? ONCE_FAILURES + 1 : 0);
		CHECK_EQ(once->data, called);
		CHECK_EQ(weft_load_relaxed(&once->once.queue.word), called ? WEFT__B : 0);
	}
}

/* Everything as at the beginning, and every count in agreement. */
static inline void world_check(struct world *w)
{
	for (int i = 0; i < PARTIES; i++) {
		stats_add(&w->total, &w->party[i].stats);
		w->total.ops += w->party[i].budget;
	}
	for (int i = 0; i < SLOTS; i++)
		weft_token_fini(&w->slot[i].token);
	weft_token_fini(&w->root);
	for (int i = 0; i < MUTEXES; i++) {
		CHECK_EQ(w->lock[i].sections, w->total.sections[i]);
		CHECK_EQ(weft_load_relaxed(&w->lock[i].mutex.queue.word), 0);
		CHECK_EQ(weft_load_relaxed(&w->lock[i].cond.queue.word), 0);
	}
	for (int i = 0; i < SEMAPHORES; i++) {
		CHECK_EQ(weft_load_relaxed(&w->pool[i].held), 0);
		check_semaphore(&w->pool[i].semaphore, permits_of(i));
	}
	for (int i = 0; i < EVENTS; i++)
		CHECK_EQ(weft_load_relaxed(&w->event[i].queue.word) & ~(uintptr_t)WEFT__A, 0);
	check_semaphore(&w->mailbox.jobs, 0);
	check_semaphore(&w->mailbox.space, MAILBOX);
	CHECK_EQ(w->total.woken, w->total.notified);
	CHECK_EQ(w->total.asked, w->total.answered);
	check_onces(w);
}

#endif
