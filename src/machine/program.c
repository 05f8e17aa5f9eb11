/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The preload library comes up in a dynamically linked x86-64 ELF file for a C library that it is
 * built for, started without a change of rights. A script is judged by its interpreter.
 *
 * A change of rights is the kernel's bprm->secureexec: the effective ids of the new program are not
 * the caller's real ones, or a caller that is not root gains capabilities from the file. A program
 * that root starts keeps LD_PRELOAD even when it is setuid root.
 */
#include "machine/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPT_HEAD  256  /* what the kernel looks at */
#define HEAD_SIZE    2048 /* an ELF file's headers, notes and interpreter are mostly in it */
#define SCRIPT_DEPTH 6	  /* the kernel follows five interpreters */

/*
 * Programs that LD_PRELOAD does not reach and that touch neither sysfs nor devices: packages are
 * not installed without ldconfig, and scripts ping.
 */
static const char *const harmless[] = {
	"ldconfig", "sln", "ping", "ssh-agent", "unix_chkpwd", "newuidmap", "newgidmap",
};

static bool is_harmless(const char *path, const struct stat *st)
{
	static const char *const dirs[] = { "/usr/bin/", "/usr/sbin/" };
	char real[PATH_MAX];

	if (st->st_uid != 0 || (st->st_mode & 022) || !realpath(path, real))
		return false;
	/* Where /bin and /sbin are no links, they hold the same programs. */
	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		const char *dir = strncmp(real, "/usr/", 5) ? dirs[d] + 4 : dirs[d];

		if (strncmp(real, dir, strlen(dir)))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
			if (!strcmp(real + strlen(dir), harmless[i]))
				return true;
	}
	return false;
}

enum program_libc program_libc_of(const char *interpreter)
{
	if (strstr(interpreter, "/ld-linux-x86-64.so"))
		return PROGRAM_GLIBC;
	return strstr(interpreter, "/ld-musl-x86_64.so") ? PROGRAM_MUSL : PROGRAM_OTHER_LIBC;
}

bool program_library(const char *library, enum program_libc libc, char *out, size_t size)
{
	static const char *const names[] = {
		[PROGRAM_GLIBC] = "libuvfio-preload.so",
		[PROGRAM_MUSL] = "libuvfio-preload-musl.so",
	};
	const char *slash = strrchr(library, '/');
	int len;

	if (libc >= ARRAY_SIZE(names))
		return false;
	len = snprintf(out, size, "%.*s%s", slash ? (int)(slash + 1 - library) : 0, library,
		       names[libc]);
	return len >= 0 && (size_t)len < size;
}

static bool obstacle(struct program *program, const char *why, const char *way_out)
{
	program->why = why;
	program->way_out = way_out;
	return true;
}

/* Whether the kernel gives the file's owner, group or capabilities to who runs it. */
static bool rights_count(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) || !(fs.f_flag & ST_NOSUID);
}

void program_check_library(struct program *program, const char *library)
{
	char path[PATH_MAX];

	if (program->why || !program_library(library, program->libc, path, sizeof(path)) ||
	    access(path, R_OK) == 0)
		return;
	if (program->libc == PROGRAM_MUSL)
		obstacle(program,
			 "is linked to musl, and uvfio has been built without its library for that",
			 "build uvfio with musl-gcc, Debian's package musl-tools");
	else
		obstacle(program, "would not find uvfio's library below its root directory",
			 "make the library's directory visible there");
}

