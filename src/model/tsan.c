/* SPDX-License-Identifier: MIT */
/*
 * The functions that -fsanitize=thread makes the compiler call at each plain
 * access: here they are the checker's ears. The sanitizer's own library is not
 * linked, and a program that was compiled so runs unchanged outside of the model.
 */
#include "model/model.h"

#include <string.h>

#define HERE __builtin_return_address(0)

void __tsan_init(void);
void __tsan_init(void) {}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
	enum { PROLOGUE_MOST = 128 };

	(void)caller;
	if (M.asks && M.running) { /* the first function is the program's own, or is not heard */
		M.asks = false;
		M.heard = (uintptr_t)HERE - (uintptr_t)M.threads[0].fn < PROLOGUE_MOST;
	}
}

void __tsan_func_exit(void);
void __tsan_func_exit(void) {}

static inline void heard(const void *p, size_t size, enum access access, const void *site)
{
	if (M.running && (M.live || access == PLAIN_WRITE))
		weft__shadow_access((uintptr_t)p, size, access, site);
}

#define ACCESS(name, size, access)            \
	void __tsan_##name(void *p);          \
	void __tsan_##name(void *p)           \
	{                                     \
		heard(p, size, access, HERE); \
	}

#define ACCESSES(prefix, access)     \
	ACCESS(prefix##1, 1, access) \
	ACCESS(prefix##2, 2, access) \
	ACCESS(prefix##4, 4, access) \
	ACCESS(prefix##8, 8, access) \
	ACCESS(prefix##16, 16, access)

ACCESSES(read, PLAIN_READ)
ACCESSES(write, PLAIN_WRITE)
ACCESSES(unaligned_read, PLAIN_READ)
ACCESSES(unaligned_write, PLAIN_WRITE)
ACCESSES(volatile_read, PLAIN_READ)
ACCESSES(volatile_write, PLAIN_WRITE)

void __tsan_read_range(void *p, size_t size);
void __tsan_read_range(void *p, size_t size)
{
	heard(p, size, PLAIN_READ, HERE);
}

void __tsan_write_range(void *p, size_t size);
void __tsan_write_range(void *p, size_t size)
{
	heard(p, size, PLAIN_WRITE, HERE);
}

/* What sources compiled for the model call instead of the functions of C. */

void *weft__model_memcpy(void *to, const void *from, size_t size);
void *weft__model_memcpy(void *to, const void *from, size_t size)
{
	heard(from, size, PLAIN_READ, HERE);
	heard(to, size, PLAIN_WRITE, HERE);
	return memcpy(to, from, size);
}

void *weft__model_memmove(void *to, const void *from, size_t size);
void *weft__model_memmove(void *to, const void *from, size_t size)
{
	heard(from, size, PLAIN_READ, HERE);
	heard(to, size, PLAIN_WRITE, HERE);
	return memmove(to, from, size);
}

void *weft__model_memset(void *to, int byte, size_t size);
void *weft__model_memset(void *to, int byte, size_t size)
{
	heard(to, size, PLAIN_WRITE, HERE);
	return memset(to, byte, size);
}

void weft_check_read(const void *memory, size_t size)
{
	heard(memory, size, PLAIN_READ, HERE);
}

void weft_check_write(void *memory, size_t size)
{
	heard(memory, size, PLAIN_WRITE, HERE);
}
