/* SPDX-License-Identifier: MIT */
/*
 * `weft kv`: an in-memory store that speaks the protocol of Redis, one fiber a
 * connection. This file: the command line, listening, expiry, and the end.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/select.h>
#include <weft/thread.h>

#include "../cmd.h"
#include "../descriptors.h"
#include "../stop.h"
#include "server.h"

enum { SWEEP_MS = 100, SWEEP_BUCKETS = 200, ACCEPT_MS = 10, PATIENCE_S = 60 };
enum { NAMES_MOST = 8, RESOLVE_S = 10, OWN_DESCRIPTORS = 16 };

/* Lengths of keys have 32 bits, and printf takes an int. */
static const size_t REQUEST_MOST = (size_t)512 << 20;

/* ---- the fibers of the server -------------------------------------------------------- */

struct front {
	struct kv_server *server;
	weft_scope *scope;
};

static void refuse(struct kv_server *server, weft_conn *conn, const char *why)
{
	weft_add_relaxed(&server->rejected, 1);
	(void)!weft_conn_write_until(conn, why, strlen(why), 0);
	weft_conn_close(conn);
}

static int accept_all(void *arg)
{
	struct front *f = arg;
	struct kv_server *server = f->server;
	weft_conn *conn;
	int err;

	/* The call need not tell of the cancellation while connections come in a row. */
	while (!weft_cancelled()) {
		struct kv_session *s;

		err = weft_accept(server->listener, &conn);
		if (err == -ECANCELED)
			break;
		if (err) { /* no memory for this one: its peer is told by the close */
			(void)!weft_sleep_until(weft_after_ms(ACCEPT_MS));
			continue;
		}
		weft_add_relaxed(&server->connections, 1);
		if (weft_load_relaxed(&server->connected) >= server->config.maxclients) {
			refuse(server, conn, "-ERR max number of clients reached\r\n");
			continue;
		}
		s = kv_session_new(server, conn);
		weft_add_relaxed(&server->connected, 1);
		err = s ? weft_scope_spawn(f->scope, kv_serve, s,
					   &(weft_fiber_opts){ .name = "kv session" })
			: -ENOMEM;
		if (err) {
			weft_sub_relaxed(&server->connected, 1);
			if (s)
				kv_session_free(s);
			else
				refuse(server, conn, "-ERR out of memory\r\n");
		}
	}
	return 0;
}

/* Looks at a part of each shard: how many it removed; *any if more can expire. */
static int sweep_some(struct kv_server *server, bool *any)
{
	int found = 0;

	*any = false;
	for (int i = 0; i < KV_SHARDS; i++) {
		struct kv_shard *shard = &server->store.shards[i];

		weft_mutex_lock(&shard->mutex);
		found += kv_shard_sweep(shard, SWEEP_BUCKETS, kv_unix_ms());
		*any |= shard->expiring > 0;
		weft_mutex_unlock(&shard->mutex);
	}
	return found;
}

/* Removes what expired and nobody asked for. Sleeps while nothing can expire, and does
 * not pause while it finds much. */
static int sweep(void *arg)
{
	struct kv_server *server = arg;

	while (weft_event_wait(&server->store.expiring) == 0) {
		bool any = true;

		weft_event_reset(&server->store.expiring);
		while (any && !weft_cancelled()) {
			bool much = sweep_some(server, &any) > KV_SHARDS * SWEEP_BUCKETS / 8;

			if (much)
				weft_yield();
			else if (any && weft_sleep_until(weft_after_ms(SWEEP_MS)) != 0)
				return 0;
		}
	}
	return 0;
}

/* Listens on the first address of a name that can be had. */
static int listen_by_name(struct kv_server *server, const char *name)
{
	weft_address found[NAMES_MOST];
	char text[WEFT_ADDRESS_TEXT];
	int n = weft_resolve_until(found, NAMES_MOST, name, weft_after_s(RESOLVE_S));
	int err = n > 0 ? -EADDRNOTAVAIL : n;

	for (int i = 0; i < n && err; i++)
		err = weft_listen(&server->listener, weft_address_format(&found[i], text), NULL);
	return n == 0 ? -ENOENT : err;
}

/* --bind is an address or a name, to which the port is added, or "unix:PATH". */
static int begin_to_listen(struct kv_server *server)
{
	const char *bind = server->config.bind;
	bool path = strncmp(bind, "unix:", 5) == 0, bare = bind[0] != '[' && strchr(bind, ':');
	char text[512];
	int err;

	snprintf(text, sizeof(text),
		 path   ? "%s"
		 : bare ? "[%s]:%d"
			: "%s:%d",
		 bind, server->config.port);
	err = weft_listen(&server->listener, text, NULL);
	if (err == -EINVAL && !path)
		err = listen_by_name(server, text);
	if (err == -ENOENT && !path)
		fprintf(stderr, "weft kv: cannot listen on %s: there is no such name or address\n",
			text);
	else if (err)
		fprintf(stderr, "weft kv: cannot listen on %s: %s\n", text, strerror(-err));
	return err;
}

