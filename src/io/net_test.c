/* SPDX-License-Identifier: MIT */
/*
 * Goal: each call of <weft/net.h> does what it says, on sockets of each family and on
 * pipes: bytes come whole and in order, ends are ends, deadlines and cancellations end
 * a call with what it did reported and nothing done later. Method: both ends are here,
 * threads and fibers alike.
 */
/* CTest: on each reactor. */
#include "weft/net.h"

#include "check.h"
#include "io/pairs_test.h"
#include "rt/poller.h"
#include "team_test.h"
#include "weft/cancel.h"
#include "weft/fiber.h"
#include "weft/runtime.h"
#include "weft/select.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- bytes -------------------------------------------------------------------------- */

enum { STREAM = 4 * 1024 * 1024 };

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 13);
}

struct stream {
	weft_conn *conn;
	size_t chunk;
};

static int send_stream(void *arg)
{
	struct stream *s = arg;
	unsigned char *buffer = malloc(STREAM);
	size_t done;

	for (size_t i = 0; i < STREAM; i++)
		buffer[i] = byte_at(i);
	for (size_t at = 0; at < STREAM; at += done) {
		size_t size = STREAM - at < s->chunk ? STREAM - at : s->chunk;

		CHECK_EQ(weft_conn_write_all_until(s->conn, buffer + at, size, &done, WEFT_NEVER),
			 0);
		CHECK_EQ(done, size);
	}
	free(buffer);
	return 0;
}

static int receive_stream(void *arg)
{
	struct stream *s = arg;
	unsigned char *buffer = malloc(s->chunk);
	size_t at = 0;

	while (at < STREAM) {
		int64_t n = weft_conn_read(s->conn, buffer, s->chunk);

		CHECK_GT(n, 0);
		for (int64_t i = 0; i < n; i++, at++)
			CHECK_EQ(buffer[i], byte_at(at));
	}
	CHECK_EQ(at, STREAM);
	free(buffer);
	return 0;
}

static void send_on_thread(void *arg, int index)
{
	(void)index;
	send_stream(arg);
}

/* More than the kernel holds, in pieces that fit nowhere: threads and fibers. */
TEST(net_streams_come_whole_and_in_order)
{
	static const size_t sizes[] = { 997, 65536, 1000003 };

	for (int i = 0; i < KINDS * 3; i++) {
		struct team team = { .count = 0 };
		struct stream in, out;
		weft_fiber *fiber;

		make_pair(i % KINDS, &in.conn, &out.conn);
		in.chunk = sizes[i / KINDS];
		out.chunk = sizes[(i + 1) % 3];
		if (i & 1) {
			team_add(&team, 1, send_on_thread, &out);
			CHECK_EQ(weft_block_on(NULL, receive_stream, &in, NULL), 0);
			team_join(&team);
		} else {
			CHECK_EQ(weft_fiber_spawn(&fiber, send_stream, &out, NULL), 0);
			receive_stream(&in);
			CHECK_EQ(weft_fiber_join(fiber, NULL), 0);
		}
		weft_conn_close(in.conn);
		weft_conn_close(out.conn);
	}
}

TEST(net_pieces_are_scattered_and_gathered)
{
	for (int kind = 0; kind < KINDS; kind++) {
		char a[3], b[4], c[8];
		weft_iovec in[] = { { a, 3 }, { NULL, 0 }, { b, 4 }, { c, 8 } };
		char text[] = "abcdefghi";
		weft_iovec out[] = { { text, 2 }, { text + 2, 5 }, { text + 7, 2 } };
		weft_conn *r, *w;

		make_pair(kind, &r, &w);
		CHECK_EQ(weft_conn_writev_until(w, out, 3, WEFT_NEVER), 9);
		CHECK_EQ(weft_conn_readv_until(r, in, 4, WEFT_NEVER), 9);
		CHECK_MEM_EQ(a, "abc", 3);
		CHECK_MEM_EQ(b, "defg", 4);
		CHECK_MEM_EQ(c, "hi", 2);
		CHECK_EQ(weft_conn_readv_until(r, in, 0, 0), 0);
		CHECK_EQ(weft_conn_readv_until(r, in, -1, 0), -EINVAL);
		CHECK_EQ(weft_conn_readv_until(r, in, WEFT_IOVEC_MAX + 1, 0), -EINVAL);
		CHECK_EQ(weft_conn_readv_until(r, in, 4, 0), -ETIMEDOUT);
		weft_conn_close(r);
		weft_conn_close(w);
	}
}

