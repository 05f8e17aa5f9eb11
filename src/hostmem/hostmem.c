/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pins and their segments.
 *
 * A pin begins as one segment at the addresses that were pinned. What the program does cuts it
 * into several: each is in the program's memory (in hm->segs, by its present address), moved aside
 * (in an area, of which no door can tell us anything), or lost.
 *
 * Lock: hm->lock guards the tree, the accounts and every pin's segments. It is held while the
 * owner's operations run and while pages move, so that a program's threads cannot unmap one range
 * twice at a time, and unpin finds a pin at rest. It lies below the locks under which owners pin
 * and above the IOMMU domains'.
 */
#include "hostmem/hostmem.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "hostmem/aside_priv.h"
#include "base/copy.h"
#include "base/fault.h"
#include "base/overflow.h"
#include "base/sysraw.h"

struct hostmem {
	pthread_mutex_t lock;
	struct itree segs;
	struct pool pool; /* of segments and areas */
	uint64_t limit, locked;
	atomic_size_t pins; /* 0: doors need not look any further */
	atomic_uint late;   /* the same for leaving */
	struct list_head leaving;
};

int hostmem_create(uint64_t limit, struct hostmem **out)
{
	struct hostmem *hm;
	int ret = fault_init();

	if (ret)
		return ret;
	hm = calloc(1, sizeof(*hm));
	if (!hm)
		return -ENOMEM;
	pthread_mutex_init(&hm->lock, NULL);
	list_init(&hm->leaving);
	hm->limit = limit;
	*out = hm;
	return 0;
}

void hostmem_destroy(struct hostmem *hm)
{
	if (!hm)
		return;
	pool_destroy(&hm->pool);
	pthread_mutex_destroy(&hm->lock);
	free(hm);
}

/* ---- segments -------------------------------------------------------------------------------- */

static struct hostmem_seg *seg_of(struct itree_node *node)
{
	return node ? container_of(node, struct hostmem_seg, node) : NULL;
}

static struct hostmem_seg *seg_first(struct hostmem *hm, uintptr_t addr, uint64_t last)
{
	return seg_of(itree_first(&hm->segs, addr, last));
}

static void seg_insert(struct hostmem *hm, struct hostmem_seg *seg, uintptr_t cur)
{
	seg->cur = cur;
	seg->node.start = cur;
	seg->node.last = cur + seg->len - 1;
	itree_insert(&hm->segs, &seg->node);
}

static bool seg_in_tree(const struct hostmem_seg *seg)
{
	return !seg->area && !seg->lost;
}

_Static_assert(sizeof(struct hostmem_seg) <= POOL_OBJECT, "comes from the pool");

static void seg_free(struct hostmem *hm, struct hostmem_seg *seg)
{
	list_del(&seg->link);
	if (seg != &seg->pin->first)
		pool_free(&hm->pool, seg);
}

/* Nothing of the pin that is still in the program's memory is reachable any more. */
static void pin_lose(struct hostmem_pin *pin)
{
	struct hostmem_seg *seg;

	pin->moved = true;
	list_for_each_entry(seg, &pin->segs, link) {
		if (!seg_in_tree(seg))
			continue;
		itree_remove(&pin->hm->segs, &seg->node);
		seg->lost = true;
		pin->ops->freeze(pin, seg->orig, seg->len);
		pin->ops->moved(pin, seg->orig, seg->len, 0);
	}
}

/* Cuts a segment in the tree at @addr, inside it. */
static bool seg_split(struct hostmem *hm, struct hostmem_seg *seg, uintptr_t addr)
{
	size_t head = addr - seg->cur;
	struct hostmem_seg *tail = pool_alloc(&hm->pool);

	if (!tail)
		return false;
	itree_remove(&hm->segs, &seg->node);
	tail->pin = seg->pin;
	tail->orig = seg->orig + head;
	tail->len = seg->len - head;
	seg->len = head;
	list_add(&tail->link, &seg->link);
	seg_insert(hm, seg, seg->cur);
	seg_insert(hm, tail, addr);
	return true;
}

