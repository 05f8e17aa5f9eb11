/* SPDX-License-Identifier: BSD-3-Clause */
/* The environment that a program of the session is started with. */
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sysraw.h"
#include "machine/program.h"
#include "machine/session.h"
#include "machine/variables.h"
#include "preload/inherit.h"
#include "preload/process.h"

/* Set once, before anybody uses the session, constant then. */
static char library[PATH_MAX]; /* this build */
static char libraries[PROGRAM_OTHER_LIBC][PATH_MAX];
static char session_variable[sizeof(SESSION_ENV) + PATH_MAX];
static char identity_variable[sizeof(IDENTITY_ENV) + 32]; /* "": the program is who it is */

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

/* dladdr() would look through all our symbols, too, in every program that starts. */
static int find_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	const uintptr_t here = (uintptr_t)library - info->dlpi_addr;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD ||
		    here - info->dlpi_phdr[i].p_vaddr >= info->dlpi_phdr[i].p_memsz)
			continue;
		if (info->dlpi_name && snprintf(library, sizeof(library), "%s", info->dlpi_name) >=
					       (int)sizeof(library))
			library[0] = '\0';
		return 1;
	}
	return 0;
}

void environment_remember(void)
{
	if (session_variable[0])
		return;
	dl_iterate_phdr(find_library, NULL);
	for (int libc = 0; libc < PROGRAM_OTHER_LIBC; libc++)
		if (!library[0] ||
		    !program_library(library, libc, libraries[libc], sizeof(libraries[libc])))
			libraries[libc][0] = '\0';
	keep(SESSION_ENV, session_variable, sizeof(session_variable));
	keep(IDENTITY_ENV, identity_variable, sizeof(identity_variable));
	if (identity_variable[0])
		identity_remember(identity_variable + sizeof(IDENTITY_ENV));
}

/* The build of the library for programs of @libc; NULL: there is none. */
static const char *library_for(enum program_libc libc)
{
	return libc < PROGRAM_OTHER_LIBC ? libraries[libc] : NULL;
}

const char *environment_library(enum program_libc libc)
{
	return library_for(libc);
}

/* LD_PRELOAD as the program is to have it: @lib in it, or nothing of ours. */
static size_t preload_text(const char *value, const char *lib, char *out, size_t size)
{
	return lib ? variables_preload(value, lib, out, size)
		   : variables_without(value, library, out, size);
}

static bool preload_fits(const char *value, const char *lib)
{
	return lib ? variables_list_has(value, lib) : !variables_list_has(value, library);
}

/* What follows the `=` when @entry sets @name; NULL: it does not. */
static char *value_of(char *entry, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(entry, name, len) && entry[len] == '=' ? entry + len + 1 : NULL;
}

/* A new environment under construction. */
struct builder {
	char **out, *text;
	size_t n, room; /* of @text */
	const char *library;
	bool preload, session, tunables, identity; /* the target's own is there */
};

static void put(struct builder *b, size_t len)
{
	b->out[b->n++] = b->text;
	b->text += len + 1;
	b->room -= len + 1;
}

/* Each entry that the loader may take for its own, should there be two of a name. */
static void copy_entry(struct builder *b, char *entry)
{
	const char *value;

	if ((value = value_of(entry, PRELOAD_ENV))) {
		b->preload = true;
		if (!preload_fits(value, b->library)) {
			put(b, preload_text(value, b->library, b->text, b->room));
			return;
		}
	} else if ((value = value_of(entry, TUNABLES_ENV))) {
		b->tunables = true;
		if (!variables_tunables_set(value)) {
			put(b, variables_tunables(value, b->text, b->room));
			return;
		}
	} else if (value_of(entry, SESSION_ENV)) {
		b->session = true;
	} else if (value_of(entry, IDENTITY_ENV)) {
		b->identity = true;
	}
	b->out[b->n++] = entry;
}

/* Whether @envp lacks nothing, and how long it and the texts to add are. */
static bool complete(char *const envp[], const char *lib, size_t *count, size_t *text)
{
	unsigned int seen = identity_variable[0] ? 0 : 8;
	const char *value;
	bool lacks = false;
	size_t n;

	*text = preload_text("", lib, NULL, 0) + variables_tunables("", NULL, 0) + 2;
	for (n = 0; envp[n]; n++) {
		if ((value = value_of(envp[n], PRELOAD_ENV))) {
			seen |= 1;
			lacks |= !preload_fits(value, lib);
			*text += preload_text(value, lib, NULL, 0) + 1;
		} else if ((value = value_of(envp[n], TUNABLES_ENV))) {
			seen |= 2;
			lacks |= !variables_tunables_set(value);
			*text += variables_tunables(value, NULL, 0) + 1;
		} else if (value_of(envp[n], SESSION_ENV)) {
			seen |= 4;
		} else if (value_of(envp[n], IDENTITY_ENV)) {
			seen |= 8;
		}
	}
	*count = n;
	return !lacks && seen == 15;
}

int environment_make(char *const envp[], enum program_libc libc, struct environment *env)
{
	static char *const none[] = { NULL };
	size_t count, text, inherit = inherit_describe(NULL, 0);
	struct builder b = { .library = library_for(libc) };
	long memory;

	if (!envp)
		envp = none;
	*env = (struct environment){ .envp = envp };
	if (complete(envp, b.library, &count, &text) && !inherit)
		return 0;
	/* Ours may come on top, and the NULL. */
	env->size = (count + 6) * sizeof(*b.out) + text + inherit + 1;
	memory = raw_mmap(NULL, env->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	if (memory < 0)
		return (int)memory;
	env->memory = (void *)memory;
	b.out = env->memory;
	b.text = (char *)(b.out + count + 6);
	b.room = text + inherit + 1;
	for (; *envp; envp++)
		copy_entry(&b, *envp);
	if (!b.preload && b.library)
		put(&b, preload_text("", b.library, b.text, b.room));
	if (!b.tunables)
		put(&b, variables_tunables("", b.text, b.room));
	if (!b.session)
		b.out[b.n++] = session_variable;
	if (!b.identity && identity_variable[0])
		b.out[b.n++] = identity_variable;
	if (inherit) {
		inherit_describe(b.text, b.room);
		put(&b, inherit);
	}
	b.out[b.n] = NULL;
	env->envp = b.out;
	return 0;
}

void environment_free(struct environment *env)
{
	if (env->memory)
		raw_munmap(env->memory, env->size);
}
