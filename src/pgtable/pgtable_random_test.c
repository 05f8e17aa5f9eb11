/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random operations on a page table beside a flat array with one word a page: the two must agree
 * after each. UVFIO_TEST_SEED chooses another sequence, UVFIO_STRESS_SECONDS a longer one.
 */
#include "pgtable/pgtable.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGES	(3UL << 18) /* 3 GiB */
#define K4	0x1000ULL
#define PA_BASE 0x7f0000000000ULL

/* The oracle: paddr | prot, 0 for nothing. */
static uint64_t *flat;
static uint64_t rng;

static uint64_t rand64(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* Lengths and alignments of every order of magnitude. */
static size_t rand_pages(size_t max)
{
	size_t n = 1 + rand64() % (1UL << (rand64() % 19));

	if (rand64() % 4 == 0)
		n = ALIGN_UP(n, 512);
	return MIN(n, max);
}

static size_t rand_first(void)
{
	size_t first = rand64() % PAGES;

	switch (rand64() % 4) {
	case 0:
		return ALIGN_DOWN(first, 512);
	case 1:
		return ALIGN_DOWN(first, 262144);
	default:
		return first;
	}
}

static void check_page(struct pgtable *pt, iova_t base, size_t page)
{
	struct pgtable_leaf leaf;
	bool found;

	if (page >= PAGES)
		return;
	found = pgtable_lookup(pt, base + page * K4 + 8, &leaf);
	if (found ? flat[page] && leaf.paddr == (flat[page] & ~(K4 - 1)) + 8 &&
			    leaf.prot == (flat[page] & (K4 - 1)) && leaf.contig >= K4 - 8
		  : !flat[page])
		return;
	ck_abort_msg("page %#zx: %s %#llx prot %u, should be %#llx", page, found ? "is" : "none",
		     found ? (unsigned long long)leaf.paddr : 0, found ? leaf.prot : 0,
		     (unsigned long long)flat[page]);
}

static void do_map(struct pgtable *pt, iova_t base, size_t first, size_t n)
{
	paddr_t paddr = PA_BASE + (rand64() % 2 ? first * K4 : (rand64() & 0xffffffff) * K4);
	unsigned int prot = 1 + (unsigned int)(rand64() % 3);
	int want = 0, ret;
	size_t i;

	for (i = first; i < first + n && !want; i++)
		if (flat[i])
			want = -EEXIST;
	ret = pgtable_map(pt, base + first * K4, paddr, n * K4, prot);
	ck_assert_int_eq(ret, want);
	for (i = 0; !ret && i < n; i++)
		flat[first + i] = (paddr + i * K4) | prot;
}

static void do_unmap(struct pgtable *pt, iova_t base, size_t first, size_t n)
{
	uint64_t want = 0;
	size_t i;

	for (i = first; i < first + n; i++) {
		want += flat[i] ? K4 : 0;
		flat[i] = 0;
	}
	ck_assert_uint_eq(pgtable_unmap(pt, base + first * K4, n * K4), want);
}

static void do_freeze(struct pgtable *pt, iova_t base, size_t first, size_t n)
{
	size_t i;

	pgtable_freeze(pt, base + first * K4, n * K4);
	for (i = first; i < first + n; i++)
		flat[i] |= flat[i] ? PGTABLE_FROZEN : 0;
}

static void do_replace(struct pgtable *pt, iova_t base, size_t first, size_t n)
{
	paddr_t paddr = PA_BASE + (rand64() & 0xffffffff) * K4;
	size_t i;

	pgtable_replace(pt, base + first * K4, n * K4, paddr);
	for (i = 0; i < n; i++)
		if (flat[first + i])
			flat[first + i] = (paddr + i * K4) |
					  (flat[first + i] & (PGTABLE_READ | PGTABLE_WRITE));
}

static void step(struct pgtable *pt, iova_t base)
{
	size_t first = rand_first(), n = rand_pages(PAGES - first), i;

	switch (rand64() % 8) {
	case 0:
	case 1:
	case 2:
		do_map(pt, base, first, n);
		break;
	case 3:
	case 4:
		do_unmap(pt, base, first, n);
		break;
	case 5:
		ck_assert_int_eq(pgtable_split(pt, base + first * K4), 0);
		break;
	case 6:
		do_freeze(pt, base, first, n);
		break;
	default:
		do_replace(pt, base, first, n);
		break;
	}
	if (pgtable_needs_reclaim(pt))
		pgtable_reclaim(pt);
	check_page(pt, base, first);
	check_page(pt, base, first - 1);
	check_page(pt, base, first + n - 1);
	check_page(pt, base, first + n);
	for (i = 0; i < 16; i++)
		check_page(pt, base, first + rand64() % n);
}

START_TEST(against_flat_map)
{
	const char *seed = getenv("UVFIO_TEST_SEED"), *seconds = getenv("UVFIO_STRESS_SECONDS");
	/* Across a boundary of the top levels. */
	iova_t base = BIT_ULL(39) - BIT_ULL(30);
	time_t end = time(NULL) + (seconds ? atoi(seconds) : 0);
	struct pgtable *pt = NULL;
	size_t i, steps = 0;

	rng = seed ? strtoull(seed, NULL, 0) : 0x9e3779b97f4a7c15ULL;
	flat = calloc(PAGES, sizeof(*flat));
	ck_assert_ptr_nonnull(flat);
	ck_assert_int_eq(pgtable_create((enum pgtable_format)_i, 48, &pt), 0);
	do {
		for (i = 0; i < 400; i++)
			step(pt, base);
		for (i = 0; i < PAGES; i++)
			check_page(pt, base, i);
		/* Keep it from filling up. */
		do_unmap(pt, base, 0, PAGES);
		if (pgtable_needs_reclaim(pt))
			pgtable_reclaim(pt);
		ck_assert_uint_le(pgtable_bytes(pt), 160 * K4);
		steps++;
	} while (steps < 3 || time(NULL) < end);
	pgtable_destroy(pt);
	free(flat);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pgtable_random");
	TCase *tc = tcase_create("formats");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, against_flat_map, PGTABLE_AMDV1, PGTABLE_VTDSS + 1);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
