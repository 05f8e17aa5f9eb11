/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt remapping: the tables, and what a message finds in them.
 *
 * A request reads two words and takes no lock. Why it cannot act on half an entry: the host's
 * driver changes a device's entries, and the device sends messages, with one lock of the device's
 * held (pci_irqs.lock). An entry is written high word first, low word with its present bit last,
 * and cleared the other way round, so an entry that is present is complete. The high word names
 * the one requester that passes, and is zero before and after that device has the entry; so a
 * device that reads its own name there reads an entry that nobody is changing, and any other,
 * whatever mixture of an old and a new entry it reads, is stopped. In AMD's format each device has
 * its own table, and nobody else reads it.
 *
 * By the same lock a target of the posted mode is not in use any more when intr_remap_set() or
 * _post() has replaced it.
 *
 * Lock: intr_lock guards which entries are given out, and tables coming up; a leaf.
 */
#include "iommu/intr_remap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/failpoint.h"
#include "base/sysraw.h"
#include "iommu/intr_amd.h"
#include "iommu/intr_intel.h"
#include "iommu/iommu_priv.h"

/* A message without remapping (Intel SDM volume 3, 11.11): the APIC in the address, the vector in
 * the data. */
#define MSG_DEST_SHIFT 12

static pthread_mutex_t intr_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- tables -------------------------------------------------------------------------------- */

static struct intr_table *table_create(unsigned int entries, uint32_t segment)
{
	struct intr_table *table = FAIL_POINT() ? NULL : calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	list_init(&table->node);
	table->entries = entries;
	table->segment = segment;
	return table;
}

/* The words, the targets and the bits of what is given out in one mapping. */
static size_t table_bytes(const struct intr_table *table)
{
	return table->entries * (2 * sizeof(uint64_t) + sizeof(table->target[0])) +
	       table->entries / 8;
}

static void table_destroy(struct intr_table *table)
{
	void *words = (void *)atomic_load_explicit(&table->words, memory_order_relaxed);

	if (words)
		raw_munmap(words, table_bytes(table));
	free(table);
}

