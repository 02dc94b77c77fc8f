/* SPDX-License-Identifier: MIT */
/*
 * Goal: the blocking loop calls its sources in the right order, however the wait
 * is decided: no chance that a party was given is lost, no case is left linked,
 * and a result that had taken effect is reported.
 * Method: sources that follow a script and write down each call. A script can
 * play the waker too: to win the party at the very moment at which its case has
 * been linked is as early as another thread can do it. A parker that follows a
 * script plays the clock.
 */
#include "wait/wait.h"

#include "check.h"
#include "poll_waiter_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 8 };

/* What a case does at each attempt and at each enqueue; the last one repeats.
 *
 * attempts  0 fails   1 succeeds   k the ambient token is cancelled, and it fails
 * enqueues  l links   r refuses    n links, and a waker notifies it
 *           c links, and a waker completes it   k links, the token is cancelled
 *           x refuses, after a waker has completed case 0 */
struct script {
	const char *attempts;
	const char *enqueues;
	int attempted, enqueued;
};

static struct script scripts[MOST];
static weft_case cases[MOST];
static weft_token token;
static char said[512];

static void say(char what, const weft_case *c)
{
	const struct script *script = c->object;
	size_t len = strlen(said);

	snprintf(said + len, sizeof(said) - len, "%c%d", what, (int)(script - scripts));
}

static char follow(const char *moves, int *at)
{
	char move = moves[*at];

	if (moves[*at + 1])
		(*at)++;
	return move;
}

static void play_waker(weft_case *c, uint32_t how)
{
	c->linked = 0;
	c->notified = how != 0;
	c->result = how ? -1 : 42;
	CHECK(weft__case_win(c, how));
	weft__parker_wake(c->sel->parker);
}

static bool script_attempt(weft_case *c)
{
	struct script *s = c->object;
	char move = follow(s->attempts, &s->attempted);

	say('t', c);
	if (move == 'k')
		weft_token_cancel(&token);
	c->result = 7;
	return move == '1';
}

static bool script_enqueue(weft_case *c)
{
	struct script *s = c->object;
	char move = follow(s->enqueues, &s->enqueued);

	say('e', c);
	CHECK_EQ(c->linked, 0);
	if (move == 'x')
		play_waker(&cases[0], 0);
	if (move == 'x' || move == 'r')
		return false;
	c->linked = 1;
	c->notified = 0;
	if (move == 'n' || move == 'c')
		play_waker(c, move == 'n' ? WEFT__NOTIFIED : 0);
	if (move == 'k')
		weft_token_cancel(&token);
	return true;
}

static void script_dequeue(weft_case *c)
{
	say('d', c);
	c->linked = 0;
}

static void script_pass_on(weft_case *c)
{
	say('p', c);
	CHECK_EQ(c->linked, 0);
}

static const struct weft_source script_source = {
	.name = "script",
	.attempt = script_attempt,
	.enqueue = script_enqueue,
	.dequeue = script_dequeue,
	.pass_on = script_pass_on,
};

/* scripts: "attempts/enqueues" of each case. Clears what was said. */
static void cases_init(int count, const char *const moves[][2])
{
	said[0] = '\0';
	for (int i = 0; i < count; i++) {
		scripts[i] = (struct script){ moves[i][0], moves[i][1], 0, 0 };
		cases[i] = weft__case_make(&script_source, &scripts[i], NULL);
	}
}

static void check_all_unlinked(int count)
{
	for (int i = 0; i < count; i++) {
		CHECK_EQ(cases[i].linked, 0);
		CHECK_EQ(cases[i].notified, 0);
	}
	CHECK_NULL(weft__waitq_head(weft_load_relaxed(&token.queue.word)));
}

/* A blocking call of one thread, what it answers and what it does meanwhile. */
struct scene {
	const char *title;
	int count;
	const char *const moves[3][2];
	int64_t deadline;
	int result;
	const char *said;
};

