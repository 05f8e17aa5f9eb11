/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records what vfio-pci makes of a config space, for src/vfio_pci/config_recorded_test.c:
 * the function's own bytes, the bits that its silicon lets the host write, and what a user reads
 * after each pattern was written in each width at each place. Runs as root on a real kernel, with
 * the functions of VFIO_BDFS bound to vfio-pci and open by nobody.
 *
 *  function VENDOR:DEVICE CLASS SIZE  config space in bytes
 *  bar N START SIZE FLAGS             as the kernel's `resource` attribute has them
 *  raw OFF HEX                        the function's bytes, lines of zeros left out
 *  hw OFF LAST MASK                   bits of each word that the host can write
 *  user OFF LAST VALUE ro|rw|RESULTS  what a user reads of a word at first, then after each write
 *                                     of writes[]; ro: always the same, rw: what was written
 *  odd OFF HASH                       of the words around after writes that are not aligned, for
 *                                     each 32 bytes
 *
 * LAST is the last word of a run of equal ones.
 *
 * The reset bits are never set by the host's writes; the user's do set them.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "vfio_pci/config_writes.h"

static int config, device;
static off_t base;
static unsigned int size;
static unsigned int pcie, sriov, af;

static uint32_t host_read(unsigned int off, unsigned int width)
{
	uint32_t value = 0;

	if (pread(config, &value, width, off) != (ssize_t)width)
		perror("host read");
	return value;
}

static void host_write(unsigned int off, uint32_t value)
{
	if (pwrite(config, &value, 4, off) != 4)
		perror("host write");
}

static uint32_t user_read(unsigned int off)
{
	uint32_t value = 0;

	if (pread(device, &value, 4, base + off) != 4)
		perror("user read");
	return value;
}

static void user_write(unsigned int off, unsigned int width, uint64_t value)
{
	if (pwrite(device, &value, width, base + off) != (ssize_t)width)
		perror("user write");
}

static void find_caps(void)
{
	unsigned int pos = host_read(PCI_CAPABILITY_LIST, 1) & 0xfc;

	pcie = sriov = af = 0;
	for (int i = 0; pos && i < 48; i++, pos = host_read(pos + 1, 1) & 0xfc) {
		if (host_read(pos, 1) == PCI_CAP_ID_EXP)
			pcie = pos;
		if (host_read(pos, 1) == PCI_CAP_ID_AF)
			af = pos;
	}
	for (pos = PCI_CFG_SPACE_SIZE; size > pos && pos; pos = PCI_EXT_CAP_NEXT(host_read(pos, 4)))
		if (PCI_EXT_CAP_ID(host_read(pos, 4)) == PCI_EXT_CAP_ID_SRIOV)
			sriov = pos;
}

static void record_bars(const char *bdf)
{
	unsigned long long start, end, flags;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", bdf);
	f = fopen(path, "r");
	for (int i = 0; f && i < 7 && fscanf(f, "%llx %llx %llx", &start, &end, &flags) == 3; i++)
		if (end)
			printf("bar %d %#llx %#llx %#llx\n", i, start, end - start + 1, flags);
	if (f)
		fclose(f);
}

static void record_raw(void)
{
	unsigned char row[16], zeros[16] = { 0 };

	for (unsigned int off = 0; off < size; off += 16) {
		if (pread(config, row, 16, off) != 16 || !memcmp(row, zeros, 16))
			continue;
		printf("raw %03x ", off);
		for (int i = 0; i < 16; i++)
			printf("%02x", row[i]);
		printf("\n");
	}
}

/* Prints the runs of equal lines: @text is a word's line without its offset, or NULL at the end. */
static void print_run(const char *kind, unsigned int off, const char *text)
{
	static char run[512];
	static unsigned int start, last;

	if (text && run[0] && off == last + 4 && !strcmp(text, run)) {
		last = off;
		return;
	}
	if (run[0])
		printf("%s %03x %03x %s\n", kind, start, last, run);
	snprintf(run, sizeof(run), "%s", text ? text : "");
	start = last = off;
}

