/* SPDX-License-Identifier: MIT */
/*
 * The commands on strings and counters.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "call.h"

enum { STRING_MOST = 512 * 1024 * 1024 };

static void set_text(struct kv_call *c, int i, struct kv_bytes text)
{
	kv_store_value(c, i, &kv_string_new(kv_heap_at(c, i), text, 0)->base);
}

/* SETs without options to a string that has the room happen in place. */
static void overwrite(struct kv_call *c, int i, struct kv_bytes text)
{
	uint64_t hash = kv_hash_of(c, i);
	struct kv_shard *shard = &c->store->shards[kv_shard_of(hash)];
	struct kv_value *value = kv_shard_get(shard, c->argv[i], hash, c->now);
	struct kv_string *s = (struct kv_string *)value;

	if (!value || value->type != KV_STRING || s->room < text.len || s->room / 2 > text.len) {
		set_text(c, i, text);
		return;
	}
	memcpy(s->text, text.at, text.len);
	s->len = text.len;
	kv_shard_expire(shard, value, 0);
}

static void reply_string(struct kv_call *c, const struct kv_value *value)
{
	if (value)
		kv_put_bulk(c->out, kv_string_bytes((const struct kv_string *)value));
	else
		kv_put_null(c->out);
}

/* A time to live as EX, PX, EXAT, PXAT give it: Unix time in ms into *at. */
static bool arg_expiry(struct kv_call *c, int i, struct kv_bytes unit, int64_t *at)
{
	bool absolute = unit.len == 4, seconds = strncasecmp(unit.at, "EX", 2) == 0;
	int64_t n, scale = seconds ? 1000 : 1, base = absolute ? 0 : c->now;

	if (!kv_arg_int(c, i, &n))
		return false;
	if (n <= 0 || n > (INT64_MAX - base) / scale) {
		char name[32];

		kv_error(c, "ERR invalid expire time in '%s' command",
			 kv_command_name(c->command, name));
		return false;
	}
	*at = base + n * scale;
	return true;
}

struct set_opts {
	int64_t expires;
	bool nx, xx, get, keep, persist;
};

static bool is_expiry(const struct kv_call *c, int i)
{
	return kv_arg_is(c, i, "EX") || kv_arg_is(c, i, "PX") || kv_arg_is(c, i, "EXAT") ||
	       kv_arg_is(c, i, "PXAT");
}

static bool arg_set_opts(struct kv_call *c, int i, struct set_opts *o)
{
	bool set = c->command->name[0] == 'S';

	*o = (struct set_opts){ 0 };
	for (; i < c->argc; i++) {
		if (set && kv_arg_is(c, i, "NX") && !o->xx) {
			o->nx = true;
		} else if (set && kv_arg_is(c, i, "XX") && !o->nx) {
			o->xx = true;
		} else if (set && kv_arg_is(c, i, "GET")) {
			o->get = true;
		} else if (set && kv_arg_is(c, i, "KEEPTTL") && !o->expires) {
			o->keep = true;
		} else if (!set && kv_arg_is(c, i, "PERSIST") && !o->expires) {
			o->persist = true;
		} else if (is_expiry(c, i) && i + 1 < c->argc && !o->keep && !o->persist &&
			   !o->expires) {
			if (!arg_expiry(c, i + 1, c->argv[i], &o->expires))
				return false;
			i++;
		} else {
			kv_syntax_error(c);
			return false;
		}
	}
	return true;
}

static void set(struct kv_call *c)
{
	struct kv_value *old;
	struct set_opts o;
	int64_t expires;

	if (c->argc == 3) {
		overwrite(c, 1, c->argv[2]);
		kv_ok(c);
		return;
	}
	if (!arg_set_opts(c, 3, &o) || !kv_fetch(c, 1, o.get ? KV_STRING : KV_ANY, &old))
		return;
	expires = o.keep && old ? old->expires : o.expires;
	if (o.get)
		reply_string(c, old);
	if ((o.nx && old) || (o.xx && !old)) {
		if (!o.get)
			kv_put_null(c->out);
		return;
	}
	overwrite(c, 1, c->argv[2]);
	if (expires && kv_fetch(c, 1, KV_STRING, &old))
		kv_shard_expire(kv_shard_at(c, 1), old, expires);
	if (!o.get)
		kv_ok(c);
}

static void setex(struct kv_call *c)
{
	struct kv_bytes unit = { c->command->name[0] == 'P' ? "PX" : "EX", 2 };
	struct kv_value *value;
	int64_t at;

	if (!arg_expiry(c, 2, unit, &at))
		return;
	overwrite(c, 1, c->argv[3]);
	if (kv_fetch(c, 1, KV_STRING, &value))
		kv_shard_expire(kv_shard_at(c, 1), value, at);
	kv_ok(c);
}