static void play(const struct scene *s, unsigned flags)
{
	weft_token *outer;
	int result;

	token = (weft_token){ .parent = NULL };
	outer = weft_ambient_set(&token);
	cases_init(s->count, s->moves);
	result = weft__block(cases, s->count, s->deadline, flags);
	if (result != s->result || strcmp(said, s->said) != 0)
		FAIL("%s: result %d and not %d; calls\n\t%s and not\n\t%s", s->title, result,
		     s->result, said, s->said);
	check_all_unlinked(s->count);
	CHECK_PTR_EQ(weft_ambient_set(outer), &token);
}

static const struct scene plain_scenes[] = {
	{ "what is possible at once", 2, { { "0" }, { "1" } }, WEFT_NEVER, 1, "t0t1" },
	{ "deadline 0 only tries", 2, { { "0" }, { "0" } }, 0, -ETIMEDOUT, "t0t1" },
	{ "a negative one too", 2, { { "0" }, { "0" } }, -5, -ETIMEDOUT, "t0t1" },
	{ "deadline 0, and it works", 1, { { "1" } }, 0, 0, "t0" },
	{ "a deadline in the past",
	  2,
	  { { "0", "l" }, { "0", "l" } },
	  1,
	  -ETIMEDOUT,
	  "t0t1e0e1d0d1" },
	{ "a refused link is tried again",
	  2,
	  { { "0", "l" }, { "01", "r" } },
	  WEFT_NEVER,
	  1,
	  "t0t1e0e1d0t0t1" },
	{ "refused at first, others are not linked",
	  2,
	  { { "01", "r" }, { "0" } },
	  WEFT_NEVER,
	  0,
	  "t0t1e0t0" },
	{ "completed by a waker", 2, { { "0", "l" }, { "0", "c" } }, WEFT_NEVER, 1, "t0t1e0e1d0" },
	{ "completed while the others are being linked",
	  3,
	  { { "0", "c" }, { "0", "l" }, { "0", "l" } },
	  WEFT_NEVER,
	  0,
	  "t0t1t2e0e1e2d1d2" },
	{ "completed, and a later case refuses",
	  3,
	  { { "0", "l" }, { "0", "l" }, { "0", "x" } },
	  WEFT_NEVER,
	  0,
	  "t0t1t2e0e1e2d1" },
	{ "notified and it works",
	  2,
	  { { "01", "n" }, { "0", "l" } },
	  WEFT_NEVER,
	  0,
	  "t0t1e0e1d1t0" },
	{ "notified, overtaken, waits on, times out",
	  2,
	  { { "0", "nl" }, { "0", "l" } },
	  1,
	  -ETIMEDOUT,
	  "t0t1e0e1d1t0t1e0e1d0d1" },
	{ "notified, and leaves with another",
	  2,
	  { { "0", "n" }, { "01", "l" } },
	  WEFT_NEVER,
	  1,
	  "t0t1e0e1d1t0t1p0" },
	{ "notified, refused, tried again", 1, { { "001", "nr" } }, WEFT_NEVER, 0, "t0e0t0e0t0" },
};

TEST(block_calls_sources_in_order)
{
	for (size_t i = 0; i < sizeof(plain_scenes) / sizeof(plain_scenes[0]); i++)
		play(&plain_scenes[i], WEFT__BIASED);
}

/* The chance of case 1 was not used when case 0 was completed by a waker. */
TEST(block_passes_on_what_another_case_made_needless)
{
	static const struct scene scene = { "",         2, { { "0", "lc" }, { "0", "nr" } },
					    WEFT_NEVER, 0, "t0t1e0e1d0t0t1e0e1p1" };

	play(&scene, WEFT__BIASED);
}

TEST(block_biased_prefers_the_first_that_is_possible)
{
	/* Case 1 is notified; by the time the party looks, case 0 is possible. */
	static const struct scene scene = { "",         2, { { "01", "l" }, { "01", "n" } },
					    WEFT_NEVER, 0, "t0t1e0e1d0t0p1" };

	play(&scene, WEFT__BIASED);
}

