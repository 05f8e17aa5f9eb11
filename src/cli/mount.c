/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `mount` and `umount` for who is not root on the host: Debian's are setuid, so that the preload
 * library does not come up in them. Only hugetlbfs can be mounted; the library does it in mount(2).
 */
#include <errno.h>
#include <getopt.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "cli/cli.h"
#include "cli/tool.h"

/* The commands' exit statuses. */
#define MOUNT_USAGE  1
#define MOUNT_FAILED 32

struct mount_call {
	const char *type;
	unsigned long flags;
	char data[512];
};

static const struct {
	const char *name;
	unsigned long set, clear;
} generic[] = {
	{ "ro", MS_RDONLY, 0 },		{ "rw", 0, MS_RDONLY },	      { "nosuid", MS_NOSUID, 0 },
	{ "nodev", MS_NODEV, 0 },	{ "noexec", MS_NOEXEC, 0 },   { "noatime", MS_NOATIME, 0 },
	{ "relatime", MS_RELATIME, 0 }, { "remount", MS_REMOUNT, 0 }, { "defaults", 0, 0 },
};

static void add_options(struct mount_call *call, char *options)
{
	size_t n = sizeof(generic) / sizeof(generic[0]), i, len;
	char *word, *save;

	for (word = strtok_r(options, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		for (i = 0; i < n && strcmp(word, generic[i].name); i++)
			;
		if (i < n) {
			call->flags = (call->flags | generic[i].set) & ~generic[i].clear;
			continue;
		}
		len = strlen(call->data);
		snprintf(call->data + len, sizeof(call->data) - len, "%s%s", len ? "," : "", word);
	}
}

static int list_mounts(const char *type)
{
	FILE *file = setmntent("/proc/self/mounts", "re");
	struct mntent *mount;

	if (!file)
		return MOUNT_FAILED;
	while ((mount = getmntent(file)))
		if (!type || !strcmp(type, mount->mnt_type))
			printf("%s on %s type %s (%s)\n", mount->mnt_fsname, mount->mnt_dir,
			       mount->mnt_type, mount->mnt_opts);
	endmntent(file);
	return 0;
}

static int complain(const char *command, const char *target, const char *what)
{
	fprintf(stderr, "%s: %s: %s.\n", command, target, what);
	return MOUNT_FAILED;
}

int tool_mount(int argc, char **argv)
{
	struct mount_call call = { .type = NULL };
	int option;

	optind = 0;
	while ((option = getopt(argc, argv, "t:o:rwvn")) != -1) {
		if (option == 't')
			call.type = optarg;
		else if (option == 'o')
			add_options(&call, optarg);
		else if (option == 'r')
			call.flags |= MS_RDONLY;
		else if (option == '?')
			return MOUNT_USAGE;
	}
	if (argc == optind)
		return list_mounts(call.type);
	if (argc - optind != 2 || !call.type || strcmp(call.type, "hugetlbfs"))
		return complain("mount", argv[argc - 1], "must be superuser to use mount");
	if (!mount(argv[optind], argv[optind + 1], call.type, call.flags, call.data))
		return 0;
	switch (errno) {
	case ENOENT:
		return complain("mount", argv[optind + 1], "mount point does not exist");
	case ENOTDIR:
		return complain("mount", argv[optind + 1], "mount point is not a directory");
	default:
		return complain("mount", argv[optind + 1], strerror(errno));
	}
}

static int umount_one(const char *target, int flags)
{
	if (!umount2(target, flags))
		return 0;
	if (errno == EBUSY)
		return complain("umount", target, "target is busy");
	return complain("umount", target, errno == EINVAL ? "not mounted" : strerror(errno));
}

/* All hugetlbfs mounts, the last one first. */
static int umount_all(int flags)
{
	char *targets[64];
	struct mntent *mount;
	size_t count = 0;
	int status = 0;
	FILE *file;

	file = setmntent("/proc/self/mounts", "re");
	while (file && count < 64 && (mount = getmntent(file)))
		if (!strcmp(mount->mnt_type, "hugetlbfs"))
			targets[count++] = strdup(mount->mnt_dir);
	if (file)
		endmntent(file);
	while (count) {
		count--;
		if (!targets[count] || umount_one(targets[count], flags))
			status = MOUNT_FAILED;
		free(targets[count]);
	}
	return status;
}

int tool_umount(int argc, char **argv)
{
	const char *type = NULL;
	int option, flags = 0, status = 0;
	bool all = false;

	optind = 0;
	while ((option = getopt(argc, argv, "at:lfrvn")) != -1) {
		if (option == 't')
			type = optarg;
		else if (option == 'l')
			flags |= MNT_DETACH;
		else if (option == 'a')
			all = true;
		else if (option == '?')
			return MOUNT_USAGE;
	}
	if (all)
		return type && strstr(type, "hugetlbfs") ? umount_all(flags) : 0;
	for (; optind < argc; optind++)
		if (umount_one(argv[optind], flags))
			status = MOUNT_FAILED;
	return status;
}
