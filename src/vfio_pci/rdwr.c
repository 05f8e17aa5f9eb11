/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions by read and write, trapped accesses of mappings, and ioeventfds.
 *
 * A transfer is cut into naturally aligned cycles of 8, 4, 2 and 1 bytes. The MSI-X table is the
 * host's: reads of it give ones, writes are dropped. Memory that is not answered gives EIO, even in
 * the middle of a transfer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/overflow.h"
#include "file/file.h"
#include "vfio_pci/vfio_pci_priv.h"

#define MAX_IOEVENTFDS 1000

struct bar_io {
	struct vfio_pci_device *vpd;
	unsigned int bar;
	bool write, memory;
	unsigned int max_width;
	uint64_t x_start, x_end; /* the stretch that is not reached */
};

static unsigned int cycle_width(uint64_t off, size_t count, unsigned int max)
{
	for (unsigned int width = max; width > 1; width /= 2)
		if (count >= width && IS_ALIGNED(off, width))
			return width;
	return 1;
}

static int bar_cycle(const struct bar_io *io, uint64_t off, void *buf, unsigned int width)
{
	struct pci_dev *pdev = io->vpd->pdev;
	uint64_t value = 0;

	if (io->memory && !vfio_pci_memory_enabled(io->vpd))
		return -EIO;
	if (io->write) {
		memcpy(&value, buf, width);
		pci_bar_write(pdev, io->bar, off, width, value);
	} else {
		value = pci_bar_read(pdev, io->bar, off, width);
		memcpy(buf, &value, width);
	}
	return 0;
}

static ssize_t bar_rw(const struct bar_io *io, uint64_t off, uint8_t *buf, size_t count)
{
	size_t done = 0;

	while (done < count) {
		size_t left = count - done, fillable = left, step;
		int ret;

		if (off < io->x_start)
			fillable = MIN(left, io->x_start - off);
		else if (off < io->x_end)
			fillable = 0;
		if (fillable) {
			step = cycle_width(off, fillable, io->max_width);
			ret = bar_cycle(io, off, buf + done, (unsigned int)step);
			if (ret)
				return ret;
		} else {
			step = MIN(left, io->x_end - off);
			if (!io->write)
				memset(buf + done, 0xff, step);
		}
		done += step;
		off += step;
	}
	return (ssize_t)done;
}

static ssize_t bar_region_rw(struct vfio_pci_device *vpd, unsigned int bar, uint64_t off, void *buf,
			     size_t count, bool write)
{
	const struct pci_bar *b = &vpd->pdev->bar[bar];
	struct bar_io io = { .vpd = vpd,
			     .bar = bar,
			     .write = write,
			     .memory = !(b->flags & PCI_BASE_ADDRESS_SPACE_IO),
			     .max_width = 8,
			     .x_start = UINT64_MAX,
			     .x_end = UINT64_MAX };

	if (off >= b->size)
		return -EINVAL;
	count = MIN(count, b->size - off);
	if (bar == PCI_ROM_BAR) {
		/* Beyond the images nothing is read, which makes large ones fast. */
		io.max_width = 4;
		io.x_start = vfio_pci_rom_size(vpd);
		io.x_end = b->size;
		if (!io.x_start)
			return -ENOMEM;
	} else if (bar == vpd->msix_bar) {
		io.x_start = vpd->msix_off;
		io.x_end = (uint64_t)vpd->msix_off + vpd->msix_size;
	}
	return bar_rw(&io, off, buf, count);
}

static ssize_t region_rw_awake(struct vfio_pci_device *vpd, unsigned int region, uint64_t off,
			       void *buf, size_t count, bool write)
{
	switch (region) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return write ? vfio_pci_config_write(vpd, off, buf, count)
			     : vfio_pci_config_read(vpd, off, buf, count);
	case VFIO_PCI_VGA_REGION_INDEX:
		return vfio_pci_vga_rw(vpd, off, buf, count, write);
	case VFIO_PCI_ROM_REGION_INDEX:
		if (write)
			return -EINVAL;
		break;
	default:
		break;
	}
	return bar_region_rw(vpd, region, off, buf, count, write);
}

