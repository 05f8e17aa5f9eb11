/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open attributes (the kernel's fs/sysfs/file.c over fs/kernfs/file.c): each read from the start
 * asks show again, each write is one store, binary attributes have an offset.
 *
 * An open attribute keeps no object: it finds it by its path at each call, and answers ENODEV when
 * it is gone, as kernfs does. The text last shown is guarded by the file's lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "file/file.h"
#include "machine/mdev_priv.h"
#include "machine/sysfs_resource.h"

struct sysfs_file {
	struct uvfio_machine *machine;
	pthread_mutex_t lock;
	uint64_t mdev;	  /* of an instance of that name alone (mdevs_path_mark()) */
	ssize_t text_len; /* -1: not shown yet */
	char text[ATTRIBUTE_PAGE];
	char path[]; /* without symlinks */
};

static void sysfs_release(struct file *file)
{
	struct sysfs_file *sf = file->priv;

	pthread_mutex_destroy(&sf->lock);
	free(sf);
}

/* A device that has the same name by now is not the one that was opened. */
static bool is_same(const struct sysfs_file *sf)
{
	return mdevs_path_mark(sf->machine, sf->path) == sf->mdev;
}

static ssize_t show(struct sysfs_file *sf)
{
	struct uvfio_machine *machine = sf->machine;
	struct tree_attr attr;
	ssize_t ret = -ENODEV;

	admin_sync(machine);
	device_core_lock(machine->core);
	if (is_same(sf) && tree_find(machine->tree, sf->path, &attr))
		ret = attribute_show(machine->core, attr.obj, attr.attr, sf->text);
	device_core_unlock(machine->core);
	return ret;
}

static ssize_t text_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct sysfs_file *sf = file->priv;
	ssize_t ret = 0;

	pthread_mutex_lock(&sf->lock);
	if (*pos == 0 || sf->text_len < 0)
		ret = sf->text_len = show(sf);
	if (ret >= 0 && *pos < (uint64_t)sf->text_len) {
		count = MIN(count, (size_t)sf->text_len - *pos);
		ret = copy_to_user(ubuf, sf->text + *pos, count);
		if (!ret) {
			*pos += count;
			ret = (ssize_t)count;
		}
	} else if (ret > 0) {
		ret = 0;
	}
	pthread_mutex_unlock(&sf->lock);
	return ret;
}

static ssize_t text_write(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct sysfs_file *sf = file->priv;
	char data[ATTRIBUTE_PAGE];
	ssize_t ret;

	count = MIN(count, sizeof(data));
	ret = copy_from_user(data, ubuf, count);
	if (!ret && !is_same(sf))
		ret = -ENODEV;
	if (!ret)
		ret = admin_store(sf->machine, sf->path, data, count);
	if (ret > 0)
		*pos += (uint64_t)ret;
	return ret;
}

static const struct file_operations text_ops = {
	.name = "sysfs",
	.release = sysfs_release,
	.read = text_read,
	.write = text_write,
};

/* One call of a binary attribute's function; @buf is the library's. */
static ssize_t bin_call(struct sysfs_file *sf, bool write, void *buf, size_t count, uint64_t pos)
{
	struct uvfio_machine *machine = sf->machine;
	struct tree_attr attr;
	ssize_t ret = -ENODEV;
	uint64_t size;

	admin_sync(machine);
	device_core_lock(machine->core);
	if (!tree_find(machine->tree, sf->path, &attr))
		goto out;
	size = attribute_size(attr.obj, attr.attr);
	ret = -EIO;
	if (write ? !attr.attr->bin_write : !attr.attr->bin_read)
		goto out;
	if (size) {
		ret = write ? -EFBIG : 0;
		if (pos >= size)
			goto out;
		count = MIN(count, size - pos);
	}
	ret = write ? attr.attr->bin_write(attr.obj, attr.attr, buf, count, pos)
		    : attr.attr->bin_read(attr.obj, attr.attr, buf, count, pos);
out:
	device_core_unlock(machine->core);
	return ret;
}

static ssize_t bin_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	char data[ATTRIBUTE_PAGE];
	ssize_t ret;

	if (!count)
		return 0;
	ret = bin_call(file->priv, false, data, MIN(count, sizeof(data)), *pos);
	if (ret <= 0)
		return ret;
	if (copy_to_user(ubuf, data, (size_t)ret))
		return -EFAULT;
	*pos += (uint64_t)ret;
	return ret;
}

static ssize_t bin_write(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	char data[ATTRIBUTE_PAGE];
	ssize_t ret;

	if (!count)
		return 0;
	count = MIN(count, sizeof(data));
	if (copy_from_user(data, ubuf, count))
		return -EFAULT;
	ret = bin_call(file->priv, true, data, count, *pos);
	if (ret > 0)
		*pos += (uint64_t)ret;
	return ret;
}

static const struct file_operations bin_ops = {
	.name = "sysfs",
	.release = sysfs_release,
	.read = bin_read,
	.write = bin_write,
};

static int create(struct uvfio_machine *machine, const char *path, struct sysfs_file **out)
{
	struct sysfs_file *sf = FAIL_POINT() ? NULL : calloc(1, sizeof(*sf) + strlen(path) + 1);

	if (!sf)
		return -ENOMEM;
	sf->machine = machine;
	sf->text_len = -1;
	pthread_mutex_init(&sf->lock, NULL);
	strcpy(sf->path, path);
	sf->mdev = mdevs_path_mark(machine, path);
	*out = sf;
	return 0;
}

/* What the registry says of @path: 0 and a copy, or -ENODEV. */
static int look_up(struct uvfio_machine *machine, const char *path, struct attribute *attr,
		   uint64_t *size, bool *mappable)
{
	struct tree_attr found;
	int ret = -ENODEV;

	device_core_lock(machine->core);
	if (tree_find(machine->tree, path, &found)) {
		*attr = *found.attr;
		*size = attribute_size(found.obj, found.attr);
		*mappable = found.kind == TREE_DEVICE && sysfs_resource_mappable(&found);
		ret = 0;
	}
	device_core_unlock(machine->core);
	return ret;
}

/* @mode: the permission bits on disk. kernfs asks for the attribute's function as well as for the
 * right, and root's capabilities do not help. */
static int check_access(const struct attribute *attr, int oflags, mode_t mode)
{
	int access = oflags & O_ACCMODE;

	if (access != O_RDONLY && (!(mode & 0222) || (!attr->store && !attr->bin_write)))
		return -EACCES;
	if (access != O_WRONLY && (!(mode & 0444) || (!attr->show && !attr->bin_read)))
		return -EACCES;
	return 0;
}

int sysfs_file_open(struct uvfio_machine *machine, const char *path, int oflags, mode_t mode,
		    struct file **out)
{
	bool binary, mappable = false;
	struct attribute attr;
	struct sysfs_file *sf;
	uint64_t size = 0;
	int ret = look_up(machine, path, &attr, &size, &mappable);

	if (!ret)
		ret = check_access(&attr, oflags, mode);
	if (ret)
		return ret;
	if (mappable)
		return sysfs_resource_open(machine, path, oflags, mode, out);
	ret = create(machine, path, &sf);
	if (ret)
		return ret;
	binary = attr.bin_read || attr.bin_write;
	ret = file_alloc(binary ? &bin_ops : &text_ops, sf, oflags, binary ? size : ATTRIBUTE_PAGE,
			 out);
	if (ret) {
		pthread_mutex_destroy(&sf->lock);
		free(sf);
		return ret;
	}
	(*out)->mode = S_IFREG | (mode & 07777);
	return 0;
}
