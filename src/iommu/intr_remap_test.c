/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupt remapping: the bits of both formats, who gets through, what is stopped and told. */
#include "iommu/intr_remap.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "iommu/dma.h"

#define INTEL IOMMU_MODEL_INTEL
#define AMD   IOMMU_MODEL_AMD

static struct iommu *unit;
static struct iommu_dev *dev[2];
static struct dma_fault last;
static unsigned int faults;

static void sink(void *arg, const struct dma_fault *fault)
{
	last = *fault;
	faults++;
}

static void setup(enum iommu_model model)
{
	ck_assert_int_eq(iommu_create(model, "unit", &unit), 0);
	ck_assert_int_eq(iommu_dev_create(unit, 0x0100, "0000:01:00.0", &dev[0]), 0);
	ck_assert_int_eq(iommu_dev_create(unit, 0x0208, "0000:02:01.0", &dev[1]), 0);
	faults = 0;
	dma_set_fault_sink(sink, NULL);
}

static void teardown(void)
{
	dma_set_fault_sink(NULL, NULL);
	iommu_dev_destroy(dev[0]);
	iommu_dev_destroy(dev[1]);
	iommu_destroy(unit);
}

static struct pi_desc desc;
static char vapic[VAPIC_PAGE_SIZE] __attribute__((aligned(VAPIC_PAGE_SIZE)));

static uint32_t alloc(struct iommu_dev *d, unsigned int count)
{
	uint32_t index;

	ck_assert_int_eq(intr_remap_alloc(d, count, &index), 0);
	return index;
}

static struct intr_request request(struct iommu_dev *d, uint64_t addr, uint32_t data)
{
	struct intr_request r;

	intr_remap_request(d, addr, data, &r);
	return r;
}

static void expect_blocked(struct iommu_dev *d, uint64_t addr, uint32_t data,
			   enum dma_fault_reason reason)
{
	unsigned int before = faults;

	ck_assert_int_eq(request(d, addr, data).kind, INTR_BLOCKED);
	ck_assert_uint_eq(faults, before + 1);
	ck_assert_int_eq(last.reason, reason);
	ck_assert_uint_eq(last.iova, addr);
	ck_assert(last.write);
	ck_assert_uint_eq(last.rid, d == dev[0] ? 0x0100 : 0x0208);
}

START_TEST(intel_bits)
{
	struct irq_post_target target = { .pi_desc = &desc, .vector = 0x51, .urgent = true };
	uint64_t at = (uintptr_t)&desc, e[2];
	struct intr_msg msg;
	uint32_t index;

	setup(INTEL);
	index = alloc(dev[1], 1);
	intr_remap_read(dev[1], index, e);
	ck_assert_uint_eq(e[0] | e[1], 0);
	intr_remap_set(dev[1], index, 0x7, 0x41);
	intr_remap_read(dev[1], index, e);
	ck_assert_uint_eq(e[0], 0x0000000700410001);
	/* Verified with all 16 bits of the requester. */
	ck_assert_uint_eq(e[1], 0x40208);
	intr_remap_post(dev[1], index, &target);
	intr_remap_read(dev[1], index, e);
	ck_assert_uint_eq(e[0], 0x51c001 | (at & 0xffffffc0) << 32);
	ck_assert_uint_eq(e[1], 0x40208 | at >> 32 << 32);
	intr_remap_clear(dev[1], index);
	intr_remap_read(dev[1], index, e);
	ck_assert_uint_eq(e[0] | e[1], 0);

	msg = intr_remap_msg(dev[1], 0x8005, 0, 0);
	ck_assert_uint_eq(msg.addr, 0xfee000bc);
	ck_assert_uint_eq(msg.data, 0);
	msg = intr_remap_msg(dev[1], 26, 0, 0);
	ck_assert_uint_eq(msg.addr, 0xfee00358);
	/* Without a unit: the APIC and the vector themselves. */
	msg = intr_remap_msg(NULL, INTR_NO_ENTRY, 3, 0x44);
	ck_assert_uint_eq(msg.addr, 0xfee03000);
	ck_assert_uint_eq(msg.data, 0x44);
	teardown();
}
END_TEST

START_TEST(amd_bits)
{
	struct irq_post_target target = {
		.pi_desc = &desc, .vapic = vapic, .vector = 0x51, .vcpu = 0x1234
	};
	uint64_t e[2];
	uint32_t index;

	setup(AMD);
	index = alloc(dev[1], 1);
	intr_remap_set(dev[1], index, 0x12000007, 0x41);
	intr_remap_read(dev[1], index, e);
	ck_assert_uint_eq(e[0], 0x701);
	ck_assert_uint_eq(e[1], 0x1200000000000041);
	atomic_store(&desc.control, PI_CONTROL(0xf2, 0x05000009));
	intr_remap_post(dev[1], index, &target);
	intr_remap_read(dev[1], index, e);
	ck_assert_uint_eq(e[0], 0x00001234000009c1);
	ck_assert_uint_eq(e[1], 0x0500000000000051 | (uintptr_t)vapic);
	ck_assert_uint_eq(intr_remap_msg(dev[1], 77, 0, 0).addr, 0xfee00000);
	ck_assert_uint_eq(intr_remap_msg(dev[1], 77, 0, 0).data, 77);
	teardown();
}
END_TEST

