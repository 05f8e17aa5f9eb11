/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts of assigned devices: KVM_ASSIGN_DEV_IRQ and its companions (Linux 4.11's
 * arch/x86/kvm/assigned-dev.c).
 *
 * assign_host_irq: the function's INTx pin, MSI or MSI-X vectors come to the host
 *   (assigned_device_enable_host_{intx,msi,msix}),
 * assign_guest_irq: and go on to the guest, on a GSI or, of MSI-X, each entry on its own GSI;
 * deassign_host_irq, deassign_guest_irq: the reverse;
 * kvm_assigned_dev_intx: the pin's handler, which masks until the guest has acknowledged;
 * kvm_assigned_dev_ack_irq: the guest's EOI, unmask, and once more if it is still pending.
 *
 * The kernel's handlers call kvm_set_irq(); here a vector's eventfd is an irqfd of the VM while
 * both sides are there, so that the same works on a real VM: its KVM injects when the function
 * raises. A guest's INTx is an irqfd with a resample fd, which is the ack notifier.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "kvm/assigned_priv.h"

static bool pci_2_3(const struct kvm_assigned_dev *dev)
{
	return atomic_load(&dev->flags) & KVM_DEV_ASSIGN_PCI_2_3;
}

static bool intx_masked(const struct kvm_assigned_dev *dev)
{
	return atomic_load(&dev->flags) & KVM_DEV_ASSIGN_MASK_INTX;
}

static int own_eventfd(void)
{
	int fd = FAIL_POINT() ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -ENOMEM : fd_move_high(fd);
}

/* ---- one vector ------------------------------------------------------------------------------ */

static int vector_create(struct kvm_assigned_vector *vec)
{
	int fd = own_eventfd(), ret;

	if (fd < 0)
		return fd;
	ret = irq_trigger_create(fd, &vec->trigger);
	if (ret) {
		fd_close(fd);
		return ret;
	}
	vec->eventfd = fd;
	return 0;
}

/* The function signals it no more, and it is not wired. */
static void vector_destroy(struct kvm_assigned_vector *vec)
{
	if (vec->eventfd < 0)
		return;
	irq_trigger_destroy(vec->trigger);
	fd_close(vec->eventfd);
	vec->trigger = NULL;
	vec->eventfd = -1;
}

static int irqfd(struct kvm_assigned_dev *dev, struct kvm_assigned_vector *vec, uint32_t flags)
{
	struct kvm_irqfd args = { .fd = (uint32_t)vec->eventfd, .gsi = vec->gsi, .flags = flags };

	if (dev->resamplefd >= 0 && !(flags & KVM_IRQFD_FLAG_DEASSIGN)) {
		args.flags |= KVM_IRQFD_FLAG_RESAMPLE;
		args.resamplefd = (uint32_t)dev->resamplefd;
	}
	return kvm_irqfd(dev->assign->kvm, &args);
}

/* What waits in the eventfd is injected. */
static int vector_wire(struct kvm_assigned_dev *dev, struct kvm_assigned_vector *vec)
{
	int ret = irqfd(dev, vec, 0);

	vec->wired = !ret;
	return ret;
}

/* What came while nobody in the guest listened is lost. */
static void vector_drop(struct kvm_assigned_vector *vec)
{
	uint64_t dropped;

	sysraw3(SYS_read, vec->eventfd, (long)&dropped, sizeof(dropped));
}

/* The GSI goes down if it is an INTx. */
static void vector_unwire(struct kvm_assigned_dev *dev, struct kvm_assigned_vector *vec)
{
	if (vec->wired)
		irqfd(dev, vec, KVM_IRQFD_FLAG_DEASSIGN);
	vec->wired = false;
}

/* ---- all of a device ------------------------------------------------------------------------- */

static struct kvm_assigned_vector *vectors(struct kvm_assigned_dev *dev, unsigned int *count)
{
	bool msix = dev->irq_requested_type & KVM_DEV_IRQ_HOST_MSIX;

	*count = msix ? dev->entries_nr : dev->irq_requested_type & KVM_DEV_IRQ_HOST_MASK ? 1 : 0;
	return msix ? dev->msix : &dev->single;
}

static void unwire_all(struct kvm_assigned_dev *dev)
{
	struct kvm_assigned_vector *vec;
	unsigned int count;

	for (vec = vectors(dev, &count); count; count--, vec++)
		vector_unwire(dev, vec);
}

