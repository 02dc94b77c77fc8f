/* SPDX-License-Identifier: MIT */
/*
 * Messages; see report.h.
 */
#include "report.h"

#include "escape.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print(struct report *r, struct buf *line)
{
	buf_char(line, '\n');
	progress_hide(r->progress);
	out_flush(r->out);
	if (buf_ok(line)) {
		ssize_t n = write(STDERR_FILENO, line->at, line->len);

		(void)n; /* there is nobody else to tell */
	}
	buf_free(line);
}

void report_line(struct report *r, const char *format, ...)
{
	struct buf line = { 0 };
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_printf(&line, "%s: %s", r->who, text);
	print(r, &line);
}

void report_file(struct report *r, const char *name, const char *sentence)
{
	struct buf line = { 0 };

	buf_printf(&line, "%s: ", r->who);
	shell_quote(&line, name);
	buf_printf(&line, ": %s", sentence);
	print(r, &line);
}

int report_output_failure(struct report *r, int err)
{
	if (err == -EPIPE)
		return 128 + SIGPIPE;
	report_line(r, "cannot write to standard output: %s", strerror(-err));
	return 1;
}
