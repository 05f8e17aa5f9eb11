/* SPDX-License-Identifier: BSD-3-Clause */
/* Debuggers and valgrind in a session: what they are told, so that traps do not disturb them. */
#ifndef MACHINE_DEBUGGER_H
#define MACHINE_DEBUGGER_H

#include "base/types.h"

#define DEBUGGER_ARGS 2 /* the most that one is given */

/*
 * How many arguments the program named @path gets behind its name, before the user's own, which
 * thereby win; 0 for a program that is no debugger. They come into @args and, as far as they are
 * not constant, into @text of @size bytes. @envp: its environment. @library: the preload library,
 * beside which gdb's script is. No malloc.
 */
size_t debugger_args(const char *path, char *const envp[], const char *library,
		     const char *args[DEBUGGER_ARGS], char *text, size_t size);

#endif
