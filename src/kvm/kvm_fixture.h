/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of this folder share: VMs of both back ends. */
#ifndef KVM_KVM_FIXTURE_H
#define KVM_KVM_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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
