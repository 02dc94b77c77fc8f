/* SPDX-License-Identifier: MIT */
/*
 * Streams of bytes between processes: TCP, Unix sockets, pipes.
 *
 *     weft_listener *listener;
 *     int err = weft_listen(&listener, "127.0.0.1:7000", NULL);
 *     ...
 *     while ((err = weft_accept(listener, &conn)) == 0)
 *         err = weft_scope_spawn(&scope, serve, conn, NULL);
 *
 * Written like blocking calls, from threads and fibers alike. A call that can go on at
 * once does; else it waits until it can (0 in the deadline: not at all), until the
 * deadline, -ETIMEDOUT, or until the caller's scope is cancelled, -ECANCELED. Then
 * nothing has been read or written but what the call reports. In a scope that is cancelled
 * calls that need not wait go on for a while, at most some hundred in a row, and then say
 * -ECANCELED as well: no peer can keep it open by being fast. No call ever raises
 * SIGPIPE: to write to a stream that nobody reads is -EPIPE, or -ECONNRESET.
 *
 * The child of a fork() may close what it inherited, and use it; its parent goes on.
 *
 * A connection may be read by some and written by others at the same time. Ends are
 * agreed upon: who closes one has seen to it that nobody else uses it.
 *
 * Addresses are text, "127.0.0.1:80", "[::1]:80", "*:80" (any, to listen), "unix:/path",
 * "unix:@abstract", and where a call can wait also "name:port" and "name:service".
 */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <weft/io.h>

WEFT_BEGIN_DECLS

/* ---- addresses --------------------------------------------------------------------- */

/* An address as the system has it. */
typedef struct weft_address {
	WEFT_ALIGNED(8) unsigned char bytes[128];
	uint32_t size;
} weft_address;

/* Most addresses of one name that are looked at. */
#define WEFT_ADDRESSES_MAX 16

/* Room for any address as text. */
#define WEFT_ADDRESS_TEXT 128

/* Reads an address without names: 0, or -EINVAL. Never blocks. */
WEFT_API WEFT_NODISCARD int weft_address_parse(weft_address *out, const char *text);

/* Writes it as text that parse understands, "" if it is none; returns `text`, which
 * has room for WEFT_ADDRESS_TEXT bytes. */
WEFT_API const char *weft_address_format(const weft_address *address, char *text);

/* The port, 0 if it has none. */
WEFT_API int weft_address_port(const weft_address *address);

/* Looks up all addresses of "name:port", at most `most`, in the order in which they
 * should be tried: their number. -ENOENT (no such name), -EAGAIN (the name servers do
 * not answer now, or too many ask), -EINVAL, -ENOMEM, -ETIMEDOUT, -ECANCELED. */
WEFT_API WEFT_NODISCARD int weft_resolve_until(weft_address *out, int most, const char *name,
					       int64_t deadline);

/* ---- listeners ----------------------------------------------------------------------- */

typedef struct weft_listener weft_listener;
typedef struct weft_conn weft_conn;

/* Zero means default. */
typedef struct weft_listen_opts {
	int backlog;     /* connections that wait for accept; 0: as many as the system allows */
	bool reuse_port; /* several listeners on one port, which share the connections */
	bool delay;      /* leave small writes to be collected (Nagle); see WEFT_NODELAY */
	bool v6_only;    /* "[::]:80" is not for IPv4 */
} weft_listen_opts;

/* Listens at an address, which cannot be a name; `opts` may be NULL. A Unix path that is
 * left over from a listener that is gone is replaced. 0, -EINVAL (no address, or options
 * that it has not), -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EMFILE, -ENOMEM ...; *out is
 * NULL on failure. */
WEFT_API WEFT_NODISCARD int weft_listen(weft_listener **out, const char *address,
					const weft_listen_opts *opts);

