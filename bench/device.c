/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a driver's basic steps cost through the C API: a 4-byte read of config space, a doorbell
 * store that traps, an interrupt that arrives in an eventfd, MAP_DMA with UNMAP_DMA.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <linux/vfio.h>
#include <uvfio/machine.h>

#define ROUNDS 9

static struct uvfio_machine *machine;
static int container, group, device;
static bool json;

static void die(const char *what, int rc)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(rc < 0 ? -rc : errno));
	exit(1);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median of ROUNDS means over @count calls, in ns. */
static void measure(const char *name, unsigned int count, void (*fn)(void *), void *arg)
{
	static bool first = true;
	double mean[ROUNDS];

	fn(arg);
	for (int r = 0; r < ROUNDS; r++) {
		double start = now_ns();

		for (unsigned int i = 0; i < count; i++)
			fn(arg);
		mean[r] = (now_ns() - start) / count;
	}
	qsort(mean, ROUNDS, sizeof(mean[0]), compare);
	if (json)
		printf("%s{\"name\": \"%s\", \"ns\": %.1f}", first ? "[" : ",\n ", name,
		       mean[ROUNDS / 2]);
	else
		printf("%-44s %12.1f ns\n", name, mean[ROUNDS / 2]);
	first = false;
}

static int request(int fd, unsigned long number, void *arg, const char *what)
{
	int rc = uvfio_ioctl(machine, fd, number, arg);

	if (rc < 0)
		die(what, rc);
	return rc;
}

static uint64_t config_offset;

static void config_read(void *arg)
{
	uint32_t value;

	if (uvfio_pread(machine, device, &value, sizeof(value), config_offset) != sizeof(value))
		die("config read", 0);
}

static void doorbell(void *arg)
{
	*(volatile uint32_t *)arg = 0;
}

static void interrupt(void *arg)
{
	struct vfio_irq_set set = { .argsz = sizeof(set),
				    .count = 1,
				    .index = VFIO_PCI_MSIX_IRQ_INDEX,
				    .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER };
	uint64_t value;

	request(device, VFIO_DEVICE_SET_IRQS, &set, "trigger");
	if (read(*(int *)arg, &value, sizeof(value)) != sizeof(value))
		die("eventfd", 0);
}

struct range {
	void *memory;
	uint64_t size;
};

static void map_unmap(void *arg)
{
	const struct range *r = arg;
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.vaddr = (uintptr_t)r->memory,
						.flags = VFIO_DMA_MAP_FLAG_READ |
							 VFIO_DMA_MAP_FLAG_WRITE,
						.iova = 1ULL << 32,
						.size = r->size };
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
						    .iova = map.iova,
						    .size = r->size };

	request(container, VFIO_IOMMU_MAP_DMA, &map, "map");
	request(container, VFIO_IOMMU_UNMAP_DMA, &unmap, "unmap");
	if (unmap.size != r->size)
		die("unmap size", -EIO);
}

static void measure_maps(void)
{
	static const struct {
		const char *name;
		uint64_t size;
		unsigned int count;
	} sizes[] = { { "MAP + UNMAP 4 KiB, touched", 4096, 20000 },
		      { "MAP + UNMAP 2 MiB, touched", 2 << 20, 500 },
		      { "MAP + UNMAP 1 GiB, touched", 1 << 30, 3 } };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct range r = { .size = sizes[i].size };

		r.memory = mmap(NULL, r.size + (2 << 20), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (r.memory == MAP_FAILED)
			die("memory", 0);
		r.memory = (void *)(((uintptr_t)r.memory + (2 << 20) - 1) & ~((2UL << 20) - 1));
		memset(r.memory, 1, r.size);
		measure(sizes[i].name, sizes[i].count, map_unmap, &r);
		munmap(r.memory, r.size);
	}
}

static void open_device(void)
{
	const char *const devices[] = { "nvme,at=0000:01:00.0,doorbell=inline", NULL };
	const struct uvfio_machine_config config = { .devices = devices };
	struct uvfio_device_info info;
	char err[256] = "", path[64];
	int rc;

	rc = uvfio_machine_create(&config, &machine, err, sizeof(err));
	if (rc)
		die(err[0] ? err : "machine", rc);
	for (unsigned int i = 0;; i++) {
		rc = uvfio_machine_device(machine, i, &info);
		if (rc)
			die("no device at 0000:01:00.0", rc);
		if (!strcmp(info.address, "0000:01:00.0"))
			break;
	}
	snprintf(path, sizeof(path), "/dev/vfio/%d", info.group);
	container = uvfio_open(machine, "/dev/vfio/vfio", 02);
	group = uvfio_open(machine, path, 02);
	if (container < 0 || group < 0)
		die(path, container < 0 ? container : group);
	request(group, VFIO_GROUP_SET_CONTAINER, &container, "SET_CONTAINER");
	request(container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU, "SET_IOMMU");
	device = request(group, VFIO_GROUP_GET_DEVICE_FD, (void *)"0000:01:00.0", "GET_DEVICE_FD");
}

int main(int argc, char **argv)
{
	struct vfio_region_info region = { .argsz = sizeof(region),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct {
		struct vfio_irq_set set;
		int fd;
	} irq = { .set = { .argsz = sizeof(irq),
			   .count = 1,
			   .index = VFIO_PCI_MSIX_IRQ_INDEX,
			   .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER } };
	uint16_t command = 6;
	void *bar;
	int rc;

	json = argc > 1 && !strcmp(argv[1], "--json");
	open_device();
	request(device, VFIO_DEVICE_GET_REGION_INFO, &region, "config region");
	config_offset = region.offset;
	uvfio_pwrite(machine, device, &command, sizeof(command), config_offset + 4);
	measure("config read, 4 bytes", 100000, config_read, NULL);
	rc = uvfio_mmap(machine, NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0, &bar);
	if (rc)
		die("BAR 0", rc);
	measure("doorbell store, trapped", 20000, doorbell, (char *)bar + 4096);
	irq.fd = eventfd(0, EFD_CLOEXEC);
	request(device, VFIO_DEVICE_SET_IRQS, &irq, "SET_IRQS");
	measure("interrupt to eventfd and its read", 50000, interrupt, &irq.fd);
	measure_maps();
	if (json)
		printf("]\n");
	uvfio_munmap(machine, bar, 8192);
	uvfio_close(machine, device);
	uvfio_close(machine, group);
	uvfio_close(machine, container);
	uvfio_machine_destroy(machine);
	return 0;
}
