/* SPDX-License-Identifier: MIT */
/*
 * The first frame of a context: the one that a switch pops, made by hand.
 *
 * It leads to weft__context_entry, which finds the function and its argument in two
 * registers that a call preserves and calls it - so that the function begins with
 * the stack pointer where a call puts it, 16n + 8 on x86-64, as compilers and
 * sanitizers expect.
 */
#include "sys/arch/context.h"

#include "base/assert.h"

#if defined(__x86_64__)

static void fill(struct weft__context_frame *frame, void (*fn)(void *), void *arg)
{
	uint16_t x87_control;

	__asm__ __volatile__("stmxcsr %0" : "=m"(frame->mxcsr));
	__asm__ __volatile__("fnstcw %0" : "=m"(x87_control));
	frame->x87_control = x87_control;
	frame->rbx = (uintptr_t)fn;
	frame->r12 = (uintptr_t)arg;
}

#else

static void fill(struct weft__context_frame *frame, void (*fn)(void *), void *arg)
{
	__asm__ __volatile__("mrs %0, fpcr" : "=r"(frame->fpcr));
	frame->x19 = (uintptr_t)fn;
	frame->x20 = (uintptr_t)arg;
}

#endif

void weft__context_make(struct weft__context *context, void *low, size_t size, void (*fn)(void *),
			void *arg)
{
	uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;
	struct weft__context_frame *frame = (struct weft__context_frame *)top - 1;

	WEFT__DEBUG_ASSERT(size >= 1024, "the stack of a context has less than 1 KiB");
	/* Once the frame is popped, the stack pointer is a multiple of 16: it is now,
	 * as the frame's size is one. */
	*frame = (struct weft__context_frame){ .pc = (uintptr_t)weft__context_entry };
	fill(frame, fn, arg);
	context->sp = frame;
}

void weft__context_returned(void)
{
	weft__die("the function of a context returned, and there is nobody to return to");
}
