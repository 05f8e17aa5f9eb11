/* SPDX-License-Identifier: BSD-3-Clause */
#include "preload/bpf.h"

#include <check.h>
#include <linux/audit.h>
#include <stddef.h>
#include <stdlib.h>

#define NR   ((uint32_t)offsetof(struct seccomp_data, nr))
#define ARCH ((uint32_t)offsetof(struct seccomp_data, arch))
#define ARG0 ((uint32_t)offsetof(struct seccomp_data, args))

static const struct seccomp_data data = { .nr = 39,
					  .arch = AUDIT_ARCH_X86_64,
					  .args = { 0x1122334455667788 } };

#define RUN(...)                                       \
	bpf_run((struct sock_filter[]){ __VA_ARGS__ }, \
		sizeof((struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter), &data)
#define LOAD(off)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, off)
#define RET_A	   BPF_STMT(BPF_RET | BPF_A, 0)
#define RET(k)	   BPF_STMT(BPF_RET | BPF_K, k)
#define ALU(op, k) BPF_STMT(BPF_ALU | (op) | BPF_K, k)

START_TEST(it_loads_what_the_call_is)
{
	ck_assert_uint_eq(RUN(LOAD(NR), RET_A), 39);
	ck_assert_uint_eq(RUN(LOAD(ARCH), RET_A), AUDIT_ARCH_X86_64);
	ck_assert_uint_eq(RUN(LOAD(ARG0), RET_A), 0x55667788);
	ck_assert_uint_eq(RUN(LOAD(ARG0 + 4), RET_A), 0x11223344);
	ck_assert_uint_eq(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), RET_A), 64);
}
END_TEST

START_TEST(it_jumps)
{
	ck_assert_uint_eq(
		RUN(LOAD(NR), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 39, 1, 0), RET(1), RET(2)), 2);
	ck_assert_uint_eq(
		RUN(LOAD(NR), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 39, 1, 0), RET(1), RET(2)), 1);
	ck_assert_uint_eq(
		RUN(LOAD(NR), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 39, 0, 1), RET(1), RET(2)), 1);
	ck_assert_uint_eq(
		RUN(LOAD(NR), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4, 0, 1), RET(1), RET(2)), 1);
	ck_assert_uint_eq(RUN(BPF_STMT(BPF_JMP | BPF_JA, 1), RET(1), RET(2)), 2);
}
END_TEST

START_TEST(it_computes)
{
	ck_assert_uint_eq(RUN(LOAD(NR), ALU(BPF_AND, 7), ALU(BPF_LSH, 4), ALU(BPF_OR, 1),
			      ALU(BPF_XOR, 3), ALU(BPF_SUB, 2), ALU(BPF_MUL, 3), ALU(BPF_DIV, 2),
			      RET_A),
			  168);
	ck_assert_uint_eq(RUN(BPF_STMT(BPF_LD | BPF_IMM, 6), BPF_STMT(BPF_ST, 3),
			      BPF_STMT(BPF_LDX | BPF_W | BPF_MEM, 3),
			      BPF_STMT(BPF_MISC | BPF_TXA, 0),
			      BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), RET_A),
			  12);
}
END_TEST

START_TEST(what_the_kernel_refuses_allows)
{
	ck_assert_uint_eq(RUN(LOAD(64), RET(1)), SECCOMP_RET_ALLOW);
	ck_assert_uint_eq(RUN(LOAD(2), RET(1)), SECCOMP_RET_ALLOW);
	ck_assert_uint_eq(RUN(BPF_STMT(BPF_ST, 16), RET(1)), SECCOMP_RET_ALLOW);
	ck_assert_uint_eq(RUN(ALU(BPF_DIV, 0), RET(1)), SECCOMP_RET_ALLOW);
	ck_assert_uint_eq(RUN(BPF_STMT(BPF_JMP | BPF_JA, 9), RET(1)), SECCOMP_RET_ALLOW);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bpf");
	TCase *tcase = tcase_create("bpf");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, it_loads_what_the_call_is);
	tcase_add_test(tcase, it_jumps);
	tcase_add_test(tcase, it_computes);
	tcase_add_test(tcase, what_the_kernel_refuses_allows);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
