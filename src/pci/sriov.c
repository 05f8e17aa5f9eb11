/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SR-IOV in silicon (PCI Express Base 6.0, 9.3.3 and 9.3.4): the PF's capability with its rules for
 * writes, and the header of a virtual function.
 *
 * NumVFs and System Page Size can be written while VF Enable is clear, NumVFs no higher than
 * TotalVFs. VF BARs size one VF; the aperture is that times TotalVFs. A VF answers memory cycles as
 * its PF's VF MSE says, which is read from the state that the session's processes share: each
 * process has registers of its own for a PF, and pci_sriov_follow() brings them into line.
 *
 * Left out: VF migration, VF resizable BARs, function dependency links of several PFs.
 */
#include "pci/sriov.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "file/file.h"
#include "pci/pci_priv.h"

#define SRIOV_VERSION 1
/* 4, 8, 64, 256 KiB, 1 and 4 MiB: those that every device must support. */
#define SRIOV_PAGE_SIZES 0x553

static unsigned int reg_of(const struct pci_dev *dev, unsigned int off)
{
	return dev->sriov_cap + off;
}

/* ---- the PF's registers ---------------------------------------------------------------------- */

static void put_word(struct pci_dev *dev, unsigned int off, unsigned int value)
{
	pci_put_byte(dev, off, (uint8_t)value);
	pci_put_byte(dev, off + 1, (uint8_t)(value >> 8));
}

/* 9.3.3.7: NumVFs is written before VFs are enabled; 9.3.3.13: so is the page size. */
static void open_registers(struct pci_dev *dev, bool enabled)
{
	memset(dev->wmask + reg_of(dev, PCI_SRIOV_NUM_VF), enabled ? 0 : 0xff, 2);
	for (unsigned int i = 0; i < 4; i++)
		dev->wmask[reg_of(dev, PCI_SRIOV_SYS_PGSIZE) + i] =
			enabled ? 0 : (uint8_t)(SRIOV_PAGE_SIZES >> (8 * i));
}

static uint32_t registers(const struct pci_dev *dev)
{
	return (uint32_t)pci_get_word(dev, reg_of(dev, PCI_SRIOV_NUM_VF)) << 16 |
	       pci_get_word(dev, reg_of(dev, PCI_SRIOV_CTRL));
}

static unsigned int vfs_in(uint32_t reg)
{
	return reg & PCI_SRIOV_CTRL_VFE ? reg >> 16 : 0;
}

unsigned int pci_enabled_vfs(const struct pci_dev *pf)
{
	unsigned int num = pf->sriov ? vfs_in(atomic_load(&pf->internal->vfs->reg)) : 0;

	/* Other processes write there; arrays have room for no more. */
	return num && num > pf->sriov->total_vfs ? pf->sriov->total_vfs : num;
}

unsigned int pci_num_vf(const struct pci_dev *pf)
{
	unsigned int num = pf->sriov ? atomic_load(&pf->internal->vfs->num_vfs) : 0;

	return num && num > pf->sriov->total_vfs ? pf->sriov->total_vfs : num;
}

bool pci_vf_decodes(const struct pci_dev *vf)
{
	uint32_t reg = atomic_load_explicit(&vf->physfn->internal->vfs->reg, memory_order_relaxed);

	return (reg & PCI_SRIOV_CTRL_ON) == PCI_SRIOV_CTRL_ON && vf->vf_index < reg >> 16;
}

static void sriov_written(struct pci_dev *dev)
{
	struct pci_vf_state *state = dev->internal->vfs;
	uint32_t new = registers(dev), old;
	unsigned int reg = reg_of(dev, PCI_SRIOV_SYS_PGSIZE);
	uint32_t size = pci_get_long(dev, reg);

	if (new >> 16 > dev->sriov->total_vfs) {
		new = (uint32_t)dev->sriov->total_vfs << 16 | (uint16_t) new;
		put_word(dev, reg_of(dev, PCI_SRIOV_NUM_VF), new >> 16);
	}
	/* One size at a time; what is none stays what it was. */
	if (!size || (size & (size - 1)))
		for (unsigned int i = 0; i < 4; i++)
			pci_put_byte(dev, reg + i, i ? 0 : 1);
	open_registers(dev, new &PCI_SRIOV_CTRL_VFE);
	old = atomic_exchange(&state->reg, new);
	if (old == new)
		return;
	if (vfs_in(old) != vfs_in(new) && dev->model->vfs_changed)
		dev->model->vfs_changed(dev, vfs_in(new));
	/* Another process may have the function in use, with registers of its own. */
	pci_ring(dev);
}

