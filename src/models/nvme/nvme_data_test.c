/* SPDX-License-Identifier: BSD-3-Clause */
/* PRPs and SGLs: every shape that is right, every mistake with its status, faults on each
 * pointer. */
#include <string.h>

#include "models/nvme/testdrv.h"

#define BLOCKS 64u
#define BYTES  (BLOCKS * 512u) /* 32 KiB */

static uint8_t *buf, *back;
static uint64_t *list;

static void setup(void)
{
	drv_start_enabled((const char *const[]){ "size=16M", NULL });
	drv_create_pair(1, false);
	buf = drv_alloc(64 * DRV_PAGE);
	back = drv_alloc(64 * DRV_PAGE);
	list = drv_alloc(4 * DRV_PAGE);
	for (size_t i = 0; i < BYTES; i++)
		buf[i] = (uint8_t)(i * 7 + i / 512);
}

static void teardown(void)
{
	drv_stop();
}

/* What the medium holds at block 0, by single-page reads. */
static void expect_medium(const uint8_t *want, size_t bytes)
{
	for (size_t off = 0; off < bytes; off += DRV_PAGE) {
		struct nvme_sqe cmd = drv_rw(NVME_IO_READ, off / 512, 8, back);

		ck_status(1, cmd, NVME_SC_SUCCESS);
		ck_assert_mem_eq(back, want + off, DRV_PAGE);
	}
}

static struct nvme_sqe sgl_cmd(uint8_t opcode, uint32_t nlb, const void *addr, uint32_t len,
			       uint8_t type)
{
	struct nvme_sqe cmd = drv_rw(opcode, 0, nlb, addr);

	cmd.flags = 1 << 6;
	cmd.prp2 = 0;
	cmd.sgl1.addr = drv_iova(addr);
	cmd.sgl1.len = len;
	cmd.sgl1.id = (uint8_t)(type << 4);
	return cmd;
}

static struct nvme_sgl desc(const void *addr, uint32_t len, uint8_t type)
{
	return (struct nvme_sgl){ .addr = drv_iova(addr), .len = len, .id = (uint8_t)(type << 4) };
}

START_TEST(prp_one_page)
{
	struct nvme_sqe cmd = drv_rw(NVME_IO_WRITE, 0, 8, buf);

	cmd.prp2 = DRV_BAD_IOVA | 5; /* not looked at */
	ck_status(1, cmd, NVME_SC_SUCCESS);
	expect_medium(buf, DRV_PAGE);
}
END_TEST

START_TEST(prp_two_pages_with_offset)
{
	struct nvme_sqe cmd = drv_rw(NVME_IO_WRITE, 0, 8, buf);

	/* 256 bytes from the end of the first page, the rest from elsewhere. */
	memcpy(back + DRV_PAGE - 256, buf, 256);
	memcpy(back + 3 * DRV_PAGE, buf + 256, DRV_PAGE - 256);
	cmd.prp1 = drv_iova(back) + DRV_PAGE - 256;
	cmd.prp2 = drv_iova(back) + 3 * DRV_PAGE;
	ck_status(1, cmd, NVME_SC_SUCCESS);
	expect_medium(buf, DRV_PAGE);
}
END_TEST

START_TEST(prp_list)
{
	struct nvme_sqe cmd = drv_rw(NVME_IO_WRITE, 0, BLOCKS, buf);
	unsigned int pages = BYTES / DRV_PAGE;

	/* In reverse order in memory, so that nothing is contiguous. */
	for (unsigned int i = 0; i < pages; i++)
		memcpy(back + (size_t)(pages - 1 - i) * DRV_PAGE, buf + (size_t)i * DRV_PAGE,
		       DRV_PAGE);
	cmd.prp1 = drv_iova(back) + (pages - 1) * DRV_PAGE;
	for (unsigned int i = 1; i < pages; i++)
		list[i - 1] = drv_iova(back) + (uint64_t)(pages - 1 - i) * DRV_PAGE;
	cmd.prp2 = drv_iova(list);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	expect_medium(buf, BYTES);
}
END_TEST

