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

extern char **environ;

static const char *const tunables[] = {
	"glibc.malloc.mmap_max=0",
	"glibc.malloc.trim_threshold=9223372036854775807",
};

int launch_self(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 1);

	if (len <= 0)
		return -ENOENT;
	path[len] = '\0';
	return 0;
}

int launch_library(char *path, size_t size)
{
	static const char *const places[] = {
		/* The build tree, then what `meson install` makes. */
		"../preload/libuvfio-preload.so",
		"../" UVFIO_LIBDIR "/uvfio/libuvfio-preload.so",
	};
	char self[PATH_MAX], candidate[PATH_MAX + 128], real[PATH_MAX];
	const char *dir;

	if (launch_self(self, sizeof(self)))
		return -ENOENT;
	dir = dirname(self);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(candidate, sizeof(candidate), "%s/%s", dir, places[i]);
		if (realpath(candidate, real) && strlen(real) < size) {
			strcpy(path, real);
			return 0;
		}
	}
	return -ENOENT;
}

/* "@name=@value@separator@more", or without @value when it is empty. */
static char *variable(const char *name, const char *value, char separator, const char *more)
{
	char *text;

	if (value && *value) {
		if (asprintf(&text, "%s=%s%c%s", name, value, separator, more) < 0)
			return NULL;
	} else if (asprintf(&text, "%s=%s", name, more) < 0) {
		return NULL;
	}
	return text;
}

/* The user's tunables, and ours where he has not set the same. */
static char *tunables_variable(void)
{
	const char *users = getenv("GLIBC_TUNABLES");
	char more[256] = "";

	for (size_t i = 0; i < sizeof(tunables) / sizeof(tunables[0]); i++) {
		size_t name = (size_t)(strchr(tunables[i], '=') - tunables[i]) + 1;
		char word[128];

		snprintf(word, sizeof(word), "%.*s", (int)name, tunables[i]);
		if (users && strstr(users, word))
			continue;
		if (more[0])
			strcat(more, ":");
		strcat(more, tunables[i]);
	}
	if (!more[0])
		return variable("GLIBC_TUNABLES", NULL, ':', users ? users : "");
	return variable("GLIBC_TUNABLES", users, ':', more);
}

static bool is_variable(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(entry, name, len) && entry[len] == '=';
}

#define NUM_OURS 3

char **launch_environment(const char *library, const char *session)
{
	char *ours[NUM_OURS] = { variable("LD_PRELOAD", getenv("LD_PRELOAD"), ':', library),
				 variable(SESSION_ENV, NULL, 0, session), tunables_variable() };
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
		if (!is_variable(environ[i], "LD_PRELOAD") &&
		    !is_variable(environ[i], SESSION_ENV) &&
		    !is_variable(environ[i], "GLIBC_TUNABLES"))
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
