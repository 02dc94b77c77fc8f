/* SPDX-License-Identifier: MIT */
/*
 * Goal: what the system refuses on the way of a server is an error value or is waited
 * out: nothing hangs, spins or is left behind. Method: each refusal is brought about in
 * a child process, by its limits or by a filter that answers one system call.
 */
/* CTest: on each reactor. */
#include "weft/net.h"

#include "check.h"
#include "rt/poller.h"
#include "sys/linux/sandbox_test.h"
#include "weft/fiber.h"
#include "weft/file.h"
#include "weft/runtime.h"
#include "weft/thread.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static weft_listener *listen_here(char *address)
{
	weft_listener *listener;
	weft_address at;

	CHECK_EQ(weft_listen(&listener, "127.0.0.1:0", NULL), 0);
	weft_listener_address(listener, &at);
	weft_address_format(&at, address);
	return listener;
}

/* ---- no descriptor for a connection ------------------------------------------------- */

struct server {
	weft_listener *listener;
	int accepted;
};

static int accept_three(void *arg)
{
	struct server *s = arg;
	weft_conn *conn[3];

	for (; s->accepted < 3; s->accepted++)
		CHECK_EQ(weft_accept(s->listener, &conn[s->accepted]), 0);
	for (int i = 0; i < 3; i++)
		weft_conn_close(conn[i]);
	return 0;
}

/* All descriptors are taken while three connect: accept waits without spinning, and takes
 * all three once there are descriptors again, though no readiness is reported. */
static void exhaust_descriptors(void)
{
	struct rlimit limit = { .rlim_cur = 64, .rlim_max = 64 };
	char address[WEFT_ADDRESS_TEXT];
	struct server server = { .accepted = 0 };
	int taken[64], clients[3], count = 0, fd;
	weft_fiber *fiber;
	weft_address at;
	int64_t began;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	server.listener = listen_here(address);
	weft_listener_address(server.listener, &at);
	CHECK_EQ(weft_fiber_spawn(&fiber, accept_three, &server, NULL), 0);
	for (int i = 0; i < 3; i++)
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		taken[count++] = fd;
	CHECK_EQ(errno, EMFILE);
	began = weft_now();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(connect(clients[i], (void *)at.bytes, at.size), 0);
	while (weft_listener_shortages(server.listener) < 6)
		CHECK_EQ(weft_sleep_until(weft_after_ms(1)), 0);
	/* It has rested for 1, 2, 4, 8 and 16 ms. */
	CHECK_GE(weft_now() - began, 31 * WEFT_MS);
	while (count > 0)
		close(taken[--count]);
	CHECK_EQ(weft_fiber_join(fiber, NULL), 0);
	CHECK_EQ(server.accepted, 3);
	for (int i = 0; i < 3; i++)
		close(clients[i]);
	weft_listener_close(server.listener);
}

TEST(net_accept_waits_out_a_lack_of_descriptors)
{
	sandbox_run(exhaust_descriptors);
}

static void no_descriptor_at_all(void)
{
	struct rlimit limit, old;
	weft_listener *listener;
	struct weft__poller *poller;
	weft_conn *a, *b;
	weft_file *file;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = 3;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(weft_listen(&listener, "127.0.0.1:0", NULL), -EMFILE);
	CHECK_EQ(weft_connect(&a, "127.0.0.1:1"), -EMFILE);
	CHECK_EQ(weft_pipe(&a, &b), -EMFILE);
	CHECK_NULL(a);
	CHECK_NULL(b);
	CHECK_EQ(weft_conn_pair(&a, &b), -EMFILE);
	CHECK_EQ(weft_file_open(&file, "/dev/null", WEFT_FILE_READ, 0), -EMFILE);
	CHECK_EQ(weft__poller_open(&poller, WEFT__REACTOR_AUTO), -EMFILE);
	CHECK_NULL(poller);
	/* The sanitizers want some at the end. */
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
}

TEST(net_lack_of_descriptors_is_an_error)
{
	sandbox_run(no_descriptor_at_all);
}

/* ---- each call of the server's path refused ----------------------------------------- */

static long refused_call;
static int refused_error;

/* Goes the way of a server and a client; whatever is refused, each call ends with a
 * sentence's worth of error, and nothing stays behind. */
static void walk_the_path(void)
{
	char address[WEFT_ADDRESS_TEXT];
	weft_listener *listener;
	weft_conn *client = NULL, *server = NULL;
	weft_address at;
	char byte;
	int err;

	CHECK_NOT_NULL(weft_runtime_default());
	CHECK(sandbox_refuse(refused_call, 0, 0, UINT32_MAX, refused_error));
	err = weft_listen(&listener, "127.0.0.1:0", NULL);
	if (err < 0) {
		CHECK_NULL(listener);
		return;
	}
	weft_listener_address(listener, &at);
	weft_address_format(&at, address);
	err = weft_connect_until(&client, address, weft_after_s(5));
	if (err == 0)
		err = weft_accept_until(listener, &server, weft_after_ms(20));
	if (err == 0)
		err = weft_conn_write_all_until(client, "x", 1, NULL, weft_after_ms(20));
	if (err == 0)
		err = (int)weft_conn_read_until(server, &byte, 1, weft_after_ms(20));
	if (err == 1)
		err = (int)weft_conn_read_until(server, &byte, 1, weft_after_ms(20));
	CHECK_LT(err, 0);
	weft_conn_close(client);
	weft_conn_close(server);
	weft_listener_close(listener);
}

TEST(net_every_refused_call_is_an_error)
{
	static const long calls[] = { SYS_socket,     SYS_bind,    SYS_listen,
				      SYS_setsockopt, SYS_connect, SYS_accept4,
				      SYS_epoll_ctl,  SYS_sendto,  SYS_recvfrom };
	static const int errors[] = { EPERM, ENOMEM, ENOBUFS, EINVAL };

	if (!sandbox_works())
		SKIP("this system does not let a filter be set");
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		for (size_t j = 0; j < sizeof(errors) / sizeof(*errors); j++) {
			refused_call = calls[i];
			refused_error = errors[j];
			sandbox_run(walk_the_path);
		}
}

/* ---- no io_uring -------------------------------------------------------------------- */

static void ask_for_uring(void)
{
	struct weft__poller *poller;

	CHECK_EQ(unsetenv("WEFT_REACTOR"), 0);
	CHECK(sandbox_refuse(SYS_io_uring_setup, 0, 0, UINT32_MAX, refused_error));
	CHECK_EQ(weft__poller_open(&poller, WEFT__REACTOR_URING), 0);
	CHECK_EQ(weft__poller_kind(poller), WEFT__REACTOR_EPOLL);
	weft__poller_close(poller);
	CHECK_NOT_NULL(weft_uring_refusal());
	CHECK_NOT_NULL(strstr(weft_uring_refusal(),
			      refused_error == EPERM ? "forbids" : "kernel has none"));
}

TEST(net_refused_ring_becomes_epoll)
{
	static const int errors[] = { EPERM, ENOSYS };

	if (weft_uring_refusal())
		SKIP(weft_uring_refusal());
	if (!sandbox_works())
		SKIP("this system does not let a filter be set");
	for (int i = 0; i < 2; i++) {
		refused_error = errors[i];
		sandbox_run(ask_for_uring);
	}
}
