/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtual machine's memory in an IOMMU domain: the steps of Linux 4.11's arch/x86/kvm/iommu.c,
 * the last one that had them, under their names.
 *
 *	kvm_iommu_map_guest	one domain a VM, made for its first device, then
 *	kvm_iommu_map_memslots	every memory slot, and of each
 *	kvm_iommu_map_pages	page by page: one that is mapped already is skipped, else the
 *				largest page that slot, guest and host addresses allow is
 *				pinned and mapped; one that cannot be pinned is left out
 *	kvm_assign_device	the device is attached to the domain
 *	kvm_deassign_device	and detached
 *	kvm_iommu_put_pages	unmap and unpin, for kvm_iommu_unmap_pages (a slot),
 *	kvm_iommu_unmap_memslots (all of them) and
 *	kvm_iommu_unmap_guest	the domain goes
 *
 * Guest physical addresses are the IOVAs. What differs: pages are pinned in runs, since a pin here
 * is an object and not a count in a page; entries are cleared run by run and the devices waited for
 * once; a domain whose slots could not be mapped does not stay; pages of read-only slots are mapped
 * for reading (4.11 prepares that and then cannot pin them). As there, nothing is charged to
 * RLIMIT_MEMLOCK.
 *
 * Lock: ki->lock guards all of struct kvm_iommu. It lies below the VM's lock of slots and above
 * hostmem's and the domain's. The pins' operations run under hostmem's lock and use the domain
 * only, which lives as long as any pin.
 */
#include "kvm/iommu.h"

#include <errno.h>
#include <stdlib.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "file/file.h"
#include "iommu/dma.h"

#define PAGES(bytes) ((bytes) >> HOST_PAGE_SHIFT)

/* A run of pages that is pinned. */
struct kvm_iommu_pin {
	struct itree_node node; /* gfns */
	struct iommu_domain *domain;
	struct hostmem_pin pin;
};

static uint64_t gfn_to_gpa(uint64_t gfn)
{
	return gfn << HOST_PAGE_SHIFT;
}

static uintptr_t gfn_to_hva(const struct kvm_memory_slot *slot, uint64_t gfn)
{
	return slot->userspace_addr + ((gfn - slot->base_gfn) << HOST_PAGE_SHIFT);
}

static int slot_map(struct kvm_slot_listener *listener, const struct kvm_memory_slot *slot)
{
	return kvm_iommu_map_pages(container_of(listener, struct kvm_iommu, listener), slot);
}

static void slot_unmap(struct kvm_slot_listener *listener, const struct kvm_memory_slot *slot)
{
	kvm_iommu_unmap_pages(container_of(listener, struct kvm_iommu, listener), slot);
}

void kvm_iommu_init(struct kvm_iommu *ki, struct kvm *kvm, const struct kvm_iommu_env *env)
{
	*ki = (struct kvm_iommu){
		.kvm = kvm,
		.env = *env,
		.listener = { .map = slot_map, .unmap = slot_unmap },
	};
	pthread_mutex_init(&ki->lock, NULL);
	kvm_slots_lock(kvm);
	kvm_add_slot_listener(kvm, &ki->listener);
	kvm_slots_unlock(kvm);
}

void kvm_iommu_exit(struct kvm_iommu *ki)
{
	kvm_slots_lock(ki->kvm);
	kvm_del_slot_listener(ki->kvm, &ki->listener);
	kvm_slots_unlock(ki->kvm);
	kvm_iommu_unmap_guest(ki);
	pthread_mutex_destroy(&ki->lock);
}

/* ---- pins ------------------------------------------------------------------------------------ */

static uint64_t pin_gpa(const struct hostmem_pin *pin, uintptr_t addr)
{
	const struct kvm_iommu_pin *p = pin->priv;

	return gfn_to_gpa(p->node.start) + (addr - pin->addr);
}

static void pin_freeze(struct hostmem_pin *pin, uintptr_t addr, size_t len)
{
	const struct kvm_iommu_pin *p = pin->priv;

	iommu_freeze(p->domain, pin_gpa(pin, addr), len);
}

static void pin_moved(struct hostmem_pin *pin, uintptr_t addr, size_t len, uintptr_t new_addr)
{
	const struct kvm_iommu_pin *p = pin->priv;

	iommu_thaw(p->domain, pin_gpa(pin, addr), len, new_addr);
}

