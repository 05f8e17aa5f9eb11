/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's sample of a mediated device, mtty, to its user: infos, config space, interrupts,
 * migration, DMA logging. Of the UART only what the sample has in common with a real one; sizes of
 * the migration stream are not said, for they are the device's own.
 */
#include <poll.h>
#include "mdev.h"

#define REGION(n) ((uint64_t)(n) << 40)
#define CONFIG	  REGION(VFIO_PCI_CONFIG_REGION_INDEX)

#define GET   VFIO_DEVICE_FEATURE_GET
#define SET   VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

#define MIG_STATES	  8 /* those up to RUNNING_P2P, and since Linux 6.2 two more */
#define PRE_COPY	  6
#define GET_PRECOPY_INFO  _IO(VFIO_TYPE, VFIO_BASE + 21)
#define FEATURE_DATA_SIZE 9

static struct ctx with_type(const char *type)
{
	mdev_setup(type, MDEV_ONE);
	return mdev_open(MDEV_ONE, VFIO_TYPE1_IOMMU);
}

static void done(struct ctx *ctx)
{
	teardown(ctx);
	mdev_remove(MDEV_ONE);
}

/* ---- infos ----------------------------------------------------------------------------------- */

static void mtty_info(long arg)
{
	struct ctx ctx = with_type("mtty-2");
	struct vfio_device_info info = { .argsz = sizeof(info) };

	result("get", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, &info));
	say(" flags=%#x regions=%u irqs=%u", info.flags, info.num_regions, info.num_irqs);
	info.argsz = 15;
	result("argsz 15", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, &info));
	result("bad pointer", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, BAD_PTR));
	done(&ctx);
}

static void region_infos(const char *type)
{
	struct ctx ctx = with_type(type);
	struct vfio_region_info info;

	for (uint32_t i = 0; i < 11; i++) {
		memset(&info, 0, sizeof(info));
		info.argsz = sizeof(info);
		info.index = i;
		result("get", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, &info));
		say(" [%u]=%#x,%llu,%#llx", i, info.flags, info.size, info.offset);
	}
	done(&ctx);
}

static void mtty_regions(long arg)
{
	region_infos(arg == 1 ? "mtty-1" : "mtty-2");
}

static void mtty_irqs(long arg)
{
	struct ctx ctx = with_type("mtty-2");
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_irq_info irq;

	ioctl(ctx.device, VFIO_DEVICE_GET_INFO, &info);
	for (uint32_t i = 0; i < 7; i++) {
		memset(&irq, 0, sizeof(irq));
		irq.argsz = sizeof(irq);
		irq.index = i;
		result("get", ioctl(ctx.device, VFIO_DEVICE_GET_IRQ_INFO, &irq));
		say(" [%u]=%#x,%u", i, irq.flags, irq.count);
	}
	irq.argsz = 15;
	result("argsz 15", ioctl(ctx.device, VFIO_DEVICE_GET_IRQ_INFO, &irq));
	done(&ctx);
}

/* ---- regions --------------------------------------------------------------------------------- */

static void config_dump(const char *type)
{
	struct ctx ctx = with_type(type);
	uint8_t bytes[255];

	result("read", pread(ctx.device, bytes, sizeof(bytes), (off_t)CONFIG));
	for (unsigned int i = 0; i < 0x70; i++)
		say("%s%02x", i % 16 ? "" : " ", bytes[i]);
	done(&ctx);
}

static void mtty_config(long arg)
{
	config_dump(arg == 1 ? "mtty-1" : "mtty-2");
}

static void put32(struct ctx *ctx, const char *what, unsigned int off, uint32_t val, size_t len)
{
	uint32_t back = 0;

	result(what, pwrite(ctx->device, &val, len, (off_t)(CONFIG + off)));
	pread(ctx->device, &back, 4, (off_t)(CONFIG + (off & ~3u)));
	say("(%08x)", back);
}

