/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The type1 IOMMU driver (the kernel's drivers/vfio/vfio_iommu_type1.c), in parts: type1_ioctl.c
 * the uAPI, type1_dma.c the tree of mappings and its rules, type1_place.c where a mapping's bytes
 * are, type1_domain.c domains and valid IOVAs, type1_dirty.c dirty page tracking, type1_pin.c the
 * pages that emulated devices pin, type1_emulated.c who is told of unmaps, and DMA by copying.
 *
 * Locks: iommu->lock guards everything but what is said otherwise and is held over each ioctl.
 * Below it comes the hostmem's own lock, and below that iommu->domains_lock, which the pins'
 * operations take while the hostmem's lock is held: nothing is pinned or unpinned under it.
 * Above iommu->lock is device_list_lock, held while devices are told of an unmap: they unpin, and
 * wait for their own locks, under which they pin.
 */
#ifndef VFIO_TYPE1_PRIV_H
#define VFIO_TYPE1_PRIV_H

#include <pthread.h>

#include "base/itree.h"
#include "base/list.h"
#include "hostmem/hostmem.h"
#include "iommu/iommu.h"
#include "vfio/vfio_priv.h"

/* Bytes of a dirty bitmap that the kernel accepts: one bit for each of INT_MAX pages. */
#define DIRTY_BITMAP_SIZE_MAX 0x10000000ULL

/* IOVA ranges, inclusive ends, in order. */
struct iova_list {
	struct vfio_iova_range *ranges;
	size_t count;
};

/* An IOMMU domain and the groups that share it. */
struct vfio_domain {
	struct list_head node; /* changed with both locks held */
	struct iommu_domain *domain;
	struct list_head groups;
	bool enforce_cache_coherency;
};

struct vfio_iommu_group {
	struct list_head node;
	struct iommu_group *iommu_group;
	/* It dirties no page but what it pins or is copied for it. */
	bool pinned_page_dirty_scope;
};

struct vfio_iommu {
	struct vfio_core *core;
	pthread_mutex_t lock;
	bool v2;
	bool dirty_page_tracking;
	struct itree dmas;
	unsigned int dma_avail;
	unsigned int vaddr_invalid_count;
	uint64_t pgsize_bitmap;
	struct iova_list iovas; /* empty: all, as long as there never was a domain */
	struct list_head domains;
	struct list_head emulated_groups; /* groups without a domain */
	unsigned int num_non_pinned_groups;
	struct list_head leaked; /* pages that a device should have unpinned: type1_pin.c */

	pthread_mutex_t device_list_lock;
	struct list_head devices; /* open ones that may pin; device_list_lock */

	pthread_mutex_t domains_lock;
	pthread_cond_t settled; /* moving became 0 */
	uint64_t moving;	/* bytes between freeze and moved; guarded by domains_lock */
};

/* A stretch of a mapping whose bytes are in one place. */
struct vfio_piece {
	struct vfio_dma *dma;
	uint64_t off, len;    /* in the mapping */
	struct vfio_p2p *p2p; /* another device's region; NULL: memory, pinned */
	struct hostmem_pin pin;
};

/* One MAP_DMA. */
struct vfio_dma {
	struct itree_node node; /* by IOVA, inclusive */
	struct vfio_iommu *iommu;
	uintptr_t vaddr;
	uint64_t size;
	unsigned int prot; /* IOMMU_READ | IOMMU_WRITE */
	bool vaddr_invalid;
	bool iommu_mapped; /* pinned as a whole and in all domains; else only its pfns are */
	bool unmapping;	   /* about to go: nothing more is pinned */
	struct itree pfns; /* struct vfio_pfn */
	uint64_t *bitmap;  /* dirty pages; NULL: tracking is off */
	size_t num_pieces;
	struct vfio_piece *pieces; /* &single in all but mixed mappings */
	struct vfio_piece single;
	struct vfio_dma *next; /* of those that an unmap has taken out of the tree */
};

static inline iova_t vfio_dma_iova(const struct vfio_dma *dma)
{
	return dma->node.start;
}

static inline uint64_t vfio_iommu_pgsize(const struct vfio_iommu *iommu)
{
	return iommu->pgsize_bitmap & -iommu->pgsize_bitmap;
}

/* The first mapping that overlaps [@start, @last], or NULL. */
static inline struct vfio_dma *vfio_find_dma(struct vfio_iommu *iommu, iova_t start, iova_t last)
{
	struct itree_node *node = itree_first(&iommu->dmas, start, last);

	return node ? container_of(node, struct vfio_dma, node) : NULL;
}

/* One device's pins of a page. */
struct vfio_pin_user {
	struct list_head node;
	struct vfio_device *vdev;
	unsigned int refs;
	bool reported;
};

/* A page that emulated devices have pinned. */
struct vfio_pfn {
	struct itree_node node; /* by IOVA */
	struct vfio_iommu *iommu;
	struct list_head leak; /* of iommu->leaked */
	struct hostmem_pin pin;
	/* Changed with both iommu->lock and domains_lock held. */
	struct list_head users;
	struct vfio_pin_user first;
};

/* ---- type1_dma.c ----------------------------------------------------------------------------- */

int vfio_dma_do_map(struct vfio_iommu *iommu, const struct vfio_iommu_type1_dma_map *map);
/* unmap->size becomes what was unmapped, also on failure. @bitmap: with FLAG_GET_DIRTY_BITMAP. */
int vfio_dma_do_unmap(struct vfio_iommu *iommu, struct vfio_iommu_type1_dma_unmap *unmap,
		      const struct vfio_bitmap *bitmap);
void vfio_iommu_unmap_all(struct vfio_iommu *iommu);

/* ---- type1_place.c --------------------------------------------------------------------------- */

/* Pins the mapping's memory and opens windows to other devices. -EFAULT, -ENOMEM. */
int vfio_dma_pin(struct vfio_dma *dma);
/* No domain has the mapping any more. Cannot fail. */
void vfio_dma_unpin(struct vfio_dma *dma);
/* Enters the mapping into one domain; on failure nothing of it is left there. */
int vfio_dma_enter(struct vfio_dma *dma, struct iommu_domain *domain);
/* Whether the program took away some of the memory since vfio_dma_pin(). */
bool vfio_dma_moved(struct vfio_dma *dma);
/* Enters it as @from has it, wherever the bytes are by now. */
int vfio_dma_copy(struct vfio_dma *dma, struct iommu_domain *from, struct iommu_domain *to);
/* Takes domains_lock when nothing is being moved. */
void vfio_iommu_lock_domains(struct vfio_iommu *iommu);

/* ---- type1_domain.c -------------------------------------------------------------------------- */

int vfio_iommu_attach_group(struct vfio_iommu *iommu, struct iommu_group *iommu_group,
			    enum vfio_group_type type);
void vfio_iommu_detach_group(struct vfio_iommu *iommu, struct iommu_group *iommu_group);
struct iommu_domain *vfio_iommu_find_domain(struct vfio_iommu *iommu, struct iommu_group *group);
bool vfio_iova_list_contains(const struct iova_list *list, iova_t start, iova_t last);
void vfio_iova_list_free(struct iova_list *list);
void vfio_update_pgsize_bitmap(struct vfio_iommu *iommu);
/* The group with its domain, or with NULL when it is an emulated one; NULL: not here. */
struct vfio_iommu_group *vfio_iommu_find_group(struct vfio_iommu *iommu, struct iommu_group *group,
					       struct vfio_domain **d);

/* ---- type1_dirty.c --------------------------------------------------------------------------- */

/* Sets the bits of @dma's dirty pages in the user's bitmap whose first bit stands for @base. 0,
 * -EFAULT. */
int vfio_dirty_report(const struct vfio_dma *dma, uintptr_t ubitmap, iova_t base, uint64_t pgsize);
/* Whether the user's bitmap is big enough for @npages and an address of a program's. */
int vfio_dirty_check_bitmap(const struct vfio_bitmap *bitmap, uint64_t size);
long vfio_dirty_pages(struct vfio_iommu *iommu, const struct vfio_iommu_type1_dirty_bitmap *dirty,
		      uintptr_t arg);
/* A new mapping while tracking is on. 0, -ENOMEM, -EINVAL too large. */
int vfio_dirty_start(struct vfio_dma *dma);
/* [@iova, @iova + @len) of the mapping was written; nothing when tracking is off. */
void vfio_dirty_set(struct vfio_dma *dma, iova_t iova, uint64_t len);
/* A group whose pages are always dirty has left: whatever it wrote is remembered. */
void vfio_dirty_set_all(struct vfio_iommu *iommu);

/* ---- type1_pin.c ----------------------------------------------------------------------------- */

int vfio_type1_pin_pages(struct vfio_iommu *iommu, struct vfio_device *vdev, iova_t iova, int npage,
			 int prot, paddr_t *pages);
void vfio_type1_unpin_pages(struct vfio_iommu *iommu, struct vfio_device *vdev, iova_t iova,
			    int npage);
/* The pages are counted by themselves (@charge), or by the mapping that has been pinned. */
void vfio_pfns_charge(struct vfio_dma *dma, bool charge);
/* Whoever has pinned pages of the mapping did not let go: each is named, and the pages stay pinned
 * until their devices are closed. */
void vfio_pfns_revoke(struct vfio_dma *dma);
/* @vdev is closed: what it has pinned is let go, and reported. */
void vfio_pfns_drop_device(struct vfio_iommu *iommu, struct vfio_device *vdev);

/* ---- type1_emulated.c ------------------------------------------------------------------------ */

void vfio_type1_register_device(struct vfio_iommu *iommu, struct vfio_device *vdev);
void vfio_type1_unregister_device(struct vfio_iommu *iommu, struct vfio_device *vdev);
/* Tells the devices that @dma goes. iommu->lock is dropped meanwhile: @dma and all else may have
 * changed afterwards. */
void vfio_notify_dma_unmap(struct vfio_iommu *iommu, const struct vfio_dma *dma);
int vfio_type1_dma_rw(struct vfio_iommu *iommu, iova_t iova, void *buf, size_t len, bool write);

#endif
