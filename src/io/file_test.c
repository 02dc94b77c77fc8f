/* SPDX-License-Identifier: MIT */
/*
 * Goal: files do what <weft/file.h> says, from fibers and from threads, and a call that
 * was ended leaves the caller's memory alone. Method: each test runs twice, on a fiber
 * and on a plain thread, in a directory of its own.
 */
/* CTest: on each reactor. */
#include "weft/file.h"

#include "check.h"
#include "rt/poller.h"
#include "weft/cancel.h"
#include "weft/fiber.h"
#include "weft/net.h"
#include "weft/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

static const char *in_directory(const char *name)
{
	static char path[2][128];
	static int turn;

	turn ^= 1;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", directory, name);
	return path[turn];
}

/* Runs it on a fiber, then on this thread. */
static void both_ways(weft_fiber_fn fn)
{
	for (int i = 0; i < 2; i++) {
		strcpy(directory, "/tmp/weft-file-XXXXXX");
		CHECK_NOT_NULL(mkdtemp(directory));
		if (i == 0)
			CHECK_EQ(weft_block_on(NULL, fn, NULL, NULL), 0);
		else
			fn(NULL);
		CHECK_EQ(rmdir(directory), 0);
	}
}

static int write_and_read(void *arg)
{
	char text[] = "abcdefghij", a[4], b[16];
	weft_iovec out[] = { { text, 3 }, { text + 3, 7 } };
	weft_iovec in[] = { { a, 4 }, { b, 16 } };
	weft_file *file;
	weft_file_info info;

	(void)arg;
	CHECK_EQ(weft_file_open(&file, in_directory("f"), WEFT_FILE_READ, 0), -ENOENT);
	CHECK_NULL(file);
	CHECK_EQ(weft_file_open(&file, in_directory("f"),
				WEFT_FILE_READ | WEFT_FILE_WRITE | WEFT_FILE_CREATE, 0600),
		 0);
	CHECK_EQ(weft_file_read(file, b, sizeof(b)), 0);
	CHECK_EQ(weft_file_writev_until(file, out, 2, WEFT_NEVER), 10);
	CHECK_EQ(weft_file_read(file, b, sizeof(b)), 0);
	CHECK_EQ(weft_file_read_at_until(file, b, sizeof(b), 8, WEFT_NEVER), 2);
	CHECK_MEM_EQ(b, "ij", 2);
	CHECK_EQ(weft_file_read_at_until(file, b, sizeof(b), 10, WEFT_NEVER), 0);
	CHECK_EQ(weft_file_write_at_until(file, "XY", 2, 2, WEFT_NEVER), 2);
	CHECK_EQ(weft_file_read_at_until(file, b, 2, -1, WEFT_NEVER), -EINVAL);
	CHECK_EQ(weft_file_sync(file, true), 0);
	CHECK_EQ(weft_file_sync(file, false), 0);
	CHECK_EQ(weft_file_stat(file, &info), 0);
	CHECK_EQ(info.kind, WEFT_KIND_FILE);
	CHECK_EQ(info.size, 10);
	CHECK_EQ(info.mode, 0600);
	CHECK_EQ(weft_file_close(file), 0);

	CHECK_EQ(weft_file_open(&file, in_directory("f"), WEFT_FILE_READ, 0), 0);
	CHECK_EQ(weft_file_readv_until(file, in, 2, WEFT_NEVER), 10);
	CHECK_MEM_EQ(a, "abXY", 4);
	CHECK_MEM_EQ(b, "efghij", 6);
	CHECK_EQ(weft_file_write(file, "x", 1), -EBADF);
	CHECK_EQ(weft_file_close(file), 0);
	CHECK_EQ(weft_path_remove(in_directory("f")), 0);
	return 0;
}

TEST(file_is_written_and_read)
{
	both_ways(write_and_read);
}