START_TEST(prp_list_chained)
{
	struct nvme_sqe cmd = drv_rw(NVME_IO_WRITE, 0, BLOCKS, buf);
	uint64_t *first = list + 512 - 3, *second = list + 512;

	/* Three slots before the page's end: two entries and the way to the next list. */
	first[0] = drv_iova(buf) + 1 * DRV_PAGE;
	first[1] = drv_iova(buf) + 2 * DRV_PAGE;
	first[2] = drv_iova(second);
	for (unsigned int i = 3; i < 8; i++)
		second[i - 3] = drv_iova(buf) + i * DRV_PAGE;
	cmd.prp2 = drv_iova(first);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	expect_medium(buf, BYTES);
	/* A list that is one slot, which leads on. */
	first[2] = drv_iova(second);
	memmove(second + 2, second, 5 * sizeof(*second));
	second[0] = first[0];
	second[1] = first[1];
	cmd.prp2 = drv_iova(&first[2]);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	/* Entries that just fill the page: the last is data. */
	cmd = drv_rw(NVME_IO_WRITE, 0, 32, buf);
	first[2] = drv_iova(buf) + 3 * DRV_PAGE;
	cmd.prp2 = drv_iova(first);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	expect_medium(buf, BYTES);
	first[2] += 8; /* an offset is wrong in data as in a way on */
	ck_status(1, cmd, NVME_SC_INVALID_PRP_OFFSET);
}
END_TEST

START_TEST(prp_mdts)
{
	uint8_t *big = drv_alloc(129 * DRV_PAGE), *again = drv_alloc(129 * DRV_PAGE);
	struct nvme_sqe cmd = drv_rw(NVME_IO_WRITE, 0, 1024, big + 4);

	for (size_t i = 0; i < 129 * DRV_PAGE; i++)
		big[i] = (uint8_t)(i / 3);
	/* 512 KiB from an offset: 128 entries behind PRP1. */
	for (unsigned int i = 1; i <= 128; i++)
		list[i - 1] = drv_iova(big) + (uint64_t)i * DRV_PAGE;
	cmd.prp2 = drv_iova(list);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	cmd = drv_rw(NVME_IO_READ, 0, 1024, again + 4);
	for (unsigned int i = 1; i <= 128; i++)
		list[i - 1] = drv_iova(again) + (uint64_t)i * DRV_PAGE;
	cmd.prp2 = drv_iova(list);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	ck_assert_mem_eq(again + 4, big + 4, 128 * DRV_PAGE);
	ck_assert_uint_eq(again[3], 0);
	ck_assert_uint_eq(again[4 + 128 * DRV_PAGE], 0);
	cmd.cdw12 = 1024; /* one block more */
	ck_status(1, cmd, NVME_SC_INVALID_FIELD);
}
END_TEST

START_TEST(prp_offsets)
{
	struct nvme_sqe cmd = drv_rw(NVME_IO_WRITE, 0, 8, buf);

	cmd.prp1 |= 2;
	ck_status(1, cmd, NVME_SC_INVALID_PRP_OFFSET);
	cmd = drv_rw(NVME_IO_WRITE, 0, 16, buf);
	cmd.prp2 |= 512;
	ck_status(1, cmd, NVME_SC_INVALID_PRP_OFFSET);
	cmd = drv_rw(NVME_IO_WRITE, 0, 24, buf);
	cmd.prp2 = drv_iova(list) + 4;
	ck_status(1, cmd, NVME_SC_INVALID_PRP_OFFSET);
	list[0] = drv_iova(buf) + DRV_PAGE;
	list[1] = drv_iova(buf) + 2 * DRV_PAGE + 4;
	cmd.prp2 = drv_iova(list);
	ck_status(1, cmd, NVME_SC_INVALID_PRP_OFFSET);
	list[511] = drv_iova(list) + 8; /* the way on has an offset */
	cmd.prp2 = drv_iova(&list[511]);
	ck_status(1, cmd, NVME_SC_INVALID_PRP_OFFSET);
	memset(back, 0, BYTES);
	memset(back + BYTES, 0, BYTES);
	expect_medium(back + BYTES, BYTES); /* nothing was written by any of them */
}
END_TEST

