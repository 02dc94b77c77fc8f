/* SPDX-License-Identifier: MIT */
/*
 * Unions, intersections and differences of sorted sets; sets count as sorted sets
 * whose scores are 1.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "zset.h"

void kv_reply_pair(struct kv_call *c, const struct kv_node *node, bool score)
{
	if (score && c->out->protocol == 3)
		kv_put_array(c->out, 2);
	kv_put_bulk(c->out, kv_key(node->entry));
	if (score)
		kv_put_double(c->out, node->score);
}

enum aggregate { SUM, MIN, MAX };

struct combination {
	int first, keys; /* arguments */
	double *weights;
	enum aggregate aggregate;
	bool scores;
};

static bool arg_combination(struct kv_call *c, int i, struct combination *k)
{
	bool weighs = c->command->name[1] != 'D';
	char name[32];
	int64_t keys;

	if (!kv_arg_int(c, i, &keys))
		return false;
	if (keys < 1) {
		kv_error(c, "ERR at least 1 input key is needed for '%s' command",
			 kv_command_name(c->command, name));
		return false;
	}
	if (keys > c->argc - i - 1) {
		kv_syntax_error(c);
		return false;
	}
	k->first = i + 1;
	k->keys = (int)keys;
	for (int w = 0; w < k->keys; w++)
		k->weights[w] = 1;
	for (i += 1 + k->keys; i < c->argc; i++) {
		if (kv_arg_is(c, i, "WITHSCORES") && c->command->first == 0) {
			k->scores = true;
		} else if (weighs && kv_arg_is(c, i, "AGGREGATE") && i + 1 < c->argc &&
			   (kv_arg_is(c, i + 1, "SUM") || kv_arg_is(c, i + 1, "MIN") ||
			    kv_arg_is(c, i + 1, "MAX"))) {
			i++;
			k->aggregate = kv_arg_is(c, i, "MIN")   ? MIN
				       : kv_arg_is(c, i, "MAX") ? MAX
								: SUM;
		} else if (weighs && kv_arg_is(c, i, "WEIGHTS") && i + k->keys < c->argc) {
			for (int w = 0; w < k->keys; w++) {
				if (!kv_double(c->argv[++i], &k->weights[w])) {
					kv_error(c, "ERR weight value is not a float");
					return false;
				}
			}
		} else {
			kv_syntax_error(c);
			return false;
		}
	}
	return true;
}

/* The score of a member in a set (1) or a sorted set; false if it is not in. */
static bool score_in(const struct kv_value *value, struct kv_bytes member, double *score)
{
	const struct kv_node *node;

	if (!value)
		return false;
	if (value->type == KV_SET) {
		*score = 1;
		return kv_table_find((const struct kv_table *)value, member) != NULL;
	}
	node = kv_zset_find((const struct kv_zset *)value, member);
	if (node)
		*score = node->score;
	return node != NULL;
}

static double merge_scores(enum aggregate how, double a, double b)
{
	double sum = a + b;

	if (how == MIN)
		return a < b ? a : b;
	if (how == MAX)
		return a > b ? a : b;
	return isnan(sum) ? 0 : sum;
}

/* Adds one member's combined score to the result, if it belongs there. */
static void combine_member(struct kv_call *c, const struct combination *k,
			   struct kv_value *const *in, struct kv_bytes member,
			   struct kv_zset *result)
{
	char how = c->command->name[1];
	double total = 0;
	int seen = 0;

	for (int i = 0; i < k->keys; i++) {
		double score = 0;

		if (!score_in(in[i], member, &score))
			continue;
		score = isnan(score * k->weights[i]) ? 0 : score * k->weights[i];
		total = seen++ ? merge_scores(k->aggregate, total, score) : score;
	}
	if (how == 'U' || (how == 'I' && seen == k->keys) || (how == 'D' && seen == 1))
		kv_zset_put(result, member, total);
}

static bool combine(struct kv_call *c, const struct combination *k, struct kv_zset *result)
{
	struct kv_value **in = calloc((size_t)k->keys, sizeof(*in));
	bool fine = in != NULL;

	for (int i = 0; fine && i < k->keys; i++) {
		fine = kv_fetch(c, k->first + i, KV_ANY, &in[i]);
		if (fine && in[i] && in[i]->type != KV_SET && in[i]->type != KV_ZSET)
			fine = kv_fetch(c, k->first + i, KV_ZSET, &in[i]);
	}
	for (int i = 0; fine && i < (c->command->name[1] == 'U' ? k->keys : 1); i++) {
		struct kv_walk walk = { 0 };
		struct kv_entry *e;

		/* A set's and a sorted set's dict stand in different places. */
		const struct kv_dict *d = !in[i] ? NULL
					  : in[i]->type == KV_SET
						  ? &((struct kv_table *)in[i])->dict
						  : &((struct kv_zset *)in[i])->members;

		while (d && (e = kv_dict_next(d, &walk)) != NULL) {
			if (!kv_zset_find(result, kv_key(e)))
				combine_member(c, k, in, kv_key(e), result);
		}
	}
	free(in);
	return fine;
}

/* ZUNION, ZINTER, ZDIFF, and the same with STORE. */
static void algebra(struct kv_call *c)
{
	bool store = c->command->flags & KV_WRITE;
	struct kv_heap scratch = { 0 }, *heap = store ? kv_heap_at(c, 1) : &scratch;
	struct combination k = { .weights = calloc((size_t)c->argc, sizeof(double)) };
	struct kv_zset *z = kv_zset_new(heap);
	bool kept = false;

	if (k.weights && arg_combination(c, store ? 2 : 1, &k) && combine(c, &k, z)) {
		size_t count = z->members.count;

		kept = store && count > 0;
		kv_put_count(c->out, store ? ':' : '*',
			     (int64_t)(k.scores && c->out->protocol != 3 ? 2 * count : count));
		for (const struct kv_node *n = store ? NULL : z->head->link[0].next; n;
		     n = kv_node_next(n))
			kv_reply_pair(c, n, k.scores);
		if (kept)
			kv_store_value(c, 1, &z->base);
		else if (store)
			kv_forget(c, 1);
	}
	if (!kept)
		kv_value_free(heap, &z->base);
	free(k.weights);
}

#define W (KV_WRITE | KV_GROW | KV_EVERY)
const struct kv_command kv_zalgebra_commands[] = {
	{ "ZUNION", algebra, -3, KV_EVERY, 0, 0, 0 },
	{ "ZINTER", algebra, -3, KV_EVERY, 0, 0, 0 },
	{ "ZDIFF", algebra, -3, KV_EVERY, 0, 0, 0 },
	{ "ZUNIONSTORE", algebra, -4, W, 1, 1, 1 },
	{ "ZINTERSTORE", algebra, -4, W, 1, 1, 1 },
	{ "ZDIFFSTORE", algebra, -4, W, 1, 1, 1 },
	{ 0 },
};
