/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library depth of a thread: above 0 while it runs uvfio's own code (design D9).
 *
 * Every door (an interposed call, a C API call, the fault handler's model call) raises it for its
 * duration; threads of the library keep it raised. Interposers pass straight to libc when it is
 * above 0, and an MMIO trap that arrives at depth above 0 takes no lock.
 */
#ifndef BASE_DEPTH_H
#define BASE_DEPTH_H

extern _Thread_local int lib_depth __attribute__((tls_model("initial-exec")));

static inline void depth_enter(void)
{
	lib_depth++;
	__asm__ volatile("" ::: "memory");
}

static inline void depth_leave(void)
{
	__asm__ volatile("" ::: "memory");
	lib_depth--;
}

#endif
