/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers and their handshakes, doorbells, interrupts, resets, faults on queues, options. */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "irq/trigger.h"
#include "models/nvme/testdrv.h"
#include "pci/model.h"
#include "pci/msi.h"

static const char *const small[] = { "size=1M", "queues=4", NULL };
static uint8_t *buf;

static void setup(void)
{
	drv_start(small);
	buf = drv_alloc(2 * DRV_PAGE);
}

static void setup_enabled(void)
{
	drv_start_enabled(small);
	buf = drv_alloc(2 * DRV_PAGE);
}

static void teardown(void)
{
	drv_stop();
}

/* ---- registers ------------------------------------------------------------------------------ */

START_TEST(identity)
{
	uint64_t cap = drv_read64(NVME_REG_CAP);

	ck_assert_uint_eq(pci_config_read(drv_dev, PCI_CLASS_REVISION, 4) >> 8, 0x010802);
	ck_assert_uint_eq(pci_config_read(drv_dev, PCI_INTERRUPT_PIN, 1), 1);
	ck_assert_uint_eq(pci_msix_vectors(drv_dev), 5);
	ck_assert_uint_eq(pci_msi_vectors(drv_dev), 0);
	ck_assert_uint_eq(cap & 0xffff, 2047);	   /* MQES */
	ck_assert_uint_eq((cap >> 16) & 1, 1);	   /* CQR */
	ck_assert_uint_eq((cap >> 24) & 0xff, 20); /* TO: 10 s */
	ck_assert_uint_eq((cap >> 32) & 15, 0);	   /* DSTRD */
	ck_assert_uint_eq((cap >> 37) & 0xff, 1);  /* CSS: NVM */
	ck_assert_uint_eq((cap >> 48) & 15, 0);	   /* MPSMIN */
	ck_assert_uint_eq(drv_read32(NVME_REG_VS), 0x10400);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), 0);
	ck_assert_uint_eq(drv_read32(NVME_REG_CC), 0);
	/* Loads need no trap: BAR memory is the register file. */
	ck_assert_mem_eq(drv_dev->bar[0].mem, &cap, 8);
}
END_TEST

START_TEST(register_writes)
{
	drv_write64(NVME_REG_CAP, 0);
	drv_write32(NVME_REG_VS, 0);
	drv_write32(NVME_REG_CSTS, ~0u);
	ck_assert_uint_eq(drv_read32(NVME_REG_CAP) & 0xffff, 2047);
	ck_assert_uint_eq(drv_read32(NVME_REG_VS), 0x10400);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), 0);
	drv_write32(NVME_REG_AQA, ~0u);
	ck_assert_uint_eq(drv_read32(NVME_REG_AQA), 0x0fff0fff);
	drv_write64(NVME_REG_ASQ, 0x123456789abcdef1);
	ck_assert_uint_eq(drv_read64(NVME_REG_ASQ), 0x123456789abcd000);
	drv_write32(NVME_REG_ACQ + 4, 7);
	ck_assert_uint_eq(drv_read64(NVME_REG_ACQ), 7ULL << 32);
	drv_write32(NVME_REG_INTMS, 5);
	drv_write32(NVME_REG_INTMS, 2);
	ck_assert_uint_eq(drv_read32(NVME_REG_INTMS), 7);
	drv_write32(NVME_REG_INTMC, 4);
	ck_assert_uint_eq(drv_read32(NVME_REG_INTMC), 3);
	/* Narrow and misaligned writes do nothing. */
	pci_bar_write(drv_dev, 0, NVME_REG_AQA, 2, 0);
	pci_bar_write(drv_dev, 0, NVME_REG_CC, 1, 1);
	ck_assert_uint_eq(drv_read32(NVME_REG_AQA), 0x0fff0fff);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), 0);
}
END_TEST

START_TEST(enable_disable)
{
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	drv_create_pair(1, false);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
	drv_write32(NVME_REG_CC, 0);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), 0);
	ck_assert_uint_eq(drv_read32(NVME_REG_AQA), 0x000f000f); /* kept (7.3.2) */
	/* The queues are gone: their doorbells move nothing. */
	drv_push(1, drv_rw(NVME_IO_READ, 0, 1, buf));
	drv_ring(1);
	ck_assert(!drv_peek(1));
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	drv_ring(1);
	ck_assert(!drv_peek(1));
	drv_create_pair(1, false);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
}
END_TEST

