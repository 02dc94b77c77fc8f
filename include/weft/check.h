/* SPDX-License-Identifier: MIT */
/*
 * The model checker: runs a small concurrent program in every order that matters,
 * under C11's weak memory, and prints the order in which it fails.
 *
 *     static void program(void *arg)
 *     {
 *         struct stack *s = weft_check_alloc(sizeof(*s));
 *         ...
 *         int t = weft_check_spawn(pusher, s, "pusher");
 *         popper(s);
 *         weft_check_join(t);
 *         WEFT_CHECK(s->count == 1);
 *         weft_check_free(s);
 *     }
 *
 *     int main(void)
 *     {
 *         return weft_check(program, NULL, NULL) != WEFT_CHECK_PASSED;
 *     }
 *
 * Compile with -DWEFT_MODEL (then <weft/atomic.h> is made of the checker's steps)
 * and -fsanitize=thread (then the compiler tells the checker about every plain
 * access), and link with libweft_check.a, without -fsanitize=thread. The library's
 * own objects are in there too, compiled in the same way: mutexes and channels can
 * be used, and are checked along. docs/model-checking.md tells more.
 *
 * The program is run again and again. Each run must do the same when the same
 * choices are made: it gets its memory from weft_check_alloc(), its time from
 * weft_now(), and its luck from weft_check_choose(). Its static variables are set
 * back before each run, its thread-locals are each thread's own.
 *
 * A thread that waits by looping must call weft_pause() or weft_thread_yield() in
 * the loop; it is then not run again before another thread has stored something.
 *
 * What is checked: everything in WEFT_CHECK() and the library's own assertions;
 * data races; deadlock; loops without an end; use after free, and of frames that
 * have returned; double free; memory that is left.
 *
 * What is not modelled: load buffering (a load does not see a store that comes
 * after it in the order of execution), accesses of mixed sizes, and the optimiser
 * of the compiler. Release sequences are those of C++20: they are continued by
 * read-modify-writes alone.
 */
#ifndef WEFT_CHECK_H
#define WEFT_CHECK_H

#include <weft/atomic.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

enum { WEFT_CHECK_THREADS_MOST = 8 };

/* How the runs are chosen. */
enum {
	WEFT_CHECK_EXHAUSTIVE, /* depth first, leaving out what is equivalent */
	WEFT_CHECK_EVERY,      /* depth first, leaving out nothing: to check the checker */
	WEFT_CHECK_RANDOM,     /* at random */
	WEFT_CHECK_PCT,        /* Burckhardt et al., "A Randomized Scheduler with
				* Probabilistic Guarantees of Finding Bugs" (2010) */
};

/* What came out. */
enum {
	WEFT_CHECK_PASSED,
	WEFT_CHECK_ASSERTION,
	WEFT_CHECK_RACE,
	WEFT_CHECK_DEADLOCK,
	WEFT_CHECK_LIVELOCK,
	WEFT_CHECK_USE_AFTER_FREE,
	WEFT_CHECK_DOUBLE_FREE,
	WEFT_CHECK_LEAK,
	WEFT_CHECK_HISTORY,   /* not linearizable */
	WEFT_CHECK_UNSUITED,  /* the program cannot be checked: the message says why */
	WEFT_CHECK_BAD_TOKEN, /* the token is not of this program */
};

/* For `preemptions` and `stale`: none at all, as 0 means any number. */
enum { WEFT_CHECK_NO_PREEMPTION = -1, WEFT_CHECK_NO_STALE = -1 };

/* Zero means default. */
typedef struct weft_check_opts {
	const char *name;    /* printed with what is found */
	int mode;            /* WEFT_CHECK_EXHAUSTIVE */
	int preemptions;     /* at most this many a run; 0: any number */
	int depth;           /* of PCT: 2 .. 5; default 3 */
	uint64_t seed;       /* of random modes; the default is fixed */
	uint64_t executions; /* at most; default: unlimited, or 100,000 at random */
	uint32_t steps;      /* a run with more is a livelock; default 20,000 */
	uint32_t spurious;   /* futex calls that return without cause, at most this many
			      * a thread */
	uint32_t weak;       /* weak compare-and-swaps that fail without cause, likewise */
	uint32_t failures;   /* allocations that fail, likewise */
	int stale;           /* steps that do not see, or go behind, the newest store, at
			      * most this many a run; 0: any number */
	uint32_t rereads;    /* how often a thread may see again what it saw although
			      * there is newer; default 2 */
	const char *replay;  /* a token: this one run, and show it */
	int cpus;            /* that the program is told of; default 1: nobody spins */
	bool leaks_allowed;
	bool quiet;      /* print nothing */
	bool no_shrink;  /* show the first failure, not one with fewer preemptions */
	int64_t ns_most; /* stop after this much of the processor's time */
} weft_check_opts;

/* What weft_check_last() tells. */
typedef struct weft_check_result {
	int verdict;
	bool exhausted;  /* every run within the bounds was made */
	int threads;     /* most threads of a run */
	int preemptions; /* of the failing run */
	uint32_t steps;  /* of the longest run */
	uint64_t executions;
	uint64_t pruned; /* runs given up because an equivalent one was made */
	uint64_t steps_total;
	int64_t ns; /* of the processor's time */
	uint64_t seed;
	char message[256];
	char token[8192];
} weft_check_result;

