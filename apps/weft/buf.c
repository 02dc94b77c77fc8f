/* SPDX-License-Identifier: MIT */
/*
 * The growing string of buf.h: doubles its room, and turns into a sink once
 * memory has run out.
 */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *b)
{
	free(b->at);
	*b = (struct buf){ 0 };
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

bool buf_room(struct buf *b, size_t more)
{
	if (b->failed)
		return false;
	if (b->room - b->len >= more)
		return true;

	size_t room = b->room ? b->room : 128;
	while (room - b->len < more) {
		if (room > SIZE_MAX / 4) {
			b->failed = true;
			return false;
		}
		room *= 2;
	}
	char *at = realloc(b->at, room);
	if (!at) {
		b->failed = true;
		return false;
	}
	b->at = at;
	b->room = room;
	return true;
}

void buf_bytes(struct buf *b, const void *bytes, size_t len)
{
	if (len == 0 || !buf_room(b, len))
		return;
	memcpy(b->at + b->len, bytes, len);
	b->len += len;
}

void buf_str(struct buf *b, const char *s)
{
	buf_bytes(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
	buf_bytes(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		b->failed = true;
	else if (buf_room(b, (size_t)len + 1))
		b->len += (size_t)vsnprintf(b->at + b->len, (size_t)len + 1, format, again);
	va_end(again);
}

void buf_hex(struct buf *b, const uint8_t *bytes, size_t len)
{
	static const char digit[] = "0123456789abcdef";

	if (!buf_room(b, 2 * len))
		return;
	for (size_t i = 0; i < len; i++) {
		b->at[b->len++] = digit[bytes[i] >> 4];
		b->at[b->len++] = digit[bytes[i] & 15];
	}
}

const char *buf_cstr(struct buf *b)
{
	if (!buf_room(b, 1))
		return "";
	b->at[b->len] = '\0';
	return b->at;
}
