/* SPDX-License-Identifier: MIT */
/*
 * Files. Each call is the system's, repeated when a signal interrupted it, with errno
 * as it was before.
 */
#define _GNU_SOURCE

#include "sys/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(struct statx) <= sizeof(struct weft__raw_stat), "it must have room");

#define RETRY(result, call)        \
	do                         \
		(result) = (call); \
	while ((result) < 0 && errno == EINTR)

static int64_t settle(int64_t result, int saved)
{
	if (result < 0) {
		result = -errno;
		errno = saved;
	}
	return result;
}

int weft__file_flags(unsigned flags)
{
	const unsigned known = 2 * WEFT_FILE_NO_FOLLOW - 1;
	int native = O_CLOEXEC;

	switch (flags & (WEFT_FILE_READ | WEFT_FILE_WRITE)) {
	case WEFT_FILE_READ: native |= O_RDONLY; break;
	case WEFT_FILE_WRITE: native |= O_WRONLY; break;
	case WEFT_FILE_READ | WEFT_FILE_WRITE: native |= O_RDWR; break;
	default: return -EINVAL;
	}
	if ((flags & ~known) || ((flags & WEFT_FILE_EXCLUSIVE) && !(flags & WEFT_FILE_CREATE)) ||
	    (!(flags & WEFT_FILE_WRITE) && (flags & (WEFT_FILE_TRUNCATE | WEFT_FILE_APPEND))))
		return -EINVAL;
	native |= flags & WEFT_FILE_CREATE ? O_CREAT : 0;
	native |= flags & WEFT_FILE_EXCLUSIVE ? O_EXCL : 0;
	native |= flags & WEFT_FILE_TRUNCATE ? O_TRUNC : 0;
	native |= flags & WEFT_FILE_APPEND ? O_APPEND : 0;
	native |= flags & WEFT_FILE_NO_FOLLOW ? O_NOFOLLOW : 0;
	return native;
}

int weft__file_open(const char *path, unsigned flags, unsigned mode)
{
	int native = weft__file_flags(flags);
	int saved = errno;
	int fd;

	if (native < 0)
		return native;
	RETRY(fd, open(path, native, (mode_t)mode));
	return (int)settle(fd, saved);
}

static int64_t move(int fd, const weft_iovec *pieces, int count, int64_t offset, bool write,
		    int flags)
{
	int saved = errno;
	ssize_t n;

	if (write)
		RETRY(n, pwritev2(fd, (const void *)pieces, count, offset, flags));
	else
		RETRY(n, preadv2(fd, (const void *)pieces, count, offset, flags));
	return settle(n, saved);
}

int64_t weft__file_read(int fd, const weft_iovec *pieces, int count, int64_t offset)
{
	return move(fd, pieces, count, offset, false, 0);
}

int64_t weft__file_write(int fd, const weft_iovec *pieces, int count, int64_t offset)
{
	return move(fd, pieces, count, offset, true, 0);
}

int64_t weft__file_read_now(int fd, const weft_iovec *pieces, int count, int64_t offset)
{
	return move(fd, pieces, count, offset, false, RWF_NOWAIT);
}

int64_t weft__file_write_now(int fd, const weft_iovec *pieces, int count, int64_t offset)
{
	return move(fd, pieces, count, offset, true, RWF_NOWAIT);
}

int weft__file_sync(int fd, bool data_only)
{
	int saved = errno;
	int err;

	RETRY(err, data_only ? fdatasync(fd) : fsync(fd));
	return (int)settle(err, saved);
}

int weft__file_truncate(int fd, int64_t size)
{
	int saved = errno;
	int err;

	RETRY(err, ftruncate(fd, size));
	return (int)settle(err, saved);
}

int weft__file_stat(int fd, const char *path, bool no_follow, struct weft__raw_stat *out)
{
	int saved = errno;

	return (int)settle(
		statx(path ? AT_FDCWD : fd, path ? path : "",
		      (path ? 0 : AT_EMPTY_PATH) | (no_follow ? AT_SYMLINK_NOFOLLOW : 0),
		      STATX_BASIC_STATS, (void *)out->words),
		saved);
}

void weft__file_info(const struct weft__raw_stat *raw, weft_file_info *out)
{
	struct statx st;

	memcpy(&st, raw->words, sizeof(st));
	*out = (weft_file_info){
		.mode = st.stx_mode & 07777,
		.size = (int64_t)st.stx_size,
		.modified = st.stx_mtime.tv_sec * WEFT_SECOND + st.stx_mtime.tv_nsec,
		.inode = st.stx_ino,
		.device = makedev(st.stx_dev_major, st.stx_dev_minor),
		.links = st.stx_nlink,
	};
	switch (st.stx_mode & S_IFMT) {
	case S_IFREG: out->kind = WEFT_KIND_FILE; break;
	case S_IFDIR: out->kind = WEFT_KIND_DIRECTORY; break;
	case S_IFLNK: out->kind = WEFT_KIND_LINK; break;
	case S_IFSOCK: out->kind = WEFT_KIND_SOCKET; break;
	case S_IFIFO: out->kind = WEFT_KIND_PIPE; break;
	case S_IFCHR:
	case S_IFBLK: out->kind = WEFT_KIND_DEVICE; break;
	default: out->kind = WEFT_KIND_OTHER; break;
	}
}

int weft__path_rename(const char *from, const char *to)
{
	int saved = errno;

	return (int)settle(rename(from, to), saved);
}

int weft__path_remove(const char *path, bool directory)
{
	int saved = errno;

	return (int)settle(directory ? rmdir(path) : unlink(path), saved);
}

int weft__path_make_directory(const char *path, unsigned mode)
{
	int saved = errno;

	return (int)settle(mkdir(path, (mode_t)mode), saved);
}

int weft__path_sync_directory(const char *path)
{
	int saved = errno;
	int fd, err;

	RETRY(fd, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		return (int)settle(fd, saved);
	err = weft__file_sync(fd, false);
	(void)weft__fd_close(fd);
	return err;
}

static int kind_of(unsigned char type)
{
	switch (type) {
	case DT_REG: return WEFT_KIND_FILE;
	case DT_DIR: return WEFT_KIND_DIRECTORY;
	case DT_LNK: return WEFT_KIND_LINK;
	case DT_SOCK: return WEFT_KIND_SOCKET;
	case DT_FIFO: return WEFT_KIND_PIPE;
	case DT_CHR:
	case DT_BLK: return WEFT_KIND_DEVICE;
	default: return WEFT_KIND_OTHER;
	}
}

int weft__dir_read(const char *path, int (*each)(void *arg, const char *name, int kind), void *arg)
{
	int saved = errno;
	DIR *dir = opendir(path);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return (int)settle(-1, saved);
	while (err == 0) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			err = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = each(arg, entry->d_name, kind_of(entry->d_type));
	}
	closedir(dir);
	errno = saved;
	return err;
}
