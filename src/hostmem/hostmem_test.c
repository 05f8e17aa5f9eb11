/* SPDX-License-Identifier: BSD-3-Clause */
/* Pins: validity, accounting, and what becomes of memory that the program takes away. */
#include "hostmem/hostmem.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/failpoint.h"

#define K4 0x1000UL
#define M2 0x200000UL
#define RW (PROT_READ | PROT_WRITE)

/* What the owner's operations were told: where each page of a pin is now. */
struct owner {
	struct hostmem_pin pin;
	char *page[64]; /* NULL: lost */
	bool frozen[64];
	size_t pages;
	unsigned int freezes, moves;
};

static struct hostmem *hm;

static void owner_freeze(struct hostmem_pin *pin, uintptr_t addr, size_t len)
{
	struct owner *owner = pin->priv;
	size_t i, first = (addr - pin->addr) / K4;

	ck_assert_uint_ge(addr, pin->addr);
	ck_assert_uint_le(addr + len, pin->addr + pin->len);
	for (i = first; i < first + len / K4 && i < ARRAY_SIZE(owner->page); i++)
		owner->frozen[i] = true;
	owner->freezes++;
}

static void owner_moved(struct hostmem_pin *pin, uintptr_t addr, size_t len, uintptr_t new_addr)
{
	struct owner *owner = pin->priv;
	size_t i, first = (addr - pin->addr) / K4;

	for (i = 0; i < len / K4 && first + i < ARRAY_SIZE(owner->page); i++) {
		ck_assert(owner->frozen[first + i]);
		owner->frozen[first + i] = false;
		owner->page[first + i] = new_addr ? (char *)new_addr + i * K4 : NULL;
	}
	owner->moves++;
}

static const struct hostmem_pin_ops ops = { .freeze = owner_freeze, .moved = owner_moved };

static void pin_ok(struct owner *owner, void *addr, size_t len, bool write)
{
	size_t i;

	memset(owner, 0, sizeof(*owner));
	for (i = 0; i < MIN(len / K4, ARRAY_SIZE(owner->page)); i++)
		owner->page[i] = (char *)addr + i * K4;
	ck_assert_int_eq(hostmem_pin(hm, (uintptr_t)addr, len, write, &ops, owner, &owner->pin), 0);
}

static int try_pin(void *addr, size_t len, bool write)
{
	static struct owner owner;
	int ret = hostmem_pin(hm, (uintptr_t)addr, len, write, &ops, &owner, &owner.pin);

	if (!ret)
		hostmem_unpin(&owner.pin);
	ck_assert_uint_eq(hostmem_locked(hm), 0);
	ck_assert(!hostmem_any(hm, (uintptr_t)addr, len));
	return ret;
}

static char *new_mem(size_t len, int prot)
{
	char *mem = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(mem, MAP_FAILED);
	return mem;
}

