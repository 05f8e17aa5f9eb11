/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The preload library comes up in a dynamically linked x86-64 ELF file for this C library that is
 * started without a change of rights. A script is judged by its interpreter.
 */
#include "machine/program.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define HEAD_SIZE    256
#define SCRIPT_DEPTH 4

static const char *elf_obstacle(int fd, const char *path, const Elf64_Ehdr *head)
{
	const char *name = strrchr(path, '/');
	char interp[PATH_MAX];
	Elf64_Phdr phdr;
	struct stat st;

	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_machine != EM_X86_64)
		return "is not an x86-64 program; build it for x86-64";
	if (fstat(fd, &st) == 0 &&
	    ((st.st_mode & S_ISUID && st.st_uid != getuid()) ||
	     ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())))
		return "is setuid or setgid, so that the loader ignores LD_PRELOAD; run a copy";
	if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "has file capabilities, so that the loader ignores LD_PRELOAD; run a copy";
	for (unsigned int i = 0; i < head->e_phnum; i++) {
		size_t len;

		if (pread(fd, &phdr, sizeof(phdr), (off_t)(head->e_phoff + i * sizeof(phdr))) !=
		    sizeof(phdr))
			return NULL;
		if (phdr.p_type != PT_INTERP)
			continue;
		len = phdr.p_filesz < sizeof(interp) ? phdr.p_filesz : sizeof(interp) - 1;
		if (pread(fd, interp, len, (off_t)phdr.p_offset) != (ssize_t)len)
			return NULL;
		interp[len] = '\0';
		return strstr(interp, "/ld-linux-x86-64.so")
			       ? NULL
			       : "is linked to another C library; build it for glibc";
	}
	/* The loader itself, called by name. */
	if (!strncmp(name ? name + 1 : path, "ld-linux", 8))
		return NULL;
	return "is statically linked, and LD_PRELOAD does not reach it; link it dynamically";
}

const char *program_obstacle(char *path, size_t size)
{
	char head[HEAD_SIZE + 1] __attribute__((aligned(8)));

	for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
		const char *why = NULL;
		char *start;
		ssize_t len;
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		/* What cannot be read can still be run; the library tells if it came up. */
		if (fd < 0)
			return NULL;
		len = pread(fd, head, HEAD_SIZE, 0);
		head[len > 0 ? len : 0] = '\0';
		if (len >= (ssize_t)sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG))
			why = elf_obstacle(fd, path, (const Elf64_Ehdr *)head);
		close(fd);
		if (why || head[0] != '#' || head[1] != '!')
			return why;
		start = head + 2 + strspn(head + 2, " \t");
		start[strcspn(start, " \t\n")] = '\0';
		if (!*start)
			return NULL;
		snprintf(path, size, "%s", start);
	}
	return NULL;
}
