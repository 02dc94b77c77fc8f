/* SPDX-License-Identifier: MIT */
/*
 * Goal: when a thread cannot be made, that is an error value, nothing ran, nothing
 * leaks, and the next attempt works when the cause is gone. Method: each cause is
 * brought about in a child process: the limit of processes, a kernel that refuses,
 * no memory at each step of the way, no thread key.
 */
#include "weft/thread.h"

#include "check.h"
#include "sys/linux/sandbox_test.h"
#include "weft/atomic.h"
#include "weft/event.h"
#include "weft/scope.h"

#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_ALLOCATOR 0
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR 0
#endif
#ifndef OWN_ALLOCATOR
#ifdef __GLIBC__
#define OWN_ALLOCATOR 1 /* one that this program can stand before */
#else
#define OWN_ALLOCATOR 0
#endif
#endif

static weft_atomic_u32 runs;

static int count_run(void *arg)
{
	weft_add_relaxed(&runs, 1);
	return arg ? weft_event_wait(arg) : 0;
}

static int try_spawn(void)
{
	weft_thread *const untouched = (weft_thread *)(void *)&runs;
	weft_thread *t = untouched;
	int err = weft_thread_spawn(&t, count_run, NULL, NULL);

	if (err == 0) {
		CHECK_PTR_NE(t, untouched);
		CHECK_EQ(weft_thread_join(t, NULL), 0);
	} else {
		CHECK_NULL(t);
	}
	return err;
}

/* ---- no thread key: first, since the library takes its own at first use -------------- */

static int see_current(void *arg)
{
	CHECK_NOT_NULL(weft_thread_current());
	return *(int *)arg;
}

/* Threads of Weft's own do without: they free themselves as their function ends. */
static void without_keys(void)
{
	int value = 42, result;
	pthread_key_t key;
	weft_thread *t;

	while (pthread_key_create(&key, NULL) == 0)
		continue;
	CHECK_NULL(weft_thread_current());
	CHECK_EQ(weft_thread_park(), -ENOMEM);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(weft_thread_spawn(&t, see_current, &value, NULL), 0);
		CHECK_EQ(weft_thread_join(t, &result), 0);
		CHECK_EQ(result, 42);
	}
	CHECK_EQ(pthread_key_delete(key), 0);
	CHECK_NOT_NULL(weft_thread_current());
}

TEST(thread_without_keys_still_runs)
{
	sandbox_run(without_keys);
}

/* ---- no more threads ------------------------------------------------------------------ */

/* Root has no limit of processes, so the child becomes somebody else. */
static void at_the_limit(void)
{
	struct rlimit before, none;

	if (getuid() == 0) {
		CHECK_EQ(setgroups(0, NULL), 0);
		CHECK_EQ(setgid(65534), 0);
		CHECK_EQ(setuid(65534), 0);
	}
	CHECK_EQ(getrlimit(RLIMIT_NPROC, &before), 0);
	none = before;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(try_spawn(), -EAGAIN);
	CHECK_EQ(weft_load_relaxed(&runs), 0);
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &before), 0);
	CHECK_EQ(try_spawn(), 0);
	CHECK_EQ(weft_load_relaxed(&runs), 1);
}

TEST(thread_beyond_the_limit_is_an_error)
{
	sandbox_run(at_the_limit);
}

static bool refuse_threads(int error)
{
	return sandbox_refuse(SYS_clone, 0, 0, UINT32_MAX, error) &&
	       sandbox_refuse(SYS_clone3, 1, 0, UINT32_MAX, error);
}

static void refused_by_the_kernel(void)
{
	CHECK_EQ(try_spawn(), 0);
	CHECK(refuse_threads(EAGAIN));
	for (int i = 0; i < 100; i++)
		CHECK_EQ(try_spawn(), -EAGAIN);
	CHECK_EQ(weft_load_relaxed(&runs), 1);
	_exit(0); /* LeakSanitizer would want a thread of its own */
}

TEST(thread_refused_by_the_kernel_is_an_error)
{
	if (!sandbox_works())
		SKIP("no seccomp filters here");
	sandbox_run(refused_by_the_kernel);
}

/* Some threads of the scope run, then no more can be made: the scope is as if the
 * failed ones had not been tried. */
static void refused_in_a_scope(void)
{
	weft_event gate = WEFT_EVENT_INIT;
	weft_scope scope;

	weft_scope_open(&scope);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_scope_spawn_thread(&scope, count_run, &gate, NULL), 0);
	CHECK(refuse_threads(EAGAIN));
	for (int i = 0; i < 100; i++)
		CHECK_EQ(weft_scope_spawn_thread(&scope, count_run, &gate, NULL), -EAGAIN);
	CHECK(!weft_cancelled());
	CHECK_EQ(weft_waitgroup_count(&scope.running), 3);
	weft_event_set(&gate);
	CHECK_EQ(weft_scope_close(&scope), 0);
	CHECK_EQ(weft_load_relaxed(&runs), 3);
	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn_thread(&scope, count_run, &gate, NULL), -EAGAIN);
	CHECK_EQ(weft_scope_close(&scope), 0);
	_exit(0); /* as above */
}

