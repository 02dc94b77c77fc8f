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
#define OWN_ALLOCATOR 1 /* the system's malloc, which obeys RLIMIT_AS */
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

struct block {
	struct block *next;
};

static struct block *blocks;
static struct rlimit plenty;

static void fill(size_t size)
{
	struct block *b;

	while ((b = malloc(size))) {
		b->next = blocks;
		blocks = b;
	}
}

/* Takes all that the allocator has, and forbids it to get more. The smallest
 * blocks come last, and are the first to be given back. */
static void use_up_memory(void)
{
	FILE *in = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;
	struct rlimit now;

	CHECK_NOT_NULL(in);
	CHECK_EQ(fscanf(in, "%lu", &pages), 1);
	fclose(in);
	CHECK_EQ(getrlimit(RLIMIT_AS, &plenty), 0);
	now = plenty;
	now.rlim_cur = pages * (unsigned long)sysconf(_SC_PAGESIZE);
	CHECK_EQ(setrlimit(RLIMIT_AS, &now), 0);
	for (size_t size = 1 << 20; size > 1040; size /= 2)
		fill(size);
	for (size_t size = 1040; size >= 16; size -= 8)
		fill(size);
}

static bool give_one_back(void)
{
	struct block *b = blocks;

	if (b) {
		blocks = b->next;
		free(b);
	}
	return b;
}

/* The first attempt may leave blocks in the allocator's caches, the others must
 * not take any. */
static int try_many_and_count_memory(void)
{
	int err = try_spawn();
	size_t used = mallinfo2().uordblks;

	for (int i = 0; i < 20 && err; i++)
		CHECK_EQ(try_spawn(), err);
	if (err)
		CHECK_EQ(mallinfo2().uordblks, used);
	return err;
}

/* No block for the record; then one for it but none for what follows; then only
 * the stack is lacking. */
static void without_memory(void)
{
	int no_memory = 0, no_stack = 0, err;
	weft_scope scope;

	setvbuf(stdout, NULL, _IONBF, 0);
	use_up_memory();
	CHECK_EQ(try_spawn(), -ENOMEM);
	weft_scope_open(&scope);
	CHECK_EQ(weft_scope_spawn_thread(&scope, count_run, NULL, NULL), -ENOMEM);
	CHECK_EQ(weft_scope_close(&scope), 0);
	while (give_one_back()) {
		err = try_many_and_count_memory();
		CHECK(err == -ENOMEM || err == -EAGAIN);
		CHECK(err == -EAGAIN || no_stack == 0);
		no_memory += err == -ENOMEM;
		no_stack += err == -EAGAIN;
	}
	CHECK_GT(no_memory, 0);
	CHECK_GT(no_stack, 0);
	CHECK_EQ(weft_load_relaxed(&runs), 0);
	CHECK_EQ(setrlimit(RLIMIT_AS, &plenty), 0);
	CHECK_EQ(try_spawn(), 0);
}

TEST(thread_without_memory_is_an_error)
{
	if (!OWN_ALLOCATOR)
		SKIP("the sanitizer has an allocator of its own");
	sandbox_run(without_memory);
}

static void current_without_memory(void)
{
	use_up_memory();
	CHECK_NULL(weft_thread_current());
	CHECK_EQ(weft_thread_park(), -ENOMEM);
	CHECK_EQ(weft_thread_park_until(0), -ENOMEM);
	CHECK_EQ(setrlimit(RLIMIT_AS, &plenty), 0);
	CHECK_NOT_NULL(weft_thread_current());
	weft_thread_unpark(weft_thread_current());
	CHECK_EQ(weft_thread_park(), 0);
}

TEST(thread_current_without_memory_is_null)
{
	if (!OWN_ALLOCATOR)
		SKIP("the sanitizer has an allocator of its own");
	sandbox_run(current_without_memory);
}

/* ---- no thread key ----------------------------------------------------------------------------- */

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
	CHECK_EQ(weft_thread_spawn(&t, see_current, &value, NULL), 0);
	CHECK_EQ(weft_thread_join(t, &result), 0);
	CHECK_EQ(result, 42);
	CHECK_EQ(pthread_key_delete(key), 0);
	CHECK_NOT_NULL(weft_thread_current());
}

TEST(thread_without_keys_still_runs)
{
	sandbox_run(without_keys);
}
