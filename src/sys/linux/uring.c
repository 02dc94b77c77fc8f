/* SPDX-License-Identifier: MIT */
/*
 * io_uring by liburing, where it was there at build time.
 *
 * A ring belongs to one thread, and the kernel does its deferred work only when that
 * thread waits: no interrupt of what runs, and no lock around the ring. That mode is
 * Linux 6.1's; older kernels count as refusing, as what they offer instead is not
 * better than epoll. A ring is made disabled, so that its owner may be another
 * thread than its maker.
 */
#define _GNU_SOURCE

#include "sys/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#ifdef WEFT_LIBURING
static const char no_ring[] = "this kernel has none";
#else
static const char no_ring[] = "this build of Weft had no liburing";
#endif

const char *weft__uring_why(int error)
{
	char setting = '0';
	int fd;

	switch (error) {
	case -ENOSYS: return no_ring;
	case -EOPNOTSUPP: return "this kernel's is older than Linux 6.1";
	case -EMFILE:
	case -ENFILE: return "too many open files";
	case -ENOMEM: return "there is no memory for its rings";
	case -EPERM:
	case -EACCES: break;
	default: return "the kernel refuses to make a ring";
	}
	fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, &setting, 1) != 1)
			setting = '0';
		close(fd);
	}
	return setting == '0' ? "a sandbox forbids it"
			      : "sysctl kernel.io_uring_disabled forbids it";
}

#ifdef WEFT_LIBURING

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { ENTRIES = 256, COMPLETIONS = 4096 };

struct weft__uring {
	struct io_uring ring;
	bool enabled;
};

/* Of requests whose end interests nobody. */
#define NOBODY UINT64_MAX

_Static_assert(sizeof(weft_iovec) == sizeof(struct iovec) &&
		       offsetof(weft_iovec, size) == offsetof(struct iovec, iov_len),
	       "pieces are handed to the kernel as they are");

int weft__uring_open(struct weft__uring **out)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED |
			 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG,
		.cq_entries = COMPLETIONS,
	};
	struct weft__uring *ring = weft__alloc_zero(1, sizeof(*ring));
	int err;

	*out = NULL;
	if (!ring)
		return -ENOMEM;
	err = io_uring_queue_init_params(ENTRIES, &ring->ring, &params);
	if (err < 0) {
		weft__release(ring);
		return err == -EINVAL ? -EOPNOTSUPP : err;
	}
	*out = ring;
	return 0;
}

void weft__uring_close(struct weft__uring *ring)
{
	if (!ring)
		return;
	io_uring_queue_exit(&ring->ring);
	weft__release(ring);
}

/* The caller is the owner. */
static struct io_uring *enabled(struct weft__uring *ring)
{
	int err;

	if (WEFT_LIKELY(ring->enabled))
		return &ring->ring;
	err = io_uring_register(ring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (err < 0)
		weft__die("io_uring: cannot enable a ring: %s", strerror(-err));
	ring->enabled = true;
	return &ring->ring;
}

static struct io_uring_sqe *request(struct weft__uring *ring)
{
	struct io_uring *r = enabled(ring);
	struct io_uring_sqe *sqe = io_uring_get_sqe(r);

