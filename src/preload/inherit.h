/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes that are open across exec: `/bin/echo 1 > attribute` opens the attribute in the
 * shell and writes to it in another program. The exec wrappers name such fds in an environment
 * variable; the library in the new program makes them files again, which open the attribute at the
 * first use.
 *
 * Uevent sockets go along, too. A forked child gets its attributes in the same way. Devices go over
 * neither: what a process opened ends with it (design D2).
 */
#ifndef PRELOAD_INHERIT_H
#define PRELOAD_INHERIT_H

#include "base/types.h"

#define INHERIT_ENV "UVFIO_INHERIT"

/*
 * Writes "UVFIO_INHERIT=FD:FLAGS:PATH;…" of the fds that stay open into @out, as far as it has
 * room. The length, 0: there are none. @out may be NULL to ask for it.
 */
size_t inherit_describe(char *out, size_t size);
/* Takes over what the environment names, and the variable out of the environment. */
void inherit_adopt(void);
/* In the child of a fork, behind file_after_fork(): attributes live on there. Depth raised. */
void inherit_after_fork(void);

#endif
