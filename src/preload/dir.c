/* SPDX-License-Identifier: BSD-3-Clause */
#include "preload/dir.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/fd.h"
#include "base/list.h"
#include "machine/session.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/fdset.h"
#include "preload/path.h"

/* A stream's entries. The stream is used by one thread at a time, as readdir(3) asks for. */
struct dir_list {
	struct list_head node; /* lists_lock */
	DIR *dir;
	char logical[TREE_PATH_MAX];
	struct dirent *entries;
	size_t count, room, next;
};

atomic_uint dir_lists;

static pthread_mutex_t lists_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head lists = { &lists, &lists };

static struct dir_list *find(DIR *dir)
{
	struct dir_list *list, *found = NULL;

	depth_enter();
	pthread_mutex_lock(&lists_lock);
	list_for_each_entry(list, &lists, node) {
		if (list->dir == dir)
			found = list;
	}
	pthread_mutex_unlock(&lists_lock);
	depth_leave();
	return found;
}

static int add(struct dir_list *list, const struct dirent *entry, bool ours)
{
	struct dirent *entries, *to;
	size_t i, room;

	for (i = 0; i < list->count; i++)
		if (!strcmp(list->entries[i].d_name, entry->d_name))
			return 0;
	if (list->count == list->room) {
		room = MAX(2 * list->room, (size_t)32);
		entries = realloc(list->entries, room * sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		list->entries = entries;
		list->room = room;
	}
	to = &list->entries[list->count++];
	memset(to, 0, sizeof(*to));
	to->d_ino = entry->d_ino;
	to->d_off = (off_t)list->count;
	to->d_reclen = sizeof(*to);
	/* A regular file of the session's may be shown as a device. */
	to->d_type = ours && entry->d_type == DT_REG ? DT_UNKNOWN : entry->d_type;
	strcpy(to->d_name, entry->d_name);
	return 0;
}

/* Whether the host's entry @name of list->logical is replaced by the session's, or hidden. */
static bool replaced(const struct dir_list *list, const struct dirent *entry)
{
	char path[TREE_PATH_MAX + 256], out[TREE_PATH_MAX];
	const char *name = entry->d_name;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	snprintf(path, sizeof(path), "%s/%s", list->logical[1] ? list->logical : "", name);
	return session_translate(door_session(), path, out, sizeof(out)) ||
	       (entry->d_type == DT_LNK && path_hidden(path));
}

static int add_all(struct dir_list *list, DIR *dir, bool ours)
{
	struct dirent *entry;
	int ret = 0;

	while (!ret && (entry = readdir(dir)))
		if (ours || !replaced(list, entry))
			ret = add(list, entry, ours);
	return ret;
}

/* The host's entries (or the tree's, when @ours) from list->dir, then those in @also. */
static int fill(struct dir_list *list, bool ours, const char *also)
{
	DIR *dir;
	int ret;

	list->count = list->next = 0;
	rewinddir(list->dir);
	ret = add_all(list, list->dir, ours);
	dir = also && !ret ? opendir(also) : NULL;
	if (dir) {
		ret = add_all(list, dir, true);
		closedir(dir);
	}
	return ret;
}

/* Host directories with links to devices, some of which may be hidden (path_hidden()). */
static bool has_links(const char *logical)
{
	static const char *const dirs[] = { "/sys/block", "/sys/bus/", "/sys/class/", "/sys/dev/" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		if (!strncmp(logical, dirs[i], strlen(dirs[i])))
			return true;
	return false;
}

/* Refills after rewinddir, too. 0 or -errno; 1: the directory needs no list. */
static int refill(struct dir_list *list)
{
	struct session *session = door_session();
	char real[TREE_PATH_MAX];

	if (session_overlay(session, list->logical, real, sizeof(real)))
		return fill(list, false, real);
	if (!strncmp(list->logical, "/dev", 4) &&
	    session_translate(session, list->logical, real, sizeof(real)))
		return fill(list, true, NULL);
	if (has_links(list->logical) &&
	    !session_translate(session, list->logical, real, sizeof(real)))
		return fill(list, false, NULL);
	return 1;
}

/* Makes the list of @dir, which is open at @logical, when it needs one. 0 or -errno. */
static int attach(DIR *dir, const char *logical)
{
	struct dir_list *list = calloc(1, sizeof(*list));
	int ret;

	if (!list)
		return -ENOMEM;
	list->dir = dir;
	strcpy(list->logical, logical);
	ret = refill(list);
	if (ret) {
		free(list->entries);
		free(list);
		return MIN(ret, 0);
	}
	pthread_mutex_lock(&lists_lock);
	list_add(&list->node, &lists);
	pthread_mutex_unlock(&lists_lock);
	atomic_fetch_add(&dir_lists, 1);
	return 0;
}

static int open_list(const char *real, const char *logical, DIR **out)
{
	DIR *dir = opendir(real);
	int ret;

	*out = NULL;
	if (!dir)
		return -errno;
	ret = attach(dir, logical);
	if (ret) {
		closedir(dir);
		return ret;
	}
	fdset_add(&fdset_dirs, dirfd(dir));
	*out = dir;
	return 0;
}

/* A host directory that is not there may have a part of the session's. */
static int open_dir(struct tree_path *tp, DIR **out)
{
	char part[TREE_PATH_MAX];
	int ret;

	if (tp->tree) {
		ret = path_canonical(tp, true);
		return ret ? ret : open_list(tp->real, tp->logical, out);
	}
	ret = open_list(tp->real, tp->logical, out);
	if (ret == -ENOENT && session_overlay(door_session(), tp->logical, part, sizeof(part)))
		ret = open_list(part, tp->logical, out);
	return ret;
}

bool door_opendir(DIR **ret, const char *path)
{
	char part[TREE_PATH_MAX];
	struct tree_path tp;
	struct door door;

	if (!path_resolve(AT_FDCWD, path, &tp)) {
		if (!door_session() || path_logical(AT_FDCWD, path, &tp))
			return false;
		tp.tree = false;
		strcpy(tp.real, tp.logical);
		if (!session_overlay(door_session(), tp.logical, part, sizeof(part)) &&
		    tp.logical[1] && !has_links(tp.logical))
			return false;
	}
	door_enter(&door);
	*ret = NULL;
	door_return(&door, open_dir(&tp, ret));
	return true;
}

bool door_fdopendir(DIR **ret, int fd)
{
	char logical[TREE_PATH_MAX];
	struct door door;
	int err = 0;

	door_enter(&door);
	if (path_of_fd(fd, logical, sizeof(logical))) {
		door_leave(&door);
		return false;
	}
	*ret = fdopendir(fd);
	if (!*ret)
		err = -errno;
	else
		attach(*ret, logical);
	door_return(&door, err);
	return true;
}

/* The entries from number *@next on as getdents64() gives them: the bytes used, or -errno. */
static ssize_t give_entries(const struct dir_list *list, char *buf, size_t size, size_t *next)
{
	size_t used = 0, len, i;

	for (i = *next; i < list->count; i++) {
		struct dirent *entry = &list->entries[i];

		len = ALIGN_UP(offsetof(struct dirent, d_name) + strlen(entry->d_name) + 1,
			       sizeof(uint64_t));
		if (used + len > size)
			break;
		entry->d_reclen = (unsigned short)len;
		if (copy_to_user((uintptr_t)(buf + used), entry, len))
			return used ? (ssize_t)used : -EFAULT;
		used += len;
		*next = i + 1;
	}
	return used || i == list->count ? (ssize_t)used : -EINVAL;
}

/* 1: the directory needs no list. The file's position is the number of the next entry. */
static ssize_t list_from(int fd, const char *logical, char *buf, size_t size)
{
	struct dir_list list = { 0 };
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	off_t pos = lseek(fd, 0, SEEK_CUR);
	size_t next = (size_t)pos;
	ssize_t ret;

	list.dir = copy < 0 ? NULL : fdopendir(copy);
	if (!list.dir || pos < 0) {
		fd_close(copy);
		return -EBADF;
	}
	strcpy(list.logical, logical);
	ret = refill(&list);
	if (!ret) {
		ret = give_entries(&list, buf, size, &next);
		lseek(fd, (off_t)next, SEEK_SET);
	}
	closedir(list.dir);
	free(list.entries);
	return ret;
}

bool door_getdents64(ssize_t *ret, int fd, void *buf, size_t size)
{
	char logical[TREE_PATH_MAX];
	struct door door;
	ssize_t len;

	door_enter(&door);
	len = path_of_fd(fd, logical, sizeof(logical)) ? 1 : list_from(fd, logical, buf, size);
	if (len == 1) {
		door_leave(&door);
		return false;
	}
	*ret = door_return(&door, len);
	return true;
}

bool door_closedir(int *ret, DIR *dir)
{
	struct dir_list *list;

	if (atomic_load(&fdset_dirs.count))
		fdset_remove(&fdset_dirs, dirfd(dir));
	list = door_lists() ? find(dir) : NULL;
	if (list) {
		depth_enter();
		pthread_mutex_lock(&lists_lock);
		list_del(&list->node);
		pthread_mutex_unlock(&lists_lock);
		atomic_fetch_sub(&dir_lists, 1);
		free(list->entries);
		free(list);
		depth_leave();
	}
	return false;
}

bool door_readdir(struct dirent **ret, DIR *dir)
{
	struct dir_list *list = find(dir);

	if (!list)
		return false;
	*ret = list->next < list->count ? &list->entries[list->next++] : NULL;
	return true;
}

bool door_readdir_r(int *ret, DIR *dir, struct dirent *entry, struct dirent **result)
{
	struct dirent *next;

	if (!door_readdir(&next, dir))
		return false;
	if (next)
		*entry = *next;
	*result = next ? entry : NULL;
	*ret = 0;
	return true;
}

bool door_rewinddir(DIR *dir)
{
	struct dir_list *list = find(dir);
	struct door door;

	if (!list)
		return false;
	door_enter(&door);
	refill(list);
	door_leave(&door);
	return true;
}

bool door_telldir(long *ret, DIR *dir)
{
	struct dir_list *list = find(dir);

	if (list)
		*ret = (long)list->next;
	return list != NULL;
}

bool door_seekdir(DIR *dir, long pos)
{
	struct dir_list *list = find(dir);

	if (list)
		list->next = MIN((size_t)MAX(pos, 0L), list->count);
	return list != NULL;
}

void dir_after_fork(void)
{
	pthread_mutex_init(&lists_lock, NULL);
}
