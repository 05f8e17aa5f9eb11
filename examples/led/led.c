/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A parent of mediated devices in one file: LED matrices of 8 x 8 and 16 x 16, as PCI devices.
 *
 *	cc -shared -fPIC -o led.so led.c $(pkg-config --cflags uvfio)
 *	uvfio run --module ./led.so -- bash
 *
 * A panel's frame is a byte for each LED. It stays lit while nobody has the device open, and every
 * process of the session sees the same one: it is the instance's state. The panels share a power
 * supply, the parent's state, which is enough for sixteen small panels or four large ones.
 *
 * BAR 0, registers of 32 bits, little-endian:
 *
 *	00h ID		r	1ED50001h
 *	04h SIZE	r	columns, and rows << 16
 *	08h ADDR_LOW	rw	IOVA of a frame in the driver's memory
 *	0Ch ADDR_HIGH	rw
 *	10h COMMAND	w	1 show the frame at ADDR, 2 write the panel's frame to ADDR,
 *				3 show the frame in BAR 1, 4 follow the frame at ADDR, which lies
 *				in one page, 5 no longer
 *	14h STATUS	rw1c	1 done, 2 DMA failed; not zero: INTA# is asserted
 *	18h LIT		r	how many LEDs are lit; of a frame that is followed, now
 *
 * BAR 1 is memory for a frame.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uvfio/mdev.h>

#define SUPPLY	    16 /* small panels */
#define MAX_LEDS    256
#define PAGE	    4096u
#define BAR0_SIZE   0x20
#define CONFIG_SIZE 256
#define CONFIG	    7 /* VFIO_PCI_CONFIG_REGION_INDEX */

enum { ID = 0x00, SIZE = 0x04, ADDR_LOW = 0x08, ADDR_HIGH = 0x0c, COMMAND = 0x10, STATUS = 0x14 };
enum { LIT = 0x18 };
enum { SHOW = 1, READ_BACK, SHOW_MEMORY, FOLLOW, FOLLOW_NOT };
enum { DONE = 1, FAILED = 2 };

/* What processes share: no pointers. */
struct supply {
	uint32_t used; /* small panels */
};

struct panel {
	uint8_t led[MAX_LEDS];
};

/* A driver's view of a panel, from open to close. */
struct view {
	uint8_t config[CONFIG_SIZE];
	uint64_t addr;
	uint32_t status;
	/* Guards what follows: dma_unmap and dma_moved come beside the other operations. */
	pthread_mutex_t lock;
	void *page;	   /* of the followed frame; NULL: it has to be asked for */
	uint64_t followed; /* its IOVA; 0: none */
	int pins;	   /* that are not given back */
};

static unsigned int columns(const struct uvfio_mdev *dev)
{
	return (unsigned int)dev->type->arg;
}

static size_t leds(const struct uvfio_mdev *dev)
{
	return (size_t)columns(dev) * columns(dev);
}

/* ---- in the session -------------------------------------------------------------------------- */

static uint32_t cost(const struct uvfio_mdev_type *type)
{
	return (uint32_t)(type->arg * type->arg / 64);
}

static unsigned int led_available(struct uvfio_mdev_parent *parent,
				  const struct uvfio_mdev_type *type)
{
	struct supply *supply = parent->state;
	unsigned int n;

	uvfio_mdev_parent_lock(parent);
	n = (SUPPLY - supply->used) / cost(type);
	uvfio_mdev_parent_unlock(parent);
	return n;
}

static int led_create(struct uvfio_mdev *dev)
{
	struct supply *supply = dev->parent->state;
	int ret = 0;

	uvfio_mdev_parent_lock(dev->parent);
	if (SUPPLY - supply->used < cost(dev->type))
		ret = -ENOSPC;
	else
		supply->used += cost(dev->type);
	uvfio_mdev_parent_unlock(dev->parent);
	return ret;
}

static void led_destroy(struct uvfio_mdev *dev)
{
	struct supply *supply = dev->parent->state;

	uvfio_mdev_parent_lock(dev->parent);
	supply->used -= cost(dev->type);
	uvfio_mdev_parent_unlock(dev->parent);
}

/* ---- configuration space --------------------------------------------------------------------- */

/* The header of a display controller (PCI Local Bus 3.0, 6.1); the vendor is made up. */
static void reset_config(struct view *view)
{
	static const uint8_t header[] = {
		0x34, 0x12, 0xd5, 0x1e, 0, 0, 0, 0, 0x01, 0, 0x80, 0x03,
	};

	memset(view->config, 0, sizeof(view->config));
	memcpy(view->config, header, sizeof(header));
	view->config[0x2c] = 0x34;
	view->config[0x2d] = 0x12;
	view->config[0x3d] = 1; /* INTA# */
}