static int open_with_flags(void *arg)
{
	const unsigned make = WEFT_FILE_WRITE | WEFT_FILE_CREATE;
	weft_file_info info;
	weft_file *file;

	(void)arg;
	CHECK_EQ(weft_file_open(&file, in_directory("f"), 0, 0), -EINVAL);
	CHECK_EQ(weft_file_open(&file, in_directory("f"), WEFT_FILE_READ | WEFT_FILE_APPEND, 0),
		 -EINVAL);
	CHECK_EQ(weft_file_open(&file, in_directory("f"), WEFT_FILE_READ | 0x1000, 0), -EINVAL);
	CHECK_EQ(weft_file_open(&file, in_directory("f"), make | WEFT_FILE_EXCLUSIVE, 0644), 0);
	CHECK_EQ(weft_file_write(file, "12345", 5), 0);
	CHECK_EQ(weft_file_close(file), 0);
	CHECK_EQ(weft_file_open(&file, in_directory("f"), make | WEFT_FILE_EXCLUSIVE, 0644),
		 -EEXIST);
	CHECK_EQ(weft_file_open(&file, in_directory("f"), WEFT_FILE_WRITE | WEFT_FILE_APPEND, 0),
		 0);
	CHECK_EQ(weft_file_write(file, "678", 3), 0);
	CHECK_EQ(weft_file_stat(file, &info), 0);
	CHECK_EQ(info.size, 8);
	CHECK_EQ(weft_file_truncate(file, 3), 0);
	CHECK_EQ(weft_file_truncate(file, -1), -EINVAL);
	CHECK_EQ(weft_file_close(file), 0);
	CHECK_EQ(weft_path_stat(in_directory("f"), false, &info), 0);
	CHECK_EQ(info.size, 3);
	CHECK_EQ(weft_file_open(&file, in_directory("f"), make | WEFT_FILE_TRUNCATE, 0644), 0);
	CHECK_EQ(weft_file_close(file), 0);
	CHECK_EQ(weft_path_stat(in_directory("f"), false, &info), 0);
	CHECK_EQ(info.size, 0);
	CHECK_EQ(symlink("f", in_directory("l")), 0);
	CHECK_EQ(weft_path_stat(in_directory("l"), true, &info), 0);
	CHECK_EQ(info.kind, WEFT_KIND_LINK);
	CHECK_EQ(weft_path_stat(in_directory("l"), false, &info), 0);
	CHECK_EQ(info.kind, WEFT_KIND_FILE);
	CHECK_EQ(weft_file_open(&file, in_directory("l"), WEFT_FILE_READ | WEFT_FILE_NO_FOLLOW, 0),
		 -ELOOP);
	CHECK_EQ(weft_path_remove(in_directory("l")), 0);
	CHECK_EQ(weft_path_remove(in_directory("f")), 0);
	return 0;
}

TEST(file_flags_mean_what_they_say)
{
	both_ways(open_with_flags);
}

enum { MANY = 300 };

static int make_and_list(void *arg)
{
	bool seen[MANY] = { false };
	weft_file *file;
	weft_dir dir;
	char name[16];

	(void)arg;
	CHECK_EQ(weft_dir_list(directory, &dir), 0);
	CHECK_EQ(dir.count, 0);
	weft_dir_free(&dir);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		CHECK_EQ(weft_file_open(&file, in_directory(name),
					WEFT_FILE_WRITE | WEFT_FILE_CREATE, 0644),
			 0);
		CHECK_EQ(weft_file_close(file), 0);
	}
	CHECK_EQ(weft_path_rename(in_directory("n7"), in_directory("n7 moved")), 0);
	CHECK_EQ(weft_path_rename(in_directory("n7 moved"), in_directory("n7")), 0);
	CHECK_EQ(weft_path_make_directory(in_directory("d"), 0755), 0);
	CHECK_EQ(weft_path_sync_directory(directory), 0);
	CHECK_EQ(weft_dir_list(directory, &dir), 0);
	CHECK_EQ(dir.count, MANY + 1);
	for (size_t i = 0; i < dir.count; i++) {
		if (dir.entries[i].name[0] == 'd')
			continue;
		CHECK_EQ(dir.entries[i].name[0], 'n');
		seen[atoi(dir.entries[i].name + 1)] = true;
		CHECK_EQ(weft_path_remove(in_directory(dir.entries[i].name)), 0);
	}
	weft_dir_free(&dir);
	for (int i = 0; i < MANY; i++)
		CHECK(seen[i]);
	CHECK_EQ(weft_path_remove(in_directory("d")), -EISDIR);
	CHECK_EQ(weft_path_remove_directory(in_directory("d")), 0);
	CHECK_EQ(weft_dir_list(in_directory("d"), &dir), -ENOENT);
	return 0;
}

TEST(file_directory_is_listed)
{
	both_ways(make_and_list);
}

enum { BIG = 3 * 1024 * 1024 + 17 };

/* From memory, and from the disk after the system was asked to forget it. */
static int read_cold(void *arg)
{
	unsigned char *out = malloc(BIG), *in = calloc(1, BIG);
	weft_file *file;
	size_t done;
	int64_t at = 0, n;

	(void)arg;
	for (size_t i = 0; i < BIG; i++)
		out[i] = (unsigned char)(i * 31 >> 5);
	CHECK_EQ(weft_file_open(&file, in_directory("f"),
				WEFT_FILE_READ | WEFT_FILE_WRITE | WEFT_FILE_CREATE, 0600),
		 0);
	CHECK_EQ(weft_file_write_all_until(file, out, BIG, &done, WEFT_NEVER), 0);
	CHECK_EQ(done, BIG);
	CHECK_EQ(weft_file_sync(file, false), 0);
	CHECK_EQ(posix_fadvise(weft_file_fd(file), 0, 0, POSIX_FADV_DONTNEED), 0);
	while ((n = weft_file_read_at_until(file, in + at, BIG - (size_t)at, at, WEFT_NEVER)) > 0)
		at += n;
	CHECK_EQ(n, 0);
	CHECK_EQ(at, BIG);
	CHECK_MEM_EQ(in, out, BIG);
	CHECK_EQ(weft_file_close(file), 0);
	CHECK_EQ(weft_path_remove(in_directory("f")), 0);
	free(in);
	free(out);
	return 0;
}

