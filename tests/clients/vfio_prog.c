/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small VFIO program that knows nothing of uvfio: what a beginner's NVMe driver does. It is built
 * with sanitizers and other C libraries and run under debuggers.
 *
 *   vfio_prog [MODE [BDF]]
 *
 * MODE run (the default): open, map, reset, admin queue with Identify completed by MSI-X from two
 * threads, access of the BAR in a signal handler, unmap, close; a forked child; a clean exit. The
 * other modes drive the device in the same way and have a defect of their own, for the sanitizers
 * to find: overflow, race, undefined, leak, null; for uvfio: dma. handler has a handler of SIGSEGV,
 * wait goes on for 20 seconds. Built with WITH_SECCOMP it has the modes sandbox, sandbox-narrow,
 * -early and -strict. Sections are those of NVM Express 1.4.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	     4096UL
#define ENTRIES	     16U
#define ROUNDS	     20
#define QUEUES_IOVA  0x100000UL
#define BUFFERS_IOVA 0x200000UL
#define REG_INTMS    0x0c /* 3.1.3: written ones mask; 0 changes nothing */
#define REG_CC	     0x14
#define REG_CSTS     0x1c
#define REG_AQA	     0x24
#define REG_ASQ	     0x28
#define REG_ACQ	     0x30
#define REG_SQ0TDBL  0x1000
#define REG_CQ0HDBL  0x1004
#define CC_ENABLE    0x00460001U

struct entry { /* 4.2 */
	uint32_t dw[16];
};

struct completion { /* 4.6 */
	uint32_t dw[4];
};

struct nvme {
	const char *bdf;
	int container, group, device, interrupt;
	volatile uint8_t *bar;
	size_t bar_size;
	uint8_t *queues, *buffers;
	pthread_mutex_t lock; /* the queue pair */
	unsigned int tail, head, phase;
};

static struct nvme nvme = { .lock = PTHREAD_MUTEX_INITIALIZER };
static volatile sig_atomic_t handled;
static struct sigaction segv_action;

