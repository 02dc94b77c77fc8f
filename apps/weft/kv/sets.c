/* SPDX-License-Identifier: MIT */
/*
 * The commands on sets.
 */
#include <stdlib.h>
#include <string.h>

#include "call.h"

static void sadd(struct kv_call *c)
{
	struct kv_value *value;
	int64_t n = 0;

	if (!kv_demand(c, 1, KV_SET, &value))
		return;
	for (int i = 2; i < c->argc; i++)
		n += kv_table_add((struct kv_table *)value, c->argv[i]);
	if (n)
		kv_changed(c, 1, value);
	kv_put_int(c->out, n);
}

static void empty_set(struct kv_out *o)
{
	kv_put_set(o, 0);
}

static void reply_members(struct kv_call *c, const struct kv_table *t)
{
	struct kv_walk walk = { 0 };
	struct kv_entry *e;

	kv_put_set(c->out, t->dict.count);
	while ((e = kv_dict_next(&t->dict, &walk)) != NULL)
		kv_put_bulk(c->out, kv_key(e));
}

static void smembers(struct kv_call *c)
{
	struct kv_value *value;

	if (kv_require(c, 1, KV_SET, &value, empty_set))
		reply_members(c, (struct kv_table *)value);
}

static bool has(const struct kv_value *value, struct kv_bytes member)
{
	return value && kv_table_find((const struct kv_table *)value, member);
}

static void sismember(struct kv_call *c)
{
	bool many = c->command->name[1] == 'M';
	struct kv_value *value;

	if (!kv_fetch(c, 1, KV_SET, &value))
		return;
	if (many)
		kv_put_array(c->out, (size_t)c->argc - 2);
	for (int i = 2; i < c->argc; i++)
		kv_put_int(c->out, has(value, c->argv[i]));
}

static void spop(struct kv_call *c)
{
	struct kv_value *value;
	struct kv_table *t;
	int64_t n;

	if (c->argc > 3) {
		kv_syntax_error(c);
		return;
	}
	if (!kv_arg_count(c, &n) ||
	    !kv_require(c, 1, KV_SET, &value, c->argc == 3 ? empty_set : kv_put_null))
		return;
	t = (struct kv_table *)value;
	n = n > (int64_t)t->dict.count ? (int64_t)t->dict.count : n;
	if (c->argc == 3)
		kv_put_set(c->out, (size_t)n);
	while (n-- > 0) {
		struct kv_entry *e = kv_dict_random(&t->dict);

		kv_put_bulk(c->out, kv_key(e));
		kv_dict_remove(&t->dict, e);
	}
	kv_changed(c, 1, value);
}

static void srandmember(struct kv_call *c)
{
	if (c->argc > 3)
		kv_syntax_error(c);
	else
		kv_reply_random(c, KV_SET, false);
}

static void smove(struct kv_call *c)
{
	struct kv_value *from, *to;

	if (!kv_require(c, 1, KV_SET, &from, kv_zero) || !kv_fetch(c, 2, KV_SET, &to))
		return;
	if (!has(from, c->argv[3])) {
		kv_put_int(c->out, 0);
		return;
	}
	if (from != to && kv_demand(c, 2, KV_SET, &to)) {
		kv_table_delete((struct kv_table *)from, c->argv[3]);
		kv_table_add((struct kv_table *)to, c->argv[3]);
		kv_changed(c, 2, to);
		kv_changed(c, 1, from);
	}
	kv_put_int(c->out, 1);
}

enum algebra { INTER, UNION, DIFF };

static enum algebra algebra_of(const struct kv_call *c)
{
	return c->command->name[1] == 'I' ? INTER : c->command->name[1] == 'U' ? UNION : DIFF;
}

/* The sets named by the arguments first..last, combined into `result`. At most `most`
 * members are wanted. False after an error reply. */
static bool combine(struct kv_call *c, int first, int last, size_t most, struct kv_table *result)
{
	enum algebra how = algebra_of(c);
	struct kv_value *value, *lead;

	for (int i = first; i <= last; i++) {
		if (!kv_fetch(c, i, KV_SET, &value))
			return false;
	}
	for (int from = first; from <= (how == UNION ? last : first); from++) {
		struct kv_walk walk = { 0 };
		struct kv_entry *e;

		kv_fetch(c, from, KV_SET, &lead);
		while (lead && result->dict.count < most &&
		       (e = kv_dict_next(&((struct kv_table *)lead)->dict, &walk)) != NULL) {
			bool in = true;

			for (int i = first + 1; in && how != UNION && i <= last; i++) {
				kv_fetch(c, i, KV_SET, &value);
				in = has(value, kv_key(e)) == (how == INTER);
			}
			if (in)
				kv_table_add(result, kv_key(e));
		}
	}
	return true;
}

