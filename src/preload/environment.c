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

/*
 * Set once, before anybody uses the session, constant then; "" is nothing. The texts stand one
 * behind the other: every program that starts pays for the pages that are written.
 */
static char texts[(PROGRAM_OTHER_LIBC + 2) * PATH_MAX + 512];
static size_t texts_len;
static const char *library = ""; /* this build */
static const char *libraries[PROGRAM_OTHER_LIBC];
static const char *session_variable = "";
static const char *identity_variable = ""; /* "": the program is who it is */

/* The place of the next text, of at least @size bytes; NULL: there is none. */
static char *next_text(size_t size)
{
	return size <= sizeof(texts) - texts_len ? texts + texts_len : NULL;
}

/* What stands at the next place stays there. */
static const char *keep_text(void)
{
	const char *text = texts + texts_len;

	texts_len += strlen(text) + 1;
	return text;
}

/* "@name=value" of this process; "" when it is not set or its value has @size bytes. */
static const char *keep(const char *name, size_t size)
{
	const char *value = getenv(name);
	size_t room = value ? strlen(name) + strlen(value) + 2 : 0;
	char *text = value && strlen(value) < size ? next_text(room) : NULL;

	if (!text)
		return "";
	snprintf(text, room, "%s=%s", name, value);
	return keep_text();
}

const char *environment_session(void)
{
	return session_variable[0] ? session_variable + sizeof(SESSION_ENV) : NULL;
}

/* dladdr() would look through all our symbols, too, in every program that starts. */
static int find_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	const uintptr_t here = (uintptr_t)texts - info->dlpi_addr;
	char *text = next_text(PATH_MAX);

	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD ||
		    here - info->dlpi_phdr[i].p_vaddr >= info->dlpi_phdr[i].p_memsz)
			continue;
		if (text && info->dlpi_name && strlen(info->dlpi_name) < PATH_MAX) {
			strcpy(text, info->dlpi_name);
			library = keep_text();
		}
		return 1;
	}
	return 0;
}

void environment_remember(void)
{
	char *text;

	if (session_variable[0])
		return;
	if (!library[0])
		dl_iterate_phdr(find_library, NULL);
	for (int libc = 0; libc < PROGRAM_OTHER_LIBC && library[0]; libc++) {
		text = libraries[libc] ? NULL : next_text(PATH_MAX);
		if (text && program_library(library, libc, text, PATH_MAX))
			libraries[libc] = keep_text();
	}
	session_variable = keep(SESSION_ENV, PATH_MAX);
	identity_variable = keep(IDENTITY_ENV, 32);
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
		b.out[b.n++] = (char *)session_variable;
	if (!b.identity && identity_variable[0])
		b.out[b.n++] = (char *)identity_variable;
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
