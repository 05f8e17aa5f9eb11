/* SPDX-License-Identifier: BSD-3-Clause */
/* The admin commands: Identify, queues, features, log pages, Abort, asynchronous events, Format. */
#include <stdlib.h>
#include <string.h>

#include "models/nvme/testdrv.h"
#include "pci/msi.h"

static uint8_t *buf;

static void setup(void)
{
	drv_start_enabled(
		(const char *const[]){ "size=4M", "ns=2", "queues=4", "serial=S1", NULL });
	buf = drv_alloc(4 * DRV_PAGE);
}

static void teardown(void)
{
	drv_stop();
}

/* ---- Identify ------------------------------------------------------------------------------- */

static struct nvme_sqe identify(uint32_t nsid, uint32_t cns)
{
	memset(buf, 0xee, 2 * DRV_PAGE);
	return (struct nvme_sqe){
		.opcode = NVME_ADM_IDENTIFY, .nsid = nsid, .prp1 = drv_iova(buf), .cdw10 = cns
	};
}

START_TEST(identify_ctrl)
{
	const struct nvme_id_ctrl *id = (const void *)buf;

	ck_status(0, identify(0, NVME_CNS_CTRL), NVME_SC_SUCCESS);
	ck_assert_uint_eq(id->vid, 0x1b36);
	ck_assert_mem_eq(id->sn, "S1                  ", 20);
	ck_assert_uint_eq(id->mdts, 7);
	ck_assert_uint_eq(id->ver, 0x10400);
	ck_assert_uint_eq(id->cntrltype, 1);
	ck_assert_uint_eq(id->nn, 2);
	ck_assert_uint_eq(id->sqes, 0x66);
	ck_assert_uint_eq(id->cqes, 0x44);
	ck_assert_uint_eq(id->vwc, 7);
	ck_assert_uint_eq(id->oncs, 0xdd);
	ck_assert_uint_eq(id->sgls & 3, 1);
	ck_assert_uint_eq(id->anacap, 0);
	ck_assert_mem_eq(id->subnqn, "nqn.2014-08.org.nvmexpress:uuid:", 32);
	ck_assert_uint_eq(strlen(id->subnqn), 32 + 36);
	ck_assert_uint_eq(buf[DRV_PAGE], 0xee);
}
END_TEST

START_TEST(identify_ns)
{
	const struct nvme_id_ns *id = (const void *)buf;
	uint8_t first[DRV_PAGE];

	ck_status(0, identify(1, NVME_CNS_NS), NVME_SC_SUCCESS);
	memcpy(first, buf, sizeof(first));
	ck_assert_uint_eq(id->nsze, 4096);
	ck_assert_uint_eq(id->ncap, 4096);
	ck_assert_uint_eq(id->nlbaf, 1);
	ck_assert_uint_eq(id->flbas, 0);
	ck_assert_uint_eq(id->lbaf[0].lbads, 9);
	ck_assert_uint_eq(id->lbaf[1].lbads, 12);
	ck_assert_uint_eq(id->lbaf[2].lbads, 0);
	ck_assert_uint_eq(id->dlfeat, 9);
	ck_status(0, identify(2, NVME_CNS_NS), NVME_SC_SUCCESS);
	ck_assert_mem_ne(id->eui64, ((struct nvme_id_ns *)(void *)first)->eui64, 8);
	ck_assert_mem_ne(id->nguid, ((struct nvme_id_ns *)(void *)first)->nguid, 16);
	ck_status(0, identify(1, NVME_CNS_ALLOCATED_NS_DATA), NVME_SC_SUCCESS);
	ck_assert_mem_eq(buf, first, DRV_PAGE);
}
END_TEST

