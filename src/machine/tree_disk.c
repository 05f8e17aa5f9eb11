/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree's image in the session directory (machine/tree.h).
 *
 * Files that others may be reading are replaced by rename, so that nobody sees half a text.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine/tree_priv.h"

static int disk_path(const struct tree *tree, const char *path, char out[TREE_PATH_MAX])
{
	return snprintf(out, TREE_PATH_MAX, "%s%s", tree->root, path) < TREE_PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

/* Makes @real's directory and those above it, as far as they are missing. */
static int make_parents(char *real)
{
	char *slash = strrchr(real, '/');
	int ret = 0;

	if (!slash || slash == real)
		return 0;
	*slash = '\0';
	if (mkdir(real, 0755) < 0 && errno != EEXIST) {
		ret = -errno;
		if (ret == -ENOENT) {
			ret = make_parents(real);
			if (!ret && mkdir(real, 0755) < 0 && errno != EEXIST)
				ret = -errno;
		}
	}
	*slash = '/';
	return ret;
}

int tree_disk_mkdir(const struct tree *tree, const char *path)
{
	char real[TREE_PATH_MAX];
	int ret = disk_path(tree, path, real);

	if (ret)
		return ret;
	if (mkdir(real, 0755) == 0 || errno == EEXIST)
		return 0;
	ret = make_parents(real);
	if (!ret && mkdir(real, 0755) < 0 && errno != EEXIST)
		ret = -errno;
	return ret;
}

/* One write of all; a file system that has room for a part only is full. */
static int write_whole(int fd, const char *text, size_t len)
{
	ssize_t done = pwrite(fd, text, len, 0);

	if (done < 0)
		return -errno;
	return (size_t)done == len ? 0 : -ENOSPC;
}

/* A new file of @mode with @text, or of @length bytes without content. */
static int write_file(char *real, mode_t mode, const char *text, size_t len, uint64_t length)
{
	int fd = open(real, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), ret = 0;

	if (fd < 0 && errno == ENOENT) {
		ret = make_parents(real);
		if (ret)
			return ret;
		fd = open(real, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	}
	if (fd < 0)
		return -errno;
	if (len)
		ret = write_whole(fd, text, len);
	if (!ret && length && ftruncate(fd, (off_t)length) < 0)
		ret = -errno;
	if (!ret && fchmod(fd, mode) < 0)
		ret = -errno;
	close(fd);
	if (ret)
		unlink(real);
	return ret;
}

/* The same, as a name for an equal text that is there already where that can be. */
static int place_file(const struct tree *tree, char *real, mode_t mode, const char *text,
		      size_t len, uint64_t length)
{
	int ret = length ? -EOPNOTSUPP : tree_share_text(tree, real, mode, text, len);

	if (ret == -ENOENT) {
		ret = make_parents(real);
		if (!ret)
			ret = tree_share_text(tree, real, mode, text, len);
	}
	return !ret || ret == -EEXIST ? ret : write_file(real, mode, text, len, length);
}

/* The same in the place of what may be there. */
static int replace_file(const struct tree *tree, char *real, mode_t mode, const char *text,
			size_t len, uint64_t length)
{
	char temp[TREE_PATH_MAX + 8];
	int ret = place_file(tree, real, mode, text, len, length);

	if (ret != -EEXIST)
		return ret;
	snprintf(temp, sizeof(temp), "%s.new", real);
	unlink(temp);
	ret = place_file(tree, temp, mode, text, len, length);
	if (!ret && rename(temp, real) < 0)
		ret = -errno;
	/* What failed; or two names of one file, of which rename() leaves both. */
	unlink(temp);
	return ret;
}

/* While the tree is mended, what is there stays. */
static bool stays(const struct tree *tree, const char *real)
{
	struct stat st;

	return tree->mending && lstat(real, &st) == 0;
}

int tree_disk_attr(const struct tree *tree, const char *dir, void *obj,
		   const struct attribute *attr)
{
	char real[TREE_PATH_MAX], text[ATTRIBUTE_PAGE];
	bool binary = attr->bin_read || attr->bin_write, served;
	ssize_t len = 0;
	int ret;

	if (snprintf(real, sizeof(real), "%s%s/%s", tree->root, dir, attr->name) >=
	    (int)sizeof(real))
		return -ENAMETOOLONG;
	if (stays(tree, real))
		return 0;
	served = binary || attr->store || attr->volatile_value || !attr->show;
	if (!served) {
		len = attribute_show(tree->core, obj, attr, text);
		/* What cannot be read now is asked when it is read. */
		if (len < 0) {
			served = true;
			len = 0;
		}
	}
	ret = replace_file(tree, real,
			   attr->mode | (served ? TREE_SERVED : 0) | (binary ? TREE_BINARY : 0),
			   text, (size_t)len, binary ? attribute_size(obj, attr) : 0);
	return ret;
}

/* What is there already gets another text; its inode, mode and owner stay. Without room for it the
 * old one stays as well. */
static int rewrite_file(const char *real, const char *text, size_t len)
{
	int fd = open(real, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write_whole(fd, text, len);
	if (!ret && ftruncate(fd, (off_t)len) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int tree_disk_text(const struct tree *tree, const char *dir, void *obj,
		   const struct attribute *attr)
{
	char real[TREE_PATH_MAX], text[ATTRIBUTE_PAGE];
	mode_t mode = attr->mode;
	ssize_t len = attribute_show(tree->core, obj, attr, text);
	int ret;

	if (len < 0)
		return (int)len;
	/* An empty file is one that nobody has stored into. */
	if (len == 0)
		text[len++] = '\n';
	if (snprintf(real, sizeof(real), "%s%s/%s", tree->root, dir, attr->name) >=
	    (int)sizeof(real))
		return -ENAMETOOLONG;
	/* Only whoever has the admin lock reads it there: nobody sees it half written. */
	ret = rewrite_file(real, text, (size_t)len);
	if (!ret)
		return 0;
	if (attr->store || attr->volatile_value)
		mode |= TREE_SERVED;
	return replace_file(tree, real, mode, text, (size_t)len, 0);
}

int tree_add_text(struct tree *tree, const char *path, mode_t mode, const char *format, ...)
{
	char real[TREE_PATH_MAX], text[ATTRIBUTE_PAGE];
	va_list ap;
	int len, ret;

	if (!tree->writing)
		return 0;
	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (len < 0 || len >= (int)sizeof(text))
		return -E2BIG;
	ret = disk_path(tree, path, real);
	if (ret || stays(tree, real))
		return ret;
	return replace_file(tree, real, mode, text, (size_t)len, 0);
}

int tree_put_text(struct tree *tree, const char *path, mode_t mode, const char *text)
{
	char real[TREE_PATH_MAX];
	int ret = disk_path(tree, path, real);

	return ret ? ret : replace_file(tree, real, mode, text, strlen(text), 0);
}

void tree_unlink(struct tree *tree, const char *path)
{
	tree_disk_remove(tree, path);
}

int tree_add_node(struct tree *tree, const char *path, mode_t mode, unsigned int minor)
{
	char real[TREE_PATH_MAX];
	int ret;

	if (!tree->writing)
		return 0;
	ret = disk_path(tree, path, real);
	if (ret || stays(tree, real))
		return ret;
	return replace_file(tree, real, mode | TREE_SERVED, NULL, 0, minor);
}

/* From the directory of @path to @target: as many ".." as there are components to leave. */
static int relative_target(const char *path, const char *target, char *out, size_t size)
{
	size_t common = 0, len = 0;

	for (size_t i = 0; path[i] && path[i] == target[i]; i++)
		if (path[i] == '/')
			common = i + 1;
	for (const char *p = path + common; (p = strchr(p, '/')); p++) {
		if (len + 3 >= size)
			return -ENAMETOOLONG;
		memcpy(out + len, "../", 3);
		len += 3;
	}
	if (len + strlen(target + common) >= size)
		return -ENAMETOOLONG;
	strcpy(out + len, target + common);
	return 0;
}

static bool leads_to(const char *real, const char *target)
{
	char there[TREE_PATH_MAX];
	ssize_t len = readlink(real, there, sizeof(there) - 1);

	return len > 0 && (size_t)len == strlen(target) && !memcmp(there, target, (size_t)len);
}

int tree_add_link(struct tree *tree, const char *path, const char *target)
{
	char real[TREE_PATH_MAX], text[TREE_PATH_MAX];
	int ret;

	if (!tree->writing)
		return 0;
	ret = disk_path(tree, path, real);
	if (!ret)
		ret = relative_target(path, target, text, sizeof(text));
	if (ret)
		return ret;
	if (symlink(text, real) == 0)
		return 0;
	if (errno == ENOENT) {
		ret = make_parents(real);
		if (ret)
			return ret;
	} else if (errno == EEXIST) {
		if (leads_to(real, text))
			return 0;
		unlink(real);
	}
	return symlink(text, real) < 0 ? -errno : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	remove(path);
	return 0;
}

void tree_disk_remove(const struct tree *tree, const char *path)
{
	char real[TREE_PATH_MAX];

	if (disk_path(tree, path, real))
		return;
	if (unlink(real) < 0 && errno == EISDIR)
		nftw(real, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

bool tree_exists(const struct tree *tree, const char *path)
{
	char real[TREE_PATH_MAX];
	struct stat st;

	return !disk_path(tree, path, real) && lstat(real, &st) == 0;
}

void tree_for_each_name(const struct tree *tree, const char *path,
			void (*fn)(void *arg, const char *name), void *arg)
{
	char real[TREE_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (disk_path(tree, path, real))
		return;
	dir = opendir(real);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			fn(arg, entry->d_name);
	closedir(dir);
}

void tree_read_link_name(const struct tree *tree, const char *path, char *out, size_t size)
{
	char real[TREE_PATH_MAX], target[TREE_PATH_MAX];
	const char *name;
	ssize_t len;

	out[0] = '\0';
	if (disk_path(tree, path, real))
		return;
	len = readlink(real, target, sizeof(target) - 1);
	if (len <= 0)
		return;
	target[len] = '\0';
	name = strrchr(target, '/');
	snprintf(out, size, "%s", name ? name + 1 : target);
}

size_t tree_read_text(const struct tree *tree, const char *path, char *out, size_t size)
{
	char real[TREE_PATH_MAX];
	ssize_t len = 0;
	int fd;

	out[0] = '\0';
	if (disk_path(tree, path, real))
		return 0;
	fd = open(real, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, out, size - 1);
	close(fd);
	if (len < 0)
		len = 0;
	out[len] = '\0';
	return (size_t)len;
}
