/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the folder's tests: a machine through the C API, and the main of a suite. */
#ifndef MACHINE_TESTING_H
#define MACHINE_TESTING_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvfio/machine.h>

static struct uvfio_machine *machine;

static inline void make_machine(const char *const *devices, const char *iommu)
{
	struct uvfio_machine_config config = { .devices = devices, .iommu = iommu };
	char err[512] = "";

	ck_assert_msg(uvfio_machine_create(&config, &machine, err, sizeof(err)) == 0, "%s", err);
}

/* One write(2) of @len bytes in a freshly opened file, as the shell does it. */
static inline ssize_t put_bytes(const char *path, const void *data, size_t len)
{
	int fd = uvfio_open(machine, path, O_WRONLY | O_CREAT | O_TRUNC);
	ssize_t ret;

	if (fd < 0)
		return fd;
	ret = uvfio_pwrite(machine, fd, data, len, 0);
	ck_assert_int_eq(uvfio_close(machine, fd), 0);
	return ret;
}

static inline ssize_t put(const char *path, const char *text)
{
	return put_bytes(path, text, strlen(text));
}

/* The whole text of a file, or "!ERRNO". */
static inline const char *get(const char *path)
{
	static char text[8192];
	int fd = uvfio_open(machine, path, O_RDONLY);
	ssize_t ret = fd;

	if (fd >= 0) {
		ret = uvfio_pread(machine, fd, text, sizeof(text) - 1, 0);
		uvfio_close(machine, fd);
	}
	if (ret < 0)
		snprintf(text, sizeof(text), "!%s", strerrorname_np((int)-ret));
	else
		text[ret] = '\0';
	return text;
}

/* Where a link of the tree points, or "" when there is none. */
static inline const char *link_of(const char *path)
{
	static char target[512];
	char real[512];
	ssize_t len;

	snprintf(real, sizeof(real), "%s%s", uvfio_machine_directory(machine), path);
	len = readlink(real, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	return target;
}

static inline bool exists(const char *path)
{
	char real[512];

	snprintf(real, sizeof(real), "%s%s", uvfio_machine_directory(machine), path);
	return access(real, F_OK) == 0;
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#endif
