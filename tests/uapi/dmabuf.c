/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_FEATURE_DMA_BUF, and what can be done with the fd. */
#include <linux/dma-buf.h>
#include "probe.h"

#define DMA_BUF 11u

struct range {
	uint64_t offset, length;
};

struct request {
	uint32_t argsz, flags;
	uint32_t region, open_flags, buf_flags, nr_ranges;
	struct range ranges[4];
};

static struct request request(uint32_t nr, uint64_t offset, uint64_t length)
{
	struct request req = {
		.argsz = sizeof(req),
		.flags = VFIO_DEVICE_FEATURE_GET | DMA_BUF,
		.open_flags = O_RDWR | O_CLOEXEC,
		.nr_ranges = nr,
	};

	for (size_t i = 0; i < ARRAY_SIZE(req.ranges); i++)
		req.ranges[i] = (struct range){ offset, length };
	return req;
}

static int get(int device, const char *what, struct request req)
{
	return result_fd(what, ioctl(device, VFIO_DEVICE_FEATURE, &req));
}

static void dmabuf_ranges(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint64_t size = region_size(ctx.device, 0);

	get(ctx.device, "page", request(1, 0, PAGE));
	get(ctx.device, "second", request(1, PAGE, PAGE));
	get(ctx.device, "all", request(1, 0, size));
	get(ctx.device, "two", request(2, 0, PAGE));
	get(ctx.device, "four", request(4, PAGE, PAGE));
	get(ctx.device, "none", request(0, 0, PAGE));
	get(ctx.device, "no length", request(1, 0, 0));
	get(ctx.device, "odd length", request(1, 0, 100));
	get(ctx.device, "odd offset", request(1, 8, PAGE));
	get(ctx.device, "beyond", request(1, size, PAGE));
	get(ctx.device, "over the end", request(1, 0, size + PAGE));
	get(ctx.device, "huge", request(1, 0, 1ull << 62));
	get(ctx.device, "huge offset", request(1, ~0ull << 12, PAGE));
	get(ctx.device, "sum", request(4, 0, 1ull << 62));
}

static void dmabuf_fields(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct request req = request(1, 0, PAGE);

	for (uint32_t i = 1; i < 12; i++) {
		req.region = i;
		get(ctx.device, "region", req);
	}
	req = request(1, 0, PAGE);
	req.buf_flags = 1;
	get(ctx.device, "flags", req);
	req = request(1, 0, PAGE);
	req.argsz = 8;
	get(ctx.device, "argsz 8", req);
	req.argsz = 23;
	get(ctx.device, "argsz 23", req);
	req = request(1, 0, PAGE);
	req.flags = VFIO_DEVICE_FEATURE_SET | DMA_BUF;
	get(ctx.device, "set", req);
	req.flags = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | DMA_BUF;
	result("probe", ioctl(ctx.device, VFIO_DEVICE_FEATURE, &req));
}

static void dmabuf_file(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };
	int fd = get(ctx.device, "get", request(2, 0, PAGE));
	char byte;

	result("end", lseek(fd, 0, SEEK_END));
	result("start", lseek(fd, 0, SEEK_SET));
	say(" cloexec=%d", (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	say(" mode=%d", fcntl(fd, F_GETFL) & O_ACCMODE);
	result("read", read(fd, &byte, 1));
	result("write", write(fd, &byte, 1));
	result("mmap", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	result("sync", ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));
	sync.flags = 0;
	result("sync nothing", ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));
	sync.flags = 1 << 5;
	result("sync flag", ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync));
	result("name", ioctl(fd, DMA_BUF_SET_NAME, "bar"));
	result("unknown", ioctl(fd, _IO('b', 99)));
	teardown(&ctx);
	result("end", lseek(fd, 0, SEEK_END));
	ctx = setup_device(VFIO_TYPE1_IOMMU);
	result("close", close(fd));
}

static const struct probe table[] = {
	{ "dmabuf-ranges", dmabuf_ranges, 0, 0 },
	{ "dmabuf-fields", dmabuf_fields, 0, 0 },
	{ "dmabuf-file", dmabuf_file, 0, 0 },
};

PROBE_SET(dmabuf_probes, table);
