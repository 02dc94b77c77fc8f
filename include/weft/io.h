/* SPDX-License-Identifier: MIT */
/*
 * What sockets, pipes and files share: pieces of memory, and waiting for any
 * descriptor.
 */
#ifndef WEFT_IO_H
#define WEFT_IO_H

#include <weft/wait.h>

WEFT_BEGIN_DECLS

/* A piece of memory, for calls that take several; laid out as a struct iovec. */
typedef struct weft_iovec {
	void *base;
	size_t size;
} weft_iovec;

/* The most pieces of one call. */
#define WEFT_IOVEC_MAX 1024

/* A descriptor of the caller's own that is waited for: a signalfd, a library's socket,
 * a terminal. It need not be non-blocking. */
typedef struct weft_watch weft_watch;

enum weft_side {
	WEFT_READABLE,
	WEFT_WRITABLE,
};

/* Makes a watch for `fd`, which stays the caller's and open until the watch is closed.
 * 0, -EBADF, -EMFILE (it is duplicated), -ENOMEM; *out is NULL on failure. */
WEFT_API WEFT_NODISCARD int weft_watch_open(weft_watch **out, int fd);

/* Ends it; nobody may be waiting. May wait for a moment, whatever the ambient token. */
WEFT_API void weft_watch_close(weft_watch *watch);

/* Waits until a read or write of the descriptor would not block: 0, -ETIMEDOUT,
 * -ECANCELED, or why the system cannot wait for it. What blocks no read and no write
 * ever, such as a regular file, is ready. Any thread or fiber, several at once. */
WEFT_API WEFT_NODISCARD int weft_watch_wait_until(weft_watch *watch, enum weft_side side,
						  int64_t deadline);

/* The same as a select case. */
WEFT_API weft_case weft_case_watch(weft_watch *watch, enum weft_side side);

/* Why Weft cannot use io_uring here, as half a sentence, or NULL if it can. */
WEFT_API const char *weft_uring_refusal(void);

WEFT_END_DECLS

#endif
