/* SPDX-License-Identifier: MIT */
/*
 * Showing a run: the failing one is made once more, with each step written down.
 */
#include "model/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MOST = 4000, LINES_SHOWN = 400 };

struct line {
	uint8_t thread;
	bool turn; /* another thread than before */
	char text[176];
};

static struct line *lines;
static int count, last;

void weft__trace_begin(void)
{
	count = 0;
	last = -1;
}

/* The path from the root of the sources is enough. */
static const char *shortened(const char *site)
{
	static const char *const roots[] = { "/src/", "/test/", "/include/", "/examples/" };

	while (strncmp(site, "../", 3) == 0) /* as a compiler cache writes it */
		site += 3;
	for (size_t i = 0; *site == '/' && i < sizeof(roots) / sizeof(roots[0]); i++) {
		const char *at = strstr(site, roots[i]);

		if (at)
			return at + 1;
	}
	return site;
}

const char *weft__trace_place(const void *site)
{
	static char text[128];

	if (!site)
		return "";
	if (!weft__model_is_code(site))
		return shortened(site);
	weft__model_source_of(site, text, sizeof(text));
	return shortened(text);
}

/* A site of atomic.h is "file:line expression". */
static void split_site(const char *site, char *place, size_t size, const char **expression)
{
	const char *text = weft__trace_place(site);
	const char *blank = strchr(text, ' ');
	size_t length = blank ? (size_t)(blank - text) : strlen(text);

	*expression = blank ? blank + 1 : "";
	snprintf(place, size, "%.*s", (int)length, text);
}

void weft__trace(const char *what, uintptr_t address, const char *site, const char *format, ...)
{
	char place[80], where[64] = "", detail[96];
	const char *expression;
	struct line *line;
	va_list args;

	if (!M.tracing || count == LINES_MOST)
		return;
	if (!lines)
		lines = weft__model_map(LINES_MOST * sizeof(*lines));
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	split_site(site, place, sizeof(place), &expression);
	if (address)
		weft__shadow_describe(address, where, sizeof(where));
	line = &lines[count++];
	line->thread = (uint8_t)M.self->index;
	line->turn = M.self->index != last;
	last = M.self->index;
	snprintf(line->text, sizeof(line->text), "%-12.12s %-28s %s%s%s%s%s%s%s", M.self->name,
		 place, what, address ? " " : "", expression, *expression ? " (" : "", where,
		 *expression ? ")" : "", "");
	if (*detail) {
		size_t used = strlen(line->text);

		snprintf(line->text + used, sizeof(line->text) - used, " %s", detail);
	}
}

void weft__trace_show(void)
{
	int first = count > LINES_SHOWN ? count - LINES_SHOWN : 0;

	if (first > 0)
		fprintf(stderr, "  (%d steps before)\n", first);
	for (int i = first; i < count; i++)
		fprintf(stderr, "%s %4d  %s\n", lines[i].turn ? " >" : "  ", i + 1, lines[i].text);
}
