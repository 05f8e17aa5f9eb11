/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions: the PF's attributes and their writes, what a VF is in sysfs. Only where the
 * first device has them; every probe begins without VFs and leaves none.
 */
#include <sys/stat.h>

#include "probe.h"
#include "sriov.h"

#define ENABLE_SRIOV "/sys/module/vfio_pci/parameters/enable_sriov"

const char *pf_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", probe_bdf, name);
	return path;
}

long file_put(const char *path, const char *text)
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

/* The text with line breaks as bars; "" when it cannot be read. */
const char *file_get(const char *path)
{
	static char buf[1024];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = 0;
	for (char *p = buf; *p; p++)
		if (*p == '\n' || *p == ' ')
			*p = '|';
	return buf;
}

static void say_file(const char *path, bool text)
{
	struct stat st;

	if (result("stat", lstat(path, &st)))
		return;
	say(" mode=%o", st.st_mode);
	if (text && (st.st_mode & 0444))
		say(" \"%s\"", file_get(path));
}

long set_numvfs(const char *text)
{
	return file_put(pf_path("sriov_numvfs"), text);
}

void say_numvfs(void)
{
	say(" numvfs=%s", file_get(pf_path("sriov_numvfs")));
}

void vfs_begin(const char *vfs)
{
	file_put(ENABLE_SRIOV, "1");
	if (set_numvfs("0") < 0 || set_numvfs(vfs) < 0)
		setup_failed("sriov_numvfs");
}

void vfs_end(void)
{
	if (set_numvfs("0") < 0)
		setup_failed("sriov_numvfs");
}

/* The address that a link of the PF leads to. */
const char *vf_bdf(unsigned i)
{
	static char target[2][128];
	char name[32], *to = target[i & 1];
	ssize_t n;

	snprintf(name, sizeof(name), "virtfn%u", i);
	n = readlink(pf_path(name), to, sizeof(target[0]) - 1);
	if (n < 0)
		setup_failed(name);
	to[n] = 0;
	return strrchr(to, '/') + 1;
}

const char *vf_path(unsigned i, const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", vf_bdf(i), name);
	return path;
}

const char *link_name(const char *path)
{
	static char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return "none";
	target[n] = 0;
	return strrchr(target, '/') + 1;
}

/* ---- the PF's attributes --------------------------------------------------------------------- */

static const char *const pf_files[] = {
	"sriov_drivers_autoprobe", "sriov_numvfs",	  "sriov_offset", "sriov_stride",
	"sriov_totalvfs",	   "sriov_vf_device",	  "max_vfs",	  "ari_enabled",
	"sriov_vf_total_msix",	   "sriov_vf_msix_count", "physfn",	  "virtfn0",
};

static void pf_file(long i)
{
	vfs_begin("0");
	say(" %s", pf_files[i]);
	say_file(pf_path(pf_files[i]), true);
}

static void write_numvfs(const char *const *texts, size_t n)
{
	char what[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(what, sizeof(what), "%.*s%s", (int)strcspn(texts[i], "\n"), texts[i],
			 strchr(texts[i], '\n') ? "~" : "");
		result(what, set_numvfs(texts[i]));
		say_numvfs();
	}
}

static void numvfs_writes(long arg)
{
	static const char *const texts[] = { "",      "x",  "-1", "65536", "100", "9", "1 2",
					     "0x2\n", "2",  "3",  "9",	   "0",	  "0", "8",
					     "0\n",   " 1", "01", "0",	   "1x" };

	vfs_begin("0");
	write_numvfs(texts, ARRAY_SIZE(texts));
	vfs_end();
}

/* Without the parameter, and without a driver. */
static void numvfs_refused(long arg)
{
	static const char *const texts[] = { "0", "1", "9" };

	vfs_begin("0");
	result("off", file_put(ENABLE_SRIOV, "0"));
	write_numvfs(texts, ARRAY_SIZE(texts));
	result("on", file_put(ENABLE_SRIOV, "1"));
	result("unbind", file_put(DRIVER "unbind", probe_bdf));
	write_numvfs(texts, ARRAY_SIZE(texts));
	result("bind", file_put(DRIVER "bind", probe_bdf));
	write_numvfs(texts, 2);
	/* Turned off while there are some. */
	result("off", file_put(ENABLE_SRIOV, "0"));
	write_numvfs(texts, 1);
	result("on", file_put(ENABLE_SRIOV, "1"));
	vfs_end();
}

