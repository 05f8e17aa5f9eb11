/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this folder's tests share: a small machine without PCI. Three IOMMU groups, one device in
 * each of the first two and two in the third; devices are fake (fixture_ops), IOMMU, memory and
 * files real.
 */
#ifndef VFIO_FIXTURE_H
#define VFIO_FIXTURE_H

#include <check.h>

#include "hostmem/hostmem.h"
#include "iommu/dma.h"
#include "vfio/vfio_priv.h"

#define FIXTURE_DEVICES 4
#define FIXTURE_GROUPS	3
#define FIXTURE_NOIOMMU 3      /* number of the group that is made for a device that has none */
#define FIXTURE_MADE	16     /* how many such groups there can be */
#define FIXTURE_IRQS	4      /* of index 0; index 1 has none */
#define FIXTURE_REGION	0x4000 /* bytes of region 0, plain memory behind mmio_* */

struct fixture_device {
	struct device dev;
	struct vfio_device vdev;
	struct iommu_dev *iommu;
	uint8_t mem[FIXTURE_REGION];
	int opens, closes, resets, requests;
	int open_error;
	/* The last SET_IRQS. */
	uint32_t irq_flags, irq_index, irq_start, irq_count;
	int32_t irq_data[FIXTURE_IRQS];
	/* The last feature call. */
	uint32_t feature_flags;
	bool release_on_request; /* request closes closing_fd */
	int closing_fd;
};

struct fixture {
	struct hostmem *hm;
	struct iommu *unit, *other_unit; /* AMD (or Intel), and an Intel one for other_group */
	struct iommu_group *groups[FIXTURE_GROUPS];
	struct fixture_device devs[FIXTURE_DEVICES];
	struct vfio_core *core;
	unsigned int dma_entry_limit;
	bool disable_hugepages;
	bool allow_unsafe, viable[FIXTURE_GROUPS + FIXTURE_MADE];
	int claims[FIXTURE_GROUPS + FIXTURE_MADE];
	bool busy_elsewhere;
	/* Without an IOMMU: what the session allows, and the group that was made for device 0. */
	bool noiommu, no_rawio;
	struct iommu_group *made;
	struct iommu_group *made_groups[FIXTURE_MADE];
	struct device *made_for[FIXTURE_MADE];
	unsigned int taints;
};

extern struct fixture fx;

void fixture_setup(void); /* AMD, no memlock limit */
void fixture_setup_with(enum iommu_model model, enum iommu_model second, uint64_t memlock);
void fixture_teardown(void);

/* Files as client fds, through file_install(). */
int fx_open_container(void);
int fx_open_group(unsigned int id); /* fd or -errno */
long fx_ioctl(int fd, unsigned int cmd, void *arg);
void fx_close(int fd);
ssize_t fx_pread(int fd, void *buf, size_t count, uint64_t off);
ssize_t fx_pwrite(int fd, const void *buf, size_t count, uint64_t off);

struct fx_open {
	int container, group, device;
};
/* The usual way: container, group 0, SET_CONTAINER, SET_IOMMU(@type), device 0. */
struct fx_open fx_open_all(unsigned long type);
void fx_close_all(struct fx_open *open);

long fx_map(int container, uint32_t flags, const void *vaddr, uint64_t iova, uint64_t size);
/* 0 or -errno; *@size in and out. */
long fx_unmap(int container, uint32_t flags, uint64_t iova, uint64_t *size);

/* Bytes of anonymous, touched memory. */
void *fx_memory(size_t size);

int fixture_main(Suite *suite);

#define FX_RW (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

#endif
