/* SPDX-License-Identifier: MIT */
/*
 * The first half of chapter async: an echo server and its callers, with thousands of
 * connections open at once; a fiber at either end of each. The plain way is a thread at
 * either end.
 *
 * A caller connects, waits until all others are connected too, and then has its messages
 * echoed one by one.
 */
#include "tour_async.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/event.h>
#include <weft/fiber.h>
#include <weft/waitgroup.h>

#include "descriptors.h"
#include "tour_line.h"

enum { MESSAGE = 64, MESSAGES = 20 };

struct echo {
	bool plain;
	int port;
	struct caller *callers;
	int count;
	weft_waitgroup connecting;
	weft_event go;
	weft_listener *listener;

	int listening; /* the plain way's */
	struct serving *servings;
};

struct caller {
	struct echo *echo;
	int number;
};

struct serving {
	struct line line;
	pthread_t thread;
};

/* ---- callers -------------------------------------------------------------------------- */

static int exchange(struct caller *c, struct line *line)
{
	char sent[MESSAGE], got[MESSAGE];
	int err = 0;

	for (int i = 0; i < MESSAGES && err == 0; i++) {
		memset(sent, 'a' + i, sizeof(sent));
		snprintf(sent, sizeof(sent), "message %d of caller %d", i, c->number);
		err = line_send(line, sent, sizeof(sent));
		if (err == 0)
			err = line_read_full(line, got, sizeof(got));
		if (err == 0 && memcmp(sent, got, sizeof(got)) != 0)
			err = -EBADMSG;
	}
	return err;
}

static int call(void *arg)
{
	struct caller *c = arg;
	struct line line;
	int err = line_open(&line, c->echo->port, c->echo->plain);

	weft_waitgroup_done(&c->echo->connecting);
	if (err)
		return err;
	err = weft_event_wait(&c->echo->go);
	if (err == 0)
		err = exchange(c, &line);
	line_close(&line);
	return err;
}

/* Opens the gate when all are there. */
static int usher(void *arg)
{
	struct echo *e = arg;
	int err = weft_waitgroup_wait(&e->connecting);

	weft_event_set(&e->go);
	return err;
}

/* ---- the server of fibers -------------------------------------------------------------- */

static void echo_all(struct line *line)
{
	char bytes[1024];
	int64_t n;

	while ((n = line_read(line, bytes, sizeof(bytes))) > 0) {
		if (line_send(line, bytes, (size_t)n) != 0)
			break;
	}
	line_close(line);
}

static int serve_one(void *arg)
{
	struct line line = { .conn = arg, .fd = -1 };

	echo_all(&line);
	return 0;
}

static int serve(void *arg)
{
	struct echo *e = arg;
	weft_scope scope;
	weft_conn *conn;

	weft_scope_open(&scope);
	while (weft_accept(e->listener, &conn) == 0) {
		if (weft_scope_spawn(&scope, serve_one, conn, NULL) != 0)
			weft_conn_close(conn);
	}
	weft_scope_cancel(&scope);
	(void)weft_scope_close(&scope);
	return 0;
}

static void prepare(struct echo *e, bool plain)
{
	e->plain = plain;
	weft_event_reset(&e->go);
	weft_waitgroup_add(&e->connecting, (uint32_t)e->count);
	for (int i = 0; i < e->count; i++)
		e->callers[i] = (struct caller){ .echo = e, .number = i };
}

static int by_fibers(void *arg)
{
	struct echo *e = arg;
	weft_address address;
	weft_scope scope;
	int err = weft_listen(&e->listener, "127.0.0.1:0", NULL);

	if (err)
		return err;
	weft_listener_address(e->listener, &address);
	e->port = weft_address_port(&address);
	prepare(e, false);
	weft_scope_open(&scope);
	err = weft_scope_spawn(&scope, serve, e, NULL);
	if (err == 0)
		err = weft_scope_spawn(&scope, usher, e, NULL);
	if (err == 0)
		err = line_run_all(call, e->callers, sizeof(*e->callers), e->count, false);
	weft_scope_cancel(&scope);
	(void)weft_scope_close(&scope);
	weft_listener_close(e->listener);
	return err;
}

/* ---- the server of threads --------------------------------------------------------------- */

static void *serve_one_plain(void *arg)
{
	struct serving *s = arg;

	echo_all(&s->line);
	return NULL;
}

/* Serves as many as will come. One for which there is no thread is closed, and its caller
 * reports that. */
static void *serve_plain(void *arg)
{
	struct echo *e = arg;
	pthread_attr_t attr;
	int served = 0, on = 1;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (size_t)256 * 1024);
	for (int i = 0; i < e->count; i++) {
		struct serving *s = &e->servings[served];

		s->line = (struct line){ .fd = accept(e->listening, NULL, NULL) };
		if (s->line.fd < 0)
			break;
		setsockopt(s->line.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (pthread_create(&s->thread, &attr, serve_one_plain, s) == 0)
			served++;
		else
			close(s->line.fd);
	}
	for (int i = 0; i < served; i++)
		pthread_join(e->servings[i].thread, NULL);
	pthread_attr_destroy(&attr);
	return NULL;
}

static int listen_plain(struct echo *e)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	e->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (e->listening < 0 || bind(e->listening, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(e->listening, 4096) < 0 ||
	    getsockname(e->listening, (struct sockaddr *)&at, &len) < 0) {
		int err = -errno;

		if (e->listening >= 0)
			close(e->listening);
		return err;
	}
	e->port = ntohs(at.sin_port);
	return 0;
}

static int by_threads(void *arg)
{
	struct echo *e = arg;
	pthread_t server;
	int err = listen_plain(e);

	if (err)
		return err;
	prepare(e, true);
	err = -pthread_create(&server, NULL, serve_plain, e);
	if (err == 0) {
		weft_scope scope;

		weft_scope_open(&scope);
		err = weft_scope_spawn_thread(&scope, usher, e, NULL);
		if (err == 0)
			err = line_run_all(call, e->callers, sizeof(*e->callers), e->count, true);
		/* If there were not enough threads, nobody came. */
		while (weft_waitgroup_count(&e->connecting) > 0)
			weft_waitgroup_done(&e->connecting);
		shutdown(e->listening, SHUT_RDWR);
		(void)weft_scope_close(&scope);
		pthread_join(server, NULL);
	}
	close(e->listening);
	return err;
}

/* ---- both ---------------------------------------------------------------------------------- */

/* As many connections as there are descriptors for two ends of each, and threads. */
int tour_echo(int wanted, struct tour_echo *result)
{
	int most = (descriptors_raise(2 * wanted + 100) - 100) / 2;
	struct echo e = { .count = most < wanted ? most : wanted };
	struct tour_race race = { .ours = by_fibers, .plain = by_threads, .arg = &e };
	int err;

	if (e.count < 1)
		return -EMFILE;
	e.callers = calloc((size_t)e.count, sizeof(*e.callers));
	e.servings = calloc((size_t)e.count, sizeof(*e.servings));
	err = e.callers && e.servings ? 0 : -ENOMEM;
	if (err == 0) {
		err = tour_race(&race, 3);
		while (err == -EAGAIN && e.count > 16) {
			e.count /= 2;
			err = tour_race(&race, 3);
		}
	}
	*result = (struct tour_echo){ .connections = e.count,
				      .messages = (uint64_t)e.count * MESSAGES,
				      .ours_ns = race.ours_ns,
				      .plain_ns = race.plain_ns };
	free(e.callers);
	free(e.servings);
	return err;
}
