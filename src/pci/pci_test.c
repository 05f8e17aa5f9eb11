/* SPDX-License-Identifier: BSD-3-Clause */
/* A function as hardware: config cycles, capabilities, interrupts, reset, BARs, deferred stores. */
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file/file.h"
#include "pci/bus.h"
#include "pci/model.h"
#include "pci/msi.h"
#include "pci/pci_priv.h"

#define MSIX_TABLE 0x2000
#define MSIX_PBA   0x3000

static uint64_t last_write;
static unsigned int writes, resets;
static _Atomic unsigned int work_left;

static uint64_t test_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off,
			      unsigned int width)
{
	return 0x1122334455667700 + off;
}

static void test_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
			   uint64_t value)
{
	last_write = value;
	writes++;
}

static void test_reset(struct pci_dev *dev)
{
	resets++;
}

static bool test_work(struct pci_dev *dev)
{
	return atomic_load(&work_left) && atomic_fetch_sub(&work_left, 1) > 1;
}

static const struct pci_model test_model = {
	.name = "test",
	.shared_size = 64,
	.bar_read = test_bar_read,
	.bar_write = test_bar_write,
	.reset = test_reset,
	.work = test_work,
};

/* Needs no thread. */
static const struct pci_model idle_model = { .name = "idle", .shared_size = 64 };

static struct pci_dev *dev;

static void setup(void)
{
	ck_assert_int_eq(pci_dev_create(0x0100, &test_model, &dev), 0);
	pci_dev_set_ids(dev, 0x1b36, 0x0010, 0x010802, 2, 0x1af4, 0x1100);
	dev->config[PCI_INTERRUPT_PIN] = 1;
	ck_assert_int_eq(pci_dev_add_bar(dev, 0, 0x4000, PCI_BASE_ADDRESS_MEM_TYPE_64), 0);
	ck_assert_int_eq(pci_dev_add_bar(dev, 2, 0x20, PCI_BASE_ADDRESS_SPACE_IO), 0);
	ck_assert_int_eq(pci_add_pm_cap(dev), 0x60);
	ck_assert_int_eq(pci_add_pcie_endpoint_cap(dev), 0x80);
	ck_assert_int_eq(pci_add_msix_cap(dev, 65, 0, MSIX_TABLE, MSIX_PBA), 0x40);
	ck_assert_int_gt(pci_add_msi_cap(dev, 4, true), 0);
	pci_dev_created(dev);
	ck_assert_int_eq(pci_dev_power_on(dev), 0);
	pci_config_write(dev, PCI_COMMAND, 2,
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_IO);
	writes = resets = 0;
}

static void teardown(void)
{
	pci_dev_power_off(dev);
	pci_dev_destroy(dev);
}

static uint64_t eventfd_value(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t value = 0;

	if (poll(&p, 1, 0) == 1)
		ck_assert_int_eq(read(fd, &value, 8), 8);
	return value;
}

/* ---- config space --------------------------------------------------------------------------- */

START_TEST(chain_and_defaults)
{
	ck_assert_uint_eq(pci_config_read(dev, 0, 4), 0x00101b36);
	ck_assert_uint_eq(pci_config_read(dev, 8, 4), 0x01080202);
	ck_assert_uint_eq(pci_config_read(dev, 0x2c, 4), 0x11001af4);
	ck_assert_uint_eq(pci_config_read(dev, 6, 2), PCI_STATUS_CAP_LIST);
	ck_assert_uint_eq(pci_config_read(dev, 0x40, 4) & 0xff, PCI_CAP_ID_MSIX);
	ck_assert_uint_eq(pci_config_read(dev, 0x40, 4), 0x00408011);
	ck_assert_uint_eq(pci_config_read(dev, 0x80, 4), 0x00026010);
	ck_assert_uint_eq(pci_config_read(dev, 0x84, 4), 0x10008020);
	ck_assert_uint_eq(pci_config_read(dev, 0x8c, 4), 0x00000411);
	ck_assert_uint_eq(pci_config_read(dev, 0x92, 2), 0x0011);
	ck_assert_uint_eq(pci_config_read(dev, 0xa4, 4), 0x00300000);
	ck_assert_uint_eq(pci_config_read(dev, 0x60, 4), 0x00030001);
	ck_assert_uint_eq(pci_config_read(dev, 0x64, 4), 0x00000008);
}
END_TEST

