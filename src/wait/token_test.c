/* SPDX-License-Identifier: MIT */
/*
 * Goal: a cancellation reaches all that is below its token and nothing else,
 * wakes all who wait there, and tells them what had happened before; tokens may
 * come and go meanwhile.
 * Method: random trees against a plain model; threads that make and end children
 * of a token that is being cancelled; a parker that looks, at the moment of its
 * wake, whether the canceller still has a lock of the tree.
 */
#include "weft/cancel.h"
#include "weft/select.h"

#include "check.h"
#include "poll_waiter_test.h"
#include "team_test.h"

#include "base/rng.h"

#include <errno.h>
#include <stdlib.h>

TEST(token_of_zeros_is_a_token)
{
	weft_token token = { .parent = NULL };

	CHECK(!weft_token_cancelled(&token));
	weft_token_cancel(&token);
	CHECK(weft_token_cancelled(&token));
	weft_token_cancel(&token);
	CHECK(weft_token_cancelled(&token));
	weft_token_fini(&token);
}

TEST(token_init_makes_anew)
{
	weft_token token = { .parent = NULL };

	weft_token_cancel(&token);
	weft_token_init(&token, NULL);
	CHECK(!weft_token_cancelled(&token));
}

TEST(token_child_of_a_cancelled_one_is_cancelled)
{
	weft_token root = { .parent = NULL }, child, grandchild;

	weft_token_init(&child, &root);
	weft_token_cancel(&child);
	weft_token_init(&grandchild, &child);
	CHECK(weft_token_cancelled(&grandchild));
	CHECK(!weft_token_cancelled(&root));
	weft_token_fini(&grandchild);
	weft_token_fini(&child);
	weft_token_init(&child, &root); /* the parent has not changed */
	CHECK(!weft_token_cancelled(&child));
	weft_token_fini(&child);
}

/* ---- trees against a model --------------------------------------------------------------- */

enum { NODES = 24 };

struct node {
	weft_token token;
	int parent; /* -1: a root */
	int children;
	bool alive, cancelled;
};

static struct node nodes[NODES];

static void node_new(int i, int parent)
{
	nodes[i] = (struct node){ .parent = parent, .alive = true };
	weft_token_init(&nodes[i].token, parent < 0 ? NULL : &nodes[parent].token);
	if (parent >= 0) {
		nodes[parent].children++;
		nodes[i].cancelled = nodes[parent].cancelled;
	}
}

static void node_end(int i)
{
	if (nodes[i].children > 0 || !nodes[i].alive)
		return;
	weft_token_fini(&nodes[i].token);
	nodes[i].alive = false;
	if (nodes[i].parent >= 0)
		nodes[nodes[i].parent].children--;
}

static bool is_below(int i, int top)
{
	while (i >= 0 && i != top)
		i = nodes[i].parent;
	return i == top;
}

static void node_cancel(int top)
{
	weft_token_cancel(&nodes[top].token);
	for (int i = 0; i < NODES; i++)
		if (nodes[i].alive && is_below(i, top))
			nodes[i].cancelled = true;
}

static void nodes_check(void)
{
	for (int i = 0; i < NODES; i++)
		if (nodes[i].alive)
			CHECK_EQ(weft_token_cancelled(&nodes[i].token), nodes[i].cancelled);
}

/* Each round grows a tree, with ends and a few cancellations in between. */
TEST(token_trees_agree_with_a_model)
{
	struct weft__rng rng = { 2 };

	for (int round = 0; round < 2000; round++) {
		node_new(0, -1);
		for (int i = 1; i < NODES; i++) {
			uint32_t at = weft__rng_below(&rng, (uint32_t)i);

			if (weft__rng_below(&rng, 12) == 0 && nodes[at].alive)
				node_cancel((int)at);
			nodes_check();
			while (!nodes[at].alive)
				at = nodes[at].parent < 0 ? 0 : (uint32_t)nodes[at].parent;
			node_new(i, (int)at);
			if (weft__rng_below(&rng, 8) == 0)
				node_end((int)weft__rng_below(&rng, (uint32_t)i) + 1);
			nodes_check();
		}
		for (int i = NODES; i-- > 0;)
			if (nodes[i].alive)
				node_end(i);
	}
}

