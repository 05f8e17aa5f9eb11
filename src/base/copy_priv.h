/* SPDX-License-Identifier: BSD-3-Clause */
/* The exception table of copy.S and what stands beside it. */
#ifndef BASE_COPY_PRIV_H
#define BASE_COPY_PRIV_H

#include "base/types.h"

/* Where to continue after a fault at @ip; 0 when @ip is none of the copy routines'. */
uintptr_t copy_fixup(uintptr_t ip);

/* The signal handler's way back (rt_sigreturn); never called. */
void fault_restorer(void) __asm__("__restore_rt");

#endif
