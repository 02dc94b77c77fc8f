/* SPDX-License-Identifier: MIT */
/*
 * Connections have kinds: what the calls of <weft/net.h> are made of. One kind is a
 * descriptor; the network of the deterministic mode is another.
 *
 * A kind has tries, which never wait, and a wait; conn.c makes the calls of them. All
 * are called for a side by several parties at a time.
 */
#ifndef WEFT_IO_CONN_H
#define WEFT_IO_CONN_H

#include "sys/io.h"
#include "weft/net.h"

struct weft__pollee;

struct weft__conn_kind {
	const char *name;
	/* A count, -EAGAIN, -errno. `size` is that of all pieces, and not 0. */
	int64_t (*read)(weft_conn *conn, const weft_iovec *pieces, int count, size_t size);
	int64_t (*write)(weft_conn *conn, const weft_iovec *pieces, int count, size_t size);
	/* The next read asks the system, though the stream is known to have been emptied:
	 * what has come since may not have been told yet. NULL: reads always do. */
	void (*doubt)(weft_conn *conn);
	/* Until another try is worth it: 0 or -errno. */
	int (*wait)(weft_conn *conn, enum weft_side side, int64_t deadline);
	weft_case (*ready)(weft_conn *conn, enum weft_side side);
	int (*shutdown)(weft_conn *conn, enum weft_shutdown how);
	void (*close)(weft_conn *conn, bool abort);
	int (*set)(weft_conn *conn, enum weft_conn_option option, int value);
	int (*get)(const weft_conn *conn, enum weft_conn_option option, int *value);
	void (*address)(const weft_conn *conn, bool peer, weft_address *out);
	int (*fd)(const weft_conn *conn);
};

struct weft_conn {
	const struct weft__conn_kind *kind;
};

/* A connection that owns the descriptor, of a kind that is known, and which was
 * unblocked: 0 or -ENOMEM; then it is still the caller's. */
int weft__conn_make(weft_conn **out, int fd, enum weft__fd_kind kind);

/* The same for a descriptor that is waited for already; the pollee, too, is the
 * connection's on success. */
int weft__conn_adopt(weft_conn **out, struct weft__pollee *pollee, int fd,
		     enum weft__fd_kind kind);

#endif
