/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU units, groups and domains (the kernel's drivers/iommu/iommu.c and include/linux/iommu.h).
 *
 * A unit translates for its devices; a group is the smallest set of devices that can be isolated;
 * a domain is an address space with a page table, attached to whole groups.
 */
#ifndef IOMMU_IOMMU_H
#define IOMMU_IOMMU_H

#include "base/list.h"
#include "base/types.h"
#include "pgtable/pgtable.h"

struct iommu;
struct iommu_group;
struct iommu_domain;
struct iommu_dev;

#define IOMMU_READ  PGTABLE_READ
#define IOMMU_WRITE PGTABLE_WRITE

enum iommu_resv_type { IOMMU_RESV_DIRECT, IOMMU_RESV_RESERVED, IOMMU_RESV_MSI };

struct iommu_resv_region {
	iova_t start, last; /* inclusive */
	enum iommu_resv_type type;
};

/* ---- units ----------------------------------------------------------------------------------- */

enum iommu_model { IOMMU_MODEL_AMD, IOMMU_MODEL_INTEL };
/* @name: as in /sys/class/iommu ("ivhd0", "dmar0"). */
int iommu_create(enum iommu_model model, const char *name, struct iommu **out);
void iommu_destroy(struct iommu *iommu);
const char *iommu_name(const struct iommu *iommu);
enum iommu_model iommu_model(const struct iommu *iommu);
/* Interrupt remapping isolates MSIs (IOMMU_CAP_INTR_REMAP). */
bool iommu_capable_intr_remap(const struct iommu *iommu);

/* ---- devices (requesters) -------------------------------------------------------------------- */

/* @rid: domain << 16 | bus << 8 | devfn. @name: "0000:01:00.0". Has no domain at first: all DMA
 * faults. */
int iommu_dev_create(struct iommu *iommu, uint32_t rid, const char *name, struct iommu_dev **out);
void iommu_dev_destroy(struct iommu_dev *dev);

/* ---- groups ---------------------------------------------------------------------------------- */

int iommu_group_create(unsigned int id, struct iommu_group **out);
void iommu_group_destroy(struct iommu_group *group);
unsigned int iommu_group_id(const struct iommu_group *group);
void iommu_group_add_device(struct iommu_group *group, struct iommu_dev *dev);
void iommu_group_remove_device(struct iommu_dev *dev);
struct iommu_group *iommu_group_of(const struct iommu_dev *dev);
/* Calls @fn for each device until it returns non-zero, which is returned. The group's lock is held:
 * @fn must not attach, detach, add or remove. */
int iommu_group_for_each_dev(struct iommu_group *group, int (*fn)(struct iommu_dev *, void *),
			     void *arg);
/* "DMA", "DMA-FQ", "identity"..., "unknown" without a unit: what sysfs' `type` says. */
const char *iommu_group_default_type(const struct iommu_group *group);
/* The group's reserved regions in order of start; returns how many there are (may exceed @max). */
size_t iommu_group_resv_regions(const struct iommu_group *group, struct iommu_resv_region *regions,
				size_t max);

/* ---- domains --------------------------------------------------------------------------------- */

/* An unmanaged domain in @iommu's format. */
int iommu_domain_create(struct iommu *iommu, struct iommu_domain **out);
/* No group may be attached. */
void iommu_domain_destroy(struct iommu_domain *domain);
/* The page sizes that the unit offers, as a bit mask (IOMMU_INFO_PGSIZES). */
uint64_t iommu_domain_pgsizes(const struct iommu_domain *domain);
/* The inclusive end of the IOVA space. */
iova_t iommu_domain_aperture_last(const struct iommu_domain *domain);
bool iommu_domain_compatible(const struct iommu_domain *domain, const struct iommu *iommu);
/* The first device's unit: which format a domain for this group must have. */
struct iommu *iommu_group_unit(const struct iommu_group *group);

/* -EBUSY when the group is attached to a domain already, -EINVAL when the domain's format is
 * not that of each device's unit. Waits (epochs) before it returns: no DMA runs through the
 * previous domain any more. */
int iommu_attach_group(struct iommu_domain *domain, struct iommu_group *group);
void iommu_detach_group(struct iommu_domain *domain, struct iommu_group *group);

/*
 * @prot: IOMMU_READ | IOMMU_WRITE. 0, -EEXIST, -ERANGE, -ENOMEM. Sizes and addresses are page
 * aligned.
 */
int iommu_map(struct iommu_domain *domain, iova_t iova, paddr_t paddr, uint64_t size,
	      unsigned int prot);
/* Clears entries; devices may still be using them until iommu_sync(). Returns the bytes
 * unmapped. */
uint64_t iommu_unmap_nosync(struct iommu_domain *domain, iova_t iova, uint64_t size);
/* Waits until no DMA that could have seen a cleared, frozen or replaced entry is running
 * (design D6); frees empty tables. One call may serve many unmaps. Not inside a DMA section of
 * the caller's. */
void iommu_sync(struct iommu_domain *domain);
/* Both. */
uint64_t iommu_unmap(struct iommu_domain *domain, iova_t iova, uint64_t size);
/* Makes @iova a leaf boundary so that a later partial unmap cannot fail. */
int iommu_split(struct iommu_domain *domain, iova_t iova);
/* Freezes present entries and waits; devices that meet one wait outside their section. */
void iommu_freeze(struct iommu_domain *domain, iova_t iova, uint64_t size);
/* Points the (frozen) entries of the range at @paddr and lets devices go on. 0: the memory is lost,
 * the entries stay and DMA through them ends as DMA_FAULT_STALE. */
void iommu_thaw(struct iommu_domain *domain, iova_t iova, uint64_t size, paddr_t paddr);
/* 0: not mapped. */
paddr_t iommu_iova_to_phys(struct iommu_domain *domain, iova_t iova);
/* Bytes of the domain's tables: how finely its mappings are cut. */
size_t iommu_domain_table_bytes(struct iommu_domain *domain);

/* In the child of a fork: every epoch is even again. */
void iommu_after_fork(void);

#endif
