/* SPDX-License-Identifier: MIT */
/*
 * Goal: addresses are read and written; connections come about between all kinds of
 * addresses, by the first that answers, or are an error value in time; and no attempt
 * leaves a descriptor behind. Method: listeners of our own, some of which never answer.
 */
/* CTest: on each reactor. */
#include "weft/net.h"

#include "check.h"
#include "io/pairs_test.h"
#include "weft/fiber.h"
#include "weft/runtime.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- addresses ---------------------------------------------------------------------- */

TEST(connect_addresses_are_read_and_written)
{
	static const char *const same[] = {
		"127.0.0.1:80",   "0.0.0.0:0",   "[::1]:65535",
		"[fe80::1%lo]:7", "unix:/tmp/x", "unix:@weft test",
	};
	static const char *const bad[] = {
		"",
		":80",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:8x",
		"1.2.3:80",
		"[::1:80",
		"[]:80",
		"[1.2.3.4]:80",
		"unix:",
		"localhost:80",
		"[::1%nosuchdevice]:80",
		"127.0.0.1: 80",
		"127.0.0.1:999999999999",
	};
	char text[WEFT_ADDRESS_TEXT], longest[200];
	weft_address address;

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		CHECK_EQ(weft_address_parse(&address, same[i]), 0);
		CHECK_STR_EQ(weft_address_format(&address, text), same[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK_EQ(weft_address_parse(&address, bad[i]), -EINVAL);
	CHECK_EQ(weft_address_parse(&address, "*:80"), 0);
	CHECK_EQ(weft_address_port(&address), 80);
	snprintf(longest, sizeof(longest), "unix:/%0150d", 0);
	CHECK_EQ(weft_address_parse(&address, longest), -EINVAL);
	snprintf(longest, sizeof(longest), "%0150d:80", 0);
	CHECK_EQ(weft_address_parse(&address, longest), -EINVAL);
	memset(&address, 0, sizeof(address));
	CHECK_STR_EQ(weft_address_format(&address, text), "");
}

/* ---- connecting and accepting ------------------------------------------------------- */

static void talk_once(const char *where)
{
	char address[WEFT_ADDRESS_TEXT], buffer[8];
	weft_listener *listener = listen_on(where, address);
	weft_conn *a, *b;

	CHECK_EQ(weft_accept_until(listener, &b, 0), -ETIMEDOUT);
	CHECK_NULL(b);
	CHECK_EQ(weft_connect(&a, address), 0);
	CHECK_EQ(weft_accept(listener, &b), 0);
	CHECK_EQ(weft_conn_write(a, "hello", 5), 0);
	CHECK_EQ(weft_conn_read(b, buffer, sizeof(buffer)), 5);
	CHECK_MEM_EQ(buffer, "hello", 5);
	weft_conn_close(a);
	CHECK_EQ(weft_conn_read(b, buffer, sizeof(buffer)), 0);
	CHECK_EQ(weft_conn_read(b, buffer, sizeof(buffer)), 0);
	weft_conn_close(b);
	weft_listener_close(listener);
	CHECK_LT(weft_connect(&a, address), 0);
	CHECK_NULL(a);
}

TEST(connect_talks_by_tcp)
{
	talk_once("127.0.0.1:0");
}

TEST(connect_talks_by_ipv6)
{
	weft_listener *listener;
	int err = weft_listen(&listener, "[::1]:0", NULL);

	if (err == -EADDRNOTAVAIL || err == -EAFNOSUPPORT)
		SKIP("this machine has no IPv6");
	CHECK_EQ(err, 0);
	weft_listener_close(listener);
	talk_once("[::1]:0");
}

TEST(connect_talks_by_unix_sockets)
{
	char path[] = "/tmp/weft-net-XXXXXX", where[64];
	weft_listener *listener, *second;

	CHECK_NOT_NULL(mkdtemp(path));
	snprintf(where, sizeof(where), "unix:%s/socket", path);
	talk_once(where);
	snprintf(where, sizeof(where), "unix:@weft-net-%d", (int)getpid());
	talk_once(where);
	snprintf(where, sizeof(where), "unix:%s/socket", path);
	/* One that listens is not replaced; the path of one that has died is. */
	CHECK_EQ(weft_listen(&listener, where, NULL), 0);
	CHECK_EQ(weft_listen(&second, where, NULL), -EADDRINUSE);
	CHECK_NULL(second);
	weft_listener_close(listener);
	CHECK_EQ(access(where + 5, F_OK), -1);
	CHECK_EQ(rmdir(path), 0);
}

static int give_port_back(void *arg)
{
	char address[WEFT_ADDRESS_TEXT];
	weft_listener *listener = listen_on("127.0.0.1:0", address);
	weft_conn *none;

	(void)arg;
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(weft_accept_until(listener, &none, weft_after_us(100)), -ETIMEDOUT);
		weft_listener_close(listener);
		CHECK_EQ(weft_listen(&listener, address, NULL), 0);
	}
	weft_listener_close(listener);
	return 0;
}

/* A port is free as soon as its listener is closed, by the poller's owner and by others. */
TEST(connect_listener_gives_its_port_back)
{
	CHECK_EQ(weft_block_on(NULL, give_port_back, NULL, NULL), 0);
	give_port_back(NULL);
}

TEST(connect_refused_connection_is_an_error)
{
	char address[WEFT_ADDRESS_TEXT];
	weft_conn *conn;

	weft_listener_close(listen_on("127.0.0.1:0", address));
	CHECK_EQ(weft_connect(&conn, address), -ECONNREFUSED);
	CHECK_NULL(conn);
	CHECK_EQ(weft_connect(&conn, "*:80"), -EINVAL);
	CHECK_EQ(weft_connect(&conn, "unix:/nonexistent/socket"), -ENOENT);
}

/* The first address refuses, the second answers. */
TEST(connect_tries_all_addresses)
{
	char good[WEFT_ADDRESS_TEXT], bad[WEFT_ADDRESS_TEXT];
	weft_listener *listener = listen_on("127.0.0.1:0", good);
	weft_address addresses[3], peer;
	weft_conn *a, *b;

	weft_listener_close(listen_on("127.0.0.1:0", bad));
	CHECK_EQ(weft_address_parse(&addresses[0], bad), 0);
	CHECK_EQ(weft_address_parse(&addresses[1], "[::1]:1"), 0);
	CHECK_EQ(weft_address_parse(&addresses[2], good), 0);
	CHECK_EQ(weft_connect_to_until(&a, addresses, 3, WEFT_NEVER), 0);
	weft_conn_peer(a, &peer);
	CHECK_STR_EQ(weft_address_format(&peer, bad), good);
	CHECK_EQ(weft_accept(listener, &b), 0);
	weft_conn_close(a);
	weft_conn_close(b);
	CHECK_EQ(weft_connect_to_until(&a, addresses, 0, WEFT_NEVER), -EINVAL);
	weft_listener_close(listener);
}

static int descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++) {
		struct sockaddr_storage name;
		socklen_t size = sizeof(name);

		count += getsockname(fd, (void *)&name, &size) == 0;
	}
	return count;
}

