/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that is open hears of its errors: this program runs in a session, opens the device and
 * lets `uvfio inject`, another process, make it report errors. Then it looks at ERR, the registers,
 * the counters, and brings the device back to life after a fatal one.
 *
 *	inject_test UVFIO-PROGRAM
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vfio.h>

#define BDF	"0000:01:00.0"
#define CONFIG	(7L << 40)
#define AER	0x100
#define NVME_VS 8

static int device, err;
static const char *uvfio;
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
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irq = { { .argsz = sizeof(irq),
		    .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		    .index = VFIO_PCI_ERR_IRQ_INDEX,
		    .count = 1 },
		  -1 };
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
	err = irq.fd = eventfd(0, EFD_NONBLOCK);
	if (device < 0 || ioctl(device, VFIO_DEVICE_SET_IRQS, &irq))
		exit(2);
}

static uint32_t config(unsigned int off)
{
	uint32_t value = 0;

	if (pread(device, &value, 4, CONFIG + off) != 4)
		exit(2);
	return value;
}

static void set_command(uint16_t command)
{
	if (pwrite(device, &command, 2, CONFIG + 4) != 2)
		exit(2);
}

static uint32_t version(void)
{
	uint32_t value = 0;

	check(pread(device, &value, 4, NVME_VS) == 4, "a register can be read");
	return value;
}

static void inject(const char *what)
{
	char command[512];

	fflush(stdout);
	snprintf(command, sizeof(command), "%s inject aer " BDF " %s", uvfio, what);
	check(system(command) == 0, command);
}

static uint64_t heard(void)
{
	uint64_t value = 0;

	return read(err, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

/* The number behind @name in an attribute. */
static int counter(const char *attribute, const char *name)
{
	char path[128], line[128];
	int value = -1, n;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/" BDF "/%s", attribute);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line + strlen(name), " %d", &n) == 1)
			value = n;
	if (f)
		fclose(f);
	return value;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	uvfio = argv[1];
	open_device();
	set_command(6);
	inject("corr RxErr");
	check(heard() == 0, "nobody hears of a correctable error");
	check(counter("aer_dev_correctable", "RxErr") == 1, "RxErr is counted");
	inject("nonfatal UnsupReq");
	check(heard() == 1, "a non-fatal error signals ERR");
	check(counter("aer_dev_nonfatal", "UnsupReq") == 1, "UnsupReq is counted");
	check(counter("aer_dev_nonfatal", "TOTAL_ERR_NONFATAL") == 1, "the total is counted");
	check(config(AER + 4) == 0, "the status is cleared");
	check((config(AER + 0x18) & 0x1f) == 20, "the first error pointer stays");
	check(version() == 0x10400, "the device goes on");
	inject("fatal");
	check(heard() == 1, "a fatal error signals ERR");
	check(counter("aer_dev_fatal", "TOTAL_ERR_FATAL") == 1, "the total is counted");
	check(counter("../aer_rootport_total_err_fatal", "") == 1, "the port counts");
	check(config(AER + 4) == 0x40000, "the status survives the reset");
	check(version() == 0xffffffff, "the device was reset and does not decode");
	set_command(6);
	check(version() == 0x10400, "COMMAND brings it back");
	inject("nonfatal 0x2000");
	check(heard() == 1, "a number does, too");
	printf("%s\n", failures ? "failed" : "passed");
	return failures ? 1 : 0;
}
