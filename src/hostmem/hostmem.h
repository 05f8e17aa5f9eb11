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
#include "base/types.h"

struct hostmem;
struct hostmem_pin;

struct hostmem_pin_ops {
	/*
	 * [@addr, @addr + @len), inside the pin, is about to be unmapped or replaced by the program.
	 * Stop all device access to it and return when none is running. Cannot fail.
	 */
	void (*freeze)(struct hostmem_pin *pin, uintptr_t addr, size_t len);
	/* The same bytes are now at @new_addr (0: they are lost); let devices go on there. */
	void (*moved)(struct hostmem_pin *pin, uintptr_t addr, size_t len, uintptr_t new_addr);
};

struct hostmem_pin {
	struct itree_node node; /* by program address; guarded by the hostmem's lock */
	struct hostmem *hm;
	const struct hostmem_pin_ops *ops;
	void *priv;
	uintptr_t addr;
	size_t len;
	bool write;
	size_t locked; /* bytes charged to memlock */
};

/* @limit: bytes of RLIMIT_MEMLOCK of the session's identity; UINT64_MAX: none (CAP_IPC_LOCK). */
int hostmem_create(uint64_t limit, struct hostmem **out);
void hostmem_destroy(struct hostmem *hm);

/*
 * Pins [@addr, @addr + @len), page aligned, for reading and, when @write, writing. @pin is the
 * caller's storage, filled here. Errors as VFIO reports them: -EFAULT a page is not there or may not
 * be written, -ENOMEM over the memlock limit (nothing was changed then).
 * @charge: bytes to charge; pages that the caller already pinned are not charged twice.
 */
int hostmem_pin(struct hostmem *hm, uintptr_t addr, size_t len, bool write,
		const struct hostmem_pin_ops *ops, void *priv, struct hostmem_pin *pin);
void hostmem_unpin(struct hostmem_pin *pin);

/* What doors call before (will_unmap) a range of the program's goes away: munmap, mremap's old
 * place, mmap with MAP_FIXED over it, MADV_DONTNEED and the like. Cheap when nothing is pinned
 * there. After it, the range itself may be gone or empty: the system call goes on as usual. */
void hostmem_will_unmap(struct hostmem *hm, uintptr_t addr, size_t len);
/* mremap moved [@old_addr, +@len) to @new_addr: pins keep the pages, which alias now. */
bool hostmem_any(struct hostmem *hm, uintptr_t addr, size_t len);

uint64_t hostmem_locked(struct hostmem *hm);

/*
 * An owner of memory that is no plain memory (a BAR mapping): asked by hostmem_is_mmio(). Set by
 * the composition root.
 */
typedef bool (*hostmem_mmio_fn)(void *arg, uintptr_t addr, size_t len, void **bar, uint64_t *off);
void hostmem_set_mmio(struct hostmem *hm, hostmem_mmio_fn fn, void *arg);
bool hostmem_is_mmio(struct hostmem *hm, uintptr_t addr, size_t len, void **bar, uint64_t *off);

#endif