START_TEST(prp_faults)
{
	struct nvme_sqe cmd = drv_rw(NVME_IO_READ, 0, 8, buf);

	cmd.prp1 = DRV_BAD_IOVA;
	ck_status(1, cmd, NVME_SC_DATA_XFER);
	cmd.opcode = NVME_IO_WRITE;
	ck_status(1, cmd, NVME_SC_DATA_XFER);
	cmd.opcode = NVME_IO_COMPARE;
	ck_status(1, cmd, NVME_SC_DATA_XFER);
	cmd = drv_rw(NVME_IO_READ, 0, 16, buf);
	cmd.prp2 = DRV_BAD_IOVA;
	ck_status(1, cmd, NVME_SC_DATA_XFER);
	cmd = drv_rw(NVME_IO_READ, 0, 24, buf);
	cmd.prp2 = DRV_BAD_IOVA;
	ck_status(1, cmd, NVME_SC_DATA_XFER);
	list[511] = DRV_BAD_IOVA;
	cmd.prp2 = drv_iova(&list[511]);
	ck_status(1, cmd, NVME_SC_DATA_XFER);
	cmd.prp1 = ~0xfffULL; /* the end of the address space */
	ck_status(1, cmd, NVME_SC_DATA_XFER);
	/* And the controller goes on. */
	ck_assert_uint_eq(drv_read32(NVME_REG_CSTS), NVME_CSTS_RDY);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 8, buf), NVME_SC_SUCCESS);
}
END_TEST

START_TEST(sgl_data_block)
{
	struct nvme_sqe cmd = sgl_cmd(NVME_IO_WRITE, 8, buf + 1, DRV_PAGE, NVME_SGL_DATA_BLOCK);

	ck_status(1, cmd, NVME_SC_SUCCESS);
	expect_medium(buf + 1, DRV_PAGE);
	cmd.flags = 2 << 6; /* metadata by SGL: there is none */
	ck_status(1, cmd, NVME_SC_SUCCESS);
	cmd.flags = 3 << 6;
	ck_status(1, cmd, NVME_SC_INVALID_FIELD);
	cmd.flags = 1 << 6;
	cmd.sgl1.len = DRV_PAGE - 1;
	ck_status(1, cmd, NVME_SC_SGL_LENGTH);
	cmd.sgl1.len = DRV_PAGE + 1;
	ck_status(1, cmd, NVME_SC_SGL_LENGTH);
	cmd.sgl1.len = DRV_PAGE;
	cmd.sgl1.id = 1; /* sub type: offset */
	ck_status(1, cmd, NVME_SC_SGL_TYPE);
	cmd.sgl1.id = 4 << 4; /* keyed */
	ck_status(1, cmd, NVME_SC_SGL_TYPE);
	cmd.sgl1.id = 0;
	cmd.sgl1.addr = DRV_BAD_IOVA;
	ck_status(1, cmd, NVME_SC_DATA_XFER);
}
END_TEST

START_TEST(sgl_segments)
{
	struct nvme_sgl *seg = (struct nvme_sgl *)(void *)list, *last = seg + 8;
	struct nvme_sqe cmd = sgl_cmd(NVME_IO_WRITE, 8, seg, 3 * 16, NVME_SGL_SEGMENT);

	memcpy(back + 100, buf, 1000);
	memcpy(back + 5000, buf + 1000, 2000);
	memcpy(back + 10000, buf + 3000, 1096);
	seg[0] = desc(back + 100, 1000, NVME_SGL_DATA_BLOCK);
	seg[1] = desc(back, 0, NVME_SGL_DATA_BLOCK); /* length 0: nothing */
	seg[2] = desc(last, 3 * 16, NVME_SGL_LAST_SEGMENT);
	last[0] = desc(back + 5000, 2000, NVME_SGL_DATA_BLOCK);
	last[1] = desc(back, 77, NVME_SGL_BIT_BUCKET); /* in a write: nothing */
	last[2] = desc(back + 10000, 1096, NVME_SGL_DATA_BLOCK);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	expect_medium(buf, DRV_PAGE);
	/* Longer than the chunk that is fetched at once: 600 descriptors. */
	memset(back, 0, 16 * DRV_PAGE);
	seg = drv_alloc(600 * 16);
	for (unsigned int i = 0; i < 600; i++)
		seg[i] = desc(back + i * 20, i == 599 ? 4096 - 599 * 6 : 6, NVME_SGL_DATA_BLOCK);
	cmd = sgl_cmd(NVME_IO_READ, 8, seg, 600 * 16, NVME_SGL_LAST_SEGMENT);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	for (unsigned int i = 0; i < 599; i++)
		ck_assert_mem_eq(back + i * 20, buf + i * 6, 6);
	ck_assert_uint_eq(back[6], 0);
}
END_TEST

