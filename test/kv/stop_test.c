/* SPDX-License-Identifier: MIT */
/*
 * How weft kv ends, and how it does not begin: SHUTDOWN, signals, snapshots at both ends,
 * answers that were under way; flags that are wrong, ports that are taken.
 */
/* CTest: on each reactor. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"
#include "rt/sanitize.h"

static struct server server;
static struct client c;

static const char *file(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", scratch(), name);
	return path;
}

static void begin(const char *const *args)
{
	server_start(&server, args);
	client_open(&c, &server);
}
#define BEGIN(...) begin((const char *const[]){ "kv", ##__VA_ARGS__, NULL })

static void check_loaded(const char *path, const char *value)
{
	BEGIN("--save", path);
	ask(&c, "GET k", value);
	client_close(&c);
	server_stop(&server);
}

TEST(shutdown_saves_and_ends_with_0)
{
	const char *path = file("shutdown");

	BEGIN("--save", path);
	ask(&c, "SET k v", "+OK\r\n");
	say(&c, "SHUTDOWN");
	expect_end(&c);
	client_close(&c);
	CHECK_EQ(server_wait(&server), 0);
	check_loaded(path, "$1\r\nv\r\n");
}

TEST(shutdown_nosave_leaves_the_file_alone)
{
	const char *path = file("nosave");

	BEGIN("--save", path);
	ask(&c, "SET k first", "+OK\r\n");
	ask(&c, "SAVE", "+OK\r\n");
	ask(&c, "SET k second", "+OK\r\n");
	say(&c, "SHUTDOWN NOSAVE");
	expect_end(&c);
	client_close(&c);
	CHECK_EQ(server_wait(&server), 0);
	check_loaded(path, "$5\r\nfirst\r\n");
}

/* Several clients sit idle, listen, or are in a transaction; one has asked for more than
 * was read. A signal answers what came, saves, and ends with 0. */
static void check_signal(int number, const char *path)
{
	struct client idle[5], busy;

	BEGIN("--workers", "2", "--save", path);
	ask(&c, "SET k v", "+OK\r\n");
	for (int i = 0; i < 5; i++)
		client_open(&idle[i], &server);
	say(&idle[1], "SUBSCRIBE x");
	hear(&idle[1], NULL);
	ask(&idle[2], "MULTI", "+OK\r\n");
	client_open(&busy, &server);
	for (int i = 0; i < 1000; i++)
		say(&busy, "INCR n");
	for (int i = 0; i < 10; i++)
		hear(&busy, NULL);
	kill(server.pid, number);
	for (int i = 0; i < 5; i++) {
		expect_end(&idle[i]);
		client_close(&idle[i]);
	}
	CHECK_EQ(server_wait(&server), 0);
	{ /* What was carried out was answered, one by one. */
		struct buf rest = hear_all(&busy);
		int n = 10;

		for (size_t at = 0; at < rest.len; n++) {
			CHECK_EQ(atoi(rest.at + at + 1), n + 1);
			at = reply_end(rest.at, at, rest.len);
			CHECK_GT(at, 0);
		}
		buf_free(&rest);
		client_close(&busy);
		client_close(&c);
		BEGIN("--save", path);
		CHECK_EQ(ask_int(&c, "INCRBY n 0"), n);
	}
	client_close(&c);
	server_stop(&server);
	check_loaded(path, "$1\r\nv\r\n");
}

TEST(sigterm_answers_saves_and_ends_with_0)
{
	check_signal(SIGTERM, file("sigterm"));
}

TEST(sigint_answers_saves_and_ends_with_0)
{
	check_signal(SIGINT, file("sigint"));
}

/* One that reads nothing holds up the end for a moment, of two seconds; a second signal
 * does not wait for that: the exit code tells which end it was. */
TEST(a_second_signal_ends_at_once)
{
	int waiting = 0, code;

	BEGIN("--workers", "1");
	CHECK_EQ(ask_int(&c, "SETRANGE large 33554431 x"), 33554432);
	say(&c, "GET large");
	while (waiting == 0)
		CHECK_EQ(ioctl(c.fd, FIONREAD, &waiting), 0);
	kill(server.pid, SIGINT);
	kill(server.pid, SIGTERM);
	code = server_wait(&server); /* either may be seen first */
	CHECK(code == 128 + SIGTERM || code == 128 + SIGINT);
	client_close(&c);
}

