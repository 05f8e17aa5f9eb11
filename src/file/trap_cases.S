/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One function for each instruction form of trap_test.c: void fn(struct regs *regs) loads the
 * registers, executes the instruction, stores the registers. trap_cases lists them with their text
 * and the processor features they need (0 none, 1 AVX2, 2 AVX-512BW/VL).
 */
	.text

	.macro	tprologue
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %r15
	mov	0(%r15), %rax
	mov	8(%r15), %rbx
	mov	16(%r15), %rcx
	mov	24(%r15), %rdx
	mov	32(%r15), %rsi
	mov	40(%r15), %rdi
	mov	48(%r15), %r8
	pushq	56(%r15)
	popfq
	.endm

	.macro	tepilogue
	pushfq
	popq	56(%r15)
	cld
	mov	%rax, 0(%r15)
	mov	%rbx, 8(%r15)
	mov	%rcx, 16(%r15)
	mov	%rdx, 24(%r15)
	mov	%rsi, 32(%r15)
	mov	%rdi, 40(%r15)
	mov	%r8, 48(%r15)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.endm

	/* The address as an offset from the segment's base and back, without touching flags: theirs
	 * would depend on where things lie. */
	.macro	fs_offset
	mov	%fs:0, %rbx
	not	%rbx
	lea	1(%rdi,%rbx), %rdi
	.endm

	.macro	fs_flat
	mov	%fs:0, %rbx
	lea	(%rdi,%rbx), %rdi
	.endm

	.macro	trow feature, text
	.pushsection .rodata.trap_text, "aMS", @progbits, 1
.Ltext\@:
	.asciz	"\text"
	.popsection
	.pushsection .data.rel.ro.trap_cases, "aw", @progbits
	.quad	801b, .Ltext\@, \feature
	.popsection
	.endm

	.macro	t text
	.p2align 4
801:
	tprologue
	\text
	tepilogue
	trow	0, "\text"
	.endm

/* With vector registers 0 and 9 (AVX2). */
	.macro	tv text
	.p2align 4
801:
	vmovdqu	64(%rdi), %ymm0
	vmovdqu	128(%rdi), %ymm9
	mov	%rdi, %r11
	tprologue
	\text
	vmovdqu	%ymm0, 64(%r11)
	vmovdqu	%ymm9, 128(%r11)
	vzeroupper
	tepilogue
	trow	1, "\text"
	.endm

/* With vector registers 0 and 17 and mask register 1 (AVX-512). */
	.macro	te text
	.p2align 4
801:
	vmovdqu64 64(%rdi), %zmm0
	vmovdqu64 128(%rdi), %zmm17
	kmovq	192(%rdi), %k1
	mov	%rdi, %r11
	tprologue
	\text
	vmovdqu64 %zmm0, 64(%r11)
	vmovdqu64 %zmm17, 128(%r11)
	vzeroupper
	tepilogue
	trow	2, "\text"
	.endm

	.pushsection .data.rel.ro.trap_cases, "aw", @progbits
	.globl	trap_cases
trap_cases:
	.popsection

/* moves */
	.irp	r, al, ah, ax, eax, rax, bh, sil, r8b, r8w, r8d, r8
	t	"mov %\r, (%rdi)"
	t	"mov (%rdi), %\r"
	.endr
	t	"movb $0x5a, (%rdi)"
	t	"movw $0x1234, (%rdi)"
	t	"movl $-5, (%rdi)"
	t	"movq $-5, (%rdi)"
	t	"movl $7, 64(%rdi)"
	t	"mov %eax, 8(%rdi,%rcx,4)"
	t	"mov -8(%rdi,%rcx,8), %rax"
	t	"mov %ax, (%rcx,%rdi)"
	t	"movzbl (%rdi), %eax"
	t	"movzbw (%rdi), %ax"
	t	"movzbq (%rdi), %r8"
	t	"movzwl (%rdi), %ebx"
	t	"movzwq (%rdi), %rax"
	t	"movsbl (%rdi), %eax"
	t	"movsbw (%rdi), %ax"
	t	"movsbq (%rdi), %rax"
	t	"movswl (%rdi), %eax"
	t	"movswq (%rdi), %rax"
	t	"movslq (%rdi), %rax"
	t	"movnti %eax, (%rdi)"
	t	"movnti %rax, (%rdi)"
	t	"movbe %ax, (%rdi)"
	t	"movbe %eax, (%rdi)"
	t	"movbe %rax, (%rdi)"
	t	"movbe (%rdi), %ax"
	t	"movbe (%rdi), %eax"
	t	"movbe (%rdi), %rax"
	t	"fs_offset; mov %eax, %fs:(%rdi); fs_flat"
	t	"fs_offset; mov %fs:4(%rdi), %rax; fs_flat"
	t	"prefetcht0 (%rdi)"
	t	"clflush (%rdi)"

