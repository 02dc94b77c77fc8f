/* SPDX-License-Identifier: MIT */
/*
 * Goal: nobody shares a stack, what lies below one is safe, a stack that was just used
 * is used next, and memory that nobody needs goes back to the system. The lack of
 * memory, address space or mappings is a value.
 */
#include "rt/stack.h"

#include "base/rng.h"
#include "check.h"
#include "rt/switch.h"
#include "sys/linux/sandbox_test.h"
#include "weft/mutex.h"

#include <signal.h>

enum {
	BATCH = WEFT__STACK_BATCH,
	READY_LEAST = 64, /* of stack.c: batches */
	TRIM_MOST = 32,
	SANITIZED = WEFT__STACK_SANITIZED,
};

static struct weft__stack_cache cache;

/* It runs everything itself, with fewer mappings and slower. */
static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

static struct weft__stack *take(enum weft__stack_class class)
{
	struct weft__stack *stack = weft__stack_take(&cache, class);

	CHECK_NOT_NULL(stack);
	return stack;
}

static void give(struct weft__stack *stack)
{
	weft__stack_give(&cache, stack);
}

static struct weft__stack_counts counts(void)
{
	struct weft__stack_counts now;

	weft__stack_count(&now);
	return now;
}

/* Gives all memory back that nobody uses. */
static void drain(void)
{
	static int64_t now;

	weft__stack_cache_empty(&cache);
	do
		now += 10 * WEFT_SECOND;
	while (weft__stack_trim(now) != WEFT_NEVER);
	CHECK_EQ(counts().ready, 0);
}

/* ---- one stack --------------------------------------------------------------------- */

TEST(stack_class_is_the_least_that_fits)
{
	CHECK_EQ(weft__stack_class_of(0), WEFT__STACK_64K);
	CHECK_EQ(weft__stack_class_of(1), WEFT__STACK_16K);
	CHECK_EQ(weft__stack_class_of(16384), WEFT__STACK_16K);
	CHECK_EQ(weft__stack_class_of(16385), WEFT__STACK_64K);
	CHECK_EQ(weft__stack_class_of(65536), WEFT__STACK_64K);
	CHECK_EQ(weft__stack_class_of(65537), WEFT__STACK_256K);
	CHECK_EQ(weft__stack_class_of(SIZE_MAX), WEFT__STACK_256K);
}

/* Whether the program may write there. */
static bool writable(volatile char *at)
{
	int status;
	pid_t child = check_fork();

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		*at = 1;
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFEXITED(status);
}

TEST(stack_is_as_large_as_its_class_and_guarded)
{
	for (int class = 0; class < WEFT__STACK_CLASSES; class ++) {
		struct weft__stack *stack = take((enum weft__stack_class) class);
		char *low = stack->low;

		CHECK_GE(stack->size, (size_t)16384 << 2 * class);
		CHECK_PTR_EQ(low + stack->size, stack);
		CHECK_EQ((uintptr_t)stack % 16, 0);
		memset(low, 0x5a, stack->size);
		CHECK_EQ(stack->class, class);
		CHECK(!writable(low - 1));
		CHECK(!writable(low - WEFT__STACK_GUARD));
		give(stack);
	}
}

TEST(stack_that_was_used_last_is_used_next)
{
	struct weft__stack *a = take(WEFT__STACK_64K), *b = take(WEFT__STACK_64K);

	give(a);
	give(b);
	CHECK_PTR_EQ(take(WEFT__STACK_64K), b);
	CHECK_PTR_EQ(take(WEFT__STACK_64K), a);
	give(b);
	give(a);
}

/* ---- many stacks -------------------------------------------------------------------- */

/* They are linked through their `batch`, which the store does not use meanwhile. */
static struct weft__stack *take_many(enum weft__stack_class class, size_t count)
{
	struct weft__stack *chain = NULL;

	while (count-- > 0) {
		struct weft__stack *stack = take(class);

		memset((char *)stack - 512, (int)count, 512);
		stack->batch = chain;
		chain = stack;
	}
	return chain;
}

