/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains: a page table, the devices that walk it, and the promise that nothing touches memory any
 * more when an unmap has returned.
 *
 * domain->lock serialises the table's writers and is held while an unmapper waits for the devices:
 * a device in a section takes no lock, so the wait is as long as a section. Entries change first,
 * then comes a full barrier (domain->fence), then the look at the epochs (epoch_priv.h).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/event.h"
#include "base/sysraw.h"
#include "iommu/epoch_priv.h"

/* 57-bit second-stage tables are optional hardware; 48 bits is what common units offer. */
#define INTEL_BITS 48
/* Six levels (the table grows as it is used). */
#define AMD_BITS 64
/* What an AMD unit says it can do, as Linux presents it: 48882 encodes every power of two from
 * 4 KiB to 2^51, and 512 GiB is left out because of an erratum. The walker makes three of them. */
#define AMD_PGSIZES 0xfff7ffffff000ULL

#define NO_DEVICE UINT32_MAX

int iommu_domain_create(struct iommu *iommu, struct iommu_domain **out)
{
	bool amd = iommu->model == IOMMU_MODEL_AMD;
	struct iommu_domain *domain = calloc(1, sizeof(*domain));
	int ret;

	if (!domain)
		return -ENOMEM;
	ret = pgtable_create(amd ? PGTABLE_AMDV1 : PGTABLE_VTDSS, amd ? AMD_BITS : INTEL_BITS,
			     &domain->pt);
	if (ret) {
		free(domain);
		return ret;
	}
	domain->model = iommu->model;
	domain->last = amd ? UINT64_MAX : BIT_ULL(INTEL_BITS) - 1;
	pthread_mutex_init(&domain->lock, NULL);
	list_init(&domain->devs);
	*out = domain;
	return 0;
}

void iommu_domain_destroy(struct iommu_domain *domain)
{
	if (!domain)
		return;
	assert(list_empty(&domain->devs));
	pgtable_destroy(domain->pt);
	pthread_mutex_destroy(&domain->lock);
	free(domain);
}

uint64_t iommu_domain_pgsizes(const struct iommu_domain *domain)
{
	return domain->model == IOMMU_MODEL_AMD ? AMD_PGSIZES : pgtable_pgsizes(PGTABLE_VTDSS);
}

iova_t iommu_domain_aperture_last(const struct iommu_domain *domain)
{
	return domain->last;
}

bool iommu_domain_compatible(const struct iommu_domain *domain, const struct iommu *iommu)
{
	return domain->model == iommu->model;
}

/* ---- devices --------------------------------------------------------------------------------- */

/* Makes the device forget what it cached and waits for the section that may still use it. */
static void dev_forget(struct iommu_dev *dev)
{
	atomic_fetch_add_explicit(&dev->gen, 1, memory_order_seq_cst);
	epoch_wait(dev);
}

static void dev_thaw(struct iommu_dev *dev)
{
	atomic_fetch_add_explicit(&dev->thaw, 1, memory_order_release);
	raw_futex_wake(&dev->thaw, INT32_MAX);
}

int domain_attach_dev(struct iommu_domain *domain, struct iommu_dev *dev)
{
	if (!dev->iommu || !iommu_domain_compatible(domain, dev->iommu))
		return -EINVAL;
	pthread_mutex_lock(&domain->lock);
	list_add_tail(&dev->domain_node, &domain->devs);
	atomic_store_explicit(&dev->domain, domain, memory_order_release);
	dev_forget(dev);
	pthread_mutex_unlock(&domain->lock);
	return 0;
}

void domain_detach_dev(struct iommu_domain *domain, struct iommu_dev *dev)
{
	pthread_mutex_lock(&domain->lock);
	if (atomic_load_explicit(&dev->domain, memory_order_relaxed) == domain) {
		atomic_store_explicit(&dev->domain, NULL, memory_order_release);
		dev_forget(dev);
		list_del(&dev->domain_node);
		dev_thaw(dev);
	}
	pthread_mutex_unlock(&domain->lock);
}

