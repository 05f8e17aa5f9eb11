/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's address space: mappings of our files, and memory that devices reach and the program
 * takes away (design D5). Called only when a machine
 * exists in this process, or mappings of huge pages (huge_memory.c), whose rules come first.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "file/file.h"
#include "hostmem/frames.h"
#include "hostmem/hostmem.h"
#include "machine/machine.h"
#include "machine/share.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/huge.h"

static struct hostmem *hostmem(void)
{
	return machine_hostmem(atomic_load_explicit(&door_machine_ptr, memory_order_acquire));
}

/* Whether devices may reach this process' memory. */
static bool machine_lives(void)
{
	return atomic_load_explicit(&door_machine_ptr, memory_order_acquire) != NULL;
}

/* Page frame numbers, as a program without an IOMMU has them. */
static struct frames *frames_here(void)
{
	struct uvfio_machine *machine =
		atomic_load_explicit(&door_machine_ptr, memory_order_acquire);

	return machine ? machine_frames(machine) : NULL;
}

/* The pages that a call on [addr, addr + len) takes; false: the call fails by itself. */
static bool pages(const void *addr, size_t *len)
{
	if (!IS_ALIGNED((uintptr_t)addr, HOST_PAGE_SIZE) || !*len || *len > (1UL << 47))
		return false;
	*len = ALIGN_UP(*len, HOST_PAGE_SIZE);
	return true;
}

/* What stands at [addr, addr + len) is about to go; -ENOMEM: it must stay. */
static int vacate(void *addr, size_t len)
{
	bool tracked;
	int ret;

	if (!machine_lives())
		return 0;
	tracked = unlikely(atomic_load_explicit(&share_count, memory_order_relaxed)) &&
		  file_find_mapping((uintptr_t)addr, len, NULL, NULL);
	ret = file_munmap((uintptr_t)addr, len);
	if (tracked)
		share_sweep_soon(atomic_load(&door_machine_ptr));
	if (!ret)
		hostmem_will_unmap(hostmem(), (uintptr_t)addr, len);
	return ret;
}

/* The same for what has been replaced. */
static void vacate_replaced(void *addr, size_t len)
{
	if (vacate(addr, len))
		pr_err("out of memory: an unmapped device mapping stays tracked");
}

/*
 * Whether the kernel or the file would refuse a fixed mapping over memory that devices reach, asked
 * by making it elsewhere: that memory must not be moved aside for nothing. 0 or -errno.
 */
static int try_elsewhere(struct file *file, size_t len, int prot, int flags, int fd, off_t off)
{
	void *at;
	long made;
	int err;

	flags &= ~(MAP_FIXED | MAP_POPULATE | MAP_LOCKED);
	if (file) {
		err = off < 0 ? -EINVAL
			      : file_mmap(file, NULL, len, prot, flags, (uint64_t)off, &at);
		if (err)
			return err;
		file_munmap((uintptr_t)at, ALIGN_UP(len, HOST_PAGE_SIZE));
	} else {
		made = raw_mmap(NULL, len, prot, flags, fd, (uint64_t)off);
		if (made < 0 && made > -4096)
			return (int)made;
		at = (void *)made;
	}
	raw_munmap(at, len);
	return 0;
}

/* Other memory in the place of huge pages: 0 when it was mapped, 1 when there were none. */
static int map_over_pages(void **ret, void *addr, size_t len, int prot, int flags, int fd,
			  off_t off)
{
	long at;

	if (!huge_touches(addr, ALIGN_UP(len, HOST_PAGE_SIZE)))
		return 1;
	at = raw_mmap(addr, len, prot, flags, fd, (uint64_t)off);
	if (at < 0 && at > -4096)
		return (int)at;
	huge_unmapped(addr, ALIGN_UP(len, HOST_PAGE_SIZE));
	*ret = (void *)at;
	return 0;
}

static bool map_door(void **ret, void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	const struct map_call call = { addr, len, prot, flags, fd, off };
	struct file *file;
	struct door door;
	size_t whole = len;
	int err = 0;
	long at;

	door_enter(&door);
	if (huge_wanted(flags, fd) && huge_mmap(&call, vacate_replaced, &at)) {
		err = at < 0 && at > -4096 ? (int)at : 0;
		*ret = door_return(&door, err) < 0 ? MAP_FAILED : (void *)at;
		return true;
	}
	file = flags & MAP_ANONYMOUS ? NULL : file_from_fd(fd);
	if ((flags & MAP_FIXED) && pages(addr, &whole)) {
		if (!huge_cuttable(addr, whole))
			err = -EINVAL;
		else if (machine_lives() && hostmem_any(hostmem(), (uintptr_t)addr, whole))
			err = try_elsewhere(file, len, prot, flags, fd, off);
		if (!err)
			err = vacate(addr, whole);
	}
	if (!file && !err && (flags & MAP_FIXED)) {
		err = map_over_pages(ret, addr, len, prot, flags, fd, off);
		if (err <= 0) {
			if (door_return(&door, err) < 0)
				*ret = MAP_FAILED;
			return true;
		}
	}
	if (!file) {
		/* What has been refused here, libc would not know. */
		if (err == -ENOMEM || (err == -EINVAL && !huge_cuttable(addr, whole))) {
			door_return(&door, err);
			*ret = MAP_FAILED;
			return true;
		}
		door_leave(&door);
		return false;
	}
	fault_unblock();
	if (!err)
		err = off < 0 ? -EINVAL
			      : file_mmap(file, addr, len, prot, flags, (uint64_t)off, ret);
	file_put(file);
	if (door_return(&door, err) < 0)
		*ret = MAP_FAILED;
	return true;
}

