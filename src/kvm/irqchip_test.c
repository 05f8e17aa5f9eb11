/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts: the same calls on the software model and, where there is one, a real VM. Each case
 * runs as it stands on both; returns, IRR and TMR are expected to be what the table says, and the
 * table is right when the real VM agrees.
 */
#include "kvm/kvm_fixture.h"

#define VCPUS 3

static uint32_t irr(struct kvm *kvm, unsigned int vcpu, unsigned int vector)
{
	return lapic_bit(kvm, vcpu, 0x200, vector) | (uint32_t)lapic_bit(kvm, vcpu, 0x180, vector)
							     << 1;
}

struct msi_case {
	uint32_t address, data;
	int ret;
	uint8_t irr[VCPUS]; /* 1: requested, 2: as a level */
};

#define DEST(id)  (0xfee00000U | (uint32_t)(id) << 12)
#define LOGICAL	  4
#define HINT	  8
#define LOWEST(v) (0x100U | (v))
#define LEVEL(v)  (0x8000U | 0x4000U | (v))

static const struct msi_case msi_cases[] = {
	{ DEST(0), 0x31, 1, { 1, 0, 0 } },
	{ DEST(2), 0x32, 1, { 0, 0, 1 } },
	{ DEST(7), 0x33, 0, { 0, 0, 0 } },	     /* nobody has this id */
	{ DEST(0xff), 0x34, 3, { 1, 1, 1 } },	     /* broadcast */
	{ DEST(6) | LOGICAL, 0x35, 2, { 0, 1, 1 } }, /* a set, fixed */
	{ DEST(1) | LOGICAL, 0x36, 1, { 1, 0, 0 } },
	{ DEST(0x10) | LOGICAL, 0x37, 0, { 0, 0, 0 } },
	{ DEST(0xff) | LOGICAL, 0x38, 3, { 1, 1, 1 } },
	{ DEST(7) | LOGICAL, LOWEST(0x39), 1, { 1, 0, 0 } }, /* 0x39 % 3 == 0 */
	{ DEST(7) | LOGICAL, LOWEST(0x3a), 1, { 0, 1, 0 } },
	{ DEST(6) | LOGICAL, LOWEST(0x3b), 1, { 0, 0, 1 } },
	{ DEST(7) | LOGICAL | HINT, 0x3e, 1, { 0, 0, 1 } }, /* redirected */
	{ DEST(1), LOWEST(0x3f), 1, { 0, 1, 0 } },
	{ DEST(0xff), LOWEST(0x40), 3, { 1, 1, 1 } },
	{ DEST(0x18) | LOGICAL, LOWEST(0x41), 0, { 0, 0, 0 } },
	{ DEST(1), LEVEL(0x42), 1, { 0, 3, 0 } },
	{ DEST(1), 0x42, 1, { 0, 1, 0 } }, /* an edge again */
	{ DEST(0), 0x31, 1, { 1, 0, 0 } }, /* requested already */
	{ DEST(0), 0x0f, 1, { 1, 0, 0 } }, /* KVM takes reserved vectors */
	{ DEST(0), 0xff, 1, { 1, 0, 0 } },
	{ DEST(0) | LOGICAL, 0x43, 0, { 0, 0, 0 } }, /* the empty set */
};

static void check_msis(bool real)
{
	struct kvm *kvm = kvm_with_vcpus(real, VCPUS);

	if (!kvm)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(msi_cases); i++) {
		const struct msi_case *c = &msi_cases[i];
		struct kvm_msi msi = { .address_lo = c->address, .data = c->data };
		int ret = kvm_signal_msi(kvm, &msi);

		ck_assert_msg(ret == c->ret, "%s case %zu: %d", real ? "real" : "soft", i, ret);
		for (unsigned int v = 0; v < VCPUS; v++)
			ck_assert_msg(irr(kvm, v, c->data & 0xff) == c->irr[v],
				      "%s case %zu: vCPU %u has %u", real ? "real" : "soft", i, v,
				      irr(kvm, v, c->data & 0xff));
	}
	kvm_destroy(kvm);
}

START_TEST(msis)
{
	check_msis(_i);
}
END_TEST