static int new_memfd(size_t len)
{
	int fd = memfd_create("test", 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
	return fd;
}

/* Marks each page by its number. */
static void number(char *mem, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		mem[i * K4] = (char)(i + 1);
}

static void program_munmap(char *mem, size_t len)
{
	hostmem_will_unmap(hm, (uintptr_t)mem, len);
	ck_assert_int_eq(munmap(mem, len), 0);
}

static bool is_mapped(const void *addr)
{
	unsigned char vec;

	return mincore((void *)((uintptr_t)addr & HOST_PAGE_MASK), K4, &vec) == 0;
}

static void setup(void)
{
	ck_assert_int_eq(hostmem_create(UINT64_MAX, &hm), 0);
}

static void teardown(void)
{
	ck_assert_uint_eq(hostmem_locked(hm), 0);
	hostmem_destroy(hm);
}

START_TEST(validity)
{
	char *mem = new_mem(8 * K4, RW), *file;
	int fd = new_memfd(2 * K4);

	ck_assert_int_eq(try_pin(mem, 8 * K4, true), 0);
	ck_assert_int_eq(try_pin(mem, 0, true), -EINVAL);
	ck_assert_int_eq(try_pin(mem + 1, K4, true), -EINVAL);
	ck_assert_int_eq(try_pin(mem, K4 + 1, true), -EINVAL);
	ck_assert_int_eq(try_pin((void *)~0xfffUL, 2 * K4, true), -EINVAL);
	ck_assert_int_eq(try_pin((void *)0x800000000000UL, K4, false), -EFAULT);
	ck_assert_int_eq(try_pin(NULL, K4, false), -EFAULT);
	/* The last page of all: its end is 0. */
	ck_assert_int_eq(try_pin((void *)-K4, K4, false), -EFAULT);
	ck_assert_int_eq(try_pin((void *)-K4, K4, true), -EFAULT);

	ck_assert_int_eq(mprotect(mem + 4 * K4, K4, PROT_READ), 0);
	ck_assert_int_eq(try_pin(mem, 8 * K4, false), 0);
	ck_assert_int_eq(try_pin(mem, 8 * K4, true), -EFAULT);
	ck_assert_int_eq(try_pin(mem, 4 * K4, true), 0);
	ck_assert_int_eq(mprotect(mem + 4 * K4, K4, PROT_NONE), 0);
	ck_assert_int_eq(try_pin(mem, 8 * K4, false), -EFAULT);
	ck_assert_int_eq(munmap(mem + 4 * K4, K4), 0);
	ck_assert_int_eq(try_pin(mem, 8 * K4, false), -EFAULT);
	ck_assert_int_eq(try_pin(mem + 4 * K4, K4, false), -EFAULT);
	ck_assert_int_eq(try_pin(mem + 5 * K4, 3 * K4, true), 0);

	/* Beyond the end of a file. */
	file = mmap(NULL, 4 * K4, RW, MAP_SHARED, fd, 0);
	ck_assert_int_eq(try_pin(file, 2 * K4, true), 0);
	ck_assert_int_eq(try_pin(file, 4 * K4, false), -EFAULT);
	ck_assert_int_eq(try_pin(file, 4 * K4, true), -EFAULT);
}
END_TEST

/* x86 lets a program read what it may only write; pinning for reading does not. */
START_TEST(write_only)
{
	char *mem =
		mmap(NULL, 200 * K4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_int_eq(try_pin(mem, 200 * K4, false), 0);
	ck_assert_int_eq(mprotect(mem + 150 * K4, K4, PROT_WRITE), 0);
	ck_assert_int_eq(try_pin(mem, 200 * K4, false), -EFAULT);
	ck_assert_int_eq(try_pin(mem, 150 * K4, false), 0);
	ck_assert_int_eq(try_pin(mem + 150 * K4, K4, false), -EFAULT);
	ck_assert_int_eq(try_pin(mem, 200 * K4, true), 0);
	munmap(mem, 200 * K4);
}
END_TEST

START_TEST(large_ranges)
{
	size_t len = 20 * M2, off;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		char *mem = new_mem(len, RW);

		if (huge)
			madvise(mem, len, MADV_HUGEPAGE);
		ck_assert_int_eq(try_pin(mem + K4, len - K4, true), 0);
		ck_assert_int_eq(try_pin(mem, len, true), 0);
		/* One bad page anywhere is found. */
		for (off = K4; off < len; off += 3 * M2 - K4) {
			ck_assert_int_eq(mprotect(mem + off, K4, PROT_READ), 0);
			ck_assert_int_eq(try_pin(mem, len, true), -EFAULT);
			ck_assert_int_eq(try_pin(mem, len, false), 0);
			ck_assert_int_eq(mprotect(mem + off, K4, RW), 0);
		}
		munmap(mem, len);
	}
}
END_TEST

/* Pinning for writing makes private copies at once, as pinning does. */
START_TEST(breaks_copy_on_write)
{
	int fd = new_memfd(K4);
	struct owner owner;
	char *mem, byte = 'a';

	ck_assert_int_eq(pwrite(fd, &byte, 1, 0), 1);
	mem = mmap(NULL, K4, RW, MAP_PRIVATE, fd, 0);
	pin_ok(&owner, mem, K4, true);
	byte = 'b';
	ck_assert_int_eq(pwrite(fd, &byte, 1, 0), 1);
	ck_assert_int_eq(mem[0], 'a');
	hostmem_unpin(&owner.pin);
}
END_TEST

START_TEST(memlock)
{
	char *mem = new_mem(8 * K4, RW);
	struct owner a, b;

	hostmem_destroy(hm);
	ck_assert_int_eq(hostmem_create(6 * K4, &hm), 0);
	pin_ok(&a, mem, 4 * K4, true);
	ck_assert_uint_eq(hostmem_locked(hm), 4 * K4);
	ck_assert_int_eq(hostmem_pin(hm, (uintptr_t)mem, 3 * K4, true, &ops, &b, &b.pin), -ENOMEM);
	ck_assert_uint_eq(hostmem_locked(hm), 4 * K4);
	/* The same pages count again. */
	pin_ok(&b, mem, 2 * K4, true);
	ck_assert_uint_eq(hostmem_locked(hm), 6 * K4);
	hostmem_unpin(&a.pin);
	ck_assert_uint_eq(hostmem_locked(hm), 2 * K4);
	hostmem_unpin(&b.pin);
	ck_assert_int_eq(try_pin(mem, 7 * K4, true), -ENOMEM);
	ck_assert_int_eq(try_pin(NULL, 7 * K4, true), -EFAULT);
}
END_TEST

START_TEST(unmapped_memory_lives_on)
{
	char *mem = new_mem(4 * K4, RW), *aside;
	struct owner owner;
	size_t i;

	number(mem, 4);
	pin_ok(&owner, mem, 4 * K4, true);
	ck_assert(!hostmem_pin_moved(&owner.pin));
	ck_assert(hostmem_any(hm, (uintptr_t)mem + 5, 1));
	program_munmap(mem, 4 * K4);
	ck_assert(!is_mapped(mem));
	ck_assert(hostmem_pin_moved(&owner.pin));
	ck_assert(!hostmem_any(hm, (uintptr_t)mem, 4 * K4));
	ck_assert_uint_eq(owner.freezes, 1);
	ck_assert_uint_eq(owner.moves, 1);
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(owner.page[i][0], (int)i + 1);
		owner.page[i][1] = 1;
	}
	/* The program's new memory at the old place is its own. */
	ck_assert_ptr_eq(mmap(mem, K4, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), mem);
	program_munmap(mem, K4);
	ck_assert_uint_eq(owner.moves, 1);
	aside = owner.page[0];
	hostmem_unpin(&owner.pin);
	ck_assert(!is_mapped(aside));
}
END_TEST

