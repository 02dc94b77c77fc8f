/* SPDX-License-Identifier: MIT */
/*
 * The switch between contexts on x86-64; ../context.h says what it promises.
 *
 * The frame (struct weft__context_frame) is eight words; each field of it is at the
 * same distance from the stack pointer before the stack is changed and after, so the
 * unwind rules below hold for both stacks.
 *
 * The modes of floating point are stored and loaded without a look whether they
 * differ: to look costs more, as it waits for what was just stored. mxcsr has the sticky
 * flags of SSE in it, which a call need not preserve, and which go along.
 *
 * The function fills one cache line, in which its jump must lie. With the jump in the
 * next line a switch took 30 cycles and not 15 on a Zen 3: it was predicted wrong.
 */
	.text

	.macro	save_registers
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	.endm

	.macro	restore_registers
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	.endm

/* void weft__context_switch(struct weft__context *from, const struct weft__context *to) */
	.globl	weft__context_switch
	.hidden	weft__context_switch
	.type	weft__context_switch, @function
	.p2align 6
weft__context_switch:
	.cfi_startproc
	save_registers
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rsp, (%rdi)
	movq	(%rsi), %rsp

	.globl	weft__context_resume
	.hidden	weft__context_resume
weft__context_resume:
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	restore_registers
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	jmpq	*%rcx
	.if	. - weft__context_switch > 64
	.error	"the switch does not fit into a cache line"
	.endif
	.cfi_endproc
	.size	weft__context_switch, . - weft__context_switch

/* Begins a context: rbx(r12). An unwinder looks for the caller of an address one
 * byte before it, hence the nop; and it ends here. */
	.type	context_begin, @function
	.p2align 4
context_begin:
	.cfi_startproc
	.cfi_undefined rip
	.cfi_undefined rbp
	nop
	.globl	weft__context_entry
	.hidden	weft__context_entry
weft__context_entry:
	movq	%r12, %rdi
	callq	*%rbx
	callq	weft__context_returned
	ud2
	.cfi_endproc
	.size	context_begin, . - context_begin

/* void weft__context_visit(const struct weft__context *, void (*fn)(void *), void *arg)
 *
 * rbx is saved in both frames: while fn runs, an unwinder finds the registers of the
 * context in the frame on the context's stack. */
	.globl	weft__context_visit
	.hidden	weft__context_visit
	.type	weft__context_visit, @function
	.p2align 4
weft__context_visit:
	.cfi_startproc
	save_registers
	movq	%rsp, %rbx
	movq	(%rdi), %rsp
	movq	%rdx, %rdi
	callq	*%rsi
	movq	%rbx, %rsp
	restore_registers
	retq
	.cfi_endproc
	.size	weft__context_visit, . - weft__context_visit

	.section .note.GNU-stack, "", @progbits
