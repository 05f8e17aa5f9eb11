/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vCPUs, as far as interrupts need them. They are added and stay until the VM's end: look-ups take
 * no lock. Lock: irq_lock for adding.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/sysraw.h"

struct kvm_vcpu *kvm_get_vcpu_by_id(struct kvm *kvm, unsigned int id)
{
	struct kvm_vcpu *vcpu;

	for (unsigned int i = 0; (vcpu = kvm_nth_vcpu(kvm, i)); i++)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}

/* A number of our own for the vCPU's fd. */
static int take_vcpu_fd(int fd, int *own)
{
	if (fd < 0)
		return -EINVAL;
	*own = raw_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (*own < 0)
		return *own;
	*own = fd_move_high(*own);
	return *own < 0 ? *own : 0;
}

static int add_locked(struct kvm *kvm, struct kvm_vcpu *vcpu)
{
	unsigned int nr = atomic_load(&kvm->nr_vcpus);

	if (nr >= KVM_MAX_VCPUS)
		return -EINVAL;
	if (kvm_get_vcpu_by_id(kvm, vcpu->id))
		return -EEXIST;
	atomic_store(&kvm->vcpus[nr], vcpu);
	atomic_store(&kvm->nr_vcpus, nr + 1);
	return 0;
}

int kvm_add_vcpu(struct kvm *kvm, unsigned int id, int vcpu_fd)
{
	struct kvm_vcpu *vcpu;
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if (id >= KVM_MAX_VCPU_IDS || (!kvm_is_real(kvm) && vcpu_fd >= 0))
		return -EINVAL;
	vcpu = FAIL_POINT() ? NULL : aligned_alloc(4096, ALIGN_UP(sizeof(*vcpu), 4096));
	if (!vcpu)
		return -ENOMEM;
	*vcpu = (struct kvm_vcpu){ .kvm = kvm, .id = id, .fd = -1, .x2apic = kvm->x2apic };
	if (kvm_is_real(kvm))
		ret = take_vcpu_fd(vcpu_fd, &vcpu->fd);
	else
		kvm_lapic_reset(vcpu);
	if (ret) {
		free(vcpu);
		return ret;
	}
	pthread_mutex_lock(&kvm->irq_lock);
	ret = add_locked(kvm, vcpu);
	pthread_mutex_unlock(&kvm->irq_lock);
	if (ret) {
		fd_close(vcpu->fd);
		free(vcpu);
	}
	return ret;
}

static int access_lapic(struct kvm *kvm, unsigned int id, struct kvm_lapic_state *state, bool set)
{
	struct kvm_vcpu *vcpu;
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	vcpu = kvm_get_vcpu_by_id(kvm, id);
	return vcpu ? kvm->ops->lapic(vcpu, state, set) : -EINVAL;
}

int kvm_get_lapic(struct kvm *kvm, unsigned int vcpu, struct kvm_lapic_state *state)
{
	return access_lapic(kvm, vcpu, state, false);
}

int kvm_set_lapic(struct kvm *kvm, unsigned int vcpu, const struct kvm_lapic_state *state)
{
	struct kvm_lapic_state copy = *state;

	return access_lapic(kvm, vcpu, &copy, true);
}

void kvm_free_vcpus(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;

	for (unsigned int i = 0; (vcpu = kvm_nth_vcpu(kvm, i)); i++) {
		fd_close(vcpu->fd);
		free(vcpu);
	}
}
