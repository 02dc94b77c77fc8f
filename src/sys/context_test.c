/* SPDX-License-Identifier: MIT */
/*
 * Goal: a context finds everything that a call preserves as it left it, whatever the
 * others do meanwhile; it begins as a called function does; a debugger finds its way
 * through it.
 */
#include "sys/arch/context.h"

#include "check.h"
#include "sys/sys.h"

#include <execinfo.h>
#include <fenv.h>
#include <string.h>

enum { STACK = 65536, WORDS_MOST = 24 };

struct party {
	struct weft__context context;
	char *stack;
	unsigned announced;
	struct party *next;
	int number, rounds;
};

static void party_make(struct party *p, void (*fn)(void *))
{
	p->stack = weft__alloc_aligned(16, STACK);
	CHECK_NOT_NULL(p->stack);
	memset(p->stack, 0xa5, STACK);
	p->announced = weft__stack_announce(p->stack, p->stack + STACK);
	weft__context_make(&p->context, p->stack, STACK, fn, p);
}

static void party_free(struct party *p)
{
	weft__stack_retract(p->announced);
	weft__release(p->stack);
}

static void switch_to(struct party *from, struct party *to)
{
	weft__context_switch(&from->context, &to->context);
}

/* ---- registers --------------------------------------------------------------------- */

/* registers_switch(in, out, from, to): loads all that a call preserves from `in`,
 * switches, and stores what it finds then in `out`. */
void registers_switch(const uint64_t *in, uint64_t *out, struct weft__context *from,
		      const struct weft__context *to);

#if defined(__x86_64__)

enum { WORDS = 6 };

__asm__(".text\n"
	".globl registers_switch\n"
	".type registers_switch, %function\n"
	"registers_switch:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	push %rsi\n"
	"	mov (%rdi), %rbx\n"
	"	mov 8(%rdi), %rbp\n"
	"	mov 16(%rdi), %r12\n"
	"	mov 24(%rdi), %r13\n"
	"	mov 32(%rdi), %r14\n"
	"	mov 40(%rdi), %r15\n"
	"	mov %rdx, %rdi\n"
	"	mov %rcx, %rsi\n"
	"	call weft__context_switch\n"
	"	pop %rsi\n"
	"	mov %rbx, (%rsi)\n"
	"	mov %rbp, 8(%rsi)\n"
	"	mov %r12, 16(%rsi)\n"
	"	mov %r13, 24(%rsi)\n"
	"	mov %r14, 32(%rsi)\n"
	"	mov %r15, 40(%rsi)\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n");

/* Stores the stack pointer where the argument says, and goes on as begun(). */
void begin_by_hand(void *sp);
__asm__(".text\n"
	".globl begin_by_hand\n"
	".type begin_by_hand, %function\n"
	"begin_by_hand:\n"
	"	mov %rsp, (%rdi)\n"
	"	jmp begun\n");
enum { SP_MOD_16 = 8 };

#else

enum { WORDS = 10 + 1 + 8 };

__asm__(".text\n"
	".globl registers_switch\n"
	".type registers_switch, %function\n"
	"registers_switch:\n"
	"	stp x29, x30, [sp, #-176]!\n"
	"	stp x19, x20, [sp, #16]\n"
	"	stp x21, x22, [sp, #32]\n"
	"	stp x23, x24, [sp, #48]\n"
	"	stp x25, x26, [sp, #64]\n"
	"	stp x27, x28, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	str x1, [sp, #160]\n"
	"	ldp x19, x20, [x0, #0]\n"
	"	ldp x21, x22, [x0, #16]\n"
	"	ldp x23, x24, [x0, #32]\n"
	"	ldp x25, x26, [x0, #48]\n"
	"	ldp x27, x28, [x0, #64]\n"
	"	ldr x29, [x0, #80]\n"
	"	ldp d8, d9, [x0, #88]\n"
	"	ldp d10, d11, [x0, #104]\n"
	"	ldp d12, d13, [x0, #120]\n"
	"	ldp d14, d15, [x0, #136]\n"
	"	mov x0, x2\n"
	"	mov x1, x3\n"
	"	bl weft__context_switch\n"
	"	ldr x1, [sp, #160]\n"
	"	stp x19, x20, [x1, #0]\n"
	"	stp x21, x22, [x1, #16]\n"
	"	stp x23, x24, [x1, #32]\n"
	"	stp x25, x26, [x1, #48]\n"
	"	stp x27, x28, [x1, #64]\n"
	"	str x29, [x1, #80]\n"
	"	stp d8, d9, [x1, #88]\n"
	"	stp d10, d11, [x1, #104]\n"
	"	stp d12, d13, [x1, #120]\n"
	"	stp d14, d15, [x1, #136]\n"
	"	ldp x19, x20, [sp, #16]\n"
	"	ldp x21, x22, [sp, #32]\n"
	"	ldp x23, x24, [sp, #48]\n"
	"	ldp x25, x26, [sp, #64]\n"
	"	ldp x27, x28, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	ldp x29, x30, [sp], #176\n"
	"	ret\n");

