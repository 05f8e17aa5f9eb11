/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hostile programs: random stores of all widths, random descriptors, native scribbling over the
 * open page, config writes and resets, all mixed. Nothing but what descriptors can name changes,
 * registers stay within what they can hold, and after a reset the engine works.
 */
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "file/file.h"
#include "models/ioat/ioat_priv.h"
#include "models/ioat/testdrv.h"

#define CHANS 3
#define POOL  (256u << 10) /* where descriptors and their buffers are */
/* A buffer may reach so far behind the pool, and what follows is never touched. */
#define REACH  (1u << IOAT_XFERCAP)
#define GUARD  (256u << 10)
#define ROUNDS 60
#define STEPS  4000

static uint64_t seed;
static uint8_t *pool;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(rnd() >> 16) % n;
}

/* An address: mostly one that works, sometimes any. */
static uint64_t random_iova(void)
{
	switch (below(8)) {
	case 0:
		return rnd();
	case 1:
		return DRV_RO_IOVA + below(8192);
	case 2:
		return UINT64_MAX - below(64);
	default:
		return drv_iova(pool) + below(POOL);
	}
}

static void random_desc(void)
{
	struct ioat_desc *desc = (struct ioat_desc *)(void *)pool + below(256);

	desc->size = below(16) ? below(8192) : (uint32_t)rnd();
	desc->ctl = (below(8) ? below(512) : (uint32_t)rnd() & 0xffffff) |
		    IOAT_CTL_SET_OP(below(16) ? below(2) : below(256));
	desc->src = random_iova();
	desc->dst = random_iova();
	desc->next = drv_iova(pool) + 64 * below(256) + (below(32) ? 0 : below(64));
	desc->next_src = random_iova();
	desc->next_dst = random_iova();
}

static uint64_t random_value(uint32_t off)
{
	switch (off % IOAT_CHAN_SIZE) {
	case IOAT_CHAN_CMD:
		return below(4) ? 1ULL << below(6) : rnd();
	case IOAT_CHAN_DMACOUNT:
		return below(8) ? below(300) : rnd();
	case IOAT_CHAN_CHAINADDR:
	case IOAT_CHAN_CMP:
		return below(8) ? drv_iova(pool) + 64 * below(256) : random_iova();
	case IOAT_CHAN_ERR:
		return below(4) ? ~0u : rnd();
	default:
		return rnd();
	}
}

static void store(uint32_t off, unsigned int width, uint64_t value)
{
	char *mem = drv_dev->bar[0].mem;
	bool open;

	/* The page may be open for a program, too. */
	pci_dev_lock(drv_dev);
	open = drv_dev->bar[0].page_access[0] == PAGE_DIRECT;
	if (open)
		memcpy(mem + off, &value, width);
	pci_dev_unlock(drv_dev);
	if (!open)
		drv_write(off, width, value);
}

static void random_store(void)
{
	static const uint8_t regs[] = { 0, 4, 6, 6, 6, 8, 16, 16, 24, 0x28, 0x28, 0x2c, 0x30 };
	unsigned int width = 1u << below(4);
	uint32_t off = below(4) ? IOAT_REG_CHAN * (1 + below(CHANS)) + regs[below(sizeof(regs))]
				: below(0x700);

	off = ALIGN_DOWN(off, width);
	store(off, width, random_value(off));
}

/* What a driver does, so that something runs and the page is opened now and then. */
static void behave(void)
{
	uint32_t chan = IOAT_REG_CHAN * (1 + below(CHANS)), n = below(24), first = below(200);

	for (unsigned int i = 0; i < 4; i++)
		random_desc();
	store(chan + IOAT_CHAN_ERR, 4, ~0u);
	store(chan + IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_INT_DISABLE);
	store(chan + IOAT_CHAN_CMP, 8, drv_iova(pool) + 8 * below(4096));
	store(chan + IOAT_CHAN_CHAINADDR, 8, drv_iova(pool) + 64 * first);
	for (uint32_t i = 1; i <= n; i++) {
		struct ioat_desc *desc = (struct ioat_desc *)(void *)pool + first + i - 1;

		desc->size = 1 + below(4096);
		desc->ctl = below(16);
		desc->src = drv_iova(pool) + below(POOL);
		desc->dst = drv_iova(pool) + POOL / 2 + below(POOL / 2);
		desc->next = drv_iova(desc + 1);
		store(chan + IOAT_CHAN_DMACOUNT, 2, i);
	}
}

