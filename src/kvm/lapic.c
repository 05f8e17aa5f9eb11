/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software model's local APIC (Intel SDM volume 3, chapter 11; arch/x86/kvm/lapic.c): the
 * registers that decide whether, where and when an external interrupt is taken. Reset values and
 * what is writable are KVM's. Not modelled: the timer, IPIs, the performance and thermal entries
 * (their registers keep what is written), and delivery modes other than fixed and lowest priority.
 *
 * Registers are atomic words and no lock is taken: an interrupt may be posted by a thread that
 * stands in a signal handler. A vector is one bit in IRR, moved to ISR by the acknowledge cycle and
 * cleared by EOI; who clears a bit and who sets it meet in one atomic operation, so none is lost.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <string.h>

#define LAPIC_VERSION 0x14
#define MAX_LVT	      5 /* entries less one */

static void set_reg(struct kvm_vcpu *vcpu, unsigned int reg, uint32_t value)
{
	atomic_store_explicit(&vcpu->regs[reg / 4], value, memory_order_relaxed);
}

/* The word of a 256-bit register that holds @vector. */
static _Atomic uint32_t *vector_word(struct kvm_vcpu *vcpu, unsigned int reg, uint8_t vector)
{
	return &vcpu->regs[(reg + vector / 32 * 0x10) / 4];
}

static void set_vector(struct kvm_vcpu *vcpu, unsigned int reg, uint8_t vector)
{
	atomic_fetch_or(vector_word(vcpu, reg, vector), BIT(vector % 32));
}

/* Whether it was set. */
static bool clear_vector(struct kvm_vcpu *vcpu, unsigned int reg, uint8_t vector)
{
	return atomic_fetch_and(vector_word(vcpu, reg, vector), ~BIT(vector % 32)) &
	       BIT(vector % 32);
}

static bool test_vector(struct kvm_vcpu *vcpu, unsigned int reg, uint8_t vector)
{
	return atomic_load(vector_word(vcpu, reg, vector)) & BIT(vector % 32);
}

/* The highest vector of a 256-bit register, -1: none. */
static int highest_vector(struct kvm_vcpu *vcpu, unsigned int reg)
{
	for (int word = 7; word >= 0; word--) {
		uint32_t bits = atomic_load(&vcpu->regs[(reg + (unsigned int)word * 0x10) / 4]);

		if (bits)
			return word * 32 + 31 - __builtin_clz(bits);
	}
	return -1;
}

static uint32_t x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1U << (id & 0xf);
}

void kvm_lapic_reset(struct kvm_vcpu *vcpu)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(vcpu->regs); i++)
		atomic_store_explicit(&vcpu->regs[i], 0, memory_order_relaxed);
	if (vcpu->x2apic) {
		set_reg(vcpu, APIC_ID, vcpu->id);
		set_reg(vcpu, APIC_LDR, x2apic_ldr(vcpu->id));
	} else {
		set_reg(vcpu, APIC_ID, vcpu->id << 24);
	}
	set_reg(vcpu, APIC_LVR, LAPIC_VERSION | MAX_LVT << 16);
	set_reg(vcpu, APIC_DFR, APIC_DFR_FLAT);
	set_reg(vcpu, APIC_SPIV, 0xff);
	for (unsigned int reg = APIC_LVTT; reg <= APIC_LVTERR; reg += 0x10)
		set_reg(vcpu, reg, APIC_LVT_MASKED);
	/* The boot processor takes the PIC's interrupts from the start. */
	if (vcpu->id == 0)
		set_reg(vcpu, APIC_LVT0, APIC_DM_EXTINT << 8);
}

bool kvm_lapic_enabled(const struct kvm_vcpu *vcpu)
{
	return kvm_lapic_reg(vcpu, APIC_SPIV) & APIC_SPIV_APIC_ENABLED;
}

uint32_t kvm_lapic_id(const struct kvm_vcpu *vcpu)
{
	uint32_t id = kvm_lapic_reg(vcpu, APIC_ID);

	return vcpu->x2apic ? id : id >> 24;
}

