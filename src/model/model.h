/* SPDX-License-Identifier: MIT */
/*
 * What the files of the model checker share.
 *
 *   run.c     weft_check(): runs the program until there is nothing left to try
 *   path.c    a run is a path of decisions: which are left, tokens
 *   races.c   which of them matter: dynamic partial-order reduction
 *   undo.c    what need not be computed again for the beginning of the next run
 *   snapshot.c  where the next run may begin instead
 *   thread.c  the model's threads: fibers, who may run, sleeping and waking
 *   memory.c  atomic locations: what a load may return, who synchronises with whom
 *   view.c    what a thread has seen
 *   fence.c   fences
 *   record.c  plain accesses: who raced with whom
 *   shadow.c  what there is beside each eight bytes; allocations, variables to be set back
 *   tsan.c    how the compiler tells of plain accesses
 *   trace.c   showing a run
 *   mutant.c  planting bugs
 *   history.c linearizability; sequential.c has objects to compare with
 *
 * One OS thread, so nothing here synchronises. Everything of a run is stamped with
 * the run's number instead of being cleared.
 */
#ifndef WEFT_MODEL_MODEL_H
#define WEFT_MODEL_MODEL_H

#include "base/rng.h"
#include "sys/model/port.h"
#include "wait/wait.h"
#include "weft/check.h"

enum {
	THREADS = WEFT_CHECK_THREADS_MOST,
	LOCATIONS = 1024,    /* atomics of a run */
	PATH_MOST = 1 << 17, /* decisions of a run */
	STACK_SIZE = 128 * 1024,
	SEED_DEFAULT = 1,
};

/* ---- views: what has been seen ---------------------------------------------------- */

/* clock[t] is the part of thread t's life that happened before; at[l] the oldest
 * store that may still be read at location l, by its place in the modification
 * order. */
struct view {
	uint32_t count; /* locations */
	uint32_t clock[THREADS];
	uint32_t at[];
};

struct full_view {
	uint32_t count;
	uint32_t clock[THREADS];
	uint32_t at[LOCATIONS];
};

/* ---- decisions ----------------------------------------------------------------------- */

/* What a step is about to do, as far as it matters to others: the objects that it
 * reads or writes. */
struct op {
	uintptr_t object[2];
	bool writes[2];
	bool all; /* is dependent with every other step */
};

enum { DECIDE_THREAD, DECIDE_VALUE };

struct node {
	uint8_t kind;
	uint8_t chosen;
	uint8_t previous;    /* DECIDE_THREAD: who ran before */
	uint8_t preemptions; /* before this decision */
	bool previous_ready; /* so that choosing another is a preemption */
	uint16_t enabled;    /* sets of threads */
	uint16_t timers;     /* those that come from outside, as their timer fires, or they
			      * begin at any time: no preemption */
	uint16_t backtrack;
	uint16_t done;
	uint16_t sleep;
	uint16_t ended;   /* those whose life ended with the step made here */
	uint32_t allowed; /* DECIDE_VALUE: set of alternatives */
	uint8_t count;
	uint32_t mark;           /* what there was to undo, before this decision */
	uint32_t order[THREADS]; /* of the step, as in races.c */
};

/* ---- threads ------------------------------------------------------------------------- */

enum { READY, ASLEEP, JOINING, SPINNING, ENDED };

struct at_end {
	void (*fn)(void *value);
	void *value;
};

struct model_thread {
	int state;
	int index;
	const char *name;
	const char *site; /* of the pending step */
	struct op pending;
	void *sp;
	const void *user_sp; /* where its own frames end, and the checker's begin */
	unsigned char *stack, *top;
	unsigned char *locals;
	void (*fn)(void *arg);
	void *arg;
	struct weft__parker parker;

	/* ASLEEP, JOINING, SPINNING */
	uintptr_t futex;
	bool timed, woken, yields;
	int64_t deadline, clock_reads;
	uint32_t sleep_order;
	int joining;
	uint32_t stores_seen, stores_own;
	bool read_stale; /* since the last hint that it spins */
	bool fresh;      /* sees the newest until then */

	/* memory */
	struct full_view now;             /* what it has seen */
	struct full_view pending_acquire; /* what an acquire fence would add */
	bool pending_any;
	const struct view *released; /* by its last release fence */
	uint32_t step, step_before;  /* its latest steps, as numbers of the run */
	uint32_t hinted_at, hints;   /* that it spins */

	/* races.c: its steps and those before them, as places in the path */
	uint32_t order[THREADS];

	bool anytime; /* has not begun, which is no preemption */
	uint32_t spurious_left, weak_left, failures_left;
	struct at_end ends[4];
	int ends_count;
	uint32_t priority; /* PCT */