static const struct hostmem_pin_ops pin_ops = { .freeze = pin_freeze, .moved = pin_moved };

static struct kvm_iommu_pin *find_pin(const struct kvm_iommu *ki, uint64_t gfn, uint64_t last)
{
	struct itree_node *node = itree_first(&ki->pins, gfn, last);

	return node ? container_of(node, struct kvm_iommu_pin, node) : NULL;
}

static void kvm_unpin_pages(struct kvm_iommu *ki, struct kvm_iommu_pin *p)
{
	itree_remove(&ki->pins, &p->node);
	hostmem_unpin(&p->pin);
	free(p);
}

/* Pages of a mapped BAR are no memory that could be pinned. */
static uint64_t memory_run(uintptr_t hva, uint64_t len)
{
	if (file_find_mapping(hva, HOST_PAGE_SIZE, NULL, NULL))
		return 0;
	return file_find_mapping(hva, len, NULL, NULL) ? file_mapping_run(hva, len) : len;
}

/*
 * Pins the longest run from @gfn that halving finds, and no less than a page, which has to be
 * there. 0; -EFAULT, -ENOMEM.
 */
static int pin_run(struct kvm_iommu *ki, const struct kvm_memory_slot *slot, uint64_t gfn,
		   struct kvm_iommu_pin *p)
{
	const uintptr_t hva = gfn_to_hva(slot, gfn);
	const bool write = !(slot->flags & KVM_MEM_READONLY);
	uint64_t pages = PAGES(memory_run(hva, gfn_to_gpa(slot->base_gfn + slot->npages - gfn)));
	int ret = -EFAULT;

	while (pages) {
		ret = hostmem_pin_uncharged(ki->env.hm, hva, pages << HOST_PAGE_SHIFT, write,
					    &pin_ops, p, &p->pin);
		if (ret != -EFAULT)
			break;
		/* Nothing that starts with a page that is not there. */
		if (write ? touch_write(hva) : touch_read(hva))
			break;
		pages /= 2;
	}
	p->node.start = gfn;
	p->node.last = gfn + pages - 1;
	return ret;
}

/* The pin that covers @gfn, an old one or a new one. */
static int kvm_pin_pages(struct kvm_iommu *ki, const struct kvm_memory_slot *slot, uint64_t gfn,
			 struct kvm_iommu_pin **out)
{
	struct kvm_iommu_pin *p = find_pin(ki, gfn, gfn);
	int ret;

	if (!p) {
		p = FAIL_POINT() ? NULL : calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		/* Operations may come before hostmem_pin() returns. */
		p->domain = ki->domain;
		p->node.start = gfn;
		ret = pin_run(ki, slot, gfn, p);
		if (ret) {
			free(p);
			return ret;
		}
		itree_insert(&ki->pins, &p->node);
	}
	*out = p;
	return 0;
}

/* ---- a slot ---------------------------------------------------------------------------------- */

/* Takes the runs in [@base_gfn, @base_gfn + @npages) out of the domain, which devices are not
 * looking at any more when it returns, and lets them go. Runs lie inside one slot. */
static void kvm_iommu_put_pages(struct kvm_iommu *ki, uint64_t base_gfn, uint64_t npages)
{
	const uint64_t last = base_gfn + npages - 1;
	struct kvm_iommu_pin *p;
	struct itree_node *node;

	if (!ki->domain || !npages)
		return;
	itree_for_each(node, &ki->pins, base_gfn, last)
		iommu_unmap_nosync(ki->domain, gfn_to_gpa(node->start),
				   gfn_to_gpa(node->last - node->start + 1));
	iommu_sync(ki->domain);
	while ((p = find_pin(ki, base_gfn, last)))
		kvm_unpin_pages(ki, p);
}

/* The largest page at @gfn: what the host has there, inside the slot, aligned for guest and
 * host. */
static uint64_t page_size_at(const struct kvm_memory_slot *slot, uint64_t gfn, uint64_t page_size)
{
	while (gfn + PAGES(page_size) > slot->base_gfn + slot->npages)
		page_size >>= 1;
	while (!IS_ALIGNED(gfn_to_gpa(gfn) | gfn_to_hva(slot, gfn), page_size))
		page_size >>= 1;
	return page_size;
}