TEST(token_trees_may_be_deep_and_wide)
{
	enum { DEEP = 20000 };
	static weft_token tokens[DEEP], root;

	for (int wide = 0; wide < 2; wide++) {
		weft_token_init(&root, NULL);
		for (int i = 0; i < DEEP; i++)
			weft_token_init(&tokens[i], i == 0 || wide ? &root : &tokens[i - 1]);
		weft_token_cancel(&root);
		for (int i = DEEP; i-- > 0;) {
			CHECK(weft_token_cancelled(&tokens[i]));
			weft_token_fini(&tokens[i]);
		}
	}
}

/* ---- misuse ------------------------------------------------------------------------------ */

static void end_with_child(void *arg)
{
	weft_token root, child;

	(void)arg;
	weft_token_init(&root, NULL);
	weft_token_init(&child, &root);
	weft_token_fini(&root);
}

static void end_with_waiter(void *arg)
{
	weft_token token = { .parent = NULL };
	struct puppet p;

	(void)arg;
	puppet_init(&p, true);
	CHECK_EQ(puppet_wait(&p, weft_case_token(&token)), -EAGAIN);
	weft_token_fini(&token);
}

TEST(token_ended_too_early_dies)
{
	CHECK_DIES(end_with_child, NULL, "a cancellation token was ended before its children");
	CHECK_DIES(end_with_waiter, NULL,
		   "a cancellation token was ended while somebody waits for it");
}

/* ---- waiting ----------------------------------------------------------------------------- */

struct waiting {
	weft_token *token;
	weft_token *ambient;
	int64_t deadline;
	int data; /* written before the cancellation */
	weft_atomic_u32 results[3];
};

static void wait_for_token(void *arg, int index)
{
	struct waiting *w = arg;
	int result;

	(void)index;
	weft_ambient_set(w->ambient);
	result = weft_token_wait_until(w->token, w->deadline);
	weft_ambient_set(NULL);
	if (result == 0)
		CHECK_EQ(w->data, 17);
	weft_add_relaxed(&w->results[result == 0 ? 0 : result == -ETIMEDOUT ? 1 : 2], 1);
}

TEST(token_cancel_wakes_all_who_wait)
{
	static struct waiting w[2];
	static weft_token root, child;
	struct team team = { .count = 0 };

	for (int i = 0; i < 50; i++) {
		weft_token_init(&root, NULL);
		weft_token_init(&child, &root);
		w[0] = (struct waiting){ .token = &root, .deadline = WEFT_NEVER };
		w[1] = (struct waiting){ .token = &child, .deadline = WEFT_NEVER };
		team_add(&team, 3, wait_for_token, &w[0]);
		team_add(&team, 3, wait_for_token, &w[1]);
		if (i & 1) {
			await_asleep(&root.queue, 3);
			await_asleep(&child.queue, 3);
		}
		w[0].data = w[1].data = 17;
		weft_token_cancel(&root);
		team_join(&team);
		CHECK_EQ(weft_load_relaxed(&w[0].results[0]), 3);
		CHECK_EQ(weft_load_relaxed(&w[1].results[0]), 3);
		weft_token_fini(&child);
	}
}

TEST(token_wait_ends_at_its_deadline)
{
	static const int64_t past[] = { 0, -1, 1 };
	weft_token token = { .parent = NULL };

	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_token_wait_until(&token, past[i]), -ETIMEDOUT);
	for (int i = 0; i < 10; i++) {
		int64_t deadline = weft_after_us(i * 100);

		CHECK_EQ(weft_token_wait_until(&token, deadline), -ETIMEDOUT);
		CHECK_GE(weft_now(), deadline);
	}
	weft_token_cancel(&token);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_token_wait_until(&token, past[i]), 0);
	weft_token_fini(&token);
}

TEST(token_wait_sees_the_tokens_own_deadline)
{
	weft_token token, past;
	weft_case c;

	weft_token_init_until(&token, NULL, weft_after_ms(1));
	CHECK_EQ(weft_token_wait_until(&token, WEFT_NEVER), 0);
	CHECK(weft_token_cancelled(&token));
	CHECK(weft_token_expired(&token));
	weft_token_fini(&token);
	weft_token_init_until(&past, NULL, -5);
	c = weft_case_token(&past);
	CHECK_EQ(weft_select_try(&c, 1), 0);
	weft_token_fini(&past);
}

