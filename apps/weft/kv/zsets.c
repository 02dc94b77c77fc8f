/* SPDX-License-Identifier: MIT */
/*
 * The commands on sorted sets.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "zset.h"

/* ---- adding --------------------------------------------------------------------------- */

struct add_opts {
	bool nx, xx, gt, lt, ch, incr;
	int first; /* the first score's argument */
};

static bool arg_add(struct kv_call *c, struct add_opts *o)
{
	int i = 2;

	*o = (struct add_opts){ 0 };
	for (bool known = true; known && i < c->argc; i += known) {
		known = (kv_arg_is(c, i, "NX") && (o->nx = true)) ||
			(kv_arg_is(c, i, "XX") && (o->xx = true)) ||
			(kv_arg_is(c, i, "GT") && (o->gt = true)) ||
			(kv_arg_is(c, i, "LT") && (o->lt = true)) ||
			(kv_arg_is(c, i, "CH") && (o->ch = true)) ||
			(kv_arg_is(c, i, "INCR") && (o->incr = true));
	}
	o->first = i;
	if (i == c->argc || (c->argc - i) % 2)
		kv_syntax_error(c);
	else if (o->nx && o->xx)
		kv_error(c, "ERR XX and NX options at the same time are not compatible");
	else if ((o->gt && o->lt) || (o->nx && (o->gt || o->lt)))
		kv_error(c, "ERR GT, LT, and/or NX options at the same time are not compatible");
	else if (o->incr && c->argc - i > 2)
		kv_error(c, "ERR INCR option supports a single increment-element pair");
	else
		return true;
	return false;
}

/* Adds one: whether something happened, and *added, and the score it has now. False
 * in *fine after an error reply. */
static bool add_one(struct kv_call *c, struct kv_zset *z, const struct add_opts *o,
		    struct kv_bytes member, double *score, bool *added, bool *fine)
{
	struct kv_node *node = kv_zset_find(z, member);

	*added = false;
	if (node ? o->nx : o->xx)
		return false;
	if (node && o->incr)
		*score += node->score;
	if (isnan(*score)) {
		kv_error(c, "ERR resulting score is not a number (NaN)");
		return *fine = false;
	}
	if (node && ((o->gt && *score <= node->score) || (o->lt && *score >= node->score)))
		return false;
	*added = !node;
	if (!node || *score != node->score) {
		kv_zset_put(z, member, *score);
		return true;
	}
	return o->incr;
}

static void zadd_with(struct kv_call *c, const struct add_opts *o)
{
	int64_t changed = 0, added_count = 0;
	struct kv_value *value;
	bool fine = true, done = false;
	double score = 0;

	for (int i = o->first; i < c->argc; i += 2) {
		if (!kv_arg_double(c, i, &score))
			return;
	}
	if (o->xx ? !kv_fetch(c, 1, KV_ZSET, &value) : !kv_demand(c, 1, KV_ZSET, &value))
		return;
	for (int i = o->first; value && fine && i < c->argc; i += 2) {
		bool added;

		(void)kv_double(c->argv[i], &score);
		done = add_one(c, (struct kv_zset *)value, o, c->argv[i + 1], &score, &added,
			       &fine);
		changed += done;
		added_count += added;
	}
	if (value && (changed || kv_value_count(value) == 0))
		kv_changed(c, 1, value);
	if (!fine)
		return;
	if (!o->incr)
		kv_put_int(c->out, o->ch ? changed : added_count);
	else if (done)
		kv_put_double(c->out, score);
	else
		kv_put_null(c->out);
}

static void zadd(struct kv_call *c)
{
	struct add_opts o;

	if (arg_add(c, &o))
		zadd_with(c, &o);
}

static void zincrby(struct kv_call *c)
{
	zadd_with(c, &(struct add_opts){ .incr = true, .first = 2 });
}

/* ---- single members -------------------------------------------------------------------- */

static void zrem(struct kv_call *c)
{
	struct kv_value *value;
	int64_t n = 0;

	if (!kv_require(c, 1, KV_ZSET, &value, kv_zero))
		return;
	for (int i = 2; i < c->argc; i++) {
		struct kv_node *node = kv_zset_find((struct kv_zset *)value, c->argv[i]);

		if (node)
			kv_zset_remove((struct kv_zset *)value, node);
		n += node != NULL;
	}
	if (n)
		kv_changed(c, 1, value);
	kv_put_int(c->out, n);
}

