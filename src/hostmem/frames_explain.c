/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device met where no page of the process is: the mistake behind a wild DMA, in words. No
 * lock, no malloc: this runs where the DMA failed. What changes meanwhile makes the words less
 * exact, not wrong.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/sysraw.h"
#include "hostmem/frames_priv.h"

#define PRId(x) ((unsigned long long)(x))

struct words {
	char *out;
	size_t size;
	struct frames *frames;
	uint64_t addr;
	bool write;
};

static const char *const how_gone[] = {
	[FRAMES_UNSEEN] = "is not there any more",
	[FRAMES_MUNMAP] = "was unmapped by munmap",
	[FRAMES_MMAP] = "was replaced by mmap",
	[FRAMES_MADVISE] = "was given back by madvise",
	[FRAMES_MREMAP] = "was taken away by mremap",
	[FRAMES_SHMDT] = "was detached by shmdt",
};

static void name_of(const char *given, char *out, size_t size)
{
	snprintf(out, size, "%s", given[0] ? given : "anonymous memory");
}

/* The name of what was at @addr when it was taken away. */
static void gone_name(const struct frames *frames, uintptr_t addr, char *out, size_t size)
{
	uint64_t words[GONE_NAME / 8];
	uint32_t next = frames->gone_next;

	out[0] = '\0';
	for (uint32_t i = 1; i <= GONE_RECORDS; i++) {
		const struct gone_record *record = &frames->gone[(next - i) % GONE_RECORDS];
		uint32_t seq = atomic_load(&record->seq);

		if ((seq & 1) || addr < atomic_load(&record->start) ||
		    addr >= atomic_load(&record->end))
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(words); j++)
			words[j] = atomic_load(&record->name[j]);
		if (atomic_load(&record->seq) != seq)
			continue;
		words[ARRAY_SIZE(words) - 1] &= ~0ULL >> 8;
		name_of((const char *)words, out, size);
		return;
	}
}

/* A page that was this process'. */
static void explain_gone(const struct words *w, uint64_t entry)
{
	unsigned int how = entry >> ENTRY_GONE_SHIFT & 0xf;
	unsigned long long vaddr = entry & ENTRY_ADDR;
	char name[GONE_NAME + 8];

	gone_name(w->frames, entry & ENTRY_ADDR, name, sizeof(name));
	if (how == FRAMES_FORK)
		snprintf(
			w->out, w->size,
			"page changed owner at fork: was 0x%llx%s%s; parent and child have copies, "
			"ask pagemap again",
			vaddr, name[0] ? " of " : "", name);
	else if (how == FRAMES_COPIED)
		snprintf(w->out, w->size,
			 "old page of 0x%llx, copied on write since: ask pagemap again", vaddr);
	else
		snprintf(w->out, w->size, "freed page: was 0x%llx%s%s, which %s", vaddr,
			 name[0] ? " of " : "", name,
			 how_gone[how < ARRAY_SIZE(how_gone) && how ? how : FRAMES_UNSEEN]);
}

/* One that is there, and yet could not be reached. */
static void explain_present(const struct words *w, uint64_t entry, bool large)
{
	uintptr_t vaddr =
		(entry & ENTRY_ADDR) + (large ? w->addr & (HUGE_SIZE - 1) & HOST_PAGE_MASK : 0);
	char name[GONE_NAME + 8];
	struct map_range map;

	if (!maps_find(w->frames->maps_fd, vaddr, &map)) {
		snprintf(w->out, w->size, "freed page: was 0x%llx, unmapped past the library",
			 PRId(vaddr));
		return;
	}
	name_of(map.name, name, sizeof(name));
	if (!map.read && !map.write)
		snprintf(w->out, w->size, "page 0x%llx of %s is mapped without access (PROT_NONE)",
			 PRId(vaddr), name);
	else if (w->write && !map.write)
		snprintf(w->out, w->size, "page 0x%llx of %s is mapped read-only", PRId(vaddr),
			 name);
	else if (w->write && !(entry & ENTRY_WRITE))
		snprintf(w->out, w->size,
			 "page 0x%llx of %s was not the program's own when its address was asked "
			 "for: write to it first",
			 PRId(vaddr), name);
	else if (map.ino)
		snprintf(w->out, w->size, "page 0x%llx is beyond the end of %s", PRId(vaddr), name);
	else
		snprintf(w->out, w->size, "page 0x%llx of %s cannot be accessed", PRId(vaddr),
			 name);
}

