/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is left of the caller's stack, and stacks of the library's own for those with little.
 *
 * The stacks are mappings with a guard page below. One is kept for the next call; while threads use
 * more at once, each maps its own. A handler of the program's that leaves stack_run() by longjmp
 * leaks one.
 */
#include "base/stack.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "base/peek.h"
#include "base/sysraw.h"
#include "base/valgrind.h"

#define OWN_SIZE (256U << 10)

_Thread_local uintptr_t stack_known __attribute__((tls_model("initial-exec")));

static _Atomic(char *) kept;

bool stack_ends_below(uintptr_t sp)
{
	uintptr_t floor = ALIGN_DOWN(sp - STACK_ROOM, HOST_PAGE_SIZE),
		  top = ALIGN_DOWN(sp, HOST_PAGE_SIZE);
	uintptr_t known = stack_known & ~STACK_PAGES, page;
	uintptr_t end = known + ((stack_known & STACK_PAGES) << HOST_PAGE_SHIFT);

	for (page = top; page > floor;) {
		page -= HOST_PAGE_SIZE;
		if (!peek_page(page))
			return true;
	}
	top += HOST_PAGE_SIZE;
	/* Deeper in the stack that is known: the stretch becomes longer. */
	if (floor <= known && known <= top && end > top &&
	    (end - floor) >> HOST_PAGE_SHIFT <= STACK_PAGES)
		top = end;
	stack_known = floor | (top - floor) >> HOST_PAGE_SHIFT;
	return false;
}

/* stack_switch(top, fn, arg): calls @fn(@arg) with the stack pointer at @top. */
void stack_switch(char *top, void (*fn)(void *arg), void *arg);
__asm__(".pushsection .text\n"
	".globl stack_switch\n"
	".hidden stack_switch\n"
	".type stack_switch, @function\n"
	"stack_switch:\n\t"
	".cfi_startproc\n\t"
	"push %rbp\n\t"
	".cfi_def_cfa_offset 16\n\t"
	".cfi_offset %rbp, -16\n\t"
	"mov %rsp, %rbp\n\t"
	".cfi_def_cfa_register %rbp\n\t"
	"mov %rdi, %rsp\n\t"
	"mov %rdx, %rdi\n\t"
	"call *%rsi\n\t"
	"leave\n\t"
	".cfi_def_cfa %rsp, 8\n\t"
	"ret\n\t"
	".cfi_endproc\n"
	".size stack_switch, . - stack_switch\n"
	".popsection\n");

static char *map_stack(void)
{
	long at = raw_mmap(NULL, HOST_PAGE_SIZE + OWN_SIZE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	char *stack = (char *)at + HOST_PAGE_SIZE;

	if (at < 0 && at > -4096)
		return NULL;
	if (raw_mprotect(stack, OWN_SIZE, PROT_READ | PROT_WRITE)) {
		raw_munmap((char *)at, HOST_PAGE_SIZE + OWN_SIZE);
		return NULL;
	}
	valgrind_stack_register(stack, stack + OWN_SIZE);
	return stack;
}

void stack_run(void (*fn)(void *arg), void *arg)
{
	char *stack = atomic_exchange(&kept, NULL), *none = NULL;

	if (!stack)
		stack = map_stack();
	if (!stack) {
		fn(arg);
		return;
	}
	stack_switch(stack + OWN_SIZE, fn, arg);
	if (!atomic_compare_exchange_strong(&kept, &none, stack))
		raw_munmap(stack - HOST_PAGE_SIZE, HOST_PAGE_SIZE + OWN_SIZE);
}
