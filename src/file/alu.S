/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arithmetic with the processor's own flags.
 *
 * uint64_t fn(uint64_t a, uint64_t b, uint64_t *flags): a and b in rdi and rsi, the result in rax;
 * *flags is loaded before the operation and holds the flags after it.
 */
	.text

	.macro	alu_begin name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	mov	%esi, %ecx
	pushq	(%rdx)
	.cfi_adjust_cfa_offset 8
	popfq
	.cfi_adjust_cfa_offset -8
	.endm

	.macro	alu_end name
	pushfq
	.cfi_adjust_cfa_offset 8
	popq	(%rdx)
	.cfi_adjust_cfa_offset -8
	mov	%rdi, %rax
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.macro	alu_row op, byte
	.pushsection .rodata.alu_table, "a", @progbits
	.ifnb	\byte
	.long	alu_\op\()_1-alu_table
	.else
	.long	0
	.endif
	.long	alu_\op\()_2-alu_table
	.long	alu_\op\()_4-alu_table
	.long	alu_\op\()_8-alu_table
	.popsection
	.endm

	.pushsection .rodata.alu_table, "a", @progbits
	.globl	alu_table
	.hidden	alu_table
	.balign	4
alu_table:
	.popsection

/* op b, a */
	.macro	alu2wide op, byte
	alu_begin alu_\op\()_2
	\op	%si, %di
	alu_end	alu_\op\()_2
	alu_begin alu_\op\()_4
	\op	%esi, %edi
	alu_end	alu_\op\()_4
	alu_begin alu_\op\()_8
	\op	%rsi, %rdi
	alu_end	alu_\op\()_8
	alu_row	\op, \byte
	.endm

	.macro	alu2 op
	alu_begin alu_\op\()_1
	\op	%sil, %dil
	alu_end	alu_\op\()_1
	alu2wide \op, byte
	.endm

/* op a */
	.macro	alu1 op
	alu_begin alu_\op\()_1
	\op	%dil
	alu_end	alu_\op\()_1
	alu_begin alu_\op\()_2
	\op	%di
	alu_end	alu_\op\()_2
	alu_begin alu_\op\()_4
	\op	%edi
	alu_end	alu_\op\()_4
	alu_begin alu_\op\()_8
	\op	%rdi
	alu_end	alu_\op\()_8
	alu_row	\op, byte
	.endm

/* op %cl, a */
	.macro	alushift op
	alu_begin alu_\op\()_1
	\op	%cl, %dil
	alu_end	alu_\op\()_1
	alu_begin alu_\op\()_2
	\op	%cl, %di
	alu_end	alu_\op\()_2
	alu_begin alu_\op\()_4
	\op	%cl, %edi
	alu_end	alu_\op\()_4
	alu_begin alu_\op\()_8
	\op	%cl, %rdi
	alu_end	alu_\op\()_8
	alu_row	\op, byte
	.endm

	alu2	add
	alu2	or
	alu2	adc
	alu2	sbb
	alu2	and
	alu2	sub
	alu2	xor
	alu2	cmp
	alu2	test
	alu1	inc
	alu1	dec
	alu1	neg
	alu1	not
	alu2wide bt
	alu2wide bts
	alu2wide btr
	alu2wide btc
	alushift shl
	alushift shr
	alushift sar
	alushift rol
	alushift ror
	alushift rcl
	alushift rcr
	alu2wide imul
	alu2wide bsf
	alu2wide bsr
	alu2wide popcnt
	alu2wide tzcnt
	alu2wide lzcnt

/* void trap_switch_stack(void (*fn)(void *arg), void *arg, void *stack_top) */
	.globl	trap_switch_stack
	.hidden	trap_switch_stack
	.type	trap_switch_stack, @function
	.p2align 4
trap_switch_stack:
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsp
	call	*%rax
	mov	%rbp, %rsp
	pop	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	trap_switch_stack, . - trap_switch_stack

	.section .note.GNU-stack, "", @progbits
