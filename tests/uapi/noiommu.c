/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups without an IOMMU: the administrator's opt-in, names, what each step wants and refuses, the
 * user's capability, and what the kernel log says.
 */
#include <linux/capability.h>
#include <linux/limits.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "probe.h"

#define DRIVER	   "/sys/bus/pci/drivers/vfio-pci"
#define OPT_IN	   "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define NOIOMMU	   VFIO_NOIOMMU_IOMMU
#define LOG_RECORD 8192

/* ---- names ----------------------------------------------------------------------------------- */

static const char *device_file(const char *bdf, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	return path;
}

static void say_text(const char *what, const char *path)
{
	int fd = open(path, O_RDONLY);
	char buf[512];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0) {
		result(what, -1);
	} else {
		buf[n] = 0;
		for (char *p = buf; *p; p++)
			if (*p == '\n' || *p == ' ')
				*p = '|';
		say(" %s=\"%s\"", what, buf);
	}
	if (fd >= 0)
		close(fd);
}

/* The last name of a link's target; "none" without one. */
static const char *link_name(const char *path)
{
	static char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return "none";
	target[len] = 0;
	return strrchr(target, '/') + 1;
}

static void say_group(const char *bdf)
{
	char path[128];
	struct stat st;

	say(" driver=%s", link_name(device_file(bdf, "driver")));
	say(" group=%s", link_name(device_file(bdf, "iommu_group")));
	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%s",
		 link_name(device_file(bdf, "iommu_group")));
	say(" node=%d", stat(path, &st) == 0);
}

static void noiommu_names(long arg)
{
	const char *number = strrchr(probe_group, '-') + 1;
	char path[PATH_MAX];
	struct stat st;

	say_group(probe_bdf);
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/name", number);
	say_text("name", path);
	stat(path, &st);
	say(" mode=%o", st.st_mode);
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/type", number);
	say_text("type", path);
	stat(path, &st);
	say(" mode=%o", st.st_mode);
	result("identity", write_file(path, "identity"));
	result("auto", write_file(path, "auto"));
	result("nonsense", write_file(path, "nonsense"));
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/reserved_regions", number);
	say_text("reserved", path);
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/devices/%s", number, probe_bdf);
	say(" member=%s", link_name(path));
	snprintf(path, sizeof(path), "/sys/class/vfio/noiommu-%s", number);
	say(" class=%s", link_name(path));
	snprintf(path, sizeof(path), "/sys/class/vfio/noiommu-%s/uevent", number);
	result("uevent", access(path, R_OK));
	result("plain node", access("/dev/vfio/0", F_OK));
	result("iommu", access(device_file(probe_bdf, "iommu"), F_OK));
	result("node", stat(probe_group, &st));
	say(" mode=%o", st.st_mode);
}

static void noiommu_param(long arg)
{
	static const char *const texts[] = { "N", "n", "Y", "0", "1", "y\n", "x", "", "on", "off" };
	struct stat st;

	result("stat", stat(OPT_IN, &st));
	say(" mode=%o", st.st_mode);
	say_text("is", OPT_IN);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		say(" %.1s:", texts[i]);
		result("write", write_file(OPT_IN, texts[i]));
		say_text("is", OPT_IN);
	}
	result("back", write_file(OPT_IN, "Y"));
}

static void noiommu_tainted(long arg)
{
	char buf[32] = "";
	int fd = open("/proc/sys/kernel/tainted", O_RDONLY);
	struct stat st;

	result("fstat", fstat(fd, &st));
	say(" mode=%o size=%ld", st.st_mode, (long)st.st_size);
	say(" read=%zd", read(fd, buf, sizeof(buf) - 1) > 0 ? (ssize_t)1 : (ssize_t)0);
	say(" user=%lu", strtoul(buf, NULL, 10) >> 6 & 1);
	result("zero", write_file("/proc/sys/kernel/tainted", "0"));
	result("text", write_file("/proc/sys/kernel/tainted", "x"));
	close(fd);
	fd = open("/proc/sys/kernel/tainted", O_RDONLY);
	say(" read=%d", read(fd, buf, sizeof(buf) - 1) > 0);
	say(" user=%lu", strtoul(buf, NULL, 10) >> 6 & 1);
}

