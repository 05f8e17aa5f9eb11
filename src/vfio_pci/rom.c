/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a ROM's images are (PCI Firmware 3.0, 5.1; the kernel's pci_get_rom_size()): each begins
 * with a header that leads to a data structure, which has the length and whether another follows.
 */
#include <string.h>

#include "base/overflow.h"
#include "vfio_pci/vfio_pci_priv.h"

#define HEADER_SIZE 0x1a /* up to and with the pointer */
#define DATA_SIZE   0x16 /* up to and with the last-image flag */

static unsigned int word(const uint8_t *p)
{
	return p[0] | (unsigned int)p[1] << 8;
}

uint64_t vfio_pci_rom_size(const struct vfio_pci_device *vpd)
{
	const struct pci_bar *bar = &vpd->pdev->bar[PCI_ROM_BAR];
	const uint8_t *rom = bar->mem, *data;
	uint64_t image = 0, len;

	if (!rom)
		return 0;
	for (;;) {
		if (!range_within(image, HEADER_SIZE, bar->size) || word(rom + image) != 0xaa55)
			return image;
		if (!range_within(image + word(rom + image + 0x18), DATA_SIZE, bar->size))
			return image;
		data = rom + image + word(rom + image + 0x18);
		if (memcmp(data, "PCIR", 4))
			return image;
		len = (uint64_t)word(data + 0x10) * 512;
		image = MIN(image + len, bar->size);
		if (!len || (data[0x15] & 0x80) || image == bar->size)
			return image;
	}
}
