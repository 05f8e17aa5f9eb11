/* SPDX-License-Identifier: BSD-3-Clause */
/* gdb and valgrind are started with arguments of ours (machine/debugger.h). */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sysraw.h"
#include "machine/debugger.h"
#include "preload/process.h"

int exec_debugger_make(const char *path, char *const argv[], char *const envp[],
		       struct tool_call *call)
{
	const char *args[DEBUGGER_ARGS];
	size_t count, n = 0;
	long memory;

	/* Bad pointers are the kernel's business. */
	if (!argv || !argv[0])
		return 0;
	count = debugger_args(path, envp, environment_library(PROGRAM_GLIBC), args, call->path,
			      sizeof(call->path));
	if (!count)
		return 0;
	while (argv[n])
		n++;
	call->size = (n + count + 1) * sizeof(*call->argv);
	memory = raw_mmap(NULL, call->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	if (memory < 0)
		return (int)memory;
	call->argv = (char **)memory;
	call->argv[0] = argv[0];
	memcpy(call->argv + 1, args, count * sizeof(*args));
	memcpy(call->argv + 1 + count, argv + 1, (n - 1) * sizeof(*argv));
	return 1;
}
