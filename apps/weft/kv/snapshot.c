/* SPDX-License-Identifier: MIT */
/*
 * The snapshot of `weft kv`: all keys of one moment, in a file.
 *
 *     "weft kv 1\n"  records  0xff  SHA-256 of all that
 *
 * A record is its type, the Unix time in ms at which it expires (0: never) in eight
 * bytes, its key, and its value: a string, or a number of items and these. Numbers and
 * lengths are little-endian, seven bits a byte, the eighth bit says that more follow.
 *
 * It is put together in memory under the locks of all shards and written outside them,
 * to a temporary file that is synced and then renamed: whoever is interrupted, the file
 * is the old one or the new one, whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/blocking.h>

#include "server.h"
#include "zset.h"

static const char magic[] = "weft kv 1\n";

enum { END = 0xff, DIGEST = 32 };

static bool digest(const char *bytes, size_t len, unsigned char out[DIGEST])
{
	return EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL) == 1;
}

/* ---- writing ------------------------------------------------------------------------- */

static void put_number(struct buf *b, uint64_t n)
{
	for (; n > 127; n >>= 7)
		buf_char(b, (char)(n | 128));
	buf_char(b, (char)n);
}

static void put_bytes(struct buf *b, struct kv_bytes bytes)
{
	put_number(b, bytes.len);
	buf_bytes(b, bytes.at, bytes.len);
}

static void put_table(struct buf *b, const struct kv_table *t)
{
	struct kv_walk walk = { 0 };
	const struct kv_entry *e;

	while ((e = kv_dict_next(&t->dict, &walk)) != NULL) {
		put_bytes(b, kv_key(e));
		if (t->base.type == KV_HASH)
			put_bytes(b, kv_blob_bytes(e->value));
	}
}

static void put_value(struct buf *b, const struct kv_value *value)
{
	const struct kv_list *l = (const struct kv_list *)value;
	const struct kv_zset *z = (const struct kv_zset *)value;

	if (value->type == KV_STRING) {
		put_bytes(b, kv_string_bytes((const struct kv_string *)value));
		return;
	}
	put_number(b, kv_value_count(value));
	if (value->type == KV_LIST) {
		for (size_t i = 0; i < l->count; i++)
			put_bytes(b, kv_blob_bytes(*kv_list_at(l, i)));
	} else if (value->type == KV_ZSET) {
		for (struct kv_node *n = z->head->link[0].next; n; n = kv_node_next(n)) {
			put_bytes(b, kv_key(n->entry));
			buf_bytes(b, &n->score, sizeof(n->score));
		}
	} else {
		put_table(b, (const struct kv_table *)value);
	}
}

static void put_all(struct buf *b, const struct kv_store *store)
{
	buf_str(b, magic);
	for (int i = 0; i < KV_SHARDS; i++) {
		struct kv_walk walk = { 0 };
		const struct kv_entry *e;

		while ((e = kv_dict_next(&store->shards[i].keys, &walk)) != NULL) {
			const struct kv_value *value = e->value;

			buf_char(b, (char)value->type);
			buf_bytes(b, &value->expires, sizeof(value->expires));
			put_bytes(b, kv_key(e));
			put_value(b, value);
		}
	}
	buf_char(b, (char)END);
}

struct job {
	const char *path;
	struct buf *bytes;
};

