/* SPDX-License-Identifier: BSD-3-Clause */
/* What the probes share: preparations and the calls that most of them make. */
#include "probe.h"

long result(const char *what, long ret)
{
	int err = errno;

	if (ret == -1)
		say(" %s=%s", what, strerrorname_np(err) ? strerrorname_np(err) : "?");
	else
		say(" %s=%ld", what, ret);
	return ret;
}

int result_fd(const char *what, int fd)
{
	if (fd < 0)
		result(what, fd);
	else
		say(" %s=fd", what);
	return fd;
}

void setup_failed(const char *what)
{
	say(" (cannot prepare: %s: %s)", what, strerrorname_np(errno));
	_exit(1);
}

int open_container(void)
{
	int fd = open("/dev/vfio/vfio", O_RDWR);

	if (fd < 0)
		setup_failed("open container");
	return fd;
}

int open_group(void)
{
	int fd = open(probe_group, O_RDWR);

	if (fd < 0)
		setup_failed("open group");
	return fd;
}

struct ctx setup_group(void)
{
	struct ctx ctx = { open_container(), open_group(), -1 };

	if (ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &ctx.container))
		setup_failed("SET_CONTAINER");
	return ctx;
}

struct ctx setup_iommu(unsigned iommu)
{
	struct ctx ctx = setup_group();

	if (ioctl(ctx.container, VFIO_SET_IOMMU, probe_noiommu ? VFIO_NOIOMMU_IOMMU : iommu))
		setup_failed("SET_IOMMU");
	return ctx;
}

struct ctx setup_device(unsigned iommu)
{
	struct ctx ctx = setup_iommu(iommu);

	ctx.device = ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf);
	if (ctx.device < 0)
		setup_failed("GET_DEVICE_FD");
	return ctx;
}

void teardown(struct ctx *ctx)
{
	if (ctx->device >= 0)
		close(ctx->device);
	if (ctx->group >= 0)
		close(ctx->group);
	if (ctx->container >= 0)
		close(ctx->container);
	ctx->device = ctx->group = ctx->container = -1;
}

void *memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		setup_failed("mmap");
	return p;
}

uint64_t physical(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, 8, (off_t)((uintptr_t)p / PAGE * 8)) != 8)
		entry = 0;
	close(fd);
	if (!(entry >> 63))
		return 0;
	entry &= (1ul << 55) - 1;
	return entry ? entry * PAGE + (uintptr_t)p % PAGE : 0;
}

long write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	errno = err;
	return n < 0 ? -1 : n == (ssize_t)strlen(text) ? 0 : 1;
}

int dma_map(int container, uint32_t flags, const void *vaddr, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)vaddr,
		.iova = iova,
		.size = size,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

int dma_unmap(int container, uint32_t flags, uint64_t iova, uint64_t size, uint64_t *unmapped)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.iova = iova,
		.size = size,
	};
	int ret = ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);

	if (unmapped)
		*unmapped = unmap.size;
	return ret;
}

static struct vfio_region_info get_region(int device, unsigned region)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = region };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		setup_failed("GET_REGION_INFO");
	return info;
}

uint64_t region_offset(int device, unsigned region)
{
	return get_region(device, region).offset;
}

uint64_t region_size(int device, unsigned region)
{
	return get_region(device, region).size;
}

uint32_t config_read(int device, unsigned off, unsigned width)
{
	uint32_t value = 0;

	if (pread(device, &value, width,
		  (off_t)(region_offset(device, VFIO_PCI_CONFIG_REGION_INDEX) + off)) !=
	    (ssize_t)width)
		setup_failed("config read");
	return value;
}

void config_write(int device, unsigned off, unsigned width, uint32_t value)
{
	if (pwrite(device, &value, width,
		   (off_t)(region_offset(device, VFIO_PCI_CONFIG_REGION_INDEX) + off)) !=
	    (ssize_t)width)
		setup_failed("config write");
}

unsigned config_find_cap(int device, uint8_t id)
{
	unsigned pos = config_read(device, 0x34, 1) & 0xfc;

	for (int i = 0; pos && i < 48; i++) {
		if (config_read(device, pos, 1) == id)
			return pos;
		pos = config_read(device, pos + 1, 1) & 0xfc;
	}
	return 0;
}

unsigned memory_bar(int device)
{
	for (unsigned i = 0; i < 6; i++)
		if (get_region(device, i).flags & VFIO_REGION_INFO_FLAG_MMAP)
			return i;
	setup_failed("no BAR that can be mapped");
}

int set_irqs(int device, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	     const void *data, size_t data_size)
{
	char buf[sizeof(struct vfio_irq_set) + 1024];
	struct vfio_irq_set *set = (struct vfio_irq_set *)buf;

	if (data_size > 1024)
		setup_failed("SET_IRQS with too much data");
	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(*set) + data_size),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};
	if (data_size)
		memcpy(set->data, data, data_size);
	return ioctl(device, VFIO_DEVICE_SET_IRQS, set);
}

void *bad_pointer(void)
{
	return (void *)8;
}