/* Takes over a descriptor that listens (from a service manager): the listener's on
 * success. 0, -EINVAL (it does not listen, or not for streams), -EBADF, -ENOMEM; *out is
 * NULL on failure. */
WEFT_API WEFT_NODISCARD int weft_listener_from_fd(weft_listener **out, int fd);

/* Its address, with the port that the system chose for port 0. */
WEFT_API void weft_listener_address(const weft_listener *listener, weft_address *out);

/* Waits for a connection: 0, -ETIMEDOUT, -ECANCELED, -ENOMEM. Connections that failed
 * before they were accepted are passed over. When the process has no descriptor left,
 * peers stay in the backlog and the call waits, looking now and then, and counts a
 * shortage. Several may accept at a time. *out is NULL on failure. */
WEFT_API WEFT_NODISCARD int weft_accept(weft_listener *listener, weft_conn **out);
WEFT_API WEFT_NODISCARD int weft_accept_until(weft_listener *listener, weft_conn **out,
					      int64_t deadline);

/* How often accept found that there was no descriptor, or no memory, for a connection. */
WEFT_API uint64_t weft_listener_shortages(const weft_listener *listener);

/* A select case: accept will probably not have to wait. */
WEFT_API weft_case weft_case_listener(weft_listener *listener);

/* Ends it; its address is free when this returns, and a Unix path is removed, but not by
 * the child of a fork(). Nobody may be in accept. May wait for a moment, whatever the
 * ambient token. */
WEFT_API void weft_listener_close(weft_listener *listener);

/* ---- connecting ---------------------------------------------------------------------- */

/* Connects to an address or a name. If there are several addresses they are tried in
 * turns, the next whenever one has failed or has not answered for 250 ms, and the
 * first connection wins (RFC 8305). 0; the error of the last attempt; those of
 * weft_resolve_until(). *out is NULL on failure, and no attempt is left behind. */
WEFT_API WEFT_NODISCARD int weft_connect(weft_conn **out, const char *address);
WEFT_API WEFT_NODISCARD int weft_connect_until(weft_conn **out, const char *address,
					       int64_t deadline);

/* The same for addresses that are known: 1 to WEFT_ADDRESSES_MAX, else -EINVAL. */
WEFT_API WEFT_NODISCARD int weft_connect_to_until(weft_conn **out, const weft_address *addresses,
						  int count, int64_t deadline);

/* Two connections that are joined: what is written to one is read from the other. 0,
 * -EMFILE, -ENFILE, -ENOMEM; both are NULL on failure. */
WEFT_API WEFT_NODISCARD int weft_conn_pair(weft_conn **a, weft_conn **b);

/* A pipe: what is written to the one is read from the other. As for weft_conn_pair(). */
WEFT_API WEFT_NODISCARD int weft_pipe(weft_conn **reader, weft_conn **writer);

/* Takes over a descriptor of a stream: a socket, a pipe, a terminal. On success it is
 * the connection's, and non-blocking from then on, for everybody who shares it. What is
 * put on top of TCP (the kernel's TLS) is put there before. 0, -EINVAL (a file, or a
 * socket that carries messages), -EBADF, -ENOMEM; *out is NULL on failure. */
WEFT_API WEFT_NODISCARD int weft_conn_from_fd(weft_conn **out, int fd);

/* ---- reading and writing --------------------------------------------------------------- */

/* Reads what is there, at most `size` bytes: their number, 0 at the stream's end (and
 * for size 0), or -errno. */
WEFT_API WEFT_NODISCARD int64_t weft_conn_read(weft_conn *conn, void *buffer, size_t size);
WEFT_API WEFT_NODISCARD int64_t weft_conn_read_until(weft_conn *conn, void *buffer, size_t size,
						     int64_t deadline);
WEFT_API WEFT_NODISCARD int64_t weft_conn_readv_until(weft_conn *conn, const weft_iovec *pieces,
						      int count, int64_t deadline);

