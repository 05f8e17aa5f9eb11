/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request to valgrind: instructions that do nothing on a processor and that valgrind takes for a
 * call (Valgrind manual, "The Client Request mechanism").
 */
#ifndef BASE_VALGRIND_H
#define BASE_VALGRIND_H

#include "base/types.h"

#define VALGRIND_REQUEST_STACK_REGISTER 0x1501

/* [@start, @end) is a stack that a thread may switch to: valgrind does not warn of it. */
static inline void valgrind_stack_register(const void *start, const void *end)
{
	volatile uint64_t args[6] = { VALGRIND_REQUEST_STACK_REGISTER, (uintptr_t)start,
				      (uintptr_t)end };
	uint64_t id = 0;

	__asm__ volatile("rolq $3, %%rdi\n\t"
			 "rolq $13, %%rdi\n\t"
			 "rolq $61, %%rdi\n\t"
			 "rolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(id)
			 : "a"(args)
			 : "cc", "memory");
}

#endif
