/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DPDK application: dpdk-prog EAL-ARGUMENTS -- COMMAND BDF..., in a session of uvfio's. What of
 * DPDK's interfaces Debian's own programs do not use with a DMA engine: hot-plug, requests to
 * give a device back, containers of one's own, VFIO's interrupts, physical addresses.
 *
 *	copy BDF...	each DMA engine copies memory of EAL's heap
 *	hotplug BDF	detached and attached again, three times
 *	request BDF	waits until the kernel wants the device back, then until it is there again
 *	container BDF	its group goes into a container of its own
 *	interrupts BDF	legacy, MSI and MSI-X through EAL's interrupt thread
 *	links BDF BDF	network ports on one wire: the link comes and goes with an interrupt
 *	queues BDF BDF	and the receive queue has one of its own
 *	wait BDF	has the engine until its stdin ends
 *	hold BDF	the same with a device that no driver of DPDK's has
 *	physical BDF	each page's IOVA is its physical address; and a copy
 *	wild BDF	a virtual address where a physical one belongs
 *
 * Says "ok: COMMAND" and ends with 0 after a clean end of EAL; every wait has a limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_dmadev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_vfio.h>

#define SYSFS	 "/sys/bus/pci/devices"
#define LENGTH	 (256u << 10)
#define LIMIT_MS 30000

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("FAILED: ", stdout);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	fflush(stdout);
	_exit(1);
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

/* Whether @condition(@arg) is true within the limit. */
static bool eventually(bool (*condition)(const void *arg), const void *arg)
{
	int ms;

	for (ms = 0; ms < LIMIT_MS; ms += 10) {
		if (condition(arg))
			return true;
		usleep(10000);
	}
	return condition(arg);
}

/* ---- DMA engines ---- */

static int16_t start_engine(const char *bdf)
{
	const struct rte_dma_conf conf = { .nb_vchans = 1 };
	const struct rte_dma_vchan_conf vchan = { .direction = RTE_DMA_DIR_MEM_TO_MEM,
						  .nb_desc = 64 };
	int id = rte_dma_get_dev_id_by_name(bdf);

	if (id < 0)
		fail("no DMA engine %s", bdf);
	if (rte_dma_configure((int16_t)id, &conf) || rte_dma_vchan_setup((int16_t)id, 0, &vchan) ||
	    rte_dma_start((int16_t)id))
		fail("%s does not start", bdf);
	return (int16_t)id;
}

/* Waits for the one operation that was submitted: 0, or -EIO. */
static int finish_copy(int16_t id)
{
	uint64_t end = rte_get_timer_cycles() + rte_get_timer_hz() * LIMIT_MS / 1000;
	bool error = false;
	uint16_t last;

	while (rte_get_timer_cycles() < end) {
		if (rte_dma_completed(id, 0, 1, &last, &error) == 1)
			return 0;
		if (error)
			return -EIO;
		usleep(10);
	}
	return -ETIMEDOUT;
}

static void copy_between(const char *bdf, uint8_t *from, uint8_t *to)
{
	int16_t id = start_engine(bdf);
	unsigned int i;
	int err;

	for (i = 0; i < LENGTH; i++)
		from[i] = (uint8_t)(i * 7 + (i >> 8));
	memset(to, 0, LENGTH);
	if (rte_dma_copy(id, 0, rte_malloc_virt2iova(from), rte_malloc_virt2iova(to), LENGTH,
			 RTE_DMA_OP_FLAG_SUBMIT) < 0)
		fail("%s takes no copy", bdf);
	err = finish_copy(id);
	if (err)
		fail("%s: %s", bdf, strerror(-err));
	if (memcmp(from, to, LENGTH) != 0)
		fail("%s: the copy differs", bdf);
	/* As DPDK's own applications do: the device need not be idle at once. */
	if (rte_dma_stop(id) && rte_dma_stop(id))
		fail("%s does not stop", bdf);
}

