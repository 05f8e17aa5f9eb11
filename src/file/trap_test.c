/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trapped instructions against the processor: each form of trap_cases.S runs on plain memory and on
 * a device's page whose model is the same memory; registers, flags and memory must come out equal.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sysraw.h"
#include "file/file.h"

#define PAGES  3
#define SIZE   (PAGES * HOST_PAGE_SIZE)
#define ROUNDS 2
#define STATUS 0x8d5UL

struct regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, r8, flags;
	uint8_t v0[64], v1[64];
	uint64_t k1;
};

struct trap_case {
	void (*run)(struct regs *regs);
	const char *text;
	uint64_t feature;
};

extern const struct trap_case trap_cases[];

static uint8_t *alias;	/* the model's view of the device's memory */
static uint8_t *device; /* the client's */
static uint8_t *plain;	/* what the device is compared with */
static uint8_t *source; /* the other side of string moves */
static struct file *file;
static unsigned int reads, writes;
static uint64_t random_state = 99;

static uint64_t random_next(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state >> 16 ^ random_state << 20;
}

/* Cycles of a bus: 1, 2, 4 or 8 bytes, naturally aligned, inside the page that traps. */
static void check_cycle(uint64_t off, unsigned int width)
{
	ck_assert(width == 1 || width == 2 || width == 4 || width == 8);
	ck_assert_uint_eq(off % width, 0);
	ck_assert_uint_eq(off / HOST_PAGE_SIZE, 1);
}

static uint64_t model_read(struct file *f, uint64_t off, unsigned int width)
{
	uint64_t value = 0;

	check_cycle(off, width);
	reads++;
	memcpy(&value, alias + off, width);
	/* Whoever forgets to cut the value to its width fails. */
	return width == 8 ? value : value | random_next() << (width * 8);
}

static void model_write(struct file *f, uint64_t off, unsigned int width, uint64_t value,
			bool nested)
{
	check_cycle(off, width);
	ck_assert(!nested);
	writes++;
	memcpy(alias + off, &value, width);
}

static int allow_mmap(struct file *f, uint64_t off, uint64_t len, int prot, int flags)
{
	return 0;
}

static const struct file_operations ops = {
	.name = "model",
	.mmap = allow_mmap,
	.mmio_read = model_read,
	.mmio_write = model_write,
};

static void setup(void)
{
	void *at;

	ck_assert_int_eq(file_alloc(&ops, NULL, O_RDWR, SIZE, &file), 0);
	ck_assert_int_eq(file_mmap(file, NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, 0, &at),
			 0);
	device = at;
	alias = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file->memfd, 0);
	plain = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	source = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(alias != MAP_FAILED && plain != MAP_FAILED && source != MAP_FAILED);
}

static void fill(uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)random_next();
}

static void random_regs(struct regs *r)
{
	fill((uint8_t *)r, sizeof(*r));
	r->rcx = random_next() % 20;
	r->rdx = random_next() % 401 - 200;
	r->rsi = (uint64_t)source + HOST_PAGE_SIZE;
	r->flags = (r->flags & STATUS) | 0x202;
}

/* Where pointers end up is compared by their distance from where they began. */
static void make_relative(struct regs *r, const uint8_t *base)
{
	if (r->rdi - (uint64_t)base < SIZE)
		r->rdi -= (uint64_t)base;
	if (r->rsi - (uint64_t)base < SIZE)
		r->rsi -= (uint64_t)base;
	if (r->rax - (uint64_t)base < SIZE)
		r->rax -= (uint64_t)base;
}

static bool supported(uint64_t feature)
{
	__builtin_cpu_init();
	if (feature == 2)
		return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
		       __builtin_cpu_supports("avx512dq");
	return feature == 0 || __builtin_cpu_supports("avx2");
}

