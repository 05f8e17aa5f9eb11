/* SPDX-License-Identifier: BSD-3-Clause */
/* Frame numbers: that they are honest, and what becomes of them when pages go. */
#include "hostmem/frames.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "hostmem/frames_priv.h"

#define K4 0x1000UL
#define M2 0x200000UL
#define RW (PROT_READ | PROT_WRITE)

static struct frames *frames;
static struct frames_shared *shared;
static int shared_fd;
static unsigned int syncs;
static char said[200];

static void sync_counted(void *arg)
{
	syncs++;
}

static const struct frames_ops ops = { .sync = sync_counted };

static void open_frames(void)
{
	/* Each process has an open file description of its own. */
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", shared_fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(frames_create(shared, fd, &ops, NULL, &frames), 0);
}

static void setup(void)
{
	ck_assert_int_eq(fault_init(), 0);
	shared_fd = memfd_create("frames", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(shared_fd, (off_t)frames_shared_size()), 0);
	shared = mmap(NULL, frames_shared_size(), RW, MAP_SHARED, shared_fd, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	open_frames();
	syncs = 0;
}

static void teardown(void)
{
	frames_destroy(frames);
}

static char *new_mem(size_t len, int flags, int fd)
{
	char *mem = mmap(NULL, len, RW, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	ck_assert_ptr_ne(mem, MAP_FAILED);
	return mem;
}

static void entries_of(const void *addr, uint64_t *entries, size_t count)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, entries, count * 8, (off_t)((uintptr_t)addr / K4 * 8)),
			 (ssize_t)(count * 8));
	close(fd);
	frames_pagemap(frames, (uintptr_t)addr, entries, count);
}

static uint64_t frame_of(const void *addr)
{
	uint64_t entry;

	entries_of(addr, &entry, 1);
	return entry & PAGEMAP_FRAME;
}

/* The pointer behind a frame, or the error as a pointer. */
static char *behind(uint64_t frame, bool write)
{
	struct frames_ref ref;
	uint64_t contig, entry;
	paddr_t host;
	int ret = frames_translate(frames, frame * K4 + 5, write, &host, &contig, &ref);

	if (ret)
		return (char *)(intptr_t)ret;
	ck_assert_uint_eq(host % K4, 5);
	ck_assert_uint_ge(contig, K4 - 5);
	/* What a device reads by itself says the same. */
	entry = ref.table[frame & ref.mask];
	ck_assert_uint_eq(entry & (FRAMES_CLEAR | FRAMES_NEED_READ), FRAMES_NEED_READ);
	ck_assert_uint_eq((entry & FRAMES_ADDR) + ((frame * K4 + 5) & ref.page_mask), host);
	return (char *)(host - 5);
}

static const char *explained(uint64_t addr, bool write)
{
	said[0] = '\0';
	frames_explain(frames, addr, write, said, sizeof(said));
	return said;
}

static void says(uint64_t addr, bool write, const char *what)
{
	ck_assert_msg(strstr(explained(addr, write), what) != NULL, "\"%s\", not \"%s\"", said,
		      what);
}

static void program_munmap(void *addr, size_t len)
{
	struct frames_leaving leaving;

	frames_unmap_begin(frames, &leaving, (uintptr_t)addr, len);
	munmap(addr, len);
	frames_unmap_end(frames, &leaving, FRAMES_MUNMAP, true);
}

#define NOTHING ((char *)(intptr_t)-EFAULT)
#define DENIED	((char *)(intptr_t)-EACCES)

