/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of mediated devices: what a parent and its types show, which names `create` takes, what
 * an instance is in sysfs, removal, also of one in use. Each probe begins without instances and
 * leaves none.
 */
#include <dirent.h>
#include <linux/limits.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "mdev.h"

#define PATIENCE 30000 /* milliseconds */

/* ---- names ----------------------------------------------------------------------------------- */

const char *mdev_path(const char *uuid, const char *name)
{
	static char paths[2][256];
	static unsigned next;

	next ^= 1;
	snprintf(paths[next], sizeof(paths[0]), MDEV_BUS "/devices/%s/%s", uuid, name);
	return paths[next];
}

static long put(const char *path, const char *text)
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

long mdev_create(const char *type, const char *uuid)
{
	char path[256];

	snprintf(path, sizeof(path), MDEV_TYPES "/%s/create", type);
	return put(path, uuid);
}

long mdev_remove(const char *uuid)
{
	return put(mdev_path(uuid, "remove"), "1");
}

void mdev_setup(const char *type, const char *uuid)
{
	if (mdev_create(type, uuid) < 0)
		setup_failed("create");
}

static const char *group_number(const char *uuid)
{
	static char target[PATH_MAX];
	ssize_t n = readlink(mdev_path(uuid, "iommu_group"), target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = 0;
	return strrchr(target, '/') + 1;
}

int mdev_open_group(const char *uuid)
{
	const char *number = group_number(uuid);
	char path[64];

	if (!number)
		return -1;
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	return open(path, O_RDWR);
}

struct ctx mdev_open(const char *uuid, unsigned iommu)
{
	struct ctx ctx = { open_container(), mdev_open_group(uuid), -1 };

	if (ctx.group < 0)
		setup_failed("open group");
	if (ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &ctx.container))
		setup_failed("SET_CONTAINER");
	if (ioctl(ctx.container, VFIO_SET_IOMMU, iommu))
		setup_failed("SET_IOMMU");
	ctx.device = ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, uuid);
	if (ctx.device < 0)
		setup_failed("GET_DEVICE_FD");
	return ctx;
}

/* ---- what stands somewhere ------------------------------------------------------------------- */

/* A text without what differs between machines: numbers of groups and of device nodes. */
static void say_plain(const char *text)
{
	for (const char *p = text; *p; p++) {
		const char *number = NULL;
		static const char *const before[] = { "iommu_groups/", "vfio/",
						      "MAJOR=", "MINOR=" };

		for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
			size_t len = strlen(before[i]);

			if (p - text >= (long)len && !strncmp(p - len, before[i], len))
				number = p;
		}
		if (number && *p >= '0' && *p <= '9') {
			p += strspn(p, "0123456789") - 1;
			say("N");
		} else {
			say("%c", *p == '\n' || *p == ' ' ? '|' : *p);
		}
	}
}

static void say_text(const char *what, const char *path)
{
	int fd = open(path, O_RDONLY);
	char buf[1024];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0) {
		result(what, -1);
	} else {
		buf[n] = 0;
		say(" %s=\"", what);
		say_plain(buf);
		say("\"");
	}
	if (fd >= 0)
		close(fd);
}

static void say_link(const char *what, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0) {
		result(what, n);
		return;
	}
	target[n] = 0;
	say(" %s->", what);
	say_plain(target);
}

/* What is in a directory: kind and mode, where links lead. Device files of vfio's own are left
 * out: not all kernels have them. */
static void say_dir(const char *what, const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort);

	if (n < 0) {
		result(what, n);
		return;
	}
	say(" %s:", what);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		char path[PATH_MAX];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (name[0] != '.' && strcmp(name, "vfio-dev") && !lstat(path, &st)) {
			if (S_ISLNK(st.st_mode))
				say_link(name, path);
			else
				say(" %s=%o", name, st.st_mode);
		}
		free(names[i]);
	}
	free(names);
}

static void mdev_bus(long arg)
{
	say_dir("bus", MDEV_BUS);
	say_dir("devices", MDEV_BUS "/devices");
	say_dir("driver", MDEV_BUS "/drivers/mtty");
	say_text("autoprobe", MDEV_BUS "/drivers_autoprobe");
	say_link("mtty", MDEV_PARENT);
	say_dir("module", "/sys/module/mtty/drivers");
}

