/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices of a card's medium: identity, and that nothing leads out of one; the gate. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/nvme/slice.h"
#include "models/nvme/testdrv.h"

#define IMAGE "nvme_slice_test.img"
#define MIB   (1u << 20)
#define TOTAL (4u * MIB)
#define START (2u * MIB)
#define SIZE  MIB
#define UUID1 "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define UUID2 "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"

static struct pci_dev *card;
static void *states[4];
static uint8_t *buf, *whole;

static void fill_image(void)
{
	int fd = open(IMAGE, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < TOTAL; i++)
		whole[i] = (uint8_t)(i * 7 + i / 4096);
	ck_assert_int_eq(write(fd, whole, TOTAL), TOTAL);
	close(fd);
}

/* What stands outside of [@start, @start + @size) is what was there at first. */
static void ck_outside(uint64_t start, uint64_t size)
{
	uint8_t *now = malloc(TOTAL);
	int fd = open(IMAGE, O_RDONLY);

	ck_assert_int_eq(read(fd, now, TOTAL), TOTAL);
	close(fd);
	ck_assert(!memcmp(now, whole, start));
	ck_assert(!memcmp(now + start + size, whole + start + size, TOTAL - start - size));
	free(now);
}

static void read_image(uint64_t off, void *to, size_t len)
{
	int fd = open(IMAGE, O_RDONLY);

	ck_assert_int_eq(pread(fd, to, len, (off_t)off), (ssize_t)len);
	close(fd);
}

static void plug(const char *doorbell)
{
	whole = malloc(TOTAL);
	fill_image();
	drv_start((const char *const[]){ "file=" IMAGE, "queues=4", doorbell, NULL });
	card = drv_dev;
	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++)
		states[i] = NULL;
}

static void setup(void)
{
	plug("doorbell=inline");
}

static void teardown(void)
{
	drv_dev = card;
	drv_stop();
	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++)
		free(states[i]);
	free(whole);
	unlink(IMAGE);
}

/* The driver's functions are the slice's from now on; it is enabled and has queue 1. */
static void use(const char *uuid, uint64_t start, uint64_t size, const struct nvme_gate *gate)
{
	unsigned int i = 0;

	while (states[i])
		i++;
	states[i] = aligned_alloc(64, NVME_SLICE_STATE);
	ck_assert_int_eq(nvme_slice_create(&(struct nvme_slice){ .card = card,
								 .start = start,
								 .size = size,
								 .uuid = uuid,
								 .state = states[i],
								 .fresh = true,
								 .gate = *gate },
					   &drv_dev),
			 0);
	drv_attach(drv_dev, i);
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	drv_create_pair(1, false);
	buf = drv_alloc(2 * DRV_PAGE);
}

static void slice(const char *uuid, uint64_t start, uint64_t size)
{
	use(uuid, start, size, &(struct nvme_gate){ 0 });
}

static void identify(uint32_t cns, uint32_t nsid, void *to)
{
	struct nvme_sqe cmd = {
		.opcode = NVME_ADM_IDENTIFY, .nsid = nsid, .prp1 = drv_iova(to), .cdw10 = cns
	};

	ck_status(0, cmd, NVME_SC_SUCCESS);
}

START_TEST(identity)
{
	struct nvme_id_ctrl *id1, *id2;
	struct nvme_id_ns *ns;
	uint32_t *list;

	slice(UUID1, START, SIZE);
	id1 = drv_alloc(DRV_PAGE);
	ns = drv_alloc(DRV_PAGE);
	list = drv_alloc(DRV_PAGE);
	identify(NVME_CNS_CTRL, 0, id1);
	ck_assert_str_eq(id1->subnqn, "nqn.2014-08.org.nvmexpress:uuid:" UUID1);
	ck_assert_uint_eq(id1->nn, 1);
	ck_assert_uint_eq(id1->cmic, 0);
	/* Format alone: no namespace management, no virtualization management, no sanitize. */
	ck_assert_uint_eq(id1->oacs, NVME_OACS_FORMAT);
	ck_status(0, ((struct nvme_sqe){ .opcode = 0x0d }), NVME_SC_INVALID_OPCODE);
	ck_status(0, ((struct nvme_sqe){ .opcode = NVME_ADM_VIRT_MANAGEMENT }),
		  NVME_SC_INVALID_OPCODE);
	ck_status(0, ((struct nvme_sqe){ .opcode = 0x84 }), NVME_SC_INVALID_OPCODE);
	identify(NVME_CNS_NS, 1, ns);
	ck_assert_uint_eq(ns->nsze, SIZE / 512);
	identify(NVME_CNS_ACTIVE_NS, 0, list);
	ck_assert_uint_eq(list[0], 1);
	ck_assert_uint_eq(list[1], 0);
	slice(UUID2, 0, SIZE);
	id2 = drv_alloc(DRV_PAGE);
	identify(NVME_CNS_CTRL, 0, id2);
	ck_assert_str_eq(id2->subnqn, "nqn.2014-08.org.nvmexpress:uuid:" UUID2);
	ck_assert_mem_ne(id1->sn, id2->sn, sizeof(id1->sn));
}
END_TEST

