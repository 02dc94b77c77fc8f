/* SPDX-License-Identifier: MIT */
/*
 * What AddressSanitizer, LeakSanitizer and ThreadSanitizer have to be told about
 * stacks. The calls are theirs and stay as they are, so they are declared here and
 * not included. Under none of them everything here is empty.
 */
#ifndef WEFT_RT_SANITIZE_H
#define WEFT_RT_SANITIZE_H

#include "weft/base.h"

/* The model checker compiles as for ThreadSanitizer, but is none. */
#ifdef WEFT_MODEL
#define WEFT__ASAN 0
#define WEFT__TSAN 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT__ASAN 1
#elif __has_feature(thread_sanitizer)
#define WEFT__TSAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WEFT__ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define WEFT__TSAN 1
#endif
#ifndef WEFT__ASAN
#define WEFT__ASAN 0
#endif
#ifndef WEFT__TSAN
#define WEFT__TSAN 0
#endif

#if WEFT__ASAN
void __asan_unpoison_memory_region(void const volatile *memory, size_t size);
void __lsan_register_root_region(const void *memory, size_t size);
void __lsan_unregister_root_region(const void *memory, size_t size);
void __sanitizer_start_switch_fiber(void **save, const void *low, size_t size);
void __sanitizer_finish_switch_fiber(void *saved, const void **low, size_t *size);
#endif

#if WEFT__TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_set_fiber_name(void *fiber, const char *name);
#endif

/* Pages that point at memory from malloc, which a search for leaks would not look into;
 * and before they go. */
static inline void weft__sanitize_pages_mapped(const void *pages, size_t size)
{
#if WEFT__ASAN
	__lsan_register_root_region(pages, size);
#else
	(void)pages;
	(void)size;
#endif
}

static inline void weft__sanitize_pages_going(const void *pages, size_t size)
{
#if WEFT__ASAN
	__lsan_unregister_root_region(pages, size);
#else
	(void)pages;
	(void)size;
#endif
}

/* A stack begins to be used: what a suspended fiber alone points to is no leak. */
static inline void weft__sanitize_stack_taken(void *low, size_t size)
{
#if WEFT__ASAN
	__lsan_register_root_region(low, size);
#else
	(void)low;
	(void)size;
#endif
}

/* Nobody is on it any more, though functions that ran there may not have returned. */
static inline void weft__sanitize_stack_given(void *low, size_t size)
{
#if WEFT__ASAN
	__lsan_unregister_root_region(low, size);
	__asan_unpoison_memory_region(low, size);
#else
	(void)low;
	(void)size;
#endif
}

#endif
