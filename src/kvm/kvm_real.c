/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM of the real /dev/kvm: each operation ends in the ioctl of its name on the VM's fd. Raw
 * system calls: the preload door looks at the program's ioctls on such fds, not at ours.
 */
#include "kvm/kvm_priv.h"

#include "base/fd.h"
#include "base/sysraw.h"

static int vm_ioctl(struct kvm *kvm, unsigned long cmd, const void *arg)
{
	return (int)sysraw3(SYS_ioctl, kvm->vm_fd, (long)cmd, (long)arg);
}

static int real_set_memory_region(struct kvm *kvm, const struct kvm_userspace_memory_region *mem)
{
	return vm_ioctl(kvm, KVM_SET_USER_MEMORY_REGION, mem);
}

static int real_get_dirty_log(struct kvm *kvm, const struct kvm_dirty_log *log)
{
	return vm_ioctl(kvm, KVM_GET_DIRTY_LOG, log);
}

static void real_release(struct kvm *kvm)
{
	fd_close(kvm->vm_fd);
}

const struct kvm_backend kvm_real = {
	.set_memory_region = real_set_memory_region,
	.get_dirty_log = real_get_dirty_log,
	.release = real_release,
};
