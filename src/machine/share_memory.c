/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MAP_DMA by a process that has a container of another's: the device's DMA happens in the owner, so
 * that the memory has to be there, too. Memory of shared files can be: either the owner has the
 * same pages at the same address (DPDK's processes), or it maps them now, from fds that come along,
 * at an address of its own choice. Memory that is the caller's alone is refused.
 *
 * What stands where says /proc/self/maps, on either side.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/overflow.h"
#include "base/sysraw.h"
#include "file/file.h"
#include "hostmem/hostmem.h"
#include "hostmem/maps.h"
#include "machine/machine_priv.h"
#include "machine/share_priv.h"
#include "uapi/vfio.h"

#define HUGE_SIZE  (2UL << 20)
#define FDS_LOOKED 4096 /* numbers that are looked through for a memfd */

/* ---- what stands in an address space --------------------------------------------------------- */

/* Calls @fn for the mappings that end behind @addr until it says true. 0 or -errno. */
static int each_mapping(uint64_t addr, bool (*fn)(const struct map_range *map, void *arg),
			void *arg)
{
	int fd = (int)sysraw4(SYS_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC,
			      0);

	if (fd < 0)
		return fd;
	maps_each(fd, addr, fn, arg);
	raw_close(fd);
	return 0;
}

/* As stat says it. */
static uint64_t device_of(const struct map_range *map)
{
	return makedev((unsigned int)(map->dev >> 32), (unsigned int)map->dev);
}

struct describe {
	uint64_t addr, end;
	struct share_segment *segments;
	int count, err;
};

static bool describe_mapping(const struct map_range *map, void *arg)
{
	struct describe *d = arg;
	struct share_segment *last = d->count ? &d->segments[d->count - 1] : NULL;
	uint64_t dev = device_of(map), len, off;

	if (map->start > d->addr)
		d->err = -EFAULT;
	else if (!map->shared || !map->ino)
		d->err = -EOPNOTSUPP;
	if (d->err)
		return true;
	len = MIN(map->end, d->end) - d->addr;
	off = map->off + (d->addr - map->start);
	if (last && last->dev == dev && last->ino == map->ino && last->off + last->len == off &&
	    last->writable == map->write) {
		last->len += len;
	} else if (d->count == SHARE_SEGMENTS) {
		d->err = -E2BIG;
		return true;
	} else {
		d->segments[d->count++] = (struct share_segment){
			.len = len,
			.off = off,
			.dev = dev,
			.ino = map->ino,
			.fd = -1,
			.writable = map->write,
		};
	}
	d->addr += len;
	return d->addr == d->end;
}

int share_describe(uint64_t addr, uint64_t size, struct share_segment *segments)
{
	struct describe d = { .addr = addr, .segments = segments };
	uint64_t last;
	int ret;

	if (!range_last(addr, size, &last) || last == UINT64_MAX)
		return -EFAULT;
	d.end = last + 1;
	ret = each_mapping(addr, describe_mapping, &d);
	if (ret || d.err)
		return ret ? ret : d.err;
	return d.addr == d.end ? d.count : -EFAULT;
}

/* ---- fds of it ------------------------------------------------------------------------------- */

static int open_as(const char *path, bool writable)
{
	return (int)sysraw4(SYS_openat, AT_FDCWD, (long)path,
			    (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC, 0);
}

/* A number of the program's that is this file, opened anew; else the mapping itself, which the
 * kernel shows to root. */
static int fd_of(const struct share_segment *segment, uint64_t addr)
{
	char path[96];
	struct stat st;
	int fd, found;

	for (fd = 0; fd < FDS_LOOKED; fd++) {
		if (raw_fstat(fd, &st) || st.st_ino != segment->ino || !S_ISREG(st.st_mode))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		found = open_as(path, segment->writable);
		if (found >= 0)
			return found;
	}
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)addr,
		 (unsigned long)(addr + segment->len));
	return open_as(path, segment->writable);
}

static bool take_mapping(const struct map_range *map, void *arg)
{
	*(struct map_range *)arg = *map;
	return true;
}

