/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which vCPUs an interrupt goes to (arch/x86/kvm/lapic.c and irq_comm.c): physical and logical
 * destinations, flat, cluster and x2APIC, broadcast; of several that could take an interrupt of the
 * lowest priority, KVM's vector hashing chooses: number vector modulo count.
 *
 * As in KVM there is a map first, then the walk over all: a physical id or a logical set that is no
 * broadcast is answered by the map, also with nobody. No locks.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>

#define MAX_LOGICAL 16 /* bits of one cluster */

#define APIC_BROADCAST	 0xffU
#define X2APIC_BROADCAST 0xffffffffU

void kvm_msi_to_irq(const struct kvm *kvm, const struct kvm_msi *msi, struct kvm_lapic_irq *irq)
{
	*irq = (struct kvm_lapic_irq){
		.dest_id = msi->address_lo >> 12 & 0xff,
		.vector = (uint8_t)msi->data,
		.delivery_mode = msi->data >> 8 & 7,
		.logical = msi->address_lo & 4,
		.level = msi->data & 0x8000,
		.msi_redir_hint = msi->address_lo & 8,
	};
	if (kvm->x2apic_format)
		irq->dest_id |= msi->address_hi & 0xffffff00;
}

bool kvm_msi_invalid(const struct kvm *kvm, uint32_t address_hi)
{
	return kvm->x2apic_format && address_hi & 0xff;
}

static bool lowest_priority(const struct kvm_lapic_irq *irq)
{
	return irq->delivery_mode == APIC_DM_LOWEST || irq->msi_redir_hint;
}

/* 0xff is everybody, in x2APIC mode too unless ids have 32 bits. */
static bool is_broadcast(const struct kvm *kvm, uint32_t dest_id)
{
	return dest_id == X2APIC_BROADCAST || (dest_id == APIC_BROADCAST && !kvm->x2apic_format) ||
	       (dest_id == APIC_BROADCAST && !kvm->x2apic);
}

/* The bits of a logical destination that can mean this vCPU; 0: another cluster. */
static uint32_t logical_bits(const struct kvm_vcpu *vcpu, uint32_t dest_id)
{
	uint32_t ldr = kvm_lapic_reg(vcpu, APIC_LDR);

	if (vcpu->x2apic)
		return ldr >> 16 == dest_id >> 16 ? ldr & dest_id & 0xffff : 0;
	ldr >>= 24;
	if (kvm_lapic_reg(vcpu, APIC_DFR) == APIC_DFR_FLAT)
		return ldr & dest_id & 0xff;
	return ldr >> 4 == (dest_id & 0xff) >> 4 ? ldr & dest_id & 0xf : 0;
}

static bool matches(const struct kvm_vcpu *vcpu, const struct kvm_lapic_irq *irq)
{
	if (is_broadcast(vcpu->kvm, irq->dest_id))
		return true;
	if (irq->logical)
		return logical_bits(vcpu, irq->dest_id) != 0;
	return kvm_lapic_id(vcpu) == irq->dest_id;
}

/* The position of the set bit number @n of @bits. */
static unsigned int nth_bit(uint32_t bits, unsigned int n)
{
	while (n--)
		bits &= bits - 1;
	return (unsigned int)__builtin_ctz(bits);
}

/* The bits of a logical destination that the map has room for: of a cluster its members, in x2APIC
 * mode up to the highest id that there is. */
static uint32_t destination_bits(struct kvm *kvm, const struct kvm_vcpu *vcpu, uint32_t dest_id)
{
	uint32_t first = (dest_id >> 16) * MAX_LOGICAL, max_id = 0;

	if (!vcpu->x2apic)
		return kvm_lapic_reg(vcpu, APIC_DFR) == APIC_DFR_FLAT ? dest_id & 0xff
								      : dest_id & 0xf;
	for (unsigned int i = 0; (vcpu = kvm_nth_vcpu(kvm, i)); i++)
		max_id = MAX(max_id, kvm_lapic_id(vcpu));
	if (first > max_id)
		return 0;
	return dest_id & (0xffffU >> (MAX_LOGICAL - MIN(max_id - first + 1, MAX_LOGICAL)));
}

/*
 * The map's answer: who of a logical set, by bit; of the lowest priority only the one that hashing
 * chooses. Returns the bits that are set in @dst.
 */