/* ZSCORE, ZMSCORE. */
static void zscore(struct kv_call *c)
{
	bool many = c->command->name[1] == 'M';
	struct kv_value *value;

	if (!kv_fetch(c, 1, KV_ZSET, &value))
		return;
	if (many)
		kv_put_array(c->out, (size_t)c->argc - 2);
	for (int i = 2; i < c->argc; i++) {
		const struct kv_node *node = value ? kv_zset_find((struct kv_zset *)value,
								  c->argv[i])
						   : NULL;

		if (node)
			kv_put_double(c->out, node->score);
		else
			kv_put_null(c->out);
	}
}

/* ZRANK, ZREVRANK. */
static void zrank(struct kv_call *c)
{
	const struct kv_node *node;
	struct kv_value *value;
	size_t rank;

	if (!kv_require(c, 1, KV_ZSET, &value, kv_put_null))
		return;
	node = kv_zset_find((struct kv_zset *)value, c->argv[2]);
	if (!node) {
		kv_put_null(c->out);
		return;
	}
	rank = kv_zset_rank((struct kv_zset *)value, node);
	if (c->command->name[3] == 'V')
		rank = kv_value_count(value) - 1 - rank;
	kv_put_int(c->out, (int64_t)rank);
}

/* ---- ranges ------------------------------------------------------------------------------ */

enum by { BY_RANK, BY_SCORE, BY_LEX };

struct bound {
	double score;
	struct kv_bytes lex;
	int infinite; /* of lex: -1 before all, 1 after all */
	bool open;    /* the bound itself is out */
};

struct range {
	enum by by;
	bool reverse, scores;
	int64_t start, stop;
	struct bound low, high;
	int64_t offset, limit; /* limit < 0: none */
};

static bool below_score(const struct kv_node *node, const void *arg)
{
	const struct bound *b = arg;

	return b->open ? node->score > b->score : node->score >= b->score;
}

static int against_lex(const struct kv_node *node, const struct bound *b)
{
	return b->infinite ? -b->infinite : kv_compare(kv_key(node->entry), b->lex);
}

static bool below_lex(const struct kv_node *node, const void *arg)
{
	const struct bound *b = arg;
	int order = against_lex(node, b);

	return b->open ? order > 0 : order >= 0;
}

/* How many come before the bound, as seen from below (low) or from above (high). */
static size_t rank_of_bound(const struct kv_zset *z, const struct range *r, bool high)
{
	struct bound b = high ? r->high : r->low;
	const struct kv_node *node;

	if (high)
		b.open = !b.open;
	node = kv_zset_first(z, r->by == BY_SCORE ? below_score : below_lex, &b);
	return node ? kv_zset_rank(z, node) : z->members.count;
}

/* The ranks first .. first + items - 1, counted from the low end. */
static void resolve(const struct kv_zset *z, const struct range *r, size_t *first, size_t *items)
{
	size_t count = z->members.count, low, high;

	if (r->by == BY_RANK) {
		kv_range(r->start, r->stop, count, first, items);
		if (r->reverse && *items)
			*first = count - *first - *items;
		return;
	}
	low = rank_of_bound(z, r, false);
	high = rank_of_bound(z, r, true);
	*items = high > low ? high - low : 0;
	*first = low;
	if (r->offset < 0 || (size_t)r->offset >= *items) {
		*items = 0;
		return;
	}
	if (!r->reverse)
		*first += (size_t)r->offset;
	*items -= (size_t)r->offset;
	if (r->limit >= 0 && (size_t)r->limit < *items) {
		if (r->reverse)
			*first += *items - (size_t)r->limit;
		*items = (size_t)r->limit;
	}
}

static bool parse_score(struct kv_bytes text, struct bound *b)
{
	struct kv_bytes number;

	b->open = text.len > 0 && text.at[0] == '(';
	number = (struct kv_bytes){ text.at + b->open, text.len - b->open };
	b->score = 0; /* that is what nothing is */
	return number.len == 0 || kv_double(number, &b->score);
}

static bool parse_lex(struct kv_bytes text, struct bound *b)
{
	if (text.len == 1 && (text.at[0] == '-' || text.at[0] == '+')) {
		b->infinite = text.at[0] == '-' ? -1 : 1;
		return true;
	}
	if (text.len == 0 || (text.at[0] != '(' && text.at[0] != '['))
		return false;
	b->open = text.at[0] == '(';
	b->lex = (struct kv_bytes){ text.at + 1, text.len - 1 };
	return true;
}

