/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irqfds on both back ends: eventfd to IRR, posting when a producer is paired, routes that change,
 * resampling, errors.
 */
#include "kvm/device_fixture.h"

#define DEST(id) (0xfee00000U | (uint32_t)(id) << 12)
#define GSI	 30

static int irqfd(struct kvm *kvm, int fd, uint32_t gsi, uint32_t flags)
{
	struct kvm_irqfd args = { .fd = (uint32_t)fd, .gsi = gsi, .flags = flags };

	return kvm_irqfd(kvm, &args);
}

static void route(struct kvm *kvm, uint32_t address, uint32_t data)
{
	struct kvm_irq_routing_entry entry = msi_route(GSI, address, data);

	ck_assert_int_eq(kvm_set_irq_routing(kvm, &entry, 1, 0), 0);
}

static void check_errors(bool real)
{
	struct kvm *kvm = kvm_with_vcpus(real, 1), *other;
	int fd = eventfd(0, EFD_NONBLOCK), two = dup(fd), null = open("/dev/null", O_RDWR);
	int third = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd args = { .gsi = 5, .flags = KVM_IRQFD_FLAG_RESAMPLE };

	if (!kvm)
		return;
	ck_assert_int_eq(irqfd(kvm, fd, GSI, 1 << 7), -EINVAL);
	ck_assert_int_eq(irqfd(kvm, 987, GSI, 0), -EBADF);
	ck_assert_int_eq(irqfd(kvm, null, GSI, 0), -EINVAL);
	ck_assert_int_eq(irqfd(kvm, fd, GSI, 0), 0);
	ck_assert_int_eq(irqfd(kvm, fd, GSI, 0), -EBUSY);
	ck_assert_int_eq(irqfd(kvm, two, GSI + 1, 0), -EBUSY);
	/* Not there: no error. */
	ck_assert_int_eq(irqfd(kvm, two, GSI + 1, KVM_IRQFD_FLAG_DEASSIGN), 0);
	ck_assert_int_eq(irqfd(kvm, fd, GSI, 0), -EBUSY);
	ck_assert_int_eq(irqfd(kvm, 987, GSI, KVM_IRQFD_FLAG_DEASSIGN), -EBADF);
	ck_assert_int_eq(irqfd(kvm, null, GSI, KVM_IRQFD_FLAG_DEASSIGN), -EINVAL);
	ck_assert_int_eq(irqfd(kvm, two, GSI, KVM_IRQFD_FLAG_DEASSIGN), 0);
	ck_assert_int_eq(irqfd(kvm, two, GSI + 1, 0), 0);
	args.fd = (uint32_t)third;
	args.resamplefd = 987;
	ck_assert_int_eq(kvm_irqfd(kvm, &args), -EBADF);
	args.resamplefd = (uint32_t)null;
	ck_assert_int_eq(kvm_irqfd(kvm, &args), -EINVAL);
	args.resamplefd = (uint32_t)fd;
	ck_assert_int_eq(kvm_irqfd(kvm, &args), 0);
	ck_assert_int_eq(kvm_irqfd(kvm, &args), -EBUSY);
	kvm_destroy(kvm);

	/* Without chips. */
	if (real) {
		kvm = real_kvm(real_vm());
	} else {
		kvm = soft_kvm();
		ck_assert_int_eq(kvm_set_irq_routing(kvm, NULL, 0, 0), -EINVAL);
	}
	ck_assert_int_eq(irqfd(kvm, fd, GSI, 0), -EINVAL);
	ck_assert_int_eq(kvm_signal_msi(kvm, &(struct kvm_msi){ 0 }), -EINVAL);
	kvm_destroy(kvm);
	/* The destroyed VM's irqfd is gone. */
	other = kvm_with_vcpus(real, 1);
	ck_assert_int_eq(irqfd(other, fd, GSI, 0), 0);
	kvm_destroy(other);
	close(fd);
	close(two);
	close(third);
	close(null);
}

START_TEST(errors)
{
	check_errors(_i);
}
END_TEST