/* arithmetic */
	.irp	op, add, or, adc, sbb, and, sub, xor, cmp, test
	.irp	r, al, bh, ax, eax, rax
	t	"\op %\r, (%rdi)"
	.endr
	t	"\op\()b $0x81, (%rdi)"
	t	"\op\()w $0x8123, (%rdi)"
	t	"\op\()l $-77, (%rdi)"
	t	"\op\()q $-77, (%rdi)"
	.endr
	.irp	op, add, or, adc, sbb, and, sub, xor, cmp
	.irp	r, al, bh, ax, eax, rax
	t	"\op (%rdi), %\r"
	.endr
	t	"\op\()l $3, (%rdi)"
	t	"\op\()q $3, (%rdi)"
	.endr
	.irp	op, add, or, adc, sbb, and, sub, xor
	t	"lock \op %eax, (%rdi)"
	t	"lock \op %rax, (%rdi)"
	.endr
	.irp	op, inc, dec, neg, not
	.irp	w, b, w, l, q
	t	"\op\w (%rdi)"
	.endr
	t	"lock \op\()l (%rdi)"
	.endr
	.irp	op, bt, bts, btr, btc
	.irp	w, w, l, q
	t	"\op\w $13, (%rdi)"
	.endr
	t	"\op %dx, (%rdi)"
	t	"\op %edx, (%rdi)"
	t	"\op %rdx, (%rdi)"
	.endr
	t	"lock bts %rdx, (%rdi)"
	.irp	op, shl, shr, sar, rol, ror, rcl, rcr
	.irp	w, b, w, l, q
	t	"\op\w (%rdi)"
	t	"\op\w $3, (%rdi)"
	t	"\op\w %cl, (%rdi)"
	.endr
	.endr
	t	"imul (%rdi), %ax"
	t	"imul (%rdi), %eax"
	t	"imul (%rdi), %rax"
	t	"imul $100, (%rdi), %eax"
	t	"imul $-3, (%rdi), %r8"
	.irp	op, bsf, bsr, popcnt, tzcnt, lzcnt
	t	"\op (%rdi), %ax"
	t	"\op (%rdi), %eax"
	t	"\op (%rdi), %rax"
	.endr

/* exchanges and conditions */
	.irp	r, bl, bh, bx, ebx, rbx
	t	"xchg %\r, (%rdi)"
	t	"xadd %\r, (%rdi)"
	t	"lock xadd %\r, (%rdi)"
	t	"cmpxchg %\r, (%rdi)"
	t	"lock cmpxchg %\r, (%rdi)"
	.endr
	t	"mov (%rdi), %rax; cmpxchg %rbx, (%rdi)"
	t	"mov (%rdi), %eax; lock cmpxchg %ebx, (%rdi)"
	.irp	c, o, no, b, nb, z, nz, be, nbe, s, ns, p, np, l, nl, le, nle
	t	"cmov\c (%rdi), %eax"
	t	"cmov\c (%rdi), %rax"
	t	"set\c (%rdi)"
	.endr

