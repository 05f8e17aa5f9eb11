/* SPDX-License-Identifier: BSD-3-Clause */
/* The ioctls, reads and writes of a device file. */
#include "vfio/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static struct fx_open o;

static void setup(void)
{
	fixture_setup();
	o = fx_open_all(VFIO_TYPE1v2_IOMMU);
}

static void teardown(void)
{
	fx_close_all(&o);
	fixture_teardown();
}

START_TEST(info_argsz_growth)
{
	union {
		uint32_t argsz;
		struct vfio_device_info info;
		uint8_t bytes[64];
	} a;
	struct vfio_device_info_cap_pci_atomic_comp *cap;
	const uint32_t full = VFIO_DEVICE_INFO_SIZE + sizeof(*cap);

	for (uint32_t argsz = 0; argsz <= sizeof(a); argsz++) {
		memset(&a, 0xee, sizeof(a));
		a.argsz = argsz;
		if (argsz < 16) {
			ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_INFO, &a), -EINVAL);
			ck_assert_int_eq(a.bytes[4], 0xee);
			continue;
		}
		ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_INFO, &a), 0);
		ck_assert_uint_eq(a.info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_CAPS);
		ck_assert_uint_eq(a.info.num_regions, 2);
		ck_assert_uint_eq(a.argsz, MAX(argsz, full));
		/* Nothing behind what the user has is touched. */
		ck_assert_int_eq(a.bytes[argsz < full ? MIN(argsz, 24) : full], 0xee);
		if (argsz < full) {
			if (argsz >= 20)
				ck_assert_uint_eq(a.info.cap_offset, 0);
			continue;
		}
		ck_assert_uint_eq(a.info.cap_offset, VFIO_DEVICE_INFO_SIZE);
		cap = (void *)(a.bytes + a.info.cap_offset);
		ck_assert_uint_eq(cap->header.id, VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP);
		ck_assert_uint_eq(cap->header.next, 0);
		ck_assert_uint_eq(cap->flags, VFIO_PCI_ATOMIC_COMP32);
	}
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_INFO, NULL), -EFAULT);
}
END_TEST

START_TEST(region_info_chain)
{
	union {
		struct vfio_region_info info;
		uint8_t bytes[128];
	} a = { .info = { .argsz = 32, .index = 0 } };
	struct vfio_info_cap_header *header;
	struct vfio_region_info_cap_sparse_mmap *sparse;

	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_REGION_INFO, &a), 0);
	ck_assert_uint_eq(a.info.argsz, 32 + 32 + 8);
	ck_assert_uint_eq(a.info.cap_offset, 0);
	ck_assert(a.info.flags & VFIO_REGION_INFO_FLAG_CAPS);
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_REGION_INFO, &a), 0);
	ck_assert_uint_eq(a.info.cap_offset, 32);
	sparse = (void *)(a.bytes + 32);
	ck_assert_uint_eq(sparse->header.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ck_assert_uint_eq(sparse->areas[0].size, 0x1000);
	ck_assert_uint_eq(sparse->header.next, 64);
	header = (void *)(a.bytes + sparse->header.next);
	ck_assert_uint_eq(header->id, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
	ck_assert_uint_eq(header->next, 0);
	a.info.index = 1;
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_REGION_INFO, &a), 0);
	ck_assert_uint_eq(a.info.offset, 1ULL << 40);
	ck_assert(!(a.info.flags & VFIO_REGION_INFO_FLAG_CAPS));
	a.info.index = 2;
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_REGION_INFO, &a), -EINVAL);
	a.info.index = 0;
	a.info.argsz = 31;
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_REGION_INFO, &a), -EINVAL);
}
END_TEST

static long set_irqs(uint32_t argsz, uint32_t flags, uint32_t index, uint32_t start, uint32_t count)
{
	struct {
		struct vfio_irq_set set;
		int32_t data[FIXTURE_IRQS];
	} a = {
		.set = { .argsz = argsz,
			 .flags = flags,
			 .index = index,
			 .start = start,
			 .count = count },
		.data = { 11, 22, 33, 44 },
	};

	return fx_ioctl(o.device, VFIO_DEVICE_SET_IRQS, &a);
}

