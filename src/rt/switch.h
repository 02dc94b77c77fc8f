/* SPDX-License-Identifier: MIT */
/*
 * Strands: contexts (sys/arch/context.h) that sanitizers know of.
 *
 * A worker has a strand for its thread's own stack, which it adopts; a fiber that has
 * begun has one on its stack. Without a sanitizer a strand is a context and each step
 * below is the context's.
 *
 *     weft__strand_make(&s, stack->low, stack->size, fn, arg);
 *     weft__strand_switch(&root, &s);          fn(arg) begins with weft__strand_begin(&s)
 *     ...                                      and ends with weft__strand_leave(&s, &root)
 *     weft__strand_free(&s);                   by whoever runs then
 *
 * A sanitizer must be told within the function that switches, and in the same order
 * on either side; hence everything is inlined. errno and signal masks are not looked
 * at.
 *
 * ThreadSanitizer orders the two sides of a switch, since they are on one thread. It
 * can have some 8,000 strands at a time.
 */
#ifndef WEFT_RT_SWITCH_H
#define WEFT_RT_SWITCH_H

#include "rt/sanitize.h"
#include "sys/arch/context.h"

struct weft__strand {
	struct weft__context context;
#if WEFT__ASAN
	void *fake;      /* frames that are on the heap, while it is suspended */
	const void *low; /* of its stack */
	size_t size;
#endif
#if WEFT__TSAN
	void *fiber;
#endif
};

#if WEFT__ASAN
/* The strand that was left last on this thread; stack.c. */
extern _Thread_local struct weft__strand *weft__strand_left;
#endif

#define WEFT__STRAND_INLINE static inline __attribute__((always_inline))

/* The strand of the thread itself, which runs. */
WEFT__STRAND_INLINE void weft__strand_adopt(struct weft__strand *strand)
{
	*strand = (struct weft__strand){ 0 };
#if WEFT__TSAN
	strand->fiber = __tsan_get_current_fiber();
#endif
}

WEFT__STRAND_INLINE void weft__strand_make(struct weft__strand *strand, void *low, size_t size,
					   void (*fn)(void *), void *arg)
{
	weft__context_make(&strand->context, low, size, fn, arg);
#if WEFT__ASAN
	strand->fake = NULL;
	strand->low = low;
	strand->size = size;
#endif
#if WEFT__TSAN
	strand->fiber = __tsan_create_fiber(0);
#endif
}

/* Of a strand that was made, when it has left or never begun; it does not run. */
WEFT__STRAND_INLINE void weft__strand_free(struct weft__strand *strand)
{
#if WEFT__TSAN
	__tsan_destroy_fiber(strand->fiber);
#else
	(void)strand;
#endif
}

/* Told before a switch and after it. */

WEFT__STRAND_INLINE void weft__strand_announce(struct weft__strand *from,
					       const struct weft__strand *to, bool leaves)
{
#if WEFT__ASAN
	weft__strand_left = from;
	__sanitizer_start_switch_fiber(leaves ? NULL : &from->fake, to->low, to->size);
#else
	(void)leaves;
#endif
#if WEFT__TSAN
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	(void)from;
	(void)to;
}

WEFT__STRAND_INLINE void weft__strand_arrived(struct weft__strand *self)
{
#if WEFT__ASAN
	struct weft__strand *from = weft__strand_left;

	/* The bounds of a thread's own stack are learnt here. */
	__sanitizer_finish_switch_fiber(self->fake, &from->low, &from->size);
#endif
	(void)self;
}

/* *to will be switched to soon: has its stack's latest frames fetched. */
WEFT__STRAND_INLINE void weft__strand_prefetch(const struct weft__strand *to)
{
	const char *frames = to->context.sp;

	for (int i = 0; i < 6; i++)
		__builtin_prefetch(frames + i * WEFT_CACHE_LINE, 1);
}

/* Leaves *from for *to, and returns when somebody switches to *from. */
WEFT__STRAND_INLINE void weft__strand_switch(struct weft__strand *from,
					     const struct weft__strand *to)
{
	weft__strand_announce(from, to, false);
	weft__context_switch(&from->context, &to->context);
	weft__strand_arrived(from);
}

/* The first thing that a strand's function does. */
WEFT__STRAND_INLINE void weft__strand_begin(struct weft__strand *self)
{
	weft__strand_arrived(self);
}

/* The last thing: nobody may switch to *from again. */
_Noreturn WEFT__STRAND_INLINE void weft__strand_leave(struct weft__strand *from,
						      const struct weft__strand *to)
{
	weft__strand_announce(from, to, true);
	weft__context_switch(&from->context, &to->context);
	__builtin_unreachable();
}

#endif
