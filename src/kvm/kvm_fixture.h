/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of this folder share: VMs of both back ends. */
#ifndef KVM_KVM_FIXTURE_H
#define KVM_KVM_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kvm/kvm.h"

/* A VM of /dev/kvm, -1: there is none to be had here. */
static inline int real_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = -1;

	if (kvm >= 0) {
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
		close(kvm);
	}
	if (vm < 0)
		printf("skipped: no usable /dev/kvm (%s)\n", strerror(errno));
	return vm;
}

static inline struct kvm *soft_kvm(void)
{
	struct kvm_config config = { 0 };
	struct kvm *kvm;

	ck_assert_int_eq(kvm_create(&config, &kvm), 0);
	return kvm;
}

/* Consumes @vm_fd. */
static inline struct kvm *real_kvm(int vm_fd)
{
	struct kvm_config config = { .real = true, .vm_fd = vm_fd };
	struct kvm *kvm;

	ck_assert_int_eq(kvm_create(&config, &kvm), 0);
	close(vm_fd);
	return kvm;
}

/* Turns the local APIC on, with a logical id of its own in the flat model. */
static inline void enable_lapic(struct kvm *kvm, unsigned int vcpu)
{
	struct kvm_lapic_state state;
	uint32_t spiv = 0x1ff, ldr = 1U << (24 + vcpu);

	ck_assert_int_eq(kvm_get_lapic(kvm, vcpu, &state), 0);
	memcpy(state.regs + 0xf0, &spiv, 4);
	memcpy(state.regs + 0xd0, &ldr, 4);
	ck_assert_int_eq(kvm_set_lapic(kvm, vcpu, &state), 0);
}

/* A VM with chips and @vcpus; real: NULL when there is no /dev/kvm. */
static inline struct kvm *kvm_with_vcpus(bool real, unsigned int vcpus)
{
	int vm = real ? real_vm() : -1, fd = -1;
	struct kvm *kvm;

	if (real && vm < 0)
		return NULL;
	kvm = real ? real_kvm(dup(vm)) : soft_kvm();
	ck_assert_int_eq(kvm_create_irqchip(kvm), 0);
	for (unsigned int i = 0; i < vcpus; i++) {
		if (real) {
			fd = ioctl(vm, KVM_CREATE_VCPU, i);
			ck_assert_int_ge(fd, 0);
		}
		ck_assert_int_eq(kvm_add_vcpu(kvm, i, fd), 0);
		if (real)
			close(fd);
		enable_lapic(kvm, i);
	}
	if (real)
		close(vm);
	return kvm;
}

static inline uint32_t lapic_reg(struct kvm *kvm, unsigned int vcpu, unsigned int reg)
{
	struct kvm_lapic_state state;
	uint32_t value;

	ck_assert_int_eq(kvm_get_lapic(kvm, vcpu, &state), 0);
	memcpy(&value, state.regs + reg, 4);
	return value;
}

/* Whether @vector is requested (reg 0x200), in service (0x100) or a level (0x180). */
static inline bool lapic_bit(struct kvm *kvm, unsigned int vcpu, unsigned int reg,
			     unsigned int vector)
{
	return lapic_reg(kvm, vcpu, reg + vector / 32 * 0x10) & 1U << vector % 32;
}

/* What happens on another thread may take its time on a busy machine. */
static inline void wait_for_irr(struct kvm *kvm, unsigned int vcpu, unsigned int vector)
{
	for (int i = 0; i < 60000 && !lapic_bit(kvm, vcpu, 0x200, vector); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	ck_assert(lapic_bit(kvm, vcpu, 0x200, vector));
}

static inline void signal_eventfd(int fd)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, 8), 8);
}

/* Whether @fd was signalled, which is taken; waits up to @ms. */
static inline bool take_eventfd(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t value;

	return poll(&pfd, 1, ms) == 1 && read(fd, &value, 8) == 8;
}

static inline struct kvm_irq_routing_entry msi_route(uint32_t gsi, uint32_t address, uint32_t data)
{
	struct kvm_irq_routing_entry entry = { .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI };

	entry.u.msi.address_lo = address;
	entry.u.msi.data = data;
	return entry;
}

static inline struct kvm_irq_routing_entry pin_route(uint32_t gsi, uint32_t chip, uint32_t pin)
{
	struct kvm_irq_routing_entry entry = { .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP };

	entry.u.irqchip.irqchip = chip;
	entry.u.irqchip.pin = pin;
	return entry;
}

static inline void *guest_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

static inline int run_suite(TCase *tc, const char *name)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