/* ---- the log --------------------------------------------------------------------------------- */

static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		setup_failed("kmsg");
	return fd;
}

static bool is_number(char c)
{
	return c >= '0' && c <= '9';
}

/* A message with its level; the process' number is the one thing that differs each time. */
static void say_message(char *record)
{
	char *text = strchr(record, ';'), *pid;

	if (!text || strncmp(text + 1, "vfio", 4))
		return;
	text[strcspn(text, "\n")] = 0;
	pid = strrchr(text, ':');
	if (pid && is_number(pid[1]) && strchr(text, '('))
		strcpy(pid, atoi(pid + 1) == getpid() ? ":PID)" : ":another)");
	/* Of kernels with device files of their own (noiommu-log-cdev). */
	if (strstr(text, "vfio-noiommu cdev"))
		return;
	for (char *p = text + 1; *p; p++)
		if (*p == ' ')
			*p = '_';
	say(" <%d>%s", atoi(record) & 7, text + 1);
}

static void say_log(int fd)
{
	char record[LOG_RECORD];
	ssize_t n;

	while ((n = read(fd, record, sizeof(record) - 1)) > 0) {
		record[n] = 0;
		say_message(record);
	}
}

static void noiommu_log(long arg)
{
	int fd = log_open(), second;
	struct ctx ctx;

	prctl(PR_SET_NAME, "a prober");
	ctx = setup_device(NOIOMMU);
	say_log(fd);
	say(" second:");
	second = result_fd("device", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf));
	say_log(fd);
	close(second);
	teardown(&ctx);
	say(" close:");
	say_log(fd);
	result("no device", ioctl(open_group(), VFIO_GROUP_GET_DEVICE_FD, probe_bdf));
	say_log(fd);
}

static void noiommu_log_cdev(long arg)
{
	char record[LOG_RECORD];
	int fd = log_open(), count = 0;
	ssize_t n;

	result("unbind", write_file(DRIVER "/unbind", probe_bdf));
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	while ((n = read(fd, record, sizeof(record) - 1)) > 0) {
		record[n] = 0;
		count += strstr(record, "vfio-noiommu cdev") != NULL;
	}
	say(" told=%d", count);
	result("node", access("/dev/vfio/devices", F_OK));
	result("name", access(device_file(probe_bdf, "vfio-dev/vfio0"), F_OK));
}

/* ---- binding --------------------------------------------------------------------------------- */

static void noiommu_rebind(long arg)
{
	int fd = log_open();

	result("unbind", write_file(DRIVER "/unbind", probe_bdf));
	say_group(probe_bdf);
	say_log(fd);
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	say_group(probe_bdf);
	say_log(fd);
}

/* The group that the program has open goes with the device. */
static void noiommu_rebind_open(long arg)
{
	struct ctx ctx = setup_iommu(NOIOMMU);
	struct vfio_group_status status = { .argsz = sizeof(status) };

	result("unbind", write_file(DRIVER "/unbind", probe_bdf));
	say_group(probe_bdf);
	result("status", ioctl(ctx.group, VFIO_GROUP_GET_STATUS, &status));
	result("extension", ioctl(ctx.container, VFIO_CHECK_EXTENSION, NOIOMMU));
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	say_group(probe_bdf);
	result("status", ioctl(ctx.group, VFIO_GROUP_GET_STATUS, &status));
	result_fd("open", open(probe_group, O_RDWR));
}

/* The lowest number that is free, whoever had it before. */
static void noiommu_numbers(long arg)
{
	result("unbind", write_file(DRIVER "/unbind", probe_bdf));
	result("unbind", write_file(DRIVER "/unbind", probe_bdf2));
	result("bind", write_file(DRIVER "/bind", probe_bdf2));
	say_group(probe_bdf2);
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	say_group(probe_bdf);
	result("unbind", write_file(DRIVER "/unbind", probe_bdf2));
	result("unbind", write_file(DRIVER "/unbind", probe_bdf));
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	say_group(probe_bdf);
	result("bind", write_file(DRIVER "/bind", probe_bdf2));
	say_group(probe_bdf2);
}

