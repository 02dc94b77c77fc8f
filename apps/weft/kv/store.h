/* SPDX-License-Identifier: MIT */
/*
 * What `weft kv` stores: values of five types under keys, in shards.
 *
 * A key's hash says which shard it is in. A command holds the locks of the shards of
 * its keys while it runs, taken in the order of their numbers, and never waits for
 * anything else meanwhile: so each command is one step for all the others.
 */
#ifndef WEFT_APP_KV_STORE_H
#define WEFT_APP_KV_STORE_H

#include <weft/event.h>
#include <weft/mutex.h>

#include "dict.h"

enum kv_type { KV_STRING, KV_LIST, KV_HASH, KV_SET, KV_ZSET, KV_ANY };

/* What each value begins with. */
struct kv_value {
	uint8_t type;
	uint32_t used;    /* when, in seconds: for eviction */
	int64_t expires;  /* Unix time in ms; 0: never */
	uint64_t version; /* changes with each change: for WATCH */
};

struct kv_string {
	struct kv_value base;
	size_t len, room;
	char text[];
};

/* Bytes on their own: an item of a list, a field's value. */
struct kv_blob {
	size_t len;
	char text[];
};

struct kv_list {
	struct kv_value base;
	struct kv_blob **ring;
	size_t room, first, count; /* room is a power of two */
};

/* A hash (the values are kv_blobs) or a set (they are NULL). */
struct kv_table {
	struct kv_value base;
	struct kv_dict dict;
};

enum { KV_SHARDS = 16 };

struct kv_shard {
	weft_mutex mutex;
	struct kv_heap heap;
	struct kv_dict keys;
	uint64_t version;
	size_t expiring; /* keys that have a time to live */
	weft_event *first_expiring;
	uint32_t sweep; /* bucket that is looked at next */
	uint64_t expired, evicted;
} WEFT_ALIGNED(64);

struct kv_store {
	struct kv_shard shards[KV_SHARDS];
	weft_event expiring; /* set when a shard got its first key with a time to live */
};

void kv_store_init(struct kv_store *store);
void kv_store_fini(struct kv_store *store);
void kv_shard_clear(struct kv_shard *shard);

static inline unsigned kv_shard_of(uint64_t hash)
{
	return (unsigned)(hash >> 60) % KV_SHARDS;
}

/* Locks and unlocks those whose bits are set. */
void kv_store_lock(struct kv_store *store, unsigned shards);
void kv_store_unlock(struct kv_store *store, unsigned shards);
static const unsigned KV_ALL = (1u << KV_SHARDS) - 1;

size_t kv_store_used(const struct kv_store *store); /* a glance, not a sum under locks */

/* All of the following with the shard locked; `now` is Unix time in ms. */

/* The value or NULL; one whose time has come is removed. */
struct kv_value *kv_shard_get(struct kv_shard *shard, struct kv_bytes key, uint64_t hash,
			      int64_t now);
/* Puts a value in the place of what is there. */
void kv_shard_put(struct kv_shard *shard, struct kv_bytes key, uint64_t hash,
		  struct kv_value *value);
bool kv_shard_remove(struct kv_shard *shard, struct kv_bytes key, uint64_t hash);
/* Takes the value out without freeing it. */
struct kv_value *kv_shard_take(struct kv_shard *shard, struct kv_bytes key, uint64_t hash);
void kv_shard_expire(struct kv_shard *shard, struct kv_value *value, int64_t at);
static inline void kv_shard_touch(struct kv_shard *shard, struct kv_value *value)
{
	value->version = ++shard->version;
}
/* Removes expired keys, looking at no more than `most` buckets: how many it found. */
int kv_shard_sweep(struct kv_shard *shard, int most, int64_t now);
/* Removes one key to make room, of those with a time to live only if `volatile_only`;
 * the one unused for longest of a few, or any. False if there is none. */
bool kv_shard_evict(struct kv_shard *shard, bool volatile_only, bool longest);

struct kv_string *kv_string_new(struct kv_heap *heap, struct kv_bytes text, size_t room);
struct kv_list *kv_list_new(struct kv_heap *heap);
struct kv_table *kv_table_new(struct kv_heap *heap, enum kv_type type);
struct kv_value *kv_value_new(struct kv_heap *heap, enum kv_type type); /* not a string */
void kv_value_free(struct kv_heap *heap, struct kv_value *value);
size_t kv_value_count(const struct kv_value *value); /* items; 1 for a string */
const char *kv_type_name(const struct kv_value *value);

struct kv_blob *kv_blob_new(struct kv_heap *heap, struct kv_bytes text);
static inline struct kv_bytes kv_blob_bytes(const struct kv_blob *b)
{
	return (struct kv_bytes){ b->text, b->len };
}
static inline struct kv_bytes kv_string_bytes(const struct kv_string *s)
{
	return (struct kv_bytes){ s->text, s->len };
}
int kv_compare(struct kv_bytes a, struct kv_bytes b);

/* Sets a field; true if it is new. */
bool kv_table_set(struct kv_table *t, struct kv_bytes field, struct kv_bytes value);
bool kv_table_add(struct kv_table *t, struct kv_bytes member);
bool kv_table_delete(struct kv_table *t, struct kv_bytes field);
struct kv_entry *kv_table_find(const struct kv_table *t, struct kv_bytes field);

static inline struct kv_blob **kv_list_at(const struct kv_list *l, size_t i)
{
	return &l->ring[(l->first + i) & (l->room - 1)];
}
void kv_list_push(struct kv_heap *heap, struct kv_list *l, bool front, struct kv_blob *item);
struct kv_blob *kv_list_pop(struct kv_list *l, bool front);

#endif
