/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A function: its life, identity, BARs and the cycles that reach them.
 *
 * Memory BARs live in one sparse memfd, region i at i << PCI_REGION_SHIFT, and are mapped for the
 * library read-write as long as the function is powered. What a client's mapping of a page may do
 * is page_access; listeners carry changes of it to the client's mappings.
 */
#include "pci/pci.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/event.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/overflow.h"
#include "file/file.h"
#include "pci/bus_priv.h"
#include "pci/doorbell.h"
#include "pci/pci_priv.h"

static void init_header(struct pci_dev *dev)
{
	/* PCI Local Bus 3.0, 6.2: what a PCI Express endpoint lets one write. */
	pci_set_word(dev, PCI_STATUS, PCI_STATUS_CAP_LIST);
	dev->wmask[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	dev->wmask[PCI_COMMAND + 1] = (PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE) >> 8;
	dev->w1cmask[PCI_STATUS + 1] = 0xf9;
	dev->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->wmask[PCI_INTERRUPT_LINE] = 0xff;
	memset(dev->wmask + PCI_STD_HEADER_SIZEOF, 0xff, PCI_CFG_EXT_SIZE - PCI_STD_HEADER_SIZEOF);
	/* The (absent) extended capability list's head: 7.6.2 of the PCI Express base 3.0. */
	memset(dev->wmask + PCI_CFG_SIZE, 0, 4);
}

int pci_dev_create(uint32_t rid, const struct pci_model *model, struct pci_dev **out)
{
	struct pci_dev *dev;

	if (FAIL_POINT())
		return -ENOMEM;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->internal = calloc(1, sizeof(*dev->internal));
	dev->stats = calloc(1, sizeof(*dev->stats));
	if (!dev->internal || !dev->stats || pci_irqs_create(dev)) {
		free(dev->stats);
		free(dev->internal);
		free(dev);
		return -ENOMEM;
	}
	dev->rid = rid;
	dev->dev.requester = rid;
	dev->model = model;
	dev->memfd = -1;
	dev->cfg_size = PCI_CFG_EXT_SIZE;
	dev->internal->msix_bar = PCI_NUM_BARS;
	snprintf(dev->dev.name, sizeof(dev->dev.name), "%04x:%02x:%02x.%x", rid >> 16,
		 (rid >> 8) & 0xff, (rid >> 3) & 0x1f, rid & 7);
	pthread_mutex_init(&dev->lock, NULL);
	pthread_mutex_init(&dev->internal->power_lock, NULL);
	list_init(&dev->bar_listeners);
	list_init(&dev->config_listeners);
	init_header(dev);
	pci_add_hook(dev, PCI_COMMAND, 2, pci_command_written);
	*out = dev;
	return 0;
}

static void take_snapshot(struct pci_dev *dev)
{
	if (dev->internal->snapshot)
		return;
	memcpy(dev->internal->reset_config, dev->config, sizeof(dev->config));
	dev->internal->snapshot = true;
}

void pci_dev_created(struct pci_dev *dev)
{
	take_snapshot(dev);
	pci_init_reset_methods(dev);
	dev->internal->created = true;
}

void pci_dev_destroy(struct pci_dev *dev)
{
	if (!dev)
		return;
	assert(dev->internal->power_count == 0);
	pci_forget_deferred(dev);
	if (dev->internal->created && dev->model && dev->model->destroy)
		dev->model->destroy(dev);
	for (unsigned int i = 0; i < PCI_NUM_REGIONS; i++)
		free(dev->bar[i].page_access);
	pci_irqs_destroy(dev);
	pthread_mutex_destroy(&dev->internal->power_lock);
	pthread_mutex_destroy(&dev->lock);
	free(dev->internal->vpd);
	free(dev->internal->own_vfs);
	free(dev->internal);
	free(dev->stats);
	free(dev);
}

void pci_dev_set_ids(struct pci_dev *dev, uint16_t vendor, uint16_t device, uint32_t class_code,
		     uint8_t revision, uint16_t subsystem_vendor, uint16_t subsystem_device)
{
	dev->vendor = vendor;
	dev->device = device;
	dev->class_code = class_code & 0xffffff;
	dev->revision = revision;
	dev->subsystem_vendor = subsystem_vendor;
	dev->subsystem_device = subsystem_device;
	pci_set_word(dev, PCI_VENDOR_ID, vendor);
	pci_set_word(dev, PCI_DEVICE_ID, device);
	pci_set_long(dev, PCI_CLASS_REVISION, dev->class_code << 8 | revision);
	/* A bridge names its subsystem in a capability, if at all (type 1 header). */
	if (!dev->is_bridge) {
		pci_set_word(dev, PCI_SUBSYSTEM_VENDOR_ID, subsystem_vendor);
		pci_set_word(dev, PCI_SUBSYSTEM_ID, subsystem_device);
	}
}

/* ---- BARs ----------------------------------------------------------------------------------- */

int pci_dev_add_bar(struct pci_dev *dev, unsigned int bar, uint64_t size, uint32_t flags)
{
	bool io = flags & PCI_BASE_ADDRESS_SPACE_IO;
	bool wide = !io && (flags & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
	unsigned int reg = bar == PCI_ROM_BAR ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * bar;
	uint32_t fixed = io ? 3 : bar == PCI_ROM_BAR ? 0x7fe : 0xf;
	size_t pages = ALIGN_UP(size, HOST_PAGE_SIZE) >> HOST_PAGE_SHIFT;

	if (bar > PCI_ROM_BAR || size < 16 || (size & (size - 1)) ||
	    size > 1ULL << PCI_REGION_SHIFT || (wide && bar >= PCI_NUM_BARS - 1) ||
	    (!wide && size > 1ULL << 31) || dev->bar[bar].size)
		return -EINVAL;
	if (!io) {
		dev->bar[bar].page_access = malloc(pages);
		if (!dev->bar[bar].page_access)
			return -ENOMEM;
		memset(dev->bar[bar].page_access, PAGE_TRAP_ALL, pages);
	}
	dev->bar[bar].size = size;
	dev->bar[bar].flags = flags;
	if (bar == PCI_ROM_BAR) {
		pci_set_long(dev, reg, 0);
		fixed &= ~(uint32_t)PCI_ROM_ADDRESS_ENABLE;
	} else {
		pci_set_long(dev, reg, flags);
	}
	for (unsigned int i = 0; i < (wide ? 8u : 4u); i++)
		dev->wmask[reg + i] = (uint8_t)((~(size - 1) & ~(uint64_t)fixed) >> (8 * i));
	if (bar == PCI_ROM_BAR)
		dev->wmask[reg] |= PCI_ROM_ADDRESS_ENABLE;
	return 0;
}

static void set_access(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t len,
		       int access)
{
	uint64_t end = ALIGN_UP(dev->bar[bar].size, HOST_PAGE_SIZE);

	if (!dev->bar[bar].page_access || !range_within(off, len, end))
		return;
	memset(dev->bar[bar].page_access + (off >> HOST_PAGE_SHIFT), access,
	       ALIGN_UP(len, HOST_PAGE_SIZE) >> HOST_PAGE_SHIFT);
}

void pci_bar_declare(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t len, int access)
{
	set_access(dev, bar, off, len, access);
}

void pci_bar_set_access(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t len,
			int access)
{
	struct pci_bar_listener *l;

	set_access(dev, bar, off, len, access);
	list_for_each_entry(l, &dev->bar_listeners, node)
		l->set_access(l, bar, off, len, access);
}

/* ---- power ---------------------------------------------------------------------------------- */

static void unmap_bars(struct pci_dev *dev)
{
	for (unsigned int i = 0; i < PCI_NUM_REGIONS; i++) {
		if (dev->bar[i].mem)
			munmap(dev->bar[i].mem, ALIGN_UP(dev->bar[i].size, HOST_PAGE_SIZE));
		dev->bar[i].mem = NULL;
	}
	fd_close(dev->memfd);
	dev->memfd = -1;
}

static int map_bars(struct pci_dev *dev)
{
	int fd = FAIL_POINT() ? -ENOMEM : fd_memfd("uvfio-pci", 8ULL << PCI_REGION_SHIFT);

	if (fd < 0)
		return fd;
	dev->memfd = fd;
	for (unsigned int i = 0; i < PCI_NUM_REGIONS; i++) {
		struct pci_bar *bar = &dev->bar[i];

		if (!bar->size || (bar->flags & PCI_BASE_ADDRESS_SPACE_IO))
			continue;
		bar->mem = mmap(NULL, ALIGN_UP(bar->size, HOST_PAGE_SIZE), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_NORESERVE, fd, (off_t)i << PCI_REGION_SHIFT);
		if (bar->mem == MAP_FAILED) {
			bar->mem = NULL;
			unmap_bars(dev);
			return -ENOMEM;
		}
	}
	return 0;
}

static void quiesce(struct pci_dev *dev)
{
	if (dev->model && dev->model->quiesce)
		dev->model->quiesce(dev);
}

int pci_dev_power_on(struct pci_dev *dev)
{
	struct pci_internal *in = dev->internal;
	int ret = 0;

	pthread_mutex_lock(&in->power_lock);
	if (in->power_count) {
		in->power_count++;
		goto out;
	}
	take_snapshot(dev);
	pci_config_adopt(dev);
	pci_dev_lock(dev);
	pci_sriov_follow(dev);
	pci_dev_unlock(dev);
	ret = map_bars(dev);
	if (ret)
		goto out;
	pci_dev_lock(dev);
	pci_irqs_power_on(dev);
	pci_msg_listen(dev, true);
	if (dev->model && dev->model->power_on)
		ret = dev->model->power_on(dev);
	in->powered = ret == 0;
	pci_dev_unlock(dev);
	if (ret)
		goto unmap;
	ret = pci_thread_start(dev);
	if (ret)
		goto off;
	ret = pci_notify_start(dev);
	if (ret) {
		pci_thread_stop(dev);
		goto off;
	}
	in->power_count = 1;
	pci_config_mirror_begin(dev);
	goto out;
off:
	quiesce(dev);
	pci_doorbell_destroy(dev);
	pci_dev_lock(dev);
	in->powered = false;
	if (dev->model && dev->model->power_off)
		dev->model->power_off(dev);
	pci_dev_unlock(dev);
unmap:
	pci_msg_listen(dev, false);
	pci_irqs_power_off(dev);
	unmap_bars(dev);
out:
	pthread_mutex_unlock(&in->power_lock);
	return ret;
}

void pci_dev_power_off(struct pci_dev *dev)
{
	struct pci_internal *in = dev->internal;

	pthread_mutex_lock(&in->power_lock);
	if (in->power_count && --in->power_count == 0) {
		/* All these threads take dev->lock. */
		quiesce(dev);
		pci_notify_stop(dev);
		pci_thread_stop(dev);
		pci_doorbell_destroy(dev);
		pci_config_mirror_end(dev);
		pci_dev_lock(dev);
		in->powered = false;
		if (dev->model && dev->model->power_off)
			dev->model->power_off(dev);
		pci_msg_listen(dev, false);
		pci_irqs_power_off(dev);
		pci_dev_unlock(dev);
		unmap_bars(dev);
	}
	pthread_mutex_unlock(&in->power_lock);
}

/* ---- memory and I/O cycles ------------------------------------------------------------------ */

uint64_t pci_mem_load(const volatile void *p, unsigned int width)
{
	switch (width) {
	case 1:
		return *(const volatile uint8_t *)p;
	case 2:
		return *(const volatile uint16_t *)p;
	case 4:
		return *(const volatile uint32_t *)p;
	default:
		return *(const volatile uint64_t *)p;
	}
}

void pci_mem_store(volatile void *p, unsigned int width, uint64_t value)
{
	switch (width) {
	case 1:
		*(volatile uint8_t *)p = (uint8_t)value;
		break;
	case 2:
		*(volatile uint16_t *)p = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)p = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)p = value;
	}
}

