/* SPDX-License-Identifier: MIT */
/*
 * Clients that misbehave: slow readers, slow writers, resets, too many of them, too large
 * requests, no descriptors left. The one who does is closed; the others notice nothing.
 */
/* CTest: on each reactor. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

static struct server server;

static long long info(struct client *c, const char *name)
{
	const char *reply, *at;

	say(c, "INFO all");
	reply = hear(c, NULL);
	at = strstr(reply, name);
	CHECK_NOT_NULL(at);
	return atoll(at + strlen(name) + 1);
}

/* Waits until so many are connected. */
static void await_connected(struct client *c, long long n)
{
	struct timespec begun, now;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - begun.tv_sec > WAIT_S)
			FAIL("%lld are connected, not %lld", info(c, "connected_clients"), n);
	} while (info(c, "connected_clients") != n);
}

static void setrange(struct client *c, const char *key, long size)
{
	char line[64];

	snprintf(line, sizeof(line), "SETRANGE %s %ld x", key, size - 1);
	CHECK_EQ(ask_int(c, line), size);
}

TEST(a_byte_at_a_time_is_a_request)
{
	static const char bytes[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\nGET k\r\n"
				    "*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\nQUIT\r\n";
	struct client c;
	int on = 1;

	SERVER_START(&server);
	client_open(&c, &server);
	setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (size_t i = 0; i < sizeof(bytes) - 1; i++)
		client_send(&c, bytes + i, 1);
	CHECK_STR_EQ(hear(&c, NULL), "+OK\r\n");
	CHECK_STR_EQ(hear(&c, NULL), "$5\r\nhello\r\n");
	CHECK_STR_EQ(hear(&c, NULL), "$2\r\n\r\n\r\n");
	CHECK_STR_EQ(hear(&c, NULL), "+OK\r\n");
	expect_end(&c);
	client_close(&c);
	server_stop(&server);
}

TEST(a_slow_subscriber_is_closed_and_nobody_else)
{
	struct client slow, quick, publisher;
	struct buf rest;
	int64_t reached = 2;

	SERVER_START(&server, "--workers", "2", "--max-output", "1m");
	client_open(&slow, &server);
	client_open(&quick, &server);
	client_open(&publisher, &server);
	say(&slow, "SUBSCRIBE x");
	hear(&slow, NULL);
	say(&quick, "SUBSCRIBE x");
	hear(&quick, NULL);
	/* The kernel takes some megabytes before it says no. */
	for (int i = 0; reached == 2; i++) {
		CHECK_LT(i, 100000);
		say(&publisher, "PUBLISH x %01000d", i);
		reached = atoll(hear(&publisher, NULL) + 1);
		CHECK_EQ(atoll(strstr(hear(&quick, NULL), "$1000\r\n") + 7), i);
	}
	CHECK_EQ(reached, 1);
	await_connected(&publisher, 2);
	rest = hear_all(&slow);
	CHECK_GT(rest.len, 100000);
	buf_free(&rest);
	say(&publisher, "PUBLISH x last");
	CHECK_EQ(atoll(hear(&publisher, NULL) + 1), 1);
	CHECK_NOT_NULL(strstr(hear(&quick, NULL), "last"));
	client_close(&slow);
	client_close(&quick);
	client_close(&publisher);
	server_stop(&server);
}

/* The most that the server has taken of memory, in KiB. */
static long memory_peak(void)
{
	char path[32], line[128];
	long peak = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)server.pid);
	f = fopen(path, "r");
	CHECK_NOT_NULL(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "VmHWM: %ld", &peak) != 1)
		;
	fclose(f);
	CHECK_GT(peak, 0);
	return peak;
}

/* One PUBLISH, for which 2,000 patterns of one client wait: 200 MB, would the mailbox go
 * on to grow once it is full. */
TEST(a_full_mailbox_takes_nothing_more)
{
	enum { PATTERNS = 2000, SIZE = 100000 };
	static char request[SIZE + 64];
	struct client slow, publisher;
	long before;
	int len;

	SERVER_START(&server, "--workers", "1", "--max-output", "1m");
	client_open(&slow, &server);
	client_open(&publisher, &server);
	for (int i = 0; i < PATTERNS; i++)
		say(&slow, "PSUBSCRIBE [x%d]", i);
	for (int i = 0; i < PATTERNS; i++)
		hear(&slow, NULL);
	len = snprintf(request, sizeof(request), "*3\r\n$7\r\nPUBLISH\r\n$1\r\nx\r\n$%d\r\n",
		       SIZE);
	memset(request + len, 'm', SIZE);
	memcpy(request + len + SIZE, "\r\n", 2);
	before = memory_peak();
	client_send(&publisher, request, (size_t)len + SIZE + 2);
	CHECK_EQ(atoll(hear(&publisher, NULL) + 1), PATTERNS);
	CHECK_LT(memory_peak() - before, 32 << 10);
	await_connected(&publisher, 1);
	client_close(&slow);
	client_close(&publisher);
	server_stop(&server);
}