TEST(sigusr2_tells_what_the_fibers_do_and_goes_on)
{
	struct server s;

	if (WEFT__TSAN)
		SKIP("ThreadSanitizer keeps signals back from a thread that sleeps");
	SERVER_START(&s, "--workers", "2");
	client_open(&c, &s);
	ask(&c, "PING", "+PONG\r\n");
	for (int i = 0; i < 3; i++) {
		kill(s.pid, SIGUSR2);
		server_says(&s, "runtime \"kv\": 2 workers");
		server_says(&s, "worker 1:");
		ask(&c, "PING", "+PONG\r\n");
	}
	client_close(&c);
	server_stop(&s);
}

TEST(one_who_reads_nothing_does_not_hold_up_the_end)
{
	int waiting = 0;

	BEGIN("--workers", "1");
	CHECK_EQ(ask_int(&c, "SETRANGE large 33554431 x"), 33554432);
	say(&c, "GET large");
	while (waiting == 0)
		CHECK_EQ(ioctl(c.fd, FIONREAD, &waiting), 0);
	kill(server.pid, SIGTERM);
	CHECK_EQ(server_wait(&server), 0);
	client_close(&c);
}

/* ---- beginnings that fail --------------------------------------------------------------- */

/* Runs `weft kv ARGS`: the exit code; what it said is checked to contain `text`. */
static int fails(const char *text, const char *const *args)
{
	const char *argv[16] = { weft_program, "kv" };
	struct buf said = { 0 };
	int code;

	for (int i = 2; *args && i < 15; i++)
		argv[i] = *args++;
	code = run(&said, argv);
	if (!strstr(buf_cstr(&said), text))
		FAIL("it did not say \"%s\" but: %s", text, buf_cstr(&said));
	buf_free(&said);
	return code;
}
#define FAILS(text, ...) fails((text), (const char *const[]){ __VA_ARGS__, NULL })

TEST(wrong_flags_end_with_2)
{
	CHECK_EQ(FAILS("\"x\"", "--port", "x"), 2);
	CHECK_EQ(FAILS("\"65536\"", "--port", "65536"), 2);
	CHECK_EQ(FAILS("\"-1\"", "--port", "-1"), 2);
	CHECK_EQ(FAILS("\"0\"", "--workers", "0"), 2);
	CHECK_EQ(FAILS("\"1x\"", "--maxmemory", "1x"), 2);
	CHECK_EQ(FAILS("\"99999999999g\"", "--maxmemory", "99999999999g"), 2);
	CHECK_EQ(FAILS("\"\"", "--maxmemory", ""), 2);
	CHECK_EQ(FAILS("\"lru\"", "--maxmemory-policy", "lru"), 2);
	CHECK_EQ(FAILS("\"0\"", "--maxclients", "0"), 2);
	CHECK_EQ(FAILS("\"10\"", "--max-request", "10"), 2);
	CHECK_EQ(FAILS("\"10\"", "--max-output", "10"), 2);
	CHECK_EQ(FAILS("\"0\"", "--patience", "0"), 2);
	CHECK_EQ(FAILS("nosuch", "--nosuch"), 2);
	CHECK_EQ(FAILS("port", "--port"), 2);
	CHECK_EQ(FAILS("it takes no \"word\"", "word"), 2);
	CHECK_EQ(FAILS("\"513m\" is nothing that -r could be", "--max-request", "513m"), 2);
}

TEST(names_and_paths_and_brackets_are_places)
{
	char place[160];

	SERVER_START(&server, "--workers", "1", "--bind", "localhost");
	server_stop(&server);
	SERVER_START(&server, "--workers", "1", "--bind", "[::1]");
	server_stop(&server);
	SERVER_START(&server, "--workers", "1", "--bind", "::1");
	server_stop(&server);
	snprintf(place, sizeof(place), "unix:%s", file("socket"));
	BEGIN("--workers", "1", "--bind", place);
	ask(&c, "PING", "+PONG\r\n");
	say(&c, "SHUTDOWN");
	expect_end(&c);
	client_close(&c);
	CHECK_EQ(server_wait(&server), 0);
}

