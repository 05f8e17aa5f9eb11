/* SPDX-License-Identifier: BSD-3-Clause */
/* The command in PATH. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

static bool executable(const char *path, int *error)
{
	struct stat st;

	/* The session has it, whatever the host has. */
	if (path[0] == '/' && session_elsewhere(path) && !session_private(path))
		return true;
	if (stat(path, &st) < 0) {
		if (errno != ENOTDIR)
			*error = *error == EACCES ? EACCES : errno;
		return false;
	}
	if (S_ISDIR(st.st_mode) || access(path, X_OK) < 0) {
		*error = EACCES;
		return false;
	}
	return true;
}

int program_find(const char *command, char *path, size_t size)
{
	const char *list = getenv("PATH");
	int error = ENOENT;

	if (strchr(command, '/')) {
		snprintf(path, size, "%s", command);
		return executable(path, &error) ? 0 : -error;
	}
	if (!list)
		list = "/usr/local/bin:/bin:/usr/bin";
	for (;;) {
		size_t len = strcspn(list, ":");

		snprintf(path, size, "%.*s%s%s", (int)len, list, len ? "/" : "", command);
		if (*command && executable(path, &error))
			return 0;
		if (!list[len])
			return -error;
		list += len + 1;
	}
}
