/* SPDX-License-Identifier: MIT */
/*
 * A session of `weft kv`: reads requests, answers them in batches.
 *
 * What a read brought is carried out to its end before anything is written, so that a
 * pipeline costs one read and one write. If the answers grow large they are written at
 * once: then a peer that does not read makes its own session wait, not the server.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft/select.h>

#include "server.h"

enum { READ_SIZE = 16 * 1024, FLUSH_SIZE = 64 * 1024, KEEP_SIZE = 256 * 1024, GRACE_MS = 2000 };

int64_t kv_unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the list of sessions ----------------------------------------------------------- */

static void enlist(struct kv_session *s)
{
	struct kv_server *server = s->server;

	weft_mutex_lock(&server->mutex);
	s->next = server->sessions;
	if (s->next)
		s->next->before = s;
	server->sessions = s;
	weft_mutex_unlock(&server->mutex);
}

static void strike(struct kv_session *s)
{
	weft_mutex_lock(&s->server->mutex);
	*(s->before ? &s->before->next : &s->server->sessions) = s->next;
	if (s->next)
		s->next->before = s->before;
	weft_mutex_unlock(&s->server->mutex);
}

struct kv_session *kv_session_new(struct kv_server *server, weft_conn *conn)
{
	struct kv_session *s = calloc(1, sizeof(*s));
	weft_address address;

	if (!s)
		return NULL;
	s->server = server;
	s->conn = conn;
	s->id = weft_add_relaxed(&server->last_id, 1) + 1;
	s->since = s->active = weft_now();
	s->last_command = "NULL";
	s->out.protocol = 2;
	s->parser.most = server->config.request_most;
	s->parser.total = server->config.request_most;
	kv_dict_init(&s->watched, &s->heap);
	kv_dict_init(&s->channels, &s->heap);
	kv_dict_init(&s->patterns, &s->heap);
	weft_conn_peer(conn, &address);
	weft_address_format(&address, s->peer);
	weft_conn_local(conn, &address);
	weft_address_format(&address, s->local);
	return s;
}

void kv_session_free(struct kv_session *s)
{
	kv_transaction_end(s);
	free(s->queue);
	kv_dict_fini(&s->watched, NULL);
	kv_dict_fini(&s->channels, NULL);
	kv_dict_fini(&s->patterns, NULL);
	kv_parser_fini(&s->parser);
	buf_free(&s->in);
	buf_free(&s->out.buf);
	buf_free(&s->mail);
	weft_conn_close(s->conn);
	free(s);
}

/* ---- reading and writing ------------------------------------------------------------- */

/* Writes to a peer that takes some of it now and then: *done is how much it took. */
static int write_patiently(struct kv_session *s, size_t *done)
{
	const struct buf *b = &s->out.buf;

	while (*done < b->len) {
		int64_t n = weft_conn_write_until(s->conn, b->at + *done, b->len - *done,
						  weft_after_s(s->server->config.patience_s));

		if (n < 0)
			return (int)n;
		*done += (size_t)n;
	}
	return 0;
}

/* Writes what is in `out`. When the session is cancelled meanwhile, what is left still
 * gets a moment to go out. */
static int flush(struct kv_session *s)
{
	struct buf *b = &s->out.buf;
	weft_scope shield;
	size_t done = 0;
	int err;

	if (!buf_ok(b))
		return -ENOMEM;
	if (b->len == 0)
		return 0;
	err = write_patiently(s, &done);
	if (err == -ECANCELED) {
		weft_scope_open_with(&shield, &(weft_scope_opts){ .shield = true });
		err = weft_conn_write_all_until(s->conn, b->at + done, b->len - done, NULL,
						weft_after_ms(GRACE_MS));
		weft_scope_close(&shield);
	}
	buf_clear(b);
	if (b->room > KEEP_SIZE)
		buf_free(b);
	return err;
}

/* Moves the mail into `out`. */
static void collect_mail(struct kv_session *s)
{
	weft_event_reset(&s->mail_came);
	weft_mutex_lock(&s->mail_mutex);
	buf_bytes(&s->out.buf, s->mail.at, s->mail.len);
	buf_clear(&s->mail);
	if (s->mail.room > KEEP_SIZE)
		buf_free(&s->mail);
	weft_mutex_unlock(&s->mail_mutex);
}

/* Waits until the peer may have sent something, and writes the mail meanwhile. */
static int await(struct kv_session *s)
{
	while (kv_subscriptions(s) > 0) {
		weft_case cases[] = {
			weft_case_event(&s->mail_came),
			weft_case_conn(s->conn, WEFT_READABLE),
		};
		int chosen = weft_select(cases, 2, WEFT_NEVER), err;

		if (chosen != 0)
			return chosen < 0 ? chosen : 0;
		collect_mail(s);
		err = flush(s);
		if (err)
			return err;
	}
	return 0;
}

