/* SPDX-License-Identifier: BSD-3-Clause */
/* Device assignment in the old way on a software VM: errors in Linux 4.11's order, DMA, the state
 * of a function, its interrupts in the guest. */
#include "kvm/assigned_dev.h"

#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/thread.h"
#include "kvm/assign_fixture.h"

#define IOMMU_ONLY KVM_DEV_ASSIGN_ENABLE_IOMMU
#define GSI	   24
#define INTX_GSI   11
#define VECTOR	   0x51

static struct kvm_assign *assign;

static void begin(void)
{
	struct kvm_assign_env env = fix_env;

	fix_setup(IOMMU_MODEL_AMD, UINT64_MAX);
	env.hm = fix_hm;
	ck_assert_int_eq(kvm_assign_create(fix_kvm, &env, &assign), 0);
}

/* With interrupt controllers and one vCPU, whose local APIC is on; GSI 24 and 25 are messages. */
static void begin_irqs(void)
{
	struct kvm_irq_routing_entry routes[3] = {
		{ .gsi = GSI,
		  .type = KVM_IRQ_ROUTING_MSI,
		  .u.msi = { .address_lo = 0xfee00000, .data = VECTOR } },
		{ .gsi = GSI + 1,
		  .type = KVM_IRQ_ROUTING_MSI,
		  .u.msi = { .address_lo = 0xfee00000, .data = VECTOR + 1 } },
		{ .gsi = INTX_GSI,
		  .type = KVM_IRQ_ROUTING_IRQCHIP,
		  .u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = INTX_GSI } },
	};

	begin();
	ck_assert_int_eq(kvm_create_irqchip(fix_kvm), 0);
	ck_assert_int_eq(kvm_add_vcpu(fix_kvm, 0, -1), 0);
	ck_assert_int_eq(kvm_lapic_write(fix_kvm, 0, 0xf0, 0x1ff), 0);
	ck_assert_int_eq(kvm_set_irq_routing(fix_kvm, routes, 3, 0), 0);
}

static void end(void)
{
	kvm_assign_destroy(assign);
	ck_assert_uint_eq(fix_taken, 0);
	ck_assert(!hostmem_any(fix_hm, 0, 1UL << 47));
	fix_teardown();
}

static int call(unsigned int cmd, const void *arg)
{
	return (int)kvm_vm_ioctl_assigned_device(assign, cmd, (unsigned long)arg);
}

/* Function @dev as device @id. */
static int assign_dev(uint32_t id, unsigned int dev, uint32_t flags)
{
	struct kvm_assigned_pci_dev arg = {
		.assigned_dev_id = id, .busnr = 1, .devfn = dev, .flags = flags
	};

	return call(KVM_ASSIGN_PCI_DEVICE, &arg);
}

static int deassign_dev(uint32_t id)
{
	struct kvm_assigned_pci_dev arg = { .assigned_dev_id = id };

	return call(KVM_DEASSIGN_PCI_DEVICE, &arg);
}

static int irq(unsigned int cmd, uint32_t id, uint32_t flags, uint32_t gsi)
{
	struct kvm_assigned_irq arg = { .assigned_dev_id = id, .flags = flags, .guest_irq = gsi };

	return call(cmd, &arg);
}

static int msix_nr(uint32_t id, uint16_t nr)
{
	struct kvm_assigned_msix_nr arg = { .assigned_dev_id = id, .entry_nr = nr };

	return call(KVM_ASSIGN_SET_MSIX_NR, &arg);
}

static int msix_entry(uint32_t id, uint16_t entry, uint32_t gsi)
{
	struct kvm_assigned_msix_entry arg = { .assigned_dev_id = id, .entry = entry, .gsi = gsi };

	return call(KVM_ASSIGN_SET_MSIX_ENTRY, &arg);
}

static int intx_mask(uint32_t id, uint32_t flags)
{
	struct kvm_assigned_pci_dev arg = { .assigned_dev_id = id, .flags = flags };

	return call(KVM_ASSIGN_SET_INTX_MASK, &arg);
}

