/* SPDX-License-Identifier: MIT */
/*
 * The skip list of zset.h.
 */
#include "zset.h"

#include <stdlib.h>
#include <string.h>

static struct kv_node *node_new(struct kv_heap *heap, int levels)
{
	struct kv_node *n = kv_alloc(heap, sizeof(*n) + (size_t)levels * sizeof(n->link[0]));

	memset(n, 0, sizeof(*n) + (size_t)levels * sizeof(n->link[0]));
	return n;
}

struct kv_zset *kv_zset_new(struct kv_heap *heap)
{
	struct kv_zset *z = kv_alloc(heap, sizeof(*z));

	*z = (struct kv_zset){ .base.type = KV_ZSET, .levels = 1 };
	z->head = node_new(heap, KV_LEVELS);
	kv_dict_init(&z->members, heap);
	return z;
}

static void drop_node(struct kv_heap *heap, void *node)
{
	kv_free(heap, node);
}

void kv_zset_free(struct kv_heap *heap, struct kv_zset *z)
{
	kv_dict_fini(&z->members, drop_node);
	kv_free(heap, z->head);
	kv_free(heap, z);
}

/* Whether a comes before the place of (score, member). */
static bool before(const struct kv_node *a, double score, struct kv_bytes member)
{
	return a->score < score || (a->score == score && kv_compare(kv_key(a->entry), member) < 0);
}

/* The last node of each level before the place, and their ranks (the head's is 0). */
struct place {
	struct kv_node *node[KV_LEVELS];
	size_t rank[KV_LEVELS];
};

static void place_find(const struct kv_zset *z, double score, struct kv_bytes member,
		       struct place *p)
{
	struct kv_node *n = z->head;
	size_t rank = 0;

	for (int i = z->levels - 1; i >= 0; i--) {
		while (n->link[i].next && before(n->link[i].next, score, member)) {
			rank += n->link[i].passes;
			n = n->link[i].next;
		}
		p->node[i] = n;
		p->rank[i] = rank;
	}
}

static void link_in(struct kv_zset *z, struct kv_entry *entry, double score)
{
	int levels = 1;
	struct kv_node *n;
	struct place p;

	while (levels < KV_LEVELS && random() % 4 == 0)
		levels++;
	place_find(z, score, kv_key(entry), &p);
	for (; z->levels < levels; z->levels++) {
		p.node[z->levels] = z->head;
		p.rank[z->levels] = 0;
		z->head->link[z->levels].passes = z->members.count - 1;
	}
	n = node_new(z->members.heap, levels);
	n->score = score + 0.0; /* -0 is 0 */
	n->entry = entry;
	entry->value = n;
	for (int i = 0; i < z->levels; i++) {
		size_t passed = p.rank[0] - p.rank[i];

		if (i >= levels) {
			p.node[i]->link[i].passes++;
			continue;
		}
		n->link[i].next = p.node[i]->link[i].next;
		n->link[i].passes = p.node[i]->link[i].passes - passed;
		p.node[i]->link[i].next = n;
		p.node[i]->link[i].passes = passed + 1;
	}
	n->before = p.node[0] == z->head ? NULL : p.node[0];
	*(n->link[0].next ? &n->link[0].next->before : &z->last) = n;
}

static void link_out(struct kv_zset *z, struct kv_node *n)
{
	struct place p;

	place_find(z, n->score, kv_key(n->entry), &p);
	for (int i = 0; i < z->levels; i++) {
		if (p.node[i]->link[i].next == n) {
			p.node[i]->link[i].next = n->link[i].next;
			p.node[i]->link[i].passes += n->link[i].passes;
		}
		p.node[i]->link[i].passes--;
	}
	*(n->link[0].next ? &n->link[0].next->before : &z->last) = n->before;
	kv_free(z->members.heap, n);
}

struct kv_node *kv_zset_find(const struct kv_zset *z, struct kv_bytes member)
{
	struct kv_entry *e = kv_dict_find(&z->members, member, (uint32_t)kv_hash(member));

	return e ? e->value : NULL;
}

void kv_zset_put(struct kv_zset *z, struct kv_bytes member, double score)
{
	bool added;
	struct kv_entry *e = kv_dict_add(&z->members, member, (uint32_t)kv_hash(member), &added);

	if (!added)
		link_out(z, e->value);
	link_in(z, e, score);
}

void kv_zset_remove(struct kv_zset *z, struct kv_node *node)
{
	struct kv_entry *e = node->entry;

	link_out(z, node);
	kv_dict_remove(&z->members, e);
}

size_t kv_zset_rank(const struct kv_zset *z, const struct kv_node *node)
{
	struct place p;

	place_find(z, node->score, kv_key(node->entry), &p);
	return p.rank[0];
}

struct kv_node *kv_zset_at(const struct kv_zset *z, size_t rank)
{
	struct kv_node *n = z->head;

	rank++;
	for (int i = z->levels - 1; i >= 0; i--) {
		while (n->link[i].next && n->link[i].passes <= rank) {
			rank -= n->link[i].passes;
			n = n->link[i].next;
		}
	}
	return rank == 0 ? n : NULL;
}

struct kv_node *kv_zset_first(const struct kv_zset *z,
			      bool (*reached)(const struct kv_node *node, const void *arg),
			      const void *arg)
{
	struct kv_node *n = z->head;

	for (int i = z->levels - 1; i >= 0; i--) {
		while (n->link[i].next && !reached(n->link[i].next, arg))
			n = n->link[i].next;
	}
	return n->link[0].next;
}
