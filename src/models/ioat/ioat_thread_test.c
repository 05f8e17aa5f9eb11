/* SPDX-License-Identifier: BSD-3-Clause */
/* Beside the caller: the open page, work above the inline budget, commands and resets meanwhile. */
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "file/file.h"
#include "models/ioat/ioat_priv.h"
#include "models/ioat/testdrv.h"

static uint8_t *src, *dst;

static void start(const char *chans, const char *doorbell)
{
	drv_start((const char *const[]){ chans, doorbell, NULL });
	src = drv_alloc(1 << 20);
	dst = drv_alloc(1 << 20);
	for (unsigned int i = 0; i < 1 << 20; i++)
		src[i] = (uint8_t)(i * 13 + i / 509);
	drv_arm(0);
}

static void setup_polled(void)
{
	start("chans=2", "doorbell=polled");
}

static void setup_inline(void)
{
	start("chans=3", "doorbell=inline");
}

static void teardown(void)
{
	drv_stop();
}

static void nap(long us)
{
	struct timespec ts = { .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

static bool page_open(void)
{
	bool open;

	pci_dev_lock(drv_dev);
	open = drv_dev->bar[0].page_access[0] == PAGE_DIRECT;
	pci_dev_unlock(drv_dev);
	return open;
}

/* What a program's store does: native while the page is open, else a trap. */
static void store(unsigned int chan, enum ioat_chan_reg reg, unsigned int width, uint64_t value)
{
	char *p = (char *)drv_dev->bar[0].mem + IOAT_REG_CHAN * (chan + 1) + reg;

	if (!page_open())
		drv_set(chan, reg, width, value);
	else if (width == 1)
		__atomic_store_n((uint8_t *)p, (uint8_t)value, __ATOMIC_RELEASE);
	else if (width == 2)
		__atomic_store_n((uint16_t *)(void *)p, (uint16_t)value, __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint64_t *)(void *)p, value, __ATOMIC_RELEASE);
}

static void wait_done(unsigned int chan, unsigned int index)
{
	for (unsigned int i = 0; drv_state(chan) != IOAT_IDLE || drv_last(chan) != index; i++) {
		ck_assert_msg(i < 50000, "state %d, last %u of %u", drv_state(chan), drv_last(chan),
			      index);
		nap(20);
	}
}

/* Stores to DMACOUNT in a row open the page. Returns how many descriptors were pushed. */
static uint32_t open_page(void)
{
	uint32_t total = 0;

	while (!page_open()) {
		ck_assert_uint_lt(total, 1000);
		drv_push(0, drv_fill(dst, total, 8));
		drv_set(0, IOAT_CHAN_DMACOUNT, 2, ++total & 0xffff);
		wait_done(0, (total - 1) % DRV_RING);
	}
	return total;
}

static void wait_closed(void)
{
	for (unsigned int i = 0; page_open(); i++) {
		ck_assert_uint_lt(i, 50000);
		nap(20);
	}
}

START_TEST(native_counts)
{
	uint32_t total = open_page();

	for (unsigned int round = 0; round < 2000; round++) {
		unsigned int n = 1 + round % 40;

		for (unsigned int i = 0; i < n; i++)
			drv_push(0, drv_copy(dst + i * 64, src + (round + i) * 64, 64));
		total += n;
		store(0, IOAT_CHAN_DMACOUNT, 2, total & 0xffff);
		wait_done(0, (total - 1) % DRV_RING);
		for (unsigned int i = 0; i < n; i++)
			ck_assert_mem_eq(dst + i * 64, src + (round + i) * 64, 64);
	}
	ck_assert(page_open());
	ck_assert_uint_lt(drv_dev->stats->doorbells_trapped, 100);
	/* An explicit load shows no marks, and closes the page. */
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CHAINADDR, 8), drv_iova(drv_ring(0)));
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CTRL, 2), 0);
	ck_assert(!page_open());
}
END_TEST

START_TEST(native_command)
{
	for (unsigned int i = 0; i < 20; i++) {
		uint32_t total = open_page();

		store(0, IOAT_CHAN_CMD, 1, i % 2 ? IOAT_CHANCMD_SUSPEND : IOAT_CHANCMD_RESET);
		wait_closed();
		ck_assert_int_eq(drv_state(0), i % 2 ? IOAT_SUSPENDED : IOAT_HALTED);
		ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CMD, 1), 0);
		ck_assert_uint_eq(drv_get(0, IOAT_CHAN_DMACOUNT, 2), i % 2 ? total : 0);
		drv_arm(0);
		ck_assert_int_eq(drv_exec(0, drv_copy(dst, src, 64)), IOAT_IDLE);
		ck_assert_mem_eq(dst, src, 64);
		drv_rewind(0);
	}
}
END_TEST