/* Afterwards every segment that touches the range lies inside it. Without memory for that, the pin
 * loses what it has: half a segment must not be taken for the whole. */
static void cut_segs(struct hostmem *hm, uintptr_t addr, uint64_t last)
{
	struct hostmem_seg *seg = seg_first(hm, addr, last);

	while (seg) {
		bool ok = true;

		if (seg->cur < addr)
			ok = seg_split(hm, seg, addr);
		else if (seg->node.last > last)
			ok = seg_split(hm, seg, last + 1);
		else {
			seg = seg_of(itree_next(&seg->node, addr, last));
			continue;
		}
		if (!ok)
			pin_lose(seg->pin);
		seg = seg_first(hm, addr, last);
	}
}

static void freeze_segs(struct hostmem *hm, uintptr_t addr, uint64_t last)
{
	struct itree_node *node;

	itree_for_each(node, &hm->segs, addr, last) {
		struct hostmem_seg *seg = seg_of(node);

		seg->pin->ops->freeze(seg->pin, seg->orig, seg->len);
	}
}

/* ---- pinning --------------------------------------------------------------------------------- */

#define HUGE_SIZE 0x200000UL
/* Populating a huge page that is there takes some 0.3 us, 512 small pages 80 us and more. */
#define POPULATE_FAST_NSEC 4000
#define POPULATE_STRIDE	   (32 * HUGE_SIZE)

static uint64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int touch_pages(uintptr_t addr, uintptr_t end, bool write)
{
	int ret = 0;

	/* @end is 0 behind the last page of all. */
	for (; addr != end && !ret; addr += HOST_PAGE_SIZE)
		ret = write ? touch_write(addr) : touch_read(addr);
	return ret;
}

/*
 * Makes every page present. One touch a page is the cheapest for small pages, madvise() by far for
 * huge ones: now and then a large range tries it on 2 MiB and goes on with what was fast.
 */
static int touch_range(uintptr_t addr, uintptr_t end, bool write)
{
	size_t pause = HUGE_SIZE;
	uintptr_t next;
	uint64_t start;
	int ret = 0;

	while (addr != end && !ret) {
		if (end - addr < 2 * HUGE_SIZE)
			return touch_pages(addr, end, write);
		if (!IS_ALIGNED(addr, HUGE_SIZE)) {
			next = ALIGN_UP(addr, HUGE_SIZE);
			ret = touch_pages(addr, next, write);
			addr = next;
			continue;
		}
#ifdef MADV_POPULATE_WRITE
		start = now_nsec();
		if (!raw_madvise((void *)addr, HUGE_SIZE,
				 write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ)) {
			addr += HUGE_SIZE;
			next = addr + MIN(POPULATE_STRIDE, ALIGN_DOWN(end - addr, HUGE_SIZE));
			if (now_nsec() - start < POPULATE_FAST_NSEC &&
			    !raw_madvise((void *)addr, next - addr,
					 write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ)) {
				addr = next;
				continue;
			}
		}
#endif
		/* Small pages, or something that only touching can judge. */
		pause *= 4;
		next = addr + MIN(pause, end - addr);
		ret = touch_pages(addr, next, write);
		addr = next;
	}
	return ret;
}

/* The end of a program's addresses on x86-64, inclusive. */
#define USER_LAST 0x7fffffffefffUL
/* How many pages of a range are asked at most. */
#define READABLE_PAGES 1024U
#define READABLE_BATCH 64U

/*
 * Pinning refuses to read what was mapped with PROT_WRITE alone, which a load does not notice on
 * x86: the kernel is asked for a byte of each page, of large ranges for a byte of some.
 */
