/* SPDX-License-Identifier: MIT */
/*
 * For tests that need somebody to be blocked before they go on: they look for it
 * in the queue that it waits in, and yield until it is there.
 */
#ifndef WEFT_THREAD_BLOCKED_TEST_H
#define WEFT_THREAD_BLOCKED_TEST_H

#include "wait/wait.h"
#include "weft/thread.h"

static inline int blocked_count(weft_waitq *q)
{
	weft_case *head = weft__waitq_lock(q);
	weft_case *c = head;
	int count = 0;

	while (c) {
		count++;
		c = c->next == head ? NULL : c->next;
	}
	weft__waitq_unlock(q, head, 0, 0);
	return count;
}

/* Returns when at least `count` wait in it. A party links its ambient token last:
 * in the token's queue, it is in all others too. */
static inline void blocked_await(weft_waitq *q, int count)
{
	while (blocked_count(q) < count)
		weft_thread_yield();
}

#endif