/* Which bits of a byte a driver may write: COMMAND, the addresses in BARs, cache line, line. */
static uint8_t config_mask(uint64_t off)
{
	static const uint8_t bar0[] = { 0x100 - BAR0_SIZE, 0xff, 0xff, 0xff };
	static const uint8_t bar1[] = { 0x00, 0xf0, 0xff, 0xff };

	if (off >= 0x10 && off < 0x14)
		return bar0[off - 0x10];
	if (off >= 0x14 && off < 0x18)
		return bar1[off - 0x14];
	switch (off) {
	case 0x04:
		return 0x07;
	case 0x05:
		return 0x04;
	case 0x0c:
	case 0x3c:
		return 0xff;
	default:
		return 0;
	}
}

static void write_config(struct view *view, uint64_t off, const uint8_t *buf, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t mask = config_mask(off + i);

		view->config[off + i] =
			(uint8_t)((view->config[off + i] & ~mask) | (buf[i] & mask));
	}
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void set_status(struct uvfio_mdev *dev, uint32_t status)
{
	struct view *view = dev->data;

	view->status = status;
	if (status)
		uvfio_mdev_irq_raise(dev, 0, 0);
	else
		uvfio_mdev_irq_lower(dev, 0, 0);
}

static void show(struct uvfio_mdev *dev, const void *frame)
{
	struct panel *panel = dev->state;

	uvfio_mdev_lock(dev);
	memcpy(panel->led, frame, leds(dev));
	uvfio_mdev_unlock(dev);
}

static void follow_not(struct uvfio_mdev *dev)
{
	struct view *view = dev->data;
	uint64_t iova;
	int pins;

	pthread_mutex_lock(&view->lock);
	iova = view->followed;
	pins = view->pins;
	view->followed = 0;
	view->pins = 0;
	view->page = NULL;
	pthread_mutex_unlock(&view->lock);
	while (pins--)
		uvfio_mdev_unpin(dev, iova, 1);
}

/* Pins the page of the frame at @iova. Not with view->lock held: whoever unmaps it waits for the
 * library's locks. */
static int follow(struct uvfio_mdev *dev, uint64_t iova)
{
	struct view *view = dev->data;
	void *page;
	int ret;

	if (!iova || iova % PAGE + leds(dev) > PAGE)
		return -EINVAL;
	ret = uvfio_mdev_pin(dev, iova, 1, 0, &page);
	if (ret)
		return ret;
	pthread_mutex_lock(&view->lock);
	view->followed = iova;
	view->page = page;
	view->pins++;
	pthread_mutex_unlock(&view->lock);
	return 0;
}

/* The frame as it is now. */
static void take_frame(struct uvfio_mdev *dev, uint8_t *frame)
{
	struct view *view = dev->data;
	struct panel *panel = dev->state;
	uint64_t moved = 0;
	int ret = -1;

	pthread_mutex_lock(&view->lock);
	if (view->followed && !view->page)
		moved = view->followed;
	pthread_mutex_unlock(&view->lock);
	if (moved)
		follow(dev, moved);
	pthread_mutex_lock(&view->lock);
	if (view->page)
		ret = uvfio_mdev_copy(dev, frame, (char *)view->page + view->followed % PAGE,
				      leds(dev));
	pthread_mutex_unlock(&view->lock);
	if (!ret)
		return;
	uvfio_mdev_lock(dev);
	memcpy(frame, panel->led, leds(dev));
	uvfio_mdev_unlock(dev);
}

static uint32_t lit(struct uvfio_mdev *dev)
{
	uint8_t frame[MAX_LEDS];
	uint32_t n = 0;

	take_frame(dev, frame);
	for (size_t i = 0; i < leds(dev); i++)
		n += frame[i] != 0;
	return n;
}

static void command(struct uvfio_mdev *dev, uint32_t value)
{
	struct view *view = dev->data;
	uint8_t frame[MAX_LEDS];
	int ret = 0;

	switch (value) {
	case SHOW:
		ret = uvfio_mdev_dma_read(dev, view->addr, frame, leds(dev));
		if (!ret)
			show(dev, frame);
		break;
	case READ_BACK:
		take_frame(dev, frame);
		ret = uvfio_mdev_dma_write(dev, view->addr, frame, leds(dev));
		break;
	case SHOW_MEMORY:
		show(dev, uvfio_mdev_memory(dev, 1));
		break;
	case FOLLOW:
		follow_not(dev);
		ret = follow(dev, view->addr);
		break;
	case FOLLOW_NOT:
		take_frame(dev, frame);
		follow_not(dev);
		show(dev, frame);
		break;
	default:
		return;
	}
	set_status(dev, view->status | (ret ? FAILED : DONE));
}

/* ---- the operations -------------------------------------------------------------------------- */

static int led_open(struct uvfio_mdev *dev)
{
	struct view *view = calloc(1, sizeof(*view));

	if (!view)
		return -ENOMEM;
	pthread_mutex_init(&view->lock, NULL);
	reset_config(view);
	dev->data = view;
	return 0;
}