/* The same address again is a new chain all the same. */
START_TEST(native_chain)
{
	for (unsigned int i = 0; i < 20; i++) {
		open_page();
		store(0, IOAT_CHAN_CHAINADDR, 8, drv_iova(drv_ring(0)));
		wait_closed();
		ck_assert_int_eq(drv_state(0), IOAT_ARMED);
		ck_assert_uint_eq(drv_get(0, IOAT_CHAN_DMACOUNT, 2), 0);
		drv_rewind(0);
		ck_assert_int_eq(drv_exec(0, drv_fill(dst, i + 100, 8)), IOAT_IDLE);
		ck_assert_uint_eq(dst[0], i + 100);
		drv_rewind(0);
	}
}
END_TEST

START_TEST(native_rest)
{
	uint64_t cmp = drv_get(0, IOAT_CHAN_CMP, 8);

	open_page();
	store(0, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_ERR_COMPL_EN | IOAT_CHANCTRL_INT_DISABLE);
	wait_closed();
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CTRL, 2), IOAT_CHANCTRL_ERR_COMPL_EN);
	drv_rewind(0);
	open_page();
	store(1, IOAT_CHAN_CMP, 8, cmp + 8);
	store(1, IOAT_CHAN_STS, 8, 0x1234);
	wait_closed();
	ck_assert_uint_eq(drv_get(1, IOAT_CHAN_CMP, 8), cmp + 8);
	ck_assert_uint_eq(drv_get(1, IOAT_CHAN_STS, 8), IOAT_HALTED);
	ck_assert_uint_eq(drv_get(0, IOAT_CHAN_CMP, 8), cmp);
}
END_TEST

/* An interrupt closes the page, whose CHANCTRL could not tell a new enable from the old. */
START_TEST(native_interrupts)
{
	unsigned int opened = 0;
	uint32_t total = 0;

	ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSIX, 2), 0);
	drv_connect(PCI_IRQ_MSIX, 0);
	for (unsigned int i = 1; i <= 100; i++) {
		for (unsigned int k = 0; k < 20; k++) {
			struct ioat_desc desc = drv_copy(dst, src, 64);

			opened += page_open();
			if (k == 19)
				desc.ctl |= IOAT_CTL_INT_EN;
			drv_push(0, desc);
			total++;
			store(0, IOAT_CHAN_DMACOUNT, 2, total & 0xffff);
			wait_done(0, (total - 1) % DRV_RING);
		}
		for (unsigned int n = 0; drv_signals(0) != i; n++) {
			ck_assert_uint_lt(n, 50000);
			nap(20);
		}
		wait_closed();
		drv_set(0, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_INT_DISABLE);
	}
	ck_assert_uint_gt(opened, 100);
}
END_TEST

/* Bits in CHANERR are cleared by a store of what is there: the page is closed, and stays so. */
START_TEST(native_errors)
{
	struct ioat_desc bad = drv_copy(dst, src, 64);
	uint32_t total = open_page();

	bad.src = DRV_BAD_IOVA;
	drv_push(0, bad);
	store(0, IOAT_CHAN_DMACOUNT, 2, total + 1);
	wait_closed();
	ck_assert_int_eq(drv_state(0), IOAT_HALTED);
	drv_set(0, IOAT_CHAN_ERR, 4, ~0u);
	drv_set(0, IOAT_CHAN_ERRMSK, 4, IOAT_ERR_READ_DATA);
	drv_arm(0);
	for (total = 1; total < 100; total++) {
		drv_push(0, total == 1 ? bad : drv_copy(dst, src, 64));
		store(0, IOAT_CHAN_DMACOUNT, 2, total);
		wait_done(0, (total - 1) % DRV_RING);
		ck_assert(!page_open());
	}
	drv_set(0, IOAT_CHAN_ERR, 4, ~0u);
	drv_rewind(0);
	open_page();
}
END_TEST

/* Work that is found while the page is being closed is not forgotten. */
START_TEST(native_work)
{
	struct ioat_desc *ring = drv_ring(0);

	for (unsigned int i = 0; i < 10; i++) {
		uint32_t total = open_page(), last = total % DRV_RING;

		drv_push(0, drv_copy(dst, src, 1 << 20));
		ring[last].next = drv_iova(&ring[last]);
		store(0, IOAT_CHAN_DMACOUNT, 2, total + 200);
		store(0, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_ERR_COMPL_EN);
		wait_closed();
		wait_done(0, last);
		ck_assert_mem_eq(dst, src, 1 << 20);
		ring[last].next = drv_iova(&ring[(last + 1) % DRV_RING]);
		drv_rewind(0);
	}
}
END_TEST

/* ---- above the inline budget ---------------------------------------------------------------- */