/* Reads more behind what is there already: bytes, 0 at the end, -errno. */
static int64_t read_more(struct kv_session *s)
{
	struct buf *b = &s->in;
	size_t rest = b->len - s->parsed, want = READ_SIZE;
	int err = await(s);
	int64_t n;

	if (err)
		return err;
	/* What is left of a batch goes to the front; a long argument gets room at once. */
	if (s->parsed > 0) {
		memmove(b->at, b->at + s->parsed, rest);
		b->len = rest;
		s->parsed = 0;
	}
	if (s->parser.wanted > 0 && s->parser.bulk > 0)
		want += (size_t)s->parser.bulk;
	if (!buf_room(b, want))
		return -ENOMEM;
	n = weft_conn_read(s->conn, b->at + b->len, b->room - b->len);
	if (n > 0)
		b->len += (size_t)n;
	return n;
}

/* How far a session has looked ahead in what it has read. Most of the time of a GET goes
 * into waiting for memory that nobody has touched for long: where the chain begins, then
 * an entry. So they are fetched two requests ahead, and one. */
struct ahead {
	size_t at;     /* nothing from here on was looked at */
	uint64_t hash; /* of the key of the request before that, */
	bool pending;  /* whose entry is to be fetched */
};

/* Unless somebody else is at the shard: there is nothing to be gained by waiting. */
static void fetch(struct kv_server *server, uint64_t hash, bool entry)
{
	struct kv_shard *shard = &server->store.shards[kv_shard_of(hash)];

	if (!weft_mutex_try_lock(&shard->mutex))
		return;
	if (entry)
		kv_dict_fetch_entry(&shard->keys, (uint32_t)hash);
	else
		kv_dict_fetch_chain(&shard->keys, (uint32_t)hash);
	weft_mutex_unlock(&shard->mutex);
}

static void look_ahead(struct kv_session *s, struct ahead *ahead)
{
	struct kv_bytes key;
	size_t size;

	if (ahead->at < s->parsed)
		*ahead = (struct ahead){ .at = s->parsed };
	if (ahead->pending)
		fetch(s->server, ahead->hash, true);
	size = kv_peek(s->in.at + ahead->at, s->in.len - ahead->at, &key);
	ahead->pending = size > 0;
	if (size == 0)
		return;
	ahead->at += size;
	ahead->hash = kv_hash(key);
	fetch(s->server, ahead->hash, false);
}

/* Carries out all complete requests that were read. 0, or -errno to end. */
static int carry_out(struct kv_session *s)
{
	struct ahead ahead = { .at = 0 };

	while (!s->closing) {
		size_t used;
		int found = kv_parse(&s->parser, s->in.at + s->parsed, s->in.len - s->parsed,
				     &used);

		if (found == 0)
			break;
		if (found < 0) {
			kv_put_line(&s->out, '-', s->parser.error);
			s->closing = true;
			break;
		}
		s->parsed += used;
		if (s->parsed < s->in.len)
			look_ahead(s, &ahead);
		if (s->parser.argc > 0)
			kv_execute(s, s->parser.argv, s->parser.argc);
		if (s->out.buf.len >= FLUSH_SIZE || !kv_put_ok(&s->out)) {
			int err = flush(s);

			if (err)
				return err;
		}
	}
	return flush(s);
}

/* Gives back what an unusually large request or transaction has left behind. */
static void trim(struct kv_session *s)
{
	if (s->parsed == s->in.len && s->in.room > KEEP_SIZE) {
		buf_free(&s->in);
		s->parsed = 0;
	}
	kv_parser_trim(&s->parser, KEEP_SIZE);
	if (s->queued == 0 && s->queue_room * sizeof(*s->queue) > KEEP_SIZE) {
		free(s->queue);
		s->queue = NULL;
		s->queue_room = 0;
	}
}

static int converse(struct kv_session *s)
{
	/* A busy peer never makes its session wait, hence the question. */
	while (!s->closing && !weft_cancelled()) {
		int64_t n = read_more(s);
		int err;

		if (n <= 0)
			return (int)n;
		s->active = weft_now();
		err = carry_out(s);
		if (err)
			return err;
		trim(s);
	}
	return 0;
}

int kv_serve(void *session)
{
	struct kv_session *s = session;
	struct kv_server *server = s->server;

	weft_scope_open(&s->scope);
	enlist(s);
	(void)converse(s); /* however it ended, the session is over and the server is not */
	kv_unsubscribe_all(s);
	strike(s);
	weft_scope_close(&s->scope);
	kv_session_free(s);
	weft_sub_relaxed(&server->connected, 1);
	return 0;
}

/* ---- carrying out ---------------------------------------------------------------------- */

bool kv_has_room(const struct kv_server *server)
{
	size_t most = server->config.maxmemory;

	return !most || kv_store_used(&server->store) <= most;
}

bool kv_make_room(struct kv_server *server)
{
	const struct kv_config *config = &server->config;
	bool fixed = config->policy == KV_NOEVICTION, found = true;
	bool volatile_only = config->policy >= KV_VOLATILE_LRU;
	bool longest = config->policy == KV_ALLKEYS_LRU || config->policy == KV_VOLATILE_LRU;

	while (found && !kv_has_room(server)) {
		found = false;
		for (int i = 0; i < KV_SHARDS && !fixed; i++) {
			weft_mutex_lock(&server->store.shards[i].mutex);
			found |= kv_shard_evict(&server->store.shards[i], volatile_only, longest);
			weft_mutex_unlock(&server->store.shards[i].mutex);
		}
	}
	return found;
}

