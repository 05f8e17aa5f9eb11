/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The domains of a container: groups join and leave, and with them change the page sizes, the IOVAs
 * that may be mapped and what must be mapped where.
 *
 * Groups whose units want the same format and treat cache coherency alike share a domain. A group
 * that needs a new one gets all mappings entered into it (replay) before it is attached.
 *
 * Emulated groups have no domain: they are in a list and change nothing of all that. With the last
 * domain go the mappings, or, while emulated groups are left, only that they are pinned as a whole.
 *
 * Valid IOVAs are what all domains can translate, less the reserved regions of all groups, whatever
 * their type. They are computed anew at each change; a group that would make an existing mapping
 * invalid is refused.
 */
#include "vfio/type1_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"

/* ---- valid IOVAs ----------------------------------------------------------------------------- */

void vfio_iova_list_free(struct iova_list *list)
{
	free(list->ranges);
	list->ranges = NULL;
	list->count = 0;
}

bool vfio_iova_list_contains(const struct iova_list *list, iova_t start, iova_t last)
{
	if (!list->count)
		return true;
	for (size_t i = 0; i < list->count; i++)
		if (start >= list->ranges[i].start && last <= list->ranges[i].end)
			return true;
	return false;
}

/* Takes [@start, @last] out. Room for one more range is there. */
static void iova_exclude(struct iova_list *list, iova_t start, iova_t last)
{
	struct vfio_iova_range *r;
	size_t i = 0;

	while (i < list->count) {
		r = &list->ranges[i];
		if (start > r->end || last < r->start) {
			i++;
		} else if (start > r->start && last < r->end) {
			memmove(r + 1, r, (list->count - i) * sizeof(*r));
			list->count++;
			r[0].end = start - 1;
			r[1].start = last + 1;
			return;
		} else if (start > r->start) {
			r->end = start - 1;
			i++;
		} else if (last < r->end) {
			r->start = last + 1;
			i++;
		} else {
			memmove(r, r + 1, (list->count - i - 1) * sizeof(*r));
			list->count--;
		}
	}
}

