/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * INTx for a user: level-triggered, hence masked automatically when it fires and fired again on
 * unmask when the line is still high.
 *
 * The interrupt handler runs under the function's irqs->lock and takes nothing else: `masked` and
 * `trigger` are atomics. intx.lock orders those who mask and unmask among each other. An unmask
 * says "not masked" before it opens the function's gate, so that a handler that runs at once has
 * the last word.
 */
#include <errno.h>

#include "vfio_pci/vfio_pci_priv.h"

static bool is_intx(const struct vfio_pci_device *vpd)
{
	return vpd->irq_type == VFIO_PCI_INTX_IRQ_INDEX;
}

static void send_intx(struct vfio_pci_device *vpd)
{
	struct irq_trigger *trigger;

	if (atomic_load(&vpd->virq_disabled))
		return;
	trigger = atomic_load(&vpd->intx.trigger);
	if (trigger)
		irq_trigger_signal(trigger);
}

/* Under irqs->lock. */
static void intx_handler(void *arg)
{
	struct vfio_pci_device *vpd = arg;

	/* Masked at the line, an interrupt waits there. */
	if (vpd->intx_in_cmd ? !pci_check_and_mask_intx_locked(vpd->pdev)
			     : atomic_load(&vpd->intx.masked))
		return;
	atomic_store(&vpd->intx.masked, true);
	send_intx(vpd);
}

bool vfio_pci_intx_mask(struct vfio_pci_device *vpd)
{
	bool changed;

	pthread_mutex_lock(&vpd->intx.lock);
	changed = is_intx(vpd) && !atomic_load(&vpd->intx.masked);
	/* Without INTx in use the function's bit just follows the user's. */
	if ((changed || !is_intx(vpd)) && vpd->intx_in_cmd)
		pci_intx(vpd->pdev, false);
	if (changed)
		atomic_store(&vpd->intx.masked, true);
	pthread_mutex_unlock(&vpd->intx.lock);
	return changed;
}

void vfio_pci_intx_unmask(struct vfio_pci_device *vpd)
{
	pthread_mutex_lock(&vpd->intx.lock);
	if (!is_intx(vpd)) {
		if (vpd->intx_in_cmd)
			pci_intx(vpd->pdev, true);
	} else if (!vpd->intx_in_cmd && atomic_load(&vpd->intx.masked) &&
		   !atomic_load(&vpd->virq_disabled)) {
		/* What waits at the line comes at once. */
		atomic_store(&vpd->intx.masked, false);
		pci_intx_connect(vpd->pdev, intx_handler, vpd);
	} else if (atomic_load(&vpd->intx.masked) && !atomic_load(&vpd->virq_disabled)) {
		atomic_store(&vpd->intx.masked, false);
		/* Still pending: it would fire at once, so leave it masked and tell the user. */
		if (!pci_check_and_unmask_intx(vpd->pdev)) {
			atomic_store(&vpd->intx.masked, true);
			send_intx(vpd);
		}
	}
	pthread_mutex_unlock(&vpd->intx.lock);
}

static void unmask_signalled(void *arg)
{
	vfio_pci_intx_unmask(arg);
}

/* Takes @trigger; the previous one is destroyed when nobody can be using it. */
static void set_trigger(struct vfio_pci_device *vpd, struct irq_trigger *trigger)
{
	struct irq_trigger *old;

	pthread_mutex_lock(&vpd->intx.lock);
	old = atomic_exchange(&vpd->intx.trigger, trigger);
	pthread_mutex_unlock(&vpd->intx.lock);
	pci_intx_sync(vpd->pdev);
	irq_trigger_destroy(old);
}

static int intx_enable(struct vfio_pci_device *vpd, struct irq_trigger *trigger)
{
	bool masked = atomic_load(&vpd->virq_disabled);

	if (vpd->irq_type != VFIO_PCI_IRQ_NONE)
		return -EINVAL;
	if (!pci_get_byte(vpd->pdev, PCI_INTERRUPT_PIN))
		return -ENODEV;
	atomic_store(&vpd->intx.masked, masked);
	atomic_store(&vpd->intx.trigger, trigger);
	if (vpd->intx_in_cmd)
		pci_intx(vpd->pdev, !masked);
	vpd->irq_type = VFIO_PCI_INTX_IRQ_INDEX;
	return pci_intx_connect(vpd->pdev, intx_handler, vpd);
}

void vfio_pci_intx_disable(struct vfio_pci_device *vpd)
{
	virqfd_disable(vpd->intx.unmask);
	vpd->intx.unmask = NULL;
	pci_intx_connect(vpd->pdev, NULL, NULL);
	pthread_mutex_lock(&vpd->intx.lock);
	vpd->irq_type = VFIO_PCI_IRQ_NONE;
	pthread_mutex_unlock(&vpd->intx.lock);
	set_trigger(vpd, NULL);
}

int vfio_pci_set_intx_trigger(struct vfio_pci_device *vpd, unsigned int start, unsigned int count,
			      uint32_t flags, const void *data)
{
	struct irq_trigger *trigger = NULL;
	int ret = 0;

	if (is_intx(vpd) && !count && (flags & VFIO_IRQ_SET_DATA_NONE)) {
		vfio_pci_intx_disable(vpd);
		return 0;
	}
	if (!(is_intx(vpd) || vpd->irq_type == VFIO_PCI_IRQ_NONE) || start || count != 1)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		int32_t fd = *(const int32_t *)data;

		if (fd >= 0)
			ret = irq_trigger_create(fd, &trigger);
		if (ret)
			return ret;
		if (is_intx(vpd)) {
			set_trigger(vpd, trigger);
			return 0;
		}
		ret = intx_enable(vpd, trigger);
		if (ret)
			irq_trigger_destroy(trigger);
		return ret;
	}
	if (!is_intx(vpd))
		return -EINVAL;
	if ((flags & VFIO_IRQ_SET_DATA_NONE) || *(const uint8_t *)data) {
		pthread_mutex_lock(&vpd->intx.lock);
		send_intx(vpd);
		pthread_mutex_unlock(&vpd->intx.lock);
	}
	return 0;
}

int vfio_pci_set_intx_mask(struct vfio_pci_device *vpd, unsigned int start, unsigned int count,
			   uint32_t flags, const void *data)
{
	if (!is_intx(vpd) || start || count != 1)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return -ENOTTY;
	if ((flags & VFIO_IRQ_SET_DATA_NONE) || *(const uint8_t *)data)
		vfio_pci_intx_mask(vpd);
	return 0;
}

int vfio_pci_set_intx_unmask(struct vfio_pci_device *vpd, unsigned int start, unsigned int count,
			     uint32_t flags, const void *data)
{
	if (!is_intx(vpd) || start || count != 1)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		int32_t fd = *(const int32_t *)data;

		if (fd >= 0 && vpd->intx.unmask && !virqfd_abandoned(vpd->intx.unmask))
			return -EBUSY;
		virqfd_disable(vpd->intx.unmask);
		vpd->intx.unmask = NULL;
		if (fd >= 0)
			return virqfd_enable(fd, unmask_signalled, vpd, &vpd->intx.unmask);
		return 0;
	}
	if ((flags & VFIO_IRQ_SET_DATA_NONE) || *(const uint8_t *)data)
		vfio_pci_intx_unmask(vpd);
	return 0;
}