TEST(block_reports_cancellation_only_instead_of_waiting)
{
	static const struct scene scenes[] = {
		{ "cancelled before", 2, { { "k" }, { "0" } }, WEFT_NEVER, -ECANCELED, "t0t1" },
		{ "cancelled, deadline 0", 1, { { "k" } }, 0, -ECANCELED, "t0" },
		{ "cancelled, and it works", 2, { { "k" }, { "1" } }, WEFT_NEVER, 1, "t0t1" },
		{ "cancelled while linking",
		  2,
		  { { "0", "k" }, { "0", "l" } },
		  WEFT_NEVER,
		  -ECANCELED,
		  "t0t1e0e1d0d1" },
		{ "completed before it was cancelled",
		  2,
		  { { "0", "c" }, { "0", "k" } },
		  WEFT_NEVER,
		  0,
		  "t0t1e0e1d1" },
		{ "notified, then cancelled, and it works",
		  2,
		  { { "01", "n" }, { "0", "k" } },
		  WEFT_NEVER,
		  0,
		  "t0t1e0e1d1t0" },
		{ "notified, cancelled, leaves without",
		  2,
		  { { "0", "n" }, { "0", "k" } },
		  WEFT_NEVER,
		  -ECANCELED,
		  "t0t1e0e1d1t0t1p0" },
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		play(&scenes[i], WEFT__BIASED);
}

TEST(block_ignores_cancellation_if_told)
{
	static const struct scene scenes[] = {
		{ "", 1, { { "k", "l" } }, 1, -ETIMEDOUT, "t0e0d0" },
		{ "", 2, { { "0", "k" }, { "0", "c" } }, WEFT_NEVER, 1, "t0t1e0e1d0" },
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		play(&scenes[i], WEFT__BIASED | WEFT__UNCANCELLABLE);
}

TEST(block_one_returns_the_cases_result)
{
	static const char *const tried[][2] = { { "1" } };
	static const char *const completed[][2] = { { "0", "c" } };
	static const char *const never[][2] = { { "0", "l" } };

	cases_init(1, tried);
	CHECK_EQ(weft__block_one(&cases[0], WEFT_NEVER, 0), 7);
	cases_init(1, completed);
	CHECK_EQ(weft__block_one(&cases[0], WEFT_NEVER, 0), 42);
	cases_init(1, never);
	CHECK_EQ(weft__block_one(&cases[0], 1, 0), -ETIMEDOUT);
}

TEST(block_one_passes_on_what_it_leaves)
{
	static const char *const moves[][2] = { { "0k", "n" } };

	token = (weft_token){ .parent = NULL };
	CHECK_NULL(weft_ambient_set(&token));
	cases_init(1, moves);
	CHECK_EQ(weft__block_one(&cases[0], WEFT_NEVER, 0), -ECANCELED);
	weft_ambient_set(NULL);
	CHECK_STR_EQ(said, "t0e0t0p0");
}

TEST(block_ends_at_its_deadline)
{
	static const char *const never[][2] = { { "0", "l" }, { "0", "l" } };

	for (int i = 0; i < 20; i++) {
		int64_t deadline = weft_after_us(i * 100);

		cases_init(2, never);
		CHECK_EQ(weft__block(cases, 2, deadline, 0), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
	}
}

/* ---- the order --------------------------------------------------------------------------- */

TEST(block_tries_in_random_order)
{
	enum { DRAWS = 12000, ORDERS = 6 };
	static const char *const names[ORDERS] = { "t0t1t2", "t0t2t1", "t1t0t2",
						   "t1t2t0", "t2t0t1", "t2t1t0" };
	static const char *const never[][2] = { { "0" }, { "0" }, { "0" } };
	int seen[ORDERS] = { 0 };

	for (int i = 0; i < DRAWS; i++) {
		cases_init(3, never);
		CHECK_EQ(weft__block(cases, 3, 0, 0), -ETIMEDOUT);
		for (int k = 0; k < ORDERS; k++)
			seen[k] += strcmp(said, names[k]) == 0;
	}
	for (int k = 0; k < ORDERS; k++)
		CHECK_NEAR(seen[k], (double)DRAWS / ORDERS, 250); /* 6 sigma */
}

TEST(block_tries_the_notified_case_first)
{
	static const char *const moves[][2] = { { "0", "l" }, { "01", "n" }, { "0", "l" } };

	for (int i = 0; i < 100; i++) {
		cases_init(3, moves);
		CHECK_EQ(weft__block(cases, 3, WEFT_NEVER, 0), 1);
		CHECK_STR_EQ(said + strlen(said) - 2, "t1");
		CHECK_EQ(strlen(said), 2 * (3 + 3 + 2 + 1));
	}
}

/* ---- the clock against the waker --------------------------------------------------------- */

struct clock_parker {
	struct weft__parker parker;
	uint32_t how; /* the waker comes as the deadline passes */
	int parks;
};

/* The first sleep ends by the clock, when a waker has just won the sel; its wake
 * is still to come, and ends the second. */
static int clock_park(struct weft__parker *parker, int64_t deadline)
{
	struct clock_parker *p = weft_container_of(parker, struct clock_parker, parker);

	if (p->parks++ > 0) {
		CHECK_EQ(deadline, WEFT_NEVER);
		return 0;
	}
	cases[0].linked = 0;
	cases[0].notified = p->how != 0;
	cases[0].result = 42;
	CHECK(weft__case_win(&cases[0], p->how));
	return -ETIMEDOUT;
}

static const struct weft__parker_kind clock_kind = {
	.name = "clock",
	.certain = true,
	.park = clock_park,
};

TEST(block_reports_what_was_completed_at_the_last_moment)
{
	static const char *const moves[][2] = { { "0", "l" }, { "0", "l" } };
	struct clock_parker p = { .how = 0 };

	weft__parker_init(&p.parker, &clock_kind);
	weft__parker_install(&p.parker);
	cases_init(2, moves);
	CHECK_EQ(weft__block(cases, 2, weft_after_s(1), WEFT__BIASED), 0);
	weft__parker_install(NULL);
	CHECK_EQ(p.parks, 2);
	CHECK_EQ(cases[0].result, 42);
	CHECK_STR_EQ(said, "t0t1e0e1d1");
}

TEST(block_tries_what_was_notified_at_the_last_moment)
{
	static const char *const moves[][2] = { { "01", "l" }, { "0", "l" } };
	struct clock_parker p = { .how = WEFT__NOTIFIED };

	weft__parker_init(&p.parker, &clock_kind);
	weft__parker_install(&p.parker);
	cases_init(2, moves);
	CHECK_EQ(weft__block(cases, 2, weft_after_s(1), WEFT__BIASED), 0);
	weft__parker_install(NULL);
	CHECK_EQ(p.parks, 2);
	CHECK_STR_EQ(said, "t0t1e0e1d1t0");
}

/* ---- polling ----------------------------------------------------------------------------- */

struct poll_scene {
	const char *title;
	const char *const moves[2][2];
	int begin, next, drop; /* -1000: not called */
	const char *said;
};

TEST(poll_calls_sources_in_order)
{
	enum { NOT = -1000 };
	static const struct poll_scene scenes[] = {
		{ "at once", { { "0" }, { "1" } }, 1, NOT, NOT, "t0t1" },
		{ "pending, dropped",
		  { { "0", "l" }, { "0", "l" } },
		  -EAGAIN,
		  NOT,
		  -EAGAIN,
		  "t0t1e0e1d0d1" },
		{ "polled in vain",
		  { { "0", "l" }, { "0", "l" } },
		  -EAGAIN,
		  -EAGAIN,
		  -EAGAIN,
		  "t0t1e0e1d0d1" },
		{ "refused", { { "0", "l" }, { "01", "r" } }, 1, NOT, NOT, "t0t1e0e1d0t0t1" },
		/* It does not wait for its waker: it takes the winner's lock instead. */
		{ "completed while linking",
		  { { "0", "l" }, { "0", "c" } },
		  1,
		  NOT,
		  NOT,
		  "t0t1e0e1d0d1" },
		{ "notified while linking",
		  { { "0", "l" }, { "01", "n" } },
		  1,
		  NOT,
		  NOT,
		  "t0t1e0e1d0d1t0t1" },
		{ "notified, leaves with another",
		  { { "0", "n" }, { "01", "l" } },
		  1,
		  NOT,
		  NOT,
		  "t0t1e0e1d0d1t0t1p0" },
		{ "cancelled while linking",
		  { { "0", "l" }, { "0", "k" } },
		  -ECANCELED,
		  NOT,
		  NOT,
		  "t0t1e0e1d0d1" },
		{ "cancelled before",
		  { { "k", "l" }, { "0", "l" } },
		  -ECANCELED,
		  NOT,
		  NOT,
		  "t0t1e0e1d0d1" },
		{ "cancelled, and it works", { { "k" }, { "1" } }, 1, NOT, NOT, "t0t1" },
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		const struct poll_scene *s = &scenes[i];
		struct puppet p;

		token = (weft_token){ .parent = NULL };
		puppet_init(&p, false);
		p.parker.ambient = &token;
		cases_init(2, s->moves);
		CHECK_EQ(puppet_begin(&p, cases, 2, WEFT__BIASED), s->begin);
		if (s->next != NOT)
			CHECK_EQ(puppet_next(&p), s->next);
		CHECK_EQ(puppet_drop(&p), s->drop == NOT ? -EAGAIN : s->drop);
		CHECK_STR_EQ(said, s->said);
		check_all_unlinked(2);
	}
}

TEST(poll_drop_reports_what_was_completed)
{
	static const char *const never[][2] = { { "0", "l" }, { "0", "l" } };
	struct puppet p;

	puppet_init(&p, false);
	cases_init(2, never);
	CHECK_EQ(puppet_begin(&p, cases, 2, WEFT__BIASED), -EAGAIN);
	play_waker(&cases[1], 0);
	CHECK_EQ(p.wakes, 1);
	CHECK_EQ(puppet_drop(&p), 1);
	CHECK_EQ(cases[1].result, 42);
	CHECK_STR_EQ(said, "t0t1e0e1d0d1");
}

TEST(poll_drop_passes_on_what_was_notified)
{
	static const char *const never[][2] = { { "0", "l" }, { "0", "l" } };
	struct puppet p;

	puppet_init(&p, false);
	cases_init(2, never);
	CHECK_EQ(puppet_begin(&p, cases, 2, WEFT__BIASED), -EAGAIN);
	play_waker(&cases[0], WEFT__NOTIFIED);
	CHECK_EQ(puppet_drop(&p), -EAGAIN);
	CHECK_STR_EQ(said, "t0t1e0e1d0d1p0");
	check_all_unlinked(2);
}

TEST(poll_drop_reports_no_cancellation)
{
	static const char *const never[][2] = { { "0", "l" } };
	struct puppet p;

	token = (weft_token){ .parent = NULL };
	puppet_init(&p, false);
	p.parker.ambient = &token;
	cases_init(1, never);
	CHECK_EQ(puppet_begin(&p, cases, 1, 0), -EAGAIN);
	weft_token_cancel(&token);
	CHECK_EQ(p.wakes, 1);
	CHECK_EQ(puppet_drop(&p), -EAGAIN);
	check_all_unlinked(1);
}

/* Two waits of one task: that the second begins must not undo the first's wake. */
static const struct weft__parker_kind token_kind = {
	.name = "task that sleeps by its token",
	.certain = false,
	.wake = weft__thread_wake_token,
};

TEST(poll_leaves_the_parkers_token_alone)
{
	static const char *const never[][2] = { { "0", "l" }, { "0", "l" } };
	struct weft__poll first, second;
	struct weft__parker parker;

	weft__parker_init(&parker, &token_kind);
	cases_init(2, never);
	weft__poll_init(&first, &parker, &cases[0], 1, 0);
	weft__poll_init(&second, &parker, &cases[1], 1, 0);
	CHECK_EQ(weft__poll_next(&first), -EAGAIN);
	play_waker(&cases[0], 0);
	CHECK_EQ(weft__poll_next(&second), -EAGAIN);
	CHECK_EQ(weft_load_relaxed(&parker.token), WEFT__WOKEN);
	CHECK_EQ(weft__poll_next(&first), 0);
	CHECK_EQ(weft__poll_drop(&second), -EAGAIN);
}
