/* SPDX-License-Identifier: BSD-3-Clause */
/* mmap of a device: what may be mapped, and that a mapping dies with COMMAND.MEMORY. */
#include <setjmp.h>
#include <signal.h>
#include "probe.h"

#define COMMAND_MEMORY 2u

static struct ctx setup_memory(unsigned *bar)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	*bar = memory_bar(ctx.device);
	config_write(ctx.device, 4, 2, config_read(ctx.device, 4, 2) | COMMAND_MEMORY);
	return ctx;
}

static void try_map(int device, const char *what, size_t size, int prot, int flags, uint64_t off)
{
	void *p = mmap(NULL, size, prot, flags, device, (off_t)off);

	result(what, p == MAP_FAILED ? -1 : 0);
	if (p != MAP_FAILED)
		munmap(p, size);
}

static void mmap_bar(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	uint64_t base = region_offset(ctx.device, bar), size = region_size(ctx.device, bar);
	int rw = PROT_READ | PROT_WRITE;

	try_map(ctx.device, "all", size, rw, MAP_SHARED, base);
	try_map(ctx.device, "read-only", size, PROT_READ, MAP_SHARED, base);
	try_map(ctx.device, "write-only", PAGE, PROT_WRITE, MAP_SHARED, base);
	try_map(ctx.device, "none", PAGE, PROT_NONE, MAP_SHARED, base);
	try_map(ctx.device, "exec", PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, base);
	try_map(ctx.device, "private", PAGE, rw, MAP_PRIVATE, base);
	try_map(ctx.device, "private read-only", PAGE, PROT_READ, MAP_PRIVATE, base);
	try_map(ctx.device, "second page", PAGE, rw, MAP_SHARED, base + PAGE);
	try_map(ctx.device, "last page", PAGE, rw, MAP_SHARED, base + size - PAGE);
	try_map(ctx.device, "over the end", 2 * PAGE, rw, MAP_SHARED, base + size - PAGE);
	try_map(ctx.device, "beyond", PAGE, rw, MAP_SHARED, base + size);
	try_map(ctx.device, "too long", size + PAGE, rw, MAP_SHARED, base);
	try_map(ctx.device, "odd length", 100, rw, MAP_SHARED, base);
	try_map(ctx.device, "odd offset", PAGE, rw, MAP_SHARED, base + 100);
	try_map(ctx.device, "no length", 0, rw, MAP_SHARED, base);
	try_map(ctx.device, "populate", size, rw, MAP_SHARED | MAP_POPULATE, base);
}

static void mmap_region(long region)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint64_t base = (uint64_t)region << 40;

	try_map(ctx.device, "page", PAGE, PROT_READ, MAP_SHARED, base);
	try_map(ctx.device, "rw", PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, base);
}

/* mmap does not ask whether memory is enabled. */
static void mmap_memory_off(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);

	config_write(ctx.device, 4, 2, 0);
	try_map(ctx.device, "off", PAGE, PROT_READ, MAP_SHARED, region_offset(ctx.device, bar));
}

static sigjmp_buf jump;
static volatile int caught;

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	caught = sig;
	siglongjmp(jump, 1);
}

/* Says what a load at @p came to: "ok", or the signal. */
static void try_load(const char *what, const volatile uint32_t *p)
{
	caught = 0;
	if (sigsetjmp(jump, 1) == 0)
		(void)*p;
	say(" %s=%s", what, caught == 0 ? "ok" : caught == SIGBUS ? "SIGBUS" : "SIGSEGV");
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

static void mmap_touch(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	uint64_t base = region_offset(ctx.device, bar);
	volatile uint32_t *p;
	uint32_t value = 0;

	catch_signals();
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ctx.device, (off_t)base);
	if (p == MAP_FAILED)
		setup_failed("mmap");
	try_load("load", p);
	result("read", pread(ctx.device, &value, 4, (off_t)base));
	say(" same=%d", value == p[0]);
	config_write(ctx.device, 4, 2, 0);
	try_load("memory off", p);
	config_write(ctx.device, 4, 2, COMMAND_MEMORY);
	try_load("memory on", p);
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	try_load("after reset", p);
	close(ctx.group);
	close(ctx.container);
	close(ctx.device);
	try_load("all closed", p);
	munmap((void *)p, PAGE);
	try_load("unmapped", p);
}

static void mmap_touch_low_power(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	unsigned pm = config_find_cap(ctx.device, 1);
	volatile uint32_t *p;

	catch_signals();
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ctx.device,
		 (off_t)region_offset(ctx.device, bar));
	if (p == MAP_FAILED)
		setup_failed("mmap");
	try_load("D0", p);
	config_write(ctx.device, pm + 4, 2, 3);
	try_load("D3hot", p);
	config_write(ctx.device, pm + 4, 2, 0);
	try_load("D0 again", p);
}

/* A BAR as the target of DMA: type1 takes it. */
static void mmap_dma(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	uint64_t size;
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ctx.device,
		       (off_t)region_offset(ctx.device, bar));

	if (p == MAP_FAILED)
		setup_failed("mmap");
	result("map", dma_map(ctx.container, 3, p, IOVA, PAGE));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, PAGE, &size));
	say(" size=%#lx", size);
}

static const struct probe table[] = {
	{ "mmap-bar", mmap_bar, 0, 0 },
	{ "mmap-region", mmap_region, 1, 10 },
	{ "mmap-memory-off", mmap_memory_off, 0, 0 },
	{ "mmap-touch", mmap_touch, 0, 0 },
	{ "mmap-touch-low-power", mmap_touch_low_power, 0, 0 },
	{ "mmap-dma", mmap_dma, 0, 0 },
};

PROBE_SET(mmap_probes, table);
