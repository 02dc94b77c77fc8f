/* SPDX-License-Identifier: MIT */
/*
 * The hash table of `weft kv`: the keys of a shard, the fields of a hash, the
 * members of a set.
 *
 * Linear hashing (Litwin, 1980): the table grows by one bucket with each entry, and
 * shrinks by two at most, so no operation ever moves more than two chains, and there is
 * one array only. A bucket
 * holds the hashes that end in the same bits; read backwards, these form an interval.
 * A scan walks through those intervals: whatever the table does between two steps,
 * what was there all the time is seen.
 */
#ifndef WEFT_APP_KV_DICT_H
#define WEFT_APP_KV_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/atomic.h>

struct kv_bytes {
	const char *at;
	size_t len;
};

/* Bytes that a shard has taken from the allocator. Running out of memory for real
 * ends the program with a sentence: --maxmemory is what keeps it from that. */
struct kv_heap {
	weft_atomic_size used; /* a renamed value stays with it: only the sum is right */
};
void *kv_alloc(struct kv_heap *heap, size_t size);
void *kv_resize(struct kv_heap *heap, void *memory, size_t size);
void kv_free(struct kv_heap *heap, void *memory);

struct kv_entry {
	struct kv_entry *next;
	void *value; /* the owner's */
	uint32_t hash;
	uint32_t len;
	char key[];
};

static inline struct kv_bytes kv_key(const struct kv_entry *e)
{
	return (struct kv_bytes){ e->key, e->len };
}

struct kv_dict {
	struct kv_heap *heap;
	struct kv_entry **buckets;
	uint32_t used; /* buckets: 2^level + those of this level that are split */
	uint32_t room, level;
	size_t count;
};

/* Keyed by a secret of the process, so that nobody can choose colliding keys. */
uint64_t kv_hash(struct kv_bytes key);

void kv_dict_init(struct kv_dict *d, struct kv_heap *heap);
/* Frees all entries, after `drop` (unless NULL) has freed each one's value. */
void kv_dict_fini(struct kv_dict *d, void (*drop)(struct kv_heap *heap, void *value));

struct kv_entry *kv_dict_find(const struct kv_dict *d, struct kv_bytes key, uint32_t hash);
/* Has the processor fetch what a find will need: first where its chain begins; then, once
 * that has come, the chain's first entry. */
void kv_dict_fetch_chain(const struct kv_dict *d, uint32_t hash);
void kv_dict_fetch_entry(const struct kv_dict *d, uint32_t hash);
/* The entry, made with a NULL value if it was not there. */
struct kv_entry *kv_dict_add(struct kv_dict *d, struct kv_bytes key, uint32_t hash, bool *added);
/* Takes it out and frees it; its value is the caller's. */
void kv_dict_remove(struct kv_dict *d, struct kv_entry *entry);

/* Any entry, or NULL if there is none. */
struct kv_entry *kv_dict_random(const struct kv_dict *d);

/* Every entry, in no order; no change of the dict meanwhile. */
struct kv_walk {
	uint32_t bucket;
	struct kv_entry *next;
};
struct kv_entry *kv_dict_next(const struct kv_dict *d, struct kv_walk *walk);

/* The chain at a scan's position, and the position after it, 2^32 at the end. */
struct kv_entry *kv_dict_scan(const struct kv_dict *d, uint32_t cursor, uint64_t *next);

#endif
