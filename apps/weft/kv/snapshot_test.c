/* SPDX-License-Identifier: MIT */
/*
 * The snapshot of weft kv: it brings everything back; a file that is damaged anywhere is
 * refused and left alone, also one whose checksum was made to fit; a disk that is full
 * costs the new file, never the old one.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server.h"
#include "zset.h"

enum { DIGEST = 32 };

static uint64_t state = 2463534242u;

static uint32_t dice(uint32_t sides)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % sides;
}

/* ---- a place to work in, and files --------------------------------------------------- */

static char folder[64];

static void folder_remove(void)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -rf %s", folder);
	(void)!system(line);
}

static const char *path_of(const char *name, char path[128])
{
	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/tmp/weft-kv-XXXXXX");
		CHECK_NOT_NULL(mkdtemp(folder));
		atexit(folder_remove);
	}
	snprintf(path, 128, "%s/%s", folder, name);
	return path;
}

static void file_write(const char *path, const char *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	CHECK_NOT_NULL(f);
	CHECK_EQ(fwrite(bytes, 1, len, f), len);
	CHECK_EQ(fclose(f), 0);
}

static struct buf file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	struct buf b = { 0 };
	int c;

	CHECK_NOT_NULL(f);
	while ((c = getc(f)) != EOF)
		buf_char(&b, (char)c);
	fclose(f);
	return b;
}