TEST(file_is_read_from_the_disk)
{
	both_ways(read_cold);
}

static int cancelled(void *arg)
{
	weft_token token;
	weft_file *file;
	weft_file_info info;
	weft_dir dir;

	(void)arg;
	weft_token_init(&token, NULL);
	weft_token_cancel(&token);
	weft_ambient_set(&token);
	CHECK_EQ(
		weft_file_open(&file, in_directory("f"), WEFT_FILE_WRITE | WEFT_FILE_CREATE, 0644),
		-ECANCELED);
	CHECK_EQ(weft_path_make_directory(in_directory("f"), 0755), -ECANCELED);
	CHECK_EQ(weft_path_rename(in_directory("f"), in_directory("g")), -ECANCELED);
	CHECK_EQ(weft_path_stat(directory, false, &info), -ECANCELED);
	CHECK_EQ(weft_dir_list(directory, &dir), -ECANCELED);
	weft_ambient_set(NULL);
	CHECK_EQ(weft_file_open_until(&file, in_directory("f"), WEFT_FILE_WRITE | WEFT_FILE_CREATE,
				      0644, weft_now()),
		 -ETIMEDOUT);
	CHECK_EQ(access(in_directory("f"), F_OK), -1);
	return 0;
}

TEST(file_call_that_is_cancelled_does_not_begin)
{
	both_ways(cancelled);
}

/* ---- an operation that does not end by itself ------------------------------------------------ */

struct stuck {
	weft_file *file;
	weft_token token;
	char buffer[16];
	int64_t result;
};

static int read_stuck(void *arg)
{
	struct stuck *s = arg;
	weft_iovec piece = { s->buffer, sizeof(s->buffer) };

	weft_ambient_set(&s->token);
	s->result = weft_file_readv_until(s->file, &piece, 1, weft_after_ms(20));
	weft_ambient_set(NULL);
	return 0;
}

/* The read of a FIFO, which nobody writes, by io_uring: it is cancelled, and what is
 * written afterwards does not go into the buffer that was its own. */
static int cancel_stuck(void *arg)
{
	static struct stuck s;
	weft_fiber *fiber;
	weft_file *writer;
	const char *path = in_directory("fifo");

	(void)arg;
	for (int i = 0; i < 20; i++) {
		char byte = 'y';
		int fd;

		s = (struct stuck){ .result = 0 };
		weft_token_init(&s.token, NULL);
		CHECK_EQ(mkfifo(path, 0600), 0);
		fd = open(path, O_RDWR | O_CLOEXEC);
		CHECK_GE(fd, 0);
		CHECK_EQ(weft_file_open(&s.file, path, WEFT_FILE_READ, 0), 0);
		CHECK_EQ(weft_file_open(&writer, path, WEFT_FILE_WRITE, 0), 0);
		CHECK_EQ(weft_fiber_spawn(&fiber, read_stuck, &s, NULL), 0);
		weft_yield();
		if (i & 1)
			weft_token_cancel(&s.token);
		CHECK_EQ(weft_fiber_join(fiber, NULL), 0);
		CHECK_EQ(s.result, i & 1 ? -ECANCELED : -ETIMEDOUT);
		CHECK_EQ(weft_file_write(writer, "x", 1), 0);
		CHECK_EQ(read(fd, &byte, 1), 1);
		CHECK_EQ(byte, 'x');
		CHECK_EQ(s.buffer[0], 0);
		CHECK_EQ(weft_file_close(s.file), 0);
		CHECK_EQ(weft_file_close(writer), 0);
		close(fd);
		CHECK_EQ(unlink(path), 0);
	}
	return 0;
}

/* A migrating fiber may come back on another worker, where the ring that it used is not
 * its own: it must not be given one. */
static int has_ring(void *arg)
{
	*(bool *)arg = weft__poller_for_ops() != NULL;
	return 0;
}

TEST(file_operation_of_a_fiber_that_migrates_is_not_the_rings)
{
	const char *wish = getenv("WEFT_REACTOR");
	const bool uring = wish && strcmp(wish, "uring") == 0 && !weft_uring_refusal();

	for (int i = 0; i < 2; i++) {
		const weft_fiber_opts opts = { .migrate = i != 0 };
		weft_fiber *fiber;
		bool has;

		CHECK_EQ(weft_fiber_spawn(&fiber, has_ring, &has, &opts), 0);
		CHECK_EQ(weft_fiber_join(fiber, NULL), 0);
		CHECK_EQ(has, uring && !opts.migrate);
	}
}

TEST(file_cancelled_operation_touches_nothing)
{
	const char *wish = getenv("WEFT_REACTOR");

	if (!wish || strcmp(wish, "uring") != 0 || weft_uring_refusal())
		SKIP("only io_uring can be made to end a read that has begun");
	strcpy(directory, "/tmp/weft-file-XXXXXX");
	CHECK_NOT_NULL(mkdtemp(directory));
	CHECK_EQ(weft_block_on(NULL, cancel_stuck, NULL, NULL), 0);
	CHECK_EQ(rmdir(directory), 0);
}
