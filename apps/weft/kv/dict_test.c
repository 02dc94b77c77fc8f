/* SPDX-License-Identifier: MIT */
/*
 * The hash table of weft kv: against an array that knows better, while it grows and
 * shrinks; scans that see what was there all the time; hashes that are no good.
 */
#include "dict.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 4096 };

static uint64_t state;

static uint32_t dice(uint32_t sides)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % sides;
}

/* How the keys of a test are hashed: by the real function, or badly. */
enum hashing { REAL, ALL_EQUAL, HIGH_BITS };

struct world {
	struct kv_heap heap;
	struct kv_dict dict;
	enum hashing hashing;
	uintptr_t is[KEYS]; /* the value that each key should have; 0: absent */
	size_t count;
};

static struct kv_bytes name(uint32_t key, char text[16])
{
	return (struct kv_bytes){ text, (size_t)snprintf(text, 16, "%u", key) };
}

static uint32_t hash_of(const struct world *w, struct kv_bytes text, uint32_t key)
{
	if (w->hashing == ALL_EQUAL)
		return 0xdeadbeef;
	if (w->hashing == HIGH_BITS)
		return key << 20;
	return (uint32_t)kv_hash(text);
}

static struct world *world_new(enum hashing hashing, uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	CHECK_NOT_NULL(w);
	w->hashing = hashing;
	kv_dict_init(&w->dict, &w->heap);
	state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	return w;
}

static void world_free(struct world *w)
{
	kv_dict_fini(&w->dict, NULL);
	CHECK_EQ(weft_load_relaxed(&w->heap.used), 0);
	free(w);
}

static struct kv_entry *find(const struct world *w, uint32_t key)
{
	char text[16];
	struct kv_bytes bytes = name(key, text);

	return kv_dict_find(&w->dict, bytes, hash_of(w, bytes, key));
}

static void put(struct world *w, uint32_t key, uintptr_t value)
{
	char text[16];
	struct kv_bytes bytes = name(key, text);
	bool added;
	struct kv_entry *e = kv_dict_add(&w->dict, bytes, hash_of(w, bytes, key), &added);

	CHECK_EQ(added, w->is[key] == 0);
	CHECK_EQ((uintptr_t)e->value, w->is[key]);
	w->count += added;
	w->is[key] = value;
	e->value = (void *)value;
}

static void take(struct world *w, uint32_t key)
{
	struct kv_entry *e = find(w, key);

	CHECK_EQ(e != NULL, w->is[key] != 0);
	if (!e)
		return;
	kv_dict_remove(&w->dict, e);
	w->is[key] = 0;
	w->count--;
}

/* Each entry of the array is found, each one that a walk meets is in the array, once,
 * and the buckets are neither too few nor too many. */
static void check_all(const struct world *w)
{
	static unsigned char met[KEYS];
	struct kv_walk walk = { 0 };
	struct kv_entry *e;
	size_t n = 0;

	memset(met, 0, sizeof(met));
	while ((e = kv_dict_next(&w->dict, &walk)) != NULL) {
		uint32_t key = (uint32_t)strtoul(strndupa(e->key, e->len), NULL, 10);

		CHECK_EQ(met[key]++, 0);
		CHECK_EQ((uintptr_t)e->value, w->is[key]);
		n++;
	}
	CHECK_EQ(n, w->count);
	CHECK_EQ(w->dict.count, w->count);
	for (uint32_t key = 0; key < KEYS; key++)
		CHECK_EQ(find(w, key) != NULL, w->is[key] != 0);
	CHECK_GE(w->dict.used + 1, w->count);
	CHECK_LE(w->dict.used, 2 * w->count + 4);
	CHECK_LE(w->dict.room, 4 * w->dict.used + 4);
}

/* Chances of a removal move from low to high and back, so that the table grows to
 * thousands and shrinks to nothing several times. */
static void agree(enum hashing hashing, int steps, uint32_t keys)
{
	struct world *w = world_new(hashing, (uint64_t)hashing + 1);
	bool grow = true;

	for (int i = 0; i < steps; i++) {
		uint32_t key = dice(keys);

		if (dice(10) < (grow ? 8u : 2u))
			put(w, key, dice(1000) + 1);
		else
			take(w, key);
		if (w->count >= keys * 3 / 4 || w->count < keys / 100 + 1)
			grow = w->count < keys / 2;
		if (i % (steps / 50) == 0)
			check_all(w);
	}
	for (uint32_t key = 0; key < keys; key++)
		take(w, key);
	check_all(w);
	world_free(w);
}

TEST(dict_agrees_with_an_array_while_it_grows_and_shrinks)
{
	agree(REAL, 200000, KEYS);
}

TEST(dict_agrees_with_an_array_when_all_hashes_are_equal)
{
	agree(ALL_EQUAL, 10000, 200);
}

