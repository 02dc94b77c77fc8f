/* SPDX-License-Identifier: MIT */
/*
 * What the files of the pool share. README.md in this folder explains the whole
 * and argues why it is right; here is who owns which field.
 *
 *   pool    what the user holds: options, and the core in use
 *   core    the workers of a pool in one process: a child of fork() builds anew
 *   worker  a thread of the pool; or a guest, the record that a thread gets for
 *           the time of weft_pool_run(); or alone, a guest that got none
 */
#ifndef WEFT_POOL_POOL_H
#define WEFT_POOL_POOL_H

#include "base/fifo.h"
#include "base/rng.h"
#include "pool/offers.h"
#include "sys/sys.h"
#include "wait/wait.h"
#include "weft/event.h"
#include "weft/mutex.h"
#include "weft/pool.h"

enum {
	WEFT__POOL_GUESTS = WEFT__BOUND(64, 2), /* bits of core->guests */
	WEFT__POOL_WORKERS_MOST = 4096,
	WEFT__POOL_SPARES = WEFT__BOUND(256, 1), /* if the options do not say */
	WEFT__POOL_NAME = 16,
	WEFT__POOL_PATIENCE = 4096,
	WEFT__POOL_STOCK = 2,
};

/* A job that was handed out, in its `state`: at first 0, then who runs it (the
 * address of a struct weft__worker, or'ed in by it), and these. */
enum {
	WEFT__JOB_WAITED = 1, /* its joiner sleeps, or is about to */
	WEFT__JOB_DONE = 2,   /* it has run; the thief does not touch it again */
	WEFT__JOB_BITS = 3,
};

struct weft__core;
struct weft__worker;

/* Work that came into the pool by its queue: run by a thread at the root of its stack.
 * With `worker` NULL nobody will run it: `error` says why. Its own last touch. */
struct weft__task {
	struct weft__fifo_node node;
	void (*run)(struct weft__task *task, struct weft__worker *worker, int error);
	bool counted; /* among those that weft_pool_wait_idle() waits for */
};

/* What every thread of the pool is to do once. With `worker` NULL the thread does not
 * come to be. */
struct weft__errand {
	void (*run)(struct weft__errand *errand, struct weft__worker *worker);
};

struct weft__worker {
	/* Set by those who ask, read by the owner at each fork and join. */
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_worker face;
	/* Joiners who help this worker, as it runs what they wait for. */
	weft_atomic_u32 helpers;

	/* Changed by the owner and by thieves. */
	WEFT_ALIGNED(WEFT_CACHE_LINE) struct weft__offers offers;

	/* Where the owner sleeps, both as an idle thread and as a joiner; anybody
	 * sets it, also late and in vain. */
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_event event;
	/* The worker whose offers may wake the owner from a join; set by the owner,
	 * cleared by whoever wakes it or by itself. */
	weft_atomic_ptr waits_on;

	/* The owner's alone, from here on. The youngest job that was handed out;
	 * the next one in the list is the oldest that was not. */
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_job *base;
	weft_job root; /* the list's head: no job */
	weft_token *ambient;
	struct weft__core *core;
	int64_t ask_after; /* weft__worker_may_ask() */
	uint64_t begun;    /* ticks at which the job or call began, if it is shy */
	unsigned patience; /* of one that is shy: looks for jobs to hand out; else 0 */
	unsigned stock;    /* offers to have in store: see weft_pool_promote() */
	struct weft__rng rng;
	bool tasks_first; /* the last time that it looked around */
	int index;
	bool leaving;                   /* guarded by the core's `staff` */
	bool alone;                     /* nobody knows of it */
	struct weft__worker *outer;     /* that the thread was when it entered this pool */
	struct weft__onlooker onlooker; /* told when a job sleeps: staff.c */

	/* Set by whoever wants something of this thread, cleared by it. */
	weft_atomic_ptr errand;

	/* Written by the owner, read by weft_pool_stats_read(). */
	weft_atomic_u64 promoted;
	weft_atomic_u64 stolen;
	weft_atomic_u64 parks;
	weft_atomic_u64 wakes;
};

/* What becomes of tasks, in order; guarded by the queue's gate. */
enum weft__phase { WEFT__POOL_OPEN, WEFT__POOL_DRAINING, WEFT__POOL_CANCELLED };