static void die(const char *what)
{
	fprintf(stderr, "vfio_prog: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void expect(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "vfio_prog: not as expected: %s\n", what);
	exit(1);
}

static uint32_t reg_read(unsigned int off)
{
	return *(volatile uint32_t *)(nvme.bar + off);
}

static void reg_write(unsigned int off, uint32_t value)
{
	*(volatile uint32_t *)(nvme.bar + off) = value;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_group(void)
{
	char path[128], link[256];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", nvme.bdf);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		die(path);
	link[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	fd = open(path, O_RDWR);
	if (fd < 0)
		die(path);
	return fd;
}

static void map_bar(void)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	uint16_t command;

	if (ioctl(nvme.device, VFIO_DEVICE_GET_REGION_INFO, &region) ||
	    ioctl(nvme.device, VFIO_DEVICE_GET_REGION_INFO, &config))
		die("GET_REGION_INFO");
	if (pread(nvme.device, &command, 2, (off_t)config.offset + 4) != 2)
		die("read of COMMAND");
	command |= 6; /* memory decode, bus master */
	if (pwrite(nvme.device, &command, 2, (off_t)config.offset + 4) != 2)
		die("write of COMMAND");
	nvme.bar_size = region.size;
	nvme.bar = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, nvme.device,
			(off_t)region.offset);
	if (nvme.bar == MAP_FAILED)
		die("mmap of BAR 0");
}

static void open_device(void)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct vfio_device_info info = { .argsz = sizeof(info) };

	nvme.container = open("/dev/vfio/vfio", O_RDWR);
	if (nvme.container < 0)
		die("/dev/vfio/vfio");
	expect(ioctl(nvme.container, VFIO_GET_API_VERSION) == VFIO_API_VERSION, "API version");
	nvme.group = open_group();
	if (ioctl(nvme.group, VFIO_GROUP_GET_STATUS, &status))
		die("GROUP_GET_STATUS");
	expect(status.flags & VFIO_GROUP_FLAGS_VIABLE, "a viable group");
	if (ioctl(nvme.group, VFIO_GROUP_SET_CONTAINER, &nvme.container))
		die("SET_CONTAINER");
	if (ioctl(nvme.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		die("SET_IOMMU");
	nvme.device = ioctl(nvme.group, VFIO_GROUP_GET_DEVICE_FD, nvme.bdf);
	if (nvme.device < 0)
		die("GET_DEVICE_FD");
	if (ioctl(nvme.device, VFIO_DEVICE_GET_INFO, &info) ||
	    ioctl(nvme.device, VFIO_DEVICE_RESET))
		die("GET_INFO and RESET");
	map_bar();
}

static void dma_map(void *memory, uint64_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = len,
	};

	if (ioctl(nvme.container, VFIO_IOMMU_MAP_DMA, &map))
		die("MAP_DMA");
}

static void dma_unmap(uint64_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
						    .iova = iova,
						    .size = len };

	if (ioctl(nvme.container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		die("UNMAP_DMA");
	expect(unmap.size == len, "UNMAP_DMA's size");
}

/* Interrupts of vector 0 through an eventfd; @fd -1: none any more. */
static void set_irq(int fd)
{
	char bytes[sizeof(struct vfio_irq_set) + sizeof(int32_t)] __attribute__((aligned(8)));
	struct vfio_irq_set *set = (struct vfio_irq_set *)bytes;

	*set = (struct vfio_irq_set){ .argsz = sizeof(bytes),
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD,
				      .index = VFIO_PCI_MSIX_IRQ_INDEX,
				      .count = 1 };
	memcpy(set->data, &fd, sizeof(fd));
	if (fd < 0) {
		set->argsz = sizeof(*set);
		set->flags = VFIO_IRQ_SET_DATA_NONE;
		set->count = 0;
	}
	set->flags |= VFIO_IRQ_SET_ACTION_TRIGGER;
	if (ioctl(nvme.device, VFIO_DEVICE_SET_IRQS, set))
		die("SET_IRQS");
}

/* ---- the controller -------------------------------------------------------------------------- */

static void wait_ready(uint32_t ready)
{
	time_t end = time(NULL) + 20;

	while ((reg_read(REG_CSTS) & 1) != ready)
		expect(time(NULL) < end, "CSTS.RDY");
}

/* 7.6.1 */
static void enable(void)
{
	reg_write(REG_CC, 0);
	wait_ready(0);
	memset(nvme.queues, 0, 2 * PAGE);
	reg_write(REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	*(volatile uint64_t *)(nvme.bar + REG_ASQ) = QUEUES_IOVA;
	*(volatile uint64_t *)(nvme.bar + REG_ACQ) = QUEUES_IOVA + PAGE;
	reg_write(REG_CC, CC_ENABLE);
	wait_ready(1);
	nvme.tail = nvme.head = 0;
	nvme.phase = 1;
}

/* 5.15: Identify controller into @iova; the completion comes with an interrupt. Its status. */
static uint32_t identify(uint64_t iova)
{
	volatile struct completion *done;
	struct entry *entry;
	uint64_t count;
	uint32_t status;

	pthread_mutex_lock(&nvme.lock);
	entry = (struct entry *)nvme.queues + nvme.tail;
	memset(entry, 0, sizeof(*entry));
	entry->dw[0] = 0x06;
	entry->dw[6] = (uint32_t)iova;
	entry->dw[7] = (uint32_t)(iova >> 32);
	entry->dw[10] = 1;
	nvme.tail = (nvme.tail + 1) % ENTRIES;
	reg_write(REG_SQ0TDBL, nvme.tail);
	done = (volatile struct completion *)(nvme.queues + PAGE) + nvme.head;
	while ((done->dw[3] >> 16 & 1) != nvme.phase)
		if (read(nvme.interrupt, &count, sizeof(count)) != sizeof(count))
			die("read of the interrupt");
	status = done->dw[3] >> 17;
	nvme.head = (nvme.head + 1) % ENTRIES;
	if (!nvme.head)
		nvme.phase ^= 1;
	reg_write(REG_CQ0HDBL, nvme.head);
	pthread_mutex_unlock(&nvme.lock);
	return status;
}

/* Each thread has a page of its own, mapped anew each time. */
static void *work(void *arg)
{
	size_t number = (size_t)arg;
	uint8_t *page = nvme.buffers + number * PAGE;
	uint64_t iova = BUFFERS_IOVA + number * PAGE;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		memset(page, 0, PAGE);
		dma_map(page, iova, PAGE);
		expect(!identify(iova), "Identify's status");
		dma_unmap(iova, PAGE);
		expect(page[0] == 0x36 && page[1] == 0x1b, "the vendor in Identify's data");
	}
	return NULL;
}

static void run_threads(void *(*fn)(void *arg))
{
	pthread_t threads[2];
	size_t i;

	for (i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, fn, (void *)i))
			die("pthread_create");
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* A trapped store and a load, with every signal blocked that can be. */
static void on_signal(int sig)
{
	reg_write(REG_INTMS, 0);
	if (reg_read(REG_CSTS) & 1)
		handled = sig;
}

static void on_segv(int sig)
{
	handled = sig;
}

/* A handler that was there before the device is the program's, and is called. */
static void own_handler(void)
{
	struct sigaction old;

	expect(!sigaction(SIGSEGV, NULL, &old) && old.sa_handler == on_segv, "its own handler");
	raise(SIGSEGV);
	while (handled != SIGSEGV)
		usleep(1000);
	expect(signal(SIGSEGV, SIG_DFL) == on_segv, "its own handler, from signal()");
	expect(!sigaction(SIGSEGV, NULL, &old) && old.sa_handler == SIG_DFL, "no handler");
}

static void use_in_handler(void)
{
	struct sigaction act, old;

	memset(&act, 0, sizeof(act));
	act.sa_handler = on_signal;
	sigfillset(&act.sa_mask);
	if (sigaction(SIGUSR1, &act, NULL))
		die("sigaction");
	raise(SIGUSR1);
	/* Some runtimes deliver at the next call of libc's. */
	while (handled != SIGUSR1)
		usleep(1000);
	expect(!sigaction(SIGUSR1, NULL, &old) && old.sa_handler == on_signal,
	       "the handler as it was given");
	expect(sigismember(&old.sa_mask, SIGSEGV) == 1, "the mask as it was given");
	expect(!sigaction(SIGSEGV, NULL, &old) && old.sa_handler == segv_action.sa_handler,
	       "SIGSEGV's handler as it was before the device");
}

/* A child has no device, but may open one, and leave as it likes. */
static void fork_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		errno = 0;
		expect(ioctl(nvme.device, VFIO_DEVICE_RESET) == -1 && errno == EIO, "EIO");
		nvme.container = open("/dev/vfio/vfio", O_RDWR);
		expect(!ioctl(nvme.container, VFIO_GET_API_VERSION), "a container of its own");
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	expect(WIFEXITED(status) && !WEXITSTATUS(status), "the child's end");
}

static void start(void)
{
	open_device();
	nvme.interrupt = eventfd(0, EFD_CLOEXEC);
	nvme.queues =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (nvme.interrupt < 0 || nvme.queues == MAP_FAILED ||
	    posix_memalign((void **)&nvme.buffers, PAGE, 2 * PAGE))
		die("memory");
	dma_map(nvme.queues, QUEUES_IOVA, 2 * PAGE);
	set_irq(nvme.interrupt);
	enable();
}

static void stop(void)
{
	reg_write(REG_CC, 0);
	set_irq(-1);
	dma_unmap(QUEUES_IOVA, 2 * PAGE);
	munmap((void *)nvme.bar, nvme.bar_size);
	munmap(nvme.queues, 2 * PAGE);
	free(nvme.buffers);
	close(nvme.interrupt);
	close(nvme.device);
	close(nvme.group);
	close(nvme.container);
}

#ifdef WITH_SECCOMP
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>

/* What the program itself calls once its device is open. */
static const int own_calls[] = {
	SCMP_SYS(ioctl),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(futex),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(tgkill),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(close),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(newfstatat),
};

/* What docs/debugging.md says that a device needs besides. */
static const int device_calls[] = {
	SCMP_SYS(lseek),       SCMP_SYS(fstat),	      SCMP_SYS(poll),	   SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),    SCMP_SYS(mremap),      SCMP_SYS(nanosleep), SCMP_SYS(openat),
	SCMP_SYS(sched_yield), SCMP_SYS(sigaltstack), SCMP_SYS(fcntl),	   SCMP_SYS(mkdir),
	SCMP_SYS(link),	       SCMP_SYS(unlink),      SCMP_SYS(rmdir),	   SCMP_SYS(getdents64),
	SCMP_SYS(sendto),      SCMP_SYS(recvfrom),
};

