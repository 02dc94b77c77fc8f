/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 of what a descriptor gives, by OpenSSL.
 */
#ifndef WEFT_APP_HASH_H
#define WEFT_APP_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE 32

/* One for each thread that hashes. */
struct hasher {
	void *context; /* EVP_MD_CTX */
	uint8_t *buffer;
	size_t size;
};

/* Looks the algorithm up, once for the process: hashing threads share it. 0 or
 * -ENOTSUP when OpenSSL has none. Not thread-safe. */
int hash_setup(void);

/* 0 or -ENOMEM. `size` is the bytes read at a time. */
int hasher_init(struct hasher *h, size_t size);
void hasher_fini(struct hasher *h);

/* Called after each piece of `bytes`; anything but 0 ends the hashing with it. */
typedef int (*hash_step_fn)(void *context, size_t bytes);

struct hash_job {
	int fd;
	bool may_block; /* wait for data so that a signal can interrupt */
	hash_step_fn step;
	void *context;
	uint64_t bytes; /* out: how many there were */
	uint8_t digest[HASH_SIZE];
};

/* Reads fd to its end. 0, -errno of reading, what `step` returned, -ENOTSUP when
 * OpenSSL failed. */
int hasher_run(struct hasher *h, struct hash_job *job);

#endif
