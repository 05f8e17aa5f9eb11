/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VFIO life needs beside tests/stress/door.h, through either door; -errno on failure. */
#ifndef LOWRES_LIFE_DOOR_H
#define LOWRES_LIFE_DOOR_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../stress/door.h"

#ifdef DOOR_API
static inline int life_open(const char *path, int flags)
{
	return uvfio_open(door_machine, path, flags);
}

static inline void life_close(int fd)
{
	uvfio_close(door_machine, fd);
}

static inline int life_pread(int fd, void *buf, size_t len, uint64_t off)
{
	return (int)uvfio_pread(door_machine, fd, buf, len, off);
}

static inline int life_mmap(int fd, size_t len, uint64_t off, void **out)
{
	return uvfio_mmap(door_machine, NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off,
			  out);
}

static inline bool life_exists(const char *path)
{
	char real[512];

	snprintf(real, sizeof(real), "%s%s", uvfio_machine_directory(door_machine), path);
	return access(real, F_OK) == 0;
}
#else
static inline int life_open(const char *path, int flags)
{
	int fd = open(path, flags);

	return fd < 0 ? -errno : fd;
}

static inline void life_close(int fd)
{
	close(fd);
}

static inline int life_pread(int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t ret = pread(fd, buf, len, (off_t)off);

	return ret < 0 ? -errno : (int)ret;
}

static inline int life_mmap(int fd, size_t len, uint64_t off, void **out)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)off);

	if (mem == MAP_FAILED)
		return -errno;
	*out = mem;
	return 0;
}

static inline bool life_exists(const char *path)
{
	return access(path, F_OK) == 0;
}
#endif

/* One write of @text. */
static inline int life_put(const char *path, const char *text)
{
	int fd = life_open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return fd;
	ret = door_pwrite(fd, text, strlen(text), 0);
	life_close(fd);
	return ret < 0 ? ret : 0;
}

#endif
