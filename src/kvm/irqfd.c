/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irqfds (virt/kvm/eventfd.c): an eventfd becomes an interrupt of the VM.
 *
 * Each irqfd is a consumer of irqbypass. While it is paired and its GSI is routed to an MSI that
 * one vCPU takes, the producer's interrupt is posted there and the eventfd is not signalled;
 * otherwise the eventfd is, and the back end injects. Whenever routes change, each irqfd takes its
 * new entry, and a paired one has its posting changed (kvm_arch_update_irqfd_routing).
 *
 * KVM ends an irqfd also when the last fd of its eventfd is closed. Here it holds one itself, and
 * ends with its deassignment or the VM.
 *
 * Locks: irqfds.assign_lock, held over an assignment or deassignment as a whole; below it the
 * irqbypass manager's, under which add_producer and del_producer run; below that irqfds.lock. A
 * posted interrupt takes none: what it needs is in its target, which irq_set_vcpu_affinity()
 * replaces as a whole. eventfds_lock guards the list of all irqfds of the process.
 */
#include "kvm/kvm_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sysraw.h"

/* The irqfds with KVM_IRQFD_FLAG_RESAMPLE of one GSI. */
struct kvm_irqfd_resampler {
	struct kvm *kvm;
	struct list_head list; /* irqfds.lock */
	struct kvm_irq_ack_notifier notifier;
	struct list_head link; /* assign_lock */
};

static pthread_mutex_t eventfds_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head all_irqfds = { &all_irqfds, &all_irqfds }; /* eventfds_lock */

void kvm_after_fork(void)
{
	pthread_mutex_init(&eventfds_lock, NULL);
}

/* An eventfd has one irqfd, in whichever VM (Linux since 6.17). A real VM's KVM decides itself. */
static int claim_eventfd(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_kernel_irqfd *other;
	int ret = 0;

	pthread_mutex_lock(&eventfds_lock);
	list_for_each_entry(other, &all_irqfds, all)
		if (irqfd->token && other->token == irqfd->token && !kvm_is_real(irqfd->kvm))
			ret = -EBUSY;
	if (!ret)
		list_add(&irqfd->all, &all_irqfds);
	pthread_mutex_unlock(&eventfds_lock);
	return ret;
}

static void drop_eventfd(struct kvm_kernel_irqfd *irqfd)
{
	pthread_mutex_lock(&eventfds_lock);
	list_del(&irqfd->all);
	pthread_mutex_unlock(&eventfds_lock);
}

/* -- posting (arch/x86/kvm/irq.c) -- */

/* Lets the producer's interrupt follow the irqfd's route. Without a target, or where nothing remaps
 * interrupts, it goes to the eventfd. */
static void update_posting_locked(struct kvm_kernel_irqfd *irqfd, bool wanted)
{
	struct irq_post_target target;
	void *priv = NULL, *old = irqfd->post_priv;
	bool post;

	if (!irqfd->producer)
		return;
	post = wanted && irqfd->routed && irqfd->irq_entry.type == KVM_IRQ_ROUTING_MSI &&
	       irqfd->kvm->ops->post_target(irqfd->kvm, &irqfd->irq_entry, &target, &priv);
	if (!post && !irqfd->posted)
		return;
	if (irq_set_vcpu_affinity(irqfd->producer->irq, post ? &target : NULL) && post) {
		/* Refused: the previous target stands, if there was one. */
		free(priv);
		if (!irqfd->posted)
			return;
		irq_set_vcpu_affinity(irqfd->producer->irq, NULL);
		post = false;
		priv = NULL;
	}
	irqfd->posted = post;
	irqfd->post_priv = priv;
	free(old); /* nothing is posted there any more */
}

static int add_producer(struct irq_bypass_consumer *consumer, struct irq_bypass_producer *producer)
{
	struct kvm_kernel_irqfd *irqfd = container_of(consumer, struct kvm_kernel_irqfd, consumer);

	pthread_mutex_lock(&irqfd->kvm->irqfds.lock);
	irqfd->producer = producer;
	update_posting_locked(irqfd, true);
	pthread_mutex_unlock(&irqfd->kvm->irqfds.lock);
	return 0;
}

static void del_producer(struct irq_bypass_consumer *consumer, struct irq_bypass_producer *producer)
{
	struct kvm_kernel_irqfd *irqfd = container_of(consumer, struct kvm_kernel_irqfd, consumer);

	pthread_mutex_lock(&irqfd->kvm->irqfds.lock);
	update_posting_locked(irqfd, false);
	irqfd->producer = NULL;
	pthread_mutex_unlock(&irqfd->kvm->irqfds.lock);
}

static void take_route_locked(struct kvm_kernel_irqfd *irqfd)
{
	irqfd->routed = kvm_route_of(irqfd->kvm, irqfd->gsi, &irqfd->irq_entry);
}

void kvm_irq_routing_update(struct kvm *kvm)
{
	struct kvm_kernel_irqfd *irqfd;

	pthread_mutex_lock(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.list, list) {
		take_route_locked(irqfd);
		update_posting_locked(irqfd, true);
	}
	pthread_mutex_unlock(&kvm->irqfds.lock);
}

