/* SPDX-License-Identifier: MIT */
/*
 * Goal: what the calls on connections take for granted is so: which streams a short read
 * leaves empty, that a deadline of 0 still reads what is there, that a peer who keeps a
 * fiber busy does not keep it from its cancellation, and that the child of a fork() may
 * use or close what it inherited. Method: a poller that the test steps, so that an edge
 * can be on its way for as long as it takes; else both ends in one process.
 */
/* CTest: on each reactor. */
#define _GNU_SOURCE

#include "weft/net.h"

#include "check.h"
#include "io/pairs_test.h"
#include "rt/poller.h"
#include "weft/cancel.h"
#include "weft/event.h"
#include "weft/thread.h"
#include "weft/fiber.h"
#include "weft/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct weft__poller *poller_mine(void)
{
	struct weft__poller *poller;

	CHECK_EQ(weft__poller_open(&poller, WEFT__REACTOR_AUTO), 0);
	weft__poller_own(poller);
	return poller;
}

static void poller_end(struct weft__poller *poller)
{
	weft__poller_own(NULL);
	weft__poller_close(poller);
}

/* All that is there just now. */
static void step_all(struct weft__poller *poller)
{
	while (weft__poller_wait(poller, 0) > 0)
		continue;
}

/* TCP may take a moment, even here. */
static void await_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK_EQ(poll(&p, 1, 20000), 1);
}

/* ---- descriptors of others ----------------------------------------------------------- */

/* A pipe of packets: each read ends where a write did. The reading end cannot tell. */
TEST(conn_short_read_of_a_packet_leaves_the_next)
{
	for (int i = 0; i < 2; i++) {
		struct weft__poller *poller = poller_mine();
		weft_conn *reader;
		char buffer[16];
		int fd[2];

		CHECK_EQ(pipe2(fd, i ? O_CLOEXEC | O_DIRECT : O_CLOEXEC), 0);
		CHECK_EQ(weft_conn_from_fd(&reader, fd[0]), 0);
		CHECK_EQ(fcntl(fd[1], F_SETFL, O_DIRECT), 0);
		CHECK_EQ(weft_conn_read_until(reader, buffer, sizeof(buffer), 0), -ETIMEDOUT);
		CHECK_EQ(write(fd[1], "ab", 2), 2);
		CHECK_EQ(write(fd[1], "c", 1), 1);
		step_all(poller);
		CHECK_EQ(weft_conn_read(reader, buffer, sizeof(buffer)), 2);
		CHECK_EQ(weft_conn_read_until(reader, buffer, sizeof(buffer), weft_after_s(5)), 1);
		weft_conn_close(reader);
		close(fd[1]);
		poller_end(poller);
	}
}

TEST(conn_is_made_of_streams_only)
{
	static const struct {
		int family, type;
	} refused[] = {
		{ AF_INET, SOCK_DGRAM },
		{ AF_INET6, SOCK_DGRAM },
		{ AF_UNIX, SOCK_DGRAM },
		{ AF_UNIX, SOCK_SEQPACKET },
	};
	weft_conn *conn;
	int fd;

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		fd = socket(refused[i].family, refused[i].type | SOCK_CLOEXEC, 0);
		if (fd < 0 && refused[i].family == AF_INET6)
			continue;
		CHECK_GE(fd, 0);
		CHECK_EQ(weft_conn_from_fd(&conn, fd), -EINVAL);
		CHECK_NULL(conn);
		/* Nothing has changed. */
		CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
		close(fd);
	}
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK_GE(fd, 0);
	CHECK_EQ(weft_conn_from_fd(&conn, fd), -EINVAL);
	close(fd);
	CHECK_EQ(weft_conn_from_fd(&conn, fd), -EBADF);
}

TEST(conn_listener_is_made_of_what_listens_only)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	weft_listener *listener;
	int fd[2], s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(weft_listener_from_fd(&listener, s), -EINVAL);
	CHECK_NULL(listener);
	CHECK_EQ(fcntl(s, F_GETFL) & O_NONBLOCK, 0);
	CHECK_EQ(bind(s, (void *)&any, sizeof(any)), 0);
	CHECK_EQ(listen(s, 1), 0);
	CHECK_EQ(weft_listener_from_fd(&listener, s), 0);
	weft_listener_close(listener);
	CHECK_EQ(weft_listener_from_fd(&listener, s), -EBADF);
	CHECK_EQ(pipe2(fd, O_CLOEXEC), 0);
	CHECK_EQ(weft_listener_from_fd(&listener, fd[0]), -EINVAL);
	close(fd[0]);
	close(fd[1]);
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	any = (struct sockaddr_in){ .sin_family = AF_UNIX };
	CHECK_EQ(bind(s, (void *)&any, sizeof(sa_family_t)), 0);
	CHECK_EQ(listen(s, 1), 0);
	CHECK_EQ(weft_listener_from_fd(&listener, s), -EINVAL);
	close(s);
}

