/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Can the library come up in a program? Not in static ones, those of another word size or libc, and
 * those that the kernel starts with privileges (the loader ignores LD_PRELOAD then). Scripts are
 * judged by their interpreter. UVFIO_ESCAPE=1 lets such programs run, outside of the session.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/sysraw.h"
#include "preload/door.h"
#include "preload/process.h"

#define ESCAPE_ENV    "UVFIO_ESCAPE"
#define HEAD_SIZE     256 /* what the kernel reads of a script's first line */
#define SCRIPT_LEVELS 4
#define MAX_PHDRS     64

static const char *check_elf(int fd, const char *path, const Elf64_Ehdr *head)
{
	const char *name = strrchr(path, '/');
	Elf64_Phdr phdr;
	char interp[64];
	ssize_t len;
	int i;

	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_machine != EM_X86_64)
		return "is not an x86-64 program";
	for (i = 0; i < MIN(head->e_phnum, MAX_PHDRS); i++) {
		if (raw_pread(fd, &phdr, sizeof(phdr),
			      head->e_phoff + (uint64_t)i * sizeof(phdr)) != sizeof(phdr))
			return NULL; /* the kernel will say what is wrong with it */
		if (phdr.p_type != PT_INTERP)
			continue;
		len = raw_pread(fd, interp, MIN(phdr.p_filesz, sizeof(interp) - 1), phdr.p_offset);
		interp[MAX(len, 0)] = '\0';
		return strstr(interp, "/ld-linux-x86-64") ? NULL : "uses another C library";
	}
	/* The loader itself, called by name. */
	if (!strncmp(name ? name + 1 : path, "ld-linux", 8))
		return NULL;
	return "is statically linked";
}

/* Started with other rights than ours? Then the loader drops LD_PRELOAD. */
static const char *check_rights(int fd)
{
	struct stat st;

	if (raw_fstat(fd, &st))
		return NULL;
	if (((st.st_mode & S_ISUID) && st.st_uid != getuid()) ||
	    ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid()))
		return "is setuid or setgid";
	if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "has file capabilities";
	return NULL;
}

/* The interpreter in a script's first line, into @path. */
static bool script(char *head, char *path)
{
	char *start, *end;

	if (head[0] != '#' || head[1] != '!')
		return false;
	start = head + 2 + strspn(head + 2, " \t");
	end = start + strcspn(start, " \t\n");
	*end = '\0';
	strcpy(path, start);
	return *path != '\0';
}

/* What is wrong with @path (changed to the interpreter's); NULL: nothing. */
static const char *check(char *path)
{
	char head[HEAD_SIZE + 1] __attribute__((aligned(8)));
	const char *why = NULL;
	int level, fd;
	ssize_t len;
	bool again = true;

	for (level = 0; again && !why && level <= SCRIPT_LEVELS; level++) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return NULL;
		len = raw_pread(fd, head, HEAD_SIZE, 0);
		head[MAX(len, 0)] = '\0';
		again = false;
		if (len >= (ssize_t)sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG)) {
			why = check_elf(fd, path, (const Elf64_Ehdr *)head);
			if (!why)
				why = check_rights(fd);
		} else if (len > 0) {
			again = script(head, path);
		}
		raw_close(fd);
	}
	return why;
}

/* Valgrind's tools are static programs that load the client, and what it preloads, themselves. */
static bool is_valgrind(char *const envp[])
{
	static const char name[] = "VALGRIND_LAUNCHER=";

	for (; envp && *envp; envp++)
		if (!strncmp(*envp, name, sizeof(name) - 1))
			return true;
	return false;
}

static int judge(const char *path, char *const envp[])
{
	char name[PATH_MAX], line[PATH_MAX + 256];
	const char *why, *escape = getenv(ESCAPE_ENV);
	struct door door;
	int len;

	if (strlen(path) >= sizeof(name) || (escape && !strcmp(escape, "1")))
		return 0;
	strcpy(name, path);
	door_enter(&door);
	why = check(name);
	door_leave(&door);
	if (!why || is_valgrind(envp))
		return 0;
	len = snprintf(line, sizeof(line),
		       "uvfio: %s %s: it cannot run inside the session (" ESCAPE_ENV
		       "=1 lets it run outside)\n",
		       name, why);
	sysraw3(SYS_write, STDERR_FILENO, (long)line, MIN(len, (int)sizeof(line) - 1));
	return -EACCES;
}

int exec_check(const char *path, char *const envp[])
{
	/* A bad pointer is the kernel's business. */
	return (uintptr_t)path < HOST_PAGE_SIZE ? 0 : judge(path, envp);
}

int exec_check_search(const char *file, char *const envp[])
{
	const char *dirs = getenv("PATH"), *end;
	char path[PATH_MAX];
	int len;

	if ((uintptr_t)file < HOST_PAGE_SIZE || strchr(file, '/'))
		return exec_check(file, envp);
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;; dirs = end + 1) {
		end = strchrnul(dirs, ':');
		len = snprintf(path, sizeof(path), "%.*s%s%s", (int)(end - dirs), dirs,
			       end > dirs ? "/" : "", file);
		if (len < (int)sizeof(path) && !euidaccess(path, X_OK))
			return judge(path, envp);
		if (!*end)
			return 0;
	}
}
