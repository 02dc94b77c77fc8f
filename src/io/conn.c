/* SPDX-License-Identifier: MIT */
/*
 * The calls on connections: try, wait, try again. What a call has done before it fails
 * is never hidden: a read or write that moved bytes reports them, and the trouble is
 * the next call's.
 */
#include "io/conn.h"

#include <errno.h>
#include <limits.h>

#include "rt/rt.h"
#include "weft/cancel.h"

/* More than the kernel moves at a time; keeps sums in range. */
#define SIZE_MOST ((size_t)INT64_MAX)

/* The size of all pieces, or -EINVAL. */
static int64_t pieces_size(const weft_iovec *pieces, int count)
{
	size_t size = 0;

	if (count < 0 || count > WEFT_IOVEC_MAX || (count > 0 && !pieces))
		return -EINVAL;
	for (int i = 0; i < count; i++) {
		if (pieces[i].size > SIZE_MOST - size)
			return -EINVAL;
		size += pieces[i].size;
	}
	return (int64_t)size;
}

static int64_t conn_try(weft_conn *conn, enum weft_side side, const weft_iovec *pieces, int count,
			size_t size)
{
	return side == WEFT_READABLE ? conn->kind->read(conn, pieces, count, size)
				     : conn->kind->write(conn, pieces, count, size);
}

/* A wait that comes to nothing is no answer yet if the read before it did not ask the
 * system: what was there by then is the caller's, whatever the deadline. */
static int64_t conn_last_try(weft_conn *conn, enum weft_side side, const weft_iovec *pieces,
			     int count, size_t size, int err)
{
	int64_t n;

	if (side != WEFT_READABLE || !conn->kind->doubt ||
	    (err != -ETIMEDOUT && err != -ECANCELED))
		return err;
	conn->kind->doubt(conn);
	n = conn_try(conn, side, pieces, count, size);
	return n == -EAGAIN ? err : n;
}

static int64_t conn_move(weft_conn *conn, enum weft_side side, const weft_iovec *pieces, int count,
			 size_t size, int64_t deadline)
{
	/* A wait would see it; a peer that never lets us wait must not hide it. */
	if (weft__budget_spend() && weft_cancelled())
		return -ECANCELED;
	for (;;) {
		int64_t n = conn_try(conn, side, pieces, count, size);
		int err;

		if (n != -EAGAIN)
			return n;
		err = conn->kind->wait(conn, side, deadline);
		if (err < 0)
			return conn_last_try(conn, side, pieces, count, size, err);
	}
}

static int64_t conn_move_pieces(weft_conn *conn, enum weft_side side, const weft_iovec *pieces,
				int count, int64_t deadline)
{
	int64_t size = pieces_size(pieces, count);

	return size <= 0 ? size : conn_move(conn, side, pieces, count, (size_t)size, deadline);
}

int64_t weft_conn_read(weft_conn *conn, void *buffer, size_t size)
{
	return weft_conn_read_until(conn, buffer, size, WEFT_NEVER);
}

int64_t weft_conn_read_until(weft_conn *conn, void *buffer, size_t size, int64_t deadline)
{
	const weft_iovec piece = { buffer, size };

	return conn_move_pieces(conn, WEFT_READABLE, &piece, 1, deadline);
}

int64_t weft_conn_readv_until(weft_conn *conn, const weft_iovec *pieces, int count,
			      int64_t deadline)
{
	return conn_move_pieces(conn, WEFT_READABLE, pieces, count, deadline);
}

int64_t weft_conn_write_until(weft_conn *conn, const void *buffer, size_t size, int64_t deadline)
{
	const weft_iovec piece = { (void *)(uintptr_t)buffer, size };

	return conn_move_pieces(conn, WEFT_WRITABLE, &piece, 1, deadline);
}

int64_t weft_conn_writev_until(weft_conn *conn, const weft_iovec *pieces, int count,
			       int64_t deadline)
{
	return conn_move_pieces(conn, WEFT_WRITABLE, pieces, count, deadline);
}

/* Until all has moved, or none moves any more. */
static int conn_move_all(weft_conn *conn, enum weft_side side, void *buffer, size_t size,
			 size_t *done, int64_t deadline)
{
	size_t moved = 0;
	int64_t n = size > SIZE_MOST ? -EINVAL : 1;

	while (n > 0 && moved < size) {
		const weft_iovec piece = { (char *)buffer + moved, size - moved };

		n = conn_move(conn, side, &piece, 1, piece.size, deadline);
		if (n > 0)
			moved += (size_t)n;
	}
	if (done)
		*done = moved;
	return n == 0 ? -ENODATA : n < 0 ? (int)n : 0;
}

int weft_conn_read_full_until(weft_conn *conn, void *buffer, size_t size, size_t *done,
			      int64_t deadline)
{
	return conn_move_all(conn, WEFT_READABLE, buffer, size, done, deadline);
}

int weft_conn_write_all_until(weft_conn *conn, const void *buffer, size_t size, size_t *done,
			      int64_t deadline)
{
	return conn_move_all(conn, WEFT_WRITABLE, (void *)(uintptr_t)buffer, size, done, deadline);
}

int weft_conn_write(weft_conn *conn, const void *buffer, size_t size)
{
	return weft_conn_write_all_until(conn, buffer, size, NULL, WEFT_NEVER);
}

weft_case weft_case_conn(weft_conn *conn, enum weft_side side)
{
	return conn->kind->ready(conn, side);
}

int weft_conn_shutdown(weft_conn *conn, enum weft_shutdown how)
{
	return how > WEFT_SHUTDOWN_BOTH ? -EINVAL : conn->kind->shutdown(conn, how);
}

void weft_conn_close(weft_conn *conn)
{
	if (conn)
		conn->kind->close(conn, false);
}

void weft_conn_abort(weft_conn *conn)
{
	if (conn)
		conn->kind->close(conn, true);
}

int weft_conn_set(weft_conn *conn, enum weft_conn_option option, int value)
{
	return conn->kind->set(conn, option, value);
}

int weft_conn_get(const weft_conn *conn, enum weft_conn_option option, int *value)
{
	return conn->kind->get(conn, option, value);
}

void weft_conn_local(const weft_conn *conn, weft_address *out)
{
	conn->kind->address(conn, false, out);
}

void weft_conn_peer(const weft_conn *conn, weft_address *out)
{
	conn->kind->address(conn, true, out);
}

int weft_conn_fd(const weft_conn *conn)
{
	return conn->kind->fd(conn);
}
