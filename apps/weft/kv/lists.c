/* SPDX-License-Identifier: MIT */
/*
 * The commands on lists.
 */
#include <stdlib.h>
#include <string.h>

#include "call.h"

static bool is_left(const struct kv_call *c)
{
	return c->command->name[0] == 'L';
}

static void push(struct kv_call *c)
{
	bool only_existing = c->command->name[5] == 'X';
	struct kv_value *value;
	struct kv_list *l;

	if (only_existing ? !kv_require(c, 1, KV_LIST, &value, kv_zero)
			  : !kv_demand(c, 1, KV_LIST, &value))
		return;
	l = (struct kv_list *)value;
	for (int i = 2; i < c->argc; i++) {
		struct kv_heap *heap = kv_heap_at(c, 1);

		kv_list_push(heap, l, is_left(c), kv_blob_new(heap, c->argv[i]));
	}
	kv_changed(c, 1, value);
	kv_put_int(c->out, (int64_t)l->count);
}

static void reply_and_free(struct kv_call *c, struct kv_blob *item)
{
	kv_put_bulk(c->out, kv_blob_bytes(item));
	kv_free(kv_heap_at(c, 1), item);
}

static void pop(struct kv_call *c)
{
	struct kv_value *value;
	struct kv_list *l;
	int64_t n;

	if (c->argc > 3) {
		kv_wrong_count(c);
		return;
	}
	if (!kv_arg_count(c, &n) ||
	    !kv_require(c, 1, KV_LIST, &value, c->argc == 3 ? kv_put_null_array : kv_put_null))
		return;
	l = (struct kv_list *)value;
	if (c->argc == 3) {
		n = n > (int64_t)l->count ? (int64_t)l->count : n;
		kv_put_array(c->out, (size_t)n);
	}
	while (n-- > 0)
		reply_and_free(c, kv_list_pop(l, is_left(c)));
	kv_changed(c, 1, value);
}

static void lindex(struct kv_call *c)
{
	struct kv_value *value;
	size_t first, items;
	int64_t i;

	if (!kv_arg_int(c, 2, &i) || !kv_require(c, 1, KV_LIST, &value, kv_put_null))
		return;
	if (i < -(int64_t)kv_value_count(value) ||
	    !kv_range(i, i, kv_value_count(value), &first, &items))
		kv_put_null(c->out);
	else
		kv_put_bulk(c->out, kv_blob_bytes(*kv_list_at((struct kv_list *)value, first)));
}

static void lrange(struct kv_call *c)
{
	struct kv_value *value;
	size_t first, items;
	int64_t start, stop;

	if (!kv_arg_int(c, 2, &start) || !kv_arg_int(c, 3, &stop) ||
	    !kv_require(c, 1, KV_LIST, &value, kv_empty_array))
		return;
	kv_range(start, stop, kv_value_count(value), &first, &items);
	kv_put_array(c->out, items);
	for (size_t i = first; i < first + items; i++)
		kv_put_bulk(c->out, kv_blob_bytes(*kv_list_at((struct kv_list *)value, i)));
}

static void no_such_key(struct kv_out *o)
{
	kv_put_line(o, '-', "ERR no such key");
}

static void lset(struct kv_call *c)
{
	struct kv_value *value;
	struct kv_blob **at;
	int64_t i;
	int64_t n;

	if (!kv_require(c, 1, KV_LIST, &value, no_such_key) || !kv_arg_int(c, 2, &i))
		return;
	n = (int64_t)kv_value_count(value);
	i = i < 0 ? i + n : i;
	if (i < 0 || i >= n) {
		kv_error(c, "ERR index out of range");
		return;
	}
	at = kv_list_at((struct kv_list *)value, (size_t)i);
	kv_free(kv_heap_at(c, 1), *at);
	*at = kv_blob_new(kv_heap_at(c, 1), c->argv[3]);
	kv_changed(c, 1, value);
	kv_ok(c);
}

