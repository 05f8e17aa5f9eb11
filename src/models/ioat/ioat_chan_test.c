/* SPDX-License-Identifier: BSD-3-Clause */
/* Identity, registers and how stores of all widths reach them, states and commands, options. */
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "file/file.h"
#include "models/ioat/ioat_priv.h"
#include "models/ioat/testdrv.h"

static uint8_t *src, *dst;

static void setup(void)
{
	drv_start(NULL);
	src = drv_alloc(1 << 20);
	dst = drv_alloc(1 << 20);
}

static void setup_armed(void)
{
	setup();
	drv_arm(0);
}

static void teardown(void)
{
	drv_stop();
}

/* ---- the function --------------------------------------------------------------------------- */

static unsigned int find_cap(uint8_t id)
{
	unsigned int off = pci_config_read(drv_dev, PCI_CAPABILITY_LIST, 1);

	while (off && pci_config_read(drv_dev, off, 1) != id)
		off = pci_config_read(drv_dev, off + 1, 1);
	return off;
}

START_TEST(identity)
{
	uint32_t aer = pci_config_read(drv_dev, 0x100, 4);

	ck_assert_uint_eq(pci_config_read(drv_dev, PCI_VENDOR_ID, 4), 0x20218086);
	ck_assert_uint_eq(pci_config_read(drv_dev, PCI_CLASS_REVISION, 4) >> 8, 0x088000);
	ck_assert_uint_eq(pci_config_read(drv_dev, PCI_INTERRUPT_PIN, 1), 1);
	ck_assert_uint_eq(drv_dev->bar[0].size, 16384);
	ck_assert_uint_eq(find_cap(PCI_CAP_ID_MSIX), 0x80);
	ck_assert_uint_eq(find_cap(PCI_CAP_ID_EXP), 0x90);
	ck_assert_uint_eq(find_cap(PCI_CAP_ID_MSI), 0xd0);
	ck_assert_uint_eq(find_cap(PCI_CAP_ID_PM), 0xe0);
	ck_assert(pci_has_flr(drv_dev));
	ck_assert_uint_eq(pci_msix_vectors(drv_dev), 1);
	ck_assert_uint_eq(pci_msi_vectors(drv_dev), 1);
	/* One extended capability: the engine's own registers stand behind it. */
	ck_assert_uint_eq(aer & 0xffff, PCI_EXT_CAP_ID_ERR);
	ck_assert_uint_eq(PCI_EXT_CAP_NEXT(aer), 0);
}
END_TEST

START_TEST(defaults)
{
	ck_assert_uint_eq(drv_read(IOAT_REG_CHANCNT, 1), 1);
	ck_assert_uint_eq(drv_read(IOAT_REG_XFERCAP, 1), 20);
	ck_assert_uint_eq(drv_read(IOAT_REG_CBVER, 1), 0x33);
	ck_assert_uint_eq(drv_read(IOAT_REG_DMACAP, 4), 0x41);
	ck_assert_uint_eq(drv_read(IOAT_REG_INTRCTRL, 1), 0);
	ck_assert_uint_eq(drv_read(IOAT_REG_ATTNSTATUS, 4), 0);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CTRL, 2), 0);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_DMA_COMP, 2), 6);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_STS, 8), IOAT_HALTED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CHAINADDR, 8), 0);
	/* Loads need no trap: BAR memory is the register file. */
	ck_assert_uint_eq(((uint8_t *)drv_dev->bar[0].mem)[IOAT_REG_CBVER], 0x33);
	ck_assert_int_eq(drv_dev->bar[0].page_access[0], PAGE_TRAP_WRITE);
}
END_TEST

START_TEST(read_only)
{
	static const uint32_t ro[] = { IOAT_REG_CHANCNT,
				       IOAT_REG_XFERCAP,
				       IOAT_REG_ATTNSTATUS,
				       IOAT_REG_CBVER,
				       IOAT_REG_DMACAP,
				       IOAT_REG_CHAN + 2,
				       IOAT_REG_CHAN + 5,
				       IOAT_REG_CHAN + IOAT_CHAN_STS,
				       IOAT_REG_CHAN + 0x20,
				       IOAT_REG_CHAN + 0x38,
				       0x100,
				       0x480,
				       0x1000,
				       0x1ffc };

	for (size_t i = 0; i < ARRAY_SIZE(ro); i++) {
		uint64_t before = drv_read(ro[i], 1);

		drv_write(ro[i], 1, ~before);
		ck_assert_msg(drv_read(ro[i], 1) == before, "%x was changed", ro[i]);
	}
}
END_TEST

