/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver's first steps through the C API: container, group, device, config space, BAR, DMA
 * map. */
#include "machine/testing.h"

#include <dirent.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/failpoint.h"

#define BDF "0000:01:00.0"

static void setup(void)
{
	static const char *const devices[] = { "nvme,size=16M", NULL };

	make_machine(devices, "intel");
}

static void teardown(void)
{
	char dir[256];

	snprintf(dir, sizeof(dir), "%s", uvfio_machine_directory(machine));
	uvfio_machine_destroy(machine);
	ck_assert_int_eq(access(dir, F_OK), -1);
}

START_TEST(devices_are_listed)
{
	struct uvfio_device_info info;

	ck_assert_int_eq(uvfio_machine_device(machine, 0, &info), 0);
	ck_assert_str_eq(info.address, BDF);
	ck_assert_str_eq(info.model, "nvme");
	ck_assert_str_eq(info.driver, "vfio-pci");
	ck_assert_int_eq(info.group, 2);
	ck_assert_uint_eq(info.vendor, 0x1b36);
	ck_assert_int_eq(uvfio_machine_device(machine, 1, &info), -ENOENT);
}
END_TEST

static int open_device(int *container, int *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	*container = uvfio_open(machine, "/dev/vfio/vfio", O_RDWR);
	ck_assert_int_ge(*container, 0);
	ck_assert_int_eq(uvfio_ioctl(machine, *container, VFIO_GET_API_VERSION, NULL), 0);
	*group = uvfio_open(machine, "/dev/vfio/2", O_RDWR);
	ck_assert_int_ge(*group, 0);
	ck_assert_int_eq(uvfio_ioctl(machine, *group, VFIO_GROUP_GET_STATUS, &status), 0);
	ck_assert_uint_eq(status.flags, VFIO_GROUP_FLAGS_VIABLE);
	ck_assert_int_eq(uvfio_ioctl(machine, *group, VFIO_GROUP_SET_CONTAINER, container), 0);
	ck_assert_int_eq(
		uvfio_ioctl(machine, *container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0);
	return uvfio_ioctl(machine, *group, VFIO_GROUP_GET_DEVICE_FD, (void *)BDF);
}

/* Vectors that a user enables are listed, and go with him. */
static void check_msi_irqs(int device)
{
	char buf[sizeof(struct vfio_irq_set) + 2 * sizeof(int)] __attribute__((aligned(8)));
	struct vfio_irq_set *set = (void *)buf;
	int fds[2] = { eventfd(0, 0), eventfd(0, 0) };
	char path[512];

	*set = (struct vfio_irq_set){ .argsz = sizeof(buf),
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					       VFIO_IRQ_SET_ACTION_TRIGGER,
				      .index = VFIO_PCI_MSIX_IRQ_INDEX,
				      .count = 2 };
	memcpy(set->data, fds, sizeof(fds));
	ck_assert(!exists("/sys/bus/pci/devices/" BDF "/msi_irqs"));
	ck_assert_int_eq(uvfio_ioctl(machine, device, VFIO_DEVICE_SET_IRQS, set), 0);
	for (int irq = 0; irq < 2; irq++) {
		/* The third function of the machine: a range of numbers for each. */
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/" BDF "/msi_irqs/%d",
			 24 + 2 * 256 + irq);
		ck_assert_str_eq(get(path), "msix\n");
	}
	*set = (struct vfio_irq_set){ .argsz = sizeof(*set),
				      .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
				      .index = VFIO_PCI_MSIX_IRQ_INDEX };
	ck_assert_int_eq(uvfio_ioctl(machine, device, VFIO_DEVICE_SET_IRQS, set), 0);
	ck_assert(!exists("/sys/bus/pci/devices/" BDF "/msi_irqs"));
	close(fds[0]);
	close(fds[1]);
}