/* What the program took away between pin and map is no guest memory any more. */
static void drop_moved(struct kvm_iommu *ki, const struct kvm_memory_slot *slot)
{
	const uint64_t last = slot->base_gfn + slot->npages - 1;
	uint64_t gfn = slot->base_gfn;
	struct kvm_iommu_pin *p;

	while (gfn <= last && (p = find_pin(ki, gfn, last))) {
		const uint64_t start = p->node.start, next = p->node.last + 1;

		if (hostmem_pin_moved(&p->pin))
			kvm_iommu_put_pages(ki, start, next - start);
		gfn = next;
	}
}

static int map_pages(struct kvm_iommu *ki, const struct kvm_memory_slot *slot)
{
	uint64_t gfn = slot->base_gfn, end_gfn = gfn + slot->npages, page_size;
	unsigned int prot = IOMMU_READ;
	struct kvm_iommu_pin *p;
	int ret;

	if (!ki->domain)
		return 0;
	if (!(slot->flags & KVM_MEM_READONLY))
		prot |= IOMMU_WRITE;
	kvm_host_pages_load(&ki->host_pages, ki->env.huge_size);
	while (gfn < end_gfn) {
		if (iommu_iova_to_phys(ki->domain, gfn_to_gpa(gfn))) {
			gfn++;
			continue;
		}
		ret = kvm_pin_pages(ki, slot, gfn, &p);
		if (ret == -EFAULT) {
			gfn++;
			continue;
		}
		if (ret)
			goto unmap_pages;
		page_size = kvm_host_page_size(&ki->host_pages, gfn_to_hva(slot, gfn));
		page_size = page_size_at(slot, gfn, page_size);
		if (gfn + PAGES(page_size) - 1 > p->node.last)
			page_size = HOST_PAGE_SIZE;
		ret = iommu_map(ki->domain, gfn_to_gpa(gfn), gfn_to_hva(slot, gfn), page_size,
				prot);
		if (ret) {
			pr_kernel_err("kvm_iommu_map_address:iommu failed to map pfn=%llx",
				      (unsigned long long)PAGES(gfn_to_hva(slot, gfn)));
			goto unmap_pages;
		}
		gfn += PAGES(page_size);
	}
	drop_moved(ki, slot);
	kvm_host_pages_free(&ki->host_pages);
	return 0;
unmap_pages:
	kvm_iommu_put_pages(ki, slot->base_gfn, slot->npages);
	kvm_host_pages_free(&ki->host_pages);
	return ret;
}

int kvm_iommu_map_pages(struct kvm_iommu *ki, const struct kvm_memory_slot *slot)
{
	int ret;

	pthread_mutex_lock(&ki->lock);
	ret = map_pages(ki, slot);
	pthread_mutex_unlock(&ki->lock);
	return ret;
}

void kvm_iommu_unmap_pages(struct kvm_iommu *ki, const struct kvm_memory_slot *slot)
{
	pthread_mutex_lock(&ki->lock);
	kvm_iommu_put_pages(ki, slot->base_gfn, slot->npages);
	pthread_mutex_unlock(&ki->lock);
}

/* ---- all slots ------------------------------------------------------------------------------- */

static int map_slot(void *arg, const struct kvm_memory_slot *slot)
{
	return kvm_iommu_map_pages(arg, slot);
}

/* slots_lock is held: no slot comes or goes. */
static int kvm_iommu_map_memslots(struct kvm_iommu *ki)
{
	return kvm_for_each_slot(ki->kvm, map_slot, ki);
}

static void kvm_iommu_unmap_memslots(struct kvm_iommu *ki)
{
	pthread_mutex_lock(&ki->lock);
	kvm_iommu_put_pages(ki, 0, UINT64_MAX);
	pthread_mutex_unlock(&ki->lock);
}

