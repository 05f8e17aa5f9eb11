/* SPDX-License-Identifier: BSD-3-Clause */
/* The session's versions of programs: each returns the exit status; argv[0] is its name. */
#ifndef CLI_TOOL_H
#define CLI_TOOL_H

/* sudo.c */
int tool_sudo(int argc, char **argv);

#endif
