/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's virtual machines: the fds of /dev/kvm, of VMs and of vCPUs, and the ioctls of
 * theirs that have to do with devices (design D3).
 */
#ifndef PRELOAD_KVM_H
#define PRELOAD_KVM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include "base/list.h"
#include "preload/fdset.h"
#include "uapi/kvm.h"

struct kvm;
struct kvm_assign;

enum kvm_fd_kind { KVM_FD_SYSTEM, KVM_FD_VM, KVM_FD_VCPU, KVM_FD_DEAD };

/* A VM of the program's. It lives as long as the fds of it and its vCPUs that we know of. */
struct kvm_vm {
	unsigned int refs; /* kvm_fds.c's lock */
	struct kvm *kvm;
	pthread_mutex_t lock;	   /* what follows; outermost but for the door's own */
	struct kvm_assign *assign; /* NULL: no device has been assigned in the old way */
	struct list_head absent;   /* struct kvm_absent: slots that KVM was not told of */
};

/* kvm_fds.c. Depth raised in all of them. */

/* @fd is open now. @vm: of a VM or vCPU, NULL otherwise. Without memory it stays unknown. */
void kvm_fd_add(int fd, enum kvm_fd_kind kind, struct kvm_vm *vm);
/* @to is what @from is. */
void kvm_fd_dup(int from, int to);
/* @fd is about to be closed. The last one of a VM gives its devices back. */
void kvm_fd_forget(int fd);
/* What @fd is: false when it is not known. A VM comes with a reference for kvm_vm_put(). */
bool kvm_fd_find(int fd, enum kvm_fd_kind *kind, struct kvm_vm **vm);
void kvm_vm_get(struct kvm_vm *vm);
void kvm_vm_put(struct kvm_vm *vm);
/* In the child of a fork: KVM refuses the parent's VMs there, and so do we. */
void kvm_fds_after_fork(void);

/* kvm.c */

/* The last reference of @vm is gone. */
void kvm_vm_end(struct kvm_vm *vm);
/* @fd is something else now: it was closed past us. At depth 0. */
void kvm_fd_stale(int fd);
/* An ioctl on an fd of the set; false: libc goes on. */
bool kvm_door_ioctl(int *ret, int fd, unsigned long request, unsigned long arg);

/* The numbers that kvm.c's tables have: a VMM's frequent ones (KVM_RUN, KVM_IRQ_LINE,
 * KVM_SIGNAL_MSI, a vCPU's state) pay for no look-up. */
static inline bool kvm_is_looked_at(unsigned int nr)
{
	switch (nr) {
	case _IOC_NR(KVM_CREATE_VM):
	case _IOC_NR(KVM_CHECK_EXTENSION):
	case _IOC_NR(KVM_SET_USER_MEMORY_REGION):
	case 0x49: /* KVM_SET_USER_MEMORY_REGION2 */
	case _IOC_NR(KVM_SET_GSI_ROUTING):
	case _IOC_NR(KVM_IRQFD):
	case _IOC_NR(KVM_CREATE_IRQCHIP):
	case _IOC_NR(KVM_CREATE_VCPU):
	case _IOC_NR(KVM_CREATE_DEVICE):
	case _IOC_NR(KVM_ASSIGN_PCI_DEVICE):
	case _IOC_NR(KVM_ASSIGN_DEV_IRQ):
	case _IOC_NR(KVM_DEASSIGN_PCI_DEVICE):
	case _IOC_NR(KVM_ASSIGN_SET_MSIX_NR):
	case _IOC_NR(KVM_ASSIGN_SET_MSIX_ENTRY):
	case _IOC_NR(KVM_DEASSIGN_DEV_IRQ):
	case _IOC_NR(KVM_ASSIGN_SET_INTX_MASK):
		return true;
	default:
		return false;
	}
}

static inline bool kvm_wants_ioctl(int fd, unsigned long cmd)
{
	return fdset_has(&fdset_kvm, fd) && _IOC_TYPE(cmd) == KVMIO &&
	       kvm_is_looked_at((unsigned int)_IOC_NR(cmd));
}

#endif
