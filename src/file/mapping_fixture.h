/* SPDX-License-Identifier: BSD-3-Clause */
/* A device for tests: its model is a second mapping of the same pages, and remembers the last
 * access. */
#ifndef FILE_MAPPING_FIXTURE_H
#define FILE_MAPPING_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/copy.h"
#include "base/depth.h"
#include "base/sysraw.h"
#include "file/file.h"

#define PAGE  HOST_PAGE_SIZE
#define PAGES 8

/* Sanitizers leave the program's signals to the program. */
#define SANITIZER_OPTIONS "handle_segv=0:handle_sigbus=0"
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

__attribute__((used)) const char *__asan_default_options(void)
{
	return SANITIZER_OPTIONS;
}

__attribute__((used)) const char *__tsan_default_options(void)
{
	return SANITIZER_OPTIONS;
}

static uint8_t *alias;
static struct file *file;
static int released, mmap_answer;
static atomic_int reads, writes, nested_writes;
static volatile uint64_t last_off, last_value;
static volatile unsigned int last_width;
static volatile bool sigterm_blocked;
static volatile int depth_seen;

static void count_release(struct file *f)
{
	released++;
}

static uint64_t model_read(struct file *f, uint64_t off, unsigned int width)
{
	uint64_t value = 0;

	atomic_fetch_add(&reads, 1);
	/* In assembler: sanitizers do not see what the program's own stores do either. */
	load_nofault((uintptr_t)alias + off, width, &value);
	return value;
}

static void model_write(struct file *f, uint64_t off, unsigned int width, uint64_t value,
			bool nested)
{
	ksigset_t mask;

	atomic_fetch_add(nested ? &nested_writes : &writes, 1);
	store_nofault((uintptr_t)alias + off, width, value);
	if (*(bool *)f->priv)
		return;
	raw_sigprocmask(SIG_BLOCK, NULL, &mask);
	sigterm_blocked = mask & KSIG(SIGTERM);
	depth_seen = lib_depth;
	last_off = off;
	last_width = width;
	last_value = value;
	errno = 4711;
}

static int answer_mmap(struct file *f, uint64_t off, uint64_t len, int prot, int flags)
{
	return mmap_answer;
}

static const struct file_operations ops = {
	.name = "model",
	.release = count_release,
	.mmap = answer_mmap,
	.mmio_read = model_read,
	.mmio_write = model_write,
};

static bool quiet; /* several threads write: remember nothing */

static inline void setup(void)
{
	ck_assert_int_eq(file_alloc(&ops, &quiet, O_RDWR, PAGES * PAGE, &file), 0);
	alias = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file->memfd, 0);
	ck_assert(alias != MAP_FAILED);
}

static inline uint8_t *map(uint64_t off, size_t len, int prot)
{
	void *at = NULL;

	ck_assert_int_eq(file_mmap(file, NULL, len, prot, MAP_SHARED, off, &at), 0);
	return at;
}

static inline void set_access(uint64_t page, uint64_t pages, enum page_access access)
{
	ck_assert_int_eq(file_set_access(file, page * PAGE, pages * PAGE, access), 0);
}

/* As a door does it. */
static inline void unmap(void *at, size_t len)
{
	file_munmap((uintptr_t)at, len);
	munmap(at, len);
}

struct any_alignment {
	uint32_t value;
} __attribute__((packed));

static inline void store32(void *at, uint32_t value)
{
	((volatile struct any_alignment *)at)->value = value;
}

static inline uint32_t load32(void *at)
{
	return *(volatile uint32_t *)at;
}

#endif
