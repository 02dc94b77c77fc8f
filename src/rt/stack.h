/* SPDX-License-Identifier: MIT */
/*
 * Stacks of fibers, in three sizes.
 *
 * Each worker keeps a few stacks that it has just used, in a cache that is its own:
 * to take one there and to give it back is a step on a list, and its pages are still
 * in the processor's caches. Behind the caches is one store for the process, which
 * is handed whole batches; stack.c tells what it does with them.
 *
 * A stack's description lies at the upper end of its own memory, so that a list of
 * stacks touches no page that is not touched anyway. Below the stack are pages that
 * nobody can touch.
 */
#ifndef WEFT_RT_STACK_H
#define WEFT_RT_STACK_H

#include "rt/sanitize.h"
#include "sys/sys.h"

enum weft__stack_class {
	WEFT__STACK_16K,
	WEFT__STACK_64K,
	WEFT__STACK_256K,
	WEFT__STACK_CLASSES,
};

/* Sanitizers make frames larger, and their own calls run on the stack as well. */
#define WEFT__STACK_SANITIZED (WEFT__ASAN || WEFT__TSAN)
#if WEFT__STACK_SANITIZED
#define WEFT__STACK_SCALE 4
#else
#define WEFT__STACK_SCALE 1
#endif

enum {
	/* Of the smallest; each other class has four times the one before. */
	WEFT__STACK_LEAST = WEFT__BOUND(16384 * WEFT__STACK_SCALE, 256),
	WEFT__STACK_GUARD = WEFT__BOUND(16384, 64),
	WEFT__STACK_BATCH = WEFT__BOUND(16, 2), /* stacks that change hands at once */
};

struct weft__stack_slab;

/* 16-aligned, as the stack that begins just below it. */
struct WEFT_ALIGNED(16) weft__stack {
	struct weft__stack *next; /* of a list */
	void *low;                /* the stack is low .. low + size */
	size_t size;
	/* stack.c's own */
	struct weft__stack_slab *slab;
	struct weft__stack *batch; /* the next batch; in the first stack of one */
	uint32_t slot;
	uint32_t announced; /* the number that a tool gave it */
	uint8_t class;
	uint8_t count; /* stacks; in the first of a batch */
};

/* One per worker, which alone uses it. All zeros is an empty cache. */
struct weft__stack_cache {
	struct weft__stack_shelf {
		struct weft__stack *hot;   /* the latest used first */
		struct weft__stack *spare; /* none, or a whole batch */
		uint32_t count;            /* of hot: at most a batch */
	} shelves[WEFT__STACK_CLASSES];
};

/* The smallest class whose stacks have `size` bytes; the largest for more. 0 is the
 * default. */
enum weft__stack_class weft__stack_class_of(size_t size);

struct weft__stack *weft__stack_take_shared(struct weft__stack_cache *cache,
					    enum weft__stack_class class);
void weft__stack_make_room(struct weft__stack_shelf *shelf, enum weft__stack_class class);

/* Whether a tool like valgrind watches; known before the first stack is there. */
extern bool weft__stack_watched;

/* A stack of at least the size of its class, whose contents are anything; or NULL:
 * there is no memory. */
static inline struct weft__stack *weft__stack_take(struct weft__stack_cache *cache,
						   enum weft__stack_class class)
{
	struct weft__stack_shelf *shelf = &cache->shelves[class];
	struct weft__stack *stack = shelf->hot;

	if (WEFT_LIKELY(stack != NULL)) {
		shelf->hot = stack->next;
		shelf->count--;
	} else {
		stack = weft__stack_take_shared(cache, class);
		if (!stack)
			return NULL;
	}
	weft__sanitize_stack_taken(stack->low, stack->size);
	return stack;
}

/* Gives a stack back that nobody runs on any more, to any worker's cache. */
static inline void weft__stack_give(struct weft__stack_cache *cache, struct weft__stack *stack)
{
	struct weft__stack_shelf *shelf = &cache->shelves[stack->class];

	weft__sanitize_stack_given(stack->low, stack->size);
	if (WEFT_UNLIKELY(weft__stack_watched))
		weft__tools_renew(stack->low, stack->size);
	if (WEFT_UNLIKELY(shelf->count == WEFT__STACK_BATCH))
		weft__stack_make_room(shelf, (enum weft__stack_class)stack->class);
	stack->next = shelf->hot;
	shelf->hot = stack;
	shelf->count++;
}

/* Gives all stacks of a cache to the others: before its worker ends. */
void weft__stack_cache_empty(struct weft__stack_cache *cache);

/* For a worker that is going to sleep: returns memory to the system that nobody has
 * missed for a while, some at a time. Returns when to call it again, or WEFT_NEVER. */
int64_t weft__stack_trim(int64_t now);

/* How many bytes of the stack have been used, from its upper end, by the deepest of
 * its users since its memory came from the system: words that are not 0. */
size_t weft__stack_high_water(const struct weft__stack *stack);

/* What there is, of all classes: a reading at about one time. */
struct weft__stack_counts {
	size_t mapped; /* stacks that there is address space for */
	size_t ready;  /* of these, with memory, and in nobody's hands or cache */
	size_t out;    /* in somebody's hands or cache */
	size_t bytes;  /* of address space */
};
void weft__stack_count(struct weft__stack_counts *out);

#endif