/* What the program says on stderr while fn(arg) runs. */
static char *said_by(int (*fn)(struct kv_server *), struct kv_server *arg, int *result)
{
	static char text[512];
	int saved = dup(2), file = memfd_create("stderr", MFD_CLOEXEC);
	ssize_t n;

	CHECK_GE(file, 0);
	fflush(stderr);
	dup2(file, 2);
	*result = fn(arg);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	n = pread(file, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(file);
	return text;
}

/* ---- servers without a port ---------------------------------------------------------- */

static struct kv_server *server_new(const char *path)
{
	/* The shards have cache lines of their own. */
	struct kv_server *server = aligned_alloc(_Alignof(struct kv_server), sizeof(*server));

	CHECK(server != NULL);
	memset(server, 0, sizeof(*server));
	server->config.save = path;
	kv_store_init(&server->store);
	return server;
}

static void server_free(struct kv_server *server)
{
	kv_store_fini(&server->store);
	for (int i = 0; i < KV_SHARDS; i++)
		CHECK_EQ(weft_load_relaxed(&server->store.shards[i].heap.used), 0);
	free(server);
}

static void put(struct kv_server *server, struct kv_bytes key, struct kv_value *value,
		int64_t expires)
{
	uint64_t hash = kv_hash(key);

	value->expires = expires;
	kv_shard_put(&server->store.shards[kv_shard_of(hash)], key, hash, value);
}

static struct kv_heap *heap_of(struct kv_server *server, struct kv_bytes key)
{
	return &server->store.shards[kv_shard_of(kv_hash(key))].heap;
}

static struct kv_bytes text_of(const char *text)
{
	return (struct kv_bytes){ text, strlen(text) };
}

/* A value of the type with `items` items of any bytes. */
static void put_value(struct kv_server *server, enum kv_type type, const char *name, int items,
		      int64_t expires)
{
	static const double scores[] = { 0, -1.5, 1e300, 1.0 / 0.0, -1.0 / 0.0, 3 };
	struct kv_bytes key = text_of(name);
	struct kv_heap *heap = heap_of(server, key);
	struct kv_value *value;
	char text[300];

	for (size_t k = 0; k < sizeof(text); k++)
		text[k] = (char)dice(256);
	if (type == KV_STRING) {
		put(server, key,
		    &kv_string_new(heap, (struct kv_bytes){ text, (size_t)items }, 0)->base,
		    expires);
		return;
	}
	value = kv_value_new(heap, type);
	for (int i = 0; i < items; i++) {
		struct kv_bytes item = { text, 1 + dice(items < 10 ? 20 : 299) };

		memcpy(text, &i, 1);
		if (type == KV_LIST)
			kv_list_push(heap, (struct kv_list *)value, false,
				     kv_blob_new(heap, item));
		else if (type == KV_HASH)
			kv_table_set((struct kv_table *)value, item, text_of(name));
		else if (type == KV_SET)
			kv_table_add((struct kv_table *)value, item);
		else
			kv_zset_put((struct kv_zset *)value, item, scores[i % 6]);
	}
	put(server, key, value, expires);
}

static void fill(struct kv_server *server, int items)
{
	static const char *const names[] = { "string", "list", "hash", "set", "zset" };
	char name[32];

	put(server, text_of(""),
	    &kv_string_new(heap_of(server, text_of("")), text_of(""), 0)->base, 0);
	for (int type = KV_STRING; type < KV_ANY; type++) {
		put_value(server, type, names[type], items, 0);
		snprintf(name, sizeof(name), "%s that expires", names[type]);
		put_value(server, type, name, 1 + items / 2, kv_unix_ms() + 1000000);
	}
}

static bool equal_blobs(const struct kv_blob *a, const struct kv_blob *b)
{
	return kv_compare(kv_blob_bytes(a), kv_blob_bytes(b)) == 0;
}

static bool equal_tables(const struct kv_table *a, const struct kv_table *b)
{
	struct kv_walk walk = { 0 };
	const struct kv_entry *e, *f;

	while ((e = kv_dict_next(&a->dict, &walk)) != NULL) {
		f = kv_table_find(b, kv_key(e));
		if (!f || (a->base.type == KV_HASH && !equal_blobs(e->value, f->value)))
			return false;
	}
	return true;
}

static bool equal_values(const struct kv_value *a, const struct kv_value *b)
{
	const struct kv_list *l = (const struct kv_list *)a, *m = (const struct kv_list *)b;
	const struct kv_zset *z = (const struct kv_zset *)a, *y = (const struct kv_zset *)b;

	if (a->type != b->type || a->expires != b->expires ||
	    kv_value_count(a) != kv_value_count(b))
		return false;
	if (a->type == KV_STRING)
		return kv_compare(kv_string_bytes((const struct kv_string *)a),
				  kv_string_bytes((const struct kv_string *)b)) == 0;
	if (a->type == KV_LIST) {
		for (size_t i = 0; i < l->count; i++) {
			if (!equal_blobs(*kv_list_at(l, i), *kv_list_at(m, i)))
				return false;
		}
		return true;
	}
	if (a->type == KV_ZSET) {
		for (size_t i = 0; i < z->members.count; i++) {
			const struct kv_node *n = kv_zset_at(z, i), *o = kv_zset_at(y, i);

			if (n->score != o->score ||
			    kv_compare(kv_key(n->entry), kv_key(o->entry)) != 0)
				return false;
		}
		return true;
	}
	return equal_tables((const struct kv_table *)a, (const struct kv_table *)b);
}

static size_t count_keys(const struct kv_server *server)
{
	size_t n = 0;

	for (int i = 0; i < KV_SHARDS; i++)
		n += server->store.shards[i].keys.count;
	return n;
}

static void check_equal(const struct kv_server *a, const struct kv_server *b)
{
	CHECK_EQ(count_keys(a), count_keys(b));
	for (int i = 0; i < KV_SHARDS; i++) {
		struct kv_walk walk = { 0 };
		const struct kv_entry *e, *f;

		CHECK_EQ(a->store.shards[i].expiring, b->store.shards[i].expiring);
		while ((e = kv_dict_next(&a->store.shards[i].keys, &walk)) != NULL) {
			f = kv_dict_find(&b->store.shards[i].keys, kv_key(e), e->hash);
			CHECK_NOT_NULL(f);
			CHECK(equal_values(e->value, f->value));
		}
	}
}

static struct kv_server *saved(const char *path, int items)
{
	struct kv_server *server = server_new(path);

	fill(server, items);
	CHECK_EQ(kv_save(server), 0);
	return server;
}

/* ---- there and back -------------------------------------------------------------------- */

TEST(snapshot_brings_everything_back)
{
	char path[128];

	path_of("all", path);
	for (int items = 1; items < 300; items = items * 3 + 1) {
		struct kv_server *a = saved(path, items), *b = server_new(path);

		CHECK_EQ(kv_load(b), 0);
		check_equal(a, b);
		server_free(b);
		server_free(a);
	}
}

TEST(snapshot_of_nothing_is_a_file)
{
	char path[128];
	struct kv_server *server = server_new(path_of("nothing", path));

	CHECK_EQ(kv_load(server), 0); /* there is none yet */
	CHECK_EQ(kv_save(server), 0);
	CHECK_EQ(kv_load(server), 0);
	CHECK_EQ(count_keys(server), 0);
	server_free(server);
}

TEST(snapshot_leaves_out_what_expired_since)
{
	char path[128];
	struct kv_server *server = server_new(path_of("expired", path));

	put_value(server, KV_LIST, "gone", 3, kv_unix_ms());
	put_value(server, KV_LIST, "here", 3, kv_unix_ms() + 1000000);
	CHECK_EQ(kv_save(server), 0);
	server_free(server);
	server = server_new(path);
	CHECK_EQ(kv_load(server), 0);
	CHECK_EQ(count_keys(server), 1);
	server_free(server);
}

/* ---- damage ------------------------------------------------------------------------------ */

static void check_refused(const char *path)
{
	struct kv_server *server = server_new(path);
	struct buf before = file_read(path), after;
	int err;
	const char *said = said_by(kv_load, server, &err);

	CHECK_EQ(err, -EBADMSG);
	CHECK_NOT_NULL(strstr(said, "is damaged"));
	CHECK_NOT_NULL(strstr(said, path));
	after = file_read(path);
	CHECK_EQ(after.len, before.len);
	if (after.len)
		CHECK_MEM_EQ(after.at, before.at, before.len);
	buf_free(&before);
	buf_free(&after);
	server_free(server);
}

TEST(snapshot_with_any_byte_changed_is_refused)
{
	char path[128];
	struct buf whole;

	server_free(saved(path_of("changed", path), 1));
	whole = file_read(path);
	for (size_t i = 0; i < whole.len; i++) {
		char is = whole.at[i];

		whole.at[i] = (char)(is ^ (1 << i % 8));
		file_write(path, whole.at, whole.len);
		check_refused(path);
		whole.at[i] = is;
	}
	buf_free(&whole);
}

TEST(snapshot_cut_anywhere_is_refused)
{
	char path[128];
	struct buf whole;

	server_free(saved(path_of("cut", path), 1));
	whole = file_read(path);
	for (size_t len = 0; len < whole.len; len++) {
		file_write(path, whole.at, len);
		check_refused(path);
	}
	buf_char(&whole, 'x');
	file_write(path, whole.at, whole.len);
	check_refused(path);
	buf_free(&whole);
}

/* Someone may write what they want and a checksum that fits: it is loaded or refused,
 * and nothing is read outside the file or left in memory (a sanitizer watches). No
 * empty value comes of it, which commands would not expect. */
TEST(snapshot_with_a_checksum_that_fits_is_safe)
{
	char path[128];
	struct buf whole;
	int refused = 0;

	server_free(saved(path_of("forged", path), 3));
	whole = file_read(path);
	for (int round = 0; round < 1000; round++) {
		struct kv_server *server = server_new(path);
		char *copy = malloc(whole.len);
		size_t len = whole.len;
		int err;

		CHECK(copy != NULL);
		memcpy(copy, whole.at, len);
		for (uint32_t n = 1 + dice(3); n > 0; n--)
			copy[10 + dice((uint32_t)len - DIGEST - 10)] = (char)dice(256);
		CHECK(EVP_Digest(copy, len - DIGEST, (unsigned char *)copy + len - DIGEST, NULL,
				 EVP_sha256(), NULL));
		file_write(path, copy, len);
		said_by(kv_load, server, &err);
		CHECK(err == 0 || err == -EBADMSG);
		refused += err != 0;
		for (int i = 0; err == 0 && i < KV_SHARDS; i++) {
			struct kv_walk walk = { 0 };
			const struct kv_entry *e;

			while ((e = kv_dict_next(&server->store.shards[i].keys, &walk)) != NULL)
				CHECK_GT(kv_value_count(e->value), 0);
		}
		free(copy);
		server_free(server);
	}
	CHECK_GT(refused, 50);
	buf_free(&whole);
}

TEST(snapshot_of_empty_values_is_refused)
{
	static const char record[] = "weft kv 1\n\1\0\0\0\0\0\0\0\0\1k\0\xff";
	char path[128], bytes[sizeof(record) - 1 + DIGEST];
	size_t len = sizeof(record) - 1;

	memcpy(bytes, record, len);
	CHECK(EVP_Digest(bytes, len, (unsigned char *)bytes + len, NULL, EVP_sha256(), NULL));
	file_write(path_of("empty-values", path), bytes, sizeof(bytes));
	check_refused(path);
}

/* ---- disks -------------------------------------------------------------------------------- */

static void check_alone(const char *dir, const char *file)
{
	char line[256], count[16] = "";
	FILE *f;

	snprintf(line, sizeof(line), "ls -A %s | grep -v -x -c %s", dir, file);
	f = popen(line, "r");
	CHECK_NOT_NULL(f);
	CHECK_NOT_NULL(fgets(count, sizeof(count), f));
	pclose(f);
	CHECK_EQ(atoi(count), 0);
}

/* Saving fails with `err`, says so, and what was saved before is there, alone. */
static void check_old_stays(struct kv_server *server, int err)
{
	struct buf before = file_read(server->config.save), after;
	const char *said;
	int result;

	put_value(server, KV_LIST, "large", 250, 0);
	said = said_by(kv_save, server, &result);
	CHECK_EQ(result, err);
	CHECK_NOT_NULL(strstr(said, "cannot save to"));
	CHECK_NOT_NULL(strstr(said, strerror(-err)));
	after = file_read(server->config.save);
	CHECK_EQ(after.len, before.len);
	CHECK_MEM_EQ(after.at, before.at, before.len);
	buf_free(&before);
	buf_free(&after);
}

TEST(snapshot_too_large_for_the_process_leaves_the_old_one)
{
	struct rlimit limit = { 16 * 1024, 16 * 1024 }, was;
	char dir[128], path[128];
	struct kv_server *server;

	CHECK_EQ(mkdir(path_of("limited", dir), 0700), 0);
	server = saved(path_of("limited/file", path), 1);
	signal(SIGXFSZ, SIG_IGN);
	CHECK_EQ(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit.rlim_max = was.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	check_old_stays(server, -EFBIG);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &was), 0);
	check_alone(dir, "file");
	server_free(server);
}