START_TEST(bad_configuration)
{
	static const uint32_t bad_cc[] = {
		1u << 4,  /* CSS */
		7u << 4,  /* CSS: admin only */
		5u << 7,  /* MPS above MPSMAX */
		1u << 11, /* AMS: weighted round robin */
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad_cc); i++) {
		drv_enable();
		drv_write32(NVME_REG_CC, 0);
		drv_write32(NVME_REG_CC, NVME_CC_EN | bad_cc[i]);
		ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), NVME_CSTS_CFS);
		drv_write32(NVME_REG_CC, 0);
		ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), 0);
	}
	drv_write32(NVME_REG_AQA, 15);
	drv_write32(NVME_REG_CC, NVME_CC_EN);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), NVME_CSTS_CFS);
	drv_write32(NVME_REG_CC, 0);
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	/* Pages of 8 KiB: the admin queues must be aligned to them. */
	drv_write32(NVME_REG_CC, 0);
	drv_write64(NVME_REG_ASQ, 0x101000);
	drv_write32(NVME_REG_CC, NVME_CC_EN | 1u << 7);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), NVME_CSTS_CFS);
}
END_TEST

START_TEST(shutdown_handshake)
{
	for (uint32_t shn = 1; shn <= 2; shn++) {
		drv_enable();
		drv_write32(NVME_REG_CC, drv_read32(NVME_REG_CC) | shn << 14);
		ck_assert_uint_eq(drv_read32(NVME_REG_CSTS) & NVME_CSTS_SHST_MASK,
				  NVME_CSTS_SHST_COMPLETE);
		drv_write32(NVME_REG_CC, 0);
		ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), 0);
	}
}
END_TEST

/* With a file behind it the thread flushes first. */
START_TEST(shutdown_of_a_file)
{
	int fd = open("nvme_ctrl_test.img", O_RDWR | O_CREAT | O_TRUNC, 0600);
	unsigned int i;

	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
	drv_start_enabled((const char *const[]){ "file=nvme_ctrl_test.img", NULL });
	drv_write32(NVME_REG_CC, drv_read32(NVME_REG_CC) | 1u << 14);
	for (i = 0; i < 60000; i++) {
		if ((drv_read32(NVME_REG_CSTS) & NVME_CSTS_SHST_MASK) == NVME_CSTS_SHST_COMPLETE)
			break;
		usleep(1000);
	}
	ck_assert_uint_lt(i, 60000);
	drv_stop();
	unlink("nvme_ctrl_test.img");
}
END_TEST

START_TEST(function_reset)
{
	uint8_t saved[PCI_CFG_EXT_SIZE];
	struct nvme_cqe cqe;

	drv_create_pair(1, false);
	for (unsigned int i = 0; i < 10; i++)
		drv_push(1, drv_rw(NVME_IO_WRITE, 0, 8, buf));
	drv_push(0, (struct nvme_sqe){ .opcode = NVME_ADM_ASYNC_EVENT, .cid = 9 });
	drv_ring(0);
	pci_save_state(drv_dev, saved);
	pci_dev_reset(drv_dev);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), ~0u); /* memory decode is off */
	pci_restore_state(drv_dev, saved);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), 0);
	ck_assert_uint_eq(drv_read32(NVME_REG_CC), 0);
	ck_assert_uint_eq(drv_read32(NVME_REG_AQA), 0);
	ck_assert_uint_eq(drv_read32(NVME_REG_VS), 0x10400);
	drv_ring(1);
	ck_assert(!drv_peek(1));
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	drv_create_pair(1, false);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
	ck_assert(!drv_peek(0));
	/* The event request of the time before is forgotten. */
	drv_write32(NVME_REG_DBS + 8 * 4, 1);
	ck_assert(!drv_peek(0));
	drv_push(0, (struct nvme_sqe){ .opcode = NVME_ADM_ASYNC_EVENT, .cid = 10 });
	drv_ring(0);
	ck_assert(drv_reap(0, &cqe, true));
	ck_assert_uint_eq(cqe.cid, 10);
}
END_TEST

/* ---- faults on queues ----------------------------------------------------------------------- */

static void recover(void)
{
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS) & NVME_CSTS_CFS, NVME_CSTS_CFS);
	drv_write32(NVME_REG_CC, 0);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), 0);
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	drv_create_pair(1, false);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
}

