/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/vfio/GROUP: opening, status, joining and leaving a container, device descriptors by name. */
#include <sys/stat.h>
#include "probe.h"

static const int open_modes[] = { O_RDONLY, O_WRONLY, O_RDWR };

static void say_status(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (result("status", ioctl(group, VFIO_GROUP_GET_STATUS, &status)) == 0)
		say(" flags=%u argsz=%u", status.flags, status.argsz);
}

static void group_open(long mode)
{
	int fd = result_fd("open", open(probe_group, open_modes[mode]));
	int container = open_container();

	say_status(fd);
	result("set", ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container));
	result("iommu", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	result_fd("device", ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, probe_bdf));
}

static void group_open_missing(long arg)
{
	result("large", open("/dev/vfio/9999", O_RDWR));
	result("text", open("/dev/vfio/none", O_RDWR));
	result("noiommu", open("/dev/vfio/noiommu-0", O_RDWR));
	result("negative", open("/dev/vfio/-1", O_RDWR));
	result("empty", open("/dev/vfio/", O_RDWR));
}

static void group_open_twice(long arg)
{
	int first = result_fd("first", open(probe_group, O_RDWR));

	result("second", open(probe_group, O_RDWR));
	result("read-only", open(probe_group, O_RDONLY));
	result("close", close(first));
	first = result_fd("third", open(probe_group, O_RDWR));
	result_fd("dup", dup(first));
	result("close", close(first));
	result("fourth", open(probe_group, O_RDWR));
}

static void group_stat(long arg)
{
	int fd = open_group();
	struct stat st, by_path;

	result("fstat", fstat(fd, &st));
	result("stat", stat(probe_group, &by_path));
	say(" char=%d same=%d", S_ISCHR(st.st_mode), st.st_rdev == by_path.st_rdev);
}

static const uint32_t status_sizes[] = { 0, 4, 7, 8, 9, 100 };

static void group_status_size(long i)
{
	struct vfio_group_status status[16] = { { .argsz = status_sizes[i], .flags = 0xdead } };
	int fd = open_group();

	result("status", ioctl(fd, VFIO_GROUP_GET_STATUS, status));
	say(" argsz=%u flags=%#x", status[0].argsz, status[0].flags);
}

static void group_status(long arg)
{
	struct ctx ctx = { open_container(), open_group(), -1 };

	say_status(ctx.group);
	result("set", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &ctx.container));
	say_status(ctx.group);
	result("iommu", ioctl(ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	say_status(ctx.group);
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	say_status(ctx.group);
	result("bad pointer", ioctl(ctx.group, VFIO_GROUP_GET_STATUS, BAD_PTR));
	result("null", ioctl(ctx.group, VFIO_GROUP_GET_STATUS, NULL));
}

static void group_set_container_bad(long arg)
{
	int group = open_group(), fd = -1, pipes[2];

	result("-1", ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd));
	fd = -2;
	result("-2", ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd));
	fd = 9999;
	result("9999", ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd));
	fd = open("/dev/null", O_RDWR);
	result("null device", ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd));
	if (pipe(pipes) == 0)
		result("pipe", ioctl(group, VFIO_GROUP_SET_CONTAINER, &pipes[0]));
	result("itself", ioctl(group, VFIO_GROUP_SET_CONTAINER, &group));
	result("bad pointer", ioctl(group, VFIO_GROUP_SET_CONTAINER, BAD_PTR));
	result("null", ioctl(group, VFIO_GROUP_SET_CONTAINER, NULL));
	fd = open("/dev/vfio/vfio", O_RDONLY);
	result("read-only container", ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd));
}

static void group_set_twice(long arg)
{
	struct ctx ctx = setup_group();
	int other = open_container(), bad = -1;

	result("same", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &ctx.container));
	result("other", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &other));
	result("bad", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &bad));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	result("other", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &other));
}

static void group_unset(long arg)
{
	int container = open_container(), group = open_group();

	result("without", ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	result("set", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	result("unset", ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	result("again", ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	result("set", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	result("iommu", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	result("unset", ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
}

static void group_unset_with_device(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	result("close", close(ctx.device));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	say_status(ctx.group);
}

/* A container that was closed with the group still in it, then left. */
static void group_unset_last_reference(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1_IOMMU);

	result("close container", close(ctx.container));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	say_status(ctx.group);
	ctx.container = open_container();
	result("set", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &ctx.container));
}

static void device_fd_states(long arg)
{
	int container = open_container(), group = open_group();

	result("alone", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf));
	result("set", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	result("no iommu", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf));
	result("iommu", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	result_fd("ready", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf));
}

static void device_fd_wrong_state_and_name(long arg)
{
	int container = open_container(), group = open_group();

	result("alone", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "0000:ff:1f.7"));
	result("alone, bad pointer", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, BAD_PTR));
	result("set", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	result("no iommu", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "0000:ff:1f.7"));
	result("no iommu, bad pointer", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, BAD_PTR));
}

static const char *const name_formats[] = {
	"%s",
	"%s ",
	"%s junk",
	" %s",
	"%s\n",
	"%sx",
	"",
	"0000:ff:1f.7",
	"nonsense",
	"%.7s",
	"%s vf_token",
	"%s vf_token=",
	"%s vf_token=x",
	"%s vf_token=2ab74924-c335-45f4-9b16-8569e5b08258",
	"%s  vf_token=2ab74924-c335-45f4-9b16-8569e5b08258",
	"%s other=2ab74924-c335-45f4-9b16-8569e5b08258",
	"%s vf_token=2ab74924-c335-45f4-9b16-8569e5b08258 x",
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void device_fd_name(long i)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1_IOMMU);
	char name[128];

	snprintf(name, sizeof(name), name_formats[i], probe_bdf);
	result_fd("device", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, name));
}
#pragma GCC diagnostic pop

