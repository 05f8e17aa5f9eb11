/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of tracked mappings as the trap and the life of files see it. */
#ifndef FILE_MAPPING_PRIV_H
#define FILE_MAPPING_PRIV_H

#include "file/file_priv.h"

/* A piece of the client's address space that shows a file. */
struct mapping {
	uintptr_t start, end;
	uint64_t off;	      /* of the file, at start */
	struct file_obj *obj; /* with a reference for each entry of the table */
	int prot;	      /* what the client asked for */
	int flags;	      /* of mmap, without MAP_FIXED and the like */
};

/* What a trapped address is. */
struct mapping_hit {
	struct file_obj *obj; /* with a reference: file_put_deferred() */
	uint64_t off;
	int prot;
	enum page_access access;
};

/* Looks @addr up; safe in signal context, takes no lock. */
bool mapping_lookup(uintptr_t addr, struct mapping_hit *hit);
/* Once more the protection of @addr's page that is due, which the kernel had no memory for; whether
 * an access is worth another try. For the fault handler: waits for no lock. */
bool mapping_mend(uintptr_t addr);
/* Only whether it is tracked. */
bool mapping_is_tracked(uintptr_t addr);

/* Frees the access map of a file that has ended. */
void mapping_forget_access(struct file_obj *obj);

void mapping_fork_lock(void);
void mapping_fork_unlock(void);
/* In a child whose parent did not take the lock for it. */
void mapping_fork_reset(void);
void mapping_fork_child(void);

#endif
