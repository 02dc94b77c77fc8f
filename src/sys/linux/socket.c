/* SPDX-License-Identifier: MIT */
/*
 * Stream sockets.
 *
 * MSG_NOSIGNAL and MSG_DONTWAIT are given with each call rather than trusted to be
 * properties of the descriptor, which others may share. errno is as it was before.
 */
#define _GNU_SOURCE

#include "sys/io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The result, or -errno with errno put back. */
static int64_t settle(int64_t result, int saved)
{
	if (result < 0) {
		result = -errno;
		errno = saved;
	}
	return result == -EWOULDBLOCK ? -EAGAIN : result;
}

static const struct sockaddr *raw(const weft_address *address)
{
	return (const void *)address->bytes;
}

int weft__socket_open(const weft_address *of_family)
{
	int saved = errno;

	return (int)settle(
		socket(raw(of_family)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
		saved);
}

int weft__socket_pair(int fd[2])
{
	int saved = errno;

	return (int)settle(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd),
			   saved);
}

int weft__socket_bind(int fd, const weft_address *address)
{
	int saved = errno;

	return (int)settle(bind(fd, raw(address), address->size), saved);
}

int weft__socket_listen(int fd, int backlog)
{
	int saved = errno;

	return (int)settle(listen(fd, backlog), saved);
}

int weft__socket_listens(int fd)
{
	int saved = errno;
	int listens = 0;
	socklen_t size = sizeof(listens);
	int err = (int)settle(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size), saved);

	return err == -ENOTSOCK || (err == 0 && !listens) ? -EINVAL : err;
}

int weft__socket_connect(int fd, const weft_address *address)
{
	int saved = errno;
	int err = (int)settle(connect(fd, raw(address), address->size), saved);

	/* Interrupted, it goes on by itself, as if it had not waited. */
	return err == -EINTR ? -EINPROGRESS : err;
}

int weft__socket_error(int fd)
{
	int saved = errno;
	int error = 0;
	socklen_t size = sizeof(error);
	int err = (int)settle(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), saved);

	return err < 0 ? err : -error;
}

int weft__socket_accept(int fd)
{
	int saved = errno;
	int result;

	do
		result = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (result < 0 && errno == EINTR);
	return (int)settle(result, saved);
}

int64_t weft__socket_read(int fd, const weft_iovec *pieces, int count)
{
	int saved = errno;
	struct msghdr message = {
		.msg_iov = (void *)(uintptr_t)pieces,
		.msg_iovlen = (size_t)count,
	};
	int64_t n;

	do
		n = count == 1 ? recv(fd, pieces->base, pieces->size, MSG_DONTWAIT)
			       : recvmsg(fd, &message, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return settle(n, saved);
}

#ifndef TCP_INQ
#define TCP_INQ 36 /* Linux 4.18 */
#endif

int weft__socket_count(int fd)
{
	const int on = 1;
	int saved = errno;

	return (int)settle(setsockopt(fd, IPPROTO_TCP, TCP_INQ, &on, sizeof(on)), saved);
}

int64_t weft__socket_read_left(int fd, const weft_iovec *pieces, int count, int *left)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	int saved = errno;
	struct msghdr message = {
		.msg_iov = (void *)(uintptr_t)pieces,
		.msg_iovlen = (size_t)count,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int64_t n;

	do
		n = recvmsg(fd, &message, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	*left = 1;
	header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_level == IPPROTO_TCP && header->cmsg_type == TCP_INQ)
		memcpy(left, CMSG_DATA(header), sizeof(*left));
	return settle(n, saved);
}

int64_t weft__socket_write(int fd, const weft_iovec *pieces, int count)
{
	int saved = errno;
	struct msghdr message = {
		.msg_iov = (void *)(uintptr_t)pieces,
		.msg_iovlen = (size_t)count,
	};
	int64_t n;

	do
		n = count == 1 ? send(fd, pieces->base, pieces->size, MSG_DONTWAIT | MSG_NOSIGNAL)
			       : sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return settle(n, saved);
}

int weft__socket_shutdown(int fd, enum weft_shutdown how)
{
	static const int native[] = {
		[WEFT_SHUTDOWN_READ] = SHUT_RD,
		[WEFT_SHUTDOWN_WRITE] = SHUT_WR,
		[WEFT_SHUTDOWN_BOTH] = SHUT_RDWR,
	};
	int saved = errno;

	return (int)settle(shutdown(fd, native[how]), saved);
}

static int set_int(int fd, int level, int name, int value)
{
	int saved = errno;

	return (int)settle(setsockopt(fd, level, name, &value, sizeof(value)), saved);
}

static int get_int(int fd, int level, int name, int *value)
{
	int saved = errno;
	socklen_t size = sizeof(*value);

	return (int)settle(getsockopt(fd, level, name, value, &size), saved);
}

void weft__socket_abort(int fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	int saved = errno;

	(void)settle(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), saved);
}

int weft__socket_set(int fd, enum weft_conn_option option, int value)
{
	int err;

	switch (option) {
	case WEFT_NODELAY: return set_int(fd, IPPROTO_TCP, TCP_NODELAY, value != 0);
	case WEFT_SEND_BUFFER: return set_int(fd, SOL_SOCKET, SO_SNDBUF, value);
	case WEFT_RECV_BUFFER: return set_int(fd, SOL_SOCKET, SO_RCVBUF, value);
	case WEFT_USER_TIMEOUT: return set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value);
	case WEFT_KEEPALIVE:
		if (value > 0) {
			err = set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, value);
			if (err < 0)
				return err;
		}
		return set_int(fd, SOL_SOCKET, SO_KEEPALIVE, value > 0);
	}
	return -EINVAL;
}

int weft__socket_get(int fd, enum weft_conn_option option, int *value)
{
	int on, err;

	switch (option) {
	case WEFT_NODELAY: return get_int(fd, IPPROTO_TCP, TCP_NODELAY, value);
	case WEFT_SEND_BUFFER: return get_int(fd, SOL_SOCKET, SO_SNDBUF, value);
	case WEFT_RECV_BUFFER: return get_int(fd, SOL_SOCKET, SO_RCVBUF, value);
	case WEFT_USER_TIMEOUT: return get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value);
	case WEFT_KEEPALIVE:
		err = get_int(fd, SOL_SOCKET, SO_KEEPALIVE, &on);
		if (err == 0)
			err = get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, value);
		if (err == 0 && !on)
			*value = 0;
		return err;
	}
	return -EINVAL;
}

int weft__socket_prepare(int fd, enum weft__listen_option option, int value)
{
	switch (option) {
	case WEFT__REUSE_ADDRESS: return set_int(fd, SOL_SOCKET, SO_REUSEADDR, value);
	case WEFT__REUSE_PORT: return set_int(fd, SOL_SOCKET, SO_REUSEPORT, value);
	case WEFT__V6_ONLY: return set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, value);
	}
	return -EINVAL;
}

void weft__socket_local(int fd, weft_address *out)
{
	int saved = errno;
	socklen_t size = sizeof(out->bytes);

	memset(out, 0, sizeof(*out));
	if (settle(getsockname(fd, (void *)out->bytes, &size), saved) == 0)
		out->size = size;
}

void weft__socket_peer(int fd, weft_address *out)
{
	int saved = errno;
	socklen_t size = sizeof(out->bytes);

	memset(out, 0, sizeof(*out));
	if (settle(getpeername(fd, (void *)out->bytes, &size), saved) == 0)
		out->size = size;
}
