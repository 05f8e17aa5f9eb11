/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sequences of system calls on the VFIO files: opens, every ioctl with arguments half right,
 * region accesses, BAR mappings, and unmaps of memory that devices may be using. The device's
 * registers are reached too, so that a controller runs with queues made of the input. Nothing may
 * break, hang or leak, and afterwards everything can be closed.
 *
 * An argument lies at the end of a page with nothing behind it: what is read past it is EFAULT.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "door.h"
#include "input.h"

#define PAGE   4096ul
#define FILES  8
#define EVENTS 4
#define OPS    40
#define ARENA  (1ul << 20)
/* The program's memory: where no mmap without an address goes, so that holes in it stay holes. */
#define ARENA_AT ((void *)0x200000000000)
/* BAR mappings, far from the fuzzer's own memory: their neighbours are mapped for DMA too. */
#define BAR_AT(i)  ((void *)(0x210000000000 + 0x100000 * (uintptr_t)(i)))
#define ARENA_IOVA 0x100000000ul
#define BIT47	   (1ul << 47)
#define ARG_MAX_SZ 512u

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int files[FILES];
static int events[EVENTS];
static uint8_t *arena, *arg_page;
static struct {
	void *addr;
	size_t len;
} mapped[FILES];

/* Numbers that take no argument from memory, or an fd or a name. */
static const unsigned long requests[] = {
	VFIO_GET_API_VERSION,
	VFIO_CHECK_EXTENSION,
	VFIO_SET_IOMMU,
	VFIO_GROUP_GET_STATUS,
	VFIO_GROUP_SET_CONTAINER,
	VFIO_GROUP_UNSET_CONTAINER,
	VFIO_GROUP_GET_DEVICE_FD,
	VFIO_DEVICE_GET_INFO,
	VFIO_DEVICE_GET_REGION_INFO,
	VFIO_DEVICE_GET_IRQ_INFO,
	VFIO_DEVICE_SET_IRQS,
	VFIO_DEVICE_RESET,
	VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, /* also IOMMU_GET_INFO */
	VFIO_DEVICE_PCI_HOT_RESET,	    /* also IOMMU_MAP_DMA */
	VFIO_IOMMU_UNMAP_DMA,		    /* also DEVICE_QUERY_GFX_PLANE */
	VFIO_IOMMU_ENABLE,
	VFIO_DEVICE_IOEVENTFD,
	VFIO_DEVICE_FEATURE, /* also IOMMU_DIRTY_PAGES */
};

static void *arg_at_end(const void *data, size_t size)
{
	return memcpy(arg_page + PAGE - size, data, size);
}

static int call(int fd, unsigned long request, void *arg)
{
	int ret = uvfio_ioctl(fuzz_machine, fd, request, arg);

	must(fuzz_result_ok(ret), "ioctl %#lx gave %d", request, ret);
	return ret;
}

static int *a_file(struct input *in)
{
	return &files[below(in, FILES)];
}

/* Where set_up() puts things: mostly the file that a call is for. */
enum { CONTAINER, GROUP, DEVICE };

static int file_for(struct input *in, unsigned int kind)
{
	return below(in, 4) ? files[kind] : *a_file(in);
}

static void keep(int fd, struct input *in)
{
	int *slot = a_file(in);

	if (fd < 0)
		return;
	if (*slot >= 0)
		uvfio_close(fuzz_machine, *slot);
	*slot = fd;
}

static uint64_t an_address(struct input *in)
{
	switch (below(in, 8)) {
	case 0: /* not a user's */
		return take64(in) | BIT47;
	case 1:
		return (uintptr_t)arena + take32(in) % (2 * ARENA);
	case 2:
		return (uintptr_t)mapped[below(in, FILES)].addr + PAGE * below(in, 4);
	default:
		return (uintptr_t)arena + PAGE * take8(in);
	}
}

static uint64_t an_iova(struct input *in)
{
	static const uint64_t bases[] = {
		0,	     0x10000,	   0xfedff000, 0xfef00000,
		0x100000000, (1ull << 39), 1ull << 47, UINT64_MAX - 0xffff
	};

	return bases[below(in, COUNT(bases))] + PAGE * take8(in) + (below(in, 16) ? 0 : take8(in));
}

static uint64_t a_size(struct input *in)
{
	switch (below(in, 8)) {
	case 0:
		return take64(in);
	case 1:
		return 0;
	case 2:
		return take16(in) * PAGE;
	default:
		return PAGE * (1 + below(in, 16));
	}
}

static int an_event(struct input *in)
{
	switch (below(in, 8)) {
	case 0:
		return -1;
	case 1:
		return *a_file(in);
	case 2:
		return (int)take32(in);
	default:
		return events[below(in, EVENTS)];
	}
}

