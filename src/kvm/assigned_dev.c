/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices of a VM in the old way (Linux 4.11's arch/x86/kvm/assigned-dev.c). The steps of an
 * assignment, in the kernel's order, each with its error:
 *
 *	KVM_DEV_ASSIGN_ENABLE_IOMMU is demanded		-EINVAL
 *	kvm_find_assigned_dev: the id is not in use	-EEXIST
 *	pci_get_domain_bus_and_slot			-EINVAL
 *	not a bridge					-EPERM
 *	probe_sysfs_permissions				-EACCES, -EPERM
 *	pci_request_regions: no driver holds it		-EBUSY
 *	pci_reset_function, pci_save_state
 *	kvm_iommu_map_guest, for the first device	-ENODEV, -ENOMEM, -EPERM
 *	kvm_assign_device				-EINVAL, -EBUSY
 *
 * and kvm_vm_ioctl_deassign_device: kvm_deassign_device, then kvm_free_assigned_device (interrupts
 * off, reset, state restored, released). When the last device has gone the domain goes, which the
 * kernel left to the end of the VM.
 */
#include "kvm/assigned_dev.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "kvm/assigned_priv.h"

static struct kvm_assigned_dev *kvm_find_assigned_dev(struct kvm_assign *assign, uint32_t id)
{
	struct kvm_assigned_dev *dev;

	list_for_each_entry(dev, &assign->devices, node)
		if (dev->id == id)
			return dev;
	return NULL;
}

/* KVM_CREATE_IRQCHIP has been called. */
static bool irqchip_in_kernel(struct kvm *kvm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	return kvm_get_irqchip(kvm, &chip) != -ENXIO;
}

/* ---- life of a device ------------------------------------------------------------------------ */

/* COMMAND.INTX_DISABLE can be written: pci_intx_mask_supported(). */
static bool intx_mask_supported(const struct pci_dev *pdev)
{
	return pdev->wmask[PCI_COMMAND + 1] & PCI_COMMAND_INTX_DISABLE >> 8;
}

static int enable_device(struct pci_dev *pdev)
{
	int ret = pci_dev_power_on(pdev);

	if (ret)
		return -EBUSY;
	pci_set_power_state(pdev, 0);
	if (pdev->sysfs.enable_count++ == 0)
		pci_enable_decode(pdev);
	return 0;
}

static void disable_device(struct pci_dev *pdev)
{
	if (--pdev->sysfs.enable_count == 0)
		pci_set_master(pdev, false);
	pci_dev_power_off(pdev);
	/* Other processes see the registers as they are left, too. */
	pci_config_publish(pdev);
}

static struct iommu *unit_of(const struct pci_dev *pdev)
{
	struct iommu_group *group = pdev->iommu ? iommu_group_of(pdev->iommu) : NULL;

	return group ? iommu_group_unit(group) : NULL;
}

static void free_device(struct kvm_assigned_dev *dev)
{
	list_del(&dev->node);
	pthread_mutex_destroy(&dev->intx_lock);
	free(dev);
}

/* The last device's domain goes with it. */
static void kvm_iommu_drop(struct kvm_assign *assign)
{
	if (!assign->attached)
		kvm_iommu_unmap_guest(&assign->iommu);
}

/* Attached to the VM's domain. */
static int attach(struct kvm_assign *assign, struct pci_dev *pdev)
{
	int ret = 0;

	if (!kvm_iommu_mapped(&assign->iommu))
		ret = kvm_iommu_map_guest(&assign->iommu, unit_of(pdev));
	if (ret)
		return ret;
	ret = kvm_assign_device(&assign->iommu, pdev);
	if (!ret)
		assign->attached++;
	else
		kvm_iommu_drop(assign);
	return ret;
}

static void detach(struct kvm_assigned_dev *dev)
{
	kvm_deassign_device(&dev->assign->iommu, dev->pdev);
	dev->assign->attached--;
}

static void kvm_free_assigned_device(struct kvm_assigned_dev *dev)
{
	struct kvm_assign *assign = dev->assign;
	struct pci_dev *pdev = dev->pdev;

	if (pdev) {
		kvm_assigned_irqs_free(dev);
		pci_reset_function(pdev);
		pci_restore_state(pdev, dev->saved);
		disable_device(pdev);
		assign->env.release(assign->env.arg, pdev);
	}
	free_device(dev);
}

static int take_device(struct kvm_assign *assign, struct pci_dev *pdev,
		       struct kvm_assigned_dev *dev, const struct kvm_assigned_pci_dev *arg)
{
	const struct kvm_assign_env *env = &assign->env;
	uint32_t flags = arg->flags;
	int ret;

	if (pdev->is_bridge)
		return -EPERM;
	ret = env->permission(env->arg, pdev);
	if (ret)
		return ret;
	ret = env->request(env->arg, pdev, assign);
	if (ret) {
		pr_info("kvm_vm_ioctl_assign_device: Could not get access to device regions");
		return ret;
	}
	ret = enable_device(pdev);
	if (ret) {
		pr_info("kvm_vm_ioctl_assign_device: Could not enable PCI device");
		env->release(env->arg, pdev);
		return ret;
	}
	pci_reset_function(pdev);
	pci_save_state(pdev, dev->saved);
	if (!intx_mask_supported(pdev))
		flags &= ~(uint32_t)KVM_DEV_ASSIGN_PCI_2_3;
	dev->id = arg->assigned_dev_id;
	dev->pdev = pdev;
	atomic_store(&dev->flags, flags);
	ret = attach(assign, pdev);
	if (ret) {
		pci_restore_state(pdev, dev->saved);
		disable_device(pdev);
		env->release(env->arg, pdev);
	}
	return ret;
}

/* ---- the ioctls, locked ---------------------------------------------------------------------- */

static int kvm_vm_ioctl_assign_device(struct kvm_assign *assign, const void *data)
{
	const struct kvm_assigned_pci_dev *arg = data;
	struct kvm_assigned_dev *dev;
	struct pci_dev *pdev;
	int ret;

	if (!(arg->flags & KVM_DEV_ASSIGN_ENABLE_IOMMU))
		return -EINVAL;
	if (kvm_find_assigned_dev(assign, arg->assigned_dev_id))
		return -EEXIST;
	dev = FAIL_POINT() ? NULL : calloc(1, sizeof(*dev));
	if (!dev) {
		pr_info("kvm_vm_ioctl_assign_device: Couldn't allocate memory");
		return -ENOMEM;
	}
	dev->assign = assign;
	kvm_assigned_irqs_init(dev);
	list_init(&dev->node);
	pdev = assign->env.find(assign->env.arg, arg->segnr, arg->busnr, arg->devfn);
	ret = -EINVAL;
	if (pdev)
		ret = take_device(assign, pdev, dev, arg);
	else
		pr_info("kvm_vm_ioctl_assign_device: host device not found");
	if (ret)
		free_device(dev);
	else
		list_add(&dev->node, &assign->devices);
	return ret;
}

static int kvm_vm_ioctl_deassign_device(struct kvm_assign *assign, const void *data)
{
	const struct kvm_assigned_pci_dev *arg = data;
	struct kvm_assigned_dev *dev = kvm_find_assigned_dev(assign, arg->assigned_dev_id);

	if (!dev) {
		pr_info("kvm_vm_ioctl_deassign_device: device hasn't been assigned before, so "
			"cannot be deassigned");
		return -EINVAL;
	}
	if (dev->pdev)
		detach(dev);
	kvm_free_assigned_device(dev);
	kvm_iommu_drop(assign);
	return 0;
}

/* One that is there, or @error. */
static int find_live(struct kvm_assign *assign, uint32_t id, int error,
		     struct kvm_assigned_dev **dev)
{
	*dev = kvm_find_assigned_dev(assign, id);
	if (!*dev)
		return error;
	return (*dev)->pdev ? 0 : -ENODEV;
}

static int kvm_vm_ioctl_assign_irq(struct kvm_assign *assign, const void *data)
{
	const struct kvm_assigned_irq *arg = data;
	struct kvm_assigned_dev *dev;
	int ret;

	if (!irqchip_in_kernel(assign->kvm))
		return -EINVAL;
	ret = find_live(assign, arg->assigned_dev_id, -ENODEV, &dev);
	return ret ? ret : kvm_assigned_assign_irq(dev, arg);
}

static int kvm_vm_ioctl_deassign_dev_irq(struct kvm_assign *assign, const void *data)
{
	const struct kvm_assigned_irq *arg = data;
	struct kvm_assigned_dev *dev;
	int ret = find_live(assign, arg->assigned_dev_id, -ENODEV, &dev);

	if (ret)
		return ret;
	if (!irqchip_in_kernel(assign->kvm))
		return -EINVAL;
	return kvm_assigned_deassign_irq(dev, arg->flags);
}

static int kvm_vm_ioctl_set_msix_nr(struct kvm_assign *assign, const void *data)
{
	const struct kvm_assigned_msix_nr *arg = data;
	struct kvm_assigned_dev *dev;
	int ret = find_live(assign, arg->assigned_dev_id, -EINVAL, &dev);

	return ret ? ret : kvm_assigned_set_msix_nr(dev, arg->entry_nr);
}

static int kvm_vm_ioctl_set_msix_entry(struct kvm_assign *assign, const void *data)
{
	const struct kvm_assigned_msix_entry *arg = data;
	struct kvm_assigned_dev *dev;
	int ret = find_live(assign, arg->assigned_dev_id, -EINVAL, &dev);

	return ret ? ret : kvm_assigned_set_msix_entry(dev, arg->entry, arg->gsi);
}

static int kvm_vm_ioctl_set_pci_irq_mask(struct kvm_assign *assign, const void *data)
{
	const struct kvm_assigned_pci_dev *arg = data;
	struct kvm_assigned_dev *dev;
	int ret = find_live(assign, arg->assigned_dev_id, -ENODEV, &dev);

	if (!ret)
		kvm_assigned_set_intx_mask(dev, arg->flags);
	return ret;
}

/* Deprecated since Linux 2.6.30. */
static int kvm_vm_ioctl_assign_irq_old(struct kvm_assign *assign, const void *data)
{
	return -EOPNOTSUPP;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static const struct assign_ioctl {
	unsigned int cmd;
	size_t size; /* of the argument; 0: it is not looked at */
	int (*fn)(struct kvm_assign *assign, const void *data);
} ioctls[] = {
	{ KVM_ASSIGN_PCI_DEVICE, sizeof(struct kvm_assigned_pci_dev), kvm_vm_ioctl_assign_device },
	{ KVM_DEASSIGN_PCI_DEVICE, sizeof(struct kvm_assigned_pci_dev),
	  kvm_vm_ioctl_deassign_device },
	{ KVM_ASSIGN_DEV_IRQ, sizeof(struct kvm_assigned_irq), kvm_vm_ioctl_assign_irq },
	{ KVM_DEASSIGN_DEV_IRQ, sizeof(struct kvm_assigned_irq), kvm_vm_ioctl_deassign_dev_irq },
	{ KVM_ASSIGN_SET_MSIX_NR, sizeof(struct kvm_assigned_msix_nr), kvm_vm_ioctl_set_msix_nr },
	{ KVM_ASSIGN_SET_MSIX_ENTRY, sizeof(struct kvm_assigned_msix_entry),
	  kvm_vm_ioctl_set_msix_entry },
	{ KVM_ASSIGN_SET_INTX_MASK, sizeof(struct kvm_assigned_pci_dev),
	  kvm_vm_ioctl_set_pci_irq_mask },
	{ KVM_ASSIGN_IRQ, 0, kvm_vm_ioctl_assign_irq_old },
};

static const struct assign_ioctl *find_ioctl(unsigned int cmd)
{
	for (size_t i = 0; i < ARRAY_SIZE(ioctls); i++)
		if (ioctls[i].cmd == cmd)
			return &ioctls[i];
	return NULL;
}

bool kvm_assign_is_ioctl(unsigned int cmd)
{
	return find_ioctl(cmd) != NULL;
}

long kvm_vm_ioctl_assigned_device(struct kvm_assign *assign, unsigned int cmd, unsigned long arg)
{
	const struct assign_ioctl *io = find_ioctl(cmd);
	union {
		struct kvm_assigned_pci_dev dev;
		struct kvm_assigned_irq irq;
		struct kvm_assigned_msix_nr nr;
		struct kvm_assigned_msix_entry entry;
	} data;
	long ret;

	if (!io)
		return -ENOTTY;
	ret = kvm_check(assign->kvm);
	if (ret)
		return ret;
	if (io->size && copy_from_user(&data, arg, io->size))
		return -EFAULT;
	assign->env.lock(assign->env.arg);
	pthread_mutex_lock(&assign->lock);
	ret = io->fn(assign, &data);
	pthread_mutex_unlock(&assign->lock);
	assign->env.unlock(assign->env.arg);
	return ret;
}

int kvm_assign_check_extension(unsigned long cap, bool iommu)
{
	switch (cap) {
	case KVM_CAP_IOMMU:
		return iommu;
	case KVM_CAP_ASSIGN_DEV_IRQ:
	case KVM_CAP_PCI_2_3:
		return 1;
	default:
		return -1;
	}
}

/* ---- life of a VM's devices ------------------------------------------------------------------ */

int kvm_assign_create(struct kvm *kvm, const struct kvm_assign_env *env, struct kvm_assign **out)
{
	struct kvm_iommu_env iommu_env = { .hm = env->hm, .huge_size = env->huge_size };
	struct kvm_assign *assign;
	int ret = kvm_check(kvm);

	if (ret)
		return ret;
	assign = FAIL_POINT() ? NULL : calloc(1, sizeof(*assign));
	if (!assign)
		return -ENOMEM;
	assign->kvm = kvm;
	assign->env = *env;
	pthread_mutex_init(&assign->lock, NULL);
	list_init(&assign->devices);
	kvm_iommu_init(&assign->iommu, kvm, &iommu_env);
	*out = assign;
	return 0;
}

void kvm_assign_destroy(struct kvm_assign *assign)
{
	struct kvm_assigned_dev *dev, *tmp;

	if (!assign)
		return;
	if (kvm_check(assign->kvm)) {
		/* The parent's devices, and any lock may be held by a thread that is not here. */
		list_for_each_entry_safe(dev, tmp, &assign->devices, node) {
			kvm_assigned_irqs_forget(dev);
			free(dev);
		}
		free(assign);
		return;
	}
	assign->env.lock(assign->env.arg);
	pthread_mutex_lock(&assign->lock);
	list_for_each_entry_safe(dev, tmp, &assign->devices, node) {
		if (dev->pdev)
			detach(dev);
		kvm_free_assigned_device(dev);
	}
	pthread_mutex_unlock(&assign->lock);
	assign->env.unlock(assign->env.arg);
	kvm_iommu_exit(&assign->iommu);
	pthread_mutex_destroy(&assign->lock);
	free(assign);
}

void kvm_assign_gone(struct kvm_assign *assign, struct pci_dev *pdev)
{
	struct kvm_assigned_dev *dev;

	pthread_mutex_lock(&assign->lock);
	list_for_each_entry(dev, &assign->devices, node) {
		if (dev->pdev != pdev)
			continue;
		kvm_assigned_irqs_free(dev);
		detach(dev);
		disable_device(pdev);
		assign->env.release(assign->env.arg, pdev);
		dev->pdev = NULL;
		break;
	}
	kvm_iommu_drop(assign);
	pthread_mutex_unlock(&assign->lock);
}

size_t kvm_assign_table_bytes(struct kvm_assign *assign)
{
	return kvm_iommu_table_bytes(&assign->iommu);
}