START_TEST(intel_stops_what_is_wrong)
{
	struct intr_request r;
	struct intr_msg msg;
	uint32_t index;

	setup(INTEL);
	index = alloc(dev[0], 4);
	ck_assert_uint_eq(index % 4, 0);
	msg = intr_remap_msg(dev[0], index, 0, 0);
	/* Given out, but absent. */
	expect_blocked(dev[0], msg.addr, 0, DMA_FAULT_INTR_ABSENT);
	ck_assert_uint_eq(last.index, index);
	intr_remap_set(dev[0], index + 2, 3, 0x61);
	r = request(dev[0], msg.addr, 2);
	ck_assert_int_eq(r.kind, INTR_VECTOR);
	ck_assert_uint_eq(r.dest, 3);
	ck_assert_uint_eq(r.vector, 0x61);
	ck_assert_uint_eq(r.index, index + 2);
	/* Another device's. */
	expect_blocked(dev[1], msg.addr, 2, DMA_FAULT_INTR_SOURCE);
	ck_assert_uint_eq(last.index, index + 2);
	ck_assert_ptr_nonnull(strstr(last.what, "another device's"));
	expect_blocked(dev[0], 0xfee00000, 0x61, DMA_FAULT_INTR_COMPAT);
	expect_blocked(dev[0], msg.addr, 0x10002, DMA_FAULT_INTR_RESERVED);
	expect_blocked(dev[0], 0xfeeffffc, 0x8000, DMA_FAULT_INTR_INDEX);
	expect_blocked(dev[0], 0x1000, 2, DMA_FAULT_INTR_RESERVED);
	ck_assert_uint_eq(dma_stats(dev[0])->faults, 5);
	ck_assert_uint_eq(dma_stats(dev[1])->faults, 1);
	/* What is given back is absent. */
	intr_remap_free(dev[0], index, 4);
	expect_blocked(dev[0], msg.addr, 2, DMA_FAULT_INTR_ABSENT);
	teardown();
}
END_TEST

/* Segments have units of their own: the same bus and function elsewhere is another requester. */
START_TEST(intel_segments)
{
	struct iommu_dev *far;
	struct intr_msg msg;
	uint32_t index;

	setup(INTEL);
	ck_assert_int_eq(iommu_dev_create(unit, 0x10100, "0001:01:00.0", &far), 0);
	index = alloc(dev[0], 1);
	intr_remap_set(dev[0], index, 0, 0x41);
	msg = intr_remap_msg(dev[0], index, 0, 0);
	ck_assert_int_eq(request(dev[0], msg.addr, msg.data).kind, INTR_VECTOR);
	ck_assert_int_eq(request(far, msg.addr, msg.data).kind, INTR_BLOCKED);
	iommu_dev_destroy(far);
	teardown();
}
END_TEST

START_TEST(amd_tables_are_the_requesters)
{
	struct intr_request r;
	uint32_t mine, other;

	setup(AMD);
	mine = alloc(dev[0], 1);
	other = alloc(dev[1], 1);
	ck_assert_uint_eq(mine, other);
	ck_assert_uint_ne(alloc(dev[1], 1), other);
	intr_remap_set(dev[0], mine, 1, 0x41);
	intr_remap_set(dev[1], other, 2, 0x42);
	intr_remap_set(dev[1], other + 1, 2, 0x43);
	r = request(dev[0], 0xfee00000, mine);
	ck_assert_int_eq(r.kind, INTR_VECTOR);
	ck_assert_uint_eq(r.vector, 0x41);
	r = request(dev[1], 0xfee00000, other + 1);
	ck_assert_uint_eq(r.vector, 0x43);
	expect_blocked(dev[0], 0xfee00000, other + 1, DMA_FAULT_INTR_ABSENT);
	teardown();
}
END_TEST