/* The two arguments from i on, low first unless `swapped`. */
static bool arg_bounds(struct kv_call *c, int i, bool swapped, struct range *r)
{
	struct bound *first = swapped ? &r->high : &r->low;
	struct bound *second = swapped ? &r->low : &r->high;

	if (r->by == BY_RANK)
		return kv_arg_int(c, i, &r->start) && kv_arg_int(c, i + 1, &r->stop);
	if (r->by == BY_SCORE) {
		if (parse_score(c->argv[i], first) && parse_score(c->argv[i + 1], second))
			return true;
		kv_error(c, "ERR min or max is not a float");
		return false;
	}
	if (parse_lex(c->argv[i], first) && parse_lex(c->argv[i + 1], second))
		return true;
	kv_error(c, "ERR min or max not valid string range item");
	return false;
}

/* What the command's name says. */
static void range_kind(const struct kv_call *c, struct range *r)
{
	const char *name = c->command->name;

	*r = (struct range){ .reverse = strstr(name, "REV") != NULL, .limit = -1 };
	r->by = strstr(name, "LEX")                              ? BY_LEX
		: strstr(name, "SCORE") || strstr(name, "COUNT") ? BY_SCORE
								 : BY_RANK;
}

/* What ZRANGE alone has; false if it is no such word, or one too many. */
static bool arg_modern(const struct kv_call *c, int i, struct range *r)
{
	bool by_score = kv_arg_is(c, i, "BYSCORE"), by_lex = kv_arg_is(c, i, "BYLEX");

	if (strcmp(c->command->name, "ZRANGE") != 0)
		return false;
	if (by_score || by_lex) {
		if (r->by != BY_RANK)
			return false;
		r->by = by_score ? BY_SCORE : BY_LEX;
		return true;
	}
	if (!kv_arg_is(c, i, "REV") || r->reverse)
		return false;
	return r->reverse = true;
}

static bool arg_range_opts(struct kv_call *c, int i, struct range *r)
{
	bool limited = false;

	for (; i < c->argc; i++) {
		if (kv_arg_is(c, i, "WITHSCORES")) {
			r->scores = true;
		} else if (kv_arg_is(c, i, "LIMIT") && i + 2 < c->argc) {
			if (!kv_arg_int(c, i + 1, &r->offset) || !kv_arg_int(c, i + 2, &r->limit))
				return false;
			limited = true;
			i += 2;
		} else if (!arg_modern(c, i, r)) {
			kv_syntax_error(c);
			return false;
		}
	}
	if (limited && r->limit != -1 && r->by == BY_RANK)
		kv_error(c, "ERR syntax error, LIMIT is only supported in combination with "
			    "either BYSCORE or BYLEX");
	else if (r->scores && r->by == BY_LEX)
		kv_error(c, "ERR syntax error, WITHSCORES not supported in combination with "
			    "BYLEX");
	else
		return true;
	return false;
}

static void zrange(struct kv_call *c)
{
	const struct kv_node *node = NULL;
	struct kv_value *value;
	size_t first, items;
	struct range r;

	range_kind(c, &r);
	if (!arg_range_opts(c, 4, &r) || !arg_bounds(c, 2, r.reverse && r.by != BY_RANK, &r))
		return;
	if (!kv_require(c, 1, KV_ZSET, &value, kv_empty_array))
		return;
	resolve((struct kv_zset *)value, &r, &first, &items);
	kv_put_array(c->out, r.scores && c->out->protocol != 3 ? 2 * items : items);
	if (items)
		node = kv_zset_at((struct kv_zset *)value, r.reverse ? first + items - 1 : first);
	for (; items > 0; items--) {
		kv_reply_pair(c, node, r.scores);
		node = r.reverse ? node->before : kv_node_next(node);
	}
}

/* ZCOUNT, ZLEXCOUNT. */
static void zcount(struct kv_call *c)
{
	struct kv_value *value;
	size_t first, items;
	struct range r;

	range_kind(c, &r);
	if (!arg_bounds(c, 2, false, &r) || !kv_require(c, 1, KV_ZSET, &value, kv_zero))
		return;
	resolve((struct kv_zset *)value, &r, &first, &items);
	kv_put_int(c->out, (int64_t)items);
}

