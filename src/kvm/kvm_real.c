/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM of the real /dev/kvm: each operation ends in the ioctl of its name on the VM's or a vCPU's
 * fd. Raw system calls: the preload door looks at the program's ioctls on such fds, not at ours.
 *
 * KVM cannot see that a producer of ours is paired with its irqfd. A posted interrupt therefore
 * ends in KVM_SIGNAL_MSI with the message of the irqfd's route; KVM finds the destination itself.
 * Which messages are posted follows the rule of hardware that can post to one vCPU only, as far as
 * it shows in the message: a physical id, or one bit of a logical set.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
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

static int real_create_irqchip(struct kvm *kvm)
{
	int ret = vm_ioctl(kvm, KVM_CREATE_IRQCHIP, NULL);

	return ret ? ret : kvm_set_default_routes(kvm);
}

static int real_lapic(struct kvm_vcpu *vcpu, struct kvm_lapic_state *state, bool set)
{
	return (int)sysraw3(SYS_ioctl, vcpu->fd, (long)(set ? KVM_SET_LAPIC : KVM_GET_LAPIC),
			    (long)state);
}

static int real_irqchip(struct kvm *kvm, struct kvm_irqchip *chip, bool set)
{
	return vm_ioctl(kvm, set ? KVM_SET_IRQCHIP : KVM_GET_IRQCHIP, chip);
}

static int real_set_routing(struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			    unsigned int nr)
{
	size_t size = nr * sizeof(entries[0]);
	struct kvm_irq_routing *table;
	int ret;

	table = FAIL_POINT() ? NULL : malloc(sizeof(*table) + size);
	if (!table)
		return -ENOMEM;
	*table = (struct kvm_irq_routing){ .nr = nr };
	if (nr)
		memcpy(table->entries, entries, size);
	ret = vm_ioctl(kvm, KVM_SET_GSI_ROUTING, table);
	free(table);
	return ret;
}

/* KVM knows one source for all of a VMM: ours are ORed. */
static int real_set_irq(struct kvm *kvm, unsigned int source_id, uint32_t gsi, int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = (uint32_t) !!level };
	int ret;

	pthread_mutex_lock(&kvm->irq_lock);
	if (gsi < ARRAY_SIZE(kvm->real_lines)) {
		if (level)
			kvm->real_lines[gsi] |= BIT(source_id);
		else
			kvm->real_lines[gsi] &= ~BIT(source_id);
		line.level = kvm->real_lines[gsi] != 0;
	}
	ret = vm_ioctl(kvm, KVM_IRQ_LINE_STATUS, &line);
	pthread_mutex_unlock(&kvm->irq_lock);
	if (ret)
		return ret;
	return (int)line.status < 0 ? -EPERM : (int)line.status;
}

static int real_signal_msi(struct kvm *kvm, const struct kvm_msi *msi)
{
	return vm_ioctl(kvm, KVM_SIGNAL_MSI, msi);
}

/* By our own numbers, which nobody closes or reuses meanwhile. */
static int real_irqfd_start(struct kvm_kernel_irqfd *irqfd, const struct kvm_irqfd *args)
{
	struct kvm_irqfd own = { .fd = (uint32_t)irqfd->fd,
				 .gsi = args->gsi,
				 .flags = args->flags };

	if (irqfd->resample)
		own.resamplefd = (uint32_t)irq_trigger_fd(irqfd->resample);
	return vm_ioctl(irqfd->kvm, KVM_IRQFD, &own);
}

static void real_irqfd_stop(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_irqfd args = { .fd = (uint32_t)irqfd->fd,
				  .gsi = irqfd->gsi,
				  .flags = KVM_IRQFD_FLAG_DEASSIGN };

	vm_ioctl(irqfd->kvm, KVM_IRQFD, &args);
}

/* What a posted interrupt needs, immutable: another route is another one. */
struct real_post {
	struct pi_desc pi_desc;
	struct kvm *kvm;
	struct kvm_msi msi;
};

/* On the thread that raises, in signal context too. */
static void notify(void *arg, uint8_t vector)
{
	struct real_post *post = arg;
	uint64_t requests[4];

	(void)vector;
	if (pi_take(&post->pi_desc, requests))
		vm_ioctl(post->kvm, KVM_SIGNAL_MSI, &post->msi);
}

static bool one_destination(const struct kvm *kvm, const struct kvm_lapic_irq *irq)
{
	if (irq->delivery_mode != APIC_DM_FIXED && irq->delivery_mode != APIC_DM_LOWEST)
		return false;
	if (irq->dest_id == 0xff || irq->dest_id == 0xffffffff)
		return false;
	if (!irq->logical)
		return true;
	return __builtin_popcount(irq->dest_id & (kvm->x2apic_format ? 0xffff : 0xff)) == 1;
}

static bool real_post_target(struct kvm *kvm, const struct kvm_irq_routing_entry *route,
			     struct irq_post_target *target, void **priv)
{
	struct kvm_msi msi = { .address_lo = route->u.msi.address_lo,
			       .address_hi = route->u.msi.address_hi,
			       .data = route->u.msi.data };
	struct kvm_lapic_irq irq;
	struct real_post *post;

	if (route->flags & KVM_MSI_VALID_DEVID) {
		msi.devid = route->u.msi.devid;
		msi.flags = KVM_MSI_VALID_DEVID;
	}
	kvm_msi_to_irq(kvm, &msi, &irq);
	if (!one_destination(kvm, &irq))
		return false;
	post = FAIL_POINT() ? NULL : aligned_alloc(64, ALIGN_UP(sizeof(*post), 64));
	if (!post)
		return false;
	*post = (struct real_post){ .kvm = kvm, .msi = msi };
	*target = (struct irq_post_target){ .pi_desc = &post->pi_desc,
					    .vector = irq.vector,
					    .vcpu = irq.dest_id,
					    .notify = notify,
					    .arg = post };
	*priv = post;
	return true;
}

static int real_ioeventfd(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	return vm_ioctl(kvm, KVM_IOEVENTFD, args);
}

const struct kvm_backend kvm_real = {
	.set_memory_region = real_set_memory_region,
	.get_dirty_log = real_get_dirty_log,
	.create_irqchip = real_create_irqchip,
	.lapic = real_lapic,
	.irqchip = real_irqchip,
	.set_routing = real_set_routing,
	.set_irq = real_set_irq,
	.signal_msi = real_signal_msi,
	.irqfd_start = real_irqfd_start,
	.irqfd_stop = real_irqfd_stop,
	.post_target = real_post_target,
	.ioeventfd = real_ioeventfd,
};