START_TEST(anonymous)
{
	enum { PAGES = 2000 };
	char *mem = new_mem((PAGES + 1) * K4, MAP_PRIVATE, -1);
	static uint64_t entries[PAGES + 1], again[PAGES + 1];
	bool twice = false;
	size_t i, j;

	for (i = 0; i < PAGES; i++)
		mem[i * K4] = 1;
	entries_of(mem, entries, PAGES + 1);
	ck_assert_uint_eq(entries[PAGES] & (PAGEMAP_PRESENT | PAGEMAP_FRAME), 0);
	for (i = 0; i < PAGES; i++) {
		uint64_t frame = entries[i] & PAGEMAP_FRAME;

		ck_assert(entries[i] & PAGEMAP_PRESENT);
		ck_assert(!(entries[i] & PAGEMAP_FILE));
		ck_assert_uint_gt(frame, 1U << 20);
		ck_assert_uint_lt(frame * K4, 1ULL << 44);
		ck_assert_uint_ne(frame, (uintptr_t)(mem + i * K4) / K4);
		ck_assert_ptr_eq(behind(frame, true), mem + i * K4);
		/* The frames beside it are nobody's. */
		ck_assert_ptr_eq(behind(frame + 1, false), NOTHING);
		ck_assert_ptr_eq(behind(frame - 1, false), NOTHING);
		for (j = 0; j < i; j++)
			twice |= frame == (entries[j] & PAGEMAP_FRAME);
	}
	ck_assert(!twice);
	entries_of(mem, again, PAGES + 1);
	ck_assert_int_eq(memcmp(entries, again, sizeof(entries)), 0);
	program_munmap(mem, (PAGES + 1) * K4);
	ck_assert_uint_eq(syncs, 1);
	for (i = 0; i < PAGES; i++)
		ck_assert_ptr_eq(behind(entries[i] & PAGEMAP_FRAME, false), NOTHING);
	ck_assert_uint_eq(frames->private_pages, 0);
}
END_TEST

START_TEST(shared_pages)
{
	int fd = memfd_create("two", 0);
	char *a, *b, *copy;
	uint64_t frame, next;

	ck_assert_int_eq(ftruncate(fd, 4 * K4), 0);
	a = new_mem(4 * K4, MAP_SHARED, fd);
	b = new_mem(4 * K4, MAP_SHARED, fd);
	copy = new_mem(4 * K4, MAP_PRIVATE, fd);
	a[K4] = 1;
	a[2 * K4] = 1;
	/* The second mapping's page is not present before it is touched. */
	ck_assert_uint_eq(frame_of(b + K4), 0);
	ck_assert_int_eq(b[K4], 1);
	ck_assert_int_eq(*(volatile char *)(copy + K4), 1);
	frame = frame_of(a + K4);
	next = frame_of(a + 2 * K4);
	ck_assert_uint_ne(frame, 0);
	ck_assert_uint_ne(frame, next);
	ck_assert_uint_gt(frame > next ? frame - next : next - frame, 2);
	ck_assert_uint_eq(frame_of(b + K4), frame);
	ck_assert_uint_eq(frame_of(copy + K4), frame);
	/* The device's pointer is one that can be written. */
	ck_assert_ptr_eq(behind(frame, true), a + K4);
	/* The copy is another page once it was written to. */
	copy[K4] = 2;
	ck_assert_uint_ne(frame_of(copy + K4), frame);
	ck_assert_ptr_eq(behind(frame_of(copy + K4), true), copy + K4);
	/* Any mapping serves, also one of which nobody asked. */
	program_munmap(a, 4 * K4);
	ck_assert_ptr_eq(behind(frame, true), b + K4);
	ck_assert_ptr_eq(behind(next, true), b + 2 * K4);
	/* A page that the file does not have. */
	ck_assert_ptr_eq(behind(frame + 4, false), NOTHING);
	program_munmap(b, 4 * K4);
	ck_assert_ptr_eq(behind(frame, false), NOTHING);
	says(frame * K4, true, "freed page: was 0x");
	says(frame * K4, true, "memfd:two");
	close(fd);
}
END_TEST

