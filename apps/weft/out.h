/* SPDX-License-Identifier: MIT */
/*
 * Standard output with a buffer of its own, that a stuck reader cannot hold for
 * long once a signal has come. Used by one thread.
 */
#ifndef WEFT_APP_OUT_H
#define WEFT_APP_OUT_H

#include "progress.h"

struct out {
	int fd;
	bool may_block;            /* a pipe, a terminal, a socket */
	int error;                 /* the first failure, -errno; all that follows is dropped */
	int64_t since;             /* when the oldest byte came that is not written yet */
	int64_t until;             /* after a signal: when to give up writing */
	struct progress *progress; /* to be hidden before a write, if not NULL */
	struct buf pending;
};

void out_init(struct out *out, int fd);

/* Frees the buffer; what was not flushed is lost. */
void out_fini(struct out *out);

/* Takes the bytes of *line, and writes when a lot has come together: 0, or
 * -errno of this or an earlier write: -EPIPE when the reader has gone, -ECANCELED
 * when a signal came and the reader does not read. */
int out_line(struct out *out, const struct buf *line);

/* Writes all: 0 or -errno as above. */
int out_flush(struct out *out);

/* When a flush is due so that nobody waits long for a line; WEFT_NEVER if
 * nothing is pending. */
int64_t out_due(const struct out *out);

#endif
