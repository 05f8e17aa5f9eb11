/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE_DMA_BUF: stretches of a BAR as a dma-buf (the kernel's vfio_pci_dmabuf.c).
 *
 * What a program can do with such an fd by itself is little: it is for handing to a driver of the
 * kernel that does peer-to-peer DMA. The fd here answers as the kernel's does; it cannot be mapped
 * and reads nothing. Importers are other parts of this library.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/overflow.h"
#include "file/file.h"
#include "vfio_pci/vfio_pci_priv.h"

/* <linux/vfio.h> of Debian 12 does not have them. */
struct dma_range {
	uint64_t offset, length;
};

struct dma_buf_request {
	uint32_t region_index, open_flags, flags, nr_ranges;
};

_Static_assert(sizeof(struct dma_buf_request) == 16, "as in the kernel's header");

static long dmabuf_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct dma_buf_sync sync;
	char name[32];

	switch (cmd) {
	case DMA_BUF_IOCTL_SYNC:
		if (copy_from_user(&sync, arg, sizeof(sync)))
			return -EFAULT;
		if (sync.flags & ~(uint64_t)DMA_BUF_SYNC_VALID_FLAGS_MASK)
			return -EINVAL;
		/* Nothing is cached: there is nothing to do. */
		return sync.flags & DMA_BUF_SYNC_RW ? 0 : -EINVAL;
	case DMA_BUF_SET_NAME_A:
	case DMA_BUF_SET_NAME_B:
		memset(name, 0, sizeof(name));
		return copy_nofault(name, (const void *)arg, sizeof(name)) && !name[0] ? -EFAULT
										       : 0;
	default:
		return -ENOTTY;
	}
}

static int dmabuf_mmap(struct file *file, uint64_t off, uint64_t len, int prot, int flags)
{
	return -EINVAL;
}

static const struct file_operations dmabuf_fops = {
	.name = "dmabuf",
	.ioctl = dmabuf_ioctl,
	.mmap = dmabuf_mmap,
};

/* The sum of the ranges; each is whole pages of the BAR. */
static int check_ranges(const struct pci_bar *bar, const struct dma_range *ranges, unsigned int n,
			uint64_t *total)
{
	*total = 0;
	for (unsigned int i = 0; i < n; i++)
		if (!ranges[i].length ||
		    !IS_ALIGNED(ranges[i].offset | ranges[i].length, HOST_PAGE_SIZE) ||
		    check_add_overflow(*total, ranges[i].length, total))
			return -EINVAL;
	if (*total >> 63 || bar->flags & PCI_BASE_ADDRESS_SPACE_IO)
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++) {
		uint64_t start, end;

		if (check_add_overflow(bar->addr, ranges[i].offset, &start) ||
		    check_add_overflow(start, ranges[i].length, &end))
			return -EOVERFLOW;
		if (end > bar->addr + bar->size)
			return -EINVAL;
	}
	return 0;
}

int vfio_pci_feature_dma_buf(struct vfio_pci_device *vpd, const void *data, size_t size)
{
	struct dma_buf_request req;
	const struct dma_range *ranges = (const void *)((const char *)data + sizeof(req));
	struct file *file;
	uint64_t total;
	int ret;

	memcpy(&req, data, sizeof(req));
	if (!req.nr_ranges || req.flags)
		return -EINVAL;
	if (req.region_index >= VFIO_PCI_ROM_REGION_INDEX || vpd->pdev->no_mmap ||
	    !vpd->pdev->bar[req.region_index].size)
		return -ENODEV;
	if (req.nr_ranges > (size - sizeof(req)) / sizeof(*ranges))
		return -EFAULT;
	ret = check_ranges(&vpd->pdev->bar[req.region_index], ranges, req.nr_ranges, &total);
	if (ret)
		return ret;
	ret = file_alloc(&dmabuf_fops, NULL, (int)req.open_flags & O_ACCMODE, total, &file);
	if (ret)
		return ret;
	file->mode = S_IFREG | 0600;
	strcpy(file->path, "/dmabuf:");
	ret = file_install(file, (int)req.open_flags & O_CLOEXEC);
	if (ret < 0)
		file_put(file);
	return ret;
}
