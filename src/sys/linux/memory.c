/* SPDX-License-Identifier: MIT */
/*
 * Pages from the kernel and blocks from malloc.
 *
 * A size of 0 gives a block of its own like any other size, so that NULL means
 * one thing only: no memory.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

size_t weft__page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

size_t weft__cache_line_size(void)
{
	long size = -1;

#ifdef _SC_LEVEL1_DCACHE_LINESIZE
	size = sysconf(_SC_LEVEL1_DCACHE_LINESIZE);
#endif
	/* Virtual machines often do not tell. */
	return size > 0 ? (size_t)size : 64;
}

/* `size` in whole pages, at least one. What does not fit into a size_t wraps to 0. */
static size_t round_to_pages(size_t size)
{
	size_t mask = weft__page_size() - 1;

	return ((size ? size : 1) + mask) & ~mask;
}

void *weft__pages_map(size_t size)
{
	size_t rounded = round_to_pages(size);
	void *pages;

	if (rounded == 0)
		return NULL;
	pages = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return pages == MAP_FAILED ? NULL : pages;
}

void weft__pages_unmap(void *pages, size_t size)
{
	if (!pages)
		return;
	if (munmap(pages, round_to_pages(size)) == 0)
		return;
	/* The kernel makes one mapping of neighbours, and has no room for one more when
	 * we take ours out of the middle: then the addresses stay, without memory. */
	if (errno != ENOMEM || madvise(pages, round_to_pages(size), MADV_DONTNEED) != 0)
		weft__die("munmap: %p is not a mapping of %zu bytes", pages, size);
}

void *weft__alloc(size_t size)
{
	return malloc(size ? size : 1);
}

void *weft__alloc_zero(size_t count, size_t size)
{
	return count && size ? calloc(count, size) : calloc(1, 1);
}

void *weft__alloc_aligned(size_t alignment, size_t size)
{
	void *memory = NULL;

	if (alignment < sizeof(void *))
		alignment = sizeof(void *);
	WEFT__ASSERT((alignment & (alignment - 1)) == 0, "an alignment is a power of two");
	return posix_memalign(&memory, alignment, size ? size : 1) == 0 ? memory : NULL;
}

void weft__release(void *memory)
{
	free(memory);
}
