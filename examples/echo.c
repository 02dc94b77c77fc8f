/* SPDX-License-Identifier: MIT */
/*
 * A server that echoes what it is sent, one fiber a connection, and a client for it.
 *
 *     echo                    serves and connects itself, and checks what comes back
 *     echo ADDRESS            serves at an address until Ctrl-C, such as 127.0.0.1:7000
 *
 * It is written like one that serves a single client: accept, read, write. What makes
 * it a server for thousands is weft_scope_spawn(). A connection that says nothing for
 * a minute is closed. When the scope is cancelled, calls in it that wait return
 * -ECANCELED, and so does, after a while, one whose peer never lets it wait; closing the
 * scope waits until the last connection is closed.
 */
#include <weft.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 100, ROUNDS = 20 };

static int serve(void *arg)
{
	weft_conn *conn = arg;
	char buffer[4096];
	int64_t n;
	int err = 0;

	while (err == 0) {
		n = weft_conn_read_until(conn, buffer, sizeof(buffer), weft_after_s(60));
		if (n <= 0)
			break;
		err = weft_conn_write_all_until(conn, buffer, (size_t)n, NULL, weft_after_s(60));
	}
	weft_conn_close(conn);
	return 0;
}

/* Accepts until it is cancelled. A connection that fails is no failure of the server. */
static int listen_and_serve(void *arg)
{
	weft_listener *listener = arg;
	weft_scope scope;
	weft_conn *conn;
	int err;

	weft_scope_open(&scope);
	while ((err = weft_accept(listener, &conn)) == 0)
		if (weft_scope_spawn(&scope, serve, conn, NULL) < 0)
			weft_conn_close(conn);
	weft_scope_cancel(&scope);
	(void)weft_scope_close(&scope);
	weft_listener_close(listener);
	return err == -ECANCELED ? 0 : err;
}

static int talk(void *arg)
{
	const char *address = arg;
	weft_conn *conn;
	int err = weft_connect(&conn, address);

	if (err < 0)
		return err;
	for (int i = 0; i < ROUNDS && err == 0; i++) {
		char said[32], heard[32];
		size_t size = (size_t)snprintf(said, sizeof(said), "%p says %d", (void *)conn, i);

		err = weft_conn_write(conn, said, size);
		if (err == 0)
			err = weft_conn_read_full_until(conn, heard, size, NULL, WEFT_NEVER);
		if (err == 0 && memcmp(said, heard, size) != 0)
			err = -EIO;
	}
	weft_conn_close(conn);
	return err;
}

static int run_clients(void *arg)
{
	weft_scope scope;
	int err = 0;

	weft_scope_open(&scope);
	for (int i = 0; i < CLIENTS && err == 0; i++)
		err = weft_scope_spawn(&scope, talk, arg, NULL);
	if (err < 0)
		weft_scope_cancel(&scope);
	return weft_scope_close(&scope);
}

int main(int argc, char **argv)
{
	char address[WEFT_ADDRESS_TEXT];
	weft_listener *listener;
	weft_fiber_opts opts = { .name = "server", .cancellable = true };
	weft_fiber *server;
	weft_address at;
	int served, err = weft_listen(&listener, argc > 1 ? argv[1] : "127.0.0.1:0", NULL);

	if (err < 0) {
		fprintf(stderr, "cannot listen: %s\n", strerror(-err));
		return 1;
	}
	weft_listener_address(listener, &at);
	weft_address_format(&at, address);
	err = weft_fiber_spawn(&server, listen_and_serve, listener, &opts);
	if (err < 0) {
		fprintf(stderr, "cannot start the server: %s\n", strerror(-err));
		weft_listener_close(listener);
		return 1;
	}
	if (argc > 1) {
		printf("listening at %s\n", address);
		fflush(stdout);
		weft_fiber_join(server, &served);
		return served < 0;
	}
	err = weft_block_on(NULL, run_clients, address, &served);
	weft_fiber_cancel(server);
	if (err == 0)
		err = served;
	weft_fiber_join(server, &served);
	printf("%d clients, %d rounds each: %s\n", CLIENTS, ROUNDS, err ? strerror(-err) : "ok");
	return err || served;
}
