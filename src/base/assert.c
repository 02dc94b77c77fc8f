/* SPDX-License-Identifier: MIT */
/*
 * The cold half of WEFT__ASSERT, kept out of line so that a check costs its
 * caller one compare and one call that is never taken.
 */
#include "base/assert.h"

#include <string.h>

void weft__assert_failed(const char *sentence, const char *function, const char *file, int line)
{
	/* The build's absolute path says nothing to the reader. */
	const char *slash = strrchr(file, '/');

	weft__die("%s (%s, %s:%d)", sentence, function, slash ? slash + 1 : file, line);
}