/* Through the eventfd, as the issue of it all asks: the vector is in IRR. */
static void check_unpaired(bool real)
{
	struct kvm *kvm = kvm_with_vcpus(real, 2);
	int fd = eventfd(0, EFD_NONBLOCK);

	if (!kvm)
		return;
	/* Signalled before: injected at once. */
	signal_eventfd(fd);
	route(kvm, DEST(1), 0x51);
	ck_assert_int_eq(irqfd(kvm, fd, GSI, 0), 0);
	wait_for_irr(kvm, 1, 0x51);
	ck_assert(!lapic_bit(kvm, 0, 0x200, 0x51));
	route(kvm, DEST(0), 0x52);
	signal_eventfd(fd);
	wait_for_irr(kvm, 0, 0x52);
	ck_assert_int_eq(kvm_irqfd_is_posted(kvm, fd), 0);
	ck_assert_int_eq(irqfd(kvm, fd, GSI, KVM_IRQFD_FLAG_DEASSIGN), 0);
	ck_assert_int_eq(kvm_irqfd_is_posted(kvm, fd), -ENOENT);
	/* Nobody takes it any more. */
	signal_eventfd(fd);
	ck_assert(take_eventfd(fd, 0));
	kvm_destroy(kvm);
	close(fd);
}

START_TEST(unpaired)
{
	check_unpaired(_i);
}
END_TEST

/* Past the eventfd; rerouted; unpaired in either order. */
static void check_paired(bool real, bool amd)
{
	struct kvm *kvm = kvm_with_vcpus(real, 2);
	struct device *device;
	struct kvm_irq_routing_entry pin = pin_route(GSI, KVM_IRQCHIP_IOAPIC, 3);

	if (!kvm)
		return;
	device = device_create();
	device->amd = amd;
	route(kvm, DEST(1), 0x61);
	pair(device);
	ck_assert_int_eq(irqfd(kvm, device->eventfd, GSI, 0), 0);
	ck_assert(device->posted);
	ck_assert_int_eq(kvm_irqfd_is_posted(kvm, device->eventfd), 1);
	ck_assert_uint_eq(device->target.vector, 0x61);
	ck_assert_uint_eq(device->target.vcpu, 1);
	raise_irq(device);
	/* At once, and on the thread that raised. */
	ck_assert(lapic_bit(kvm, 1, 0x200, 0x61));
	ck_assert(!take_eventfd(device->eventfd, 0));
	raise_irq(device);
	ck_assert(lapic_bit(kvm, 1, 0x200, 0x61));

	route(kvm, DEST(0), 0x62);
	ck_assert(device->posted);
	raise_irq(device);
	ck_assert(lapic_bit(kvm, 0, 0x200, 0x62));
	/* Several destinations, a pin, nothing: through the eventfd. */
	route(kvm, DEST(0xff), 0x63);
	ck_assert(!device->posted);
	raise_irq(device);
	wait_for_irr(kvm, 0, 0x63);
	wait_for_irr(kvm, 1, 0x63);
	route(kvm, DEST(3) | 4, 0x64);
	ck_assert(!device->posted);
	route(kvm, DEST(2) | 4, 0x65);
	ck_assert(device->posted);
	raise_irq(device);
	ck_assert(lapic_bit(kvm, 1, 0x200, 0x65));
	ck_assert_int_eq(kvm_set_irq_routing(kvm, &pin, 1, 0), 0);
	ck_assert(!device->posted);
	ck_assert_int_eq(kvm_set_irq_routing(kvm, NULL, 0, 0), 0);
	ck_assert(!device->posted);
	/* An NMI is not posted. */
	route(kvm, DEST(0), 0x400);
	ck_assert(!device->posted);

	route(kvm, DEST(0), 0x66);
	ck_assert(device->posted);
	irq_bypass_unregister_producer(&device->producer);
	ck_assert(!device->posted);
	ck_assert_int_eq(kvm_irqfd_is_posted(kvm, device->eventfd), 0);
	raise_irq(device);
	wait_for_irr(kvm, 0, 0x66);
	pair(device);
	ck_assert(device->posted);
	ck_assert_int_eq(irqfd(kvm, device->eventfd, GSI, KVM_IRQFD_FLAG_DEASSIGN), 0);
	ck_assert(!device->posted);
	ck_assert_int_eq(irqfd(kvm, device->eventfd, GSI, 0), 0);
	ck_assert(device->posted);
	/* The VM's end unpairs too. */
	kvm_destroy(kvm);
	ck_assert(!device->posted);
	device_destroy(device);
}

START_TEST(paired)
{
	check_paired(_i & 1, _i & 2);
}
END_TEST

