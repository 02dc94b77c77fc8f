/* SPDX-License-Identifier: MIT */
/*
 * The commands on the server: INFO, CONFIG, COMMAND, SAVE, SHUTDOWN.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

const char *const kv_policy_names[] = { "noeviction",   "allkeys-lru",     "allkeys-random",
					"volatile-lru", "volatile-random", NULL };

/* ---- INFO -------------------------------------------------------------------------- */

static void info_server(const struct kv_server *server, struct buf *b)
{
	int64_t up = (weft_now() - server->started) / WEFT_SECOND;

	buf_printf(
		b,
		"# Server\r\nredis_version:7.0.15\r\nweft_version:%s\r\nredis_mode:standalone\r\n"
		"process_id:%d\r\ntcp_port:%d\r\nuptime_in_seconds:%lld\r\n"
		"io_threads_active:%d\r\n",
		weft_version(), (int)getpid(), server->port, (long long)up,
		server->config.workers);
}

static void info_clients(const struct kv_server *server, struct buf *b)
{
	buf_printf(b, "# Clients\r\nconnected_clients:%d\r\nmaxclients:%d\r\n",
		   (int)weft_load_relaxed(&server->connected), server->config.maxclients);
}

static void info_memory(const struct kv_server *server, struct buf *b)
{
	buf_printf(b, "# Memory\r\nused_memory:%zu\r\nmaxmemory:%zu\r\nmaxmemory_policy:%s\r\n",
		   kv_store_used(&server->store), server->config.maxmemory,
		   kv_policy_names[server->config.policy]);
}

static void info_persistence(const struct kv_server *server, struct buf *b)
{
	buf_printf(b,
		   "# Persistence\r\nloading:0\r\nrdb_bgsave_in_progress:0\r\n"
		   "rdb_last_save_time:%lld\r\naof_enabled:0\r\n",
		   (long long)weft_load_relaxed(&server->saved));
}

static void info_stats(const struct kv_server *server, struct buf *b)
{
	unsigned long long expired = 0, evicted = 0;

	for (int i = 0; i < KV_SHARDS; i++) {
		expired += server->store.shards[i].expired;
		evicted += server->store.shards[i].evicted;
	}
	buf_printf(
		b,
		"# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
		"rejected_connections:%llu\r\nlistener_shortages:%llu\r\n"
		"expired_keys:%llu\r\nevicted_keys:%llu\r\n",
		(unsigned long long)weft_load_relaxed(&server->connections),
		(unsigned long long)weft_load_relaxed(&server->commands),
		(unsigned long long)weft_load_relaxed(&server->rejected),
		(unsigned long long)weft_listener_shortages(server->listener), expired, evicted);
}

static void info_replication(const struct kv_server *server, struct buf *b)
{
	(void)server;
	buf_str(b, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n");
}

static void info_keyspace(const struct kv_server *server, struct buf *b)
{
	size_t keys = 0, expiring = 0;

	for (int i = 0; i < KV_SHARDS; i++) {
		keys += server->store.shards[i].keys.count;
		expiring += server->store.shards[i].expiring;
	}
	buf_str(b, "# Keyspace\r\n");
	if (keys)
		buf_printf(b, "db0:keys=%zu,expires=%zu,avg_ttl=0\r\n", keys, expiring);
}

static const struct {
	const char *name;
	void (*print)(const struct kv_server *server, struct buf *b);
} sections[] = {
	{ "server", info_server },     { "clients", info_clients },
	{ "memory", info_memory },     { "persistence", info_persistence },
	{ "stats", info_stats },       { "replication", info_replication },
	{ "keyspace", info_keyspace },
};

static void info(struct kv_call *c)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		bool wanted = c->argc == 1;

		for (int k = 1; k < c->argc; k++)
			wanted |= kv_arg_is(c, k, sections[i].name) || kv_arg_is(c, k, "all") ||
				  kv_arg_is(c, k, "everything") || kv_arg_is(c, k, "default");
		if (!wanted)
			continue;
		if (text.len)
			buf_str(&text, "\r\n");
		sections[i].print(c->server, &text);
	}
	if (buf_ok(&text))
		kv_put_verbatim(c->out, (struct kv_bytes){ text.at ? text.at : "", text.len });
	else
		kv_error(c, "ERR no memory for the reply");
	buf_free(&text);
}