	void *arena;
	size_t arena_used;
	uintptr_t calls[64]; /* call stack, for showing */
	int depth;
};

/* ---- the checker --------------------------------------------------------------------- */

struct model {
	bool running; /* a fiber of the model runs */
	bool replaying, tracing, shrinking;
	bool reduce; /* partial-order reduction */
	bool live;   /* the run has left the path of the one before: see undo.c */
	bool undoes; /* what changes is written down */
	uint32_t run;
	uint32_t epoch; /* of what outlives a run */
	unsigned char *undo;
	uint32_t undo_used;
	uint32_t snapshot_place; /* where this run wants one; UINT32_MAX: nowhere */
	bool snapshot_wanted;    /* by the thread that has switched to the engine */
	bool asks, heard;        /* whether the program tells of its plain accesses */
	bool strays;             /* it writes into memory of its caller */
	weft_check_opts opts;
	weft_check_result result;
	struct model_thread threads[THREADS];
	void *engine_sp;
	struct weft__model_locals locals;

	struct node *path;
	uint32_t length; /* decided before the run began */
	int bound;       /* -1: none */
	const uint8_t *token;
	size_t token_length;

	/* How far the run is: from here to `verdict` a snapshot keeps it as one piece. */
	int count; /* threads of this run */
	struct model_thread *self;
	uint32_t place;        /* the next decision */
	uint32_t thread_place; /* the latest one for a thread */
	uint32_t preemptions;
	struct op last_op;
	int stale;      /* steps so far */
	uint16_t woken; /* by the last step: what they announced will not come */
	uint32_t steps;
	uint32_t stores;
	uint32_t sleep_orders;
	int idle_rounds; /* in which only time passed */
	int64_t clock;
	uint32_t locations;
	int verdict;
	bool given_up; /* an equivalent run was made already */
	char message[256];
	struct weft__rng rng;
	uint32_t change[8]; /* PCT: steps at which priorities change */
	uint32_t steps_typical;

	uint32_t sc[LOCATIONS]; /* what seq_cst accesses must have seen */
};

extern struct model weft__model;
#define M weft__model

/* ---- path.c -------------------------------------------------------------------------- */

/* Decides who makes the next step; NULL when nobody can, or the run is given up. */
struct model_thread *weft__path_thread(void);

/* Decides among `count` alternatives, of which `allowed` is a set. */
int weft__path_value(int count, uint32_t allowed);

/* Prepares the path for the next run; false when there is none. */
bool weft__path_next(void);
void weft__path_token(char *out, size_t size);
bool weft__path_parse(const char *token);
int weft__path_preemptions(void);

/* ---- races.c --------------------------------------------------------------------------- */

void weft__races_begin(void);
/* The thread makes its pending step by the decision at `place`. */
void weft__races_step(struct model_thread *t, uint32_t place);
void weft__races_woken(const struct model_thread *t);
bool weft__op_independent(const struct op *a, const struct op *b);

/* ---- undo.c ----------------------------------------------------------------------------- */

enum { UNDO_SIZE = 256 << 20, UNDO_ENTRY_MOST = 256 };

/* A run begins, on the path of the latest one up to the last decision of it: true if what
 * is known of that part has been kept. */
bool weft__undo_begin(void);
void weft__undo_full(void);

/* ---- snapshot.c -------------------------------------------------------------------------- */

/* A run begins: true if it is to go on from a snapshot, which weft__snapshot_restore()
 * brings back. */
bool weft__snapshot_begin(void);
void weft__snapshot_restore(void);
/* Takes one: of all threads, when none runs. */
void weft__snapshot_take(void);
/* The program changes what snapshots do not hold. */
void weft__snapshot_never(void);

/* What a snapshot is made of: bytes that are put into it, or taken out again. */
struct snapshot_bytes {
	unsigned char *at, *end; /* `at` goes past `end` when there is no room */
	bool restores;
};

static inline void weft__snapshot_piece(struct snapshot_bytes *b, void *piece, size_t size)
{
	const size_t padded = (size + 7) & ~(size_t)7;

	if (b->at + padded <= b->end) {
		if (b->restores)
			__builtin_memcpy(piece, b->at, size);
		else
			__builtin_memcpy(b->at, piece, size);
	}
	b->at += padded;
}

/* The pieces of the other files. */
void weft__threads_snapshot(struct snapshot_bytes *b);
void weft__memory_snapshot(struct snapshot_bytes *b);
void weft__views_snapshot(struct snapshot_bytes *b);
void weft__shadow_snapshot(struct snapshot_bytes *b);
void weft__history_snapshot(struct snapshot_bytes *b);

struct undo_entry {
	void *at;
	uint32_t size, before;
};

