/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The medium: one file or one piece of memory, mapped shared and sparse, divided between the
 * namespaces by ctrl.c. Blocks that were never written or were discarded read as zeroes.
 */
#ifndef MODELS_NVME_BACKING_H
#define MODELS_NVME_BACKING_H

#include "base/types.h"

struct nvme_backing {
	char *path;    /* NULL: a memfd of this process */
	uint64_t size; /* bytes */
	/* Of a slice: the medium that it is cut out of, and where it begins there. What is mapped
	 * is the slice alone. */
	struct nvme_backing *whole;
	uint64_t start;
	uint8_t *mem; /* NULL: not mapped yet */
	int fd;
	bool session; /* @path is a sparse file that belongs to the session */
	/* Stable storage stands behind the file: what was written survives the host only after a
	 * sync. False for memory and for files in memory. */
	bool durable;
	/* Of a disk in memory (holes.c): a bit for each page that is known to be there, and a
	 * stretch of which it is known that none is. NULL: pages are not accounted for. */
	uint8_t *present;
	uint64_t present_size, hole_start, hole_end;
};

/* Takes the file at @path, which must hold @size bytes, or with @size 0 sets the size from it. 0 or
 * -errno with a sentence in @err. Keeps no fd. */
int nvme_backing_file(struct nvme_backing *b, const char *path, uint64_t size, char *err,
		      size_t err_size);
/* Memory of @size bytes: a sparse file at @path, or with NULL a memfd. 0 or -ENOMEM. */
int nvme_backing_memory(struct nvme_backing *b, const char *path, uint64_t size);
/* @size bytes at @start of @whole, which must outlive it; both are multiples of a page. */
void nvme_backing_slice(struct nvme_backing *b, struct nvme_backing *whole, uint64_t start,
			uint64_t size);
/* Maps it, once; of a slice the whole as well. 0 or -errno. */
int nvme_backing_map(struct nvme_backing *b);
void nvme_backing_free(struct nvme_backing *b);

/* Makes the pages present: false when the host cannot give one (a truncated file, no space). */
bool nvme_backing_touch(struct nvme_backing *b, uint64_t off, uint64_t len, bool write);
/* Why a page was not to be had, as the end of a sentence. */
const char *nvme_backing_why(const struct nvme_backing *b);
/* Copies out of the medium without faulting. False as above. */
bool nvme_backing_read(const struct nvme_backing *b, uint64_t off, void *buf, size_t len);
/* The same by a system call, which needs no page for a hole. */
bool nvme_backing_copy(const struct nvme_backing *b, uint64_t off, void *buf, size_t len);
bool nvme_backing_zero(const struct nvme_backing *b, uint64_t off, uint64_t len);
/* Zeroes the range and gives the host's memory or disk space back. Makes system calls. */
bool nvme_backing_discard(struct nvme_backing *b, uint64_t off, uint64_t len);
/* Returns when the range is on stable storage. May wait for a disk. */
bool nvme_backing_sync(const struct nvme_backing *b, uint64_t off, uint64_t len);

/* ---- holes.c -------------------------------------------------------------------------------- */
int nvme_holes_init(struct nvme_backing *b);
void nvme_holes_free(struct nvme_backing *b);
/* Another process may have written since this one knew of holes. */
void nvme_holes_forget(struct nvme_backing *b);
/* True when the range certainly holds nothing but zeroes and no page: it need not be read. */
bool nvme_holes_covers(struct nvme_backing *b, uint64_t off, uint64_t len);
/* Pages of the range are present from now on, or are gone. */
void nvme_holes_filled(struct nvme_backing *b, uint64_t off, uint64_t len);
void nvme_holes_punched(struct nvme_backing *b, uint64_t off, uint64_t len);

#endif
