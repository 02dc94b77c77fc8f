/* SPDX-License-Identifier: MIT */
/*
 * Publishing between many connections: everybody gets what they subscribed to, whole, in
 * the order of each publisher, while others come and go.
 */
/* CTest: on each reactor. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/atomic.h>

#include "rig.h"

enum { CHANNELS = 4, BY_NAME = 24, BY_PATTERN = 8, PUBLISHERS = 3, MESSAGES = 400 };

static struct server server;

static void *publish_all(void *arg)
{
	struct client c;
	int64_t reached = 0;
	long who = *(const int *)arg;

	client_open(&c, &server);
	for (int i = 0; i < MESSAGES; i++)
		say(&c, "PUBLISH ch:%d %ld-%d", i % CHANNELS, who, i);
	for (int i = 0; i < MESSAGES; i++)
		reached += atoll(hear(&c, NULL) + 1);
	CHECK_EQ(reached, MESSAGES * (BY_NAME / CHANNELS + BY_PATTERN));
	client_close(&c);
	return NULL;
}

/* The message with its publisher and number; the channel's is checked. */
static void read_message(struct client *c, bool pattern, int *who, int *number)
{
	char wanted[256], channel[16], text[16];
	const char *reply = hear(c, NULL), *last;

	last = strstr(reply, pattern ? "$8\r\npmessage\r\n$4\r\nch:*\r\n" : "$7\r\nmessage\r\n");
	CHECK_NOT_NULL(last);
	last = strstr(reply, "$4\r\nch:");
	while (strstr(last + 1, "$4\r\nch:"))
		last = strstr(last + 1, "$4\r\nch:");
	CHECK_EQ(sscanf(last, "$4\r\nch:%1[0-9]\r\n$%*d\r\n%d-%d", channel, who, number), 3);
	CHECK_EQ(atoi(channel), *number % CHANNELS);
	snprintf(text, sizeof(text), "%d-%d", *who, *number);
	snprintf(wanted, sizeof(wanted), "*%d\r\n%s$4\r\nch:%s\r\n$%zu\r\n%s\r\n", pattern ? 4 : 3,
		 pattern ? "$8\r\npmessage\r\n$4\r\nch:*\r\n" : "$7\r\nmessage\r\n", channel,
		 strlen(text), text);
	CHECK_STR_EQ(reply, wanted);
}

static void check_received(struct client *c, bool pattern, int channel)
{
	int last[PUBLISHERS] = { -1, -1, -1 }, count = pattern ? MESSAGES : MESSAGES / CHANNELS;

	for (int i = 0; i < PUBLISHERS * count; i++) {
		int who, number;

		read_message(c, pattern, &who, &number);
		CHECK_LT(who, PUBLISHERS);
		if (last[who] < 0)
			CHECK_EQ(number, pattern ? 0 : channel);
		else
			CHECK_EQ(number, last[who] + (pattern ? 1 : CHANNELS));
		last[who] = number;
	}
}

/* Comes, listens to all, and goes, with and without goodbye. */
static void *come_and_go(void *arg)
{
	const weft_atomic_bool *stop = arg;

	for (int i = 0; !weft_load_relaxed(stop); i++) {
		struct client c;

		client_open(&c, &server);
		say(&c, "PSUBSCRIBE other:*");
		hear(&c, NULL);
		say(&c, "SUBSCRIBE other");
		hear(&c, NULL);
		if (i % 3 == 0) {
			say(&c, "UNSUBSCRIBE");
			hear(&c, NULL);
		}
		if (i % 2)
			client_close(&c);
		else
			client_reset(&c);
	}
	return NULL;
}

TEST(messages_reach_everybody_whole_and_in_order)
{
	static struct client names[BY_NAME], patterns[BY_PATTERN];
	pthread_t publishers[PUBLISHERS], guest;
	int numbers[PUBLISHERS] = { 0, 1, 2 };
	weft_atomic_bool stop = WEFT_ATOMIC_INIT(false);

	SERVER_START(&server, "--workers", "2");
	for (int i = 0; i < BY_NAME; i++) {
		client_open(&names[i], &server);
		say(&names[i], "SUBSCRIBE ch:%d", i % CHANNELS);
		hear(&names[i], NULL);
	}
	for (int i = 0; i < BY_PATTERN; i++) {
		client_open(&patterns[i], &server);
		ask(&patterns[i], "PSUBSCRIBE ch:*",
		    "*3\r\n$10\r\npsubscribe\r\n$4\r\nch:*\r\n:1\r\n");
	}
	CHECK_EQ(pthread_create(&guest, NULL, come_and_go, &stop), 0);
	for (int i = 0; i < PUBLISHERS; i++)
		CHECK_EQ(pthread_create(&publishers[i], NULL, publish_all, &numbers[i]), 0);
	for (int i = 0; i < PUBLISHERS; i++)
		pthread_join(publishers[i], NULL);
	for (int i = 0; i < BY_NAME; i++)
		check_received(&names[i], false, i % CHANNELS);
	for (int i = 0; i < BY_PATTERN; i++)
		check_received(&patterns[i], true, 0);
	weft_store_relaxed(&stop, true);
	pthread_join(guest, NULL);
	for (int i = 0; i < BY_NAME; i++)
		client_close(&names[i]);
	for (int i = 0; i < BY_PATTERN; i++)
		client_close(&patterns[i]);
	server_stop(&server);
}

