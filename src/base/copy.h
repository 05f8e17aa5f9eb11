/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Touching memory that may not be there (design D5): ioctl arguments, client buffers, DMA targets.
 *
 * One assembler routine with fault fix-up. It needs fault_init() (base/fault.h). Never aborts: a
 * page that is missing, read-only, beyond a file's end or poisoned ends in an error return.
 */
#ifndef BASE_COPY_H
#define BASE_COPY_H

#include "base/types.h"

/* Copies @len bytes; returns how many were NOT copied: 0 is success. Either side may fault. The
 * residue is exact to the byte. */
size_t copy_nofault(void *dst, const void *src, size_t len);
/* Fills @len bytes with zero; returns how many were not written. */
size_t zero_nofault(void *dst, size_t len);

/* 0 or -EFAULT. @uaddr is an address of the client's, of whatever value. */
int copy_from_user(void *dst, uintptr_t uaddr, size_t len);
int copy_to_user(uintptr_t uaddr, const void *src, size_t len);

/* Make a page present by touching one byte, as pinning does: a load, or an atomic OR with 0 that
 * breaks copy-on-write. 0 or -EFAULT. */
int touch_read(uintptr_t uaddr);
int touch_write(uintptr_t uaddr);

/* Single, naturally aligned accesses of 1, 2, 4 or 8 bytes, as a device's atomic bus access. */
int load_nofault(uintptr_t uaddr, unsigned int width, uint64_t *value);
int store_nofault(uintptr_t uaddr, unsigned int width, uint64_t value);

#endif
