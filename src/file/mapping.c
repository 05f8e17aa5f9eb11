/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's mappings of files: one table, sorted by address, without overlaps.
 *
 * The table is replaced as a whole under mappings_lock and read without lock by traps, in signal
 * context (access.c tells when an old one is freed). Each entry holds a reference of its file.
 *
 * The protection of a page is what the client asked for, less what its access takes away:
 * PAGE_TRAP_WRITE takes writing, PAGE_TRAP_ALL and PAGE_REVOKED take everything. When the access of
 * pages changes, the map changes first and the protection follows, both under mappings_lock: a trap
 * that sees a page as PAGE_DIRECT tries again and finds the protection soon.
 *
 * What is not promised: pages of one mapping change one after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/overflow.h"
#include "base/sysraw.h"
#include "file/mapping_priv.h"
#include "file/trap_priv.h"

struct map_table {
	struct retired retired;
	size_t count;
	struct mapping entries[];
};

/* What to do with the part of the table that lies in [start, end). */
struct edit {
	uintptr_t start, end;
	bool keep; /* keep it with another protection; else it is removed */
	int prot;
	const struct mapping *add; /* inserted afterwards, sorted; consumes their references */
	size_t add_count;
};

static pthread_mutex_t mappings_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct map_table *) map_table; /* written under mappings_lock; NULL: empty */
/* All that is tracked lies in [low, high): most calls of the program end here. */
static atomic_uintptr_t map_low = UINTPTR_MAX, map_high;