/* What is known of TCP is known of nothing else that has an Internet address. */
TEST(conn_knows_tcp_from_what_looks_like_it)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	CHECK_EQ(weft__fd_kind(fd), WEFT__FD_TCP);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	if (fd < 0)
		SKIP("the system has no other stream with Internet addresses");
	CHECK_EQ(weft__fd_kind(fd), WEFT__FD_SOCKET);
	close(fd);
}

/* ---- a stream that was emptied, and its edge on its way ------------------------------ */

static void become_emptied(struct weft__poller *poller, int kind, weft_conn **r, weft_conn **w)
{
	char buffer[16];

	make_pair(kind, r, w);
	CHECK_EQ(weft_conn_read_until(*r, buffer, sizeof(buffer), 0), -ETIMEDOUT);
	step_all(poller);
	CHECK_EQ(weft_conn_write(*w, "ab", 2), 0);
	await_readable(weft_conn_fd(*r));
	step_all(poller);
	CHECK_EQ(weft_conn_read(*r, buffer, sizeof(buffer)), 2);
}

/* The poller has not told of the byte yet: a call that can go on at once does, whatever
 * its deadline, and under a token that is cancelled. */
TEST(conn_deadline_that_is_over_reads_what_is_there)
{
	struct weft__poller *poller = poller_mine();
	weft_token token;
	weft_conn *r, *w;
	char buffer[16];

	for (int kind = 0; kind < KINDS; kind++) {
		for (int i = 0; i < 3; i++) {
			become_emptied(poller, kind, &r, &w);
			CHECK_EQ(weft_conn_write(w, "x", 1), 0);
			await_readable(weft_conn_fd(r));
			weft_token_init(&token, NULL);
			if (i == 2) {
				weft_token_cancel(&token);
				weft_ambient_set(&token);
			}
			CHECK_EQ(weft_conn_read_until(r, buffer, sizeof(buffer),
						      i == 0   ? 0
						      : i == 1 ? weft_now() - 1
							       : WEFT_NEVER),
				 1);
			CHECK_EQ(weft_conn_read_until(r, buffer, sizeof(buffer), 0),
				 i == 2 ? -ECANCELED : -ETIMEDOUT);
			weft_ambient_set(NULL);
			weft_conn_close(r);
			weft_conn_close(w);
		}
	}
	poller_end(poller);
}

/* ---- calls that never have to wait --------------------------------------------------- */

struct busy {
	weft_token token;
	weft_conn *a, *b;
	weft_listener *listener;
	char address[WEFT_ADDRESS_TEXT];
};

/* Both ends are its own: no call ever has to wait. */
static int talk_to_oneself(void *arg)
{
	struct busy *busy = arg;
	char byte = 'x';
	int64_t n = 1;

	weft_ambient_set(&busy->token);
	weft_token_cancel(&busy->token);
	for (int sent = 0; n == 1; sent++) {
		CHECK_LT(sent, 100000);
		n = weft_conn_write_until(busy->a, &byte, 1, WEFT_NEVER);
		if (n == 1)
			n = weft_conn_read(busy->b, &byte, 1);
	}
	weft_ambient_set(NULL);
	CHECK_EQ(n, -ECANCELED);
	return 0;
}

TEST(conn_peer_that_keeps_one_busy_does_not_keep_it_from_its_cancellation)
{
	for (int kind = 0; kind < KINDS; kind++) {
		static struct busy busy;

		weft_token_init(&busy.token, NULL);
		make_pair(kind, &busy.b, &busy.a);
		CHECK_EQ(weft_block_on(NULL, talk_to_oneself, &busy, NULL), 0);
		weft_token_init(&busy.token, NULL);
		talk_to_oneself(&busy);
		weft_conn_close(busy.a);
		weft_conn_close(busy.b);
	}
}

static int accept_oneself(void *arg)
{
	struct busy *busy = arg;
	weft_conn *client, *server;
	int err = 0;

	for (int accepted = 0; err == 0; accepted++) {
		CHECK_LT(accepted, 10000);
		CHECK_EQ(weft_connect(&client, busy->address), 0);
		weft_ambient_set(&busy->token);
		err = weft_accept(busy->listener, &server);
		weft_ambient_set(NULL);
		weft_conn_close(client);
		weft_conn_close(server);
	}
	CHECK_EQ(err, -ECANCELED);
	return 0;
}