START_TEST(admin_queue_unreachable)
{
	drv_enable();
	drv_write32(NVME_REG_CC, 0);
	drv_write64(NVME_REG_ASQ, DRV_BAD_IOVA);
	drv_write32(NVME_REG_CC, NVME_CC_EN);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), NVME_CSTS_RDY);
	drv_write32(NVME_REG_DBS, 1);
	recover();
	drv_write32(NVME_REG_CC, 0);
	drv_write64(NVME_REG_ACQ, DRV_BAD_IOVA);
	drv_write32(NVME_REG_CC, NVME_CC_EN);
	drv_write32(NVME_REG_DBS, 1);
	recover();
}
END_TEST

START_TEST(io_queue_unreachable)
{
	struct nvme_sqe cq = { .opcode = NVME_ADM_CREATE_CQ, .cdw10 = 15 << 16 | 1, .cdw11 = 1 };
	struct nvme_sqe sq = { .opcode = NVME_ADM_CREATE_SQ,
			       .cdw10 = 15 << 16 | 1,
			       .cdw11 = 1 << 16 | 1 };

	cq.prp1 = drv_iova(buf);
	sq.prp1 = DRV_BAD_IOVA;
	ck_status(0, cq, NVME_SC_SUCCESS);
	ck_status(0, sq, NVME_SC_SUCCESS);
	drv_write32(NVME_REG_DBS + 8, 1);
	recover();
	sq.prp1 = drv_iova(buf);
	cq.prp1 = DRV_BAD_IOVA;
	cq.cdw10++;
	sq.cdw10++;
	sq.cdw11 = 2 << 16 | 1;
	ck_status(0, cq, NVME_SC_SUCCESS);
	ck_status(0, sq, NVME_SC_SUCCESS);
	drv_write32(NVME_REG_DBS + 16, 1);
	recover();
}
END_TEST

START_TEST(bus_master_off)
{
	drv_enable();
	pci_config_write(drv_dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	drv_write32(NVME_REG_DBS, 1);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS) & NVME_CSTS_CFS, NVME_CSTS_CFS);
	pci_config_write(drv_dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	recover();
}
END_TEST

/* ---- doorbells ------------------------------------------------------------------------------ */

static void expect_event(uint32_t result)
{
	struct nvme_sqe read_log = { .opcode = NVME_ADM_GET_LOG_PAGE,
				     .nsid = NVME_NSID_ALL,
				     .prp1 = drv_iova(buf),
				     .cdw10 = 15u << 16 | NVME_LOG_ERROR };
	struct nvme_cqe cqe;

	drv_push(0, (struct nvme_sqe){ .opcode = NVME_ADM_ASYNC_EVENT, .cid = 0x77 });
	drv_ring(0);
	ck_assert(drv_reap(0, &cqe, true));
	ck_assert_uint_eq(cqe.cid, 0x77);
	ck_assert_uint_eq(cqe.status >> 1, NVME_SC_SUCCESS);
	ck_assert_uint_eq(cqe.dw0, result);
	ck_status(0, read_log, NVME_SC_SUCCESS);
}

START_TEST(bad_doorbells)
{
	const struct nvme_error_entry *entry = (const void *)buf;

	drv_create_pair(1, false);
	drv_write32(NVME_REG_DBS + 8, DRV_DEPTH); /* beyond the ring */
	expect_event(NVME_LOG_ERROR << 16 | NVME_EVENT_INFO_DB_VALUE << 8);
	ck_assert_uint_eq(entry->sqid, 1);
	ck_assert_uint_eq(entry->cid, 0xffff);
	drv_write32(NVME_REG_DBS + 12, 1); /* a completion that was not posted */
	expect_event(NVME_LOG_ERROR << 16 | NVME_EVENT_INFO_DB_VALUE << 8);
	drv_write32(NVME_REG_DBS + 12, ~0u);
	expect_event(NVME_LOG_ERROR << 16 | NVME_EVENT_INFO_DB_VALUE << 8);
	drv_write32(NVME_REG_DBS + 16, 1); /* no such queue */
	expect_event(NVME_LOG_ERROR << 16 | NVME_EVENT_INFO_DB_REGISTER << 8);
	drv_write32(0x1ffc, 1);
	expect_event(NVME_LOG_ERROR << 16 | NVME_EVENT_INFO_DB_REGISTER << 8);
	ck_assert_uint_eq(entry->error_count, 5);
	/* None of it did any harm. */
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), NVME_CSTS_RDY);
}
END_TEST

/* The program takes the page's values back and forth while nothing is new. */
START_TEST(doorbell_twice)
{
	drv_create_pair(1, false);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
	drv_ring(1);
	drv_write32(NVME_REG_DBS + 12, 1);
	ck_assert(!drv_peek(1));
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
}
END_TEST

