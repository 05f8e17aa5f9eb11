/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nvme_vf PF VF: drives an NVMe controller with SR-IOV and its first VF, each in a container
 * of its own. The PF's admin queue gives the VF resources and takes it online (NVM Express 1.4,
 * 5.22); what the VF then writes the PF reads. Exit status 0: all was as it should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio_user.h"

#define PAGE	  4096UL
#define ENTRIES	  16U
#define IOVA	  0x100000UL
#define TOKEN	  "vf_token=2ab74924-c335-45f4-9b16-8569e5b08258"
#define REG_CC	  0x14
#define REG_CSTS  0x1c
#define REG_AQA	  0x24
#define REG_ASQ	  0x28
#define REG_ACQ	  0x30
#define DOORBELLS 0x1000
#define CC_ENABLE 0x00460001U
#define CSTS_RDY  1U
#define CSTS_CFS  2U
#define ASSIGN	  8U
#define ONLINE	  9U
#define LBA	  5U

/* Pages of a controller's memory: two queues of each kind, and data. */
enum { ADMIN_SQ, ADMIN_CQ, IO_SQ, IO_CQ, DATA, PAGES };

struct ctrl {
	int device;
	volatile uint8_t *bar;
	uint8_t *mem;
	struct {
		unsigned int tail, head, phase;
	} queue[2];
};

static void die(const char *what)
{
	fprintf(stderr, "nvme_vf: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t get(struct ctrl *c, unsigned int off)
{
	return *(volatile uint32_t *)(c->bar + off);
}

static void set(struct ctrl *c, unsigned int off, uint32_t value)
{
	*(volatile uint32_t *)(c->bar + off) = value;
}

static void await(struct ctrl *c, uint32_t bits, uint32_t wanted)
{
	for (unsigned int i = 0; (get(c, REG_CSTS) & bits) != wanted; i++) {
		if (i == 30000)
			die("CSTS");
		usleep(1000);
	}
}

static void plug(struct ctrl *c, const char *bdf)
{
	struct vfio_region_info bar = { .argsz = sizeof(bar) };
	int group = vfio_open_group("pci", bdf), container;
	char name[128];
	uint16_t command = 6; /* memory, bus master */

	if (group < 0)
		die(bdf);
	container = vfio_open_container(group);
	if (container < 0)
		die("container");
	snprintf(name, sizeof(name), "%s " TOKEN, bdf);
	c->device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (c->device < 0 || ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, &bar) ||
	    vfio_config_access(c->device, 4, &command, 2, 1) != 2)
		die(name);
	c->bar = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, c->device,
		      (off_t)bar.offset);
	c->mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (c->bar == MAP_FAILED || c->mem == MAP_FAILED ||
	    vfio_map(container, c->mem, IOVA, PAGES * PAGE))
		die("memory");
}

static void enable(struct ctrl *c)
{
	set(c, REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	set(c, REG_ASQ, IOVA + ADMIN_SQ * PAGE);
	set(c, REG_ASQ + 4, 0);
	set(c, REG_ACQ, IOVA + ADMIN_CQ * PAGE);
	set(c, REG_ACQ + 4, 0);
	set(c, REG_CC, CC_ENABLE);
	c->queue[0].phase = c->queue[1].phase = 1;
	await(c, CSTS_RDY | CSTS_CFS, CSTS_RDY);
}

/* One command on the admin (0) or the I/O queue; its status. */
static unsigned int command(struct ctrl *c, unsigned int q, const uint32_t dw[16])
{
	volatile uint32_t *cq = (volatile uint32_t *)(c->mem + (q ? IO_CQ : ADMIN_CQ) * PAGE);
	volatile uint32_t *entry = cq + 4 * c->queue[q].head;
	unsigned int status;

	memcpy(c->mem + (q ? IO_SQ : ADMIN_SQ) * PAGE + 64 * c->queue[q].tail, dw, 64);
	c->queue[q].tail = (c->queue[q].tail + 1) % ENTRIES;
	set(c, DOORBELLS + 8 * q, c->queue[q].tail);
	for (unsigned int i = 0; (entry[3] >> 16 & 1) != c->queue[q].phase; i++) {
		if (i == 30000)
			die("completion");
		usleep(1000);
	}
	status = entry[3] >> 17;
	c->queue[q].head = (c->queue[q].head + 1) % ENTRIES;
	c->queue[q].phase ^= c->queue[q].head == 0;
	set(c, DOORBELLS + 8 * q + 4, c->queue[q].head);
	return status;
}

static void must(struct ctrl *c, unsigned int q, const uint32_t dw[16], const char *what)
{
	unsigned int status = command(c, q, dw);

	if (status) {
		fprintf(stderr, "nvme_vf: %s: status %#x\n", what, status);
		exit(1);
	}
}

static void create_queues(struct ctrl *c)
{
	const uint32_t size = (ENTRIES - 1) << 16;
	const uint32_t cq[16] = { [0] = 5, [6] = IOVA + IO_CQ * PAGE, [10] = size | 1, [11] = 1 };
	const uint32_t sq[16] = {
		[0] = 1, [6] = IOVA + IO_SQ * PAGE, [10] = size | 1, [11] = 1 << 16 | 1
	};

	must(c, 0, cq, "create completion queue");
	must(c, 0, sq, "create submission queue");
}

static void manage(struct ctrl *pf, unsigned int action, unsigned int type, unsigned int num)
{
	const uint32_t dw[16] = { [0] = 0x1c, [10] = action | type << 8 | 1 << 16, [11] = num };

	must(pf, 0, dw, "Virtualization Management");
}

static void transfer(struct ctrl *c, unsigned int opcode)
{
	const uint32_t dw[16] = { [0] = opcode, [1] = 1, [6] = IOVA + DATA * PAGE, [10] = LBA };

	must(c, 1, dw, opcode == 1 ? "write" : "read");
}

int main(int argc, char **argv)
{
	struct ctrl pf = { .device = -1 }, vf = { .device = -1 };

	if (argc != 3) {
		fprintf(stderr, "usage: %s PF VF\n", argv[0]);
		return 1;
	}
	plug(&pf, argv[1]);
	enable(&pf);
	plug(&vf, argv[2]);
	if (get(&vf, REG_CSTS) != CSTS_CFS)
		die("the VF is not offline");
	manage(&pf, ASSIGN, 0, 2);
	manage(&pf, ASSIGN, 1, 1);
	manage(&pf, ONLINE, 0, 0);
	await(&vf, CSTS_CFS, 0);
	enable(&vf);
	create_queues(&vf);
	memset(vf.mem + DATA * PAGE, 0xa5, 512);
	transfer(&vf, 1);
	create_queues(&pf);
	transfer(&pf, 2);
	if (memcmp(pf.mem + DATA * PAGE, vf.mem + DATA * PAGE, 512) != 0) {
		fprintf(stderr, "nvme_vf: the PF reads other data\n");
		return 1;
	}
	puts("the PF reads what the VF wrote");
	return 0;
}
