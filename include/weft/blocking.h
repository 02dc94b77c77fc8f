/* SPDX-License-Identifier: MIT */
/*
 * Calls that block the thread itself: a library that knows nothing of fibers, a
 * system call without a deadline, long computing. In a fiber they would hold up all
 * the fibers of its worker; the blocking pool of the runtime runs them on threads of
 * its own, which come and go with the work.
 *
 *     static int hash(void *file) { ... }
 *
 *     err = weft_blocking(hash, &file);
 */
#ifndef WEFT_BLOCKING_H
#define WEFT_BLOCKING_H

#include <weft/thread.h>

WEFT_BEGIN_DECLS

/* Runs fn(arg) on a thread of the pool, waits for its end, and returns what it
 * returned; only the calling fiber waits. It has the caller's ambient token. What it
 * did is visible then. On a thread that runs no fiber it is a plain call.
 *
 * -EAGAIN, and fn has not run: 16,384 calls wait for a thread already, or there is no
 * thread and the system gives none. -ECANCELED, and fn has not run: the caller's scope
 * was cancelled, or its deadline came, while the call waited for a thread. Once fn has
 * begun it is waited for, as it may use what `arg` points at. If fn may return one of the
 * two itself, let it say by `arg` that it ran.
 *
 * At most weft_runtime_opts.blocking_threads calls run at a time, so calls that wait
 * for each other must not be made by more fibers than that. */
WEFT_API int weft_blocking(weft_thread_fn fn, void *arg);

WEFT_END_DECLS

#endif
