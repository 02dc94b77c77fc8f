/* SPDX-License-Identifier: MIT */
/*
 * The parser and the writers of resp.h.
 */
#include "resp.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINE_MOST = 64 * 1024, ARGS_MOST = 1024 * 1024 };

/* ---- numbers ----------------------------------------------------------------------- */

bool kv_int(struct kv_bytes text, int64_t *out)
{
	bool minus = text.len > 0 && text.at[0] == '-';
	uint64_t n = 0, most = (uint64_t)INT64_MAX + minus;
	size_t i = minus;

	if (i == text.len || text.len > 20 || (text.at[i] == '0' && text.len > 1))
		return false;
	for (; i < text.len; i++) {
		unsigned digit = (unsigned char)text.at[i] - '0';

		if (digit > 9 || n > (most - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = minus ? (int64_t)-n : (int64_t)n;
	return true;
}

/* For strtod(), which wants a string, and does more than is wanted: */
static bool number_copy(struct kv_bytes text, char copy[256])
{
	if (text.len == 0 || text.len > 255 || isspace((unsigned char)text.at[0]))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	errno = 0;
	return true;
}

/* Too large is wrong, and too small, unless all of it was not lost. */
static bool in_range(long double d)
{
	return !isnan(d) && (errno != ERANGE || (d != 0 && !isinf(d)));
}

bool kv_double(struct kv_bytes text, double *out)
{
	char copy[256], *end;

	if (!number_copy(text, copy))
		return false;
	*out = strtod(copy, &end);
	return end == copy + text.len && in_range(*out);
}

bool kv_long_double(struct kv_bytes text, long double *out)
{
	char copy[256], *end;

	if (!number_copy(text, copy))
		return false;
	*out = strtold(copy, &end);
	return end == copy + text.len && in_range(*out);
}

bool kv_is(struct kv_bytes text, const char *word)
{
	return strlen(word) == text.len && strncasecmp(text.at, word, text.len) == 0;
}

/* ---- requests ------------------------------------------------------------------------ */

void kv_parser_fini(struct kv_parser *p)
{
	free(p->argv);
	free(p->starts);
}

void kv_parser_trim(struct kv_parser *p, size_t keep)
{
	size_t each = sizeof(*p->argv) + sizeof(*p->starts);

	if (p->wanted != 0 || (size_t)p->room * each <= keep)
		return;
	kv_parser_fini(p);
	p->argv = NULL;
	p->starts = NULL;
	p->argc = p->room = 0;
}

static int refuse(struct kv_parser *p, const char *why)
{
	snprintf(p->error, sizeof(p->error), "ERR Protocol error: %s", why);
	for (char *s = p->error; *s; s++) {
		if (*s == '\r' || *s == '\n')
			*s = ' ';
	}
	return -1;
}

static bool add_arg(struct kv_parser *p, size_t start, size_t len)
{
	if (p->argc == p->room) {
		int room = p->room ? 2 * p->room : 8;
		size_t *starts = realloc(p->starts, (size_t)room * sizeof(*starts));
		struct kv_bytes *argv;

		if (!starts)
			return false;
		p->starts = starts;
		argv = realloc(p->argv, (size_t)room * sizeof(*argv));
		if (!argv)
			return false;
		p->argv = argv;
		p->room = room;
	}
	p->starts[p->argc] = start;
	p->argv[p->argc++].len = len;
	return true;
}

/* The number of a line "*3\r\n" at p->at, moving behind it: 1, 0, -1. */
static int count_line(struct kv_parser *p, const char *bytes, size_t len, long *n)
{
	const char *start = bytes + p->at + 1, *end = memchr(start, '\r', len - p->at - 1);
	int64_t number;

	if (!end || end + 1 == bytes + len) {
		return len - p->at > LINE_MOST ? -1 : 0;
	}
	if (!kv_int((struct kv_bytes){ start, (size_t)(end - start) }, &number))
		return -1;
	*n = number;
	p->at = (size_t)(end - bytes) + 2;
	return 1;
}

/* The next character of a quoted argument, unescaped; *s moves on. */
static char unescape(const char **s, const char *end, char quote)
{
	const char *at = *s;
	static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
	const char *known;

	*s = at + 1;
	if (*at != '\\' || at + 1 == end)
		return *at;
	if (quote == '\'') {
		*s += at[1] == '\'';
		return at[1] == '\'' ? '\'' : '\\';
	}
	if (at[1] == 'x' && end - at >= 4 && isxdigit((unsigned char)at[2]) &&
	    isxdigit((unsigned char)at[3])) {
		char digits[3] = { at[2], at[3], '\0' };

		*s = at + 4;
		return (char)strtol(digits, NULL, 16);
	}
	*s = at + 2;
	known = at[1] ? strchr(from, at[1]) : NULL;
	return known ? to[known - from] : at[1];
}

/* One argument of an inline request from *s on; false if its quotes do not match. */
static bool inline_arg(struct kv_parser *p, char *bytes, const char **s, const char *end)
{
	char *to = (char *)(uintptr_t)*s, *start = to;
	char quote = '\0';

	for (; *s < end && (quote || !isspace((unsigned char)**s));) {
		if (!quote && (**s == '"' || **s == '\'')) {
			quote = *(*s)++;
		} else if (quote && **s == quote) {
			quote = '\0';
			if (++*s < end && !isspace((unsigned char)**s))
				return false;
		} else {
			*to++ = quote ? unescape(s, end, quote) : *(*s)++;
		}
	}
	return !quote && add_arg(p, (size_t)(start - bytes), (size_t)(to - start));
}

static int parse_inline(struct kv_parser *p, char *bytes, size_t len)
{
	const char *end = memchr(bytes, '\n', len), *s = bytes;

	if (!end)
		return len > LINE_MOST ? refuse(p, "too big inline request") : 0;
	p->at = (size_t)(end - bytes) + 1;
	while (s < end) {
		if (isspace((unsigned char)*s))
			s++;
		else if (!inline_arg(p, bytes, &s, end))
			return refuse(p, "unbalanced quotes in request");
	}
	return 1;
}

static int parse_bulk(struct kv_parser *p, const char *bytes, size_t len)
{
	int found;

	if (p->bulk < 0) {
		if (p->at == len)
			return 0;
		if (bytes[p->at] != '$') {
			char why[40];

			snprintf(why, sizeof(why), "expected '$', got '%c'", bytes[p->at]);
			return refuse(p, why);
		}
		found = count_line(p, bytes, len, &p->bulk);
		if (found < 0 || (found && (p->bulk < 0 || (size_t)p->bulk > p->most ||
					    p->at + (size_t)p->bulk > p->total)))
			return refuse(p, "invalid bulk length");
		if (!found)
			return 0;
	}
	if (len - p->at < (size_t)p->bulk + 2)
		return 0;
	if (!add_arg(p, p->at, (size_t)p->bulk))
		return refuse(p, "no memory for so many arguments");
	p->at += (size_t)p->bulk + 2;
	p->bulk = -1;
	return 1;
}

static int parse_some(struct kv_parser *p, char *bytes, size_t len)
{
	if (p->wanted == 0) {
		int found;

		p->argc = 0;
		p->at = 0;
		p->bulk = -1;
		if (bytes[0] != '*')
			return parse_inline(p, bytes, len);
		found = count_line(p, bytes, len, &p->wanted);
		if (found < 0 || p->wanted > ARGS_MOST)
			return refuse(p, "invalid multibulk length");
		if (!found || p->wanted <= 0)
			return found;
	}
	while (p->argc < p->wanted) {
		int found = parse_bulk(p, bytes, len);

		if (found <= 0)
			return found;
	}
	return 1;
}

int kv_parse(struct kv_parser *p, char *bytes, size_t len, size_t *used)
{
	int found = len ? parse_some(p, bytes, len) : 0;

	if (found <= 0)
		return found;
	for (int i = 0; i < p->argc; i++)
		p->argv[i].at = bytes + p->starts[i];
	*used = p->at;
	p->wanted = 0;
	return 1;
}

/* The number of a line such as "$3\r\n" of up to six digits, moving behind it; or -1. */
static int peek_count(const char **at, const char *end, char kind)
{
	const char *s = *at;
	int n = 0;

	if (end - s < 4 || *s++ != kind)
		return -1;
	for (; end - s >= 2 && s - *at <= 6 && *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (*s - '0');
	if (end - s < 2 || s[0] != '\r' || s == *at + 1)
		return -1;
	*at = s + 2;
	return n;
}

size_t kv_peek(const char *bytes, size_t len, struct kv_bytes *key)
{
	const char *at = bytes, *end = bytes + len;
	int count = peek_count(&at, end, '*');

	if (count < 2)
		return 0;
	for (int i = 0; i < count; i++) {
		int size = peek_count(&at, end, '$');

		if (size < 0 || end - at < size + 2)
			return 0;
		if (i == 1)
			*key = (struct kv_bytes){ at, (size_t)size };
		at += size + 2;
	}
	return (size_t)(at - bytes);
}

/* ---- replies --------------------------------------------------------------------------- */

static void put(struct kv_out *o, const char *bytes, size_t len)
{
	if (o->most && o->buf.len + len > o->most)
		o->buf.failed = true;
	buf_bytes(&o->buf, bytes, len);
}

static void put_str(struct kv_out *o, const char *text)
{
	put(o, text, strlen(text));
}

void kv_put_line(struct kv_out *o, char kind, const char *text)
{
	put(o, &kind, 1);
	put_str(o, text);
	put(o, "\r\n", 2);
}

void kv_put_count(struct kv_out *o, char kind, int64_t n)
{
	char line[24], *at = line + sizeof(line);
	uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;

	*--at = '\n';
	*--at = '\r';
	do
		*--at = (char)('0' + rest % 10);
	while (rest /= 10);
	if (n < 0)
		*--at = '-';
	*--at = kind;
	put(o, at, (size_t)(line + sizeof(line) - at));
}

void kv_put_bulk(struct kv_out *o, struct kv_bytes bytes)
{
	kv_put_count(o, '$', (int64_t)bytes.len);
	put(o, bytes.at, bytes.len);
	put(o, "\r\n", 2);
}

void kv_put_text(struct kv_out *o, const char *text)
{
	kv_put_bulk(o, (struct kv_bytes){ text, strlen(text) });
}

void kv_put_int(struct kv_out *o, int64_t n)
{
	kv_put_count(o, ':', n);
}

void kv_put_null(struct kv_out *o)
{
	put_str(o, o->protocol == 3 ? "_\r\n" : "$-1\r\n");
}

void kv_put_null_array(struct kv_out *o)
{
	put_str(o, o->protocol == 3 ? "_\r\n" : "*-1\r\n");
}

void kv_put_array(struct kv_out *o, size_t items)
{
	kv_put_count(o, '*', (int64_t)items);
}

void kv_put_map(struct kv_out *o, size_t pairs)
{
	if (o->protocol == 3)
		kv_put_count(o, '%', (int64_t)pairs);
	else
		kv_put_array(o, 2 * pairs);
}

void kv_put_set(struct kv_out *o, size_t items)
{
	kv_put_count(o, o->protocol == 3 ? '~' : '*', (int64_t)items);
}

void kv_put_push(struct kv_out *o, size_t items)
{
	kv_put_count(o, o->protocol == 3 ? '>' : '*', (int64_t)items);
}

void kv_put_bool(struct kv_out *o, bool b)
{
	if (o->protocol == 3)
		kv_put_line(o, '#', b ? "t" : "f");
	else
		kv_put_int(o, b);
}

void kv_put_double(struct kv_out *o, double d)
{
	char text[32];

	if (isinf(d))
		snprintf(text, sizeof(text), d < 0 ? "-inf" : "inf");
	else
		snprintf(text, sizeof(text), "%.17g", d);
	if (o->protocol == 3)
		kv_put_line(o, ',', text);
	else
		kv_put_text(o, text);
}

void kv_put_verbatim(struct kv_out *o, struct kv_bytes text)
{
	if (o->protocol != 3) {
		kv_put_bulk(o, text);
		return;
	}
	kv_put_count(o, '=', (int64_t)text.len + 4);
	put_str(o, "txt:");
	put(o, text.at, text.len);
	put(o, "\r\n", 2);
}
