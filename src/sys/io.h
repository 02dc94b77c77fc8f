/* SPDX-License-Identifier: MIT */
/*
 * The second half of the porting contract: descriptors, and who says when one is
 * ready.
 *
 * Nothing here waits for a peer: each call on a descriptor either does something at
 * once or says -EAGAIN (but for the calls on files, which take as long as a disk
 * does). Calls that a signal interrupts go on. Results are counts, or -errno.
 */
#ifndef WEFT_SYS_IO_H
#define WEFT_SYS_IO_H

#include "sys/sys.h"
#include "weft/file.h"
#include "weft/io.h"
#include "weft/net.h"

/* ---- any descriptor --------------------------------------------------------- */

/* Gives the descriptor back. Not to be repeated, whatever it returns. */
int weft__fd_close(int fd);

/* Another number for it, not inherited by other programs. */
int weft__fd_duplicate(int fd);

/* What kind of stream it is, if it is one. */
enum weft__fd_kind {
	WEFT__FD_OTHER,
	WEFT__FD_PIPE,
	WEFT__FD_SOCKET,
	WEFT__FD_TCP,      /* and nothing on top of it */
	WEFT__FD_MESSAGES, /* a socket that is no stream */
	WEFT__FD_FILE,
};
enum weft__fd_kind weft__fd_kind(int fd);

/* Calls on it do not wait from now on, whoever makes them. 0 or -errno. */
int weft__fd_unblock(int fd);

/* Read and write what can be at once: a count, -EAGAIN, -errno. A descriptor that was
 * unblocked, not a socket. Never raises a signal. */
int64_t weft__fd_read(int fd, const weft_iovec *pieces, int count);
int64_t weft__fd_write(int fd, const weft_iovec *pieces, int count);

/* A pipe, unblocked: reading end, writing end. */
int weft__fd_pipe(int fd[2]);

/* ---- sockets: all are made non-blocking and not inheritable ---------------------- */

int weft__socket_open(const weft_address *of_family);
int weft__socket_pair(int fd[2]);
int weft__socket_bind(int fd, const weft_address *address);
int weft__socket_listen(int fd, int backlog);
/* 0, or -EINVAL: it is none that listens. */
int weft__socket_listens(int fd);
/* 0, -EINPROGRESS (writable when it is decided), -EAGAIN (full, try again), -errno. */
int weft__socket_connect(int fd, const weft_address *address);
/* How an attempt to connect came out. */
int weft__socket_error(int fd);
/* A descriptor or -errno; -EAGAIN when nobody is there. */
int weft__socket_accept(int fd);
int64_t weft__socket_read(int fd, const weft_iovec *pieces, int count);
/* The same, and how much is left behind (the stream's end counts as something): of a TCP
 * socket that was told to count. */
int weft__socket_count(int fd);
int64_t weft__socket_read_left(int fd, const weft_iovec *pieces, int count, int *left);
int64_t weft__socket_write(int fd, const weft_iovec *pieces, int count);
int weft__socket_shutdown(int fd, enum weft_shutdown how);
/* Closing will reset. */
void weft__socket_abort(int fd);
int weft__socket_set(int fd, enum weft_conn_option option, int value);
int weft__socket_get(int fd, enum weft_conn_option option, int *value);
/* Before it is bound. */
enum weft__listen_option { WEFT__REUSE_ADDRESS, WEFT__REUSE_PORT, WEFT__V6_ONLY };
int weft__socket_prepare(int fd, enum weft__listen_option option, int value);
void weft__socket_local(int fd, weft_address *out);
void weft__socket_peer(int fd, weft_address *out);

/* ---- addresses --------------------------------------------------------------------- */

/* Family and port, or path, of an address without names; -EINVAL. `*wild` tells whether
 * it was "*". */
int weft__address_read(weft_address *out, const char *text, bool *wild);
void weft__address_write(const weft_address *address, char *text, size_t size);
int weft__address_port(const weft_address *address);
bool weft__address_is_tcp(const weft_address *address);
bool weft__address_is_v6(const weft_address *address);
/* The path of a Unix address in the file system, or NULL. */
const char *weft__address_path(const weft_address *address);
/* Removes the path, if it is a socket's. */
void weft__address_remove(const weft_address *address);
/* Looks a name up, for as long as it takes: a count or -errno. */
int weft__address_resolve(weft_address *out, int most, const char *host, const char *service);

/* ---- readiness --------------------------------------------------------------- */

/* What a descriptor is ready for. The last two are of streams: nothing more will
 * come after what is there; nothing can be written ever again. */
enum {
	WEFT__READABLE = 1,
	WEFT__WRITABLE = 2,
	WEFT__URGENT = 4, /* out-of-band data lie in the stream */
	WEFT__READ_END = 8,
	WEFT__HUNG_UP = 16,
	WEFT__FAILED = 32, /* the next call on it says what happened */
};

struct weft__ready {
	uint64_t what; /* as it was given when the descriptor was added */
	unsigned how;
};

/* What it is ready for just now, of the first three and with the others. */
int weft__fd_ready(int fd, unsigned how);

