/* SPDX-License-Identifier: BSD-3-Clause */
/* The kind "mdev" of the trace: instances come and go, and what the driver vfio_mdev hands on to
 * their parents. */
#include <inttypes.h>
#include <stdio.h>

#include "machine/mdev_priv.h"
#include "machine/trace_priv.h"
#include "mdev/trace.h"

/* What an event's b and c are. */
enum mdev_value { VALUE_NONE, VALUE_NUMBER, VALUE_TWO, VALUE_PLACE, VALUE_RANGE, VALUE_COMMAND };

static const struct {
	const char *name;
	enum mdev_value value;
} ops[MDEV_OPS] = {
	[MDEV_CREATE] = { "create", VALUE_NONE },
	[MDEV_REMOVE] = { "remove", VALUE_NONE },
	[MDEV_OPEN_DEVICE] = { "open_device", VALUE_NONE },
	[MDEV_CLOSE_DEVICE] = { "close_device", VALUE_NONE },
	[MDEV_GET_INFO] = { "get_info", VALUE_NONE },
	[MDEV_GET_REGION_INFO] = { "get_region_info", VALUE_NUMBER },
	[MDEV_GET_IRQ_INFO] = { "get_irq_info", VALUE_NUMBER },
	[MDEV_SET_IRQS] = { "set_irqs", VALUE_TWO },
	[MDEV_RESET] = { "reset", VALUE_NONE },
	[MDEV_REGION_READ] = { "region_read", VALUE_PLACE },
	[MDEV_REGION_WRITE] = { "region_write", VALUE_PLACE },
	[MDEV_MMAP] = { "mmap", VALUE_PLACE },
	[MDEV_MMIO_READ] = { "mmio_read", VALUE_PLACE },
	[MDEV_MMIO_WRITE] = { "mmio_write", VALUE_PLACE },
	[MDEV_REQUEST] = { "request", VALUE_NUMBER },
	[MDEV_DEVICE_FEATURE] = { "device_feature", VALUE_TWO },
	[MDEV_DMA_UNMAP] = { "dma_unmap", VALUE_RANGE },
	[MDEV_IOCTL] = { "ioctl", VALUE_COMMAND },
};

static void put_value(const struct event *event, enum mdev_value value, char *buf, size_t size)
{
	uint64_t b = event->b, c = event->c;

	switch (value) {
	case VALUE_NONE:
		buf[0] = '\0';
		break;
	case VALUE_NUMBER:
		snprintf(buf, size, " %" PRIu64, b);
		break;
	case VALUE_TWO:
		snprintf(buf, size, " %" PRIu64 ", %" PRIu64, b, c);
		break;
	case VALUE_PLACE:
		snprintf(buf, size, " region %" PRIu64 " at 0x%" PRIx64 ", %" PRIu64 " bytes",
			 b >> 40, b & ((UINT64_C(1) << 40) - 1), c);
		break;
	case VALUE_RANGE:
		snprintf(buf, size, " 0x%" PRIx64 ", %" PRIu64 " bytes", b, c);
		break;
	case VALUE_COMMAND:
		snprintf(buf, size, " 0x%" PRIx64, b);
		break;
	}
}

bool trace_format_mdev(const struct event *event, char *line, size_t size)
{
	uint64_t op = event->a & ~MDEV_RESULT;
	char value[80];

	if (op >= MDEV_OPS)
		return false;
	if (event->a & MDEV_RESULT)
		snprintf(value, sizeof(value), " = %" PRId64, (int64_t)event->b);
	else
		put_value(event, ops[op].value, value, sizeof(value));
	snprintf(line, size, "mdev %.36s: %s%s\n", mdev_slot_name(event->dev), ops[op].name, value);
	return true;
}
