/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which fds of the program are KVM's. All fds of VMs share one anonymous inode, so that a number is
 * known only by the calls that made it: open, KVM_CREATE_VM, KVM_CREATE_VCPU, dup and close. One
 * that came in a message is none of those (docs/limits.md); after exec KVM refuses it anyway.
 *
 * Lock: fds_lock, a leaf; a VM's end runs without it.
 */
#include "preload/kvm.h"

#include <stdlib.h>

#include "base/failpoint.h"

struct fdset fdset_kvm;

struct kvm_fd {
	struct list_head node;
	int fd;
	enum kvm_fd_kind kind;
	struct kvm_vm *vm;
};

static pthread_mutex_t fds_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head fds = { &fds, &fds };

static struct kvm_fd *find(int fd)
{
	struct kvm_fd *f;

	list_for_each_entry(f, &fds, node)
		if (f->fd == fd)
			return f;
	return NULL;
}

void kvm_fd_add(int fd, enum kvm_fd_kind kind, struct kvm_vm *vm)
{
	struct kvm_fd *f;

	kvm_fd_forget(fd);
	f = FAIL_POINT() ? NULL : malloc(sizeof(*f));
	if (!f)
		return;
	*f = (struct kvm_fd){ .fd = fd, .kind = kind, .vm = vm };
	pthread_mutex_lock(&fds_lock);
	if (vm)
		vm->refs++;
	list_add(&f->node, &fds);
	pthread_mutex_unlock(&fds_lock);
	fdset_add(&fdset_kvm, fd);
}

void kvm_fd_dup(int from, int to)
{
	struct kvm_vm *vm = NULL;
	enum kvm_fd_kind kind;

	if (!kvm_fd_find(from, &kind, &vm))
		return;
	kvm_fd_add(to, kind, vm);
	if (vm)
		kvm_vm_put(vm);
}

void kvm_fd_forget(int fd)
{
	struct kvm_fd *f;

	if (!fdset_has(&fdset_kvm, fd))
		return;
	fdset_remove(&fdset_kvm, fd);
	pthread_mutex_lock(&fds_lock);
	f = find(fd);
	if (f)
		list_del(&f->node);
	pthread_mutex_unlock(&fds_lock);
	if (f && f->vm)
		kvm_vm_put(f->vm);
	free(f);
}

bool kvm_fd_find(int fd, enum kvm_fd_kind *kind, struct kvm_vm **vm)
{
	struct kvm_fd *f;

	pthread_mutex_lock(&fds_lock);
	f = find(fd);
	if (f) {
		*kind = f->kind;
		*vm = f->vm;
		if (f->vm)
			f->vm->refs++;
	}
	pthread_mutex_unlock(&fds_lock);
	return f != NULL;
}

void kvm_vm_get(struct kvm_vm *vm)
{
	pthread_mutex_lock(&fds_lock);
	vm->refs++;
	pthread_mutex_unlock(&fds_lock);
}

void kvm_vm_put(struct kvm_vm *vm)
{
	bool last;

	pthread_mutex_lock(&fds_lock);
	last = --vm->refs == 0;
	pthread_mutex_unlock(&fds_lock);
	if (last)
		kvm_vm_end(vm);
}

void kvm_fds_after_fork(void)
{
	struct kvm_fd *f;

	pthread_mutex_init(&fds_lock, NULL);
	list_for_each_entry(f, &fds, node) {
		if (f->kind == KVM_FD_SYSTEM)
			continue;
		/* The VM is the parent's; what is behind it here is not touched any more. */
		f->kind = KVM_FD_DEAD;
		f->vm = NULL;
	}
}