static void setnx(struct kv_call *c)
{
	struct kv_value *old;

	if (!kv_fetch(c, 1, KV_ANY, &old))
		return;
	if (!old)
		set_text(c, 1, c->argv[2]);
	kv_put_int(c->out, !old);
}

static void get(struct kv_call *c)
{
	struct kv_value *value;

	if (kv_fetch(c, 1, KV_STRING, &value))
		reply_string(c, value);
}

static void getset(struct kv_call *c)
{
	struct kv_value *value;

	if (!kv_fetch(c, 1, KV_STRING, &value))
		return;
	reply_string(c, value);
	overwrite(c, 1, c->argv[2]);
}

static void getdel(struct kv_call *c)
{
	struct kv_value *value;

	if (!kv_fetch(c, 1, KV_STRING, &value))
		return;
	reply_string(c, value);
	kv_forget(c, 1);
}

static void getex(struct kv_call *c)
{
	struct kv_value *value;
	struct set_opts o;

	if (!arg_set_opts(c, 2, &o) || !kv_fetch(c, 1, KV_STRING, &value))
		return;
	reply_string(c, value);
	if (value && (o.persist || o.expires))
		kv_shard_expire(kv_shard_at(c, 1), value, o.expires);
}

static void mset(struct kv_call *c)
{
	bool only_new = c->command->name[4] != '\0';
	struct kv_value *value;

	if (c->argc % 2 == 0) {
		kv_wrong_count(c);
		return;
	}
	for (int i = 1; only_new && i < c->argc; i += 2) {
		if (kv_fetch(c, i, KV_ANY, &value) && value) {
			kv_put_int(c->out, 0);
			return;
		}
	}
	for (int i = 1; i < c->argc; i += 2)
		overwrite(c, i, c->argv[i + 1]);
	if (only_new)
		kv_put_int(c->out, 1);
	else
		kv_ok(c);
}

static void mget(struct kv_call *c)
{
	kv_put_array(c->out, (size_t)c->argc - 1);
	for (int i = 1; i < c->argc; i++) {
		struct kv_value *value;

		if (!kv_fetch(c, i, KV_ANY, &value))
			return;
		reply_string(c, value && value->type == KV_STRING ? value : NULL);
	}
}

/* The string at key 1 with room for `len` bytes, made if need be. */
static struct kv_string *demand_room(struct kv_call *c, struct kv_value *value, size_t len)
{
	struct kv_string *s = (struct kv_string *)value, *grown;

	if (s && s->room >= len)
		return s;
	grown = kv_string_new(kv_heap_at(c, 1),
			      s ? kv_string_bytes(s) : (struct kv_bytes){ "", 0 },
			      len < 1024 * 1024 ? 2 * len : len + 1024 * 1024);
	grown->base.expires = s ? s->base.expires : 0;
	kv_store_value(c, 1, &grown->base);
	return grown;
}