static void copy(const char *bdf)
{
	uint8_t *from = rte_malloc(NULL, LENGTH, 4096);
	uint8_t *to = rte_malloc(NULL, LENGTH, 4096);

	if (!from || !to)
		fail("no memory");
	copy_between(bdf, from, to);
	rte_free(from);
	rte_free(to);
}

static void run_copy(char **bdf)
{
	for (; *bdf; bdf++)
		copy(*bdf);
}

static void wait_for_end(void)
{
	char byte;

	say("ready");
	while (read(0, &byte, 1) > 0)
		;
}

static void run_wait(char **bdf)
{
	copy(*bdf);
	wait_for_end();
}

/* ---- hot-plug ---- */

static struct rte_device *find_device(const char *bdf)
{
	struct rte_dev_iterator iterator;
	struct rte_device *dev;
	char filter[64];

	snprintf(filter, sizeof(filter), "bus=pci,addr=%s", bdf);
	RTE_DEV_FOREACH(dev, filter, &iterator)
	{
		if (strcmp(rte_dev_name(dev), bdf) == 0)
			return dev;
	}
	return NULL;
}

static void detach(const char *bdf)
{
	struct rte_device *dev = find_device(bdf);

	if (!dev || rte_dev_remove(dev))
		fail("%s cannot be detached: %s", bdf, rte_strerror(rte_errno));
	if (rte_dma_get_dev_id_by_name(bdf) >= 0)
		fail("%s: the DMA engine is still there", bdf);
}

static void run_hotplug(char **bdf)
{
	int turn;

	for (turn = 0; turn < 3; turn++) {
		copy(*bdf);
		detach(*bdf);
		if (turn % 2 ? rte_dev_probe(*bdf) : rte_eal_hotplug_add("pci", *bdf, ""))
			fail("%s cannot be attached: %s", *bdf, rte_strerror(rte_errno));
	}
	copy(*bdf);
	if (rte_eal_hotplug_remove("pci", *bdf))
		fail("%s cannot be removed", *bdf);
	if (rte_dma_count_avail() != 0)
		fail("an engine is left");
}

static bool wanted_back, came;

static void on_event(const char *name, enum rte_dev_event_type event, void *arg)
{
	if (strcmp(name, arg) != 0)
		return;
	if (event == RTE_DEV_EVENT_REMOVE)
		__atomic_store_n(&wanted_back, true, __ATOMIC_RELEASE);
	if (event == RTE_DEV_EVENT_ADD)
		__atomic_store_n(&came, true, __ATOMIC_RELEASE);
}

static bool is_set(const void *flag)
{
	return __atomic_load_n((const bool *)flag, __ATOMIC_ACQUIRE);
}

