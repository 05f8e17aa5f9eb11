/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vmm old|vfio BDF: a small virtual machine monitor on /dev/kvm with one real-mode vCPU (guest.S)
 * and an ioat function. It knows nothing of uvfio.
 *
 * old: device assignment as qemu-kvm's pci-assign did it: sysfs config and resourceN, the ioctls
 * KVM_ASSIGN_*, in its order. vfio: as QEMU does it today: a container with the guest's memory,
 * SET_IRQS with an eventfd that is an irqfd, a KVM-VFIO device.
 *
 * The guest's accesses to the BAR exit and are made here: by a load or store of the mapping, or by
 * pread and pwrite of the region. Exit status: 0; 1 something is wrong; 77 there is no usable
 * /dev/kvm, with a line that says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/uapi/kvm.h"

#define MEM_SIZE   0x80000UL
#define BAR_GPA	   0xd0000UL
#define GUEST_CODE 0x7000
#define DESCS	   0x8000
#define SOURCE	   0x9000
#define TARGET	   0xa000
#define OUTSIDE	   0x10000000UL
#define LENGTH	   4096
#define GSI	   24
#define VECTOR	   0x40
#define DEV_ID	   0x100
#define SKIPPED	   77

struct descriptor {
	uint32_t size, ctl;
	uint64_t src, dst, next, more[4];
};

extern const char guest_start[], guest_end[];

static int kvm, vm, vcpu;
static struct kvm_run *run;
static char *mem;
static const char *bdf;

/* The device: a mapping of its BAR, or a fd and an offset. */
static volatile char *bar;
static size_t bar_size;
static int device = -1;
static off_t bar_off;

/* What the guest says. */
static unsigned char arrived[16];
static unsigned int told;
static uint32_t chanerr;
static unsigned int loads, stores; /* of the BAR, that exited */

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "vmm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void expect(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "vmm: expected %s\n", what);
	exit(1);
}

static int check(int ret, const char *what)
{
	if (ret < 0)
		die(what);
	return ret;
}

static _Noreturn void skip(const char *what)
{
	printf("skipped: %s: %s\n", what, strerror(errno));
	exit(SKIPPED);
}

static void too_long(int sig)
{
	static const char text[] = "vmm: the guest does not come to an end\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

/* ---- the machine ---------------------------------------------------------------------------- */

static void create_vm(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEM_SIZE };

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		skip("no usable /dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		skip("no usable /dev/kvm");
	if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) || ioctl(vm, KVM_CREATE_IRQCHIP, 0))
		skip("/dev/kvm has no interrupt controllers");
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap of the guest's memory");
	region.userspace_addr = (uintptr_t)mem;
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

