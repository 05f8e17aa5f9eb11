/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings: the rules of MAP and UNMAP in both versions, limits, information, domains. */
#include "vfio/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE HOST_PAGE_SIZE

static struct fx_open o;
static char *mem;

static void setup_type(unsigned long type)
{
	fixture_setup();
	o = fx_open_all(type);
	mem = fx_memory(64 * PAGE);
}

static void setup_v1(void)
{
	setup_type(VFIO_TYPE1_IOMMU);
}

static void setup_v2(void)
{
	setup_type(VFIO_TYPE1v2_IOMMU);
}

static void teardown(void)
{
	fx_close_all(&o);
	munmap(mem, 64 * PAGE);
	fixture_teardown();
}

static long map(uint64_t iova, uint64_t size)
{
	return fx_map(o.container, FX_RW, mem, iova, size);
}

/* The size that an unmap reports, or its error. */
static long unmap(uint64_t iova, uint64_t size)
{
	long ret = fx_unmap(o.container, 0, iova, &size);

	return ret ? ret : (long)size;
}

static bool reaches(unsigned int dev, uint64_t iova)
{
	uint8_t byte;

	return dma_read(fx.devs[dev].iommu, iova, &byte, 1) == 0;
}

/* ---- MAP ------------------------------------------------------------------------------------- */

START_TEST(map_arguments)
{
	const uint64_t top = ~0xfffULL;
	struct vfio_iommu_type1_dma_map m = {
		.argsz = 31, .flags = FX_RW, .vaddr = (uintptr_t)mem, .size = PAGE
	};

	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_MAP_DMA, &m), -EINVAL);
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_MAP_DMA, NULL), -EFAULT);
	ck_assert_int_eq(fx_map(o.container, 0, mem, 0, PAGE), -EINVAL);
	ck_assert_int_eq(fx_map(o.container, FX_RW | 8, mem, 0, PAGE), -EINVAL);
	ck_assert_int_eq(fx_map(o.container, 7, mem, 0, PAGE), -EINVAL);
	ck_assert_int_eq(fx_map(o.container, 4, mem, 0, PAGE), -ENOENT);
	ck_assert_int_eq(map(0, 0), -EINVAL);
	ck_assert_int_eq(map(0, 1), -EINVAL);
	ck_assert_int_eq(map(1, PAGE), -EINVAL);
	ck_assert_int_eq(fx_map(o.container, FX_RW, mem + 1, 0, PAGE), -EINVAL);
	/* An end beyond 2^64 comes before flags and alignment, an empty range before it. */
	ck_assert_int_eq(map(top, 2 * PAGE), -EOVERFLOW);
	ck_assert_int_eq(fx_map(o.container, FX_RW, (void *)top, 0, 2 * PAGE), -EOVERFLOW);
	ck_assert_int_eq(fx_map(o.container, 0, mem, top, 2 * PAGE), -EOVERFLOW);
	ck_assert_int_eq(map(top, 2 * PAGE + 1), -EOVERFLOW);
	ck_assert_int_eq(map(top, 0), -EINVAL);
	ck_assert_int_eq(fx_map(o.container, FX_RW | 8, mem, top, 2 * PAGE), -EINVAL);
	/* The MSI window. */
	ck_assert_int_eq(map(0xfee00000, PAGE), -EINVAL);
	ck_assert_int_eq(map(0xfedff000, 2 * PAGE), -EINVAL);
	ck_assert_int_eq(map(0xfeeff000, 2 * PAGE), -EINVAL);
	ck_assert_int_eq(map(0xfedff000, PAGE), 0);
	ck_assert_int_eq(map(0xfef00000, PAGE), 0);
	/* AMD translates all 64 bits. */
	ck_assert_int_eq(map(top, PAGE), 0);
	ck_assert_int_eq(unmap(top, PAGE), PAGE);
}
END_TEST