static void ltrim(struct kv_call *c)
{
	struct kv_value *value;
	struct kv_list *l;
	size_t first, items;
	int64_t start, stop;

	if (!kv_arg_int(c, 2, &start) || !kv_arg_int(c, 3, &stop) ||
	    !kv_fetch(c, 1, KV_LIST, &value))
		return;
	l = (struct kv_list *)value;
	if (l) {
		kv_range(start, stop, l->count, &first, &items);
		if (items == 0)
			first = l->count;
		while (first-- > 0)
			kv_free(kv_heap_at(c, 1), kv_list_pop(l, true));
		while (l->count > items)
			kv_free(kv_heap_at(c, 1), kv_list_pop(l, false));
		kv_changed(c, 1, value);
	}
	kv_ok(c);
}

/* Takes out up to `most` items that equal `text`, the first ones: how many. What is kept
 * moves to the front as it is passed. */
static int64_t remove_first(struct kv_heap *heap, struct kv_list *l, int64_t most,
			    struct kv_bytes text)
{
	int64_t removed = 0;
	size_t kept = 0;

	for (size_t k = 0; k < l->count; k++) {
		struct kv_blob *item = *kv_list_at(l, k);

		if (removed < most && kv_compare(kv_blob_bytes(item), text) == 0) {
			kv_free(heap, item);
			removed++;
		} else {
			*kv_list_at(l, kept++) = item;
		}
	}
	l->count = kept;
	return removed;
}

/* The last ones: what is kept gathers at the back, then goes to where the search ended. */
static int64_t remove_last(struct kv_heap *heap, struct kv_list *l, int64_t most,
			   struct kv_bytes text)
{
	size_t k = l->count, kept = l->count;
	int64_t removed = 0;

	while (k > 0 && removed < most) {
		struct kv_blob *item = *kv_list_at(l, --k);

		if (kv_compare(kv_blob_bytes(item), text) == 0) {
			kv_free(heap, item);
			removed++;
		} else {
			*kv_list_at(l, --kept) = item;
		}
	}
	for (; kept < l->count; kept++)
		*kv_list_at(l, k++) = *kv_list_at(l, kept);
	l->count = k;
	return removed;
}

static void lrem(struct kv_call *c)
{
	struct kv_heap *heap = kv_heap_at(c, 1);
	struct kv_value *value;
	struct kv_list *l;
	int64_t n, removed;

	if (!kv_arg_int(c, 2, &n) || !kv_require(c, 1, KV_LIST, &value, kv_zero))
		return;
	l = (struct kv_list *)value;
	if (n < 0)
		removed = remove_last(heap, l, n == INT64_MIN ? INT64_MAX : -n, c->argv[3]);
	else
		removed = remove_first(heap, l, n ? n : INT64_MAX, c->argv[3]);
	if (removed)
		kv_changed(c, 1, value);
	kv_put_int(c->out, removed);
}

static void linsert(struct kv_call *c)
{
	bool after = kv_arg_is(c, 2, "AFTER");
	struct kv_value *value;
	struct kv_list *l;
	size_t i = 0;

	if (!after && !kv_arg_is(c, 2, "BEFORE")) {
		kv_syntax_error(c);
		return;
	}
	if (!kv_require(c, 1, KV_LIST, &value, kv_zero))
		return;
	l = (struct kv_list *)value;
	while (i < l->count && kv_compare(kv_blob_bytes(*kv_list_at(l, i)), c->argv[3]))
		i++;
	if (i == l->count) {
		kv_put_int(c->out, -1);
		return;
	}
	kv_list_push(kv_heap_at(c, 1), l, false, NULL);
	for (size_t k = l->count - 1; k > i + after; k--)
		*kv_list_at(l, k) = *kv_list_at(l, k - 1);
	*kv_list_at(l, i + after) = kv_blob_new(kv_heap_at(c, 1), c->argv[4]);
	kv_changed(c, 1, value);
	kv_put_int(c->out, (int64_t)l->count);
}

struct pos_opts {
	int64_t rank, count, most;
	bool has_count;
};

