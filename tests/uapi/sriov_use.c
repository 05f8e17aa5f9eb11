/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions in use: through VFIO, the VF token, VFs that are taken away, the kernel log. */
#include <poll.h>
#include <sys/wait.h>

#include "probe.h"
#include "sriov.h"

#define TOKEN	    "2ab74924-c335-45f4-9b16-8569e5b08258"
#define OTHER_TOKEN "2ab74924-c335-45f4-9b16-8569e5b08259"

/* The device of @bdf with @token (NULL: none) in @ctx' own group and container; device -1 and errno
 * when it is refused. */
static struct ctx open_bdf(const char *bdf, const char *token)
{
	struct ctx ctx = { open_container(), -1, -1 };
	char path[160], name[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	snprintf(name, sizeof(name), "/dev/vfio/%s", link_name(path));
	ctx.group = open(name, O_RDWR);
	if (ctx.group < 0 || ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &ctx.container) ||
	    ioctl(ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU))
		setup_failed("open group");
	snprintf(name, sizeof(name), token ? "%s vf_token=%s" : "%s", bdf, token);
	ctx.device = ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, name);
	return ctx;
}

static void close_ctx(struct ctx *ctx)
{
	if (ctx->device >= 0)
		close(ctx->device);
	close(ctx->group);
	close(ctx->container);
}

static struct ctx open_pf(const char *token)
{
	return open_bdf(probe_bdf, token);
}

/* With the PF's user showing TOKEN for the moment. */
static struct ctx open_vf(unsigned i)
{
	struct ctx pf = open_pf(TOKEN), vf = open_bdf(vf_bdf(i), TOKEN);

	if (vf.device < 0)
		setup_failed("open VF");
	close_ctx(&pf);
	return vf;
}

/* What is the function's rather than the machine's: ids, COMMAND, STATUS, class, INTx. */
static void vf_config(long arg)
{
	static const unsigned regs[] = { 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30, 0x3c };
	struct ctx ctx;

	vfs_begin("1");
	ctx = open_vf(0);
	say(" ids=%08x", config_read(ctx.device, 0, 4));
	say(" command=%04x status=%04x", config_read(ctx.device, 4, 2),
	    config_read(ctx.device, 6, 2));
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		say(" %02x=%08x", regs[i], config_read(ctx.device, regs[i], 4));
		config_write(ctx.device, regs[i], 4, ~0u);
		say("/%08x", config_read(ctx.device, regs[i], 4));
		config_write(ctx.device, regs[i], 4, 0);
		say("/%08x", config_read(ctx.device, regs[i], 4));
	}
	for (unsigned value = 0; value < 0x800; value = value ? value * 2 : 1) {
		config_write(ctx.device, 4, 2, value);
		say(" %x=%04x", value, config_read(ctx.device, 4, 2));
	}
	close_ctx(&ctx);
	vfs_end();
}

static void vf_info(long arg)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct ctx ctx;

	vfs_begin("1");
	ctx = open_vf(0);
	result("info", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, &info));
	say(" flags=%#x regions=%u irqs=%u", info.flags, info.num_regions, info.num_irqs);
	for (unsigned i = 0; i < 9; i++) {
		struct vfio_region_info region = { .argsz = sizeof(region), .index = i };

		if (result("region", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, &region)) == 0)
			say(" flags=%#x size=%#llx", region.flags, region.size);
	}
	for (unsigned i = 0; i < 5; i++) {
		struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = i };

		if (result("irq", ioctl(ctx.device, VFIO_DEVICE_GET_IRQ_INFO, &irq)) == 0)
			say(" flags=%#x count=%u", irq.flags, irq.count);
	}
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	close_ctx(&ctx);
	vfs_end();
}

/* COMMAND.MEMORY is virtual: memory is answered without it. */
static void vf_memory(long arg)
{
	uint32_t value;
	struct ctx ctx;
	off_t off;

	vfs_begin("1");
	ctx = open_vf(0);
	off = (off_t)region_offset(ctx.device, 0);
	for (unsigned command = 0; command < 8; command++) {
		config_write(ctx.device, 4, 2, command);
		result("read", pread(ctx.device, &value, 4, off));
	}
	close_ctx(&ctx);
	vfs_end();
}

/* A user of the PF sees VFs but changes nothing of them. */
static void pf_config(long arg)
{
	unsigned pos = 0x100;
	struct ctx ctx;

	vfs_begin("2");
	ctx = open_pf(NULL);
	while (pos && (config_read(ctx.device, pos, 4) & 0xffff) != 0x10)
		pos = config_read(ctx.device, pos, 4) >> 20;
	for (unsigned off = 8; pos && off < 0x40; off += 4) {
		uint32_t old = config_read(ctx.device, pos + off, 4);

		config_write(ctx.device, pos + off, 4, ~old);
		say(" %x=%s", off, config_read(ctx.device, pos + off, 4) == old ? "fixed" : "open");
	}
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	say(" numvfs=%u", config_read(ctx.device, pos + 0x10, 2));
	say(" control=%04x", config_read(ctx.device, pos + 8, 2));
	close_ctx(&ctx);
	say_numvfs();
	vfs_end();
}