static void mtty_config_write(long arg)
{
	struct ctx ctx = with_type(arg == 1 ? "mtty-1" : "mtty-2");

	put32(&ctx, "id", 0, 0, 4);
	put32(&ctx, "command", 4, 0, 2);
	put32(&ctx, "command on", 4, 0x0507, 2);
	put32(&ctx, "status", 6, 0xffff, 2);
	for (unsigned int off = 0x10; off < 0x28; off += 4)
		put32(&ctx, "bar", off, 0xffffffff, 4);
	put32(&ctx, "bar0", 0x10, 0xc150, 4);
	put32(&ctx, "bar0 zero", 0x10, 0, 4);
	put32(&ctx, "line", 0x3c, 11, 1);
	put32(&ctx, "pin", 0x3d, 2, 1);
	put32(&ctx, "vendor", 0x40, 0, 4);
	done(&ctx);
}

static void mtty_access(long arg)
{
	struct ctx ctx = with_type("mtty-2");
	uint8_t buf[16];

	result("config 0", pread(ctx.device, buf, 0, (off_t)CONFIG));
	result("config 7 at 1", pread(ctx.device, buf, 7, (off_t)CONFIG + 1));
	result("bar0", pread(ctx.device, buf, 1, 0));
	result("bar0 8", pread(ctx.device, buf, 8, 0));
	result("bar1", pread(ctx.device, buf, 1, (off_t)REGION(1)));
	result("rom", pread(ctx.device, buf, 4, (off_t)REGION(6)));
	result("write rom", pwrite(ctx.device, buf, 4, (off_t)REGION(6)));
	result("vga", pread(ctx.device, buf, 4, (off_t)REGION(8)));
	result("region 20", pread(ctx.device, buf, 4, (off_t)REGION(20)));
	result("bad pointer", pread(ctx.device, BAD_PTR, 4, (off_t)CONFIG));
	result("write bad pointer", pwrite(ctx.device, BAD_PTR, 4, (off_t)CONFIG));
	result("map",
	       mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ctx.device, 0) == MAP_FAILED ? -1 : 0);
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	result("hot reset info", ioctl(ctx.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, buf));
	done(&ctx);
}

/* ---- the UART, as far as both agree ---------------------------------------------------------- */

static uint8_t rd(struct ctx *ctx, unsigned int reg)
{
	uint8_t val = 0xee;

	pread(ctx->device, &val, 1, reg);
	return val;
}

static void wr(struct ctx *ctx, unsigned int reg, uint8_t val)
{
	pwrite(ctx->device, &val, 1, reg);
}

static void mtty_registers(long arg)
{
	struct ctx ctx = with_type("mtty-1");

	say(" iir=%02x lsr=%02x", rd(&ctx, 2) & 0x3f, rd(&ctx, 5));
	wr(&ctx, 7, 0x5a);
	say(" scr=%02x", rd(&ctx, 7));
	wr(&ctx, 1, 0xff);
	say(" ier=%02x", rd(&ctx, 1));
	wr(&ctx, 1, 0);
	wr(&ctx, 3, 0x83);
	wr(&ctx, 0, 0x0c);
	wr(&ctx, 1, 0x01);
	say(" lcr=%02x divisor=%02x%02x", rd(&ctx, 3), rd(&ctx, 1), rd(&ctx, 0));
	wr(&ctx, 3, 0x03);
	wr(&ctx, 4, 0x0b);
	say(" mcr=%02x", rd(&ctx, 4));
	wr(&ctx, 4, 0);
	say(" modem=%02x", rd(&ctx, 6) & 0xf0);
	done(&ctx);
}

/* A port hears what it sends: one character less than the FIFO has, for the sample takes a full one
 * for an empty one. */
