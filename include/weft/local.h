/* SPDX-License-Identifier: MIT */
/*
 * Locals: values that each fiber, and each thread that runs none, has for itself.
 *
 *     static weft_local_key request;
 *     ...
 *     err = weft_local_key_init(&request, NULL);      once, before its first use
 *     err = weft_local_set(&request, r);
 *     ...
 *     r = weft_local_get(&request);
 *
 * A thread-local variable would be shared by all fibers of a worker. Values are not
 * inherited: what a fiber is to know, its spawner passes to it.
 */
#ifndef WEFT_LOCAL_H
#define WEFT_LOCAL_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* Most keys of a process; they are never given back. */
#define WEFT_LOCAL_KEYS_MOST 128

typedef struct weft_local_key {
	uint32_t id; /* 0: not initialised */
} weft_local_key;

/* Called with a fiber's or thread's value that is not NULL, when it ends, by itself and
 * after its function; the value is NULL by then. It may block, and set values, of which
 * the destructors are called in turn, four times at most. */
typedef void (*weft_local_fn)(void *value);

/* Makes a key with which everybody's value is NULL. 0; -EAGAIN when there are too many.
 * `destroy` may be NULL. The caller sees to it that it comes before all use. */
WEFT_API WEFT_NODISCARD int weft_local_key_init(weft_local_key *key, weft_local_fn destroy);

/* The caller's value. Never fails. */
WEFT_API void *weft_local_get(const weft_local_key *key);

/* Sets the caller's value: 0 or -ENOMEM, which can be only the first time that the caller
 * sets a value of this key. A key that was not initialised stops the program. */
WEFT_API WEFT_NODISCARD int weft_local_set(const weft_local_key *key, void *value);

WEFT_END_DECLS

#endif
