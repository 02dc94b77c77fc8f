/* SPDX-License-Identifier: MIT */
/*
 * Lanes: threads for calls that block in the kernel where no poller can help.
 *
 * A runtime has two of them, for general use and for the resolution of names; a
 * name server that does not answer then holds up nobody but those who ask it.
 */
#ifndef WEFT_RT_BLOCKING_H
#define WEFT_RT_BLOCKING_H

#include "base/list.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/thread.h"

struct weft__lane {
	weft_mutex mutex; /* guards everything below */
	struct weft__list queue, idle;
	uint32_t queued;
	uint32_t threads; /* all there are, the ones being started included */
	uint32_t coming;  /* of these, started or called, and not at the queue yet */
	bool closing;
	weft_event *gone; /* who closes waits here for the last thread */
	uintptr_t last;   /* a thread that has left and that nobody has joined */
	uint64_t started, served, refused;

	uint32_t threads_most, queue_most; /* set before the first use, like these: */
	int64_t rest_ns;                   /* a thread without work leaves after it */
	const char *name;
};

enum {
	WEFT__LANE_THREADS = 64,
	WEFT__LANE_QUEUE = 16384,
	WEFT__LANE_RESOLVERS = 16,
};

/* 0 threads: the default. Starts none; all zeros besides. */
void weft__lane_init(struct weft__lane *lane, uint32_t threads_most, const char *name);

/* Has its threads leave and waits until they have. No call is under way; a later
 * one is refused with -EPIPE. */
void weft__lane_close(struct weft__lane *lane);

/* Runs fn(arg) on a thread of the lane, under the caller's ambient token, and
 * returns what it returned. -EAGAIN when too many wait already, or when there is
 * no thread and none can be started; -ECANCELED, -ETIMEDOUT when the caller's scope
 * ends before fn has begun; then it never runs. Once it has begun, its end is
 * waited for, as it may use the caller's frame. */
int weft__lane_run(struct weft__lane *lane, weft_thread_fn fn, void *arg);

/* The same by a fiber whose whole worker is to stand still meanwhile, so that nothing
 * else happens, nor does virtual time pass. */
int weft__lane_run_alone(struct weft__lane *lane, weft_thread_fn fn, void *arg);

/* ---- the lanes of a runtime ------------------------------------------------------ */

enum weft__lane_kind { WEFT__LANE_GENERAL, WEFT__LANE_RESOLVE, WEFT__LANES };

void weft__lanes_init(struct weft__lane lanes[WEFT__LANES], int threads_most);
void weft__lanes_close(struct weft__lane lanes[WEFT__LANES]);

/* Runs fn(arg) in a lane of the caller's runtime; a plain call where no fiber runs. */
int weft__blocking_run(enum weft__lane_kind kind, weft_thread_fn fn, void *arg);

#endif
