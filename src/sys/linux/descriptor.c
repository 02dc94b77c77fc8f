/* SPDX-License-Identifier: MIT */
/*
 * What all descriptors have in common.
 */
#define _GNU_SOURCE

#include "sys/io.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int weft__fd_close(int fd)
{
	int saved = errno;
	int err = close(fd) < 0 ? -errno : 0;

	/* Linux has given it back even if it says EINTR. */
	errno = saved;
	return err == -EINTR ? 0 : err;
}

int weft__fd_duplicate(int fd)
{
	int saved = errno;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0) {
		copy = -errno;
		errno = saved;
	}
	return copy;
}
