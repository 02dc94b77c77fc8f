/* SPDX-License-Identifier: MIT */
/*
 * Both kinds of connections of tour_line.h, and those who use them.
 */
#include "tour_line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/event.h>
#include <weft/fiber.h>

static int open_plain(struct line *line, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	line->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (line->fd < 0)
		return -errno;
	if (connect(line->fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int err = -errno;

		close(line->fd);
		return err;
	}
	setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return 0;
}

int line_open(struct line *line, int port, bool plain)
{
	char address[32];

	*line = (struct line){ .fd = -1 };
	if (plain)
		return open_plain(line, port);
	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	return weft_connect(&line->conn, address);
}

int line_send(struct line *line, const void *bytes, size_t len)
{
	const char *at = bytes;

	if (line->conn)
		return weft_conn_write(line->conn, bytes, len);
	while (len > 0) {
		ssize_t n = send(line->fd, at, len, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int64_t line_read(struct line *line, void *bytes, size_t room)
{
	ssize_t n;

	if (line->conn)
		return weft_conn_read(line->conn, bytes, room);
	n = recv(line->fd, bytes, room, 0);
	return n < 0 ? -errno : n;
}

int line_read_full(struct line *line, void *bytes, size_t len)
{
	for (size_t done = 0; done < len;) {
		int64_t n = line_read(line, (char *)bytes + done, len - done);

		if (n <= 0)
			return n < 0 ? (int)n : -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

void line_close(struct line *line)
{
	if (line->conn)
		weft_conn_close(line->conn);
	else
		close(line->fd);
}

/* ---- many at once ------------------------------------------------------------------- */

static int run_fibers(int (*fn)(void *), void *items, size_t size, int count)
{
	weft_scope scope;
	int err = 0, closed;

	weft_scope_open(&scope);
	for (int i = 0; i < count && err == 0; i++)
		err = weft_scope_spawn(&scope, fn, (char *)items + (size_t)i * size, NULL);
	if (err)
		weft_scope_cancel(&scope);
	closed = weft_scope_close(&scope);
	return err ? err : closed;
}

/* Threads wait behind a gate until all have been made: they may wait for each other. */
struct gate {
	weft_event opened;
	bool abandoned;
};

struct plain_run {
	pthread_t thread;
	struct gate *gate;
	int (*fn)(void *);
	void *arg;
	int result;
};

static void *run_plain(void *arg)
{
	struct plain_run *run = arg;

	(void)!weft_event_wait(&run->gate->opened);
	if (!run->gate->abandoned)
		run->result = run->fn(run->arg);
	return NULL;
}

static int run_threads(int (*fn)(void *), void *items, size_t size, int count)
{
	struct plain_run *runs = calloc((size_t)count, sizeof(*runs));
	struct gate gate = { .opened = WEFT_EVENT_INIT };
	pthread_attr_t attr;
	int started = 0, err = 0;

	if (!runs)
		return -ENOMEM;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (size_t)256 * 1024);
	for (; started < count && err == 0; started += err == 0) {
		struct plain_run *run = &runs[started];

		run->gate = &gate;
		run->fn = fn;
		run->arg = (char *)items + (size_t)started * size;
		err = -pthread_create(&run->thread, &attr, run_plain, run);
	}
	gate.abandoned = err != 0;
	weft_event_set(&gate.opened);
	for (int i = 0; i < started; i++) {
		pthread_join(runs[i].thread, NULL);
		err = err ? err : runs[i].result;
	}
	pthread_attr_destroy(&attr);
	free(runs);
	return err;
}

int line_run_all(int (*fn)(void *), void *items, size_t size, int count, bool plain)
{
	return plain ? run_threads(fn, items, size, count) : run_fibers(fn, items, size, count);
}
