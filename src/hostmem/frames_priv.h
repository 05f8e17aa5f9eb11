/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside frames: two tables, from bus addresses to pointers (read by devices without lock) and from
 * virtual pages to frames; and the session's part.
 *
 * frames->lock guards all writing. It is held over the program's own munmap() and the like, and
 * while devices are waited for, which only try it. Nothing here uses malloc(): the program's
 * allocator may be what unmaps.
 */
#ifndef HOSTMEM_FRAMES_PRIV_H
#define HOSTMEM_FRAMES_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/itree.h"
#include "hostmem/frames.h"
#include "hostmem/maps.h"
#include "hostmem/pool_priv.h"

#define GIB_SHIFT    30
#define GIB_FRAMES   (1U << (GIB_SHIFT - HOST_PAGE_SHIFT))
#define HUGE_SHIFT   21
#define HUGE_SIZE    (1UL << HUGE_SHIFT)
#define BLOCK_FRAMES 512U

#define USER_END (1UL << 47)

/* By GiB of physical memory. */
#define GIBS	      (1U << (FRAMES_ADDRESS_BITS - GIB_SHIFT))
#define WINDOWS_GIB   4096U
#define EXTENTS_GIB   12288U
#define FRAME_WINDOWS ((EXTENTS_GIB - WINDOWS_GIB) / 2)
#define FRAME_EXTENTS (GIBS - EXTENTS_GIB)

/* ---- from the bus to memory ----------------------------------------------------------------- */

/*
 * An entry: a page's address, and how a device may use it. Without PRESENT: what the page was. 0:
 * the frame was not given out (or long ago).
 */
#define ENTRY_PRESENT	 0x1U
#define ENTRY_WRITE	 0x2U /* not for the program, nor before it wrote to its own copy: absent */
#define ENTRY_FROZEN	 0x4U /* being moved: wait */
#define ENTRY_LEAVING	 0x8U /* being taken away, which may fail yet */
#define ENTRY_GONE_SHIFT 4    /* enum frames_gone */
#define ENTRY_ADDR	 FRAMES_ADDR
/* In a table of blocks: the entry is that of a whole huge page, and no pointer to a block. */
#define ENTRY_LARGE BIT_ULL(63)

_Static_assert(FRAMES_NEED_WRITE == (ENTRY_PRESENT | ENTRY_WRITE), "what devices test");
_Static_assert(FRAMES_CLEAR == (ENTRY_FROZEN | ENTRY_LEAVING), "what devices test");

struct frame_block {
	_Atomic uint64_t entries[BLOCK_FRAMES];
};

struct frame_gib {
	_Atomic uint64_t blocks[BLOCK_FRAMES]; /* struct frame_block *, or a large entry; 0: none */
	uint16_t live[BLOCK_FRAMES];	       /* present entries of each */
};

/* ---- the session's part --------------------------------------------------------------------- */

#define WINDOW_USERS 4

/* 1 GiB of a file. Written under the file's lock; constant while it is used. */
struct frame_window {
	_Atomic uint32_t ready;
	uint32_t huge; /* its pages are contiguous */
	uint64_t dev, ino, part;
	_Atomic uint32_t users[WINDOW_USERS]; /* processes that asked for its pages; ~0: many */
};

struct frame_extent {
	_Atomic uint32_t pid; /* 0: nobody's */
	char comm[16];
};

struct frames_shared {
	_Atomic uint32_t next_extent;
	struct frame_extent extents[FRAME_EXTENTS];
	struct frame_window windows[FRAME_WINDOWS];
};

/* A page of a file. */
struct file_page {
	uint64_t dev, ino, page;
};

/* The frame of @at, which is one of a huge page when *@huge; a window is made for it when there is
 * none, else *@huge becomes what it was made for. @avoid: a virtual address that it must not be
 * equal to. 0: no window is free. */
uint64_t shared_frame(struct frames *frames, const struct file_page *at, bool *huge,
		      uintptr_t avoid);
/* What page @frame is; false: none. *@huge: of a huge page. */
bool shared_page(const struct frames *frames, uint64_t frame, struct file_page *out, bool *huge);
/* An extent for this process: its GiB, or 0. */
uint32_t shared_extent(struct frames *frames);
/* A user of the window other than this process, dead or alive; 0: none is known. */
uint32_t shared_other_user(const struct frames *frames, uint64_t frame);

/* ---- this process --------------------------------------------------------------------------- */

/* 2 MiB of the program's addresses. */
struct page_block {
	struct itree_node node;
	uint64_t large;	  /* the first frame of the huge page; 0: none */
	uint64_t *frames; /* of each page, 0: none; NULL: none at all */
	uint16_t live;
};

