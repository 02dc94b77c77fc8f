/* SPDX-License-Identifier: MIT */
/*
 * The files and directories in one directory, in the order in which their whole
 * paths sort as bytes.
 *
 * A directory counts as its name with a '/' behind it, because that is what
 * follows it in the path of everything below. "a-b", "a.c" and the directory
 * "a" therefore come in this order, and a walk that takes each directory's
 * entries so yields all paths of a tree sorted, without ever holding them.
 *
 * One directory may have millions of names. names_read() keeps the smallest that
 * fit into a budget of bytes and says that there are more; the next call reads
 * the directory again and keeps the smallest beyond those. Memory is bounded,
 * and only a directory too big for its budget is read more than once.
 */
#ifndef WEFT_APP_NAMES_H
#define WEFT_APP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The least budget that holds any two names. */
#define NAMES_BUDGET_MIN ((size_t)2048)

struct names {
	char *arena; /* entries: 'd' or 'f', the name, NUL */
	size_t len, room;
	uint32_t *at; /* where each entry begins, sorted */
	size_t count, count_room;
	bool more; /* the directory has others, beyond these */
};

/* Reads the directory that `fd` has open, from its beginning; takes over and
 * closes fd. `after` is an entry as names_entry() gives it, or NULL: only names
 * beyond it are taken. Files and directories only; links, sockets and the like
 * are left out. Returns 0, -ENOMEM, or what reading failed with; the names found
 * until then are there in any case. *n must be all-zero or read before; `after`
 * must not point into it. */
int names_read(struct names *n, int fd, const char *after, size_t budget);

void names_free(struct names *n);

/* Bytes of memory in use. */
size_t names_memory(const struct names *n);

/* The i-th entry: a letter, 'd' for a directory or 'f' for a file, then the
 * name, terminated. */
static inline const char *names_entry(const struct names *n, size_t i)
{
	return n->arena + n->at[i];
}

/* Order of two entries in the sense above: negative, 0, positive. */
int names_order(const char *a, const char *b);

#endif
