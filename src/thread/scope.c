/* SPDX-License-Identifier: MIT */
/*
 * Scopes of threads: a token, a wait group, the first error.
 *
 * A thread of the scope ends in this order: it records its error, puts itself
 * into `last`, and says done to the wait group, which is its last touch of the
 * scope; the opener's frame may go from then on. Then it joins the OS thread that
 * it found in `last`, its predecessor, whose function has returned. Closing waits
 * for the group and joins the last one of that chain, and with it all of them:
 * after close no thread of the scope is left in the system, its thread-locals are
 * destroyed and its stack is given back. A long-lived scope in which threads come
 * and go keeps no list of them, and never more than one ended thread.
 *
 * scope.1  putting a thread into `last` releases and acquires: its successor, or
 *          close, joins a thread that was put there whole.
 * What happens in a thread is made visible to close by the wait group.
 */
#include "weft/scope.h"

#include <errno.h>

#include "base/assert.h"
#include "sync/sync.h"
#include "sys/sys.h"
#include "thread/thread.h"
#include "wait/wait.h"

/* Keeps the error if it is the first. Cancels even if it is not: who comes second
 * must not return before the scope is cancelled. */
static void fail(weft_scope *scope, int error)
{
	int32_t none = 0;

	(void)weft_cas_relaxed(&scope->error, &none, error);
	weft_token_cancel(&scope->token);
}

static void join(uintptr_t os)
{
	if (os)
		weft__thread_join((struct weft__thread){ os });
}

void weft__scope_begin(weft_scope *scope)
{
	weft_waitgroup_add(&scope->running, 1);
}

void weft__scope_end(weft_scope *scope, int result)
{
	if (result != 0)
		fail(scope, result);
	weft_waitgroup_done(&scope->running);
}

static void thread_end(void *context, int result)
{
	uintptr_t self = weft__thread_self().handle;
	weft_scope *scope = context;
	uintptr_t before;

	if (result != 0)
		fail(scope, result);
	before = weft_swap_acq_rel(&scope->last, self); /* scope.1 */
	weft_waitgroup_done(&scope->running);
	join(before);
}

void weft_scope_open(weft_scope *scope)
{
	weft_scope_open_with(scope, NULL);
}

void weft_scope_open_with(weft_scope *scope, const weft_scope_opts *opts)
{
	static const weft_scope_opts defaults;

	if (!opts)
		opts = &defaults;
	*scope = (weft_scope){ .outer = weft_ambient(), .opener = weft__parker_self() };
	weft_token_init_until(&scope->token, opts->shield ? NULL : scope->outer, opts->deadline);
	weft_ambient_set(&scope->token);
}

int weft_scope_spawn_thread(weft_scope *scope, weft_thread_fn fn, void *arg,
			    const weft_thread_opts *opts)
{
	const struct weft__work work = {
		.fn = fn,
		.arg = arg,
		.ambient = &scope->token,
		.end = thread_end,
		.context = scope,
	};
	int err;

	if (opts && opts->outlives_scope)
		return -EINVAL;
	weft_waitgroup_add(&scope->running, 1);
	err = weft__thread_spawn(NULL, &work, opts);
	if (err)
		weft_waitgroup_done(&scope->running);
	return err;
}

void weft_scope_cancel(weft_scope *scope)
{
	fail(scope, -ECANCELED);
}

/* What follows from the deadline is not an error of its own. */
static int outcome(weft_scope *scope)
{
	int error = weft_load_relaxed(&scope->error);

	if ((error == 0 || error == -ECANCELED) && weft_token_expired(&scope->token))
		return -ETIMEDOUT;
	return error;
}

int weft_scope_close(weft_scope *scope)
{
	int error;

	WEFT__ASSERT(scope->opener == weft__parker_self(),
		     "a scope was closed twice, or by another thread than its opener");
	WEFT__ASSERT(weft_ambient() == &scope->token,
		     "a scope was closed before the scopes inside it");
	weft__waitgroup_await(&scope->running);
	join(weft_load_acquire(&scope->last)); /* scope.1 */
	weft_ambient_set(scope->outer);
	scope->opener = NULL;
	error = outcome(scope);
	weft_token_fini(&scope->token);
	return error;
}
