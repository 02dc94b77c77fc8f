/* SPDX-License-Identifier: MIT */
/*
 * The shards of store.h, and the values without commands of their own.
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "zset.h"

enum { SAMPLES = 5, FIRST_ITEMS = 8 };

/* ---- values ---------------------------------------------------------------------- */

int kv_compare(struct kv_bytes a, struct kv_bytes b)
{
	int c = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

struct kv_blob *kv_blob_new(struct kv_heap *heap, struct kv_bytes text)
{
	struct kv_blob *b = kv_alloc(heap, sizeof(*b) + text.len);

	b->len = text.len;
	memcpy(b->text, text.at, text.len);
	return b;
}

struct kv_string *kv_string_new(struct kv_heap *heap, struct kv_bytes text, size_t room)
{
	struct kv_string *s = kv_alloc(heap, sizeof(*s) + (room > text.len ? room : text.len));

	*s = (struct kv_string){ .base.type = KV_STRING, .len = text.len };
	s->room = room > text.len ? room : text.len;
	memcpy(s->text, text.at, text.len);
	return s;
}

struct kv_list *kv_list_new(struct kv_heap *heap)
{
	struct kv_list *l = kv_alloc(heap, sizeof(*l));

	*l = (struct kv_list){ .base.type = KV_LIST, .room = FIRST_ITEMS };
	l->ring = kv_alloc(heap, FIRST_ITEMS * sizeof(struct kv_blob *));
	return l;
}

struct kv_table *kv_table_new(struct kv_heap *heap, enum kv_type type)
{
	struct kv_table *t = kv_alloc(heap, sizeof(*t));

	*t = (struct kv_table){ .base.type = (uint8_t)type };
	kv_dict_init(&t->dict, heap);
	return t;
}

struct kv_value *kv_value_new(struct kv_heap *heap, enum kv_type type)
{
	if (type == KV_LIST)
		return &kv_list_new(heap)->base;
	if (type == KV_ZSET)
		return &kv_zset_new(heap)->base;
	return &kv_table_new(heap, type)->base;
}

static void drop_blob(struct kv_heap *heap, void *blob)
{
	kv_free(heap, blob);
}

void kv_value_free(struct kv_heap *heap, struct kv_value *value)
{
	struct kv_list *l = (struct kv_list *)value;
	struct kv_table *t = (struct kv_table *)value;

	if (value->type == KV_ZSET) {
		kv_zset_free(heap, (struct kv_zset *)value);
		return;
	}
	if (value->type == KV_LIST) {
		for (size_t i = 0; i < l->count; i++)
			kv_free(heap, *kv_list_at(l, i));
		kv_free(heap, l->ring);
	} else if (value->type != KV_STRING) {
		kv_dict_fini(&t->dict, value->type == KV_HASH ? drop_blob : NULL);
	}
	kv_free(heap, value);
}

size_t kv_value_count(const struct kv_value *value)
{
	switch (value->type) {
	case KV_LIST: return ((const struct kv_list *)value)->count;
	case KV_ZSET: return ((const struct kv_zset *)value)->members.count;
	case KV_STRING: return 1;
	default: return ((const struct kv_table *)value)->dict.count;
	}
}

const char *kv_type_name(const struct kv_value *value)
{
	static const char *const names[] = { "string", "list", "hash", "set", "zset" };

	return value ? names[value->type] : "none";
}

struct kv_entry *kv_table_find(const struct kv_table *t, struct kv_bytes field)
{
	return kv_dict_find(&t->dict, field, (uint32_t)kv_hash(field));
}

bool kv_table_set(struct kv_table *t, struct kv_bytes field, struct kv_bytes value)
{
	bool added;
	struct kv_entry *e = kv_dict_add(&t->dict, field, (uint32_t)kv_hash(field), &added);

	if (!added)
		kv_free(t->dict.heap, e->value);
	e->value = kv_blob_new(t->dict.heap, value);
	return added;
}

bool kv_table_add(struct kv_table *t, struct kv_bytes member)
{
	bool added;

	kv_dict_add(&t->dict, member, (uint32_t)kv_hash(member), &added);
	return added;
}

bool kv_table_delete(struct kv_table *t, struct kv_bytes field)
{
	struct kv_entry *e = kv_table_find(t, field);

	if (!e)
		return false;
	if (e->value)
		kv_free(t->dict.heap, e->value);
	kv_dict_remove(&t->dict, e);
	return true;
}

void kv_list_push(struct kv_heap *heap, struct kv_list *l, bool front, struct kv_blob *item)
{
	if (l->count == l->room) {
		l->ring = kv_resize(heap, l->ring, 2 * l->room * sizeof(*l->ring));
		memcpy(l->ring + l->room, l->ring, l->first * sizeof(*l->ring));
		l->room *= 2;
	}
	if (front)
		l->first = (l->first - 1) & (l->room - 1);
	l->count++;
	*kv_list_at(l, front ? 0 : l->count - 1) = item;
}

struct kv_blob *kv_list_pop(struct kv_list *l, bool front)
{
	struct kv_blob *item = *kv_list_at(l, front ? 0 : l->count - 1);

	if (front)
		l->first = (l->first + 1) & (l->room - 1);
	l->count--;
	return item;
}

/* ---- shards ---------------------------------------------------------------------- */

void kv_store_init(struct kv_store *store)
{
	memset(store, 0, sizeof(*store));
	for (int i = 0; i < KV_SHARDS; i++) {
		kv_dict_init(&store->shards[i].keys, &store->shards[i].heap);
		store->shards[i].first_expiring = &store->expiring;
	}
}

static void drop_value(struct kv_heap *heap, void *value)
{
	kv_value_free(heap, value);
}

void kv_store_fini(struct kv_store *store)
{
	for (int i = 0; i < KV_SHARDS; i++)
		kv_dict_fini(&store->shards[i].keys, drop_value);
}

void kv_shard_clear(struct kv_shard *shard)
{
	kv_dict_fini(&shard->keys, drop_value);
	kv_dict_init(&shard->keys, &shard->heap);
	shard->expiring = 0;
}

void kv_store_lock(struct kv_store *store, unsigned shards)
{
	for (; shards; shards &= shards - 1)
		weft_mutex_lock(&store->shards[__builtin_ctz(shards)].mutex);
}

void kv_store_unlock(struct kv_store *store, unsigned shards)
{
	for (; shards; shards &= shards - 1)
		weft_mutex_unlock(&store->shards[__builtin_ctz(shards)].mutex);
}

static void count_expiring(struct kv_shard *shard, bool more, bool less)
{
	if (more && !less && shard->expiring == 0)
		weft_event_set(shard->first_expiring);
	shard->expiring += (size_t)more - (size_t)less;
}

static void remove_entry(struct kv_shard *shard, struct kv_entry *e)
{
	struct kv_value *value = e->value;

	if (value) {
		count_expiring(shard, false, value->expires != 0);
		kv_value_free(&shard->heap, value);
	}
	kv_dict_remove(&shard->keys, e);
}

struct kv_value *kv_shard_get(struct kv_shard *shard, struct kv_bytes key, uint64_t hash,
			      int64_t now)
{
	struct kv_entry *e = kv_dict_find(&shard->keys, key, (uint32_t)hash);
	struct kv_value *value = e ? e->value : NULL;

	if (value && value->expires && value->expires <= now) {
		remove_entry(shard, e);
		shard->expired++;
		return NULL;
	}
	if (value)
		value->used = (uint32_t)(now / 1000);
	return value;
}

void kv_shard_put(struct kv_shard *shard, struct kv_bytes key, uint64_t hash,
		  struct kv_value *value)
{
	bool added;
	struct kv_entry *e = kv_dict_add(&shard->keys, key, (uint32_t)hash, &added);
	struct kv_value *old = e->value;

	if (old && old != value) {
		count_expiring(shard, false, old->expires != 0);
		kv_value_free(&shard->heap, old);
	}
	if (old != value)
		count_expiring(shard, value->expires != 0, false);
	e->value = value;
	kv_shard_touch(shard, value);
}

bool kv_shard_remove(struct kv_shard *shard, struct kv_bytes key, uint64_t hash)
{
	struct kv_entry *e = kv_dict_find(&shard->keys, key, (uint32_t)hash);

	if (e)
		remove_entry(shard, e);
	return e != NULL;
}

struct kv_value *kv_shard_take(struct kv_shard *shard, struct kv_bytes key, uint64_t hash)
{
	struct kv_entry *e = kv_dict_find(&shard->keys, key, (uint32_t)hash);
	struct kv_value *value = e->value;

	count_expiring(shard, false, value->expires != 0);
	e->value = NULL;
	remove_entry(shard, e);
	return value;
}

void kv_shard_expire(struct kv_shard *shard, struct kv_value *value, int64_t at)
{
	count_expiring(shard, at != 0, value->expires != 0);
	value->expires = at;
	kv_shard_touch(shard, value);
}

int kv_shard_sweep(struct kv_shard *shard, int most, int64_t now)
{
	int found = 0;

	while (most-- > 0 && shard->expiring > 0) {
		uint32_t bucket = shard->sweep++ % shard->keys.used;
		struct kv_entry *e = shard->keys.buckets[bucket], *next;

		for (; e; e = next) {
			const struct kv_value *value = e->value;

			next = e->next;
			if (value->expires && value->expires <= now) {
				remove_entry(shard, e);
				shard->expired++;
				found++;
				break; /* the table may have merged two chains */
			}
		}
	}
	return found;
}

/* From a bucket by chance on, until enough were seen. */
bool kv_shard_evict(struct kv_shard *shard, bool volatile_only, bool longest)
{
	struct kv_entry *chosen = NULL;
	uint32_t start = (uint32_t)random(), enough = longest ? SAMPLES : 1, seen = 0;

	if (shard->keys.count == 0 || (volatile_only && shard->expiring == 0))
		return false;
	for (uint32_t i = 0; i < shard->keys.used && seen < enough; i++) {
		struct kv_entry *e = shard->keys.buckets[(start + i) % shard->keys.used];

		for (; e && seen < enough; e = e->next) {
			const struct kv_value *value = e->value;

			if (volatile_only && !value->expires)
				continue;
			if (!seen++ || value->used < ((struct kv_value *)chosen->value)->used)
				chosen = e;
		}
	}
	remove_entry(shard, chosen);
	shard->evicted++;
	return true;
}

size_t kv_store_used(const struct kv_store *store)
{
	size_t used = 0;

	for (int i = 0; i < KV_SHARDS; i++)
		used += weft_load_relaxed(&store->shards[i].heap.used);
	return used;
}
