/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config space in a user's hands: one engine over the tables of perm.c (design D8).
 *
 * At open the chains of capabilities are walked and the tables compiled into masks, one bit of virt
 * and write for each bit of config space. A write is cut into naturally aligned pieces that lie
 * inside one capability; of a piece, writable virtual bits go to vconfig, other writable bits to
 * the function, then the functions of the registers that were touched run.
 *
 * What a user reads is kept ready in the image: (function & ~virt) | (vconfig & virt). It lies in
 * the device's memfd, so a read is a copy. A listener keeps it current when the function changes by
 * itself.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/overflow.h"
#include "vfio_pci/vfio_pci_priv.h"

#define OWNER_NONE   0
#define OWNER_HEADER 1

/* config.lock held. */
static void refresh_locked(struct vfio_pci_device *vpd, unsigned int off, unsigned int len)
{
	struct vfio_pci_config *c = &vpd->config;
	for (unsigned int pos = off & ~3u; pos < off + len && pos < vpd->pdev->cfg_size; pos += 4) {
		uint32_t word = 0;

		for (unsigned int i = 0; i < 4; i++) {
			uint8_t virt = c->virt[pos + i], hw = pci_get_byte(vpd->pdev, pos + i);

			word |= (uint32_t)((hw & ~virt) | (c->vconfig[pos + i] & virt)) << (8 * i);
		}
		__atomic_store_n((uint32_t *)(c->image + pos), word, __ATOMIC_RELAXED);
	}
}

void vfio_pci_config_refresh(struct vfio_pci_device *vpd, unsigned int off, unsigned int len)
{
	pthread_mutex_lock(&vpd->config.lock);
	refresh_locked(vpd, off, len);
	pthread_mutex_unlock(&vpd->config.lock);
}

static void hw_changed(struct pci_config_listener *l, unsigned int off, unsigned int len)
{
	vfio_pci_config_refresh(container_of(l, struct vfio_pci_device, config.listener), off, len);
}

uint16_t vfio_pci_vconfig_word(struct vfio_pci_device *vpd, unsigned int off)
{
	const uint8_t *v = vpd->config.vconfig + off;
	uint16_t word;

	pthread_mutex_lock(&vpd->config.lock);
	word = (uint16_t)(v[0] | v[1] << 8);
	pthread_mutex_unlock(&vpd->config.lock);
	return word;
}

void vfio_pci_vconfig_set(struct vfio_pci_device *vpd, unsigned int off, unsigned int width,
			  uint32_t value)
{
	pthread_mutex_lock(&vpd->config.lock);
	for (unsigned int i = 0; i < width; i++)
		vpd->config.vconfig[off + i] = (uint8_t)(value >> (8 * i));
	refresh_locked(vpd, off, width);
	pthread_mutex_unlock(&vpd->config.lock);
}

/* ---- compiling the tables ------------------------------------------------------------------- */

static void add_reg(struct vfio_pci_config *c, unsigned int pos, const struct vfio_pci_reg *reg)
{
	for (unsigned int i = 0; i < reg->width; i++) {
		c->virt[pos + i] = (uint8_t)(reg->virt >> (8 * i));
		c->write[pos + i] = (uint8_t)(reg->write >> (8 * i));
	}
	if (reg->written && c->n_hooks < VFIO_PCI_MAX_HOOKS)
		c->hooks[c->n_hooks++] = (struct vfio_pci_hook){ .pos = (uint16_t)pos,
								 .width = reg->width,
								 .fn = reg->written };
}

static void add_cap(struct vfio_pci_device *vpd, unsigned int pos, unsigned int len,
		    const struct vfio_pci_cap *cap, bool msi)
{
	struct vfio_pci_config *c = &vpd->config;
	const struct vfio_pci_reg *regs = cap->regs;
	unsigned int n = cap->n_regs;

	c->n_owners++;
	memset(c->owner + pos, (int)c->n_owners, len);
	memset(c->virt + pos, 0, len);
	memset(c->write + pos, cap->raw ? 0xff : 0, len);
	memcpy(c->vconfig + pos, vpd->pdev->config + pos, len);
	if (msi)
		regs = vfio_pci_msi_regs(pci_get_word(vpd->pdev, pos + PCI_MSI_FLAGS), &n);
	for (unsigned int i = 0; i < n; i++)
		if (regs[i].off + regs[i].width <= (int)len)
			add_reg(c, pos + regs[i].off, &regs[i]);
}

static unsigned int cap_len(struct vfio_pci_device *vpd, const struct vfio_pci_cap *cap,
			    unsigned int pos, unsigned int end)
{
	int len = 0;

	if (cap)
		len = cap->find_len ? cap->find_len(vpd, pos) : cap->len;
	return MIN((unsigned int)MAX(len, 0), end - pos);
}

