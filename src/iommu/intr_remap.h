/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt remapping (VT-d specification 4.1, chapter 5; AMD 48882, 2.2.5): a function's message
 * names an entry of a table, and the entry, not the message, says where the interrupt goes.
 *
 * A requester that has no unit sends messages that name a local APIC and a vector themselves.
 */
#ifndef IOMMU_INTR_REMAP_H
#define IOMMU_INTR_REMAP_H

#include "iommu/iommu.h"
#include "irq/posted.h"

#define INTR_NO_ENTRY UINT32_MAX

/* Writes to these addresses are messages. */
#define INTR_WINDOW_FIRST 0xfee00000ULL
#define INTR_WINDOW_LAST  0xfeefffffULL

struct intr_msg {
	uint64_t addr;
	uint32_t data;
};

/* ---- the host's side ----------------------------------------------------------------------- */

/*
 * @count entries for messages of @dev, neighbours and aligned to the next power of two when there
 * are several; all absent. *@index: the first; INTR_NO_ENTRY where nothing remaps. -ENOSPC,
 * -ENOMEM.
 */
int intr_remap_alloc(struct iommu_dev *dev, unsigned int count, uint32_t *index);
void intr_remap_free(struct iommu_dev *dev, uint32_t index, unsigned int count);
/*
 * An entry from now on: to vector @vector of the local APIC @dest, to @target, or absent. The
 * caller's lock serialises this and the device's own requests. @target stays as long as the entry
 * points to it.
 */
void intr_remap_set(struct iommu_dev *dev, uint32_t index, uint32_t dest, uint8_t vector);
void intr_remap_post(struct iommu_dev *dev, uint32_t index, const struct irq_post_target *target);
void intr_remap_clear(struct iommu_dev *dev, uint32_t index);
/* The two words of an entry as the hardware has them: for tests and whoever wants to look. */
void intr_remap_read(struct iommu_dev *dev, uint32_t index, uint64_t entry[2]);
/*
 * The message by which the device asks for entry @index; of several entries (MSI), message n of the
 * function is this one with n in the low bits of the data. @index INTR_NO_ENTRY: for @vector of
 * @dest itself. @dev NULL: as without a unit.
 */
struct intr_msg intr_remap_msg(const struct iommu_dev *dev, uint32_t index, uint32_t dest,
			       uint8_t vector);

/* ---- the hardware's side ------------------------------------------------------------------- */

enum intr_kind {
	INTR_BLOCKED, /* a fault, which has been recorded */
	INTR_VECTOR,  /* to vector @vector of the local APIC @dest */
	INTR_POST,    /* into the descriptor */
};

struct intr_request {
	enum intr_kind kind;
	uint32_t index; /* the entry, INTR_NO_ENTRY: none was asked */
	uint32_t dest;
	uint8_t vector;
	/* INTR_POST, from the entry: */
	bool urgent;
	struct pi_desc *pi_desc; /* one of the two */
	void *vapic;
	const struct irq_post_target *target; /* as intr_remap_post() got it */
};

/*
 * What a message of @dev (NULL: a function in front of which nothing is) asks for. Lock-free, safe
 * in signal context; the caller holds the lock of the device's own entries.
 */
void intr_remap_request(struct iommu_dev *dev, uint64_t addr, uint32_t data,
			struct intr_request *out);
/* Posts: sets the request, then, when it is due, the notification's bit. Returns whether to
 * notify. */
bool intr_post(const struct intr_request *request);

/*
 * Who takes the messages that the device sends by DMA: 4 aligned bytes written into the window.
 * Runs outside of sections. NULL: nobody, they are faults. No DMA may be running.
 */
void iommu_dev_set_msi(struct iommu_dev *dev, void (*fn)(void *arg, uint64_t addr, uint32_t data),
		       void *arg);

#endif