static void check_case(const struct trap_case *c, uint64_t off)
{
	struct regs on_plain, on_device;
	size_t i;

	random_regs(&on_plain);
	on_device = on_plain;
	fill(plain, SIZE);
	memcpy(alias, plain, SIZE);
	on_plain.rdi = (uint64_t)plain + off;
	on_device.rdi = (uint64_t)device + off;
	fill(source, SIZE);
	c->run(&on_plain);
	c->run(&on_device);
	make_relative(&on_plain, plain);
	make_relative(&on_device, device);

	for (i = 0; i < SIZE; i++)
		if (plain[i] != alias[i])
			ck_abort_msg("%s: memory differs at %#zx (operand at %#lx)", c->text, i,
				     off);
	if (memcmp(&on_plain, &on_device, sizeof(on_plain)))
		ck_abort_msg("%s at %#lx: rax %#lx %#lx rbx %#lx %#lx rcx %#lx %#lx rsi %#lx %#lx "
			     "rdi %#lx %#lx flags %#lx %#lx v0 %d v1 %d",
			     c->text, off, on_plain.rax, on_device.rax, on_plain.rbx, on_device.rbx,
			     on_plain.rcx, on_device.rcx, on_plain.rsi, on_device.rsi, on_plain.rdi,
			     on_device.rdi, on_plain.flags, on_device.flags,
			     memcmp(on_plain.v0, on_device.v0, 64),
			     memcmp(on_plain.v1, on_device.v1, 64));
}

static void run_all(enum page_access access)
{
	/* Aligned, unaligned, over both edges of the page that traps. */
	static const uint64_t offs[] = { 0x1800, 0x1811, 0x1000, 0x0ffd, 0x1ffb, 0x1ff0 };
	const struct trap_case *c;
	size_t i, round;

	ck_assert_int_eq(file_set_access(file, HOST_PAGE_SIZE, HOST_PAGE_SIZE, access), 0);
	for (c = trap_cases; c->run; c++) {
		if (!supported(c->feature))
			continue;
		for (i = 0; i < ARRAY_SIZE(offs); i++)
			for (round = 0; round < ROUNDS; round++)
				check_case(c, offs[i]);
	}
}

START_TEST(test_trap_all)
{
	run_all(PAGE_TRAP_ALL);
	ck_assert_uint_gt(reads, 1000);
	ck_assert_uint_gt(writes, 1000);
}
END_TEST

START_TEST(test_trap_write)
{
	run_all(PAGE_TRAP_WRITE);
	ck_assert_uint_eq(reads, 0);
	ck_assert_uint_gt(writes, 1000);
}
END_TEST

START_TEST(test_direct_does_not_trap)
{
	run_all(PAGE_DIRECT);
	ck_assert_uint_eq(reads, 0);
	ck_assert_uint_eq(writes, 0);
}
END_TEST

/* libc's own moves, whatever this processor makes of them, at every small length and some more. */
START_TEST(test_libc_moves)
{
	uint8_t buf[2048];
	size_t len;

	ck_assert_int_eq(file_set_access(file, HOST_PAGE_SIZE, HOST_PAGE_SIZE, PAGE_TRAP_ALL), 0);
	for (len = 1; len < sizeof(buf); len += len < 300 ? 1 : 97) {
		fill(buf, len);
		memcpy(device + HOST_PAGE_SIZE + 5, buf, len);
		ck_assert_mem_eq(alias + HOST_PAGE_SIZE + 5, buf, len);
		memset(buf, 0, len);
		memcpy(buf, device + HOST_PAGE_SIZE + 5, len);
		ck_assert_mem_eq(alias + HOST_PAGE_SIZE + 5, buf, len);
		memset(device + HOST_PAGE_SIZE + 5, (int)len, len);
		memset(buf, (int)len, len);
		ck_assert_mem_eq(alias + HOST_PAGE_SIZE + 5, buf, len);
	}
}
END_TEST

/* An address in the low 4 GiB through a 32-bit address: mov %esi, (%edi). */
START_TEST(test_address_size)
{
	uint64_t high = 0xdeadbeef00000000;
	uint32_t got;
	void *at;

	ck_assert_int_eq(file_set_access(file, 0, SIZE, PAGE_TRAP_ALL), 0);
	ck_assert_int_eq(
		file_mmap(file, NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_32BIT, 0, &at),
		0);
	high |= (uint64_t)at + HOST_PAGE_SIZE + 8;
	__asm__ volatile("movl %1, (%k2)\n\tmovl (%k2), %0"
			 : "=&r"(got)
			 : "r"(0x11223344), "r"(high)
			 : "memory");
	ck_assert_uint_eq(got, 0x11223344);
	ck_assert_mem_eq(alias + HOST_PAGE_SIZE + 8, "\x44\x33\x22\x11", 4);
	ck_assert_uint_eq(reads, 1);
	ck_assert_uint_eq(writes, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trap");
	TCase *tcase = tcase_create("trap");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, test_trap_all);
	tcase_add_test(tcase, test_trap_write);
	tcase_add_test(tcase, test_direct_does_not_trap);
	tcase_add_test(tcase, test_libc_moves);
	tcase_add_test(tcase, test_address_size);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