size_t share_describe_fds(uint64_t addr, struct share_segment *segments, int count, int *fds)
{
	size_t n = 0;

	for (int i = 0; i < count; addr += segments[i++].len) {
		struct share_segment whole = segments[i];
		struct map_range map = { .start = UINTPTR_MAX };

		/* One that has been found already serves again. */
		for (int j = 0; j < i && segments[i].fd < 0; j++)
			if (segments[j].ino == segments[i].ino &&
			    segments[j].dev == segments[i].dev &&
			    segments[j].writable >= segments[i].writable)
				segments[i].fd = segments[j].fd;
		if (segments[i].fd >= 0 || n == SHARE_FDS_ONCE)
			continue;
		if (each_mapping(addr, take_mapping, &map) || map.start > addr)
			continue;
		whole.len = map.end - map.start;
		fds[n] = fd_of(&whole, map.start);
		if (fds[n] >= 0)
			segments[i].fd = (int)n++;
	}
	return n;
}

/* ---- in the owner ---------------------------------------------------------------------------- */

static bool same_here(const struct share_segment *theirs, int count, uint64_t addr, uint64_t size)
{
	struct share_segment *ours = malloc(SHARE_SEGMENTS * sizeof(*ours));
	bool same = ours && share_describe(addr, size, ours) == count;

	for (int i = 0; same && i < count; i++)
		same = ours[i].len == theirs[i].len && ours[i].off == theirs[i].off &&
		       ours[i].dev == theirs[i].dev && ours[i].ino == theirs[i].ino &&
		       ours[i].writable >= theirs[i].writable;
	free(ours);
	return same;
}

/* Maps the segments one behind the other, as far from the next 2 MiB as @addr is, for huge pages.
 * *@whole of *@len bytes is what is to be unmapped. The address or -errno. */
static int64_t map_segments(const struct share_call *call, const struct share_segment *segments,
			    int count, uint64_t addr, uint64_t size, void **whole, size_t *len)
{
	uintptr_t base, to;
	long at;

	*len = size + HUGE_SIZE;
	at = raw_mmap(NULL, *len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at < 0 && at > -4096)
		return at;
	*whole = (void *)at;
	base = to = (uintptr_t)at + ((addr - (uintptr_t)at) & (HUGE_SIZE - 1));
	for (int i = 0; i < count; to += segments[i++].len) {
		const struct share_segment *s = &segments[i];

		at = -EBADF;
		if (s->fd >= 0 && (size_t)s->fd < call->num_fds)
			at = raw_mmap((void *)to, s->len,
				      PROT_READ | (s->writable ? PROT_WRITE : 0),
				      MAP_SHARED | MAP_FIXED, call->fds[s->fd], s->off);
		if (at < 0 && at > -4096) {
			raw_munmap(*whole, *len);
			return at == -EBADF ? -EOPNOTSUPP : at;
		}
	}
	return (int64_t)base;
}

static int64_t map_elsewhere(struct share_call *call, struct file *container,
			     const struct share_segment *segments, int count,
			     struct vfio_iommu_type1_dma_map *map)
{
	struct share_server *server = call->conn->server;
	struct share_dma *dma = FAIL_POINT() ? NULL : calloc(1, sizeof(*dma));
	int64_t at, ret;

	if (!dma)
		return -ENOMEM;
	at = map_segments(call, segments, count, map->vaddr, map->size, &dma->at, &dma->len);
	if (at < 0) {
		free(dma);
		return at;
	}
	map->vaddr = (uint64_t)at;
	ret = file_ioctl(container, VFIO_IOMMU_MAP_DMA, (unsigned long)map);
	if (ret) {
		raw_munmap(dma->at, dma->len);
		free(dma);
		return ret;
	}
	dma->dev = file_dev(container);
	dma->ino = container->id;
	dma->iova = map->iova;
	dma->size = map->size;
	pthread_mutex_lock(&server->lock);
	dma->next = server->dma;
	server->dma = dma;
	pthread_mutex_unlock(&server->lock);
	return 0;
}

