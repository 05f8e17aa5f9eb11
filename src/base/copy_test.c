/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/copy.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"

#define PAGES 4

/* PAGES accessible pages between two guard pages. */
static unsigned char *guarded(int prot)
{
	size_t len = (PAGES + 2) * HOST_PAGE_SIZE;
	unsigned char *p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(p != MAP_FAILED);
	ck_assert_int_eq(mprotect(p + HOST_PAGE_SIZE, PAGES * HOST_PAGE_SIZE, prot), 0);
	return p + HOST_PAGE_SIZE;
}

static void setup(void)
{
	ck_assert_int_eq(fault_init(), 0);
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 7 + i / 251 + 1);
}

static void check_copy(unsigned char *dst, unsigned char *src, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		src[i] = pattern(i);
	memset(dst, 0, len + 1);
	ck_assert_uint_eq(copy_nofault(dst, src, len), 0);
	for (i = 0; i < len; i++)
		ck_assert_uint_eq(dst[i], pattern(i));
	ck_assert_uint_eq(dst[len], 0);
}

START_TEST(test_copy_every_length)
{
	static unsigned char dst[2100 + 16], src[2100 + 16];
	size_t len, off;

	for (len = 0; len < 700; len++)
		for (off = 0; off < 16; off += 5)
			check_copy(dst + off, src + 15 - off, len);
	for (len = 700; len < 2100; len += 13)
		check_copy(dst + 3, src, len);
}
END_TEST

/* The copy runs into the guard page with @left of @len bytes missing. */
static void check_residue(unsigned char *edge, unsigned char *other, size_t len, size_t left,
			  bool store)
{
	unsigned char *dst = store ? edge - (len - left) : other;
	unsigned char *src = store ? other : edge - (len - left);
	size_t i;

	for (i = 0; i < len - left; i++) {
		src[i] = pattern(i);
		dst[i] = 0;
	}
	ck_assert_uint_eq(copy_nofault(dst, src, len), left);
	for (i = 0; i < len - left; i++)
		ck_assert_uint_eq(dst[i], pattern(i));
}

START_TEST(test_copy_residue)
{
	static const size_t lens[] = { 1, 2, 7, 8, 9, 31, 32, 33, 65, 511, 512, 513, 1000, 4096 };
	unsigned char *edge = guarded(PROT_READ | PROT_WRITE) + PAGES * HOST_PAGE_SIZE;
	static unsigned char other[4096 + 8];
	size_t i, left;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (left = 1; left <= lens[i]; left += lens[i] > 600 ? 97 : 1 + lens[i] / 64) {
			check_residue(edge, other, lens[i], left, true);
			check_residue(edge, other + left % 8, lens[i], left, false);
		}
	}
}
END_TEST

START_TEST(test_zero_residue)
{
	unsigned char *edge = guarded(PROT_READ | PROT_WRITE) + PAGES * HOST_PAGE_SIZE;
	size_t len, left, i;

	for (len = 1; len < 600; len += 1 + len / 20) {
		for (left = 0; left <= len; left += 1 + left / 10) {
			memset(edge - 700, 0xff, 700);
			ck_assert_uint_eq(zero_nofault(edge - (len - left), len), left);
			for (i = 1; i <= len - left; i++)
				ck_assert_uint_eq(edge[-(ptrdiff_t)i], 0);
			ck_assert_uint_eq(edge[-(ptrdiff_t)(len - left) - 1], 0xff);
		}
	}
}
END_TEST

START_TEST(test_bad_addresses)
{
	static const uintptr_t bad[] = { 0, 1, 0xffff800000000000, 0x8000000000000000, ~0UL, ~7UL };
	char buf[64] = { 0 };
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(copy_from_user(buf, bad[i], sizeof(buf)), -EFAULT);
		ck_assert_int_eq(copy_to_user(bad[i], buf, sizeof(buf)), -EFAULT);
		ck_assert_int_eq(touch_read(bad[i]), -EFAULT);
		ck_assert_int_eq(touch_write(bad[i]), -EFAULT);
		ck_assert_int_eq(load_nofault(bad[i], 8, &value), -EFAULT);
		ck_assert_int_eq(store_nofault(bad[i], 1, 0), -EFAULT);
		ck_assert_int_eq(copy_from_user(buf, bad[i], 0), 0);
	}
}
END_TEST