/* ---- CONFIG, COMMAND --------------------------------------------------------------- */

struct setting {
	char name[24];
	char value[128];
};

static size_t settings(const struct kv_server *server, struct setting out[10])
{
	const struct kv_config *f = &server->config;
	size_t n = 0;

#define SETTING(key, ...)                                                    \
	do {                                                                 \
		snprintf(out[n].name, sizeof(out[n].name), "%s", key);       \
		snprintf(out[n++].value, sizeof(out[n].value), __VA_ARGS__); \
	} while (0)
	SETTING("save", "%s", "");
	SETTING("appendonly", "no");
	SETTING("maxmemory", "%zu", f->maxmemory);
	SETTING("maxmemory-policy", "%s", kv_policy_names[f->policy]);
	SETTING("maxclients", "%d", f->maxclients);
	SETTING("port", "%d", server->port);
	SETTING("bind", "%s", f->bind);
	SETTING("databases", "1");
	SETTING("proto-max-bulk-len", "%zu", f->request_most);
	SETTING("io-threads", "%d", f->workers);
#undef SETTING
	return n;
}

static void config_get(struct kv_call *c)
{
	struct setting all[10];
	size_t count = settings(c->server, all), found = 0;
	bool wanted[10] = { false };

	for (size_t i = 0; i < count; i++) {
		struct kv_bytes name = { all[i].name, strlen(all[i].name) };

		for (int k = 2; k < c->argc; k++)
			wanted[i] |= kv_glob(c->argv[k], name) || kv_is(c->argv[k], all[i].name);
		found += wanted[i];
	}
	kv_put_map(c->out, found);
	for (size_t i = 0; i < count; i++) {
		if (wanted[i]) {
			kv_put_text(c->out, all[i].name);
			kv_put_text(c->out, all[i].value);
		}
	}
}

static void config(struct kv_call *c)
{
	if (kv_arg_is(c, 1, "GET") && c->argc > 2)
		config_get(c);
	else if (kv_arg_is(c, 1, "RESETSTAT") && c->argc == 2)
		kv_ok(c);
	else if (kv_arg_is(c, 1, "SET") && c->argc > 3)
		kv_error(c, "ERR CONFIG SET failed - settings are given when weft kv is started");
	else
		kv_wrong_subcommand(c, (const char *const[]){ "GET", "RESETSTAT", "SET", NULL });
}

static void describe_command(struct kv_call *c, const struct kv_command *k)
{
	char name[32];

	if (!k) {
		kv_put_null(c->out);
		return;
	}
	kv_command_name(k, name);
	kv_put_array(c->out, 6);
	kv_put_text(c->out, name);
	kv_put_int(c->out, k->arity);
	kv_put_set(c->out, k->flags & KV_UNLOCKED ? 0 : 1);
	if (!(k->flags & KV_UNLOCKED))
		kv_put_line(c->out, '+', k->flags & KV_WRITE ? "write" : "readonly");
	kv_put_int(c->out, k->first);
	kv_put_int(c->out, k->last);
	kv_put_int(c->out, k->step);
}

static void document(struct kv_call *c, const struct kv_command *k)
{
	char name[32], text[64];

	kv_command_name(k, name);
	snprintf(text, sizeof(text), "https://redis.io/commands/%s", name);
	kv_put_text(c->out, name);
	kv_put_map(c->out, 3);
	kv_put_text(c->out, "summary");
	kv_put_text(c->out, text);
	kv_put_text(c->out, "since");
	kv_put_text(c->out, "1.0.0");
	kv_put_text(c->out, "group");
	kv_put_text(c->out, "generic");
}