/* Connects host and guest when both are there. */
static int wire_all(struct kvm_assigned_dev *dev)
{
	struct kvm_assigned_vector *vec;
	unsigned int count;
	int ret;

	if (!(dev->irq_requested_type & KVM_DEV_IRQ_GUEST_MASK))
		return 0;
	for (vec = vectors(dev, &count); count; count--, vec++) {
		if (!(dev->irq_requested_type & KVM_DEV_IRQ_HOST_MSIX))
			vec->gsi = dev->guest_irq;
		if (vec->wired)
			continue;
		vector_drop(vec);
		ret = vector_wire(dev, vec);
		if (ret) {
			unwire_all(dev);
			return ret;
		}
	}
	return 0;
}

/* ---- the host's INTx ------------------------------------------------------------------------- */

/* Under irqs->lock; the pin is up. */
static void kvm_assigned_dev_intx(void *arg)
{
	struct kvm_assigned_dev *dev = arg;

	/* Masked at the line, an interrupt waits there. */
	if (pci_2_3(dev) ? !pci_check_and_mask_intx_locked(dev->pdev)
			 : atomic_load(&dev->host_irq_disabled))
		return;
	atomic_store(&dev->host_irq_disabled, true);
	if (!intx_masked(dev))
		irq_trigger_signal(dev->single.trigger);
}

/* enable_irq(): what waits at the line comes at once. */
static void enable_line(struct kvm_assigned_dev *dev)
{
	atomic_store(&dev->host_irq_disabled, false);
	pci_intx_connect(dev->pdev, kvm_assigned_dev_intx, dev);
}

/* The guest's EOI; the line to the guest is down already. On the library's thread. */
static void kvm_assigned_dev_ack_irq(void *arg)
{
	struct kvm_assigned_dev *dev = arg;

	pthread_mutex_lock(&dev->intx_lock);
	if (!intx_masked(dev) && atomic_load(&dev->host_irq_disabled)) {
		if (!pci_2_3(dev)) {
			enable_line(dev);
		} else {
			/* A handler that runs behind the unmask has the last word. */
			atomic_store(&dev->host_irq_disabled, false);
			if (!pci_check_and_unmask_intx(dev->pdev)) {
				atomic_store(&dev->host_irq_disabled, true);
				irq_trigger_signal(dev->single.trigger);
			}
		}
	}
	pthread_mutex_unlock(&dev->intx_lock);
}

static int assigned_device_enable_host_intx(struct kvm_assigned_dev *dev)
{
	int ret;

	if (!pci_get_byte(dev->pdev, PCI_INTERRUPT_PIN))
		return -EIO;
	ret = vector_create(&dev->single);
	if (ret)
		return ret;
	atomic_store(&dev->host_irq_disabled, false);
	if (pci_2_3(dev))
		pci_intx(dev->pdev, true);
	return pci_intx_connect(dev->pdev, kvm_assigned_dev_intx, dev);
}

/* ---- the host's MSI and MSI-X ---------------------------------------------------------------- */

static int assigned_device_enable_host_msi(struct kvm_assigned_dev *dev)
{
	int ret;

	if (!pci_msi_vectors(dev->pdev) || pci_irq_mode(dev->pdev) == PCI_IRQ_MSIX)
		return -EINVAL;
	ret = vector_create(&dev->single);
	if (ret)
		return ret;
	ret = pci_enable_vectors(dev->pdev, PCI_IRQ_MSI, 1);
	if (!ret)
		ret = pci_irq_connect(dev->pdev, PCI_IRQ_MSI, 0, dev->single.trigger);
	if (ret)
		vector_destroy(&dev->single);
	return ret;
}

/* As pci_enable_msix_exact(): -ENOSPC more than the table has, -EINVAL an entry beyond its end or
 * twice. */
static int check_entries(const struct kvm_assigned_dev *dev)
{
	unsigned int have = pci_msix_vectors(dev->pdev), i, j;

	if (!have || pci_irq_mode(dev->pdev) == PCI_IRQ_MSI)
		return -EINVAL;
	if (dev->entries_nr > have)
		return -ENOSPC;
	for (i = 0; i < dev->entries_nr; i++) {
		if (dev->msix[i].entry >= have)
			return -EINVAL;
		for (j = 0; j < i; j++)
			if (dev->msix[j].entry == dev->msix[i].entry)
				return -EINVAL;
	}
	return 0;
}