static int check_readable(uintptr_t addr, size_t len)
{
	const size_t pages = len / HOST_PAGE_SIZE;
	const size_t stride = MAX(pages / READABLE_PAGES, (size_t)1);
	uint8_t bytes[READABLE_BATCH];
	struct iovec local = { bytes, 0 }, remote[READABLE_BATCH];
	size_t page = 0;
	long ret, n;

	while (page < pages) {
		for (n = 0; page < pages && n < (long)READABLE_BATCH; n++, page += stride)
			remote[n] = (struct iovec){ (void *)(addr + page * HOST_PAGE_SIZE), 1 };
		local.iov_len = (size_t)n;
		ret = sysraw6(SYS_process_vm_readv, raw_getpid(), (long)&local, 1, (long)remote, n,
			      0);
		/* A sandbox may forbid the question. */
		if (ret < n)
			return ret >= 0 || ret == -EFAULT ? -EFAULT : 0;
	}
	return 0;
}

void hostmem_pins_late(struct hostmem *hm, bool more)
{
	if (more)
		atomic_fetch_add(&hm->late, 1);
	else
		atomic_fetch_sub(&hm->late, 1);
}

bool hostmem_leaving_begin(struct hostmem *hm, struct hostmem_leaving *leaving, uintptr_t addr,
			   size_t len)
{
	if (likely(!atomic_load_explicit(&hm->late, memory_order_relaxed)) || !len)
		return false;
	leaving->addr = addr;
	leaving->last = addr + (len - 1);
	pthread_mutex_lock(&hm->lock);
	list_add(&leaving->node, &hm->leaving);
	pthread_mutex_unlock(&hm->lock);
	return true;
}

void hostmem_leaving_end(struct hostmem *hm, struct hostmem_leaving *leaving)
{
	pthread_mutex_lock(&hm->lock);
	list_del(&leaving->node);
	pthread_mutex_unlock(&hm->lock);
}

static bool is_leaving(const struct hostmem *hm, uintptr_t addr, uint64_t last)
{
	const struct hostmem_leaving *leaving;

	list_for_each_entry(leaving, &hm->leaving, node)
		if (leaving->addr <= last && leaving->last >= addr)
			return true;
	return false;
}

/* @charge: the pages count for memlock. */
static int do_pin(struct hostmem *hm, uintptr_t addr, size_t len, bool write, bool charge,
		  const struct hostmem_pin_ops *ops, void *priv, struct hostmem_pin *pin)
{
	uint64_t last;
	int ret;

	if (!IS_ALIGNED(addr | len, HOST_PAGE_SIZE) || !range_last(addr, len, &last))
		return -EINVAL;
	if (last > USER_LAST)
		return -EFAULT;
	*pin = (struct hostmem_pin){ .hm = hm,
				     .ops = ops,
				     .priv = priv,
				     .addr = addr,
				     .len = len,
				     .write = write,
				     .locked = charge ? len : 0 };
	list_init(&pin->segs);
	pin->first.pin = pin;
	pin->first.orig = addr;
	pin->first.len = len;
	/* As in the kernel, a bad first page is noticed before the limit. */
	ret = touch_pages(addr, addr + HOST_PAGE_SIZE, write);
	if (ret)
		return ret;

	pthread_mutex_lock(&hm->lock);
	if (is_leaving(hm, addr, last)) {
		pthread_mutex_unlock(&hm->lock);
		return -EFAULT;
	}
	if (charge && (hm->locked > hm->limit || len > hm->limit - hm->locked)) {
		pthread_mutex_unlock(&hm->lock);
		return -ENOMEM;
	}
	hm->locked += pin->locked;
	list_add(&pin->first.link, &pin->segs);
	seg_insert(hm, &pin->first, addr);
	atomic_fetch_add_explicit(&hm->pins, 1, memory_order_relaxed);
	pthread_mutex_unlock(&hm->lock);

	/* In the tree before the pages are looked at: one that is taken away behind us is
	 * noticed. */
	ret = touch_range(addr + HOST_PAGE_SIZE, addr + len, write);
	if (!ret && !write)
		ret = check_readable(addr, len);
	if (ret)
		hostmem_unpin(pin);
	return ret;
}

