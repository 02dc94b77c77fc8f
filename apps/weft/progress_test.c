/* SPDX-License-Identifier: MIT */
/*
 * Goal: the progress line says what is known, guesses nothing else, and fits.
 * Method: known states, and every width.
 */
#include "progress.h"
#include "check.h"

#include <string.h>

static const char *line(const struct progress_state *state, int columns)
{
	static struct buf b;

	buf_clear(&b);
	progress_line(&b, state, columns);
	CHECK(buf_ok(&b));
	return buf_cstr(&b);
}

TEST(progress_counts_while_the_total_is_unknown)
{
	struct progress_state s = { .files = 12, .bytes = 3 << 20, .elapsed = 65000000000 };

	CHECK_STR_EQ(line(&s, 79), "12 files so far, 3.0 MiB, 1:05");
	s.rate = 1.5 * (1 << 20);
	CHECK_STR_EQ(line(&s, 79), "12 files so far, 3.0 MiB, 1.5 MiB/s, 1:05");
}

TEST(progress_tells_the_rest_once_it_is_known)
{
	struct progress_state s = { .files = 2,
				    .total = 4,
				    .total_known = true,
				    .bytes = 100 << 20,
				    .bytes_known = 200 << 20,
				    .rate = 10 << 20 };

	/* 100 MiB of those begun, and two more of 100 MiB each. */
	CHECK_STR_EQ(line(&s, 79), "[#######>.....................]  25%  "
				   "2/4 files, 100 MiB, 10.0 MiB/s, 0:30 left");
	s.bytes = s.bytes_known = 0;
	s.rate = 0;
	CHECK_NOT_NULL(strstr(line(&s, 79), "]   0%"));
}

TEST(progress_fits_any_width)
{
	struct progress_state s = { .files = 123456,
				    .total = 9999999,
				    .total_known = true,
				    .bytes = UINT64_C(5) << 40,
				    .bytes_known = UINT64_C(6) << 40,
				    .rate = 1e9 };

	for (int columns = 1; columns < 200; columns++)
		CHECK_LE(strlen(line(&s, columns)), columns);
}

TEST(sizes_have_three_digits)
{
	static const struct {
		double bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },           { 999, "999 B" },      { 1000, "1.0 KiB" },
		{ 1536, "1.5 KiB" },    { 102400, "100 KiB" }, { 1048576, "1.0 MiB" },
		{ 9.9e18, "8793 PiB" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = { 0 };

		buf_size(&b, cases[i].bytes);
		CHECK_STR_EQ(buf_cstr(&b), cases[i].text);
		buf_free(&b);
	}
}