static void set_registers(struct pci_dev *dev, uint32_t reg)
{
	put_word(dev, reg_of(dev, PCI_SRIOV_NUM_VF), reg >> 16);
	put_word(dev, reg_of(dev, PCI_SRIOV_CTRL), (uint16_t)reg);
	open_registers(dev, reg & PCI_SRIOV_CTRL_VFE);
}

void pci_sriov_follow(struct pci_dev *dev)
{
	uint32_t reg;

	if (!dev->sriov)
		return;
	reg = atomic_load(&dev->internal->vfs->reg);
	if (reg == registers(dev))
		return;
	set_registers(dev, reg);
	pci_config_changed(dev, dev->sriov_cap, PCI_EXT_CAP_SRIOV_SIZEOF);
}

void pci_sriov_restore(struct pci_dev *dev)
{
	unsigned int num = pci_num_vf(dev);

	if (!dev->sriov)
		return;
	set_registers(dev, num << 16 | dev->internal->sriov_ari | (num ? PCI_SRIOV_CTRL_ON : 0));
	sriov_written(dev);
}

void pci_sriov_reset(struct pci_dev *dev)
{
	unsigned int num = pci_enabled_vfs(dev);

	for (unsigned int i = 0; i < num; i++) {
		atomic_store(&dev->internal->vfs->vf_reset[i], 1);
		pci_ring_vf(dev, i);
	}
}

void pci_sriov_share(struct pci_dev *dev, struct pci_vf_state *state, bool fresh)
{
	if (!dev->sriov)
		return;
	if (fresh)
		atomic_store(&state->reg, registers(dev));
	else
		set_registers(dev, atomic_load(&state->reg));
	dev->internal->vfs = state;
}

static int add_registers(struct pci_dev *dev, uint16_t at, const struct pci_sriov *s)
{
	int off = pci_add_ext_capability_at(dev, PCI_EXT_CAP_ID_SRIOV, SRIOV_VERSION, at,
					    PCI_EXT_CAP_SRIOV_SIZEOF);
	unsigned int base = (unsigned int)off;

	if (off < 0)
		return off;
	pci_set_word(dev, base + PCI_SRIOV_INITIAL_VF, s->total_vfs);
	pci_set_word(dev, base + PCI_SRIOV_TOTAL_VF, s->total_vfs);
	pci_set_word(dev, base + PCI_SRIOV_VF_OFFSET, s->offset);
	pci_set_word(dev, base + PCI_SRIOV_VF_STRIDE, s->stride);
	pci_set_word(dev, base + PCI_SRIOV_VF_DID, s->vf_device);
	pci_set_long(dev, base + PCI_SRIOV_SUP_PGSIZE, SRIOV_PAGE_SIZES);
	pci_set_long(dev, base + PCI_SRIOV_SYS_PGSIZE, 1);
	pci_set_word(dev, base + PCI_SRIOV_FUNC_LINK, dev->rid & 0xff);
	dev->wmask[base + PCI_SRIOV_CTRL] = PCI_SRIOV_CTRL_ON | PCI_SRIOV_CTRL_ARI;
	for (unsigned int i = 0; i < PCI_NUM_BARS; i++) {
		unsigned int reg = base + PCI_SRIOV_BAR + 4 * i;
		bool wide = s->bar[i].flags & PCI_BASE_ADDRESS_MEM_TYPE_64;

		if (!s->bar[i].size)
			continue;
		pci_set_long(dev, reg, s->bar[i].flags);
		for (unsigned int b = 0; b < (wide ? 8u : 4u); b++)
			dev->wmask[reg + b] =
				(uint8_t)((~(s->bar[i].size - 1) & ~0xfULL) >> (8 * b));
	}
	return off;
}