START_TEST(read_only_pages)
{
	int fd = memfd_create("file", 0);
	char *mem = new_mem(4 * K4, MAP_PRIVATE, -1), *view;
	uint64_t zero, frame;

	/* The zero page is everybody's. */
	ck_assert_int_eq(*(volatile char *)mem, 0);
	zero = frame_of(mem);
	ck_assert_uint_ne(zero, 0);
	ck_assert_ptr_eq(behind(zero, false), mem);
	ck_assert_ptr_eq(behind(zero, true), DENIED);
	says(zero * K4, true, "write to it first");
	mem[0] = 1;
	frame = frame_of(mem);
	ck_assert_uint_ne(frame, zero);
	ck_assert_ptr_eq(behind(frame, true), mem);
	ck_assert_ptr_eq(behind(zero, false), NOTHING);
	says(zero * K4, false, "copied on write");

	ck_assert_int_eq(ftruncate(fd, K4), 0);
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	view = mmap(NULL, K4, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_int_eq(*(volatile char *)view, 'x');
	frame = frame_of(view);
	ck_assert_ptr_eq(behind(frame, true), DENIED);
	says(frame * K4, true, "mapped read-only");
	ck_assert_int_eq(mprotect(view, K4, PROT_NONE), 0);
	says(frame * K4, true, "mapped without access");
	says(frame * K4, false, "mapped without access");
	program_munmap(view, K4);
	program_munmap(mem, 4 * K4);
	close(fd);
}
END_TEST

static uintptr_t huge_start, huge_end;

static size_t huge_size(uintptr_t addr)
{
	return addr >= huge_start && addr < huge_end ? M2 : 0;
}

static char *new_huge(size_t len, int flags, int fd)
{
	char *mem = new_mem(len + M2, MAP_PRIVATE, -1);
	char *at = (char *)ALIGN_UP((uintptr_t)mem, M2);

	at = mmap(at, len, RW, flags | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	ck_assert_ptr_ne(at, MAP_FAILED);
	huge_start = (uintptr_t)at;
	huge_end = huge_start + len;
	return at;
}

static void check_huge(char *mem, size_t pages)
{
	static uint64_t entries[4 * 512];
	size_t page, i;

	entries_of(mem, entries, pages * 512);
	for (page = 0; page < pages; page++) {
		uint64_t frame = entries[page * 512] & PAGEMAP_FRAME;
		struct frames_ref ref;
		uint64_t contig;
		paddr_t host;

		ck_assert_uint_ne(frame, 0);
		ck_assert_uint_eq(frame % 512, 0);
		for (i = 0; i < 512; i++) {
			ck_assert(entries[page * 512 + i] & PAGEMAP_PRESENT);
			ck_assert_uint_eq(entries[page * 512 + i] & PAGEMAP_FRAME, frame + i);
		}
		ck_assert_int_eq(
			frames_translate(frames, frame * K4 + 4097, true, &host, &contig, &ref), 0);
		ck_assert_uint_eq(host, (uintptr_t)mem + page * M2 + 4097);
		ck_assert_uint_eq(contig, M2 - 4097);
	}
}

START_TEST(huge_pages)
{
	int fd = memfd_create("huge", 0);
	char *mem;
	uint64_t frame;

	frames_set_huge(frames, huge_size);
	ck_assert_int_eq(ftruncate(fd, 4 * M2), 0);
	mem = new_huge(4 * M2, MAP_SHARED, fd);
	/* Nothing is there before it is touched. */
	ck_assert_uint_eq(frame_of(mem), 0);
	for (int i = 0; i < 4; i++)
		mem[(size_t)i * M2 + 7 * K4] = 1;
	check_huge(mem, 4);
	frame = frame_of(mem + M2);
	program_munmap(mem, 4 * M2);
	ck_assert_ptr_eq(behind(frame, false), NOTHING);
	/* The same pages at another place, of which nobody asked. */
	mem = new_huge(4 * M2, MAP_SHARED, fd);
	ck_assert_ptr_eq(behind(frame, true), mem + M2);
	ck_assert_int_eq(mem[M2 + 7 * K4], 1);
	ck_assert_uint_eq(frame_of(mem + M2), frame);
	program_munmap(mem, 4 * M2);

	mem = new_huge(2 * M2, MAP_PRIVATE, -1);
	mem[0] = mem[M2 + 100] = 1;
	check_huge(mem, 2);
	frame = frame_of(mem);
	/* Behind a private huge page comes nobody's memory. */
	ck_assert_ptr_eq(behind(frame + 512, false), NOTHING);
	says((frame + 512) * K4, false, "beyond the end of the huge page");
	program_munmap(mem, M2);
	ck_assert_ptr_eq(behind(frame, false), NOTHING);
	check_huge(mem + M2, 1);
	close(fd);
}
END_TEST

/* A file that is said to have huge pages, mapped where none can stand. */
START_TEST(huge_by_name)
{
	char *mem = new_mem(4 * M2, MAP_PRIVATE, -1), *at;
	int fd = memfd_create("said-huge", 0);
	struct file_page page = { .page = 0 };
	bool huge = true;
	struct stat st;
	uint64_t frame;

	ck_assert_int_eq(ftruncate(fd, 2 * M2), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	page.dev = (uint64_t)major(st.st_dev) << 32 | minor(st.st_dev);
	page.ino = st.st_ino;
	frame = shared_frame(frames, &page, &huge, 0);
	ck_assert_uint_ne(frame, 0);
	at = (char *)ALIGN_UP((uintptr_t)mem, M2) + K4;
	ck_assert_ptr_eq(mmap(at, M2, RW, MAP_SHARED | MAP_FIXED, fd, 0), at);
	at[0] = 1;
	ck_assert_ptr_eq(behind(frame, true), NOTHING);
	ck_assert_uint_eq(frame_of(at), 0);
	ck_assert_ptr_eq(behind(frame, true), NOTHING);
	/* The end is missing. */
	at -= K4;
	ck_assert_ptr_eq(mmap(at, M2 - K4, RW, MAP_SHARED | MAP_FIXED, fd, 0), at);
	at[0] = 2;
	ck_assert_ptr_eq(behind(frame, true), NOTHING);
	ck_assert_uint_eq(frame_of(at), 0);
	ck_assert_ptr_eq(mmap(at, M2, RW, MAP_SHARED | MAP_FIXED, fd, 0), at);
	at[0] = 3;
	ck_assert_ptr_eq(behind(frame, true), at);
	ck_assert_uint_eq(frame_of(at), frame);
	program_munmap(at, M2);
	ck_assert_ptr_eq(behind(frame, true), NOTHING);
	close(fd);
}
END_TEST

START_TEST(hugetlb)
{
	char *mem = mmap(NULL, 2 * M2, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (mem == MAP_FAILED) {
		printf("hugetlb: the host has none\n");
		return;
	}
	mem[0] = mem[M2] = 1;
	check_huge(mem, 2);
	program_munmap(mem, 2 * M2);
}
END_TEST

static void how_gone(enum frames_gone how, const char *what)
{
	char *mem = new_mem(2 * K4, MAP_PRIVATE, -1);
	struct frames_leaving leaving;
	uint64_t frame;

	mem[0] = 1;
	frame = frame_of(mem);
	/* A call that failed. */
	frames_unmap_begin(frames, &leaving, (uintptr_t)mem, 2 * K4);
	ck_assert_ptr_eq(behind(frame, true), NOTHING);
	says(frame * K4, true, "taken away at this moment");
	frames_unmap_end(frames, &leaving, how, false);
	ck_assert_ptr_eq(behind(frame, true), mem);

	frames_unmap_begin(frames, &leaving, (uintptr_t)mem, 2 * K4);
	if (how == FRAMES_MADVISE)
		madvise(mem, 2 * K4, MADV_DONTNEED);
	else
		munmap(mem, 2 * K4);
	frames_unmap_end(frames, &leaving, how, true);
	ck_assert_ptr_eq(behind(frame, true), NOTHING);
	says(frame * K4 + 8, true, what);
	says(frame * K4 + 8, true, "anonymous memory");
}

START_TEST(freed_pages)
{
	how_gone(FRAMES_MUNMAP, "unmapped by munmap");
	how_gone(FRAMES_MADVISE, "given back by madvise");
	how_gone(FRAMES_MMAP, "replaced by mmap");
	how_gone(FRAMES_SHMDT, "detached by shmdt");
}
END_TEST

START_TEST(unseen)
{
	char *mem = new_mem(2 * K4, MAP_PRIVATE, -1);
	uint64_t frame;

	mem[0] = 1;
	frame = frame_of(mem);
	/* No door saw it; the next question does. */
	madvise(mem, K4, MADV_DONTNEED);
	ck_assert_uint_eq(frame_of(mem), 0);
	ck_assert_ptr_eq(behind(frame, false), NOTHING);
	says(frame * K4, true, "not there any more");
	mem[0] = 2;
	ck_assert_uint_ne(frame_of(mem), frame);
	program_munmap(mem, 2 * K4);
}
END_TEST

START_TEST(wild_addresses)
{
	char *mem = new_mem(K4, MAP_PRIVATE, -1);
	uint64_t frame;

	mem[0] = 1;
	frame = frame_of(mem);
	says((uintptr_t)mem + 100, true, "virtual address of this process");
	says((uintptr_t)&wild_addresses, true, "frames_test");
	says((frame + 1) * K4, true, "beyond the end of the page");
	says(frame, true, "a frame number");
	says((frame + 3) * K4, true, "no page has this address");
	says(1ULL << 50, true, "beyond the end of memory");
	says(0xfffffffffffffff8ULL, true, "beyond the end of memory");
	ck_assert_ptr_eq(behind(1ULL << 40, true), NOTHING);
	ck_assert_ptr_eq(behind(0, true), NOTHING);
	program_munmap(mem, K4);
}
END_TEST

static char *move(char *mem, size_t len, char *to, size_t new_len)
{
	struct frames_leaving leaving;
	uintptr_t at;

	frames_unmap_begin(frames, &leaving, (uintptr_t)to, to ? new_len : 0);
	frames_move_begin(frames, (uintptr_t)mem, len);
	at = (uintptr_t)mremap(mem, len, new_len, MREMAP_MAYMOVE | (to ? MREMAP_FIXED : 0), to);
	frames_move_end(frames, (uintptr_t)mem, len, new_len, ~at ? at : 0, &leaving);
	return (char *)at;
}

START_TEST(moved_pages)
{
	char *mem = new_mem(8 * K4, MAP_PRIVATE, -1), *to = new_mem(8 * K4, MAP_PRIVATE, -1);
	uint64_t first, last, there;

	mem[0] = mem[7 * K4] = to[K4] = 1;
	first = frame_of(mem);
	last = frame_of(mem + 7 * K4);
	there = frame_of(to + K4);
	/* A call that fails changes nothing. */
	ck_assert_ptr_eq(move(mem, 8 * K4, (char *)1 + K4, 4 * K4), MAP_FAILED);
	ck_assert_ptr_eq(behind(first, true), mem);
	ck_assert_ptr_eq(behind(last, true), mem + 7 * K4);

	frames_move_begin(frames, (uintptr_t)mem, 8 * K4);
	ck_assert_ptr_eq(behind(first, true), (char *)(intptr_t)-EAGAIN);
	frames_move_end(frames, (uintptr_t)mem, 8 * K4, 4 * K4, 0, NULL);
	ck_assert_ptr_eq(behind(first, true), mem);

	ck_assert_ptr_eq(move(mem, 8 * K4, to, 4 * K4), to);
	ck_assert_ptr_eq(behind(first, true), to);
	ck_assert_uint_eq(frame_of(to), first);
	ck_assert_ptr_eq(behind(there, true), NOTHING);
	says(last * K4, true, "taken away by mremap");
	mem = move(to, 4 * K4, NULL, 64 * M2);
	ck_assert_ptr_ne(mem, MAP_FAILED);
	ck_assert_ptr_eq(behind(first, true), mem);
	ck_assert_uint_eq(frame_of(mem), first);
	program_munmap(mem, 64 * M2);
	says(first * K4, true, "unmapped by munmap");
}
END_TEST

START_TEST(lengths)
{
	int fd = memfd_create("length", 0);
	char *mem = new_mem(64 * K4, MAP_PRIVATE, -1);

	ck_assert_int_eq(ftruncate(fd, 8 * K4), 0);
	ck_assert_ptr_eq(mmap(mem, 8 * K4, RW, MAP_SHARED | MAP_FIXED, fd, 0), mem);
	ck_assert_int_eq(mprotect(mem + K4, K4, PROT_READ), 0);
	ck_assert_uint_eq(frames_mapping_length(frames, (uintptr_t)mem), 8 * K4);
	ck_assert_uint_eq(frames_mapping_length(frames, (uintptr_t)mem + 1), 0);
	close(fd);
}
END_TEST

START_TEST(forked)
{
	char *mem = new_mem(2 * K4, MAP_PRIVATE, -1), *kept = new_mem(K4, MAP_PRIVATE, -1);
	char *both = new_mem(K4, MAP_SHARED, -1), *going = new_mem(K4, MAP_PRIVATE, -1);
	struct frames_leaving leaving;
	uint64_t moved, stays, common;
	int status;
	pid_t pid;

	mem[0] = kept[0] = both[0] = 1;
	ck_assert_int_eq(madvise(kept, K4, MADV_DONTFORK), 0);
	moved = frame_of(mem);
	stays = frame_of(kept);
	common = frame_of(both);
	/* Another thread is about to unmap it. */
	frames_unmap_begin(frames, &leaving, (uintptr_t)going, K4);
	frames_fork_prepare(frames);
	pid = fork();
	if (!pid) {
		struct frames *parents = frames;
		int ok;

		alarm(30);
		frames_fork_child(parents);
		program_munmap(going, K4);
		ok = behind(common, true) == NOTHING;
		open_frames();
		both[0] = 1;
		mem[0] = 2;
		ok = ok && frame_of(both) == common && frame_of(mem) != moved;
		ok = ok && behind(common, true) == both && behind(moved, true) == NOTHING;
		ok = ok && strstr(explained(moved * K4, true), "frame of another process");
		ok = ok && strstr(said, ", the parent");
		_exit(ok ? 0 : 1);
	}
	frames_fork_parent(frames, true);
	frames_unmap_end(frames, &leaving, FRAMES_MUNMAP, false);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_ptr_eq(behind(moved, true), NOTHING);
	says(moved * K4, true, "page changed owner at fork");
	ck_assert_ptr_eq(behind(stays, true), kept);
	ck_assert_ptr_eq(behind(common, true), both);
	mem[0] = 3;
	ck_assert_uint_ne(frame_of(mem), moved);
	ck_assert_ptr_eq(behind(frame_of(mem), true), mem);
	/* As vfork() does it, all stays. */
	moved = frame_of(mem);
	frames_fork_prepare(frames);
	frames_fork_parent(frames, false);
	ck_assert_ptr_eq(behind(moved, true), mem);
}
END_TEST

/* Frames that were given out are given out again only when many others were. */
START_TEST(history)
{
	char *mem = new_mem(256 * K4, MAP_PRIVATE, -1);
	struct frames_leaving leaving;
	uint64_t entries[256], first;
	bool soon = false;
	size_t blocks = 0;

	memset(mem, 1, 256 * K4);
	first = frame_of(mem);
	do {
		frames_unmap_begin(frames, &leaving, (uintptr_t)mem, 256 * K4);
		frames_unmap_end(frames, &leaving, FRAMES_MADVISE, true);
		entries_of(mem, entries, 256);
		for (size_t i = 0; i < 256; i++)
			soon |= (entries[i] & PAGEMAP_FRAME) == first &&
				blocks < HISTORY_BLOCKS - 2;
		blocks++;
	} while (blocks < 2 * HISTORY_BLOCKS);
	ck_assert(!soon);
	ck_assert_uint_le(frames->extents, 3);
	ck_assert_uint_eq(frames->private_pages, 256);
	ck_assert_ptr_eq(behind(entries[77] & PAGEMAP_FRAME, true), mem + 77 * K4);
}
END_TEST

/* The windows of processes that have ended are given out again, when there are no others. */
START_TEST(windows)
{
	struct file_page page = { .dev = 1 };
	uint64_t frame = 0;
	bool huge = false;

	for (page.ino = 1; page.ino <= FRAME_WINDOWS; page.ino++) {
		frame = shared_frame(frames, &page, &huge, 0);
		if (!frame)
			break;
	}
	ck_assert_uint_ne(frame, 0);
	ck_assert_uint_eq(shared_frame(frames, &page, &huge, 0), 0);
	page.ino = 77;
	ck_assert_uint_eq(shared_frame(frames, &page, &huge, 0),
			  shared_frame(frames, &page, &huge, 0));
	/* As if another process had used it. */
	atomic_store(&shared->windows[5].users[0], 0x7fffff00);
	page.ino = FRAME_WINDOWS + 1;
	frame = shared_frame(frames, &page, &huge, 0);
	ck_assert_uint_ne(frame, 0);
	ck_assert_uint_eq(frame / GIB_FRAMES, WINDOWS_GIB + 2 * 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frames");
	TCase *tc = tcase_create("frames");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, anonymous);
	tcase_add_test(tc, shared_pages);
	tcase_add_test(tc, read_only_pages);
	tcase_add_test(tc, huge_pages);
	tcase_add_test(tc, huge_by_name);
	tcase_add_test(tc, hugetlb);
	tcase_add_test(tc, freed_pages);
	tcase_add_test(tc, unseen);
	tcase_add_test(tc, wild_addresses);
	tcase_add_test(tc, moved_pages);
	tcase_add_test(tc, lengths);
	tcase_add_test(tc, forked);
	tcase_add_test(tc, history);
	tcase_add_test(tc, windows);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