int kvm_lapic_accept(struct kvm_vcpu *vcpu, const struct kvm_lapic_irq *irq)
{
	if (irq->delivery_mode != APIC_DM_FIXED && irq->delivery_mode != APIC_DM_LOWEST)
		return 0;
	if (!kvm_lapic_enabled(vcpu))
		return 0;
	/* The trigger mode stands before the request that EOI looks it up for. */
	if (irq->level)
		set_vector(vcpu, APIC_TMR, irq->vector);
	else
		clear_vector(vcpu, APIC_TMR, irq->vector);
	set_vector(vcpu, APIC_IRR, irq->vector);
	return 1;
}

void kvm_sync_pir_to_irr(struct kvm_vcpu *vcpu)
{
	uint64_t requests[4];

	if (!pi_take(&vcpu->pi_desc, requests))
		return;
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int half = 0; half < 2; half++) {
			uint32_t bits = (uint32_t)(requests[i] >> 32 * half);
			unsigned int word = (2 * i + half) * 0x10;

			if (!bits)
				continue;
			atomic_fetch_and(&vcpu->regs[(APIC_TMR + word) / 4], ~bits);
			atomic_fetch_or(&vcpu->regs[(APIC_IRR + word) / 4], bits);
		}
}

/* The remapping hardware has put @vector into the descriptor, or (AMD) into IRR itself. Posted
 * interrupts are edges. */
void kvm_lapic_posted(struct kvm_vcpu *vcpu, uint8_t vector)
{
	clear_vector(vcpu, APIC_TMR, vector);
	kvm_sync_pir_to_irr(vcpu);
}

/* KVM_GET_LAPIC and KVM_SET_LAPIC: the layout of the register page; in x2APIC mode the id stands
 * where xAPIC has it, unless 32-bit ids were asked for. */
