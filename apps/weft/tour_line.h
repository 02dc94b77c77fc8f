/* SPDX-License-Identifier: MIT */
/*
 * A connection of the async chapter, in either way: by the runtime, for a fiber, or a
 * plain descriptor that blocks its thread. What is said over it is the same code.
 */
#ifndef WEFT_APP_TOUR_LINE_H
#define WEFT_APP_TOUR_LINE_H

#include <weft/net.h>

struct line {
	weft_conn *conn; /* NULL: the descriptor */
	int fd;
};

/* All: 0 or -errno; the end of the stream is -ENODATA. */
int line_open(struct line *line, int port, bool plain);
int line_send(struct line *line, const void *bytes, size_t len);
int line_read_full(struct line *line, void *bytes, size_t len);
/* Reads some: their number, 0 at the end, or -errno. */
int64_t line_read(struct line *line, void *bytes, size_t room);
void line_close(struct line *line);

/* Runs fn(items + i * size) for each i < count at once and waits for all: a fiber, or a
 * pthread, each. The first error is returned: -EAGAIN when there are no threads left. */
int line_run_all(int (*fn)(void *), void *items, size_t size, int count, bool plain);

#endif