/* Runs fn(arg) as the first thread of the model until a run fails or all are made.
 * Returns what came out, and prints a failure on standard error. `opts` may be
 * NULL. Not to be called by two threads at a time. */
WEFT_API int weft_check(void (*fn)(void *arg), void *arg, const weft_check_opts *opts);

/* The result of the latest weft_check(). */
WEFT_API const weft_check_result *weft_check_last(void);

/* "data race" for WEFT_CHECK_RACE, and so on. */
WEFT_API const char *weft_check_verdict_name(int verdict);

/* ---- for programs under the checker --------------------------------------------- */

/* Starts a thread; returns its index, for weft_check_join(). The first thread is
 * 0, and waits at its end for those that were not joined. */
WEFT_API int weft_check_spawn(void (*fn)(void *arg), void *arg, const char *name);
WEFT_API void weft_check_join(int thread);

/* The same for what comes from outside, at any moment: a cancellation now, a signal.
 * That it begins interrupts nobody, and is not counted as a preemption; unless it is
 * chosen, it comes last. */
WEFT_API int weft_check_spawn_anytime(void (*fn)(void *arg), void *arg, const char *name);

/* Memory that is never used twice in a run. Never NULL, unless opts.failures. */
WEFT_API void *weft_check_alloc(size_t size);
WEFT_API void weft_check_free(void *memory);

/* A number in 0 .. count - 1; the checker tries each. */
WEFT_API int weft_check_choose(int count);

/* What a run found out; the checker keeps the set of all values. */
WEFT_API void weft_check_outcome(uint64_t value);

/* The set of the latest weft_check(), sorted: returns its size, and writes at most
 * `most` of them. */
WEFT_API size_t weft_check_outcomes(uint64_t *out, size_t most);

/* Stand-alone fences. The library has no use for them; others may. */
WEFT_API void weft_check_fence_acquire(void);
WEFT_API void weft_check_fence_release(void);
WEFT_API void weft_check_fence_acq_rel(void);
WEFT_API void weft_check_fence_seq_cst(void);

/* Names memory in what is printed. The name is kept, not copied. */
WEFT_API void weft_check_name(const void *memory, size_t size, const char *name);

/* Declares a plain access by hand, where the compiler does not. */
WEFT_API void weft_check_read(const void *memory, size_t size);
WEFT_API void weft_check_write(void *memory, size_t size);

/* ---- linearizability -------------------------------------------------------------- */

enum { WEFT_CHECK_STATE_MOST = 128 };

/* One call on an object; kind and argument mean what the sequential object wants. */
typedef struct weft_check_call {
	int kind;
	int64_t key; /* calls of different keys are on different objects */
	int64_t argument;
	int64_t result; /* if it has ended */
	bool ended;
} weft_check_call;

/* What the object does when calls come one by one. `state` starts as zeros, of
 * `size` bytes, at most WEFT_CHECK_STATE_MOST, then goes through `init`, which may
 * be NULL. `step` makes the call: false if it could not have had this result then.
 * A call that has not ended has no result, and may have taken effect or not. */
typedef struct weft_check_sequential {
	const char *name;
	size_t size;
	void (*init)(void *state, int64_t key);
	bool (*step)(void *state, const weft_check_call *call);
} weft_check_sequential;

/* Records a call: begin returns its number, for the end. */
WEFT_API int weft_check_call_begin(int kind, int64_t key, int64_t argument);
WEFT_API void weft_check_call_end(int call, int64_t result);

/* Fails the run unless the calls recorded so far can be put into an order, which
 * agrees with what happened before what, in which the object gives their results. */
WEFT_API void weft_check_linearizable(const weft_check_sequential *object);

/* Objects that come with the checker, and their kinds of calls. A lock or a receive
 * that gave up has the result -EAGAIN, -ETIMEDOUT or -ECANCELED. */
enum {
	WEFT_CHECK_LOCK,    /* mutex: any argument; 0 */
	WEFT_CHECK_UNLOCK,  /* 0 */
	WEFT_CHECK_ACQUIRE, /* semaphore: permits; 0. It starts with none */
	WEFT_CHECK_RELEASE, /* permits; 0 */
	WEFT_CHECK_SET,     /* event */
	WEFT_CHECK_RESET,
	WEFT_CHECK_IS_SET, /* 0 or 1 */
	WEFT_CHECK_WAIT,   /* 0 */
	WEFT_CHECK_PUSH,   /* queue: a value */
	WEFT_CHECK_POP,    /* the value, or -EAGAIN when it is empty */
	WEFT_CHECK_SEND,   /* channel: a value; 0, or -EPIPE */
	WEFT_CHECK_RECV,   /* the value, or -EPIPE */
	WEFT_CHECK_CLOSE,
	WEFT_CHECK_PUT,    /* map: a value, not 0; what was there before, or 0 */
	WEFT_CHECK_GET,    /* the value, or 0 */
	WEFT_CHECK_REMOVE, /* what was there, or 0 */
};
WEFT_API extern const weft_check_sequential weft_check_mutex, weft_check_semaphore,
	weft_check_event, weft_check_queue, weft_check_channel, weft_check_map;

/* Fails the run. */
WEFT_API void weft_check_fail(const char *file, int line, const char *sentence)
	__attribute__((noreturn));

WEFT_END_DECLS

/* Fails the run unless the condition holds. */
#define WEFT_CHECK(condition) \
	(WEFT_LIKELY(condition) ? (void)0 : weft_check_fail(__FILE__, __LINE__, #condition))

#endif
