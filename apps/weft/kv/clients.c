/* SPDX-License-Identifier: MIT */
/*
 * The commands on the connection itself, and on those of others.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

static void ping(struct kv_call *c)
{
	if (c->argc > 2) {
		kv_wrong_count(c);
	} else if (kv_subscriptions(c->session) > 0 && c->out->protocol == 2) {
		kv_put_array(c->out, 2);
		kv_put_text(c->out, "pong");
		kv_put_bulk(c->out, c->argc == 2 ? c->argv[1] : (struct kv_bytes){ "", 0 });
	} else if (c->argc == 2) {
		kv_put_bulk(c->out, c->argv[1]);
	} else {
		kv_put_line(c->out, '+', "PONG");
	}
}

static void echo(struct kv_call *c)
{
	kv_put_bulk(c->out, c->argv[1]);
}

static void quit(struct kv_call *c)
{
	c->session->closing = true;
	kv_ok(c);
}

static void select_(struct kv_call *c)
{
	int64_t db;

	if (!kv_arg_int(c, 1, &db))
		return;
	if (db != 0)
		kv_error(c, "ERR DB index is out of range");
	else
		kv_ok(c);
}

static void set_protocol(struct kv_session *s, int protocol)
{
	weft_mutex_lock(&s->mail_mutex); /* who delivers reads it */
	s->out.protocol = protocol;
	weft_mutex_unlock(&s->mail_mutex);
}

static bool set_name(struct kv_call *c, struct kv_bytes name)
{
	struct kv_session *s = c->session;

	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] < '!' || name.at[i] > '~') {
			kv_error(c, "ERR Client names cannot contain spaces, newlines or special "
				    "characters.");
			return false;
		}
	}
	if (name.len >= sizeof(s->name)) {
		kv_error(c, "ERR Client names have at most %zu characters here",
			 sizeof(s->name) - 1);
		return false;
	}
	weft_mutex_lock(&c->server->mutex); /* CLIENT LIST reads it */
	memcpy(s->name, name.at, name.len);
	s->name[name.len] = '\0';
	weft_mutex_unlock(&c->server->mutex);
	return true;
}

/* There is one user, "default", who needs no password. */
static bool knows_user(struct kv_call *c, int i)
{
	if (c->argv[i].len == 7 && memcmp(c->argv[i].at, "default", 7) == 0)
		return true;
	kv_error(c, "WRONGPASS invalid username-password pair or user is disabled.");
	return false;
}

static void hello(struct kv_call *c)
{
	struct kv_session *s = c->session;
	int64_t protocol = c->out->protocol;

	if (c->argc > 1 && (!kv_int(c->argv[1], &protocol) || protocol < 2 || protocol > 3)) {
		if (kv_int(c->argv[1], &protocol))
			kv_error(c, "NOPROTO unsupported protocol version");
		else
			kv_error(c, "ERR Protocol version is not an integer or out of range");
		return;
	}
	for (int i = 2; i < c->argc; i++) {
		if (kv_arg_is(c, i, "SETNAME") && i + 1 < c->argc) {
			if (!set_name(c, c->argv[++i]))
				return;
		} else if (kv_arg_is(c, i, "AUTH") && i + 2 < c->argc) {
			if (!knows_user(c, i + 1))
				return;
			i += 2;
		} else {
			kv_error(c, "ERR Syntax error in HELLO option '%.*s'", (int)c->argv[i].len,
				 c->argv[i].at);
			return;
		}
	}
	set_protocol(s, (int)protocol);
	kv_put_map(c->out, 7);
	kv_put_text(c->out, "server");
	kv_put_text(c->out, "redis");
	kv_put_text(c->out, "version");
	kv_put_text(c->out, "7.0.15");
	kv_put_text(c->out, "proto");
	kv_put_int(c->out, protocol);
	kv_put_text(c->out, "id");
	kv_put_int(c->out, (int64_t)s->id);
	kv_put_text(c->out, "mode");
	kv_put_text(c->out, "standalone");
	kv_put_text(c->out, "role");
	kv_put_text(c->out, "master");
	kv_put_text(c->out, "modules");
	kv_put_array(c->out, 0);
}

static void reset(struct kv_call *c)
{
	struct kv_session *s = c->session;

	kv_unsubscribe_all(s);
	while (s->channels.count > 0)
		kv_dict_remove(&s->channels, kv_dict_random(&s->channels));
	while (s->patterns.count > 0)
		kv_dict_remove(&s->patterns, kv_dict_random(&s->patterns));
	kv_transaction_end(s);
	set_protocol(s, 2);
	set_name(c, (struct kv_bytes){ "", 0 });
	kv_put_line(c->out, '+', "RESET");
}

/* ---- CLIENT --------------------------------------------------------------------------- */

