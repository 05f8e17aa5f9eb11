/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's memory in a domain: what is mapped and how, slots that come and go; _i is the enum
 * iommu_model. */
#include "kvm/iommu.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/event.h"
#include "base/failpoint.h"
#include "kvm/assign_fixture.h"

static struct kvm_iommu ki;

static void begin_with(int model, uint64_t memlock)
{
	struct kvm_iommu_env env = { .huge_size = fix_env.huge_size };

	fix_setup(model, memlock);
	env.hm = fix_hm;
	kvm_iommu_init(&ki, fix_kvm, &env);
}

static void begin(int model)
{
	begin_with(model, UINT64_MAX);
	ck_assert_int_eq(kvm_iommu_map_guest(&ki, fix_unit), 0);
	ck_assert_int_eq(kvm_assign_device(&ki, fix_dev[0]), 0);
}

static void end(void)
{
	if (ki.domain)
		kvm_deassign_device(&ki, fix_dev[0]);
	kvm_iommu_exit(&ki);
	ck_assert_uint_eq(hostmem_locked(fix_hm), 0);
	ck_assert(!hostmem_any(fix_hm, 0, 1UL << 47));
	fix_teardown();
}

/* Every page of [@gpa, @gpa + @size) is mapped to @memory, or none when that is NULL. */
static void expect(uint64_t gpa, const void *memory, uint64_t size)
{
	for (uint64_t off = 0; off < size; off += K4)
		ck_assert_uint_eq(iommu_iova_to_phys(ki.domain, gpa + off),
				  memory ? (uintptr_t)memory + off : 0);
}

START_TEST(test_guest)
{
	uint32_t value = 0x12345678, back = 0;
	uint64_t faults;

	begin(_i);
	expect(0, fix_mem, FIX_MEM);
	expect(FIX_MEM, NULL, K4);
	ck_assert_int_eq(fix_dma(0, FIX_MEM - 4, true, &value), 0);
	ck_assert_int_eq(memcmp(fix_mem + FIX_MEM - 4, &value, 4), 0);
	ck_assert_int_eq(fix_dma(0, FIX_MEM - 4, false, &back), 0);
	ck_assert_uint_eq(back, value);
	/* Outside of the guest's memory. */
	faults = dma_fault_count();
	ck_assert_int_eq(fix_dma(0, FIX_MEM, true, &value), -EIO);
	ck_assert_int_eq(fix_dma(0, NOT_MAPPED, false, &back), -EIO);
	ck_assert_uint_eq(dma_fault_count(), faults + 2);
	end();
}
END_TEST

/* Every page since *@seq was entered as one that is aligned for both sides. */
static void expect_aligned(uint64_t *seq)
{
	struct event events[64];
	uint64_t lost = 0;
	size_t n, seen = 0;

	while ((n = event_read(seq, events, ARRAY_SIZE(events), &lost)))
		for (size_t i = 0; i < n; i++, seen++)
			ck_assert(IS_ALIGNED(events[i].a | events[i].c, events[i].b));
	ck_assert_uint_gt(seen, 0);
}

/* How many leaves: tables for 4 KiB pages cost 8 bytes a page. */
START_TEST(test_page_sizes)
{
	size_t small, large;
	uint64_t seq;

	event_switch(1U << EVENT_MAP);
	seq = event_last();
	begin_with(_i, UINT64_MAX);
	ck_assert_int_eq(kvm_iommu_map_guest(&ki, fix_unit), 0);
	small = kvm_iommu_table_bytes(&ki);
	kvm_iommu_unmap_guest(&ki);
	ck_assert_uint_eq(kvm_iommu_table_bytes(&ki), 0);

	fix_huge = M2;
	ck_assert_int_eq(kvm_iommu_map_guest(&ki, fix_unit), 0);
	expect(0, fix_mem, FIX_MEM);
	large = kvm_iommu_table_bytes(&ki);
	ck_assert_uint_eq(small - large, FIX_MEM / M2 * K4);

	/* Guest and host addresses that are not congruent: small pages. */
	ck_assert_int_eq(fix_slot(0, 0, fix_mem, 0, 0), 0);
	ck_assert_int_eq(fix_slot(0, K4, fix_mem, M2, 0), 0);
	expect(0, NULL, K4);
	expect(K4, fix_mem, M2);
	expect(K4 + M2, NULL, K4);
	/* A slot that begins and ends inside of large pages. */
	ck_assert_int_eq(fix_slot(0, K4, fix_mem, 0, 0), 0);
	ck_assert_int_eq(fix_slot(0, K4, fix_mem + K4, FIX_MEM - 2 * K4, 0), 0);
	expect(0, NULL, K4);
	expect(K4, fix_mem + K4, FIX_MEM - 2 * K4);
	expect(FIX_MEM - K4, NULL, K4);
	expect_aligned(&seq);
	fix_huge = 0;
	end();
}
END_TEST