START_TEST(entries_run_out)
{
	uint32_t index;

	setup(AMD);
	ck_assert_uint_eq(alloc(dev[0], 1), 0);
	ck_assert_uint_eq(alloc(dev[0], 3), 4);
	ck_assert_uint_eq(alloc(dev[0], 1), 1);
	for (unsigned int i = 5; i < 2048; i++)
		alloc(dev[0], 1);
	ck_assert_int_eq(intr_remap_alloc(dev[0], 1, &index), -ENOSPC);
	intr_remap_free(dev[0], 1022, 4);
	ck_assert_int_eq(intr_remap_alloc(dev[0], 4, &index), -ENOSPC);
	ck_assert_uint_eq(alloc(dev[0], 2), 1022);
	teardown();
}
END_TEST

START_TEST(every_failure_leaves_nothing)
{
	struct iommu_dev *d = NULL;
	unsigned int nth = 0;
	uint32_t index;
	int ret;

	setup(_i ? INTEL : AMD);
	do {
		failpoint_arm(++nth);
		ret = iommu_dev_create(unit, 0x20000 + nth, "dev", &d);
		if (!ret) {
			ret = intr_remap_alloc(d, 1, &index);
			iommu_dev_destroy(d);
		}
	} while (failpoint_fired());
	failpoint_arm(0);
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_gt(nth, 2);
	teardown();
}
END_TEST

/* ---- posting ------------------------------------------------------------------------------- */

static bool post_to(enum iommu_model model, const struct irq_post_target *target, uint32_t index)
{
	struct intr_msg msg = intr_remap_msg(dev[0], index, 0, 0);
	struct intr_request r;

	intr_remap_post(dev[0], index, target);
	r = request(dev[0], msg.addr, msg.data);
	ck_assert_int_eq(r.kind, INTR_POST);
	ck_assert_ptr_eq(r.target, target);
	ck_assert_uint_eq(r.vector, target->vector);
	return intr_post(&r);
}

/* VT-d 5.2.3: the request bit always; ON and a notification when it was clear and SN lets it. */
START_TEST(descriptor)
{
	enum iommu_model model = _i ? INTEL : AMD;
	struct irq_post_target target = { .pi_desc = &desc, .vector = 200 };
	uint64_t requests[4];
	uint32_t index;

	setup(model);
	index = alloc(dev[0], 1);
	memset(&desc, 0, sizeof(desc));
	ck_assert(post_to(model, &target, index));
	ck_assert_uint_eq(desc.pir[3], 1ULL << (200 - 192));
	ck_assert_uint_eq(desc.control, PI_ON);
	target.vector = 64;
	ck_assert(!post_to(model, &target, index));
	ck_assert(pi_take(&desc, requests));
	ck_assert_uint_eq(requests[1], 1);
	ck_assert_uint_eq(requests[3], 1ULL << (200 - 192));
	ck_assert_uint_eq(desc.control | desc.pir[1] | desc.pir[3], 0);
	ck_assert(!pi_take(&desc, requests));
	atomic_store(&desc.control, PI_SN | PI_CONTROL(0xf2, 3));
	ck_assert(!post_to(model, &target, index));
	ck_assert_uint_eq(desc.control, PI_SN | 3ULL << 32 | 0xf20000);
	if (model == INTEL) {
		target.urgent = true;
		ck_assert(post_to(model, &target, index));
		ck_assert_uint_eq(desc.control & 3, PI_ON | PI_SN);
	}
	teardown();
}
END_TEST

START_TEST(backing_page)
{
	struct irq_post_target target = { .pi_desc = &desc, .vapic = vapic, .vector = 0x63 };
	uint32_t index;

	setup(AMD);
	memset(&desc, 0, sizeof(desc));
	memset(vapic, 0, sizeof(vapic));
	index = alloc(dev[0], 1);
	ck_assert(post_to(AMD, &target, index));
	ck_assert(!post_to(AMD, &target, index));
	ck_assert_uint_eq(*(uint32_t *)(vapic + 0x230), 1u << 3);
	ck_assert_uint_eq(desc.pir[1], 0);
	teardown();
}
END_TEST

/* ---- by DMA -------------------------------------------------------------------------------- */

static struct intr_msg taken;
static unsigned int n_taken;

static void take_msi(void *arg, uint64_t addr, uint32_t data)
{
	ck_assert_ptr_eq(arg, &taken);
	taken = (struct intr_msg){ addr, data };
	n_taken++;
}