static void step(void)
{
	static const uint16_t cfg[] = { 0x104, 0x108, 0x148, 0x14c, 0x180, 0x184, 0x188, 0x18c };

	switch (below(64)) {
	case 0:
		pci_config_write(drv_dev, cfg[below(ARRAY_SIZE(cfg))], 4, (uint32_t)rnd());
		break;
	case 1:
		pci_config_write(drv_dev, PCI_COMMAND, 2,
				 PCI_COMMAND_MEMORY | (below(4) ? PCI_COMMAND_MASTER : 0));
		break;
	case 2:
		drv_read(below(0x2000 / 8) * 8, 8);
		break;
	case 3:
		behave();
		break;
	case 4 ... 24:
		random_desc();
		break;
	default:
		random_store();
	}
}

static void check_registers(void)
{
	ck_assert_uint_eq(drv_read(IOAT_REG_CHANCNT, 1), CHANS);
	ck_assert_uint_eq(drv_read(IOAT_REG_CBVER, 1), IOAT_CBVER_3_3);
	for (unsigned int i = 0; i < CHANS; i++) {
		uint64_t sts = drv_get(i, IOAT_CHAN_STS, 8);

		ck_assert_uint_le(sts & 63, IOAT_ARMED);
		ck_assert_uint_eq(drv_get(i, IOAT_CHAN_CTRL, 2) &
					  ~(IOAT_CHANCTRL_RW | IOAT_CHANCTRL_INT_DISABLE),
				  0);
		ck_assert_uint_eq(drv_get(i, IOAT_CHAN_CMD, 1), 0);
		ck_assert_uint_eq(drv_get(i, IOAT_CHAN_CHAINADDR, 8) & 63, 0);
		ck_assert_uint_eq(drv_get(i, IOAT_CHAN_ERR, 4) & ~IOAT_ERR_MASK, 0);
	}
}

/* Returns how many bytes the engine moved. */
static uint64_t round_of(const char *doorbell, bool msix, uint64_t first)
{
	uint64_t moved;

	seed = first;
	drv_start((const char *const[]){ "chans=3", doorbell, NULL });
	pool = drv_alloc(POOL + REACH + GUARD);
	if (msix) {
		ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSIX, CHANS), 0);
		drv_connect(PCI_IRQ_MSIX, 0);
	}
	for (unsigned int i = 0; i < STEPS; i++)
		step();
	pci_config_write(drv_dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	check_registers();
	pci_dev_reset(drv_dev);
	pci_config_write(drv_dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	moved = dma_stats(drv_dev->iommu)->bytes_written;
	for (unsigned int i = 0; i < CHANS; i++) {
		drv_arm(i);
		memset(pool, 0xa0 + (int)i, 4096);
		ck_assert_int_eq(drv_exec(i, drv_copy(pool + 8192, pool, 4096)), IOAT_IDLE);
		ck_assert_mem_eq(pool, pool + 8192, 4096);
		ck_assert_uint_eq(drv_get(i, IOAT_CHAN_ERR, 4), 0);
	}
	for (uint32_t i = POOL + REACH; i < POOL + REACH + GUARD; i++)
		if (pool[i])
			ck_abort_msg("byte %u was written", i);
	drv_stop();
	return moved;
}

START_TEST(hostile)
{
	static const char *const doorbells[] = { "doorbell=inline", "doorbell=adaptive",
						 "doorbell=polled" };
	const char *env = getenv("IOAT_FUZZ_SEED");
	uint64_t moved = 0;
	uint64_t first = env ? strtoull(env, NULL, 0) : 0x9e3779b97f4a7c15;

	for (unsigned int i = 0; i < ROUNDS; i++, first = first * 6364136223846793005ULL + 1442695)
		moved += round_of(doorbells[_i], i % 2, first | 1);
	/* It was about something. */
	ck_assert_uint_gt(moved, 10 << 20);
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("hostile") };

	tcase_set_timeout(cases[0], 100);
	tcase_add_loop_test(cases[0], hostile, 0, 3);
	return drv_main("ioat_fuzz", cases, ARRAY_SIZE(cases));
}