/* An APIC that is off takes nothing; clusters; nobody at all. */
static void check_off_and_clusters(bool real)
{
	struct kvm *kvm = kvm_with_vcpus(real, 0);
	struct kvm_msi msi = { .address_lo = DEST(0), .data = 0x51 };
	struct kvm_lapic_state state;
	uint32_t word;

	if (!kvm)
		return;
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), -EPERM);
	msi.flags = 2;
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), -EINVAL);
	kvm_destroy(kvm);

	kvm = kvm_with_vcpus(real, 2);
	msi.flags = 0;
	ck_assert_int_eq(kvm_get_lapic(kvm, 0, &state), 0);
	word = 0xff;
	memcpy(state.regs + 0xf0, &word, 4);
	ck_assert_int_eq(kvm_set_lapic(kvm, 0, &state), 0);
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 0);
	ck_assert(!lapic_bit(kvm, 0, 0x200, 0x51));
	msi = (struct kvm_msi){ .address_lo = DEST(3) | LOGICAL, .data = LOWEST(0x54) };
	/* Hashing chooses vCPU 0, which is off. */
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 0);
	ck_assert(!lapic_bit(kvm, 1, 0x200, 0x54));

	/* Both in the cluster model: 1 is number 1 of cluster 2. */
	for (unsigned int v = 0; v < 2; v++) {
		ck_assert_int_eq(kvm_get_lapic(kvm, v, &state), 0);
		word = 0x0fffffff;
		memcpy(state.regs + 0xe0, &word, 4);
		word = v ? 0x22000000 : 0x11000000;
		memcpy(state.regs + 0xd0, &word, 4);
		word = 0x1ff;
		memcpy(state.regs + 0xf0, &word, 4);
		ck_assert_int_eq(kvm_set_lapic(kvm, v, &state), 0);
	}
	msi = (struct kvm_msi){ .address_lo = DEST(0x2f) | LOGICAL, .data = 0x61 };
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 1);
	ck_assert(lapic_bit(kvm, 1, 0x200, 0x61));
	ck_assert(!lapic_bit(kvm, 0, 0x200, 0x61));
	msi = (struct kvm_msi){ .address_lo = DEST(0x21) | LOGICAL, .data = 0x62 };
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 0);
	kvm_destroy(kvm);
}

START_TEST(off_and_clusters)
{
	check_off_and_clusters(_i);
}
END_TEST

struct route_case {
	struct kvm_irq_routing_entry entries[2];
	unsigned int nr;
	int ret;
};

static void check_routes(bool real)
{
	struct kvm_irq_routing_entry devid = msi_route(30, DEST(0), 0x71),
				     bad_flag = msi_route(30, DEST(0), 0x71),
				     pin_flag = pin_route(5, KVM_IRQCHIP_IOAPIC, 5),
				     other = { .gsi = 3, .type = 77 };
	struct route_case cases[] = {
		{ { msi_route(30, DEST(0), 0x71), msi_route(31, DEST(1), 0x72) }, 2, 0 },
		{ { msi_route(30, DEST(0), 0x71), msi_route(30, DEST(1), 0x72) }, 2, -EINVAL },
		{ { msi_route(4095, DEST(0), 0x71) }, 1, 0 },
		{ { msi_route(4096, DEST(0), 0x71) }, 1, -EINVAL },
		{ { pin_route(5, KVM_IRQCHIP_IOAPIC, 23), pin_route(5, KVM_IRQCHIP_PIC_MASTER, 7) },
		  2,
		  0 },
		{ { pin_route(5, KVM_IRQCHIP_IOAPIC, 5), pin_route(5, KVM_IRQCHIP_IOAPIC, 6) },
		  2,
		  -EINVAL },
		{ { pin_route(5, KVM_IRQCHIP_IOAPIC, 5), msi_route(5, DEST(0), 1) }, 2, -EINVAL },
		{ { pin_route(5, KVM_IRQCHIP_IOAPIC, 24) }, 1, -EINVAL },
		{ { pin_route(5, KVM_IRQCHIP_PIC_SLAVE, 8) }, 1, -EINVAL },
		{ { pin_route(5, 3, 0) }, 1, -EINVAL },
		{ { devid }, 1, 0 },
		{ { bad_flag }, 1, -EINVAL },
		{ { pin_flag }, 1, -EINVAL },
		{ { other }, 1, -EINVAL },
		{ { msi_route(0, 0, 0) }, 0, 0 }, /* none at all */
	};
	struct kvm *kvm;

	cases[10].entries[0].flags = KVM_MSI_VALID_DEVID;
	cases[11].entries[0].flags = 2;
	cases[12].entries[0].flags = 1;
	kvm = kvm_with_vcpus(real, 1);
	if (!kvm)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int ret = kvm_set_irq_routing(kvm, cases[i].entries, cases[i].nr, 0);

		ck_assert_msg(ret == cases[i].ret, "%s case %zu: %d", real ? "real" : "soft", i,
			      ret);
	}
	ck_assert_int_eq(kvm_set_irq_routing(kvm, cases[0].entries, 1, 1), -EINVAL);
	/* Nothing is routed any more. */
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 30, 1), -EPERM);
	ck_assert_int_eq(kvm_set_irq_routing(kvm, cases[0].entries, 2, 0), 0);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 30, 1), 1);
	ck_assert(lapic_bit(kvm, 0, 0x200, 0x71));
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 30, 0), -EPERM);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 31, 1), 0); /* no such vCPU */
	kvm_destroy(kvm);
}

