/* SPDX-License-Identifier: MIT */
/*
 * Expiry, of what is asked for and of what nobody asks for, and --maxmemory with each of
 * its policies.
 */
/* CTest: on each reactor. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rig.h"

static struct server server;
static struct client c;

static void begin(const char *const *args)
{
	server_start(&server, args);
	client_open(&c, &server);
}
#define BEGIN(...) begin((const char *const[]){ "kv", ##__VA_ARGS__, NULL })

static void end(void)
{
	client_close(&c);
	server_stop(&server);
}

/* A number of INFO. */
static long long info(const char *name)
{
	const char *reply, *at;

	say(&c, "INFO all");
	reply = hear(&c, NULL);
	at = strstr(reply, name);
	CHECK_NOT_NULL(at);
	return atoll(at + strlen(name) + 1);
}

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

TEST(expired_keys_are_gone_for_those_who_ask)
{
	BEGIN("--workers", "1");
	ask(&c, "SET k v PX 30", "+OK\r\n");
	while (ask_int(&c, "PTTL k") >= 0)
		;
	CHECK_EQ(ask_int(&c, "PTTL k"), -2);
	ask(&c, "GET k", "$-1\r\n");
	CHECK_EQ(ask_int(&c, "EXISTS k"), 0);
	CHECK_EQ(ask_int(&c, "INCR k"), 1);
	CHECK_EQ(ask_int(&c, "TTL k"), -1);
	/* One that comes due between WATCH and EXEC has changed; it is watched alive if it is
	 * alive afterwards. */
	for (int ms = 30;; ms *= 2) {
		say(&c, "SET w v PX %d", ms);
		CHECK_STR_EQ(hear(&c, NULL), "+OK\r\n");
		ask(&c, "WATCH w", "+OK\r\n");
		if (ask_int(&c, "PTTL w") >= 0)
			break;
		ask(&c, "UNWATCH", "+OK\r\n");
	}
	while (ask_int(&c, "PTTL w") >= 0)
		;
	ask(&c, "MULTI", "+OK\r\n");
	ask(&c, "PING", "+QUEUED\r\n");
	ask(&c, "EXEC", "*-1\r\n");
	end();
}

/* DBSIZE looks at no key: it reaches zero only because somebody sweeps. */
TEST(expired_keys_are_swept_when_nobody_asks)
{
	enum { KEYS = 20000 };
	time_t begun = seconds();

	BEGIN("--workers", "2");
	for (int i = 0; i < KEYS; i++)
		say(&c, "SET key:%d v PX %d", i, 200 + i % 100);
	for (int i = 0; i < KEYS; i++)
		CHECK_STR_EQ(hear(&c, NULL), "+OK\r\n");
	ask(&c, "SET stays v EX 1000", "+OK\r\n");
	ask(&c, "SET stays2 v", "+OK\r\n");
	while (ask_int(&c, "DBSIZE") > 2 && seconds() - begun < WAIT_S)
		;
	CHECK_EQ(ask_int(&c, "DBSIZE"), 2);
	CHECK_EQ(info("expired_keys"), KEYS);
	ask(&c, "GET stays", "$1\r\nv\r\n");
	end();
}

/* Sets `count` keys of a kilobyte, in pipelines: how many were refused. */
static int fill(const char *name, int count, const char *options)
{
	char kilobyte[1025];
	int refused = 0;

	memset(kilobyte, 'x', 1024);
	kilobyte[1024] = '\0';
	for (int i = 0; i < count; i += 100) {
		for (int k = i; k < i + 100; k++)
			say(&c, "SET %s:%d %s %s", name, k, kilobyte, options);
		for (int k = 0; k < 100; k++) {
			const char *reply = hear(&c, NULL);

			if (strcmp(reply, "+OK\r\n") == 0)
				continue;
			CHECK_STR_EQ(reply, "-OOM command not allowed when used memory > "
					    "'maxmemory'.\r\n");
			refused++;
		}
	}
	return refused;
}

static const long long MOST = 4 << 20, SLACK = 256 << 10;

static void check_evicts(const char *policy, const char *options)
{
	BEGIN("--maxmemory", "4m", "--maxmemory-policy", policy);
	for (int round = 0; round < 5; round++) {
		static const char *const names[] = { "a", "b", "c", "d", "e" };

		CHECK_EQ(fill(names[round], 3000, options), 0);
		CHECK_LE(info("used_memory"), MOST + SLACK);
	}
	CHECK_GE(info("used_memory"), MOST / 2);
	CHECK_GT(info("evicted_keys"), 1000);
	end();
}

TEST(policy_allkeys_lru_keeps_memory_in_bounds)
{
	check_evicts("allkeys-lru", "");
}

TEST(policy_allkeys_random_keeps_memory_in_bounds)
{
	check_evicts("allkeys-random", "");
}

