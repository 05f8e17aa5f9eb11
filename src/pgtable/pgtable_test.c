/* SPDX-License-Identifier: BSD-3-Clause */
/* The walker, the same tests for each format (_i is the enum pgtable_format). */
#include "pgtable/pgtable.h"

#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/failpoint.h"

#define RW (PGTABLE_READ | PGTABLE_WRITE)
#define K4 0x1000ULL
#define M2 0x200000ULL
#define G1 0x40000000ULL
#define PA 0x7f0000000000ULL

static struct pgtable *new_table(int format, unsigned int bits)
{
	struct pgtable *pt = NULL;

	ck_assert_int_eq(pgtable_create((enum pgtable_format)format, bits, &pt), 0);
	return pt;
}

static void expect(struct pgtable *pt, iova_t iova, paddr_t paddr, uint64_t contig,
		   unsigned int prot)
{
	struct pgtable_leaf leaf;

	ck_assert_msg(pgtable_lookup(pt, iova, &leaf), "nothing at %#llx",
		      (unsigned long long)iova);
	ck_assert_uint_eq(leaf.paddr, paddr);
	ck_assert_uint_eq(leaf.contig, contig);
	ck_assert_uint_eq(leaf.prot, prot);
}

static void expect_none(struct pgtable *pt, iova_t iova)
{
	struct pgtable_leaf leaf;

	ck_assert(!pgtable_lookup(pt, iova, &leaf));
}

START_TEST(map_one_page)
{
	struct pgtable *pt = new_table(_i, 48);

	expect_none(pt, 0x1000);
	ck_assert_int_eq(pgtable_map(pt, 0x1000, PA + 0x5000, K4, RW), 0);
	expect(pt, 0x1000, PA + 0x5000, K4, RW);
	expect(pt, 0x1abc, PA + 0x5abc, K4 - 0xabc, RW);
	expect_none(pt, 0xfff);
	expect_none(pt, 0x2000);
	ck_assert_int_eq(pgtable_map(pt, 0x1000, PA, K4, RW), -EEXIST);
	expect(pt, 0x1000, PA + 0x5000, K4, RW);
	ck_assert_uint_eq(pgtable_unmap(pt, 0x1000, K4), K4);
	expect_none(pt, 0x1000);
	ck_assert_uint_eq(pgtable_unmap(pt, 0x1000, K4), 0);
	pgtable_destroy(pt);
}
END_TEST

START_TEST(permissions)
{
	struct pgtable *pt = new_table(_i, 48);

	ck_assert_int_eq(pgtable_map(pt, 0, PA, K4, PGTABLE_READ), 0);
	ck_assert_int_eq(pgtable_map(pt, K4, PA, K4, PGTABLE_WRITE), 0);
	ck_assert_int_eq(pgtable_map(pt, 2 * K4, PA, K4, 0), -EINVAL);
	expect(pt, 0, PA, K4, PGTABLE_READ);
	expect(pt, K4, PA, K4, PGTABLE_WRITE);
	pgtable_destroy(pt);
}
END_TEST

START_TEST(bad_ranges)
{
	struct pgtable *pt = new_table(_i, 48);

	ck_assert_int_eq(pgtable_map(pt, 0, PA, 0, RW), -EINVAL);
	ck_assert_int_eq(pgtable_map(pt, 1, PA, K4, RW), -EINVAL);
	ck_assert_int_eq(pgtable_map(pt, 0, PA + 1, K4, RW), -EINVAL);
	ck_assert_int_eq(pgtable_map(pt, 0, PA, K4 + 1, RW), -EINVAL);
	ck_assert_int_eq(pgtable_map(pt, BIT_ULL(48), PA, K4, RW), -ERANGE);
	ck_assert_int_eq(pgtable_map(pt, BIT_ULL(48) - K4, PA, 2 * K4, RW), -ERANGE);
	ck_assert_int_eq(pgtable_map(pt, ~0xfffULL, PA, 2 * K4, RW), -ERANGE);
	ck_assert_int_eq(pgtable_map(pt, BIT_ULL(48) - K4, PA, K4, RW), 0);
	expect(pt, BIT_ULL(48) - 1, PA + 0xfff, 1, RW);
	expect_none(pt, BIT_ULL(48));
	expect_none(pt, ~0ULL);
	ck_assert_uint_eq(pgtable_unmap(pt, 0, ~0xfffULL), K4);
	pgtable_destroy(pt);
}
END_TEST

