/* SPDX-License-Identifier: MIT */
/*
 * For tests of I/O without a runtime: a poller with a thread of its own, where all
 * other threads register.
 */
#ifndef WEFT_TEST_AT_WORK_TEST_H
#define WEFT_TEST_AT_WORK_TEST_H

#include "rt/poller.h"
#include "team_test.h"

struct at_work {
	struct weft__poller *poller;
	weft_atomic_bool stop;
	struct team team;
};

static inline void work__run(void *arg, int index)
{
	struct at_work *w = arg;

	(void)index;
	weft__poller_own(w->poller);
	while (!weft_load_acquire(&w->stop))
		CHECK_GE(weft__poller_wait(w->poller, WEFT_NEVER), 0);
	weft__poller_own(NULL);
}

static inline void work_start(struct at_work *w)
{
	*w = (struct at_work){ .poller = NULL };
	CHECK_EQ(weft__poller_open(&w->poller, WEFT__REACTOR_AUTO), 0);
	weft__poller_set_fallback(w->poller);
	team_add(&w->team, 1, work__run, w);
}

/* The poller goes; if it was the last that started, threads have none any more. */
static inline void work_end(struct at_work *w)
{
	weft_store_release(&w->stop, true);
	weft__poller_wake(w->poller);
	team_join(&w->team);
	weft__poller_close(w->poller);
}

static inline void work_stop(struct at_work *w)
{
	work_end(w);
	weft__poller_set_fallback(NULL);
}

#endif
