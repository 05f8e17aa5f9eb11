/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program without an IOMMU: it asks /proc/self/pagemap for the physical addresses of its pages
 * and lets an I/OAT channel copy between them (VFIO_NOIOMMU_IOMMU; registers as in the Xeon E5 v2
 * datasheet, volume 2, "Crystal Beach DMA").
 *
 *   physical_dma MODE BDF
 *
 * MODE right: anonymous, shared, file and huge pages, two mappings of one page, memory that moves;
 * pagemap read in every way. MODE hidden: without CAP_SYS_ADMIN there are no frame numbers. The
 * others make a mistake each, which the engine has to survive: virtual, freed, foreign, fork,
 * beyond, number. Status 0: all was as it has to be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	      4096UL
#define HUGE	      (2UL << 20)
#define PRESENT	      (1ULL << 63)
#define FILE_PAGE     (1ULL << 61)
#define FRAME	      ((1ULL << 55) - 1)
#define CHAN	      0x80
#define CHANCMD	      (CHAN + 0x04)
#define DMACOUNT      (CHAN + 0x06)
#define CHANSTS	      (CHAN + 0x08)
#define CHAINADDR     (CHAN + 0x10)
#define CHANCMP	      (CHAN + 0x18)
#define CHANERR	      (CHAN + 0x28)
#define CHANCMD_RESET 0x20
#define STATE_HALTED  3
#define ERR_READ      0x100U
#define ERR_WRITE     0x200U

struct descriptor {
	uint32_t size, ctl;
	uint64_t src, dst, next, rest[4];
};

static int container, group, device, pagemap;
static volatile uint8_t *bar;
static struct descriptor *desc; /* on one page with what the engine writes at the end */
static volatile uint64_t *completion;

static void die(const char *what)
{
	fprintf(stderr, "physical_dma: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void expect(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "physical_dma: not as expected: %s\n", what);
	exit(1);
}

static uint64_t entry_of(const void *addr)
{
	uint64_t entry;

	expect(pread(pagemap, &entry, 8, (off_t)((uintptr_t)addr / PAGE * 8)) == 8, "an entry");
	return entry;
}

static uint64_t address_of(const volatile void *addr)
{
	uint64_t entry = entry_of((const void *)addr);

	expect(entry & PRESENT, "a present page");
	expect(entry & FRAME, "a frame number");
	expect((entry & FRAME) != (uintptr_t)addr / PAGE, "a number that is not the virtual one's");
	return (entry & FRAME) * PAGE + (uintptr_t)addr % PAGE;
}

static char *map(size_t len, int flags, int fd)
{
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | (fd < 0 ? MAP_ANONYMOUS : 0),
			 fd, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	return mem;
}

/* ---- the device ------------------------------------------------------------------------------ */

static void open_device(const char *bdf)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	uint16_t command = 0;

	container = open("/dev/vfio/vfio", O_RDWR);
	group = open("/dev/vfio/noiommu-0", O_RDWR);
	if (container < 0 || group < 0)
		die("/dev/vfio");
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU))
		die("SET_IOMMU");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (device < 0)
		die("GET_DEVICE_FD");
	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region) ||
	    ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pread(device, &command, 2, (off_t)config.offset + 4) != 2)
		die("GET_REGION_INFO");
	command |= 6; /* memory decode, bus master */
	if (pwrite(device, &command, 2, (off_t)config.offset + 4) != 2)
		die("COMMAND");
	bar = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		   (off_t)region.offset);
	if (bar == MAP_FAILED)
		die("mmap of BAR 0");
	/* Shared memory keeps its frames over a fork. */
	desc = (struct descriptor *)map(PAGE, MAP_SHARED, -1);
	memset(desc, 0, PAGE);
	completion = (volatile uint64_t *)((char *)desc + PAGE / 2);
	*(volatile uint64_t *)(bar + CHANCMP) = address_of(completion);
}

/* One copy by physical addresses. 0, or what CHANERR says. */
static uint32_t copy(uint64_t dst, uint64_t src, uint32_t len)
{
	const time_t end = time(NULL) + 60;
	uint64_t state;
	uint32_t error;

	*desc = (struct descriptor){ .size = len, .ctl = 8, .src = src, .dst = dst };
	desc->next = address_of(desc);
	*completion = 0;
	__sync_synchronize();
	*(volatile uint64_t *)(bar + CHAINADDR) = desc->next;
	*(volatile uint16_t *)(bar + DMACOUNT) = 1;
	while (!*completion && (*(volatile uint64_t *)(bar + CHANSTS) & 7) != STATE_HALTED) {
		expect(time(NULL) < end, "an end of the copy");
		sched_yield();
	}
	state = *(volatile uint64_t *)(bar + CHANSTS) & 7;
	error = *(volatile uint32_t *)(bar + CHANERR);
	expect(!error == (state != STATE_HALTED), "a halted channel after an error, and only then");
	if (error) {
		*(volatile uint32_t *)(bar + CHANERR) = error;
		*(volatile uint8_t *)(bar + CHANCMD) = CHANCMD_RESET;
		while (*(volatile uint8_t *)(bar + CHANCMD) & CHANCMD_RESET)
			expect(time(NULL) < end, "the end of a reset");
		*(volatile uint64_t *)(bar + CHANCMP) = address_of(completion);
	}
	return error;
}

