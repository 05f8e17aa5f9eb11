/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors of each kind, chains, completion writes, errors and what they leave behind. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "models/ioat/ioat_priv.h"
#include "models/ioat/testdrv.h"

#define BUF (2u << 20)

static uint8_t *src, *dst;

static void setup(void)
{
	drv_start(NULL);
	src = drv_alloc(BUF);
	dst = drv_alloc(BUF);
	for (unsigned int i = 0; i < BUF; i++)
		src[i] = (uint8_t)(i * 7 + i / 251);
	drv_arm(0);
}

static void teardown(void)
{
	drv_stop();
}

/* Moved exactly: what stands around it is untouched. */
static void check_copy(uint32_t to, uint32_t from, uint32_t size)
{
	memset(dst, 0xee, to + size + 64);
	ck_assert_int_eq(drv_exec(0, drv_copy(dst + to, src + from, size)), IOAT_IDLE);
	ck_assert_mem_eq(dst + to, src + from, size);
	for (uint32_t i = 0; i < to; i++)
		ck_assert_uint_eq(dst[i], 0xee);
	for (uint32_t i = to + size; i < to + size + 64; i++)
		ck_assert_uint_eq(dst[i], 0xee);
}

START_TEST(copies)
{
	static const uint32_t sizes[] = { 1,	  2,
					  3,	  7,
					  8,	  63,
					  64,	  511,
					  512,	  4095,
					  4096,	  4097,
					  65536,  128 * 1024 + 5,
					  300000, (1 << 20) - 1,
					  1 << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		check_copy(0, 0, sizes[i]);
		check_copy(13, 0, sizes[i]);
		check_copy(0, 5, sizes[i]);
		check_copy(4090, 3, sizes[i]);
	}
}
END_TEST

START_TEST(fills)
{
	static const uint32_t sizes[] = { 1, 7, 8, 9, 50, 64, 89, 4096, 5000, 1 << 20 };
	static const uint64_t patterns[] = { 0x1122334455667788, 0, 0xff };

	for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(patterns); i++) {
		uint32_t size = sizes[i / ARRAY_SIZE(patterns)], to = (uint32_t)(i % 11);
		uint64_t pattern = patterns[i % ARRAY_SIZE(patterns)];

		memset(dst, 0xee, to + size + 64);
		ck_assert_int_eq(drv_exec(0, drv_fill(dst + to, pattern, size)), IOAT_IDLE);
		for (uint32_t k = 0; k < size; k++)
			if (dst[to + k] != (uint8_t)(pattern >> (8 * (k % 8))))
				ck_abort_msg("byte %u of %u is %02x", k, size, dst[to + k]);
		ck_assert_uint_eq(dst[to + size], 0xee);
		ck_assert(to == 0 || dst[to - 1] == 0xee);
	}
}
END_TEST

START_TEST(null)
{
	struct ioat_desc desc = { .size = 1, .ctl = IOAT_CTL_NULL | IOAT_CTL_COMPL_WRITE };

	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	ck_assert_uint_eq(drv_completion(0), drv_iova(drv_ring(0)) | IOAT_IDLE);
	/* No address is looked at, but the length is. */
	desc.src = desc.dst = DRV_BAD_IOVA;
	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	desc.size = 0;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_LENGTH);
}
END_TEST

START_TEST(page_breaks)
{
	struct ioat_desc desc = drv_copy(dst + 4000, src + 3000, 2000);

	desc.ctl |= IOAT_CTL_SRC_BREAK;
	desc.next_src = drv_iova(src + 0x9000);
	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	ck_assert_mem_eq(dst + 4000, src + 3000, 1096);
	ck_assert_mem_eq(dst + 5096, src + 0x9000, 904);

	memset(dst, 0, BUF);
	desc.ctl |= IOAT_CTL_DST_BREAK;
	desc.next_dst = drv_iova(dst + 0x20010);
	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	ck_assert_mem_eq(dst + 4000, src + 3000, 96);
	ck_assert_mem_eq(dst + 0x20010, src + 3096, 1000);
	ck_assert_mem_eq(dst + 0x20010 + 1000, src + 0x9000, 904);
	ck_assert_uint_eq(dst[4096], 0);

	memset(dst, 0, BUF);
	desc = drv_fill(dst + 4091, 0x8877665544332211, 16);
	desc.ctl |= IOAT_CTL_DST_BREAK;
	desc.next_dst = drv_iova(dst + 0x1000 * 9);
	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	ck_assert_mem_eq(dst + 4091, "\x11\x22\x33\x44\x55", 5);
	ck_assert_mem_eq(dst + 0x9000, "\x66\x77\x88\x11\x22", 5);
	ck_assert_uint_eq(dst[4096], 0);
}
END_TEST

