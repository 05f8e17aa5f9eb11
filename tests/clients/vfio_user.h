/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests' own users of a VFIO device share. Functions return -1 with errno set when they
 * fail; each program says that in its own way. */
#ifndef TESTS_CLIENTS_VFIO_USER_H
#define TESTS_CLIENTS_VFIO_USER_H

#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The group of the device @name on @bus ("pci", "mdev"). */
static inline int vfio_open_group(const char *bus, const char *name)
{
	char path[128], target[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/iommu_group", bus, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio%.64s", strrchr(target, '/'));
	return open(path, O_RDWR);
}

/* A container with type1v2 that @group is in. */
static inline int vfio_open_container(int group)
{
	int container = open("/dev/vfio/vfio", O_RDWR);

	if (container < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -1;
	return container;
}

static inline int vfio_map(int container, void *mem, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ |
							 VFIO_DMA_MAP_FLAG_WRITE,
						.vaddr = (uintptr_t)mem,
						.iova = iova,
						.size = size };

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

/* An eventfd that says that the device is wanted back; EINVAL: it has no such interrupt. */
static inline int vfio_request_fd(int device)
{
	union {
		struct vfio_irq_set set;
		unsigned char bytes[sizeof(struct vfio_irq_set) + sizeof(int)];
	} irq = { .set = { .argsz = sizeof(irq),
			   .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			   .index = VFIO_PCI_REQ_IRQ_INDEX,
			   .count = 1 } };
	int fd = eventfd(0, 0);

	memcpy(irq.bytes + sizeof(irq.set), &fd, sizeof(fd));
	return ioctl(device, VFIO_DEVICE_SET_IRQS, &irq) ? -1 : fd;
}

/* Config space: how many bytes came. */
static inline ssize_t vfio_config_access(int device, off_t off, void *buf, size_t len, int write)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_CONFIG_REGION_INDEX };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -1;
	off += (off_t)info.offset;
	return write ? pwrite(device, buf, len, off) : pread(device, buf, len, off);
}

#endif