_Static_assert(sizeof(struct page_block) <= POOL_OBJECT, "comes from the pool");

#define GONE_RECORDS 64
#define GONE_NAME    MAP_NAME /* as frames_leaving.name */

/* What was taken away, for reports: one of the last ranges. @seq odd: being written. */
struct gone_record {
	_Atomic uint32_t seq;
	_Atomic uint64_t start, end;
	_Atomic uint64_t name[GONE_NAME / 8];
};

/* How many blocks of private frames are kept before old ones are given out again. */
#define HISTORY_BLOCKS 1024U
#define MAX_EXTENTS    1024U

struct frames {
	/* Read by devices. */
	_Atomic(struct frame_gib *) *gibs; /* GIBS of them */
	struct frames_shared *shared;
	atomic_bool dead; /* of the parent, in the child of a fork */

	pthread_mutex_t lock;
	const struct frames_ops *ops;
	void *arg;
	int fd, maps_fd, pagemap_fd;
	size_t (*huge_size)(uintptr_t addr);
	struct itree blocks;		  /* struct page_block */
	struct pool pool;		  /* of page_blocks */
	void *free_pages, *chunks;	  /* pages of the tables */
	void *gib_chunks;		  /* struct frame_gib */
	size_t private_pages;		  /* private frames that are present */
	uint32_t extent;		  /* the GiB from which private frames come; 0: none yet */
	uint32_t extents;		  /* how many this process has */
	uint32_t next_block;		  /* in extent */
	uint32_t block;			  /* the frames given out one by one, >> 9; 0: none */
	uint32_t block_used;		  /* of it */
	uint32_t history[HISTORY_BLOCKS]; /* blocks of small frames in order, a ring */
	uint32_t history_first, history_count;
	bool told_full;
	bool withdrew; /* what devices may have seen is gone or frozen since the last sync */
	struct list_head leaving; /* struct frames_leaving */
	_Atomic uint32_t gone_next;
	struct gone_record gone[GONE_RECORDS];
};

/* frames.c: the table for devices. Lock held, but entry_at(). */
uint64_t entry_at(const struct frames *frames, uint64_t frame, bool *large);
/* The place of @frame's entry, made when it is not there; NULL: no memory. */
_Atomic uint64_t *entry_place(struct frames *frames, uint64_t frame);
_Atomic uint64_t *large_place(struct frames *frames, uint64_t frame);
/* Changes an entry and counts it. */
void entry_set(struct frames *frames, uint64_t frame, _Atomic uint64_t *place, uint64_t value);
/* A zeroed page, or NULL. */
void *table_page(struct frames *frames);
void table_page_free(struct frames *frames, void *page);
/* The first of a new private frame, or of @size bytes that are contiguous; 0: none. */
uint64_t private_frame(struct frames *frames, size_t size);

static inline bool frame_is_private(uint64_t frame)
{
	return frame >> (GIB_SHIFT - HOST_PAGE_SHIFT) >= EXTENTS_GIB;
}

/* frames_pages.c: the frame of a page that a mapping shows is the one of @entry. Lock held. */
bool page_publish(struct frames *frames, uintptr_t addr, uint64_t frame, bool large,
		  bool read_only);

/* The frame of the page at @addr; 0: nobody has asked for it. */
uint64_t page_frame(struct frames *frames, uintptr_t addr);
/* Devices do not find the pages of [@start, @end) any more, of those whose frames @want wants
 * (NULL: all). pages_sync() waits for those that found them before. */
void pages_withdraw(struct frames *frames, uintptr_t start, uintptr_t end, enum frames_gone how,
		    bool (*want)(uint64_t frame));
void pages_sync(struct frames *frames);
/* Whether a call is taking something of the range away now. */
bool pages_leave(const struct frames *frames, uintptr_t start, uintptr_t end);
/* Waits until none does; drops the lock meanwhile. */
void pages_wait(struct frames *frames, uintptr_t start, uintptr_t end);

/* Whether @addr can be small page @in of a huge one: all of that stands in the mapping. What other
 * processes say of a file decides nothing about this one's addresses. */
static inline bool map_has_huge(const struct map_range *map, uintptr_t addr, uint64_t in)
{
	uintptr_t off = in << HOST_PAGE_SHIFT;

	return addr - map->start >= off && IS_ALIGNED(addr - off, HUGE_SIZE) &&
	       map->end - (addr - off) >= HUGE_SIZE;
}

#endif