/* The segments of a request cover what is to be mapped, page by page. */
static bool segments_fit(const struct share_segment *segments, int count, uint64_t size)
{
	for (int i = 0; i < count; i++) {
		if (!segments[i].len || segments[i].len > size ||
		    !IS_ALIGNED(segments[i].len | segments[i].off, HOST_PAGE_SIZE))
			return false;
		size -= segments[i].len;
	}
	return !size;
}

int64_t share_map_dma(struct share_call *call, struct file *container)
{
	struct share_segment segments[SHARE_SEGMENTS];
	struct vfio_iommu_type1_dma_map map = { 0 };
	size_t len = call->msg->len, rest;
	int count;

	if (len < sizeof(map))
		return -EFAULT;
	memcpy(&map, call->payload, sizeof(map));
	rest = len - sizeof(map);
	if (rest % sizeof(segments[0]) || rest > sizeof(segments))
		return -EINVAL;
	count = (int)(rest / sizeof(segments[0]));
	memcpy(segments, call->payload + sizeof(map), rest);
	/* Without memory that can be mapped here it ends as at an address where nothing is, unless
	 * something else is wrong. */
	if (!count) {
		map.vaddr &= ~HOST_PAGE_MASK;
		return file_ioctl(container, VFIO_IOMMU_MAP_DMA, (unsigned long)&map);
	}
	if (!segments_fit(segments, count, map.size) || map.size > INT64_MAX - HUGE_SIZE)
		return -EINVAL;
	if (same_here(segments, count, map.vaddr, map.size))
		return file_ioctl(container, VFIO_IOMMU_MAP_DMA, (unsigned long)&map);
	return map_elsewhere(call, container, segments, count, &map);
}

/* @size 0: all of the container's. A range takes the mappings that begin in it (type1_dma.c). */
static bool in_range(const struct share_dma *dma, dev_t dev, uint64_t ino, uint64_t iova,
		     uint64_t size)
{
	return dma->dev == dev && dma->ino == ino &&
	       (!size || (dma->iova >= iova && dma->iova - iova < size));
}

static void drop_dma(struct share_server *server, dev_t dev, uint64_t ino, uint64_t iova,
		     uint64_t size)
{
	struct share_dma **link, *dma, *dropped = NULL;

	pthread_mutex_lock(&server->lock);
	for (link = &server->dma; (dma = *link) != NULL;) {
		if (!in_range(dma, dev, ino, iova, size)) {
			link = &dma->next;
			continue;
		}
		*link = dma->next;
		dma->next = dropped;
		dropped = dma;
	}
	pthread_mutex_unlock(&server->lock);
	while ((dma = dropped) != NULL) {
		dropped = dma->next;
		/* A device may reach it yet: only the addresses were taken back (FLAG_VADDR), or
		 * the container's groups are still open. It is kept as other pinned memory is. */
		hostmem_will_unmap(server->machine->hm, (uintptr_t)dma->at, dma->len);
		raw_munmap(dma->at, dma->len);
		free(dma);
	}
}

void share_unmapped_dma(struct share_server *server, struct file *container, uint64_t iova,
			uint64_t size)
{
	drop_dma(server, file_dev(container), container->id, iova, size);
}

/* The container of the mapping behind @skip others; false: there are no more. */
static bool container_of_dma(struct share_server *server, size_t skip, dev_t *dev, uint64_t *ino)
{
	const struct share_dma *dma;

	pthread_mutex_lock(&server->lock);
	for (dma = server->dma; dma && skip; dma = dma->next)
		skip--;
	if (dma) {
		*dev = dma->dev;
		*ino = dma->ino;
	}
	pthread_mutex_unlock(&server->lock);
	return dma != NULL;
}

void share_forget_dma(struct share_server *server)
{
	struct file *file;
	size_t skip = 0;
	uint64_t ino;
	dev_t dev;

	while (container_of_dma(server, skip, &dev, &ino)) {
		file = file_from_identity(dev, ino);
		if (file) {
			file_put(file);
			skip++;
		} else {
			drop_dma(server, dev, ino, 0, 0);
		}
	}
}
