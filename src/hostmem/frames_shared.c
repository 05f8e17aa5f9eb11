/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session's part of the frames: which GiB of physical memory is which part of which file, and
 * whose private pages are where. Changed under a lock of the file, which goes with its holder;
 * looked up without.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/sysraw.h"
#include "hostmem/frames_priv.h"

/* Page N of a block is frame 2 * (N * SPREAD + ...): neighbours are 410 frames apart. */
#define SPREAD	 205U
#define UNSPREAD 5U /* SPREAD * UNSPREAD = 1 modulo 512 */
#define SHIFT	 37U
#define MANY	 UINT32_MAX

size_t frames_shared_size(void)
{
	return ALIGN_UP(sizeof(struct frames_shared), HOST_PAGE_SIZE);
}

static void file_lock(const struct frames *frames, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	int ret;

	do {
		ret = raw_fcntl(frames->fd, F_OFD_SETLKW, (long)&lock);
	} while (ret == -EINTR);
}

static bool process_lives(uint32_t pid)
{
	return sysraw3(SYS_kill, (long)pid, 0, 0) != -ESRCH;
}

/* ---- windows --------------------------------------------------------------------------------- */

static uint64_t window_base(uint32_t slot)
{
	return (uint64_t)(WINDOWS_GIB + 2 * slot) * GIB_FRAMES;
}

static uint64_t page_to_frame(uint32_t slot, uint64_t page, bool huge)
{
	uint64_t block = page / BLOCK_FRAMES, in = page % BLOCK_FRAMES;

	if (huge)
		return window_base(slot) + page;
	in = (in * SPREAD + block * SHIFT) % BLOCK_FRAMES;
	return window_base(slot) + (block * BLOCK_FRAMES + in) * 2;
}

static bool window_is(const struct frame_window *window, const struct file_page *at, uint64_t part)
{
	return window->ino == at->ino && window->dev == at->dev && window->part == part;
}

static void window_use(struct frame_window *window)
{
	uint32_t self = (uint32_t)raw_getpid(), i, user;

	for (i = 0; i < WINDOW_USERS; i++) {
		user = atomic_load_explicit(&window->users[i], memory_order_relaxed);
		if (user == self || user == MANY)
			return;
		if (!user && atomic_compare_exchange_strong(&window->users[i], &user, self))
			return;
		if (user == self)
			return;
	}
	for (i = 0; i < WINDOW_USERS; i++) {
		user = atomic_load_explicit(&window->users[i], memory_order_relaxed);
		if (!process_lives(user) &&
		    atomic_compare_exchange_strong(&window->users[i], &user, self))
			return;
	}
	atomic_store(&window->users[0], MANY);
}

static bool window_idle(const struct frame_window *window)
{
	for (unsigned int i = 0; i < WINDOW_USERS; i++) {
		uint32_t user = atomic_load_explicit(&window->users[i], memory_order_relaxed);

		if (user == MANY || (user && process_lives(user)))
			return false;
	}
	return true;
}

static uint32_t first_slot(const struct file_page *at, uint64_t part)
{
	uint64_t hash = (at->ino * 0x9e3779b97f4a7c15ULL) ^ (at->dev * 0xc2b2ae3d27d4eb4fULL);

	/* Parts of one file are neighbours. */
	return (uint32_t)(((hash >> 32) + part) % FRAME_WINDOWS);
}

/*
 * The slot; FRAME_WINDOWS: none. *@free: where it could be made. An address to avoid can make one
 * skip a free slot, so that the search ends at the second one.
 */
static uint32_t find_window(const struct frames_shared *shared, const struct file_page *at,
			    uint64_t part, uintptr_t avoid, uint32_t *free)
{
	uint32_t first = first_slot(at, part), slot = first, seen = 0;

	*free = FRAME_WINDOWS;
	do {
		const struct frame_window *window = &shared->windows[slot];
		uint64_t gib = WINDOWS_GIB + 2 * slot;

		if (atomic_load_explicit(&window->ready, memory_order_acquire)) {
			if (window_is(window, at, part))
				return slot;
		} else {
			if (*free == FRAME_WINDOWS && avoid >> GIB_SHIFT != gib &&
			    avoid >> GIB_SHIFT != gib + 1)
				*free = slot;
			seen++;
		}
		slot = (slot + 1) % FRAME_WINDOWS;
	} while (slot != first && (seen < 2 || *free == FRAME_WINDOWS));
	return FRAME_WINDOWS;
}