	while (!sqe) {
		int err = io_uring_submit_and_get_events(r);

		if (err < 0 && err != -EINTR && err != -EAGAIN && err != -EBUSY)
			weft__die("io_uring: cannot submit: %s", strerror(-err));
		sqe = io_uring_get_sqe(r);
	}
	return sqe;
}

void weft__uring_watch(struct weft__uring *ring, int fd, uint64_t what)
{
	struct io_uring_sqe *sqe = request(ring);

	io_uring_prep_poll_multishot(sqe, fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP);
	io_uring_sqe_set_data64(sqe, what);
}

void weft__uring_cancel(struct weft__uring *ring, uint64_t what)
{
	struct io_uring_sqe *sqe = request(ring);

	io_uring_prep_cancel64(sqe, what, 0);
	io_uring_sqe_set_data64(sqe, NOBODY);
	io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
}

void weft__uring_start(struct weft__uring *ring, const struct weft__uring_op *op, uint64_t what)
{
	struct io_uring_sqe *sqe = request(ring);
	const struct iovec *pieces = (const void *)op->pieces;

	switch (op->code) {
	case WEFT__OP_READ:
		io_uring_prep_readv(sqe, op->fd, pieces, (unsigned)op->count,
				    (uint64_t)op->offset);
		break;
	case WEFT__OP_WRITE:
		io_uring_prep_writev(sqe, op->fd, pieces, (unsigned)op->count,
				     (uint64_t)op->offset);
		break;
	case WEFT__OP_RECV:
		io_uring_prep_recv(sqe, op->fd, pieces->iov_base, pieces->iov_len, MSG_DONTWAIT);
		break;
	case WEFT__OP_SEND:
		io_uring_prep_send(sqe, op->fd, pieces->iov_base, pieces->iov_len,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case WEFT__OP_SYNC:
		io_uring_prep_fsync(sqe, op->fd, op->flags ? IORING_FSYNC_DATASYNC : 0);
		break;
	case WEFT__OP_OPEN:
		io_uring_prep_openat(sqe, AT_FDCWD, op->path, weft__file_flags(op->flags),
				     op->mode);
		break;
	case WEFT__OP_STAT:
		io_uring_prep_statx(sqe, op->path ? AT_FDCWD : op->fd, op->path ? op->path : "",
				    (op->path ? 0 : AT_EMPTY_PATH) |
					    (op->no_follow ? AT_SYMLINK_NOFOLLOW : 0),
				    STATX_BASIC_STATS, (void *)op->stat);
		break;
	}
	io_uring_sqe_set_data64(sqe, what);
}

void weft__uring_flush(struct weft__uring *ring)
{
	(void)io_uring_submit_and_get_events(enabled(ring));
}

/* Enters the kernel if it has something for us, or we for it, or we are to wait. */
static int enter(struct io_uring *r, int64_t deadline)
{
	struct __kernel_timespec span;
	struct io_uring_cqe *cqe;
	int64_t left = 0;

	if (deadline > 0 && deadline != WEFT_NEVER)
		left = deadline - weft_now();
	if (io_uring_cq_ready(r) || (deadline != WEFT_NEVER && left <= 0)) {
		if (io_uring_sq_ready(r) == 0 && !io_uring_cq_has_overflow(r) &&
		    !(IO_URING_READ_ONCE(*r->sq.kflags) & IORING_SQ_TASKRUN))
			return 0;
		return io_uring_submit_and_get_events(r);
	}
	if (deadline == WEFT_NEVER)
		return io_uring_submit_and_wait(r, 1);
	span.tv_sec = left / WEFT_SECOND;
	span.tv_nsec = left % WEFT_SECOND;
	return io_uring_submit_and_wait_timeout(r, &cqe, 1, &span, NULL);
}

int weft__uring_wait(struct weft__uring *ring, struct weft__done *out, int most, int64_t deadline)
{
	struct io_uring *r = enabled(ring);
	int err = enter(r, deadline);
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;
	int count = 0;

	if (err < 0 && err != -EINTR && err != -ETIME && err != -EAGAIN && err != -EBUSY)
		weft__die("io_uring: cannot wait: %s", strerror(-err));
	io_uring_for_each_cqe(r, head, cqe)
	{
		if (count == most)
			break;
		seen++;
		if (cqe->user_data == NOBODY)
			continue;
		out[count].what = cqe->user_data;
		out[count].result = cqe->res;
		out[count].more = cqe->flags & IORING_CQE_F_MORE;
		out[count].left = cqe->flags & IORING_CQE_F_SOCK_NONEMPTY;
		count++;
	}
	io_uring_cq_advance(r, seen);
	return count;
}

#else

int weft__uring_open(struct weft__uring **out)
{
	*out = NULL;
	return -ENOSYS;
}

void weft__uring_close(struct weft__uring *ring)
{
	(void)ring;
}

/* No ring was made, so nobody can call these. */

void weft__uring_watch(struct weft__uring *ring, int fd, uint64_t what)
{
	(void)ring, (void)fd, (void)what;
}

void weft__uring_cancel(struct weft__uring *ring, uint64_t what)
{
	(void)ring, (void)what;
}

void weft__uring_start(struct weft__uring *ring, const struct weft__uring_op *op, uint64_t what)
{
	(void)ring, (void)op, (void)what;
}

void weft__uring_flush(struct weft__uring *ring)
{
	(void)ring;
}

int weft__uring_wait(struct weft__uring *ring, struct weft__done *out, int most, int64_t deadline)
{
	(void)ring, (void)out, (void)most, (void)deadline;
	return 0;
}

#endif