START_TEST(a_part_is_unmapped)
{
	char *mem = new_mem(16 * K4, RW), *aside;
	struct owner owner;
	size_t i;

	number(mem, 16);
	pin_ok(&owner, mem + 2 * K4, 10 * K4, true);
	program_munmap(mem + 5 * K4, 2 * K4);
	program_munmap(mem, 3 * K4);
	program_munmap(mem + 11 * K4, 2 * K4 - 5);
	/* The kernel will refuse this, so nothing may happen. */
	hostmem_will_unmap(hm, (uintptr_t)mem + 3 * K4 + 1, K4);
	for (i = 0; i < 10; i++) {
		bool gone = i == 0 || i == 3 || i == 4 || i == 9;

		ck_assert_int_eq(owner.page[i][0], (int)i + 3);
		ck_assert_int_eq(owner.page[i] == mem + (i + 2) * K4, !gone);
	}
	ck_assert_int_eq(mem[13 * K4], 14);
	aside = owner.page[4];
	hostmem_unpin(&owner.pin);
	ck_assert(!is_mapped(aside));
	ck_assert_int_eq(mem[4 * K4], 5);
}
END_TEST

/* Memory that was pinned twice stays one memory. */
START_TEST(two_pins)
{
	char *mem = new_mem(8 * K4, RW), *aside;
	struct owner a, b;

	number(mem, 8);
	pin_ok(&a, mem, 6 * K4, true);
	pin_ok(&b, mem + 2 * K4, 6 * K4, false);
	program_munmap(mem + K4, 6 * K4);
	ck_assert_ptr_eq(a.page[0], mem);
	ck_assert_ptr_eq(b.page[5], mem + 7 * K4);
	ck_assert_ptr_eq(a.page[3], b.page[1]);
	ck_assert_int_eq(a.page[3][0], 4);
	ck_assert_int_eq(b.page[4][0], 7);
	aside = a.page[3];
	hostmem_unpin(&a.pin);
	ck_assert(is_mapped(aside));
	ck_assert_int_eq(b.page[0][0], 3);
	hostmem_unpin(&b.pin);
	ck_assert(!is_mapped(aside));
}
END_TEST