static void mdev_parent(long arg)
{
	say_dir("parent", MDEV_PARENT "/");
	say_text("uevent", MDEV_PARENT "/uevent");
	say_dir("types", MDEV_TYPES);
	say_dir("class", "/sys/class/mtty");
}

static void mdev_type(long arg)
{
	static const char *const files[] = { "name",	    "device_api", "available_instances",
					     "description", "create",	  "devices" };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), MDEV_TYPES "/mtty-%ld", arg);
	say_dir("type", path);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), MDEV_TYPES "/mtty-%ld/%s", arg, files[i]);
		say_text(files[i], path);
		result("write", put(path, "x"));
	}
}

/* ---- making them ----------------------------------------------------------------------------- */

static const char *const bad_names[] = {
	"",
	"\n",
	"x",
	"83b8f4f2-509f-382f-3c1e-e6bfe0fa100",
	"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001\n",
	"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 ",
	"83b8f4f2-509f-382f-3c1e-e6bfe0fa10012",
	"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001\n\n",
	"83b8f4f2-509f-382f-3c1e-e6bfe0fa100g",
	"83b8f4f2_509f-382f-3c1e-e6bfe0fa1001",
	"83b8f4f2-509f-382f-3c1ee6bfe0fa10012",
	"{83b8f4f2-509f-382f-3c1e-e6bfe0fa100",
	" 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
	"83B8F4F2-509F-382F-3C1E-E6BFE0FA1001",
	"00000000-0000-0000-0000-000000000000",
	"83b8f4f2509f382f3c1ee6bfe0fa1001aaaa",
};

static void mdev_create_name(long arg)
{
	result("create", mdev_create("mtty-1", bad_names[arg]));
	say_dir("devices", MDEV_BUS "/devices");
	if (mdev_remove(MDEV_ONE) < 0)
		mdev_remove("00000000-0000-0000-0000-000000000000");
	say_dir("left", MDEV_BUS "/devices");
}

static void mdev_create_twice(long arg)
{
	result("first", mdev_create("mtty-1", MDEV_ONE));
	result("again", mdev_create("mtty-1", MDEV_ONE));
	result("other type", mdev_create("mtty-2", MDEV_ONE));
	result("capitals", mdev_create("mtty-1", "83B8F4F2-509F-382F-3C1E-E6BFE0FA1001"));
	result("remove", mdev_remove(MDEV_ONE));
	result("anew", mdev_create("mtty-2", MDEV_ONE));
	say_link("type", mdev_path(MDEV_ONE, "mdev_type"));
	result("remove", mdev_remove(MDEV_ONE));
}

static void say_available(void)
{
	say_text("1", MDEV_TYPES "/mtty-1/available_instances");
	say_text("2", MDEV_TYPES "/mtty-2/available_instances");
}

static const char *numbered(unsigned i)
{
	static char uuid[40];

	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012x", i);
	return uuid;
}

static void mdev_available(long arg)
{
	unsigned i = 0;

	say_available();
	mdev_setup("mtty-1", numbered(i++));
	say_available();
	mdev_setup("mtty-2", numbered(i++));
	say_available();
	while (mdev_create("mtty-2", numbered(i)) > 0 && i < 100)
		i++;
	say(" made=%u", i);
	say_available();
	result("two ports", mdev_create("mtty-2", numbered(i)));
	result("one port", mdev_create("mtty-1", numbered(i)));
	say_available();
	result("none left", mdev_create("mtty-1", numbered(i + 1)));
	say(" there=%d", access(mdev_path(numbered(i + 1), "remove"), F_OK) == 0);
	result("remove", mdev_remove(numbered(1)));
	say_available();
	for (unsigned j = 0; j <= i; j++)
		mdev_remove(numbered(j));
	say_available();
	say_dir("left", MDEV_BUS "/devices");
}

/* ---- what they are --------------------------------------------------------------------------- */