TEST(token_wait_is_cancelled_by_the_callers_scope)
{
	static struct waiting w;
	static weft_token token, scope;
	struct team team = { .count = 0 };

	w = (struct waiting){ .token = &token, .ambient = &scope, .deadline = WEFT_NEVER };
	team_add(&team, 2, wait_for_token, &w);
	await_asleep(&token.queue, 2);
	weft_token_cancel(&scope);
	team_add(&team, 1, wait_for_token, &w); /* sticky: this one need not be asleep */
	team_join(&team);
	CHECK_EQ(weft_load_relaxed(&w.results[2]), 3);
	/* What needs no wait is not cancelled. */
	w.data = 17;
	weft_token_cancel(&token);
	team_run(1, wait_for_token, &w);
	CHECK_EQ(weft_load_relaxed(&w.results[0]), 1);
}

TEST(token_wait_for_ones_own_scope_succeeds)
{
	static struct waiting w;
	static weft_token scope;
	struct team team = { .count = 0 };

	w = (struct waiting){ .token = &scope, .ambient = &scope, .deadline = WEFT_NEVER };
	team_add(&team, 3, wait_for_token, &w);
	await_asleep(&scope.queue, 6);
	w.data = 17;
	weft_token_cancel(&scope);
	team_join(&team);
	CHECK_EQ(weft_load_relaxed(&w.results[0]), 3);
}

static void poll_token(void *arg, int index)
{
	struct waiting *w = arg;

	(void)index;
	while (!weft_token_cancelled(w->token))
		weft__thread_yield();
	CHECK_EQ(w->data, 17);
}

TEST(token_shows_what_came_before)
{
	static weft_token token;
	static struct waiting w = { .token = &token };
	struct team team = { .count = 0 };

	team_add(&team, 2, poll_token, &w);
	w.data = 17;
	weft_token_cancel(&token);
	team_join(&team);
}

/* ---- the last touch ---------------------------------------------------------------------- */

struct watcher {
	struct puppet puppet;
	weft_token *root, *child;
};

static weft_atomic_u32 looked;

static void look_whether_locked(struct weft__parker *parker)
{
	struct watcher *w = weft_container_of(parker, struct watcher, puppet.parker);

	CHECK_EQ(weft_load_relaxed(&w->root->tree.word), 0);
	CHECK_EQ(weft_load_relaxed(&w->root->queue.word), WEFT__A);
	CHECK_EQ(weft_load_relaxed(&w->child->queue.word), WEFT__A);
	weft_add_relaxed(&looked, 1);
}

static const struct weft__parker_kind watcher_kind = {
	.name = "watcher",
	.certain = true,
	.wake = look_whether_locked,
};

/* Whoever is woken may free the token: the canceller has touched it for the last
 * time, and the rest of the tree too. */
TEST(token_cancel_wakes_as_its_last_step)
{
	weft_token root = { .parent = NULL }, child;
	struct watcher w[3];

	weft_token_init(&child, &root);
	for (int i = 0; i < 3; i++) {
		w[i] = (struct watcher){ .root = &root, .child = &child };
		weft__parker_init(&w[i].puppet.parker, &watcher_kind);
		CHECK_EQ(puppet_wait(&w[i].puppet, weft_case_token(i == 1 ? &child : &root)),
			 -EAGAIN);
	}
	weft_token_cancel(&root);
	CHECK_EQ(weft_load_relaxed(&looked), 3);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(puppet_next(&w[i].puppet), 0);
}

TEST(token_is_not_touched_after_the_wake)
{
	weft_token *token = heir_object();
	struct heir heir;

	heir_wait(&heir, token, weft_case_token(token));
	weft_token_cancel(token);
	CHECK_EQ(heir.wakes, 1);
}

static void wait_and_end(void *arg, int index)
{
	weft_token *token = arg;

	(void)index;
	CHECK_EQ(weft_token_wait_until(token, WEFT_NEVER), 0);
	free(token);
}

