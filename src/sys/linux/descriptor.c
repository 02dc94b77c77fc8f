/* SPDX-License-Identifier: MIT */
/*
 * What all descriptors have in common.
 */
#define _GNU_SOURCE

#include "sys/io.h"

#include <errno.h>
#include <fcntl.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
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

enum weft__fd_kind weft__fd_kind(int fd)
{
	int saved = errno;
	enum weft__fd_kind kind = WEFT__FD_OTHER;
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);
	struct stat st;

	if (fstat(fd, &st) < 0)
		kind = WEFT__FD_OTHER;
	else if (S_ISFIFO(st.st_mode))
		kind = WEFT__FD_PIPE;
	else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		kind = WEFT__FD_FILE;
	else if (S_ISSOCK(st.st_mode))
		kind = getsockname(fd, (void *)&name, &size) == 0 &&
				       (name.ss_family == AF_INET || name.ss_family == AF_INET6)
			       ? WEFT__FD_TCP
			       : WEFT__FD_SOCKET;
	errno = saved;
	return kind;
}

int weft__fd_unblock(int fd)
{
	int saved = errno;
	int flags = fcntl(fd, F_GETFL);
	int err = 0;

	if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		err = -errno;
	errno = saved;
	return err;
}

int64_t weft__fd_read(int fd, const weft_iovec *pieces, int count)
{
	int saved = errno;
	int64_t n;

	do
		n = readv(fd, (const void *)pieces, count);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		n = errno == EWOULDBLOCK ? -EAGAIN : -errno;
		errno = saved;
	}
	return n;
}

/* A write to a pipe without reader raises SIGPIPE, whatever one asks for, in the thread
 * that writes. So it is blocked meanwhile, and taken away again if it is ours: one that
 * was pending before can only have been if it was blocked before. */
int64_t weft__fd_write(int fd, const weft_iovec *pieces, int count)
{
	const struct timespec at_once = { 0 };
	int saved = errno;
	sigset_t sigpipe, old, pending;
	int64_t n;

	sigemptyset(&sigpipe);
	sigemptyset(&pending);
	sigaddset(&sigpipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
	if (sigismember(&old, SIGPIPE))
		sigpending(&pending);
	do
		n = writev(fd, (const void *)pieces, count);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		n = errno == EWOULDBLOCK ? -EAGAIN : -errno;
		if (n == -EPIPE && !sigismember(&pending, SIGPIPE))
			while (sigtimedwait(&sigpipe, NULL, &at_once) < 0 && errno == EINTR)
				continue;
	}
	if (!sigismember(&old, SIGPIPE))
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return n;
}

int weft__fd_pipe(int fd[2])
{
	int saved = errno;
	int err = pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;

	errno = saved;
	return err;
}
