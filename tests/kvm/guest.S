/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest of vmm.c: real mode, loaded at GUEST_CODE. It drives the ioat function whose BAR is at
 * 0xd0000 (Crystal Beach DMA, version 3.3): sets up channel 0, runs the first descriptor, sleeps
 * until its interrupt, tells its VMM what arrived, runs the second, which writes outside of memory,
 * and tells what the channel says of that. Vector 0x40; descriptors and source are the VMM's.
 */
#define GUEST_CODE 0x7000
#define HERE(label) (label - guest_start + GUEST_CODE)

#define FLAG	   0x500 /* set by the interrupt */
#define CHANCTRL   0x80
#define DMACOUNT   0x86
#define CHANSTS	   0x88
#define CHAINADDR  0x90
#define CHANCMP	   0x98
#define CHANERR	   0xa8

	.section .rodata
	.code16
	.globl guest_start, guest_end
guest_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $0x6000, %sp
	movw $HERE(isr), 0x40 * 4
	movw $0, 0x40 * 4 + 2
	movb $0, FLAG
	movw $0xd000, %ax
	movw %ax, %es
	/* Interrupts on, also of errors; completions are written to 0x5000. */
	movw $0x1d, %es:CHANCTRL
	movl $0x5000, %es:CHANCMP
	movl $0, %es:CHANCMP + 4
	movl $0x8000, %es:CHAINADDR
	movl $0, %es:CHAINADDR + 4
	movw $1, %es:DMACOUNT
1:	cmpb $1, FLAG
	je 2f
	sti
	hlt
	cli
	jmp 1b
2:	movw $0xa000, %si
	movw $16, %cx
	cld
3:	lodsb
	outb %al, $0xe9
	loop 3b
	/* The next one leaves the guest's memory: the channel halts. */
	movw $2, %es:DMACOUNT
4:	movl %es:CHANSTS, %eax
	andl $7, %eax
	cmpl $3, %eax
	jne 4b
	movl %es:CHANERR, %eax
	outl %eax, $0xe8
	outb %al, $0xf4
5:	hlt
	jmp 5b
isr:
	movb $1, FLAG
	iretw
guest_end:
	.section .note.GNU-stack, "", @progbits
