/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mdev_user UUID polite|stubborn: a user of a mediated device that acts like a PCI function.
 *
 * Opens the device through its group, maps a megabyte for DMA, reads its config space and keeps it
 * until there is something on its standard input or, when it is polite, until it is asked for it
 * by REQ, where the device has that interrupt. Lines on stdout: "refused ERRNO", "ready VENDOR",
 * "asked", "bye". Exit status: 0, 1 something was wrong with the device, 2 it was refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio_user.h"

#define DMA_BYTES (1 << 20)

static void say(const char *text)
{
	puts(text);
	fflush(stdout);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void refused(void)
{
	printf("refused %s\n", strerrorname_np(errno));
	exit(2);
}

static void map_memory(int container)
{
	void *mem =
		mmap(NULL, DMA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED || vfio_map(container, mem, 1 << 30, DMA_BYTES))
		die("MAP_DMA");
}

/* -1: the device has no such interrupt. */
static int request_fd(int device)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_REQ_IRQ_INDEX };
	int fd;

	if (ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &info) || !info.count)
		return -1;
	fd = vfio_request_fd(device);
	if (fd < 0)
		die("SET_IRQS");
	return fd;
}

static uint32_t ids(int device)
{
	uint32_t value = 0;

	if (vfio_config_access(device, 0, &value, 4, 0) != 4)
		die("config space");
	return value;
}

int main(int argc, char **argv)
{
	int container, group, device, request;
	struct pollfd fds[2] = { { .fd = 0, .events = POLLIN }, { .fd = -1, .events = POLLIN } };
	bool polite;

	if (argc != 3)
		return 1;
	polite = strcmp(argv[2], "polite") == 0;
	group = vfio_open_group("mdev", argv[1]);
	if (group < 0)
		refused();
	container = vfio_open_container(group);
	if (container < 0)
		die("container");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[1]);
	if (device < 0)
		refused();
	map_memory(container);
	request = request_fd(device);
	printf("ready %04x\n", ids(device) & 0xffff);
	fflush(stdout);
	fds[1].fd = request;
	while (poll(fds, 2, -1) >= 0 && !fds[0].revents) {
		if (!fds[1].revents)
			continue;
		say("asked");
		fds[1].fd = -1;
		if (polite)
			break;
	}
	say("bye");
	close(device);
	close(group);
	close(container);
	return 0;
}
