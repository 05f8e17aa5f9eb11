/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts while everything about them changes: one thread raises and serves, one replaces the
 * routes and switches posting off and on, one ends the irqfd and makes it again, one registers the
 * producer and takes it away. Each interrupt that is raised is taken once: none is lost on its way
 * through a switch, none comes twice. Built with ThreadSanitizer, the test looks for races.
 */
#include "kvm/device_fixture.h"

#include "base/thread.h"

#define GSI    30
#define RAISES 2000

static struct kvm *kvm;
static struct device *device;
static atomic_bool done;

static void nap(long usec)
{
	nanosleep(&(struct timespec){ .tv_nsec = usec * 1000 }, NULL);
}

static int irqfd(uint32_t flags)
{
	struct kvm_irqfd args = { .fd = (uint32_t)device->eventfd, .gsi = GSI, .flags = flags };

	return kvm_irqfd(kvm, &args);
}

/* vCPU 0 or 1, as an MSI each. */
static void *reroute(void *arg)
{
	for (unsigned int i = 0; !atomic_load(&done); i++) {
		struct kvm_irq_routing_entry entry =
			msi_route(GSI, 0xfee00000 | (i & 1) << 12, 0x41 + (i & 1));

		atomic_store(&device->refuse, i & 4 ? -ENODEV : 0);
		ck_assert_int_eq(kvm_set_irq_routing(kvm, &entry, 1, 0), 0);
		nap(100);
	}
	return arg;
}

static void *reassign(void *arg)
{
	while (!atomic_load(&done)) {
		ck_assert_int_eq(irqfd(KVM_IRQFD_FLAG_DEASSIGN), 0);
		ck_assert_int_eq(irqfd(0), 0);
		nap(300);
	}
	return arg;
}

static void *repair(void *arg)
{
	while (!atomic_load(&done)) {
		irq_bypass_unregister_producer(&device->producer);
		pair(device);
		nap(200);
	}
	return arg;
}

/* Acknowledges and ends what waits; how many. */
static unsigned int serve(void)
{
	unsigned int taken = 0;

	for (unsigned int vcpu = 0; vcpu < 2; vcpu++)
		while (kvm_get_interrupt(kvm, vcpu) != 0xff) {
			ck_assert_int_eq(kvm_lapic_write(kvm, vcpu, 0xb0, 0), 0);
			taken++;
		}
	return taken;
}

static void run_beside(void *(*const *fns)(void *), unsigned int nr, void (*work)(void))
{
	pthread_t threads[4];

	atomic_store(&done, false);
	for (unsigned int i = 0; i < nr; i++)
		ck_assert_int_eq(thread_create(&threads[i], "test", fns[i], NULL), 0);
	work();
	atomic_store(&done, true);
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
}

static void raise_and_serve(void)
{
	for (unsigned int raised = 0; raised < RAISES; raised++) {
		unsigned int taken = 0;

		raise_irq(device);
		for (unsigned int i = 0; i < 600000 && !taken; i++) {
			taken = serve();
			if (!taken)
				nap(100);
		}
		nap(20); /* the others move on */
		ck_assert_msg(taken == 1, "number %u was taken %u times", raised, taken);
	}
}

START_TEST(none_lost_none_twice)
{
	static void *(*const fns[])(void *) = { reroute, reassign, repair };
	struct kvm_irq_routing_entry entry = msi_route(GSI, 0xfee00000, 0x41);

	kvm = kvm_with_vcpus(false, 2);
	device = device_create();
	device->amd = _i;
	ck_assert_int_eq(kvm_set_irq_routing(kvm, &entry, 1, 0), 0);
	ck_assert_int_eq(irqfd(0), 0);
	pair(device);
	run_beside(fns, ARRAY_SIZE(fns), raise_and_serve);
	ck_assert_uint_eq(serve(), 0);
	/* The VM goes first, with the producer paired. */
	kvm_destroy(kvm);
	ck_assert(!device->posted);
	device_destroy(device);
}
END_TEST

/* A level line, its acknowledgements, and who listens to them come and go. */
static int resamplefd;

static int resampling(uint32_t flags)
{
	struct kvm_irqfd args = { .fd = (uint32_t)device->eventfd,
				  .gsi = 18,
				  .flags = flags | KVM_IRQFD_FLAG_RESAMPLE,
				  .resamplefd = (uint32_t)resamplefd };

	return kvm_irqfd(kvm, &args);
}

static void *reassign_level(void *arg)
{
	while (!atomic_load(&done)) {
		ck_assert_int_eq(resampling(KVM_IRQFD_FLAG_DEASSIGN), 0);
		ck_assert_int_eq(resampling(0), 0);
		nap(300);
	}
	return arg;
}

static void *reroute_level(void *arg)
{
	while (!atomic_load(&done)) {
		struct kvm_irq_routing_entry entry = pin_route(18, KVM_IRQCHIP_IOAPIC, 18);

		ck_assert_int_eq(kvm_set_irq_routing(kvm, &entry, 1, 0), 0);
		nap(200);
	}
	return arg;
}

/* The device's promise is the resamplefd: it repeats what was not acknowledged to it. */
static void raise_levels(void)
{
	for (unsigned int raised = 0; raised < RAISES / 20; raised++) {
		unsigned int i;

		for (i = 0; i < 600000 && !take_eventfd(resamplefd, 0); i++) {
			if (i % 64 == 0)
				signal_eventfd(device->eventfd);
			serve();
			nap(100);
		}
		ck_assert_msg(i < 600000, "number %u was never acknowledged", raised);
	}
}

START_TEST(levels_are_acknowledged)
{
	static void *(*const fns[])(void *) = { reroute_level, reassign_level };
	uint32_t select = 0x10 + 2 * 18, entry = 0x8081;

	kvm = kvm_with_vcpus(false, 2);
	device = device_create();
	resamplefd = eventfd(0, EFD_NONBLOCK);
	ck_assert_int_eq(kvm_ioapic_access(kvm, 0, true, &select), 0);
	ck_assert_int_eq(kvm_ioapic_access(kvm, 0x10, true, &entry), 0);
	ck_assert_int_eq(resampling(0), 0);
	run_beside(fns, ARRAY_SIZE(fns), raise_levels);
	kvm_destroy(kvm);
	device_destroy(device);
	close(resamplefd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("irqfd_stress");

	/* Posted as Intel's hardware does, and as AMD's. */
	tcase_add_loop_test(tc, none_lost_none_twice, 0, 2);
	tcase_add_test(tc, levels_are_acknowledged);
	return run_suite(tc, "irqfd_stress");
}