START_TEST(map_bad_memory)
{
	char *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *gone = fx_memory(4 * PAGE);

	munmap(gone + 2 * PAGE, PAGE);
	ck_assert_int_eq(fx_map(o.container, FX_RW, NULL, 0, PAGE), -EFAULT);
	ck_assert_int_eq(fx_map(o.container, FX_RW, (void *)(1ULL << 47), 0, PAGE), -EFAULT);
	ck_assert_int_eq(fx_map(o.container, FX_RW, (void *)(-1ULL << 47), 0, PAGE), -EFAULT);
	ck_assert_int_eq(fx_map(o.container, FX_RW, ro, 0, PAGE), -EFAULT);
	ck_assert_int_eq(fx_map(o.container, VFIO_DMA_MAP_FLAG_WRITE, ro, 0, PAGE), -EFAULT);
	ck_assert_int_eq(fx_map(o.container, VFIO_DMA_MAP_FLAG_READ, none, 0, PAGE), -EFAULT);
	ck_assert_int_eq(fx_map(o.container, FX_RW, gone, 0, 4 * PAGE), -EFAULT);
	/* Nothing of it is left. */
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	ck_assert(!reaches(0, 0));
	ck_assert_int_eq(fx_map(o.container, VFIO_DMA_MAP_FLAG_READ, ro, 0, PAGE), 0);
	ck_assert(reaches(0, 0));
	ck_assert_int_eq(dma_write(fx.devs[0].iommu, 0, "x", 1), -EIO);
	munmap(none, PAGE);
	munmap(gone, 4 * PAGE);
}
END_TEST

START_TEST(map_overlaps)
{
	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	ck_assert_int_eq(map(0x10000, 4 * PAGE), -EEXIST);
	ck_assert_int_eq(map(0x13000, 2 * PAGE), -EEXIST);
	ck_assert_int_eq(map(0xf000, 2 * PAGE), -EEXIST);
	ck_assert_int_eq(map(0x8000, 64 * PAGE), -EEXIST);
	ck_assert_int_eq(map(0x11000, PAGE), -EEXIST);
	ck_assert_int_eq(map(0xf000, PAGE), 0);
	ck_assert_int_eq(map(0x14000, PAGE), 0);
	/* The same memory twice is fine. */
	ck_assert_int_eq(dma_write(fx.devs[0].iommu, 0x10000, "abcd", 4), 0);
	ck_assert_mem_eq(mem, "abcd", 4);
	mem[0] = 'z';
	uint8_t byte = 0;

	ck_assert_int_eq(dma_read(fx.devs[0].iommu, 0x14000, &byte, 1), 0);
	ck_assert_int_eq(byte, 'z');
}
END_TEST

/* ---- UNMAP ----------------------------------------------------------------------------------- */

START_TEST(unmap_arguments)
{
	struct vfio_iommu_type1_dma_unmap u = { .argsz = 23, .iova = 0x10000, .size = PAGE };
	uint64_t size;

	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_UNMAP_DMA, &u), -EINVAL);
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_UNMAP_DMA, NULL), -EFAULT);
	ck_assert_int_eq(unmap(0x10000, 0), -EINVAL);
	ck_assert_int_eq(unmap(0x10000, 1), -EINVAL);
	ck_assert_int_eq(unmap(0x10001, PAGE), -EINVAL);
	ck_assert_int_eq(unmap(~0xfffULL, 2 * PAGE), -EOVERFLOW);
	ck_assert_int_eq(unmap(~0xfffULL, 2 * PAGE + 1), -EINVAL);
	ck_assert_int_eq(unmap(~0xfffULL, PAGE), 0);
	size = PAGE;
	ck_assert_int_eq(fx_unmap(o.container, 8, 0x10000, &size), -EINVAL);
	/* A failure leaves the user's size alone. */
	ck_assert_uint_eq(size, PAGE);
	size = PAGE;
	ck_assert_int_eq(fx_unmap(o.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size), -EINVAL);
	size = 0;
	ck_assert_int_eq(fx_unmap(o.container, VFIO_DMA_UNMAP_FLAG_ALL, PAGE, &size), -EINVAL);
	ck_assert(reaches(0, 0x10000));
	ck_assert_int_eq(map(0x40000, PAGE), 0);
	ck_assert_int_eq(fx_unmap(o.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size), 0);
	ck_assert_uint_eq(size, 5 * PAGE);
	ck_assert(!reaches(0, 0x10000));
	size = 0;
	ck_assert_int_eq(fx_unmap(o.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size), 0);
	ck_assert_uint_eq(size, 0);
}
END_TEST