START_TEST(test_slots_follow)
{
	uint32_t value = 1;

	begin(_i);
	/* Added, */
	ck_assert_int_eq(fix_slot(1, NOT_MAPPED, fix_mem, M2, 0), 0);
	expect(NOT_MAPPED, fix_mem, M2);
	/* moved, */
	ck_assert_int_eq(fix_slot(1, NOT_MAPPED + M2, fix_mem, M2, 0), 0);
	expect(NOT_MAPPED, NULL, M2);
	expect(NOT_MAPPED + M2, fix_mem, M2);
	/* flags alone, */
	ck_assert_int_eq(fix_slot(1, NOT_MAPPED + M2, fix_mem, M2, KVM_MEM_LOG_DIRTY_PAGES), 0);
	expect(NOT_MAPPED + M2, fix_mem, M2);
	/* deleted. */
	ck_assert_int_eq(fix_slot(1, NOT_MAPPED + M2, fix_mem, 0, 0), 0);
	expect(NOT_MAPPED + M2, NULL, M2);
	ck_assert_int_eq(fix_dma(0, NOT_MAPPED + M2, true, &value), -EIO);
	expect(0, fix_mem, FIX_MEM);
	end();
}
END_TEST

/* Pages that cannot be pinned are left out, those around them are not. */
START_TEST(test_holes)
{
	begin_with(_i, UINT64_MAX);
	ck_assert_int_eq(mprotect(fix_mem + 5 * K4, K4, PROT_NONE), 0);
	ck_assert_int_eq(munmap(fix_mem + M2, 3 * K4), 0);
	ck_assert_int_eq(kvm_iommu_map_guest(&ki, fix_unit), 0);
	expect(0, fix_mem, 5 * K4);
	expect(5 * K4, NULL, K4);
	expect(6 * K4, fix_mem + 6 * K4, M2 - 6 * K4);
	expect(M2, NULL, 3 * K4);
	expect(M2 + 3 * K4, fix_mem + M2 + 3 * K4, FIX_MEM - M2 - 3 * K4);
	end();
}
END_TEST

