/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Power states: a user's PMCSR, low power as a feature, and the sleep of a function that nobody has
 * open (the kernel's vfio_pci_core.c).
 *
 * Some functions forget their registers on the way from D3hot to D0: whoever puts one to sleep
 * saves them, and restores them when it is awake.
 *
 * In low power the function sleeps except while something is asked of it, INTx is masked while it
 * sleeps, and its memory is not reached through mappings. Who gave an eventfd leaves low power by
 * the first thing that is asked and hears of it. memory_lock guards all of it.
 */
#include <errno.h>
#include <string.h>

#include "pci/sriov.h"
#include "vfio_pci/vfio_pci_priv.h"

static bool forgets(const struct pci_dev *pdev)
{
	return pdev->pm_cap &&
	       !(pci_get_word(pdev, pdev->pm_cap + PCI_PM_CTRL) & PCI_PM_CTRL_NO_SOFT_RESET);
}

/* The state, and registers saved to and restored from @saved on the way. */
static int change_state(struct vfio_pci_device *vpd, unsigned int state,
			struct vfio_pci_saved *saved)
{
	struct pci_dev *pdev = vpd->pdev;
	bool asleep = pci_power_state(pdev) >= 3;
	int ret;

	if (!forgets(pdev))
		return pci_set_power_state(pdev, state);
	if (!asleep && state >= 3) {
		pci_save_state(pdev, saved->config);
		saved->valid = true;
	}
	ret = pci_set_power_state(pdev, state);
	if (!ret && asleep && !state && saved->valid) {
		saved->valid = false;
		pci_restore_state(pdev, saved->config);
	}
	return ret;
}

int vfio_pci_set_power_state(struct vfio_pci_device *vpd, unsigned int state)
{
	int ret;

	if (state >= 3)
		vfio_pci_memory_zap(vpd);
	ret = change_state(vpd, state, &vpd->pm_saved);
	vfio_pci_memory_update(vpd);
	return ret;
}

void vfio_pci_sleep(struct vfio_pci_device *vpd)
{
	if (!vpd->disable_idle_d3 && !pci_num_vf(vpd->pdev))
		change_state(vpd, 3, &vpd->idle_saved);
}

void vfio_pci_wake(struct vfio_pci_device *vpd)
{
	change_state(vpd, 0, &vpd->idle_saved);
}

void vfio_pci_pmcsr_written(struct vfio_pci_device *vpd, unsigned int reg,
			    const struct vfio_pci_write *w)
{
	/* The user reads back the state that came about, whatever it asked for. */
	if (w->pos == reg)
		vfio_pci_set_power_state(vpd, w->value & PCI_PM_CTRL_STATE_MASK);
}

/* ---- low power ------------------------------------------------------------------------------- */

/* A user's D3hot ends here: the function comes back in D0. */
static void suspend_locked(struct vfio_pci_device *vpd)
{
	vfio_pci_set_power_state(vpd, 0);
	vpd->suspended = true;
	vpd->suspend_masked = vpd->irq_type == VFIO_PCI_INTX_IRQ_INDEX && vfio_pci_intx_mask(vpd);
	vfio_pci_sleep(vpd);
	vfio_pci_memory_update(vpd);
}

static void resume_locked(struct vfio_pci_device *vpd)
{
	if (!vpd->suspended)
		return;
	vpd->suspended = false;
	vfio_pci_wake(vpd);
	if (vpd->suspend_masked)
		vfio_pci_intx_unmask(vpd);
	vfio_pci_memory_update(vpd);
}

static void leave_locked(struct vfio_pci_device *vpd)
{
	resume_locked(vpd);
	irq_trigger_destroy(vpd->wakeup);
	vpd->wakeup = NULL;
	atomic_store(&vpd->low_power, false);
	vfio_pci_memory_update(vpd);
}

int vfio_pci_low_power_entry(struct vfio_pci_device *vpd, struct irq_trigger *wakeup)
{
	int ret = -EINVAL;

	pthread_mutex_lock(&vpd->memory_lock);
	if (!atomic_load(&vpd->low_power)) {
		ret = 0;
		vpd->wakeup = wakeup;
		atomic_store(&vpd->low_power, true);
		vfio_pci_memory_update(vpd);
	}
	pthread_mutex_unlock(&vpd->memory_lock);
	return ret;
}

void vfio_pci_low_power_exit(struct vfio_pci_device *vpd)
{
	pthread_mutex_lock(&vpd->memory_lock);
	if (atomic_load(&vpd->low_power))
		leave_locked(vpd);
	pthread_mutex_unlock(&vpd->memory_lock);
}

void vfio_pci_use_slow(struct vfio_pci_device *vpd)
{
	pthread_mutex_lock(&vpd->memory_lock);
	vpd->low_power_uses++;
	if (vpd->suspended && vpd->wakeup) {
		irq_trigger_signal(vpd->wakeup);
		leave_locked(vpd);
	} else {
		resume_locked(vpd);
	}
	pthread_mutex_unlock(&vpd->memory_lock);
}

void vfio_pci_unuse_slow(struct vfio_pci_device *vpd, bool counted)
{
	pthread_mutex_lock(&vpd->memory_lock);
	if (counted)
		vpd->low_power_uses--;
	if (atomic_load(&vpd->low_power) && !vpd->suspended && !vpd->low_power_uses)
		suspend_locked(vpd);
	pthread_mutex_unlock(&vpd->memory_lock);
}
