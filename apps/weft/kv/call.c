/* SPDX-License-Identifier: MIT */
/*
 * What the commands share: finding commands, keys, arguments; see call.h.
 */
#include "call.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <weft/once.h>

/* ---- the table ------------------------------------------------------------------------ */

static const struct kv_command *const tables[] = {
	kv_string_commands,      kv_key_commands,    kv_list_commands,     kv_hash_commands,
	kv_set_commands,         kv_zset_commands,   kv_zalgebra_commands, kv_session_commands,
	kv_transaction_commands, kv_pubsub_commands, kv_server_commands,
};

enum { SLOTS = 1024, NAME_MOST = 20 };

static const struct kv_command *slots[SLOTS];

static unsigned name_slot(struct kv_bytes name)
{
	uint32_t h = (uint32_t)name.len;

	for (size_t i = 0; i < name.len; i++)
		h = h * 31 + ((unsigned char)name.at[i] | 0x20u);
	return (h ^ h >> 10) % SLOTS;
}

const struct kv_command *kv_command_at(size_t i)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		const struct kv_command *at = tables[t];

		for (; at->name; at++) {
			if (i-- == 0)
				return at;
		}
	}
	return NULL;
}

const char *kv_command_name(const struct kv_command *k, char out[32])
{
	size_t n = 0;

	for (; k->name[n] && n < 31; n++)
		out[n] = (char)tolower((unsigned char)k->name[n]);
	out[n] = '\0';
	return out;
}

static int slots_fill(void *arg)
{
	const struct kv_command *command;

	(void)arg;
	for (size_t i = 0; (command = kv_command_at(i)) != NULL; i++) {
		struct kv_bytes name = { command->name, strlen(command->name) };
		unsigned slot = name_slot(name);

		while (slots[slot])
			slot = (slot + 1) % SLOTS;
		slots[slot] = command;
	}
	return 0;
}

const struct kv_command *kv_command_find(struct kv_bytes name)
{
	static weft_once once;

	while (!weft_once_done(&once))
		(void)!weft_once_call(&once, slots_fill, NULL);
	if (name.len > NAME_MOST)
		return NULL;
	for (unsigned slot = name_slot(name); slots[slot]; slot = (slot + 1) % SLOTS) {
		if (kv_is(name, slots[slot]->name))
			return slots[slot];
	}
	return NULL;
}

/* ---- keys ------------------------------------------------------------------------------ */

unsigned kv_call_shards(const struct kv_call *c)
{
	const struct kv_command *k = c->command;
	int last = k->last < 0 ? c->argc + k->last : k->last;
	unsigned shards = 0;

	if (k->flags & KV_EVERY)
		return KV_ALL;
	for (int i = k->first; i > 0 && i <= last; i += k->step)
		shards |= 1u << kv_shard_of(kv_hash_of(c, i));
	return shards;
}

uint64_t kv_hash_of(const struct kv_call *c, int i)
{
	return i == c->command->first ? c->hash : kv_hash(c->argv[i]);
}

struct kv_shard *kv_shard_at(const struct kv_call *c, int i)
{
	return &c->store->shards[kv_shard_of(kv_hash_of(c, i))];
}

bool kv_fetch(struct kv_call *c, int i, enum kv_type type, struct kv_value **out)
{
	uint64_t hash = kv_hash_of(c, i);

	*out = kv_shard_get(&c->store->shards[kv_shard_of(hash)], c->argv[i], hash, c->now);
	if (!*out || type == KV_ANY || (*out)->type == type)
		return true;
	kv_put_line(c->out, '-',
		    "WRONGTYPE Operation against a key holding the wrong kind of value");
	return false;
}

bool kv_require(struct kv_call *c, int i, enum kv_type type, struct kv_value **out,
		void (*reply)(struct kv_out *o))
{
	if (!kv_fetch(c, i, type, out))
		return false;
	if (!*out)
		reply(c->out);
	return *out != NULL;
}

bool kv_demand(struct kv_call *c, int i, enum kv_type type, struct kv_value **out)
{
	if (!kv_fetch(c, i, type, out))
		return false;
	if (!*out) {
		*out = kv_value_new(kv_heap_at(c, i), type);
		kv_store_value(c, i, *out);
	}
	return true;
}

void kv_store_value(struct kv_call *c, int i, struct kv_value *value)
{
	value->used = (uint32_t)(c->now / 1000);
	kv_shard_put(kv_shard_at(c, i), c->argv[i], kv_hash_of(c, i), value);
}

bool kv_forget(struct kv_call *c, int i)
{
	struct kv_value *value;

	return kv_fetch(c, i, KV_ANY, &value) && value &&
	       kv_shard_remove(kv_shard_at(c, i), c->argv[i], kv_hash_of(c, i));
}

void kv_changed(struct kv_call *c, int i, struct kv_value *value)
{
	if (kv_value_count(value) == 0)
		kv_forget(c, i);
	else
		kv_shard_touch(kv_shard_at(c, i), value);
}