static bool arg_pos(struct kv_call *c, struct pos_opts *o)
{
	*o = (struct pos_opts){ .rank = 1 };
	for (int i = 3; i < c->argc; i += 2) {
		bool count = kv_arg_is(c, i, "COUNT"), rank = kv_arg_is(c, i, "RANK");
		int64_t *to = rank ? &o->rank : count ? &o->count : &o->most;

		if (i + 1 == c->argc || !(count || rank || kv_arg_is(c, i, "MAXLEN"))) {
			kv_syntax_error(c);
			return false;
		}
		if (!kv_arg_int(c, i + 1, to))
			return false;
		if (rank ? *to == 0 : *to < 0) {
			kv_error(c, rank ? "ERR RANK can't be zero: use 1 to start from the first "
					   "match, 2 from the second ... or use negative to start "
					   "from the end of the list"
				    : count ? "ERR COUNT can't be negative"
					    : "ERR MAXLEN can't be negative");
			return false;
		}
		o->has_count |= count;
	}
	return true;
}

static void lpos(struct kv_call *c)
{
	struct kv_value *value;
	const struct kv_list *l;
	struct pos_opts o;

	if (!arg_pos(c, &o) || !kv_fetch(c, 1, KV_LIST, &value))
		return;
	l = (struct kv_list *)value;
	for (int pass = o.has_count ? 0 : 1; pass < 2; pass++) {
		int64_t found = 0, matches = 0, from = o.rank < 0 ? -(o.rank + 1) : o.rank - 1;
		int64_t most = !o.has_count ? 1 : o.count ? o.count : INT64_MAX;

		for (size_t k = 0; l && k < l->count && found < most; k++) {
			size_t i = o.rank < 0 ? l->count - 1 - k : k;

			if (o.most && k >= (size_t)o.most)
				break;
			if (kv_compare(kv_blob_bytes(*kv_list_at(l, i)), c->argv[2]) ||
			    matches++ < from)
				continue;
			found++;
			if (pass == 1)
				kv_put_int(c->out, (int64_t)i);
		}
		if (pass == 0)
			kv_put_array(c->out, (size_t)found);
		else if (!o.has_count && found == 0)
			kv_put_null(c->out);
	}
}

static bool arg_side(struct kv_call *c, int i, bool *left)
{
	*left = kv_arg_is(c, i, "LEFT");
	if (*left || kv_arg_is(c, i, "RIGHT"))
		return true;
	kv_syntax_error(c);
	return false;
}

/* LMOVE, RPOPLPUSH. */
static void lmove(struct kv_call *c)
{
	bool from_left = false, to_left = true;
	struct kv_value *from, *to;
	struct kv_blob *item;

	if (c->argc == 5 && (!arg_side(c, 3, &from_left) || !arg_side(c, 4, &to_left)))
		return;
	if (!kv_require(c, 1, KV_LIST, &from, kv_put_null) || !kv_demand(c, 2, KV_LIST, &to))
		return;
	item = kv_list_pop((struct kv_list *)from, from_left);
	kv_put_bulk(c->out, kv_blob_bytes(item));
	kv_list_push(kv_heap_at(c, 2), (struct kv_list *)to, to_left, item);
	kv_changed(c, 2, to);
	if (from != to)
		kv_changed(c, 1, from);
}

#define W (KV_WRITE | KV_GROW)
const struct kv_command kv_list_commands[] = {
	{ "LPUSH", push, -3, W, 1, 1, 1 },
	{ "RPUSH", push, -3, W, 1, 1, 1 },
	{ "LPUSHX", push, -3, W, 1, 1, 1 },
	{ "RPUSHX", push, -3, W, 1, 1, 1 },
	{ "LPOP", pop, -2, KV_WRITE, 1, 1, 1 },
	{ "RPOP", pop, -2, KV_WRITE, 1, 1, 1 },
	{ "LLEN", kv_run_length, 2, 0, 1, 1, 1 },
	{ "LINDEX", lindex, 3, 0, 1, 1, 1 },
	{ "LRANGE", lrange, 4, 0, 1, 1, 1 },
	{ "LSET", lset, 4, W, 1, 1, 1 },
	{ "LTRIM", ltrim, 4, KV_WRITE, 1, 1, 1 },
	{ "LREM", lrem, 4, KV_WRITE, 1, 1, 1 },
	{ "LINSERT", linsert, 5, W, 1, 1, 1 },
	{ "LPOS", lpos, -3, 0, 1, 1, 1 },
	{ "LMOVE", lmove, 5, W, 1, 2, 1 },
	{ "RPOPLPUSH", lmove, 3, W, 1, 2, 1 },
	{ 0 },
};