static bool check_rights(const char *path, const struct stat *st, struct program *program)
{
	static const char way_out[] = "run a copy, or sudo, which a session has of its own";
	uid_t uid = geteuid();
	gid_t gid = getegid();
	mode_t set = st->st_mode & (S_ISUID | S_ISGID | S_IXGRP);

	if ((set & (S_ISUID | S_ISGID)) && rights_count(path) &&
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
		if (set & S_ISUID)
			uid = st->st_uid;
		if ((set & S_ISGID) && (set & S_IXGRP))
			gid = st->st_gid;
	}
	program->secure = true;
	if (uid != getuid() || gid != getgid()) {
		if (uid == geteuid() && gid == getegid())
			return obstacle(program,
					"is started with an effective user or group that is not "
					"the real one, so that the loader ignores LD_PRELOAD",
					"make them equal first");
		return obstacle(program,
				set & S_ISUID ? "is setuid, so that the loader ignores LD_PRELOAD"
					      : "is setgid, so that the loader ignores LD_PRELOAD",
				way_out);
	}
	if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0 &&
	    rights_count(path))
		return obstacle(program,
				"has file capabilities, so that the loader ignores LD_PRELOAD",
				way_out);
	program->secure = false;
	return false;
}

/* The loader itself, called by name, is a program without an interpreter. */
static bool is_loader(const char *path)
{
	char real[PATH_MAX];
	const char *name = realpath(path, real) ? strrchr(real, '/') : NULL;

	return name && (!strncmp(name, "/ld-linux-x86-64.so", 19) || !strncmp(name, "/ld-2.", 6));
}

/* A file and its beginning, which spares system calls: each exec of a session's comes here. */
struct image {
	int fd;
	size_t len;
	char head[HEAD_SIZE + 1] __attribute__((aligned(8)));
};

static bool image_read(const struct image *image, void *out, size_t size, uint64_t off)
{
	if (size <= image->len && off <= image->len - size) {
		memcpy(out, image->head + off, size);
		return true;
	}
	return pread(image->fd, out, size, (off_t)off) == (ssize_t)size;
}

/* The build id that Go's linker leaves in each program. */
static bool has_go_note(const struct image *image, const Elf64_Phdr *phdr)
{
	static const char name[] = { 'G', 'o', 0, 0 };
	char notes[1024] __attribute__((aligned(8)));
	size_t size = MIN(phdr->p_filesz, sizeof(notes)), at = 0;
	Elf64_Nhdr note;

	if (!image_read(image, notes, size, phdr->p_offset))
		return false;
	while (at + sizeof(note) + sizeof(name) <= size) {
		memcpy(&note, notes + at, sizeof(note));
		if (note.n_namesz == sizeof(name) &&
		    !memcmp(notes + at + sizeof(note), name, sizeof(name)))
			return true;
		at += sizeof(note) + ALIGN_UP((size_t)note.n_namesz, 4) +
		      ALIGN_UP((size_t)note.n_descsz, 4);
	}
	return false;
}

static bool check_elf(const struct image *image, struct program *program)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)image->head;
	bool dynamic = false, go = false;
	char interp[256];
	Elf64_Phdr phdr;
	size_t len;

	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_machine != EM_X86_64)
		return obstacle(program,
				head->e_machine == EM_386 || head->e_machine == EM_X86_64
					? "is a 32-bit program, and the library is 64-bit"
					: "is a program for another architecture",
				"build it for x86-64");
	for (unsigned int i = 0; i < head->e_phnum; i++) {
		/* Damaged: the kernel will say so. */
		if (!image_read(image, &phdr, sizeof(phdr), head->e_phoff + i * sizeof(phdr)))
			return false;
		if (phdr.p_type == PT_NOTE)
			go = go || has_go_note(image, &phdr);
		if (phdr.p_type != PT_INTERP)
			continue;
		len = MIN(phdr.p_filesz, sizeof(interp) - 1);
		if (!image_read(image, interp, len, phdr.p_offset))
			return false;
		interp[len] = '\0';
		dynamic = true;
		program->libc = program_libc_of(interp);
	}
	if (dynamic && program->libc == PROGRAM_OTHER_LIBC)
		return obstacle(program, "is linked to another C library",
				"build it for glibc or musl");
	if (dynamic && go)
		return obstacle(program, "is a Go program, whose system calls do not pass libc",
				"take one that is not");
	program->loader = !dynamic && is_loader(program->path);
	return !dynamic && !program->loader &&
	       obstacle(program, "is statically linked, so that LD_PRELOAD does not reach it",
			"take a dynamically linked build");
}

