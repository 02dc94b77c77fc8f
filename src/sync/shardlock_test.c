/* SPDX-License-Identifier: MIT */
/*
 * Goal: readers share, writers exclude all, whatever shards they come by; and a lock that
 * was not got leaves nothing locked.
 * Method: plain counters that a lost exclusion would spoil, on threads that read and write.
 */
#include "weft/shardlock.h"

#include "check.h"
#include "team_test.h"

#include <errno.h>

static weft_shardlock lock;
static uint64_t left, right;
static weft_atomic_u64 reads;

static void reads_and_writes(void *arg, int index)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		int shard;

		if (i % 16 == index) {
			CHECK_EQ(weft_shardlock_write(&lock), 0);
			left++;
			right++;
			weft_shardlock_write_end(&lock);
			continue;
		}
		shard = weft_shardlock_read(&lock);
		CHECK_GE(shard, 0);
		CHECK_EQ(left, right);
		weft_add_relaxed(&reads, 1);
		weft_shardlock_read_end(&lock, shard);
	}
}

TEST(shardlock_writers_exclude_all)
{
	weft_shardlock_init(&lock);
	team_run(4, reads_and_writes, NULL);
	CHECK_EQ(left, 4 * 125);
	CHECK_EQ(weft_load_relaxed(&reads), 4 * 1875);
}

TEST(shardlock_readers_share)
{
	int a, b;

	weft_shardlock_init(&lock);
	a = weft_shardlock_read(&lock);
	b = weft_shardlock_read_until(&lock, 0);
	CHECK_GE(a, 0);
	CHECK_GE(b, 0);
	CHECK_EQ(weft_shardlock_write_until(&lock, 0), -ETIMEDOUT);
	weft_shardlock_read_end(&lock, a);
	CHECK_EQ(weft_shardlock_write_until(&lock, weft_after_ms(1)), -ETIMEDOUT);
	weft_shardlock_read_end(&lock, b);
	CHECK_EQ(weft_shardlock_write_until(&lock, 0), 0);
	CHECK_EQ(weft_shardlock_read_until(&lock, weft_after_ms(1)), -ETIMEDOUT);
	weft_shardlock_write_end(&lock);
	for (int i = 0; i < WEFT_SHARDLOCK_SHARDS; i++)
		CHECK_EQ(weft_semaphore_permits(&lock.shards[i].value), UINT32_MAX);
}

TEST(shardlock_shards_are_on_lines_of_their_own)
{
	CHECK_EQ(sizeof(lock), WEFT_SHARDLOCK_SHARDS * WEFT_CACHE_LINE);
	CHECK_EQ((uintptr_t)&lock % WEFT_CACHE_LINE, 0);
}
