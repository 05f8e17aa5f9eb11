/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device assignment in the old way, through the C API and without running a guest: a DMA engine
 * (ioat) copies in the VM's memory, driven through resource0, and its interrupt stands in the
 * vCPU's IRR. Each case on the software model and on a VM of /dev/kvm, where there is one, and
 * behind both kinds of IOMMU. Then who may have a function, and what becomes of an assigned one.
 */
#include "machine/testing.h"

#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <uvfio/vm.h>

#include "iommu/dma.h"
#include "uapi/kvm.h"

#define BDF	"0000:01:00.0"
#define DEVICE	"/sys/bus/pci/devices/" BDF "/"
#define ID	9
#define GSI	40
#define VECTOR	0x71
#define MEMORY	0x40000UL
#define BAR	0x4000UL
#define DESC	0x1000UL
#define SOURCE	0x2000UL
#define TARGET	0x3000UL
#define OUTSIDE 0x40000000UL
#define LENGTH	4096

/* ioat's registers, channel 0. */
#define CHANCTRL  0x80
#define DMACOUNT  0x86
#define CHANSTS	  0x88
#define CHAINADDR 0x90
#define CHANCMP	  0x98
#define CHANERR	  0xa8

static struct uvfio_vm *vm;
static char *memory;
static int vm_fd;

static bool make_vm(bool real)
{
	struct uvfio_vm_config config = { .flags = real ? UVFIO_VM_REAL : 0 };
	int kvm;

	vm_fd = -1;
	if (real) {
		kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		vm_fd = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
		if (vm_fd < 0) {
			printf("skipped: no usable /dev/kvm (%s)\n", strerror(errno));
			close(kvm);
			return false;
		}
		close(kvm);
		config.kvm_vm_fd = vm_fd;
	}
	ck_assert_int_eq(uvfio_vm_create(&config, &vm), 0);
	return true;
}

static void add_memory(uint32_t slot, uint64_t gpa, void *mem, uint64_t size)
{
	struct kvm_userspace_memory_region region = { .slot = slot,
						      .guest_phys_addr = gpa,
						      .memory_size = size,
						      .userspace_addr = (uintptr_t)mem };

	ck_assert_int_eq(uvfio_vm_set_memory_region(vm, &region), 0);
}

/* With memory, interrupt controllers, and a vCPU whose local APIC is on. */
static void furnish_vm(void)
{
	struct kvm_irq_routing_entry route = { .gsi = GSI,
					       .type = KVM_IRQ_ROUTING_MSI,
					       .u.msi = { .address_lo = 0xfee00000,
							  .data = VECTOR } };
	struct kvm_lapic_state state;
	uint32_t svr = 0x1ff;
	int vcpu;

	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	add_memory(0, 0, memory, MEMORY);
	ck_assert_int_eq(uvfio_vm_create_irqchip(vm), 0);
	vcpu = vm_fd < 0 ? -1 : ioctl(vm_fd, KVM_CREATE_VCPU, 0);
	ck_assert_int_eq(uvfio_vm_add_vcpu(vm, 0, vcpu), 0);
	if (vcpu >= 0)
		close(vcpu);
	ck_assert_int_eq(uvfio_vm_get_lapic(vm, 0, &state), 0);
	memcpy(state.regs + 0xf0, &svr, sizeof(svr));
	ck_assert_int_eq(uvfio_vm_set_lapic(vm, 0, &state), 0);
	ck_assert_int_eq(uvfio_vm_set_gsi_routing(vm, &route, 1), 0);
}

static void end_vm(void)
{
	uvfio_vm_destroy(vm);
	if (vm_fd >= 0)
		close(vm_fd);
}

static int assign(void)
{
	struct kvm_assigned_pci_dev dev = { .assigned_dev_id = ID,
					    .busnr = 1,
					    .flags = KVM_DEV_ASSIGN_ENABLE_IOMMU };

	return uvfio_vm_assign_device(vm, machine, &dev);
}

static int deassign(void)
{
	struct kvm_assigned_pci_dev dev = { .assigned_dev_id = ID };

	return uvfio_vm_deassign_device(vm, &dev);
}

static bool requested(unsigned int vector)
{
	struct kvm_lapic_state state;
	uint32_t word;

	ck_assert_int_eq(uvfio_vm_get_lapic(vm, 0, &state), 0);
	memcpy(&word, state.regs + 0x200 + vector / 32 * 0x10, sizeof(word));
	return word >> vector % 32 & 1;
}

