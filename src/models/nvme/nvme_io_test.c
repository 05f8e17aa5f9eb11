/* SPDX-License-Identifier: BSD-3-Clause */
/* The NVM command set, queues that wrap and fill, the medium in memory and in a file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/nvme/testdrv.h"
#include "pci/model.h"

static uint8_t *buf, *back;

static void start(const char *const *options)
{
	drv_start_enabled(options);
	drv_create_pair(1, false);
	buf = drv_alloc(2 * DRV_PAGE);
	back = drv_alloc(2 * DRV_PAGE);
	for (size_t i = 0; i < 2 * DRV_PAGE; i++)
		buf[i] = (uint8_t)(i * 11 + i / 256);
}

static void setup(void)
{
	start((const char *const[]){ "size=16M", "ns=2", NULL });
}

static void teardown(void)
{
	drv_stop();
}

START_TEST(read_write)
{
	struct nvme_sqe cmd;

	ck_status(1, drv_rw(NVME_IO_WRITE, 5, 3, buf), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_READ, 5, 3, back), NVME_SC_SUCCESS);
	ck_assert_mem_eq(back, buf, 3 * 512);
	ck_assert_uint_eq(back[3 * 512], 0);
	/* The neighbours are as they were, and so is the other namespace. */
	memset(back, 0xee, DRV_PAGE);
	ck_status(1, drv_rw(NVME_IO_READ, 4, 1, back), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_READ, 8, 1, back + 512), NVME_SC_SUCCESS);
	cmd = drv_rw(NVME_IO_READ, 5, 1, back + 1024);
	cmd.nsid = 2;
	ck_status(1, cmd, NVME_SC_SUCCESS);
	for (unsigned int i = 0; i < 1536; i++)
		ck_assert_uint_eq(back[i], 0);
	ck_assert_uint_eq(back[1536], 0xee);
}
END_TEST

START_TEST(lba_ranges)
{
	const uint64_t blocks = (8u << 20) / 512;
	struct nvme_sqe cmd;

	ck_status(1, drv_rw(NVME_IO_WRITE, blocks - 1, 1, buf), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_WRITE, blocks - 1, 2, buf), NVME_SC_LBA_RANGE);
	ck_status(1, drv_rw(NVME_IO_READ, blocks, 1, buf), NVME_SC_LBA_RANGE);
	ck_status(1, drv_rw(NVME_IO_READ, UINT64_MAX, 1, buf), NVME_SC_LBA_RANGE);
	ck_status(1, drv_rw(NVME_IO_READ, UINT64_MAX - 1, 8, buf), NVME_SC_LBA_RANGE);
	ck_status(1, drv_rw(NVME_IO_READ, 1ULL << 55, 1, buf), NVME_SC_LBA_RANGE);
	ck_status(1, drv_rw(NVME_IO_COMPARE, blocks, 1, buf), NVME_SC_LBA_RANGE);
	ck_status(1, drv_rw(NVME_IO_WRITE_ZEROES, blocks - 1, 2, buf), NVME_SC_LBA_RANGE);
	ck_status(1, drv_rw(NVME_IO_VERIFY, blocks, 1, buf), NVME_SC_LBA_RANGE);
	for (unsigned int op = 0; op < 256; op++) {
		static const uint8_t known[] = { NVME_IO_FLUSH,	       NVME_IO_WRITE,
						 NVME_IO_READ,	       NVME_IO_COMPARE,
						 NVME_IO_WRITE_ZEROES, NVME_IO_DSM,
						 NVME_IO_VERIFY };

		cmd = drv_rw((uint8_t)op, 0, 1, buf);
		if (!memchr(known, (int)op, sizeof(known))) {
			ck_status(1, cmd, NVME_SC_INVALID_OPCODE);
			continue;
		}
		cmd.flags = 1; /* fused */
		ck_status(1, cmd, NVME_SC_INVALID_FIELD);
		cmd.flags = 0;
		cmd.nsid = 0;
		ck_status(1, cmd, NVME_SC_INVALID_NS_OR_FORMAT);
		cmd.nsid = 3;
		ck_status(1, cmd, NVME_SC_INVALID_NS_OR_FORMAT);
		cmd.nsid = NVME_NSID_ALL;
		ck_status(1, cmd,
			  op == NVME_IO_FLUSH ? NVME_SC_SUCCESS : NVME_SC_INVALID_NS_OR_FORMAT);
	}
}
END_TEST

