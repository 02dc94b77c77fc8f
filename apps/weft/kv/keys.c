/* SPDX-License-Identifier: MIT */
/*
 * The commands on keys, whatever their values.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

static void del(struct kv_call *c)
{
	int64_t n = 0;

	for (int i = 1; i < c->argc; i++)
		n += kv_forget(c, i);
	kv_put_int(c->out, n);
}

static void exists(struct kv_call *c)
{
	struct kv_value *value;
	int64_t n = 0;

	for (int i = 1; i < c->argc; i++)
		n += kv_fetch(c, i, KV_ANY, &value) && value;
	kv_put_int(c->out, n);
}

static void type(struct kv_call *c)
{
	struct kv_value *value;

	if (kv_fetch(c, 1, KV_ANY, &value))
		kv_put_line(c->out, '+', kv_type_name(value));
}

static bool alive(const struct kv_call *c, const struct kv_entry *e)
{
	const struct kv_value *value = e->value;

	return !value->expires || value->expires > c->now;
}

static void keys(struct kv_call *c)
{
	for (int pass = 0; pass < 2; pass++) {
		size_t found = 0;

		for (int s = 0; s < KV_SHARDS; s++) {
			struct kv_walk walk = { 0 };
			const struct kv_dict *d = &c->store->shards[s].keys;

			for (struct kv_entry *e; (e = kv_dict_next(d, &walk)) != NULL;) {
				if (!alive(c, e) || !kv_glob(c->argv[1], kv_key(e)))
					continue;
				found++;
				if (pass == 1)
					kv_put_bulk(c->out, kv_key(e));
			}
		}
		if (pass == 0)
			kv_put_array(c->out, found);
	}
}

/* The cursor: the shard's number above 32 bits of position in its dict. */
static void scan(struct kv_call *c)
{
	struct kv_scan_opts opts;
	uint64_t cursor = 0, next = 0;
	int64_t given;
	char text[24];

	if (!kv_int(c->argv[1], &given) || given < 0) {
		kv_error(c, "ERR invalid cursor");
		return;
	}
	if (!kv_arg_scan(c, 2, &opts))
		return;
	for (int pass = 0; pass < 2; pass++) {
		size_t found = 0;
		int64_t seen = 0;

		for (cursor = (uint64_t)given; seen < opts.count && cursor >> 32 < KV_SHARDS;) {
			const struct kv_dict *d = &c->store->shards[cursor >> 32].keys;
			const struct kv_entry *e = kv_dict_scan(d, (uint32_t)cursor, &next);

			cursor = (cursor >> 32 << 32) + next;
			for (; e; e = e->next, seen++) {
				if (!alive(c, e) ||
				    (opts.has_match && !kv_glob(opts.match, kv_key(e))) ||
				    (opts.type.at && !kv_is(opts.type, kv_type_name(e->value))))
					continue;
				found++;
				if (pass == 1)
					kv_put_bulk(c->out, kv_key(e));
			}
		}
		if (pass == 0) {
			kv_put_array(c->out, 2);
			snprintf(text, sizeof(text), "%llu",
				 cursor >> 32 < KV_SHARDS ? (unsigned long long)cursor : 0);
			kv_put_text(c->out, text);
			kv_put_array(c->out, found);
		}
	}
}

static void randomkey(struct kv_call *c)
{
	unsigned first = (unsigned)random();

	for (unsigned s = 0; s < KV_SHARDS; s++) {
		struct kv_shard *shard = &c->store->shards[(first + s) % KV_SHARDS];
		const struct kv_entry *e;

		for (int tries = 0; tries < 100; tries++) {
			e = kv_dict_random(&shard->keys);
			if (e && alive(c, e)) {
				kv_put_bulk(c->out, kv_key(e));
				return;
			}
		}
	}
	kv_put_null(c->out);
}

static void rename_(struct kv_call *c)
{
	bool only_new = c->command->name[6] != '\0';
	struct kv_value *value, *there;

	if (!kv_fetch(c, 1, KV_ANY, &value) || !kv_fetch(c, 2, KV_ANY, &there))
		return;
	if (!value) {
		kv_error(c, "ERR no such key");
		return;
	}
	if (only_new && there) {
		kv_put_int(c->out, 0);
		return;
	}
	if (value != there) {
		value = kv_shard_take(kv_shard_at(c, 1), c->argv[1], kv_hash_of(c, 1));
		kv_store_value(c, 2, value);
	}
	if (only_new)
		kv_put_int(c->out, 1);
	else
		kv_ok(c);
}

