/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio_device of a card: regions, opening and closing. An access is cut into naturally aligned
 * pieces of 4, 2 and 1 bytes; of a port's BAR each piece reaches the register at its start alone,
 * as in Linux's sample, and its other bytes read as 0. What lies in no region is -EFAULT.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "drivers/mtty/card.h"

void mtty_card_lock(struct mtty_card *card)
{
	struct mtty_ports *ports = card->ports;

	mdev_parent_lock(card->mdev->parent);
	ports->in_hand = 0;
	for (unsigned int i = 0; i < card->nr_ports; i++)
		ports->in_hand |= 1u << card->number[i];
}

void mtty_card_unlock(struct mtty_card *card)
{
	card->ports->in_hand = 0;
	mdev_parent_unlock(card->mdev->parent);
}

static int get_info(struct vfio_device *vdev, struct vfio_device_info *info,
		    struct vfio_info_cap *caps)
{
	info->flags = VFIO_DEVICE_FLAGS_PCI;
	info->num_regions = VFIO_PCI_NUM_REGIONS;
	info->num_irqs = VFIO_PCI_NUM_IRQS;
	return 0;
}

static int get_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
			   struct vfio_info_cap *caps)
{
	if (info->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	info->size = 0;
	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX)
		info->size = MTTY_CONFIG_TOLD;
	else if (info->index < to_card(vdev)->nr_ports)
		info->size = UART_NR_REGS;
	info->offset = (uint64_t)info->index << 40;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	return 0;
}

/* One piece; the parent's lock is held. Zeros are read where nothing is. */
static void access_piece(struct mtty_card *card, unsigned int region, unsigned int off,
			 uint8_t *buf, const uint8_t *data, unsigned int len)
{
	unsigned int number;

	if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
		if (data)
			mtty_config_write(card->inst, off, data, len);
		else
			memcpy(buf, card->inst->config + off, len);
		return;
	}
	number = card->number[region];
	if (!data)
		memset(buf, 0, len);
	if (off >= UART_NR_REGS)
		return;
	if (data)
		mtty_port_write(card->ports, number, off, *data);
	else
		*buf = mtty_port_read(card->ports, number, off);
	mtty_host_kick(card->host[region]);
}

static ssize_t access_region(struct mtty_card *card, unsigned int region, uint64_t off,
			     uint8_t *buf, const uint8_t *data, size_t count)
{
	unsigned int len;

	if (region != VFIO_PCI_CONFIG_REGION_INDEX && region >= card->nr_ports)
		return -EFAULT;
	if (off > MTTY_CONFIG_SIZE || count > MTTY_CONFIG_SIZE - off)
		return -EFAULT;
	mtty_card_lock(card);
	for (size_t done = 0; done < count; done += len) {
		unsigned int at = (unsigned int)(off + done);

		len = at % 4 == 0 && count - done >= 4	 ? 4
		      : at % 2 == 0 && count - done >= 2 ? 2
							 : 1;
		access_piece(card, region, at, buf ? buf + done : NULL, data ? data + done : NULL,
			     len);
		mtty_card_update_irq(card);
	}
	mtty_card_unlock(card);
	return (ssize_t)count;
}

static ssize_t region_read(struct vfio_device *vdev, unsigned int region, uint64_t off, void *buf,
			   size_t count)
{
	return access_region(to_card(vdev), region, off, buf, NULL, count);
}

/* The sample tells the log of a BAR that is written as a whole. */
static void tell_bar(const struct mtty_card *card, unsigned int region, uint64_t off,
		     const void *buf, size_t count)
{
	uint32_t val;

	if (region != VFIO_PCI_CONFIG_REGION_INDEX || count != sizeof(val) || off % 4 ||
	    off < 0x10 || off >= 0x10 + 4u * card->nr_ports)
		return;
	memcpy(&val, buf, sizeof(val));
	pr_info("BAR%u addr 0x%x", (unsigned int)(off - 0x10) / 4, val);
}

static ssize_t region_write(struct vfio_device *vdev, unsigned int region, uint64_t off,
			    const void *buf, size_t count)
{
	tell_bar(to_card(vdev), region, off, buf, count);
	return access_region(to_card(vdev), region, off, NULL, buf, count);
}

static int reset(struct vfio_device *vdev)
{
	struct mtty_card *card = to_card(vdev);

	pr_info("mtty_reset: called");
	mtty_mig_reset(card);
	mtty_card_lock(card);
	for (unsigned int i = 0; i < card->nr_ports; i++) {
		mtty_port_reset(card->ports, card->number[i]);
		mtty_host_kick(card->host[i]);
	}
	mtty_card_update_irq(card);
	mtty_card_unlock(card);
	return 0;
}

static void stop_line(struct mtty_card *card, unsigned int index)
{
	struct mtty_host *host = card->host[index];

	mtty_card_lock(card);
	card->host[index] = NULL;
	mtty_port_unplug(card->ports, card->number[index]);
	mtty_card_unlock(card);
	mtty_host_stop(host);
}

static int start_line(struct mtty_card *card, unsigned int index, bool stopped)
{
	unsigned int number = card->number[index];
	struct mtty_host *host = NULL;
	struct mtty_line line;
	int ret;

	mtty_card_lock(card);
	line = card->ports->port[number].configured;
	line.path[sizeof(line.path) - 1] = '\0';
	mtty_card_unlock(card);
	ret = mtty_host_start(card, index, &line, &host);
	if (ret)
		return ret;
	mtty_card_lock(card);
	mtty_port_plug(card->ports, number, &line, stopped);
	card->host[index] = host;
	mtty_host_kick(host);
	mtty_card_unlock(card);
	return 0;
}

static int open_device(struct vfio_device *vdev)
{
	struct mtty_card *card = to_card(vdev);
	bool stopped = mtty_mig_stopped(card);
	int ret = 0;

	for (unsigned int i = 0; i < card->nr_ports && !ret; i++) {
		ret = start_line(card, i, stopped);
		while (ret && i)
			stop_line(card, --i);
	}
	return ret;
}

static void close_device(struct vfio_device *vdev)
{
	struct mtty_card *card = to_card(vdev);

	mtty_mig_close(card);
	mtty_irqs_close(card);
	for (unsigned int i = 0; i < card->nr_ports; i++)
		stop_line(card, i);
}

const struct vfio_device_ops mtty_device_ops = {
	.name = "vfio-mtty",
	.open_device = open_device,
	.close_device = close_device,
	.get_info = get_info,
	.get_region_info = get_region_info,
	.get_irq_info = mtty_get_irq_info,
	.set_irqs = mtty_set_irqs,
	.reset = reset,
	.region_read = region_read,
	.region_write = region_write,
};
