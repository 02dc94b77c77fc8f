/* SPDX-License-Identifier: MIT */
/*
 * Goal: the simulated network behaves as one: bytes whole and in order, late, in pieces,
 * lost only with a reset; cut off and healed; time-outs of minutes in no time; and the
 * same seed gives the same run. Method: a server of the ordinary calls and clients for
 * it, in a deterministic runtime, for many seeds.
 */
#include "weft/sim.h"

#include "check.h"
#include "weft/event.h"
#include "weft/fiber.h"
#include "weft/runtime.h"
#include "weft/scope.h"
#include "weft/select.h"
#include "weft/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void in_simulation(uint64_t seed, weft_fiber_fn fn, void *arg)
{
	const weft_runtime_opts opts = { .deterministic = true, .seed = seed };
	weft_runtime *runtime;
	int result;

	CHECK_EQ(weft_runtime_start(&runtime, &opts), 0);
	CHECK_EQ(weft_block_on(runtime, fn, arg, &result), 0);
	CHECK_EQ(result, 0);
	CHECK_EQ(weft_runtime_stop(runtime, WEFT_NEVER), 0);
}

static void pair(weft_conn **a, weft_conn **b)
{
	weft_listener *listener;

	CHECK_EQ(weft_listen(&listener, "sim:server:1", NULL), 0);
	CHECK_EQ(weft_connect(a, "sim:server:1"), 0);
	CHECK_EQ(weft_accept(listener, b), 0);
	weft_listener_close(listener);
}

static int basics(void *arg)
{
	char text[WEFT_ADDRESS_TEXT], buffer[16];
	weft_address address;
	weft_sim *sim, *second;
	weft_conn *a, *b;

	(void)arg;
	CHECK_EQ(weft_connect(&a, "sim:server:1"), -ENETDOWN);
	CHECK_EQ(weft_sim_open(&sim, NULL), 0);
	CHECK_EQ(weft_sim_open(&second, NULL), -EEXIST);
	CHECK_EQ(weft_connect(&a, "sim:server:1"), -ECONNREFUSED);
	CHECK_EQ(weft_connect(&a, "sim:server"), -EINVAL);
	CHECK_EQ(weft_connect(&a, "sim::1"), -EINVAL);
	pair(&a, &b);
	weft_conn_peer(a, &address);
	CHECK_STR_EQ(weft_address_format(&address, text), "sim:server:1");
	CHECK_EQ(weft_address_port(&address), 1);
	weft_conn_peer(b, &address);
	CHECK_EQ(strncmp(weft_address_format(&address, text), "sim:client:", 11), 0);
	CHECK_EQ(weft_conn_read_until(b, buffer, 1, 0), -ETIMEDOUT);
	CHECK_EQ(weft_conn_write(a, "hello", 5), 0);
	CHECK_EQ(weft_conn_read(b, buffer, 3), 3);
	CHECK_EQ(weft_conn_shutdown(a, WEFT_SHUTDOWN_WRITE), 0);
	CHECK_EQ(weft_conn_write(a, "x", 1), -EPIPE);
	CHECK_EQ(weft_conn_read(b, buffer, 9), 2);
	CHECK_EQ(weft_conn_read(b, buffer, 9), 0);
	CHECK_EQ(weft_conn_write(b, "back", 4), 0);
	CHECK_EQ(weft_conn_read_full_until(a, buffer, 4, NULL, WEFT_NEVER), 0);
	CHECK_MEM_EQ(buffer, "back", 4);
	weft_conn_close(a);
	CHECK_EQ(weft_conn_write(b, "x", 1), -EPIPE);
	weft_conn_close(b);
	pair(&a, &b);
	CHECK_EQ(weft_conn_write(b, "lost", 4), 0);
	weft_conn_close(a); /* with bytes unread */
	CHECK_EQ(weft_conn_read(b, buffer, 9), -ECONNRESET);
	CHECK_EQ(weft_conn_read(b, buffer, 9), 0);
	weft_conn_close(b);
	weft_sim_close(sim);
	return 0;
}

TEST(sim_is_a_network)
{
	weft_sim *sim;

	in_simulation(1, basics, NULL);
	CHECK_EQ(weft_sim_open(&sim, NULL), -EINVAL);
}

/* ---- time --------------------------------------------------------------------------- */

static int connect_some_day(void *arg)
{
	return weft_connect(arg, "sim:server:2");
}

