/* SPDX-License-Identifier: MIT */
/*
 * A line on the terminal that says how far a job has come, and goes away without
 * a trace.
 */
#ifndef WEFT_APP_PROGRESS_H
#define WEFT_APP_PROGRESS_H

#include "buf.h"

/* How far it is. */
struct progress_state {
	uint64_t files; /* begun */
	uint64_t total; /* in all; only if total_known */
	bool total_known;
	uint64_t bytes;       /* done */
	uint64_t bytes_known; /* sizes of the files begun; at least `bytes` as a rule */
	int64_t elapsed;      /* nanoseconds */
	double rate;          /* bytes a second, just now */
};

struct progress {
	int fd; /* -1: nobody looks, and all calls do nothing */
	bool drawn;
	int64_t begun, due;
	int64_t rate_at;
	uint64_t rate_bytes;
	double rate;
	struct buf line;
};

/* On `fd` if that is a terminal. */
void progress_begin(struct progress *p, int fd);

/* Takes the line away, for something else to be printed; it comes back by itself. */
void progress_hide(struct progress *p);

/* Hides it for good and frees its memory. */
void progress_end(struct progress *p);

/* Whether it is time to draw, and when it will be: WEFT_NEVER if nobody looks. */
bool progress_wants(const struct progress *p, int64_t now);
int64_t progress_due(const struct progress *p);

/* Draws; fills in elapsed and rate itself. */
void progress_draw(struct progress *p, struct progress_state *state);

/* The line, at most `columns` wide (UTF-8 free). */
void progress_line(struct buf *b, const struct progress_state *state, int columns);

/* "1.2 GiB", "17 B": three digits and a unit. */
void buf_size(struct buf *b, double bytes);

#endif