/* ---- arguments ------------------------------------------------------------------------- */

bool kv_arg_int(struct kv_call *c, int i, int64_t *out)
{
	if (kv_int(c->argv[i], out))
		return true;
	kv_error(c, "ERR value is not an integer or out of range");
	return false;
}

bool kv_arg_within(struct kv_call *c, int i, int64_t most, int64_t *out)
{
	if (!kv_arg_int(c, i, out))
		return false;
	if (*out >= -most && *out <= most)
		return true;
	kv_error(c, "ERR value is out of range, value must between %lld and %lld",
		 -(long long)most, (long long)most);
	return false;
}

bool kv_arg_double(struct kv_call *c, int i, double *out)
{
	if (kv_double(c->argv[i], out))
		return true;
	kv_error(c, "ERR value is not a valid float");
	return false;
}

bool kv_arg_count(struct kv_call *c, int64_t *out)
{
	*out = 1;
	if (c->argc < 3 || (kv_int(c->argv[2], out) && *out >= 0))
		return true;
	kv_error(c, "ERR value is out of range, must be positive");
	return false;
}

bool kv_range(int64_t start, int64_t stop, size_t count, size_t *first, size_t *items)
{
	int64_t n = (int64_t)count;

	start = start < 0 ? start + n : start;
	stop = stop < 0 ? stop + n : stop;
	start = start < 0 ? 0 : start;
	stop = stop >= n ? n - 1 : stop;
	*first = (size_t)start;
	*items = start > stop ? 0 : (size_t)(stop - start + 1);
	return *items > 0;
}

bool kv_arg_scan(struct kv_call *c, int i, struct kv_scan_opts *opts)
{
	*opts = (struct kv_scan_opts){ .count = 10 };
	for (; i < c->argc; i += 2) {
		if (i + 1 == c->argc) {
			kv_syntax_error(c);
			return false;
		}
		if (kv_arg_is(c, i, "MATCH")) {
			opts->match = c->argv[i + 1];
			opts->has_match = true;
		} else if (kv_arg_is(c, i, "COUNT")) {
			if (!kv_arg_int(c, i + 1, &opts->count))
				return false;
			if (opts->count >= 1)
				continue;
			kv_syntax_error(c);
			return false;
		} else if (kv_arg_is(c, i, "TYPE") && c->command->first == 0) {
			opts->type = c->argv[i + 1];
		} else {
			kv_syntax_error(c);
			return false;
		}
	}
	return true;
}

void kv_reply_scan(struct kv_call *c, const struct kv_dict *d,
		   void (*item)(struct kv_call *c, const struct kv_entry *e), size_t parts)
{
	struct kv_scan_opts opts;
	uint64_t next = 0;
	int64_t cursor;
	char text[24];

	if (!kv_int(c->argv[2], &cursor) || cursor < 0 || cursor > UINT32_MAX) {
		kv_error(c, "ERR invalid cursor");
		return;
	}
	if (!kv_arg_scan(c, 3, &opts))
		return;
	/* Twice the same walk: to count, then to reply. */
	for (int pass = 0; pass < 2; pass++) {
		size_t found = 0;
		int64_t seen = 0;

		for (next = (uint64_t)cursor; d && next <= UINT32_MAX && seen < opts.count;) {
			const struct kv_entry *e = kv_dict_scan(d, (uint32_t)next, &next);

			for (; e; e = e->next, seen++) {
				if (opts.has_match && !kv_glob(opts.match, kv_key(e)))
					continue;
				found++;
				if (pass == 1)
					item(c, e);
			}
		}
		if (pass == 0) {
			kv_put_array(c->out, 2);
			snprintf(text, sizeof(text), "%llu",
				 d && next <= UINT32_MAX ? (unsigned long long)next : 0);
			kv_put_text(c->out, text);
			kv_put_array(c->out, found * parts);
		}
	}
}

static enum kv_type type_named(const struct kv_call *c)
{
	switch (c->command->name[0]) {
	case 'H': return KV_HASH;
	case 'L': return KV_LIST;
	case 'S': return KV_SET;
	default: return KV_ZSET;
	}
}

void kv_run_delete(struct kv_call *c)
{
	struct kv_value *value;
	int64_t n = 0;

	if (!kv_require(c, 1, type_named(c), &value, kv_zero))
		return;
	for (int i = 2; i < c->argc; i++)
		n += kv_table_delete((struct kv_table *)value, c->argv[i]);
	if (n)
		kv_changed(c, 1, value);
	kv_put_int(c->out, n);
}

void kv_run_length(struct kv_call *c)
{
	struct kv_value *value;

	if (kv_require(c, 1, type_named(c), &value, kv_zero))
		kv_put_int(c->out, (int64_t)kv_value_count(value));
}