static void mdev_instance(long arg)
{
	const char *type = arg == 1 ? "mtty-1" : "mtty-2";
	char path[PATH_MAX];

	mdev_setup(type, MDEV_ONE);
	say_dir("instance", mdev_path(MDEV_ONE, ""));
	say_text("uevent", mdev_path(MDEV_ONE, "uevent"));
	say_text("remove", mdev_path(MDEV_ONE, "remove"));
	say_dir("devices", MDEV_BUS "/devices");
	snprintf(path, sizeof(path), MDEV_TYPES "/%s/devices", type);
	say_dir("of type", path);
	say_dir("parent", MDEV_PARENT "/");
	say_dir("driver", MDEV_BUS "/drivers/mtty");
	result("remove", mdev_remove(MDEV_ONE));
	say_dir("of type", path);
	say_dir("driver", MDEV_BUS "/drivers/mtty");
}

static void say_group(const char *number)
{
	static const char *const files[] = { "name", "type", "reserved_regions" };
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s", number);
	say_dir("group", path);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/%s", number, files[i]);
		say_text(files[i], path);
	}
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/devices", number);
	say_dir("devices", path);
	snprintf(path, sizeof(path), "/sys/class/vfio/%s", number);
	say_link("class", path);
	snprintf(path, sizeof(path), "/sys/class/vfio/%s/uevent", number);
	say_text("uevent", path);
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	if (!result("node", stat(path, &st)))
		say(" mode=%o", st.st_mode);
}

static void mdev_group(long arg)
{
	char number[32];

	mdev_setup("mtty-1", MDEV_ONE);
	snprintf(number, sizeof(number), "%s", group_number(MDEV_ONE));
	say_group(number);
	result("remove", mdev_remove(MDEV_ONE));
	say_group(number);
}

/* Groups are numbered from the lowest free number on. */
static void mdev_group_numbers(long arg)
{
	int first;

	mdev_setup("mtty-1", numbered(0));
	mdev_setup("mtty-1", numbered(1));
	first = atoi(group_number(numbered(0)));
	say(" second=%d", atoi(group_number(numbered(1))) - first);
	result("remove", mdev_remove(numbered(0)));
	mdev_setup("mtty-2", numbered(2));
	say(" third=%d", atoi(group_number(numbered(2))) - first);
	mdev_remove(numbered(1));
	mdev_remove(numbered(2));
}

static void mdev_use(long arg)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int container = open_container(), group, device;

	mdev_setup("mtty-1", MDEV_ONE);
	group = result_fd("group", mdev_open_group(MDEV_ONE));
	result("again", mdev_open_group(MDEV_ONE));
	result("status", ioctl(group, VFIO_GROUP_GET_STATUS, &status));
	say(" flags=%#x", status.flags);
	result("no container", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, MDEV_ONE));
	result("container", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	result("no iommu", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, MDEV_ONE));
	result("type1", ioctl(container, VFIO_SET_IOMMU, arg));
	result("other name", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, MDEV_TWO));
	device = result_fd("device", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, MDEV_ONE));
	result("info", ioctl(device, VFIO_DEVICE_GET_INFO, &info));
	say(" flags=%#x regions=%u irqs=%u", info.flags, info.num_regions, info.num_irqs);
	close(device);
	close(group);
	close(container);
	result("remove", mdev_remove(MDEV_ONE));
}

/* ---- drivers --------------------------------------------------------------------------------- */

static void mdev_unbind(long arg)
{
	mdev_setup("mtty-1", MDEV_ONE);
	result("bind bound", put(MDEV_BUS "/drivers/mtty/bind", MDEV_ONE));
	result("unbind", put(MDEV_BUS "/drivers/mtty/unbind", MDEV_ONE));
	say_dir("instance", mdev_path(MDEV_ONE, ""));
	say_available();
	result("create", mdev_create("mtty-1", MDEV_ONE));
	result("bind", put(MDEV_BUS "/drivers/mtty/bind", MDEV_ONE));
	result("probe", put(MDEV_BUS "/drivers_probe", MDEV_ONE));
	result("probe none", put(MDEV_BUS "/drivers_probe", MDEV_TWO));
	result("unbind", put(MDEV_BUS "/drivers/mtty/unbind", MDEV_ONE));
	say_link("driver", mdev_path(MDEV_ONE, "driver"));
	result("remove", mdev_remove(MDEV_ONE));
	say_available();
}

/* ---- removal --------------------------------------------------------------------------------- */

static const char *const remove_texts[] = {
	"0", "1\n", "2", "x", "", "0x10", "-1", "1x", " 1", "0\n", "+1", "99999999999999999999"
};

