/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_SET_IRQS: dispatch by index and action, messages, the error and request indexes (the
 * kernel's vfio_pci_intrs.c). vdev->lock is held, the header has been checked.
 *
 * One of INTx, MSI and MSI-X is in use at a time; who wants another disables the first with
 * DATA_NONE and count 0. A vector's trigger lives in vectors[]; MSI-X vectors beyond those enabled
 * first are added when they get one.
 *
 * Each vector that has an eventfd is a producer for irqbypass: a VM that has an irqfd of the same
 * eventfd takes its interrupts past it. INTx is not: it is masked by each interrupt.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "vfio_pci/vfio_pci_priv.h"

unsigned int vfio_pci_irq_count(struct vfio_pci_device *vpd, unsigned int index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return vpd->config.vconfig[PCI_INTERRUPT_PIN] ? 1 : 0;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return vpd->pdev->msi_cap ? pci_msi_vectors(vpd->pdev) : 0;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return vpd->pdev->msix_cap ? pci_msix_vectors(vpd->pdev) : 0;
	case VFIO_PCI_ERR_IRQ_INDEX:
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	default:
		return 0;
	}
}

/* ---- messages ------------------------------------------------------------------------------- */

static enum pci_irq_type pci_type(unsigned int index)
{
	return index == VFIO_PCI_MSIX_IRQ_INDEX ? PCI_IRQ_MSIX : PCI_IRQ_MSI;
}

static int msi_enable(struct vfio_pci_device *vpd, unsigned int index, unsigned int nvec)
{
	int ret;

	/* As the kernel's allocator says of an empty range. */
	if (!nvec)
		return -ERANGE;
	vpd->n_vectors = vfio_pci_irq_count(vpd, index);
	vpd->vectors = FAIL_POINT() ? NULL : calloc(vpd->n_vectors, sizeof(vpd->vectors[0]));
	if (!vpd->vectors)
		return -ENOMEM;
	ret = pci_enable_vectors(vpd->pdev, pci_type(index), nvec);
	if (ret) {
		free(vpd->vectors);
		vpd->vectors = NULL;
		return ret;
	}
	vpd->n_enabled = nvec;
	vpd->irq_type = index;
	if (index == VFIO_PCI_MSI_IRQ_INDEX) {
		vpd->config.msi_qmax = 0;
		while (1u << vpd->config.msi_qmax < nvec)
			vpd->config.msi_qmax++;
	}
	return 0;
}

void vfio_pci_msi_disable(struct vfio_pci_device *vpd, unsigned int index)
{
	for (unsigned int i = 0; i < vpd->n_vectors; i++)
		irq_bypass_unregister_producer(&vpd->vectors[i].producer);
	/* Disconnects them all; none is being signalled any more when it returns. */
	pci_disable_vectors(vpd->pdev, pci_type(index));
	for (unsigned int i = 0; i < vpd->n_vectors; i++)
		irq_trigger_destroy(vpd->vectors[i].trigger);
	free(vpd->vectors);
	vpd->vectors = NULL;
	vpd->n_vectors = vpd->n_enabled = 0;
	vpd->irq_type = VFIO_PCI_IRQ_NONE;
}

/* A vector does without: its eventfd is signalled then. */
static void add_producer(struct vfio_pci_device *vpd, struct vfio_pci_vector *v, int irq)
{
	int fd = irq_trigger_fd(v->trigger), ret;
	uint64_t token = 0;

	ret = irq_bypass_register_producer(&v->producer, fd, irq);
	if (ret) {
		pr_info("vfio-pci %s: irq bypass producer (eventfd %p) registration fails: %d",
			vpd->pdev->dev.name, (void *)v->trigger, ret);
		/* Another vector of the same eventfd is the producer. */
		irq_bypass_eventfd_token(fd, &token);
	}
	irq_trigger_set_token(v->trigger, ret ? token : v->producer.token);
}

static int set_vector(struct vfio_pci_device *vpd, unsigned int index, unsigned int vector,
		      int32_t fd)
{
	struct vfio_pci_vector *v = &vpd->vectors[vector];
	int ret;

	if (v->trigger) {
		irq_bypass_unregister_producer(&v->producer);
		pci_irq_connect(vpd->pdev, pci_type(index), vector, NULL);
		irq_trigger_destroy(v->trigger);
		v->trigger = NULL;
	}
	if (fd < 0)
		return 0;
	/* MSI's number of messages is fixed once it is on. */
	if (index == VFIO_PCI_MSI_IRQ_INDEX && vector >= vpd->n_enabled)
		return -EINVAL;
	ret = irq_trigger_create(fd, &v->trigger);
	if (ret)
		return ret;
	ret = pci_irq_connect(vpd->pdev, pci_type(index), vector, v->trigger);
	if (ret) {
		irq_trigger_destroy(v->trigger);
		v->trigger = NULL;
		return ret;
	}
	add_producer(vpd, v, pci_irq_vector(vpd->pdev, pci_type(index), vector));
	return 0;
}