int kvm_lapic_soft(struct kvm_vcpu *vcpu, struct kvm_lapic_state *state, bool set)
{
	uint32_t words[sizeof(state->regs) / 4];
	bool moved = vcpu->x2apic && !vcpu->kvm->x2apic_format;

	kvm_sync_pir_to_irr(vcpu);
	if (!set) {
		for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
			words[i] = kvm_lapic_reg(vcpu, i * 4);
		if (moved)
			words[APIC_ID / 4] <<= 24;
		memcpy(state->regs, words, sizeof(words));
		return 0;
	}
	memcpy(words, state->regs, sizeof(words));
	if (moved)
		words[APIC_ID / 4] >>= 24;
	if (vcpu->x2apic) {
		if (words[APIC_ID / 4] != vcpu->id)
			return -EINVAL;
		words[APIC_LDR / 4] = x2apic_ldr(vcpu->id);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
		set_reg(vcpu, i * 4, words[i]);
	return 0;
}

/* The class below which nothing is taken: of TPR, or of what is in service. */
static uint32_t processor_priority(struct kvm_vcpu *vcpu)
{
	uint32_t tpr = kvm_lapic_reg(vcpu, APIC_TASKPRI) & 0xff;
	int isr = highest_vector(vcpu, APIC_ISR);
	uint32_t in_service = isr < 0 ? 0 : (uint32_t)isr;

	return (tpr & 0xf0) >= (in_service & 0xf0) ? tpr : in_service & 0xf0;
}

/* The vector that would be taken now, -1: none. */
static int pending_vector(struct kvm_vcpu *vcpu)
{
	int irr;

	kvm_sync_pir_to_irr(vcpu);
	if (!kvm_lapic_enabled(vcpu))
		return -1;
	irr = highest_vector(vcpu, APIC_IRR);
	return irr >= 0 && ((uint32_t)irr & 0xf0) > (processor_priority(vcpu) & 0xf0) ? irr : -1;
}

static bool takes_extint(struct kvm_vcpu *vcpu)
{
	uint32_t lvt0 = kvm_lapic_reg(vcpu, APIC_LVT0);

	return atomic_load(&vcpu->kvm->irqchip) && !(lvt0 & APIC_LVT_MASKED) &&
	       (lvt0 >> 8 & 7) == APIC_DM_EXTINT && atomic_load(&vcpu->kvm->pic.output);
}

static int find_soft(struct kvm *kvm, unsigned int id, struct kvm_vcpu **out)
{
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if (kvm_is_real(kvm))
		return -EOPNOTSUPP;
	*out = kvm_get_vcpu_by_id(kvm, id);
	return *out ? 0 : -EINVAL;
}

int kvm_has_interrupt(struct kvm *kvm, unsigned int id)
{
	struct kvm_vcpu *vcpu;
	int ret = find_soft(kvm, id, &vcpu);

	return ret ? ret : takes_extint(vcpu) || pending_vector(vcpu) >= 0;
}

int kvm_get_interrupt(struct kvm *kvm, unsigned int id)
{
	struct kvm_vcpu *vcpu;
	int ret = find_soft(kvm, id, &vcpu);

	if (ret)
		return ret;
	if (takes_extint(vcpu))
		return kvm_pic_read_irq(kvm);
	ret = pending_vector(vcpu);
	if (ret < 0 || !clear_vector(vcpu, APIC_IRR, (uint8_t)ret))
		return (int)(kvm_lapic_reg(vcpu, APIC_SPIV) & 0xff);
	set_vector(vcpu, APIC_ISR, (uint8_t)ret);
	return ret;
}

int kvm_lapic_read(struct kvm *kvm, unsigned int id, uint32_t reg, uint32_t *value)
{
	struct kvm_vcpu *vcpu;
	int ret = find_soft(kvm, id, &vcpu);

	if (ret)
		return ret;
	if (reg % 0x10 || reg >= sizeof(((struct kvm_lapic_state *)0)->regs))
		return -EINVAL;
	kvm_sync_pir_to_irr(vcpu);
	*value = reg == APIC_PROCPRI ? processor_priority(vcpu) : kvm_lapic_reg(vcpu, reg);
	return 0;
}

/* The end of what is in service; a level goes back to the I/O APIC. */
static void end_of_interrupt(struct kvm_vcpu *vcpu)
{
	int vector = highest_vector(vcpu, APIC_ISR);

	if (vector < 0)
		return;
	clear_vector(vcpu, APIC_ISR, (uint8_t)vector);
	if (atomic_load(&vcpu->kvm->irqchip))
		kvm_ioapic_update_eoi(vcpu->kvm, (uint8_t)vector,
				      test_vector(vcpu, APIC_TMR, (uint8_t)vector));
}

static void write_spiv(struct kvm_vcpu *vcpu, uint32_t value)
{
	set_reg(vcpu, APIC_SPIV, value & 0x3ff);
	if (value & APIC_SPIV_APIC_ENABLED)
		return;
	for (unsigned int reg = APIC_LVTT; reg <= APIC_LVTERR; reg += 0x10)
		atomic_fetch_or(&vcpu->regs[reg / 4], APIC_LVT_MASKED);
}

int kvm_lapic_write(struct kvm *kvm, unsigned int id, uint32_t reg, uint32_t value)
{
	struct kvm_vcpu *vcpu;
	int ret = find_soft(kvm, id, &vcpu);

	if (ret)
		return ret;
	if (reg % 0x10 || reg >= sizeof(((struct kvm_lapic_state *)0)->regs))
		return -EINVAL;
	switch (reg) {
	case APIC_ID:
		if (!vcpu->x2apic)
			set_reg(vcpu, reg, value & 0xff000000);
		break;
	case APIC_TASKPRI:
		set_reg(vcpu, reg, value & 0xff);
		break;
	case APIC_EOI:
		end_of_interrupt(vcpu);
		break;
	case APIC_LDR:
		if (!vcpu->x2apic)
			set_reg(vcpu, reg, value & 0xff000000);
		break;
	case APIC_DFR:
		if (!vcpu->x2apic)
			set_reg(vcpu, reg, value | 0x0fffffff);
		break;
	case APIC_SPIV:
		write_spiv(vcpu, value);
		break;
	case APIC_LVTT ... APIC_LVTERR:
		set_reg(vcpu, reg, kvm_lapic_enabled(vcpu) ? value : value | APIC_LVT_MASKED);
		break;
	default:
		/* Read-only, or of a part that is not modelled. */
		break;
	}
	return 0;
}
