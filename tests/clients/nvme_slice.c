/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nvme_slice UUID COMMAND: drives an NVMe slice, a mediated device, through VFIO.
 *
 *	id		says what Identify says: size in bytes, serial number, NQN
 *	write BYTE	fills the whole namespace with BYTE
 *	read BYTE	exits with 0 when all of it is BYTE
 *	hostile		asks for blocks outside of it in every way: none may be had
 *	hold polite|stubborn	keeps it open until it is asked for (polite) or for good
 *	bench SECONDS DEPTH BYTES	reads from a full second on; says bytes a second
 *	spin		the same without end
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio_user.h"

#define PAGE	  4096UL
#define ENTRIES	  64U
#define IOVA	  0x100000UL
#define REG_CC	  0x14
#define REG_CSTS  0x1c
#define REG_AQA	  0x24
#define REG_ASQ	  0x28
#define REG_ACQ	  0x30
#define DOORBELLS 0x1000
#define CC_ENABLE 0x00460001U
#define CSTS_RDY  1U
#define CSTS_CFS  2U
#define CHUNK	  (128U << 10)
#define LBA_RANGE 0x80U

/* Pages of the controller's memory: queues, Identify, one PRP list a command, and data. */
enum { ADMIN_SQ, ADMIN_CQ, IO_SQ, IO_CQ, ID, LISTS, DATA = LISTS + ENTRIES };
#define PAGES (DATA + CHUNK / PAGE)

static struct ctrl {
	int device;
	volatile uint8_t *bar;
	uint8_t *mem;
	uint64_t blocks; /* of 512 bytes */
	struct {
		unsigned int tail, head, phase;
	} queue[2];
} ctrl;

static void die(const char *what)
{
	fprintf(stderr, "nvme_slice: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t get(unsigned int off)
{
	return *(volatile uint32_t *)(ctrl.bar + off);
}

static void set(unsigned int off, uint32_t value)
{
	*(volatile uint32_t *)(ctrl.bar + off) = value;
}

static void plug(const char *uuid)
{
	struct vfio_region_info bar = { .argsz = sizeof(bar) };
	int group = vfio_open_group("mdev", uuid), container;
	uint16_t command = 6; /* memory, bus master */

	if (group < 0)
		die(uuid);
	container = vfio_open_container(group);
	if (container < 0)
		die("container");
	ctrl.device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, uuid);
	if (ctrl.device < 0 || ioctl(ctrl.device, VFIO_DEVICE_GET_REGION_INFO, &bar) ||
	    vfio_config_access(ctrl.device, 4, &command, 2, 1) != 2)
		die(uuid);
	ctrl.bar = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, ctrl.device,
			(off_t)bar.offset);
	ctrl.mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	if (ctrl.bar == MAP_FAILED || ctrl.mem == MAP_FAILED ||
	    vfio_map(container, ctrl.mem, IOVA, PAGES * PAGE))
		die("memory");
}

static void push(unsigned int q, const uint32_t dw[16])
{
	memcpy(ctrl.mem + (q ? IO_SQ : ADMIN_SQ) * PAGE + 64 * (size_t)ctrl.queue[q].tail, dw, 64);
	ctrl.queue[q].tail = (ctrl.queue[q].tail + 1) % ENTRIES;
}

static void ring(unsigned int q)
{
	set(DOORBELLS + 8 * q, ctrl.queue[q].tail);
}

/* Waits for the next completion; its status. */
static unsigned int reap(unsigned int q)
{
	volatile uint32_t *cq = (volatile uint32_t *)(ctrl.mem + (q ? IO_CQ : ADMIN_CQ) * PAGE);
	volatile uint32_t *entry = cq + 4 * ctrl.queue[q].head;
	unsigned int status;

	for (unsigned int i = 0; (entry[3] >> 16 & 1) != ctrl.queue[q].phase; i++) {
		if (i > 1200000)
			die("completion");
		if (i > 1000)
			usleep(100);
	}
	status = entry[3] >> 17 & 0x7ff;
	ctrl.queue[q].head = (ctrl.queue[q].head + 1) % ENTRIES;
	ctrl.queue[q].phase ^= ctrl.queue[q].head == 0;
	return status;
}

