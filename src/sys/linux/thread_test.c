/* SPDX-License-Identifier: MIT */
/*
 * Goal: threads get what was asked for them (argument, name, stack), end as
 * promised (join, detach, destructors), and a thread that cannot be made is an
 * error that leaves nothing behind.
 */
#define _GNU_SOURCE

#include "sys/sys.h"

#include "sandbox_test.h"

#include <grp.h>
#include <pthread.h>
#include <sys/resource.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

struct seen {
	char name[32];
	char kernel_name[32];
	char cut_name[8];
	size_t stack_size;
	uint64_t id;
	int runs;
};

static size_t own_stack_size(void)
{
	pthread_attr_t attributes;
	size_t size;
	void *stack;

	CHECK_EQ(pthread_getattr_np(pthread_self(), &attributes), 0);
	CHECK_EQ(pthread_attr_getstack(&attributes, &stack, &size), 0);
	pthread_attr_destroy(&attributes);
	return size;
}

static void look(void *arg)
{
	struct seen *seen = arg;
	FILE *comm = fopen("/proc/thread-self/comm", "re");

	weft__thread_get_name(seen->name, sizeof(seen->name));
	weft__thread_get_name(seen->cut_name, sizeof(seen->cut_name));
	if (comm) {
		if (fgets(seen->kernel_name, sizeof(seen->kernel_name), comm))
			seen->kernel_name[strcspn(seen->kernel_name, "\n")] = '\0';
		fclose(comm);
	}
	seen->stack_size = own_stack_size();
	seen->id = weft__thread_id();
	seen->runs++;
}

static void look_in_thread(struct seen *seen, size_t stack_size, const char *name)
{
	struct weft__thread thread;

	*seen = (struct seen){ 0 };
	CHECK_EQ(weft__thread_start(&thread, look, seen, stack_size, name), 0);
	weft__thread_join(thread);
	CHECK_EQ(seen->runs, 1);
}

TEST(thread_has_its_name)
{
	static struct seen seen;

	look_in_thread(&seen, 0, "spinner");
	CHECK_STR_EQ(seen.name, "spinner");
	CHECK_STR_EQ(seen.kernel_name, "spinner");
	CHECK_STR_EQ(seen.cut_name, "spinner");
}

TEST(thread_name_is_cut)
{
	static struct seen seen;

	look_in_thread(&seen, 0, "fifteen bytes..and more");
	CHECK_STR_EQ(seen.name, "fifteen bytes..");
	CHECK_STR_EQ(seen.kernel_name, "fifteen bytes..");
	CHECK_STR_EQ(seen.cut_name, "fifteen");
}

TEST(thread_without_name_has_its_creators)
{
	static struct seen seen;
	char before[16];

	weft__thread_get_name(before, sizeof(before));
	weft__thread_set_name("creator of some threads");
	look_in_thread(&seen, 0, NULL);
	CHECK_STR_EQ(seen.name, "creator of some");
	weft__thread_set_name(before);
	weft__thread_get_name(before, 0); /* no room: nothing is written */
}

TEST(thread_stack_is_as_large_as_asked)
{
	static const size_t sizes[] = { 1, 4096, 16384, 100001, 1 << 20, 3 << 20 };
	static struct seen seen;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		look_in_thread(&seen, sizes[i], "stack");
		CHECK_GE(seen.stack_size, sizes[i]);
	}
}

static void recurse(void *arg)
{
	volatile char frame[1000];
	int *depth = arg;

	frame[0] = 1;
	if (--*depth > 0)
		recurse(depth);
	frame[999] = frame[0];
}

TEST(thread_large_stack_holds_deep_calls)
{
	static int depth;
	struct weft__thread thread;

	depth = 12000; /* 12 MB, more than the usual 8 */
	CHECK_EQ(weft__thread_start(&thread, recurse, &depth, (size_t)128 << 20, "deep"), 0);
	weft__thread_join(thread);
	CHECK_EQ(depth, 0);
}

static int count_lines(const char *file)
{
	FILE *in = fopen(file, "re");
	int lines = 0;
	int c;

	CHECK_NOT_NULL(in);
	while ((c = getc(in)) != EOF)
		lines += c == '\n';
	fclose(in);
	return lines;
}

TEST(thread_with_absurd_stack_is_an_error)
{
	static struct seen seen;
	struct weft__thread thread = { 77 };
	int mappings = 0;

	for (int i = 0; i < 1000; i++) {
		int error = weft__thread_start(&thread, look, &seen, (size_t)1 << 62, "absurd");

		CHECK(error == -EAGAIN || error == -ENOMEM || error == -EINVAL);
		CHECK_EQ(weft__thread_start(&thread, look, &seen, SIZE_MAX, "absurd"), -EINVAL);
		if (i == 10)
			mappings = count_lines("/proc/self/maps");
	}
	/* LeakSanitizer sees the blocks; the mappings would be seen here. */
	CHECK_LE(count_lines("/proc/self/maps"), mappings + 10);
	CHECK_EQ(seen.runs, 0);
	CHECK_EQ(thread.handle, 77);
	look_in_thread(&seen, 0, "after");
}

TEST(thread_of_no_function_is_an_error)
{
	struct weft__thread thread;

	CHECK_EQ(weft__thread_start(&thread, NULL, NULL, 0, NULL), -EINVAL);
}

/* Root has no limit of processes, so the child becomes somebody else. */
static void start_at_the_limit(void)
{
	static struct seen seen;
	struct weft__thread thread;
	struct rlimit none;
	struct rlimit before;

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
		CHECK_EQ(weft__thread_start(&thread, look, &seen, 0, "limit"), -EAGAIN);
	CHECK_EQ(seen.runs, 0);
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &before), 0);
	look_in_thread(&seen, 0, "after");
}

