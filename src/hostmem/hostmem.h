/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges of the program's memory that a device may reach (design D5): validity, permission, memlock
 * accounting, and keeping them alive when the program unmaps them.
 *
 * Pinning touches each page through base/copy.h, which populates it. A pin stays valid after the
 * program unmapped the memory where a door sees the unmap: the owner's freeze and moved operations
 * run, between them the pages are moved aside with their data.
 */
#ifndef HOSTMEM_HOSTMEM_H
#define HOSTMEM_HOSTMEM_H

#include "base/itree.h"
#include "base/list.h"
#include "base/types.h"

struct hostmem;
struct hostmem_pin;
struct hostmem_area;

/*
 * Called with the hostmem's lock held: an operation must not pin or unpin, nor take a lock under
 * which someone else pins or unpins (the lock of a container's type1, say). iommu_freeze() and
 * iommu_thaw() are what is expected. @addr is in the pin's own addresses, as they were pinned,
 * wherever the bytes are by now; so (@addr - pin->addr) is the offset inside the pin.
 */
struct hostmem_pin_ops {
	/*
	 * [@addr, @addr + @len), inside the pin, is about to be unmapped or replaced by the
	 * program. Stop all device access to it and return when none is running. Cannot fail.
	 */
	void (*freeze)(struct hostmem_pin *pin, uintptr_t addr, size_t len);
	/* The same bytes are now at @new_addr (0: they are lost); let devices go on there. Each
	 * part of what was frozen comes once. */
	void (*moved)(struct hostmem_pin *pin, uintptr_t addr, size_t len, uintptr_t new_addr);
};

/* A part of a pin and where its bytes are now. Internal. */
struct hostmem_seg {
	struct itree_node node; /* by present address in the program's memory, when in the tree */
	struct list_head link;	/* of the pin's segments */
	struct hostmem_pin *pin;
	uintptr_t orig; /* as pinned */
	uintptr_t cur;	/* now */
	size_t len;
	struct hostmem_area *area; /* moved aside; NULL: in the program's own mapping, or lost */
	bool lost;
};

/* Guarded by the hostmem's lock, but addr, len and priv, which stay as they were given. */
struct hostmem_pin {
	struct hostmem *hm;
	const struct hostmem_pin_ops *ops;
	void *priv;
	uintptr_t addr;
	size_t len;
	bool write;
	bool moved;    /* some of it is not where it was pinned */
	size_t locked; /* bytes charged to memlock */
	struct list_head segs;
	struct hostmem_seg first; /* so that most pins allocate nothing */
};

/* @limit: bytes of RLIMIT_MEMLOCK of the session's identity; UINT64_MAX: none (CAP_IPC_LOCK). */
int hostmem_create(uint64_t limit, struct hostmem **out);
/* Nothing may be pinned. */
void hostmem_destroy(struct hostmem *hm);

/*
 * Pins [@addr, @addr + @len), page aligned, for reading and, when @write, writing. @pin is the
 * caller's storage, filled here; it must not move until it is unpinned. @ops may be called from
 * now on, before this returns, and until hostmem_unpin() or a failure has returned. Errors as VFIO
 * reports them: -EFAULT a page is not there or may not be written, -ENOMEM over the memlock limit,
 * -EINVAL not aligned, empty or wrapping. On failure nothing was changed.
 */
int hostmem_pin(struct hostmem *hm, uintptr_t addr, size_t len, bool write,
		const struct hostmem_pin_ops *ops, void *priv, struct hostmem_pin *pin);
/* The same without memlock: another pin counts the memory, or nothing does (device assignment of
 * KVM's before Linux 4.12). */
int hostmem_pin_uncharged(struct hostmem *hm, uintptr_t addr, size_t len, bool write,
			  const struct hostmem_pin_ops *ops, void *priv, struct hostmem_pin *pin);
/* No device can reach the memory any more. Cannot fail. */
void hostmem_unpin(struct hostmem_pin *pin);
/* Counts the pin from now on, or no longer. The limit is not looked at. */
void hostmem_pin_charge(struct hostmem_pin *pin, bool charge);
/* Where the pin's first byte is now; 0: lost. Waits while it is being moved. */
uintptr_t hostmem_pin_now(struct hostmem_pin *pin);
/*
 * Whether the program took memory of the pin away since hostmem_pin(). Whoever pins and then
 * enters the address into an IOMMU domain asks once behind that: such a move may have come in
 * between, when freeze had nothing to freeze. True: take the mapping out again (-EFAULT).
 */
bool hostmem_pin_moved(struct hostmem_pin *pin);

/* What doors call before a range of the program's goes away: munmap, mmap with MAP_FIXED over
 * it, MADV_DONTNEED and the like, mremap's new place when it is fixed. Cheap when nothing is
 * pinned there. After it, the range itself may be empty (reads zero) or gone: the system call
 * goes on as usual. A door that knows that the call will fail must not come here: the memory
 * would be empty. */
void hostmem_will_unmap(struct hostmem *hm, uintptr_t addr, size_t len);
/*
 * Around a call that takes [@addr, @addr + @len) away, outside of will_unmap and move: where pages
 * are pinned while devices work rather than when they are mapped (hostmem_pins_late()), none of the
 * range is pinned in between (-EFAULT), which would be one that has gone when it is used. begin
 * returns whether end must follow, on the same thread, behind the call.
 */
struct hostmem_leaving {
	struct list_head node; /* of the hostmem; its lock */
	uintptr_t addr, last;
};
bool hostmem_leaving_begin(struct hostmem *hm, struct hostmem_leaving *leaving, uintptr_t addr,
			   size_t len);
void hostmem_leaving_end(struct hostmem *hm, struct hostmem_leaving *leaving);
/* One more, or one fewer, who pins pages late. */
void hostmem_pins_late(struct hostmem *hm, bool more);
/*
 * The two halves around an mremap() that takes [@addr, @addr + @len) elsewhere: the pages, their
 * pins and the program stay together. begin: true when pins were frozen; then end must follow on
 * the same thread, with mremap's result or 0 when it failed (everything stays as it was).
 * @new_len: bytes that exist at the new place; pinned pages behind it are moved aside before
 * (begin is told it). DONTUNMAP is no move but a will_unmap.
 */
bool hostmem_move_begin(struct hostmem *hm, uintptr_t addr, size_t len, size_t new_len);
void hostmem_move_end(struct hostmem *hm, uintptr_t addr, size_t len, uintptr_t new_addr);
/* Whether any byte of the range is pinned now. */
bool hostmem_any(struct hostmem *hm, uintptr_t addr, size_t len);
/* In the child of a fork: the lock is free again. Pins are the parent's and are forgotten. */
void hostmem_after_fork(struct hostmem *hm);

uint64_t hostmem_locked(struct hostmem *hm);

#endif
