/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's interrupts in a VM, through the C API alone and without running a guest: an igb card's
 * vector is raised by its register EICS, and its bit stands in the vCPU's IRR. Each case runs on
 * the software model and on a VM of /dev/kvm, where there is one, and behind both kinds of IOMMU.
 */
#include "machine/testing.h"

#include <linux/vfio.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <uvfio/vm.h>

#define BDF    "0000:01:00.0"
#define VECTOR 2 /* of the device */
#define GSI    40

/* igb's registers in BAR 0. */
#define ICR  0x1500
#define ICS  0x1504
#define IMS  0x1508
#define LSC  4 /* a cause */
#define GPIE 0x1514
#define EICS 0x1520
#define EIMS 0x1524
#define EIAC 0x152c
#define MSIX 0x10 /* GPIE: several vectors */

static struct uvfio_vm *vm;
static int container, group, device, trigger;
static uint64_t bar;

static void write_reg(uint32_t reg, uint32_t value)
{
	ck_assert_int_eq(uvfio_pwrite(machine, device, &value, 4, bar + reg), 4);
}

static uint64_t region(unsigned int index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	ck_assert_int_eq(uvfio_ioctl(machine, device, VFIO_DEVICE_GET_REGION_INFO, &info), 0);
	return info.offset;
}