/* -- injection by the software model -- */

/* The eventfd was signalled: an edge, or with a resampler a level that the guest's EOI ends. On the
 * thread of virqfds, without locks. */
static void inject(void *arg)
{
	struct kvm_kernel_irqfd *irqfd = arg;

	if (irqfd->resampler) {
		kvm_set_irq_soft(irqfd->kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, irqfd->gsi, 1);
		return;
	}
	kvm_set_irq_soft(irqfd->kvm, KVM_USERSPACE_IRQ_SOURCE_ID, irqfd->gsi, 1);
	kvm_set_irq_soft(irqfd->kvm, KVM_USERSPACE_IRQ_SOURCE_ID, irqfd->gsi, 0);
}

/* The guest has seen it: the line goes down, and whoever still wants an interrupt says so again. */
static void resampler_ack(struct kvm_irq_ack_notifier *notifier)
{
	struct kvm_irqfd_resampler *resampler =
		container_of(notifier, struct kvm_irqfd_resampler, notifier);
	struct kvm *kvm = resampler->kvm;
	struct kvm_kernel_irqfd *irqfd;

	kvm_set_irq_soft(kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, notifier->gsi, 0);
	pthread_mutex_lock(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &resampler->list, resampler_link)
		irq_trigger_signal(irqfd->resample);
	pthread_mutex_unlock(&kvm->irqfds.lock);
}

static struct kvm_irqfd_resampler *find_resampler(struct kvm *kvm, uint32_t gsi)
{
	struct kvm_irqfd_resampler *resampler;

	list_for_each_entry(resampler, &kvm->irqfds.resamplers, link)
		if (resampler->notifier.gsi == gsi)
			return resampler;
	return NULL;
}

/* With assign_lock held. */
static int join_resampler(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm *kvm = irqfd->kvm;
	struct kvm_irqfd_resampler *resampler = find_resampler(kvm, irqfd->gsi);
	int ret;

	if (!resampler) {
		resampler = FAIL_POINT() ? NULL : calloc(1, sizeof(*resampler));
		if (!resampler)
			return -ENOMEM;
		resampler->kvm = kvm;
		list_init(&resampler->list);
		resampler->notifier.gsi = irqfd->gsi;
		resampler->notifier.irq_acked = resampler_ack;
		ret = kvm_register_irq_ack_notifier(kvm, &resampler->notifier);
		if (ret) {
			free(resampler);
			return ret;
		}
		list_add(&resampler->link, &kvm->irqfds.resamplers);
	}
	pthread_mutex_lock(&kvm->irqfds.lock);
	list_add(&irqfd->resampler_link, &resampler->list);
	pthread_mutex_unlock(&kvm->irqfds.lock);
	irqfd->resampler = resampler;
	return 0;
}

/* With assign_lock held. The last one lowers the line. */
static void leave_resampler(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm_irqfd_resampler *resampler = irqfd->resampler;
	struct kvm *kvm = irqfd->kvm;
	bool last;

	if (!resampler)
		return;
	pthread_mutex_lock(&kvm->irqfds.lock);
	list_del(&irqfd->resampler_link);
	last = list_empty(&resampler->list);
	pthread_mutex_unlock(&kvm->irqfds.lock);
	if (!last)
		return;
	list_del(&resampler->link);
	kvm_unregister_irq_ack_notifier(kvm, &resampler->notifier);
	kvm_set_irq_soft(kvm, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, irqfd->gsi, 0);
	free(resampler);
}

int kvm_irqfd_start_soft(struct kvm_kernel_irqfd *irqfd, const struct kvm_irqfd *args)
{
	int ret = args->flags & KVM_IRQFD_FLAG_RESAMPLE ? join_resampler(irqfd) : 0;

	if (ret)
		return ret;
	ret = virqfd_enable(irqfd->fd, inject, irqfd, &irqfd->virqfd);
	if (ret)
		leave_resampler(irqfd);
	return ret;
}

void kvm_irqfd_stop_soft(struct kvm_kernel_irqfd *irqfd)
{
	virqfd_disable(irqfd->virqfd);
	leave_resampler(irqfd);
}

/* -- assignment -- */

/* Our own number first: what it is cannot change any more. */
static int take_eventfd(struct kvm_kernel_irqfd *irqfd, int fd)
{
	int ret;

	irqfd->fd = raw_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (irqfd->fd < 0)
		return irqfd->fd;
	irqfd->fd = fd_move_high(irqfd->fd);
	if (irqfd->fd < 0)
		return irqfd->fd;
	ret = irq_bypass_eventfd_token(irqfd->fd, &irqfd->token);
	if (ret == -EOPNOTSUPP)
		return 0;
	if (ret)
		fd_close(irqfd->fd);
	return ret;
}

