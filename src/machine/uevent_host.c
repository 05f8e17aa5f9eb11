/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine/uevent_host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "file/file.h"
#include "machine/machine_priv.h"
#include "machine/uevent.h"

#define NAME "/uevent"

bool uevent_host_wants(const char *path, int oflags)
{
	size_t len = strlen(path);

	return (oflags & O_ACCMODE) != O_RDONLY && !(oflags & O_PATH) &&
	       !strncmp(path, "/sys/", 5) && len > sizeof(NAME) - 1 &&
	       !strcmp(path + len - (sizeof(NAME) - 1), NAME);
}

/* The text of the file; empty when it cannot be read. */
static void read_lines(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, out, size - 1);

	out[len < 0 ? 0 : len] = '\0';
	if (fd >= 0)
		close(fd);
}

/* The subsystem of the object in @dir, "": it has none and makes no events. */
static void subsystem_of(const char *dir, char *out, size_t size)
{
	char link[PATH_MAX + 16], target[PATH_MAX];
	const char *name;
	ssize_t len;

	out[0] = '\0';
	snprintf(link, sizeof(link), "%s/subsystem", dir);
	len = readlink(link, target, sizeof(target) - 1);
	if (len > 0) {
		target[len] = '\0';
		name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
		if (strlen(name) < size)
			strcpy(out, name);
	} else if (!strncmp(dir, "/sys/module/", 12)) {
		snprintf(out, size, "module");
	} else if (!strncmp(dir, "/sys/bus/", 9)) {
		snprintf(out, size, "%s", strstr(dir, "/drivers/") ? "drivers" : "bus");
	}
}

static ssize_t send_event(struct uvfio_machine *machine, const char *path, const char *subsystem,
			  const char *lines, const char *data, size_t len)
{
	ssize_t ret = admin_begin(machine);

	if (ret)
		return ret;
	machine_write_begin(machine);
	machine->uevents_foreign = true;
	ret = uevent_store_plain(machine->core, path, subsystem, lines, data, len);
	machine->uevents_foreign = false;
	machine_write_end(machine);
	admin_end(machine);
	return ret;
}

static ssize_t host_write(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct uvfio_machine *machine = file->priv;
	char dir[PATH_MAX], subsystem[64], lines[ATTRIBUTE_PAGE], data[ATTRIBUTE_PAGE];
	ssize_t ret;

	count = MIN(count, sizeof(data));
	if (copy_from_user(data, ubuf, count))
		return -EFAULT;
	if (!count)
		return 0;
	snprintf(dir, sizeof(dir), "%s", file->path);
	read_lines(dir, lines, sizeof(lines));
	*strrchr(dir, '/') = '\0';
	subsystem_of(dir, subsystem, sizeof(subsystem));
	ret = send_event(machine, dir, subsystem, lines, data, count);
	if (ret > 0)
		*pos += (uint64_t)ret;
	return ret;
}

static ssize_t host_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	char lines[ATTRIBUTE_PAGE];
	size_t len;

	read_lines(file->path, lines, sizeof(lines));
	len = strlen(lines);
	count = *pos < len ? MIN(count, len - *pos) : 0;
	if (copy_to_user(ubuf, lines + MIN(*pos, len), count))
		return -EFAULT;
	*pos += count;
	return (ssize_t)count;
}

static const struct file_operations host_ops = {
	.name = "sysfs",
	.read = host_read,
	.write = host_write,
};

int uevent_host_open(struct uvfio_machine *machine, const char *path, int oflags, struct file **out)
{
	char real[PATH_MAX];
	int ret;

	const struct shared_header *shared = session_shared(machine->session);

	if (shared->uid && !(shared->caps >> CAP_DAC_OVERRIDE & 1))
		return -EACCES;
	if (!realpath(path, real))
		return -errno;
	if (strlen(real) >= sizeof((*out)->path))
		return -ENAMETOOLONG;
	ret = file_alloc(&host_ops, machine, oflags, ATTRIBUTE_PAGE, out);
	if (ret)
		return ret;
	(*out)->mode = S_IFREG | 0644;
	strcpy((*out)->path, real);
	return 0;
}
