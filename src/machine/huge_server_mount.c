/* SPDX-License-Identifier: BSD-3-Clause */
/* hugetlbfs mounts: slot N's names are in DIR/hugetlb/N. */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/huge_server_priv.h"
#include "machine/machine.h"

static int slot_directory(struct session *session, unsigned int slot, char *out, size_t size)
{
	char name[32];

	snprintf(name, sizeof(name), "hugetlb/%u", slot);
	return session_path(session, name, out, size);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (ftw->level > 0)
		remove(path);
	return 0;
}

static void clean(struct session *session, unsigned int slot)
{
	char path[PATH_MAX];

	if (!slot_directory(session, slot, path, sizeof(path)))
		nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void huge_server_purge(struct session *session)
{
	for (unsigned int slot = 0; slot < SHARED_HUGE_MOUNTS; slot++)
		if (session->shared->huge.served)
			clean(session, slot);
}

void huge_mount_clean(struct huge_server *server, unsigned int slot)
{
	clean(server->session, slot);
	server->mount_charged[slot] = 0;
}

/* The next of the strings in a request's text. */
static const char *next_text(const char **at, const struct huge_request *req)
{
	const char *text = *at, *end = req->text + sizeof(req->text);

	*at = memchr(text, '\0', (size_t)(end - text));
	*at = *at && *at + 1 < end ? *at + 1 : end - 1;
	return text;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = MIN(strlen(from), size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static int make_root(struct huge_server *server, unsigned int slot, const struct huge_request *req)
{
	char path[PATH_MAX];
	int ret = slot_directory(server->session, slot, path, sizeof(path));

	if (ret)
		return ret;
	huge_mount_clean(server, slot);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (chmod(path, (mode_t)req->mode & 07777) < 0)
		return -errno;
	return req->uid || req->gid ? machine_chown(server->session, path, req->uid, req->gid) : 0;
}

int huge_mount(struct huge_server *server, const struct huge_request *req)
{
	const char *at = req->text;
	struct shared_huge_mount *mount;
	unsigned int slot;
	int ret;

	if (req->size >= HUGE_SIZES)
		return -EINVAL;
	/* `min_size=`: pages that must be there. */
	if (req->value > huge_pool_persistent(&server->pool[req->size]) -
				 MIN(server->pool[req->size].charged,
				     huge_pool_persistent(&server->pool[req->size])))
		return -ENOMEM;
	for (slot = 0; slot < SHARED_HUGE_MOUNTS; slot++)
		if (!server->shared->mount[slot].serial)
			break;
	if (slot == SHARED_HUGE_MOUNTS)
		return -ENOSPC;
	ret = make_root(server, slot, req);
	if (ret)
		return ret;
	mount = &server->shared->mount[slot];
	mount->size = req->size;
	mount->read_only = req->flags & MS_RDONLY;
	mount->max_pages = req->max_pages;
	mount->max_inodes = req->max_inodes;
	copy_text(mount->point, sizeof(mount->point), next_text(&at, req));
	copy_text(mount->source, sizeof(mount->source), next_text(&at, req));
	copy_text(mount->options, sizeof(mount->options), next_text(&at, req));
	atomic_store(&mount->serial, atomic_fetch_add(&server->shared->last_serial, 1) + 1);
	atomic_fetch_add(&server->shared->mounted, strcmp(mount->point, "/dev/hugepages") != 0);
	return 0;
}

static struct shared_huge_mount *find_newest(struct huge_server *server, const char *point)
{
	struct shared_huge_mount *newest = NULL;

	for (unsigned int slot = 0; slot < SHARED_HUGE_MOUNTS; slot++) {
		struct shared_huge_mount *mount = &server->shared->mount[slot];

		if (mount->serial && !strcmp(mount->point, point) &&
		    (!newest || mount->serial > newest->serial))
			newest = mount;
	}
	return newest;
}

int huge_umount(struct huge_server *server, const struct huge_request *req)
{
	struct shared_huge_mount *mount = find_newest(server, req->text);
	unsigned int slot;
	struct huge_file *file;

	if (!mount)
		return -EINVAL;
	slot = (unsigned int)(mount - server->shared->mount);
	if (!(req->flags & MNT_DETACH)) {
		list_for_each_entry(file, &server->files, node)
			if (file->mount == slot && huge_file_in_use(server, file))
				return -EBUSY;
	}
	atomic_store(&mount->serial, 0);
	atomic_fetch_sub(&server->shared->mounted, strcmp(mount->point, "/dev/hugepages") != 0);
	/* What is still open or mapped lives on without the mount. */
	list_for_each_entry(file, &server->files, node)
		if (file->mount == slot)
			file->mount = NO_MOUNT;
	huge_mount_clean(server, slot);
	huge_sweep(server);
	return 0;
}
