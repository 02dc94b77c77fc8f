/* SPDX-License-Identifier: MIT */
/*
 * Threads: a counted record around an OS thread.
 *
 * The record has up to two references: its owner's, until join or detach, and the
 * thread's own, until the thread is about to leave the system. Whoever drops the
 * last one frees it; so the owner may unpark a thread that has ended, and a
 * detached thread may end after everybody else has forgotten it.
 *
 * The thread's reference hangs on a thread key, whose destructor runs as the
 * thread ends: weft_thread_current() holds for the other destructors of the
 * program, and threads that Weft did not make, which get a record when they first
 * ask for it, leave none behind. The destructor is also the second chance of a
 * thread that left its function by pthread_exit(): joiners do not wait for ever.
 *
 * Ending goes through `end`, in this order: the result; the ambient token, which
 * may not live on; the caller's hook; `finished`. Joining waits for `finished`,
 * through the wait core, so that it takes deadlines, cancellation and parkers of
 * every kind; then for the OS thread, which has only destructors left to run.
 *
 * thread.1  dropping a reference releases, dropping the last one acquires: all use
 *           of the record comes before its end.
 * key.1     publishing the key releases, seeing it acquires.
 */
#include "weft/thread.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "sync/sync.h"
#include "sys/sys.h"
#include "thread/thread.h"
#include "wait/wait.h"
#include "weft/mutex.h"
#include "weft/parker.h"

enum { NAME_SIZE = 16 }; /* the final zero included */

struct weft_thread {
	weft_atomic_u32 references;
	weft_atomic_bool owned; /* neither joined nor detached; never, if foreign */
	int result;             /* published by `finished` */
	weft_event finished;
	weft_parker parker;
	uint64_t id;
	struct weft__thread os; /* the owner's: the thread itself never looks */
	struct weft__work work;
	char name[NAME_SIZE];
};

/* Initial-exec: one instruction to reach, and no allocation at first use. */
#define LOCAL static __thread __attribute__((tls_model("initial-exec")))
LOCAL weft_thread *current;

static weft_mutex key_mutex;
static weft_atomic_bool key_made;
static struct weft__thread_key key;

/* ---- the record ---------------------------------------------------------------- */

static weft_thread *record_new(uint32_t references)
{
	static weft_atomic_u64 last_id;
	weft_thread *t = weft__alloc_zero(1, sizeof(*t));

	if (!t)
		return NULL;
	weft_atomic_init(&t->references, references);
	t->id = weft_add_relaxed(&last_id, 1) + 1;
	return t;
}

static void record_release(weft_thread *t)
{
	if (weft_sub_acq_rel(&t->references, 1) == 1) /* thread.1 */
		weft__release(t);
}

static void end(weft_thread *t, int result)
{
	t->result = result;
	weft_ambient_set(NULL);
	if (t->work.end)
		t->work.end(t->work.context, result);
	weft_event_set(&t->finished);
}

/* The thread leaves the system. */
static void leave(void *record)
{
	weft_thread *t = record;

	if (!weft_event_is_set(&t->finished))
		end(t, -ECANCELED);
	current = NULL;
	record_release(t);
}

static bool key_ready(void)
{
	if (weft_load_acquire(&key_made)) /* key.1 */
		return true;
	weft_mutex_lock(&key_mutex);
	if (!weft_load_relaxed(&key_made) && weft__thread_key_init(&key, leave) == 0)
		weft_store_release(&key_made, true); /* key.1 */
	weft_mutex_unlock(&key_mutex);
	return weft_load_relaxed(&key_made);
}

/* Makes it the calling thread's own; false when nobody will call leave(). */
static bool enter(weft_thread *t)
{
	current = t;
	/* By its member: gcc lets the checker not see a struct that is copied. */
	return key_ready() && weft__thread_key_set((struct weft__thread_key){ key.key }, t) == 0;
}

/* Not inlined, so that no caller keeps the address of a thread-local while it
 * moves to another thread. */
__attribute__((noinline)) weft_thread *weft_thread_current(void)
{
	weft_thread *t = current;

	if (WEFT_LIKELY(t != NULL))
		return t;
	t = record_new(1);
	if (!t)
		return NULL;
	weft__thread_get_name(t->name, sizeof(t->name));
	if (!enter(t)) {
		current = NULL;
		record_release(t);
		return NULL;
	}
	return t;
}

