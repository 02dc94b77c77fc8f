/* SPDX-License-Identifier: MIT */
/*
 * Goal: every line comes whole, at any place relative to the buffer's end, and a
 * monstrous one is skipped without being held.
 * Method: files of lines of all lengths around the buffer's size.
 */
#include "lines.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *scratch(void)
{
	FILE *f = tmpfile();

	CHECK_NOT_NULL(f);
	return f;
}

static void rewind_for(FILE *f, struct lines *l)
{
	CHECK_EQ(fflush(f), 0);
	CHECK_EQ(lseek(fileno(f), 0, SEEK_SET), 0);
	lines_init(l, fileno(f), false);
}

TEST(lines_come_whole)
{
	static const size_t lengths[] = { 0,     1,      65534, 65535,  65536, 0,
					  65537, 200000, 3,     131071, 70 };
	const size_t count = sizeof(lengths) / sizeof(lengths[0]);
	FILE *f = scratch();
	struct lines l;
	char *line;
	size_t len;
	bool cut;

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < lengths[i]; k++)
			fputc('a' + (int)i, f);
		if (i + 1 < count)
			fputc('\n', f);
	}
	rewind_for(f, &l);
	for (size_t i = 0; i < count; i++) {
		CHECK_EQ(lines_next(&l, &line, &len, &cut), 1);
		CHECK_EQ(len, lengths[i]);
		CHECK(!cut);
		line[len] = '\0'; /* the byte to spare */
		for (size_t k = 0; k < len; k++)
			CHECK_EQ(line[k], 'a' + (int)i);
	}
	CHECK_EQ(lines_next(&l, &line, &len, &cut), 0);
	CHECK_EQ(lines_next(&l, &line, &len, &cut), 0);
	lines_fini(&l);
	fclose(f);
}

TEST(lines_skip_a_monster)
{
	FILE *f = scratch();
	struct lines l;
	char *line;
	size_t len;
	bool cut;

	fputs("before\n", f);
	for (size_t k = 0; k < 5 * LINES_MAX; k++)
		fputc('m', f);
	fputs("\nafter\n", f);
	for (size_t k = 0; k < 2 * LINES_MAX; k++)
		fputc('m', f);
	rewind_for(f, &l);
	CHECK_EQ(lines_next(&l, &line, &len, &cut), 1);
	CHECK_EQ(len, 6);
	CHECK_EQ(lines_next(&l, &line, &len, &cut), 1);
	CHECK(cut);
	CHECK_EQ(lines_next(&l, &line, &len, &cut), 1);
	CHECK(!cut);
	CHECK_MEM_EQ(line, "after", 5);
	CHECK_LE(l.room, 2 * LINES_MAX);
	CHECK_EQ(lines_next(&l, &line, &len, &cut), 1);
	CHECK(cut);
	CHECK_EQ(lines_next(&l, &line, &len, &cut), 0);
	lines_fini(&l);
	fclose(f);
}

TEST(lines_tell_a_read_error)
{
	struct lines l;
	char *line;
	size_t len;
	bool cut;

	lines_init(&l, -1, false);
	CHECK_LT(lines_next(&l, &line, &len, &cut), 0);
	lines_fini(&l);
}
