/* SPDX-License-Identifier: BSD-3-Clause */
/* Beside the caller: polled doorbells, commands that wait for a disk, resets meanwhile. */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>

#include "models/nvme/testdrv.h"

#define IMAGE "nvme_thread_test.img"

static uint8_t *buf;

static void start_on_file(void)
{
	int fd = open(IMAGE, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 4 << 20), 0);
	close(fd);
	drv_start_enabled((const char *const[]){ "file=" IMAGE, "queues=4", NULL });
	buf = drv_alloc(16 * DRV_PAGE);
}

static void stop_on_file(void)
{
	drv_stop();
	unlink(IMAGE);
}

static void store_doorbell(uint32_t off, uint32_t value)
{
	char *page = drv_dev->bar[0].mem;

	__atomic_store_n((uint32_t *)(void *)(page + off), value, __ATOMIC_RELEASE);
}

/* Once open, the page is watched by the thread: native stores are enough. */
START_TEST(native_stores)
{
	struct nvme_cqe cqe;
	uint32_t tail = 0;

	drv_start_enabled((const char *const[]){ "size=1M", "doorbell=polled", NULL });
	buf = drv_alloc(DRV_PAGE);
	drv_create_pair(1, false);
	for (unsigned int i = 0; i < 2000; i++) {
		unsigned int n = 1 + i % 7;

		for (unsigned int k = 0; k < n; k++) {
			struct nvme_sqe cmd = drv_rw(NVME_IO_READ, i % 100, 1, buf);

			cmd.cid = (uint16_t)(i + k);
			drv_push(1, cmd);
		}
		tail = (tail + n) % DRV_DEPTH;
		store_doorbell(NVME_REG_DBS + 8, tail);
		for (unsigned int k = 0; k < n; k++) {
			ck_assert(drv_reap(1, &cqe, false));
			ck_assert_uint_eq(cqe.cid, i + k);
			ck_assert_uint_eq(cqe.status >> 1, NVME_SC_SUCCESS);
		}
		store_doorbell(NVME_REG_DBS + 12, tail);
	}
	drv_stop();
}
END_TEST

/* A reset that finds a command waiting for the disk: it is forgotten, nothing comes late. */
START_TEST(reset_during_flush)
{
	uint8_t saved[PCI_CFG_EXT_SIZE];

	for (unsigned int i = 0; i < 40; i++) {
		drv_create_pair(1, false);
		ck_status(1, drv_rw(NVME_IO_WRITE, 0, 8, buf), NVME_SC_SUCCESS);
		for (unsigned int k = 0; k < 5; k++)
			drv_push(1, (struct nvme_sqe){ .opcode = NVME_IO_FLUSH, .nsid = 1 });
		drv_ring(1);
		if (i % 4)
			usleep(i * 10);
		if (i % 2) {
			pci_save_state(drv_dev, saved);
			pci_dev_reset(drv_dev);
			pci_restore_state(drv_dev, saved);
		} else {
			drv_write32(NVME_REG_CC, 0);
		}
		memset(drv_cq(1), 0, DRV_DEPTH * sizeof(struct nvme_cqe));
		ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
		for (unsigned int k = 0; k < DRV_DEPTH; k++)
			ck_assert_uint_eq(drv_cq(1)[k].status, 0);
	}
}
END_TEST

/* Deleting a queue answers for what it holds: each flush is done, aborted, or was never fetched. */
START_TEST(delete_during_flush)
{
	struct nvme_sqe del = { .opcode = NVME_ADM_DELETE_SQ, .cdw10 = 1 };
	struct nvme_cqe cqe;

	for (unsigned int i = 0; i < 40; i++) {
		unsigned int aborted = 0;

		drv_create_pair(1, false);
		ck_status(1, drv_rw(NVME_IO_WRITE, 0, 8, buf), NVME_SC_SUCCESS);
		for (uint16_t k = 0; k < 5; k++)
			drv_push(1,
				 (struct nvme_sqe){ .opcode = NVME_IO_FLUSH, .cid = k, .nsid = 1 });
		drv_ring(1);
		usleep(i * 10);
		ck_status(0, del, NVME_SC_SUCCESS);
		for (uint16_t k = 0; drv_peek(1); k++) {
			ck_assert(drv_reap(1, &cqe, false));
			ck_assert_uint_eq(cqe.cid, k);
			ck_assert_uint_eq(aborted, 0); /* the last one */
			aborted = cqe.status >> 1 != 0;
			if (aborted)
				ck_assert_uint_eq((cqe.status >> 1) & 0x7ff,
						  NVME_SC_ABORTED_SQ_DELETED);
		}
		del.opcode = NVME_ADM_DELETE_CQ;
		ck_status(0, del, NVME_SC_SUCCESS);
		del.opcode = NVME_ADM_DELETE_SQ;
	}
}
END_TEST