START_TEST(sgl_bit_bucket)
{
	struct nvme_sgl *seg = (struct nvme_sgl *)(void *)list;
	struct nvme_sqe cmd = sgl_cmd(NVME_IO_READ, 8, seg, 3 * 16, NVME_SGL_LAST_SEGMENT);

	ck_status(1, drv_rw(NVME_IO_WRITE, 0, 8, buf), NVME_SC_SUCCESS);
	seg[0] = desc(back, 512, NVME_SGL_DATA_BLOCK);
	seg[1] = (struct nvme_sgl){ .addr = DRV_BAD_IOVA,
				    .len = 3072,
				    .id = NVME_SGL_BIT_BUCKET << 4 };
	seg[2] = desc(back + 512, 512, NVME_SGL_DATA_BLOCK);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	ck_assert_mem_eq(back, buf, 512);
	ck_assert_mem_eq(back + 512, buf + 3584, 512);
	ck_assert_uint_eq(back[1024], 0);
}
END_TEST

START_TEST(sgl_mistakes)
{
	struct nvme_sgl *seg = (struct nvme_sgl *)(void *)list, *last = seg + 8;
	struct nvme_sqe cmd = sgl_cmd(NVME_IO_WRITE, 8, seg, 2 * 16, NVME_SGL_SEGMENT);

	seg[0] = desc(buf, DRV_PAGE, NVME_SGL_DATA_BLOCK);
	seg[1] = desc(buf, 0, NVME_SGL_DATA_BLOCK);
	ck_status(1, cmd, NVME_SC_INVALID_SGL_SEGMENT); /* leads nowhere */
	seg[1] = desc(last, 8, NVME_SGL_LAST_SEGMENT);
	ck_status(1, cmd, NVME_SC_INVALID_SGL_SEGMENT); /* half a descriptor */
	seg[1] = desc(last, 16, NVME_SGL_LAST_SEGMENT);
	last[0] = desc(seg, 16, NVME_SGL_SEGMENT);
	ck_status(1, cmd, NVME_SC_INVALID_SGL_SEGMENT); /* the last leads on */
	last[0] = desc(buf, 4, NVME_SGL_DATA_BLOCK);
	ck_status(1, cmd, NVME_SC_SGL_LENGTH); /* 4 bytes too many */
	seg[0].len = DRV_PAGE - 8;
	ck_status(1, cmd, NVME_SC_SGL_LENGTH); /* 4 bytes too few */
	last[0].len = 8;
	ck_status(1, cmd, NVME_SC_SUCCESS);
	seg[0] = seg[1];
	ck_status(1, cmd, NVME_SC_INVALID_SGL_COUNT); /* leads on before the end */
	seg[0] = desc(buf, 0, NVME_SGL_DATA_BLOCK);
	seg[1] = desc(seg, 32, NVME_SGL_SEGMENT);
	ck_status(1, cmd, NVME_SC_INVALID_SGL_COUNT); /* a circle */
	seg[1].addr = DRV_BAD_IOVA;
	ck_status(1, cmd, NVME_SC_DATA_XFER);
	seg[1] = desc(last, 16, 0xf);
	ck_status(1, cmd, NVME_SC_SGL_TYPE);
	cmd.sgl1.len = 0;
	ck_status(1, cmd, NVME_SC_INVALID_SGL_SEGMENT);
	cmd.sgl1.len = 16;
	cmd.sgl1.id |= 2;
	ck_status(1, cmd, NVME_SC_SGL_TYPE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("data");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, prp_one_page);
	tcase_add_test(tc, prp_two_pages_with_offset);
	tcase_add_test(tc, prp_list);
	tcase_add_test(tc, prp_list_chained);
	tcase_add_test(tc, prp_mdts);
	tcase_add_test(tc, prp_offsets);
	tcase_add_test(tc, prp_faults);
	tcase_add_test(tc, sgl_data_block);
	tcase_add_test(tc, sgl_segments);
	tcase_add_test(tc, sgl_bit_bucket);
	tcase_add_test(tc, sgl_mistakes);
	return drv_main("nvme_data", &tc, 1);
}
