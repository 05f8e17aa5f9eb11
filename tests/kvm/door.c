/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * door BDF: KVM's file descriptors in a session, without a vCPU: which of them answer the ioctls of
 * device assignment, who has the function meanwhile, and what becomes of slots over its BAR. BDF is
 * an nvme function whose registers trap stores. Exit status as vmm.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/uapi/kvm.h"

#define PAGE	4096UL
#define DEV_ID	7
#define SKIPPED 77

static const char *bdf;
static int kvm, vm;

static void expect(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "door: expected %s (errno: %s)\n", what, strerror(errno));
	exit(1);
}

static int assign(int fd)
{
	struct kvm_assigned_pci_dev dev = { .assigned_dev_id = DEV_ID,
					    .flags = KVM_DEV_ASSIGN_ENABLE_IOMMU };
	unsigned int bus, slot, function;

	expect(sscanf(bdf, "%x:%x:%x.%x", &dev.segnr, &bus, &slot, &function) == 4, "an address");
	dev.busnr = bus;
	dev.devfn = slot << 3 | function;
	return ioctl(fd, KVM_ASSIGN_PCI_DEVICE, &dev) ? -errno : 0;
}

static int deassign(int fd)
{
	struct kvm_assigned_pci_dev dev = { .assigned_dev_id = DEV_ID };

	return ioctl(fd, KVM_DEASSIGN_PCI_DEVICE, &dev) ? -errno : 0;
}

static int open_group(void)
{
	char path[128], target[256] = "";

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	expect(readlink(path, target, sizeof(target) - 1) > 0, "a group");
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(target, '/'));
	return open(path, O_RDWR | O_CLOEXEC);
}