static void command(struct kv_call *c)
{
	const struct kv_command *k;
	size_t count = 0, found = 0;

	while (kv_command_at(count))
		count++;
	if (kv_arg_is(c, 1, "COUNT") && c->argc == 2) {
		kv_put_int(c->out, (int64_t)count);
	} else if (kv_arg_is(c, 1, "DOCS")) {
		for (int i = 2; i < c->argc; i++)
			found += kv_command_find(c->argv[i]) != NULL;
		kv_put_map(c->out, c->argc == 2 ? count : found);
		for (size_t i = 0; c->argc == 2 && i < count; i++)
			document(c, kv_command_at(i));
		for (int i = 2; i < c->argc; i++) {
			if ((k = kv_command_find(c->argv[i])) != NULL)
				document(c, k);
		}
	} else if (kv_arg_is(c, 1, "INFO") && c->argc > 2) {
		kv_put_array(c->out, (size_t)c->argc - 2);
		for (int i = 2; i < c->argc; i++)
			describe_command(c, kv_command_find(c->argv[i]));
	} else if (c->argc == 1 || (kv_arg_is(c, 1, "INFO") && c->argc == 2)) {
		kv_put_array(c->out, count);
		for (size_t i = 0; i < count; i++)
			describe_command(c, kv_command_at(i));
	} else {
		kv_wrong_subcommand(c, (const char *const[]){ "COUNT", NULL });
	}
}

/* ---- saving and ending ------------------------------------------------------------- */

static void save(struct kv_call *c)
{
	bool background = c->command->name[0] == 'B';

	if (!c->server->config.save)
		kv_error(c, "ERR weft kv was started without --save FILE");
	else if (kv_save(c->server) != 0)
		kv_error(c, "ERR the snapshot could not be written; the server's output says why");
	else
		kv_put_line(c->out, '+', background ? "Background saving started" : "OK");
}

static void lastsave(struct kv_call *c)
{
	kv_put_int(c->out, weft_load_relaxed(&c->server->saved));
}

/* It saves now, to stay if that fails, and again at the end, when all have been answered. */
static void shutdown_(struct kv_call *c)
{
	struct kv_server *server = c->server;
	bool save = !kv_arg_is(c, 1, "NOSAVE");

	if (c->argc > 2 || (c->argc == 2 && save && !kv_arg_is(c, 1, "SAVE"))) {
		kv_syntax_error(c);
		return;
	}
	if (save && server->config.save && kv_save(server) != 0) {
		kv_error(c,
			 "ERR Errors trying to SHUTDOWN: the snapshot could not be written; the "
			 "server's output says why");
		return;
	}
	if (!save)
		weft_store_relaxed(&server->save_at_end, false);
	c->session->closing = true;
	weft_event_set(&c->server->stop);
}

static void time_(struct kv_call *c)
{
	struct timespec t;
	char text[24];

	clock_gettime(CLOCK_REALTIME, &t);
	kv_put_array(c->out, 2);
	snprintf(text, sizeof(text), "%lld", (long long)t.tv_sec);
	kv_put_text(c->out, text);
	snprintf(text, sizeof(text), "%ld", t.tv_nsec / 1000);
	kv_put_text(c->out, text);
}

const struct kv_command kv_server_commands[] = {
	{ "INFO", info, -1, KV_EVERY, 0, 0, 0 },
	{ "CONFIG", config, -2, KV_UNLOCKED, 0, 0, 0 },
	{ "COMMAND", command, -1, KV_UNLOCKED, 0, 0, 0 },
	{ "SAVE", save, 1, KV_UNLOCKED | KV_NO_MULTI, 0, 0, 0 },
	{ "BGSAVE", save, -1, KV_UNLOCKED | KV_NO_MULTI, 0, 0, 0 },
	{ "LASTSAVE", lastsave, 1, KV_UNLOCKED, 0, 0, 0 },
	{ "SHUTDOWN", shutdown_, -1, KV_UNLOCKED | KV_NO_MULTI, 0, 0, 0 },
	{ "TIME", time_, 1, KV_UNLOCKED, 0, 0, 0 },
	{ 0 },
};
