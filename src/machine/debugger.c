/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine/debugger.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GDB_SCRIPT   "uvfio-gdb.py"
#define VALGRIND_ENV "VALGRIND_OPTS="
/* A trapped instruction is executed from the registers as they are at that instruction. */
#define VALGRIND_OPTION "--vex-iropt-register-updates"
#define VALGRIND_ARG	VALGRIND_OPTION "=allregs-at-mem-access"

static bool named(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static bool users_choice(char *const envp[])
{
	for (; envp && *envp; envp++)
		if (!strncmp(*envp, VALGRIND_ENV, sizeof(VALGRIND_ENV) - 1) &&
		    strstr(*envp, VALGRIND_OPTION))
			return true;
	return false;
}

size_t debugger_args(const char *path, char *const envp[], const char *library,
		     const char *args[DEBUGGER_ARGS], char *text, size_t size)
{
	static const char *const gdbs[] = { "gdb", "gdb-multiarch", "gdbtui" };
	static const char source[] = "source ";
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int len;

	if (!strcmp(name, "valgrind")) {
		args[0] = VALGRIND_ARG;
		return users_choice(envp) ? 0 : 1;
	}
	slash = library ? strrchr(library, '/') : NULL;
	if (!slash || !named(name, gdbs, ARRAY_SIZE(gdbs)))
		return 0;
	len = snprintf(text, size, "%s%.*s%s", source, (int)(slash + 1 - library), library,
		       GDB_SCRIPT);
	/* Out of sight, as below another root: gdb then stops at each trap. */
	if (len < 0 || (size_t)len >= size || access(text + sizeof(source) - 1, R_OK))
		return 0;
	args[0] = "-iex";
	args[1] = text;
	return 2;
}
