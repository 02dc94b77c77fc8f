/* SPDX-License-Identifier: MIT */
/*
 * Threads over pthread.
 *
 * A new thread gets what it needs in a `start` block from the heap: the creator's
 * frame may be gone before the thread runs, and waiting for it to run would cost
 * a round trip. The thread frees the block; when there is no thread, the creator.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_SIZE 16 /* the kernel's, its final zero included */
#define SMALL_STACK_MAX ((size_t)64 << 20)

_Static_assert(sizeof(pthread_t) <= sizeof(uintptr_t), "a handle must hold a pthread_t");
_Static_assert(sizeof(pthread_key_t) <= sizeof(uintptr_t), "a key must hold a pthread_key_t");

struct start {
	weft__thread_fn fn;
	void *arg;
	char name[NAME_SIZE];
};

/* The first 15 bytes of `name`; all zeros for NULL. */
static void cut_name(char cut[NAME_SIZE], const char *name)
{
	memset(cut, 0, NAME_SIZE);
	if (name)
		memcpy(cut, name, strnlen(name, NAME_SIZE - 1));
}

static void *run(void *memory)
{
	struct start start = *(struct start *)memory;

	weft__release(memory);
	if (start.name[0])
		weft__thread_set_name(start.name);
	start.fn(start.arg);
	return NULL;
}

/* `size` in whole pages, and not less than the system's minimum. What does not fit
 * into a size_t wraps to 0. */
static size_t stack_size_round(size_t size)
{
	size_t mask = weft__page_size() - 1;
	long least = sysconf(_SC_THREAD_STACK_MIN);

	if (least > 0 && size < (size_t)least)
		size = (size_t)least;
	return (size + mask) & ~mask;
}

static int create(pthread_t *thread, struct start *start, size_t stack_size)
{
	pthread_attr_t attributes;
	int error = pthread_attr_init(&attributes);

	if (error)
		return -error;
	if (stack_size)
		error = pthread_attr_setstacksize(&attributes, stack_size);
	if (!error)
		error = pthread_create(thread, &attributes, run, start);
	pthread_attr_destroy(&attributes);
	return -error;
}

int weft__thread_start(struct weft__thread *out, weft__thread_fn fn, void *arg, size_t stack_size,
		       const char *name)
{
	struct start *start;
	pthread_t thread;
	int error;

	if (!fn)
		return -EINVAL;
	if (stack_size) {
		stack_size = stack_size_round(stack_size);
		if (!stack_size)
			return -EINVAL;
	}
	start = weft__alloc(sizeof(*start));
	if (!start)
		return -ENOMEM;
	start->fn = fn;
	start->arg = arg;
	cut_name(start->name, name);

	error = create(&thread, start, stack_size);
	/* The thread-locals of the program come off the stack, and no portable call
	 * tells how much they are: -EINVAL for a small stack means "not enough". */
	while (error == -EINVAL && stack_size && stack_size <= SMALL_STACK_MAX) {
		stack_size *= 2;
		error = create(&thread, start, stack_size);
	}
	if (error) {
		weft__release(start);
		return error;
	}
	out->handle = (uintptr_t)thread;
	return 0;
}

struct weft__thread weft__thread_self(void)
{
	return (struct weft__thread){ (uintptr_t)pthread_self() };
}

void weft__thread_join(struct weft__thread thread)
{
	int error = pthread_join((pthread_t)thread.handle, NULL);

	if (error)
		weft__die("a thread cannot be joined: %s", strerror(error));
}

void weft__thread_detach(struct weft__thread thread)
{
	int error = pthread_detach((pthread_t)thread.handle);

	if (error)
		weft__die("a thread cannot be detached: %s", strerror(error));
}

void weft__thread_yield(void)
{
	sched_yield();
}

void weft__thread_set_name(const char *name)
{
	char cut[NAME_SIZE];

	cut_name(cut, name);
	/* Fails only where /proc or prctl is forbidden; a name is not worth more. */
	(void)pthread_setname_np(pthread_self(), cut);
}

void weft__thread_get_name(char *buffer, size_t size)
{
	char name[NAME_SIZE];

	if (size == 0)
		return;
	if (pthread_getname_np(pthread_self(), name, sizeof(name)) != 0)
		name[0] = 0;
	snprintf(buffer, size, "%s", name);
}

/* A count and not the kernel's id or the address of the thread: those are used
 * again for a later thread, and a stale one would then name a stranger. Not
 * inlined, so that no caller keeps the address of a thread-local while it moves
 * to another thread. */
__attribute__((noinline)) uint64_t weft__thread_id(void)
{
	static weft_atomic_u64 last;
	static _Thread_local uint64_t mine;

	if (WEFT_UNLIKELY(mine == 0))
		mine = weft_add_relaxed(&last, 1) + 1;
	return mine;
}

int weft__thread_key_init(struct weft__thread_key *key, void (*fn)(void *value))
{
	pthread_key_t made;

	/* ENOMEM is the other error that POSIX allows: no room for a key either. */
	if (pthread_key_create(&made, fn) != 0)
		return -EAGAIN;
	key->key = (uintptr_t)made;
	return 0;
}

int weft__thread_key_set(struct weft__thread_key key, void *value)
{
	int error = pthread_setspecific((pthread_key_t)key.key, value);

	if (error == EINVAL)
		weft__die("a thread cannot keep its own data: %s", strerror(error));
	return -error;
}

int weft__atfork_child(void (*child)(void))
{
	return pthread_atfork(NULL, NULL, child) ? -ENOMEM : 0;
}
