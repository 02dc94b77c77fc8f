/* SPDX-License-Identifier: MIT */
/*
 * Connections that are descriptors.
 */
#include <errno.h>

#include "io/conn.h"
#include "rt/poller.h"

struct fd_conn {
	weft_conn base;
	struct weft__pollee *pollee;
	int fd;
	enum weft__fd_kind kind;
	/* A read that returns less than was asked for has left nothing behind: so it is
	 * with plain TCP, and with pipes of our own. Not so with Unix sockets, where a read
	 * ends where descriptors were sent along, with terminals, where it ends with the
	 * line, and with a foreign pipe, whose writer may have made it one of packets. */
	bool empties;
	weft_atomic_u32 counting;
};

/* What is left behind is known of TCP sockets where that is asked for; the price is a
 * dearer read, less than that of a read in vain. */
enum { NOT_YET, COUNTS, CANNOT };

static struct fd_conn *of(const weft_conn *conn)
{
	return weft_container_of((weft_conn *)(uintptr_t)conn, struct fd_conn, base);
}

static bool is_socket(const struct fd_conn *c)
{
	return c->kind == WEFT__FD_SOCKET || c->kind == WEFT__FD_TCP;
}

/* Has a socket count what reads leave behind, once. */
static bool counts(struct fd_conn *c)
{
	uint32_t state = weft_load_relaxed(&c->counting);

	if (state == NOT_YET) {
		state = weft__socket_count(c->fd) == 0 ? COUNTS : CANNOT;
		weft_store_relaxed(&c->counting, state);
	}
	return state == COUNTS;
}

/* A try of a socket together with those of others: true if it was made. */
static bool socket_try(const struct fd_conn *c, enum weft__op_code code, const weft_iovec *pieces,
		       int count, struct weft__op *op)
{
	if (count != 1 || !is_socket(c))
		return false;
	op->what = (struct weft__uring_op){
		.code = code, .fd = c->fd, .pieces = pieces, .count = count
	};
	return weft__poller_try(op);
}

/* One try; *empty tells whether it is known to have left nothing behind. */
static int64_t fd_try_read(struct fd_conn *c, const weft_iovec *pieces, int count, size_t size,
			   bool *empty)
{
	struct weft__op op;
	int64_t n;
	int left;

	if (socket_try(c, WEFT__OP_RECV, pieces, count, &op)) {
		*empty = c->kind == WEFT__FD_TCP && op.result > 0 && !op.left;
		return op.result;
	}
	if (c->kind == WEFT__FD_TCP && weft__pollee_urgent(c->pollee)) {
		*empty = false;
		if (!counts(c))
			return weft__socket_read(c->fd, pieces, count);
		n = weft__socket_read_left(c->fd, pieces, count, &left);
		*empty = n > 0 && left == 0;
		return n;
	}
	n = is_socket(c) ? weft__socket_read(c->fd, pieces, count)
			 : weft__fd_read(c->fd, pieces, count);
	*empty = c->empties && n > 0 && (size_t)n < size;
	return n;
}

static int64_t fd_read(weft_conn *conn, const weft_iovec *pieces, int count, size_t size)
{
	struct fd_conn *c = of(conn);
	const bool edge = weft__pollee_take(c->pollee, WEFT__TO_READ);
	const uint32_t edges = weft__pollee_edges(c->pollee);
	bool empty;
	int64_t n;

	if (weft__pollee_empty(c->pollee))
		return -EAGAIN;
	n = fd_try_read(c, pieces, count, size, &empty);
	if (n == -EAGAIN)
		weft__pollee_in_vain(c->pollee, WEFT__TO_READ);
	else if (empty)
		weft__pollee_drained(c->pollee, edges);
	else if (edge)
		weft__pollee_give(c->pollee, WEFT__TO_READ);
	return n;
}

static void fd_doubt(weft_conn *conn)
{
	weft__pollee_doubt(of(conn)->pollee);
}

static int64_t fd_write(weft_conn *conn, const weft_iovec *pieces, int count, size_t size)
{
	struct fd_conn *c = of(conn);
	const bool edge = weft__pollee_take(c->pollee, WEFT__TO_WRITE);
	struct weft__op op;
	int64_t n;

	(void)size;
	if (socket_try(c, WEFT__OP_SEND, pieces, count, &op))
		n = op.result;
	else
		n = is_socket(c) ? weft__socket_write(c->fd, pieces, count)
				 : weft__fd_write(c->fd, pieces, count);
	if (n == -EAGAIN)
		weft__pollee_in_vain(c->pollee, WEFT__TO_WRITE);
	else if (edge)
		weft__pollee_give(c->pollee, WEFT__TO_WRITE);
	return n;
}