static int iova_exclude_group(struct iova_list *list, struct iommu_group *group)
{
	struct iommu_resv_region *regions;
	struct vfio_iova_range *ranges;
	size_t count, i;

	count = iommu_group_resv_regions(group, NULL, 0);
	if (!count)
		return 0;
	regions = FAIL_POINT() ? NULL : calloc(count, sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	ranges = FAIL_POINT() ? NULL
			      : realloc(list->ranges, (list->count + count) * sizeof(*ranges));
	if (!ranges) {
		free(regions);
		return -ENOMEM;
	}
	list->ranges = ranges;
	count = MIN(count, iommu_group_resv_regions(group, regions, count));
	for (i = 0; i < count; i++)
		iova_exclude(list, regions[i].start, regions[i].last);
	free(regions);
	return 0;
}

/* The valid IOVAs of the container with @domain and @group besides its own, each or both NULL. */
static int iova_compute(struct vfio_iommu *iommu, struct iommu_domain *domain,
			struct iommu_group *group, struct iova_list *list)
{
	iova_t last = domain ? iommu_domain_aperture_last(domain) : UINT64_MAX;
	struct vfio_iommu_group *g;
	struct vfio_domain *d;
	int ret = 0;

	list_for_each_entry(d, &iommu->domains, node)
		last = MIN(last, iommu_domain_aperture_last(d->domain));
	list->count = 0;
	list->ranges = FAIL_POINT() ? NULL : malloc(sizeof(*list->ranges));
	if (!list->ranges)
		return -ENOMEM;
	list->ranges[list->count++] = (struct vfio_iova_range){ .start = 0, .end = last };
	list_for_each_entry(d, &iommu->domains, node)
		list_for_each_entry(g, &d->groups, node)
			if (!ret)
				ret = iova_exclude_group(list, g->iommu_group);
	if (!ret && group)
		ret = iova_exclude_group(list, group);
	if (!ret && !list->count)
		ret = -EINVAL;
	if (ret)
		vfio_iova_list_free(list);
	return ret;
}

/* Whether every mapping is valid in @list. */
static bool iova_fits(struct vfio_iommu *iommu, const struct iova_list *list)
{
	struct itree_node *node;

	itree_for_each(node, &iommu->dmas, 0, UINT64_MAX)
		if (!vfio_iova_list_contains(list, node->start, node->last))
			return false;
	return true;
}

void vfio_update_pgsize_bitmap(struct vfio_iommu *iommu)
{
	struct vfio_domain *d;

	iommu->pgsize_bitmap = UINT64_MAX;
	list_for_each_entry(d, &iommu->domains, node)
		iommu->pgsize_bitmap &= iommu_domain_pgsizes(d->domain);
	/* Sizes below the host's page are of no use to a program; one page always works. */
	if (iommu->pgsize_bitmap & ~HOST_PAGE_MASK)
		iommu->pgsize_bitmap = (iommu->pgsize_bitmap & HOST_PAGE_MASK) | HOST_PAGE_SIZE;
}

/* ---- domains --------------------------------------------------------------------------------- */

static struct vfio_iommu_group *find_in(struct list_head *groups, const struct iommu_group *group)
{
	struct vfio_iommu_group *g;

	list_for_each_entry(g, groups, node)
		if (g->iommu_group == group)
			return g;
	return NULL;
}

struct vfio_iommu_group *vfio_iommu_find_group(struct vfio_iommu *iommu, struct iommu_group *group,
					       struct vfio_domain **out)
{
	struct vfio_iommu_group *g;
	struct vfio_domain *d;

	list_for_each_entry(d, &iommu->domains, node) {
		g = find_in(&d->groups, group);
		*out = d;
		if (g)
			return g;
	}
	*out = NULL;
	return find_in(&iommu->emulated_groups, group);
}

struct iommu_domain *vfio_iommu_find_domain(struct vfio_iommu *iommu, struct iommu_group *group)
{
	struct vfio_domain *d;

	vfio_iommu_find_group(iommu, group, &d);
	return d ? d->domain : NULL;
}

/* AMD's IOMMU forces snooping for every domain; the emulated VT-d has no snoop control. */
static bool unit_enforces_coherency(const struct iommu *unit)
{
	return iommu_model(unit) == IOMMU_MODEL_AMD;
}

static struct vfio_domain *find_compatible(struct vfio_iommu *iommu, const struct iommu *unit)
{
	struct vfio_domain *d;

	list_for_each_entry(d, &iommu->domains, node)
		if (iommu_domain_compatible(d->domain, unit) &&
		    d->enforce_cache_coherency == unit_enforces_coherency(unit))
			return d;
	return NULL;
}

static int domain_create(struct iommu *unit, struct vfio_domain **out)
{
	struct vfio_domain *d;
	int ret;

	d = FAIL_POINT() ? NULL : calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	ret = iommu_domain_create(unit, &d->domain);
	if (ret) {
		free(d);
		return ret;
	}
	list_init(&d->node);
	list_init(&d->groups);
	d->enforce_cache_coherency = unit_enforces_coherency(unit);
	*out = d;
	return 0;
}

static void domain_destroy(struct vfio_domain *d)
{
	iommu_domain_destroy(d->domain);
	free(d);
}

/* Enters every mapping into @d, which is not in the list yet, as the first domain has it.
 * domains_lock is held: nothing moves meanwhile. */
static int replay(struct vfio_iommu *iommu, struct vfio_domain *d)
{
	struct vfio_domain *first = list_first_entry(&iommu->domains, struct vfio_domain, node);
	struct itree_node *node;
	int ret;

	itree_for_each(node, &iommu->dmas, 0, UINT64_MAX) {
		ret = vfio_dma_copy(container_of(node, struct vfio_dma, node), first->domain,
				    d->domain);
		if (ret)
			return ret;
	}
	return 0;
}

static void unreplay(struct vfio_iommu *iommu, struct vfio_domain *d)
{
	struct itree_node *node;

	itree_for_each(node, &iommu->dmas, 0, UINT64_MAX)
		iommu_unmap_nosync(d->domain, node->start, node->last - node->start + 1);
	iommu_sync(d->domain);
}

static int attach_filled(struct vfio_domain *d, struct vfio_iommu *iommu, struct iommu_group *group,
			 int ret)
{
	if (!ret)
		ret = iommu_attach_group(d->domain, group);
	if (ret)
		unreplay(iommu, d);
	return ret;
}

/* Lets go what vfio_dma_pin() pinned of the mappings before @end, NULL: of all. */
static void unpin_dmas(struct vfio_iommu *iommu, const struct itree_node *end)
{
	struct itree_node *node;
	struct vfio_dma *dma;

	itree_for_each(node, &iommu->dmas, 0, UINT64_MAX) {
		if (node == end)
			break;
		dma = container_of(node, struct vfio_dma, node);
		vfio_dma_unpin(dma);
		vfio_pfns_charge(dma, true);
		dma->iommu_mapped = false;
	}
}

/* The container gets its first domain: its mappings are pinned now, and what was pinned of them
 * page by page is counted with them. */
static int pin_dmas(struct vfio_iommu *iommu)
{
	struct itree_node *node;
	struct vfio_dma *dma;
	int ret;

	itree_for_each(node, &iommu->dmas, 0, UINT64_MAX) {
		dma = container_of(node, struct vfio_dma, node);
		vfio_pfns_charge(dma, false);
		ret = vfio_dma_pin(dma);
		if (ret) {
			vfio_pfns_charge(dma, true);
			unpin_dmas(iommu, node);
			return ret;
		}
		dma->iommu_mapped = true;
	}
	return 0;
}

/* The first domain: in the list before it is filled, so that memory which the program takes away
 * meanwhile is followed. */
static int add_first_domain(struct vfio_iommu *iommu, struct vfio_domain *d,
			    struct iommu_group *group)
{
	struct itree_node *node;
	struct vfio_dma *dma;
	int ret = pin_dmas(iommu);

	if (ret)
		return ret;
	vfio_iommu_lock_domains(iommu);
	list_add(&d->node, &iommu->domains);
	pthread_mutex_unlock(&iommu->domains_lock);
	itree_for_each(node, &iommu->dmas, 0, UINT64_MAX) {
		dma = container_of(node, struct vfio_dma, node);
		ret = vfio_dma_enter(dma, d->domain);
		if (!ret && vfio_dma_moved(dma))
			ret = -EFAULT;
		if (ret)
			break;
	}
	ret = attach_filled(d, iommu, group, ret);
	if (!ret)
		return 0;
	vfio_iommu_lock_domains(iommu);
	list_del(&d->node);
	pthread_mutex_unlock(&iommu->domains_lock);
	unpin_dmas(iommu, NULL);
	return ret;
}

/* A new domain for the group, filled and attached, and in the list. */
static int add_domain(struct vfio_iommu *iommu, struct vfio_domain *d, struct iommu_group *group)
{
	int ret;

	if (list_empty(&iommu->domains))
		return add_first_domain(iommu, d, group);
	vfio_iommu_lock_domains(iommu);
	ret = attach_filled(d, iommu, group, replay(iommu, d));
	if (!ret)
		list_add(&d->node, &iommu->domains);
	pthread_mutex_unlock(&iommu->domains_lock);
	return ret;
}

static int attach_emulated(struct vfio_iommu *iommu, struct iommu_group *iommu_group)
{
	struct vfio_iommu_group *group = FAIL_POINT() ? NULL : calloc(1, sizeof(*group));

	if (!group)
		return -ENOMEM;
	group->iommu_group = iommu_group;
	group->pinned_page_dirty_scope = true;
	list_add(&group->node, &iommu->emulated_groups);
	hostmem_pins_late(iommu->core->env.hm, true);
	return 0;
}

int vfio_iommu_attach_group(struct vfio_iommu *iommu, struct iommu_group *iommu_group,
			    enum vfio_group_type type)
{
	struct iommu *unit = iommu_group_unit(iommu_group);
	const struct vfio_env *env = &iommu->core->env;
	struct vfio_domain *d, *fresh = NULL;
	struct vfio_iommu_group *group;
	struct iova_list iovas;
	int ret;

	if (iommu->vaddr_invalid_count)
		return -EBUSY;
	if (vfio_iommu_find_group(iommu, iommu_group, &d))
		return -EINVAL;
	if (type == VFIO_EMULATED_IOMMU)
		return attach_emulated(iommu, iommu_group);
	if (type != VFIO_IOMMU || !unit)
		return -EINVAL;
	group = FAIL_POINT() ? NULL : calloc(1, sizeof(*group));
	if (!group)
		return -ENOMEM;
	group->iommu_group = iommu_group;
	d = find_compatible(iommu, unit);
	if (!d) {
		ret = domain_create(unit, &fresh);
		if (ret)
			goto out_group;
	}
	ret = iova_compute(iommu, fresh ? fresh->domain : NULL, iommu_group, &iovas);
	if (ret)
		goto out_domain;
	ret = -EINVAL;
	if (!iova_fits(iommu, &iovas))
		goto out_iovas;
	ret = -EPERM;
	if (!iommu_capable_intr_remap(unit) && !env->allow_unsafe_interrupts(env->arg)) {
		pr_warn("vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the "
			"module param \"allow_unsafe_interrupts\" to enable VFIO IOMMU support on "
			"this platform");
		goto out_iovas;
	}
	ret = fresh ? add_domain(iommu, fresh, iommu_group)
		    : iommu_attach_group(d->domain, iommu_group);
	if (ret)
		goto out_iovas;
	list_add(&group->node, fresh ? &fresh->groups : &d->groups);
	vfio_iova_list_free(&iommu->iovas);
	iommu->iovas = iovas;
	iommu->num_non_pinned_groups++;
	vfio_update_pgsize_bitmap(iommu);
	return 0;
out_iovas:
	vfio_iova_list_free(&iovas);
out_domain:
	if (fresh)
		domain_destroy(fresh);
out_group:
	free(group);
	return ret;
}

/* The container has no domain any more, but emulated groups: mappings stay, pages of them are
 * pinned and counted one by one. */
static void unmap_reaccount(struct vfio_iommu *iommu, struct vfio_domain *d)
{
	unreplay(iommu, d);
	unpin_dmas(iommu, NULL);
}

static void remove_domain(struct vfio_iommu *iommu, struct vfio_domain *d)
{
	const bool last = d->node.next == d->node.prev;

	if (last && list_empty(&iommu->emulated_groups))
		vfio_iommu_unmap_all(iommu);
	else if (last)
		unmap_reaccount(iommu, d);
	vfio_iommu_lock_domains(iommu);
	list_del(&d->node);
	pthread_mutex_unlock(&iommu->domains_lock);
	unreplay(iommu, d);
	domain_destroy(d);
	vfio_update_pgsize_bitmap(iommu);
}

static void detach_real(struct vfio_iommu *iommu, struct vfio_domain *d,
			struct vfio_iommu_group *group)
{
	struct iova_list iovas;

	iommu_detach_group(d->domain, group->iommu_group);
	list_del(&group->node);
	free(group);
	if (list_empty(&d->groups))
		remove_domain(iommu, d);
	/* Fewer groups: more IOVAs. Without memory for the new list the old one stays, which is
	 * safe. */
	if (!iova_compute(iommu, NULL, NULL, &iovas)) {
		vfio_iova_list_free(&iommu->iovas);
		iommu->iovas = iovas;
	}
}

void vfio_iommu_detach_group(struct vfio_iommu *iommu, struct iommu_group *iommu_group)
{
	struct vfio_iommu_group *group;
	struct vfio_domain *d;
	bool non_pinned;

	group = vfio_iommu_find_group(iommu, iommu_group, &d);
	if (!group)
		return;
	non_pinned = !group->pinned_page_dirty_scope;
	if (d) {
		detach_real(iommu, d, group);
	} else {
		list_del(&group->node);
		free(group);
		hostmem_pins_late(iommu->core->env.hm, false);
		if (list_empty(&iommu->emulated_groups) && list_empty(&iommu->domains))
			vfio_iommu_unmap_all(iommu);
	}
	if (!non_pinned)
		return;
	iommu->num_non_pinned_groups--;
	vfio_dirty_set_all(iommu);
}
