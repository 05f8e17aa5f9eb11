/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of emulated groups share: two devices without an IOMMU that note when they are
 * told of an unmap, on top of the folder's small machine. */
#ifndef VFIO_EMULATED_FIXTURE_H
#define VFIO_EMULATED_FIXTURE_H

#include "vfio/fixture.h"

#define PAGE HOST_PAGE_SIZE
#define RW   (IOMMU_READ | IOMMU_WRITE)

struct emulated {
	struct device dev;
	struct vfio_device vdev;
	int group, fd; /* -1: closed */
	atomic_uint unmaps;
	iova_t last_iova;
	uint64_t last_len;
	bool obeys;
	void (*meanwhile)(void); /* what else happens while it is told; NULL: nothing */
	/* What it has pinned, to let go when told. */
	iova_t pinned;
	int npages;
};

extern struct emulated emu[2];
extern char *emu_mem; /* 64 pages */
extern char emu_log[4096];
extern const struct vfio_device_ops emu_ops, emu_deaf_ops; /* deaf: has no dma_unmap */

/* @memlock: bytes that may be locked. @before: what is to be done with each device before it is
 * registered, or NULL. */
void emu_setup_with(uint64_t memlock, void (*before)(struct emulated *e));
void emu_setup(void);
void emu_teardown(void);

/* Puts a group into the container; its fd. */
int emu_join(unsigned int id, int container);
/* A container with device 0 in it, open. Closed by emu_teardown(). */
int emu_start_type(unsigned long type);
int emu_start(void);
/* Opens a device in a container that has an IOMMU: device @i, device 1. */
void emu_add(unsigned int i, int container);
void emu_add_second(int container);
/* Closes the device and its group. */
void emu_close(unsigned int i);

uint64_t emu_unmap(int container, uint64_t iova, uint64_t size);
int emu_pin(unsigned int i, iova_t iova, int npage, int prot, paddr_t *pages);
void emu_unpin(unsigned int i, iova_t iova, int npage);

#endif
