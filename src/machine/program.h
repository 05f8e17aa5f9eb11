/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the preload library can come up in a program (design D3: nothing falls through). */
#ifndef MACHINE_PROGRAM_H
#define MACHINE_PROGRAM_H

#include <limits.h>
#include "base/types.h"

/* Which build of the library a program takes, by its ELF interpreter. */
enum program_libc {
	PROGRAM_GLIBC,
	PROGRAM_MUSL,
	PROGRAM_OTHER_LIBC, /* there is no build for it */
};

struct program {
	/* What decides: the program, or the interpreter of a script, as it was named. */
	char path[PATH_MAX];
	enum program_libc libc;
	bool secure;   /* the kernel starts it with changed rights: LD_PRELOAD is ignored */
	bool harmless; /* the library does not come up, and need not */
	bool loader;   /* the dynamic loader itself, called by name */
	bool shell;    /* neither ELF nor #!: execvp() gives it to /bin/sh */
	/* What is in the way, the middle of a sentence between the path and the way out; NULL:
	 * nothing. */
	const char *why;
	const char *way_out;
};

/*
 * Looks at the program at @path as the calling process would start it: a script is followed
 * through its interpreters. A file that is not there, or may not be executed, has nothing in the
 * way: the kernel says so. No malloc.
 */
void program_inspect(const char *path, struct program *program);
/* The same for the dynamic loader, called by name: @argv's program decides. */
void program_inspect_call(const char *path, char *const argv[], struct program *program);
/*
 * "uvfio: …\n" for a program with something in the way; @name: what was to be started, NULL when
 * that is program->path. Returns the length.
 */
size_t program_message(const struct program *program, const char *name, char *out, size_t size);

/*
 * The build of the preload library for programs of @libc, beside @library, which is any of its
 * builds, into @out. False: there can be none, or no room.
 */
bool program_library(const char *library, enum program_libc libc, char *out, size_t size);
/* A program for which program_library()'s file is not there has that in the way. */
void program_check_library(struct program *program, const char *library);

/* The libc of an ELF interpreter's path. */
enum program_libc program_libc_of(const char *interpreter);

#endif
