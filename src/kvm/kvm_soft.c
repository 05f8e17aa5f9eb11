/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software model of a VM: the common books and the model's own chips. Interrupts that can be
 * posted go into the vCPU's posted-interrupt descriptor, and from there into IRR at once, as a core
 * in guest mode does it at the notification; AMD's remapping hardware writes IRR itself.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>

/* -EEXIST and -EINVAL in KVM's order. */
static int soft_create_irqchip(struct kvm *kvm)
{
	int ret;

	if (atomic_load(&kvm->irqchip))
		return -EEXIST;
	if (atomic_load(&kvm->nr_vcpus))
		return -EINVAL;
	kvm_ioapic_reset(kvm);
	kvm_pic_reset(kvm);
	ret = kvm_set_default_routes(kvm);
	if (!ret)
		atomic_store(&kvm->irqchip, true);
	return ret;
}

static int soft_lapic(struct kvm_vcpu *vcpu, struct kvm_lapic_state *state, bool set)
{
	if (!atomic_load(&vcpu->kvm->irqchip))
		return -EINVAL;
	return kvm_lapic_soft(vcpu, state, set);
}

static int soft_irqchip(struct kvm *kvm, struct kvm_irqchip *chip, bool set)
{
	if (!atomic_load(&kvm->irqchip))
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		kvm_pic_state(kvm, chip->chip_id == KVM_IRQCHIP_PIC_SLAVE, &chip->chip.pic, set);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		kvm_ioapic_state(kvm, &chip->chip.ioapic, set);
		return 0;
	default:
		return -EINVAL;
	}
}

static void notify(void *arg, uint8_t vector)
{
	kvm_lapic_posted(arg, vector);
}

/* Fixed or of the lowest priority, and one vCPU that takes it. */
static bool soft_post_target(struct kvm *kvm, const struct kvm_irq_routing_entry *route,
			     struct irq_post_target *target, void **priv)
{
	struct kvm_msi msi = { .address_lo = route->u.msi.address_lo,
			       .address_hi = route->u.msi.address_hi,
			       .data = route->u.msi.data };
	struct kvm_lapic_irq irq;
	struct kvm_vcpu *vcpu;

	kvm_msi_to_irq(kvm, &msi, &irq);
	if (irq.delivery_mode != APIC_DM_FIXED && irq.delivery_mode != APIC_DM_LOWEST)
		return false;
	vcpu = kvm_intr_single_vcpu(kvm, &irq);
	if (!vcpu)
		return false;
	*target = (struct irq_post_target){ .pi_desc = &vcpu->pi_desc,
					    .vapic = vcpu->regs,
					    .vector = irq.vector,
					    .vcpu = vcpu->id,
					    .notify = notify,
					    .arg = vcpu };
	*priv = NULL;
	return true;
}

const struct kvm_backend kvm_soft = {
	.create_irqchip = soft_create_irqchip,
	.lapic = soft_lapic,
	.irqchip = soft_irqchip,
	.set_irq = kvm_set_irq_soft,
	.irqfd_start = kvm_irqfd_start_soft,
	.irqfd_stop = kvm_irqfd_stop_soft,
	.post_target = soft_post_target,
	.ioeventfd = kvm_ioeventfd_soft,
};