/* A byte at a time, each read asking for more: no edge is missed though no read is made
 * in vain. */
TEST(net_short_reads_miss_nothing)
{
	for (int kind = 0; kind < KINDS; kind++) {
		weft_conn *r, *w;
		char buffer[16];

		make_pair(kind, &r, &w);
		for (int i = 0; i < 2000; i++) {
			char byte = (char)i;

			CHECK_EQ(weft_conn_write(w, &byte, 1), 0);
			CHECK_EQ(weft_conn_read(r, buffer, sizeof(buffer)), 1);
			CHECK_EQ(buffer[0], byte);
		}
		/* The end comes together with the last bytes. */
		CHECK_EQ(weft_conn_write(w, "xyz", 3), 0);
		weft_conn_close(w);
		CHECK_EQ(weft_conn_read(r, buffer, sizeof(buffer)), 3);
		CHECK_EQ(weft_conn_read(r, buffer, sizeof(buffer)), 0);
		weft_conn_close(r);
	}
}

TEST(net_urgent_data_stall_nobody)
{
	weft_conn *r, *w;
	char buffer[16];

	for (int i = 0; i < 50; i++) {
		int64_t n, sum = 0;

		tcp_pair(&r, &w);
		CHECK_EQ(weft_conn_read_until(r, buffer, sizeof(buffer), 0), -ETIMEDOUT);
		CHECK_EQ(send(weft_conn_fd(w), "ab", 2, 0), 2);
		CHECK_EQ(send(weft_conn_fd(w), "!", 1, MSG_OOB), 1);
		CHECK_EQ(send(weft_conn_fd(w), "cd", 2, 0), 2);
		for (; sum < 4; sum += n) {
			n = weft_conn_read(r, buffer, sizeof(buffer));
			CHECK_GT(n, 0);
		}
		weft_conn_close(r);
		weft_conn_close(w);
	}
}

TEST(net_half_close_ends_one_direction)
{
	weft_conn *a, *b;
	char buffer[8];

	for (int kind = 0; kind < 2; kind++) {
		size_t done;

		make_pair(kind, &a, &b);
		CHECK_EQ(weft_conn_write(a, "ask", 3), 0);
		CHECK_EQ(weft_conn_shutdown(a, WEFT_SHUTDOWN_WRITE), 0);
		CHECK_EQ(weft_conn_read_full_until(b, buffer, 8, &done, WEFT_NEVER), -ENODATA);
		CHECK_EQ(done, 3);
		CHECK_EQ(weft_conn_write(b, "answer", 6), 0);
		CHECK_EQ(weft_conn_read_full_until(a, buffer, 6, &done, WEFT_NEVER), 0);
		CHECK_EQ(done, 6);
		CHECK_EQ(weft_conn_write(a, "more", 4), -EPIPE);
		weft_conn_close(a);
		weft_conn_close(b);
	}
	CHECK_EQ(weft_pipe(&a, &b), 0);
	CHECK_EQ(weft_conn_shutdown(b, WEFT_SHUTDOWN_WRITE), -EOPNOTSUPP);
	weft_conn_close(a);
	weft_conn_close(b);
}

/* ---- what ends a call --------------------------------------------------------------- */

static void die_of_sigpipe(int number)
{
	(void)number;
	_exit(3);
}