TEST(conn_backlog_that_is_never_empty_does_not_keep_one_from_its_cancellation)
{
	static struct busy busy;

	busy.listener = listen_on("127.0.0.1:0", busy.address);
	weft_token_init(&busy.token, NULL);
	weft_token_cancel(&busy.token);
	CHECK_EQ(weft_block_on(NULL, accept_oneself, &busy, NULL), 0);
	accept_oneself(&busy);
	weft_listener_close(busy.listener);
}

/* Written in pieces of a few bytes, with room for all: what went out before the call saw
 * that it is to end was reported, and no more went out. */
TEST(conn_cancelled_call_reports_what_it_did)
{
	char buffer[4096], byte = 'x';
	weft_token token;
	weft_conn *r, *w;
	int64_t n, read, sent = 0;

	CHECK_EQ(weft_pipe(&r, &w), 0);
	weft_token_init(&token, NULL);
	weft_token_cancel(&token);
	weft_ambient_set(&token);
	while ((n = weft_conn_write_until(w, &byte, 1, WEFT_NEVER)) > 0)
		sent += n;
	CHECK_LT(sent, 4096); /* there is more room than that */
	weft_ambient_set(NULL);
	CHECK_EQ(n, -ECANCELED);
	weft_conn_close(w);
	for (read = 0; (n = weft_conn_read(r, buffer, sizeof(buffer))) > 0; read += n)
		continue;
	CHECK_EQ(read, sent);
	weft_conn_close(r);
}

/* ---- in the child of a fork() -------------------------------------------------------- */

