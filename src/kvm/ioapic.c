/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software model's I/O APIC (Intel 82093AA; arch/x86/kvm/ioapic.c): 24 pins with a redirection
 * entry each. A level stays in service (Remote IRR) until the EOI of its vector comes back; the
 * acknowledgement is told to the pin's notifiers, and a line that is still up is sent again.
 *
 * Lock: ioapic.lock. It is dropped around the notifiers, which lower and raise lines.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <string.h>

#define PINS		 KVM_IOAPIC_NUM_PINS
#define BASE_ADDRESS	 0xfec00000
#define VERSION		 0x11
#define REG_ID		 0
#define REG_VERSION	 1
#define REG_ARBITRATION	 2
#define REG_REDIRECTIONS 0x10

#define ENTRY_REMOTE_IRR BIT_ULL(14)
#define ENTRY_LEVEL	 BIT_ULL(15)
#define ENTRY_MASKED	 BIT_ULL(16)
#define ENTRY_READ_ONLY	 (BIT_ULL(12) | ENTRY_REMOTE_IRR)

void kvm_ioapic_reset(struct kvm *kvm)
{
	struct kvm_ioapic *ioapic = &kvm->ioapic;

	memset(&ioapic->state, 0, sizeof(ioapic->state));
	ioapic->state.base_address = BASE_ADDRESS;
	for (unsigned int pin = 0; pin < PINS; pin++)
		ioapic->state.redirtbl[pin].bits = ENTRY_MASKED;
}

/* Sends the pin's interrupt. How many vCPUs took it, negative: masked, in service, or nobody. */
static int service_locked(struct kvm *kvm, unsigned int pin)
{
	struct kvm_ioapic *ioapic = &kvm->ioapic;
	uint64_t entry = ioapic->state.redirtbl[pin].bits;
	struct kvm_lapic_irq irq = {
		.dest_id = (uint32_t)(entry >> 56),
		.vector = (uint8_t)entry,
		.delivery_mode = entry >> 8 & 7,
		.logical = entry & BIT_ULL(11),
		.level = entry & ENTRY_LEVEL,
	};
	int ret;

	if (entry & ENTRY_MASKED || (irq.level && entry & ENTRY_REMOTE_IRR))
		return -EPERM;
	if (!irq.level)
		ioapic->irr_delivered |= BIT(pin);
	ret = kvm_irq_delivery_to_apic(kvm, &irq);
	if (ret && irq.level)
		ioapic->state.redirtbl[pin].bits |= ENTRY_REMOTE_IRR;
	return ret;
}

static int set_pin_locked(struct kvm *kvm, unsigned int pin, bool level)
{
	struct kvm_ioapic *ioapic = &kvm->ioapic;
	uint32_t before = ioapic->state.irr;

	if (!level) {
		ioapic->state.irr &= ~BIT(pin);
		return 1;
	}
	ioapic->state.irr |= BIT(pin);
	if (!(ioapic->state.redirtbl[pin].bits & ENTRY_LEVEL)) {
		ioapic->irr_delivered &= ~BIT(pin);
		if (before & BIT(pin))
			return 0; /* no edge */
	}
	return service_locked(kvm, pin);
}

int kvm_ioapic_set_irq(struct kvm *kvm, unsigned int pin, unsigned int source_id, int level)
{
	struct kvm_ioapic *ioapic = &kvm->ioapic;
	int ret;

	pthread_mutex_lock(&ioapic->lock);
	if (level)
		ioapic->lines[pin] |= BIT(source_id);
	else
		ioapic->lines[pin] &= ~BIT(source_id);
	ret = set_pin_locked(kvm, pin, ioapic->lines[pin] != 0);
	pthread_mutex_unlock(&ioapic->lock);
	return ret;
}

