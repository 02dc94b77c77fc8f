/* SPDX-License-Identifier: MIT */
/*
 * The commands on hashes.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

static struct kv_bytes value_of(const struct kv_entry *e)
{
	return kv_blob_bytes(e->value);
}

static void hset(struct kv_call *c)
{
	bool old_form = c->command->name[1] == 'M';
	struct kv_value *value;
	int64_t added = 0;

	if (c->argc % 2) {
		kv_wrong_count(c);
		return;
	}
	if (!kv_demand(c, 1, KV_HASH, &value))
		return;
	for (int i = 2; i < c->argc; i += 2)
		added += kv_table_set((struct kv_table *)value, c->argv[i], c->argv[i + 1]);
	kv_changed(c, 1, value);
	if (old_form)
		kv_ok(c);
	else
		kv_put_int(c->out, added);
}

static void hsetnx(struct kv_call *c)
{
	struct kv_value *value;
	struct kv_table *t;
	bool found;

	if (!kv_demand(c, 1, KV_HASH, &value))
		return;
	t = (struct kv_table *)value;
	found = kv_table_find(t, c->argv[2]) != NULL;
	if (!found) {
		kv_table_set(t, c->argv[2], c->argv[3]);
		kv_changed(c, 1, value);
	}
	kv_put_int(c->out, !found);
}

static void reply_field(struct kv_call *c, const struct kv_value *value, struct kv_bytes field)
{
	const struct kv_entry *e = value ? kv_table_find((const struct kv_table *)value, field)
					 : NULL;

	if (e)
		kv_put_bulk(c->out, value_of(e));
	else
		kv_put_null(c->out);
}

static void hget(struct kv_call *c)
{
	struct kv_value *value;

	if (kv_fetch(c, 1, KV_HASH, &value))
		reply_field(c, value, c->argv[2]);
}

static void hmget(struct kv_call *c)
{
	struct kv_value *value;

	if (!kv_fetch(c, 1, KV_HASH, &value))
		return;
	kv_put_array(c->out, (size_t)c->argc - 2);
	for (int i = 2; i < c->argc; i++)
		reply_field(c, value, c->argv[i]);
}

/* HGETALL, HKEYS, HVALS. */
static void hgetall(struct kv_call *c)
{
	bool fields = c->command->name[1] != 'V', values = c->command->name[1] != 'K';
	struct kv_walk walk = { 0 };
	struct kv_value *value;
	size_t count;

	if (!kv_fetch(c, 1, KV_HASH, &value))
		return;
	count = value ? kv_value_count(value) : 0;
	if (fields && values)
		kv_put_map(c->out, count);
	else
		kv_put_array(c->out, count);
	for (struct kv_entry *e; value;) {
		e = kv_dict_next(&((struct kv_table *)value)->dict, &walk);
		if (!e)
			break;
		if (fields)
			kv_put_bulk(c->out, kv_key(e));
		if (values)
			kv_put_bulk(c->out, value_of(e));
	}
}

/* HEXISTS, HSTRLEN. */
static void hexists(struct kv_call *c)
{
	const struct kv_entry *e;
	struct kv_value *value;

	if (!kv_require(c, 1, KV_HASH, &value, kv_zero))
		return;
	e = kv_table_find((struct kv_table *)value, c->argv[2]);
	kv_put_int(c->out, !e ? 0 : c->command->name[1] == 'E' ? 1 : (int64_t)value_of(e).len);
}

static void hincrby(struct kv_call *c)
{
	struct kv_value *value;
	struct kv_table *t;
	const struct kv_entry *e;
	int64_t n = 0, by;
	char text[24];
	int len;

	if (!kv_arg_int(c, 3, &by) || !kv_demand(c, 1, KV_HASH, &value))
		return;
	t = (struct kv_table *)value;
	e = kv_table_find(t, c->argv[2]);
	if (e && !kv_int(value_of(e), &n)) {
		kv_error(c, "ERR hash value is not an integer");
	} else if (__builtin_add_overflow(n, by, &n)) {
		kv_error(c, "ERR increment or decrement would overflow");
	} else {
		len = snprintf(text, sizeof(text), "%lld", (long long)n);
		kv_table_set(t, c->argv[2], (struct kv_bytes){ text, (size_t)len });
		kv_put_int(c->out, n);
	}
	kv_changed(c, 1, value);
}

static void hincrbyfloat(struct kv_call *c)
{
	struct kv_value *value;
	struct kv_table *t;
	const struct kv_entry *e;
	long double n = 0, by;
	char text[5000];

	if (!kv_long_double(c->argv[3], &by)) {
		kv_error(c, "ERR value is not a valid float");
		return;
	}
	if (!isfinite(by)) {
		kv_error(c, "ERR value is NaN or Infinity");
		return;
	}
	if (!kv_demand(c, 1, KV_HASH, &value))
		return;
	t = (struct kv_table *)value;
	e = kv_table_find(t, c->argv[2]);
	if (e && !kv_long_double(value_of(e), &n)) {
		kv_error(c, "ERR hash value is not a float");
	} else if (!isfinite(n + by)) {
		kv_error(c, "ERR increment would produce NaN or Infinity");
	} else {
		struct kv_bytes sum = { text, kv_print_double(text, sizeof(text), n + by) };

		kv_table_set(t, c->argv[2], sum);
		kv_put_bulk(c->out, sum);
	}
	kv_changed(c, 1, value);
}

static void hrandfield(struct kv_call *c)
{
	int64_t n;

	if (c->argc > 3 && !kv_arg_within(c, 2, INT64_MAX, &n))
		return;
	if (c->argc > 4 || (c->argc == 4 && !kv_arg_is(c, 3, "WITHVALUES")))
		kv_syntax_error(c);
	else
		kv_reply_random(c, KV_HASH, c->argc == 4);
}

static void scan_item(struct kv_call *c, const struct kv_entry *e)
{
	kv_put_bulk(c->out, kv_key(e));
	kv_put_bulk(c->out, value_of(e));
}

static void hscan(struct kv_call *c)
{
	struct kv_value *value;

	if (kv_fetch(c, 1, KV_HASH, &value))
		kv_reply_scan(c, value ? &((struct kv_table *)value)->dict : NULL, scan_item, 2);
}

#define W (KV_WRITE | KV_GROW)
const struct kv_command kv_hash_commands[] = {
	{ "HSET", hset, -4, W, 1, 1, 1 },
	{ "HMSET", hset, -4, W, 1, 1, 1 },
	{ "HSETNX", hsetnx, 4, W, 1, 1, 1 },
	{ "HGET", hget, 3, 0, 1, 1, 1 },
	{ "HMGET", hmget, -3, 0, 1, 1, 1 },
	{ "HGETALL", hgetall, 2, 0, 1, 1, 1 },
	{ "HKEYS", hgetall, 2, 0, 1, 1, 1 },
	{ "HVALS", hgetall, 2, 0, 1, 1, 1 },
	{ "HDEL", kv_run_delete, -3, KV_WRITE, 1, 1, 1 },
	{ "HLEN", kv_run_length, 2, 0, 1, 1, 1 },
	{ "HEXISTS", hexists, 3, 0, 1, 1, 1 },
	{ "HSTRLEN", hexists, 3, 0, 1, 1, 1 },
	{ "HINCRBY", hincrby, 4, W, 1, 1, 1 },
	{ "HINCRBYFLOAT", hincrbyfloat, 4, W, 1, 1, 1 },
	{ "HRANDFIELD", hrandfield, -2, 0, 1, 1, 1 },
	{ "HSCAN", hscan, -3, 0, 1, 1, 1 },
	{ 0 },
};
