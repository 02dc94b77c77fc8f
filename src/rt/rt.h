/* SPDX-License-Identifier: MIT */
/*
 * What the runtime's files share, and what `io` wants of it.
 *
 *   runtime  workers, the injector, the census of idle workers, the root token
 *   worker   a thread that runs fibers: struct weft__rt_worker (the pool's workers
 *            are another kind: src/pool)
 *   fiber    a record; from its first run on also a stack, and a home worker
 */
#ifndef WEFT_RT_RT_H
#define WEFT_RT_RT_H

#include "sys/sys.h"
#include "weft/runtime.h"

struct weft__rt_worker;
struct weft__poller;

/* The worker whose thread calls; NULL on other threads. */
struct weft__rt_worker *weft__rt_worker_self(void);

/* A worker for the I/O of whoever has none: the caller's own; else one of the default
 * runtime, by turns. NULL when that cannot start. */
struct weft__rt_worker *weft__rt_worker_any(void);

struct weft__poller *weft__rt_worker_poller(struct weft__rt_worker *worker);

/* To be called where an operation that may wait did not have to: after many of them
 * running, a fiber lets the others of its worker have a turn. On a thread, nothing. */
void weft__budget_spend(void);

#endif
