/* SPDX-License-Identifier: MIT */
/*
 * Goal: the queue keeps its order and the object's bits whatever happens to its
 * lock, and of the parties in it the right ones are won and woken, once.
 * Method: list steps against an array; threads against a held lock, which the
 * SLEEP bit shows to have gone to sleep; puppets in every order of kinds.
 */
#include "wait/wait.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include "base/rng.h"

#include <errno.h>
#include <string.h>

enum { MOST = 6 };

/* ---- the list ---------------------------------------------------------------------------- */

struct model {
	weft_case cases[MOST];
	weft_case *order[MOST];
	int count;
	weft_case *head;
};

static void model_check(const struct model *m)
{
	const weft_case *c = m->head;

	CHECK_EQ(m->head != NULL, m->count > 0);
	for (int i = 0; i < m->count; i++) {
		const weft_case *next = m->order[(i + 1) % m->count];

		CHECK_PTR_EQ(c, m->order[i]);
		CHECK_EQ(c->linked, 1);
		CHECK_PTR_EQ(c->next, next);
		CHECK_PTR_EQ(next->prev, c);
		c = c->next;
	}
}

static weft_case *model_unlinked(struct model *m)
{
	for (int i = 0; i < MOST; i++)
		if (!m->cases[i].linked)
			return &m->cases[i];
	return NULL;
}

static void model_push(struct model *m, bool front)
{
	weft_case *c = model_unlinked(m);

	if (!c)
		return;
	c->notified = 1;
	m->head = front ? weft__cases_push_front(m->head, c) : weft__cases_push(m->head, c);
	CHECK_EQ(c->notified, 0); /* who is in the queue owes nothing */
	for (int i = m->count++; front && i > 0; i--)
		m->order[i] = m->order[i - 1];
	m->order[front ? 0 : m->count - 1] = c;
}

static void model_remove(struct model *m, int at)
{
	m->head = weft__cases_remove(m->head, m->order[at]);
	CHECK_EQ(m->order[at]->linked, 0);
	m->count--;
	for (int i = at; i < m->count; i++)
		m->order[i] = m->order[i + 1];
}

TEST(queue_list_agrees_with_an_array)
{
	struct model m = { .count = 0 };
	struct weft__rng rng = { 1 };

	for (int i = 0; i < 20000; i++) {
		uint32_t what = weft__rng_below(&rng, 4);

		if (what < 2)
			model_push(&m, what);
		else if (m.count > 0)
			model_remove(&m, (int)weft__rng_below(&rng, (uint32_t)m.count));
		model_check(&m);
	}
}

/* ---- the word ---------------------------------------------------------------------------- */

TEST(queue_lock_returns_the_head)
{
	weft_waitq q = { { 0 } };
	weft_case c = { 0 };

	CHECK_NULL(weft__waitq_lock(&q));
	weft__waitq_unlock(&q, weft__cases_push(NULL, &c), 0, 0);
	CHECK_PTR_EQ(weft__waitq_head(weft_load_relaxed(&q.word)), &c);
	CHECK_PTR_EQ(weft__waitq_lock(&q), &c);
	weft__waitq_unlock(&q, NULL, 0, 0);
	CHECK_EQ(weft_load_relaxed(&q.word), 0);
}

TEST(queue_unlock_changes_the_objects_bits)
{
	static const unsigned some[] = { 0, WEFT__A, WEFT__B, WEFT__A | WEFT__B };
	weft_case c = { 0 };

	for (int i = 0; i < 64; i++) {
		unsigned old = some[i & 3], set = some[i >> 2 & 3], clear = some[i >> 4];
		weft_waitq q = { { old } };

		CHECK_NULL(weft__waitq_lock(&q));
		weft__waitq_unlock(&q, &c, set, clear);
		CHECK_EQ(weft_load_relaxed(&q.word), (uintptr_t)&c | (old & ~clear) | set);
	}
}

/* A and B belong to everybody, also while the queue is locked. */
TEST(queue_unlock_keeps_bits_that_changed_meanwhile)
{
	weft_waitq q = { { WEFT__A } };

	weft__waitq_lock(&q);
	weft_or_relaxed(&q.word, (uintptr_t)WEFT__B);
	weft_and_relaxed(&q.word, ~(uintptr_t)WEFT__A);
	weft__waitq_unlock(&q, NULL, 0, 0);
	CHECK_EQ(weft_load_relaxed(&q.word), WEFT__B);
}