/* ---- devices --------------------------------------------------------------------------------- */

START_TEST(test_assign_errors)
{
	begin();
	ck_assert_int_eq(call(KVM_ASSIGN_PCI_DEVICE, NULL), -EFAULT);
	ck_assert_int_eq(assign_dev(1, 0, 0), -EINVAL);
	ck_assert_int_eq(assign_dev(1, 7, IOMMU_ONLY), -EINVAL);
	/* A bridge, before permission; permission before the driver. */
	fix_permission = -EACCES;
	fix_request = -EBUSY;
	fix_dev[0]->is_bridge = true;
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), -EPERM);
	fix_dev[0]->is_bridge = false;
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), -EACCES);
	fix_permission = 0;
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), -EBUSY);
	fix_request = 0;
	/* Not alone in its group: nothing stays taken, no domain stays. */
	iommu_group_remove_device(fix_dev[1]->iommu);
	iommu_group_add_device(fix_group[0], fix_dev[1]->iommu);
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), -EINVAL);
	ck_assert_uint_eq(fix_taken, 0);
	ck_assert_uint_eq(kvm_assign_table_bytes(assign), 0);
	iommu_group_remove_device(fix_dev[1]->iommu);
	iommu_group_add_device(fix_group[1], fix_dev[1]->iommu);

	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	/* The id is looked at before the function. */
	ck_assert_int_eq(assign_dev(1, 7, IOMMU_ONLY), -EEXIST);
	ck_assert_int_eq(deassign_dev(2), -EINVAL);
	ck_assert_int_eq(call(KVM_DEASSIGN_PCI_DEVICE, NULL), -EFAULT);
	ck_assert_int_eq(deassign_dev(1), 0);
	ck_assert_int_eq(deassign_dev(1), -EINVAL);
	ck_assert_int_eq(call(KVM_ASSIGN_IRQ, NULL), -EOPNOTSUPP);
	ck_assert_int_eq(call(KVM_IRQ_LINE, NULL), -ENOTTY);
	ck_assert(kvm_assign_is_ioctl(KVM_ASSIGN_SET_INTX_MASK));
	ck_assert(!kvm_assign_is_ioctl(KVM_IRQ_LINE));
	ck_assert_int_eq(kvm_assign_check_extension(KVM_CAP_IOMMU, true), 1);
	ck_assert_int_eq(kvm_assign_check_extension(KVM_CAP_IOMMU, false), 0);
	ck_assert_int_eq(kvm_assign_check_extension(KVM_CAP_PCI_2_3, false), 1);
	ck_assert_int_eq(kvm_assign_check_extension(KVM_CAP_ASSIGN_DEV_IRQ, false), 1);
	ck_assert_int_eq(kvm_assign_check_extension(KVM_CAP_IRQCHIP, true), -1);
	end();
}
END_TEST

START_TEST(test_devices)
{
	uint32_t value = 0x600d, back = 0;

	begin();
	ck_assert_int_eq(fix_dma(0, 64, true, &value), -EIO);
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	ck_assert_int_eq(assign_dev(2, 2, IOMMU_ONLY), 0);
	ck_assert_uint_eq(fix_taken, 2);
	ck_assert_int_eq(fix_dma(0, 64, true, &value), 0);
	ck_assert_int_eq(fix_dma(2, 64, false, &back), 0);
	ck_assert_uint_eq(back, value);
	ck_assert_int_eq(fix_dma(0, NOT_MAPPED, true, &value), -EIO);
	/* Slots follow. */
	ck_assert_int_eq(fix_slot(1, NOT_MAPPED, fix_mem, M2, 0), 0);
	ck_assert_int_eq(fix_dma(0, NOT_MAPPED + 64, false, &back), 0);
	ck_assert_int_eq(deassign_dev(1), 0);
	ck_assert_int_eq(fix_dma(0, 64, true, &value), -EIO);
	ck_assert_int_eq(fix_dma(2, 64, true, &value), 0);
	ck_assert_uint_ne(kvm_assign_table_bytes(assign), 0);
	/* The last one: no domain, no pins. */
	ck_assert_int_eq(deassign_dev(2), 0);
	ck_assert_uint_eq(kvm_assign_table_bytes(assign), 0);
	ck_assert(!hostmem_any(fix_hm, (uintptr_t)fix_mem, FIX_MEM));
	ck_assert_int_eq(assign_dev(2, 2, IOMMU_ONLY), 0);
	ck_assert_int_eq(fix_dma(2, NOT_MAPPED + 64, true, &value), 0);
	/* The VM's end gives the device back. */
	end();
}
END_TEST

