/* SPDX-License-Identifier: MIT */
/* Servers for bench-load: one fiber a connection, which sends back what it gets; for the
 * bench of hogs beside something that computes: a fiber, with a call of the library now and
 * then that never has to wait; or, without such calls, the way for that is
 * weft_blocking(), as fibers share their worker by calls alone. */
#include "../subject.h"

#include <weft/blocking.h>
#include <weft/io.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/scope.h>

enum { STEP_US = 20 };

static int echo(void *arg)
{
	weft_conn *conn = arg;
	char buffer[4096];
	int64_t n;

	while ((n = weft_conn_read(conn, buffer, sizeof(buffer))) > 0)
		if (weft_conn_write(conn, buffer, (size_t)n) < 0)
			break;
	weft_conn_close(conn);
	return 0;
}

static void compute(double us)
{
	double until = subject_now_ns() + us * 1e3;

	while (subject_now_ns() < until)
		continue;
}

/* A call each 20 us that does not have to wait. */
static int hog_calls(void *arg)
{
	weft_conn *one, *other;
	char byte = 1;
	int err = weft_conn_pair(&one, &other);

	(void)arg;
	while (err == 0) {
		compute(STEP_US);
		err = weft_conn_write(one, &byte, 1);
		if (err == 0 && weft_conn_read(other, &byte, 1) != 1)
			err = -1;
	}
	return err;
}

static int compute_on(void *arg)
{
	for (;;)
		compute(1e6);
	return arg != NULL;
}

static int hog_computes(void *arg)
{
	return weft_blocking(compute_on, arg);
}

static int serve(void *arg)
{
	const weft_fiber_opts small = { .stack_size = 16384 };
	const weft_fiber_fn hog = *(weft_fiber_fn *)arg;
	weft_listener *listener;
	weft_address address;
	weft_scope scope;
	weft_conn *conn;
	int err = weft_listen(&listener, "127.0.0.1:0", NULL);

	if (err < 0)
		return err;
	weft_scope_open(&scope);
	if (hog)
		err = weft_scope_spawn(&scope, hog, NULL, NULL);
	weft_listener_address(listener, &address);
	printf("port %d\n", weft_address_port(&address));
	fflush(stdout);
	while (err == 0 && (err = weft_accept(listener, &conn)) == 0)
		err = weft_scope_spawn(&scope, echo, conn, &small);
	weft_scope_cancel(&scope);
	(void)weft_scope_close(&scope);
	weft_listener_close(listener);
	return err;
}

int main(int argc, char **argv)
{
	const char *reactor = getenv("WEFT_REACTOR");
	weft_fiber_fn hog = NULL;
	weft_runtime *runtime;
	int err, result = 0;

	if (argc != 4)
		return subject_bad("usage: SUBJECT BENCH CASE WORKERS");
	if (strncmp(argv[1], "hog", 3) == 0)
		hog = strcmp(argv[2], "calls") == 0 ? hog_calls : hog_computes;
	if (reactor && strcmp(reactor, "uring") == 0 && weft_uring_refusal())
		return subject_skip("io_uring: %s", weft_uring_refusal());
	err = weft_runtime_start(&runtime,
				 &(weft_runtime_opts){ .workers = atoi(argv[3]), .hog_ns = -1 });
	if (err == 0)
		err = weft_block_on(runtime, serve, &hog, &result);
	return subject_bad("the server ended: %s", strerror(-(err ? err : result)));
}