/* The counter is absolute and wraps; the ring goes round. */
START_TEST(chain)
{
	uint32_t total = 0;

	for (unsigned int round = 0; round < 2500; round++) {
		unsigned int n = 1 + round % 50;

		for (unsigned int i = 0; i < n; i++)
			drv_push(0, drv_copy(dst + i * 64, src + (round + i) * 64, 64));
		total += n;
		drv_go(0);
		ck_assert_int_eq(drv_wait(0), IOAT_IDLE);
		ck_assert_uint_eq(drv_last(0), (total - 1) % DRV_RING);
		ck_assert_uint_eq(drv_get(0, IOAT_CHAN_DMACOUNT, 2), total & 0xffff);
		for (unsigned int i = 0; i < n; i++)
			ck_assert_mem_eq(dst + i * 64, src + (round + i) * 64, 64);
	}
	ck_assert_uint_gt(total, 60000);
}
END_TEST

/* One descriptor that leads to itself, as often as the counter can say. */
START_TEST(self_loop)
{
	struct ioat_desc *ring = drv_ring(0);

	drv_push(0, drv_copy(dst, src, 4096));
	ring[0].next = drv_iova(ring);
	drv_set(0, IOAT_CHAN_DMACOUNT, 2, 65535);
	ck_assert_int_eq(drv_wait(0), IOAT_IDLE);
	ck_assert_uint_eq(dma_stats(drv_dev->iommu)->bytes_written, 65535ULL * (4096 + 8));
	ck_assert_mem_eq(dst, src, 4096);
}
END_TEST

START_TEST(completions)
{
	struct ioat_desc desc = drv_copy(dst, src, 8);

	desc.ctl &= ~IOAT_CTL_COMPL_WRITE;
	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	ck_assert_uint_eq(drv_completion(0), 0);
	/* In the middle of a chain: active then. */
	drv_push(0, drv_copy(dst, src, 8));
	drv_push(0, desc);
	drv_go(0);
	ck_assert_int_eq(drv_wait(0), IOAT_IDLE);
	ck_assert_uint_eq(drv_completion(0), drv_iova(drv_ring(0) + 1) | IOAT_ACTIVE);
	ck_assert_uint_eq(drv_last(0), 2);
}
END_TEST

/* ---- errors --------------------------------------------------------------------------------- */

START_TEST(bad_descriptors)
{
	struct ioat_desc desc = drv_copy(dst, src, 8);

	ck_assert_uint_eq(drv_error(0, drv_copy(dst, src, 0)), IOAT_ERR_LENGTH);
	ck_assert_uint_eq(drv_error(0, drv_copy(dst, src, (1 << 20) + 1)), IOAT_ERR_LENGTH);
	ck_assert_uint_eq(drv_error(0, drv_fill(dst, 1, 0)), IOAT_ERR_LENGTH);
	for (uint32_t op = 2; op < 256; op++) {
		desc.ctl = IOAT_CTL_SET_OP(op);
		ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_DESC_CTRL);
	}
	desc.ctl = 0;
	desc.src = UINT64_MAX - 6;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_SRC_ADDR);
	desc.dst = UINT64_MAX - 6;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_SRC_ADDR | IOAT_ERR_DEST_ADDR);
	desc = drv_fill(dst, 1, 8);
	desc.dst = UINT64_MAX;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_DEST_ADDR);
	desc = drv_copy(dst + 4092, src, 8);
	desc.ctl |= IOAT_CTL_DST_BREAK;
	desc.next_dst = UINT64_MAX - 2;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_DEST_ADDR);
	ck_assert_int_eq(drv_exec(0, drv_copy(dst, src, 8)), IOAT_IDLE);
}
END_TEST

