/* SPDX-License-Identifier: MIT */
/*
 * Files. A call is written down in a record, and carried out by whoever suits: the
 * system at once, if it has everything in memory; io_uring, unless the fiber migrates; a
 * thread of the blocking pool; or, on a thread that runs no fiber, the caller itself.
 */
#include <errno.h>
#include <string.h>

#include "rt/blocking.h"
#include "rt/poller.h"
#include "rt/rt.h"
#include "sys/io.h"
#include "weft/cancel.h"
#include "weft/file.h"

struct weft_file {
	int fd;
	/* The file system cannot tell whether a write would have to wait. */
	weft_atomic_bool writes_wait;
};

/* What rename and its like want done; nobody but a thread can. */
enum { PATH_RENAME, PATH_REMOVE, PATH_REMOVE_DIRECTORY, PATH_MAKE_DIRECTORY, PATH_SYNC };

/* ---- carrying out ------------------------------------------------------------------- */

static int64_t op_by_hand(const struct weft__uring_op *op)
{
	switch (op->code) {
	case WEFT__OP_READ: return weft__file_read(op->fd, op->pieces, op->count, op->offset);
	case WEFT__OP_WRITE: return weft__file_write(op->fd, op->pieces, op->count, op->offset);
	case WEFT__OP_SYNC: return weft__file_sync(op->fd, op->flags);
	case WEFT__OP_OPEN: return weft__file_open(op->path, op->flags, op->mode);
	case WEFT__OP_STAT: return weft__file_stat(op->fd, op->path, op->no_follow, op->stat);
	case WEFT__OP_RECV: return weft__socket_read(op->fd, op->pieces, op->count);
	case WEFT__OP_SEND: return weft__socket_write(op->fd, op->pieces, op->count);
	}
	return -EINVAL;
}

struct by_hand {
	const struct weft__uring_op *op;
	int64_t result;
};

static int run_by_hand(void *arg)
{
	struct by_hand *call = arg;

	call->result = op_by_hand(call->op);
	return 0;
}

static int64_t op_run(const struct weft__uring_op *op, int64_t deadline)
{
	struct weft__poller *poller = weft__poller_for_ops();
	struct by_hand call = { .op = op };
	struct weft__op record;
	int err;

	if (weft_cancelled())
		return -ECANCELED;
	if (deadline != WEFT_NEVER && weft_now() >= deadline)
		return -ETIMEDOUT;
	if (poller && weft__rt_worker_self()) {
		record.what = *op;
		return weft__poller_run(poller, &record, deadline);
	}
	err = weft__blocking_run(WEFT__LANE_GENERAL, run_by_hand, &call);
	return err < 0 ? err : call.result;
}

/* ---- files -------------------------------------------------------------------------- */