TEST(net_nobody_is_killed_by_a_pipe)
{
	struct sigaction action = { .sa_handler = die_of_sigpipe };
	sigset_t pending;

	CHECK_EQ(sigaction(SIGPIPE, &action, NULL), 0);
	for (int kind = 0; kind < KINDS; kind++) {
		weft_conn *r, *w;
		int err = 0;

		make_pair(kind, &r, &w);
		weft_conn_close(r);
		while (err == 0)
			err = weft_conn_write(w, "x", 1);
		CHECK(err == -EPIPE || err == -ECONNRESET);
		weft_conn_close(w);
	}
	CHECK_EQ(sigpending(&pending), 0);
	CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(net_reset_is_reported)
{
	weft_conn *a, *b;
	char buffer[8];

	for (int i = 0; i < 20; i++) {
		tcp_pair(&a, &b);
		if (i & 1)
			CHECK_EQ(weft_conn_read_until(b, buffer, 8, 0), -ETIMEDOUT);
		weft_conn_abort(a);
		CHECK_EQ(weft_conn_read(b, buffer, 8), -ECONNRESET);
		CHECK_EQ(weft_conn_read(b, buffer, 8), 0);
		CHECK_EQ(weft_conn_write(b, "x", 1), -EPIPE);
		weft_conn_close(b);
	}
}

/* A write that has no room: what went out is reported, and no more goes out later. */
TEST(net_deadline_reports_what_was_done)
{
	for (int kind = 0; kind < KINDS; kind++) {
		char *buffer = calloc(1, STREAM * 8);
		size_t done, sum = 0;
		weft_conn *r, *w;
		int64_t n;

		make_pair(kind, &r, &w);
		CHECK_EQ(weft_conn_write_all_until(w, buffer, STREAM * 8, &done, weft_after_ms(5)),
			 -ETIMEDOUT);
		CHECK_GT(done, 0);
		CHECK_LT(done, STREAM * 8);
		weft_conn_close(w);
		while ((n = weft_conn_read(r, buffer, STREAM)) > 0)
			sum += (size_t)n;
		CHECK_EQ(n, 0);
		CHECK_EQ(sum, done);
		CHECK_EQ(weft_conn_read_full_until(r, buffer, 1, &done, WEFT_NEVER), -ENODATA);
		weft_conn_close(r);
		free(buffer);
	}
}

struct cancelled {
	weft_conn *conn;
	weft_token token;
	weft_atomic_u32 in;
	char buffer[64];
	int64_t result;
};

static int read_until_cancelled(void *arg)
{
	struct cancelled *c = arg;

	weft_ambient_set(&c->token);
	weft_store_release(&c->in, 1);
	c->result = weft_conn_read(c->conn, c->buffer, sizeof(c->buffer));
	weft_ambient_set(NULL);
	return 0;
}

/* A read that was cancelled never writes into its buffer any more, and the bytes are the
 * next reader's. */
TEST(net_cancelled_read_leaves_the_bytes)
{
	for (int i = 0; i < 60; i++) {
		static struct cancelled c;
		weft_fiber *fiber;
		weft_conn *w;
		char byte;

		c = (struct cancelled){ .result = 0 };
		weft_token_init(&c.token, NULL);
		make_pair(i % KINDS, &c.conn, &w);
		CHECK_EQ(weft_fiber_spawn(&fiber, read_until_cancelled, &c, NULL), 0);
		await_u32(&c.in, 1);
		weft_token_cancel(&c.token);
		CHECK_EQ(weft_fiber_join(fiber, NULL), 0);
		CHECK_EQ(c.result, -ECANCELED);
		CHECK_EQ(weft_conn_write(w, "x", 1), 0);
		CHECK_EQ(weft_conn_read(c.conn, &byte, 1), 1);
		CHECK_EQ(c.buffer[0], 0);
		weft_conn_close(c.conn);
		weft_conn_close(w);
	}
}

struct sharing {
	weft_conn *conn;
	weft_atomic_u32 bytes;
};

static void read_shared(void *arg, int index)
{
	struct sharing *s = arg;
	char buffer[2];
	int64_t n;

	/* Sizes that differ: some reads empty the stream, others leave something. */
	while ((n = weft_conn_read(s->conn, buffer, 1 + (size_t)index % 2)) > 0)
		weft_add_relaxed(&s->bytes, (uint32_t)n);
	CHECK_EQ(n, 0);
}

TEST(net_readers_share_a_connection)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct team team = { .count = 0 };
		struct sharing s = { .conn = NULL };
		weft_conn *w;

		make_pair(kind, &s.conn, &w);
		team_add(&team, 3, read_shared, &s);
		for (uint32_t sent = 0; sent < 3000; sent += 3) {
			CHECK_EQ(weft_conn_write(w, "abc", 3), 0);
			await_u32(&s.bytes, sent + 3);
		}
		weft_conn_close(w);
		team_join(&team);
		weft_conn_close(s.conn);
	}
}