static int serve(void *arg)
{
	struct kv_server *server = arg;
	struct front f = { .server = server };
	weft_case cases[2];
	weft_address address;
	weft_scope scope;
	char text[WEFT_ADDRESS_TEXT];
	int err;

	err = begin_to_listen(server);
	if (err)
		return err;
	weft_listener_address(server->listener, &address);
	server->port = weft_address_port(&address);
	printf("weft kv: listening on %s, %d worker%s\n", weft_address_format(&address, text),
	       server->config.workers, server->config.workers == 1 ? "" : "s");
	fflush(stdout);

	weft_scope_open(&scope);
	f.scope = &scope;
	err = weft_scope_spawn(&scope, accept_all, &f, &(weft_fiber_opts){ .name = "kv accept" });
	if (err == 0)
		err = weft_scope_spawn(&scope, sweep, server,
				       &(weft_fiber_opts){ .name = "kv sweep" });
	cases[0] = weft_case_event(&server->stop);
	cases[1] = weft_case_token(stop_token());
	if (err == 0)
		(void)!weft_select(cases, 2, WEFT_NEVER);
	weft_scope_cancel(&scope);
	weft_scope_close(&scope);
	weft_listener_close(server->listener);
	return err;
}

/* ---- beginning and end ------------------------------------------------------------------ */

/* A client needs a descriptor; so do the listener, the workers, a snapshot, the outputs. */
static void limit_clients(struct kv_config *config)
{
	int own = OWN_DESCRIPTORS + 2 * config->workers;
	int most = config->maxclients > INT_MAX - own ? INT_MAX - own : config->maxclients;
	int room = descriptors_raise(most + own) - own;

	room = room < 1 ? 1 : room;
	if (room >= config->maxclients)
		return;
	fprintf(stderr,
		"weft kv: the system allows it the descriptors for %d clients, not for %d "
		"(ulimit -n)\n",
		room, config->maxclients);
	config->maxclients = room;
}

static int run(struct kv_server *server)
{
	weft_runtime_opts opts = { .name = "kv",
				   .workers = server->config.workers,
				   .dump_signal = SIGUSR2 };
	weft_runtime *runtime;
	int result = 0, err;

	if (server->config.save && (kv_load(server) != 0 || kv_check_save(server) != 0))
		return EXIT_IN_PART;
	limit_clients(&server->config);
	err = weft_runtime_start(&runtime, &opts);
	if (err == 0) {
		err = weft_block_on(runtime, serve, server, &result);
		weft_runtime_stop(runtime, WEFT_NEVER);
	}
	if (err)
		fprintf(stderr, "weft kv: cannot start its threads: %s\n", strerror(-err));
	if (err || result)
		return EXIT_IN_PART;
	if (server->config.save && weft_load_relaxed(&server->save_at_end) && kv_save(server) != 0)
		return EXIT_IN_PART;
	printf("weft kv: ended\n");
	return command_end();
}

static void server_init(struct kv_server *server, const struct kv_config *config)
{
	memset(server, 0, sizeof(*server));
	server->config = *config;
	server->started = weft_now();
	weft_store_relaxed(&server->save_at_end, true);
	weft_store_relaxed(&server->saved, kv_unix_ms() / 1000);
	kv_store_init(&server->store);
	kv_dict_init(&server->channels, &server->heap);
	kv_dict_init(&server->patterns, &server->heap);
}

static void server_fini(struct kv_server *server)
{
	kv_store_fini(&server->store);
	kv_dict_fini(&server->channels, NULL);
	kv_dict_fini(&server->patterns, NULL);
}

/* ---- the command line -------------------------------------------------------------------- */

/* A number with k, m, g (powers of 1024) behind it. */
static bool parse_size(const char *text, size_t *out)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || *text == '-' || errno)
		return false;
	for (const char *units = "kmg"; *end && *units; units++) {
		if (n > SIZE_MAX / 1024)
			return false;
		n *= 1024;
		if ((*end | 0x20) == *units) {
			end++;
			break;
		}
	}
	*out = n;
	return (*end == '\0' || ((*end | 0x20) == 'b' && end[1] == '\0')) && n <= SIZE_MAX;
}

static bool parse_number(const char *text, int least, int most, int *out)
{
	size_t n;

	if (!parse_size(text, &n) || n < (size_t)least || n > (size_t)most)
		return false;
	*out = (int)n;
	return true;
}

