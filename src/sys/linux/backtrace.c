/* SPDX-License-Identifier: MIT */
/*
 * Backtraces, by what the C library offers. The first one loads the unwinder, which
 * allocates; nothing here is for signal handlers before that.
 */
#include <execinfo.h>

#include "sys/sys.h"

enum { MOST = 64 };

void weft__backtrace_write(int fd, int most)
{
	void *frames[MOST];
	int count = backtrace(frames, most < MOST ? most : MOST);

	/* The first is this function. */
	if (count > 1)
		backtrace_symbols_fd(frames + 1, count - 1, fd);
}
