/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message's way from two functions to their eventfds or into a descriptor: with interrupt
 * remapping of both makes and without; messages that are not one's own; the switch between both
 * ways while interrupts come.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "iommu/bypass.h"
#include "irq/irqbypass.h"
#include "irq/posted.h"
#include "pci/model.h"
#include "pci/msi.h"
#include "pci/pci_priv.h"

#define VECTORS	   8
#define MSIX_TABLE 0x2000
#define MSIX_PBA   0x3000

enum remapping { AMD, INTEL, NONE, KINDS };

static const struct pci_model model = { .name = "test", .shared_size = 64 };
static struct iommu_bypass nothing;
static struct iommu *unit;
static struct pci_dev *dev[2];
static struct irq_trigger *trigger[2][VECTORS];
static int fd[2][VECTORS];
static enum remapping kind;
static struct dma_fault last;
static unsigned int faults;

static void sink(void *arg, const struct dma_fault *fault)
{
	last = *fault;
	faults++;
}

static uint64_t value(int eventfd)
{
	uint64_t n = 0;

	return read(eventfd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void create(unsigned int i)
{
	uint32_t rid = i ? 0x0208 : 0x0100;

	ck_assert_int_eq(pci_dev_create(rid, &model, &dev[i]), 0);
	pci_dev_set_ids(dev[i], 0x1b36, 0x0010, 0x010802, 2, 0x1af4, 0x1100);
	ck_assert_int_eq(pci_dev_add_bar(dev[i], 0, 0x4000, PCI_BASE_ADDRESS_MEM_TYPE_64), 0);
	ck_assert_int_eq(pci_add_msix_cap(dev[i], VECTORS, 0, MSIX_TABLE, MSIX_PBA), 0x40);
	ck_assert_int_gt(pci_add_msi_cap(dev[i], 4, true), 0);
	pci_dev_created(dev[i]);
	if (kind == NONE)
		ck_assert_int_eq(iommu_dev_create_bypass(&nothing, rid, "dev", &dev[i]->iommu), 0);
	else
		ck_assert_int_eq(iommu_dev_create(unit, rid, "dev", &dev[i]->iommu), 0);
	ck_assert_int_eq(pci_dev_power_on(dev[i]), 0);
	pci_enable_decode(dev[i]);
	pci_set_master(dev[i], true);
	for (unsigned int v = 0; v < VECTORS; v++) {
		fd[i][v] = eventfd(0, EFD_NONBLOCK);
		ck_assert_int_eq(irq_trigger_create(fd[i][v], &trigger[i][v]), 0);
	}
}

static void setup(int k)
{
	kind = (enum remapping)k;
	if (kind != NONE)
		ck_assert_int_eq(iommu_create(kind == AMD ? IOMMU_MODEL_AMD : IOMMU_MODEL_INTEL,
					      "unit", &unit),
				 0);
	dma_set_fault_sink(sink, NULL);
	faults = 0;
	create(0);
	create(1);
}

static void teardown(void)
{
	dma_set_fault_sink(NULL, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		struct iommu_dev *iommu = dev[i]->iommu;

		pci_disable_vectors(dev[i], PCI_IRQ_MSIX);
		pci_disable_vectors(dev[i], PCI_IRQ_MSI);
		pci_dev_power_off(dev[i]);
		pci_dev_destroy(dev[i]);
		iommu_dev_destroy(iommu);
		for (unsigned int v = 0; v < VECTORS; v++) {
			irq_trigger_destroy(trigger[i][v]);
			close(fd[i][v]);
		}
	}
	if (kind != NONE)
		iommu_destroy(unit);
}

static void enable(unsigned int i, enum pci_irq_type type, unsigned int vectors)
{
	ck_assert_int_eq(pci_enable_vectors(dev[i], type, vectors), 0);
	for (unsigned int v = 0; v < vectors; v++)
		ck_assert_int_eq(pci_irq_connect(dev[i], type, v, trigger[i][v]), 0);
}

/* What the hardware's table says. */
static struct intr_msg message(unsigned int i, unsigned int vector)
{
	struct intr_msg msg;
	uint64_t off = MSIX_TABLE + vector * 16;

	msg.addr = pci_bar_read(dev[i], 0, off, 8);
	msg.data = (uint32_t)pci_bar_read(dev[i], 0, off + 8, 4);
	return msg;
}

static void expect(unsigned int i, unsigned int vector)
{
	for (unsigned int d = 0; d < 2; d++)
		for (unsigned int v = 0; v < VECTORS; v++)
			ck_assert_uint_eq(value(fd[d][v]), d == i && v == vector);
}

static void expect_nothing(void)
{
	expect(2, 0);
}

START_TEST(msix_messages)
{
	struct intr_msg msg;

	setup(_i);
	enable(0, PCI_IRQ_MSIX, 3);
	enable(1, PCI_IRQ_MSIX, 4);
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int v = 0; v < 3; v++) {
			msg = message(i, v);
			ck_assert_uint_eq(msg.addr >> 20, 0xfee);
			if (kind == AMD)
				ck_assert_uint_eq(msg.data, v);
			if (kind == INTEL) {
				ck_assert_uint_eq(msg.addr & 0x18, 0x18);
				ck_assert_uint_eq(msg.addr >> 5 & 0x7fff, i * 3 + v);
				ck_assert_uint_eq(msg.data, 0);
			}
			pci_irq_raise(dev[i], v);
			expect(i, v);
			ck_assert_int_ge(pci_irq_vector(dev[i], PCI_IRQ_MSIX, v), 24);
		}
	}
	ck_assert_int_eq(pci_irq_vector(dev[0], PCI_IRQ_MSIX, 3), -EINVAL);
	/* One more, later. */
	ck_assert_int_eq(pci_irq_connect(dev[0], PCI_IRQ_MSIX, 7, trigger[0][7]), 0);
	pci_irq_raise(dev[0], 7);
	expect(0, 7);
	/* Masked, then sent when it is connected again. */
	ck_assert_int_eq(pci_irq_connect(dev[0], PCI_IRQ_MSIX, 2, NULL), 0);
	pci_irq_raise(dev[0], 2);
	expect_nothing();
	ck_assert_int_eq(pci_irq_connect(dev[0], PCI_IRQ_MSIX, 2, trigger[0][2]), 0);
	expect(0, 2);
	/* Taken back: all numbers and entries can be had again. */
	for (unsigned int round = 0; round < 3000; round++) {
		pci_disable_vectors(dev[0], PCI_IRQ_MSIX);
		ck_assert_int_eq(pci_enable_vectors(dev[0], PCI_IRQ_MSIX, VECTORS), 0);
	}
	ck_assert_uint_eq(faults, 0);
	teardown();
}
END_TEST

