/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory accesses that may fault (base/copy.h). Assembler, so that the range of instructions that
 * may fault is known exactly, and so that no sanitizer instruments them.
 *
 * Registers at any fault in a copy: rdi destination, rsi source, rcx bytes left. They advance only
 * after a piece is complete, hence the fix-up of the fast loops starts again bytewise from there
 * and finds the exact byte; the bytewise loop's fix-up returns rcx. Rep movsb may stop short of the
 * faulting byte, but its registers are always consistent, so the same holds for it.
 *
 * Aligned pieces of 8, 4 and 2 bytes are moved by one instruction each: a device's accesses of
 * these sizes are not torn.
 */
	.text

/* One row of the exception table: any fault in [from, to) continues at fixup. */
	.macro	extable from, to, fixup
	.pushsection .rodata.copy_extable, "a", @progbits
	.balign	4
	.long	\from - .
	.long	\to - .
	.long	\fixup - .
	.popsection
	.endm

	.macro	func name
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 5
\name:
	.cfi_startproc
	.endm

	.macro	endfunc name
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.pushsection .rodata.copy_extable, "a", @progbits
	.globl	copy_extable
	.hidden	copy_extable
	.balign	4
copy_extable:
	.popsection

/* size_t copy_nofault(void *dst, const void *src, size_t len) */
	func	copy_nofault
	mov	%rdx, %rcx
.Lcopy_begin:
	cmp	$512, %rcx
	jae	.Lcopy_rep
	cmp	$32, %rcx
	jb	.Lcopy_lt32
	.p2align 4
.Lcopy_32:
	mov	(%rsi), %rax
	mov	8(%rsi), %rdx
	mov	16(%rsi), %r8
	mov	24(%rsi), %r9
	mov	%rax, (%rdi)
	mov	%rdx, 8(%rdi)
	mov	%r8, 16(%rdi)
	mov	%r9, 24(%rdi)
	add	$32, %rsi
	add	$32, %rdi
	sub	$32, %rcx
	cmp	$32, %rcx
	jae	.Lcopy_32
.Lcopy_lt32:
	cmp	$8, %rcx
	jb	.Lcopy_lt8
.Lcopy_8:
	mov	(%rsi), %rax
	mov	%rax, (%rdi)
	add	$8, %rsi
	add	$8, %rdi
	sub	$8, %rcx
	cmp	$8, %rcx
	jae	.Lcopy_8
.Lcopy_lt8:
	test	%ecx, %ecx
	jz	.Lcopy_done
	test	$4, %cl
	jz	.Lcopy_lt4
	mov	(%rsi), %eax
	mov	%eax, (%rdi)
	add	$4, %rsi
	add	$4, %rdi
	sub	$4, %rcx
.Lcopy_lt4:
	test	$2, %cl
	jz	.Lcopy_lt2
	movzwl	(%rsi), %eax
	mov	%ax, (%rdi)
	add	$2, %rsi
	add	$2, %rdi
	sub	$2, %rcx
.Lcopy_lt2:
	test	$1, %cl
	jz	.Lcopy_done
	movzbl	(%rsi), %eax
	mov	%al, (%rdi)
	dec	%rcx
.Lcopy_done:
	mov	%rcx, %rax
	ret
.Lcopy_rep:
	rep movsb
.Lcopy_end:
	mov	%rcx, %rax
	ret
.Lcopy_retry:
	movzbl	(%rsi), %eax
	mov	%al, (%rdi)
.Lcopy_retry_end:
	inc	%rsi
	inc	%rdi
	dec	%rcx
	jnz	.Lcopy_retry
.Lcopy_stuck:
	mov	%rcx, %rax
	ret
	extable	.Lcopy_begin, .Lcopy_end, .Lcopy_retry
	extable	.Lcopy_retry, .Lcopy_retry_end, .Lcopy_stuck
	endfunc	copy_nofault

/* size_t zero_nofault(void *dst, size_t len) */
	func	zero_nofault
	mov	%rsi, %rcx
	xor	%eax, %eax
.Lzero_begin:
	cmp	$512, %rcx
	jae	.Lzero_rep
	cmp	$8, %rcx
	jb	.Lzero_lt8
.Lzero_8:
	mov	%rax, (%rdi)
	add	$8, %rdi
	sub	$8, %rcx
	cmp	$8, %rcx
	jae	.Lzero_8
.Lzero_lt8:
	test	%ecx, %ecx
	jz	.Lzero_done
