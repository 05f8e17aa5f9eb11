/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine/variables.h"

#include <string.h>

#define LIBRARY_NAME "libuvfio-preload"

/* Freed memory stays mapped. */
static const struct tunable {
	const char *name, *value;
} tunables[] = {
	{ "glibc.malloc.mmap_max", "0" },
	{ "glibc.malloc.trim_threshold", "9223372036854775807" },
};

struct text {
	char *out;
	size_t size, len;
};

static void add(struct text *text, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (text->len + i + 1 < text->size)
			text->out[text->len + i] = s[i];
	text->len += n;
	if (text->size)
		text->out[MIN(text->len, text->size - 1)] = '\0';
}

static void add_word(struct text *text, const char *s)
{
	add(text, s, strlen(s));
}

/* The next entry of a list behind *@at: its start, *@len its length; NULL: no more. */
static const char *next_library(const char **at, size_t *len)
{
	const char *entry = *at + strspn(*at, ": ");

	*len = strcspn(entry, ": ");
	*at = entry + *len;
	return *len ? entry : NULL;
}

bool variables_list_has(const char *value, const char *library)
{
	const char *entry;
	size_t len;

	while ((entry = next_library(&value, &len)))
		if (len == strlen(library) && !strncmp(entry, library, len))
			return true;
	return false;
}

/* Ours, or another build of it: that of a program with another libc. */
static bool is_ours(const char *entry, size_t len, const char *library)
{
	const char *slash = strrchr(library, '/');
	size_t dir = slash ? (size_t)(slash + 1 - library) : 0;

	return len > dir && !strncmp(entry, library, dir) &&
	       !strncmp(entry + dir, LIBRARY_NAME, sizeof(LIBRARY_NAME) - 1);
}

/* The entries that are not ours. */
static void add_others(struct text *text, const char *value, const char *library)
{
	bool first = true;
	const char *entry;
	size_t len;

	while ((entry = next_library(&value, &len))) {
		if (is_ours(entry, len, library))
			continue;
		if (!first)
			add_word(text, ":");
		first = false;
		add(text, entry, len);
	}
}

size_t variables_preload(const char *value, const char *library, char *out, size_t size)
{
	struct text text = { out, size, 0 };
	size_t head;

	add_word(&text, PRELOAD_ENV "=");
	head = text.len;
	add_others(&text, value, library);
	if (text.len > head)
		add_word(&text, ":");
	add_word(&text, library);
	return text.len;
}

size_t variables_without(const char *value, const char *library, char *out, size_t size)
{
	struct text text = { out, size, 0 };

	add_word(&text, PRELOAD_ENV "=");
	add_others(&text, value, library);
	return text.len;
}

/* Whether @value, settings parted by colons, has one for @name. */
static bool has_setting(const char *value, const char *name)
{
	size_t len = strlen(name);

	for (;;) {
		if (!strncmp(value, name, len) && value[len] == '=')
			return true;
		value = strchr(value, ':');
		if (!value)
			return false;
		value++;
	}
}

size_t variables_tunables(const char *value, char *out, size_t size)
{
	struct text text = { out, size, 0 };
	bool first = !*value;
	size_t i;

	add_word(&text, TUNABLES_ENV "=");
	add_word(&text, value);
	for (i = 0; i < ARRAY_SIZE(tunables); i++) {
		if (has_setting(value, tunables[i].name))
			continue;
		if (!first)
			add_word(&text, ":");
		first = false;
		add_word(&text, tunables[i].name);
		add_word(&text, "=");
		add_word(&text, tunables[i].value);
	}
	return text.len;
}

bool variables_tunables_set(const char *value)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tunables); i++)
		if (!has_setting(value, tunables[i].name))
			return false;
	return true;
}
