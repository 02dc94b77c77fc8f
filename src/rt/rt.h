/* SPDX-License-Identifier: MIT */
/*
 * What the runtime's files share, and what `io` wants of it.
 *
 *   runtime  workers, the injector, the census of idle workers, the root token
 *   worker   a thread that runs fibers: struct weft__rt_worker (the pool's workers
 *            are another kind: src/pool)
 *   fiber    a record; from its first run on also a stack, and a home worker
 *
 * A fiber that has not begun is in a worker's ring or in the injector, and any worker
 * may begin it. From then on it has a home: only the home's thread runs it, makes it
 * runnable, disarms its timer and takes its stack back. So nearly all of its state is
 * plain. A thread that wakes the fiber of another worker puts it into that worker's
 * inbox, and that is all it does. A fiber that may migrate changes its home while it
 * is runnable and in a ring, and at no other time.
 */
#ifndef WEFT_RT_RT_H
#define WEFT_RT_RT_H

#include "base/fifo.h"
#include "base/list.h"
#include "base/rng.h"
#include "rt/blocking.h"
#include "rt/idle.h"
#include "rt/inbox.h"
#include "rt/injector.h"
#include "rt/monitor.h"
#include "rt/record.h"
#include "rt/ring.h"
#include "rt/stack.h"
#include "rt/switch.h"
#include "rt/timer.h"
#include "wait/wait.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/runtime.h"

struct weft__rt_worker;
struct weft__poller;

/* ---- for io --------------------------------------------------------------------- */

/* The worker whose thread calls; NULL on other threads. */
struct weft__rt_worker *weft__rt_worker_self(void);

/* A worker for the I/O of whoever has none: the caller's own; else one of the default
 * runtime, by turns. NULL when that cannot start. */
struct weft__rt_worker *weft__rt_worker_any(void);

struct weft__poller *weft__rt_worker_poller(struct weft__rt_worker *worker);

/* To be called by operations that may wait, or did not have to: after many of them
 * running, a fiber lets the others of its worker have a turn. True where that was so, and
 * on threads as often: then it is time to see whether all this is still wanted. */
bool weft__budget_spend(void);

/* ---- fibers --------------------------------------------------------------------- */

struct weft__fiber_token;

/* Which fields a fiber's end leaves alone: `finished` and `result`, for who joins. */
struct weft_fiber {
	/* Scheduling: the home worker's; before the first run, the queue's that it is
	 * in. What a worker needs of a sleeper whose time has come lies together, and
	 * the timer not on its stack: of very many sleepers neither is in a cache. */
	struct weft__fifo_node node;
	weft_atomic_ptr home; /* NULL: has not begun */
	struct weft__strand strand;
	struct weft__stack *stack;
	struct weft__timer timer; /* of its park, if that has a deadline */
	struct weft__parker parker;

	/* A wake from elsewhere uses this, as the fiber may be runnable already because
	 * its deadline came. */
	struct weft__fifo_node wake;
	weft_fiber_fn fn;
	void *arg;
	weft_runtime *runtime;
	struct weft_scope *scope; /* NULL: it has a handle */
	weft_event finished;      /* bit B: nobody has the handle any more */
	int result;
	uint32_t forks; /* as the runtime's, which may be gone when it is joined */
	uint8_t stack_class;
	bool migrate;
	struct weft__fiber_token *own; /* if cancellable */

	struct weft__list_node among; /* the fibers of its home that have begun */
	uint64_t id;
	const char *name;
};

static inline struct weft_fiber *weft__fiber_of_node(struct weft__fifo_node *node)
{
	return node ? weft_container_of(node, struct weft_fiber, node) : NULL;
}

/* ---- workers ---------------------------------------------------------------------- */

/* Written by the worker, read by anybody. */
struct weft__rt_counters {
	weft_atomic_u64 born, died; /* fibers that this worker spawned, and ended */
	weft_atomic_u64 started, switches, steals, parks, wakes, sleeps, timers, polls;
};

/* What others want of a worker: bits of `errands`. */
enum { WEFT__ERRAND_DUMP = 1, WEFT__ERRAND_CANCEL = 2 };

struct weft__rt_worker {
	/* Others' side. */
	WEFT_ALIGNED(WEFT_CACHE_LINE) struct weft__inbox inbox;
	weft_atomic_u32 errands;
	weft_atomic_u32 roused; /* twice the count of those who have roused it; LEAVING */
	struct weft__deals ring;

	/* The owner's. */
	WEFT_ALIGNED(WEFT_CACHE_LINE) struct weft_fiber *current; /* NULL: at the root */
	struct weft_fiber *next;                                  /* to run before others */
	unsigned next_streak;
	unsigned ready_count;
	struct weft__fifo ready; /* fibers that have begun, of this home */
	bool ring_turn;          /* which of ring and ready has its turn, */
	unsigned quota;          /* and how many of it are left */
	int turns;               /* until the next look around */
	int turns_each;
	int budget;
	bool shared;              /* there are other workers */
	bool deterministic;       /* see virtual.c */
	int64_t now;              /* in virtual time */
	weft_atomic_bool watched; /* `watch` may be used */
	struct weft__watch watch;
	uint64_t slice_began; /* in ticks, once the slice has spent something */
	int64_t looked;       /* when it looked around last, */
	int64_t polled;       /* and when into the poller */
	struct weft__strand root;
	struct weft__strand left;  /* of a fiber that has ended, */
	struct weft__stack *grave; /* and its stack: for who runs next to give back */
	weft_runtime *runtime;
	unsigned index;
	uint32_t rouses_due; /* how many have taken the duty to rouse it */
	uint64_t id_next, id_end;
	struct weft__records records;
	struct weft__list fibers; /* that have begun, of this home */
	struct weft__stack_cache stacks;
	struct weft__poller *poller;
	struct weft__rng rng;
	struct weft__thread thread;
	struct weft__rt_counters counters;
	struct weft__wheel wheel;
};