static void autoprobe_writes(long arg)
{
	static const char *const texts[] = { "0", "1", "5", "x", "n", "Y", "off", "on\n", "" };

	vfs_begin("0");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		result(i == 7 ? "on~" : texts[i],
		       file_put(pf_path("sriov_drivers_autoprobe"), texts[i]));
		say(" \"%s\"", file_get(pf_path("sriov_drivers_autoprobe")));
	}
}

/* A VF without an override, while drivers are not asked. */
static void autoprobe_off(long arg)
{
	vfs_begin("0");
	result("off", file_put(pf_path("sriov_drivers_autoprobe"), "0"));
	result("2", set_numvfs("2"));
	say(" driver=%s", link_name(vf_path(0, "driver")));
	say(" override=%s", file_get(vf_path(0, "driver_override")));
	result("unbind", file_put(DRIVER "unbind", vf_bdf(0)));
	result("bind", file_put(DRIVER "bind", vf_bdf(0)));
	result("unbind", file_put(DRIVER "unbind", vf_bdf(0)));
	result("clear", file_put(vf_path(0, "driver_override"), "\n"));
	result("bind", file_put(DRIVER "bind", vf_bdf(0)));
	result("probe", file_put("/sys/bus/pci/drivers_probe", vf_bdf(0)));
	say(" driver=%s", link_name(vf_path(0, "driver")));
	result("on", file_put(pf_path("sriov_drivers_autoprobe"), "1"));
	result("bind", file_put(DRIVER "bind", vf_bdf(0)));
	vfs_end();
}

/* The bus' own switch. */
static void bus_autoprobe_off(long arg)
{
	vfs_begin("0");
	result("off", file_put("/sys/bus/pci/drivers_autoprobe", "0"));
	result("1", set_numvfs("1"));
	say(" driver=%s", link_name(vf_path(0, "driver")));
	result("on", file_put("/sys/bus/pci/drivers_autoprobe", "1"));
	vfs_end();
}

/* ---- VFs in sysfs ---------------------------------------------------------------------------- */

static void vfs_appear(long arg)
{
	char group[64] = "", path[160];

	vfs_begin("0");
	result("3", set_numvfs("3"));
	for (unsigned i = 0; i < 3; i++) {
		say(" %s", vf_bdf(i));
		say(" physfn=%s", link_name(vf_path(i, "physfn")));
		say(" driver=%s", link_name(vf_path(i, "driver")));
		say(" override=%s", file_get(vf_path(i, "driver_override")));
		snprintf(path, sizeof(path), "/dev/vfio/%.32s",
			 link_name(vf_path(i, "iommu_group")));
		say(" group=%s", strcmp(path, group) ? "another" : "same");
		memcpy(group, path, sizeof(group) - 1);
		result("node", access(path, F_OK));
	}
	result("virtfn3", access(pf_path("virtfn3"), F_OK));
	say(" power=%s", file_get(pf_path("power_state")));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", vf_bdf(0));
	result("0", set_numvfs("0"));
	result("virtfn0", access(pf_path("virtfn0"), F_OK));
	result("device", access(path, F_OK));
	usleep(200000);
	say(" power=%s", file_get(pf_path("power_state")));
}

static const struct {
	const char *name;
	bool text;
} vf_files[] = {
	{ "ari_enabled", true },
	{ "broken_parity_status", true },
	{ "class", true },
	{ "config", false },
	{ "d3cold_allowed", true },
	{ "device", true },
	{ "driver_override", true },
	{ "enable", true },
	{ "irq", true },
	{ "msi_bus", true },
	{ "numa_node", true },
	{ "power_state", true },
	{ "remove", false },
	{ "rescan", false },
	{ "reset", false },
	{ "reset_method", true },
	{ "resource0", false },
	{ "resource1", false },
	{ "resource3", false },
	{ "rom", false },
	{ "vendor", true },
	{ "sriov_numvfs", true },
	{ "sriov_totalvfs", true },
	{ "sriov_vf_msix_count", true },
	{ "sriov_vf_total_msix", true },
	{ "msi_irqs", false },
	{ "physfn", false },
	{ "link/l0s_aspm", false },
	{ "aer_dev_fatal", false },
	{ "power/control", true },
	{ "power/runtime_status", true },
};