static void complain_unknown(struct kv_call *c)
{
	char args[160] = "";
	size_t len = 0;

	for (int i = 1; i < c->argc && len < 128; i++) {
		int n = (int)(c->argv[i].len < 128 - len ? c->argv[i].len : 128 - len);

		len += (size_t)snprintf(args + len, sizeof(args) - len, "'%.*s' ", n,
					c->argv[i].at);
	}
	kv_error(c, "ERR unknown command '%.*s', with args beginning with: %s",
		 (int)(c->argv[0].len < 128 ? c->argv[0].len : 128), c->argv[0].at, args);
}

/* Whether the call may go on; else an error was replied. */
static bool admit(struct kv_call *c)
{
	const struct kv_command *k = c->command;
	struct kv_session *s = c->session;
	char name[32];

	if (!k) {
		complain_unknown(c);
		return false;
	}
	if (k->arity > 0 ? c->argc != k->arity : c->argc < -k->arity) {
		if (strcmp(k->name, "EXEC") == 0) {
			kv_transaction_end(s);
			kv_error(c, "EXECABORT Transaction discarded because of: wrong number of "
				    "arguments for 'exec' command");
		} else {
			kv_wrong_count(c);
		}
		return false;
	}
	if (kv_subscriptions(s) > 0 && c->out->protocol == 2 && !(k->flags & KV_SUBSCRIBED)) {
		kv_error(c,
			 "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING "
			 "/ QUIT / RESET are allowed in this context",
			 kv_command_name(k, name));
		return false;
	}
	if (s->in_multi && (k->flags & KV_NO_MULTI)) {
		kv_error(c, "ERR Command not allowed inside a transaction");
		return false;
	}
	if ((k->flags & KV_GROW) && !kv_make_room(c->server)) {
		kv_put_line(c->out, '-', KV_OOM);
		return false;
	}
	return true;
}

/* Keeps a copy of the call for EXEC. */
static int enqueue(struct kv_session *s, const struct kv_call *c)
{
	size_t size = (size_t)c->argc * sizeof(struct kv_bytes);
	struct kv_bytes *argv;
	char *text;

	if (s->queued == s->queue_room) {
		size_t room = s->queue_room ? 2 * s->queue_room : 8;
		struct kv_queued *queue = realloc(s->queue, room * sizeof(*queue));

		if (!queue)
			return -ENOMEM;
		s->queue = queue;
		s->queue_room = room;
	}
	for (int i = 0; i < c->argc; i++)
		size += c->argv[i].len;
	if (s->queue_bytes + size > s->server->config.request_most)
		return -ENOMEM;
	argv = malloc(size);
	if (!argv)
		return -ENOMEM;
	text = (char *)(argv + c->argc);
	for (int i = 0; i < c->argc; i++) {
		memcpy(text, c->argv[i].at, c->argv[i].len);
		argv[i] = (struct kv_bytes){ text, c->argv[i].len };
		text += c->argv[i].len;
	}
	s->queue_bytes += size;
	s->queue[s->queued++] = (struct kv_queued){ c->command, argv, c->argc };
	return 0;
}

/* Carries out one command that was admitted. A reply that outgrew the most, or the memory,
 * is taken back, and its session ends with a sentence. */
static void run_limited(struct kv_call *c)
{
	size_t most = c->server->config.reply_most, before = c->out->buf.len;
	unsigned shards = 0;

	if (c->command->first > 0)
		c->hash = kv_hash(c->argv[c->command->first]);
	if (!(c->command->flags & KV_UNLOCKED))
		shards = kv_call_shards(c);
	c->out->most = before + most;
	kv_store_lock(c->store, shards);
	c->command->run(c);
	kv_store_unlock(c->store, shards);
	c->out->most = 0;
	if (kv_put_ok(c->out))
		return;
	c->out->buf.len = before;
	c->out->buf.failed = false;
	kv_error(c,
		 "ERR the reply is larger than there is memory, or than the %zu bytes of "
		 "--max-reply",
		 most);
	c->session->closing = true;
}

void kv_execute(struct kv_session *s, struct kv_bytes *argv, int argc)
{
	struct kv_call c = {
		.server = s->server,
		.session = s,
		.store = &s->server->store,
		.out = &s->out,
		.command = kv_command_find(argv[0]),
		.argv = argv,
		.argc = argc,
		.now = kv_unix_ms(),
	};

	weft_add_relaxed(&s->server->commands, 1);
	if (!admit(&c)) {
		s->multi_failed |= s->in_multi;
		return;
	}
	s->last_command = c.command->name;
	if (s->in_multi && !(c.command->flags & KV_CONTROL)) {
		if (enqueue(s, &c) == 0) {
			kv_put_line(&s->out, '+', "QUEUED");
		} else {
			s->multi_failed = true;
			kv_error(&c, "ERR the transaction is larger than a request may be");
		}
		return;
	}
	run_limited(&c);
}