/* Whether vCPUs run here at all: one that writes to a port, in a VM of its own. */
static void probe_vcpu(void)
{
	static const unsigned char code[] = { 0xe6, 0xf4 }; /* out %al, $0xf4 */
	struct kvm_userspace_memory_region region = { .memory_size = 0x8000 };
	struct kvm_regs regs = { .rip = GUEST_CODE, .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *probe;
	int other = ioctl(kvm, KVM_CREATE_VM, 0), fd;
	char *code_mem =
		mmap(NULL, 0x8000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(code_mem + GUEST_CODE, code, sizeof(code));
	region.userspace_addr = (uintptr_t)code_mem;
	ioctl(other, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	fd = ioctl(other, KVM_SET_USER_MEMORY_REGION, &region) ? -1
							       : ioctl(other, KVM_CREATE_VCPU, 0);
	if (fd < 0 || ioctl(fd, KVM_GET_SREGS, &sregs))
		skip("/dev/kvm has no vCPUs");
	probe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (probe == MAP_FAILED || ioctl(fd, KVM_SET_SREGS, &sregs) ||
	    ioctl(fd, KVM_SET_REGS, &regs) || ioctl(fd, KVM_RUN, 0) ||
	    probe->exit_reason != KVM_EXIT_IO)
		skip("/dev/kvm does not run real-mode code");
	munmap(probe, 4096);
	munmap(code_mem, 0x8000);
	close(fd);
	close(other);
}

static void load_guest(void)
{
	struct descriptor *desc = (struct descriptor *)(mem + DESCS);

	memcpy(mem + GUEST_CODE, guest_start, (size_t)(guest_end - guest_start));
	for (int i = 0; i < LENGTH; i++)
		mem[SOURCE + i] = (char)(i * 7 + 3);
	/* With an interrupt and a completion. */
	desc[0] = (struct descriptor){
		.size = LENGTH, .ctl = 9, .src = SOURCE, .dst = TARGET, .next = DESCS + 64
	};
	desc[1] = (struct descriptor){
		.size = LENGTH, .ctl = 9, .src = SOURCE, .dst = OUTSIDE, .next = DESCS
	};
}

/* One vCPU at GUEST_CODE, its local APIC on. */
static void create_vcpu(void)
{
	struct kvm_regs regs = { .rip = GUEST_CODE, .rflags = 2 };
	struct kvm_lapic_state lapic;
	uint32_t svr = 0x1ff;
	struct kvm_sregs sregs;
	int size;

	vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		die("mmap of the vCPU");
	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	check(ioctl(vcpu, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	memcpy(lapic.regs + 0xf0, &svr, sizeof(svr));
	check(ioctl(vcpu, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
}

/* GSI 24 is a message to vCPU 0. */
static void route_msi(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = { .head.nr = 1,
		      .entry = { .gsi = GSI,
				 .type = KVM_IRQ_ROUTING_MSI,
				 .u.msi = { .address_lo = 0xfee00000, .data = VECTOR } } };

	check(ioctl(vm, KVM_SET_GSI_ROUTING, &routing), "KVM_SET_GSI_ROUTING");
}

/* ---- exits ---------------------------------------------------------------------------------- */

static void mapped_access(volatile char *at, void *data, uint32_t len, bool write)
{
	switch (len) {
	case 2:
		write ? (void)(*(volatile uint16_t *)at = *(uint16_t *)data)
		      : (void)(*(uint16_t *)data = *(volatile uint16_t *)at);
		break;
	case 4:
		write ? (void)(*(volatile uint32_t *)at = *(uint32_t *)data)
		      : (void)(*(uint32_t *)data = *(volatile uint32_t *)at);
		break;
	default:
		fprintf(stderr, "vmm: an access of %u bytes\n", len);
		exit(1);
	}
}

static void mmio_exit(void)
{
	uint64_t off = run->mmio.phys_addr - BAR_GPA;
	uint32_t len = run->mmio.len;
	ssize_t n;

	run->mmio.is_write ? stores++ : loads++;
	expect(run->mmio.phys_addr >= BAR_GPA && off + len <= bar_size, "an access to the BAR");
	if (bar) {
		mapped_access(bar + off, run->mmio.data, len, run->mmio.is_write);
		return;
	}
	n = run->mmio.is_write ? pwrite(device, run->mmio.data, len, bar_off + (off_t)off)
			       : pread(device, run->mmio.data, len, bar_off + (off_t)off);
	expect(n == (ssize_t)len, "a whole access to the region");
}

/* False: the guest is done. */
static bool io_exit(void)
{
	const char *data = (char *)run + run->io.data_offset;

	switch (run->io.port) {
	case 0xe9:
		expect(told < sizeof(arrived), "16 bytes from the guest");
		arrived[told++] = (unsigned char)*data;
		return true;
	case 0xe8:
		memcpy(&chanerr, data, sizeof(chanerr));
		return true;
	case 0xf4:
		return false;
	default:
		fprintf(stderr, "vmm: port %#x\n", run->io.port);
		exit(1);
	}
}

static void run_guest(void)
{
	for (;;) {
		check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason == KVM_EXIT_MMIO) {
			mmio_exit();
		} else if (run->exit_reason == KVM_EXIT_IO) {
			if (!io_exit())
				return;
		} else {
			fprintf(stderr, "vmm: exit reason %u\n", run->exit_reason);
			exit(1);
		}
	}
}

static void check_results(void)
{
	expect(told == sizeof(arrived), "what arrived, from the guest");
	expect(!memcmp(arrived, mem + SOURCE, sizeof(arrived)), "the guest to read what was sent");
	expect(!memcmp(mem + TARGET, mem + SOURCE, LENGTH), "the data in the guest's memory");
	/* WRITE_DATA: the destination could not be written. */
	expect(chanerr == 1 << 9, "CHANERR of a destination outside of memory");
}

/* ---- the old way ---------------------------------------------------------------------------- */

static int open_sysfs(const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

/* get_real_device(): config space and the first line of `resource`. */
static int read_device(void)
{
	unsigned long long start = 0, end = 0, flags;
	unsigned char config[256];
	char text[512] = "";
	int fd;

	fd = open_sysfs("resource", O_RDONLY);
	expect(read(fd, text, sizeof(text) - 1) > 0 &&
		       sscanf(text, "%llx %llx %llx", &start, &end, &flags) == 3 && flags & 0x200,
	       "a memory BAR in `resource`");
	close(fd);
	bar_size = (size_t)(end - start + 1);
	fd = open_sysfs("resource0", O_RDWR);
	bar = mmap(NULL, bar_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED)
		die("mmap of resource0");
	close(fd);
	fd = open_sysfs("config", O_RDWR);
	expect(pread(fd, config, sizeof(config), 0) == sizeof(config), "256 bytes of config space");
	return fd;
}

/* The guest enables memory decoding and bus mastering. */
static void write_command(int config)
{
	uint16_t command = 0;

	expect(pread(config, &command, 2, 4) == 2, "COMMAND");
	command |= 6;
	expect(pwrite(config, &command, 2, 4) == 2, "COMMAND to be written");
}

static void set_irq(unsigned long cmd, uint32_t flags, uint32_t gsi, const char *what)
{
	struct kvm_assigned_irq irq = { .assigned_dev_id = DEV_ID,
					.guest_irq = gsi,
					.flags = flags };

	check(ioctl(vm, cmd, &irq), what);
}

/* assign_device() and assign_intx(), then what assigned_dev_update_msix() does when the guest turns
 * MSI-X on. */
static void assign(int config)
{
	struct kvm_assigned_pci_dev dev = { .assigned_dev_id = DEV_ID,
					    .flags = KVM_DEV_ASSIGN_ENABLE_IOMMU |
						     KVM_DEV_ASSIGN_PCI_2_3 };
	struct kvm_assigned_msix_entry entry = { .assigned_dev_id = DEV_ID, .gsi = GSI };
	struct kvm_assigned_msix_nr nr = { .assigned_dev_id = DEV_ID, .entry_nr = 1 };
	unsigned int bus, slot, function;

	expect(sscanf(bdf, "%x:%x:%x.%x", &dev.segnr, &bus, &slot, &function) == 4, "an address");
	dev.busnr = bus;
	dev.devfn = slot << 3 | function;
	expect(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_IOMMU) == 1, "KVM_CAP_IOMMU");
	expect(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_PCI_2_3) == 1, "KVM_CAP_PCI_2_3");
	expect(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_ASSIGN_DEV_IRQ) == 1,
	       "KVM_CAP_ASSIGN_DEV_IRQ");
	check(ioctl(vm, KVM_ASSIGN_PCI_DEVICE, &dev), "KVM_ASSIGN_PCI_DEVICE");
	/* kvm_device_msix_supported() */
	expect(ioctl(vm, KVM_ASSIGN_SET_MSIX_NR, NULL) == -1 && errno == EFAULT,
	       "MSI-X to be supported");
	set_irq(KVM_ASSIGN_DEV_IRQ, KVM_DEV_IRQ_HOST_INTX | KVM_DEV_IRQ_GUEST_INTX, 11,
		"KVM_ASSIGN_DEV_IRQ of INTx");
	write_command(config);
	set_irq(KVM_DEASSIGN_DEV_IRQ, KVM_DEV_IRQ_HOST_INTX | KVM_DEV_IRQ_GUEST_INTX, 0,
		"KVM_DEASSIGN_DEV_IRQ of INTx");
	route_msi();
	check(ioctl(vm, KVM_ASSIGN_SET_MSIX_NR, &nr), "KVM_ASSIGN_SET_MSIX_NR");
	check(ioctl(vm, KVM_ASSIGN_SET_MSIX_ENTRY, &entry), "KVM_ASSIGN_SET_MSIX_ENTRY");
	set_irq(KVM_ASSIGN_DEV_IRQ, KVM_DEV_IRQ_HOST_MSIX | KVM_DEV_IRQ_GUEST_MSIX, 0,
		"KVM_ASSIGN_DEV_IRQ of MSI-X");
}

/* assigned_dev_iomem_map(): the guest gets the mapped BAR as memory. That its accesses exit all the
 * same is not the VMM's business. */
static void map_bar(bool on)
{
	struct kvm_userspace_memory_region region = { .slot = 1,
						      .guest_phys_addr = BAR_GPA,
						      .memory_size = on ? bar_size : 0,
						      .userspace_addr = (uintptr_t)bar };

	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "a slot of the BAR");
}

static void old_way(void)
{
	struct kvm_assigned_pci_dev dev = { .assigned_dev_id = DEV_ID };
	int config = read_device();

	assign(config);
	map_bar(true);
	run_guest();
	check_results();
	expect(stores == 7 && loads >= 2, "accesses of the BAR to exit");
	map_bar(false);
	set_irq(KVM_DEASSIGN_DEV_IRQ, KVM_DEV_IRQ_HOST_MSIX | KVM_DEV_IRQ_GUEST_MSIX, 0,
		"KVM_DEASSIGN_DEV_IRQ of MSI-X");
	check(ioctl(vm, KVM_DEASSIGN_PCI_DEVICE, &dev), "KVM_DEASSIGN_PCI_DEVICE");
	expect(ioctl(vm, KVM_DEASSIGN_PCI_DEVICE, &dev) == -1 && errno == EINVAL,
	       "no device to be left");
	close(config);
}

/* ---- today's way ---------------------------------------------------------------------------- */

static int open_group(void)
{
	char path[128], target[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		die(path);
	target[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(target, '/'));
	return check(open(path, O_RDWR | O_CLOEXEC), path);
}

/* KVM knows the group, as for devices whose DMA is not coherent. */
static int add_group(int group)
{
	struct kvm_create_device cd = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = { .group = 1 /* KVM_DEV_VFIO_GROUP, _FILE */,
					.attr = 1 /* ADD */,
					.addr = (uintptr_t)&group };

	check(ioctl(vm, KVM_CREATE_DEVICE, &cd), "KVM_CREATE_DEVICE");
	check(ioctl((int)cd.fd, KVM_SET_DEVICE_ATTR, &attr), "KVM_DEV_VFIO_FILE_ADD");
	expect(ioctl((int)cd.fd, KVM_SET_DEVICE_ATTR, &attr) == -1 && errno == EEXIST,
	       "a group to be added once");
	return (int)cd.fd;
}

static void wire_msix(void)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irqs = { .set = { .argsz = sizeof(irqs),
			    .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			    .index = VFIO_PCI_MSIX_IRQ_INDEX,
			    .count = 1 } };
	struct kvm_irqfd irqfd = { .gsi = GSI };

	irqs.fd = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
	irqfd.fd = (uint32_t)irqs.fd;
	route_msi();
	check(ioctl(vm, KVM_IRQFD, &irqfd), "KVM_IRQFD");
	check(ioctl(device, VFIO_DEVICE_SET_IRQS, &irqs), "VFIO_DEVICE_SET_IRQS");
}

static void vfio_way(void)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ |
							 VFIO_DMA_MAP_FLAG_WRITE,
						.vaddr = (uintptr_t)mem,
						.size = MEM_SIZE };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	int container = check(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), "/dev/vfio/vfio");
	int group = open_group(), kvm_vfio;
	uint16_t command = 6;

	check(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "VFIO_GROUP_SET_CONTAINER");
	check(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "VFIO_SET_IOMMU");
	kvm_vfio = add_group(group);
	check(ioctl(container, VFIO_IOMMU_MAP_DMA, &map), "VFIO_IOMMU_MAP_DMA");
	device = check(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf), "VFIO_GROUP_GET_DEVICE_FD");
	check(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region), "region 0");
	check(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config), "config space");
	bar_size = region.size;
	bar_off = (off_t)region.offset;
	expect(pwrite(device, &command, 2, (off_t)config.offset + 4) == 2, "COMMAND");
	wire_msix();
	run_guest();
	check_results();
	close(kvm_vfio);
	close(device);
	close(group);
	close(container);
}

int main(int argc, char **argv)
{
	bool old = argc == 3 && !strcmp(argv[1], "old");

	if (!old && !(argc == 3 && !strcmp(argv[1], "vfio"))) {
		fprintf(stderr, "usage: vmm old|vfio BDF\n");
		return 1;
	}
	bdf = argv[2];
	signal(SIGALRM, too_long);
	alarm(240);
	create_vm();
	probe_vcpu();
	load_guest();
	create_vcpu();
	if (old)
		old_way();
	else
		vfio_way();
	close(vcpu);
	close(vm);
	close(kvm);
	printf("%s: the guest got its interrupt and read its data\n", argv[1]);
	return 0;
}