/* The first and the last block are where they should be, and all between. */
START_TEST(extent)
{
	uint8_t *now = malloc(SIZE);
	size_t other = 0;

	slice(UUID1, START, SIZE);
	for (uint64_t lba = 0; lba < SIZE / 512; lba += 8) {
		memset(buf, (int)(lba / 8 + 1), DRV_PAGE);
		ck_status(1, drv_rw(NVME_IO_WRITE, lba, 8, buf), NVME_SC_SUCCESS);
	}
	read_image(START, now, SIZE);
	for (size_t i = 0; i < SIZE; i++)
		other += now[i] != (uint8_t)(i / DRV_PAGE + 1);
	ck_assert_uint_eq(other, 0);
	ck_status(1, drv_rw(NVME_IO_READ, 8, 8, buf), NVME_SC_SUCCESS);
	ck_assert_mem_eq(buf, now + DRV_PAGE, DRV_PAGE);
	ck_status(1, ((struct nvme_sqe){ .opcode = NVME_IO_FLUSH, .nsid = NVME_NSID_ALL }),
		  NVME_SC_SUCCESS);
	ck_outside(START, SIZE);
	free(now);
}
END_TEST

static uint16_t discard(uint64_t slba, uint32_t nlb)
{
	struct nvme_dsm_range *range = (struct nvme_dsm_range *)(void *)(buf + DRV_PAGE);

	*range = (struct nvme_dsm_range){ .nlb = nlb, .slba = slba };
	return drv_status(1, (struct nvme_sqe){ .opcode = NVME_IO_DSM,
						.nsid = 1,
						.prp1 = drv_iova(range),
						.cdw11 = NVME_DSM_AD });
}

/* Nothing of @blocks blocks lies there. */
static void hostile_ranges(uint64_t blocks, unsigned int shift)
{
	static const uint8_t opcodes[] = { NVME_IO_WRITE, NVME_IO_READ, NVME_IO_COMPARE,
					   NVME_IO_WRITE_ZEROES, NVME_IO_VERIFY };
	const uint64_t at[] = { blocks,
				blocks + 1,
				blocks - 1,
				TOTAL >> shift,
				-(uint64_t)(START >> shift),
				UINT64_MAX,
				UINT64_MAX >> shift,
				1ull << (64 - shift),
				(1ull << (64 - shift)) + 1,
				1ull << 63 };

	memset(buf, 0xbb, DRV_PAGE);
	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++) {
		/* The last block is there, but not the one behind it. */
		uint32_t nlb = at[i] == blocks - 1 ? 2 : 1;

		if (nlb == 2 && shift == 12)
			continue;
		for (unsigned int k = 0; k < ARRAY_SIZE(opcodes); k++)
			ck_status(1, drv_rw(opcodes[k], at[i], nlb, buf), NVME_SC_LBA_RANGE);
		ck_assert_uint_eq(discard(at[i], nlb), NVME_SC_LBA_RANGE);
	}
	ck_status(1, drv_rw(NVME_IO_VERIFY, 0, 65536, buf), NVME_SC_LBA_RANGE);
	ck_status(1, drv_rw(NVME_IO_WRITE_ZEROES, 1, 65536, buf), NVME_SC_LBA_RANGE);
	ck_assert_uint_eq(discard(0, UINT32_MAX), NVME_SC_LBA_RANGE);
}