/* A set of descriptors that reports *changes*: each is reported once when it is
 * added, if it is ready then, and again each time more becomes possible. Adding and
 * removing: any thread, at any time. A report may still be under way when remove
 * returns. */
int weft__readiness_open(void);
int weft__readiness_add(int set, int fd, uint64_t what);
void weft__readiness_remove(int set, int fd);

/* Waits until the deadline for reports, and takes at most `most` of them; their
 * number. A signal may end it early. The owner of the set only. */
int weft__readiness_wait(int set, struct weft__ready *out, int most, int64_t deadline);

/* The same bits from a number as io_uring reports it. */
unsigned weft__ready_from(int events);

/* ---- alarms: a descriptor that becomes readable when somebody wants it -------- */

int weft__alarm_open(void);

/* Any thread; async-signal-safe; leaves errno alone. Each call is a change. */
void weft__alarm_ring(int alarm);

/* ---- files: these take as long as the disk does --------------------------------- */

/* `flags` of WEFT_FILE_*; a descriptor or -errno. */
int weft__file_open(const char *path, unsigned flags, unsigned mode);
/* What that is in the system's own flags, or -EINVAL. */
int weft__file_flags(unsigned flags);

/* At an offset, or with -1 at the file's position. */
int64_t weft__file_read(int fd, const weft_iovec *pieces, int count, int64_t offset);
int64_t weft__file_write(int fd, const weft_iovec *pieces, int count, int64_t offset);
/* The same if nothing has to be waited for; else -EAGAIN, or -EOPNOTSUPP. */
int64_t weft__file_read_now(int fd, const weft_iovec *pieces, int count, int64_t offset);
int64_t weft__file_write_now(int fd, const weft_iovec *pieces, int count, int64_t offset);

int weft__file_sync(int fd, bool data_only);
int weft__file_truncate(int fd, int64_t size);

/* What the system writes down about a file, and what that means. With a path, `fd` is
 * -1. */
struct weft__raw_stat {
	uint64_t words[32];
};
int weft__file_stat(int fd, const char *path, bool no_follow, struct weft__raw_stat *out);
void weft__file_info(const struct weft__raw_stat *raw, weft_file_info *out);

int weft__path_rename(const char *from, const char *to);
int weft__path_remove(const char *path, bool directory);
int weft__path_make_directory(const char *path, unsigned mode);
int weft__path_sync_directory(const char *path);

/* Calls each(arg, name, kind) for all but "." and "..", until it returns non-zero. */
int weft__dir_read(const char *path, int (*each)(void *arg, const char *name, int kind),
		   void *arg);

/* ---- io_uring ----------------------------------------------------------------- */

struct weft__uring;

/* Makes a ring, or says why the system refuses: -ENOSYS (no such thing, or it was not
 * built in), -EPERM (forbidden), -EOPNOTSUPP (too old), -EMFILE, -ENOMEM ... */
int weft__uring_open(struct weft__uring **out);
void weft__uring_close(struct weft__uring *ring);

/* What an error of weft__uring_open() means, as half a sentence. */
const char *weft__uring_why(int error);

/* All that follows is the owner's: the first thread that calls one of them. Requests
 * go to the kernel with the next wait, or now when there are too many, so none can
 * fail here; `what` comes back with what is done. */

/* Reports readiness again and again, as weft__readiness_add() does. */
void weft__uring_watch(struct weft__uring *ring, int fd, uint64_t what);

/* The request `what` is to end, and will say so itself with -ECANCELED. */
void weft__uring_cancel(struct weft__uring *ring, uint64_t what);

enum weft__op_code {
	WEFT__OP_READ,
	WEFT__OP_WRITE,
	WEFT__OP_SYNC,
	WEFT__OP_OPEN,
	WEFT__OP_STAT,
	WEFT__OP_RECV, /* what can be at once: of a socket, one piece */
	WEFT__OP_SEND,
};

struct weft__uring_op {
	enum weft__op_code code;
	int fd;
	unsigned flags; /* of opening: WEFT_FILE_*; of a sync: not 0 for the data only */
	unsigned mode;
	bool no_follow;
	int64_t offset; /* -1: the file's own position */
	const char *path;
	const struct weft_iovec *pieces; /* of reads and writes; stay until it is done */
	int count;
	struct weft__raw_stat *stat;
};

void weft__uring_start(struct weft__uring *ring, const struct weft__uring_op *op, uint64_t what);

/* Gives the kernel what it has not seen yet, and has it do what it can do at once. */
void weft__uring_flush(struct weft__uring *ring);

struct weft__done {
	uint64_t what;
	int result;
	bool more; /* it is not the last report of this request */
	bool left; /* it was a WEFT__OP_RECV, and there is more to be read */
};

/* Waits until the deadline for reports and takes at most `most`; their number. A
 * signal may end it early. A deadline of 0 enters the kernel only if there is cause. */
int weft__uring_wait(struct weft__uring *ring, struct weft__done *out, int most, int64_t deadline);

#endif