START_TEST(status_bits)
{
	struct nvme_cqe cqe = drv_exec(1, drv_rw(0x7f, 0, 1, buf));

	/* Logged, and not to be tried again. */
	ck_assert_uint_eq(cqe.status >> 1, NVME_SC_INVALID_OPCODE | NVME_SC_MORE | NVME_SC_DNR);
	cqe = drv_exec(
		1, (struct nvme_sqe){ .opcode = NVME_IO_READ, .nsid = 1, .prp1 = DRV_BAD_IOVA });
	ck_assert_uint_eq(cqe.status >> 1, NVME_SC_DATA_XFER | NVME_SC_MORE);
	cqe = drv_exec(1, drv_rw(NVME_IO_READ, 0, 1, buf));
	ck_assert_uint_eq(cqe.status >> 1, NVME_SC_SUCCESS);
	ck_assert_uint_eq(cqe.sqhd, 3);
}
END_TEST

START_TEST(compare)
{
	ck_status(1, drv_rw(NVME_IO_WRITE, 0, 16, buf), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_COMPARE, 0, 16, buf), NVME_SC_SUCCESS);
	buf[2 * DRV_PAGE - 1] ^= 1;
	ck_status(1, drv_rw(NVME_IO_COMPARE, 0, 16, buf), NVME_SC_COMPARE_FAILED);
	ck_status(1, drv_rw(NVME_IO_COMPARE, 0, 15, buf), NVME_SC_SUCCESS);
}
END_TEST

static void expect_zeroes(uint64_t slba, uint32_t blocks, bool zero)
{
	memset(back, 0xee, DRV_PAGE);
	for (uint32_t i = 0; i < blocks; i++) {
		ck_status(1, drv_rw(NVME_IO_READ, slba + i, 1, back), NVME_SC_SUCCESS);
		for (unsigned int k = 0; k < 512; k++)
			ck_assert_uint_eq(back[k], zero ? 0 : buf[i * 512 + k]);
	}
}

START_TEST(write_zeroes)
{
	struct nvme_sqe cmd;

	for (unsigned int deac = 0; deac < 2; deac++) {
		ck_status(1, drv_rw(NVME_IO_WRITE, 0, 16, buf), NVME_SC_SUCCESS);
		cmd = drv_rw(NVME_IO_WRITE_ZEROES, 4, 5, buf);
		cmd.prp1 = DRV_BAD_IOVA; /* there is no data buffer */
		cmd.cdw12 |= deac ? NVME_RW_DEAC : 0;
		ck_status(1, cmd, NVME_SC_SUCCESS);
		expect_zeroes(0, 4, false);
		expect_zeroes(4, 5, true);
		/* Beyond what is done inline: 1 MiB of it. */
		cmd.cdw10 = 1;
		cmd.cdw12 = 2047;
		ck_status(1, cmd, NVME_SC_SUCCESS);
		expect_zeroes(0, 1, false);
		expect_zeroes(1, 15, true);
	}
}
END_TEST