static void put_random(struct kv_call *c, const struct kv_entry *e, bool value)
{
	if (value && c->out->protocol == 3)
		kv_put_array(c->out, 2);
	kv_put_bulk(c->out, kv_key(e));
	if (value)
		kv_put_bulk(c->out, kv_blob_bytes(e->value));
}

void kv_reply_random(struct kv_call *c, enum kv_type type, bool values)
{
	struct kv_walk walk = { 0 };
	struct kv_value *value;
	const struct kv_dict *d;
	size_t count, skip;
	int64_t n = 1;

	if (c->argc > 2 && !kv_arg_within(c, 2, INT64_MAX, &n))
		return;
	if (values && (n < -(INT64_MAX / 2) || n > INT64_MAX / 2)) {
		kv_error(c, "ERR value is out of range"); /* twice as many items */
		return;
	}
	if (!kv_require(c, 1, type, &value, c->argc > 2 ? kv_empty_array : kv_put_null))
		return;
	d = &((struct kv_table *)value)->dict;
	if (c->argc == 2) {
		put_random(c, kv_dict_random(d), false);
		return;
	}
	count = n < 0 ? (size_t)-n : (size_t)n < d->count ? (size_t)n : d->count;
	skip = n > 0 && d->count > count ? (size_t)random() % (d->count - count + 1) : 0;
	kv_put_array(c->out, values && c->out->protocol != 3 ? 2 * count : count);
	while (skip-- > 0)
		kv_dict_next(d, &walk);
	while (count-- > 0 && kv_put_ok(c->out))
		put_random(c, n < 0 ? kv_dict_random(d) : kv_dict_next(d, &walk), values);
}

/* Whether [...] at p matches `ch`; *p moves to its last character. */
static bool glob_set(const char **p, const char *end, char ch)
{
	bool invert = *p + 1 < end && (*p)[1] == '^', match = false;
	const char *at = *p + 1 + invert;

	for (; at < end && *at != ']'; at++) {
		if (*at == '\\' && at + 1 < end) {
			match |= *++at == ch;
		} else if (at + 2 < end && at[1] == '-') {
			char low = at[0] < at[2] ? at[0] : at[2];
			char high = at[0] < at[2] ? at[2] : at[0];

			match |= ch >= low && ch <= high;
			at += 2;
		} else {
			match |= *at == ch;
		}
	}
	*p = at < end ? at : end - 1;
	return match != invert;
}

/* On a mismatch it goes back to the last star and lets it take one more: there is never
 * a reason to go back further, so the time is bounded by the product of the lengths. */
bool kv_glob(struct kv_bytes pattern, struct kv_bytes text)
{
	const char *p = pattern.at, *pend = p + pattern.len, *star = NULL;
	const char *t = text.at, *tend = t + text.len, *retry = NULL;

	while (t < tend || p < pend) {
		bool match = false;
		const char *at = p;

		if (p < pend && *p == '*') {
			star = p++;
			retry = t;
			continue;
		}
		if (p < pend && t < tend) {
			if (*p == '\\' && p + 1 < pend)
				match = *++at == *t;
			else if (*p == '[')
				match = glob_set(&at, pend, *t);
			else
				match = *p == '?' || *p == *t;
		}
		if (match) {
			p = at + 1;
			t++;
		} else if (star && retry < tend) {
			p = star + 1;
			t = ++retry;
		} else {
			return false;
		}
	}
	return true;
}

/* ---- replies --------------------------------------------------------------------------- */

void kv_error(struct kv_call *c, const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *s = line; *s; s++) {
		if (*s == '\r' || *s == '\n')
			*s = ' ';
	}
	kv_put_line(c->out, '-', line);
}

void kv_ok(struct kv_call *c)
{
	kv_put_line(c->out, '+', "OK");
}

void kv_syntax_error(struct kv_call *c)
{
	kv_put_line(c->out, '-', "ERR syntax error");
}

void kv_wrong_count(struct kv_call *c)
{
	char name[32];

	kv_error(c, "ERR wrong number of arguments for '%s' command",
		 kv_command_name(c->command, name));
}

void kv_wrong_subcommand(struct kv_call *c, const char *const *names)
{
	char name[32], word[32];

	while (*names && !kv_arg_is(c, 1, *names))
		names++;
	kv_command_name(c->command, name);
	if (*names)
		kv_error(c, "ERR wrong number of arguments for '%s|%s' command", name,
			 kv_command_name(&(struct kv_command){ .name = *names }, word));
	else
		kv_error(c, "ERR unknown subcommand '%.*s'. Try %s HELP.",
			 (int)(c->argv[1].len < 128 ? c->argv[1].len : 128), c->argv[1].at,
			 c->command->name);
}

void kv_empty_array(struct kv_out *o)
{
	kv_put_array(o, 0);
}

void kv_zero(struct kv_out *o)
{
	kv_put_int(o, 0);
}
