/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device at work, driven by the admin queue of an NVMe controller (NVM Express 1.4): DMA
 * through the container's mappings, and interrupts that the device itself raises. Model numbers,
 * features and timing are not compared.
 */
#include <poll.h>
#include "probe.h"

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX

#define REG_INTMS 0x0c
#define REG_INTMC 0x10
#define REG_CC	  0x14
#define REG_CSTS  0x1c
#define REG_AQA	  0x24
#define REG_ASQ	  0x28
#define REG_ACQ	  0x30
#define DOORBELLS 0x1000

#define ENTRIES	    8u
#define DATA	    (IOVA + 16 * PAGE) /* where the probes map what the device writes to */
#define NO_RESPONSE 0xffff

struct queue {
	uint32_t (*sq)[16];
	volatile uint32_t (*cq)[4];
	unsigned id, tail, head, phase;
};

struct ctrl {
	struct ctx ctx;
	unsigned bar;
	uint64_t base;
	uint64_t asq, acq;	/* what the device is given as their addresses */
	volatile uint8_t *regs; /* NULL: through pread and pwrite */
	struct queue admin, io;
};

static uint32_t reg_read(struct ctrl *c, unsigned off)
{
	uint32_t value = ~0u;

	if (c->regs)
		return *(volatile uint32_t *)(c->regs + off);
	if (pread(c->ctx.device, &value, 4, (off_t)(c->base + off)) != 4)
		setup_failed("register read");
	return value;
}

static void reg_write(struct ctrl *c, unsigned off, uint32_t value)
{
	if (c->regs)
		*(volatile uint32_t *)(c->regs + off) = value;
	else if (pwrite(c->ctx.device, &value, 4, (off_t)(c->base + off)) != 4)
		setup_failed("register write");
}

static bool wait_ready(struct ctrl *c, uint32_t ready)
{
	for (int i = 0; i < 3000; i++) {
		if ((reg_read(c, REG_CSTS) & 1) == ready)
			return true;
		usleep(1000);
	}
	return false;
}

static void queue_init(struct queue *q, char *memory, unsigned id)
{
	memset(memory, 0, 2 * PAGE);
	*q = (struct queue){ (void *)memory, (void *)(memory + PAGE), id, 0, 0, 1 };
}

/* Admin queues at IOVA and IOVA + PAGE, or at the pages' own addresses; the I/O queue's pages
 * behind them. */
static void enable(struct ctrl *c)
{
	reg_write(c, REG_CC, 0);
	if (!wait_ready(c, 0))
		setup_failed("disable");
	queue_init(&c->admin, (char *)c->admin.sq, 0);
	reg_write(c, REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	reg_write(c, REG_ASQ, (uint32_t)c->asq);
	reg_write(c, REG_ASQ + 4, (uint32_t)(c->asq >> 32));
	reg_write(c, REG_ACQ, (uint32_t)c->acq);
	reg_write(c, REG_ACQ + 4, (uint32_t)(c->acq >> 32));
	reg_write(c, REG_CC, 4 << 20 | 6 << 16 | 1);
	if (!wait_ready(c, 1))
		setup_failed("enable");
}

static struct ctrl setup_ctrl(bool by_mmap)
{
	struct ctrl c = { .ctx = setup_device(VFIO_TYPE1v2_IOMMU) };
	char *queues = memory(4 * PAGE);

	c.bar = memory_bar(c.ctx.device);
	c.base = region_offset(c.ctx.device, c.bar);
	if (config_read(c.ctx.device, 0x0a, 2) != 0x0108)
		setup_failed("not an NVMe controller");
	config_write(c.ctx.device, 4, 2, 6); /* memory and bus master */
	if (by_mmap) {
		c.regs = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c.ctx.device,
			      (off_t)c.base);
		if (c.regs == MAP_FAILED)
			setup_failed("mmap");
	}
	if (!probe_noiommu && dma_map(c.ctx.container, 3, queues, IOVA, 4 * PAGE))
		setup_failed("MAP_DMA");
	c.asq = probe_noiommu ? physical(queues) : IOVA;
	c.acq = probe_noiommu ? physical(queues + PAGE) : IOVA + PAGE;
	if (!c.asq || !c.acq)
		setup_failed("pagemap");
	queue_init(&c.admin, queues, 0);
	queue_init(&c.io, queues + 2 * PAGE, 1);
	enable(&c);
	return c;
}

