/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory slots (virt/kvm/kvm_main.c: __kvm_set_memory_region, kvm_get_dirty_log): ranges of guest
 * physical memory that stand for ranges of the program's.
 *
 * Checks come in KVM's order, so that the same call fails with the same error on both back ends. A
 * slot is changed in KVM's steps: one that is deleted or moved is invalid first and its listeners
 * unmap it; then the new one is put in place; new and moved ones are mapped last.
 *
 * On a real VM these books stand beside KVM's own. KVM is asked after our checks and listeners'
 * unmapping; what it refuses is mapped again.
 *
 * Lock: slots_lock, held over each function and over the listeners' calls.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/overflow.h"

/* User addresses of 47 bits, less the guard page at their end. */
#define USER_MAX 0x7ffffffff000UL
/* Guest physical addresses have 52 bits. */
#define MAX_GFN ((1ULL << 40) - 1)

struct kvm_slot {
	struct kvm_memory_slot slot;
	struct itree_node node;
	uint64_t *dirty; /* a bit a page; NULL: not logged */
};

enum change { CREATE, MOVE, FLAGS_ONLY, DELETE, NOTHING };

static struct kvm_slot *slot_by_id(const struct kvm *kvm, unsigned int id)
{
	return id < kvm->slots.nr ? kvm->slots.slot[id] : NULL;
}

static size_t bitmap_bytes(uint64_t npages)
{
	return ALIGN_UP(npages, 64) / 8;
}

