/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small polled NVMe driver over VFIO (NVM Express 1.4), for tests: one admin and one I/O queue
 * pair, one command at a time from one thread.
 */
#ifndef STRESS_NVME_DRIVER_H
#define STRESS_NVME_DRIVER_H

#include <stdint.h>

struct nvme_queue {
	uint32_t *sq;	       /* 64 entries of 16 dwords */
	volatile uint32_t *cq; /* 64 entries of 4 dwords */
	uint16_t tail, head, phase, id;
};

struct nvme_driver {
	int container, group, device;
	volatile uint8_t *bar;
	struct nvme_queue admin, io;
};

/* Opens @group ("/dev/vfio/1") and @address with type1 v2, enables the controller and makes the I/O
 * queue. Queues live at IOVA 0x10000 to 0x14000. 0 or -errno; a message on stderr. */
int nvme_driver_open(struct nvme_driver *nvme, const char *group, const char *address);
void nvme_driver_close(struct nvme_driver *nvme);
/* One block of 512 bytes from LBA @lba to @iova (or the other way). The status field (0: success,
 * NVM Express 1.4, 4.6.1) or -ETIMEDOUT. */
int nvme_driver_rw(struct nvme_driver *nvme, int write, uint64_t lba, uint16_t blocks,
		   uint64_t iova);

int nvme_driver_map(struct nvme_driver *nvme, void *memory, uint64_t iova, uint64_t len);
int nvme_driver_unmap(struct nvme_driver *nvme, uint64_t iova, uint64_t len);

#endif