START_TEST(msi_messages)
{
	setup(_i);
	enable(1, PCI_IRQ_MSIX, 1);
	enable(0, PCI_IRQ_MSI, 4);
	for (unsigned int v = 0; v < 4; v++) {
		pci_irq_raise(dev[0], v);
		expect(0, v);
	}
	/* A vector without an eventfd vanishes, and is no fault. */
	ck_assert_int_eq(pci_irq_connect(dev[0], PCI_IRQ_MSI, 1, NULL), 0);
	pci_config_write(dev[0], dev[0]->msi_cap + PCI_MSI_MASK_64, 4, 0);
	pci_irq_raise(dev[0], 1);
	expect_nothing();
	ck_assert_uint_eq(faults, 0);
	teardown();
}
END_TEST

/* A user that writes another one's message into the table. */
START_TEST(messages_of_others)
{
	struct intr_msg other;

	setup(_i);
	enable(0, PCI_IRQ_MSIX, 1);
	enable(1, PCI_IRQ_MSIX, 2);
	other = message(1, 1);
	pci_bar_write(dev[0], 0, MSIX_TABLE, 8, other.addr);
	pci_bar_write(dev[0], 0, MSIX_TABLE + 8, 4, other.data);
	pci_irq_raise(dev[0], 0);
	if (kind == NONE) {
		/* Nobody stops it. */
		expect(1, 1);
		ck_assert_uint_eq(faults, 0);
		teardown();
		return;
	}
	expect_nothing();
	ck_assert_uint_eq(faults, 1);
	ck_assert_int_eq(last.reason,
			 kind == INTEL ? DMA_FAULT_INTR_SOURCE : DMA_FAULT_INTR_ABSENT);
	ck_assert_uint_eq(last.rid, 0x0100);
	/* Its own does what it always did. */
	pci_irq_raise(dev[1], 1);
	expect(1, 1);
	/* An address that is no message at all. */
	pci_bar_write(dev[0], 0, MSIX_TABLE, 8, 0x1000);
	pci_irq_raise(dev[0], 0);
	expect_nothing();
	ck_assert_uint_eq(faults, 2);
	teardown();
}
END_TEST

