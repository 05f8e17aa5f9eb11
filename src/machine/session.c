/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which names a session replaces, and where they are (design D2, D3).
 *
 * Whole subtrees are replaced, so that no device of the host's is reached by accident. A test is
 * one look at the first component and then a handful of prefix comparisons. No locks: a session is
 * immutable once it is open.
 */
#include "machine/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "machine/huge.h"
#include "machine/modules.h"
#include "machine/session_priv.h"

#define NAME(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}

struct name {
	const char *text;
	size_t len;
};

/* Each with everything below it. */
static const struct name replaced_sys[] = {
	NAME("/sys/bus/mdev"),
	NAME("/sys/bus/pci"),
	NAME("/sys/class/iommu"),
	NAME("/sys/class/mdev_bus"),
	NAME("/sys/class/misc/vfio"),
	NAME("/sys/class/mtty"),
	NAME("/sys/class/pci_bus"),
	NAME("/sys/class/uvfio"),
	NAME("/sys/class/vfio"),
	NAME("/sys/class/vfio-dev"),
	NAME("/sys/devices/virtual/iommu"),
	NAME("/sys/devices/virtual/misc/vfio"),
	NAME("/sys/devices/virtual/mtty"),
	NAME("/sys/devices/virtual/uvfio"),
	NAME("/sys/devices/virtual/vfio"),
	NAME("/sys/kernel/iommu_groups"),
	NAME("/sys/kernel/uevent_seqnum"),
};
static const struct name replaced_dev[] = { NAME("/dev/vfio"), NAME("/dev/iommu"),
					    NAME("/dev/kmsg") };
static const struct name replaced_proc[] = { NAME("/proc/bus/pci"), NAME("/proc/modules"),
					     NAME("/proc/sys/kernel/tainted") };

static const struct name replaced_run[] = { NAME("/run/udev") };

/* Host directories with entries of ours, and no more than that. */
static const struct name overlaid[] = {
	NAME("/sys"),	       NAME("/sys/bus"),
	NAME("/sys/class"),    NAME("/sys/class/misc"),
	NAME("/sys/devices"),  NAME("/sys/devices/virtual"),
	NAME("/sys/dev/char"), NAME("/sys/devices/virtual/misc"),
	NAME("/sys/kernel"),   NAME("/sys/module"),
	NAME("/dev"),	       NAME("/run"),
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool below(const char *path, const struct name *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strncmp(path, names[i].text, names[i].len) &&
		    (path[names[i].len] == '\0' || path[names[i].len] == '/'))
			return true;
	return false;
}

/* The host bridges: /sys/devices/pci0000:00 and what the host has besides. */
static bool is_pci_root(const char *path)
{
	static const char prefix[] = "/sys/devices/pci";

	return !strncmp(path, prefix, sizeof(prefix) - 1) && is_hex(path[sizeof(prefix) - 1]);
}

/* /sys/dev/char/MAJOR:MINOR of a node in /dev/vfio (names.c). */
static bool is_vfio_number(const char *path)
{
	static const struct name misc[] = { NAME("/sys/dev/char/10:196") };
	static const char group[] = "/sys/dev/char/243:";

	return below(path, misc, ARRAY_SIZE(misc)) || !strncmp(path, group, sizeof(group) - 1);
}

/* /sys/module/NAME of a module that a session may load. */
static bool is_module(const char *path)
{
	static const char prefix[] = "/sys/module/";
	char name[64];
	size_t len;

	if (strncmp(path, prefix, sizeof(prefix) - 1))
		return false;
	path += sizeof(prefix) - 1;
	len = strcspn(path, "/");
	if (len >= sizeof(name))
		return false;
	memcpy(name, path, len);
	name[len] = '\0';
	return module_find(name) != NULL;
}

static bool join(const struct session *session, const char *path, char *out, size_t size)
{
	size_t len = strlen(path);

	if (session->dir_len + len + 1 > size)
		return false;
	memcpy(out, session->dir, session->dir_len);
	memcpy(out + session->dir_len, path, len + 1);
	return true;
}