static int write_whole(int fd, const struct buf *b)
{
	for (size_t done = 0; done < b->len;) {
		ssize_t n = write(fd, b->at + done, b->len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

/* A rename lasts once its folder is synced. */
static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, err = 0;

	free(folder);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0 && errno != EINVAL)
		err = -errno;
	close(fd);
	return err;
}

/* Opens what is renamed later, beside the file: its descriptor or -errno. *name is the
 * caller's to free. */
static int open_temporary(const char *path, char **name)
{
	int fd;

	if (asprintf(name, "%s.%d.tmp", path, (int)getpid()) < 0) {
		*name = NULL;
		return -ENOMEM;
	}
	fd = open(*name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

static int write_file(void *arg)
{
	const struct job *job = arg;
	char *temporary;
	int fd = open_temporary(job->path, &temporary);
	int err = fd < 0 ? fd : write_whole(fd, job->bytes);

	if (fd >= 0 && close(fd) < 0 && err == 0)
		err = -errno;
	if (err == 0 && rename(temporary, job->path) < 0)
		err = -errno;
	if (err == 0)
		err = sync_folder(job->path);
	else if (fd >= 0)
		unlink(temporary);
	free(temporary);
	return err;
}

static int complain(const struct kv_server *server, const char *what, int err)
{
	fprintf(stderr, "weft kv: %s %s: %s\n", what, server->config.save, strerror(-err));
	return err;
}

int kv_check_save(const struct kv_server *server)
{
	char *temporary;
	int fd = open_temporary(server->config.save, &temporary);

	if (fd >= 0) {
		close(fd);
		unlink(temporary);
	}
	free(temporary);
	return fd < 0 ? complain(server, "cannot save to", fd) : 0;
}

int kv_save(struct kv_server *server)
{
	unsigned char sum[DIGEST];
	struct buf b = { 0 };
	struct job job = { server->config.save, &b };
	int err = 0;

	weft_mutex_lock(&server->saving);
	kv_store_lock(&server->store, KV_ALL);
	put_all(&b, &server->store);
	kv_store_unlock(&server->store, KV_ALL);
	if (!buf_ok(&b) || !digest(b.at, b.len, sum))
		err = -ENOMEM;
	buf_bytes(&b, sum, sizeof(sum));
	if (err == 0 && !buf_ok(&b))
		err = -ENOMEM;
	if (err == 0)
		err = weft_blocking(write_file, &job);
	if (err == 0)
		weft_store_relaxed(&server->saved, kv_unix_ms() / 1000);
	weft_mutex_unlock(&server->saving);
	buf_free(&b);
	return err ? complain(server, "cannot save to", err) : 0;
}

/* ---- reading ------------------------------------------------------------------------- */

/* What is left of the file; `bad` once something was not as it should be. */
struct reader {
	const char *at, *end;
	bool bad;
};

static bool get(struct reader *r, void *out, size_t len)
{
	if (r->bad || (size_t)(r->end - r->at) < len) {
		r->bad = true;
		return false;
	}
	memcpy(out, r->at, len);
	r->at += len;
	return true;
}

static uint64_t get_number(struct reader *r)
{
	uint64_t n = 0;
	unsigned char byte = 128;

	for (int shift = 0; byte & 128; shift += 7) {
		if (shift > 56 || !get(r, &byte, 1)) {
			r->bad = true;
			return 0;
		}
		n |= (uint64_t)(byte & 127) << shift;
	}
	return n;
}

static struct kv_bytes get_bytes(struct reader *r)
{
	uint64_t len = get_number(r);
	struct kv_bytes bytes = { r->at, len };

	if (r->bad || (uint64_t)(r->end - r->at) < len) {
		r->bad = true;
		return (struct kv_bytes){ "", 0 };
	}
	r->at += len;
	return bytes;
}

static void get_item(struct reader *r, struct kv_heap *heap, struct kv_value *value)
{
	struct kv_bytes text = get_bytes(r);
	double score;

	if (r->bad)
		return;
	if (value->type == KV_LIST)
		kv_list_push(heap, (struct kv_list *)value, false, kv_blob_new(heap, text));
	else if (value->type == KV_HASH)
		kv_table_set((struct kv_table *)value, text, get_bytes(r));
	else if (value->type == KV_SET)
		kv_table_add((struct kv_table *)value, text);
	else if (get(r, &score, sizeof(score)) && !isnan(score))
		kv_zset_put((struct kv_zset *)value, text, score);
	else
		r->bad = true;
}

static bool get_record(struct reader *r, struct kv_store *store, int64_t now)
{
	struct kv_value *value;
	struct kv_shard *shard;
	struct kv_bytes key;
	unsigned char type;
	int64_t expires;

	if (!get(r, &type, 1) || type == END || type >= KV_ANY ||
	    !get(r, &expires, sizeof(expires))) {
		r->bad |= type != END;
		return false;
	}
	key = get_bytes(r);
	shard = &store->shards[kv_shard_of(kv_hash(key))];
	if (type == KV_STRING) {
		value = &kv_string_new(&shard->heap, get_bytes(r), 0)->base;
	} else {
		uint64_t items = get_number(r);

		value = kv_value_new(&shard->heap, type);
		r->bad |= items == 0;
		while (items-- > 0 && !r->bad)
			get_item(r, &shard->heap, value);
	}
	value->expires = expires;
	if (r->bad || (expires && expires <= now))
		kv_value_free(&shard->heap, value);
	else
		kv_shard_put(shard, key, kv_hash(key), value);
	return !r->bad;
}

static int parse(struct kv_server *server, const char *bytes, size_t len)
{
	unsigned char sum[DIGEST];
	int64_t now = kv_unix_ms();
	struct reader r;

	if (len < sizeof(magic) - 1 + DIGEST || memcmp(bytes, magic, sizeof(magic) - 1) != 0)
		return -EBADMSG;
	r = (struct reader){ bytes + sizeof(magic) - 1, bytes + len - DIGEST, false };
	if (!digest(bytes, len - DIGEST, sum) || memcmp(sum, r.end, DIGEST) != 0)
		return -EBADMSG;
	while (get_record(&r, &server->store, now))
		;
	return r.bad || r.at != r.end ? -EBADMSG : 0;
}

static int read_whole(int fd, struct buf *b)
{
	char piece[64 * 1024];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			buf_bytes(b, piece, (size_t)n);
		if (!buf_ok(b))
			return -ENOMEM;
	}
	return 0;
}

int kv_load(struct kv_server *server)
{
	int fd = open(server->config.save, O_RDONLY | O_CLOEXEC), err;
	struct buf b = { 0 };

	if (fd < 0 && errno == ENOENT)
		return 0;
	err = fd < 0 ? -errno : read_whole(fd, &b);
	if (fd >= 0)
		close(fd);
	if (err == 0)
		err = parse(server, b.at, b.len);
	buf_free(&b);
	if (err == -EBADMSG)
		fprintf(stderr,
			"weft kv: %s is damaged or is no snapshot; it is left as it is. Give "
			"another file to --save, or move this one away\n",
			server->config.save);
	else if (err)
		complain(server, "cannot load", err);
	return err;
}