START_TEST(a_driver_comes_up)
{
	struct vfio_region_info bar = { .argsz = sizeof(bar) },
				config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ |
							 VFIO_DMA_MAP_FLAG_WRITE,
						.iova = 0x100000,
						.size = 0x10000 };
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
						    .iova = 0x100000,
						    .size = 0x10000 };
	int container, group, device = open_device(&container, &group);
	volatile uint32_t *regs;
	void *memory, *mapped;
	uint16_t ids[2];

	ck_assert_int_ge(device, 0);
	ck_assert_int_eq(uvfio_ioctl(machine, device, VFIO_DEVICE_GET_REGION_INFO, &config), 0);
	ck_assert_int_eq(uvfio_pread(machine, device, ids, 4, config.offset), 4);
	ck_assert_uint_eq(ids[0], 0x1b36);
	ck_assert_uint_eq(ids[1], 0x0010);

	check_msi_irqs(device);
	memory = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map.vaddr = (uintptr_t)memory;
	ck_assert_int_eq(uvfio_ioctl(machine, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	ck_assert_int_eq(uvfio_ioctl(machine, container, VFIO_IOMMU_MAP_DMA, &map), -EEXIST);
	ck_assert_int_eq(uvfio_ioctl(machine, container, VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
	ck_assert_uint_eq(unmap.size, 0x10000);
	ck_assert_int_eq(uvfio_munmap(machine, memory, 0x10000), 0);

	ck_assert_int_eq(uvfio_ioctl(machine, device, VFIO_DEVICE_GET_REGION_INFO, &bar), 0);
	ck_assert(bar.flags & VFIO_REGION_INFO_FLAG_MMAP);
	ck_assert_int_eq(uvfio_mmap(machine, NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED,
				    device, bar.offset, &mapped),
			 0);
	regs = mapped;
	ck_assert_uint_eq(regs[2], 0x00010400); /* VS: NVMe 1.4 */
	ck_assert_int_eq(uvfio_munmap(machine, mapped, 0x1000), 0);
	ck_assert_int_eq(uvfio_close(machine, device), 0);
	ck_assert_int_eq(uvfio_close(machine, group), 0);
	ck_assert_int_eq(uvfio_close(machine, container), 0);
}
END_TEST

START_TEST(sysfs_bar_is_mapped)
{
	const char *path = "/sys/bus/pci/devices/" BDF "/resource0";
	int fd = uvfio_open(machine, path, O_RDWR);
	volatile uint32_t *regs;
	void *mapped;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(uvfio_mmap(machine, NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				    0, &mapped),
			 0);
	regs = mapped;
	ck_assert_uint_eq(regs[2], 0x00010400);
	ck_assert_int_eq(uvfio_munmap(machine, mapped, 0x4000), 0);
	ck_assert_int_lt(uvfio_mmap(machine, NULL, 0x8000, PROT_READ, MAP_SHARED, fd, 0, &mapped),
			 0);
	ck_assert_int_eq(uvfio_close(machine, fd), 0);
}
END_TEST

START_TEST(failures_say_why)
{
	static const char *const devices[] = { "nvme,file=/nonexistent/disk", NULL };
	struct uvfio_machine_config config = { .devices = devices };
	struct uvfio_machine *other;
	char err[512] = "";

	ck_assert_int_eq(uvfio_machine_create(&config, &other, err, sizeof(err)), -EBUSY);
	ck_assert_int_eq(uvfio_machine_destroy(machine), 0);
	ck_assert_int_lt(uvfio_machine_create(&config, &other, err, sizeof(err)), 0);
	ck_assert_ptr_nonnull(strstr(err, "/nonexistent/disk"));
	setup();
	ck_assert_int_eq(uvfio_open(machine, "/dev/vfio/99", O_RDWR), -ENOENT);
	ck_assert_int_eq(uvfio_open(machine, "/dev/vfio/new", O_RDWR | O_CREAT), -EACCES);
	ck_assert_int_eq(uvfio_open(machine, "/dev/vfio/new/1", O_RDWR | O_CREAT), -ENOENT);
	ck_assert_int_eq(uvfio_ioctl(machine, 987, 0, NULL), -EBADF);
}
END_TEST

START_TEST(a_machine_in_use_stays)
{
	int container, group, device = open_device(&container, &group);
	void *mapped;

	ck_assert_int_eq(uvfio_machine_destroy(machine), -EBUSY);
	ck_assert_int_eq(uvfio_mmap(machine, NULL, 4096, PROT_READ, MAP_SHARED, device, 0, &mapped),
			 0);
	uvfio_close(machine, device);
	uvfio_close(machine, group);
	uvfio_close(machine, container);
	/* The mapping keeps the device open, as in Linux. */
	ck_assert_int_eq(uvfio_machine_destroy(machine), -EBUSY);
	ck_assert_uint_eq(((volatile uint32_t *)mapped)[2], 0x00010400);
	ck_assert_int_eq(uvfio_munmap(machine, mapped, 4096), 0);
}
END_TEST

START_TEST(memlock_limits)
{
	struct uvfio_machine_config config = { .memlock = 1 << 20 };
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ,
						.size = 2 << 20 };
	int container, group, device;
	void *memory;

	uvfio_machine_destroy(machine);
	ck_assert_int_eq(uvfio_machine_create(&config, &machine, NULL, 0), 0);
	device = open_device(&container, &group);
	ck_assert_int_ge(device, 0);
	memory = mmap(NULL, map.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map.vaddr = (uintptr_t)memory;
	ck_assert_int_eq(uvfio_ioctl(machine, container, VFIO_IOMMU_MAP_DMA, &map), -ENOMEM);
	map.size = 1 << 20;
	ck_assert_int_eq(uvfio_ioctl(machine, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	uvfio_close(machine, device);
	uvfio_close(machine, group);
	uvfio_close(machine, container);
}
END_TEST

static bool is_empty(const char *dir)
{
	DIR *list = opendir(dir);
	struct dirent *entry;
	bool empty = true;

	while ((entry = readdir(list)))
		if (entry->d_name[0] != '.')
			empty = false;
	closedir(list);
	return empty;
}

/* Each failure point on the way to a machine in turn: an error or a machine, and nothing left. */
START_TEST(failures_leave_nothing_behind)
{
	static const char *const devices[] = { "nvme,size=16M", NULL };
	struct uvfio_machine_config config = { .devices = devices };
	char base[] = "/dev/shm/uvfio-sweep-XXXXXX";
	unsigned int nth = 0, failed = 0;
	bool fired;

	uvfio_machine_destroy(machine);
	ck_assert_ptr_nonnull(mkdtemp(base));
	setenv("UVFIO_DIR", base, 1);
	do {
		char err[512] = "";
		int ret;

		failpoint_arm(++nth);
		ret = uvfio_machine_create(&config, &machine, err, sizeof(err));
		fired = failpoint_fired();
		failpoint_arm(0);
		if (ret) {
			failed++;
			ck_assert_msg(fired && err[0], "point %u: %d \"%s\"", nth, ret, err);
		} else {
			uvfio_machine_destroy(machine);
		}
		ck_assert_msg(is_empty(base), "point %u leaves a session", nth);
	} while (fired);
	ck_assert_uint_gt(failed, 20);
	ck_assert_int_eq(rmdir(base), 0);
	unsetenv("UVFIO_DIR");
	make_machine(devices, "amd");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api");
	TCase *tc = tcase_create("api");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, devices_are_listed);
	tcase_add_test(tc, a_driver_comes_up);
	tcase_add_test(tc, sysfs_bar_is_mapped);
	tcase_add_test(tc, failures_say_why);
	tcase_add_test(tc, a_machine_in_use_stays);
	tcase_add_test(tc, memlock_limits);
	tcase_add_test(tc, failures_leave_nothing_behind);
	tcase_set_timeout(tc, 20);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
