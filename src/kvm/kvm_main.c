/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VM object's beginning and end (virt/kvm/kvm_main.c).
 *
 * A VM belongs to the process that made it: in a forked child its functions answer -EIO, as KVM's
 * do to another address space, and its end there only gives the child's memory back.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/sysraw.h"

int kvm_check(const struct kvm *kvm)
{
	return kvm->pid == raw_getpid() ? 0 : -EIO;
}

bool kvm_is_real(const struct kvm *kvm)
{
	return kvm->ops == &kvm_real;
}

/* A number of our own for the VM's fd: the caller may close his. */
static int take_vm_fd(struct kvm *kvm, int fd)
{
	int own, ret;

	own = raw_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return own;
	own = fd_move_high(own);
	if (own < 0)
		return own;
	/* /dev/kvm itself answers the first too, but tells its version. */
	ret = sysraw3(SYS_ioctl, own, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) > 0 &&
			      sysraw3(SYS_ioctl, own, KVM_GET_API_VERSION, 0) < 0
		      ? 0
		      : -EINVAL;
	if (ret) {
		fd_close(own);
		return ret;
	}
	kvm->vm_fd = own;
	return 0;
}

static void init_locks(struct kvm *kvm)
{
	pthread_mutex_t *const locks[] = { &kvm->slots_lock,	     &kvm->irq_lock,
					   &kvm->ioapic.lock,	     &kvm->pic.lock,
					   &kvm->irqfds.assign_lock, &kvm->irqfds.lock,
					   &kvm->ioeventfds_lock };

	for (size_t i = 0; i < ARRAY_SIZE(locks); i++)
		pthread_mutex_init(locks[i], NULL);
}

/* A program that uses the C API does not say that it has forked: an end in the child must not take
 * the parent's eventfds off the epoll instance that both have. */
static void notice_fork(void)
{
	static _Atomic pid_t owner; /* 0: nobody has made a VM yet */
	pid_t pid = raw_getpid(), was = atomic_exchange(&owner, pid);

	irq_notice_fork();
	if (was && was != pid)
		kvm_after_fork();
}

int kvm_create(const struct kvm_config *config, struct kvm **out)
{
	struct kvm *kvm;
	int ret;

	notice_fork();
	/* User memory is touched through base/copy.h. */
	ret = fault_init();
	if (ret)
		return ret;
	kvm = FAIL_POINT() ? NULL : calloc(1, sizeof(*kvm));
	if (!kvm)
		return -ENOMEM;
	kvm->pid = raw_getpid();
	kvm->vm_fd = -1;
	kvm->ops = config->real ? &kvm_real : &kvm_soft;
	kvm->x2apic = config->x2apic;
	kvm->x2apic_format = config->x2apic_format;
	list_init(&kvm->listeners);
	list_init(&kvm->irqfds.list);
	list_init(&kvm->irqfds.resamplers);
	list_init(&kvm->ioeventfds);
	init_locks(kvm);
	if (config->real)
		ret = take_vm_fd(kvm, config->vm_fd);
	if (ret) {
		free(kvm);
		return ret;
	}
	*out = kvm;
	return 0;
}

void kvm_destroy(struct kvm *kvm)
{
	if (!kvm)
		return;
	if (kvm_check(kvm)) {
		notice_fork();
		/* A thread of the parent's may have been anywhere when this copy was made. */
		init_locks(kvm);
		kvm->irq_srcu = (struct kvm_srcu){ 0 };
	}
	kvm_free_irqfds(kvm);
	kvm_free_ioeventfds(kvm);
	kvm_free_routes(kvm);
	kvm_free_vcpus(kvm);
	kvm_free_slots(kvm);
	fd_close(kvm->vm_fd);
	free(kvm);
}

int kvm_create_irqchip(struct kvm *kvm)
{
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	pthread_mutex_lock(&kvm->irq_lock);
	ret = kvm->ops->create_irqchip(kvm);
	pthread_mutex_unlock(&kvm->irq_lock);
	return ret;
}

int kvm_get_irqchip(struct kvm *kvm, struct kvm_irqchip *chip)
{
	int ret = kvm_check(kvm);

	return ret ? ret : kvm->ops->irqchip(kvm, chip, false);
}

int kvm_set_irqchip(struct kvm *kvm, const struct kvm_irqchip *chip)
{
	struct kvm_irqchip copy = *chip;
	int ret = kvm_check(kvm);

	return ret ? ret : kvm->ops->irqchip(kvm, &copy, true);
}