static uint64_t ones(unsigned int width)
{
	return width == 8 ? UINT64_MAX : (1ULL << (8 * width)) - 1;
}

static bool bar_decodes(const struct pci_dev *dev, unsigned int bar, uint64_t off,
			unsigned int width)
{
	if (!dev->internal->powered || bar >= PCI_NUM_REGIONS ||
	    !range_within(off, width, dev->bar[bar].size))
		return false;
	if (dev->bar[bar].flags & PCI_BASE_ADDRESS_SPACE_IO)
		return pci_get_byte(dev, PCI_COMMAND) & PCI_COMMAND_IO;
	return pci_memory_enabled(dev);
}

static uint64_t bar_read_locked(struct pci_dev *dev, unsigned int bar, uint64_t off,
				unsigned int width)
{
	if (!bar_decodes(dev, bar, off, width))
		return ones(width);
	if (pci_msix_covers(dev, bar, off))
		return pci_msix_read(dev, off, width);
	if (dev->model && dev->model->bar_read)
		return dev->model->bar_read(dev, bar, off, width) & ones(width);
	if (dev->bar[bar].mem)
		return pci_mem_load((char *)dev->bar[bar].mem + off, width);
	return ones(width);
}

uint64_t pci_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width)
{
	uint64_t value;

	pci_dev_lock(dev);
	value = bar_read_locked(dev, bar, off, width);
	pci_dev_unlock(dev);
	atomic_fetch_add_explicit(&dev->stats->reg_reads, 1, memory_order_relaxed);
	event_emit(EVENT_REG_READ, dev->rid, (uint64_t)bar << PCI_REGION_SHIFT | off, width, value);
	return value;
}