static ssize_t region_rw(struct vfio_pci_device *vpd, unsigned int region, uint64_t off, void *buf,
			 size_t count, bool write)
{
	ssize_t ret;
	bool used;

	if (!count)
		return 0;
	if (region >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	used = vfio_pci_use(vpd);
	ret = region_rw_awake(vpd, region, off, buf, count, write);
	vfio_pci_unuse(vpd, used);
	return ret;
}

ssize_t vfio_pci_region_read(struct vfio_device *vdev, unsigned int region, uint64_t off, void *buf,
			     size_t count)
{
	return region_rw(to_vpd(vdev), region, off, buf, count, false);
}

ssize_t vfio_pci_region_write(struct vfio_device *vdev, unsigned int region, uint64_t off,
			      const void *buf, size_t count)
{
	/* Only read from. */
	return region_rw(to_vpd(vdev), region, off, (void *)buf, count, true);
}

/* ---- traps ---------------------------------------------------------------------------------- */

/* Signal context, or DMA of a peer under its own device lock: nested, no lock is taken. */
uint64_t vfio_pci_mmio_read(struct vfio_device *vdev, unsigned int region, uint64_t off,
			    unsigned int width, bool nested)
{
	struct pci_dev *pdev = to_vpd(vdev)->pdev;

	if (nested)
		return pci_bar_read_nested(pdev, region, off, width);
	return pci_bar_read(pdev, region, off, width);
}

void vfio_pci_mmio_write(struct vfio_device *vdev, unsigned int region, uint64_t off,
			 unsigned int width, uint64_t value, bool nested)
{
	struct pci_dev *pdev = to_vpd(vdev)->pdev;

	if (nested) {
		pci_bar_write_deferred(pdev, region, off, width, value);
		return;
	}
	pci_bar_write(pdev, region, off, width, value);
	/* What another signal's handler stored meanwhile: this is the outermost exit. */
	pci_run_deferred_trap();
}

/* ---- ioeventfds ----------------------------------------------------------------------------- */

/* On the virqfd thread, without locks. */
static void ioeventfd_signalled(void *arg)
{
	struct vfio_pci_ioeventfd *io = arg;
	struct pci_dev *pdev = io->vpd->pdev;

	if ((pdev->bar[io->bar].flags & PCI_BASE_ADDRESS_SPACE_IO) ||
	    vfio_pci_memory_enabled(io->vpd))
		pci_bar_write(pdev, io->bar, io->off, io->width, io->data);
}

static void ioeventfd_free(struct vfio_pci_ioeventfd *io)
{
	virqfd_disable(io->virqfd);
	list_del(&io->node);
	io->vpd->n_ioeventfds--;
	free(io);
}

void vfio_pci_ioeventfds_free(struct vfio_pci_device *vpd)
{
	struct vfio_pci_ioeventfd *io, *tmp;

	list_for_each_entry_safe(io, tmp, &vpd->ioeventfds, node)
		ioeventfd_free(io);
}

static int ioeventfd_add(struct vfio_pci_device *vpd, const struct vfio_pci_ioeventfd *like, int fd)
{
	struct vfio_pci_ioeventfd *io;
	int ret;

	if (fd < 0)
		return -ENODEV;
	if (vpd->n_ioeventfds >= MAX_IOEVENTFDS)
		return -ENOSPC;
	io = FAIL_POINT() ? NULL : malloc(sizeof(*io));
	if (!io)
		return -ENOMEM;
	*io = *like;
	ret = virqfd_enable(fd, ioeventfd_signalled, io, &io->virqfd);
	if (ret) {
		free(io);
		return ret;
	}
	list_add_tail(&io->node, &vpd->ioeventfds);
	vpd->n_ioeventfds++;
	return 0;
}

long vfio_pci_ioeventfd(struct vfio_pci_device *vpd, unsigned long arg)
{
	const size_t minsz = offsetof(struct vfio_device_ioeventfd, fd) + sizeof(int32_t);
	struct vfio_device_ioeventfd req;
	struct vfio_pci_ioeventfd like = { .vpd = vpd }, *io;
	int ret;

	memset(&req, 0, sizeof(req));
	if (copy_from_user(&req, arg, minsz))
		return -EFAULT;
	if (req.argsz < minsz || (req.flags & ~(uint32_t)VFIO_DEVICE_IOEVENTFD_SIZE_MASK))
		return -EINVAL;
	like.width = req.flags & VFIO_DEVICE_IOEVENTFD_SIZE_MASK;
	if (__builtin_popcount(like.width) != 1 || req.fd < -1)
		return -EINVAL;
	if (req.offset >> PCI_REGION_SHIFT > VFIO_PCI_BAR5_REGION_INDEX)
		return -EINVAL;
	like.bar = (unsigned int)(req.offset >> PCI_REGION_SHIFT);
	like.off = req.offset & ((1ULL << PCI_REGION_SHIFT) - 1);
	like.data = req.data;
	if (!range_within(like.off, like.width, vpd->pdev->bar[like.bar].size))
		return -EINVAL;
	/* Not around the MSI-X table. */
	if (like.bar == vpd->msix_bar && like.off + like.width > vpd->msix_off &&
	    like.off < vpd->msix_off + vpd->msix_size)
		return -EINVAL;
	pthread_mutex_lock(&vpd->vdev.lock);
	ret = -ENOENT;
	list_for_each_entry(io, &vpd->ioeventfds, node) {
		if (io->bar != like.bar || io->off != like.off || io->width != like.width ||
		    io->data != like.data)
			continue;
		ret = -EEXIST;
		if (req.fd == -1) {
			ioeventfd_free(io);
			ret = 0;
		}
		break;
	}
	if (ret == -ENOENT)
		ret = ioeventfd_add(vpd, &like, req.fd);
	pthread_mutex_unlock(&vpd->vdev.lock);
	return ret;
}
