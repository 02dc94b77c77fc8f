/* SPDX-License-Identifier: MIT */
/*
 * Reading lines; see lines.h. The buffer holds what was read and not given out;
 * it moves to the front when more is needed, and grows for long lines only.
 */
#include "lines.h"

#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM_MIN ((size_t)64 << 10)

void lines_init(struct lines *l, int fd, bool may_block)
{
	*l = (struct lines){ .fd = fd, .may_block = may_block };
}

void lines_fini(struct lines *l)
{
	free(l->at);
	*l = (struct lines){ .fd = -1 };
}

static int make_room(struct lines *l)
{
	if (l->begin > 0) {
		memmove(l->at, l->at + l->begin, l->end - l->begin);
		l->end -= l->begin;
		l->begin = 0;
	}
	if (l->room - l->end > 1)
		return 0;
	size_t room = l->room ? 2 * l->room : ROOM_MIN;
	char *at = realloc(l->at, room);
	if (!at)
		return -ENOMEM;
	l->at = at;
	l->room = room;
	return 0;
}

/* Reads more behind what is there: 0, or -errno; sets `ended`. */
static int fill(struct lines *l)
{
	int err = make_room(l);

	while (err == 0) {
		if (l->may_block)
			err = stop_poll(l->fd, POLLIN);
		if (err)
			break;
		/* One byte stays free behind a last line without a newline. */
		ssize_t n = read(l->fd, l->at + l->end, l->room - l->end - 1);
		if (n >= 0) {
			l->end += (size_t)n;
			l->ended = n == 0;
			return 0;
		}
		if (errno != EINTR && errno != EAGAIN)
			err = -errno;
	}
	return err;
}

/* Drops the rest of a line that is too long. */
static int skip_line(struct lines *l)
{
	char *newline;

	for (;;) {
		newline = memchr(l->at + l->begin, '\n', l->end - l->begin);
		if (newline) {
			l->begin = (size_t)(newline - l->at) + 1;
			return 0;
		}
		l->begin = l->end;
		if (l->ended)
			return 0;
		int err = fill(l);
		if (err)
			return err;
	}
}

int lines_next(struct lines *l, char **line, size_t *len, bool *cut)
{
	size_t seen = 0;

	*cut = false;
	for (;;) {
		size_t have = l->end - l->begin;
		char *from = l->at + l->begin;
		char *newline = have > seen ? memchr(from + seen, '\n', have - seen) : NULL;

		if (newline || (l->ended && have > 0)) {
			*line = from;
			*len = newline ? (size_t)(newline - from) : have;
			l->begin += *len + (newline != NULL);
			return 1;
		}
		if (l->ended)
			return 0;
		if (have >= LINES_MAX) {
			int err = skip_line(l);

			*cut = true;
			*line = l->at;
			*len = 0;
			return err ? err : 1;
		}
		seen = have;
		int err = fill(l);
		if (err)
			return err;
	}
}