/* Without the opt-in the driver refuses, whichever way the device comes to it. */
static void noiommu_refused(long arg)
{
	char text[32];
	int fd;

	result("out", write_file(OPT_IN, "N"));
	say_group(probe_bdf);
	result("unbind", write_file(DRIVER "/unbind", probe_bdf));
	fd = log_open();
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	say_group(probe_bdf);
	say_log(fd);
	result("probe", write_file("/sys/bus/pci/drivers_probe", probe_bdf));
	say_group(probe_bdf);
	say_log(fd);
	result("override", write_file(device_file(probe_bdf, "driver_override"), "\n"));
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	say_log(fd);
	snprintf(text, sizeof(text), "%04x %04x", 0x1b36, 0x0010);
	result("new_id", write_file(DRIVER "/new_id", text));
	say_group(probe_bdf);
	say_log(fd);
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	say_log(fd);
	result("in", write_file(OPT_IN, "1"));
	say_group(probe_bdf);
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	say_group(probe_bdf);
	say_log(fd);
	result("remove_id", write_file(DRIVER "/remove_id", text));
	result("override", write_file(device_file(probe_bdf, "driver_override"), "vfio-pci"));
}

/* ---- step by step ---------------------------------------------------------------------------- */

static void say_status(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (result("status", ioctl(group, VFIO_GROUP_GET_STATUS, &status)) == 0)
		say(" flags=%u", status.flags);
}

static long get_device(int group)
{
	return ioctl(group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf);
}

