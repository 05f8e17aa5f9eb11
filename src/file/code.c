/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A debugger that steps over an instruction which traps puts a breakpoint on it, to be there when
 * the signal's handler returns. The instruction's first byte is then `int3`, and what it was stands
 * in the program's file. It is read with raw system calls, in signal context.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/sysraw.h"
#include "file/trap_priv.h"

/* Lines of a file of /proc, one after the other. */
struct lines {
	int fd;
	size_t begin, end;
	char buf[PATH_MAX + 512];
};

static int open_file(const char *path)
{
	return (int)sysraw4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
}

/* The next line, without its end; NULL: there is none, or it is longer than any of interest. */
static char *next_line(struct lines *l)
{
	char *line, *newline;
	long len;

	for (;;) {
		newline = memchr(l->buf + l->begin, '\n', l->end - l->begin);
		if (newline) {
			line = l->buf + l->begin;
			*newline = '\0';
			l->begin = (size_t)(newline + 1 - l->buf);
			return line;
		}
		memmove(l->buf, l->buf + l->begin, l->end - l->begin);
		l->end -= l->begin;
		l->begin = 0;
		if (l->end == sizeof(l->buf))
			return NULL;
		len = sysraw3(SYS_read, l->fd, (long)(l->buf + l->end),
			      (long)(sizeof(l->buf) - l->end));
		if (len <= 0)
			return NULL;
		l->end += (size_t)len;
	}
}

static uint64_t number(const char **at, unsigned int base)
{
	uint64_t value = 0;
	unsigned int digit;

	for (;; (*at)++) {
		if (**at >= '0' && **at <= '9')
			digit = (unsigned int)(**at - '0');
		else if (base == 16 && **at >= 'a' && **at <= 'f')
			digit = (unsigned int)(**at - 'a') + 10;
		else
			return value;
		value = value * base + digit;
	}
}

/* The file that is mapped at @addr, and where in it; "start-end prot offset device inode path". */
static bool file_at(struct lines *l, uintptr_t addr, const char **path, uint64_t *off)
{
	const char *at;
	uint64_t start, end;

	while ((at = next_line(l))) {
		start = number(&at, 16);
		at++;
		end = number(&at, 16);
		if (addr < start || addr >= end || *at != ' ')
			continue;
		at = strchr(at + 1, ' ');
		if (!at)
			return false;
		at++;
		*off = number(&at, 16) + (addr - start);
		*path = strchr(at, '/');
		return *path != NULL;
	}
	return false;
}

bool code_behind_breakpoint(uintptr_t addr, uint8_t *byte)
{
	struct lines l = { .fd = open_file("/proc/self/maps") };
	const char *path;
	uint64_t off;
	bool ret = false;
	int fd;

	if (l.fd < 0)
		return false;
	if (file_at(&l, addr, &path, &off)) {
		fd = open_file(path);
		if (fd >= 0) {
			ret = raw_pread(fd, byte, 1, off) == 1;
			raw_close(fd);
		}
	}
	raw_close(l.fd);
	return ret;
}

bool code_is_debugged(void)
{
	static const char field[] = "TracerPid:\t";
	struct lines l = { .fd = open_file("/proc/self/status") };
	const char *line;
	bool ret = false;

	if (l.fd < 0)
		return false;
	while ((line = next_line(&l))) {
		if (strncmp(line, field, sizeof(field) - 1) != 0)
			continue;
		line += sizeof(field) - 1;
		ret = number(&line, 10) != 0;
		break;
	}
	raw_close(l.fd);
	return ret;
}