struct guarded {
	weft_waitq q;
	uint64_t counter; /* guarded by q's lock */
	int rounds;
};

static void count_under_lock(void *arg, int index)
{
	struct guarded *g = arg;

	for (int i = 0; i < g->rounds; i++) {
		weft_case *head = weft__waitq_lock(&g->q);

		g->counter++;
		weft__waitq_unlock(&g->q, head, 0, 0);
		if (index == 0) /* the object's bits change all the time */
			weft_xor_relaxed(&g->q.word, (uintptr_t)WEFT__A);
	}
}

TEST(queue_lock_excludes)
{
	static struct guarded g = { .rounds = 20000 };

	team_run(8, count_under_lock, &g);
	CHECK_EQ(g.counter, 8 * 20000);
	CHECK_EQ(weft_load_relaxed(&g.q.word), 0);
}

TEST(queue_lock_excludes_on_one_cpu)
{
	static struct guarded g = { .rounds = 20000 };
	cpu_set_t mask = pin_to_one_cpu();

	team_run(8, count_under_lock, &g);
	unpin(mask);
	CHECK_EQ(g.counter, 8 * 20000);
}

TEST(queue_unlock_wakes_all_who_sleep_for_the_lock)
{
	static struct guarded g;
	struct team team = { .count = 0 };

	for (int i = 0; i < 50; i++) {
		weft_case *head = weft__waitq_lock(&g.q);

		g = (struct guarded){ .q = g.q, .rounds = 1 };
		team_add(&team, 5, count_under_lock, &g);
		while (!(weft_load_relaxed(&g.q.word) & WEFT__SLEEP))
			weft__thread_yield();
		/* Changes the word that they sleep on; nobody may be left behind. */
		weft_xor_relaxed(&g.q.word, (uintptr_t)WEFT__B);
		weft__waitq_unlock(&g.q, head, 0, 0);
		team_join(&team);
		CHECK_EQ(g.counter, 5);
		CHECK_EQ(weft_load_relaxed(&g.q.word) & (WEFT__LOCK | WEFT__SLEEP), 0);
	}
}

TEST(queue_cancel_removes_only_what_is_linked)
{
	weft_waitq q = { { WEFT__A } };
	weft_case c[2] = { { 0 }, { 0 } };

	weft__waitq_lock(&q);
	weft__waitq_unlock(&q, weft__cases_push(weft__cases_push(NULL, &c[0]), &c[1]), 0, 0);
	weft__waitq_cancel(&q, &c[0]);
	CHECK_EQ(weft_load_relaxed(&q.word), (uintptr_t)&c[1] | WEFT__A);
	weft__waitq_cancel(&q, &c[0]);
	CHECK_EQ(weft_load_relaxed(&q.word), (uintptr_t)&c[1] | WEFT__A);
	weft__waitq_cancel(&q, &c[1]);
	CHECK_EQ(weft_load_relaxed(&q.word), WEFT__A);
}

/* ---- winning and waking ------------------------------------------------------------------ */

/* A party of a test: its sel and its case, without a wait around them. */
struct party {
	struct puppet puppet;
	weft_sel sel;
	weft_case c;
};

static weft_case *party_push(weft_case *head, struct party *p, bool certain)
{
	*p = (struct party){ .c = { 0 } };
	puppet_init(&p->puppet, certain);
	weft__sel_init(&p->sel, &p->puppet.parker);
	p->c.sel = &p->sel;
	p->c.index = 7;
	return weft__cases_push(head, &p->c);
}

TEST(case_is_won_once)
{
	struct party p;
	uint32_t how[] = { 0, WEFT__NOTIFIED };

	for (int i = 0; i < 2; i++) {
		party_push(NULL, &p, true);
		CHECK(weft__case_win(&p.c, how[i]));
		CHECK_EQ(weft_load_relaxed(&p.sel.won), 8 | how[i]);
		CHECK(!weft__case_win(&p.c, 0));
		CHECK(!weft__case_win(&p.c, WEFT__NOTIFIED));
		CHECK_EQ(weft_load_relaxed(&p.sel.won), 8 | how[i]);
	}
}

enum { RACES = 20000 };

struct race {
	weft_sel sel[RACES];
	weft_case cases[4][RACES];
	weft_atomic_u32 wins;
};

