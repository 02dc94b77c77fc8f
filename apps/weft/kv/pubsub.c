/* SPDX-License-Identifier: MIT */
/*
 * Publishing and subscribing: channels by name and by pattern.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* ---- audiences, with the server's mutex held ------------------------------------------ */

static bool audience_add(struct kv_server *server, struct kv_dict *d, struct kv_bytes name,
			 struct kv_session *s)
{
	bool added;
	struct kv_entry *e = kv_dict_add(d, name, (uint32_t)kv_hash(name), &added);
	struct kv_audience *a = e->value;

	if (added) {
		a = e->value = kv_alloc(&server->heap, sizeof(*a));
		*a = (struct kv_audience){ .room = 4 };
		a->sessions = kv_alloc(&server->heap, a->room * sizeof(struct kv_session *));
	}
	if (a->count == a->room) {
		a->room *= 2;
		a->sessions = kv_resize(&server->heap, a->sessions,
					a->room * sizeof(struct kv_session *));
	}
	a->sessions[a->count++] = s;
	return true;
}

static void audience_remove(struct kv_server *server, struct kv_dict *d, struct kv_bytes name,
			    struct kv_session *s)
{
	struct kv_entry *e = kv_dict_find(d, name, (uint32_t)kv_hash(name));
	struct kv_audience *a = e->value;
	size_t i = 0;

	while (a->sessions[i] != s)
		i++;
	a->sessions[i] = a->sessions[--a->count];
	if (a->count == 0) {
		kv_free(&server->heap, a->sessions);
		kv_free(&server->heap, a);
		kv_dict_remove(d, e);
	}
}

/* ---- subscribing ------------------------------------------------------------------------ */

static void confirm(struct kv_session *s, const char *what, const struct kv_bytes *name)
{
	kv_put_push(&s->out, 3);
	kv_put_text(&s->out, what);
	if (name)
		kv_put_bulk(&s->out, *name);
	else
		kv_put_null(&s->out);
	kv_put_int(&s->out, (int64_t)kv_subscriptions(s));
}

static void subscribe_to(struct kv_session *s, bool pattern, struct kv_bytes name)
{
	struct kv_dict *mine = pattern ? &s->patterns : &s->channels;
	struct kv_server *server = s->server;
	bool added;

	kv_dict_add(mine, name, (uint32_t)kv_hash(name), &added);
	if (added) {
		weft_mutex_lock(&server->mutex);
		audience_add(server, pattern ? &server->patterns : &server->channels, name, s);
		weft_mutex_unlock(&server->mutex);
	}
}

static bool unsubscribe_from(struct kv_session *s, bool pattern, struct kv_bytes name)
{
	struct kv_dict *mine = pattern ? &s->patterns : &s->channels;
	struct kv_entry *e = kv_dict_find(mine, name, (uint32_t)kv_hash(name));
	struct kv_server *server = s->server;

	if (!e)
		return false;
	weft_mutex_lock(&server->mutex);
	audience_remove(server, pattern ? &server->patterns : &server->channels, kv_key(e), s);
	weft_mutex_unlock(&server->mutex);
	return true;
}

static void forget(struct kv_dict *mine, struct kv_bytes name)
{
	struct kv_entry *e = kv_dict_find(mine, name, (uint32_t)kv_hash(name));

	if (e)
		kv_dict_remove(mine, e);
}

static void subscribe(struct kv_call *c)
{
	bool pattern = c->command->name[0] == 'P';

	for (int i = 1; i < c->argc; i++) {
		subscribe_to(c->session, pattern, c->argv[i]);
		confirm(c->session, pattern ? "psubscribe" : "subscribe", &c->argv[i]);
	}
}

static void unsubscribe(struct kv_call *c)
{
	bool pattern = c->command->name[0] == 'P';
	const char *what = pattern ? "punsubscribe" : "unsubscribe";
	struct kv_session *s = c->session;
	struct kv_dict *mine = pattern ? &s->patterns : &s->channels;

	for (int i = 1; i < c->argc; i++) {
		unsubscribe_from(s, pattern, c->argv[i]);
		forget(mine, c->argv[i]);
		confirm(s, what, &c->argv[i]);
	}
	if (c->argc > 1)
		return;
	if (mine->count == 0)
		confirm(s, what, NULL);
	while (mine->count > 0) {
		struct kv_entry *e = kv_dict_random(mine);
		struct kv_bytes name = kv_key(e);
		char *copy = malloc(name.len + 1); /* not strndup(): a name may hold a NUL */

		if (copy)
			memcpy(copy, name.at, name.len);
		unsubscribe_from(s, pattern, name);
		kv_dict_remove(mine, e);
		name = copy ? (struct kv_bytes){ copy, name.len } : (struct kv_bytes){ "", 0 };
		confirm(s, what, &name);
		free(copy);
	}
}

void kv_unsubscribe_all(struct kv_session *s)
{
	for (int pattern = 0; pattern < 2; pattern++) {
		struct kv_walk walk = { 0 };
		struct kv_entry *e;

		while ((e = kv_dict_next(pattern ? &s->patterns : &s->channels, &walk)) != NULL)
			unsubscribe_from(s, pattern, kv_key(e));
	}
}

