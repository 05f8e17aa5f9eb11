/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/vfio/vfio by itself: version, extensions, SET_IOMMU, and what is refused in which state. */
#include <sys/stat.h>
#include "probe.h"

static const int open_modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_NONBLOCK };

static void container_open(long mode)
{
	int fd = result_fd("open", open("/dev/vfio/vfio", open_modes[mode]));

	result("version", ioctl(fd, VFIO_GET_API_VERSION));
	result("type1", ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU));
	result("close", close(fd));
}

static void container_open_many(long arg)
{
	int a = result_fd("first", open("/dev/vfio/vfio", O_RDWR));
	int b = result_fd("second", open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));

	result("cloexec", fcntl(a, F_GETFD));
	result("cloexec", fcntl(b, F_GETFD));
	result("version", ioctl(b, VFIO_GET_API_VERSION));
}

static void container_stat(long arg)
{
	int fd = open_container();
	struct stat st, by_path;

	result("fstat", fstat(fd, &st));
	result("stat", stat("/dev/vfio/vfio", &by_path));
	say(" char=%d same=%d major=%u", S_ISCHR(st.st_mode), st.st_rdev == by_path.st_rdev,
	    (unsigned)(st.st_rdev >> 8 & 0xfff));
	result("access", access("/dev/vfio/vfio", R_OK | W_OK));
}

static void container_version_arg(long arg)
{
	int fd = open_container();

	result("zero", ioctl(fd, VFIO_GET_API_VERSION, 0));
	result("garbage", ioctl(fd, VFIO_GET_API_VERSION, BAD_PTR));
}

static void container_extension(long ext)
{
	struct ctx ctx = { open_container(), -1, -1 };

	result("alone", ioctl(ctx.container, VFIO_CHECK_EXTENSION, ext));
	teardown(&ctx);
	ctx = setup_group();
	result("group", ioctl(ctx.container, VFIO_CHECK_EXTENSION, ext));
	teardown(&ctx);
	ctx = setup_iommu(VFIO_TYPE1_IOMMU);
	result("type1", ioctl(ctx.container, VFIO_CHECK_EXTENSION, ext));
	teardown(&ctx);
	ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	result("type1v2", ioctl(ctx.container, VFIO_CHECK_EXTENSION, ext));
	teardown(&ctx);
}

static void container_extension_large(long arg)
{
	int fd = open_container();

	result("100", ioctl(fd, VFIO_CHECK_EXTENSION, 100));
	result("-1", ioctl(fd, VFIO_CHECK_EXTENSION, -1l));
	result("2^32+1", ioctl(fd, VFIO_CHECK_EXTENSION, (1ul << 32) + 1));
}

static const unsigned long iommu_types[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99, ~0ul };

static void set_iommu_without_group(long type)
{
	int fd = open_container();

	result("set", ioctl(fd, VFIO_SET_IOMMU, iommu_types[type]));
}

