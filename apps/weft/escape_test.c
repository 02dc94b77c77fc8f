/* SPDX-License-Identifier: MIT */
/*
 * Goal: names survive the way out and back, and nothing harmful gets through.
 * Method: known spellings, and every name of up to three awkward bytes.
 */
#include "escape.h"
#include "check.h"

#include <string.h>

static const char *spelled(void (*how)(struct buf *, const char *), const char *name)
{
	static struct buf b;

	buf_clear(&b);
	how(&b, name);
	CHECK(buf_ok(&b));
	return buf_cstr(&b);
}

TEST(list_escapes_three_characters)
{
	CHECK_STR_EQ(spelled(list_escape, "plain name"), "plain name");
	CHECK_STR_EQ(spelled(list_escape, "a\\b\nc\rd"), "a\\\\b\\nc\\rd");
	CHECK_STR_EQ(spelled(list_escape, ""), "");
	CHECK_STR_EQ(spelled(list_escape, "\\"), "\\\\");
	CHECK(!list_needs_escape("tab\tq'uote\xff"));
	CHECK(list_needs_escape("a\\b"));
	CHECK(list_needs_escape("a\n"));
	CHECK(list_needs_escape("\r"));
}

TEST(list_escape_comes_back)
{
	static const char awkward[] = "\\\n\rnr x";
	char name[4] = "", copy[16];

	for (size_t i = 0; i < 512; i++) {
		name[0] = awkward[i & 7];
		name[1] = awkward[i >> 3 & 7];
		name[2] = awkward[i >> 6 & 7];
		strcpy(copy, spelled(list_escape, name));
		CHECK_NULL(strpbrk(copy, "\n\r"));
		CHECK(list_unescape(copy));
		CHECK_STR_EQ(copy, name);
	}
}

TEST(list_unescape_refuses_others)
{
	char tab[] = "a\\tb", end[] = "a\\", digit[] = "\\0";

	CHECK(!list_unescape(tab));
	CHECK(!list_unescape(end));
	CHECK(!list_unescape(digit));
}

TEST(utf8_bounds)
{
	static const struct {
		const char *s;
		bool valid;
	} cases[] = {
		{ "", true },
		{ "a\x7f", true },
		{ "\xc2\x80", true },
		{ "\xdf\xbf", true },
		{ "\xe0\xa0\x80", true },
		{ "\xed\x9f\xbf", true },
		{ "\xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\x80", false },
		{ "\xc1\xbf", false },
		{ "\xc2", false },
		{ "\xc2z", false },
		{ "\xe0\x9f\xbf", false },
		{ "\xed\xa0\x80", false },
		{ "\xe2\x82", false },
		{ "\xe2\x82z", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false },
		{ "\xff", false },
		{ "\xf0\x90\x80", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (utf8_valid(cases[i].s, strlen(cases[i].s)) != cases[i].valid)
			FAIL("case %zu should be %s", i, cases[i].valid ? "valid" : "invalid");
	}
}

TEST(shell_quote_is_paste_safe)
{
	CHECK_STR_EQ(spelled(shell_quote, "usr/lib-1.2/x_y"), "usr/lib-1.2/x_y");
	CHECK_STR_EQ(spelled(shell_quote, "gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
	CHECK_STR_EQ(spelled(shell_quote, ""), "''");
	CHECK_STR_EQ(spelled(shell_quote, "a b"), "'a b'");
	CHECK_STR_EQ(spelled(shell_quote, "$(x)"), "'$(x)'");
	CHECK_STR_EQ(spelled(shell_quote, "no\nnl"), "'no'$'\\n''nl'");
	CHECK_STR_EQ(spelled(shell_quote, "it's"), "'it'$'\\'''s'");
	CHECK_STR_EQ(spelled(shell_quote, "\xffz"), "''$'\\377''z'");
	CHECK_STR_EQ(spelled(shell_quote, "\x1b[2J"), "''$'\\033''[2J'");
	CHECK_STR_EQ(spelled(shell_quote, "\xc2\x9b"), "''$'\\302\\233'");
}

TEST(json_string_is_json)
{
	CHECK_STR_EQ(spelled(json_string, "plain"), "\"plain\"");
	CHECK_STR_EQ(spelled(json_string, "\"\\/\n\t\x01\x1f\x7f"),
		     "\"\\\"\\\\/\\u000a\\u0009\\u0001\\u001f\\u007f\"");
	CHECK_STR_EQ(spelled(json_string, "\xc3\xa9"), "\"\xc3\xa9\"");
	CHECK_STR_EQ(spelled(json_string, "a\xff\xc3"), "\"a\\ufffd\\ufffd\"");
}

TEST(buf_grows_and_prints)
{
	struct buf b = { 0 };
	const uint8_t bytes[] = { 0x00, 0x9f, 0xff };

	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	CHECK_EQ(b.len, 10 * 2 + 90 * 3 + 900 * 4);
	buf_clear(&b);
	buf_hex(&b, bytes, sizeof(bytes));
	CHECK_STR_EQ(buf_cstr(&b), "009fff");
	buf_free(&b);
	CHECK_STR_EQ(buf_cstr(&b), "");
	buf_free(&b);
}
