/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GSI routing (virt/kvm/irqchip.c, arch/x86/kvm/irq_comm.c): what a global system interrupt number
 * means to this VM, a pin of a chip (or of both kinds of chip) or an MSI; the default routes; and
 * who is told of a pin's acknowledgement.
 *
 * The table of all routes is immutable: KVM_SET_GSI_ROUTING publishes another one, waits for the
 * readers of the old, and lets the irqfds follow. Ack notifiers are linked by atomic pointers.
 * Readers take no lock (srcu.c). Notifiers run as such readers: who unregisters one waits for it.
 *
 * Lock: irq_lock serialises whoever replaces.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"

#define RESERVED_SOURCES (BIT(KVM_USERSPACE_IRQ_SOURCE_ID) | BIT(KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID))

static int check_flags(const struct kvm_irq_routing_entry *entry)
{
	uint32_t allowed = entry->type == KVM_IRQ_ROUTING_MSI ? KVM_MSI_VALID_DEVID : 0;

	return entry->flags & ~allowed ? -EINVAL : 0;
}

/* Pins of the slave are numbered from 0, as those of the master. */
static int check_target(const struct kvm *kvm, const struct kvm_irq_routing_entry *entry)
{
	uint32_t pins = PIC_PINS;

	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (entry->u.irqchip.irqchip >= KVM_NR_IRQCHIPS)
			return -EINVAL;
		if (entry->u.irqchip.irqchip == KVM_IRQCHIP_IOAPIC)
			pins = KVM_IOAPIC_NUM_PINS;
		return entry->u.irqchip.pin < pins ? 0 : -EINVAL;
	case KVM_IRQ_ROUTING_MSI:
		return kvm_msi_invalid(kvm, entry->u.msi.address_hi) ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static int by_gsi(const void *a, const void *b)
{
	const struct kvm_irq_routing_entry *one = a, *two = b;

	return one->gsi < two->gsi ? -1 : one->gsi > two->gsi;
}

/* A GSI may go to one pin of each chip, or to one MSI. @entries is sorted. */
static int check_shared(const struct kvm_irq_routing_entry *entries, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		for (unsigned int j = i + 1; j < nr && entries[j].gsi == entries[i].gsi; j++)
			if (entries[i].type != KVM_IRQ_ROUTING_IRQCHIP ||
			    entries[j].type != KVM_IRQ_ROUTING_IRQCHIP ||
			    entries[i].u.irqchip.irqchip == entries[j].u.irqchip.irqchip)
				return -EINVAL;
	return 0;
}

static int check_entries(const struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			 unsigned int nr)
{
	int ret = 0;

	for (unsigned int i = 0; i < nr && !ret; i++) {
		ret = entries[i].gsi >= KVM_MAX_IRQ_ROUTES ? -EINVAL : check_flags(&entries[i]);
		if (!ret)
			ret = check_target(kvm, &entries[i]);
	}
	return ret ? ret : check_shared(entries, nr);
}

/* On a real VM KVM checks them, which knows more kinds; those are kept, and mean nothing here. */
static int build_routes(const struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			unsigned int nr, struct kvm_routes **out)
{
	struct kvm_routes *routes;
	int ret = 0;

	routes = FAIL_POINT() ? NULL : malloc(sizeof(*routes) + nr * sizeof(routes->entries[0]));
	if (!routes)
		return -ENOMEM;
	memset(routes->gsi_of_pin, -1, sizeof(routes->gsi_of_pin));
	routes->nr = nr;
	if (nr)
		memcpy(routes->entries, entries, nr * sizeof(entries[0]));
	qsort(routes->entries, nr, sizeof(routes->entries[0]), by_gsi);
	if (!kvm_is_real(kvm))
		ret = check_entries(kvm, routes->entries, nr);
	if (ret) {
		free(routes);
		return ret;
	}
	for (unsigned int i = 0; i < nr; i++) {
		const struct kvm_irq_routing_entry *entry = &routes->entries[i];

		if (entry->type == KVM_IRQ_ROUTING_IRQCHIP && !check_target(kvm, entry))
			routes->gsi_of_pin[entry->u.irqchip.irqchip][entry->u.irqchip.pin] =
				(int16_t)entry->gsi;
	}
	*out = routes;
	return 0;
}

static void publish_locked(struct kvm *kvm, struct kvm_routes *routes)
{
	struct kvm_routes *old = atomic_exchange(&kvm->routes, routes);

	kvm_irq_routing_update(kvm);
	kvm_srcu_wait(&kvm->irq_srcu);
	free(old);
}

int kvm_set_irq_routing(struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			unsigned int nr, unsigned int flags)
{
	struct kvm_routes *routes;
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if (nr > KVM_MAX_IRQ_ROUTES || flags)
		return -EINVAL;
	if (!kvm_is_real(kvm) && !atomic_load(&kvm->irqchip))
		return -EINVAL;
	ret = build_routes(kvm, entries, nr, &routes);
	if (ret)
		return ret;
	pthread_mutex_lock(&kvm->irq_lock);
	if (kvm->ops->set_routing)
		ret = kvm->ops->set_routing(kvm, entries, nr);
	if (ret)
		free(routes);
	else
		publish_locked(kvm, routes);
	pthread_mutex_unlock(&kvm->irq_lock);
	return ret;
}

/* As KVM_CREATE_IRQCHIP leaves them: 16 lines go to the pins of both kinds of chip, 8 more to the
 * I/O APIC alone. */
int kvm_set_default_routes(struct kvm *kvm)
{
	struct kvm_irq_routing_entry entries[KVM_IOAPIC_NUM_PINS + 2 * PIC_PINS];
	struct kvm_routes *routes;
	unsigned int nr = 0;
	int ret;

	for (uint32_t gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++) {
		struct kvm_irq_routing_entry entry = { .gsi = gsi,
						       .type = KVM_IRQ_ROUTING_IRQCHIP };

		entry.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		entry.u.irqchip.pin = gsi;
		entries[nr++] = entry;
		if (gsi >= 2 * PIC_PINS)
			continue;
		entry.u.irqchip.irqchip = gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER
							 : KVM_IRQCHIP_PIC_SLAVE;
		entry.u.irqchip.pin = gsi % PIC_PINS;
		entries[nr++] = entry;
	}
	ret = build_routes(kvm, entries, nr, &routes);
	if (!ret)
		publish_locked(kvm, routes);
	return ret;
}

void kvm_free_routes(struct kvm *kvm)
{
	free(atomic_load(&kvm->routes));
}

/* The first entry of @gsi; its fellows follow it. */
static const struct kvm_irq_routing_entry *first_route(const struct kvm_routes *routes,
						       uint32_t gsi)
{
	unsigned int low = 0, high = routes ? routes->nr : 0;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (routes->entries[mid].gsi < gsi)
			low = mid + 1;
		else
			high = mid;
	}
	return routes && low < routes->nr && routes->entries[low].gsi == gsi ? &routes->entries[low]
									     : NULL;
}

