/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings of BARs: which stretch may be mapped, how its pages behave, when touching them is an
 * error.
 *
 * The function declares how pages behave (page_access); the file learns it at the first mapping.
 * While memory is not answered (COMMAND.MEMORY off, D3hot, low power) all of it is PAGE_REVOKED and
 * a touch raises SIGBUS; afterwards the pages are what they were. file, revoked: under dev->lock of
 * the function, which its listener runs with.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/overflow.h"
#include "file/file.h"
#include "vfio_pci/vfio_pci_priv.h"

static uint64_t bar_len(const struct vfio_pci_device *vpd, unsigned int bar)
{
	return ALIGN_UP(vpd->pdev->bar[bar].size, HOST_PAGE_SIZE);
}

static int set_access(struct vfio_pci_device *vpd, unsigned int bar, uint64_t off, uint64_t len,
		      int access)
{
	return file_set_access(vpd->file, ((uint64_t)bar << PCI_REGION_SHIFT) + off, len,
			       (enum page_access)access);
}

/* The first failure, after all of it. dev->lock held. */
static int apply_all(struct vfio_pci_device *vpd)
{
	int ret = 0, err;

	for (unsigned int i = 0; i < PCI_NUM_BARS; i++) {
		const uint8_t *access = vpd->pdev->bar[i].page_access;
		size_t pages = bar_len(vpd, i) >> HOST_PAGE_SHIFT, start = 0;

		if (!vpd->bar_mmap[i] || !access)
			continue;
		if (vpd->revoked) {
			err = set_access(vpd, i, 0, bar_len(vpd, i), PAGE_REVOKED);
			ret = ret ? ret : err;
			continue;
		}
		for (size_t p = 1; p <= pages; p++) {
			if (p < pages && access[p] == access[start])
				continue;
			err = set_access(vpd, i, (uint64_t)start << HOST_PAGE_SHIFT,
					 (uint64_t)(p - start) << HOST_PAGE_SHIFT, access[start]);
			ret = ret ? ret : err;
			start = p;
		}
	}
	return ret;
}

static void set_revoked(struct vfio_pci_device *vpd, bool revoked)
{
	pci_dev_lock(vpd->pdev);
	if (vpd->revoked != revoked) {
		vpd->revoked = revoked;
		if (vpd->file)
			apply_all(vpd);
	}
	pci_dev_unlock(vpd->pdev);
}

void vfio_pci_memory_zap(struct vfio_pci_device *vpd)
{
	set_revoked(vpd, true);
}

void vfio_pci_memory_update(struct vfio_pci_device *vpd)
{
	set_revoked(vpd, !vfio_pci_memory_enabled(vpd) || atomic_load(&vpd->low_power));
}

static void access_changed(struct pci_bar_listener *l, unsigned int bar, uint64_t off, uint64_t len,
			   int access)
{
	struct vfio_pci_device *vpd = container_of(l, struct vfio_pci_device, bar_listener);

	if (vpd->file && !vpd->revoked && bar < PCI_NUM_BARS && vpd->bar_mmap[bar])
		set_access(vpd, bar, off, len, access);
}

/* Which BARs may be mapped: memory, and what lies in its last page is its own. */
static bool bar_mappable(const struct pci_dev *pdev, unsigned int i)
{
	const struct pci_bar *bar = &pdev->bar[i];

	if (pdev->no_mmap || !bar->size || (bar->flags & PCI_BASE_ADDRESS_SPACE_IO))
		return false;
	return bar->size >= HOST_PAGE_SIZE || IS_ALIGNED(bar->addr, HOST_PAGE_SIZE);
}

void vfio_pci_memory_init(struct vfio_pci_device *vpd)
{
	pci_dev_lock(vpd->pdev);
	for (unsigned int i = 0; i < PCI_NUM_BARS; i++)
		vpd->bar_mmap[i] = bar_mappable(vpd->pdev, i);
	vpd->file = NULL;
	vpd->revoked = !vfio_pci_memory_enabled(vpd);
	vpd->bar_listener.set_access = access_changed;
	list_add_tail(&vpd->bar_listener.node, &vpd->pdev->bar_listeners);
	pci_dev_unlock(vpd->pdev);
}

void vfio_pci_memory_exit(struct vfio_pci_device *vpd)
{
	pci_dev_lock(vpd->pdev);
	list_del(&vpd->bar_listener.node);
	vpd->file = NULL;
	pci_dev_unlock(vpd->pdev);
}

/* ---- mmap ----------------------------------------------------------------------------------- */

static bool page_plain(const struct vfio_pci_device *vpd, unsigned int bar, uint64_t page)
{
	return vpd->pdev->bar[bar].page_access[page] == PAGE_DIRECT;
}

static bool sparse_allows(const struct vfio_pci_device *vpd, unsigned int bar, uint64_t off,
			  uint64_t len)
{
	for (uint64_t p = off >> HOST_PAGE_SHIFT; p << HOST_PAGE_SHIFT < off + len; p++)
		if (!page_plain(vpd, bar, p))
			return false;
	return true;
}

int vfio_pci_mmap(struct vfio_device *vdev, unsigned int region, uint64_t off, uint64_t len,
		  int prot, int flags)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);
	uint64_t end;
	int ret = 0;

	/* As for every file on a filesystem that is mounted noexec. */
	if (prot & PROT_EXEC)
		return -EPERM;
	if (region >= VFIO_PCI_NUM_REGIONS || (flags & MAP_TYPE) == MAP_PRIVATE)
		return -EINVAL;
	if (region >= VFIO_PCI_ROM_REGION_INDEX || !vpd->bar_mmap[region])
		return -EINVAL;
	end = bar_len(vpd, region);
	if (!range_within(off, len, end))
		return -EINVAL;
	if (vpd->pdev->sparse_mmap && !sparse_allows(vpd, region, off, len))
		return -EINVAL;
	pci_dev_lock(vpd->pdev);
	if (!vpd->file) {
		vpd->file = vdev->file;
		ret = apply_all(vpd);
		/* Without its pages' access a mapping would be plain memory. */
		if (ret)
			vpd->file = NULL;
	}
	pci_dev_unlock(vpd->pdev);
	return ret;
}

int vfio_pci_sparse_cap(struct vfio_pci_device *vpd, unsigned int bar, struct vfio_info_cap *caps)
{
	uint64_t pages = bar_len(vpd, bar) >> HOST_PAGE_SHIFT, start = 0;
	struct vfio_region_info_cap_sparse_mmap *cap;
	uint32_t n = 0;
	int ret;

	cap = calloc(1, sizeof(*cap) + (pages / 2 + 1) * sizeof(cap->areas[0]));
	if (!cap)
		return -ENOMEM;
	for (uint64_t p = 0; p <= pages; p++) {
		if (p < pages && page_plain(vpd, bar, p))
			continue;
		if (p > start) {
			cap->areas[n].offset = start << HOST_PAGE_SHIFT;
			cap->areas[n++].size = (p - start) << HOST_PAGE_SHIFT;
		}
		start = p + 1;
	}
	cap->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	cap->header.version = 1;
	cap->nr_areas = n;
	ret = vfio_info_add_capability(caps, &cap->header,
				       sizeof(*cap) + n * sizeof(cap->areas[0]));
	free(cap);
	return ret;
}
