/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a model's raising a vector to where its consumer sees it: through the eventfd and posted,
 * into a bare descriptor and into a VM's local APIC (software model). The peer is an eventfd that
 * is written and read by the same thread, without a device.
 */
#include <linux/pci_regs.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"
#include "iommu/bypass.h"
#include "irq/irqbypass.h"
#include "irq/posted.h"
#include "kvm/kvm.h"
#include "pci/model.h"
#include "pci/msi.h"

#define GSI    30
#define VECTOR 0x51
#define COUNT  20000UL

static const struct pci_model model = { .name = "bench", .shared_size = 64 };
static struct iommu_bypass nothing;
static struct pci_dev *dev;
static struct irq_trigger *trigger;
static struct irq_bypass_producer producer;
static struct kvm *kvm;
static struct pi_desc desc;
static int fd;

static void take(void)
{
	uint64_t value;

	BENCH_CHECK(read(fd, &value, sizeof(value)) != sizeof(value));
}

static void bare(unsigned long count)
{
	const uint64_t one = 1;

	while (count--) {
		BENCH_CHECK(write(fd, &one, sizeof(one)) != sizeof(one));
		take();
	}
}

static void triggered(unsigned long count)
{
	while (count--) {
		irq_trigger_signal(trigger);
		take();
	}
}

static void through_eventfd(unsigned long count)
{
	while (count--) {
		pci_irq_raise(dev, 0);
		take();
	}
}

static void posted(unsigned long count)
{
	uint64_t requests[4];

	while (count--) {
		pci_irq_raise(dev, 0);
		BENCH_CHECK(!pi_take(&desc, requests));
	}
}

/* Until the local APIC lets it through; the guest takes it and says EOI. */
static void into_vm(unsigned long count)
{
	while (count--) {
		pci_irq_raise(dev, 0);
		while (!kvm_has_interrupt(kvm, 0))
			sched_yield();
		BENCH_CHECK(kvm_get_interrupt(kvm, 0) != VECTOR);
		BENCH_CHECK(kvm_lapic_write(kvm, 0, 0xb0, 0));
	}
}

static void device_create(struct iommu *unit)
{
	BENCH_CHECK(pci_dev_create(0x0100, &model, &dev));
	pci_dev_set_ids(dev, 0x1b36, 0x0010, 0x010802, 2, 0x1af4, 0x1100);
	BENCH_CHECK(pci_dev_add_bar(dev, 0, 0x4000, PCI_BASE_ADDRESS_MEM_TYPE_64));
	BENCH_CHECK(pci_add_msix_cap(dev, 4, 0, 0x2000, 0x3000) < 0);
	pci_dev_created(dev);
	BENCH_CHECK(unit ? iommu_dev_create(unit, 0x0100, "dev", &dev->iommu)
			 : iommu_dev_create_bypass(&nothing, 0x0100, "dev", &dev->iommu));
	BENCH_CHECK(pci_dev_power_on(dev));
	pci_enable_decode(dev);
	pci_set_master(dev, true);
	fd = eventfd(0, EFD_NONBLOCK);
	BENCH_CHECK(fd < 0 || irq_trigger_create(fd, &trigger));
	BENCH_CHECK(pci_enable_vectors(dev, PCI_IRQ_MSIX, 1));
	BENCH_CHECK(pci_irq_connect(dev, PCI_IRQ_MSIX, 0, trigger));
}

static void device_destroy(void)
{
	struct iommu_dev *iommu = dev->iommu;

	pci_disable_vectors(dev, PCI_IRQ_MSIX);
	irq_trigger_destroy(trigger);
	close(fd);
	pci_dev_power_off(dev);
	pci_dev_destroy(dev);
	iommu_dev_destroy(iommu);
}

static void vm_create(void)
{
	struct kvm_config config = { 0 };
	struct kvm_irq_routing_entry entry = {
		.gsi = GSI,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = VECTOR },
	};
	struct kvm_irqfd args = { .fd = (uint32_t)fd, .gsi = GSI };
	struct kvm_lapic_state state;
	uint32_t spiv = 0x1ff;

	BENCH_CHECK(kvm_create(&config, &kvm));
	BENCH_CHECK(kvm_create_irqchip(kvm));
	BENCH_CHECK(kvm_add_vcpu(kvm, 0, -1));
	BENCH_CHECK(kvm_get_lapic(kvm, 0, &state));
	memcpy(state.regs + 0xf0, &spiv, sizeof(spiv));
	BENCH_CHECK(kvm_set_lapic(kvm, 0, &state));
	BENCH_CHECK(kvm_set_irq_routing(kvm, &entry, 1, 0));
	BENCH_CHECK(kvm_irqfd(kvm, &args));
}

static double measure(const char *unit, const char *what, unsigned long count,
		      void (*fn)(unsigned long count))
{
	char name[80];

	snprintf(name, sizeof(name), "%s: %s", unit, what);
	return bench_measure(name, count, fn);
}

static void ratio(const char *what, double a, double b)
{
	if (!bench_json)
		printf("%-44s %12.2f\n", what, a / b);
}

static void remapped(const char *name, enum iommu_model make)
{
	const struct irq_post_target target = { .pi_desc = &desc, .vector = VECTOR };
	double by_eventfd, by_post, vm_eventfd, vm_post;
	struct iommu *unit;
	int irq;

	BENCH_CHECK(iommu_create(make, name, &unit));
	device_create(unit);
	irq = pci_irq_vector(dev, PCI_IRQ_MSIX, 0);
	by_eventfd = measure(name, "raised, read from the eventfd", COUNT, through_eventfd);
	BENCH_CHECK(irq_set_vcpu_affinity(irq, &target));
	by_post = measure(name, "raised, taken from the descriptor", COUNT, posted);
	BENCH_CHECK(irq_set_vcpu_affinity(irq, NULL));
	vm_create();
	vm_eventfd = measure(name, "to a VM's APIC, eventfd and irqfd", COUNT / 10, into_vm);
	BENCH_CHECK(irq_bypass_register_producer(&producer, fd, irq));
	BENCH_CHECK(kvm_irqfd_is_posted(kvm, fd) != 1);
	vm_post = measure(name, "to a VM's APIC, posted", COUNT, into_vm);
	irq_bypass_unregister_producer(&producer);
	kvm_destroy(kvm);
	ratio("  posted / eventfd", by_post, by_eventfd);
	ratio("  posted / eventfd, into a VM", vm_post, vm_eventfd);
	device_destroy();
	iommu_destroy(unit);
}

int main(int argc, char **argv)
{
	double alone, signalled, plain;

	bench_init(argc, argv);
	device_create(NULL);
	alone = bench_measure("an eventfd written and read", COUNT, bare);
	signalled = bench_measure("a trigger signalled and read", COUNT, triggered);
	plain = measure("none", "raised, read from the eventfd", COUNT, through_eventfd);
	ratio("  raised / trigger alone", plain, signalled);
	ratio("  raised / eventfd alone", plain, alone);
	device_destroy();
	remapped("intel", IOMMU_MODEL_INTEL);
	remapped("amd", IOMMU_MODEL_AMD);
	bench_end();
	return 0;
}