START_TEST(unmap_v1)
{
	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	ck_assert_int_eq(unmap(0x30000, PAGE), 0);
	/* The first byte takes all of it, any other part nothing. */
	ck_assert_int_eq(unmap(0x13000, PAGE), 0);
	ck_assert_int_eq(unmap(0x11000, PAGE), 0);
	ck_assert_int_eq(unmap(0x13000, 16 * PAGE), 0);
	ck_assert(reaches(0, 0x13000));
	ck_assert_int_eq(unmap(0x10000, PAGE), 4 * PAGE);
	ck_assert(!reaches(0, 0x13000));
	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	ck_assert_int_eq(unmap(0x8000, 9 * PAGE), 4 * PAGE);
	/* Over several with holes, and no further than one that starts before. */
	ck_assert_int_eq(map(0x10000, PAGE), 0);
	ck_assert_int_eq(map(0x20000, 2 * PAGE), 0);
	ck_assert_int_eq(unmap(0x0, 0x100000), 3 * PAGE);
	ck_assert_int_eq(map(0x10000, 2 * PAGE), 0);
	ck_assert_int_eq(map(0x20000, PAGE), 0);
	ck_assert_int_eq(unmap(0x11000, 0x100000), 0);
	ck_assert(reaches(0, 0x20000));
}
END_TEST

START_TEST(unmap_v2)
{
	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	ck_assert_int_eq(map(0x20000, PAGE), 0);
	ck_assert_int_eq(unmap(0x30000, PAGE), 0);
	ck_assert_int_eq(unmap(0x10000, PAGE), -EINVAL);
	ck_assert_int_eq(unmap(0x13000, PAGE), -EINVAL);
	ck_assert_int_eq(unmap(0x11000, PAGE), -EINVAL);
	ck_assert_int_eq(unmap(0x13000, 16 * PAGE), -EINVAL);
	ck_assert_int_eq(unmap(0x8000, 9 * PAGE), -EINVAL);
	ck_assert(reaches(0, 0x10000));
	ck_assert(reaches(0, 0x13000));
	ck_assert_int_eq(unmap(0x0, 0x100000), 5 * PAGE);
	ck_assert(!reaches(0, 0x20000));
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
}
END_TEST

START_TEST(vaddr_update)
{
	uint64_t size = 0;

	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	ck_assert_int_eq(map(0x20000, PAGE), 0);
	ck_assert_int_eq(fx_unmap(o.container, VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR,
				  0, &size),
			 0);
	ck_assert_uint_eq(size, 5 * PAGE);
	/* The mapping itself goes on. */
	ck_assert(reaches(0, 0x10000));
	ck_assert_int_eq(fx_map(o.container, 4, mem, 0x10000, PAGE), -EINVAL);
	ck_assert_int_eq(fx_map(o.container, 4, mem, 0x10000, 4 * PAGE), 0);
	ck_assert_int_eq(fx_map(o.container, 4, mem, 0x10000, 4 * PAGE), -EINVAL);
	ck_assert_int_eq(fx_map(o.container, 4, mem, 0x90000, PAGE), -ENOENT);
	/* One that is invalid already: all or nothing. */
	size = 0x100000;
	ck_assert_int_eq(fx_unmap(o.container, VFIO_DMA_UNMAP_FLAG_VADDR, 0, &size), -EINVAL);
	ck_assert_int_eq(fx_map(o.container, 4, mem, 0x10000, 4 * PAGE), -EINVAL);
	/* No group may join meanwhile. */
	int g = fx_open_group(1);

	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &o.container), -EBUSY);
	ck_assert_int_eq(fx_map(o.container, 4, mem, 0x20000, PAGE), 0);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &o.container), 0);
	fx_close(g);
}
END_TEST