static void give_many(struct weft__stack *chain)
{
	while (chain) {
		struct weft__stack *stack = chain;

		chain = chain->batch;
		give(stack);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct weft__stack *x = *(struct weft__stack *const *)a;
	const struct weft__stack *y = *(struct weft__stack *const *)b;

	return (x > y) - (x < y);
}

TEST(stacks_do_not_overlap)
{
	enum { MANY = 900 };
	static struct weft__stack *all[MANY];

	for (size_t i = 0; i < MANY; i++)
		all[i] = take((enum weft__stack_class)(i % WEFT__STACK_CLASSES));
	qsort(all, MANY, sizeof(all[0]), by_address);
	for (size_t i = 1; i < MANY; i++)
		CHECK_LE((uintptr_t)(all[i - 1] + 1) + WEFT__STACK_GUARD, (uintptr_t)all[i]->low);
	for (size_t i = 0; i < MANY; i++)
		give(all[i]);
}

static size_t pages_now(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	size_t all, resident;

	CHECK_NOT_NULL(statm);
	CHECK_EQ(fscanf(statm, "%zu %zu", &all, &resident), 2);
	fclose(statm);
	return resident;
}

/* More ready than out: those beyond go back at once. The rest goes when nobody misses it,
 * some at a time, and whole slabs too. */
TEST(stacks_beyond_some_go_back_to_the_system)
{
	enum { MANY = 6000 };
	struct weft__stack *chain;
	size_t before, during, mapped, ready;
	int64_t again;

	drain();
	mapped = counts().mapped;
	before = pages_now();
	chain = take_many(WEFT__STACK_16K, MANY);
	during = pages_now();
	CHECK_GE(counts().out, MANY);
	CHECK_GE(during, before + MANY);
	give_many(chain);
	weft__stack_cache_empty(&cache);
	CHECK_EQ(counts().out, 0);
	CHECK_LE(counts().ready, MANY / 2 + READY_LEAST * BATCH);
	CHECK_GE(counts().ready, MANY / 2 - BATCH);
	if (!SANITIZED && !under_valgrind()) /* shadows stay */
		CHECK_LE(pages_now(), before + MANY / 2 + READY_LEAST * BATCH + 1000);

	again = weft__stack_trim(weft_now());
	ready = counts().ready;
	for (int turns = 0; again != WEFT_NEVER; turns++) {
		CHECK_LT(turns, 2 + MANY / (TRIM_MOST * BATCH));
		again = weft__stack_trim(again);
		CHECK_GE(counts().ready + TRIM_MOST * BATCH, ready);
		ready = counts().ready;
	}
	CHECK_EQ(ready, 0);
	/* One slab is spare. */
	CHECK_LE(counts().mapped, mapped + 1024);
	if (!SANITIZED && !under_valgrind())
		CHECK_LE(pages_now(), before + 1000);
}

TEST(stacks_that_nobody_misses_go_back_to_the_system)
{
	const int64_t start = weft_now();
	struct weft__stack *chain;
	int64_t again;
	size_t during;

	drain();
	chain = take_many(WEFT__STACK_64K, BATCH * 20);
	during = pages_now();
	give_many(chain);
	weft__stack_cache_empty(&cache);
	CHECK_EQ(counts().ready, BATCH * 20);

	/* Half are missed until the next trim, the other half is not. */
	again = weft__stack_trim(start);
	CHECK_EQ(counts().ready, BATCH * 20);
	CHECK_GT(again, start);
	CHECK_LE(again, start + 2 * WEFT_SECOND);
	give_many(take_many(WEFT__STACK_64K, BATCH * 10));
	weft__stack_cache_empty(&cache);
	CHECK_EQ(weft__stack_trim(again - 1), again);
	CHECK_EQ(counts().ready, BATCH * 20);
	again = weft__stack_trim(again);
	CHECK_EQ(counts().ready, BATCH * 10);

	/* Nothing happens any more: all goes, and nobody need come again. */
	CHECK_EQ(weft__stack_trim(again), WEFT_NEVER);
	CHECK_EQ(counts().ready, 0);
	if (!SANITIZED && !under_valgrind())
		CHECK_LE(pages_now(), during - BATCH * 20 + 100);
}

/* ---- suspended by the hundred thousand -------------------------------------------------- */

static struct weft__context home;

struct sleeper {
	struct weft__context context;
	struct weft__stack *stack;
	uint64_t value;
};

static void sleep_twice(void *arg)
{
	struct sleeper *self = arg;
	volatile uint64_t local = self->value;

	for (;;) {
		weft__context_switch(&self->context, &home);
		self->value = local + 1;
	}
}

static size_t mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	size_t lines = 0;
	int c;

	CHECK_NOT_NULL(maps);
	while ((c = fgetc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

static bool begin(struct sleeper *s, uint64_t value)
{
	s->value = value;
	s->stack = weft__stack_take(&cache, WEFT__STACK_64K);
	if (!s->stack)
		return false;
	weft__context_make(&s->context, s->stack->low, s->stack->size, sleep_twice, s);
	weft__context_switch(&home, &s->context);
	return true;
}

static void go_on_and_end(struct sleeper *sleepers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		weft__context_switch(&home, &sleepers[i].context);
		CHECK_EQ(sleepers[i].value, i + 1);
		give(sleepers[i].stack);
	}
	weft__stack_cache_empty(&cache);
	CHECK_EQ(counts().out, 0);
}

static bool has_marks(void)
{
	const size_t page = weft__page_size();
	char *pages = weft__pages_map(3 * page);
	size_t before = mappings();

	CHECK_EQ(weft__guard_install(pages + page, page), 0);
	before = mappings() - before;
	weft__pages_unmap(pages, 3 * page);
	return before == 0;
}

TEST(stacks_for_a_hundred_thousand_that_are_suspended)
{
	const size_t many = SANITIZED || under_valgrind() ? 2000 : 100000;
	struct sleeper *sleepers;
	size_t before;

	if (!has_marks())
		SKIP("without MADV_GUARD_INSTALL each stack costs two mappings");
	sleepers = weft__alloc_zero(many, sizeof(*sleepers));
	CHECK_NOT_NULL(sleepers);
	drain();
	before = mappings();
	for (size_t i = 0; i < many; i++)
		CHECK(begin(&sleepers[i], i));
	CHECK_LE(mappings(), before + 1000);
	CHECK_EQ(counts().out, many);
	go_on_and_end(sleepers, many);
	weft__release(sleepers);
}

/* ---- what the system refuses ---------------------------------------------------------- */

/* As many as there are, of at most `most`; all go on, and more can be had then. */
static size_t exhaust(size_t most)
{
	struct sleeper *sleepers = weft__alloc_zero(most, sizeof(*sleepers));
	size_t count = 0;

	CHECK_NOT_NULL(sleepers);
	while (count < most && begin(&sleepers[count], count))
		count++;
	if (count < most) {
		CHECK(!begin(&sleepers[count], count));
		CHECK_EQ(counts().out, count);
	}
	go_on_and_end(sleepers, count);
	CHECK(begin(&sleepers[0], 0));
	go_on_and_end(sleepers, 1);
	weft__release(sleepers);
	return count;
}

static void without_marks(void)
{
	/* By default 65,530 mappings; two of them a stack. */
	const size_t most = 33000;
	size_t count;

	CHECK(sandbox_refuse(SYS_madvise, 2, 102, 102, EINVAL));
	count = exhaust(most);
	printf("%zu stacks with guards by mprotect\n", count);
	CHECK_GE(count, 1000);
}

TEST(stacks_end_with_the_mappings_where_there_are_no_marks)
{
	if (SANITIZED || under_valgrind())
		SKIP("a sanitizer needs mappings of its own at any time");
	if (!sandbox_works())
		SKIP("this system lets no seccomp filter be set");
	sandbox_run(without_marks);
}

enum { ROOM = 40 << 20 };

/* No more address space than there is now, and a little. */
static void leave_little_room(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	struct rlimit limit;
	size_t pages;

	CHECK_NOT_NULL(statm);
	CHECK_EQ(fscanf(statm, "%zu", &pages), 1);
	fclose(statm);
	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = pages * weft__page_size() + ROOM;
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

static void without_room(void)
{
	size_t count;

	leave_little_room();
	count = exhaust(10000);
	printf("%zu stacks in %d MiB\n", count, ROOM >> 20);
	CHECK_LT(count, ROOM / 65536);
	CHECK_GE(count, ROOM / 65536 / 2);
}

TEST(stacks_end_with_the_address_space)
{
	if (SANITIZED || under_valgrind())
		SKIP("a sanitizer takes more address space than a limit leaves");
	if (!sandbox_limits_space())
		SKIP("this system sets no limit to address space");
	sandbox_run(without_room);
}

/* ---- how deep it was ------------------------------------------------------------------- */

static __attribute__((noinline)) int dig(size_t bytes)
{
	volatile char *hole = __builtin_alloca(bytes);

	hole[0] = 1;
	return hole[0];
}

static void dig_and_leave(void *arg)
{
	struct sleeper *self = arg;

	for (;;) {
		CHECK_EQ(dig(self->value), 1);
		weft__context_switch(&self->context, &home);
	}
}

static size_t depth_after(struct weft__stack *stack, size_t bytes)
{
	struct sleeper s = { .value = bytes };

	weft__context_make(&s.context, stack->low, stack->size, dig_and_leave, &s);
	weft__context_switch(&home, &s.context);
	return weft__stack_high_water(stack);
}

TEST(stack_knows_how_deep_it_was)
{
	const size_t extra = SANITIZED || under_valgrind() ? 4096 + 1024 : 1024;
	struct weft__stack *stack;

	drain();
	stack = take(WEFT__STACK_64K);
	CHECK_LE(weft__stack_high_water(stack), under_valgrind() ? 4096 : 0);
	CHECK_LE(depth_after(stack, 100), extra);
	for (size_t bytes = 3000; bytes < 60000; bytes += 2999) {
		CHECK_GE(depth_after(stack, bytes), bytes);
		CHECK_LE(weft__stack_high_water(stack), bytes + extra);
	}
	CHECK_GE(depth_after(stack, 100), 50000);
	CHECK_LE(weft__stack_high_water(stack), stack->size);
	give(stack);
}

/* ---- threads ----------------------------------------------------------------------------- */

enum { SHELVES = 300, ROUNDS = 30000 };

/* Where threads lay stacks down for each other. */
static struct {
	weft_mutex lock;
	struct weft__stack *stacks[SHELVES];
} table;

static void exchange(struct weft__stack_cache *own, struct weft__rng *rng)
{
	const size_t at = weft__rng_next(rng) % SHELVES;
	struct weft__stack *stack = NULL, *other;
	uint64_t *mark;

	if (weft__rng_next(rng) % 3) {
		stack = weft__stack_take(own, at % WEFT__STACK_CLASSES);
		CHECK_NOT_NULL(stack);
		mark = (uint64_t *)(void *)stack - 1;
		*mark = (uintptr_t)stack ^ at;
	}
	weft_mutex_lock(&table.lock);
	other = table.stacks[at];
	table.stacks[at] = stack;
	weft_mutex_unlock(&table.lock);
	if (!other)
		return;
	mark = (uint64_t *)(void *)other - 1;
	CHECK_EQ(*mark, (uintptr_t)other ^ at);
	*mark = 0;
	weft__stack_give(own, other);
}

static void exchange_often(void *arg)
{
	struct weft__stack_cache own = { 0 };
	struct weft__rng rng;

	weft__rng_seed(&rng, (uintptr_t)arg);
	for (int i = 0; i < ROUNDS; i++) {
		exchange(&own, &rng);
		if (i % 1000 == 999)
			weft__stack_cache_empty(&own);
		if (i % 100 == 99)
			weft__stack_trim(weft_now());
	}
	weft__stack_cache_empty(&own);
}

TEST(stacks_are_one_threads_at_a_time)
{
	struct weft__thread threads[4];

	for (uintptr_t i = 0; i < 4; i++)
		CHECK_EQ(weft__thread_start(&threads[i], exchange_often, (void *)(i + 1), 0, NULL),
			 0);
	for (int i = 0; i < 4; i++)
		weft__thread_join(threads[i]);
	for (int i = 0; i < SHELVES; i++)
		if (table.stacks[i])
			give(table.stacks[i]);
	weft__stack_cache_empty(&cache);
	CHECK_EQ(counts().out, 0);
}

/* ---- after a fork ------------------------------------------------------------------------- */

static struct weft__stack *from_parent;

static void use_in_child(void)
{
	struct weft__stack_cache own = { 0 };
	struct weft__stack *stack = weft__stack_take(&own, WEFT__STACK_64K);

	CHECK_NOT_NULL(stack);
	CHECK_PTR_NE(stack, from_parent);
	memset(stack->low, 1, stack->size);
	weft__stack_give(&own, stack);
	/* The stack that a fiber was on when it forked. */
	weft__stack_give(&own, from_parent);
	weft__stack_cache_empty(&own);
	drain();
}

TEST(stacks_of_a_child_are_its_own)
{
	from_parent = take(WEFT__STACK_64K);
	give_many(take_many(WEFT__STACK_64K, 500));
	sandbox_run(use_in_child);
	give(from_parent);
}