static void noiommu_steps(long arg)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int container = open_container(), group, device;

	result("set iommu", ioctl(container, VFIO_SET_IOMMU, NOIOMMU));
	group = result_fd("open", open(probe_group, O_RDWR));
	result("again", open(probe_group, O_RDWR));
	say_status(group);
	result("device", get_device(group));
	result("unset", ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	result("set container", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	say_status(group);
	result("again", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	result("device", get_device(group));
	result("type1", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	result("noiommu", ioctl(container, VFIO_SET_IOMMU, NOIOMMU));
	result("again", ioctl(container, VFIO_SET_IOMMU, NOIOMMU));
	result("type1", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	device = result_fd("device", (int)get_device(group));
	result("info", ioctl(device, VFIO_DEVICE_GET_INFO, &info));
	say(" flags=%#x regions=%u irqs=%u", info.flags, info.num_regions, info.num_irqs);
	result("unset", ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	result("close", close(device));
	result("unset", ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	say_status(group);
	result("extension", ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU));
}

static void noiommu_extension(long ext)
{
	struct ctx ctx = { open_container(), -1, -1 };

	result("alone", ioctl(ctx.container, VFIO_CHECK_EXTENSION, ext));
	teardown(&ctx);
	ctx = setup_group();
	result("group", ioctl(ctx.container, VFIO_CHECK_EXTENSION, ext));
	result("set", ioctl(ctx.container, VFIO_SET_IOMMU, ext));
	result("then", ioctl(ctx.container, VFIO_CHECK_EXTENSION, ext));
	result("left", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	result("after", ioctl(ctx.container, VFIO_CHECK_EXTENSION, ext));
	teardown(&ctx);
}

static void noiommu_calls(long arg)
{
	struct ctx ctx = setup_device(NOIOMMU);
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
	struct vfio_iommu_type1_dirty_bitmap dirty = { .argsz = sizeof(dirty), .flags = 1 };
	char buf[8] = { 0 };

	result("version", ioctl(ctx.container, VFIO_GET_API_VERSION));
	result("info", ioctl(ctx.container, VFIO_IOMMU_GET_INFO, &info));
	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, PAGE, NULL));
	result("dirty", ioctl(ctx.container, VFIO_IOMMU_DIRTY_PAGES, &dirty));
	result("unknown", ioctl(ctx.container, _IO(VFIO_TYPE, 99)));
	result("bad pointer", ioctl(ctx.container, VFIO_IOMMU_MAP_DMA, BAD_PTR));
	result("read", read(ctx.container, buf, 8));
	result("write", write(ctx.container, buf, 8));
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	teardown(&ctx);
}

/* The opt-in counts where the driver is chosen, and not for what is there already. */
static void noiommu_optout(long arg)
{
	struct ctx ctx = setup_group();

	result("out", write_file(OPT_IN, "N"));
	result("extension", ioctl(ctx.container, VFIO_CHECK_EXTENSION, NOIOMMU));
	result("set iommu", ioctl(ctx.container, VFIO_SET_IOMMU, NOIOMMU));
	result("in", write_file(OPT_IN, "Y"));
	result("set iommu", ioctl(ctx.container, VFIO_SET_IOMMU, NOIOMMU));
	result("out", write_file(OPT_IN, "N"));
	result("extension", ioctl(ctx.container, VFIO_CHECK_EXTENSION, NOIOMMU));
	ctx.device = result_fd("device", (int)get_device(ctx.group));
	teardown(&ctx);
	result_fd("open", open(probe_group, O_RDWR));
	result("in", write_file(OPT_IN, "Y"));
}

/* ---- the user -------------------------------------------------------------------------------- */

/* Takes CAP_SYS_RAWIO out of the effective set, or puts it back. */
static void rawio(bool on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		setup_failed("capget");
	if (on)
		data[0].effective |= 1u << CAP_SYS_RAWIO;
	else
		data[0].effective &= ~(1u << CAP_SYS_RAWIO);
	if (syscall(SYS_capset, &header, data))
		setup_failed("capset");
}

static void noiommu_rawio(long arg)
{
	int container = open_container(), group, device;

	rawio(false);
	result("open", open(probe_group, O_RDWR));
	rawio(true);
	group = result_fd("open", open(probe_group, O_RDWR));
	rawio(false);
	result("again", open(probe_group, O_RDWR));
	say_status(group);
	result("set container", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	rawio(true);
	result("set container", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	rawio(false);
	result("extension", ioctl(container, VFIO_CHECK_EXTENSION, NOIOMMU));
	result("device", get_device(group));
	result("set iommu", ioctl(container, VFIO_SET_IOMMU, NOIOMMU));
	rawio(true);
	result("set iommu", ioctl(container, VFIO_SET_IOMMU, NOIOMMU));
	rawio(false);
	result("device", get_device(group));
	rawio(true);
	device = result_fd("device", (int)get_device(group));
	rawio(false);
	result_fd("second", (int)get_device(group));
	result("reset", ioctl(device, VFIO_DEVICE_RESET));
	result("unset", ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	rawio(true);
}

/* Everything given up for good, with the device open. */
static void noiommu_powerless(long arg)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	struct ctx ctx = setup_device(NOIOMMU);

	if (syscall(SYS_capset, &header, none))
		setup_failed("capset");
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	teardown(&ctx);
	result("open", open(probe_group, O_RDWR));
}

static const struct probe table[] = {
	{ "noiommu-names", noiommu_names, 0, 0 },
	{ "noiommu-param", noiommu_param, 0, 0 },
	{ "noiommu-tainted", noiommu_tainted, 0, 0 },
	{ "noiommu-log", noiommu_log, 0, 0 },
	{ "noiommu-log-cdev", noiommu_log_cdev, 0, 0 },
	{ "noiommu-rebind", noiommu_rebind, 0, 0 },
	{ "noiommu-rebind-open", noiommu_rebind_open, 0, 0 },
	{ "noiommu-numbers", noiommu_numbers, 0, 0 },
	{ "noiommu-refused", noiommu_refused, 0, 0 },
	{ "noiommu-steps", noiommu_steps, 0, 0 },
	{ "noiommu-extension", noiommu_extension, 0, 24 },
	{ "noiommu-calls", noiommu_calls, 0, 0 },
	{ "noiommu-optout", noiommu_optout, 0, 0 },
	{ "noiommu-rawio", noiommu_rawio, 0, 0 },
	{ "noiommu-powerless", noiommu_powerless, 0, 0 },
};

PROBE_SET(noiommu_probes, table);
