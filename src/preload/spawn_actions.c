/* SPDX-License-Identifier: BSD-3-Clause */
/* records_lock guards the list; a record belongs to its object, which one thread uses at a time. */
#include "preload/spawn_actions.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "file/file.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/fdset.h"
#include "preload/path.h"
#include "preload/process.h"
#include "preload/wrappers.h"

enum action_kind {
	ACTION_OPEN,
	ACTION_CLOSE,
	ACTION_DUP2,
	ACTION_CHDIR,
	ACTION_FCHDIR,
	ACTION_CLOSEFROM,
	ACTION_TCSETPGRP,
};

struct action {
	enum action_kind kind;
	int fd, to; /* ACTION_OPEN: the flags in @to */
	mode_t mode;
	char *path;
};

struct record {
	struct list_head node;
	const posix_spawn_file_actions_t *key;
	struct action *actions;
	size_t count, room;
};

static pthread_mutex_t records_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head records = { &records, &records };

void spawn_actions_fork_prepare(void)
{
	pthread_mutex_lock(&records_lock);
}

void spawn_actions_fork_parent(void)
{
	pthread_mutex_unlock(&records_lock);
}

void spawn_actions_after_fork(void)
{
	pthread_mutex_init(&records_lock, NULL);
}

static struct record *find_locked(const posix_spawn_file_actions_t *key)
{
	struct record *record, *found = NULL;

	list_for_each_entry(record, &records, node) {
		if (record->key == key)
			found = record;
	}
	return found;
}

static struct record *find(const posix_spawn_file_actions_t *key)
{
	struct record *record;

	pthread_mutex_lock(&records_lock);
	record = find_locked(key);
	pthread_mutex_unlock(&records_lock);
	return record;
}

static void forget(const posix_spawn_file_actions_t *key)
{
	struct record *record;
	size_t i;

	pthread_mutex_lock(&records_lock);
	record = find_locked(key);
	if (record)
		list_del(&record->node);
	pthread_mutex_unlock(&records_lock);
	if (!record)
		return;
	for (i = 0; i < record->count; i++)
		free(record->actions[i].path);
	free(record->actions);
	free(record);
}

static struct record *find_or_make(const posix_spawn_file_actions_t *key)
{
	struct record *record = find(key);

	if (record)
		return record;
	record = calloc(1, sizeof(*record));
	if (!record)
		return NULL;
	record->key = key;
	pthread_mutex_lock(&records_lock);
	list_add(&record->node, &records);
	pthread_mutex_unlock(&records_lock);
	return record;
}

/* 0 or an error number. */
static int add(const posix_spawn_file_actions_t *key, const struct action *action, const char *path)
{
	struct record *record = find_or_make(key);
	struct action *actions;
	size_t room;

	if (!record)
		return ENOMEM;
	if (record->count == record->room) {
		room = MAX(2 * record->room, (size_t)4);
		actions = realloc(record->actions, room * sizeof(*actions));
		if (!actions)
			return ENOMEM;
		record->actions = actions;
		record->room = room;
	}
	record->actions[record->count] = *action;
	if (path) {
		record->actions[record->count].path = strdup(path);
		if (!record->actions[record->count].path)
			return ENOMEM;
	}
	record->count++;
	return 0;
}

/* What libc took is recorded. */
static bool recorded(int *ret, const posix_spawn_file_actions_t *key, const struct action *action,
		     const char *path)
{
	struct door door;

	if (*ret)
		return true;
	door_enter(&door);
	*ret = add(key, action, path);
	door_leave(&door);
	return true;
}

bool door_spawn_forget(int *ret, const posix_spawn_file_actions_t *actions)
{
	struct door door;

	door_enter(&door);
	forget(actions);
	door_leave(&door);
	return false;
}

bool door_spawn_addopen(int *ret, posix_spawn_file_actions_t *actions, int fd, const char *path,
			int flags, mode_t mode)
{
	*ret = real_posix_spawn_file_actions_addopen(actions, fd, path, flags, mode);
	return recorded(
		ret, actions,
		&(struct action){ .kind = ACTION_OPEN, .fd = fd, .to = flags, .mode = mode }, path);
}

bool door_spawn_addclose(int *ret, posix_spawn_file_actions_t *actions, int fd)
{
	*ret = real_posix_spawn_file_actions_addclose(actions, fd);
	return recorded(ret, actions, &(struct action){ .kind = ACTION_CLOSE, .fd = fd }, NULL);
}