START_TEST(routes)
{
	check_routes(_i);
}
END_TEST

static void set_redirection(struct kvm *kvm, unsigned int pin, uint64_t bits)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	ck_assert_int_eq(kvm_get_irqchip(kvm, &chip), 0);
	chip.chip.ioapic.redirtbl[pin].bits = bits;
	ck_assert_int_eq(kvm_set_irqchip(kvm, &chip), 0);
}

static uint64_t redirection(struct kvm *kvm, unsigned int pin)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	ck_assert_int_eq(kvm_get_irqchip(kvm, &chip), 0);
	return chip.chip.ioapic.redirtbl[pin].bits;
}

/* Lines: returns and states as far as they can be reached without a running vCPU. */
static void check_lines(bool real)
{
	struct kvm *kvm = kvm_with_vcpus(real, 2);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	if (!kvm)
		return;
	ck_assert_int_eq(kvm_create_irqchip(kvm), -EEXIST);
	chip.chip_id = 3;
	ck_assert_int_eq(kvm_get_irqchip(kvm, &chip), -EINVAL);
	/* Masked, I/O APIC alone. */
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 20, 1), -EPERM);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 20, 0), 1);
	/* An edge, then none. */
	set_redirection(kvm, 21, 0x41 | 1ULL << 56);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 21, 1), 1);
	ck_assert_int_eq(irr(kvm, 1, 0x41), 1);
	ck_assert_int_eq(irr(kvm, 0, 0x41), 0);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 21, 1), 0);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 21, 0), 1);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 21, 1), 1);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 21, 0), 1);
	/* A level: in service until the EOI. */
	set_redirection(kvm, 22, 0x42 | 1 << 15);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 22, 1), 1);
	ck_assert_int_eq(irr(kvm, 0, 0x42), 3);
	ck_assert_uint_eq(redirection(kvm, 22), 0x42 | 1 << 15 | 1 << 14);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 22, 1), -EPERM);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 22, 0), 1);
	/* Nobody at the other end of a logical set. */
	set_redirection(kvm, 23, 0x43 | 1 << 11 | 0x80ULL << 56);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 23, 1), 0);
	/* Both chips: the PIC answers 1, or that the pin is masked. */
	set_redirection(kvm, 5, 0x44);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 5, 1), 2);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 5, 1), 1);
	chip.chip_id = KVM_IRQCHIP_PIC_MASTER;
	ck_assert_int_eq(kvm_get_irqchip(kvm, &chip), 0);
	ck_assert_uint_eq(chip.chip.pic.irr, 1 << 5);
	ck_assert_uint_eq(chip.chip.pic.last_irr, 1 << 5);
	ck_assert_uint_eq(chip.chip.pic.elcr_mask, 0xf8);
	chip.chip.pic.imr = 1 << 5;
	ck_assert_int_eq(kvm_set_irqchip(kvm, &chip), 0);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 5, 0), 1);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 5, 1), 1); /* the I/O APIC alone */
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 4095, 1), -EPERM);
	kvm_destroy(kvm);
}

START_TEST(lines)
{
	check_lines(_i);
}
END_TEST

