/* SPDX-License-Identifier: BSD-3-Clause */
/* Power states by the PM capability and by the low-power features; what is left after a close. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include "probe.h"

#define SET   VFIO_DEVICE_FEATURE_SET
#define ENTRY 3u
#define WAKE  4u
#define EXIT  5u

static sigjmp_buf bus_error;

static void on_bus_error(int sig)
{
	siglongjmp(bus_error, 1);
}

/* Says whether the mapping's first word can be read. */
static void touch(const char *what, volatile uint32_t *p)
{
	struct sigaction sa = { .sa_handler = on_bus_error };

	sigaction(SIGBUS, &sa, NULL);
	if (sigsetjmp(bus_error, 1)) {
		say(" %s=SIGBUS", what);
	} else {
		(void)*p;
		say(" %s=ok", what);
	}
}

/* Text of an attribute of the first device, without its newline. */
static void attribute(const char *name)
{
	char path[128], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", probe_bdf, name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		snprintf(text, sizeof(text), "%s", strerrorname_np(errno));
	text[strcspn(text, "\n")] = 0;
	say(" %s=%s", strrchr(path, '/') + 1, text);
	if (fd >= 0)
		close(fd);
}

/* The kernel suspends a little later. */
static void settle(void)
{
	usleep(200000);
}

struct powered {
	struct ctx ctx;
	unsigned bar, pmcsr;
	volatile uint32_t *map;
};

static struct powered setup_powered(void)
{
	struct powered p = { .ctx = setup_device(VFIO_TYPE1_IOMMU) };
	void *map;

	p.bar = memory_bar(p.ctx.device);
	p.pmcsr = config_find_cap(p.ctx.device, 0x01) + 4;
	config_write(p.ctx.device, 4, 2, 6);
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, p.ctx.device,
		   (off_t)region_offset(p.ctx.device, p.bar));
	if (map == MAP_FAILED)
		setup_failed("mmap");
	p.map = map;
	return p;
}

static void bar_io(const struct powered *p, const char *what)
{
	uint32_t value;

	result(what, pread(p->ctx.device, &value, 4, (off_t)region_offset(p->ctx.device, p->bar)));
}

static void state(const struct powered *p)
{
	say(" state=%u", config_read(p->ctx.device, p->pmcsr, 2) & 3);
}

static void power_state(long to)
{
	struct powered p = setup_powered();

	touch("map", p.map);
	config_write(p.ctx.device, p.pmcsr, 2, (uint32_t)to);
	state(&p);
	attribute("power_state");
	bar_io(&p, "bar");
	touch("map", p.map);
	config_write(p.ctx.device, 0x3c, 1, 0x77);
	say(" line=%#x command=%#x", config_read(p.ctx.device, 0x3c, 1),
	    config_read(p.ctx.device, 4, 2));
	config_write(p.ctx.device, p.pmcsr, 2, 0);
	state(&p);
	attribute("power_state");
	bar_io(&p, "bar");
	touch("map", p.map);
	say(" line=%#x command=%#x", config_read(p.ctx.device, 0x3c, 1),
	    config_read(p.ctx.device, 4, 2));
}

static void power_d3_ways_out(long arg)
{
	struct powered p = setup_powered();

	config_write(p.ctx.device, p.pmcsr, 2, 3);
	config_write(p.ctx.device, p.pmcsr, 1, 1);
	state(&p);
	config_write(p.ctx.device, p.pmcsr + 1, 1, 0);
	state(&p);
	result("reset", ioctl(p.ctx.device, VFIO_DEVICE_RESET));
	state(&p);
	bar_io(&p, "bar");
	config_write(p.ctx.device, p.pmcsr - 2, 4, 3u << 16);
	state(&p);
	config_write(p.ctx.device, p.pmcsr, 4, 3);
	state(&p);
	config_write(p.ctx.device, 4, 2, 0);
	config_write(p.ctx.device, p.pmcsr, 4, 0);
	state(&p);
	bar_io(&p, "memory off");
	touch("map", p.map);
	config_write(p.ctx.device, 4, 2, 2);
	bar_io(&p, "memory on");
	touch("map", p.map);
}

static int feature(int device, uint32_t number, int32_t fd, const char *what)
{
	uint32_t buf[4] = { number == WAKE ? 16 : 8, SET | number, (uint32_t)fd, 0 };

	return (int)result(what, ioctl(device, VFIO_DEVICE_FEATURE, buf));
}