static int assigned_device_enable_host_msix(struct kvm_assigned_dev *dev)
{
	unsigned int i;
	int ret;

	if (!dev->entries_nr)
		return -EINVAL;
	ret = check_entries(dev);
	for (i = 0; i < dev->entries_nr && !ret; i++)
		ret = vector_create(&dev->msix[i]);
	if (!ret)
		ret = pci_enable_vectors(dev->pdev, PCI_IRQ_MSIX, dev->entries_nr);
	if (ret)
		goto out_destroy;
	/* An entry behind those that were enabled still needs a vector of the host's. */
	for (i = 0; i < dev->entries_nr && !ret; i++)
		ret = pci_irq_connect(dev->pdev, PCI_IRQ_MSIX, dev->msix[i].entry,
				      dev->msix[i].trigger);
	if (!ret)
		return 0;
	pci_disable_vectors(dev->pdev, PCI_IRQ_MSIX);
out_destroy:
	for (i = 0; i < dev->entries_nr; i++)
		vector_destroy(&dev->msix[i]);
	return ret;
}

/* ---- both sides ------------------------------------------------------------------------------ */

static void free_msix(struct kvm_assigned_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->entries_nr; i++)
		vector_destroy(&dev->msix[i]);
	free(dev->msix);
	dev->msix = NULL;
	dev->entries_nr = 0;
}

static void deassign_host_irq(struct kvm_assigned_dev *dev)
{
	unwire_all(dev);
	if (dev->irq_requested_type & KVM_DEV_IRQ_HOST_MSIX) {
		pci_disable_vectors(dev->pdev, PCI_IRQ_MSIX);
		free_msix(dev);
	} else if (dev->irq_requested_type & KVM_DEV_IRQ_HOST_MSI) {
		pci_disable_vectors(dev->pdev, PCI_IRQ_MSI);
	} else if (dev->irq_requested_type & KVM_DEV_IRQ_HOST_INTX) {
		pthread_mutex_lock(&dev->intx_lock);
		if (pci_2_3(dev))
			pci_intx(dev->pdev, false);
		pci_intx_connect(dev->pdev, NULL, NULL);
		/* An EOI that comes now has nothing to unmask. */
		atomic_store(&dev->host_irq_disabled, false);
		pthread_mutex_unlock(&dev->intx_lock);
	}
	vector_destroy(&dev->single);
	dev->irq_requested_type &= ~(uint32_t)KVM_DEV_IRQ_HOST_MASK;
}

static void deassign_guest_irq(struct kvm_assigned_dev *dev)
{
	unwire_all(dev);
	virqfd_disable(dev->ack);
	dev->ack = NULL;
	if (dev->resamplefd >= 0)
		fd_close(dev->resamplefd);
	dev->resamplefd = -1;
	dev->irq_requested_type &= ~(uint32_t)KVM_DEV_IRQ_GUEST_MASK;
}

static int assign_host_irq(struct kvm_assigned_dev *dev, uint32_t type)
{
	int ret;

	if (dev->irq_requested_type & KVM_DEV_IRQ_HOST_MASK)
		return -EEXIST;
	switch (type) {
	case KVM_DEV_IRQ_HOST_INTX:
		ret = assigned_device_enable_host_intx(dev);
		break;
	case KVM_DEV_IRQ_HOST_MSI:
		ret = assigned_device_enable_host_msi(dev);
		break;
	case KVM_DEV_IRQ_HOST_MSIX:
		ret = assigned_device_enable_host_msix(dev);
		break;
	default:
		return -EINVAL;
	}
	if (ret)
		return ret;
	dev->irq_requested_type |= type;
	ret = wire_all(dev);
	if (ret)
		deassign_host_irq(dev);
	return ret;
}

/* The ack notifier. */
static int notify_ack(struct kvm_assigned_dev *dev)
{
	int fd = own_eventfd(), ret;

	if (fd < 0)
		return fd;
	dev->resamplefd = fd;
	ret = virqfd_enable(fd, kvm_assigned_dev_ack_irq, dev, &dev->ack);
	if (ret) {
		dev->resamplefd = -1;
		fd_close(fd);
	}
	return ret;
}

static int assign_guest_irq(struct kvm_assigned_dev *dev, const struct kvm_assigned_irq *irq,
			    uint32_t type)
{
	int ret = 0;

	if (dev->irq_requested_type & KVM_DEV_IRQ_GUEST_MASK)
		return -EEXIST;
	if (type != KVM_DEV_IRQ_GUEST_INTX && type != KVM_DEV_IRQ_GUEST_MSI &&
	    type != KVM_DEV_IRQ_GUEST_MSIX)
		return -EINVAL;
	dev->guest_irq = irq->guest_irq;
	if (type == KVM_DEV_IRQ_GUEST_INTX)
		ret = notify_ack(dev);
	if (ret)
		return ret;
	dev->irq_requested_type |= type;
	ret = wire_all(dev);
	if (ret)
		deassign_guest_irq(dev);
	return ret;
}

/* ---- the ioctls' steps ----------------------------------------------------------------------- */