bool door_spawn_adddup2(int *ret, posix_spawn_file_actions_t *actions, int fd, int to)
{
	*ret = real_posix_spawn_file_actions_adddup2(actions, fd, to);
	return recorded(ret, actions, &(struct action){ .kind = ACTION_DUP2, .fd = fd, .to = to },
			NULL);
}

bool door_spawn_addchdir(int *ret, posix_spawn_file_actions_t *actions, const char *path)
{
	*ret = real_posix_spawn_file_actions_addchdir_np(actions, path);
	return recorded(ret, actions, &(struct action){ .kind = ACTION_CHDIR }, path);
}

bool door_spawn_addfchdir(int *ret, posix_spawn_file_actions_t *actions, int fd)
{
	*ret = real_posix_spawn_file_actions_addfchdir_np(actions, fd);
	return recorded(ret, actions, &(struct action){ .kind = ACTION_FCHDIR, .fd = fd }, NULL);
}

bool door_spawn_addclosefrom(int *ret, posix_spawn_file_actions_t *actions, int fd)
{
	*ret = real_posix_spawn_file_actions_addclosefrom_np(actions, fd);
	return recorded(ret, actions, &(struct action){ .kind = ACTION_CLOSEFROM, .fd = fd }, NULL);
}

bool door_spawn_addtcsetpgrp(int *ret, posix_spawn_file_actions_t *actions, int fd)
{
	*ret = real_posix_spawn_file_actions_addtcsetpgrp_np(actions, fd);
	return recorded(ret, actions, &(struct action){ .kind = ACTION_TCSETPGRP, .fd = fd }, NULL);
}

static bool is_ours(const struct action *action)
{
	switch (action->kind) {
	case ACTION_OPEN:
		return path_maybe(action->path);
	case ACTION_CHDIR:
	case ACTION_FCHDIR:
		return true;
	case ACTION_DUP2:
		return file_fd_maybe(action->fd) || file_fd_maybe(action->to);
	default:
		return false;
	}
}

bool spawn_actions_ours(const posix_spawn_file_actions_t *actions)
{
	struct record *record = actions ? find(actions) : NULL;
	size_t i;

	if (!record || !record->count)
		return false;
	/* Which numbers attributes have in the child, only the child can say. */
	if (fdset_next(&fdset_served, 0) >= 0)
		return true;
	for (i = 0; i < record->count; i++)
		if (is_ours(&record->actions[i]))
			return true;
	return false;
}

static int do_open(const struct action *action)
{
	int fd;

	/* As libc does it: the number is free for the open. */
	wrap_close(action->fd);
	fd = wrap_open(action->path, action->to, action->mode);
	if (fd < 0)
		return -1;
	if (fd == action->fd)
		return 0;
	if (wrap_dup2(fd, action->fd) < 0)
		return -1;
	return wrap_close(fd);
}

static int do_dup2(const struct action *action)
{
	int flags;

	if (action->fd != action->to)
		return wrap_dup2(action->fd, action->to);
	/* To itself: it stays open over the exec. */
	flags = wrap_fcntl(action->fd, F_GETFD, 0);
	return flags < 0 ? -1 : wrap_fcntl(action->fd, F_SETFD, (unsigned)flags & ~FD_CLOEXEC);
}

static int do_one(const struct action *action)
{
	switch (action->kind) {
	case ACTION_OPEN:
		return do_open(action);
	case ACTION_CLOSE:
		/* One that is not open is no error. */
		wrap_close(action->fd);
		return 0;
	case ACTION_DUP2:
		return do_dup2(action);
	case ACTION_CHDIR:
		return wrap_chdir(action->path);
	case ACTION_FCHDIR:
		return wrap_fchdir(action->fd);
	case ACTION_CLOSEFROM:
		wrap_closefrom(action->fd);
		return 0;
	default:
		return tcsetpgrp(action->fd, getpgid(0));
	}
}

int spawn_actions_do(const posix_spawn_file_actions_t *actions)
{
	struct record *record;
	size_t i;

	record = find(actions);
	for (i = 0; record && i < record->count; i++)
		if (do_one(&record->actions[i]) < 0)
			return errno;
	return 0;
}