static uint32_t an_argsz(struct input *in, size_t right)
{
	return below(in, 8) ? (uint32_t)right : take32(in);
}

static void op_map(struct input *in)
{
	struct vfio_iommu_type1_dma_map map = { .flags = below(in, 8) ? 3 : take8(in) };

	map.argsz = an_argsz(in, sizeof(map));
	map.vaddr = an_address(in);
	map.iova = an_iova(in);
	map.size = a_size(in);
	call(file_for(in, CONTAINER), VFIO_IOMMU_MAP_DMA, arg_at_end(&map, sizeof(map)));
}

static void op_unmap(struct input *in)
{
	struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		struct vfio_bitmap bitmap;
	} arg = { .unmap.flags = below(in, 4) ? 0 : below(in, 8) };

	arg.unmap.argsz = an_argsz(in, sizeof(arg));
	arg.unmap.iova = an_iova(in);
	arg.unmap.size = a_size(in);
	arg.bitmap.pgsize = below(in, 4) ? PAGE : take64(in);
	arg.bitmap.size = below(in, 4) ? 8u * take8(in) : take64(in);
	arg.bitmap.data = (void *)(uintptr_t)an_address(in);
	call(file_for(in, CONTAINER), VFIO_IOMMU_UNMAP_DMA, arg_at_end(&arg, sizeof(arg)));
}

static void op_dirty(struct input *in)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = { .head.flags = 1u << below(in, 4) };

	arg.head.argsz = an_argsz(in, sizeof(arg));
	arg.get.iova = an_iova(in);
	arg.get.size = a_size(in);
	arg.get.bitmap.pgsize = below(in, 4) ? PAGE : take64(in);
	arg.get.bitmap.size = below(in, 4) ? 8u * take8(in) : take64(in);
	arg.get.bitmap.data = (void *)(uintptr_t)an_address(in);
	call(file_for(in, CONTAINER), VFIO_IOMMU_DIRTY_PAGES, arg_at_end(&arg, sizeof(arg)));
}

static void op_irqs(struct input *in)
{
	struct {
		struct vfio_irq_set set;
		int32_t fds[8];
	} arg = { 0 };
	uint32_t n = below(in, 8);

	arg.set.flags = (1u << below(in, 3)) | (8u << below(in, 3));
	if (!below(in, 8))
		arg.set.flags = take8(in);
	arg.set.index = below(in, 6);
	arg.set.start = below(in, 4);
	if (below(in, 2)) /* about the last vector, or anywhere */
		arg.set.start = below(in, 4) ? take8(in) : take32(in);
	arg.set.count = below(in, 4) ? n : take32(in);
	arg.set.argsz = an_argsz(in, sizeof(arg));
	for (size_t i = 0; i < COUNT(arg.fds); i++)
		arg.fds[i] = an_event(in);
	call(file_for(in, DEVICE), VFIO_DEVICE_SET_IRQS, arg_at_end(&arg, sizeof(arg)));
}

static void op_feature(struct input *in)
{
	struct {
		struct vfio_device_feature feature;
		uint8_t data[64];
	} arg;

	take(in, &arg, sizeof(arg));
	arg.feature.argsz = an_argsz(in, sizeof(arg));
	arg.feature.flags = below(in, 16) | (1u << (16 + below(in, 4)));
	call(file_for(in, DEVICE), VFIO_DEVICE_FEATURE, arg_at_end(&arg, sizeof(arg)));
}

static void op_ioeventfd(struct input *in)
{
	struct vfio_device_ioeventfd arg = { .flags = 1u << below(in, 4) };

	arg.argsz = an_argsz(in, sizeof(arg));
	arg.offset = ((uint64_t)below(in, 10) << 40) + take16(in);
	arg.data = take64(in);
	arg.fd = an_event(in);
	call(file_for(in, DEVICE), VFIO_DEVICE_IOEVENTFD, arg_at_end(&arg, sizeof(arg)));
}

static void op_info(struct input *in)
{
	uint32_t arg[32];
	size_t size = 4 * (1 + below(in, COUNT(arg)));

	take(in, arg, sizeof(arg));
	arg[0] = an_argsz(in, size);
	if (below(in, 4))
		arg[2] = below(in, 12); /* the index of a region or interrupt */
	call(*a_file(in), requests[below(in, COUNT(requests))], arg_at_end(arg, size));
}

