/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to valgrind: instructions that do nothing on a processor and that valgrind takes for a
 * call (Valgrind manual, "The Client Request mechanism").
 */
#ifndef BASE_VALGRIND_H
#define BASE_VALGRIND_H

#include "base/types.h"

#define VALGRIND_REQUEST_RUNNING	0x1001
#define VALGRIND_REQUEST_STACK_REGISTER 0x1501

/* The answer, or 0 where there is no valgrind. */
static inline uint64_t valgrind_request(uint64_t request, uintptr_t a, uintptr_t b)
{
	volatile uint64_t args[6] = { request, a, b };
	uint64_t answer = 0;

	__asm__ volatile("rolq $3, %%rdi\n\t"
			 "rolq $13, %%rdi\n\t"
			 "rolq $61, %%rdi\n\t"
			 "rolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(args)
			 : "cc", "memory");
	return answer;
}

static inline bool valgrind_runs(void)
{
	return valgrind_request(VALGRIND_REQUEST_RUNNING, 0, 0) != 0;
}

/* [@start, @end) is a stack that a thread may switch to: valgrind does not warn of it. */
static inline void valgrind_stack_register(const void *start, const void *end)
{
	valgrind_request(VALGRIND_REQUEST_STACK_REGISTER, (uintptr_t)start, (uintptr_t)end);
}

#endif
