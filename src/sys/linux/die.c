/* SPDX-License-Identifier: MIT */
/*
 * Last words. The sentence is put together first and leaves in one write, so
 * that the words of two dying threads do not mix, and no lock of stdio that
 * another thread holds can keep it in.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void weft__die(const char *format, ...)
{
	static const char prefix[] = "weft: ";
	char line[1000];
	size_t length = sizeof(prefix) - 1;
	size_t room = sizeof(line) - length - 1; /* one byte is the newline's */
	va_list arguments;
	int wanted;

	memcpy(line, prefix, length);
	va_start(arguments, format);
	wanted = vsnprintf(line + length, room, format, arguments);
	va_end(arguments);
	if (wanted > 0)
		length += (size_t)wanted < room ? (size_t)wanted : room - 1;
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0) {
		/* Nobody listens; abort() says the rest. */
	}
	abort();
}