START_TEST(suspend_meanwhile)
{
	struct dma_stats *stats = dma_stats(drv_dev->iommu);
	struct ioat_desc *ring = drv_ring(0);
	uint64_t moved;

	drv_push(0, drv_copy(dst, src, 1 << 20));
	ring[0].next = drv_iova(ring);
	drv_set(0, IOAT_CHAN_DMACOUNT, 2, 2000);
	ck_assert_int_eq(drv_state(0), IOAT_ACTIVE);
	for (unsigned int i = 0; i < 5; i++) {
		nap(1000);
		drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_SUSPEND);
		ck_assert_int_eq(drv_state(0), IOAT_SUSPENDED);
		moved = stats->bytes_written;
		nap(3000);
		ck_assert_uint_eq(stats->bytes_written, moved);
		drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_RESUME);
	}
	ck_assert_int_eq(drv_wait(0), IOAT_IDLE);
	ck_assert_uint_eq(stats->bytes_written, 2000ULL * ((1 << 20) + 8));
	ck_assert_mem_eq(dst, src, 1 << 20);
}
END_TEST

START_TEST(fair_channels)
{
	struct ioat_desc *ring = drv_ring(0);

	drv_arm(1);
	drv_arm(2);
	drv_push(0, drv_copy(dst, src, 1 << 19));
	ring[0].next = drv_iova(ring);
	drv_set(0, IOAT_CHAN_DMACOUNT, 2, 65535);
	for (unsigned int i = 0; i < 50; i++) {
		drv_push(1 + i % 2, drv_copy(dst + (1 << 19), src, 1 << 19));
		drv_go(1 + i % 2);
		ck_assert_int_eq(drv_wait(1 + i % 2), IOAT_IDLE);
		ck_assert_int_eq(drv_state(0), IOAT_ACTIVE);
	}
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_ABORT);
	ck_assert_int_eq(drv_state(0), IOAT_HALTED);
	drv_arm(0);
	ck_assert_int_eq(drv_exec(0, drv_fill(dst, 9, 8)), IOAT_IDLE);
}
END_TEST

START_TEST(reset_meanwhile)
{
	struct dma_stats *stats = dma_stats(drv_dev->iommu);
	uint64_t moved;

	for (unsigned int i = 0; i < 20; i++) {
		struct ioat_desc *ring = drv_ring(0);

		drv_push(0, drv_copy(dst, src, 1 << 20));
		ring[0].next = drv_iova(ring);
		drv_set(0, IOAT_CHAN_DMACOUNT, 2, 60000);
		nap(500);
		if (i % 2)
			drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_RESET);
		else
			pci_dev_reset(drv_dev);
		moved = stats->bytes_written;
		ck_assert_int_eq(drv_state(0), IOAT_HALTED);
		nap(500);
		ck_assert_uint_eq(stats->bytes_written, moved);
		pci_config_write(drv_dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		drv_arm(0);
	}
	ck_assert_int_eq(drv_exec(0, drv_fill(dst, 9, 8)), IOAT_IDLE);
}
END_TEST

/* ---- two program threads -------------------------------------------------------------------- */

static void *drive(void *arg)
{
	unsigned int chan = *(unsigned int *)arg;
	uint8_t *to = dst + chan * 65536;

	for (unsigned int i = 0; i < 3000; i++) {
		drv_push(chan, drv_fill(to, chan * 3000 + i + 1, 8));
		drv_go(chan);
		while (drv_state(chan) == IOAT_ACTIVE || drv_last(chan) != i % DRV_RING)
			;
		ck_assert_uint_eq(*(uint64_t *)(void *)to, chan * 3000 + i + 1);
	}
	return NULL;
}

START_TEST(two_threads)
{
	unsigned int chan[] = { 0, 1 };
	pthread_t threads[2];

	start("chans=2", "doorbell=adaptive");
	drv_arm(1);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, drive, &chan[i]), 0);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	drv_stop();
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("open page"), tcase_create("work"),
			   tcase_create("threads") };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tcase_set_timeout(cases[i], 60);
	tcase_add_checked_fixture(cases[0], setup_polled, teardown);
	tcase_add_test(cases[0], native_counts);
	tcase_add_test(cases[0], native_command);
	tcase_add_test(cases[0], native_chain);
	tcase_add_test(cases[0], native_rest);
	tcase_add_test(cases[0], native_interrupts);
	tcase_add_test(cases[0], native_errors);
	tcase_add_test(cases[0], native_work);
	tcase_add_checked_fixture(cases[1], setup_inline, teardown);
	tcase_add_test(cases[1], suspend_meanwhile);
	tcase_add_test(cases[1], fair_channels);
	tcase_add_test(cases[1], reset_meanwhile);
	tcase_add_test(cases[2], two_threads);
	return drv_main("ioat_thread", cases, ARRAY_SIZE(cases));
}