void begin_by_hand(void *sp);
__asm__(".text\n"
	".globl begin_by_hand\n"
	".type begin_by_hand, %function\n"
	"begin_by_hand:\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	b begun\n");
enum { SP_MOD_16 = 0 };

#endif

/* Each word of each party in each round is another, and the difference of one and
 * the next is the same everywhere: test/api/unwind_test.sh knows it. */
static void registers_round(struct party *self)
{
	uint64_t in[WORDS_MOST], out[WORDS_MOST];

	for (int i = 0; i < WORDS; i++)
		in[i] = UINT64_C(0x9e3779b97f4a7c15) *
			(uint64_t)(self->number * 10000 + self->rounds * 100 + i + 1);
	/* Two are alike, so that a switch that looks whether modes differ has both ways. */
	fesetround(self->number == 2 ? FE_UPWARD : FE_TONEAREST);
	memset(out, 0, sizeof(out));
	registers_switch(in, out, &self->context, &self->next->context);
	CHECK_MEM_EQ(in, out, WORDS * sizeof(in[0]));
	self->rounds++;
}

static void registers_for_ever(void *arg)
{
	for (;;)
		registers_round(arg);
}

TEST(context_finds_its_registers_as_they_were)
{
	struct party parties[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };

	for (int i = 0; i < 3; i++)
		parties[i].next = &parties[(i + 1) % 3];
	party_make(&parties[1], registers_for_ever);
	party_make(&parties[2], registers_for_ever);
	for (int i = 0; i < 50; i++)
		registers_round(&parties[0]);
	CHECK_EQ(parties[1].rounds, 49);
	party_free(&parties[1]);
	party_free(&parties[2]);
}

/* ---- modes of floating point --------------------------------------------------------- */

struct results {
	double third;
	long double third_long;
	int mode;
};

/* Kept from the compiler, which thinks that all rounding is to the nearest. */
static __attribute__((noinline)) struct results divide(double a, double b)
{
	volatile double x = a, y = b;
	volatile long double xl = a, yl = b;

	return (struct results){ x / y, xl / yl, fegetround() };
}

static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };

static void check_results(const struct results *want, int mode)
{
	struct results got = divide(1, 3);

	CHECK_EQ(got.mode, mode);
	CHECK(got.third == want->third);
	CHECK(got.third_long == want->third_long);
}

static void modes_round(struct party *self)
{
	struct results want;

	fesetround(modes[self->number]);
	want = divide(1, 3);
	for (int i = 0; i < 10; i++) {
		switch_to(self, self->next);
		check_results(&want, modes[self->number]);
	}
}

static void modes_for_ever(void *arg)
{
	for (;;)
		modes_round(arg);
}

TEST(context_has_its_own_rounding)
{
	struct party parties[4] = {
		{ .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 }
	};

	for (int i = 0; i < 4; i++)
		parties[i].next = &parties[(i + 1) % 4];
	for (int i = 1; i < 4; i++)
		party_make(&parties[i], modes_for_ever);
	modes_round(&parties[0]);
	modes_round(&parties[0]);
	CHECK(divide(1, 3).third == 1.0 / 3);
	for (int i = 1; i < 4; i++)
		party_free(&parties[i]);
}