/* ---- the right way --------------------------------------------------------------------------- */

static void fill(char *mem, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		mem[i] = (char)(i * 31 + i / 257 + seed);
}

static bool filled(const char *mem, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		if (mem[i] != (char)(i * 31 + i / 257 + seed))
			return false;
	return true;
}

/* Page by page, as they are not neighbours; @step: how much is. */
static void copy_range(char *dst, char *src, size_t len, size_t step, const char *what)
{
	static unsigned int seed = 1;

	fill(src, len, ++seed);
	memset(dst, 0, len);
	for (size_t off = 0; off < len; off += step)
		expect(copy(address_of(dst + off), address_of(src + off), (uint32_t)step) == 0,
		       what);
	expect(filled(dst, len, seed), what);
}

static int new_file(size_t len)
{
	char name[] = "/tmp/physical_dma.XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0 || unlink(name) || ftruncate(fd, (off_t)len))
		die("a file");
	return fd;
}

static void small_pages(void)
{
	enum { LEN = 16 * PAGE };
	char *private = map(LEN, MAP_PRIVATE, -1), *shared = map(LEN, MAP_SHARED, -1);
	char *file = map(LEN, MAP_SHARED, new_file(LEN)), *moved;
	uint64_t before;

	copy_range(shared, private, LEN, PAGE, "anonymous to shared");
	copy_range(file, shared, LEN, PAGE, "shared to file");
	copy_range(private, file, LEN, PAGE, "file to anonymous");
	expect(entry_of(file) & FILE_PAGE, "bit 61 of a file's page");
	expect(!(entry_of(private) & FILE_PAGE), "no bit 61 of an anonymous page");
	for (size_t off = PAGE; off < LEN; off += PAGE) {
		uint64_t a = address_of(private + off - PAGE), b = address_of(private + off);

		expect((a > b ? a - b : b - a) != PAGE, "neighbours that are none on the bus");
	}
	before = address_of(private + 5 * PAGE);
	moved = mremap(private, LEN, 2 * LEN, MREMAP_MAYMOVE);
	expect(moved != MAP_FAILED && address_of(moved + 5 * PAGE) == before, "a page that moved");
	copy_range(moved, shared, LEN, PAGE, "moved memory");
	munmap(moved, 2 * LEN);
	munmap(shared, LEN);
	munmap(file, LEN);
}

/* One page, two mappings, two processes. */
static void two_mappings(void)
{
	int fd = memfd_create("two", 0), status;
	char *a, *b, *buf = map(PAGE, MAP_SHARED, -1);
	uint64_t address;
	pid_t pid;

	if (fd < 0 || ftruncate(fd, 2 * PAGE))
		die("memfd");
	a = map(2 * PAGE, MAP_SHARED, fd);
	b = map(2 * PAGE, MAP_SHARED, fd);
	fill(a, 2 * PAGE, 9);
	expect(filled(b, 2 * PAGE, 9), "two mappings");
	address = address_of(a + PAGE);
	expect(address_of(b + PAGE) == address, "one address in two mappings");
	/* The address serves as long as the page is mapped somewhere. */
	munmap(a, 2 * PAGE);
	buf[0] = 0;
	expect(copy(address_of(buf), address, PAGE) == 0, "the other mapping");
	expect(!memcmp(buf, b + PAGE, PAGE), "its data");
	pid = fork();
	if (!pid) {
		int own = open("/proc/self/pagemap", O_RDONLY);
		volatile char touched = b[PAGE];

		(void)touched;
		pagemap = own;
		_exit(address_of(b + PAGE) == address ? 0 : 1);
	}
	expect(waitpid(pid, &status, 0) == pid && status == 0, "the same address in a child");
	munmap(b, 2 * PAGE);
	munmap(buf, PAGE);
	close(fd);
}

