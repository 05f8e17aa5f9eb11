/* SPDX-License-Identifier: BSD-3-Clause */
/* The two halves of the tree: tree.c keeps the registry, tree_disk.c the image. */
#ifndef MACHINE_TREE_PRIV_H
#define MACHINE_TREE_PRIV_H

#include "machine/tree.h"

#define TREE_PATH_MAX 1024
#define TREE_TEXTS    "texts" /* the directory of shared texts, made with the session */

struct tree_dir {
	struct list_head node;
	char *path;
	size_t path_len;
	enum tree_kind kind;
	void *obj;
	const struct attribute *attrs;
};

/* A `uevent` that stands for no object of this process: of a class, a module, a group. */
struct tree_plain_uevent {
	struct tree *tree;
	char path[TREE_PATH_MAX];
};

struct tree {
	char *root;			       /* the session's directory */
	struct tree_plain_uevent plain_uevent; /* found last; guarded by the core's lock */
	struct device_core *core;
	struct list_head dirs; /* struct tree_dir */
	bool writing, mending;
};

int tree_disk_mkdir(const struct tree *tree, const char *path);
int tree_disk_attr(const struct tree *tree, const char *dir, void *obj,
		   const struct attribute *attr);
/* Replaces the content of the attribute's file by what show says. */
int tree_disk_text(const struct tree *tree, const char *dir, void *obj,
		   const struct attribute *attr);
/* tree_share.c: a new name @real for the one file with this text and mode. 0, -EEXIST: @real is
 * there, -ENOENT: its directory is not, or -errno: it must get a file of its own. */
int tree_share_text(const struct tree *tree, const char *real, mode_t mode, const char *text,
		    size_t len);
void tree_disk_remove(const struct tree *tree, const char *path);

#endif
