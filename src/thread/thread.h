/* SPDX-License-Identifier: MIT */
/*
 * What scopes, and whoever else makes threads of its own, want of threads beyond
 * the public face.
 */
#ifndef WEFT_THREAD_THREAD_H
#define WEFT_THREAD_THREAD_H

#include "weft/cancel.h"
#include "weft/scope.h"
#include "weft/thread.h"

struct weft__work {
	weft_thread_fn fn;
	void *arg;
	weft_token *ambient;
	/* Called on the thread with what fn returned: the last that the thread has to
	 * do with what fn used. NULL: nothing. */
	void (*end)(void *context, int result);
	void *context;
};

/* Starts the work on a new thread. With `out` NULL nobody gets the handle, and
 * whoever gets weft__thread_self() through `end` joins the OS thread. Errors as
 * weft_thread_spawn(). */
int weft__thread_spawn(weft_thread **out, const struct weft__work *work,
		       const weft_thread_opts *opts);

/* Calls the destructors of the locals of a party that ends, by itself. */
struct weft__parker;
void weft__locals_end(struct weft__parker *parker);

/* Work of a scope begins, before it is started; and ends, with what it returned: that
 * is its last touch of the scope. */
void weft__scope_begin(weft_scope *scope);
void weft__scope_end(weft_scope *scope, int result);

#endif