static void open_device(void)
{
	uint16_t command = 6; /* memory, bus master */
	char path[64];

	container = uvfio_open(machine, "/dev/vfio/vfio", O_RDWR);
	for (int number = 0; number < 16; number++) {
		snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/" BDF, number);
		if (!exists(path))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/%d", number);
		break;
	}
	group = uvfio_open(machine, path, O_RDWR);
	ck_assert_int_ge(group, 0);
	ck_assert_int_eq(uvfio_ioctl(machine, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	ck_assert_int_eq(
		uvfio_ioctl(machine, container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0);
	device = uvfio_ioctl(machine, group, VFIO_GROUP_GET_DEVICE_FD, (void *)BDF);
	ck_assert_int_ge(device, 0);
	bar = region(VFIO_PCI_BAR0_REGION_INDEX);
	ck_assert_int_eq(uvfio_pwrite(machine, device, &command, 2,
				      region(VFIO_PCI_CONFIG_REGION_INDEX) + 4),
			 2);
}

/* The eventfd on the device's vector; -1 takes it away. */
static void set_trigger(int fd)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(int)] __attribute__((aligned(8)));
	struct vfio_irq_set *set = (void *)buf;

	*set = (struct vfio_irq_set){ .argsz = sizeof(buf),
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					       VFIO_IRQ_SET_ACTION_TRIGGER,
				      .index = VFIO_PCI_MSIX_IRQ_INDEX,
				      .start = VECTOR,
				      .count = 1 };
	memcpy(set->data, &fd, sizeof(fd));
	ck_assert_int_eq(uvfio_ioctl(machine, device, VFIO_DEVICE_SET_IRQS, set), 0);
}

static void raise_vector(void)
{
	write_reg(GPIE, MSIX);
	write_reg(EIAC, 1U << VECTOR);
	write_reg(EIMS, 1U << VECTOR);
	write_reg(EICS, 1U << VECTOR);
}

static uint32_t *lapic_word(struct kvm_lapic_state *state, unsigned int reg)
{
	return (uint32_t *)(void *)(state->regs + reg);
}

static bool requested(unsigned int vcpu, unsigned int vector)
{
	struct kvm_lapic_state state;

	ck_assert_int_eq(uvfio_vm_get_lapic(vm, vcpu, &state), 0);
	return *lapic_word(&state, 0x200 + vector / 32 * 0x10) & 1U << vector % 32;
}

static void wait_requested(unsigned int vcpu, unsigned int vector)
{
	for (int i = 0; i < 60000 && !requested(vcpu, vector); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	ck_assert(requested(vcpu, vector));
}

static void add_vcpu(int vm_fd, unsigned int id)
{
	int fd = vm_fd < 0 ? -1 : ioctl(vm_fd, KVM_CREATE_VCPU, id);
	struct kvm_lapic_state state;

	ck_assert_int_eq(uvfio_vm_add_vcpu(vm, id, fd), 0);
	if (fd >= 0)
		close(fd);
	ck_assert_int_eq(uvfio_vm_get_lapic(vm, id, &state), 0);
	*lapic_word(&state, 0xf0) = 0x1ff; /* on */
	ck_assert_int_eq(uvfio_vm_set_lapic(vm, id, &state), 0);
}

/* A VM with two vCPUs; false: there is no /dev/kvm. */
static bool make_vm(bool real)
{
	struct uvfio_vm_config config = { .flags = real ? UVFIO_VM_REAL : 0 };
	int kvm = -1, vm_fd = -1;

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
	ck_assert_int_eq(uvfio_vm_create_irqchip(vm), 0);
	add_vcpu(vm_fd, 0);
	add_vcpu(vm_fd, 1);
	if (vm_fd >= 0)
		close(vm_fd);
	return true;
}

static void route(uint32_t dest, uint32_t vector)
{
	struct kvm_irq_routing_entry entry = { .gsi = GSI, .type = KVM_IRQ_ROUTING_MSI };

	entry.u.msi.address_lo = 0xfee00000 | dest << 12;
	entry.u.msi.data = vector;
	ck_assert_int_eq(uvfio_vm_set_gsi_routing(vm, &entry, 1), 0);
}

static void irqfd(uint32_t flags)
{
	struct kvm_irqfd args = { .fd = (uint32_t)trigger, .gsi = GSI, .flags = flags };

	ck_assert_int_eq(uvfio_vm_irqfd(vm, &args), 0);
}

static bool signalled(void)
{
	struct pollfd pfd = { .fd = trigger, .events = POLLIN };
	uint64_t value;

	return poll(&pfd, 1, 0) == 1 && read(trigger, &value, 8) == 8;
}

static bool setup(int number)
{
	static const char *const devices[] = { "igb", NULL };

	if (!make_vm(number & 1))
		return false;
	make_machine(devices, number & 2 ? "amd" : "intel");
	open_device();
	trigger = eventfd(0, EFD_NONBLOCK);
	return true;
}

static void teardown(void)
{
	uvfio_close(machine, device);
	uvfio_close(machine, group);
	uvfio_close(machine, container);
	close(trigger);
	ck_assert_int_eq(uvfio_machine_destroy(machine), 0);
	uvfio_vm_destroy(vm);
}

/* Everybody is meant: that cannot be posted. */
START_TEST(through_the_eventfd)
{
	if (!setup(_i))
		return;
	set_trigger(trigger);
	raise_vector();
	ck_assert(signalled()); /* without a VM: the plain eventfd */
	route(0xff, 0x51);
	irqfd(0);
	ck_assert_int_eq(uvfio_vm_irqfd_posted(vm, trigger), 0);
	raise_vector();
	wait_requested(0, 0x51);
	wait_requested(1, 0x51);
	irqfd(KVM_IRQFD_FLAG_DEASSIGN);
	ck_assert_int_eq(uvfio_vm_irqfd_posted(vm, trigger), -ENOENT);
	raise_vector();
	ck_assert(signalled());
	teardown();
}
END_TEST

START_TEST(through_the_bypass)
{
	if (!setup(_i))
		return;
	/* In either order. */
	route(1, 0x61);
	irqfd(0);
	set_trigger(trigger);
	ck_assert_int_eq(uvfio_vm_irqfd_posted(vm, trigger), 1);
	raise_vector();
	/* On the thread that raised it: there is nothing to wait for. */
	ck_assert(requested(1, 0x61));
	ck_assert(!requested(0, 0x61));
	ck_assert(!signalled());
	irqfd(KVM_IRQFD_FLAG_DEASSIGN);
	irqfd(0);
	ck_assert_int_eq(uvfio_vm_irqfd_posted(vm, trigger), 1);
	/* The guest moves it. */
	route(0, 0x62);
	raise_vector();
	ck_assert(requested(0, 0x62));
	/* The driver lets go; another one takes it. */
	set_trigger(-1);
	ck_assert_int_eq(uvfio_vm_irqfd_posted(vm, trigger), 0);
	set_trigger(trigger);
	route(1, 0x63);
	raise_vector();
	ck_assert(requested(1, 0x63));
	/* To everybody and back. */
	route(0xff, 0x64);
	ck_assert_int_eq(uvfio_vm_irqfd_posted(vm, trigger), 0);
	raise_vector();
	wait_requested(0, 0x64);
	route(0, 0x65);
	ck_assert_int_eq(uvfio_vm_irqfd_posted(vm, trigger), 1);
	raise_vector();
	ck_assert(requested(0, 0x65));
	teardown();
}
END_TEST

/* INTx as a VMM connects it: the trigger is a resampling irqfd, whose resamplefd unmasks. */
static void connect_intx(int resamplefd)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(int)] __attribute__((aligned(8)));
	struct vfio_irq_set *set = (void *)buf;
	struct kvm_irqfd args = { .fd = (uint32_t)trigger,
				  .gsi = 20,
				  .flags = KVM_IRQFD_FLAG_RESAMPLE,
				  .resamplefd = (uint32_t)resamplefd };

	*set = (struct vfio_irq_set){ .argsz = sizeof(buf),
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					       VFIO_IRQ_SET_ACTION_TRIGGER,
				      .index = VFIO_PCI_INTX_IRQ_INDEX,
				      .count = 1 };
	memcpy(set->data, &trigger, sizeof(trigger));
	ck_assert_int_eq(uvfio_ioctl(machine, device, VFIO_DEVICE_SET_IRQS, set), 0);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;
	memcpy(set->data, &resamplefd, sizeof(resamplefd));
	ck_assert_int_eq(uvfio_ioctl(machine, device, VFIO_DEVICE_SET_IRQS, set), 0);
	ck_assert_int_eq(uvfio_vm_irqfd(vm, &args), 0);
}

