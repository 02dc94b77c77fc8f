/* SPDX-License-Identifier: MIT */
/*
 * Memory for stacks, and pages that guard them.
 *
 * Since Linux 6.13 madvise() can mark pages so that touching them is a fault. The
 * marks live in the page table: unlike mprotect(), which cuts the mapping in three,
 * they cost no mapping, of which a process may have some 65,000. The first mark of
 * the process is tried out, since there are kernels and emulators that say yes to
 * any advice; where it does not hold, all guards are made by mprotect().
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HAVE_VALGRIND
#endif
#endif

/* <linux/mman.h> of older systems does not have it. */
#define ADVICE_GUARD_INSTALL 102

void *weft__stacks_map(size_t size)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
	void *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (stacks == MAP_FAILED)
		return NULL;
	/* One touched stack must not cost a large page that spans many. The advice
	 * fails only where there are no large pages. */
	madvise(stacks, size, MADV_NOHUGEPAGE);
	return stacks;
}

bool weft__stacks_unmap(void *stacks, size_t size)
{
	if (munmap(stacks, size) == 0)
		return true;
	if (errno != ENOMEM)
		weft__die("munmap: %p is not a mapping of %zu bytes", stacks, size);
	return false;
}

/* ---- guards -------------------------------------------------------------------- */

enum { UNTRIED, MARKS, PROTECTS };

static weft_atomic_u32 way; /* relaxed: who does not know yet tries for himself */

/* Whether the kernel itself cannot write there. */
static bool holds(void *guard)
{
	return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, guard) != 0 && errno == EFAULT;
}

static bool mark(void *guard, size_t size)
{
	uint32_t now = weft_load_relaxed(&way);

	if (now == PROTECTS)
		return false;
	if (madvise(guard, size, ADVICE_GUARD_INSTALL) != 0) {
		/* Anything else may pass: no memory, for one. */
		if (errno == EINVAL && now == UNTRIED)
			weft_store_relaxed(&way, PROTECTS);
		return false;
	}
	if (now == UNTRIED) {
		now = holds(guard) ? MARKS : PROTECTS;
		weft_store_relaxed(&way, now);
	}
	return now == MARKS;
}

int weft__guard_install(void *guard, size_t size)
{
	if (mark(guard, size) || mprotect(guard, size, PROT_NONE) == 0)
		return 0;
	return -ENOMEM;
}

/* ---- touched or not --------------------------------------------------------------- */

void weft__pages_drop(void *pages, size_t size)
{
	/* It fails for locked pages, which then stay as they are: of use to the next,
	 * who does not count on zeros. */
	madvise(pages, size, MADV_DONTNEED);
}

size_t weft__pages_untouched(const void *pages, size_t size)
{
	const size_t page = weft__page_size();
	unsigned char present[64];
	size_t at = 0;

	while (at < size) {
		size_t part = size - at;
		size_t i;

		if (part > sizeof(present) * page)
			part = sizeof(present) * page;
		if (mincore((char *)(uintptr_t)pages + at, part, present) != 0)
			return at;
		for (i = 0; i < part / page; i++)
			if (present[i] & 1)
				return at + i * page;
		at += part;
	}
	return size;
}

/* ---- tools -------------------------------------------------------------------------- */

unsigned weft__stack_announce(const void *low, const void *high)
{
#ifdef HAVE_VALGRIND
	return VALGRIND_STACK_REGISTER(low, high);
#else
	(void)low;
	(void)high;
	return 0;
#endif
}

void weft__stack_retract(unsigned number)
{
#ifdef HAVE_VALGRIND
	VALGRIND_STACK_DEREGISTER(number);
#else
	(void)number;
#endif
}

bool weft__tools_watch(void)
{
#ifdef HAVE_VALGRIND
	return RUNNING_ON_VALGRIND;
#else
	return false;
#endif
}

void weft__tools_renew(void *memory, size_t size)
{
#ifdef HAVE_VALGRIND
	VALGRIND_MAKE_MEM_UNDEFINED(memory, size);
#else
	(void)memory;
	(void)size;
#endif
}