#if defined(__x86_64__)

struct control {
	uint32_t mxcsr;
	uint16_t x87;
};

static struct control control_get(void)
{
	struct control c;

	__asm__ __volatile__("stmxcsr %0\n\tfnstcw %1" : "=m"(c.mxcsr), "=m"(c.x87));
	c.mxcsr &= 0xffc0; /* the rest are flags, which nobody preserves */
	return c;
}

static void control_set(struct control c)
{
	__asm__ __volatile__("ldmxcsr %0\n\tfldcw %1" : : "m"(c.mxcsr), "m"(c.x87));
}

enum { CONTROLS = 10 + 10 };

/* The usual, with one bit inverted: each but the flags of mxcsr, each of x87's. */
static struct control control_of(int number)
{
	static const int x87_bits[] = { 0, 1, 2, 3, 4, 5, 8, 9, 10, 11 };
	struct control c = { 0x1f80, 0x037f };

	__asm__ __volatile__("fnclex"); /* an old exception is a trap once it is not masked */
	if (number < 10)
		c.mxcsr ^= 0x40u << number;
	else if (number < CONTROLS)
		c.x87 ^= (uint16_t)(1 << x87_bits[number - 10]);
	return c;
}

static bool control_same(struct control a, struct control b)
{
	return a.mxcsr == b.mxcsr && a.x87 == b.x87;
}

#else

struct control {
	uint64_t fpcr;
};

static struct control control_get(void)
{
	struct control c;

	__asm__ __volatile__("mrs %0, fpcr" : "=r"(c.fpcr));
	return c;
}

static void control_set(struct control c)
{
	__asm__ __volatile__("msr fpcr, %0" : : "r"(c.fpcr));
}

enum { CONTROLS = 4 };

/* Zero, with one bit inverted: rounding mode, flush to zero, default NaN. */
static struct control control_of(int number)
{
	return (struct control){ number < CONTROLS ? UINT64_C(1) << (22 + number) : 0 };
}

static bool control_same(struct control a, struct control b)
{
	return a.fpcr == b.fpcr;
}

#endif

/* A single bit is all that one's words differ by from the other's. */
static void control_differs(void *arg)
{
	struct party *self = arg;

	for (;;) {
		struct control own = control_of(self->rounds);

		control_set(own);
		switch_to(self, self->next);
		CHECK(control_same(control_get(), own));
		self->rounds++;
	}
}

/* valgrind, for one, has none of most of them. */
static bool has_all_controls(void)
{
	struct control before = control_get();
	bool all = true;

	for (int i = 0; i < CONTROLS; i++) {
		control_set(control_of(i));
		all &= control_same(control_get(), control_of(i));
	}
	control_set(before);
	return all;
}

TEST(context_finds_its_control_words_as_they_were)
{
	struct party root = { .number = 0 }, p = { .next = &root };
	struct control before = control_get(), usual = control_of(CONTROLS);

	if (!has_all_controls())
		SKIP("this processor, or what plays it, does not have all modes");
	party_make(&p, control_differs);
	control_set(usual);
	while (p.rounds < CONTROLS) {
		switch_to(&root, &p);
		CHECK(control_same(control_get(), usual));
	}
	control_set(before);
	party_free(&p);
}

/* It begins with the modes of who made it. */
static void modes_at_begin(void *arg)
{
	struct party *self = arg;

	self->rounds = fegetround();
	switch_to(self, self->next);
}

TEST(context_begins_with_its_makers_rounding)
{
	struct party root = { .number = 0 }, p = { .next = &root };

	fesetround(FE_UPWARD);
	party_make(&p, modes_at_begin);
	fesetround(FE_TONEAREST);
	switch_to(&root, &p);
	CHECK_EQ(p.rounds, FE_UPWARD);
	CHECK_EQ(fegetround(), FE_TONEAREST);
	party_free(&p);
}

/* ---- beginning and end --------------------------------------------------------------- */

static struct weft__context home, away;
static uintptr_t sp_at_begin;

void begun(void *arg);
void begun(void *arg)
{
	CHECK_PTR_EQ(arg, &sp_at_begin);
	weft__context_switch(&away, &home);
}