/* The pin stays up until the driver has read the cause; each EOI lets the card ask anew. */
START_TEST(intx_until_it_is_served)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int resamplefd = eventfd(0, EFD_NONBLOCK);
	uint32_t cause;

	if (!setup(_i))
		return;
	ck_assert_int_eq(uvfio_vm_get_irqchip(vm, &chip), 0);
	chip.chip.ioapic.redirtbl[20].bits = 0x81 | 1 << 15;
	ck_assert_int_eq(uvfio_vm_set_irqchip(vm, &chip), 0);
	connect_intx(resamplefd);
	write_reg(IMS, LSC);
	write_reg(ICS, LSC);
	wait_requested(0, 0x81);
	/* A real VM's guest would have to run for the rest. */
	for (int round = 0; round < 3 && !(_i & 1); round++) {
		ck_assert_int_eq(uvfio_vm_get_interrupt(vm, 0), 0x81);
		ck_assert_int_eq(uvfio_vm_has_interrupt(vm, 0), 0);
		ck_assert_int_eq(uvfio_vm_lapic_write(vm, 0, 0xb0, 0), 0);
		wait_requested(0, 0x81);
	}
	if (!(_i & 1)) {
		ck_assert_int_eq(uvfio_pread(machine, device, &cause, 4, bar + ICR), 4);
		ck_assert_uint_ne(cause & LSC, 0);
		ck_assert_int_eq(uvfio_vm_get_interrupt(vm, 0), 0x81);
		ck_assert_int_eq(uvfio_vm_lapic_write(vm, 0, 0xb0, 0), 0);
		ck_assert_int_eq(uvfio_vm_has_interrupt(vm, 0), 0);
		write_reg(ICS, LSC);
		wait_requested(0, 0x81);
	}
	teardown();
	close(resamplefd);
}
END_TEST