START_TEST(identify_lists)
{
	const uint32_t *ns = (const void *)buf;
	const uint16_t *ctrl = (const void *)buf;
	static const uint32_t forms[] = { NVME_CNS_ACTIVE_NS, NVME_CNS_ALLOCATED_NS };

	for (unsigned int i = 0; i < 2; i++) {
		ck_status(0, identify(0, forms[i]), NVME_SC_SUCCESS);
		ck_assert_uint_eq(ns[0], 1);
		ck_assert_uint_eq(ns[1], 2);
		ck_assert_uint_eq(ns[2], 0);
		ck_status(0, identify(1, forms[i]), NVME_SC_SUCCESS);
		ck_assert_uint_eq(ns[0], 2);
		ck_assert_uint_eq(ns[1], 0);
		ck_status(0, identify(2, forms[i]), NVME_SC_SUCCESS);
		ck_assert_uint_eq(ns[0], 0);
		ck_status(0, identify(0xfffffffd, forms[i]), NVME_SC_SUCCESS);
		ck_status(0, identify(0xfffffffe, forms[i]), NVME_SC_INVALID_NS_OR_FORMAT);
	}
	ck_status(0, identify(1, NVME_CNS_NS_CONTROLLERS), NVME_SC_SUCCESS);
	ck_assert_uint_eq(ctrl[0], 1);
	ck_assert_uint_eq(ctrl[1], 0);
	ck_status(0, identify(0, NVME_CNS_CONTROLLERS), NVME_SC_SUCCESS);
	ck_assert_uint_eq(ctrl[0], 1);
	ck_status(0, identify(0, NVME_CNS_CONTROLLERS | 1 << 16), NVME_SC_SUCCESS);
	ck_assert_uint_eq(ctrl[0], 0);
	ck_status(0, identify(1, NVME_CNS_NS_DESCRIPTORS), NVME_SC_SUCCESS);
	ck_assert_uint_eq(buf[0], NVME_NIDT_EUI64);
	ck_assert_uint_eq(buf[1], 8);
	ck_assert_uint_eq(buf[12], NVME_NIDT_NGUID);
	ck_assert_uint_eq(buf[13], 16);
	ck_assert_uint_eq(buf[32], NVME_NIDT_UUID);
	ck_assert_uint_eq(buf[33], 16);
	ck_assert_uint_eq(buf[52], 0);
}
END_TEST