static void read_once(void *arg, int index)
{
	struct sharing *s = arg;
	char byte;

	(void)index;
	CHECK_EQ(weft_conn_read(s->conn, &byte, 1), 1);
	weft_add_relaxed(&s->bytes, 1);
}

/* One edge, bytes for three, each of whom reads once and leaves. */
TEST(net_reader_that_leaves_passes_on_what_is_there)
{
	for (int i = 0; i < 30; i++) {
		struct team team = { .count = 0 };
		struct sharing s = { .conn = NULL };
		weft_conn *w;

		make_pair(i % KINDS, &s.conn, &w);
		team_add(&team, 3, read_once, &s);
		weft_yield();
		CHECK_EQ(weft_conn_write(w, "abc", 3), 0);
		await_u32(&s.bytes, 3);
		team_join(&team);
		weft_conn_close(w);
		weft_conn_close(s.conn);
	}
}

/* ---- copying ------------------------------------------------------------------------ */

static int echo_stream(void *arg)
{
	int64_t copied;
	weft_conn *conn = arg;

	CHECK_EQ(weft_conn_copy_until(conn, conn, &copied, WEFT_NEVER), 0);
	CHECK_EQ(copied, STREAM);
	return 0;
}

struct proxy {
	weft_conn *a, *b;
	int64_t there, back;
};

static int proxy_run(void *arg)
{
	struct proxy *p = arg;

	CHECK_EQ(weft_conn_copy_both_until(p->a, p->b, &p->there, &p->back, WEFT_NEVER), 0);
	return 0;
}

/* client - proxy - echo, all at once. */
TEST(net_copies_both_ways)
{
	for (int kind = 0; kind < 2; kind++) {
		struct stream in, out;
		struct proxy proxy;
		weft_conn *client, *server;
		weft_fiber *fibers[3];

		make_pair(kind, &client, &proxy.a);
		make_pair(1 - kind, &proxy.b, &server);
		in = (struct stream){ .conn = client, .chunk = 4001 };
		out = (struct stream){ .conn = client, .chunk = 70001 };
		CHECK_EQ(weft_fiber_spawn(&fibers[0], echo_stream, server, NULL), 0);
		CHECK_EQ(weft_fiber_spawn(&fibers[1], proxy_run, &proxy, NULL), 0);
		CHECK_EQ(weft_fiber_spawn(&fibers[2], receive_stream, &in, NULL), 0);
		send_stream(&out);
		CHECK_EQ(weft_conn_shutdown(client, WEFT_SHUTDOWN_WRITE), 0);
		for (int i = 0; i < 3; i++)
			CHECK_EQ(weft_fiber_join(fibers[i], NULL), 0);
		CHECK_EQ(proxy.there, STREAM);
		CHECK_EQ(proxy.back, STREAM);
		weft_conn_close(client);
		weft_conn_close(server);
		weft_conn_close(proxy.a);
		weft_conn_close(proxy.b);
	}
}

TEST(net_copy_that_waits_times_out)
{
	weft_conn *a, *b, *c, *d;
	int64_t there, back;

	tcp_pair(&a, &b);
	tcp_pair(&c, &d);
	CHECK_EQ(weft_conn_write(a, "12345", 5), 0);
	CHECK_EQ(weft_conn_copy_both_until(b, c, &there, &back, weft_after_ms(5)), -ETIMEDOUT);
	CHECK_EQ(there, 5);
	CHECK_EQ(back, 0);
	weft_conn_close(a);
	weft_conn_close(b);
	weft_conn_close(c);
	weft_conn_close(d);
}

/* ---- options, selects --------------------------------------------------------------- */

