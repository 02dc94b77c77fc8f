/* SPDX-License-Identifier: MIT */
/*
 * The whole porting contract: what Weft wants of an operating system.
 *
 * Nothing outside src/sys names an OS or a CPU. Whoever ports Weft, or checks
 * it under a model, implements this header and is done. Deadlines are absolute
 * monotonic nanoseconds as in <weft/base.h>.
 */
#ifndef WEFT_SYS_SYS_H
#define WEFT_SYS_SYS_H

#include "weft/atomic.h"
#include "weft/base.h"

#include "base/assert.h"
#ifdef WEFT_MODEL
#include "sys/model/cpu.h"
#else
#include "sys/arch/cpu.h" /* weft__cpu_pause(), weft__cpu_ticks() */
#endif

/* ---- futex ---------------------------------------------------------------- */

/* Sleeps while *word == expected, until a wake or the deadline. Returns 0 after
 * a wake (which may be spurious), -EAGAIN when the word differed, -ETIMEDOUT.
 * A deadline of 0 returns -ETIMEDOUT at once. Interrupted sleeps go on. */
int weft__futex_wait(weft_atomic_u32 *word, uint32_t expected, int64_t deadline);

/* Wakes at most `count` sleepers. The word may be gone already: only its address
 * is used, and the worst is a spurious wake of somebody else. */
void weft__futex_wake(weft_atomic_u32 *word, int count);

/* The same on a word as wide as a pointer: the kernel compares the half that
 * holds the low 32 bits of `expected`. */
static inline weft_atomic_u32 *weft__futex_low_half(weft_atomic_uptr *word)
{
	weft_atomic_u32 *halves = (weft_atomic_u32 *)(void *)word;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return halves + sizeof(*word) / sizeof(*halves) - 1;
#else
	return halves;
#endif
}

static inline int weft__futex_wait_word(weft_atomic_uptr *word, uintptr_t expected,
					int64_t deadline)
{
	return weft__futex_wait(weft__futex_low_half(word), (uint32_t)expected, deadline);
}

static inline void weft__futex_wake_word(weft_atomic_uptr *word, int count)
{
	weft__futex_wake(weft__futex_low_half(word), count);
}

/* ---- threads -------------------------------------------------------------- */

struct weft__thread {
	uintptr_t handle;
};

typedef void (*weft__thread_fn)(void *arg);

/* Starts fn(arg) on a new OS thread. `stack_size` in bytes, 0 for the system's
 * default, rounded up to what the system needs; `name` may be NULL and is cut
 * to 15 bytes. 0, -EAGAIN (the system's limit), -ENOMEM, -EINVAL; on failure no
 * thread ran and nothing is left behind. */
int weft__thread_start(struct weft__thread *out, weft__thread_fn fn, void *arg, size_t stack_size,
		       const char *name);
struct weft__thread weft__thread_self(void);
void weft__thread_join(struct weft__thread thread);
void weft__thread_detach(struct weft__thread thread);
void weft__thread_yield(void);

/* Name of the calling thread, as `ps -L` and debuggers show it. */
void weft__thread_set_name(const char *name);
void weft__thread_get_name(char *buffer, size_t size);

/* A number that no other live thread of the process has. */
uint64_t weft__thread_id(void);

/* CPUs that the calling thread may run on just now (its own affinity mask). */
int weft__thread_cpus(void);

/* Has the calling thread run on this CPU alone. 0, -EINVAL when it may not or there is no
 * such CPU; the second asks so for a process's thread in general. */
int weft__thread_pin(int cpu);
bool weft__cpu_is_allowed(int cpu);

/* The CPU that the caller runs on; a hint. */
unsigned weft__cpu_current(void);

/* Calls fn(value) as the thread ends, for each thread that has set a non-NULL
 * value. At most once per key; 0 or -EAGAIN. Setting: 0 or -ENOMEM. */
struct weft__thread_key {
	uintptr_t key;
};
int weft__thread_key_init(struct weft__thread_key *key, void (*fn)(void *value));
int weft__thread_key_set(struct weft__thread_key key, void *value);

/* Runs `child` in the child of every later fork(). 0 or -ENOMEM. */
int weft__atfork_child(void (*child)(void));

/* ---- every thread passes a full barrier ------------------------------------ */

/* After the call each thread of the process has executed a full memory barrier
 * since the call began (membarrier, private expedited). Falls back to a slower
 * way with the same guarantee where the kernel refuses. Never fails. */
void weft__barrier_all(void);

/* ---- memory ---------------------------------------------------------------- */

/* Zeroed pages, rounded up to whole pages. NULL when there is no memory. */
void *weft__pages_map(size_t size);
void weft__pages_unmap(void *pages, size_t size);
size_t weft__page_size(void);
size_t weft__cache_line_size(void);

/* malloc and free; weft__alloc_aligned takes a power of two. Released with
 * weft__release in each case. NULL when there is no memory. */
void *weft__alloc(size_t size) __attribute__((malloc));
void *weft__alloc_zero(size_t count, size_t size) __attribute__((malloc));
void *weft__alloc_aligned(size_t alignment, size_t size) __attribute__((malloc));
void weft__release(void *memory);

/* ---- stacks ------------------------------------------------------------------ */

/* Zeroed pages for many stacks, which cost memory only where they are touched, a
 * page at a time. NULL when there is no address space. */
void *weft__stacks_map(size_t size);

/* False when the system has no memory to shrink a mapping: they still are there. */
bool weft__stacks_unmap(void *stacks, size_t size);

/* Makes whole pages of a mapping ones that nobody can touch, until they are
 * unmapped. 0 or -ENOMEM; then they are as before. */
int weft__guard_install(void *guard, size_t size);

