/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver as the session sees it: types, instances, extents, what is left behind. */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drivers/nvme_mdev/nvme_mdev.h"
#include "drivers/nvme_mdev/slice.h"
#include "models/nvme/testdrv.h"
#include "vfio/fixture.h"

#define IMAGE "nvme_mdev_test.img"
#define MIB   (1ull << 20)
#define TOTAL (8 * MIB)
#define UUID1 "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define UUID2 "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"
#define UUID3 "83b8f4f2-509f-382f-3c1e-e6bfe0fa1003"

static struct device_core *core;
static struct nvme_mdev *parent;

static void make_image(void)
{
	static uint8_t block[MIB];
	int fd = open(IMAGE, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	memset(block, 0xaa, sizeof(block));
	for (unsigned int i = 0; i < TOTAL / MIB; i++)
		ck_assert_int_eq(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
}

/* How many bytes of [@start, @start + @size) of the medium are @byte. */
static uint64_t count(uint64_t start, uint64_t size, uint8_t byte)
{
	static uint8_t bytes[TOTAL];
	int fd = open(IMAGE, O_RDONLY);
	uint64_t n = 0;

	ck_assert_int_eq(pread(fd, bytes, size, (off_t)start), (ssize_t)size);
	close(fd);
	for (uint64_t i = 0; i < size; i++)
		n += bytes[i] == byte;
	return n;
}

static struct mdev_type *type(const char *name)
{
	char dir[32];
	struct mdev_type *t;

	snprintf(dir, sizeof(dir), "nvme_mdev-%s", name);
	t = mdev_find_type(&parent->parent, dir);
	ck_assert_msg(t, "no type %s", dir);
	return t;
}

static unsigned int available(const char *name)
{
	return mdev_type_available(type(name));
}

static const struct extent *extent(const char *uuid)
{
	int n = extents_find(&parent_state(&parent->parent)->extents, uuid);

	ck_assert_int_ge(n, 0);
	return &parent_state(&parent->parent)->extents.extent[n];
}

static void delete_mdev(const char *uuid)
{
	device_core_lock(core);
	ck_assert_int_eq(mdev_device_remove(mdev_find_device(uuid)), 0);
	device_core_unlock(core);
}

static void setup(void)
{
	fixture_setup();
	make_image();
	drv_start((const char *const[]){ "file=" IMAGE, "queues=4", "bandwidth=1G", NULL });
	ck_assert_int_eq(device_core_create(&core), 0);
	ck_assert_int_eq(device_add(&drv_dev->dev), 0);
	ck_assert_int_eq(mdev_init(core, NULL), 0);
	ck_assert_int_eq(nvme_mdev_probe(drv_dev, true), -EBUSY);
	ck_assert_int_eq(vfio_mdev_init(), 0);
	ck_assert_int_eq(nvme_mdev_probe(drv_dev, true), 0);
	parent = drv_dev->dev.drvdata;
}

static void teardown(void)
{
	nvme_mdev_remove(drv_dev, true);
	vfio_mdev_exit();
	mdev_exit();
	device_del(&drv_dev->dev);
	device_core_destroy(core);
	drv_stop();
	fixture_teardown();
	unlink(IMAGE);
}

START_TEST(types)
{
	char text[256] = "";

	ck_assert_uint_eq(available("1M"), 8);
	ck_assert_uint_eq(available("2M"), 4);
	ck_assert_uint_eq(available("4M"), 2);
	ck_assert_uint_eq(available("8M"), 1);
	ck_assert_ptr_null(mdev_find_type(&parent->parent, "nvme_mdev-16M"));
	ck_assert_str_eq(type("4M")->pretty_name, "nvme-4M");
	ck_assert_int_gt(nvme_mdev_ops.show_description(type("4M"), text, sizeof(text)), 0);
	ck_assert_str_eq(text, "NVMe controller, one namespace of 4194304 bytes\n");
}
END_TEST

/* (The fixture has room for one instance at a time: others are extents alone.) */
static void take(uint64_t size, const char *uuid)
{
	struct extents *table = &parent_state(&parent->parent)->extents;

	ck_assert_int_ge(extents_take(table, TOTAL, size, uuid), 0);
}

START_TEST(instances)
{
	take(4 * MIB, UUID1);
	ck_assert_uint_eq(available("4M"), 1);
	ck_assert_uint_eq(available("8M"), 0);
	ck_assert_int_eq(mdev_device_create(type("8M"), UUID2), -ENOSPC);
	ck_assert_ptr_null(mdev_find_device(UUID2));
	take(2 * MIB, UUID3);
	ck_assert_int_eq(mdev_device_create(type("2M"), UUID2), 0);
	ck_assert_int_eq(mdev_device_create(type("1M"), UUID2), -EEXIST);
	ck_assert_uint_eq(available("1M"), 0);
	/* What was there when it was made stays. */
	ck_assert_uint_eq(count(0, TOTAL, 0xaa), TOTAL);
	delete_mdev(UUID2);
	ck_assert_uint_eq(available("2M"), 1);
	ck_assert_uint_eq(available("4M"), 0);
}
END_TEST

/* The next one finds nothing of what the one before had. */
START_TEST(no_leak)
{
	uint64_t start;

	ck_assert_int_eq(mdev_device_create(type("2M"), UUID1), 0);
	start = extent(UUID1)->start;
	delete_mdev(UUID1);
	ck_assert_uint_eq(count(start, 2 * MIB, 0), 2 * MIB);
	ck_assert_uint_eq(count(0, TOTAL, 0xaa), TOTAL - 2 * MIB);
}
END_TEST

/* The process that removed it died before the blocks were cleared. */
START_TEST(left_dirty)
{
	struct extents *table = &parent_state(&parent->parent)->extents;

	ck_assert_int_ge(extents_take(table, TOTAL, 8 * MIB, UUID1), 0);
	ck_assert_uint_eq(available("1M"), 0);
	extents_drop(table, (unsigned int)extents_find(table, UUID1));
	ck_assert_uint_eq(available("8M"), 1);
	ck_assert_uint_eq(count(0, TOTAL, 0), TOTAL);
}
END_TEST

/* What cannot be cleared is not given out. */
START_TEST(medium_gone)
{
	take(4 * MIB, UUID2);
	ck_assert_int_eq(mdev_device_create(type("4M"), UUID1), 0);
	ck_assert_uint_eq(extent(UUID1)->start, 4 * MIB);
	ck_assert_int_eq(truncate(IMAGE, 4 * MIB), 0);
	delete_mdev(UUID1);
	ck_assert_uint_eq(available("1M"), 0);
	ck_assert_int_eq(truncate(IMAGE, TOTAL), 0);
	ck_assert_uint_eq(available("1M"), 4);
}
END_TEST

/* The parent goes with its instances, and all is free when it comes again. */
START_TEST(parent_comes_and_goes)
{
	ck_assert_int_eq(mdev_device_create(type("4M"), UUID1), 0);
	nvme_mdev_remove(drv_dev, true);
	ck_assert_ptr_null(mdev_find_device(UUID1));
	ck_assert_int_eq(nvme_mdev_probe(drv_dev, true), 0);
	parent = drv_dev->dev.drvdata;
	ck_assert_uint_eq(available("8M"), 1);
}
END_TEST

/* ---- a user ---------------------------------------------------------------------------------- */

#define IOVA  0x10000000ull
#define DEPTH 16u
enum { ADMIN_SQ, ADMIN_CQ, IO_SQ, IO_CQ, DATA, PAGES = DATA + 2 };

static struct {
	int container, group, device;
	uint8_t *mem;
	unsigned int tail[2], head[2], phase[2];
} user;

static void reg(uint32_t off, uint32_t value)
{
	ck_assert_int_eq(fx_pwrite(user.device, &value, 4, off), 4);
}

static unsigned int command(unsigned int q, struct nvme_sqe cmd)
{
	const struct nvme_cqe *cq =
		(const struct nvme_cqe *)(void *)(user.mem + (q ? IO_CQ : ADMIN_CQ) * 4096);
	unsigned int status;

	memcpy(user.mem + (q ? IO_SQ : ADMIN_SQ) * 4096 + 64 * user.tail[q], &cmd, sizeof(cmd));
	user.tail[q] = (user.tail[q] + 1) % DEPTH;
	reg(NVME_REG_DBS + 8 * q, user.tail[q]);
	cq += user.head[q];
	for (unsigned int i = 0;
	     (__atomic_load_n(&cq->status, __ATOMIC_ACQUIRE) & 1) != user.phase[q]; i++) {
		ck_assert_uint_lt(i, 100000);
		usleep(100);
	}
	status = cq->status >> 1 & 0x7ff;
	user.head[q] = (user.head[q] + 1) % DEPTH;
	user.phase[q] ^= user.head[q] == 0;
	reg(NVME_REG_DBS + 8 * q + 4, user.head[q]);
	return status;
}

static unsigned int transfer(uint8_t opcode, uint64_t lba)
{
	return command(1, (struct nvme_sqe){ .opcode = opcode,
					     .nsid = 1,
					     .prp1 = IOVA + DATA * 4096,
					     .cdw10 = (uint32_t)lba,
					     .cdw12 = 7 });
}

static void open_user(unsigned long iommu)
{
	uint16_t master = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	user.container = fx_open_container();
	user.group = fx_open_group(FIXTURE_NOIOMMU);
	ck_assert_int_ge(user.group, 0);
	ck_assert_int_eq(fx_ioctl(user.group, VFIO_GROUP_SET_CONTAINER, &user.container), 0);
	ck_assert_int_eq(fx_ioctl(user.container, VFIO_SET_IOMMU, (void *)iommu), 0);
	user.device = (int)fx_ioctl(user.group, VFIO_GROUP_GET_DEVICE_FD, (void *)UUID1);
	ck_assert_int_ge(user.device, 0);
	ck_assert_int_eq(fx_pwrite(user.device, &master, 2,
				   ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + PCI_COMMAND),
			 2);
	user.mem = fx_memory(PAGES * 4096);
	ck_assert_int_eq(fx_map(user.container, FX_RW, user.mem, IOVA, PAGES * 4096), 0);
}

static void enable(void)
{
	const uint32_t size = (DEPTH - 1) << 16;

	memset(user.mem, 0, DATA * 4096);
	user.tail[0] = user.tail[1] = user.head[0] = user.head[1] = 0;
	user.phase[0] = user.phase[1] = 1;
	reg(NVME_REG_AQA, size | (DEPTH - 1));
	reg(NVME_REG_ASQ, IOVA + ADMIN_SQ * 4096);
	reg(NVME_REG_ACQ, IOVA + ADMIN_CQ * 4096);
	reg(NVME_REG_CC, NVME_CC_EN | 6u << 16 | 4u << 20);
	ck_assert_uint_eq(command(0, (struct nvme_sqe){ .opcode = NVME_ADM_CREATE_CQ,
							.prp1 = IOVA + IO_CQ * 4096,
							.cdw10 = size | 1,
							.cdw11 = 1 }),
			  0);
	ck_assert_uint_eq(command(0, (struct nvme_sqe){ .opcode = NVME_ADM_CREATE_SQ,
							.prp1 = IOVA + IO_SQ * 4096,
							.cdw10 = size | 1,
							.cdw11 = 1 << 16 | 1 }),
			  0);
}

static void close_user(void)
{
	fx_close(user.device);
	fx_close(user.group);
	fx_close(user.container);
}

START_TEST(user_reads_and_writes)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct fair_slot *slot;
	uint64_t start, size = PAGES * 4096, touched = 0;

	take(MIB, UUID3);
	ck_assert_int_eq(mdev_device_create(type("2M"), UUID1), 0);
	start = extent(UUID1)->start;
	slot = &parent_state(&parent->parent)
			->fair.slots[extents_find(&parent_state(&parent->parent)->extents, UUID1)];
	open_user(VFIO_TYPE1v2_IOMMU);
	ck_assert_uint_eq(slot->joined, 1);
	ck_assert_int_eq(fx_ioctl(user.device, VFIO_DEVICE_GET_INFO, &info), 0);
	ck_assert_uint_eq(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	enable();
	memset(user.mem + DATA * 4096, 0x5c, 4096);
	ck_assert_uint_eq(transfer(NVME_IO_WRITE, 8), 0);
	ck_assert_uint_eq(count(start, 2 * MIB, 0x5c), 4096);
	ck_assert_uint_eq(count(start + 4096, 4096, 0x5c), 4096);
	ck_assert_uint_eq(count(0, TOTAL, 0xaa), TOTAL - 4096);
	ck_assert_uint_eq(transfer(NVME_IO_READ, 0), 0);
	ck_assert_uint_eq(user.mem[DATA * 4096], 0xaa);
	ck_assert_uint_eq(transfer(NVME_IO_READ, 2 * MIB / 512), NVME_SC_LBA_RANGE);
	/* It was on credit, and nobody waits. */
	ck_assert_uint_ge(slot->tag, FAIR_QUANTUM);
	ck_assert_uint_eq(slot->waiting, 0);
	/* A reset is its own. */
	ck_assert_int_eq(fx_ioctl(user.device, VFIO_DEVICE_RESET, NULL), 0);
	ck_assert_int_eq(fx_pwrite(user.device, &(uint16_t){ 6 }, 2,
				   ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + PCI_COMMAND),
			 2);
	enable();
	ck_assert_uint_eq(transfer(NVME_IO_READ, 8), 0);
	ck_assert_uint_eq(user.mem[DATA * 4096 + 4095], 0x5c);
	/* What the user unmaps the controller does not touch any more. */
	ck_assert_int_eq(fx_unmap(user.container, 0, IOVA, &size), 0);
	memset(user.mem, 0, PAGES * 4096);
	reg(NVME_REG_DBS + 8, (user.tail[1] + 1) % DEPTH);
	for (size_t i = 0; i < PAGES * 4096; i++)
		touched += user.mem[i];
	ck_assert_uint_eq(touched, 0);
	close_user();
	ck_assert_uint_eq(slot->joined, 0);
	/* Another time, another user: the data are there. QEMU's driver of NVMe controllers asks
	 * for version 1, where nothing can be pinned. */
	open_user(VFIO_TYPE1_IOMMU);
	enable();
	ck_assert_uint_eq(transfer(NVME_IO_WRITE, 16), 0);
	ck_assert_uint_eq(transfer(NVME_IO_READ, 8), 0);
	ck_assert_uint_eq(user.mem[DATA * 4096], 0x5c);
	close_user();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme_mdev");
	TCase *tc = tcase_create("nvme_mdev");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, types);
	tcase_add_test(tc, instances);
	tcase_add_test(tc, no_leak);
	tcase_add_test(tc, left_dirty);
	tcase_add_test(tc, medium_gone);
	tcase_add_test(tc, parent_comes_and_goes);
	tcase_add_test(tc, user_reads_and_writes);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