/* The first entry that ends above @addr. */
static size_t first_above(const struct map_table *table, uintptr_t addr)
{
	size_t low = 0, high = table ? table->count : 0, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (table->entries[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static bool touches_bounds(uintptr_t addr, size_t len)
{
	return addr < atomic_load_explicit(&map_high, memory_order_relaxed) &&
	       addr + len > atomic_load_explicit(&map_low, memory_order_relaxed);
}

static bool touches_table(const struct map_table *table, uintptr_t addr, size_t len)
{
	size_t i = first_above(table, addr);

	return table && i < table->count && table->entries[i].start < addr + len;
}

bool mapping_lookup(uintptr_t addr, struct mapping_hit *hit)
{
	const struct map_table *table;
	const struct mapping *m;
	uint64_t last;
	bool found = false;
	size_t i;

	if (!touches_bounds(addr, 1))
		return false;
	access_read_begin();
	table = atomic_load(&map_table);
	i = first_above(table, addr);
	if (table && i < table->count && table->entries[i].start <= addr) {
		m = &table->entries[i];
		hit->obj = m->obj;
		hit->off = m->off + (addr - m->start);
		hit->prot = m->prot;
		hit->access = access_at(m->obj, hit->off, &last);
		found = file_try_get(m->obj);
		if (found && atomic_load_explicit(&m->obj->dead, memory_order_relaxed))
			hit->access = PAGE_REVOKED;
	}
	access_read_end();
	return found;
}

bool mapping_is_tracked(uintptr_t addr)
{
	bool ret;

	if (!touches_bounds(addr, 1))
		return false;
	access_read_begin();
	ret = touches_table(atomic_load(&map_table), addr, 1);
	access_read_end();
	return ret;
}

bool file_find_mapping(uintptr_t addr, size_t len, struct file **file, uint64_t *off)
{
	const struct map_table *table;
	const struct mapping *m;
	bool ret;

	if (!len || !touches_bounds(addr, len))
		return false;
	access_read_begin();
	table = atomic_load(&map_table);
	ret = touches_table(table, addr, len);
	if (ret && file) {
		m = &table->entries[first_above(table, addr)];
		*file = NULL;
		if (m->start <= addr && file_try_get(m->obj)) {
			*file = &m->obj->file;
			*off = m->off + (addr - m->start);
		}
	}
	access_read_end();
	return ret;
}

uint64_t file_mapping_run(uintptr_t addr, uint64_t len)
{
	const struct map_table *table;
	uint64_t run = len;
	size_t i;

	access_read_begin();
	table = atomic_load(&map_table);
	i = first_above(table, addr);
	if (table && i < table->count) {
		const struct mapping *m = &table->entries[i];

		run = MIN(len, (m->start <= addr ? m->end : m->start) - addr);
	}
	access_read_end();
	return run;
}

int file_mapping_prot(uintptr_t addr)
{
	const struct map_table *table;
	const struct mapping *m;
	int prot = -1;

	if (!touches_bounds(addr, 1))
		return -1;
	access_read_begin();
	table = atomic_load(&map_table);
	if (touches_table(table, addr, 1)) {
		m = &table->entries[first_above(table, addr)];
		if (m->start <= addr)
			prot = m->prot;
	}
	access_read_end();
	return prot;
}

/* Appends the part of @m in [@start, @end), if any, with a reference of its own. */
static void append_part(struct map_table *table, const struct mapping *m, uintptr_t start,
			uintptr_t end, int prot)
{
	struct mapping *new = &table->entries[table->count];

	start = MAX(start, m->start);
	end = MIN(end, m->end);
	if (start >= end)
		return;
	*new = *m;
	new->start = start;
	new->end = end;
	new->off = m->off + (start - m->start);
	new->prot = prot;
	file_get(&m->obj->file);
	table->count++;
}

static void insert_sorted(struct map_table *table, const struct mapping *m)
{
	size_t i = first_above(table, m->start);

	memmove(&table->entries[i + 1], &table->entries[i],
		(table->count - i) * sizeof(table->entries[0]));
	table->entries[i] = *m;
	table->count++;
}

static void publish(struct map_table *table)
{
	uintptr_t low = table->count ? table->entries[0].start : UINTPTR_MAX;
	uintptr_t high = table->count ? table->entries[table->count - 1].end : 0;

	/* Never narrower than what a concurrent reader's table holds: first the wider bounds. */
	atomic_store(&map_low, MIN(low, atomic_load(&map_low)));
	atomic_store(&map_high, MAX(high, atomic_load(&map_high)));
	atomic_store(&map_table, table);
	atomic_store(&map_low, low);
	atomic_store(&map_high, high);
}

/*
 * Replaces the table. *@old is the one before: its references are the caller's to put after the
 * lock is gone (put_table). mappings_lock.
 */
static int edit_table(const struct edit *e, struct map_table **old)
{
	struct map_table *table = atomic_load(&map_table), *new;
	size_t count = table ? table->count : 0, i;

	*old = NULL;
	/* Every entry may fall into three; only the ones at the two ends really can. */
	new = FAIL_POINT()
		      ? NULL
		      : malloc(sizeof(*new) + (count + 4 + e->add_count) * sizeof(new->entries[0]));
	if (!new)
		return -ENOMEM;
	new->count = 0;
	for (i = 0; i < count; i++) {
		const struct mapping *m = &table->entries[i];

		append_part(new, m, 0, e->start, m->prot);
		if (e->keep)
			append_part(new, m, e->start, e->end, e->prot);
		append_part(new, m, e->end, UINTPTR_MAX, m->prot);
	}
	for (i = 0; i < e->add_count; i++)
		insert_sorted(new, &e->add[i]);
	publish(new);
	*old = table;
	return 0;
}

/* Puts the references of a replaced table and retires it. Without lock. */
static void put_table(struct map_table *table)
{
	size_t i;

	if (!table)
		return;
	for (i = 0; i < table->count; i++)
		file_put(&table->entries[i].obj->file);
	pthread_mutex_lock(&mappings_lock);
	access_retire(&table->retired);
	pthread_mutex_unlock(&mappings_lock);
}

static int effective_prot(int prot, enum page_access access)
{
	/* On x86 what can be written or executed can be read. */
	int readable = prot & (PROT_READ | PROT_WRITE | PROT_EXEC) ? PROT_READ : 0;

	switch (access) {
	case PAGE_DIRECT:
		return prot;
	case PAGE_TRAP_WRITE:
		return (prot & ~PROT_WRITE) | readable;
	case PAGE_TRAP_ALL:
	case PAGE_REVOKED:
		break;
	}
	return PROT_NONE;
}

/* Gives the pages of [@start, @end) within @m the protection that is due. mappings_lock. */
static int protect(const struct mapping *m, uintptr_t start, uintptr_t end)
{
	uintptr_t at = MAX(start, m->start), stop = MIN(end, m->end), next;
	bool dead = atomic_load(&m->obj->dead);
	int ret = 0, err;
	uint64_t last;

	for (; at < stop; at = next) {
		uint64_t off = m->off + (at - m->start);
		enum page_access access = access_at(m->obj, off, &last);

		next = last - off < stop - at ? at + (last - off) + 1 : stop;
		err = raw_mprotect((void *)at, next - at,
				   effective_prot(m->prot, dead ? PAGE_REVOKED : access));
		ret = ret ? ret : err;
	}
	return ret;
}

static int protect_range(uintptr_t start, uintptr_t end)
{
	const struct map_table *table = atomic_load(&map_table);
	size_t i = first_above(table, start);
	int ret = 0, err;

	for (; table && i < table->count && table->entries[i].start < end; i++) {
		err = protect(&table->entries[i], start, end);
		ret = ret ? ret : err;
	}
	return ret;
}

static int check_mmap(struct file *file, size_t len, int prot, int flags, uint64_t off)
{
	int mode = file->oflags & O_ACCMODE, type = flags & MAP_TYPE;
	uint64_t last;

	if (!len || !IS_ALIGNED(off, HOST_PAGE_SIZE))
		return -EINVAL;
	if (!range_last(off, len, &last) || last > INT64_MAX)
		return -EOVERFLOW;
	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (mode == O_WRONLY || (type != MAP_PRIVATE && (prot & PROT_WRITE) && mode != O_RDWR))
		return -EACCES;
	if (!file->ops->mmap)
		return -ENODEV;
	if (atomic_load_explicit(&file_obj(file)->dead, memory_order_relaxed))
		return -EIO;
	return file->ops->mmap(file, off, len, prot, flags);
}

/* Enters @m, whose pages have been mapped without access, and gives them their protection. On
 * failure they are unmapped. mappings_lock. */
static int track(struct mapping *m, struct map_table *old[2])
{
	struct edit e = { .start = m->start, .end = m->end, .add = m, .add_count = 1 };
	int ret;

	file_get(&m->obj->file);
	ret = edit_table(&e, &old[0]);
	if (ret) {
		file_put(&m->obj->file);
	} else {
		ret = protect_range(m->start, m->end);
		if (!ret)
			return 0;
		e.add_count = 0;
		if (edit_table(&e, &old[1]))
			return ret; /* stays, without access */
	}
	raw_munmap((void *)m->start, m->end - m->start);
	return ret;
}

static int map_and_track(struct mapping *m, void *addr, size_t len, int flags, void **out)
{
	const struct file *file = &m->obj->file;
	struct map_table *old[2] = { NULL, NULL };
	int fd = file->map_fd >= 0 ? file->map_fd : file->memfd, ret;
	uint64_t base = file->map_fd >= 0 ? file->map_base : 0;
	long at;

	pthread_mutex_lock(&mappings_lock);
	at = raw_mmap(addr, len, PROT_NONE, flags, fd, m->off + base);
	ret = at < 0 && at > -4096 ? (int)at : 0;
	if (!ret) {
		m->start = (uintptr_t)at;
		m->end = m->start + len;
		ret = track(m, old);
		*out = (void *)at;
	}
	pthread_mutex_unlock(&mappings_lock);
	put_table(old[0]);
	put_table(old[1]);
	return ret;
}

int file_mmap(struct file *file, void *addr, size_t len, int prot, int flags, uint64_t off,
	      void **out)
{
	struct mapping m = { .obj = file_obj(file), .off = off, .prot = prot };
	int ret;

	file_drain_deferred();
	if (len > SIZE_MAX - HOST_PAGE_SIZE)
		return -ENOMEM;
	len = ALIGN_UP(len, HOST_PAGE_SIZE);
	ret = check_mmap(file, len, prot, flags, off);
	if (!ret)
		ret = trap_init();
	if (ret)
		return ret;
	m.flags = flags & ~(MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_POPULATE | MAP_LOCKED);
	return map_and_track(&m, addr, len, flags & ~(MAP_POPULATE | MAP_LOCKED), out);
}

/* Page-rounded end of [@addr, @addr + @len), or 0 when it wraps. */
static uintptr_t range_end(uintptr_t addr, size_t len)
{
	uintptr_t last;

	if (!range_last(addr, len, &last) || last > UINTPTR_MAX - HOST_PAGE_SIZE)
		return 0;
	return ALIGN_UP(last + 1, HOST_PAGE_SIZE);
}

int file_munmap(uintptr_t addr, size_t len)
{
	struct map_table *old = NULL;
	uintptr_t end = range_end(addr, len);
	int ret = 0;

	if (!end || !touches_bounds(addr, len))
		return 0;
	file_drain_deferred();
	pthread_mutex_lock(&mappings_lock);
	if (touches_table(atomic_load(&map_table), addr, end - addr))
		ret = edit_table(&(struct edit){ .start = addr, .end = end }, &old);
	pthread_mutex_unlock(&mappings_lock);
	put_table(old);
	return ret;
}

/* What of [@from, @from_end) is tracked, as it will stand at @to; with references. *@count of them,
 * or -ENOMEM. mappings_lock. */
static int moved_entries(uintptr_t from, uintptr_t from_end, uintptr_t to, uintptr_t to_end,
			 struct mapping **out, size_t *count)
{
	const struct map_table *table = atomic_load(&map_table);
	size_t i = first_above(table, from), n;
	struct mapping *entries, *m;

	for (n = 0; table && i + n < table->count && table->entries[i + n].start < from_end; n++)
		;
	*count = n;
	*out = NULL;
	if (!n)
		return 0;
	entries = FAIL_POINT() ? NULL : malloc(n * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (n = 0; n < *count; n++) {
		uintptr_t start = MAX(table->entries[i + n].start, from);

		m = &entries[n];
		*m = table->entries[i + n];
		m->off += start - m->start;
		/* What ended with the old range ends with the new one, which may be longer. */
		m->end = m->end >= from_end ? to_end : to + (m->end - from);
		m->start = to + (start - from);
		file_get(&m->obj->file);
	}
	*out = entries;
	return 0;
}

void file_mremap(uintptr_t old_addr, size_t old_len, uintptr_t new_addr, size_t new_len)
{
	uintptr_t old_end = range_end(old_addr, MAX(old_len, 1UL));
	uintptr_t new_end = range_end(new_addr, new_len), from_end;
	struct map_table *old[2] = { NULL, NULL };
	struct mapping *moved = NULL;
	size_t count = 0;
	int ret;

	if (!old_end || !new_end ||
	    (!touches_bounds(old_addr, MAX(old_len, 1UL)) && !touches_bounds(new_addr, new_len)))
		return;
	file_drain_deferred();
	pthread_mutex_lock(&mappings_lock);
	from_end = MIN(old_end, old_addr + (new_end - new_addr));
	/* An old length of 0 asks for a second mapping of the same pages. */
	if (!old_len)
		from_end = old_addr + 1;
	ret = moved_entries(old_addr, from_end, new_addr, new_end, &moved, &count);
	if (!ret && old_len)
		ret = edit_table(&(struct edit){ .start = old_addr, .end = old_end }, &old[0]);
	if (!ret)
		ret = edit_table(&(struct edit){ .start = new_addr,
						 .end = new_end,
						 .add = moved,
						 .add_count = count },
				 &old[1]);
	if (!ret)
		protect_range(new_addr, new_end);
	pthread_mutex_unlock(&mappings_lock);
	if (ret) {
		pr_err("out of memory: a device mapping that was moved is lost");
		while (count && moved)
			file_put(&moved[--count].obj->file);
	}
	free(moved);
	put_table(old[0]);
	put_table(old[1]);
}

/* The tracked pieces of [@start, @end), if they are one uninterrupted view of one file. */
static int view_entries(uintptr_t start, uintptr_t end, uintptr_t to, struct mapping **out,
			size_t *count)
{
	struct mapping *m;
	int ret;

	pthread_mutex_lock(&mappings_lock);
	ret = moved_entries(start, end, to, to + (end - start), out, count);
	pthread_mutex_unlock(&mappings_lock);
	if (ret)
		return ret;
	for (m = *out; m < *out + *count; m++)
		if (m->start != (m == *out ? to : m[-1].end) || m->obj != (*out)->obj ||
		    m->off - (*out)->off != m->start - to)
			ret = -EFAULT;
	if (!*count || m[-1].end != to + (end - start))
		ret = -EFAULT;
	return ret;
}

static void unmap_tracked(uintptr_t start, uintptr_t end)
{
	if (start < end) {
		if (file_munmap(start, end - start))
			pr_err("out of memory: an unmapped device mapping stays tracked");
		raw_munmap((void *)start, end - start);
	}
}

static long move_view(uintptr_t old_addr, size_t old_len, uintptr_t new_addr, size_t new_len)
{
	struct mapping *entries = NULL;
	size_t count = 0, i;
	void *at;
	int ret;

	ret = view_entries(old_addr, old_addr + new_len, new_addr, &entries, &count);
	for (i = 0; i < count && !ret; i++) {
		struct mapping *m = &entries[i];

		/* The pages are the file's, so another view of them is a move. */
		ret = map_and_track(m, (void *)m->start, m->end - m->start, m->flags | MAP_FIXED,
				    &at);
	}
	for (i = 0; i < count; i++)
		file_put(&entries[i].obj->file);
	free(entries);
	if (ret)
		return ret;
	unmap_tracked(old_addr, old_addr + old_len);
	return (long)new_addr;
}

long file_do_mremap(uintptr_t old_addr, size_t old_len, size_t new_len, int flags,
		    uintptr_t new_addr)
{
	uintptr_t old_end = range_end(old_addr, MAX(old_len, 1UL));
	uintptr_t new_end = range_end(new_addr, new_len);

	if (!old_end || !file_find_mapping(old_addr, old_end - old_addr, NULL, NULL))
		return 0;
	if (!IS_ALIGNED(old_addr, HOST_PAGE_SIZE) || !new_len || (flags & MREMAP_DONTUNMAP) ||
	    (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) || flags == MREMAP_FIXED)
		return -EINVAL;
	old_len = old_len ? old_end - old_addr : 0;
	new_len = ALIGN_UP(new_len, HOST_PAGE_SIZE);
	if (new_len > old_len)
		return -EFAULT;
	if (!(flags & MREMAP_FIXED)) {
		unmap_tracked(old_addr + new_len, old_end);
		return (long)old_addr;
	}
	if (!new_end || !IS_ALIGNED(new_addr, HOST_PAGE_SIZE) ||
	    (new_addr < old_end && old_addr < new_end))
		return -EINVAL;
	/* What is ours is cut off only, and the kernel does that. */
	if (!file_find_mapping(old_addr, new_len, NULL, NULL))
		return 0;
	return move_view(old_addr, old_len, new_addr, new_len);
}

/* mprotect of what lies between tracked mappings in [@start, @end): the kernel's business. */
static int protect_gaps(uintptr_t start, uintptr_t end, int prot)
{
	const struct map_table *table = atomic_load(&map_table);
	size_t i = first_above(table, start);
	int ret = 0;

	while (start < end && !ret) {
		bool more = table && i < table->count && table->entries[i].start < end;
		uintptr_t stop = more ? table->entries[i].start : end;

		if (start < stop)
			ret = raw_mprotect((void *)start, stop - start, prot);
		start = more ? table->entries[i++].end : end;
	}
	return ret;
}

int file_mprotect(uintptr_t addr, size_t len, int prot)
{
	uintptr_t end = range_end(addr, len);
	struct map_table *old = NULL;
	int ret = 0;

	if (!end || !IS_ALIGNED(addr, HOST_PAGE_SIZE) ||
	    (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) || !touches_bounds(addr, len))
		return 0;
	pthread_mutex_lock(&mappings_lock);
	if (touches_table(atomic_load(&map_table), addr, end - addr)) {
		ret = edit_table(
			&(struct edit){ .start = addr, .end = end, .keep = true, .prot = prot },
			&old);
		if (!ret)
			ret = protect_gaps(addr, end, prot);
		if (!ret)
			ret = protect_range(addr, end);
		ret = ret ? ret : 1;
	}
	pthread_mutex_unlock(&mappings_lock);
	put_table(old);
	return ret;
}

bool mapping_mend(uintptr_t addr)
{
	uintptr_t page = addr & HOST_PAGE_MASK;
	int ret;

	if (pthread_mutex_trylock(&mappings_lock))
		return true;
	ret = protect_range(page, page + HOST_PAGE_SIZE);
	pthread_mutex_unlock(&mappings_lock);
	return !ret;
}

int file_set_access(struct file *file, uint64_t off, uint64_t len, enum page_access access)
{
	void (*hook)(struct file *, uint64_t, uint64_t, enum page_access);
	struct file_obj *obj = file_obj(file);
	const struct map_table *table;
	uint64_t last, first, stop;
	int ret, err;
	size_t i;

	if (!range_last(off, len, &last) || !IS_ALIGNED(off | len, HOST_PAGE_SIZE))
		return -EINVAL;
	pthread_mutex_lock(&mappings_lock);
	ret = access_change(obj, off, last, access);
	table = atomic_load(&map_table);
	for (i = 0; ret > 0 && table && i < table->count; i++) {
		const struct mapping *m = &table->entries[i];

		if (m->obj != obj || m->off > last || m->off + (m->end - m->start) <= off)
			continue;
		first = MAX(off, m->off);
		stop = MIN(last + 1, m->off + (m->end - m->start));
		err = protect(m, m->start + (first - m->off), m->start + (stop - m->off));
		ret = err ? err : ret;
	}
	pthread_mutex_unlock(&mappings_lock);
	hook = atomic_load_explicit(&file_access_hook, memory_order_acquire);
	if (unlikely(hook != NULL) && ret)
		hook(file, off, len, access);
	return MIN(ret, 0);
}

void mapping_forget_access(struct file_obj *obj)
{
	pthread_mutex_lock(&mappings_lock);
	access_free(obj);
	pthread_mutex_unlock(&mappings_lock);
}

void mapping_fork_lock(void)
{
	pthread_mutex_lock(&mappings_lock);
}

void mapping_fork_unlock(void)
{
	pthread_mutex_unlock(&mappings_lock);
}

void mapping_fork_reset(void)
{
	pthread_mutex_init(&mappings_lock, NULL);
}

/* What the child inherited belongs to a device in another process: a touch says so. */
void mapping_fork_child(void)
{
	const struct map_table *table = atomic_load(&map_table);
	size_t i;

	access_fork_child();
	for (i = 0; table && i < table->count; i++)
		protect(&table->entries[i], 0, UINTPTR_MAX);
}