TEST(snapshot_on_a_full_disk_leaves_the_old_one)
{
	char dir[128], path[128];
	struct kv_server *server;

	CHECK_EQ(mkdir(path_of("disk", dir), 0700), 0);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("weft", dir, "tmpfs", 0, "size=16k") < 0)
		SKIP("only root may mount a small disk");
	server = saved(path_of("disk/file", path), 1);
	check_old_stays(server, -ENOSPC);
	check_alone(dir, "file");
	server_free(server);
	umount(dir);
}

TEST(snapshot_into_a_folder_that_is_not_there)
{
	char path[128];
	struct kv_server *server = server_new(path_of("not/there", path));
	const char *said;
	int err;

	CHECK_EQ(kv_load(server), 0);
	fill(server, 1);
	said = said_by(kv_save, server, &err);
	CHECK_EQ(err, -ENOENT);
	CHECK_NOT_NULL(strstr(said, "cannot save to"));
	server_free(server);
}

TEST(snapshot_that_is_a_folder_is_refused)
{
	char path[128];
	struct kv_server *server;
	const char *said;
	int err;

	CHECK_EQ(mkdir(path_of("folder", path), 0700), 0);
	server = server_new(path);
	said = said_by(kv_load, server, &err);
	CHECK_EQ(err, -EISDIR);
	CHECK_NOT_NULL(strstr(said, "cannot load"));
	said = said_by(kv_save, server, &err);
	CHECK_EQ(err, -EISDIR);
	server_free(server);
}