/* The register page at reset, but for what KVM's version and CPU decide. */
START_TEST(reset_state)
{
	static const unsigned int regs[] = { 0x20,  0x80,  0xd0,  0xe0,	 0xf0,	0x100, 0x180,
					     0x200, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370 };
	int vm = real_vm(), fd;
	struct kvm *soft = soft_kvm(), *real = NULL;

	ck_assert_int_eq(kvm_add_vcpu(soft, 4096, -1), -EINVAL);
	ck_assert_int_eq(kvm_create_irqchip(soft), 0);
	if (vm >= 0) {
		real = real_kvm(dup(vm));
		ck_assert_int_eq(kvm_create_irqchip(real), 0);
	}
	for (unsigned int v = 0; v < 2; v++) {
		ck_assert_int_eq(kvm_add_vcpu(soft, v, -1), 0);
		ck_assert_int_eq(kvm_add_vcpu(soft, v, -1), -EEXIST);
		ck_assert_uint_eq(lapic_reg(soft, v, 0x30), 0x50014);
		ck_assert_uint_eq(lapic_reg(soft, v, 0x20), v << 24);
		if (vm < 0)
			continue;
		fd = ioctl(vm, KVM_CREATE_VCPU, v);
		ck_assert_int_eq(kvm_add_vcpu(real, v, fd), 0);
		close(fd);
		for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
			ck_assert_msg(lapic_reg(real, v, regs[i]) == lapic_reg(soft, v, regs[i]),
				      "register %x: real %x, soft %x", regs[i],
				      lapic_reg(real, v, regs[i]), lapic_reg(soft, v, regs[i]));
	}
	if (vm >= 0) {
		kvm_destroy(real);
		close(vm);
	}
	kvm_destroy(soft);
	soft = soft_kvm();
	ck_assert_int_eq(kvm_add_vcpu(soft, 0, -1), 0);
	ck_assert_int_eq(kvm_create_irqchip(soft), -EINVAL);
	ck_assert_int_eq(kvm_get_irqchip(soft, &(struct kvm_irqchip){ 0 }), -ENXIO);
	ck_assert_int_eq(kvm_get_lapic(soft, 0, &(struct kvm_lapic_state){ 0 }), -EINVAL);
	kvm_destroy(soft);
}
END_TEST

static void write_reg(struct kvm *kvm, uint32_t reg, uint32_t value)
{
	ck_assert_int_eq(kvm_lapic_write(kvm, 0, reg, value), 0);
}

static uint32_t read_reg(struct kvm *kvm, uint32_t reg)
{
	uint32_t value;

	ck_assert_int_eq(kvm_lapic_read(kvm, 0, reg, &value), 0);
	return value;
}

/* Acknowledge, service, EOI and priorities: what a core does with the model's APIC. */
START_TEST(service)
{
	struct kvm *kvm = kvm_with_vcpus(false, 1);
	struct kvm_msi low = { .address_lo = DEST(0), .data = 0x41 },
		       high = { .address_lo = DEST(0), .data = 0xa2 };

	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0xff); /* spurious */
	ck_assert_int_eq(kvm_signal_msi(kvm, &low), 1);
	ck_assert_int_eq(kvm_signal_msi(kvm, &high), 1);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0xa2);
	ck_assert(lapic_bit(kvm, 0, 0x100, 0xa2));
	ck_assert(!lapic_bit(kvm, 0, 0x200, 0xa2));
	ck_assert_uint_eq(read_reg(kvm, 0xa0), 0xa0); /* PPR */
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	/* Of the same class: waits. */
	high.data = 0xaf;
	ck_assert_int_eq(kvm_signal_msi(kvm, &high), 1);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	write_reg(kvm, 0xb0, 0);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0xaf);
	write_reg(kvm, 0xb0, 0);
	write_reg(kvm, 0x80, 0x4f); /* TPR */
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0xff);
	write_reg(kvm, 0x80, 0x3f);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 1);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x41);
	write_reg(kvm, 0xb0, 0);
	write_reg(kvm, 0xb0, 0); /* nothing in service: nothing happens */
	ck_assert_uint_eq(read_reg(kvm, 0xa0), 0x3f);

	/* Off: nothing comes, and the LVTs are masked. */
	write_reg(kvm, 0xf0, 0x0f7);
	ck_assert_int_eq(kvm_signal_msi(kvm, &low), 0);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0xf7);
	write_reg(kvm, 0x350, 0x700);
	ck_assert_uint_eq(read_reg(kvm, 0x350), 0x10700);
	write_reg(kvm, 0xd0, 0x12345678);
	ck_assert_uint_eq(read_reg(kvm, 0xd0), 0x12000000);
	write_reg(kvm, 0xe0, 0);
	ck_assert_uint_eq(read_reg(kvm, 0xe0), 0x0fffffff);
	ck_assert_int_eq(kvm_lapic_write(kvm, 0, 0x84, 0), -EINVAL);
	ck_assert_int_eq(kvm_lapic_write(kvm, 0, 0x400, 0), -EINVAL);
	ck_assert_int_eq(kvm_lapic_write(kvm, 9, 0x80, 0), -EINVAL);
	kvm_destroy(kvm);
}
END_TEST

