/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages that emulated devices pin by IOVA (vfio_pin_pages; in the kernel the list of struct
 * vfio_pfn of a mapping).
 *
 * Invariants: a page is pinned once, however many devices and counts it has; a mapping goes only
 * when its last page is gone, so that a device never has a page of memory that the user unmapped.
 * In a container that has a domain the mapping itself is pinned and counted against the memlock
 * limit, else each page is.
 *
 * What a device holds is remembered device by device: one that does not unpin when it is told, or
 * that is closed with pages, is named. Pages that a device should have unpinned leave the mapping
 * and stay pinned, so that it touches nothing else, until it unpins them or is closed.
 */
#include "vfio/type1_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/overflow.h"
#include "base/sysraw.h"

static struct vfio_pfn *to_pfn(struct itree_node *node)
{
	return container_of(node, struct vfio_pfn, node);
}

static struct vfio_pfn *find_pfn(struct vfio_dma *dma, iova_t iova)
{
	struct itree_node *node = itree_first(&dma->pfns, iova, iova);

	return node ? to_pfn(node) : NULL;
}

/* ---- the program takes memory away ----------------------------------------------------------- */

static void forget_addresses(struct vfio_pfn *pfn)
{
	struct vfio_pin_user *user;

	pthread_mutex_lock(&pfn->iommu->domains_lock);
	list_for_each_entry(user, &pfn->users, node)
		if (user->vdev->pin_ops)
			user->vdev->pin_ops->moving(user->vdev, pfn->node.start);
	pthread_mutex_unlock(&pfn->iommu->domains_lock);
}

static void pfn_freeze(struct hostmem_pin *pin, uintptr_t addr, size_t len)
{
	forget_addresses(pin->priv);
}

/* Devices that keep pointers ask for the new place themselves. */
static void pfn_moved(struct hostmem_pin *pin, uintptr_t addr, size_t len, uintptr_t new_addr)
{
}

static const struct hostmem_pin_ops pfn_pin_ops = { .freeze = pfn_freeze, .moved = pfn_moved };

/* ---- users of a page ------------------------------------------------------------------------- */

static struct vfio_pin_user *find_user(struct vfio_pfn *pfn, const struct vfio_device *vdev)
{
	struct vfio_pin_user *user;

	list_for_each_entry(user, &pfn->users, node)
		if (user->vdev == vdev)
			return user;
	return NULL;
}

static int add_user(struct vfio_pfn *pfn, struct vfio_device *vdev)
{
	struct vfio_pin_user *user = find_user(pfn, vdev);

	if (user) {
		user->refs++;
		return 0;
	}
	user = &pfn->first;
	if (user->refs)
		user = FAIL_POINT() ? NULL : malloc(sizeof(*user));
	if (!user)
		return -ENOMEM;
	user->vdev = vdev;
	user->refs = 1;
	user->reported = false;
	pthread_mutex_lock(&pfn->iommu->domains_lock);
	list_add_tail(&user->node, &pfn->users);
	pthread_mutex_unlock(&pfn->iommu->domains_lock);
	return 0;
}

/* The device's last count is gone. True: so is the last device. */
static bool remove_user(struct vfio_pfn *pfn, struct vfio_pin_user *user)
{
	user->refs = 0;
	pthread_mutex_lock(&pfn->iommu->domains_lock);
	list_del(&user->node);
	pthread_mutex_unlock(&pfn->iommu->domains_lock);
	if (user != &pfn->first)
		free(user);
	return list_empty(&pfn->users);
}

static void free_pfn(struct vfio_pfn *pfn)
{
	hostmem_unpin(&pfn->pin);
	free(pfn);
}

/* ---- pinning --------------------------------------------------------------------------------- */

static void warn_memlock(void)
{
	char comm[16] = "";

	prctl(PR_GET_NAME, comm);
	pr_warn("vfio_pin_page_external: Task %s (%d) RLIMIT_MEMLOCK exceeded", comm,
		(int)raw_getpid());
}

static int new_pfn(struct vfio_dma *dma, iova_t iova, struct vfio_device *vdev,
		   struct vfio_pfn **out)
{
	const uintptr_t vaddr = dma->vaddr + (iova - vfio_dma_iova(dma));
	struct vfio_iommu *iommu = dma->iommu;
	struct vfio_pfn *pfn;
	int ret;