/* Huge pages among others. */
static int unmap_pages(void *addr, size_t len)
{
	uint64_t ino;
	bool sweep;
	int err;

	if (!huge_cuttable(addr, len))
		return -EINVAL;
	err = vacate(addr, len);
	if (err)
		return err;
	sweep = huge_let_go(addr, len, true, &ino);
	err = raw_munmap(addr, len);
	if (sweep)
		huge_sweep(ino);
	return err;
}

static bool unmap_door(int *ret, void *addr, size_t len)
{
	struct hostmem_leaving leaving;
	struct door door;
	int err;

	if (!pages(addr, &len))
		return false;
	door_enter(&door);
	if (huge_touches(addr, len)) {
		*ret = (int)door_return(&door, unmap_pages(addr, len));
		return true;
	}
	if (machine_lives() && hostmem_leaving_begin(hostmem(), &leaving, (uintptr_t)addr, len)) {
		/* The call is made here, so that nothing comes between. */
		err = vacate(addr, len);
		if (!err)
			err = raw_munmap(addr, len);
		hostmem_leaving_end(hostmem(), &leaving);
		*ret = (int)door_return(&door, err);
		return true;
	}
	err = vacate(addr, len);
	if (err) {
		*ret = (int)door_return(&door, err);
		return true;
	}
	door_leave(&door);
	return false;
}

bool door_mprotect(int *ret, void *addr, size_t len, int prot)
{
	struct door door;
	int done;

	if (!pages(addr, &len))
		return false;
	door_enter(&door);
	if (!huge_cuttable(addr, len)) {
		*ret = (int)door_return(&door, -EINVAL);
		return true;
	}
	done = file_mprotect((uintptr_t)addr, len, prot);
	if (!done) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, MIN(done, 0));
	return true;
}

static bool discards(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE ||
	       advice == MADV_DONTNEED_LOCKED;
}

static bool advise_door(int *ret, void *addr, size_t len, int advice)
{
	struct door door;

	if ((!discards(advice) && !huge_mapped()) || !pages(addr, &len))
		return false;
	door_enter(&door);
	if (discards(advice) && machine_lives())
		hostmem_will_unmap(hostmem(), (uintptr_t)addr, len);
	if (huge_madvise(addr, len, advice, ret)) {
		*ret = (int)door_return(&door, *ret);
		return true;
	}
	door_leave(&door);
	return false;
}

/* The pages, their pins and the program stay together at the new place. */
static void *move(struct frames_leaving *replaced, void *addr, size_t old_len, size_t new_len,
		  int flags, void *new_addr)
{
	uintptr_t from = (uintptr_t)addr;
	struct frames *frames = frames_here();
	struct hostmem_leaving leaving;
	bool pinned = false, late;
	void *to;

	if (!machine_lives())
		return mremap(addr, old_len, new_len, flags, new_addr);
	late = hostmem_leaving_begin(hostmem(), &leaving, from, old_len);
	if (flags & MREMAP_DONTUNMAP)
		hostmem_will_unmap(hostmem(), from, old_len);
	else
		pinned = hostmem_move_begin(hostmem(), from, old_len, new_len);
	if (frames)
		frames_move_begin(frames, from, old_len);
	to = mremap(addr, old_len, new_len, flags, new_addr);
	if (frames)
		frames_move_end(frames, from, old_len, new_len,
				to == MAP_FAILED ? 0 : (uintptr_t)to, replaced);
	if (pinned)
		hostmem_move_end(hostmem(), from, old_len, to == MAP_FAILED ? 0 : (uintptr_t)to);
	if (late)
		hostmem_leaving_end(hostmem(), &leaving);
	if (to != MAP_FAILED)
		file_mremap(from, old_len, (uintptr_t)to, new_len);
	return to;
}

/* What the kernel refuses before it takes away what stands at the new place. */
static bool refused(uintptr_t from, size_t old_len, uintptr_t to, size_t new_len, int flags)
{
	const int known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

	return !(flags & MREMAP_MAYMOVE) || (flags & ~known) ||
	       ((flags & MREMAP_DONTUNMAP) && old_len != new_len) ||
	       (from < to + new_len && to < from + old_len);
}

