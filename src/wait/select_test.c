/* SPDX-License-Identifier: MIT */
/*
 * Goal: weft_select() over objects of all kinds lets exactly one case take
 * effect, whichever comes and however many there are, fairly where several can,
 * and leaves nothing behind in the others.
 * Method: one object of each kind in a set; after each call all of them are
 * looked at. Threads wait where the wake matters, puppets where the order does.
 */
#include "weft/select.h"

#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/semaphore.h"
#include "weft/waitgroup.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include "base/rng.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* One object of each kind, in a state in which all would have to wait. */
struct set {
	weft_mutex mutex;
	weft_semaphore semaphore;
	weft_event event;
	weft_token token;
	weft_waitgroup group;
};

enum { LOCK, ACQUIRE, EVENT, TOKEN, GROUP, KINDS };

static void set_init(struct set *s)
{
	memset(s, 0, sizeof(*s));
	weft_mutex_lock(&s->mutex);
	weft_waitgroup_add(&s->group, 1);
}

static void set_cases(struct set *s, weft_case cases[KINDS])
{
	cases[LOCK] = weft_case_lock(&s->mutex);
	cases[ACQUIRE] = weft_case_acquire(&s->semaphore, 2);
	cases[EVENT] = weft_case_event(&s->event);
	cases[TOKEN] = weft_case_token(&s->token);
	cases[GROUP] = weft_case_waitgroup(&s->group);
}

static void set_allow(struct set *s, int kind)
{
	switch (kind) {
	case LOCK: weft_mutex_unlock(&s->mutex); break;
	case ACQUIRE: weft_semaphore_release(&s->semaphore, 2); break;
	case EVENT: weft_event_set(&s->event); break;
	case TOKEN: weft_token_cancel(&s->token); break;
	case GROUP: weft_waitgroup_done(&s->group); break;
	default: FAIL("there is no kind %d", kind);
	}
}

/* Only `taken` has been used, of those in the bit mask `allowed`. */
static void set_check(struct set *s, unsigned allowed, int taken)
{
	CHECK_EQ(weft_mutex_is_locked(&s->mutex), !(allowed >> LOCK & 1) || taken == LOCK);
	CHECK_EQ(weft_semaphore_permits(&s->semaphore),
		 (allowed >> ACQUIRE & 1) && taken != ACQUIRE ? 2 : 0);
	CHECK_NULL(weft__waitq_head(weft_load_relaxed(&s->mutex.queue.word)));
	CHECK_NULL(weft__waitq_head(weft_load_relaxed(&s->semaphore.queue.word)));
	CHECK_NULL(weft__waitq_head(weft_load_relaxed(&s->event.queue.word)));
	CHECK_NULL(weft__waitq_head(weft_load_relaxed(&s->token.queue.word)));
	CHECK_NULL(weft__waitq_head(weft_load_relaxed(&s->group.queue.word)));
	/* No bit is left that says that somebody waits. */
	CHECK_EQ(s->semaphore.state.v & 3, 0);
	CHECK_EQ(s->mutex.queue.word.v & WEFT__B, 0);
}

static int set_queued(struct set *s)
{
	return queue_count(&s->mutex.queue, true) + queue_count(&s->semaphore.queue, true) +
	       queue_count(&s->event.queue, true) + queue_count(&s->token.queue, true) +
	       queue_count(&s->group.queue, true);
}

TEST(select_checks_its_arguments)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_case c = weft_case_event(&event);

	CHECK_EQ(weft_select(&c, -1, WEFT_NEVER), -EINVAL);
	CHECK_EQ(weft_select(&c, WEFT_SELECT_MAX + 1, WEFT_NEVER), -EINVAL);
	CHECK_EQ(weft_select(&c, INT32_MAX, WEFT_NEVER), -EINVAL);
	CHECK_EQ(weft_select(&c, INT32_MIN, 0), -EINVAL);
	CHECK_EQ(weft_select(NULL, 1, WEFT_NEVER), -EINVAL);
	CHECK_EQ(weft_select_biased(&c, -1, WEFT_NEVER), -EINVAL);
	CHECK_EQ(weft_select_biased(&c, WEFT_SELECT_MAX + 1, WEFT_NEVER), -EINVAL);
	CHECK_EQ(weft_select_try(&c, -1), -EINVAL);
	CHECK_EQ(weft_select_try(&c, WEFT_SELECT_MAX + 1), -EINVAL);
}

