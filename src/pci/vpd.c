/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vital product data (PCI Local Bus 3.0, appendix I) and the Advanced Features capability (PCI ECN
 * "Advanced Capabilities for Conventional PCI", 2006).
 *
 * The data is behind two registers: who writes an address with F clear reads a word, the function
 * sets F when it is there; who writes one with F set has written the word in the data register, the
 * function clears F. Here both are done when the write is. How much data there is the resource tags
 * say; the host looks at no more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/overflow.h"
#include "pci/pci_priv.h"

#define VPD_MAX 0x8000

static uint8_t *vpd_word(struct pci_dev *dev, unsigned int addr)
{
	struct pci_internal *in = dev->internal;

	return addr + 4 <= in->vpd_len ? in->vpd + addr : NULL;
}

static void address_written(struct pci_dev *dev)
{
	unsigned int reg = dev->vpd_cap + PCI_VPD_ADDR, data = dev->vpd_cap + PCI_VPD_DATA;
	uint16_t addr = pci_get_word(dev, reg);
	uint8_t *word = vpd_word(dev, addr & PCI_VPD_ADDR_MASK & ~3u);

	for (unsigned int i = 0; i < 4; i++) {
		if (!(addr & PCI_VPD_ADDR_F))
			pci_put_byte(dev, data + i, word ? word[i] : 0xff);
		else if (word)
			word[i] = pci_get_byte(dev, data + i);
	}
	addr ^= PCI_VPD_ADDR_F;
	pci_put_byte(dev, reg + 1, (uint8_t)(addr >> 8));
	pci_config_changed(dev, reg, 6);
}

int pci_add_vpd_cap(struct pci_dev *dev, const uint8_t *data, size_t len)
{
	int off;

	if (!len || len > VPD_MAX)
		return -EINVAL;
	/* Words are read: the last one may end with zeros. */
	dev->internal->vpd = FAIL_POINT() ? NULL : calloc(1, ALIGN_UP(len, 4));
	if (!dev->internal->vpd)
		return -ENOMEM;
	off = pci_add_capability(dev, PCI_CAP_ID_VPD, PCI_CAP_VPD_SIZEOF);
	if (off < 0)
		return off;
	memcpy(dev->internal->vpd, data, len);
	dev->internal->vpd_len = ALIGN_UP(len, 4);
	dev->vpd_cap = (uint8_t)off;
	memset(dev->wmask + off + PCI_VPD_ADDR, 0xff, 6);
	/* The address takes effect with its upper byte, which has F. */
	pci_add_hook(dev, off + PCI_VPD_ADDR + 1, 1, address_written);
	return off;
}

/* ---- the host's way to it -------------------------------------------------------------------- */

static uint32_t read_word(struct pci_dev *dev, unsigned int addr)
{
	pci_config_write(dev, dev->vpd_cap + PCI_VPD_ADDR, 2, addr);
	return pci_config_read(dev, dev->vpd_cap + PCI_VPD_DATA, 4);
}

static uint8_t read_byte(struct pci_dev *dev, unsigned int addr)
{
	return (uint8_t)(read_word(dev, addr & ~3u) >> (8 * (addr % 4)));
}

/* Up to and with the end tag, or as far as there are tags that fit; 0: these are none (the kernel's
 * pci_vpd_size()). */
static unsigned int find_size(struct pci_dev *dev)
{
	unsigned int pos = 0, header, size;

	while (pos < VPD_MAX) {
		uint8_t tag = read_byte(dev, pos);

		if (pos == 0 && (tag == 0x00 || tag == 0xff))
			return 0;
		header = 1;
		size = tag & 7;
		if (tag & 0x80) { /* a large one: two bytes of length */
			header = 3;
			size = read_byte(dev, pos + 1) | (unsigned int)read_byte(dev, pos + 2) << 8;
		}
		if (pos + size > VPD_MAX)
			return pos;
		pos += header + size;
		if ((tag & 0xf8) == 0x78)
			return pos;
	}
	return pos;
}

static bool vpd_available(struct pci_dev *dev, unsigned int *size)
{
	*size = dev->vpd_cap ? find_size(dev) : 0;
	return *size;
}

ssize_t pci_vpd_read(struct pci_dev *dev, uint64_t pos, size_t len, void *buf)
{
	unsigned int size;

	if (!vpd_available(dev, &size))
		return -ENODEV;
	if (pos >= size)
		return 0;
	len = MIN(len, size - pos);
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = read_byte(dev, (unsigned int)pos + (unsigned int)i);
	return (ssize_t)len;
}

ssize_t pci_vpd_write(struct pci_dev *dev, uint64_t pos, size_t len, const void *buf)
{
	unsigned int size;
	uint32_t word;

	if (!vpd_available(dev, &size))
		return -ENODEV;
	if (!IS_ALIGNED(pos | len, 4) || !range_within(pos, len, size))
		return -EINVAL;
	for (size_t i = 0; i < len; i += 4) {
		memcpy(&word, (const char *)buf + i, 4);
		pci_config_write(dev, dev->vpd_cap + PCI_VPD_DATA, 4, word);
		pci_config_write(dev, dev->vpd_cap + PCI_VPD_ADDR, 2,
				 (uint32_t)(pos + i) | PCI_VPD_ADDR_F);
	}
	return (ssize_t)len;
}

/* ---- advanced features ----------------------------------------------------------------------- */

static void af_written(struct pci_dev *dev)
{
	unsigned int reg = dev->af_cap + PCI_AF_CTRL;

	/* Always reads as 0. */
	if (pci_get_byte(dev, reg) & PCI_AF_CTRL_FLR) {
		pci_put_byte(dev, reg, 0);
		dev->internal->flr = true;
	}
}

int pci_add_af_cap(struct pci_dev *dev)
{
	int off = pci_add_capability(dev, PCI_CAP_ID_AF, 8);

	if (off < 0)
		return off;
	dev->af_cap = (uint8_t)off;
	pci_put_byte(dev, (unsigned int)off + PCI_AF_LENGTH, PCI_CAP_AF_SIZEOF);
	pci_put_byte(dev, (unsigned int)off + PCI_AF_CAP, PCI_AF_CAP_TP | PCI_AF_CAP_FLR);
	dev->wmask[off + PCI_AF_CTRL] = PCI_AF_CTRL_FLR;
	pci_add_hook(dev, (unsigned int)off + PCI_AF_CTRL, 1, af_written);
	return off;
}