START_TEST(test_read_only)
{
	char *rom = mmap(NULL, K4, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t value = 7;

	begin(_i);
	ck_assert_int_eq(fix_slot(1, NOT_MAPPED, rom, K4, KVM_MEM_READONLY), 0);
	ck_assert_int_eq(fix_dma(0, NOT_MAPPED, false, &value), 0);
	ck_assert_uint_eq(value, 0);
	ck_assert_int_eq(fix_dma(0, NOT_MAPPED, true, &value), -EIO);
	/* Memory that cannot be written is no memory for a slot that can. */
	ck_assert_int_eq(fix_slot(2, NOT_MAPPED + K4, rom, K4, 0), 0);
	ck_assert_int_eq(fix_dma(0, NOT_MAPPED + K4, false, &value), -EIO);
	end();
	munmap(rom, K4);
}
END_TEST

/* What the program unmaps stays the guest's, as pinned pages do. */
START_TEST(test_unmapped)
{
	uint32_t value = 0xfeed, back = 0;

	begin(_i);
	memcpy(fix_mem + K4, &value, 4);
	hostmem_will_unmap(fix_hm, (uintptr_t)fix_mem, M2);
	ck_assert_int_eq(munmap(fix_mem, M2), 0);
	ck_assert_int_eq(fix_dma(0, K4, false, &back), 0);
	ck_assert_uint_eq(back, value);
	ck_assert_int_eq(fix_slot(0, 0, fix_mem, 0, 0), 0);
	ck_assert_int_eq(fix_dma(0, K4, false, &back), -EIO);
	end();
}
END_TEST

START_TEST(test_memlock)
{
	begin_with(_i, K4);
	ck_assert_int_eq(kvm_iommu_map_guest(&ki, fix_unit), 0);
	expect(0, fix_mem, FIX_MEM);
	ck_assert_uint_eq(hostmem_locked(fix_hm), 0);
	end();
}
END_TEST

START_TEST(test_attach_errors)
{
	struct iommu_domain *other;

	begin_with(_i, UINT64_MAX);
	ck_assert_int_eq(kvm_iommu_map_guest(&ki, NULL), -ENODEV);
	ck_assert(!kvm_iommu_mapped(&ki));
	ck_assert_int_eq(kvm_iommu_map_guest(&ki, fix_unit), 0);
	/* Somebody else's. */
	ck_assert_int_eq(iommu_domain_create(fix_unit, &other), 0);
	ck_assert_int_eq(iommu_attach_group(other, fix_group[0]), 0);
	ck_assert_int_eq(kvm_assign_device(&ki, fix_dev[0]), -EBUSY);
	iommu_detach_group(other, fix_group[0]);
	iommu_domain_destroy(other);
	/* Not alone in its group. */
	iommu_group_remove_device(fix_dev[1]->iommu);
	iommu_group_add_device(fix_group[0], fix_dev[1]->iommu);
	ck_assert_int_eq(kvm_assign_device(&ki, fix_dev[0]), -EINVAL);
	iommu_group_remove_device(fix_dev[1]->iommu);
	/* Without a group. */
	ck_assert_int_eq(kvm_assign_device(&ki, fix_dev[1]), -ENODEV);
	ck_assert_int_eq(kvm_assign_device(&ki, fix_dev[0]), 0);
	/* Two devices, one domain. */
	ck_assert_int_eq(kvm_assign_device(&ki, fix_dev[2]), 0);
	fix_mem[8] = 42;
	for (unsigned int i = 0; i < 3; i += 2) {
		uint32_t value = 0;

		ck_assert_int_eq(fix_dma(i, 8, false, &value), 0);
		ck_assert_uint_eq(value, 42);
	}
	kvm_deassign_device(&ki, fix_dev[2]);
	ck_assert_int_eq(fix_dma(2, 8, false, &(uint32_t){ 0 }), -EIO);
	ck_assert_int_eq(fix_dma(0, 8, false, &(uint32_t){ 0 }), 0);
	end();
}
END_TEST

/* Every allocation fails once; nothing stays behind. */
START_TEST(test_no_memory)
{
	unsigned int n;
	int ret = -1;

	begin_with(_i, UINT64_MAX);
	for (n = 1; ret; n++) {
		failpoint_arm(n);
		ret = kvm_iommu_map_guest(&ki, fix_unit);
		failpoint_arm(0);
		if (!ret)
			break;
		ck_assert_int_eq(ret, -ENOMEM);
		ck_assert(!kvm_iommu_mapped(&ki));
		ck_assert(!hostmem_any(fix_hm, (uintptr_t)fix_mem, FIX_MEM));
	}
	ck_assert_uint_gt(n, 2);
	expect(0, fix_mem, FIX_MEM);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kvm_iommu");
	TCase *tc = tcase_create("iommu");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_guest, 0, 2);
	tcase_add_loop_test(tc, test_page_sizes, 0, 2);
	tcase_add_loop_test(tc, test_slots_follow, 0, 2);
	tcase_add_loop_test(tc, test_holes, 0, 2);
	tcase_add_loop_test(tc, test_read_only, 0, 2);
	tcase_add_loop_test(tc, test_unmapped, 0, 2);
	tcase_add_loop_test(tc, test_memlock, 0, 2);
	tcase_add_loop_test(tc, test_attach_errors, 0, 2);
	tcase_add_loop_test(tc, test_no_memory, 0, 2);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
