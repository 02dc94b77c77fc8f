/* SPDX-License-Identifier: MIT */
/*
 * The runtime: the threads that fibers run on, with their timers and their I/O.
 *
 * Who does nothing about it gets the default runtime at the first spawn. Others
 * start one with options, or several; they coexist, and their fibers share any
 * object.
 *
 *     weft_runtime *runtime;
 *     int err = weft_runtime_start(&runtime, &(weft_runtime_opts){ .workers = 2 });
 *     ...
 *     err = weft_block_on(runtime, serve, &server);
 *     ...
 *     err = weft_runtime_stop(runtime, weft_after_s(5));
 */
#ifndef WEFT_RUNTIME_H
#define WEFT_RUNTIME_H

#include <weft/fiber.h>

WEFT_BEGIN_DECLS

/* How the runtime learns of I/O. */
enum weft_reactor {
	WEFT_REACTOR_AUTO, /* the environment's WEFT_REACTOR (epoll, uring), or what is best */
	WEFT_REACTOR_EPOLL,
	WEFT_REACTOR_URING,
};

/* A fiber that holds up its worker: it has run for `ns` at least without a switch, and
 * either computes or has called something that blocks the thread. */
typedef struct weft_hog {
	const char *fiber;   /* its name, "" if it has none */
	uint64_t id;         /* 0, and no name or frames: the thread did not answer */
	int worker;          /* the index of the worker */
	int64_t ns;          /* for how long */
	bool blocked;        /* it sleeps in the system */
	void *const *frames; /* where it is: return addresses, innermost first */
	int frame_count;
} weft_hog;

/* Called on the monitor's thread; what `hog` points at is valid during the call. */
typedef void (*weft_hog_fn)(const weft_hog *hog, void *arg);

/* Zero means default. */
typedef struct weft_runtime_opts {
	const char *name;     /* of the threads, cut to 11 bytes; copied; "weft-rt" */
	int workers;          /* threads: WEFT_RT_WORKERS in the environment, or weft_cpus() */
	int reactor;          /* enum weft_reactor */
	size_t stack_size;    /* of fibers that ask for none; 0: 64 KiB */
	bool deterministic;   /* one worker; the seed fixes the schedule, time is virtual */
	uint64_t seed;        /* of the deterministic schedule */
	int blocking_threads; /* most threads of weft_blocking(); 0: 64 */
	int64_t hog_ns;       /* report a fiber that runs for so long without a switch,
				* once; 0: 10 ms, < 0: do not look. Its thread gets a
				* SIGURG then, which ends a nanosleep() early */
	weft_hog_fn on_hog;   /* NULL: a line and the frames on standard error, at most
				* once a second */
	void *on_hog_arg;
	int dump_signal; /* a signal on which weft_runtime_dump() is written to standard
			  * error, such as SIGUSR2; 0: none */
} weft_runtime_opts;

/* Starts a runtime; `opts` may be NULL. 0, -ENOMEM, -EAGAIN when the system allows no
 * more threads or descriptors, -EINVAL for options that cannot be, also in
 * WEFT_REACTOR, and for a signal that cannot be caught; *out is NULL then.
 * Any thread. */
WEFT_API WEFT_NODISCARD int weft_runtime_start(weft_runtime **out, const weft_runtime_opts *opts);

/* Ends a runtime, in two phases: until the deadline its fibers may come to their end
 * by themselves, and spawn others; then the runtime's token is cancelled, spawning
 * fails with -ECANCELED, and the rest is waited for. A fiber that never ends by
 * itself though it is cancelled is waited for without end; so is one whose token is that
 * of a scope outside of the runtime, which only that scope cancels. Afterwards the
 * threads are gone and the memory is given back. 0 if all was over by the deadline, else
 * -ETIMEDOUT. -EDEADLK, and nothing happens, when a fiber of the runtime itself calls.
 * -ECHILD in the child of a fork(), where it only gives up the handle. Handles of its
 * fibers stay valid until they are joined or detached. Any thread, once; at the end it
 * blocks the thread, also if a fiber of another runtime calls, while threads end. */
WEFT_API int weft_runtime_stop(weft_runtime *runtime, int64_t deadline);

/* The default runtime, started if need be; NULL when it cannot start. It is never
 * stopped. In the child of a fork() it is a new one. */
WEFT_API weft_runtime *weft_runtime_default(void);

/* The runtime whose fiber calls; NULL on other threads. */
WEFT_API weft_runtime *weft_runtime_current(void);

/* Runs fn(arg) as a fiber of the runtime (NULL: the caller's or the default one) and
 * waits for its end: what it returned, in *result (unless NULL), and 0. Errors as
 * weft_fiber_spawn(). The fiber has the caller's ambient token. Any thread or fiber. */
WEFT_API int weft_block_on(weft_runtime *runtime, weft_fiber_fn fn, void *arg, int *result);

/* Counters since the start; of a runtime in use they are a moment's approximation. */
typedef struct weft_runtime_stats {
	int workers;
	int workers_asleep;
	uint64_t fibers;   /* alive just now, whether they have begun or not */
	uint64_t spawned;  /* fibers made */
	uint64_t started;  /* fibers that got a stack */
	uint64_t switches; /* times a fiber was given a worker */
	uint64_t steals;   /* fibers taken from another worker before they began */
	uint64_t parks;    /* waits of fibers that slept */
	uint64_t wakes;    /* wakes sent to a worker from another thread */
	uint64_t sleeps;   /* times a worker slept */
	uint64_t timers;   /* deadlines that came */
	uint64_t polls;    /* looks for I/O */
	uint64_t stacks;   /* in use just now */
} weft_runtime_stats;

/* The sums over all workers, or those of one of them (0 <= worker < workers); -EINVAL
 * for another number. Any thread. */
WEFT_API void weft_runtime_stats_read(weft_runtime *runtime, weft_runtime_stats *out);
WEFT_API int weft_runtime_stats_worker(weft_runtime *runtime, int worker, weft_runtime_stats *out);

/* Writes a line on each worker and one on each of its fibers that has begun, with
 * name, state and what it waits for, and their stacks, to a descriptor. Each worker
 * writes its own; one that does not answer for 100 ms is reported as busy. 0, or
 * -ECHILD in the child of a fork(). Any thread or fiber; blocks. */
WEFT_API int weft_runtime_dump(weft_runtime *runtime, int fd);

WEFT_END_DECLS

#endif