static bool length_allowed(struct kv_call *c, uint64_t len)
{
	if (len <= STRING_MOST)
		return true;
	kv_error(c, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
	return false;
}

static void append(struct kv_call *c)
{
	struct kv_bytes text = c->argv[2];
	struct kv_value *value;
	struct kv_string *s;
	size_t len;

	if (!kv_fetch(c, 1, KV_STRING, &value))
		return;
	len = (value ? ((struct kv_string *)value)->len : 0) + text.len;
	if (!length_allowed(c, len))
		return;
	s = demand_room(c, value, len);
	memcpy(s->text + s->len, text.at, text.len);
	s->len = len;
	kv_shard_touch(kv_shard_at(c, 1), &s->base);
	kv_put_int(c->out, (int64_t)len);
}

static void strlen_(struct kv_call *c)
{
	struct kv_value *value;

	if (kv_require(c, 1, KV_STRING, &value, kv_zero))
		kv_put_int(c->out, (int64_t)((struct kv_string *)value)->len);
}

static void getrange(struct kv_call *c)
{
	struct kv_value *value;
	const struct kv_string *s;
	int64_t start, stop;
	size_t first, len = 0;

	if (!kv_arg_int(c, 2, &start) || !kv_arg_int(c, 3, &stop) ||
	    !kv_fetch(c, 1, KV_STRING, &value))
		return;
	s = (struct kv_string *)value;
	if (s)
		kv_range(start, stop, s->len, &first, &len);
	kv_put_bulk(c->out, (struct kv_bytes){ len ? s->text + first : "", len });
}

static void setrange(struct kv_call *c)
{
	struct kv_bytes text = c->argv[3];
	struct kv_value *value;
	struct kv_string *s;
	int64_t offset;
	size_t end;

	if (!kv_arg_int(c, 2, &offset))
		return;
	if (offset < 0) {
		kv_error(c, "ERR offset is out of range");
		return;
	}
	if (!kv_fetch(c, 1, KV_STRING, &value))
		return;
	s = (struct kv_string *)value;
	if (text.len == 0) {
		kv_put_int(c->out, s ? (int64_t)s->len : 0);
		return;
	}
	if (!length_allowed(c, (uint64_t)offset + text.len))
		return;
	end = (size_t)offset + text.len;
	s = demand_room(c, value, end);
	if (s->len < end) {
		memset(s->text + s->len, 0, end - s->len);
		s->len = end;
	}
	memcpy(s->text + offset, text.at, text.len);
	kv_shard_touch(kv_shard_at(c, 1), &s->base);
	kv_put_int(c->out, (int64_t)s->len);
}

/* Puts text in the place of key 1's, which keeps its time to live. */
static void replace(struct kv_call *c, struct kv_value *value, struct kv_bytes text)
{
	struct kv_string *s;

	if (value)
		((struct kv_string *)value)->len = 0;
	s = demand_room(c, value, text.len);
	memcpy(s->text, text.at, text.len);
	s->len = text.len;
	kv_shard_touch(kv_shard_at(c, 1), &s->base);
}

static void add(struct kv_call *c, int64_t by)
{
	struct kv_value *value;
	int64_t n = 0, sum;
	char text[24];

	if (!kv_fetch(c, 1, KV_STRING, &value))
		return;
	if (value && !kv_int(kv_string_bytes((struct kv_string *)value), &n)) {
		kv_error(c, "ERR value is not an integer or out of range");
		return;
	}
	if (__builtin_add_overflow(n, by, &sum)) {
		kv_error(c, "ERR increment or decrement would overflow");
		return;
	}
	replace(c, value,
		(struct kv_bytes){ text,
				   (size_t)snprintf(text, sizeof(text), "%lld", (long long)sum) });
	kv_put_int(c->out, sum);
}

static void incr(struct kv_call *c)
{
	add(c, c->command->name[0] == 'I' ? 1 : -1);
}

static void incrby(struct kv_call *c)
{
	int64_t by;

	if (!kv_arg_int(c, 2, &by))
		return;
	if (c->command->name[0] == 'D' && by == INT64_MIN) {
		kv_error(c, "ERR decrement would overflow");
		return;
	}
	add(c, c->command->name[0] == 'I' ? by : -by);
}

size_t kv_print_double(char *text, size_t room, long double d)
{
	size_t len = (size_t)snprintf(text, room, "%.17Lf", d);

	while (text[len - 1] == '0')
		len--;
	return text[len - 1] == '.' ? len - 1 : len;
}

static void incrbyfloat(struct kv_call *c)
{
	struct kv_value *value;
	long double n = 0, by;
	char text[5000];
	size_t len;

	if (!kv_fetch(c, 1, KV_STRING, &value))
		return;
	if ((value && !kv_long_double(kv_string_bytes((struct kv_string *)value), &n)) ||
	    !kv_long_double(c->argv[2], &by)) {
		kv_error(c, "ERR value is not a valid float");
		return;
	}
	if (!isfinite(n + by)) {
		kv_error(c, "ERR increment would produce NaN or Infinity");
		return;
	}
	len = kv_print_double(text, sizeof(text), n + by);
	replace(c, value, (struct kv_bytes){ text, len });
	kv_put_bulk(c->out, (struct kv_bytes){ text, len });
}

#define W (KV_WRITE | KV_GROW)
const struct kv_command kv_string_commands[] = {
	{ "SET", set, -3, W, 1, 1, 1 },
	{ "GET", get, 2, 0, 1, 1, 1 },
	{ "INCR", incr, 2, W, 1, 1, 1 },
	{ "DECR", incr, 2, W, 1, 1, 1 },
	{ "INCRBY", incrby, 3, W, 1, 1, 1 },
	{ "DECRBY", incrby, 3, W, 1, 1, 1 },
	{ "INCRBYFLOAT", incrbyfloat, 3, W, 1, 1, 1 },
	{ "SETNX", setnx, 3, W, 1, 1, 1 },
	{ "SETEX", setex, 4, W, 1, 1, 1 },
	{ "PSETEX", setex, 4, W, 1, 1, 1 },
	{ "GETSET", getset, 3, W, 1, 1, 1 },
	{ "GETDEL", getdel, 2, KV_WRITE, 1, 1, 1 },
	{ "GETEX", getex, -2, KV_WRITE, 1, 1, 1 },
	{ "MSET", mset, -3, W, 1, -1, 2 },
	{ "MSETNX", mset, -3, W, 1, -1, 2 },
	{ "MGET", mget, -2, 0, 1, -1, 1 },
	{ "APPEND", append, 3, W, 1, 1, 1 },
	{ "STRLEN", strlen_, 2, 0, 1, 1, 1 },
	{ "GETRANGE", getrange, 4, 0, 1, 1, 1 },
	{ "SUBSTR", getrange, 4, 0, 1, 1, 1 },
	{ "SETRANGE", setrange, 4, W, 1, 1, 1 },
	{ 0 },
};
