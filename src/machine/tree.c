/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry of directories, and attributes by path (machine/tree.h). */
#include "machine/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "device/uevent.h"
#include "machine/tree_priv.h"

int tree_create(const struct session *session, struct device_core *core, struct tree **out)
{
	struct tree *tree = FAIL_POINT() ? NULL : calloc(1, sizeof(*tree));

	if (!tree)
		return -ENOMEM;
	tree->root = FAIL_POINT() ? NULL : strdup(session_dir(session));
	if (!tree->root) {
		free(tree);
		return -ENOMEM;
	}
	tree->core = core;
	list_init(&tree->dirs);
	*out = tree;
	return 0;
}

static void dir_free(struct tree_dir *dir)
{
	list_del(&dir->node);
	free(dir->path);
	free(dir);
}

void tree_destroy(struct tree *tree)
{
	struct tree_dir *dir, *tmp;

	if (!tree)
		return;
	list_for_each_entry_safe(dir, tmp, &tree->dirs, node)
		dir_free(dir);
	free(tree->root);
	free(tree);
}

void tree_set_writing(struct tree *tree, bool writing)
{
	tree->writing = writing;
}

void tree_set_mending(struct tree *tree, bool mending)
{
	tree->mending = mending;
}

bool tree_mending(const struct tree *tree)
{
	return tree->mending;
}

bool tree_has_dir(const struct tree *tree, const char *path)
{
	const struct tree_dir *dir;
	size_t len = strlen(path);

	list_for_each_entry(dir, &tree->dirs, node)
		if (!strncmp(dir->path, path, len) &&
		    (dir->path[len] == '\0' || dir->path[len] == '/'))
			return true;
	return false;
}

bool tree_writing(const struct tree *tree)
{
	return tree->writing;
}

static struct tree_dir *find_dir(struct tree *tree, const char *path, size_t len)
{
	struct tree_dir *dir;

	list_for_each_entry(dir, &tree->dirs, node)
		if (dir->path_len == len && !memcmp(dir->path, path, len))
			return dir;
	return NULL;
}

static int attrs_for_each(const struct tree_dir *dir, attribute_fn fn, void *arg)
{
	int ret = 0;

	switch (dir->kind) {
	case TREE_DEVICE:
		return device_for_each_attribute(dir->obj, fn, arg);
	case TREE_DRIVER:
		return driver_for_each_attribute(dir->obj, fn, arg);
	case TREE_BUS:
		return bus_for_each_attribute(dir->obj, fn, arg);
	case TREE_PLAIN:
		break;
	}
	for (const struct attribute *a = dir->attrs; a && a->name && !ret; a++)
		if (!a->visible || a->visible(dir->obj, a))
			ret = fn(arg, dir->obj, a);
	return ret;
}

struct write_out {
	struct tree *tree;
	const struct tree_dir *dir;
	int ret;
};

static int write_one(void *arg, void *obj, const struct attribute *attr)
{
	struct write_out *out = arg;

	out->ret = tree_disk_attr(out->tree, out->dir->path, obj, attr);
	return out->ret;
}

int tree_add_dir(struct tree *tree, const char *path, enum tree_kind kind, void *obj,
		 const struct attribute *attrs)
{
	struct tree_dir *dir = find_dir(tree, path, strlen(path));
	struct write_out out = { .tree = tree };

	if (!dir) {
		dir = FAIL_POINT() ? NULL : calloc(1, sizeof(*dir));
		if (!dir)
			return -ENOMEM;
		dir->path = FAIL_POINT() ? NULL : strdup(path);
		if (!dir->path) {
			free(dir);
			return -ENOMEM;
		}
		dir->path_len = strlen(path);
		list_add_tail(&dir->node, &tree->dirs);
	}
	dir->kind = kind;
	dir->obj = obj;
	dir->attrs = attrs;
	if (!tree->writing)
		return 0;
	out.ret = tree_disk_mkdir(tree, path);
	out.dir = dir;
	if (!out.ret)
		attrs_for_each(dir, write_one, &out);
	return out.ret;
}

void tree_remove(struct tree *tree, const char *path)
{
	struct tree_dir *dir, *tmp;
	size_t len = strlen(path);

	list_for_each_entry_safe(dir, tmp, &tree->dirs, node)
		if (!strncmp(dir->path, path, len) &&
		    (dir->path[len] == '\0' || dir->path[len] == '/'))
			dir_free(dir);
	if (tree->writing)
		tree_disk_remove(tree, path);
}