/* It asks for megabytes and reads none: after --patience it is closed. */
TEST(who_reads_no_answers_is_closed_and_nobody_else)
{
	struct client slow, other;

	SERVER_START(&server, "--workers", "1", "--patience", "1");
	client_open(&slow, &server);
	client_open(&other, &server);
	setrange(&other, "large", 1 << 20);
	for (int i = 0; i < 100; i++)
		say(&slow, "GET large");
	await_connected(&other, 1); /* which asks all the time, and is answered */
	ask(&other, "SET k v", "+OK\r\n");
	client_close(&slow);
	client_close(&other);
	server_stop(&server);
}

/* A peer that reads slowly, but does read, is not closed by --patience. */
TEST(who_reads_slowly_gets_all)
{
	struct client slow;
	struct timespec begun, now;
	char *piece = malloc(64 << 10);
	size_t total = 0, size = (size_t)16 << 20;
	int small = 16 << 10;

	CHECK(piece != NULL);
	SERVER_START(&server, "--workers", "1", "--patience", "1");
	client_open(&slow, &server);
	setsockopt(slow.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	setrange(&slow, "large", (long)size);
	say(&slow, "GET large");
	clock_gettime(CLOCK_MONOTONIC, &begun);
	/* 16 MiB in steps, at a pace that takes three seconds, thrice the patience. */
	while (total < size + 13) {
		ssize_t n = recv(slow.fd, piece, 64 << 10, 0);

		CHECK_GT(n, 0);
		total += (size_t)n;
		do
			clock_gettime(CLOCK_MONOTONIC, &now);
		while ((double)(now.tv_sec - begun.tv_sec) +
			       (double)(now.tv_nsec - begun.tv_nsec) / 1e9 <
		       3.0 * (double)total / (double)size);
	}
	CHECK_EQ(total, size + 13);
	ask(&slow, "PING", "+PONG\r\n");
	free(piece);
	client_close(&slow);
	server_stop(&server);
}

TEST(resets_at_any_moment_leave_nothing_behind)
{
	static const char *const starts[] = { "",
					      "*",
					      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nabc",
					      "MULTI\r\nSET a b\r\n",
					      "SUBSCRIBE a b c\r\n",
					      "WATCH a\r\nGET a\r\n",
					      "GET large\r\nGET large\r\n",
					      "PING",
					      "HELLO 3\r\nPSUBSCRIBE *\r\n" };
	struct client witness, c;

	SERVER_START(&server, "--workers", "2");
	client_open(&witness, &server);
	setrange(&witness, "large", 1 << 20);
	for (int i = 0; i < 300; i++) {
		const char *start = starts[i % 9];

		client_open(&c, &server);
		client_send(&c, start, strlen(start));
		if (i % 2)
			client_reset(&c);
		else
			client_close(&c);
		CHECK_EQ(ask_int(&witness, "EXISTS large"), 1);
	}
	await_connected(&witness, 1);
	CHECK_EQ(ask_int(&witness, "PUBLISH a x"), 0);
	CHECK_EQ(ask_int(&witness, "PUBSUB NUMPAT"), 0);
	client_close(&witness);
	server_stop(&server);
}

TEST(clients_beyond_the_most_are_told)
{
	struct client c[5], more;
	struct buf said;

	SERVER_START(&server, "--maxclients", "5");
	for (int i = 0; i < 5; i++) {
		client_open(&c[i], &server);
		ask(&c[i], "PING", "+PONG\r\n");
	}
	for (int i = 0; i < 3; i++) {
		client_open(&more, &server);
		said = hear_all(&more);
		CHECK_STR_EQ(buf_cstr(&said), "-ERR max number of clients reached\r\n");
		buf_free(&said);
		client_close(&more);
	}
	client_close(&c[0]);
	await_connected(&c[1], 4);
	client_open(&more, &server);
	ask(&more, "PING", "+PONG\r\n");
	CHECK_EQ(info(&more, "rejected_connections"), 3);
	client_close(&more);
	for (int i = 1; i < 5; i++)
		client_close(&c[i]);
	server_stop(&server);
}

static void check_refused(const char *request, const char *error)
{
	struct client c;
	struct buf said;

	client_open(&c, &server);
	client_send(&c, request, strlen(request));
	said = hear_all(&c);
	CHECK_STR_EQ(buf_cstr(&said), error);
	buf_free(&said);
	client_close(&c);
}

TEST(requests_beyond_the_most_are_refused)
{
	struct client c;
	char large[1100];

	SERVER_START(&server, "--max-request", "4k");
	check_refused("*2\r\n$4\r\nECHO\r\n$5000\r\n",
		      "-ERR Protocol error: invalid bulk length\r\n");
	check_refused("*2\r\n$4\r\nECHO\r\n$9999999999999\r\n",
		      "-ERR Protocol error: invalid bulk length\r\n");
	check_refused("*99999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n");
	client_open(&c, &server);
	memset(large, 'x', sizeof(large));
	memcpy(large, "ECHO ", 5);
	large[1000] = '\0';
	ask(&c, "MULTI", "+OK\r\n");
	for (int i = 0; i < 3; i++)
		ask(&c, large, "+QUEUED\r\n");
	say(&c, "%s", large);
	hear(&c, NULL);
	say(&c, "%s", large);
	CHECK_STR_EQ(hear(&c, NULL), "-ERR the transaction is larger than a request may be\r\n");
	ask(&c, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
	ask(&c, "PING", "+PONG\r\n");
	client_close(&c);
	server_stop(&server);
}

TEST(watched_keys_are_counted_once_and_not_without_limit)
{
	struct client c, other;
	int accepted = 0;

	SERVER_START(&server, "--max-request", "4k");
	client_open(&c, &server);
	client_open(&other, &server);
	for (int i = 0; i < 1000; i++)
		ask(&c, "WATCH a a a a a a a a", "+OK\r\n");
	for (bool full = false; !full; accepted += !full) {
		CHECK_LT(accepted, 1000);
		say(&c, "WATCH key:%d", accepted);
		full = hear(&c, NULL)[0] == '-';
	}
	CHECK_GT(accepted, 20);
	ask(&c, "WATCH more", "-ERR the keys watched are larger than a request may be\r\n");
	/* Those before are watched, in the state that they had first. */
	ask(&other, "SET a x", "+OK\r\n");
	ask(&c, "WATCH a", "+OK\r\n");
	ask(&c, "MULTI", "+OK\r\n");
	ask(&c, "EXEC", "*-1\r\n");
	ask(&c, "WATCH more", "+OK\r\n");
	ask(&c, "UNWATCH", "+OK\r\n");
	ask(&c, "WATCH more", "+OK\r\n");
	ask(&c, "MULTI", "+OK\r\n");
	ask(&c, "EXEC", "*0\r\n");
	client_close(&c);
	client_close(&other);
	server_stop(&server);
}

/* The command is answered by an error, then the end; what came before it is answered. */
static void check_too_large(const char *lines, const char *before)
{
	struct client c;
	struct buf said;

	client_open(&c, &server);
	say(&c, "PING\r\n%s\r\nPING", lines);
	CHECK_STR_EQ(hear(&c, NULL), "+PONG\r\n");
	said = hear_all(&c);
	CHECK_MEM_EQ(said.at, before, strlen(before));
	CHECK_STR_EQ(buf_cstr(&said) + strlen(before),
		     "-ERR the reply is larger than there is memory, or than the 1048576 bytes of "
		     "--max-reply\r\n");
	buf_free(&said);
	client_close(&c);
}

TEST(replies_beyond_the_most_end_their_session)
{
	struct client c;

	SERVER_START(&server, "--workers", "1", "--max-reply", "1m");
	client_open(&c, &server);
	CHECK_EQ(ask_int(&c, "SADD s a b c"), 3);
	CHECK_EQ(ask_int(&c, "HSET h a 1 b 2"), 2);
	setrange(&c, "large", 300 << 10);
	/* Were they not to stop, these would take years. */
	check_too_large("SRANDMEMBER s -9223372036854775807", "");
	check_too_large("HRANDFIELD h -4611686018427387903 WITHVALUES", "");
	check_too_large("MGET large large large large", "");
	check_too_large("MULTI\r\nGET large\r\nGET large\r\nGET large\r\nGET large\r\nINCR n\r\n"
			"EXEC",
			"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
	CHECK_EQ(ask_int(&c, "INCR n"), 2);
	/* Each is small enough; a pipeline of them may be of any length. */
	for (int i = 0; i < 10; i++)
		say(&c, "MGET large large large");
	for (int i = 0; i < 10; i++) {
		size_t len;

		hear(&c, &len);
		CHECK_GT(len, 3 * (300 << 10));
	}
	client_close(&c);
	server_stop(&server);
}

TEST(clients_are_listed_and_killed)
{
	struct client a, b;
	char line[64];
	int64_t id;

	SERVER_START(&server, "--workers", "2");
	client_open(&a, &server);
	client_open(&b, &server);
	ask(&b, "CLIENT SETNAME victim", "+OK\r\n");
	id = ask_int(&b, "CLIENT ID");
	say(&a, "CLIENT LIST");
	CHECK_NOT_NULL(strstr(hear(&a, NULL), "name=victim"));
	snprintf(line, sizeof(line), "CLIENT KILL ID %lld", (long long)id);
	CHECK_EQ(ask_int(&a, line), 1);
	expect_end(&b);
	await_connected(&a, 1);
	CHECK_EQ(ask_int(&a, line), 0);
	snprintf(line, sizeof(line), "CLIENT KILL ID %lld", (long long)ask_int(&a, "CLIENT ID"));
	CHECK_EQ(ask_int(&a, line), 1); /* the answer comes, then the end */
	expect_end(&a);
	client_close(&a);
	client_close(&b);
	server_stop(&server);
}

/* Time on a processor that the server has used, in ms. */
static long cpu_ms(void)
{
	char path[32], text[512];
	unsigned long user, sys;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)server.pid);
	f = fopen(path, "r");
	CHECK_NOT_NULL(f);
	CHECK_NOT_NULL(fgets(text, sizeof(text), f));
	fclose(f);
	CHECK_EQ(sscanf(strrchr(text, ')'),
			") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys),
		 2);
	return (long)(user + sys) * 1000 / sysconf(_SC_CLK_TCK);
}

TEST(without_descriptors_clients_wait_and_nothing_spins)
{
	const struct rlimit few = { 32, 32 };
	struct client c[60];
	struct timespec second = { .tv_sec = 1 };
	long before;

	SERVER_START(&server, "--workers", "1");
	CHECK_EQ(prlimit(server.pid, RLIMIT_NOFILE, &few, NULL), 0);
	for (int i = 0; i < 60; i++) {
		client_open(&c[i], &server); /* into the backlog, at least */
		say(&c[i], "PING");
	}
	CHECK_STR_EQ(hear(&c[0], NULL), "+PONG\r\n");
	before = cpu_ms();
	nanosleep(&second, NULL); /* what would spin needs a second of it */
	CHECK_LT(cpu_ms() - before, 300);
	/* Whoever leaves makes room for one who waits. */
	for (int i = 0; i < 60; i++) {
		if (i > 0)
			CHECK_STR_EQ(hear(&c[i], NULL), "+PONG\r\n");
		if (i == 59)
			CHECK_GT(info(&c[i], "listener_shortages"), 0);
		client_close(&c[i]);
	}
	server_stop(&server);
}

/* Half of a long list goes, from either end; it took seconds when each left a gap to be
 * closed at once. */
TEST(many_items_are_removed_in_one_go)
{
	enum { ITEMS = 200000, EACH = 200 };
	char line[8 + 4 * EACH] = "RPUSH l";
	struct client c;
	long before;

	for (int i = 0; i < EACH; i++)
		strcat(line, i % 2 ? " a" : " b");
	SERVER_START(&server, "--workers", "1");
	client_open(&c, &server);
	for (int i = 0; i < ITEMS / EACH; i++)
		CHECK_EQ(ask_int(&c, line), (i + 1) * EACH);
	before = cpu_ms();
	CHECK_EQ(ask_int(&c, "LREM l -99999 a"), 99999);
	ask(&c, "LRANGE l 0 3", "*4\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nb\r\n");
	CHECK_EQ(ask_int(&c, "LREM l 99999 b"), 99999);
	ask(&c, "LRANGE l 0 3", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
	CHECK_LT(cpu_ms() - before, 1000);
	client_close(&c);
	server_stop(&server);
}

/* The last one: who is not root cannot take it back. */
TEST(maxclients_fits_the_descriptors)
{
	struct rlimit was, few = { 40, 64 };
	struct client c;
	long long most;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &was), 0);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	SERVER_START(&server, "--workers", "1", "--maxclients", "1000");
	server_says(&server, "the system allows it the descriptors for");
	client_open(&c, &server);
	most = info(&c, "maxclients");
	CHECK_GT(most, 40); /* it was raised */
	CHECK_LT(most, 64);
	client_close(&c);
	server_stop(&server);
	(void)!setrlimit(RLIMIT_NOFILE, &was);
}
