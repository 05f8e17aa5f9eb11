/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings of huge pages: placed at their multiples, charged to the session's pool, cut at huge
 * pages only. The order of checks and the errors are Linux' (mm/mmap.c, mm/hugetlb.c,
 * fs/hugetlbfs).
 *
 * Private anonymous pages are anonymous memory, which transparent huge pages may back; all others
 * are pages of a memfd. ranges_lock guards the table and the list of known files, and is a leaf.
 */
#include "preload/huge.h"

#include <errno.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sysraw.h"
#include "hugetlb/ranges.h"
#include "hugetlb/text.h"
#include "preload/doors.h"

#define PAGE_SHIFT     12
#define PLACE_ANYWHERE (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
#define DEVICE_UNKNOWN UINT64_MAX
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static const _Atomic uint32_t no_files;
const _Atomic uint32_t *_Atomic huge_file_count = &no_files;
atomic_uint huge_range_count;

static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;
static struct huge_ranges ranges;
static _Atomic(struct huge_client *) the_client;

/* Files that this process has met. */
struct known {
	struct known *next;
	struct huge_id id;
};

static struct known *known_files[256]; /* ranges_lock */

struct huge_client *huge_client(void)
{
	struct huge_client *client = atomic_load(&the_client), *none = NULL;
	struct session *session = door_session();

	if (client || !huge_served(session))
		return client;
	if (huge_client_create(session, &client))
		return NULL;
	if (!atomic_compare_exchange_strong(&the_client, &none, client)) {
		free(client);
		return none;
	}
	return client;
}

void huge_session_here(struct session *session)
{
	atomic_store(&huge_file_count, huge_files(session));
	atomic_store(&path_mounts, huge_mounted(session));
}

void huge_fork_prepare(void)
{
	pthread_mutex_lock(&ranges_lock);
}

void huge_fork_parent(void)
{
	pthread_mutex_unlock(&ranges_lock);
}

void huge_after_fork(void)
{
	struct huge_client *client = atomic_load(&the_client);

	pthread_mutex_init(&ranges_lock, NULL);
	for (size_t i = 0; i < ranges.count; i++)
		ranges.entries[i].inherited = true;
	if (client)
		huge_client_after_fork(client);
}

static int call(struct huge_request *req, struct huge_reply *reply, int *fd)
{
	struct huge_client *client = huge_client();

	return client ? huge_call(client, req, -1, reply, fd) : -ENOMEM;
}

void huge_sweep(uint64_t ino)
{
	struct huge_request req = { .op = HUGE_SWEEP, .ino = ino };
	struct huge_reply reply;

	call(&req, &reply, NULL);
}

void huge_sweep_name(uint64_t ino)
{
	struct huge_request req = { .op = HUGE_SWEEP, .ino = ino, .by_name = 1 };
	struct huge_reply reply;

	call(&req, &reply, NULL);
}

/* ---- which file ------------------------------------------------------------------------------ */

static bool find_known(uint64_t ino, struct huge_id *out)
{
	struct known *known;

	pthread_mutex_lock(&ranges_lock);
	for (known = known_files[ino % ARRAY_SIZE(known_files)]; known; known = known->next)
		if (known->id.ino == ino)
			break;
	if (known)
		*out = known->id;
	pthread_mutex_unlock(&ranges_lock);
	return known != NULL;
}

void huge_remember(uint64_t ino, enum huge_size size)
{
	struct known *known, **bucket = &known_files[ino % ARRAY_SIZE(known_files)];
	struct huge_id there;

	if (find_known(ino, &there))
		return;
	known = malloc(sizeof(*known));
	/* Without memory the keeper is asked each time. */
	if (!known)
		return;
	known->id = (struct huge_id){ ino, size };
	pthread_mutex_lock(&ranges_lock);
	known->next = *bucket;
	*bucket = known;
	pthread_mutex_unlock(&ranges_lock);
}

/* st_dev of memfds. */
static uint64_t memfd_device(void)
{
	static _Atomic uint64_t device = DEVICE_UNKNOWN;
	struct stat st;
	int fd;

	if (device == DEVICE_UNKNOWN) {
		fd = raw_memfd_create("uvfio", MFD_CLOEXEC);
		if (fd >= 0 && !raw_fstat(fd, &st))
			device = st.st_dev;
		if (fd >= 0)
			raw_close(fd);
	}
	return device;
}