/* Who connects to a host that is cut off is connected when it is there again. */
static void heal_later(weft_sim *sim)
{
	weft_listener *listener;
	weft_conn *a, *b;
	weft_fiber *fiber;
	int result;

	CHECK_EQ(weft_listen(&listener, "sim:server:2", NULL), 0);
	weft_sim_cut(sim, "server");
	CHECK_EQ(weft_fiber_spawn(&fiber, connect_some_day, &a, NULL), 0);
	CHECK_EQ(weft_accept_until(listener, &b, weft_after_s(3600)), -ETIMEDOUT);
	weft_sim_heal(sim, "server");
	CHECK_EQ(weft_accept_until(listener, &b, weft_after_s(3600)), 0);
	CHECK_EQ(weft_fiber_join(fiber, &result), 0);
	CHECK_EQ(result, 0);
	weft_conn_close(a);
	weft_conn_close(b);
	weft_listener_close(listener);
}

static int delays(void *arg)
{
	const weft_sim_opts opts = { .delay_least = 3 * WEFT_SECOND,
				     .delay_most = 5 * WEFT_SECOND };
	int64_t began, deadline;
	weft_sim *sim;
	weft_conn *a, *b, *c;
	char byte;

	(void)arg;
	CHECK_EQ(weft_sim_open(&sim, &opts), 0);
	began = weft_now();
	pair(&a, &b);
	CHECK_GE(weft_now() - began, 6 * WEFT_SECOND);
	CHECK_LE(weft_now() - began, 10 * WEFT_SECOND);
	CHECK_EQ(weft_conn_write(a, "x", 1), 0);
	deadline = weft_after_s(2);
	CHECK_EQ(weft_conn_read_until(b, &byte, 1, deadline), -ETIMEDOUT);
	CHECK_EQ(weft_now(), deadline);
	CHECK_EQ(weft_conn_read(b, &byte, 1), 1);
	CHECK_GT(weft_now(), deadline);

	/* A cable is pulled for a day. */
	weft_sim_cut(sim, "server");
	CHECK_EQ(weft_conn_write(a, "y", 1), 0);
	CHECK_EQ(weft_conn_read_until(b, &byte, 1, weft_after_s(86400)), -ETIMEDOUT);
	deadline = weft_after_s(100);
	CHECK_EQ(weft_connect_until(&c, "sim:server:1", deadline), -ETIMEDOUT);
	CHECK_NULL(c);
	CHECK_EQ(weft_now(), deadline);
	weft_sim_heal(sim, "server");
	CHECK_EQ(weft_conn_read(b, &byte, 1), 1);
	CHECK_EQ(weft_now(), deadline);
	weft_conn_close(a);
	weft_conn_close(b);
	heal_later(sim);
	weft_sim_close(sim);
	return 0;
}

TEST(sim_time_is_virtual)
{
	const int64_t began = weft_now();

	in_simulation(2, delays, NULL);
	CHECK_LT(weft_now() - began, 60 * WEFT_SECOND);
}

/* ---- a server and its clients, for many seeds --------------------------------------- */

enum { CLIENTS = 5, ROUNDS = 6 };

struct world {
	uint64_t seed;
	uint64_t trace; /* of what happened, in its order */
	int done, failed;
	weft_scope scope;
};

static void note(struct world *world, int64_t what)
{
	world->trace = (world->trace ^ (uint64_t)what ^ (uint64_t)weft_now()) * 1099511628211u;
}

struct serving {
	struct world *world;
	weft_conn *conn;
};

static int serve(void *arg)
{
	struct serving s = *(struct serving *)arg;
	char buffer[64];
	int64_t n;

	free(arg);
	while ((n = weft_conn_read_until(s.conn, buffer, sizeof(buffer), weft_after_s(600))) > 0) {
		note(s.world, n);
		if (weft_conn_write(s.conn, buffer, (size_t)n) < 0)
			break;
	}
	note(s.world, n);
	weft_conn_close(s.conn);
	return 0;
}

static int accept_all(void *arg)
{
	struct world *world = arg;
	weft_listener *listener;
	weft_scope scope;
	weft_conn *conn;
	int err;

	CHECK_EQ(weft_listen(&listener, "sim:server:80", NULL), 0);
	weft_scope_open(&scope);
	while ((err = weft_accept(listener, &conn)) == 0) {
		struct serving *s = malloc(sizeof(*s));

		*s = (struct serving){ world, conn };
		CHECK_EQ(weft_scope_spawn(&scope, serve, s, NULL), 0);
	}
	CHECK_EQ(err, -ECANCELED);
	weft_scope_cancel(&scope);
	(void)weft_scope_close(&scope);
	weft_listener_close(listener);
	return 0;
}