TEST(select_of_nothing_waits)
{
	weft_token token = { .parent = NULL };
	weft_token *outer = weft_ambient_set(&token);
	int64_t deadline = weft_after_ms(5);

	CHECK_EQ(weft_select(NULL, 0, 0), -ETIMEDOUT);
	CHECK_EQ(weft_select_biased(NULL, 0, 1), -ETIMEDOUT);
	CHECK_EQ(weft_select(NULL, 0, deadline), -ETIMEDOUT);
	CHECK_GE(weft_now(), deadline);
	CHECK_EQ(weft_select_try(NULL, 0), -EAGAIN);
	weft_token_cancel(&token);
	CHECK_EQ(weft_select(NULL, 0, WEFT_NEVER), -ECANCELED);
	weft_ambient_set(outer);
}

TEST(select_lets_one_of_the_possible_take_effect)
{
	for (unsigned allowed = 0; allowed < 1u << KINDS; allowed++) {
		weft_case cases[KINDS];
		struct set s;
		int chosen;

		set_init(&s);
		set_cases(&s, cases);
		for (int kind = 0; kind < KINDS; kind++)
			if (allowed >> kind & 1)
				set_allow(&s, kind);
		chosen = weft_select(cases, KINDS, 1);
		if (allowed == 0) {
			CHECK_EQ(chosen, -ETIMEDOUT);
		} else {
			CHECK_GE(chosen, 0);
			CHECK(allowed >> chosen & 1);
			CHECK_EQ(cases[chosen].result, 0);
		}
		set_check(&s, allowed, chosen);
	}
}

TEST(select_biased_takes_the_first_of_the_possible)
{
	for (unsigned allowed = 1; allowed < 1u << KINDS; allowed++) {
		weft_case cases[KINDS];
		struct set s;

		set_init(&s);
		set_cases(&s, cases);
		for (int kind = 0; kind < KINDS; kind++)
			if (allowed >> kind & 1)
				set_allow(&s, kind);
		CHECK_EQ(weft_select_biased(cases, KINDS, 0), __builtin_ctz(allowed));
		set_check(&s, allowed, __builtin_ctz(allowed));
	}
}

TEST(select_try_never_waits)
{
	weft_token token = { .parent = NULL };
	weft_token *outer = weft_ambient_set(&token);
	weft_case cases[KINDS];
	struct set s;

	set_init(&s);
	set_cases(&s, cases);
	CHECK_EQ(weft_select_try(cases, KINDS), -EAGAIN);
	weft_token_cancel(&token); /* nothing to do with it: it does not wait */
	CHECK_EQ(weft_select_try(cases, KINDS), -EAGAIN);
	set_allow(&s, ACQUIRE);
	CHECK_EQ(weft_select_try(cases, KINDS), ACQUIRE);
	set_check(&s, 1u << ACQUIRE, ACQUIRE);
	weft_ambient_set(outer);
}

/* Whoever wants to queue up for what is there is sent back to take it, or nobody
 * would ever wake it; what it owes is owed still. */
TEST(select_queues_for_nothing_that_is_possible)
{
	for (int i = 0; i < 4 * KINDS; i++) {
		weft_case cases[KINDS], *c = &cases[i / 4];
		struct puppet p;
		weft_sel sel;
		struct set s;

		puppet_init(&p, i & 1);
		weft__sel_init(&sel, &p.parker);
		set_init(&s);
		set_cases(&s, cases);
		set_allow(&s, i / 4);
		c->sel = &sel;
		c->notified = i & 2;
		CHECK(!c->source->enqueue(c));
		CHECK_EQ(c->linked, 0);
		CHECK_EQ(c->notified, i & 2);
		CHECK(c->source->attempt(c));
		set_check(&s, 1u << i / 4, i / 4);
	}
}

/* ---- with threads ------------------------------------------------------------------------ */

struct waiting {
	struct set set;
	weft_token token; /* ambient for who waits */
	weft_atomic_u32 meeting;
	int64_t deadline;
	int result;
};

static void select_in_set(void *arg, int index)
{
	struct waiting *w = arg;
	weft_case cases[KINDS];

	(void)index;
	weft_ambient_set(&w->token);
	set_cases(&w->set, cases);
	w->result = weft_select(cases, KINDS, w->deadline);
	weft_ambient_set(NULL);
}

TEST(select_is_woken_by_each_kind)
{
	static struct waiting w;
	struct team team = { .count = 0 };

	for (int i = 0; i < 20 * KINDS; i++) {
		int kind = i % KINDS;

		set_init(&w.set);
		w.deadline = i & 1 ? WEFT_NEVER : weft_after_s(1000);
		team_add(&team, 1, select_in_set, &w);
		while (set_queued(&w.set) != KINDS)
			weft__thread_yield();
		set_allow(&w.set, kind);
		team_join(&team);
		CHECK_EQ(w.result, kind);
		set_check(&w.set, 1u << kind, kind);
	}
}

