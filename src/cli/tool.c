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
	{ "sudo", tool_sudo },
};

int cmd_tool(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(tools) / sizeof(tools[0]); i++)
		if (!strcmp(argv[1], tools[i].name))
			return tools[i].fn(argc - 1, argv + 1);
	return fail("tool: there is no session version of \"%s\"", argc > 1 ? argv[1] : "");
}