START_TEST(dma_faults)
{
	struct ioat_desc desc = drv_copy(dst, src, 4096);

	desc.src = DRV_BAD_IOVA;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_READ_DATA);
	desc = drv_copy(dst, src, 4096);
	desc.dst = DRV_BAD_IOVA;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_WRITE_DATA);
	desc.dst = DRV_RO_IOVA;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_WRITE_DATA);
	desc = drv_fill(dst, 1, 64);
	desc.dst = DRV_RO_IOVA;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_WRITE_DATA);
	desc.src = 0;
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_WRITE_DATA);
	/* Half of it is there. */
	desc = drv_copy(dst, src, 4096);
	desc.src = DRV_RO_IOVA + 2048;
	memset(dst, 0xee, 8192);
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_READ_DATA);
	ck_assert_uint_eq(dst[2047], 0);
	ck_assert_uint_eq(dst[2048], 0xee);
	ck_assert_int_eq(drv_exec(0, drv_copy(dst, src, 8)), IOAT_IDLE);
	ck_assert_uint_eq(pci_config_read(drv_dev, IOAT_CFG_CHANERR_INT, 4),
			  IOAT_ERR_READ_DATA | IOAT_ERR_WRITE_DATA);
}
END_TEST

/* Memory that is mapped for the device and gone for the program. */
START_TEST(stale_memory)
{
	struct ioat_desc desc = drv_copy(dst, src, 3 * DRV_PAGE);

	ck_assert_int_eq(mprotect(src + DRV_PAGE, DRV_PAGE, PROT_NONE), 0);
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_READ_DATA);
	ck_assert_mem_eq(dst, src, DRV_PAGE);
	ck_assert_int_eq(mprotect(src + DRV_PAGE, DRV_PAGE, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_eq(mprotect(dst + DRV_PAGE, DRV_PAGE, PROT_READ), 0);
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_WRITE_DATA);
	ck_assert_int_eq(mprotect(dst + DRV_PAGE, DRV_PAGE, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	ck_assert_mem_eq(dst, src, 3 * DRV_PAGE);
}
END_TEST

START_TEST(bad_chains)
{
	struct ioat_desc desc = drv_copy(dst, src, 8);

	/* CHAINADDR. */
	drv_set(0, IOAT_CHAN_CHAINADDR, 8, drv_iova(drv_ring(0)) + 8);
	ck_assert_int_eq(drv_state(0), IOAT_HALTED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERR, 4), IOAT_ERR_CHAIN_ADDR);
	drv_set(0, IOAT_CHAN_ERR, 4, ~0u);
	drv_set(0, IOAT_CHAN_CHAINADDR, 8, DRV_BAD_IOVA);
	drv_set(0, IOAT_CHAN_DMACOUNT, 2, 1);
	ck_assert_int_eq(drv_wait(0), IOAT_HALTED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERR, 4), IOAT_ERR_DESC);
	drv_set(0, IOAT_CHAN_ERR, 4, ~0u);
	/* The next pointer counts only when there is a next descriptor. */
	drv_arm(0);
	drv_ring(0)[0].next |= 32;
	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_NEXT_ADDR);
	drv_ring(0)[0].next = DRV_BAD_IOVA;
	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_DESC);
	/* No mask helps: there is nothing to go on with. */
	drv_set(0, IOAT_CHAN_ERRMSK, 4, IOAT_ERR_DESC | IOAT_ERR_NEXT_ADDR);
	ck_assert_int_eq(drv_exec(0, desc), IOAT_IDLE);
	ck_assert_uint_eq(drv_error(0, desc), IOAT_ERR_DESC);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERRMSK, 4), IOAT_ERR_DESC | IOAT_ERR_NEXT_ADDR);
}
END_TEST

START_TEST(bad_completion_address)
{
	drv_set(0, IOAT_CHAN_CMP, 8, DRV_BAD_IOVA);
	ck_assert_uint_eq(drv_error(0, drv_copy(dst, src, 8)), IOAT_ERR_CMP_ADDR);
	drv_set(0, IOAT_CHAN_CMP, 8, DRV_RO_IOVA);
	ck_assert_uint_eq(drv_error(0, drv_copy(dst, src, 8)), IOAT_ERR_CMP_ADDR);
	/* One that was never written. */
	pci_dev_reset(drv_dev);
	pci_config_write(drv_dev, 4, 2, 6);
	drv_rewind(0);
	ck_assert_uint_eq(drv_error(0, drv_copy(dst, src, 8)), IOAT_ERR_CMP_ADDR);
}
END_TEST