uint64_t pci_bar_read_nested(struct pci_dev *dev, unsigned int bar, uint64_t off,
			     unsigned int width)
{
	if (!bar_decodes(dev, bar, off, width) || !dev->bar[bar].mem)
		return ones(width);
	return pci_mem_load((char *)dev->bar[bar].mem + off, width);
}

void pci_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
		   uint64_t value)
{
	atomic_fetch_add_explicit(&dev->stats->reg_writes, 1, memory_order_relaxed);
	event_emit(EVENT_REG_WRITE, dev->rid, (uint64_t)bar << PCI_REGION_SHIFT | off, width,
		   value);
	pci_dev_lock(dev);
	if (!bar_decodes(dev, bar, off, width))
		goto out;
	if (pci_msix_covers(dev, bar, off))
		pci_msix_write(dev, off, width, value);
	else if (dev->model && dev->model->bar_write)
		dev->model->bar_write(dev, bar, off, width, value);
	else if (dev->bar[bar].mem)
		pci_mem_store((char *)dev->bar[bar].mem + off, width, value);
out:
	pci_dev_unlock(dev);
}

uint32_t pci_legacy_read(struct pci_dev *dev, bool io, uint32_t addr, unsigned int width)
{
	uint32_t value = (uint32_t)ones(width);

	pci_dev_lock(dev);
	if (dev->internal->powered && dev->model && dev->model->legacy_read)
		value &= dev->model->legacy_read(dev, io, addr, width);
	pci_dev_unlock(dev);
	return value;
}

void pci_legacy_write(struct pci_dev *dev, bool io, uint32_t addr, unsigned int width,
		      uint32_t value)
{
	pci_dev_lock(dev);
	if (dev->internal->powered && dev->model && dev->model->legacy_write)
		dev->model->legacy_write(dev, io, addr, width, value);
	pci_dev_unlock(dev);
}
