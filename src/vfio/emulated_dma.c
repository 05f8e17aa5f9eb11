/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See emulated_dma.h. IOVAs are cut into chunks of 2 MiB; a chunk has one entry a page, 64-bit
 * atomics in the manner of a page table: address and what is allowed. translate() finds the chunk
 * through a hash table without a lock, and the device's walk cache then reads the entry itself.
 *
 * A miss leaves the section and comes back here (fill()), where the page is pinned. An error is
 * told to the next translate() of the page, once: whoever asks later tries again.
 *
 * Entries are cleared, then the device is made to forget, then pages are unpinned (unmap,
 * eviction); or they stay pinned and the entry is filled again with the place where they are by
 * then (moving).
 *
 * Locks: dma->lock is held while pages are pinned and unpinned, above type1's. dma->table_lock
 * guards chunks and the writing of entries; it is a leaf that moving() takes below all of VFIO's. A
 * page that moved between being pinned and entered shows in dma->moves.
 */
#include "vfio/emulated_dma.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/itree.h"
#include "base/list.h"
#include "iommu/bypass.h"
#include "vfio/vfio_priv.h"

#define CHUNK_SHIFT 21
#define CHUNK_SIZE  (1ULL << CHUNK_SHIFT)
#define CHUNK_PAGES (CHUNK_SIZE / HOST_PAGE_SIZE)
#define BUCKETS	    1024
#define CHUNKS_MAX  16384 /* whatever IOVAs a device is made to use */

#define ENTRY_PRESENT 1ULL
#define ENTRY_READ    2ULL
#define ENTRY_WRITE   4ULL
#define ENTRY_ADDR    0x000ffffffffff000ULL

struct chunk {
	struct itree_node node;	    /* by IOVA; table_lock */
	struct chunk *_Atomic next; /* in its bucket; changed with table_lock held */
	struct list_head link;	    /* of dma->chunks; lock */
	struct vfio_emulated_dma *dma;
	paddr_t window;	   /* routed addresses of the chunk; 0: none yet. Of the DMA's thread */
	size_t num_pinned; /* lock */
	uint64_t pinned[CHUNK_PAGES / 64];     /* lock */
	_Atomic uint64_t entries[CHUNK_PAGES]; /* written with table_lock held */
};

struct vfio_emulated_dma {
	struct vfio_device *vdev;
	struct iommu_bypass bypass;
	struct iommu_dev *dev;
	size_t max_pages;

	pthread_mutex_t lock;
	struct list_head chunks; /* that filled last is at the end */
	size_t num_chunks;
	size_t num_pinned;

	pthread_mutex_t table_lock;
	struct itree tree;
	_Atomic uint64_t moves;
	struct chunk *_Atomic buckets[BUCKETS];

	/* Of the DMA's thread: what translate() missed, and why fill() could not help. */
	iova_t missed;
	bool missed_write;
	int error;	 /* of the page @missed for @missed_write; told once */
	int fault_error; /* what was told */
};

static unsigned int page_of(iova_t iova)
{
	return (unsigned int)(iova >> HOST_PAGE_SHIFT) & (CHUNK_PAGES - 1);
}

static struct chunk *_Atomic *bucket_of(struct vfio_emulated_dma *dma, iova_t iova)
{
	return &dma->buckets[(iova >> CHUNK_SHIFT) % BUCKETS];
}

/* In a section, or with table_lock or lock held: chunks do not go. */
static struct chunk *find_chunk(struct vfio_emulated_dma *dma, iova_t iova)
{
	struct chunk *chunk = atomic_load_explicit(bucket_of(dma, iova), memory_order_acquire);

	while (chunk && chunk->node.start >> CHUNK_SHIFT != iova >> CHUNK_SHIFT)
		chunk = atomic_load_explicit(&chunk->next, memory_order_acquire);
	return chunk;
}

/* ---- what the device asks, in a section ------------------------------------------------------ */

static int translate(void *arg, paddr_t addr, bool write, paddr_t *host, uint64_t *contig,
		     struct pgtable_ref *ref)
{
	struct vfio_emulated_dma *dma = arg;
	struct chunk *chunk = find_chunk(dma, addr);
	uint64_t entry = 0;
	int ret;

	if (chunk)
		entry = atomic_load_explicit(&chunk->entries[page_of(addr)], memory_order_acquire);
	if (likely(entry & (write ? ENTRY_WRITE : ENTRY_READ))) {
		*host = (entry & ENTRY_ADDR) | (addr & (HOST_PAGE_SIZE - 1));
		*contig = HOST_PAGE_SIZE - (addr & (HOST_PAGE_SIZE - 1));
		ref->table = chunk->entries;
		ref->page_mask = HOST_PAGE_SIZE - 1;
		ref->mask = CHUNK_PAGES - 1;
		ref->set = 0;
		return 0;
	}
	ret = dma->error;
	if (ret && dma->missed >> HOST_PAGE_SHIFT == addr >> HOST_PAGE_SHIFT &&
	    dma->missed_write == write) {
		dma->error = 0;
		dma->fault_error = ret;
		return ret == -EPERM ? -EACCES : -EFAULT;
	}
	dma->missed = addr;
	dma->missed_write = write;
	dma->error = 0;
	return -EAGAIN;
}