/* Says something of every length and hears the same, unless the connection fails. */
static int talk(void *arg)
{
	struct world *world = arg;
	char said[256], heard[256];
	weft_conn *conn;
	int err = weft_connect_until(&conn, "sim:server:80", weft_after_s(60));

	note(world, err);
	if (err < 0) {
		world->failed++;
		return 0;
	}
	for (int i = 0; i < ROUNDS && err == 0; i++) {
		const size_t size = (size_t)(i + 1) * 40;

		memset(said, 'a' + i, size);
		err = weft_conn_write(conn, said, size);
		if (err == 0)
			err = weft_conn_read_full_until(conn, heard, size, NULL, weft_after_s(30));
		if (err == 0)
			CHECK_MEM_EQ(heard, said, size);
		note(world, err);
	}
	if (err == 0)
		world->done++;
	else
		world->failed++;
	weft_conn_close(conn);
	return 0;
}

static int trouble(void *arg)
{
	weft_sim *sim = arg;

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(weft_sleep_until(weft_after_ms(40)), 0);
		weft_sim_cut(sim, "server");
		CHECK_EQ(weft_sleep_until(weft_after_s(i * 20)), 0);
		weft_sim_heal(sim, "server");
	}
	(void)weft_sim_reset(sim, "server");
	return 0;
}

static int run_world(void *arg)
{
	struct world *world = arg;
	const weft_sim_opts opts = {
		.seed = world->seed,
		.delay_least = WEFT_MS,
		.delay_most = 30 * WEFT_MS,
		.short_reads = true,
		.reset_per_million = world->seed % 3 == 0 ? 20000 : 0,
		.buffer = 250, /* a client says at most 240 bytes before it listens */
	};
	weft_scope scope, servers;
	weft_sim *sim;

	CHECK_EQ(weft_sim_open(&sim, &opts), 0);
	weft_scope_open(&servers);
	CHECK_EQ(weft_scope_spawn(&servers, accept_all, world, NULL), 0);
	CHECK_EQ(weft_sleep_until(weft_after_ms(1)), 0);
	weft_scope_open(&scope);
	for (int i = 0; i < CLIENTS; i++)
		CHECK_EQ(weft_scope_spawn(&scope, talk, world, NULL), 0);
	if (world->seed % 2)
		CHECK_EQ(weft_scope_spawn(&scope, trouble, sim, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
	weft_scope_cancel(&servers);
	(void)weft_scope_close(&servers);
	CHECK_EQ(world->done + world->failed, CLIENTS);
	if (world->seed % 6 == 2 || world->seed % 6 == 4)
		CHECK_EQ(world->failed, 0);
	weft_sim_close(sim);
	return 0;
}

static int connect_in_vain(void *arg)
{
	weft_conn *conn;

	(void)arg;
	return weft_connect(&conn, "sim:server:1");
}

/* One who hangs in weft_connect() uses the network, though there is no connection. */
static int close_too_early(void *arg)
{
	weft_fiber *fiber;
	weft_sim *sim;

	(void)arg;
	CHECK_EQ(weft_sim_open(&sim, NULL), 0);
	weft_sim_cut(sim, "server");
	CHECK_EQ(weft_fiber_spawn(&fiber, connect_in_vain, NULL, NULL), 0);
	CHECK_EQ(weft_sleep_until(weft_after_s(1)), 0);
	weft_sim_close(sim);
	return 0;
}

static void run_too_early(void *arg)
{
	in_simulation(1, close_too_early, arg);
}

TEST(sim_is_not_closed_under_one_who_connects)
{
	CHECK_DIES(run_too_early, NULL, "a simulated network was closed while it is in use");
}

/* WEFT_SEEDS of them, see ./dev seeds. */
TEST(sim_worlds_of_many_seeds_end_well)
{
	const char *wish = getenv("WEFT_SEEDS");
	const uint64_t seeds = wish ? strtoull(wish, NULL, 10) : 300;
	int failed = 0;

	for (uint64_t seed = 0; seed < seeds; seed++) {
		struct world world = { .seed = seed };

		in_simulation(seed, run_world, &world);
		failed += world.failed;
	}
	CHECK_GT(failed, 0);
}

TEST(sim_same_seed_is_the_same_run)
{
	uint64_t traces[8];

	for (uint64_t i = 0; i < 16; i++) {
		struct world world = { .seed = i % 8 };

		in_simulation(world.seed, run_world, &world);
		if (i < 8)
			traces[i] = world.trace;
		else
			CHECK_EQ(traces[i - 8], world.trace);
	}
	CHECK_NE(traces[0], traces[1]);
}
