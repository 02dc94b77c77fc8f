/* SPDX-License-Identifier: MIT */
/*
 * Long paths and sentences; see path.h.
 */
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *trouble_text(int trouble)
{
	switch (trouble) {
	case TROUBLE_FIFO:
		return "is a FIFO; to sum what comes through it, redirect it and name -";
	case TROUBLE_SOCKET: return "is a socket, not a file";
	case TROUBLE_DEVICE: return "is a device; to sum what it gives, redirect it and name -";
	case TROUBLE_STDIN_TAKEN: return "standard input already is the list";
	case TROUBLE_DIGEST: return "OpenSSL failed to compute its digest";
	default: return strerror(trouble);
	}
}

int trouble_of_mode(unsigned mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 0;
	case S_IFDIR: return EISDIR;
	case S_IFIFO: return TROUBLE_FIFO;
	case S_IFSOCK: return TROUBLE_SOCKET;
	default: return TROUBLE_DEVICE;
	}
}

static int open_at(int dir, const char *path, int flags)
{
	int fd;

	do
		fd = openat(dir, path, flags | O_CLOEXEC | O_NOCTTY);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/* Goes as far as one call may, then on from there. */
static int open_in_pieces(const char *path, int flags)
{
	char piece[PATH_MAX];
	int dir = AT_FDCWD;

	while (strlen(path) >= sizeof(piece)) {
		memcpy(piece, path, sizeof(piece) - 1);
		piece[sizeof(piece) - 1] = '\0';
		char *slash = strrchr(piece, '/');
		if (!slash || slash == piece) {
			if (dir != AT_FDCWD)
				close(dir);
			return -ENAMETOOLONG;
		}
		*slash = '\0';
		int next = open_at(dir, piece, O_PATH | O_DIRECTORY);
		if (dir != AT_FDCWD)
			close(dir);
		if (next < 0)
			return next;
		dir = next;
		path += slash - piece;
		path += strspn(path, "/");
	}
	int fd = open_at(dir, *path ? path : ".", flags);
	if (dir != AT_FDCWD)
		close(dir);
	return fd;
}

int path_open(const char *path, int flags)
{
	int fd = open_at(AT_FDCWD, path, flags);

	return fd == -ENAMETOOLONG ? open_in_pieces(path, flags) : fd;
}