static bool parse_policy(const char *text, int *out)
{
	for (*out = 0; kv_policy_names[*out]; ++*out) {
		if (strcmp(kv_policy_names[*out], text) == 0)
			return true;
	}
	return false;
}

static const struct option longs[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "bind", required_argument, NULL, 'b' },
	{ "workers", required_argument, NULL, 'w' },
	{ "maxmemory", required_argument, NULL, 'm' },
	{ "maxmemory-policy", required_argument, NULL, 'e' },
	{ "save", required_argument, NULL, 's' },
	{ "maxclients", required_argument, NULL, 'c' },
	{ "max-request", required_argument, NULL, 'r' },
	{ "max-reply", required_argument, NULL, 'y' },
	{ "max-output", required_argument, NULL, 'o' },
	{ "patience", required_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};
static const char shorts[] = ":p:b:w:m:e:s:c:r:y:o:t:h";

/* Takes one option; false if its argument is none. */
static bool take(struct kv_config *f, int code)
{
	switch (code) {
	case 'p': return parse_number(optarg, 0, 65535, &f->port);
	case 'b': f->bind = optarg; return true;
	case 'w': return parse_number(optarg, 1, 1024, &f->workers);
	case 'm': return parse_size(optarg, &f->maxmemory);
	case 'e': return parse_policy(optarg, &f->policy);
	case 's': f->save = optarg; return true;
	case 'c': return parse_number(optarg, 1, INT_MAX, &f->maxclients);
	case 't': return parse_number(optarg, 1, 86400, &f->patience_s);
	case 'r':
		return parse_size(optarg, &f->request_most) && f->request_most >= 1024 &&
		       f->request_most <= REQUEST_MOST;
	case 'y': return parse_size(optarg, &f->reply_most) && f->reply_most >= 1024;
	default: return parse_size(optarg, &f->output_most) && f->output_most >= 1024;
	}
}

static int kv_main(int argc, char **argv)
{
	static struct kv_server server;
	struct kv_config config = {
		.port = 6379,
		.bind = "127.0.0.1",
		.workers = weft_cpus(),
		.maxclients = 10000,
		.request_most = REQUEST_MOST,
		.reply_most = (size_t)512 * 1024 * 1024,
		.output_most = (size_t)32 * 1024 * 1024,
		.patience_s = PATIENCE_S,
	};
	int code, index = 0, result;

	opterr = 0;
	while ((code = getopt_long(argc, argv, shorts, longs, &index)) != -1) {
		if (code == 'h')
			return command_show_help(&command_kv);
		if (code == '?' || code == ':')
			return usage_option(&command_kv, code, argv, shorts);
		if (!take(&config, code))
			return usage_error("kv", "\"%s\" is nothing that -%c could be", optarg,
					   code);
	}
	if (optind < argc)
		return usage_error("kv", "it takes no \"%s\"", argv[optind]);
	if (stop_begin() != 0) {
		fprintf(stderr, "weft kv: cannot watch for signals: the system has no thread or "
				"descriptor left\n");
		return EXIT_IN_PART;
	}
	server_init(&server, &config);
	result = run(&server);
	server_fini(&server);
	stop_end();
	return result;
}

const struct command command_kv = {
	.name = "kv",
	.arguments = "[OPTION]...",
	.summary = "an in-memory store that redis-cli and redis-benchmark can talk to",
	.help = "  -p, --port PORT            listen there (6379); 0: any free one, and print it\n"
		"  -b, --bind ADDRESS         or a name, or unix:PATH, to listen on (127.0.0.1)\n"
		"  -w, --workers N            threads that serve (one a CPU)\n"
		"  -m, --maxmemory BYTES      of keys and values, with k, m or g; 0: any (0)\n"
		"  -e, --maxmemory-policy P   what is done then: noeviction (an error; default),\n"
		"                             allkeys-lru, allkeys-random, volatile-lru,\n"
		"                             volatile-random\n"
		"  -s, --save FILE            load it first, save to it at the end and on SAVE\n"
		"  -c, --maxclients N         connections at a time (10000)\n"
		"  -r, --max-request BYTES    of one request, at most 512m (512m)\n"
		"  -y, --max-reply BYTES      of one reply; its session ends beyond it (512m)\n"
		"  -o, --max-output BYTES     that may wait for a slow subscriber (32m)\n"
		"  -t, --patience SECONDS     for which a peer may read none of its answers (60)\n"
		"\n"
		"Strings, counters, lists, hashes, sets, sorted sets, expiry, scans, pub/sub,\n"
		"transactions, over RESP2 and RESP3. Ctrl-C, or SHUTDOWN, lets answers go out,\n"
		"saves, and ends with 0; a second Ctrl-C ends at once. On SIGUSR2 it tells on\n"
		"standard error what each of its fibers is doing.\n",
	.run = kv_main,
};
