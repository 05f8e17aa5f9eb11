/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening names of the tree, and what stat says of them (machine/machine.h).
 *
 * Names are looked up on disk, where symlinks are true ones; the registry then tells what stands
 * behind a name without symlinks.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "file/file.h"
#include "machine/kmsg.h"
#include "machine/machine_priv.h"
#include "machine/share.h"
#include "machine/uevent_host.h"
#include "machine/owner.h"
#include "machine/pagemap.h"
#include "machine/session_priv.h"

#define MEM_MAJOR  1
#define MISC_MAJOR 10
#define VFIO_MAJOR 243

int machine_check_permission(const struct shared_header *shared, const struct stat *disk,
			     int oflags)
{
	struct stat copy = *disk, *st = &copy;
	static const unsigned int wanted[] = {
		[O_RDONLY] = 4, [O_WRONLY] = 2, [O_RDWR] = 6, [O_ACCMODE] = 6
	};
	unsigned int need = wanted[oflags & O_ACCMODE], have = disk->st_mode & 7;

	if (shared->uid == 0)
		return 0;
	owner_fix_stat(shared, st);
	if (st->st_uid == shared->uid)
		have = st->st_mode >> 6 & 7;
	else if (st->st_gid == shared->gid)
		have = st->st_mode >> 3 & 7;
	return (have & need) == need ? 0 : -EACCES;
}

static int open_device_node(struct uvfio_machine *machine, const char *path, int oflags,
			    const struct stat *st, struct file **out)
{
	const char *name = path + strlen("/dev/vfio/");
	unsigned int id;
	int ret;

	oflags &= ~(O_CREAT | O_EXCL | O_TRUNC);
	if (!strcmp(name, "vfio")) {
		ret = vfio_container_open(machine->vfio, oflags, out);
	} else {
		if (!names_parse_group(name, &id) || id >= MACHINE_GROUPS)
			return -ENXIO;
		/* Another process that had it may have closed it just now. */
		if (unlikely(atomic_load(&share_count)))
			share_sweep(machine);
		ret = vfio_group_open(machine->vfio, id, oflags, out);
	}
	if (ret)
		return ret;
	(*out)->mode = S_IFCHR | (st->st_mode & 0777);
	(*out)->rdev = !strcmp(name, "vfio") ? makedev(MISC_MAJOR, (unsigned int)st->st_size)
					     : makedev(VFIO_MAJOR, (unsigned int)st->st_size);
	return 0;
}

/* What opening fails with when @real is not there: nothing is made in the tree. */
static int missing(char *real, int oflags)
{
	int err = errno;
	char *slash = strrchr(real, '/');
	struct stat st;

	if (err != ENOENT || !(oflags & O_CREAT) || !slash)
		return -err;
	*slash = '\0';
	return stat(real, &st) ? -ENOENT : -EACCES;
}

/* The tree's own name of what @path leads to, without symlinks; @st of the file on disk. 0, 1: not
 * in the tree, or -errno. */
static int resolve(struct uvfio_machine *machine, const char *path, int oflags, char *canonical,
		   struct stat *st)
{
	char translated[PATH_MAX], real[PATH_MAX];

	if (!session_translate(machine->session, path, translated, sizeof(translated)))
		return 1;
	if (lstat(translated, st) < 0)
		return missing(translated, oflags);
	if (S_ISLNK(st->st_mode) && (oflags & O_NOFOLLOW))
		return 1;
	if (!realpath(translated, real))
		return -errno;
	if (!session_untranslate(machine->session, real, canonical, PATH_MAX))
		return 1;
	return lstat(real, st) < 0 ? -errno : 0;
}

int machine_open(struct uvfio_machine *machine, const char *path, int oflags, struct file **out)
{
	char canonical[PATH_MAX];
	struct stat st;
	int ret;

	if (pagemap_wants(machine->session, path, oflags))
		return pagemap_open(machine, path, oflags, out);
	admin_sync(machine);
	ret = resolve(machine, path, oflags, canonical, &st);
	if (ret == 1 && uevent_host_wants(path, oflags))
		return uevent_host_open(machine, path, oflags, out);
	if (ret)
		return ret;
	if ((oflags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if ((oflags & (O_PATH | O_DIRECTORY)) || !S_ISREG(st.st_mode))
		return 1;
	ret = machine_check_permission(session_shared(machine->session), &st, oflags);
	if (ret)
		return ret;
	if (!strcmp(canonical, "/dev/kmsg")) {
		ret = kmsg_file_open(machine, oflags, out);
	} else if (!strncmp(canonical, "/dev/vfio/", 10)) {
		ret = open_device_node(machine, canonical, oflags, &st, out);
	} else if (st.st_mode & TREE_SERVED || (oflags & O_ACCMODE) != O_RDONLY ||
		   (oflags & O_TRUNC)) {
		ret = sysfs_file_open(machine, canonical, oflags, st.st_mode & 0777, out);
		/* A text that belongs to no object: it can be read, and nothing else. */
		if (ret == -ENODEV && !(st.st_mode & TREE_SERVED))
			return -EACCES;
	} else {
		return 1;
	}
	if (!ret && strlen(canonical) < sizeof((*out)->path))
		strcpy((*out)->path, canonical);
	return ret;
}

ssize_t machine_write(struct uvfio_machine *machine, const char *path, const char *data, size_t len)
{
	char canonical[PATH_MAX];
	struct stat st;
	int ret;

	admin_sync(machine);
	ret = resolve(machine, path, O_WRONLY, canonical, &st);
	if (ret)
		return ret < 0 ? ret : -ENOENT;
	return admin_store(machine, canonical, data, len);
}

void machine_fix_stat(struct session *session, const char *path, struct stat *st)
{
	const struct shared_header *shared = session->shared;

	/* Of a session that could not be opened the names alone are known. */
	if (shared)
		owner_fix_stat(shared, st);
	st->st_blocks = 0;
	if (S_ISLNK(st->st_mode) || S_ISDIR(st->st_mode)) {
		if (strncmp(path, "/dev", 4))
			st->st_size = 0;
		return;
	}
	if (!S_ISREG(st->st_mode))
		return;
	st->st_nlink = 1;
	if (!strncmp(path, "/dev/", 5)) {
		unsigned int number = VFIO_MAJOR;

		if (!strcmp(path, "/dev/vfio/vfio"))
			number = MISC_MAJOR;
		else if (!strcmp(path, "/dev/kmsg"))
			number = MEM_MAJOR;
		st->st_rdev = makedev(number, (unsigned int)st->st_size);
		st->st_mode = S_IFCHR | (st->st_mode & 0777);
		st->st_size = 0;
		return;
	}
	if (!strcmp(path, "/run/udev/control"))
		st->st_mode = S_IFSOCK | (st->st_mode & 0777);
	else if (!strncmp(path, "/proc/", 6))
		st->st_size = 0;
	else if (!strncmp(path, "/run/", 5))
		return;
	else if (!(st->st_mode & TREE_BINARY))
		st->st_size = ATTRIBUTE_PAGE;
	st->st_mode &= ~(mode_t)(TREE_SERVED | TREE_BINARY);
}
