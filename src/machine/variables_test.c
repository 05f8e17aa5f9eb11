/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "machine/variables.h"

#define LIB  "/opt/uvfio/libuvfio-preload.so"
#define MUSL "/opt/uvfio/libuvfio-preload-musl.so"
#define OURS "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=9223372036854775807"
#define TRIM "glibc.malloc.trim_threshold=9223372036854775807"

static char out[1024];

static const char *preload(const char *value, const char *library)
{
	size_t need = variables_preload(value, library, NULL, 0);

	ck_assert_uint_eq(variables_preload(value, library, out, sizeof(out)), need);
	ck_assert_uint_eq(strlen(out), need);
	return out;
}

static const char *settings(const char *value)
{
	size_t need = variables_tunables(value, NULL, 0);

	ck_assert_uint_eq(variables_tunables(value, out, sizeof(out)), need);
	ck_assert_uint_eq(strlen(out), need);
	return out;
}

START_TEST(ours_goes_behind_the_users)
{
	ck_assert_str_eq(preload("", LIB), "LD_PRELOAD=" LIB);
	ck_assert_str_eq(preload("libasan.so.8", LIB), "LD_PRELOAD=libasan.so.8:" LIB);
	ck_assert_str_eq(preload("a.so b.so", LIB), "LD_PRELOAD=a.so:b.so:" LIB);
	ck_assert_str_eq(preload(":", LIB), "LD_PRELOAD=" LIB);
}
END_TEST

START_TEST(other_builds_of_ours_are_left_out)
{
	ck_assert_str_eq(preload("a.so:" LIB, MUSL), "LD_PRELOAD=a.so:" MUSL);
	ck_assert_str_eq(preload(MUSL ":a.so", LIB), "LD_PRELOAD=a.so:" LIB);
	ck_assert_str_eq(preload("/home/me/libuvfio-preload.so", LIB),
			 "LD_PRELOAD=/home/me/libuvfio-preload.so:" LIB);
	variables_without("a.so:" LIB ":b.so " MUSL, LIB, out, sizeof(out));
	ck_assert_str_eq(out, "LD_PRELOAD=a.so:b.so");
}
END_TEST

START_TEST(a_list_has_whole_names_only)
{
	ck_assert(variables_list_has(LIB, LIB));
	ck_assert(variables_list_has("a.so:" LIB " b.so", LIB));
	ck_assert(!variables_list_has(LIB ".bak", LIB));
	ck_assert(!variables_list_has("/x" LIB, LIB));
	ck_assert(!variables_list_has("", LIB));
}
END_TEST

START_TEST(a_short_buffer_is_not_overrun)
{
	char small[8] = "xxxxxxx";

	ck_assert_uint_eq(variables_preload("", LIB, small, 4), strlen("LD_PRELOAD=" LIB));
	ck_assert_str_eq(small, "LD_");
	ck_assert_int_eq(small[4], 'x');
}
END_TEST

START_TEST(the_users_tunables_win)
{
	ck_assert_str_eq(settings(""), "GLIBC_TUNABLES=" OURS);
	ck_assert_str_eq(settings("glibc.malloc.check=3"),
			 "GLIBC_TUNABLES=glibc.malloc.check=3:" OURS);
	ck_assert_str_eq(settings("glibc.malloc.mmap_max=5"),
			 "GLIBC_TUNABLES=glibc.malloc.mmap_max=5:" TRIM);
	ck_assert_str_eq(settings(OURS), "GLIBC_TUNABLES=" OURS);
	ck_assert(variables_tunables_set(OURS));
	ck_assert(!variables_tunables_set("glibc.malloc.mmap_max=5"));
	ck_assert(!variables_tunables_set("glibc.malloc.mmap_max_x=5:" TRIM));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("variables");
	TCase *tc = tcase_create("variables");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, ours_goes_behind_the_users);
	tcase_add_test(tc, other_builds_of_ours_are_left_out);
	tcase_add_test(tc, a_list_has_whole_names_only);
	tcase_add_test(tc, a_short_buffer_is_not_overrun);
	tcase_add_test(tc, the_users_tunables_win);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