TEST(select_ends_at_its_deadline)
{
	static struct waiting w;

	for (int i = 0; i < 10; i++) {
		set_init(&w.set);
		w.deadline = weft_after_us(i * 200);
		team_run(1, select_in_set, &w);
		CHECK_GE(weft_now(), w.deadline);
		CHECK_EQ(w.result, -ETIMEDOUT);
		set_check(&w.set, 0, w.result);
	}
}

TEST(select_is_cancelled_while_it_waits)
{
	static struct waiting w;
	struct team team = { .count = 0 };

	for (int i = 0; i < 20; i++) {
		memset(&w, 0, sizeof(w));
		set_init(&w.set);
		w.deadline = WEFT_NEVER;
		team_add(&team, 1, select_in_set, &w);
		while (set_queued(&w.set) != KINDS)
			weft__thread_yield();
		weft_token_cancel(&w.token);
		team_join(&team);
		CHECK_EQ(w.result, -ECANCELED);
		set_check(&w.set, 0, w.result);
	}
}

/* Everything is allowed at about the same time: one takes effect all the same. */
static void allow_all(void *arg, int index)
{
	struct waiting *w = arg;

	team_meet(&w->meeting, 3);
	if (index == 0) {
		select_in_set(w, 0);
		return;
	}
	for (int kind = 0; kind < KINDS; kind++)
		if (kind % 2 == index - 1)
			set_allow(&w->set, kind);
}

TEST(select_takes_one_when_all_come_at_once)
{
	static struct waiting w;

	for (int i = 0; i < 1000; i++) {
		set_init(&w.set);
		w.deadline = WEFT_NEVER;
		team_run(3, allow_all, &w);
		CHECK_GE(w.result, 0);
		CHECK_LT(w.result, KINDS);
		set_check(&w.set, (1u << KINDS) - 1, w.result);
	}
}

/* ---- many cases, the same object, the same array ----------------------------------------- */

static weft_semaphore many[WEFT_SELECT_MAX];
static weft_case many_cases[WEFT_SELECT_MAX];

static void many_init(int count)
{
	for (int i = 0; i < count; i++) {
		weft_semaphore_init(&many[i], 0);
		many_cases[i] = weft_case_acquire(&many[i], 1);
	}
}

struct many_wait {
	int count;
	int result;
};

static void select_many(void *arg, int index)
{
	struct many_wait *w = arg;

	(void)index;
	w->result = weft_select(many_cases, w->count, WEFT_NEVER);
}

TEST(select_of_many_is_woken_by_any)
{
	static const int counts[] = { 1, 63, 64, 65, 256, 1000, WEFT_SELECT_MAX };
	static struct many_wait w;
	struct team team = { .count = 0 };
	struct weft__rng rng = { 3 };

	for (int i = 0; i < 28; i++) {
		int count = counts[i / 4];
		int chosen = i % 4 == 0   ? 0
			     : i % 4 == 1 ? count - 1
					  : (int)weft__rng_below(&rng, (uint32_t)count);

		many_init(count);
		w = (struct many_wait){ .count = count, .result = -1 };
		team_add(&team, 1, select_many, &w);
		for (int k = 0; k < count; k++)
			await_asleep(&many[k].queue, 1);
		weft_semaphore_release(&many[chosen], 1);
		team_join(&team);
		CHECK_EQ(w.result, chosen);
		for (int k = 0; k < count; k++)
			CHECK_EQ(weft_load_relaxed(&many[k].queue.word) | many[k].state.v, 0);
	}
}

TEST(select_of_many_finds_the_possible_one)
{
	for (int i = 0; i < 200; i++) {
		int chosen = i * 20;

		many_init(WEFT_SELECT_MAX);
		weft_semaphore_release(&many[chosen], 1);
		CHECK_EQ(weft_select(many_cases, WEFT_SELECT_MAX, WEFT_NEVER), chosen);
		CHECK_EQ(weft_select_try(many_cases, WEFT_SELECT_MAX), -EAGAIN);
	}
}

