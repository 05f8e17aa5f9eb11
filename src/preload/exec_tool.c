/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of the session's versions of programs (machine/session_tool.h). The session's directory has
 * a link to the executable. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sysraw.h"
#include "preload/process.h"

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
