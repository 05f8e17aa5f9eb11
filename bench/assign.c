/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device assignment in the old way: how long the first device of a VM of 1, 4 and 16 GiB takes (its
 * memory pinned and mapped page by page, the device attached), how long the last one's way back,
 * and what the IOMMU's tables take, with 4 KiB and with 2 MiB pages behind. All guest memory is one
 * memfd of 1 GiB, mapped as often as it is needed and touched before, so that neither memory nor
 * page faults are measured. A VM of the software model: slots are the same on a real one.
 */
#include "bench.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/depth.h"
#include "base/fault.h"
#include "iommu/dma.h"
#include "kvm/iommu.h"

#define GIB (1ULL << 30)
#define M2  (1ULL << 21)

static struct iommu *unit;
static struct pci_dev *pdev;
static struct hostmem *hm;
static size_t huge;

static size_t huge_size(uintptr_t addr)
{
	return huge;
}

static void setup(void)
{
	struct iommu_group *group;

	BENCH_CHECK(fault_init());
	BENCH_CHECK(hostmem_create(UINT64_MAX, &hm));
	BENCH_CHECK(iommu_create(IOMMU_MODEL_AMD, "ivhd0", &unit));
	pdev = calloc(1, sizeof(*pdev));
	BENCH_CHECK(!pdev);
	snprintf(pdev->dev.name, sizeof(pdev->dev.name), "0000:01:00.0");
	BENCH_CHECK(iommu_dev_create(unit, 0x100, pdev->dev.name, &pdev->iommu));
	BENCH_CHECK(iommu_group_create(0, &group));
	iommu_group_add_device(group, pdev->iommu);
}

/* @gib GiB of guest memory, 2 MiB aligned. */
static char *guest_memory(unsigned int gib)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);
	char *area, *mem;

	BENCH_CHECK(fd < 0 || ftruncate(fd, GIB));
	area = mmap(NULL, gib * GIB + M2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	BENCH_CHECK(area == MAP_FAILED);
	mem = (char *)(((uintptr_t)area + M2 - 1) & ~(M2 - 1));
	for (unsigned int i = 0; i < gib; i++)
		BENCH_CHECK(mmap(mem + i * GIB, GIB, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED);
	close(fd);
	for (uint64_t off = 0; off < gib * GIB; off += 4096)
		mem[off] = 1;
	return mem;
}

static void print_tables(const char *name, size_t bytes)
{
	if (bench_json)
		printf(",\n {\"name\": \"%s\", \"bytes\": %zu}", name, bytes);
	else
		printf("%-44s %12.0f KiB\n", name, (double)bytes / 1024);
}

static void measure(unsigned int gib, const char *pages)
{
	struct kvm_config config = { 0 };
	struct kvm_userspace_memory_region region = { .memory_size = gib * GIB };
	struct kvm_iommu_env env = { .hm = hm, .huge_size = huge_size };
	char *mem = guest_memory(gib), name[64];
	struct kvm_iommu ki;
	struct kvm *kvm;
	double start, done;
	size_t bytes;

	BENCH_CHECK(kvm_create(&config, &kvm));
	region.userspace_addr = (uintptr_t)mem;
	BENCH_CHECK(kvm_set_memory_region(kvm, &region));
	kvm_iommu_init(&ki, kvm, &env);
	start = bench_now();
	BENCH_CHECK(kvm_iommu_map_guest(&ki, unit));
	BENCH_CHECK(kvm_assign_device(&ki, pdev));
	done = bench_now();
	snprintf(name, sizeof(name), "assign, %u GiB of %s pages", gib, pages);
	bench_print(name, done - start);
	bytes = kvm_iommu_table_bytes(&ki);
	start = bench_now();
	kvm_deassign_device(&ki, pdev);
	kvm_iommu_unmap_guest(&ki);
	done = bench_now();
	snprintf(name, sizeof(name), "deassign, %u GiB of %s pages", gib, pages);
	bench_print(name, done - start);
	snprintf(name, sizeof(name), "tables, %u GiB of %s pages", gib, pages);
	print_tables(name, bytes);
	kvm_iommu_exit(&ki);
	kvm_destroy(kvm);
	munmap(mem, gib * GIB);
}

int main(int argc, char **argv)
{
	static const unsigned int sizes[] = { 1, 4, 16 };

	bench_init(argc, argv);
	depth_enter();
	setup();
	for (unsigned int i = 0; i < 3; i++) {
		huge = 0;
		measure(sizes[i], "4 KiB");
		huge = M2;
		measure(sizes[i], "2 MiB");
	}
	bench_end();
	return 0;
}