static void power_low(long arg)
{
	struct powered p = setup_powered();

	feature(p.ctx.device, ENTRY, 0, "enter");
	settle();
	attribute("power_state");
	attribute("power/runtime_status");
	touch("map", p.map);
	bar_io(&p, "bar");
	state(&p);
	settle();
	attribute("power_state");
	touch("map", p.map);
	feature(p.ctx.device, ENTRY, 0, "enter again");
	feature(p.ctx.device, EXIT, 0, "exit");
	settle();
	attribute("power_state");
	attribute("power/runtime_status");
	touch("map", p.map);
	bar_io(&p, "bar");
}

static void power_low_from_d3(long arg)
{
	struct powered p = setup_powered();

	config_write(p.ctx.device, p.pmcsr, 2, 3);
	feature(p.ctx.device, ENTRY, 0, "enter");
	settle();
	attribute("power_state");
	state(&p);
	bar_io(&p, "bar");
	feature(p.ctx.device, EXIT, 0, "exit");
	state(&p);
	bar_io(&p, "bar");
}

static void woken(int fd, const char *what)
{
	uint64_t value = 0;

	if (read(fd, &value, 8) < 0)
		value = 0;
	say(" %s=%lu", what, (unsigned long)value);
}

static void power_wakeup(long way)
{
	struct powered p = setup_powered();
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd = eventfd(0, EFD_NONBLOCK);

	feature(p.ctx.device, WAKE, fd, "enter");
	settle();
	attribute("power_state");
	woken(fd, "asleep");
	if (way == 0)
		bar_io(&p, "bar");
	else if (way == 1)
		state(&p);
	else if (way == 2)
		result("info", ioctl(p.ctx.device, VFIO_DEVICE_GET_INFO, &info));
	else if (way == 3)
		result("reset", ioctl(p.ctx.device, VFIO_DEVICE_RESET));
	else if (way == 4)
		feature(p.ctx.device, EXIT, 0, "exit");
	else
		result("unknown", ioctl(p.ctx.device, _IO(VFIO_TYPE, 150)));
	woken(fd, "woken");
	settle();
	attribute("power_state");
	touch("map", p.map);
	feature(p.ctx.device, WAKE, fd, "enter again");
	feature(p.ctx.device, EXIT, 0, "exit");
}

static void power_wakeup_bad(long arg)
{
	struct powered p = setup_powered();

	feature(p.ctx.device, WAKE, -1, "fd -1");
	feature(p.ctx.device, WAKE, 9999, "fd 9999");
	feature(p.ctx.device, WAKE, p.ctx.container, "no eventfd");
	feature(p.ctx.device, EXIT, 0, "exit");
	state(&p);
}

static void power_low_close(long arg)
{
	struct powered p = setup_powered();

	feature(p.ctx.device, ENTRY, 0, "enter");
	settle();
	munmap((void *)p.map, PAGE);
	teardown(&p.ctx);
	p.ctx = setup_device(VFIO_TYPE1_IOMMU);
	state(&p);
	say(" command=%#x", config_read(p.ctx.device, 4, 2));
	bar_io(&p, "bar");
	feature(p.ctx.device, ENTRY, 0, "enter");
}

/* COMMAND as the host sees it while the device is open and afterwards. */
static void power_close(long arg)
{
	struct powered p = setup_powered();
	char path[128];
	uint16_t command = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", probe_bdf);
	fd = open(path, O_RDONLY);
	result("read", pread(fd, &command, 2, 4));
	say(" open=%#x", command);
	attribute("enable");
	munmap((void *)p.map, PAGE);
	teardown(&p.ctx);
	result("read", pread(fd, &command, 2, 4));
	say(" closed=%#x", command);
	settle();
	attribute("power_state");
	attribute("enable");
}

static const struct probe table[] = {
	{ "power-state", power_state, 0, 4 },
	{ "power-d3-ways-out", power_d3_ways_out, 0, 0 },
	{ "power-low", power_low, 0, 0 },
	{ "power-low-from-d3", power_low_from_d3, 0, 0 },
	{ "power-wakeup", power_wakeup, 0, 6 },
	{ "power-wakeup-bad", power_wakeup_bad, 0, 0 },
	{ "power-low-close", power_low_close, 0, 0 },
	{ "power-close", power_close, 0, 0 },
};

PROBE_SET(power_probes, table);