START_TEST(identify_errors)
{
	static const uint32_t of_ns[] = { NVME_CNS_NS, NVME_CNS_NS_DESCRIPTORS,
					  NVME_CNS_ALLOCATED_NS_DATA, NVME_CNS_NS_CONTROLLERS };
	struct nvme_sqe cmd;

	for (size_t i = 0; i < ARRAY_SIZE(of_ns); i++) {
		ck_status(0, identify(0, of_ns[i]), NVME_SC_INVALID_NS_OR_FORMAT);
		ck_status(0, identify(3, of_ns[i]), NVME_SC_INVALID_NS_OR_FORMAT);
		ck_status(0, identify(NVME_NSID_ALL, of_ns[i]), NVME_SC_INVALID_NS_OR_FORMAT);
	}
	for (uint32_t cns = 4; cns < 256; cns++)
		if (cns < 0x10 || cns > 0x13)
			ck_status(0, identify(1, cns), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(buf[0], 0xee);
	cmd = identify(0, NVME_CNS_CTRL);
	cmd.prp1 = DRV_BAD_IOVA;
	ck_status(0, cmd, NVME_SC_DATA_XFER);
	cmd.flags = 1 << 6; /* an SGL */
	ck_status(0, cmd, NVME_SC_INVALID_FIELD);
	cmd.flags = 2;
	ck_status(0, cmd, NVME_SC_INVALID_FIELD);
	/* The buffer may begin within a page. */
	cmd = identify(0, NVME_CNS_CTRL);
	cmd.prp1 += 100;
	cmd.prp2 = drv_iova(buf) + 2 * DRV_PAGE;
	ck_status(0, cmd, NVME_SC_SUCCESS);
	ck_assert_uint_eq(buf[99], 0xee);
	ck_assert_uint_eq(buf[100], 0x36);
}
END_TEST

START_TEST(unknown_opcodes)
{
	static const uint8_t known[] = { 0x00, 0x01, 0x02, 0x04, 0x05, 0x06,
					 0x08, 0x09, 0x0a, 0x0c, 0x80 };

	for (unsigned int op = 0; op < 256; op++)
		if (!memchr(known, (int)op, sizeof(known)))
			ck_status(0, (struct nvme_sqe){ .opcode = (uint8_t)op },
				  NVME_SC_INVALID_OPCODE);
}
END_TEST

/* ---- queues --------------------------------------------------------------------------------- */

static struct nvme_sqe create_cq(unsigned int id, unsigned int size, uint32_t flags)
{
	return (struct nvme_sqe){ .opcode = NVME_ADM_CREATE_CQ,
				  .prp1 = drv_iova(buf),
				  .cdw10 = size << 16 | id,
				  .cdw11 = flags };
}

static struct nvme_sqe create_sq(unsigned int id, unsigned int size, uint32_t flags)
{
	return (struct nvme_sqe){ .opcode = NVME_ADM_CREATE_SQ,
				  .prp1 = drv_iova(buf),
				  .cdw10 = size << 16 | id,
				  .cdw11 = flags };
}

static struct nvme_sqe delete_queue(uint8_t opcode, unsigned int id)
{
	return (struct nvme_sqe){ .opcode = opcode, .cdw10 = id };
}

START_TEST(create_delete)
{
	struct nvme_sqe cmd;

	ck_status(0, create_cq(0, 15, 1), NVME_SC_INVALID_QID);
	ck_status(0, create_cq(5, 15, 1), NVME_SC_INVALID_QID);
	ck_status(0, create_cq(0xffff, 15, 1), NVME_SC_INVALID_QID);
	ck_status(0, create_cq(1, 0, 1), NVME_SC_INVALID_QUEUE_SIZE);
	ck_status(0, create_cq(1, 2048, 1), NVME_SC_INVALID_QUEUE_SIZE);
	ck_status(0, create_cq(1, 15, 0), NVME_SC_INVALID_FIELD);
	ck_status(0, create_cq(1, 15, 5 << 16 | 3), NVME_SC_INVALID_VECTOR);
	ck_status(0, create_cq(1, 15, 1 << 16 | 3), NVME_SC_INVALID_VECTOR); /* INTx has one */
	cmd = create_cq(1, 15, 1);
	cmd.prp1 += 64;
	ck_status(0, cmd, NVME_SC_INVALID_PRP_OFFSET);
	ck_status(0, create_sq(1, 15, 1 << 16 | 1), NVME_SC_CQ_INVALID);
	ck_status(0, create_cq(1, 2047, 1), NVME_SC_SUCCESS);
	ck_status(0, create_cq(1, 15, 1), NVME_SC_INVALID_QID);

	ck_status(0, create_sq(0, 15, 1 << 16 | 1), NVME_SC_INVALID_QID);
	ck_status(0, create_sq(5, 15, 1 << 16 | 1), NVME_SC_INVALID_QID);
	ck_status(0, create_sq(1, 15, 0 << 16 | 1), NVME_SC_INVALID_QID);
	ck_status(0, create_sq(1, 15, 5 << 16 | 1), NVME_SC_INVALID_QID);
	ck_status(0, create_sq(1, 15, 2 << 16 | 1), NVME_SC_CQ_INVALID);
	ck_status(0, create_sq(1, 0, 1 << 16 | 1), NVME_SC_INVALID_QUEUE_SIZE);
	ck_status(0, create_sq(1, 4095, 1 << 16 | 1), NVME_SC_INVALID_QUEUE_SIZE);
	ck_status(0, create_sq(1, 15, 1 << 16), NVME_SC_INVALID_FIELD);
	cmd = create_sq(1, 15, 1 << 16 | 1);
	cmd.prp1 += 8;
	ck_status(0, cmd, NVME_SC_INVALID_PRP_OFFSET);
	ck_status(0, create_sq(1, 15, 1 << 16 | 1), NVME_SC_SUCCESS);
	ck_status(0, create_sq(1, 15, 1 << 16 | 1), NVME_SC_INVALID_QID);

	ck_status(0, delete_queue(NVME_ADM_DELETE_CQ, 1), NVME_SC_INVALID_QUEUE_DELETION);
	ck_status(0, delete_queue(NVME_ADM_DELETE_CQ, 0), NVME_SC_INVALID_QID);
	ck_status(0, delete_queue(NVME_ADM_DELETE_CQ, 2), NVME_SC_INVALID_QID);
	ck_status(0, delete_queue(NVME_ADM_DELETE_SQ, 0), NVME_SC_INVALID_QID);
	ck_status(0, delete_queue(NVME_ADM_DELETE_SQ, 2), NVME_SC_INVALID_QID);
	ck_status(0, delete_queue(NVME_ADM_DELETE_SQ, 1), NVME_SC_SUCCESS);
	ck_status(0, delete_queue(NVME_ADM_DELETE_SQ, 1), NVME_SC_INVALID_QID);
	ck_status(0, delete_queue(NVME_ADM_DELETE_CQ, 1), NVME_SC_SUCCESS);
	drv_create_pair(1, false);
	/* Entry sizes that CC does not say. */
	drv_write32(NVME_REG_CC, NVME_CC_EN);
	ck_status(0, create_cq(2, 15, 1), NVME_SC_INVALID_QUEUE_SIZE);
	ck_status(0, create_sq(2, 15, 1 << 16 | 1), NVME_SC_INVALID_QUEUE_SIZE);
}
END_TEST

/* ---- features ------------------------------------------------------------------------------- */

static struct nvme_sqe feature(uint8_t opcode, uint32_t cdw10, uint32_t cdw11)
{
	return (struct nvme_sqe){
		.opcode = opcode, .prp1 = drv_iova(buf), .cdw10 = cdw10, .cdw11 = cdw11
	};
}

static struct nvme_sqe set_feature(uint32_t cdw10, uint32_t cdw11)
{
	return feature(NVME_ADM_SET_FEATURES, cdw10, cdw11);
}

static uint32_t get_feature(uint32_t cdw10, uint32_t cdw11)
{
	struct nvme_cqe cqe = drv_exec(0, feature(NVME_ADM_GET_FEATURES, cdw10, cdw11));

	ck_assert_uint_eq(cqe.status >> 1, NVME_SC_SUCCESS);
	return cqe.dw0;
}

START_TEST(features)
{
	static const struct {
		uint32_t fid, value, initial;
	} plain[] = {
		{ NVME_FEAT_ARBITRATION, 0x01020303, 6 }, { NVME_FEAT_WRITE_CACHE, 0, 1 },
		{ NVME_FEAT_COALESCING, 0x1234, 0 },	  { NVME_FEAT_WRITE_ATOMICITY, 1, 0 },
		{ NVME_FEAT_ASYNC_EVENT, 0x101, 0 },	  { NVME_FEAT_POWER, 0, 0 },
		{ NVME_FEAT_TEMPERATURE, 400, 343 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		uint32_t fid = plain[i].fid;

		ck_assert_uint_eq(get_feature(fid, 0), plain[i].initial);
		ck_status(0, set_feature(fid, plain[i].value), NVME_SC_SUCCESS);
		ck_assert_uint_eq(get_feature(fid, 0), plain[i].value);
		ck_assert_uint_eq(get_feature(fid | 1 << 8, 0), plain[i].initial); /* default */
		ck_assert_uint_eq(get_feature(fid | 2 << 8, 0), plain[i].initial); /* saved */
		ck_assert_uint_eq(get_feature(fid | 3 << 8, 0), 4);		   /* changeable */
		ck_status(0, feature(NVME_ADM_GET_FEATURES, fid | 4 << 8, 0),
			  NVME_SC_INVALID_FIELD);
		ck_status(0, set_feature(fid | 1u << 31, 0), NVME_SC_FEATURE_NOT_SAVEABLE);
	}
	drv_write32(NVME_REG_CC, 0);
	drv_enable();
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		ck_assert_uint_eq(get_feature(plain[i].fid, 0), plain[i].initial);
}
END_TEST

START_TEST(feature_errors)
{
	static const uint32_t unknown[] = { 0x00, 0x03, 0x0c, 0x0d, 0x0f, 0x10, 0x7f, 0x80, 0xff };
	struct nvme_sqe cmd;

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		ck_status(0, set_feature(unknown[i], 0), NVME_SC_INVALID_FIELD);
		ck_status(0, feature(NVME_ADM_GET_FEATURES, unknown[i], 0), NVME_SC_INVALID_FIELD);
	}
	ck_status(0, set_feature(NVME_FEAT_POWER, 1), NVME_SC_INVALID_FIELD);
	ck_status(0, set_feature(NVME_FEAT_TEMPERATURE, 1 << 16), NVME_SC_INVALID_FIELD);
	ck_status(0, set_feature(NVME_FEAT_TEMPERATURE, 2 << 20), NVME_SC_INVALID_FIELD);
	ck_status(0, set_feature(NVME_FEAT_VECTOR_CONFIG, 5), NVME_SC_INVALID_FIELD);
	ck_status(0, set_feature(NVME_FEAT_VECTOR_CONFIG, 1 << 16 | 4), NVME_SC_SUCCESS);
	ck_assert_uint_eq(get_feature(NVME_FEAT_VECTOR_CONFIG, 4), 1 << 16 | 4);
	ck_assert_uint_eq(get_feature(NVME_FEAT_VECTOR_CONFIG, 3), 3);
	/* A namespace where there is none to have. */
	cmd = set_feature(NVME_FEAT_ARBITRATION, 0);
	cmd.nsid = 1;
	ck_status(0, cmd, NVME_SC_FEATURE_NOT_NS_SPECIFIC);
	cmd.nsid = 3;
	ck_status(0, cmd, NVME_SC_INVALID_NS_OR_FORMAT);
	cmd.nsid = NVME_NSID_ALL;
	ck_status(0, cmd, NVME_SC_SUCCESS);
	cmd = set_feature(NVME_FEAT_WRITE_CACHE, 0);
	cmd.nsid = 1; /* as QEMU's driver does */
	ck_status(0, cmd, NVME_SC_SUCCESS);
	/* Error recovery belongs to a namespace. */
	cmd = set_feature(NVME_FEAT_ERROR_RECOVERY, 77);
	ck_status(0, cmd, NVME_SC_INVALID_NS_OR_FORMAT);
	cmd.nsid = 2;
	ck_status(0, cmd, NVME_SC_SUCCESS);
	cmd.cdw11 |= 1 << 16;
	ck_status(0, cmd, NVME_SC_INVALID_FIELD);
	cmd = feature(NVME_ADM_GET_FEATURES, NVME_FEAT_ERROR_RECOVERY, 0);
	cmd.nsid = 2;
	ck_assert_uint_eq(drv_exec(0, cmd).dw0, 77);
	cmd.nsid = 1;
	ck_assert_uint_eq(drv_exec(0, cmd).dw0, 0);
}
END_TEST

START_TEST(number_of_queues)
{
	struct nvme_cqe cqe;

	ck_assert_uint_eq(get_feature(NVME_FEAT_QUEUES, 0), 3 << 16 | 3);
	ck_status(0, set_feature(NVME_FEAT_QUEUES, 0xffff), NVME_SC_INVALID_FIELD);
	ck_status(0, set_feature(NVME_FEAT_QUEUES, 0xffff0000), NVME_SC_INVALID_FIELD);
	cqe = drv_exec(0, set_feature(NVME_FEAT_QUEUES, 63 << 16 | 0));
	ck_assert_uint_eq(cqe.dw0, 3 << 16 | 0);
	ck_status(0, create_cq(2, 15, 1), NVME_SC_SUCCESS);
	ck_status(0, create_sq(2, 15, 2 << 16 | 1), NVME_SC_INVALID_QID); /* one was asked for */
	ck_status(0, create_sq(1, 15, 2 << 16 | 1), NVME_SC_SUCCESS);
	ck_status(0, set_feature(NVME_FEAT_QUEUES, 1 << 16 | 1), NVME_SC_COMMAND_SEQUENCE);
}
END_TEST

START_TEST(timestamp)
{
	uint64_t v = 1700000000000;

	get_feature(NVME_FEAT_TIMESTAMP, 0);
	memcpy(&v, buf, 8);
	ck_assert_uint_lt(v, 10000); /* since the reset */
	v = 1700000000000;
	memcpy(buf, &v, 8);
	ck_status(0, set_feature(NVME_FEAT_TIMESTAMP, 0), NVME_SC_SUCCESS);
	get_feature(NVME_FEAT_TIMESTAMP, 0);
	memcpy(&v, buf, 8);
	ck_assert_uint_eq(v >> 48, 2); /* set by the host */
	v &= (1ULL << 48) - 1;
	ck_assert_uint_ge(v, 1700000000000);
	ck_assert_uint_lt(v, 1700000010000);
}
END_TEST

/* ---- log pages ------------------------------------------------------------------------------ */

static struct nvme_sqe get_log(uint32_t lid, uint32_t len, uint64_t off)
{
	memset(buf, 0xee, 2 * DRV_PAGE);
	return (struct nvme_sqe){ .opcode = NVME_ADM_GET_LOG_PAGE,
				  .nsid = NVME_NSID_ALL,
				  .prp1 = drv_iova(buf),
				  .prp2 = drv_iova(buf) + DRV_PAGE,
				  .cdw10 = (len / 4 - 1) << 16 | lid,
				  .cdw12 = (uint32_t)off,
				  .cdw13 = (uint32_t)(off >> 32) };
}

START_TEST(smart_counters)
{
	const struct nvme_smart_log *log = (const void *)buf;

	drv_create_pair(1, false);
	for (unsigned int i = 0; i < 126; i++) /* 2016 blocks */
		ck_status(1, drv_rw(NVME_IO_WRITE, 0, 16, buf), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_COMPARE, 0, 1, buf), NVME_SC_SUCCESS);
	ck_status(1, drv_rw(NVME_IO_READ, 1 << 20, 1, buf), NVME_SC_LBA_RANGE);
	ck_status(0, get_log(NVME_LOG_SMART, 512, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(log->host_writes[0], 126);
	ck_assert_uint_eq(log->data_units_written[0], 3); /* rounded up */
	ck_assert_uint_eq(log->host_reads[0], 2);
	ck_assert_uint_eq(log->data_units_read[0], 1);
	ck_assert_uint_eq(log->error_entries[0], 1);
	ck_assert_uint_eq(log->media_errors[0], 0);
	ck_assert_uint_eq(log->power_cycles[0], 1);
	ck_assert_uint_eq(log->temperature[0] | log->temperature[1] << 8, 308);
	ck_assert_uint_eq(log->avail_spare, 100);
	ck_assert_uint_eq(log->critical_warning, 0);
	ck_assert_uint_eq(buf[512], 0xee);
	/* The counters are the hardware's: a reset keeps them. */
	drv_write32(NVME_REG_CC, 0);
	drv_enable();
	ck_status(0, get_log(NVME_LOG_SMART, 512, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(log->host_writes[0], 126);
}
END_TEST

START_TEST(error_log)
{
	const struct nvme_error_entry *e = (const void *)buf;
	struct nvme_sqe bad = { .opcode = 0x55, .cid = 1, .nsid = 7 };

	ck_status(0, bad, NVME_SC_INVALID_OPCODE);
	drv_create_pair(1, false);
	bad = drv_rw(NVME_IO_READ, 0x123456789, 1, buf);
	ck_status(1, bad, NVME_SC_LBA_RANGE);
	ck_status(0, get_log(NVME_LOG_ERROR, 4096, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(e[0].error_count, 2); /* the newest first */
	ck_assert_uint_eq(e[0].sqid, 1);
	ck_assert_uint_eq(e[0].cid, 0x1234);
	ck_assert_uint_eq((e[0].status >> 1) & 0x7ff, NVME_SC_LBA_RANGE);
	ck_assert_uint_eq(e[0].lba, 0x123456789);
	ck_assert_uint_eq(e[0].nsid, 1);
	ck_assert_uint_eq(e[1].error_count, 1);
	ck_assert_uint_eq(e[1].cid, 1);
	ck_assert_uint_eq(e[2].error_count, 0);
	for (unsigned int i = 0; i < 70; i++)
		ck_status(1, bad, NVME_SC_LBA_RANGE);
	ck_status(0, get_log(NVME_LOG_ERROR, 4096, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(e[0].error_count, 72);
	ck_assert_uint_eq(e[63].error_count, 9);
}
END_TEST

START_TEST(log_pages)
{
	const struct nvme_effects_log *effects = (const void *)buf;
	uint8_t whole[512];
	struct nvme_sqe cmd;

	ck_status(0, get_log(NVME_LOG_FIRMWARE, 512, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(buf[0], 1);
	ck_assert_mem_eq(buf + 8, "1.0     ", 8);
	memcpy(whole, buf, sizeof(whole));
	ck_status(0, get_log(NVME_LOG_FIRMWARE, 8, 8), NVME_SC_SUCCESS);
	ck_assert_mem_eq(buf, whole + 8, 8);
	ck_assert_uint_eq(buf[8], 0xee);
	ck_status(0, get_log(NVME_LOG_FIRMWARE, 4096, 508), NVME_SC_SUCCESS);
	ck_assert_uint_eq(buf[3], 0);
	ck_assert_uint_eq(buf[4], 0xee); /* the page has no more */
	ck_status(0, get_log(NVME_LOG_FIRMWARE, 4, 512), NVME_SC_SUCCESS);
	ck_status(0, get_log(NVME_LOG_FIRMWARE, 4, 516), NVME_SC_INVALID_FIELD);
	ck_status(0, get_log(NVME_LOG_FIRMWARE, 4, 2), NVME_SC_INVALID_FIELD);
	ck_status(0, get_log(NVME_LOG_FIRMWARE, 4, 1ULL << 32), NVME_SC_INVALID_FIELD);
	ck_status(0, get_log(NVME_LOG_EFFECTS, 4096, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(effects->admin[NVME_ADM_IDENTIFY], 1);
	ck_assert_uint_eq(effects->admin[0x7f], 0);
	ck_assert_uint_eq(effects->io[NVME_IO_WRITE], 3);
	ck_assert_uint_eq(effects->io[0x7f], 0);
	for (uint32_t lid = 0; lid < 256; lid++)
		if (lid < 1 || lid > 5)
			ck_status(0, get_log(lid, 4, 0), NVME_SC_INVALID_LOG_PAGE);
	cmd = get_log(NVME_LOG_SMART, 512, 0);
	cmd.nsid = 1;
	ck_status(0, cmd, NVME_SC_INVALID_FIELD);
	cmd.nsid = 9;
	ck_status(0, cmd, NVME_SC_INVALID_NS_OR_FORMAT);
	cmd.nsid = 0;
	ck_status(0, cmd, NVME_SC_SUCCESS);
	cmd.cdw11 = 0xffff; /* gigabytes */
	ck_status(0, cmd, NVME_SC_INVALID_FIELD);
	cmd = get_log(NVME_LOG_SMART, 512, 0);
	cmd.prp1 = DRV_BAD_IOVA;
	ck_status(0, cmd, NVME_SC_DATA_XFER);
}
END_TEST

/* ---- events and Abort ----------------------------------------------------------------------- */

static void push_aer(uint16_t cid)
{
	drv_push(0, (struct nvme_sqe){ .opcode = NVME_ADM_ASYNC_EVENT, .cid = cid });
	drv_ring(0);
}

START_TEST(aer_limit_and_abort)
{
	struct nvme_sqe abort_cmd = { .opcode = NVME_ADM_ABORT, .cid = 0x50 };
	struct nvme_cqe cqe;

	for (uint16_t i = 0; i < 4; i++)
		push_aer((uint16_t)(0x10 + i));
	ck_assert(!drv_peek(0));
	ck_status(0, ((struct nvme_sqe){ .opcode = NVME_ADM_ASYNC_EVENT, .cid = 0x14 }),
		  NVME_SC_AER_LIMIT);
	ck_status(0, ((struct nvme_sqe){ .opcode = NVME_ADM_ABORT, .cid = 0x11 }),
		  NVME_SC_CID_CONFLICT);
	abort_cmd.cdw10 = 0x12 << 16;
	drv_push(0, abort_cmd);
	drv_ring(0);
	ck_assert(drv_reap(0, &cqe, true));
	ck_assert_uint_eq(cqe.cid, 0x12);
	ck_assert_uint_eq(cqe.status >> 1, NVME_SC_ABORTED_BY_REQUEST);
	ck_assert(drv_reap(0, &cqe, true));
	ck_assert_uint_eq(cqe.cid, 0x50);
	ck_assert_uint_eq(cqe.dw0, 0);
	ck_assert_uint_eq(drv_exec(0, abort_cmd).dw0, 1); /* it is gone */
	abort_cmd.cdw10 = 0x10 << 16 | 1;		  /* that one is in another queue */
	ck_assert_uint_eq(drv_exec(0, abort_cmd).dw0, 1);
}
END_TEST

START_TEST(temperature_event)
{
	struct nvme_cqe cqe;

	push_aer(0x20);
	push_aer(0x21);
	ck_status(0, set_feature(NVME_FEAT_TEMPERATURE, 300), NVME_SC_SUCCESS);
	ck_assert(!drv_peek(0)); /* not enabled */
	ck_status(0, get_log(NVME_LOG_SMART, 512, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(buf[0], NVME_SMART_WARN_TEMPERATURE);
	ck_status(0, set_feature(NVME_FEAT_ASYNC_EVENT, NVME_SMART_WARN_TEMPERATURE),
		  NVME_SC_SUCCESS);
	ck_assert(drv_reap(0, &cqe, true));
	ck_assert_uint_eq(cqe.cid, 0x20);
	ck_assert_uint_eq(cqe.dw0, NVME_LOG_SMART << 16 | NVME_EVENT_INFO_TEMPERATURE << 8 |
					   NVME_EVENT_SMART);
	/* Quiet until the log page was read; reading with RAE does not count. */
	ck_status(0, set_feature(NVME_FEAT_TEMPERATURE, 301), NVME_SC_SUCCESS);
	ck_assert(!drv_peek(0));
	ck_status(0, get_log(NVME_LOG_SMART | 1 << 15, 512, 0), NVME_SC_SUCCESS);
	ck_assert(!drv_peek(0));
	ck_status(0, get_log(NVME_LOG_SMART, 512, 0), NVME_SC_SUCCESS);
	ck_status(0, set_feature(NVME_FEAT_TEMPERATURE, 1 << 20 | 310),
		  NVME_SC_SUCCESS); /* under */
	ck_assert(drv_reap(0, &cqe, true));
	ck_assert_uint_eq(cqe.cid, 0x21);
}
END_TEST

/* ---- Format --------------------------------------------------------------------------------- */

static struct nvme_sqe format(uint32_t nsid, uint32_t cdw10)
{
	return (struct nvme_sqe){ .opcode = NVME_ADM_FORMAT, .nsid = nsid, .cdw10 = cdw10 };
}

START_TEST(format_nvm)
{
	const struct nvme_id_ns *id = (const void *)buf;
	const uint32_t *changed = (const void *)buf;
	struct nvme_sqe cmd;
	struct nvme_cqe cqe;

	drv_create_pair(1, false);
	memset(buf, 0xab, DRV_PAGE);
	ck_status(1, drv_rw(NVME_IO_WRITE, 0, 8, buf), NVME_SC_SUCCESS);
	cmd = drv_rw(NVME_IO_WRITE, 0, 8, buf);
	cmd.nsid = 2;
	ck_status(1, cmd, NVME_SC_SUCCESS);
	ck_status(0, format(0, 0), NVME_SC_INVALID_NS_OR_FORMAT);
	ck_status(0, format(3, 0), NVME_SC_INVALID_NS_OR_FORMAT);
	ck_status(0, format(1, 2), NVME_SC_INVALID_FORMAT);
	ck_status(0, format(1, 1 << 5), NVME_SC_INVALID_FORMAT);
	ck_status(0, format(1, 2 << 9), NVME_SC_INVALID_FIELD);
	ck_status(0, set_feature(NVME_FEAT_ASYNC_EVENT, 1 << 8), NVME_SC_SUCCESS);
	push_aer(0x30);
	/* The event may come before the command's completion or behind it. */
	drv_push(0, format(1, 1 | 1 << 9));
	drv_ring(0);
	for (unsigned int i = 0, seen = 0; i < 2; i++) {
		ck_assert(drv_reap(0, &cqe, true));
		ck_assert_uint_eq(cqe.status >> 1, NVME_SC_SUCCESS);
		if (cqe.cid == 0x30)
			ck_assert_uint_eq(cqe.dw0, NVME_LOG_CHANGED_NS << 16 | NVME_EVENT_NOTICE);
		seen |= cqe.cid == 0x30 ? 1 : 2;
		ck_assert(i == 0 || seen == 3);
	}
	ck_status(0, get_log(NVME_LOG_CHANGED_NS, 4096, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(changed[0], 1);
	ck_assert_uint_eq(changed[1], 0);
	ck_status(0, get_log(NVME_LOG_CHANGED_NS, 4096, 0), NVME_SC_SUCCESS);
	ck_assert_uint_eq(changed[0], 0);
	ck_status(0, identify(1, NVME_CNS_NS), NVME_SC_SUCCESS);
	ck_assert_uint_eq(id->flbas, 1);
	ck_assert_uint_eq(id->nsze, 512);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS); /* a block of 4096 */
	for (unsigned int i = 0; i < DRV_PAGE; i++)
		ck_assert_uint_eq(buf[i], 0);
	ck_status(1, drv_rw(NVME_IO_READ, 512, 1, buf), NVME_SC_LBA_RANGE);
	/* The other namespace is as it was, until all are formatted. */
	cmd = drv_rw(NVME_IO_READ, 0, 8, buf);
	cmd.nsid = 2;
	ck_status(1, cmd, NVME_SC_SUCCESS);
	ck_assert_uint_eq(buf[4095], 0xab);
	ck_status(0, format(NVME_NSID_ALL, 0), NVME_SC_SUCCESS);
	ck_status(1, cmd, NVME_SC_SUCCESS);
	ck_assert_uint_eq(buf[4095], 0);
	ck_status(0, identify(1, NVME_CNS_NS), NVME_SC_SUCCESS);
	ck_assert_uint_eq(id->nsze, 4096);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("admin");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, identify_ctrl);
	tcase_add_test(tc, identify_ns);
	tcase_add_test(tc, identify_lists);
	tcase_add_test(tc, identify_errors);
	tcase_add_test(tc, unknown_opcodes);
	tcase_add_test(tc, create_delete);
	tcase_add_test(tc, features);
	tcase_add_test(tc, feature_errors);
	tcase_add_test(tc, number_of_queues);
	tcase_add_test(tc, timestamp);
	tcase_add_test(tc, smart_counters);
	tcase_add_test(tc, error_log);
	tcase_add_test(tc, log_pages);
	tcase_add_test(tc, aer_limit_and_abort);
	tcase_add_test(tc, temperature_event);
	tcase_add_test(tc, format_nvm);
	return drv_main("nvme_admin", &tc, 1);
}
