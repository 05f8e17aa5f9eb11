/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VGA region: legacy memory at 0xa0000 and ports at 0x3b0 and 0x3c0, addressed as such (the
 * kernel's vfio_pci_vga_rw()). It is there for display controllers, unless disable_vga says no. A
 * transfer ends with its range; its cycles are at most four bytes wide.
 */
#include <errno.h>
#include <string.h>

#include "vfio_pci/vfio_pci_priv.h"

static const struct {
	uint32_t start, end;
	bool io;
} ranges[] = {
	{ 0xa0000, 0xc0000, false },
	{ 0x3b0, 0x3bc, true },
	{ 0x3c0, 0x3e0, true },
};

static void transfer(struct pci_dev *pdev, bool io, uint32_t addr, uint8_t *buf, size_t count,
		     bool write)
{
	unsigned int width;
	uint32_t value;

	for (; count; addr += width, buf += width, count -= width) {
		width = 4;
		while (width > count || addr % width)
			width /= 2;
		value = 0;
		if (write) {
			memcpy(&value, buf, width);
			pci_legacy_write(pdev, io, addr, width, value);
		} else {
			value = pci_legacy_read(pdev, io, addr, width);
			memcpy(buf, &value, width);
		}
	}
}

ssize_t vfio_pci_vga_rw(struct vfio_pci_device *vpd, uint64_t off, void *buf, size_t count,
			bool write)
{
	if (!vpd->has_vga)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (off < ranges[i].start || off >= ranges[i].end)
			continue;
		count = MIN(count, ranges[i].end - off);
		transfer(vpd->pdev, ranges[i].io, (uint32_t)off, buf, count, write);
		return (ssize_t)count;
	}
	return -EINVAL;
}
