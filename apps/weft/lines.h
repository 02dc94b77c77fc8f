/* SPDX-License-Identifier: MIT */
/*
 * The lines of a file or a stream, in memory that does not grow with either.
 */
#ifndef WEFT_APP_LINES_H
#define WEFT_APP_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* A longer line is not given out; no path is that long. */
#define LINES_MAX ((size_t)1 << 20)

struct lines {
	int fd;
	bool may_block; /* wait so that a signal can interrupt */
	bool ended;
	char *at;
	size_t begin, end, room;
};

/* Reads from fd, which stays the caller's. */
void lines_init(struct lines *l, int fd, bool may_block);
void lines_fini(struct lines *l);

/* The next line without its newline: *line is valid, with a byte to spare behind
 * its *len, until the next call. 1, 0 at the end, -errno, -ECANCELED, -ENOMEM.
 * A line longer than LINES_MAX comes as an empty one and sets *cut. */
int lines_next(struct lines *l, char **line, size_t *len, bool *cut);

#endif