/* What the guest does to the function does not outlive the assignment. */
START_TEST(test_state)
{
	struct pci_dev *pdev;

	begin();
	pdev = fix_dev[0];
	pci_config_write(pdev, PCI_CACHE_LINE_SIZE, 1, 16);
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	ck_assert_uint_eq(pci_config_read(pdev, PCI_CACHE_LINE_SIZE, 1), 16);
	ck_assert(pci_memory_enabled(pdev));
	pci_config_write(pdev, PCI_CACHE_LINE_SIZE, 1, 32);
	pci_config_write(pdev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert_int_eq(deassign_dev(1), 0);
	ck_assert_uint_eq(pci_config_read(pdev, PCI_CACHE_LINE_SIZE, 1), 16);
	ck_assert(!(pci_config_read(pdev, PCI_COMMAND, 2) & PCI_COMMAND_MASTER));
	end();
}
END_TEST

START_TEST(test_gone)
{
	uint32_t value = 1;

	begin_irqs();
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, KVM_DEV_IRQ_HOST_INTX | KVM_DEV_IRQ_GUEST_INTX,
			     INTX_GSI),
			 0);
	kvm_assign_gone(assign, fix_dev[0]);
	ck_assert_uint_eq(fix_taken, 0);
	ck_assert_int_eq(fix_dma(0, 64, true, &value), -EIO);
	ck_assert_int_eq(irq(KVM_DEASSIGN_DEV_IRQ, 1, KVM_DEV_IRQ_HOST_INTX, 0), -ENODEV);
	ck_assert_int_eq(msix_nr(1, 1), -ENODEV);
	ck_assert_int_eq(assign_dev(1, 2, IOMMU_ONLY), -EEXIST);
	ck_assert_int_eq(deassign_dev(1), 0);
	ck_assert_int_eq(assign_dev(1, 2, IOMMU_ONLY), 0);
	end();
}
END_TEST

START_TEST(test_no_memory)
{
	unsigned int n;
	int ret = -1;

	begin();
	for (n = 1; ret; n++) {
		failpoint_arm(n);
		ret = assign_dev(1, 0, IOMMU_ONLY);
		failpoint_arm(0);
		if (!ret)
			break;
		ck_assert(ret == -ENOMEM || ret == -EBUSY);
		ck_assert_uint_eq(fix_taken, 0);
		ck_assert_uint_eq(kvm_assign_table_bytes(assign), 0);
	}
	ck_assert_uint_gt(n, 2);
	end();
}
END_TEST

/* ---- interrupts ------------------------------------------------------------------------------ */

#define MSI_BOTH  (KVM_DEV_IRQ_HOST_MSI | KVM_DEV_IRQ_GUEST_MSI)
#define MSIX_BOTH (KVM_DEV_IRQ_HOST_MSIX | KVM_DEV_IRQ_GUEST_MSIX)
#define INTX_BOTH (KVM_DEV_IRQ_HOST_INTX | KVM_DEV_IRQ_GUEST_INTX)

static bool in_irr(unsigned int vector)
{
	struct kvm_lapic_state state;
	uint32_t word;

	ck_assert_int_eq(kvm_get_lapic(fix_kvm, 0, &state), 0);
	memcpy(&word, state.regs + 0x200 + vector / 32 * 0x10, sizeof(word));
	return word >> vector % 32 & 1;
}

