/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that have a version of the session's, `uvfio tool NAME ARGUMENT…`, which runs in their
 * stead. */
#ifndef MACHINE_SESSION_TOOL_H
#define MACHINE_SESSION_TOOL_H

#include "machine/program.h"

/* The name of the session's version of the program at @path, which program_inspect() has looked at;
 * NULL: there is none. */
const char *session_tool_of(const char *path, const struct program *program);

#endif