TEST(subscriptions_are_counted_and_end_with_their_connection)
{
	struct client a, b, c;

	SERVER_START(&server);
	client_open(&a, &server);
	client_open(&b, &server);
	client_open(&c, &server);
	ask(&a, "SUBSCRIBE x", "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
	ask(&a, "SUBSCRIBE x", "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
	ask(&a, "PSUBSCRIBE x*", "*3\r\n$10\r\npsubscribe\r\n$2\r\nx*\r\n:2\r\n");
	ask(&b, "SUBSCRIBE x", "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
	CHECK_EQ(ask_int(&c, "PUBLISH x 1"), 3);
	ask(&c, "PUBSUB NUMSUB x y", "*4\r\n$1\r\nx\r\n:2\r\n$1\r\ny\r\n:0\r\n");
	ask(&c, "PUBSUB CHANNELS", "*1\r\n$1\r\nx\r\n");
	CHECK_EQ(ask_int(&c, "PUBSUB NUMPAT"), 1);
	client_reset(&a);
	while (ask_int(&c, "PUBSUB NUMPAT") != 0)
		;
	CHECK_EQ(ask_int(&c, "PUBLISH x 2"), 1);
	CHECK_STR_EQ(hear(&b, NULL), "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\n1\r\n");
	CHECK_STR_EQ(hear(&b, NULL), "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\n2\r\n");
	ask(&b, "UNSUBSCRIBE x", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:0\r\n");
	CHECK_EQ(ask_int(&c, "PUBLISH x 3"), 0);
	ask(&c, "PUBSUB CHANNELS", "*0\r\n");
	ask(&b, "PING", "+PONG\r\n");
	client_close(&b);
	client_close(&c);
	server_stop(&server);
}

TEST(a_subscriber_of_resp3_may_ask_meanwhile)
{
	struct client a, b;

	SERVER_START(&server);
	client_open(&a, &server);
	client_open(&b, &server);
	say(&a, "HELLO 3");
	hear(&a, NULL);
	ask(&a, "SUBSCRIBE x", ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
	ask(&a, "SET k v", "+OK\r\n");
	CHECK_EQ(ask_int(&b, "PUBLISH x hello"), 1);
	CHECK_STR_EQ(hear(&a, NULL), ">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$5\r\nhello\r\n");
	ask(&a, "GET k", "$1\r\nv\r\n");
	/* Its own message comes after a transaction, not in it. */
	say(&a, "MULTI\r\nPUBLISH x mine\r\nGET k\r\nEXEC");
	for (int i = 0; i < 3; i++)
		hear(&a, NULL);
	CHECK_STR_EQ(hear(&a, NULL), "*2\r\n:1\r\n$1\r\nv\r\n");
	CHECK_STR_EQ(hear(&a, NULL), ">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$4\r\nmine\r\n");
	client_close(&a);
	client_close(&b);
	server_stop(&server);
}

/* The name is sent as it came, also what stands behind a NUL in it. */
TEST(names_with_a_nul_are_told_whole)
{
	enum { LEN = 600 };
	char request[LEN + 64], wanted[LEN + 64], name[LEN];
	struct client c;
	size_t len, size;
	const char *reply;

	memset(name, 'Z', sizeof(name));
	memcpy(name, "a", 2);
	SERVER_START(&server, "--workers", "1");
	client_open(&c, &server);
	size = (size_t)snprintf(request, sizeof(request), "*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n", LEN);
	memcpy(request + size, name, LEN);
	memcpy(request + size + LEN, "\r\n", 2);
	client_send(&c, request, size + LEN + 2);
	hear(&c, NULL);
	say(&c, "UNSUBSCRIBE");
	reply = hear(&c, &len);
	size = (size_t)snprintf(wanted, sizeof(wanted), "*3\r\n$11\r\nunsubscribe\r\n$%d\r\n",
				LEN);
	memcpy(wanted + size, name, LEN);
	memcpy(wanted + size + LEN, "\r\n:0\r\n", 6);
	CHECK_EQ(len, size + LEN + 6);
	CHECK_MEM_EQ(reply, wanted, len);
	client_close(&c);
	server_stop(&server);
}
