/* SPDX-License-Identifier: MIT */
/*
 * File names on their way out and in. A name is any bytes but NUL and '/', so
 * each kind of output needs its own spelling of the awkward ones.
 */
#ifndef WEFT_APP_ESCAPE_H
#define WEFT_APP_ESCAPE_H

#include "buf.h"

/* Whether `s` is well-formed UTF-8 (no surrogates, no overlong forms). */
bool utf8_valid(const char *s, size_t len);

/* As checksum lists have it: backslash, newline and carriage return become \\,
 * \n and \r. A line with a name that needs it starts with a backslash. */
bool list_needs_escape(const char *name);
void list_escape(struct buf *b, const char *name);

/* Undoes list_escape() in place: false for a backslash that starts none of the
 * three, and then the name is spoilt. */
bool list_unescape(char *name);

/* For messages: as it is when a shell would take it as one plain word, else
 * quoted so that pasting it into a shell names the file. No control character
 * and no malformed UTF-8 reaches the terminal. */
void shell_quote(struct buf *b, const char *name);

/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD each;
 * whoever must not lose them asks utf8_valid() and adds them in another field. */
void json_string(struct buf *b, const char *s);

#endif
