/* SPDX-License-Identifier: MIT */
/*
 * The sharded lock: a semaphore a shard. A reader takes one permit of one shard, a writer
 * all permits of all, in order, so that two writers do not wait for each other. All that
 * waiting is about, turns and deadlines and fibers, is the semaphore's.
 *
 * A writer is never overtaken for ever: a semaphore stops handing out permits in front of
 * a request that was passed over too often.
 */
#include "weft/shardlock.h"

#include "sys/sys.h"

/* More than there can be readers at a time. */
#define PERMITS UINT32_MAX

void weft_shardlock_init(weft_shardlock *lock)
{
	for (int i = 0; i < WEFT_SHARDLOCK_SHARDS; i++)
		weft_semaphore_init(&lock->shards[i].value, PERMITS);
}

int weft_shardlock_read(weft_shardlock *lock)
{
	return weft_shardlock_read_until(lock, WEFT_NEVER);
}

int weft_shardlock_read_until(weft_shardlock *lock, int64_t deadline)
{
	int shard = (int)(weft__cpu_current() % WEFT_SHARDLOCK_SHARDS);
	int err = weft_semaphore_acquire_until(&lock->shards[shard].value, 1, deadline);

	return err ? err : shard;
}

void weft_shardlock_read_end(weft_shardlock *lock, int shard)
{
	weft_semaphore_release(&lock->shards[shard].value, 1);
}

int weft_shardlock_write(weft_shardlock *lock)
{
	return weft_shardlock_write_until(lock, WEFT_NEVER);
}

static void release(weft_shardlock *lock, int count)
{
	while (count-- > 0)
		weft_semaphore_release(&lock->shards[count].value, PERMITS);
}

int weft_shardlock_write_until(weft_shardlock *lock, int64_t deadline)
{
	for (int i = 0; i < WEFT_SHARDLOCK_SHARDS; i++) {
		weft_semaphore *shard = &lock->shards[i].value;
		int err = weft_semaphore_acquire_until(shard, PERMITS, deadline);

		if (err) {
			release(lock, i);
			return err;
		}
	}
	return 0;
}

void weft_shardlock_write_end(weft_shardlock *lock)
{
	release(lock, WEFT_SHARDLOCK_SHARDS);
}
