/* SPDX-License-Identifier: MIT */
/*
 * The monitor of a runtime: reports fibers that hold up their worker. See monitor.c.
 */
#ifndef WEFT_RT_MONITOR_H
#define WEFT_RT_MONITOR_H

#include "sys/sys.h"
#include "weft/runtime.h"

enum { WEFT__HOG_FRAMES = 32, WEFT__HOG_NAME = 64 };

/* AWAKE     it looks at the workers now and then   -> RESTING
 * RESTING   all workers are asleep                 -> AWAKE, by the first to get up
 * STOPPING  final */
enum { WEFT__MONITOR_AWAKE, WEFT__MONITOR_RESTING, WEFT__MONITOR_STOPPING };

struct weft__monitor {
	weft_atomic_u32 state;
	struct weft__sample *samples; /* one a worker; NULL: there is no monitor */
	struct weft__thread thread;
	int64_t last_report;
	unsigned unreported;
	/* A question to a worker, and its answer: see ask(). */
	weft_atomic_u32 question;
	weft_atomic_ptr asked;
	uint64_t switches;
	uint64_t id;
	int frames;
	void *frame[WEFT__HOG_FRAMES];
	char name[WEFT__HOG_NAME];
};

/* Starts the monitor if the options want one: 0, -ENOMEM, -EAGAIN. */
int weft__monitor_start(weft_runtime *runtime);

/* Before the workers' threads are joined or after; harmless when there is none. */
void weft__monitor_stop(weft_runtime *runtime);

void weft__monitor_rouse(struct weft__monitor *monitor);

/* A worker has got up: after its seq_cst step in the census. */
static inline void weft__monitor_notice(struct weft__monitor *monitor)
{
	if (WEFT_UNLIKELY(weft_load_seq_cst(&monitor->state) ==
			  WEFT__MONITOR_RESTING)) /* rest.1 */
		weft__monitor_rouse(monitor);
}

#endif