static void expect_child(int (*fn)(void *), void *arg)
{
	int status;
	pid_t child = check_fork();

	if (child == 0) {
		alarm(20);
		_exit(fn(arg) == 0 ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

struct inherited {
	weft_runtime *runtime;
	weft_conn *waited[2], *idle[2]; /* reading end, writing end */
	weft_listener *listener;
	weft_event go;
};

/* Until fibers of the runtime have waited that often. */
static void await_parks(weft_runtime *runtime, uint64_t parks)
{
	weft_runtime_stats stats;

	do {
		weft_thread_yield();
		weft_runtime_stats_read(runtime, &stats);
	} while (stats.parks < parks);
}

/* One byte, told by an edge and not found when the time is over. */
static void read_by_edge(weft_conn *conn)
{
	const int64_t deadline = weft_after_s(20);
	char byte;

	CHECK_EQ(weft_conn_read_until(conn, &byte, 1, deadline), 1);
	CHECK_LT(weft_now(), deadline);
}

static int read_waited(void *arg)
{
	read_by_edge(((struct inherited *)arg)->waited[0]);
	return 0;
}

static int read_idle(void *arg)
{
	struct inherited *i = arg;

	read_by_edge(i->idle[0]);
	CHECK_EQ(weft_event_wait(&i->go), 0);
	read_by_edge(i->idle[0]);
	return 0;
}

static int close_all(void *arg)
{
	struct inherited *i = arg;

	weft_conn_close(i->idle[0]);
	weft_conn_close(i->waited[0]);
	weft_listener_close(i->listener);
	return 0;
}

static int use_all(void *arg)
{
#if !defined(__SANITIZE_THREAD__) /* it does not allow threads there */
	struct inherited *i = arg;
	weft_fiber *fiber;

	weft_event_set(&i->go);
	CHECK_EQ(weft_runtime_start(&i->runtime, NULL), 0);
	CHECK_EQ(weft_fiber_spawn(&fiber, read_idle, i,
				  &(weft_fiber_opts){ .runtime = i->runtime }),
		 0);
	await_parks(i->runtime, 1);
	CHECK_EQ(weft_conn_write(i->idle[1], "x", 1), 0);
	await_parks(i->runtime, 2);
	CHECK_EQ(weft_conn_write(i->idle[1], "x", 1), 0);
	CHECK_EQ(weft_fiber_join(fiber, NULL), 0);
	CHECK_EQ(weft_runtime_stop(i->runtime, WEFT_NEVER), 0);
#endif
	return close_all(arg);
}

/* Neither does the parent hear less afterwards, nor is its path gone. */
TEST(conn_child_closes_what_it_inherited_and_the_parent_goes_on)
{
	const char *path = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char address[WEFT_ADDRESS_TEXT];
	const weft_runtime_opts one = { .workers = 1 };

	for (int k = 0; k < KINDS * 2; k++) {
		struct inherited i = { .go = WEFT_EVENT_INIT };
		weft_fiber_opts opts = { 0 };
		weft_fiber *fibers[2];

		snprintf(address, sizeof(address), "unix:%s/weft-conn-%d", path, getpid());
		CHECK_EQ(weft_listen(&i.listener, address, NULL), 0);
		make_pair(k % KINDS, &i.waited[0], &i.waited[1]);
		make_pair(k % KINDS, &i.idle[0], &i.idle[1]);
		CHECK_EQ(weft_runtime_start(&i.runtime, &one), 0);
		opts.runtime = i.runtime;
		CHECK_EQ(weft_fiber_spawn(&fibers[0], read_waited, &i, &opts), 0);
		CHECK_EQ(weft_fiber_spawn(&fibers[1], read_idle, &i, &opts), 0);
		await_parks(i.runtime, 2);
		CHECK_EQ(weft_conn_write(i.idle[1], "x", 1), 0);
		await_parks(i.runtime, 3);
		expect_child(k < KINDS ? close_all : use_all, &i);
		CHECK_EQ(access(address + strlen("unix:"), F_OK), 0);
		weft_event_set(&i.go);
		await_parks(i.runtime, 4);
		CHECK_EQ(weft_conn_write(i.idle[1], "x", 1), 0);
		CHECK_EQ(weft_conn_write(i.waited[1], "x", 1), 0);
		for (int f = 0; f < 2; f++)
			CHECK_EQ(weft_fiber_join(fibers[f], NULL), 0);
		close_all(&i);
		weft_conn_close(i.idle[1]);
		weft_conn_close(i.waited[1]);
		CHECK_EQ(access(address + strlen("unix:"), F_OK), -1);
		CHECK_EQ(weft_runtime_stop(i.runtime, WEFT_NEVER), 0);
	}
}

/* ---- calls that are made together -------------------------------------------------- */

enum { TALKERS = 8, WORDS = 50 };

static struct {
	weft_conn *here[TALKERS], *there[TALKERS];
	int inside, most; /* how many are in the midst of their first write */
} together;

static int talker(void *arg)
{
	const int self = (int)(intptr_t)arg;
	char heard[16];

	weft_yield(); /* until all have begun */
	for (int i = 0; i < WORDS; i++) {
		char said[16] = { (char)self, (char)i };

		together.inside += i == 0;
		if (together.inside > together.most)
			together.most = together.inside;
		CHECK_EQ(weft_conn_write(together.here[self], said, sizeof(said)), 0);
		together.inside -= i == 0;
		CHECK_EQ(weft_conn_read_full_until(together.there[self], heard, sizeof(heard),
						   NULL, WEFT_NEVER),
			 0);
		CHECK_EQ(memcmp(said, heard, sizeof(said)), 0);
	}
	/* Nothing is there, then half of it, then the end. */
	CHECK_EQ(weft_conn_read_until(together.there[self], heard, sizeof(heard), 0), -ETIMEDOUT);
	CHECK_EQ(weft_conn_write(together.here[self], "abc", 3), 0);
	CHECK_EQ(weft_conn_read(together.there[self], heard, 2), 2);
	CHECK_EQ(weft_conn_shutdown(together.here[self], WEFT_SHUTDOWN_WRITE), 0);
	CHECK_EQ(weft_conn_read(together.there[self], heard, sizeof(heard)), 1);
	CHECK_EQ(heard[0], 'c');
	CHECK_EQ(weft_conn_read(together.there[self], heard, sizeof(heard)), 0);
	weft_conn_abort(together.there[self]);
	weft_conn_close(together.here[self]);
	return 0;
}

static int talk_together(void *arg)
{
	weft_scope scope;

	(void)arg;
	for (int i = 0; i < TALKERS; i++)
		tcp_pair(&together.here[i], &together.there[i]);
	weft_scope_open(&scope);
	for (intptr_t i = 0; i < TALKERS; i++)
		CHECK_EQ(weft_scope_spawn(&scope, talker, (void *)i, NULL), 0);
	return weft_scope_close(&scope);
}

/* Goal: where many fibers of a worker call at the same time, io_uring is given their calls
 * at once, and each gets what is its own. Method: only then is there ever more than one of
 * them in the midst of a write for which there is room, but for those whose budget ends. */
TEST(conn_calls_of_many_fibers_are_made_together)
{
	const weft_runtime_opts opts = { .workers = 1, .reactor = WEFT_REACTOR_URING };
	weft_runtime *runtime;
	int result = -1;

	if (weft_uring_refusal())
		SKIP(weft_uring_refusal());
	CHECK_EQ(weft_runtime_start(&runtime, &opts), 0);
	CHECK_EQ(weft_block_on(runtime, talk_together, NULL, &result), 0);
	CHECK_EQ(result, 0);
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
	CHECK_EQ(together.inside, 0);
	CHECK(together.most > 1);
}
