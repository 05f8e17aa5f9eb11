/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config accesses of any place and width, as a vfio-pci user and through sysfs. Beside "nothing
 * breaks": a read gives the same bytes in whatever pieces it is made, ids and class never change,
 * and after a reset the device looks as it did.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include "door.h"
#include "input.h"

#define CONFIG	    ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)
#define CFG_SIZE    4096u
#define REGION_MASK ((1ull << 40) - 1)
#define OPS	    64

static int container, group, device, sysfs;
static unsigned int which; /* of the machine's devices */
static uint8_t pristine[CFG_SIZE];

static int ioctl_on(int fd, unsigned long request, void *arg)
{
	return uvfio_ioctl(fuzz_machine, fd, request, arg);
}

static void read_all(uint8_t *out)
{
	must(uvfio_pread(fuzz_machine, device, out, CFG_SIZE, CONFIG) == CFG_SIZE, "short read");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_machine_create();
	return 0;
}

static void open_device(void)
{
	static const char *const config[] = { "/sys/bus/pci/devices/0000:01:00.0/config",
					      "/sys/bus/pci/devices/0000:02:00.0/config" };

	container = uvfio_open(fuzz_machine, "/dev/vfio/vfio", O_RDWR);
	group = uvfio_open(fuzz_machine, fuzz_group[which], O_RDWR);
	must(container >= 0 && group >= 0, "open: %d %d", container, group);
	must(!ioctl_on(group, VFIO_GROUP_SET_CONTAINER, &container), "set container");
	must(!ioctl_on(container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), "set iommu");
	device = ioctl_on(group, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)fuzz_bdf[which]);
	must(device >= 0, "device: %d", device);
	sysfs = uvfio_open(fuzz_machine, config[which], O_RDWR);
	must(sysfs >= 0, "sysfs config: %d", sysfs);
}

static void close_device(void)
{
	must(!uvfio_close(fuzz_machine, sysfs), "close");
	must(!uvfio_close(fuzz_machine, device), "close");
	must(!uvfio_close(fuzz_machine, group), "close");
	must(!uvfio_close(fuzz_machine, container), "close");
}

/* The same bytes read at once and in pieces. */
static void check_pieces(struct input *in)
{
	uint8_t whole[16] = { 0 }, pieces[16] = { 0 };
	unsigned int off = take16(in) % (CFG_SIZE - 16), len = 1 + below(in, 16), at = 0;

	must(uvfio_pread(fuzz_machine, device, whole, len, CONFIG + off) == (ssize_t)len, "read");
	while (at < len) {
		unsigned int n = 1 + below(in, len - at);

		must(uvfio_pread(fuzz_machine, device, pieces + at, n, CONFIG + off + at) ==
			     (ssize_t)n,
		     "read of %u at %#x", n, off + at);
		at += n;
	}
	must(!memcmp(whole, pieces, len), "%u bytes at %#x differ in pieces", len, off);
}

/* Vendor, device, revision, class, header type, capability pointer and subsystem ids. */
static void check_constant(void)
{
	static const struct {
		uint8_t off, len;
	} constant[] = { { 0x00, 4 }, { 0x08, 4 }, { 0x0e, 1 }, { 0x2c, 4 }, { 0x34, 1 } };
	uint8_t now[0x40];

	must(uvfio_pread(fuzz_machine, device, now, sizeof(now), CONFIG) == sizeof(now), "read");
	for (size_t i = 0; i < sizeof(constant) / sizeof(constant[0]); i++)
		must(!memcmp(now + constant[i].off, pristine + constant[i].off, constant[i].len),
		     "%#x changed", constant[i].off);
}

static void access_config(struct input *in, int fd, uint64_t base, bool write)
{
	uint8_t buf[64];
	uint64_t off = below(in, 8) ? take16(in) % (CFG_SIZE + 64) : take64(in);
	size_t len = below(in, 4) ? 1u << below(in, 4) : below(in, sizeof(buf));
	ssize_t ret;

	if (base)
		off &= REGION_MASK;
	take(in, buf, len);
	ret = write ? uvfio_pwrite(fuzz_machine, fd, buf, len, base + off)
		    : uvfio_pread(fuzz_machine, fd, buf, len, base + off);
	must(ret <= (ssize_t)len && fuzz_result_ok(ret), "%zu bytes at %#llx gave %zd", len,
	     (unsigned long long)off, ret);
	if (base && off + len <= CFG_SIZE)
		must(ret == (ssize_t)len, "%zu bytes at %#llx gave %zd", len,
		     (unsigned long long)off, ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t after[CFG_SIZE];
	/* What root changes through sysfs stays. */
	uint8_t start = take8(&in);
	bool with_sysfs = start & 1;

	which = start >> 1 & 1;
	open_device();
	read_all(pristine);
	for (unsigned int ops = 0; in.size && ops < OPS; ops++) {
		switch (below(&in, 8)) {
		case 0:
		case 1:
		case 2:
			access_config(&in, device, CONFIG, true);
			break;
		case 3:
			access_config(&in, device, CONFIG, false);
			break;
		case 4:
			access_config(&in, sysfs, 0, with_sysfs);
			break;
		case 5:
			access_config(&in, sysfs, 0, false);
			break;
		case 6:
			check_pieces(&in);
			break;
		default:
			must(fuzz_result_ok(ioctl_on(device, VFIO_DEVICE_RESET, NULL)), "reset");
			break;
		}
		check_constant();
	}
	close_device();
	if (with_sysfs)
		return 0;
	/* A new user finds the device as the first one did. */
	open_device();
	read_all(after);
	for (unsigned int i = 0; i < CFG_SIZE; i++)
		must(after[i] == pristine[i], "%#x is %#x after a new open, was %#x", i, after[i],
		     pristine[i]);
	close_device();
	return 0;
}
