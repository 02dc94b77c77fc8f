/* SPDX-License-Identifier: MIT */
/*
 * Files and directories.
 *
 *     weft_file *file;
 *     int err = weft_file_open(&file, path, WEFT_FILE_READ, 0);
 *     while (err == 0 && (n = weft_file_read(file, buffer, sizeof(buffer))) > 0)
 *         ...
 *
 * A disk is not waited for as a peer is: a read or write that the system has begun ends
 * by itself, in most cases. In a fiber only the fiber waits for it: what is in memory
 * is copied at once; else the kernel works on it (io_uring), or a thread of the
 * blocking pool: for fibers that migrate always that. On a thread that runs no fiber the
 * call is the system's own.
 *
 * Deadline and cancellation end a call that has not begun; once it has, they end it
 * where the kernel can still be made to leave it undone, and otherwise it is waited
 * for, and reports what it did. When a call has returned nothing touches the caller's
 * memory any more. In a scope that is cancelled no call begins but the closing ones, and
 * reads and writes of what is in memory, which go on for a while: a rename, a sync, a stat
 * there does nothing and returns -ECANCELED. What must be done nevertheless is done under a
 * shield (weft_scope_open_with()).
 */
#ifndef WEFT_FILE_H
#define WEFT_FILE_H

#include <weft/io.h>

WEFT_BEGIN_DECLS

typedef struct weft_file weft_file;

enum weft_file_flags {
	WEFT_FILE_READ = 1,
	WEFT_FILE_WRITE = 2,
	WEFT_FILE_CREATE = 4,     /* make it if it is not there */
	WEFT_FILE_EXCLUSIVE = 8,  /* -EEXIST if it is there */
	WEFT_FILE_TRUNCATE = 16,  /* empty it */
	WEFT_FILE_APPEND = 32,    /* write at the end, wherever that is by then */
	WEFT_FILE_NO_FOLLOW = 64, /* -ELOOP if the last part is a symbolic link */
};

/* Opens a file: 0, -ENOENT, -EACCES, -EISDIR ..., -EINVAL for flags that make no sense;
 * *out is NULL on failure. `mode` is that of a file that is made (0644). */
WEFT_API WEFT_NODISCARD int weft_file_open(weft_file **out, const char *path, unsigned flags,
					   unsigned mode);
WEFT_API WEFT_NODISCARD int weft_file_open_until(weft_file **out, const char *path, unsigned flags,
						 unsigned mode, int64_t deadline);

/* Takes over a descriptor of a file. */
WEFT_API WEFT_NODISCARD int weft_file_from_fd(weft_file **out, int fd);

/* Gives it back: 0, or what the system says of earlier writes (-EIO, -ENOSPC, -EDQUOT). */
WEFT_API int weft_file_close(weft_file *file);

/* The descriptor, which stays the file's. */
WEFT_API int weft_file_fd(const weft_file *file);

/* Read and write at the file's own position, which moves along: a count that may be less
 * than was asked for, 0 at the end, or -errno. One party at a time. */
WEFT_API WEFT_NODISCARD int64_t weft_file_read(weft_file *file, void *buffer, size_t size);
WEFT_API WEFT_NODISCARD int64_t weft_file_readv_until(weft_file *file, const weft_iovec *pieces,
						      int count, int64_t deadline);
WEFT_API WEFT_NODISCARD int64_t weft_file_writev_until(weft_file *file, const weft_iovec *pieces,
						       int count, int64_t deadline);

/* Writes all of it: 0 or -errno; *done (unless NULL) is how much was written. */
WEFT_API WEFT_NODISCARD int weft_file_write(weft_file *file, const void *buffer, size_t size);
WEFT_API WEFT_NODISCARD int weft_file_write_all_until(weft_file *file, const void *buffer,
						      size_t size, size_t *done, int64_t deadline);

/* The same at an offset; the file's own position is left alone. Any number at a time. */
WEFT_API WEFT_NODISCARD int64_t weft_file_read_at_until(weft_file *file, void *buffer, size_t size,
							int64_t offset, int64_t deadline);
WEFT_API WEFT_NODISCARD int64_t weft_file_write_at_until(weft_file *file, const void *buffer,
							 size_t size, int64_t offset,
							 int64_t deadline);

/* Returns when all that was written is on the disk; with `data_only` without what is not
 * needed to read it back. 0 or -errno. */
WEFT_API WEFT_NODISCARD int weft_file_sync(weft_file *file, bool data_only);

/* Cuts it off, or fills it up with zeros. */
WEFT_API WEFT_NODISCARD int weft_file_truncate(weft_file *file, int64_t size);

enum weft_file_kind {
	WEFT_KIND_OTHER,
	WEFT_KIND_FILE,
	WEFT_KIND_DIRECTORY,
	WEFT_KIND_LINK,
	WEFT_KIND_SOCKET,
	WEFT_KIND_PIPE,
	WEFT_KIND_DEVICE,
};

typedef struct weft_file_info {
	enum weft_file_kind kind;
	unsigned mode; /* permission bits */
	int64_t size;
	int64_t modified; /* ns since 1970 */
	uint64_t inode;
	uint64_t device;
	uint64_t links;
} weft_file_info;

WEFT_API WEFT_NODISCARD int weft_file_stat(weft_file *file, weft_file_info *out);

/* ---- paths -------------------------------------------------------------------------- */

/* Of what the path leads to; with `no_follow` of a symbolic link itself. */
WEFT_API WEFT_NODISCARD int weft_path_stat(const char *path, bool no_follow, weft_file_info *out);

/* Gives a file another name, in one step, in place of what had that name. */
WEFT_API WEFT_NODISCARD int weft_path_rename(const char *from, const char *to);

/* Removes a file's name, or an empty directory. */
WEFT_API WEFT_NODISCARD int weft_path_remove(const char *path);
WEFT_API WEFT_NODISCARD int weft_path_remove_directory(const char *path);
WEFT_API WEFT_NODISCARD int weft_path_make_directory(const char *path, unsigned mode);

/* Returns when the names in a directory are on the disk: after a rename that must last. */
WEFT_API WEFT_NODISCARD int weft_path_sync_directory(const char *path);

typedef struct weft_dir_entry {
	const char *name;
	enum weft_file_kind kind; /* WEFT_KIND_OTHER also where the system does not tell */
} weft_dir_entry;

typedef struct weft_dir {
	weft_dir_entry *entries; /* in no order; without "." and ".." */
	size_t count;
} weft_dir;

/* All that is in a directory: 0 or -errno. To be given to weft_dir_free() after 0. */
WEFT_API WEFT_NODISCARD int weft_dir_list(const char *path, weft_dir *out);
WEFT_API void weft_dir_free(weft_dir *dir);

WEFT_END_DECLS

#endif