static void walk_caps(struct vfio_pci_device *vpd)
{
	struct vfio_pci_config *c = &vpd->config;
	const uint8_t *hw = vpd->pdev->config;
	uint8_t *link = &c->vconfig[PCI_CAPABILITY_LIST];
	unsigned int pos, found = 0, loops = (PCI_CFG_SIZE - PCI_STD_HEADER_SIZEOF) / 4;

	if (!(pci_get_word(vpd->pdev, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return;
	pos = hw[PCI_CAPABILITY_LIST];
	while (pos >= PCI_STD_HEADER_SIZEOF && loops--) {
		const struct vfio_pci_cap *cap = vfio_pci_find_cap(hw[pos]);
		unsigned int len = cap_len(vpd, cap, pos, PCI_CFG_SIZE), next = hw[pos + 1] & 0xfc;

		if (len < 2) {
			pr_debug("vfio-pci %s: hiding capability %#x at %#x", vpd->pdev->dev.name,
				 hw[pos], pos);
			*link = (uint8_t)next;
			pos = next;
			continue;
		}
		add_cap(vpd, pos, len, cap, hw[pos] == PCI_CAP_ID_MSI);
		if (hw[pos] == PCI_CAP_ID_PM) {
			/* What is virtual of it starts as 0: wake-up events are not offered. */
			c->vconfig[pos + PCI_PM_PMC + 1] &= (uint8_t) ~(PCI_PM_CAP_PME_MASK >> 8);
			c->vconfig[pos + PCI_PM_CTRL + 1] &= 0x7e;
		}
		found++;
		link = &c->vconfig[pos + PCI_CAP_LIST_NEXT];
		pos = next;
	}
	if (!found)
		c->vconfig[PCI_STATUS] &= (uint8_t)~PCI_STATUS_CAP_LIST;
}

static void set_ext_next(uint8_t *header, unsigned int next)
{
	header[2] = (uint8_t)((header[2] & 0x0f) | (next & 0xf) << 4);
	header[3] = (uint8_t)(next >> 4);
}

static void walk_ext_caps(struct vfio_pci_device *vpd)
{
	struct vfio_pci_config *c = &vpd->config;
	static const struct vfio_pci_reg anchor_reg = { 0, 4, ~0u, 0, NULL, "PCIe 7.9.1" };
	static const struct vfio_pci_cap anchor = { .len = 4, .regs = &anchor_reg, .n_regs = 1 };
	unsigned int pos = PCI_CFG_SIZE, found = 0, loops = (PCI_CFG_EXT_SIZE - PCI_CFG_SIZE) / 8;
	uint8_t *link = NULL;

	/* Only what is PCI Express has such a list; a function without one begins with zeros. */
	if (vpd->pdev->cfg_size <= PCI_CFG_SIZE || !vpd->pdev->pcie_cap ||
	    !pci_get_long(vpd->pdev, pos))
		return;
	while (loops-- && pos >= PCI_CFG_SIZE) {
		uint32_t header = pci_get_long(vpd->pdev, pos);
		const struct vfio_pci_cap *cap = vfio_pci_find_ext_cap(PCI_EXT_CAP_ID(header));
		unsigned int len = cap_len(vpd, cap, pos, PCI_CFG_EXT_SIZE);
		unsigned int next = PCI_EXT_CAP_NEXT(header);

		if (len < 4 && link) {
			set_ext_next(link, next);
			pos = next;
			continue;
		}
		/* The first one anchors the list even when it is hidden: without id and version. */
		add_cap(vpd, pos, len < 4 ? 4 : len, len < 4 ? &anchor : cap, false);
		if (len < 4) {
			memset(c->vconfig + pos, 0, 2);
			set_ext_next(c->vconfig + pos, next);
			c->vconfig[pos + 2] &= 0xf0;
		} else {
			found++;
		}
		link = c->vconfig + pos;
		pos = next;
	}
	if (!found)
		memset(c->vconfig + PCI_CFG_SIZE, 0, 4);
}

int vfio_pci_config_init(struct vfio_pci_device *vpd)
{
	struct vfio_pci_config *c = &vpd->config;
	struct pci_dev *pdev = vpd->pdev;
	void *image;

	if (FAIL_POINT())
		return -ENOMEM;
	image = mmap(NULL, PCI_CFG_EXT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pdev->memfd,
		     (off_t)VFIO_PCI_CONFIG_REGION_INDEX << PCI_REGION_SHIFT);
	if (image == MAP_FAILED)
		return -ENOMEM;
	c->image = image;
	pci_dev_lock(pdev);
	c->n_hooks = c->n_owners = 0;
	memset(c->owner, OWNER_NONE, sizeof(c->owner));
	/* What no capability claims is the function's, to read and to write. */
	memset(c->virt, 0, sizeof(c->virt));
	memset(c->write, 0xff, sizeof(c->write));
	memset(c->vconfig, 0, sizeof(c->vconfig));
	add_cap(vpd, 0, PCI_STD_HEADER_SIZEOF, &vfio_pci_header_cap, false);
	vfio_pci_virtualize_vf(vpd);
	for (unsigned int i = 0; i < PCI_NUM_BARS; i++)
		c->rbar[i] = pci_get_long(pdev, PCI_BASE_ADDRESS_0 + 4 * i);
	c->rbar[PCI_ROM_BAR] = pci_get_long(pdev, PCI_ROM_ADDRESS);
	atomic_store(&vpd->command_memory, (c->vconfig[PCI_COMMAND] & PCI_COMMAND_MEMORY) != 0);
	walk_caps(vpd);
	walk_ext_caps(vpd);
	vfio_pci_fixup_bars(vpd);
	pci_dev_unlock(pdev);
	c->listener.changed = hw_changed;
	pci_add_config_listener(pdev, &c->listener);
	vfio_pci_config_refresh(vpd, 0, pdev->cfg_size);
	return 0;
}

void vfio_pci_config_free(struct vfio_pci_device *vpd)
{
	struct vfio_pci_config *c = &vpd->config;

	pci_remove_config_listener(vpd->pdev, &c->listener);
	munmap(c->image, PCI_CFG_EXT_SIZE);
	c->image = NULL;
}

/* ---- access --------------------------------------------------------------------------------- */

/* Each aligned 4 bytes as they were at one time, as a config cycle reads them. */
ssize_t vfio_pci_config_read(struct vfio_pci_device *vpd, uint64_t off, void *buf, size_t count)
{
	unsigned int pos = (unsigned int)off, shift, n;
	size_t done = 0;
	uint32_t word;

	if (!range_within(off, count, vpd->pdev->cfg_size))
		return -EFAULT;
	while (done < count) {
		shift = pos % 4;
		n = (unsigned int)MIN(4 - shift, count - done);
		word = __atomic_load_n((uint32_t *)(vpd->config.image + pos - shift),
				       __ATOMIC_RELAXED) >>
		       (8 * shift);
		memcpy((uint8_t *)buf + done, &word, n);
		done += n;
		pos += n;
	}
	return (ssize_t)count;
}

/* The longest naturally aligned piece of at most 4 bytes at @pos that stays inside one
 * capability. */
static unsigned int piece_at(const struct vfio_pci_config *c, unsigned int pos, size_t count)
{
	unsigned int same = 1;

	while ((pos + same) % 4 && c->owner[pos + same] == c->owner[pos])
		same++;
	count = MIN(count, same);
	if (count >= 4 && pos % 4 == 0)
		return 4;
	return count >= 2 && pos % 2 == 0 ? 2 : 1;
}

static void write_piece(struct vfio_pci_device *vpd, unsigned int pos, unsigned int width,
			uint32_t value)
{
	struct vfio_pci_config *c = &vpd->config;
	const struct vfio_pci_write w = { .pos = pos, .width = width, .value = value };
	uint32_t hw_mask = 0;

	if (pos == PCI_COMMAND)
		vfio_pci_command_before(vpd, &w);
	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; i < width; i++) {
		uint8_t virt = c->virt[pos + i], write = c->write[pos + i];
		uint8_t byte = (uint8_t)(value >> (8 * i));

		c->vconfig[pos + i] =
			(uint8_t)((c->vconfig[pos + i] & ~(write & virt)) | (byte & write & virt));
		hw_mask |= (uint32_t)(uint8_t)(write & ~virt) << (8 * i);
	}
	refresh_locked(vpd, pos, width);
	pthread_mutex_unlock(&c->lock);
	if (hw_mask)
		pci_config_write_masked(vpd->pdev, pos, width, value, hw_mask);
	for (unsigned int i = 0; i < c->n_hooks; i++)
		if (pos < c->hooks[i].pos + c->hooks[i].width && c->hooks[i].pos < pos + width)
			c->hooks[i].fn(vpd, c->hooks[i].pos, &w);
}

ssize_t vfio_pci_config_write(struct vfio_pci_device *vpd, uint64_t off, const void *buf,
			      size_t count)
{
	size_t done = 0;

	if (!range_within(off, count, vpd->pdev->cfg_size))
		return -EFAULT;
	pthread_mutex_lock(&vpd->memory_lock);
	while (done < count) {
		unsigned int pos = (unsigned int)(off + done);
		unsigned int width = piece_at(&vpd->config, pos, count - done);
		uint32_t value = 0;

		memcpy(&value, (const uint8_t *)buf + done, width);
		write_piece(vpd, pos, width, value);
		done += width;
	}
	pthread_mutex_unlock(&vpd->memory_lock);
	return (ssize_t)done;
}
