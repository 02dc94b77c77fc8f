/* SPDX-License-Identifier: MIT */
/*
 * Sorted sets: a dict from member to node, and a skip list of the nodes in the order
 * of score, then member. Each link knows how many nodes it passes, which gives ranks.
 * Pugh, "Skip lists: a probabilistic alternative to balanced trees" (1990).
 */
#ifndef WEFT_APP_KV_ZSET_H
#define WEFT_APP_KV_ZSET_H

#include "store.h"

struct kv_node {
	double score;
	struct kv_entry *entry; /* its member; entry->value is this node */
	struct kv_node *before;
	struct {
		struct kv_node *next;
		size_t passes; /* nodes from here to `next`, that included */
	} link[];
};

enum { KV_LEVELS = 24 };

struct kv_zset {
	struct kv_value base;
	int levels;
	struct kv_dict members;
	struct kv_node *head; /* before the first, with all levels */
	struct kv_node *last;
};

struct kv_zset *kv_zset_new(struct kv_heap *heap);
void kv_zset_free(struct kv_heap *heap, struct kv_zset *z);

struct kv_node *kv_zset_find(const struct kv_zset *z, struct kv_bytes member);
/* Adds the member, or gives it another score. */
void kv_zset_put(struct kv_zset *z, struct kv_bytes member, double score);
void kv_zset_remove(struct kv_zset *z, struct kv_node *node);
size_t kv_zset_rank(const struct kv_zset *z, const struct kv_node *node);
struct kv_node *kv_zset_at(const struct kv_zset *z, size_t rank);
/* The first node for which `reached` is true; it is false, then true, in their order. */
struct kv_node *kv_zset_first(const struct kv_zset *z,
			      bool (*reached)(const struct kv_node *node, const void *arg),
			      const void *arg);

static inline struct kv_node *kv_node_next(const struct kv_node *node)
{
	return node->link[0].next;
}

/* A member and, if wanted, its score. */
struct kv_call;
void kv_reply_pair(struct kv_call *c, const struct kv_node *node, bool score);

#endif