TEST(thread_refused_in_a_scope_is_undone)
{
	if (!sandbox_works())
		SKIP("no seccomp filters here");
	sandbox_run(refused_in_a_scope);
}

TEST(thread_with_absurd_stack_is_an_error)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 4096, (size_t)1 << 62 };

	for (int i = 0; i < 300; i++) {
		weft_thread_opts opts = { .stack_size = sizes[i % 3] };
		weft_thread *t = (weft_thread *)(void *)&runs;
		int err = weft_thread_spawn(&t, count_run, NULL, &opts);

		CHECK(err == -EINVAL || err == -EAGAIN || err == -ENOMEM);
		CHECK_NULL(t);
	}
	CHECK_EQ(weft_load_relaxed(&runs), 0);
}

/* ---- no memory ---------------------------------------------------------------------------- */

/* Allocations that still succeed; from then on none does. */
static weft_atomic_i64 left = { INT64_MAX };

#if OWN_ALLOCATOR
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);

static bool may_allocate(void)
{
	if (weft_sub_relaxed(&left, 1) > 0)
		return true;
	errno = ENOMEM; /* which the C library itself asserts */
	return false;
}

/* The same allocator as before behind a gate, for the whole program. */
void *malloc(size_t size)
{
	return may_allocate() ? __libc_malloc(size) : NULL;
}

void *calloc(size_t count, size_t size)
{
	return may_allocate() ? __libc_calloc(count, size) : NULL;
}
#endif

static int spawn_with(int64_t allocations)
{
	weft_thread *t = (weft_thread *)(void *)&runs;
	int err;

	weft_store_relaxed(&left, allocations);
	err = weft_thread_spawn(&t, count_run, NULL, NULL);
	weft_store_relaxed(&left, INT64_MAX);
	if (err == 0)
		CHECK_EQ(weft_thread_join(t, NULL), 0);
	else
		CHECK_NULL(t);
	return err;
}

static size_t bytes_in_use(void)
{
	return mallinfo2().uordblks;
}

/* Each allocation on the way fails once; the first attempts may leave blocks in the
 * allocator's caches, the later ones must not add to them. */
TEST(thread_without_memory_is_an_error)
{
	int64_t n = 0;
	size_t used = 0;

	if (!OWN_ALLOCATOR)
		SKIP("the allocator cannot be made to fail here");
	CHECK_EQ(spawn_with(0), -ENOMEM);
	for (; spawn_with(n) != 0; n++) {
		for (int i = 0; i < 40; i++) {
			int err = spawn_with(n);

			CHECK(err == -ENOMEM || err == -EAGAIN);
			if (i == 20)
				used = bytes_in_use();
		}
		CHECK_EQ(bytes_in_use(), used);
		CHECK_EQ(weft_load_relaxed(&runs), 0);
	}
	CHECK_GE(n, 2);
	CHECK_EQ(weft_load_relaxed(&runs), 1);
}

TEST(thread_without_memory_in_a_scope_is_undone)
{
	weft_scope scope;

	if (!OWN_ALLOCATOR)
		SKIP("the allocator cannot be made to fail here");
	weft_scope_open(&scope);
	for (int64_t n = 0; n < 2; n++) {
		weft_store_relaxed(&left, n);
		CHECK_EQ(weft_scope_spawn_thread(&scope, count_run, NULL, NULL), -ENOMEM);
		CHECK_EQ(weft_waitgroup_count(&scope.running), 0);
	}
	weft_store_relaxed(&left, INT64_MAX);
	CHECK_EQ(weft_scope_spawn_thread(&scope, count_run, NULL, NULL), 0);
	CHECK_EQ(weft_scope_close(&scope), 0);
}

static void current_without_memory(void)
{
	weft_store_relaxed(&left, 0);
	CHECK_NULL(weft_thread_current());
	CHECK_EQ(weft_thread_park(), -ENOMEM);
	CHECK_EQ(weft_thread_park_until(0), -ENOMEM);
	weft_store_relaxed(&left, INT64_MAX);
	CHECK_NOT_NULL(weft_thread_current());
	weft_thread_unpark(weft_thread_current());
	CHECK_EQ(weft_thread_park(), 0);
}

TEST(thread_current_without_memory_is_null)
{
	if (!OWN_ALLOCATOR)
		SKIP("the allocator cannot be made to fail here");
	sandbox_run(current_without_memory);
}
