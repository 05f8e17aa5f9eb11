/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `uvfio tool NAME ARGUMENT…`: programs that have a version of the session's. The preload library
 * starts them in place of the host's (preload/exec_tool.c).
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/tool.h"

static const struct tool {
	const char *name;
	int (*fn)(int argc, char **argv);
} tools[] = {
	{ "insmod", tool_insmod },     { "lsmod", tool_lsmod },	  { "modinfo", tool_modinfo },
	{ "modprobe", tool_modprobe }, { "mount", tool_mount },	  { "rmmod", tool_rmmod },
	{ "sudo", tool_sudo },	       { "umount", tool_umount },
};

int run_tool(const char *name, int argc, char **argv)
{
	const char *slash = strrchr(name, '/');

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (!strcmp(slash ? slash + 1 : name, tools[i].name))
			return tools[i].fn(argc, argv);
	return -1;
}

int cmd_tool(int argc, char **argv)
{
	int status = argc > 1 ? run_tool(argv[1], argc - 1, argv + 1) : -1;

	return status >= 0 ? status
			   : fail("tool: there is no session version of \"%s\"",
				  argc > 1 ? argv[1] : "");
}