static bool has_vfio_driver(const void *bdf)
{
	char name[64], target[128];
	ssize_t len;

	snprintf(name, sizeof(name), SYSFS "/%s/driver", (const char *)bdf);
	len = readlink(name, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	return strstr(target, "/vfio-pci") != NULL;
}

static void run_request(char **bdf)
{
	if (rte_dev_event_callback_register(*bdf, on_event, *bdf) || rte_dev_event_monitor_start())
		fail("no monitor");
	copy(*bdf);
	say("ready");
	if (!eventually(is_set, &wanted_back))
		fail("nobody wants %s back", *bdf);
	detach(*bdf);
	say("given back");
	if (!eventually(is_set, &came))
		fail("%s does not come back", *bdf);
	if (!eventually(has_vfio_driver, *bdf))
		fail("%s has no driver", *bdf);
	if (rte_dev_probe(*bdf))
		fail("%s cannot be attached again: %s", *bdf, rte_strerror(rte_errno));
	copy(*bdf);
	if (rte_dev_event_monitor_stop() ||
	    rte_dev_event_callback_unregister(*bdf, on_event, *bdf) < 0)
		fail("the monitor does not stop");
}

/* ---- VFIO without a PMD ---- */

static void run_container(char **bdf)
{
	const uint64_t iova = 1ull << 32;
	int container = rte_vfio_container_create(), group, fd;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	void *page = rte_malloc(NULL, 4096, 4096);

	if (container < 0 || !page)
		fail("no container");
	if (rte_vfio_get_group_num(SYSFS, *bdf, &group) <= 0)
		fail("%s has no group", *bdf);
	if (rte_vfio_container_group_bind(container, group) < 0)
		fail("group %d: %s", group, rte_strerror(rte_errno));
	if (rte_vfio_setup_device(SYSFS, *bdf, &fd, &info))
		fail("%s cannot be set up", *bdf);
	if (info.num_regions < VFIO_PCI_NUM_REGIONS)
		fail("%u regions", info.num_regions);
	if (rte_vfio_container_dma_map(container, (uintptr_t)page, iova, 4096))
		fail("map: %s", rte_strerror(rte_errno));
	if (rte_vfio_container_dma_unmap(container, (uintptr_t)page, iova, 4096))
		fail("unmap: %s", rte_strerror(rte_errno));
	if (rte_vfio_container_dma_unmap(container, (uintptr_t)page, iova, 4096) == 0)
		fail("unmapped twice");
	if (rte_vfio_release_device(SYSFS, *bdf, fd))
		fail("%s is not released", *bdf);
	/* The group has left with its last device. */
	if (rte_vfio_container_group_unbind(container, group) == 0)
		fail("group %d is still in the container", group);
	if (rte_vfio_container_destroy(container))
		fail("the container stays");
	rte_free(page);
}

static void run_hold(char **bdf)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd;

	if (rte_vfio_setup_device(SYSFS, *bdf, &fd, &info))
		fail("%s cannot be set up", *bdf);
	wait_for_end();
	if (rte_vfio_release_device(SYSFS, *bdf, fd))
		fail("%s is not released", *bdf);
}

static unsigned int interrupts;

static void on_interrupt(void *arg)
{
	if (rte_intr_ack(arg))
		fail("no acknowledgement");
	__atomic_add_fetch(&interrupts, 1, __ATOMIC_RELEASE);
}

static bool interrupts_are(const void *count)
{
	return __atomic_load_n(&interrupts, __ATOMIC_ACQUIRE) == *(const unsigned int *)count;
}

/* The kernel's own test of an interrupt: VFIO triggers it. */
static int trigger(int fd, uint32_t index)
{
	struct vfio_irq_set set = { .argsz = sizeof(set),
				    .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
				    .index = index,
				    .count = 1 };

	return ioctl(fd, VFIO_DEVICE_SET_IRQS, &set);
}

static void interrupts_of_type(int fd, enum rte_intr_handle_type type, uint32_t index)
{
	struct rte_intr_handle *handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	unsigned int n;

	if (!handle || event < 0 || rte_intr_fd_set(handle, event) ||
	    rte_intr_type_set(handle, type) || rte_intr_dev_fd_set(handle, fd) ||
	    rte_intr_callback_register(handle, on_interrupt, handle) || rte_intr_enable(handle))
		fail("interrupt type %d cannot be enabled", type);
	__atomic_store_n(&interrupts, 0, __ATOMIC_RELEASE);
	for (n = 1; n <= 5; n++) {
		if (trigger(fd, index))
			fail("type %d is not triggered: %s", type, strerror(errno));
		if (!eventually(interrupts_are, &n))
			fail("type %d: interrupt %u does not come", type, n);
	}
	if (rte_intr_disable(handle))
		fail("type %d cannot be disabled", type);
	if (trigger(fd, index) == 0)
		fail("type %d: triggered after disable", type);
	if (rte_intr_callback_unregister_sync(handle, on_interrupt, handle) < 0)
		fail("the callback stays");
	rte_intr_instance_free(handle);
	close(event);
}