/* The thread that writes the dump on a signal. */
struct weft__dumper {
	struct weft_signals *signals; /* NULL: there is none */
	weft_event stop;
	struct weft__thread thread;
};

/* DRAINING   fibers may come to their end; plain threads may not spawn
 * CANCELLED  nobody may spawn
 * OVER       the last fiber has ended, the threads leave */
enum { WEFT__RUNNING, WEFT__DRAINING, WEFT__CANCELLED, WEFT__OVER };

struct weft_runtime {
	struct weft__idle idle;
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u32 phase;
	uint32_t forks; /* the count of fork()s in which its threads live */
	unsigned workers;
	unsigned started; /* threads, while it is being built */
	uint8_t stack_class;
	int64_t spin_ns; /* how long a worker looks around before it sleeps */
	struct weft__rt_worker *worker;
	struct weft__injector injector;
	struct weft__lane lanes[WEFT__LANES];
	struct weft__monitor monitor;
	struct weft__dumper dumper;
	weft_token root;
	weft_event over;
	weft_mutex dump_gate; /* one dump at a time */
	weft_event dump_done;
	int dump_fd;
	weft_runtime_opts opts; /* `name` does not live on */
	char name[12];

	/* Plain threads' side. */
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u64 born; /* fibers that they spawned */
	weft_atomic_u32 entered;                            /* how many have begun to spawn, */
	weft_atomic_u32 left; /* and twice the count of those who are through; LEAVING */
	weft_atomic_u32 turn; /* for weft__rt_worker_any() and the injector's shards */
};

static inline void weft__rt_count(weft_atomic_u64 *counter)
{
	weft_store_relaxed(counter, weft_load_relaxed(counter) + 1);
}

/* ---- worker.c: running, parking, waking --------------------------------------------- */

extern const struct weft__parker_kind weft__fiber_kind;

/* The thread of a worker. */
void weft__rt_worker_main(void *worker);

/* Makes a fiber that has not begun available: from the worker, as one of its fibers
 * or at its root; or from a thread that is none of the runtime's. */
void weft__fiber_offer(struct weft__rt_worker *w, struct weft_fiber *fiber);
void weft__fiber_inject(weft_runtime *runtime, struct weft_fiber *fiber);

/* The calling fiber lets others run. */
void weft__fiber_yield(struct weft_fiber *fiber);

/* Has the worker return from its sleep, and look at its errands. Any thread. */
void weft__rt_worker_rouse(struct weft__rt_worker *w);

/* The runtime's token is cancelled: wakes those of the worker's fibers that wait under
 * it. At the root. (They are not in its queue, as all fibers would meet there.) */
void weft__rt_worker_cancel(struct weft__rt_worker *w);

/* Forgets the caller's worker; in the child of a fork(). */
void weft__rt_worker_forget(void);

/* Stacks as large as the largest class, whatever a sanitizer makes of it. */
enum { WEFT__FIBER_STACK_MOST = 256 * 1024 };

/* ---- fiber.c ------------------------------------------------------------------------ */

/* The fiber's function has returned: everything of its end but its stack. The record
 * may be gone afterwards. */
void weft__fiber_end(struct weft__rt_worker *w, struct weft_fiber *fiber, int result);

/* ---- runtime.c ---------------------------------------------------------------------- */

/* The runtime's threads are in the parent of a fork(). */
bool weft__runtime_stale(const weft_runtime *runtime);
bool weft__forked_since(uint32_t forks);

/* Called by a worker that has just lain down, while the runtime ends: if no fiber is
 * left, it is over. */
void weft__runtime_check_over(weft_runtime *runtime);

/* errno of the calling thread, whichever that is: not inlined, so that no caller keeps
 * the address while it moves to another thread. */
int weft__errno_get(void);
void weft__errno_set(int value);

/* ---- virtual.c ----------------------------------------------------------------------- */

/* The calling thread, the worker's, begins or ends to live in virtual time. */
void weft__virtual_begin(struct weft__rt_worker *w);
void weft__virtual_end(void);

/* The seed's choice among all that could run; NULL when nothing can. */
struct weft_fiber *weft__virtual_pick(struct weft__rt_worker *w);

/* Nothing can run: goes to the moment at which something may; false if there is none. */
bool weft__virtual_jump(struct weft__rt_worker *w);

/* ---- dump.c -------------------------------------------------------------------------- */

/* Does what others want of the worker; at its root. */
void weft__rt_worker_errands(struct weft__rt_worker *w);

/* ---- dumper.c ------------------------------------------------------------------------ */

/* Begins to listen to the signal of the options, if there is one: 0, -EINVAL, -ENOMEM,
 * -EAGAIN. */
int weft__dumper_start(weft_runtime *runtime);

/* Before the workers' threads are joined; harmless when there is none. */
void weft__dumper_stop(weft_runtime *runtime);

#endif
