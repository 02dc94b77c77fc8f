/* SPDX-License-Identifier: MIT */
/*
 * Cancellation tokens: a flag with a queue, in trees.
 *
 * Bit A of the queue's word is "cancelled". It is set in the step that unlocks
 * the queue with all parties won, so whoever is queued later sees it under the
 * lock: nobody can fall between.
 *
 * The links of a whole tree are guarded by one lock, in the root: cancelling
 * walks the tree under it, attaching and detaching a child is a few stores under
 * it. Trees are shallow and cancellations rare; in return a child can be ended
 * while its parent is being cancelled, without any further protocol.
 *
 * Whoever waited for a token may free it. Therefore the parties of the whole tree
 * are first won, and woken when the canceller has let go of all of it; and who finds
 * the flag set, or ends the token, passes through the lock before it goes on, so
 * that it waits for a canceller that still walks.
 *
 * A deadline lies in the token and in all below it, from their beginning on, so that the
 * party that waits need not look at more than one token. The party whose sleep it ends
 * cancels the token that the deadline belongs to.
 *
 * token.2  the unlock that sets CANCELLED releases, weft_token_cancelled()
 *          acquires: what led to the cancellation is visible.
 */
#include "weft/cancel.h"

#include <errno.h>

#include "base/assert.h"
#include "wait/wait.h"

#define CANCELLED WEFT__A

void weft_token_init(weft_token *token, weft_token *parent)
{
	weft_case *head;

	*token = (weft_token){ .parent = parent };
	if (!parent)
		return;
	token->root = parent->root;
	token->deadline = parent->deadline;
	/* A root's own `root` is NULL: an all-zero token is a valid one. */
	if (!token->root)
		token->root = parent;
	head = weft__waitq_lock(&token->root->tree);
	token->next_sibling = parent->first_child;
	if (parent->first_child)
		parent->first_child->prev_sibling = token;
	parent->first_child = token;
	if (weft_token_cancelled(parent))
		weft_store_relaxed(&token->queue.word, CANCELLED);
	weft__waitq_unlock(&token->root->tree, head, 0, 0);
}

void weft_token_init_until(weft_token *token, weft_token *parent, int64_t deadline)
{
	weft_token_init(token, parent);
	if (deadline < 0)
		deadline = 1; /* long past, where 0 would be none */
	if (deadline > 0 && deadline < weft_token_deadline(token))
		token->deadline = deadline;
}

int64_t weft_token_deadline(const weft_token *token)
{
	return token->deadline ? token->deadline : WEFT_NEVER;
}

void weft_token_fini(weft_token *token)
{
	weft_token *root = token->root ? token->root : token;
	weft_case *head;

	WEFT__ASSERT(!token->first_child, "a cancellation token was ended before its children");
	WEFT__ASSERT(!weft__waitq_head(weft_load_relaxed(&token->queue.word)),
		     "a cancellation token was ended while somebody waits for it");
	head = weft__waitq_lock(&root->tree);
	if (token->prev_sibling)
		token->prev_sibling->next_sibling = token->next_sibling;
	else if (token->parent)
		token->parent->first_child = token->next_sibling;
	if (token->next_sibling)
		token->next_sibling->prev_sibling = token->prev_sibling;
	weft__waitq_unlock(&root->tree, head, 0, 0);
}

static void token_cancel_one(weft_token *token, struct weft__wakes *wakes)
{
	weft_case *head = weft__waitq_lock(&token->queue);

	weft__win_all(head, wakes, 0, 0);
	weft__waitq_unlock(&token->queue, NULL, CANCELLED, 0); /* token.2 */
}

/* The next token of the subtree of `top` in preorder, or NULL. */
static weft_token *token_walk(weft_token *top, weft_token *at)
{
	if (at->first_child)
		return at->first_child;
	while (at != top && !at->next_sibling)
		at = at->parent;
	return at == top ? NULL : at->next_sibling;
}

static void cancel(weft_token *token, bool expires)
{
	weft_token *root = token->root ? token->root : token;
	weft_case *head = weft__waitq_lock(&root->tree);
	struct weft__wakes wakes;

	weft__wakes_init(&wakes);
	if (expires && !weft_token_cancelled(token))
		token->expired = true;
	for (weft_token *at = token; at; at = token_walk(token, at))
		token_cancel_one(at, &wakes);
	weft__waitq_unlock(&root->tree, head, 0, 0);
	weft__wakes_fire(&wakes);
}

void weft_token_cancel(weft_token *token)
{
	cancel(token, false);
}

/* The one whose deadline it is: the outermost of those that share it. */
void weft__token_expire(weft_token *token)
{
	while (token->parent && token->parent->deadline == token->deadline)
		token = token->parent;
	cancel(token, true);
}

bool weft_token_expired(weft_token *token)
{
	weft_token *root = token->root ? token->root : token;
	weft_case *head = weft__waitq_lock(&root->tree);
	bool expired = token->expired;

	weft__waitq_unlock(&root->tree, head, 0, 0);
	return expired;
}

bool weft_token_cancelled(const weft_token *token)
{
	return weft_load_acquire(&token->queue.word) & CANCELLED; /* token.2 */
}

/* Returns when no canceller walks the token's tree, its own unlock included. */
static void await_canceller(weft_token *token)
{
	weft_token *root = token->root ? token->root : token;
	weft_case *head;

	if (weft_load_acquire(&root->tree.word) == 0)
		return;
	head = weft__waitq_lock(&root->tree);
	weft__waitq_unlock(&root->tree, head, 0, 0);
}

/* ---- waiting for it ---------------------------------------------------------- */

static bool token_attempt(weft_case *c)
{
	weft_token *token = c->object;

	c->result = 0;
	if (!weft_token_cancelled(token)) {
		if (!token->deadline || token->deadline > weft_now())
			return false;
		weft__token_expire(token);
	}
	await_canceller(token);
	return true;
}

static bool token_enqueue(weft_case *c)
{
	weft_token *token = c->object;
	weft_case *head = weft__waitq_lock(&token->queue);
	bool open = !weft_token_cancelled(token);

	if (open)
		head = weft__cases_push(head, c);
	weft__waitq_unlock(&token->queue, head, 0, 0);
	return open;
}

static void token_dequeue(weft_case *c)
{
	weft_token *token = c->object;

	weft__waitq_cancel(&token->queue, c);
}

static int64_t token_due(const weft_case *c)
{
	return weft_token_deadline(c->object);
}

const struct weft_source weft__token_source = {
	.name = "token",
	.attempt = token_attempt,
	.enqueue = token_enqueue,
	.dequeue = token_dequeue,
	.due = token_due,
};

weft_case weft_case_token(weft_token *token)
{
	return weft__case_make(&weft__token_source, token, NULL);
}

int weft_token_wait_until(weft_token *token, int64_t deadline)
{
	weft_case c = weft_case_token(token);

	return weft__block_one(&c, deadline, 0);
}

/* ---- the ambient token --------------------------------------------------------- */

weft_token *weft_ambient(void)
{
	return weft__parker_self()->ambient;
}

weft_token *weft_ambient_set(weft_token *token)
{
	struct weft__parker *parker = weft__parker_self();
	weft_token *old = parker->ambient;

	parker->ambient = token;
	return old;
}

bool weft_cancelled(void)
{
	weft_token *token = weft_ambient();

	if (!token)
		return false;
	if (token->deadline && !weft_token_cancelled(token) && weft_now() >= token->deadline)
		weft__token_expire(token);
	return weft_token_cancelled(token);
}
