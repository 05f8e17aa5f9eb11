/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a session replaces beside /sys, /dev and /proc: the commands for modules, which a host
 * without kmod does not have, /lib/modules, and the folders in which driverctl and mdevctl keep
 * their settings.
 *
 * The tests are on the way of each path that a program opens below /usr and /etc: no system call,
 * and most paths are told apart by a few characters.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "machine/session_priv.h"

static const char *const private_dirs[] = { "/etc/driverctl.d", "/etc/mdevctl.d" };

/* In /usr/sbin; lsmod is in /usr/bin, too. */
static const char *const tools[] = { "insmod", "lsmod", "modinfo", "modprobe", "rmmod" };

static bool begins(const char *path, const char *with, size_t len)
{
	return !strncmp(path, with, len);
}

#define BEGINS(path, with) begins(path, with, sizeof(with) - 1)

bool session_private(const char *path)
{
	if (!BEGINS(path, "/etc/"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(private_dirs); i++) {
		size_t len = strlen(private_dirs[i]);

		if (begins(path, private_dirs[i], len) && (!path[len] || path[len] == '/'))
			return true;
	}
	return false;
}

static bool in_sbin(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
		if (!strcmp(name, tools[i]))
			return true;
	return false;
}

static bool in_bin(const char *name)
{
	return !strcmp(name, "lsmod");
}

/* Of all releases: no other has modules for the session. */
static bool in_modules(const char *path)
{
	static const char dir[] = "/lib/modules";

	return BEGINS(path, dir) && (!path[sizeof(dir) - 1] || path[sizeof(dir) - 1] == '/');
}

bool session_elsewhere(const char *path)
{
	switch (path[1]) {
	case 'e':
		return session_private(path);
	case 's':
		return BEGINS(path, "/sbin/") && in_sbin(path + 6);
	case 'b':
		return BEGINS(path, "/bin/") && in_bin(path + 5);
	case 'l':
		return in_modules(path);
	case 'u':
		if (BEGINS(path, "/usr/l"))
			return in_modules(path + 4);
		if (BEGINS(path, "/usr/s"))
			return BEGINS(path, "/usr/sbin/") && in_sbin(path + 10);
		return BEGINS(path, "/usr/bin/") && in_bin(path + 9);
	default:
		return false;
	}
}

static int make_dirs(const struct session *session)
{
	static const char *const dirs[] = { "usr",
					    "usr/bin",
					    "usr/sbin",
					    "usr/lib",
					    "lib",
					    "lib/modules",
					    "etc",
					    "etc/driverctl.d",
					    "etc/mdevctl.d",
					    "etc/mdevctl.d/scripts.d",
					    "etc/mdevctl.d/scripts.d/callouts",
					    "etc/mdevctl.d/scripts.d/notifiers" };
	char path[4096];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		int ret = session_path(session, dirs[i], path, sizeof(path));

		if (ret)
			return ret;
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int add_link(const struct session *session, const char *dir, const char *name,
		    const char *target)
{
	char file[256], path[4096];
	int ret;

	snprintf(file, sizeof(file), "%s%s", dir, name);
	ret = session_path(session, file, path, sizeof(path));
	if (ret)
		return ret;
	return symlink(target, path) < 0 && errno != EEXIST ? -errno : 0;
}

int session_add_files(struct session *session, const char *program, const char *modules)
{
	struct utsname system;
	int ret = make_dirs(session);

	uname(&system);
	if (!ret && modules)
		ret = add_link(session, "lib/modules/", system.release, modules);
	if (!ret)
		ret = add_link(session, "usr/lib/", "modules", "../../lib/modules");

	for (size_t i = 0; i < ARRAY_SIZE(tools) && !ret; i++)
		ret = add_link(session, "usr/sbin/", tools[i], program);
	if (!ret)
		ret = add_link(session, "usr/bin/", "lsmod", program);
	if (!ret)
		ret = add_link(session, "", "sbin", "usr/sbin");
	return ret ? ret : add_link(session, "", "bin", "usr/bin");
}