START_TEST(widths)
{
	struct pgtable *pt = NULL;

	ck_assert_int_eq(pgtable_create((enum pgtable_format)_i, 40, &pt), -EINVAL);
	ck_assert_int_eq(pgtable_create((enum pgtable_format)_i, 64, &pt),
			 _i == PGTABLE_AMDV1 ? 0 : -EINVAL);
	pgtable_destroy(pt);
	for (unsigned int bits = 39; bits <= 57; bits += 9) {
		pt = new_table(_i, bits);
		ck_assert_int_eq(pgtable_map(pt, BIT_ULL(bits) - K4, PA, K4, RW), 0);
		expect(pt, BIT_ULL(bits) - K4, PA, K4, RW);
		ck_assert_int_eq(pgtable_map(pt, BIT_ULL(bits), PA, K4, RW), -ERANGE);
		pgtable_destroy(pt);
	}
}
END_TEST

/* A tree that grows upwards keeps what it had. */
START_TEST(top_grows)
{
	struct pgtable *pt = new_table(PGTABLE_AMDV1, 64);

	ck_assert_int_eq(pgtable_map(pt, 0x3000, PA, K4, RW), 0);
	ck_assert_int_eq(pgtable_map(pt, BIT_ULL(40), PA + K4, K4, RW), 0);
	ck_assert_int_eq(pgtable_map(pt, ~0xfffULL, PA + 2 * K4, K4, RW), 0);
	expect(pt, 0x3000, PA, K4, RW);
	expect(pt, BIT_ULL(40), PA + K4, K4, RW);
	expect(pt, ~0xfffULL, PA + 2 * K4, K4, RW);
	expect_none(pt, BIT_ULL(63));
	ck_assert_uint_eq(pgtable_unmap(pt, 0, ~0ULL), 3 * K4);
	expect_none(pt, 0x3000);
	expect_none(pt, ~0xfffULL);
	pgtable_destroy(pt);
}
END_TEST

START_TEST(large_leaves)
{
	struct pgtable *pt = new_table(_i, 48);

	ck_assert_int_eq(pgtable_map(pt, M2, PA + M2, M2, RW), 0);
	expect(pt, M2 + 5, PA + M2 + 5, M2 - 5, RW);
	ck_assert_int_eq(pgtable_map(pt, G1, PA, G1, RW), 0);
	expect(pt, G1 + M2 + 7, PA + M2 + 7, G1 - M2 - 7, RW);
	/* Not congruent: small leaves. */
	ck_assert_int_eq(pgtable_map(pt, 4 * G1, PA + K4, M2, RW), 0);
	expect(pt, 4 * G1, PA + K4, K4, RW);
	/* A head, large leaves, and a tail. */
	ck_assert_int_eq(pgtable_map(pt, 8 * G1 - K4, PA - K4, G1 + M2 + 2 * K4, PGTABLE_READ), 0);
	expect(pt, 8 * G1 - K4, PA - K4, K4, PGTABLE_READ);
	expect(pt, 8 * G1, PA, G1, PGTABLE_READ);
	expect(pt, 9 * G1, PA + G1, M2, PGTABLE_READ);
	expect(pt, 9 * G1 + M2, PA + G1 + M2, K4, PGTABLE_READ);
	expect_none(pt, 9 * G1 + M2 + K4);
	ck_assert_uint_eq(pgtable_unmap(pt, 0, BIT_ULL(48)), M2 + G1 + M2 + G1 + M2 + 2 * K4);
	pgtable_destroy(pt);
}
END_TEST

