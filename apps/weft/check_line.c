/* SPDX-License-Identifier: MIT */
/*
 * Parsing of checksum lines; see check_line.h. Which lines count as good, and
 * what their name is, was found by trying sha256sum; test/cli compares the two on
 * random lists.
 */
#include "check_line.h"

#include "escape.h"

#include <string.h>

#define HEX_LEN ((size_t)2 * HASH_SIZE)

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Exactly 64 digits at s, of which `len` bytes are there. */
static bool parse_hex(const char *s, size_t len, uint8_t digest[HASH_SIZE])
{
	if (len < HEX_LEN)
		return false;
	for (size_t i = 0; i < HASH_SIZE; i++) {
		int high = hex_value(s[2 * i]), low = hex_value(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* "name) = HEX": the last parenthesis ends the name. */
static bool parse_tagged(char *s, size_t len, struct check_line *out)
{
	char *close = memrchr(s, ')', len), *end = s + len, *digits = close;

	if (!close)
		return false;
	for (digits++; digits < end && is_blank(*digits);)
		digits++;
	if (digits == end || *digits != '=')
		return false;
	for (digits++; digits < end && is_blank(*digits);)
		digits++;
	if ((size_t)(end - digits) != HEX_LEN)
		return false;
	*close = '\0';
	out->name = s;
	return parse_hex(digits, HEX_LEN, out->digest);
}

/* "HEX  name", "HEX *name" or "HEX name". */
static bool parse_plain(char *s, size_t len, enum check_form *form, struct check_line *out)
{
	if (!parse_hex(s, len, out->digest))
		return false;
	s += HEX_LEN;
	len -= HEX_LEN;
	if (len < 2 || !is_blank(s[0]))
		return false;
	s++;
	len--;
	if (len == 1 || (s[0] != ' ' && s[0] != '*')) {
		if (*form == CHECK_FORM_TWO)
			return false;
		*form = CHECK_FORM_ONE;
	} else if (*form != CHECK_FORM_ONE) {
		*form = CHECK_FORM_TWO;
		s++;
	}
	out->name = s;
	return true;
}

enum check_verdict check_line_parse(char *line, size_t len, enum check_form *form,
				    struct check_line *out)
{
	static const char tag[] = "SHA256";
	const size_t tag_len = sizeof(tag) - 1;
	bool escaped, good;

	if (len > 0 && line[0] == '#')
		return CHECK_LINE_EMPTY;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len == 0)
		return CHECK_LINE_EMPTY;
	line[len] = '\0';

	while (len > 0 && is_blank(*line)) {
		line++;
		len--;
	}
	escaped = *line == '\\';
	line += escaped;
	len -= escaped;
	if (len > tag_len && memcmp(line, tag, tag_len) == 0) {
		size_t skip = tag_len + (line[tag_len] == ' ');

		good = line[skip] == '(' && parse_tagged(line + skip + 1, len - skip - 1, out);
	} else {
		good = parse_plain(line, len, form, out);
	}
	if (good && escaped)
		good = list_unescape(out->name);
	return good ? CHECK_LINE_GOOD : CHECK_LINE_BAD;
}