static unsigned int command(unsigned int q, const uint32_t dw[16])
{
	unsigned int status;

	push(q, dw);
	ring(q);
	status = reap(q);
	set(DOORBELLS + 8 * q + 4, ctrl.queue[q].head);
	return status;
}

static void must(unsigned int q, const uint32_t dw[16], const char *what)
{
	unsigned int status = command(q, dw);

	if (status) {
		fprintf(stderr, "nvme_slice: %s: status %#x\n", what, status);
		exit(1);
	}
}

static void identify(unsigned int cns, unsigned int nsid)
{
	const uint32_t dw[16] = { [0] = 6, [1] = nsid, [6] = IOVA + ID * PAGE, [10] = cns };

	must(0, dw, "Identify");
}

static void start(void)
{
	const uint32_t size = (ENTRIES - 1) << 16;
	const uint32_t cq[16] = { [0] = 5, [6] = IOVA + IO_CQ * PAGE, [10] = size | 1, [11] = 1 };
	const uint32_t sq[16] = {
		[0] = 1, [6] = IOVA + IO_SQ * PAGE, [10] = size | 1, [11] = 1 << 16 | 1
	};

	set(REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	set(REG_ASQ, IOVA + ADMIN_SQ * PAGE);
	set(REG_ASQ + 4, 0);
	set(REG_ACQ, IOVA + ADMIN_CQ * PAGE);
	set(REG_ACQ + 4, 0);
	set(REG_CC, CC_ENABLE);
	ctrl.queue[0].phase = ctrl.queue[1].phase = 1;
	for (unsigned int i = 0; (get(REG_CSTS) & (CSTS_RDY | CSTS_CFS)) != CSTS_RDY; i++) {
		if (i == 30000)
			die("CSTS");
		usleep(1000);
	}
	must(0, cq, "create completion queue");
	must(0, sq, "create submission queue");
	identify(0, 1);
	memcpy(&ctrl.blocks, ctrl.mem + ID * PAGE, 8);
}

/* A command of @bytes at block @lba; its data are at DATA. Slot @slot has its PRP list. */
static void fill_rw(uint32_t dw[16], unsigned int opcode, uint64_t lba, unsigned int bytes,
		    unsigned int slot)
{
	uint64_t *list = (uint64_t *)(void *)(ctrl.mem + (LISTS + slot) * PAGE);

	for (unsigned int i = 1; i < bytes / PAGE; i++)
		list[i - 1] = IOVA + (DATA + i) * PAGE;
	memset(dw, 0, 64);
	dw[0] = opcode | slot << 16;
	dw[1] = 1;
	dw[6] = IOVA + DATA * PAGE;
	dw[8] = (uint32_t)(bytes > 2 * PAGE ? IOVA + (LISTS + slot) * PAGE
					    : IOVA + (DATA + 1) * PAGE);
	dw[10] = (uint32_t)lba;
	dw[11] = (uint32_t)(lba >> 32);
	dw[12] = bytes / 512 - 1;
}

static unsigned int rw(unsigned int opcode, uint64_t lba, unsigned int bytes)
{
	uint32_t dw[16];

	fill_rw(dw, opcode, lba, bytes, 0);
	return command(1, dw);
}

static int do_id(void)
{
	identify(1, 0);
	printf("size %llu\nserial %.20s\nnqn %.255s\n", (unsigned long long)ctrl.blocks * 512,
	       (char *)ctrl.mem + ID * PAGE + 4, (char *)ctrl.mem + ID * PAGE + 768);
	return 0;
}

static int do_write(int byte)
{
	memset(ctrl.mem + DATA * PAGE, byte, CHUNK);
	for (uint64_t lba = 0; lba < ctrl.blocks; lba += CHUNK / 512)
		if (rw(1, lba, CHUNK))
			die("write");
	return 0;
}

static int do_read(int byte)
{
	const uint8_t *data = ctrl.mem + DATA * PAGE;

	for (uint64_t lba = 0; lba < ctrl.blocks; lba += CHUNK / 512) {
		memset(ctrl.mem + DATA * PAGE, ~byte, CHUNK);
		if (rw(2, lba, CHUNK))
			die("read");
		for (unsigned int i = 0; i < CHUNK; i++) {
			if (data[i] != byte) {
				printf("block %llu: %#x\n", (unsigned long long)lba + i / 512,
				       data[i]);
				return 1;
			}
		}
	}
	return 0;
}

static int do_hostile(void)
{
	/* Write, read, compare, write zeroes, verify. */
	static const unsigned int opcodes[] = { 1, 2, 5, 8, 12 };
	const uint64_t at[] = { ctrl.blocks, ctrl.blocks - 1, ctrl.blocks + 1,	-ctrl.blocks,
				UINT64_MAX,  1ULL << 55,      (1ULL << 55) + 1, 1ULL << 63 };

	memset(ctrl.mem + DATA * PAGE, 0xee, PAGE);
	for (unsigned int i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		for (unsigned int k = 0; k < sizeof(opcodes) / sizeof(opcodes[0]); k++)
			if (rw(opcodes[k], at[i], 1024) != LBA_RANGE) {
				printf("opcode %u at %#llx\n", opcodes[k],
				       (unsigned long long)at[i]);
				return 1;
			}
	for (size_t i = 0; i < PAGE; i++)
		if (ctrl.mem[DATA * PAGE + i] != 0xee)
			return 1;
	puts("nothing to be had");
	return 0;
}

static int do_hold(const char *how)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irq = { .set = { .argsz = sizeof(irq),
			   .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			   .index = VFIO_PCI_REQ_IRQ_INDEX,
			   .count = 1 } };
	uint64_t n;

	irq.fd = eventfd(0, 0);
	if (ioctl(ctrl.device, VFIO_DEVICE_SET_IRQS, &irq))
		die("SET_IRQS");
	puts("ready");
	fflush(stdout);
	if (read(irq.fd, &n, sizeof(n)) != sizeof(n))
		die("eventfd");
	puts("asked");
	fflush(stdout);
	while (strcmp(how, "polite"))
		pause();
	return 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Keeps @depth commands in the queue. @seconds 0: for good. */
static int do_bench(double seconds, unsigned int depth, unsigned int bytes)
{
	unsigned int slot = 0, flying = 0;
	uint64_t lba = 0, moved = 0;
	double begin, end;
	uint32_t dw[16];

	if (depth >= ENTRIES || bytes > CHUNK || bytes % PAGE)
		die("bench");
	memset(ctrl.mem + DATA * PAGE, 1, CHUNK);
	if (seconds <= 0) {
		puts("ready");
		fflush(stdout);
	}
	/* Those who began within the same second measure at the same time. */
	for (begin = now(); seconds > 0 && now() < (double)(uint64_t)begin + 1;)
		usleep(100);
	begin = now();
	do {
		for (; flying < depth; flying++, slot = (slot + 1) % ENTRIES) {
			fill_rw(dw, 2, lba, bytes, slot);
			push(1, dw);
			lba = lba + 2 * (bytes / 512) > ctrl.blocks ? 0 : lba + bytes / 512;
		}
		ring(1);
		for (; flying; flying--) {
			if (reap(1))
				die("read");
			moved += bytes;
		}
		set(DOORBELLS + 8 + 4, ctrl.queue[1].head);
		end = now();
	} while (seconds <= 0 || end - begin < seconds);
	printf("%.0f\n", (double)moved / (end - begin));
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "", *arg = argc > 3 ? argv[3] : "";

	if (argc < 3) {
		fprintf(stderr, "usage: %s UUID COMMAND\n", argv[0]);
		return 2;
	}
	plug(argv[1]);
	start();
	if (!strcmp(what, "id"))
		return do_id();
	if (!strcmp(what, "write"))
		return do_write(atoi(arg));
	if (!strcmp(what, "read"))
		return do_read(atoi(arg));
	if (!strcmp(what, "hostile"))
		return do_hostile();
	if (!strcmp(what, "hold"))
		return do_hold(arg);
	if (!strcmp(what, "spin"))
		return do_bench(0, 32, CHUNK);
	if (!strcmp(what, "bench") && argc == 6)
		return do_bench(atof(arg), (unsigned int)atoi(argv[4]),
				(unsigned int)atoi(argv[5]));
	fprintf(stderr, "nvme_slice: %s: no such command\n", what);
	return 2;
}