static void set_iommu(long type)
{
	struct ctx ctx = setup_group();

	result("set", ioctl(ctx.container, VFIO_SET_IOMMU, iommu_types[type]));
	result("again", ioctl(ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	result("once more", ioctl(ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	teardown(&ctx);
}

static void no_iommu_calls(int fd)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
	struct vfio_iommu_type1_dirty_bitmap dirty = { .argsz = sizeof(dirty), .flags = 1 };

	result("info", ioctl(fd, VFIO_IOMMU_GET_INFO, &info));
	result("map", dma_map(fd, 3, memory(PAGE), IOVA, PAGE));
	result("unmap", dma_unmap(fd, 0, IOVA, PAGE, NULL));
	result("dirty", ioctl(fd, VFIO_IOMMU_DIRTY_PAGES, &dirty));
	result("unknown", ioctl(fd, _IO(VFIO_TYPE, 99)));
	result("bad pointer", ioctl(fd, VFIO_IOMMU_MAP_DMA, BAD_PTR));
}

static void container_alone_calls(long arg)
{
	no_iommu_calls(open_container());
}

static void container_group_calls(long arg)
{
	struct ctx ctx = setup_group();

	no_iommu_calls(ctx.container);
}

static void container_after_unset(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	no_iommu_calls(ctx.container);
	result("set iommu", ioctl(ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	result("set container", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &ctx.container));
	result("set iommu", ioctl(ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
}

static void foreign_ioctls(int fd)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char buf[256] = { 0 };
	int n;

	result("TCGETS", ioctl(fd, 0x5401, buf));
	result("FIONREAD", ioctl(fd, 0x541b, &n));
	result("FIOCLEX", ioctl(fd, 0x5451));
	result("cloexec", fcntl(fd, F_GETFD));
	result("GROUP_GET_STATUS", ioctl(fd, VFIO_GROUP_GET_STATUS, &status));
	result("DEVICE_GET_INFO", ioctl(fd, VFIO_DEVICE_GET_INFO, &info));
	result("DEVICE_RESET", ioctl(fd, VFIO_DEVICE_RESET));
	result("other type", ioctl(fd, _IO('<', 100)));
	result("other size", ioctl(fd, _IOWR(VFIO_TYPE, VFIO_BASE + 0, int), BAD_PTR));
}

static void container_foreign_ioctls(long arg)
{
	foreign_ioctls(open_container());
}

static void container_iommu_foreign_ioctls(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	foreign_ioctls(ctx.container);
}

static void container_file_calls(long arg)
{
	char buf[8] = { 0 };
	int fd = open_container();
	void *p;

	result("read", read(fd, buf, 8));
	result("write", write(fd, buf, 8));
	result("pread", pread(fd, buf, 8, 0));
	result("pwrite", pwrite(fd, buf, 8, 0));
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	result("mmap", p == MAP_FAILED ? -1 : 0);
	result("lseek", lseek(fd, 4096, SEEK_SET));
	result("ftruncate", ftruncate(fd, 0));
	result("getfl", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
}

static void container_iommu_file_calls(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char buf[8] = { 0 };
	void *p;

	result("read", read(ctx.container, buf, 8));
	result("write", write(ctx.container, buf, 8));
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ctx.container, 0);
	result("mmap", p == MAP_FAILED ? -1 : 0);
}

static void container_dup(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	int fd = result_fd("dup", dup(ctx.container));

	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
	result("close", close(ctx.container));
	result("map again", dma_map(fd, 3, memory(PAGE), IOVA, PAGE));
	result("unmap", dma_unmap(fd, 0, IOVA, PAGE, NULL));
	result("closed fd", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
}

/* The group keeps its container alive. */
static void container_close_first(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1v2_IOMMU);
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int other;

	result("close", close(ctx.container));
	result("status", ioctl(ctx.group, VFIO_GROUP_GET_STATUS, &status));
	say(" flags=%u", status.flags);
	other = open_container();
	result("set container", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &other));
	result("get device", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf) < 0 ? -1 : 0);
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
}

static void container_open_paths(long arg)
{
	result("directory", open("/dev/vfio", O_RDONLY | O_DIRECTORY) < 0 ? -1 : 0);
	result("not directory", open("/dev/vfio/vfio/", O_RDWR));
	result("below", open("/dev/vfio/vfio/x", O_RDWR));
	result("exclusive", open("/dev/vfio/vfio", O_RDWR | O_CREAT | O_EXCL, 0600));
	result("O_DIRECTORY", open("/dev/vfio/vfio", O_RDWR | O_DIRECTORY));
	result_fd("create", open("/dev/vfio/vfio", O_RDWR | O_CREAT, 0600));
	result_fd("truncate", open("/dev/vfio/vfio", O_RDWR | O_TRUNC));
	result_fd("odd path", open("/dev//vfio/../vfio/./vfio", O_RDWR));
}

static const struct probe table[] = {
	{ "container-open", container_open, 0, ARRAY_SIZE(open_modes) },
	{ "container-open-many", container_open_many, 0, 0 },
	{ "container-open-paths", container_open_paths, 0, 0 },
	{ "container-stat", container_stat, 0, 0 },
	{ "container-version-argument", container_version_arg, 0, 0 },
	{ "check-extension", container_extension, 0, 21 },
	{ "check-extension-large", container_extension_large, 0, 0 },
	{ "set-iommu-without-group", set_iommu_without_group, 0, ARRAY_SIZE(iommu_types) },
	{ "set-iommu", set_iommu, 0, ARRAY_SIZE(iommu_types) },
	{ "container-alone-calls", container_alone_calls, 0, 0 },
	{ "container-group-calls", container_group_calls, 0, 0 },
	{ "container-after-unset", container_after_unset, 0, 0 },
	{ "container-foreign-ioctls", container_foreign_ioctls, 0, 0 },
	{ "container-iommu-foreign-ioctls", container_iommu_foreign_ioctls, 0, 0 },
	{ "container-file-calls", container_file_calls, 0, 0 },
	{ "container-iommu-file-calls", container_iommu_file_calls, 0, 0 },
	{ "container-dup", container_dup, 0, 0 },
	{ "container-close-first", container_close_first, 0, 0 },
};

PROBE_SET(container_probes, table);