START_TEST(partial_unmap_splits)
{
	struct pgtable *pt = new_table(_i, 48);

	ck_assert_int_eq(pgtable_map(pt, G1, PA, G1, PGTABLE_READ), 0);
	ck_assert_uint_eq(pgtable_unmap(pt, G1 + M2 + K4, K4), K4);
	expect(pt, G1, PA, M2, PGTABLE_READ);
	expect(pt, G1 + M2, PA + M2, K4, PGTABLE_READ);
	expect_none(pt, G1 + M2 + K4);
	expect(pt, G1 + M2 + 2 * K4, PA + M2 + 2 * K4, K4, PGTABLE_READ);
	expect(pt, G1 + 2 * M2, PA + 2 * M2, M2, PGTABLE_READ);
	ck_assert_uint_eq(pgtable_unmap(pt, 0, 4 * G1), G1 - K4);
	pgtable_destroy(pt);
}
END_TEST

START_TEST(split_makes_a_boundary)
{
	struct pgtable *pt = new_table(_i, 48);

	ck_assert_int_eq(pgtable_map(pt, G1, PA, G1, RW), 0);
	ck_assert_int_eq(pgtable_split(pt, G1), 0);
	expect(pt, G1, PA, G1, RW);
	ck_assert_int_eq(pgtable_split(pt, G1 + M2), 0);
	expect(pt, G1 + M2, PA + M2, M2, RW);
	ck_assert_int_eq(pgtable_split(pt, G1 + M2 + K4), 0);
	expect(pt, G1 + M2 + K4, PA + M2 + K4, K4, RW);
	expect(pt, G1 + 2 * M2, PA + 2 * M2, M2, RW);
	ck_assert_int_eq(pgtable_split(pt, 7 * G1 + K4), 0);
	expect_none(pt, 7 * G1);
	pgtable_destroy(pt);
}
END_TEST

/* What did not fit leaves nothing behind, and nothing of others' is lost. */
START_TEST(failed_map_is_undone)
{
	struct pgtable *pt = new_table(_i, 48);

	ck_assert_int_eq(pgtable_map(pt, 4 * M2 + 5 * K4, PA, K4, RW), 0);
	ck_assert_int_eq(pgtable_map(pt, M2 - K4, PA - K4, 4 * M2, RW), -EEXIST);
	for (iova_t iova = 0; iova < 8 * M2; iova += K4) {
		if (iova == 4 * M2 + 5 * K4)
			expect(pt, iova, PA, K4, RW);
		else
			expect_none(pt, iova);
	}
	/* A large leaf over a table with one page in it, and the other way round. */
	ck_assert_int_eq(pgtable_map(pt, 4 * M2, PA, M2, RW), -EEXIST);
	ck_assert_int_eq(pgtable_map(pt, 6 * M2, PA, M2, RW), 0);
	ck_assert_int_eq(pgtable_map(pt, 6 * M2 + K4, PA, K4, RW), -EEXIST);
	ck_assert_int_eq(pgtable_map(pt, 0, PA, G1, RW), -EEXIST);
	expect(pt, 6 * M2, PA, M2, RW);
	pgtable_destroy(pt);
}
END_TEST

/* Empty tables do not stand in the way of a large leaf. */
START_TEST(large_leaf_over_empty_tables)
{
	struct pgtable *pt = new_table(_i, 48);

	for (unsigned int i = 0; i < 8; i++)
		ck_assert_int_eq(pgtable_map(pt, G1 + i * 3 * M2, PA, K4, RW), 0);
	ck_assert_uint_eq(pgtable_unmap(pt, G1, G1), 8 * K4);
	ck_assert_int_eq(pgtable_map(pt, G1, PA, G1, RW), 0);
	expect(pt, G1 + M2, PA + M2, G1 - M2, RW);
	ck_assert_uint_eq(pgtable_unmap(pt, G1, G1), G1);
	ck_assert_int_eq(pgtable_map(pt, G1, PA, K4, RW), 0);
	expect(pt, G1, PA, K4, RW);
	pgtable_destroy(pt);
}
END_TEST

