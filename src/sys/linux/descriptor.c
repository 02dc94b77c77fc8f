/* SPDX-License-Identifier: MIT */
/*
 * What all descriptors have in common.
 */
#define _GNU_SOURCE

#include "sys/io.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

#ifndef TCP_ULP
#define TCP_ULP 31 /* Linux 4.13 */
#endif

/* TCP itself: not another protocol with Internet addresses, and not one on top of it,
 * such as the kernel's TLS, whose reads end where a record does. */
static bool is_plain_tcp(int fd)
{
	int protocol = 0;
	char upper[16] = "";
	socklen_t size = sizeof(protocol);

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 ||
	    protocol != IPPROTO_TCP)
		return false;
	size = sizeof(upper);
	return getsockopt(fd, IPPROTO_TCP, TCP_ULP, upper, &size) < 0 || size == 0 || !*upper;
}

static enum weft__fd_kind socket_kind(int fd)
{
	struct sockaddr_storage name;
	int type = SOCK_STREAM;
	socklen_t size = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type != SOCK_STREAM)
		return WEFT__FD_MESSAGES;
	size = sizeof(name);
	if (getsockname(fd, (void *)&name, &size) < 0 ||
	    (name.ss_family != AF_INET && name.ss_family != AF_INET6))
		return WEFT__FD_SOCKET;
	return is_plain_tcp(fd) ? WEFT__FD_TCP : WEFT__FD_SOCKET;
}

enum weft__fd_kind weft__fd_kind(int fd)
{
	int saved = errno;
	enum weft__fd_kind kind = WEFT__FD_OTHER;
	struct stat st;

	if (fstat(fd, &st) < 0)
		kind = WEFT__FD_OTHER;
	else if (S_ISFIFO(st.st_mode))
		kind = WEFT__FD_PIPE;
	else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		kind = WEFT__FD_FILE;
	else if (S_ISSOCK(st.st_mode))
		kind = socket_kind(fd);
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