/* ---- limits and information ------------------------------------------------------------------ */

struct info {
	struct vfio_iommu_type1_info info;
	uint8_t caps[256];
};

static struct vfio_info_cap_header *find_cap(struct info *info, uint16_t id)
{
	struct vfio_info_cap_header *header;

	for (uint32_t off = info->info.cap_offset; off; off = header->next) {
		header = (void *)((uint8_t *)info + off);
		if (header->id == id)
			return header;
	}
	return NULL;
}

static void get_info(struct info *info)
{
	memset(info, 0, sizeof(*info));
	info->info.argsz = sizeof(*info);
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_GET_INFO, info), 0);
	ck_assert_uint_eq(info->info.flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
}

static uint32_t dma_avail(void)
{
	struct vfio_iommu_type1_info_dma_avail *cap;
	struct info info;

	get_info(&info);
	cap = (void *)find_cap(&info, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	ck_assert_ptr_nonnull(cap);
	return cap->avail;
}

START_TEST(info_caps)
{
	struct vfio_iommu_type1_info_cap_iova_range *iova;
	struct vfio_iommu_type1_info_cap_migration *migration;
	struct info info = { .info = { .argsz = 15 } };
	const uint32_t full = 24 + 32 + 16 + 16 + 3 * 16;

	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_GET_INFO, &info), -EINVAL);
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_GET_INFO, NULL), -EFAULT);
	info.info.argsz = 16;
	info.info.cap_offset = 0xeeeeeeee;
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_GET_INFO, &info), 0);
	ck_assert_uint_eq(info.info.argsz, full);
	ck_assert_uint_eq(info.info.cap_offset, 0xeeeeeeee);
	info.info.argsz = full - 1;
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_GET_INFO, &info), 0);
	ck_assert_uint_eq(info.info.cap_offset, 0);
	get_info(&info);
	ck_assert_uint_eq(info.info.iova_pgsizes & 0xfff, 0);
	ck_assert_uint_eq(info.info.iova_pgsizes & 0x201000, 0x201000);
	migration = (void *)find_cap(&info, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);
	ck_assert_uint_eq(migration->pgsize_bitmap, PAGE);
	ck_assert_uint_eq(migration->max_dirty_bitmap_size, 0x10000000);
	iova = (void *)find_cap(&info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	ck_assert_uint_eq(iova->nr_iovas, 3);
	ck_assert_uint_eq(iova->iova_ranges[0].start, 0);
	ck_assert_uint_eq(iova->iova_ranges[0].end, 0xfedfffff);
	ck_assert_uint_eq(iova->iova_ranges[1].start, 0xfef00000);
	ck_assert_uint_eq(iova->iova_ranges[1].end, 0xfcffffffff);
	ck_assert_uint_eq(iova->iova_ranges[2].start, 0x10000000000);
	ck_assert_uint_eq(iova->iova_ranges[2].end, UINT64_MAX);
}
END_TEST