int kvm_iommu_map_guest(struct kvm_iommu *ki, struct iommu *unit)
{
	struct iommu_domain *domain;
	int ret;

	if (!unit) {
		pr_kernel_err("kvm_iommu_map_guest: iommu not found");
		return -ENODEV;
	}
	ret = FAIL_POINT() ? -ENOMEM : iommu_domain_create(unit, &domain);
	if (ret)
		return -ENOMEM;
	if (!ki->env.allow_unsafe_assigned_interrupts && !iommu_capable_intr_remap(unit)) {
		pr_warn("kvm_iommu_map_guest: No interrupt remapping support, disallowing device "
			"assignment. Re-enble with \"allow_unsafe_assigned_interrupts=1\" module "
			"option.");
		iommu_domain_destroy(domain);
		return -EPERM;
	}
	kvm_slots_lock(ki->kvm);
	pthread_mutex_lock(&ki->lock);
	ki->domain = domain;
	pthread_mutex_unlock(&ki->lock);
	ret = kvm_iommu_map_memslots(ki);
	kvm_slots_unlock(ki->kvm);
	if (ret)
		kvm_iommu_unmap_guest(ki);
	return ret;
}

void kvm_iommu_unmap_guest(struct kvm_iommu *ki)
{
	struct iommu_domain *domain;

	pthread_mutex_lock(&ki->lock);
	domain = ki->domain;
	kvm_iommu_put_pages(ki, 0, UINT64_MAX);
	ki->domain = NULL;
	ki->noncoherent = false;
	pthread_mutex_unlock(&ki->lock);
	if (domain)
		iommu_domain_destroy(domain);
}

bool kvm_iommu_mapped(struct kvm_iommu *ki)
{
	bool mapped;

	pthread_mutex_lock(&ki->lock);
	mapped = ki->domain != NULL;
	pthread_mutex_unlock(&ki->lock);
	return mapped;
}

size_t kvm_iommu_table_bytes(struct kvm_iommu *ki)
{
	size_t bytes;

	pthread_mutex_lock(&ki->lock);
	bytes = ki->domain ? iommu_domain_table_bytes(ki->domain) : 0;
	pthread_mutex_unlock(&ki->lock);
	return bytes;
}

/* ---- devices --------------------------------------------------------------------------------- */

static int count_dev(struct iommu_dev *dev, void *arg)
{
	++*(unsigned int *)arg;
	return 0;
}

/* One device at a time, as iommu_attach_device(): a group of more cannot be taken by one. */
static int iommu_attach_device(struct iommu_domain *domain, struct iommu_dev *dev)
{
	struct iommu_group *group = dev ? iommu_group_of(dev) : NULL;
	unsigned int count = 0;

	if (!group)
		return -ENODEV;
	iommu_group_for_each_dev(group, count_dev, &count);
	return count == 1 ? iommu_attach_group(domain, group) : -EINVAL;
}

/* IOMMU_CAP_CACHE_COHERENCY: AMD's units snoop always, the emulated VT-d has no snoop control. */
static bool unit_noncoherent(const struct iommu *unit)
{
	return iommu_model(unit) != IOMMU_MODEL_AMD;
}

int kvm_assign_device(struct kvm_iommu *ki, struct pci_dev *pdev)
{
	const char *driver = pdev->dev.driver ? pdev->dev.driver->name : "pci";
	bool noncoherent;
	int ret;

	ret = iommu_attach_device(ki->domain, pdev->iommu);
	if (ret) {
		pr_kernel_err("%s %s: kvm assign device failed ret %d", driver, pdev->dev.name,
			      ret);
		return ret;
	}
	noncoherent = unit_noncoherent(iommu_group_unit(iommu_group_of(pdev->iommu)));
	/* Guests of such a unit need entries without the snoop bit: all are made anew. */
	if (noncoherent != ki->noncoherent) {
		kvm_slots_lock(ki->kvm);
		kvm_iommu_unmap_memslots(ki);
		ki->noncoherent = noncoherent;
		ret = kvm_iommu_map_memslots(ki);
		kvm_slots_unlock(ki->kvm);
		if (ret) {
			kvm_iommu_unmap_memslots(ki);
			iommu_detach_group(ki->domain, iommu_group_of(pdev->iommu));
			return ret;
		}
	}
	pr_info("%s %s: kvm assign device", driver, pdev->dev.name);
	return 0;
}

void kvm_deassign_device(struct kvm_iommu *ki, struct pci_dev *pdev)
{
	const char *driver = pdev->dev.driver ? pdev->dev.driver->name : "pci";

	if (!ki->domain)
		return;
	if (pdev->iommu && iommu_group_of(pdev->iommu))
		iommu_detach_group(ki->domain, iommu_group_of(pdev->iommu));
	pr_info("%s %s: kvm deassign device", driver, pdev->dev.name);
}