START_TEST(sizing)
{
	pci_config_write(dev, PCI_BASE_ADDRESS_0, 4, ~0u);
	pci_config_write(dev, PCI_BASE_ADDRESS_1, 4, ~0u);
	pci_config_write(dev, PCI_BASE_ADDRESS_2, 4, ~0u);
	pci_config_write(dev, PCI_BASE_ADDRESS_3, 4, ~0u);
	ck_assert_uint_eq(pci_config_read(dev, PCI_BASE_ADDRESS_0, 4), 0xffffc004);
	ck_assert_uint_eq(pci_config_read(dev, PCI_BASE_ADDRESS_1, 4), 0xffffffff);
	ck_assert_uint_eq(pci_config_read(dev, PCI_BASE_ADDRESS_2, 4), 0xffffffe1);
	ck_assert_uint_eq(pci_config_read(dev, PCI_BASE_ADDRESS_3, 4), 0);
}
END_TEST

/* Whatever is written with whatever width, bits that are not writable stay. */
START_TEST(read_only_bits_stay)
{
	static const uint32_t patterns[] = { 0, ~0u, 0x55555555, 0xaaaaaaaa, 0x01020304 };
	uint8_t before[PCI_CFG_EXT_SIZE];

	for (size_t p = 0; p < ARRAY_SIZE(patterns); p++) {
		for (unsigned int width = 1; width <= 4; width *= 2) {
			for (unsigned int off = 0; off < PCI_CFG_EXT_SIZE; off += width) {
				memcpy(before, dev->config, sizeof(before));
				pci_config_write_masked(dev, off, width, patterns[p],
							off == 0x88 ? 0xffff7fff : ~0u);
				for (unsigned int i = 0; i < width; i++)
					ck_assert_uint_eq((dev->config[off + i] ^ before[off + i]) &
								  ~(dev->wmask[off + i] |
								    dev->w1cmask[off + i]) &
								  (off == PCI_STATUS ? 0xf7 : 0xff),
							  0);
			}
		}
	}
	ck_assert_uint_eq(pci_config_read(dev, PCI_CFG_EXT_SIZE, 4), ~0u);
	pci_config_write(dev, PCI_CFG_EXT_SIZE - 1, 4, 0);
}
END_TEST

