/* SPDX-License-Identifier: MIT */
/*
 * `weft kv`: the server, its sessions, and how they find one another.
 *
 * A session is a connection and the fiber that serves it. Only this fiber writes to the
 * connection. Who has something for another session (a message that was published)
 * puts it into that one's mailbox and sets its event; the fiber waits for its peer and
 * for that event in one select.
 *
 * Locks, in the order in which they are taken: shards, then the server's lists, then a
 * mailbox. None is held across anything that waits for a peer or a disk; `saving`, which
 * comes before all of them, is.
 */
#ifndef WEFT_APP_KV_SERVER_H
#define WEFT_APP_KV_SERVER_H

#include <weft/event.h>
#include <weft/mutex.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include "call.h"

enum kv_policy {
	KV_NOEVICTION,
	KV_ALLKEYS_LRU,
	KV_ALLKEYS_RANDOM,
	KV_VOLATILE_LRU,
	KV_VOLATILE_RANDOM,
};
extern const char *const kv_policy_names[]; /* NULL ends */

struct kv_config {
	int port;
	const char *bind;
	int workers;
	size_t maxmemory; /* 0: no limit */
	int policy;
	const char *save; /* NULL: nowhere */
	int maxclients;
	size_t request_most; /* bytes of one request */
	size_t reply_most;   /* bytes of one reply */
	size_t output_most;  /* bytes that wait for a slow reader */
	int patience_s;      /* that a reader may take nothing */
};

/* Sessions that listen to a channel or a pattern. */
struct kv_audience {
	struct kv_session **sessions;
	size_t count, room;
};

struct kv_server {
	struct kv_store store;
	struct kv_config config;
	weft_event stop;
	weft_atomic_bool save_at_end;
	int64_t started; /* weft_now() */
	int port;        /* that was opened */
	weft_listener *listener;

	weft_mutex mutex; /* the lists below */
	struct kv_session *sessions;
	struct kv_heap heap;
	struct kv_dict channels, patterns; /* name -> kv_audience */

	weft_mutex saving;
	weft_atomic_i64 saved; /* Unix time in s */
	weft_atomic_u64 connections, commands, rejected, last_id;
	weft_atomic_i32 connected;
};

struct kv_queued {
	const struct kv_command *command;
	struct kv_bytes *argv; /* one block with what they point at */
	int argc;
};

/* What WATCH remembers of a key. */
struct kv_watched {
	uint64_t hash, version;
};

struct kv_session {
	struct kv_server *server;
	weft_conn *conn;
	weft_scope scope; /* cancelled to end the session */
	struct kv_session *next, *before;
	uint64_t id;
	int64_t since, active; /* weft_now() */
	char peer[WEFT_ADDRESS_TEXT], local[WEFT_ADDRESS_TEXT];
	char name[64];
	const char *last_command;

	struct buf in; /* [parsed, len) is not yet carried out */
	size_t parsed;
	struct kv_parser parser;
	struct kv_out out;
	bool closing; /* after what is in `out` */

	bool in_multi, multi_failed;
	struct kv_queued *queue;
	size_t queued, queue_room, queue_bytes;
	struct kv_dict watched; /* key -> kv_watched */
	size_t watch_bytes;

	struct kv_dict channels, patterns; /* subscribed to */
	struct kv_heap heap;
	weft_mutex mail_mutex;
	struct buf mail;
	weft_event mail_came;
};

/* Serves one connection, which it closes; a fiber's function. */
int kv_serve(void *session);
struct kv_session *kv_session_new(struct kv_server *server, weft_conn *conn);
void kv_session_free(struct kv_session *s); /* with its connection */
static inline size_t kv_subscriptions(const struct kv_session *s)
{
	return s->channels.count + s->patterns.count;
}
/* Carries out what was parsed. */
void kv_execute(struct kv_session *s, struct kv_bytes *argv, int argc);
/* Whether keys and values are within --maxmemory; if not, and the policy allows it, keys
 * make room. With no shard locked. */
bool kv_make_room(struct kv_server *server);
/* The same without making room, with any locks. */
bool kv_has_room(const struct kv_server *server);
#define KV_OOM "OOM command not allowed when used memory > 'maxmemory'."
/* Ends the transaction, if there is one, and forgets what is watched. */
void kv_transaction_end(struct kv_session *s);
void kv_unwatch(struct kv_session *s);

void kv_unsubscribe_all(struct kv_session *s);
int64_t kv_unix_ms(void);

/* Loads the file if there is one; looks whether one could be written there; saves it. 0,
 * or -errno after a sentence on stderr (-EBADMSG: the file is damaged; it is left as it
 * is). */
int kv_load(struct kv_server *server);
int kv_check_save(const struct kv_server *server);
int kv_save(struct kv_server *server);

#endif