/* A host that cannot post: paired, and through the eventfd. */
START_TEST(nothing_remaps)
{
	struct kvm *kvm = kvm_with_vcpus(false, 1);
	struct device *device = device_create();

	device->refuse = -ENODEV;
	route(kvm, DEST(0), 0x71);
	ck_assert_int_eq(irqfd(kvm, device->eventfd, GSI, 0), 0);
	pair(device);
	ck_assert_int_eq(kvm_irqfd_is_posted(kvm, device->eventfd), 0);
	raise_irq(device);
	wait_for_irr(kvm, 0, 0x71);
	route(kvm, DEST(0), 0x72);
	raise_irq(device);
	wait_for_irr(kvm, 0, 0x72);
	kvm_destroy(kvm);
	device_destroy(device);
}
END_TEST

/* A level by two irqfds: up until the EOI, which both hear. */
START_TEST(resample)
{
	struct kvm *kvm = kvm_with_vcpus(false, 1);
	int fds[2], resamplefds[2];
	uint32_t select = 0x10 + 2 * 18, entry = 0x8081;

	ck_assert_int_eq(kvm_ioapic_access(kvm, 0, true, &select), 0);
	ck_assert_int_eq(kvm_ioapic_access(kvm, 0x10, true, &entry), 0);
	for (int i = 0; i < 2; i++) {
		struct kvm_irqfd args = { .gsi = 18, .flags = KVM_IRQFD_FLAG_RESAMPLE };

		fds[i] = eventfd(0, EFD_NONBLOCK);
		resamplefds[i] = eventfd(0, EFD_NONBLOCK);
		args.fd = (uint32_t)fds[i];
		args.resamplefd = (uint32_t)resamplefds[i];
		ck_assert_int_eq(kvm_irqfd(kvm, &args), 0);
	}
	for (int round = 0; round < 3; round++) {
		signal_eventfd(fds[round & 1]);
		wait_for_irr(kvm, 0, 0x81);
		ck_assert(lapic_bit(kvm, 0, 0x180, 0x81));
		ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x81);
		ck_assert(!take_eventfd(resamplefds[0], 0));
		ck_assert_int_eq(kvm_lapic_write(kvm, 0, 0xb0, 0), 0);
		ck_assert(take_eventfd(resamplefds[0], 0));
		ck_assert(take_eventfd(resamplefds[1], 0));
		/* It went down: nothing is sent anew. */
		ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	}
	/* The last one to go takes a line down that is up. */
	signal_eventfd(fds[0]);
	wait_for_irr(kvm, 0, 0x81);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(irqfd(kvm, fds[i], 18, KVM_IRQFD_FLAG_DEASSIGN), 0);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x81);
	ck_assert_int_eq(kvm_lapic_write(kvm, 0, 0xb0, 0), 0);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	ck_assert(!take_eventfd(resamplefds[0], 0));
	kvm_destroy(kvm);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(resamplefds[i]);
	}
}
END_TEST

static int ioeventfd(struct kvm *kvm, int fd, uint64_t addr, uint32_t len, uint32_t flags,
		     uint64_t data)
{
	struct kvm_ioeventfd args = {
		.fd = fd, .addr = addr, .len = len, .flags = flags, .datamatch = data
	};

	return kvm_ioeventfd(kvm, &args);
}

#define MATCH	 KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	 KVM_IOEVENTFD_FLAG_PIO
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