bool session_translate(const struct session *session, const char *path, char *out, size_t size)
{
	bool ours;

	if (path[0] != '/')
		return false;
	if (huge_translate(session, path, out, size))
		return true;
	switch (path[1]) {
	case 's':
		if (path[2] == 'b') /* /sbin */
			ours = session_elsewhere(path);
		else
			ours = !strncmp(path, "/sys/", 5) &&
			       (below(path, replaced_sys, ARRAY_SIZE(replaced_sys)) ||
				is_pci_root(path) || is_module(path) || is_vfio_number(path));
		break;
	case 'd':
		ours = below(path, replaced_dev, ARRAY_SIZE(replaced_dev));
		break;
	case 'p':
		ours = below(path, replaced_proc, ARRAY_SIZE(replaced_proc));
		break;
	case 'r':
		ours = below(path, replaced_run, ARRAY_SIZE(replaced_run));
		break;
	default:
		ours = session_elsewhere(path);
	}
	return ours && join(session, path, out, size);
}

bool session_untranslate(const struct session *session, const char *real, char *out, size_t size)
{
	static const struct name roots[] = { NAME("/sys"), NAME("/dev"), NAME("/proc"),
					     NAME("/etc"), NAME("/usr"), NAME("/run"),
					     NAME("/lib") };
	const char *path;

	if (strncmp(real, session->dir, session->dir_len))
		return false;
	if (huge_untranslate(session, real, out, size))
		return true;
	path = real + session->dir_len;
	if (!below(path, roots, ARRAY_SIZE(roots)) || strlen(path) >= size)
		return false;
	memmove(out, path, strlen(path) + 1);
	return true;
}

bool session_overlay(const struct session *session, const char *path, char *out, size_t size)
{
	if (path[0] != '/' || !strchr("sdr", path[1]))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(overlaid); i++)
		if (!strcmp(path, overlaid[i].text))
			return join(session, path, out, size);
	return huge_overlaid(session, path) && join(session, path, out, size);
}

int session_path(const struct session *session, const char *name, char *out, size_t size)
{
	int len = snprintf(out, size, "%s/%s", session->dir, name);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

int session_open(const char *dir, struct session **out)
{
	struct session *session = FAIL_POINT() ? NULL : calloc(1, sizeof(*session));
	int ret;

	if (!session)
		return -ENOMEM;
	session->dir = realpath(dir, NULL);
	if (!session->dir) {
		ret = -errno;
		free(session);
		return ret;
	}
	session->dir_len = strlen(session->dir);
	ret = shared_map(session);
	if (ret) {
		session_close(session);
		return ret;
	}
	*out = session;
	return 0;
}

int session_open_names(const char *dir, struct session **out)
{
	struct session *session = FAIL_POINT() ? NULL : calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	session->dir = FAIL_POINT() ? NULL : strdup(dir);
	if (!session->dir) {
		free(session);
		return -ENOMEM;
	}
	session->dir_len = strlen(session->dir);
	*out = session;
	return 0;
}

int session_complete(struct session *session)
{
	return session->shared ? 0 : shared_map(session);
}

void session_close(struct session *session)
{
	if (!session)
		return;
	shared_unmap(session);
	session_unhold(&session->hold);
	free(session->dir);
	free(session);
}

const char *session_dir(const struct session *session)
{
	return session->dir;
}

void session_note_loaded(const char *dir)
{
	char path[4096];
	struct session_hold hold = { 0 };
	int saved = errno, fd;

	/* As long as the program lives; a session that has ended cannot be held. */
	session_hold_directory(dir, &hold);
	if (snprintf(path, sizeof(path), "%s/loaded", dir) < (int)sizeof(path)) {
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0)
			close(fd);
	}
	errno = saved;
}

bool session_escape_allowed(const char *dir)
{
	char path[4096];

	return dir && snprintf(path, sizeof(path), "%s/escape", dir) < (int)sizeof(path) &&
	       !access(path, F_OK);
}