struct ack_witness {
	struct kvm_irq_ack_notifier notifier;
	struct kvm *kvm;
	unsigned int count;
};

/* As a device's: it takes its line down. */
static void on_ack(struct kvm_irq_ack_notifier *notifier)
{
	struct ack_witness *witness = container_of(notifier, struct ack_witness, notifier);

	witness->count++;
	kvm_set_irq(witness->kvm, 5, notifier->gsi, 0);
}

/* The guest programs the pin itself and serves the level. */
START_TEST(level_with_ack)
{
	struct kvm *kvm = kvm_with_vcpus(false, 1);
	struct ack_witness witness = { .notifier = { .gsi = 19, .irq_acked = on_ack }, .kvm = kvm };
	uint32_t value;
	int source = kvm_request_irq_source_id(kvm);

	ck_assert_int_eq(source, 2); /* 0 user space's, 1 resampling irqfds' */
	ck_assert_int_eq(kvm_register_irq_ack_notifier(kvm, &witness.notifier), 0);
	value = 0x10 + 2 * 19;
	ck_assert_int_eq(kvm_ioapic_access(kvm, 0, true, &value), 0);
	value = 0x8051;
	ck_assert_int_eq(kvm_ioapic_access(kvm, 0x10, true, &value), 0);
	/* Two sources hold the line. */
	ck_assert_int_eq(kvm_set_irq(kvm, 5, 19, 1), 1);
	ck_assert_int_eq(kvm_set_irq(kvm, (unsigned int)source, 19, 1), -EPERM);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x51);
	ck_assert_int_eq(kvm_ioapic_access(kvm, 0x10, false, &value), 0);
	ck_assert_uint_eq(value, 0xc051);
	write_reg(kvm, 0xb0, 0);
	ck_assert_uint_eq(witness.count, 1);
	/* The other source still does: sent anew. */
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x51);
	kvm_free_irq_source_id(kvm, (unsigned int)source);
	write_reg(kvm, 0xb0, 0);
	ck_assert_uint_eq(witness.count, 2);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	/* Up while masked, seen when the mask goes. */
	value = 0x18051;
	ck_assert_int_eq(kvm_ioapic_access(kvm, 0x10, true, &value), 0);
	ck_assert_int_eq(kvm_set_irq(kvm, 5, 19, 1), -EPERM);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	value = 0x8051;
	ck_assert_int_eq(kvm_ioapic_access(kvm, 0x10, true, &value), 0);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x51);
	kvm_unregister_irq_ack_notifier(kvm, &witness.notifier);
	write_reg(kvm, 0xb0, 0);
	ck_assert_uint_eq(witness.count, 2);
	ck_assert_int_eq(kvm_request_irq_source_id(kvm), 2);
	kvm_destroy(kvm);
}
END_TEST

static void pic_write(struct kvm *kvm, unsigned int port, uint8_t value)
{
	ck_assert_int_eq(kvm_pic_access(kvm, port, true, &value), 0);
}

static uint8_t pic_read(struct kvm *kvm, unsigned int port)
{
	uint8_t value = 0;

	ck_assert_int_eq(kvm_pic_access(kvm, port, false, &value), 0);
	return value;
}

