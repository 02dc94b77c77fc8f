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

#include "base/rng.h"
#include "pool/offers.h"
#include "sys/sys.h"
#include "weft/event.h"
#include "weft/pool.h"

enum {
	WEFT__POOL_GUESTS = WEFT__BOUND(64, 2), /* bits of core->guests */
	WEFT__POOL_WORKERS_MOST = 4096,
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
	int index;
	struct weft__thread thread; /* weft__core_make() and weft__core_stop() */

	/* Written by the owner, read by weft_pool_stats_read(). */
	weft_atomic_u64 promoted;
	weft_atomic_u64 stolen;
	weft_atomic_u64 parks;
	weft_atomic_u64 wakes;
};

struct weft__core {
	struct weft_pool *pool;
	struct weft__core *older; /* of the parent process; kept as long as the pool */
	size_t bytes;
	uint32_t forks;          /* the count of fork()s in which the threads live */
	int threads;             /* records of threads; those of guests follow */
	int started;             /* threads that exist; known before the core is shared */
	uint64_t small_ticks;    /* what is over by then is too small to be shared */
	int64_t spin_ns;         /* how long to look around before sleeping; 0 with one CPU */
	weft_atomic_u64 *asleep; /* bit i: thread i sleeps, and is to be woken */
	struct weft__worker *workers;

	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u64 census; /* see below */
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u64 guests; /* bit i: guest i is inside */
	WEFT_ALIGNED(WEFT_CACHE_LINE) weft_atomic_u32 stop;
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

/* The owner has made this many offers: wakes whom that concerns. */
void weft__offers_announce(struct weft__worker *owner, unsigned offered);

/* Wakes a sleeping thread, unless enough workers are awake. */
void weft__core_wake(struct weft__core *core);

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
	weft_atomic_ptr core; /* NULL in the global pool before its first use */
	int workers;          /* 0: as many as there are CPUs when it is built */
	size_t stack_size;
	char name[WEFT__POOL_NAME];
};

/* weft_pool_run() that is never shy. */
void weft__pool_run_eager(weft_pool *pool, weft_pool_fn fn, void *arg);

/* The pool that the caller is inside of, else the global one. */
weft_pool *weft__pool_here(void);

#endif
