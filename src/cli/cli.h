/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the command line share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "machine/session_create.h"

/* Exit status: wrong use, or the session cannot be made. */
#define EXIT_USAGE 2
/* The command ended with 0, but devices saw DMA errors. */
#define EXIT_DMA 99

/* "uvfio: …" on stderr. Returns EXIT_USAGE. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Each returns the exit status; argv[0] is "uvfio run" and so on. */
int cmd_run(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_models(int argc, char **argv);
int cmd_bind(int argc, char **argv);
int cmd_unbind(int argc, char **argv);
int cmd_mdev(int argc, char **argv);
int cmd_inject(int argc, char **argv);
int cmd_dmesg(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_keeper(int argc, char **argv);
int cmd_tool(int argc, char **argv);

/* Of every command that works on a session. */
#define OPTION_SESSION                                                                        \
	{                                                                                     \
		"session", 's', "DIR", 0,                                                     \
			"The session (the one that this program runs in, or the only one)", 0 \
	}

struct argp;
/* argp_parse(), whose complaints are one line. 0, or it does not return, or an error. */
int parse_arguments(const struct argp *argp, int argc, char **argv, unsigned int flags,
		    void *input);

/* The session that @dir, or the environment, or the only one there is, names. EXIT_USAGE with a
 * message when there is none. */
int open_session(const char *dir, struct session **out);

/* "01:00.0" with the domain that it lacks, in a static buffer; anything else as it is. */
const char *device_name(const char *text);

/* identity.c: "--caps", "--user", "--memlock". 0 or EXIT_USAGE with a message. */
int parse_caps(const char *text, uint64_t *caps);
int parse_user(const char *text, uint32_t *uid, uint32_t *gid);
int parse_memlock(const char *text, uint64_t *bytes);

/* program.c */

/* Where execvp() would find @command. 0 or -errno. */
int program_find(const char *command, char *path, size_t size);

/* launch_env.c: the command's environment. malloc'ed; NULL: out of memory. */
char **launch_environment(const char *library, const char *session);
void launch_environment_free(char **env);
/* The preload library that belongs to this executable. 0 or -ENOENT. */
int launch_library(char *path, size_t size);
/* What a session shows as /lib/modules/RELEASE. 0 or -ENOENT. */
int launch_modules(char *path, size_t size);
/* @command, or, for a debugger, a copy with what it is told in a session (machine/debugger.h), for
 * the life of the process. */
char **launch_command(char **command, const char *library);
int launch_self(char *path, size_t size);

/* report.c */
void report_stats(const struct session *session, FILE *out);
/* The faults behind the first @before ones, if any; returns how many there were. */
uint64_t report_faults(const struct session *session, uint64_t before, FILE *out);

#endif
