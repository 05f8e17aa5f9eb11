/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * modules-index DIRECTORY: writes what stands in /lib/modules/RELEASE, for programs that look
 * modules up by themselves, lspci and udev through libkmod: modules.dep, modules.alias and so on,
 * as text and as index, and empty files in the places of the modules. It is run when uvfio is
 * built, and once more when it is installed (with a name below the prefix).
 *
 * An index is a trie of names (kmod's libkmod-index.h): magic, version, the root's offset; a node
 * has a prefix, children from the first to the last character, and values with their priority.
 * Offsets carry in their upper bits which of these there are. All numbers are big-endian.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "machine/module_ids.h"
#include "machine/modules.h"

#define INDEX_MAGIC   0xb007f457
#define INDEX_VERSION 0x00020001
#define NODE_PREFIX   0x80000000
#define NODE_VALUES   0x40000000
#define NODE_CHILDREN 0x20000000
#define CHARACTERS    128

struct value {
	struct value *next;
	uint32_t priority;
	char text[];
};

struct node {
	struct node *children[CHARACTERS];
	struct value *values;
};

static void *must(void *memory)
{
	if (!memory) {
		fputs("modules-index: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return memory;
}

static void free_index(struct node *node)
{
	struct value *value;

	for (unsigned int i = 0; i < CHARACTERS; i++)
		if (node->children[i])
			free_index(node->children[i]);
	while ((value = node->values)) {
		node->values = value->next;
		free(value);
	}
	free(node);
}

/* Values stay in the order of their priority. */
static void insert(struct node *node, const char *key, const char *text, uint32_t priority)
{
	struct value *value = must(malloc(sizeof(*value) + strlen(text) + 1)), **at;

	for (; *key; key++) {
		struct node **child = &node->children[(unsigned char)*key % CHARACTERS];

		if (!*child)
			*child = must(calloc(1, sizeof(**child)));
		node = *child;
	}
	strcpy(value->text, text);
	value->priority = priority;
	for (at = &node->values; *at && (*at)->priority <= priority; at = &(*at)->next)
		;
	value->next = *at;
	*at = value;
}

static void put32(FILE *out, uint32_t number)
{
	number = htonl(number);
	fwrite(&number, sizeof(number), 1, out);
}

/* The only child of a node without values; NULL: it has another number of them. */
static const struct node *only_child(const struct node *node, char *character)
{
	const struct node *child = NULL;

	if (node->values)
		return NULL;
	for (int c = 0; c < CHARACTERS; c++) {
		if (!node->children[c])
			continue;
		if (child)
			return NULL;
		child = node->children[c];
		*character = (char)c;
	}
	return child;
}

/* Writes the node behind what is below it: its offset with the flags. */
static uint32_t write_node(FILE *out, const struct node *node)
{
	uint32_t offsets[CHARACTERS] = { 0 }, flags = 0, count = 0;
	int first = CHARACTERS, last = -1;
	const struct node *child;
	char prefix[1024];
	size_t len = 0;
	long offset;

	while (len < sizeof(prefix) - 1 && (child = only_child(node, &prefix[len]))) {
		node = child;
		len++;
	}
	for (int c = 0; c < CHARACTERS; c++) {
		if (!node->children[c])
			continue;
		offsets[c] = write_node(out, node->children[c]);
		first = c < first ? c : first;
		last = c;
	}
	offset = ftell(out);
	if (len) {
		fwrite(prefix, 1, len, out);
		fputc('\0', out);
		flags |= NODE_PREFIX;
	}
	if (last >= 0) {
		fputc(first, out);
		fputc(last, out);
		for (int c = first; c <= last; c++)
			put32(out, offsets[c]);
		flags |= NODE_CHILDREN;
	}
	for (const struct value *v = node->values; v; v = v->next)
		count++;
	if (count) {
		put32(out, count);
		for (const struct value *v = node->values; v; v = v->next) {
			put32(out, v->priority);
			fwrite(v->text, 1, strlen(v->text) + 1, out);
		}
		flags |= NODE_VALUES;
	}
	return (uint32_t)offset | flags;
}

/* The directories above @path. */
static void make_parents(char *path)
{
	for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static FILE *create(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	make_parents(path);
	return must(fopen(path, "we"));
}

static void finish(FILE *out)
{
	if (ferror(out) | fclose(out)) {
		fputs("modules-index: cannot write\n", stderr);
		exit(EXIT_FAILURE);
	}
}

static void write_index(const char *dir, const char *name, const struct node *root)
{
	FILE *out = create(dir, name);
	uint32_t offset;

	put32(out, INDEX_MAGIC);
	put32(out, INDEX_VERSION);
	put32(out, 0);
	offset = write_node(out, root);
	fseek(out, 8, SEEK_SET);
	put32(out, offset);
	finish(out);
}

/* "PATH: PATH…" with all dependencies: the last one is loaded first. */
static void dependency_line(const struct module_info *info, char *out, size_t size)
{
	const struct module_info *deps[64];
	size_t count = module_dependencies(info, deps, 0, ARRAY_SIZE(deps));
	size_t len = (size_t)snprintf(out, size, "%s:", info->path);

	while (count-- && len < size)
		len += (size_t)snprintf(out + len, size - len, " %s", deps[count]->path);
}

static void add_alias(FILE *text, struct node *index, const char *alias, const char *module,
		      uint32_t priority)
{
	char key[256];

	fprintf(text, "alias %s %s\n", alias, module);
	snprintf(key, sizeof(key), "%s", alias);
	for (char *p = key; *p; p++)
		if (*p == '-')
			*p = '_';
	insert(index, key, module, priority);
}

static void write_aliases(const char *dir)
{
	struct node *index = must(calloc(1, sizeof(*index)));
	FILE *text = create(dir, "modules.alias");
	uint32_t priority = 0;
	char alias[128];

	for (const struct module_info *info = module_table; info->name; info++, priority++) {
		for (const char *const *a = info->aliases; a && *a; a++)
			add_alias(text, index, *a, info->name, priority);
		for (size_t i = 0; info->ids && i < module_ids_count(info->ids); i++) {
			struct pci_device_id id = module_ids_get(info->ids, i);

			module_ids_alias(&id, alias, sizeof(alias));
			add_alias(text, index, alias, info->name, priority);
		}
	}
	finish(text);
	write_index(dir, "modules.alias.bin", index);
	free_index(index);
}

static void write_dependencies(const char *dir)
{
	struct node *index = must(calloc(1, sizeof(*index)));
	FILE *text = create(dir, "modules.dep"), *order = create(dir, "modules.order");
	FILE *soft = create(dir, "modules.softdep"), *names = create(dir, "modules.devname");
	uint32_t priority = 0;
	char line[4096];

	for (const struct module_info *info = module_table; info->name; info++) {
		dependency_line(info, line, sizeof(line));
		fprintf(text, "%s\n", line);
		fprintf(order, "%s\n", info->path);
		if (info->softdep)
			fprintf(soft, "softdep %s %s\n", info->name, info->softdep);
		insert(index, info->name, line, priority++);
		/* The module itself has no content: its name is what programs look for. */
		finish(create(dir, info->path));
	}
	fprintf(names, "vfio vfio/vfio c10:196\n");
	finish(text);
	finish(order);
	finish(soft);
	finish(names);
	write_index(dir, "modules.dep.bin", index);
	free_index(index);
}

int main(int argc, char **argv)
{
	static const char *const empty[] = { "modules.symbols", "modules.builtin",
					     "modules.builtin.modinfo" };
	struct node *nothing = must(calloc(1, sizeof(*nothing)));
	const char *prefix = getenv("MESON_INSTALL_DESTDIR_PREFIX");
	char dir[2048];

	if (argc < 2 || argc > 3) {
		fputs("usage: modules-index DIRECTORY [STAMP]\n", stderr);
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s%s%s", prefix ? prefix : "", prefix ? "/" : "", argv[1]);
	write_aliases(dir);
	write_dependencies(dir);
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++)
		finish(create(dir, empty[i]));
	write_index(dir, "modules.symbols.bin", nothing);
	write_index(dir, "modules.builtin.bin", nothing);
	write_index(dir, "modules.builtin.alias.bin", nothing);
	free_index(nothing);
	if (argc == 3)
		finish(must(fopen(argv[2], "we")));
	return 0;
}
