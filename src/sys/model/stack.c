/* SPDX-License-Identifier: MIT */
/*
 * Memory for stacks under the model: blocks, of which guards and untouched pages are
 * not kept apart. Where the system may fail, the checker chooses.
 */
#include "sys/sys.h"

#include <errno.h>

#include "sys/model/port.h"

/* Of the engine: a write of the program's, checked as such. */
void *weft__model_memset(void *to, int byte, size_t size);

void *weft__stacks_map(size_t size)
{
	return weft__model_alloc(4096, size, true, __builtin_return_address(0));
}

bool weft__stacks_unmap(void *stacks, size_t size)
{
	(void)size;
	weft__model_free(stacks, __builtin_return_address(0));
	return true;
}

int weft__guard_install(void *guard, size_t size)
{
	void *mark = weft__model_alloc(8, 8, false, __builtin_return_address(0));

	(void)guard;
	(void)size;
	if (!mark)
		return -ENOMEM;
	weft__model_free(mark, __builtin_return_address(0));
	return 0;
}

void weft__pages_drop(void *pages, size_t size)
{
	weft__model_memset(pages, 0, size);
}

size_t weft__pages_untouched(const void *pages, size_t size)
{
	(void)pages;
	(void)size;
	return 0;
}

unsigned weft__stack_announce(const void *low, const void *high)
{
	(void)low;
	(void)high;
	return 0;
}

void weft__stack_retract(unsigned number)
{
	(void)number;
}

bool weft__tools_watch(void)
{
	return false;
}

void weft__tools_renew(void *memory, size_t size)
{
	(void)memory;
	(void)size;
}
