/* SPDX-License-Identifier: MIT */
/*
 * What is between separators, and lines. A block of a loop does the pieces that begin
 * in it: it looks for the first such begin, and follows the last one beyond its end. So
 * blocks need to know nothing of each other.
 */
#include <string.h>

#include "par/par.h"
#include "weft/par_walk.h"

struct pieces {
	size_t lo, hi;
	weft_find_fn separator;
	weft_range_fn body;
	void *context;
};

/* The first separator in [lo, hi), else hi. */
static size_t separator(const struct pieces *p, size_t lo, size_t hi)
{
	size_t at = lo < hi ? p->separator(p->context, lo, hi) : hi;

	return at < hi ? at : hi;
}

/* Whether a piece that begins at `at` belongs to a block that ends at `end`. The last
 * block has the empty one behind the last separator, too. */
static bool begins_before(const struct pieces *p, size_t at, size_t end)
{
	return at < end || (at == p->hi && end == p->hi);
}

static void pieces_block(void *context, size_t lo, size_t hi)
{
	const struct pieces *p = context;
	size_t begin = lo, end;

	if (lo > p->lo) {
		/* Behind a separator, which may be the one just before the block. */
		begin = separator(p, lo - 1, hi);
		if (begin == hi || !begins_before(p, ++begin, hi))
			return;
	}
	for (;; begin = end + 1) {
		end = separator(p, begin, p->hi);
		p->body(p->context, begin, end);
		if (end == p->hi || !begins_before(p, end + 1, hi))
			return;
	}
}

void weft_par_pieces(size_t lo, size_t hi, weft_find_fn separator_fn, weft_range_fn body,
		     void *context, const weft_par_opts *opts)
{
	struct pieces p = { lo, hi, separator_fn, body, context };

	weft__par_for(lo, hi, pieces_block, &p, weft__loop_key((uintptr_t)body, context), opts);
}

/* ---- lines -------------------------------------------------------------------------------- */

size_t weft_line_start(const char *text, size_t length, size_t at)
{
	const char *newline;

	if (at == 0 || at >= length)
		return at < length ? at : length;
	newline = memchr(text + at - 1, '\n', length - at + 1);
	return newline ? (size_t)(newline - text) + 1 : length;
}

struct lines {
	const char *text;
	size_t length;
	weft_line_fn body;
	void *context;
};

/* The first line that begins in [lo, hi), else hi; looks no further, so that blocks within
 * a long line are over at once. */
static const char *line_within(const char *text, size_t lo, size_t hi)
{
	const char *newline = lo ? memchr(text + lo - 1, '\n', hi - lo) : NULL;

	if (lo == 0)
		return text;
	return newline ? newline + 1 : text + hi;
}

static void lines_block(void *context, size_t lo, size_t hi)
{
	const struct lines *l = context;
	const char *line = line_within(l->text, lo, hi), *stop = l->text + l->length;

	while (line < l->text + hi) {
		const char *newline = memchr(line, '\n', (size_t)(stop - line));
		const char *end = newline ? newline : stop;

		l->body(l->context, line, (size_t)(end - line));
		line = end + 1;
	}
}

void weft_par_lines(const char *text, size_t length, weft_line_fn body, void *context,
		    const weft_par_opts *opts)
{
	struct lines l = { text, length, body, context };

	weft__par_for(0, length, lines_block, &l, weft__loop_key((uintptr_t)body, context), opts);
}