/* A listener that accepts nobody and has a full backlog: who connects hangs. */
static int full_listener(struct sockaddr_in *name, int *fillers, int most)
{
	socklen_t size = sizeof(*name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*name = (struct sockaddr_in){ .sin_family = AF_INET };
	name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(fd, (void *)name, sizeof(*name)), 0);
	CHECK_EQ(listen(fd, 0), 0);
	CHECK_EQ(getsockname(fd, (void *)name, &size), 0);
	for (int i = 0; i < most; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fillers[i], (void *)name, sizeof(*name));
	}
	return fd;
}

enum { FILLERS = 4 };

TEST(connect_that_hangs_times_out_and_leaves_nothing)
{
	int fillers[FILLERS], before;
	struct sockaddr_in name;
	int fd = full_listener(&name, fillers, FILLERS);
	char address[WEFT_ADDRESS_TEXT];
	weft_conn *conn;

	snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(name.sin_port));
	CHECK_EQ(weft_connect_until(&conn, address, weft_after_ms(1)), -ETIMEDOUT);
	before = descriptors();
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(weft_connect_until(&conn, address, weft_after_us(i * 50)), -ETIMEDOUT);
		CHECK_NULL(conn);
	}
	/* On the ring the last of them may be on the way. */
	while (descriptors() > before)
		weft_yield();
	for (int i = 0; i < FILLERS; i++)
		close(fillers[i]);
	close(fd);
}

/* The address that hangs comes first: the other gets its turn after a while, and wins. */
TEST(connect_does_not_wait_for_one_that_hangs)
{
	int fillers[FILLERS];
	struct sockaddr_in name;
	int fd = full_listener(&name, fillers, FILLERS);
	char address[WEFT_ADDRESS_TEXT];
	weft_listener *listener = listen_on("127.0.0.1:0", address);
	weft_address addresses[2];
	weft_conn *a, *b;

	memset(addresses, 0, sizeof(addresses));
	memcpy(addresses[0].bytes, &name, sizeof(name));
	addresses[0].size = sizeof(name);
	CHECK_EQ(weft_address_parse(&addresses[1], address), 0);
	CHECK_EQ(weft_connect_to_until(&a, addresses, 2, WEFT_NEVER), 0);
	CHECK_EQ(weft_accept(listener, &b), 0);
	weft_conn_close(a);
	weft_conn_close(b);
	weft_listener_close(listener);
	for (int i = 0; i < FILLERS; i++)
		close(fillers[i]);
	close(fd);
}

static int connect_by_name(void *arg)
{
	char address[WEFT_ADDRESS_TEXT], by_name[WEFT_ADDRESS_TEXT];
	weft_listener *listener = listen_on("127.0.0.1:0", address);
	weft_address found[WEFT_ADDRESSES_MAX];
	weft_conn *a, *b;
	int err;

	(void)arg;
	snprintf(by_name, sizeof(by_name), "localhost%s", strrchr(address, ':'));
	CHECK_GE(weft_resolve_until(found, WEFT_ADDRESSES_MAX, by_name, WEFT_NEVER), 1);
	CHECK_EQ(weft_connect(&a, by_name), 0);
	CHECK_EQ(weft_accept(listener, &b), 0);
	weft_conn_close(a);
	weft_conn_close(b);
	weft_listener_close(listener);
	CHECK_EQ(weft_resolve_until(found, 1, "no-port", WEFT_NEVER), -EINVAL);
	CHECK_LT(weft_resolve_until(found, 1, "localhost:no-such-service", WEFT_NEVER), 0);
	CHECK_EQ(weft_resolve_until(found, 1, "127.0.0.1:5", 0), 1);
	/* Given up, unless the answer was faster. */
	err = weft_resolve_until(found, 1, "localhost:5", 0);
	CHECK(err == -ETIMEDOUT || err == 1);
	return 0;
}

/* In a runtime of its own, whose end waits for the look-up that was given up. */
TEST(connect_by_name)
{
	weft_runtime *runtime;

	CHECK_EQ(weft_runtime_start(&runtime, NULL), 0);
	CHECK_EQ(weft_block_on(runtime, connect_by_name, NULL, NULL), 0);
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
}
