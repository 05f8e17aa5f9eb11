/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host resets a device that this program has open: other processes of the session write to
 * `reset`, to the port's `reset_subordinate` and to its Bridge Control. The registers are reset
 * here, where the device is; config space is restored, but not by the port's own reset.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define BDF	 "0000:01:00.0"
#define CONFIG	 (7L << 40)
#define NVME_AQA 0x24
#define SIZES	 0x001f001fU

static int device;
static unsigned int failures;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	printf("FAILED %s\n", what);
	failures++;
}

static void open_device(void)
{
	int container = open("/dev/vfio/vfio", O_RDWR), group;
	char link[256] = "", path[300];

	if (readlink("/sys/bus/pci/devices/" BDF "/iommu_group", link, sizeof(link) - 1) < 0)
		exit(2);
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(link, '/'));
	group = open(path, O_RDWR);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		exit(2);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, BDF);
	if (device < 0)
		exit(2);
}

static uint16_t command(void)
{
	uint16_t value = 0;

	if (pread(device, &value, 2, CONFIG + PCI_COMMAND) != 2)
		exit(2);
	return value;
}

/* COMMAND and a register that a reset clears. */
static void set_up(void)
{
	uint16_t on = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	uint32_t sizes = SIZES;

	if (pwrite(device, &on, 2, CONFIG + PCI_COMMAND) != 2 ||
	    pwrite(device, &sizes, 4, NVME_AQA) != 4)
		exit(2);
}

static uint32_t sizes(void)
{
	uint32_t value = 0;

	if (pread(device, &value, 4, NVME_AQA) != 4)
		exit(2);
	return value;
}

static void run(const char *command)
{
	fflush(stdout);
	check(system(command) == 0, command);
}

static void reset_by(const char *command_line)
{
	set_up();
	check(sizes() == SIZES, "the register keeps what is written");
	run(command_line);
}

int main(void)
{
	open_device();
	reset_by("echo 1 > /sys/bus/pci/devices/" BDF "/reset");
	check(sizes() == 0, "reset: the registers are reset");
	check(command() == 6, "reset: config space is restored");
	reset_by("echo 1 > /sys/bus/pci/devices/" BDF "/../reset_subordinate");
	check(sizes() == 0, "reset_subordinate: the registers are reset");
	check(command() == 6, "reset_subordinate: config space is restored");
	reset_by("printf '\\100' | dd of=/sys/bus/pci/devices/" BDF "/../config bs=1 seek=62 "
		 "conv=notrunc 2>/dev/null");
	check(command() == 0, "Bridge Control: nobody restores config space");
	run("printf '\\0' | dd of=/sys/bus/pci/devices/" BDF "/../config bs=1 seek=62 "
	    "conv=notrunc 2>/dev/null");
	set_up();
	check(sizes() == SIZES, "the device goes on");
	close(device);
	printf("%s\n", failures ? "failed" : "passed");
	return failures ? 1 : 0;
}
