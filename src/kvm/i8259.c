/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software model's pair of interrupt controllers (Intel 8259A; arch/x86/kvm/i8259.c), slave on
 * the master's pin 2: what a guest in PIC mode needs for an INTx line. Modes are those that KVM
 * has: no single mode, no level mode but by ELCR.
 *
 * Lock: pic.lock, dropped around the notifiers of an acknowledged pin. `output` is the line to the
 * boot processor's LINT0, read without lock.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>

#define CASCADE 2
#define NONE	8 /* no priority */

static unsigned int chip_of(const struct kvm *kvm, const struct kvm_pic_state *s)
{
	return s == &kvm->pic.chip[1];
}

/* The place of the first set bit in order of priority. */
static unsigned int priority_of(const struct kvm_pic_state *s, unsigned int mask)
{
	unsigned int priority = 0;

	if (!mask)
		return NONE;
	while (!(mask & BIT((priority + s->priority_add) & 7)))
		priority++;
	return priority;
}

/* The pin to serve now, -1: none beats what is in service. */
static int wanted_irq(const struct kvm *kvm, const struct kvm_pic_state *s)
{
	unsigned int priority = priority_of(s, s->irr & ~s->imr), in_service = s->isr;

	if (priority == NONE)
		return -1;
	/* In this mode the slave may interrupt itself. */
	if (s->special_fully_nested_mode && !chip_of(kvm, s))
		in_service &= ~BIT(CASCADE);
	return priority < priority_of(s, in_service) ? (int)((priority + s->priority_add) & 7) : -1;
}

static int set_irq1(struct kvm_pic_state *s, unsigned int irq, bool level)
{
	uint8_t mask = (uint8_t)BIT(irq);
	int ret = 1;

	if (!level) {
		s->last_irr &= (uint8_t)~mask;
		if (s->elcr & mask)
			s->irr &= (uint8_t)~mask;
	} else {
		if (s->elcr & mask || !(s->last_irr & mask)) {
			ret = !(s->irr & mask);
			s->irr |= mask;
		}
		s->last_irr |= mask;
	}
	return s->imr & mask ? -EPERM : ret;
}

static void update_locked(struct kvm *kvm)
{
	struct kvm_pic *pic = &kvm->pic;

	if (wanted_irq(kvm, &pic->chip[1]) >= 0) {
		/* An edge on the cascade. */
		set_irq1(&pic->chip[0], CASCADE, true);
		set_irq1(&pic->chip[0], CASCADE, false);
	}
	atomic_store(&pic->output, wanted_irq(kvm, &pic->chip[0]) >= 0);
}

void kvm_pic_reset(struct kvm *kvm)
{
	kvm->pic.chip[0] = (struct kvm_pic_state){ .elcr_mask = 0xf8 };
	kvm->pic.chip[1] = (struct kvm_pic_state){ .elcr_mask = 0xde };
}

int kvm_pic_set_irq(struct kvm *kvm, unsigned int pin, unsigned int source_id, int level)
{
	struct kvm_pic *pic = &kvm->pic;
	int ret;

	pthread_mutex_lock(&pic->lock);
	if (level)
		pic->lines[pin] |= BIT(source_id);
	else
		pic->lines[pin] &= ~BIT(source_id);
	ret = set_irq1(&pic->chip[pin / PIC_PINS], pin % PIC_PINS, pic->lines[pin] != 0);
	update_locked(kvm);
	pthread_mutex_unlock(&pic->lock);
	return ret;
}

/* The pin's service has ended. */
static void clear_isr_locked(struct kvm *kvm, struct kvm_pic_state *s, unsigned int irq)
{
	unsigned int chip = chip_of(kvm, s);

	s->isr &= (uint8_t)~BIT(irq);
	pthread_mutex_unlock(&kvm->pic.lock);
	kvm_notify_acked_irq(kvm, chip ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER, irq);
	pthread_mutex_lock(&kvm->pic.lock);
}

static void acknowledge_locked(struct kvm *kvm, struct kvm_pic_state *s, unsigned int irq)
{
	s->isr |= (uint8_t)BIT(irq);
	if (!(s->elcr & BIT(irq)))
		s->irr &= (uint8_t)~BIT(irq);
	if (s->auto_eoi) {
		if (s->rotate_on_auto_eoi)
			s->priority_add = (uint8_t)((irq + 1) & 7);
		clear_isr_locked(kvm, s, irq);
	}
}

uint8_t kvm_pic_read_irq(struct kvm *kvm)
{
	struct kvm_pic_state *master = &kvm->pic.chip[0], *slave = &kvm->pic.chip[1];
	int irq, irq2;
	uint8_t vector;

	pthread_mutex_lock(&kvm->pic.lock);
	irq = wanted_irq(kvm, master);
	if (irq < 0) {
		vector = (uint8_t)(master->irq_base + 7); /* spurious */
	} else {
		acknowledge_locked(kvm, master, (unsigned int)irq);
		vector = (uint8_t)(master->irq_base + irq);
	}
	if (irq == CASCADE) {
		irq2 = wanted_irq(kvm, slave);
		if (irq2 >= 0)
			acknowledge_locked(kvm, slave, (unsigned int)irq2);
		vector = (uint8_t)(slave->irq_base + (irq2 < 0 ? 7 : irq2));
	}
	update_locked(kvm);
	pthread_mutex_unlock(&kvm->pic.lock);
	return vector;
}