START_TEST(shared_memory)
{
	int fd = new_memfd(4 * K4);
	char *mem = mmap(NULL, 4 * K4, RW, MAP_SHARED, fd, 0);
	char *alias = mmap(NULL, 4 * K4, RW, MAP_SHARED, fd, 0);
	struct owner owner;

	pin_ok(&owner, mem, 4 * K4, true);
	program_munmap(mem, 4 * K4);
	alias[2 * K4] = 9;
	ck_assert_int_eq(owner.page[2][0], 9);
	owner.page[3][0] = 8;
	ck_assert_int_eq(alias[3 * K4], 8);
	hostmem_unpin(&owner.pin);
}
END_TEST

START_TEST(dontneed_gives_zeroes)
{
	char *mem = new_mem(2 * K4, RW);
	struct owner owner;

	number(mem, 2);
	pin_ok(&owner, mem, 2 * K4, true);
	hostmem_will_unmap(hm, (uintptr_t)mem, K4);
	ck_assert_int_eq(madvise(mem, K4, MADV_DONTNEED), 0);
	ck_assert_int_eq(mem[0], 0);
	ck_assert_int_eq(owner.page[0][0], 1);
	ck_assert_int_eq(mem[K4], 2);
	mem[0] = 5;
	ck_assert_int_eq(owner.page[0][0], 1);
	hostmem_unpin(&owner.pin);
}
END_TEST

/* Several mappings, one of them read-only since, and a hole that nobody told us about. */
START_TEST(several_mappings)
{
	char *mem = new_mem(8 * K4, RW);
	struct owner owner;
	int fd = new_memfd(K4);
	size_t i;

	number(mem, 8);
	ck_assert_ptr_eq(mmap(mem + 5 * K4, K4, RW, MAP_SHARED | MAP_FIXED, fd, 0), mem + 5 * K4);
	mem[5 * K4] = 6;
	pin_ok(&owner, mem, 8 * K4, true);
	ck_assert_int_eq(mprotect(mem + 2 * K4, K4, PROT_READ), 0);
	ck_assert_int_eq(munmap(mem + 6 * K4, K4), 0);
	program_munmap(mem, 8 * K4);
	for (i = 0; i < 8; i++)
		if (i != 6)
			ck_assert_int_eq(owner.page[i][0], (int)i + 1);
	ck_assert(owner.page[6] != mem + 6 * K4);
	hostmem_unpin(&owner.pin);
}
END_TEST

START_TEST(huge_pages)
{
	char *mem = new_mem(6 * M2, RW), *at = (char *)ALIGN_UP((uintptr_t)mem, M2);
	struct owner owner;

	madvise(mem, 6 * M2, MADV_HUGEPAGE);
	memset(at, 1, 4 * M2);
	at[M2 + K4] = 2;
	at[10 * K4] = 3;
	pin_ok(&owner, at, 4 * M2, true);
	program_munmap(at, 4 * M2);
	ck_assert_int_eq(owner.page[10][0], 3);
	ck_assert_int_eq(owner.page[0][M2 + K4], 2);
	ck_assert_int_eq(owner.page[0][4 * M2 - 1], 1);
	/* Large leaves stay possible. */
	ck_assert_uint_eq((uintptr_t)owner.page[0] % M2, 0);
	hostmem_unpin(&owner.pin);
}
END_TEST

