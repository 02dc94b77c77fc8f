/* SPDX-License-Identifier: MIT */
/*
 * Buffered output; see out.h.
 *
 * A write into a pipe that nobody reads blocks, and no signal is handled in the
 * writing thread. Where that can happen the descriptor is polled together with
 * the stop signal, and then no more is written at a time than a pipe that polls
 * as writable takes at once.
 */
#include "out.h"

#include "stop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_BYTES ((size_t)64 << 10)
#define FLUSH_AFTER_MS 50 /* longer than this nobody waits for a line */
#define STOP_WRITE_MS 60  /* time for the last lines after a signal */

void out_init(struct out *out, int fd)
{
	struct stat st;

	*out = (struct out){ .fd = fd, .until = WEFT_NEVER };
	out->may_block = fstat(fd, &st) != 0 || !S_ISREG(st.st_mode);
}

void out_fini(struct out *out)
{
	buf_free(&out->pending);
}

/* After a signal: polls until the time for last lines is over. */
static int await_reader_briefly(struct out *out)
{
	struct pollfd p = { .fd = out->fd, .events = POLLOUT };

	if (out->until == WEFT_NEVER)
		out->until = weft_after_ms(STOP_WRITE_MS);
	for (;;) {
		int64_t left = (out->until - weft_now()) / WEFT_MS;
		int n = poll(&p, 1, left > 0 ? (int)left : 0);

		if (n >= 0)
			return n == 0 ? -ECANCELED : 0;
		if (errno != EINTR)
			return -errno;
	}
}

static int await_reader(struct out *out)
{
	int err = stop_poll(out->fd, POLLOUT);

	return err == -ECANCELED ? await_reader_briefly(out) : err;
}

/* As much of these bytes as may be written at once: whole lines if there is one
 * that fits, so that giving up leaves no half of a line behind. */
static size_t portion(const char *at, size_t size)
{
	if (size <= PIPE_BUF)
		return size;
	const char *newline = memrchr(at, '\n', PIPE_BUF);
	return newline ? (size_t)(newline - at) + 1 : PIPE_BUF;
}

int out_flush(struct out *out)
{
	size_t done = 0;

	if (out->progress && out->pending.len > 0)
		progress_hide(out->progress);
	while (out->error == 0 && done < out->pending.len) {
		const char *at = out->pending.at + done;
		size_t size = out->pending.len - done;

		if (out->may_block) {
			out->error = await_reader(out);
			if (out->error)
				break;
			size = portion(at, size);
		}
		ssize_t n = write(out->fd, at, size);
		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			out->error = -errno;
	}
	buf_clear(&out->pending);
	return out->error;
}

int out_line(struct out *out, const struct buf *line)
{
	if (out->error)
		return out->error;
	if (out->pending.len == 0)
		out->since = weft_now();
	buf_bytes(&out->pending, line->at, line->len);
	if (!buf_ok(line) || !buf_ok(&out->pending))
		out->error = -ENOMEM;
	else if (out->pending.len >= FLUSH_BYTES)
		out_flush(out);
	return out->error;
}

int64_t out_due(const struct out *out)
{
	return out->pending.len == 0 ? WEFT_NEVER : out->since + FLUSH_AFTER_MS * WEFT_MS;
}
