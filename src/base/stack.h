/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Room on the stack: the library runs on its caller's, and a program's thread may have 16 KiB of
 * it, which is less than a machine's building or a change in the session's tree takes.
 *
 * Whoever comes from outside asks stack_is_short() and, if so, does its work through stack_run().
 * Safe in signal handlers: no lock, no malloc, no libc.
 */
#ifndef BASE_STACK_H
#define BASE_STACK_H

#include "base/types.h"

/* What a caller must have left: the deepest paths take half of it. */
#define STACK_ROOM  (128U << 10)
#define STACK_PAGES 0xfffUL

/*
 * The last stretch of stack that was found to be there, of this thread: its first address, which is
 * a page's, and in the low bits its length in pages. One word, as a signal handler changes it too.
 */
extern _Thread_local uintptr_t stack_known __attribute__((tls_model("initial-exec")));

/* Looks whether there is STACK_ROOM below @sp, and remembers it. A page that cannot be read is the
 * end; a stack without a guard page that lies upon other memory is taken for longer than it is. */
bool stack_ends_below(uintptr_t sp);

/* Whether the caller's stack has less than STACK_ROOM left. */
static inline bool stack_is_short(void)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	uintptr_t below = sp - (stack_known & ~STACK_PAGES);

	if (likely(below >= STACK_ROOM && below < (stack_known & STACK_PAGES) << HOST_PAGE_SHIFT))
		return false;
	return stack_ends_below(sp);
}

/* Calls @fn(@arg) on a stack of the library's own, or on the caller's when there is no memory for
 * one. @fn must return. */
void stack_run(void (*fn)(void *arg), void *arg);

#endif