static void race_for_all(void *arg, int index)
{
	struct race *r = arg;

	for (int i = 0; i < RACES; i++)
		if (weft__case_win(&r->cases[index][i], 0))
			weft_add_relaxed(&r->wins, 1);
}

TEST(case_is_won_by_one_of_many)
{
	static struct race r;

	for (int i = 0; i < RACES; i++)
		for (int k = 0; k < 4; k++) {
			r.cases[k][i].sel = &r.sel[i];
			r.cases[k][i].index = (uint16_t)k;
		}
	team_run(4, race_for_all, &r);
	CHECK_EQ(weft_load_relaxed(&r.wins), RACES);
}

struct plan {
	const char *kinds; /* T thread, F future; small: it had been won already */
	const char *fates; /* of each: . still in the queue, l unlinked, n notified */
	bool woken;
};

static bool is_upper(char kind)
{
	return kind == 'T' || kind == 'F';
}

static bool is_thread(char kind)
{
	return kind == 'T' || kind == 't';
}

static weft_case *parties_push(struct party *p, const char *kinds)
{
	weft_case *head = NULL;

	for (int i = 0; kinds[i]; i++) {
		head = party_push(head, &p[i], is_thread(kinds[i]));
		if (!is_upper(kinds[i]))
			weft_store_relaxed(&p[i].sel.won, 1);
	}
	return head;
}

static void party_check(const struct party *p, char kind, char fate)
{
	bool notified = fate == 'n';

	CHECK_EQ(p->c.linked, fate == '.');
	CHECK_EQ(p->c.notified, notified);
	CHECK_EQ(weft_load_relaxed(&p->sel.won),
		 notified ? (8 | WEFT__NOTIFIED) : (uint32_t)!is_upper(kind));
}

TEST(notify_one_picks_the_first_that_surely_runs)
{
	static const struct plan plans[] = {
		{ "", "", false },       { "T", "n", true },       { "TT", "n.", true },
		{ "F", "n", false },     { "FFT", "nnn", true },   { "FTF", "nn.", true },
		{ "t", "l", false },     { "tT", "ln", true },     { "fFtT", "lnln", true },
		{ "FF", "nn", false },   { "TF", "n.", true },     { "tttt", "llll", false },
		{ "FtF", "nln", false }, { "tFTT", "lnn.", true },
	};

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		const struct plan *plan = &plans[i];
		struct weft__wakes wakes;
		struct party p[MOST];
		bool woken = !plan->woken;
		weft_case *head = parties_push(p, plan->kinds);

		weft__wakes_init(&wakes);
		head = weft__notify_one(head, &wakes, &woken);
		CHECK_EQ(woken, plan->woken);
		CHECK_EQ(head != NULL,
			 plan->fates[0] && plan->fates[strlen(plan->fates) - 1] == '.');
		for (int k = 0; plan->kinds[k]; k++) {
			bool notified = plan->fates[k] == 'n';

			party_check(&p[k], plan->kinds[k], plan->fates[k]);
			/* A future was woken under the lock, a thread waits for fire. */
			CHECK_EQ(p[k].puppet.wakes, notified && plan->kinds[k] == 'F');
		}
		weft__wakes_fire(&wakes);
		for (int k = 0; plan->kinds[k]; k++)
			CHECK_EQ(p[k].puppet.wakes, plan->fates[k] == 'n');
	}
}

TEST(win_all_wins_all_that_are_open)
{
	static const uint32_t hows[] = { 0, WEFT__NOTIFIED };

	for (int i = 0; i < 2; i++) {
		const char *kinds = "TfFtTF";
		struct weft__wakes wakes;
		struct party p[MOST];

		weft__wakes_init(&wakes);
		CHECK_EQ(weft__win_all(parties_push(p, kinds), &wakes, hows[i], -EPIPE), 4);
		weft__wakes_fire(&wakes);
		for (int k = 0; kinds[k]; k++) {
			bool open = is_upper(kinds[k]);

			CHECK_EQ(p[k].c.linked, 0);
			CHECK_EQ(p[k].puppet.wakes, open);
			CHECK_EQ(p[k].c.notified, open && hows[i]);
			CHECK_EQ(p[k].c.result, open ? -EPIPE : 0);
			CHECK_EQ(weft_load_relaxed(&p[k].sel.won), open ? 8 | hows[i] : 1);
		}
	}
}
