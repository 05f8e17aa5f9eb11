/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's signal handlers where the library behind us in the list runs them with every signal
 * blocked, as gcc's ThreadSanitizer does: an MMIO access in one would kill. Such a handler is
 * called through one of ours, which unblocks SIGSEGV and SIGBUS first.
 */
#ifndef PRELOAD_HANDLERS_H
#define PRELOAD_HANDLERS_H

#include <signal.h>
#include "base/types.h"

/* Whether this process is such a one. */
bool handler_wanted(void);
/* @act (or NULL) is about to become @sig's action: puts our handler into it where that is wanted.
 * What handler_show() is to be told: the program's handler until now. */
uintptr_t handler_replace(int sig, struct sigaction *act);
/* What the program is told of an action in which our handler stands: @program, its own. */
void handler_show(struct sigaction *act, uintptr_t program);

#endif
