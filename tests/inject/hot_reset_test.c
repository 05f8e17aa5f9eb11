/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hot resets that succeed, which the oracle's root ports do not let a kernel do: of a device with
 * two functions, and of one that shares its group with its port. Both functions lose what they were
 * told, keep their config space, and go on.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vfio.h>

#define CONFIG	 (7L << 40)
#define NVME_AQA 0x24

static unsigned int failures;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	printf("FAILED %s\n", what);
	failures++;
}

static int open_group(const char *bdf)
{
	char name[96], link[256] = "", path[300];
	int fd;

	snprintf(name, sizeof(name), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	if (readlink(name, link, sizeof(link) - 1) < 0)
		exit(2);
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(link, '/'));
	fd = open(path, O_RDWR);
	if (fd < 0)
		exit(2);
	return fd;
}

static int open_device(int container, int group, const char *bdf)
{
	int fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	uint16_t command = 6;
	uint32_t aqa = 0x00070007;

	if (fd < 0 || pwrite(fd, &command, 2, CONFIG + 4) != 2 ||
	    pwrite(fd, &aqa, 4, NVME_AQA) != 4)
		exit(2);
	return fd;
}

static uint32_t read32(int fd, long off)
{
	uint32_t value = 0;

	if (pread(fd, &value, 4, off) != 4)
		return 0xdead;
	return value;
}

static int hot_reset(int device, unsigned int count, int group, int second)
{
	struct {
		struct vfio_pci_hot_reset head;
		int32_t fds[2];
	} req = { { .argsz = sizeof(req.head) + 4 * count, .count = count }, { group, second } };

	return ioctl(device, VFIO_DEVICE_PCI_HOT_RESET, &req);
}

static int join(int container, const char *bdf)
{
	int group = open_group(bdf);

	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container))
		exit(2);
	return group;
}

static void was_reset(int fd, const char *what)
{
	check(read32(fd, NVME_AQA) == 0, what);
	check((read32(fd, CONFIG + 4) & 0xffff) == 6, "COMMAND is kept");
}

static void two_functions(int container, int group)
{
	int first = open_device(container, group, "0000:03:00.0");
	int second = open_device(container, group, "0000:03:00.1");
	uint16_t d3 = 3;

	check(read32(second, NVME_AQA) == 0x00070007, "the register holds what is written");
	check(hot_reset(first, 1, group, -1) == 0, "two functions of one group");
	was_reset(first, "the first was reset");
	was_reset(second, "the second was reset");
	/* One sleeps, one is closed: both take part. */
	if (pwrite(first, &d3, 2, CONFIG + 0x64) != 2)
		exit(2);
	check(read32(first, NVME_AQA) == 0xdead, "asleep it answers no memory");
	close(second);
	check(hot_reset(first, 1, group, -1) == 0, "a sleeping and a closed function");
	was_reset(first, "it is awake again");
	check((read32(first, CONFIG + 0x64) & 3) == 0, "in D0");
	close(first);
}

static void with_the_port(int container, int group, int other)
{
	int fd = open_device(container, group, "0000:04:00.0");

	check(hot_reset(fd, 1, other, -1) < 0, "another device's group is none of it");
	check(read32(fd, NVME_AQA) == 0x00070007, "and nothing was reset");
	check(hot_reset(fd, 1, group, -1) == 0, "a device in a group with its port");
	was_reset(fd, "it was reset");
	close(fd);
}

int main(void)
{
	int container = open("/dev/vfio/vfio", O_RDWR);
	int functions = join(container, "0000:03:00.0"), single = join(container, "0000:04:00.0");

	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return 2;
	two_functions(container, functions);
	with_the_port(container, single, functions);
	printf("%s\n", failures ? "failed" : "passed");
	return failures ? 1 : 0;
}