static void run_interrupts(char **bdf)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd;

	if (rte_vfio_setup_device(SYSFS, *bdf, &fd, &info))
		fail("%s cannot be set up", *bdf);
	interrupts_of_type(fd, RTE_INTR_HANDLE_VFIO_LEGACY, VFIO_PCI_INTX_IRQ_INDEX);
	interrupts_of_type(fd, RTE_INTR_HANDLE_VFIO_MSI, VFIO_PCI_MSI_IRQ_INDEX);
	interrupts_of_type(fd, RTE_INTR_HANDLE_VFIO_MSIX, VFIO_PCI_MSIX_IRQ_INDEX);
	interrupts_of_type(fd, RTE_INTR_HANDLE_VFIO_LEGACY, VFIO_PCI_INTX_IRQ_INDEX);
	if (rte_vfio_release_device(SYSFS, *bdf, fd))
		fail("%s is not released", *bdf);
}

/* ---- network ports ---- */

static bool links[2];

static int on_link(uint16_t port, enum rte_eth_event_type event, void *arg, void *result)
{
	struct rte_eth_link link;

	(void)event;
	(void)result;
	if (rte_eth_link_get_nowait(port, &link) == 0)
		__atomic_store_n((bool *)arg, link.link_status, __ATOMIC_RELEASE);
	return 0;
}

static uint16_t start_port(const char *bdf, struct rte_mempool *pool, bool *link, bool queue)
{
	struct rte_eth_conf conf = { .intr_conf = { .lsc = 1, .rxq = queue } };
	struct rte_eth_rxconf rx = { 0 };
	uint16_t port;

	if (rte_eth_dev_get_port_by_name(bdf, &port))
		fail("no port %s", bdf);
	if (rte_eth_dev_configure(port, 1, 1, &conf) ||
	    rte_eth_rx_queue_setup(port, 0, 64, SOCKET_ID_ANY, &rx, pool) ||
	    rte_eth_tx_queue_setup(port, 0, 64, SOCKET_ID_ANY, NULL) ||
	    rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_LSC, on_link, link) ||
	    rte_eth_dev_start(port) || rte_eth_promiscuous_enable(port))
		fail("port %s does not start", bdf);
	return port;
}

/* One frame from @from to @to, which sleeps until its queue's interrupt comes, if it has one. */
static void pass_frame(uint16_t from, uint16_t to, struct rte_mempool *pool, uint16_t len,
		       bool queue)
{
	uint64_t end = rte_get_timer_cycles() + rte_get_timer_hz() * LIMIT_MS / 1000;
	struct rte_mbuf *frame = rte_pktmbuf_alloc(pool), *got = NULL;
	struct rte_epoll_event event;
	char *data;

	data = frame ? rte_pktmbuf_append(frame, len) : NULL;
	if (!data)
		fail("no buffer");
	memset(data, 0xff, 6);
	memset(data + 6, 0x11, len - 6u);
	if (queue && rte_eth_dev_rx_intr_enable(to, 0))
		fail("no interrupt of the receive queue");
	if (rte_eth_tx_burst(from, 0, &frame, 1) != 1)
		fail("not sent");
	if (queue && rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, LIMIT_MS) != 1)
		fail("no interrupt of the receive queue came");
	if (queue && rte_eth_dev_rx_intr_disable(to, 0))
		fail("the interrupt of the receive queue stays");
	while (rte_eth_rx_burst(to, 0, &got, 1) == 0 && rte_get_timer_cycles() < end)
		;
	if (!got || rte_pktmbuf_pkt_len(got) != len)
		fail("no frame of %u bytes", len);
	rte_pktmbuf_free(got);
}

static bool is_up(const void *port)
{
	struct rte_eth_link link = { 0 };

	return rte_eth_link_get_nowait(*(const uint16_t *)port, &link) == 0 && link.link_status;
}

static bool is_clear(const void *flag)
{
	return !is_set(flag);
}