bool kvm_route_of(struct kvm *kvm, uint32_t gsi, struct kvm_irq_routing_entry *route)
{
	unsigned int index = kvm_srcu_enter(&kvm->irq_srcu);
	const struct kvm_routes *routes = atomic_load(&kvm->routes);
	const struct kvm_irq_routing_entry *entry = first_route(routes, gsi);
	bool one = entry && (entry + 1 == &routes->entries[routes->nr] || entry[1].gsi != gsi);

	if (one)
		*route = *entry;
	kvm_srcu_leave(&kvm->irq_srcu, index);
	return one;
}

static int send_msi(struct kvm *kvm, const struct kvm_msi *msi)
{
	struct kvm_lapic_irq irq;

	if (kvm_msi_invalid(kvm, msi->address_hi))
		return -EINVAL;
	kvm_msi_to_irq(kvm, msi, &irq);
	return kvm_irq_delivery_to_apic(kvm, &irq);
}

/* Drives what one entry names; as kvm_set_irq(). */
static int set_route(struct kvm *kvm, const struct kvm_irq_routing_entry *entry,
		     unsigned int source_id, int level)
{
	struct kvm_msi msi;

	if (entry->type == KVM_IRQ_ROUTING_MSI) {
		msi = (struct kvm_msi){ .address_lo = entry->u.msi.address_lo,
					.address_hi = entry->u.msi.address_hi,
					.data = entry->u.msi.data };
		return level ? send_msi(kvm, &msi) : -EPERM;
	}
	if (entry->u.irqchip.irqchip == KVM_IRQCHIP_IOAPIC)
		return kvm_ioapic_set_irq(kvm, entry->u.irqchip.pin, source_id, level);
	return kvm_pic_set_irq(kvm,
			       entry->u.irqchip.pin + PIC_PINS * (entry->u.irqchip.irqchip ==
								  KVM_IRQCHIP_PIC_SLAVE),
			       source_id, level);
}