static void huge_pages(int flags)
{
	size_t len = 2 * HUGE;
	char *mem =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_HUGETLB | flags, -1, 0);
	uint64_t *entries = (uint64_t *)map(len / PAGE * 8, MAP_PRIVATE, -1);

	if (mem == MAP_FAILED)
		die("huge pages");
	mem[0] = mem[HUGE + 5 * PAGE] = 1;
	expect(pread(pagemap, entries, len / PAGE * 8, (off_t)((uintptr_t)mem / PAGE * 8)) ==
		       (ssize_t)(len / PAGE * 8),
	       "entries of huge pages");
	for (size_t i = 0; i < len / PAGE; i++) {
		uint64_t first = entries[i / 512 * 512] & FRAME;

		expect(entries[i] & PRESENT && first && first % 512 == 0 &&
			       (entries[i] & FRAME) == first + i % 512,
		       "contiguous frames of a huge page");
	}
	copy_range(mem, mem + HUGE, HUGE, 256 << 10, "huge pages");
	munmap(mem, len);
	munmap(entries, len / PAGE * 8);
}

/* Every way to read, and what is refused. */
static void read_pagemap(void)
{
	char *mem = map(4 * PAGE, MAP_PRIVATE, -1);
	off_t off = (off_t)((uintptr_t)mem / PAGE * 8);
	uint64_t want[4], got[4];
	struct iovec iov[2] = { { got, 8 }, { got + 1, 24 } };
	char *volatile nowhere = (char *)8;
	char path[64];
	FILE *file;
	int fd;

	memset(mem, 1, 2 * PAGE);
	expect(pread(pagemap, want, 32, off) == 32, "pread");
	expect((want[1] & PRESENT) && (want[1] & FRAME) && !(want[2] & (PRESENT | FRAME)),
	       "two pages of four");
	fd = dup(pagemap);
	expect(lseek(fd, off, SEEK_SET) == off && read(fd, got, 32) == 32, "lseek and read");
	expect(!memcmp(want, got, 32), "what read gives");
	expect(lseek(fd, 0, SEEK_CUR) == off + 32, "the position behind it");
	expect(lseek(fd, off, SEEK_SET) == off && readv(fd, iov, 2) == 32, "readv");
	expect(!memcmp(want, got, 32), "what readv gives");
	close(fd);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", getpid());
	file = fopen(path, "r");
	expect(file && !fseek(file, off, SEEK_SET) && fread(got, 8, 4, file) == 4, "stdio");
	expect(!memcmp(want, got, 32), "what stdio gives");
	fclose(file);
	fd = openat(AT_FDCWD, "/proc/thread-self/pagemap", O_RDONLY);
	expect(fd >= 0 && pread(fd, got, 32, off) == 32 && !memcmp(want, got, 32), "thread-self");
	close(fd);
	expect(pread(pagemap, got, 8, off + 4) < 0 && errno == EINVAL, "EINVAL between entries");
	expect(pread(pagemap, got, 12, off) < 0 && errno == EINVAL, "EINVAL for half an entry");
	expect(pread(pagemap, got, 0, off) == 0, "no bytes");
	expect(pread(pagemap, nowhere, 32, off) < 0 && errno == EFAULT, "EFAULT");
	expect(pread(pagemap, got, 8, (off_t)1 << 50) == 0, "the end");
	expect(lseek(pagemap, 0, SEEK_END) < 0 && errno == EINVAL, "no SEEK_END");
	munmap(mem, 4 * PAGE);
}

/* A child that has its parent's file reads its parent's entries, and can read other processes'. */
static void other_processes(void)
{
	char *private = map(PAGE, MAP_PRIVATE, -1), *shared = map(PAGE, MAP_SHARED, -1);
	uint64_t address;
	char path[64];
	int status;
	pid_t pid;

	private[0] = shared[0] = 1;
	address = address_of(shared);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/pagemap", getpid(), getpid());
	pid = fork();
	if (!pid) {
		expect(address_of(shared) == address, "an inherited file");
		/* The page is the parent's, also when it is not the child's any more. */
		munmap(shared, PAGE);
		expect(address_of(shared) == address, "the parent's mappings");
		expect(entry_of(private) & PRESENT, "the parent's private page");
		pagemap = open(path, O_RDONLY);
		expect(pagemap >= 0 && address_of(shared) == address, "a file of the parent's");
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid && status == 0, "a child with the file");
	munmap(private, PAGE);
	munmap(shared, PAGE);
}

static void right(void)
{
	small_pages();
	two_mappings();
	huge_pages(MAP_PRIVATE);
	huge_pages(MAP_SHARED);
	read_pagemap();
	other_processes();
}

/* ---- the wrong ways -------------------------------------------------------------------------- */

static void wrong_virtual(char *src)
{
	char *dst = map(PAGE, MAP_PRIVATE, -1);

	memset(dst, 7, PAGE);
	expect(copy((uintptr_t)dst, address_of(src), 64) == ERR_WRITE, "a write error");
	expect(dst[0] == 7, "untouched memory");
	expect(copy(address_of(dst), (uintptr_t)src, 64) == ERR_READ, "a read error");
	expect(dst[0] == 7, "untouched memory");
}

