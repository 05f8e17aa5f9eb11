/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver for the unit tests (testdrv.h). */
#include "models/ioat/testdrv.h"

#include <string.h>
#include <time.h>

#include "models/ioat/ioat.h"
#include "models/ioat/ioat_priv.h"

struct ring {
	struct ioat_desc *desc;
	uint64_t *completion;
	unsigned int pushed; /* since CHAINADDR was written */
};

const struct pci_model *const drv_model = &ioat_model;
static struct ring rings[IOAT_MAX_CHANS];

void drv_start(const char *const *options)
{
	const void *page;

	drv_plug(options);
	memset(rings, 0, sizeof(rings));
	page = drv_alloc(DRV_PAGE);
	drv_map_page(DRV_RO_IOVA, page, IOMMU_READ);
	/* A register that was never written must not be taken for an address that works. */
	drv_map_page(0, page, IOMMU_READ | IOMMU_WRITE);
}

void drv_stop(void)
{
	drv_unplug();
}

/* ---- registers ------------------------------------------------------------------------------ */

uint64_t drv_get(unsigned int chan, enum ioat_chan_reg reg, unsigned int width)
{
	return drv_read(IOAT_REG_CHAN * (chan + 1) + reg, width);
}

void drv_set(unsigned int chan, enum ioat_chan_reg reg, unsigned int width, uint64_t value)
{
	drv_write(IOAT_REG_CHAN * (chan + 1) + reg, width, value);
}

/* ---- the ring ------------------------------------------------------------------------------- */

void drv_rewind(unsigned int chan)
{
	rings[chan].pushed = 0;
	drv_set(chan, IOAT_CHAN_CHAINADDR, 8, drv_iova(rings[chan].desc));
}

void drv_arm(unsigned int chan)
{
	struct ring *ring = &rings[chan];

	if (!ring->desc) {
		ring->desc = drv_alloc(DRV_RING * sizeof(*ring->desc));
		ring->completion = drv_alloc(8);
		for (unsigned int i = 0; i < DRV_RING; i++)
			ring->desc[i].next = drv_iova(&ring->desc[(i + 1) % DRV_RING]);
	}
	*ring->completion = 0;
	drv_set(chan, IOAT_CHAN_CMP, 8, drv_iova(ring->completion));
	drv_rewind(chan);
	ck_assert_int_eq(drv_state(chan), IOAT_ARMED);
}

struct ioat_desc *drv_ring(unsigned int chan)
{
	return rings[chan].desc;
}

uint64_t drv_completion(unsigned int chan)
{
	return __atomic_load_n(rings[chan].completion, __ATOMIC_ACQUIRE);
}

/* As a program's load does it: without a trap. */
static uint64_t load_sts(unsigned int chan)
{
	const char *regs = drv_dev->bar[0].mem;

	return __atomic_load_n(
		(const uint64_t *)(const void *)(regs + IOAT_REG_CHAN * (chan + 1) + IOAT_CHAN_STS),
		__ATOMIC_ACQUIRE);
}

enum ioat_state drv_state(unsigned int chan)
{
	return (enum ioat_state)(load_sts(chan) & IOAT_CHANSTS_STATE);
}

unsigned int drv_last(unsigned int chan)
{
	uint64_t addr = load_sts(chan) & ~(uint64_t)(IOAT_DESC_SIZE - 1);

	return (unsigned int)((addr - drv_iova(rings[chan].desc)) / IOAT_DESC_SIZE);
}

void drv_push(unsigned int chan, struct ioat_desc desc)
{
	struct ring *ring = &rings[chan];
	unsigned int i = ring->pushed++ % DRV_RING;

	desc.next = ring->desc[i].next;
	ring->desc[i] = desc;
}

void drv_go(unsigned int chan)
{
	drv_set(chan, IOAT_CHAN_DMACOUNT, 2, rings[chan].pushed & 0xffff);
}

enum ioat_state drv_wait(unsigned int chan)
{
	static const struct timespec pause = { .tv_nsec = 100000 };

	for (unsigned int i = 0; drv_state(chan) == IOAT_ACTIVE; i++) {
		ck_assert_msg(i < 50000, "channel %u stays active", chan);
		nanosleep(&pause, NULL);
	}
	return drv_state(chan);
}

enum ioat_state drv_exec(unsigned int chan, struct ioat_desc desc)
{
	drv_push(chan, desc);
	drv_go(chan);
	return drv_wait(chan);
}

uint32_t drv_error(unsigned int chan, struct ioat_desc desc)
{
	uint32_t err;

	ck_assert_int_eq(drv_exec(chan, desc), IOAT_HALTED);
	err = (uint32_t)drv_get(chan, IOAT_CHAN_ERR, 4);
	drv_set(chan, IOAT_CHAN_ERR, 4, err);
	ck_assert_uint_eq(drv_get(chan, IOAT_CHAN_ERR, 4), 0);
	drv_arm(chan);
	return err;
}

struct ioat_desc drv_copy(void *dst, const void *src, uint32_t size)
{
	return (struct ioat_desc){ .size = size,
				   .ctl = DRV_CTL | IOAT_CTL_SET_OP(IOAT_OP_COPY),
				   .src = drv_iova(src),
				   .dst = drv_iova(dst) };
}

struct ioat_desc drv_fill(void *dst, uint64_t pattern, uint32_t size)
{
	return (struct ioat_desc){ .size = size,
				   .ctl = DRV_CTL | IOAT_CTL_SET_OP(IOAT_OP_FILL),
				   .src = pattern,
				   .dst = drv_iova(dst) };
}