START_TEST(deallocate)
{
	struct nvme_dsm_range *ranges = drv_alloc(DRV_PAGE);
	struct nvme_sqe cmd = { .opcode = NVME_IO_DSM, .nsid = 1, .prp1 = drv_iova(ranges) };
	struct stat st;
	blkcnt_t before;

	for (unsigned int i = 0; i < 2048; i += 16)
		ck_status(1, drv_rw(NVME_IO_WRITE, i, 16, buf), NVME_SC_SUCCESS);
	ranges[0] = (struct nvme_dsm_range){ .slba = 2, .nlb = 3 };
	ranges[1] = (struct nvme_dsm_range){ .slba = 9, .nlb = 0 };
	ranges[2] = (struct nvme_dsm_range){ .slba = 16, .nlb = 2032 };
	cmd.cdw10 = 2;
	ck_status(1, cmd, NVME_SC_SUCCESS); /* hints only */
	expect_zeroes(0, 16, false);
	cmd.cdw11 = NVME_DSM_AD;
	ranges[2].nlb = 16384;
	ck_status(1, cmd, NVME_SC_LBA_RANGE); /* and nothing was done */
	expect_zeroes(0, 16, false);
	ranges[2].nlb = 2032;
	ck_assert_int_eq(stat("nvme_io_test.img", &st), 0);
	before = st.st_blocks;
	ck_status(1, cmd, NVME_SC_SUCCESS);
	expect_zeroes(0, 2, false);
	expect_zeroes(2, 3, true);
	for (unsigned int i = 16; i < 2048; i += 100)
		expect_zeroes(i, 1, true);
	/* The host got its space back. */
	ck_assert_int_eq(stat("nvme_io_test.img", &st), 0);
	ck_assert_int_lt(st.st_blocks, before - 1500);
	cmd.prp1 = DRV_BAD_IOVA;
	ck_status(1, cmd, NVME_SC_DATA_XFER);
}
END_TEST

START_TEST(flush_verify)
{
	struct nvme_sqe cmd = { .opcode = NVME_IO_FLUSH, .nsid = 1 };

	ck_status(1, cmd, NVME_SC_SUCCESS);
	cmd.nsid = NVME_NSID_ALL;
	ck_status(1, cmd, NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_VERIFY, 0, 8, buf), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_VERIFY, 0, 4096, buf), NVME_SC_SUCCESS);
	cmd = drv_rw(NVME_IO_WRITE, 0, 8, buf);
	cmd.cdw12 |= NVME_RW_FUA;
	ck_status(1, cmd, NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 8, back), NVME_SC_SUCCESS);
	ck_assert_mem_eq(back, buf, DRV_PAGE);
}
END_TEST

/* More commands than the ring has entries, in bursts, with completions taken late. */
START_TEST(wrap_and_fill)
{
	uint16_t next = 0, expected = 0;
	struct nvme_cqe cqe;

	for (unsigned int round = 0; round < 40; round++) {
		unsigned int n = 1 + round % (DRV_DEPTH - 1);

		for (unsigned int i = 0; i < n; i++) {
			struct nvme_sqe cmd = drv_rw(NVME_IO_READ, i, 1, back);

			cmd.cid = next++;
			drv_push(1, cmd);
		}
		drv_ring(1);
		for (unsigned int i = 0; i < n; i++) {
			ck_assert(drv_reap(1, &cqe, i == n - 1));
			ck_assert_uint_eq(cqe.cid, expected++);
			ck_assert_uint_eq(cqe.status >> 1, NVME_SC_SUCCESS);
		}
		ck_assert(!drv_peek(1));
	}
}
END_TEST

/* Two submission queues on one completion queue: it fills up, and goes on when entries are
 * taken. */
START_TEST(completion_queue_full)
{
	struct nvme_sqe *ring = drv_alloc(DRV_PAGE);
	struct nvme_sqe create = { .opcode = NVME_ADM_CREATE_SQ,
				   .prp1 = drv_iova(ring),
				   .cdw10 = (DRV_DEPTH - 1) << 16 | 2,
				   .cdw11 = 1 << 16 | 1 };
	unsigned int got = 0, of_second = 0;
	struct nvme_cqe cqe;

	ck_status(0, create, NVME_SC_SUCCESS);
	for (unsigned int i = 0; i < 12; i++) {
		ring[i] = drv_rw(NVME_IO_READ, i, 1, back);
		drv_push(1, ring[i]);
	}
	drv_ring(1);
	drv_write32(NVME_REG_DBS + 8 * 2, 12);
	while (drv_peek(1)) {
		ck_assert(drv_reap(1, &cqe, got % 5 == 4 || got >= 15));
		of_second += cqe.sqid == 2;
		got++;
	}
	ck_assert_uint_eq(got, 24);
	ck_assert_uint_eq(of_second, 12);
}
END_TEST