START_TEST(hostile)
{
	uint8_t zero[DRV_PAGE] = { 0 };
	struct nvme_sqe other = drv_rw(NVME_IO_READ, 0, 1, states);

	slice(UUID1, START, SIZE);
	hostile_ranges(SIZE / 512, 9);
	/* Other namespaces: none. */
	other.prp1 = drv_iova(buf);
	for (other.nsid = 2; other.nsid; other.nsid = other.nsid * 2 + 1) {
		ck_status(1, other, NVME_SC_INVALID_NS_OR_FORMAT);
		if (other.nsid == UINT32_MAX)
			break;
	}
	/* The other format, with fewer and larger blocks. */
	ck_status(0, ((struct nvme_sqe){ .opcode = NVME_ADM_FORMAT, .nsid = 1, .cdw10 = 1 }),
		  NVME_SC_SUCCESS);
	hostile_ranges(SIZE / 4096, 12);
	read_image(START + SIZE - DRV_PAGE, whole + START, DRV_PAGE);
	ck_assert_mem_eq(whole + START, zero, DRV_PAGE);
	ck_outside(START, SIZE);
}
END_TEST

/* The file behind the medium is cut in the middle of the slice: that part fails, and no more. */
START_TEST(truncated)
{
	slice(UUID1, START, SIZE);
	ck_assert_int_eq(truncate(IMAGE, START + SIZE / 2), 0);
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
	ck_assert_mem_eq(buf, whole + START, 512);
	ck_status(1, drv_rw(NVME_IO_READ, SIZE / 512 - 1, 1, buf), NVME_SC_UNRECOVERED_READ);
	ck_status(1, drv_rw(NVME_IO_WRITE, SIZE / 512 - 1, 1, buf), NVME_SC_WRITE_FAULT);
	ck_status(1, drv_rw(NVME_IO_WRITE, SIZE / 512, 1, buf), NVME_SC_LBA_RANGE);
	ck_assert_int_eq(truncate(IMAGE, TOTAL), 0);
}
END_TEST

START_TEST(cleared)
{
	uint8_t *now = calloc(1, SIZE), *zero = calloc(1, SIZE);

	ck_assert_int_eq(nvme_medium_clear(card, START, SIZE), 0);
	read_image(START, now, SIZE);
	ck_assert(!memcmp(now, zero, SIZE));
	ck_outside(START, SIZE);
	ck_assert_int_eq(nvme_medium_clear(card, TOTAL - SIZE / 2, SIZE), -ERANGE);
	ck_assert_int_eq(nvme_medium_clear(card, UINT64_MAX - DRV_PAGE + 1, SIZE), -ERANGE);
	ck_outside(START, SIZE);
	free(now);
	free(zero);
}
END_TEST

START_TEST(refused)
{
	struct nvme_slice s = { .card = card,
				.start = START,
				.size = SIZE,
				.uuid = UUID1,
				.state = aligned_alloc(64, NVME_SLICE_STATE),
				.fresh = true };
	struct pci_dev *dev;

	ck_assert_uint_eq(nvme_medium_size(card), TOTAL);
	s.start = TOTAL - SIZE + DRV_PAGE;
	ck_assert_int_eq(nvme_slice_create(&s, &dev), -ERANGE);
	s.start = -(uint64_t)DRV_PAGE;
	ck_assert_int_eq(nvme_slice_create(&s, &dev), -ERANGE);
	s.start = 512;
	ck_assert_int_eq(nvme_slice_create(&s, &dev), -EINVAL);
	s.start = START;
	s.uuid = "83b8f4f2-509f-382f-3c1e-e6bfe0fa100";
	ck_assert_int_eq(nvme_slice_create(&s, &dev), -EINVAL);
	s.uuid = UUID1 "0";
	ck_assert_int_eq(nvme_slice_create(&s, &dev), -EINVAL);
	s.uuid = UUID1;
	ck_assert_int_eq(nvme_slice_create(&s, &dev), 0);
	s.card = dev;
	ck_assert_uint_eq(nvme_medium_size(dev), 0);
	ck_assert_int_eq(nvme_slice_create(&s, &(struct pci_dev *){ NULL }), -EINVAL);
	pci_dev_destroy(dev);
	free(s.state);
}
END_TEST

/* A format, a counter: what outlives the process. */
START_TEST(state_is_kept)
{
	struct nvme_id_ns *ns;
	struct pci_dev *again;

	slice(UUID1, START, SIZE);
	ck_status(0, ((struct nvme_sqe){ .opcode = NVME_ADM_FORMAT, .nsid = 1, .cdw10 = 1 }),
		  NVME_SC_SUCCESS);
	ck_assert_int_eq(nvme_slice_create(&(struct nvme_slice){ .card = card,
								 .start = START,
								 .size = SIZE,
								 .uuid = UUID1,
								 .state = states[0] },
					   &again),
			 0);
	drv_dev = again;
	drv_attach(again, 1);
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	ns = drv_alloc(DRV_PAGE);
	identify(NVME_CNS_NS, 1, ns);
	ck_assert_uint_eq(ns->flbas, 1);
	ck_assert_uint_eq(ns->nsze, SIZE / 4096);
}
END_TEST