/* Puts a command into the queue without ringing. */
static void put(struct queue *q, uint32_t opcode, uint64_t prp, uint32_t nsid, uint32_t dw10,
		uint32_t dw11)
{
	uint32_t *cmd = q->sq[q->tail];

	memset(cmd, 0, 64);
	cmd[0] = opcode | q->tail << 16;
	cmd[1] = nsid;
	cmd[6] = (uint32_t)prp;
	cmd[7] = (uint32_t)(prp >> 32);
	cmd[10] = dw10;
	cmd[11] = dw11;
	q->tail = (q->tail + 1) % ENTRIES;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void ring(struct ctrl *c, struct queue *q)
{
	reg_write(c, DOORBELLS + 8 * q->id, q->tail);
}

/* The status of the next completion (0: success) or NO_RESPONSE; it stays in the queue. */
static unsigned completion(struct queue *q)
{
	for (int i = 0; i < 1000; i++) {
		uint32_t dw3 = q->cq[q->head][3];

		if ((dw3 >> 16 & 1) == q->phase) {
			q->head = (q->head + 1) % ENTRIES;
			q->phase ^= q->head == 0;
			return dw3 >> 17 & 0x7fff;
		}
		usleep(1000);
	}
	return NO_RESPONSE;
}

/* Tells the device that the completions have been seen. */
static void consume(struct ctrl *c, struct queue *q)
{
	reg_write(c, DOORBELLS + 8 * q->id + 4, q->head);
}

/* Ends a probe: an emulated controller may count completions that nobody took beyond its reset. */
static void leave(struct ctrl *c)
{
	consume(c, &c->admin);
	if (c->io.head)
		consume(c, &c->io);
}

/* Identify Controller into @prp; the completion is not consumed. */
static unsigned identify(struct ctrl *c, uint64_t prp)
{
	put(&c->admin, 6, prp, 0, 1, 0);
	ring(c, &c->admin);
	return completion(&c->admin);
}

static void say_status(const char *what, unsigned status)
{
	say(" %s=%s", what, status == 0 ? "ok" : status == NO_RESPONSE ? "none" : "failed");
}

/* Whether the data is what Identify gives: the vendor's number first. */
static bool identified(struct ctrl *c, const void *data)
{
	uint16_t vendor;

	memcpy(&vendor, data, 2);
	return vendor == config_read(c->ctx.device, 0, 2);
}

static void say_count(const char *what, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	poll(&pfd, 1, 30);
	if (read(fd, &n, sizeof(n)) != sizeof(n))
		n = 0;
	say(" %s:%lu", what, n);
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	if (fd < 0)
		setup_failed("eventfd");
	return fd;
}

static int simple(struct ctrl *c, uint32_t flags, uint32_t index, uint32_t count)
{
	return set_irqs(c->ctx.device, flags, index, 0, count, NULL, 0);
}

/* Identify into memory that the device cannot reach: which status it gives is its own affair. */
static void responds(struct ctrl *c, const char *what, uint64_t prp)
{
	say(" %s=%d", what, identify(c, prp) != NO_RESPONSE);
}

static void nvme_identify(long by_mmap)
{
	struct ctrl c = setup_ctrl(by_mmap);
	char *data = memory(PAGE);

	result("map", dma_map(c.ctx.container, 3, data, DATA, PAGE));
	for (int i = 0; i < 10; i++) {
		memset(data, 0, PAGE);
		say_status("identify", identify(&c, DATA));
		say(" %d", identified(&c, data));
		consume(&c, &c.admin);
	}
	leave(&c);
}

static void nvme_faults(long arg)
{
	struct ctrl c = setup_ctrl(true);
	char *data = memory(2 * PAGE);

	responds(&c, "unmapped", DATA);
	result("map r", dma_map(c.ctx.container, 1, data, DATA, PAGE));
	responds(&c, "read-only", DATA);
	say(" untouched=%d", data[0] == 0 && data[1] == 0);
	result("map w", dma_map(c.ctx.container, 2, data + PAGE, DATA + PAGE, PAGE));
	say_status("write-only", identify(&c, DATA + PAGE));
	say(" there=%d", identified(&c, data + PAGE));
	responds(&c, "high", 1ul << 47);
	say(" fatal=%u", reg_read(&c, REG_CSTS) >> 1 & 1);
	leave(&c);
}

static void nvme_unmap(long arg)
{
	struct ctrl c = setup_ctrl(true);
	char *data = memory(PAGE);
	uint64_t size;

	result("map", dma_map(c.ctx.container, 3, data, DATA, PAGE));
	say_status("mapped", identify(&c, DATA));
	say(" there=%d", identified(&c, data));
	memset(data, 0, PAGE);
	result("unmap", dma_unmap(c.ctx.container, 0, DATA, PAGE, &size));
	responds(&c, "unmapped", DATA);
	say(" untouched=%d", data[0] == 0 && data[1] == 0);
	result("map", dma_map(c.ctx.container, 3, data, DATA, PAGE));
	say_status("mapped", identify(&c, DATA));
	say(" there=%d", identified(&c, data));
	leave(&c);
}

/* Pinned pages stay, whatever the program does with its mapping. */
static void nvme_pinned(long how)
{
	struct ctrl c = setup_ctrl(true);
	int fd = memfd_create("probe", 0);
	char *data, *view;
	uint64_t size;

	if (fd < 0 || ftruncate(fd, PAGE))
		setup_failed("memfd");
	data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	result("map", dma_map(c.ctx.container, 3, data, DATA, PAGE));
	if (how == 0)
		munmap(data, PAGE);
	else if (how == 1)
		mmap(data, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
	else if (how == 2)
		mprotect(data, PAGE, PROT_NONE);
	else
		data = mremap(data, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	say_status("identify", identify(&c, DATA));
	say(" there=%d", identified(&c, view));
	if (how == 1)
		say(" new memory=%d", data[0] == 0 && data[1] == 0);
	result("unmap", dma_unmap(c.ctx.container, 0, DATA, PAGE, &size));
	say(" size=%#lx", size);
	leave(&c);
}

/* Private memory: what replaces it is not what the device writes to. */
static void nvme_private(long arg)
{
	struct ctrl c = setup_ctrl(true);
	char *data = memory(PAGE);

	result("map", dma_map(c.ctx.container, 3, data, DATA, PAGE));
	result("madvise", madvise(data, PAGE, MADV_DONTNEED));
	say_status("identify", identify(&c, DATA));
	say(" new page=%d", data[0] == 0 && data[1] == 0);
	leave(&c);
}

static void nvme_msix(long arg)
{
	struct ctrl c = setup_ctrl(true);
	int32_t fd = new_eventfd();

	result("map", dma_map(c.ctx.container, 3, memory(PAGE), DATA, PAGE));
	say_status("no interrupt", identify(&c, DATA));
	result("on", set_irqs(c.ctx.device, EVENTFD | TRIGGER, MSIX, 0, 1, &fd, 4));
	say_count("idle", fd);
	say_status("identify", identify(&c, DATA));
	say_count("one", fd);
	consume(&c, &c.admin);
	say_status("identify", identify(&c, DATA));
	say_count("two", fd);
	result("off", simple(&c, NONE | TRIGGER, MSIX, 0));
	say_status("identify", identify(&c, DATA));
	say_count("off", fd);
	leave(&c);
}

/* An I/O queue with a vector of its own. */
static void nvme_vectors(long arg)
{
	struct ctrl c = setup_ctrl(true);
	int32_t fds[3] = { new_eventfd(), new_eventfd(), new_eventfd() };
	uint64_t count;

	result("map", dma_map(c.ctx.container, 3, memory(PAGE), DATA, PAGE));
	result("on", set_irqs(c.ctx.device, EVENTFD | TRIGGER, MSIX, 0, 3, fds, 12));
	put(&c.admin, 5, IOVA + 3 * PAGE, 0, (ENTRIES - 1) << 16 | 1, 2 << 16 | 3);
	ring(&c, &c.admin);
	say_status("create cq", completion(&c.admin));
	put(&c.admin, 1, IOVA + 2 * PAGE, 0, (ENTRIES - 1) << 16 | 1, 1 << 16 | 1);
	ring(&c, &c.admin);
	say_status("create sq", completion(&c.admin));
	consume(&c, &c.admin);
	usleep(50000);
	say(" admin=%d", read(fds[0], &count, 8) == 8);
	put(&c.io, 2, DATA, 1, 0, 0);
	ring(&c, &c.io);
	say_status("read", completion(&c.io));
	say_count("0", fds[0]);
	say_count("1", fds[1]);
	say_count("2", fds[2]);
	put(&c.io, 2, DATA + PAGE, 1, 0, 0);
	ring(&c, &c.io);
	say(" unmapped=%d", completion(&c.io) != NO_RESPONSE);
	say_count("2", fds[2]);
	leave(&c);
}

static void nvme_intx(long arg)
{
	struct ctrl c = setup_ctrl(true);
	int32_t fd = new_eventfd();

	result("map", dma_map(c.ctx.container, 3, memory(PAGE), DATA, PAGE));
	result("on", set_irqs(c.ctx.device, EVENTFD | TRIGGER, INTX, 0, 1, &fd, 4));
	say_status("identify", identify(&c, DATA));
	say_count("fired", fd);
	say(" pending=%u", config_read(c.ctx.device, 6, 2) >> 3 & 1);
	say_status("identify", identify(&c, DATA));
	say_count("masked", fd);
	result("unmask", simple(&c, NONE | UNMASK, INTX, 1));
	say_count("again", fd);
	consume(&c, &c.admin);
	say(" pending=%u", config_read(c.ctx.device, 6, 2) >> 3 & 1);
	result("unmask", simple(&c, NONE | UNMASK, INTX, 1));
	say_count("quiet", fd);
	say_status("identify", identify(&c, DATA));
	say_count("fired", fd);
	consume(&c, &c.admin);
	result("mask", simple(&c, NONE | MASK, INTX, 1));
	say_status("identify", identify(&c, DATA));
	say_count("masked", fd);
	result("unmask", simple(&c, NONE | UNMASK, INTX, 1));
	say_count("unmasked", fd);
	leave(&c);
}

/* Unmasking by an eventfd, and the device's own and COMMAND's ways to keep the line down. */
static void nvme_intx_more(long arg)
{
	struct ctrl c = setup_ctrl(true);
	int32_t fd = new_eventfd(), unmask = new_eventfd();
	uint64_t one = 1;

	result("map", dma_map(c.ctx.container, 3, memory(PAGE), DATA, PAGE));
	result("on", set_irqs(c.ctx.device, EVENTFD | TRIGGER, INTX, 0, 1, &fd, 4));
	result("unmask fd", set_irqs(c.ctx.device, EVENTFD | UNMASK, INTX, 0, 1, &unmask, 4));
	say_status("identify", identify(&c, DATA));
	say_count("fired", fd);
	result("signal", write(unmask, &one, 8));
	say_count("again", fd);
	consume(&c, &c.admin);
	result("signal", write(unmask, &one, 8));
	say_count("quiet", fd);
	reg_write(&c, REG_INTMS, 1);
	say_status("identify", identify(&c, DATA));
	say_count("device masks", fd);
	reg_write(&c, REG_INTMC, 1);
	say_count("device unmasks", fd);
	consume(&c, &c.admin);
	result("signal", write(unmask, &one, 8));
	say_count("quiet", fd);
	config_write(c.ctx.device, 4, 2, 0x406);
	say_status("identify", identify(&c, DATA));
	say_count("disabled", fd);
	config_write(c.ctx.device, 4, 2, 6);
	say_count("enabled", fd);
	leave(&c);
}

static void nvme_reset(long how)
{
	struct ctrl c = setup_ctrl(true);
	char *data = memory(PAGE);

	result("map", dma_map(c.ctx.container, 3, data, DATA, PAGE));
	say_status("identify", identify(&c, DATA));
	leave(&c);
	if (how == 0) {
		result("reset", ioctl(c.ctx.device, VFIO_DEVICE_RESET));
	} else {
		close(c.ctx.device);
		munmap((void *)c.regs, 2 * PAGE);
		c.ctx.device = ioctl(c.ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf);
		if (c.ctx.device < 0)
			setup_failed("GET_DEVICE_FD");
		c.regs = NULL;
		config_write(c.ctx.device, 4, 2, 6);
	}
	say(" cc=%u ready=%u", reg_read(&c, REG_CC) & 1, reg_read(&c, REG_CSTS) & 1);
	enable(&c);
	memset(data, 0, PAGE);
	say_status("identify", identify(&c, DATA));
	say(" there=%d", identified(&c, data));
	leave(&c);
}

static void nvme_no_master(long arg)
{
	struct ctrl c = setup_ctrl(true);
	char *data = memory(PAGE);

	result("map", dma_map(c.ctx.container, 3, data, DATA, PAGE));
	config_write(c.ctx.device, 4, 2, 2);
	say_status("identify", identify(&c, DATA));
	say(" untouched=%d", data[0] == 0 && data[1] == 0);
}

/* The doorbell rung by an eventfd. */
static void nvme_ioeventfd(long arg)
{
	struct ctrl c = setup_ctrl(true);
	struct vfio_device_ioeventfd io = { .argsz = sizeof(io),
					    .flags = VFIO_DEVICE_IOEVENTFD_32,
					    .offset = c.base + DOORBELLS,
					    .data = 1,
					    .fd = new_eventfd() };
	uint64_t one = 1;

	result("map", dma_map(c.ctx.container, 3, memory(PAGE), DATA, PAGE));
	result("ioeventfd", ioctl(c.ctx.device, VFIO_DEVICE_IOEVENTFD, &io));
	put(&c.admin, 6, DATA, 0, 1, 0);
	result("signal", write(io.fd, &one, 8));
	say_status("identify", completion(&c.admin));
	leave(&c);
}

/* INTx first: the interrupt line of an emulated controller may remember what went before. */
static const struct probe table[] = {
	{ "nvme-intx", nvme_intx, 0, 0 },	    { "nvme-intx-more", nvme_intx_more, 0, 0 },
	{ "nvme-identify", nvme_identify, 0, 2 },   { "nvme-faults", nvme_faults, 0, 0 },
	{ "nvme-unmap", nvme_unmap, 0, 0 },	    { "nvme-pinned", nvme_pinned, 0, 4 },
	{ "nvme-private", nvme_private, 0, 0 },	    { "nvme-msix", nvme_msix, 0, 0 },
	{ "nvme-vectors", nvme_vectors, 0, 0 },	    { "nvme-reset", nvme_reset, 0, 2 },
	{ "nvme-no-master", nvme_no_master, 0, 0 }, { "nvme-ioeventfd", nvme_ioeventfd, 0, 0 },
};

PROBE_SET(nvme_probes, table);

/* ---- without an IOMMU: by physical address --------------------------------------------------- */

static void noiommu_identify(long by_mmap)
{
	struct ctrl c = setup_ctrl(by_mmap);
	char *data = memory(2 * PAGE);

	for (int i = 0; i < 10; i++) {
		char *page = data + i % 2 * PAGE;

		memset(data, 0, 2 * PAGE);
		say_status("identify", identify(&c, physical(page)));
		say(" %d other=%d", identified(&c, page),
		    identified(&c, data + (i + 1) % 2 * PAGE));
		consume(&c, &c.admin);
	}
	leave(&c);
}

/* The page behind two mappings has one address, and its memory is seen in both. */
static void noiommu_shared(long arg)
{
	struct ctrl c = setup_ctrl(true);
	int fd = memfd_create("probe", 0);
	char *data, *view;

	if (fd < 0 || ftruncate(fd, PAGE))
		setup_failed("memfd");
	data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	say(" same=%d", physical(data) == physical(view));
	say_status("identify", identify(&c, physical(data)));
	say(" there=%d", identified(&c, view));
	leave(&c);
}

/* What the frame numbers are like. */
static void noiommu_pages(long arg)
{
	char *data =
		mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t first;

	say(" untouched=%d", physical(data) != 0);
	memset(data, 1, 64 * PAGE);
	first = physical(data);
	say(" touched=%d offset=%d", first != 0, physical(data + 5) == first + 5);
	say(" virtual=%d stable=%d", first == (uintptr_t)data, physical(data) == first);
	madvise(data, PAGE, MADV_DONTNEED);
	say(" dropped=%d", physical(data) != 0);
}

static void noiommu_msix(long arg)
{
	struct ctrl c = setup_ctrl(true);
	int32_t fd = new_eventfd();
	char *data = memory(PAGE);

	say_status("no interrupt", identify(&c, physical(data)));
	result("on", set_irqs(c.ctx.device, EVENTFD | TRIGGER, MSIX, 0, 1, &fd, 4));
	say_count("idle", fd);
	say_status("identify", identify(&c, physical(data)));
	say_count("one", fd);
	consume(&c, &c.admin);
	result("off", simple(&c, NONE | TRIGGER, MSIX, 0));
	say_status("identify", identify(&c, physical(data)));
	say_count("off", fd);
	leave(&c);
}

static void noiommu_intx(long arg)
{
	struct ctrl c = setup_ctrl(true);
	int32_t fd = new_eventfd();
	char *data = memory(PAGE);

	result("on", set_irqs(c.ctx.device, EVENTFD | TRIGGER, INTX, 0, 1, &fd, 4));
	say_status("identify", identify(&c, physical(data)));
	say_count("fired", fd);
	say_status("identify", identify(&c, physical(data)));
	say_count("masked", fd);
	result("unmask", simple(&c, NONE | UNMASK, INTX, 1));
	say_count("again", fd);
	consume(&c, &c.admin);
	leave(&c);
}

static const struct probe noiommu_table[] = {
	{ "nvme-noiommu-identify", noiommu_identify, 0, 2 },
	{ "nvme-noiommu-shared", noiommu_shared, 0, 0 },
	{ "nvme-noiommu-pages", noiommu_pages, 0, 0 },
	{ "nvme-noiommu-msix", noiommu_msix, 0, 0 },
	{ "nvme-noiommu-intx", noiommu_intx, 0, 0 },
};

PROBE_SET(nvme_noiommu_probes, noiommu_table);
