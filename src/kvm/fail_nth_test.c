/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every failure point of a VM's life: the n-th allocation or fd fails, the call says so, what came
 * before still stands, and the VM ends clean (a sanitizer looks for leaks).
 */
#include "kvm/device_fixture.h"

#include "base/failpoint.h"

static void *memory;

static int add_slot(struct kvm *kvm, uint32_t slot, uint64_t gpa, uint32_t flags)
{
	struct kvm_userspace_memory_region mem = { .slot = slot,
						   .guest_phys_addr = gpa,
						   .memory_size = 0x4000,
						   .flags = flags,
						   .userspace_addr = (uintptr_t)memory };

	return kvm_set_memory_region(kvm, &mem);
}

static int slots(struct kvm *kvm)
{
	uint64_t bitmap;
	struct kvm_dirty_log log = { .slot = 100, .dirty_bitmap = &bitmap };
	int ret = add_slot(kvm, 0, 0, 0);

	if (!ret)
		ret = add_slot(kvm, 100, 0x10000, KVM_MEM_LOG_DIRTY_PAGES);
	if (!ret)
		ret = add_slot(kvm, 0, 0, KVM_MEM_LOG_DIRTY_PAGES);
	return ret ? ret : kvm_get_dirty_log(kvm, &log);
}

static int interrupts(struct kvm *kvm, struct device *device, int resamplefd)
{
	struct kvm_irq_routing_entry entries[] = { msi_route(30, 0xfee00000, 0x41),
						   pin_route(18, KVM_IRQCHIP_IOAPIC, 18) };
	struct kvm_irqfd posted = { .fd = (uint32_t)device->eventfd, .gsi = 30 };
	struct kvm_irqfd level = { .fd = (uint32_t)resamplefd,
				   .gsi = 18,
				   .flags = KVM_IRQFD_FLAG_RESAMPLE,
				   .resamplefd = (uint32_t)resamplefd };
	struct kvm_ioeventfd io = { .addr = 0x1000, .len = 4, .fd = resamplefd };
	int ret = kvm_set_irq_routing(kvm, entries, 2, 0);

	if (!ret)
		ret = kvm_irqfd(kvm, &posted);
	if (!ret)
		ret = kvm_irqfd(kvm, &level);
	return ret ? ret : kvm_ioeventfd(kvm, &io);
}

static int life(bool real, int vm_fd, int vcpu_fd, struct device *device, int resamplefd)
{
	struct kvm_config config = { .real = real, .vm_fd = vm_fd };
	struct kvm_vfio *kv = NULL;
	struct kvm *kvm;
	int ret = kvm_create(&config, &kvm);

	if (ret)
		return ret;
	/* The real VM has its chips already. */
	ret = real ? 0 : kvm_create_irqchip(kvm);
	if (!ret)
		ret = kvm_add_vcpu(kvm, 0, vcpu_fd);
	if (!ret)
		ret = slots(kvm);
	if (!ret)
		ret = interrupts(kvm, device, resamplefd);
	if (!ret)
		ret = kvm_vfio_create(kvm, &kv);
	kvm_vfio_destroy(kv);
	kvm_destroy(kvm);
	return ret;
}

/* A real VM keeps its slots and ioeventfds: they go by hand. */
static void empty_real_vm(int vm_fd, int eventfd)
{
	struct kvm_userspace_memory_region mem = { 0 };
	struct kvm_ioeventfd io = {
		.addr = 0x1000, .len = 4, .fd = eventfd, .flags = KVM_IOEVENTFD_FLAG_DEASSIGN
	};

	ioctl(vm_fd, KVM_IOEVENTFD, &io);
	ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &mem);
	mem.slot = 100;
	ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &mem);
}

/*
 * The last point behind which all is well ends the sweep. A failed irqfd of irqbypass is no error:
 * such a run may succeed with a point hit.
 */
static unsigned int sweep(bool real, int vm_fd, int vcpu_fd, struct device *device, int resamplefd)
{
	unsigned int nth = 0, failed = 0;
	bool fired;

	do {
		int ret;

		failpoint_arm(++nth);
		ret = life(real, vm_fd, vcpu_fd, device, resamplefd);
		fired = failpoint_fired();
		failpoint_arm(0);
		ck_assert_msg(fired || !ret, "without a failure: %d", ret);
		ck_assert_msg(!ret || ret == -ENOMEM || ret == -EMFILE, "number %u: %d", nth, ret);
		failed += ret != 0;
		if (real)
			empty_real_vm(vm_fd, resamplefd);
	} while (fired);
	return failed;
}

static void run_sweep(bool real)
{
	int vm_fd = real ? real_vm() : -1, vcpu_fd = -1, resamplefd;
	struct device *device;

	if (real && vm_fd < 0)
		return;
	memory = guest_memory(0x4000);
	if (real) {
		ck_assert_int_eq(ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0), 0);
		vcpu_fd = ioctl(vm_fd, KVM_CREATE_VCPU, 0);
		ck_assert_int_ge(vcpu_fd, 0);
	}
	device = device_create();
	pair(device);
	resamplefd = eventfd(0, EFD_NONBLOCK);
	ck_assert_uint_ge(sweep(real, vm_fd, vcpu_fd, device, resamplefd), 8);
	close(resamplefd);
	device_destroy(device);
	munmap(memory, 0x4000);
	close(vm_fd);
	close(vcpu_fd);
}

START_TEST(every_point)
{
	run_sweep(_i);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fail_nth");

	tcase_add_loop_test(tc, every_point, 0, 2);
	return run_suite(tc, "kvm_fail_nth");
}