uint64_t weft_thread_id(const weft_thread *thread)
{
	return thread->id;
}

const char *weft_thread_name(const weft_thread *thread)
{
	return thread->name;
}

/* ---- spawn ------------------------------------------------------------------- */

static void run(void *record)
{
	weft_thread *t = record;
	bool kept = enter(t);
	int result;

	weft_ambient_set(t->work.ambient);
	result = t->work.fn(t->work.arg);
	/* Before joiners go on: a destructor may wait, and who joins waits for the thread
	 * itself then. */
	weft__locals_end(weft__parker_self());
	end(t, result);
	if (!kept)
		leave(t);
}

int weft__thread_spawn(weft_thread **out, const struct weft__work *work,
		       const weft_thread_opts *opts)
{
	static const weft_thread_opts defaults;
	struct weft__thread os;
	weft_thread *t;
	int err;

	if (!work->fn)
		return -EINVAL;
	if (!opts)
		opts = &defaults;
	t = record_new(out ? 2 : 1);
	if (!t)
		return -ENOMEM;
	weft_atomic_init(&t->owned, out != NULL);
	t->work = *work;
	if (opts->name)
		strncat(t->name, opts->name, NAME_SIZE - 1);
	err = weft__thread_start(&os, run, t, opts->stack_size, opts->name);
	if (err) {
		weft__release(t);
		return err;
	}
	/* Without an owner the record may be gone already. */
	if (out) {
		t->os = os;
		*out = t;
	}
	return 0;
}

int weft_thread_spawn(weft_thread **out, weft_thread_fn fn, void *arg,
		      const weft_thread_opts *opts)
{
	struct weft__work work = { .fn = fn, .arg = arg };

	if (!out)
		return -EINVAL;
	*out = NULL;
	if (!opts || !opts->outlives_scope)
		work.ambient = weft_ambient();
	return weft__thread_spawn(out, &work, opts);
}

/* ---- join and detach ----------------------------------------------------------- */

static void check_owned(const weft_thread *t)
{
	WEFT__ASSERT(weft_load_relaxed(&t->owned),
		     "a thread was joined or detached that nobody owns any more");
}

static void disown(weft_thread *t)
{
	WEFT__ASSERT(weft_swap_relaxed(&t->owned, false),
		     "a thread was joined or detached by two at once");
}

static void reap(weft_thread *t, int *result)
{
	disown(t);
	weft__thread_join(t->os);
	if (result)
		*result = t->result;
	record_release(t);
}

int weft_thread_join(weft_thread *thread, int *result)
{
	if (thread == current)
		return -EDEADLK;
	check_owned(thread);
	/* A plain thread waits for the OS thread and thus sleeps once, not twice; for
	 * others that would block the worker that they run on, or go unnoticed. */
	if (weft__parker_self()->kind->park != weft__thread_park_token ||
	    weft__parker_self()->onlooker)
		weft__event_await(&thread->finished);
	reap(thread, result);
	return 0;
}

int weft_thread_join_until(weft_thread *thread, int *result, int64_t deadline)
{
	int err;

	if (thread == current)
		return -EDEADLK;
	check_owned(thread);
	err = weft_event_wait_until(&thread->finished, deadline);
	if (err == 0)
		reap(thread, result);
	return err;
}

void weft_thread_detach(weft_thread *thread)
{
	check_owned(thread);
	disown(thread);
	weft__thread_detach(thread->os);
	record_release(thread);
}

bool weft_thread_is_finished(const weft_thread *thread)
{
	return weft_event_is_set(&thread->finished);
}

weft_case weft_case_thread(weft_thread *thread)
{
	return weft_case_event(&thread->finished);
}

/* ---- park and unpark ------------------------------------------------------------- */

int weft_thread_park(void)
{
	return weft_thread_park_until(WEFT_NEVER);
}

int weft_thread_park_until(int64_t deadline)
{
	weft_thread *t = weft_thread_current();

	return t ? weft_parker_park_until(&t->parker, deadline) : -ENOMEM;
}

void weft_thread_unpark(weft_thread *thread)
{
	weft_parker_unpark(&thread->parker);
}