	if (file_find_mapping(vaddr, HOST_PAGE_SIZE, NULL, NULL))
		return -ENXIO;
	pfn = FAIL_POINT() ? NULL : malloc(sizeof(*pfn));
	if (!pfn)
		return -ENOMEM;
	pfn->node.start = iova;
	pfn->node.last = iova + HOST_PAGE_SIZE - 1;
	pfn->iommu = iommu;
	list_init(&pfn->users);
	list_init(&pfn->leak);
	pfn->first.refs = 0;
	ret = (list_empty(&iommu->domains) ? hostmem_pin : hostmem_pin_uncharged)(
		iommu->core->env.hm, vaddr, HOST_PAGE_SIZE, dma->prot & IOMMU_WRITE, &pfn_pin_ops,
		pfn, &pfn->pin);
	if (ret) {
		if (ret == -ENOMEM)
			warn_memlock();
		free(pfn);
		return ret;
	}
	add_user(pfn, vdev); /* the first: it has room */
	itree_insert(&dma->pfns, &pfn->node);
	vfio_dirty_set(dma, iova, HOST_PAGE_SIZE);
	*out = pfn;
	return 0;
}

static void unpin_one(struct vfio_dma *dma, struct vfio_pfn *pfn, struct vfio_pin_user *user)
{
	if (--user->refs || !remove_user(pfn, user))
		return;
	itree_remove(&dma->pfns, &pfn->node);
	free_pfn(pfn);
}

static int pin_one(struct vfio_iommu *iommu, struct vfio_device *vdev, iova_t iova,
		   unsigned int prot, paddr_t *page)
{
	struct vfio_dma *dma = vfio_find_dma(iommu, iova, iova + HOST_PAGE_SIZE - 1);
	struct vfio_pfn *pfn;
	int ret;

	if (!dma || dma->unmapping)
		return -EINVAL;
	if ((dma->prot & prot) != prot)
		return -EPERM;
	pfn = find_pfn(dma, iova);
	ret = pfn ? add_user(pfn, vdev) : new_pfn(dma, iova, vdev, &pfn);
	if (ret)
		return ret;
	*page = hostmem_pin_now(&pfn->pin);
	if (*page)
		return 0;
	/* The program's memory could not be kept. */
	unpin_one(dma, pfn, find_user(pfn, vdev));
	return -EFAULT;
}

/* Takes one count of @npage pages back; returns how many @vdev had. */
static int unpin_range(struct vfio_iommu *iommu, struct vfio_device *vdev, iova_t iova, int npage)
{
	struct vfio_pin_user *user;
	struct vfio_pfn *pfn;
	struct vfio_dma *dma;
	int found = 0;

	for (int i = 0; i < npage; i++, iova += HOST_PAGE_SIZE) {
		dma = vfio_find_dma(iommu, iova, iova);
		pfn = dma ? find_pfn(dma, iova) : NULL;
		user = pfn ? find_user(pfn, vdev) : NULL;
		if (!user)
			continue;
		unpin_one(dma, pfn, user);
		found++;
	}
	return found;
}

/* The device's group tells what it writes from now on. */
static void promote_scope(struct vfio_iommu *iommu, const struct vfio_device *vdev)
{
	struct vfio_iommu_group *group;
	struct vfio_domain *d;

	group = vfio_iommu_find_group(iommu, vdev->group->iommu_group, &d);
	if (!group || group->pinned_page_dirty_scope)
		return;
	group->pinned_page_dirty_scope = true;
	iommu->num_non_pinned_groups--;
}

static bool range_fits(iova_t iova, int npage)
{
	iova_t last;

	return range_last(iova, (uint64_t)npage * HOST_PAGE_SIZE, &last);
}

int vfio_type1_pin_pages(struct vfio_iommu *iommu, struct vfio_device *vdev, iova_t iova, int npage,
			 int prot, paddr_t *pages)
{
	int i, ret = 0;

	if (npage <= 0)
		return -EINVAL;
	if (!iommu->v2)
		return -EACCES;
	iova = ALIGN_DOWN(iova, HOST_PAGE_SIZE);
	if (!range_fits(iova, npage))
		return -EOVERFLOW;
	pthread_mutex_lock(&iommu->lock);
	if (iommu->vaddr_invalid_count)
		ret = -EBUSY;
	for (i = 0; i < npage && !ret; i++)
		ret = pin_one(iommu, vdev, iova + (uint64_t)i * HOST_PAGE_SIZE, (unsigned int)prot,
			      &pages[i]);
	if (ret)
		unpin_range(iommu, vdev, iova, i - 1);
	else
		promote_scope(iommu, vdev);
	pthread_mutex_unlock(&iommu->lock);
	return ret ? ret : npage;
}