START_TEST(writable)
{
	drv_set(0, IOAT_CHAN_CTRL, 2, 0xffff);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CTRL, 2), 0x013c);
	drv_set(0, IOAT_CHAN_CTRL, 2, 0);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CTRL, 2), 0);
	drv_set(0, IOAT_CHAN_CMP, 8, 0x123456789abcdef7);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CMP, 8), 0x123456789abcdef0);
	drv_set(0, IOAT_CHAN_ERRMSK, 4, ~0u);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERRMSK, 4), 0x7bfff);
	drv_set(0, IOAT_CHAN_DCACTRL, 4, 0xffff);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_DCACTRL, 4), 0xffff);
	drv_write(IOAT_REG_INTRCTRL, 1, 0xff);
	ck_assert_uint_eq(drv_read(IOAT_REG_INTRCTRL, 1), 9);
	drv_write(IOAT_REG_INTRCTRL, 1, 0);
	drv_write(IOAT_REG_GENCTRL, 1, 0xff);
	ck_assert_uint_eq(drv_read(IOAT_REG_GENCTRL, 1), 1);
}
END_TEST

/* Halves, bytes and whole blocks reach the same registers. */
START_TEST(split_stores)
{
	iova_t ring;

	drv_arm(0);
	ring = drv_iova(drv_ring(0));
	memset(src, 0xa5, 64);
	drv_set(0, IOAT_CHAN_CHAINADDR, 4, (uint32_t)ring);
	drv_set(0, IOAT_CHAN_CHAINADDR + 4, 4, ring >> 32);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CHAINADDR, 8), ring);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CHAINADDR, 4), (uint32_t)ring);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CHAINADDR + 4, 4), ring >> 32);
	for (unsigned int i = 0; i < 8; i++)
		drv_set(0, IOAT_CHAN_CMP + i, 1, 0x1122334455667788ULL >> (8 * i));
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CMP, 8), 0x1122334455667788ULL);
	drv_arm(0);
	drv_push(0, drv_copy(dst, src, 64));
	/* CHANCTRL, DMA_COMP, CHANCMD and DMACOUNT at once. */
	drv_set(0, IOAT_CHAN_CTRL, 8, 1ULL << 48 | IOAT_CHANCTRL_ANY_ERR_ABORT);
	ck_assert_int_eq(drv_wait(0), IOAT_IDLE);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CTRL, 2), IOAT_CHANCTRL_ANY_ERR_ABORT);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_DMACOUNT, 2), 1);
	ck_assert_mem_eq(src, dst, 64);
	/* The counter's bytes. */
	drv_push(0, drv_fill(dst, 0x77, 8));
	drv_set(0, IOAT_CHAN_DMACOUNT, 1, 2);
	ck_assert_int_eq(drv_wait(0), IOAT_IDLE);
	ck_assert_uint_eq(dst[0], 0x77);
	drv_set(0, IOAT_CHAN_DMACOUNT + 1, 1, 1);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_DMACOUNT, 2), 0x102);
	drv_wait(0);
}
END_TEST