/* One queue waits for the disk, another goes on. */
START_TEST(other_queues_go_on)
{
	struct nvme_sqe set = { .opcode = NVME_ADM_SET_FEATURES, .cdw10 = NVME_FEAT_WRITE_CACHE };
	struct nvme_cqe cqe;

	drv_create_pair(1, false);
	drv_create_pair(2, false);
	ck_status(0, set, NVME_SC_SUCCESS);
	for (unsigned int i = 0; i < 50; i++) {
		drv_push(1, drv_rw(NVME_IO_WRITE, 0, 8, buf));
		drv_ring(1);
		ck_status(2, drv_rw(NVME_IO_READ, 8, 8, buf + DRV_PAGE), NVME_SC_SUCCESS);
		ck_assert(drv_reap(1, &cqe, true));
		ck_assert_uint_eq(cqe.status >> 1, NVME_SC_SUCCESS);
	}
}
END_TEST

static void admin_cmd(uint8_t opcode, uint32_t cdw10, uint32_t cdw11, const void *ring)
{
	struct nvme_sqe cmd = {
		.opcode = opcode, .prp1 = ring ? drv_iova(ring) : 0, .cdw10 = cdw10, .cdw11 = cdw11
	};

	ck_status(0, cmd, NVME_SC_SUCCESS);
}

/* Submission queues 1 and 2 on a completion queue with room for a single entry. */
static volatile struct nvme_cqe *create_shared(void)
{
	drv_create_pair(1, false);
	drv_create_pair(2, false);
	for (uint32_t id = 1; id <= 2; id++) {
		admin_cmd(NVME_ADM_DELETE_SQ, id, 0, NULL);
		admin_cmd(NVME_ADM_DELETE_CQ, id, 0, NULL);
	}
	admin_cmd(NVME_ADM_CREATE_CQ, 1 << 16 | 1, 1, drv_cq(1));
	for (uint32_t id = 1; id <= 2; id++)
		admin_cmd(NVME_ADM_CREATE_SQ, (DRV_DEPTH - 1) << 16 | id, 1 << 16 | 1, drv_sq(id));
	return drv_cq(1);
}

/* A command that waits for the disk has its completion's entry, whatever goes on meanwhile. */
START_TEST(last_entry_is_kept)
{
	admin_cmd(NVME_ADM_SET_FEATURES, NVME_FEAT_WRITE_CACHE, 0, NULL);
	for (unsigned int i = 0; i < 50; i++) {
		volatile struct nvme_cqe *cq = create_shared();

		drv_push(1, drv_rw(NVME_IO_WRITE, 0, 8, buf));
		drv_ring(1);
		/* Sometimes before the thread takes the write, sometimes while it waits. */
		usleep(i * 4);
		drv_push(2, drv_rw(NVME_IO_READ, 8, 8, buf + DRV_PAGE));
		drv_ring(2);
		while (!cq[0].status)
			usleep(10);
		usleep(1000);
		ck_assert_uint_eq(cq[1].status, 0);
		drv_write32(NVME_REG_DBS + 12, 1);
		while (!cq[1].status)
			usleep(10);
		for (uint32_t id = 1; id <= 2; id++)
			admin_cmd(NVME_ADM_DELETE_SQ, id, 0, NULL);
		admin_cmd(NVME_ADM_DELETE_CQ, 1, 0, NULL);
	}
}
END_TEST

int main(void)
{
	TCase *memory = tcase_create("memory"), *file = tcase_create("file");
	TCase *const cases[] = { memory, file };

	tcase_add_test(memory, native_stores);
	tcase_add_checked_fixture(file, start_on_file, stop_on_file);
	tcase_add_test(file, reset_during_flush);
	tcase_add_test(file, delete_during_flush);
	tcase_add_test(file, other_queues_go_on);
	tcase_add_test(file, last_entry_is_kept);
	return drv_main("nvme_thread", cases, 2);
}
