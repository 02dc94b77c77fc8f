/* SPDX-License-Identifier: MIT */
/*
 * Between the model checker's engine (src/model) and its port (this folder), the
 * second implementation of sys.h.
 *
 * The port has what names a CPU or an OS: the switch between fibers, mappings,
 * the thread-locals of the program. The engine has what decides: when a thread
 * sleeps, wakes, and what the clock says.
 */
#ifndef WEFT_SYS_MODEL_PORT_H
#define WEFT_SYS_MODEL_PORT_H

#include "weft/base.h"

/* ---- the port, for the engine -------------------------------------------------- */

/* Leaves the running fiber, whose stack pointer goes to *from, for another. */
void weft__model_switch(void **from, void *to);

/* A stack pointer that enters `entry` when it is first switched to. */
void *weft__model_stack(void *top, void (*entry)(void));

/* Zeroed memory that costs nothing until it is touched; dies without memory. */
void *weft__model_map(size_t size);

/* The program's thread-locals, which fibers share unless they are swapped, and
 * what they hold at first. */
struct weft__model_locals {
	unsigned char *base;
	size_t size;
	const unsigned char *image;
	size_t image_size;
};
void weft__model_locals_find(struct weft__model_locals *out);

/* Where the program's variables lie, and where its code and constants begin. */
void weft__model_data_find(uintptr_t *begin, uintptr_t *end, uintptr_t *program);

/* Whether it is an address of code, and from which line of the source that came:
 * "file:line", or the offset in the program where nobody can tell. */
bool weft__model_is_code(const void *address);
void weft__model_source_of(const void *address, char *out, size_t size);

/* The real clock, and the processor's time that this process has used. */
int64_t weft__model_real_ns(void);
int64_t weft__model_used_ns(void);

/* ---- the engine, for the port --------------------------------------------------- */

/* Whether a model thread runs just now. */
bool weft__model_running(void);

int weft__model_futex_wait(const void *word, uint32_t expected, int64_t deadline);
void weft__model_futex_wake(const void *word, int count);
void weft__model_spin(const char *site);
int64_t weft__model_now(void);
int weft__model_cpus(void);

/* The index of the new thread, or -EAGAIN. `anytime`: it begins without a preemption. */
int weft__model_spawn(void (*fn)(void *), void *arg, const char *name, bool anytime);
int weft__model_self(void);
/* The index that the next one will have. */
int weft__model_next(void);
void weft__model_join(int thread);
const char *weft__model_thread_name(int thread);
void weft__model_thread_rename(const char *name);

/* Calls fn(value) when the calling thread ends. */
int weft__model_at_end(void (*fn)(void *value), void *value);

void weft__model_barrier(void);

/* Memory: NULL when the checker decides that there is none. */
void *weft__model_alloc(size_t alignment, size_t size, bool zero, const void *caller);
void weft__model_free(void *memory, const void *caller);

_Noreturn void weft__model_died(const char *sentence);

#endif