void kvm_ioapic_update_eoi(struct kvm *kvm, uint8_t vector, bool level)
{
	struct kvm_ioapic *ioapic = &kvm->ioapic;

	pthread_mutex_lock(&ioapic->lock);
	for (unsigned int pin = 0; pin < PINS; pin++) {
		union {
			uint64_t bits;
		} entry = { ioapic->state.redirtbl[pin].bits };

		if ((uint8_t)entry.bits != vector)
			continue;
		pthread_mutex_unlock(&ioapic->lock);
		kvm_notify_acked_irq(kvm, KVM_IRQCHIP_IOAPIC, pin);
		pthread_mutex_lock(&ioapic->lock);
		if (!level || !(ioapic->state.redirtbl[pin].bits & ENTRY_LEVEL))
			continue;
		ioapic->state.redirtbl[pin].bits &= ~ENTRY_REMOTE_IRR;
		if (ioapic->state.irr & BIT(pin))
			service_locked(kvm, pin);
	}
	pthread_mutex_unlock(&ioapic->lock);
}

static uint32_t read_locked(const struct kvm_ioapic_state *state)
{
	unsigned int pin = (state->ioregsel - REG_REDIRECTIONS) / 2;

	switch (state->ioregsel) {
	case REG_VERSION:
		return VERSION | (PINS - 1) << 16;
	case REG_ID:
	case REG_ARBITRATION:
		return (state->id & 0xf) << 24;
	default:
		if (state->ioregsel < REG_REDIRECTIONS || pin >= PINS)
			return ~0U;
		return (uint32_t)(state->redirtbl[pin].bits >> (state->ioregsel & 1 ? 32 : 0));
	}
}

static void write_entry_locked(struct kvm *kvm, unsigned int pin, bool high, uint32_t value)
{
	struct kvm_ioapic_state *state = &kvm->ioapic.state;
	uint64_t entry = state->redirtbl[pin].bits, before = entry;

	if (high)
		entry = (uint32_t)entry | (uint64_t)value << 32;
	else
		entry = (entry & ~0xffffffffULL) | value;
	entry = (entry & ~ENTRY_READ_ONLY) | (before & ENTRY_READ_ONLY);
	/* An edge has no Remote IRR: systems switch the mode to and fro to clear it. */
	if (!(entry & ENTRY_LEVEL))
		entry &= ~ENTRY_REMOTE_IRR;
	state->redirtbl[pin].bits = entry;
	if (entry & ENTRY_LEVEL && state->irr & BIT(pin))
		service_locked(kvm, pin);
}

int kvm_ioapic_access(struct kvm *kvm, unsigned int offset, bool write, uint32_t *value)
{
	struct kvm_ioapic_state *state = &kvm->ioapic.state;
	unsigned int pin;
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if (kvm_is_real(kvm))
		return -EOPNOTSUPP;
	if (!atomic_load(&kvm->irqchip))
		return -ENXIO;
	if (offset != 0 && offset != 0x10)
		return -EINVAL;
	pthread_mutex_lock(&kvm->ioapic.lock);
	pin = (state->ioregsel - REG_REDIRECTIONS) / 2;
	if (!write)
		*value = offset ? read_locked(state) : state->ioregsel;
	else if (!offset)
		state->ioregsel = *value & 0xff;
	else if (state->ioregsel == REG_ID)
		state->id = *value >> 24 & 0xf;
	else if (state->ioregsel >= REG_REDIRECTIONS && pin < PINS)
		write_entry_locked(kvm, pin, state->ioregsel & 1, *value);
	pthread_mutex_unlock(&kvm->ioapic.lock);
	return 0;
}

/* KVM_GET_IRQCHIP and KVM_SET_IRQCHIP: an edge that was sent is not pending; what is set pending is
 * sent at once. */
void kvm_ioapic_state(struct kvm *kvm, struct kvm_ioapic_state *state, bool set)
{
	struct kvm_ioapic *ioapic = &kvm->ioapic;

	pthread_mutex_lock(&ioapic->lock);
	if (set) {
		ioapic->state = *state;
		ioapic->state.irr = 0;
		ioapic->irr_delivered = 0;
		for (unsigned int pin = 0; pin < PINS; pin++)
			if (state->irr & BIT(pin))
				set_pin_locked(kvm, pin, true);
	} else {
		*state = ioapic->state;
		state->irr &= ~ioapic->irr_delivered;
	}
	pthread_mutex_unlock(&ioapic->lock);
}
