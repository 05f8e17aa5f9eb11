/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine/session_tool.h"

#include <string.h>

static const struct tool {
	const char *name;
	/* Only where the kernel would change rights: when root starts it, LD_PRELOAD goes along and
	 * the program itself does. */
	bool when_secure;
	bool system; /* only a program of the system's, not one of that name elsewhere */
} tools[] = {
	{ "insmod", false, true },   { "lsmod", false, true }, { "modinfo", false, true },
	{ "modprobe", false, true }, { "rmmod", false, true }, { "sudo", true, false },
	{ "mount", true, true },     { "umount", true, true },
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

const char *session_tool_of(const char *path, const struct program *program)
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
