/* SPDX-License-Identifier: BSD-3-Clause */
/* The environment that a program of the session is started with. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sysraw.h"
#include "machine/session.h"
#include "preload/inherit.h"
#include "preload/process.h"

#define PRELOAD_ENV  "LD_PRELOAD"
#define TUNABLES_ENV "GLIBC_TUNABLES"

/* Set once, before anybody uses the session, constant then. */
static char library[PATH_MAX];
static char session_variable[sizeof(SESSION_ENV) + PATH_MAX];
static char tunables_variable[sizeof(TUNABLES_ENV) + 1024];

/* "@name=value" of this process into @out; nothing when it is not set or too long. */
static void keep(const char *name, char *out, size_t size)
{
	const char *value = getenv(name);

	if (value && strlen(name) + strlen(value) + 2 <= size)
		snprintf(out, size, "%s=%s", name, value);
}

const char *environment_session(void)
{
	return session_variable[0] ? session_variable + sizeof(SESSION_ENV) : NULL;
}

void environment_remember(void)
{
	Dl_info info;

	if (session_variable[0])
		return;
	keep(TUNABLES_ENV, tunables_variable, sizeof(tunables_variable));
	if (dladdr((void *)environment_remember, &info) && info.dli_fname)
		snprintf(library, sizeof(library), "%s", info.dli_fname);
	keep(SESSION_ENV, session_variable, sizeof(session_variable));
}

/* The index of variable @name (its length @len), or -1. */
static long find(char *const envp[], const char *name, size_t len)
{
	long i;

	for (i = 0; envp[i]; i++)
		if (!strncmp(envp[i], name, len) && envp[i][len] == '=')
			return i;
	return -1;
}

/* Whether the list of libraries in @value, parted by colons or blanks, has ours. */
static bool lists_us(const char *value)
{
	const char *at = strstr(value, library);
	size_t len = strlen(library);

	return at && (at == value || strchr(": ", at[-1])) && strchr(": ", at[len]);
}

int environment_make(char *const envp[], struct environment *env)
{
	static char *const none[] = { NULL };
	long preload, session, tunables, n = 0, i;
	const char *before;
	size_t text_size, inherit_size = inherit_describe(NULL, 0) + 1;
	char **out, *text;

	if (!envp)
		envp = none;
	preload = find(envp, PRELOAD_ENV, sizeof(PRELOAD_ENV) - 1);
	session = find(envp, SESSION_ENV, sizeof(SESSION_ENV) - 1);
	tunables = find(envp, TUNABLES_ENV, sizeof(TUNABLES_ENV) - 1);
	before = preload >= 0 ? envp[preload] + sizeof(PRELOAD_ENV) : "";
	*env = (struct environment){ .envp = envp };
	if (lists_us(before) && session >= 0 && inherit_size == 1 &&
	    (tunables >= 0 || !tunables_variable[0]))
		return 0;
	while (envp[n])
		n++;
	text_size = sizeof(PRELOAD_ENV) + strlen(before) + strlen(library) + 2;
	env->size = (size_t)(n + 5) * sizeof(*out) + text_size + inherit_size;
	i = raw_mmap(NULL, env->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (i < 0)
		return (int)i;
	env->memory = (void *)i;
	out = env->memory;
	text = (char *)(out + n + 5);
	memcpy(out, envp, (size_t)n * sizeof(*out));
	/* Behind the target's own: libasan, for one, must come first. */
	if (!lists_us(before)) {
		snprintf(text, text_size, "%s=%s%s%s", PRELOAD_ENV, before, *before ? ":" : "",
			 library);
		if (preload < 0)
			preload = n++;
		out[preload] = text;
	}
	if (session < 0)
		out[n++] = session_variable;
	if (tunables < 0 && tunables_variable[0])
		out[n++] = tunables_variable;
	if (inherit_size > 1) {
		inherit_describe(text + text_size, inherit_size);
		out[n++] = text + text_size;
	}
	out[n] = NULL;
	env->envp = out;
	return 0;
}

void environment_free(struct environment *env)
{
	if (env->memory)
		raw_munmap(env->memory, env->size);
}