static bool bars_fit(const struct pci_sriov *s)
{
	for (unsigned int i = 0; i < PCI_NUM_BARS; i++) {
		uint64_t size = s->bar[i].size;
		bool wide = s->bar[i].flags & PCI_BASE_ADDRESS_MEM_TYPE_64;

		if (size && ((size & (size - 1)) || size < HOST_PAGE_SIZE || size > 1ULL << 30 ||
			     (s->bar[i].flags & PCI_BASE_ADDRESS_SPACE_IO) ||
			     (wide && (i == PCI_NUM_BARS - 1 || s->bar[i + 1].size))))
			return false;
	}
	return true;
}

int pci_add_sriov_cap(struct pci_dev *dev, uint16_t at, const struct pci_sriov *sriov)
{
	struct pci_internal *in = dev->internal;
	int off;

	if (!sriov->total_vfs || sriov->total_vfs > PCI_MAX_VFS || !sriov->offset ||
	    !sriov->stride || !sriov->vf_model || !bars_fit(sriov) || dev->sriov)
		return -EINVAL;
	in->own_vfs = FAIL_POINT() ? NULL : calloc(1, sizeof(*in->own_vfs));
	if (!in->own_vfs)
		return -ENOMEM;
	off = add_registers(dev, at, sriov);
	if (off < 0)
		return off;
	in->sriov = *sriov;
	in->driver_max_vfs = sriov->total_vfs;
	in->vfs = in->own_vfs;
	dev->sriov = &in->sriov;
	open_registers(dev, false);
	pci_add_hook(dev, (unsigned int)off + PCI_SRIOV_CTRL, PCI_EXT_CAP_SRIOV_SIZEOF - 8,
		     sriov_written);
	return off;
}

int pci_add_ari_cap(struct pci_dev *dev, uint16_t at)
{
	int off = pci_add_ext_capability_at(dev, PCI_EXT_CAP_ID_ARI, 1, at, PCI_EXT_CAP_ARI_SIZEOF);

	if (off >= 0)
		dev->internal->ari_cap = (uint16_t)off;
	return off;
}

/* ---- a virtual function ---------------------------------------------------------------------- */

/* 9.3.4.1: ids read as ones, memory decoding, INTx and the interrupt registers are not there. */
static void init_vf_header(struct pci_dev *vf)
{
	const struct pci_dev *pf = vf->physfn;

	pci_dev_set_ids(vf, pf->vendor, pf->sriov->vf_device, pf->class_code, pf->revision,
			pf->subsystem_vendor, pf->subsystem_device);
	pci_set_long(vf, PCI_VENDOR_ID, ~0u);
	memset(vf->wmask, 0, PCI_STD_HEADER_SIZEOF);
	vf->wmask[PCI_COMMAND] = PCI_COMMAND_MASTER;
}

/* The registers are zero and read-only: where a VF's memory is follows from its PF's VF BARs. */
static int add_vf_bars(struct pci_dev *vf)
{
	const struct pci_dev *pf = vf->physfn;

	for (unsigned int i = 0; i < PCI_NUM_BARS; i++) {
		const struct pci_vf_bar *bar = &pf->sriov->bar[i];
		size_t pages = bar->size >> HOST_PAGE_SHIFT;

		if (!bar->size)
			continue;
		vf->bar[i].page_access = FAIL_POINT() ? NULL : malloc(pages);
		if (!vf->bar[i].page_access)
			return -ENOMEM;
		memset(vf->bar[i].page_access, PAGE_TRAP_ALL, pages);
		vf->bar[i].size = bar->size;
		vf->bar[i].flags = bar->flags;
		vf->bar[i].addr = pf->internal->vf_bar_addr[i] + vf->vf_index * bar->size;
	}
	return 0;
}

int pci_vf_create(struct pci_dev *pf, unsigned int index, const struct model_config *config,
		  struct pci_dev **out, char *err, size_t err_size)
{
	const struct pci_model *model = pf->sriov->vf_model;
	struct pci_dev *vf;
	int ret = pci_dev_create(pci_vf_rid(pf->rid, pf->sriov, index), model, &vf);

	if (ret)
		return ret;
	vf->physfn = pf;
	vf->vf_index = index;
	init_vf_header(vf);
	ret = add_vf_bars(vf);
	if (!ret)
		ret = model->create(vf, config, err, err_size);
	if (ret) {
		pci_dev_destroy(vf);
		return ret;
	}
	vf->sysfs.no_d3cold = !vf->pm_cap;
	*out = vf;
	return 0;
}
