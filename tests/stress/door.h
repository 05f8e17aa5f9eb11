/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same program through either door: with DOOR_API it uses the C API on a machine of its own (so
 * that sanitizers see the library), without it plain libc calls under `uvfio run`. Both return
 * -errno on failure.
 */
#ifndef STRESS_DOOR_H
#define STRESS_DOOR_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef DOOR_API
#include <uvfio/machine.h>

extern struct uvfio_machine *door_machine;

static inline int door_open(const char *path)
{
	return uvfio_open(door_machine, path, O_RDWR);
}

static inline int door_ioctl(int fd, unsigned long number, void *arg)
{
	return uvfio_ioctl(door_machine, fd, number, arg);
}

static inline int door_pwrite(int fd, const void *buf, size_t len, uint64_t off)
{
	return (int)uvfio_pwrite(door_machine, fd, buf, len, off);
}

static inline void *door_mmap(int fd, size_t len, uint64_t off)
{
	void *out;

	return uvfio_mmap(door_machine, NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off,
			  &out)
		       ? NULL
		       : out;
}

static inline int door_munmap(void *addr, size_t len)
{
	return uvfio_munmap(door_machine, addr, len);
}
#else
static inline int door_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int door_ioctl(int fd, unsigned long number, void *arg)
{
	int rc = ioctl(fd, number, arg);

	return rc < 0 ? -errno : rc;
}

static inline int door_pwrite(int fd, const void *buf, size_t len, uint64_t off)
{
	ssize_t rc = pwrite(fd, buf, len, (off_t)off);

	return rc < 0 ? -errno : (int)rc;
}

static inline void *door_mmap(int fd, size_t len, uint64_t off)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)off);

	return p == MAP_FAILED ? NULL : p;
}

static inline int door_munmap(void *addr, size_t len)
{
	return munmap(addr, len) ? -errno : 0;
}
#endif

#endif