static void check_ioeventfds(bool real)
{
	struct kvm *kvm = kvm_with_vcpus(real, 1);
	int fd = eventfd(0, EFD_NONBLOCK), other = eventfd(0, EFD_NONBLOCK);

	if (!kvm)
		return;
	ck_assert_int_eq(ioeventfd(kvm, fd, 0x1000, 3, 0, 0), -EINVAL);
	ck_assert_int_eq(ioeventfd(kvm, fd, 0x1000, 0, MATCH, 0), -EINVAL);
	ck_assert_int_eq(ioeventfd(kvm, fd, 0x1000, 4, 1 << 8, 0), -EINVAL);
	ck_assert_int_eq(ioeventfd(kvm, fd, UINT64_MAX, 4, 0, 0), -EINVAL);
	ck_assert_int_eq(ioeventfd(kvm, 987, 0x1000, 4, 0, 0), -EBADF);
	ck_assert_int_eq(ioeventfd(kvm, fd, 0x1000, 4, MATCH, 7), 0);
	ck_assert_int_eq(ioeventfd(kvm, other, 0x1000, 4, MATCH, 7), -EEXIST);
	ck_assert_int_eq(ioeventfd(kvm, other, 0x1000, 4, 0, 0), -EEXIST);
	ck_assert_int_eq(ioeventfd(kvm, other, 0x1000, 0, 0, 0), -EEXIST);
	ck_assert_int_eq(ioeventfd(kvm, other, 0x1000, 4, MATCH, 8), 0);
	ck_assert_int_eq(ioeventfd(kvm, other, 0x1000, 2, 0, 0), 0);
	ck_assert_int_eq(ioeventfd(kvm, other, 0x1000, 4, MATCH | PIO, 7), 0);
	ck_assert_int_eq(ioeventfd(kvm, fd, 0x2000, 0, 0, 0), 0);
	if (!real) {
		ck_assert(!kvm_ioeventfd_write(kvm, false, 0x1000, 4, 6));
		ck_assert(kvm_ioeventfd_write(kvm, false, 0x1000, 4, 0xff00000007));
		ck_assert(take_eventfd(fd, 0));
		ck_assert(!take_eventfd(other, 0));
		ck_assert(kvm_ioeventfd_write(kvm, false, 0x1000, 4, 8));
		ck_assert(kvm_ioeventfd_write(kvm, false, 0x1000, 2, 99));
		ck_assert(kvm_ioeventfd_write(kvm, true, 0x1000, 4, 7));
		ck_assert(take_eventfd(other, 0));
		ck_assert(!kvm_ioeventfd_write(kvm, false, 0x1000, 8, 7));
		ck_assert(!kvm_ioeventfd_write(kvm, false, 0x1001, 1, 7));
		ck_assert(kvm_ioeventfd_write(kvm, false, 0x2000, 8, 7));
		ck_assert(take_eventfd(fd, 0));
	}
	ck_assert_int_eq(ioeventfd(kvm, other, 0x1000, 4, MATCH | DEASSIGN, 7), -ENOENT);
	ck_assert_int_eq(ioeventfd(kvm, fd, 0x1000, 4, DEASSIGN, 7), -ENOENT);
	ck_assert_int_eq(ioeventfd(kvm, 987, 0x1000, 4, DEASSIGN, 7), -EBADF);
	ck_assert_int_eq(ioeventfd(kvm, fd, 0x1000, 4, MATCH | DEASSIGN, 7), 0);
	ck_assert_int_eq(ioeventfd(kvm, fd, 0x1000, 4, MATCH | DEASSIGN, 7), -ENOENT);
	ck_assert_int_eq(ioeventfd(kvm, other, 0x1000, 4, MATCH, 7), 0);
	kvm_destroy(kvm);
	close(fd);
	close(other);
}

START_TEST(ioeventfds)
{
	check_ioeventfds(_i);
}
END_TEST

/* A child has the objects and may not use them; what it gives back is its own. */
START_TEST(fork_ends_it)
{
	struct kvm *kvm = kvm_with_vcpus(false, 1);
	struct device *device = device_create();
	int status;
	pid_t pid;

	route(kvm, DEST(0), 0x91);
	ck_assert_int_eq(irqfd(kvm, device->eventfd, GSI, 0), 0);
	pair(device);
	pid = fork();
	if (!pid) {
		int good = kvm_signal_msi(kvm, &(struct kvm_msi){ 0 }) == -EIO &&
			   irqfd(kvm, device->eventfd, GSI, KVM_IRQFD_FLAG_DEASSIGN) == -EIO;

		irq_after_fork();
		kvm_after_fork();
		kvm_destroy(kvm);
		_exit(good ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert(device->posted);
	raise_irq(device);
	ck_assert(lapic_bit(kvm, 0, 0x200, 0x91));
	kvm_destroy(kvm);
	device_destroy(device);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("irqfd");

	/* Number 0 is the software model, 1 the real VM. */
	tcase_add_loop_test(tc, errors, 0, 2);
	tcase_add_loop_test(tc, unpaired, 0, 2);
	tcase_add_loop_test(tc, paired, 0, 4);
	tcase_add_test(tc, nothing_remaps);
	tcase_add_test(tc, resample);
	tcase_add_loop_test(tc, ioeventfds, 0, 2);
	tcase_add_test(tc, fork_ends_it);
	return run_suite(tc, "irqfd");
}