TEST(places_that_cannot_be_had_end_with_1)
{
	char port[16];

	BEGIN("--workers", "1");
	snprintf(port, sizeof(port), "%d", server.port);
	CHECK_EQ(FAILS("cannot listen on 127.0.0.1:", "--port", port), 1);
	CHECK_EQ(FAILS("in use", "--port", port), 1);
	CHECK_EQ(FAILS("cannot listen on 192.0.2.1:", "--port", "0", "--bind", "192.0.2.1"), 1);
	CHECK_EQ(FAILS("cannot listen on nonsense.invalid:0: ", "--port", "0", "--bind",
		       "nonsense.invalid"),
		 1);
	CHECK_EQ(
		FAILS("cannot listen on unix:/nowhere/at/all: ", "--bind", "unix:/nowhere/at/all"),
		1);
	CHECK_EQ(FAILS("cannot save to /nowhere/at/all: No such file or directory", "--port", "0",
		       "--save", "/nowhere/at/all"),
		 1);
	client_close(&c);
	server_stop(&server);
}

TEST(a_damaged_snapshot_ends_with_1_and_stays)
{
	const char *path = file("damaged");
	char text[32] = "";
	FILE *f = fopen(path, "w");

	CHECK_NOT_NULL(f);
	fputs("no snapshot at all", f);
	fclose(f);
	CHECK_EQ(FAILS("is damaged or is no snapshot; it is left as it is", "--port", "0",
		       "--save", path),
		 1);
	f = fopen(path, "r");
	CHECK_NOT_NULL(fgets(text, sizeof(text), f));
	fclose(f);
	CHECK_STR_EQ(text, "no snapshot at all");
}

TEST(a_folder_that_vanished_is_told_at_the_end)
{
	char folder[128], path[160];

	snprintf(folder, sizeof(folder), "%s", file("vanishes"));
	snprintf(path, sizeof(path), "%s/file", folder);
	CHECK_EQ(mkdir(folder, 0700), 0);
	BEGIN("--save", path);
	ask(&c, "SET k v", "+OK\r\n");
	CHECK_EQ(rmdir(folder), 0);
	say(&c, "SAVE");
	CHECK_EQ(hear(&c, NULL)[0], '-');
	ask(&c, "SHUTDOWN",
	    "-ERR Errors trying to SHUTDOWN: the snapshot could not be written; the server's "
	    "output says why\r\n");
	ask(&c, "GET k", "$1\r\nv\r\n");
	kill(server.pid, SIGTERM);
	server_says(&server, "cannot save to");
	CHECK_EQ(server_wait(&server), 1);
	client_close(&c);
}

/* A server whose output nobody wants still serves; its exit code says that the output
 * could not be written. Port 0 would be useless then, so a free one is looked for. */
TEST(a_closed_output_is_told_by_the_exit_code)
{
	const char *argv[] = { "sh",         "-c", "exec \"$0\" kv --port \"$1\" >&-",
			       weft_program, NULL, NULL };
	struct server probe;
	char port[16];
	int code = 0;

	BEGIN("--workers", "1"); /* which finds a free port, and leaves it */
	snprintf(port, sizeof(port), "%d", server.port);
	client_close(&c);
	server_stop(&server);
	argv[4] = port;
	probe = (struct server){ .port = server.port };
	{
		pid_t pid = check_fork();

		if (pid == 0) {
			struct buf said = { 0 };

			_exit(run(&said, argv) == 1 && strstr(buf_cstr(&said),
							      "cannot write to standard output")
				      ? 0
				      : 1);
		}
		while (!client_try_open(&c, &probe))
			;
		ask(&c, "PING", "+PONG\r\n");
		say(&c, "SHUTDOWN");
		expect_end(&c);
		client_close(&c);
		code = child_wait(pid);
	}
	CHECK_EQ(code, 0);
}