#define WAIT_FOR(cond)                                          \
	do {                                                    \
		const time_t until = time(NULL) + 100;          \
		while (!(cond) && time(NULL) < until)           \
			usleep(500);                            \
		ck_assert_msg(cond, "%s does not come", #cond); \
	} while (0)

/* The guest takes the interrupt and ends it. */
static void take(unsigned int vector)
{
	WAIT_FOR(in_irr(vector));
	ck_assert_int_eq(kvm_get_interrupt(fix_kvm, 0), (int)vector);
	ck_assert(!in_irr(vector));
	ck_assert_int_eq(kvm_lapic_write(fix_kvm, 0, 0xb0, 0), 0);
}

START_TEST(test_irq_errors)
{
	begin();
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	/* No irqchip: before the device is looked for, or after. */
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 9, MSI_BOTH, GSI), -EINVAL);
	ck_assert_int_eq(irq(KVM_DEASSIGN_DEV_IRQ, 9, MSI_BOTH, GSI), -ENODEV);
	ck_assert_int_eq(irq(KVM_DEASSIGN_DEV_IRQ, 1, MSI_BOTH, GSI), -EINVAL);
	end();

	begin_irqs();
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 9, MSI_BOTH, GSI), -ENODEV);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, 0, GSI), -EINVAL);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, MSI_BOTH | KVM_DEV_IRQ_HOST_INTX, GSI),
			 -EINVAL);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, 1 << 3, GSI), -EINVAL);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, 1 << 11, GSI), -EINVAL);
	ck_assert_int_eq(irq(KVM_DEASSIGN_DEV_IRQ, 1, MSI_BOTH, GSI), -ENXIO);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, MSI_BOTH, GSI), 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, KVM_DEV_IRQ_HOST_INTX, GSI), -EEXIST);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, KVM_DEV_IRQ_GUEST_INTX, GSI), -EEXIST);
	ck_assert_int_eq(irq(KVM_DEASSIGN_DEV_IRQ, 1, MSI_BOTH, GSI), 0);
	ck_assert_int_eq(irq(KVM_DEASSIGN_DEV_IRQ, 1, MSI_BOTH, GSI), -ENXIO);
	/* MSI-X entries. */
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, MSIX_BOTH, 0), -EINVAL);
	ck_assert_int_eq(msix_nr(9, 1), -EINVAL);
	ck_assert_int_eq(msix_entry(9, 0, GSI), -EINVAL);
	ck_assert_int_eq(msix_entry(1, 0, GSI), -ENOSPC);
	ck_assert_int_eq(msix_nr(1, 0), -EINVAL);
	ck_assert_int_eq(msix_nr(1, KVM_MAX_MSIX_PER_DEV + 1), -EINVAL);
	ck_assert_int_eq(msix_nr(1, 1), 0);
	ck_assert_int_eq(msix_nr(1, 1), -EINVAL);
	ck_assert_int_eq(msix_entry(1, FIX_VECTORS, GSI), 0);
	ck_assert_int_eq(msix_entry(1, 1, GSI), -ENOSPC);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, MSIX_BOTH, 0), -EINVAL);
	ck_assert_int_eq(deassign_dev(1), 0);
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	ck_assert_int_eq(msix_nr(1, FIX_VECTORS + 1), 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, MSIX_BOTH, 0), -ENOSPC);
	ck_assert_int_eq(intx_mask(9, 0), -ENODEV);
	ck_assert_int_eq(intx_mask(1, KVM_DEV_ASSIGN_MASK_INTX), 0);
	/* No pin. */
	pci_set_word(fix_dev[0], PCI_INTERRUPT_PIN, 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, INTX_BOTH, INTX_GSI), -EIO);
	end();
}
END_TEST