static void op_raw(struct input *in)
{
	unsigned long request = below(in, 4) ? requests[below(in, COUNT(requests))] : take32(in);
	void *arg;

	switch (below(in, 4)) {
	case 0:
		arg = (void *)(uintptr_t)(take64(in) | BIT47);
		break;
	case 1:
		arg = (void *)(uintptr_t)below(in, 16);
		break;
	case 2:
		arg = (void *)(uintptr_t)an_address(in);
		break;
	default:
		arg = arg_at_end(a_file(in), sizeof(int));
	}
	/* A result may be a new fd. */
	if (request == VFIO_GROUP_GET_DEVICE_FD)
		arg = arg_at_end(fuzz_bdf[below(in, 2)], sizeof("0000:01:00.0"));
	if (request == VFIO_GROUP_GET_DEVICE_FD)
		keep(call(*a_file(in), request, arg), in);
	else
		call(*a_file(in), request, arg);
}

static void op_access(struct input *in, bool write)
{
	/* Of the NVMe controller, then of the DMA engine's first channel. */
	static const uint16_t regs[] = { 0x14, 0x1c, 0x24, 0x28, 0x30, 0x1000, 0x1004, 0x1008,
					 0x02, 0x80, 0x84, 0x86, 0x90, 0x98,   0xa8,   0xac };
	unsigned int region = below(in, 4) ? (below(in, 2) ? 0 : 7) : take8(in);
	uint64_t off = below(in, 2) ? regs[below(in, COUNT(regs))] : take16(in);
	size_t len = below(in, 4) ? 1u << below(in, 4) : take8(in);
	uint8_t buf[256];
	ssize_t ret;

	take(in, buf, len);
	/* Most values of CC are refused; this one starts the controller. */
	if (write && !region && off == 0x14 && below(in, 2))
		memcpy(buf, &(uint32_t){ 0x00460001 }, len < 4 ? len : 4);
	off += (uint64_t)region << 40;
	ret = write ? uvfio_pwrite(fuzz_machine, file_for(in, DEVICE), buf, len, off)
		    : uvfio_pread(fuzz_machine, file_for(in, DEVICE), buf, len, off);
	must(ret <= (ssize_t)len && fuzz_result_ok(ret), "access gave %zd", ret);
}

static void op_mmap(struct input *in)
{
	unsigned int i = below(in, FILES);
	uint64_t off = ((uint64_t)(below(in, 4) ? 0 : below(in, 10)) << 40) + PAGE * below(in, 8);
	size_t len = PAGE * (1 + below(in, 4));
	void *addr;
	int ret;

	if (mapped[i].addr) {
		uvfio_munmap(fuzz_machine, mapped[i].addr, mapped[i].len);
		mapped[i].addr = NULL;
		return;
	}
	ret = uvfio_mmap(fuzz_machine, BAR_AT(i), len, (int)below(in, 4), MAP_SHARED,
			 file_for(in, DEVICE), off, &addr);
	must(fuzz_result_ok(ret), "mmap gave %d", ret);
	if (!ret) {
		mapped[i].addr = addr;
		mapped[i].len = len;
	}
}

/* Memory goes away while a device may use it, and comes back as other pages. */
static void op_memory(struct input *in)
{
	size_t first = PAGE * below(in, 240), len = PAGE * (1 + below(in, 16));

	if (below(in, 2)) {
		uint64_t word = take64(in);

		for (size_t i = first; i + 8 <= first + len; i += 8)
			memcpy(arena + i, &word, 8);
		take(in, arena + first, 64);
		return;
	}
	uvfio_munmap(fuzz_machine, arena + first, len);
	must(mmap(arena + first, len, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == arena + first,
	     "mmap");
}

static void op_open(struct input *in)
{
	static const char *const paths[] = { "/dev/vfio/vfio",
					     "/dev/vfio/3",
					     "/dev/vfio/4",
					     "/dev/vfio/2",
					     "/dev/vfio/99",
					     "/sys/bus/pci/devices/0000:01:00.0/config",
					     "/sys/bus/pci/devices/0000:01:00.0/resource0",
					     "/sys/bus/pci/devices/0000:01:00.0/vendor" };
	int ret = uvfio_open(fuzz_machine, paths[below(in, COUNT(paths))],
			     below(in, 8) ? O_RDWR : (int)(take8(in) & O_ACCMODE));

	must(fuzz_result_ok(ret), "open gave %d", ret);
	keep(ret, in);
}

/* A device in a container, as every client begins. */
static void set_up(unsigned int which, unsigned long iommu)
{
	int container = uvfio_open(fuzz_machine, "/dev/vfio/vfio", O_RDWR);
	int group = uvfio_open(fuzz_machine, fuzz_group[which], O_RDWR);
	int device;

	must(container >= 0 && group >= 0, "open");
	must(!call(group, VFIO_GROUP_SET_CONTAINER, &container), "set container");
	must(!call(container, VFIO_SET_IOMMU, (void *)iommu), "set iommu");
	device = call(group, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)fuzz_bdf[which]);
	must(device >= 0, "device: %d", device);
	files[CONTAINER] = container;
	files[GROUP] = group;
	files[DEVICE] = device;
}