struct find {
	const char *name;
	struct tree_attr *out;
};

static int find_one(void *arg, void *obj, const struct attribute *attr)
{
	struct find *find = arg;

	if (strcmp(attr->name, find->name))
		return 0;
	find->out->obj = obj;
	find->out->attr = attr;
	return 1;
}

/* ---- uevents of plain names ------------------------------------------------------------------ */

static ssize_t plain_uevent_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct tree_plain_uevent *plain = obj;

	return (ssize_t)tree_read_text(plain->tree, plain->path, buf, size);
}

/* The event of the directory that the file is in; without a subsystem it reaches nobody. */
static ssize_t plain_uevent_store(void *obj, const struct attribute *attr, const char *buf,
				  size_t len)
{
	static const char modules[] = "/sys/module/";
	struct tree_plain_uevent *plain = obj;
	char dir[TREE_PATH_MAX], name[TREE_PATH_MAX + 16], subsystem[64], lines[ATTRIBUTE_PAGE];

	strcpy(dir, plain->path);
	*strrchr(dir, '/') = '\0';
	snprintf(name, sizeof(name), "%s/subsystem", dir);
	tree_read_link_name(plain->tree, name, subsystem, sizeof(subsystem));
	if (!subsystem[0] && !strncmp(dir, modules, sizeof(modules) - 1))
		strcpy(subsystem, "module");
	if (!tree_read_text(plain->tree, plain->path, lines, sizeof(lines)))
		lines[0] = '\0';
	return uevent_store_plain(plain->tree->core, dir, subsystem, lines, buf, len);
}

static const struct attribute plain_uevent = {
	.name = "uevent",
	.mode = 0644,
	.show = plain_uevent_show,
	.store = plain_uevent_store,
	.volatile_value = true,
};

static bool find_plain_uevent(struct tree *tree, const char *path, struct tree_attr *out)
{
	const char *slash = strrchr(path, '/');

	if (!slash || strcmp(slash, "/uevent") || strlen(path) >= TREE_PATH_MAX ||
	    !tree_exists(tree, path))
		return false;
	tree->plain_uevent.tree = tree;
	strcpy(tree->plain_uevent.path, path);
	*out = (struct tree_attr){
		.dir = "", .kind = TREE_PLAIN, .obj = &tree->plain_uevent, .attr = &plain_uevent
	};
	return true;
}

bool tree_find(struct tree *tree, const char *path, struct tree_attr *out)
{
	const char *slash = strrchr(path, '/');

	/* An attribute's name may have a slash itself: try the directories above in turn. */
	while (slash && slash != path) {
		struct tree_dir *dir = find_dir(tree, path, (size_t)(slash - path));
		struct find find = { .name = slash + 1, .out = out };

		if (dir) {
			out->dir = dir->path;
			out->kind = dir->kind;
			return attrs_for_each(dir, find_one, &find) != 0 ||
			       find_plain_uevent(tree, path, out);
		}
		slash = memrchr(path, '/', (size_t)(slash - path));
	}
	return find_plain_uevent(tree, path, out);
}

int tree_store_text(struct tree *tree, const struct tree_attr *attr)
{
	return tree_disk_text(tree, attr->dir, attr->obj, attr->attr);
}

struct each {
	void (*fn)(void *arg, const char *path, const struct tree_attr *attr);
	void *arg;
	const struct tree_dir *dir;
};

static int each_one(void *arg, void *obj, const struct attribute *attr)
{
	const struct each *each = arg;
	struct tree_attr found = {
		.dir = each->dir->path, .kind = each->dir->kind, .obj = obj, .attr = attr
	};
	char path[TREE_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", each->dir->path, attr->name) < (int)sizeof(path))
		each->fn(each->arg, path, &found);
	return 0;
}

void tree_for_each_attr(struct tree *tree,
			void (*fn)(void *arg, const char *path, const struct tree_attr *attr),
			void *arg)
{
	struct each each = { .fn = fn, .arg = arg };
	struct tree_dir *dir;

	list_for_each_entry(dir, &tree->dirs, node) {
		each.dir = dir;
		attrs_for_each(dir, each_one, &each);
	}
}
