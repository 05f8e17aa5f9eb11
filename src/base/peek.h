/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether memory is there, asked of the kernel: for pointers of the program's that the library must
 * look at where base/copy.h cannot serve, because no fault handler is installed (programs that have
 * no device) or none may be (a vfork child). A system call for each page; what another thread
 * unmaps after it is not noticed. Below valgrind everything is there. No lock, no malloc, no libc.
 */
#ifndef BASE_PEEK_H
#define BASE_PEEK_H

#include "base/types.h"

/* Whether @addr can be read. */
bool peek_page(uintptr_t addr);
/* Whether @len bytes can be read. */
bool peek_range(const void *from, size_t len);
/* Whether @text can be read up to its end. */
bool peek_string(const char *text);
/* Whether a list of strings can be read up to the NULL. NULL is an empty list. */
bool peek_strings(char *const list[]);

#endif