struct weft__core {
	struct weft_pool *pool;
	struct weft__core *older; /* of the parent process; kept as long as the pool */
	size_t bytes;
	uint32_t forks;          /* the count of fork()s in which the threads live */
	int threads;             /* records of threads; those of guests follow */
	int spares;              /* most threads beyond the width */
	int64_t rest_ns;         /* for how long one too many stays */
	uint64_t small_ticks;    /* what is over by then is too small to be shared */
	int64_t spin_ns;         /* how long to look around before sleeping; 0 with one CPU */
	weft_atomic_u64 *asleep; /* bit i: thread i sleeps, and is to be woken */
	uint64_t *hired;         /* bit i: record i has a thread; guarded by `staff` */
	struct weft__worker *workers;
	weft_atomic_u32 width; /* how many are to work at once */
	weft_atomic_u32 high;  /* no thread ever had a record from here on */
	weft_atomic_u32 live;  /* threads that count: all but those about to leave */

	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u64 census; /* see below */
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u64 guests; /* bit i: guest i is inside */
	weft_atomic_u32 blocked;                              /* who is in a job that sleeps */
	weft_atomic_u32 stop;

	/* tasks.c */
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u32 queued; /* tasks that nobody has */
	weft_waitq gate;                                      /* of the queue */
	struct weft__fifo tasks;
	enum weft__phase phase;
	uint64_t outstanding; /* tasks that count, and have not ended */
	weft_event idle;      /* set while there are none */
	weft_token token;     /* of the tasks that belong to nobody else */
	weft_atomic_u64 active, finished, failed;

	/* staff.c: coming and going, guarded by `staff` */
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_waitq staff;
	int present;                /* threads that may touch the core */
	bool closing;               /* nobody is hired any more */
	uintptr_t last;             /* who left last, to be joined by the next */
	weft_event *gone;           /* closing: to be set by the last one */
	weft_atomic_u64 hire_after; /* ns: the system had no thread, so not before then */
	weft_atomic_u64 hires, spares_used;
};

/* The census: how many threads have no job, and how many of these are awake and
 * look for one. The others sleep. A thread that got up by itself, while another was
 * about to wake it, may be counted out of the searching before it is counted in: then
 * that half is below zero for a moment. */
#define WEFT__CENSUS_SEARCHING UINT64_C(1)
#define WEFT__CENSUS_IDLE (UINT64_C(1) << 32)

static inline int weft__census_searching(uint64_t census)
{
	return (int32_t)(uint32_t)census;
}

static inline unsigned weft__census_idle(uint64_t census)
{
	return (unsigned)((census - (uint64_t)(int64_t)weft__census_searching(census)) >> 32);
}

static inline unsigned weft__census_asleep(uint64_t census)
{
	int searching = weft__census_searching(census);

	return weft__census_idle(census) - (searching > 0 ? (unsigned)searching : 0);
}

static inline struct weft__worker *weft__worker_of(weft_worker *face)
{
	return weft_container_of(face, struct weft__worker, face);
}

static inline void weft__count(weft_atomic_u64 *counter)
{
	weft_store_relaxed(counter, weft_load_relaxed(counter) + 1);
}

/* ---- core.c --------------------------------------------------------------------- */

/* The worker that the calling thread is just now; NULL outside of pools. Setting
 * returns the one before. */
struct weft__worker *weft__worker_self(void);
struct weft__worker *weft__worker_become(struct weft__worker *worker);

/* The core that is good for this process, built if need be; NULL without memory. */
struct weft__core *weft__core_get(weft_pool *pool);

/* A core of its own: 0 or -errno. `exact`: fails unless all threads start. */
int weft__core_make(struct weft__core **out, weft_pool *pool, bool exact);

/* Ends its threads, if they live in this process, and gives back its memory. */
void weft__core_free(struct weft__core *core);

/* The process forked, and the core's threads are in the parent. */
bool weft__core_stale(const struct weft__core *core);

/* Ticks of weft__cpu_ticks() in a microsecond; the first call takes twenty. */
uint64_t weft__ticks_per_us(void);

/* ---- staff.c -------------------------------------------------------------------- */

/* Gives each thread the errand; returns how many there are. */
int weft__staff_tell(struct weft__core *core, struct weft__errand *errand);

/* Starts threads until there are `count`: 0 or -errno, and then there are fewer. */
int weft__staff_hire(struct weft__core *core, int count);

/* One more thread, as nobody sleeps who could do what there is to do; unless there are
 * as many as may be. */
void weft__staff_hire_one(struct weft__core *core);

/* The calling thread, which found nothing to do for long, leaves if it is one too many.
 * False: it stays. True: the core is not to be touched any more. */
bool weft__staff_leave(struct weft__worker *worker, bool stop);

/* Waits until all are gone. */
void weft__staff_end(struct weft__core *core);

/* ---- tasks.c -------------------------------------------------------------------- */

void weft__tasks_init(struct weft__core *core);

/* Queues a task and sees to it that somebody comes: 0, -EPIPE when the pool takes no
 * more. Where no thread can be had it is run with -EAGAIN. */