static void device_fd_name_pointer(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1_IOMMU);
	char *pages = memory(2 * PAGE);
	char *longest = malloc(PAGE);

	result("bad pointer", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, BAD_PTR));
	result("null", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, NULL));
	mprotect(pages + PAGE, PAGE, PROT_NONE);
	strcpy(pages + PAGE - 13, probe_bdf);
	result_fd("up to the last byte",
		  ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, pages + PAGE - 13));
	memset(pages, 'a', PAGE);
	result("no end", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, pages + PAGE - 8));
	memset(longest, 'a', PAGE);
	result("no end in a page", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, longest));
}

static void device_fd_flags(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct stat st;

	result("cloexec", fcntl(ctx.device, F_GETFD));
	result("getfl", fcntl(ctx.device, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	result("fstat", fstat(ctx.device, &st));
	result("lseek", lseek(ctx.device, 64, SEEK_SET) == 64 ? 0 : -1);
}

static void device_fd_twice(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int second = result_fd("second", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf));

	result("close first", close(ctx.device));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	result("reset second", ioctl(second, VFIO_DEVICE_RESET));
	result("close second", close(second));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
}

/* An open device keeps the group open. */
static void group_close_before_device(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	result("close group", close(ctx.group));
	result("open group", open(probe_group, O_RDWR));
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
	result("close device", close(ctx.device));
	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA + PAGE, PAGE));
	result_fd("open group", open(probe_group, O_RDWR));
}

/* Closing the group takes it out of its container. */
static void group_close_leaves_container(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1_IOMMU);

	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
	result("close group", close(ctx.group));
	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA + PAGE, PAGE));
	ctx.group = result_fd("open group", open(probe_group, O_RDWR));
	say_status(ctx.group);
	result("set", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &ctx.container));
	result("iommu", ioctl(ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
}

static void group_close_all_orders(long order)
{
	static const unsigned char orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						    { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	struct ctx ctx = setup_device(VFIO_TYPE1v2_IOMMU);
	int fds[3] = { ctx.container, ctx.group, ctx.device };

	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
	for (int i = 0; i < 3; i++) {
		result("close", close(fds[orders[order][i]]));
		if (i < 2) {
			int fd = open(probe_group, O_RDWR);

			result_fd("open group", fd);
			if (fd >= 0)
				close(fd);
		}
	}
	ctx = setup_device(VFIO_TYPE1v2_IOMMU);
	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
}

static void group_file_calls(long arg)
{
	char buf[8] = { 0 };
	int fd = open_group();
	void *p;

	result("read", read(fd, buf, 8));
	result("write", write(fd, buf, 8));
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	result("mmap", p == MAP_FAILED ? -1 : 0);
	result("lseek", lseek(fd, 4096, SEEK_SET));
}

static void group_foreign_ioctls(long arg)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct ctx ctx = setup_iommu(VFIO_TYPE1_IOMMU);
	char buf[64] = { 0 };

	result("version", ioctl(ctx.group, VFIO_GET_API_VERSION));
	result("extension", ioctl(ctx.group, VFIO_CHECK_EXTENSION, 1));
	result("set iommu", ioctl(ctx.group, VFIO_SET_IOMMU, 1));
	result("device info", ioctl(ctx.group, VFIO_DEVICE_GET_INFO, &info));
	result("reset", ioctl(ctx.group, VFIO_DEVICE_RESET));
	result("map", dma_map(ctx.group, 3, memory(PAGE), IOVA, PAGE));
	result("unknown", ioctl(ctx.group, _IO(VFIO_TYPE, 150)));
	result("TCGETS", ioctl(ctx.group, 0x5401, buf));
}

/* One device, one group: a second container cannot have it. */
static void group_two_containers(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1_IOMMU);
	int other = open_container();

	result("set other", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &other));
	result("iommu other", ioctl(other, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	result("close", close(ctx.container));
	result("set other", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &other));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	result("set other", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &other));
	result("iommu other", ioctl(other, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
}

static const struct probe table[] = {
	{ "group-open", group_open, 0, ARRAY_SIZE(open_modes) },
	{ "group-open-missing", group_open_missing, 0, 0 },
	{ "group-open-twice", group_open_twice, 0, 0 },
	{ "group-stat", group_stat, 0, 0 },
	{ "group-status-size", group_status_size, 0, ARRAY_SIZE(status_sizes) },
	{ "group-status", group_status, 0, 0 },
	{ "group-set-container-bad", group_set_container_bad, 0, 0 },
	{ "group-set-twice", group_set_twice, 0, 0 },
	{ "group-unset", group_unset, 0, 0 },
	{ "group-unset-with-device", group_unset_with_device, 0, 0 },
	{ "group-unset-last-reference", group_unset_last_reference, 0, 0 },
	{ "group-two-containers", group_two_containers, 0, 0 },
	{ "group-close-before-device", group_close_before_device, 0, 0 },
	{ "group-close-leaves-container", group_close_leaves_container, 0, 0 },
	{ "group-close-order", group_close_all_orders, 0, 6 },
	{ "group-file-calls", group_file_calls, 0, 0 },
	{ "group-foreign-ioctls", group_foreign_ioctls, 0, 0 },
	{ "device-fd-states", device_fd_states, 0, 0 },
	{ "device-fd-wrong-state-and-name", device_fd_wrong_state_and_name, 0, 0 },
	{ "device-fd-name", device_fd_name, 0, ARRAY_SIZE(name_formats) },
	{ "device-fd-name-pointer", device_fd_name_pointer, 0, 0 },
	{ "device-fd-flags", device_fd_flags, 0, 0 },
	{ "device-fd-twice", device_fd_twice, 0, 0 },
};

PROBE_SET(group_probes, table);