TEST(select_takes_the_same_object_twice)
{
	weft_event event = WEFT_EVENT_INIT;
	weft_mutex mutex = WEFT_MUTEX_INIT;
	weft_semaphore semaphore = WEFT_SEMAPHORE_INIT;
	weft_case cases[] = {
		weft_case_event(&event),
		weft_case_lock(&mutex),
		weft_case_acquire(&semaphore, 1),
		weft_case_event(&event),
		weft_case_acquire(&semaphore, 100),
		weft_case_lock(&mutex),
	};
	struct puppet p;

	for (int certain = 0; certain < 2; certain++) {
		weft_mutex_lock(&mutex);
		puppet_init(&p, certain);
		CHECK_EQ(puppet_begin(&p, cases, 6, 0), -EAGAIN);
		weft_mutex_unlock(&mutex);
		CHECK_EQ(p.wakes, 1);
		CHECK_EQ(puppet_next(&p) % 4, 1);
		CHECK(weft_mutex_is_locked(&mutex));
		CHECK_EQ(puppet_begin(&p, cases, 6, 0), -EAGAIN);
		weft_semaphore_release(&semaphore, 1);
		CHECK_EQ(puppet_next(&p), 2);
		CHECK_EQ(weft_semaphore_permits(&semaphore), 0);
		CHECK_EQ(puppet_begin(&p, cases, 6, 0), -EAGAIN);
		weft_event_set(&event);
		CHECK_EQ(puppet_next(&p) % 3, 0);
		weft_event_reset(&event);
		CHECK_EQ(p.wakes, 3);
		weft_mutex_unlock(&mutex);
		CHECK_EQ(mutex.queue.word.v | event.queue.word.v | semaphore.queue.word.v, 0);
		CHECK_EQ(semaphore.state.v, 0);
	}
}

/* A select was given its chance of the lock, and leaves with the event. */
TEST(select_leaves_the_lock_to_the_next)
{
	for (int kinds = 0; kinds < 4; kinds++) {
		weft_mutex mutex = WEFT_MUTEX_INIT;
		weft_event event = WEFT_EVENT_INIT;
		weft_case cases[] = { weft_case_event(&event), weft_case_lock(&mutex) };
		struct puppet first, next;

		puppet_init(&first, kinds & 1);
		puppet_init(&next, kinds & 2);
		weft_mutex_lock(&mutex);
		CHECK_EQ(puppet_begin(&first, cases, 2, WEFT__BIASED), -EAGAIN);
		CHECK_EQ(puppet_wait(&next, weft_case_lock(&mutex)), -EAGAIN);
		weft_mutex_unlock(&mutex);
		CHECK_EQ(first.wakes, 1);
		weft_event_set(&event);
		CHECK_EQ(puppet_next(&first), 0);
		CHECK_EQ(next.wakes, 1);
		CHECK_EQ(puppet_next(&next), 0);
		weft_mutex_unlock(&mutex);
		CHECK_EQ(weft_load_relaxed(&mutex.queue.word), 0);
	}
}

/* ---- fairness ---------------------------------------------------------------------------- */

/* Chi-square against equal shares; the bound is far beyond what chance gives. */
static void check_shares(const int *seen, int count, int draws)
{
	double mean = (double)draws / count, chi = 0, freedom = count - 1;

	for (int i = 0; i < count; i++)
		chi += (seen[i] - mean) * (seen[i] - mean) / mean;
	if (chi > freedom + 8 * sqrt(2 * freedom) + 20)
		FAIL("%d cases were not chosen alike: chi-square is %g", count, chi);
}

TEST(select_chooses_at_random_of_what_is_possible)
{
	enum { COUNT = 64, DRAWS = 16000 };
	static const int counts[] = { 2, 3, 5, 64 };

	for (int i = 0; i < 4; i++) {
		int seen[COUNT] = { 0 };

		many_init(counts[i]);
		for (int k = 0; k < counts[i]; k++)
			weft_semaphore_release(&many[k], DRAWS);
		for (int k = 0; k < DRAWS; k++) {
			int chosen = weft_select(many_cases, counts[i], WEFT_NEVER);

			CHECK_GE(chosen, 0);
			seen[chosen]++;
		}
		check_shares(seen, counts[i], DRAWS);
	}
}

/* Two neighbours of many are possible: a rotation would favour the first of them,
 * since the gap before it is the larger one. */
TEST(select_does_not_favour_who_comes_after_a_gap)
{
	enum { COUNT = 16, DRAWS = 16000 };
	int seen[2] = { 0 };

	many_init(COUNT);
	weft_semaphore_release(&many[6], DRAWS);
	weft_semaphore_release(&many[7], DRAWS);
	for (int k = 0; k < DRAWS; k++) {
		int chosen = weft_select(many_cases, COUNT, WEFT_NEVER);

		CHECK(chosen == 6 || chosen == 7);
		seen[chosen - 6]++;
	}
	check_shares(seen, 2, DRAWS);
}
