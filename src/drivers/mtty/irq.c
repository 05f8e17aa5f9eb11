/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's interrupts: INTx or MSI, one vector, one index at a time. The order of the checks is
 * that of Linux's sample: an eventfd replaces the old one even when it cannot be had.
 *
 * INTx is a level: it is masked when it fires, and fires again on unmask while a port has something
 * pending. MSI fires at each cause that is new.
 */
#include <errno.h>

#include "drivers/mtty/card.h"
#include "irq/trigger.h"

#define NO_IRQ (-1)

int mtty_get_irq_info(struct vfio_device *vdev, struct vfio_irq_info *info)
{
	switch (info->index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		info->flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
			      VFIO_IRQ_INFO_AUTOMASKED;
		break;
	case VFIO_PCI_MSI_IRQ_INDEX:
		info->flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
		break;
	default:
		return -EINVAL;
	}
	info->count = 1;
	return 0;
}

static void fire(struct mtty_card *card)
{
	if (!card->trigger)
		return;
	if (card->irq_index == VFIO_PCI_INTX_IRQ_INDEX) {
		if (card->intx_masked)
			return;
		card->intx_masked = true;
	}
	irq_trigger_signal(card->trigger);
}

void mtty_card_update_irq(struct mtty_card *card)
{
	bool pending = false, news = false;

	for (unsigned int i = 0; i < card->nr_ports; i++) {
		unsigned int p = uart_pending(&card->ports->port[card->number[i]].uart);

		pending |= p;
		news |= p & ~card->told[i];
		card->told[i] = p;
	}
	if (card->irq_index == VFIO_PCI_INTX_IRQ_INDEX ? pending : news)
		fire(card);
}

static void disable(struct mtty_card *card)
{
	irq_trigger_destroy(card->trigger);
	card->trigger = NULL;
	card->intx_masked = false;
	card->irq_index = NO_IRQ;
}

static int set_eventfd(struct mtty_card *card, unsigned int index, int32_t fd)
{
	int ret;

	disable(card);
	if (fd < 0)
		return 0;
	ret = irq_trigger_create(fd, &card->trigger);
	if (ret) {
		card->trigger = NULL;
		return ret;
	}
	card->irq_index = (int)index;
	/* What is pending already has not been told to this one. */
	for (unsigned int i = 0; i < MTTY_CARD_PORTS; i++)
		card->told[i] = 0;
	mtty_card_update_irq(card);
	return 0;
}

static int set_trigger(struct mtty_card *card, uint32_t flags, unsigned int index,
		       unsigned int start, unsigned int count, const void *data)
{
	bool mine = card->irq_index == (int)index;

	if (mine && !count && flags & VFIO_IRQ_SET_DATA_NONE) {
		disable(card);
		return 0;
	}
	if ((!mine && card->irq_index != NO_IRQ) || start || count != 1)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return set_eventfd(card, index, *(const int32_t *)data);
	if (!mine)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_NONE || *(const uint8_t *)data)
		fire(card);
	return 0;
}

static int set_mask(struct mtty_card *card, uint32_t flags, unsigned int start, unsigned int count,
		    const void *data, bool masked)
{
	if (card->irq_index != VFIO_PCI_INTX_IRQ_INDEX || start || count != 1)
		return -EINVAL;
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return -ENOTTY;
	if (!(flags & VFIO_IRQ_SET_DATA_NONE || *(const uint8_t *)data))
		return 0;
	card->intx_masked = masked;
	if (!masked)
		mtty_card_update_irq(card);
	return 0;
}

int mtty_set_irqs(struct vfio_device *vdev, uint32_t flags, unsigned int index, unsigned int start,
		  unsigned int count, const void *data)
{
	uint32_t action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	bool intx = index == VFIO_PCI_INTX_IRQ_INDEX;
	struct mtty_card *card = to_card(vdev);
	int ret = -ENOTTY;

	mtty_card_lock(card);
	/* An action that is none, or more than one, is nothing to do in the sample. */
	if (!intx && index != VFIO_PCI_MSI_IRQ_INDEX)
		ret = -ENOTTY;
	else if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
		ret = set_trigger(card, flags, index, start, count, data);
	else if (action == VFIO_IRQ_SET_ACTION_MASK || action == VFIO_IRQ_SET_ACTION_UNMASK)
		ret = intx ? set_mask(card, flags, start, count, data,
				      action == VFIO_IRQ_SET_ACTION_MASK)
			   : -ENOTTY;
	else
		ret = 0;
	mtty_card_unlock(card);
	return ret;
}

void mtty_irqs_close(struct mtty_card *card)
{
	mtty_card_lock(card);
	disable(card);
	mtty_card_unlock(card);
}