static bool remap_door(struct frames_leaving *replaced, void **ret, void *addr, size_t old_len,
		       size_t new_len, int flags, void *new_addr)
{
	size_t len = new_len;
	struct door door;
	long to = 0;
	int pages_here;

	/* An old length of 0 makes a second mapping and moves nothing. */
	if (!pages(addr, &old_len) || !pages((flags & MREMAP_FIXED) ? new_addr : addr, &len))
		return false;
	if ((flags & MREMAP_FIXED) &&
	    refused((uintptr_t)addr, old_len, (uintptr_t)new_addr, len, flags))
		return false;
	door_enter(&door);
	pages_here = huge_mremap_check(addr, &old_len, &len, flags, new_addr);
	if (pages_here < 0 || ((flags & MREMAP_FIXED) && !huge_cuttable(new_addr, len))) {
		*ret = MAP_FAILED;
		door_return(&door, -EINVAL);
		return true;
	}
	if (flags & MREMAP_FIXED)
		vacate_replaced(new_addr, len);
	if (machine_lives())
		to = file_do_mremap((uintptr_t)addr, old_len, len, flags, (uintptr_t)new_addr);
	if (to > 0) {
		*ret = (void *)to;
	} else if (to < 0) {
		errno = (int)-to;
		*ret = MAP_FAILED;
	} else {
		*ret = move(replaced, addr, old_len, len, flags, new_addr);
		if (*ret != MAP_FAILED && !pages_here)
			huge_moved(addr, old_len, *ret, len);
	}
	door_return(&door, *ret == MAP_FAILED ? -errno : 0);
	return true;
}

/*
 * ---- without an IOMMU -----------------------------------------------------------------------
 *
 * Pages that a call takes away lose their frame numbers before it, for good when it has succeeded.
 * The call is made here then, rather than by libc behind the door.
 */

bool door_mmap(void **ret, void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct frames *frames = frames_here();
	struct frames_leaving leaving;
	struct door door;
	long at;
	int err;

	if (likely(!frames) || !(flags & MAP_FIXED))
		return map_door(ret, addr, len, prot, flags, fd, off);
	door_enter(&door);
	frames_unmap_begin(frames, &leaving, (uintptr_t)addr, len);
	if (map_door(ret, addr, len, prot, flags, fd, off)) {
		err = *ret == MAP_FAILED ? -errno : 0;
	} else {
		at = raw_mmap(addr, len, prot, flags, fd, (uint64_t)off);
		err = at < 0 && at > -4096 ? (int)at : 0;
		*ret = err ? MAP_FAILED : (void *)at;
	}
	frames_unmap_end(frames, &leaving, FRAMES_MMAP, !err);
	door_return(&door, err);
	return true;
}

bool door_munmap(int *ret, void *addr, size_t len)
{
	struct frames *frames = frames_here();
	struct frames_leaving leaving;
	struct door door;
	int err;

	if (likely(!frames))
		return unmap_door(ret, addr, len);
	door_enter(&door);
	frames_unmap_begin(frames, &leaving, (uintptr_t)addr, len);
	if (unmap_door(ret, addr, len))
		err = *ret ? -errno : 0;
	else
		err = raw_munmap(addr, len);
	frames_unmap_end(frames, &leaving, FRAMES_MUNMAP, !err);
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_madvise(int *ret, void *addr, size_t len, int advice)
{
	struct frames *frames = discards(advice) ? frames_here() : NULL;
	struct frames_leaving leaving;
	struct door door;
	int err;

	if (likely(!frames))
		return advise_door(ret, addr, len, advice);
	door_enter(&door);
	frames_unmap_begin(frames, &leaving, (uintptr_t)addr, len);
	if (advise_door(ret, addr, len, advice))
		err = *ret ? -errno : 0;
	else
		err = raw_madvise(addr, len, advice);
	frames_unmap_end(frames, &leaving, FRAMES_MADVISE, !err);
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_mremap(void **ret, void *addr, size_t old_len, size_t new_len, int flags, void *new_addr)
{
	struct frames *frames = frames_here();
	struct frames_leaving replaced;
	struct door door;
	bool done;
	int err;

	if (likely(!frames))
		return remap_door(NULL, ret, addr, old_len, new_len, flags, new_addr);
	door_enter(&door);
	frames_unmap_begin(frames, &replaced, (uintptr_t)new_addr,
			   flags & MREMAP_FIXED ? new_len : 0);
	done = remap_door(&replaced, ret, addr, old_len, new_len, flags, new_addr);
	if (!done)
		*ret = mremap(addr, old_len, new_len, flags, new_addr);
	err = *ret == MAP_FAILED ? -errno : 0;
	/* Unless move() has. */
	frames_unmap_end(frames, &replaced, FRAMES_MREMAP, !err);
	door_return(&door, err);
	return true;
}