static void allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0))
			die("seccomp_rule_add");
}

/* "sandbox": nothing but the lists; "sandbox-narrow": without what devices need; "sandbox-early":
 * installed before the device is opened, without memfd_create; "sandbox-strict": the kernel's. */
static void sandbox(const char *mode)
{
	bool early = !strcmp(mode, "sandbox-early");
	scmp_filter_ctx filter = seccomp_init(early ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS);
	int ret = 0;

	if (!strcmp(mode, "sandbox-strict") && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		die("PR_SET_SECCOMP");
	if (!filter)
		die("seccomp_init");
	if (early)
		ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(memfd_create), 0);
	else
		allow(filter, own_calls, sizeof(own_calls) / sizeof(own_calls[0]));
	if (!strcmp(mode, "sandbox"))
		allow(filter, device_calls, sizeof(device_calls) / sizeof(device_calls[0]));
	if (ret || seccomp_load(filter))
		die("seccomp_load");
	seccomp_release(filter);
}

#else

static void sandbox(const char *mode)
{
	fprintf(stderr, "vfio_prog: built without libseccomp, no mode \"%s\"\n", mode);
	exit(2);
}

#endif

/* ---- modes ----------------------------------------------------------------------------------- */

static int shared_counter;
static volatile int one = 1;

static void *count_up(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++)
		shared_counter++;
	return arg;
}

