/* SPDX-License-Identifier: BSD-3-Clause */
/* The wrappers whose arguments have no end in the prototype ("own" in wrappers.tbl). */
#include <alloca.h>

#include "preload/doors.h"
#include "preload/guard.h"
#include "preload/process.h"
#include "preload/wrappers.h"

int wrap_dprintf(int fd, const char *format, ...)
{
	va_list ap;
	int ret;

	va_start(ap, format);
	ret = wrap_vdprintf(fd, format, ap);
	va_end(ap);
	return ret;
}

int wrap___dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list ap;
	int ret;

	va_start(ap, format);
	ret = wrap___vdprintf_chk(fd, flag, format, ap);
	va_end(ap);
	return ret;
}

/* The arguments up to the NULL, counted first, in an array on the stack as libc does it. */
static size_t count_args(va_list ap)
{
	size_t n = 1;

	while (va_arg(ap, char *))
		n++;
	return n;
}

static void fill_args(char **argv, const char *arg, size_t n, va_list ap)
{
	size_t i;

	argv[0] = (char *)arg;
	for (i = 1; i <= n; i++)
		argv[i] = va_arg(ap, char *);
}

#define GET_ARGV(argv, arg, ap)                          \
	do {                                             \
		size_t n_;                               \
		va_start(ap, arg);                       \
		n_ = arg ? count_args(ap) : 0;           \
		va_end(ap);                              \
		argv = alloca((n_ + 1) * sizeof(*argv)); \
		argv[0] = NULL;                          \
		va_start(ap, arg);                       \
		if (arg)                                 \
			fill_args(argv, arg, n_, ap);    \
	} while (0)

int wrap_execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	GET_ARGV(argv, arg, ap);
	va_end(ap);
	return wrap_execve(path, argv, environ);
}

int wrap_execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;

	GET_ARGV(argv, arg, ap);
	va_end(ap);
	return wrap_execvpe(file, argv, environ);
}

int wrap_execle(const char *path, const char *arg, ...)
{
	char **argv, **envp;
	va_list ap;

	GET_ARGV(argv, arg, ap);
	envp = va_arg(ap, char **);
	va_end(ap);
	return wrap_execve(path, argv, envp);
}

/*
 * vfork() returns twice in the caller's frame, so nothing of ours may stay on the stack: a jump to
 * libc's, or, in a session, to fork (process.c says why).
 */
__attribute__((naked)) pid_t wrap_vfork(void)
{
	__asm__("sub $8, %rsp\n\t"
		"call process_vfork_target\n\t"
		"add $8, %rsp\n\t"
		"jmp *%rax");
}

/* gcc's dynamically linked AddressSanitizer wants to be the first library: it may be behind us. */
const char *wrap___asan_default_options(void)
{
	return "verify_asan_link_order=0";
}
