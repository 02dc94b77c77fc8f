/* SPDX-License-Identifier: MIT */
/*
 * The linear hash table of dict.h.
 */
#include "dict.h"

#define XXH_INLINE_ALL
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <weft/once.h>
#include <xxhash.h>

enum { LEVEL_LEAST = 2 };

static void *checked(void *memory, size_t size)
{
	if (!memory) {
		fprintf(stderr,
			"weft kv: the system gave no memory for %zu bytes; "
			"start it with a smaller --maxmemory\n",
			size);
		_Exit(1);
	}
	return memory;
}

static void count(struct kv_heap *heap, size_t more, size_t less)
{
	weft_add_relaxed(&heap->used, more - less);
}

void *kv_alloc(struct kv_heap *heap, size_t size)
{
	void *memory = checked(malloc(size), size);

	count(heap, malloc_usable_size(memory), 0);
	return memory;
}

void *kv_resize(struct kv_heap *heap, void *memory, size_t size)
{
	size_t before = malloc_usable_size(memory);

	memory = checked(realloc(memory, size), size);
	count(heap, malloc_usable_size(memory), before);
	return memory;
}

void kv_free(struct kv_heap *heap, void *memory)
{
	count(heap, 0, malloc_usable_size(memory));
	free(memory);
}

static uint64_t secret;

static int secret_make(void *arg)
{
	(void)arg;
	if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret))
		secret = (uintptr_t)&secret * UINT64_C(0x9e3779b97f4a7c15);
	return 0;
}

uint64_t kv_hash(struct kv_bytes key)
{
	static weft_once once;

	while (!weft_once_done(&once)) /* waiting for another may be cancelled */
		(void)!weft_once_call(&once, secret_make, NULL);
	return XXH3_64bits_withSeed(key.at, key.len, secret);
}

void kv_dict_init(struct kv_dict *d, struct kv_heap *heap)
{
	*d = (struct kv_dict){ .heap = heap, .level = LEVEL_LEAST, .used = 1u << LEVEL_LEAST };
	d->room = d->used;
	d->buckets = kv_alloc(heap, d->room * sizeof(struct kv_entry *));
	memset(d->buckets, 0, d->room * sizeof(struct kv_entry *));
}

void kv_dict_fini(struct kv_dict *d, void (*drop)(struct kv_heap *heap, void *value))
{
	struct kv_walk walk = { 0 };

	for (struct kv_entry *e; (e = kv_dict_next(d, &walk)) != NULL;) {
		if (drop)
			drop(d->heap, e->value);
		kv_free(d->heap, e);
	}
	kv_free(d->heap, d->buckets);
}

static uint32_t bucket_of(const struct kv_dict *d, uint32_t hash)
{
	uint32_t i = hash & ((2u << d->level) - 1);

	return i < d->used ? i : hash & ((1u << d->level) - 1);
}

struct kv_entry *kv_dict_find(const struct kv_dict *d, struct kv_bytes key, uint32_t hash)
{
	struct kv_entry *e = d->buckets[bucket_of(d, hash)];

	while (e && (e->hash != hash || e->len != key.len || memcmp(e->key, key.at, key.len)))
		e = e->next;
	return e;
}

void kv_dict_fetch_chain(const struct kv_dict *d, uint32_t hash)
{
	__builtin_prefetch(&d->buckets[bucket_of(d, hash)]);
}

void kv_dict_fetch_entry(const struct kv_dict *d, uint32_t hash)
{
	__builtin_prefetch(d->buckets[bucket_of(d, hash)]);
}

/* The bucket next in turn gives those of its entries away whose next bit is set. */
static void split(struct kv_dict *d)
{
	struct kv_entry **from = &d->buckets[d->used - (1u << d->level)], **to;

	if (d->used == d->room) {
		ptrdiff_t index = from - d->buckets;

		d->room *= 2;
		d->buckets = kv_resize(d->heap, d->buckets, d->room * sizeof(*d->buckets));
		from = &d->buckets[index];
	}
	to = &d->buckets[d->used];
	*to = NULL;
	while (*from) {
		struct kv_entry *e = *from;

		if (e->hash >> d->level & 1) {
			*from = e->next;
			e->next = NULL;
			*to = e;
			to = &e->next;
		} else {
			from = &e->next;
		}
	}
	if (++d->used == 2u << d->level)
		d->level++;
}

/* The last bucket goes back to where it was split from. */
static void merge(struct kv_dict *d)
{
	struct kv_entry **end;

	if (d->used == 1u << d->level)
		d->level--;
	d->used--;
	end = &d->buckets[d->used - (1u << d->level)];
	while (*end)
		end = &(*end)->next;
	*end = d->buckets[d->used];
	if (d->used < d->room / 4) {
		d->room /= 2;
		d->buckets = kv_resize(d->heap, d->buckets, d->room * sizeof(*d->buckets));
	}
}

struct kv_entry *kv_dict_add(struct kv_dict *d, struct kv_bytes key, uint32_t hash, bool *added)
{
	struct kv_entry *e = kv_dict_find(d, key, hash), **bucket;

	*added = !e;
	if (e)
		return e;
	if (d->count++ >= d->used && d->level < 30)
		split(d);
	e = kv_alloc(d->heap, sizeof(*e) + key.len);
	bucket = &d->buckets[bucket_of(d, hash)];
	*e = (struct kv_entry){ .next = *bucket, .hash = hash, .len = (uint32_t)key.len };
	memcpy(e->key, key.at, key.len);
	*bucket = e;
	return e;
}

void kv_dict_remove(struct kv_dict *d, struct kv_entry *entry)
{
	struct kv_entry **at = &d->buckets[bucket_of(d, entry->hash)];

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	kv_free(d->heap, entry);
	d->count--;
	/* Two for each entry, or the table would never catch up with its removals. */
	for (int i = 0; i < 2 && d->count < d->used / 2 && d->used > 1u << LEVEL_LEAST; i++)
		merge(d);
}

struct kv_entry *kv_dict_random(const struct kv_dict *d)
{
	struct kv_entry *chosen = NULL;
	uint32_t seen = 0;

	if (d->count == 0)
		return NULL;
	while (!chosen) {
		struct kv_entry *e = d->buckets[(uint32_t)random() % d->used];

		for (; e; e = e->next) {
			if ((uint32_t)random() % ++seen == 0)
				chosen = e;
		}
	}
	return chosen;
}

struct kv_entry *kv_dict_next(const struct kv_dict *d, struct kv_walk *walk)
{
	struct kv_entry *e = walk->next;

	while (!e && walk->bucket < d->used)
		e = d->buckets[walk->bucket++];
	if (e)
		walk->next = e->next;
	return e;
}

static uint32_t backwards(uint32_t x)
{
	x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
	x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
	x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
	return __builtin_bswap32(x);
}

struct kv_entry *kv_dict_scan(const struct kv_dict *d, uint32_t cursor, uint64_t *next)
{
	uint32_t bucket = bucket_of(d, backwards(cursor));
	uint32_t half = 1u << d->level;
	bool is_split = bucket >= half || bucket + half < d->used;
	uint32_t bits = d->level + is_split;

	*next = (uint64_t)backwards(bucket) + (UINT64_C(1) << (32 - bits));
	return d->buckets[bucket];
}
