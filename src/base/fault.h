/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process's SIGSEGV and SIGBUS handler: first the fix-ups of base/copy.h, then the MMIO trap
 * (file/), then the program's own action, as if it had been installed directly.
 *
 * The handler uses SA_ONSTACK | SA_NODEFER | SA_SIGINFO and is installed by raw rt_sigaction.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <signal.h>
#include "base/types.h"

/* Installs the handler once for the process; 0 or -errno. What was installed before becomes the
 * program's action. Thread-safe, callable often. */
int fault_init(void);
bool fault_installed(void);

/*
 * The MMIO trap: called in signal context at the faulting instruction. Returns true when the fault
 * was its own and @ucontext has been changed so that the program can go on; false passes it on.
 * One function for the process; NULL removes it.
 */
typedef bool (*fault_mmio_fn)(int sig, siginfo_t *info, void *ucontext);
void fault_set_mmio(fault_mmio_fn fn);

/*
 * The program's own action for @sig (SIGSEGV or SIGBUS), kept here while our handler is installed:
 * what interposed sigaction() and signal() read and write. @act or @old may be NULL. 0 or -errno.
 */
int fault_program_action(int sig, const struct sigaction *act, struct sigaction *old);

/*
 * Delivers @sig to the program's action as if the kernel had raised it at @ucontext with @info
 * (si_code > 0: a fault of the instruction). For the MMIO trap, which turns one into another.
 * In signal context only. Returns when the program's handler has; the default action kills.
 */
void fault_deliver(int sig, siginfo_t *info, void *ucontext);

/* SIGSEGV and SIGBUS as bits of the kernel's signal set: what must never stay blocked. */
#define FAULT_SIGNALS ((1ULL << (SIGSEGV - 1)) | (1ULL << (SIGBUS - 1)))

/* Unblocks SIGSEGV and SIGBUS for the calling thread, which may have been started with both
 * blocked: at every door that leads to MMIO. */
void fault_unblock(void);

#endif
