/* SPDX-License-Identifier: MIT */
/*
 * Bold, dim, green and red on standard output: on a terminal that can, and not
 * where NO_COLOR is set (https://no-color.org).
 */
#ifndef WEFT_APP_STYLE_H
#define WEFT_APP_STYLE_H

/* Escape sequences, or empty strings. */
struct style {
	const char *bold, *dim, *good, *bad, *off;
};

struct style style_for(int fd);

#endif