static int slot(uint32_t id, uint64_t gpa, void *memory, uint64_t size)
{
	struct kvm_userspace_memory_region region = { .slot = id,
						      .guest_phys_addr = gpa,
						      .memory_size = size,
						      .userspace_addr = (uintptr_t)memory };

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static void capabilities(void)
{
	int fds[] = { kvm, vm };

	for (int i = 0; i < 2; i++) {
		expect(ioctl(fds[i], KVM_CHECK_EXTENSION, KVM_CAP_IOMMU) == 1, "KVM_CAP_IOMMU");
		expect(ioctl(fds[i], KVM_CHECK_EXTENSION, KVM_CAP_ASSIGN_DEV_IRQ) == 1,
		       "KVM_CAP_ASSIGN_DEV_IRQ");
		expect(ioctl(fds[i], KVM_CHECK_EXTENSION, KVM_CAP_PCI_2_3) == 1, "KVM_CAP_PCI_2_3");
		/* KVM's own. */
		expect(ioctl(fds[i], KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) == 1,
		       "KVM_CAP_USER_MEMORY");
	}
	expect(ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION, "KVM's version");
}

/* A VM by another number, in a child, and after its last number has gone. */
static void descriptors(void)
{
	int other = ioctl(kvm, KVM_CREATE_VM, 0), copy, status;
	pid_t pid;

	expect(other >= 0, "a second VM");
	expect(assign(other) == 0, "the function to be assigned");
	expect(assign(vm) == -EBUSY, "the function to be another VM's");
	expect(open_group() < 0 && errno == EBUSY, "the group to be in use");
	copy = fcntl(other, F_DUPFD_CLOEXEC, 300);
	expect(copy >= 300 && assign(copy) == -EEXIST, "a duplicate to be the same VM");
	pid = fork();
	if (!pid)
		_exit(assign(copy) == -EIO && assign(other) == -EIO && !close(copy) && !close(other)
			      ? 0
			      : 1);
	expect(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0,
	       "a child to be refused, and its close to change nothing");
	close(other);
	expect(assign(vm) == -EBUSY, "the duplicate to keep the VM");
	close(copy);
	expect(assign(vm) == 0, "the function to be free when its VM has gone");
	expect(deassign(vm) == 0 && deassign(vm) == -EINVAL, "the function to be given back once");
	/* A number that was a VM's and is something else. */
	copy = dup(vm);
	expect(dup2(kvm, copy) == copy && assign(copy) == -EINVAL, "a number to be what it is now");
	close(copy);
	other = open_group();
	expect(other >= 0, "the group to be free");
	expect(assign(vm) == -EBUSY, "VFIO's user to have the function");
	close(other);
}

/* Registers, whose stores have effects, are no memory for a guest. */
static void bar_slots(void)
{
	char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_dirty_log log = { .slot = 1 };
	char path[128], *bar;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(bar != MAP_FAILED, "resource0 to be mapped");
	expect(slot(0, 0, memory, PAGE) == 0, "a slot of memory");
	expect(slot(0, 0, memory, PAGE) == 0, "the same slot again");
	expect(slot(1, 0x100000, bar + 8, PAGE) == -EINVAL, "an unaligned slot to be refused");
	expect(slot(1, 0x100000, bar, PAGE) == 0, "a slot of registers");
	/* KVM has not heard of it. */
	expect(ioctl(vm, KVM_GET_DIRTY_LOG, &log) == -1 && errno == ENOENT, "no slot of KVM's");
	expect(slot(2, 0x100000, memory, PAGE) == 0, "its place to be free for KVM");
	expect(slot(1, 0x100000, bar, 0) == 0, "the slot to be deleted");
	expect(slot(1, 0x100000, bar, 0) < 0, "it to be deleted once");
	expect(slot(2, 0x100000, bar, PAGE) == -EINVAL, "a slot to keep its pages");
	expect(slot(2, 0x200000, memory, PAGE) == 0, "a slot to be KVM's as it was");
	expect(slot(2, 0x100000, memory, 0) == 0, "memory to be deleted");
	expect(slot(0, 0, memory, 0) == 0, "memory to be deleted");
	munmap(bar, PAGE);
	munmap(memory, PAGE);
	close(fd);
}

/* The KVM-VFIO device takes the session's files and no others. */
static void kvm_vfio(void)
{
	struct kvm_create_device cd = { .type = KVM_DEV_TYPE_VFIO,
					.flags = KVM_CREATE_DEVICE_TEST };
	int group = open_group(), other = eventfd(0, EFD_CLOEXEC);
	struct kvm_device_attr attr = { .group = 1, .attr = 1, .addr = (uintptr_t)&group };

	expect(group >= 0, "the group");
	expect(ioctl(vm, KVM_CREATE_DEVICE, &cd) == 0, "a KVM-VFIO device to be possible");
	cd.flags = 0;
	/* As programs do that keep commands in an int. */
	expect(ioctl(vm, (unsigned long)(int)KVM_CREATE_DEVICE, &cd) == 0, "a KVM-VFIO device");
	expect(ioctl((int)cd.fd, KVM_HAS_DEVICE_ATTR, &attr) == 0, "files to be taken");
	expect(ioctl((int)cd.fd, KVM_SET_DEVICE_ATTR, &attr) == 0, "the group to be taken");
	attr.addr = (uintptr_t)&other;
	expect(ioctl((int)cd.fd, KVM_SET_DEVICE_ATTR, &attr) == -1 && errno == EINVAL,
	       "a file that is not VFIO's to be refused");
	attr.addr = (uintptr_t)&group;
	attr.attr = 2;
	expect(ioctl((int)cd.fd, KVM_SET_DEVICE_ATTR, &attr) == 0, "the group to be dropped");
	expect(ioctl((int)cd.fd, KVM_SET_DEVICE_ATTR, &attr) == -1 && errno == ENOENT,
	       "it to be dropped once");
	close((int)cd.fd);
	close(other);
	close(group);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: door BDF\n");
		return 1;
	}
	bdf = argv[1];
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0) {
		printf("skipped: no usable /dev/kvm: %s\n", strerror(errno));
		return SKIPPED;
	}
	capabilities();
	descriptors();
	bar_slots();
	kvm_vfio();
	printf("the door is as it should be\n");
	return 0;
}