START_TEST(set_irqs_header)
{
	const uint32_t none = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t efd = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t flag_bool = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_MASK;

	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_SET_IRQS, NULL), -EFAULT);
	ck_assert_int_eq(set_irqs(19, none, 0, 0, 1), -EINVAL);
	ck_assert_int_eq(set_irqs(20, none, 2, 0, 1), -EINVAL);
	ck_assert_int_eq(set_irqs(20, none, 1, 0, 0), -EINVAL);
	ck_assert_int_eq(set_irqs(20, none, 0, 4, 0), -EINVAL);
	ck_assert_int_eq(set_irqs(20, none, 0, 0, 5), -EINVAL);
	ck_assert_int_eq(set_irqs(20, none, 0, 3, 2), -EINVAL);
	ck_assert_int_eq(set_irqs(20, none, 0, 1, UINT32_MAX - 1), -EINVAL);
	ck_assert_int_eq(set_irqs(20, 0x61, 0, 0, 1), -EINVAL);
	ck_assert_int_eq(set_irqs(20, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0, 1), -EINVAL);
	ck_assert_int_eq(set_irqs(20, none | VFIO_IRQ_SET_DATA_BOOL, 0, 0, 1), -EINVAL);
	ck_assert_int_eq(set_irqs(23, efd, 0, 0, 1), -EINVAL);
	ck_assert_int_eq(set_irqs(20, flag_bool, 0, 0, 1), -EINVAL);
	ck_assert_uint_eq(fx.devs[0].irq_flags, 0);

	ck_assert_int_eq(set_irqs(20, none, 0, 0, 0), 0);
	ck_assert_int_eq(set_irqs(28, efd, 0, 1, 2), 0);
	ck_assert_uint_eq(fx.devs[0].irq_flags, efd);
	ck_assert_uint_eq(fx.devs[0].irq_start, 1);
	ck_assert_uint_eq(fx.devs[0].irq_count, 2);
	ck_assert_int_eq(fx.devs[0].irq_data[0], 11);
	ck_assert_int_eq(fx.devs[0].irq_data[1], 22);
	ck_assert_int_eq(set_irqs(24, flag_bool, 0, 0, 4), 0);
}
END_TEST

/* The data runs into memory that is not there. */
START_TEST(set_irqs_fault)
{
	char *page = fx_memory(HOST_PAGE_SIZE * 2);
	struct vfio_irq_set *set = (void *)(page + HOST_PAGE_SIZE - sizeof(*set));

	munmap(page + HOST_PAGE_SIZE, HOST_PAGE_SIZE);
	*set = (struct vfio_irq_set){
		.argsz = sizeof(*set) + 4,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.count = 1,
	};
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_SET_IRQS, set), -EFAULT);
	ck_assert_uint_eq(fx.devs[0].irq_flags, 0);
	munmap(page, HOST_PAGE_SIZE);
}
END_TEST

START_TEST(irq_info)
{
	struct vfio_irq_info info = { .argsz = 16, .index = 0 };

	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_IRQ_INFO, &info), 0);
	ck_assert_uint_eq(info.count, FIXTURE_IRQS);
	info.index = 2;
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_IRQ_INFO, &info), -EINVAL);
	info = (struct vfio_irq_info){ .argsz = 15, .index = 0 };
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_GET_IRQ_INFO, &info), -EINVAL);
}
END_TEST

static long feature(uint32_t argsz, uint32_t flags, uint64_t *data)
{
	struct {
		struct vfio_device_feature feature;
		uint64_t data;
	} a = { .feature = { .argsz = argsz, .flags = flags }, .data = data ? *data : 0 };
	long ret = fx_ioctl(o.device, VFIO_DEVICE_FEATURE, &a);

	if (data)
		*data = a.data;
	return ret;
}

START_TEST(features)
{
	const uint32_t get = VFIO_DEVICE_FEATURE_GET, set = VFIO_DEVICE_FEATURE_SET;
	const uint32_t probe = VFIO_DEVICE_FEATURE_PROBE;
	static const int core[] = { 1, 2, 6, 7, 8, 9 };
	uint64_t data = 41;

	ck_assert_int_eq(feature(7, probe | 3, NULL), -EINVAL);
	ck_assert_int_eq(feature(16, probe | 3 | 1 << 20, NULL), -EINVAL);
	ck_assert_int_eq(feature(16, get | set | 3, NULL), -EINVAL);
	ck_assert_int_eq(feature(16, get | set | probe | 3, NULL), 0);
	ck_assert_uint_eq(fx.devs[0].feature_flags, get | set | probe);
	ck_assert_int_eq(feature(8, probe | 3, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(core); i++)
		ck_assert_int_eq(feature(16, probe | core[i], NULL), -ENOTTY);
	ck_assert_int_eq(feature(16, probe | 4, NULL), -ENOTTY);
	ck_assert_int_eq(feature(16, get | 3, &data), 0);
	ck_assert_uint_eq(data, 42);
	ck_assert_int_eq(feature(8, get | 3, NULL), -EINVAL);
	/* SET hands nothing back. */
	ck_assert_int_eq(feature(16, set | 3, &data), 0);
	ck_assert_uint_eq(data, 42);
}
END_TEST

START_TEST(feature_data_that_is_not_there)
{
	char *page = fx_memory(HOST_PAGE_SIZE * 2);
	struct vfio_device_feature *f = (void *)(page + HOST_PAGE_SIZE - sizeof(*f));

	munmap(page + HOST_PAGE_SIZE, HOST_PAGE_SIZE);
	f->argsz = 16;
	f->flags = VFIO_DEVICE_FEATURE_SET | 3;
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_FEATURE, f), -EFAULT);
	f->flags = VFIO_DEVICE_FEATURE_SET | 4;
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_FEATURE, f), -ENOTTY);
	f->flags = VFIO_DEVICE_FEATURE_PROBE | 3;
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_FEATURE, f), 0);
	munmap(page, HOST_PAGE_SIZE);
}
END_TEST