START_TEST(entry_limit)
{
	ck_assert_uint_eq(dma_avail(), 65535);
	ck_assert_int_eq(map(0, PAGE), 0);
	ck_assert_uint_eq(dma_avail(), 65534);
	ck_assert_int_eq(fx_map(o.container, FX_RW, NULL, PAGE, PAGE), -EFAULT);
	ck_assert_uint_eq(dma_avail(), 65534);
	ck_assert_int_eq(unmap(0, PAGE), PAGE);
	ck_assert_uint_eq(dma_avail(), 65535);
	fx_close_all(&o);
	fx.dma_entry_limit = 3;
	o = fx_open_all(VFIO_TYPE1v2_IOMMU);
	for (uint64_t i = 0; i < 3; i++)
		ck_assert_int_eq(map(i * PAGE, PAGE), 0);
	ck_assert_int_eq(map(0x10000, PAGE), -ENOSPC);
	/* What exists is told first, where nothing may be mapped afterwards. */
	ck_assert_int_eq(map(0, PAGE), -EEXIST);
	ck_assert_int_eq(map(0xfee00000, PAGE), -ENOSPC);
	ck_assert_int_eq(unmap(0, 3 * PAGE), 3 * PAGE);
	ck_assert_int_eq(map(0x10000, PAGE), 0);
}
END_TEST

static size_t table_bytes(void)
{
	struct file *file = file_from_fd(o.container);
	struct vfio_container *container = file->priv;
	struct vfio_group *group =
		list_first_entry(&container->groups, struct vfio_group, container_node);
	size_t bytes = iommu_domain_table_bytes(vfio_iommu_driver_ops_type1.group_iommu_domain(
		container->iommu_data, group->iommu_group));

	file_put(file);
	return bytes;
}

/* The parameter: a page at a time, so that 2 MiB take a table of their own. */
START_TEST(hugepages_off)
{
	const uint64_t size = 0x200000;
	char *buf =
		mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *large = (char *)ALIGN_UP((uintptr_t)buf, size);
	size_t before;

	ck_assert_int_eq(fx_map(o.container, FX_RW, large, 0, size), 0);
	before = table_bytes();
	ck_assert_int_eq(fx_map(o.container, FX_RW, large, size, size), 0);
	ck_assert_uint_eq(table_bytes(), before);
	fx.disable_hugepages = true;
	ck_assert_int_eq(fx_map(o.container, FX_RW, large, 2 * size, size), 0);
	ck_assert_uint_eq(table_bytes(), before + PAGE);
	ck_assert_int_eq(unmap(0, 3 * size), 3 * (int)size);
	munmap(buf, 2 * size);
}
END_TEST

START_TEST(memlock)
{
	struct fx_open open;
	char *buf;

	fixture_setup_with(IOMMU_MODEL_INTEL, IOMMU_MODEL_INTEL, 4 * PAGE);
	open = fx_open_all(VFIO_TYPE1_IOMMU);
	buf = fx_memory(8 * PAGE);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, 0, 5 * PAGE), -ENOMEM);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, 0, 3 * PAGE), 0);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf + 4 * PAGE, 0x10000, 2 * PAGE), -ENOMEM);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf + 4 * PAGE, 0x10000, PAGE), 0);
	fx_close_all(&open);
	munmap(buf, 8 * PAGE);
	fixture_teardown();
}
END_TEST

START_TEST(intel_aperture)
{
	struct fx_open open;
	char *buf;

	fixture_setup_with(IOMMU_MODEL_INTEL, IOMMU_MODEL_INTEL, UINT64_MAX);
	fx.allow_unsafe = false;
	open = fx_open_all(VFIO_TYPE1_IOMMU);
	buf = fx_memory(2 * PAGE);
	ck_assert_int_eq(fx_ioctl(open.container, VFIO_CHECK_EXTENSION, (void *)4), 0);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, (1ULL << 48) - PAGE, 2 * PAGE),
			 -EINVAL);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, 1ULL << 48, PAGE), -EINVAL);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, (1ULL << 48) - PAGE, PAGE), 0);
	fx_close_all(&open);
	munmap(buf, 2 * PAGE);
	fixture_teardown();
}
END_TEST

/* ---- groups and domains ---------------------------------------------------------------------- */

