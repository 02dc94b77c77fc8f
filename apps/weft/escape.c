/* SPDX-License-Identifier: MIT */
/*
 * Spellings of file names; see escape.h. The list form is that of coreutils,
 * and test/cli compares it with the real sha256sum.
 */
#include "escape.h"

#include <string.h>

/* The length of the well-formed UTF-8 sequence at s, or 0. */
static size_t utf8_sequence(const unsigned char *s, size_t len)
{
	unsigned char first_max = 0xbf, first_min = 0x80;
	size_t more;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		more = 1;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		more = 2;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		more = 3;
	else
		return 0;
	/* The second byte carries the bounds: overlong forms, surrogates, and
	 * what lies above U+10FFFF. */
	if (s[0] == 0xe0)
		first_min = 0xa0;
	else if (s[0] == 0xed)
		first_max = 0x9f;
	else if (s[0] == 0xf0)
		first_min = 0x90;
	else if (s[0] == 0xf4)
		first_max = 0x8f;

	if (len <= more || s[1] < first_min || s[1] > first_max)
		return 0;
	for (size_t i = 2; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return more + 1;
}

bool utf8_valid(const char *s, size_t len)
{
	const unsigned char *at = (const unsigned char *)s;

	while (len > 0) {
		size_t step = utf8_sequence(at, len);

		if (step == 0)
			return false;
		at += step;
		len -= step;
	}
	return true;
}

bool list_needs_escape(const char *name)
{
	return strpbrk(name, "\\\n\r") != NULL;
}

void list_escape(struct buf *b, const char *name)
{
	size_t plain;

	for (; plain = strcspn(name, "\\\n\r"), name[plain] != '\0'; name += plain + 1) {
		buf_bytes(b, name, plain);
		buf_str(b, name[plain] == '\\' ? "\\\\" : name[plain] == '\n' ? "\\n" : "\\r");
	}
	buf_bytes(b, name, plain);
}

bool list_unescape(char *name)
{
	char *to = name;

	for (const char *from = name; *from; from++) {
		if (*from != '\\') {
			*to++ = *from;
			continue;
		}
		switch (*++from) {
		case '\\': *to++ = '\\'; break;
		case 'n': *to++ = '\n'; break;
		case 'r': *to++ = '\r'; break;
		default: return false;
		}
	}
	*to = '\0';
	return true;
}

static bool shell_plain(const char *name)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_-+./,:@%";

	for (const unsigned char *s = (const unsigned char *)name; *s; s++) {
		if (*s < 0x80 ? !strchr(safe, *s) : *s == 0xc2 && s[1] < 0xa0)
			return false;
	}
	return name[0] != '\0' && utf8_valid(name, strlen(name));
}

/* One byte inside $'...', where printing it raw would do harm. */
static void shell_byte(struct buf *b, unsigned char c)
{
	switch (c) {
	case '\n': buf_str(b, "\\n"); break;
	case '\r': buf_str(b, "\\r"); break;
	case '\t': buf_str(b, "\\t"); break;
	case '\'': buf_str(b, "\\'"); break;
	default: buf_printf(b, "\\%03o", c);
	}
}

void shell_quote(struct buf *b, const char *name)
{
	const unsigned char *s = (const unsigned char *)name;
	size_t len = strlen(name);
	bool raw = true; /* inside '...', not inside $'...' */

	if (shell_plain(name)) {
		buf_bytes(b, name, len);
		return;
	}
	buf_char(b, '\'');
	while (len > 0) {
		size_t step = utf8_sequence(s, len);
		/* U+0080 to U+009F are control characters too. */
		bool harm = step == 0 || *s < 0x20 || *s == 0x7f || *s == '\'' ||
			    (*s == 0xc2 && s[1] < 0xa0);

		if (harm && raw)
			buf_str(b, "'$'");
		else if (!harm && !raw)
			buf_str(b, "''");
		raw = !harm;
		step = step ? step : 1;
		for (size_t i = 0; harm && i < step; i++)
			shell_byte(b, s[i]);
		if (!harm)
			buf_bytes(b, s, step);
		s += step;
		len -= step;
	}
	buf_char(b, '\'');
}

void json_string(struct buf *b, const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	size_t len = strlen(string);

	buf_char(b, '"');
	while (len > 0) {
		size_t step = utf8_sequence(s, len);

		if (step == 0)
			buf_str(b, "\\ufffd");
		else if (*s == '"' || *s == '\\')
			buf_printf(b, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			buf_printf(b, "\\u%04x", *s);
		else
			buf_bytes(b, s, step);
		step = step ? step : 1;
		s += step;
		len -= step;
	}
	buf_char(b, '"');
}