/* A table that was empty for a moment is not among those that may go. */
START_TEST(used_again_is_kept)
{
	struct pgtable *pt = new_table(_i, 48);

	ck_assert_int_eq(pgtable_map(pt, G1, PA, K4, RW), 0);
	ck_assert_uint_eq(pgtable_unmap(pt, G1, K4), K4);
	ck_assert_int_eq(pgtable_map(pt, G1, PA, M2, RW), 0);
	for (iova_t i = 2; i < 200; i++)
		ck_assert_int_eq(pgtable_map(pt, i * G1, PA, K4, RW), 0);
	ck_assert_uint_eq(pgtable_unmap(pt, 2 * G1, 198 * G1), 198 * K4);
	ck_assert(pgtable_needs_reclaim(pt));
	pgtable_reclaim(pt);
	expect(pt, G1, PA, M2, RW);
	pgtable_destroy(pt);
}
END_TEST

START_TEST(freeze_and_replace)
{
	struct pgtable *pt = new_table(_i, 48);

	ck_assert_int_eq(pgtable_map(pt, M2, PA, 4 * M2, PGTABLE_READ), 0);
	pgtable_freeze(pt, 2 * M2 + K4, 2 * K4);
	expect(pt, 2 * M2, PA + M2, K4, PGTABLE_READ);
	expect(pt, 2 * M2 + K4, PA + M2 + K4, K4, PGTABLE_READ | PGTABLE_FROZEN);
	expect(pt, 2 * M2 + 3 * K4, PA + M2 + 3 * K4, K4, PGTABLE_READ);
	pgtable_replace(pt, 2 * M2 + K4, 2 * K4, PA + G1);
	expect(pt, 2 * M2 + K4, PA + G1, K4, PGTABLE_READ);
	expect(pt, 2 * M2 + 2 * K4, PA + G1 + K4, K4, PGTABLE_READ);
	expect(pt, M2, PA, M2, PGTABLE_READ);
	/* A large leaf stays one when the new place allows it, and not otherwise. */
	pgtable_freeze(pt, M2, M2);
	expect(pt, M2, PA, M2, PGTABLE_READ | PGTABLE_FROZEN);
	pgtable_replace(pt, M2, M2, PA + 2 * G1);
	expect(pt, M2, PA + 2 * G1, M2, PGTABLE_READ);
	pgtable_freeze(pt, M2, M2);
	pgtable_replace(pt, M2, M2, PA + 2 * G1 + K4);
	expect(pt, M2, PA + 2 * G1 + K4, K4, PGTABLE_READ);
	expect(pt, 2 * M2 - K4, PA + 2 * G1 + M2, K4, PGTABLE_READ);
	/* Splitting keeps the mark. */
	pgtable_freeze(pt, 3 * M2, M2);
	ck_assert_int_eq(pgtable_split(pt, 3 * M2 + K4), 0);
	expect(pt, 3 * M2 + K4, PA + 2 * M2 + K4, K4, PGTABLE_READ | PGTABLE_FROZEN);
	ck_assert_uint_eq(pgtable_unmap(pt, 0, G1), 4 * M2);
	pgtable_destroy(pt);
}
END_TEST

/* What a walk cache does with a reference. */
static bool through_ref(struct pgtable *pt, const struct pgtable_ref *ref, iova_t iova, bool write,
			paddr_t *paddr)
{
	struct pgtable_bits bits = pgtable_bits(pt);
	uint64_t entry = atomic_load(&ref->table[(iova >> 12) & ref->mask]);
	uint64_t need = ref->set | bits.need[write];

	if ((entry & (need | bits.clear)) != need)
		return false;
	*paddr = (entry & bits.addr) + (iova & ref->page_mask);
	return true;
}

