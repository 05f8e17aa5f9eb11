/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ioeventfds (virt/kvm/eventfd.c): a guest's write to an address of memory or ports becomes a
 * signal of an eventfd. Checks and collisions are KVM's. A real VM's are in the kernel, which sees
 * the guest's writes; these are the software model's, whose VMM asks here first.
 *
 * Lock: ioeventfds_lock.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/overflow.h"

#define MAX_PER_BUS 1000 /* NR_IOBUS_DEVS */

#define FLAGS                                                                                  \
	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN | \
	 KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)

struct ioeventfd {
	struct list_head node;
	bool pio, wildcard; /* wildcard: any data */
	uint64_t addr, datamatch, token;
	uint32_t len; /* 0: any */
	struct irq_trigger *trigger;
};

static bool collides(const struct ioeventfd *one, const struct ioeventfd *two)
{
	if (one->pio != two->pio || one->addr != two->addr)
		return false;
	if (!one->len || !two->len)
		return true;
	return one->len == two->len &&
	       (one->wildcard || two->wildcard || one->datamatch == two->datamatch);
}

static int check_args(const struct kvm_ioeventfd *args)
{
	uint64_t end;

	switch (args->len) {
	case 0:
	case 1:
	case 2:
	case 4:
	case 8:
		break;
	default:
		return -EINVAL;
	}
	if (check_add_overflow(args->addr, args->len, &end) || args->flags & ~FLAGS)
		return -EINVAL;
	return !args->len && args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH ? -EINVAL : 0;
}

static struct ioeventfd describe(const struct kvm_ioeventfd *args)
{
	return (struct ioeventfd){ .pio = args->flags & KVM_IOEVENTFD_FLAG_PIO,
				   .wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
				   .addr = args->addr,
				   .len = args->len,
				   .datamatch = args->datamatch };
}

static int insert_locked(struct kvm *kvm, struct ioeventfd *new)
{
	struct ioeventfd *other;

	list_for_each_entry(other, &kvm->ioeventfds, node)
		if (collides(other, new))
			return -EEXIST;
	if (kvm->nr_ioeventfds[new->pio] >= MAX_PER_BUS)
		return -ENOSPC;
	kvm->nr_ioeventfds[new->pio]++;
	list_add_tail(&new->node, &kvm->ioeventfds);
	return 0;
}

static int assign(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd *new;
	int ret = check_args(args);

	if (ret)
		return ret;
	new = FAIL_POINT() ? NULL : malloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = describe(args);
	ret = irq_trigger_create(args->fd, &new->trigger);
	if (ret) {
		free(new);
		return ret;
	}
	/* Without an identity it cannot be found for its end, but by the VM's. */
	if (irq_bypass_eventfd_token(irq_trigger_fd(new->trigger), &new->token))
		new->token = 0;
	pthread_mutex_lock(&kvm->ioeventfds_lock);
	ret = insert_locked(kvm, new);
	pthread_mutex_unlock(&kvm->ioeventfds_lock);
	if (ret) {
		irq_trigger_destroy(new->trigger);
		free(new);
	}
	return ret;
}

static struct ioeventfd *remove_locked(struct kvm *kvm, const struct ioeventfd *like)
{
	struct ioeventfd *at;

	list_for_each_entry(at, &kvm->ioeventfds, node) {
		if (at->pio != like->pio || at->addr != like->addr || at->len != like->len ||
		    at->wildcard != like->wildcard || at->token != like->token ||
		    (!at->wildcard && at->datamatch != like->datamatch))
			continue;
		list_del(&at->node);
		kvm->nr_ioeventfds[at->pio]--;
		return at;
	}
	return NULL;
}

static int deassign(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd like = describe(args), *gone;
	int ret = irq_bypass_eventfd_token(args->fd, &like.token);

	if (ret)
		return ret;
	pthread_mutex_lock(&kvm->ioeventfds_lock);
	gone = remove_locked(kvm, &like);
	pthread_mutex_unlock(&kvm->ioeventfds_lock);
	if (!gone)
		return -ENOENT;
	irq_trigger_destroy(gone->trigger);
	free(gone);
	return 0;
}

int kvm_ioeventfd_soft(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	return args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? deassign(kvm, args) : assign(kvm, args);
}

int kvm_ioeventfd(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	int ret = kvm_check(kvm);

	return ret ? ret : kvm->ops->ioeventfd(kvm, args);
}

static bool takes(const struct ioeventfd *at, bool pio, uint64_t addr, unsigned int len,
		  uint64_t value)
{
	if (at->pio != pio || at->addr != addr || (at->len && at->len != len))
		return false;
	if (at->wildcard)
		return true;
	if (len < 8)
		value &= BIT_ULL(len * 8) - 1;
	return value == at->datamatch;
}

bool kvm_ioeventfd_write(struct kvm *kvm, bool pio, uint64_t addr, unsigned int len, uint64_t value)
{
	struct ioeventfd *at;
	bool taken = false;

	if (kvm_check(kvm))
		return false;
	pthread_mutex_lock(&kvm->ioeventfds_lock);
	list_for_each_entry(at, &kvm->ioeventfds, node) {
		taken = takes(at, pio, addr, len, value);
		if (taken) {
			irq_trigger_signal(at->trigger);
			break;
		}
	}
	pthread_mutex_unlock(&kvm->ioeventfds_lock);
	return taken;
}

void kvm_free_ioeventfds(struct kvm *kvm)
{
	struct ioeventfd *at, *next;

	list_for_each_entry_safe(at, next, &kvm->ioeventfds, node) {
		list_del(&at->node);
		irq_trigger_destroy(at->trigger);
		free(at);
	}
}