void vfio_type1_unpin_pages(struct vfio_iommu *iommu, struct vfio_device *vdev, iova_t iova,
			    int npage)
{
	struct vfio_pfn *pfn, *tmp;
	struct vfio_pin_user *user;
	int found, end = npage;

	iova = ALIGN_DOWN(iova, HOST_PAGE_SIZE);
	if (npage <= 0 || !range_fits(iova, npage))
		return;
	pthread_mutex_lock(&iommu->lock);
	found = unpin_range(iommu, vdev, iova, npage);
	/* Later than it should have been. */
	if (found < end)
		list_for_each_entry_safe(pfn, tmp, &iommu->leaked, leak) {
			user = find_user(pfn, vdev);
			if (!user || pfn->node.start - iova >= (uint64_t)npage * HOST_PAGE_SIZE)
				continue;
			found++;
			if (--user->refs || !remove_user(pfn, user))
				continue;
			list_del(&pfn->leak);
			free_pfn(pfn);
		}
	pthread_mutex_unlock(&iommu->lock);
	if (found < end)
		pr_err("%s %s: vfio_unpin_pages: %d of %d pages from IOVA %#llx on are not pinned "
		       "by this device",
		       vdev->ops->name, vdev->dev->name, end - found, end,
		       (unsigned long long)iova);
}

void vfio_pfns_charge(struct vfio_dma *dma, bool charge)
{
	struct itree_node *node;

	itree_for_each(node, &dma->pfns, 0, UINT64_MAX)
		hostmem_pin_charge(&to_pfn(node)->pin, charge);
}

/* ---- devices that do not let go -------------------------------------------------------------- */

static const char *parent_of(const struct vfio_device *vdev)
{
	return vdev->dev->parent ? vdev->dev->parent->name : "none";
}

/* Counts the pages of one device from @node on, which it has not been reported for. */
static size_t count_reported(struct itree_node *node, const struct vfio_device *vdev)
{
	struct vfio_pin_user *user;
	size_t pages = 0;

	for (; node; node = itree_next(node, 0, UINT64_MAX)) {
		user = find_user(to_pfn(node), vdev);
		if (!user)
			continue;
		user->reported = true;
		pages++;
	}
	return pages;
}

/* Names each device once, with the first of its pages. */
static void report_users(struct vfio_dma *dma)
{
	struct vfio_pin_user *user;
	struct itree_node *node;

	itree_for_each(node, &dma->pfns, 0, UINT64_MAX) {
		list_for_each_entry(user, &to_pfn(node)->users, node) {
			if (user->reported)
				continue;
			pr_err("BUG: %s keeps %zu page(s) pinned for its device %s (parent %s) "
			       "that the user unmaps, the first at IOVA %#llx, although its "
			       "dma_unmap() was called; they stay pinned until it is closed",
			       user->vdev->ops->name, count_reported(node, user->vdev),
			       user->vdev->dev->name, parent_of(user->vdev),
			       (unsigned long long)node->start);
		}
	}
}

void vfio_pfns_revoke(struct vfio_dma *dma)
{
	struct vfio_iommu *iommu = dma->iommu;
	struct itree_node *node;
	struct vfio_pfn *pfn;

	report_users(dma);
	while ((node = itree_first(&dma->pfns, 0, UINT64_MAX))) {
		pfn = to_pfn(node);
		itree_remove(&dma->pfns, node);
		list_add_tail(&pfn->leak, &iommu->leaked);
		forget_addresses(pfn);
	}
}

/* Takes all of @vdev's counts of the page; the page goes with the last device's. */
static bool drop_from(struct vfio_pfn *pfn, const struct vfio_device *vdev, bool *freed)
{
	struct vfio_pin_user *user = find_user(pfn, vdev);

	*freed = user && remove_user(pfn, user);
	return user;
}

void vfio_pfns_drop_device(struct vfio_iommu *iommu, struct vfio_device *vdev)
{
	struct itree_node *node, *next, *dma_node;
	struct vfio_pfn *pfn, *tmp;
	iova_t first = 0;
	size_t pages = 0;
	struct vfio_dma *dma;
	bool freed;

	list_for_each_entry_safe(pfn, tmp, &iommu->leaked, leak) {
		drop_from(pfn, vdev, &freed);
		if (!freed)
			continue;
		list_del(&pfn->leak);
		free_pfn(pfn);
	}
	itree_for_each(dma_node, &iommu->dmas, 0, UINT64_MAX) {
		dma = container_of(dma_node, struct vfio_dma, node);
		for (node = itree_first(&dma->pfns, 0, UINT64_MAX); node; node = next) {
			next = itree_next(node, 0, UINT64_MAX);
			pfn = to_pfn(node);
			if (drop_from(pfn, vdev, &freed) && !pages++)
				first = node->start;
			if (!freed)
				continue;
			itree_remove(&dma->pfns, node);
			free_pfn(pfn);
		}
	}
	if (pages)
		pr_err("BUG: %s closed its device %s (parent %s) with %zu page(s) pinned, the "
		       "first at IOVA %#llx",
		       vdev->ops->name, vdev->dev->name, parent_of(vdev), pages,
		       (unsigned long long)first);
}
