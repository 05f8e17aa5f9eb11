/* SPDX-License-Identifier: BSD-3-Clause */
#include "preload/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sysraw.h"
#include "file/file.h"
#include "machine/machine.h"
#include "preload/door.h"
#include "preload/fdset.h"
#include "preload/uevent.h"

/* In the place of a path: a uevent socket. */
#define UEVENT_NAME "uevent"

struct inherited {
	struct file *target; /* what door_open_file() gave; NULL: not yet asked. target_lock */
	char path[256];
};

static pthread_mutex_t target_lock = PTHREAD_MUTEX_INITIALIZER;

static int open_target(struct file *file, struct file **out)
{
	struct inherited *inherited = file->priv;
	int ret = 0;

	pthread_mutex_lock(&target_lock);
	if (!inherited->target) {
		ret = door_open_file(inherited->path, file->oflags, &inherited->target);
		if (ret)
			inherited->target = NULL;
	}
	*out = inherited->target;
	pthread_mutex_unlock(&target_lock);
	return ret > 0 ? -EIO : ret;
}

static ssize_t inherited_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct file *target;
	ssize_t ret = open_target(file, &target);

	if (!ret)
		ret = file_pread(target, ubuf, count, *pos);
	if (ret > 0)
		*pos += (uint64_t)ret;
	return ret;
}

static ssize_t inherited_write(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct file *target;
	ssize_t ret = open_target(file, &target);

	if (!ret)
		ret = file_pwrite(target, ubuf, count, *pos);
	if (ret > 0)
		*pos += (uint64_t)ret;
	return ret;
}

static void inherited_release(struct file *file)
{
	struct inherited *inherited = file->priv;

	if (inherited->target)
		file_put(inherited->target);
	free(inherited);
}

static const struct file_operations inherited_ops = {
	.name = "attribute",
	.release = inherited_release,
	.read = inherited_read,
	.write = inherited_write,
};

static void adopt(int fd, int oflags, const char *path, size_t len)
{
	struct inherited *inherited;
	struct file *file;
	bool existed;
	int bits;

	bits = raw_fcntl(fd, F_GETFD, 0);
	if (len == sizeof(UEVENT_NAME) - 1 && !memcmp(path, UEVENT_NAME, len)) {
		if (bits >= 0 && !(bits & FD_CLOEXEC))
			uevent_adopt(fd);
		return;
	}
	/* Only a memfd has seals: the number may be something else by now. */
	if (bits < 0 || (bits & FD_CLOEXEC) || raw_fcntl(fd, F_GET_SEALS, 0) < 0)
		return;
	inherited = calloc(1, sizeof(*inherited));
	if (!inherited)
		return;
	memcpy(inherited->path, path, len);
	if (file_alloc_memfd(&inherited_ops, inherited, oflags, fd, &file, &existed)) {
		free(inherited);
		return;
	}
	if (existed) {
		free(inherited);
	} else {
		file->mode = S_IFREG | 0644;
		memcpy(file->path, inherited->path, sizeof(inherited->path));
	}
	/* The look-up enters the number, with a reference of its own. */
	if (file_from_fd(fd))
		file_put(file);
	file_put(file);
	fdset_add(&fdset_served, fd);
	if ((oflags & O_ACCMODE) != O_RDONLY)
		fdset_add(&fdset_attrs, fd);
}

void inherit_adopt(void)
{
	const char *list = getenv(INHERIT_ENV);
	struct door door;
	int fd, oflags, skip = 0;
	size_t len;

	if (!list || !door_session())
		return;
	door_enter(&door);
	/* A program may have put something else there. */
	while (sscanf(list, "%d:%d:%n", &fd, &oflags, &skip) == 2 && skip > 0) {
		len = strcspn(list + skip, ";");
		if (len > 0 && len < sizeof(((struct inherited *)NULL)->path))
			adopt(fd, oflags, list + skip, len);
		list += skip + (int)len;
		skip = 0;
		if (*list == ';')
			list++;
	}
	unsetenv(INHERIT_ENV);
	door_leave(&door);
}

void inherit_after_fork(void)
{
	struct inherited *inherited;
	struct file *file;
	int fd;

	pthread_mutex_init(&target_lock, NULL);
	for (fd = fdset_next(&fdset_served, 0); fd >= 0; fd = fdset_next(&fdset_served, fd + 1)) {
		file = file_from_fd(fd);
		if (!file)
			continue;
		/* Inherited before, or seen under another number: known by its operations. */
		inherited = file->ops == &inherited_ops ? file->priv : NULL;
		if (!inherited)
			inherited = calloc(1, sizeof(*inherited));
		if (inherited) {
			memcpy(inherited->path, file->path, sizeof(inherited->path));
			inherited->target = NULL;
			file_revive(file, &inherited_ops, inherited);
		}
		file_put(file);
	}
}

/* Appends one item to the text of @len bytes in @out; the new length. */
static size_t describe(char *out, size_t size, size_t len, int fd, int oflags, const char *path)
{
	char item[320];
	int n = snprintf(item, sizeof(item), "%s%d:%d:%s", len ? ";" : INHERIT_ENV "=", fd, oflags,
			 path);

	if (out && len + (size_t)n < size)
		memcpy(out + len, item, (size_t)n + 1);
	return len + (size_t)n;
}

static bool goes_along(int fd)
{
	int bits = raw_fcntl(fd, F_GETFD, 0);

	return bits >= 0 && !(bits & FD_CLOEXEC);
}

size_t inherit_describe(char *out, size_t size)
{
	struct file *file;
	size_t len = 0;
	int fd;

	for (fd = fdset_next(&fdset_served, 0); fd >= 0; fd = fdset_next(&fdset_served, fd + 1)) {
		file = goes_along(fd) ? file_from_fd(fd) : NULL;
		if (!file)
			continue;
		len = describe(out, size, len, fd, file->oflags, file->path);
		file_put(file);
	}
	for (fd = fdset_next(&fdset_uevents, 0); fd >= 0; fd = fdset_next(&fdset_uevents, fd + 1))
		if (goes_along(fd))
			len = describe(out, size, len, fd, 0, UEVENT_NAME);
	return len;
}