/* ---- interrupts ----------------------------------------------------------------------------- */

static bool intx_asserted(void)
{
	return pci_config_read(drv_dev, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT;
}

START_TEST(pin)
{
	struct nvme_cqe cqe;

	drv_push(0, (struct nvme_sqe){ .opcode = NVME_ADM_ABORT });
	drv_push(0, (struct nvme_sqe){ .opcode = NVME_ADM_ABORT });
	ck_assert(!intx_asserted());
	drv_ring(0);
	ck_assert(intx_asserted());
	drv_write32(NVME_REG_INTMS, 1);
	ck_assert(!intx_asserted());
	drv_write32(NVME_REG_INTMC, 1);
	ck_assert(intx_asserted());
	ck_assert(drv_reap(0, &cqe, true));
	ck_assert(intx_asserted());
	ck_assert(drv_reap(0, &cqe, true));
	ck_assert(!intx_asserted());
	/* A queue without IEN is silent, one with the pin's vector is not. */
	drv_create_pair(1, false);
	drv_push(1, drv_rw(NVME_IO_READ, 0, 1, buf));
	drv_ring(1);
	ck_assert(!intx_asserted());
	drv_write32(NVME_REG_CC, 0);
	ck_assert(!intx_asserted());
}
END_TEST

START_TEST(messages)
{
	struct irq_trigger *trigger[2];
	struct nvme_cqe cqe;

	for (unsigned int i = 0; i < 2; i++) {
		int fd = eventfd(0, EFD_NONBLOCK);

		ck_assert_int_eq(irq_trigger_create(fd, &trigger[i]), 0);
		close(fd);
	}
	ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSIX, 5), 0);
	ck_assert_int_eq(pci_irq_connect(drv_dev, PCI_IRQ_MSIX, 0, trigger[0]), 0);
	ck_assert_int_eq(pci_irq_connect(drv_dev, PCI_IRQ_MSIX, 2, trigger[1]), 0);
	drv_create_pair(2, true);
	ck_assert_uint_eq(irq_trigger_count(trigger[0]), 2);
	/* One message for a batch, on the queue's vector. */
	for (unsigned int i = 0; i < 5; i++)
		drv_push(2, drv_rw(NVME_IO_READ, 0, 1, buf));
	drv_ring(2);
	ck_assert_uint_eq(irq_trigger_count(trigger[0]), 2);
	ck_assert_uint_eq(irq_trigger_count(trigger[1]), 1);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert(drv_reap(2, &cqe, true));
	ck_assert_uint_eq(irq_trigger_count(trigger[1]), 1);
	ck_assert(!intx_asserted());
	for (unsigned int i = 0; i < 2; i++) {
		pci_irq_connect(drv_dev, PCI_IRQ_MSIX, i * 2, NULL);
		irq_trigger_destroy(trigger[i]);
	}
}
END_TEST

/* MSI: the vectors that were not granted fold, and INTMS holds messages back (7.5.1.1). */
START_TEST(msi)
{
	struct irq_trigger *trigger;
	int fd = eventfd(0, EFD_NONBLOCK);
	struct nvme_cqe cqe;

	drv_start_enabled((const char *const[]){ "size=1M", "queues=4", "msi=4", NULL });
	buf = drv_alloc(DRV_PAGE);
	ck_assert_uint_eq(pci_msi_vectors(drv_dev), 4);
	ck_assert_int_eq(irq_trigger_create(fd, &trigger), 0);
	close(fd);
	ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSI, 2), 0);
	ck_assert_int_eq(pci_irq_connect(drv_dev, PCI_IRQ_MSI, 1, trigger), 0);
	drv_create_pair(3, true); /* vector 3 of 2: vector 1 */
	drv_push(3, drv_rw(NVME_IO_READ, 0, 1, buf));
	drv_ring(3);
	ck_assert_uint_eq(irq_trigger_count(trigger), 1);
	drv_write32(NVME_REG_INTMS, 1 << 3);
	drv_push(3, drv_rw(NVME_IO_READ, 0, 1, buf));
	drv_ring(3);
	ck_assert_uint_eq(irq_trigger_count(trigger), 1);
	drv_write32(NVME_REG_INTMC, 1 << 3);
	ck_assert_uint_eq(irq_trigger_count(trigger), 2);
	/* Unmasked with nothing to tell: silence. */
	drv_write32(NVME_REG_INTMS, 1 << 3);
	ck_assert(drv_reap(3, &cqe, true));
	ck_assert(drv_reap(3, &cqe, true));
	drv_write32(NVME_REG_INTMC, 1 << 3);
	ck_assert_uint_eq(irq_trigger_count(trigger), 2);
	pci_irq_connect(drv_dev, PCI_IRQ_MSI, 1, NULL);
	drv_stop();
	irq_trigger_destroy(trigger);
}
END_TEST