static void *volatile lost;

static void other_mode(const char *mode)
{
	volatile char *volatile bytes;
	time_t end;

	if (!strcmp(mode, "overflow")) {
		bytes = malloc(16);
		bytes[15 + one] = 1;
		free((void *)bytes);
	} else if (!strcmp(mode, "race")) {
		run_threads(count_up);
	} else if (!strcmp(mode, "undefined")) {
		printf("%d\n", INT32_MAX + one);
	} else if (!strcmp(mode, "leak")) {
		lost = malloc(1234);
		lost = NULL;
	} else if (!strcmp(mode, "null")) {
		bytes = NULL;
		bytes[one] = 1;
	} else if (!strcmp(mode, "handler")) {
		own_handler();
	} else if (!strcmp(mode, "wait")) {
		puts("vfio_prog: waiting");
		fflush(stdout);
		for (end = time(NULL) + 20; time(NULL) < end; usleep(10000))
			run_threads(work);
	} else if (!strcmp(mode, "dma")) {
		expect(identify(0xdead000) != 0, "an error of Identify's");
	} else {
		fprintf(stderr, "vfio_prog: no mode \"%s\"\n", mode);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "run";
	bool sandboxed = !strncmp(mode, "sandbox", 7), early = !strcmp(mode, "sandbox-early");

	nvme.bdf = argc > 2 ? argv[2] : "0000:01:00.0";
	if (!strcmp(mode, "handler"))
		signal(SIGSEGV, on_segv);
	sigaction(SIGSEGV, NULL, &segv_action);
	if (early)
		sandbox(mode);
	start();
	if (sandboxed && !early)
		sandbox(mode);
	run_threads(work);
	use_in_handler();
	if (!sandboxed) {
		fork_child();
		if (strcmp(mode, "run"))
			other_mode(mode);
	}
	stop();
	puts("vfio_prog: done");
	return 0;
}
