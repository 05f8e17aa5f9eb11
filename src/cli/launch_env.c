/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The environment of a command in a session: LD_PRELOAD, the session's name, and the malloc
 * tunables that keep freed memory mapped (design D5). What the user has set stays: our library goes
 * behind his, our tunables beside his.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "machine/debugger.h"
#include "machine/variables.h"

extern char **environ;

int launch_self(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 1);

	if (len <= 0)
		return -ENOENT;
	path[len] = '\0';
	return 0;
}

/* The first of @places, relative to this executable's directory, that is there. 0 or -ENOENT. */
static int find_place(const char *const *places, size_t count, char *path, size_t size)
{
	char self[PATH_MAX], candidate[PATH_MAX + 128], real[PATH_MAX];
	const char *dir;

	if (launch_self(self, sizeof(self)))
		return -ENOENT;
	dir = dirname(self);
	for (size_t i = 0; i < count; i++) {
		snprintf(candidate, sizeof(candidate), "%s/%s", dir, places[i]);
		if (realpath(candidate, real) && strlen(real) < size) {
			strcpy(path, real);
			return 0;
		}
	}
	return -ENOENT;
}

int launch_library(char *path, size_t size)
{
	static const char *const places[] = {
		/* The build tree, then what `meson install` makes. */
		"../preload/libuvfio-preload.so",
		"../" UVFIO_LIBDIR "/uvfio/libuvfio-preload.so",
	};

	return find_place(places, sizeof(places) / sizeof(places[0]), path, size);
}

int launch_modules(char *path, size_t size)
{
	static const char *const places[] = { "modules", "../" UVFIO_LIBDIR "/uvfio/modules" };

	return find_place(places, sizeof(places) / sizeof(places[0]), path, size);
}

/* What one of the functions of machine/variables.h writes, malloc'ed. */
static char *preload_variable(const char *library)
{
	const char *users = getenv(PRELOAD_ENV);
	size_t size = variables_preload(users ? users : "", library, NULL, 0) + 1;
	char *text = malloc(size);

	if (text)
		variables_preload(users ? users : "", library, text, size);
	return text;
}

static char *tunables_variable(void)
{
	const char *users = getenv(TUNABLES_ENV);
	size_t size = variables_tunables(users ? users : "", NULL, 0) + 1;
	char *text = malloc(size);

	if (text)
		variables_tunables(users ? users : "", text, size);
	return text;
}

static char *session_variable(const char *session)
{
	char *text;

	return asprintf(&text, SESSION_ENV "=%s", session) < 0 ? NULL : text;
}

static bool is_variable(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(entry, name, len) && entry[len] == '=';
}

#define NUM_OURS 3

char **launch_environment(const char *library, const char *session)
{
	char *ours[NUM_OURS] = { preload_variable(library), session_variable(session),
				 tunables_variable() };
	size_t count = 0, n = 0;
	char **out;

	while (environ[count])
		count++;
	out = calloc(count + NUM_OURS + 1, sizeof(*out));
	if (!out || !ours[0] || !ours[1] || !ours[2]) {
		for (size_t i = 0; i < NUM_OURS; i++)
			free(ours[i]);
		free(out);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		if (!is_variable(environ[i], PRELOAD_ENV) &&
		    !is_variable(environ[i], SESSION_ENV) && !is_variable(environ[i], TUNABLES_ENV))
			out[n++] = environ[i];
	for (size_t i = 0; i < NUM_OURS; i++)
		out[n++] = ours[i];
	return out;
}

void launch_environment_free(char **env)
{
	size_t n = 0;

	while (env[n])
		n++;
	/* The last ones are ours. */
	for (size_t i = 0; i < NUM_OURS; i++)
		free(env[n - 1 - i]);
	free(env);
}

char **launch_command(char **command, const char *library)
{
	static char text[PATH_MAX];
	const char *args[DEBUGGER_ARGS];
	size_t count = debugger_args(command[0], environ, library, args, text, sizeof(text)), n = 0;
	char **out;

	while (command[n])
		n++;
	out = count ? calloc(n + count + 1, sizeof(*out)) : NULL;
	if (!out)
		return command;
	out[0] = command[0];
	memcpy(out + 1, args, count * sizeof(*args));
	memcpy(out + 1 + count, command + 1, (n - 1) * sizeof(*out));
	return out;
}
