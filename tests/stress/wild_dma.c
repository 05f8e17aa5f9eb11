/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver with a bug: wild_dma KIND lets the controller read a block into memory and ends with 0.
 *
 *	mapped		a correct driver, to compare with
 *	unmapped	the IOVA was never mapped
 *	stale		the IOVA was unmapped before the device used it
 *	read-only	the IOVA is mapped for reading only
 *
 * `uvfio run` must report all but the first and end with 99.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/vfio.h>
#include "door.h"
#include "nvme_driver.h"

#define IOVA 0x200000000ULL

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "mapped", *group = getenv("STRESS_GROUP");
	struct nvme_driver nvme;
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ,
						.vaddr = (uintptr_t)memory,
						.iova = IOVA,
						.size = 4096 };
	int status;

	if (memory == MAP_FAILED ||
	    nvme_driver_open(&nvme, group ? group : "/dev/vfio/2", "0000:01:00.0"))
		return 1;
	if (strcmp(kind, "read-only"))
		map.flags |= VFIO_DMA_MAP_FLAG_WRITE;
	if (strcmp(kind, "unmapped") && door_ioctl(nvme.container, VFIO_IOMMU_MAP_DMA, &map))
		return 1;
	if (!strcmp(kind, "stale") && nvme_driver_unmap(&nvme, IOVA, 4096))
		return 1;
	status = nvme_driver_rw(&nvme, 0, 0, 8, IOVA);
	printf("%s: status 0x%x\n", kind, status);
	nvme_driver_close(&nvme);
	/* A device that was stopped says so: data transfer error (NVM Express 1.4, 4.6.1.2.1). */
	return (status & 0x7ff) != (strcmp(kind, "mapped") ? 0x04 : 0);
}
