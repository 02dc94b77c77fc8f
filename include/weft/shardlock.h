/* SPDX-License-Identifier: MIT */
/*
 * A sharded lock: many read, seldom one writes. A reader takes one of the shards, the one
 * of its CPU, so that readers on different CPUs write to different cache lines; a writer
 * takes all of them, one after the other. So reading costs what an uncontended lock does,
 * on any number of CPUs, and writing costs that eight times.
 *
 *     int shard = weft_shardlock_read(&lock);
 *     if (shard >= 0) {
 *         ...
 *         weft_shardlock_read_end(&lock, shard);
 *     }
 *
 * To be initialised; nothing to destroy. 1 KiB. Held across waits and by fibers that
 * change their thread like any lock of Weft.
 */
#ifndef WEFT_SHARDLOCK_H
#define WEFT_SHARDLOCK_H

#include <weft/base.h>
#include <weft/semaphore.h>

WEFT_BEGIN_DECLS

#define WEFT_SHARDLOCK_SHARDS 8

typedef struct weft_shardlock {
	WEFT_PADDED(weft_semaphore) shards[WEFT_SHARDLOCK_SHARDS];
} weft_shardlock;

WEFT_API void weft_shardlock_init(weft_shardlock *lock);

/* Locks to read, beside other readers: the shard, >= 0, for read_end; or -ECANCELED,
 * -ETIMEDOUT. A reader waits behind a writer that waits. Not again by who reads already:
 * a writer between the two would wait for the first, and the second for the writer. */
WEFT_API WEFT_NODISCARD int weft_shardlock_read(weft_shardlock *lock);
WEFT_API WEFT_NODISCARD int weft_shardlock_read_until(weft_shardlock *lock, int64_t deadline);
WEFT_API void weft_shardlock_read_end(weft_shardlock *lock, int shard);

/* Locks to write, alone: 0, -ECANCELED, -ETIMEDOUT, and then nothing is held. */
WEFT_API WEFT_NODISCARD int weft_shardlock_write(weft_shardlock *lock);
WEFT_API WEFT_NODISCARD int weft_shardlock_write_until(weft_shardlock *lock, int64_t deadline);
WEFT_API void weft_shardlock_write_end(weft_shardlock *lock);

WEFT_END_DECLS

#endif
