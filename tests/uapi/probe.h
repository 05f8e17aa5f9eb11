/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes of the VFIO uAPI. A probe is a function that makes a few calls through plain libc and says
 * what each one returned; main.c runs it in a process of its own and prints one line
 *
 *	NAME: what=result what=result ...
 *
 * where a result is the returned number, "fd" for a descriptor, or the errno's name. The lines must
 * be the same on every machine: addresses, descriptor numbers and ids are never printed, only what
 * holds of them. The same source runs on a real kernel and on uvfio; the lines are then compared.
 */
#ifndef PROBE_H
#define PROBE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/vfio.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE	      4096ul
#define IOVA	      0x10000000ul  /* where probes map, far from every reserved region */
#define BAD_PTR	      bad_pointer() /* an address that is never mapped */

struct probe {
	const char *name;
	void (*fn)(long arg);
	long first; /* argument */
	long count; /* 0: one probe; else a family NAME-first ... NAME-(first + count - 1) */
};

struct probe_set {
	const struct probe *probes;
	size_t count;
};

#define PROBE_SET(set, table) const struct probe_set set = { table, ARRAY_SIZE(table) }

extern const struct probe_set container_probes, group_probes, info_probes, map_probes, range_probes,
	unmap_probes, vaddr_probes, dirty_probes, device_probes, feature_probes, hot_reset_probes,
	region_probes, mmap_probes, config_probes, irq_probes, trigger_probes, nvme_probes,
	two_probes, admin_probes, words_probes, power_probes, dmabuf_probes, sysfs_probes,
	ioeventfd_probes, functions_probes, hugetlb_probes, noiommu_probes, nvme_noiommu_probes,
	sriov_probes, sriov_use_probes, mdev_probes, mtty_probes, emulated_probes;

/* What a probe has open. -1: nothing. */
struct ctx {
	int container;
	int group;
	int device;
};

/* The device under test ("0000:01:00.0") and the path of its group ("/dev/vfio/4"). */
extern char probe_bdf[32];
extern char probe_group[64];
/* A second one for the probes that need two, or "". */
extern char probe_bdf2[32];
extern char probe_group2[64];

/* The machine has no IOMMU: groups are vfio's own, setup_iommu() takes VFIO_NOIOMMU_IOMMU. */
extern bool probe_noiommu;

/* Appends to the probe's line. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Says "what=result" for a call that returned @ret with errno; passes @ret on. */
long result(const char *what, long ret);
/* The same for a call that returns a descriptor. */
int result_fd(const char *what, int fd);
/* Ends the probe: its preparation failed. */
void setup_failed(const char *what) __attribute__((noreturn));

/* Preparations; they end the probe when they fail. @iommu: VFIO_TYPE1(v2)_IOMMU */
int open_container(void);
int open_group(void);
struct ctx setup_group(void);		 /* group in a container, no IOMMU yet */
struct ctx setup_iommu(unsigned iommu);	 /* with the IOMMU set */
struct ctx setup_device(unsigned iommu); /* with the device open */
void teardown(struct ctx *ctx);

void *bad_pointer(void);

/* Anonymous memory that has been touched. */
void *memory(size_t size);

/* The physical address of memory that is there, as /proc/self/pagemap tells; 0: it does not. */
uint64_t physical(const void *p);

/* Writes @text to the attribute at @path in one call: 0 or -1 with errno. */
long write_file(const char *path, const char *text);

/* ioctl's result; nothing is said. @unmapped may be NULL. */
int dma_map(int container, uint32_t flags, const void *vaddr, uint64_t iova, uint64_t size);
int dma_unmap(int container, uint32_t flags, uint64_t iova, uint64_t size, uint64_t *unmapped);

/* Region access at an offset; config space is VFIO_PCI_CONFIG_REGION_INDEX. */
uint64_t region_offset(int device, unsigned region);
uint64_t region_size(int device, unsigned region);
uint32_t config_read(int device, unsigned off, unsigned width);
void config_write(int device, unsigned off, unsigned width, uint32_t value);
/* Offset of a capability in config space, 0 if there is none. */
unsigned config_find_cap(int device, uint8_t id);
/* The first BAR with memory that may be mapped; ends the probe if there is none. */
unsigned memory_bar(int device);

/* SET_IRQS with @count data items of @data_size bytes in all. */
int set_irqs(int device, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	     const void *data, size_t data_size);

#endif