int hostmem_pin(struct hostmem *hm, uintptr_t addr, size_t len, bool write,
		const struct hostmem_pin_ops *ops, void *priv, struct hostmem_pin *pin)
{
	return do_pin(hm, addr, len, write, true, ops, priv, pin);
}

int hostmem_pin_uncharged(struct hostmem *hm, uintptr_t addr, size_t len, bool write,
			  const struct hostmem_pin_ops *ops, void *priv, struct hostmem_pin *pin)
{
	return do_pin(hm, addr, len, write, false, ops, priv, pin);
}

void hostmem_pin_charge(struct hostmem_pin *pin, bool charge)
{
	struct hostmem *hm = pin->hm;

	pthread_mutex_lock(&hm->lock);
	hm->locked -= pin->locked;
	pin->locked = charge ? pin->len : 0;
	hm->locked += pin->locked;
	pthread_mutex_unlock(&hm->lock);
}

uintptr_t hostmem_pin_now(struct hostmem_pin *pin)
{
	struct hostmem_seg *seg;
	uintptr_t now = 0;

	pthread_mutex_lock(&pin->hm->lock);
	list_for_each_entry(seg, &pin->segs, link)
		if (seg->orig == pin->addr && !seg->lost)
			now = seg->cur;
	pthread_mutex_unlock(&pin->hm->lock);
	return now;
}

void hostmem_unpin(struct hostmem_pin *pin)
{
	struct hostmem *hm = pin->hm;
	struct hostmem_seg *seg, *tmp;

	pthread_mutex_lock(&hm->lock);
	list_for_each_entry_safe(seg, tmp, &pin->segs, link) {
		if (seg_in_tree(seg))
			itree_remove(&hm->segs, &seg->node);
		else if (seg->area)
			area_put(&hm->pool, seg->area);
		seg_free(hm, seg);
	}
	hm->locked -= pin->locked;
	atomic_fetch_sub_explicit(&hm->pins, 1, memory_order_relaxed);
	pthread_mutex_unlock(&hm->lock);
}

bool hostmem_pin_moved(struct hostmem_pin *pin)
{
	bool moved;

	pthread_mutex_lock(&pin->hm->lock);
	moved = pin->moved;
	pthread_mutex_unlock(&pin->hm->lock);
	return moved;
}

/* ---- what doors see -------------------------------------------------------------------------- */

static void seg_to_area(struct hostmem *hm, struct hostmem_seg *seg, struct hostmem_area *area,
			uintptr_t run)
{
	uintptr_t at = area ? area->addr + (seg->cur - run) : 0;

	itree_remove(&hm->segs, &seg->node);
	if (area)
		area_get(area);
	seg->area = area;
	seg->lost = !area;
	seg->cur = at;
	seg->pin->moved = true;
	seg->pin->ops->moved(seg->pin, seg->orig, seg->len, at);
}

/* Segments overlap when memory was pinned twice: the pages of each run of neighbours move once. */
static void move_aside(struct hostmem *hm, uintptr_t addr, uint64_t last)
{
	struct hostmem_seg *seg = seg_first(hm, addr, last);

	while (seg) {
		uintptr_t run = seg->cur, end = run;
		struct hostmem_area *area;
		struct itree_node *node;

		itree_for_each(node, &hm->segs, run, last) {
			if (node->start > end)
				break;
			end = MAX(end, node->last + 1);
		}
		area = area_create(&hm->pool, run, end - run);
		while ((seg = seg_first(hm, run, end - 1)))
			seg_to_area(hm, seg, area, run);
		if (area)
			area_put(&hm->pool, area);
		seg = seg_first(hm, addr, last);
	}
}

