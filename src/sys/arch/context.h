/* SPDX-License-Identifier: MIT */
/*
 * Contexts: what is left of a computation while another one runs on its thread.
 *
 * A suspended context is one word, its stack pointer; what a function call
 * preserves lies on its own stack, in the layout below. Signal masks and errno are
 * the thread's and are not looked at. The modes of floating point (rounding, traps,
 * flushing to zero) are the context's own; its sticky exception flags are nobody's, as
 * after any call.
 *
 * A switch ends in an indirect jump, not in a return: the return address is not the
 * one that the processor's return predictor waits for, and a wrong guess costs three
 * times what the whole switch does. For the same reason these objects are not marked
 * as fit for shadow stacks (CET, GCS); linked with them, a program is not either.
 *
 * Unwinding works at every instruction: a running context's frames end at
 * weft__context_entry, and a suspended one is seen as a call of
 * weft__context_switch(), by whoever starts with sp = context->sp and
 * pc = weft__context_resume.
 */
#ifndef WEFT_SYS_ARCH_CONTEXT_H
#define WEFT_SYS_ARCH_CONTEXT_H

#include "weft/base.h"

struct weft__context {
	void *sp;
};

/* What a switch leaves on the stack, from the stack pointer upwards. */
#if defined(__x86_64__)
struct weft__context_frame {
	uint32_t mxcsr;
	uint32_t x87_control;
	uintptr_t r15, r14, r13, r12, rbx, rbp;
	uintptr_t pc;
};
#elif defined(__aarch64__)
struct weft__context_frame {
	uintptr_t fp, pc;
	uintptr_t x19, x20, x21, x22, x23, x24, x25, x26, x27, x28;
	uint64_t d8, d9, d10, d11, d12, d13, d14, d15;
	uint64_t fpcr;
	uint64_t unused;
};
#else
#error "weft: this CPU needs a context switch: context.h, context.c and a folder for it"
#endif

/* Makes a context that runs fn(arg) when it is first switched to, on the stack
 * low .. low + size, with the caller's floating-point modes. fn must not return. The
 * stack must be writable, of at least 1 KiB, and stays the caller's. */
void weft__context_make(struct weft__context *context, void *low, size_t size, void (*fn)(void *),
			void *arg);

/* Suspends the caller in *from and continues *to, which must be suspended and is
 * running then: its value is of no use any more. Returns when somebody switches to
 * *from, perhaps on another thread. */
void weft__context_switch(struct weft__context *from, const struct weft__context *to);

/* Calls fn(arg) on the stack of a suspended context, as if the place where it waits
 * had called it, and returns; so a backtrace made by fn is that of the context. Its
 * stack must have room for fn. Nobody may continue it meanwhile. */
void weft__context_visit(const struct weft__context *context, void (*fn)(void *), void *arg);

/* Where a suspended context goes on, and its frame pointer (or whatever its code
 * keeps in that register). */
static inline uintptr_t weft__context_pc(const struct weft__context *context)
{
	return ((const struct weft__context_frame *)context->sp)->pc;
}

static inline uintptr_t weft__context_fp(const struct weft__context *context)
{
#if defined(__x86_64__)
	return ((const struct weft__context_frame *)context->sp)->rbp;
#else
	return ((const struct weft__context_frame *)context->sp)->fp;
#endif
}

/* Labels in the code, not functions: where a new context begins, and where one goes
 * on with its registers still on its stack. */
extern const char weft__context_entry[];
extern const char weft__context_resume[];

/* Called if the function of a context returns: dies. */
_Noreturn void weft__context_returned(void);

#endif