bool huge_of_fd(int fd, struct huge_id *out)
{
	struct huge_request req = { .op = HUGE_STAT };
	struct huge_reply reply;
	struct stat st;

	if (raw_fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_dev != memfd_device())
		return false;
	if (find_known(st.st_ino, out))
		return true;
	req.ino = st.st_ino;
	if (!huge_client() || call(&req, &reply, NULL))
		return false;
	*out = (struct huge_id){ st.st_ino, (enum huge_size)reply.size };
	huge_remember(out->ino, out->size);
	return true;
}

void huge_learn(int fd)
{
	struct huge_id id;

	if (*atomic_load(&huge_file_count) && huge_of_fd(fd, &id))
		fdset_add(&fdset_huge, fd);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void changed(void)
{
	atomic_store(&huge_range_count, (unsigned int)ranges.count);
}

static int add_range(uintptr_t start, size_t len, const struct huge_id *id, bool private)
{
	const struct huge_range range = { .start = start,
					  .end = start + len,
					  .size = id->size,
					  .ino = id->ino,
					  .private = private };
	int ret;

	pthread_mutex_lock(&ranges_lock);
	ret = huge_ranges_reserve(&ranges);
	if (!ret) {
		huge_ranges_remove(&ranges, start, start + len);
		huge_ranges_add(&ranges, &range);
		changed();
	}
	pthread_mutex_unlock(&ranges_lock);
	return ret;
}

bool huge_touches(const void *addr, size_t len)
{
	const uintptr_t start = (uintptr_t)addr;
	const struct huge_range *range;
	bool touches;

	if (!atomic_load(&huge_range_count))
		return false;
	pthread_mutex_lock(&ranges_lock);
	range = huge_ranges_above(&ranges, start);
	touches = range && range->start < start + len;
	pthread_mutex_unlock(&ranges_lock);
	return touches;
}

bool huge_cuttable(const void *addr, size_t len)
{
	bool ok;

	if (!atomic_load(&huge_range_count))
		return true;
	pthread_mutex_lock(&ranges_lock);
	ok = huge_ranges_cuttable(&ranges, (uintptr_t)addr, (uintptr_t)addr + len);
	pthread_mutex_unlock(&ranges_lock);
	return ok;
}

/* The range with @addr in it. */
bool huge_range_at(const void *addr, struct huge_range *out)
{
	const struct huge_range *range;

	pthread_mutex_lock(&ranges_lock);
	range = huge_ranges_at(&ranges, (uintptr_t)addr);
	if (range)
		*out = *range;
	pthread_mutex_unlock(&ranges_lock);
	return range != NULL;
}

/* Forgets [@start, @end). *@private, *@shared: what stood there of this process'; *@ino: of which
 * file, 0 when there are several. */
static void forget(uintptr_t start, uintptr_t end, bool *private, bool *shared, uint64_t *ino)
{
	const struct huge_range *range;
	uintptr_t at = start;

	*private = *shared = false;
	*ino = 0;
	pthread_mutex_lock(&ranges_lock);
	while ((range = huge_ranges_above(&ranges, at)) && range->start < end) {
		*private |= range->private && !range->inherited;
		if (!range->private) {
			*ino = !*shared || *ino == range->ino ? range->ino : 0;
			*shared = true;
		}
		at = range->end;
	}
	/* Without memory the table keeps what is gone: only its rules are then too strict. */
	if (!huge_ranges_reserve(&ranges))
		huge_ranges_remove(&ranges, start, end);
	changed();
	pthread_mutex_unlock(&ranges_lock);
}

bool huge_let_go(void *addr, size_t len, bool release, uint64_t *ino)
{
	struct huge_request req = { .op = HUGE_RELEASE,
				    .first = (uintptr_t)addr,
				    .end = (uintptr_t)addr + len };
	struct huge_reply reply;
	bool private, shared;

	forget(req.first, req.end, &private, &shared, ino);
	if (private && release)
		call(&req, &reply, NULL);
	return shared;
}

void huge_unmapped(void *addr, size_t len)
{
	uint64_t ino;

	if (huge_let_go(addr, len, true, &ino))
		huge_sweep(ino);
}

int huge_rewrite_maps(bool numa, const char *host, char **out)
{
	int ret;

	pthread_mutex_lock(&ranges_lock);
	if (numa)
		ret = huge_text_numa_maps(host, &ranges, out);
	else
		ret = huge_text_smaps(host, &ranges, out);
	pthread_mutex_unlock(&ranges_lock);
	return ret;
}

/* ---- mapping --------------------------------------------------------------------------------- */

static bool fixed(const struct map_call *map)
{
	return map->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
}

static long map_at(const struct map_call *map, uintptr_t at, int flags)
{
	return raw_mmap((void *)at, map->len, map->prot, flags, map->fd, (uint64_t)map->off);
}

long huge_place(const struct map_call *map, enum huge_size size)
{
	const uint64_t page = huge_bytes(size);
	uintptr_t hint = ALIGN_UP((uintptr_t)map->addr, page), at, end;
	long base, ret;

	if (fixed(map))
		return map_at(map, (uintptr_t)map->addr, map->flags);
	if (hint) {
		ret = map_at(map, hint, map->flags | MAP_FIXED_NOREPLACE);
		if (ret == (long)hint)
			return ret;
		if (ret > 0)
			raw_munmap((void *)ret, map->len);
	}
	if (map->len + page < map->len)
		return -ENOMEM;
	base = raw_mmap(NULL, map->len + page, PROT_NONE, PLACE_ANYWHERE | (map->flags & MAP_32BIT),
			-1, 0);
	if (base < 0 && base > -4096)
		return base;
	at = ALIGN_UP((uintptr_t)base, page);
	end = (uintptr_t)base + map->len + page;
	ret = map_at(map, at, map->flags | MAP_FIXED);
	if (ret != (long)at) {
		raw_munmap((void *)base, map->len + page);
		return ret;
	}
	if (at > (uintptr_t)base)
		raw_munmap((void *)base, at - (uintptr_t)base);
	if (end > at + map->len)
		raw_munmap((void *)(at + map->len), end - (at + map->len));
	return ret;
}

/* What is to be reserved, and taken back when the mapping fails. */
struct charge {
	struct huge_request req;
	bool done;
};

static int reserve(struct charge *charge, const struct map_call *map, const struct huge_id *id,
		   uintptr_t at)
{
	struct huge_reply reply;
	int ret;

	charge->req =
		(struct huge_request){ .op = HUGE_PRIVATE,
				       .size = id->size,
				       .flags = map->flags & MAP_NORESERVE ? HUGE_NORESERVE : 0,
				       .first = at,
				       .end = at + map->len };
	if (!(map->flags & MAP_ANONYMOUS))
		charge->req.flags |= HUGE_OF_FILE;
	if (map->flags & MAP_SHARED) {
		charge->req.op = HUGE_RESERVE;
		charge->req.ino = id->ino;
		charge->req.first = (uint64_t)map->off >> huge_shift(id->size);
		charge->req.end = ((uint64_t)map->off + map->len) >> huge_shift(id->size);
	}
	ret = call(&charge->req, &reply, NULL);
	charge->done = !ret;
	return ret ? -ENOMEM : 0;
}

static void unreserve(struct charge *charge)
{
	struct huge_reply reply;

	if (!charge->done || charge->req.op != HUGE_PRIVATE)
		return;
	charge->req.op = HUGE_RELEASE;
	call(&charge->req, &reply, NULL);
}

static void populate(const struct map_call *map, long at)
{
	raw_madvise((void *)at, map->len, MADV_HUGEPAGE);
	if (map->flags & MAP_POPULATE)
		raw_madvise((void *)at, map->len,
			    map->prot & PROT_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

/* Maps and charges; the lengths and places have been checked. */
static long map_charged(const struct map_call *map, const struct huge_id *id,
			void (*vacate)(void *addr, size_t len))
{
	/* MAP_FIXED_NOREPLACE may find its place taken, by pages that stay charged then. */
	const bool private = !(map->flags & MAP_SHARED),
		   replaces = (map->flags & MAP_FIXED) && !(map->flags & MAP_FIXED_NOREPLACE);
	struct map_call plain = *map;
	struct charge charge = { .done = false };
	long at = (long)map->addr;
	uint64_t before;
	int ret = 0;

	plain.flags &= ~(MAP_HUGETLB | MAP_HUGE_MASK << MAP_HUGE_SHIFT | MAP_LOCKED | MAP_POPULATE);
	if (!(map->flags & MAP_ANONYMOUS))
		plain.flags |= MAP_NORESERVE;
	/* What stands at the place goes only when there are pages. */
	if (replaces)
		ret = reserve(&charge, map, id, (uintptr_t)at);
	if (ret)
		return ret;
	if (replaces)
		vacate(map->addr, map->len);
	at = huge_place(&plain, id->size);
	if (at < 0 && at > -4096) {
		unreserve(&charge);
		return at;
	}
	/* The keeper puts private pages in the place of private ones. */
	if (replaces && huge_let_go(map->addr, map->len, !private, &before))
		huge_sweep(before);
	if (!replaces)
		ret = reserve(&charge, map, id, (uintptr_t)at);
	if (!ret)
		ret = add_range((uintptr_t)at, map->len, id, private);
	if (ret) {
		unreserve(&charge);
		raw_munmap((void *)at, map->len);
		return ret;
	}
	populate(map, at);
	return at;
}

/* A memfd without name for a shared anonymous mapping. */
static long map_shared_anonymous(const struct map_call *map, enum huge_size size,
				 void (*vacate)(void *addr, size_t len))
{
	struct huge_request req = {
		.op = HUGE_OPEN, .size = size, .mode = O_RDWR | O_CLOEXEC, .text = "anon_hugepage"
	};
	struct map_call file = *map;
	struct huge_reply reply;
	struct huge_id id;
	long at;
	int fd;

	at = call(&req, &reply, &fd);
	if (at)
		return -ENOMEM;
	id = (struct huge_id){ reply.ino, size };
	huge_remember(id.ino, size);
	file.flags &= ~MAP_ANONYMOUS;
	file.fd = fd;
	file.off = 0;
	at = raw_ftruncate(fd, map->len);
	if (!at)
		at = map_charged(&file, &id, vacate);
	raw_close(fd);
	if (at < 0 && at > -4096)
		huge_sweep(id.ino);
	return at;
}

static long map_anonymous(struct map_call *map, void (*vacate)(void *addr, size_t len))
{
	struct huge_id id = { .ino = 0 };

	if (!huge_by_shift((unsigned int)map->flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK, &id.size))
		return -EINVAL;
	map->len = ALIGN_UP(map->len, huge_bytes(id.size));
	if (!map->len)
		return -EINVAL;
	if (fixed(map) && !IS_ALIGNED((uintptr_t)map->addr, huge_bytes(id.size)))
		return -EINVAL;
	map->fd = -1;
	if (map->flags & MAP_SHARED)
		return map_shared_anonymous(map, id.size, vacate);
	return map_charged(map, &id, vacate);
}

/* A mapping for writing makes the file as long as it reaches. */
static void extend(const struct map_call *map)
{
	uint64_t end = (uint64_t)map->off + map->len;
	struct stat st;
	char name[40];
	long fd;

	if (!(map->prot & PROT_WRITE) || raw_fstat(map->fd, &st) || (uint64_t)st.st_size >= end)
		return;
	if (!raw_ftruncate(map->fd, end))
		return;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", map->fd);
	fd = sysraw4(SYS_openat, AT_FDCWD, (long)name, O_RDWR | O_CLOEXEC, 0);
	if (fd >= 0) {
		raw_ftruncate((int)fd, end);
		raw_close((int)fd);
	}
}

/* Whether nothing has been written in what is to be mapped. */
static bool is_hole(const struct map_call *map)
{
	long position = sysraw3(SYS_lseek, map->fd, 0, SEEK_CUR);
	long data = sysraw3(SYS_lseek, map->fd, map->off, SEEK_DATA);

	sysraw3(SYS_lseek, map->fd, position, SEEK_SET);
	return data == -ENXIO || data >= map->off + (long)map->len;
}

static long map_file(struct map_call *map, const struct huge_id *id,
		     void (*vacate)(void *addr, size_t len))
{
	const uint64_t page = huge_bytes(id->size);
	int oflags = raw_fcntl(map->fd, F_GETFL, 0), shared = map->flags & MAP_TYPE;
	struct map_call pages;
	long at;

	map->len = ALIGN_UP(map->len, page);
	if (!map->len || map->off < 0 || !IS_ALIGNED((uint64_t)map->off, HOST_PAGE_SIZE))
		return -EINVAL;
	if (fixed(map) && !IS_ALIGNED((uintptr_t)map->addr, page))
		return -EINVAL;
	if ((oflags & O_ACCMODE) == O_WRONLY ||
	    (shared != MAP_PRIVATE && (map->prot & PROT_WRITE) && (oflags & O_ACCMODE) != O_RDWR))
		return -EACCES;
	if (!IS_ALIGNED((uint64_t)map->off, page))
		return -EINVAL;
	pages = *map;
	/* A private page of a memfd is a copy of one that the memfd then has as well, and no huge
	 * one: where there is nothing to copy, plain memory is the same. */
	if (shared == MAP_PRIVATE && is_hole(map)) {
		pages.flags |= MAP_ANONYMOUS;
		pages.fd = -1;
		pages.off = 0;
	}
	at = map_charged(&pages, id, vacate);
	if (at > 0 || at <= -4096)
		extend(map);
	return at;
}

bool huge_mmap(const struct map_call *given, void (*vacate)(void *addr, size_t len), long *out)
{
	struct map_call map = *given;
	struct huge_id id;

	if (!huge_client())
		return false;
	if (map.flags & MAP_ANONYMOUS) {
		if (!(map.flags & MAP_HUGETLB))
			return false;
		*out = map_anonymous(&map, vacate);
		return true;
	}
	if (huge_of_fd(map.fd, &id)) {
		*out = map_file(&map, &id, vacate);
		return true;
	}
	if (!(map.flags & MAP_HUGETLB) || raw_fcntl(map.fd, F_GETFD, 0) < 0)
		return false;
	*out = -EINVAL;
	return true;
}

size_t huge_length_at(const void *addr)
{
	struct huge_range range;

	return huge_range_at(addr, &range) && range.start == (uintptr_t)addr
		       ? range.end - range.start
		       : 0;
}

int huge_attached(void *addr, size_t len, enum huge_size size)
{
	const struct huge_id id = { 0, size };

	return add_range((uintptr_t)addr, ALIGN_UP(len, huge_bytes(size)), &id, false);
}

/* ---- changing -------------------------------------------------------------------------------- */

/* Advice that is given to a mapping as a whole, which is cut for it. */
static bool marks(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_SEQUENTIAL:
	case MADV_RANDOM:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
		return true;
	default:
		return false;
	}
}

int huge_madvise(void *addr, size_t len, int advice, int *ret)
{
	struct huge_range range;
	size_t whole;

	if (!huge_touches(addr, len))
		return 0;
	*ret = -EINVAL;
	if (marks(advice))
		return !huge_cuttable(addr, len);
	if (!huge_range_at(addr, &range))
		return 0;
	if (advice == MADV_FREE)
		return 1;
	if (advice != MADV_DONTNEED && advice != MADV_DONTNEED_LOCKED)
		return 0;
	if (!IS_ALIGNED((uintptr_t)addr, huge_bytes(range.size)))
		return 1;
	/* Only whole pages go. What lies behind the mapping is asked for as it is. */
	if ((uintptr_t)addr + len > range.end)
		return 0;
	whole = ALIGN_DOWN(len, huge_bytes(range.size));
	*ret = whole ? raw_madvise(addr, whole, advice) : 0;
	return 1;
}

int huge_mremap_check(void *addr, size_t *old_len, size_t *new_len, int flags, void *new_addr)
{
	struct huge_range range;
	uint64_t page;

	if (!huge_range_at(addr, &range))
		return 1;
	page = huge_bytes(range.size);
	*old_len = ALIGN_UP(*old_len, page);
	*new_len = ALIGN_UP(*new_len, page);
	if (!IS_ALIGNED((uintptr_t)addr, page) || *new_len > *old_len ||
	    ((flags & MREMAP_FIXED) && !IS_ALIGNED((uintptr_t)new_addr, page)))
		return -EINVAL;
	return 0;
}

void huge_moved(void *addr, size_t old_len, void *to, size_t new_len)
{
	struct huge_request req = { .op = HUGE_MOVE,
				    .first = (uintptr_t)addr,
				    .end = (uintptr_t)addr + new_len,
				    .value = (uintptr_t)to };
	struct huge_range range;
	struct huge_reply reply;
	bool private, shared;
	struct huge_id id;
	uint64_t ino;

	if (new_len < old_len)
		huge_unmapped((char *)addr + new_len, old_len - new_len);
	if (to == addr || !huge_range_at(addr, &range))
		return;
	huge_unmapped(to, new_len);
	forget(req.first, req.end, &private, &shared, &ino);
	if (private)
		call(&req, &reply, NULL);
	id = (struct huge_id){ range.ino, range.size };
	add_range((uintptr_t)to, new_len, &id, range.private);
}
