/* SPDX-License-Identifier: MIT */
/*
 * The shards of weft kv: what is evicted, what a sweep removes, and that the books on
 * keys which can expire are right.
 */
#include "store.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct kv_store store;

static struct kv_bytes name(uint32_t key, char text[16])
{
	return (struct kv_bytes){ text, (size_t)snprintf(text, 16, "%u", key) };
}

/* Key i of shard 0, used at second i. */
static struct kv_value *put(uint32_t i, int64_t expires)
{
	struct kv_shard *shard = &store.shards[0];
	char text[16];
	struct kv_bytes key = name(i, text);
	struct kv_value *value = &kv_string_new(&shard->heap, key, 0)->base;

	value->used = i;
	value->expires = expires;
	kv_shard_put(shard, key, kv_hash(key), value);
	return value;
}

static bool is_there(uint32_t i)
{
	char text[16];
	struct kv_bytes key = name(i, text);

	return kv_dict_find(&store.shards[0].keys, key, (uint32_t)kv_hash(key)) != NULL;
}

static int count(uint32_t first, uint32_t last)
{
	int n = 0;

	for (uint32_t i = first; i < last; i++)
		n += is_there(i);
	return n;
}

static void end(void)
{
	kv_store_fini(&store);
	for (int i = 0; i < KV_SHARDS; i++)
		CHECK_EQ(weft_load_relaxed(&store.shards[i].heap.used), 0);
}

TEST(eviction_prefers_what_was_not_used_for_long)
{
	kv_store_init(&store);
	for (uint32_t i = 0; i < 1000; i++)
		put(i, 0);
	for (int i = 0; i < 500; i++)
		CHECK(kv_shard_evict(&store.shards[0], false, true));
	CHECK_EQ(count(0, 1000), 500);
	CHECK_LE(count(0, 250), 60);
	CHECK_GE(count(750, 1000), 190);
	CHECK_EQ(store.shards[0].evicted, 500);
	end();
}

TEST(eviction_by_chance_has_no_preference)
{
	kv_store_init(&store);
	for (uint32_t i = 0; i < 1000; i++)
		put(i, 0);
	for (int i = 0; i < 500; i++)
		CHECK(kv_shard_evict(&store.shards[0], false, false));
	CHECK_GE(count(0, 500), 150);
	CHECK_GE(count(500, 1000), 150);
	end();
}

TEST(eviction_of_what_can_expire_spares_the_rest)
{
	kv_store_init(&store);
	for (uint32_t i = 0; i < 1000; i++)
		put(i, i % 10 ? 0 : INT64_MAX);
	for (int i = 0; i < 100; i++)
		CHECK(kv_shard_evict(&store.shards[0], true, i % 2));
	CHECK(!kv_shard_evict(&store.shards[0], true, true));
	CHECK_EQ(store.shards[0].expiring, 0);
	CHECK_EQ(count(0, 1000), 900);
	while (kv_shard_evict(&store.shards[0], false, true))
		;
	CHECK_EQ(count(0, 1000), 0);
	end();
}

TEST(sweep_removes_what_expired_and_nothing_else)
{
	struct kv_shard *shard = &store.shards[0];
	int found = 0;

	kv_store_init(&store);
	for (uint32_t i = 0; i < 1000; i++)
		put(i, i % 3 == 0 ? 0 : i % 3 == 1 ? 100 : 200);
	CHECK_EQ(shard->expiring, 666);
	CHECK_EQ(kv_shard_sweep(shard, 100000, 99), 0);
	for (int round = 0; round < 100; round++)
		found += kv_shard_sweep(shard, 1000, 100);
	CHECK_EQ(found, 333);
	CHECK_EQ(shard->expired, 333);
	for (uint32_t i = 0; i < 1000; i++)
		CHECK_EQ(is_there(i), i % 3 != 1);
	CHECK_EQ(shard->expiring, 333);
	kv_shard_clear(shard);
	CHECK_EQ(shard->expiring, 0);
	CHECK_EQ(kv_shard_sweep(shard, 1000, 1000), 0);
	end();
}

TEST(books_on_expiry_follow_every_change)
{
	struct kv_shard *shard = &store.shards[0];
	struct kv_value *value;
	char text[16];
	struct kv_bytes key = name(1, text);

	kv_store_init(&store);
	value = put(1, 0);
	CHECK_EQ(shard->expiring, 0);
	kv_shard_expire(shard, value, 50);
	kv_shard_expire(shard, value, 60);
	CHECK_EQ(shard->expiring, 1);
	kv_shard_expire(shard, value, 0);
	CHECK_EQ(shard->expiring, 0);
	put(1, 70);
	CHECK_EQ(shard->expiring, 1);
	value = kv_shard_take(shard, key, kv_hash(key));
	CHECK_EQ(shard->expiring, 0);
	kv_shard_put(shard, key, kv_hash(key), value);
	CHECK_EQ(shard->expiring, 1);
	CHECK_NOT_NULL(kv_shard_get(shard, key, kv_hash(key), 69));
	CHECK_NULL(kv_shard_get(shard, key, kv_hash(key), 70));
	CHECK_EQ(shard->expiring, 0);
	CHECK(!kv_shard_remove(shard, key, kv_hash(key)));
	end();
}

/* Who watches a key sees by its version that it changed: also when it was removed and
 * came again, or was put in the place of another. */
TEST(versions_differ_after_every_change)
{
	struct kv_shard *shard = &store.shards[0];
	char text[16];
	struct kv_bytes key = name(1, text);
	uint64_t before;

	kv_store_init(&store);
	before = put(1, 0)->version;
	CHECK_GT(before, 0);
	CHECK_GT(put(1, 0)->version, before);
	before = put(1, 0)->version;
	kv_shard_remove(shard, key, kv_hash(key));
	CHECK_GT(put(1, 0)->version, before);
	before = put(2, 0)->version;
	kv_shard_clear(shard);
	CHECK_GT(put(2, 0)->version, before);
	end();
}