/* The test is the canceller: it has set the flag, and still walks the tree. */
TEST(token_wait_outlasts_the_canceller)
{
	weft_token *token = calloc(1, sizeof(*token));
	struct team team = { .count = 0 };

	CHECK_NOT_NULL(token);
	weft__waitq_lock(&token->tree);
	weft_or_relaxed(&token->queue.word, (uintptr_t)WEFT__A);
	team_add(&team, 1, wait_and_end, token);
	while (!(weft_load_relaxed(&token->tree.word) & WEFT__SLEEP))
		weft__thread_yield();
	weft__waitq_unlock(&token->tree, NULL, 0, 0);
	team_join(&team);
}

static void end_token(void *arg, int index)
{
	(void)index;
	weft_token_fini(arg);
	free(arg);
}

TEST(token_fini_outlasts_the_canceller)
{
	weft_token *token = calloc(1, sizeof(*token));
	struct team team = { .count = 0 };

	CHECK_NOT_NULL(token);
	weft__waitq_lock(&token->tree);
	team_add(&team, 1, end_token, token);
	while (!(weft_load_relaxed(&token->tree.word) & WEFT__SLEEP))
		weft__thread_yield();
	weft__waitq_unlock(&token->tree, NULL, 0, 0);
	team_join(&team);
}

static void wait_or_cancel(void *arg, int index)
{
	if (index == 0)
		wait_and_end(arg, 0);
	else
		weft_token_cancel(arg);
}

TEST(token_may_be_freed_by_who_waited)
{
	for (int i = 0; i < 2000; i++) {
		weft_token *token = calloc(1, sizeof(*token));

		CHECK_NOT_NULL(token);
		team_run(2, wait_or_cancel, token);
	}
}

/* ---- children come and go ---------------------------------------------------------------- */

struct nursery {
	weft_token root;
	weft_token parent;
	weft_atomic_u32 stop;
	weft_atomic_u32 born;
};

static void raise_children(void *arg, int index)
{
	struct nursery *n = arg;
	weft_token child, grandchild;

	if (index == 0) {
		while (weft_load_acquire(&n->born) < 200)
			weft__thread_yield();
		weft_token_cancel(&n->root);
		return;
	}
	for (bool last = false; !last;) {
		last = weft_token_cancelled(&n->root);
		weft_token_init(&child, &n->parent);
		weft_token_init(&grandchild, &child);
		weft_add_release(&n->born, 1);
		if (last) {
			/* The walk may still be on its way to the parent. */
			CHECK_EQ(weft_token_wait_until(&grandchild, WEFT_NEVER), 0);
			CHECK(weft_token_cancelled(&child));
		}
		weft_token_fini(&grandchild);
		weft_token_fini(&child);
	}
}

TEST(token_children_come_and_go_while_it_is_cancelled)
{
	static struct nursery n;

	for (int i = 0; i < 30; i++) {
		weft_token_init(&n.root, NULL);
		weft_token_init(&n.parent, &n.root);
		weft_store_relaxed(&n.born, 0);
		team_run(4, raise_children, &n);
		CHECK(weft_token_cancelled(&n.parent));
		weft_token_fini(&n.parent);
		weft_token_fini(&n.root);
	}
}

/* ---- the ambient token ------------------------------------------------------------------- */

static void check_ambient_is_own(void *arg, int index)
{
	(void)index;
	CHECK_NULL(weft_ambient());
	CHECK_NULL(weft_ambient_set(arg));
	CHECK_PTR_EQ(weft_ambient(), arg);
}

TEST(ambient_token_is_the_threads)
{
	weft_token a = { .parent = NULL }, b = { .parent = NULL };

	CHECK_NULL(weft_ambient());
	CHECK(!weft_cancelled());
	CHECK_NULL(weft_ambient_set(&a));
	CHECK_PTR_EQ(weft_ambient_set(&b), &a);
	CHECK_PTR_EQ(weft_ambient(), &b);
	team_run(2, check_ambient_is_own, &a);
	CHECK(!weft_cancelled());
	weft_token_cancel(&a);
	CHECK(!weft_cancelled());
	weft_token_cancel(&b);
	CHECK(weft_cancelled());
	CHECK_PTR_EQ(weft_ambient_set(NULL), &b);
	CHECK(!weft_cancelled());
}
