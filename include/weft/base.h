/* SPDX-License-Identifier: MIT */
/*
 * What every public header shares: visibility, attributes, time, version.
 *
 * Errors. A function that can fail returns int: 0 or a positive count on
 * success, a negated errno value on failure. One vocabulary is used throughout:
 *
 *   -EPIPE      the object is closed          -EAGAIN     not now
 *   -ETIMEDOUT  the deadline has passed       -ECANCELED  the scope was cancelled
 *   -ENOMEM     out of memory                 -EINVAL     a bad argument
 *   -EDEADLK    it would wait for itself
 *
 * On failure nothing has changed, and the caller still owns what it passed.
 * Misuse that cannot be told by a value (unlocking a mutex that is not locked)
 * stops the program with a sentence on standard error.
 *
 * Deadlines are absolute points on CLOCK_MONOTONIC in nanoseconds, so that one
 * deadline can govern a sequence of calls. 0 lies in the past and therefore
 * means "do not wait"; WEFT_NEVER means "wait for ever".
 */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0
#define WEFT_VERSION_STRING "0.1.0"

#ifdef __cplusplus
#define WEFT_BEGIN_DECLS extern "C" {
#define WEFT_END_DECLS }
#else
#define WEFT_BEGIN_DECLS
#define WEFT_END_DECLS
#endif

#define WEFT_API __attribute__((visibility("default")))
#define WEFT_NODISCARD __attribute__((warn_unused_result))
#define WEFT_ALIGNED(bytes) __attribute__((aligned(bytes)))
#define WEFT_LIKELY(x) __builtin_expect(!!(x), 1)
#define WEFT_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Bytes that two cores fight over as one: a pair of lines, because the
 * prefetchers of x86 fetch lines in pairs. */
#define WEFT_CACHE_LINE 128

/* A type alone on its cache line, for neighbours that different CPUs write to; the
 * object is its member `value`:  WEFT_PADDED(weft_atomic_u64) counts[64]; */
#define WEFT_PADDED(type)                     \
	union WEFT_ALIGNED(WEFT_CACHE_LINE) { \
		type value;                   \
	}

/* The object of type `type` whose member `member` is at `ptr`. */
#define weft_container_of(ptr, type, member) \
	((type *)(void *)((char *)(void *)(ptr)-offsetof(type, member)))

/* A deadline that never comes. */
#define WEFT_NEVER INT64_MAX

#define WEFT_US INT64_C(1000)
#define WEFT_MS INT64_C(1000000)
#define WEFT_SECOND INT64_C(1000000000)

WEFT_BEGIN_DECLS

/* Nanoseconds on CLOCK_MONOTONIC. Any thread; never blocks; cannot fail. */
WEFT_API int64_t weft_now(void);

/* The deadline `ns` nanoseconds from now. A negative span gives a deadline that
 * has passed; a span too long for the clock gives WEFT_NEVER. */
WEFT_API int64_t weft_after(int64_t ns);

/* The same for microseconds, milliseconds and seconds; they saturate alike. */
WEFT_API int64_t weft_after_us(int64_t us);
WEFT_API int64_t weft_after_ms(int64_t ms);
WEFT_API int64_t weft_after_s(int64_t s);

/* The CPUs that this process may keep busy: the affinity mask, cut down to the
 * cgroup's quota (v1 or v2, rounded up), at least 1. Read anew on each call. */
WEFT_API int weft_cpus(void);

/* "0.1.0": the version of the library that is linked, not of the header. */
WEFT_API const char *weft_version(void);

WEFT_END_DECLS

#endif