static int file_make(weft_file **out, int fd)
{
	*out = weft__alloc_zero(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->fd = fd;
	return 0;
}

int weft_file_open(weft_file **out, const char *path, unsigned flags, unsigned mode)
{
	return weft_file_open_until(out, path, flags, mode, WEFT_NEVER);
}

int weft_file_open_until(weft_file **out, const char *path, unsigned flags, unsigned mode,
			 int64_t deadline)
{
	const struct weft__uring_op op = {
		.code = WEFT__OP_OPEN,
		.path = path,
		.flags = flags,
		.mode = mode,
	};
	int fd = weft__file_flags(flags);
	int err;

	*out = NULL;
	if (fd >= 0)
		fd = (int)op_run(&op, deadline);
	if (fd < 0)
		return fd;
	err = file_make(out, fd);
	if (err < 0)
		(void)weft__fd_close(fd);
	return err;
}

int weft_file_from_fd(weft_file **out, int fd)
{
	*out = NULL;
	return weft__fd_kind(fd) == WEFT__FD_FILE ? file_make(out, fd) : -EINVAL;
}

int weft_file_close(weft_file *file)
{
	int err;

	if (!file)
		return 0;
	err = weft__fd_close(file->fd);
	weft__release(file);
	return err;
}

int weft_file_fd(const weft_file *file)
{
	return file->fd;
}

/* In a fiber: what can be done without waiting, or -EAGAIN. */
static int64_t move_now(weft_file *file, const struct weft__uring_op *op)
{
	int64_t n;

	if (op->code == WEFT__OP_READ)
		n = weft__file_read_now(op->fd, op->pieces, op->count, op->offset);
	else if (weft_load_relaxed(&file->writes_wait))
		return -EAGAIN;
	else
		n = weft__file_write_now(op->fd, op->pieces, op->count, op->offset);
	if (n != -EOPNOTSUPP && n != -ENOSYS)
		return n;
	if (op->code == WEFT__OP_WRITE)
		weft_store_relaxed(&file->writes_wait, true);
	return -EAGAIN;
}

static int64_t move(weft_file *file, enum weft__op_code code, const weft_iovec *pieces, int count,
		    int64_t offset, int64_t deadline)
{
	const struct weft__uring_op op = {
		.code = code,
		.fd = file->fd,
		.pieces = pieces,
		.count = count,
		.offset = offset,
	};

	if (count < 0 || count > WEFT_IOVEC_MAX || (count > 0 && !pieces) || offset < -1)
		return -EINVAL;
	if (weft__rt_worker_self()) {
		int64_t n;

		if (weft__budget_spend() && weft_cancelled())
			return -ECANCELED;
		n = move_now(file, &op);
		if (n != -EAGAIN)
			return n;
	}
	return op_run(&op, deadline);
}

int64_t weft_file_read(weft_file *file, void *buffer, size_t size)
{
	const weft_iovec piece = { buffer, size };

	return move(file, WEFT__OP_READ, &piece, 1, -1, WEFT_NEVER);
}

int64_t weft_file_readv_until(weft_file *file, const weft_iovec *pieces, int count,
			      int64_t deadline)
{
	return move(file, WEFT__OP_READ, pieces, count, -1, deadline);
}

int64_t weft_file_writev_until(weft_file *file, const weft_iovec *pieces, int count,
			       int64_t deadline)
{
	return move(file, WEFT__OP_WRITE, pieces, count, -1, deadline);
}

int weft_file_write(weft_file *file, const void *buffer, size_t size)
{
	return weft_file_write_all_until(file, buffer, size, NULL, WEFT_NEVER);
}

int weft_file_write_all_until(weft_file *file, const void *buffer, size_t size, size_t *done,
			      int64_t deadline)
{
	size_t written = 0;
	int64_t n = 0;

	while (written < size) {
		const weft_iovec piece = { (char *)(uintptr_t)buffer + written, size - written };

		n = move(file, WEFT__OP_WRITE, &piece, 1, -1, deadline);
		if (n <= 0)
			break;
		written += (size_t)n;
	}
	if (done)
		*done = written;
	if (written == size)
		return 0;
	return n < 0 ? (int)n : -EIO; /* a write of nothing, though there was something */
}

int64_t weft_file_read_at_until(weft_file *file, void *buffer, size_t size, int64_t offset,
				int64_t deadline)
{
	const weft_iovec piece = { buffer, size };

	return offset < 0 ? -EINVAL : move(file, WEFT__OP_READ, &piece, 1, offset, deadline);
}

int64_t weft_file_write_at_until(weft_file *file, const void *buffer, size_t size, int64_t offset,
				 int64_t deadline)
{
	const weft_iovec piece = { (void *)(uintptr_t)buffer, size };

	return offset < 0 ? -EINVAL : move(file, WEFT__OP_WRITE, &piece, 1, offset, deadline);
}

int weft_file_sync(weft_file *file, bool data_only)
{
	const struct weft__uring_op op = {
		.code = WEFT__OP_SYNC,
		.fd = file->fd,
		.flags = data_only,
	};

	return (int)op_run(&op, WEFT_NEVER);
}

static int stat_run(struct weft__uring_op *op, weft_file_info *out)
{
	struct weft__raw_stat raw;
	int err;

	op->stat = &raw;
	err = (int)op_run(op, WEFT_NEVER);
	if (err == 0)
		weft__file_info(&raw, out);
	return err;
}

int weft_file_stat(weft_file *file, weft_file_info *out)
{
	struct weft__uring_op op = { .code = WEFT__OP_STAT, .fd = file->fd };

	return stat_run(&op, out);
}

int weft_path_stat(const char *path, bool no_follow, weft_file_info *out)
{
	struct weft__uring_op op = {
		.code = WEFT__OP_STAT,
		.fd = -1,
		.path = path,
		.no_follow = no_follow,
	};

	return stat_run(&op, out);
}

/* ---- what only a thread can do ------------------------------------------------------ */

struct truncation {
	int fd;
	int64_t size;
};

static int run_truncation(void *arg)
{
	const struct truncation *t = arg;

	return weft__file_truncate(t->fd, t->size);
}

int weft_file_truncate(weft_file *file, int64_t size)
{
	struct truncation t = { file->fd, size };

	if (size < 0)
		return -EINVAL;
	return weft_cancelled() ? -ECANCELED
				: weft__blocking_run(WEFT__LANE_GENERAL, run_truncation, &t);
}

struct path_call {
	int what;
	const char *path, *to;
	unsigned mode;
};

static int run_path(void *arg)
{
	const struct path_call *call = arg;

	switch (call->what) {
	case PATH_RENAME: return weft__path_rename(call->path, call->to);
	case PATH_REMOVE: return weft__path_remove(call->path, false);
	case PATH_REMOVE_DIRECTORY: return weft__path_remove(call->path, true);
	case PATH_MAKE_DIRECTORY: return weft__path_make_directory(call->path, call->mode);
	default: return weft__path_sync_directory(call->path);
	}
}

static int path_run(int what, const char *path, const char *to, unsigned mode)
{
	struct path_call call = { what, path, to, mode };

	return weft_cancelled() ? -ECANCELED
				: weft__blocking_run(WEFT__LANE_GENERAL, run_path, &call);
}

int weft_path_rename(const char *from, const char *to)
{
	return path_run(PATH_RENAME, from, to, 0);
}

int weft_path_remove(const char *path)
{
	return path_run(PATH_REMOVE, path, NULL, 0);
}

int weft_path_remove_directory(const char *path)
{
	return path_run(PATH_REMOVE_DIRECTORY, path, NULL, 0);
}

int weft_path_make_directory(const char *path, unsigned mode)
{
	return path_run(PATH_MAKE_DIRECTORY, path, NULL, mode);
}

int weft_path_sync_directory(const char *path)
{
	return path_run(PATH_SYNC, path, NULL, 0);
}
