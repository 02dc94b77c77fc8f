/* SPDX-License-Identifier: MIT */
/*
 * A string of bytes that grows. All-zero is empty.
 *
 * Running out of memory is remembered and not reported at each step, so that a
 * line can be put together without a test after every piece: ask buf_ok() once,
 * before the bytes are used.
 */
#ifndef WEFT_APP_BUF_H
#define WEFT_APP_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *at; /* len bytes, not terminated; NULL while nothing was ever put in */
	size_t len;
	size_t room;
	bool failed;
};

void buf_free(struct buf *b);

/* Empties it, keeps the memory, forgets a failure. */
void buf_clear(struct buf *b);

static inline bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

/* Makes room for so many bytes behind what is there; false when there is no memory. */
bool buf_room(struct buf *b, size_t more);

void buf_bytes(struct buf *b, const void *bytes, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Lower-case hexadecimal digits, two a byte. */
void buf_hex(struct buf *b, const uint8_t *bytes, size_t len);

/* The bytes as a C string, valid until the next change; "" after a failure. */
const char *buf_cstr(struct buf *b);

#endif