START_TEST(second_group_shares)
{
	int g = fx_open_group(2);

	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	ck_assert(!reaches(2, 0x10000));
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &o.container), 0);
	ck_assert(reaches(2, 0x10000));
	ck_assert(reaches(3, 0x10000));
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	ck_assert(!reaches(2, 0x10000));
	ck_assert(reaches(0, 0x10000));
	fx_close(g);
}
END_TEST

/* A unit of another format gets a domain of its own with all mappings, and its limits hold. */
START_TEST(replay_into_a_new_domain)
{
	char *buf;
	struct fx_open open;
	uint64_t size;
	uint8_t byte;
	int g;

	fixture_setup_with(IOMMU_MODEL_AMD, IOMMU_MODEL_INTEL, UINT64_MAX);
	open = fx_open_all(VFIO_TYPE1v2_IOMMU);
	buf = fx_memory(600 * PAGE);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, 0x200000, 600 * PAGE), 0);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, ~0xfffULL, PAGE), 0);
	g = fx_open_group(1);
	/* That one lies outside 48 bits. */
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &open.container), -EINVAL);
	ck_assert(!reaches(1, 0x200000));
	size = PAGE;
	ck_assert_int_eq(fx_unmap(open.container, 0, ~0xfffULL, &size), 0);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &open.container), 0);
	for (unsigned int i = 0; i < 600; i++) {
		buf[i * PAGE] = (char)i;
		ck_assert_int_eq(dma_read(fx.devs[1].iommu, 0x200000 + i * PAGE, &byte, 1), 0);
		ck_assert_uint_eq(byte, (uint8_t)i);
	}
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, ~0xfffULL, PAGE), -EINVAL);
	ck_assert_int_eq(fx_ioctl(open.container, VFIO_CHECK_EXTENSION, (void *)4), 0);
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, 0, PAGE), 0);
	ck_assert(reaches(1, 0));
	size = 0;
	ck_assert_int_eq(fx_unmap(open.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size), 0);
	ck_assert(!reaches(1, 0));
	ck_assert(!reaches(0, 0));
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	/* All 64 bits again. */
	ck_assert_int_eq(fx_map(open.container, FX_RW, buf, ~0xfffULL, PAGE), 0);
	fx_close(g);
	fx_close_all(&open);
	munmap(buf, 600 * PAGE);
	fixture_teardown();
}
END_TEST

/* ---- memory that is another device's, or goes away ------------------------------------------- */

static void *map_region_prot(int fd, void *at, size_t size, uint64_t off, int prot)
{
	struct file *file = file_from_fd(fd);
	void *out;

	ck_assert_int_eq(
		file_mmap(file, at, size, prot, MAP_SHARED | (at ? MAP_FIXED : 0), off, &out), 0);
	file_put(file);
	return out;
}

static void *map_region(int fd, void *at, size_t size, uint64_t off)
{
	return map_region_prot(fd, at, size, off, PROT_READ | PROT_WRITE);
}

START_TEST(read_only_region)
{
	void *bar = map_region_prot(o.device, NULL, PAGE, 0, PROT_READ);

	ck_assert_int_eq(fx_map(o.container, FX_RW, bar, 0, PAGE), -EFAULT);
	ck_assert_int_eq(fx_map(o.container, VFIO_DMA_MAP_FLAG_READ, bar, 0, PAGE), 0);
	ck_assert(reaches(0, 0));
	ck_assert_int_eq(dma_write(fx.devs[0].iommu, 0, "x", 1), -EIO);
	ck_assert_int_eq(unmap(0, PAGE), PAGE);
	file_munmap((uintptr_t)bar, PAGE);
	munmap(bar, PAGE);
}
END_TEST

