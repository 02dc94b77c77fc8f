/* SPDX-License-Identifier: MIT */
/*
 * For tests that include a flavour's source and look inside: what that source
 * calls at its turning points goes through here, so that one thread can stop a
 * party half way, do something else in its place, and let it go on.
 *
 * on_copy     between the claim of a cell and its publication: a preempted party
 * on_look     between the publication and the look at who waits
 * on_barrier  instead of the barrier of all threads
 * on_alloc    before an allocation, with the locks held that it is made under
 * on_lock     before a queue is locked or linked into: for who waits, between its try and
 *             its link
 *
 * Each is called once and then forgotten; each thread has its own. Memory is
 * counted, and can be made to run out.
 *
 * Include it after the other headers, and after it the sources under test.
 */
#ifndef WEFT_CHAN_HOOKS_TEST_H
#define WEFT_CHAN_HOOKS_TEST_H

#include "chan/chan.h"

#include "check.h"

#include <malloc.h>

typedef void (*hook_fn)(void *arg);

struct hook {
	hook_fn fn;
	void *arg;
};

static __thread struct hook on_copy, on_look, on_barrier, on_alloc, on_lock;

static weft_atomic_size live_blocks, live_bytes, allocations;
static weft_atomic_i32 allocations_left = WEFT_ATOMIC_INIT(INT32_MAX);

static inline void hook_set(struct hook *hook, hook_fn fn, void *arg)
{
	*hook = (struct hook){ fn, arg };
}

static inline bool hook_run(struct hook *hook)
{
	struct hook now = *hook;

	*hook = (struct hook){ 0 };
	if (now.fn)
		now.fn(now.arg);
	return now.fn != NULL;
}

static inline void hook_element_copy(void *to, const void *from, size_t size)
{
	weft__element_copy(to, from, size);
	hook_run(&on_copy);
}

static inline void hook_notify(weft_waitq *q)
{
	hook_run(&on_look);
	weft__chan_notify(q);
}

static inline void hook_barrier_all(void)
{
	if (!hook_run(&on_barrier))
		weft__barrier_all();
}

static inline weft_case *hook_waitq_lock(weft_waitq *q)
{
	hook_run(&on_lock);
	return weft__waitq_lock(q);
}

static inline void hook_waitq_push(weft_waitq *q, weft_case *c, unsigned set)
{
	hook_run(&on_lock);
	weft__waitq_push(q, c, set);
}

static inline void *hook_alloc_aligned(size_t alignment, size_t size)
{
	void *memory;

	hook_run(&on_alloc);
	/* A sanitizer's allocator stops the program for sizes that cannot be. */
	if (weft_sub_relaxed(&allocations_left, 1) <= 0 || size > (size_t)1 << 40)
		return NULL;
	memory = weft__alloc_aligned(alignment, size);
	if (!memory)
		return NULL;
	weft_add_relaxed(&allocations, 1);
	weft_add_relaxed(&live_blocks, 1);
	weft_add_relaxed(&live_bytes, malloc_usable_size(memory));
	return memory;
}

static inline void hook_release(void *memory)
{
	if (memory) {
		weft_sub_relaxed(&live_blocks, 1);
		weft_sub_relaxed(&live_bytes, malloc_usable_size(memory));
	}
	weft__release(memory);
}

/* The program gave all of it back. */
static inline void memory_is_back(void)
{
	CHECK_EQ(weft_load_relaxed(&live_blocks), 0);
	CHECK_EQ(weft_load_relaxed(&live_bytes), 0);
}

/* From the next one on, `count` allocations succeed. */
static inline void memory_lasts_for(int32_t count)
{
	weft_store_relaxed(&allocations_left, count);
}

#define weft__element_copy hook_element_copy
#define weft__chan_notify hook_notify
#define weft__barrier_all hook_barrier_all
#define weft__waitq_lock hook_waitq_lock
#define weft__waitq_push hook_waitq_push
#define weft__alloc_aligned hook_alloc_aligned
#define weft__release hook_release

#endif
