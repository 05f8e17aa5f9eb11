/* SPDX-License-Identifier: BSD-3-Clause */
/* What the clients of the preload library's tests share: names, and a driver's first steps. */
#ifndef PRELOAD_PRELOAD_TEST_H
#define PRELOAD_PRELOAD_TEST_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BDF	  "0000:01:00.0"
#define DEVICE	  "/sys/bus/pci/devices/" BDF
#define DRIVER	  "/sys/bus/pci/drivers/vfio-pci"
#define CONTAINER "/dev/vfio/vfio"

static inline int must_open(const char *path, int flags)
{
	int fd = open(path, flags);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static inline bool is_container(int fd)
{
	return ioctl(fd, VFIO_GET_API_VERSION) == VFIO_API_VERSION;
}

static inline int group_number(void)
{
	char link[256];
	ssize_t len = readlink(DEVICE "/iommu_group", link, sizeof(link) - 1);

	ck_assert_int_gt(len, 0);
	link[len] = '\0';
	return atoi(strrchr(link, '/') + 1);
}

struct client {
	int container, group, device;
	uint8_t *bar;
	size_t bar_size;
};

/* As a driver opens its device. */
static inline void client_open(struct client *c)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };
	char path[32];

	c->container = must_open(CONTAINER, O_RDWR);
	snprintf(path, sizeof(path), "/dev/vfio/%d", group_number());
	c->group = must_open(path, O_RDWR);
	ck_assert_int_eq(ioctl(c->group, VFIO_GROUP_SET_CONTAINER, &c->container), 0);
	ck_assert_int_eq(ioctl(c->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	c->device = ioctl(c->group, VFIO_GROUP_GET_DEVICE_FD, BDF);
	ck_assert_int_ge(c->device, 0);
	ck_assert_int_eq(ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, &region), 0);
	c->bar_size = region.size;
	c->bar = mmap(NULL, c->bar_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->device,
		      (off_t)region.offset);
	ck_assert_ptr_ne(c->bar, MAP_FAILED);
}

/* NVMe's CAP register, whose low half is never 0, and CC, which keeps what is written. */
static inline bool bar_works(struct client *c)
{
	uint32_t *cap = (void *)c->bar, *aqa = (void *)(c->bar + 0x24);

	__atomic_store_n(aqa, 0x001f001f, __ATOMIC_RELAXED);
	return __atomic_load_n(cap, __ATOMIC_RELAXED) != 0 &&
	       __atomic_load_n(aqa, __ATOMIC_RELAXED) == 0x001f001f;
}

static inline void read_text(const char *path, char *text, size_t size)
{
	int fd = must_open(path, O_RDONLY);
	ssize_t len = read(fd, text, size - 1);

	ck_assert_int_ge(len, 0);
	text[len] = '\0';
	close(fd);
}

static inline int run_suite(const char *name, void (*add)(TCase *tcase))
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 30);
	suite_add_tcase(suite, tcase);
	add(tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif
