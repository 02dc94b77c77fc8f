/* SPDX-License-Identifier: MIT */
/*
 * sys.h for the model: each call is a step of the checker, or a fixed answer, so
 * that a run depends on the checker's decisions alone.
 *
 * One CPU unless the model says otherwise, so that nobody spins: a spin looks earlier
 * at what a sleeper would be told, and costs many runs. Loops that spin pause, which is
 * a hint to the checker.
 */
#include "sys/sys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "sys/model/port.h"
#include "weft/check.h"

int weft__futex_wait(weft_atomic_u32 *word, uint32_t expected, int64_t deadline)
{
	return weft__model_futex_wait(word, expected, deadline);
}

void weft__futex_wake(weft_atomic_u32 *word, int count)
{
	weft__model_futex_wake(word, count);
}

/* ---- threads ---------------------------------------------------------------------- */

/* What a thread library keeps behind a handle, and whoever joins has to see whole. */
static uint64_t thread_records[WEFT_CHECK_THREADS_MOST + 1];

int weft__thread_start(struct weft__thread *out, weft__thread_fn fn, void *arg, size_t stack_size,
		       const char *name)
{
	int thread;

	(void)stack_size;
	weft_check_write(&thread_records[weft__model_next()], sizeof(thread_records[0]));
	thread = weft__model_spawn(fn, arg, name, false);
	if (thread < 0)
		return thread;
	out->handle = (uintptr_t)thread + 1;
	return 0;
}

struct weft__thread weft__thread_self(void)
{
	return (struct weft__thread){ (uintptr_t)weft__model_self() + 1 };
}

void weft__thread_join(struct weft__thread thread)
{
	weft_check_read(&thread_records[thread.handle - 1], sizeof(thread_records[0]));
	weft__model_join((int)thread.handle - 1);
}

void weft__thread_detach(struct weft__thread thread)
{
	(void)thread;
}

void weft__thread_yield(void)
{
	weft__model_spin("yield");
}

void weft__cpu_pause(void)
{
	weft__model_spin("pause");
}

uint64_t weft__cpu_ticks(void)
{
	return (uint64_t)weft__model_now();
}

struct weft__leaves weft__leaves_find(void)
{
	return (struct weft__leaves){ NULL, NULL };
}

void weft__thread_set_name(const char *name)
{
	weft__model_thread_rename(name);
}

void weft__thread_get_name(char *buffer, size_t size)
{
	snprintf(buffer, size, "%s", weft__model_thread_name(weft__model_self()));
}

uint64_t weft__thread_id(void)
{
	return (uint64_t)weft__model_self() + 1;
}

int weft__thread_cpus(void)
{
	return weft__model_cpus();
}

int weft__thread_pin(int cpu)
{
	return cpu == 0 ? 0 : -EINVAL;
}

bool weft__cpu_is_allowed(int cpu)
{
	return cpu == 0;
}

bool weft__clock_is_installed(void)
{
	return false;
}

unsigned weft__cpu_current(void)
{
	return 0;
}

/* The key is the function: at most one value a thread and key. */
int weft__thread_key_init(struct weft__thread_key *key, void (*fn)(void *value))
{
	weft_check_write(key, sizeof(*key)); /* this file is not instrumented */
	key->key = (uintptr_t)fn;
	return 0;
}

int weft__thread_key_set(struct weft__thread_key key, void *value)
{
	return weft__model_at_end((void (*)(void *))key.key, value);
}

int weft__atfork_child(void (*child)(void))
{
	(void)child;
	return 0;
}

void weft__barrier_all(void)
{
	weft__model_barrier();
}

/* ---- memory ------------------------------------------------------------------------- */

void *weft__pages_map(size_t size)
{
	return weft__model_alloc(4096, size, true, __builtin_return_address(0));
}

void weft__pages_unmap(void *pages, size_t size)
{
	(void)size;
	weft__model_free(pages, __builtin_return_address(0));
}

size_t weft__page_size(void)
{
	return 4096;
}

size_t weft__cache_line_size(void)
{
	return 64;
}

void *weft__alloc(size_t size)
{
	return weft__model_alloc(16, size, false, __builtin_return_address(0));
}

void *weft__alloc_zero(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return weft__model_alloc(16, bytes, true, __builtin_return_address(0));
}

void *weft__alloc_aligned(size_t alignment, size_t size)
{
	return weft__model_alloc(alignment, size, false, __builtin_return_address(0));
}

void weft__release(void *memory)
{
	weft__model_free(memory, __builtin_return_address(0));
}

/* ---- clock and machine ---------------------------------------------------------------- */

int64_t weft_now(void)
{
	return weft__model_now();
}

int64_t weft_after(int64_t ns)
{
	return weft__time_add(weft_now(), ns);
}

int64_t weft_after_us(int64_t us)
{
	return weft_after(weft__time_scale(us, WEFT_US));
}

int64_t weft_after_ms(int64_t ms)
{
	return weft_after(weft__time_scale(ms, WEFT_MS));
}

int64_t weft_after_s(int64_t s)
{
	return weft_after(weft__time_scale(s, WEFT_SECOND));
}

int weft_cpus(void)
{
	return weft__model_cpus();
}

void weft__cpu_budget_read(struct weft__cpu_budget *out)
{
	const int cpus = weft__model_cpus();

	*out = (struct weft__cpu_budget){ .online = cpus, .affinity = cpus, .usable = cpus };
}

uint64_t weft__entropy(void)
{
	return UINT64_C(0x9e3779b97f4a7c15);
}

void weft__die(const char *format, ...)
{
	char sentence[256];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	if (weft__model_running())
		weft__model_died(sentence);
	fprintf(stderr, "weft: %s\n", sentence);
	abort();
}