/* EXPIRE and its three relatives. */
static void expire(struct kv_call *c)
{
	bool ms = c->command->name[0] == 'P';
	bool absolute = strstr(c->command->name, "AT") != NULL;
	bool nx = false, xx = false, gt = false, lt = false;
	struct kv_value *value;
	int64_t n, at, base = absolute ? 0 : c->now, scale = ms ? 1 : 1000;

	if (!kv_arg_int(c, 2, &n))
		return;
	for (int i = 3; i < c->argc; i++) {
		bool known = false;

		known |= kv_arg_is(c, i, "NX") && (nx = true);
		known |= kv_arg_is(c, i, "XX") && (xx = true);
		known |= kv_arg_is(c, i, "GT") && (gt = true);
		known |= kv_arg_is(c, i, "LT") && (lt = true);
		if (!known) {
			kv_error(c, "ERR Unsupported option %.*s", (int)c->argv[i].len,
				 c->argv[i].at);
			return;
		}
	}
	if (nx && (xx || gt || lt)) {
		kv_error(c, "ERR NX and XX, GT or LT options at the same time are not "
			    "compatible");
		return;
	}
	if (gt && lt) {
		kv_error(c, "ERR GT and LT options at the same time are not compatible");
		return;
	}
	if (__builtin_mul_overflow(n, scale, &at) || __builtin_add_overflow(at, base, &at)) {
		char name[32];

		kv_error(c, "ERR invalid expire time in '%s' command",
			 kv_command_name(c->command, name));
		return;
	}
	if (!kv_require(c, 1, KV_ANY, &value, kv_zero))
		return;
	if ((nx && value->expires) || (xx && !value->expires) ||
	    (gt && (!value->expires || at <= value->expires)) ||
	    (lt && value->expires && at >= value->expires)) {
		kv_put_int(c->out, 0);
		return;
	}
	if (at <= c->now)
		kv_forget(c, 1);
	else
		kv_shard_expire(kv_shard_at(c, 1), value, at);
	kv_put_int(c->out, 1);
}

/* TTL, PTTL, EXPIRETIME, PEXPIRETIME. */
static void ttl(struct kv_call *c)
{
	bool ms = c->command->name[0] == 'P';
	bool absolute = strstr(c->command->name, "TIME") != NULL;
	struct kv_value *value;
	int64_t left;

	if (!kv_fetch(c, 1, KV_ANY, &value))
		return;
	if (!value || !value->expires) {
		kv_put_int(c->out, value ? -1 : -2);
		return;
	}
	left = value->expires - (absolute ? 0 : c->now);
	kv_put_int(c->out, ms ? left : (left + (absolute ? 0 : 500)) / 1000);
}

static void persist(struct kv_call *c)
{
	struct kv_value *value;

	if (!kv_require(c, 1, KV_ANY, &value, kv_zero))
		return;
	kv_put_int(c->out, value->expires != 0);
	if (value->expires)
		kv_shard_expire(kv_shard_at(c, 1), value, 0);
}

static void dbsize(struct kv_call *c)
{
	size_t n = 0;

	for (int i = 0; i < KV_SHARDS; i++)
		n += c->store->shards[i].keys.count;
	kv_put_int(c->out, (int64_t)n);
}

static void flushall(struct kv_call *c)
{
	if (c->argc > 2 ||
	    (c->argc == 2 && !kv_arg_is(c, 1, "SYNC") && !kv_arg_is(c, 1, "ASYNC"))) {
		kv_syntax_error(c);
		return;
	}
	for (int i = 0; i < KV_SHARDS; i++)
		kv_shard_clear(&c->store->shards[i]);
	kv_ok(c);
}

const struct kv_command kv_key_commands[] = {
	{ "DEL", del, -2, KV_WRITE, 1, -1, 1 },
	{ "UNLINK", del, -2, KV_WRITE, 1, -1, 1 },
	{ "EXISTS", exists, -2, 0, 1, -1, 1 },
	{ "TOUCH", exists, -2, 0, 1, -1, 1 },
	{ "TYPE", type, 2, 0, 1, 1, 1 },
	{ "KEYS", keys, 2, KV_EVERY, 0, 0, 0 },
	{ "SCAN", scan, -2, KV_EVERY, 0, 0, 0 },
	{ "RANDOMKEY", randomkey, 1, KV_EVERY, 0, 0, 0 },
	{ "RENAME", rename_, 3, KV_WRITE, 1, 2, 1 },
	{ "RENAMENX", rename_, 3, KV_WRITE, 1, 2, 1 },
	{ "EXPIRE", expire, -3, KV_WRITE, 1, 1, 1 },
	{ "PEXPIRE", expire, -3, KV_WRITE, 1, 1, 1 },
	{ "EXPIREAT", expire, -3, KV_WRITE, 1, 1, 1 },
	{ "PEXPIREAT", expire, -3, KV_WRITE, 1, 1, 1 },
	{ "TTL", ttl, 2, 0, 1, 1, 1 },
	{ "PTTL", ttl, 2, 0, 1, 1, 1 },
	{ "EXPIRETIME", ttl, 2, 0, 1, 1, 1 },
	{ "PEXPIRETIME", ttl, 2, 0, 1, 1, 1 },
	{ "PERSIST", persist, 2, KV_WRITE, 1, 1, 1 },
	{ "DBSIZE", dbsize, 1, KV_EVERY, 0, 0, 0 },
	{ "FLUSHALL", flushall, -1, KV_WRITE | KV_EVERY, 0, 0, 0 },
	{ "FLUSHDB", flushall, -1, KV_WRITE | KV_EVERY, 0, 0, 0 },
	{ 0 },
};