/* ZREMRANGEBYRANK, ...SCORE, ...LEX. */
static void zremrange(struct kv_call *c)
{
	struct kv_value *value;
	struct kv_node *node;
	size_t first, items;
	struct range r;

	range_kind(c, &r);
	if (!arg_bounds(c, 2, false, &r) || !kv_require(c, 1, KV_ZSET, &value, kv_zero))
		return;
	resolve((struct kv_zset *)value, &r, &first, &items);
	node = items ? kv_zset_at((struct kv_zset *)value, first) : NULL;
	for (size_t i = 0; i < items; i++) {
		struct kv_node *next = kv_node_next(node);

		kv_zset_remove((struct kv_zset *)value, node);
		node = next;
	}
	if (items)
		kv_changed(c, 1, value);
	kv_put_int(c->out, (int64_t)items);
}

/* ZPOPMIN, ZPOPMAX. */
static void zpop(struct kv_call *c)
{
	bool max = c->command->name[5] == 'A';
	struct kv_value *value;
	struct kv_zset *z;
	int64_t n;
	bool nested;

	if (c->argc > 3) {
		kv_syntax_error(c);
		return;
	}
	if (!kv_arg_count(c, &n) || !kv_require(c, 1, KV_ZSET, &value, kv_empty_array))
		return;
	z = (struct kv_zset *)value;
	n = n > (int64_t)z->members.count ? (int64_t)z->members.count : n;
	nested = c->argc == 3 && c->out->protocol == 3;
	kv_put_array(c->out, nested ? (size_t)n : 2 * (size_t)n);
	while (n-- > 0) {
		struct kv_node *node = max ? z->last : z->head->link[0].next;

		if (nested)
			kv_put_array(c->out, 2);
		kv_put_bulk(c->out, kv_key(node->entry));
		kv_put_double(c->out, node->score);
		kv_zset_remove(z, node);
	}
	kv_changed(c, 1, value);
}

static void scan_item(struct kv_call *c, const struct kv_entry *e)
{
	int protocol = c->out->protocol;

	kv_put_bulk(c->out, kv_key(e));
	c->out->protocol = 2; /* scores are strings here */
	kv_put_double(c->out, ((struct kv_node *)e->value)->score);
	c->out->protocol = protocol;
}

static void zscan(struct kv_call *c)
{
	struct kv_value *value;

	if (kv_fetch(c, 1, KV_ZSET, &value))
		kv_reply_scan(c, value ? &((struct kv_zset *)value)->members : NULL, scan_item, 2);
}

#define W (KV_WRITE | KV_GROW)
const struct kv_command kv_zset_commands[] = {
	{ "ZADD", zadd, -4, W, 1, 1, 1 },
	{ "ZINCRBY", zincrby, 4, W, 1, 1, 1 },
	{ "ZREM", zrem, -3, KV_WRITE, 1, 1, 1 },
	{ "ZSCORE", zscore, 3, 0, 1, 1, 1 },
	{ "ZMSCORE", zscore, -3, 0, 1, 1, 1 },
	{ "ZCARD", kv_run_length, 2, 0, 1, 1, 1 },
	{ "ZRANK", zrank, 3, 0, 1, 1, 1 },
	{ "ZREVRANK", zrank, 3, 0, 1, 1, 1 },
	{ "ZRANGE", zrange, -4, 0, 1, 1, 1 },
	{ "ZREVRANGE", zrange, -4, 0, 1, 1, 1 },
	{ "ZRANGEBYSCORE", zrange, -4, 0, 1, 1, 1 },
	{ "ZREVRANGEBYSCORE", zrange, -4, 0, 1, 1, 1 },
	{ "ZRANGEBYLEX", zrange, -4, 0, 1, 1, 1 },
	{ "ZREVRANGEBYLEX", zrange, -4, 0, 1, 1, 1 },
	{ "ZCOUNT", zcount, 4, 0, 1, 1, 1 },
	{ "ZLEXCOUNT", zcount, 4, 0, 1, 1, 1 },
	{ "ZREMRANGEBYRANK", zremrange, 4, KV_WRITE, 1, 1, 1 },
	{ "ZREMRANGEBYSCORE", zremrange, 4, KV_WRITE, 1, 1, 1 },
	{ "ZREMRANGEBYLEX", zremrange, 4, KV_WRITE, 1, 1, 1 },
	{ "ZPOPMIN", zpop, -2, KV_WRITE, 1, 1, 1 },
	{ "ZPOPMAX", zpop, -2, KV_WRITE, 1, 1, 1 },
	{ "ZSCAN", zscan, -3, 0, 1, 1, 1 },
	{ 0 },
};