/* A PC's firmware: both PICs, vectors 8 and 0x70; the line of an INTx as a level on pin 10. */
START_TEST(pic)
{
	struct kvm *kvm = kvm_with_vcpus(false, 1);
	struct ack_witness witness = { .notifier = { .gsi = 10, .irq_acked = on_ack }, .kvm = kvm };

	ck_assert_int_eq(kvm_register_irq_ack_notifier(kvm, &witness.notifier), 0);
	for (unsigned int chip = 0; chip < 2; chip++) {
		unsigned int port = chip ? 0xa0 : 0x20;

		pic_write(kvm, port, 0x11);
		pic_write(kvm, port + 1, chip ? 0x70 : 0x08);
		pic_write(kvm, port + 1, chip ? 2 : 4);
		pic_write(kvm, port + 1, 1);
		pic_write(kvm, port + 1, 0);
	}
	pic_write(kvm, 0x4d1, 0xff);
	ck_assert_uint_eq(pic_read(kvm, 0x4d1), 0xde);
	ck_assert_int_eq(kvm_set_irq(kvm, 5, 10, 1), 1);
	ck_assert_uint_eq(pic_read(kvm, 0xa0), 1 << 2);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 1);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x72);
	/* A lower one waits, a higher one does not. */
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 7, 1), 1);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 1, 1), 1);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x09);
	pic_write(kvm, 0x20, 0x20);
	pic_write(kvm, 0xa0, 0x62); /* the end of pin 2 of the slave: the device hears */
	ck_assert_uint_eq(witness.count, 1);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	pic_write(kvm, 0x20, 0x62);
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x0f);
	pic_write(kvm, 0x20, 0x20);
	pic_write(kvm, 0x20, 0x0b);
	ck_assert_uint_eq(pic_read(kvm, 0x20), 0); /* nothing in service */
	/* Masked by the APIC's LINT0, and by the chip. */
	ck_assert_int_eq(kvm_set_irq(kvm, 5, 10, 1), 1);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 1);
	write_reg(kvm, 0x350, 0x10700);
	ck_assert_int_eq(kvm_has_interrupt(kvm, 0), 0);
	write_reg(kvm, 0x350, 0x700);
	pic_write(kvm, 0xa1, 1 << 2);
	ck_assert_int_eq(kvm_set_irq(kvm, 5, 10, 0), 1); /* the I/O APIC's 1 */
	/* The edge on the cascade is there, and who made it is not: spurious. */
	ck_assert_int_eq(kvm_get_interrupt(kvm, 0), 0x77);
	pic_write(kvm, 0x20, 0x62);
	/* Poll mode serves without the core. */
	ck_assert_int_eq(kvm_set_irq(kvm, 0, 3, 1), 1);
	pic_write(kvm, 0x20, 0x0c);
	ck_assert_uint_eq(pic_read(kvm, 0x20), 0x83);
	ck_assert_int_eq(kvm_pic_access(kvm, 0x22, false, &(uint8_t){ 0 }), -EINVAL);
	kvm_unregister_irq_ack_notifier(kvm, &witness.notifier);
	kvm_destroy(kvm);
}
END_TEST

/* A vCPU of a real VM with its APIC in x2APIC mode; -1: this KVM does not do it. */
static int real_x2apic_vcpu(int vm, unsigned int id)
{
	enum { ENTRIES = 256, X2APIC_MODE = 0xc00 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + ENTRIES * sizeof(cpuid->entries[0]));
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd = ioctl(vm, KVM_CREATE_VCPU, id);
	struct kvm_sregs sregs;

	ck_assert_int_ge(fd, 0);
	cpuid->nent = ENTRIES;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) || ioctl(fd, KVM_SET_CPUID2, cpuid) ||
	    ioctl(fd, KVM_GET_SREGS, &sregs))
		goto out;
	sregs.apic_base |= X2APIC_MODE;
	if (!ioctl(fd, KVM_SET_SREGS, &sregs)) {
		free(cpuid);
		close(kvm);
		return fd;
	}
out:
	printf("skipped: no x2APIC mode here (%s)\n", strerror(errno));
	free(cpuid);
	close(kvm);
	close(fd);
	return -1;
}

