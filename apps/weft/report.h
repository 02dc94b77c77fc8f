/* SPDX-License-Identifier: MIT */
/*
 * What the program tells the user besides its results: lines on standard error,
 * in the right order with standard output, and clear of the progress line.
 */
#ifndef WEFT_APP_REPORT_H
#define WEFT_APP_REPORT_H

#include "out.h"

struct report {
	const char *who; /* "weft sum" */
	struct out *out;
	struct progress *progress;
};

/* Flushes standard output, then prints "WHO: ..." and a newline as one write. */
void report_line(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a file: "WHO: NAME: sentence", the name quoted where needed. */
void report_file(struct report *r, const char *name, const char *sentence);

/* Exit code for standard output's failure `err`, after telling it: a closed pipe
 * (-EPIPE) is told by 128 + SIGPIPE alone. */
int report_output_failure(struct report *r, int err);

#endif
