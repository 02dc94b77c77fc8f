/* SPDX-License-Identifier: MIT */
/*
 * The switch between contexts on aarch64; ../context.h says what it promises.
 *
 * The frame (struct weft__context_frame) begins with the frame record of the
 * procedure call standard: x29 points to the caller's record and x30 lies beside it.
 * Each field is at the same distance from the stack pointer before the stack is
 * changed and after, so the unwind rules hold for both stacks.
 *
 * Of the vector registers a call preserves the low halves of v8 to v15. fpcr is
 * written only where it differs: writing it is slow, and it hardly ever does.
 */
	.text

	.macro	save_registers
	stp	x29, x30, [sp, #-176]!
	.cfi_def_cfa_offset 176
	.cfi_offset x29, -176
	.cfi_offset x30, -168
	stp	x19, x20, [sp, #16]
	.cfi_offset x19, -160
	.cfi_offset x20, -152
	stp	x21, x22, [sp, #32]
	.cfi_offset x21, -144
	.cfi_offset x22, -136
	stp	x23, x24, [sp, #48]
	.cfi_offset x23, -128
	.cfi_offset x24, -120
	stp	x25, x26, [sp, #64]
	.cfi_offset x25, -112
	.cfi_offset x26, -104
	stp	x27, x28, [sp, #80]
	.cfi_offset x27, -96
	.cfi_offset x28, -88
	stp	d8, d9, [sp, #96]
	.cfi_offset d8, -80
	.cfi_offset d9, -72
	stp	d10, d11, [sp, #112]
	.cfi_offset d10, -64
	.cfi_offset d11, -56
	stp	d12, d13, [sp, #128]
	.cfi_offset d12, -48
	.cfi_offset d13, -40
	stp	d14, d15, [sp, #144]
	.cfi_offset d14, -32
	.cfi_offset d15, -24
	.endm

/* x29 and x30 last, with the frame. */
	.macro	restore_registers
	ldp	d14, d15, [sp, #144]
	.cfi_restore d14
	.cfi_restore d15
	ldp	d12, d13, [sp, #128]
	.cfi_restore d12
	.cfi_restore d13
	ldp	d10, d11, [sp, #112]
	.cfi_restore d10
	.cfi_restore d11
	ldp	d8, d9, [sp, #96]
	.cfi_restore d8
	.cfi_restore d9
	ldp	x27, x28, [sp, #80]
	.cfi_restore x27
	.cfi_restore x28
	ldp	x25, x26, [sp, #64]
	.cfi_restore x25
	.cfi_restore x26
	ldp	x23, x24, [sp, #48]
	.cfi_restore x23
	.cfi_restore x24
	ldp	x21, x22, [sp, #32]
	.cfi_restore x21
	.cfi_restore x22
	ldp	x19, x20, [sp, #16]
	.cfi_restore x19
	.cfi_restore x20
	ldp	x29, x30, [sp], #176
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	.endm

/* void weft__context_switch(struct weft__context *from, const struct weft__context *to) */
	.globl	weft__context_switch
	.hidden	weft__context_switch
	.type	weft__context_switch, %function
	.p2align 6
weft__context_switch:
	.cfi_startproc
	save_registers
	mrs	x9, fpcr
	str	x9, [sp, #160]
	mov	x10, sp
	str	x10, [x0]
	ldr	x10, [x1]
	mov	sp, x10

	.globl	weft__context_resume
	.hidden	weft__context_resume
weft__context_resume:
	ldr	x10, [sp, #160]
	cmp	x9, x10
	b.ne	1f
0:
	.cfi_remember_state
	restore_registers
	mov	x16, x30
	br	x16
1:
	.cfi_restore_state
	msr	fpcr, x10
	b	0b
	.cfi_endproc
	.size	weft__context_switch, . - weft__context_switch

/* Begins a context: x19(x20). An unwinder looks for the caller of an address one
 * instruction before it, hence the nop; and it ends here. */
	.type	context_begin, %function
	.p2align 4
context_begin:
	.cfi_startproc
	.cfi_undefined x29
	.cfi_undefined x30
	nop
	.globl	weft__context_entry
	.hidden	weft__context_entry
weft__context_entry:
	mov	x0, x20
	blr	x19
	bl	weft__context_returned
	brk	#1
	.cfi_endproc
	.size	context_begin, . - context_begin

/* void weft__context_visit(const struct weft__context *, void (*fn)(void *), void *arg)
 *
 * x19 is saved in both frames: while fn runs, an unwinder finds the registers of the
 * context in the frame on the context's stack. */
	.globl	weft__context_visit
	.hidden	weft__context_visit
	.type	weft__context_visit, %function
	.p2align 4
weft__context_visit:
	.cfi_startproc
	save_registers
	mov	x19, sp
	ldr	x9, [x0]
	mov	sp, x9
	mov	x29, sp
	mov	x0, x2
	blr	x1
	mov	sp, x19
	restore_registers
	ret
	.cfi_endproc
	.size	weft__context_visit, . - weft__context_visit

	.section .note.GNU-stack, "", %progbits