START_TEST(messages_by_dma)
{
	uint32_t words[2] = { 0x1234, 0 };
	unsigned int before;
	bool at_dst;

	setup(_i ? INTEL : AMD);
	n_taken = 0;
	/* No bus mastering, no message. */
	iommu_dev_set_msi(dev[0], take_msi, &taken);
	ck_assert_int_eq(dma_write(dev[0], 0xfee00010, words, 4), -EIO);
	ck_assert_int_eq(last.reason, DMA_FAULT_BUS_MASTER);
	dma_set_master(dev[0], true);
	dma_set_master(dev[1], true);
	ck_assert_int_eq(dma_write(dev[0], 0xfee00010, words, 4), 0);
	ck_assert_uint_eq(n_taken, 1);
	ck_assert_uint_eq(taken.addr, 0xfee00010);
	ck_assert_uint_eq(taken.data, 0x1234);
	ck_assert_int_eq(dma_write(dev[0], 0xfeeffffc, words, 4), 0);
	ck_assert_int_eq(dma_zero(dev[0], 0xfee00000, 4), 0);
	ck_assert_uint_eq(n_taken, 3);
	ck_assert_uint_eq(taken.data, 0);
	before = faults;
	/* What is no message is a fault, once. */
	ck_assert_int_eq(dma_write(dev[0], 0xfee00010, words, 8), -EIO);
	ck_assert_int_eq(last.reason, DMA_FAULT_INTR_RESERVED);
	ck_assert_int_eq(dma_write(dev[0], 0xfee00012, words, 4), -EIO);
	ck_assert_int_eq(dma_write(dev[1], 0xfee00010, words, 4), -EIO);
	ck_assert_int_eq(dma_read(dev[0], 0xfee00010, words, 4), -EIO);
	ck_assert_int_eq(last.reason, DMA_FAULT_NO_DOMAIN);
	ck_assert_int_eq(dma_write(dev[0], 0xfedffffc, words, 4), -EIO);
	ck_assert_int_eq(last.reason, DMA_FAULT_NO_DOMAIN);
	ck_assert_int_eq(dma_copy(dev[0], 0xfee00010, 0x1000, 4, &at_dst), -EIO);
	ck_assert(!at_dst);
	ck_assert_uint_eq(faults, before + 6);
	ck_assert_uint_eq(n_taken, 3);
	teardown();
}
END_TEST

/* ---- an entry that changes hands ----------------------------------------------------------- */

/* Until so many messages were another device's; threads that never meet end after ROUNDS. */
#define FOREIGN 20000
#define ROUNDS	1000000

static pthread_barrier_t begin;
static _Atomic uint32_t seen[2]; /* the last entry of each */
static _Atomic unsigned int wrong;

/* Takes an entry, uses it, gives it back; and always sends the other's message, too. One side's
 * holder of its lock is this thread. */
static void *hands(void *arg)
{
	unsigned int me = (unsigned int)(uintptr_t)arg;
	struct intr_msg msg;
	struct intr_request r;
	uint32_t index, other;

	pthread_barrier_wait(&begin);
	for (unsigned int i = 0, foreign = 0; i < ROUNDS && foreign < FOREIGN; i++) {
		if (intr_remap_alloc(dev[me], 1, &index))
			atomic_fetch_add(&wrong, 1);
		intr_remap_set(dev[me], index, 100 + me, (uint8_t)(0x40 + me));
		atomic_store_explicit(&seen[me], index, memory_order_relaxed);
		msg = intr_remap_msg(dev[me], index, 0, 0);
		r = request(dev[me], msg.addr, msg.data);
		if (r.kind != INTR_VECTOR || r.dest != 100 + me || r.vector != 0x40 + me)
			atomic_fetch_add(&wrong, 1);
		/* The other's entry, or what was that until this side got it. */
		other = atomic_load_explicit(&seen[!me], memory_order_relaxed);
		msg = intr_remap_msg(dev[me], other, 0, 0);
		foreign += other != index;
		for (unsigned int n = 0; n < 4; n++)
			if ((request(dev[me], msg.addr, msg.data).kind != INTR_BLOCKED) !=
			    (other == index))
				atomic_fetch_add(&wrong, 1);
		intr_remap_free(dev[me], index, 1);
	}
	return NULL;
}

START_TEST(hands_are_kept_apart)
{
	pthread_t thread[2];

	setup(INTEL);
	dma_set_fault_sink(NULL, NULL);
	pthread_barrier_init(&begin, NULL, 2);
	for (uintptr_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, hands, (void *)i), 0);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	pthread_barrier_destroy(&begin);
	ck_assert_uint_eq(wrong, 0);
	teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("intr_remap");
	TCase *tcase = tcase_create("intr_remap");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, intel_bits);
	tcase_add_test(tcase, amd_bits);
	tcase_add_test(tcase, intel_stops_what_is_wrong);
	tcase_add_test(tcase, intel_segments);
	tcase_add_test(tcase, amd_tables_are_the_requesters);
	tcase_add_test(tcase, entries_run_out);
	tcase_add_loop_test(tcase, every_failure_leaves_nothing, 0, 2);
	tcase_add_loop_test(tcase, descriptor, 0, 2);
	tcase_add_test(tcase, backing_page);
	tcase_add_loop_test(tcase, messages_by_dma, 0, 2);
	tcase_add_test(tcase, hands_are_kept_apart);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
