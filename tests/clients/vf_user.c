/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vf_user BDF TOKEN polite|stubborn: a user of an igb function (82576 datasheet, 8.2.3, 8.14).
 *
 * Opens the function through its group, showing the VF token ("-": none), and uses it until it is
 * asked for it: of a VF it writes its mailbox and reads it back, so that two users who got the same
 * memory would notice; of the PF it reads STATUS. Lines on stdout: "refused ERRNO", "ready",
 * "asked", "bye". A polite one closes the function when it is asked, a stubborn one never. Exit
 * status: 0, 1 something was wrong with the function, 2 it was refused.
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

#define VF_ID	 0x10ca8086u
#define STATUS	 0x08
#define MAILBOX	 0x800
#define WORDS	 16u
#define ROUNDS	 20u
#define REGS_LEN 0x4000

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

static int open_device(const char *bdf, const char *token)
{
	int group = vfio_open_group("pci", bdf), device;
	char name[128];

	if (group < 0)
		die(bdf);
	if (vfio_open_container(group) < 0)
		die("container");
	snprintf(name, sizeof(name), strcmp(token, "-") ? "%s vf_token=%s" : "%s", bdf, token);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (device < 0) {
		printf("refused %s\n", strerrorname_np(errno));
		exit(2);
	}
	return device;
}

static int request_fd(int device)
{
	int fd = vfio_request_fd(device);

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

static volatile uint32_t *registers(int device)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	void *regs;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("region");
	regs = mmap(NULL, REGS_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	if (regs == MAP_FAILED)
		die("mmap");
	return regs;
}

/* One round: what was written is there, and is nobody else's. */
static bool use(volatile uint32_t *regs, bool vf, uint32_t salt)
{
	if (!vf)
		return regs[STATUS / 4] != ~0u;
	for (uint32_t i = 0; i < WORDS; i++)
		regs[MAILBOX / 4 + i] = salt + i;
	for (uint32_t i = 0; i < WORDS; i++)
		if (regs[MAILBOX / 4 + i] != salt + i)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct pollfd asked = { .events = POLLIN };
	volatile uint32_t *regs;
	bool vf, polite, told = false;
	uint32_t round = 0;
	int device;

	if (argc != 4) {
		fprintf(stderr, "usage: %s BDF TOKEN polite|stubborn\n", argv[0]);
		return 1;
	}
	polite = !strcmp(argv[3], "polite");
	device = open_device(argv[1], argv[2]);
	asked.fd = request_fd(device);
	vf = ids(device) == VF_ID;
	regs = registers(device);
	for (;;) {
		if (!use(regs, vf, (uint32_t)getpid() << 8 | (round & 0x7f) << 1)) {
			say("wrong");
			return 1;
		}
		if (++round == ROUNDS)
			say("ready");
		if (round < ROUNDS || poll(&asked, 1, 2) <= 0 || told)
			continue;
		say("asked");
		told = true;
		if (polite)
			break;
	}
	munmap((void *)regs, REGS_LEN);
	close(device);
	say("bye");
	return 0;
}