TEST(dict_agrees_with_an_array_when_hashes_differ_in_high_bits_only)
{
	agree(HIGH_BITS, 20000, KEYS / 2);
}

TEST(dict_keeps_keys_with_zeros_and_of_no_bytes)
{
	struct world *w = world_new(REAL, 1);
	static const struct kv_bytes keys[] = { { "", 0 },     { "\0", 1 },   { "\0\0", 2 },
						{ "a\0b", 3 }, { "a\0c", 3 }, { "a", 1 } };
	bool added;

	for (size_t i = 0; i < 6; i++) {
		struct kv_entry *e = kv_dict_add(&w->dict, keys[i], (uint32_t)kv_hash(keys[i]),
						 &added);

		CHECK(added);
		e->value = (void *)(i + 1);
	}
	for (size_t i = 0; i < 6; i++)
		CHECK_EQ((uintptr_t)kv_dict_find(&w->dict, keys[i], (uint32_t)kv_hash(keys[i]))
				 ->value,
			 i + 1);
	world_free(w);
}

/* ---- scans -------------------------------------------------------------------------- */

/* One scan, with `change` between its steps: how often each key was seen. */
static void scan_all(struct world *w, unsigned char *seen, void (*change)(struct world *w))
{
	uint64_t cursor = 0;
	int steps = 0;

	memset(seen, 0, KEYS);
	do {
		const struct kv_entry *e = kv_dict_scan(&w->dict, (uint32_t)cursor, &cursor);

		for (; e; e = e->next)
			seen[strtoul(strndupa(e->key, e->len), NULL, 10)]++;
		CHECK_LE(cursor, UINT64_C(1) << 32);
		CHECK_LT(steps++, 4 * KEYS);
		if (change)
			change(w);
	} while (cursor <= UINT32_MAX);
}

TEST(scan_sees_each_entry_once_while_nothing_changes)
{
	unsigned char seen[KEYS];

	for (uint32_t count = 0; count < 300; count++) {
		struct world *w = world_new(REAL, count + 1);

		for (uint32_t key = 0; key < count; key++)
			put(w, key, 1);
		scan_all(w, seen, NULL);
		for (uint32_t key = 0; key < KEYS; key++)
			CHECK_EQ(seen[key], key < count);
		world_free(w);
	}
}

/* Keys below STABLE are never touched while a scan goes on. */
enum { STABLE = 100 };
static bool growing;

static void change_many(struct world *w)
{
	for (uint32_t i = dice(200); i > 0; i--) {
		uint32_t key = STABLE + dice(KEYS - STABLE);

		if (dice(10) < (growing ? 9u : 1u))
			put(w, key, 1);
		else
			take(w, key);
	}
	if (dice(20) == 0)
		growing = !growing;
}

TEST(scan_sees_what_was_there_all_the_time)
{
	unsigned char seen[KEYS];

	for (uint32_t round = 0; round < 20; round++) {
		struct world *w = world_new(REAL, round + 7);
		uint32_t others = dice(KEYS - STABLE);

		growing = round % 2;
		for (uint32_t key = 0; key < STABLE + others; key++)
			put(w, key, 1);
		scan_all(w, seen, change_many);
		for (uint32_t key = 0; key < STABLE; key++)
			CHECK_GE(seen[key], 1);
		check_all(w);
		world_free(w);
	}
}

TEST(scan_never_shows_what_was_never_there)
{
	struct world *w = world_new(REAL, 3);
	unsigned char seen[KEYS];

	for (uint32_t key = 0; key < KEYS; key += 2)
		put(w, key, 1);
	scan_all(w, seen, NULL);
	for (uint32_t key = 1; key < KEYS; key += 2)
		CHECK_EQ(seen[key], 0);
	world_free(w);
}

/* Cursors are the client's: any of them is an answer, none is a crash. */
TEST(scan_takes_any_cursor)
{
	struct world *w = world_new(REAL, 4);
	uint64_t next;

	for (uint32_t key = 0; key < 1000; key++)
		put(w, key, 1);
	for (int i = 0; i < 10000; i++) {
		uint32_t cursor = (uint32_t)(dice(1u << 16) << 16 | dice(1u << 16));

		(void)kv_dict_scan(&w->dict, cursor, &next);
		CHECK_GT(next, 0);
		CHECK_LE(next, UINT64_C(1) << 32);
	}
	world_free(w);
}

TEST(random_entries_are_any_of_them)
{
	struct world *w = world_new(REAL, 5);
	int drawn[16] = { 0 };

	CHECK_NULL(kv_dict_random(&w->dict));
	for (uint32_t key = 0; key < 16; key++)
		put(w, key, key + 1);
	for (int i = 0; i < 16000; i++)
		drawn[(uintptr_t)kv_dict_random(&w->dict)->value - 1]++;
	for (int i = 0; i < 16; i++)
		CHECK_GE(drawn[i], 100);
	world_free(w);
}
