/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of a life share. */
#ifndef LOWRES_LIFE_PRIV_H
#define LOWRES_LIFE_PRIV_H

#include <linux/vfio.h>

#include "life_door.h"

#define DEVICES	 "/sys/bus/pci/devices/"
#define DRIVER	 "/sys/bus/pci/drivers/vfio-pci"
#define PAGE	 4096u
#define MEM_IOVA 0x100000u
#define MEM_SIZE (64 * PAGE)

/* [0] is the NVMe controller, [1] the DMA engine. */
struct life {
	int container, group[2], device[2];
	char path[2][64];
	uint8_t *memory; /* MEM_SIZE at MEM_IOVA */
	void *bar[2];
	int event[3];
};
extern struct life life;

struct life_step {
	const char *name;
	int (*fn)(void);
	const int *errnos; /* beside the usual ones, 0 at the end */
};

extern const struct life_step life_open_steps[], life_device_steps[], life_dma_steps[],
	life_close_steps[];

#endif