/* ICW1: everything anew but ELCR and lines that are up. */
static void begin_init_locked(struct kvm *kvm, struct kvm_pic_state *s, uint8_t value)
{
	uint8_t edges = (uint8_t)(s->irr & ~s->elcr);

	s->init4 = value & 1;
	s->last_irr = 0;
	s->irr &= s->elcr;
	s->imr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	if (!s->init4) {
		s->special_fully_nested_mode = 0;
		s->auto_eoi = 0;
	}
	s->init_state = 1;
	for (unsigned int irq = 0; irq < PIC_PINS; irq++)
		if (edges & BIT(irq))
			clear_isr_locked(kvm, s, irq);
}

/* OCW2: ends of interrupts and rotation. */
static void command_locked(struct kvm *kvm, struct kvm_pic_state *s, uint8_t value)
{
	unsigned int command = value >> 5, irq = value & 7;

	switch (command) {
	case 0:
	case 4:
		s->rotate_on_auto_eoi = (uint8_t)(command >> 2);
		return;
	case 1:
	case 5:
		irq = priority_of(s, s->isr);
		if (irq == NONE)
			return;
		irq = (irq + s->priority_add) & 7;
		break;
	case 3:
	case 7:
		break;
	case 6:
		s->priority_add = (uint8_t)((irq + 1) & 7);
		update_locked(kvm);
		return;
	default:
		return;
	}
	if (command >= 5)
		s->priority_add = (uint8_t)((irq + 1) & 7);
	clear_isr_locked(kvm, s, irq);
	update_locked(kvm);
}

static void write_even_locked(struct kvm *kvm, struct kvm_pic_state *s, uint8_t value)
{
	if (value & 0x10) {
		begin_init_locked(kvm, s, value);
	} else if (value & 0x08) {
		if (value & 0x04)
			s->poll = 1;
		if (value & 0x02)
			s->read_reg_select = value & 1;
		if (value & 0x40)
			s->special_mask = value >> 5 & 1;
	} else {
		command_locked(kvm, s, value);
	}
}

static void write_odd_locked(struct kvm *kvm, struct kvm_pic_state *s, uint8_t value)
{
	switch (s->init_state) {
	case 0: /* OCW1 */
		s->imr = value;
		update_locked(kvm);
		break;
	case 1: /* ICW2 */
		s->irq_base = value & 0xf8;
		s->init_state = 2;
		break;
	case 2: /* ICW3 */
		s->init_state = s->init4 ? 3 : 0;
		break;
	default: /* ICW4 */
		s->special_fully_nested_mode = value >> 4 & 1;
		s->auto_eoi = value >> 1 & 1;
		s->init_state = 0;
		break;
	}
}

/* A read in poll mode is the acknowledge cycle of this chip alone. */
static uint8_t poll_locked(struct kvm *kvm, struct kvm_pic_state *s)
{
	int irq = wanted_irq(kvm, s);

	s->poll = 0;
	if (irq < 0) {
		update_locked(kvm);
		return 7;
	}
	acknowledge_locked(kvm, s, (unsigned int)irq);
	update_locked(kvm);
	return (uint8_t)(0x80 | irq);
}

static uint8_t read_locked(struct kvm *kvm, struct kvm_pic_state *s, bool odd)
{
	if (s->poll)
		return poll_locked(kvm, s);
	if (odd)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

static void access_locked(struct kvm *kvm, unsigned int port, bool write, uint8_t *value)
{
	struct kvm_pic_state *s = &kvm->pic.chip[port >= 0x4d0 ? port & 1 : port >= 0xa0];

	if (port >= 0x4d0) {
		if (write)
			s->elcr = *value & s->elcr_mask;
		else
			*value = s->elcr;
	} else if (!write) {
		*value = read_locked(kvm, s, port & 1);
	} else if (port & 1) {
		write_odd_locked(kvm, s, *value);
	} else {
		write_even_locked(kvm, s, *value);
	}
}

int kvm_pic_access(struct kvm *kvm, unsigned int port, bool write, uint8_t *value)
{
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if (kvm_is_real(kvm))
		return -EOPNOTSUPP;
	if (!atomic_load(&kvm->irqchip))
		return -ENXIO;
	if ((port & ~1U) != 0x20 && (port & ~1U) != 0xa0 && (port & ~1U) != 0x4d0)
		return -EINVAL;
	pthread_mutex_lock(&kvm->pic.lock);
	access_locked(kvm, port, write, value);
	pthread_mutex_unlock(&kvm->pic.lock);
	return 0;
}

void kvm_pic_state(struct kvm *kvm, unsigned int chip, struct kvm_pic_state *state, bool set)
{
	pthread_mutex_lock(&kvm->pic.lock);
	if (set) {
		uint8_t elcr_mask = kvm->pic.chip[chip].elcr_mask;

		kvm->pic.chip[chip] = *state;
		kvm->pic.chip[chip].elcr_mask = elcr_mask;
		update_locked(kvm);
	} else {
		*state = kvm->pic.chip[chip];
	}
	pthread_mutex_unlock(&kvm->pic.lock);
}
