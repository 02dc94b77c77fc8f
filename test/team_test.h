/* SPDX-License-Identifier: MIT */
/*
 * For tests with several threads: a team that runs one function, and ways to
 * wait until another thread has come to a certain point. None of them guesses at
 * a time: they look at the state that matters and yield until it is there; a
 * test that waits in vain is ended by CTest.
 */
#ifndef WEFT_TEST_TEAM_TEST_H
#define WEFT_TEST_TEAM_TEST_H

#include "sys/sys.h"
#include "wait/wait.h"

#include "check.h"

#include <sched.h>

enum { TEAM_MOST = 64 };

typedef void (*team_fn)(void *arg, int index);

struct team_member {
	team_fn fn;
	void *arg;
	int index;
	struct weft__thread thread;
};

struct team {
	struct team_member member[TEAM_MOST];
	int count;
};

static inline void team__run(void *arg)
{
	struct team_member *m = arg;

	m->fn(m->arg, m->index);
}

/* Adds `count` threads, each of which runs fn(arg, its index). */
static inline void team_add(struct team *team, int count, team_fn fn, void *arg)
{
	for (int i = 0; i < count; i++) {
		struct team_member *m = &team->member[team->count];

		CHECK_LT(team->count, TEAM_MOST);
		*m = (struct team_member){ .fn = fn, .arg = arg, .index = team->count };
		CHECK_EQ(weft__thread_start(&m->thread, team__run, m, 0, "team"), 0);
		team->count++;
	}
}

static inline void team_join(struct team *team)
{
	for (int i = 0; i < team->count; i++)
		weft__thread_join(team->member[i].thread);
	team->count = 0;
}

static inline void team_run(int count, team_fn fn, void *arg)
{
	struct team team = { .count = 0 };

	team_add(&team, count, fn, arg);
	team_join(&team);
}

/* Returns when `count` threads have called it, all at about the same time. */
static inline void team_meet(weft_atomic_u32 *word, uint32_t count)
{
	uint32_t round = weft_add_acq_rel(word, 1) / count + 1;

	while (weft_load_acquire(word) < round * count)
		weft__thread_yield();
}

/* From now on the caller, and threads that it starts, share one CPU. Returns the
 * old mask, for unpin(). */
static inline cpu_set_t pin_to_one_cpu(void)
{
	cpu_set_t all, one;

	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	return all;
}

static inline void unpin(cpu_set_t old)
{
	CHECK_EQ(sched_setaffinity(0, sizeof(old), &old), 0);
}

static inline void await_u32(weft_atomic_u32 *word, uint32_t value)
{
	while (weft_load_acquire(word) != value)
		weft__thread_yield();
}

/* Parties in the queue; with `asleep`, -1 unless all of them sleep in the kernel. */
static inline int queue_count(weft_waitq *q, bool asleep)
{
	weft_case *head = weft__waitq_lock(q);
	weft_case *c = head;
	int count = 0;

	while (c && count >= 0) {
		bool parked = weft_load_relaxed(&c->sel->parker->token) == WEFT__PARKED;

		count = asleep && !parked ? -1 : count + 1;
		c = c->next == head ? NULL : c->next;
	}
	weft__waitq_unlock(q, head, 0, 0);
	return count;
}

/* Waits until `count` parties are in the queue and all of them sleep. */
static inline void await_asleep(weft_waitq *q, int count)
{
	while (queue_count(q, true) != count)
		weft__thread_yield();
}

#endif