/* ---- the gate -------------------------------------------------------------------------------- */

/* Lets through what was put into it. */
static struct {
	_Atomic int64_t open;
	_Atomic uint64_t asked, admitted, bytes, entered, left, waiting;
} gate;

static uint64_t gate_admit(void *arg, uint64_t bytes)
{
	gate.asked++;
	if (atomic_fetch_sub(&gate.open, 1) <= 0) {
		atomic_fetch_add(&gate.open, 1);
		return 1000000;
	}
	gate.admitted++;
	gate.bytes += bytes;
	return 0;
}

static void gate_enter(void *arg)
{
	gate.entered++;
}

static void gate_leave(void *arg, bool waiting)
{
	gate.left++;
	gate.waiting += waiting;
}

static void gated(const char *doorbell)
{
	struct nvme_cqe cqe;

	plug(doorbell);
	memset(&gate, 0, sizeof(gate));
	gate.open = 3;
	use(UUID1, START, SIZE,
	    &(struct nvme_gate){ .admit = gate_admit, .enter = gate_enter, .leave = gate_leave });
	/* Admin commands do not pass it. */
	ck_assert_uint_eq(gate.asked, 0);
	for (uint16_t i = 0; i < 8; i++) {
		struct nvme_sqe cmd = drv_rw(NVME_IO_READ, i, 1 + i % 2, buf);

		cmd.cid = i;
		drv_push(1, cmd);
	}
	drv_ring(1);
	for (uint16_t i = 0; i < 3; i++) {
		ck_assert(drv_reap(1, &cqe, false));
		ck_assert_uint_eq(cqe.cid, i);
	}
	while (gate.asked < 8) /* the thread comes back again and again */
		usleep(1000);
	ck_assert(!drv_peek(1));
	ck_assert_uint_eq(gate.admitted, 3);
	ck_assert_uint_gt(gate.waiting, 0);
	/* Held back, the controller still answers. */
	ck_status(0, ((struct nvme_sqe){ .opcode = NVME_ADM_GET_FEATURES, .cdw10 = 1 }),
		  NVME_SC_SUCCESS);
	gate.open = 100;
	for (uint16_t i = 3; i < 8; i++) {
		ck_assert(drv_reap(1, &cqe, i == 7));
		ck_assert_uint_eq(cqe.cid, i);
		ck_assert_uint_eq(cqe.status >> 1, 0);
	}
	pci_dev_lock(drv_dev);
	ck_assert_uint_eq(gate.admitted, 8);
	ck_assert_uint_eq(gate.bytes, (4 + 8) * 512);
	ck_assert_uint_eq(gate.entered, gate.left);
	pci_dev_unlock(drv_dev);
}

START_TEST(gate_inline)
{
	gated("doorbell=inline");
	teardown();
}
END_TEST

START_TEST(gate_polled)
{
	gated("doorbell=polled");
	teardown();
}
END_TEST

/* A reset, and the end, while commands are held back. */
START_TEST(gate_reset)
{
	plug("doorbell=inline");
	memset(&gate, 0, sizeof(gate));
	use(UUID1, START, SIZE,
	    &(struct nvme_gate){ .admit = gate_admit, .enter = gate_enter, .leave = gate_leave });
	drv_push(1, drv_rw(NVME_IO_READ, 0, 1, buf));
	drv_ring(1);
	while (gate.asked < 3)
		usleep(1000);
	drv_write32(NVME_REG_CC, 0);
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
	drv_create_pair(1, false);
	gate.open = 1;
	ck_status(1, drv_rw(NVME_IO_READ, 0, 1, buf), NVME_SC_SUCCESS);
	drv_push(1, drv_rw(NVME_IO_READ, 0, 1, buf));
	drv_ring(1);
	teardown();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("slice"), *gates = tcase_create("gate");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, identity);
	tcase_add_test(tc, extent);
	tcase_add_test(tc, hostile);
	tcase_add_test(tc, truncated);
	tcase_add_test(tc, cleared);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, state_is_kept);
	tcase_add_test(gates, gate_inline);
	tcase_add_test(gates, gate_polled);
	tcase_add_test(gates, gate_reset);
	return drv_main("nvme_slice", (TCase *const[]){ tc, gates }, 2);
}