static uint32_t make_window(struct frames *frames, const struct file_page *at, uint64_t part,
			    bool huge, uintptr_t avoid)
{
	struct frames_shared *shared = frames->shared;
	struct frame_window *window;
	uint32_t slot, free;

	file_lock(frames, F_WRLCK);
	slot = find_window(shared, at, part, avoid, &free);
	if (slot == FRAME_WINDOWS) {
		/* All are taken: one whose users have ended. */
		for (slot = 0; free == FRAME_WINDOWS && slot < FRAME_WINDOWS; slot++)
			if (window_idle(&shared->windows[slot]))
				free = slot;
		slot = free;
		if (slot < FRAME_WINDOWS) {
			window = &shared->windows[slot];
			atomic_store(&window->ready, 0);
			window->dev = at->dev;
			window->ino = at->ino;
			window->part = part;
			window->huge = huge;
			for (unsigned int i = 0; i < WINDOW_USERS; i++)
				atomic_store(&window->users[i], 0);
			atomic_store_explicit(&window->ready, 1, memory_order_release);
		}
	}
	file_lock(frames, F_UNLCK);
	return slot;
}

uint64_t shared_frame(struct frames *frames, const struct file_page *at, bool *huge,
		      uintptr_t avoid)
{
	uint64_t part = at->page / GIB_FRAMES;
	struct frame_window *window;
	uint32_t slot, free;

	slot = find_window(frames->shared, at, part, avoid, &free);
	if (slot == FRAME_WINDOWS)
		slot = make_window(frames, at, part, *huge, avoid);
	if (slot == FRAME_WINDOWS)
		return 0;
	window = &frames->shared->windows[slot];
	window_use(window);
	*huge = window->huge;
	return page_to_frame(slot, at->page % GIB_FRAMES, window->huge);
}

static const struct frame_window *window_of(const struct frames *frames, uint64_t frame)
{
	uint64_t gib = frame / GIB_FRAMES;
	const struct frame_window *window;

	if (gib < WINDOWS_GIB || gib >= EXTENTS_GIB)
		return NULL;
	window = &frames->shared->windows[(gib - WINDOWS_GIB) / 2];
	return atomic_load_explicit(&window->ready, memory_order_acquire) ? window : NULL;
}

bool shared_page(const struct frames *frames, uint64_t frame, struct file_page *out, bool *huge)
{
	const struct frame_window *window = window_of(frames, frame);
	uint64_t in = frame % (2ULL * GIB_FRAMES), block;

	if (!window)
		return false;
	*huge = window->huge;
	if (!window->huge) {
		if (in & 1)
			return false;
		block = in / 2 / BLOCK_FRAMES;
		in = (in / 2 % BLOCK_FRAMES - block * SHIFT) * UNSPREAD % BLOCK_FRAMES;
		in += block * BLOCK_FRAMES;
	}
	if (in >= GIB_FRAMES)
		return false;
	*out = (struct file_page){ window->dev, window->ino, window->part * GIB_FRAMES + in };
	return true;
}

uint32_t shared_other_user(const struct frames *frames, uint64_t frame)
{
	const struct frame_window *window = window_of(frames, frame);
	uint32_t self = (uint32_t)raw_getpid();

	for (unsigned int i = 0; window && i < WINDOW_USERS; i++) {
		uint32_t user = atomic_load_explicit(&window->users[i], memory_order_relaxed);

		if (user && user != self && user != MANY)
			return user;
	}
	return 0;
}

/* ---- extents --------------------------------------------------------------------------------- */

uint32_t shared_extent(struct frames *frames)
{
	struct frames_shared *shared = frames->shared;
	uint32_t found = 0, i;

	file_lock(frames, F_WRLCK);
	for (i = 0; i < FRAME_EXTENTS && !found; i++) {
		uint32_t at = atomic_fetch_add(&shared->next_extent, 1) % FRAME_EXTENTS;
		struct frame_extent *extent = &shared->extents[at];
		uint32_t pid = atomic_load(&extent->pid);

		if (pid && process_lives(pid))
			continue;
		prctl(PR_GET_NAME, extent->comm);
		atomic_store(&extent->pid, (uint32_t)raw_getpid());
		found = EXTENTS_GIB + at;
	}
	file_lock(frames, F_UNLCK);
	return found;
}