/* ---- publishing --------------------------------------------------------------------------- */

static void put_message(struct kv_out *o, const struct kv_bytes *pattern, struct kv_bytes channel,
			struct kv_bytes text)
{
	kv_put_push(o, pattern ? 4 : 3);
	kv_put_text(o, pattern ? "pmessage" : "message");
	if (pattern)
		kv_put_bulk(o, *pattern);
	kv_put_bulk(o, channel);
	kv_put_bulk(o, text);
}

/* Puts the message into the mailbox, whole or not at all; a session that lets too much pile
 * up is ended, and gets nothing more meanwhile. Who publishes to itself has it before the
 * reply, but not in the midst of a transaction. */
static void deliver(const struct kv_call *c, struct kv_session *s, const struct kv_bytes *pattern,
		    struct kv_bytes channel, struct kv_bytes text)
{
	size_t most = s->server->config.output_most, before;
	struct kv_out out;

	if (s == c->session && s->queued == 0) {
		put_message(c->out, pattern, channel, text);
		return;
	}
	weft_mutex_lock(&s->mail_mutex);
	before = s->mail.len;
	out = (struct kv_out){ s->mail, s->out.protocol, most };
	if (kv_put_ok(&out)) {
		put_message(&out, pattern, channel, text);
		s->mail = out.buf;
		if (!kv_put_ok(&out)) {
			s->mail.len = before;
			weft_scope_cancel(&s->scope);
		}
	}
	weft_mutex_unlock(&s->mail_mutex);
	weft_event_set(&s->mail_came);
}

static void publish(struct kv_call *c)
{
	struct kv_server *server = c->server;
	struct kv_bytes channel = c->argv[1];
	struct kv_walk walk = { 0 };
	struct kv_entry *e;
	int64_t reached = 0;

	weft_mutex_lock(&server->mutex);
	e = kv_dict_find(&server->channels, channel, (uint32_t)kv_hash(channel));
	if (e) {
		const struct kv_audience *a = e->value;

		for (size_t i = 0; i < a->count; i++, reached++)
			deliver(c, a->sessions[i], NULL, channel, c->argv[2]);
	}
	while ((e = kv_dict_next(&server->patterns, &walk)) != NULL) {
		const struct kv_audience *a = e->value;
		struct kv_bytes pattern = kv_key(e);

		if (!kv_glob(pattern, channel))
			continue;
		for (size_t i = 0; i < a->count; i++, reached++)
			deliver(c, a->sessions[i], &pattern, channel, c->argv[2]);
	}
	weft_mutex_unlock(&server->mutex);
	kv_put_int(c->out, reached);
}

static void pubsub(struct kv_call *c)
{
	struct kv_server *server = c->server;
	struct kv_walk walk = { 0 };
	struct kv_entry *e;

	weft_mutex_lock(&server->mutex);
	if (kv_arg_is(c, 1, "NUMPAT") && c->argc == 2) {
		kv_put_int(c->out, (int64_t)server->patterns.count);
	} else if (kv_arg_is(c, 1, "NUMSUB")) {
		kv_put_array(c->out, 2 * ((size_t)c->argc - 2));
		for (int i = 2; i < c->argc; i++) {
			e = kv_dict_find(&server->channels, c->argv[i],
					 (uint32_t)kv_hash(c->argv[i]));
			kv_put_bulk(c->out, c->argv[i]);
			kv_put_int(c->out,
				   e ? (int64_t)((struct kv_audience *)e->value)->count : 0);
		}
	} else if (kv_arg_is(c, 1, "CHANNELS") && c->argc <= 3) {
		size_t count = 0;

		while ((e = kv_dict_next(&server->channels, &walk)) != NULL)
			count += c->argc == 2 || kv_glob(c->argv[2], kv_key(e));
		kv_put_array(c->out, count);
		walk = (struct kv_walk){ 0 };
		while ((e = kv_dict_next(&server->channels, &walk)) != NULL) {
			if (c->argc == 2 || kv_glob(c->argv[2], kv_key(e)))
				kv_put_bulk(c->out, kv_key(e));
		}
	} else {
		kv_wrong_subcommand(c, (const char *const[]){ "NUMPAT", "CHANNELS", NULL });
	}
	weft_mutex_unlock(&server->mutex);
}

#define S (KV_UNLOCKED | KV_SUBSCRIBED)
const struct kv_command kv_pubsub_commands[] = {
	{ "SUBSCRIBE", subscribe, -2, S, 0, 0, 0 },
	{ "PSUBSCRIBE", subscribe, -2, S, 0, 0, 0 },
	{ "UNSUBSCRIBE", unsubscribe, -1, S, 0, 0, 0 },
	{ "PUNSUBSCRIBE", unsubscribe, -1, S, 0, 0, 0 },
	{ "PUBLISH", publish, 3, KV_UNLOCKED, 0, 0, 0 },
	{ "PUBSUB", pubsub, -2, KV_UNLOCKED, 0, 0, 0 },
	{ 0 },
};