/* SINTER, SUNION, SDIFF, and the same with STORE. */
static void algebra(struct kv_call *c)
{
	bool store = strstr(c->command->name, "STORE") != NULL;
	struct kv_heap scratch = { 0 }, *heap = store ? kv_heap_at(c, 1) : &scratch;
	struct kv_table *t = kv_table_new(heap, KV_SET);
	int64_t count;

	if (!combine(c, 1 + store, c->argc - 1, SIZE_MAX, t)) {
		kv_value_free(heap, &t->base);
		return;
	}
	count = (int64_t)t->dict.count;
	if (!store)
		reply_members(c, t);
	else
		kv_put_int(c->out, count);
	if (store && count) {
		kv_store_value(c, 1, &t->base);
	} else {
		if (store)
			kv_forget(c, 1);
		kv_value_free(heap, &t->base);
	}
}

static void sintercard(struct kv_call *c)
{
	struct kv_heap heap = { 0 };
	struct kv_table *t;
	int64_t keys, limit = 0;

	if (!kv_int(c->argv[1], &keys) || keys <= 0) {
		kv_error(c, "ERR numkeys should be greater than 0");
		return;
	}
	if (keys > c->argc - 2) {
		kv_error(c, "ERR Number of keys can't be greater than number of args");
		return;
	}
	for (int i = (int)keys + 2; i < c->argc; i += 2) {
		if (!kv_arg_is(c, i, "LIMIT") || i + 1 == c->argc) {
			kv_syntax_error(c);
			return;
		}
		if (!kv_int(c->argv[i + 1], &limit) || limit < 0) {
			kv_error(c, "ERR LIMIT can't be negative");
			return;
		}
	}
	t = kv_table_new(&heap, KV_SET);
	if (combine(c, 2, (int)keys + 1, limit ? (size_t)limit : SIZE_MAX, t))
		kv_put_int(c->out, (int64_t)t->dict.count);
	kv_value_free(&heap, &t->base);
}

static void scan_item(struct kv_call *c, const struct kv_entry *e)
{
	kv_put_bulk(c->out, kv_key(e));
}

static void sscan(struct kv_call *c)
{
	struct kv_value *value;

	if (kv_fetch(c, 1, KV_SET, &value))
		kv_reply_scan(c, value ? &((struct kv_table *)value)->dict : NULL, scan_item, 1);
}

#define W (KV_WRITE | KV_GROW)
const struct kv_command kv_set_commands[] = {
	{ "SADD", sadd, -3, W, 1, 1, 1 },
	{ "SREM", kv_run_delete, -3, KV_WRITE, 1, 1, 1 },
	{ "SMEMBERS", smembers, 2, 0, 1, 1, 1 },
	{ "SISMEMBER", sismember, 3, 0, 1, 1, 1 },
	{ "SMISMEMBER", sismember, -3, 0, 1, 1, 1 },
	{ "SCARD", kv_run_length, 2, 0, 1, 1, 1 },
	{ "SPOP", spop, -2, KV_WRITE, 1, 1, 1 },
	{ "SRANDMEMBER", srandmember, -2, 0, 1, 1, 1 },
	{ "SMOVE", smove, 4, W, 1, 2, 1 },
	{ "SINTER", algebra, -2, 0, 1, -1, 1 },
	{ "SUNION", algebra, -2, 0, 1, -1, 1 },
	{ "SDIFF", algebra, -2, 0, 1, -1, 1 },
	{ "SINTERSTORE", algebra, -3, W, 1, -1, 1 },
	{ "SUNIONSTORE", algebra, -3, W, 1, -1, 1 },
	{ "SDIFFSTORE", algebra, -3, W, 1, -1, 1 },
	{ "SINTERCARD", sintercard, -3, KV_EVERY, 0, 0, 0 },
	{ "SSCAN", sscan, -3, 0, 1, 1, 1 },
	{ 0 },
};
