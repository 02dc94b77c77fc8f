/* SPDX-License-Identifier: MIT */
/*
 * Transactions of several connections at a time, on two workers: nobody sees half of one,
 * counters add up, and who watched what changed starts again. The keys lie in different
 * shards.
 */
/* CTest: on each reactor. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/atomic.h>

#include "rig.h"

enum { CLIENTS = 6, ROUNDS = 150 };

static struct server server;

static void run_all(void *(*fn)(void *))
{
	pthread_t threads[CLIENTS];

	for (int i = 0; i < CLIENTS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, fn, NULL), 0);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
}

/* Adds one to eight counters; in between all must be equal. */
static void *add_to_all(void *arg)
{
	struct client c;

	(void)arg;
	client_open(&c, &server);
	for (int i = 0; i < ROUNDS; i++) {
		int64_t first = 0;
		const char *at;

		say(&c, "MULTI\r\nINCR a\r\nINCR b\r\nINCR c\r\nINCR d\r\nINCR e\r\nINCR f\r\n"
			"INCR g\r\nINCR h\r\nEXEC");
		for (int k = 0; k < 9; k++)
			hear(&c, NULL);
		at = hear(&c, NULL);
		CHECK_MEM_EQ(at, "*8\r\n", 4);
		for (int k = 0; k < 8; k++) {
			at = strchr(at + 1, ':');
			CHECK_NOT_NULL(at);
			first = k ? first : atoll(at + 1);
			CHECK_EQ(atoll(at + 1), first);
		}
	}
	client_close(&c);
	return NULL;
}

TEST(transactions_are_one_step_for_all_others)
{
	struct client c;

	SERVER_START(&server, "--workers", "2");
	run_all(add_to_all);
	client_open(&c, &server);
	for (const char *key = "abcdefgh"; *key; key++) {
		char line[16];

		snprintf(line, sizeof(line), "INCRBY %c 0", *key);
		CHECK_EQ(ask_int(&c, line), CLIENTS * ROUNDS);
	}
	client_close(&c);
	server_stop(&server);
}

static weft_atomic_i32 conflicts;

/* Reads, adds, and writes, if nobody else has written meanwhile. */
static void *add_if_unchanged(void *arg)
{
	struct client c;

	(void)arg;
	client_open(&c, &server);
	for (int done = 0; done < ROUNDS / 3;) {
		const char *reply;
		int64_t n;

		ask(&c, "WATCH counter", "+OK\r\n");
		say(&c, "GET counter");
		reply = hear(&c, NULL);
		n = reply[1] == '-' ? 0 : atoll(strchr(reply, '\n') + 1);
		say(&c, "MULTI\r\nSET counter %lld\r\nEXEC", (long long)n + 1);
		CHECK_STR_EQ(hear(&c, NULL), "+OK\r\n");
		CHECK_STR_EQ(hear(&c, NULL), "+QUEUED\r\n");
		reply = hear(&c, NULL);
		if (strcmp(reply, "*-1\r\n") == 0) {
			weft_add_relaxed(&conflicts, 1);
			continue;
		}
		CHECK_STR_EQ(reply, "*1\r\n+OK\r\n");
		done++;
	}
	client_close(&c);
	return NULL;
}

TEST(watched_counters_add_up)
{
	struct client c;

	SERVER_START(&server, "--workers", "2");
	run_all(add_if_unchanged);
	client_open(&c, &server);
	CHECK_EQ(ask_int(&c, "INCRBY counter 0"), CLIENTS * (ROUNDS / 3));
	printf("%d conflicts\n", (int)weft_load_relaxed(&conflicts));
	client_close(&c);
	server_stop(&server);
}

/* Each client moves coins between hands with other commands than MULTI; the sum of what
 * a reader sees at once never changes. */
static void *move_coins(void *arg)
{
	struct client c;

	(void)arg;
	client_open(&c, &server);
	for (int i = 0; i < ROUNDS; i++) {
		say(&c, "LMOVE left right LEFT RIGHT\r\nRPOPLPUSH right left\r\nSMOVE s1 s2 1\r\n"
			"SMOVE s2 s1 1\r\nRENAME here there\r\nRENAME there here\r\n"
			"MULTI\r\nLLEN left\r\nLLEN right\r\nSCARD s1\r\nSCARD s2\r\n"
			"EXISTS here\r\nEXISTS there\r\nEXEC");
		for (int k = 0; k < 13; k++)
			hear(&c, NULL);
		{
			long n[6];
			const char *reply = hear(&c, NULL);

			CHECK_EQ(sscanf(reply,
					"*6\r\n:%ld\r\n:%ld\r\n:%ld\r\n:%ld\r\n:%ld\r\n:%ld",
					&n[0], &n[1], &n[2], &n[3], &n[4], &n[5]),
				 6);
			CHECK_EQ(n[0] + n[1], 10);
			CHECK_EQ(n[2] + n[3], 3);
			CHECK_EQ(n[4] + n[5], 1);
		}
	}
	client_close(&c);
	return NULL;
}

TEST(commands_on_two_keys_are_one_step_for_all_others)
{
	struct client c;

	SERVER_START(&server, "--workers", "2");
	client_open(&c, &server);
	CHECK_EQ(ask_int(&c, "RPUSH left 1 2 3 4 5 6 7 8 9 10"), 10);
	CHECK_EQ(ask_int(&c, "SADD s1 1 2 3"), 3);
	ask(&c, "SET here x", "+OK\r\n");
	run_all(move_coins);
	client_close(&c);
	server_stop(&server);
}

static void *set_all(void *arg)
{
	struct client c;

	(void)arg;
	client_open(&c, &server);
	for (int i = 0; i < ROUNDS; i++) {
		char value[16], wanted[256], *to = wanted;
		const char *reply;

		snprintf(value, sizeof(value), "%d", 100 + i);
		say(&c, "MSET m1 %s m2 %s m3 %s m4 %s m5 %s m6 %s", value, value, value, value,
		    value, value);
		CHECK_STR_EQ(hear(&c, NULL), "+OK\r\n");
		say(&c, "MGET m1 m2 m3 m4 m5 m6");
		reply = hear(&c, NULL);
		to += snprintf(to, 8, "*6\r\n");
		for (int k = 0; k < 6; k++)
			to += snprintf(to, 16, "%.9s", reply + 4);
		CHECK_STR_EQ(reply, wanted);
	}
	client_close(&c);
	return NULL;
}

TEST(several_keys_are_set_and_read_at_once)
{
	SERVER_START(&server, "--workers", "2");
	run_all(set_all);
	server_stop(&server);
}
