/* SPDX-License-Identifier: MIT */
/*
 * The files of several trees, as one sorted sequence of paths.
 *
 * The sequence is what `find -H PATH... -type f` prints, sorted as bytes: links
 * met on the way are not followed, those named as PATH are. Paths that are named
 * twice, or lie below one another, come twice. Memory is bounded by a budget
 * whatever the trees hold, up to the length of the longest path.
 */
#ifndef WEFT_APP_WALK_H
#define WEFT_APP_WALK_H

#include <stdbool.h>
#include <stddef.h>

enum walk_kind {
	WALK_FILE,  /* a regular file that was met */
	WALK_NAMED, /* a regular file, or a link to one, that was named */
	WALK_STDIN, /* "-" was named */
	WALK_ERROR, /* `path` cannot be read; `trouble` says why */
};

struct walk_entry {
	enum walk_kind kind;
	int trouble;      /* an errno value or a trouble of path.h */
	const char *path; /* valid until the next call */
};

struct walk;

/* Starts a walk over `count` paths, which must outlive it. `budget` is the bytes
 * that names may take. 0 or -ENOMEM; *out is NULL then. */
int walk_new(struct walk **out, const char *const *paths, size_t count, size_t budget);

void walk_free(struct walk *w);

/* The next entry: 1, or 0 at the end, or -ENOMEM. */
int walk_next(struct walk *w, struct walk_entry *entry);

#endif