TEST(context_begins_as_after_a_call)
{
	enum { ROOM = 4096 };

	for (size_t size = ROOM - 40; size <= ROOM; size++) {
		char *stack = weft__alloc_aligned(16, ROOM);

		weft__context_make(&away, stack, size, begin_by_hand, &sp_at_begin);
		weft__context_switch(&home, &away);
		CHECK_EQ(sp_at_begin % 16, SP_MOD_16);
		CHECK_LE(sp_at_begin, (uintptr_t)stack + size);
		CHECK_GT(sp_at_begin, (uintptr_t)stack + size - 40);
		weft__release(stack);
	}
}

static void return_at_once(void *arg)
{
	(void)arg;
}

static void run_to_return(void *arg)
{
	struct party p = { 0 };

	(void)arg;
	party_make(&p, return_at_once);
	weft__context_switch(&home, &p.context);
}

TEST(context_whose_function_returns_dies)
{
	CHECK_DIES(run_to_return, NULL, "the function of a context returned");
}

/* ---- threads -------------------------------------------------------------------------- */

static struct weft__context first_home, second_home, wanderer;
static struct weft__thread ran_on[2];

static void wander(void *arg)
{
	(void)arg;
	ran_on[0] = weft__thread_self();
	weft__context_switch(&wanderer, &first_home);
	ran_on[1] = weft__thread_self();
	weft__context_switch(&wanderer, &second_home);
}

static void continue_it(void *arg)
{
	(void)arg;
	weft__context_switch(&second_home, &wanderer);
}

TEST(context_goes_on_on_another_thread)
{
	char *stack = weft__alloc(STACK);
	struct weft__thread thread;

	weft__context_make(&wanderer, stack, STACK, wander, NULL);
	weft__context_switch(&first_home, &wanderer);
	CHECK_EQ(weft__thread_start(&thread, continue_it, NULL, 0, NULL), 0);
	weft__thread_join(thread);
	CHECK_EQ(ran_on[0].handle, weft__thread_self().handle);
	CHECK_EQ(ran_on[1].handle, thread.handle);
	weft__release(stack);
}

/* ---- unwinding ------------------------------------------------------------------------- */

/* test/api/unwind_test.sh runs the following under gdb and looks for these names. */

static struct {
	struct party fiber, root;
	void *returns_to; /* in unwind_outer() */
	void *frames[32];
	int count;
} unwind;

static void note_backtrace(void *arg)
{
	(void)arg;
	unwind.count = backtrace(unwind.frames, 32);
}

static __attribute__((noinline)) void unwind_inner(void)
{
	unwind.returns_to = __builtin_return_address(0);
	for (;;)
		switch_to(&unwind.fiber, &unwind.root);
}

static __attribute__((noinline)) void unwind_outer(void *arg)
{
	(void)arg;
	unwind_inner();
	FAIL("unwind_inner() returned");
}

static __attribute__((noinline)) void unwind_root(void)
{
	switch_to(&unwind.root, &unwind.fiber);
	unwind.root.rounds++;
}

static bool found(const void *address)
{
	for (int i = 0; i < unwind.count; i++)
		if (unwind.frames[i] == address)
			return true;
	return false;
}

/* A suspended context, seen from a function that visits it: the frames are its own,
 * down to where it began, and nothing of who visits. */
TEST(context_is_unwound_while_it_is_suspended)
{
	uintptr_t last;

	party_make(&unwind.fiber, unwind_outer);
	unwind_root();
	weft__context_visit(&unwind.fiber.context, note_backtrace, NULL);
	CHECK_GE(unwind.count, 5);
	CHECK(found(unwind.returns_to));
	CHECK(found((void *)weft__context_pc(&unwind.fiber.context)));
	last = (uintptr_t)unwind.frames[unwind.count - 1];
	CHECK_GT(last, (uintptr_t)weft__context_entry);
	CHECK_LT(last, (uintptr_t)weft__context_entry + 16);
	/* It was none the worse for it. */
	unwind_root();
	CHECK_EQ(unwind.root.rounds, 2);
	party_free(&unwind.fiber);
}