static void led_close(struct uvfio_mdev *dev)
{
	struct view *view = dev->data;

	follow_not(dev);
	dev->data = NULL;
	pthread_mutex_destroy(&view->lock);
	free(view);
}

static int led_reset(struct uvfio_mdev *dev)
{
	struct view *view = dev->data;
	uint8_t dark[MAX_LEDS] = { 0 };

	follow_not(dev);
	reset_config(view);
	view->addr = 0;
	set_status(dev, 0);
	show(dev, dark);
	return 0;
}

static uint32_t read_register(struct uvfio_mdev *dev, uint64_t off)
{
	struct view *view = dev->data;

	switch (off) {
	case ID:
		return 0x1ed50001;
	case SIZE:
		return columns(dev) | columns(dev) << 16;
	case ADDR_LOW:
		return (uint32_t)view->addr;
	case ADDR_HIGH:
		return (uint32_t)(view->addr >> 32);
	case STATUS:
		return view->status;
	case LIT:
		return lit(dev);
	default:
		return 0;
	}
}

static void write_register(struct uvfio_mdev *dev, uint64_t off, uint32_t value)
{
	struct view *view = dev->data;

	switch (off) {
	case ADDR_LOW:
		view->addr = (view->addr & ~0xffffffffull) | value;
		break;
	case ADDR_HIGH:
		view->addr = (view->addr & 0xffffffffull) | (uint64_t)value << 32;
		break;
	case COMMAND:
		command(dev, value);
		break;
	case STATUS:
		set_status(dev, view->status & ~value);
		break;
	}
}

static ssize_t led_read(struct uvfio_mdev *dev, unsigned int region, uint64_t off, void *buf,
			size_t count)
{
	struct view *view = dev->data;
	uint32_t value;

	if (region == CONFIG) {
		memcpy(buf, view->config + off, count);
		return (ssize_t)count;
	}
	if (count != 4 || off % 4)
		return -EINVAL;
	value = read_register(dev, off);
	memcpy(buf, &value, 4);
	return 4;
}

static ssize_t led_write(struct uvfio_mdev *dev, unsigned int region, uint64_t off, const void *buf,
			 size_t count)
{
	uint32_t value;

	if (region == CONFIG) {
		write_config(dev->data, off, buf, count);
		return (ssize_t)count;
	}
	if (count != 4 || off % 4)
		return -EINVAL;
	memcpy(&value, buf, 4);
	write_register(dev, off, value);
	return 4;
}

static void led_dma_unmap(struct uvfio_mdev *dev, uint64_t iova, uint64_t len)
{
	struct view *view = dev->data;
	int hit;

	pthread_mutex_lock(&view->lock);
	hit = view->followed && view->followed - iova < len;
	pthread_mutex_unlock(&view->lock);
	if (hit)
		follow_not(dev);
}

static void led_dma_moved(struct uvfio_mdev *dev, uint64_t iova)
{
	struct view *view = dev->data;

	pthread_mutex_lock(&view->lock);
	view->page = NULL;
	pthread_mutex_unlock(&view->lock);
}

/* ---- what there is --------------------------------------------------------------------------- */

static const struct uvfio_mdev_type led_types[] = {
	{ .name = "8", .pretty_name = "8 x 8 LEDs", .description = "a small panel", .arg = 8 },
	{ .name = "16", .pretty_name = "16 x 16 LEDs", .description = "a large panel", .arg = 16 },
};

static const struct uvfio_mdev_region led_regions[9] = {
	[0] = { BAR0_SIZE, UVFIO_REGION_READ | UVFIO_REGION_WRITE },
	[1] = { PAGE, UVFIO_REGION_READ | UVFIO_REGION_WRITE | UVFIO_REGION_MMAP },
	[CONFIG] = { CONFIG_SIZE, UVFIO_REGION_READ | UVFIO_REGION_WRITE },
};

static const struct uvfio_mdev_irq led_irqs[5] = {
	[0] = { 1, UVFIO_IRQ_EVENTFD | UVFIO_IRQ_MASKABLE | UVFIO_IRQ_AUTOMASKED },
	[4] = { 1, UVFIO_IRQ_EVENTFD | UVFIO_IRQ_NORESIZE },
};

extern const struct uvfio_mdev_ops led_ops;
const struct uvfio_mdev_ops led_ops = {
	.version = UVFIO_MDEV_VERSION,
	.size = sizeof(struct uvfio_mdev_ops),
	.name = "led",
	.types = led_types,
	.num_types = 2,
	.num_regions = 9,
	.regions = led_regions,
	.irqs = led_irqs,
	.num_irqs = 5,
	.parent_state_size = sizeof(struct supply),
	.state_size = sizeof(struct panel),
	.available = led_available,
	.create = led_create,
	.destroy = led_destroy,
	.open = led_open,
	.close = led_close,
	.reset = led_reset,
	.read = led_read,
	.write = led_write,
	.dma_unmap = led_dma_unmap,
	.dma_moved = led_dma_moved,
};

UVFIO_MDEV_MODULE(led_ops);