/* CHANSTS and the completion name the last good one; the failed one is behind it. */
START_TEST(error_completion)
{
	struct ioat_desc bad = drv_copy(dst, src, 8);

	drv_set(0, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_ERR_COMPL_EN | IOAT_CHANCTRL_ANY_ERR_ABORT);
	bad.dst = DRV_BAD_IOVA;
	drv_push(0, drv_fill(dst, 0x11, 8));
	drv_push(0, drv_fill(dst + 8, 0x22, 8));
	drv_push(0, bad);
	drv_push(0, drv_fill(dst + 16, 0x33, 8));
	drv_go(0);
	ck_assert_int_eq(drv_wait(0), IOAT_HALTED);
	ck_assert_uint_eq(drv_last(0), 1);
	ck_assert_uint_eq(drv_completion(0), drv_iova(drv_ring(0) + 1) | IOAT_HALTED);
	ck_assert_uint_eq(dst[8], 0x22);
	ck_assert_uint_eq(dst[16], 0);
	/* The first of a chain: no address. */
	drv_set(0, IOAT_CHAN_ERR, 4, ~0u);
	drv_arm(0);
	ck_assert_uint_eq(drv_exec(0, bad), IOAT_HALTED);
	ck_assert_uint_eq(drv_completion(0), IOAT_HALTED);
	/* Without the bit nothing is written. */
	drv_set(0, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_ANY_ERR_ABORT);
	ck_assert_uint_ne(drv_get(0, IOAT_CHAN_ERR, 4), 0);
	drv_set(0, IOAT_CHAN_ERR, 4, ~0u);
	drv_arm(0);
	ck_assert_uint_eq(drv_exec(0, bad), IOAT_HALTED);
	ck_assert_uint_eq(drv_completion(0), 0);
	/* An address that cannot be written is an error more. */
	drv_set(0, IOAT_CHAN_ERR, 4, ~0u);
	drv_arm(0);
	drv_set(0, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_ERR_COMPL_EN);
	drv_set(0, IOAT_CHAN_CMP, 8, DRV_BAD_IOVA);
	ck_assert_uint_eq(drv_error(0, bad), IOAT_ERR_WRITE_DATA | IOAT_ERR_CMP_ADDR);
}
END_TEST

/* Masked errors are recorded, and the chain goes on without the descriptor. */
START_TEST(masked_errors)
{
	struct ioat_desc bad = drv_copy(dst, src, 8);

	drv_set(0, IOAT_CHAN_ERRMSK, 4, IOAT_ERR_READ_DATA | IOAT_ERR_LENGTH);
	bad.src = DRV_BAD_IOVA;
	drv_push(0, bad);
	drv_push(0, drv_copy(dst, src, 0));
	drv_push(0, drv_fill(dst, 0x44, 8));
	drv_go(0);
	ck_assert_int_eq(drv_wait(0), IOAT_IDLE);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_ERR, 4), IOAT_ERR_READ_DATA | IOAT_ERR_LENGTH);
	ck_assert_uint_eq(dst[0], 0x44);
	ck_assert_uint_eq(drv_last(0), 2);
	/* They do not keep the channel from a new chain. */
	drv_rewind(0);
	ck_assert_int_eq(drv_state(0), IOAT_ARMED);
}
END_TEST

START_TEST(no_bus_master)
{
	pci_config_write(drv_dev, 4, 2, 2);
	ck_assert_uint_eq(drv_error(0, drv_copy(dst, src, 8)), IOAT_ERR_DESC);
	pci_config_write(drv_dev, 4, 2, 6);
	ck_assert_int_eq(drv_exec(0, drv_copy(dst, src, 8)), IOAT_IDLE);
	drv_unmap();
	ck_assert_uint_eq(drv_error(0, drv_copy(dst, src, 8)), IOAT_ERR_DESC);
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("kinds"), tcase_create("errors") };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		tcase_add_checked_fixture(cases[i], setup, teardown);
		tcase_set_timeout(cases[i], 30);
	}
	tcase_add_test(cases[0], copies);
	tcase_add_test(cases[0], fills);
	tcase_add_test(cases[0], null);
	tcase_add_test(cases[0], page_breaks);
	tcase_add_test(cases[0], chain);
	tcase_add_test(cases[0], self_loop);
	tcase_add_test(cases[0], completions);
	tcase_add_test(cases[1], bad_descriptors);
	tcase_add_test(cases[1], dma_faults);
	tcase_add_test(cases[1], stale_memory);
	tcase_add_test(cases[1], bad_chains);
	tcase_add_test(cases[1], bad_completion_address);
	tcase_add_test(cases[1], error_completion);
	tcase_add_test(cases[1], masked_errors);
	tcase_add_test(cases[1], no_bus_master);
	return drv_main("ioat_desc", cases, ARRAY_SIZE(cases));
}