/* hugetlb memory, where the host has some: whole huge pages move, parts of them are copied. */
START_TEST(hugetlb)
{
	char *mem = mmap(NULL, 2 * M2, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	struct owner owner;

	if (mem == MAP_FAILED) {
		printf("hugetlb: no huge pages on this host, not tested\n");
		return;
	}
	number(mem, 1024);
	pin_ok(&owner, mem, 2 * M2, true);
	hostmem_will_unmap(hm, (uintptr_t)mem, 4 * K4);
	ck_assert_int_eq(owner.page[0][0], 1);
	ck_assert_int_eq(owner.page[3][0], 4);
	ck_assert_ptr_ne(owner.page[3], mem + 3 * K4);
	ck_assert_ptr_eq(owner.page[4], mem + 4 * K4);
	/* The kernel refuses to unmap a part, and what was copied is still there. */
	ck_assert_int_eq(munmap(mem, 4 * K4), -1);
	ck_assert_int_eq(mem[3 * K4], 4);
	program_munmap(mem, 2 * M2);
	ck_assert_int_eq(owner.page[4][0], 5);
	ck_assert_int_eq(owner.page[63][0], 64);
	hostmem_unpin(&owner.pin);
	mem = mmap(NULL, 2 * M2, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	ck_assert_ptr_ne(mem, MAP_FAILED);
	mem[M2 + K4] = 7;
	pin_ok(&owner, mem, 2 * M2, true);
	program_munmap(mem, 2 * M2);
	ck_assert(!is_mapped(mem));
	ck_assert_int_eq(owner.page[0][M2 + K4], 7);
	hostmem_unpin(&owner.pin);
}
END_TEST

START_TEST(mremap_takes_pins_along)
{
	char *mem = new_mem(4 * K4, RW), *to;
	struct owner owner;

	number(mem, 4);
	pin_ok(&owner, mem + K4, 3 * K4, true);
	to = new_mem(8 * K4, PROT_NONE);
	ck_assert(hostmem_move_begin(hm, (uintptr_t)mem, 4 * K4, 8 * K4));
	ck_assert(owner.frozen[0] && owner.frozen[2]);
	ck_assert_ptr_eq(mremap(mem, 4 * K4, 8 * K4, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	hostmem_move_end(hm, (uintptr_t)mem, 4 * K4, (uintptr_t)to);
	ck_assert_ptr_eq(owner.page[0], to + K4);
	ck_assert_int_eq(to[3 * K4], 4);
	ck_assert(hostmem_pin_moved(&owner.pin));
	ck_assert(!hostmem_any(hm, (uintptr_t)mem, 4 * K4));
	/* Shrinking: what falls off lives on. */
	ck_assert(hostmem_move_begin(hm, (uintptr_t)to, 8 * K4, 3 * K4));
	ck_assert_ptr_eq(mremap(to, 8 * K4, 3 * K4, 0), to);
	hostmem_move_end(hm, (uintptr_t)to, 8 * K4, (uintptr_t)to);
	ck_assert_ptr_eq(owner.page[1], to + 2 * K4);
	ck_assert_ptr_ne(owner.page[2], to + 3 * K4);
	ck_assert_int_eq(owner.page[2][0], 4);
	/* A failed one changes nothing. */
	ck_assert(hostmem_move_begin(hm, (uintptr_t)to, 3 * K4, 3 * K4));
	hostmem_move_end(hm, (uintptr_t)to, 3 * K4, 0);
	ck_assert_ptr_eq(owner.page[0], to + K4);
	ck_assert(!owner.frozen[0] && !owner.frozen[1]);
	ck_assert(!hostmem_move_begin(hm, (uintptr_t)mem, 4 * K4, 4 * K4));
	program_munmap(to, 3 * K4);
	ck_assert_int_eq(owner.page[0][0], 2);
	hostmem_unpin(&owner.pin);
}
END_TEST

/* Without memory for the bookkeeping, the pages are lost, and nothing is taken for something
 * else. */
START_TEST(no_memory)
{
	unsigned int nth;

	for (nth = 1;; nth++) {
		char *mem = new_mem(8 * K4, RW);
		struct owner owner;
		size_t i, lost = 0;

		number(mem, 8);
		pin_ok(&owner, mem, 8 * K4, true);
		failpoint_arm(nth);
		program_munmap(mem + 2 * K4, 2 * K4);
		for (i = 0; i < 8; i++) {
			if (!owner.page[i])
				lost++;
			else
				ck_assert_int_eq(owner.page[i][0], (int)i + 1);
			ck_assert(owner.page[i] != mem + 2 * K4 && owner.page[i] != mem + 3 * K4);
			ck_assert(!owner.frozen[i]);
		}
		ck_assert_int_eq(lost > 0, failpoint_fired());
		hostmem_unpin(&owner.pin);
		munmap(mem, 8 * K4);
		if (!failpoint_fired())
			break;
	}
	ck_assert_uint_gt(nth, 3);
	failpoint_arm(0);
}
END_TEST

static atomic_bool race_stop;
static atomic_int race_frozen;

static void race_freeze(struct hostmem_pin *pin, uintptr_t addr, size_t len)
{
	atomic_fetch_add(&race_frozen, (int)(len / K4));
}

static void race_moved(struct hostmem_pin *pin, uintptr_t addr, size_t len, uintptr_t new_addr)
{
	atomic_fetch_sub(&race_frozen, (int)(len / K4));
	/* The bytes are there, wherever that is. */
	for (size_t i = 0; new_addr && i < len; i += K4)
		ck_assert_int_ne(((volatile char *)new_addr)[i], 0x7f);
}

static void *race_program(void *arg)
{
	char *mem = arg;
	uint32_t rng = 1;

	while (!atomic_load(&race_stop)) {
		size_t first, n;

		rng = rng * 1664525 + 1013904223;
		first = (rng >> 16) % 12;
		n = 1 + (rng >> 24) % 4;
		hostmem_will_unmap(hm, (uintptr_t)mem + first * K4, n * K4);
		ck_assert_ptr_ne(mmap(mem + first * K4, n * K4, RW,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
				 MAP_FAILED);
	}
	return NULL;
}

/* Pins come and go while the program replaces the memory under them. */
START_TEST(pinning_races_with_unmapping)
{
	static const struct hostmem_pin_ops race_ops = { .freeze = race_freeze,
							 .moved = race_moved };
	char *mem = new_mem(16 * K4, RW);
	struct hostmem_pin pins[8] = { 0 };
	bool pinned[8] = { false };
	pthread_t thread;
	size_t i, moved = 0;

	pthread_create(&thread, NULL, race_program, mem);
	for (i = 0; i < 20000; i++) {
		size_t k = i % 8;

		if (pinned[k]) {
			moved += hostmem_pin_moved(&pins[k]);
			hostmem_unpin(&pins[k]);
		}
		pinned[k] = !hostmem_pin(hm, (uintptr_t)mem + k * K4, (1 + i % 7) * K4, i & 1,
					 &race_ops, NULL, &pins[k]);
	}
	atomic_store(&race_stop, true);
	pthread_join(thread, NULL);
	for (i = 0; i < 8; i++)
		if (pinned[i])
			hostmem_unpin(&pins[i]);
	ck_assert_uint_gt(moved, 0);
	ck_assert_int_eq(atomic_load(&race_frozen), 0);
	ck_assert(!hostmem_any(hm, (uintptr_t)mem, 16 * K4));
}
END_TEST

START_TEST(fork_forgets)
{
	char *mem = new_mem(K4, RW);
	struct owner owner;

	pin_ok(&owner, mem, K4, true);
	hostmem_after_fork(hm);
	ck_assert_uint_eq(hostmem_locked(hm), 0);
	program_munmap(mem, K4);
	ck_assert_uint_eq(owner.freezes, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostmem");
	TCase *tc = tcase_create("pins");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, validity);
	tcase_add_test(tc, write_only);
	tcase_add_test(tc, large_ranges);
	tcase_add_test(tc, breaks_copy_on_write);
	tcase_add_test(tc, memlock);
	tcase_add_test(tc, unmapped_memory_lives_on);
	tcase_add_test(tc, a_part_is_unmapped);
	tcase_add_test(tc, two_pins);
	tcase_add_test(tc, shared_memory);
	tcase_add_test(tc, dontneed_gives_zeroes);
	tcase_add_test(tc, several_mappings);
	tcase_add_test(tc, huge_pages);
	tcase_add_test(tc, hugetlb);
	tcase_add_test(tc, mremap_takes_pins_along);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, pinning_races_with_unmapping);
	tcase_add_test(tc, fork_forgets);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