static void describe(void *arg, struct dma_fault *fault)
{
	const struct vfio_emulated_dma *dma = arg;
	const char *what = "";

	if (fault->reason == DMA_FAULT_PERMISSION)
		what = "the user's mapping does not allow it";
	else if (dma->fault_error == -ENOMEM)
		what = "pinning the page would exceed RLIMIT_MEMLOCK, or there is no memory";
	else if (dma->fault_error == -EFAULT)
		what = "mapped, but the program's memory is not there or not accessible so";
	else if (dma->fault_error == -EINVAL)
		what = "the user has mapped nothing there";
	snprintf(fault->what, sizeof(fault->what), "%s", what);
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static void insert_chunk(struct vfio_emulated_dma *dma, struct chunk *chunk)
{
	struct chunk *_Atomic *bucket = bucket_of(dma, chunk->node.start);

	list_add_tail(&chunk->link, &dma->chunks);
	dma->num_chunks++;
	pthread_mutex_lock(&dma->table_lock);
	itree_insert(&dma->tree, &chunk->node);
	atomic_store_explicit(&chunk->next, atomic_load(bucket), memory_order_relaxed);
	atomic_store_explicit(bucket, chunk, memory_order_release);
	pthread_mutex_unlock(&dma->table_lock);
}

/* Nobody finds the chunk any more; the device may still be using it. lock and table_lock held. */
static void unlink_chunk(struct vfio_emulated_dma *dma, struct chunk *chunk)
{
	struct chunk *_Atomic *at = bucket_of(dma, chunk->node.start);

	while (atomic_load_explicit(at, memory_order_relaxed) != chunk)
		at = &atomic_load_explicit(at, memory_order_relaxed)->next;
	atomic_store_explicit(at, atomic_load(&chunk->next), memory_order_release);
	itree_remove(&dma->tree, &chunk->node);
	list_del(&chunk->link);
	dma->num_chunks--;
}

static struct chunk *get_chunk(struct vfio_emulated_dma *dma, iova_t iova)
{
	struct chunk *chunk = find_chunk(dma, iova);

	if (chunk)
		return chunk;
	chunk = FAIL_POINT() ? NULL : calloc(1, sizeof(*chunk));
	if (!chunk)
		return NULL;
	chunk->dma = dma;
	chunk->node.start = ALIGN_DOWN(iova, CHUNK_SIZE);
	chunk->node.last = chunk->node.start + CHUNK_SIZE - 1;
	insert_chunk(dma, chunk);
	return chunk;
}

static bool is_pinned(const struct chunk *chunk, unsigned int page)
{
	return chunk->pinned[page / 64] >> page % 64 & 1;
}

static void set_pinned(struct chunk *chunk, unsigned int page, bool pinned)
{
	const uint64_t bit = 1ULL << page % 64;

	if (pinned)
		chunk->pinned[page / 64] |= bit;
	else
		chunk->pinned[page / 64] &= ~bit;
	chunk->num_pinned += pinned ? 1 : -1;
	chunk->dma->num_pinned += pinned ? 1 : -1;
}

/* Unpins what is pinned of pages [@first, @last]. The device has forgotten them. lock held. */
static void unpin_pages(struct chunk *chunk, unsigned int first, unsigned int last)
{
	unsigned int page, run = 0;

	for (page = first; page <= last + 1; page++) {
		if (page <= last && is_pinned(chunk, page)) {
			set_pinned(chunk, page, false);
			run++;
			continue;
		}
		if (run)
			vfio_unpin_pages(chunk->dma->vdev,
					 chunk->node.start + (page - run) * HOST_PAGE_SIZE,
					 (int)run);
		run = 0;
	}
}

static void free_chunk(struct chunk *chunk)
{
	if (chunk->window)
		dma_window_destroy(chunk->window);
	free(chunk);
}

/* table_lock held. */
static void clear_entries(struct chunk *chunk, iova_t iova, iova_t last)
{
	iova = MAX(iova, chunk->node.start);
	last = MIN(last, chunk->node.last);
	for (unsigned int page = page_of(iova); page <= page_of(last); page++)
		atomic_store_explicit(&chunk->entries[page], 0, memory_order_seq_cst);
}

/* ---- letting go ------------------------------------------------------------------------------ */

/* All of the range: afterwards the device does not touch it and it is not pinned. lock held. */
static void drop_range(struct vfio_emulated_dma *dma, iova_t iova, iova_t last)
{
	struct list_head empty;
	struct chunk *chunk, *tmp;
	struct itree_node *node, *next;

	list_init(&empty);
	pthread_mutex_lock(&dma->table_lock);
	for (node = itree_first(&dma->tree, iova, last); node; node = next) {
		next = itree_next(node, iova, last);
		chunk = container_of(node, struct chunk, node);
		clear_entries(chunk, iova, last);
		if (iova > node->start || last < node->last)
			continue;
		unlink_chunk(dma, chunk);
		list_add_tail(&chunk->link, &empty);
	}
	pthread_mutex_unlock(&dma->table_lock);
	iommu_bypass_forget(dma->dev);
	list_for_each_entry_safe(chunk, tmp, &empty, link) {
		unpin_pages(chunk, 0, CHUNK_PAGES - 1);
		free_chunk(chunk);
	}
	/* Those that the range covers in part, two at most; nobody else changes the tree. */
	itree_for_each(node, &dma->tree, iova, last) {
		chunk = container_of(node, struct chunk, node);
		unpin_pages(chunk, page_of(MAX(iova, node->start)), page_of(MIN(last, node->last)));
	}
}

static void unmap(struct vfio_device *vdev, iova_t iova, uint64_t len)
{
	struct vfio_emulated_dma *dma = vdev->pin_priv;
	const iova_t last = iova + MIN(len - 1, UINT64_MAX - iova);

	pthread_mutex_lock(&dma->lock);
	drop_range(dma, iova, last);
	pthread_mutex_unlock(&dma->lock);
}

static void moving(struct vfio_device *vdev, iova_t iova)
{
	struct vfio_emulated_dma *dma = vdev->pin_priv;
	struct chunk *chunk;

	pthread_mutex_lock(&dma->table_lock);
	atomic_fetch_add(&dma->moves, 1);
	chunk = find_chunk(dma, iova);
	if (chunk)
		clear_entries(chunk, iova, iova);
	pthread_mutex_unlock(&dma->table_lock);
	iommu_bypass_forget(dma->dev);
}

static const struct vfio_pin_ops pin_ops = { .unmap = unmap, .moving = moving };

/* Makes room for one more page, and for its chunk. lock held. */
static void evict(struct vfio_emulated_dma *dma, iova_t iova)
{
	struct chunk *chunk;

	while (dma->num_pinned >= dma->max_pages ||
	       (dma->num_chunks >= CHUNKS_MAX && !find_chunk(dma, iova))) {
		chunk = list_first_entry(&dma->chunks, struct chunk, link);
		drop_range(dma, chunk->node.start, chunk->node.last);
	}
}

/* ---- pages of other devices' ----------------------------------------------------------------- */

/* Served once: by the next time the user may have mapped memory there. */
static int window_rw(struct chunk *chunk, uint64_t off, void *buf, size_t len, bool write)
{
	struct vfio_emulated_dma *dma = chunk->dma;
	const iova_t iova = chunk->node.start + off;
	int ret = vfio_dma_rw(dma->vdev, iova, buf, len, write);

	pthread_mutex_lock(&dma->table_lock);
	clear_entries(chunk, iova, iova + len - 1);
	pthread_mutex_unlock(&dma->table_lock);
	return ret;
}

static int window_read(void *priv, uint64_t off, void *buf, size_t len)
{
	return window_rw(priv, off, buf, len, false);
}

static int window_write(void *priv, uint64_t off, const void *buf, size_t len)
{
	return window_rw(priv, off, (void *)buf, len, true);
}

static const struct dma_window_ops window_ops = { .read = window_read, .write = window_write };

/* ---- filling --------------------------------------------------------------------------------- */

/* Enters a page unless it has moved since @moves was read. */
static bool enter(struct vfio_emulated_dma *dma, struct chunk *chunk, unsigned int page,
		  uint64_t moves, uint64_t entry)
{
	bool same;

	pthread_mutex_lock(&dma->table_lock);
	same = atomic_load(&dma->moves) == moves;
	if (same)
		atomic_store_explicit(&chunk->entries[page], entry, memory_order_release);
	pthread_mutex_unlock(&dma->table_lock);
	return same;
}

static int enter_routed(struct vfio_emulated_dma *dma, struct chunk *chunk, unsigned int page)
{
	int ret;

	if (!chunk->window) {
		ret = dma_window_create(CHUNK_SIZE, &window_ops, chunk, &chunk->window);
		if (ret) {
			chunk->window = 0;
			return ret;
		}
	}
	enter(dma, chunk, page, atomic_load(&dma->moves),
	      (chunk->window + page * HOST_PAGE_SIZE) | ENTRY_PRESENT | ENTRY_READ | ENTRY_WRITE);
	return 0;
}

/* For all that the mapping allows, or for what is wanted. */
static int pin_page(struct vfio_emulated_dma *dma, iova_t iova, bool write, paddr_t *page,
		    uint64_t *rights)
{
	const int all = IOMMU_READ | IOMMU_WRITE, want = write ? IOMMU_WRITE : IOMMU_READ;
	int ret = vfio_device_container_pin_pages(dma->vdev, iova, 1, all, page);

	*rights = ENTRY_READ | ENTRY_WRITE;
	if (ret != -EPERM)
		return ret;
	*rights = write ? ENTRY_WRITE : ENTRY_READ;
	return vfio_device_container_pin_pages(dma->vdev, iova, 1, want, page);
}

static int fill_page(struct vfio_emulated_dma *dma, iova_t iova, bool write)
{
	const unsigned int page = page_of(iova);
	struct chunk *chunk;
	uint64_t moves, rights;
	paddr_t host;
	int ret;

	evict(dma, iova);
	chunk = get_chunk(dma, iova);
	if (!chunk)
		return -ENOMEM;
	list_del(&chunk->link);
	list_add_tail(&chunk->link, &dma->chunks);
	do {
		moves = atomic_load(&dma->moves);
		ret = pin_page(dma, iova, write, &host, &rights);
		/* (In a container of type1's version 1 nothing can be pinned.) */
		if (ret == -ENXIO || ret == -EACCES)
			return enter_routed(dma, chunk, page);
		if (ret < 0)
			return ret;
		/* One count is enough, when the page is pinned and had only moved. */
		if (is_pinned(chunk, page))
			vfio_unpin_pages(dma->vdev, iova, 1);
		else
			set_pinned(chunk, page, true);
	} while (!enter(dma, chunk, page, moves, host | ENTRY_PRESENT | rights));
	return 0;
}

static void fill(void *arg)
{
	struct vfio_emulated_dma *dma = arg;

	pthread_mutex_lock(&dma->lock);
	dma->error = fill_page(dma, ALIGN_DOWN(dma->missed, HOST_PAGE_SIZE), dma->missed_write);
	pthread_mutex_unlock(&dma->lock);
}

/* ---- the handle ------------------------------------------------------------------------------ */

static const struct iommu_bypass_ops bypass_ops = {
	.translate = translate,
	.bits = { .need = { ENTRY_PRESENT | ENTRY_READ, ENTRY_PRESENT | ENTRY_WRITE },
		  .clear = 0,
		  .addr = ENTRY_ADDR },
	.fill = fill,
	.fault = describe,
};

int vfio_emulated_dma_create(struct vfio_device *vdev, size_t max_pages,
			     struct vfio_emulated_dma **out)
{
	struct vfio_emulated_dma *dma = FAIL_POINT() ? NULL : calloc(1, sizeof(*dma));
	char name[IOMMU_DEV_NAME];
	int ret;

	if (!dma)
		return -ENOMEM;
	dma->vdev = vdev;
	dma->max_pages = max_pages ? max_pages : VFIO_EMULATED_DMA_PAGES;
	dma->bypass = (struct iommu_bypass){ .ops = &bypass_ops, .arg = dma };
	pthread_mutex_init(&dma->lock, NULL);
	pthread_mutex_init(&dma->table_lock, NULL);
	list_init(&dma->chunks);
	snprintf(name, sizeof(name), "%.39s", vdev->dev->name);
	ret = iommu_dev_create_bypass(&dma->bypass, UINT32_MAX, name, &dma->dev);
	if (ret) {
		pthread_mutex_destroy(&dma->table_lock);
		pthread_mutex_destroy(&dma->lock);
		free(dma);
		return ret;
	}
	vdev->pin_ops = &pin_ops;
	vdev->pin_priv = dma;
	*out = dma;
	return 0;
}

void vfio_emulated_dma_destroy(struct vfio_emulated_dma *dma)
{
	struct chunk *chunk, *tmp;

	if (!dma)
		return;
	/* Nothing is pinned, but chunks may be left. */
	list_for_each_entry_safe(chunk, tmp, &dma->chunks, link)
		free_chunk(chunk);
	iommu_dev_destroy(dma->dev);
	pthread_mutex_destroy(&dma->table_lock);
	pthread_mutex_destroy(&dma->lock);
	free(dma);
}

struct iommu_dev *vfio_emulated_dma_dev(struct vfio_emulated_dma *dma)
{
	return dma->dev;
}

size_t vfio_emulated_dma_pinned(struct vfio_emulated_dma *dma)
{
	size_t pinned;

	pthread_mutex_lock(&dma->lock);
	pinned = dma->num_pinned;
	pthread_mutex_unlock(&dma->lock);
	return pinned;
}