START_TEST(other_commands)
{
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_RESET, (void *)7), 0);
	ck_assert_int_eq(fx.devs[0].resets, 1);
	/* Two commands share this number; on a device it is the bus' own. */
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_IOMMU_GET_INFO, (void *)5), 5);
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_BIND_IOMMUFD, NULL), -ENOTTY);
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_GROUP_GET_STATUS, NULL), -ENOTTY);
	ck_assert_int_eq(fx_ioctl(o.device, 0x5401, NULL), -ENOTTY);
}
END_TEST

START_TEST(region_access)
{
	static uint8_t in[FIXTURE_REGION + 16], out[FIXTURE_REGION + 16];
	char *page = fx_memory(HOST_PAGE_SIZE * 2);

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	ck_assert_int_eq(fx_pwrite(o.device, in, 4, 8), 4);
	ck_assert_int_eq(fx_pread(o.device, out, 4, 8), 4);
	ck_assert_mem_eq(in, out, 4);
	/* More than the buffers hold, and cut at the region's end. */
	ck_assert_int_eq(fx_pwrite(o.device, in, sizeof(in), 0), FIXTURE_REGION);
	ck_assert_int_eq(fx_pread(o.device, out, sizeof(out), 0), FIXTURE_REGION);
	ck_assert_mem_eq(in, out, FIXTURE_REGION);
	ck_assert_int_eq(fx_pread(o.device, out, 100, FIXTURE_REGION - 40), 40);
	ck_assert_int_eq(fx_pread(o.device, out, 4, FIXTURE_REGION), -EINVAL);
	ck_assert_int_eq(fx_pread(o.device, out, 4, 1ULL << 40), -EINVAL);
	ck_assert_int_eq(fx_pread(o.device, out, 0, 99ULL << 40), 0);
	munmap(page + HOST_PAGE_SIZE, HOST_PAGE_SIZE);
	ck_assert_int_eq(fx_pread(o.device, NULL, 4, 0), -EFAULT);
	ck_assert_int_eq(fx_pread(o.device, page, 0x2000, 0), -EFAULT);
	ck_assert_int_eq(fx_pwrite(o.device, page + HOST_PAGE_SIZE - 2, 4, 0), -EFAULT);
	ck_assert_uint_eq(fx.devs[0].mem[0], in[0]);
	munmap(page, HOST_PAGE_SIZE);
}
END_TEST

START_TEST(read_advances)
{
	struct file *file = file_from_fd(o.device);
	uint32_t a = 0, b = 0;

	*(uint64_t *)fx.devs[0].mem = 0x2222222211111111;
	ck_assert_int_eq(file_read(file, (uintptr_t)&a, 4), 4);
	ck_assert_int_eq(file_read(file, (uintptr_t)&b, 4), 4);
	ck_assert_uint_eq(a, 0x11111111);
	ck_assert_uint_eq(b, 0x22222222);
	file_put(file);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vfio_device");
	TCase *tc = tcase_create("device");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, info_argsz_growth);
	tcase_add_test(tc, region_info_chain);
	tcase_add_test(tc, set_irqs_header);
	tcase_add_test(tc, set_irqs_fault);
	tcase_add_test(tc, irq_info);
	tcase_add_test(tc, features);
	tcase_add_test(tc, feature_data_that_is_not_there);
	tcase_add_test(tc, other_commands);
	tcase_add_test(tc, region_access);
	tcase_add_test(tc, read_advances);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
