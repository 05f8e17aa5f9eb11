/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The register file (3.1) and what its handshakes do: enable and disable (7.3), shutdown (7.6.2).
 *
 * Register values live in BAR memory, where the program's loads find them; a store traps, changes
 * them here and takes effect at once, so RDY follows EN within the same store. A shutdown of a disk
 * with a file on stable storage is the exception: the thread flushes it and then completes SHST.
 */
#include <string.h>

#include "models/nvme/nvme_priv.h"

const uint8_t nvme_lba_shift[NVME_LBA_FORMATS] = { 9, 12 };

static uint32_t reg_get(const struct nvme_ctrl *c, uint32_t off)
{
	return *(const volatile uint32_t *)(const void *)(c->regs + off);
}

static void reg_set(struct nvme_ctrl *c, uint32_t off, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(c->regs + off), value, __ATOMIC_RELEASE);
}

static uint64_t reg_get64(const struct nvme_ctrl *c, uint32_t off)
{
	return reg_get(c, off) | (uint64_t)reg_get(c, off + 4) << 32;
}

static void reg_set64(struct nvme_ctrl *c, uint32_t off, uint64_t value)
{
	reg_set(c, off, (uint32_t)value);
	reg_set(c, off + 4, (uint32_t)(value >> 32));
}

static void csts_change(struct nvme_ctrl *c, uint32_t clear, uint32_t set)
{
	reg_set(c, NVME_REG_CSTS, (reg_get(c, NVME_REG_CSTS) & ~clear) | set);
}

void nvme_fatal(struct nvme_ctrl *c)
{
	c->fatal = true;
	csts_change(c, 0, NVME_CSTS_CFS);
}

void nvme_regs_init(struct nvme_ctrl *c)
{
	memset(c->regs, 0, NVME_MSIX_TABLE); /* registers and doorbells */
	reg_set64(c, NVME_REG_CAP,
		  NVME_CAP_MQES(NVME_MQES) | NVME_CAP_CQR | NVME_CAP_TO(NVME_TIMEOUT) |
			  NVME_CAP_CSS_NVM | NVME_CAP_MPSMAX(NVME_MPSMAX));
	reg_set(c, NVME_REG_VS, NVME_VS_1_4);
	/* 8.5.2: a secondary controller that is offline says so and does nothing. */
	if (c->offline)
		nvme_fatal(c);
}

void nvme_ctrl_reset(struct nvme_ctrl *c)
{
	nvme_queues_end(c);
	memset(&c->events, 0, sizeof(c->events));
	memset(c->notify, 0, sizeof(c->notify));
	nvme_virt_apply(c);
	nvme_features_reset(c);
	c->ready = false;
	c->fatal = false;
	c->shutdown_sync = false;
	c->gen++;
	nvme_intr_mask(c, 0);
}

/* CC.EN 1 to 0 (7.3.2): everything is as after power on but AQA, ASQ and ACQ. */
static void disable(struct nvme_ctrl *c)
{
	nvme_ctrl_reset(c);
	memset(c->regs + NVME_REG_DBS, 0, HOST_PAGE_SIZE);
	reg_set(c, NVME_REG_INTMS, 0);
	reg_set(c, NVME_REG_INTMC, 0);
	reg_set(c, NVME_REG_CSTS, 0);
	if (c->offline)
		nvme_fatal(c);
}

/* CC.EN 0 to 1 (7.6.1): a configuration that is not supported is a fatal status. */
static void enable(struct nvme_ctrl *c, uint32_t cc)
{
	uint32_t aqa = reg_get(c, NVME_REG_AQA), page;

	if (NVME_CC_CSS(cc) || NVME_CC_AMS(cc) || NVME_CC_MPS(cc) > NVME_MPSMAX ||
	    !NVME_AQA_ASQS(aqa) || !NVME_AQA_ACQS(aqa)) {
		nvme_fatal(c);
		return;
	}
	page = (uint32_t)HOST_PAGE_SIZE << NVME_CC_MPS(cc);
	if ((reg_get64(c, NVME_REG_ASQ) | reg_get64(c, NVME_REG_ACQ)) & (page - 1)) {
		nvme_fatal(c);
		return;
	}
	c->page_size = page;
	nvme_cq_init(c, 0, reg_get64(c, NVME_REG_ACQ), NVME_AQA_ACQS(aqa) + 1, true, 0);
	nvme_sq_init(c, 0, reg_get64(c, NVME_REG_ASQ), NVME_AQA_ASQS(aqa) + 1, 0);
	c->ready = true;
	csts_change(c, NVME_CSTS_SHST_MASK, NVME_CSTS_RDY);
}

static void shutdown(struct nvme_ctrl *c)
{
	if (c->backing.durable) {
		c->shutdown_sync = true;
		csts_change(c, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_OCCURING);
		pci_dev_kick(c->dev);
		return;
	}
	csts_change(c, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_COMPLETE);
}

void nvme_shutdown_finish(struct nvme_ctrl *c)
{
	uint32_t gen = c->gen;

	c->shutdown_sync = false;
	pci_dev_unlock(c->dev);
	/* A shutdown cannot fail; what the disk refused is reported to whoever reads the file. */
	nvme_backing_sync(&c->backing, 0, c->backing.size);
	pci_dev_lock(c->dev);
	if (c->gen == gen)
		csts_change(c, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_COMPLETE);
}

static void write_cc(struct nvme_ctrl *c, uint32_t value)
{
	uint32_t old = reg_get(c, NVME_REG_CC), cc = value & NVME_CC_MASK;

	reg_set(c, NVME_REG_CC, cc);
	if ((cc & NVME_CC_EN) && !(old & NVME_CC_EN))
		enable(c, cc);
	else if (!(cc & NVME_CC_EN) && (old & NVME_CC_EN))
		disable(c);
	if (NVME_CC_SHN(cc) && !NVME_CC_SHN(old))
		shutdown(c);
}

void nvme_reg_write(struct nvme_ctrl *c, uint32_t off, uint32_t value)
{
	if (c->offline)
		return;
	switch (off) {
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		value = off == NVME_REG_INTMS ? c->intms | value : c->intms & ~value;
		reg_set(c, NVME_REG_INTMS, value);
		reg_set(c, NVME_REG_INTMC, value);
		nvme_intr_mask(c, value);
		break;
	case NVME_REG_CC:
		write_cc(c, value);
		break;
	case NVME_REG_AQA:
		reg_set(c, off, value & NVME_AQA_MASK);
		break;
	case NVME_REG_ASQ:
	case NVME_REG_ACQ:
		reg_set(c, off, value & ~0xfffu);
		break;
	case NVME_REG_ASQ + 4:
	case NVME_REG_ACQ + 4:
		reg_set(c, off, value);
		break;
	default:
		break; /* read-only or reserved */
	}
}
