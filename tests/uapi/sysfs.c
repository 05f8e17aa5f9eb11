/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes: of a function's directory and of the modules, with mode, text and what writes do. */
#include <sys/stat.h>
#include "probe.h"

static void say_file(const char *path, bool text)
{
	char buf[512];
	struct stat st;
	ssize_t n;
	int fd;

	if (result("stat", stat(path, &st)))
		return;
	say(" mode=%o", st.st_mode);
	if (!text)
		return;
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (n < 0) {
		result("read", -1);
	} else {
		buf[n] = 0;
		for (char *p = buf; *p; p++)
			if (*p == '\n' || *p == ' ')
				*p = '|';
		say(" \"%s\"", buf);
	}
	if (fd >= 0)
		close(fd);
}

static void device_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, "/sys/bus/pci/devices/%s/%s", probe_bdf, name);
}

/* What says where the machine put the function is not compared. */
static const struct {
	const char *name;
	bool text;
} files[] = {
	{ "ari_enabled", true },
	{ "broken_parity_status", true },
	{ "class", true },
	{ "config", false },
	{ "consistent_dma_mask_bits", true },
	{ "current_link_speed", true },
	{ "current_link_width", true },
	{ "d3cold_allowed", true },
	{ "device", true },
	{ "dma_mask_bits", true },
	{ "driver_override", true },
	{ "enable", true },
	{ "irq", false },
	{ "local_cpulist", false },
	{ "local_cpus", false },
	{ "max_link_speed", true },
	{ "max_link_width", true },
	{ "modalias", true },
	{ "msi_bus", true },
	{ "numa_node", true },
	{ "power_state", true },
	{ "remove", false },
	{ "rescan", false },
	{ "reset", false },
	{ "reset_method", true },
	{ "resource", false },
	{ "resource0", false },
	{ "resource1", false },
	{ "revision", true },
	{ "rom", false },
	{ "subsystem_device", true },
	{ "subsystem_vendor", true },
	{ "uevent", false },
	{ "vendor", true },
	{ "vpd", false },
	{ "serial_number", false },
	{ "reset_subordinate", false },
	{ "secondary_bus_number", false },
	{ "aer", false },
	{ "aer_dev_correctable", true },
	{ "aer_dev_fatal", true },
	{ "link", false },
	{ "link/l0s_aspm", true },
	{ "link/l1_aspm", true },
	{ "link/clkpm", true },
	{ "power", false },
	{ "power/async", true },
	{ "power/autosuspend_delay_ms", true },
	{ "power/control", true },
	{ "power/runtime_active_kids", true },
	{ "power/runtime_enabled", true },
	{ "power/runtime_status", true },
	{ "power/runtime_usage", true },
	{ "vfio-dev", false },
	{ "driver", false },
	{ "iommu", false },
	{ "iommu_group", false },
	{ "subsystem", false },
	{ "msi_irqs", false },
	{ "physfn", false },
	{ "sriov_numvfs", false },
};

static void sysfs_file(long i)
{
	char path[128];

	device_path(path, sizeof(path), files[i].name);
	say(" %s", files[i].name);
	say_file(path, files[i].text);
}

/* The root port above the function. */
static const char *const port_files[] = {
	"aer_dev_correctable",
	"aer_dev_fatal",
	"aer_dev_nonfatal",
	"aer_rootport_total_err_cor",
	"aer_rootport_total_err_fatal",
	"aer_rootport_total_err_nonfatal",
	"aer/correctable_ratelimit_burst",
	"aer/correctable_ratelimit_interval_ms",
	"aer/nonfatal_ratelimit_burst",
	"aer/nonfatal_ratelimit_interval_ms",
	"reset_subordinate",
	"reset",
	"reset_method",
	"class",
	"power/control",
	"power/runtime_status",
	"enable",
};

static void sysfs_port_file(long i)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/../%s", probe_bdf, port_files[i]);
	say(" %s", port_files[i]);
	say_file(path, true);
}

static long write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	errno = err;
	return n;
}

static void write_all(const char *path, const char *const *texts, size_t n)
{
	char old[256] = "", what[64];
	int fd = open(path, O_RDONLY);

	if (fd >= 0 && read(fd, old, sizeof(old) - 1) < 0)
		old[0] = 0;
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < n; i++) {
		long ret = write_text(path, texts[i]);

		/* A line of the transcript has no line breaks. */
		snprintf(what, sizeof(what), "%.*s%s", (int)strcspn(texts[i], "\n"), texts[i],
			 strchr(texts[i], '\n') ? "~" : "");
		result(what, ret);
		say_file(path, true);
	}
	if (old[0])
		result("back", write_text(path, old));
}

static const struct {
	const char *name, *texts[6];
} device_writes[] = {
	{ "broken_parity_status", { "1", "2", "x", "0" } },
	{ "d3cold_allowed", { "0", "x", "1" } },
	{ "msi_bus", { "x", "1" } },
	{ "numa_node", { "99", "x", "-1" } },
	{ "reset_method", { "bus", "flr bus", "bus flr", "af_flr", "bus bus bus bus", "flr,bus" } },
	{ "reset_method", { "pm", " flr ", "default\n", "acpi", "device_specific", "cxl_bus" } },
	{ "power/control", { "on", "off", "auto\n" } },
	{ "power/async", { "disabled", "x", "enabled" } },
	{ "power/autosuspend_delay_ms", { "5" } },
	{ "link/l0s_aspm", { "x", "0" } },
	{ "config", { "" } },
	{ "power/runtime_status", { "active" } },
};