static void will_unmap_locked(struct hostmem *hm, uintptr_t addr, uint64_t last)
{
	if (!seg_first(hm, addr, last))
		return;
	cut_segs(hm, addr, last);
	freeze_segs(hm, addr, last);
	move_aside(hm, addr, last);
}

/* Completes the last page of a range. False: nothing is pinned at all, or the system call is
 * going to fail (not aligned, empty, wrapping). */
static bool door_range(struct hostmem *hm, uintptr_t addr, size_t len, uint64_t *last)
{
	if (!atomic_load_explicit(&hm->pins, memory_order_relaxed))
		return false;
	if (!IS_ALIGNED(addr, HOST_PAGE_SIZE) || !range_last(addr, len, last))
		return false;
	*last |= HOST_PAGE_SIZE - 1;
	return true;
}

void hostmem_will_unmap(struct hostmem *hm, uintptr_t addr, size_t len)
{
	uint64_t last;

	if (!door_range(hm, addr, len, &last))
		return;
	pthread_mutex_lock(&hm->lock);
	will_unmap_locked(hm, addr, last);
	pthread_mutex_unlock(&hm->lock);
}

bool hostmem_move_begin(struct hostmem *hm, uintptr_t addr, size_t len, size_t new_len)
{
	uint64_t last, kept;

	if (!door_range(hm, addr, len, &last))
		return false;
	pthread_mutex_lock(&hm->lock);
	if (!range_last(addr, new_len, &kept)) {
		will_unmap_locked(hm, addr, last);
	} else {
		kept |= HOST_PAGE_SIZE - 1;
		if (kept < last)
			will_unmap_locked(hm, kept + 1, last);
		cut_segs(hm, addr, MIN(kept, last));
		freeze_segs(hm, addr, MIN(kept, last));
	}
	if (seg_first(hm, addr, last))
		return true;
	pthread_mutex_unlock(&hm->lock);
	return false;
}

void hostmem_move_end(struct hostmem *hm, uintptr_t addr, size_t len, uintptr_t new_addr)
{
	uint64_t last = (addr + len - 1) | (HOST_PAGE_SIZE - 1);
	struct hostmem_seg *seg;
	struct itree_node *node;

	if (!new_addr || new_addr == addr) {
		itree_for_each(node, &hm->segs, addr, last) {
			seg = seg_of(node);
			seg->pin->ops->moved(seg->pin, seg->orig, seg->len, seg->cur);
		}
	} else {
		/* The new place does not overlap the old one: mremap() refuses that. */
		while ((seg = seg_first(hm, addr, last))) {
			itree_remove(&hm->segs, &seg->node);
			seg_insert(hm, seg, new_addr + (seg->cur - addr));
			seg->pin->moved = true;
			seg->pin->ops->moved(seg->pin, seg->orig, seg->len, seg->cur);
		}
	}
	pthread_mutex_unlock(&hm->lock);
}

bool hostmem_any(struct hostmem *hm, uintptr_t addr, size_t len)
{
	uint64_t last;
	bool any;

	if (!atomic_load_explicit(&hm->pins, memory_order_relaxed) || !range_last(addr, len, &last))
		return false;
	pthread_mutex_lock(&hm->lock);
	any = seg_first(hm, addr, last) != NULL;
	pthread_mutex_unlock(&hm->lock);
	return any;
}

void hostmem_after_fork(struct hostmem *hm)
{
	pthread_mutex_init(&hm->lock, NULL);
	hm->segs.root = NULL;
	list_init(&hm->leaving);
	atomic_store(&hm->late, 0);
	hm->pool = (struct pool){ 0 };
	hm->locked = 0;
	atomic_store(&hm->pins, 0);
}

uint64_t hostmem_locked(struct hostmem *hm)
{
	uint64_t locked;

	pthread_mutex_lock(&hm->lock);
	locked = hm->locked;
	pthread_mutex_unlock(&hm->lock);
	return locked;
}