/* One doorbell beyond the inline budget: the thread does the rest. */
START_TEST(budget)
{
	uint8_t *big = drv_alloc(512 << 10);
	uint64_t *list = drv_alloc(DRV_PAGE);
	struct nvme_cqe cqe;

	for (unsigned int i = 0; i < 127; i++)
		list[i] = drv_iova(big) + (i + 1) * DRV_PAGE;
	for (unsigned int i = 0; i < DRV_DEPTH - 1; i++) {
		struct nvme_sqe cmd = drv_rw(NVME_IO_READ, 0, 1024, big);

		cmd.prp2 = drv_iova(list);
		drv_push(1, cmd);
	}
	drv_ring(1);
	for (unsigned int i = 0; i < DRV_DEPTH - 1; i++) {
		ck_assert(drv_reap(1, &cqe, true));
		ck_assert_uint_eq(cqe.status >> 1, NVME_SC_SUCCESS);
	}
}
END_TEST

START_TEST(polled_doorbells)
{
	volatile uint32_t *db =
		(volatile uint32_t *)(void *)((char *)drv_dev->bar[0].mem + NVME_REG_DBS);
	struct nvme_cqe cqe;
	bool did;

	for (unsigned int i = 0; i < 3 * DRV_DEPTH; i++) {
		struct nvme_sqe cmd = drv_rw(NVME_IO_READ, i, 1, back);

		cmd.cid = (uint16_t)i;
		drv_push(1, cmd);
		db[2] = (i + 1) % DRV_DEPTH; /* a native store */
		pci_dev_lock(drv_dev);
		did = drv_dev->model->poll(drv_dev);
		pci_dev_unlock(drv_dev);
		ck_assert(did);
		ck_assert(drv_reap(1, &cqe, false));
		ck_assert_uint_eq(cqe.cid, i);
		db[3] = (i + 1) % DRV_DEPTH;
	}
	pci_dev_lock(drv_dev);
	drv_dev->model->poll(drv_dev);
	did = drv_dev->model->poll(drv_dev);
	pci_dev_unlock(drv_dev);
	ck_assert(!did);
}
END_TEST

START_TEST(blocks_of_4096)
{
	start((const char *const[]){ "size=1M", "block=4096", NULL });
	ck_status(1, drv_rw(NVME_IO_WRITE, 255, 1, buf), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_WRITE, 255, 2, buf), NVME_SC_LBA_RANGE);
	ck_status(1, drv_rw(NVME_IO_READ, 255, 1, back), NVME_SC_SUCCESS);
	ck_assert_mem_eq(back, buf, DRV_PAGE);
	drv_stop();
}
END_TEST

/* ---- a file --------------------------------------------------------------------------------- */

#define IMAGE "nvme_io_test.img"

