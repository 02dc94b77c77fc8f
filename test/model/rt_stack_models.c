/* SPDX-License-Identifier: MIT */
/*
 * The store of stacks: a stack is one thread's at a time, also while batches are made
 * cold, slabs are mapped and unmapped, and the system has no memory.
 *
 * Under the model a batch is a single stack, at most one is ready, and slabs have one
 * slot and then two; so every way through the store is short.
 */
#include "rig.h"

#include "rt/stack.h"

#define STORE "src/rt/stack"

#define CLASS WEFT__STACK_16K

static struct weft__stack_counts counts(void)
{
	struct weft__stack_counts now;

	weft__stack_count(&now);
	return now;
}

/* Plain: the checker finds who else is there. */
static void run_on(struct weft__stack *stack)
{
	uint64_t *top = (uint64_t *)(void *)stack - 1;

	*top = 1;
	WEFT_CHECK((char *)stack->low + stack->size == (char *)stack);
	WEFT_CHECK(stack->class == CLASS);
	*(uint64_t *)stack->low = 2;
	WEFT_CHECK(*top == 1);
}

static void use_one(void *arg)
{
	struct weft__stack_cache cache = { 0 };
	struct weft__stack *stack = weft__stack_take(&cache, CLASS);

	(void)arg;
	WEFT_CHECK(stack != NULL);
	run_on(stack);
	weft__stack_give(&cache, stack);
	weft__stack_cache_empty(&cache);
}

/* What is left when all is given back: nothing out, and one slab to begin with. */
static void check_rest(void)
{
	size_t mapped;

	WEFT_CHECK(weft__stack_trim(1) > 1);
	WEFT_CHECK(counts().out == 0);
	WEFT_CHECK(weft__stack_trim(10 * WEFT_SECOND) == WEFT_NEVER);
	WEFT_CHECK(counts().ready == 0);
	mapped = counts().mapped;
	WEFT_CHECK(mapped <= 2);
	use_one(NULL);
	WEFT_CHECK(counts().mapped == mapped);
}

static void users(void *arg)
{
	const int threads = (int)(intptr_t)arg;

	for (int i = 1; i < threads; i++)
		SPAWN(use_one, NULL);
	use_one(NULL);
	for (int i = 1; i < threads; i++)
		weft_check_join(i);
	check_rest();
}

MODEL_OF(rt_stack_is_one_users, users, .arg = (void *)2, .covers = STORE, .preemptions = 3,
	 .leaks_allowed = true);
MODEL_OF(rt_stack_is_one_of_three_users, users, .arg = (void *)3, .covers = STORE,
	 .preemptions = 1, .preemptions_long = 2, .leaks_allowed = true);

/* Two at a time, so that batches are too many, and slabs empty. */
static void use_three(void *arg)
{
	struct weft__stack_cache cache = { 0 };
	struct weft__stack *stacks[3];

	(void)arg;
	for (int i = 0; i < 3; i++) {
		stacks[i] = weft__stack_take(&cache, CLASS);
		WEFT_CHECK(stacks[i] != NULL);
		run_on(stacks[i]);
	}
	for (int i = 0; i < 3; i++)
		weft__stack_give(&cache, stacks[i]);
	weft__stack_cache_empty(&cache);
}

MODEL(rt_stacks_of_two_slabs, .covers = STORE, .preemptions = 2, .leaks_allowed = true)
{
	SPAWN(use_three, NULL);
	use_one(NULL);
	weft_check_join(1);
	check_rest();
}

/* From one thread to another and back, while a third trims. */
struct handed {
	weft_atomic_ptr stack;
};

static void give_handed(void *arg)
{
	struct handed *handed = arg;
	struct weft__stack_cache cache = { 0 };
	struct weft__stack *stack = weft_swap_acquire(&handed->stack, NULL);

	if (!stack)
		return;
	run_on(stack);
	weft__stack_give(&cache, stack);
	weft__stack_cache_empty(&cache);
}

MODEL(rt_stack_is_given_by_another, .covers = STORE, .preemptions = 3, .leaks_allowed = true)
{
	struct handed *handed = weft_check_alloc(sizeof(*handed));
	struct weft__stack_cache cache = { 0 };
	struct weft__stack *stack = weft__stack_take(&cache, CLASS);

	SPAWN(give_handed, handed);
	run_on(stack);
	weft_store_release(&handed->stack, stack);
	use_one(NULL);
	weft_check_join(1);
	give_handed(handed);
	check_rest();
	weft_check_free(handed);
}

static void trim_twice(void *arg)
{
	(void)arg;
	weft__stack_trim(WEFT_SECOND);
	weft__stack_trim(10 * WEFT_SECOND);
}

MODEL(rt_stack_is_trimmed_or_taken, .covers = STORE, .preemptions = 3, .leaks_allowed = true)
{
	use_one(NULL);
	WEFT_CHECK(counts().ready == 1);
	SPAWN(trim_twice, NULL);
	use_one(NULL);
	weft_check_join(1);
	WEFT_CHECK(counts().out == 0);
	WEFT_CHECK(counts().ready <= 1);
	WEFT_CHECK(weft__stack_trim(20 * WEFT_SECOND) >= 20 * WEFT_SECOND);
	WEFT_CHECK(weft__stack_trim(30 * WEFT_SECOND) == WEFT_NEVER);
	WEFT_CHECK(counts().ready == 0);
}

/* Two trim: nothing is dropped twice. */
MODEL(rt_stack_is_trimmed_by_two, .covers = STORE, .preemptions = 3, .leaks_allowed = true)
{
	use_one(NULL);
	WEFT_CHECK(weft__stack_trim(WEFT_SECOND) == 2 * WEFT_SECOND);
	SPAWN(trim_twice, NULL);
	weft__stack_trim(11 * WEFT_SECOND);
	weft_check_join(1);
	WEFT_CHECK(counts().out == 0);
	WEFT_CHECK(counts().ready == 0);
	use_one(NULL);
}

/* No memory for a slab or a guard is no stack; what there was remains of use. */
static void use_if_any(void *arg)
{
	struct weft__stack_cache cache = { 0 };
	struct weft__stack *stack = weft__stack_take(&cache, CLASS);

	(void)arg;
	if (stack) {
		run_on(stack);
		weft__stack_give(&cache, stack);
	}
	weft__stack_cache_empty(&cache);
}

MODEL(rt_stack_or_none, .covers = STORE, .failures = 2, .leaks_allowed = true, .preemptions = 2)
{
	SPAWN(use_if_any, NULL);
	use_if_any(NULL);
	use_if_any(NULL);
	weft_check_join(1);
	WEFT_CHECK(counts().out == 0);
	WEFT_CHECK(counts().mapped <= 4);
}
