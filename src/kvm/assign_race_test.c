/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device assignment while everything moves: slots come and go under a device's DMA, the program
 * takes memory away, another device is assigned and deassigned, interrupts are raised while their
 * way is taken down. What is checked: when the deletion of a slot has returned, nothing touches its
 * memory any more.
 */
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/depth.h"
#include "base/log.h"
#include "kvm/assign_fixture.h"

#define ROUNDS 150
#define SIZE   (64 * K4)
#define GSI    24

static struct kvm_assign *assign;
static atomic_bool stop;

static int assign_ioctl(unsigned int cmd, uint32_t id, unsigned int devfn, uint32_t flags)
{
	struct kvm_assigned_pci_dev arg = {
		.assigned_dev_id = id, .busnr = 1, .devfn = devfn, .flags = flags
	};

	return (int)kvm_vm_ioctl_assigned_device(assign, cmd, (unsigned long)&arg);
}

static int irq_ioctl(unsigned int cmd, uint32_t id)
{
	struct kvm_assigned_irq arg = { .assigned_dev_id = id,
					.flags = KVM_DEV_IRQ_HOST_MSI | KVM_DEV_IRQ_GUEST_MSI,
					.guest_irq = GSI };

	return (int)kvm_vm_ioctl_assigned_device(assign, cmd, (unsigned long)&arg);
}

/* Writes where the slot is or was; faults are what is expected half of the time. */
static void *dma_thread(void *arg)
{
	uint32_t word = 0x55555555;
	unsigned int n = 0;

	depth_enter();
	while (!atomic_load(&stop)) {
		dma_write(fix_dev[0]->iommu, NOT_MAPPED + n++ * 61 % SIZE / 4 * 4, &word, 4);
		dma_write(fix_dev[0]->iommu, n % 64 * K4, &word, 4);
	}
	depth_leave();
	return NULL;
}

static void *assign_thread(void *arg)
{
	depth_enter();
	while (!atomic_load(&stop)) {
		if (assign_ioctl(KVM_ASSIGN_PCI_DEVICE, 2, 2, KVM_DEV_ASSIGN_ENABLE_IOMMU))
			abort();
		if (assign_ioctl(KVM_DEASSIGN_PCI_DEVICE, 2, 2, 0))
			abort();
		/* A mutex that is taken again at once never reaches a sleeper. */
		usleep(200);
	}
	depth_leave();
	return NULL;
}

static void *irq_thread(void *arg)
{
	depth_enter();
	while (!atomic_load(&stop)) {
		pci_irq_raise(fix_dev[1], 0);
		sched_yield();
	}
	depth_leave();
	return NULL;
}

static void silent(void *arg, enum log_level level, const char *message)
{
}

static void begin(void)
{
	struct kvm_irq_routing_entry route = { .gsi = GSI,
					       .type = KVM_IRQ_ROUTING_MSI,
					       .u.msi = { .address_lo = 0xfee00000,
							  .data = 0x41 } };
	struct kvm_assign_env env = fix_env;

	log_set_sink(silent, NULL);
	fix_setup(IOMMU_MODEL_AMD, UINT64_MAX);
	env.hm = fix_hm;
	ck_assert_int_eq(kvm_assign_create(fix_kvm, &env, &assign), 0);
	ck_assert_int_eq(kvm_create_irqchip(fix_kvm), 0);
	ck_assert_int_eq(kvm_add_vcpu(fix_kvm, 0, -1), 0);
	ck_assert_int_eq(kvm_lapic_write(fix_kvm, 0, 0xf0, 0x1ff), 0);
	ck_assert_int_eq(kvm_set_irq_routing(fix_kvm, &route, 1, 0), 0);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(
			assign_ioctl(KVM_ASSIGN_PCI_DEVICE, i, i, KVM_DEV_ASSIGN_ENABLE_IOMMU), 0);
		pci_set_master(fix_dev[i], true);
	}
}

/* The program gives a part of slot 0 back and puts other memory there. */
static void replace_memory(unsigned int round)
{
	char *at = fix_mem + (round % 16) * K4;

	hostmem_will_unmap(fix_hm, (uintptr_t)at, K4);
	ck_assert_ptr_eq(mmap(at, K4, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 at);
}

static void expect_untouched(const char *memory)
{
	const volatile uint32_t *word = (const volatile uint32_t *)memory;
	size_t touched = 0;

	for (unsigned int i = 0; i < 20; i++) {
		sched_yield();
		for (size_t n = 0; n < SIZE / 4; n++)
			touched += word[n] != 0xaaaaaaaa;
	}
	ck_assert_uint_eq(touched, 0);
}

START_TEST(test_race)
{
	static void *(*const fns[])(void *) = { dma_thread, assign_thread, irq_thread };
	pthread_t threads[ARRAY_SIZE(fns)];
	char *memory;

	begin();
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fns[i], NULL), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		ck_assert_int_eq(fix_slot(1, NOT_MAPPED, memory, SIZE, 0), 0);
		ck_assert_int_eq(irq_ioctl(KVM_ASSIGN_DEV_IRQ, 1), 0);
		replace_memory(round);
		sched_yield();
		ck_assert_int_eq(irq_ioctl(KVM_DEASSIGN_DEV_IRQ, 1), 0);
		ck_assert_int_eq(fix_slot(1, NOT_MAPPED, memory, 0, 0), 0);
		memset(memory, 0xaa, SIZE);
		expect_untouched(memory);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		pthread_join(threads[i], NULL);
	kvm_assign_destroy(assign);
	ck_assert_uint_eq(fix_taken, 0);
	munmap(memory, SIZE);
	fix_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kvm_assign_race");
	TCase *tc = tcase_create("race");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, test_race);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