static void mdev_remove_text(long arg)
{
	mdev_setup("mtty-1", MDEV_ONE);
	result("write", put(mdev_path(MDEV_ONE, "remove"), remove_texts[arg]));
	say(" there=%d", access(mdev_path(MDEV_ONE, "uevent"), F_OK) == 0);
	mdev_remove(MDEV_ONE);
	say(" left=%d", access(mdev_path(MDEV_ONE, "uevent"), F_OK) == 0);
}

static void mdev_remove_twice(long arg)
{
	int first, second;

	mdev_setup("mtty-1", MDEV_ONE);
	first = open(mdev_path(MDEV_ONE, "remove"), O_WRONLY);
	second = open(mdev_path(MDEV_ONE, "remove"), O_WRONLY);
	result("first", write(first, "1", 1));
	result("first again", write(first, "1", 1));
	result("second", write(second, "1", 1));
	result("open", mdev_remove(MDEV_ONE));
	result("no name", access(mdev_path(MDEV_ONE, ""), F_OK));
	mdev_setup("mtty-1", MDEV_ONE);
	result("stale", write(second, "1", 1));
	result("remove", mdev_remove(MDEV_ONE));
}

/* Another file of it that was open before. */
static void mdev_remove_stale(long arg)
{
	char buf[64];
	int fd;

	mdev_setup("mtty-1", MDEV_ONE);
	fd = open(mdev_path(MDEV_ONE, "uevent"), O_RDONLY);
	result("read", read(fd, buf, sizeof(buf)));
	result("remove", mdev_remove(MDEV_ONE));
	result("read", pread(fd, buf, sizeof(buf), 0));
	result("group", mdev_open_group(MDEV_ONE));
}

/* A process that removes the instance when it is told to; it has no file of the prober's. */
static pid_t start_remover(int *go, volatile bool *done)
{
	int ends[2];
	pid_t pid;
	char byte;

	if (pipe2(ends, O_CLOEXEC))
		setup_failed("pipe");
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		if (read(ends[0], &byte, 1) != 1)
			_exit(1);
		result("remove", mdev_remove(MDEV_ONE));
		*done = true;
		_exit(0);
	}
	if (pid < 0)
		setup_failed("fork");
	close(ends[0]);
	*go = ends[1];
	return pid;
}

/* A removal waits for the user. Nobody else gets the instance meanwhile, and its name stays
 * taken. */
static void mdev_remove_in_use(long arg)
{
	volatile bool *done =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int go, container = open_container();
	pid_t pid = start_remover(&go, done);
	struct ctx ctx;

	mdev_setup("mtty-1", MDEV_ONE);
	ctx = mdev_open(MDEV_ONE, VFIO_TYPE1v2_IOMMU);
	if (arg == 2) {
		close(ctx.group);
		close(ctx.container);
	}
	if (write(go, "", 1) != 1)
		setup_failed("remover");
	/* The file goes first. */
	for (int i = 0; i < PATIENCE && !access(mdev_path(MDEV_ONE, "remove"), F_OK); i++)
		usleep(1000);
	result("file", access(mdev_path(MDEV_ONE, "remove"), F_OK));
	result("again", mdev_remove(MDEV_ONE));
	result("create", mdev_create("mtty-1", MDEV_ONE));
	say_text("1", MDEV_TYPES "/mtty-1/available_instances");
	if (arg == 0) {
		result("group", mdev_open_group(MDEV_ONE));
		result("device", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, MDEV_ONE));
	}
	if (arg == 1) {
		close(ctx.group);
		close(ctx.container);
		result("other container", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	}
	usleep(50000);
	say(" waits=%d", !*done);
	close(ctx.device);
	waitpid(pid, NULL, 0);
	say(" there=%d", access(mdev_path(MDEV_ONE, "uevent"), F_OK) == 0);
	say_text("1", MDEV_TYPES "/mtty-1/available_instances");
	if (arg == 0)
		result("device", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, MDEV_ONE));
	result("anew", mdev_create("mtty-1", MDEV_ONE));
	result("remove", mdev_remove(MDEV_ONE));
}

/* ---- what is told ---------------------------------------------------------------------------- */

static int listen_uevents(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int sock = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		setup_failed("uevents");
	return sock;
}

