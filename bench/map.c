/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MAP_DMA + UNMAP_DMA of touched memory through the container's file, 4 KiB, 2 MiB and 1 GiB, with
 * one idle device attached; and the same with a page table full of other mappings. Below the
 * machine: the IOMMU, the memory and the files are the real ones, the device is none.
 */
#include "bench.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/depth.h"
#include "base/fault.h"
#include "file/file.h"
#include "hostmem/hostmem.h"
#include "iommu/dma.h"
#include "vfio/iommu_driver.h"

#define IOVA_BASE  (1ULL << 40)
#define OTHERS	   10000
#define OTHER_IOVA (1ULL << 32)

static struct iommu_group *group;
static struct hostmem *hm;
static struct file *container;
static void *memory;
static uint64_t size;

static struct iommu_group *group_of(void *arg, struct device *dev)
{
	return group;
}

static bool yes(void *arg)
{
	return true;
}

static bool viable(void *arg, struct iommu_group *g)
{
	return true;
}

static int claim(void *arg, unsigned int id)
{
	return 0;
}

static void release(void *arg, unsigned int id)
{
}

static unsigned int entry_limit(void *arg)
{
	return 65535;
}

static int map(uint64_t iova, void *vaddr, uint64_t len)
{
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)vaddr,
		.iova = iova,
		.size = len,
	};

	return (int)file_ioctl(container, VFIO_IOMMU_MAP_DMA, (unsigned long)&m);
}

static int unmap(uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap u = { .argsz = sizeof(u), .iova = iova, .size = len };
	int ret = (int)file_ioctl(container, VFIO_IOMMU_UNMAP_DMA, (unsigned long)&u);

	return ret || u.size != len;
}

static void map_unmap(unsigned long count)
{
	while (count--) {
		BENCH_CHECK(map(IOVA_BASE, memory, size));
		BENCH_CHECK(unmap(IOVA_BASE, size));
	}
}

static void setup(void)
{
	static struct device dev = { .name = "0000:01:00.0" };
	static struct vfio_device vdev;
	static const struct vfio_device_ops ops = { .name = "none" };
	struct vfio_env env = {
		.group_of = group_of,
		.group_viable = viable,
		.group_claim = claim,
		.group_release = release,
		.dma_entry_limit = entry_limit,
		.allow_unsafe_interrupts = yes,
	};
	struct vfio_core *core;
	struct file *group_file;
	struct iommu *unit;
	struct iommu_dev *idev;
	int fd;

	BENCH_CHECK(fault_init());
	BENCH_CHECK(hostmem_create(UINT64_MAX, &hm));
	env.hm = hm;
	BENCH_CHECK(iommu_create(IOMMU_MODEL_AMD, "ivhd0", &unit));
	BENCH_CHECK(iommu_dev_create(unit, 0x100, dev.name, &idev));
	BENCH_CHECK(iommu_group_create(0, &group));
	iommu_group_add_device(group, idev);
	BENCH_CHECK(vfio_core_create(&env, &core));
	vfio_core_set(core);
	BENCH_CHECK(vfio_register_iommu_driver(core, &vfio_iommu_driver_ops_type1));
	BENCH_CHECK(vfio_init_device(&vdev, &dev, &ops, NULL));
	BENCH_CHECK(vfio_register_group_dev(&vdev, VFIO_IOMMU));
	BENCH_CHECK(vfio_container_open(core, O_RDWR, &container));
	BENCH_CHECK(vfio_group_open(core, 0, O_RDWR, &group_file));
	file_get(container);
	fd = file_install(container, O_RDWR);
	BENCH_CHECK(fd < 0);
	BENCH_CHECK(file_ioctl(group_file, VFIO_GROUP_SET_CONTAINER, (unsigned long)&fd));
	BENCH_CHECK(file_ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
}

int main(int argc, char **argv)
{
	const uint64_t gib = 1ULL << 30;
	char *area;

	bench_init(argc, argv);
	depth_enter();
	setup();
	area = mmap(NULL, 2 * gib, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	BENCH_CHECK(area == MAP_FAILED);
	/* As a program's hugetlb or THP memory is: congruent with the IOVA. */
	memory = (void *)(((uintptr_t)area + gib - 1) & ~(gib - 1));
	for (uint64_t off = 0; off < gib; off += 4096)
		((volatile char *)memory)[off] = 1;
	size = 4096;
	bench_measure("MAP + UNMAP of 4 KiB", 20000, map_unmap);
	size = 2 << 20;
	bench_measure("MAP + UNMAP of 2 MiB", 500, map_unmap);
	size = gib;
	bench_measure("MAP + UNMAP of 1 GiB", 2, map_unmap);
	for (uint64_t i = 0; i < OTHERS; i++)
		BENCH_CHECK(map(OTHER_IOVA + i * 8192, (char *)memory + i * 4096, 4096));
	size = 4096;
	bench_measure("MAP + UNMAP of 4 KiB beside 10,000 others", 20000, map_unmap);
	memory = (char *)memory + 4096;
	size = gib - 4096;
	bench_measure("MAP + UNMAP of 1 GiB in 4 KiB leaves", 2, map_unmap);
	bench_end();
	depth_leave();
	return 0;
}
