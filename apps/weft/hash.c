/* SPDX-License-Identifier: MIT */
/*
 * Hashing by OpenSSL's EVP; see hash.h.
 *
 * EVP_sha256() would look the implementation up at each start; a fetched method
 * is looked up once, and restarting a context that already has it is cheap. That
 * matters for small files.
 *
 * Files are read and not mapped. Mapping measured a tenth faster on large files in
 * the page cache, but a file that another process cuts short while it is mapped
 * kills the reader.
 */
#include "hash.h"

#include "stop.h"

#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static EVP_MD *sha256;

int hash_setup(void)
{
	if (sha256)
		return 0;
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	return sha256 ? 0 : -ENOTSUP;
}

int hasher_init(struct hasher *h, size_t size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	h->context = context;
	h->size = size;
	if (posix_memalign((void **)&h->buffer, 4096, size) != 0)
		h->buffer = NULL;
	if (context && h->buffer && EVP_DigestInit_ex2(context, sha256, NULL))
		return 0;
	hasher_fini(h);
	return -ENOMEM;
}

void hasher_fini(struct hasher *h)
{
	EVP_MD_CTX_free(h->context);
	free(h->buffer);
	*h = (struct hasher){ 0 };
}

static ssize_t read_piece(struct hasher *h, const struct hash_job *job)
{
	ssize_t n;

	do {
		if (job->may_block) {
			int err = stop_poll(job->fd, POLLIN);

			if (err)
				return err;
		}
		n = read(job->fd, h->buffer, h->size);
	} while (n < 0 && (errno == EINTR || (errno == EAGAIN && job->may_block)));
	return n < 0 ? -errno : n;
}

int hasher_run(struct hasher *h, struct hash_job *job)
{
	job->bytes = 0;
	/* NULL: the same algorithm again. */
	if (!EVP_DigestInit_ex2(h->context, NULL, NULL))
		return -ENOTSUP;
	for (;;) {
		ssize_t n = read_piece(h, job);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		if (!EVP_DigestUpdate(h->context, h->buffer, (size_t)n))
			return -ENOTSUP;
		job->bytes += (uint64_t)n;
		int err = job->step ? job->step(job->context, (size_t)n) : 0;
		if (err)
			return err;
	}
	return EVP_DigestFinal_ex(h->context, job->digest, NULL) ? 0 : -ENOTSUP;
}