/* Reads until the buffer is full: 0; -ENODATA at the stream's end; or -errno. *done
 * (unless NULL) is how much was read, in each case. */
WEFT_API WEFT_NODISCARD int weft_conn_read_full_until(weft_conn *conn, void *buffer, size_t size,
						      size_t *done, int64_t deadline);

/* Writes as much as there is room for, at least a byte: the number, or -errno. */
WEFT_API WEFT_NODISCARD int64_t weft_conn_write_until(weft_conn *conn, const void *buffer,
						      size_t size, int64_t deadline);
WEFT_API WEFT_NODISCARD int64_t weft_conn_writev_until(weft_conn *conn, const weft_iovec *pieces,
						       int count, int64_t deadline);

/* Writes all of it: 0 or -errno; *done (unless NULL) is how much was written, in each
 * case. */
WEFT_API WEFT_NODISCARD int weft_conn_write(weft_conn *conn, const void *buffer, size_t size);
WEFT_API WEFT_NODISCARD int weft_conn_write_all_until(weft_conn *conn, const void *buffer,
						      size_t size, size_t *done, int64_t deadline);

/* A select case: a read, or write, will probably not have to wait. */
WEFT_API weft_case weft_case_conn(weft_conn *conn, enum weft_side side);

/* Copies from one to the other until the end of `from`, and then ends the writing side
 * of `to`, unless that is a pipe, which has to be closed: 0 or -errno. *copied (unless
 * NULL) is what has gone over, in each case. */
WEFT_API WEFT_NODISCARD int weft_conn_copy_until(weft_conn *from, weft_conn *to, int64_t *copied,
						 int64_t deadline);

/* The same both ways at once, each direction with its own end, as a proxy does. */
WEFT_API WEFT_NODISCARD int weft_conn_copy_both_until(weft_conn *a, weft_conn *b, int64_t *a_to_b,
						      int64_t *b_to_a, int64_t deadline);

/* ---- the rest ---------------------------------------------------------------------------- */

enum weft_shutdown {
	WEFT_SHUTDOWN_READ,  /* reads find the end */
	WEFT_SHUTDOWN_WRITE, /* the peer's reads find the end, when it has read the rest */
	WEFT_SHUTDOWN_BOTH,
};

/* Ends one direction or both, for everybody who shares the connection; whoever waits in
 * it is woken. 0, -ENOTCONN, -EOPNOTSUPP (a pipe: close it). Any thread. */
WEFT_API int weft_conn_shutdown(weft_conn *conn, enum weft_shutdown how);

/* Ends it. What was written is still delivered. Nobody may be using it. */
WEFT_API void weft_conn_close(weft_conn *conn);

/* Ends it at once, with a reset where the protocol has one: what is under way is lost. */
WEFT_API void weft_conn_abort(weft_conn *conn);

enum weft_conn_option {
	WEFT_NODELAY,     /* TCP: send small writes at once; on unless told otherwise */
	WEFT_KEEPALIVE,   /* TCP: seconds of silence before the peer is asked; 0: off */
	WEFT_SEND_BUFFER, /* bytes in the kernel */
	WEFT_RECV_BUFFER,
	WEFT_USER_TIMEOUT, /* TCP: ms that sent data may stay unacknowledged; 0: default */
};

/* 0, or -errno: -EOPNOTSUPP where the stream has no such thing. */
WEFT_API int weft_conn_set(weft_conn *conn, enum weft_conn_option option, int value);
WEFT_API int weft_conn_get(const weft_conn *conn, enum weft_conn_option option, int *value);

/* Both ends' addresses; of size 0 where there is none. */
WEFT_API void weft_conn_local(const weft_conn *conn, weft_address *out);
WEFT_API void weft_conn_peer(const weft_conn *conn, weft_address *out);

/* The descriptor, which stays the connection's; -1 if it has none. */
WEFT_API int weft_conn_fd(const weft_conn *conn);

WEFT_END_DECLS

#endif