TEST(thread_beyond_the_limit_is_an_error)
{
	sandbox_run(start_at_the_limit);
}

static weft_atomic_u32 detached_ran;

static void run_detached(void *arg)
{
	(void)arg;
	weft_store_release(&detached_ran, 1);
	weft__futex_wake(&detached_ran, 1);
}

TEST(thread_detached_runs)
{
	struct weft__thread thread;

	CHECK_EQ(weft__thread_start(&thread, run_detached, NULL, 0, "detached"), 0);
	weft__thread_detach(thread);
	while (!weft_load_acquire(&detached_ran))
		weft__futex_wait(&detached_ran, 0, WEFT_NEVER);
}

static void join_self(void *unused)
{
	(void)unused;
	weft__thread_join((struct weft__thread){ (uintptr_t)pthread_self() });
}

TEST(thread_that_joins_itself_dies)
{
#ifdef SANITIZED
	SKIP("a sanitizer ends such a program itself");
#endif
	CHECK_DIES(join_self, NULL, "weft: a thread cannot be joined: ");
}

TEST(thread_ids_are_not_used_twice)
{
	enum { THREADS = 50 };
	static struct seen seen[THREADS];
	uint64_t mine = weft__thread_id();

	CHECK_NE(mine, 0);
	for (int i = 0; i < THREADS; i++) {
		look_in_thread(&seen[i], 0, "id");
		CHECK_NE(seen[i].id, 0);
		CHECK_NE(seen[i].id, mine);
		for (int k = 0; k < i; k++)
			CHECK_NE(seen[i].id, seen[k].id);
	}
	CHECK_EQ(weft__thread_id(), mine);
}

static struct weft__thread_key key;
static weft_atomic_u32 destroyed;

static void destroy(void *value)
{
	weft_add_relaxed(&destroyed, *(uint32_t *)value);
}

static void set_key(void *value)
{
	CHECK_EQ(weft__thread_key_set(key, value), 0);
}

static void set_and_clear_key(void *value)
{
	CHECK_EQ(weft__thread_key_set(key, value), 0);
	CHECK_EQ(weft__thread_key_set(key, NULL), 0);
}

static void start_and_join(weft__thread_fn fn, void *arg)
{
	struct weft__thread thread;

	CHECK_EQ(weft__thread_start(&thread, fn, arg, 0, "key"), 0);
	weft__thread_join(thread);
}

TEST(thread_key_is_called_for_each_value)
{
	static uint32_t values[] = { 1, 10, 100 };

	CHECK_EQ(weft__thread_key_init(&key, destroy), 0);
	for (int i = 0; i < 3; i++)
		start_and_join(set_key, &values[i]);
	CHECK_EQ(weft_load_relaxed(&destroyed), 111);
	start_and_join(set_key, NULL);
	start_and_join(set_and_clear_key, &values[0]);
	CHECK_EQ(weft_load_relaxed(&destroyed), 111);
}

static void use_up_keys(void)
{
	struct weft__thread_key last = { 0 };
	uint32_t value = 1;
	int error;

	while ((error = weft__thread_key_init(&key, destroy)) == 0)
		last = key;
	CHECK_EQ(error, -EAGAIN);
	CHECK_EQ(weft__thread_key_set(last, &value), 0);
	CHECK_EQ(weft__thread_key_set(last, NULL), 0);
}

TEST(thread_keys_used_up_is_an_error)
{
	sandbox_run(use_up_keys);
}

/* The C library keeps the first values of a thread in the thread itself, and takes
 * memory for the others. */
static void set_key_without_memory(void)
{
	struct rlimit all_used;
	uint32_t value = 1;
	void *last = NULL;
	void *block;

	for (int i = 0; i < 100; i++)
		CHECK_EQ(weft__thread_key_init(&key, destroy), 0);
	CHECK_EQ(getrlimit(RLIMIT_AS, &all_used), 0);
	all_used.rlim_cur = 1;
	CHECK_EQ(setrlimit(RLIMIT_AS, &all_used), 0);
	for (size_t size = 1 << 16; size >= 16; size /= 2) {
		while ((block = weft__alloc(size))) {
			*(void **)block = last;
			last = block;
		}
	}
	CHECK_EQ(weft__thread_key_set(key, &value), -ENOMEM);
	while ((block = last)) {
		last = *(void **)block;
		weft__release(block);
	}
	CHECK_EQ(weft__thread_key_set(key, &value), 0);
	CHECK_EQ(weft__thread_key_set(key, NULL), 0);
}

TEST(thread_key_without_memory_is_an_error)
{
#ifdef SANITIZED
	SKIP("a sanitizer needs memory of its own, and does not return without it");
#endif
	if (!sandbox_limits_space())
		SKIP("this system sets no limit to address space");
	sandbox_run(set_key_without_memory);
}

static void keep_self(void *out)
{
	*(struct weft__thread *)out = weft__thread_self();
}

TEST(thread_self_is_what_start_gave)
{
	struct weft__thread thread;
	struct weft__thread self = { 0 };

	CHECK_EQ(weft__thread_start(&thread, keep_self, &self, 0, "self"), 0);
	weft__thread_join(thread);
	CHECK_EQ(self.handle, thread.handle);
	CHECK_NE(weft__thread_self().handle, self.handle);
}

static int forks;

static void count_fork(void)
{
	forks++;
}

static void check_forked(void)
{
	CHECK_EQ(forks, 1);
}

TEST(thread_atfork_runs_in_the_child)
{
	CHECK_EQ(weft__atfork_child(count_fork), 0);
	sandbox_run(check_forked);
	CHECK_EQ(forks, 0);
}
