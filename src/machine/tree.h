/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session's tree of names: which directory of sysfs belongs to which object, in this process,
 * and its image on disk, in the session directory.
 *
 * What is on disk: directories, relative symlinks, and a file for each attribute. A file holds its
 * text only when the text is read-only and not volatile; every other one is empty (or, written
 * once, holds the value that was stored: admin.c) and marked, so that opening it goes to the
 * machine. Equal texts are hard links to one file. Device nodes are marked regular files whose
 * length is the minor number.
 *
 * Locks: the registry is guarded by the core's lock, the disk by the session's admin lock.
 */
#ifndef MACHINE_TREE_H
#define MACHINE_TREE_H

#include "device/device.h"
#include "machine/session.h"

/* Mode bits on disk. */
#define TREE_SERVED S_ISVTX /* open() is the machine's */
#define TREE_BINARY S_ISGID /* the file's length is what stat says */

struct tree;

enum tree_kind {
	TREE_PLAIN,  /* obj with the table given */
	TREE_DEVICE, /* struct device */
	TREE_DRIVER, /* struct device_driver */
	TREE_BUS,    /* struct bus_type */
};

/* An attribute found by its path. */
struct tree_attr {
	const char *dir; /* the object's directory: "/sys/bus/pci"; valid under the core's lock */
	enum tree_kind kind;
	void *obj;
	const struct attribute *attr;
};

int tree_create(const struct session *session, struct device_core *core, struct tree **out);
void tree_destroy(struct tree *tree);
/* Whether changes go to the disk as well; off at first. */
void tree_set_writing(struct tree *tree, bool writing);
bool tree_writing(const struct tree *tree);
/* While it writes: what is on disk already stays as it is, what is missing is added. */
void tree_set_mending(struct tree *tree, bool mending);
bool tree_mending(const struct tree *tree);
/* Whether the registry has @path or a directory below it. */
bool tree_has_dir(const struct tree *tree, const char *path);

/* Paths are those of the program's view ("/sys/bus/pci"). Directories above are made as needed.
 * 0 or -errno; what is there already is replaced. @attrs: for TREE_PLAIN, may be NULL. */
int tree_add_dir(struct tree *tree, const char *path, enum tree_kind kind, void *obj,
		 const struct attribute *attrs);
int tree_add_link(struct tree *tree, const char *path, const char *target);
int tree_add_text(struct tree *tree, const char *path, mode_t mode, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same with a ready text, whether the tree writes or not: for names that only their owner
 * writes, and which are of no object. */
int tree_put_text(struct tree *tree, const char *path, mode_t mode, const char *text);
void tree_unlink(struct tree *tree, const char *path);
int tree_add_node(struct tree *tree, const char *path, mode_t mode, unsigned int minor);
/* A file, a link, or a directory with everything below it. */
void tree_remove(struct tree *tree, const char *path);
bool tree_exists(const struct tree *tree, const char *path);
/* Calls @fn with each name in the directory on disk. */
void tree_for_each_name(const struct tree *tree, const char *path,
			void (*fn)(void *arg, const char *name), void *arg);
/* The target of a link on disk: its last component, or "" when there is none. */
void tree_read_link_name(const struct tree *tree, const char *path, char *out, size_t size);
/* The text of a file on disk; its length, 0 when it is empty or not there. NUL-terminated. */
size_t tree_read_text(const struct tree *tree, const char *path, char *out, size_t size);

/* @real, a translated path, gets a file of its own when it shares one with other names: before its
 * mode or owner changes. 0 or -errno. */
int tree_unshare(const char *real);

/* The attribute at @path, which has no symlinks. Core's lock held. */
bool tree_find(struct tree *tree, const char *path, struct tree_attr *out);
/* Writes an attribute's present text out. Core's lock held. */
int tree_store_text(struct tree *tree, const struct tree_attr *attr);
/* Calls @fn with each attribute of each object; its path in @path. Core's lock held. */
void tree_for_each_attr(struct tree *tree,
			void (*fn)(void *arg, const char *path, const struct tree_attr *attr),
			void *arg);

#endif