static void write_register(uint64_t off, uint64_t value, size_t width)
{
	uvfio_pwrite(fuzz_machine, files[DEVICE], &value, width, off);
}

/* The NVMe controller with its admin queues in the arena: its commands are the input. */
static void start_nvme(struct input *in)
{
	write_register(0x24, 0x000f000f, 4);	    /* AQA */
	write_register(0x28, ARENA_IOVA, 8);	    /* ASQ */
	write_register(0x30, ARENA_IOVA + PAGE, 8); /* ACQ */
	write_register(0x14, 0x00460001, 4);	    /* CC */
	for (unsigned int i = 0; i < 8; i++) {
		uint64_t prp = ARENA_IOVA + PAGE * (2 + i);

		take(in, arena + 64ul * i, 16);
		memcpy(arena + 64ul * i + 24, &prp, 8);
		take(in, arena + 64ul * i + 40, 16);
	}
	write_register(0x1000, below(in, 9), 4);
}

/* A channel of the DMA engine with a chain of descriptors, half of them out of the input. */
static void start_ioat(struct input *in)
{
	struct {
		uint32_t size, control;
		uint64_t src, dst, next, rest[4];
	} desc;
	const uint64_t chan = 0x80;

	write_register(chan + 0x18, ARENA_IOVA + PAGE, 8); /* CHANCMP */
	write_register(chan + 0x10, ARENA_IOVA, 8);	   /* CHAINADDR */
	for (unsigned int i = 0; i < 8; i++) {
		take(in, &desc, sizeof(desc));
		if (below(in, 4)) {
			desc.control &= 0x010000ff;
			desc.size &= 0xffff;
			desc.src = ARENA_IOVA + (desc.src & 0xfffff);
			desc.dst = ARENA_IOVA + (desc.dst & 0xfffff);
			desc.next = ARENA_IOVA + 64 * ((i + 1) % 8);
		}
		memcpy(arena + 64ul * i, &desc, sizeof(desc));
	}
	write_register(chan + 0x06, take16(in) % 64, 2); /* DMACOUNT */
}

/* All of the arena mapped, and the device @which at work in it. */
static void start_device(struct input *in, unsigned int which)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = 3,
						.vaddr = (uintptr_t)arena,
						.iova = ARENA_IOVA,
						.size = ARENA };

	must(!call(files[CONTAINER], VFIO_IOMMU_MAP_DMA, arg_at_end(&map, sizeof(map))), "map");
	write_register((7ull << 40) + 4, 6, 2); /* COMMAND: memory and bus master */
	if (which)
		start_ioat(in);
	else
		start_nvme(in);
}

static void one_op(struct input *in)
{
	switch (take8(in) % 16) {
	case 0:
		op_open(in);
		break;
	case 1: {
		int *slot = a_file(in);

		if (*slot >= 0)
			must(!uvfio_close(fuzz_machine, *slot), "close");
		*slot = -1;
		break;
	}
	case 2:
	case 3:
		op_map(in);
		break;
	case 4:
		op_unmap(in);
		break;
	case 5:
		op_dirty(in);
		break;
	case 6:
		op_irqs(in);
		break;
	case 7:
		op_feature(in);
		break;
	case 8:
		op_ioeventfd(in);
		break;
	case 9:
		op_info(in);
		break;
	case 10:
		op_raw(in);
		break;
	case 11:
		op_access(in, false);
		break;
	case 12:
	case 13:
		op_access(in, true);
		break;
	case 14:
		op_mmap(in);
		break;
	default:
		op_memory(in);
		break;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_machine_create();
	arena = mmap(ARENA_AT, ARENA, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	arg_page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(arena != MAP_FAILED && arg_page != MAP_FAILED, "mmap");
	must(!mprotect(arg_page + PAGE, PAGE, PROT_NONE), "mprotect");
	for (size_t i = 0; i < EVENTS; i++)
		events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t start = take8(&in);

	for (size_t i = 0; i < FILES; i++)
		files[i] = -1;
	if (start & 1)
		set_up(start >> 1 & 1, start & 4 ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU);
	if ((start & 9) == 9)
		start_device(&in, start >> 1 & 1);
	for (unsigned int ops = 0; in.size && ops < OPS; ops++)
		one_op(&in);
	for (size_t i = 0; i < FILES; i++) {
		if (mapped[i].addr)
			uvfio_munmap(fuzz_machine, mapped[i].addr, mapped[i].len);
		mapped[i].addr = NULL;
		if (files[i] >= 0)
			must(!uvfio_close(fuzz_machine, files[i]), "close");
	}
	return 0;
}