static void mtty_loopback(long arg)
{
	struct ctx ctx = with_type("mtty-1");

	wr(&ctx, 2, 0x01);
	for (unsigned int i = 0; i < 15; i++)
		wr(&ctx, 0, (uint8_t)('a' + i));
	say(" ready=%02x ", rd(&ctx, 5) & 0x03);
	while (rd(&ctx, 5) & 1)
		say("%c", rd(&ctx, 0));
	say(" empty=%02x", rd(&ctx, 5) & 0x63);
	wr(&ctx, 0, 'x');
	wr(&ctx, 2, 0x07);
	say(" cleared=%02x", rd(&ctx, 5) & 0x01);
	done(&ctx);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static uint64_t count_of(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define EVENT	VFIO_IRQ_SET_DATA_EVENTFD

/* Everything to one index, first without, then with an eventfd, and what fires. */
static void irq_index(struct ctx *ctx, uint32_t index, int fd)
{
	uint8_t yes = 1, no = 0;
	int none = -1, odd = open("/dev/null", O_RDONLY), closed = 9999;

	result("now", set_irqs(ctx->device, NONE | TRIGGER, index, 0, 1, NULL, 0));
	result("mask", set_irqs(ctx->device, NONE | MASK, index, 0, 1, NULL, 0));
	result("start 1", set_irqs(ctx->device, EVENT | TRIGGER, index, 1, 1, &fd, 4));
	result("count 2", set_irqs(ctx->device, EVENT | TRIGGER, index, 0, 2, &fd, 8));
	result("eventfd", set_irqs(ctx->device, EVENT | TRIGGER, index, 0, 1, &fd, 4));
	result("now", set_irqs(ctx->device, NONE | TRIGGER, index, 0, 1, NULL, 0));
	say("(%d)", (int)count_of(fd));
	result("again", set_irqs(ctx->device, NONE | TRIGGER, index, 0, 1, NULL, 0));
	say("(%d)", (int)count_of(fd));
	result("unmask", set_irqs(ctx->device, NONE | UNMASK, index, 0, 1, NULL, 0));
	result("bool", set_irqs(ctx->device, BOOL | TRIGGER, index, 0, 1, &yes, 1));
	say("(%d)", (int)count_of(fd));
	result("unmask no", set_irqs(ctx->device, BOOL | UNMASK, index, 0, 1, &no, 1));
	result("unmask yes", set_irqs(ctx->device, BOOL | UNMASK, index, 0, 1, &yes, 1));
	result("bool no", set_irqs(ctx->device, BOOL | TRIGGER, index, 0, 1, &no, 1));
	say("(%d)", (int)count_of(fd));
	result("mask fd", set_irqs(ctx->device, EVENT | MASK, index, 0, 1, &fd, 4));
	result("unmask fd", set_irqs(ctx->device, EVENT | UNMASK, index, 0, 1, &fd, 4));
	result("other", set_irqs(ctx->device, EVENT | TRIGGER, !index, 0, 1, &fd, 4));
	result("no eventfd", set_irqs(ctx->device, EVENT | TRIGGER, index, 0, 1, &odd, 4));
	result("gone", set_irqs(ctx->device, NONE | TRIGGER, index, 0, 1, NULL, 0));
	result("eventfd", set_irqs(ctx->device, EVENT | TRIGGER, index, 0, 1, &fd, 4));
	result("closed", set_irqs(ctx->device, EVENT | TRIGGER, index, 0, 1, &closed, 4));
	result("eventfd", set_irqs(ctx->device, EVENT | TRIGGER, index, 0, 1, &fd, 4));
	result("-1", set_irqs(ctx->device, EVENT | TRIGGER, index, 0, 1, &none, 4));
	result("gone", set_irqs(ctx->device, NONE | TRIGGER, index, 0, 1, NULL, 0));
	result("eventfd", set_irqs(ctx->device, EVENT | TRIGGER, index, 0, 1, &fd, 4));
	result("off", set_irqs(ctx->device, NONE | TRIGGER, index, 0, 0, NULL, 0));
	result("off again", set_irqs(ctx->device, NONE | TRIGGER, index, 0, 0, NULL, 0));
	close(odd);
}

static void mtty_set_irqs(long index)
{
	struct ctx ctx = with_type("mtty-2");
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd = eventfd(0, EFD_NONBLOCK);

	ioctl(ctx.device, VFIO_DEVICE_GET_INFO, &info);
	irq_index(&ctx, (uint32_t)index, fd);
	done(&ctx);
}

/* Received data interrupts, once until it is read. */
static void mtty_fires(long index)
{
	struct ctx ctx = with_type("mtty-1");
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd = eventfd(0, EFD_NONBLOCK);

	ioctl(ctx.device, VFIO_DEVICE_GET_INFO, &info);
	result("eventfd",
	       set_irqs(ctx.device, EVENT | TRIGGER, (uint32_t)index, 0, 1, &fd, sizeof(fd)));
	wr(&ctx, 2, 0x01);
	say(" before=%d", (int)count_of(fd));
	wr(&ctx, 1, 0x01);
	wr(&ctx, 0, 'a');
	say(" fired=%d", (int)count_of(fd));
	say(" iir=%02x", rd(&ctx, 2) & 0x07);
	say(" read=%c", rd(&ctx, 0));
	say(" iir=%02x", rd(&ctx, 2) & 0x07);
	if (!index)
		result("unmask", set_irqs(ctx.device, NONE | UNMASK, 0, 0, 1, NULL, 0));
	say(" after=%d", (int)count_of(fd));
	wr(&ctx, 0, 'b');
	say(" again=%d", (int)count_of(fd));
	done(&ctx);
}

/* ---- migration ------------------------------------------------------------------------------- */

struct feature {
	uint32_t argsz, flags;
	uint64_t data[8];
};

static int feature(struct ctx *ctx, uint32_t flags, uint32_t data_size, struct feature *f)
{
	f->argsz = 8 + data_size;
	f->flags = flags;
	return ioctl(ctx->device, VFIO_DEVICE_FEATURE, f);
}

/* The new state; *@fd is the data file's or -1. */
static int set_state(struct ctx *ctx, uint32_t state, int *fd)
{
	struct feature f = { 0 };
	struct vfio_device_feature_mig_state *mig = (void *)f.data;
	int ret;

	mig->device_state = state;
	mig->data_fd = -77;
	ret = feature(ctx, SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, sizeof(*mig), &f);
	*fd = ret ? -1 : mig->data_fd;
	return ret;
}

static int get_state(struct ctx *ctx)
{
	struct feature f = { 0 };
	struct vfio_device_feature_mig_state *mig = (void *)f.data;

	if (feature(ctx, GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, sizeof(*mig), &f))
		return -1;
	return (int)mig->device_state;
}

static void mtty_features(long arg)
{
	struct ctx ctx = with_type("mtty-1");
	struct feature f = { 0 };

	for (uint32_t n = 0; n < 14; n++) {
		result("probe", feature(&ctx, PROBE | n, 0, &f));
		result("get", feature(&ctx, PROBE | GET | n, 0, &f));
		result("set", feature(&ctx, PROBE | SET | n, 0, &f));
	}
	memset(&f, 0, sizeof(f));
	result("migration", feature(&ctx, GET | VFIO_DEVICE_FEATURE_MIGRATION, 8, &f));
	say("(%llu)", (unsigned long long)f.data[0]);
	result("short", feature(&ctx, GET | VFIO_DEVICE_FEATURE_MIGRATION, 7, &f));
	result("data size", feature(&ctx, GET | FEATURE_DATA_SIZE, 8, &f));
	result("short", feature(&ctx, GET | FEATURE_DATA_SIZE, 4, &f));
	done(&ctx);
}

/* A way to @state from RUNNING; false: there is none without more. */
static bool bring(struct ctx *ctx, uint32_t state)
{
	int fd;

	if (get_state(ctx) == (int)state)
		return true;
	if (set_state(ctx, state, &fd))
		return false;
	if (fd >= 0)
		close(fd);
	return true;
}

/* From one state to every other: the result, whether there is a file, and where that ends. */
static void mtty_arcs(long from)
{
	struct ctx ctx = with_type("mtty-1");
	int fd;

	for (uint32_t to = 0; to < MIG_STATES + 2; to++) {
		ioctl(ctx.device, VFIO_DEVICE_RESET);
		if (!bring(&ctx, (uint32_t)from)) {
			say(" unreachable");
			break;
		}
		say(" [%u]", to);
		result("set", set_state(&ctx, to, &fd));
		say("(%s,%d)", fd >= 0 ? "fd" : fd == -1 ? "-" : "other", get_state(&ctx));
		if (fd >= 0)
			close(fd);
	}
	done(&ctx);
}

static long precopy_info(int fd, uint32_t argsz, uint64_t *initial)
{
	struct {
		uint32_t argsz, flags;
		uint64_t initial, dirty;
	} info = { argsz, 0, 77, 77 };
	long ret = ioctl(fd, GET_PRECOPY_INFO, &info);

	*initial = info.initial;
	return ret;
}

static void mtty_save(long arg)
{
	struct ctx ctx = with_type("mtty-2");
	struct pollfd p = { .events = POLLIN | POLLOUT };
	uint64_t initial;
	uint8_t buf[512];
	int fd, other;

	result("precopy", set_state(&ctx, PRE_COPY, &fd));
	result("info", precopy_info(fd, 24, &initial));
	say("(%d)", (int)initial);
	result("short info", precopy_info(fd, 23, &initial));
	result("other ioctl", ioctl(fd, VFIO_DEVICE_RESET));
	result("write", write(fd, buf, 1));
	result("pread", pread(fd, buf, 1, 0));
	result("seek", lseek(fd, 0, SEEK_SET));
	result("nothing", read(fd, buf, 0));
	result("bad pointer", read(fd, BAD_PTR, 1));
	result("read", read(fd, buf, 8));
	result("info", precopy_info(fd, 24, &initial));
	say("(%d)", (int)initial);
	result("read", read(fd, buf, sizeof(buf)));
	result("end", read(fd, buf, sizeof(buf)));
	p.fd = fd;
	result("poll", poll(&p, 1, 0));
	result("stop copy", set_state(&ctx, VFIO_DEVICE_STATE_STOP_COPY, &other));
	say("(%s)", other >= 0 ? "fd" : "-");
	result("info", precopy_info(fd, 24, &initial));
	say(" more=%d", read(fd, buf, sizeof(buf)) > 0);
	result("end", read(fd, buf, sizeof(buf)));
	result("stop", set_state(&ctx, VFIO_DEVICE_STATE_STOP, &other));
	result("read", read(fd, buf, sizeof(buf)));
	close(fd);
	result("stop copy", set_state(&ctx, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	result("same", set_state(&ctx, VFIO_DEVICE_STATE_STOP_COPY, &other));
	say("(%s)", other >= 0 ? "fd" : "-");
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	say("(%d)", get_state(&ctx));
	result("read", read(fd, buf, sizeof(buf)));
	close(fd);
	done(&ctx);
}

/* What a card saves, another takes; what it cannot be, it refuses. */
static void mtty_resume(long arg)
{
	struct ctx ctx = with_type("mtty-1");
	uint8_t buf[512], bad[512];
	uint64_t initial;
	ssize_t len;
	int fd, other;

	wr(&ctx, 7, 0x5a);
	set_state(&ctx, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	len = read(fd, buf, sizeof(buf));
	close(fd);
	ioctl(ctx.device, VFIO_DEVICE_RESET);
	wr(&ctx, 7, 0);
	result("resuming", set_state(&ctx, VFIO_DEVICE_STATE_RESUMING, &fd));
	result("read", read(fd, buf, 1));
	result("info", precopy_info(fd, 24, &initial));
	result("pwrite", pwrite(fd, buf, 1, 0));
	result("bad pointer", write(fd, BAD_PTR, 1));
	say(" one=%d", (int)write(fd, buf, 1));
	result("early stop", set_state(&ctx, VFIO_DEVICE_STATE_STOP, &other));
	say("(%d) rest=%d", get_state(&ctx), write(fd, buf + 1, (size_t)len - 1) == len - 1);
	result("too much", write(fd, buf, 1));
	result("stop", set_state(&ctx, VFIO_DEVICE_STATE_STOP, &other));
	result("write", write(fd, buf, 1));
	close(fd);
	result("running", set_state(&ctx, VFIO_DEVICE_STATE_RUNNING, &other));
	say(" scr=%02x", rd(&ctx, 7));
	for (unsigned int at = 0; at < 24; at += 4) {
		memcpy(bad, buf, sizeof(bad));
		bad[at] ^= 1;
		set_state(&ctx, VFIO_DEVICE_STATE_RESUMING, &fd);
		result("bad head", write(fd, bad, 24));
		ioctl(ctx.device, VFIO_DEVICE_RESET);
		close(fd);
	}
	done(&ctx);
}

/* ---- DMA logging ----------------------------------------------------------------------------- */

static int log_start(struct ctx *ctx, uint64_t page_size, uint32_t count, const uint64_t *ranges)
{
	struct feature f = { 0 };
	struct vfio_device_feature_dma_logging_control *control = (void *)f.data;

	control->page_size = page_size;
	control->num_ranges = count;
	control->ranges = (uintptr_t)ranges;
	return feature(ctx, SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, sizeof(*control), &f);
}

static int log_report(struct ctx *ctx, uint64_t iova, uint64_t length, uint64_t page_size,
		      void *bitmap)
{
	struct feature f = { 0 };
	struct vfio_device_feature_dma_logging_report *report = (void *)f.data;

	report->iova = iova;
	report->length = length;
	report->page_size = page_size;
	report->bitmap = (uintptr_t)bitmap;
	return feature(ctx, GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, sizeof(*report), &f);
}

static void mtty_logging(long arg)
{
	const uint64_t ranges[] = { IOVA, 0x10000, IOVA + 0x100000, 0x1000 };
	const uint64_t across[] = { IOVA, 0x10000, IOVA + 0x8000, 0x10000 };
	struct ctx ctx = with_type("mtty-1");
	uint64_t bitmap[4] = { 0 };
	struct feature f = { 0 };

	result("stop", feature(&ctx, SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, 0, &f));
	result("report", log_report(&ctx, IOVA, 0x10000, PAGE, bitmap));
	result("no ranges", log_start(&ctx, PAGE, 0, ranges));
	result("bad pointer", log_start(&ctx, PAGE, 2, (const uint64_t *)(uintptr_t)BAD_PTR));
	result("overlap", log_start(&ctx, PAGE, 2, across));
	result("start", log_start(&ctx, PAGE, 2, ranges));
	result("again", log_start(&ctx, PAGE, 2, ranges));
	result("report", log_report(&ctx, IOVA, 0x10000, PAGE, bitmap));
	say("(%#llx)", (unsigned long long)bitmap[0]);
	result("report elsewhere", log_report(&ctx, 0, 0x10000, PAGE, bitmap));
	result("odd page", log_report(&ctx, IOVA, 0x10000, 3000, bitmap));
	result("no length", log_report(&ctx, IOVA, 0, PAGE, bitmap));
	result("small page", log_report(&ctx, IOVA, 0x10000, 2048, bitmap));
	result("around", log_report(&ctx, ~0ull - 0xfff, 0x2000, PAGE, bitmap));
	result("stop", feature(&ctx, SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, 0, &f));
	done(&ctx);
}

static const struct probe probes[] = {
	{ "mtty-info", mtty_info, 0, 0 },
	{ "mtty-regions", mtty_regions, 1, 2 },
	{ "mtty-irqs", mtty_irqs, 0, 0 },
	{ "mtty-config", mtty_config, 1, 2 },
	{ "mtty-config-write", mtty_config_write, 1, 2 },
	{ "mtty-access", mtty_access, 0, 0 },
	{ "mtty-registers", mtty_registers, 0, 0 },
	{ "mtty-loopback", mtty_loopback, 0, 0 },
	{ "mtty-set-irqs", mtty_set_irqs, 0, 5 },
	{ "mtty-fires", mtty_fires, 0, 2 },
	{ "mtty-features", mtty_features, 0, 0 },
	{ "mtty-arcs", mtty_arcs, 0, MIG_STATES },
	{ "mtty-save", mtty_save, 0, 0 },
	{ "mtty-resume", mtty_resume, 0, 0 },
	{ "mtty-logging", mtty_logging, 0, 0 },
};
PROBE_SET(mtty_probes, probes);