/* Keeps what is there, until the decision that was made last is made otherwise. */
static inline void weft__undo_save(void *at, uint32_t size)
{
	const uint32_t padded = (size + 7) & ~7u;
	struct undo_entry *entry;

	if (!M.undoes)
		return;
	if (WEFT_UNLIKELY(M.undo_used > UNDO_SIZE - UNDO_ENTRY_MOST)) {
		weft__undo_full();
		return;
	}
	__builtin_memcpy(M.undo + M.undo_used, at, size);
	entry = (struct undo_entry *)(void *)(M.undo + M.undo_used + padded);
	*entry = (struct undo_entry){ at, size, padded };
	M.undo_used += padded + (uint32_t)sizeof(*entry);
}

/* ---- thread.c -------------------------------------------------------------------------- */

/* Announces a step and returns when it is to be made. */
void weft__model_point(const struct op *op, const char *site);
/* The step has been made. */
void weft__model_pointed(void);
/* The stacks of all threads, one behind the other. */
void *weft__model_stacks(void);
void weft__threads_begin(void (*fn)(void *), void *arg);
void weft__threads_stored(void);
/* Runs the first thread until the run ends; or whoever ran when a snapshot was taken. */
void weft__threads_run(void);
void weft__threads_resume(void);
_Noreturn void weft__model_stop(int verdict, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
_Noreturn void weft__model_leave(void);

/* ---- memory.c -------------------------------------------------------------------------- */

/* For functions that the program calls and that make steps: frames of the program
 * lie above this one. */
#define ENTER() (M.self->user_sp = __builtin_frame_address(0))

struct location;

void weft__memory_begin(void);
void weft__views_begin(void);
/* Knows of this many locations at least. */
void weft__view_extend(struct full_view *v, uint32_t count);
void weft__view_join(struct full_view *to, const struct view *from);
void weft__view_joined(struct full_view *to, const struct full_view *from);
const struct view *weft__view_copy(const struct full_view *from);
const struct view *weft__views_union(const struct view *a, const struct view *b);
/* What the kernel reads is the newest; then the caller does not read older ones. */
uint64_t weft__location_newest(uintptr_t address, unsigned size);
/* Nor does this thread read anything older than the caller has seen. */
void weft__location_seen(uintptr_t address, struct model_thread *by);
/* A plain write over the location: it begins anew. */
void weft__location_reset(struct location *location);
struct location *weft__location_next(const struct location *location);
uintptr_t weft__location_address(const struct location *location);
unsigned weft__location_size(const struct location *location);
uint64_t weft__bytes_load(uintptr_t address, unsigned size);

/* ---- shadow.c -------------------------------------------------------------------------- */

enum access { PLAIN_READ, PLAIN_WRITE, ATOMIC_READ, ATOMIC_WRITE };

static inline bool is_atomic(int access)
{
	return access >= ATOMIC_READ;
}

static inline bool is_write(int access)
{
	return access == PLAIN_WRITE || access == ATOMIC_WRITE;
}

void weft__shadow_setup(void);
void weft__shadow_begin(void);
void weft__shadow_access(uintptr_t address, size_t size, enum access access, const void *site);
/* The location, the latest of the run, is no more. */
void weft__shadow_forget(uintptr_t address, struct location *next);
/* The list of locations in the eight bytes of the address. */
struct location **weft__shadow_locations(uintptr_t address);
void *weft__shadow_alloc(size_t alignment, size_t size, bool zero, const void *caller);
void weft__shadow_free(void *memory, const void *caller);
/* Sets the variables of the program back. */
void weft__shadow_restore(void);
/* The first block that is left, or NULL. */
const void *weft__shadow_leak(size_t *size, const void **caller);
/* "cell+8", "block 3+8", "stack of T1". */
void weft__shadow_describe(uintptr_t address, char *out, size_t size);
/* Keeps what is there, if it is a variable of the program. */
void weft__shadow_keep(uintptr_t address, size_t size);

/* ---- trace.c --------------------------------------------------------------------------- */

void weft__trace_begin(void);
void weft__trace(const char *what, uintptr_t address, const char *site, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void weft__trace_show(void);
/* A place in the source: a site of atomic.h, or an address of code. */
const char *weft__trace_place(const void *site);

/* ---- mutant.c -------------------------------------------------------------------------- */

enum mutation { MUTANT_NONE, MUTANT_ORDER, MUTANT_SPLIT, MUTANT_DROP, MUTANT_DOUBLE };

/* The order of this operation; notes that it was met. */
int weft__mutant_order(const char *kind, const char *site, int order);
/* Whether the operation at this place is to be mutated so. */
bool weft__mutant_is(enum mutation mutation, const char *site);

/* ---- history.c -------------------------------------------------------------------- */

void weft__history_begin(void);

/* ---- run.c ------------------------------------------------------------------------------ */

void weft__outcomes_add(uint64_t value);

#endif