static void make_image(off_t size)
{
	int fd = open(IMAGE, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

static void setup_file(void)
{
	make_image(8 << 20);
	start((const char *const[]){ "file=" IMAGE, NULL });
}

static void teardown_file(void)
{
	drv_stop();
	unlink(IMAGE);
}

START_TEST(file_contents)
{
	struct nvme_sqe cmd = { .opcode = NVME_IO_FLUSH, .nsid = 1 };
	int fd = open(IMAGE, O_RDONLY);

	ck_status(1, drv_rw(NVME_IO_WRITE, 8, 8, buf), NVME_SC_SUCCESS);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	ck_assert_int_eq(pread(fd, back, DRV_PAGE, DRV_PAGE), DRV_PAGE);
	ck_assert_mem_eq(back, buf, DRV_PAGE);
	close(fd);
}
END_TEST

/* Without write cache each write is synced, by the thread; the order of completions stays. */
START_TEST(write_cache_off)
{
	struct nvme_sqe set = { .opcode = NVME_ADM_SET_FEATURES,
				.nsid = 1,
				.cdw10 = NVME_FEAT_WRITE_CACHE };
	struct nvme_cqe cqe;

	ck_status(0, set, NVME_SC_SUCCESS);
	for (uint16_t i = 0; i < 10; i++) {
		struct nvme_sqe cmd = drv_rw(i % 3 == 2 ? NVME_IO_READ : NVME_IO_WRITE, i, 1, buf);

		cmd.cid = i;
		drv_push(1, cmd);
		drv_ring(1);
	}
	for (uint16_t i = 0; i < 10; i++) {
		ck_assert(drv_reap(1, &cqe, true));
		ck_assert_uint_eq(cqe.cid, i);
		ck_assert_uint_eq(cqe.status >> 1, NVME_SC_SUCCESS);
	}
}
END_TEST

/* The file is cut under the controller: media errors, and no fault of the program's. */
START_TEST(file_truncated)
{
	uint64_t faults = dma_fault_count();

	ck_assert_int_eq(truncate(IMAGE, DRV_PAGE), 0);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 8, back), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_READ, 8, 8, back), NVME_SC_UNRECOVERED_READ);
	ck_status(1, drv_rw(NVME_IO_WRITE, 8, 8, buf), NVME_SC_WRITE_FAULT);
	ck_status(1, drv_rw(NVME_IO_COMPARE, 8, 8, buf), NVME_SC_UNRECOVERED_READ);
	ck_status(1, drv_rw(NVME_IO_VERIFY, 8, 8, buf), NVME_SC_UNRECOVERED_READ);
	ck_status(1, drv_rw(NVME_IO_WRITE_ZEROES, 8, 8, buf), NVME_SC_WRITE_FAULT);
	ck_status(1, drv_rw(NVME_IO_WRITE_ZEROES, 8, 1024, buf), NVME_SC_WRITE_FAULT);
	ck_assert_uint_eq(dma_fault_count(), faults);
	ck_assert_int_eq(truncate(IMAGE, 8 << 20), 0);
	ck_status(1, drv_rw(NVME_IO_READ, 8, 8, back), NVME_SC_SUCCESS);
}
END_TEST

START_TEST(part_of_a_file)
{
	make_image(1 << 20);
	start((const char *const[]){ "file=" IMAGE, "size=64K", NULL });
	ck_status(1, drv_rw(NVME_IO_READ, 127, 1, back), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_READ, 128, 1, back), NVME_SC_LBA_RANGE);
	teardown_file();
}
END_TEST

/* What machine/ does for a disk in memory: the contents outlive the process's device. */
START_TEST(session_backing)
{
	static const char *const options[] = { "backing=" IMAGE, "size=1M", NULL };

	make_image(0);
	start(options);
	ck_status(1, drv_rw(NVME_IO_WRITE, 2047, 1, buf), NVME_SC_SUCCESS);
	drv_stop();
	start(options);
	ck_status(1, drv_rw(NVME_IO_READ, 2047, 1, back), NVME_SC_SUCCESS);
	ck_assert_mem_eq(back, buf, 512);
	teardown_file();
}
END_TEST

/* A disk in memory takes what was written to it, not what was read. */
START_TEST(sparse_reads)
{
	static const uint8_t zeroes[2 * DRV_PAGE];
	struct stat st;

	make_image(0);
	start((const char *const[]){ "backing=" IMAGE, "size=4M", NULL });
	for (unsigned int i = 0; i < 8192; i += 16) {
		memset(back, 0xee, 2 * DRV_PAGE);
		ck_status(1, drv_rw(NVME_IO_READ, i, 16, back), NVME_SC_SUCCESS);
		ck_assert_mem_eq(back, zeroes, sizeof(zeroes));
	}
	ck_status(1, drv_rw(NVME_IO_VERIFY, 0, 8192, back), NVME_SC_SUCCESS);
	ck_assert_int_eq(stat(IMAGE, &st), 0);
	ck_assert_int_eq(st.st_size, 4 << 20);
	ck_assert_int_eq(st.st_blocks, 0);
	teardown_file();
}
END_TEST