START_TEST(references)
{
	struct pgtable *pt = new_table(_i, 48);
	struct pgtable_leaf leaf;
	struct pgtable_ref small, large, huge;
	paddr_t paddr = 0;

	ck_assert_int_eq(pgtable_map(pt, M2, PA, 3 * K4, PGTABLE_READ), 0);
	ck_assert_int_eq(pgtable_map(pt, 2 * M2, PA, M2, RW), 0);
	ck_assert_int_eq(pgtable_map(pt, G1, PA, G1, RW), 0);
	ck_assert(pgtable_lookup_ref(pt, M2, &leaf, &small));
	ck_assert(pgtable_lookup_ref(pt, 2 * M2, &leaf, &large));
	ck_assert(pgtable_lookup_ref(pt, G1, &leaf, &huge));

	ck_assert(through_ref(pt, &small, M2 + K4 + 3, false, &paddr));
	ck_assert_uint_eq(paddr, PA + K4 + 3);
	ck_assert(!through_ref(pt, &small, M2 + K4, true, &paddr));
	ck_assert(!through_ref(pt, &small, M2 + 3 * K4, false, &paddr));
	ck_assert(through_ref(pt, &large, 2 * M2 + 0x12345, true, &paddr));
	ck_assert_uint_eq(paddr, PA + 0x12345);
	ck_assert(through_ref(pt, &huge, G1 + 0x1234567, true, &paddr));
	ck_assert_uint_eq(paddr, PA + 0x1234567);

	/* The leaf is read again each time: changes need no invalidation. */
	pgtable_freeze(pt, M2, K4);
	ck_assert(!through_ref(pt, &small, M2, false, &paddr));
	pgtable_replace(pt, M2, K4, PA + G1);
	ck_assert(through_ref(pt, &small, M2, false, &paddr));
	ck_assert_uint_eq(paddr, PA + G1);
	ck_assert_uint_eq(pgtable_unmap(pt, M2, 3 * K4), 3 * K4);
	ck_assert(!through_ref(pt, &small, M2, false, &paddr));
	ck_assert_int_eq(pgtable_split(pt, 2 * M2 + K4), 0);
	ck_assert(!through_ref(pt, &large, 2 * M2, true, &paddr));
	ck_assert_int_eq(pgtable_split(pt, G1 + M2), 0);
	ck_assert(!through_ref(pt, &huge, G1, true, &paddr));
	pgtable_destroy(pt);
}
END_TEST

START_TEST(decode)
{
	struct pgtable *pt = new_table(_i, 48);
	struct pgtable_leaf leaf;
	struct pgtable_ref ref;

	ck_assert_int_eq(pgtable_map(pt, M2, PA, M2, RW), 0);
	ck_assert(pgtable_lookup_ref(pt, M2, &leaf, &ref));
	ck_assert(pgtable_decode(pt, atomic_load(ref.table), M2 + 9, M2, &leaf));
	ck_assert_uint_eq(leaf.paddr, PA + 9);
	ck_assert_uint_eq(leaf.contig, M2 - 9);
	ck_assert_uint_eq(leaf.prot, RW);
	ck_assert(!pgtable_decode(pt, 0, M2, M2, &leaf));
	ck_assert_int_eq(pgtable_split(pt, M2 + K4), 0);
	ck_assert(!pgtable_decode(pt, atomic_load(ref.table), M2, M2, &leaf));
	pgtable_destroy(pt);
}
END_TEST