TEST(policy_volatile_lru_keeps_memory_in_bounds)
{
	check_evicts("volatile-lru", "EX 1000");
}

TEST(policy_volatile_random_keeps_memory_in_bounds)
{
	check_evicts("volatile-random", "EX 1000");
}

TEST(volatile_policies_spare_keys_that_never_expire)
{
	BEGIN("--maxmemory", "4m", "--maxmemory-policy", "volatile-lru");
	CHECK_EQ(fill("stays", 1000, ""), 0);
	CHECK_EQ(fill("goes", 10000, "EX 1000"), 0);
	for (int i = 0; i < 1000; i++) {
		char line[32];

		snprintf(line, sizeof(line), "STRLEN stays:%d", i);
		CHECK_EQ(ask_int(&c, line), 1024);
	}
	/* When none is left that can go, it is an error. */
	CHECK_GT(fill("stays", 10000, ""), 1000);
	CHECK_LE(info("used_memory"), MOST + SLACK);
	end();
}

/* EXEC: "+OK" or numbers for what ran, then the error for each that found no room. */
static void check_transaction_ends_full(const char *policy)
{
	const char *reply;
	int done = 0, refused = 0;

	BEGIN("--maxmemory", "4m", "--maxmemory-policy", policy);
	ask(&c, "MULTI", "+OK\r\n");
	for (int i = 0; i < 16; i++) {
		say(&c, "SETRANGE k:%d 1048575 x", i);
		CHECK_STR_EQ(hear(&c, NULL), "+QUEUED\r\n");
	}
	ask(&c, "STRLEN k:0", "+QUEUED\r\n");
	say(&c, "EXEC");
	reply = hear(&c, NULL);
	CHECK_MEM_EQ(reply, "*17\r\n", 5);
	for (const char *at = reply + 5; *at; at = strchr(at, '\n') + 1) {
		if (*at == '-') {
			CHECK_MEM_EQ(at, "-OOM command not allowed", 24);
			refused++;
		} else {
			CHECK_MEM_EQ(at, ":1048576\r\n", 10);
			done++;
		}
	}
	CHECK_EQ(done + refused, 17);
	/* A string may keep as much room again. STRLEN is among those done. */
	CHECK_GE(done, 3);
	CHECK_LE(done, 5);
	CHECK_LE(info("used_memory"), MOST + (2 << 20) + SLACK);
	end();
}

TEST(transactions_keep_within_maxmemory)
{
	check_transaction_ends_full("noeviction");
	check_transaction_ends_full("allkeys-lru");
}

TEST(transactions_make_room_before_they_begin)
{
	struct client other;

	BEGIN("--maxmemory", "4m", "--maxmemory-policy", "allkeys-lru");
	client_open(&other, &server);
	ask(&other, "MULTI", "+OK\r\n");
	ask(&other, "SET k v", "+QUEUED\r\n");
	CHECK_EQ(ask_int(&c, "SETRANGE a 4194304 x"), 4194305);
	ask(&other, "EXEC", "*1\r\n+OK\r\n");
	CHECK_EQ(ask_int(&c, "EXISTS a"), 0);
	client_close(&other);
	end();
	/* Where nothing may go, it does not begin. */
	BEGIN("--maxmemory", "4m");
	client_open(&other, &server);
	ask(&other, "MULTI", "+OK\r\n");
	ask(&other, "DEL x", "+QUEUED\r\n");
	ask(&other, "SET k v", "+QUEUED\r\n");
	CHECK_EQ(ask_int(&c, "SETRANGE a 4194304 x"), 4194305);
	ask(&other, "EXEC",
	    "-EXECABORT Transaction discarded because of: OOM command not allowed when used "
	    "memory > 'maxmemory'.\r\n");
	ask(&other, "EXEC", "-ERR EXEC without MULTI\r\n");
	client_close(&other);
	end();
}

TEST(noeviction_refuses_what_grows_and_nothing_else)
{
	BEGIN("--maxmemory", "4m");
	CHECK_GT(fill("k", 10000, ""), 1000);
	CHECK_LE(info("used_memory"), MOST + SLACK);
	CHECK_EQ(info("evicted_keys"), 0);
	CHECK_EQ(ask_int(&c, "STRLEN k:0"), 1024);
	ask(&c, "LPUSH l x", "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
	ask(&c, "MULTI", "+OK\r\n");
	ask(&c, "INCR n", "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
	ask(&c, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
	CHECK_EQ(ask_int(&c, "EXPIRE k:0 100"), 1);
	CHECK_EQ(ask_int(&c, "DEL k:0 k:1 k:2 k:3 k:4 k:5 k:6 k:7 k:8 k:9"), 10);
	CHECK_EQ(ask_int(&c, "LPUSH l x"), 1);
	ask(&c, "FLUSHALL", "+OK\r\n");
	CHECK_EQ(fill("k", 1000, ""), 0);
	end();
}
