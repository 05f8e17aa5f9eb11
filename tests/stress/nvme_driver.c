/* SPDX-License-Identifier: BSD-3-Clause */
/* See nvme_driver.h. Section numbers are those of NVM Express 1.4. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <linux/vfio.h>
#include "door.h"
#include "nvme_driver.h"

#define QUEUE_IOVA   0x10000u
#define PAGE	     4096u
#define QUEUE_SIZE   64u
#define REG_CC	     0x14
#define REG_CSTS     0x1c
#define REG_AQA	     0x24
#define REG_ASQ	     0x28
#define REG_ACQ	     0x30
#define DOORBELLS    0x1000
#define CC_ENABLE    0x00460001u /* 7.6.1: 64-byte and 16-byte entries, 4 KiB pages, enabled */
#define OP_CREATE_SQ 0x01
#define OP_CREATE_CQ 0x05

static void reg_write(struct nvme_driver *nvme, unsigned int off, uint32_t value)
{
	*(volatile uint32_t *)(nvme->bar + off) = value;
}

static uint32_t reg_read(struct nvme_driver *nvme, unsigned int off)
{
	return *(volatile uint32_t *)(nvme->bar + off);
}

static bool timed_out(const struct timespec *start, int seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec > seconds;
}

static int wait_ready(struct nvme_driver *nvme, uint32_t ready)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while ((reg_read(nvme, REG_CSTS) & 1) != ready)
		if (timed_out(&start, 30))
			return -ETIMEDOUT;
	return 0;
}

/* 7.2.1: places the command, rings the doorbell, waits for the completion. */
static int submit(struct nvme_driver *nvme, struct nvme_queue *q, const uint32_t command[16])
{
	volatile uint32_t *cqe = q->cq + q->head * 4;
	struct timespec start;
	uint32_t dw3;

	memcpy(q->sq + q->tail * 16, command, 64);
	q->tail = (uint16_t)((q->tail + 1) % QUEUE_SIZE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	reg_write(nvme, DOORBELLS + q->id * 8u, q->tail);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		dw3 = __atomic_load_n(&cqe[3], __ATOMIC_ACQUIRE);
		if (timed_out(&start, 60))
			return -ETIMEDOUT;
	} while ((dw3 >> 16 & 1) != q->phase);
	q->head = (uint16_t)((q->head + 1) % QUEUE_SIZE);
	if (!q->head)
		q->phase ^= 1;
	reg_write(nvme, DOORBELLS + q->id * 8u + 4, q->head);
	return (int)(dw3 >> 17);
}

int nvme_driver_map(struct nvme_driver *nvme, void *memory, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = len,
	};

	return door_ioctl(nvme->container, VFIO_IOMMU_MAP_DMA, &map);
}

int nvme_driver_unmap(struct nvme_driver *nvme, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
						    .iova = iova,
						    .size = len };
	int rc = door_ioctl(nvme->container, VFIO_IOMMU_UNMAP_DMA, &unmap);

	return rc < 0 ? rc : unmap.size == len ? 0 : -EIO;
}

