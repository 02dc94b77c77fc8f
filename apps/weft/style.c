/* SPDX-License-Identifier: MIT */
/*
 * Colours; see style.h.
 */
#include "style.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct style style_for(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!isatty(fd) || (no_color && *no_color) || !term || strcmp(term, "dumb") == 0)
		return (struct style){ "", "", "", "", "" };
	return (struct style){ .bold = "\033[1m",
			       .dim = "\033[2m",
			       .good = "\033[32m",
			       .bad = "\033[31m",
			       .off = "\033[0m" };
}