START_TEST(messages_by_dma)
{
	struct intr_msg own, other;

	setup(_i);
	enable(0, PCI_IRQ_MSIX, 2);
	enable(1, PCI_IRQ_MSIX, 3);
	own = message(0, 1);
	other = message(1, 2);
	ck_assert_int_eq(dma_write(dev[0]->iommu, own.addr, &own.data, 4), 0);
	expect(0, 1);
	ck_assert_int_eq(dma_write(dev[0]->iommu, other.addr, &other.data, 4), 0);
	if (kind == NONE) {
		expect(1, 2);
	} else {
		expect_nothing();
		ck_assert_uint_eq(faults, 1);
		ck_assert_uint_eq(last.iova, other.addr);
	}
	/* Disabled: the message is stale. */
	pci_disable_vectors(dev[0], PCI_IRQ_MSIX);
	faults = 0;
	ck_assert_int_eq(dma_write(dev[0]->iommu, own.addr, &own.data, 4), 0);
	expect_nothing();
	if (kind != NONE)
		ck_assert_int_eq(last.reason, DMA_FAULT_INTR_ABSENT);
	ck_assert_uint_eq(faults, kind != NONE);
	teardown();
}
END_TEST

/* ---- posting ------------------------------------------------------------------------------- */

static struct pi_desc desc;
static _Atomic unsigned int notified;

static void notify(void *arg, uint8_t vector)
{
	ck_assert_ptr_eq(arg, &desc);
	ck_assert_uint_eq(vector, 0x51);
	atomic_fetch_add(&notified, 1);
}

static struct irq_post_target target = {
	.pi_desc = &desc, .vector = 0x51, .notify = notify, .arg = &desc
};

START_TEST(posted_and_back)
{
	uint64_t requests[4];
	int irq;

	setup(_i);
	enable(0, PCI_IRQ_MSIX, 2);
	irq = pci_irq_vector(dev[0], PCI_IRQ_MSIX, 1);
	if (kind == NONE) {
		ck_assert_int_eq(irq_set_vcpu_affinity(irq, &target), -ENODEV);
		teardown();
		return;
	}
	ck_assert_int_eq(irq_set_vcpu_affinity(irq, &target), 0);
	pci_irq_raise(dev[0], 1);
	pci_irq_raise(dev[0], 1);
	expect_nothing();
	ck_assert_uint_eq(notified, 1);
	ck_assert(pi_take(&desc, requests));
	ck_assert_uint_eq(requests[1], 1ULL << (0x51 - 64));
	pci_irq_raise(dev[0], 0);
	expect(0, 0);
	ck_assert_int_eq(irq_set_vcpu_affinity(irq, NULL), 0);
	pci_irq_raise(dev[0], 1);
	expect(0, 1);
	ck_assert_uint_eq(notified, 1);
	/* Gone with the vector. */
	ck_assert_int_eq(irq_set_vcpu_affinity(irq, &target), 0);
	pci_disable_vectors(dev[0], PCI_IRQ_MSIX);
	ck_assert_int_eq(irq_set_vcpu_affinity(irq, &target), -EINVAL);
	ck_assert_int_eq(irq_set_vcpu_affinity(0, NULL), -EINVAL);
	ck_assert_int_eq(irq_set_vcpu_affinity(-1, NULL), -EINVAL);
	ck_assert_uint_eq(faults, 0);
	teardown();
}
END_TEST

/* As a VM's irqfd: paired, it takes the interrupt past the eventfd. */
static int add_producer(struct irq_bypass_consumer *c, struct irq_bypass_producer *p)
{
	return irq_set_vcpu_affinity(p->irq, &target);
}