/* Behind the last step that can fail. */
static void publish(struct kvm_kernel_irqfd *irqfd)
{
	struct kvm *kvm = irqfd->kvm;
	int ret;

	pthread_mutex_lock(&kvm->irqfds.lock);
	take_route_locked(irqfd);
	list_add_tail(&irqfd->list, &kvm->irqfds.list);
	pthread_mutex_unlock(&kvm->irqfds.lock);
	irqfd->consumer.add_producer = add_producer;
	irqfd->consumer.del_producer = del_producer;
	/* As in KVM, an irqfd works without. */
	ret = irqfd->token ? irq_bypass_register_consumer(&irqfd->consumer, irqfd->fd) : 0;
	if (ret)
		pr_info("kvm: irqbypass does not take the irqfd of GSI %u: %d", irqfd->gsi, ret);
}

static int assign_locked(struct kvm *kvm, const struct kvm_irqfd *args)
{
	struct kvm_kernel_irqfd *irqfd = FAIL_POINT() ? NULL : calloc(1, sizeof(*irqfd));
	int ret;

	if (!irqfd)
		return -ENOMEM;
	*irqfd = (struct kvm_kernel_irqfd){ .kvm = kvm, .fd = -1, .gsi = args->gsi };
	list_init(&irqfd->list);
	ret = take_eventfd(irqfd, (int)args->fd);
	if (ret)
		goto out_free;
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE)
		ret = irq_trigger_create((int)args->resamplefd, &irqfd->resample);
	if (!ret)
		ret = claim_eventfd(irqfd);
	if (ret)
		goto out_close;
	ret = kvm->ops->irqfd_start(irqfd, args);
	if (ret)
		goto out_drop;
	publish(irqfd);
	return 0;
out_drop:
	drop_eventfd(irqfd);
out_close:
	irq_trigger_destroy(irqfd->resample);
	fd_close(irqfd->fd);
out_free:
	free(irqfd);
	return ret;
}

/* It is off the list. With assign_lock held. */
static void shut_down(struct kvm_kernel_irqfd *irqfd)
{
	irq_bypass_unregister_consumer(&irqfd->consumer);
	irqfd->kvm->ops->irqfd_stop(irqfd);
	drop_eventfd(irqfd);
	irq_trigger_destroy(irqfd->resample);
	fd_close(irqfd->fd);
	free(irqfd->post_priv); /* only in a forked child, which nobody posts to */
	free(irqfd);
}

/* None to be found is no error, as in KVM. */
static int deassign_locked(struct kvm *kvm, const struct kvm_irqfd *args)
{
	struct kvm_kernel_irqfd *irqfd, *next;
	struct kvm_kernel_irqfd unknown = { .kvm = kvm, .fd = (int)args->fd, .gsi = args->gsi };
	struct list_head gone;
	uint64_t token;
	int ret = irq_bypass_eventfd_token((int)args->fd, &token);

	if (ret == -EOPNOTSUPP)
		token = 0;
	else if (ret)
		return ret;
	list_init(&gone);
	pthread_mutex_lock(&kvm->irqfds.lock);
	list_for_each_entry_safe(irqfd, next, &kvm->irqfds.list, list) {
		if (!token || irqfd->token != token || irqfd->gsi != args->gsi)
			continue;
		list_del(&irqfd->list);
		list_add(&irqfd->list, &gone);
	}
	pthread_mutex_unlock(&kvm->irqfds.lock);
	/* KVM may have one that was made past us. */
	if (list_empty(&gone) && kvm_is_real(kvm))
		kvm->ops->irqfd_stop(&unknown);
	list_for_each_entry_safe(irqfd, next, &gone, list)
		shut_down(irqfd);
	return 0;
}

int kvm_irqfd(struct kvm *kvm, const struct kvm_irqfd *args)
{
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (!(args->flags & KVM_IRQFD_FLAG_DEASSIGN) && !kvm_is_real(kvm) &&
	    !atomic_load(&kvm->irqchip))
		return -EINVAL;
	pthread_mutex_lock(&kvm->irqfds.assign_lock);
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		ret = deassign_locked(kvm, args);
	else
		ret = assign_locked(kvm, args);
	pthread_mutex_unlock(&kvm->irqfds.assign_lock);
	return ret;
}

int kvm_irqfd_is_posted(struct kvm *kvm, int fd)
{
	struct kvm_kernel_irqfd *irqfd;
	uint64_t token;
	int ret = irq_bypass_eventfd_token(fd, &token);

	if (ret)
		return ret;
	ret = -ENOENT;
	pthread_mutex_lock(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.list, list)
		if (irqfd->token == token)
			ret = irqfd->posted;
	pthread_mutex_unlock(&kvm->irqfds.lock);
	return ret;
}

void kvm_free_irqfds(struct kvm *kvm)
{
	struct kvm_kernel_irqfd *irqfd;

	while (!list_empty(&kvm->irqfds.list)) {
		pthread_mutex_lock(&kvm->irqfds.lock);
		irqfd = list_first_entry(&kvm->irqfds.list, struct kvm_kernel_irqfd, list);
		list_del(&irqfd->list);
		pthread_mutex_unlock(&kvm->irqfds.lock);
		shut_down(irqfd);
	}
}