START_TEST(peer_to_peer)
{
	char data[] = "between devices", back[sizeof(data)];
	void *bar = map_region(o.device, NULL, 2 * PAGE, PAGE);
	uint64_t size = PAGE;
	int g = fx_open_group(2), d;

	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &o.container), 0);
	d = (int)fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, fx.devs[2].dev.name);
	ck_assert_int_ge(d, 0);
	ck_assert_int_eq(fx_map(o.container, FX_RW, bar, 0x100000, 2 * PAGE), 0);
	ck_assert_int_eq(dma_write(fx.devs[2].iommu, 0x101001, data, sizeof(data)), 0);
	ck_assert_mem_eq(fx.devs[0].mem + 2 * PAGE + 1, data, sizeof(data));
	ck_assert_int_eq(dma_read(fx.devs[2].iommu, 0x101001, back, sizeof(data)), 0);
	ck_assert_str_eq(data, back);
	/* The program's mapping may go, the IOMMU's stays. */
	file_munmap((uintptr_t)bar, 2 * PAGE);
	munmap(bar, 2 * PAGE);
	ck_assert(reaches(2, 0x100000));
	/* The device may go: DMA to it fails. */
	fx_close(o.device);
	ck_assert_int_eq(fx.devs[0].closes, 1);
	ck_assert(!reaches(2, 0x100000));
	size = 2 * PAGE;
	ck_assert_int_eq(fx_unmap(o.container, 0, 0x100000, &size), 0);
	ck_assert_uint_eq(size, 2 * PAGE);
	o.device = d;
	fx_close(o.group);
	o.group = g;
}
END_TEST

START_TEST(mixture_of_memory_and_region)
{
	char *buf = fx_memory(4 * PAGE);

	map_region(o.device, buf + PAGE, PAGE, 0);
	ck_assert_int_eq(fx_map(o.container, FX_RW, buf, 0x10000, 4 * PAGE), 0);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 3 * PAGE);
	ck_assert_int_eq(dma_write(fx.devs[0].iommu, 0x10000, "mem0", 4), 0);
	ck_assert_int_eq(dma_write(fx.devs[0].iommu, 0x11000, "bar0", 4), 0);
	ck_assert_int_eq(dma_write(fx.devs[0].iommu, 0x12000, "mem2", 4), 0);
	ck_assert_mem_eq(buf, "mem0", 4);
	ck_assert_mem_eq(fx.devs[0].mem, "bar0", 4);
	ck_assert_mem_eq(buf + 2 * PAGE, "mem2", 4);
	file_munmap((uintptr_t)buf + PAGE, PAGE);
	ck_assert_int_eq(unmap(0x10000, 4 * PAGE), 4 * PAGE);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	munmap(buf, 4 * PAGE);
}
END_TEST

/* Found by fuzzing: looking for the runs of such a range page by page takes minutes. */
START_TEST(region_before_a_huge_hole)
{
	const uint64_t size = 1ULL << 39;
	void *hole =
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ck_assert_ptr_ne(hole, MAP_FAILED);
	map_region(o.device, hole, PAGE, 0);
	ck_assert_int_eq(fx_map(o.container, FX_RW, hole, 1ULL << 43, size), -EFAULT);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	ck_assert(!reaches(0, 1ULL << 43));
	file_munmap((uintptr_t)hole, PAGE);
	munmap(hole, size);
}
END_TEST

START_TEST(memory_unmapped_while_mapped)
{
	char *buf = fx_memory(4 * PAGE);
	uint8_t byte = 0;
	int g = fx_open_group(1);

	memset(buf, 0x77, 4 * PAGE);
	ck_assert_int_eq(fx_map(o.container, FX_RW, buf, 0x10000, 4 * PAGE), 0);
	hostmem_will_unmap(fx.hm, (uintptr_t)buf, 2 * PAGE);
	munmap(buf, 2 * PAGE);
	/* As pinned pages do, they live on for the device. */
	ck_assert_int_eq(dma_read(fx.devs[0].iommu, 0x11fff, &byte, 1), 0);
	ck_assert_uint_eq(byte, 0x77);
	ck_assert_int_eq(dma_write(fx.devs[0].iommu, 0x10000, "moved", 5), 0);
	/* A group that joins now finds them where they are. */
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &o.container), 0);
	ck_assert_int_eq(dma_read(fx.devs[1].iommu, 0x10004, &byte, 1), 0);
	ck_assert_uint_eq(byte, 'd');
	ck_assert_int_eq(unmap(0x10000, 4 * PAGE), 4 * PAGE);
	ck_assert(!reaches(0, 0x10000));
	fx_close(g);
	munmap(buf + 2 * PAGE, 2 * PAGE);
}
END_TEST

