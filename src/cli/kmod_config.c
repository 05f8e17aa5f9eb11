/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * modprobe.d(5) and what names lead to: aliases, soft dependencies, dependencies. Of files with the
 * same name in several directories the first one counts.
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/kmod.h"

#define FILES_MAX 256

const char *const kmod_directive_names[KMOD_DIRECTIVES] = {
	[KMOD_BLACKLIST] = "blacklist", [KMOD_INSTALL] = "install", [KMOD_REMOVE] = "remove",
	[KMOD_ALIAS] = "alias",		[KMOD_OPTIONS] = "options", [KMOD_SOFTDEP] = "softdep",
};

static const char *const default_paths[] = {
	"/etc/modprobe.d",
	"/run/modprobe.d",
	"/usr/local/lib/modprobe.d",
	"/lib/modprobe.d",
};

/* ---- reading --------------------------------------------------------------------------------- */

/* Names and aliases: a - outside of brackets is a _. */
static void normalize(char *name)
{
	bool bracket = false;

	for (; *name; name++) {
		bracket = *name == '[' || (bracket && *name != ']');
		if (*name == '-' && !bracket)
			*name = '_';
	}
}

static void add_line(struct kmod_config *config, enum kmod_directive which, const char *key,
		     const char *value)
{
	struct kmod_line *line = calloc(1, sizeof(*line)), **end = &config->lines[which];

	if (!line)
		return;
	line->key = strdup(key);
	line->value = value ? strdup(value) : NULL;
	if (!line->key || (value && !line->value)) {
		free(line->key);
		free(line->value);
		free(line);
		return;
	}
	normalize(line->key);
	while (*end)
		end = &(*end)->next;
	*end = line;
}

static void parse_line(struct kmod_config *config, char *text)
{
	char *word = strtok(text, "\t "), *key, *value;

	if (!word || *word == '#')
		return;
	key = strtok(NULL, "\t ");
	value = strtok(NULL, "");
	if (value)
		value += strspn(value, "\t ");
	for (unsigned int i = 0; key && i < KMOD_DIRECTIVES; i++) {
		if (strcmp(word, kmod_directive_names[i]))
			continue;
		if (i == KMOD_BLACKLIST)
			add_line(config, i, key, NULL);
		else if (value && *value)
			add_line(config, i, key, value);
	}
}

/* Lines that end with a backslash go on in the next one. */
static void read_file(struct kmod_config *config, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[4096];
	size_t len = 0;

	if (!file)
		return;
	while (len < sizeof(line) - 1 && fgets(line + len, (int)(sizeof(line) - len), file)) {
		len += strcspn(line + len, "\n");
		line[len] = '\0';
		if (len && line[len - 1] == '\\') {
			len--;
			continue;
		}
		parse_line(config, line);
		len = 0;
	}
	fclose(file);
}

struct config_files {
	char *paths[FILES_MAX];
	size_t count;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void add_directory(struct config_files *files, const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	char *path;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), i;

		if (entry->d_name[0] == '.' || len < 5 || strcmp(entry->d_name + len - 5, ".conf"))
			continue;
		for (i = 0; i < files->count; i++)
			if (!strcmp(base_name(files->paths[i]), entry->d_name))
				break;
		if (i < files->count || i == FILES_MAX ||
		    asprintf(&path, "%s/%s", directory, entry->d_name) < 0)
			continue;
		files->paths[files->count++] = path;
	}
	if (dir)
		closedir(dir);
}

static int by_base_name(const void *a, const void *b)
{
	return strcmp(base_name(*(char *const *)a), base_name(*(char *const *)b));
}