START_TEST(write_one_clears)
{
	pci_set_word(dev, PCI_STATUS, PCI_STATUS_CAP_LIST | PCI_STATUS_REC_MASTER_ABORT);
	pci_config_write(dev, PCI_STATUS, 2, 0);
	ck_assert_uint_eq(pci_config_read(dev, PCI_STATUS, 2),
			  PCI_STATUS_CAP_LIST | PCI_STATUS_REC_MASTER_ABORT);
	pci_config_write(dev, PCI_STATUS, 2, PCI_STATUS_REC_MASTER_ABORT);
	ck_assert_uint_eq(pci_config_read(dev, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
}
END_TEST

START_TEST(ext_capabilities)
{
	int aer = pci_add_ext_capability(dev, PCI_EXT_CAP_ID_ERR, 2, 0x48);
	int dsn = pci_add_ext_capability(dev, PCI_EXT_CAP_ID_DSN, 1, 12);

	ck_assert_int_eq(aer, 0x100);
	ck_assert_int_eq(dsn, 0x148);
	ck_assert_uint_eq(pci_get_long(dev, 0x100), 0x14820001);
	ck_assert_uint_eq(pci_get_long(dev, 0x148), 0x00010003);
	ck_assert_int_eq(pci_add_capability_at(dev, 9, 0x62, 8), -EINVAL);
	ck_assert_int_eq(pci_add_capability_at(dev, 9, 0x64, 8), -EBUSY);
}
END_TEST

START_TEST(power_states)
{
	ck_assert(pci_memory_enabled(dev));
	ck_assert_int_eq(pci_set_power_state(dev, 1), -EIO);
	ck_assert_int_eq(pci_set_power_state(dev, 3), 0);
	ck_assert(!pci_memory_enabled(dev));
	ck_assert_uint_eq(pci_bar_read(dev, 0, 0, 4), 0xffffffff);
	ck_assert_int_eq(pci_set_power_state(dev, 2), -EINVAL);
	/* An unsupported state is dropped. */
	pci_config_write(dev, 0x64, 1, 1);
	ck_assert_uint_eq(pci_power_state(dev), 3);
	ck_assert_uint_eq(pci_config_read(dev, 0x64, 1), 0x0b);
	ck_assert_int_eq(pci_set_power_state(dev, 0), 0);
	ck_assert(pci_memory_enabled(dev));
}
END_TEST

START_TEST(flr_and_restore)
{
	uint8_t saved[PCI_CFG_EXT_SIZE];

	pci_config_write(dev, PCI_BASE_ADDRESS_0, 4, 0xfe400000);
	pci_config_write(dev, PCI_CACHE_LINE_SIZE, 1, 0x10);
	pci_config_write(dev, 0xfc, 4, 0x12345678);
	pci_save_state(dev, saved);
	pci_config_write(dev, 0x88, 2, PCI_EXP_DEVCTL_BCR_FLR);
	ck_assert_uint_eq(resets, 1);
	ck_assert_uint_eq(pci_config_read(dev, PCI_COMMAND, 2), 0);
	ck_assert_uint_eq(pci_config_read(dev, PCI_BASE_ADDRESS_0, 4), 4);
	ck_assert_uint_eq(pci_config_read(dev, 0x88, 2), 0);
	ck_assert_uint_eq(pci_config_read(dev, 0xfc, 4), 0);
	pci_restore_state(dev, saved);
	ck_assert_uint_eq(pci_config_read(dev, PCI_COMMAND, 2), 7);
	ck_assert_uint_eq(pci_config_read(dev, PCI_BASE_ADDRESS_0, 4), 0xfe400004);
	ck_assert_uint_eq(pci_config_read(dev, PCI_CACHE_LINE_SIZE, 1), 0x10);
	ck_assert_uint_eq(pci_config_read(dev, 0xfc, 4), 0);
}
END_TEST

/* ---- BARs ----------------------------------------------------------------------------------- */

START_TEST(bar_cycles)
{
	ck_assert_uint_eq(pci_bar_read(dev, 0, 8, 4), 0x55667708);
	pci_bar_write(dev, 0, 0, 4, 77);
	ck_assert_uint_eq(last_write, 77);
	ck_assert_uint_eq(pci_bar_read(dev, 0, 0x4000, 4), 0xffffffff);
	ck_assert_uint_eq(pci_bar_read(dev, 0, 0x3ffd, 4), 0xffffffff);
	ck_assert_uint_eq(pci_bar_read(dev, 1, 0, 1), 0xff);
	pci_config_write(dev, PCI_COMMAND, 2, 0);
	writes = 0;
	pci_bar_write(dev, 0, 0, 4, 78);
	pci_bar_write(dev, 2, 0, 1, 79);
	ck_assert_uint_eq(writes, 0);
	ck_assert_uint_eq(pci_bar_read(dev, 2, 0, 2), 0xffff);
	ck_assert_uint_eq(atomic_load(&dev->stats->reg_writes), 3);
	ck_assert_int_eq(pci_dev_add_bar(dev, 0, 0x1000, 0), -EINVAL);
	ck_assert_int_eq(pci_dev_add_bar(dev, 4, 0x1001, 0), -EINVAL);
	ck_assert_int_eq(pci_dev_add_bar(dev, 5, 0x1000, PCI_BASE_ADDRESS_MEM_TYPE_64), -EINVAL);
}
END_TEST

START_TEST(deferred_stores_run_in_order)
{
	for (unsigned int i = 1; i <= 5; i++)
		pci_bar_write_deferred(dev, 0, 0, 4, i);
	ck_assert_uint_eq(writes, 0);
	pci_run_deferred();
	ck_assert_uint_eq(writes, 5);
	ck_assert_uint_eq(last_write, 5);
	/* When the pool is full the register keeps its newest value. */
	for (unsigned int i = 1; i <= 3000; i++)
		pci_bar_write_deferred(dev, 0, 0, 4, i);
	pci_run_deferred();
	ck_assert_uint_eq(last_write, 3000);
	pci_run_deferred();
	ck_assert_uint_eq(writes, 5 + 1024);
}
END_TEST

START_TEST(kicked_work_runs)
{
	atomic_store(&work_left, 10);
	pci_dev_kick(dev);
	for (unsigned int i = 0; i < 60000 && atomic_load(&work_left); i++)
		usleep(1000);
	ck_assert_uint_eq(atomic_load(&work_left), 0);
}
END_TEST

static int seen_access;
static uint64_t seen_off;
static void see_access(struct pci_bar_listener *l, unsigned int bar, uint64_t off, uint64_t len,
		       int access)
{
	seen_access = access;
	seen_off = off;
}

START_TEST(access_listeners)
{
	struct pci_bar_listener l = { .set_access = see_access };

	ck_assert_uint_eq(dev->bar[0].page_access[0], PAGE_TRAP_ALL);
	ck_assert_uint_eq(dev->bar[0].page_access[2], PAGE_TRAP_WRITE);
	list_add(&l.node, &dev->bar_listeners);
	pci_bar_set_access(dev, 0, 0x1000, 0x1000, PAGE_DIRECT);
	ck_assert_int_eq(seen_access, PAGE_DIRECT);
	ck_assert_uint_eq(seen_off, 0x1000);
	ck_assert_uint_eq(dev->bar[0].page_access[1], PAGE_DIRECT);
	list_del(&l.node);
}
END_TEST

/* ---- interrupts ----------------------------------------------------------------------------- */

START_TEST(msix_mask_and_pending)
{
	struct irq_trigger *t;
	int fd = eventfd(0, EFD_NONBLOCK);
	uint32_t *entry = (uint32_t *)((char *)dev->bar[0].mem + MSIX_TABLE + 3 * 16);
	uint64_t *pba = (uint64_t *)((char *)dev->bar[0].mem + MSIX_PBA);

	ck_assert_int_eq(irq_trigger_create(fd, &t), 0);
	ck_assert_uint_eq(entry[3], 1);
	ck_assert_int_eq(pci_irq_mode(dev), PCI_IRQ_INTX);
	pci_irq_raise(dev, 3); /* neither is on: nothing */
	ck_assert_uint_eq(*pba, 0);
	ck_assert_int_eq(pci_enable_vectors(dev, PCI_IRQ_MSIX, 66), -ENOSPC);
	ck_assert_int_eq(pci_enable_vectors(dev, PCI_IRQ_MSIX, 4), 0);
	ck_assert_int_eq(pci_irq_mode(dev), PCI_IRQ_MSIX);
	/* Masked: pending until it is connected. */
	pci_irq_raise(dev, 3);
	ck_assert_uint_eq(*pba, 8);
	ck_assert_int_eq(pci_irq_connect(dev, PCI_IRQ_MSIX, 3, t), 0);
	ck_assert_uint_eq(*pba, 0);
	ck_assert_uint_eq(eventfd_value(fd), 1);
	pci_irq_raise(dev, 3);
	ck_assert_uint_eq(eventfd_value(fd), 1);
	/* The vector's mask bit, through the BAR. */
	pci_bar_write(dev, 0, MSIX_TABLE + 3 * 16 + 12, 4, 1);
	pci_irq_raise(dev, 3);
	pci_irq_raise(dev, 3);
	ck_assert_uint_eq(eventfd_value(fd), 0);
	ck_assert_uint_eq(pci_bar_read(dev, 0, MSIX_PBA, 8), 8);
	pci_bar_write(dev, 0, MSIX_PBA, 8, 0);
	ck_assert_uint_eq(*pba, 8);
	pci_bar_write(dev, 0, MSIX_TABLE + 3 * 16 + 12, 4, 0);
	ck_assert_uint_eq(eventfd_value(fd), 1);
	/* The function mask. */
	pci_config_write(dev, 0x42, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_irq_raise(dev, 3);
	ck_assert_uint_eq(eventfd_value(fd), 0);
	pci_config_write(dev, 0x42, 2, PCI_MSIX_FLAGS_ENABLE);
	ck_assert_uint_eq(eventfd_value(fd), 1);
	/* No bus mastering, no message. */
	pci_set_master(dev, false);
	pci_irq_raise(dev, 3);
	ck_assert_uint_eq(eventfd_value(fd), 0);
	pci_set_master(dev, true);
	/* After a reset and a restore the host's vectors work again. */
	ck_assert_int_eq(pci_reset_function(dev), 0);
	ck_assert_uint_eq(entry[3], 0);
	pci_irq_raise(dev, 3);
	ck_assert_uint_eq(eventfd_value(fd), 1);
	ck_assert_int_eq(pci_irq_connect(dev, PCI_IRQ_MSIX, 65, t), -EINVAL);
	pci_disable_vectors(dev, PCI_IRQ_MSIX);
	pci_irq_raise(dev, 3);
	ck_assert_uint_eq(eventfd_value(fd), 0);
	irq_trigger_destroy(t);
	close(fd);
}
END_TEST

START_TEST(msi_mask_and_modulo)
{
	unsigned int mask = dev->msi_cap + PCI_MSI_MASK_64,
		     pending = dev->msi_cap + PCI_MSI_PENDING_64;
	int fd[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	struct irq_trigger *t[2];

	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(irq_trigger_create(fd[i], &t[i]), 0);
	ck_assert_int_eq(pci_enable_vectors(dev, PCI_IRQ_MSI, 2), 0);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(pci_irq_connect(dev, PCI_IRQ_MSI, i, t[i]), 0);
	pci_irq_raise(dev, 3);
	ck_assert_uint_eq(eventfd_value(fd[0]), 0);
	ck_assert_uint_eq(eventfd_value(fd[1]), 1);
	pci_config_write(dev, mask, 4, 1);
	pci_irq_raise(dev, 2);
	ck_assert_uint_eq(pci_config_read(dev, pending, 4), 1);
	pci_config_write(dev, pending, 4, 0);
	ck_assert_uint_eq(pci_config_read(dev, pending, 4), 1);
	ck_assert_uint_eq(eventfd_value(fd[0]), 0);
	pci_config_write(dev, mask, 4, 0);
	ck_assert_uint_eq(eventfd_value(fd[0]), 1);
	ck_assert_uint_eq(pci_config_read(dev, pending, 4), 0);
	pci_disable_vectors(dev, PCI_IRQ_MSI);
	for (unsigned int i = 0; i < 2; i++) {
		irq_trigger_destroy(t[i]);
		close(fd[i]);
	}
}
END_TEST

static unsigned int intx_seen;
static void see_intx(void *arg)
{
	if (pci_check_and_mask_intx_locked(dev))
		intx_seen++;
}

START_TEST(intx_level)
{
	intx_seen = 0;
	ck_assert_int_eq(pci_intx_connect(dev, see_intx, NULL), 0);
	pci_intx_set(dev, true);
	ck_assert_uint_eq(intx_seen, 1);
	ck_assert_uint_eq(pci_config_read(dev, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT,
			  PCI_STATUS_INTERRUPT);
	ck_assert(pci_config_read(dev, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
	/* Still high: cannot be unmasked; a plain enable fires again. */
	ck_assert(!pci_check_and_unmask_intx(dev));
	pci_intx(dev, true);
	ck_assert_uint_eq(intx_seen, 2);
	pci_intx_set(dev, false);
	ck_assert(pci_check_and_unmask_intx(dev));
	ck_assert_uint_eq(intx_seen, 2);
	/* Messages on: the pin is quiet, whatever its level. */
	ck_assert_int_eq(pci_enable_vectors(dev, PCI_IRQ_MSIX, 1), 0);
	pci_intx_set(dev, true);
	ck_assert_uint_eq(intx_seen, 2);
	pci_disable_vectors(dev, PCI_IRQ_MSIX);
	ck_assert_uint_eq(intx_seen, 3);
	pci_intx_connect(dev, NULL, NULL);
}
END_TEST

/* ---- shared state, topology ----------------------------------------------------------------- */

static void *die_with_lock(void *arg)
{
	pci_shared_lock(dev);
	return NULL;
}

START_TEST(shared_state_survives_its_holder)
{
	void *mem = aligned_alloc(64, PCI_SHARED_HEADER + 64);
	pthread_t thread;

	ck_assert_int_eq(pci_dev_set_shared(dev, mem, true), 0);
	ck_assert_int_eq(pci_shared_lock(dev), 0);
	pci_shared_unlock(dev);
	pthread_create(&thread, NULL, die_with_lock, NULL);
	pthread_join(thread, NULL);
	ck_assert_int_eq(pci_shared_lock(dev), 1);
	pci_shared_unlock(dev);
	ck_assert_int_eq(pci_shared_lock(dev), 0);
	pci_shared_unlock(dev);
	dev->shared = NULL;
	free(mem);
}
END_TEST

/* Two processes' functions over the same header: what one's host writes the other sees. */
START_TEST(host_config_is_shared)
{
	void *mem = aligned_alloc(64, PCI_SHARED_HEADER + 64);
	struct pci_dev *other;
	uint8_t line;

	ck_assert_int_eq(pci_dev_set_shared(dev, mem, true), 0);
	ck_assert_int_eq(pci_dev_create(0x0100, &test_model, &other), 0);
	ck_assert_int_eq(pci_add_pm_cap(other), 0x60);
	ck_assert_int_eq(pci_dev_set_shared(other, mem, false), 0);
	pci_config_adopt(other);
	ck_assert_uint_eq(pci_get_byte(other, PCI_INTERRUPT_LINE), 0);
	/* In use by this process: neither given nor taken. */
	pci_config_write(dev, PCI_INTERRUPT_LINE, 1, 0x33);
	pci_config_publish(dev);
	pci_config_adopt(other);
	ck_assert_uint_eq(pci_get_byte(other, PCI_INTERRUPT_LINE), 0);
	pci_dev_power_off(dev);
	pci_set_power_state(other, 3);
	pci_config_publish(dev);
	pci_config_adopt(other);
	ck_assert_uint_eq(pci_get_byte(other, PCI_INTERRUPT_LINE), 0x33);
	ck_assert_uint_eq(pci_power_state(other), 3);
	pci_config_write(other, PCI_INTERRUPT_LINE, 1, 0x44);
	pci_config_publish(other);
	line = pci_get_byte(dev, PCI_INTERRUPT_LINE);
	ck_assert_uint_eq(line, 0x33);
	ck_assert_int_eq(pci_dev_power_on(dev), 0);
	ck_assert_uint_eq(pci_get_byte(dev, PCI_INTERRUPT_LINE), 0x44);
	pci_dev_destroy(other);
	pci_dev_power_off(dev);
	dev->shared = NULL;
	ck_assert_int_eq(pci_dev_power_on(dev), 0);
	free(mem);
}
END_TEST

/* A function that a process uses is seen by the others as it is, until the process is gone. */
START_TEST(registers_in_use_are_seen)
{
	size_t size = PCI_SHARED_HEADER + 64;
	uint8_t seen[PCI_CFG_EXT_SIZE];
	struct pci_dev *other;
	int status, go[2];
	void *mem;
	pid_t pid;

	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(mem, MAP_FAILED);
	ck_assert_int_eq(pci_dev_create(0x0100, &idle_model, &other), 0);
	ck_assert_int_eq(pci_dev_set_shared(other, mem, true), 0);
	ck_assert_int_eq(pipe(go), 0);
	pid = fork();
	if (!pid) {
		struct pci_dev *mine;

		if (pci_dev_create(0x0100, &idle_model, &mine) ||
		    pci_dev_set_shared(mine, mem, false) || pci_dev_power_on(mine))
			_exit(1);
		pci_config_write(mine, PCI_INTERRUPT_LINE, 1, 0x66);
		if (write(go[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	close(go[1]);
	ck_assert_int_eq(read(go[0], seen, 1), 1);
	pci_config_snapshot(other, seen);
	ck_assert_uint_eq(seen[PCI_INTERRUPT_LINE], 0x66);
	ck_assert_uint_eq(pci_get_byte(other, PCI_INTERRUPT_LINE), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	pci_config_snapshot(other, seen);
	ck_assert_uint_eq(seen[PCI_INTERRUPT_LINE], 0);
	/* Whoever comes next takes its place. */
	ck_assert_int_eq(pci_dev_power_on(other), 0);
	pci_dev_power_off(other);
	pci_dev_destroy(other);
	close(go[0]);
	munmap(mem, size);
}
END_TEST

/* How far the tags of @data reach, as reading from its start tells. */
static ssize_t vpd_size(const void *data, size_t len)
{
	struct pci_dev *d;
	char text[64];
	ssize_t size;

	ck_assert_int_eq(pci_dev_create(0x0300, &test_model, &d), 0);
	ck_assert_int_gt(pci_add_vpd_cap(d, data, len), 0);
	size = pci_vpd_read(d, 0, sizeof(text), text);
	if (size > 0)
		ck_assert_int_eq(memcmp(text, data, MIN((size_t)size, len)), 0);
	pci_dev_destroy(d);
	return size;
}

START_TEST(vpd_sizes)
{
	/* A name of five bytes, the end tag; nine in all, which is no multiple of a word. */
	static const uint8_t whole[] = { 0x82, 5, 0, 'h', 'e', 'l', 'l', 'o', 0x78 };
	static const uint8_t endless[] = { 0x82, 1, 0, 'h', 0x82, 0xff, 0xff };
	static const uint8_t bad[] = { 0x82, 0xff, 0xff }, none[] = { 0xff, 0xff, 0xff, 0xff };

	ck_assert_int_eq(vpd_size(whole, sizeof(whole)), 9);
	ck_assert_int_eq(vpd_size(endless, sizeof(endless)), 4);
	ck_assert_int_eq(vpd_size(bad, sizeof(bad)), -ENODEV);
	ck_assert_int_eq(vpd_size(none, sizeof(none)), -ENODEV);
}
END_TEST

START_TEST(firmware_addresses)
{
	struct pci_dev *port;

	ck_assert_int_eq(pci_firmware_init(dev), 0);
	ck_assert_uint_eq(dev->bar[0].addr, 0xfe400000);
	ck_assert_uint_eq(pci_config_read(dev, PCI_BASE_ADDRESS_0, 4), 0xfe400004);
	ck_assert_uint_eq(pci_config_read(dev, PCI_COMMAND, 2), 0x0103);
	ck_assert_uint_eq(pci_config_read(dev, PCI_INTERRUPT_LINE, 1), 10);
	ck_assert_int_eq(pci_root_port_create(0x0020, 1, &port), 0);
	ck_assert_uint_eq(pci_config_read(port, PCI_MEMORY_BASE, 4), 0xfe50fe40);
	ck_assert_uint_eq(pci_config_read(port, PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_BRIDGE);
	pci_dev_destroy(port);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pci");
	TCase *t = tcase_create("function");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, chain_and_defaults);
	tcase_add_test(t, sizing);
	tcase_add_test(t, read_only_bits_stay);
	tcase_add_test(t, write_one_clears);
	tcase_add_test(t, ext_capabilities);
	tcase_add_test(t, power_states);
	tcase_add_test(t, flr_and_restore);
	tcase_add_test(t, bar_cycles);
	tcase_add_test(t, deferred_stores_run_in_order);
	tcase_add_test(t, kicked_work_runs);
	tcase_add_test(t, access_listeners);
	tcase_add_test(t, msix_mask_and_pending);
	tcase_add_test(t, msi_mask_and_modulo);
	tcase_add_test(t, intx_level);
	tcase_add_test(t, shared_state_survives_its_holder);
	tcase_add_test(t, host_config_is_shared);
	tcase_add_test(t, registers_in_use_are_seen);
	tcase_add_test(t, vpd_sizes);
	tcase_add_test(t, firmware_addresses);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