static void forgive(struct program *program, const struct stat *st)
{
	if (!is_harmless(program->path, st))
		return;
	program->why = NULL;
	program->harmless = true;
}

/* The interpreter in a script's first line; false: there is none. @image is cut there. */
static bool interpreter_of(struct image *image, char *out)
{
	char *start;

	image->head[MIN(image->len, (size_t)SCRIPT_HEAD)] = '\0';
	start = image->head + 2 + strspn(image->head + 2, " \t");
	start[strcspn(start, " \t\n")] = '\0';
	strcpy(out, start);
	return *start != '\0';
}

/* The file at program->path. True: done, false: program->path is the interpreter now. */
static bool inspect_one(struct program *program)
{
	struct image image;
	struct stat st;
	ssize_t len;

	if (stat(program->path, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return true;
	if (check_rights(program->path, &st, program)) {
		forgive(program, &st);
		return true;
	}
	image.fd = open(program->path, O_RDONLY | O_CLOEXEC);
	if (image.fd < 0) {
		if (errno == EACCES && access(program->path, X_OK) == 0)
			obstacle(program, "cannot be read, so that nobody knows what it is",
				 "make it readable");
		return true;
	}
	len = pread(image.fd, image.head, HEAD_SIZE, 0);
	image.len = len > 0 ? (size_t)len : 0;
	image.head[image.len] = '\0';
	if (image.len >= sizeof(Elf64_Ehdr) && !memcmp(image.head, ELFMAG, SELFMAG)) {
		if (check_elf(&image, program))
			forgive(program, &st);
	} else {
		program->shell = image.head[0] != '#' || image.head[1] != '!';
	}
	close(image.fd);
	return image.head[0] != '#' || program->shell || !interpreter_of(&image, program->path);
}

void program_inspect(const char *path, struct program *program)
{
	program->libc = PROGRAM_GLIBC;
	program->secure = program->shell = program->harmless = program->loader = false;
	program->why = program->way_out = NULL;
	program->path[0] = '\0';
	/* Too long for the kernel as well. */
	if (strlen(path) >= sizeof(program->path))
		return;
	strcpy(program->path, path);
	for (int depth = 0; depth < SCRIPT_DEPTH; depth++)
		if (inspect_one(program))
			return;
}

/* The program among the loader's arguments, or NULL: it was asked for something else. */
static const char *loaded_by(char *const argv[])
{
	static const char *const valued[] = {
		"--library-path",	  "--inhibit-rpath",	"--audit", "--preload", "--argv0",
		"--glibc-hwcaps-prepend", "--glibc-hwcaps-mask"
	};

	for (argv++; *argv && !strncmp(*argv, "--", 2); argv++)
		for (size_t i = 0; i < ARRAY_SIZE(valued); i++)
			if (!strcmp(*argv, valued[i]) && argv[1])
				argv++;
	return *argv;
}

void program_inspect_call(const char *path, char *const argv[], struct program *program)
{
	const char *loaded;

	program_inspect(path, program);
	if (program->why || !argv || !argv[0] || !program->loader)
		return;
	loaded = loaded_by(argv);
	/* The loader starts a program with nobody's rights but the caller's. */
	if (loaded && strchr(loaded, '/')) {
		program_inspect(loaded, program);
		if (program->secure && program->why)
			program->why = NULL;
	}
}

size_t program_message(const struct program *program, const char *name, char *out, size_t size)
{
	bool other = name && strcmp(name, program->path);
	int len = snprintf(out, size,
			   "uvfio: %s%s%s %s; %s, or run it outside of the session with "
			   "UVFIO_ESCAPE=1\n",
			   other ? name : "", other ? ": its interpreter " : "", program->path,
			   program->why, program->way_out);

	if (len < 0)
		return 0;
	if ((size_t)len >= size) {
		len = (int)size - 1;
		out[len - 1] = '\n';
	}
	return (size_t)len;
}