START_TEST(test_msi)
{
	begin_irqs();
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	pci_set_master(fix_dev[0], true);
	/* Both sides at once, or one after the other. */
	if (_i == 0) {
		ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, MSI_BOTH, GSI), 0);
	} else {
		ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, KVM_DEV_IRQ_HOST_MSI, 0), 0);
		/* Nobody listens: lost. */
		pci_irq_raise(fix_dev[0], 0);
		ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, KVM_DEV_IRQ_GUEST_MSI, GSI), 0);
		ck_assert(!in_irr(VECTOR));
	}
	pci_irq_raise(fix_dev[0], 0);
	take(VECTOR);
	pci_irq_raise(fix_dev[0], 0);
	take(VECTOR);
	ck_assert_int_eq(irq(KVM_DEASSIGN_DEV_IRQ, 1, MSI_BOTH, 0), 0);
	ck_assert_int_ne(pci_irq_mode(fix_dev[0]), PCI_IRQ_MSI);
	end();
}
END_TEST

START_TEST(test_msix)
{
	begin_irqs();
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	pci_set_master(fix_dev[0], true);
	ck_assert_int_eq(msix_nr(1, 2), 0);
	ck_assert_int_eq(msix_entry(1, 2, GSI), 0);
	ck_assert_int_eq(msix_entry(1, 0, GSI + 1), 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, MSIX_BOTH, 0), 0);
	pci_irq_raise(fix_dev[0], 2);
	take(VECTOR);
	pci_irq_raise(fix_dev[0], 0);
	take(VECTOR + 1);
	/* Another way for an entry that is in use. */
	ck_assert_int_eq(msix_entry(1, 2, GSI + 1), 0);
	pci_irq_raise(fix_dev[0], 2);
	take(VECTOR + 1);
	ck_assert(!in_irr(VECTOR));
	/* Once more, with other entries. */
	ck_assert_int_eq(irq(KVM_DEASSIGN_DEV_IRQ, 1, MSIX_BOTH, 0), 0);
	ck_assert_int_eq(msix_nr(1, 1), 0);
	ck_assert_int_eq(msix_entry(1, 3, GSI), 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, MSIX_BOTH, 0), 0);
	pci_irq_raise(fix_dev[0], 3);
	take(VECTOR);
	end();
}
END_TEST

/* Pin 11 of the I/O APIC: vector 0x61 of vCPU 0, level-triggered. */
static void program_ioapic(void)
{
	uint32_t reg = 0x10 + 2 * INTX_GSI, low = 0x61 | 1 << 15, high = 0;

	ck_assert_int_eq(kvm_ioapic_access(fix_kvm, 0, true, &reg), 0);
	ck_assert_int_eq(kvm_ioapic_access(fix_kvm, 0x10, true, &low), 0);
	reg++;
	ck_assert_int_eq(kvm_ioapic_access(fix_kvm, 0, true, &reg), 0);
	ck_assert_int_eq(kvm_ioapic_access(fix_kvm, 0x10, true, &high), 0);
}