/* ---- mapping --------------------------------------------------------------------------------- */

static void sync_locked(struct iommu_domain *domain)
{
	bool reclaim = pgtable_needs_reclaim(domain->pt);
	struct iommu_dev *dev;

	/* Before the epochs are looked at: who enters later must not use a table that goes. */
	if (reclaim)
		list_for_each_entry(dev, &domain->devs, domain_node)
			atomic_fetch_add_explicit(&dev->gen, 1, memory_order_seq_cst);
	atomic_fetch_add_explicit(&domain->fence, 1, memory_order_seq_cst);
	list_for_each_entry(dev, &domain->devs, domain_node)
		epoch_wait(dev);
	if (reclaim)
		pgtable_reclaim(domain->pt);
}

int iommu_map(struct iommu_domain *domain, iova_t iova, paddr_t paddr, uint64_t size,
	      unsigned int prot)
{
	int ret;

	pthread_mutex_lock(&domain->lock);
	ret = pgtable_map(domain->pt, iova, paddr, size, prot);
	/* A device may have used the part that fitted. */
	if (ret)
		sync_locked(domain);
	pthread_mutex_unlock(&domain->lock);
	if (!ret)
		event_emit(EVENT_MAP, NO_DEVICE, iova, size, paddr);
	return ret;
}

uint64_t iommu_unmap_nosync(struct iommu_domain *domain, iova_t iova, uint64_t size)
{
	uint64_t bytes;

	pthread_mutex_lock(&domain->lock);
	bytes = pgtable_unmap(domain->pt, iova, size);
	pthread_mutex_unlock(&domain->lock);
	event_emit(EVENT_UNMAP, NO_DEVICE, iova, size, 0);
	return bytes;
}

void iommu_sync(struct iommu_domain *domain)
{
	pthread_mutex_lock(&domain->lock);
	sync_locked(domain);
	pthread_mutex_unlock(&domain->lock);
}

uint64_t iommu_unmap(struct iommu_domain *domain, iova_t iova, uint64_t size)
{
	uint64_t bytes;

	pthread_mutex_lock(&domain->lock);
	bytes = pgtable_unmap(domain->pt, iova, size);
	sync_locked(domain);
	pthread_mutex_unlock(&domain->lock);
	event_emit(EVENT_UNMAP, NO_DEVICE, iova, size, 0);
	return bytes;
}

int iommu_split(struct iommu_domain *domain, iova_t iova)
{
	int ret;

	pthread_mutex_lock(&domain->lock);
	ret = pgtable_split(domain->pt, iova);
	pthread_mutex_unlock(&domain->lock);
	return ret;
}

void iommu_freeze(struct iommu_domain *domain, iova_t iova, uint64_t size)
{
	pthread_mutex_lock(&domain->lock);
	pgtable_freeze(domain->pt, iova, size);
	sync_locked(domain);
	pthread_mutex_unlock(&domain->lock);
}

void iommu_thaw(struct iommu_domain *domain, iova_t iova, uint64_t size, paddr_t paddr)
{
	struct iommu_dev *dev;

	pthread_mutex_lock(&domain->lock);
	pgtable_replace(domain->pt, iova, size, paddr ? paddr : DMA_LOST_BASE);
	list_for_each_entry(dev, &domain->devs, domain_node)
		dev_thaw(dev);
	pthread_mutex_unlock(&domain->lock);
}

paddr_t iommu_iova_to_phys(struct iommu_domain *domain, iova_t iova)
{
	struct pgtable_leaf leaf = { 0 };
	bool found;

	pthread_mutex_lock(&domain->lock);
	found = pgtable_lookup(domain->pt, iova, &leaf);
	pthread_mutex_unlock(&domain->lock);
	return found ? leaf.paddr : 0;
}

size_t iommu_domain_table_bytes(struct iommu_domain *domain)
{
	size_t bytes;

	pthread_mutex_lock(&domain->lock);
	bytes = pgtable_bytes(domain->pt);
	pthread_mutex_unlock(&domain->lock);
	return bytes;
}