static int set_block(struct vfio_pci_device *vpd, unsigned int index, unsigned int start,
		     unsigned int count, const int32_t *fds)
{
	int ret = 0;

	for (unsigned int i = 0; i < count && !ret; i++) {
		ret = set_vector(vpd, index, start + i, fds[i]);
		if (!ret)
			continue;
		for (unsigned int j = 0; j <= i; j++)
			set_vector(vpd, index, start + j, -1);
	}
	return ret;
}

int vfio_pci_set_msi_trigger(struct vfio_pci_device *vpd, unsigned int index, unsigned int start,
			     unsigned int count, uint32_t flags, const void *data)
{
	bool on = vpd->irq_type == index;
	int ret;

	if (on && !count && (flags & VFIO_IRQ_SET_DATA_NONE)) {
		vfio_pci_msi_disable(vpd, index);
		return 0;
	}
	if (!on && vpd->irq_type != VFIO_PCI_IRQ_NONE)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		if (on)
			return set_block(vpd, index, start, count, data);
		ret = msi_enable(vpd, index, start + count);
		if (ret)
			return ret;
		ret = set_block(vpd, index, start, count, data);
		if (ret)
			vfio_pci_msi_disable(vpd, index);
		return ret;
	}
	if (!on)
		return -EINVAL;
	for (unsigned int i = 0; i < count; i++) {
		struct irq_trigger *trigger = vpd->vectors[start + i].trigger;

		if (trigger && ((flags & VFIO_IRQ_SET_DATA_NONE) || ((const uint8_t *)data)[i]))
			irq_trigger_signal(trigger);
	}
	return 0;
}

/* ---- error and request ---------------------------------------------------------------------- */

static void replace_single(struct vfio_pci_device *vpd, _Atomic(struct irq_trigger *) *slot,
			   struct irq_trigger *trigger)
{
	struct irq_trigger *old;

	pthread_mutex_lock(&vpd->req_lock);
	old = atomic_exchange(slot, trigger);
	pthread_mutex_unlock(&vpd->req_lock);
	irq_trigger_destroy(old);
}

/* DATA_NONE and DATA_BOOL are for testing the way back. */
static int set_single(struct vfio_pci_device *vpd, _Atomic(struct irq_trigger *) *slot,
		      unsigned int start, unsigned int count, uint32_t flags, const void *data)
{
	struct irq_trigger *trigger = atomic_load(slot);
	int32_t fd;
	int ret;

	if (start || count > 1)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_NONE) {
		if (!trigger)
			return -EINVAL;
		if (count)
			irq_trigger_signal(trigger);
		else
			replace_single(vpd, slot, NULL);
		return 0;
	}
	if (!count)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_BOOL) {
		if (*(const uint8_t *)data && trigger)
			irq_trigger_signal(trigger);
		return 0;
	}
	fd = *(const int32_t *)data;
	trigger = NULL;
	if (fd >= 0) {
		ret = irq_trigger_create(fd, &trigger);
		if (ret)
			return ret;
	} else if (fd != -1) {
		return -EINVAL;
	}
	replace_single(vpd, slot, trigger);
	return 0;
}

/* ---- dispatch ------------------------------------------------------------------------------- */

static int set_irqs(struct vfio_pci_device *vpd, uint32_t flags, unsigned int index,
		    unsigned int start, unsigned int count, const void *data)
{
	uint32_t action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	bool trigger = action == VFIO_IRQ_SET_ACTION_TRIGGER;

	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		if (action == VFIO_IRQ_SET_ACTION_MASK)
			return vfio_pci_set_intx_mask(vpd, start, count, flags, data);
		if (action == VFIO_IRQ_SET_ACTION_UNMASK)
			return vfio_pci_set_intx_unmask(vpd, start, count, flags, data);
		if (trigger)
			return vfio_pci_set_intx_trigger(vpd, start, count, flags, data);
		break;
	case VFIO_PCI_MSI_IRQ_INDEX:
	case VFIO_PCI_MSIX_IRQ_INDEX:
		if (trigger)
			return vfio_pci_set_msi_trigger(vpd, index, start, count, flags, data);
		break;
	case VFIO_PCI_ERR_IRQ_INDEX:
		if (trigger)
			return set_single(vpd, &vpd->err_trigger, start, count, flags, data);
		break;
	case VFIO_PCI_REQ_IRQ_INDEX:
		if (trigger)
			return set_single(vpd, &vpd->req_trigger, start, count, flags, data);
		break;
	default:
		break;
	}
	return -ENOTTY;
}

int vfio_pci_set_irqs(struct vfio_device *vdev, uint32_t flags, unsigned int index,
		      unsigned int start, unsigned int count, const void *data)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);
	bool used = vfio_pci_use(vpd);
	int ret = set_irqs(vpd, flags, index, start, count, data);

	vfio_pci_unuse(vpd, used);
	return ret;
}

void vfio_pci_irqs_close(struct vfio_pci_device *vpd)
{
	if (vpd->irq_type == VFIO_PCI_INTX_IRQ_INDEX)
		vfio_pci_intx_disable(vpd);
	else if (vpd->irq_type != VFIO_PCI_IRQ_NONE)
		vfio_pci_msi_disable(vpd, vpd->irq_type);
	replace_single(vpd, &vpd->err_trigger, NULL);
	replace_single(vpd, &vpd->req_trigger, NULL);
}