/* vCPUs 0 and 300, ids of 32 bits. */
static struct kvm *x2apic_kvm(bool real)
{
	static const unsigned int ids[] = { 0, 300 };
	struct kvm_config config = { .real = real, .x2apic = true, .x2apic_format = true };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API,
				      .args = { KVM_X2APIC_API_USE_32BIT_IDS |
						KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK } };
	struct kvm_lapic_state state;
	uint32_t spiv = 0x1ff;
	struct kvm *kvm;
	int fd = -1;

	if (real) {
		config.vm_fd = real_vm();
		if (config.vm_fd < 0 || ioctl(config.vm_fd, KVM_ENABLE_CAP, &cap))
			return NULL;
	}
	ck_assert_int_eq(kvm_create(&config, &kvm), 0);
	ck_assert_int_eq(kvm_create_irqchip(kvm), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (real) {
			fd = real_x2apic_vcpu(config.vm_fd, ids[i]);
			if (fd < 0)
				return NULL;
		}
		ck_assert_int_eq(kvm_add_vcpu(kvm, ids[i], fd), 0);
		if (real)
			close(fd);
		ck_assert_int_eq(kvm_get_lapic(kvm, ids[i], &state), 0);
		memcpy(state.regs + 0xf0, &spiv, 4);
		ck_assert_int_eq(kvm_set_lapic(kvm, ids[i], &state), 0);
	}
	if (real)
		close(config.vm_fd);
	return kvm;
}

static void check_x2apic(struct kvm *kvm)
{
	struct kvm_msi msi = { .address_lo = DEST(0x2c), .address_hi = 0x100, .data = 0x91 };
	struct kvm_irq_routing_entry entry = msi_route(1, DEST(0), 1);
	struct kvm_lapic_state state;
	uint32_t id = 299;

	ck_assert_uint_eq(lapic_reg(kvm, 300, 0x20), 300);
	ck_assert_uint_eq(lapic_reg(kvm, 300, 0xd0), 0x120000 | 1 << 12);
	ck_assert_int_eq(kvm_get_lapic(kvm, 300, &state), 0);
	memcpy(state.regs + 0x20, &id, 4);
	ck_assert_int_eq(kvm_set_lapic(kvm, 300, &state), -EINVAL);
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 1);
	ck_assert(lapic_bit(kvm, 300, 0x200, 0x91));
	/* 0xff is an id here. */
	msi = (struct kvm_msi){ .address_lo = DEST(0xff), .data = 0x92 };
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 0);
	msi = (struct kvm_msi){ .address_lo = DEST(0xff), .address_hi = 0xffffff00, .data = 0x92 };
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 2);
	/* Logical: cluster 0x12, number 12; with others that are not there. */
	msi = (struct kvm_msi){ .address_lo = DEST(0) | LOGICAL,
				.address_hi = 0x121000,
				.data = 0x93 };
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 1);
	ck_assert(lapic_bit(kvm, 300, 0x200, 0x93));
	msi.address_hi = 0x123000;
	msi.data = 0x94;
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 1);
	/* Behind the highest id there is nobody to choose; before it there may be. */
	msi.data = LOWEST(0x95);
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 1);
	msi.data = LOWEST(0x96);
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 1);
	msi.address_hi = 0x121800;
	msi.data = LOWEST(0x97);
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 1);
	msi.data = LOWEST(0x98);
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 0);
	msi.address_hi = 0x130100;
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), 0);
	msi.address_hi = 0x12;
	ck_assert_int_eq(kvm_signal_msi(kvm, &msi), -EINVAL);
	entry.u.msi.address_hi = 1;
	ck_assert_int_eq(kvm_set_irq_routing(kvm, &entry, 1, 0), -EINVAL);
}

START_TEST(x2apic)
{
	struct kvm *kvm = x2apic_kvm(_i);

	if (!kvm)
		return;
	check_x2apic(kvm);
	kvm_destroy(kvm);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("irqchip");

	/* Number 0 is the software model, 1 the real VM. */
	tcase_add_loop_test(tc, msis, 0, 2);
	tcase_add_loop_test(tc, off_and_clusters, 0, 2);
	tcase_add_loop_test(tc, routes, 0, 2);
	tcase_add_loop_test(tc, lines, 0, 2);
	tcase_add_test(tc, reset_state);
	tcase_add_test(tc, service);
	tcase_add_test(tc, level_with_ack);
	tcase_add_test(tc, pic);
	tcase_add_loop_test(tc, x2apic, 0, 2);
	return run_suite(tc, "irqchip");
}
