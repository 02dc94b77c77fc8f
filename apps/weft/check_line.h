/* SPDX-License-Identifier: MIT */
/*
 * One line of a checksum list, in any of the spellings that sha256sum -c takes:
 *
 *     HEX  name          two spaces; the second is '*' in binary mode
 *     HEX name           one space, as BSD's tools print with -r
 *     SHA256 (name) = HEX
 *
 * with a backslash in front when the name is escaped.
 */
#ifndef WEFT_APP_CHECK_LINE_H
#define WEFT_APP_CHECK_LINE_H

#include "hash.h"

/* Which of the first two spellings a list uses: the first line decides whether a
 * second space belongs to the name. */
enum check_form { CHECK_FORM_OPEN, CHECK_FORM_TWO, CHECK_FORM_ONE };

struct check_line {
	uint8_t digest[HASH_SIZE];
	char *name; /* inside the line that was parsed */
};

enum check_verdict { CHECK_LINE_GOOD, CHECK_LINE_BAD, CHECK_LINE_EMPTY };

/* Takes a line of `len` bytes without its newline, followed by a byte that may
 * be overwritten; changes it in place. EMPTY is a comment or nothing. */
enum check_verdict check_line_parse(char *line, size_t len, enum check_form *form,
				    struct check_line *out);

#endif