static void vf_file(long i)
{
	vfs_begin("1");
	say(" %s", vf_files[i].name);
	say_file(vf_path(0, vf_files[i].name), vf_files[i].text);
	vfs_end();
}

static void vf_msix_count(long arg)
{
	static const char *const texts[] = { "x", "-1", "0", "3", "4096", "99999999999" };

	vfs_begin("1");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		result(texts[i], file_put(vf_path(0, "sriov_vf_msix_count"), texts[i]));
	result("unbind", file_put(DRIVER "unbind", vf_bdf(0)));
	result("3", file_put(vf_path(0, "sriov_vf_msix_count"), "3"));
	vfs_end();
}

static uint32_t raw_read(int fd, unsigned off, unsigned width)
{
	uint32_t value = 0;

	if (pread(fd, &value, width, off) != (ssize_t)width)
		setup_failed("config read");
	return value;
}

static void raw_write(int fd, unsigned off, unsigned width, uint32_t value)
{
	if (pwrite(fd, &value, width, off) != (ssize_t)width)
		setup_failed("config write");
}

/* Registers of the header, as hardware has them. */
static void vf_raw_config(long arg)
{
	static const unsigned regs[] = { 0, 4, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30, 0x3c };
	int fd;

	vfs_begin("1");
	result("unbind", file_put(DRIVER "unbind", vf_bdf(0)));
	fd = open(vf_path(0, "config"), O_RDWR);
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		uint32_t old = raw_read(fd, regs[i], 4);

		raw_write(fd, regs[i], 4, regs[i] == 4 ? 0xffff : ~0u);
		say(" %02x=%08x/%08x", regs[i], old, raw_read(fd, regs[i], 4));
		raw_write(fd, regs[i], 4, old);
	}
	close(fd);
	vfs_end();
}

static unsigned find_sriov(int fd)
{
	unsigned pos = 0x100;

	while (pos && (raw_read(fd, pos, 4) & 0xffff) != 0x10)
		pos = raw_read(fd, pos, 4) >> 20;
	if (!pos)
		setup_failed("no SR-IOV capability");
	return pos;
}

/* All of the capability but the BARs' addresses. */
static void say_sriov(int fd)
{
	unsigned pos = find_sriov(fd);

	say(" [");
	for (unsigned off = 4; off < 0x24; off += 4)
		say("%s%08x", off > 4 ? "," : "", raw_read(fd, pos + off, 4));
	say("]");
}

static void pf_raw_config(long arg)
{
	int fd;

	vfs_begin("0");
	fd = open(pf_path("config"), O_RDONLY);
	say_sriov(fd);
	result("2", set_numvfs("2"));
	say_sriov(fd);
	result("0", set_numvfs("0"));
	say_sriov(fd);
	close(fd);
}

static const struct probe table[] = {
	{ "sriov-pf-file", pf_file, 0, ARRAY_SIZE(pf_files) },
	{ "sriov-numvfs", numvfs_writes, 0, 0 },
	{ "sriov-numvfs-refused", numvfs_refused, 0, 0 },
	{ "sriov-autoprobe", autoprobe_writes, 0, 0 },
	{ "sriov-autoprobe-off", autoprobe_off, 0, 0 },
	{ "sriov-bus-autoprobe-off", bus_autoprobe_off, 0, 0 },
	{ "sriov-vfs", vfs_appear, 0, 0 },
	{ "sriov-vf-file", vf_file, 0, ARRAY_SIZE(vf_files) },
	{ "sriov-vf-msix-count", vf_msix_count, 0, 0 },
	{ "sriov-vf-raw-config", vf_raw_config, 0, 0 },
	{ "sriov-pf-raw-config", pf_raw_config, 0, 0 },
};

PROBE_SET(sriov_probes, table);