static int side_of(enum weft_side side)
{
	return side == WEFT_READABLE ? WEFT__TO_READ : WEFT__TO_WRITE;
}

static int fd_wait(weft_conn *conn, enum weft_side side, int64_t deadline)
{
	return weft__pollee_wait(of(conn)->pollee, side_of(side), deadline, 0);
}

static weft_case fd_ready(weft_conn *conn, enum weft_side side)
{
	return weft__pollee_case(of(conn)->pollee, side_of(side));
}

static int fd_shutdown(weft_conn *conn, enum weft_shutdown how)
{
	return is_socket(of(conn)) ? weft__socket_shutdown(of(conn)->fd, how) : -EOPNOTSUPP;
}

static void fd_close(weft_conn *conn, bool abort)
{
	struct fd_conn *c = of(conn);

	if (abort && is_socket(c))
		weft__socket_abort(c->fd);
	weft__pollee_close(c->pollee, false);
	weft__release(c);
}

static int fd_set(weft_conn *conn, enum weft_conn_option option, int value)
{
	return is_socket(of(conn)) ? weft__socket_set(of(conn)->fd, option, value) : -EOPNOTSUPP;
}

static int fd_get(const weft_conn *conn, enum weft_conn_option option, int *value)
{
	return is_socket(of(conn)) ? weft__socket_get(of(conn)->fd, option, value) : -EOPNOTSUPP;
}

static void fd_address(const weft_conn *conn, bool peer, weft_address *out)
{
	*out = (weft_address){ .size = 0 };
	if (!is_socket(of(conn)))
		return;
	if (peer)
		weft__socket_peer(of(conn)->fd, out);
	else
		weft__socket_local(of(conn)->fd, out);
}

static int fd_number(const weft_conn *conn)
{
	return of(conn)->fd;
}

static const struct weft__conn_kind fd_kind = {
	.name = "descriptor",
	.read = fd_read,
	.write = fd_write,
	.doubt = fd_doubt,
	.wait = fd_wait,
	.ready = fd_ready,
	.shutdown = fd_shutdown,
	.close = fd_close,
	.set = fd_set,
	.get = fd_get,
	.address = fd_address,
	.fd = fd_number,
};

int weft__conn_adopt(weft_conn **out, struct weft__pollee *pollee, int fd, enum weft__fd_kind kind)
{
	struct fd_conn *c = weft__alloc_zero(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->base.kind = &fd_kind;
	c->pollee = pollee;
	c->fd = fd;
	c->kind = kind;
	c->empties = kind == WEFT__FD_TCP || kind == WEFT__FD_PIPE;
	*out = &c->base;
	return 0;
}

int weft__conn_make(weft_conn **out, int fd, enum weft__fd_kind kind)
{
	struct weft__pollee *pollee = weft__pollee_new(fd);
	int err;

	*out = NULL;
	if (!pollee)
		return -ENOMEM;
	err = weft__conn_adopt(out, pollee, fd, kind);
	if (err < 0)
		weft__pollee_free(pollee);
	return err;
}

int weft_conn_from_fd(weft_conn **out, int fd)
{
	enum weft__fd_kind kind = weft__fd_kind(fd);
	int err;

	*out = NULL;
	if (kind == WEFT__FD_FILE || kind == WEFT__FD_MESSAGES)
		return -EINVAL;
	if (kind == WEFT__FD_PIPE)
		kind = WEFT__FD_OTHER;
	err = weft__fd_unblock(fd);
	return err < 0 ? err : weft__conn_make(out, fd, kind);
}

/* Two connections of two new descriptors, or none. */
static int make_two(weft_conn **a, weft_conn **b, const int fd[2], enum weft__fd_kind kind)
{
	int err = weft__conn_make(a, fd[0], kind);

	*b = NULL;
	if (err < 0) {
		(void)weft__fd_close(fd[0]);
		(void)weft__fd_close(fd[1]);
		return err;
	}
	err = weft__conn_make(b, fd[1], kind);
	if (err < 0) {
		weft_conn_close(*a);
		*a = NULL;
		(void)weft__fd_close(fd[1]);
	}
	return err;
}

int weft_conn_pair(weft_conn **a, weft_conn **b)
{
	int fd[2], err = weft__socket_pair(fd);

	*a = *b = NULL;
	return err < 0 ? err : make_two(a, b, fd, WEFT__FD_SOCKET);
}

int weft_pipe(weft_conn **reader, weft_conn **writer)
{
	int fd[2], err = weft__fd_pipe(fd);

	*reader = *writer = NULL;
	return err < 0 ? err : make_two(reader, writer, fd, WEFT__FD_PIPE);
}