/* ---- the token ------------------------------------------------------------------------------- */

static const char *const tokens[] = { NULL, TOKEN, OTHER_TOKEN,
				      "00000000-0000-0000-0000-000000000000" };

/* PF opened with the one, then VF with the other. */
static void token_matrix(long arg)
{
	struct ctx pf, vf;

	vfs_begin("1");
	pf = open_pf(tokens[arg / 4]);
	result_fd("pf", pf.device);
	vf = open_bdf(vf_bdf(0), tokens[arg % 4]);
	result_fd("vf", vf.device);
	close_ctx(&vf);
	close_ctx(&pf);
	vf = open_bdf(vf_bdf(0), tokens[arg % 4]);
	result_fd("vf later", vf.device);
	close_ctx(&vf);
	vfs_end();
	/* Another binding has another token. */
	file_put(DRIVER "unbind", probe_bdf);
	file_put(DRIVER "bind", probe_bdf);
}

/* While a VF is in use the PF wants the token, and keeps it. */
static void token_users(long arg)
{
	struct ctx pf, vf, second;

	vfs_begin("2");
	vf = open_vf(0);
	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
		pf = open_pf(tokens[i]);
		result_fd("pf", pf.device);
		close_ctx(&pf);
	}
	second = open_bdf(vf_bdf(1), TOKEN);
	result_fd("second vf", second.device);
	close_ctx(&vf);
	pf = open_pf(NULL);
	result_fd("pf", pf.device);
	close_ctx(&pf);
	close_ctx(&second);
	pf = open_pf(NULL);
	result_fd("pf", pf.device);
	close_ctx(&pf);
	pf = open_pf(OTHER_TOKEN);
	result_fd("pf", pf.device);
	vf = open_bdf(vf_bdf(0), OTHER_TOKEN);
	result_fd("vf", vf.device);
	close_ctx(&vf);
	close_ctx(&pf);
	vfs_end();
}

static long set_token(int device, uint32_t flags, unsigned char last, uint32_t size)
{
	union {
		struct vfio_device_feature head;
		unsigned char bytes[sizeof(struct vfio_device_feature) + 16];
	} feature = { .head = { .argsz = (uint32_t)sizeof(feature.head) + size,
				.flags = flags | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN } };

	feature.bytes[sizeof(feature) - 1] = last;
	return ioctl(device, VFIO_DEVICE_FEATURE, &feature);
}

static void token_feature(long arg)
{
	const uint32_t set = VFIO_DEVICE_FEATURE_SET;
	struct ctx pf, vf;

	vfs_begin("1");
	pf = open_pf(NULL);
	result("probe", set_token(pf.device, set | VFIO_DEVICE_FEATURE_PROBE, 0, 16));
	result("get", set_token(pf.device, VFIO_DEVICE_FEATURE_GET, 0, 16));
	result("short", set_token(pf.device, set, 0, 15));
	result("set", set_token(pf.device, set, 7, 16));
	vf = open_bdf(vf_bdf(0), "00000000-0000-0000-0000-000000000006");
	result_fd("vf", vf.device);
	close_ctx(&vf);
	vf = open_bdf(vf_bdf(0), "00000000-0000-0000-0000-000000000007");
	result_fd("vf", vf.device);
	result("of vf", set_token(vf.device, set, 7, 16));
	result("set", set_token(pf.device, set, 8, 16));
	close_ctx(&vf);
	vf = open_bdf(vf_bdf(0), "00000000-0000-0000-0000-000000000007");
	result_fd("vf", vf.device);
	close_ctx(&vf);
	close_ctx(&pf);
	vfs_end();
}

/* ---- taken away ------------------------------------------------------------------------------ */

static int request_eventfd(int device)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	if (set_irqs(device, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		     VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &fd, sizeof(fd)))
		setup_failed("SET_IRQS");
	return fd;
}

/* Another process writes @text to @path, and says how that ended by its exit status. It must not
 * keep what is waited for. */
static pid_t write_elsewhere(const char *path, const char *text)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(40);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		_exit(file_put(path, text) < 0 ? errno : 0);
	}
	return pid;
}