/* The rest of the API is thin; what it is made of has its own tests. */
START_TEST(the_api_is_all_there)
{
	char memory[8192] __attribute__((aligned(4096)));
	struct kvm_userspace_memory_region mem = { .guest_phys_addr = 0x1000,
						   .memory_size = sizeof(memory),
						   .flags = KVM_MEM_LOG_DIRTY_PAGES,
						   .userspace_addr = (uintptr_t)memory };
	uint64_t bitmap = 0, value = 0x1234;
	struct kvm_dirty_log log = { .dirty_bitmap = &bitmap };
	struct uvfio_vm_config config = { .flags = 1U << 31 };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_ioeventfd io = { .addr = 0x9000, .len = 4 };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x71 };
	uint32_t word;
	uint8_t byte;

	ck_assert_int_eq(uvfio_vm_create(&config, &vm), -EINVAL);
	config.flags = UVFIO_VM_REAL;
	config.kvm_vm_fd = 987;
	ck_assert_int_eq(uvfio_vm_create(&config, &vm), -EBADF);
	ck_assert(make_vm(false));
	ck_assert_int_eq(uvfio_vm_set_memory_region(vm, &mem), 0);
	ck_assert_int_eq(uvfio_vm_write_memory(vm, 0x2008, &value, 8), 0);
	value = 0;
	ck_assert_int_eq(uvfio_vm_read_memory(vm, 0x2008, &value, 8), 0);
	ck_assert_uint_eq(value, 0x1234);
	ck_assert_int_eq(uvfio_vm_get_dirty_log(vm, &log), 0);
	ck_assert_uint_eq(bitmap, 2);
	ck_assert_int_eq(uvfio_vm_get_irqchip(vm, &chip), 0);
	chip.chip.ioapic.redirtbl[20].bits = 0x72;
	ck_assert_int_eq(uvfio_vm_set_irqchip(vm, &chip), 0);
	ck_assert_int_eq(uvfio_vm_irq_line(vm, 20, 1), 1);
	ck_assert_int_eq(uvfio_vm_signal_msi(vm, &msi), 1);
	ck_assert_int_eq(uvfio_vm_has_interrupt(vm, 0), 1);
	ck_assert_int_eq(uvfio_vm_get_interrupt(vm, 0), 0x72);
	ck_assert_int_eq(uvfio_vm_lapic_write(vm, 0, 0xb0, 0), 0);
	ck_assert_int_eq(uvfio_vm_lapic_read(vm, 0, 0x30, &word), 0);
	ck_assert_uint_eq(word, 0x50014);
	ck_assert_int_eq(uvfio_vm_ioapic_write(vm, 0, 1), 0);
	ck_assert_int_eq(uvfio_vm_ioapic_read(vm, 0x10, &word), 0);
	ck_assert_uint_eq(word, 0x170011);
	ck_assert_int_eq(uvfio_vm_pic_write(vm, 0x21, 0xfe), 0);
	ck_assert_int_eq(uvfio_vm_pic_read(vm, 0x21, &byte), 0);
	ck_assert_uint_eq(byte, 0xfe);
	trigger = io.fd = eventfd(0, EFD_NONBLOCK);
	ck_assert_int_eq(uvfio_vm_ioeventfd(vm, &io), 0);
	ck_assert_int_eq(uvfio_vm_io_write(vm, 1, 0x9000, 4, 1), 0);
	ck_assert_int_eq(uvfio_vm_io_write(vm, 0, 0x9000, 4, 1), 1);
	ck_assert(signalled());
	close(trigger);
	uvfio_vm_destroy(vm);
	uvfio_vm_destroy(NULL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("vm");
	Suite *suite = suite_create("vm");

	suite_add_tcase(suite, tc);
	/* Odd numbers: a VM of /dev/kvm; from 2 on: behind an AMD IOMMU. */
	tcase_add_loop_test(tc, through_the_eventfd, 0, 4);
	tcase_add_loop_test(tc, through_the_bypass, 0, 4);
	tcase_add_loop_test(tc, intx_until_it_is_served, 0, 4);
	tcase_add_test(tc, the_api_is_all_there);
	return run_suite(suite);
}