/* Makes room for the slot number @id. */
static int grow(struct kvm_slots *slots, unsigned int id)
{
	unsigned int nr = slots->nr ? slots->nr : 32;
	struct kvm_slot **slot;

	if (id < slots->nr)
		return 0;
	while (nr <= id)
		nr *= 2;
	slot = FAIL_POINT() ? NULL : realloc(slots->slot, nr * sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	memset(slot + slots->nr, 0, (nr - slots->nr) * sizeof(*slot));
	slots->slot = slot;
	slots->nr = nr;
	return 0;
}

/* Alignment, sizes and numbers. */
static int check_region(const struct kvm_userspace_memory_region *mem)
{
	uint64_t end;

	if (mem->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return -EINVAL;
	if ((mem->slot & 0xffff) >= KVM_USER_MEM_SLOTS || mem->slot >> 16)
		return -EINVAL;
	if ((mem->memory_size | mem->guest_phys_addr | mem->userspace_addr) & ~HOST_PAGE_MASK)
		return -EINVAL;
	if (!range_within(mem->userspace_addr, mem->memory_size, USER_MAX))
		return -EINVAL;
	if (check_add_overflow(mem->guest_phys_addr, mem->memory_size, &end))
		return -EINVAL;
	if (mem->memory_size >> HOST_PAGE_SHIFT > KVM_MEM_MAX_NR_PAGES)
		return -EINVAL;
	return 0;
}

static int what_changes(const struct kvm *kvm, const struct kvm_slot *old,
			const struct kvm_userspace_memory_region *mem, enum change *change)
{
	uint64_t gfn = mem->guest_phys_addr >> HOST_PAGE_SHIFT;
	uint64_t npages = mem->memory_size >> HOST_PAGE_SHIFT;
	struct itree_node *node;

	if (!npages) {
		*change = DELETE;
		return old ? 0 : -EINVAL;
	}
	if (!old)
		*change = CREATE;
	else if (mem->userspace_addr != old->slot.userspace_addr || npages != old->slot.npages ||
		 (mem->flags ^ old->slot.flags) & KVM_MEM_READONLY)
		return -EINVAL;
	else if (gfn != old->slot.base_gfn)
		*change = MOVE;
	else
		*change = mem->flags != old->slot.flags ? FLAGS_ONLY : NOTHING;
	if (*change != CREATE && *change != MOVE)
		return 0;
	itree_for_each(node, &kvm->slots.tree, gfn, gfn + npages - 1)
		if (!old || node != &old->node)
			return -EEXIST;
	return gfn + npages - 1 > MAX_GFN ? -EINVAL : 0;
}

static void notify_unmap(struct kvm *kvm, const struct kvm_memory_slot *slot)
{
	struct kvm_slot_listener *listener;

	list_for_each_entry(listener, &kvm->listeners, node)
		listener->unmap(listener, slot);
}

static int notify_map(struct kvm *kvm, const struct kvm_memory_slot *slot)
{
	struct kvm_slot_listener *listener;
	int ret;

	list_for_each_entry(listener, &kvm->listeners, node) {
		ret = listener->map(listener, slot);
		if (ret)
			return ret;
	}
	return 0;
}

static void insert(struct kvm *kvm, struct kvm_slot *slot)
{
	slot->node.start = slot->slot.base_gfn;
	slot->node.last = slot->slot.base_gfn + slot->slot.npages - 1;
	itree_insert(&kvm->slots.tree, &slot->node);
}

static void free_slot(struct kvm *kvm, struct kvm_slot *slot)
{
	kvm->slots.slot[slot->slot.id] = NULL;
	free(slot->dirty);
	free(slot);
}

/* Everything that can fail for want of memory happens here, before anything changes. */
static int prepare(struct kvm *kvm, enum change change, unsigned int id, uint64_t npages,
		   bool logged, struct kvm_slot **slot, uint64_t **dirty)
{
	int ret;

	*dirty = NULL;
	if (change == CREATE) {
		ret = grow(&kvm->slots, id);
		if (ret)
			return ret;
		*slot = FAIL_POINT() ? NULL : calloc(1, sizeof(**slot));
		if (!*slot)
			return -ENOMEM;
		(*slot)->slot.id = (uint16_t)id;
	}
	if (logged && !(*slot)->dirty) {
		*dirty = FAIL_POINT() ? NULL : calloc(1, bitmap_bytes(npages));
		if (!*dirty) {
			if (change == CREATE)
				free(*slot);
			return -ENOMEM;
		}
	}
	return 0;
}

/* The books follow; cannot fail. */
static void commit(struct kvm *kvm, enum change change, struct kvm_slot *slot,
		   const struct kvm_userspace_memory_region *mem, uint64_t *dirty)
{
	if (change == DELETE) {
		free_slot(kvm, slot);
		return;
	}
	slot->slot.flags = mem->flags;
	slot->slot.base_gfn = mem->guest_phys_addr >> HOST_PAGE_SHIFT;
	if (change == CREATE) {
		slot->slot.npages = mem->memory_size >> HOST_PAGE_SHIFT;
		slot->slot.userspace_addr = mem->userspace_addr;
		kvm->slots.slot[slot->slot.id] = slot;
	}
	if (dirty) {
		slot->dirty = dirty;
	} else if (!(mem->flags & KVM_MEM_LOG_DIRTY_PAGES)) {
		free(slot->dirty);
		slot->dirty = NULL;
	}
	if (change != FLAGS_ONLY)
		insert(kvm, slot);
}

static int set_region_locked(struct kvm *kvm, const struct kvm_userspace_memory_region *mem)
{
	struct kvm_slot *slot = slot_by_id(kvm, mem->slot & 0xffff);
	bool leaves, logged = mem->flags & KVM_MEM_LOG_DIRTY_PAGES;
	uint64_t *dirty;
	enum change change;
	int ret;

	ret = what_changes(kvm, slot, mem, &change);
	if (ret || change == NOTHING)
		return ret;
	ret = prepare(kvm, change, mem->slot & 0xffff, mem->memory_size >> HOST_PAGE_SHIFT,
		      logged && change != DELETE, &slot, &dirty);
	if (ret)
		return ret;
	leaves = change == DELETE || change == MOVE;
	if (leaves) {
		itree_remove(&kvm->slots.tree, &slot->node);
		notify_unmap(kvm, &slot->slot);
	}
	ret = kvm->ops->set_memory_region ? kvm->ops->set_memory_region(kvm, mem) : 0;
	if (ret) {
		free(dirty);
		if (change == CREATE)
			free(slot);
		if (leaves) {
			insert(kvm, slot);
			notify_map(kvm, &slot->slot);
		}
		return ret;
	}
	commit(kvm, change, slot, mem, dirty);
	return change == CREATE || change == MOVE ? notify_map(kvm, &slot->slot) : 0;
}

int kvm_set_memory_region(struct kvm *kvm, const struct kvm_userspace_memory_region *mem)
{
	int ret = kvm_check(kvm);

	if (!ret)
		ret = check_region(mem);
	if (ret)
		return ret;
	pthread_mutex_lock(&kvm->slots_lock);
	ret = set_region_locked(kvm, mem);
	pthread_mutex_unlock(&kvm->slots_lock);
	return ret;
}

/* As KVM does it, the bits go before they are copied. */
static int take_dirty_locked(struct kvm *kvm, const struct kvm_dirty_log *log)
{
	struct kvm_slot *slot = slot_by_id(kvm, log->slot);
	size_t bytes;
	uint64_t *copy;
	int ret;

	if (!slot || !slot->dirty)
		return -ENOENT;
	if (kvm->ops->get_dirty_log)
		return kvm->ops->get_dirty_log(kvm, log);
	bytes = bitmap_bytes(slot->slot.npages);
	copy = FAIL_POINT() ? NULL : malloc(bytes);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, slot->dirty, bytes);
	memset(slot->dirty, 0, bytes);
	ret = copy_to_user((uintptr_t)log->dirty_bitmap, copy, bytes);
	free(copy);
	return ret;
}

int kvm_get_dirty_log(struct kvm *kvm, const struct kvm_dirty_log *log)
{
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if ((log->slot & 0xffff) >= KVM_USER_MEM_SLOTS || log->slot >> 16)
		return -EINVAL;
	pthread_mutex_lock(&kvm->slots_lock);
	ret = take_dirty_locked(kvm, log);
	pthread_mutex_unlock(&kvm->slots_lock);
	return ret;
}

static struct kvm_slot *find(struct kvm *kvm, uint64_t gfn)
{
	struct itree_node *node = itree_first(&kvm->slots.tree, gfn, gfn);

	return node ? container_of(node, struct kvm_slot, node) : NULL;
}

/* One page's worth at most. */
static int access_page(struct kvm *kvm, uint64_t gpa, void *data, size_t len, bool write)
{
	uint64_t gfn = gpa >> HOST_PAGE_SHIFT, page;
	struct kvm_slot *slot = find(kvm, gfn);
	uintptr_t uaddr;
	int ret;

	if (!slot || (write && slot->slot.flags & KVM_MEM_READONLY))
		return -EFAULT;
	page = gfn - slot->slot.base_gfn;
	uaddr = slot->slot.userspace_addr + (page << HOST_PAGE_SHIFT) + (gpa & ~HOST_PAGE_MASK);
	ret = write ? copy_to_user(uaddr, data, len) : copy_from_user(data, uaddr, len);
	if (!ret && write && slot->dirty)
		slot->dirty[page / 64] |= BIT_ULL(page % 64);
	return ret;
}

static int access_guest(struct kvm *kvm, uint64_t gpa, void *data, size_t len, bool write)
{
	uint64_t last;
	size_t part;
	int ret = kvm_check(kvm);

	if (ret || !len)
		return ret;
	if (!range_last(gpa, len, &last))
		return -EFAULT;
	pthread_mutex_lock(&kvm->slots_lock);
	for (; len && !ret; len -= part, gpa += part, data = (char *)data + part) {
		part = MIN(len, HOST_PAGE_SIZE - (gpa & ~HOST_PAGE_MASK));
		ret = access_page(kvm, gpa, data, part, write);
	}
	pthread_mutex_unlock(&kvm->slots_lock);
	return ret;
}

int kvm_read_guest(struct kvm *kvm, uint64_t gpa, void *data, size_t len)
{
	return access_guest(kvm, gpa, data, len, false);
}

int kvm_write_guest(struct kvm *kvm, uint64_t gpa, const void *data, size_t len)
{
	return access_guest(kvm, gpa, (void *)(uintptr_t)data, len, true);
}

void kvm_add_slot_listener(struct kvm *kvm, struct kvm_slot_listener *listener)
{
	list_add_tail(&listener->node, &kvm->listeners);
}

void kvm_del_slot_listener(struct kvm *kvm, struct kvm_slot_listener *listener)
{
	list_del(&listener->node);
}

bool kvm_slot_by_id(struct kvm *kvm, unsigned int id, struct kvm_memory_slot *out)
{
	struct kvm_slot *slot;

	pthread_mutex_lock(&kvm->slots_lock);
	slot = slot_by_id(kvm, id);
	if (slot)
		*out = slot->slot;
	pthread_mutex_unlock(&kvm->slots_lock);
	return slot;
}

void kvm_slots_lock(struct kvm *kvm)
{
	pthread_mutex_lock(&kvm->slots_lock);
}

void kvm_slots_unlock(struct kvm *kvm)
{
	pthread_mutex_unlock(&kvm->slots_lock);
}

int kvm_for_each_slot(struct kvm *kvm, int (*fn)(void *arg, const struct kvm_memory_slot *slot),
		      void *arg)
{
	struct itree_node *node;
	int ret;

	itree_for_each(node, &kvm->slots.tree, 0, UINT64_MAX) {
		ret = fn(arg, &container_of(node, struct kvm_slot, node)->slot);
		if (ret)
			return ret;
	}
	return 0;
}

const struct kvm_memory_slot *kvm_gfn_to_slot(struct kvm *kvm, uint64_t gfn)
{
	struct kvm_slot *slot = find(kvm, gfn);

	return slot ? &slot->slot : NULL;
}

void kvm_free_slots(struct kvm *kvm)
{
	for (unsigned int id = 0; id < kvm->slots.nr; id++) {
		struct kvm_slot *slot = kvm->slots.slot[id];

		if (slot) {
			itree_remove(&kvm->slots.tree, &slot->node);
			free_slot(kvm, slot);
		}
	}
	free(kvm->slots.slot);
}