START_TEST(test_read_only_page)
{
	unsigned char *p = guarded(PROT_READ);
	uint64_t value = 1;

	ck_assert_int_eq(touch_read((uintptr_t)p), 0);
	ck_assert_int_eq(touch_write((uintptr_t)p), -EFAULT);
	ck_assert_uint_eq(copy_nofault(p, "abcd", 4), 4);
	ck_assert_uint_eq(zero_nofault(p, 5), 5);
	ck_assert_int_eq(load_nofault((uintptr_t)p, 4, &value), 0);
	ck_assert_uint_eq(value, 0);
	ck_assert_int_eq(store_nofault((uintptr_t)p, 4, 1), -EFAULT);
}
END_TEST

START_TEST(test_beyond_end_of_file)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	unsigned char *p, buf[8192];

	ck_assert_int_eq(ftruncate(fd, 100), 0);
	p = mmap(NULL, 2 * HOST_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert(p != MAP_FAILED);
	ck_assert_uint_eq(copy_nofault(buf, p, sizeof(buf)), HOST_PAGE_SIZE);
	ck_assert_uint_eq(copy_nofault(p, buf, sizeof(buf)), HOST_PAGE_SIZE);
	ck_assert_int_eq(touch_write((uintptr_t)p + HOST_PAGE_SIZE), -EFAULT);
	close(fd);
}
END_TEST

START_TEST(test_widths)
{
	static const unsigned int widths[] = { 1, 2, 4, 8 };
	const uint64_t whole = 0x8877665544332211;
	uint64_t memory, value, mask;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		mask = widths[i] == 8 ? ~0ULL : (1ULL << (widths[i] * 8)) - 1;
		memory = whole;
		ck_assert_int_eq(load_nofault((uintptr_t)&memory, widths[i], &value), 0);
		ck_assert_uint_eq(value, whole & mask);
		ck_assert_int_eq(store_nofault((uintptr_t)&memory, widths[i], 0), 0);
		ck_assert_uint_eq(memory, whole & ~mask);
	}
}
END_TEST

START_TEST(test_touch_breaks_sharing)
{
	unsigned char *p = guarded(PROT_READ | PROT_WRITE);
	unsigned char present;

	p[5] = 42;
	ck_assert_int_eq(touch_write((uintptr_t)p + 5), 0);
	ck_assert_uint_eq(p[5], 42);
	ck_assert_int_eq(mincore(p + HOST_PAGE_SIZE, HOST_PAGE_SIZE, &present), 0);
	ck_assert_int_eq(present & 1, 0);
	ck_assert_int_eq(touch_write((uintptr_t)p + HOST_PAGE_SIZE), 0);
	ck_assert_int_eq(mincore(p + HOST_PAGE_SIZE, HOST_PAGE_SIZE, &present), 0);
	ck_assert_int_eq(present & 1, 1);
}
END_TEST

START_TEST(test_errno_is_kept)
{
	char c;

	errno = 77;
	ck_assert_int_eq(copy_from_user(&c, 16, 1), -EFAULT);
	ck_assert_int_eq(errno, 77);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("copy");
	TCase *tcase = tcase_create("copy");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, test_copy_every_length);
	tcase_add_test(tcase, test_copy_residue);
	tcase_add_test(tcase, test_zero_residue);
	tcase_add_test(tcase, test_bad_addresses);
	tcase_add_test(tcase, test_read_only_page);
	tcase_add_test(tcase, test_beyond_end_of_file);
	tcase_add_test(tcase, test_widths);
	tcase_add_test(tcase, test_touch_breaks_sharing);
	tcase_add_test(tcase, test_errno_is_kept);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