static void wait_for(bool (*there)(void))
{
	for (int i = 0; i < 60000 && !there(); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	ck_assert(there());
}

static bool interrupt_there(void)
{
	return requested(VECTOR);
}

/* ---- the engine ------------------------------------------------------------------------------ */

static volatile char *bar;

static bool halted(void)
{
	return (*(volatile uint32_t *)(bar + CHANSTS) & 7) == 3;
}

static void open_bar(void)
{
	int fd = uvfio_open(machine, DEVICE "resource0", O_RDWR);
	uint16_t command = 6;
	void *addr;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(
		uvfio_mmap(machine, NULL, BAR, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, &addr),
		0);
	uvfio_close(machine, fd);
	bar = addr;
	fd = uvfio_open(machine, DEVICE "config", O_RDWR);
	ck_assert_int_eq(uvfio_pwrite(machine, fd, &command, 2, 4), 2);
	uvfio_close(machine, fd);
}

/* Two descriptors: one inside of the guest's memory with an interrupt, one out of it. */
static void write_descriptors(void)
{
	uint64_t *desc = (uint64_t *)(void *)(memory + DESC);

	for (int i = 0; i < 2; i++, desc += 8) {
		desc[0] = LENGTH | 9ULL << 32;
		desc[1] = SOURCE;
		desc[2] = i ? OUTSIDE : TARGET;
		desc[3] = DESC + 64;
	}
	for (int i = 0; i < LENGTH; i++)
		memory[SOURCE + i] = (char)(i * 13 + 1);
}

static void start_channel(void)
{
	*(volatile uint16_t *)(bar + CHANCTRL) = 0x1d;
	*(volatile uint64_t *)(bar + CHANCMP) = 0x800;
	*(volatile uint64_t *)(bar + CHAINADDR) = DESC;
	*(volatile uint16_t *)(bar + DMACOUNT) = 1;
}

static void assign_msix(void)
{
	struct kvm_assigned_msix_entry entry = { .assigned_dev_id = ID, .gsi = GSI };
	struct kvm_assigned_msix_nr nr = { .assigned_dev_id = ID, .entry_nr = 1 };
	struct kvm_assigned_irq irq = { .assigned_dev_id = ID,
					.flags = KVM_DEV_IRQ_HOST_MSIX | KVM_DEV_IRQ_GUEST_MSIX };

	ck_assert_int_eq(uvfio_vm_set_msix_nr(vm, &nr), 0);
	ck_assert_int_eq(uvfio_vm_set_msix_entry(vm, &entry), 0);
	ck_assert_int_eq(uvfio_vm_assign_irq(vm, &irq), 0);
	ck_assert_int_eq(uvfio_vm_assign_irq(vm, &irq), -EEXIST);
}

static void make(const char *iommu)
{
	static const char *const devices[] = { "ioat,at=" BDF ",driver=pci-stub", NULL };

	make_machine(devices, iommu);
}

START_TEST(dma_and_interrupt)
{
	struct kvm_assigned_irq irq = { .assigned_dev_id = ID,
					.flags = KVM_DEV_IRQ_HOST_MSIX | KVM_DEV_IRQ_GUEST_MSIX };
	uint64_t faults;

	make(_i & 2 ? "intel" : "amd");
	if (!make_vm(_i & 1)) {
		uvfio_machine_destroy(machine);
		return;
	}
	furnish_vm();
	ck_assert_int_eq(deassign(), -EINVAL);
	ck_assert_int_eq(assign(), 0);
	open_bar();
	assign_msix();
	write_descriptors();
	start_channel();
	wait_for(interrupt_there);
	ck_assert_int_eq(memcmp(memory + TARGET, memory + SOURCE, LENGTH), 0);
	/* Out of the guest's memory. */
	faults = dma_fault_count();
	*(volatile uint16_t *)(bar + DMACOUNT) = 2;
	wait_for(halted);
	ck_assert_uint_eq(*(volatile uint32_t *)(bar + CHANERR), 1 << 9);
	ck_assert_uint_eq(dma_fault_count(), faults + 1);
	ck_assert_int_eq(uvfio_vm_deassign_irq(vm, &irq), 0);
	ck_assert_int_eq(uvfio_vm_deassign_irq(vm, &irq), -ENXIO);
	ck_assert_int_eq(deassign(), 0);
	uvfio_munmap(machine, (void *)bar, BAR);
	end_vm();
	ck_assert_int_eq(uvfio_machine_destroy(machine), 0);
}
END_TEST

/* ---- whose the function is ------------------------------------------------------------------- */

static int open_group(void)
{
	char path[64];

	for (int number = 0; number < 16; number++) {
		snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/" BDF, number);
		if (!exists(path))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/%d", number);
		return uvfio_open(machine, path, O_RDWR);
	}
	return -ENOENT;
}

START_TEST(one_user_at_a_time)
{
	static const char *const devices[] = { "ioat,at=" BDF, NULL };
	struct kvm_assigned_pci_dev other = { .assigned_dev_id = ID,
					      .busnr = 9,
					      .flags = KVM_DEV_ASSIGN_ENABLE_IOMMU };
	struct uvfio_vm *second, *first;
	int fd;

	make_machine(devices, "amd");
	make_vm(false);
	first = vm;
	ck_assert_int_eq(uvfio_vm_assign_device(vm, machine, &other), -EINVAL);
	/* A user of VFIO's. */
	fd = open_group();
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(assign(), -EBUSY);
	uvfio_close(machine, fd);
	ck_assert_int_eq(assign(), 0);
	ck_assert_int_eq(assign(), -EEXIST);
	ck_assert_int_eq(open_group(), -EBUSY);
	/* Another VM. */
	make_vm(false);
	second = vm;
	ck_assert_int_eq(assign(), -EBUSY);
	uvfio_vm_destroy(second);
	/* The machine has to outlive it. */
	vm = first;
	ck_assert_int_eq(uvfio_machine_destroy(machine), -EBUSY);
	ck_assert_int_eq(deassign(), 0);
	fd = open_group();
	ck_assert_int_ge(fd, 0);
	uvfio_close(machine, fd);
	/* A driver of the host's. */
	ck_assert_int_gt(put(DEVICE "driver/unbind", BDF "\n"), 0);
	ck_assert_int_gt(put(DEVICE "driver_override", "ioatdma\n"), 0);
	ck_assert_int_gt(put("/sys/bus/pci/drivers_probe", BDF "\n"), 0);
	ck_assert_int_eq(assign(), -EBUSY);
	ck_assert_int_gt(put(DEVICE "driver/unbind", BDF "\n"), 0);
	ck_assert_int_eq(assign(), 0);
	uvfio_vm_destroy(vm);
	ck_assert_int_eq(uvfio_machine_destroy(machine), 0);
}
END_TEST

/* `remove` takes the function from under the VM. */
START_TEST(removed)
{
	make("amd");
	make_vm(false);
	furnish_vm();
	ck_assert_int_eq(assign(), 0);
	assign_msix();
	ck_assert_int_gt(put(DEVICE "driver/unbind", BDF "\n"), 0);
	ck_assert_int_gt(put(DEVICE "remove", "1\n"), 0);
	ck_assert(!exists("/sys/bus/pci/devices/" BDF));
	ck_assert_int_eq(
		uvfio_vm_set_intx_mask(vm, &(struct kvm_assigned_pci_dev){ .assigned_dev_id = ID }),
		-ENODEV);
	ck_assert_int_eq(assign(), -EEXIST);
	ck_assert_int_eq(deassign(), 0);
	ck_assert_int_eq(assign(), -EINVAL);
	/* Found again, it has its own driver. */
	ck_assert_int_gt(put("/sys/bus/pci/rescan", "1\n"), 0);
	ck_assert_int_eq(assign(), -EBUSY);
	ck_assert_int_gt(put(DEVICE "driver/unbind", BDF "\n"), 0);
	ck_assert_int_eq(assign(), 0);
	end_vm();
	ck_assert_int_eq(uvfio_machine_destroy(machine), 0);
}
END_TEST

/* The VM is its maker's: a child is refused, and what it destroys is its own copy. */
START_TEST(in_a_child)
{
	static const char *const devices[] = { "ioat,at=" BDF, NULL };
	int status;
	pid_t pid;

	make_machine(devices, "amd");
	make_vm(false);
	furnish_vm();
	ck_assert_int_eq(assign(), 0);
	open_bar();
	assign_msix();
	write_descriptors();
	pid = fork();
	if (!pid) {
		alarm(100);
		if (assign() != -EIO || deassign() != -EIO ||
		    uvfio_vm_io_write(vm, 0, 0x1000, 4, 0) != -EIO)
			_exit(1);
		uvfio_vm_destroy(vm);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(assign(), -EEXIST);
	ck_assert_int_eq(open_group(), -EBUSY);
	start_channel();
	wait_for(interrupt_there);
	ck_assert_int_eq(deassign(), 0);
	uvfio_munmap(machine, (void *)bar, BAR);
	end_vm();
	ck_assert_int_eq(uvfio_machine_destroy(machine), 0);
}
END_TEST

START_TEST(without_iommu)
{
	make("none");
	make_vm(false);
	ck_assert_int_eq(assign(), -ENODEV);
	ck_assert_int_eq(assign(), -ENODEV);
	end_vm();
	ck_assert_int_eq(uvfio_machine_destroy(machine), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("vm_assign");
	Suite *suite = suite_create("vm_assign");

	suite_add_tcase(suite, tc);
	/* Odd numbers: a VM of /dev/kvm; from 2 on: behind an Intel IOMMU. */
	tcase_add_loop_test(tc, dma_and_interrupt, 0, 4);
	tcase_add_test(tc, one_user_at_a_time);
	tcase_add_test(tc, removed);
	tcase_add_test(tc, in_a_child);
	tcase_add_test(tc, without_iommu);
	return run_suite(suite);
}
