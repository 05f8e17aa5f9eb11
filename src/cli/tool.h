/* SPDX-License-Identifier: BSD-3-Clause */
/* The session's versions of programs: each returns the exit status; argv[0] is its name. */
#ifndef CLI_TOOL_H
#define CLI_TOOL_H

/* sudo.c */
int tool_sudo(int argc, char **argv);
int tool_mount(int argc, char **argv);
int tool_umount(int argc, char **argv);

/* modprobe.c, modinfo.c, kmod_small.c */
int tool_modprobe(int argc, char **argv);
int tool_modinfo(int argc, char **argv);
int tool_insmod(int argc, char **argv);
int tool_lsmod(int argc, char **argv);
int tool_rmmod(int argc, char **argv);

/* tool.c: the program that @name, a path perhaps, ends with; its exit status, or -1: none. */
int run_tool(const char *name, int argc, char **argv);

#endif