static void record_silicon(void)
{
	char text[16];

	for (unsigned int off = 0; off < size; off += 4) {
		uint32_t old = host_read(off, 4), keep = 0, ones, zeros;

		if (pcie && off == pcie + PCI_EXP_DEVCTL)
			keep = PCI_EXP_DEVCTL_BCR_FLR;
		if (af && off == af + (PCI_AF_CTRL & ~3u))
			keep = PCI_AF_CTRL_FLR;
		if (sriov && off == sriov + PCI_SRIOV_CTRL)
			keep = PCI_SRIOV_CTRL_VFE;
		host_write(off, ~keep);
		ones = host_read(off, 4);
		host_write(off, 0);
		zeros = host_read(off, 4);
		host_write(off, old & ~keep);
		snprintf(text, sizeof(text), "%08x", ones ^ zeros);
		print_run("hw", off, ones ^ zeros ? text : "");
	}
	print_run("hw", 0, NULL);
}

static void record_word(unsigned int off)
{
	uint32_t old = user_read(off), result[N_WRITES];
	bool ro = true, rw = true;
	char text[512];
	int len;

	for (unsigned int i = 0; i < N_WRITES; i++) {
		const struct config_write *w = &writes[i];

		user_write(off + w->at, w->width, w->pattern);
		result[i] = user_read(off);
		ro &= result[i] == old;
		rw &= result[i] == merged(old, w);
		user_write(off, 4, old);
	}
	len = snprintf(text, sizeof(text), "%08x", old);
	if (ro || rw)
		len += snprintf(text + len, sizeof(text) - (size_t)len, ro ? " ro" : " rw");
	for (unsigned int i = 0; i < N_WRITES && !ro && !rw; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, " %08x", result[i]);
	print_run("user", off, text);
}

static void record_user(void)
{
	uint32_t hash = FNV_START;

	for (unsigned int off = 0; off < size; off += 4)
		record_word(off);
	print_run("user", 0, NULL);
	for (unsigned int off = 1; off + 12 < size; off += odd_step(off)) {
		unsigned int word = off & ~3u;
		uint32_t old[3];

		for (unsigned int i = 0; i < 3; i++)
			old[i] = user_read(word + 4 * i);
		for (unsigned int i = 0; i < N_ODD_WIDTHS; i++) {
			user_write(off, odd_widths[i], ODD_PATTERN);
			for (unsigned int k = 0; k < 3; k++)
				hash = fnv(hash, user_read(word + 4 * k));
			for (unsigned int k = 0; k < 3; k++)
				user_write(word + 4 * k, 4, old[k]);
		}
		if (odd_block_ends(off)) {
			printf("odd %03x %08x\n", off & ~31u, hash);
			hash = FNV_START;
		}
	}
}

static int open_device(const char *bdf, const char *group_name)
{
	int container = open("/dev/vfio/vfio", O_RDWR), group;
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%s", group_name);
	group = open(path, O_RDWR);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU))
		perror(bdf);
	return ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
}

static void record(const char *bdf, const char *group)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_CONFIG_REGION_INDEX };
	char path[128];

	device = open_device(bdf, group);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	config = open(path, O_RDWR);
	if (device < 0 || config < 0 || ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info)) {
		perror(bdf);
		return;
	}
	base = (off_t)info.offset;
	size = (unsigned int)info.size;
	find_caps();
	printf("function %04x:%04x %06x %u\n", host_read(0, 2), host_read(2, 2),
	       host_read(8, 4) >> 8, size);
	record_bars(bdf);
	record_raw();
	record_user();
	record_silicon();
	printf("end\n");
	fflush(stdout);
}

int main(void)
{
	char *bdfs = getenv("VFIO_BDFS"), *groups = getenv("VFIO_GROUPS"), *b, *g;

	if (!bdfs || !groups)
		return 2;
	for (b = strtok_r(bdfs, " ", &bdfs), g = strtok_r(groups, " ", &groups); b && g;
	     b = strtok_r(NULL, " ", &bdfs), g = strtok_r(NULL, " ", &groups)) {
		if (fork() == 0) {
			record(b, g);
			_exit(0);
		}
		wait(NULL);
	}
	return 0;
}