/* With the server's mutex held. What another session is doing just now is a glance. */
static void describe(struct buf *b, const struct kv_session *s, const struct kv_session *self)
{
	int64_t now = weft_now();

	buf_printf(b, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld", (unsigned long long)s->id,
		   s->peer, s->local, weft_conn_fd(s->conn), s->name,
		   (long long)((now - s->since) / WEFT_SECOND));
	if (s == self)
		buf_printf(
			b,
			" idle=0 flags=%s db=0 sub=%zu psub=%zu multi=%zd cmd=client user=default "
			"resp=%d",
			s->in_multi ? "x" : "N", s->channels.count, s->patterns.count,
			s->in_multi ? (ssize_t)s->queued : (ssize_t)-1, s->out.protocol);
	else
		buf_str(b, " flags=N db=0 user=default");
	buf_char(b, '\n');
}

static void client_list(struct kv_call *c, bool only_self)
{
	struct buf text = { 0 };

	weft_mutex_lock(&c->server->mutex);
	for (struct kv_session *s = c->server->sessions; s; s = s->next) {
		if (!only_self || s == c->session)
			describe(&text, s, c->session);
	}
	weft_mutex_unlock(&c->server->mutex);
	if (buf_ok(&text))
		kv_put_verbatim(c->out, (struct kv_bytes){ text.at, text.len });
	else
		kv_error(c, "ERR no memory for the list");
	buf_free(&text);
}

/* CLIENT KILL addr | ID id | ADDR addr. */
static void client_kill(struct kv_call *c)
{
	bool by_id = kv_arg_is(c, 2, "ID"), old_form = c->argc == 3;
	int64_t id = 0, killed = 0;

	if ((c->argc != 3 && c->argc != 4) ||
	    (c->argc == 4 && !by_id && !kv_arg_is(c, 2, "ADDR"))) {
		kv_syntax_error(c);
		return;
	}
	if (c->argc == 4 && by_id && (!kv_int(c->argv[3], &id) || id < 1)) {
		kv_error(c, "ERR client-id should be greater than 0");
		return;
	}
	weft_mutex_lock(&c->server->mutex);
	for (struct kv_session *s = c->server->sessions; s; s = s->next) {
		if (id ? s->id != (uint64_t)id
		       : strlen(s->peer) != c->argv[c->argc - 1].len ||
				    memcmp(s->peer, c->argv[c->argc - 1].at, strlen(s->peer)))
			continue;
		killed++;
		if (s == c->session)
			s->closing = true;
		else
			weft_scope_cancel(&s->scope);
	}
	weft_mutex_unlock(&c->server->mutex);
	if (!old_form)
		kv_put_int(c->out, killed);
	else if (killed)
		kv_ok(c);
	else
		kv_error(c, "ERR No such client");
}

static void client(struct kv_call *c)
{
	struct kv_session *s = c->session;

	if (kv_arg_is(c, 1, "ID") && c->argc == 2) {
		kv_put_int(c->out, (int64_t)s->id);
	} else if (kv_arg_is(c, 1, "SETNAME") && c->argc == 3) {
		if (set_name(c, c->argv[2]))
			kv_ok(c);
	} else if (kv_arg_is(c, 1, "GETNAME") && c->argc == 2) {
		if (s->name[0])
			kv_put_text(c->out, s->name);
		else
			kv_put_null(c->out);
	} else if (kv_arg_is(c, 1, "LIST")) {
		client_list(c, false);
	} else if (kv_arg_is(c, 1, "INFO") && c->argc == 2) {
		client_list(c, true);
	} else if (kv_arg_is(c, 1, "KILL") && c->argc > 2) {
		client_kill(c);
	} else if ((kv_arg_is(c, 1, "NO-EVICT") || kv_arg_is(c, 1, "SETINFO")) && c->argc > 2) {
		kv_ok(c);
	} else {
		kv_wrong_subcommand(c,
				    (const char *const[]){ "ID", "SETNAME", "GETNAME", "INFO",
							   "KILL", "NO-EVICT", "SETINFO", NULL });
	}
}

static void auth(struct kv_call *c)
{
	if (c->argc > 3)
		kv_syntax_error(c);
	else if (c->argc == 3 && knows_user(c, 1))
		kv_ok(c);
	if (c->argc != 2)
		return;
	kv_error(c, "ERR AUTH <password> called without any password configured for the default "
		    "user. Are you sure your configuration is correct?");
}

const struct kv_command kv_session_commands[] = {
	{ "PING", ping, -1, KV_UNLOCKED | KV_SUBSCRIBED, 0, 0, 0 },
	{ "ECHO", echo, 2, KV_UNLOCKED, 0, 0, 0 },
	{ "QUIT", quit, -1, KV_UNLOCKED | KV_SUBSCRIBED | KV_CONTROL, 0, 0, 0 },
	{ "SELECT", select_, 2, KV_UNLOCKED, 0, 0, 0 },
	{ "HELLO", hello, -1, KV_UNLOCKED | KV_NO_MULTI, 0, 0, 0 },
	{ "AUTH", auth, -2, KV_UNLOCKED, 0, 0, 0 },
	{ "RESET", reset, 1, KV_UNLOCKED | KV_SUBSCRIBED | KV_CONTROL, 0, 0, 0 },
	{ "CLIENT", client, -2, KV_UNLOCKED, 0, 0, 0 },
	{ 0 },
};
