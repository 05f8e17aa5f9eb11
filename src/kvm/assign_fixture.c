/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm/assign_fixture.h"

#include <check.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/fault.h"
#include "pci/model.h"

struct iommu *fix_unit;
struct pci_dev *fix_dev[FIX_DEVS];
struct iommu_group *fix_group[FIX_DEVS];
struct hostmem *fix_hm;
struct kvm *fix_kvm;
char *fix_mem;
int fix_permission, fix_request;
unsigned int fix_taken;
size_t fix_huge;

static const struct pci_model model = { .name = "test" };

static size_t huge_size(uintptr_t addr)
{
	return fix_huge;
}

static void lock(void *arg)
{
}

static struct pci_dev *find(void *arg, uint32_t segnr, uint32_t busnr, uint32_t devfn)
{
	for (unsigned int i = 0; i < FIX_DEVS; i++)
		if (fix_dev[i] && fix_dev[i]->rid == (segnr << 16 | busnr << 8 | devfn))
			return fix_dev[i];
	return NULL;
}

static int permission(void *arg, struct pci_dev *pdev)
{
	return fix_permission;
}

static int request(void *arg, struct pci_dev *pdev, struct kvm_assign *assign)
{
	if (!fix_request)
		fix_taken++;
	return fix_request;
}

static void release(void *arg, struct pci_dev *pdev)
{
	fix_taken--;
}

const struct kvm_assign_env fix_env = {
	.huge_size = huge_size,
	.lock = lock,
	.unlock = lock,
	.find = find,
	.permission = permission,
	.request = request,
	.release = release,
};

static void create_dev(unsigned int i)
{
	struct pci_dev *pdev;
	char name[16];

	snprintf(name, sizeof(name), "0000:01:00.%u", i);
	ck_assert_int_eq(pci_dev_create(0x100 + i, &model, &pdev), 0);
	snprintf(pdev->dev.name, sizeof(pdev->dev.name), "%s", name);
	pci_dev_set_ids(pdev, 0x1b36, 0x0010, 0x010802, 2, 0x1af4, 0x1100);
	ck_assert_int_eq(pci_dev_add_bar(pdev, 0, 16384, PCI_BASE_ADDRESS_MEM_TYPE_64), 0);
	ck_assert_int_gt(pci_add_pm_cap(pdev), 0);
	ck_assert_int_gt(pci_add_pcie_endpoint_cap(pdev), 0);
	ck_assert_int_gt(pci_add_msi_cap(pdev, 1, true), 0);
	ck_assert_int_gt(pci_add_msix_cap(pdev, FIX_VECTORS, 0, 0x2000, 0x3000), 0);
	pdev->config[PCI_INTERRUPT_PIN] = 1;
	pci_dev_created(pdev);
	ck_assert_int_eq(iommu_dev_create(fix_unit, pdev->rid, name, &pdev->iommu), 0);
	ck_assert_int_eq(iommu_group_create(i, &fix_group[i]), 0);
	iommu_group_add_device(fix_group[i], pdev->iommu);
	fix_dev[i] = pdev;
}

void fix_setup(int iommu_model, uint64_t memlock)
{
	struct kvm_config config = { 0 };
	char *area;

	ck_assert_int_eq(fault_init(), 0);
	ck_assert_int_eq(hostmem_create(memlock, &fix_hm), 0);
	ck_assert_int_eq(iommu_create((enum iommu_model)iommu_model, "ivhd0", &fix_unit), 0);
	for (unsigned int i = 0; i < FIX_DEVS; i++)
		create_dev(i);
	ck_assert_int_eq(kvm_create(&config, &fix_kvm), 0);
	area = mmap(NULL, FIX_MEM + M2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(area, MAP_FAILED);
	fix_mem = (char *)ALIGN_UP((uintptr_t)area, M2);
	ck_assert_int_eq(fix_slot(0, 0, fix_mem, FIX_MEM, 0), 0);
}

void fix_teardown(void)
{
	kvm_destroy(fix_kvm);
	for (unsigned int i = 0; i < FIX_DEVS; i++) {
		if (!fix_dev[i])
			continue;
		iommu_group_remove_device(fix_dev[i]->iommu);
		iommu_dev_destroy(fix_dev[i]->iommu);
		pci_dev_destroy(fix_dev[i]);
		iommu_group_destroy(fix_group[i]);
	}
	iommu_destroy(fix_unit);
	hostmem_destroy(fix_hm);
}

int fix_slot(unsigned int id, uint64_t gpa, void *memory, uint64_t size, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	return kvm_set_memory_region(fix_kvm, &region);
}

int fix_dma(unsigned int dev, uint64_t gpa, bool write, uint32_t *value)
{
	struct iommu_dev *iommu = fix_dev[dev]->iommu;

	dma_set_master(iommu, true);
	return write ? dma_write(iommu, gpa, value, sizeof(*value))
		     : dma_read(iommu, gpa, value, sizeof(*value));
}