static void sysfs_write(long i)
{
	char path[128];
	size_t n = 0;

	while (n < ARRAY_SIZE(device_writes[i].texts) && device_writes[i].texts[n])
		n++;
	device_path(path, sizeof(path), device_writes[i].name);
	say(" %s", device_writes[i].name);
	write_all(path, device_writes[i].texts, n);
}

static const struct {
	const char *name;
	bool write;
} params[] = {
	{ "vfio_pci/parameters/nointxmask", true },
	{ "vfio_pci/parameters/disable_idle_d3", true },
	{ "vfio_pci/parameters/disable_vga", true },
	{ "vfio_pci/parameters/enable_sriov", true },
	{ "vfio_pci/parameters/disable_denylist", true },
	{ "vfio_pci/parameters/ids", false },
	{ "vfio_iommu_type1/parameters/allow_unsafe_interrupts", true },
	{ "vfio_iommu_type1/parameters/disable_hugepages", true },
	{ "vfio_iommu_type1/parameters/dma_entry_limit", true },
};

static void module_param(long i)
{
	static const char *const texts[] = { "Y",  "N",		 "1",	       "0", "y\n",
					     "on", "off",	 "2",	       "x", "0x10",
					     "-1", "4294967295", "4294967296", " 1" };
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", params[i].name);
	say(" %s", strrchr(path, '/') + 1);
	/* The oracle's AMD machine starts with it. */
	say_file(path, !strstr(path, "unsafe"));
	if (params[i].write)
		write_all(path, texts, ARRAY_SIZE(texts));
}

/* A parameter is looked at when the driver takes the function, not later. */
static void module_param_idle(long arg)
{
	char path[128];

	device_path(path, sizeof(path), "power_state");
	result("set", write_text("/sys/module/vfio_pci/parameters/disable_idle_d3", "Y"));
	usleep(200000);
	say_file(path, true);
	result("unbind", write_text("/sys/bus/pci/drivers/vfio-pci/unbind", probe_bdf));
	result("bind", write_text("/sys/bus/pci/drivers/vfio-pci/bind", probe_bdf));
	usleep(200000);
	say_file(path, true);
	result("set", write_text("/sys/module/vfio_pci/parameters/disable_idle_d3", "N"));
	usleep(200000);
	say_file(path, true);
	result("unbind", write_text("/sys/bus/pci/drivers/vfio-pci/unbind", probe_bdf));
	result("bind", write_text("/sys/bus/pci/drivers/vfio-pci/bind", probe_bdf));
	usleep(200000);
	say_file(path, true);
}

/* A container has the limit that was there when its IOMMU was set. */
static void module_param_limit(long arg)
{
	const char *limit = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
	char *mem = memory(4 * PAGE);
	struct ctx ctx;

	result("set", write_text(limit, "2"));
	ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	for (unsigned i = 0; i < 3; i++)
		result("map", dma_map(ctx.container, 3, mem + i * PAGE, IOVA + i * PAGE, PAGE));
	result("back", write_text(limit, "65535"));
	result("map", dma_map(ctx.container, 3, mem, IOVA + 8 * PAGE, PAGE));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, PAGE, NULL));
	result("map", dma_map(ctx.container, 3, mem, IOVA + 8 * PAGE, PAGE));
}

static void module_param_hugepages(long arg)
{
	const char *name = "/sys/module/vfio_iommu_type1/parameters/disable_hugepages";
	struct ctx ctx;
	uint64_t size;

	result("set", write_text(name, "Y"));
	ctx = setup_iommu(VFIO_TYPE1_IOMMU);
	result("map", dma_map(ctx.container, 3, memory(1024 * PAGE), IOVA, 1024 * PAGE));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, PAGE, &size));
	say(" size=%#lx", size);
	result("back", write_text(name, "N"));
}

/* Resets that are turned off: the device is opened without. */
static void reset_disabled(long arg)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char path[128];
	struct ctx ctx;

	device_path(path, sizeof(path), "reset_method");
	result("none", write_text(path, "\n"));
	say_file(path, true);
	ctx = setup_device(VFIO_TYPE1_IOMMU);
	result("info", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, &info));
	say(" flags=%#x", info.flags);
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	result("default", write_text(path, "default"));
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	teardown(&ctx);
	ctx = setup_device(VFIO_TYPE1_IOMMU);
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
}

static const struct probe table[] = {
	{ "sysfs-file", sysfs_file, 0, ARRAY_SIZE(files) },
	{ "sysfs-port-file", sysfs_port_file, 0, ARRAY_SIZE(port_files) },
	{ "sysfs-write", sysfs_write, 0, ARRAY_SIZE(device_writes) },
	{ "module-param", module_param, 0, ARRAY_SIZE(params) },
	{ "module-param-idle", module_param_idle, 0, 0 },
	{ "module-param-limit", module_param_limit, 0, 0 },
	{ "module-param-hugepages", module_param_hugepages, 0, 0 },
	{ "reset-disabled", reset_disabled, 0, 0 },
};

PROBE_SET(sysfs_probes, table);