/* ---- options -------------------------------------------------------------------------------- */

static void expect_refused(const char *option, const char *word)
{
	const char *err = drv_refused((const char *const[]){ option, NULL });

	ck_assert_msg(err != NULL, "%s was accepted", option);
	ck_assert_msg(strstr(err, word) != NULL, "\"%s\" does not say \"%s\"", err, word);
	/* It names the option as well. */
	ck_assert_msg(!strncmp(err, option, strcspn(option, "=")), "\"%s\" hides the option", err);
}

START_TEST(bad_options)
{
	expect_refused("size=0", "above 0");
	expect_refused("size=12Q", "12Q");
	expect_refused("size=-1", "-1");
	expect_refused("size=99999999999999999999", "99999999999999999999");
	expect_refused("size=1000000T", "1000000T");
	expect_refused("ns=0", "1 to 128");
	expect_refused("ns=129", "1 to 128");
	expect_refused("ns=two", "two");
	expect_refused("queues=65", "1 to 64");
	expect_refused("queues=0x4", "0x4");
	expect_refused("block=1024", "512 or 4096");
	expect_refused("msi=3", "msi=3");
	expect_refused("msi=64", "msi=64");
	expect_refused("doorbell=fast", "adaptive");
	expect_refused("serial=123456789012345678901", "20");
	expect_refused("serial=a\tb", "printable");
	expect_refused("file=missing/disk.img", "missing/disk.img");
	expect_refused("file=.", "file=.");
	expect_refused("file=", "name a file");
	ck_assert_ptr_nonnull(
		strstr(drv_refused((const char *const[]){ "size=1000", NULL }), "block=512"));
	ck_assert_ptr_nonnull(
		strstr(drv_refused((const char *const[]){ "size=8K", "ns=3", NULL }), "ns=3"));
}
END_TEST

START_TEST(good_options)
{
	static const char *const good[] = { "size=4096",       "size=3k",
					    "size=2T",	       "ns=128",
					    "queues=1",	       "msi=32",
					    "doorbell=polled", "block=4096",
					    "serial=X",	       "serial=12345678901234567890" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_ptr_null(drv_refused((const char *const[]){ good[i], NULL }));
}
END_TEST

START_TEST(small_files)
{
	int fd = open("nvme_ctrl_test.img", O_RDWR | O_CREAT | O_TRUNC, 0600);
	const char *err;

	expect_refused("file=nvme_ctrl_test.img", "empty");
	ck_assert_int_eq(ftruncate(fd, 1000), 0);
	err = drv_refused((const char *const[]){ "file=nvme_ctrl_test.img", NULL });
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(err, "1000 bytes"));
	err = drv_refused((const char *const[]){ "file=nvme_ctrl_test.img", "size=64K", NULL });
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(err, "65536"));
	close(fd);
	unlink("nvme_ctrl_test.img");
}
END_TEST

int main(void)
{
	TCase *cold = tcase_create("disabled"), *on = tcase_create("enabled"),
	      *plain = tcase_create("plain");
	TCase *const cases[] = { cold, on, plain };

	tcase_add_checked_fixture(cold, setup, teardown);
	tcase_add_test(cold, identity);
	tcase_add_test(cold, register_writes);
	tcase_add_test(cold, enable_disable);
	tcase_add_test(cold, bad_configuration);
	tcase_add_test(cold, shutdown_handshake);
	tcase_add_test(cold, admin_queue_unreachable);
	tcase_add_test(cold, bus_master_off);
	tcase_add_checked_fixture(on, setup_enabled, teardown);
	tcase_add_test(on, function_reset);
	tcase_add_test(on, io_queue_unreachable);
	tcase_add_test(on, bad_doorbells);
	tcase_add_test(on, doorbell_twice);
	tcase_add_test(on, pin);
	tcase_add_test(on, messages);
	tcase_add_test(plain, shutdown_of_a_file);
	tcase_add_test(plain, msi);
	tcase_add_test(plain, bad_options);
	tcase_add_test(plain, good_options);
	tcase_add_test(plain, small_files);
	return drv_main("nvme_ctrl", cases, 3);
}