/* What was told until now: a change of another device is the end. */
static void say_uevents(int sock)
{
	struct pollfd wait = { sock, POLLIN, 0 };
	char path[PATH_MAX], buf[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/uevent", probe_bdf);
	if (put(path, "change") < 0)
		setup_failed("uevent");
	while (poll(&wait, 1, PATIENCE) == 1 && (n = recv(sock, buf, sizeof(buf) - 1, 0)) > 0) {
		buf[n] = 0;
		if (strstr(buf, probe_bdf))
			return;
		/* Of device files of vfio's own, as above. */
		if (strstr(buf, "/vfio-dev/"))
			continue;
		say(" [");
		for (char *p = buf; p < buf + n; p += strlen(p) + 1)
			if (strncmp(p, "SEQNUM=", 7)) {
				say(p == buf ? "" : "|");
				say_plain(p);
			}
		say("]");
	}
}

static void mdev_uevents(long arg)
{
	int sock = listen_uevents();

	result("create", mdev_create("mtty-1", MDEV_ONE));
	say_uevents(sock);
	result("change", put(mdev_path(MDEV_ONE, "uevent"), "change"));
	say_uevents(sock);
	result("nonsense", put(mdev_path(MDEV_ONE, "uevent"), "nonsense"));
	result("parent", put(MDEV_PARENT "/uevent", "add"));
	say_uevents(sock);
	result("unbind", put(MDEV_BUS "/drivers/mtty/unbind", MDEV_ONE));
	say_uevents(sock);
	result("remove", mdev_remove(MDEV_ONE));
	say_uevents(sock);
	result("none left", mdev_create("mtty-1", "x"));
	say_uevents(sock);
}

/* The kernel log's lines about mediated devices. */
static void say_log(int fd)
{
	char record[8192], *text;
	ssize_t n;

	while ((n = read(fd, record, sizeof(record) - 1)) > 0) {
		record[n] = 0;
		text = strchr(record, ';');
		if (!text || !(strstr(text, "mtty") || strstr(text, "mdev")))
			continue;
		text[strcspn(text, "\n")] = 0;
		/* The group's number. */
		if (strstr(text, "group "))
			strcpy(strstr(text, "group "), "group");
		say(" <%d>", atoi(record) & 7);
		say_plain(text + 1);
	}
}

static void mdev_log(long arg)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	struct ctx ctx;

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		setup_failed("kmsg");
	mdev_setup("mtty-2", MDEV_ONE);
	say_log(fd);
	say(" use:");
	ctx = mdev_open(MDEV_ONE, VFIO_TYPE1v2_IOMMU);
	teardown(&ctx);
	say_log(fd);
	say(" wrong:");
	mdev_create("mtty-1", MDEV_ONE);
	mdev_create("mtty-1", "x");
	say_log(fd);
	result("remove", mdev_remove(MDEV_ONE));
	say_log(fd);
}

static const struct probe probes[] = {
	{ "mdev-bus", mdev_bus, 0, 0 },
	{ "mdev-parent", mdev_parent, 0, 0 },
	{ "mdev-type", mdev_type, 1, 2 },
	{ "mdev-create", mdev_create_name, 0, ARRAY_SIZE(bad_names) },
	{ "mdev-create-twice", mdev_create_twice, 0, 0 },
	{ "mdev-available", mdev_available, 0, 0 },
	{ "mdev-instance", mdev_instance, 1, 2 },
	{ "mdev-group", mdev_group, 0, 0 },
	{ "mdev-group-numbers", mdev_group_numbers, 0, 0 },
	{ "mdev-use-type1", mdev_use, VFIO_TYPE1_IOMMU, 1 },
	{ "mdev-use-type1v2", mdev_use, VFIO_TYPE1v2_IOMMU, 1 },
	{ "mdev-unbind", mdev_unbind, 0, 0 },
	{ "mdev-remove", mdev_remove_text, 0, ARRAY_SIZE(remove_texts) },
	{ "mdev-remove-twice", mdev_remove_twice, 0, 0 },
	{ "mdev-remove-stale", mdev_remove_stale, 0, 0 },
	{ "mdev-remove-in-use", mdev_remove_in_use, 0, 3 },
	{ "mdev-uevents", mdev_uevents, 0, 0 },
	{ "mdev-log", mdev_log, 0, 0 },
};

PROBE_SET(mdev_probes, probes);
