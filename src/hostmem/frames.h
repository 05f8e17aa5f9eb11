/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page frame numbers: the physical addresses of the program's pages, as /proc/self/pagemap gives
 * them and as a device without IOMMU puts them on the bus.
 *
 * They are made up, since the host tells its own to nobody, and honest: a page keeps its number as
 * long as it is there; pages of 4 KiB that are neighbours in memory never are on the bus, and the
 * frame behind each of them is nobody's; huge pages are contiguous and aligned; the pages of a file
 * or of shared memory have the same numbers in each mapping and in each process of the session; a
 * private page's number is never equal to a virtual address's and is given out once.
 *
 * Memory ends at 16 TiB (44 bits; large BARs come behind). [4, 12) TiB are windows of files, 2 GiB
 * for 1 GiB of a file: pages of 4 KiB have the even frames. [12, 16) TiB are extents of 1 GiB, each
 * of one process, for its private pages. Below 4 TiB there is none.
 *
 * A number is valid from the moment at which it was asked for. What the program takes away
 * (munmap() and its like, as doors report it), is withdrawn: the device is stopped from reaching it
 * before the call, and what the number was is remembered for the report of a late DMA.
 */
#ifndef HOSTMEM_FRAMES_H
#define HOSTMEM_FRAMES_H

#include <stdatomic.h>
#include "base/list.h"
#include "base/types.h"

struct frames;
struct frames_shared;

#define FRAMES_ADDRESS_BITS 44

/* Bits of a pagemap entry (Documentation/admin-guide/mm/pagemap.rst). */
#define PAGEMAP_FRAME	  (BIT_ULL(55) - 1)
#define PAGEMAP_EXCLUSIVE BIT_ULL(56)
#define PAGEMAP_FILE	  BIT_ULL(61)
#define PAGEMAP_SWAPPED	  BIT_ULL(62)
#define PAGEMAP_PRESENT	  BIT_ULL(63)

/* How a page went. */
enum frames_gone {
	FRAMES_UNSEEN = 1, /* no door saw it */
	FRAMES_MUNMAP,
	FRAMES_MMAP, /* replaced by another mapping */
	FRAMES_MADVISE,
	FRAMES_MREMAP,
	FRAMES_SHMDT,
	FRAMES_FORK,   /* the child has it, the parent a copy, or the other way round */
	FRAMES_COPIED, /* copy on write */
};

struct frames_ops {
	/* Returns when no DMA runs that found a page by frames_translate() before. NULL: there are
	 * no devices. */
	void (*sync)(void *arg);
	/* Pages for which frames_translate() said -EAGAIN may be asked for again. */
	void (*thaw)(void *arg);
};

/* The session's part, in a file that its processes share: zeroes at first. */
size_t frames_shared_size(void);

/*
 * @shared: mapped by the caller from the open file @fd (both stay the caller's, and outlive the
 * frames); @fd is an open file description of this process' own, on which a lock is taken. 0,
 * -ENOMEM, or what opening /proc/self/maps and pagemap fails with.
 */
int frames_create(struct frames_shared *shared, int fd, const struct frames_ops *ops, void *arg,
		  struct frames **out);
/* No DMA runs. */
void frames_destroy(struct frames *frames);
/* Who knows about huge pages that the host does not have: the size of the one at @addr, 0: none.
 * Called with the frames' lock held. */
void frames_set_huge(struct frames *frames, size_t (*huge_size)(uintptr_t addr));

/*
 * Where the entry of an address stands: table[addr / 4096 & mask], for a device that looks at it by
 * itself the next time. Such tables never go. (entry & (FRAMES_CLEAR | need)) == need: the pointer
 * is (entry & FRAMES_ADDR) + (addr & page_mask), contiguous up to the end of the page; otherwise
 * frames_translate() knows why not.
 */
struct frames_ref {
	const _Atomic uint64_t *table;
	uint64_t mask, page_mask;
};

#define FRAMES_NEED_READ  0x1U
#define FRAMES_NEED_WRITE 0x3U
#define FRAMES_CLEAR	  0xcU
#define FRAMES_ADDR	  0x7ffffffff000ULL

/*
 * For a device: the pointer behind the bus address @addr, and how many bytes are contiguous. 0;
 * -EFAULT no page of this process; -EACCES a device must not write there; -EAGAIN it is being
 * changed: ask again outside of the section. No lock is waited for; system calls happen only at the
 * first access to a page of a file that was asked for elsewhere. Also in signal context.
 */
int frames_translate(struct frames *frames, uint64_t addr, bool write, paddr_t *host,
		     uint64_t *contig, struct frames_ref *ref);
/* What is or was at @addr, where a DMA failed, in words. Also in signal context. */
void frames_explain(struct frames *frames, uint64_t addr, bool write, char *out, size_t size);

/*
 * Puts the frame numbers into @count entries of /proc/self/pagemap from the page of @addr on, as
 * the host gave them; the host's numbers are taken out.
 */
void frames_pagemap(struct frames *frames, uintptr_t addr, uint64_t *entries, size_t count);
/* This process' pagemap of the host's, open; stays the frames'. */
int frames_pagemap_fd(const struct frames *frames);
/* The same for another process, whose maps are open as @maps_fd: its private pages have 0. */
void frames_pagemap_of(struct frames *frames, int maps_fd, uintptr_t addr, uint64_t *entries,
		       size_t count);

/* A range that a call is taking away: the caller's storage between begin and end. */
struct frames_leaving {
	struct list_head link;
	uintptr_t start, end; /* equal: nothing */
	bool named;
	char name[48];
};

/*
 * Around a call that takes pages in [@addr, @addr + @len) from the program. When begin has returned
 * no device reaches them; a DMA there is one to freed memory. @done: the call took them; otherwise
 * all is as it was. @addr and @len as the program gave them. No lock is held in between; who asks
 * for frames in the range, or takes it away as well, waits for the end.
 */
void frames_unmap_begin(struct frames *frames, struct frames_leaving *leaving, uintptr_t addr,
			size_t len);
void frames_unmap_end(struct frames *frames, struct frames_leaving *leaving, enum frames_gone how,
		      bool done);
/*
 * Around an mremap(): pages keep their numbers. Nothing but the system call may stand in between:
 * devices wait. @new_addr 0: it failed. @replaced: what stands at the place that the program chose,
 * begun before with frames_unmap_begin(), and ended here; or NULL.
 */
void frames_move_begin(struct frames *frames, uintptr_t addr, size_t len);
void frames_move_end(struct frames *frames, uintptr_t addr, size_t len, size_t new_len,
		     uintptr_t new_addr, struct frames_leaving *replaced);
/* Bytes of the mapping that begins at @addr, as long as it is of one file; 0: none does. */
size_t frames_mapping_length(struct frames *frames, uintptr_t addr);

/*
 * Around fork(). Private pages that the child gets, too, lose their numbers in the parent: whoever
 * writes first moves to another frame. @copies false: the parent does not run before the child
 * has gone on to another program (vfork). In the child all frames are the parent's.
 */
void frames_fork_prepare(struct frames *frames);
void frames_fork_parent(struct frames *frames, bool copies);
void frames_fork_child(struct frames *frames);

#endif