START_TEST(write_one_to_clear)
{
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_SUSPEND | IOAT_CHANCMD_RESET);
	drv_set(0, IOAT_CHAN_CHAINADDR, 8, 0x1008);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERR, 4), IOAT_ERR_CHANCMD | IOAT_ERR_CHAIN_ADDR);
	drv_set(0, IOAT_CHAN_ERR, 4, IOAT_ERR_CHAIN_ADDR);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERR, 4), IOAT_ERR_CHANCMD);
	drv_set(0, IOAT_CHAN_ERR, 4, 0);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERR, 4), IOAT_ERR_CHANCMD);
	drv_set(0, IOAT_CHAN_ERR, 1, 0xff);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERR, 4), 0);
	/* The function's own record. */
	ck_assert_uint_eq(pci_config_read(drv_dev, IOAT_CFG_CHANERR_INT, 4),
			  IOAT_ERR_CHANCMD | IOAT_ERR_CHAIN_ADDR);
	ck_assert_uint_eq(pci_config_read(drv_dev, IOAT_CFG_CHANERRPTR, 4), 5);
	pci_config_write(drv_dev, IOAT_CFG_CHANERR_INT, 4, IOAT_ERR_CHANCMD);
	ck_assert_uint_eq(pci_config_read(drv_dev, IOAT_CFG_CHANERR_INT, 4), IOAT_ERR_CHAIN_ADDR);
	pci_config_write(drv_dev, IOAT_CFG_CHANERR_INT, 4, ~0u);
	ck_assert_uint_eq(pci_config_read(drv_dev, IOAT_CFG_CHANERR_INT, 4), 0);
	pci_config_write(drv_dev, IOAT_CFG_CHANERRMSK_INT, 4, ~0u);
	ck_assert_uint_eq(pci_config_read(drv_dev, IOAT_CFG_CHANERRMSK_INT, 4), 0x7bfff);
	pci_config_write(drv_dev, IOAT_CFG_DMAUNCERRSTS, 4, ~0u);
	ck_assert_uint_eq(pci_config_read(drv_dev, IOAT_CFG_DMAUNCERRSTS, 4), 0);
}
END_TEST

/* ---- states --------------------------------------------------------------------------------- */

START_TEST(states)
{
	ck_assert_int_eq(drv_exec(0, drv_copy(dst, src, 8)), IOAT_IDLE);
	ck_assert_uint_eq(drv_last(0), 0);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_SUSPEND);
	ck_assert_int_eq(drv_state(0), IOAT_SUSPENDED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CMD, 1), 0);
	/* DMACOUNT waits for the resume. */
	drv_push(0, drv_fill(dst, 0x55, 8));
	drv_go(0);
	ck_assert_int_eq(drv_state(0), IOAT_SUSPENDED);
	ck_assert_uint_eq(dst[0], 0);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_RESUME);
	ck_assert_int_eq(drv_wait(0), IOAT_IDLE);
	ck_assert_uint_eq(dst[0], 0x55);
	ck_assert_uint_eq(drv_last(0), 1);
	/* From idle and back, with nothing to do. */
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_SUSPEND);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_RESUME);
	ck_assert_int_eq(drv_state(0), IOAT_IDLE);
	/* A new chain while suspended: what drivers restart with. */
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_SUSPEND);
	drv_rewind(0);
	ck_assert_int_eq(drv_state(0), IOAT_ARMED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_STS, 8), IOAT_ARMED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_DMACOUNT, 2), 0);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_SUSPEND);
	ck_assert_int_eq(drv_state(0), IOAT_SUSPENDED);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_RESUME);
	ck_assert_int_eq(drv_state(0), IOAT_ARMED);
	/* Version 1's commands do nothing. */
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_START);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_APPEND);
	ck_assert_int_eq(drv_state(0), IOAT_ARMED);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_ABORT);
	ck_assert_int_eq(drv_state(0), IOAT_HALTED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERR, 4), 0);
	/* Halted: no command but reset, and DMACOUNT does nothing. */
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_RESUME);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_SUSPEND);
	drv_push(0, drv_fill(dst, 0x66, 8));
	drv_go(0);
	ck_assert_int_eq(drv_state(0), IOAT_HALTED);
	ck_assert_uint_eq(dst[0], 0x55);
}
END_TEST

START_TEST(channel_reset)
{
	uint64_t cmp = drv_get(0, IOAT_CHAN_CMP, 8);

	drv_set(0, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_ERR_COMPL_EN);
	ck_assert_int_eq(drv_exec(0, drv_copy(dst, src, 8)), IOAT_IDLE);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_RESET);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CMD, 1), 0);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_STS, 8), IOAT_HALTED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CHAINADDR, 8), 0);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_DMACOUNT, 2), 0);
	/* Drivers go on with these. */
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CMP, 8), cmp);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CTRL, 2), IOAT_CHANCTRL_ERR_COMPL_EN);
	drv_arm(0);
	ck_assert_int_eq(drv_exec(0, drv_copy(dst, src, 8)), IOAT_IDLE);
}
END_TEST

