/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System V segments with SHM_HUGETLB: segments of the host's, charged to the session's pool for as
 * long as they exist, and attached at multiples of the page size.
 */
#include <linux/mman.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "base/sysraw.h"
#include "hostmem/frames.h"
#include "hugetlb/ranges.h"
#include "machine/machine.h"
#include "preload/doors.h"
#include "preload/huge.h"

#ifndef SHM_HUGE_SHIFT
#define SHM_HUGE_SHIFT 26
#define SHM_HUGE_MASK  63
#endif
#define SIZE_BITS (SHM_HUGE_MASK << SHM_HUGE_SHIFT)

static int call(struct huge_request *req, struct huge_reply *reply)
{
	struct huge_client *client = huge_client();

	return client ? huge_call(client, req, -1, reply, NULL) : -ENODEV;
}

static int make_segment(key_t key, size_t size, int flags)
{
	struct huge_request req = { .op = HUGE_SHM };
	struct huge_reply reply;
	enum huge_size page;
	int id, before, ret;

	if (!huge_by_shift((unsigned int)flags >> SHM_HUGE_SHIFT & SHM_HUGE_MASK, &page))
		return -EINVAL;
	flags &= ~(SHM_HUGETLB | SIZE_BITS);
	before = key == IPC_PRIVATE ? -1 : (int)sysraw3(SYS_shmget, key, 0, 0);
	id = (int)sysraw3(SYS_shmget, key, (long)ALIGN_UP(size, huge_bytes(page)), flags);
	if (id < 0 || id == before)
		return id;
	req.ino = (uint64_t)id;
	req.size = page;
	req.end = ALIGN_UP(size, huge_bytes(page)) >> huge_shift(page);
	ret = call(&req, &reply);
	if (!ret)
		return id;
	sysraw3(SYS_shmctl, id, IPC_RMID, 0);
	return -ENOMEM;
}

bool door_shmget(int *ret, key_t key, size_t size, int flags)
{
	struct door door;

	door_enter(&door);
	if (!huge_client()) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, make_segment(key, size, flags));
	return true;
}

/* Attaches over a place that was found for it. */
static long attach(int id, const void *addr, int flags, enum huge_size page, size_t len)
{
	const struct map_call reserve = { .addr = (void *)addr,
					  .len = ALIGN_UP(len, huge_bytes(page)),
					  .prot = PROT_NONE,
					  .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
					  .fd = -1 };
	long at = (long)addr, ret;

	if (!addr) {
		at = huge_place(&reserve, page);
		if (at < 0 && at > -4096)
			return at;
		flags |= SHM_REMAP;
	} else if (!IS_ALIGNED((uintptr_t)addr, huge_bytes(page))) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		at = (long)ALIGN_DOWN((uintptr_t)addr, huge_bytes(page));
	}
	ret = sysraw3(SYS_shmat, id, at, flags);
	if (ret != at) {
		if (!addr)
			raw_munmap((void *)at, reserve.len);
		return ret;
	}
	raw_madvise((void *)at, len, MADV_HUGEPAGE);
	huge_attached((void *)at, len, page);
	return at;
}

bool door_shmat(void **ret, int id, const void *addr, int flags)
{
	struct huge_request req = { .op = HUGE_STAT, .ino = (uint64_t)id };
	struct huge_reply reply;
	struct shmid_ds ds;
	struct door door;
	long at;

	door_enter(&door);
	/* A segment has no length to tell, but an entry: the answer is its page size. */
	reply.ino = UINT64_MAX;
	call(&req, &reply);
	if (reply.ino != (uint64_t)id || shmctl(id, IPC_STAT, &ds)) {
		door_leave(&door);
		return false;
	}
	at = attach(id, addr, flags, (enum huge_size)reply.size, ds.shm_segsz);
	*ret = (void *)at;
	if (at < 0 && at > -4096)
		*ret = (void *)door_return(&door, at);
	else
		door_leave(&door);
	return true;
}

static bool detach_pages(int *ret, const void *addr)
{
	struct door door;
	uint64_t ino;
	size_t len;
	int err;

	door_enter(&door);
	len = huge_length_at(addr);
	if (!len) {
		door_leave(&door);
		return false;
	}
	huge_let_go((void *)addr, len, true, &ino);
	err = (int)sysraw3(SYS_shmdt, (long)addr, 0, 0);
	if (!err)
		huge_sweep(ino);
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_shmdt(int *ret, const void *addr)
{
	struct uvfio_machine *machine =
		atomic_load_explicit(&door_machine_ptr, memory_order_acquire);
	struct frames *frames = machine ? machine_frames(machine) : NULL;
	struct frames_leaving leaving;
	bool pages = huge_mapped();
	struct door door;
	int err;

	if (likely(!frames))
		return pages && detach_pages(ret, addr);
	door_enter(&door);
	frames_unmap_begin(frames, &leaving, (uintptr_t)addr,
			   frames_mapping_length(frames, (uintptr_t)addr));
	if (pages && detach_pages(ret, addr))
		err = *ret ? -errno : 0;
	else
		err = (int)sysraw3(SYS_shmdt, (long)addr, 0, 0);
	frames_unmap_end(frames, &leaving, FRAMES_SHMDT, !err);
	*ret = (int)door_return(&door, err);
	return true;
}

size_t huge_page_at(uintptr_t addr)
{
	struct huge_range range;

	if (!atomic_load_explicit(&huge_range_count, memory_order_relaxed))
		return 0;
	return huge_range_at((const void *)addr, &range) ? huge_bytes(range.size) : 0;
}
