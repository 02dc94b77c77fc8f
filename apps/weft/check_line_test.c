/* SPDX-License-Identifier: MIT */
/*
 * Goal: the lines that count, and the names in them, are those of sha256sum.
 * Method: a table of spellings whose outcome was seen there; test/cli goes on
 * with random ones.
 */
#include "check_line.h"
#include "check.h"

#include <stdio.h>
#include <string.h>

#define HEX "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

/* Parses a line as the first of its list: the name, or NULL when it is bad. */
static const char *name_of(const char *text)
{
	static char line[512];
	enum check_form form = CHECK_FORM_OPEN;
	struct check_line parsed;

	snprintf(line, sizeof(line), "%s", text);
	switch (check_line_parse(line, strlen(line), &form, &parsed)) {
	case CHECK_LINE_GOOD:
		CHECK_EQ(parsed.digest[1], 0x11);
		CHECK_EQ(parsed.digest[31], 0xff);
		return parsed.name;
	case CHECK_LINE_EMPTY: return "(empty)";
	case CHECK_LINE_BAD: break;
	}
	return NULL;
}

TEST(check_line_takes_each_spelling)
{
	CHECK_STR_EQ(name_of(HEX "  a b"), "a b");
	CHECK_STR_EQ(name_of(HEX " *a"), "a");
	CHECK_STR_EQ(name_of(HEX " a"), "a");
	CHECK_STR_EQ(name_of(HEX "\ta"), "a");
	CHECK_STR_EQ(name_of(HEX " \ta"), "\ta");
	CHECK_STR_EQ(name_of(HEX "   a"), " a");
	CHECK_STR_EQ(name_of(HEX "  "), " ");
	CHECK_STR_EQ(name_of(" \t" HEX "  a\r"), "a");
	CHECK_STR_EQ(name_of("SHA256 (a) (b) = " HEX), "a) (b");
	CHECK_STR_EQ(name_of("SHA256(a)=" HEX), "a");
	CHECK_STR_EQ(name_of("SHA256 (a) \t=\t " HEX), "a");
	CHECK_STR_EQ(name_of("\\" HEX "  a\\\\b\\nc"), "a\\b\nc");
	CHECK_STR_EQ(name_of("\\SHA256 (a\\nb) = " HEX), "a\nb");
	CHECK_STR_EQ(name_of(HEX "  a\\\\b"), "a\\\\b");
}

TEST(check_line_skips_comments_and_blanks)
{
	CHECK_STR_EQ(name_of(""), "(empty)");
	CHECK_STR_EQ(name_of("\r"), "(empty)");
	CHECK_STR_EQ(name_of("# " HEX "  a"), "(empty)");
}

TEST(check_line_refuses_the_rest)
{
	static const char *const bad[] = {
		"x",
		HEX,
		HEX " ",
		HEX "0  a",
		"0" HEX "  a",
		"g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff  a",
		" # " HEX "  a",
		"\\",
		"\\" HEX "  a\\tb",
		"\\" HEX "  a\\",
		"SHA256",
		"SHA256 ",
		"SHA256 (a",
		"SHA256 (a)",
		"SHA256 (a) = ",
		"SHA256 (a) " HEX,
		"SHA256 (a) = " HEX " ",
		"SHA256 (a) = " HEX "0",
		"SHA256 a = " HEX,
		"SHA256  (a) = " HEX,
		"sha256 (a) = " HEX,
		"MD5 (a) = " HEX,
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (name_of(bad[i]))
			FAIL("\"%s\" gives \"%s\"", bad[i], name_of(bad[i]));
	}
}

TEST(check_line_form_is_decided_once)
{
	enum check_form form = CHECK_FORM_OPEN;
	struct check_line parsed;
	char one[] = HEX " a", two[] = HEX "  b", star[] = HEX " *c", late[] = HEX " d";

	CHECK_EQ(check_line_parse(one, strlen(one), &form, &parsed), CHECK_LINE_GOOD);
	CHECK_EQ(check_line_parse(two, strlen(two), &form, &parsed), CHECK_LINE_GOOD);
	CHECK_STR_EQ(parsed.name, " b");
	CHECK_EQ(check_line_parse(star, strlen(star), &form, &parsed), CHECK_LINE_GOOD);
	CHECK_STR_EQ(parsed.name, "*c");

	char again[] = HEX "  b";
	form = CHECK_FORM_OPEN;
	CHECK_EQ(check_line_parse(again, strlen(again), &form, &parsed), CHECK_LINE_GOOD);
	CHECK_STR_EQ(parsed.name, "b");
	CHECK_EQ(check_line_parse(late, strlen(late), &form, &parsed), CHECK_LINE_BAD);
}