/* strings: rsi is plain memory, rdi the device; also the other way round, and downwards */
	.irp	w, b, w, l, q
	t	"stos\w"
	t	"movs\w"
	t	"rep stos\w"
	t	"rep movs\w"
	t	"std; stos\w"
	t	"std; rep stos\w"
	t	"std; rep movs\w"
	t	"xchg %rsi, %rdi; rep movs\w; xchg %rsi, %rdi"
	t	"xchg %rsi, %rdi; lods\w; xchg %rsi, %rdi"
	t	"xchg %rsi, %rdi; rep lods\w; xchg %rsi, %rdi"
	t	"xchg %rsi, %rdi; std; lods\w; xchg %rsi, %rdi"
	t	"lea 64(%rdi), %rsi; rep movs\w; mov %rdi, %rsi"
	.endr
	t	"xor %ecx, %ecx; rep stosb"
	t	"xor %ecx, %ecx; mov $4000, %cx; and $-16, %rdi; rep stosb"

/* vectors */
	.irp	op, movups, movupd, movdqu, movaps, movapd, movdqa
	tv	"and $-16, %rdi; \op %xmm0, (%rdi)"
	tv	"and $-16, %rdi; \op (%rdi), %xmm9"
	.endr
	.irp	op, movntps, movntpd, movntdq
	tv	"and $-16, %rdi; \op %xmm9, (%rdi)"
	.endr
	tv	"and $-16, %rdi; movntdqa (%rdi), %xmm0"
	tv	"lddqu (%rdi), %xmm0"
	.irp	op, movd, movq, movss, movsd, movlps, movlpd, movhps, movhpd
	tv	"\op %xmm9, (%rdi)"
	tv	"\op (%rdi), %xmm9"
	.endr
	.irp	op, vmovd, vmovq, vmovss, vmovsd
	tv	"\op %xmm9, (%rdi)"
	tv	"\op (%rdi), %xmm0"
	.endr
	.irp	op, vmovlps, vmovhps, vmovlpd, vmovhpd
	tv	"\op %xmm9, (%rdi)"
	.endr
	.irp	op, vmovups, vmovupd, vmovdqu
	tv	"\op %xmm0, (%rdi)"
	tv	"\op (%rdi), %xmm9"
	tv	"\op %ymm0, (%rdi)"
	tv	"\op (%rdi), %ymm9"
	.endr
	.irp	op, vmovaps, vmovapd, vmovdqa
	tv	"and $-32, %rdi; \op %ymm0, (%rdi)"
	tv	"and $-32, %rdi; \op (%rdi), %ymm9"
	.endr
	tv	"and $-32, %rdi; vmovntdq %ymm9, (%rdi)"
	tv	"vextracti128 $1, %ymm9, (%rdi)"
	tv	"vextractf128 $0, %ymm0, (%rdi)"
	tv	"mov %rax, (%rdi)"
	.irp	op, vmovdqu8, vmovdqu16, vmovdqu32, vmovdqu64, vmovups
	te	"\op %zmm17, (%rdi)"
	te	"\op (%rdi), %zmm0"
	te	"\op %ymm17, (%rdi)"
	te	"\op (%rdi), %ymm17"
	te	"\op (%rdi), %xmm17"
	te	"\op %zmm17, (%rdi){%k1}"
	te	"\op %ymm0, (%rdi){%k1}"
	te	"\op (%rdi), %zmm17{%k1}"
	te	"\op (%rdi), %ymm0{%k1}{z}"
	.endr
	te	"and $-64, %rdi; vmovdqa64 %zmm17, (%rdi)"
	te	"and $-64, %rdi; vmovntdq %zmm0, (%rdi)"
	te	"vextracti64x4 $1, %zmm17, (%rdi)"
	te	"movups (%rdi), %xmm0"

	.pushsection .data.rel.ro.trap_cases, "aw", @progbits
	.quad	0, 0, 0
	.popsection

/* void trap_unknown(void *addr): an x87 load, which the emulator refuses */
	.globl	trap_unknown
trap_unknown:
	fldl	(%rdi)
	fstp	%st(0)
	ret

	.section .note.GNU-stack, "", @progbits