static void wrong_freed(char *src)
{
	char *dst = map(2 * PAGE, MAP_PRIVATE, -1), *again;
	uint64_t address;

	memset(dst, 7, 2 * PAGE);
	address = address_of(dst);
	munmap(dst, 2 * PAGE);
	again = mmap(dst, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
	expect(again == dst, "the same place");
	memset(again, 8, 2 * PAGE);
	expect(copy(address, address_of(src), 64) == ERR_WRITE, "a write error");
	expect(again[0] == 8, "untouched memory");
	/* Who asks again gets the address that is right now. */
	expect(address_of(again) != address, "another address");
	expect(copy(address_of(again), address_of(src), 64) == 0, "a copy");
	expect(!memcmp(again, src, 64), "its data");
}

static void wrong_foreign(char *src)
{
	int tell[2], stop[2];
	uint64_t address;
	char byte = 0;
	pid_t pid;

	if (pipe(tell) || pipe(stop))
		die("pipe");
	pid = fork();
	if (!pid) {
		char *mem = map(PAGE, MAP_PRIVATE, -1);

		mem[0] = 7;
		pagemap = open("/proc/self/pagemap", O_RDONLY);
		address = address_of(mem);
		close(stop[1]);
		if (write(tell[1], &address, sizeof(address)) != sizeof(address) ||
		    read(stop[0], &byte, 1) != 0)
			_exit(1);
		_exit(mem[0] == 7 ? 0 : 1);
	}
	close(stop[0]);
	close(tell[1]);
	expect(read(tell[0], &address, sizeof(address)) == sizeof(address), "the other's address");
	expect(copy(address, address_of(src), 64) == ERR_WRITE, "a write error");
	close(stop[1]);
	int status;

	expect(waitpid(pid, &status, 0) == pid && !status, "the other's memory");
}

static void wrong_fork(char *src)
{
	char *dst = map(PAGE, MAP_PRIVATE, -1), *kept = map(PAGE, MAP_PRIVATE, -1);
	uint64_t address, stays;
	pid_t pid;

	memset(dst, 7, PAGE);
	memset(kept, 7, PAGE);
	madvise(kept, PAGE, MADV_DONTFORK);
	address = address_of(dst);
	stays = address_of(kept);
	pid = fork();
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	expect(copy(stays, address_of(src), 64) == 0 && !memcmp(kept, src, 64),
	       "memory that the child did not get");
	expect(copy(address, address_of(src), 64) == ERR_WRITE, "a write error");
	expect(dst[0] == 7, "untouched memory");
	dst[0] = 8;
	expect(copy(address_of(dst), address_of(src), 64) == 0, "a copy");
	expect(!memcmp(dst, src, 64), "its data");
}

static void wrong_beyond(char *src)
{
	char *dst = map(2 * PAGE, MAP_PRIVATE, -1);

	memset(dst, 7, 2 * PAGE);
	/* As if pages that are neighbours in memory were neighbours on the bus. */
	expect(copy(address_of(dst + PAGE - 64), address_of(src), 128) == ERR_WRITE,
	       "a write error");
	expect(!memcmp(dst + PAGE - 64, src, 64) && dst[PAGE] == 7, "the first half alone");
}

/* A frame number for an address, and another device's BAR. */
static void wrong_number(char *src)
{
	expect(copy(address_of(src) / PAGE, address_of(src), 64) == ERR_WRITE, "a write error");
	expect(copy(0xfe400000, address_of(src), 64) == ERR_WRITE, "a write error");
}

static const struct {
	const char *name;
	void (*run)(char *src);
} wrongs[] = {
	{ "virtual", wrong_virtual }, { "freed", wrong_freed },	  { "foreign", wrong_foreign },
	{ "fork", wrong_fork },	      { "beyond", wrong_beyond }, { "number", wrong_number },
};

int main(int argc, char **argv)
{
	char *src;

	if (argc != 3)
		return 2;
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	if (pagemap < 0)
		die("pagemap");
	src = map(PAGE, MAP_SHARED, -1);
	fill(src, PAGE, 3);
	if (!strcmp(argv[1], "hidden")) {
		uint64_t entry = entry_of(src);

		expect((entry & PRESENT) && (entry & FILE_PAGE) && !(entry & FRAME),
		       "flags without a frame number");
		return 0;
	}
	open_device(argv[2]);
	if (!strcmp(argv[1], "right"))
		right();
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
		if (!strcmp(argv[1], wrongs[i].name))
			wrongs[i].run(src);
	return 0;
}