static bool masked_in_function(void)
{
	return pci_config_read(fix_dev[0], PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE;
}

/* An entry behind those that are enabled first, whose number opens a new part of the table of
 * numbers: whatever is short, the call says so, and can be made again. */
START_TEST(test_msix_no_memory)
{
	unsigned int n = 0;
	bool fired;
	int ret;

	begin_irqs();
	fix_dev[0]->irq_base = 253;
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	ck_assert_int_eq(msix_nr(1, 1), 0);
	ck_assert_int_eq(msix_entry(1, 3, GSI), 0);
	do {
		failpoint_arm(++n);
		ret = irq(KVM_ASSIGN_DEV_IRQ, 1, KVM_DEV_IRQ_HOST_MSIX, 0);
		fired = failpoint_fired();
		failpoint_arm(0);
		ck_assert_msg(fired ? ret == -ENOMEM || ret == -EMFILE : !ret, "%u: %d", n, ret);
		ck_assert_int_eq(pci_irq_mode(fix_dev[0]) == PCI_IRQ_MSIX, !fired);
	} while (fired);
	ck_assert_uint_gt(n, 3);
	ck_assert_int_eq(pci_irq_vector(fix_dev[0], PCI_IRQ_MSIX, 3), 256);
	end();
}
END_TEST

static atomic_bool moving;

static void *move_entry(void *arg)
{
	for (unsigned int i = 0; atomic_load(&moving); i++)
		ck_assert_int_eq(msix_entry(1, 2, GSI + i % 2), 0);
	return arg;
}

/* Whichever GSI an entry has when its interrupt comes, the guest gets it once. */
START_TEST(test_msix_moves)
{
	pthread_t thread;

	begin_irqs();
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	pci_set_master(fix_dev[0], true);
	ck_assert_int_eq(msix_nr(1, 1), 0);
	ck_assert_int_eq(msix_entry(1, 2, GSI), 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, MSIX_BOTH, 0), 0);
	atomic_store(&moving, true);
	ck_assert_int_eq(thread_create(&thread, "mover", move_entry, NULL), 0);
	for (unsigned int i = 0; i < 200; i++) {
		pci_irq_raise(fix_dev[0], 2);
		WAIT_FOR(in_irr(VECTOR) || in_irr(VECTOR + 1));
		take(in_irr(VECTOR) ? VECTOR : VECTOR + 1);
		ck_assert(!in_irr(VECTOR) && !in_irr(VECTOR + 1));
	}
	atomic_store(&moving, false);
	pthread_join(thread, NULL);
	end();
}
END_TEST

/* _i: with KVM_DEV_ASSIGN_PCI_2_3 or without. */
START_TEST(test_intx)
{
	begin_irqs();
	program_ioapic();
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY | (_i ? KVM_DEV_ASSIGN_PCI_2_3 : 0)), 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, INTX_BOTH, INTX_GSI), 0);
	ck_assert(!masked_in_function());
	pci_intx_set(fix_dev[0], true);
	ck_assert(masked_in_function() == (_i != 0));
	/* The guest's driver did not calm the function: it comes again. */
	take(0x61);
	WAIT_FOR(in_irr(0x61));
	ck_assert(masked_in_function() == (_i != 0));
	pci_intx_set(fix_dev[0], false);
	take(0x61);
	WAIT_FOR(!masked_in_function());
	pci_intx_set(fix_dev[0], true);
	WAIT_FOR(in_irr(0x61));
	pci_intx_set(fix_dev[0], false);
	take(0x61);
	WAIT_FOR(!masked_in_function());
	ck_assert_int_eq(irq(KVM_DEASSIGN_DEV_IRQ, 1, INTX_BOTH, 0), 0);
	end();
}
END_TEST

/* Masked, the line stays down; unmasked, what waits at the host's line comes. */
START_TEST(test_intx_mask)
{
	begin_irqs();
	program_ioapic();
	ck_assert_int_eq(assign_dev(1, 0, IOMMU_ONLY), 0);
	ck_assert_int_eq(irq(KVM_ASSIGN_DEV_IRQ, 1, INTX_BOTH, INTX_GSI), 0);
	ck_assert_int_eq(intx_mask(1, KVM_DEV_ASSIGN_MASK_INTX), 0);
	pci_intx_set(fix_dev[0], true);
	ck_assert(!in_irr(0x61));
	ck_assert_int_eq(intx_mask(1, 0), 0);
	WAIT_FOR(in_irr(0x61));
	pci_intx_set(fix_dev[0], false);
	take(0x61);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kvm_assigned_dev");
	TCase *tc = tcase_create("assigned_dev");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_assign_errors);
	tcase_add_test(tc, test_devices);
	tcase_add_test(tc, test_state);
	tcase_add_test(tc, test_gone);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_irq_errors);
	tcase_add_loop_test(tc, test_msi, 0, 2);
	tcase_add_test(tc, test_msix);
	tcase_add_test(tc, test_msix_moves);
	tcase_add_test(tc, test_msix_no_memory);
	tcase_add_loop_test(tc, test_intx, 0, 2);
	tcase_add_test(tc, test_intx_mask);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