/* A halted channel takes no chain before its errors are cleared. */
START_TEST(errors_first)
{
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_SUSPEND | IOAT_CHANCMD_RESUME);
	ck_assert_int_eq(drv_state(0), IOAT_HALTED);
	drv_rewind(0);
	ck_assert_int_eq(drv_state(0), IOAT_HALTED);
	drv_push(0, drv_fill(dst, 0x66, 8));
	drv_go(0);
	ck_assert_int_eq(drv_state(0), IOAT_HALTED);
	ck_assert_uint_eq(dst[0], 0);
	drv_set(0, IOAT_CHAN_ERR, 4, IOAT_ERR_CHANCMD);
	drv_rewind(0);
	ck_assert_int_eq(drv_state(0), IOAT_ARMED);
	ck_assert_int_eq(drv_exec(0, drv_fill(dst, 0x66, 8)), IOAT_IDLE);
	ck_assert_uint_eq(dst[0], 0x66);
}
END_TEST

START_TEST(function_reset)
{
	uint8_t saved[PCI_CFG_EXT_SIZE];

	drv_set(0, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_ERR_COMPL_EN);
	drv_write(IOAT_REG_INTRCTRL, 1, IOAT_INTRCTRL_MASTER_INT_EN);
	ck_assert_int_eq(drv_dev->bar[0].page_access[0], PAGE_TRAP_ALL);
	ck_assert_uint_eq(drv_error(0, drv_copy(dst, src, 0)), IOAT_ERR_LENGTH);
	pci_save_state(drv_dev, saved);
	pci_dev_reset(drv_dev);
	pci_restore_state(drv_dev, saved);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_STS, 8), IOAT_HALTED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CMP, 8), 0);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CTRL, 2), 0);
	ck_assert_uint_eq(drv_read(IOAT_REG_INTRCTRL, 1), 0);
	ck_assert_uint_eq(pci_config_read(drv_dev, IOAT_CFG_CHANERR_INT, 4), 0);
	ck_assert_int_eq(drv_dev->bar[0].page_access[0], PAGE_TRAP_WRITE);
	drv_arm(0);
	ck_assert_int_eq(drv_exec(0, drv_copy(dst, src, 8)), IOAT_IDLE);
}
END_TEST

START_TEST(channels)
{
	drv_start((const char *const[]){ "chans=8", NULL });
	src = drv_alloc(4096);
	dst = drv_alloc(8 * 4096);
	ck_assert_uint_eq(drv_read(IOAT_REG_CHANCNT, 1), 8);
	ck_assert_uint_eq(pci_msix_vectors(drv_dev), 8);
	for (unsigned int i = 0; i < 8; i++)
		drv_arm(i);
	for (unsigned int i = 0; i < 8; i++) {
		drv_push(i, drv_fill(dst + i * 4096, i + 1, 8));
		if (i != 3)
			drv_go(i);
	}
	drv_set(5, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_RESET);
	for (unsigned int i = 0; i < 8; i++) {
		ck_assert_int_eq(drv_wait(i), i == 3   ? IOAT_ARMED
					      : i == 5 ? IOAT_HALTED
						       : IOAT_IDLE);
		ck_assert_uint_eq(dst[i * 4096], i == 3 ? 0 : i + 1);
	}
	drv_stop();
}
END_TEST

START_TEST(options)
{
	static const char *const bad[] = { "chans=0",  "chans=9",  "chans=",
					   "chans=1x", "chans=-1", "doorbell=fast" };

	ck_assert_ptr_null(drv_refused(NULL));
	ck_assert_ptr_null(
		drv_refused((const char *const[]){ "chans=8", "doorbell=polled", NULL }));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *err = drv_refused((const char *const[]){ bad[i], NULL });

		ck_assert_msg(err && strstr(err, bad[i]) && strstr(err, "give "), "%s: %s", bad[i],
			      err ? err : "accepted");
	}
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("registers"), tcase_create("states"),
			   tcase_create("options") };

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_add_test(cases[0], identity);
	tcase_add_test(cases[0], defaults);
	tcase_add_test(cases[0], read_only);
	tcase_add_test(cases[0], writable);
	tcase_add_test(cases[0], split_stores);
	tcase_add_test(cases[0], write_one_to_clear);
	tcase_add_checked_fixture(cases[1], setup_armed, teardown);
	tcase_add_test(cases[1], states);
	tcase_add_test(cases[1], channel_reset);
	tcase_add_test(cases[1], errors_first);
	tcase_add_test(cases[1], function_reset);
	tcase_add_test(cases[2], channels);
	tcase_add_test(cases[2], options);
	return drv_main("ioat_chan", cases, ARRAY_SIZE(cases));
}
