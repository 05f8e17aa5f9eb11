/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program sees when an administrator takes its device away: unbind with the group open, with
 * the device open (it has to wait, and asks through the REQ interrupt), and the way back.
 */
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "probe.h"

#define DRIVER "/sys/bus/pci/drivers/vfio-pci"

static void say_status(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (result("status", ioctl(group, VFIO_GROUP_GET_STATUS, &status)) == 0)
		say(" flags=%u", status.flags);
}

static void say_node(void)
{
	struct stat st;
	char path[128];

	say(" node=%d", stat(probe_group, &st) == 0);
	snprintf(path, sizeof(path), DRIVER "/%s", probe_bdf);
	say(" bound=%d", lstat(path, &st) == 0);
}

/* The device is bound again whatever a probe did; a probe that took it away ends with this. */
static void rebind(void)
{
	result("bind", write_file(DRIVER "/bind", probe_bdf));
	say_node();
}

static void unbind_idle(long arg)
{
	result("unbind", write_file(DRIVER "/unbind", probe_bdf));
	say_node();
	result("open", open(probe_group, O_RDWR));
	result("again", write_file(DRIVER "/unbind", probe_bdf));
	rebind();
	result_fd("open", open(probe_group, O_RDWR));
}

static void unbind_group_open(long arg)
{
	int container = open_container(), group = open_group();

	result("unbind", write_file(DRIVER "/unbind", probe_bdf));
	say_node();
	say_status(group);
	result("set", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	result("device", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf));
	result("open", open(probe_group, O_RDWR));
	rebind();
	say_status(group);
	close(group);
	result_fd("open", open(probe_group, O_RDWR));
}

static void unbind_container_set(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
	result("unbind", write_file(DRIVER "/unbind", probe_bdf));
	say_status(ctx.group);
	result("device", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf));
	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA + PAGE, PAGE));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	teardown(&ctx);
	rebind();
}

static void unbind_device_open(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t req = eventfd(0, EFD_NONBLOCK);
	struct pollfd pfd = { .fd = req, .events = POLLIN };
	int status;
	pid_t pid;

	result("req", set_irqs(ctx.device, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			       VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &req, sizeof(req)));
	pid = fork();
	if (pid == 0) {
		close(ctx.device);
		close(ctx.group);
		close(ctx.container);
		_exit(write_file(DRIVER "/unbind", probe_bdf) ? 1 : 0);
	}
	result("asked", poll(&pfd, 1, 10000));
	result("still waiting", waitpid(pid, &status, WNOHANG));
	result("usable", ioctl(ctx.device, VFIO_DEVICE_RESET));
	result("second open", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf) < 0 ? -1 : 0);
	result("close", close(ctx.device));
	close(ctx.group);
	close(ctx.container);
	say(" unbound=%d", waitpid(pid, &status, 0) == pid && status == 0);
	say_node();
	rebind();
}

static void bind_errors(long arg)
{
	result("bind bound", write_file(DRIVER "/bind", probe_bdf));
	result("bind unknown", write_file(DRIVER "/bind", "0000:ff:1f.7"));
	result("bind text", write_file(DRIVER "/bind", "nonsense"));
	result("unbind unknown", write_file(DRIVER "/unbind", "0000:ff:1f.7"));
	result("new_id text", write_file(DRIVER "/new_id", "zz"));
	result("remove_id missing", write_file(DRIVER "/remove_id", "dead beef"));
	result("probe", write_file("/sys/bus/pci/drivers_probe", probe_bdf));
	result("probe unknown", write_file("/sys/bus/pci/drivers_probe", "0000:ff:1f.7"));
	result("rescan text", write_file("/sys/bus/pci/rescan", "x"));
	result("rescan", write_file("/sys/bus/pci/rescan", "1"));
	say_node();
}

static const struct {
	const char *attribute, *text;
} attributes[] = {
	{ "enable", "1" },
	{ "enable", "x" },
	{ "reset", "0" },
	{ "reset", "x" },
	{ "reset", "1" },
	{ "reset_method", "nonsense" },
	{ "reset_method", "bus" },
	{ "reset_method", "default" },
	{ "remove", "x" },
	{ "remove", "0" },
	{ "vendor", "1" },
	{ "driver_override", "nvme" },
	{ "driver_override", "vfio-pci\n" },
	{ "uevent", "x" },
	{ "missing", "1" },
};

static void attribute_write(long i)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", probe_bdf,
		 attributes[i].attribute);
	say(" %s", attributes[i].attribute);
	result("write", write_file(path, attributes[i].text));
}

static const struct probe table[] = {
	{ "bind-errors", bind_errors, 0, 0 },
	{ "attribute-write", attribute_write, 0, ARRAY_SIZE(attributes) },
	{ "unbind-idle", unbind_idle, 0, 0 },
	{ "unbind-group-open", unbind_group_open, 0, 0 },
	{ "unbind-container-set", unbind_container_set, 0, 0 },
	{ "unbind-device-open", unbind_device_open, 0, 0 },
};

PROBE_SET(admin_probes, table);