static void del_producer(struct irq_bypass_consumer *c, struct irq_bypass_producer *p)
{
	irq_set_vcpu_affinity(p->irq, NULL);
}

static _Atomic bool stop;
static _Atomic unsigned int switches;

static void *switcher(void *arg)
{
	struct irq_bypass_consumer consumer = { .add_producer = add_producer,
						.del_producer = del_producer };

	while (!atomic_load(&stop)) {
		if (irq_bypass_register_consumer(&consumer, fd[0][0]) || !consumer.producer)
			return (void *)1;
		/* On one CPU the other side is to see either state. */
		sched_yield();
		irq_bypass_unregister_consumer(&consumer);
		sched_yield();
		atomic_fetch_add(&switches, 1);
	}
	return NULL;
}

/* Each interrupt arrives once, either way, while another thread pairs and unpairs all the time. */
START_TEST(nothing_lost_nor_doubled)
{
	unsigned int posted = 0, signalled = 0;
	struct irq_bypass_producer producer = { 0 };
	uint64_t requests[4];
	pthread_t thread;
	void *bad;

	setup(_i);
	enable(0, PCI_IRQ_MSIX, 1);
	memset(&desc, 0, sizeof(desc));
	ck_assert_int_eq(irq_bypass_register_producer(&producer, fd[0][0],
						      pci_irq_vector(dev[0], PCI_IRQ_MSIX, 0)),
			 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, switcher, NULL), 0);
	/* Until both ways were seen often: the test's time limit is generous. */
	for (unsigned int i = 0; posted < 50 || signalled < 50 || atomic_load(&switches) < 50;
	     i++) {
		unsigned int p, s;

		pci_irq_raise(dev[0], 0);
		s = (unsigned int)value(fd[0][0]);
		p = pi_take(&desc, requests);
		if (s + p != 1)
			ck_abort_msg("%u on the eventfd, %u posted", s, p);
		posted += p;
		signalled += s;
		/* A mutex taken again at once starves who sleeps for it. */
		if (i % 16 == 0)
			sched_yield();
	}
	atomic_store(&stop, true);
	ck_assert_int_eq(pthread_join(thread, &bad), 0);
	ck_assert_ptr_null(bad);
	ck_assert_uint_gt(posted, 0);
	ck_assert_uint_gt(signalled, 0);
	ck_assert_uint_eq(notified, posted);
	ck_assert_uint_eq(faults, 0);
	irq_bypass_unregister_producer(&producer);
	teardown();
}
END_TEST

/* Without remapping anyone may send to a vector whose trigger comes and goes. */
static void *sender(void *arg)
{
	const struct intr_msg *msg = arg;

	while (!atomic_load(&stop))
		dma_write(dev[1]->iommu, msg->addr, &msg->data, 4);
	return NULL;
}

START_TEST(a_trigger_goes_under_fire)
{
	struct irq_trigger *t;
	struct intr_msg msg;
	pthread_t thread;

	setup(NONE);
	enable(0, PCI_IRQ_MSIX, 1);
	msg = message(0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, sender, &msg), 0);
	for (unsigned int i = 0; i < 50; i++) {
		ck_assert_int_eq(irq_trigger_create(fd[0][0], &t), 0);
		ck_assert_int_eq(pci_irq_connect(dev[0], PCI_IRQ_MSIX, 0, t), 0);
		for (unsigned int n = 0; n < 50 && !irq_trigger_count(t); n++)
			sched_yield();
		ck_assert_int_eq(pci_irq_connect(dev[0], PCI_IRQ_MSIX, 0, NULL), 0);
		irq_trigger_destroy(t);
	}
	atomic_store(&stop, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pci_vector");
	TCase *tcase = tcase_create("pci_vector");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, msix_messages, 0, KINDS);
	tcase_add_loop_test(tcase, msi_messages, 0, KINDS);
	tcase_add_loop_test(tcase, messages_of_others, 0, KINDS);
	tcase_add_loop_test(tcase, messages_by_dma, 0, KINDS);
	tcase_add_loop_test(tcase, posted_and_back, 0, KINDS);
	tcase_add_loop_test(tcase, nothing_lost_nor_doubled, 0, NONE);
	tcase_add_test(tcase, a_trigger_goes_under_fire);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