TEST(net_options_are_set_and_read)
{
	weft_conn *a, *b;
	int value;

	tcp_pair(&a, &b);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(weft_conn_get(i ? a : b, WEFT_NODELAY, &value), 0);
		CHECK_NE(value, 0);
	}
	CHECK_EQ(weft_conn_set(a, WEFT_NODELAY, 0), 0);
	CHECK_EQ(weft_conn_get(a, WEFT_NODELAY, &value), 0);
	CHECK_EQ(value, 0);
	CHECK_EQ(weft_conn_get(a, WEFT_KEEPALIVE, &value), 0);
	CHECK_EQ(value, 0);
	CHECK_EQ(weft_conn_set(a, WEFT_KEEPALIVE, 17), 0);
	CHECK_EQ(weft_conn_get(a, WEFT_KEEPALIVE, &value), 0);
	CHECK_EQ(value, 17);
	CHECK_EQ(weft_conn_set(a, WEFT_SEND_BUFFER, 100000), 0);
	CHECK_EQ(weft_conn_get(a, WEFT_SEND_BUFFER, &value), 0);
	CHECK_GE(value, 100000);
	CHECK_EQ(weft_conn_set(a, WEFT_USER_TIMEOUT, 1234), 0);
	CHECK_EQ(weft_conn_get(a, WEFT_USER_TIMEOUT, &value), 0);
	CHECK_EQ(value, 1234);
	weft_conn_close(a);
	weft_conn_close(b);
	CHECK_EQ(weft_pipe(&a, &b), 0);
	CHECK_EQ(weft_conn_set(a, WEFT_NODELAY, 1), -EOPNOTSUPP);
	weft_conn_close(a);
	weft_conn_close(b);
}

TEST(net_select_takes_who_is_ready)
{
	weft_conn *a[2], *b[2];
	char address[WEFT_ADDRESS_TEXT], byte;
	weft_listener *listener = listen_on("127.0.0.1:0", address);
	weft_conn *client, *server;

	tcp_pair(&a[0], &b[0]);
	tcp_pair(&a[1], &b[1]);
	for (int i = 0; i < 100; i++) {
		weft_case cases[] = {
			weft_case_conn(a[0], WEFT_READABLE),
			weft_case_conn(a[1], WEFT_READABLE),
			weft_case_listener(listener),
		};

		CHECK_EQ(weft_select(cases, 3, 0), -ETIMEDOUT);
		if (i % 3 < 2)
			CHECK_EQ(weft_conn_write(b[i % 3], "x", 1), 0);
		else
			CHECK_EQ(weft_connect(&client, address), 0);
		CHECK_EQ(weft_select(cases, 3, WEFT_NEVER), i % 3);
		if (i % 3 < 2) {
			CHECK_EQ(weft_conn_read(a[i % 3], &byte, 1), 1);
		} else {
			CHECK_EQ(weft_accept_until(listener, &server, 0), 0);
			weft_conn_close(client);
			weft_conn_close(server);
		}
	}
	for (int i = 0; i < 2; i++) {
		weft_conn_close(a[i]);
		weft_conn_close(b[i]);
	}
	weft_listener_close(listener);
}

/* What a select has seen can be read, though the poller has not been asked since, and the
 * last read had emptied the stream. */
TEST(net_select_knows_before_the_poller)
{
	struct weft__poller *poller;
	weft_conn *r, *w;
	char buffer[16];

	CHECK_EQ(weft__poller_open(&poller, WEFT__REACTOR_AUTO), 0);
	for (int kind = 0; kind < KINDS; kind++) {
		make_pair(kind, &r, &w);
		weft__poller_own(poller);
		CHECK_EQ(weft_conn_read_until(r, buffer, sizeof(buffer), 0), -ETIMEDOUT);
		while (weft__poller_wait(poller, 0) > 0)
			continue;
		for (int i = 0; i < 20; i++) {
			weft_case c = weft_case_conn(r, WEFT_READABLE);

			CHECK_EQ(weft_select_try(&c, 1), -EAGAIN);
			CHECK_EQ(weft_conn_write(w, "x", 1), 0);
			CHECK_EQ(weft_select_try(&c, 1), 0);
			CHECK_EQ(weft_conn_read_until(r, buffer, sizeof(buffer), 0), 1);
		}
		weft_conn_close(r);
		weft_conn_close(w);
		weft__poller_own(NULL);
	}
	weft__poller_close(poller);
}