static int table_map_locked(struct intr_table *table)
{
	long addr;
	char *mem;

	if (atomic_load_explicit(&table->words, memory_order_relaxed))
		return 0;
	if (FAIL_POINT())
		return -ENOMEM;
	addr = raw_mmap(NULL, table_bytes(table), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (addr < 0 && addr > -4096)
		return -ENOMEM;
	mem = (char *)addr;
	table->target = (void *)(mem + table->entries * 2 * sizeof(uint64_t));
	table->used = (void *)((char *)table->target + table->entries * sizeof(table->target[0]));
	atomic_store_explicit(&table->words, (void *)mem, memory_order_release);
	return 0;
}

int intr_dev_init(struct iommu_dev *dev)
{
	struct intr_table *table;
	int ret = 0;

	if (!dev->iommu)
		return 0;
	if (dev->iommu->model == IOMMU_MODEL_AMD) {
		dev->intr = table_create(AMD_INTR_ENTRIES, 0);
		return dev->intr ? 0 : -ENOMEM;
	}
	pthread_mutex_lock(&intr_lock);
	list_for_each_entry(table, &dev->iommu->intr_tables, node)
		if (table->segment == dev->rid >> 16)
			dev->intr = table;
	if (!dev->intr) {
		dev->intr = table_create(INTEL_INTR_ENTRIES, dev->rid >> 16);
		if (dev->intr)
			list_add(&dev->intr->node, &dev->iommu->intr_tables);
		else
			ret = -ENOMEM;
	}
	pthread_mutex_unlock(&intr_lock);
	return ret;
}

void intr_dev_destroy(struct iommu_dev *dev)
{
	if (dev->intr && dev->iommu->model == IOMMU_MODEL_AMD)
		table_destroy(dev->intr);
	dev->intr = NULL;
}

void intr_unit_destroy(struct iommu *iommu)
{
	while (!list_empty(&iommu->intr_tables)) {
		struct intr_table *table =
			list_first_entry(&iommu->intr_tables, struct intr_table, node);

		list_del(&table->node);
		table_destroy(table);
	}
}

void intr_after_fork(void)
{
	pthread_mutex_init(&intr_lock, NULL);
}

/* ---- entries ------------------------------------------------------------------------------- */

static bool entry_used(const struct intr_table *table, unsigned int i)
{
	return table->used[i / 64] >> (i % 64) & 1;
}

static int find_run_locked(const struct intr_table *table, unsigned int count, uint32_t *index)
{
	unsigned int align = 1;

	while (align < count)
		align *= 2;
	for (unsigned int i = 0; i + count <= table->entries; i += align) {
		unsigned int n = 0;

		while (n < count && !entry_used(table, i + n))
			n++;
		if (n < count)
			continue;
		*index = i;
		return 0;
	}
	return -ENOSPC;
}

int intr_remap_alloc(struct iommu_dev *dev, unsigned int count, uint32_t *index)
{
	struct intr_table *table = dev ? dev->intr : NULL;
	int ret;

	*index = INTR_NO_ENTRY;
	if (!table)
		return 0;
	pthread_mutex_lock(&intr_lock);
	ret = table_map_locked(table);
	if (!ret)
		ret = find_run_locked(table, count, index);
	for (unsigned int i = 0; !ret && i < count; i++)
		table->used[(*index + i) / 64] |= 1ULL << ((*index + i) % 64);
	pthread_mutex_unlock(&intr_lock);
	return ret;
}

static void entry_write(struct iommu_dev *dev, uint32_t index, struct intr_entry e,
			const struct irq_post_target *target)
{
	struct intr_table *table = dev ? dev->intr : NULL;
	_Atomic uint64_t *words;

	if (!table || index >= table->entries)
		return;
	words = atomic_load_explicit(&table->words, memory_order_relaxed) + 2 * (size_t)index;
	/* Absent first; then what it says, then present: each store behind the one before. */
	atomic_store_explicit(&words[0], 0, memory_order_relaxed);
	atomic_store_explicit(&words[1], e.hi, memory_order_release);
	table->target[index] = target;
	atomic_store_explicit(&words[0], e.lo, memory_order_release);
}

void intr_remap_clear(struct iommu_dev *dev, uint32_t index)
{
	entry_write(dev, index, (struct intr_entry){ 0, 0 }, NULL);
}

void intr_remap_free(struct iommu_dev *dev, uint32_t index, unsigned int count)
{
	struct intr_table *table = dev ? dev->intr : NULL;

	if (!table || index == INTR_NO_ENTRY)
		return;
	pthread_mutex_lock(&intr_lock);
	for (unsigned int i = index; i < index + count; i++) {
		entry_write(dev, i, (struct intr_entry){ 0, 0 }, NULL);
		table->used[i / 64] &= ~(1ULL << (i % 64));
	}
	pthread_mutex_unlock(&intr_lock);
}

void intr_remap_set(struct iommu_dev *dev, uint32_t index, uint32_t dest, uint8_t vector)
{
	if (!dev || !dev->iommu)
		return;
	entry_write(dev, index,
		    dev->iommu->model == IOMMU_MODEL_AMD
			    ? amd_remapped(dest, vector)
			    : intel_remapped((uint16_t)dev->rid, dest, vector),
		    NULL);
}

void intr_remap_post(struct iommu_dev *dev, uint32_t index, const struct irq_post_target *target)
{
	if (!dev || !dev->iommu)
		return;
	entry_write(dev, index,
		    dev->iommu->model == IOMMU_MODEL_AMD ? amd_guest(target)
							 : intel_posted((uint16_t)dev->rid, target),
		    target);
}

static struct intr_entry entry_load(const struct intr_table *table, uint32_t index)
{
	_Atomic uint64_t *words = atomic_load_explicit(&table->words, memory_order_acquire);
	struct intr_entry e = { 0, 0 };

	if (unlikely(!words))
		return e;
	/* Pairs with the release in entry_write(): what belongs to a present entry is seen. */
	e.lo = atomic_load_explicit(&words[2 * (size_t)index], memory_order_acquire);
	e.hi = atomic_load_explicit(&words[2 * (size_t)index + 1], memory_order_relaxed);
	return e;
}

void intr_remap_read(struct iommu_dev *dev, uint32_t index, uint64_t entry[2])
{
	struct intr_entry e = { 0, 0 };

	if (dev->intr && index < dev->intr->entries)
		e = entry_load(dev->intr, index);
	entry[0] = e.lo;
	entry[1] = e.hi;
}

struct intr_msg intr_remap_msg(const struct iommu_dev *dev, uint32_t index, uint32_t dest,
			       uint8_t vector)
{
	if (index == INTR_NO_ENTRY || !dev || !dev->iommu)
		return (struct intr_msg){ .addr = INTR_WINDOW_FIRST | dest << MSG_DEST_SHIFT,
					  .data = vector };
	return dev->iommu->model == IOMMU_MODEL_AMD ? amd_msg(index) : intel_msg(index);
}

/* ---- requests ------------------------------------------------------------------------------ */

static __attribute__((noinline)) void blocked(struct iommu_dev *dev, uint64_t addr, uint32_t data,
					      uint32_t index, enum dma_fault_reason reason)
{
	char what[DMA_FAULT_WHAT] = "";

	if (!dev)
		return;
	switch (reason) {
	case DMA_FAULT_INTR_RESERVED:
		snprintf(what, sizeof(what), "interrupt with data 0x%x: not a message's form",
			 data);
		break;
	case DMA_FAULT_INTR_INDEX:
		snprintf(what, sizeof(what), "interrupt with data 0x%x: behind the remapping table",
			 data);
		break;
	case DMA_FAULT_INTR_COMPAT:
		snprintf(what, sizeof(what), "interrupt with data 0x%x: not in remappable format",
			 data);
		break;
	case DMA_FAULT_INTR_SOURCE:
		snprintf(what, sizeof(what), "interrupt: remapping entry %u is another device's",
			 index);
		break;
	default:
		snprintf(what, sizeof(what), "interrupt: remapping entry %u is not present", index);
		break;
	}
	fault_record_intr(dev, addr, index, reason, what);
}

static void request_remapped(struct iommu_dev *dev, uint64_t addr, uint32_t data,
			     struct intr_request *out)
{
	bool amd = dev->iommu->model == IOMMU_MODEL_AMD, ok = false;
	enum dma_fault_reason why = DMA_FAULT_INTR_ABSENT;
	struct intr_entry e;

	out->index = amd ? amd_index(data) : intel_index(addr, data, &why);
	if (likely(out->index != INTR_NO_ENTRY)) {
		e = entry_load(dev->intr, out->index);
		ok = amd ? amd_decode(e, out, &why)
			 : intel_decode(e, (uint16_t)dev->rid, out, &why);
	}
	if (unlikely(!ok)) {
		blocked(dev, addr, data, out->index, why);
		return;
	}
	if (out->kind != INTR_POST)
		return;
	out->target = dev->intr->target[out->index];
	if (amd && !out->target->vapic) {
		out->vapic = NULL;
		out->pi_desc = out->target->pi_desc;
	}
}

void intr_remap_request(struct iommu_dev *dev, uint64_t addr, uint32_t data,
			struct intr_request *out)
{
	*out = (struct intr_request){ .kind = INTR_BLOCKED, .index = INTR_NO_ENTRY };
	if (unlikely(addr < INTR_WINDOW_FIRST || addr > INTR_WINDOW_LAST)) {
		blocked(dev, addr, data, INTR_NO_ENTRY, DMA_FAULT_INTR_RESERVED);
	} else if (likely(dev && dev->intr)) {
		request_remapped(dev, addr, data, out);
	} else {
		out->kind = INTR_VECTOR;
		out->dest = (uint32_t)(addr >> MSG_DEST_SHIFT) & 0xff;
		out->vector = (uint8_t)data;
	}
}

bool intr_post(const struct intr_request *request)
{
	unsigned int vector = request->vector;
	uint64_t control;

	if (request->vapic) {
		_Atomic uint32_t *irr = (void *)((char *)request->vapic + VAPIC_IRR(vector));

		return !(atomic_fetch_or(irr, 1u << (vector % 32)) >> (vector % 32) & 1);
	}
	/* Before ON, which a consumer clears before it takes the requests (pi_take()). */
	atomic_fetch_or(&request->pi_desc->pir[vector / 64], 1ULL << (vector % 64));
	control = atomic_load(&request->pi_desc->control);
	if ((control & PI_SN) && !request->urgent)
		return false;
	return !(control & PI_ON) && !(atomic_fetch_or(&request->pi_desc->control, PI_ON) & PI_ON);
}

/* ---- messages sent by DMA ------------------------------------------------------------------ */

void iommu_dev_set_msi(struct iommu_dev *dev, void (*fn)(void *arg, uint64_t addr, uint32_t data),
		       void *arg)
{
	dev->msi = fn;
	dev->msi_arg = arg;
}

size_t intr_dma_write(struct iommu_dev *dev, uint64_t addr, const void *buf, size_t len)
{
	uint32_t data = 0;

	/* VT-d 3.14, 48882 2.1.4.2: a doubleword, or no message at all. */
	if (len != sizeof(data) || addr % sizeof(data) || !dev->msi) {
		fault_record_intr(dev, addr, INTR_NO_ENTRY, DMA_FAULT_INTR_RESERVED,
				  "interrupt: not 4 aligned bytes");
		return 0;
	}
	if (buf)
		memcpy(&data, buf, sizeof(data));
	dev->msi(dev->msi_arg, addr, data);
	return len;
}