static void say_exit(const char *what, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) == pid)
		say(" %s=%d", what, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void taken_away(const char *where, const char *text)
{
	char path[128];
	struct pollfd pfd = { .events = POLLIN };
	struct ctx ctx;
	pid_t pid;

	snprintf(path, sizeof(path), "%s", where);
	ctx = open_vf(1);
	pfd.fd = request_eventfd(ctx.device);
	pid = write_elsewhere(path, text);

	result("requested", poll(&pfd, 1, 30000));
	result("done", waitpid(pid, NULL, WNOHANG) != 0);
	/* The first one is gone, the one in use is there without its name below the PF. */
	result("virtfn0", access(pf_path("virtfn0"), F_OK));
	result("virtfn1", access(pf_path("virtfn1"), F_OK));
	result("virtfn2", access(pf_path("virtfn2"), F_OK));
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	close_ctx(&ctx);
	say_exit("writer", pid);
	say_numvfs();
	result("virtfn2", access(pf_path("virtfn2"), F_OK));
}

static void disable_in_use(long arg)
{
	vfs_begin("3");
	taken_away(pf_path("sriov_numvfs"), "0");
}

static void unbind_in_use(long arg)
{
	vfs_begin("3");
	taken_away(DRIVER "unbind", probe_bdf);
	say(" driver=%s", link_name(pf_path("driver")));
	result("bind", file_put(DRIVER "bind", probe_bdf));
	vfs_end();
}

static void unbind_vf_in_use(long arg)
{
	struct pollfd pfd = { .events = POLLIN };
	struct ctx ctx;
	pid_t pid;

	vfs_begin("2");
	ctx = open_vf(0);
	pfd.fd = request_eventfd(ctx.device);
	pid = write_elsewhere(DRIVER "unbind", vf_bdf(0));
	result("requested", poll(&pfd, 1, 30000));
	close_ctx(&ctx);
	say_exit("writer", pid);
	say(" driver=%s", link_name(vf_path(0, "driver")));
	say_numvfs();
	vfs_end();
}

/* PF and VF are in use; the PF's driver goes. */
static void unbind_both_in_use(long arg)
{
	struct pollfd pfd = { .events = POLLIN }, vfd = { .events = POLLIN };
	struct ctx pf, vf;
	pid_t pid;

	vfs_begin("1");
	pf = open_pf(TOKEN);
	vf = open_bdf(vf_bdf(0), TOKEN);
	pfd.fd = request_eventfd(pf.device);
	vfd.fd = request_eventfd(vf.device);
	pid = write_elsewhere(DRIVER "unbind", probe_bdf);
	result("vf requested", poll(&vfd, 1, 30000));
	result("pf requested", poll(&pfd, 1, 500));
	close_ctx(&vf);
	result("pf requested", poll(&pfd, 1, 30000));
	result("virtfn0", access(pf_path("virtfn0"), F_OK));
	close_ctx(&pf);
	say_exit("writer", pid);
	result("bind", file_put(DRIVER "bind", probe_bdf));
	vfs_end();
}

/* ---- the kernel log -------------------------------------------------------------------------- */

static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		setup_failed("/dev/kmsg");
	return fd;
}

static void say_log(int fd)
{
	char buf[2048];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		char *text, *stop;

		buf[n] = 0;
		text = strchr(buf, ';');
		stop = text ? strchr(text, '\n') : NULL;
		if (!stop || (!strstr(text, "VF") && !strstr(text, "SR-IOV")))
			continue;
		*stop = 0;
		say(" {%s}", text + 1);
	}
}

static void messages(long arg)
{
	struct ctx pf, vf;
	int log;

	vfs_begin("0");
	log = open_log();
	set_numvfs("2");
	set_numvfs("3");
	vf = open_bdf(vf_bdf(0), NULL);
	close_ctx(&vf);
	vf = open_bdf(vf_bdf(0), TOKEN);
	close_ctx(&vf);
	vf = open_vf(0);
	pf = open_pf(NULL);
	close_ctx(&pf);
	pf = open_pf(OTHER_TOKEN);
	close_ctx(&pf);
	close_ctx(&vf);
	set_numvfs("0");
	file_put(DRIVER "unbind", probe_bdf);
	set_numvfs("2");
	file_put(DRIVER "bind", probe_bdf);
	say_log(log);
	close(log);
	vfs_end();
}

static const struct probe table[] = {
	{ "sriov-vf-config", vf_config, 0, 0 },
	{ "sriov-vf-info", vf_info, 0, 0 },
	{ "sriov-vf-memory", vf_memory, 0, 0 },
	{ "sriov-pf-config", pf_config, 0, 0 },
	{ "sriov-token", token_matrix, 0, 16 },
	{ "sriov-token-users", token_users, 0, 0 },
	{ "sriov-token-feature", token_feature, 0, 0 },
	{ "sriov-disable-in-use", disable_in_use, 0, 0 },
	{ "sriov-unbind-in-use", unbind_in_use, 0, 0 },
	{ "sriov-unbind-vf-in-use", unbind_vf_in_use, 0, 0 },
	{ "sriov-unbind-both-in-use", unbind_both_in_use, 0, 0 },
	{ "sriov-messages", messages, 0, 0 },
};

PROBE_SET(sriov_use_probes, table);