/* Many commands at random against an array: 256 KiB, so that they meet. */
static void random_commands(const char *const *options)
{
	static uint8_t shadow[256 << 10];
	struct nvme_dsm_range *range;
	uint32_t seed = 1;

	start(options);
	range = drv_alloc(DRV_PAGE);
	memset(shadow, 0, sizeof(shadow));
	for (unsigned int i = 0; i < 6000; i++) {
		uint32_t op, blocks, slba;
		struct nvme_sqe cmd;

		seed = seed * 1103515245 + 12345;
		op = seed >> 28;
		blocks = 1 + (seed >> 24) % 16;
		slba = (seed >> 8) % (512 - blocks);
		if (op < 6) {
			memset(buf, (int)(i | 1), 2 * DRV_PAGE);
			memcpy(shadow + slba * 512, buf, blocks * 512);
			cmd = drv_rw(NVME_IO_WRITE, slba, blocks, buf);
		} else if (op < 7) {
			blocks = 512 - slba;
			memset(shadow + slba * 512, 0, blocks * 512);
			cmd = drv_rw(NVME_IO_WRITE_ZEROES, slba, blocks, buf);
		} else if (op < 8) {
			blocks = MIN(blocks * 20, 512 - slba);
			*range = (struct nvme_dsm_range){ .slba = slba, .nlb = blocks };
			memset(shadow + slba * 512, 0, blocks * 512);
			cmd = drv_rw(NVME_IO_DSM, 0, 1, range);
			cmd.cdw11 = NVME_DSM_AD;
		} else {
			ck_status(1, drv_rw(NVME_IO_READ, slba, blocks, back), NVME_SC_SUCCESS);
			ck_assert_mem_eq(back, shadow + slba * 512, blocks * 512);
			continue;
		}
		ck_status(1, cmd, NVME_SC_SUCCESS);
	}
	drv_stop();
}

START_TEST(random_on_memory)
{
	random_commands((const char *const[]){ "size=256K", NULL });
}
END_TEST

START_TEST(random_on_file)
{
	make_image(256 << 10);
	random_commands((const char *const[]){ "file=" IMAGE, NULL });
	unlink(IMAGE);
}
END_TEST

int main(void)
{
	TCase *memory = tcase_create("memory"), *file = tcase_create("file"),
	      *plain = tcase_create("plain");
	TCase *const cases[] = { memory, file, plain };

	tcase_add_checked_fixture(memory, setup, teardown);
	tcase_add_test(memory, read_write);
	tcase_add_test(memory, lba_ranges);
	tcase_add_test(memory, status_bits);
	tcase_add_test(memory, compare);
	tcase_add_test(memory, write_zeroes);
	tcase_add_test(memory, flush_verify);
	tcase_add_test(memory, wrap_and_fill);
	tcase_add_test(memory, completion_queue_full);
	tcase_add_test(memory, budget);
	tcase_add_test(memory, polled_doorbells);
	tcase_add_checked_fixture(file, setup_file, teardown_file);
	tcase_add_test(file, file_contents);
	tcase_add_test(file, write_zeroes);
	tcase_add_test(file, deallocate);
	tcase_add_test(file, flush_verify);
	tcase_add_test(file, write_cache_off);
	tcase_add_test(file, file_truncated);
	tcase_add_test(plain, blocks_of_4096);
	tcase_add_test(plain, part_of_a_file);
	tcase_add_test(plain, session_backing);
	tcase_add_test(plain, sparse_reads);
	tcase_add_test(plain, random_on_memory);
	tcase_add_test(plain, random_on_file);
	return drv_main("nvme_io", cases, 3);
}