static uint32_t logical_dest(struct kvm *kvm, const struct kvm_lapic_irq *irq,
			     struct kvm_vcpu *dst[MAX_LOGICAL])
{
	uint32_t present = 0, wanted = 0;
	struct kvm_vcpu *vcpu;

	for (unsigned int i = 0; (vcpu = kvm_nth_vcpu(kvm, i)); i++) {
		uint32_t bits;

		/* APICs that are off are not in the map. */
		if (!kvm_lapic_enabled(vcpu))
			continue;
		wanted = destination_bits(kvm, vcpu, irq->dest_id);
		bits = logical_bits(vcpu, irq->dest_id);
		if (!bits)
			continue;
		present |= 1U << __builtin_ctz(bits);
		dst[__builtin_ctz(bits)] = vcpu;
	}
	if (!lowest_priority(irq) || !wanted)
		return present;
	/* Hashed over all that are meant: one that is absent takes nothing. */
	wanted = 1U << nth_bit(wanted, irq->vector % (unsigned int)__builtin_popcount(wanted));
	return present & wanted;
}

static int deliver_to_set(struct kvm_vcpu *const dst[MAX_LOGICAL], uint32_t set,
			  const struct kvm_lapic_irq *irq)
{
	int taken = 0;

	for (; set; set &= set - 1)
		taken += kvm_lapic_accept(dst[__builtin_ctz(set)], irq);
	return taken;
}

/* A broadcast: everybody, or of the lowest priority the one of them that hashing chooses. */
static int deliver_broadcast(struct kvm *kvm, const struct kvm_lapic_irq *irq)
{
	unsigned int enabled = 0, chosen, taken = 0;
	struct kvm_vcpu *vcpu;

	/* KVM makes a physical one of the lowest priority fixed. */
	if (!irq->logical || !lowest_priority(irq)) {
		for (unsigned int i = 0; (vcpu = kvm_nth_vcpu(kvm, i)); i++)
			taken += (unsigned int)kvm_lapic_accept(vcpu, irq);
		return (int)taken;
	}
	for (unsigned int i = 0; (vcpu = kvm_nth_vcpu(kvm, i)); i++)
		enabled += kvm_lapic_enabled(vcpu);
	if (!enabled)
		return -EPERM;
	chosen = irq->vector % enabled;
	for (unsigned int i = 0; (vcpu = kvm_nth_vcpu(kvm, i)); i++)
		if (kvm_lapic_enabled(vcpu) && !chosen--)
			return kvm_lapic_accept(vcpu, irq);
	return 0; /* switched off meanwhile */
}

static struct kvm_vcpu *physical_dest(struct kvm *kvm, uint32_t id)
{
	struct kvm_vcpu *vcpu;

	for (unsigned int i = 0; (vcpu = kvm_nth_vcpu(kvm, i)); i++)
		if (kvm_lapic_id(vcpu) == id)
			return vcpu;
	return NULL;
}

int kvm_irq_delivery_to_apic(struct kvm *kvm, const struct kvm_lapic_irq *irq)
{
	struct kvm_vcpu *dst[MAX_LOGICAL], *vcpu;

	if (!atomic_load(&kvm->nr_vcpus))
		return -EPERM;
	if (is_broadcast(kvm, irq->dest_id))
		return deliver_broadcast(kvm, irq);
	if (irq->logical)
		return deliver_to_set(dst, logical_dest(kvm, irq, dst), irq);
	vcpu = physical_dest(kvm, irq->dest_id);
	return vcpu ? kvm_lapic_accept(vcpu, irq) : 0;
}

struct kvm_vcpu *kvm_intr_single_vcpu(struct kvm *kvm, const struct kvm_lapic_irq *irq)
{
	struct kvm_vcpu *dst[MAX_LOGICAL], *vcpu, *one = NULL;
	unsigned int nr = 0;
	uint32_t set;

	if (!is_broadcast(kvm, irq->dest_id)) {
		if (!irq->logical)
			return physical_dest(kvm, irq->dest_id);
		set = logical_dest(kvm, irq, dst);
		if (__builtin_popcount(set) == 1)
			return dst[__builtin_ctz(set)];
	}
	for (unsigned int i = 0; (vcpu = kvm_nth_vcpu(kvm, i)); i++)
		if (matches(vcpu, irq)) {
			one = vcpu;
			nr++;
		}
	return nr == 1 ? one : NULL;
}