.Lzero_1:
	mov	%al, (%rdi)
	inc	%rdi
	dec	%rcx
	jnz	.Lzero_1
.Lzero_done:
	ret
.Lzero_rep:
	rep stosb
.Lzero_end:
	ret
.Lzero_retry:
	mov	%al, (%rdi)
.Lzero_retry_end:
	inc	%rdi
	dec	%rcx
	jnz	.Lzero_retry
.Lzero_stuck:
	mov	%rcx, %rax
	ret
	extable	.Lzero_begin, .Lzero_end, .Lzero_retry
	extable	.Lzero_retry, .Lzero_retry_end, .Lzero_stuck
	endfunc	zero_nofault

/* int touch_read(uintptr_t uaddr) */
	func	touch_read
.Ltouch_read:
	movzbl	(%rdi), %eax
.Ltouch_read_end:
	xor	%eax, %eax
	ret
	endfunc	touch_read
	extable	.Ltouch_read, .Ltouch_read_end, .Lefault

/* int touch_write(uintptr_t uaddr): changes nothing, also under concurrent writers */
	func	touch_write
.Ltouch_write:
	lock orb $0, (%rdi)
.Ltouch_write_end:
	xor	%eax, %eax
	ret
	endfunc	touch_write
	extable	.Ltouch_write, .Ltouch_write_end, .Lefault

/* int load_nofault(uintptr_t uaddr, unsigned int width, uint64_t *value) */
	func	load_nofault
	cmp	$4, %esi
	je	.Lload4
	ja	.Lload8
	cmp	$2, %esi
	je	.Lload2
.Lload_begin:
	movzbl	(%rdi), %eax
	jmp	.Lload_done
.Lload2:
	movzwl	(%rdi), %eax
	jmp	.Lload_done
.Lload4:
	mov	(%rdi), %eax
	jmp	.Lload_done
.Lload8:
	mov	(%rdi), %rax
.Lload_done:
	mov	%rax, (%rdx)
	xor	%eax, %eax
	ret
	endfunc	load_nofault
	extable	.Lload_begin, .Lload_done, .Lefault

/* int store_nofault(uintptr_t uaddr, unsigned int width, uint64_t value) */
	func	store_nofault
	cmp	$4, %esi
	je	.Lstore4
	ja	.Lstore8
	cmp	$2, %esi
	je	.Lstore2
.Lstore_begin:
	mov	%dl, (%rdi)
	jmp	.Lstore_end
.Lstore2:
	mov	%dx, (%rdi)
	jmp	.Lstore_end
.Lstore4:
	mov	%edx, (%rdi)
	jmp	.Lstore_end
.Lstore8:
	mov	%rdx, (%rdi)
.Lstore_end:
	xor	%eax, %eax
	ret
	endfunc	store_nofault
	extable	.Lstore_begin, .Lstore_end, .Lefault

/* The common end of those that return 0 or -EFAULT. */
	func	copy_efault
.Lefault:
	mov	$-14, %eax
	ret
	endfunc	copy_efault

/*
 * Returns from our signal handler. The bytes are the ones that unwinders and debuggers look for
 * to recognise a signal frame, for want of unwind information; so is the name, fault_restorer in C.
 */
	.globl	__restore_rt
	.hidden	__restore_rt
	.type	__restore_rt, @function
	.p2align 4
	nop
__restore_rt:
	mov	$15, %rax
	syscall
	.size	__restore_rt, . - __restore_rt

/*
 * void fault_run_frame(uintptr_t sp, int sig, siginfo_t *info, void *ucontext, uintptr_t handler):
 * enters a signal handler as the kernel does; its return address is at the new top of the stack.
 */
	func	fault_run_frame
	mov	%rdi, %rsp
	mov	%esi, %edi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	xor	%eax, %eax
	jmp	*%r8
	endfunc	fault_run_frame

/*
 * void fault_debug_default(void), void fault_debug_handler(void): where a debugger learns that a
 * fault is the program's own, before it ends the program or its handler runs.
 */
	func	fault_debug_default
	ret
	endfunc	fault_debug_default

	func	fault_debug_handler
	ret
	endfunc	fault_debug_handler

	.pushsection .rodata.copy_extable, "a", @progbits
	.globl	copy_extable_end
	.hidden	copy_extable_end
copy_extable_end:
	.popsection

	.section .note.GNU-stack, "", @progbits