static atomic_bool unmapped;

static void *unmapper(void *arg)
{
	ck_assert_int_eq(unmap(0x10000, PAGE), PAGE);
	atomic_store(&unmapped, true);
	return NULL;
}

/* The promise: while a device is in a section that may have seen the mapping, UNMAP waits. */
START_TEST(unmap_waits_for_sections)
{
	const struct timespec soon = { .tv_nsec = 20000000 };
	struct iommu_dev *dev = fx.devs[0].iommu;
	pthread_t thread;
	size_t contig;
	bool again;
	char *p;

	ck_assert_int_eq(map(0x10000, PAGE), 0);
	dma_enter(dev);
	p = dma_translate(dev, 0x10000, 1, true, &contig, &again);
	ck_assert_ptr_eq(p, mem);
	ck_assert_int_eq(pthread_create(&thread, NULL, unmapper, NULL), 0);
	nanosleep(&soon, NULL);
	ck_assert(!atomic_load(&unmapped));
	*p = 1;
	dma_leave(dev);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert(atomic_load(&unmapped));
	ck_assert(!reaches(0, 0x10000));
}
END_TEST

START_TEST(counts_maps)
{
	ck_assert_int_eq(map(0, PAGE), 0);
	ck_assert_int_eq(map(PAGE, PAGE), 0);
	ck_assert_uint_eq(dma_stats(fx.devs[0].iommu)->maps, 2);
	ck_assert_uint_eq(dma_stats(fx.devs[1].iommu)->maps, 0);
}
END_TEST

static void add_both(TCase *tc)
{
	tcase_add_test(tc, map_arguments);
	tcase_add_test(tc, map_bad_memory);
	tcase_add_test(tc, map_overlaps);
	tcase_add_test(tc, unmap_arguments);
	tcase_add_test(tc, vaddr_update);
	tcase_add_test(tc, info_caps);
	tcase_add_test(tc, entry_limit);
	tcase_add_test(tc, hugepages_off);
	tcase_add_test(tc, second_group_shares);
	tcase_add_test(tc, read_only_region);
	tcase_add_test(tc, peer_to_peer);
	tcase_add_test(tc, mixture_of_memory_and_region);
	tcase_add_test(tc, region_before_a_huge_hole);
	tcase_add_test(tc, memory_unmapped_while_mapped);
	tcase_add_test(tc, unmap_waits_for_sections);
	tcase_add_test(tc, counts_maps);
}

int main(void)
{
	Suite *suite = suite_create("type1");
	TCase *v1 = tcase_create("v1"), *v2 = tcase_create("v2"),
	      *own = tcase_create("own machine");

	tcase_add_checked_fixture(v1, setup_v1, teardown);
	add_both(v1);
	tcase_add_test(v1, unmap_v1);
	suite_add_tcase(suite, v1);
	tcase_add_checked_fixture(v2, setup_v2, teardown);
	add_both(v2);
	tcase_add_test(v2, unmap_v2);
	suite_add_tcase(suite, v2);
	tcase_add_test(own, memlock);
	tcase_add_test(own, intel_aperture);
	tcase_add_test(own, replay_into_a_new_domain);
	suite_add_tcase(suite, own);
	return fixture_main(suite);
}
