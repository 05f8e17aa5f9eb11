/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a disk in memory has no pages. A load from a hole of a shared mapping would make a page, so
 * that reading an empty disk from end to end would cost its size in memory: holes are not read.
 *
 * A bit says that a page is there; without one the file is asked (SEEK_DATA), and the stretch that
 * it names as empty is remembered. A stretch is trusted until this process writes into it, since
 * a disk in memory, or a slice of one, has one user at a time: the process that opened the device.
 * It is forgotten when the device is opened again.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "models/nvme/backing.h"

int nvme_holes_init(struct nvme_backing *b)
{
	void *p;

	b->present_size = (b->size >> HOST_PAGE_SHIFT) / 8 + 1;
	p = mmap(NULL, b->present_size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	b->present = p;
	b->hole_start = b->hole_end = 0;
	return 0;
}

void nvme_holes_free(struct nvme_backing *b)
{
	if (b->present)
		munmap(b->present, b->present_size);
	b->present = NULL;
}

void nvme_holes_forget(struct nvme_backing *b)
{
	b->hole_start = b->hole_end = 0;
}

static bool present(const struct nvme_backing *b, uint64_t off)
{
	uint64_t page = off >> HOST_PAGE_SHIFT;

	return b->present[page / 8] & BIT(page % 8);
}

bool nvme_holes_covers(struct nvme_backing *b, uint64_t off, uint64_t len)
{
	off_t data;

	if (!b->present || present(b, off))
		return false;
	if (off >= b->hole_start && off + len <= b->hole_end)
		return true;
	data = lseek(b->fd, (off_t)(b->start + off), SEEK_DATA);
	if (data < 0) {
		if (errno != ENXIO)
			return false;
		data = (off_t)(b->start + b->size); /* nothing behind it */
	}
	if ((uint64_t)data < b->start + off + len)
		return false;
	b->hole_start = off;
	b->hole_end = MIN((uint64_t)data - b->start, b->size);
	return true;
}

void nvme_holes_filled(struct nvme_backing *b, uint64_t off, uint64_t len)
{
	uint64_t last = (off + len - 1) >> HOST_PAGE_SHIFT;

	if (!b->present || !len)
		return;
	for (uint64_t page = off >> HOST_PAGE_SHIFT; page <= last; page++)
		b->present[page / 8] |= (uint8_t)BIT(page % 8);
	if (off >= b->hole_end || off + len <= b->hole_start)
		return;
	if (off > b->hole_start)
		b->hole_end = off;
	else
		b->hole_start = MIN(off + len, b->hole_end);
}

void nvme_holes_punched(struct nvme_backing *b, uint64_t off, uint64_t len)
{
	uint64_t end = (off + len) >> HOST_PAGE_SHIFT;

	if (!b->present)
		return;
	for (uint64_t page = off >> HOST_PAGE_SHIFT; page < end; page++)
		b->present[page / 8] &= (uint8_t)~BIT(page % 8);
}