int weft__tasks_push(struct weft__core *core, struct weft__task *task);

/* The oldest; NULL. To be run by weft__tasks_run(). */
struct weft__task *weft__tasks_take(struct weft__core *core);
void weft__tasks_run(struct weft__worker *worker, struct weft__task *task);

/* Nobody will run what is queued. */
void weft__tasks_refuse(struct weft__core *core, int error);

/* Until the deadline: nothing more comes in from outside, what there is comes to its end.
 * Then the rest is cancelled. 0 or -ETIMEDOUT. */
int weft__tasks_end(struct weft__core *core, int64_t deadline);

/* ---- job.c ---------------------------------------------------------------------- */

/* Runs a job that `worker` has claimed from `victim`, below `tail`. */
void weft__job_run(struct weft__worker *worker, struct weft__worker *victim, weft_job *tail,
		   const struct weft__offer *offer);

/* ---- idle.c --------------------------------------------------------------------- */

/* The life of a thread of the pool. */
void weft__worker_main(void *worker);

/* Asks a worker for offers, if nobody has. */
static inline void weft__worker_ask(struct weft__worker *worker)
{
	if (weft_load_seq_cst(&worker->face.want) == 0)
		weft_swap_seq_cst(&worker->face.want, 1); /* want.1 */
}

/* Whether it is time to ask. A job that is over within WEFT__ASK_EVERY_NS costs its
 * owner about as much in handing it out as it saves, so nobody asks more often;
 * who comes back from a longer one may ask at once. */
#define WEFT__ASK_EVERY_NS (2 * WEFT_US)

static inline bool weft__worker_may_ask(struct weft__worker *worker, int64_t now)
{
	if (now < worker->ask_after)
		return false;
	worker->ask_after = now + WEFT__ASK_EVERY_NS;
	return true;
}

/* Between two looks at what others write: some 100 ns, a cache line's trip. */
static inline void weft__worker_pause(void)
{
	for (int i = 0; i < 4; i++)
		weft__cpu_pause();
}

/* Takes an offer of anybody but `worker`: its owner, or NULL. */
struct weft__worker *weft__offer_claim_any(struct weft__worker *worker, struct weft__offer *offer);

/* The owner has made this many offers: wakes whom that concerns. */
void weft__offers_announce(struct weft__worker *owner, unsigned offered);

/* Wakes a sleeping thread, or has one hired, unless enough workers are awake. */
void weft__core_wake(struct weft__core *core);

/* The same for tasks, which need threads, however many callers are inside. */
void weft__core_wake_for_task(struct weft__core *core);

/* Wakes one that sleeps, if any does: true. */
bool weft__core_wake_sleeper(struct weft__core *core);

/* There may be work for more than are awake, as things have changed: see to it. */
void weft__core_reconsider(struct weft__core *core);

/* Has thread `index` look at its errand. */
void weft__core_rouse(struct weft__core *core, int index);

/* The next guest after bit `from`, in the set read beforehand; NULL at the end. */
static inline struct weft__worker *weft__guest_next(struct weft__core *core, uint64_t *set)
{
	struct weft__worker *guest = NULL;

	if (*set) {
		guest = &core->workers[core->threads + __builtin_ctzll(*set)];
		*set &= *set - 1;
	}
	return guest;
}

/* ---- pool.c --------------------------------------------------------------------- */

struct weft_pool {
	weft_atomic_ptr core;    /* NULL in the global pool before its first use */
	weft_atomic_u32 workers; /* 0: as many as there are CPUs when it is built */
	weft_mutex manager;      /* of who resizes it */
	weft_mutex crier;    /* of who broadcasts: calls of the user's may resize it meanwhile */
	weft_pool_opts opts; /* `name` does not live on */
	int *cpus;           /* a copy */
	char name[WEFT__POOL_NAME];
};

/* weft_pool_run() that is never shy. */
void weft__pool_run_eager(weft_pool *pool, weft_pool_fn fn, void *arg);

/* Runs fn with `worker` as the caller's worker, on a list of its own. */
void weft__worker_enter(struct weft__worker *worker, weft_pool_fn fn, void *arg);

/* A record in the caller's frame that nobody knows of: it is not asked for jobs. */
void weft__worker_alone(struct weft__worker *alone, struct weft__core *core);

/* Runs fn on a record in the own frame that nobody knows of. `core` may be NULL. */
void weft__pool_run_alone(struct weft__core *core, weft_pool_fn fn, void *arg);

/* The pool that the caller is inside of, else the global one. */
weft_pool *weft__pool_here(void);
bool weft__pool_is_global(const weft_pool *pool);

/* NULL is the global one. */
weft_pool *weft__pool_or_global(const weft_pool *pool);

#endif