/* A process by its number; its name when it still lives. */
static void process_name(uint32_t pid, const char *known, char *out, size_t size)
{
	char path[32], comm[17] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	fd = (int)sysraw4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0) {
		snprintf(out, size, "pid %u%s%.16s, which has ended", pid, known[0] ? ", " : "",
			 known);
		return;
	}
	n = raw_pread(fd, comm, sizeof(comm) - 1, 0);
	raw_close(fd);
	comm[n > 0 ? n : 0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	snprintf(out, size, "pid %u, %s", pid, comm);
}

/* Before virtual addresses: a sanitizer's shadow covers any number. */
static bool explain_number(const struct words *w)
{
	bool large;

	if (w->addr >> (FRAMES_ADDRESS_BITS - HOST_PAGE_SHIFT) ||
	    !(entry_at(w->frames, w->addr, &large) & ENTRY_PRESENT))
		return false;
	snprintf(w->out, w->size,
		 "a frame number: the address is that times the size of a page, 0x%llx",
		 PRId(w->addr << HOST_PAGE_SHIFT));
	return true;
}

static bool explain_virtual(const struct words *w)
{
	char name[GONE_NAME + 8];
	struct map_range map;

	if (w->addr >> 47 || !maps_find(w->frames->maps_fd, w->addr, &map))
		return false;
	name_of(map.name, name, sizeof(name));
	snprintf(w->out, w->size,
		 "a virtual address of this process (%s + 0x%llx): hand over the physical address",
		 name, PRId(w->addr - map.start));
	return true;
}

/* "4096 bytes before": what ends where the DMA went wrong. */
static bool explain_behind(const struct words *w)
{
	uint64_t frame = w->addr >> HOST_PAGE_SHIFT;
	uint64_t entry;
	bool large;

	entry = frame ? entry_at(w->frames, frame - 1, &large) : 0;
	if (!(entry & ENTRY_PRESENT))
		return false;
	snprintf(w->out, w->size,
		 "beyond the end of the %s at 0x%llx: the next page in memory has another address",
		 large ? "huge page" : "page", PRId(entry & ENTRY_ADDR));
	return true;
}

static bool explain_extent(const struct words *w)
{
	uint64_t gib = w->addr >> GIB_SHIFT;
	const struct frame_extent *extent;
	char name[64], comm[17];
	uint32_t pid;

	if (gib < EXTENTS_GIB || gib >= GIBS)
		return false;
	extent = &w->frames->shared->extents[gib - EXTENTS_GIB];
	pid = atomic_load(&extent->pid);
	if (!pid)
		return false;
	if (pid == (uint32_t)raw_getpid()) {
		snprintf(w->out, w->size, "no page has this address, nor had one");
		return true;
	}
	memcpy(comm, extent->comm, sizeof(extent->comm));
	comm[sizeof(extent->comm)] = '\0';
	process_name(pid, comm, name, sizeof(name));
	snprintf(w->out, w->size, "frame of another process (%s)%s", name,
		 pid == (uint32_t)sysraw3(SYS_getppid, 0, 0, 0) ? ", the parent" : "");
	return true;
}

static bool explain_window(const struct words *w)
{
	struct file_page page;
	char name[64] = "";
	uint32_t pid;
	bool huge;

	if (!shared_page(w->frames, w->addr >> HOST_PAGE_SHIFT, &page, &huge))
		return false;
	pid = shared_other_user(w->frames, w->addr >> HOST_PAGE_SHIFT);
	if (pid)
		process_name(pid, "", name, sizeof(name));
	snprintf(w->out, w->size,
		 "a page of a file (inode %llu, offset 0x%llx) that is not there or not mapped by "
		 "this process%s%s",
		 PRId(page.ino), PRId(page.page << HOST_PAGE_SHIFT),
		 pid ? "; another that uses it: " : "", name);
	return true;
}

void frames_explain(struct frames *frames, uint64_t addr, bool write, char *out, size_t size)
{
	const struct words w = { out, size, frames, addr, write };
	bool large;
	uint64_t entry = entry_at(frames, addr >> HOST_PAGE_SHIFT, &large);

	if (entry & ENTRY_LEAVING)
		snprintf(out, size, "freed page: 0x%llx is being taken away at this moment",
			 PRId(entry & ENTRY_ADDR));
	else if (entry & ENTRY_PRESENT)
		explain_present(&w, entry, large);
	else if (entry)
		explain_gone(&w, entry);
	else if (explain_behind(&w) || explain_extent(&w) || explain_window(&w) ||
		 explain_number(&w) || explain_virtual(&w))
		return;
	else if (addr >> FRAMES_ADDRESS_BITS)
		snprintf(out, size, "beyond the end of memory: no page has this address");
	else
		snprintf(out, size, "no page has this address");
}