static int create_queues(struct nvme_driver *nvme, uint8_t *memory)
{
	uint32_t command[16];
	int rc;

	nvme->admin = (struct nvme_queue){
		.sq = (void *)memory, .cq = (void *)(memory + PAGE), .phase = 1, .id = 0
	};
	nvme->io = (struct nvme_queue){ .sq = (void *)(memory + 2 * PAGE),
					.cq = (void *)(memory + 3 * PAGE),
					.phase = 1,
					.id = 1 };
	reg_write(nvme, REG_CC, 0);
	rc = wait_ready(nvme, 0);
	if (rc)
		return rc;
	reg_write(nvme, REG_AQA, (QUEUE_SIZE - 1) << 16 | (QUEUE_SIZE - 1));
	reg_write(nvme, REG_ASQ, QUEUE_IOVA);
	reg_write(nvme, REG_ASQ + 4, 0);
	reg_write(nvme, REG_ACQ, QUEUE_IOVA + PAGE);
	reg_write(nvme, REG_ACQ + 4, 0);
	reg_write(nvme, REG_CC, CC_ENABLE);
	rc = wait_ready(nvme, 1);
	if (rc)
		return rc;
	/* 5.3, 5.4: one pair, physically contiguous, no interrupts. */
	memset(command, 0, sizeof(command));
	command[0] = OP_CREATE_CQ;
	command[6] = QUEUE_IOVA + 3 * PAGE;
	command[10] = (QUEUE_SIZE - 1) << 16 | 1;
	command[11] = 1;
	rc = submit(nvme, &nvme->admin, command);
	if (rc)
		return rc < 0 ? rc : -EIO;
	command[0] = OP_CREATE_SQ;
	command[6] = QUEUE_IOVA + 2 * PAGE;
	command[11] = 1 << 16 | 1;
	rc = submit(nvme, &nvme->admin, command);
	return rc > 0 ? -EIO : rc;
}

int nvme_driver_open(struct nvme_driver *nvme, const char *group, const char *address)
{
	struct vfio_region_info region = { .argsz = sizeof(region),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	uint16_t command = 6; /* memory decode and bus master */
	const char *step = "/dev/vfio/vfio";
	uint8_t *memory;
	int rc;

	rc = nvme->container = door_open("/dev/vfio/vfio");
	if (rc < 0)
		goto fail;
	step = group;
	rc = nvme->group = door_open(group);
	if (rc < 0)
		goto fail;
	step = "SET_CONTAINER";
	rc = door_ioctl(nvme->group, VFIO_GROUP_SET_CONTAINER, &nvme->container);
	if (rc)
		goto fail;
	step = "SET_IOMMU";
	rc = door_ioctl(nvme->container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU);
	if (rc)
		goto fail;
	step = address;
	rc = nvme->device = door_ioctl(nvme->group, VFIO_GROUP_GET_DEVICE_FD, (void *)address);
	if (rc < 0)
		goto fail;
	step = "config space";
	rc = door_ioctl(nvme->device, VFIO_DEVICE_GET_REGION_INFO, &region);
	if (rc)
		goto fail;
	rc = door_pwrite(nvme->device, &command, sizeof(command), region.offset + 4);
	if (rc != sizeof(command))
		goto fail;
	step = "BAR 0";
	nvme->bar = door_mmap(nvme->device, 2 * PAGE, 0);
	rc = -ENOMEM;
	if (!nvme->bar)
		goto fail;
	step = "queue memory";
	memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		goto fail;
	rc = nvme_driver_map(nvme, memory, QUEUE_IOVA, 4 * PAGE);
	if (rc)
		goto fail;
	step = "controller";
	rc = create_queues(nvme, memory);
	if (!rc)
		return 0;
fail:
	fprintf(stderr, "nvme: %s: %s\n", step, strerror(-rc));
	return rc < 0 ? rc : -EIO;
}

void nvme_driver_close(struct nvme_driver *nvme)
{
	door_munmap((void *)nvme->bar, 2 * PAGE);
#ifdef DOOR_API
	uvfio_close(door_machine, nvme->device);
	uvfio_close(door_machine, nvme->group);
	uvfio_close(door_machine, nvme->container);
#else
	close(nvme->device);
	close(nvme->group);
	close(nvme->container);
#endif
}

int nvme_driver_rw(struct nvme_driver *nvme, int write, uint64_t lba, uint16_t blocks,
		   uint64_t iova)
{
	uint32_t command[16] = { [0] = write ? 1 : 2, [1] = 1 };

	command[6] = (uint32_t)iova;
	command[7] = (uint32_t)(iova >> 32);
	command[10] = (uint32_t)lba;
	command[11] = (uint32_t)(lba >> 32);
	command[12] = blocks - 1u;
	return submit(nvme, &nvme->io, command);
}
