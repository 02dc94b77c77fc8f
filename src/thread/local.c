/* SPDX-License-Identifier: MIT */
/*
 * Locals: a table that hangs on the parker, since that is what each fiber and each
 * thread has one of. It grows to the keys that its owner uses, and nobody else looks at
 * it. A thread's ends by a thread key, a fiber's by its worker.
 *
 * local.1  a key's destructor is stored before the key's number is anybody's, with
 *          release, and loaded with acquire.
 * key.1    publishing the thread key releases, seeing it acquires.
 */
#include "weft/local.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "sys/sys.h"
#include "thread/thread.h"
#include "wait/wait.h"
#include "weft/mutex.h"

enum { ROUNDS = 4, GROW = 8 };

struct weft__locals {
	uint32_t count;
	void *values[];
};

static weft_atomic_u32 keys;
static weft_atomic_ptr destructors[WEFT_LOCAL_KEYS_MOST];

static weft_mutex thread_key_mutex;
static weft_atomic_bool thread_key_made;
static struct weft__thread_key thread_key;

int weft_local_key_init(weft_local_key *key, weft_local_fn destroy)
{
	uint32_t id = weft_load_relaxed(&keys);

	do {
		if (id == WEFT_LOCAL_KEYS_MOST)
			return -EAGAIN;
	} while (!weft_cas_weak_relaxed(&keys, &id, id + 1));
	weft_store_release(&destructors[id], (void *)(uintptr_t)destroy); /* local.1 */
	key->id = id + 1;
	return 0;
}

void *weft_local_get(const weft_local_key *key)
{
	const struct weft__locals *locals = weft__parker_self()->locals;

	/* A key that was not initialised is beyond every table. */
	return locals && key->id - 1 < locals->count ? locals->values[key->id - 1] : NULL;
}

/* ---- the end ------------------------------------------------------------------------- */

/* A destructor may set values, and thus move the table. */
static bool destroy_all(struct weft__parker *parker)
{
	bool any = false;

	for (uint32_t i = 0; i < parker->locals->count; i++) {
		struct weft__locals *locals = parker->locals;
		void *value = locals->values[i];
		weft_local_fn destroy = (weft_local_fn)(uintptr_t)weft_load_acquire(
			&destructors[i]); /* local.1 */

		locals->values[i] = NULL;
		if (!value || !destroy)
			continue;
		destroy(value);
		any = true;
	}
	return any;
}

void weft__locals_end(struct weft__parker *parker)
{
	for (int i = 0; i < ROUNDS && parker->locals && destroy_all(parker); i++)
		continue;
	weft__release(parker->locals);
	parker->locals = NULL;
}

static void thread_ends(void *parker)
{
	weft__locals_end(parker);
}

/* Has weft__locals_end() called when the thread ends. */
static int thread_watch(struct weft__parker *parker)
{
	struct weft__thread_key fresh;

	weft_mutex_lock(&thread_key_mutex);
	if (!weft_load_relaxed(&thread_key_made) &&
	    weft__thread_key_init(&fresh, thread_ends) == 0) {
		thread_key = fresh;
		weft_store_release(&thread_key_made, true); /* key.1 */
	}
	weft_mutex_unlock(&thread_key_mutex);
	if (!weft_load_acquire(&thread_key_made)) /* key.1 */
		return -ENOMEM;
	return weft__thread_key_set(thread_key, parker);
}

/* ---- setting --------------------------------------------------------------------------- */

static struct weft__locals *grow(struct weft__parker *parker, uint32_t count)
{
	struct weft__locals *old = parker->locals, *fresh;

	count = (count + GROW - 1) / GROW * GROW;
	fresh = weft__alloc_zero(1, sizeof(*fresh) + count * sizeof(void *));
	if (!fresh)
		return NULL;
	fresh->count = count;
	if (!old && parker->kind->park == weft__thread_park_token && thread_watch(parker)) {
		weft__release(fresh);
		return NULL;
	}
	if (old)
		memcpy(fresh->values, old->values, old->count * sizeof(void *));
	weft__release(old);
	parker->locals = fresh;
	return fresh;
}

int weft_local_set(const weft_local_key *key, void *value)
{
	struct weft__parker *parker = weft__parker_self();
	struct weft__locals *locals = parker->locals;

	WEFT__ASSERT(key->id > 0, "a local was set whose key was not initialised");
	if (!locals || key->id > locals->count) {
		if (!value)
			return 0;
		locals = grow(parker, key->id);
		if (!locals)
			return -ENOMEM;
	}
	locals->values[key->id - 1] = value;
	return 0;
}