/* Scattered pages come and go: tables are given back, and used again. */
START_TEST(tables_are_reclaimed)
{
	struct pgtable *pt = new_table(_i, 48);
	size_t full, rounds = 0;

	for (; rounds < 3; rounds++) {
		for (iova_t i = 0; i < 1000; i++)
			ck_assert_int_eq(pgtable_map(pt, i * G1, PA, K4, RW), 0);
		full = pgtable_bytes(pt);
		ck_assert_uint_ge(full, 2000 * K4);
		ck_assert_uint_eq(pgtable_unmap(pt, 0, BIT_ULL(48)), 1000 * K4);
		ck_assert(pgtable_needs_reclaim(pt));
		pgtable_reclaim(pt);
		ck_assert(!pgtable_needs_reclaim(pt));
		ck_assert_uint_le(pgtable_bytes(pt), 70 * K4);
	}
	/* One page in and out frees nothing. */
	for (rounds = 0; rounds < 1000; rounds++) {
		ck_assert_int_eq(pgtable_map(pt, 5 * G1, PA, K4, RW), 0);
		ck_assert_uint_eq(pgtable_unmap(pt, 5 * G1, K4), K4);
		ck_assert(!pgtable_needs_reclaim(pt));
	}
	pgtable_destroy(pt);
}
END_TEST

/* Each allocation of a map fails once: nothing stays mapped, and the same map works afterwards. */
START_TEST(no_memory_for_a_map)
{
	/* A head of small leaves, a large one, a tail: tables at every level. */
	const iova_t iova = 3 * G1 - 2 * K4, size = G1 + M2 + 4 * K4;
	unsigned int nth;

	for (nth = 1;; nth++) {
		struct pgtable *pt = new_table(_i, 48);
		int ret;

		failpoint_arm(nth);
		ret = pgtable_map(pt, iova, PA - 2 * K4, size, RW);
		failpoint_arm(0);
		if (!ret) {
			pgtable_destroy(pt);
			break;
		}
		ck_assert_int_eq(ret, -ENOMEM);
		ck_assert_uint_eq(pgtable_unmap(pt, 0, BIT_ULL(48)), 0);
		ck_assert_int_eq(pgtable_map(pt, iova, PA - 2 * K4, size, RW), 0);
		expect(pt, 3 * G1, PA, G1, RW);
		ck_assert_uint_eq(pgtable_unmap(pt, 0, BIT_ULL(48)), size);
		pgtable_destroy(pt);
	}
	ck_assert_uint_gt(nth, 4);
}
END_TEST

/* Without memory for a split, what cannot be told apart is cleared: never left behind. */
START_TEST(no_memory_for_a_split)
{
	struct pgtable *pt = new_table(_i, 48);

	ck_assert_int_eq(pgtable_map(pt, M2, PA, 3 * M2, RW), 0);
	failpoint_arm(1);
	ck_assert_int_eq(pgtable_split(pt, M2 + K4), -ENOMEM);
	expect(pt, M2, PA, M2, RW);
	failpoint_arm(1);
	ck_assert_uint_eq(pgtable_unmap(pt, M2 + K4, K4), K4);
	expect_none(pt, M2);
	failpoint_arm(1);
	pgtable_freeze(pt, 2 * M2 + K4, K4);
	expect_none(pt, 2 * M2 + K4);
	pgtable_freeze(pt, 3 * M2, M2);
	failpoint_arm(1);
	pgtable_replace(pt, 3 * M2, M2, PA + K4);
	expect_none(pt, 3 * M2);
	failpoint_arm(0);
	ck_assert_uint_eq(pgtable_unmap(pt, 0, G1), 0);
	pgtable_destroy(pt);
}
END_TEST

START_TEST(page_sizes)
{
	ck_assert_uint_eq(pgtable_pgsizes((enum pgtable_format)_i), K4 | M2 | G1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pgtable");
	TCase *tc = tcase_create("formats");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, map_one_page, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, permissions, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, bad_ranges, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, widths, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, large_leaves, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, partial_unmap_splits, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, split_makes_a_boundary, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, failed_map_is_undone, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, large_leaf_over_empty_tables, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, used_again_is_kept, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, freeze_and_replace, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, references, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, decode, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, tables_are_reclaimed, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, no_memory_for_a_map, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, no_memory_for_a_split, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_loop_test(tc, page_sizes, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	tcase_add_test(tc, top_grows);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