/* Gives the memory of whole pages back; they read as zeros then. Guards among them
 * stay. */
void weft__pages_drop(void *pages, size_t size);

/* The size of the part of whole pages, from their low end, that was never touched,
 * or not since it was dropped. */
size_t weft__pages_untouched(const void *pages, size_t size);

/* Tells tools that watch the stack pointer (valgrind) that a stack lies there, or no
 * longer does; the number is the tool's. */
unsigned weft__stack_announce(const void *low, const void *high);
void weft__stack_retract(unsigned number);

/* Whether such a tool watches each access, and would complain of one to memory that
 * nobody uses just now; and what tells it that the memory may be used again. */
bool weft__tools_watch(void);
void weft__tools_renew(void *memory, size_t size);

/* Writes the functions that called it, a line each, to a descriptor; `most` of them. */
void weft__backtrace_write(int fd, int most);

/* ---- faults ------------------------------------------------------------------ */

/* From now on `explain` is called for every access of the program to memory that it
 * may not touch, on the thread that did it, with the address; then what would have
 * happened happens: the process ends, or a handler that was there before is called.
 * It runs as a signal handler, on the thread's fault stack if there is one, and may do
 * little more than look and say. One for the process; more calls do nothing. 0 or
 * -errno. */
typedef void (*weft__fault_fn)(uintptr_t address);
int weft__fault_watch(weft__fault_fn explain);

/* Gives the calling thread a stack for that, without which a fault for want of stack
 * cannot be explained; and takes it away again. A thread that has one keeps it. */
struct weft__fault_stack {
	void *memory; /* NULL: none of ours */
	size_t size;
};
int weft__fault_stack_begin(struct weft__fault_stack *stack); /* 0 or -ENOMEM */
void weft__fault_stack_end(struct weft__fault_stack *stack);

/* Writes to standard error; also from a signal handler. */
void weft__say(const char *text, size_t length);

/* ---- the machine ------------------------------------------------------------ */

/* The same as weft_cpus(), with its ingredients. */
struct weft__cpu_budget {
	int online;   /* CPUs that the system has online */
	int affinity; /* CPUs in the process's mask */
	double quota; /* CPUs that the cgroup grants; 0 when it sets no limit */
	int usable;   /* what follows from these, at least 1 */
	int cgroup;   /* 1 or 2: where the quota was found; 0 nowhere */
};
void weft__cpu_budget_read(struct weft__cpu_budget *out);

/* Parsers of what the kernel prints, apart so that they can be tested: the text
 * of cpu.max ("max 100000", "150000 100000"); CPUs, or 0 for no limit or text
 * that is not understood. */
double weft__quota_parse_v2(const char *text);
double weft__quota_parse_v1(const char *quota_us, const char *period_us);

/* Random bytes for seeds; falls back to clock and addresses. */
uint64_t weft__entropy(void);

/* ---- sorting by vector instructions ------------------------------------------- */

/* Sort up to WEFT__LEAF4_MOST keys of 4 bytes, or WEFT__LEAF8_MOST of 8, from `from` to
 * `to`, which may be the same and need not be aligned. Keys are compared as numbers
 * without a sign after this: raw ^ (raw is negative ? fold : 0) ^ flip, where `fold` is
 * 0 unless `flip` is the sign alone. NULL where this CPU has nothing that is faster than
 * plain C. */
enum { WEFT__LEAF4_MOST = 128, WEFT__LEAF8_MOST = 64 };
typedef void (*weft__leaf_fn)(void *to, const void *from, size_t n, uint64_t fold, uint64_t flip);
struct weft__leaves {
	weft__leaf_fn leaf4, leaf8;
};
struct weft__leaves weft__leaves_find(void);

/* ---- clock ------------------------------------------------------------------- */

/* weft_now() is declared in <weft/base.h> and is the port's to define; the other
 * public calls follow from it and from this header, in sys/public.c. */

/* On the calling thread weft_now() is *now from then on, until NULL is installed. What
 * the system itself waits for goes by the system's clock as before. */
void weft__clock_install(const int64_t *now);
bool weft__clock_is_installed(void);

/* ---- signals ------------------------------------------------------------------ */

enum { WEFT__SIGNALS = 65 };

/* Calls fn in the signal's handler from now on, with errno saved; system calls that it
 * interrupts go on where the system can do that. A signal that is ignored stays so.
 * Restoring: whatever it did before; async-signal-safe. Each signal has one catcher;
 * the caller sees to it. */
typedef void (*weft__signal_fn)(int number);
bool weft__signal_can_be_caught(int number);
void weft__signal_catch(int number, weft__signal_fn fn);
void weft__signal_restore(int number);

/* ---- watching a thread from another ------------------------------------------- */

struct weft__watch {
	struct weft__thread thread;
	int number; /* the system's, for the thread */
	int clock;
};

/* By the thread itself, which must not end while it is watched. */
void weft__watch_begin(struct weft__watch *watch);

/* Nanoseconds of CPU that it has used; whether it sleeps in the system just now. */
int64_t weft__watch_cpu(const struct weft__watch *watch);
bool weft__watch_asleep(const struct weft__watch *watch);

/* Has `look` called on a watched thread, in the handler of a signal, whenever it is
 * poked. One function for the process, the first that was given. False if the thread
 * cannot be poked. */
void weft__watch_poke_with(void (*look)(void));
bool weft__watch_poke(const struct weft__watch *watch);

/* Where the thread was when it was poked, innermost first, for such a `look`; and names
 * to that, a line each. */
int weft__watch_backtrace(void **frames, int most);
void weft__watch_write_frames(int fd, void *const *frames, int count);

/* ---- last words -------------------------------------------------------------- */

/* weft__die() is declared in base/assert.h, which may not include this header,
 * and is the port's to define. */

#endif
