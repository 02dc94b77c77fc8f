/* SPDX-License-Identifier: MIT */
/*
 * What the three jobs of `weft sum` share: its options, its output, and the way
 * it ends.
 */
#ifndef WEFT_APP_SUM_H
#define WEFT_APP_SUM_H

#include "flow.h"
#include "report.h"

struct sum {
	/* Options. */
	int jobs;
	bool json;
	bool quiet, status, ignore_missing, strict, warn; /* of -c */
	const char *const *paths;
	size_t path_count;

	struct out out;
	struct progress progress;
	struct report report;
	struct buf line;       /* for whoever makes one */
	bool failed;           /* something was told on stderr that makes the exit code 1 */
	uint64_t files, bytes; /* consumed */
};

/* Prints the sums of files; verifies lists; groups equal files. Each returns the
 * program's exit code. */
int sum_list(struct sum *s);
int sum_check(struct sum *s);
int sum_duplicates(struct sum *s);

/* Runs a flow with these two ends, `context` theirs, whose first member must be
 * a pointer to the struct sum. */
int sum_flow(struct sum *s, int (*produce)(struct flow *, void *),
	     int (*consume)(const struct flow_item *, void *), void *context);

/* Prints what is left to print and says how it ended: the exit code. `err` is
 * what the flow returned. */
int sum_end(struct sum *s, int err);

/* Adds to s->line: `"path":"..."`, and the bytes in hexadecimal as "path_hex"
 * when they are not UTF-8. */
void sum_json_path(struct sum *s, const char *path);

#endif