int kvm_set_irq_soft(struct kvm *kvm, unsigned int source_id, uint32_t gsi, int level)
{
	unsigned int index = kvm_srcu_enter(&kvm->irq_srcu);
	const struct kvm_routes *routes = atomic_load(&kvm->routes);
	const struct kvm_irq_routing_entry *entry = first_route(routes, gsi);
	int ret = -EPERM;

	for (; entry && entry < &routes->entries[routes->nr] && entry->gsi == gsi; entry++) {
		int one = set_route(kvm, entry, source_id, level);

		if (one >= 0)
			ret = one + (ret < 0 ? 0 : ret);
	}
	kvm_srcu_leave(&kvm->irq_srcu, index);
	return ret;
}

int kvm_set_irq(struct kvm *kvm, unsigned int source_id, uint32_t gsi, int level)
{
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if (source_id >= KVM_NR_IRQ_SOURCES)
		return -EINVAL;
	return kvm->ops->set_irq(kvm, source_id, gsi, level);
}

int kvm_signal_msi(struct kvm *kvm, const struct kvm_msi *msi)
{
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if (kvm->ops->signal_msi)
		return kvm->ops->signal_msi(kvm, msi);
	if (!atomic_load(&kvm->irqchip) || msi->flags & ~KVM_MSI_VALID_DEVID)
		return -EINVAL;
	return send_msi(kvm, msi);
}

int kvm_request_irq_source_id(struct kvm *kvm)
{
	unsigned int given = atomic_load(&kvm->irq_sources), all;
	int id;

	do {
		all = given | RESERVED_SOURCES;
		if (!~all)
			return -EFAULT;
		id = __builtin_ctz(~all);
	} while (!atomic_compare_exchange_weak(&kvm->irq_sources, &given, all | BIT(id)));
	return id;
}

void kvm_free_irq_source_id(struct kvm *kvm, unsigned int source_id)
{
	if (source_id >= KVM_NR_IRQ_SOURCES || RESERVED_SOURCES & BIT(source_id))
		return;
	for (uint32_t gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++) {
		if (kvm_is_real(kvm)) {
			kvm_set_irq(kvm, source_id, gsi, 0);
		} else if (atomic_load(&kvm->irqchip)) {
			/* Whatever the routes say now. */
			kvm_ioapic_set_irq(kvm, gsi, source_id, 0);
			if (gsi < 2 * PIC_PINS)
				kvm_pic_set_irq(kvm, gsi, source_id, 0);
		}
	}
	atomic_fetch_and(&kvm->irq_sources, ~BIT(source_id));
}

int kvm_register_irq_ack_notifier(struct kvm *kvm, struct kvm_irq_ack_notifier *notifier)
{
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if (kvm_is_real(kvm))
		return -EOPNOTSUPP;
	pthread_mutex_lock(&kvm->irq_lock);
	atomic_store(&notifier->next, atomic_load(&kvm->acks));
	atomic_store(&kvm->acks, notifier);
	pthread_mutex_unlock(&kvm->irq_lock);
	return 0;
}

void kvm_unregister_irq_ack_notifier(struct kvm *kvm, struct kvm_irq_ack_notifier *notifier)
{
	_Atomic(struct kvm_irq_ack_notifier *) *link = &kvm->acks;
	struct kvm_irq_ack_notifier *at;

	pthread_mutex_lock(&kvm->irq_lock);
	while ((at = atomic_load(link)) && at != notifier)
		link = &at->next;
	if (at) {
		/* Readers that stand on it go on to its successor. */
		atomic_store(link, atomic_load(&notifier->next));
		kvm_srcu_wait(&kvm->irq_srcu);
	}
	pthread_mutex_unlock(&kvm->irq_lock);
}

void kvm_notify_acked_irq(struct kvm *kvm, unsigned int irqchip, unsigned int pin)
{
	unsigned int index = kvm_srcu_enter(&kvm->irq_srcu);
	const struct kvm_routes *routes = atomic_load(&kvm->routes);
	int gsi = routes ? routes->gsi_of_pin[irqchip][pin] : -1;
	struct kvm_irq_ack_notifier *notifier;

	for (notifier = atomic_load(&kvm->acks); notifier && gsi >= 0;
	     notifier = atomic_load(&notifier->next))
		if (notifier->gsi == (uint32_t)gsi)
			notifier->irq_acked(notifier);
	kvm_srcu_leave(&kvm->irq_srcu, index);
}