void kmod_config_read(struct kmod_config *config, const char *const *paths, size_t count)
{
	struct config_files files = { .count = 0 };
	struct stat st;

	memset(config, 0, sizeof(*config));
	if (!count) {
		paths = default_paths;
		count = ARRAY_SIZE(default_paths);
	}
	for (size_t i = 0; i < count; i++) {
		if (stat(paths[i], &st))
			continue;
		if (S_ISDIR(st.st_mode))
			add_directory(&files, paths[i]);
		else if (files.count < FILES_MAX)
			files.paths[files.count++] = strdup(paths[i]);
	}
	qsort(files.paths, files.count, sizeof(files.paths[0]), by_base_name);
	for (size_t i = 0; i < files.count; i++) {
		read_file(config, files.paths[i]);
		free(files.paths[i]);
	}
}

void kmod_config_free(struct kmod_config *config)
{
	for (unsigned int i = 0; i < KMOD_DIRECTIVES; i++) {
		while (config->lines[i]) {
			struct kmod_line *line = config->lines[i];

			config->lines[i] = line->next;
			free(line->key);
			free(line->value);
			free(line);
		}
	}
}

/* ---- looking up ------------------------------------------------------------------------------ */

bool kmod_same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
			return false;
	return !*a && !*b;
}

const char *kmod_config_find(const struct kmod_config *config, enum kmod_directive which,
			     const char *name)
{
	for (const struct kmod_line *line = config->lines[which]; line; line = line->next)
		if (kmod_same_name(line->key, name))
			return line->value ? line->value : "";
	return NULL;
}

void kmod_list_add(struct kmod_list *list, const struct module_info *info, bool by_alias)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->modules[i] == info)
			return;
	if (!info || list->count == KMOD_MODULES_MAX)
		return;
	list->by_alias[list->count] = by_alias;
	list->modules[list->count++] = info;
}

struct wanted {
	const char *alias;
	struct kmod_list *list;
};

static int match_alias(void *arg, const struct module_info *info, const char *pattern)
{
	const struct wanted *wanted = arg;

	struct kmod_list *list = wanted->list;

	/* A module is there as often as its aliases fit. */
	if (fnmatch(pattern, wanted->alias, 0) || list->count == KMOD_MODULES_MAX)
		return 0;
	list->by_alias[list->count] = true;
	list->modules[list->count++] = info;
	return 0;
}

void kmod_lookup(const struct kmod_config *config, const char *alias, struct kmod_list *list)
{
	char name[PATH_MAX];
	struct wanted wanted = { name, list };

	list->count = 0;
	snprintf(name, sizeof(name), "%s", alias);
	normalize(name);
	for (const struct kmod_line *line = config->lines[KMOD_ALIAS]; line; line = line->next)
		if (!fnmatch(line->key, name, 0))
			kmod_list_add(list, module_find(line->value), true);
	if (!list->count)
		kmod_list_add(list, module_find(name), false);
	for (const struct module_info *info = module_table; info->name && !list->count; info++)
		if (kmod_config_find(config, KMOD_INSTALL, name) &&
		    kmod_same_name(info->name, name))
			kmod_list_add(list, info, false);
	if (list->count)
		return;
	for (const struct module_info *info = module_table; info->name; info++)
		kmod_for_each_alias(info, match_alias, &wanted);
}

void kmod_softdeps(const struct kmod_config *config, const struct module_info *info,
		   const char *which, struct kmod_list *list)
{
	const char *text = kmod_config_find(config, KMOD_SOFTDEP, info->name);
	char copy[1024], *save = NULL;
	bool here = false;

	list->count = 0;
	snprintf(copy, sizeof(copy), "%s", text ? text : info->softdep ? info->softdep : "");
	for (char *word = strtok_r(copy, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		if (word[strlen(word) - 1] == ':')
			here = !strncmp(word, which, strlen(which)) && !word[strlen(which) + 1];
		else if (here)
			kmod_list_add(list, module_find(word), false);
	}
}

void kmod_dependencies(const struct module_info *info, struct kmod_list *list)
{
	list->count = module_dependencies(info, list->modules, list->count, KMOD_MODULES_MAX);
}
