/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that have a version of the session's: `uvfio tool NAME ARGUMENT…` runs in their stead.
 * The session's directory has a link to the executable.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sysraw.h"
#include "preload/process.h"

static const struct tool {
	const char *name;
	/* Only where the kernel would change rights: when root starts it, LD_PRELOAD goes along and
	 * the program itself does. */
	bool when_secure;
	bool system; /* only a program of the system's, not one of that name elsewhere */
} tools[] = {
	{ "insmod", false, true },   { "lsmod", false, true }, { "modinfo", false, true },
	{ "modprobe", false, true }, { "rmmod", false, true }, { "sudo", true, false },
};

/* Where the system's programs are. */
static bool in_system(const char *path, const char *slash)
{
	static const char *const dirs[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin" };
	size_t i, len = slash ? (size_t)(slash - path) : 0;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		if (strlen(dirs[i]) == len && !strncmp(path, dirs[i], len))
			return true;
	return false;
}

const char *exec_tool_of(const char *path, const struct program *program)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tools); i++)
		if (!strcmp(name, tools[i].name))
			break;
	if (i == ARRAY_SIZE(tools) || (tools[i].when_secure && !program->secure) ||
	    (tools[i].system && !in_system(path, slash)))
		return NULL;
	return tools[i].name;
}

int exec_tool_make(const char *name, char *const argv[], struct tool_call *call)
{
	size_t n = 0;
	long memory;
	int len;

	len = snprintf(call->path, sizeof(call->path), "%s/uvfio", environment_session());
	if (len >= (int)sizeof(call->path))
		return -ENAMETOOLONG;
	while (argv && argv[n])
		n++;
	/* "uvfio", "tool", the name, the arguments, NULL. */
	call->size = (n + 4) * sizeof(*call->argv);
	memory = raw_mmap(NULL, call->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	if (memory < 0)
		return (int)memory;
	call->argv = (char **)memory;
	call->argv[0] = (char *)"uvfio";
	call->argv[1] = (char *)"tool";
	call->argv[2] = (char *)name;
	if (n > 1)
		memcpy(call->argv + 3, argv + 1, (n - 1) * sizeof(*argv));
	return 0;
}

void exec_tool_free(struct tool_call *call)
{
	raw_munmap(call->argv, call->size);
}