/* The first port's link comes and goes with the second one, and interrupts tell it. */
static void use_ports(char **bdf, bool queue)
{
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create("frames", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	uint16_t ports[2], len;

	if (!pool)
		fail("no memory");
	ports[0] = start_port(bdf[0], pool, &links[0], false);
	ports[1] = start_port(bdf[1], pool, &links[1], queue);
	if (!eventually(is_set, &links[0]))
		fail("%s: no interrupt tells that the link is up", bdf[0]);
	if (!eventually(is_up, &ports[1]))
		fail("%s: no link", bdf[1]);
	if (queue &&
	    rte_eth_dev_rx_intr_ctl_q(ports[1], 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL))
		fail("the queue's interrupt cannot be waited for");
	for (len = 64; len <= 1024; len = (uint16_t)(len * 2))
		pass_frame(ports[0], ports[1], pool, len, queue);
	/* The link is down until close resets the PHY. */
	if (rte_eth_dev_stop(ports[1]))
		fail("%s does not stop", bdf[1]);
	if (!eventually(is_clear, &links[0]))
		fail("%s: no interrupt tells that the link is down", bdf[0]);
	if (rte_eth_dev_stop(ports[0]) || rte_eth_dev_close(ports[1]) ||
	    rte_eth_dev_close(ports[0]))
		fail("%s does not stop", bdf[0]);
	rte_mempool_free(pool);
}

static void run_links(char **bdf)
{
	use_ports(bdf, false);
}

static void run_queues(char **bdf)
{
	use_ports(bdf, true);
}

/* ---- physical addresses ---- */

static int check_segment(const struct rte_memseg_list *list, const struct rte_memseg *segment,
			 void *arg)
{
	size_t offset;

	(void)list;
	for (offset = 0; offset < segment->len; offset += 4096) {
		const uint8_t *at = (const uint8_t *)segment->addr + offset;
		rte_iova_t physical = rte_mem_virt2phy(at);

		if (physical == RTE_BAD_IOVA || physical != segment->iova + offset)
			fail("%p has physical address %#lx, its segment's IOVA + %#zx is %#lx",
			     (const void *)at, (unsigned long)physical, offset,
			     (unsigned long)(segment->iova + offset));
		if (physical == (uintptr_t)at)
			fail("%p has itself as physical address", (const void *)at);
	}
	*(size_t *)arg += segment->len;
	return 0;
}

static void run_physical(char **bdf)
{
	size_t seen = 0;

	if (rte_eal_iova_mode() != RTE_IOVA_PA)
		fail("EAL has not selected IOVA as PA");
	if (rte_memseg_walk(check_segment, &seen) || seen == 0)
		fail("no memory to look at");
	run_copy(bdf);
}

static void run_wild(char **bdf)
{
	uint8_t *page = rte_malloc(NULL, 4096, 4096);
	int16_t id = start_engine(*bdf);
	int err;

	if (!page)
		fail("no memory");
	memset(page, 0x5a, 4096);
	if (rte_dma_copy(id, 0, (uintptr_t)page, rte_malloc_virt2iova(page) + 2048, 1024,
			 RTE_DMA_OP_FLAG_SUBMIT) < 0)
		fail("%s takes no copy", *bdf);
	err = finish_copy(id);
	if (err != -EIO)
		fail("the engine has not seen an error: %d", err);
}

static const struct {
	const char *name;
	void (*run)(char **bdf);
	int devices;
} commands[] = {
	{ "copy", run_copy, 1 },
	{ "hotplug", run_hotplug, 1 },
	{ "request", run_request, 1 },
	{ "container", run_container, 1 },
	{ "interrupts", run_interrupts, 1 },
	{ "links", run_links, 2 },
	{ "queues", run_queues, 2 },
	{ "wait", run_wait, 1 },
	{ "hold", run_hold, 1 },
	{ "physical", run_physical, 1 },
	{ "wild", run_wild, 1 },
};

int main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	size_t i;

	if (used < 0)
		return 2;
	argc -= used + 1;
	argv += used + 1;
	for (i = 0; argc > 0 && i < RTE_DIM(commands); i++) {
		if (strcmp(argv[0], commands[i].name) != 0 || argc - 1 < commands[i].devices)
			continue;
		commands[i].run(argv + 1);
		if (rte_eal_cleanup())
			fail("EAL does not end");
		printf("ok: %s\n", argv[0]);
		return 0;
	}
	fprintf(stderr, "usage: dpdk-prog EAL-ARGUMENTS -- COMMAND BDF...\n");
	return 2;
}