int kvm_assigned_assign_irq(struct kvm_assigned_dev *dev, const struct kvm_assigned_irq *irq)
{
	uint32_t host = irq->flags & KVM_DEV_IRQ_HOST_MASK;
	uint32_t guest = irq->flags & KVM_DEV_IRQ_GUEST_MASK;
	int ret = 0;

	if (host & (host - 1) || guest & (guest - 1) || (!host && !guest))
		return -EINVAL;
	if (host)
		ret = assign_host_irq(dev, host);
	if (!ret && guest)
		ret = assign_guest_irq(dev, irq, guest);
	return ret;
}

int kvm_assigned_deassign_irq(struct kvm_assigned_dev *dev, uint32_t type)
{
	if (!dev->irq_requested_type)
		return -ENXIO;
	if (type & KVM_DEV_IRQ_HOST_MASK)
		deassign_host_irq(dev);
	if (type & KVM_DEV_IRQ_GUEST_MASK)
		deassign_guest_irq(dev);
	return 0;
}

int kvm_assigned_set_msix_nr(struct kvm_assigned_dev *dev, unsigned int nr)
{
	unsigned int i;

	/* Not twice. */
	if (dev->entries_nr || !nr || nr > KVM_MAX_MSIX_PER_DEV)
		return -EINVAL;
	dev->msix = FAIL_POINT() ? NULL : calloc(nr, sizeof(*dev->msix));
	if (!dev->msix)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		dev->msix[i].eventfd = -1;
	dev->entries_nr = nr;
	return 0;
}

int kvm_assigned_set_msix_entry(struct kvm_assigned_dev *dev, uint16_t entry, uint32_t gsi)
{
	struct kvm_assigned_vector *vec;
	unsigned int i;

	/* A GSI of 0 marks a free place, and entries that are set can be set again. */
	for (i = 0; i < dev->entries_nr; i++)
		if (!dev->msix[i].gsi || dev->msix[i].entry == entry)
			break;
	if (i == dev->entries_nr)
		return -ENOSPC;
	vec = &dev->msix[i];
	if (!vec->wired) {
		vec->entry = entry;
		vec->gsi = gsi;
		return 0;
	}
	/* The next interrupt takes the new way, and one that comes meanwhile waits for it; the
	 * host's entry stays what it was enabled as. */
	vector_unwire(dev, vec);
	vec->gsi = gsi;
	return vector_wire(dev, vec);
}

void kvm_assigned_set_intx_mask(struct kvm_assigned_dev *dev, uint32_t flags)
{
	pthread_mutex_lock(&dev->intx_lock);
	atomic_fetch_and(&dev->flags, ~(uint32_t)KVM_DEV_ASSIGN_MASK_INTX);
	atomic_fetch_or(&dev->flags, flags & KVM_DEV_ASSIGN_MASK_INTX);
	if (!(dev->irq_requested_type & KVM_DEV_IRQ_GUEST_INTX)) {
		pthread_mutex_unlock(&dev->intx_lock);
		return;
	}
	if (flags & KVM_DEV_ASSIGN_MASK_INTX) {
		/* The line goes down; the function is masked when it interrupts. */
		pthread_mutex_unlock(&dev->intx_lock);
		unwire_all(dev);
		if (wire_all(dev))
			pr_kernel_err("kvm %s: INTx cannot be connected again",
				      dev->pdev->dev.name);
		return;
	}
	/* Unmasking in the function is the user's. */
	if (!(flags & KVM_DEV_ASSIGN_PCI_2_3) && atomic_load(&dev->host_irq_disabled) &&
	    dev->irq_requested_type & KVM_DEV_IRQ_HOST_INTX)
		enable_line(dev);
	pthread_mutex_unlock(&dev->intx_lock);
}

/* ---- life ------------------------------------------------------------------------------------ */

void kvm_assigned_irqs_init(struct kvm_assigned_dev *dev)
{
	pthread_mutex_init(&dev->intx_lock, NULL);
	dev->single.eventfd = -1;
	dev->resamplefd = -1;
}

void kvm_assigned_irqs_free(struct kvm_assigned_dev *dev)
{
	if (dev->irq_requested_type & KVM_DEV_IRQ_GUEST_MASK)
		deassign_guest_irq(dev);
	if (dev->irq_requested_type & KVM_DEV_IRQ_HOST_MASK)
		deassign_host_irq(dev);
	free_msix(dev);
}

void kvm_assigned_irqs_forget(struct kvm_assigned_dev *dev)
{
	free_msix(dev);
	vector_destroy(&dev->single);
	fd_close(dev->resamplefd);
}
