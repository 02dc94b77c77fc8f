/* SPDX-License-Identifier: MIT */
/*
 * One command of one client, as the functions that carry it out see it.
 *
 * They run with the shards of their keys locked, and never wait. kv_fetch() and its
 * like reply themselves when something is wrong, and return false: the function then
 * just returns.
 */
#ifndef WEFT_APP_KV_CALL_H
#define WEFT_APP_KV_CALL_H

#include "resp.h"
#include "store.h"

struct kv_server;
struct kv_session;
struct kv_call;

enum {
	KV_WRITE = 1,       /* may change something */
	KV_GROW = 2,        /* may need memory: refused when there is none */
	KV_EVERY = 4,       /* concerns all shards */
	KV_CONTROL = 8,     /* acts at once, also between MULTI and EXEC */
	KV_SUBSCRIBED = 16, /* allowed to a RESP2 client that has subscribed */
	KV_UNLOCKED = 32,   /* without any shard; takes what locks it needs itself */
	KV_NO_MULTI = 64,   /* not allowed in a transaction */
};

struct kv_command {
	const char *name;
	void (*run)(struct kv_call *c);
	int arity; /* arguments with the name; -n: at least n */
	unsigned flags;
	int first, last, step; /* which arguments are keys; last counts from the end if < 0 */
};

struct kv_call {
	struct kv_server *server;
	struct kv_session *session;
	struct kv_store *store;
	struct kv_out *out;
	const struct kv_command *command;
	struct kv_bytes *argv;
	int argc;
	int64_t now;   /* Unix time in ms */
	uint64_t hash; /* of the first key */
};

/* The tables of commands, each ended by a NULL name. */
extern const struct kv_command kv_key_commands[], kv_string_commands[], kv_list_commands[],
	kv_hash_commands[], kv_set_commands[], kv_zset_commands[], kv_zalgebra_commands[],
	kv_session_commands[], kv_transaction_commands[], kv_pubsub_commands[],
	kv_server_commands[];
const struct kv_command *kv_command_find(struct kv_bytes name);
/* Command number i of all, or NULL. */
const struct kv_command *kv_command_at(size_t i);
/* Its name as replies have it, in lower case; returns `out`. */
const char *kv_command_name(const struct kv_command *k, char out[32]);

/* The shards of the command's keys, a bit each. */
unsigned kv_call_shards(const struct kv_call *c);

/* ---- keys: i is an argument's number ---------------------------------------------- */

uint64_t kv_hash_of(const struct kv_call *c, int i);
struct kv_shard *kv_shard_at(const struct kv_call *c, int i);
static inline struct kv_heap *kv_heap_at(const struct kv_call *c, int i)
{
	return &kv_shard_at(c, i)->heap;
}
/* The value or NULL; false after an error reply: it is of another type. */
bool kv_fetch(struct kv_call *c, int i, enum kv_type type, struct kv_value **out);
/* The same, but `reply` is given when there is none, and false returned. */
bool kv_require(struct kv_call *c, int i, enum kv_type type, struct kv_value **out,
		void (*reply)(struct kv_out *o));
/* The same, but an empty one is made when there is none. */
bool kv_demand(struct kv_call *c, int i, enum kv_type type, struct kv_value **out);
void kv_store_value(struct kv_call *c, int i, struct kv_value *value);
bool kv_forget(struct kv_call *c, int i);
/* After a change: tells watchers, and removes the value if it became empty. */
void kv_changed(struct kv_call *c, int i, struct kv_value *value);

/* ---- arguments: false after an error reply ------------------------------------------ */

bool kv_arg_int(struct kv_call *c, int i, int64_t *out);
/* The same, between -most and most. */
bool kv_arg_within(struct kv_call *c, int i, int64_t most, int64_t *out);
bool kv_arg_double(struct kv_call *c, int i, double *out);
/* Argument 2, a count that may not be negative; 1 if it is not given. */
bool kv_arg_count(struct kv_call *c, int64_t *out);
/* The range start..stop of a sequence of `count`, either counted from the end if
 * negative, clipped: false and nothing replied when it is empty. */
bool kv_range(int64_t start, int64_t stop, size_t count, size_t *first, size_t *items);
static inline bool kv_arg_is(const struct kv_call *c, int i, const char *word)
{
	return i < c->argc && kv_is(c->argv[i], word);
}
/* MATCH and COUNT (and TYPE) of the SCAN family, from argument i on. */
struct kv_scan_opts {
	struct kv_bytes match;
	bool has_match;
	int64_t count;
	struct kv_bytes type;
};
bool kv_arg_scan(struct kv_call *c, int i, struct kv_scan_opts *opts);
/* Replies to HSCAN, SSCAN, ZSCAN with what a dict holds. */
void kv_reply_scan(struct kv_call *c, const struct kv_dict *d,
		   void (*item)(struct kv_call *c, const struct kv_entry *e), size_t parts);

/* Carry out commands whose type their first letter says: HDEL and SREM; HLEN, LLEN, SCARD,
 * ZCARD. */
void kv_run_delete(struct kv_call *c);
void kv_run_length(struct kv_call *c);

/* Carries out SRANDMEMBER and HRANDFIELD, after a look at how many arguments there are:
 * a count of 2 is two different members, next to each other in the table, -2 any two.
 * Values are told too if that is wanted. */
void kv_reply_random(struct kv_call *c, enum kv_type type, bool values);

/* Redis's glob: * ? [a-z] [^a] \x. */
bool kv_glob(struct kv_bytes pattern, struct kv_bytes text);

/* A sum as INCRBYFLOAT prints it: no exponent, no zeros at its end. */
size_t kv_print_double(char *text, size_t room, long double d);

/* ---- replies ------------------------------------------------------------------------- */

void kv_error(struct kv_call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void kv_ok(struct kv_call *c);
void kv_syntax_error(struct kv_call *c);
void kv_wrong_count(struct kv_call *c); /* of arguments */
/* To the first argument of a command that has subcommands, which are named, after none
 * of them matched together with the number of arguments. */
void kv_wrong_subcommand(struct kv_call *c, const char *const *names);
void kv_empty_array(struct kv_out *o);
void kv_zero(struct kv_out *o);

#endif
